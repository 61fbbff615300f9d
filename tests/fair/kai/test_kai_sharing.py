"""Parts of GPUs: which GPU they are taken of, what they are charged with, and when they have to wait."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kai_build import Played, cluster, job, memory, node, play, queue

from tenantry.fair.kai.asks import GPU, Axes, rounded_gpus
from tenantry.fair.kai.node import Node as State
from tenantry.fair.kai.node import is_new_group
from tenantry.fair.kai.rules import DEFAULTS, Settings, Strategy, placement
from tenantry.fair.kai.state import Task
from tenantry.model.job import GpuRequest, Job, Pod, PodStatus, gpu_fraction, whole_gpus
from tenantry.model.moment import Node
from tenantry.model.schedule import Gate

LEAVING = PodStatus.RELEASING
SPREAD = placement(Strategy.SPREAD, Strategy.BINPACK)


def shared(*jobs: Job, gpus: float = 2, settings: Settings = DEFAULTS, **more: Any) -> Played:
    return play(cluster([node("n1", gpus, **more)], [queue("a", 99)], jobs), settings)


def held(name: str, part: float, group: str, *, status: PodStatus = PodStatus.RUNNING) -> Job:
    return job(name, "a", part, on="n1", groups=[group], status=status)


# --- which GPU --------------------------------------------------------------------------------------------------------


def test_parts_share_a_gpu_until_it_is_full() -> None:
    played = shared(*(job(f"x{number}", "a", 0.5, created=number) for number in range(3)))
    groups = [played.groups(f"x{number}-0") for number in range(3)]
    assert groups == [("shared-1",), ("shared-1",), ("shared-2",)]
    node_after = played.session.nodes["n1"]
    assert node_after.idle[GPU] == 0
    assert node_after.shared == {"shared-1": 100, "shared-2": 50}


def test_packing_takes_the_fullest_shared_gpu_and_spreading_the_emptiest() -> None:
    jobs = [held("low", 0.2, "g1"), held("high", 0.6, "g2"), job("x", "a", 0.3)]
    assert shared(*jobs).groups("x-0") == ("g2",)
    assert shared(*jobs, settings=SPREAD).groups("x-0") == ("g1",)


def test_spreading_begins_a_new_gpu_while_there_is_one() -> None:
    jobs = [held("low", 0.2, "g1"), job("x", "a", 0.3)]
    assert shared(*jobs, settings=SPREAD).groups("x-0") == ("shared-1",)
    assert shared(*jobs).groups("x-0") == ("g1",)


def test_without_either_plugin_shared_gpus_go_first_by_name() -> None:
    jobs = [held("low", 0.2, "g1"), held("high", 0.6, "g2"), job("x", "a", 0.3)]
    played = play(cluster([node("n1", 3)], [queue("a", 99)], jobs), plugins=DEFAULTS.plugins - {"gpupack"})
    assert played.groups("x-0") == ("g1",)


def test_a_node_on_which_a_gpu_is_shared_already_goes_first() -> None:
    """n1 is emptier, and would come last; what is shared there decides, though 0.3 would fit n2 as well."""
    jobs = [held("low", 0.2, "g1"), job("whole", "a", 3, on="n2"), job("x", "a", 0.3)]
    nodes = [node("n1", 8), node("n2", 4)]
    assert play(cluster(nodes, [queue("a", 99)], jobs)).bound == {"x-0": "n1"}
    without = DEFAULTS.plugins - {"gpusharingorder"}
    assert play(cluster(nodes, [queue("a", 99)], jobs), plugins=without).bound == {"x-0": "n2"}


def test_a_shared_gpu_that_is_too_full_is_passed_over() -> None:
    jobs = [held("high", 0.6, "g1"), job("x", "a", 0.5)]
    assert shared(*jobs).groups("x-0") == ("shared-1",)
    assert shared(*jobs, gpus=1).held("x").gate is Gate.NO_ROOM


def test_a_shared_gpu_is_filled_to_the_last_hundredth() -> None:
    jobs = [held("one", 0.3, "g1"), held("two", 0.6, "g1"), job("x", "a", 0.1)]
    assert shared(*jobs, gpus=1).groups("x-0") == ("g1",)
    assert shared(*jobs[:2], job("x", "a", 0.11), gpus=1).bound == {}


def test_whole_gpus_are_not_taken_of_shared_ones() -> None:
    jobs = [held("low", 0.2, "g1"), job("x", "a", 2)]
    assert shared(*jobs).bound == {}
    assert shared(*jobs, gpus=3).bound == {"x-0": "n1"}


def test_a_part_of_one_is_a_whole_gpu_shared_with_nobody() -> None:
    jobs = [held("low", 0.2, "g1"), job("x", "a", gpu_fraction(1.0)), job("y", "a", 0.2, created=9)]
    played = shared(*jobs)
    assert played.groups("x-0") == ("shared-1",)
    assert played.groups("y-0") == ("g1",)


def test_new_names_continue_those_in_use() -> None:
    assert shared(held("low", 0.9, "shared-7"), job("x", "a", 0.5)).groups("x-0") == ("shared-8",)


# --- parts of several GPUs --------------------------------------------------------------------------------------------


def test_parts_of_several_gpus_lie_on_different_ones() -> None:
    played = shared(job("x", "a", gpu_fraction(0.5, 2)))
    assert played.groups("x-0") == ("shared-1", "shared-2")
    assert played.session.jobs["x"].tasks["x-0"].accepted_gpus == 1.0


def test_parts_of_several_gpus_use_shared_ones_and_new_ones() -> None:
    jobs = [held("low", 0.5, "g1"), job("x", "a", gpu_fraction(0.5, 2))]
    assert shared(*jobs).groups("x-0") == ("g1", "shared-1")
    assert shared(*jobs, gpus=1).held("x").gate is Gate.NO_ROOM


# --- what they are charged with ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("portion", "devices", "expected"),
    [(0.5, 1, 0.5), (0.333, 1, 0.33), (0.335, 1, 0.34), (0.333, 3, 0.99), (0.004, 1, 0.0), (1.0, 2, 2.0)],
)
def test_parts_are_charged_in_hundredths(portion: float, devices: int, expected: float) -> None:
    """Each part is rounded, halves upwards, and then counted once per device."""
    assert rounded_gpus(portion, devices) == expected
    played = shared(job("x", "a", gpu_fraction(portion, devices)), gpus=4)
    assert played.session.queues["a"].shares[2].allocated == expected


@pytest.mark.parametrize(
    ("label", "asks", "expected"),
    [
        (16_000, 8_000, 0.5),
        # 16384 is taken as 16300; 8000 of that are 0.4908, rounded up.
        (16_384, 8_000, 0.5),
        (16_384, 5_000, 0.31),
        (80_000, 1, 0.01),
    ],
)
def test_memory_is_charged_by_the_node_rounded_up_to_a_hundredth(label: int, asks: int, expected: float) -> None:
    played = shared(job("x", "a", memory(asks)), gpu_memory=label)
    assert played.bound == {"x-0": "n1"}
    assert played.session.queues["a"].shares[2].allocated == expected


def test_memory_shares_gpus_with_fractions() -> None:
    """0.5 of 16000 MiB and 8000 MiB fill one GPU."""
    jobs = [held("half", 0.5, "g1"), job("x", "a", memory(8_000)), job("y", "a", memory(8_000), created=9)]
    played = shared(*jobs, gpu_memory=16_000)
    assert [played.groups(pod) for pod in ("x-0", "y-0")] == [("g1",), ("shared-1",)]


def test_more_memory_than_a_gpu_has_does_not_fit() -> None:
    assert shared(job("x", "a", memory(16_100)), gpu_memory=16_000).bound == {}
    assert shared(job("x", "a", memory(16_000)), gpu_memory=16_000).bound == {"x-0": "n1"}


def test_a_node_that_does_not_name_its_memory_refuses_requests_for_it() -> None:
    nodes = [node("n1", 4), node("n2", 8, gpu_memory=16_000)]
    moment = cluster(nodes, [queue("a", 99)], [job("x", "a", memory(50))])
    assert play(moment).bound == {"x-0": "n2"}
    alone = play(cluster(nodes[:1], moment.queues, moment.jobs), actions=("allocate",))
    assert alone.held("x").facts["refused"] == {"gpu-memory-unknown": 1}


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_a_part_waits_for_one_that_leaves() -> None:
    jobs = [held("stays", 0.5, "g1"), held("goes", 0.5, "g1", status=LEAVING), job("x", "a", 0.5)]
    played = shared(*jobs, gpus=1)
    assert (played.bound, played.promised) == ({}, {"x-0": "n1"})
    assert played.groups("x-0") == ("g1",)


def test_a_part_takes_what_is_free_beside_one_that_leaves() -> None:
    jobs = [held("stays", 0.3, "g1"), held("goes", 0.2, "g1", status=LEAVING), job("x", "a", 0.5)]
    assert shared(*jobs, gpus=1).groups("x-0") == ("g1",)
    assert shared(*jobs, gpus=1).bound == {"x-0": "n1"}


def test_a_shared_gpu_that_everyone_leaves_is_promised_as_a_new_one() -> None:
    jobs = [held("one", 0.5, "g1", status=LEAVING), held("two", 0.2, "g1", status=LEAVING), job("x", "a", 0.9)]
    played = shared(*jobs, gpus=1)
    assert (played.bound, played.promised) == ({}, {"x-0": "n1"})
    assert played.groups("x-0") == ("shared-1",)


def test_a_shared_gpu_that_everyone_leaves_is_promised_to_a_whole_request() -> None:
    jobs = [held("one", 0.5, "g1", status=LEAVING), held("two", 0.2, "g1", status=LEAVING), job("x", "a", 1)]
    assert shared(*jobs, gpus=1).promised == {"x-0": "n1"}
    jobs[1] = held("two", 0.2, "g1")
    assert shared(*jobs, gpus=1).promised == {}


def test_no_part_goes_where_more_gpus_were_begun_than_there_are() -> None:
    """Spreading begins a second GPU on n1, which has one idle, as the first has room; a third part goes elsewhere."""
    jobs = [job("held", "a", on="n1", status=LEAVING), job("other", "a", 2, on="n2", status=LEAVING)]
    jobs.append(job("x", "a", 0.25, pods=3))
    played = play(cluster([node("n1", 2), node("n2", 2)], [queue("a", 9)], jobs), SPREAD)
    assert played.promised == {"x-0": "n1", "x-1": "n1", "x-2": "n2"}


def test_parts_of_several_gpus_wait_when_one_of_them_must() -> None:
    jobs = [
        held("stays", 0.5, "g1"),
        held("goes", 0.5, "g1", status=LEAVING),
        job("x", "a", gpu_fraction(0.5, 2)),
    ]
    assert shared(*jobs, gpus=2).promised == {"x-0": "n1"}


# --- reservation pods -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("slots", "fits"), [(1.0, False), (2.0, True)])
def test_a_new_shared_gpu_needs_room_for_a_reservation_pod(slots: float, fits: bool) -> None:
    assert bool(shared(job("x", "a", 0.5), pods=slots).bound) is fits


@pytest.mark.parametrize(("group", "fits"), [("0", True), ("12", True), ("shared-1", False), ("6f1d-uuid", False)])
def test_a_shared_gpu_counts_as_new_unless_its_name_is_a_number(group: str, fits: bool) -> None:
    """One slot is free: enough beside a GPU that is shared already, which only a number says (a quirk)."""
    assert is_new_group(group) is not fits
    assert bool(shared(held("low", 0.2, group), job("x", "a", 0.5), pods=2.0).bound) is fits


# --- the books of a node ----------------------------------------------------------------------------------------------


GPUS = 4
PARTS = (0.25, 0.5, 0.75)


class Books:
    """A node that is told what comes, goes and changes, and what it should know by simple counting."""

    def __init__(self) -> None:
        self.axes = Axes([])
        self.state = State(Node("n1", GPUS, gpu_count=GPUS), self.axes)
        self.tasks: dict[str, Task] = {}
        self.number = 0

    def free(self) -> int:
        return GPUS - sum(task.ask.devices for task in self.tasks.values() if not task.groups) - len(self.groups())

    def groups(self, status: PodStatus | None = None) -> dict[str, float]:
        found: dict[str, float] = {}
        for task in self.tasks.values():
            for group in task.groups:
                found.setdefault(group, 0.0)
                if status is None or task.status == status:
                    found[group] += task.ask.portion
        return found

    def add(self, gpu: GpuRequest, group: str, status: PodStatus) -> None:
        self.number += 1
        task = Task(Pod(f"p{self.number}", status, "n1", gpu, groups=(group,) if group else ()), "job", self.axes)
        self.tasks[task.uid] = task
        self.state.add(task)

    def remove(self, uid: str) -> None:
        del self.tasks[uid]
        self.state.remove(uid)

    def evict(self, uid: str) -> None:
        self.tasks[uid].status = int(LEAVING)
        self.state.update(self.tasks[uid])

    def check(self) -> None:
        leaving_whole = sum(
            task.ask.devices for task in self.tasks.values() if task.status == LEAVING and not task.groups
        )
        used, leaving = self.groups(), self.groups(LEAVING)
        emptied = sum(1 for group, part in used.items() if leaving[group] == part)
        assert self.state.idle[GPU] == self.free()
        assert self.state.releasing[GPU] == leaving_whole + emptied
        assert {name: part for name, part in self.state.shared.items() if part} == {
            name: part * 100 for name, part in used.items()
        }
        halves = sum(part for group, part in leaving.items() if part != used[group])
        assert self.state.free_gpus() == pytest.approx(
            self.free() + leaving_whole + emptied + halves + sum(1 - part for part in used.values())
        )


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.sampled_from(PARTS), st.booleans()), max_size=25))
def test_a_node_knows_what_is_idle_and_what_leaves(steps: list[tuple[int, int, float, bool]]) -> None:
    """Whatever comes, leaves and goes, the running books agree with counting everything anew."""
    books = Books()
    for kind, pick, part, leaves in steps:
        status = LEAVING if leaves else PodStatus.RUNNING
        fitting = [name for name, used in sorted(books.groups().items()) if used + part <= 1]
        if kind == 0 and books.free() > pick % 2:
            books.add(whole_gpus(1 + pick % 2), "", status)
        elif kind == 1 and fitting:
            books.add(gpu_fraction(part), fitting[pick % len(fitting)], status)
        elif kind == 1 and books.free() > 0:
            books.add(gpu_fraction(part), f"g{books.number}", status)
        elif books.tasks:
            uid = sorted(books.tasks)[pick % len(books.tasks)]
            if kind == 2 and books.tasks[uid].status == PodStatus.RUNNING:
                books.evict(uid)
            else:
                books.remove(uid)
        books.check()
    for uid in list(books.tasks):
        books.remove(uid)
    books.check()
    assert books.state.idle == books.state.offered


HOLDING = (PodStatus.RUNNING, PodStatus.BINDING, PodStatus.RELEASING, PodStatus.PIPELINED)


@pytest.mark.parametrize(("before", "after"), list(itertools.product(HOLDING, repeat=2)))
def test_a_pod_of_whole_gpus_that_changes_is_booked_as_one_that_comes_anew(before: PodStatus, after: PodStatus) -> None:
    changed, anew = (State(Node("n1", GPUS, cpu=9.0, gpu_count=GPUS), axes := Axes([])) for _ in range(2))
    tasks = [Task(Pod("p", before, "n1", whole_gpus(2), cpu=3.0), "job", axes) for _ in range(2)]
    for books, task in zip((changed, anew), tasks, strict=True):
        books.add(task)
        task.status = int(after)
    changed.update(tasks[0])
    anew.remove("p")
    anew.add(tasks[1])
    assert (changed.idle, changed.releasing, changed.used) == (anew.idle, anew.releasing, anew.used)
    assert changed.held["p"].status == anew.held["p"].status == after
