"""Submissions put together from Kubernetes objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trace_files import Read, lines, met, read

from tenantry.io.traces.kube_requests import request_of
from tenantry.io.traces.mig import mig_share
from tenantry.model.trace import Outcome, TraceJob

Body = dict[str, Any]


def at(second: int) -> str:
    return f"2025-03-01T00:{second // 60:02d}:{second % 60:02d}Z"


def meta(name: str, created: int, **more: Any) -> Body:
    return {"name": name, "namespace": "ml", "creationTimestamp": at(created), **more}


def podgroup(name: str, created: int, queue: str = "vision", **spec: Any) -> Body:
    metadata = meta(name, created, labels={"user": "ann"})
    return {
        "apiVersion": "scheduling.run.ai/v2alpha2",
        "kind": "PodGroup",
        "metadata": metadata,
        "spec": {"queue": queue, "minMember": 2, **spec},
    }


def pod(
    name: str,
    created: int,
    ran: tuple[int, int] | None = None,
    *,
    group: str = "",
    phase: str = "Succeeded",
    gpus: str = "8",
    **more: Any,
) -> Body:
    """A pod that ran from one second to another; a pending one without."""
    annotations = {"pod-group-name": group} if group else {}
    resources = {"limits": {"nvidia.com/gpu": gpus}, "requests": {"cpu": "500m", "memory": "1Gi"}}
    body: Body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(name, created, annotations=annotations, **more.pop("metadata", {})),
        "spec": {"containers": [{"resources": resources}], **more},
        "status": {"phase": "Pending"},
    }
    if ran is not None:
        body["status"] = {
            "phase": phase,
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": at(ran[0])}],
            "containerStatuses": [{"state": {"terminated": {"finishedAt": at(ran[1])}}}],
        }
    return body


def event(kind: str, name: str, reason: str, second: int, *, sender: str = "kai-scheduler", **more: Any) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": meta(f"{name}.{second}", second),
        "involvedObject": {"kind": kind, "namespace": "ml", "name": name},
        "reason": reason,
        "eventTime": at(second).replace("Z", ".250000Z"),
        "reportingComponent": sender,
        **more,
    }


def read_objects(folder: Path, *objects: Body, **options: Any) -> Read:
    path = folder / "objects.json"
    path.write_text(json.dumps({"apiVersion": "v1", "items": list(objects), "kind": "List", "metadata": {}}))
    return read(path, **options)


def test_a_pod_group_is_a_submission_of_its_pods(tmp_path: Path) -> None:
    jobs, trace = read_objects(
        tmp_path,
        podgroup("train", 10, priorityClassName="build"),
        pod("train-0", 11, (20, 320), group="train"),
        pod("train-1", 11, (21, 330), group="train"),
        podgroup("early", 0, queue="nlp"),
        pod("early-0", 1, (5, 6), group="early", phase="Failed", gpus="1"),
    )
    assert trace.format == "kubernetes"
    assert jobs == [
        TraceJob("ml/early", "nlp", 0, 1, 1, 1000, 500, 1024, outcome=Outcome.FAILED, started=5, user="ann"),
        # From the first pod placed to the last one ended; the class build has priority 100 and is not evicted.
        TraceJob("ml/train", "vision", 10, 310, 2, 8000, 500, 1024, "", 100, False, Outcome.COMPLETED, 20, "ann"),
    ]
    # 2025-03-01 is 20,148 days after 1970.
    assert trace.origin == 20_148 * 86_400
    by_namespace, _ = read_objects(tmp_path, podgroup("a", 0), pod("p", 0, (1, 2), group="a"), tenant="namespace")
    assert [job.tenant for job in by_namespace] == ["ml"]


def test_unlike_pods_of_one_submission_are_jobs_of_their_own(tmp_path: Path) -> None:
    jobs, trace = read_objects(
        tmp_path,
        podgroup("mpi", 0),
        pod("launcher", 0, (5, 100), group="mpi", gpus="0"),
        pod("worker-0", 0, (5, 100), group="mpi"),
        pod("worker-1", 0, (5, 100), group="mpi"),
    )
    assert [(job.name, job.pods, job.gpus) for job in jobs] == [("ml/mpi", 2, 8000), ("ml/mpi/2", 1, 0)]
    assert met(trace) == {"TRACE-PARTS": 1, "TRACE-CPU-ONLY": 1}


def test_objects_of_different_kinds_may_have_one_name(tmp_path: Path) -> None:
    owner = {"ownerReferences": [{"kind": "Job", "name": "a", "controller": True}]}
    jobs, _ = read_objects(
        tmp_path,
        podgroup("a", 0),
        pod("p", 0, (1, 2), group="a"),
        pod("q", 0, (1, 2), metadata=owner),
        pod("a", 0, (1, 2)),
    )
    assert [job.name for job in jobs] == ["ml/a", "ml/a/2", "ml/a/3"]


def test_what_did_not_start_or_has_not_ended_is_left_out(tmp_path: Path) -> None:
    jobs, trace = read_objects(
        tmp_path,
        podgroup("pending", 0),
        pod("pending-0", 0, group="pending"),
        podgroup("running", 1),
        pod("running-0", 1, (5, 100), group="running"),
        pod("running-1", 1, (5, 0), group="running", phase="Running"),
        podgroup("gone", 2),
        podgroup("ok", 3),
        pod("ok-0", 3, (5, 100), group="ok"),
    )
    assert [job.name for job in jobs] == ["ml/ok"]
    assert [problem.rule for problem in trace.problems] == ["TRACE-NEVER-RAN", "TRACE-UNFINISHED", "TRACE-NEVER-RAN"]


def test_evictions_are_remarked_on(tmp_path: Path) -> None:
    evicted = event("PodGroup", "train", "Evict", 15)
    evicted["metadata"]["annotations"] = {"evictor-action-type": "reclaim"}
    jobs, trace = read_objects(tmp_path, podgroup("train", 0), pod("train-0", 20, (30, 90), group="train"), evicted)
    assert [(job.submit, job.started, job.duration) for job in jobs] == [(0, 30, 60)]
    assert [problem.message for problem in trace.problems] == [
        "ml/train was evicted (reclaim); what it ran before is not counted"
    ]


def test_without_pod_groups_the_pods_of_a_controller_are_a_submission(tmp_path: Path) -> None:
    owner = {"ownerReferences": [{"kind": "Job", "name": "fit", "controller": True}]}
    service = {"ownerReferences": [{"kind": "ReplicaSet", "name": "dns", "controller": True}]}
    jobs, trace = read_objects(
        tmp_path,
        pod("fit-a", 5, (6, 60), metadata={**owner, "labels": {"kueue.x-k8s.io/queue-name": "q1"}}, priority=7),
        pod("fit-b", 4, (7, 70), metadata=owner),
        pod("alone", 0, (3, 4), gpus="2"),
        pod("dns-x", 0, (1, 2), gpus="0", metadata=service),
        pod("busybox", 0, (1, 2), gpus="0"),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}},
    )
    assert [(job.name, job.tenant, job.submit, job.pods, job.priority) for job in jobs] == [
        ("ml/alone", "ml", 0, 1, None),
        ("ml/fit", "q1", 4, 2, 7),
    ]
    # Two pods without GPUs that belong to no job, and a ConfigMap.
    assert met(trace) == {"TRACE-NO-JOB": 3}


def test_events_alone_tell_times_and_the_rest_is_assumed(tmp_path: Path) -> None:
    created = event("Job", "fit", "SuccessfulCreate", 10, sender="job-controller", message="Created pod: fit-a")
    jobs, trace = read_objects(
        tmp_path,
        created,
        event("Pod", "fit-a", "Unschedulable", 12),
        event("Pod", "fit-a", "Scheduled", 40),
        event("Job", "fit", "Completed", 100, sender="job-controller"),
        event("Pod", "alone", "Scheduled", 5),
        event("Pod", "alone", "Killing", 25, sender="kubelet"),
        event("Pod", "running", "Scheduled", 5),
        event("Pod", "coredns", "Scheduled", 1, sender="default-scheduler"),
        unknown_gpus=500,
    )
    assert [(job.name, job.tenant, job.submit, job.started, job.duration, job.gpus) for job in jobs] == [
        ("ml/alone", "ml", 0, 0, 20, 500),
        ("ml/fit", "ml", 5, 35, 60, 500),
    ]
    assert met(trace) == {"TRACE-ASSUMED": 2, "TRACE-UNFINISHED": 1}


def test_events_of_the_newer_api_are_read(tmp_path: Path) -> None:
    def new(reason: str, second: int) -> Body:
        body = event("Pod", "p", reason, second)
        body["regarding"] = body.pop("involvedObject")
        return {**body, "apiVersion": "events.k8s.io/v1"}

    jobs, _ = read_objects(tmp_path, new("Scheduled", 5), new("Killing", 9))
    assert [(job.name, job.duration) for job in jobs] == [("ml/p", 4)]


def test_a_folder_of_json_and_yaml_is_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(podgroup("train", 0)))
    both = [pod("train-0", 0, (5, 9), group="train"), pod("train-1", 0, (5, 9), group="train")]
    (tmp_path / "b.yaml").write_text("---\n".join(json.dumps(each) + "\n" for each in both))
    classes = [{"metadata": {"name": "x"}, "value": 1}]
    typed = {"kind": "PriorityClassList", "apiVersion": "scheduling.k8s.io/v1", "items": classes}
    (tmp_path / "c.json").write_text(json.dumps(typed))
    jobs, trace = read(tmp_path)
    assert [(job.name, job.pods) for job in jobs] == [("ml/train", 2)]
    assert trace.problems == ()


def test_priority_classes_of_the_cluster_count_before_those_of_kai(tmp_path: Path) -> None:
    value = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "train"}, "value": 120}
    ran = pod("p", 0, (1, 2), group="a")
    for objects, expected in (
        ([podgroup("a", 0, priorityClassName="train")], (50, True)),
        ([podgroup("a", 0, priorityClassName="train"), value], (120, False)),
        ([podgroup("a", 0, priorityClassName="train", preemptibility="non-preemptible")], (50, False)),
        ([podgroup("a", 0)], (None, None)),
    ):
        jobs, _ = read_objects(tmp_path, ran, *objects)
        assert [(job.priority, job.preemptible) for job in jobs] == [expected]


def test_broken_json_keeps_the_objects_before(tmp_path: Path) -> None:
    path = tmp_path / "objects.json"
    text = json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": [pod("p", 0, (1, 2)), pod("q", 0, (1, 2))]}, indent=1
    )
    path.write_text(text[: text.rindex('"Pod"')])
    jobs, trace = read(path)
    assert [job.name for job in jobs] == ["ml/p"]
    assert [rule for rule, _ in lines(trace)] == ["TRACE-JSON"]


@pytest.mark.parametrize(
    ("annotations", "resources", "gpus"),
    [
        pytest.param({}, {"nvidia.com/gpu": 2}, 2000, id="whole"),
        pytest.param({"gpu-fraction": "0.5"}, {}, 500, id="a fraction"),
        pytest.param({"gpu-fraction": "0.25", "gpu-fraction-num-devices": "3"}, {}, 750, id="a fraction of three"),
        # 10,000 of 81,559 MiB are 12.26 %, which KAI rounds up to 13 %.
        pytest.param({"gpu-memory": "10000"}, {}, 130, id="memory"),
        pytest.param({"gpu-memory": "10000", "gpu-fraction": "0.5"}, {}, 500, id="a fraction before memory"),
        # 3/7 and twice 1/7 of the compute: 428 and 2 x 142, rounded down.
        pytest.param({}, {"nvidia.com/mig-3g.40gb": 1, "nvidia.com/mig-1g.10gb": 2}, 712, id="slices"),
        pytest.param({}, {"nvidia.com/gpu.shared": 1}, None, id="shared in time"),
        pytest.param({}, {"cpu": 1}, 0, id="none"),
    ],
)
def test_gpus_are_asked_for_in_many_ways(annotations: Body, resources: Body, gpus: int | None) -> None:
    body = {"metadata": {"annotations": annotations}, "spec": {"containers": [{"resources": {"limits": resources}}]}}
    assert request_of(body, 81_559).gpus == gpus


def test_memory_of_gpus_that_are_not_known_is_no_share() -> None:
    body = {"metadata": {"annotations": {"gpu-memory": "10000"}}, "spec": {"containers": []}}
    assert request_of(body, None).gpus is None


def test_containers_add_up_and_those_before_them_count_by_the_hungriest() -> None:
    def container(cpu: str, **more: Any) -> Body:
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "containers": [container("1"), container("500m")],
        "initContainers": [container("4"), container("3"), container("250m", restartPolicy="Always")],
    }
    # 1 + 0.5 + 0.25 that keeps running, but 4 before.
    assert request_of({"spec": spec}, None).cpus == 4000
    # The sidecar runs already while the next one gets ready: 0.25 + 4.
    spec["initContainers"].reverse()
    assert request_of({"spec": spec}, None).cpus == 4250
    # Its overhead comes on top, and what the pod asks for as a whole counts instead.
    assert request_of({"spec": {**spec, "overhead": {"cpu": "200m"}}}, None).cpus == 4450
    whole = {"requests": {"cpu": "6"}, "limits": {"cpu": "8"}}
    assert request_of({"spec": {**spec, "overhead": {"cpu": "200m"}, "resources": whole}}, None).cpus == 6200


def test_a_product_that_is_required_is_the_model() -> None:
    def with_affinity(*terms: Body) -> Body:
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
        return {"spec": {"affinity": {"nodeAffinity": required}}}

    def term(*values: str) -> Body:
        return {"matchExpressions": [{"key": "nvidia.com/gpu.product", "operator": "In", "values": list(values)}]}

    assert request_of({"spec": {"nodeSelector": {"nvidia.com/gpu.product": "L40S"}}}, None).model == "L40S"
    assert request_of(with_affinity(term("B"), term("A", "B")), None).model == "A|B"
    assert request_of(with_affinity(term("A"), {"matchExpressions": []}), None).model == ""


def test_slices_are_a_part_of_the_compute() -> None:
    # An A30 has four compute slices, others seven.
    assert [mig_share(name) for name in ("1g.6gb", "mig-2g.12gb", "3g.71gb", "1g.18gb+me", "mig-1g.18gb.me")] == [
        250,
        500,
        428,
        142,
        142,
    ]
    assert [mig_share(name) for name in ("h100", "9g.1gb", "0g.5gb", "")] == [None] * 4
