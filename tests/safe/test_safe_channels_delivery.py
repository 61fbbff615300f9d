from __future__ import annotations

from typing import Any

import pytest
from safe_clusters import (
    EDIT,
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
    verdict,
)
from safe_clusters import view as view_of

from tenantry.model.finding import Verdict
from tenantry.safe import cel
from tenantry.safe.channels.delivery import CHANNELS
from tenantry.safe.delivery import Delivery
from tenantry.safe.view import View

D1, D2, D3 = CHANNELS
PROVED, VIOLATED, UNKNOWN = Verdict.PROVED, Verdict.VIOLATED, Verdict.UNKNOWN
needs_cel = pytest.mark.skipif(not cel.available(), reason="CEL is not installed")

THREE = {"a": ["a"], "b": ["b"], "c": ["c"]}
API = "argoproj.io/v1alpha1"
HERE = "https://kubernetes.default.svc"
RESERVED = (
    ("rbac.authorization.k8s.io", "*"),
    ("", "ResourceQuota"),
    ("", "LimitRange"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("k8s.cni.cncf.io", "NetworkAttachmentDefinition"),
)


RULES = obj("ConfigMap", "argocd-rbac-cm", "argocd", data={})
"""What Argo CD lets whom do: nothing."""


def view(*bodies: Body | list[Body], **asked: Any) -> View:
    """Return a view of objects in which Argo CD's own roles give nobody anything, unless the objects say more."""
    return view_of(RULES, *bodies, **asked)


def project(name: str = "team-a", *namespaces: str, server: str = HERE, **spec: Any) -> Body:
    """Return a project of tenant a that is confined to some namespaces and deploys nothing that undoes guards."""
    fields: Body = {
        "sourceRepos": ["https://git.example.com/a.git"],
        "destinations": [{"server": server, "namespace": namespace} for namespace in (namespaces or ("a",))],
        "clusterResourceWhitelist": [],
        "namespaceResourceBlacklist": [{"group": group, "kind": kind} for group, kind in RESERVED],
        "roles": [
            {"name": "dev", "groups": ["a"], "policies": [f"p, proj:{name}:dev, applications, sync, {name}/*, allow"]}
        ],
    }
    return obj("AppProject", name, "argocd", API, spec={**fields, **spec})


def verdicts(*bodies: Any) -> dict[str, Verdict]:
    return {target: claim.verdict for target, claim in decide(D1, view(*bodies, tenants=THREE)).items()}


def test_a_confined_project_is_proved() -> None:
    assert verdicts(project()) == {"": PROVED}


def test_a_project_that_names_the_namespace_of_another() -> None:
    seen = view(project("team-a", "a", "b"), tenants=THREE)

    claims = decide(D1, seen)

    assert {target: claim.verdict for target, claim in claims.items()} == {"b": VIOLATED, "c": PROVED}
    assert claims["b"].witness is not None
    assert claims["b"].witness.steps[-1].pointer == ("spec", "destinations", 1, "namespace")
    assert resolve(seen, claims["b"])[-1] == "b"
    manifest = dict(claims["b"].witness.details)["manifest"]
    assert manifest["spec"]["destination"] == {"server": HERE, "namespace": "b"}
    assert decide(D1, seen, "b")[""].verdict is PROVED


DENIED = ("c", "kube-*", "default", "ops", "argocd")
ALL_BUT_SOME = [{"server": HERE, "namespace": name} for name in ("*", *(f"!{denied}" for denied in DENIED))]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(project("team-a", "*"), {"": VIOLATED}, id="every namespace"),
        pytest.param(project("team-a", "*a"), {"": PROVED}, id="a pattern that means its own only"),
        pytest.param(project("team-a", "[ab]"), {"": PROVED}, id="brackets are no pattern"),
        pytest.param(project("team-a", "a", "argocd"), {"": VIOLATED}, id="the namespace of Argo CD"),
        pytest.param(project("team-a", "*", server="https://other.example.com"), {"": PROVED}, id="another cluster"),
        pytest.param(project("team-a", "*", server="*"), {"": VIOLATED}, id="every cluster"),
        pytest.param(project("team-a", "*", server="https://*"), {"": VIOLATED}, id="every cluster by a pattern"),
        pytest.param(
            project("team-a", destinations=[{"name": "in-cluster", "namespace": "*"}]), {"": VIOLATED}, id="by name"
        ),
        pytest.param(
            project("team-a", destinations=ALL_BUT_SOME),
            {"b": VIOLATED, "c": PROVED},
            id="every namespace but some",
        ),
        pytest.param(project("team-a", "*", sourceRepos=[]), {"": PROVED}, id="no repository"),
        pytest.param(
            project(clusterResourceWhitelist=[{"group": "*", "kind": "*"}]), {"": VIOLATED}, id="cluster-scoped kinds"
        ),
        pytest.param(project("team-a", "*", roles=[]), {"": PROVED}, id="a project the tenant cannot use"),
        pytest.param(
            project("team-a", "*", roles=[{"groups": ["a"], "policies": ["p, x, applications, get, team-a/*, allow"]}]),
            {"": PROVED},
            id="a role that only looks",
        ),
        pytest.param(project("team-a", "*", roles=[{"groups": ["b"], "policies": []}]), {"": PROVED}, id="of others"),
    ],
)  # fmt: skip
def test_where_a_project_may_deploy(given: Body, expected: dict[str, Verdict]) -> None:
    assert verdicts(given) == expected


def test_a_project_can_be_used_by_many_ways() -> None:
    open_ = project("team-a", "*", roles=[])
    labelled = {**open_, "metadata": {**open_["metadata"], "labels": {"tenantry.dev/tenant": "a"}}}
    destination = {"server": HERE, "namespace": "a"}
    app = obj("Application", "x", "argocd", API, spec={"project": "team-a", "destination": destination})
    many = obj("ApplicationSet", "x", "argocd", API, spec={"template": {"spec": app["spec"]}})
    elsewhere = project("team-a", "*", roles=[], sourceNamespaces=["a"])
    writes = [
        role("apps", "a", rule("create", "applications", "argoproj.io")),
        bind("apps", "Role/apps", "group:a", namespace="a"),
    ]
    policy = obj(
        "ConfigMap", "argocd-rbac-cm", "argocd", data={"policy.csv": "p, a, applications, create, team-a/*, allow"}
    )

    assert verdicts(open_) == {"": PROVED}
    for bodies in ([labelled], [open_, app], [open_, many], [elsewhere, *writes], [open_, policy]):
        assert verdicts(*bodies) == {"": VIOLATED}
    assert verdicts(elsewhere) == {"": PROVED}


@pytest.mark.parametrize(
    ("group", "kind"), [entry for entry in RESERVED if entry[1] != "*"] + [(RESERVED[0][0], "RoleBinding")]
)
def test_argo_cd_must_not_apply_what_no_member_may_write(group: str, kind: str) -> None:
    rest = [
        {"group": other, "kind": name}
        for other, name in (*RESERVED[1:], (RESERVED[0][0], "Role"), (RESERVED[0][0], "RoleBinding"))
        if (other, name) != (group, kind)
    ]
    seen = view(project(namespaceResourceBlacklist=rest), tenants=THREE)

    claim = decide(D1, seen)[""]

    assert claim.verdict is VIOLATED
    assert f"add {kind} to namespaceResourceBlacklist" in claim.fix
    allowed_only = project(namespaceResourceBlacklist=rest, namespaceResourceWhitelist=[{"group": "apps", "kind": "*"}])
    assert verdicts(allowed_only) == {"": PROVED}


@needs_cel
def test_admission_can_refuse_what_argo_cd_applies() -> None:
    rest = [{"group": group, "kind": kind} for group, kind in RESERVED if kind != "ResourceQuota"]
    open_ = project(namespaceResourceBlacklist=rest)
    for_all = guard("g", "false", resources=["resourcequotas"])
    not_argo = guard(
        "g", "request.userInfo.username.startsWith('system:serviceaccount:argocd:')", resources=["resourcequotas"]
    )
    opaque = guard("g", "authorizer.path('/x') != null", resources=["resourcequotas"])

    assert verdicts(open_, for_all) == {"": PROVED}
    assert verdicts(open_, not_argo) == {"": VIOLATED}
    assert verdicts(open_, opaque) == {"": UNKNOWN}


# --- D2 ---

WRITES = cluster_role("apps", rule("create", "applications", "argoproj.io"))


@pytest.mark.parametrize("resource", ["applications", "applicationsets", "appprojects"])
def test_writing_in_the_namespace_of_argo_cd(resource: str) -> None:
    writes = cluster_role("apps", rule("create", resource, "argoproj.io"))
    seen = view(project(), writes, bind("apps", "ClusterRole/apps", "group:a", namespace="argocd"))

    claim = decide(D2, seen)[""]

    assert claim.verdict is VIOLATED
    assert objects_on_path(claim)[:2] == ["RoleBinding argocd/apps", "ClusterRole apps"]
    resolve(seen, claim)
    assert decide(D2, seen, "b")[""].verdict is PROVED
    assert verdict(D2, view(project(), writes, bind("apps", "ClusterRole/apps", "group:a", namespace="a"))) is PROVED
    assert verdict(D2, view(project(), EDIT)) is PROVED


@needs_cel
def test_admission_can_refuse_applications() -> None:
    held = bind("apps", "ClusterRole/apps", "group:a", namespace="argocd")
    refuses = guard("g", "object.spec.project == 'team-a'", resources=["applications"], groups=["argoproj.io"])
    opaque = guard("g", "authorizer.path('/x') != null", resources=["applications"], groups=["argoproj.io"])

    assert verdict(D2, view(project(), WRITES, held, refuses)) is PROVED
    assert verdict(D2, view(project(), WRITES, held, opaque)) is UNKNOWN


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param({"policy.csv": "p, a, applications, create, */*, allow"}, VIOLATED, id="every project"),
        pytest.param({"policy.csv": "p, a, applications, *, team-a/*, allow"}, PROVED, id="its own project"),
        pytest.param({"policy.csv": "p, a, applications, get, */*, allow"}, PROVED, id="looking"),
        pytest.param({"policy.csv": "p, a, projects, update, *, allow"}, VIOLATED, id="changing projects"),
        pytest.param(
            {"policy.csv": "p, role:dev, applications, create, */*, allow\ng, a, role:dev"}, VIOLATED, id="by a role"
        ),
        pytest.param({"policy.csv": "g, a, role:admin"}, VIOLATED, id="administrators of Argo CD"),
        pytest.param({"policy.csv": "g, b, role:admin"}, PROVED, id="another group"),
        pytest.param({"policy.default": "role:admin"}, VIOLATED, id="everybody by default"),
        pytest.param({"policy.default": "role:readonly"}, VIOLATED, id="everybody reads logs of every pod"),
        pytest.param({"policy.csv": "p, a, exec, create, */*, allow"}, VIOLATED, id="commands in pods of others"),
        pytest.param({"policy.csv": "p, a, exec, create, team-a/*, allow"}, PROVED, id="commands in its own pods"),
        pytest.param({"policy.csv": "p, a, applications, delete, */*, allow"}, VIOLATED, id="removing applications"),
        pytest.param({"policy.csv": "p, a, accounts, update, *, allow"}, VIOLATED, id="passwords of others"),
        pytest.param(
            {"policy.csv": 'p, "unclosed, x\np, a, applications, create, */*, allow'}, VIOLATED, id="an open quote"
        ),
        pytest.param({"policy.csv": "p, a, applications, create, */*, deny"}, PROVED, id="denied"),
        pytest.param({"policy.csv": "nonsense, , ,,\n\"unclosed"}, PROVED, id="nonsense"),
    ],
)  # fmt: skip
def test_argo_cds_own_roles(data: Body, expected: Verdict) -> None:
    given = obj("ConfigMap", "argocd-rbac-cm", "argocd", data=data)
    spec = {"rbac": {"policy": data.get("policy.csv"), "defaultPolicy": data.get("policy.default")}}
    operator = obj("ArgoCD", "argocd", "argocd", "argoproj.io/v1beta1", spec=spec)

    assert verdict(D2, view(project(), given)) is expected
    assert verdict(D2, view(project(), operator)) is expected


def test_regular_expressions_in_policies_are_read_as_such() -> None:
    data = {"policy.csv": "p, a, applications, create, .*/.*, allow", "policy.matchMode": "regex"}
    given = obj("ConfigMap", "argocd-rbac-cm", "argocd", data=data)
    shown = {"rbac": {"policy": data["policy.csv"], "policyMatcherMode": "regex"}}
    operator = obj("ArgoCD", "argocd", "argocd", "argoproj.io/v1beta1", spec=shown)

    for rules in (given, operator):
        assert verdict(D2, view(project(), rules)) is VIOLATED
        assert verdict(D1, view(project("wide", "*", roles=[]), rules)) is VIOLATED
    assert verdict(D1, view(project("wide", "*", roles=[]))) is PROVED


# --- the project Argo CD makes ---

CLOSED = project("default", sourceRepos=[], destinations=[], roles=[])
EVERY = obj(
    "ConfigMap", "argocd-rbac-cm", "argocd", data={"policy.csv": "p, a, applications, create, default/*, allow"}
)
APP = obj("Application", "x", "argocd", API, spec={"project": "p", "destination": {"server": HERE, "namespace": "ops"}})


def test_where_no_default_project_is_given_argo_cd_makes_an_open_one() -> None:
    seen = view(project(), EVERY)

    claim = decide(D1, seen)[""]

    assert claim.verdict is VIOLATED
    assert "AppProject argocd/default" in objects_on_path(claim)
    assert claim.witness is not None
    assert any("no AppProject default is given in argocd" in step.missing for step in claim.witness.steps)
    assert "add AppProject argocd/default with empty sourceRepos" in claim.fix
    resolve(seen, claim)
    assert verdict(D1, view(project(), EVERY, CLOSED)) is PROVED
    assert verdict(D1, view(project(), EVERY, live=True)) is VIOLATED


@pytest.mark.parametrize(
    "shows",
    [
        pytest.param([APP], id="an application"),
        pytest.param([obj("ArgoCD", "argocd", "argocd", "argoproj.io/v1beta1")], id="an instance of the operator"),
        pytest.param([obj("ConfigMap", "argocd-cm", "argocd")], id="its configuration"),
    ],
)
def test_whatever_shows_that_there_is_an_argo_cd_shows_its_default_project(shows: list[Body]) -> None:
    found = view_of(*shows).snapshot.get("argoproj.io", "AppProject", "default", "argocd")
    assert found is not None
    assert found.body["spec"]["clusterResourceWhitelist"] == [{"group": "*", "kind": "*"}]
    given = view_of(*shows, CLOSED).snapshot.get("argoproj.io", "AppProject", "default", "argocd")
    assert given is not None
    assert given.body == CLOSED


def test_the_operator_makes_an_instance_of_its_own() -> None:
    subscribed = obj(
        "Subscription", "gitops", "ops", "operators.coreos.com/v1alpha1", spec={"name": "openshift-gitops-operator"}
    )
    assert view_of(subscribed).snapshot.get("argoproj.io", "AppProject", "default", "openshift-gitops")
    assert view_of().snapshot.of("argoproj.io", "AppProject") == []


def test_what_argo_cd_lets_whom_do_is_asked_for_where_it_is_not_among_the_objects() -> None:
    assert verdict(D1, view_of(project(), CLOSED)) is PROVED
    assert verdict(D1, view_of(project())) is UNKNOWN
    assert verdict(D2, view_of(project(), CLOSED)) is UNKNOWN
    assert verdict(D2, view(project(), CLOSED)) is PROVED


def test_a_role_that_is_not_among_the_objects_leaves_it_unknown() -> None:
    assert verdict(D2, view(project(), bind("x", "ClusterRole/elsewhere", "group:a", namespace="argocd"))) is UNKNOWN


# --- D3 ---


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, UNKNOWN),
        ("platform-team", PROVED),
        ("reviewed-by-platform-team", PROVED),
        ("everyone", VIOLATED),
    ],
)
def test_who_may_merge_is_a_fact(value: str | None, expected: Verdict) -> None:
    facts = {} if value is None else {"gitops.write-access": value}

    assert verdict(D3, view(project(), facts=facts)) is expected


def test_without_argo_cd_nothing_is_delivered() -> None:
    assert verdict(D3, view_of(EDIT)) is PROVED


@pytest.mark.parametrize(
    "nonsense",
    [
        obj("AppProject", "x", "argocd", API, spec="all"),
        obj("AppProject", "x", "argocd", API, spec={"destinations": "*", "roles": [1], "sourceRepos": {"a": 1}}),
        obj("AppProject", "x", "argocd", API, spec={"sourceRepos": ["*"], "destinations": [None, {"namespace": 4}]}),
        obj("ApplicationSet", "x", "argocd", API, spec={"template": []}),
        obj("ArgoCD", "x", "argocd", "argoproj.io/v1beta1", spec={"rbac": []}),
    ],
)
def test_nonsense_is_read_without_a_crash(nonsense: Body) -> None:
    for channel in CHANNELS:
        decide(channel, view(nonsense, EDIT))
    assert Delivery(view(nonsense).snapshot).namespaces == ("argocd",)
    assert verdict(D1, view(nonsense, project("team-a", "b"))) is VIOLATED


def test_whoever_writes_applications_can_name_every_project() -> None:
    """D2 is about the writing; D1 must not say on top that no project can be used."""
    held = bind("apps", "ClusterRole/apps", "group:a", namespace="argocd")
    wide = {**project("wide", "*"), "metadata": {"name": "wide", "namespace": "argocd"}}
    wide["spec"] = {key: value for key, value in wide["spec"].items() if key != "roles"}

    assert verdict(D1, view(wide)) is PROVED
    assert verdict(D1, view(wide, WRITES, held)) is Verdict.VIOLATED
