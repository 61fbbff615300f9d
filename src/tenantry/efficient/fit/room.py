"""A node as room for pods, and what decides whether pods fit on one node together.

A node has *cells*: its NUMA nodes where the kubelet aligns devices, one cell for everything elsewhere. GPUs, slices and
replicas lie in cells; virtual functions and the number of pods are counted for the node.

Which alignment refuses what, on an empty node: every provider of devices prefers the sets of NUMA nodes that are as
small as possible *for the capacity of the node*. ``restricted`` admits a pod when some set is preferred by all of them
at once, ``single-numa-node`` when that set is one NUMA node. A pod of 8 GPUs prefers both NUMA nodes of a server; 8 VFs
of a resource that has more on one NUMA node prefer one; no set is preferred by both.

Source: Kubernetes, pkg/kubelet/cm/topologymanager/policy.go (mergePermutation) and
cm/devicemanager/topology_hints.go (generateDeviceTopologyHints).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

Counted = tuple[tuple[str, int], ...]
"""Units by name, sorted by name, none zero."""


class Alignment(StrEnum):
    """What the kubelet refuses a pod for."""

    NONE = "none"
    """Nothing (``none`` and ``best-effort``)."""
    RESTRICTED = "restricted"
    SINGLE = "single-numa-node"


class Need(NamedTuple):
    """What one pod takes of a node.

    Attributes:
        resource: extended resource of its GPUs, slices or replicas.
        units: how many of it, at least one.
        vfs: virtual functions by fabric.
    """

    resource: str
    units: int
    vfs: Counted = ()


@dataclass(frozen=True, slots=True)
class NodeRoom:
    """What an empty node of a pool has.

    Attributes:
        cells: units of each GPU resource in each NUMA node; one cell where nothing is aligned or the NUMA nodes are
            unknown.
        vfs: virtual functions by fabric.
        pods: pods the node may hold; 0 where that is unknown.
        alignment: what the kubelet refuses pods for.
        numa_known: whether the cells are the NUMA nodes of the server.
        per_rail: fabrics whose rails are resources of their own.
    """

    cells: tuple[Counted, ...]
    vfs: Counted = ()
    pods: int = 0
    alignment: Alignment = Alignment.NONE
    numa_known: bool = True
    per_rail: frozenset[str] = frozenset()

    def units(self, resource: str) -> int:
        """Units of a GPU resource on the node."""
        return sum(dict(cell).get(resource, 0) for cell in self.cells)

    def width(self, resource: str, units: int) -> int:
        """NUMA nodes a request needs at least, the node being empty; 0 when the node has too few."""
        largest = sorted((dict(cell).get(resource, 0) for cell in self.cells), reverse=True)
        for number in range(1, len(largest) + 1):
            if sum(largest[:number]) >= units:
                return number
        return 0


class Refusal(NamedTuple):
    """Why an empty node does not take a pod, or why that is not known.

    Attributes:
        kind: ``size``, ``vfs``, ``numa`` or ``pods``.
        reason: the same in words.
        unknown: whether a fact is missing rather than the room.
    """

    kind: str
    reason: str
    unknown: bool = False


def refusal(room: NodeRoom, need: Need) -> Refusal | None:
    """Why an empty node does not take one pod; None when it does."""
    there = room.units(need.resource)
    if need.units > there:
        return Refusal("size", f"a pod asks for {need.units} x {need.resource}, and a node has {there}")
    offered = dict(room.vfs)
    for fabric, count in need.vfs:
        if count > offered.get(fabric, 0):
            most = offered.get(fabric, 0)
            return Refusal("vfs", f"a pod asks for {count} virtual functions of {fabric}, and a node has {most}")
    if room.alignment is Alignment.NONE:
        return None
    return _misaligned(room, need)


def _misaligned(room: NodeRoom, need: Need) -> Refusal | None:
    alone = room.alignment is Alignment.SINGLE
    if not room.numa_known:
        if need.units == 1 or not (alone or need.vfs):
            return None
        return Refusal("numa", "the NUMA nodes of the server, and which GPUs and rails lie in which", unknown=True)
    width, cells = room.width(need.resource, need.units), len(room.cells)
    if alone and width > 1:
        most = max(dict(cell).get(need.resource, 0) for cell in room.cells)
        return Refusal(
            "numa",
            f"{need.units} x {need.resource} lie on {width} NUMA nodes, a NUMA node has {most} and single-numa-node "
            "takes one only",
        )
    offered = dict(room.vfs)
    for fabric, count in need.vfs:
        if fabric in room.per_rail:
            if width > 1:
                return Refusal("numa", _mismatch(need, width, f"each rail of {fabric} lies on one"))
            continue
        # However the rails are wired, one NUMA node has at least its equal share (pigeonhole), so a request up to that
        # prefers a single one.
        if width > 1 and count <= -(-offered[fabric] // cells):
            return Refusal("numa", _mismatch(need, width, f"{count} virtual functions of {fabric} fit on one"))
        if width == 1 and count * cells > offered[fabric]:
            return Refusal("numa", f"on which NUMA node each rail of {fabric} lies", unknown=True)
    return None


def _mismatch(need: Need, width: int, other: str) -> str:
    return (
        f"{need.units} x {need.resource} lie on {width} NUMA nodes, but {other}, so the kubelet prefers no NUMA nodes "
        "common to both and refuses the pod"
    )


def per_node(room: NodeRoom, need: Need) -> int:
    """Pods of one kind an empty node takes; 0 when it refuses one, :func:`refusal` saying why."""
    found = refusal(room, need)
    if found is not None and not found.unknown:
        return 0
    units = [dict(cell).get(need.resource, 0) for cell in room.cells]
    # Those that fit into a cell have to lie in one; larger ones take what is left of several.
    most = sum(units) // need.units if need.units > max(units) else sum(cell // need.units for cell in units)
    offered = dict(room.vfs)
    bounds = [most, *(offered[fabric] // count for fabric, count in need.vfs)]
    return min([*bounds, room.pods] if room.pods else bounds)


def together(room: NodeRoom, pods: tuple[tuple[Need, int], ...]) -> bool:
    """Whether one node holds all these pods at once, each of which an empty node takes.

    Exact for up to two NUMA nodes, which is what servers of the catalog have; with more, pods that are larger than a
    NUMA node are taken to use any of them.
    """
    if room.pods and sum(count for _, count in pods) > room.pods:
        return False
    offered = dict(room.vfs)
    used: dict[str, int] = {}
    sizes: dict[str, list[int]] = {}
    for need, count in pods:
        for fabric, number in need.vfs:
            used[fabric] = used.get(fabric, 0) + number * count
        sizes.setdefault(need.resource, []).extend([need.units] * count)
    if any(number > offered.get(fabric, 0) for fabric, number in used.items()):
        return False
    for resource, asked in sizes.items():
        cells = tuple(sorted((dict(cell).get(resource, 0) for cell in room.cells), reverse=True))
        if sum(asked) > sum(cells):
            return False
        inside = tuple(sorted((size for size in asked if size <= cells[0]), reverse=True))
        if len(cells) > 1 and not _into_cells(cells, inside):
            return False
    return True


@lru_cache(maxsize=65536)
def _into_cells(cells: tuple[int, ...], sizes: tuple[int, ...]) -> bool:
    """Whether pieces fit into cells, each piece into one; exhaustive, the largest piece first."""
    if not sizes:
        return True
    first, rest = sizes[0], sizes[1:]
    if first == 1:
        return sum(cells) >= len(sizes)
    for index, cell in enumerate(cells):
        if cell >= first and cell not in cells[:index]:
            left = tuple(sorted((*cells[:index], cell - first, *cells[index + 1 :]), reverse=True))
            if _into_cells(left, rest):
                return True
    return False
