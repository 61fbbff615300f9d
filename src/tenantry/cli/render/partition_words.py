"""Sentences and cells about a partition plan, which all outputs share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.efficient.partition.losses import describe
from tenantry.model.partition import WHOLE, counts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.app.partition_report import DemandRow, PartitionReport, PoolReport
    from tenantry.efficient.partition.losses import Losses
    from tenantry.efficient.partition.planner import Planned

HEAD = ("tenant", "profile", "", "wanted", "now", "greedy", "planned", "at most")
JUSTIFY = "lllrrrrr"
MOST_ROWS = 24
"""Rows of layouts a table shows; of more, those of most GPUs."""


def question_words(report: PartitionReport) -> str:
    """Say what was optimised."""
    rules = report.rules
    parts = [f"{report.name}{f' ({report.environment})' if report.environment else ''}: guaranteed slices first, then"]
    parts.append(
        f"others, each worth its memory slices times its weight, against {rules.costs.gpu} for each GPU that changes "
        f"and {rules.costs.node} for each node that is drained;"
    )
    parts.append("all nodes of a pool alike" if rules.uniform else "layouts may differ from node to node")
    if rules.exclusive:
        parts.append("and the slices of a GPU are one tenant's")
    if rules.spares:
        parts.append(f"and guarantees hold with {rules.spares} {_plural(rules.spares, 'node')} lost")
    if rules.frozen:
        parts.append("and nodes with instances that stay are left alone")
    return " ".join(parts) + "."


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"


def proof_words(pool: PoolReport, *, timed: bool = True) -> str:
    """Say how good the plan is known to be, and against what; ``timed`` adds how long it took, which varies."""
    costs = pool.rules.costs
    guaranteed = _guaranteed(pool.plan)
    objective = pool.plan.figures.objective(costs)
    served = "all guaranteed slices are served" if not guaranteed else f"guaranteed slices worth {guaranteed} are not"
    if pool.status == "greedy":
        proof = "greedy plan, nothing is proved"
    elif pool.status == "optimal":
        proof = "optimal, proved"
    else:
        gap = max(stage.gap for stage in pool.plan.stages)
        bound = pool.plan.stages[-1].bound
        proof = f"time ran out: no plan has less than {bound:,.0f}, gap {100 * gap:.1f} %"
    greedy = pool.greedy.figures
    beside = f"greedy {greedy.objective(costs):,}"
    if _guaranteed(pool.greedy):
        beside += f" with guaranteed slices worth {_guaranteed(pool.greedy)} unserved"
    now = pool.present.figures
    beside += f", no change {now.objective(costs):,}"
    if _guaranteed(pool.present):
        beside += f" with guaranteed slices worth {_guaranteed(pool.present)} unserved"
    took = f"; {pool.seconds:.2f} s" if timed else ""
    return f"{proof}; {served}; objective {objective:,} ({beside}){took}"


def _guaranteed(planned: Planned) -> int:
    return sum(worth for priority, worth in planned.figures.unserved if priority)


def changes_words(pool: PoolReport) -> str:
    """Say what the plan changes."""
    found = pool.plan.figures
    if not found.changed_gpus:
        return "Nothing changes: the present layouts are the best under these costs."
    drain, reconfigure = pool.minutes
    configurations = len(pool.groups)
    by_hand = f"{len(pool.by_hand)} of these nodes by hand, as instances stay there; " if pool.by_hand else ""
    return (
        f"{found.changed_gpus} of {len(pool.pool.gpus)} GPUs on {found.changed_nodes} of {len(pool.pool.nodes)} nodes "
        f"change; {configurations} {_plural(configurations, 'node configuration')}; {by_hand}about "
        f"{pool.node_minutes:,} node-minutes out of service (assumed: {drain} min to drain a node, {reconfigure} min "
        "to partition it)."
    )


def demand_cells(row: DemandRow) -> tuple[str, ...]:
    """Cells of a table about one demand."""
    kind = "guaranteed" if row.priority == 1 else f"priority {row.priority}" if row.priority else "optional"
    if row.weight != 1:
        kind += f", weight {row.weight}"
    most = row.planned if row.most is None else row.most
    return (
        row.tenant or "anybody", "whole GPU" if row.profile == WHOLE else row.profile, kind,
        *(f"{count:,}" for count in (row.wanted, row.now, row.greedy, row.planned, most)),
    )  # fmt: skip


def layout_cells(pool: PoolReport) -> list[tuple[str, ...]]:
    """Rows of a table of layouts: GPUs with the same layout now and planned, most first."""
    grouped: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for before, after in zip(pool.pool.gpus, pool.plan.plan.gpus, strict=True):
        now, then = describe(counts_of(before.layout)), describe(counts_of(after.layout))
        grouped.setdefault((now, then), []).append((before.node, before.index))
    order = sorted(grouped, key=lambda key: (key[0] == key[1], -len(grouped[key]), key))
    rows: list[tuple[str, ...]] = []
    for now, then in order[:MOST_ROWS]:
        gpus = grouped[now, then]
        nodes = list(dict.fromkeys(node for node, _ in gpus))
        where = nodes[0] if len(nodes) == 1 else f"{len(nodes)} nodes"
        rows.append((where, str(len(gpus)), now, "stays" if now == then else then))
    left = sum(len(grouped[key]) for key in order[MOST_ROWS:])
    if left:
        rows.append((f"{len(order) - MOST_ROWS} further kinds", str(left), "…", "…"))
    return rows


def loss_words(pool: PoolReport) -> Iterator[str]:
    """Say what the layouts leave without use, now and then."""
    yield f"Without use now: {_losses(pool.losses_before)}."
    if pool.plan.figures.changed_gpus:
        yield f"Without use then: {_losses(pool.losses)}."


def _losses(losses: Losses) -> str:
    idle = ", ".join(f"{count} x {'whole GPU' if name == WHOLE else name}" for name, count in losses.idle) or "no slice"
    return (
        f"{idle}; {losses.memory} of {losses.total_memory} memory slices and {losses.compute} of "
        f"{losses.total_compute} compute slices are in no instance"
    )


def more_words(pool: PoolReport) -> Iterator[str]:
    """Say what other demand is left, and what the smallest change is that serves the most of it."""
    left = sum(worth for _, worth in pool.plan.figures.unserved)
    if not left:
        if pool.rows:
            yield "Everything that is wanted is served."
        return
    if pool.most is None:
        return
    least = sum(worth for _, worth in pool.most.figures.unserved)
    found = pool.most.figures
    proved = "" if pool.most.proved else " (time ran out: perhaps more)"
    if least == left and found.changed_gpus >= pool.plan.figures.changed_gpus:
        yield f"No layouts serve more of what is wanted{proved}; slices worth {left} stay unserved."
        return
    rest = f"slices worth {least} can never be served together with the others" if least else "that is everything"
    yield (
        f"At most{proved}: slices worth {left - least} more are served when {found.changed_gpus} GPUs on "
        f"{found.changed_nodes} nodes change in all, the fewest for that; {rest}."
    )
