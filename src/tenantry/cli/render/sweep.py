"""Sweeps for people and machines: a row per combination of what is varied, means over seeds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from tenantry import __version__
from tenantry.cli.render.simulation_words import UNKNOWN, number
from tenantry.cli.render.verification import cell, printable
from tenantry.fair.measures.catalogue import BY_KEY
from tenantry.io.walk import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tenantry.app.sweep import SweepOutcome

    Row = Mapping[str, Any]

FORMAT_VERSION = "1.0"

COLUMNS = {
    "allocationBusy": "allocated",
    "waitP50Seconds": "wait p50",
    "waitP95Seconds": "wait p95",
    "slowdownMean": "slowdown",
    "shareLossTotalGpuHours": "loss GPU-h",
    "worstNormalisedShare": "worst held/due",
    "evictionsSuffered": "evictions",
    "workLostGpuHours": "lost GPU-h",
}
"""Measures that are shown, with short heads."""

NO_AXES = frozenset({"run", "seed", "leftOut", "tenants", "refused", *BY_KEY})
"""Fields of a row that do not say where it stands; seeds are averaged over."""

MOST_ROWS = 60
"""Rows a table shows."""


class Combination(NamedTuple):
    """Runs that differ in their seed only.

    Attributes:
        place: where they stand on each axis.
        rows: the runs.
    """

    place: tuple[tuple[str, Any], ...]
    rows: tuple[Row, ...]

    @property
    def refused(self) -> str:
        """Why they cannot be run; empty when they can."""
        return next((str(row["refused"]) for row in self.rows if "refused" in row), "")

    def mean(self, key: str) -> float | None:
        """Return the mean of a measure over the seeds that know it."""
        values = [row[key] for row in self.rows if row.get(key) is not None]
        return sum(values) / len(values) if values else None


def text(outcome: SweepOutcome) -> str:
    """Write a sweep for a terminal."""
    lines = _said(outcome)
    if outcome.rows is None:
        return printable("\n".join(lines)) + "\n"
    same, head, body, notes = _table(outcome.rows)
    heads = _stacked(head, len(head) - len(COLUMNS))
    widths = [max(len(row[index]) for row in (*heads, *body)) for index in range(len(head))]
    left = len(head) - len(COLUMNS)
    lines += [*(f"{name}: {value}" for name, value in same), ""]
    for row in (*heads, *body):
        cells = (
            words.ljust(size) if index < left else words.rjust(size)
            for index, (words, size) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return printable("\n".join([*lines, *notes])) + "\n"


def _stacked(head: Sequence[str], axes: int) -> list[list[str]]:
    """Break the paths in the first columns over several lines, a step each, the last one just above its column."""
    steps = [name.replace("/", "/\n").split("\n") if index < axes else [name] for index, name in enumerate(head)]
    most = max(map(len, steps))
    return [[each[line - most] if line >= most - len(each) else "" for each in steps] for line in range(most)]


def markdown(outcome: SweepOutcome) -> str:
    """Write a sweep as Markdown."""
    lines = _said(outcome)
    if outcome.rows is None:
        return printable("\n".join(lines)) + "\n"
    same, head, body, notes = _table(outcome.rows)
    left = len(head) - len(COLUMNS)
    lines += ["", *(f"- {cell(name)}: {cell(str(value))}" for name, value in same), ""]
    lines += [_row(head), "|" + "---|" * left + "---:|" * len(COLUMNS), *map(_row, body)]
    return printable("\n".join([*lines, *(f"\n{cell(note)}" for note in notes)])) + "\n"


def as_json(outcome: SweepOutcome) -> str:
    """Write all runs of a sweep for machines; units are in the names of measures."""
    body = {
        "formatVersion": FORMAT_VERSION,
        "tool": {"name": "tenantry", "version": __version__},
        "runs": outcome.runs,
        "doneNow": outcome.done,
        "doneBefore": outcome.kept,
        "results": None if outcome.rows is None else list(outcome.rows),
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _said(outcome: SweepOutcome) -> list[str]:
    kept = f", {outcome.kept:,} were there" if outcome.kept else ""
    line = f"{outcome.runs:,} runs: {outcome.done:,} done now{kept}"
    if outcome.results is None:
        return [f"{line}; merge them with --merge once all parts are done"]
    return [f"{line}; all are in {shown(outcome.results)}"]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(cell, cells)) + " |"


def _table(rows: Sequence[Row]) -> tuple[list[tuple[str, Any]], list[str], list[list[str]], list[str]]:
    """Return what all runs share, the head, the rows, and what is not in them."""
    found = list(_combinations(rows))
    names = list(dict.fromkeys(name for each in found for name, _ in each.place))
    places = [dict(each.place) for each in found]
    varied = [name for name in names if len({repr(place.get(name)) for place in places}) > 1]
    same = [(name, places[0][name]) for name in names if name not in varied]
    seeds = list(dict.fromkeys(row["seed"] for row in rows if "seed" in row))
    if seeds:
        label = f"seed{'s' * (len(seeds) > 1)}"
        same.append((label, f"{', '.join(map(str, seeds))}{' (means)' * (len(seeds) > 1)}"))
    body = []
    notes: dict[str, None] = {}
    for each, place in zip(found[:MOST_ROWS], places, strict=False):
        body.append([*(str(place.get(name, UNKNOWN)) for name in varied), *_measures(each)])
        if each.refused:
            where = ", ".join(f"{name} {place.get(name)}" for name in varied)
            notes[f"not run: {where}: {each.refused}"] = None
    if len(found) > MOST_ROWS:
        notes[f"{len(found) - MOST_ROWS:,} more rows are in the file"] = None
    return same, [*varied, *COLUMNS.values()], body, list(notes)


def _measures(combination: Combination) -> Iterator[str]:
    return (number(BY_KEY[key].unit, combination.mean(key)) for key in COLUMNS)


def _combinations(rows: Sequence[Row]) -> Iterator[Combination]:
    groups: dict[tuple[tuple[str, Any], ...], list[Row]] = {}
    for row in rows:
        place = tuple((name, value) for name, value in row.items() if name not in NO_AXES)
        groups.setdefault(place, []).append(row)
    return (Combination(place, tuple(group)) for place, group in groups.items())


RENDERERS: Mapping[str, Callable[[SweepOutcome], str]] = {"text": text, "json": as_json, "md": markdown}
"""Writer of each output format."""
