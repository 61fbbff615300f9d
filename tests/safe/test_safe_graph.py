from __future__ import annotations

from random import Random

import pytest
from naive_rbac import NaiveReach
from naive_rbac import identities as naive_identities
from safe_clusters import Body, bind, cluster_role, guard, resolve_steps, role, rule, view
from test_safe_rbac import NAMES, TENANTS, accounts, random_rbac

from tenantry.safe import cel
from tenantry.safe.powers import Gain, powers_of
from tenantry.safe.rbac import Rule
from tenantry.safe.view import View

ANY = (*NAMES, "x")


def test_a_tenant_confined_to_its_namespaces_crosses_nothing() -> None:
    seen = view(bind("a", "ClusterRole/admin", "group:a", namespace="a"))

    assert seen.reach("a").crossings == ()
    assert seen.reach("a").gained == ()


def test_paths_are_shortest_and_lead_through_objects() -> None:
    seen = view(
        role("long", "b", rule("create", "pods/exec")),
        bind("z-long", "Role/long", "sa:a/x", namespace="b"),
        bind("a-short", "Role/long", "group:a", namespace="b"),
    )

    crossing = seen.reach("a").crossings[0]

    assert (crossing.channel, crossing.kind, crossing.target, crossing.namespace) == ("A2", "exec", "b", "b")
    assert [str(step.by) for step in crossing.steps] == ["RoleBinding b/a-short", "Role b/long"]
    resolve_steps(seen, crossing.steps)


def test_a_namespace_nobody_owns_counts_as_everybodys() -> None:
    seen = view(role("r", "stray", rule("get", "secrets")), bind("r", "Role/r", "group:a", namespace="stray"))

    assert seen.reach("a").crossings[0].target == ""


def test_what_lies_behind_a_crossing_is_followed_to_the_end() -> None:
    """a, through the pods of b and of c, to d; and not back home."""
    names = {name: [name] for name in "abcd"}
    chain: list[Body] = []
    for source, target in (("group:a", "b"), ("sa:b/default", "c"), ("sa:c/default", "d"), ("sa:d/default", "a")):
        chain.append(role("exec", target, rule("create", "pods/exec")))
        chain.append(bind("exec", "Role/exec", source, namespace=target))
    seen = view(chain, tenants=names)

    assert [item.target for item in seen.reach("a").crossings] == ["b"]
    assert [(item.target, len(item.steps)) for item in seen.reach("a").beyond] == [("c", 4), ("d", 6)]
    assert {item.channel for item in seen.reach("a").beyond} == {"A2"}


def test_tenants_that_lead_to_each_other_are_each_entered_once() -> None:
    names = {name: [name] for name in "abcd"}
    circle: list[Body] = []
    for source, target in (("group:a", "b"), ("sa:b/default", "c"), ("sa:c/default", "b"), ("sa:c/x", "d")):
        kind = f"exec-{source[-1]}"
        circle.append(role(kind, target, rule("create", "pods/exec")))
        circle.append(bind(kind, f"Role/{kind}", source, namespace=target))

    assert [item.target for item in view(circle, tenants=names).reach("a").beyond] == ["c", "d"]


def test_what_only_denies_leads_no_further() -> None:
    seen = view(
        role("rm", "b", rule("delete", "pods")),
        bind("rm", "Role/rm", "group:a", namespace="b"),
        role("exec", "c", rule("create", "pods/exec")),
        bind("exec", "Role/exec", "sa:b/default", namespace="c"),
        tenants=TENANTS,
    )

    assert [item.target for item in seen.reach("a").crossings] == ["b"]
    assert seen.reach("a").beyond == ()


def test_bindings_to_remove_are_all_of_them() -> None:
    seen = view(
        cluster_role("exec", rule("create", "pods/exec")),
        bind("one", "ClusterRole/exec", "group:a", namespace="b"),
        bind("two", "ClusterRole/exec", "sa:a/x", namespace="b"),
        bind("other", "ClusterRole/exec", "group:b", namespace="b"),
    )

    assert [str(key) for key in seen.reach("a").bindings_to_remove("A2")] == ["RoleBinding b/one", "RoleBinding b/two"]


@pytest.mark.skipif(not cel.available(), reason="CEL is not installed")
def test_a_crossing_that_admission_refuses_leads_nowhere() -> None:
    given = [
        role("run", "b", rule("create", "pods")),
        bind("run", "Role/run", "group:a", namespace="b"),
        role("exec", "c", rule("create", "pods/exec")),
        bind("exec", "Role/exec", "sa:b/default", namespace="c"),
    ]
    refuses = guard("g", "'b' in request.userInfo.groups")

    assert [item.target for item in view(given, tenants=TENANTS).reach("a").beyond] == ["c"]
    refused = view(given, refuses, tenants=TENANTS).reach("a")
    assert [item.admission.refused for item in refused.crossings] == [True]
    assert refused.beyond == ()


def test_powers_of_a_rule_are_those_of_its_verbs_kinds_and_group() -> None:
    def power_ids(verbs: str, resources: str, group: str = "", names: str = "") -> set[str]:
        from tenantry.model.manifest import ManifestKey

        key = ManifestKey("v1", "Role", "a", "r")
        sets = [frozenset(text.split()) for text in (verbs, resources, names)]
        found = Rule(sets[0], frozenset({group}), sets[1], sets[2], frozenset(), key, ())
        return {match.power.id for match in powers_of(found)}

    assert power_ids("get", "secrets") == {"secrets"}
    assert power_ids("create", "pods") == {"run-"}
    assert power_ids("get", "pods") == set()
    assert power_ids("get", "*/exec") == {"exec"}
    # Server-side apply creates under the name of its path; a collection has none.
    assert power_ids("create", "namespaces", names="x") == {"namespaces"}
    assert power_ids("deletecollection", "namespaces", names="x") == set()
    assert power_ids("delete", "namespaces", names="x") == {"namespaces"}
    assert power_ids("*", "*", "example.com") == set()


# --- against a second evaluator ---


def summed_up(found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Leave out single targets where everybody is reached by the same channel."""
    everybody = {channel for channel, target in found if not target}
    return {(channel, target) for channel, target in found if not target or channel not in everybody}


def both(seen: View, naive: NaiveReach, tenant: str, bodies: list[Body]) -> None:
    people = naive_identities(tenant, [tenant], TENANTS[tenant], accounts(bodies))
    wanted = summed_up({item for who in people for item in naive.direct(tenant, who, ANY)})
    found = summed_up({(item.channel, item.target) for item in seen.reach(tenant).crossings})
    assert found == wanted, (tenant, found ^ wanted, bodies)
    if any(item.gain is Gain.CLUSTER for item in seen.reach(tenant).crossings) or ("A4", "") in found:
        return  # everything is reached; where else a path leads is no question any more
    reached = {target for _, target in found} | {item.target for item in seen.reach(tenant).beyond}
    everybody = naive.reached(tenant, ANY)
    if "" not in everybody:
        assert reached == everybody, (tenant, reached ^ everybody, bodies)


@pytest.mark.parametrize("seed", range(8))
def test_both_evaluators_agree_on_whom_a_tenant_reaches(seed: int) -> None:
    """8 x 90 sets of objects, three tenants each: 2,160 fixpoints."""
    dice = Random(1000 + seed)
    for _ in range(90):
        bodies = random_rbac(dice)
        seen = view(bodies, tenants=TENANTS, live=True)
        naive = NaiveReach([item.body for item in seen.snapshot], TENANTS, accounts(bodies))
        for tenant in TENANTS:
            both(seen, naive, tenant, bodies)
