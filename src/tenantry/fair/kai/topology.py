"""Domains of a topology (zone, rack, ...) in which the pods of a group may be placed together.

Source: pkg/scheduler/plugins/topology (topology_plugin.go, job_filtering.go, node_scoring.go, common.go).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenantry.fair.kai.asks import CPU, GPU, MEMORY, PODS, fits
from tenantry.fair.kai.division import added
from tenantry.fair.kai.state import IS_ACTIVE
from tenantry.model.schedule import Gate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tenantry.fair.kai.node import Node
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Group, GroupSet, Job, PodSet, Task
    from tenantry.model.job import TopologyConstraint
    from tenantry.model.moment import Topology

ROOT = "root"
NOT_THERE = 1000.0
"""How overfull a domain counts that has nothing left of a resource."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why no domain will do."""

    gate: Gate
    facts: dict[str, Any]


@dataclass(slots=True)
class Domain:
    """Nodes that share the labels of a level and all wider ones.

    Attributes:
        name: label values from the widest level down, joined by dots.
        level: node label of its level.
        nodes: nodes by name.
        children: domains of the next level.
        pods: pods of the group that fit in it; None where that is not counted.
        free: what is idle or being released in it.
    """

    name: str
    level: str
    nodes: dict[str, Node] = field(default_factory=dict)
    children: list[Domain] = field(default_factory=list)
    pods: int | None = None
    free: list[float] = field(default_factory=list)


class Tree:
    """All domains of one topology."""

    def __init__(self, topology: Topology, nodes: Iterable[Node], size: int) -> None:
        self.topology, self.size = topology, size
        self.root = Domain(ROOT, ROOT)
        self.levels: dict[str, dict[str, Domain]] = {ROOT: {ROOT: self.root}}
        for node in nodes:
            if inside(node, topology.levels):
                self._add(node)

    def _add(self, node: Node) -> None:
        values = [node.model.labels[level] for level in self.topology.levels]
        child: Domain | None = None
        for depth in range(len(values) - 1, -1, -1):
            name = ".".join(values[: depth + 1])
            level = self.topology.levels[depth]
            domain = self.levels.setdefault(level, {}).setdefault(name, Domain(name, level))
            domain.nodes[node.name] = node
            if child is not None:
                _adopt(domain, child)
            child = domain
        if child is not None:
            _adopt(self.root, child)
        self.root.nodes[node.name] = node

    def reset(self) -> None:
        """Forget what was counted for another group."""
        for level in self.levels.values():
            for domain in level.values():
                domain.pods, domain.free = None, [0.0] * self.size


def _adopt(parent: Domain, child: Domain) -> None:
    if all(known.name != child.name for known in parent.children):
        parent.children.append(child)


def inside(node: Node, levels: Iterable[str]) -> bool:
    """Whether a node has a label for every level; others are in no domain."""
    return all(level in node.model.labels for level in levels)


class TopologyPlacer:
    """Finds domains for the groups of one job, and remembers which nodes each group prefers."""

    def __init__(self, session: Session, job: Job) -> None:
        self.session, self.job = session, job
        self._ranks: dict[str, dict[str, int]] = {}

    def domains(
        self, group: Group, leaves: Sequence[PodSet], tasks: Sequence[Task], nodes: Sequence[Node]
    ) -> list[Sequence[Node]] | Refused:
        """Return sets of nodes to try, best first; the nodes as they are without a constraint."""
        constraint = group.constraint
        if constraint is None or not constraint.topology or "topology" not in self.session.plugins or not tasks:
            return [nodes]
        facts: dict[str, Any] = {"topology": constraint.topology, "subgroup": group.name}
        tree = self.session.tree(constraint.topology)
        if tree is None:
            return Refused(Gate.NO_TOPOLOGY, facts)
        constraint = resolved(constraint, tree.topology)
        facts |= {"required": constraint.required, "preferred": constraint.preferred}
        common, valid = _lowest_common(nodes, tree, constraint)
        if common is None:
            return Refused(Gate.NO_TOPOLOGY, facts)
        search = _Search(tree, tasks)
        search.count(common)
        if not search.fits(common):
            return Refused(Gate.TOPOLOGY, facts | {"domain": common.name, "pods": common.pods, "needed": len(tasks)})
        search.sort(common, constraint.preferred or constraint.required)
        if constraint.preferred:
            self._ranks[group.name] = _ranks(common, constraint.preferred)
        levels = _levels(constraint, tree.topology)
        if levels is None:
            return Refused(Gate.NO_TOPOLOGY, facts)
        found = search.usable(levels, _allowed(leaves, tree, constraint.required))
        if not found:
            return Refused(Gate.TOPOLOGY, facts | {"needed": len(tasks)})
        return [[node for name, node in domain.nodes.items() if name in valid] for domain in found]

    def ranks(self, leaf: PodSet) -> Mapping[str, int] | None:
        """Rank of nodes for the pods of a leaf group: its own, or that of the nearest group above."""
        group: Group | GroupSet | None = leaf if self._ranks else None
        while group is not None:
            if group.name in self._ranks:
                return self._ranks[group.name]
            group = group.parent
        return None


def resolved(constraint: TopologyConstraint, topology: Topology) -> TopologyConstraint:
    """Return a constraint with other names of levels replaced by their labels."""
    if not topology.aliases:
        return constraint
    names = dict(topology.aliases)
    required, preferred = constraint.required, constraint.preferred
    return type(constraint)(constraint.topology, names.get(required, required), names.get(preferred, preferred))


def _lowest_common(
    nodes: Sequence[Node], tree: Tree, constraint: TopologyConstraint
) -> tuple[Domain | None, dict[str, Node]]:
    """The narrowest domain that holds all nodes, not below the preferred level, and the nodes in any domain."""
    levels = tree.topology.levels
    valid = {node.name: node for node in nodes if inside(node, levels)}
    values: list[str] = []
    for level in levels:
        found = {node.model.labels[level] for node in valid.values()}
        if len(found) != 1 or "" in found:
            break
        values.append(found.pop())
        if level == constraint.preferred:
            break
    if not values:
        return tree.root, valid
    return tree.levels.get(levels[len(values) - 1], {}).get(".".join(values)), valid


def _levels(constraint: TopologyConstraint, topology: Topology) -> list[str] | None:
    """Levels to try, narrowest first: from the preferred one up to the required one, or to the root without one."""
    required, preferred = constraint.required, constraint.preferred
    if not required and not preferred:
        return None
    chosen: list[str] = []
    seen_required = seen_preferred = False
    for level in (*reversed(topology.levels), ROOT):
        seen_preferred = seen_preferred or level == preferred
        seen_required = seen_required or level == required
        if seen_preferred or seen_required:
            chosen.append(level)
        if seen_required:
            break
    if (required and not seen_required) or (preferred and not seen_preferred):
        return None
    return chosen


def _allowed(leaves: Sequence[PodSet], tree: Tree, required: str) -> dict[str, dict[str, Domain]]:
    """Domains a group may use: once pods of it run, only those below a required domain that holds one of them."""
    if not required or not any(leaf.active for leaf in leaves):
        return tree.levels
    allowed: dict[str, dict[str, Domain]] = {}
    for domain in tree.levels.get(required, {}).values():
        if any(
            task.status & IS_ACTIVE and task.node in domain.nodes for leaf in leaves for task in leaf.tasks.values()
        ):
            for part in _below(domain):
                allowed.setdefault(part.level, {})[part.name] = part
    return allowed


def _below(domain: Domain) -> Iterator[Domain]:
    yield domain
    for child in domain.children:
        yield from _below(child)


def _ranks(domain: Domain, preferred: str) -> dict[str, int]:
    """Rank of nodes by the order of their preferred domains, in tenths (node_scoring.go)."""
    domains = _at_level(domain, preferred)
    return {
        name: math.floor((position + 1) / len(domains) * 10)
        for position, part in enumerate(domains)
        for name in part.nodes
    }


def _at_level(domain: Domain, level: str) -> list[Domain]:
    if domain.level == level:
        return [domain]
    return [part for child in domain.children for part in _at_level(child, level)]


class _Search:
    """What the pods of a group need, held against domains."""

    def __init__(self, tree: Tree, tasks: Sequence[Task]) -> None:
        self.tree, self.tasks = tree, tasks
        self.needed = [added(task.ask.vector[axis] for task in tasks) for axis in range(tree.size)]
        self.most = [max(task.ask.vector[axis] for task in tasks) for axis in range(tree.size)]
        self.alike = _alike(tasks, tree.size)
        tree.reset()

    def count(self, domain: Domain) -> None:
        """Count what is free in a domain and all below it and, where pods are alike, how many of them fit."""
        free = [0.0] * self.tree.size
        pods = 0
        if domain.children:
            for child in domain.children:
                self.count(child)
                free = [a + b for a, b in zip(free, child.free, strict=True)]
                pods += child.pods or 0
        else:
            for node in domain.nodes.values():
                free = [a + b + c for a, b, c in zip(free, node.idle, node.releasing, strict=True)]
                pods += self._room(node) if self.alike else 0
        domain.free = free
        domain.pods = pods if self.alike else None

    def _room(self, node: Node) -> int:
        """Pods of the largest kind that fit on a node; parts of GPUs already shared count where parts are asked for."""
        most = self.most
        one_pod = [0.0] * self.tree.size
        one_pod[PODS] = 1.0
        if fits(most, one_pod):
            return len(self.tasks)
        free = node.free()
        if 0 < most[GPU] < 1:
            free[GPU] += node.free_parts()
        if not fits(most, free):
            return 0
        return min(int(room / amount) for room, amount in zip(free, most, strict=True) if amount > 0)

    def fits(self, domain: Domain) -> bool:
        """Whether the group may fit in a domain."""
        if domain.pods is not None:
            return domain.pods >= len(self.tasks)
        return self._fullness(domain) <= 1.0

    def _fullness(self, domain: Domain) -> float:
        """The largest part of what is free in a domain that the group needs of any resource."""
        fullest = 0.0
        for axis, amount in enumerate(self.needed):
            if amount > 0 and axis != PODS:
                free = domain.free[axis]
                fullest = max(fullest, NOT_THERE if free <= 0 else amount / free)
        return fullest

    def sort(self, domain: Domain, deepest: str) -> None:
        """Put the domains the group fills best first, down to a level."""
        if not deepest:
            return
        fullness = {child.name: self._fullness(child) for child in domain.children}
        domain.children.sort(key=lambda child: (-fullness[child.name], child.name))
        if domain.level != deepest:
            for child in domain.children:
                self.sort(child, deepest)

    def usable(self, levels: Sequence[str], allowed: Mapping[str, Mapping[str, Domain]]) -> list[Domain]:
        """Domains the group fits in, narrowest level first, within a level in the order of the sorted tree."""
        fitting = {
            (level, name) for level in levels for name, domain in allowed.get(level, {}).items() if self.fits(domain)
        }
        ordered: list[Domain] = []
        row = [self.tree.root]
        rows = []
        while row:
            rows.append(row)
            row = [child for domain in row for child in domain.children]
        for row in reversed(rows):
            ordered += [domain for domain in row if (domain.level, domain.name) in fitting]
        return ordered


def _alike(tasks: Sequence[Task], size: int) -> bool:
    """Whether all pods use GPUs or none does, and the same holds for every resource besides CPU and memory."""
    with_gpu = sum(1 for task in tasks if task.ask.gpus > 0)
    if with_gpu not in {0, len(tasks)}:
        return False
    for axis in range(size):
        if axis in {CPU, MEMORY, GPU}:
            continue
        using = sum(1 for task in tasks if task.ask.vector[axis] > 0)
        if using not in {0, len(tasks)}:
            return False
    return True
