"""Fill a cluster with a list of pods, under several policies, seeds and rules for ties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tenantry.errors import InputError
from tenantry.exec.pool import cores, spread
from tenantry.fair.packing.compare import Outlook, Sensitivity, outlooks, sensitivities
from tenantry.fair.packing.policies import NAMES, RANDOM, Ties
from tenantry.fair.packing.run import PackingRun, pack
from tenantry.io.packing_lists import read_nodes, read_pods
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tenantry.model.packing import PackingPod
    from tenantry.model.trace import TraceNode

FIRST_SEED = 42
"""Where the published runs begin; they go on to 51."""
WORTH_SPREADING = 5_000_000
"""Arriving pods times nodes times runs above which starting processes pays; takes about half a second in one."""
WORTH_COMPILING = 50_000_000
"""The same for one process, above which loading compiled code pays; takes about 5 s without it."""
MOST_PODS = 5_000_000
"""Pods of one run; a list of mostly tiny pods would need more to fill a large cluster."""


class Task(NamedTuple):
    """One run.

    Attributes:
        policy: name of the policy.
        seed: its seed.
        ties: rule for ties.
    """

    policy: str
    seed: int
    ties: Ties


class Subject(NamedTuple):
    """What all runs share.

    Attributes:
        nodes: the empty cluster.
        pods: the list.
        load: GPUs asked for by all pods that arrive, percent of all GPUs.
        compiled: whether to compile where that is possible.
    """

    nodes: Sequence[TraceNode]
    pods: Sequence[PackingPod]
    load: int
    compiled: bool


@dataclass(frozen=True, slots=True)
class PackReport:
    """What came of all runs.

    Attributes:
        nodes: how many nodes there are.
        gpus: GPUs of all nodes.
        models: GPUs of each model, in the order of their names.
        pods: how many pods the list has.
        demand: GPUs the list asks for.
        load: GPUs asked for by all pods that arrived, percent of ``gpus``.
        seeds: seeds of the runs.
        outlooks: results by policy and rule for ties.
        sensitivities: what hangs on ties, for policies that ran under several rules.
    """

    nodes: int
    gpus: int
    models: dict[str, int]
    pods: int
    demand: float
    load: int
    seeds: tuple[int, ...]
    outlooks: tuple[Outlook, ...]
    sensitivities: tuple[Sensitivity, ...]


def pack_lists(
    nodes_file: Path,
    pods_file: Path,
    *,
    policies: Sequence[str] = NAMES,
    seeds: int = 3,
    first_seed: int = FIRST_SEED,
    load: int = 130,
    ties: Sequence[Ties] = (Ties.FIXED,),
    workers: int = 0,
    done: Callable[[int, int], None] | None = None,
) -> PackReport:
    """Fill a cluster.

    Args:
        nodes_file: list of nodes.
        pods_file: list of pods.
        policies: names of policies.
        seeds: how many runs with different seeds.
        first_seed: the first seed; the others follow.
        load: GPUs asked for by all pods that arrive, percent of all GPUs.
        ties: rules for ties.
        workers: how many processes at most; 0 for one on each core.
        done: told how many runs are done and of how many.

    Raises:
        InputError: if a list cannot be read or used.
    """
    nodes, pods = read_nodes(nodes_file), read_pods(pods_file)
    arrivals = _arrivals(nodes, pods, load, nodes_file, pods_file)
    numbers = tuple(range(first_seed, first_seed + seeds))
    tasks = plan(policies, numbers, ties)
    work = len(nodes) * arrivals * len(tasks)
    workers = min(workers or cores(), len(tasks)) if work > WORTH_SPREADING else 1
    subject = Subject(nodes, pods, load, compiled=work / workers > WORTH_COMPILING)
    runs = spread(
        run_task, subject, tasks, workers=workers, done=None if done is None else lambda count: done(count, len(tasks))
    )
    found = outlooks(runs)
    models: dict[str, int] = {}
    for node in sorted(nodes, key=lambda node: node.gpu):
        models[node.gpu] = models.get(node.gpu, 0) + node.gpus
    return PackReport(
        nodes=len(nodes),
        gpus=sum(models.values()),
        models={model: gpus for model, gpus in models.items() if gpus},
        pods=len(pods),
        demand=sum(pod.demand for pod in pods) / MILLI,
        load=load,
        seeds=numbers,
        outlooks=found,
        sensitivities=sensitivities(found),
    )


def plan(policies: Sequence[str], seeds: Sequence[int], ties: Sequence[Ties]) -> list[Task]:
    """Return the runs: every policy under every rule for ties, but one that draws its nodes once only."""
    return [
        Task(policy, seed, rule)
        for policy in dict.fromkeys(policies)
        for rule in dict.fromkeys(ties if policy != RANDOM else (Ties.RANDOM,))
        for seed in seeds
    ]


def run_task(subject: Subject, task: Task) -> PackingRun:
    """Do one run."""
    return pack(
        subject.nodes,
        subject.pods,
        task.policy,
        seed=task.seed,
        load=subject.load,
        ties=task.ties,
        compiled=subject.compiled,
    )


def _arrivals(
    nodes: Sequence[TraceNode], pods: Sequence[PackingPod], load: int, nodes_file: Path, pods_file: Path
) -> int:
    """Return about how many pods arrive in a run.

    Raises:
        InputError: if there is nothing to fill, or nothing to fill it with, or far too many pods would be needed.
    """
    gpus = sum(node.gpus for node in nodes)
    if not gpus:
        raise InputError(f"{nodes_file}: expected nodes with GPUs; none of {len(nodes)} has one")
    demand = sum(pod.demand for pod in pods)
    if not demand:
        raise InputError(f"{pods_file}: expected pods that ask for GPUs; none of {len(pods)} does")
    needed = gpus * 10 * load * len(pods) // demand
    if needed > MOST_PODS:
        raise InputError(
            f"{pods_file}: about {needed:,} such pods would ask for {load} % of {gpus:,} GPUs; "
            f"expected at most {MOST_PODS:,} pods"
        )
    return needed
