"""Channels of GPUs: each hole is found with its witness, closed by its guard, and left open where a fact is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from device_objects import (
    CDI,
    MPS,
    OPERATOR_NAMESPACE,
    SLICED,
    UNSHARED,
    claims,
    cluster_policy,
    guard,
    in_red_and_blue,
    labelled_node,
    manifest,
    namespace,
    no,
    node,
    of_red,
    plugin_config,
    pod,
    rights,
    subscription,
    toolkit,
    view,
    world,
)
from holes import Case, Hole, cases_checked, flat, holes_checked
from hypothesis import given
from hypothesis import strategies as st
from safe_clusters import Body, rule
from share_objects import quota

from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Strength
from tenantry.safe.channels.gpu import CHANNELS
from tenantry.safe.gpu.sharing import layout_block, sharings

pytest.importorskip("cel_expr_python", reason="CEL is not installed")

GPUS = {"nvidia.com/gpu": "8"}
REFUSES_ENVIRONMENT = {"ACCEPT_NVIDIA_VISIBLE_DEVICES_ENVVAR_WHEN_UNPRIVILEGED": "false"}
NO_RUNTIME_CLASS = "object.spec.?runtimeClassName.orValue('') == ''"
NO_ANNOTATIONS = "object.metadata.?annotations.orValue({}).all(k, !k.startsWith('nvidia.cdi.k8s.io/'))"
NO_FRACTIONS = "object.metadata.?annotations.orValue({}).all(k, !(k in ['gpu-fraction', 'gpu-memory']))"
NO_CLAIMS = "false"
SHARED_GPUS = "requests.nvidia.com/gpu.shared"
MIG_CONFIG = "nvidia.com/mig.config"
PLUGIN_CONFIG = "nvidia.com/device-plugin.config"


def kai() -> list[Body]:
    api = "scheduling.run.ai/v2"
    return [manifest(api, "Queue", name, spec={"resources": {}}) for name in ("red", "blue")]


def layouts(text: str) -> Body:
    return manifest("v1", "ConfigMap", "mig", OPERATOR_NAMESPACE, data={"config.yaml": text})


LAYOUTS = """version: v1
mig-configs:
  all-disabled:
    - devices: all
      mig-enabled: false
  split:
    - devices: all
      mig-enabled: true
      mig-devices:
        "1c.3g.71gb": 2
  plain:
    - devices: all
      mig-enabled: true
      mig-devices: {"3g.71gb": 2}
"""
PLAIN_LAYOUTS = LAYOUTS.replace("1c.", "")
SHARED_SLICES = SLICED.replace("nvidia.com/gpu", "nvidia.com/mig-1g.18gb")
SHARING = cluster_policy(cdi=CDI, devicePlugin={"config": {"name": "plugin", "default": "plain"}})
MIG_SHARING = cluster_policy(
    cdi=CDI,
    mig={"strategy": "mixed"},
    devicePlugin={"config": {"name": "plugin"}},
    migManager={"config": {"name": "mig"}},
)
EXPORTER_RULE = {"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]}


def exporter_policy(ingress: Body = EXPORTER_RULE) -> Body:
    spec = {
        "podSelector": {"matchLabels": {"app": "nvidia-dcgm-exporter"}},
        "policyTypes": ["Ingress"],
        "ingress": [ingress],
    }
    return manifest("networking.k8s.io/v1", "NetworkPolicy", "exporter", OPERATOR_NAMESPACE, spec=spec)


def runs(image: str) -> Body:
    container = {"name": "main", "image": image}
    return {"selector": {}, "template": {"metadata": {}, "spec": {"containers": [container]}}}


HOLES = [
    Hole(
        "runtime class and variable",
        "G1",
        world(cluster_policy(cdi=CDI), node(allocatable=GPUS), profile="restricted"),
        guard("runtime", NO_RUNTIME_CLASS),
        "runtime class",
        stays=True,
    ),
    Hole(
        "runtime class, closed in the toolkit",
        "G1",
        world(cluster_policy(cdi=CDI), node(allocatable=GPUS), profile="restricted"),
        [cluster_policy(cdi=CDI, toolkit=toolkit(**REFUSES_ENVIRONMENT))],
        "runtime class",
    ),
    Hole(
        "default runtime of nodes",
        "G1",
        world(
            cluster_policy(cdi=CDI, toolkit=toolkit(NVIDIA_RUNTIME_SET_AS_DEFAULT="true")),
            guard("runtime", NO_RUNTIME_CLASS),
            profile="restricted",
        ),
        [cluster_policy(cdi=CDI, toolkit=toolkit(NVIDIA_RUNTIME_SET_AS_DEFAULT="true", **REFUSES_ENVIRONMENT))],
        "all containers run with the NVIDIA runtime",
        "gpu-cluster-policy",
    ),
    Hole(
        "privileged container although the toolkit refuses variables",
        "G1",
        world(cluster_policy(cdi=CDI, toolkit=toolkit(**REFUSES_ENVIRONMENT))),
        [namespace("red", "restricted"), namespace("blue", "restricted")],
        "privileged",
        together=True,
    ),
    Hole(
        "annotation with the NRI plugin on",
        "G2",
        world(cluster_policy(cdi={"enabled": True, "nriPluginEnabled": True})),
        guard("annotations", NO_ANNOTATIONS),
        "annotation",
        "gpu-cluster-policy",
    ),
    Hole(
        "device files of the host",
        "G3",
        world(cluster_policy(cdi=CDI)),
        [namespace("red", "baseline"), namespace("blue", "baseline")],
        "device files",
        together=True,
    ),
    Hole(
        "mounts read as requests",
        "G3",
        world(
            cluster_policy(cdi=CDI, toolkit=toolkit(ACCEPT_NVIDIA_VISIBLE_DEVICES_AS_VOLUME_MOUNTS="true")),
            guard(
                "dev", "object.spec.?volumes.orValue([]).all(v, !(has(v.hostPath) && v.hostPath.path != '/dev/null'))"
            ),
        ),
        guard("mounts", "object.spec.?volumes.orValue([]).all(v, !has(v.hostPath))"),
        "mount the toolkit reads",
        "gpu-cluster-policy",
        stays=True,
    ),
    Hole(
        "time-sliced GPUs that two tenants get",
        "G4",
        world(SHARING, plugin_config(plain=UNSHARED, shared=SLICED), labelled_node("gpu-1", {PLUGIN_CONFIG: "shared"})),
        [no("blue", "nvidia.com/gpu.shared")],
        "red and blue get the same GPU",
        "plugin",
    ),
    Hole(
        "time-sliced GPUs, closed by a taint nobody else tolerates",
        "G4",
        world(
            SHARING,
            plugin_config(plain=UNSHARED, shared=SLICED),
            labelled_node("gpu-1", {PLUGIN_CONFIG: "shared"}, "pool=red"),
        ),
        guard(
            "pools",
            "request.namespace == 'red' || object.spec.?tolerations.orValue([]).all(t, t.?key.orValue('') != 'pool')",
        ),
        "red and blue get the same GPU",
        "plugin",
    ),
    Hole(
        "time-sliced GPUs as a node reports them",
        "G4",
        world(
            SHARING,
            labelled_node("gpu-1", {"nvidia.com/gpu.sharing-strategy": "time-slicing", "nvidia.com/gpu.replicas": "4"}),
        ),
        [labelled_node("gpu-1", {"nvidia.com/gpu.sharing-strategy": "none"})],
        "red and blue get the same GPU",
        "gpu-1",
    ),
    Hole(
        "default configuration that shares, with no node known",
        "G4",
        world(SHARING, plugin_config(plain=SLICED)),
        [plugin_config(plain=UNSHARED)],
        "nodes that no object names",
        "plugin",
    ),
    Hole(
        "GPUs behind MPS that two tenants get",
        "G5",
        world(SHARING, plugin_config(plain=UNSHARED, shared=MPS), labelled_node("gpu-1", {PLUGIN_CONFIG: "shared"})),
        [no("red", "nvidia.com/gpu.shared")],
        "a fatal fault of one ends the other",
        "plugin",
    ),
    Hole(
        "MIG instances that are time-sliced",
        "G6",
        world(
            MIG_SHARING,
            layouts(PLAIN_LAYOUTS),
            plugin_config(default=SHARED_SLICES),
            labelled_node("gpu-1", {MIG_CONFIG: "all-1g.18gb"}),
        ),
        [plugin_config(default=UNSHARED)],
        "nvidia.com/mig-1g.18gb.shared",
        "plugin",
    ),
    Hole(
        "compute instances of one MIG instance",
        "G6",
        world(MIG_SHARING, layouts(LAYOUTS), labelled_node("gpu-1", {MIG_CONFIG: "split"})),
        [layouts(PLAIN_LAYOUTS)],
        "compute instances of one GPU instance share its memory",
        "mig",
    ),
    Hole(
        "fractions of GPUs",
        "G7",
        world(SHARING, kai()),
        guard("fractions", NO_FRACTIONS),
        "fraction",
        "blue",
    ),
    Hole(
        "memory nobody clears",
        "G8",
        world(cluster_policy(cdi=CDI), node(allocatable=GPUS)),
        [no("blue", "nvidia.com/gpu")],
        "nothing clears GPU memory",
        facts={"gpu.memory-scrubbing": "none"},
    ),
    Hole(
        "toolkit pinned to a vulnerable version",
        "G9",
        world(cluster_policy(cdi=CDI, toolkit={"version": "v1.17.7-ubi8"}), subscription()),
        [cluster_policy(cdi=CDI)],
        "CVE-2025-23266",
        "gpu-cluster-policy",
        {"gpu.vulnerabilities-reviewed": True},
    ),
    Hole(
        "operator installed at a vulnerable version",
        "G9",
        world(cluster_policy(), subscription("gpu-operator-certified.v24.6.1", "v24.6")),
        [subscription()],
        "CVE-2024-0132",
        "gpu",
        {"gpu.vulnerabilities-reviewed": True},
    ),
    Hole(
        "operator that hands out every RDMA device",
        "G9",
        world(
            cluster_policy(cdi=CDI),
            subscription("gpu-operator-certified.v26.3.1", "v26.3"),
            manifest("sriovnetwork.openshift.io/v1", "SriovNetworkNodePolicy", "rail", "sriov", spec={"isRdma": True}),
        ),
        [subscription()],
        "every RDMA device of the node",
        "rail",
        {"gpu.vulnerabilities-reviewed": True},
    ),
    Hole(
        "right to exec into the operator's pods",
        "G10",
        world(
            cluster_policy(cdi=CDI),
            subscription(),
            rights("red", rule("create", "pods/exec"), inside=OPERATOR_NAMESPACE),
        ),
        rights("red", rule("get", "pods/log"), inside=OPERATOR_NAMESPACE),
        "pods/exec",
        "red-1-gpu-operator",
        together=True,
    ),
    *(
        Hole(
            f"right to {verb} {resource} where the operator runs",
            "G10",
            world(
                cluster_policy(cdi=CDI),
                subscription(),
                rights("red", rule(verb, resource, group), inside=OPERATOR_NAMESPACE),
            ),
            rights("red", rule("list", resource, group), inside=OPERATOR_NAMESPACE),
            resource,
            "red-1-gpu-operator",
            together=True,
        )
        for verb, group, resource in [
            ("update", "apps", "daemonsets"),
            ("create", "batch", "cronjobs"),
            ("patch", "", "configmaps"),
            ("create", "", "pods/portforward"),
        ]
    ),
    Hole(
        "right to change pods where images of the operator run",
        "G10",
        world(
            cluster_policy(cdi=CDI),
            subscription(),
            manifest("apps/v1", "DaemonSet", "plugin", "gpus", spec=runs("nvcr.io/nvidia/k8s-device-plugin:v0.17.1")),
            namespace("gpus"),
            rights("red", rule("patch", "pods"), inside="gpus"),
        ),
        rights("red", rule("get", "pods"), inside="gpus"),
        "pods",
        "red-1-gpus",
        together=True,
    ),
    Hole(
        "claims to devices in use",
        "G11",
        world(
            cluster_policy(cdi=CDI),
            {
                **namespace("red"),
                "metadata": namespace("red", **{"resource.kubernetes.io/admin-access": "true"})["metadata"],
            },
            rights("red", POD := rule("create", "pods"), rule("create", "resourceclaims", "resource.k8s.io")),
        ),
        [namespace("red")],
        "adminAccess",
        "red",
    ),
    Hole(
        "exporter open to every pod",
        "G12",
        world(cluster_policy(cdi=CDI), subscription()),
        [exporter_policy()],
        "port 9400",
        facts={"cni": "ovn-kubernetes", "cni.enforces-network-policies": True},
    ),
    Hole(
        "exporter open to a namespace label of tenants",
        "G12",
        world(
            cluster_policy(cdi=CDI),
            subscription(),
            exporter_policy(
                {"from": [{"namespaceSelector": {"matchExpressions": [{"key": "tenant", "operator": "Exists"}]}}]}
            ),
        ),
        [exporter_policy()],
        "port 9400",
        "exporter",
        {"cni": "ovn-kubernetes", "cni.enforces-network-policies": True},
    ),
]


TestHoles = holes_checked(in_red_and_blue(HOLES))


@pytest.mark.parametrize("hole", HOLES, ids=lambda hole: f"{hole.channel}: {hole.name}")
def test_what_could_be_submitted_is_not_counted_as_deployed(hole: Hole) -> None:
    found = of_red(hole.channel, view(flat(hole.objects), hole.facts, Strength.DEPLOYED))
    assert found.verdict is not Verdict.VIOLATED or hole.channel in {"G9", "G10", "G12"}, found


WEBHOOK = manifest(
    "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration",
    "opaque",
    webhooks=[
        {
            "name": "pods.example.com",
            "failurePolicy": "Fail",
            "clientConfig": {"service": {"name": "opaque", "namespace": "kube-system"}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        }
    ],
)
TOLERATES_NONE = "object.spec.?tolerations.orValue([]).all(t, t.?key.orValue('') != 'pool')"
KEEPS_BLUE_OFF = f"request.namespace != 'blue' || {TOLERATES_NONE}"
KEEPS_RED_OFF = f"request.namespace != 'red' || {TOLERATES_NONE}"
WITH_QUOTA = quota("red", "devices", **{"requests.nvidia.com/gpu": "8"})

CASES = [
    Case(
        "whether the toolkit reads variables",
        "G1",
        world(WITH_QUOTA, profile="restricted"),
        "toolkit.accepts-environment",
    ),
    Case(
        "which runtime is the default",
        "G1",
        world(cluster_policy(), guard("runtime", NO_RUNTIME_CLASS), profile="restricted"),
        "runtime.nvidia-default",
        settled={"runtime.nvidia-default": False},
    ),
    Case(
        "what a webhook refuses",
        "G1",
        world(cluster_policy(cdi=CDI), WEBHOOK),
        "what ValidatingWebhookConfiguration opaque refuses",
    ),
    Case("whether the NRI plugin is on", "G2", world(WITH_QUOTA), "ClusterPolicy spec.cdi.nriPluginEnabled"),
    Case(
        "which nodes choose to share",
        "G4",
        world(SHARING, plugin_config(plain=UNSHARED, shared=SLICED)),
        "labels and taints of nodes",
    ),
    Case("how GPUs are shared", "G4", world(WITH_QUOTA), "how GPUs are shared"),
    Case(
        "nodes of a configuration that no known node chooses",
        "G4",
        world(
            SHARING,
            plugin_config(plain=UNSHARED, mine=SLICED, other=SLICED),
            labelled_node("gpu-1", {PLUGIN_CONFIG: "mine"}, "pool=red"),
            guard("pools", KEEPS_BLUE_OFF),
        ),
        "labels and taints of nodes",
    ),
    Case(
        "nodes of a layout with compute instances",
        "G6",
        world(MIG_SHARING, layouts(LAYOUTS), labelled_node("gpu-1", {MIG_CONFIG: "plain"})),
        "labels and taints of nodes",
    ),
    Case(
        "whether there are nodes a tenant can land on besides those it is kept off",
        "G2",
        world(
            cluster_policy(cdi={"nriPluginEnabled": True}),
            node(taint="pool=blue", allocatable=GPUS),
            guard("pools", KEEPS_RED_OFF),
        ),
        "labels and taints of nodes",
    ),
    Case(
        "memory of nodes that only a queue speaks of",
        "G8",
        world(
            cluster_policy(cdi=CDI),
            node(taint="pool=red", allocatable=GPUS),
            guard("pools", KEEPS_BLUE_OFF),
            WITH_QUOTA,
            manifest("kueue.x-k8s.io/v1beta1", "ResourceFlavor", "second", spec={"nodeLabels": {"pool": "second"}}),
        ),
        "gpu.memory-scrubbing",
    ),
    Case(
        "whether memory is cleared",
        "G8",
        world(cluster_policy(cdi=CDI), node(allocatable=GPUS)),
        "gpu.memory-scrubbing",
        settled={"gpu.memory-scrubbing": "reset-between-tenants"},
    ),
    Case(
        "whether vulnerabilities without a fix matter",
        "G9",
        world(cluster_policy(cdi=CDI), subscription()),
        "gpu.vulnerabilities-reviewed",
        settled={"gpu.vulnerabilities-reviewed": True},
    ),
    Case(
        "version of a floating channel",
        "G9",
        world(cluster_policy(), subscription("", "stable")),
        "version of gpu-operator",
        facts={"gpu.vulnerabilities-reviewed": True},
    ),
    Case(
        "patch version of a channel",
        "G9",
        world(cluster_policy(), subscription("", "v25.3")),
        "patch version of gpu-operator 25.3",
        facts={"gpu.vulnerabilities-reviewed": True},
    ),
    Case(
        "where the operator runs",
        "G10",
        [body for body in world(cluster_policy(cdi=CDI)) if body["metadata"]["name"] != OPERATOR_NAMESPACE],
        "namespace of the GPU Operator",
    ),
    Case(
        "whether network policies have effect",
        "G12",
        world(cluster_policy(cdi=CDI), subscription(), exporter_policy()),
        "cni",
        settled={"cni": "ovn-kubernetes", "cni.enforces-network-policies": True},
    ),
]


TestCases = cases_checked(in_red_and_blue(CASES))


# --- what is no violation ---------------------------------------------------------------------------------------------

HARMLESS = [
    (
        "a time-sliced pool of one tenant",
        "G4",
        world(SHARING, plugin_config(plain=SLICED), no("blue", "nvidia.com/gpu.shared")),
    ),
    ("whole GPUs of two tenants", "G4", world(SHARING, plugin_config(plain=UNSHARED), node(allocatable=GPUS))),
    (
        "MIG instances of two tenants",
        "G6",
        world(MIG_SHARING, layouts(PLAIN_LAYOUTS), labelled_node("n", {MIG_CONFIG: "plain"})),
    ),
    ("memory of a pool of one tenant", "G8", world(SHARING, node(allocatable=GPUS), no("red", "nvidia.com/gpu"))),
    (
        "memory in confidential computing mode",
        "G8",
        world(cluster_policy(ccManager={"enabled": True, "defaultMode": "on"}), node(allocatable=GPUS)),
    ),
    (
        "an escape that CDI rules out",
        "G9",
        world(cluster_policy(cdi=CDI, toolkit={"version": "1.99.0"}), subscription()),
    ),
    (
        "fractions only one tenant may ask for",
        "G7",
        world(SHARING, kai(), guard("f", f"request.namespace == 'red' || ({NO_FRACTIONS})")),
    ),
    ("an exporter that is switched off", "G12", world(cluster_policy(dcgmExporter={"enabled": False}), subscription())),
    (
        "claims without the label",
        "G11",
        world(cluster_policy(), rights("red", rule("create", "resourceclaims", "resource.k8s.io"))),
    ),
    *[(f"no GPUs at all: {channel.id}", channel.id, world()) for channel in CHANNELS],
]


@pytest.mark.parametrize(("name", "channel", "objects"), HARMLESS, ids=[case[0] for case in HARMLESS])
def test_what_harms_nobody_is_proved(name: str, channel: str, objects: list[Body]) -> None:
    del name
    facts: dict[str, Any] = {"gpu.vulnerabilities-reviewed": True}
    found = claims(channel, view(objects, facts))
    assert {item.verdict for item in found} == {Verdict.PROVED}, found


DEPLOYED = [
    (
        "G1",
        pod(
            "red",
            runtimeClassName="nvidia",
            container={"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]},
        ),
        world(cluster_policy(cdi=CDI)),
    ),
    (
        "G2",
        pod("red", annotations={"nvidia.cdi.k8s.io/container.main": "k8s.device-plugin.nvidia.com/gpu=all"}),
        world(cluster_policy(cdi={"nriPluginEnabled": True})),
    ),
    (
        "G3",
        pod("red", volumes=[{"name": "d", "hostPath": {"path": "/dev/nvidia0"}}]),
        world(cluster_policy(cdi=CDI)),
    ),
    (
        "G4",
        pod("red", limits={"nvidia.com/gpu.shared": "1"}),
        world(SHARING, plugin_config(plain=SLICED), pod("blue", limits={"nvidia.com/gpu.shared": "1"})),
    ),
]


@pytest.mark.parametrize(("channel", "work", "objects"), DEPLOYED, ids=[case[0] for case in DEPLOYED])
def test_a_deployed_pod_is_a_witness_at_every_strength(channel: str, work: Body, objects: list[Body]) -> None:
    for strength in Strength:
        found = of_red(channel, view([*objects, work], strength=strength))
        assert found.verdict is Verdict.VIOLATED, (strength, found)
        assert found.witness is not None
        assert "work" in {step.by.name for step in found.witness.steps if step.by}
    assert of_red(channel, view(objects, strength=Strength.DEPLOYED)).verdict is Verdict.PROVED


def test_all_nodes_of_a_live_cluster_are_known() -> None:
    objects = world(
        cluster_policy(cdi={"nriPluginEnabled": True}),
        node(taint="pool=blue", allocatable=GPUS),
        guard("pools", KEEPS_RED_OFF),
    )
    assert of_red("G2", view(objects, live=True)).verdict is Verdict.PROVED


def test_the_worst_vulnerability_is_shown() -> None:
    objects = world(cluster_policy(cdi=CDI, toolkit={"version": "v1.16.1"}), subscription())
    found = of_red("G9", view(objects))
    assert found.witness is not None
    # CVE-2024-0132 is critical too, but containers get their GPUs by CDI here.
    assert "CVE-2025-23266" in found.witness.summary


def test_pods_that_asked_for_their_gpus_are_left_alone() -> None:
    work = pod(
        "red",
        limits={"nvidia.com/gpu": "1"},
        runtimeClassName="nvidia",
        container={"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]},
    )
    seen = view([*world(cluster_policy(cdi=CDI)), work], strength=Strength.DEPLOYED)
    assert of_red("G1", seen).verdict is Verdict.PROVED


def test_a_quota_the_tenant_may_raise_is_no_guard() -> None:
    objects = world(SHARING, plugin_config(plain=SLICED), no("blue", "nvidia.com/gpu.shared"))
    writes = rights("blue", rule("update", "resourcequotas"), rule("create", "pods"))
    assert of_red("G4", view(objects)).verdict is Verdict.PROVED
    assert of_red("G4", view([*objects, *writes])).verdict is Verdict.VIOLATED


def test_nodes_held_as_json_in_a_config_map_count_as_nodes() -> None:
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {PLUGIN_CONFIG: "shared"}}}
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": [body]})
    config = manifest("v1", "ConfigMap", "nodes", "kube-system", data={"nodes.json": listed})
    found = of_red("G4", view(world(SHARING, plugin_config(plain=UNSHARED, shared=SLICED), config)))
    assert found.verdict is Verdict.VIOLATED
    assert found.witness is not None
    assert dict(found.witness.details)["nodes"] == ["n"]


def test_taints_set_by_a_job_keep_pods_away() -> None:
    command = ["kubectl", "taint", "nodes", "--overwrite", "gpu-1", "pool=red:NoSchedule"]
    job = manifest(
        "batch/v1",
        "Job",
        "taint",
        "kube-system",
        spec={"template": {"spec": {"containers": [{"name": "t", "command": command}]}}},
    )
    keeps = guard(
        "pools",
        "request.namespace == 'red' || object.spec.?tolerations.orValue([]).all(t, t.?key.orValue('') != 'pool')",
    )
    objects = world(SHARING, plugin_config(plain=SLICED), labelled_node("gpu-1", {"a": "b"}), keeps)
    assert of_red("G4", view(objects)).verdict is Verdict.VIOLATED
    assert of_red("G4", view([*objects, job])).verdict is Verdict.PROVED


def test_a_namespace_that_lets_nothing_in_for_an_unknown_reason_is_no_proof() -> None:
    strange = guard("strange", "object.metadata.?labels[?'cost-centre'].orValue('') == '4711'")
    found = of_red("G1", view(world(cluster_policy(cdi=CDI), strange)))
    assert found.verdict is not Verdict.PROVED


def test_pods_come_into_namespaces_without_a_right_to_create_them_too() -> None:
    objects = [body for body in world(cluster_policy(cdi=CDI)) if body["kind"] not in {"Role", "RoleBinding"}]
    assert of_red("G3", view(objects)).verdict is Verdict.VIOLATED


def test_claims_are_the_same_whatever_the_order_of_objects() -> None:
    objects = world(SHARING, plugin_config(plain=SLICED), kai())
    for channel in ("G4", "G7"):
        assert claims(channel, view(objects)) == claims(channel, view(list(reversed(objects))))


def test_a_fact_that_expired_settles_nothing() -> None:
    seen = view(
        world(cluster_policy(cdi=CDI), node(allocatable=GPUS)), {"gpu.memory-scrubbing": "reset-between-tenants"}
    )
    fact = seen.declared.facts["gpu.memory-scrubbing"]
    expired = replace(seen.declared, facts={fact.id: replace(fact, expired=True)})
    seen.declared = expired
    assert of_red("G8", seen).verdict is Verdict.UNKNOWN


# --- reading texts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SLICED, [("time-slicing", "nvidia.com/gpu.shared")]),
        (SLICED.replace("true", "false"), [("time-slicing", "nvidia.com/gpu")]),
        (MPS, [("MPS", "nvidia.com/gpu.shared")]),
        (UNSHARED, []),
        (SLICED.replace("replicas: 4", "replicas: 1"), []),
        ("", []),
        (
            '{"sharing": {"timeSlicing": {"resources": [{"name": "nvidia.com/gpu", "replicas": 2}]}}}',
            [("time-slicing", "nvidia.com/gpu")],
        ),
        (
            "sharing: {timeSlicing: {resources: [{name: nvidia.com/mig-1g.18gb, replicas: 2}]}}",
            [("time-slicing", "nvidia.com/mig-1g.18gb")],
        ),
        ("sharing:\n  timeSlicing: *anchor\n", [("time-slicing", "nvidia.com/gpu")]),
    ],
    ids=["renamed", "not renamed", "MPS", "comment", "one replica", "empty", "JSON", "flow", "alias counts as shared"],
)
def test_sharing_is_found_in_configuration_texts(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(str(item.mode), item.resource) for item in sharings(text)] == expected


@given(st.sampled_from(["timeSlicing", "mps"]), st.integers(2, 99), st.integers(0, 6), st.booleans())
def test_no_indentation_or_quoting_hides_sharing(word: str, replicas: int, indent: int, quoted: bool) -> None:
    key = f'"{word}"' if quoted else word
    pad = " " * indent
    text = (
        f"sharing:\n{pad} {key}:\n{pad}   resources:\n{pad}   - replicas: {replicas}\n{pad}     name: nvidia.com/gpu\n"
    )
    assert len(sharings(text)) == 1


def test_a_layout_ends_where_the_next_begins() -> None:
    block = layout_block(LAYOUTS, "all-disabled")
    assert block is not None
    assert "mig-enabled: false" in block
    assert "1c.3g" not in block
    assert layout_block(LAYOUTS, "absent") is None


@pytest.mark.parametrize(
    ("selector", "verdict"),
    [
        ({"labels": {"matchLabels": {"tenant": "blue"}}}, Verdict.PROVED),
        ({"labels": {"matchLabels": {"tenant": "green"}}}, Verdict.VIOLATED),
        ({"annotations": {"owner": "blue"}}, Verdict.VIOLATED),
        ({"labels": {"matchExpressions": "not a list of expressions"}}, Verdict.VIOLATED),
        ({}, Verdict.VIOLATED),
    ],
    ids=["its namespace", "another's", "an annotation it lacks", "unreadable", "no selector"],
)
def test_a_quota_over_several_namespaces_counts_where_it_selects(selector: Body, verdict: Verdict) -> None:
    spec = {"selector": selector, "quota": {"hard": {"requests.nvidia.com/gpu.shared": "0"}}}
    limit = manifest("quota.openshift.io/v1", "ClusterResourceQuota", "blue", spec=spec)
    found = of_red("G4", view(world(SHARING, plugin_config(plain=SLICED), limit)))
    assert found.verdict is verdict


def test_a_quota_with_scopes_counts_some_pods_only() -> None:
    scoped = no("blue", "nvidia.com/gpu.shared")
    scoped["spec"]["scopes"] = ["BestEffort"]
    assert of_red("G4", view(world(SHARING, plugin_config(plain=SLICED), scoped))).verdict is Verdict.VIOLATED


def test_a_quota_over_several_namespaces_counts_while_the_labels_it_selects_by_stay() -> None:
    spec = {"selector": {"labels": {"matchLabels": {"tenant": "blue"}}}, "quota": {"hard": {SHARED_GPUS: "0"}}}
    limit = manifest("quota.openshift.io/v1", "ClusterResourceQuota", "blue", spec=spec)
    objects = world(SHARING, plugin_config(plain=SLICED), limit)
    relabels = rights("blue", rule("patch", "namespaces"), rule("create", "pods"))
    assert of_red("G4", view(objects)).verdict is Verdict.PROVED
    assert of_red("G4", view([*objects, *relabels])).verdict is Verdict.VIOLATED
