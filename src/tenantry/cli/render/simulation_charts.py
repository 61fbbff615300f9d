"""Pictures of measured replays: where GPU-time went, queues against what they were due, and single jobs."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from tenantry.cli.render.drawing import Frame, amounts, area, level, line, picture, round_up, times
from tenantry.cli.render.simulation_words import brief, hours
from tenantry.fair.measures.gantt import INCOMPLETE, LEAVES, RUNS, WAITS
from tenantry.fair.measures.result import gpu_hours
from tenantry.fair.measures.words import some, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.measures.gantt import Gantt, Segment
    from tenantry.fair.measures.result import Booking
    from tenantry.fair.measures.timeline import QueueSeries, Timeline

STYLE: Final = """
:root{--held:#7fb2e5;--due:#1c2430;--quota:#8b5a00;--waits:#c2552d;--useful:#2f7d4f;--startup:#8fa36b;--lost:#c2382b;
--partly:#8e5ea8;--leaving:#b98fcb;--blocked:#d98a1f;--small:#e9c46a;--better:#1b7a4b;--worse:#b42318}
@media(prefers-color-scheme:dark){:root{--held:#2f6299;--due:#e6ebf1;--quota:#d9a441;--waits:#e2764e;--useful:#3c9462;
--startup:#7d905c;--lost:#c2453a;--partly:#8e5ea8;--leaving:#6f5280;--blocked:#b97317;--small:#9a7d2e;--better:#5fc994;
--worse:#ff8a80}}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));gap:14px 18px;margin:0 0 18px}
figure{margin:0;min-width:0;max-width:480px}figcaption{font-size:13px;color:var(--dim)}figcaption b{color:var(--fg)}
.chart{width:100%}.chart path{fill:none}.chart .grid{stroke:var(--line)}.chart .held{fill:var(--held)}
.chart .due{stroke:var(--due);stroke-width:1.4}.chart .quota{stroke:var(--quota);stroke-dasharray:5 3}
.chart .waits{fill:var(--waits)}.chart .asked{stroke:var(--waits);stroke-width:1.2}
.chart .full{stroke:var(--dim);stroke-dasharray:2 2}
.key{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;margin:0 0 12px;padding:0;font-size:13px}
.key i{display:inline-block;width:16px;height:10px;margin-right:6px;border-radius:2px}
.key i.stroke{height:0;border-top:2px solid;border-radius:0;vertical-align:middle}.key i.dash{border-top-style:dashed}
.k-held{background:var(--held)}.k-waits{background:var(--waits)}.k-due{color:var(--due)}.k-quota{color:var(--quota)}
.k-asked{color:var(--waits)}.k-full{color:var(--dim)}
.use{display:flex;height:20px;border-radius:4px;overflow:hidden;background:var(--free)}.use span{display:block}
.u-useful{background:var(--useful)}.u-startup{background:var(--startup)}.u-lost{background:var(--lost)}
.u-incomplete{background:var(--partly)}.u-leaving{background:var(--leaving)}.u-blocked{background:var(--blocked)}
.u-small{background:var(--small)}.u-free{background:var(--free);outline:1px solid var(--line);outline-offset:-1px}
.job{height:18px;width:100%;border-radius:3px;margin:2px 0}
.j-waits{fill:var(--waits)}.j-incomplete{fill:var(--partly)}.j-runs{fill:var(--useful)}.j-leaves{fill:var(--leaving)}
.k-incomplete{background:var(--partly)}.k-runs{background:var(--useful)}.k-leaves{background:var(--leaving)}
"""
"""Colours and sizes of the pictures."""

QUEUE_HEIGHT, LENGTH_HEIGHT = 96, 30

QUEUE_KEY: Final = (
    '<ul class=key><li><i class="k-held"></i>held</li><li><i class="stroke k-due"></i>due: its fair share of what it '
    'asked for</li><li><i class="stroke dash k-quota"></i>quota</li><li><i class="k-waits"></i>jobs that lack GPUs'
    "</li></ul>"
)
CLUSTER_KEY: Final = (
    '<ul class=key><li><i class="k-held"></i>held</li><li><i class="stroke k-asked"></i>held or waited for</li><li>'
    '<i class="stroke dash k-full"></i>all GPUs</li></ul>'
)
JOB_KEY: Final = (
    '<ul class=key><li><i class="k-waits"></i>waits</li><li><i class="k-incomplete"></i>some of its pods have a place'
    '</li><li><i class="k-runs"></i>runs</li><li><i class="k-leaves"></i>evicted, pods are leaving</li></ul>'
)

LEAST_PART: Final = 0.0005
"""Part of GPU-time below which it is not drawn: it would be said to be 0.0 %."""

_USES: Final = (
    ("useful", "useful work"), ("startup", "start-up"), ("lost", "work lost"), ("incomplete", "incomplete gangs"),
    ("leaving", "leaving after an eviction"), ("blocked", "free, enough for a waiting job"),
    ("small", "free, too little for any job"), ("free", "free, not asked for"),
)  # fmt: skip

USE_KEY: Final = (
    "<ul class=key>" + "".join(f'<li><i class="u-{key}"></i>{escape(words)}</li>' for key, words in _USES) + "</ul>"
)


# Where GPU-time went -------------------------------------------------------------------------------------------------


def use(name: str, booking: Booking) -> str:
    """Draw where GPU-time went as a bar; empty where there was none."""
    if not booking.capacity:
        return ""
    parts = (
        booking.kept, booking.startup, booking.lost, booking.incomplete, booking.leaving, booking.blocked,
        booking.too_small, booking.unwanted,
    )  # fmt: skip
    known = [
        (key, words, amount)
        for (key, words), amount in zip(_USES, parts, strict=True)
        if amount / booking.capacity >= LEAST_PART
    ]
    bars = "".join(
        f'<span class="u-{key}" style="width:{100 * amount / booking.capacity:.3f}%" '
        f'title="{escape(words)}: {hours(gpu_hours(amount))} GPU-hours"></span>'
        for key, words, amount in known
    )
    said = ", ".join(f"{words} {100 * amount / booking.capacity:.1f} %" for _, words, amount in known)
    return (
        f"<figure><figcaption><b>{escape(name)}</b></figcaption><div class=use role=img "
        f'aria-label="{escape(said)}">{bars}</div><figcaption>{escape(said)}</figcaption></figure>'
    )


# Over time -----------------------------------------------------------------------------------------------------------


def highest(series: QueueSeries) -> float:
    """Return the largest amount of GPUs a picture of a queue has to show."""
    return max((*series.held.mean, *series.due.mean, 0.0)) / 1000


def longest(series: QueueSeries) -> float:
    """Return the largest number of jobs that lacked GPUs."""
    return max((*series.length.mean, 0.0))


def queue_chart(name: str, timeline: Timeline, series: QueueSeries, *, title: str, most: float, length: float) -> str:
    """Draw a queue over time: what it held and was due above, how many jobs lacked GPUs below.

    Args:
        name: name of the replay.
        timeline: its series.
        series: the queue.
        title: what the picture is called where it stands: what tells it from those beside it.
        most: GPUs at the upper edge, alike in all pictures of the queue.
        length: jobs at the upper edge of the lower part.
    """
    edges = timeline.edges
    if not series.held.mean:
        return ""
    upper = Frame(edges[0], edges[-1], round_up(most), 8, QUEUE_HEIGHT)
    lower = Frame(edges[0], edges[-1], round_up(length), QUEUE_HEIGHT + 22, LENGTH_HEIGHT)
    bottom = lower.top + lower.height
    quota = series.quota / 1000
    body = (
        times(upper, bottom)
        + area(upper, edges, _gpus(series.held.mean), "held")
        + line(upper, edges, _gpus(series.due.mean), "due")
        + (level(upper, quota, "quota") if 0 < quota <= upper.most else "")
        + amounts(upper, (0, upper.most))
        + area(lower, edges, series.length.mean, "waits")
        + level(lower, 0, "grid")
        + amounts(lower, (lower.most,))
    )
    peak = max(series.length.most)
    held, due = _mean(edges, series.held.mean), _mean(edges, series.due.mean)
    said = (
        f"queue {series.name} in {name}: held {held:,.1f} GPUs on average and was due {due:,.1f}; "
        f"at most {some(peak, 'job')} lacked GPUs"
    )
    waited = f"up to {some(peak, 'job')} waited" if peak else "nobody waited"
    short = f"held {held:,.1f} of {due:,.1f} GPUs due; {waited}"
    caption = f"<figcaption><b>{escape(title)}</b><br>{short}</figcaption>"
    return f"<figure>{caption}{picture(body, bottom + 18, said)}</figure>"


def cluster_chart(name: str, timeline: Timeline, most: float) -> str:
    """Draw the cluster over time: what was held, and what was held or waited for."""
    edges = timeline.edges
    if not timeline.allocated.mean:
        return ""
    frame = Frame(edges[0], edges[-1], round_up(most), 8, QUEUE_HEIGHT + LENGTH_HEIGHT)
    bottom = frame.top + frame.height
    asked = [sum(pair) for pair in zip(timeline.allocated.mean, timeline.waiting.mean, strict=True)]
    full = timeline.capacity / 1000
    body = (
        times(frame, bottom)
        + area(frame, edges, _gpus(timeline.allocated.mean), "held")
        + line(frame, edges, _gpus(asked), "asked")
        + level(frame, full, "full")
        + amounts(frame, (0, frame.most) if frame.most < 1.3 * full else (0, full, frame.most))
    )
    said = (
        f"held {_mean(edges, timeline.allocated.mean):,.1f} of {full:,g} GPUs, "
        f"waited for {_mean(edges, timeline.waiting.mean):,.1f} more"
    )
    caption = f"<figcaption><b>{escape(name)}</b><br>{said}</figcaption>"
    return f"<figure>{caption}{picture(body, bottom + 18, f'{name}: {said}')}</figure>"


def cluster_highest(timeline: Timeline) -> float:
    """Return the largest amount of GPUs a picture of the cluster has to show.

    What is waited for has no bound; above three times the cluster nobody needs to read it off.
    """
    asked = max((sum(pair) for pair in zip(timeline.allocated.mean, timeline.waiting.mean, strict=True)), default=0.0)
    return max(timeline.capacity, min(asked, 3 * timeline.capacity)) / 1000


def _gpus(values: Sequence[float]) -> list[float]:
    return [value / 1000 for value in values]


def _mean(edges: Sequence[int], values: Sequence[float]) -> float:
    """Return the mean over time of milli-GPUs, in GPUs."""
    total = sum(value * (end - start) for value, start, end in zip(values, edges, edges[1:], strict=False))
    return total / (edges[-1] - edges[0]) / 1000


# Jobs ----------------------------------------------------------------------------------------------------------------

MOST_EVICTIONS = 12
"""Evictions of a job that are told in words."""


def job_chart(gantt: Gantt) -> str:
    """Draw what became of a job from its submission to its end."""
    start, end = gantt.segments[0].start, gantt.segments[-1].end
    bars = "".join(
        f'<rect class="j-{each.state}" x={each.start - start} width={each.end - each.start} height=1><title>'
        f"{escape(_said(each))}</title></rect>"
        for each in gantt.segments
    )
    total = dict.fromkeys((WAITS, INCOMPLETE, RUNS, LEAVES), 0)
    for each in gantt.segments:
        total[each.state] += each.end - each.start
    evictions = [each for each in gantt.segments if each.action]
    facts = [
        f"submitted {span(start)} after the first",
        f"{brief(gantt.work)} of work",
        f"ran {brief(total[RUNS])}, did not run {brief(end - start - total[RUNS])}",
        f"{'ended' if gantt.finished else 'had not ended'} after {brief(end - start)}",
    ]
    if evictions:
        facts.append(f"evicted {len(evictions)} times" if len(evictions) > 1 else "evicted once")
    said = f"job {gantt.job} of {gantt.tenant}: " + ", ".join(facts)
    return (
        f"<figure><figcaption><b>{escape(gantt.job)}</b> {escape(gantt.tenant)}, {_count(gantt.gpus)}: "
        f'{escape(gantt.why)}</figcaption><svg class=job viewBox="0 0 {end - start} 1" preserveAspectRatio=none '
        f'role=img aria-label="{escape(said)}">{bars}</svg><figcaption>{escape(", ".join(facts))}</figcaption>'
        f"{_evictions(evictions, start)}</figure>"
    )


def _count(gpus: int) -> str:
    return f"{gpus / 1000:,g} GPU{'' if gpus == 1000 else 's'}"


def _said(segment: Segment) -> str:
    words = f"{segment.state} for {span(segment.end - segment.start)}, from {span(segment.start)}"
    return f"{words}; {_eviction(segment)}" if segment.action else words


def _eviction(segment: Segment) -> str:
    cause = f" for {segment.by} of {segment.by_tenant}" if segment.by else ""
    lost = f", {span(segment.lost)} of work lost" if segment.lost else ", no work lost"
    return f"evicted by {segment.action}{cause}{lost}"


def _evictions(segments: Sequence[Segment], start: int) -> str:
    if not segments:
        return ""
    items = "".join(
        f"<li>{span(each.start - start)} after submission: {escape(_eviction(each))}</li>"
        for each in segments[:MOST_EVICTIONS]
    )
    left = len(segments) - MOST_EVICTIONS
    more = f"<li>and {left} more</li>" if left > 0 else ""
    return f"<details><summary>evictions</summary><ul>{items}{more}</ul></details>"
