"""What would help: every change that is named is made again and tried, and the one just short of it too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from moment_builders import CORE, NOW, moment, node, queue, running, waiting
from moment_strategies import moments

from tenantry.fair.explain import Elsewhere, Explanation, Known, explain
from tenantry.fair.explain.answer import Remedy
from tenantry.fair.kai.rules import DEFAULTS
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.model.job import (
    Job,
    Placement,
    Pod,
    PodStatus,
    TopologyConstraint,
    gang,
    gpu_fraction,
    gpu_memory,
    mig_instances,
    whole_gpus,
)
from tenantry.model.moment import Moment, Node, Taint, Topology
from tenantry.model.pool_snapshot import EndSource
from tenantry.model.queue import Queue
from tenantry.model.schedule import Act, Cycle

SCHEDULER = KaiScheduler()


def explained(state: Moment, job: str = "j", known: Known | None = None) -> Explanation:
    return explain(state, SCHEDULER, job, known)


def remedies(state: Moment, kind: str, known: Known | None = None) -> list[Remedy]:
    return [item for item in explained(state, "j", known).remedies if item.kind == kind]


def facts(state: Moment, kind: str, known: Known | None = None) -> dict[str, Any]:
    (found,) = remedies(state, kind, known)
    return dict(found.said.facts)


# --- by themselves ----------------------------------------------------------------------------------------------------


def test_the_end_of_a_protection() -> None:
    jobs = [running("r", "b", 8, "n1", ran=60), waiting("j", "a", 2)]
    state = moment([queue("a", 8), queue("b", 0, reclaim_min_runtime=600)], [node("n1")], jobs)
    (found,) = remedies(state, "time")
    assert found.said.facts == {"at": NOW + 540, "after": 540, "jobs": ["r"]}
    assert [(item.job, item.queue, item.pods, item.gpus) for item in found.losses] == [("r", "b", 1, 8)]
    assert not found.now


def test_the_end_of_a_delay() -> None:
    jobs = [running("r", "b", 8, "n1"), waiting("j", "a", 2, preemption_delay=600)]
    assert facts(moment([queue("a", 8), queue("b", 0)], [node("n1")], jobs), "time")["at"] == NOW - 60 + 600


def test_the_end_of_one_running_job() -> None:
    jobs = [running("r", "a", 3, "n1"), running("s", "a", 5, "n1"), waiting("j", "a", 4)]
    found = remedies(moment([queue("a", 8)], [node("n1")], jobs), "ends")
    assert [item.said.facts for item in found] == [{"jobs": ["s"], "gpus": [5]}]
    assert found[0].now


def test_the_end_of_several_running_jobs() -> None:
    jobs = [running("r", "a", 3, "n1"), running("s", "a", 3, "n1"), running("t", "a", 2, "n1"), waiting("j", "a", 6)]
    assert facts(moment([queue("a", 8)], [node("n1")], jobs), "ends") == {"jobs": ["r", "s"], "gpus": [3, 3]}


def test_of_many_jobs_of_which_any_would_do_some_are_named() -> None:
    jobs = [running(f"r{number}", "a", 1, "n1") for number in range(8)]
    found = remedies(moment([queue("a", 8)], [node("n1")], [*jobs, waiting("j", "a", 1)]), "ends")
    assert [item.said.facts["jobs"] for item in found] == [["r0"], ["r1"], ["r2"]]


def test_a_single_job_is_found_behind_larger_ones() -> None:
    # Only the end of s frees 2 GPUs on the node that tolerates the job.
    nodes = [node("n1", taints=(Taint("x"),)), node("n2", 2)]
    jobs = [running("r", "a", 8, "n1"), running("s", "a", 2, "n2"), waiting("j", "a", 2)]
    assert facts(moment([queue("a", 8)], nodes, jobs), "ends")["jobs"] == ["s"]


def test_where_many_would_have_to_end_they_are_counted() -> None:
    # Thirteen others that are older take what is freed first.
    nodes = [node(f"n{number}", 1) for number in range(14)]
    held = [running(f"r{number}", "a", 1, f"n{number}") for number in range(14)]
    ahead = [waiting(f"w{number}", "a", 1, age=900) for number in range(13)]
    state = moment([queue("a", 14)], nodes, [*held, *ahead, waiting("j", "a", 1)])
    assert facts(state, "ends") == {"count": 14, "gpus": 14}


def test_a_deadline_lets_others_in_first() -> None:
    # r frees 4 GPUs at its deadline, and first takes them; s frees them for j.
    jobs = [
        running("r", "a", 4, "n1"),
        running("s", "a", 4, "n1"),
        waiting("first", "a", 4, age=900),
        waiting("j", "a", 4),
    ]
    known = Known(ends={"r": NOW + 100, "s": NOW + 200})
    (found,) = remedies(moment([queue("a", 8)], [node("n1")], jobs), "deadline", known)
    assert found.said.facts == {"at": NOW + 200, "after": 200, "job": "s"}


def test_an_end_known_from_a_replay_is_no_deadline() -> None:
    jobs = [running("r", "a", 8, "n1"), waiting("j", "a", 4)]
    known = Known(ends={"r": NOW + 100}, ends_by=EndSource.TRACE)
    state = moment([queue("a", 8)], [node("n1")], jobs)
    assert not remedies(state, "deadline", known)
    (found,) = remedies(state, "run-time", known)
    assert found.said.facts == {"at": NOW + 100, "after": 100, "job": "r", "source": "trace"}


def test_what_this_cycle_evicts_helps_the_next_one() -> None:
    # An incomplete gang is evicted at the end of this cycle.
    stale = running("r", "b", 8, "n1", minimum=2, stale_since=NOW - 120)
    state = moment([queue("a", 0), queue("b", 8)], [node("n1")], [stale, waiting("j", "a", 8)])
    assert facts(state, "next-cycle") == {"jobs": ["r"]}


# --- by the owner -----------------------------------------------------------------------------------------------------


def test_fewer_pods() -> None:
    jobs = [running("r", "b", 3, "n1"), waiting("j", "a", 2, pods=4)]
    assert facts(moment([queue("a", 8), queue("b", 8)], [node("n1")], jobs), "fewer-pods") == {"pods": 2, "minimum": 4}


def test_fewer_pods_of_a_large_gang() -> None:
    nodes = [node(f"n{number}", 1) for number in range(30)]
    state = moment([queue("a", 30)], nodes, [waiting("j", "a", 1, pods=40)])
    assert facts(state, "fewer-pods") == {"pods": 30, "minimum": 40}


def test_fewer_gpus_per_pod() -> None:
    jobs = [running("r", "b", 3, "n1"), waiting("j", "a", 8)]
    state = moment([queue("a", 8), queue("b", 8)], [node("n1")], jobs)
    assert facts(state, "smaller-pods") == {"resource": "gpu", "amount": 5, "asked": 8}


def test_a_smaller_part_of_a_gpu() -> None:
    held = Pod("r-0", PodStatus.RUNNING, "n1", gpu_fraction(0.7), groups=("g",), created=NOW)
    job = Job("j", "a", (Pod("j-0", gpu=gpu_fraction(0.5), created=NOW),), gang(1), created=NOW)
    # The GPU has 81,500 MiB, of which 0.7 are 57,050: of the rest 24,450 are 0.3.
    state = moment([queue("a", 1), queue("b", 1)], [node("n1", 1)], [Job("r", "b", (held,), gang(1)), job])
    assert facts(state, "smaller-pods") == {"resource": "gpu", "amount": 0.3, "asked": 0.5}


def test_less_gpu_memory() -> None:
    held = Pod("r-0", PodStatus.RUNNING, "n1", gpu_memory(50_000), groups=("g",), created=NOW)
    job = Job("j", "a", (Pod("j-0", gpu=gpu_memory(40_000), created=NOW),), gang(1), created=NOW)
    # 81,500 - 50,000 = 31,500 MiB, in thousands.
    state = moment([queue("a", 1), queue("b", 1)], [node("n1", 1)], [Job("r", "b", (held,), gang(1)), job])
    assert facts(state, "smaller-pods") == {"resource": "gpu-memory", "amount": 31_000, "asked": 40_000}


def test_a_smaller_slice() -> None:
    offered = (("nvidia.com/mig-1g.18gb", 2.0), ("nvidia.com/mig-3g.71gb", 1.0))
    mixed = node("n1", 0, extended=offered, mig_strategy="mixed")
    held = Pod("r-0", PodStatus.RUNNING, "n1", mig_instances({"nvidia.com/mig-3g.71gb": 1}), created=NOW)
    job = Job("j", "a", (Pod("j-0", gpu=mig_instances({"nvidia.com/mig-3g.71gb": 1}), created=NOW),), gang(1))
    state = moment([queue("a", 4), queue("b", 4)], [mixed], [Job("r", "b", (held,), gang(1)), job])
    assert facts(state, "smaller-pods")["resource"] == "nvidia.com/mig-1g.18gb"


def test_less_of_what_is_short() -> None:
    job = waiting("j", "a", 1)
    job = replace(job, pods=(replace(job.pods[0], cpu=64 * CORE),))
    held = running("r", "b", 1, "n1")
    held = replace(held, pods=(replace(held.pods[0], cpu=60 * CORE),))
    state = moment([queue("a", 4), queue("b", 4)], [node("n1")], [held, job])
    assert facts(state, "smaller-pods") == {"resource": "cpu", "amount": 40 * CORE, "asked": 64 * CORE}


@pytest.mark.parametrize(
    ("rule", "placement", "nodes"),
    [
        pytest.param("without-selector", Placement((("gpu", "h100"),)), [node("n1")], id="labels"),
        pytest.param("without-taints", Placement(), [node("n1", taints=(Taint("dedicated", "x"),))], id="taints"),
        pytest.param("without-host-ports", Placement(host_ports=(("TCP", "0.0.0.0", 80),)), [node("n1")], id="ports"),
        pytest.param(
            "without-demands", Placement((("gpu", "h100"),)), [node("n1", taints=(Taint("x"),))], id="all together"
        ),
    ],
)
def test_fewer_demands(rule: str, placement: Placement, nodes: list[Node]) -> None:
    job = waiting("j", "a", 1)
    job = replace(job, pods=(replace(job.pods[0], placement=placement),))
    held = running("r", "a", 1, "n1")
    held = replace(held, pods=(replace(held.pods[0], placement=Placement(host_ports=(("TCP", "0.0.0.0", 80),))),))
    (found,) = remedies(moment([queue("a", 8)], nodes, [held, job]), "demands")
    assert found.said.rule == rule
    assert found.now


def test_no_topology_constraint() -> None:
    nodes = [node("n1", labels={"rack": "r1"}), node("n2", labels={"rack": "r2"})]
    job = waiting("j", "a", 8, pods=2, root=gang(2, TopologyConstraint("racks", "rack")))
    state = moment([queue("a", 16)], nodes, [job], topologies=(Topology("racks", ("rack",)),))
    (found,) = remedies(state, "demands")
    assert found.said.rule == "without-topology"


def test_another_pool() -> None:
    here = moment([queue("a", 0), queue("b", 8)], [node("n1")], [running("r", "b", 8, "n1"), waiting("j", "a", 4)])
    there = moment([queue("a-2", 4)], [node("m1")], [])
    known = Known(elsewhere=(Elsewhere("other", there, SCHEDULER, "a-2"),))
    assert facts(here, "elsewhere", known) == {"pool": "other", "queue": "a-2"}
    full = Known(elsewhere=(Elsewhere("other", replace(there, nodes=()), SCHEDULER, "a-2"),))
    assert remedies(here, "elsewhere", full) == []


def test_preemptible_where_the_quota_of_others_is_used_up() -> None:
    state = moment([queue("a", 2)], [node("n1")], [waiting("j", "a", 4, priority=100)])
    (found,) = remedies(state, "preemptible")
    assert (found.said.rule, found.now) == ("preemptible", True)


# --- by the platform --------------------------------------------------------------------------------------------------


def test_the_smallest_priority_that_takes_a_place() -> None:
    jobs = [running("r", "a", 4, "n1", priority=60), running("s", "a", 4, "n1", priority=70), waiting("j", "a", 4)]
    state = moment([queue("a", 8)], [node("n1")], jobs)
    (found,) = remedies(state, "priority")
    assert found.said.facts == {"priority": 61, "old": 50, "lasting": False}
    assert [item.job for item in found.losses] == ["r"]


def test_the_limits_that_are_in_the_way() -> None:
    queues = [queue("top", 8, limit=5), queue("a", 8, limit=4, parent="top"), queue("b", 0, parent="top")]
    jobs = [running("r", "a", 3, "n1"), running("s", "b", 1, "n1"), waiting("j", "a", 3)]
    state = moment(queues, [node("n1")], jobs)
    # a: 3 + 3 = 6; then top: 4 + 3 = 7.
    assert facts(state, "limit")["changes"] == [
        {"queue": "a", "resource": "gpu", "old": 4, "new": 6},
        {"queue": "top", "resource": "gpu", "old": 5, "new": 7},
    ]


def test_the_smallest_quota_that_takes_a_place() -> None:
    jobs = [running("r", "b", 4, "n1"), running("s", "b", 4, "n1"), waiting("j", "a", 3)]
    state = moment([queue("a", 1, weight=0), queue("b", 4, weight=0)], [node("n1")], jobs)
    (found,) = remedies(state, "quota")
    assert found.said.facts["changes"] == [{"queue": "a", "resource": "gpu", "old": 1, "new": 3}]
    assert [(item.job, item.gpus) for item in found.losses] == [("r", 4)] or found.losses[0].job == "s"


def test_quotas_of_departments_are_raised_with_it() -> None:
    queues = [
        queue("west", 0, weight=0),
        queue("a", 0, weight=0, parent="west"),
        queue("east", 4, weight=0),
        queue("b", 4, parent="east"),
    ]
    jobs = [running("r", "b", 4, "n1"), running("s", "b", 4, "n1"), waiting("j", "a", 3)]
    assert [item["queue"] for item in facts(moment(queues, [node("n1")], jobs), "quota")["changes"]] == ["a", "west"]


def test_the_smallest_weight_that_takes_a_place() -> None:
    # 8 GPUs beyond quotas: with weight w against 3, a is due 8 * w / (w + 3) >= 4 from w = 3 on.
    jobs = [*(running(f"r{number}", "b", 2, "n1") for number in range(4)), waiting("j", "a", 4)]
    state = moment([queue("a", 0, weight=1), queue("b", 0, weight=3)], [node("n1")], jobs)
    assert facts(state, "weight") == {"queue": "a", "old": 1, "new": 3}


def test_the_smallest_priority_of_a_queue_that_takes_a_place() -> None:
    jobs = [*(running(f"r{number}", "b", 2, "n1") for number in range(4)), waiting("j", "a", 6)]
    state = moment([queue("a", 0), queue("b", 0)], [node("n1")], jobs)
    assert facts(state, "queue-priority") == {"queue": "a", "old": 100, "new": 101}


def test_nodes_that_are_not_ready() -> None:
    nodes = [node("n1", 4), node("n2", unready=("cordoned",)), node("n3", 2, unready=("not-ready",))]
    jobs = [running("r", "b", 4, "n1"), waiting("j", "a", 8)]
    state = moment([queue("a", 8), queue("b", 4)], nodes, jobs)
    assert facts(state, "ready-nodes") == {"nodes": ["n2"], "reasons": ["cordoned"]}


def test_further_nodes() -> None:
    jobs = [running("r", "b", 6, "n1"), waiting("j", "a", 4, pods=4)]
    state = moment([queue("a", 0), queue("b", 8)], [node("n1")], jobs)
    assert facts(state, "more-nodes") == {"count": 2, "like": "n1", "gpus": 8}


def test_what_does_not_apply_is_not_called_useless() -> None:
    jobs = [running("r", "b", 8, "n1", priority=100), waiting("j", "a", 8)]
    found = explained(moment([queue("a", 0), queue("b", 8)], [node("n1")], jobs))
    assert not {"elsewhere", "ready-nodes", "priority", "fewer-pods", "demands"} & {*found.useless}
    assert "weight" in found.useless


def test_without_trials_nothing_is_called_useless() -> None:
    jobs = [running("r", "b", 8, "n1", priority=100), waiting("j", "a", 8)]
    found = explained(moment([queue("a", 0), queue("b", 8)], [node("n1")], jobs), known=Known(trials=0))
    assert found.useless == ()
    assert {"quota", "ends", "smaller-pods"} <= set(found.untried)


# --- any cluster ------------------------------------------------------------------------------------------------------


def places(cycle: Cycle, job: Job) -> bool:
    """Whether a flat gang has its minimum after a cycle, and more than before."""
    active = sum(pod.status in {PodStatus.RUNNING, PodStatus.BOUND, PodStatus.BINDING} for pod in job.pods)
    change = sum(
        -1 if item.act is Act.EVICT else 1 for item in cycle.decisions if item.job == job.name
    )  # a pod that moves is evicted and promised
    minimum = job.root.children[0].minimum if job.root is not None else len(job.pods)
    return change > 0 and active + change >= (minimum or 0)


def again(  # noqa: PLR0912 - a branch per sort of change
    state: Moment, job: Job, remedy: Remedy
) -> Iterator[tuple[Moment, bool]]:
    """The moment with a change made by hand, and with one just short of it where there is such a thing."""
    told, kind = remedy.said.facts, remedy.kind
    if kind == "priority":
        yield _swap(state, replace(job, priority=told["priority"])), True
    elif kind == "fewer-pods":
        yield _swap(state, replace(job, pods=job.pods[: told["pods"]], root=gang(told["pods"]))), True
        if told["pods"] + 1 < told["minimum"]:
            count = told["pods"] + 1
            yield _swap(state, replace(job, pods=job.pods[:count], root=gang(count))), False
    elif kind == "smaller-pods" and told["resource"] == "gpu" and told["asked"] >= 1:
        for count, works in ((int(told["amount"]), True), (int(told["amount"]) + 1, False)):
            if count < told["asked"]:
                pods = tuple(replace(pod, gpu=whole_gpus(count)) for pod in job.pods)
                yield _swap(state, replace(job, pods=pods)), works
    elif kind in {"quota", "limit"}:
        changes = {item["queue"]: item["new"] for item in told["changes"]}
        yield _raised(state, kind, changes), True
        if kind == "quota" and all(item["new"] - item["old"] > 1 for item in told["changes"]):
            yield _raised(state, kind, {name: value - 1 for name, value in changes.items()}), False
    elif kind == "weight":
        yield _raised(state, kind, {told["queue"]: told["new"]}), True
        if told["new"] - 1 > told["old"]:
            yield _raised(state, kind, {told["queue"]: told["new"] - 1}), False
    elif kind == "queue-priority":
        queues = tuple(
            replace(item, priority=told["new"]) if item.name == told["queue"] else item for item in state.queues
        )
        yield replace(state, queues=queues), True
    elif kind == "time":
        yield replace(state, now=told["at"]), True
        yield replace(state, now=told["at"] - 1), False
    elif kind == "ends":
        for left in [[], *([item] for item in told["jobs"] if len(told["jobs"]) > 1)]:
            gone = set(told["jobs"]) - set(left)
            yield replace(state, jobs=tuple(item for item in state.jobs if item.name not in gone)), not left
    elif kind == "ready-nodes":
        nodes = tuple(replace(item, unready=()) if item.name in told["nodes"] else item for item in state.nodes)
        yield replace(state, nodes=nodes), True


def _swap(state: Moment, job: Job) -> Moment:
    return replace(state, jobs=tuple(job if item.name == job.name else item for item in state.jobs))


def _raised(state: Moment, field: str, values: dict[str, float]) -> Moment:
    def changed(item: Queue) -> Queue:
        return replace(item, gpu=replace(item.gpu, **{field: values[item.name]})) if item.name in values else item

    return replace(state, queues=tuple(map(changed, state.queues)))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(moments())
def test_every_change_that_is_named_helps_and_less_of_it_does_not(state: Moment) -> None:
    for job in state.jobs:
        found = explained(state, job.name)
        assert found.reason
        if found.remedies:
            assert not places(SCHEDULER.cycle(state), job)
        for remedy in found.remedies:
            for changed, works in again(state, job, remedy):
                own = next(item for item in changed.jobs if item.name == job.name)
                assert places(SCHEDULER.cycle(changed), own) is works, (job.name, remedy)


@settings(deadline=None, max_examples=25)
@given(moments())
def test_explaining_changes_nothing_and_says_the_same_again(state: Moment) -> None:
    before = repr(state)
    first = [explained(state, job.name) for job in state.jobs]
    assert repr(state) == before
    assert first == [explained(state, job.name) for job in state.jobs]


def test_the_work_is_bounded() -> None:
    jobs = [running(f"r{number}", "b", 1, "n1") for number in range(8)]
    state = moment([queue("a", 0), queue("b", 8)], [node("n1")], [*jobs, waiting("j", "a", 8)])
    counted: list[int] = []

    class Counting(KaiScheduler):
        def cycle(self, moment: Moment) -> Cycle:
            counted.append(1)
            return KaiScheduler(self.settings).cycle(moment)

    explain(state, Counting(DEFAULTS), "j", Known(trials=10))
    assert len(counted) <= 11
