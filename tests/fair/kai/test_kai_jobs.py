"""Jobs: who is first, which pods a gang asks for now, and which it gives up first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kai_build import cluster, job, node, play, queue

from tenantry.fair.kai.asks import Axes
from tenantry.fair.kai.evictable import evictable
from tenantry.fair.kai.rules import Rules
from tenantry.fair.kai.state import build_job, group_order
from tenantry.model.job import Job, Pod, PodStatus, Subgroup
from tenantry.model.schedule import Act, Gate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.kai.state import Job as State


def first_bound(*jobs: Job, gpus: float = 1) -> list[str]:
    """Pods bound on a node with so many GPUs, in order."""
    decisions = play(cluster([node("n1", gpus)], [queue("a", 9)], jobs)).cycle.decisions
    return [decision.pod for decision in decisions if decision.act is Act.BIND]


# --- jobs of one queue ------------------------------------------------------------------------------------------------

FIRST_JOB: dict[str, tuple[Job, Job]] = {
    "higher priority": (job("z", "a", priority=60, created=9), job("b", "a", priority=50, created=1)),
    "short of its gang before one that only grows": (
        job("z", "a", created=9),
        job("b", "a", pods=2, on="n2", needs=1, created=1),
    ),
    "at its minimum before one above it": (
        job("z", "a", pods=2, on="n2", needs=1, created=9),
        job("b", "a", pods=3, on="n2 n2", needs=1, created=1),
    ),
    "older": (job("z", "a", created=1), job("b", "a", created=2)),
    "of one age, by name": (job("b", "a"), job("z", "a")),
}


@pytest.mark.parametrize("name", FIRST_JOB)
def test_job_goes_first(name: str) -> None:
    first, second = FIRST_JOB[name]
    nodes = [node("n1", 1), node("n2", 4, unready=("cordoned",))]
    for jobs in ([first, second], [second, first]):
        played = play(cluster(nodes, [queue("a", 9)], jobs), actions=("allocate",))
        assert [name.rpartition("-")[0] for name in played.bound] == [first.name]


def test_growth_takes_turns_up_to_one_pod_above_the_minimum() -> None:
    """Gangs first; then at the minimum before above it; then the older one takes all that is left."""
    jobs = [job("old", "a", pods=4, needs=1, created=1), job("young", "a", pods=4, needs=1, created=2)]
    assert first_bound(*jobs, gpus=6) == ["old-0", "young-0", "old-1", "young-1", "old-2", "old-3"]


def test_growth_of_two_queues_takes_turns() -> None:
    """After each pod the queue that holds less goes first."""
    jobs = [job("x", "a", pods=4, needs=1), job("y", "b", pods=4, needs=1)]
    decisions = play(cluster([node("n1", 6)], [queue("a"), queue("b")], jobs)).cycle.decisions
    assert [decision.pod for decision in decisions] == ["x-0", "y-0", "x-1", "y-1", "x-2", "y-2"]


def test_a_job_without_priority_plugin_goes_by_age() -> None:
    first, second = FIRST_JOB["higher priority"]
    moment = cluster([node("n1", 1)], [queue("a", 9)], [first, second])
    settings = play(moment).session.settings
    assert list(play(moment, plugins=settings.plugins - {"priority"}).bound) == ["b-0"]


# --- pods of one job --------------------------------------------------------------------------------------------------

FIRST_POD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "leader": ({"leader": True}, {"head": True, "order": 9}),
    "head": ({"head": True}, {"order": 9}),
    "larger explicit order": ({"order": 2, "created": 9}, {"order": 1}),
    "with an explicit order before those without": ({"order": -5, "created": 9}, {}),
    "older": ({"created": 1}, {"created": 2}),
}


@pytest.mark.parametrize("name", FIRST_POD)
def test_pod_goes_first(name: str) -> None:
    first, second = (
        Pod(pod, gpu=job("x", "a").pods[0].gpu, **more) for pod, more in zip("zb", FIRST_POD[name], strict=True)
    )
    for pods in ((first, second), (second, first)):
        grown = Job("x", "a", pods, Subgroup("", None, (Subgroup("default", 1),), leaf=False))
        assert first_bound(grown) == ["z"]


def test_pods_of_one_age_go_by_name() -> None:
    assert first_bound(job("x", "a", pods=3, needs=1)) == ["x-0"]


# --- trees of subgroups -----------------------------------------------------------------------------------------------


def leaf(name: str, minimum: int) -> Subgroup:
    return Subgroup(name, minimum)


def inner(name: str, *children: Subgroup, minimum: int | None = None) -> Subgroup:
    return Subgroup(name, minimum, children, leaf=False)


def state(tree: Subgroup | None, **pods: str) -> State:
    """A job whose subgroups hold pods given by a letter each: running, waiting, promised, leaving, gated, succeeded."""
    statuses = {
        "r": PodStatus.RUNNING,
        "w": PodStatus.PENDING,
        "p": PodStatus.PIPELINED,
        "l": PodStatus.RELEASING,
        "g": PodStatus.GATED,
        "s": PodStatus.SUCCEEDED,
    }
    members = tuple(
        Pod(f"{group}{number}", statuses[letter], "n1" if letter in "rpl" else "", subgroup=group)
        for group, letters in pods.items()
        for number, letter in enumerate(letters)
    )
    return build_job(Job("x", "a", members, tree), Axes([]), Rules())


def asks(job: State) -> list[str]:
    return [task.uid for task in job.chunk(real=True)]


FLAT = inner("", leaf("m", 2))
TWO = inner("", leaf("m", 2), leaf("n", 1))
ANY = inner("", leaf("m", 1), leaf("n", 1), leaf("o", 1), minimum=2)
DEEP = inner("", inner("left", leaf("m", 1), leaf("n", 1), minimum=1), inner("right", leaf("o", 2)), minimum=1)
OPTIONAL = inner("", leaf("m", 1), leaf("n", 0), leaf("o", 0))

ASKED: dict[str, tuple[State, list[str]]] = {
    "a gang asks for its minimum": (state(FLAT, m="wwww"), ["m0", "m1"]),
    "a gang asks for what it misses": (state(FLAT, m="rwww"), ["m1"]),
    "what was promised counts": (state(FLAT, m="pwww"), ["m1"]),
    "what leaves does not count": (state(FLAT, m="lwww"), ["m1", "m2"]),
    "growth asks for one pod": (state(FLAT, m="rrww"), ["m2"]),
    "nothing waits": (state(FLAT, m="rr"), []),
    "a gang of groups asks for all of them": (state(TWO, m="www", n="ww"), ["m0", "m1", "n0"]),
    "a group that is there is passed over": (state(TWO, m="rr", n="ww"), ["n0"]),
    "as many groups as are needed, by name": (state(ANY, m="ww", n="ww", o="ww"), ["m0", "n0"]),
    # n is there, so it stands last; the first two by order are m and o.
    # The original counts from the front of the order, so more is asked for than is missing.
    "groups that miss pods stand before those that are there": (state(ANY, m="ww", n="rw", o="ww"), ["m0", "o0"]),
    "growth goes to a group that is not there first": (state(ANY, m="rw", n="rw", o="ww"), ["o0"]),
    "growth goes to the group that is filled least": (state(TWO, m="rrrw", n="rrw"), ["m3"]),
    "growth skips a group with nothing that waits": (state(TWO, m="rrr", n="rrrrw"), ["n4"]),
    "of a choice of groups the first by name": (state(DEEP, m="w", n="w", o="ww"), ["m0"]),
    "growth goes down the tree": (state(DEEP, m="r", n="w", o="ww"), ["o0", "o1"]),
    "groups without a minimum come last": (state(OPTIONAL, m="rw", n="w", o="w"), ["m1"]),
    "groups without a minimum, fewest pods first": (state(OPTIONAL, m="r", n="rw", o="w"), ["o0"]),
    "gated pods are not asked for": (state(FLAT, m="gww"), ["m1", "m2"]),
}


@pytest.mark.parametrize("name", ASKED)
def test_job_asks_for_pods(name: str) -> None:
    job, expected = ASKED[name]
    assert asks(job) == expected


GIVEN_UP: dict[str, tuple[State, list[str], bool]] = {
    "the last pod above the minimum": (state(FLAT, m="rrrr"), ["m3"], True),
    "a gang as a whole, last pods first": (state(FLAT, m="rr"), ["m1", "m0"], False),
    "a gang that is short, as a whole": (state(FLAT, m="rw"), ["m0"], False),
    "of the fullest group first": (state(TWO, m="rrr", n="rr"), ["n1"], True),
    "all groups when none has more than it needs": (state(TWO, m="rr", n="r"), ["m1", "m0", "n0"], False),
    "a whole group above the needed number, the last by name": (state(ANY, m="r", n="r", o="r"), ["o0"], True),
    "pods before groups": (state(ANY, m="rr", n="r", o="r"), ["m1"], True),
    "all of the groups that are needed": (state(ANY, m="r", n="r"), ["m0", "n0"], False),
    "what was promised is given up too": (state(FLAT, m="rrp"), ["m2"], True),
    "from the deepest group": (state(DEEP, m="r", n="r"), ["n0"], True),
    # Both children of the root are there and one is enough: first the surplus within, then a whole child.
    "a whole child when nothing within is above": (state(DEEP, m="r", o="rr"), ["o1", "o0"], True),
    "groups without a minimum lose everything first": (state(OPTIONAL, m="r", n="r", o="rr"), ["o1"], True),
}


@pytest.mark.parametrize("name", GIVEN_UP)
def test_victim_gives_up_pods(name: str) -> None:
    job, expected, more = GIVEN_UP[name]
    tasks, keeps = evictable(job)
    assert [task.uid for task in tasks] == expected
    assert keeps is more


@given(
    st.lists(st.tuples(st.sampled_from("mnopq"), st.integers(0, 3), st.integers(0, 4)), unique_by=lambda row: row[0])
)
def test_subgroups_are_ordered_by_need_then_fill_then_name(rows: list[tuple[str, int, int]]) -> None:
    """Those short of their minimum by name; then required ones by how full; then optional ones by count."""
    tree = inner("", *(leaf(name, minimum) for name, minimum, _ in rows)) if rows else FLAT
    made = state(tree, **{name: "r" * count for name, _, count in rows})
    ordered = [child.name for child in sorted(made.root.children, key=group_order)]
    short = sorted(name for name, minimum, count in rows if count < minimum)
    required = sorted((count / minimum, name) for name, minimum, count in rows if 0 < minimum <= count)
    optional = sorted((count, name) for name, minimum, count in rows if minimum == 0)
    assert ordered[: len(rows)] == (
        short + [name for _, name in required] + [name for _, name in optional] if rows else []
    )


@given(
    st.lists(st.tuples(st.integers(0, 3), st.text("rwplgs", max_size=5)), min_size=1, max_size=4),
    st.none() | st.integers(0, 4),
)
def test_a_job_asks_for_just_what_makes_its_gang_whole(rows: Sequence[tuple[int, str]], needed: int | None) -> None:
    """Whatever stands where: given its chunk, a ready job is satisfied; a satisfied one asks for pods of one group.

    That is one pod, or what a group misses that the job does not need.
    """
    names = "mnop"[: len(rows)]
    minimum = None if needed is None else min(needed, len(rows))
    tree = inner("", *(leaf(name, row[0]) for name, row in zip(names, rows, strict=True)), minimum=minimum)
    made = state(tree, **{name: row[1] for name, row in zip(names, rows, strict=True)})
    was_satisfied = made.root.satisfied
    chunk = list(made.chunk(real=True))
    assert len({task.uid for task in chunk}) == len(chunk)
    assert all(task.status == PodStatus.PENDING for task in chunk)
    if was_satisfied:
        asking = [made.leaf_sets[name] for name in {task.subgroup for task in chunk}]
        assert len(asking) <= 1
        assert all(len(chunk) <= max(1, group.minimum - group.active) for group in asking)
        assert bool(chunk) is bool(made.pending)
        return
    for task in chunk:
        made.set_status(task, int(PodStatus.RUNNING))
    if made.ready and made.root.minimum is None and not any("l" in row[1] for row in rows):
        assert made.root.satisfied


def test_counts_follow_statuses() -> None:
    made = state(FLAT, m="wwrl")
    task = made.tasks["m0"]
    assert (made.pending, made.active, made.used, made.gang_satisfied) == (2, 1, 2, True)
    for status, counts in (
        (PodStatus.PIPELINED, (1, 2, 3)),
        (PodStatus.RELEASING, (1, 1, 3)),
        (PodStatus.GATED, (1, 1, 2)),
    ):
        made.set_status(task, int(status))
        assert (made.pending, made.active, made.used) == counts
    assert made.allocated[3] == 1  # one pod that runs


def test_a_part_of_a_job_keeps_its_counts() -> None:
    """A part is a look at some pods; what happens to the job later does not reach it."""
    made = state(FLAT, m="rrww")
    part = made.part([made.tasks["m0"], made.tasks["m2"]])
    made.set_status(made.tasks["m2"], int(PodStatus.RUNNING))
    assert (part.active, part.pending) == (1, 1)
    assert (made.active, made.pending) == (3, 1)
    assert asks(part) == []  # of the pods it waits for, none waits any more


# --- readiness --------------------------------------------------------------------------------------------------------

READY: dict[str, tuple[State, bool]] = {
    "enough pods": (state(FLAT, m="ww"), True),
    "too few pods": (state(FLAT, m="w"), False),
    "gated pods do not count": (state(FLAT, m="wg"), False),
    "leaving pods do not count": (state(FLAT, m="wl"), False),
    "enough groups": (state(ANY, m="w", n="w"), True),
    "too few groups": (state(ANY, m="w"), False),
    "every group by default": (state(TWO, m="ww"), False),
}


@pytest.mark.parametrize("name", READY)
def test_job_is_ready(name: str) -> None:
    job, ready = READY[name]
    assert job.ready is ready


def test_a_job_that_is_not_ready_is_left_alone_and_says_why() -> None:
    gated = job("x", "a", pods=3, needs=2)
    pods = (gated.pods[0], *(Pod(pod.name, PodStatus.GATED, gpu=pod.gpu) for pod in gated.pods[1:]))
    played = play(cluster([node("n1")], [queue("a", 4)], [Job("x", "a", pods, gated.root)]))
    assert played.bound == {}
    assert played.held("x", "snapshot").gate is Gate.NOT_READY
    assert played.held("x", "snapshot").facts == {"groups": {"default": {"pods": 3, "gated": 2, "needed": 2}}}
    assert set(played.gates("x")) == {"snapshot"}


def test_a_job_without_tree_is_a_gang_of_all_its_pods() -> None:
    made = state(None, default="www")
    assert asks(made) == ["default0", "default1", "default2"]
    assert not made.elastic


def test_pods_of_unknown_subgroups_are_set_aside() -> None:
    made = state(FLAT, m="ww", lost="w")
    assert made.strays == ["lost0"]
    assert list(made.tasks) == ["m0", "m1"]
