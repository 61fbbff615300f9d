"""The flat sequences a replay works on: lists where it runs as it stands, arrays where it is compiled.

GPUs are whole, times are seconds. Jobs come in order of submission and name, nodes and queues in order of names; the
queue after the last stands for the root of the tree.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import NamedTuple, TypeAlias

Ints: TypeAlias = MutableSequence[int]
Floats: TypeAlias = MutableSequence[float]


class Config(NamedTuple):
    """What does not change during a replay.

    Attributes:
        jobs: how many jobs there are.
        nodes: how many nodes.
        queues: how many queues.
        levels: how many priorities jobs have.
        most: GPUs of the largest node.
        total: GPUs of all nodes.
        period: seconds between cycles.
        leaving: seconds evicted pods take to go.
        checkpoint: seconds of work between checkpoints; 0 when all of it is kept, -1 when none is.
        startup: seconds before work begins.
        until: last second, -1 for none.
        fifo: 1 to run jobs first come, first served.
        spread: 1 to place pods on the emptiest nodes.
        movable: most running jobs looked at for moving, -1 for all; 0 turns consolidation off.
        reclaims: 1 if reclaim is on.
        preempts: 1 if preempt is on.
        evicts_stale: 1 if incomplete gangs are evicted.
        moved_is_kept: 1 if a reclaimed pod that finds another place does not count as reclaimed.
        signatures: 1 if a job no easier than one that failed is skipped.
        portfolio: 1 if victims are searched node by node first.
        forgets: 1 if nodes of a rejected scenario are forgotten.
        filters: 1 if queues that cannot lose anything are left out.
        grace: seconds an incomplete gang is left alone; negative for ever.
        sizes: how many pairs of priority and number of pods there are.
        minimums: how many different minimum run times there are.
        rows: rows the log has room for.
        saturation: how much fuller the queue of a victim must be.
        k: weight of past usage, of which there is none here.
    """

    jobs: int
    nodes: int
    queues: int
    levels: int
    most: int
    total: int
    period: int
    leaving: int
    checkpoint: int
    startup: int
    until: int
    fifo: int
    spread: int
    movable: int
    reclaims: int
    preempts: int
    evicts_stale: int
    moved_is_kept: int
    signatures: int
    portfolio: int
    forgets: int
    filters: int
    grace: int
    sizes: int
    minimums: int
    rows: int
    saturation: float
    k: float


class Jobs(NamedTuple):
    """Jobs. The first eleven fields never change.

    Attributes:
        submit: second of submission.
        possible: 1 if it fits the empty cluster.
        work: seconds of work.
        pods: pods.
        gpus: GPUs of each.
        leaf: queue.
        priority: priority.
        level: position of that priority among all, lowest first.
        preemptible: 1 if it may be evicted.
        first_pod: position of its first pod.
        first_class: class it waits in with one pod missing; the next ones are those with more.
        left: seconds of work left since the last checkpoint.
        since: second from which it works, -1 while pods are missing.
        end: second at which it will be done, -1 while it does not work.
        started: second at which it last started, -1 for never.
        stale: since when it runs with fewer pods than it needs, -1 when it does not.
        running: pods that run.
        active: pods that run or are promised a place.
        pending: pods that wait for a place.
        wants: GPUs it asks for in the scenario that is tried.
        in_class: class it waits in, -1 when it does not.
        after: next one waiting in that class.
        prior: the one before.
        in_list: list of possible victims it is in, -1 when in none.
        later: next one in that list.
        earlier: the one before.
        next_partial: next one of those that run with pods missing.
        in_partial: 1 if it is among those.
        unready: 1 if pods of it were on their way out when the present action began.
        touched: last cycle in which something was promised to it or taken back.
        mark: last scenario it takes part in.
        recorded: last probe that began with it among the victims.
        picked: last selection it was chosen in.
    """

    submit: Ints
    possible: Ints
    work: Ints
    pods: Ints
    gpus: Ints
    leaf: Ints
    priority: Ints
    level: Ints
    preemptible: Ints
    first_pod: Ints
    first_class: Ints
    left: Ints
    since: Ints
    end: Ints
    started: Ints
    stale: Ints
    running: Ints
    active: Ints
    pending: Ints
    wants: Ints
    in_class: Ints
    after: Ints
    prior: Ints
    in_list: Ints
    later: Ints
    earlier: Ints
    next_partial: Ints
    in_partial: Ints
    unready: Ints
    touched: Ints
    mark: Ints
    recorded: Ints
    picked: Ints


class Pods(NamedTuple):
    """Pods of all jobs, one job after the other.

    Attributes:
        state: :data:`~.numbers.WAITS`, ``RUNS`` or ``LEAVES``.
        node: node it holds GPUs of; -1 for none.
        promise: node it is promised in this cycle, -1 for none; -2 less the node of a promise that was taken back.
        batch: row of the log that tells of its eviction.
        evicted: last scenario in which it is supposed to be evicted.
        seat: where it is in that scenario: a node, ``KEPT`` where it was, or -1 for nowhere.
        seated: last scenario in which it was given a place without having had one.
    """

    state: Ints
    node: Ints
    promise: Ints
    batch: Ints
    evicted: Ints
    seat: Ints
    seated: Ints


class Nodes(NamedTuple):
    """Nodes.

    Attributes:
        idle: GPUs that nobody holds; promises do not change it.
        free: GPUs that are idle or being released, less those promised.
        with_free: how many nodes have so many GPUs free.
        bucket: how many nodes are in each bucket: idle GPUs times one more than the most, plus free ones.
        bits: which nodes are in a bucket, as a tree of 32-bit words per bucket.
        level: where each level of such a tree begins, the widest first; the last entry is its length.
        moved_idle: what this cycle changed for itself alone, to be taken back at its end.
        moved_free: likewise.
        touched: last cycle that did.
        gain: GPUs that the victims looked at hold, and
        gained: the probe that is from.
        extra: GPUs that the victims of a scenario hold, and
        extra_at: the scenario that is from.
        first: first entry of the list of those victims on the node, and
        last: the last one.
        shift_node: node of each change of the scenario that is tried.
        shift_idle: change of its idle GPUs.
        shift_free: change of its free GPUs.
        listed: nodes touched in this cycle.
        seen: nodes of victims in the order they came up.
        order: the same, fewest GPUs to be had first.
        room: GPUs to be had on a node.
        feasible: result in which a victim had to leave the node, and
        usable: probe in which a refused scenario had victims on it: such nodes count though nothing is free on them.
    """

    idle: Ints
    free: Ints
    with_free: Ints
    bucket: Ints
    bits: Ints
    level: Ints
    moved_idle: Ints
    moved_free: Ints
    touched: Ints
    gain: Ints
    gained: Ints
    extra: Ints
    extra_at: Ints
    first: Ints
    last: Ints
    shift_node: Ints
    shift_idle: Ints
    shift_free: Ints
    listed: Ints
    seen: Ints
    order: Ints
    room: Ints
    feasible: Ints
    usable: Ints


class Queues(NamedTuple):
    """Queues. The first nine fields never change.

    Attributes:
        parent: parent; the root for a top queue.
        first_child: where its children begin in ``children``, with one entry more than there are queues.
        children: queues below, by parent.
        depth: queues above it.
        priority: priority.
        quota: GPUs it always gets back, -1 for all.
        limit: most GPUs it may use, -1 for no bound.
        weight: share of what is left over.
        downwards: all queues, parents before children, the root first.
        fair: GPUs it is due.
        able: GPUs it may hold by right.
        allocated: GPUs its jobs hold or are promised.
        lasting: those held by jobs that may not be evicted.
        asked: GPUs its jobs hold or wait for.
        promised: GPUs of a leaf that count only in this cycle.
        promised_lasting: those of jobs that may not be evicted.
        touched: last cycle in which such GPUs changed.
        listed: leaves touched in this cycle.
        before: GPUs held when a search began.
        left: GPUs it is left with in the scenario that is judged, and
        judged: the scenario that is from.
        rest: remainder of its share, -1 for none.
        factor: weight in a round of sharing.
        first_class: first of the classes in which jobs of a leaf wait, -1 for none.
        waiting: jobs that wait in a leaf.
        held: jobs of a leaf that may be victims.
        on: last selection a queue was chosen in.
    """

    parent: Ints
    first_child: Ints
    children: Ints
    depth: Ints
    priority: Ints
    quota: Floats
    limit: Floats
    weight: Floats
    downwards: Ints
    fair: Floats
    able: Floats
    allocated: Ints
    lasting: Ints
    asked: Ints
    promised: Ints
    promised_lasting: Ints
    touched: Ints
    listed: Ints
    before: Ints
    left: Ints
    judged: Ints
    rest: Floats
    factor: Floats
    first_class: Ints
    waiting: Ints
    held: Ints
    on: Ints


class Classes(NamedTuple):
    """Kinds of waiting jobs: of one leaf, priority and preemptibility, that miss as many pods of one size.

    The first eight fields never change.

    Attributes:
        leaf: queue.
        priority: priority.
        pods: pods that are missing.
        gpus: GPUs of each.
        request: GPUs of all.
        preemptible: 1 if its jobs may be evicted.
        size: number of the pair of priority and pods.
        shape: number of the pair of pods and GPUs.
        head: oldest job in it, -1 for none.
        tail: youngest.
        after: next class of the leaf that has jobs.
        prior: the one before.
        flag: last selection it was chosen in.
        flagged: classes chosen in the present one.
        shape_pods: pods of each shape.
        shape_gpus: GPUs of each pod of it.
        shape_jobs: jobs of it that wait.
        shape_after: next shape of which jobs wait.
        shape_prior: the one before.
        shape_first: first of those, in its only entry.
        failed: GPUs per pod of the smallest job that failed, by leaf (the root for all) and size, and
        failed_at: the action that is from.
    """

    leaf: Ints
    priority: Ints
    pods: Ints
    gpus: Ints
    request: Ints
    preemptible: Ints
    size: Ints
    shape: Ints
    head: Ints
    tail: Ints
    after: Ints
    prior: Ints
    flag: Ints
    flagged: Ints
    shape_pods: Ints
    shape_gpus: Ints
    shape_jobs: Ints
    shape_after: Ints
    shape_prior: Ints
    shape_first: Ints
    failed: Ints
    failed_at: Ints


class Walk(NamedTuple):
    """A walk over jobs in fair order, or over victims in the opposite one.

    Attributes:
        heap: children of every queue that take part, as a binary heap, where ``Queues.children`` has them.
        size: how many those are.
        moved: 1 where the next job changed since the queue was put in its place.
        request: GPUs of the next job of a leaf.
        head: that job; for victims the next victim.
        cursor_priority: priority of the last job of a leaf that was passed.
        cursor_job: that job.
        pointer: first job of a class behind the cursor, and
        pointed: the walk that is from.
        taken: GPUs of victims of a leaf that were taken.
        state: scalars, see the numbers in :mod:`.numbers`.
    """

    heap: Ints
    size: Ints
    moved: Ints
    request: Ints
    head: Ints
    cursor_priority: Ints
    cursor_job: Ints
    pointer: Ints
    pointed: Ints
    taken: Ints
    state: Ints


class Search(NamedTuple):
    """Lists a search for victims works with.

    Attributes:
        recorded: victims that made room for a part of the job.
        potential: further victims, in the order they came up.
        chosen: victims of the scenario that is tried.
        relevant: jobs that ask for a place in it.
        candidates: the only victims there may be, in the order they come up.
        candidate_first: where those of a leaf begin.
        entry_job: job of an entry in the list of victims of a node.
        entry_after: next entry.
        corner: nodes of one job.
        charge_leaf: leaf of each change of what queues hold in the scenario.
        charge_gpus: change.
    """

    recorded: Ints
    potential: Ints
    chosen: Ints
    relevant: Ints
    candidates: Ints
    candidate_first: Ints
    entry_job: Ints
    entry_after: Ints
    corner: Ints
    charge_leaf: Ints
    charge_gpus: Ints


class Lists(NamedTuple):
    """Lists of jobs, heaps and rings.

    Attributes:
        held_head: youngest and oldest possible victim per leaf, level and whether its gang is complete,
        held_tail: in this order: incomplete, complete.
        movable: which jobs may be moved, as a tree of 32-bit words.
        movable_level: where each level of it begins, the widest first; the last entry is its length.
        heap: seconds and jobs of planned ends, packed, as a binary heap.
        ring_time: second at which evicted pods go, in order,
        ring_job: their job, and
        ring_batch: the row of the log that tells of their eviction.
        wake_head: per minimum run time the first job that is protected by it,
        wake_tail: the last, and by minimum and job
        wake_after: the next and
        wake_prior: the one before; -2 when it is in no list.
        minimum: minimum run times, in seconds.
        applies: 1 where a minimum may protect jobs of a leaf, by leaf and minimum.
        reclaim_minimum: seconds a job of a leaf is protected from another, by reclaiming leaf and victim.
        preempt_minimum: seconds it is protected from jobs of its own leaf.
        touched: jobs touched in this cycle.
    """

    held_head: Ints
    held_tail: Ints
    movable: Ints
    movable_level: Ints
    heap: Ints
    ring_time: Ints
    ring_job: Ints
    ring_batch: Ints
    wake_head: Ints
    wake_tail: Ints
    wake_after: Ints
    wake_prior: Ints
    minimum: Ints
    applies: Ints
    reclaim_minimum: Ints
    preempt_minimum: Ints
    touched: Ints


class Rows(NamedTuple):
    """The log, as far as it was not taken away yet; see :class:`tenantry.fair.replay.log.Log`."""

    time: Ints
    happening: Ints
    job: Ints
    gpus: Ints
    cause: Ints
    detail: Ints


class State(NamedTuple):
    """Everything a replay needs.

    Attributes:
        config: what does not change.
        now: scalars that do, see the numbers in :mod:`.numbers`.
        jobs: jobs.
        pods: pods.
        nodes: nodes.
        queues: queues.
        classes: kinds of waiting jobs.
        main: walk over waiting jobs.
        inner: walk over the jobs of a scenario.
        victims: walk over victims.
        search: lists of a search.
        lists: lists, heaps and rings.
        rows: the log.
    """

    config: Config
    now: Ints
    jobs: Jobs
    pods: Pods
    nodes: Nodes
    queues: Queues
    classes: Classes
    main: Walk
    inner: Walk
    victims: Walk
    search: Search
    lists: Lists
    rows: Rows
