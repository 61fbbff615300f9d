"""Queues: whose a tenant can enter, what it can take out of them, how it could go around; each with what closes it."""

from __future__ import annotations

from typing import Any

import pytest
from holes import BY_ID, Case, Hole, cases_checked, holes_checked
from safe_clusters import Body, bind, decide, guard, obj, view
from share_objects import (
    EDITORS,
    NO_NODE_NAME,
    cluster_right,
    config_map,
    kai,
    labelled_space,
    nobody,
    node,
    pod,
    quota,
    right,
    space,
)

from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Strength

pytest.importorskip("cel_expr_python", reason="CEL is not installed")

KAI = [kai("a-gpus"), kai("b-gpus")]


PIN_PODS = guard(
    "pin-pods",
    "object.metadata.?labels[?'kai.scheduler/queue'].orValue('') in ['', namespaceObject.metadata.name + '-gpus']",
)


PIN_OWNERS = guard(
    "pin-owners",
    "object.metadata.?labels[?'kai.scheduler/queue'].orValue('') in ['', namespaceObject.metadata.name + '-gpus']",
    groups=["*"],
    resources=["configmaps", "jobs", "deployments"],
)


def cluster_queue(name: str, selector: Body | None, cohort: str = "", nominal: int = 8, **preemption: Any) -> Body:
    spec: Body = {
        "namespaceSelector": selector,
        "preemption": preemption,
        "resourceGroups": [
            {
                "coveredResources": ["nvidia.com/gpu"],
                "flavors": [{"name": "whole", "resources": [{"name": "nvidia.com/gpu", "nominalQuota": nominal}]}],
            }
        ],
    }
    if cohort:
        spec["cohortName"] = cohort
    return obj("ClusterQueue", name, api="kueue.x-k8s.io/v1beta2", spec=spec)


def local_queue(namespace: str, target: str) -> Body:
    return obj("LocalQueue", "main", namespace, "kueue.x-k8s.io/v1beta2", spec={"clusterQueue": target})


def only(namespace: str) -> Body:
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}


KUEUE = [
    cluster_queue("a-queue", only("a")),
    cluster_queue("b-queue", only("b")),
    local_queue("a", "a-queue"),
    local_queue("b", "b-queue"),
]


MAKES_QUEUES = right("lq", "create", "localqueues", "kueue.x-k8s.io")


QUEUE_HOLES = [
    Hole(
        "KAI binds no queue to a namespace",
        "Q3",
        [EDITORS, KAI],
        [*PIN_PODS, *PIN_OWNERS],
        "enters queue b-gpus of b",
        "Queue b-gpus",
    ),
    Hole(
        "KAI reads the owner's label first",
        "Q3",
        [EDITORS, KAI, PIN_PODS],
        [PIN_OWNERS],
        "owned by a Job of a in a enter queue b-gpus",
    ),
    Hole(
        "a namespace that was granted another's queue",
        "Q3",
        [
            EDITORS,
            KAI,
            PIN_OWNERS,
            space("a", annotations={"queues": "a-gpus,b-gpus"}),
            guard(
                "granted",
                "object.metadata.?labels[?'kai.scheduler/queue'].orValue('') in "
                "namespaceObject.metadata.?annotations[?'queues'].orValue('').split(',') + ['']",
            ),
        ],
        [space("a", annotations={"queues": "a-gpus"})],
        "enters queue b-gpus of b",
        "Queue b-gpus",
    ),
    Hole(
        "KAI queues the tenant may write",
        "Q3",
        [EDITORS, KAI, PIN_PODS, PIN_OWNERS, cluster_right("q", "update", "queues", "scheduling.run.ai")],
        [nobody("q")],
        "may write queues",
        "ClusterRole q",
    ),
    Hole(
        "a ClusterQueue that takes work of both",
        "Q3",
        [EDITORS, KUEUE, cluster_queue("b-queue", {}), local_queue("a", "b-queue")],
        [cluster_queue("b-queue", only("b"))],
        "enters ClusterQueue b-queue of b",
        "ClusterQueue b-queue",
    ),
    Hole(
        "a LocalQueue of the tenant's own making",
        "Q3",
        [EDITORS, KUEUE, cluster_queue("b-queue", {}), MAKES_QUEUES],
        [cluster_queue("b-queue", only("b"))],
        "may make a LocalQueue in a",
        "ClusterQueue b-queue",
    ),
    Hole(
        "a deployed pod in another's queue",
        "Q3",
        [KAI, pod("job", "a", {"kai.scheduler/queue": "b-gpus"})],
        [pod("job", "a", {"kai.scheduler/queue": "a-gpus"})],
        "stands in queue b-gpus of b",
        "Pod job",
        strength=Strength.DEPLOYED,
    ),
]


GUARANTEE_HOLES = [
    Hole(
        "borrowing work preempts",
        "Q4",
        [
            cluster_queue("a-queue", only("a"), "all", borrowWithinCohort={"policy": "LowerPriority"}),
            cluster_queue("b-queue", only("b"), "all"),
        ],
        [cluster_queue("a-queue", only("a"), "all", borrowWithinCohort={"policy": "Never"})],
        "that borrows preempts work of b",
        "ClusterQueue a-queue",
    ),
    Hole(
        "cohorts joined by a parent",
        "Q4",
        [
            cluster_queue("a-queue", only("a"), "left", borrowWithinCohort={"policy": "LowerPriority"}),
            cluster_queue("b-queue", only("b"), "right"),
            *[
                obj("Cohort", name, api="kueue.x-k8s.io/v1beta2", spec={"parentName": "root"})
                for name in ("left", "right")
            ],
        ],
        [obj("Cohort", "right", api="kueue.x-k8s.io/v1beta2", spec={"parentName": "other"})],
        "in cohort root",
    ),
    Hole(
        "one ClusterQueue for both",
        "Q4",
        [
            cluster_queue("shared", {}, withinClusterQueue="LowerPriority"),
            local_queue("a", "shared"),
            local_queue("b", "shared"),
        ],
        [cluster_queue("shared", {}, withinClusterQueue="Never")],
        "which both use",
        "ClusterQueue shared",
    ),
    Hole(
        "more promised than there is: 8 + 8 of 8",
        "Q4",
        [
            cluster_queue("a-queue", only("a")),
            cluster_queue("b-queue", only("b")),
            obj("ResourceFlavor", "whole", api="kueue.x-k8s.io/v1beta2", spec={}),
            node(gpu="8"),
        ],
        [node("gpu-2", gpu="8")],
        "16 nvidia.com/gpu of flavor whole are promised and 8 exist",
    ),
    Hole(
        "a department that guarantees less than its tenants: 4 of 8",
        "Q4",
        [kai("a-gpus", parent="x"), kai("x", 8), kai("b-gpus", parent="y"), kai("y", 4)],
        [kai("y", 8)],
        "queue y is guaranteed 4 GPUs and the queues below it 8",
        "Queue y",
    ),
    Hole(
        "GPUs guaranteed without processors",
        "Q4",
        [kai("a-gpus"), kai("b-gpus", cpu=0)],
        [kai("b-gpus", cpu=-1)],
        "over their cpu quota of 0",
        "Queue b-gpus",
    ),
]


ONLY_KAI = guard(
    "kai-only",
    "object.spec.?schedulerName.orValue('') == 'kai-scheduler' || (object.spec.containers + "
    "object.spec.?initContainers.orValue([])).all(c, !('nvidia.com/gpu' in c.?resources.?limits.orValue({})))",
)


MANAGES_ALL = config_map(
    "kueue-manager-config",
    config='{"apiVersion": "config.kueue.x-k8s.io/v1beta2", "manageJobsWithoutQueueName": true, '
    '"integrations": {"frameworks": ["batch/job", "pod"]}}',
)


BYPASS_HOLES = [
    Hole(
        "the default scheduler gives out GPUs",
        "Q5",
        [EDITORS, KAI, NO_NODE_NAME],
        [ONLY_KAI],
        "by the default scheduler",
        stays=True,
    ),
    Hole("pods that name their node", "Q5", [EDITORS, KAI, ONLY_KAI], [NO_NODE_NAME], "names its node", stays=True),
    Hole(
        "Kueue leaves work without a name alone",
        "Q5",
        [
            EDITORS,
            KUEUE,
            NO_NODE_NAME,
            config_map(
                "kueue-manager-config",
                config="apiVersion: config.kueue.x-k8s.io/v1beta1\nmanageJobsWithoutQueueName: false\n",
            ),
        ],
        [MANAGES_ALL],
        "Kueue does not hold it",
    ),
    Hole(
        "Kueue holds jobs and not pods",
        "Q5",
        [
            EDITORS,
            KUEUE,
            NO_NODE_NAME,
            config_map(
                "kueue-manager-config",
                config="apiVersion: config.kueue.x-k8s.io/v1beta1\nmanageJobsWithoutQueueName: true\n"
                "integrations:\n  frameworks:\n  - batch/job\n# - pod\n",
            ),
        ],
        [MANAGES_ALL],
        "Kueue does not hold it",
    ),
    Hole(
        "a tenant that binds pods itself",
        "Q5",
        [EDITORS, KAI, ONLY_KAI, NO_NODE_NAME, right("binder", "create", "pods/binding")],
        [bind("binder", "Role/binder", "group:other", namespace="a")],
        "may bind pods of a to nodes",
        "Role binder",
    ),
    Hole(
        "a deployed pod past the queues",
        "Q5",
        [KAI, pod("train", "a", limits={"nvidia.com/gpu": "1"})],
        [pod("train", "a", limits={"nvidia.com/gpu": "1"}, schedulerName="kai-scheduler")],
        "takes GPUs past the queues",
        "Pod train",
        strength=Strength.DEPLOYED,
    ),
]


HOLES = [*QUEUE_HOLES, *GUARANTEE_HOLES, *BYPASS_HOLES]


TestHoles = holes_checked(HOLES)


CASES = [
    Case("no queues at all", "Q3", [EDITORS]),
    Case(
        "queues of another scheduler",
        "Q3",
        [EDITORS, obj("Queue", "q", api="scheduling.volcano.sh/v1beta1", spec={})],
        "scheduler.other-queues-reviewed",
    ),
    Case(
        "a ClusterQueue without a selector takes nothing",
        "Q3",
        [EDITORS, KUEUE, cluster_queue("b-queue", None), local_queue("a", "b-queue")],
    ),
    Case(
        "one's own second queue is no hijack",
        "Q3",
        [
            EDITORS,
            kai("a-gpus"),
            kai("a-more"),
            *PIN_OWNERS,
            *guard("own", "object.metadata.?labels[?'kai.scheduler/queue'].orValue('a-').startsWith('a-')"),
        ],
    ),
    Case(
        "taking back what was lent is no violation",
        "Q4",
        [
            cluster_queue("a-queue", only("a"), "all", reclaimWithinCohort="Any"),
            cluster_queue("b-queue", only("b"), "all"),
        ],
    ),
    Case(
        "a department with no bound",
        "Q4",
        [kai("a-gpus", parent="x"), kai("x", -1), kai("b-gpus", parent="y"), kai("y", -1)],
    ),
    Case(
        "queues of two shards never meet",
        "Q4",
        [kai("a-gpus", shard="x"), kai("b-gpus", cpu=0, shard="y")],
    ),
    Case(
        "projects live in the control plane of Run:ai",
        "Q4",
        [labelled_space("a", {"runai/queue": "a"})],
        "runai.projects-reviewed",
    ),
    Case(
        "Kueue is there and nobody shows its configuration",
        "Q5",
        [EDITORS, KUEUE, NO_NODE_NAME],
        "kueue.manages-unlabelled-work",
    ),
    Case("GPUs a namespace may not have need no queue", "Q5", [EDITORS, KAI, quota(gpu="0")]),
]


TestCases = cases_checked(CASES)


def test_every_name_a_policy_could_let_in_by_its_beginning_is_tried() -> None:
    queues = [kai(name) for name in ("a-gpus", "aa-gpus", "b-gpus", "c-gpus")]
    pinned = guard(
        "beginnings",
        "object.metadata.?labels[?'kai.scheduler/queue'].orValue('') == '' || "
        "['a-', 'c-'].exists(p, object.metadata.labels['kai.scheduler/queue'].startsWith(p))",
        groups=["*"],
        resources=["*"],
    )
    seen = view(EDITORS, queues, pinned, tenants={name: [name] for name in ("a", "aa", "b", "c")})
    found = decide(BY_ID["Q3"], seen)
    assert {name: claim.verdict.value for name, claim in found.items()} == {
        "aa": "PROVED",
        "b": "PROVED",
        "c": "VIOLATED",
    }


def test_a_queue_of_nobody_that_several_enter_is_shared() -> None:
    shared = guard("one", "object.metadata.?labels[?'kai.scheduler/queue'].orValue('') in ['', 'common']")
    found = decide(BY_ID["Q3"], view(EDITORS, kai("common"), shared))
    assert found[""].verdict is Verdict.VIOLATED
    free = decide(BY_ID["Q3"], view(EDITORS, kai("common", gpu=0), shared, PIN_OWNERS))
    assert free[""].verdict is Verdict.PROVED
