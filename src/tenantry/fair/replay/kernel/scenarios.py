"""The search for victims: which scenarios are tried for a job, in which order.

As ``Solver``, ``Accumulator``, ``node_by_node`` and ``over_nodes`` of :mod:`tenantry.fair.kai`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.replay.kernel.bounds import note_keepers, note_waiting, seat_of
from tenantry.fair.replay.kernel.memory import (
    CHOSEN,
    CHOSEN_AT,
    CORNER_AT,
    ELSEWHERE,
    ENTRIES,
    ENTRY,
    ENTRY_LIST,
    FIRST_QUEUE,
    HIGHEST,
    JOB_GPUS,
    JOB_PENDING,
    JOB_PICKED,
    JOB_POD,
    JOB_PODS_END,
    JOB_RECORDED,
    KEPT,
    KNOWN,
    LOOKUP,
    MODE,
    MOST,
    NODE_EXTRA_AT,
    NODE_FEASIBLE,
    NODE_FIRST,
    NODE_FREE,
    NODE_GAIN,
    NODE_GAINED,
    NODE_IDLE,
    NODE_LAST,
    NODE_PLACE,
    NODE_ROOM,
    NODE_USABLE,
    NONE,
    ORDER_AT,
    PAIR,
    POD,
    POD_EVICTED,
    POD_NODE,
    POD_PROMISE,
    POD_SEAT,
    PORTFOLIO,
    POTENTIAL,
    POTENTIAL_AT,
    PROBE,
    QUEUE,
    QUEUE_ALLOCATED,
    QUEUE_BEFORE,
    RECORDED,
    RECORDED_AT,
    ROOM_FOR_TRIED,
    ROOT,
    SCENARIO,
    SEEKER,
    SEEN,
    SEEN_AT,
    STAMP,
    TAKEN_BACK,
    TRIED,
    TRIED_AT,
    TRIED_FROM,
    TRIED_LENGTH,
    TRIED_OF,
    USABLE,
)
from tenantry.fair.replay.kernel.rooms import fitting, places, usable
from tenantry.fair.replay.kernel.search import simulate, undo_scenario
from tenantry.fair.replay.kernel.victims import begin_victims, next_victim

if TYPE_CHECKING:
    from tenantry.fair.replay.kernel.memory import Floats, Ints


def solve(m: Ints, f: Floats, mode: int, job: int) -> bool:
    """Search victims for a job; what is found stays done, with its victims chosen."""
    m[MODE], m[SEEKER] = mode, job
    m[STAMP] += 1
    m[LOOKUP], m[TRIED] = m[STAMP], 0
    for queue in range(m[FIRST_QUEUE], m[ROOT], QUEUE):
        m[queue + QUEUE_BEFORE] = m[queue + QUEUE_ALLOCATED]
    note_waiting(m)
    if m[PORTFOLIO] == 1 and solve_with(m, f, 0):
        return True
    return solve_with(m, f, 1)


def solve_with(m: Ints, f: Floats, over_nodes: int) -> bool:
    """Search for a part of the job first: doubling it while that works, then halving the gap; at last for all of it."""
    m[RECORDED], m[KNOWN] = 0, NONE
    count = m[m[SEEKER] + JOB_PENDING]
    low, part = 0, 1
    while probe(m, f, part, over_nodes):
        record(m)
        low = part
        if part == count:
            return probe(m, f, count, over_nodes)
        part = min(2 * part, count)
    if low == 0:
        return False
    high = part
    while high - low > 1:
        part = (low + high) // 2
        if probe(m, f, part, over_nodes):
            record(m)
            low = part
        else:
            high = part
    return probe(m, f, count, over_nodes)


def record(m: Ints) -> None:
    """Keep the victims that had to move or go, oldest first, for the next part of the job, and undo the scenario."""
    m[STAMP] += 1
    m[KNOWN] = m[STAMP]
    m[RECORDED] = 0
    for place in range(m[CHOSEN_AT], m[CHOSEN_AT] + m[CHOSEN]):
        victim, moved = m[place], False
        for pod in range(m[victim + JOB_POD], m[victim + JOB_PODS_END], POD):
            # A promise that is kept after all looks like one that is new (a quirk of the original).
            if m[pod + POD_EVICTED] == m[SCENARIO] and (m[pod + POD_SEAT] != KEPT or m[pod + POD_PROMISE] >= 0):
                moved = True
                m[seat_of(m, pod) + NODE_FEASIBLE] = m[KNOWN]
        if moved:
            insert(m, m[RECORDED_AT], m[RECORDED], victim)
            m[RECORDED] += 1
    undo_scenario(m)


def insert(m: Ints, start: int, count: int, item: int) -> None:
    """Insert a number into a sorted list."""
    place = start + count - 1
    while place >= start and m[place] > item:
        m[place + 1] = m[place]
        place -= 1
    m[place + 1] = item


def probe(m: Ints, f: Floats, count: int, over_nodes: int) -> bool:
    """Take victims one after the other and try the scenarios each makes possible, for so many pods of the job."""
    m[STAMP] += 1
    m[PROBE] = m[STAMP]
    note_keepers(m, f, count * m[m[SEEKER] + JOB_GPUS])
    m[POTENTIAL] = m[ENTRIES] = m[SEEN] = m[ELSEWHERE] = m[TRIED_LENGTH] = 0
    m[TRIED_FROM] = HIGHEST
    fit = places(m, m[m[SEEKER] + JOB_GPUS])
    for place in range(m[RECORDED_AT], m[RECORDED_AT] + m[RECORDED]):
        m[m[place] + JOB_RECORDED] = m[PROBE]
        fit += gain_of(m, m[place])
    if fit >= count and m[RECORDED] > 0:
        choose_recorded(m)
        if attempt(m, f, count):
            return True
    begin_victims(m, f)
    victim = next_victim(m, f)
    while victim != NONE:
        if m[victim + JOB_RECORDED] != m[PROBE]:
            m[m[POTENTIAL_AT] + m[POTENTIAL]] = victim
            m[POTENTIAL] += 1
            fit += gain_of(m, victim)
            list_on_nodes(m, victim)
            if fit >= count and try_next(m, f, count, over_nodes, victim):
                return True
        victim = next_victim(m, f)
    return False


def try_next(m: Ints, f: Floats, count: int, over_nodes: int, victim: int) -> bool:
    """Try the scenarios that one more victim makes possible."""
    if over_nodes == 1:
        return try_over_nodes(m, f, count)
    return try_node_by_node(m, f, count, victim)


def gain_of(m: Ints, victim: int) -> int:
    """Count how many pods of the job more fit once a victim is gone too."""
    gpus, more = m[m[SEEKER] + JOB_GPUS], 0
    for pod in range(m[victim + JOB_POD], m[victim + JOB_PODS_END], POD):
        node = seat_of(m, pod)
        if node == NONE:
            continue
        if m[node + NODE_GAINED] != m[PROBE]:
            m[node + NODE_GAINED], m[node + NODE_GAIN], m[node + NODE_FIRST] = m[PROBE], 0, NONE
        before = fitting(m[node + NODE_FREE] + m[node + NODE_GAIN], gpus)
        m[node + NODE_GAIN] += m[victim + JOB_GPUS]
        more += fitting(m[node + NODE_FREE] + m[node + NODE_GAIN], gpus) - before
    return more


def list_on_nodes(m: Ints, victim: int) -> None:
    """Note a victim on each of its nodes, those of its last pods first."""
    for pod in range(m[victim + JOB_PODS_END] - POD, m[victim + JOB_POD] - 1, -POD):
        node = seat_of(m, pod)
        if node == NONE or (m[node + NODE_FIRST] != NONE and m[m[node + NODE_LAST]] == victim):
            continue
        entry = m[ENTRY_LIST] + m[ENTRIES] * ENTRY
        m[ENTRIES] += 1
        m[entry], m[entry + 1] = victim, NONE
        if m[node + NODE_FIRST] == NONE:
            m[node + NODE_FIRST] = entry
            m[m[SEEN_AT] + m[SEEN]] = node
            m[SEEN] += 1
            m[ELSEWHERE] += usable(m[node + NODE_IDLE], m[node + NODE_FREE])
            m[node + NODE_PLACE] = NONE
        else:
            m[m[node + NODE_LAST] + 1] = entry
        m[node + NODE_LAST] = entry


def choose_recorded(m: Ints) -> None:
    """Begin a scenario with the victims of a smaller part of the job."""
    for place in range(m[RECORDED]):
        m[m[CHOSEN_AT] + place] = m[m[RECORDED_AT] + place]
    m[CHOSEN] = m[RECORDED]


def choose_too(m: Ints, victim: int) -> None:
    """Add a victim to a scenario."""
    m[m[CHOSEN_AT] + m[CHOSEN]] = victim
    m[CHOSEN] += 1


def has_victims(m: Ints, node: int) -> bool:
    """Whether any of the further victims so far is on a node."""
    return m[node + NODE_GAINED] == m[PROBE] and m[node + NODE_FIRST] != NONE


# --- what was tried in vain ------------------------------------------------------------------------------------------


def attempt(m: Ints, f: Floats, count: int) -> bool:
    """Try a scenario, unless the same victims were tried for as many pods in this search: they would fail again."""
    if was_tried(m, count):
        return False
    if simulate(m, f, count):
        return True
    note_tried(m, count)
    return False


def was_tried(m: Ints, count: int) -> bool:
    """Whether the chosen victims were tried for so many pods in this search."""
    size, chosen = m[CHOSEN], m[CHOSEN_AT]
    head = m[TRIED_OF] + size * PAIR
    if m[head] != m[LOOKUP]:
        return False
    place = m[head + 1]
    while place != NONE:
        same = m[place + 1] == count
        at = 0
        while same and at < size:
            same = m[place + 2 + at] == m[chosen + at]
            at += 1
        if same:
            return True
        place = m[place]
    return False


def note_tried(m: Ints, count: int) -> None:
    """Remember that the chosen victims were tried for so many pods, as long as there is room."""
    size, chosen = m[CHOSEN], m[CHOSEN_AT]
    if m[TRIED] + size + 2 > m[ROOM_FOR_TRIED]:
        return
    head, place = m[TRIED_OF] + size * PAIR, m[TRIED_AT] + m[TRIED]
    m[place] = m[head + 1] if m[head] == m[LOOKUP] else NONE
    m[place + 1] = count
    for at in range(size):
        m[place + 2 + at] = m[chosen + at]
    m[head], m[head + 1] = m[LOOKUP], place
    m[TRIED] += size + 2


# --- node by node -----------------------------------------------------------------------------------------------------


def try_node_by_node(m: Ints, f: Floats, count: int, newest: int) -> bool:
    """Try, for every node of the newest victim, to evict all victims so far that are on it."""
    alone = False
    for place in range(m[CORNER_AT], m[CORNER_AT] + corners_of(m, newest)):
        node = m[place]
        if not has_victims(m, node):
            continue
        choose_recorded(m)
        entry = m[node + NODE_FIRST]
        while entry != NONE:
            choose_too(m, m[entry])
            entry = m[entry + 1]
        if m[CHOSEN] == m[RECORDED] + 1 and m[m[CHOSEN_AT] + m[RECORDED]] == newest:
            if alone:
                continue
            alone = True
        if attempt(m, f, count):
            return True
    return False


def corners_of(m: Ints, job: int) -> int:
    """List the nodes of a job in order, those it leaves included; return how many there are."""
    corner, count = m[CORNER_AT], 0
    for pod in range(m[job + JOB_POD], m[job + JOB_PODS_END], POD):
        promise = m[pod + POD_PROMISE]
        node = m[pod + POD_NODE] if promise == NONE else promise
        if promise <= TAKEN_BACK:
            node = TAKEN_BACK - promise
        if node == NONE:
            continue
        place = corner + count - 1
        while place >= corner and m[place] > node:
            place -= 1
        if place >= corner and m[place] == node:
            continue
        insert(m, corner, count, node)
        count += 1
    return count


# --- over nodes -------------------------------------------------------------------------------------------------------


def try_over_nodes(m: Ints, f: Floats, count: int) -> bool:
    """Try to evict victims over more and more nodes, those with the least to be had first."""
    gpus = m[m[SEEKER] + JOB_GPUS]
    length = order_nodes(m, gpus)
    least = width = covering(m, length, max(0, count * gpus - elsewhere(m)))
    same, step = unchanged(m, length), 1
    while width <= length:
        if width > same or not was_width(m, width):
            choose_recorded(m)
            choose_on(m, width)
            if attempt(m, f, count):
                return True
        if width >= length:
            break
        width, step = min(width + step, length), 2 * step
    m[TRIED_FROM], m[TRIED_LENGTH] = least, length
    return False


def unchanged(m: Ints, length: int) -> int:
    """Count the first nodes in order that are where they were before the newest victim, which is on none of them."""
    newest, order = m[m[POTENTIAL_AT] + m[POTENTIAL] - 1], m[ORDER_AT]
    place = 0
    while place < length:
        node = m[order + place]
        if m[node + NODE_PLACE] != place or m[m[node + NODE_LAST]] == newest:
            break
        place += 1
    for other in range(place, length):
        m[m[order + other] + NODE_PLACE] = other
    return place


def was_width(m: Ints, width: int) -> bool:
    """Whether the last victim was tried with as many of the first nodes."""
    more, step = width - m[TRIED_FROM], 1
    if more < 0 or width >= m[TRIED_LENGTH]:
        return m[TRIED_FROM] <= width == m[TRIED_LENGTH]
    while more > 0:
        more, step = more - step, 2 * step
    return more == 0


def covering(m: Ints, length: int, demand: int) -> int:
    """Fewest nodes whose GPUs to be had cover a demand; one more than there are when none do."""
    if demand <= 0:
        return 0
    total = 0
    for place in range(length):
        total += m[m[m[ORDER_AT] + place] + NODE_ROOM]
        if total >= demand:
            return place + 1
    return length + 1


def elsewhere(m: Ints) -> int:
    """GPUs that are free, or freed by recorded victims, on usable nodes without further victims."""
    total = m[USABLE] - m[ELSEWHERE]
    m[STAMP] += 1
    for place in range(m[RECORDED_AT], m[RECORDED_AT] + m[RECORDED]):
        victim = m[place]
        for pod in range(m[victim + JOB_POD], m[victim + JOB_PODS_END], POD):
            node = seat_of(m, pod)
            if node == NONE or has_victims(m, node):
                continue
            idle, free = m[node + NODE_IDLE], m[node + NODE_FREE]
            if idle > 0 or free - idle > 0:
                total += m[victim + JOB_GPUS]
            elif m[node + NODE_USABLE] == m[PROBE] or (m[KNOWN] != NONE and m[node + NODE_FEASIBLE] == m[KNOWN]):
                total += m[victim + JOB_GPUS]
                if m[node + NODE_EXTRA_AT] != m[STAMP]:
                    m[node + NODE_EXTRA_AT] = m[STAMP]
                    total += free
    return total


def order_nodes(m: Ints, gpus: int) -> int:
    """Order the nodes of victims that may hold a pod, those with the least to be had first; return how many."""
    seen = m[SEEN_AT]
    for place in range(seen, seen + m[SEEN]):
        node = m[place]
        m[node + NODE_ROOM] = m[node + NODE_FREE] + m[node + NODE_GAIN]
    length = 0
    for room in range(gpus, m[MOST] + 1):
        for place in range(seen, seen + m[SEEN]):
            if m[m[place] + NODE_ROOM] == room:
                m[m[ORDER_AT] + length] = m[place]
                length += 1
    return length


def choose_on(m: Ints, width: int) -> None:
    """Add the victims on the first nodes to a scenario, in the order they came up."""
    m[STAMP] += 1
    picked = m[STAMP]
    for place in range(m[ORDER_AT], m[ORDER_AT] + width):
        entry = m[m[place] + NODE_FIRST]
        while entry != NONE:
            m[m[entry] + JOB_PICKED] = picked
            entry = m[entry + 1]
    for place in range(m[POTENTIAL_AT], m[POTENTIAL_AT] + m[POTENTIAL]):
        if m[m[place] + JOB_PICKED] == picked:
            choose_too(m, m[place])
