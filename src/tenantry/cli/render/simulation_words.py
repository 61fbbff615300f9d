"""Numbers of measured replays as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tenantry.fair.measures.catalogue import BY_KEY
from tenantry.fair.measures.compare import subjects
from tenantry.fair.measures.kind import Better, Unit
from tenantry.fair.measures.words import span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.measures.compare import Compared
    from tenantry.fair.measures.named import NamedResult
    from tenantry.fair.measures.result import Measured, Result, Spread

UNKNOWN = "-"
"""In place of a number that is not known; never zero."""

SAME = "="
"""In place of a difference too small to be seen."""

HEADLINE = (
    "allocationBusy", "usefulGpuHours", "workLostGpuHours", "freeBlockedGpuHours", "freeTooSmallGpuHours",
    "jainIndex", "worstNormalisedShare", "shareLossTotalGpuHours", "waitP50Seconds", "waitP95Seconds", "slowdownMean",
    "slowdownP95", "evictionsSuffered", "finishTimeUnfairPart", "waitRatioToPartition", "jobsFinished",
    "jobsUnfinished", "jobsWaiting", "jobsImpossible",
)  # fmt: skip
"""Measures of the cluster that are shown first."""

RARE = {"jobsUnfinished", "jobsWaiting", "jobsImpossible"}
"""Of these, counts that are not worth a line when they are 0."""

OF_TENANT = (
    "quotaSatisfaction", "normalisedShare", "shareLossGpuHours", "waitP50Seconds", "waitP95Seconds", "slowdownP95",
    "evictionsSuffered", "lostGpuHours", "waitRatioToPartition", "finishTimeUnfairPart", "heldGpuHours",
    "borrowedGpuHours", "lentGpuHours",
)  # fmt: skip
"""Measures of tenants, the most telling first; narrow outputs show those that have room."""

COMPARED = (
    "quotaSatisfaction", "shareLossGpuHours", "waitP95Seconds", "slowdownP95", "lostGpuHours", "waitRatioToPartition",
)  # fmt: skip
"""Measures of tenants that are laid side by side for several replays."""

OF_QUEUE = (
    "quotaSatisfaction", "normalisedShare", "heldGpuHours", "dueGpuHours", "shareLossGpuHours", "borrowedGpuHours",
    "lentGpuHours", "longestBelowDueSeconds",
)  # fmt: skip
"""Measures of queues."""

HEADS = {
    "quotaSatisfaction": "quota met",
    "normalisedShare": "held/due",
    "shareLossGpuHours": "loss GPU-h",
    "waitP50Seconds": "wait p50",
    "waitP95Seconds": "wait p95",
    "slowdownP95": "slowd. p95",
    "evictionsSuffered": "evicted",
    "lostGpuHours": "lost GPU-h",
    "waitRatioToPartition": "wait/apart",
    "finishTimeUnfairPart": "rho>1.05",
    "heldGpuHours": "held GPU-h",
    "dueGpuHours": "due GPU-h",
    "borrowedGpuHours": "borr. GPU-h",
    "lentGpuHours": "lent GPU-h",
    "longestBelowDueSeconds": "below due",
}
"""Short heads of columns."""


def brief(seconds: float) -> str:
    """Write a length of time in one unit."""
    size = abs(seconds)
    if size < 120:
        return f"{seconds:.0f} s"
    if size < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:,.1f} h" if size < 172_800 else f"{seconds / 86_400:,.1f} d"


def number(unit: Unit, value: float | None, *, bound: bool = False) -> str:
    """Write a value in its unit; a lower bound is marked."""
    if value is None:
        return UNKNOWN
    texts = {
        Unit.PART: lambda: f"{100 * value:.1f} %",
        Unit.SECONDS: lambda: brief(value),
        Unit.GPU_HOURS: lambda: hours(value),
        Unit.COUNT: lambda: f"{value:,.0f}",
        Unit.TIMES: lambda: f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}",
    }
    return ("≥ " if bound else "") + texts[unit]()


def hours(value: float) -> str:
    """Write GPU-hours."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.1f}" if abs(value) >= 0.05 or not value else "<0.1"


def difference(unit: Unit, value: float | None) -> str:
    """Write a difference with its sign; empty where there is none to speak of."""
    if value is None:
        return ""
    if unit is Unit.PART:
        text = f"{100 * value:+.1f}"
    elif unit is Unit.GPU_HOURS and abs(value) < 0.05:
        text = "0"
    else:
        text = ("+" if value > 0 else "") + number(unit, value)
    return SAME if text.strip("+-0. smind,") == "" else text


def measured(key: str, subject: Measured, result: Result) -> str:
    """Write one measure of a subject."""
    measure = BY_KEY[key]
    return number(measure.unit, measure.value(subject, result), bound=measure.at_least(subject))


def title(key: str) -> str:
    """Return the title of a measure with its unit, where values do not carry it."""
    measure = BY_KEY[key]
    return f"{measure.title} (GPU-h)" if measure.unit is Unit.GPU_HOURS else measure.title


class Side(NamedTuple):
    """One measure in one of several replays.

    Attributes:
        text: the value.
        moved: its difference to the first replay; empty where there is none to speak of.
        tone: ``better`` or ``worse`` than the first; empty for neither.
    """

    text: str
    moved: str = ""
    tone: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.moved})" if self.moved else self.text


def side_by_side(row: Compared) -> list[Side]:
    """Write a row of a comparison: the value in the first replay, then values with differences."""
    measure = BY_KEY[row.measure]
    sides = []
    for position, (value, bound, change) in enumerate(zip(row.values, row.at_least, row.differences, strict=True)):
        text = number(measure.unit, value, bound=bound)
        moved = difference(measure.unit, change) if position else ""
        sides.append(Side(text, moved, _tone(measure.better, change) if moved not in {"", SAME} else ""))
    return sides


def _tone(better: Better, change: float | None) -> str:
    if not change or better is Better.NEITHER:
        return ""
    return "better" if (change > 0) == (better is Better.HIGHER) else "worse"


def statistic(spread: Spread | None, name: str) -> str:
    """Write one statistic of a spread of seconds."""
    if spread is None:
        return UNKNOWN
    return number(Unit.SECONDS, getattr(spread, name), bound=name in spread.at_least)


class About(NamedTuple):
    """What was replayed, and what does not count.

    Attributes:
        head: what was replayed.
        window: the time measured.
        notes: what was left out or not counted, a sentence each.
    """

    head: str
    window: str
    notes: tuple[str, ...]


def about(named: NamedResult) -> About:
    """Say what was replayed and what does not count."""
    result = named.result
    window, jobs, fairness = result.window, result.cluster.jobs, result.fairness
    head = f"{named.name}: {window.capacity / 1000:,g} GPUs, {jobs.submitted:,} jobs of {len(result.tenants)} tenants"
    head += f", {named.scheduler}" if named.scheduler else ""
    when = (
        f"submissions from {span(window.start)} to {span(window.last_submit)}, end at {span(window.end)}"
        f"{' (cut off)' if window.cut else ''}; {window.cycles:,} scheduling cycles"
    )
    notes = [named.note] if named.note else []
    left_out = sum(cause.count for cause in result.left_out)
    if left_out:
        notes.append(f"{left_out:,} jobs of the trace are left out; see FAIR-LEFT-OUT")
    for names, why in ((fairness.without_backlog, "never waited"), (fairness.nothing_due, "were due nothing")):
        if names:
            notes.append(f"not counted in fairness, as they {why}: {listed(names)}")
    return About(head, when, tuple(notes))


def listed(names: Sequence[str], most: int = 8) -> str:
    """Write names, those beyond some as a number."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def by_weight(named: NamedResult, kind: str) -> list[Measured]:
    """Return subjects with the greatest share loss first, then the longest waits, then by name."""

    def key(subject: Measured) -> tuple[float, float, str]:
        loss = subject.shares.loss if subject.shares is not None else 0
        wait = subject.waits[0].first
        return (-loss, -wait.p95 if wait is not None else 0.0, subject.name)

    return sorted(subjects(named, kind), key=key)
