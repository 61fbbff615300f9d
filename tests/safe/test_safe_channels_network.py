"""N1 to N8: each channel broken, guarded, unguarded again, and not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tenantry.model.claim import Claim
from tenantry.model.finding import Verdict
from tenantry.model.manifest import Manifest, ManifestKey
from tenantry.model.problem import Location
from tenantry.model.selector import parse_selector
from tenantry.model.snapshot import Snapshot
from tenantry.model.tenancy import Declared, Permission, SignedFact, Strength, Tenancy, TenantIdentity
from tenantry.safe.channels.network import CHANNELS
from tenantry.safe.verify import verify
from tenantry.safe.view import View

if TYPE_CHECKING:
    from collections.abc import Mapping

Body = dict[str, Any]

SIGNED: dict[str, str | bool] = {"cni": "ovn-kubernetes", "cni.enforces-network-policies": True}
UNSIGNED: dict[str, str | bool] = {}
PROVED, VIOLATED, UNKNOWN = Verdict.PROVED, Verdict.VIOLATED, Verdict.UNKNOWN
NETWORKING = "networking.k8s.io/v1"
ADMIN = "policy.networking.k8s.io/v1alpha1"
RBAC = "rbac.authorization.k8s.io/v1"
TENANT = "example.com/tenant"


# --- objects ---------------------------------------------------------------------------------------------------------


def thing(api: str, kind: str, name: str, namespace: str = "", **fields: Any) -> Body:
    metadata: Body = {"name": name, **({"namespace": namespace} if namespace else {})}
    for field in ("labels", "annotations"):
        if field in fields:
            metadata[field] = fields.pop(field)
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}


def space(name: str, tenant: str, **labels: str) -> Body:
    return thing("v1", "Namespace", name, labels={TENANT: tenant, **labels})


def pod(namespace: str, name: str = "web", labels: dict[str, str] | None = None, **spec: Any) -> Body:
    containers = [{"name": "main", "image": "x", "ports": spec.pop("ports", [])}]
    more = {"annotations": spec.pop("annotations")} if "annotations" in spec else {}
    return thing(
        "v1", "Pod", name, namespace, labels=labels or {"app": "web"}, spec={"containers": containers, **spec}, **more
    )


def netpol(namespace: str, name: str = "deny", pods: Body | None = None, **spec: Any) -> Body:
    types = [word for word in ("Ingress", "Egress") if word.lower() in spec or word == "Ingress"]
    body = {"podSelector": pods or {}, "policyTypes": spec.pop("types", types), **spec}
    return thing(NETWORKING, "NetworkPolicy", name, namespace, spec=body)


def admin(name: str, tenant: str, *rules: Body, priority: int = 10) -> Body:
    subject = {"namespaces": {"matchLabels": {TENANT: tenant}}}
    spec = {"priority": priority, "subject": subject, "ingress": list(rules)}
    return thing(ADMIN, "AdminNetworkPolicy", name, spec=spec)


def deny_others(tenant: str) -> Body:
    others = {"matchExpressions": [{"key": TENANT, "operator": "NotIn", "values": [tenant]}]}
    return admin(f"only-{tenant}", tenant, {"action": "Deny", "from": [{"namespaces": others}]})


def grant(namespace: str, group: str, *rules: tuple[str, str, str]) -> list[Body]:
    """Give a group rights in a namespace, as triples of API group, plurals and verbs."""
    name = f"{group}-rights"
    listed = [
        {"apiGroups": [api], "resources": plurals.split(), "verbs": verbs.split()} for api, plurals, verbs in rules
    ]
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    return [
        thing(RBAC, "Role", name, namespace, rules=listed),
        thing(RBAC, "RoleBinding", name, namespace, roleRef=role, subjects=[subject]),
    ]


def cluster_grant(group: str, api: str, plurals: str, verbs: str) -> list[Body]:
    name = f"{group}-wide"
    rules = [{"apiGroups": [api], "resources": plurals.split(), "verbs": verbs.split()}]
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    return [
        thing(RBAC, "ClusterRole", name, rules=rules),
        thing(RBAC, "ClusterRoleBinding", name, roleRef=role, subjects=[subject]),
    ]


def guard(name: str, api: str, plurals: str, expression: str, operations: str = "CREATE UPDATE") -> list[Body]:
    """Return an admission policy with its binding."""
    group, _, version = api.rpartition("/")
    rule = {
        "apiGroups": [group],
        "apiVersions": [version],
        "resources": plurals.split(),
        "operations": operations.split(),
    }
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    registration = "admissionregistration.k8s.io/v1"
    return [
        thing(registration, "ValidatingAdmissionPolicy", name, spec=spec),
        thing(registration, "ValidatingAdmissionPolicyBinding", name, spec=binding),
    ]


TENANTS = {"ant": ("ant",), "bee": ("bee",)}
SPACES = [space("ant", "ant"), space("bee", "bee"), thing("v1", "Namespace", "kube-system")]


def view(
    bodies: list[Body],
    *,
    facts: dict[str, str | bool] | None = None,
    strength: Strength = Strength.ADVERSARIAL,
    permissions: tuple[Permission, ...] = (),
    tenants: Mapping[str, tuple[str, ...]] | None = None,
) -> View:
    snapshot = Snapshot([Manifest(body, Location("cluster.yaml")) for body in [*SPACES, *bodies]])
    chosen = TENANTS if tenants is None else tenants
    owned = {namespace for names in chosen.values() for namespace in names}
    identities = tuple(TenantIdentity(name, names, groups=(name,)) for name, names in sorted(chosen.items()))
    signed = SIGNED if facts is None else facts
    declared = Declared(
        permissions=permissions,
        facts={name: SignedFact(name, value, "seen", "Grace") for name, value in signed.items()},
    )
    return View(snapshot, Tenancy(identities, frozenset(set(snapshot.namespaces) - owned)), declared, strength)


def claim(channel: str, bodies: list[Body], pair: tuple[str, str] = ("ant", "bee"), **more: Any) -> Claim:
    """Return the one claim about a pair."""
    chosen = [item for item in CHANNELS if item.id == channel]
    found = [
        item for item in verify(view(bodies, **more), chosen) if item.source == pair[0] and item.target in {"", pair[1]}
    ]
    assert len(found) == 1, found
    return found[0]


def steps(found: Claim) -> list[tuple[str, tuple[str | int, ...]]]:
    """Return the objects on the path of a witness with the places in them."""
    assert found.witness is not None
    return [(str(step.by), step.pointer) for step in found.witness.steps if step.by is not None]


def words(found: Claim) -> str:
    """Return everything a witness says."""
    assert found.witness is not None
    parts = [found.witness.summary]
    parts.extend(f"{step.edge} {step.by or ''} {step.missing}" for step in found.witness.steps)
    return "\n".join(parts)


def detail(found: Claim, name: str) -> Any:
    assert found.witness is not None
    return dict(found.witness.details)[name]


# --- N1 --------------------------------------------------------------------------------------------------------------

EVERYBODY = {"from": [{"namespaceSelector": {}}], "ports": [{"port": 6379}]}
PROMETHEUS = {"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "prometheus"}}}]}
OWN: Body = {"from": [{"podSelector": {}}]}


def test_without_network_policies_pods_connect_and_the_witness_says_so() -> None:
    found = claim("N1", [pod("bee")])
    assert found.verdict is VIOLATED
    assert "no network policy refuses ingress of pod bee/web" in words(found)
    assert detail(found, "target") == {"namespace": "bee", "pod": "web", "labels": {}}


def test_that_pods_connect_without_network_policies_needs_no_fact() -> None:
    assert claim("N1", [pod("bee")], facts=UNSIGNED).verdict is VIOLATED


@pytest.mark.parametrize(
    ("fact", "missing"),
    [
        pytest.param("cni", "cni.enforces-network-policies", id="nobody saw them act"),
        pytest.param("cni.enforces-network-policies", "cni", id="nobody knows the plugin"),
    ],
)
def test_network_policies_prove_nothing_until_it_is_known_that_they_act(fact: str, missing: str) -> None:
    found = claim("N1", [pod("bee"), netpol("bee")], facts={fact: SIGNED[fact]})
    assert found.verdict is UNKNOWN
    assert [item.fact for item in found.missing] == [missing]


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"cni": "flannel", "cni.enforces-network-policies": True}, id="a plugin without network policies"),
        pytest.param({"cni": "calico", "cni.enforces-network-policies": False}, id="somebody saw them fail"),
    ],
)
def test_network_policies_that_do_not_act_protect_nobody(facts: dict[str, str | bool]) -> None:
    found = claim("N1", [pod("bee"), netpol("bee")], facts=facts)
    assert found.verdict is VIOLATED
    assert "network policies are not enforced" in words(found)


WRITES_OWN = grant("ant", "ant", ("networking.k8s.io", "networkpolicies", "create"))

FLIPS = [
    pytest.param([netpol("bee", ingress=[EVERYBODY])], [netpol("bee", ingress=[OWN])], id="a rule for all namespaces"),
    pytest.param([netpol("bee", ingress=[PROMETHEUS])], [netpol("bee", ingress=[OWN])], id="labels anybody may choose"),
    pytest.param([netpol("bee", ingress=[{}])], [netpol("bee", ingress=[])], id="an empty rule"),
    pytest.param([netpol("bee", types=["Egress"])], [netpol("bee")], id="isolated in the other direction only"),
    pytest.param(
        [netpol("bee", pods={"matchLabels": {"app": "api"}})],
        [netpol("bee", pods={"matchLabels": {"app": "web"}})],
        id="another pod is protected",
    ),
    pytest.param(
        [netpol("bee", ingress=[{"from": [{"namespaceSelector": {"matchLabels": {TENANT: "ant"}}}]}])],
        [netpol("bee", ingress=[{"from": [{"namespaceSelector": {"matchLabels": {TENANT: "bee"}}}]}])],
        id="the other tenant by its label",
    ),
    pytest.param(
        [netpol("bee", ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}])],
        [netpol("bee", ingress=[OWN])],
        id="a range that holds every pod",
    ),
    pytest.param(
        [admin("open", "bee", {"action": "Allow", "from": [{"namespaces": {}}]}), netpol("bee")],
        [deny_others("bee"), netpol("bee")],
        id="an Allow above network policies",
    ),
    pytest.param(
        [admin("deny", "bee", {"action": "Deny", "from": [{"pods": {"podSelector": {"matchLabels": {"a": "b"}}}}]})],
        [deny_others("bee")],
        id="a Deny by labels of pods",
    ),
    pytest.param(
        [netpol("ant", name="own", egress=[], types=["Egress"]), *WRITES_OWN],
        [netpol("ant", name="own", egress=[], types=["Egress"])],
        id="a guard on the source's side that it may lift",
    ),
    pytest.param(
        [netpol("bee"), *grant("bee", "ant", ("networking.k8s.io", "networkpolicies", "patch"))],
        [netpol("bee"), *grant("bee", "ant", ("networking.k8s.io", "networkpolicies", "get list"))],
        id="a guard of the target that the source may rewrite",
    ),
    pytest.param(
        [netpol("bee"), *grant("bee", "ant", ("networking.k8s.io", "networkpolicies", "delete"))],
        [netpol("bee"), deny_others("bee"), *grant("bee", "ant", ("networking.k8s.io", "networkpolicies", "delete"))],
        id="a guard of the target that the source may delete",
    ),
    pytest.param(
        [deny_others("bee"), *cluster_grant("ant", "policy.networking.k8s.io", "adminnetworkpolicies", "update")],
        [deny_others("bee"), *cluster_grant("ant", "policy.networking.k8s.io", "adminnetworkpolicies", "get")],
        id="the admin tier in the hands of the source",
    ),
    pytest.param(
        [deny_others("bee"), *cluster_grant("ant", "", "namespaces", "get patch")],
        [
            deny_others("bee"),
            *cluster_grant("ant", "", "namespaces", "get patch"),
            *guard("freeze", "v1", "namespaces", "object.metadata.labels == oldObject.metadata.labels", "UPDATE"),
        ],
        id="labels of namespaces in the hands of the source",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "guarded"), FLIPS)
def test_a_guard_decides_whether_pods_connect(broken: list[Body], guarded: list[Body]) -> None:
    found = claim("N1", [pod("bee"), *broken])
    assert found.verdict is VIOLATED, found.missing
    assert claim("N1", [pod("bee"), *guarded]).verdict is PROVED
    if len(guarded) == 1:
        assert claim("N1", [pod("bee")]).verdict is VIOLATED


def test_the_witness_names_the_rules_of_both_ends() -> None:
    out = {"to": [{"namespaceSelector": {}}], "ports": [{"port": 6379}, {"port": 5432}]}
    objects = [pod("bee"), netpol("bee", ingress=[OWN, EVERYBODY]), netpol("ant", egress=[out], types=["Egress"])]
    found = claim("N1", objects)
    assert steps(found) == [
        ("NetworkPolicy ant/deny", ("spec", "egress", 0)),
        ("NetworkPolicy bee/deny", ("spec", "ingress", 1)),
    ]
    assert (detail(found, "protocol"), detail(found, "port")) == ("TCP", 6379)


def test_the_witness_chooses_labels_that_satisfy_what_it_must_match_and_nothing_it_must_not() -> None:
    scraper = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["prometheus", "agent"]}]}
    rules = [{"from": [{"namespaceSelector": {}, "podSelector": scraper}]}]
    refused = {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "agent"}}}}
    denied = admin("no-agents", "bee", {"action": "Deny", "from": [refused]})
    found = claim("N1", [pod("bee"), netpol("bee", ingress=rules), denied])
    assert found.verdict is VIOLATED
    assert detail(found, "source")["labels"] == {"app": "prometheus"}


def not_labelled(expression: str) -> list[Body]:
    return guard("labels", "v1", "pods", f"!has(object.metadata.labels) || ({expression})")


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        pytest.param(
            "!('app' in object.metadata.labels) || object.metadata.labels['app'] != 'prometheus'", PROVED, id="value"
        ),
        pytest.param("!('app' in object.metadata.labels)", PROVED, id="key"),
        pytest.param(
            "!('app' in object.metadata.labels) || object.metadata.labels['app'] != 'x'", VIOLATED, id="other"
        ),
        pytest.param("!('application' in object.metadata.labels)", VIOLATED, id="other key"),
    ],
)
def test_labels_that_admission_refuses_are_no_choice(expression: str, verdict: Verdict) -> None:
    makes = grant("ant", "ant", ("", "pods", "create update"))
    objects = [pod("bee"), netpol("bee", ingress=[PROMETHEUS]), *makes]
    assert claim("N1", objects).verdict is VIOLATED
    refusing = not_labelled(expression)
    assert claim("N1", [*objects, *refusing]).verdict is verdict
    # Bound to nothing it refuses nothing; and what is only checked at creation can be changed afterwards.
    assert claim("N1", [*objects, refusing[0]]).verdict is VIOLATED
    creation = guard("labels", "v1", "pods", f"!has(object.metadata.labels) || ({expression})", "CREATE")
    assert claim("N1", [*objects, *creation]).verdict is VIOLATED


APP = "object.metadata.?labels[?'app'].orValue('')"
TIER = "object.metadata.?labels[?'tier'].orValue('')"
ZONE = "object.metadata.?labels[?'zone'].orValue('')"


def readmitted(found: Claim, bodies: list[Body]) -> bool:
    """Whether admission lets in a pod with exactly the labels of the witness."""
    source = detail(found, "source")
    probe = pod("ant", "again", source["labels"])
    return view(bodies).envelope(source["namespace"]).admits(probe).admitted


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        pytest.param(f"{APP} != 'prometheus' || {TIER} == 'y'", {"app": "prometheus", "tier": "y"}, id="with another"),
        pytest.param(
            f"{APP} != 'prometheus' || ({TIER} == 'y' && {ZONE} == 'north')",
            {"app": "prometheus", "tier": "y", "zone": "north"},
            id="with two others",
        ),
        pytest.param(
            f"{APP} == '' || {TIER} in ['gold', 'silver']",
            {"app": "prometheus", "tier": "gold"},
            id="with one of a list",
        ),
        pytest.param(
            f"{APP} != 'prometheus' || object.metadata.labels.exists(k, k == 'tier')",
            {"app": "prometheus", "tier": "prometheus"},
            id="with any value of a key",
        ),
        pytest.param(
            f"{APP} != 'prometheus' || object.metadata.name == 'scraper'", {"app": "prometheus"}, id="by name"
        ),
    ],
)
def test_a_label_that_is_refused_alone_is_a_choice_if_it_is_let_in_with_others(
    expression: str, labels: dict[str, str]
) -> None:
    guarded = guard("together", "v1", "pods", expression)
    objects = [pod("bee"), netpol("bee", ingress=[PROMETHEUS]), *guarded]
    found = claim("N1", objects)
    assert found.verdict is VIOLATED, found.missing
    assert detail(found, "source")["labels"] == labels
    assert readmitted(found, objects)
    always = guard("together", "v1", "pods", f"{APP} != 'prometheus'")
    assert claim("N1", [*objects, *always]).verdict is PROVED
    assert claim("N1", objects[:2]).verdict is VIOLATED


def test_a_label_that_must_come_with_one_that_is_denied_is_no_way_in() -> None:
    together = guard("together", "v1", "pods", f"{APP} != 'prometheus' || {TIER} == 'y'")
    denied = {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"tier": "y"}}}}
    objects = [
        pod("bee"),
        netpol("bee", ingress=[PROMETHEUS]),
        admin("no-y", "bee", {"action": "Deny", "from": [denied]}),
    ]
    assert claim("N1", objects).verdict is VIOLATED
    # Guards may say anything, so that no pod was found does not show that there is none.
    found = claim("N1", [*objects, *together])
    assert found.verdict is UNKNOWN
    assert "ValidatingAdmissionPolicy together" in found.missing[0].how


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param(f"{APP} != 'prometheus' || {TIER}.matches('^[a-z]{{9}}$')", id="a pattern for another label"),
        pytest.param(f"{APP} != 'prometheus' || size(object.metadata.labels) > 7", id="a number of labels"),
        pytest.param(f"{APP} != 'prometheus' || object.spec.?priority.orValue(0) == 7", id="a field of the pod"),
    ],
)
def test_a_guard_that_may_let_a_label_in_with_something_nobody_found_proves_nothing(expression: str) -> None:
    guarded = guard("odd", "v1", "pods", expression)
    found = claim("N1", [pod("bee"), netpol("bee", ingress=[PROMETHEUS]), *guarded])
    assert found.verdict is UNKNOWN, found
    assert "ValidatingAdmissionPolicy odd" in found.missing[0].how


def test_labels_refused_only_together_do_not_prove_that_neither_is_a_choice() -> None:
    both = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "prometheus", "tier": "y"}}}
    guarded = guard("not-both", "v1", "pods", f"{APP} != 'prometheus' || {TIER} != 'y'")
    assert claim("N1", [pod("bee"), netpol("bee", ingress=[{"from": [both]}])]).verdict is VIOLATED
    assert claim("N1", [pod("bee"), netpol("bee", ingress=[{"from": [both]}]), *guarded]).verdict is UNKNOWN
    assert claim("N1", [pod("bee"), netpol("bee", ingress=[PROMETHEUS]), *guarded]).verdict is VIOLATED


def test_what_runs_already_keeps_the_label_that_is_refused_now() -> None:
    refused = guard("labels", "v1", "pods", f"{APP} != 'prometheus'")
    objects = [pod("bee"), netpol("bee", ingress=[PROMETHEUS]), *refused]
    assert claim("N1", objects).verdict is PROVED
    found = claim("N1", [*objects, pod("ant", "old", {"app": "prometheus"})])
    assert found.verdict is VIOLATED
    assert detail(found, "source")["pod"] == "old"


def test_labels_of_a_pod_that_runs_are_changed_through_its_status_too() -> None:
    refused = guard("labels", "v1", "pods", f"{APP} != 'prometheus'")
    objects = [pod("bee"), netpol("bee", ingress=[PROMETHEUS]), *refused]
    rights = grant("ant", "ant", ("", "pods", "create"), ("", "pods/status", "patch"))
    assert claim("N1", [*objects, *rights]).verdict is VIOLATED
    closed = guard("status", "v1", "pods/status", f"{APP} != 'prometheus'")
    assert claim("N1", [*objects, *rights, *closed]).verdict is PROVED


def test_a_guard_that_does_not_look_at_pods_of_some_name_refuses_nothing() -> None:
    refused = guard("labels", "v1", "pods", f"{APP} != 'prometheus'")
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["pods"],
        "operations": ["*"],
        "resourceNames": ["q"],
    }
    refused[0]["spec"]["matchConstraints"]["excludeResourceRules"] = [rule]
    assert claim("N1", [pod("bee"), netpol("bee", ingress=[PROMETHEUS]), *refused]).verdict is VIOLATED


def test_when_a_key_is_refused_altogether_rules_that_need_it_admit_nobody() -> None:
    anything = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
    rule = {"from": [{"namespaceSelector": {}, "podSelector": anything}]}
    objects = [pod("bee"), netpol("bee", ingress=[rule]), *grant("ant", "ant", ("", "pods", "create"))]
    assert claim("N1", objects).verdict is VIOLATED
    assert claim("N1", [*objects, *not_labelled("!('app' in object.metadata.labels)")]).verdict is PROVED


def test_a_deny_that_every_choice_of_labels_meets_holds() -> None:
    either = [
        {"pods": {"namespaceSelector": {}, "podSelector": {"matchExpressions": [{"key": "app", "operator": word}]}}}
        for word in ("Exists", "DoesNotExist")
    ]
    assert claim("N1", [pod("bee"), admin("all", "bee", {"action": "Deny", "from": either})]).verdict is PROVED
    for one in either:
        assert claim("N1", [pod("bee"), admin("one", "bee", {"action": "Deny", "from": [one]})]).verdict is VIOLATED


def test_pods_nobody_has_deployed_yet_are_protected_only_by_what_protects_any_pod() -> None:
    some = netpol("bee", pods={"matchLabels": {"app": "web"}})
    assert claim("N1", [some]).verdict is VIOLATED
    assert claim("N1", [netpol("bee")]).verdict is PROVED
    assert claim("N1", [pod("bee"), some]).verdict is PROVED
    # A victim that deploys what it likes may run one that nothing selects.
    assert claim("N1", [pod("bee"), some], strength=Strength.CARELESS).verdict is VIOLATED


def test_a_careless_victim_opens_what_it_may_write_and_only_the_admin_tier_holds() -> None:
    rights = grant("bee", "bee", ("networking.k8s.io", "networkpolicies", "create"))
    objects = [pod("bee"), netpol("bee"), *rights]
    assert claim("N1", objects).verdict is PROVED
    found = claim("N1", objects, strength=Strength.CARELESS)
    assert found.verdict is VIOLATED
    assert "RoleBinding bee/bee-rights" in words(found)
    assert claim("N1", [*objects, deny_others("bee")], strength=Strength.CARELESS).verdict is PROVED
    refused = guard("no-policies", NETWORKING, "networkpolicies", "false")
    assert claim("N1", [*objects, *refused], strength=Strength.CARELESS).verdict is PROVED


def test_as_deployed_only_the_labels_there_are_count() -> None:
    objects = [pod("ant"), pod("bee"), netpol("bee", ingress=[PROMETHEUS])]
    assert claim("N1", objects, strength=Strength.DEPLOYED).verdict is PROVED
    matching = pod("ant", "scraper", {"app": "prometheus"})
    assert claim("N1", [*objects, matching], strength=Strength.DEPLOYED).verdict is VIOLATED


def test_selectors_of_namespaces_and_pods_in_one_peer_are_both_required() -> None:
    both = {"namespaceSelector": {"matchLabels": {TENANT: "bee"}}, "podSelector": {"matchLabels": {"app": "web"}}}
    assert claim("N1", [pod("bee"), netpol("bee", ingress=[{"from": [both]}])]).verdict is PROVED
    either = [{"namespaceSelector": both["namespaceSelector"]}, {"podSelector": both["podSelector"]}]
    assert claim("N1", [pod("bee"), netpol("bee", ingress=[{"from": either}])]).verdict is PROVED
    foreign = {"namespaceSelector": {}, "podSelector": both["podSelector"]}
    assert claim("N1", [pod("bee"), netpol("bee", ingress=[{"from": [foreign]}])]).verdict is VIOLATED


def test_cluster_wide_network_policies_of_one_priority_may_come_in_any_order() -> None:
    opened = admin("a-open", "bee", {"action": "Allow", "from": [{"namespaces": {}}]})
    found = claim("N1", [pod("bee"), opened, deny_others("bee")])
    assert found.verdict is UNKNOWN
    assert "different priorities" in found.missing[0].how
    later = admin("a-open", "bee", {"action": "Allow", "from": [{"namespaces": {}}]}, priority=11)
    assert claim("N1", [pod("bee"), later, deny_others("bee")]).verdict is PROVED


@pytest.mark.parametrize(
    ("plugin", "verdict"),
    [("ovn-kubernetes", PROVED), ("calico", UNKNOWN), ("flannel", VIOLATED), ("openshift-sdn", VIOLATED)],
)
def test_the_admin_tier_counts_where_the_plugin_has_it(plugin: str, verdict: Verdict) -> None:
    facts: dict[str, str | bool] = {"cni": plugin, "cni.enforces-network-policies": True}
    assert claim("N1", [pod("bee"), deny_others("bee")], facts=facts).verdict is verdict
    signed = {**facts, "cni.enforces-admin-network-policies": True}
    held = VIOLATED if plugin == "flannel" else PROVED
    assert claim("N1", [pod("bee"), deny_others("bee")], facts=signed).verdict is held


def test_a_cluster_network_policy_counts_once_somebody_saw_it_act() -> None:
    others = {"matchExpressions": [{"key": TENANT, "operator": "NotIn", "values": ["bee"]}]}
    spec = {
        "tier": "Admin",
        "priority": 1,
        "subject": {"namespaces": {"matchLabels": {TENANT: "bee"}}},
        "ingress": [{"action": "Deny", "from": [{"namespaces": others}]}],
    }
    objects = [pod("bee"), thing("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", "only", spec=spec)]
    assert claim("N1", objects).verdict is UNKNOWN
    facts = {**SIGNED, "cni.enforces-admin-network-policies": True}
    assert claim("N1", objects, facts=facts).verdict is PROVED


BLOCK = [pod("bee"), netpol("bee", ingress=[{"from": [{"ipBlock": {"cidr": "10.128.0.0/16"}}]}])]


@pytest.mark.parametrize(
    ("plugin", "ranges", "verdict"),
    [
        pytest.param("ovn-kubernetes", "", UNKNOWN, id="addresses of pods not known"),
        pytest.param("ovn-kubernetes", "10.128.0.0/14", VIOLATED, id="pods in the range"),
        pytest.param("ovn-kubernetes", "10.132.0.0/14", PROVED, id="pods elsewhere"),
        pytest.param("cilium", "", PROVED, id="a plugin for which ranges are never pods"),
        pytest.param("antrea", "10.128.0.0/14", UNKNOWN, id="a plugin nobody has looked into"),
    ],
)
def test_ranges_of_addresses_may_mean_pods(plugin: str, ranges: str, verdict: Verdict) -> None:
    facts: dict[str, str | bool] = {"cni": plugin, "cni.enforces-network-policies": True}
    spec = {"clusterNetwork": [{"cidr": ranges, "hostPrefix": 23}]}
    shown = [thing("config.openshift.io/v1", "Network", "cluster", spec=spec)] if ranges else []
    found = claim("N1", [*BLOCK, *shown], facts=facts)
    assert found.verdict is verdict
    if verdict is UNKNOWN:
        assert [item.fact for item in found.missing] == ["cni.ranges-without-pods"]
        signed = {**facts, "cni.ranges-without-pods": True}
        assert claim("N1", [*BLOCK, *shown], facts=signed).verdict is PROVED


def test_openshift_shows_its_plugin_and_needs_nobody_to_sign() -> None:
    shown = thing("config.openshift.io/v1", "Network", "cluster", status={"networkType": "OVNKubernetes"})
    assert claim("N1", [pod("bee"), netpol("bee"), shown], facts=UNSIGNED).verdict is PROVED


def test_pods_on_the_host_network_are_protected_by_nothing() -> None:
    found = claim("N1", [pod("bee", hostNetwork=True), netpol("bee"), deny_others("bee")])
    assert found.verdict is VIOLATED
    assert "do not act on pods of the host network" in words(found)


def test_a_port_name_means_what_the_pod_declares() -> None:
    http = [{"name": "http", "containerPort": 8080}]
    rules = [{"from": [{"namespaceSelector": {}}], "ports": [{"port": "http"}]}]
    found = claim("N1", [pod("bee", ports=http), netpol("bee", ingress=rules)])
    assert (found.verdict, detail(found, "port")) == (VIOLATED, 8080)
    undeclared = claim("N1", [pod("bee"), netpol("bee", ingress=rules)])
    assert undeclared.verdict is UNKNOWN
    assert "as a number" in undeclared.missing[0].how


def permission(**fields: Any) -> Permission:
    from datetime import date

    given = {
        "name": "api",
        "source": "ant",
        "target": "bee",
        "source_namespaces": (),
        "target_namespaces": (),
        "target_labels": (),
        "ports": (("TCP", 6379, 6379),),
        "reason": "wanted",
        "expires": date(2030, 1, 1),
        **fields,
    }
    return Permission(**given)


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        pytest.param({}, PROVED, id="exactly this"),
        pytest.param({"ports": (("TCP", 6000, 7000),)}, PROVED, id="more ports"),
        pytest.param({"ports": (("TCP", 6380, 6380),)}, VIOLATED, id="another port"),
        pytest.param({"ports": (("UDP", 6379, 6379),)}, VIOLATED, id="another protocol"),
        pytest.param({"source": "bee", "target": "ant"}, VIOLATED, id="the other way round"),
        pytest.param({"target_namespaces": ("bee",), "source_namespaces": ("ant",)}, PROVED, id="these namespaces"),
        pytest.param({"target_namespaces": ("elsewhere",)}, VIOLATED, id="other namespaces"),
        pytest.param({"target_labels": (("app", "web"),)}, PROVED, id="these pods"),
        pytest.param({"target_labels": (("app", "api"),)}, VIOLATED, id="other pods"),
    ],
)
def test_exceptions_take_away_exactly_what_they_say(fields: dict[str, Any], verdict: Verdict) -> None:
    objects = [pod("bee"), netpol("bee", ingress=[EVERYBODY])]
    assert claim("N1", objects).verdict is VIOLATED
    found = claim("N1", objects, permissions=(permission(**fields),))
    assert found.verdict is verdict
    assert verdict is VIOLATED or "api" in found.reason


def test_an_exception_for_some_pods_does_not_cover_those_nobody_has_deployed() -> None:
    narrow = (permission(target_labels=(("app", "web"),)),)
    opened = netpol("bee", ingress=[EVERYBODY])
    assert claim("N1", [opened], permissions=narrow).verdict is VIOLATED
    selected = {"matchLabels": {"app": "web"}}
    closed = [netpol("bee"), netpol("bee", "open", selected, ingress=[EVERYBODY])]
    assert claim("N1", closed, permissions=narrow).verdict is PROVED


FROM_ANYBODY = {"from": [{"namespaceSelector": {"matchLabels": {TENANT: "ant"}}}], "ports": [{"port": 6379}]}
FROM_SCRAPERS = {
    "from": [
        {"namespaceSelector": {"matchLabels": {TENANT: "ant"}}, "podSelector": {"matchLabels": {"app": "scraper"}}}
    ],
    "ports": [{"port": 6379}],
}


@pytest.mark.parametrize(
    ("opened", "verdict"),
    [
        pytest.param(FROM_SCRAPERS, PROVED, id="network policies let in the pods it names"),
        pytest.param(FROM_ANYBODY, VIOLATED, id="network policies let in every pod of the source"),
    ],
)
def test_an_exception_for_some_pods_of_the_source_covers_no_others(opened: Body, verdict: Verdict) -> None:
    objects = [pod("bee"), netpol("bee", ingress=[opened])]
    assert claim("N1", objects).verdict is VIOLATED
    assert claim("N1", objects, permissions=(permission(),)).verdict is PROVED
    found = claim("N1", objects, permissions=(permission(source_labels=(("app", "scraper"),)),))
    assert found.verdict is verdict
    if verdict is VIOLATED:
        assert detail(found, "source")["labels"] == {}


def test_an_exception_for_pods_that_admission_does_not_let_the_source_run_covers_nothing() -> None:
    objects = [pod("bee"), netpol("bee", ingress=[FROM_ANYBODY])]
    named = (permission(source_labels=(("app", "scraper"),)),)
    nobody = guard("labels", "v1", "pods", f"{APP} != 'scraper'")
    everybody = guard("labels", "v1", "pods", f"{APP} == 'scraper'")
    assert claim("N1", [*objects, *nobody], permissions=named).verdict is VIOLATED
    assert claim("N1", [*objects, *everybody], permissions=named).verdict is UNKNOWN


def test_as_deployed_an_exception_covers_the_pods_that_carry_its_labels() -> None:
    objects = [pod("ant", "scraper", {"app": "scraper"}), pod("bee"), netpol("bee", ingress=[FROM_ANYBODY])]
    named = (permission(source_labels=(("app", "scraper"),)),)
    assert claim("N1", objects, strength=Strength.DEPLOYED).verdict is VIOLATED
    assert claim("N1", objects, strength=Strength.DEPLOYED, permissions=named).verdict is PROVED
    assert claim("N1", [*objects, pod("ant")], strength=Strength.DEPLOYED, permissions=named).verdict is VIOLATED


def test_exceptions_for_pods_at_both_ends_are_taken_away_only_where_both_carry_their_labels() -> None:
    objects = [pod("bee"), pod("bee", "api", {"app": "api"}), netpol("bee", ingress=[FROM_SCRAPERS])]
    both = {"source_labels": (("app", "scraper"),), "target_labels": (("app", "web"),)}
    assert claim("N1", objects, permissions=(permission(**both),)).verdict is VIOLATED
    narrow = netpol("bee", "deny", {"matchLabels": {"app": "web"}}, ingress=[FROM_SCRAPERS])
    closed = netpol("bee", "rest", {"matchLabels": {"app": "api"}})
    assert claim("N1", [*objects[:2], narrow, closed], permissions=(permission(**both),)).verdict is PROVED


def test_rights_that_are_not_among_the_objects_are_asked_for() -> None:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "of-some-operator"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "ant"}
    binding = thing(RBAC, "RoleBinding", "unknown", "ant", roleRef=role, subjects=[subject])
    found = claim("N1", [pod("bee"), netpol("bee"), binding])
    assert found.verdict is UNKNOWN
    assert "of-some-operator" in found.missing[0].fact


def test_a_network_policy_the_api_server_would_refuse_protects_nobody() -> None:
    invalid = netpol("bee", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["192.168.0.0/16"]}}]}])
    assert claim("N1", [pod("bee"), invalid]).verdict is VIOLATED


def test_what_is_said_to_be_the_fix_closes_the_way() -> None:
    found = claim("N1", [pod("bee"), netpol("bee", ingress=[OWN, EVERYBODY])])
    assert found.fix == (
        "remove spec/ingress/1 of NetworkPolicy bee/deny, or narrow it to namespaces of the tenant itself"
    )
    assert claim("N1", [pod("bee"), netpol("bee", ingress=[OWN])]).verdict is PROVED
    assert "add a NetworkPolicy to bee" in claim("N1", [pod("bee")]).fix
    assert claim("N1", [pod("bee"), netpol("bee", ingress=[])]).verdict is PROVED


def test_equal_claims_about_all_tenants_are_one() -> None:
    many = {name: (name,) for name in ("ant", "bee", "cat", "dog")}
    objects = [item for name in many for item in (space(name, name), pod(name), netpol(name))]
    chosen = [item for item in CHANNELS if item.id == "N1"]
    found = verify(view(objects, tenants=many), chosen)
    assert [(item.source, item.target, item.verdict) for item in found] == [(name, "", PROVED) for name in many]
    holed = verify(view([*objects, netpol("bee", "hole", ingress=[EVERYBODY])], tenants=many), chosen)
    assert [(item.source, item.target) for item in holed if item.verdict is VIOLATED] == [
        ("ant", "bee"),
        ("cat", "bee"),
        ("dog", "bee"),
    ]


def webhook(plurals: str, group: str = "") -> Body:
    """Return a webhook that may refuse objects, in ways no manifest shows."""
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "resources": plurals.split(), "operations": ["*"]}
    hook = {
        "name": "decides.example.com",
        "rules": [rule],
        "clientConfig": {"service": {"name": "decides", "namespace": "kube-system"}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return thing("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "decides", webhooks=[hook])


@pytest.mark.parametrize(
    ("objects", "hook"),
    [
        pytest.param(
            [deny_others("bee"), *cluster_grant("ant", "", "namespaces", "get patch")],
            webhook("namespaces"),
            id="labels of its namespace",
        ),
        pytest.param(
            [netpol("bee"), *grant("bee", "ant", ("networking.k8s.io", "networkpolicies", "create"))],
            webhook("networkpolicies", "networking.k8s.io"),
            id="network policies of the target",
        ),
        pytest.param(
            [deny_others("bee"), *cluster_grant("ant", "policy.networking.k8s.io", "adminnetworkpolicies", "update")],
            webhook("adminnetworkpolicies", "policy.networking.k8s.io"),
            id="the admin tier",
        ),
    ],
)
def test_what_a_webhook_makes_of_an_attack_nobody_knows(objects: list[Body], hook: Body) -> None:
    hook["webhooks"][0]["rules"][0]["apiVersions"] = ["*"]
    assert claim("N1", [pod("bee"), *objects]).verdict is VIOLATED
    found = claim("N1", [pod("bee"), *objects, hook])
    assert found.verdict is UNKNOWN
    assert any("decides" in f"{item.fact} {item.how}" or item.fact == "webhooks.reviewed" for item in found.missing)


def test_the_baseline_holds_until_somebody_writes_a_network_policy_over_it() -> None:
    both = {"matchExpressions": [{"key": TENANT, "operator": "Exists"}]}
    spec = {"subject": {"namespaces": both}, "ingress": [{"action": "Deny", "from": [{"namespaces": both}]}]}
    baseline = thing(ADMIN, "BaselineAdminNetworkPolicy", "default", spec=spec)
    objects = [pod("bee"), baseline]
    assert claim("N1", objects).verdict is PROVED
    # There is nothing to patch, and nothing to delete that would open the namespace.
    for verb in ("patch", "delete"):
        rights = grant("bee", "ant", ("networking.k8s.io", "networkpolicies", verb))
        assert claim("N1", [*objects, *rights]).verdict is PROVED, verb
        held = VIOLATED if verb == "patch" else PROVED
        assert claim("N1", [*objects, netpol("bee"), *rights]).verdict is held, verb
    create = grant("bee", "ant", ("networking.k8s.io", "networkpolicies", "create"))
    assert claim("N1", [*objects, *create]).verdict is VIOLATED
    wide = cluster_grant("ant", "policy.networking.k8s.io", "baselineadminnetworkpolicies", "patch")
    assert claim("N1", [*objects, *wide]).verdict is VIOLATED


# --- N2 --------------------------------------------------------------------------------------------------------------

MAKES_PODS = grant("ant", "ant", ("", "pods services configmaps", "create update delete"))
RESTRICTED = space("ant", "ant", **{"pod-security.kubernetes.io/enforce": "restricted"})


def test_a_tenant_that_may_use_the_host_network_reaches_every_pod_of_a_node() -> None:
    found = claim("N2", [*MAKES_PODS, pod("bee"), netpol("bee"), deny_others("bee")])
    assert found.verdict is VIOLATED
    assert detail(found, "manifest")["spec"]["hostNetwork"] is True
    assert claim("N2", [*MAKES_PODS, RESTRICTED, pod("bee")]).verdict is PROVED
    bare = claim("N2", [*MAKES_PODS, space("ant", "ant"), pod("bee")])
    assert bare.verdict is VIOLATED


def test_a_deployed_pod_on_the_host_network_is_named() -> None:
    found = claim("N2", [pod("ant", "agent", hostNetwork=True)], strength=Strength.DEPLOYED)
    assert (found.verdict, steps(found)[0]) == (VIOLATED, ("Pod ant/agent", ("spec", "hostNetwork")))
    assert claim("N2", [pod("ant", "agent")], strength=Strength.DEPLOYED).verdict is PROVED


# --- N3 --------------------------------------------------------------------------------------------------------------

GROUP = "policy-group.network.openshift.io/ingress"
ROUTERS = netpol("bee", "routers", ingress=[{"from": [{"namespaceSelector": {"matchLabels": {GROUP: ""}}}]}])


def test_a_namespace_that_passes_for_the_router_is_found() -> None:
    found = claim("N3", [space("ant", "ant", **{GROUP: ""}), ROUTERS])
    assert (found.verdict, steps(found)) == (
        VIOLATED,
        [("Namespace ant", ("metadata", "labels", GROUP)), ("NetworkPolicy bee/routers", ("spec", "ingress", 0))],
    )
    without = claim("N3", [space("ant", "ant"), ROUTERS])
    assert without.verdict is PROVED
    assert "none of its namespaces carries a label" in without.reason


def test_a_tenant_that_may_label_its_namespace_can_pass_for_the_router() -> None:
    rights = cluster_grant("ant", "", "namespaces", "get update")
    found = claim("N3", [*rights, ROUTERS])
    assert found.verdict is VIOLATED
    assert detail(found, "manifest")["metadata"]["labels"][GROUP] == ""
    frozen = guard("freeze", "v1", "namespaces", "object.metadata.labels == oldObject.metadata.labels", "UPDATE")
    assert claim("N3", [*rights, ROUTERS, *frozen]).verdict is PROVED
    assert claim("N3", [*rights, ROUTERS], strength=Strength.DEPLOYED).verdict is PROVED


def test_a_label_without_meaning_on_this_cluster_is_no_identity() -> None:
    facts: dict[str, str | bool] = {"cni": "calico", "cni.enforces-network-policies": True}
    alone = claim("N3", [space("ant", "ant", **{GROUP: ""})], facts=facts)
    assert alone.verdict is PROVED
    assert alone.reason.startswith("no network policy knows namespaces by a label of the router")
    assert claim("N3", [space("ant", "ant", **{GROUP: ""}), ROUTERS], facts=facts).verdict is VIOLATED


# --- N4 --------------------------------------------------------------------------------------------------------------

NO_EXTERNAL = guard("no-external-ips", "v1", "services", "!has(object.spec.externalIPs)")
DENIED = "api-server.external-ips-denied"


def test_services_with_external_addresses_must_be_refused_somewhere() -> None:
    found = claim("N4", MAKES_PODS)
    assert (found.verdict, [item.fact for item in found.missing]) == (UNKNOWN, [DENIED])
    broken = claim("N4", MAKES_PODS, facts={**SIGNED, DENIED: False})
    assert broken.verdict is VIOLATED
    assert detail(broken, "manifest")["spec"]["externalIPs"] == ["203.0.113.10"]
    assert claim("N4", MAKES_PODS, facts={**SIGNED, DENIED: True}).verdict is PROVED
    assert claim("N4", [*MAKES_PODS, *NO_EXTERNAL]).verdict is PROVED
    # The policy alone, without its binding, refuses nothing.
    assert claim("N4", [*MAKES_PODS, NO_EXTERNAL[0]], facts={**SIGNED, DENIED: False}).verdict is VIOLATED
    assert claim("N4", []).verdict is PROVED


def test_a_service_that_has_taken_an_address_is_named() -> None:
    taking = thing("v1", "Service", "proxy", "ant", spec={"externalIPs": ["192.0.2.1"], "ports": [{"port": 443}]})
    found = claim("N4", [taking], strength=Strength.DEPLOYED)
    assert (found.verdict, steps(found)) == (VIOLATED, [("Service ant/proxy", ("spec", "externalIPs"))])
    harmless = thing("v1", "Service", "proxy", "ant", spec={"ports": [{"port": 443}]})
    assert claim("N4", [harmless], strength=Strength.DEPLOYED).verdict is PROVED


def test_the_status_of_a_service_takes_addresses_too() -> None:
    rights = grant("ant", "ant", ("", "services/status", "patch"))
    assert claim("N4", rights).verdict is VIOLATED
    assert claim("N4", grant("ant", "ant", ("", "services/status", "get"))).verdict is PROVED


# --- N5 --------------------------------------------------------------------------------------------------------------

SLICES = grant("ant", "ant", ("discovery.k8s.io", "endpointslices", "create update"))
INGRESS = thing(NETWORKING, "IngressClass", "nginx", spec={"controller": "k8s.io/ingress-nginx"})
NO_SLICES = guard("no-endpoints", "discovery.k8s.io/v1", "endpointslices", "false")


def test_endpoints_a_tenant_writes_lead_a_shared_proxy_to_pods_of_others() -> None:
    found = claim("N5", [*SLICES, INGRESS])
    assert found.verdict is VIOLATED
    assert detail(found, "manifest")["kind"] == "EndpointSlice"
    assert claim("N5", [*SLICES, INGRESS, *NO_SLICES]).verdict is PROVED
    assert claim("N5", [*SLICES, INGRESS, NO_SLICES[0]]).verdict is VIOLATED
    unknown = claim("N5", SLICES)
    assert (unknown.verdict, unknown.missing[0].fact) == (UNKNOWN, "a proxy shared by tenants")


def test_the_built_in_role_held_the_right_on_old_clusters() -> None:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "ant"}
    binding = thing(RBAC, "RoleBinding", "edit", "ant", roleRef=role, subjects=[subject])
    found = claim("N5", [binding, INGRESS])
    assert (found.verdict, [item.fact for item in found.missing]) == (UNKNOWN, ["api-server.endpoints-withheld"])
    facts = {**SIGNED, "api-server.endpoints-withheld": True}
    assert claim("N5", [binding, INGRESS], facts=facts).verdict is PROVED


def test_endpoints_that_name_a_pod_of_another_tenant_are_found() -> None:
    there = {**pod("bee"), "status": {"podIP": "10.0.0.9"}}
    leading = thing(
        "discovery.k8s.io/v1", "EndpointSlice", "x", "ant", addressType="IPv4", endpoints=[{"addresses": ["10.0.0.9"]}]
    )
    found = claim("N5", [there, leading], strength=Strength.DEPLOYED)
    assert (found.verdict, [name for name, _ in steps(found)]) == (VIOLATED, ["EndpointSlice ant/x", "Pod bee/web"])
    elsewhere = {**leading, "endpoints": [{"addresses": ["10.0.0.8"]}]}
    assert claim("N5", [there, elsewhere], strength=Strength.DEPLOYED).verdict is PROVED


# --- N6 --------------------------------------------------------------------------------------------------------------


def test_a_tenant_may_not_lift_its_egress_firewall() -> None:
    rights = grant("ant", "ant", ("k8s.ovn.org", "egressfirewalls", "create delete"))
    assert claim("N6", rights).verdict is VIOLATED
    assert claim("N6", grant("ant", "ant", ("k8s.ovn.org", "egressfirewalls", "get"))).verdict is PROVED


def test_an_egress_address_is_shared_by_nobody() -> None:
    def address(selector: Body) -> Body:
        spec = {"egressIPs": ["192.0.2.7"], "namespaceSelector": selector}
        return thing("k8s.ovn.org/v1", "EgressIP", "out", spec=spec)

    both = {"matchExpressions": [{"key": TENANT, "operator": "Exists"}]}
    assert parse_selector(both).matches({TENANT: "ant"})
    found = claim("N6", [address(both)])
    assert (found.verdict, steps(found)) == (VIOLATED, [("EgressIP out", ("spec", "namespaceSelector"))])
    assert claim("N6", [address({"matchLabels": {TENANT: "ant"}})]).verdict is PROVED


def test_an_egress_firewall_is_no_evidence_that_pods_are_apart() -> None:
    spec = {"egress": [{"type": "Deny", "to": {"cidrSelector": "0.0.0.0/0"}}]}
    firewall = thing("k8s.ovn.org/v1", "EgressFirewall", "default", "ant", spec=spec)
    assert claim("N1", [pod("bee"), firewall]).verdict is VIOLATED


# --- N7 --------------------------------------------------------------------------------------------------------------

UDN_LABEL = "k8s.ovn.org/primary-user-defined-network"
OVN_GROUP = "k8s.ovn.org/v1"
LABELLED = [space("ant", "ant", **{UDN_LABEL: ""}), space("bee", "bee", **{UDN_LABEL: ""})]


def own_network(namespace: str) -> Body:
    spec = {"topology": "Layer2", "layer2": {"role": "Primary", "subnets": ["10.200.0.0/16"]}}
    return thing(OVN_GROUP, "UserDefinedNetwork", "own", namespace, spec=spec)


def cluster_network(name: str, selector: Body, **labels: str) -> Body:
    network = {"topology": "Layer2", "layer2": {"role": "Primary", "subnets": ["10.201.0.0/16"]}}
    spec = {"namespaceSelector": selector, "network": network}
    return thing(OVN_GROUP, "ClusterUserDefinedNetwork", name, spec=spec, labels=labels)


APART = [*LABELLED, own_network("ant"), own_network("bee"), pod("bee")]
SHARED = cluster_network("shared", {"matchExpressions": [{"key": TENANT, "operator": "Exists"}]})


def test_networks_of_their_own_keep_tenants_apart_without_network_policies() -> None:
    assert claim("N1", APART).verdict is PROVED
    assert claim("N7", APART).verdict is PROVED
    # Without the label at creation a namespace stays on the network of the cluster.
    unlabelled = [space("ant", "ant"), space("bee", "bee"), *APART[2:]]
    assert claim("N1", unlabelled).verdict is VIOLATED
    facts: dict[str, str | bool] = {"cni": "calico", "cni.enforces-network-policies": True}
    assert claim("N1", APART, facts=facts).verdict is VIOLATED
    assert claim("N1", APART, facts=UNSIGNED).verdict is UNKNOWN


def test_tenants_on_one_network_are_held_apart_by_network_policies_alone() -> None:
    found = claim("N7", [*LABELLED, SHARED, pod("bee")])
    assert (found.verdict, steps(found)[0][0]) == (VIOLATED, "ClusterUserDefinedNetwork shared")
    assert claim("N7", [*LABELLED, SHARED, pod("bee"), netpol("bee")]).verdict is PROVED
    assert claim("N1", [*LABELLED, SHARED, pod("bee")]).verdict is VIOLATED


def connect(selector: Body) -> Body:
    chosen = {
        "networkSelectionType": "ClusterUserDefinedNetworks",
        "clusterUserDefinedNetworkSelector": {"networkSelector": selector},
    }
    return thing(OVN_GROUP, "ClusterNetworkConnect", "bridge", spec={"networkSelectors": [chosen]})


def test_networks_that_are_joined_are_one() -> None:
    two = [
        *LABELLED,
        cluster_network("ants", {"matchLabels": {TENANT: "ant"}}, joined="yes"),
        cluster_network("bees", {"matchLabels": {TENANT: "bee"}}, joined="yes"),
        pod("bee"),
    ]
    assert claim("N7", two).verdict is PROVED
    assert claim("N1", two).verdict is PROVED
    found = claim("N7", [*two, connect({"matchLabels": {"joined": "yes"}})])
    assert (found.verdict, steps(found)[0][0]) == (VIOLATED, "ClusterNetworkConnect bridge")
    assert claim("N1", [*two, connect({"matchLabels": {"joined": "yes"}})]).verdict is VIOLATED
    assert claim("N7", [*two, connect({"matchLabels": {"joined": "no"}})]).verdict is PROVED
    rights = cluster_grant("ant", "k8s.ovn.org", "clusternetworkconnects", "create")
    assert claim("N1", [*two, *rights]).verdict is VIOLATED
    assert claim("N7", [*two, *rights]).verdict is VIOLATED


@pytest.mark.parametrize(
    ("hole", "name"),
    [
        pytest.param(
            pod("bee", "db", annotations={"k8s.ovn.org/open-default-ports": "- protocol: tcp\n  port: 80"}),
            "Pod bee/db",
            id="ports open on the default network",
        ),
        pytest.param(
            thing("v1", "Service", "db", "bee", spec={"type": "NodePort", "ports": [{"port": 80}]}),
            "Service bee/db",
            id="a port on every node",
        ),
        pytest.param(
            thing("v1", "Service", "db", "bee", spec={"type": "LoadBalancer", "ports": [{"port": 80}]}),
            "Service bee/db",
            id="a load balancer",
        ),
    ],
)
def test_holes_in_a_network_of_its_own_are_found(hole: Body, name: str) -> None:
    found = claim("N7", [*APART, hole])
    assert (found.verdict, steps(found)[0][0]) == (VIOLATED, name)
    # Only who relies on a network of its own has holes in it.
    assert claim("N7", [space("ant", "ant"), space("bee", "bee"), pod("bee"), hole]).verdict is PROVED


# --- N8 --------------------------------------------------------------------------------------------------------------


def test_nobody_but_the_platform_writes_the_configuration_of_dns() -> None:
    found = claim("N8", grant("kube-system", "ant", ("", "configmaps", "update")))
    assert found.verdict is VIOLATED
    assert "kube-system/coredns" in words(found)
    assert claim("N8", grant("kube-system", "ant", ("", "configmaps", "get"))).verdict is PROVED
    assert claim("N8", cluster_grant("ant", "operator.openshift.io", "dnses", "patch")).verdict is VIOLATED


# --- all -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strength", list(Strength))
def test_every_channel_speaks_about_every_tenant_even_of_an_empty_cluster(strength: Strength) -> None:
    found = verify(view([], strength=strength, facts=UNSIGNED), CHANNELS)
    assert {(item.channel, item.source) for item in found} == {
        (f"N{number}", name) for number in range(1, 9) for name in TENANTS
    }
    assert not [item for item in found for missing in item.missing if "bug" in missing.how]


JUNK = [
    thing(NETWORKING, "NetworkPolicy", "x", "bee", spec={"podSelector": {"matchLabels": 3}, "ingress": "all"}),
    thing(NETWORKING, "NetworkPolicy", "y", "bee", spec="everything"),
    thing(ADMIN, "AdminNetworkPolicy", "z", spec={"subject": {}, "priority": "high"}),
    thing("v1", "Service", "s", "ant", spec=[]),
    thing("discovery.k8s.io/v1", "EndpointSlice", "e", "ant", endpoints=[None, {"addresses": 4}]),
    thing("k8s.ovn.org/v1", "EgressIP", "e", spec={"namespaceSelector": "all"}),
    thing("k8s.ovn.org/v1", "ClusterNetworkConnect", "c", spec={"networkSelectors": {"a": 1}}),
    thing("k8s.ovn.org/v1", "ClusterUserDefinedNetwork", "d", spec={"network": None}),
    thing("v1", "Pod", "p", "bee", spec={"containers": [{"ports": [{"containerPort": "http"}]}], "hostNetwork": "yes"}),
]


def test_nonsense_among_the_objects_is_survived_and_proves_nothing() -> None:
    found = verify(view([*JUNK, pod("bee")]), CHANNELS)
    assert not [missing.how for item in found for missing in item.missing if "bug" in missing.how]
    assert [item.verdict for item in found if item.channel == "N1" and item.source == "ant"] == [VIOLATED]


def test_steps_point_at_objects_that_exist() -> None:
    objects = [pod("bee"), netpol("bee", ingress=[EVERYBODY]), space("ant", "ant", **{GROUP: ""}), ROUTERS]
    made = view(objects)
    for item in verify(made, CHANNELS):
        for step in item.witness.steps if item.witness else ():
            if isinstance(step.by, ManifestKey):
                manifest = made.snapshot.get(step.by.group, step.by.kind, step.by.name, step.by.namespace)
                assert manifest is not None, step
                place: Any = manifest.body
                for part in step.pointer:
                    place = place[part]
