"""What tests of fit share: clusters in the words of the spec, and a naive packer to compare with."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1] / "compile"))

from builders import ClusterBuilder, cluster

from tenantry.app.fit import rebuild
from tenantry.compile.checks import check
from tenantry.compile.resolve import resolve
from tenantry.efficient.fit.changes import apply
from tenantry.efficient.fit.engine import FitResult, fit, judge
from tenantry.efficient.fit.work import NO_LOSS, Ground, Loss

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.efficient.fit.room import Need, NodeRoom
    from tenantry.model.cluster import Cluster

__all__ = [
    "ClusterBuilder", "apply", "cluster", "decided", "found", "holds_naively", "rebuild", "resolved", "workload",
]  # fmt: skip

GENERIC: dict[str, Any] = {"server": "generic", "gpu": {"model": "h100-sxm-80", "count": 8}}


def resolved(builder: ClusterBuilder) -> Cluster:
    """Resolve a spec that the compiler must take."""
    answer, problems = resolve(builder.spec())
    problems += check(answer)
    assert not problems, problems
    return answer


def decided(builder: ClusterBuilder, loss: Loss = NO_LOSS) -> FitResult:
    """Decide about a spec, changes tried."""
    return fit(resolved(builder), loss=loss, rebuild=rebuild)


def found(builder: ClusterBuilder, loss: Loss = NO_LOSS) -> set[str]:
    """Return the rules that fire."""
    return {rule.id for rule, _ in judge(Ground(resolved(builder), loss=loss))}


def workload(name: str, tenant: str, pool: str, **fields: Any) -> dict[str, Any]:
    """Return a Workload document; 8 GiB on each GPU unless told otherwise."""
    spec = {"tenants": [tenant], "pools": [pool], "gpuMemory": "8Gi", **fields}
    return {"kind": "Workload", "metadata": {"name": name}, "spec": spec}


def holds_naively(room: NodeRoom, nodes: int, kinds: Mapping[Need, int]) -> bool:
    """Try every node, and every NUMA node, for one pod after another.

    Args:
        room: an empty node.
        nodes: how many there are.
        kinds: pods by need.
    """
    pods = [need for need, count in kinds.items() for _ in range(count)]
    cells = [[dict(cell) for cell in room.cells] for _ in range(nodes)]
    vfs = [dict(room.vfs) for _ in range(nodes)]
    count = [0] * nodes

    def place(index: int) -> bool:
        if index == len(pods):
            return True
        need = pods[index]
        for node in range(nodes):
            if room.pods and count[node] == room.pods:
                continue
            if any(vfs[node].get(fabric, 0) < number for fabric, number in need.vfs):
                continue
            for split in _splits(cells[node], room, need):
                for cell, units in zip(cells[node], split, strict=True):
                    cell[need.resource] = cell.get(need.resource, 0) - units
                for fabric, number in need.vfs:
                    vfs[node][fabric] -= number
                count[node] += 1
                if place(index + 1):
                    return True
                for cell, units in zip(cells[node], split, strict=True):
                    cell[need.resource] += units
                for fabric, number in need.vfs:
                    vfs[node][fabric] += number
                count[node] -= 1
        return False

    return place(0)


def _splits(cells: list[dict[str, int]], room: NodeRoom, need: Need) -> list[tuple[int, ...]]:
    """Ways to take a pod's units from the NUMA nodes: from one where one could ever be enough, else from any."""
    free = [cell.get(need.resource, 0) for cell in cells]
    largest = max(dict(cell).get(need.resource, 0) for cell in room.cells)
    ways = product(*(range(min(amount, need.units) + 1) for amount in free))
    chosen = [way for way in ways if sum(way) == need.units]
    return [way for way in chosen if need.units > largest or max(way) == need.units]
