"""Quotas: what is unbounded, what lifts a bound, and how many objects fit; each hole with what closes it."""

from __future__ import annotations

from typing import Any

import pytest
from holes import BY_ID, Case, Hole, cases_checked, holes_checked
from safe_clusters import OPENSHIFT, RBAC, Body, bind, decide, guard, obj, view
from share_objects import EDITORS, cluster_right, config_map, gpu_policy, nobody, node, pod, quota, right, space

from tenantry.model.tenancy import Strength

pytest.importorskip("cel_expr_python", reason="CEL is not installed")

COMPUTE = {
    "requests.cpu": "10",
    "requests.memory": "10Gi",
    "requests.ephemeral-storage": "10Gi",
    "pods": "10",
    "persistentvolumeclaims": "5",
    "requests.storage": "1Ti",
    "services.loadbalancers": "0",
}


def full(gpu: str = "8", **changes: Any) -> Body:
    return quota("a", **{**COMPUTE, "gpu": gpu, **changes})


def without(key: str) -> Body:
    return quota("a", **{name: value for name, value in {**COMPUTE, "gpu": "8"}.items() if name != key})


GPU_NODE = node(gpu="8")


def cluster_quota(labels: Body, **hard: Any) -> Body:
    spec = {"selector": {"labels": {"matchLabels": labels}}, "quota": {"hard": hard}}
    return obj("ClusterResourceQuota", "shared", api="quota.openshift.io/v1", spec=spec)


SLICED = (
    "sharing:\n  timeSlicing:\n    renameByDefault: true\n    resources:\n"
    "    - name: nvidia.com/gpu\n      replicas: 4\n"
)


MIG = (
    "version: v1\nmig-configs:\n  halves:\n    - devices: all\n      mig-enabled: true\n      mig-devices:\n"
    '        "3g.71gb": 2\n  sevenths:\n    - devices: all\n      mig-devices: {"1g.18gb": 7}\n'
)


QUOTA_HOLES = [
    Hole("no quota at all", "Q1", [EDITORS, GPU_NODE], [full()], "any amount of"),
    *[
        Hole(f"key {key} missing", "Q1", [EDITORS, GPU_NODE, without(key)], [full()], "a")
        for key in ("requests.cpu", "requests.memory", "requests.ephemeral-storage", "pods", "gpu")
    ],
    Hole(
        "GPUs of a node without a key",
        "Q1",
        [EDITORS, GPU_NODE, quota(**COMPUTE)],
        [full()],
        "any amount of nvidia.com/gpu",
        "Node gpu-1",
    ),
    Hole(
        "time-sliced replicas renamed by a device plugin configuration",
        "Q1",
        [
            EDITORS,
            gpu_policy(devicePlugin={"config": {"name": "plugin"}}),
            config_map("plugin", sliced=SLICED),
            full(),
        ],
        [full(**{"requests.nvidia.com/gpu.shared": "0"})],
        "any amount of nvidia.com/gpu.shared",
        "ConfigMap plugin",
    ),
    Hole(
        "a MIG profile of the configuration a node was given",
        "Q1",
        [
            EDITORS,
            gpu_policy(mig={"strategy": "mixed"}, migManager={"config": {"name": "mig"}}),
            config_map("mig", config_yaml=MIG),
            node(labels={"nvidia.com/mig.config": "halves"}),
            full(),
        ],
        [full(**{"requests.nvidia.com/mig-3g.71gb": "0"})],
        "any amount of nvidia.com/mig-3g.71gb",
        "ConfigMap mig",
    ),
    Hole(
        "virtual functions of a node policy",
        "Q1",
        [
            EDITORS,
            GPU_NODE,
            obj(
                "SriovNetworkNodePolicy",
                "fast",
                "ops",
                "sriovnetwork.openshift.io/v1",
                spec={"resourceName": "fast", "numVfs": 8},
            ),
            full(),
        ],
        [full(**{"requests.openshift.io/fast": "8"})],
        "any amount of openshift.io/fast",
        "SriovNetworkNodePolicy fast",
    ),
    Hole(
        "shared RDMA devices of the network operator",
        "Q1",
        [
            EDITORS,
            GPU_NODE,
            obj(
                "NicClusterPolicy",
                "nic-cluster-policy",
                api="mellanox.com/v1alpha1",
                spec={"rdmaSharedDevicePlugin": {"config": '{"configList": [{"resourceName": "hca"}]}'}},
            ),
            full(),
        ],
        [full(**{"requests.rdma/hca": "0"})],
        "any amount of rdma/hca",
    ),
    Hole(
        "an amount nobody can read",
        "Q1",
        [EDITORS, GPU_NODE, full(pods="ten")],
        [full()],
        "any amount of pods",
    ),
    Hole(
        "load balancers",
        "Q1",
        [EDITORS, GPU_NODE, without("services.loadbalancers")],
        [full()],
        "any number of Service objects",
    ),
    Hole(
        "load balancers, closed by a guard instead",
        "Q1",
        [EDITORS, GPU_NODE, without("services.loadbalancers")],
        [guard("cluster-ip", "object.spec.?type.orValue('') != 'LoadBalancer'", resources=["services"])],
        "any number of Service objects",
    ),
    Hole(
        "claims without a bound on their size",
        "Q1",
        [EDITORS, GPU_NODE, without("requests.storage")],
        [full()],
        "any number of PersistentVolumeClaim",
    ),
    Hole(
        "a quota for jobs only",
        "Q1",
        [
            EDITORS,
            GPU_NODE,
            without("requests.cpu"),
            quota(name="jobs", scopes=["Terminating"], **{"requests.cpu": "5"}),
        ],
        [quota(name="servers", scopes=["NotTerminating"], **{"requests.cpu": "5"})],
        "any amount of cpu",
    ),
    Hole(
        "a quota the tenant may delete",
        "Q1",
        [EDITORS, GPU_NODE, full(), right("q", "delete", "resourcequotas")],
        [guard("quotas", "false", resources=["resourcequotas"], operations=["UPDATE", "DELETE"])],
        "may change or delete ResourceQuota a/quota",
        "Role q",
    ),
    Hole(
        "namespaces of the tenant's own making",
        "Q1",
        [EDITORS, GPU_NODE, full(), cluster_right("makers", "create", "namespaces")],
        [nobody("makers")],
        "may create namespaces",
        "ClusterRole makers",
    ),
    Hole(
        "a cluster quota over namespaces of two tenants",
        "Q1",
        [
            EDITORS,
            GPU_NODE,
            OPENSHIFT,
            space("a", team="x"),
            space("b", team="x"),
            full(),
            cluster_quota({"team": "x"}, pods="5"),
            obj(
                "ClusterRoleBinding",
                "self-provisioners",
                api=f"{RBAC}/v1",
                subjects=[],
                roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": "self-provisioner"},
            ),
        ],
        [cluster_quota({"kubernetes.io/metadata.name": "a"}, pods="5")],
        "which also bounds b",
        "ClusterResourceQuota shared",
    ),
    Hole(
        "a deployed pod with GPUs nobody bounds",
        "Q1",
        [GPU_NODE, quota(**COMPUTE), pod("train", "a", limits={"nvidia.com/gpu": "4"})],
        [full()],
        "nvidia.com/gpu",
        "Pod train",
        strength=Strength.DEPLOYED,
    ),
]


COUNTS = {
    "configmaps": "10",
    "secrets": "10",
    "services": "10",
    "pods": "10",
}


MAKER = right("maker", "create", "configmaps secrets services pods")


FLOOD_HOLES = [
    *[
        Hole(
            f"any number of {key}",
            "Q7",
            [MAKER, quota(**{name: value for name, value in COUNTS.items() if name != key})],
            [quota(**COUNTS)],
            f"any number of {key}",
        )
        for key in COUNTS
    ],
    Hole(
        "any number of jobs",
        "Q7",
        [right("j", "create", "jobs", "batch")],
        [quota(**{"count/jobs.batch": "5"})],
        "any number of jobs",
    ),
    Hole(
        "any number of objects of a custom kind",
        "Q7",
        [
            obj(
                "CustomResourceDefinition",
                "things.example.com",
                api="apiextensions.k8s.io/v1",
                spec={"group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"}},
            ),
            right("t", "*", "*", "*"),
            quota(**{"count/configmaps": "1"}),
        ],
        [bind("t", "Role/t", "group:other", namespace="a")],
        "any number of",
    ),
]


HOLES = [*QUOTA_HOLES, *FLOOD_HOLES]


TestHoles = holes_checked(HOLES)


CASES = [
    Case(
        "kinds that a star names",
        "Q7",
        [right("all", "create", "*", "example.com"), right("pods", "create", "pods"), quota(pods="5")],
        "which kinds the API server stores",
    ),
    Case("nothing shows what nodes offer", "Q1", [EDITORS, full()], "nodes.extended-resources-listed"),
    Case(
        "a MIG configuration nobody shows",
        "Q1",
        [EDITORS, gpu_policy(mig={"strategy": "mixed"}), node(labels={"nvidia.com/mig.config": "own"}), full()],
        "MIG configuration own",
    ),
    Case(
        "an unused MIG configuration asks for no key",
        "Q1",
        [
            EDITORS,
            gpu_policy(mig={"strategy": "mixed"}, migManager={"config": {"name": "mig"}}),
            config_map("mig", config_yaml=MIG),
            full(),
        ],
    ),
    Case("a tenant without rights needs no quota", "Q1", [GPU_NODE]),
    Case(
        "a limit bounds what is requested",
        "Q1",
        [EDITORS, GPU_NODE, without("requests.cpu"), quota(name="more", **{"limits.cpu": "5"})],
    ),
    Case("nothing may be created", "Q7", []),
    Case("objects that exist are no flood", "Q7", [EDITORS], strength=Strength.DEPLOYED),
]


TestCases = cases_checked(CASES)


def test_witness_of_a_missing_quota_lists_every_key_of_every_namespace() -> None:
    seen = view(EDITORS, GPU_NODE, without("pods"))
    claim = decide(BY_ID["Q1"], seen)[""]
    assert claim.witness is not None
    assert dict(claim.witness.details)["unbounded"] == (("a", ("pods",)),)
    assert claim.fix == "add to a ResourceQuota of namespace a: pods"
