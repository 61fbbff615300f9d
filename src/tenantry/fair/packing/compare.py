"""What several runs say together: means over seeds, and how much hangs on ties."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import TYPE_CHECKING, NamedTuple

from tenantry.fair.packing.measure import Level
from tenantry.fair.packing.policies import Refusal, Ties
from tenantry.fair.packing.run import Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.packing.run import PackingRun


class Outlook(NamedTuple):
    """Runs of one policy and one rule for ties that differ by seed.

    Attributes:
        policy: name of the policy.
        ties: rule for ties.
        seeds: their seeds.
        levels: means over seeds at each load.
        deviation: standard deviation over seeds of the percent allocated, at each load; 0 for one seed.
        models: ``levels`` for the GPUs of each model.
        arrived: pods that arrived, mean over seeds.
        failed: pods that no node could take, by reason, mean over seeds.
        allocated: percent allocated at each load, by seed.
    """

    policy: str
    ties: Ties
    seeds: tuple[int, ...]
    levels: tuple[Level, ...]
    deviation: tuple[float, ...]
    models: dict[str, tuple[Level, ...]]
    arrived: float
    failed: dict[Refusal, Failed]
    allocated: dict[int, tuple[float, ...]]


class Sensitivity(NamedTuple):
    """How much of a policy's result hangs on ties.

    Attributes:
        policy: name of the policy.
        arrived: the load, percent.
        allocated: percent allocated under each rule for ties, means over seeds.
        spread: the largest of them less the smallest, in points.
    """

    policy: str
    arrived: int
    allocated: dict[Ties, float]
    spread: float


def outlooks(runs: Sequence[PackingRun]) -> tuple[Outlook, ...]:
    """Put runs together by policy and rule for ties, in the order in which these first appear."""
    groups: dict[tuple[str, Ties], list[PackingRun]] = {}
    for run in runs:
        groups.setdefault((run.policy, run.ties), []).append(run)
    return tuple(_outlook(group) for group in groups.values())


def _outlook(runs: Sequence[PackingRun]) -> Outlook:
    first = runs[0]
    by_load = list(zip(*(run.levels for run in runs), strict=True))
    return Outlook(
        policy=first.policy,
        ties=first.ties,
        seeds=tuple(run.seed for run in runs),
        levels=_mean([run.levels for run in runs]),
        deviation=tuple(stdev(level.allocated for level in levels) if len(levels) > 1 else 0.0 for levels in by_load),
        models={model: _mean([run.models[model] for run in runs]) for model in first.models},
        arrived=fmean(run.arrived for run in runs),
        failed={
            reason: Failed(
                fmean(run.failed[reason].pods for run in runs), fmean(run.failed[reason].gpus for run in runs)
            )
            for reason in Refusal
        },
        allocated={run.seed: tuple(level.allocated for level in run.levels) for run in runs},
    )


def _mean(series: Sequence[Sequence[Level]]) -> tuple[Level, ...]:
    return tuple(
        Level(levels[0].arrived, *(fmean(values) for values in list(zip(*levels, strict=True))[1:]))
        for levels in zip(*series, strict=True)
    )


def sensitivities(found: Sequence[Outlook]) -> tuple[Sensitivity, ...]:
    """Compare the rules for ties at the highest load; one for each policy that ran under several."""
    by_policy: dict[str, dict[Ties, float]] = {}
    arrived: dict[str, int] = {}
    for outlook in found:
        by_policy.setdefault(outlook.policy, {})[outlook.ties] = outlook.levels[-1].allocated
        arrived[outlook.policy] = outlook.levels[-1].arrived
    return tuple(
        Sensitivity(policy, arrived[policy], allocated, max(allocated.values()) - min(allocated.values()))
        for policy, allocated in by_policy.items()
        if len(allocated) > 1
    )
