"""What is wrong with a snapshot: problems stop everything and come together, findings are worth knowing."""

from __future__ import annotations

import contextlib
import json
import math
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.errors import InputError
from tenantry.io.scheduler_snapshot import ClusterSnapshot, read_snapshot
from tenantry.io.yaml_read import load_documents
from tenantry.model.finding import Severity
from tenantry.model.problem import dotted

Read = Callable[..., ClusterSnapshot]

NODE = """
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {allocatable: {cpu: "8", memory: 64Gi, nvidia.com/gpu: "8", pods: "110"}}
"""
QUEUE = """
apiVersion: scheduling.run.ai/v2
kind: Queue
metadata: {name: team}
spec: {resources: {gpu: {quota: 4, limit: 8, overQuotaWeight: 1}}}
"""
GROUP = """
apiVersion: scheduling.run.ai/v2alpha2
kind: PodGroup
metadata: {name: pg, namespace: ns}
spec: {minMember: 1, queue: team}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: ns, annotations: {pod-group-name: pg}}
spec: {schedulerName: kai-scheduler, containers: [{name: main, resources: {limits: {nvidia.com/gpu: "1"}}}]}
status: {phase: Pending}
"""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a cluster of one node, queue, pod group and pod, with some of them replaced or left out."""

    def reading(*more: str, **replaced: str) -> ClusterSnapshot:
        parts = {"node": NODE, "queue": QUEUE, "group": GROUP, "pod": POD} | replaced
        documents = [textwrap.dedent(text).strip() for text in (*parts.values(), *more) if text]
        (tmp_path / "cluster.yaml").write_text("\n---\n".join(documents) + "\n")
        found = read_snapshot([tmp_path / "cluster.yaml"])
        for name in found.pools:
            found.pool(name)
        return found

    return reading


def rules(found: ClusterSnapshot) -> list[str]:
    return [item.rule for item in found.findings]


def test_a_cluster_in_order_has_neither(read: Read) -> None:
    found = read()
    assert found.problems == ()
    assert found.findings == ()


# --- problems ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "text", "path", "expected"),
    [
        pytest.param(
            "queue", QUEUE.replace("quota: 4", "quota: four"), "spec.resources.gpu.quota", "a number", id="quota"
        ),
        pytest.param(
            "queue",
            QUEUE.replace("quota: 4", "quota: -2"),
            "spec.resources.gpu.quota",
            "-1 for unlimited",
            id="below -1",
        ),
        pytest.param(
            "queue",
            QUEUE.replace("quota: 4", "quota: 1.0e+300"),
            "spec.resources.gpu.quota",
            "a number of at most 1e+24",
            id="more than sums hold",
        ),
        pytest.param(
            "queue",
            QUEUE.replace("quota: 4", "quota: " + "9" * 400),
            "spec.resources.gpu.quota",
            "a number",
            id="more than a number holds",
        ),
        pytest.param(
            "queue",
            QUEUE.replace("overQuotaWeight: 1", "overQuotaWeight: -1"),
            "spec.resources.gpu.overQuotaWeight",
            "0 and more",
            id="negative weight",
        ),
        pytest.param(
            "queue",
            QUEUE.replace("spec: {", "spec: {preemptMinRuntime: soon, "),
            "spec.preemptMinRuntime",
            "one such as 30s",
            id="duration",
        ),
        pytest.param(
            "group", GROUP.replace("minMember: 1", "minMember: -1"), "spec.minMember", "at least 0", id="minimum"
        ),
        pytest.param(
            "group", GROUP.replace("minMember: 1", "minMember: 1.5"), "spec.minMember", "whole number", id="half"
        ),
        pytest.param(
            "group",
            GROUP.replace("spec: {", "spec: {preemptibility: maybe, "),
            "spec.preemptibility",
            "preemptible or non-preemptible",
            id="preemptibility",
        ),
        pytest.param(
            "pod",
            POD.replace('nvidia.com/gpu: "1"', "nvidia.com/gpu: one"),
            "spec.containers[0].resources.limits.nvidia.com/gpu",
            "one such as 8",
            id="quantity",
        ),
        pytest.param(
            "pod",
            POD.replace("spec: {", "spec: {tolerations: all, "),
            "spec.tolerations",
            "a list",
            id="no list",
        ),
        pytest.param(
            "node",
            NODE.replace("metadata: {", "metadata: {creationTimestamp: yesterday, ").replace("Node", "Pod"),
            "metadata.creationTimestamp",
            "a time such as",
            id="time",
        ),
    ],
)
def test_what_cannot_be_read_is_a_problem_at_its_place(
    read: Read, part: str, text: str, path: str, expected: str
) -> None:
    extra = (NODE,) if part == "node" else ()
    (problem,) = read(*extra, **{part: text}).problems
    assert dotted(problem.path) == path
    assert expected in problem.expected
    assert problem.location.line > 0
    assert problem.location.file.endswith("cluster.yaml")


def test_all_problems_come_together(read: Read) -> None:
    found = read(queue=QUEUE.replace("quota: 4", "quota: -2"), group=GROUP.replace("minMember: 1", "minMember: -1"))
    assert [str(item.subject) for item in found.problems] == ["Queue team", "PodGroup ns/pg"]


def test_a_queue_that_is_its_own_ancestor(read: Read) -> None:
    one = QUEUE.replace("name: team", "name: one").replace("spec: {", "spec: {parentQueue: two, ")
    two = QUEUE.replace("name: team", "name: two").replace("spec: {", "spec: {parentQueue: one, ")
    found = read(one, two)
    assert [item.message for item in found.problems] == [
        "the queue is its own ancestor: one -> two -> one",
        "the queue is its own ancestor: two -> one -> two",
    ]


def test_a_queue_that_leads_into_a_ring_is_not_the_one_to_mend(read: Read) -> None:
    ring = QUEUE.replace("name: team", "name: one").replace("spec: {", "spec: {parentQueue: one, ")
    below = QUEUE.replace("name: team", "name: below").replace("spec: {", "spec: {parentQueue: one, ")
    found = read(ring, below)
    assert [(str(item.subject), item.message) for item in found.problems] == [
        ("Queue one", "the queue is its own ancestor: one -> one")
    ]


def test_a_long_ring_is_not_written_out(read: Read) -> None:
    ring = [
        QUEUE.replace("name: team", f"name: q{number}").replace(
            "spec: {", f"spec: {{parentQueue: q{(number + 1) % 30}, "
        )
        for number in range(30)
    ]
    messages = {item.message for item in read(*ring).problems}
    assert len(messages) == 30
    assert "the queue is its own ancestor: q0 -> q1 -> q2 -> q3 -> q4 -> q5 -> q6 -> q7 -> q8 -> ... -> q0" in messages


def test_queues_too_far_down_to_be_followed(read: Read) -> None:
    def chain(levels: int) -> list[str]:
        return [
            QUEUE.replace("name: team", f"name: q{number}").replace(
                "spec: {", f"spec: {{parentQueue: {f'q{number - 1}' if number else 'team'}, "
            )
            for number in range(levels)
        ]

    assert read(*chain(63)).problems == ()
    (problem,) = read(*chain(2000)).problems
    assert str(problem.subject) == "Queue q63"
    assert (problem.message, problem.expected) == ("the queue has 64 queues above it", "at most 64 levels of queues")


def test_an_object_twice_with_different_content(read: Read) -> None:
    assert read(QUEUE).problems == ()
    (problem,) = read(QUEUE.replace("quota: 4", "quota: 5")).problems
    assert problem.message == "the object is in the snapshot twice, with different content"


def test_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("apiVersion: v1\nkind: [\n")
    (problem,) = read_snapshot([tmp_path]).problems
    assert problem.rule == "LINT-YAML"
    assert problem.location.line == 3


# --- findings ---------------------------------------------------------------------------------------------------------


def test_a_job_in_a_queue_that_does_not_exist(read: Read) -> None:
    found = read(group=GROUP.replace("queue: team", "queue: teem"))
    (finding,) = found.findings
    assert finding.rule == "SNAP-JOB-QUEUE"
    assert finding.severity is Severity.ERROR
    assert finding.path == "spec.queue"
    assert finding.message.endswith("did you mean 'team'?")
    (job,) = found.pool("default").moment.jobs
    # The scheduler gives such a job neither its priority nor its preemptibility.
    assert (job.priority, job.may_be_evicted) == (0, False)


def test_a_job_in_a_queue_that_takes_none(read: Read) -> None:
    found = read(QUEUE.replace("name: team", "name: child").replace("spec: {", "spec: {parentQueue: team, "))
    assert rules(found) == ["SNAP-JOB-QUEUE"]


def test_a_job_below_a_missing_queue_counts_as_one_without_queue(read: Read) -> None:
    found = read(queue=QUEUE.replace("spec: {", "spec: {parentQueue: gone, "))
    assert rules(found) == ["SNAP-JOB-QUEUE"]


def test_a_pod_without_its_group(read: Read) -> None:
    found = read(group="")
    (finding,) = found.findings
    assert finding.message == "pod group pg is not in the snapshot; the scheduler does not see it"
    running = POD.replace("spec: {", "spec: {nodeName: n1, ").replace("Pending", "Running")
    found = read(group="", pod=running)
    assert (
        found.findings[0].message == "pod group pg is not in the snapshot; it holds room that no queue is charged with"
    )
    assert len(found.pool("default").moment.unqueued) == 1


@pytest.mark.parametrize(
    ("annotation", "rule"),
    [
        pytest.param('gpu-fraction: "1.5"', "SNAP-ANNOTATION", id="more than one GPU"),
        pytest.param('gpu-fraction: "NaN"', "SNAP-ANNOTATION", id="not a number"),
        pytest.param('gpu-fraction: "half"', "SNAP-ANNOTATION", id="a word"),
        pytest.param('gpu-memory: "0"', "SNAP-ANNOTATION", id="no memory"),
        pytest.param('gpu-memory: "1Gi"', "SNAP-ANNOTATION", id="a unit"),
        pytest.param('gpu-fraction: "0.5", gpu-memory: "1000"', "SNAP-GPU-TWICE", id="both ways"),
        pytest.param('gpu-fraction: "0.5", gpu-fraction-num-devices: "-1"', "SNAP-ANNOTATION", id="devices"),
    ],
)
def test_annotations_the_scheduler_passes_over(read: Read, annotation: str, rule: str) -> None:
    pod = POD.replace("{pod-group-name: pg}", f"{{pod-group-name: pg, {annotation}}}").replace(
        "resources: {limits: {nvidia.com/gpu: \"1\"}}", "image: x"
    )  # fmt: skip
    assert rules(read(pod=pod)) == [rule]


def test_whole_gpus_beside_a_fraction(read: Read) -> None:
    pod = POD.replace("{pod-group-name: pg}", '{pod-group-name: pg, gpu-fraction: "0.5"}')
    assert rules(read(pod=pod)) == ["SNAP-GPU-TWICE"]


def test_times_on_a_job_that_are_none(read: Read) -> None:
    group = GROUP.replace("namespace: ns", 'namespace: ns, annotations: {kai.scheduler/last-start-timestamp: "noon"}')
    assert rules(read(group=group)) == ["SNAP-ANNOTATION"]


def test_a_priority_class_that_does_not_exist(read: Read) -> None:
    group = GROUP.replace("queue: team", "queue: team, priorityClassName: trian")
    known = "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: train}\nvalue: 60\n"
    (finding,) = read(known, group=group).findings
    assert finding.rule == "SNAP-PRIORITY-CLASS"
    assert "did you mean 'train'" in finding.message
    # Without any class in the snapshot nothing can be said.
    assert read(group=group).findings == ()


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        pytest.param("[{name: a}, {name: a}]", "subgroup a is there twice", id="twice"),
        pytest.param("[{minMember: 1}]", "a subgroup has no name", id="no name"),
        pytest.param("[{name: a, parent: b}]", "names a parent b that is not there", id="no parent"),
        pytest.param("[{name: a, parent: b}, {name: b, parent: a}]", "is in a cycle", id="a cycle"),
    ],
)
def test_subgroups_that_are_no_tree(read: Read, groups: str, message: str) -> None:
    found = read(group=GROUP.replace("minMember: 1", f"subGroups: {groups}"))
    assert message in found.findings[0].message
    root = found.pool("default").moment.jobs[0].root
    assert root is not None
    assert root.children[0].minimum == 1


def test_a_pod_of_no_subgroup(read: Read) -> None:
    assert rules(read(group=GROUP.replace("minMember: 1", "subGroups: [{name: a, minMember: 1}]"))) == ["SNAP-SUBGROUP"]


def test_two_pod_groups_of_one_name(read: Read) -> None:
    found = read(GROUP.replace("namespace: ns", "namespace: other"))
    assert rules(found) == ["SNAP-SAME-NAME", "SNAP-SAME-NAME"]
    jobs = found.pool("default").moment.jobs
    assert {job.name: len(job.pods) for job in jobs} == {"ns/pg": 1, "other/pg": 0}
    assert all(job.unmodelled for job in jobs)


def test_a_pod_that_names_a_group_of_another_namespace(read: Read) -> None:
    found = read(POD.replace("namespace: ns", "namespace: other"))
    assert rules(found) == ["SNAP-SAME-NAME"]
    assert len(found.pool("default").moment.jobs[0].pods) == 2


# --- what is not modelled ---------------------------------------------------------------------------------------------

CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: ns}
spec: {storageClassName: fast}
"""
CLASS = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
volumeBindingMode: WaitForFirstConsumer
"""
BOUND = CLAIM.replace("spec: {", "spec: {volumeName: pv-1, ") + "status: {phase: Bound}\n"
VOLUME = """
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-1}
spec:
  nodeAffinity:
    required: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [a]}]}]}
"""
MOUNTS = POD.replace("spec: {", "spec: {volumes: [{name: data, persistentVolumeClaim: {claimName: data}}], ")
REPELS = """
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: ns}
spec:
  nodeName: n1
  containers: []
  affinity:
    podAntiAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - {topologyKey: kubernetes.io/hostname, labelSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}}
status: {phase: Running}
"""
AFFINITY = "affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}]}}, "


@pytest.mark.parametrize(
    ("pod", "more", "reason"),
    [
        pytest.param(
            POD.replace("spec: {", "spec: {resourceClaims: [{name: gpu, resourceClaimName: g}], "),
            (),
            "it asks for devices by resource claims (DRA)",
            id="resource claims",
        ),
        pytest.param(
            POD.replace("spec: {", "spec: {" + AFFINITY),
            (),
            "it must be placed near other pods (required podAffinity)",
            id="affinity between pods",
        ),
        pytest.param(
            POD,
            (REPELS,),
            "a running pod keeps pods like it away (required podAntiAffinity)",
            id="anti-affinity of another pod",
        ),
        pytest.param(
            MOUNTS, (CLAIM, CLASS), "its volume claim data is bound only when the pod is placed", id="late volume"
        ),
        pytest.param(MOUNTS, (CLAIM,), "its volume claim data is not bound yet", id="unbound volume"),
        pytest.param(
            MOUNTS,
            (CLAIM.replace("name: data", "name: other"),),
            "its volume claim data is not in the snapshot",
            id="missing claim",
        ),
        pytest.param(
            POD.replace('nvidia.com/gpu: "1"', 'nvidia.com/gpu: "1", nvidia.com/mig-1g.10gb: "1"'),
            (),
            "it asks for whole GPUs and MIG instances at once",
            id="whole GPUs and slices",
        ),
    ],
)
def test_what_is_not_modelled_is_counted_and_said(read: Read, pod: str, more: tuple[str, ...], reason: str) -> None:
    found = read(*more, pod=pod)
    assert found.problems == ()
    (job,) = found.pool("default").moment.jobs
    assert job.unmodelled == reason
    assert len(job.pods) == 1
    assert "SNAP-NOT-MODELLED" in rules(found)


def test_what_runs_already_needs_no_model(read: Read) -> None:
    running = POD.replace("spec: {", "spec: {nodeName: n1, " + AFFINITY).replace("Pending", "Running")
    assert read(pod=running).pool("default").moment.jobs[0].unmodelled == ""


def test_a_bound_volume_narrows_the_nodes(read: Read) -> None:
    found = read(BOUND, VOLUME, pod=MOUNTS)
    (job,) = found.pool("default").moment.jobs
    assert job.unmodelled == ""
    terms = job.pods[0].placement.terms
    assert terms is not None
    assert str(terms[0].expressions[0]) == "zone=a"


def test_volumes_nobody_knows_are_taken_to_be_everywhere(read: Read) -> None:
    pool = read(pod=MOUNTS).pool("default")
    assert pool.moment.jobs[0].unmodelled == ""
    assert "reachable from every node" in pool.assumed["pg"][0]


def test_a_job_the_scheduler_gave_up_is_set_aside(read: Read) -> None:
    status = """
status:
  schedulingConditions:
  - {type: UnschedulableOnNodePool, nodePool: default, transitionID: "1", message: old}
  - type: UnschedulableOnNodePool
    nodePool: default
    transitionID: "2"
    lastTransitionTime: "2026-01-10T10:00:00Z"
    reasons: [{reason: OverLimit, message: team is over its limit}]
"""
    group = GROUP.replace("spec: {", "spec: {schedulingBackoff: 1, ") + status
    pool = read(group=group).pool("default")
    assert pool.moment.jobs == ()
    aside = pool.set_aside["pg"]
    assert (aside.queue, aside.said, aside.since) == ("team", "team is over its limit", 1_768_039_200)
    # Of another pool's failure it is told nothing.
    assert read(group=group.replace("nodePool: default", "nodePool: other")).pool("default").set_aside == {}


# --- any input --------------------------------------------------------------------------------------------------------

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=5))
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
)


@given(data=st.data())
def test_whatever_stands_in_a_field_is_no_crash(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any value in the place of any field gives problems or findings, never an exception of another kind."""
    bodies = [item.value for text in (NODE, QUEUE, GROUP, BOUND, VOLUME, MOUNTS) for item in load_documents(text)]
    body = data.draw(st.sampled_from(bodies))
    holder, key = data.draw(st.sampled_from(list(_places(body))))
    holder[key] = data.draw(ANYTHING)
    if not _finite(bodies):
        return
    path = tmp_path_factory.mktemp("any") / "cluster.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies}))
    with contextlib.suppress(InputError):
        found = read_snapshot([path])
        for name in found.pools:
            found.pool(name)


def _places(value: object) -> list[tuple[dict[str, object], str]]:
    if isinstance(value, dict):
        here = [(value, key) for key in value if key not in {"apiVersion", "kind"}]
        return here + [place for item in value.values() for place in _places(item)]
    return [place for item in value for place in _places(item)] if isinstance(value, list) else []


def _finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(_finite, items))
