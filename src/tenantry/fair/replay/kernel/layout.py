"""Lays out a cluster and a trace as the flat sequences a replay works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tenantry.fair.fifo import FifoScheduler
from tenantry.fair.kai.min_runtime import minimum_between, minimum_within, possible_minimums
from tenantry.fair.kai.queues import build_tree
from tenantry.fair.kai.rules import Strategy
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.replay.kernel.numbers import (
    DUE,
    FREE,
    LAST_CYCLE,
    NONE,
    PARTIAL,
    SCALARS,
    STAMP,
    UNEVEN,
    USABLE,
    WALK_SCALARS,
)
from tenantry.fair.replay.kernel.records import (
    Classes,
    Config,
    Jobs,
    Lists,
    Nodes,
    Pods,
    Queues,
    Rows,
    Search,
    State,
    Walk,
)
from tenantry.fair.replay.kernel.rooms import set_bit
from tenantry.model.job import PREEMPTIBLE_BELOW
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantry.fair.kai.rules import Settings
    from tenantry.fair.replay.setup import Setup
    from tenantry.fair.scheduler import Scheduler
    from tenantry.model.job_table import JobTable
    from tenantry.model.queue import Queue

# --- what is laid out ---------------------------------------------------------------------------------------------------


WORD = 32
"""Bits of a word in a tree of words."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A state ready to run.

    Attributes:
        state: everything the replay needs, on lists.
        origin: position in the table of every job, where some are left out; None where none is.
    """

    state: State
    origin: Sequence[int] | None


class Asks(NamedTuple):
    """What the jobs that are replayed ask for, as columns."""

    submit: list[int]
    work: list[int]
    pods: list[int]
    gpus: list[int]
    leaf: list[int]
    priority: list[int]
    preemptible: list[int]
    possible: list[int]


def lay_out(setup: Setup, table: JobTable, scheduler: Scheduler, kept: Sequence[int], rows: int) -> Layout:
    """Lay out a replay.

    Args:
        setup: the cluster and how jobs behave.
        table: the jobs.
        scheduler: decides; :func:`~.coverage.not_covered` must have found nothing.
        kept: positions of the jobs that are replayed.
        rows: rows the log has room for.
    """
    if not isinstance(scheduler, KaiScheduler | FifoScheduler):
        raise TypeError(f"{scheduler.name} cannot be laid out")
    sizes = [int(node.gpus) for node in sorted(setup.nodes, key=lambda node: node.name)]
    queues = sorted(setup.queues, key=lambda queue: queue.name)
    number = {queue.name: position for position, queue in enumerate(queues)}
    asks = _asks(setup, table, kept, number, sizes)
    classes, first_class, pairs = _classes(asks, len(queues))
    protects = isinstance(scheduler, KaiScheduler)
    lists = _lists(scheduler.settings, queues, asks, gpus=sum(sizes), protects=protects)
    config = Config(
        jobs=len(kept),
        nodes=len(sizes),
        queues=len(queues),
        levels=max(1, len(set(asks.priority))),
        most=max(sizes, default=0),
        total=sum(sizes),
        period=scheduler.period,
        leaving=setup.behaviour.leaving,
        checkpoint=NONE if setup.behaviour.checkpoint is None else setup.behaviour.checkpoint,
        startup=setup.behaviour.startup,
        until=NONE if setup.behaviour.until is None else setup.behaviour.until,
        fifo=int(isinstance(scheduler, FifoScheduler)),
        sizes=pairs,
        minimums=len(lists.minimum),
        rows=rows,
        **_settings(scheduler.settings),
    )
    now = [0] * SCALARS
    now[UNEVEN] = now[STAMP] = 1
    now[FREE] = now[USABLE] = config.total
    now[DUE] = now[LAST_CYCLE] = now[PARTIAL] = NONE
    state = State(
        config=config,
        now=now,
        jobs=_jobs(asks, first_class),
        pods=_pods(sum(asks.pods)),
        nodes=_nodes(sizes, config, max(asks.pods, default=0)),
        queues=_queues(queues, number),
        classes=classes,
        main=_walk(len(queues), len(classes.leaf)),
        inner=_walk(len(queues), len(classes.leaf)),
        victims=_walk(len(queues), len(classes.leaf)),
        search=_search(config, max(asks.pods, default=0)),
        lists=lists,
        rows=Rows(*([0] * rows for _ in Rows._fields)),
    )
    return Layout(state, None if len(kept) == len(table) else kept)


def _settings(settings: Settings) -> dict[str, Any]:
    rules, actions = settings.rules, settings.actions
    return {
        "spread": int(settings.gpu_strategy is Strategy.SPREAD),
        "movable": max(NONE, settings.consolidation_victims) if "consolidation" in actions else 0,
        "reclaims": int("reclaim" in actions),
        "preempts": int("preempt" in actions),
        "evicts_stale": int("stalegangeviction" in actions),
        "moved_is_kept": int(settings.consolidating_reclaim),
        "signatures": int(settings.signatures),
        "portfolio": int(rules.portfolio),
        "forgets": int(rules.forgets_rejected_nodes),
        "filters": int(rules.filters_victims),
        "grace": settings.staleness_grace,
        "saturation": max(1.0, settings.saturation_multiplier),
        "k": max(0.0, settings.k_value),
    }


def _asks(setup: Setup, table: JobTable, kept: Sequence[int], number: Mapping[str, int], sizes: Sequence[int]) -> Asks:
    leaf_of = [number.get(setup.queue_of.get(tenant, ""), NONE) for tenant in table.tenants]
    priority = [setup.priority if (value := table.priority(index)) is None else value for index in kept]
    may_be_evicted = [table.preemptible(index) for index in kept]
    gpus = [table.gpus[index] // MILLI for index in kept]
    pods = [table.pods[index] for index in kept]
    room = {size: sum(node // size for node in sizes) for size in set(gpus)}
    return Asks(
        submit=[table.submit[index] for index in kept],
        work=[table.duration[index] for index in kept],
        pods=pods,
        gpus=gpus,
        leaf=[leaf_of[table.tenant[index]] for index in kept],
        priority=priority,
        preemptible=[
            int(value < PREEMPTIBLE_BELOW if own is None else own)
            for value, own in zip(priority, may_be_evicted, strict=True)
        ],
        possible=[int(room[size] >= count) for size, count in zip(gpus, pods, strict=True)],
    )


def _jobs(asks: Asks, first_class: list[int]) -> Jobs:
    count = len(asks.submit)
    level = {priority: position for position, priority in enumerate(sorted(set(asks.priority)))}
    first_pod, total = [0] * count, 0
    for job, pods in enumerate(asks.pods):
        first_pod[job] = total
        total += pods
    made: dict[str, list[int]] = {
        **asks._asdict(),
        "level": [level[priority] for priority in asks.priority],
        "first_pod": first_pod,
        "first_class": first_class,
        "left": list(asks.work),
    }
    nothing = {"since", "end", "started", "stale", "in_class", "after", "prior", "in_list", "later", "earlier"}
    return Jobs(*(made.get(name) or [NONE if name in nothing else 0] * count for name in Jobs._fields))


def _pods(count: int) -> Pods:
    nothing = {"node", "promise"}
    return Pods(*([NONE if name in nothing else 0] * count for name in Pods._fields))


def _nodes(sizes: Sequence[int], config: Config, pods: int) -> Nodes:
    count, most = len(sizes), config.most
    level = tree_levels(count)
    buckets = (most + 1) * (most + 1)
    nodes = Nodes(*([0] * count for _ in Nodes._fields))._replace(
        idle=list(sizes),
        free=list(sizes),
        with_free=[0] * (most + 1),
        bucket=[0] * buckets,
        bits=[0] * (buckets * level[-1]),
        level=level,
        **{name: [0] * length_of_lists(config.total, pods) for name in ("shift_node", "shift_idle", "shift_free")},
    )
    for node, size in enumerate(sizes):
        bucket = size * (most + 1) + size
        nodes.with_free[size] += 1
        nodes.bucket[bucket] += 1
        set_bit(nodes.bits, bucket * level[-1], level, node)
    return nodes


def tree_levels(count: int) -> list[int]:
    """Where each level of a tree of words begins that holds so many bits, the widest first; at last its length."""
    words = [max(1, -(-count // WORD))]
    while words[0] > 1:
        words.insert(0, -(-words[0] // WORD))
    starts = [0]
    for number in words:
        starts.append(starts[-1] + number)
    return starts


def _queues(queues: Sequence[Queue], number: Mapping[str, int]) -> Queues:
    count = len(queues)
    parent = [number[queue.parent] if queue.parent else count for queue in queues]
    below: list[list[int]] = [[] for _ in range(count + 1)]
    for queue, above in enumerate(parent):
        below[above].append(queue)
    first_child, children = [0] * (count + 2), []
    for queue in range(count + 1):
        first_child[queue] = len(children)
        children += below[queue]
    first_child[count + 1] = len(children)
    downwards, depth = [count], [0] * count
    for above in downwards:
        for queue in below[above]:
            depth[queue] = 0 if above == count else depth[above] + 1
            downwards.append(queue)
    made: dict[str, Any] = {
        "parent": parent,
        "first_child": first_child,
        "children": children,
        "downwards": downwards,
        "depth": depth,
        "priority": [queue.priority for queue in queues],
        "quota": [float(queue.gpu.quota) for queue in queues],
        "limit": [float(queue.gpu.limit) for queue in queues],
        "weight": [float(queue.gpu.weight) for queue in queues],
        "first_class": [NONE] * count,
    }
    floats = {"fair", "able", "rest", "factor"}
    return Queues(*(made.get(name) or [0.0 if name in floats else 0] * count for name in Queues._fields))


def _classes(asks: Asks, queues: int) -> tuple[Classes, list[int], int]:
    """Lay out classes; return them, the first class of every job, and how many pairs of priority and pods there are."""
    kinds = sorted(set(zip(asks.leaf, asks.priority, asks.pods, asks.gpus, asks.preemptible, strict=True)))
    first: dict[tuple[int, ...], int] = {}
    rows: list[tuple[int, ...]] = []
    for kind in kinds:
        leaf, priority, pods, gpus, preemptible = kind
        first[kind] = len(rows)
        rows += [(leaf, priority, missing, gpus, missing * gpus, preemptible) for missing in range(1, pods + 1)]
    sizes = {pair: position for position, pair in enumerate(sorted({(row[1], row[2]) for row in rows}))}
    shapes = {pair: position for position, pair in enumerate(sorted({(row[2], row[3]) for row in rows}))}
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(6)]
    made: dict[str, list[int]] = {
        **dict(zip(("leaf", "priority", "pods", "gpus", "request", "preemptible"), columns, strict=True)),
        "size": [sizes[row[1], row[2]] for row in rows],
        "shape": [shapes[row[2], row[3]] for row in rows],
        "shape_pods": [pods for pods, _ in shapes],
        "shape_gpus": [gpus for _, gpus in shapes],
        "shape_jobs": [0] * len(shapes),
        "shape_after": [NONE] * len(shapes),
        "shape_prior": [NONE] * len(shapes),
        "shape_first": [NONE],
        "failed": [0] * ((queues + 1) * len(sizes)),
        "failed_at": [0] * ((queues + 1) * len(sizes)),
    }
    nothing = {"head", "tail", "after", "prior"}
    classes = Classes(
        *(made[name] if name in made else [NONE if name in nothing else 0] * len(rows) for name in Classes._fields)
    )
    keys = zip(asks.leaf, asks.priority, asks.pods, asks.gpus, asks.preemptible, strict=True)
    return classes, [first[key] for key in keys], len(sizes)


def _walk(queues: int, classes: int) -> Walk:
    by_class = {"pointer", "pointed"}
    walk = Walk(*([0] * (classes if name in by_class else queues + 1) for name in Walk._fields))
    return walk._replace(state=[0] * WALK_SCALARS)


def length_of_lists(gpus: int, pods: int) -> int:
    """Most changes one scenario makes.

    Every pod that runs holds a GPU. Every one that is promised a place had one free or of a victim, but for the few
    that are put back where another was promised a place meanwhile.
    """
    return 4 * gpus + 2 * pods + 64


def _search(config: Config, pods: int) -> Search:
    return Search(*([0] * length_of_lists(config.total, pods) for _ in Search._fields))


def _lists(settings: Settings, queues: Sequence[Queue], asks: Asks, *, gpus: int, protects: bool) -> Lists:
    jobs, count = len(asks.submit), len(queues)
    tree = build_tree(queues)
    leaves = [(position, tree[queue.name]) for position, queue in enumerate(queues) if tree[queue.name].leaf]
    known = {position: possible_minimums(queue, settings) for position, queue in leaves if protects}
    minimums = sorted({value for values in known.values() for value in values})
    between, within = [0] * (count * count), [0] * count
    for mine, reclaimer in leaves:
        within[mine] = minimum_within(reclaimer, settings)
        for other, victim in leaves:
            between[mine * count + other] = minimum_between(reclaimer, victim, settings)
    levels = max(1, len(set(asks.priority)))
    movable_level = tree_levels(jobs)
    return Lists(
        held_head=[NONE] * (count * levels * 2),
        held_tail=[NONE] * (count * levels * 2),
        movable=[0] * movable_level[-1],
        movable_level=movable_level,
        heap=[0] * (2 * jobs + 64),
        ring_time=[0] * (gpus + 64),
        ring_job=[0] * (gpus + 64),
        ring_batch=[0] * (gpus + 64),
        wake_head=[NONE] * len(minimums),
        wake_tail=[NONE] * len(minimums),
        wake_after=[NONE] * (len(minimums) * jobs),
        wake_prior=[-2] * (len(minimums) * jobs),
        minimum=minimums,
        applies=[int(value in known.get(queue, ())) for queue in range(count) for value in minimums],
        reclaim_minimum=between,
        preempt_minimum=within,
        touched=[0] * (jobs + 64),
    )
