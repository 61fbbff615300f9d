"""The memory of a replay: one flat sequence of whole numbers ``m`` and, for queues, one of fractions ``f``.

Everything is a record in ``m``, known by the address it begins at, and a field of a record is at that address plus the
number of the field: ``m[job + JOB_GPUS]``. Records of a kind lie one after the other, so that addresses sort as what
they stand for does: jobs by submission and name, nodes and queues by name. Scalars come first, at fixed addresses.
GPUs are whole and times are seconds. A plain list is what runs quickest as it stands; an array of 64-bit numbers runs
compiled, where one sequence is also much quicker to compile for than many.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import TypeAlias

Ints: TypeAlias = MutableSequence[int]
Floats: TypeAlias = MutableSequence[float]

NONE = -1
"""No job, node, queue, class or time."""
UNBOUNDED = -1.0
"""Quota or limit that bounds nothing."""
HIGHEST = 1 << 40
"""Above every priority."""

# --- scalars that do not change ---------------------------------------------------------------------------------------

FIRST_JOB, JOBS_END, JOBS = 0, 1, 2  # addresses, count
FIRST_NODE, NODES_END = 3, 4
FIRST_QUEUE, ROOT = 5, 6  # the root of the tree lies behind the queues
LEVELS = 7  # different priorities of jobs
MOST, TOTAL = 8, 9  # GPUs of the largest node, of all nodes
PERIOD, LEAVING, STARTUP, UNTIL = 10, 11, 12, 13  # seconds; -1 for no end
CHECKPOINT = 14  # seconds of work between checkpoints; 0 when all of it is kept, -1 when none is
FIFO, SPREAD = 15, 16  # 1 to run jobs first come, first served; 1 to place pods on the emptiest nodes
MOVABLE = 17  # most running jobs looked at for moving, -1 for all; 0 turns consolidation off
RECLAIMS, PREEMPTS, EVICTS_STALE = 18, 19, 20  # 1 if these actions are on
MOVED_IS_KEPT = 21  # 1 if a reclaimed pod that finds another place does not count as reclaimed
SIGNATURES = 22  # 1 if a job no easier than one that failed is skipped
PORTFOLIO, FORGETS, FILTERS = 23, 24, 25  # rules of the version, as in tenantry.fair.kai.rules
GRACE = 26  # seconds an incomplete gang is left alone; negative for ever
SIZES = 27  # pairs of priority and number of pods
MINIMUMS = 28  # different minimum run times
ROOM_FOR_ROWS = 29  # rows of the log there is room for
ROOM_FOR_ENDS, ROOM_TO_GO = 30, 31  # lengths of the heap and the ring

# --- where lists and tables begin -------------------------------------------------------------------------------------

DOWNWARDS = 32  # queues with others below, parents before children, the root first
WITH_FREE = 33  # how many nodes have so many GPUs free
BUCKET = 34  # how many nodes are in each bucket
BUCKET_BITS = 35  # which nodes those are: a tree of words per bucket
NODE_TREE = 36  # shape of such a tree
SHIFT_LIST = 37  # changes to nodes in the present scenario: node, idle, free
CHARGE_LIST = 38  # changes to queues in it: leaf, GPUs
TOUCHED_NODES_AT, TOUCHED_JOBS_AT, TOUCHED_LEAVES_AT = 39, 40, 41  # what this cycle changed for itself alone
SEEN_AT, ORDER_AT = 42, 43  # nodes of victims: as they came up; fewest GPUs to be had first
FLAGGED_AT = 44  # classes chosen
FAILED = 45  # by leaf (the root for all) and size: GPUs per pod of the smallest job that failed, and in which action
RECORDED_AT, POTENTIAL_AT, CHOSEN_AT, RELEVANT_AT, CANDIDATES_AT = 46, 47, 48, 49, 50  # jobs of a search
ENTRY_LIST = 51  # victims by node: job, next entry
CORNER_AT = 52  # nodes of one job
HELD = 53  # possible victims by leaf, priority and completeness: oldest, youngest
MOVABLE_BITS, MOVABLE_TREE = 54, 55  # which jobs may be moved
ENDS_AT = 56  # planned ends, a heap of packed numbers
RING = 57  # evicted pods on their way: second, job, row of the log that tells of their eviction
WAKE = 58  # by minimum run time: first and last job it protects, and its seconds
WAKE_LINKS = 59  # by minimum run time and job: the one before, -2 for none at all; the next
APPLIES = 60  # by leaf and minimum: 1 where it may protect jobs
RECLAIM_MINIMUM = 61  # by reclaiming leaf and leaf of the victim: seconds
ROWS_AT = 62  # the log, as far as it was not taken away
NEED_AT = 63  # by GPUs: pods of a scenario that have to have a place

# --- scalars that change ----------------------------------------------------------------------------------------------

NOW, DUE, LAST_CYCLE = 64, 65, 66  # seconds
NEXT_JOB, FIFO_FIRST = 67, 68  # next job to be submitted; first that waits
ROW, ALL_ROWS, CYCLES, FINISHED = 69, 70, 71, 72  # counts; rows in the buffer and rows so far
IDLE_EVICTIONS, STUCK = 73, 74  # evictions since the last submission or end; 1 when given up
PENDING_PODS, LIVE_JOBS, LIVE_PODS = 75, 76, 77
FREE, USABLE, MIXED = 78, 79, 80  # free GPUs; those of usable nodes; nodes whose idle and free GPUs differ
STAMP, CYCLE, DIVIDED = 81, 82, 83  # last number given to anything; to a cycle; cycle for which shares were divided
UNEVEN, CHANGED = 84, 85  # 1 if what is asked for has changed; if the cycle changed anything
ENDS, GOES, GOES_FIRST = 86, 87, 88  # lengths of the heap and the ring, and where that begins
TOUCHED_NODES, TOUCHED_JOBS, TOUCHED_LEAVES, FLAGGED = 89, 90, 91, 92  # lengths of lists
RECORDED, POTENTIAL, CHOSEN, RELEVANT, CANDIDATES = 93, 94, 95, 96, 97  # lengths of lists
SHIFTS, CHARGES, ENTRIES, SEEN = 98, 99, 100, 101  # lengths of lists
PARTIAL, FIRST_SHAPE = 102, 103  # first job that runs with pods missing; first shape of which jobs wait
SELECTION, ACTION, SEARCH, PROBE, SCENARIO, KNOWN = 104, 105, 106, 107, 108, 109  # numbers of the present ones
SEEKER, MODE = 110, 111  # job that victims are searched for, and the action that searches
AHEAD = 112  # GPUs of the largest job before it in its queue
TAKEN_BACK_AT, TAKEN_BACKS, ROOM_FOR_TAKEN_BACKS = 113, 114, 115  # promises taken back in this cycle: pod, node
OVERFULL = 116  # 1 if that list was too short in this cycle
TRIED_AT, TRIED, ROOM_FOR_TRIED = 117, 118, 119  # scenarios a search tried in vain: next of the size, pods, victims
TRIED_OF = 120  # by number of victims: search, and the last such scenario
LOOKUP = 121  # number of the present search
NODE_WORDS = 122  # words of a tree of nodes
ELSEWHERE = 123  # GPUs free on usable nodes among those of victims
TRIED_FROM, TRIED_LENGTH = 124, 125  # nodes the last victim was tried with: fewest, most
PARENTS = 126  # length of the list of queues with others below
SHIFTED_AT, SHIFTED = 127, 128  # nodes that the present scenario changes
WALKS = 129  # scalars of the walks

# --- walks ------------------------------------------------------------------------------------------------------------

# A walk is known by an offset that is added to addresses of its fields in queues, and of its scalars.
WALK = 8
MAIN, INNER, VICTIMS = 0, WALK, 2 * WALK
WALK_STAMP, ONLY_PREEMPTIBLE, SETTLE, RELEVANT_ONLY, WALK_FLAG = range(WALKS, WALKS + 5)
SWITCHED = WALKS + 5  # whether a queue above the next job was compared with the job of another one below it

SCALARS = WALKS + 3 * WALK

# --- queues -----------------------------------------------------------------------------------------------------------

(
    QUEUE_NUMBER, QUEUE_PARENT, QUEUE_CHILDREN, QUEUE_CHILD_COUNT, QUEUE_DEPTH, QUEUE_PRIORITY, QUEUE_PREEMPT_MINIMUM,
    QUEUE_ALLOCATED, QUEUE_LASTING, QUEUE_ASKED,  # GPUs held or promised; by jobs not to be evicted; and waited for
    QUEUE_PROMISED, QUEUE_PROMISED_LASTING, QUEUE_TOUCHED,  # those that count in this cycle only, and which that is
    QUEUE_BEFORE, QUEUE_LEFT, QUEUE_JUDGED,  # GPUs held when a search began; left in a scenario, if 1 is behind
    QUEUE_FIRST_CLASS, QUEUE_WAITING, QUEUE_HELD, QUEUE_FLAG,  # classes and jobs that wait; possible victims; selection
    QUEUE_KEEPS,  # 1 if nobody there may lose its place in the present probe
    QUEUE_WIDEST, QUEUE_GONE,  # GPUs of the largest job that waits below; of the chosen victims below
    QUEUE_DIVIDED_FOR,  # GPUs asked for when shares were last divided
    QUEUE_RELEVANT, QUEUE_LISTED,  # next relevant job of a scenario, in fair order, and which scenario that is
    QUEUE_WALKS,
) = range(27)  # fmt: skip
# Children that take part, as a heap, and how many; whether the next job has changed since it was put in its place; the
# next job and its GPUs; the last one that was passed; GPUs of victims taken.
(WALK_HEAP, WALK_SIZE, WALK_MOVED, WALK_HEAD, WALK_REQUEST, WALK_PRIORITY, WALK_CURSOR, WALK_TAKEN) = range(
    QUEUE_WALKS, QUEUE_WALKS + WALK
)
QUEUE = QUEUE_WALKS + 3 * WALK

# In ``f``: quota, limit and weight; what it is due; what it may hold by right; remainder of its share, -1 for none;
# weight in a round of sharing; what was last divided among those below; what it asks for within its limit. The scalars
# of ``f`` come before all queues.
QUEUE_QUOTA, QUEUE_LIMIT, QUEUE_WEIGHT, QUEUE_FAIR, QUEUE_ABLE, QUEUE_REST, QUEUE_FACTOR, QUEUE_SPLIT, QUEUE_WANTED = (
    range(9)
)
SATURATION, K_VALUE = 0, 1

# --- jobs and their pods ----------------------------------------------------------------------------------------------

(
    JOB_NUMBER, JOB_SUBMIT, JOB_WORK, JOB_PODS, JOB_GPUS, JOB_LEAF, JOB_PRIORITY, JOB_LEVEL, JOB_PREEMPTIBLE,
    JOB_POSSIBLE, JOB_POD, JOB_PODS_END, JOB_FIRST_CLASS,  # 1 if it fits the empty cluster; addresses
    JOB_LEFT, JOB_SINCE, JOB_END, JOB_STARTED, JOB_STALE,  # seconds of work left at a checkpoint; seconds on the clock
    JOB_RUNNING, JOB_ACTIVE, JOB_PENDING, JOB_WANTS,  # pods that run, run or are promised, wait; GPUs in a scenario
    JOB_CLASS, JOB_AFTER, JOB_PRIOR,  # class it waits in, and its neighbours there
    JOB_LIST, JOB_LATER, JOB_EARLIER,  # list of possible victims it is in, and its neighbours there
    JOB_IN_PARTIAL, JOB_NEXT_PARTIAL, JOB_UNREADY,  # 1 if pods may be missing, the next such; 1 if any leaves
    JOB_TOUCHED, JOB_MARK, JOB_RECORDED, JOB_PICKED,  # cycle, scenario, probe and selection it last took part in
    JOB_NEXT_RELEVANT,  # next relevant job of its leaf in a scenario
    JOB,
) = range(37)  # fmt: skip

# Where it stands between cycles; node it holds GPUs of; node it is promised in this cycle; row of its eviction; last
# scenario in which it is evicted, is given a place, and its seat there.
POD_STATE, POD_NODE, POD_PROMISE, POD_BATCH, POD_EVICTED, POD_SEATED, POD_SEAT, POD = range(8)
WAITS, RUNS, LEAVES = 0, 1, 2
KEPT = -3
"""Seat of a pod that stays where it is after all."""
TAKEN_BACK = -2
"""Promises below are taken back: a node is turned into one and back by subtracting it from this number."""

# --- nodes ------------------------------------------------------------------------------------------------------------

(
    NODE_NUMBER, NODE_IDLE, NODE_FREE,  # GPUs nobody holds; idle or being released, less those promised
    NODE_MOVED_IDLE, NODE_MOVED_FREE, NODE_TOUCHED,  # what this cycle changed for itself alone
    NODE_GAIN, NODE_GAINED, NODE_EXTRA, NODE_EXTRA_AT,  # GPUs of victims of a probe and of a scenario, and which
    NODE_FIRST, NODE_LAST,  # entries of the victims on it
    NODE_ROOM, NODE_FEASIBLE, NODE_USABLE,  # GPUs to be had; results and probes in which it counts though none is free
    NODE_PLACE,  # its place when nodes were last ordered
    NODE_SHIFTED, NODE_WAS_IDLE, NODE_WAS_FREE,  # last scenario that changes it, and what it had before that
    NODE_GONE_IDLE, NODE_GONE_FREE,  # what the victims of that scenario add
    NODE,
) = range(22)  # fmt: skip

# --- kinds of waiting jobs --------------------------------------------------------------------------------------------

# Of one leaf, priority and preemptibility, with as many pods of one size missing. Size is the number of the pair of
# priority and pods, shape the address of that of pods and GPUs. Lasting is 1 where no job of that leaf and priority may
# be evicted. Two pointers: first job behind the cursor, and which walk that is.
(
    CLASS_LEAF, CLASS_PRIORITY, CLASS_PODS, CLASS_GPUS, CLASS_REQUEST, CLASS_PREEMPTIBLE, CLASS_SIZE, CLASS_SHAPE,
    CLASS_LASTING, CLASS_HEAD, CLASS_TAIL, CLASS_AFTER, CLASS_PRIOR, CLASS_FLAG, CLASS_POINTER, CLASS_POINTED,
) = range(16)  # fmt: skip
CLASS = 18
SHAPE_PODS, SHAPE_GPUS, SHAPE_JOBS, SHAPE_AFTER, SHAPE_PRIOR, SHAPE = range(6)

# --- lists of more than one number ------------------------------------------------------------------------------------

SHIFT, CHARGE, ENTRY, FAILURE, HELD_ENDS, GOER, WAKER, WAKE_LINK, ROWS, PAIR = 3, 2, 2, 2, 2, 3, 3, 2, 6, 2

# --- the log ----------------------------------------------------------------------------------------------------------

SUBMIT, BIND, RUN, EVICT, LOSE, RELEASE, FINISH = range(7)
CONSOLIDATE, RECLAIM, PREEMPT, STALE = 1, 2, 3, 4
"""Actions, in rows of the log and as ways to look for victims."""
STUCK_AFTER = 10_000
"""As in the literal replay."""
DONE, FULL, CRAMPED = 0, 1, 2
"""Why the clock stops: all has happened, the log has to be taken away first, or a list of a cycle was too short."""
