"""Lays out a cluster and a trace in the memory a replay works on."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tenantry.fair.fifo import FifoScheduler
from tenantry.fair.kai.min_runtime import minimum_between, minimum_within, possible_minimums
from tenantry.fair.kai.queues import build_tree
from tenantry.fair.kai.rules import Strategy
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.replay.kernel import memory as at
from tenantry.fair.replay.kernel.rooms import bucket_of, set_bit, tree_length
from tenantry.model.job import PREEMPTIBLE_BELOW
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tenantry.fair.kai.rules import Settings
    from tenantry.fair.replay.setup import Setup
    from tenantry.fair.scheduler import Scheduler
    from tenantry.model.job_table import JobTable
    from tenantry.model.queue import Queue

WORD = 32
"""Bits of a word in a tree of words."""
GONE = -2
"""In links of protected jobs: in no list."""
SLACK = 4
"""Promises that one cycle may take back, for each place in the other lists of a cycle."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A memory ready to run.

    Attributes:
        m: whole numbers.
        f: fractions.
        origin: position in the table of every job, where some are left out; None where none is.
    """

    m: array[int]
    f: array[float]
    origin: Sequence[int] | None


class Asks(NamedTuple):
    """What the jobs that are replayed ask for, as columns; leaves are numbers of queues."""

    submit: array[int]
    work: array[int]
    pods: array[int]
    gpus: array[int]
    leaf: array[int]
    priority: array[int]
    preemptible: array[int]


def lay_out(
    setup: Setup, table: JobTable, scheduler: Scheduler, kept: Sequence[int], *, rows: int, slack: int
) -> Layout:
    """Lay out a replay.

    Args:
        setup: the cluster and how jobs behave.
        table: the jobs.
        scheduler: decides; :func:`~.coverage.not_covered` must have found nothing.
        kept: positions of the jobs that are replayed.
        rows: rows the log has room for.
        slack: promises that one cycle may take back, for each place in the other lists of a cycle.
    """
    if not isinstance(scheduler, KaiScheduler | FifoScheduler):
        raise TypeError(f"{scheduler.name} cannot be laid out")
    queues = sorted(setup.queues, key=lambda queue: queue.name)
    asks = _asks(setup, table, kept, {queue.name: number for number, queue in enumerate(queues)})
    made = _Memory()
    made.scalars(setup, scheduler)
    made.queues(queues)
    made.nodes([int(node.gpus) for node in sorted(setup.nodes, key=lambda node: node.name)])
    made.classes(asks)
    made.jobs(asks)
    made.lists(asks, slack)
    made.protections(scheduler.settings, queues if isinstance(scheduler, KaiScheduler) else [])
    made.m[at.ROWS_AT] = made.room(rows * at.ROWS)
    made.m[at.ROOM_FOR_ROWS] = rows
    return Layout(made.m, made.f, None if len(kept) == len(table) else kept)


def _asks(setup: Setup, table: JobTable, kept: Sequence[int], number: Mapping[str, int]) -> Asks:
    leaf_of = [number.get(setup.queue_of.get(tenant, ""), at.NONE) for tenant in table.tenants]
    priority = _column(setup.priority if (value := table.priority(index)) is None else value for index in kept)
    return Asks(
        submit=_column(table.submit[index] for index in kept),
        work=_column(table.duration[index] for index in kept),
        pods=_column(table.pods[index] for index in kept),
        gpus=_column(table.gpus[index] // MILLI for index in kept),
        leaf=_column(leaf_of[table.tenant[index]] for index in kept),
        priority=priority,
        preemptible=_column(
            value < PREEMPTIBLE_BELOW if (own := table.preemptible(index)) is None else own
            for value, index in zip(priority, kept, strict=True)
        ),
    )


def _column(numbers: Iterable[int]) -> array[int]:
    return array("q", numbers)


class _Memory:
    """A memory while it is laid out."""

    def __init__(self) -> None:
        self.m = _column([0]) * at.SCALARS
        self.f = array("d")
        self.first_class: dict[tuple[int, ...], int] = {}

    def room(self, length: int, value: int = 0) -> int:
        """Add so many numbers; return where they begin."""
        start = len(self.m)
        self.m.extend(_column([value]) * length)
        return start

    def copy(self, numbers: Sequence[int]) -> int:
        """Add numbers; return where they begin."""
        start = len(self.m)
        self.m.extend(numbers)
        return start

    def tree(self, count: int) -> int:
        """Add the shape of a set of so many numbers."""
        words = [max(1, -(-count // WORD))]
        while words[0] > 1:
            words.insert(0, -(-words[0] // WORD))
        starts = [0]
        for number in words:
            starts.append(starts[-1] + number)
        return self.copy([len(words), *starts])

    def queue(self, number: int) -> int:
        """Address of a queue by its position among all."""
        return self.m[at.FIRST_QUEUE] + number * at.QUEUE

    # --- parts --------------------------------------------------------------------------------------------------------

    def scalars(self, setup: Setup, scheduler: KaiScheduler | FifoScheduler) -> None:
        """Set scalars."""
        m, settings, behaviour = self.m, scheduler.settings, setup.behaviour
        rules, actions = settings.rules, settings.actions
        m[at.PERIOD], m[at.LEAVING], m[at.STARTUP] = scheduler.period, behaviour.leaving, behaviour.startup
        m[at.UNTIL] = at.NONE if behaviour.until is None else behaviour.until
        m[at.CHECKPOINT] = at.NONE if behaviour.checkpoint is None else behaviour.checkpoint
        m[at.FIFO] = int(isinstance(scheduler, FifoScheduler))
        m[at.SPREAD] = int(settings.gpu_strategy is Strategy.SPREAD)
        m[at.MOVABLE] = max(at.NONE, settings.consolidation_victims) if "consolidation" in actions else 0
        m[at.RECLAIMS], m[at.PREEMPTS] = int("reclaim" in actions), int("preempt" in actions)
        m[at.EVICTS_STALE], m[at.GRACE] = int("stalegangeviction" in actions), settings.staleness_grace
        m[at.MOVED_IS_KEPT], m[at.SIGNATURES] = int(settings.consolidating_reclaim), int(settings.signatures)
        m[at.PORTFOLIO], m[at.FORGETS] = int(rules.portfolio), int(rules.forgets_rejected_nodes)
        m[at.FILTERS] = int(rules.filters_victims)
        for scalar in (at.DUE, at.LAST_CYCLE, at.PARTIAL, at.FIRST_SHAPE):
            m[scalar] = at.NONE
        m[at.UNEVEN] = m[at.STAMP] = 1
        self.f = array("d", [0.0]) * at.SCALARS
        self.f[at.SATURATION], self.f[at.K_VALUE] = max(1.0, settings.saturation_multiplier), max(0.0, settings.k_value)

    def queues(self, queues: Sequence[Queue]) -> None:
        """Lay out the queue tree."""
        m, count = self.m, len(queues)
        m[at.FIRST_QUEUE] = self.room((count + 1) * at.QUEUE)
        m[at.ROOT] = self.queue(count)
        self.f.extend(array("d", [0.0]) * ((count + 1) * at.QUEUE))
        number = {queue.name: position for position, queue in enumerate(queues)}
        below: list[list[int]] = [[] for _ in range(count + 1)]
        for position, queue in enumerate(queues):
            below[number.get(queue.parent, count)].append(position)
        for position in range(count + 1):
            own = self.queue(position)
            m[own + at.QUEUE_NUMBER], m[own + at.QUEUE_CHILD_COUNT] = position, len(below[position])
            m[own + at.QUEUE_CHILDREN] = self.copy([self.queue(child) for child in below[position]])
            for walk in (at.MAIN, at.INNER, at.VICTIMS):
                m[own + walk + at.WALK_HEAP] = self.room(len(below[position]))
                m[own + walk + at.WALK_HEAD] = at.NONE
            m[own + at.QUEUE_FIRST_CLASS] = at.NONE
            self.f[own + at.QUEUE_SPLIT] = -1.0
        for position, queue in enumerate(queues):
            own = self.queue(position)
            m[own + at.QUEUE_PARENT] = self.queue(number.get(queue.parent, count))
            m[own + at.QUEUE_PRIORITY] = queue.priority
            self.f[own + at.QUEUE_QUOTA], self.f[own + at.QUEUE_LIMIT] = float(queue.gpu.quota), float(queue.gpu.limit)
            self.f[own + at.QUEUE_WEIGHT] = float(queue.gpu.weight)
        downwards = [count]
        for above in downwards:
            for child in below[above]:
                depth = 0 if above == count else m[self.queue(above) + at.QUEUE_DEPTH] + 1
                m[self.queue(child) + at.QUEUE_DEPTH] = depth
                downwards.append(child)
        parents = [self.queue(position) for position in downwards if below[position] or position == count]
        m[at.DOWNWARDS], m[at.PARENTS] = self.copy(parents), len(parents)

    def nodes(self, sizes: Sequence[int]) -> None:
        """Lay out nodes, all of them empty."""
        m, count, most = self.m, len(sizes), max(sizes, default=0)
        m[at.MOST], m[at.TOTAL] = most, sum(sizes)
        m[at.FREE] = m[at.USABLE] = m[at.TOTAL]
        m[at.FIRST_NODE] = self.room(count * at.NODE)
        m[at.NODES_END] = len(m)
        m[at.NODE_TREE] = self.tree(count)
        m[at.WITH_FREE], m[at.NEED_AT] = self.room(most + 1), self.room(most + 1)
        m[at.BUCKET] = self.room((most + 1) ** 2)
        length = m[at.NODE_WORDS] = tree_length(m, m[at.NODE_TREE])
        m[at.BUCKET_BITS] = self.room((most + 1) ** 2 * length)
        for number, size in enumerate(sizes):
            node = m[at.FIRST_NODE] + number * at.NODE
            m[node + at.NODE_NUMBER], m[node + at.NODE_IDLE], m[node + at.NODE_FREE] = number, size, size
            bucket = bucket_of(m, size, size)
            m[m[at.WITH_FREE] + size] += 1
            m[m[at.BUCKET] + bucket] += 1
            set_bit(m, m[at.BUCKET_BITS] + bucket * length, m[at.NODE_TREE], number)
        for scalar in (at.TOUCHED_NODES_AT, at.SEEN_AT, at.ORDER_AT, at.SHIFTED_AT):
            m[scalar] = self.room(count)

    def classes(self, asks: Asks) -> None:
        """Lay out kinds of waiting jobs: for each kind of gang one for every number of pods it may miss."""
        m = self.m
        kinds = sorted(set(zip(asks.leaf, asks.priority, asks.pods, asks.gpus, asks.preemptible, strict=True)))
        missing = {(priority, count, gpus) for _, priority, pods, gpus, _ in kinds for count in range(1, pods + 1)}
        sizes = {pair: number for number, pair in enumerate(sorted({pair[:2] for pair in missing}))}
        shapes: dict[tuple[int, int], int] = {}
        for shape in sorted({pair[1:] for pair in missing}):
            shapes[shape] = self.copy([*shape, 0, at.NONE, at.NONE])
        movable = {kind[:2] for kind in kinds if kind[4] == 1}
        count = 0
        for leaf, priority, pods, gpus, preemptible in kinds:
            self.first_class[leaf, priority, pods, gpus, preemptible] = len(m)
            for lack in range(1, pods + 1):
                own = self.room(at.CLASS)
                m[own : own + at.CLASS_HEAD] = _column((
                    self.queue(leaf), priority, lack, gpus, lack * gpus, preemptible, sizes[priority, lack],
                    shapes[lack, gpus], int((leaf, priority) not in movable),
                ))  # fmt: skip
                for field in (at.CLASS_HEAD, at.CLASS_TAIL, at.CLASS_AFTER, at.CLASS_PRIOR):
                    m[own + field] = at.NONE
            count += pods
        m[at.SIZES] = len(sizes)
        m[at.FLAGGED_AT] = self.room(count)
        queues = (m[at.ROOT] - m[at.FIRST_QUEUE]) // at.QUEUE + 1
        m[at.FAILED] = self.room(queues * len(sizes) * at.FAILURE)
        m[at.TOUCHED_LEAVES_AT] = self.room(queues)

    def jobs(self, asks: Asks) -> None:
        """Lay out jobs and their pods."""
        m = self.m
        nodes = range(m[at.FIRST_NODE], m[at.NODES_END], at.NODE)
        room = {size: sum(m[node + at.NODE_IDLE] // size for node in nodes) for size in set(asks.gpus)}
        level = {priority: number for number, priority in enumerate(sorted(set(asks.priority)))}
        m[at.JOBS], m[at.LEVELS] = len(asks.submit), max(1, len(level))
        m[at.FIRST_JOB] = start = len(m)
        m[at.JOBS_END] = pod = start + m[at.JOBS] * at.JOB
        m[at.FIFO_FIRST] = start
        empty = [0] * at.JOB
        for field in (
            at.JOB_SINCE, at.JOB_END, at.JOB_STARTED, at.JOB_STALE, at.JOB_CLASS, at.JOB_AFTER, at.JOB_PRIOR,
            at.JOB_LIST, at.JOB_LATER, at.JOB_EARLIER,
        ):  # fmt: skip
            empty[field] = at.NONE
        for number, (submit, work, pods, gpus, leaf, priority, preemptible) in enumerate(zip(*asks, strict=True)):
            record = empty.copy()
            end = pod + pods * at.POD
            record[: at.JOB_LEFT] = [
                number, submit, work, pods, gpus, self.queue(leaf), priority, level[priority], preemptible,
                int(room[gpus] >= pods), pod, end, self.first_class[leaf, priority, pods, gpus, preemptible],
            ]  # fmt: skip
            record[at.JOB_LEFT] = work
            m.extend(record)
            pod = end
        empty = [0] * at.POD
        empty[at.POD_NODE] = empty[at.POD_PROMISE] = at.NONE
        m.extend(_column(empty) * sum(asks.pods))

    def lists(self, asks: Asks, slack: int) -> None:
        """Make room for the lists of a search and of a cycle."""
        m = self.m
        # Every pod that runs holds a GPU. Every one that is promised a place had one free or of a victim, but for the
        # few that are put back where another was promised a place meanwhile.
        most = 4 * m[at.TOTAL] + 2 * max(asks.pods, default=0) + 64
        m[at.SHIFT_LIST], m[at.CHARGE_LIST] = self.room(most * at.SHIFT), self.room(most * at.CHARGE)
        m[at.ENTRY_LIST] = self.room(most * at.ENTRY)
        m[at.ROOM_FOR_TAKEN_BACKS], m[at.TAKEN_BACK_AT] = slack * most, self.room(slack * most * at.PAIR)
        for scalar in (
            at.RECORDED_AT, at.POTENTIAL_AT, at.CHOSEN_AT, at.RELEVANT_AT, at.CANDIDATES_AT, at.CORNER_AT,
        ):  # fmt: skip
            m[scalar] = self.room(most)
        m[at.ROOM_FOR_TRIED], m[at.TRIED_AT], m[at.TRIED_OF] = most, self.room(most), self.room(most * at.PAIR)
        m[at.TOUCHED_JOBS_AT] = self.room(m[at.JOBS])
        queues = (m[at.ROOT] - m[at.FIRST_QUEUE]) // at.QUEUE
        m[at.HELD] = self.room(queues * m[at.LEVELS] * 2 * at.HELD_ENDS, at.NONE)
        m[at.MOVABLE_TREE] = self.tree(m[at.JOBS])
        m[at.MOVABLE_BITS] = self.room(tree_length(m, m[at.MOVABLE_TREE]))
        m[at.ROOM_FOR_ENDS], m[at.ROOM_TO_GO] = 2 * m[at.JOBS] + 64, m[at.TOTAL] + 64
        m[at.ENDS_AT] = self.room(m[at.ROOM_FOR_ENDS])
        m[at.RING] = self.room(m[at.ROOM_TO_GO] * at.GOER)

    def protections(self, settings: Settings, queues: Sequence[Queue]) -> None:
        """Lay out minimum run times; none without queues."""
        m, tree = self.m, build_tree(queues)
        leaves = {number: tree[queue.name] for number, queue in enumerate(queues) if tree[queue.name].leaf}
        known = {number: possible_minimums(queue, settings) for number, queue in leaves.items()}
        minimums = sorted({value for values in known.values() for value in values})
        count = (m[at.ROOT] - m[at.FIRST_QUEUE]) // at.QUEUE
        m[at.MINIMUMS] = len(minimums)
        m[at.WAKE] = self.copy([number for value in minimums for number in (at.NONE, at.NONE, value)])
        m[at.WAKE_LINKS] = self.room(len(minimums) * m[at.JOBS] * at.WAKE_LINK, GONE)
        m[at.APPLIES] = self.copy([int(value in known.get(queue, ())) for queue in range(count) for value in minimums])
        m[at.RECLAIM_MINIMUM] = self.room(count * count)
        for mine, reclaimer in leaves.items():
            m[self.queue(mine) + at.QUEUE_PREEMPT_MINIMUM] = minimum_within(reclaimer, settings)
            for other, victim in leaves.items():
                m[m[at.RECLAIM_MINIMUM] + mine * count + other] = minimum_between(reclaimer, victim, settings)
