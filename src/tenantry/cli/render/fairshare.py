"""Fair shares as tables and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tenantry import __version__
from tenantry.cli.render.findings import plain_finding
from tenantry.cli.render.layout import paragraph, table
from tenantry.cli.render.plain import amounts, moment, plain
from tenantry.fair.explain.words import GIB, clock, gpus, number
from tenantry.fair.fairshare import CRUMB, RESOURCES
from tenantry.model.duration import duration_text
from tenantry.model.queue import DEFAULT_QUEUE_PRIORITY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenantry.app.fairshare import FairShareReport, PoolShares
    from tenantry.fair.fairshare import Row

FORMAT_VERSION = "1.0"
UNITS = {"gpu": (1.0, "GPUs"), "cpu": (1000.0, "CPUs"), "memory": (GIB, "GiB of memory")}
"""What a resource is divided by to be shown, and what it is then."""


def text(report: FairShareReport, resources: Sequence[str]) -> str:
    """Write a table per node pool and resource."""
    lines: list[str] = []
    for pool in report.pools:
        for resource in dict.fromkeys(resources):
            lines += [*([""] if lines else []), *_table(pool, resource, report.after)]
    lines += ["", *paragraph("- is unlimited; fair: its fair share; holds: allocated; asks: held and waited for")]
    return "\n".join(lines)


def _table(pool: PoolShares, resource: str, after: int | None) -> list[str]:
    unit, name = UNITS[resource]
    total, idle = (gpus(pool.total["gpu"]), gpus(pool.idle["gpu"])) if resource == "gpu" else (
        f"{number(pool.total[resource] / unit)} {name}", number(pool.idle[resource] / unit))  # fmt: skip
    when = f", {clock(pool.now)}" if pool.now > 10**8 else ""
    if after is not None:
        when = f", simulated, {duration_text(after)} after the first submission"
    head = f"node pool {pool.pool}: {total}, {idle} idle ({pool.scheduler}{when})"
    ranked = any(row.priority != DEFAULT_QUEUE_PRIORITY for _, row in pool.rows)
    header = ["queue", *(["priority"] if ranked else []), "quota", "limit", "weight", "fair", "holds", "asks", ""]
    rows = [_cells(name, row, resource, ranked=ranked) for name, row in pool.rows]
    return [*paragraph(head), *table(header, rows, justify="l" + "r" * (len(header) - 2) + "l")]


def _cells(name: str, row: Row, resource: str, *, ranked: bool) -> list[str]:
    unit, _ = UNITS[resource]
    item = row.of(resource)

    def shown(value: float) -> str:
        return "-" if value == -1 else number(value / unit)

    states = [
        f"{word} {number(value / unit)}"
        for word, value in (("starved", item.starved), ("borrows", item.borrowed), ("lends", item.lent))
        if value / unit > CRUMB and number(value / unit) != "0"
    ]
    return [
        "  " * row.depth + name,
        *([str(row.priority)] if ranked else []),
        shown(item.quota),
        shown(item.limit),
        number(item.weight),
        shown(item.fair),
        shown(item.allocated),
        shown(item.requested),
        ", ".join(states),
    ]


def as_json(report: FairShareReport, resources: Sequence[str]) -> str:
    """Write every number of every queue, for machines."""
    del resources
    body = {
        "formatVersion": FORMAT_VERSION,
        "tool": {"name": "tenantry", "version": __version__},
        "source": report.source,
        "simulated": report.after is not None,
        "starving": report.starving,
        "pools": [_pool(pool) for pool in report.pools],
        "findings": [plain_finding(item) for item in report.findings],
        "notes": list(report.notes),
    }
    return json.dumps(plain(body), indent=2, ensure_ascii=False)


def _pool(pool: PoolShares) -> dict[str, Any]:
    return {
        "name": pool.pool,
        "scheduler": pool.scheduler,
        "now": pool.now,
        "time": moment(pool.now),
        "total": pool.total,
        "idle": pool.idle,
        "notes": list(pool.notes),
        "queues": [queue(name, row, pool.parents, pool.tenants) for name, row in pool.rows],
    }


def queue(
    name: str, row: Row, parents: Mapping[str, str] | None = None, tenants: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """One queue with all its numbers."""
    body: dict[str, Any] = {"name": name}
    if parents is not None:
        body["parent"] = parents.get(name) or None
    if tenants is not None:
        body["tenant"] = tenants.get(name)
    body |= {"depth": row.depth, "leaf": row.leaf, "priority": row.priority}
    return body | {resource: amounts(row.of(resource)) for resource in reversed(RESOURCES)}


RENDERERS: Mapping[str, Callable[[FairShareReport, Sequence[str]], str]] = {"text": text, "json": as_json}
