"""Why a job waits: for every gate a cluster in which it decides, and the sentence that comes out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from moment_builders import NOW, moment, node, queue, running, waiting

from tenantry.fair.explain import Explanation, Known, Standing, explain
from tenantry.fair.explain.sentences import sentence
from tenantry.fair.explain.words import Plain, Words
from tenantry.fair.kai.rules import DEFAULTS, Settings, Strategy, placement
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.model.job import (
    Job,
    Placement,
    Pod,
    PodStatus,
    Subgroup,
    Toleration,
    TopologyConstraint,
    gang,
    gpu_fraction,
    gpu_memory,
    mig_instances,
    whole_gpus,
)
from tenantry.model.moment import Moment, Node, Taint, Topology
from tenantry.model.pool_snapshot import Eviction
from tenantry.model.queue import Queue

NOTHING = Known(trials=0)


def explained(state: Moment, job: str, settings: Settings = DEFAULTS, known: Known = NOTHING) -> Explanation:
    return explain(state, KaiScheduler(settings), job, known)


def said(found: Explanation) -> str:
    return " ".join(sentence(item.rule, item.facts, Words(Plain(), NOW)) for item in found.reason)


def only(queues: list[Queue], jobs: list[Job], nodes: list[Node] | None = None, settings: Settings = DEFAULTS) -> str:
    """What is said of the last job."""
    found = explained(moment(queues, nodes or [node("n1")], jobs), jobs[-1].name, settings)
    assert found.standing in {Standing.WAITS, Standing.NOT_MODELLED}
    return said(found)


# --- gates that say it all --------------------------------------------------------------------------------------------


def test_it_is_not_modelled() -> None:
    job = waiting("j", "a", 1, unmodelled="it asks for devices")
    assert only([queue("a", 8)], [job]).startswith(
        "What the scheduler does with it is not modelled: it asks for devices."
    )


def test_its_queue_does_not_exist() -> None:
    assert only([queue("a", 8)], [waiting("j", "b", 1)]).startswith("Queue b does not exist")


def test_its_queue_takes_no_jobs() -> None:
    assert "which has queues below it" in only([queue("a"), queue("b", parent="a")], [waiting("j", "a", 1)])


def test_too_few_of_its_pods_exist() -> None:
    job = waiting("j", "a", 1, pods=3)
    gated = replace(job.pods[0], status=PodStatus.GATED)
    assert only([queue("a", 8)], [replace(job, pods=(gated, *job.pods[1:]))]) == (
        "Too few of its pods are there to start: 2 of 3 (1 held back by scheduling gates)."
    )


def test_it_stands_too_far_back_in_its_queue() -> None:
    settings = replace(DEFAULTS, queue_depth=(("allocate", 1),), actions=("allocate",))
    jobs = [waiting("first", "a", 8, age=300), waiting("j", "a", 1, age=60)]
    assert "2 jobs wait in queue a, and the scheduler looks at 1" in only([queue("a", 8)], jobs, settings=settings)


def test_its_queue_is_at_its_limit() -> None:
    jobs = [running("r", "a", 3, "n1"), waiting("j", "a", 2)]
    text = only([queue("a", 8, limit=4)], jobs)
    assert text == "It asks for 2 GPUs; queue a holds 3 of the 4 GPUs it may have at most."


def test_a_queue_above_is_at_its_limit() -> None:
    queues = [queue("top", 8, limit=4), queue("a", 4, parent="top"), queue("b", 4, parent="top")]
    jobs = [running("r", "b", 3, "n1"), waiting("j", "a", 2)]
    assert "queue top holds 3 of the 4 GPUs" in only(queues, jobs)


def test_it_may_not_be_preempted_and_its_quota_is_used_up() -> None:
    jobs = [running("r", "a", 3, "n1", priority=100), waiting("j", "a", 2, priority=100)]
    assert "queue a has 4 GPUs, such jobs hold 3 of it, and it asks for 2 GPUs" in only([queue("a", 4)], jobs)


def test_its_pod_is_larger_than_any_node() -> None:
    assert only([queue("a", 16)], [waiting("j", "a", 9)]) == (
        "Its pod asks for 9 GPUs; the largest node of the pool has 8 GPUs."
    )


def test_its_topology_does_not_exist() -> None:
    job = waiting("j", "a", 1, root=gang(1, TopologyConstraint("racks", "rack")))
    assert "must be placed by topology racks" in only([queue("a", 8)], [job])


def test_no_domain_of_its_topology_has_the_room() -> None:
    nodes = [node("n1", labels={"rack": "r1"}), node("n2", labels={"rack": "r2"})]
    job = waiting("j", "a", 8, pods=2, root=gang(2, TopologyConstraint("racks", "rack")))
    state = moment([queue("a", 16)], nodes, [job], topologies=(Topology("racks", ("rack",)),))
    found = explained(state, "j")
    assert found.reason[0].rule == "topology"
    assert "Its 2 pods must be placed together within one rack" in said(found)


# --- no room ----------------------------------------------------------------------------------------------------------


def test_no_node_takes_it() -> None:
    nodes = [node("n1", taints=(Taint("dedicated", "x"),)), node("n2", unready=("cordoned",))]
    assert only([queue("a", 8)], [waiting("j", "a", 1)], nodes) == (
        "No node takes its pod (1 node: cordoned and 1 node: a taint the pod does not tolerate)."
    )


def test_labels_it_demands_are_nowhere() -> None:
    job = waiting("j", "a", 1)
    job = replace(job, pods=(replace(job.pods[0], placement=Placement((("gpu", "h100"),))),))
    assert only([queue("a", 8)], [job]) == "No node takes its pod (1 node: labels the pod demands are missing)."


def test_the_room_is_on_several_nodes() -> None:
    jobs = [running("r", "b", 5, "n1"), running("s", "b", 6, "n2"), waiting("j", "a", 4)]
    text = only([queue("a", 4), queue("b", 11)], jobs, [node("n1"), node("n2")])
    assert text.startswith("Its pod needs 4 GPUs on one node: at most 3 are idle on one node, 5 in all. ")


def test_cpus_are_what_is_short() -> None:
    jobs = [running("r", "b", 1, "n1"), waiting("j", "a", 1)]
    jobs[0] = replace(jobs[0], pods=(replace(jobs[0].pods[0], cpu=99_000.0),))
    jobs[1] = replace(jobs[1], pods=(replace(jobs[1].pods[0], cpu=8000.0),))
    text = only([queue("a", 8), queue("b", 8)], jobs)
    assert text.startswith("Its pod needs 8 CPUs on one node: at most 1 is idle on one node, 1 in all.")


def test_part_of_a_gang_would_find_room() -> None:
    jobs = [running("r", "b", 6, "n1"), waiting("j", "a", 2, pods=3)]
    assert only([queue("a", 8), queue("b", 8)], jobs).startswith(
        "1 of its 3 pods with 2 GPUs each would find room: at most 2 are idle on one node, 2 in all. "
    )


def test_parts_of_gpus() -> None:
    part = Pod("r-0", PodStatus.RUNNING, "n1", gpu_fraction(0.7), groups=("g",), created=NOW - 60)
    other = Job("r", "b", (part,), gang(1), created=NOW - 60, started=NOW - 60)
    pod = Pod("j-0", gpu=gpu_fraction(0.5), created=NOW)
    job = Job("j", "a", (pod,), gang(1), created=NOW)
    text = only([queue("a", 1), queue("b", 1)], [other, job], [node("n1", 1)])
    assert text.startswith("Its pod needs 0.5 GPUs on one node: at most 0.3 are idle on one node, 0.3 in all.")


def sharing(*parts: float) -> Job:
    """A job that shares a GPU of n1 for each part."""
    pods = tuple(
        Pod(f"r-{number}", PodStatus.RUNNING, "n1", gpu_fraction(part), groups=(f"g{number}",), created=NOW - 60)
        for number, part in enumerate(parts)
    )
    return Job("r", "b", pods, gang(1), created=NOW - 60, started=NOW - 60)


def test_what_is_free_of_shared_gpus_is_no_whole_one() -> None:
    queues = [queue("a", 1), queue("b", 2)]
    text = only(queues, [sharing(0.5, 0.7), waiting("j", "a", 1)], [node("n1", 2)])
    assert text.startswith(
        "Its pod needs 1 GPU on one node: nothing of that is idle on any node; 0.8 GPUs more are free, in parts of "
        "shared ones only."
    )
    job = Job("j", "a", (Pod("j-0", gpu=gpu_fraction(0.6), created=NOW),), gang(1), created=NOW)
    text = only(queues, [sharing(0.5, 0.7), job], [node("n1", 2)])
    assert text.startswith(
        "Its pod needs 0.6 GPUs on one node: at most 0.8 are idle on one node, 0.8 in all, no more than 0.5 of one GPU."
    )


def test_where_gpus_are_idle_something_else_is_too_little() -> None:
    """GPUs are too few on most nodes, and on the one where there are some all memory is held."""
    hoards = replace(running("h", "b", 1, "n3"), name="h")
    hoards = replace(hoards, pods=(replace(hoards.pods[0], memory=node("n3").memory),))
    jobs = [running("r", "b", 8, "n1"), running("s", "b", 8, "n2"), hoards, waiting("j", "a", 1)]
    jobs[-1] = replace(jobs[-1], pods=(replace(jobs[-1].pods[0], memory=1e9),))
    text = only([queue("a", 8), queue("b", 17)], jobs, [node("n1"), node("n2"), node("n3")])
    assert text.startswith(
        "Its pod needs 1 GPU on one node: at most 7 are idle on one node, 7 in all; where there is enough, too little "
        "is left of memory."
    )


def test_memory_of_gpus() -> None:
    full = running("r", "b", 1, "n1")
    pod = Pod("j-0", gpu=gpu_memory(40_000), created=NOW)
    job = Job("j", "a", (pod,), gang(1), created=NOW)
    found = explained(moment([queue("a", 1), queue("b", 1)], [node("n1", 1)], [full, job]), "j")
    assert "nothing of that is idle on any node" in said(found)


def test_slices() -> None:
    mixed = node("n1", 0, extended=(("nvidia.com/mig-1g.18gb", 2.0),), mig_strategy="mixed")
    pod = Pod("j-0", gpu=mig_instances({"nvidia.com/mig-1g.18gb": 3}), created=NOW)
    taken = Pod("r-0", PodStatus.RUNNING, "n1", mig_instances({"nvidia.com/mig-1g.18gb": 1}), created=NOW - 60)
    jobs = [Job("r", "a", (taken,), gang(1), created=NOW - 60), Job("j", "a", (pod,), gang(1), created=NOW)]
    assert only([queue("a", 8)], jobs, [mixed]) == (
        "Its pod asks for 3 1g.18gb; the largest node of the pool has 2 1g.18gb."
    )


# --- nobody makes way -------------------------------------------------------------------------------------------------


def test_its_queue_has_its_share() -> None:
    jobs = [running("r", "a", 4, "n1"), running("s", "b", 4, "n1"), waiting("j", "a", 2)]
    assert only([queue("a", 4), queue("b", 4)], jobs) == (
        "Its pod needs 2 GPUs on one node: nothing of that is idle on any node. "
        "Nobody has to make way: queue a is due 4 GPUs and holds 4; 2 more would exceed its fair share."
    )


def test_it_waits_out_its_delay() -> None:
    jobs = [running("r", "b", 8, "n1"), waiting("j", "a", 2, preemption_delay=600)]
    assert "its preemption delay ends in 9 min" in only([queue("a", 8), queue("b", 0)], jobs)


def test_all_who_could_make_way_are_protected() -> None:
    jobs = [running("r", "b", 8, "n1", ran=60), waiting("j", "a", 2)]
    found = explained(moment([queue("a", 8), queue("b", 0, reclaim_min_runtime=600)], [node("n1")], jobs), "j")
    assert said(found).endswith("No running job may be evicted for it yet: r is protected for another 9 min.")
    (protected,) = [item for item in found.victims if item.spared == "protected"]
    assert (protected.jobs, protected.gpus, protected.until) == (("r",), 8, NOW - 60 + 600)


def test_an_elastic_job_would_fall_below_its_protected_minimum() -> None:
    jobs = [running("r", "b", 4, ("n1", "n1"), ran=60, minimum=1), waiting("j", "a", 8)]
    found = explained(moment([queue("a", 8), queue("b", 0, reclaim_min_runtime=600)], [node("n1")], jobs), "j")
    assert found.reason[-1].rule == "victim-protected"


def test_those_who_may_not_be_preempted_stay() -> None:
    jobs = [running("r", "b", 8, "n1", priority=100), waiting("j", "a", 2)]
    found = explained(moment([queue("a", 4), queue("b", 8)], [node("n1")], jobs), "j")
    assert said(found).endswith("No running job may be evicted for it.")
    assert [(item.action, item.spared) for item in found.victims] == [("reclaim", "not-preemptible")]


def test_what_may_be_evicted_is_on_the_wrong_nodes() -> None:
    nodes = [node("n1"), node("n2", 2)]
    jobs = [running("r", "b", 8, "n1", priority=100), running("s", "b", 2, "n2"), waiting("j", "a", 4)]
    text = only([queue("a", 4), queue("b", 6)], jobs, nodes)
    assert text.endswith(
        "1 running job may be evicted for it, and evicting it would not do: "
        "too few GPUs come free on the nodes it needs."
    )


def test_what_is_evicted_takes_its_place_back() -> None:
    # b is due what s holds and gets it back before a gets 6 GPUs on one node.
    nodes = [node("n1"), node("n2")]
    jobs = [
        running("r", "b", 6, "n1", priority=100),
        running("t", "b", 2, "n2"),
        running("s", "c", 4, "n2"),
        waiting("j", "a", 6),
    ]
    found = explained(moment([queue("a", 6), queue("b", 6), queue("c", 4)], nodes, jobs), "j")
    assert found.reason[-1].rule == "no-place-after-eviction"
    assert "s would get its place back first" in said(found)


def test_others_hold_no_more_than_their_share() -> None:
    nodes = [node("n1"), node("n2")]
    jobs = [running("r", "b", 8, "n1"), running("s", "c", 8, "n2"), waiting("j", "a", 8)]
    found = explained(moment([queue("a", 4), queue("b", 4), queue("c", 8)], nodes, jobs), "j")
    assert found.standing is Standing.WAITS
    assert found.reason[-1].rule in {"over-fair-share", "victim-within-share"}


def test_a_job_like_it_failed_already() -> None:
    jobs = [
        running("r", "b", 8, "n1", priority=100),
        waiting("first", "a", 4, age=300),
        waiting("j", "a", 4, age=60),
    ]
    found = explained(moment([queue("a", 8), queue("b", 8)], [node("n1")], jobs), "j")
    # What the other one failed at is said, not that it failed.
    assert dict(found.tried)["reclaim"].rule == "like-one-that-failed"
    assert found.reason[-1].rule == "no-victims"


def test_jobs_of_its_queue_have_no_lower_priority() -> None:
    jobs = [running("r", "a", 8, "n1"), waiting("j", "a", 2)]
    found = explained(moment([queue("a", 8)], [node("n1")], jobs), "j")
    assert [(item.action, item.spared) for item in found.victims] == [
        ("reclaim", "same-queue"),
        ("preempt", "priority"),
    ]


def test_moving_jobs_would_cost_one_its_place() -> None:
    # 4 + 4 GPUs are idle and 8 are asked for on one node: one of the others would have to leave.
    nodes = [node("n1"), node("n2")]
    jobs = [running("r", "b", 5, "n1"), running("s", "b", 4, "n2"), waiting("j", "a", 7)]
    found = explained(moment([queue("a", 8), queue("b", 9)], nodes, jobs), "j")
    assert dict(found.tried)["consolidation"].rule in {"no-scenario", "victim-without-place", "no-place-after-eviction"}


def test_it_would_be_fuller_than_the_queue_it_takes_from() -> None:
    # a is promised more than its department is due: with 4 GPUs the department would hold 200 % of its 2, and leave
    # 4 to the other, which is due 2.
    queues = [
        queue("west", 2, weight=0, priority=200),
        queue("a", 4, parent="west"),
        queue("east", 2, weight=0),
        queue("b", 4, parent="east"),
    ]
    jobs = [*(running(f"r{number}", "b", 2, "n1") for number in range(4)), waiting("j", "a", 4)]
    assert only(queues, jobs).endswith(
        "With it queue west would hold 200 % of its fair share of GPUs and leave queue east with 200 % of its own; "
        "who takes back may not end up the fuller one."
    )


# --- others go first --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("queues", "first", "job", "by"),
    [
        pytest.param(
            [queue("a", 8)],
            waiting("first", "a", 6, priority=75),
            waiting("j", "a", 6, age=600),
            "priority",
            id="it has a higher priority",
        ),
        pytest.param(
            [queue("a", 8)],
            waiting("first", "a", 6, age=600),
            waiting("j", "a", 6),
            "age",
            id="it was submitted earlier",
        ),
        pytest.param(
            [queue("a", 2), queue("b", 8)],
            waiting("first", "b", 6),
            waiting("j", "a", 6, age=600),
            "quota",
            id="its queue stays within its quota",
        ),
        pytest.param(
            [queue("a", 8), queue("b", 8, priority=200)],
            waiting("first", "b", 6),
            waiting("j", "a", 6, age=600),
            "queue-priority",
            id="its queue has a higher priority",
        ),
        pytest.param(
            [queue("a", 8), queue("b", 12)],
            waiting("first", "b", 6),
            waiting("j", "a", 6, age=600),
            "part-with-job",
            id="its queue holds a smaller part of what it may",
        ),
        pytest.param(
            [queue("a", 8, created=2), queue("b", 8, created=1)],
            waiting("first", "b", 6),
            waiting("j", "a", 6, age=600),
            "age",
            id="its queue is older",
        ),
    ],
)
def test_another_job_goes_first(queues: list[Queue], first: Job, job: Job, by: str) -> None:
    found = explained(moment(queues, [node("n1")], [first, job]), "j", known=Known(trials=50))
    assert [item.rule for item in found.reason] == ["outranked", "first-by"]
    assert found.reason[0].facts["jobs"] == ["first"]
    assert found.reason[1].facts["by"] == by


def test_only_those_are_named_that_take_the_room() -> None:
    # 8 - 6 = 2 GPUs are too few without the small one too.
    jobs = [waiting("small", "a", 1, age=900), waiting("big", "a", 6, age=600), waiting("j", "a", 3)]
    found = explained(moment([queue("a", 8)], [node("n1")], jobs), "j", known=Known(trials=50))
    assert found.reason[0].facts["jobs"] == ["big"]


def test_without_trials_all_who_got_something_are_named() -> None:
    jobs = [waiting("small", "a", 1, age=900), waiting("big", "a", 6, age=600), waiting("j", "a", 2)]
    found = explained(moment([queue("a", 8)], [node("n1")], jobs), "j")
    assert found.reason[0].facts["jobs"] == ["small", "big"]


# --- what is shown besides --------------------------------------------------------------------------------------------


def test_a_job_that_runs_and_wants_more() -> None:
    job = running("j", "a", 4, ("n1", "n1"), minimum=1)
    more = Pod("j-2", gpu=whole_gpus(4), cpu=1000, memory=1, created=NOW)
    state = moment([queue("a", 8)], [node("n1")], [replace(job, pods=(*job.pods, more))])
    found = explained(state, "j")
    assert found.standing is Standing.GROWS
    assert found.reason[-2].rule == "runs"


def test_a_job_that_was_evicted_says_when() -> None:
    jobs = [running("r", "b", 8, "n1"), waiting("j", "a", 8, evicted=NOW - 600)]
    assert only([queue("a", 0), queue("b", 8)], jobs).endswith(
        "It was evicted 10 min ago, and waits for a place again."
    )


def test_an_event_tells_for_whom_it_was_evicted() -> None:
    jobs = [running("r", "b", 8, "n1"), waiting("j", "a", 8, evicted=NOW - 600)]
    known = Known(trials=0, evictions={"j": Eviction(NOW - 600, "preempt", "r")})
    text = said(explained(moment([queue("a", 0), queue("b", 8)], [node("n1")], jobs), "j", known=known))
    assert "evicted 10 min ago for r, since it has a higher priority in the same queue, and waits" in text


def test_nodes_that_look_alike_are_one_row() -> None:
    product = {"nvidia.com/gpu.product": "H200"}
    nodes = [
        node("n1", labels=product),
        node("n2", labels=product),
        node("n3", labels=product, taints=(Taint("x"),)),
        node("n4", 4),
    ]
    jobs = [running("r", "b", 5, "n1"), running("s", "b", 7, "n2"), waiting("j", "a", 4)]
    found = explained(moment([queue("a", 0), queue("b", 16)], nodes, jobs, foreign=(_full("n4"),)), "j")
    assert [(item.nodes, item.refused, item.idle["gpu"], item.most["gpu"]) for item in found.nodes] == [
        (("n1", "n2"), "room", 4, 3),
        (("n4",), "room", 0, 0),
        (("n3",), "taint", 8, 8),
    ]
    assert found.nodes[2].detail == "x"


def _full(name: str) -> Pod:
    return Pod("other", PodStatus.RUNNING, name, whole_gpus(4))


def test_the_queues_on_the_way_up_come_with_their_numbers() -> None:
    queues = [queue("top", 8), queue("a", 4, parent="top"), queue("b", 4, parent="top")]
    jobs = [running("r", "b", 8, "n1"), waiting("j", "a", 4)]
    state = moment(queues, [node("n1")], jobs)
    found = explained(state, "j", known=Known())
    top, mine = found.queues
    assert (top.queue, mine.queue, mine.depth) == ("top", "a", 1)
    assert (mine.gpu.fair, mine.gpu.allocated, mine.gpu.requested, mine.gpu.starved) == (4, 0, 4, 4)


def test_others_that_are_not_modelled_are_a_caveat() -> None:
    jobs = [waiting("odd", "a", 1, unmodelled="a claim"), running("r", "b", 8, "n1"), waiting("j", "a", 1)]
    found = explained(moment([queue("a", 0), queue("b", 8)], [node("n1")], jobs), "j")
    assert [(item.rule, item.facts) for item in found.caveats] == [("unmodelled-others", {"jobs": ["odd"]})]


def test_spreading_schedulers_do_not_move_jobs() -> None:
    settings = placement(Strategy.SPREAD, Strategy.SPREAD)
    jobs = [running("r", "b", 4, "n1"), running("s", "b", 4, "n2"), waiting("j", "a", 8)]
    found = explained(moment([queue("a", 0), queue("b", 8)], [node("n1"), node("n2")], jobs), "j", settings)
    assert [action for action, _ in found.tried] == ["allocate", "reclaim", "preempt"]


def test_subgroups_that_miss_pods() -> None:
    root = Subgroup("", None, (Subgroup("head", 1), Subgroup("work", 2)), leaf=False)
    pods = (Pod("j-0", subgroup="head", created=NOW), Pod("j-1", subgroup="work", created=NOW))
    text = only([queue("a", 8)], [Job("j", "a", pods, root, created=NOW)])
    assert text == "Too few of its pods are there to start: 1 of 2 in subgroup work."


def test_a_pod_that_tolerates_everything_is_refused_by_no_taint() -> None:
    job = waiting("j", "a", 9)
    tolerant = Placement(tolerations=(Toleration(operator="Exists"),))
    job = replace(job, pods=(replace(job.pods[0], placement=tolerant),))
    found = explained(moment([queue("a", 16)], [node("n1", taints=(Taint("x"),))], [job]), "j")
    assert [item.refused for item in found.nodes] == ["room"]
