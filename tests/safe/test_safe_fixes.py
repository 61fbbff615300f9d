"""Fixes: of every channel a hole is found, its fix is applied, and the verdict flips; what cannot be tried is words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from holes import BY_ID, Hole, World, check_fixed, worst
from safe_clusters import (
    ADMISSION,
    EDIT,
    OPENSHIFT,
    RBAC,
    Body,
    bind,
    cluster_role,
    obj,
    role,
    rule,
    snapshot,
    space,
    view,
)

from tenantry.model.change import Change, Op, changed
from tenantry.model.finding import Verdict
from tenantry.model.manifest import ManifestKey, key_of
from tenantry.model.tenancy import Strength
from tenantry.safe import cel
from tenantry.safe.channels import CHANNELS
from tenantry.safe.fixes.search import Fixer

needs_cel = pytest.mark.skipif(not cel.available(), reason="CEL is not installed")

NET = "networking.k8s.io/v1"
OVN: dict[str, Any] = {"cni": "ovn-kubernetes", "cni.enforces-network-policies": True}
GROUP = "policy-group.network.openshift.io/ingress"


def holding(*rules: Body, namespace: str = "") -> list[Body]:
    return [cluster_role("held", *rules), bind("held", "ClusterRole/held", "group:a", namespace=namespace)]


def pod(name: str, namespace: str, **spec: Any) -> Body:
    containers = [{"name": "main", "image": "registry.example.com/main:1"}]
    return obj("Pod", name, namespace, spec={"containers": containers, **spec})


def netpol(name: str, namespace: str, *rules: Body) -> Body:
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": list(rules)}
    return obj("NetworkPolicy", name, namespace, NET, spec=spec)


def argo(*namespaces: str, **spec: Any) -> list[Body]:
    fields: Body = {
        "sourceRepos": ["https://git.example.com/a.git"],
        "destinations": [{"server": "https://kubernetes.default.svc", "namespace": name} for name in namespaces],
        "clusterResourceWhitelist": [],
        "namespaceResourceBlacklist": [{"group": "*", "kind": "*"}],
        "roles": [{"name": "dev", "groups": ["a"], "policies": ["p, proj:a:dev, applications, sync, a/*, allow"]}],
        **spec,
    }
    rules = obj("ConfigMap", "argocd-rbac-cm", "argocd", data={})
    return [rules, obj("AppProject", "a", "argocd", "argoproj.io/v1alpha1", spec=fields)]


def shared_network(selector: Body) -> Body:
    spec = {
        "namespaceSelector": selector,
        "network": {"topology": "Layer2", "layer2": {"role": "Primary", "subnets": ["10.100.0.0/16"]}},
    }
    return obj("ClusterUserDefinedNetwork", "shared", api="k8s.ovn.org/v1", spec=spec)


PRIMARY = {"k8s.ovn.org/primary-user-defined-network": ""}
SERVES = obj("IngressClass", "nginx", api=NET, spec={"controller": "k8s.io/ingress-nginx"})
LEADS = obj(
    "ValidatingWebhookConfiguration",
    "hook",
    api=ADMISSION,
    webhooks=[{"name": "w", "clientConfig": {"service": {"name": "w", "namespace": "a"}}}],
)
USE = rule("use", "securitycontextconstraints", "security.openshift.io", "privileged")


def hole(name: str, channel: str, *objects: Any, **more: Any) -> Any:
    return pytest.param(Hole(name, channel, list(objects), [], "", **more), id=f"{channel}: {name}")


FLIPS = [
    hole("no network policy", "N1", pod("web", "b"), EDIT, facts=OVN),
    hole("a rule that lets in everybody", "N1", pod("web", "b"), netpol("open", "b", {}), EDIT, facts=OVN),
    hole(
        "two rules, each of which lets in everybody",
        "N1",
        pod("web", "b"),
        netpol("open", "b", {}, {"from": [{"namespaceSelector": {}}]}),
        EDIT,
        facts=OVN,
    ),
    hole(
        "a victim that may open its network policies",
        "N1",
        pod("web", "b"),
        netpol("shut", "b"),
        bind("b-edit", "ClusterRole/edit", "group:b", namespace="b"),
        EDIT,
        facts=OVN,
        strength=Strength.CARELESS,
    ),
    hole("the host network", "N2", space("a", ""), EDIT, facts=OVN),
    hole("a deployed pod there", "N2", pod("agent", "a", hostNetwork=True), strength=Strength.DEPLOYED, facts=OVN),
    hole(
        "a namespace that passes for the router",
        "N3",
        space("a", **{GROUP: ""}),
        netpol("routers", "b", {"from": [{"namespaceSelector": {"matchLabels": {GROUP: ""}}}]}),
        facts=OVN,
    ),
    hole("external addresses", "N4", EDIT, facts={"api-server.external-ips-denied": False}),
    hole("status of services", "N4", holding(rule("patch", "services/status"), namespace="a")),
    hole("endpoints", "N5", holding(rule("create", "endpointslices", "discovery.k8s.io"), namespace="a"), SERVES),
    hole("its egress firewall", "N6", holding(rule("delete", "egressfirewalls", "k8s.ovn.org"), namespace="a")),
    hole(
        "a network in common",
        "N7",
        space("a", **PRIMARY),
        space("b", **PRIMARY),
        shared_network({"matchExpressions": [{"key": next(iter(PRIMARY)), "operator": "Exists"}]}),
        pod("web", "b"),
        EDIT,
        facts=OVN,
    ),
    hole("the configuration of DNS", "N8", holding(rule("update", "configmaps"), namespace="kube-system")),
    hole("an open namespace", "H1", space("a", ""), EDIT),
    hole("labels it may change", "H1", holding(rule("patch", "namespaces")), EDIT),
    hole("a deployed pod that shares processes", "H1", pod("p", "a", hostPID=True), strength=Strength.DEPLOYED),
    hole("labels of namespaces", "H2", holding(rule("patch", "namespaces")), EDIT),
    hole(
        "broader constraints",
        "H3",
        *(space("a", ""), EDIT, OPENSHIFT, role("p", "a", USE)),
        bind("p", "Role/p", "sa:a/robot", namespace="a"),
    ),
    hole("a kernel in common", "H4", facts={"kernel.shared-accepted": False}, words=True),
    hole("acting as service accounts", "A1", holding(rule("impersonate", "serviceaccounts"), namespace="b"), EDIT),
    hole("running commands", "A2", holding(rule("create", "pods/exec"), namespace="b"), EDIT),
    hole("reading secrets of all", "A3", holding(rule("get", "secrets")), EDIT),
    hole("writing cluster roles", "A6", holding(rule("create", "clusterroles", RBAC))),
    hole("changing nodes", "A4", holding(rule("patch", "nodes"))),
    hole("a webhook that the tenant answers", "A5", LEADS, EDIT),
    hole(
        "a right that aggregation adds",
        "A6",
        cluster_role(
            "operator", rule("update", "resourcequotas"), labels={"rbac.authorization.k8s.io/aggregate-to-edit": "true"}
        ),
        EDIT,
    ),
    hole(
        "operators nobody trusts",
        "A7",
        holding(rule("create", "widgets", "example.com"), namespace="a"),
        facts={"operators.reviewed": False},
    ),
    hole(
        "rights of everybody",
        "A8",
        cluster_role("held", rule("get", "secrets")),
        bind("all", "ClusterRole/held", "group:system:authenticated"),
    ),
    hole("a project with the namespace of another", "D1", argo("a", "b")),
    hole(
        "a project with cluster-scoped kinds", "D1", argo("a", clusterResourceWhitelist=[{"group": "*", "kind": "*"}])
    ),
    hole(
        "writing applications",
        "D2",
        argo("a"),
        holding(rule("create", "applications", "argoproj.io"), namespace="argocd"),
    ),
    hole(
        "a line of Argo CD's roles",
        "D2",
        argo("a")[1],
        obj("ConfigMap", "argocd-rbac-cm", "argocd", data={"policy.csv": "p, a, applications, *, */*, allow\n"}),
    ),
    hole("everybody may merge", "D3", argo("a"), facts={"gitops.write-access": "everyone"}, words=True),
]
"""A hole of every channel that the tables of other modules leave out."""


@needs_cel
@pytest.mark.parametrize("given", FLIPS)
def test_a_fix_flips_the_verdict(given: Hole) -> None:
    spaces = {key_of(body).namespace for item in given.objects for body in (item if isinstance(item, list) else [item])}
    platform = sorted(spaces - {"", "a", "b"})
    homes = [space(name) for name in platform]
    check_fixed(replace(given, objects=[*given.objects, *homes], world=World("a", "b", rest_is_platform=True)))


def test_every_channel_has_a_hole_whose_fix_is_tried() -> None:
    """With the tables of the other modules, which run the same check."""
    import test_safe_channels_clients as clients
    import test_safe_channels_fabric as fabric
    import test_safe_channels_gpu as gpu
    import test_safe_channels_noise as noise
    import test_safe_channels_pools as pools
    import test_safe_channels_queues as queues
    import test_safe_channels_quotas as quotas
    import test_safe_channels_storage as storage

    modules = (clients, fabric, gpu, noise, pools, queues, quotas, storage)
    tables = [value for module in modules for value in vars(module).values() if isinstance(value, list)]
    found = {item.channel for table in tables for item in table if isinstance(item, Hole)}
    assert found | {param.values[0].channel for param in FLIPS} == {channel.id for channel in CHANNELS}


# --- the search ------------------------------------------------------------------------------------------------------


def test_the_smallest_change_comes_first() -> None:
    seen = view(pod("web", "b"), netpol("open", "b", {}), EDIT, facts=OVN)

    fix = Fixer(seen, BY_ID).fix(worst(seen, "N1"))

    policy = ManifestKey(NET, "NetworkPolicy", "b", "open")
    assert fix is not None
    assert fix.changes == (Change(Op.REMOVE, policy, ("spec", "ingress", 0)),)
    assert (fix.leaves, fix.rest) == (Verdict.PROVED, "")


def test_holes_one_behind_the_other_are_closed_by_one_fix() -> None:
    plain: dict[str, Any] = {"cni": "calico", "cni.enforces-network-policies": True}
    seen = view(pod("web", "b"), netpol("open", "b", {}, {"from": [{"namespaceSelector": {}}]}), EDIT, facts=plain)

    fix = Fixer(seen, BY_ID).fix(worst(seen, "N1"))

    assert fix is not None
    assert fix.leaves is Verdict.PROVED
    assert [(item.op, item.pointer) for item in fix.changes] == [(Op.REMOVE, ("spec", "ingress", 0))] * 2


def test_a_tenant_keeps_the_roles_it_works_with() -> None:
    """Without its rights it could do nothing to anybody, which is no fix."""
    seen = view(space("a", ""), EDIT)

    fix = Fixer(seen, BY_ID).fix(worst(seen, "H1"))

    assert fix is not None
    assert [item.key.kind for item in fix.changes] == ["Namespace"]


def test_what_every_cluster_has_is_left_as_it_is() -> None:
    for given in FLIPS:
        hole_ = given.values[0]
        seen = World("a", "b", rest_is_platform=True).view(hole_.objects, facts=hole_.facts, strength=hole_.strength)
        claims = [item for item in [worst(seen, hole_.channel)] if item.verdict is Verdict.VIOLATED]
        for claim in claims:
            fix = Fixer(seen, BY_ID).fix(claim)
            for change in fix.changes if fix is not None else ():
                key = change.key
                there = seen.given.get(key.group, key.kind, key.name, key.namespace) is not None
                assert there or change.op is Op.CREATE


def test_no_fix_is_believed_without_a_trial() -> None:
    seen = view(pod("web", "b"), netpol("open", "b", {}), EDIT, facts=OVN)

    assert Fixer(seen, BY_ID, effort=0).fix(worst(seen, "N1")) is None


# --- changes ---------------------------------------------------------------------------------------------------------

QUOTA = obj("ResourceQuota", "quota", "a", spec={"hard": {"pods": "1"}})
KEY = key_of(QUOTA)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            Change(Op.SET, KEY, ("spec", "hard", "pods"), "2"), {"hard": {"pods": "2"}}, id="a field that is there"
        ),
        pytest.param(
            Change(Op.SET, KEY, ("spec", "more", "pods"), "2"),
            {"hard": {"pods": "1"}, "more": {"pods": "2"}},
            id="a field below one that is not",
        ),
        pytest.param(Change(Op.REMOVE, KEY, ("spec", "hard", "pods")), {"hard": {}}, id="a field that is taken away"),
        pytest.param(
            Change(Op.ADD, KEY, ("spec", "scopes"), "Terminating"),
            {"hard": {"pods": "1"}, "scopes": ["Terminating"]},
            id="an item of a list that is not there yet",
        ),
    ],
)
def test_a_change_is_made_in_a_copy(change: Change, expected: Body) -> None:
    before = snapshot(QUOTA)

    after = changed(before, [change])

    assert after is not None
    kept, new = (item.get("", "ResourceQuota", "quota", "a") for item in (before, after))
    assert kept is not None
    assert new is not None
    assert kept.body["spec"] == {"hard": {"pods": "1"}}
    assert new.body["spec"] == expected
    assert new.location == kept.location


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(Change(Op.REMOVE, KEY, ("spec", "other")), id="taking away what is not there"),
        pytest.param(
            Change(Op.SET, KEY._replace(name="other"), ("spec", "hard"), {}), id="an object that is not there"
        ),
        pytest.param(Change(Op.CREATE, KEY, (), QUOTA), id="making what is there"),
        pytest.param(Change(Op.SET, KEY, ("spec", "hard", "pods", "x"), "2"), id="a field of a text"),
        pytest.param(Change(Op.ADD, KEY, ("spec", "hard"), "2"), id="an item of what is no list"),
        pytest.param(Change(Op.SET, KEY, (), {}), id="a whole object"),
    ],
)
def test_a_change_that_does_not_apply_is_no_change(change: Change) -> None:
    assert changed(snapshot(QUOTA), [change]) is None


def test_objects_are_made_and_deleted() -> None:
    other = obj("ResourceQuota", "other", "a")

    after = changed(snapshot(QUOTA), [Change(Op.CREATE, key_of(other), (), other), Change(Op.DELETE, KEY)])

    assert after is not None
    assert [item.key.name for item in after] == ["other"]
