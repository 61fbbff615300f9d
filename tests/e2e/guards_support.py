"""What admission tests share: requests, what Tenantry predicts for one, and what the server made of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from e2e_fixtures import EXAMPLES, PLATFORMS
from e2e_support import Platform, Tally

from tenantry.app.verify import Subject, declare, spec_subject
from tenantry.catalog.rbac import default_objects
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.model.snapshot import Snapshot
from tenantry.safe.admission import Request, plural_of
from tenantry.safe.answer import Admission, Answer, Requester
from tenantry.safe.identity import Identity, Principal, Rights
from tenantry.safe.rbac import RoleBook
from tenantry.safe.received import received
from tenantry.safe.view import View
from testbed.api import Answer as Said
from testbed.api import User
from testbed.control_plane import Cluster
from testbed.definitions import install, stand_in

Body = dict[str, Any]

TODAY = date(2026, 1, 1)
ANYTHING_GROUP = "testbed:anything"
"""Group that may do everything: its members show what guards say where RBAC does not come first."""
SEEN = "-seen"
"""Ending of the names of bindings that only warn, so that one answer tells of every guard that objects."""

VERBS = {"CREATE": "create", "UPDATE": "update", "DELETE": "delete"}


@dataclass(frozen=True)
class Attempt:
    """One request.

    Attributes:
        row: what it is about, for the counts.
        what: what is special about it.
        namespace: where; empty for objects outside namespaces.
        body: the object; of a deletion, what is deleted.
        user: who asks.
        operation: ``CREATE``, ``UPDATE`` or ``DELETE``.
        old: the object before an update.
        sub: subresource.
    """

    row: str
    what: str
    namespace: str
    body: Body
    user: User
    operation: str = "CREATE"
    old: Body | None = None
    sub: str = ""

    def __str__(self) -> str:
        kind = self.body["kind"] + (f"/{self.sub}" if self.sub else "")
        return f"{self.operation} {kind} in {self.namespace or 'no namespace'} by {self.user.name}: {self.what}"


@dataclass(frozen=True)
class Verdict:
    """What came of a request.

    Attributes:
        kind: ``let in``, ``guard``, ``Pod Security``, ``no right``, ``unknown``, or what else the server said.
        guards: names of all policies that object; empty where it did not come so far.
        told: the words.
    """

    kind: str
    guards: frozenset[str] = frozenset()
    told: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind, ", ".join(sorted(self.guards)), self.told and f"({self.told})")))


# --- what Tenantry says -----------------------------------------------------------------------------------------------


@dataclass
class Judge:
    """Predicts what the server says about requests."""

    subject: Subject
    view: View = field(init=False)

    def __post_init__(self) -> None:
        self.view = View(self.subject.snapshot, self.subject.tenancy, declare(self.subject, TODAY))
        # The server of the testbed has no SecurityContextConstraints, and none of the roles of OpenShift.
        self.view.admitter.openshift = False
        built_in = (Manifest(body, Location("<built-in>")) for body in default_objects(openshift=False))
        self._book = RoleBook(Snapshot([*built_in, *self.subject.snapshot]))
        self._rights: dict[User, Rights] = {}

    def changed(self, bodies: Iterable[Body], gone: Iterable[Body] = ()) -> Judge:
        """Return a judge of the same objects with some of them replaced, added or taken away."""
        there = {item.key: item for item in self.subject.snapshot}
        for body in gone:
            there.pop(Manifest(body, Location("<test>")).key)
        for body in bodies:
            item = Manifest(body, Location("<test>"))
            there[item.key] = item
        return Judge(replace(self.subject, snapshot=Snapshot(there.values())))

    def predict(self, attempt: Attempt, resource: str) -> Verdict:
        """Return what is predicted; ``resource`` is the plural name."""
        group = attempt.body["apiVersion"].rpartition("/")[0]
        if not self.may(attempt, group, resource):
            return Verdict("no right")
        said = self.admission(attempt, resource)
        if said.answer is Answer.UNKNOWN and "selects objects by labels" in said.reason:
            # Another object would be let in; this one is not.
            return Verdict("guard", self.guards(attempt, resource), said.reason)
        if said.answer is Answer.UNKNOWN:
            return Verdict("unknown", told=said.reason)
        if said.refused and said.by is not None and said.by.kind == "Namespace":
            return Verdict("Pod Security", told=said.reason)
        guards = self.guards(attempt, resource)
        if said.refused != bool(guards):
            return Verdict("Tenantry contradicts itself", guards, f"{said}")
        return Verdict("guard" if guards else "let in", guards, said.reason)

    def may(self, attempt: Attempt, group: str, resource: str) -> bool:
        """Whether RBAC allows a request."""
        user = attempt.user
        if user not in self._rights:
            who = Identity(Principal("User", user.name), user.name, user.groups)
            self._rights[user] = Rights(self._book, [who])
        name = attempt.body["metadata"]["name"]
        named = attempt.operation != "CREATE" or attempt.sub
        whole = f"{resource}/{attempt.sub}" if attempt.sub else resource
        verb = VERBS[attempt.operation]
        where = attempt.namespace
        return self._rights[user].find(verb, group_of(attempt, group), whole, where, name if named else "") is not None

    def admission(self, attempt: Attempt, resource: str) -> Admission:
        """Return what admission says of exactly this request."""
        return self.view.envelope(attempt.namespace).admits(
            attempt.body,
            operation=attempt.operation,
            user=requester(attempt.user),
            old=attempt.old,
            subresource=attempt.sub,
            resource=resource,
            keeping=lambda body: False,
        )

    def guards(self, attempt: Attempt, resource: str) -> frozenset[str]:
        """Return the names of all guards that refuse a request."""
        book = self.view.admitter.guards
        request = self.request(attempt, resource)
        asked = ((guard, book.ask(guard, request)) for guard in book.matching(request))
        return frozenset(guard.policy.key.name for guard, said in asked if said is not None and said.refused)

    def request(self, attempt: Attempt, resource: str) -> Request:
        """Return a request as admission sees it."""
        home = self.view.snapshot.get("", "Namespace", attempt.namespace) if attempt.namespace else None
        gone = attempt.operation == "DELETE"
        body, old = received(attempt.body), received(attempt.old) if attempt.old else None
        return Request(
            None if gone else body,
            body if gone else old,
            home.body if home else None,
            requester(attempt.user),
            resource,
            attempt.sub,
            group_of(attempt, attempt.body["apiVersion"].rpartition("/")[0]),
            attempt.body["apiVersion"].rpartition("/")[2],
        )


def group_of(attempt: Attempt, group: str) -> str:
    """Return the API group of a request: objects posted below pods (Eviction) have a group of their own."""
    return "" if attempt.sub in {"eviction", "binding", "token"} else group


def requester(user: User) -> Requester:
    """Return a user as admission sees it."""
    return Requester(user.name, user.groups)


# --- what the server says ---------------------------------------------------------------------------------------------

_NAMED = re.compile(r"ValidatingAdmissionPolicy '([^']+)' with binding '([^']+)'")


def asked(cluster: Cluster, attempt: Attempt) -> Verdict:
    """Send a request that changes nothing and return what came of it."""
    return verdict(_sent(cluster, attempt))


def _sent(cluster: Cluster, attempt: Attempt) -> Said:
    api, body = cluster.api, attempt.body
    if attempt.operation == "DELETE":
        return api.delete(body, user=attempt.user, dry_run=True)
    if attempt.operation == "UPDATE":
        return api.update(body, user=attempt.user, dry_run=True, sub=attempt.sub)
    if attempt.sub:
        path = f"/api/v1/namespaces/{attempt.namespace}/pods/{body['metadata']['name']}/{attempt.sub}"
        return api.request("POST", path, body, query={"dryRun": "All"}, user=attempt.user)
    return api.create(body, user=attempt.user, dry_run=True)


def verdict(said: Said) -> Verdict:
    """Read what an answer means."""
    warned = (_NAMED.search(text) for text in said.warnings)
    guards = frozenset(found[1] for found in warned if found and found[2].endswith(SEEN))
    if said.ok:
        return Verdict("let in" if not guards else "let in by guards that only warn", guards)
    named = _NAMED.search(said.message)
    if named:
        # The message names one of those that object; the others have warned.
        return Verdict("guard", guards | {named[1]}, said.message)
    return Verdict(_kind(said), guards, said.message)


def _kind(said: Said) -> str:
    text = said.message
    signs = (
        ("violates PodSecurity", "Pod Security"),
        ("exceeded quota", "quota"),
        ("failed quota", "quota"),
        ("status unknown for quota", "quota"),
        (" cannot ", "no right"),
        ("LimitRange", "limit"),
        ("maximum ", "limit"),
    )
    if said.status == 403:
        return next((kind for sign, kind in signs if sign in text), f"another plug-in: {text}")
    return {400: "not valid", 422: "not valid"}.get(said.status, f"{said.status} {said.reason}")


def all_asked(cluster: Cluster, attempts: Sequence[Attempt]) -> list[Verdict]:
    """Send requests, eight at a time; answers in the order of the requests."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda attempt: asked(cluster, attempt), attempts))


# --- platforms --------------------------------------------------------------------------------------------------------

OPEN_BINDING: Body = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "testbed-anything"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": ANYTHING_GROUP}],
}

# Kinds that guards look at and of which no definition is at hand.
STAND_INS = (
    ("route.openshift.io", "v1", "Route", "routes"),
    ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
    ("gateway.networking.k8s.io", "v1", "GRPCRoute", "grpcroutes"),
    ("gateway.networking.k8s.io", "v1", "TLSRoute", "tlsroutes"),
    ("gateway.networking.k8s.io", "v1", "Gateway", "gateways"),
    ("gateway.networking.k8s.io", "v1", "ReferenceGrant", "referencegrants"),
    ("k8s.cni.cncf.io", "v1beta1", "MultiNetworkPolicy", "multi-networkpolicies"),
    ("ray.io", "v1", "RayCluster", "rayclusters"),
)


def prepared(name: str, platform: Platform, *, telling: bool = True) -> Judge:
    """Make a platform ready for attempts: everything guards look at exists.

    Args:
        name: of the platform.
        platform: its cluster with the tree in it.
        telling: whether the answer to a request is to tell of all guards that object, and not of one of them only.
    """
    cluster = platform.cluster
    absent = [item for item in STAND_INS if cluster.api.kind(f"{item[0]}/{item[1]}", item[2]) is None]
    install(cluster, [stand_in(*item, namespaced=True) for item in absent])
    bodies = [OPEN_BINDING, *map(_runtime_class, ("nvidia", "nvidia-cdi", "gvisor", "kata", "kata-qemu", "runc"))]
    bodies += list(_warning(platform)) if telling else []
    homes = (item for item, _ in platform.synced.applied if item.key.kind == "Namespace")
    bodies += [_account(item.key.name) for item in homes]
    for body in bodies:
        cluster.api.create(body).expect()
    example, environment = PLATFORMS[name]
    return Judge(spec_subject(EXAMPLES / example, environment)).changed([OPEN_BINDING])


def _runtime_class(name: str) -> Body:
    return {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": name}


def _account(namespace: str) -> Body:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "worker", "namespace": namespace}}


def _warning(platform: Platform) -> Iterator[Body]:
    for item, _ in platform.synced.applied:
        if item.key.kind == "ValidatingAdmissionPolicyBinding":
            spec = {**item.body["spec"], "validationActions": ["Warn"]}
            meta = {"name": f"{item.key.name}{SEEN}"}
            yield {"apiVersion": item.key.api_version, "kind": item.key.kind, "metadata": meta, "spec": spec}


def resource_of(cluster: Cluster, attempt: Attempt) -> str:
    """Return the plural name of what a request is about as the server says."""
    if attempt.operation == "CREATE" and attempt.sub:
        return "pods"
    kind = cluster.api.kind(attempt.body["apiVersion"], attempt.body["kind"])
    return kind.plural if kind else plural_of(attempt.body["kind"])


# --- comparison -------------------------------------------------------------------------------------------------------

BEFORE_GUARDS = {"not valid", "limit"}
"""What the server looks at before any guard: such a refusal says nothing of guards."""

BEHIND_GUARDS = {"quota"}
"""What the server asks after all guards: such a refusal means that they let the request in."""


@dataclass(frozen=True)
class Explained:
    """A difference that is none of guards.

    Attributes:
        row: in which it is counted.
        kind: of objects.
        what: beginning of what is special.
        here: what is said here.
        there: beginning of what the server says.
        reason: why both are right.
    """

    row: str
    kind: str
    what: str
    here: str
    there: str
    reason: str


EXPLAINED = (
    Explained(
        "fields whose feature gate is off",
        "PersistentVolumeClaim",
        "a source in",
        "guard",
        "let in",
        "CrossNamespaceVolumeDataSource is alpha: the server drops the namespace of a source before admission, so that "
        "the guard has nothing to refuse. Whether a cluster has the gate on cannot be seen from its objects.",
    ),
    *(
        Explained(
            "namespaces that are never deleted",
            "Namespace",
            name,
            "let in",
            "another plug-in",
            "NamespaceLifecycle keeps these from being deleted by anybody; no tenant has the right to.",
        )
        for name in ("default", "kube-public")
    ),
)


def compare(platform: Platform, judge: Judge, attempts: list[Attempt], tally: Tally, *, telling: bool = True) -> None:
    """Hold predictions against answers; where guards do not tell of themselves, one of them is named."""
    answers = all_asked(platform.cluster, attempts)
    wrong = []
    for attempt, theirs in zip(attempts, answers, strict=True):
        ours = judge.predict(attempt, resource_of(platform.cluster, attempt))
        if not telling and theirs.kind == ours.kind == "guard" and theirs.guards <= ours.guards:
            ours = replace(ours, guards=theirs.guards)
        if not counted(tally, attempt, ours, theirs):
            wrong.append(f"{attempt}\n  here {ours}\n  there {theirs}")
    assert not wrong, "\n".join([f"{len(wrong)} of {len(attempts)}", *wrong])


def counted(tally: Tally, attempt: Attempt, ours: Verdict, theirs: Verdict) -> bool:
    """Count one comparison; whether it agrees."""
    if theirs.kind in BEFORE_GUARDS:
        return tally.count("guards", f"{theirs.kind} before guards are asked", agreed=ours.kind != "no right")
    if ours.kind == "unknown":
        return tally.count("guards", "not known here", agreed=UNKNOWN in attempt.what)
    kind = "let in" if theirs.kind in BEHIND_GUARDS else theirs.kind
    agreed = (ours.kind, ours.guards) == (kind, theirs.guards)
    if not agreed:
        for known in EXPLAINED:
            if (attempt.body["kind"], ours.kind) == (known.kind, known.here) and attempt.what.startswith(known.what):
                return tally.count("guards", known.row, agreed=theirs.kind.startswith(known.there))
    return tally.count("guards", f"{attempt.row}: {attempt.operation.lower()}", agreed=agreed)


UNKNOWN = "hosts that are no list"
"""What an answer may be unknown about: going through a text instead of a list fails on the server, but in a way that
the evaluator does not tell from what it does not know. Only kinds without a schema let such objects come so far.
"""
