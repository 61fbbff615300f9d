"""The answer of a partition plan, in the terms that outputs write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.efficient.partition.assign import configurations
from tenantry.model.partition import counts_of

if TYPE_CHECKING:
    from tenantry.efficient.partition.losses import Losses
    from tenantry.efficient.partition.planner import Planned
    from tenantry.model.cluster import Cluster, Pool
    from tenantry.model.finding import Finding, Severity
    from tenantry.model.partition import Counts, PartitionPool, PartitionRules
    from tenantry.model.problem import SpecProblem


@dataclass(frozen=True, slots=True)
class DemandRow:
    """What one demand gets.

    Attributes:
        tenant: for whom; empty for anybody.
        profile: MIG profile.
        priority: its priority.
        weight: its weight.
        wanted: slices wanted.
        now: slices that the present layouts serve.
        greedy: slices that the greedy plan serves.
        planned: slices that the plan serves.
        most: slices that the plan serves that puts all demand before the cost of changes; None without one.
        ceiling: slices of this profile that any layouts of the pool can have.
    """

    tenant: str
    profile: str
    priority: int
    weight: int
    wanted: int
    now: int
    greedy: int
    planned: int
    most: int | None
    ceiling: int


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes that get the same MIG configuration.

    Attributes:
        layouts: instances per profile of each GPU, by index.
        nodes: their names.
        changed: those of them on which a GPU changes.
    """

    layouts: tuple[Counts, ...]
    nodes: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True)
class PoolReport:
    """What came of one pool.

    Attributes:
        pool: what there is and what is wanted.
        cluster_pool: the pool of the spec.
        rules: what the plan keeps to.
        plan: the plan.
        greedy: the baseline.
        present: what the present layouts serve.
        most: the plan that puts all demand before the cost of changes; None where the plan serves everything.
        ceilings: most slices of each wanted profile that any layouts can have.
        losses: what the plan leaves without use.
        losses_before: what the present layouts leave without use.
        seconds: wall-clock time that the plan took.
        minutes: of draining a node, and of reconfiguring it.
    """

    pool: PartitionPool
    cluster_pool: Pool
    rules: PartitionRules
    plan: Planned
    greedy: Planned
    present: Planned
    most: Planned | None
    ceilings: dict[str, int]
    losses: Losses
    losses_before: Losses
    seconds: float
    minutes: tuple[int, int]

    @property
    def status(self) -> str:
        """``optimal`` when proved, ``feasible`` when time ran out, ``greedy`` when no solver was asked."""
        if not self.plan.stages:
            return "greedy"
        return "optimal" if self.plan.proved else "feasible"

    @property
    def node_minutes(self) -> int:
        """Minutes that drained nodes are out of service, all of them added up."""
        return sum(self.minutes) * (self.plan.figures.changed_nodes - len(self.by_hand))

    @property
    def rows(self) -> tuple[DemandRow, ...]:
        """What every demand gets, the most urgent first."""
        most = self.most.plan.served if self.most is not None else None
        rows = [
            DemandRow(
                demand.tenant, demand.profile, demand.priority, demand.weight, demand.count,
                self.present.plan.served[number], self.greedy.plan.served[number], self.plan.plan.served[number],
                most[number] if most is not None else None, self.ceilings[demand.profile],
            )
            for number, demand in enumerate(self.pool.demands)
        ]  # fmt: skip
        return tuple(sorted(rows, key=lambda row: (-row.priority, row.tenant, row.profile, -row.weight)))

    @property
    def groups(self) -> tuple[NodeGroup, ...]:
        """Nodes by the configuration they get."""
        changed = self.changed_nodes(self.plan)
        return tuple(
            NodeGroup(layouts, nodes, tuple(node for node in nodes if node in changed))
            for layouts, nodes in configurations(self.plan.plan.gpus).items()
        )

    @property
    def indices(self) -> tuple[int, ...]:
        """Indices of the GPUs of a node."""
        return tuple(sorted({gpu.index for gpu in self.pool.gpus}))

    def changed_nodes(self, planned: Planned) -> frozenset[str]:
        """Nodes on which a GPU changes in a plan."""
        return frozenset(
            before.node
            for before, after in zip(self.pool.gpus, planned.plan.gpus, strict=True)
            if counts_of(before.layout) != counts_of(after.layout)
        )

    @property
    def by_hand(self) -> tuple[str, ...]:
        """Nodes that change although instances stay on them, so that they cannot be drained for it."""
        changed = self.changed_nodes(self.plan)
        return tuple(dict.fromkeys(gpu.node for gpu in self.pool.gpus if gpu.pins and gpu.node in changed))


@dataclass(frozen=True)
class PartitionReport:
    """What came of all pools.

    Attributes:
        name: name of the platform.
        environment: overlay; empty for none.
        pools: pools in the order of their names.
        rules: what plans keep to.
        seconds: time that was allowed.
        notes: what limits the answer.
        refused: problems that the spec has as it is, which a plan may solve.
        cluster: the platform, for outputs that are specs or configurations.
        findings: what deserves attention.
    """

    name: str
    environment: str
    pools: tuple[PoolReport, ...]
    rules: PartitionRules
    seconds: float
    notes: tuple[str, ...]
    refused: tuple[SpecProblem, ...]
    cluster: Cluster
    findings: tuple[Finding, ...] = ()

    def at_least(self, severity: Severity) -> int:
        """Number of findings at or above a severity."""
        return sum(finding.severity >= severity for finding in self.findings)
