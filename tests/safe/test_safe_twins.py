"""Tenants that could change places: who is whose twin, and that deciding one of them changes no verdict."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from made_platforms import platform, snapshot_of

from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Declared, SignedFact, Tenancy, TenantIdentity
from tenantry.safe import twins
from tenantry.safe.benchmark18 import benchmark, benchmarks
from tenantry.safe.channels import CHANNELS
from tenantry.safe.comparisons import measure_texts, work_out_askers
from tenantry.safe.twins import Twins
from tenantry.safe.verify import open_claims, verify, verify_once
from tenantry.safe.view import View

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("cel_expr_python", reason="CEL is not installed")

Body = dict[str, Any]
ROLES = "rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Body], Tenancy]:
    """Four tenants of one department on the same two pools."""
    return platform(request.config.rootpath, tmp_path_factory.mktemp("spec"), 4, 2, even=True)


def viewed(bodies: list[Body], tenancy: Tenancy, declared: Declared | None = None) -> View:
    return View(snapshot_of(bodies), tenancy, declared or Declared())


def classes(view: View) -> list[str]:
    """Return the classes by the last letters of their tenants."""
    return ["".join(tenant.name[-1] for tenant in members) for members in Twins(view).classes]


def test_tenants_that_differ_in_names_only_are_twins(built: tuple[list[Body], Tenancy]) -> None:
    assert classes(viewed(*built)) == ["abcd"]


# --- what tells tenants apart -----------------------------------------------------------------------------------------


def named(bodies: list[Body], kind: str, name: str) -> Body:
    return next(body for body in bodies if body["kind"] == kind and body["metadata"]["name"] == name)


def of_namespace(bodies: list[Body], kind: str, namespace: str) -> Body:
    return next(body for body in bodies if body["kind"] == kind and body["metadata"].get("namespace") == namespace)


def labelled(bodies: list[Body]) -> None:
    named(bodies, "Namespace", "team-c")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "privileged"


def unbounded(bodies: list[Body]) -> None:
    bodies.remove(of_namespace(bodies, "ResourceQuota", "team-c"))


def opened(bodies: list[Body]) -> None:
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}
    meta = {"name": "open", "namespace": "team-c"}
    bodies.append({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec})


def powerful(bodies: list[Body]) -> None:
    binding = {
        "apiVersion": ROLES,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "helpers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "team-c"}],
    }
    bodies.append(binding)


def excepted(bodies: list[Body]) -> None:
    """Let every guard pass over one tenant, whose name stands in a condition that all have."""
    for body in bodies:
        if body["kind"] == "ValidatingAdmissionPolicy":
            condition = {"name": "all-but-one", "expression": "request.namespace != 'team-c'"}
            body["spec"].setdefault("matchConditions", []).append(condition)


def begins(bodies: list[Body]) -> None:
    """Let every guard pass over namespaces with a certain beginning, which no object has as a name."""
    for body in bodies:
        if body["kind"] == "ValidatingAdmissionPolicy":
            condition = {"name": "all-but-one", "expression": "!request.namespace.startsWith('team-c')"}
            body["spec"].setdefault("matchConditions", []).append(condition)


def same_vlan(bodies: list[Body]) -> None:
    networks = [body for body in bodies if body["kind"] == "SriovNetwork"]

    for left, right in zip(
        [body for body in networks if body["spec"]["networkNamespace"] == "team-c"],
        [body for body in networks if body["spec"]["networkNamespace"] == "team-d"],
        strict=True,
    ):
        left["spec"]["vlan"] = right["spec"]["vlan"]


def no_vlan(bodies: list[Body]) -> None:
    for body in bodies:
        if body["kind"] == "SriovNetwork" and body["spec"]["networkNamespace"] == "team-c":
            body["spec"]["vlan"] = 0


def any_destination(bodies: list[Body]) -> None:
    project = next(body for body in bodies if body["kind"] == "AppProject" and "tenant-c" in body["metadata"]["name"])
    project["spec"]["destinations"] = [{"server": "https://kubernetes.default.svc", "namespace": "*"}]


CHANGES: list[tuple[Callable[[list[Body]], None], list[str]]] = [
    (labelled, ["abd", "c"]),
    (unbounded, ["abd", "c"]),
    (opened, ["abd", "c"]),
    (powerful, ["abd", "c"]),
    (excepted, ["abd", "c"]),
    (begins, ["abd", "c"]),
    (same_vlan, ["ab", "cd"]),
    (no_vlan, ["abd", "c"]),
    (any_destination, ["abd", "c"]),
]


@pytest.mark.parametrize(("change", "wanted"), CHANGES, ids=lambda item: getattr(item, "__name__", ""))
def test_tenants_that_something_tells_apart_are_no_twins_and_all_are_decided_as_each_by_itself(
    built: tuple[list[Body], Tenancy],
    change: Callable[[list[Body]], None],
    wanted: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bodies = deepcopy(built[0])
    change(bodies)
    view = viewed(bodies, built[1])
    assert classes(view) == wanted
    at_once = open_claims(view)
    monkeypatch.setattr(twins, "_odd", lambda view, **options: {tenant.name for tenant in view.tenants})
    alone = viewed(bodies, built[1])
    assert classes(alone) == ["a", "b", "c", "d"]
    assert open_claims(alone) == at_once


def test_verification_as_a_whole_is_the_same_without_twins(
    built: tuple[list[Body], Tenancy], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = verify(viewed(*built))
    monkeypatch.setattr(twins, "_odd", lambda view, **options: {tenant.name for tenant in view.tenants})
    assert verify(viewed(*built)) == at_once


def unchanged(bodies: list[Body]) -> None:
    del bodies


@pytest.mark.parametrize("change", [unchanged, *(change for change, _ in CHANGES)], ids=lambda item: item.__name__)
def test_what_is_not_proved_is_claimed_of_everybody(
    built: tuple[list[Body], Tenancy], change: Callable[[list[Body]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenantry.safe.verify.MANY", 0)
    bodies = deepcopy(built[0])
    change(bodies)
    everything, once = verify(viewed(bodies, built[1])), verify_once(viewed(bodies, built[1]))
    assert [item for item in once if item.verdict is not Verdict.PROVED] == [
        item for item in everything if item.verdict is not Verdict.PROVED
    ]
    proofs = {(item.channel, item.reason) for item in everything if item.verdict is Verdict.PROVED}
    shown = {(item.channel, item.reason) for item in once if item.verdict is Verdict.PROVED}
    assert shown <= proofs
    assert {channel for channel, _ in shown} == {channel for channel, _ in proofs}
    assert len(once) < len(everything)


def test_of_few_tenants_each_is_decided(built: tuple[list[Body], Tenancy]) -> None:
    told: list[str] = []
    assert verify_once(viewed(*built), progress=told.append) == verify(viewed(*built))
    assert told == [channel.title for channel in CHANNELS]


@pytest.mark.parametrize("change", [unchanged, labelled, unbounded, powerful], ids=lambda item: item.__name__)
def test_checks_of_the_benchmarks_are_those_of_each_by_itself(
    built: tuple[list[Body], Tenancy], change: Callable[[list[Body]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenantry.safe.benchmark18.MANY", 0)
    bodies = deepcopy(built[0])
    change(bodies)
    view = viewed(bodies, built[1])
    names = [tenant.name for tenant in view.tenants]
    assert benchmarks(view, names) == {name: benchmark(view, name) for name in names}
    assert list(benchmarks(view, names[1:])) == names[1:]


def test_the_same_change_of_all_leaves_them_twins(built: tuple[list[Body], Tenancy]) -> None:
    bodies = deepcopy(built[0])
    for body in bodies:
        if body["kind"] == "Namespace" and body["metadata"]["name"].startswith("team-"):
            body["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "privileged"
    assert classes(viewed(bodies, built[1])) == ["abcd"]


def test_tenants_named_in_what_is_declared_are_nobodys_twins(built: tuple[list[Body], Tenancy]) -> None:
    fact = SignedFact("nodes.whole-server-per-tenant", "all but tenant-b", "seen", "root", expired=False)
    assert classes(viewed(*built, Declared(facts={fact.id: fact}))) == ["acd", "b"]


# --- names ------------------------------------------------------------------------------------------------------------


def plain(*tenants: TenantIdentity, more: tuple[Body, ...] = ()) -> list[list[str]]:
    """Return the classes of tenants with empty namespaces and some objects beside."""
    homes = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": tenant.name}}}
        for tenant in tenants
        for name in tenant.namespaces
    ]
    found = Twins(viewed([*homes, *more], Tenancy(tenants)))
    return [[tenant.name for tenant in members] for members in found.classes]


def tenant(name: str, *namespaces: str, groups: tuple[str, ...] = ()) -> TenantIdentity:
    return TenantIdentity(name, namespaces or (name,), groups)


def test_names_of_any_form_are_taken_out() -> None:
    assert plain(tenant("vision", "vision-train"), tenant("speech", "speech-train")) == [["vision", "speech"]]
    assert plain(tenant("a", "x", groups=("oidc:a",)), tenant("b", "y", groups=("oidc:b",))) == [["a", "b"]]


@pytest.mark.parametrize(
    "odd",
    [
        tenant("kube-team"),
        tenant("default"),
        tenant("c", "openshift-c"),
        tenant("c", groups=("system:authenticated",)),
        tenant("c", groups=("CN=c, OU=teams",)),
    ],
)
def test_names_that_the_api_keeps_or_that_are_no_words_make_no_twins(odd: TenantIdentity) -> None:
    other = TenantIdentity("z", ("z",) * len(odd.namespaces), ("zz",) * len(odd.groups))
    assert plain(odd, other) == [[odd.name], ["z"]]


def test_a_name_that_is_part_of_anothers_makes_no_twins() -> None:
    assert plain(tenant("vision"), tenant("vision-two"), tenant("speech"), tenant("audio")) == [
        ["vision"],
        ["vision-two"],
        ["speech", "audio"],
    ]


def test_what_is_said_of_a_name_two_tenants_have_keeps_them_apart() -> None:
    both = (tenant("a", groups=("ops",)), tenant("b", groups=("ops",)), tenant("c", groups=("c1",)))
    assert plain(*both, tenant("d", groups=("d1",))) == [["a", "b"], ["c", "d"]]
    subjects = [{"kind": "Group", "name": "ops"}]
    binding = {"apiVersion": ROLES, "kind": "RoleBinding", "metadata": {"name": "in", "namespace": "a"}}
    assert plain(*both, more=({**binding, "subjects": subjects},)) == [["a"], ["b"], ["c"]]


def test_an_object_about_several_tenants_keeps_twins_apart_unless_it_holds_them_as_a_set() -> None:
    def project(**spec: Any) -> Body:
        meta = {"name": "shared", "namespace": "argocd"}
        return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": spec}

    three = tenant("a"), tenant("b"), tenant("c")
    entries = [{"namespace": name, "server": "*"} for name in "abc"]
    assert plain(*three, more=(project(destinations=entries),)) == [["a", "b", "c"]]
    assert plain(*three, more=(project(destinations=entries[:2]),)) == [["a", "b"], ["c"]]
    assert plain(*three, more=(project(orders=entries),)) == [["a"], ["b"], ["c"]]
    assert plain(*three, more=(project(description="a before b and c"),)) == [["a"], ["b"], ["c"]]
    nested = [{"namespace": "a", "peers": ["b"]}, {"namespace": "b", "peers": ["c"]}, {"namespace": "c", "peers": "a"}]
    assert plain(*three, more=(project(destinations=nested),)) == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("*", [["vision", "speech", "audio"]]),
        ("v*", [["vision"], ["speech", "audio"]]),
        ("*ion", [["vision"], ["speech", "audio"]]),
        ("?????", [["vision", "speech"], ["audio"]]),
        ("^(vis|spee).*", [["vision", "speech"], ["audio"]]),
        ("[a-s].*", [["vision"], ["speech", "audio"]]),
        ("speak*", [["vision", "speech", "audio"]]),
        ("visio.", [["vision"], ["speech", "audio"]]),
        ("(?i)VIS.*", [["vision"], ["speech", "audio"]]),
        (f"(v.*)({'x' * 300})?", [["vision"], ["speech", "audio"]]),
    ],
)
def test_names_that_a_pattern_tells_apart_make_no_twins(pattern: str, wanted: list[list[str]]) -> None:
    spec = {"destinations": [{"namespace": pattern, "server": "*"}]}
    meta = {"name": "shared", "namespace": "argocd"}
    project = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": meta, "spec": spec}
    assert plain(tenant("vision"), tenant("speech"), tenant("audio"), more=(project,)) == wanted


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_pattern_in_json_in_a_text_is_found(depth: int) -> None:
    text = json.dumps({"expr": 'used{namespace=~"v.*",pool!="p"}'})
    for _ in range(depth):
        text = json.dumps({"board": text})
    board = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "boards"}, "data": {"board": text}}
    assert plain(tenant("vision"), tenant("speech"), more=(board,)) == [["vision"], ["speech"]]


def test_a_pattern_made_of_a_group_makes_groups_that_are_parts_of_others_count() -> None:
    tenants = (
        tenant("a", "x", groups=("ops-1",)),
        tenant("b", "y", groups=("ops-12",)),
        tenant("c", "z", groups=("ops-3",)),
    )
    assert plain(*tenants) == [["a", "b", "c"]]
    script = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": "x"},
        "data": {"a": "ops-1*"},
    }
    assert plain(*tenants, more=(script,)) == [["a"], ["b"], ["c"]]


def test_a_name_is_found_behind_an_escape() -> None:
    script = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "list"}, "data": {"list": "for\nvision"}}
    assert plain(tenant("vision"), tenant("speech"), more=(script,)) == [["vision"], ["speech"]]


# --- policies that work names out -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("request.userInfo.groups.exists(g, g == request.namespace)", False),
        ("object.metadata.name in request.userInfo.groups", False),
        ("['ops-', 'sre-'].exists(p, request.userInfo.username.startsWith(p))", False),
        ("request.userInfo.username.startsWith('system:serviceaccount:' + request.namespace + ':')", False),
        ("object.metadata.name.startsWith(request.namespace + '-')", False),
        ("request.userInfo.groups.exists(g, g.startsWith(request.namespace))", True),
        ("request.userInfo.groups.exists(g, g == request.namespace + '-admins')", True),
        ("request.?userInfo.?username.orValue('') + '-x' == object.metadata.name", True),
        ("request['userInfo'].username.contains(object.metadata.name)", True),
        ("request.userInfo.groups.map(g, g + '-queue').exists(q, q == object.metadata.name)", True),
        ("variables.name.endsWith(object.metadata.name)", True),
        ("variables.?name.orValue('').endsWith(object.metadata.name)", True),
        ("variables.known || object.metadata.name.startsWith(request.namespace)", False),
        ("this is no expression of userInfo", True),
    ],
)
def test_policies_that_compare_askers_with_texts_they_work_out_are_told(expression: str, wanted: bool) -> None:
    variables = [
        {"name": "name", "expression": "request.userInfo.username"},
        {"name": "known", "expression": "request.userInfo.username == 'root'"},
    ]
    spec = {"variables": variables, "validations": [{"expression": expression}]}
    assert work_out_askers([{"spec": spec}]) is wanted


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("object.spec.?hostnames.orValue([]).size() > 0", False),
        ("object.metadata.name.split('/').size() == 1", False),
        ("size(object.spec.containers.filter(c, c.name == 'x')) == 0", False),
        ("variables.words.size() == 1", False),
        ("object.metadata.name.size() < 30", True),
        ("size(variables.name) < 30", True),
        ("size(object.spec.containers) < 3", True),
        ("size(no expression", True),
    ],
)
def test_policies_that_may_measure_texts_are_told(expression: str, wanted: bool) -> None:
    variables = [
        {"name": "name", "expression": "object.metadata.name"},
        {"name": "words", "expression": "object.metadata.name.split('-')"},
    ]
    spec = {"variables": variables, "validations": [{"expression": expression}]}
    assert measure_texts([{"spec": spec}]) is wanted
