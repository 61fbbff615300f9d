from __future__ import annotations

from random import Random
from typing import Any

import pytest
from naive_rbac import CLUSTER_KINDS, NaiveRbac, Who
from naive_rbac import identities as naive_identities
from safe_clusters import EDIT, OPENSHIFT, RBAC, Body, bind, cluster_role, obj, role, rule, snapshot, view

from tenantry.catalog.rbac import default_objects
from tenantry.safe.rbac import RoleBook, subject_of
from tenantry.safe.view import Principal

TENANTS = {"a": ["a", "a2"], "b": ["b"], "c": ["c"]}


# --- what a rule allows ---


@pytest.mark.parametrize(
    ("given", "asked", "allowed"),
    [
        pytest.param(rule("get", "pods"), ("get", "", "pods", ""), True, id="the verb on the kind"),
        pytest.param(rule("get", "pods"), ("list", "", "pods", ""), False, id="another verb"),
        pytest.param(rule("get", "pods"), ("get", "apps", "pods", ""), False, id="another group"),
        pytest.param(
            rule("get", "pods"), ("get", "", "pods/log", ""), False, id="a kind does not hold its subresources"
        ),
        pytest.param(
            rule("get", "pods/log"), ("get", "", "pods", ""), False, id="a subresource does not hold its kind"
        ),
        pytest.param(rule("get", "*"), ("get", "", "pods/exec", ""), True, id="a star holds every subresource"),
        pytest.param(rule("get", "*/exec"), ("get", "", "pods/exec", ""), True, id="one subresource of every kind"),
        pytest.param(rule("get", "*/exec"), ("get", "", "pods", ""), False, id="but no kind itself"),
        pytest.param(
            rule("get", "pods/*"), ("get", "", "pods/exec", ""), False, id="all subresources cannot be written so"
        ),
        pytest.param(
            rule("*", "pods", "*"), ("impersonate", "x", "pods", ""), True, id="stars hold every verb and group"
        ),
        pytest.param(rule("get", "pods", names="web"), ("get", "", "pods", "web"), True, id="its name"),
        pytest.param(rule("get", "pods", names="web"), ("get", "", "pods", "db"), False, id="another name"),
        pytest.param(
            rule("create", "pods", names="web"),
            ("create", "", "pods", "web"),
            True,
            id="server-side apply creates under its name",
        ),
        pytest.param(
            rule("create", "pods", names="web"),
            ("create", "", "pods", "db"),
            False,
            id="and under no other",
        ),
        pytest.param(
            rule("create", "pods/exec", names="web"),
            ("create", "", "pods/exec", "web"),
            True,
            id="creations below one do",
        ),
        pytest.param(
            rule("deletecollection", "pods", names="web"),
            ("deletecollection", "", "pods", ""),
            False,
            id="nor collections",
        ),
        pytest.param(
            {"verbs": ["*"], "nonResourceURLs": ["*"]},
            ("get", "", "pods", ""),
            False,
            id="paths say nothing about objects",
        ),
    ],
)
def test_a_rule_allows_what_the_api_server_allows(given: Body, asked: tuple[str, ...], allowed: bool) -> None:
    seen = view(role("r", "a", given), bind("r", "Role/r", "group:a", namespace="a"))
    verb, group, resource, name = asked

    assert (seen.may("a", verb, group, resource, "a", name) is not None) is allowed


# --- scope ---


def test_rights_in_one_namespace_hold_nowhere_else() -> None:
    seen = view(EDIT)

    assert seen.may("a", "create", "", "pods", "a")
    assert seen.may("a", "create", "", "pods", "b") is None
    assert seen.may("a", "create", "", "pods") is None
    assert seen.may("b", "create", "", "pods", "a") is None


def test_rights_on_kinds_outside_namespaces_are_inert_in_a_role_binding() -> None:
    everything = cluster_role("all", rule("*", "*", "*"))
    inside = view(everything, bind("x", "ClusterRole/all", "group:a", namespace="a"))
    outside = view(everything, bind("x", "ClusterRole/all", "group:a"))

    assert inside.may("a", "update", "", "nodes", "a") is None
    assert inside.may("a", "create", RBAC, "clusterroles", "a") is None
    assert outside.may("a", "update", "", "nodes")


def test_the_namespace_itself_is_within_reach_of_a_role_binding() -> None:
    """The API server takes the name of a Namespace for the namespace of the request."""
    labels = cluster_role("labels", rule("get list create update delete", "namespaces"))
    seen = view(labels, bind("x", "ClusterRole/labels", "group:a", namespace="a"))

    assert seen.may("a", "update", "", "namespaces", name="a")
    assert seen.may("a", "update", "", "namespaces")
    assert seen.may("a", "update", "", "namespaces", name="b") is None
    assert seen.may("a", "create", "", "namespaces") is None
    assert seen.may("a", "list", "", "namespaces") is None


def test_the_strongest_right_wins_and_says_how_it_is_held() -> None:
    seen = view(
        role("named", "a", rule("get", "secrets", names="one")),
        bind("named", "Role/named", "group:a", namespace="a"),
        role("all", "a", rule("get", "secrets")),
        bind("late", "Role/all", "group:a", namespace="a"),
    )

    right = seen.may("a", "get", "", "secrets", "a")

    assert right is not None
    assert right.names == ()
    assert right.principal == Principal("Group", "a")
    assert [str(step.by) for step in right.steps] == ["RoleBinding a/late", "Role a/all"]
    assert [step.pointer for step in right.steps] == [("subjects", 0), ("rules", 0)]


# --- subjects ---


@pytest.mark.parametrize(
    ("subject", "holds"),
    [
        pytest.param("group:a", True, id="its group"),
        pytest.param("group:b", False, id="the group of another"),
        pytest.param("sa:a/builder", True, id="a service account of its namespace, though it need not exist"),
        pytest.param("sa:b/builder", False, id="a service account of another"),
        pytest.param("user:system:serviceaccount:a:x", True, id="a service account written as a user"),
        pytest.param("group:system:authenticated", True, id="everybody who logs in"),
        pytest.param("group:system:unauthenticated", True, id="everybody who does not"),
        pytest.param("group:system:serviceaccounts", True, id="all service accounts"),
        pytest.param("group:system:serviceaccounts:a", True, id="all of its namespace"),
        pytest.param("group:system:serviceaccounts:b", False, id="all of another namespace"),
        pytest.param("user:group:a", False, id="a user named like a group"),
    ],
)
def test_a_binding_means_whom_the_api_server_takes_it_to_mean(subject: str, holds: bool) -> None:
    seen = view(cluster_role("r", rule("get", "nodes")), bind("r", "ClusterRole/r", subject))

    assert (seen.may("a", "get", "", "nodes") is not None) is holds


def test_a_service_account_without_namespace_is_one_of_the_role_binding() -> None:
    bare = {"kind": "ServiceAccount", "name": "x"}

    assert subject_of(bare, "a") == "user:system:serviceaccount:a:x"
    assert subject_of(bare, "") is None


def test_the_group_of_oauth_users_exists_on_openshift_only() -> None:
    given = [cluster_role("r", rule("get", "nodes")), bind("r", "ClusterRole/r", "group:system:authenticated:oauth")]

    assert view(given).may("a", "get", "", "nodes") is None
    assert view(given, OPENSHIFT).may("a", "get", "", "nodes")


# --- aggregation ---


def picks(label: str) -> list[Body]:
    return [{"matchLabels": {label: "yes"}}]


def test_aggregated_roles_hold_what_they_select_and_nothing_written_in_them() -> None:
    book = RoleBook(
        snapshot(
            cluster_role("sum", rule("delete", "nodes"), picks=picks("part")),
            cluster_role("part", rule("get", "pods"), labels={"part": "yes"}),
            cluster_role("other", rule("get", "secrets"), labels={"part": "no"}),
        )
    )

    assert [item.role.name for item in book.cluster_roles["sum"]] == ["part"]


def test_what_is_written_in_aggregated_roles_can_survive_on_a_cycle() -> None:
    book = RoleBook(
        snapshot(
            cluster_role("one", rule("get", "pods"), labels={"x": "yes"}, picks=picks("y")),
            cluster_role("two", rule("get", "nodes"), labels={"y": "yes"}, picks=picks("x")),
            cluster_role("self", rule("get", "secrets"), labels={"z": "yes"}, picks=picks("z")),
        )
    )

    assert [item.role.name for item in book.cluster_roles["one"]] == ["one", "two"]
    # A role never selects itself.
    assert book.cluster_roles["self"] == ()


def test_a_selector_that_cannot_be_read_takes_no_right_away() -> None:
    broken: Any = [{"matchExpressions": "nonsense"}]
    book = RoleBook(snapshot(cluster_role("sum", picks=broken), cluster_role("part", rule("get", "pods"))))

    assert [item.role.name for item in book.cluster_roles["sum"]] == ["part"]


def test_default_roles_aggregate_and_grow_with_what_operators_add() -> None:
    added = cluster_role(
        "operator-edit",
        rule("create", "widgets", "example.com"),
        labels={"rbac.authorization.k8s.io/aggregate-to-edit": "true"},
    )
    seen = view(added, EDIT)

    right = seen.may("a", "create", "example.com", "widgets", "a")

    assert right is not None
    assert right.steps[-1].by is not None
    assert right.steps[-1].by.name == "operator-edit"
    assert seen.may("a", "create", "networking.k8s.io", "networkpolicies", "a")
    assert seen.may("a", "create", RBAC, "rolebindings", "a") is None


def test_given_roles_count_instead_of_the_default_ones() -> None:
    # A role `edit` that holds nothing and selects nothing.
    seen = view(cluster_role("edit"), EDIT)

    assert seen.may("a", "create", "", "pods", "a") is None


# --- half a cluster ---


def test_a_role_that_is_not_among_the_objects_leaves_rights_unknown() -> None:
    given = bind("x", "ClusterRole/elsewhere", "group:a", namespace="a")

    assert [item.fact for item in view(given).unknown_roles("a")] == ["what ClusterRole elsewhere allows"]
    assert view(given).unknown_roles("b") == ()
    assert view(given, live=True).unknown_roles("a") == ()


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param(obj("ClusterRole", "x", api=f"{RBAC}/v1", rules="everything"), id="rules are a text"),
        pytest.param(
            obj("ClusterRole", "x", api=f"{RBAC}/v1", rules=[None, 7, {"verbs": "get"}]), id="rules are numbers"
        ),
        pytest.param(obj("ClusterRole", "x", api=f"{RBAC}/v1", aggregationRule=[1]), id="aggregation is a list"),
        pytest.param(
            obj("ClusterRole", "x", api=f"{RBAC}/v1", aggregationRule={"clusterRoleSelectors": 4}),
            id="selectors are a number",
        ),
        pytest.param(
            obj("ClusterRoleBinding", "x", api=f"{RBAC}/v1", roleRef="admin", subjects={}), id="a role as a text"
        ),
        pytest.param(
            obj("RoleBinding", "x", "a", api=f"{RBAC}/v1", roleRef={"kind": "Role"}, subjects=[[], {"kind": 1}]),
            id="subjects that are none",
        ),
        pytest.param(
            {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": "x", "rules": {}}, id="metadata is a text"
        ),
    ],
)
def test_nonsense_is_read_without_a_crash(nonsense: Body) -> None:
    seen = view(nonsense, EDIT)

    assert seen.may("a", "create", "", "pods", "a")
    assert seen.reach("a").crossings == ()


def test_default_objects_have_the_shape_of_manifests() -> None:
    for body in default_objects(openshift=True):
        assert {"apiVersion", "kind", "metadata"} <= body.keys()
        for entry in body.get("rules", ()):
            assert entry["verbs"]
            assert entry.get("nonResourceURLs") or (entry["apiGroups"] and entry["resources"])
    roles = {body["metadata"]["name"] for body in default_objects(openshift=True) if body["kind"] == "ClusterRole"}
    bound = {body["roleRef"]["name"] for body in default_objects(openshift=True) if "roleRef" in body}
    assert bound <= roles


# --- against a second evaluator ---

VERBS = (
    "get",
    "list",
    "create",
    "update",
    "delete",
    "patch",
    "*",
    "bind",
    "escalate",
    "impersonate",
    "deletecollection",
)
KINDS = (
    *(("", name) for name in ("pods", "pods/exec", "secrets", "nodes", "namespaces", "serviceaccounts", "nodes/proxy")),
    *(("", name) for name in ("users", "groups", "persistentvolumes", "serviceaccounts/token")),
    *((RBAC, name) for name in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")),
    ("apps", "deployments"),
    ("scheduling.k8s.io", "priorityclasses"),
)
NAMES = ("one", "two")
SPACES = ("a", "a2", "b", "c", "ops")


def random_rule(dice: Random) -> Body:
    group, resource = dice.choice(KINDS)
    if dice.random() < 0.12:
        resource = dice.choice(("*", "*/exec"))
    found = rule(" ".join(dice.sample(VERBS, dice.randint(1, 3))), resource, dice.choice((group, group, group, "*")))
    if dice.random() < 0.2:
        found["resourceNames"] = [dice.choice(NAMES)]
    return found


def random_rbac(dice: Random) -> list[Body]:
    """Return roles, some of them aggregated and in cycles, and bindings to all kinds of subjects."""
    found: list[Body] = []
    names = [f"role-{index}" for index in range(dice.randint(2, 6))]
    for name in names:
        labels = {f"l{dice.randint(0, 2)}": "yes"} if dice.random() < 0.6 else {}
        chosen = picks(f"l{dice.randint(0, 2)}") if dice.random() < 0.4 else None
        found.append(
            cluster_role(name, *(random_rule(dice) for _ in range(dice.randint(0, 2))), labels=labels, picks=chosen)
        )
    for space in SPACES:
        if dice.random() < 0.4:
            found.append(role("local", space, random_rule(dice)))
    subjects = ("group:a", "group:b", "sa:a/x", "sa:b/y", "sa:ops/z", "group:system:serviceaccounts:a")
    for index in range(dice.randint(1, 7)):
        space = dice.choice((*SPACES, ""))
        target = "Role/local" if space and dice.random() < 0.3 else f"ClusterRole/{dice.choice(names)}"
        who = dice.choice((*subjects, "group:system:authenticated", "user:system:anonymous") if index else subjects)
        found.append(bind(f"b{index}", target, who, namespace=space))
    return found


def accounts(bodies: list[Body]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for body in bodies:
        for subject in body.get("subjects") or []:
            if subject["kind"] == "ServiceAccount":
                found.setdefault(subject["namespace"], set()).add(subject["name"])
    return found


def asked(naive: NaiveRbac, who: Who, request: tuple[str, str, str], space: str) -> bool:
    """Ask for any one name where a request carries a name at all."""
    verb, group, resource = request
    nameless = verb == "deletecollection"
    if (group, resource) == ("", "namespaces"):
        # Inside a namespace the only Namespace is that one, and only requests that must carry a name are inside it.
        if space and verb not in {"create", "list", "deletecollection"}:
            return naive.allowed(who, request, space, space)
        nameless = nameless or bool(space)
        return any(naive.allowed(who, request, "", name) for name in (("",) if nameless else (*NAMES, "x")))
    outside = (group, resource.partition("/")[0]) in CLUSTER_KINDS and verb != "bind"
    where = "" if outside else space
    return any(naive.allowed(who, request, where, name) for name in (("",) if nameless else (*NAMES, "x")))


@pytest.mark.parametrize("seed", range(8))
def test_both_evaluators_agree_on_every_right(seed: int) -> None:
    """8 x 250 sets of objects, up to 36 requests each: about 70,000 answers."""
    dice = Random(seed)
    for _ in range(250):
        bodies = random_rbac(dice)
        seen = view(bodies, tenants=TENANTS, live=True)  # without the default roles, which only slow this down
        naive = NaiveRbac([item.body for item in seen.snapshot])
        for tenant in ("a", "b"):
            who = naive_identities(tenant, [tenant], TENANTS[tenant], accounts(bodies))
            for _ in range(18):
                group, resource = dice.choice(KINDS)
                verb = dice.choice(tuple(item for item in VERBS if item != "*"))
                space = dice.choice((*SPACES, ""))
                if (group, resource) == ("", "namespaces") and not space:
                    continue  # asks about any namespace, which no single request does
                wanted = any(asked(naive, person, (verb, group, resource), space) for person in who)
                found = seen.base_rights(tenant).find(verb, group, resource, space)
                assert (found is not None) is wanted, (seed, tenant, verb, group, resource, space, bodies)
