"""What of a partition plan deserves attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.finding import Finding, Severity, Verdict
from tenantry.model.partition import WHOLE
from tenantry.model.problem import Location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.app.partition_report import DemandRow, PartitionReport, PoolReport

SOURCE = "GPU operator, MIG manager (reconfigure-mig.sh): no pod may hold a GPU of the node while it works"


def partition_findings(report: PartitionReport, file: str) -> tuple[Finding, ...]:
    """Return what deserves attention, in the order of findings.

    Args:
        report: what came of all pools.
        file: where demand is written.
    """
    place = Location(file)
    found = [finding for pool in report.pools for rule in RULES for finding in rule(pool, place)]
    return tuple(sorted(found, key=Finding.sort_key))


def _who(row: DemandRow) -> str:
    what = "whole GPUs" if row.profile == WHOLE else row.profile
    return f"{row.wanted} x {what}" + (f" for {row.tenant}" if row.tenant else "")


def unservable(pool: PoolReport, place: Location) -> Iterator[Finding]:
    """Guaranteed demand that the plan does not serve; proved when no layouts can."""
    proved = pool.plan.proved
    count = pool.rules.spares
    spare = f" when {count} node{'s are' if count > 1 else ' is'} lost" if count else ""
    for row in pool.rows:
        if row.priority and row.planned < row.wanted:
            how = "no layouts serve more" if proved else "whether other layouts serve more is not known: time ran out"
            yield Finding(
                "PARTITION-GUARANTEE", Severity.ERROR, f"node pool {pool.pool.name}",
                f"guaranteed {_who(row)}: {row.planned} are served{spare}; {how}", place,
                fix="lower the guarantee, add nodes, or take instances that need not stay off the list",
                verdict=Verdict.VIOLATED if proved else Verdict.UNKNOWN,
            )  # fmt: skip


def unmet_now(pool: PoolReport, place: Location) -> Iterator[Finding]:
    """Guaranteed demand that the present layouts do not serve and the plan does."""
    for row in pool.rows:
        if row.priority and row.now < row.planned:
            yield Finding(
                "PARTITION-PRESENT", Severity.WARNING, f"node pool {pool.pool.name}",
                f"guaranteed {_who(row)}: the present layouts serve {row.now}, the plan {row.planned}", place,
                fix="apply the plan",
            )  # fmt: skip


def beyond_the_pool(pool: PoolReport, place: Location) -> Iterator[Finding]:
    """Demand that the pool could not hold if it held nothing else."""
    for row in pool.rows:
        if row.wanted > row.ceiling:
            yield Finding(
                "PARTITION-NEVER", Severity.WARNING if row.priority == 0 else Severity.ERROR,
                f"node pool {pool.pool.name}",
                f"{_who(row)} never fit: the pool holds {row.ceiling} at most, with nothing else on it", place,
                fix=f"ask for {row.ceiling} at most, or add nodes",
            )  # fmt: skip


def around_pins(pool: PoolReport, place: Location) -> Iterator[Finding]:
    """Nodes that change while instances on them stay, which the MIG manager cannot do."""
    nodes = pool.by_hand
    if nodes:
        names = ", ".join(nodes[:4]) + (f" and {len(nodes) - 4} more nodes" if len(nodes) > 4 else "")
        yield Finding(
            "PARTITION-BY-HAND", Severity.WARNING, f"node pool {pool.pool.name}",
            f"GPUs change on {names}, where instances stay: the MIG manager needs every GPU of a node idle, so these "
            "are changed by hand with nvidia-smi mig, or once the instances are gone", place,
            fix="plan with --keep-nodes, which leaves nodes with instances that stay alone", source=SOURCE,
        )  # fmt: skip


RULES = (unservable, unmet_now, beyond_the_pool, around_pins)
