"""Rules that changed between versions, and the settings of one scheduler instance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

ACTIONS = ("allocate", "consolidation", "reclaim", "preempt", "stalegangeviction")
"""Actions of a cycle, in the order they run."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a version decides differently.

    Attributes:
        portfolio: victims are searched node by node first and over several nodes second; else over several nodes only.
        remembers_failures: a set of victims that failed for a job is not simulated again for it.
        forgets_rejected_nodes: nodes of a rejected scenario do not stay feasible for the next one.
        filters_victims: queues that cannot have anything reclaimed are left out before the search.
        knows_smallest_gpu: GPU memory asked for is weighed by the smallest GPU of the cluster; else as if GPUs had
            100 MiB.
        limits_count_memory: limits and quotas of a job count GPU memory, by the largest GPU of the cluster.
        honours_delay: a job waits for its preemption delay before it has others evicted.
        own_grace: a gang may set its own staleness grace.
        sees_succeeded: pods that have succeeded are known, and a gang that has one is not stale.
        allows_no_minimum: a flat job may need no pod at all to count as a satisfied gang.
    """

    portfolio: bool = True
    remembers_failures: bool = True
    forgets_rejected_nodes: bool = True
    filters_victims: bool = True
    knows_smallest_gpu: bool = True
    limits_count_memory: bool = True
    honours_delay: bool = True
    own_grace: bool = True
    sees_succeeded: bool = True
    allows_no_minimum: bool = True


VERSIONS: dict[str, Rules] = {
    "0.15": Rules(
        portfolio=False,
        remembers_failures=False,
        forgets_rejected_nodes=False,
        filters_victims=False,
        knows_smallest_gpu=False,
        limits_count_memory=False,
        honours_delay=False,
        own_grace=False,
        allows_no_minimum=False,
    ),
    "0.16": Rules(
        remembers_failures=False,
        forgets_rejected_nodes=False,
        honours_delay=False,
        own_grace=False,
        sees_succeeded=False,
        allows_no_minimum=False,
    ),
    "0.17.0": Rules(sees_succeeded=False, allows_no_minimum=False),
    "0.17": Rules(),
}
"""Rules per version (KAI scheduler, CHANGELOG.md) as its newest release has them: 0.15.3 and 0.16.8. 0.17 is its
branch, on which two of them were mended after 0.17.0, as on the main branch."""


class Strategy(StrEnum):
    """How pods are placed on nodes."""

    BINPACK = "binpack"
    SPREAD = "spread"


PLUGINS = frozenset({
    "predicates", "proportion", "priority", "elastic", "nodeavailability", "gpusharingorder", "gpupack", "resourcetype",
    "nominatednode", "nodeplacement", "minruntime", "topology",
})  # fmt: skip
"""Plugins that decide something and can be turned off; ``gpuspread`` replaces ``gpupack`` when GPUs spread."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one scheduler instance (a scheduling shard).

    Attributes:
        version: key of :data:`VERSIONS`.
        gpu_strategy: placement of pods with GPUs.
        cpu_strategy: placement of pods without.
        k_value: weight of past usage in the division of what is left over; 0 turns it off.
        saturation_multiplier: how much fuller the victim's queue must be than the reclaimer's; at least 1.
        consolidation_victims: running jobs looked at for moving; -1 for all, 0 turns consolidation off.
        consolidating_reclaim: whether a reclaimed pod that finds another place does not count as reclaimed.
        signatures: whether a job no easier than one that failed is skipped.
        staleness_grace: seconds an incomplete gang is left alone; negative for ever.
        reclaim_min_runtime: seconds before a job may be reclaimed, where its queues do not say.
        preempt_min_runtime: seconds before a job may be preempted, where its queues do not say.
        reclaim_by_queue: look for the reclaim minimum from the leaf queue upwards, not from the common ancestor down.
        queue_depth: jobs per leaf queue an action looks at, by action; all when missing.
        assumed_gpu_memory: MiB the GPUs of a cluster are taken to have where no label says more; None counts memory
            asked for as no GPU then.
        restrict_nodes: only nodes labelled as GPU or CPU workers are used.
        actions: actions of a cycle, in order.
        plugins: plugins that are on.
        order_seed: shuffles what the real scheduler takes from hash maps; 0 keeps the order of names.
    """

    version: str = "0.17"
    gpu_strategy: Strategy = Strategy.BINPACK
    cpu_strategy: Strategy = Strategy.BINPACK
    k_value: float = 1.0
    saturation_multiplier: float = 1.0
    consolidation_victims: int = 16
    consolidating_reclaim: bool = True
    signatures: bool = True
    staleness_grace: int = 60
    reclaim_min_runtime: int = 0
    preempt_min_runtime: int = 0
    reclaim_by_queue: bool = False
    queue_depth: tuple[tuple[str, int], ...] = ()
    assumed_gpu_memory: int | None = None
    restrict_nodes: bool = False
    actions: tuple[str, ...] = ACTIONS
    plugins: frozenset[str] = PLUGINS
    order_seed: int = 0

    @property
    def rules(self) -> Rules:
        """Rules of the version."""
        return VERSIONS[self.version]


DEFAULTS = Settings()
"""Settings as the operator makes them when nobody says otherwise."""


def placement(gpu: Strategy, cpu: Strategy, settings: Settings = DEFAULTS) -> Settings:
    """Return settings with a placement strategy and all that the operator changes with it.

    Consolidation is off when anything spreads (pkg/apis/kai/v1/schedulingshard_types.go).
    """
    plugins = settings.plugins
    if gpu is Strategy.SPREAD:
        plugins = (plugins - {"gpupack", "gpusharingorder"}) | {"gpuspread"}
    actions = settings.actions
    if Strategy.SPREAD in {gpu, cpu}:
        actions = tuple(action for action in actions if action != "consolidation")
    return replace(settings, gpu_strategy=gpu, cpu_strategy=cpu, plugins=plugins, actions=actions)
