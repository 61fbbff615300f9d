"""Numbers that stand for things, and where scalars of a replay are kept."""

from __future__ import annotations

NONE = -1
"""No job, node, queue, class or time."""

WAITS, RUNS, LEAVES = 0, 1, 2
"""Where a pod stands between cycles."""

KEPT = -3
"""Seat of a pod that stays where it is after all."""
TAKEN_BACK = -2
"""Promise that was taken back, from node 0; from node n it is so much less."""

HIGHEST = 1 << 40
"""Above every priority."""

# Positions in ``State.now``.
NOW = 0  # second
DUE = 1  # second of the next cycle, -1 for none
LAST_CYCLE = 2  # second of the last one
NEXT_JOB = 3  # next job to be submitted
ROW = 4  # rows in the buffer
ALL_ROWS = 5  # rows so far
CYCLES = 6  # cycles so far
IDLE_EVICTIONS = 7  # evictions since the last submission or end
STUCK = 8  # 1 if jobs only kept evicting each other
PENDING = 9  # pods that wait
LIVE_JOBS = 10  # jobs submitted and not done
LIVE_PODS = 11  # their pods
FREE = 12  # free GPUs of all nodes
MIXED = 13  # nodes whose idle and free GPUs differ
STAMP = 14  # last number given to a selection, scenario, probe or cycle
CYCLE = 15  # number of the present cycle
ENDS = 16  # planned ends
GOES = 17  # evicted pods on their way, in batches
GOES_FIRST = 18  # position of the first
UNEVEN = 19  # 1 if shares have to be divided anew
CHANGED = 20  # 1 if the cycle changed anything
TOUCHED_JOBS, TOUCHED_NODES, TOUCHED_LEAVES = 21, 22, 23  # lengths of lists
FLAGGED = 24  # classes chosen
RECORDED, POTENTIAL, CHOSEN, RELEVANT, CANDIDATES = 25, 26, 27, 29, 30  # lengths of lists
SHIFTS, CHARGES, ENTRIES, SEEN = 31, 32, 33, 34  # lengths of lists
PARTIAL = 35  # first job that runs with pods missing
FINISHED = 36  # jobs done
SCENARIO, PROBE, ACTION, SELECTION = 37, 38, 39, 40  # numbers of the present ones
FIFO_FIRST = 41  # first job that waits, in order of submission
PROBING = 42  # number of the present probe
DIVIDED = 43  # number of the last cycle for which shares were looked at
USABLE = 44  # free GPUs of nodes on which any is idle or being released
SCALARS = 45

# Positions in ``Walk.state``.
STAMP_OF_WALK, ALL_JOBS, ONLY_PREEMPTIBLE, SETTLE, KIND, FLAG_OF_WALK, MODE, PREEMPTOR = range(8)
WALK_SCALARS = 8

# Kinds of walk.
FLAGGED_CLASSES, RELEVANT_JOBS = 0, 1

# Ways to look for victims.
CONSOLIDATE, RECLAIM, PREEMPT = 1, 2, 3
"""Also the numbers of these actions in the log."""
STALE = 4

SUBMIT, BIND, RUN, EVICT, LOSE, RELEASE, FINISH = range(7)
"""Rows of the log."""

STUCK_AFTER = 10_000
"""As in the literal replay."""
