"""Noise on nodes, GPUs and fabrics: each hole is found with its witness and closed by what closes it."""

from __future__ import annotations

from typing import Any

import pytest
from holes import BY_ID, Case, Hole, cases_checked, holes_checked
from safe_clusters import OPENSHIFT, Body, decide, guard, obj, view
from share_objects import EDITORS, gpu_policy, node, pod, quota, right

from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Strength

pytest.importorskip("cel_expr_python", reason="CEL is not installed")

MAKER = right("pods", "create", "pods")
LIMITS = quota(**{"limits.memory": "10Gi", "limits.ephemeral-storage": "10Gi"})
SHORT = guard("short", "object.spec.?terminationGracePeriodSeconds.orValue(30) <= 3600")
PIDS = {"node.pids-limit": True}


def limit_range(**default: str) -> Body:
    amounts = {key.replace("_", "-"): value for key, value in default.items()}
    return obj("LimitRange", "limits", "a", spec={"limits": [{"type": "Container", "default": amounts}]})


def kubelet(limit: int) -> Body:
    spec = {"kubeletConfig": {"podPidsLimit": limit}}
    return obj("KubeletConfig", "pids", api="machineconfiguration.openshift.io/v1", spec=spec)


BUDGETS = right("budgets", "create", "poddisruptionbudgets", "policy")
LETS_GO = guard(
    "lets-go",
    "has(object.spec.maxUnavailable) && string(object.spec.maxUnavailable) != '0' && "
    "object.spec.?unhealthyPodEvictionPolicy.orValue('') == 'AlwaysAllow'",
    groups=["policy"],
    resources=["poddisruptionbudgets"],
)

NODE_HOLES = [
    Hole(
        "memory without a limit",
        "R1",
        [MAKER, SHORT, quota(**{"limits.ephemeral-storage": "1Gi"})],
        [LIMITS],
        "may use up memory",
        facts=PIDS,
    ),
    Hole(
        "scratch space without a limit",
        "R1",
        [MAKER, SHORT, quota(**{"limits.memory": "1Gi"})],
        [LIMITS],
        "may use up ephemeral-storage",
        facts=PIDS,
    ),
    Hole(
        "no limits, given by default",
        "R1",
        [MAKER, SHORT],
        [limit_range(memory="1Gi", ephemeral_storage="1Gi")],
        "may use up memory",
        facts=PIDS,
    ),
    Hole(
        "a limit range the tenant may delete",
        "R1",
        [MAKER, SHORT, limit_range(memory="1Gi", ephemeral_storage="1Gi"), right("lr", "delete", "limitranges")],
        [guard("ranges", "false", resources=["limitranges"], operations=["DELETE"])],
        "may change or delete LimitRange a/limits",
        "Role lr",
        PIDS,
    ),
    Hole(
        "huge pages nobody bounds",
        "R1",
        [MAKER, SHORT, LIMITS, node(**{"hugepages-1Gi": "16Gi"})],
        [quota(name="pages", **{"requests.hugepages-1Gi": "0"})],
        "may use up hugepages-1Gi",
        facts=PIDS,
    ),
    Hole(
        "processes without a limit",
        "R1",
        [OPENSHIFT, MAKER, SHORT, LIMITS, kubelet(-1)],
        [kubelet(4096)],
        "lets a pod start processes",
        "KubeletConfig pids",
    ),
    Hole(
        "budgets that block drains",
        "R1",
        [MAKER, SHORT, LIMITS, BUDGETS],
        [LETS_GO],
        "keeps nodes from being drained",
        "Role budgets",
        PIDS,
    ),
    Hole("pods that outlast drains", "R1", [MAKER, LIMITS], [SHORT], "outlasts every drain", facts=PIDS, stays=True),
    Hole(
        "a deployed pod without a limit",
        "R1",
        [pod("hog", "a", limits={"ephemeral-storage": "1Gi"})],
        [pod("hog", "a", limits={"ephemeral-storage": "1Gi", "memory": "1Gi"})],
        "may use up memory of its node",
        "Pod hog",
        strength=Strength.DEPLOYED,
    ),
]

MIG = gpu_policy(devicePlugin={"enabled": True})
UNCAPPED = {"gpu.power-capping": False}
UNCLASSED = {"fabric.traffic-classes": False, "gpu.power-capping": True}
VFS: Body = obj("SriovNetworkNodePolicy", "fast", "ops", "sriovnetwork.openshift.io/v1", spec={"resourceName": "fast"})

DEVICE_HOLES = [
    Hole(
        "GPUs of one node for two tenants",
        "R2",
        [EDITORS, MIG],
        [quota("a", gpu="0")],
        "slows that of others",
        facts=UNCAPPED,
    ),
    Hole(
        "adapters of one node for two tenants",
        "R2",
        [EDITORS, VFS],
        [quota("b", **{"requests.openshift.io/fast": "0"})],
        "load on openshift.io/fast",
        facts=UNCLASSED,
    ),
]

HOLES = [*NODE_HOLES, *DEVICE_HOLES]

TestHoles = holes_checked(HOLES)


CASES = [
    Case("nobody says how many processes a pod may start", "R1", [MAKER, SHORT, LIMITS], "node.pids-limit"),
    Case("OpenShift limits processes by default", "R1", [OPENSHIFT, MAKER, SHORT, LIMITS]),
    Case("a tenant without pods", "R1", []),
    Case("GPUs shared and nobody says whether they are capped", "R2", [EDITORS, MIG], "gpu.power-capping"),
    Case("adapters shared and nobody says how", "R2", [EDITORS, VFS], "fabric.traffic-classes"),
    Case("nodes given whole", "R2", [EDITORS, MIG], facts={"nvlink.partitioning": "whole-node"}),
    Case(
        "slices of one GPU, whoever gets whole nodes",
        "R2",
        [EDITORS, node(**{"nvidia.com/mig-1g.18gb": "7"})],
        "gpu.power-capping",
        {"nvlink.partitioning": "whole-node"},
    ),
    Case("one tenant alone may ask for GPUs", "R2", [MAKER, MIG]),
    Case("no devices", "R2", [EDITORS]),
]


TestCases = cases_checked(CASES)


def test_only_tenants_that_share_a_device_are_concerned() -> None:
    owned: dict[str, list[str]] = {name: [name] for name in "abc"}
    bindings: Any = [*EDITORS, {**EDITORS[0], "metadata": {"name": "c-edit", "namespace": "c"}}]
    bindings[2] = {**bindings[2], "subjects": [{**bindings[2]["subjects"][0], "name": "c"}]}
    seen = view(bindings, MIG, quota("c", gpu="0"), tenants=owned, facts={"gpu.power-capping": False})
    found = decide(BY_ID["R2"], seen)
    assert {name: claim.verdict for name, claim in found.items()} == {"b": Verdict.VIOLATED, "c": Verdict.PROVED}
