"""Rights are what the API server says: built-in roles, every identity of every platform, made-up roles, escalation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest
from e2e_rights import (
    Ask,
    Asker,
    Atom,
    aggregated,
    atoms,
    atoms_of,
    bodies,
    everybody,
    listed,
    live,
    manifest,
    person,
    predicted,
    reviewed,
    ruled,
    things,
    user,
)
from e2e_roles import GROUPS, PEOPLE, SPACES, Write, made_up, made_up_rule
from e2e_support import Platform, Tally

from tenantry.app.tenancy import spec_tenancy
from tenantry.catalog.rbac import default_objects
from tenantry.io.manifests import read_manifests
from tenantry.model.snapshot import Snapshot
from tenantry.model.tenancy import Declared, Tenancy, TenantIdentity
from tenantry.safe.identity import Identity, Rights, account_of
from tenantry.safe.rbac import CLUSTER_SCOPED, RBAC, RoleBook
from tenantry.safe.view import View
from testbed.api import Api, Body, User
from testbed.control_plane import Cluster
from testbed.delivery import MANAGER

pytestmark = pytest.mark.e2e

SEED = 6
WORKERS = 8
ADMISSION_REFUSED = "ValidatingAdmissionPolicy"
API = f"{RBAC}/v1"

LATER: dict[tuple[str, str], str] = {
    ("events.k8s.io", "events"): "1.34 names events in view, edit and system:node by the core group alone; the other "
    "group shows the same objects, so who has one loses nothing to who has both",
    ("url", "/flagz"): "given to system:monitoring where the feature gate ComponentFlagz is on",
    ("url", "/statusz"): "given to system:monitoring where the feature gate ComponentStatusz is on",
}
"""Rules of built-in roles that servers have by version or feature gate; Tenantry always counts with them."""

LEFT_OUT = ("system:controller:", "system:kube-", "system:volume-scheduler")
"""Beginnings of names of roles that only the cluster's own servers hold."""


def is_later(atom: Atom) -> bool:
    return (atom[1], atom[2]) in LATER


# --- what every cluster has -------------------------------------------------------------------------------------------


class TestBuiltIn:
    """What Tenantry takes every cluster to have, against what a server makes for itself."""

    def test_every_built_in_role_holds_what_the_server_gives_it(self, module_cluster: Cluster, tally: Tally) -> None:
        theirs = {body["metadata"]["name"]: body for body in bodies(module_cluster, "ClusterRole")}
        given = [body for body in default_objects(openshift=False) if body["kind"] == "ClusterRole"]
        book = RoleBook(Snapshot(manifest(body) for body in default_objects(openshift=False)))
        wrong: list[Any] = []
        for body in given:
            name = body["metadata"]["name"]
            assert name in theirs, f"the server has no role {name}"
            has = {atom for rule in theirs[name].get("rules") or () for atom in atoms_of(rule)}
            says = {atom for rule in book.cluster_roles[name] for atom in atoms(rule)}
            both = says | has
            tally.count("built-in roles", "rules", agreed=True, number=len(has & says))
            later = {atom for atom in says - has if is_later(atom)}
            tally.count("built-in roles", "rules by version or gate (listed)", agreed=True, number=len(later))
            wrong += [(name, atom) for atom in sorted((both - (has & says)) - later)]
            labels = {
                key for key in theirs[name]["metadata"].get("labels") or {} if key != "kubernetes.io/bootstrapping"
            }
            agreed = tally.count("built-in roles", "labels", agreed=labels == set(body["metadata"]["labels"]))
            wrong += [] if agreed else [(name, labels)]
        tally.count("built-in roles", "rules", agreed=not wrong, number=len(wrong))
        assert not wrong

    def test_every_built_in_binding_is_known_or_means_servers_of_the_cluster(
        self, module_cluster: Cluster, tally: Tally
    ) -> None:
        given = {
            (body["kind"], body["metadata"]["name"]): body
            for body in default_objects(openshift=False)
            if body["kind"] == "ClusterRoleBinding"
        }
        there = [body for kind in ("ClusterRoleBinding", "RoleBinding") for body in bodies(module_cluster, kind)]
        for body in there:
            subjects = {_subject(item) for item in body.get("subjects") or ()}
            ours = given.pop((body["kind"], body["metadata"]["name"]), None)
            if ours is None:
                own = all(item[0] == "kube-system" or item[2].startswith("system:kube-") for item in subjects)
                assert tally.count("built-in bindings", "held by the cluster's own servers (left out)", agreed=own)
                continue
            agreed = ours["roleRef"]["name"] == body["roleRef"]["name"]
            agreed = agreed and {_subject(item) for item in ours["subjects"]} == subjects
            assert tally.count("built-in bindings", "known", agreed=agreed), body
        assert not given, "bindings that the server does not make"

    def test_no_role_is_left_out_that_others_may_be_given(self, module_cluster: Cluster, tally: Tally) -> None:
        known = {body["metadata"]["name"] for body in default_objects(openshift=False) if body["kind"] == "ClusterRole"}
        left = {body["metadata"]["name"] for body in bodies(module_cluster, "ClusterRole")} - known
        for name in sorted(left):
            agreed = name.startswith(LEFT_OUT)
            assert tally.count("built-in roles", "of the cluster's own servers (left out)", agreed=agreed), name

    def test_kinds_lie_where_the_server_has_them(self, module_cluster: Cluster, tally: Tally) -> None:
        wrong = [
            (kind.group, kind.plural)
            for kind in module_cluster.api.kinds().values()
            if not tally.count(
                "kinds", "built in", agreed=kind.namespaced is ((kind.group, kind.plural) not in CLUSTER_SCOPED)
            )
        ]
        assert not wrong


def _subject(body: Body) -> tuple[str, str, str]:
    return body.get("namespace", ""), body["kind"], body["name"]


# --- made-up roles ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowded(module_cluster: Cluster) -> tuple[Cluster, RoleBook, RoleBook]:
    """Return a cluster with made-up roles, the roles as written, and as the server has them."""
    written = made_up(Random(SEED))
    for name in SPACES:
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        module_cluster.api.create(space).expect()
    for body in written:
        module_cluster.api.create(body).expect()
    book = RoleBook(Snapshot(manifest(body) for body in (*default_objects(openshift=False), *written)))
    held = live(module_cluster)
    there = RoleBook(held)
    module_cluster.until("aggregated roles", lambda: aggregated(module_cluster, there))
    return module_cluster, book, RoleBook(live(module_cluster))


class TestMadeUp:
    """Roles and bindings drawn at random."""

    def test_aggregated_roles_are_put_together_alike(
        self, crowded: tuple[Cluster, RoleBook, RoleBook], tally: Tally
    ) -> None:
        cluster, book, _ = crowded
        theirs = {body["metadata"]["name"]: body for body in bodies(cluster, "ClusterRole")}
        wrong = []
        for name, rules in book.cluster_roles.items():
            if book.aggregated_from(name):
                has = {atom for rule in theirs[name].get("rules") or () for atom in atoms_of(rule)}
                says = {atom for rule in rules for atom in atoms(rule) if not is_later(atom)}
                if not tally.count("rights, made-up roles", "aggregated roles", agreed=has == says):
                    wrong.append((name, has ^ says))
        assert not wrong

    @pytest.mark.parametrize("oneself", [True, False], ids=["asked by oneself", "asked by the administrator"])
    def test_reviews_say_the_same(
        self, crowded: tuple[Cluster, RoleBook, RoleBook], tally: Tally, oneself: bool
    ) -> None:
        cluster, _, book = crowded
        asker = Asker(Random(SEED + oneself), things(cluster.api), [*SPACES, ""])
        cases = [(who, ask) for who in PEOPLE for ask in _asks(asker, Rights(book, [who]), near=150, any_=50)]
        assert not _compare(cluster, tally, ("rights, made-up roles", book), cases, oneself=oneself)

    def test_lists_of_rules_are_the_same(self, crowded: tuple[Cluster, RoleBook, RoleBook], tally: Tally) -> None:
        cluster, _, book = crowded
        cases = [(who, space) for who in PEOPLE for space in (*SPACES, "default")]
        assert not _compare_lists(cluster, tally, ("rights, made-up roles", book), cases)


class TestEscalation:
    """Rights about rights: who gives itself or others more than it has, tried as dry runs."""

    def test_bindings_are_let_in_as_predicted(self, crowded: tuple[Cluster, RoleBook, RoleBook], tally: Tally) -> None:
        cluster, _, book = crowded
        roles = [("ClusterRole", "", f"made-up-{index}") for index in range(24)]
        roles += [("ClusterRole", "", name) for name in ("cluster-admin", "edit", "view")]
        cases = [
            Write(who, space, role)
            for who in PEOPLE
            for space in (*SPACES, "")
            for role in (*roles, *(("Role", space, f"local-{index}") for index in range(4) if space))
        ]
        assert not _attempts(cluster, tally, ("escalation, made-up roles", book), cases)

    def test_roles_are_let_in_as_predicted(self, crowded: tuple[Cluster, RoleBook, RoleBook], tally: Tally) -> None:
        cluster, _, book = crowded
        dice = Random(SEED)
        cases = [
            Write(who, space, ("ClusterRole" if not space else "Role", space, name), made_up_rule(dice, paths=False))
            for who in PEOPLE
            for space in (*SPACES, "")
            for name in (("new", *(f"local-{index}" for index in range(4))) if space else ("new", "made-up-1"))
            for _ in range(4)
        ]
        assert not _attempts(cluster, tally, ("escalation, made-up roles", book), cases)

    def test_taking_the_place_of_others_is_let_in_as_predicted(
        self, crowded: tuple[Cluster, RoleBook, RoleBook], tally: Tally
    ) -> None:
        """Each asks with a certificate or token of its own, since nobody can take a place in the place of another."""
        cluster, _, book = crowded
        wanted = [("one", ()), ("ann", ()), ("ann", ("group-b",)), ("ann", ("one", "two")), ("stranger", ("group-c",))]
        wanted += [(f"system:serviceaccount:{space}:{name}", ()) for space in SPACES for name in ("one", "robot")]
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        wrong = []
        for who in PEOPLE:
            others = [group for group in who.groups if not group.startswith("system:")]
            if len(others) > 1:
                continue
            rights = Rights(book, [who])
            with _as(cluster, who, *others) as api:
                for name, groups in wanted:
                    allowed = api.create(review, user=User(name, groups)).ok
                    says = all(predicted(rights, ask) for ask in _places_taken(name, groups))
                    row = f"place of another, {'taken' if allowed else 'refused'}"
                    if not tally.count("escalation, made-up roles", row, agreed=says is allowed):
                        wrong.append((who.user, name, groups, allowed))
        assert not wrong

    def test_what_is_gained_at_home_is_gained(self, crowded: tuple[Cluster, RoleBook, RoleBook], tally: Tally) -> None:
        """What the verifier says a tenant can bind itself to it really can, and nothing else beyond its own rights."""
        cluster, _, _ = crowded
        tenancy = Tenancy(
            tenants=tuple(
                TenantIdentity(space, (space,), groups=(group,))
                for space, group in zip(SPACES[:2], GROUPS[:2], strict=True)
            ),
            platform=frozenset({"ops", "default", "kube-system", "kube-public", "kube-node-lease"}),
        )
        view = View(live(cluster), tenancy, Declared())
        wrong = []
        for tenant in tenancy.tenants:
            gained = {(item.held.identity.user, item.held.grant.role) for item in view.reach(tenant.name).gained}
            for who in view.identities(tenant.name):
                asking = who if who.user else person("somebody", *who.groups)
                for role in (("ClusterRole", "", name) for name in view.book.cluster_roles):
                    case = Write(asking, tenant.namespaces[0], role)
                    if case.covered(view.book):
                        continue
                    everything = (who.user, ("ClusterRole", "", "cluster-admin")) in gained
                    says = everything or (who.user, role) in gained
                    allowed = case.tried(cluster).ok
                    row = f"a role to gain, {'gained' if allowed else 'refused'}"
                    if not tally.count("escalation, made-up roles", row, agreed=says is allowed):
                        wrong.append((case, allowed))
        assert not wrong


def _attempts(
    cluster: Cluster, tally: Tally, what: tuple[str, RoleBook], cases: list[Write]
) -> list[tuple[Write, str]]:
    table, book = what
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(pool.map(lambda case: case.tried(cluster), cases))
    wrong = []
    for case, answer in zip(cases, answers, strict=True):
        # Guards come after rights; what they refuse the rights allowed.
        allowed = answer.ok or ADMISSION_REFUSED in answer.message
        row = f"{'role bound' if case.rule is None else 'role written'}, {'let in' if allowed else 'refused'}"
        if not tally.count(table, row, agreed=case.predicted(book) is allowed):
            wrong.append((case, answer.message))
    return wrong


def _as(cluster: Cluster, who: Identity, *groups: str) -> Api:
    account = account_of(who.user)
    if account is None:
        return cluster.as_user(who.user, *groups)
    namespace, name = account
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
    cluster.api.apply(body).expect()
    return cluster.with_token(cluster.api.token(namespace, name))


def _places_taken(name: str, groups: tuple[str, ...]) -> Iterator[Ask]:
    """Yield what the server asks of who takes the place of somebody: accounts are asked about as accounts."""
    account = account_of(name)
    yield Ask("impersonate", "", "serviceaccounts", *account) if account else Ask("impersonate", "", "users", "", name)
    yield from (Ask("impersonate", "", "groups", "", group) for group in groups)


# --- platforms --------------------------------------------------------------------------------------------------------


class Settled:
    """A platform with what its distribution brings, and what Tenantry says of it.

    Attributes:
        cluster: runs it.
        view: the tree with what is implied.
        there: roles and bindings as the server has them in the end.
    """

    def __init__(self, platform: Platform) -> None:
        self.cluster = platform.cluster
        snapshot = Snapshot(read_manifests([platform.tree]).manifests)
        tenancy = spec_tenancy(platform.resolved.spec, snapshot)
        self.view = View(snapshot, tenancy, Declared())
        if self.view.distribution_openshift:
            self._bring(snapshot)
        self.cluster.until("aggregated roles", lambda: aggregated(self.cluster, RoleBook(live(self.cluster))))
        self.there = RoleBook(live(self.cluster))

    def _bring(self, snapshot: Snapshot) -> None:
        """Bring what the distribution makes for itself, and put the tree's objects over it as if they came later."""
        for body in default_objects(openshift=True)[len(default_objects(openshift=False)) :]:
            if body["apiVersion"] == API:
                ours = snapshot.get(RBAC, body["kind"], body["metadata"]["name"])
                if ours is not None:
                    self.cluster.api.delete(body).expect()
                self.cluster.api.create(body).expect()
                if ours is not None:
                    self.cluster.api.apply(ours.body, manager=MANAGER).expect()


@pytest.fixture(scope="module", params=["kubernetes", "eks", "dell-staging", "dell-production"])
def settled(request: pytest.FixtureRequest, deliver: Callable[[str], Platform]) -> Settled:
    """Return every platform, one after the other."""
    return Settled(deliver(request.param))


class TestPlatforms:
    """Everybody there is on a platform: tenants' groups and accounts, the platform's, and strangers."""

    def test_reviews_say_the_same(self, settled: Settled, tally: Tally) -> None:
        view, spaces = settled.view, [*settled.view.snapshot.namespaces, ""]
        asker = Asker(Random(SEED), things(settled.cluster.api), spaces)
        wrong = []
        for kind, people in everybody(view).items():
            number = max(6, 240 // len(people))
            cases = [
                (who, ask)
                for who in people
                for ask in _asks(asker, Rights(view.book, [who]), near=number, any_=number // 2)
            ]
            # Who did not log in may not even ask about itself.
            halves = [cases[::2], cases[1::2]] if kind != "stranger" else [[], cases]
            for oneself, some in zip((True, False), halves, strict=True):
                wrong += _compare(settled.cluster, tally, (f"rights, {kind}", view.book), some, oneself=oneself)
        assert not wrong

    def test_lists_of_rules_are_the_same(self, settled: Settled, tally: Tally) -> None:
        view, dice = settled.view, Random(SEED)
        wrong = []
        for kind, people in everybody(view).items():
            # Who did not log in may not ask.
            asking = [who for who in people if who.user != "system:anonymous"]
            cases = [(who, space) for who in asking for space in _places(dice, view, who)]
            wrong += _compare_lists(settled.cluster, tally, (f"rights, {kind}", view.book), cases)
        assert not wrong

    def test_nobody_gives_more_than_is_predicted(self, settled: Settled, tally: Tally) -> None:
        view, dice = settled.view, Random(SEED)
        wide = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        theirs = {"verbs": ["get"], "apiGroups": [""], "resources": ["nodes"]}
        usual = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}
        wrong = []
        for kind in ("tenant's group", "tenant's account", "stranger"):
            cases = []
            for who in everybody(view)[kind]:
                names = ["cluster-admin", "admin", "edit", "view", *dice.sample(sorted(view.book.cluster_roles), 3)]
                spaces = [space for space in _places(dice, view, who) if view.snapshot.get("", "Namespace", space)]
                for space in (*spaces[:3], ""):
                    cases += [Write(who, space, ("ClusterRole", "", name)) for name in names]
                    role = ("Role", space, "new") if space else ("ClusterRole", "", "new")
                    cases += [Write(who, space, role, rule) for rule in (wide, theirs, usual)]
            dice.shuffle(cases)
            wrong += _attempts(settled.cluster, tally, (f"escalation, {kind}", settled.there), cases[:600])
        assert not wrong

    def test_the_server_has_the_roles_that_the_tree_implies(self, settled: Settled, tally: Tally) -> None:
        wrong = []
        for name, rules in settled.view.book.cluster_roles.items():
            has = {atom for rule in settled.there.rules_of(("ClusterRole", "", name)) or () for atom in atoms(rule)}
            says = {atom for rule in rules for atom in atoms(rule)}
            left = {atom for atom in has ^ says if not (atom in says and is_later(atom))}
            if not tally.count("built-in roles", "roles of platforms", agreed=not left):
                wrong.append((name, sorted(left)))
        assert not wrong

    def test_kinds_lie_where_the_server_has_them(self, settled: Settled, tally: Tally) -> None:
        wrong = []
        for kind in settled.cluster.api.kinds().values():
            outside = (kind.group, kind.plural) in CLUSTER_SCOPED
            agreed = kind.namespaced is not outside
            if not agreed and not outside:
                # A right to it in one namespace is counted though it is worth nothing.
                tally.count("kinds", "outside namespaces, not known to be (listed)", agreed=True)
            elif not tally.count("kinds", "of platforms", agreed=agreed):
                wrong.append((kind.group, kind.plural))
        assert not wrong


def _places(dice: Random, view: View, who: Identity) -> list[str]:
    """Return where somebody has rights, and some places of each kind of owner."""
    own = [space for space in Rights(view.book, [who]).namespaces if space]
    theirs = [dice.choice(tenant.namespaces) for tenant in view.tenants]
    return list(dict.fromkeys([*own[:6], *dice.sample(theirs, 2), dice.choice(sorted(view.tenancy.platform))]))


# --- comparisons ------------------------------------------------------------------------------------------------------


def _asks(asker: Asker, rights: Rights, *, near: int, any_: int) -> Iterator[Ask]:
    rules = [rule for held in rights.all() for rule in held.grant.rules]
    found = [asker.near(rules) for _ in range(near)] + [asker.any() for _ in range(any_)]
    yield from dict.fromkeys(found)


def _compare(
    cluster: Cluster,
    tally: Tally,
    what: tuple[str, RoleBook],
    cases: list[tuple[Identity, Ask]],
    *,
    oneself: bool,
) -> list[Any]:
    """Ask the server and count; return where it says otherwise."""
    table, book = what
    rights = {who.user: Rights(book, [who]) for who, _ in cases}
    wrong = []
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(pool.map(lambda case: reviewed(cluster.api, user(case[0]), case[1], oneself=oneself), cases))
    for (who, ask), allowed in zip(cases, answers, strict=True):
        says = predicted(rights[who.user], ask)
        if says and not allowed and (("url", ask.path) if ask.path else (ask.group, ask.resource)) in LATER:
            tally.count(table, "reviews, by version or gate (listed)", agreed=True)
        elif not tally.count(table, f"reviews, {'allowed' if allowed else 'refused'}", agreed=says is allowed):
            wrong.append((who.user, ask, f"the server {'allows' if allowed else 'refuses'} it"))
    return wrong


def _compare_lists(
    cluster: Cluster, tally: Tally, what: tuple[str, RoleBook], cases: list[tuple[Identity, str]]
) -> list[Any]:
    table, book = what
    rights = {who.user: Rights(book, [who]) for who, _ in cases}
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(pool.map(lambda case: ruled(cluster.api, user(case[0]), case[1]), cases))
    wrong = []
    for (who, space), has in zip(cases, answers, strict=True):
        says = listed(rights[who.user], space)
        tally.count(table, "rules in lists of rules", agreed=True, number=len(has & says))
        left = {atom for atom in has ^ says if not (atom in says and is_later(atom))}
        tally.count(table, "rules in lists of rules", agreed=False, number=len(left))
        wrong += [(who.user, space, atom, "only ours" if atom in says else "only theirs") for atom in sorted(left)]
    return wrong
