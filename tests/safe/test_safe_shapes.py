"""Namespaces of one shape: what admission says in one of them it says in all, whatever policies compare."""

from __future__ import annotations

import re

import pytest
from holes import BY_ID
from hypothesis import given, settings
from hypothesis import strategies as st
from safe_clusters import Body, bind, cluster_role, decide, guard, obj, rule, snapshot, view
from share_objects import pod, quota, space

from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Declared, Tenancy, TenantIdentity
from tenantry.safe.shapes import _Comparison, representatives, shapes_of
from tenantry.safe.view import View

pytest.importorskip("cel_expr_python", reason="CEL is not installed")

OWNED = {"red": ["red-dev", "red-prod"], "blue": ["blue-dev", "blue-prod"], "re": ["re-dev", "dev"]}


def edits() -> list[Body]:
    return [
        bind("edit", "ClusterRole/edit", f"group:{tenant}", namespace=namespace)
        for tenant, namespaces in OWNED.items()
        for namespace in namespaces
    ]


def test_namespaces_that_differ_in_name_only_are_tried_once() -> None:
    seen = view(edits(), tenants=OWNED)
    assert [representatives(seen, tenant) for tenant in seen.tenants] == [("blue-dev",), ("dev",), ("red-dev",)]
    assert shapes_of(seen).of("red-dev") == shapes_of(seen).of("blue-prod")


@pytest.mark.parametrize(
    "difference",
    [
        space("red-prod", "baseline"),
        space("red-prod", annotations={"pools": "big"}),
        space("red-prod", tier="gold"),
        quota("red-prod", pods="1"),
        bind("more", "ClusterRole/admin", "group:red", namespace="red-prod"),
    ],
    ids=["Pod Security", "annotation", "label", "quota", "binding"],
)
def test_what_differs_inside_makes_a_shape_of_its_own(difference: Body) -> None:
    seen = view(edits(), difference, tenants=OWNED)
    assert representatives(seen, seen.tenancy.by_name["red"]) == ("red-dev", "red-prod")


def test_names_of_other_lengths_make_shapes_of_their_own_where_a_policy_measures_them() -> None:
    measures = guard("measures", "size(request.namespace) < 8")
    seen = view(edits(), measures, tenants=OWNED)
    assert representatives(seen, seen.tenancy.by_name["red"]) == ("red-dev", "red-prod")
    assert shapes_of(seen).of("red-dev") != shapes_of(seen).of("red-prod")


def test_words_for_people_make_no_difference_unless_a_policy_reads_them() -> None:
    told = space("red-prod", annotations={"openshift.io/description": "Production"})
    assert representatives(view(edits(), told, tenants=OWNED), view(tenants=OWNED).tenancy.by_name["red"]) == (
        "red-dev",
    )
    reads = guard("reads", "namespaceObject.metadata.?annotations[?'openshift.io/description'].orValue('') == ''")
    seen = view(edits(), told, reads, tenants=OWNED)
    assert representatives(seen, seen.tenancy.by_name["red"]) == ("red-dev", "red-prod")


def test_what_policies_take_as_parameters_from_a_namespace_makes_a_difference() -> None:
    policy = guard(
        "limits",
        "object.spec.?priority.orValue(0) <= int(params.data.most)",
        binding={"paramRef": {"name": "limits", "parameterNotFoundAction": "Deny"}},
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
    )
    limits = [
        obj("ConfigMap", "limits", name, data={"most": most}) for name, most in (("red-dev", "1"), ("red-prod", "9"))
    ]
    seen = view(edits(), policy, limits, tenants=OWNED)
    assert representatives(seen, seen.tenancy.by_name["red"]) == ("red-dev", "red-prod")


def test_a_tenant_with_rights_in_the_whole_cluster_is_like_no_other() -> None:
    right = [cluster_role("nodes", rule("get", "nodes")), bind("nodes", "ClusterRole/nodes", "group:red")]
    shapes = shapes_of(view(edits(), right, tenants=OWNED))
    assert shapes.of("red-dev") == shapes.of("red-prod") != shapes.of("blue-dev") == shapes.of("re-dev")


def test_a_guard_for_some_names_leaves_the_others_open() -> None:
    guarded = guard(
        "production",
        "!request.namespace.endsWith('-prod') || object.spec.?tolerations.orValue([]).size() == 0",
    )
    named = guard("named", "object.spec.?nodeName.orValue('') == ''")
    tainted: Body = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n"},
        "spec": {"taints": [{"key": "pool", "value": "other", "effect": "NoSchedule"}]},
    }
    found = decide(BY_ID["Q8"], view(edits(), guarded, named, tainted, tenants=OWNED), "red")
    assert found[""].verdict is Verdict.VIOLATED
    assert found[""].witness is not None
    assert "red-dev" in found[""].witness.summary


WORDS = ["red", "red-", "blue", "re", "dev", "-dev", "-prod", "red-dev", "re-dev", "e", "d-p", "prod"]
COMPARISONS = st.one_of(
    st.sampled_from(WORDS).map(lambda word: f"request.namespace == '{word}'"),
    st.sampled_from(WORDS).map(lambda word: f"request.namespace.startsWith('{word}')"),
    st.sampled_from(WORDS).map(lambda word: f'request.namespace.endsWith("{word}")'),
    st.sampled_from(WORDS).map(lambda word: f"request.namespace.contains('{word}')"),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(lambda words: f"request.namespace in {words}"),
    st.sampled_from(WORDS).map(lambda word: f"request.namespace.matches('^{word}.*$')"),
    st.sampled_from(WORDS).map(lambda word: f"namespaceObject.metadata.name.matches('(x|{word})$')"),
    st.just("object.metadata.namespace == namespaceObject.metadata.name"),
    st.sampled_from(WORDS).map(lambda word: f"'{word}' in request.userInfo.groups"),
    st.sampled_from(WORDS).map(lambda word: f"request.userInfo.groups.exists(g, g.startsWith('{word}'))"),
    st.just("request.userInfo.groups.exists(g, g == namespaceObject.metadata.name)"),
    st.just("request.userInfo.groups.exists(g, namespaceObject.metadata.name.startsWith(g))"),
    st.just("request.userInfo.groups.exists(g, namespaceObject.metadata.?annotations[?'leads'].orValue('') == g)"),
)
GROUPS = st.sampled_from([*WORDS, "leads-1", "leads-2", "leads-3"])
NOTES = st.sampled_from(["", "leads-1", "leads-2", "red", "re"])


@given(st.lists(st.tuples(COMPARISONS, st.booleans()), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_admission_says_the_same_in_all_namespaces_of_a_shape(parts: list[tuple[str, bool]]) -> None:
    expression = " && ".join(f"({'!' if negated else ''}({part}))" for part, negated in parts)
    seen = view(edits(), guard("names", expression), tenants=OWNED)
    for namespaces in shapes_of(seen).groups.values():
        answers = {seen.envelope(name).admits(pod("p", name)).answer for name in namespaces}
        assert len(answers) == 1, (expression, namespaces)


@given(
    st.lists(st.tuples(COMPARISONS, st.booleans()), min_size=1, max_size=3),
    st.tuples(GROUPS, GROUPS, GROUPS),
    st.tuples(NOTES, NOTES, NOTES),
)
@settings(max_examples=100, deadline=None)
def test_groups_of_a_shape_are_told_apart_by_no_policy(
    parts: list[tuple[str, bool]], groups: tuple[str, str, str], notes: tuple[str, str, str]
) -> None:
    # Every tenant has one group of its own, or one it shares with another, and a namespace that may name one.
    expression = " && ".join(f"({'!' if negated else ''}({part}))" for part, negated in parts)
    homes = {tenant: namespaces[0] for tenant, namespaces in OWNED.items()}
    bodies = [
        body
        for home, group, note in zip(homes.values(), groups, notes, strict=True)
        for body in (
            bind("edit", "ClusterRole/edit", f"group:{group}", namespace=home),
            space(home, annotations={"leads": note}),
        )
    ]
    owners = tuple(
        TenantIdentity(tenant, (home,), (group,)) for (tenant, home), group in zip(homes.items(), groups, strict=True)
    )
    objects = snapshot(bodies, guard("names", expression))
    seen = View(objects, Tenancy(owners), Declared())
    for namespaces in shapes_of(seen).groups.values():
        answers = {seen.envelope(name).admits(pod("p", name)).answer for name in namespaces}
        assert len(answers) == 1, (expression, namespaces)


@given(
    st.lists(
        st.sampled_from(["red", "red-1", "d-", "^red", "red.*$", "a,red,b", "x-red", "[", "re+d", "e"]), unique=True
    ),
    st.text("red-1,", min_size=1),
)
def test_a_name_is_compared_with_all_texts_as_with_each(literals: list[str], name: str) -> None:
    assert _Comparison(literals).mark(name) == "".join(compared(literal, name) for literal in literals)


def compared(literal: str, name: str) -> str:
    """Compare a name with one text, as slowly as it is said."""
    if literal == name:
        return "="
    if literal in name:
        return "<" if name.startswith(literal) else ">" if name.endswith(literal) else "~"
    if name in literal:
        return "@" if name in re.split(r"[^A-Za-z0-9.-]+", literal) else "."
    try:
        return "m" if any(sign in literal for sign in "^$*+[(\\") and re.search(literal, name) else "."
    except re.error:
        return "."
