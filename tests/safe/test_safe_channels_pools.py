"""Priorities, node pools and the API server's attention: each hole with its witness and what closes it."""

from __future__ import annotations

from typing import Any

import pytest
from holes import Case, Hole, cases_checked, holes_checked
from safe_clusters import Body, guard, obj
from share_objects import EDITORS, NO_NODE_NAME, cluster_right, nobody, node, pod

from tenantry.model.tenancy import Strength

pytest.importorskip("cel_expr_python", reason="CEL is not installed")

CLASS = {"value": 1000, "globalDefault": False}


def priority_class(policy: str = "PreemptLowerPriority", **fields: Any) -> Body:
    body = {**CLASS, "preemptionPolicy": policy, **fields}
    return obj("PriorityClass", "urgent", api="scheduling.k8s.io/v1", **body)


SYSTEM_CLASSES = guard("classes", "!object.spec.?priorityClassName.orValue('').startsWith('system-')")


NO_CLASSES = guard("no-classes", "object.spec.?priorityClassName.orValue('') == ''")


PRIORITY_HOLES = [
    Hole(
        "a class that preempts",
        "Q2",
        [EDITORS, SYSTEM_CLASSES, priority_class()],
        [priority_class("Never")],
        "class urgent preempts",
        "PriorityClass urgent",
    ),
    Hole(
        "a class that preempts, refused by a guard",
        "Q2",
        [EDITORS, priority_class()],
        [NO_CLASSES],
        "preempts pods of other tenants",
        stays=True,
    ),
    Hole("classes every cluster has", "Q2", [EDITORS], [SYSTEM_CLASSES], "class system-node-critical", stays=True),
    Hole(
        "a class whose pods no quota counts",
        "Q2",
        [EDITORS, SYSTEM_CLASSES, priority_class()],
        [
            obj(
                "ResourceQuota",
                "few",
                "a",
                spec={
                    "hard": {"pods": "1"},
                    "scopeSelector": {
                        "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["urgent"]}]
                    },
                },
            )
        ],
        "class urgent",
    ),
    Hole(
        "classes of the tenant's own making",
        "Q2",
        [EDITORS, SYSTEM_CLASSES, cluster_right("c", "create", "priorityclasses", "scheduling.k8s.io")],
        [nobody("c")],
        "may write priority classes",
        "ClusterRole c",
    ),
    Hole(
        "a deployed pod that outranks another's",
        "Q2",
        [priority_class(), pod("strong", "a", priorityClassName="urgent"), pod("weak", "b")],
        [pod("weak", "b", priorityClassName="urgent")],
        "can preempt Pod b/weak",
        "Pod strong",
        strength=Strength.DEPLOYED,
    ),
]


FAIR = {"api-server.priority-and-fairness": True}


def flow_schema(subject: Body, level: str = "ours") -> Body:
    spec = {"priorityLevelConfiguration": {"name": level}, "rules": [{"subjects": [subject]}]}
    return obj("FlowSchema", "fast-lane", api="flowcontrol.apiserver.k8s.io/v1", spec=spec)


def level(kind: str) -> Body:
    return obj("PriorityLevelConfiguration", "ours", api="flowcontrol.apiserver.k8s.io/v1", spec={"type": kind})


TEAM = {"kind": "Group", "group": {"name": "a"}}


FAIRNESS_HOLES = [
    Hole(
        "a flow schema that exempts the tenant",
        "Q6",
        [flow_schema(TEAM), level("Exempt")],
        [level("Limited")],
        "served by level ours",
        "FlowSchema fast-lane",
        FAIR,
    ),
    Hole(
        "a flow schema into a level of the cluster",
        "Q6",
        [flow_schema({"kind": "ServiceAccount", "serviceAccount": {"namespace": "a", "name": "*"}}, "workload-high")],
        [flow_schema(TEAM, "global-default")],
        "served by level workload-high",
        "",
        FAIR,
    ),
    Hole(
        "flow schemas the tenant may write",
        "Q6",
        [cluster_right("f", "create", "flowschemas", "flowcontrol.apiserver.k8s.io")],
        [nobody("f")],
        "may write flowschemas",
        "ClusterRole f",
        FAIR,
    ),
]


TAINT = {"key": "pool", "value": "b", "effect": "NoSchedule"}


DEDICATED = node("b-node", taints=[TAINT])


OWN_POOLS = guard(
    "own-pools",
    "object.spec.?tolerations.orValue([]).all(t, t.?key.orValue('') == 'pool' && t.?operator.orValue('Equal') == "
    "'Equal' && t.?value.orValue('') == namespaceObject.metadata.name)",
)


POOL_HOLES = [
    Hole(
        "a toleration is free",
        "Q8",
        [EDITORS, DEDICATED, NO_NODE_NAME],
        [OWN_POOLS],
        "tolerates pool=b and runs on nodes of b",
        "Node b-node",
    ),
    Hole(
        "pods that name their node pass every taint",
        "Q8",
        [EDITORS, DEDICATED, OWN_POOLS],
        [NO_NODE_NAME],
        "names its node",
        stays=True,
    ),
    Hole(
        "labels of nodes the tenant may write",
        "Q8",
        [EDITORS, DEDICATED, OWN_POOLS, NO_NODE_NAME, cluster_right("n", "patch", "nodes")],
        [nobody("n")],
        "may change nodes",
        "ClusterRole n",
    ),
    Hole(
        "nodes labelled for a tenant and not tainted",
        "Q8",
        [EDITORS, OWN_POOLS, NO_NODE_NAME, node("b-node", {"example.com/team": "b"})],
        [node("b-node", {"example.com/team": "b"}, [TAINT])],
        "labelled for b",
        "Node b-node",
    ),
    Hole(
        "a pool tainted by a Job",
        "Q8",
        [
            EDITORS,
            NO_NODE_NAME,
            obj(
                "Job",
                "taints",
                "ops",
                "batch/v1",
                spec={
                    "template": {
                        "spec": {
                            "containers": [
                                {"name": "t", "command": ["kubectl", "taint", "nodes", "n1", "pool=b:NoSchedule"]}
                            ]
                        }
                    }
                },
            ),
        ],
        [OWN_POOLS],
        "tolerates pool=b",
        "Job taints",
    ),
    Hole(
        "a deployed pod on another's nodes",
        "Q8",
        [DEDICATED, pod("guest", "a", tolerations=[{"operator": "Exists"}])],
        [pod("guest", "a")],
        "tolerates the nodes of b",
        "Pod guest",
        strength=Strength.DEPLOYED,
    ),
]


HOLES = [*PRIORITY_HOLES, *FAIRNESS_HOLES, *POOL_HOLES]


TestHoles = holes_checked(HOLES)


CASES = [
    Case(
        "a class that is not above the default preempts nobody",
        "Q2",
        [EDITORS, SYSTEM_CLASSES, priority_class(value=0)],
    ),
    Case("system classes the API server limits", "Q2", [EDITORS], facts={"api-server.priority-classes-limited": True}),
    Case("fairness is a flag of the API server", "Q6", [EDITORS], "api-server.priority-and-fairness"),
    Case(
        "built-in schemas are fine",
        "Q6",
        [
            obj(
                "FlowSchema",
                "exempt",
                api="flowcontrol.apiserver.k8s.io/v1",
                spec={
                    "priorityLevelConfiguration": {"name": "exempt"},
                    "rules": [{"subjects": [{"kind": "Group", "group": {"name": "system:authenticated"}}]}],
                },
            )
        ],
        facts=FAIR,
    ),
    Case("nobody says which nodes are set aside", "Q8", [EDITORS, NO_NODE_NAME], "nodes.dedicated-pools-listed"),
    Case("one's own pool", "Q8", [EDITORS, NO_NODE_NAME, node("a-node", taints=[{**TAINT, "value": "a"}])]),
    Case(
        "a taint that only asks for GPUs sets nothing aside",
        "Q8",
        [EDITORS, NO_NODE_NAME, node(taints=[{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}])],
    ),
]


TestCases = cases_checked(CASES)
