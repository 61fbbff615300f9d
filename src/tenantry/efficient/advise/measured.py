"""What profile tables say about a class of work: its speed on each option, and what it was seen to be unable to do."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tenantry.efficient.advise.facts import Speed
from tenantry.model.spec import SharingMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.model.profile_table import Measurement, ProfileTable, Setting
    from tenantry.model.spec import Workload

Evidence = tuple[dict[str, Speed], dict[str, str]]
"""Speeds, and reasons why something cannot be done, both by key of the option."""


def speeds_of(table: ProfileTable, workloads: Iterable[Workload]) -> dict[tuple[str, str], Evidence]:
    """Return what was measured, by name of the workload and GPU of the catalog.

    The fastest row of an option counts, over batches and processes. With a latency goal only rows that hold it count:
    a percentile at or above the goal's must have been measured, since a mean or a lower percentile says less.

    Args:
        table: the measurements; a row belongs to the class of work of the same name.
        workloads: classes of work.
    """
    goals = {
        item.name: (item.spec.latency.percentile, item.spec.latency.milliseconds) if item.spec.latency else None
        for item in workloads
    }
    rows: dict[tuple[str, str], dict[str, list[Measurement]]] = defaultdict(lambda: defaultdict(list))
    for row in table:
        key = key_of(row.setting)
        if key and row.setting.workload in goals:
            rows[row.setting.workload, row.setting.gpu][key].append(row)
    found: dict[tuple[str, str], Evidence] = {
        name: _evidence(by_key, goals[name[0]]) for name, by_key in sorted(rows.items())
    }
    for setting in table.failed:
        key = key_of(setting)
        if key and setting.workload in goals:
            speeds, failed = found.setdefault((setting.workload, setting.gpu), ({}, {}))
            if key not in speeds and key not in rows.get((setting.workload, setting.gpu), {}):
                failed.setdefault(key, "measured: it did not run")
    return found


def key_of(setting: Setting) -> str:
    """Return the key of the option that was measured; empty when it is none, such as a slice that is time-sliced."""
    if setting.alone:
        return setting.slice
    if setting.profile or setting.mode not in {SharingMode.MPS, SharingMode.TIME_SLICING}:
        return ""
    return f"{setting.mode.value}-{setting.neighbours + 1}"


def _evidence(by_key: Mapping[str, list[Measurement]], goal: tuple[float, float] | None) -> Evidence:
    speeds: dict[str, Speed] = {}
    failed: dict[str, str] = {}
    for key, rows in sorted(by_key.items()):
        held, missed = rows, [0.0]
        if goal is not None:
            percent, limit = goal
            comparable = [(row, told) for row in rows if (told := _milliseconds(row, percent)) is not None]
            held = [row for row, told in comparable if told <= limit]
            missed = [told for _, told in comparable]
        if held:
            best = min(held, key=lambda row: (-row.throughput, row.setting.processes, row.setting.batch))
            speeds[key] = Speed(best.throughput, f"{best.location.file}:{best.location.line}")
        elif missed and goal is not None:
            failed[key] = f"measured: p{goal[0]:g} is {min(missed):.4g} ms at best, the goal is {goal[1]:g} ms"
    return speeds, failed


def _milliseconds(row: Measurement, percent: float) -> float | None:
    told = row.latency_for(percent)
    if told is None or (told[0].percent or 0.0) < percent:
        return None
    return told[1] * 1000
