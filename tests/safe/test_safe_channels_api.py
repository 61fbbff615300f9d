from __future__ import annotations

from typing import Any

import pytest
from safe_clusters import (
    ADMISSION,
    EDIT,
    OPENSHIFT,
    RBAC,
    Body,
    bind,
    cluster_role,
    decide,
    guard,
    obj,
    objects_on_path,
    resolve,
    role,
    rule,
    space,
    verdict,
    view,
)

from tenantry.model.claim import Effect, Impact
from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Strength
from tenantry.safe import cel
from tenantry.safe.channels.api import CHANNELS
from tenantry.safe.channels.channel import Channel

A1, A2, A3, A4, A5, A6, A7, A8 = CHANNELS
PROVED, VIOLATED, UNKNOWN = Verdict.PROVED, Verdict.VIOLATED, Verdict.UNKNOWN
needs_cel = pytest.mark.skipif(not cel.available(), reason="CEL is not installed")

THREE = {"a": ["a"], "b": ["b"], "c": ["c"]}


def given(channel: Channel, *rules: Body, namespace: str = "", who: str = "group:a") -> Any:
    """Return the claims about tenant a when it holds rules, in one namespace or everywhere."""
    return decide(channel, view(*holding(*rules, namespace=namespace, who=who), EDIT, tenants=THREE))


def holding(*rules: Body, namespace: str = "", who: str = "group:a") -> list[Body]:
    return [cluster_role("held", *rules), bind("held", "ClusterRole/held", who, namespace=namespace)]


RIGHTS: list[Any] = [
    pytest.param(A2, rule("create", "pods/exec"), id="exec"),
    pytest.param(A2, rule("get", "pods/exec"), id="exec over a GET, which WebSockets use"),
    pytest.param(A2, rule("create", "pods/attach"), id="attach"),
    pytest.param(A2, rule("create", "pods/portforward"), id="port forwarding"),
    pytest.param(A2, rule("get", "pods/proxy"), id="the proxy to pods"),
    pytest.param(A2, rule("patch", "pods/ephemeralcontainers"), id="a debug container"),
    pytest.param(A2, rule("delete", "pods"), id="deleting pods"),
    pytest.param(A2, rule("create", "pods/eviction"), id="evicting pods"),
    pytest.param(A2, rule("*", "*", "*"), id="everything, for pods"),
    pytest.param(A3, rule("get", "secrets"), id="reading secrets"),
    pytest.param(A3, rule("list", "secrets"), id="listing them, which shows them"),
    pytest.param(A3, rule("get", "secrets", names="db"), id="reading one"),
    pytest.param(A3, rule("create", "serviceaccounts/token"), id="making tokens"),
    pytest.param(A3, rule("create", "pods"), id="running pods"),
    pytest.param(A3, rule("patch", "deployments", "apps"), id="changing what makes pods"),
    pytest.param(A3, rule("create", "pytorchjobs", "kubeflow.org"), id="custom resources that make pods"),
    pytest.param(A1, rule("impersonate", "serviceaccounts"), id="acting as service accounts"),
]


@pytest.mark.parametrize(("channel", "held"), RIGHTS)
def test_a_right_in_the_namespace_of_another_reaches_that_tenant_only(channel: Channel, held: Body) -> None:
    seen = view(*holding(held, namespace="b"), EDIT, tenants=THREE)

    claims = decide(channel, seen)

    assert {target: claim.verdict for target, claim in claims.items()} == {"b": VIOLATED, "c": PROVED}
    assert objects_on_path(claims["b"])[:2] == ["RoleBinding b/held", "ClusterRole held"]
    resolve(seen, claims["b"])
    assert "RoleBinding b/held" in claims["b"].fix
    assert decide(channel, seen, "b")[""].verdict is PROVED
    # Without the binding it is proved, and so it is when the right is held at home.
    assert verdict(channel, view(EDIT, tenants=THREE)) is PROVED
    assert verdict(channel, view(*holding(held, namespace="a"), tenants=THREE)) is PROVED


@pytest.mark.parametrize(("channel", "held"), RIGHTS)
def test_the_same_right_on_the_whole_cluster_reaches_everybody(channel: Channel, held: Body) -> None:
    claims = given(channel, held)

    assert {target: claim.verdict for target, claim in claims.items()} == {"": VIOLATED}
    assert objects_on_path(claims[""])[:2] == ["ClusterRoleBinding held", "ClusterRole held"]


@pytest.mark.parametrize(("channel", "held"), RIGHTS)
def test_the_same_right_in_a_namespace_of_the_platform_reaches_everybody(channel: Channel, held: Body) -> None:
    claims = given(channel, held, namespace="ops")

    assert {target: claim.verdict for target, claim in claims.items()} == {"": VIOLATED}


@pytest.mark.parametrize(("channel", "held"), RIGHTS)
@pytest.mark.parametrize("who", ["sa:a/robot", "group:system:serviceaccounts:a", "group:system:authenticated"])
def test_whoever_acts_for_the_tenant_counts(channel: Channel, held: Body, who: str) -> None:
    assert given(channel, held, namespace="b", who=who)["b"].verdict is VIOLATED


OBJECTS: list[Any] = [
    pytest.param(rule("get", "pods/log"), Effect.READ, id="what pods print"),
    pytest.param(rule("update", "configmaps"), Effect.WRITE, id="configuration"),
    pytest.param(rule("delete", "persistentvolumeclaims"), Effect.WRITE, id="data"),
    pytest.param(rule("patch", "services"), Effect.WRITE, id="where traffic goes"),
    pytest.param(rule("create", "networkpolicies", "networking.k8s.io"), Effect.WRITE, id="network policies"),
    pytest.param(rule("delete", "rolebindings", RBAC), Effect.WRITE, id="rights"),
    pytest.param(rule("update", "widgets", "example.com"), Effect.WRITE, id="custom resources"),
    pytest.param(rule("watch", "pods"), Effect.OBSERVE, id="seeing pods"),
    pytest.param(rule("get", "*", "apps"), Effect.OBSERVE, id="seeing workloads"),
]


@pytest.mark.parametrize(("held", "effect"), OBJECTS)
def test_a_right_to_any_object_of_another_reaches_it(held: Body, effect: Effect) -> None:
    claim = given(A3, held, namespace="b")["b"]

    assert claim.verdict is VIOLATED
    assert claim.effect is effect
    assert given(A3, held, namespace="b")["c"].verdict is PROVED
    assert given(A3, held, namespace="a")[""].verdict is PROVED


@pytest.mark.parametrize(
    ("held", "namespace", "expected"),
    [
        pytest.param(rule("get", "configmaps"), "ops", PROVED, id="what the platform shows in a namespace"),
        pytest.param(rule("update", "configmaps"), "ops", VIOLATED, id="but not what it writes there"),
        pytest.param(rule("get list watch", "pods configmaps"), "", VIOLATED, id="seeing pods everywhere"),
        pytest.param(rule("get list watch", "nodes namespaces"), "", PROVED, id="seeing what lies outside namespaces"),
        pytest.param(rule("get", "widgets", "example.com"), "", PROVED, id="kinds nobody knows the scope of"),
        pytest.param(rule("use", "securitycontextconstraints", "security.openshift.io"), "b", PROVED, id="other verbs"),
    ],
)
def test_which_objects_count(held: Body, namespace: str, expected: Verdict) -> None:
    seen = view(*holding(held, namespace=namespace), EDIT, tenants=THREE)

    assert verdict(A3, seen) is expected


@needs_cel
@pytest.mark.parametrize("verbs", ["create", "update", "delete", "create update patch delete"])
@pytest.mark.parametrize("kind", ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"])
def test_each_way_to_write_each_kind_has_to_be_refused(verbs: str, kind: str) -> None:
    webhooks = ADMISSION.partition("/")[0]
    held = holding(rule(verbs, kind, webhooks))
    everything = ["CREATE", "UPDATE", "DELETE"]
    both = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"]
    refuses = guard("g", "false", resources=both, groups=[webhooks], operations=everything)

    assert verdict(A4, view(held, refuses)) is PROVED
    used = {"create": "CREATE", "update": "UPDATE", "delete": "DELETE", "patch": "UPDATE"}
    for operation in {used[verb] for verb in verbs.split()}:
        left = [item for item in everything if item != operation]
        partly = guard("g", "false", resources=both, groups=[webhooks], operations=left)
        assert verdict(A4, view(held, partly)) is VIOLATED
    other = guard("g", "false", resources=sorted({*both} - {kind}), groups=[webhooks], operations=everything)
    assert verdict(A4, view(held, other)) is VIOLATED


@needs_cel
@pytest.mark.parametrize("kind", ["validatingadmissionpolicybindings", "validatingadmissionpolicies"])
def test_no_guard_keeps_anybody_from_writing_guards(kind: str) -> None:
    # The API server asks policies about webhooks, but not about policies.
    group = ADMISSION.partition("/")[0]
    refuses = guard("g", "false", resources=["*"], groups=["*"], operations=["*"])

    assert verdict(A4, view(holding(rule("create", kind, group)), refuses)) is VIOLATED


@needs_cel
def test_what_one_identity_may_not_do_another_may() -> None:
    held = [
        *holding(rule("create", "clusterroles", RBAC)),
        bind("robot", "ClusterRole/held", "sa:a/robot"),
    ]
    robots = guard(
        "g", "request.userInfo.username == 'system:serviceaccount:a:robot'", resources=["clusterroles"], groups=[RBAC]
    )
    nobody = guard("g", "false", resources=["clusterroles"], groups=[RBAC])

    assert verdict(A6, view(held, robots)) is VIOLATED
    assert verdict(A6, view(held, nobody)) is PROVED


def test_effect_and_impact_are_those_of_what_is_done() -> None:
    removes = given(A2, rule("delete", "pods"), namespace="b")["b"]
    kubelet = given(A2, rule("get", "nodes/proxy"))[""]

    assert (removes.effect, removes.impact) == (Effect.DENY, Impact.S2)
    assert (kubelet.effect, kubelet.impact) == (Effect.EXEC, Impact.S0)


def test_people_who_act_for_both_tenants_were_let_in_by_both() -> None:
    from dataclasses import replace

    seen = view(*holding(rule("get", "secrets"), namespace="b", who="group:auditors"), tenants=THREE)
    tenants = tuple(replace(item, groups=(item.name, "auditors")) for item in seen.tenancy.tenants)
    shared = type(seen)(seen.given, replace(seen.tenancy, tenants=tenants), seen.declared)
    only_a = type(seen)(
        seen.given, replace(seen.tenancy, tenants=(tenants[0], *seen.tenancy.tenants[1:])), seen.declared
    )

    assert verdict(A3, shared) is PROVED
    assert verdict(A3, only_a) is VIOLATED


def test_what_lies_behind_another_tenant_is_reached_too() -> None:
    """From a into b's pods, whose service account may read c's secrets."""
    seen = view(
        role("exec", "b", rule("create", "pods/exec")),
        bind("exec", "Role/exec", "group:a", namespace="b"),
        role("peek", "c", rule("get", "secrets")),
        bind("peek", "Role/peek", "sa:b/worker", namespace="c"),
        tenants=THREE,
    )

    claims = decide(A2, seen)

    assert claims["c"].verdict is VIOLATED
    assert objects_on_path(claims["c"]) == [
        "RoleBinding b/exec",
        "Role b/exec",
        "RoleBinding c/peek",
        "Role c/peek",
    ]
    # The second step alone is b's.
    assert decide(A3, seen, "b")["c"].verdict is VIOLATED
    assert verdict(A3, seen, "a", "c") is PROVED


def test_a_role_that_is_not_among_the_objects_leaves_every_right_unknown() -> None:
    seen = view(bind("x", "ClusterRole/elsewhere", "group:a", namespace="a"), EDIT)

    for channel in (A1, A2, A3, A4, A6, A7):
        claim = decide(channel, seen)[""]
        assert claim.verdict is UNKNOWN, channel.id
        assert "ClusterRole elsewhere" in claim.missing[0].fact
    assert decide(A2, seen, "b")[""].verdict is PROVED


def test_a_known_right_is_shown_though_others_are_unknown() -> None:
    seen = view(
        bind("x", "ClusterRole/elsewhere", "group:a", namespace="a"),
        *holding(rule("create", "pods/exec"), namespace="b"),
        tenants=THREE,
    )

    claims = decide(A2, seen)

    assert claims["b"].verdict is VIOLATED
    assert claims["c"].verdict is UNKNOWN


# --- A1 ---

BIND = [rule("create", "rolebindings", RBAC), rule("bind", "clusterroles", RBAC)]
RAISE = [rule("update", "roles", RBAC), rule("escalate", "roles", RBAC)]


@pytest.mark.parametrize("rules", [pytest.param(BIND, id="bind"), pytest.param(RAISE, id="escalate")])
def test_writing_rights_needs_the_right_to_write_and_the_right_to_exceed_ones_own(rules: list[Body]) -> None:
    assert given(A1, *rules, namespace="b")["b"].verdict is VIOLATED
    assert given(A1, *rules)[""].verdict is VIOLATED
    for part in rules:
        assert {claim.verdict for claim in given(A1, part, namespace="b").values()} == {PROVED}


def test_both_rights_must_be_of_one_identity() -> None:
    split = [
        cluster_role("one", BIND[0]),
        cluster_role("two", BIND[1]),
        bind("one", "ClusterRole/one", "sa:a/x", namespace="b"),
        bind("two", "ClusterRole/two", "sa:a/y", namespace="b"),
    ]
    joined = [*split[:3], bind("two", "ClusterRole/two", "sa:a/x", namespace="b")]

    assert verdict(A1, view(split)) is PROVED
    assert verdict(A1, view(joined)) is VIOLATED


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param([rule("impersonate", "users")], VIOLATED, id="any user"),
        pytest.param([rule("impersonate", "users", names="grace")], VIOLATED, id="a user of nobody knows whom"),
        pytest.param([rule("impersonate", "users", names="system:serviceaccount:a:x")], PROVED, id="its own account"),
        pytest.param([rule("impersonate", "groups")], PROVED, id="groups, but no user to take them on with"),
        pytest.param(
            [rule("impersonate", "groups"), rule("impersonate", "serviceaccounts", names="x")],
            VIOLATED,
            id="groups along with an account",
        ),
        pytest.param(
            [rule("impersonate", "groups"), rule("impersonate", "users", names="system:serviceaccount:b:x")],
            PROVED,
            id="an account named as a user, of which the API server asks as of an account",
        ),
        pytest.param([rule("impersonate", "userextras/scopes", "authentication.k8s.io")], PROVED, id="scopes alone"),
    ],
)
def test_impersonation_leads_as_far_as_the_names_it_allows(rules: list[Body], expected: Verdict) -> None:
    assert verdict(A1, view(*holding(*rules))) is expected


def test_the_built_in_role_edit_with_groups_impersonates_anybody() -> None:
    """edit may impersonate service accounts of its namespace, which is enough to take on a group."""
    seen = view(EDIT, *holding(rule("impersonate", "groups", names="system:masters")))

    assert verdict(A1, view(EDIT)) is PROVED
    assert verdict(A1, seen) is VIOLATED


@needs_cel
def test_admission_can_refuse_role_bindings() -> None:
    refuses = guard("g", "request.userInfo.username == 'root'", resources=["rolebindings"], groups=[RBAC])

    assert verdict(A1, view(*holding(*BIND, namespace="b"), refuses)) is PROVED
    assert verdict(A1, view(*holding(*BIND, namespace="b"), refuses[:1])) is VIOLATED


def test_what_a_tenant_can_give_itself_at_home_counts_as_held() -> None:
    """bind at home makes it administrator of its namespace, with rights no binding shows today."""
    seen = view(*holding(*BIND, namespace="a"))

    assert seen.base_rights("a").find("create", "", "pods", "a") is None
    right = seen.may("a", "create", "", "pods", "a")
    assert right is not None
    assert seen.may("a", "create", "", "pods", "b") is None
    assert verdict(A1, seen) is PROVED


def test_careless_tenants_bind_strangers() -> None:
    own = bind("b-admin", "ClusterRole/admin", "group:b", namespace="b")

    assert verdict(A1, view(EDIT, own)) is PROVED
    careless = view(EDIT, own, strength=Strength.CARELESS)
    assert verdict(A1, careless) is VIOLATED
    assert verdict(A1, careless, "b", "a") is PROVED


# --- A4 ---


@pytest.mark.parametrize(
    ("group", "resource"),
    [
        (ADMISSION.partition("/")[0], "mutatingwebhookconfigurations"),
        (ADMISSION.partition("/")[0], "validatingadmissionpolicybindings"),
        (RBAC, "clusterrolebindings"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("apiregistration.k8s.io", "apiservices"),
        ("", "nodes"),
        ("", "nodes/status"),
        ("", "persistentvolumes"),
        ("", "namespaces"),
        ("certificates.k8s.io", "certificatesigningrequests/approval"),
        ("resource.k8s.io", "deviceclasses"),
        ("networking.k8s.io", "ingressclasses"),
        ("k8s.ovn.org", "egressips"),
        ("operator.openshift.io", "networks"),
        ("storage.k8s.io", "storageclasses"),
        ("node.k8s.io", "runtimeclasses"),
        ("scheduling.k8s.io", "priorityclasses"),
        ("policy.networking.k8s.io", "adminnetworkpolicies"),
        ("flowcontrol.apiserver.k8s.io", "flowschemas"),
        ("security.openshift.io", "securitycontextconstraints"),
        ("machineconfiguration.openshift.io", "machineconfigs"),
    ],
)
def test_writing_outside_namespaces_reaches_everybody(group: str, resource: str) -> None:
    verb = "create" if "/" not in resource else "update"
    held = rule(verb, resource, group)

    claim = given(A4, held)[""]

    assert claim.verdict is VIOLATED
    assert claim.witness is not None
    assert dict(claim.witness.details)["manifest"]["kind"]
    # Inert inside a namespace, and reading is no write.
    assert given(A4, held, namespace="b").get("b", given(A4, held, namespace="b")[""]).verdict is PROVED
    assert given(A4, rule("get list watch", resource, group))[""].verdict is PROVED


def test_deleting_the_namespace_of_another_is_within_reach_of_a_role_binding() -> None:
    claims = given(A4, rule("delete", "namespaces"), namespace="b")

    assert claims["b"].verdict is VIOLATED
    assert claims["c"].verdict is PROVED


@needs_cel
def test_admission_can_refuse_writes_outside_namespaces() -> None:
    held = holding(rule("create", "nodes"))
    refuses = guard("g", "false", resources=["nodes"])
    opaque = guard("g", "authorizer.path('/x') != null", resources=["nodes"])

    assert verdict(A4, view(held, refuses)) is PROVED
    assert verdict(A4, view(held, opaque)) is UNKNOWN
    assert verdict(A4, view(held)) is VIOLATED


RELABELS = cluster_role("labels", rule("patch", "namespaces"))


def test_changing_every_namespace_is_a_write_outside_namespaces() -> None:
    """H2 is about what rests on the labels; A4 is about the right to write them, and says so as well."""
    seen = view(RELABELS, bind("l", "ClusterRole/labels", "group:a"))

    claim = decide(A4, seen)[""]

    assert claim.verdict is VIOLATED
    assert claim.witness is not None
    assert "change labels of namespaces" in claim.witness.summary
    assert dict(claim.witness.details)["manifest"]["metadata"]["name"] != "a"
    resolve(seen, claim)
    assert verdict(A4, view(RELABELS, bind("l", "ClusterRole/labels", "group:a", namespace="a"))) is PROVED
    assert verdict(A4, view(RELABELS, bind("l", "ClusterRole/labels", "group:a", namespace="b"))) is VIOLATED


@needs_cel
def test_a_freeze_of_namespaces_has_to_hold_their_annotations_too() -> None:
    held = bind("l", "ClusterRole/labels", "group:a")
    labels = guard("f", "object.metadata.?labels == oldObject.metadata.?labels", resources=["namespaces"])
    whole = guard("f", "object.metadata == oldObject.metadata", resources=["namespaces"])

    assert verdict(A4, view(RELABELS, held, labels)) is VIOLATED
    assert verdict(A4, view(RELABELS, held, whole)) is PROVED
    assert verdict(A4, view(RELABELS, held, whole[:1])) is VIOLATED


def test_openshift_lets_everybody_make_projects_until_that_is_taken_away() -> None:
    nobody = obj(
        "ClusterRoleBinding",
        "self-provisioners",
        api=f"{RBAC}/v1",
        roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": "self-provisioner"},
        subjects=[],
    )

    claim = decide(A4, view(EDIT, OPENSHIFT))[""]

    assert claim.verdict is VIOLATED
    assert "ClusterRoleBinding self-provisioners" in objects_on_path(claim)
    assert verdict(A4, view(EDIT, OPENSHIFT, nobody)) is PROVED
    assert verdict(A4, view(EDIT)) is PROVED


# --- A5 ---


def hook(namespace: str, kind: str = "ValidatingWebhookConfiguration", **fields: Any) -> Body:
    service = {"name": "w", "namespace": namespace}
    return obj(kind, "hook", api=ADMISSION, webhooks=[{"name": "w", "clientConfig": {"service": service}, **fields}])


def api_service(namespace: str) -> Body:
    return obj(
        "APIService", "s", api="apiregistration.k8s.io/v1", spec={"service": {"name": "s", "namespace": namespace}}
    )


def conversion(namespace: str) -> Body:
    service = {"name": "s", "namespace": namespace}
    spec = {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"service": service}}}}
    return obj("CustomResourceDefinition", "things.example.com", api="apiextensions.k8s.io/v1", spec=spec)


@pytest.mark.parametrize("make", [hook, api_service, conversion])
def test_what_answers_for_everybody_must_not_run_in_a_tenants_namespace(make: Any) -> None:
    seen = view(make("a"), EDIT)

    claim = decide(A5, seen)[""]

    assert claim.verdict is VIOLATED
    assert "a" in resolve(seen, claim)
    assert decide(A5, seen, "b")[""].verdict is PROVED
    assert verdict(A5, view(make("ops"), EDIT)) is PROVED


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("https://w.a.svc:443/check", VIOLATED, id="a Service of the tenant"),
        pytest.param("https://w.a.svc.cluster.local/check", VIOLATED, id="by its whole name"),
        pytest.param("https://w.ops.svc/check", PROVED, id="a Service of the platform"),
        pytest.param("https://hooks.a.example.com/check", PROVED, id="a name outside the cluster"),
        pytest.param(["https://w.a.svc"], PROVED, id="no address at all"),
    ],
)
def test_a_webhook_may_name_its_service_by_address(url: Any, expected: Verdict) -> None:
    body = hook("ops")
    body["webhooks"][0]["clientConfig"] = {"url": url}
    seen = view(body, EDIT)

    assert verdict(A5, seen) is expected
    if expected is VIOLATED:
        assert url in resolve(seen, decide(A5, seen)[""])


def test_webhooks_that_change_objects_of_tenants_want_a_review() -> None:
    changing = hook("ops", "MutatingWebhookConfiguration")
    elsewhere = hook("ops", "MutatingWebhookConfiguration", namespaceSelector={"matchLabels": {"x": "y"}})

    assert verdict(A5, view(changing)) is UNKNOWN
    assert verdict(A5, view(changing, facts={"webhooks.reviewed": True})) is PROVED
    assert verdict(A5, view(elsewhere)) is PROVED


# --- A6 ---


def adding(*rules: Body, label: str = "rbac.authorization.k8s.io/aggregate-to-edit") -> Body:
    return cluster_role("operator", *rules, labels={label: "true"})


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(rule("create", "network-attachment-definitions", "k8s.cni.cncf.io"), id="network attachments"),
        pytest.param(rule("update", "resourcequotas"), id="quotas"),
        pytest.param(rule("*", "*", "*"), id="everything"),
        pytest.param(rule("create", "localqueues", "kueue.x-k8s.io"), id="queues"),
    ],
)
def test_a_dangerous_right_that_aggregation_adds(held: Body) -> None:
    seen = view(adding(held), EDIT)

    claim = decide(A6, seen)[""]

    assert claim.verdict is VIOLATED
    assert "ClusterRole operator" in objects_on_path(claim)
    assert "aggregate-to-edit" in claim.fix
    assert verdict(A6, view(EDIT)) is PROVED
    assert verdict(A6, view(adding(held, label="rbac.authorization.k8s.io/aggregate-to-other"), EDIT)) is PROVED
    assert verdict(A6, view(adding(rule("create", "widgets", "example.com")), EDIT)) is PROVED
    # A role nobody of the tenant holds.
    assert decide(A6, seen, "b")[""].verdict is PROVED


def test_writing_cluster_roles_adds_to_everybodys_roles() -> None:
    assert verdict(A6, view(holding(rule("create", "clusterroles", RBAC)))) is VIOLATED


@needs_cel
def test_admission_can_refuse_what_aggregation_allows() -> None:
    refuses = guard("g", "false", resources=["resourcequotas"])
    opaque = guard("g", "authorizer.path('/x') != null", resources=["resourcequotas"])

    assert verdict(A6, view(adding(rule("update", "resourcequotas")), EDIT, refuses)) is PROVED
    assert verdict(A6, view(adding(rule("update", "resourcequotas")), EDIT, opaque)) is UNKNOWN


# --- A7 ---


def test_custom_resources_want_a_review_of_their_operators() -> None:
    held = holding(rule("create", "widgets", "example.com"), namespace="a")

    claim = decide(A7, view(held))[""]

    assert claim.verdict is UNKNOWN
    assert claim.missing[0].fact == "operators.reviewed"
    assert "widgets.example.com" in claim.missing[0].how
    assert verdict(A7, view(held, facts={"operators.reviewed": True})) is PROVED
    assert verdict(A7, view(held, facts={"operators.reviewed": False})) is VIOLATED
    assert verdict(A7, view(EDIT)) is PROVED


# --- A8 ---


@pytest.mark.parametrize(
    "who",
    [
        "group system:authenticated",
        "group system:unauthenticated",
        "group system:serviceaccounts",
        "user system:anonymous",
    ],
)
def test_rights_of_everybody(who: str) -> None:
    held = holding(rule("list", "configmaps"), who=who.replace(" ", ":", 1))

    claim = decide(A8, view(held))[""]

    assert claim.verdict is VIOLATED
    assert objects_on_path(claim) == ["ClusterRoleBinding held", "ClusterRole held"]
    assert f"take {who} out of ClusterRoleBinding held" in claim.fix
    assert verdict(A8, view()) is PROVED
    assert verdict(A8, view(OPENSHIFT)) is PROVED


def test_what_one_tenant_gives_everybody_reaches_that_tenant() -> None:
    held = holding(rule("list", "configmaps"), namespace="b", who="group:system:authenticated")
    seen = view(held, tenants=THREE)

    assert {target: claim.verdict for target, claim in decide(A8, seen).items()} == {"b": VIOLATED, "c": PROVED}
    assert {claim.verdict for claim in decide(A8, seen, "b").values()} == {PROVED}


@pytest.mark.parametrize(
    ("held", "namespace", "expected"),
    [
        pytest.param(rule("get list", "configmaps"), "ops", PROVED, id="what the platform publishes"),
        pytest.param(rule("get", "secrets"), "ops", VIOLATED, id="but no secrets"),
        pytest.param(rule("list", "secrets"), "ops", VIOLATED, id="which listing shows as well"),
        pytest.param(rule("watch", "secrets"), "ops", VIOLATED, id="and watching"),
        pytest.param(rule("get", "pods/log"), "ops", VIOLATED, id="nor what pods print"),
        pytest.param(rule("create", "configmaps"), "ops", VIOLATED, id="nor writing"),
        pytest.param(
            rule("create", "selfsubjectaccessreviews", "authorization.k8s.io"), "", PROVED, id="reviews of oneself"
        ),
        pytest.param({"verbs": ["get"], "nonResourceURLs": ["/metrics"]}, "", PROVED, id="paths that are read"),
        pytest.param({"verbs": ["*"], "nonResourceURLs": ["*"]}, "", VIOLATED, id="paths that are written"),
    ],
)
def test_what_everybody_may_have(held: Body, namespace: str, expected: Verdict) -> None:
    given_ = holding(held, namespace=namespace, who="group:system:authenticated")

    assert verdict(A8, view(given_)) is expected


def test_a_role_of_everybody_that_is_not_among_the_objects_is_unknown() -> None:
    assert verdict(A8, view(bind("x", "ClusterRole/elsewhere", "group:system:authenticated"))) is UNKNOWN


# --- bad input ---


def test_nonsense_never_crashes_and_never_hides_a_right() -> None:
    nonsense = [
        obj("MutatingWebhookConfiguration", "w", api=ADMISSION, webhooks="none"),
        obj("ValidatingWebhookConfiguration", "v", api=ADMISSION, webhooks=[1, {"clientConfig": {"service": []}}]),
        obj("APIService", "s", api="apiregistration.k8s.io/v1", spec=[]),
        obj("CustomResourceDefinition", "c", api="apiextensions.k8s.io/v1", spec={"conversion": 3}),
        obj("ClusterRole", "r", api=f"{RBAC}/v1", rules=[{"verbs": {"get": 1}, "resources": None}]),
        space("a", "restricted"),
    ]
    seen = view(nonsense, *holding(rule("create", "pods/exec"), namespace="b"))

    for channel in CHANNELS:
        decide(channel, seen)
    assert verdict(A2, seen) is VIOLATED
