"""Cheap checks that spare the simulation of scenarios that cannot work.

Source: pkg/scheduler/actions/common/solvers/accumulated_scenario_filters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tenantry.fair.kai.division import added
from tenantry.fair.kai.predicates import selected
from tenantry.fair.kai.state import GroupSet
from tenantry.fair.kai.topology import resolved

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from tenantry.fair.kai.node import Node
    from tenantry.fair.kai.scenario import Scenario
    from tenantry.fair.kai.session import Session
    from tenantry.fair.kai.state import Task


class Filter(Protocol):
    """A check of a scenario that only ever gains victims."""

    name: str

    def passes(self, scenario: Scenario) -> bool:
        """Whether the scenario may work."""


def make_filters(session: Session, scenario: Scenario, feasible: Mapping[str, Node]) -> list[Filter]:
    """Return the checks that apply to a job, in the order they are made."""
    filters: list[Filter] = []
    if any(_demands_labels(task) for task in scenario.pending):
        filters.append(NodeLabels(session, feasible))
    groups = list(_constrained(scenario.preemptor.root))
    if groups:
        filters.append(DomainGpus(session, groups))
    filters.append(FreeGpus(session, scenario))
    return filters


def new_victims(scenario: Scenario, known: set[str]) -> Iterator[Task]:
    """Yield victims that were not seen before."""
    for batch in (*scenario.recorded, *scenario.potential):
        for task in batch:
            if task.node and task.uid not in known:
                known.add(task.uid)
                yield task


def matches(demands: Sequence[float], holders: Sequence[Hashable], room: Mapping[Hashable, float]) -> bool:
    """Whether demands, largest first, can be put on holders, roomiest first, each on the first with room left."""
    put: dict[Hashable, float] = {}
    for demand in demands:
        if demand == 0:
            return True
        for holder in holders:
            if room[holder] < demand:
                return False
            if room[holder] - put.get(holder, 0.0) >= demand:
                put[holder] = put.get(holder, 0.0) + demand
                break
        else:
            return False
    return True


class NodeLabels:
    """Every pod that demands labels needs a node that has them and is free or frees something."""

    name = "node-labels"

    def __init__(self, session: Session, feasible: Mapping[str, Node]) -> None:
        self.session, self.nodes = session, dict(feasible)
        self.known: set[str] = set()

    def passes(self, scenario: Scenario) -> bool:
        """Whether there is a node for every such pod."""
        for task in new_victims(scenario, self.known):
            node = self.session.nodes.get(task.node)
            if node is not None:
                self.nodes[task.node] = node
        return all(
            any(selected(task.pod.placement, node.model) for node in self.nodes.values())
            for task in scenario.pending
            if _demands_labels(task)
        )


class DomainGpus:
    """Every group that must stay within a domain needs one with enough GPUs."""

    name = "topology"

    def __init__(self, session: Session, groups: Sequence[GroupSet]) -> None:
        self.room: dict[Hashable, float] = {}
        self.of_node: dict[str, list[tuple[str, str, str]]] = {}
        self.demands: dict[tuple[str, str], list[float]] = {}
        self.known: set[str] = set()
        for group in groups:
            constraint = group.constraint
            if constraint is not None:
                topology = session.topologies.get(constraint.topology)
                level = (resolved(constraint, topology) if topology else constraint).required
                gpus = added(task.ask.quota for leaf in group.leaves() for task in leaf.tasks.values())
                self.demands.setdefault((constraint.topology, level), []).append(gpus)
        for node in session.nodes.values():
            for topology_name, level in self.demands:
                value = node.model.labels.get(level)
                if value:
                    domain = (topology_name, level, value)
                    self.room[domain] = self.room.get(domain, 0.0) + node.free_gpus()
                    self.of_node.setdefault(node.name, []).append(domain)

    def passes(self, scenario: Scenario) -> bool:
        """Whether the groups can be put on domains, counting what victims free."""
        for task in new_victims(scenario, self.known):
            for domain in self.of_node.get(task.node, ()):
                self.room[domain] += task.accepted_gpus
        for key, demands in self.demands.items():
            domains = [domain for domain in self.room if isinstance(domain, tuple) and domain[:2] == key]
            domains.sort(key=lambda domain: (-self.room[domain], domain))
            if not matches(sorted(demands, reverse=True), domains, self.room):
                return False
        return True


class FreeGpus:
    """The pods need nodes with enough GPUs; only as many nodes are looked at as there are pods."""

    name = "free-gpus"

    def __init__(self, session: Session, scenario: Scenario) -> None:
        self.demands = sorted((task.ask.quota for task in scenario.pending), reverse=True)
        self.room: dict[Hashable, float] = {name: node.free_gpus() for name, node in session.nodes.items()}
        self.known: set[str] = set()
        count = len(scenario.pending)
        self.best: list[Hashable] = sorted(self.room, key=lambda name: (-self.room[name], session.rank(str(name))))[
            :count
        ]

    def passes(self, scenario: Scenario) -> bool:
        """Whether the pods can be put on the roomiest nodes, counting what victims free."""
        for task in new_victims(scenario, self.known):
            if self.best:
                self._free(task)
        return matches(self.demands, self.best, self.room)

    def _free(self, task: Task) -> None:
        least = self.room[self.best[-1]]
        self.room[task.node] = self.room.get(task.node, 0.0) + task.accepted_gpus
        if self.room[task.node] > least:
            if task.node in self.best:
                self.best.remove(task.node)
            else:
                self.best.pop()
            room = self.room[task.node]
            place = next((at for at, name in enumerate(self.best) if self.room[name] <= room), len(self.best))
            self.best.insert(place, task.node)


def _demands_labels(task: Task) -> bool:
    placement = task.pod.placement
    return bool(placement.selector) or placement.terms is not None


def _constrained(group: GroupSet) -> Iterator[GroupSet]:
    if group.constraint is not None and group.constraint.required:
        yield group
    for child in group.children:
        if isinstance(child, GroupSet):
            yield from _constrained(child)
