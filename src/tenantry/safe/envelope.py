"""What admission lets into a namespace: Pod Security, OpenShift's constraints, admission policies, opaque webhooks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from tenantry.model.claim import Missing
from tenantry.model.manifest import key_of
from tenantry.safe import constraints, pod_security
from tenantry.safe.admission import Guard, GuardBook, Request, mapping, plural_of
from tenantry.safe.answer import Admission, Answer, Requester
from tenantry.safe.constraint_uses import UsableConstraints
from tenantry.safe.evasion import labelled, slipping, temptations
from tenantry.safe.partial_values import lift
from tenantry.safe.pods import plain_pod
from tenantry.safe.rbac import (
    AUTHENTICATED,
    RoleBook,
    service_account_groups,
    service_account_user,
)
from tenantry.safe.reading import annotations_of, labels_of
from tenantry.safe.received import received
from tenantry.safe.refusals import About, Proof, by_its_namespace, by_itself, refuses, seen, unless_more_is_said
from tenantry.safe.webhooks import Opaque

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from tenantry.model.manifest import Body, Manifest, ManifestKey
    from tenantry.model.snapshot import Snapshot
    from tenantry.safe.identity import Rights

# Controllers that make pods from templates, per kind a tenant may create; they act as service accounts of kube-system.
CONTROLLERS: tuple[tuple[str, str, str], ...] = (
    ("apps", "replicasets", "replicaset-controller"),
    ("apps", "deployments", "replicaset-controller"),
    ("apps", "statefulsets", "statefulset-controller"),
    ("apps", "daemonsets", "daemon-set-controller"),
    ("batch", "jobs", "job-controller"),
    ("batch", "cronjobs", "job-controller"),
    ("", "replicationcontrollers", "replication-controller"),
)

ADMITTED = Admission(Answer.ADMITTED)

_LEVEL = (pod_security.ENFORCE, pod_security.ENFORCE_VERSION)


@dataclass(frozen=True)
class Inhabitants:
    """Who makes objects in a namespace.

    Attributes:
        requesters: identities of the tenant, members first.
        rights: their rights.
    """

    requesters: tuple[Requester, ...]
    rights: Rights


class Admitter:
    """Everything admission knows; makes one :class:`Envelope` per namespace and shares answers between equal ones."""

    def __init__(
        self,
        snapshot: Snapshot,
        guards: GuardBook,
        book: RoleBook,
        *,
        openshift: bool,
        inhabitants: Callable[[str], Inhabitants],
        changes: Callable[[str, str], Answer],
        annotates: Callable[[str], bool],
    ) -> None:
        """Prepare admission.

        Args:
            snapshot: objects, implicit ones included.
            guards: admission policies that deny.
            book: roles and bindings, which decide who may use SecurityContextConstraints.
            openshift: whether SecurityContextConstraints apply.
            inhabitants: who makes objects in a namespace.
            changes: whether the tenant of a namespace can change a label of it, any label for the empty name; a Pod
                Security level, and a guard that selects namespaces by it, count as absent then.
            annotates: the same for its annotations; guards that look at them are no evidence then.
        """
        self.snapshot = snapshot
        self.guards = guards
        self.openshift = openshift
        self.inhabitants = inhabitants
        self.changes = changes
        self.annotates = annotates
        self.opaque = Opaque(snapshot)
        self.usable = UsableConstraints(snapshot.of(constraints.GROUP, constraints.KIND) if openshift else [], book)
        self._envelopes: dict[str, Envelope] = {}
        self._levels: dict[tuple[pod_security.Level, bytes], str] = {}
        self._answers: dict[tuple[Any, ...], Admission | None] = {}
        self.refused_last: ManifestKey | None = None

    def envelope(self, namespace: str) -> Envelope:
        """Return the envelope of a namespace."""
        if namespace not in self._envelopes:
            self._envelopes[namespace] = Envelope(self, namespace)
        return self._envelopes[namespace]

    def ask(self, guard: Guard, request: Request, shape: bytes, written: bytes) -> Admission | None:
        """Return what a guard says, remembered for requests that it cannot tell apart.

        Args:
            guard: a guard that looks at the request.
            request: the request.
            shape: the namespace as bytes.
            written: the objects of the request as bytes, without their namespace.
        """
        key = (
            guard.binding.key,
            written,
            request.subresource,
            request.operation,
            request.user if guard.uses_user else None,
            shape if guard.uses_namespace else None,
        )
        if key not in self._answers:
            self._answers[key] = self.guards.ask(guard, request)
        return self._answers[key]

    def pod_security(self, level: pod_security.Level, pod: Body) -> str:
        """Return why a pod is refused at a level, remembered."""
        key = (level, encoded(_without_namespace(pod)))
        if key not in self._levels:
            self._levels[key] = pod_security.refusal(level, pod)
        return self._levels[key]


def _without_namespace(body: Body | None) -> Body | None:
    if body is None:
        return None
    return {**body, "metadata": {**mapping(body.get("metadata")), "namespace": ""}}


def _written(request: Request) -> bytes:
    """Return the objects of a request as bytes, without their namespace."""
    return encoded((_without_namespace(request.body), _without_namespace(request.old)))


def encoded(value: object) -> bytes:
    """Return plain data as bytes, equal for equal data."""
    try:
        return msgspec.json.encode(value, order="deterministic")
    except (TypeError, ValueError, msgspec.MsgspecError):
        return repr(value).encode()


@dataclass(frozen=True, slots=True)
class _Form:
    """How an object is asked for: operation, subresource, plural name (empty for that of its kind), and by whom."""

    operation: str
    subresource: str
    resource: str
    user: Requester | None


class Envelope:
    """What admission lets into one namespace; the empty name stands for objects outside namespaces."""

    def __init__(self, admitter: Admitter, namespace: str) -> None:
        self._admitter = admitter
        self.namespace = namespace
        self._looking: dict[tuple[object, ...], tuple[Guard, ...]] = {}
        self._sight: dict[ManifestKey, Answer] = {}

    @cached_property
    def manifest(self) -> Manifest | None:
        """The Namespace object, if it is among the objects."""
        return self._admitter.snapshot.get("", "Namespace", self.namespace)

    @cached_property
    def labels(self) -> dict[str, str]:
        """Labels of the namespace."""
        return labels_of(self.manifest.body) if self.manifest else {"kubernetes.io/metadata.name": self.namespace}

    @cached_property
    def annotations(self) -> dict[str, str]:
        """Annotations of the namespace."""
        return annotations_of(self.manifest.body) if self.manifest else {}

    @cached_property
    def level(self) -> pod_security.Level:
        """Pod Security level that holds whatever the tenant does or may do."""
        if self.fixed(_LEVEL) is not Answer.REFUSED:
            return pod_security.Level(pod_security.PRIVILEGED, pod_security.LATEST)
        return pod_security.enforced(self.labels)

    def fixed(self, keys: Iterable[str]) -> Answer:
        """Say whether the tenant can change one of some labels of the namespace; refused when it cannot."""
        said = {self._admitter.changes(self.namespace, key) for key in keys}
        return next((answer for answer in (Answer.ADMITTED, Answer.UNKNOWN) if answer in said), Answer.REFUSED)

    @cached_property
    def _open(self) -> bool:
        """Whether the tenant may change something of the namespace that guards may look at."""
        changes = self._admitter.changes(self.namespace, "") is not Answer.REFUSED
        return changes or self._admitter.annotates(self.namespace)

    @cached_property
    def _body(self) -> Body | None:
        if not self.namespace:
            return None
        given = self.manifest.body if self.manifest else {"apiVersion": "v1", "kind": "Namespace"}
        metadata = {**mapping(given.get("metadata")), "name": self.namespace, "labels": self.labels}
        return {**given, "metadata": metadata}

    @cached_property
    def _shape(self) -> bytes:
        return encoded(self._body)

    def admits(
        self,
        body: Body,
        *,
        operation: str = "CREATE",
        user: Requester | None = None,
        old: Body | None = None,
        subresource: str = "",
        resource: str = "",
        keeping: Callable[[Body], bool] = lambda body: True,
        about: About | Callable[[], About] | None = None,
    ) -> Admission:
        """Say whether an object would be let in.

        Args:
            body: a Pod or any other object; its namespace is filled in.
            operation: ``CREATE``, ``UPDATE``, ``DELETE`` or ``CONNECT``.
            user: who asks; None for every way the tenant has: its members, its service accounts, and for pods the
                controllers that make them from templates. Then it is admitted if one of them is let in, with labels
                that slip past selectors of objects where that is needed.
            old: the object before, for an update; an update without it is one of an equal object.
            subresource: ``ephemeralcontainers``, ``status``, ...
            resource: plural name where it is not that of the object's kind, as for ``pods/exec``.
            keeping: whether an object that was changed to slip past a guard is still what is asked about.
            about: what of the object the question is about. It is refused only if guards refuse every object with
                that, whatever else it says; without it the refusal of this one object is the answer. A function is
                called only when needed.
        """
        form = _Form(operation, subresource, resource, user)
        if operation == "UPDATE" and old is None:
            old = body
        said = self._best(((body, old),), form)
        proof, settled = Proof.PART, None
        if said.refused and about is not None and not by_itself(said):
            asked = about() if callable(about) else about
            proof = self._always(asked, (body, old), form)
            settled = asked if proof is Proof.PART and old is None else None
        free = body.get("kind") != "Namespace" and operation != "DELETE" and (old is None or old is body)
        if not said.admitted and free:
            # What is known to be refused is not tried again in another dress.
            said = self._evaded(
                said, body, old, form, lambda item: keeping(item) and (settled is None or not settled.holds_of(item))
            )
        return said if proof or not said.refused else unless_more_is_said(said)

    def first_said(self, body: Body) -> Admission:
        """Return what is said to this one object being made, whoever of the tenant's asks."""
        return self._best(((body, None),), _Form("CREATE", "", "", None))

    def _best(self, candidates: Iterable[tuple[Body, Body | None]], form: _Form) -> Admission:
        """Return the most favourable answer over objects and requesters."""
        unknown: Admission | None = None
        refused: Admission | None = None
        for candidate, before in candidates:
            for requester in self._who(candidate, before, form):
                said = self._decide(self._request(candidate, before, requester, form))
                if said.admitted:
                    return replace(said, body=candidate, user=requester)
                if said.refused:
                    refused = refused or said
                else:
                    unknown = unknown or replace(said, body=candidate, user=requester)
        return unknown or refused or ADMITTED

    def _evaded(
        self, said: Admission, body: Body, old: Body | None, form: _Form, keeping: Callable[[Body], bool]
    ) -> Admission:
        """Return the answer when labels, annotations and names are chosen to slip past guards.

        Only what ``keeping`` holds of is tried. A refusal of a guard that selects objects by labels is none: what slips
        past may not have been found.
        """
        guard = next((item for item in self._admitter.guards.guards if item.policy.key == said.by), None)
        if guard is None:
            return said
        selecting = [
            item for item in self._guards(self._request(body, old, Requester(""), form)) if item.object_selectors
        ]
        labels = labels_of(body)
        for item in selecting:
            labels = slipping(labels, item.object_selectors)
        changed = [labelled(body, labels)] if labels != labels_of(body) else []
        changed.extend(temptations(guard, said.pointer, body))
        changed = [item for item in changed if keeping(item)]
        better = self._best([(item, item if old is not None else None) for item in changed], form) if changed else said
        if better.admitted or (said.refused and not better.refused):
            return better
        if said.refused and guard in selecting:
            reason = f"{said.reason}; it selects objects by labels, which are the tenant's to choose"
            missing = Missing(f"what {guard.policy.key} refuses", "leave out its objectSelector")
            return replace(said, answer=Answer.UNKNOWN, reason=reason, missing=(missing,))
        return said

    @cached_property
    def _lifted(self) -> Any:
        return lift(self._body)

    def _request(self, body: Body, old: Body | None, user: Requester, form: _Form) -> Request:
        given = self._filled(body)
        key = key_of(given)
        gone = form.operation == "DELETE"
        before = self._filled(old) if old is not None and form.operation == "UPDATE" else None
        return Request(
            None if gone else given,
            given if gone else before,
            self._body,
            user,
            form.resource or plural_of(key.kind),
            form.subresource,
            "" if form.resource == "pods" else key.group,
            key.api_version.rpartition("/")[2] or "v1",
            "CONNECT" if form.operation == "CONNECT" else "",
        )

    def _filled(self, body: Body) -> Body:
        if not self.namespace or body.get("kind") == "Namespace":
            return body
        return received({**body, "metadata": {**mapping(body.get("metadata")), "namespace": self.namespace}})

    def usable_by(self, account: str) -> tuple[Manifest, ...]:
        """Return the SecurityContextConstraints a service account may use here; anybody logged in for no name."""
        nobody = Requester("", (AUTHENTICATED,))
        if not account:
            return self._admitter.usable.by(nobody, "", self.namespace, account_counts=False)
        return self._admitter.usable.by(nobody, account, self.namespace)

    def _who(self, body: Body, old: Body | None, form: _Form) -> Iterator[Requester]:
        """Yield who is tried: one where nothing depends on it."""
        if form.user is not None:
            yield form.user
            return
        requesters = self._requesters(body)
        first = next(requesters)
        yield first
        request = self._request(body, old, first, form)
        pod = request.resource == "pods" and self._admitter.openshift
        if pod or any(guard.uses_user for guard in self._guards(request)) or self._admitter.opaque.present:
            yield from requesters

    # --- who asks -------------------------------------------------------------------------------------------------

    def _requesters(self, body: Body) -> Iterator[Requester]:
        inhabitants = self._admitter.inhabitants(self.namespace)
        yield from inhabitants.requesters or (Requester("somebody", (AUTHENTICATED,)),)
        if body.get("kind") != "Pod":
            return
        seen = set()
        for group, resource, account in CONTROLLERS:
            if account not in seen and inhabitants.rights.find("create", group, resource, self.namespace):
                seen.add(account)
                yield Requester(service_account_user("kube-system", account), service_account_groups("kube-system"))

    def _guards(self, request: Request, *, selecting: bool = False) -> tuple[Guard, ...]:
        """Return the guards that look at a request; with ``selecting`` also those that pick objects by labels."""
        key = (*self._admitter.guards.told_apart(request), selecting)
        if key not in self._looking:
            found = self._admitter.guards.matching(request, selecting=selecting)
            self._looking[key] = tuple(guard for guard in found if self._selected(guard) is not Answer.ADMITTED)
        return self._looking[key]

    def lifted(self, pod: Body) -> tuple[Guard, ...]:
        """Return the guards of pods that do not count because the tenant can take the namespace out of their sight."""
        request = self._request(pod, None, Requester(""), _Form("CREATE", "", "", None))
        return tuple(item for item in self._admitter.guards.matching(request) if item not in self._guards(request))

    def _selected(self, guard: Guard) -> Answer:
        """Say whether the tenant can make a guard that selects namespaces pass this one over."""
        name = guard.binding.key
        if name not in self._sight:
            keys = {item.key for selector in guard.namespace_selectors if selector for item in selector.requirements}
            self._sight[name] = self.fixed(sorted(keys))
        return self._sight[name]

    def pod_guards(self) -> tuple[Guard, ...]:
        """Return the guards that look at pods being made here."""
        request = self._request(plain_pod(self.namespace), None, Requester(""), _Form("CREATE", "", "", None))
        return self._guards(request, selecting=True)

    def refuses_every(self, about: About, subresource: str = "") -> Proof:
        """Return how it is known that every pod of which something is known is refused, whoever asks."""
        plain = plain_pod(self.namespace)
        old = None if about.old is None else plain
        return self._always(
            about, (plain, old), _Form("CREATE" if old is None else "UPDATE", subresource, "pods", None)
        )

    def refuses_all(self, about: About, body: Body, *, operation: str = "CREATE") -> Proof:
        """Return how it is known that every object like ``body`` in something is refused, whoever asks."""
        return self._always(about, (body, body if operation == "UPDATE" else None), _Form(operation, "", "", None))

    def _always(self, about: About, shown: tuple[Body, Body | None], form: _Form) -> Proof:
        """Return how all objects are refused of which something is known; ``shown`` is one, with the old one."""
        body, old = shown
        proof = Proof.PART
        # What a guard says that does not look at who asks holds for everybody.
        said: dict[ManifestKey, bool] = {}
        for user in (form.user,) if form.user is not None else self._requesters(body):
            request = self._request(body, old, user, form)
            guards = self._guards(request, selecting=True)
            by = self._refusing(guards, request, about, said)
            if by is None and not by_itself(self._decide(request)):
                return Proof.NONE
            if by is None:
                proof = Proof.SHOWN
            constrained = request.resource == "pods" and self._admitter.openshift
            if (by is not None and not by.uses_user) or not (constrained or any(item.uses_user for item in guards)):
                # Who asks makes no difference.
                break
        return proof

    def _refusing(
        self, guards: tuple[Guard, ...], request: Request, about: About, said: dict[ManifestKey, bool]
    ) -> Guard | None:
        """Return a guard that refuses all objects of which something is known; the last that did comes first."""
        told = cache(lambda: seen(request, about, self._lifted, self._open))
        for guard in sorted(guards, key=lambda item: item.binding.key != self._admitter.refused_last):
            key = guard.binding.key
            refused = None if guard.uses_user else said.get(key)
            if refused is None:
                refused = said[key] = refuses(self._admitter.guards, guard, request, about, told)
            if refused:
                self._admitter.refused_last = key
                return guard
        return None

    def alike(self, account: str = "") -> Hashable:
        """Return a value equal for namespaces that :meth:`settles` cannot tell apart.

        Args:
            account: service account the pods run as; ``default`` for the empty name.
        """
        pod = self._request(plain_pod(self.namespace), None, Requester(""), _Form("CREATE", "", "", None))
        guards = tuple(guard.binding.key for guard in self._guards(pod) if guard.alike)
        usable: set[frozenset[str]] = set()
        if self._admitter.openshift:
            for user in self._requesters(pod.body or {}):
                found = self._admitter.usable.by(user, account or "default", self.namespace)
                usable.add(frozenset(item.key.name for item in found))
        return (self.level, self._open, guards, frozenset(usable), self.labels.get(constraints.RUN_LEVEL))

    def settles(self, said: Admission) -> bool:
        """Whether every namespace that is alike refuses for the same reason: nothing of its own was looked at."""
        if not said.refused or said.by is None:
            return False
        if said.by.kind in {"Namespace", constraints.KIND}:
            return True
        return any(guard.alike and guard.policy.key == said.by for guard in self._admitter.guards.guards)

    # --- what is said ---------------------------------------------------------------------------------------------

    def _decide(self, request: Request) -> Admission:
        unknown: Admission | None = None
        pod = request.group == "" and request.resource == "pods" and request.subresource in {"", "ephemeralcontainers"}
        if pod and request.body is not None and request.operation in {"CREATE", "UPDATE"}:
            told = self._pod_security(request.body, request.old) or self._constrained(request.body, request.user)
            if told is not None and told.refused:
                return told
            unknown = told
        guards = sorted(self._guards(request), key=lambda item: not item.alike)
        written = _written(request) if guards else b""
        for guard in guards:
            said = self._admitter.ask(guard, request, self._shape, written)
            if said is not None and said.refused:
                if not ((guard.reads_namespace and self._open) or self._selected(guard) is Answer.UNKNOWN):
                    return said
                said = by_its_namespace(said, self.namespace)
            unknown = unknown or said
        return unknown or self._admitter.opaque.could_refuse(request) or ADMITTED

    def _pod_security(self, pod: Body, old: Body | None) -> Admission | None:
        can_change = self.fixed(_LEVEL)
        if can_change is Answer.ADMITTED or (old is not None and not pod_security.looks_again(pod, old)):
            return None
        level = pod_security.enforced(self.labels)
        told = self._admitter.pod_security(level, pod)
        if not told or self.manifest is None:
            return None
        pointer = ("metadata", "labels", pod_security.ENFORCE)
        said = Admission(Answer.REFUSED, self.manifest.key, pointer, f"Pod Security {level.name}: {told}")
        return said if can_change is Answer.REFUSED else by_its_namespace(said, self.namespace)

    def _constrained(self, pod: Body, user: Requester) -> Admission | None:
        # A namespace with a run level is exempt; whoever may label it can give it one.
        if not self._admitter.openshift or self.labels.get(constraints.RUN_LEVEL) in {"0", "1"}:
            return None
        if self.fixed((constraints.RUN_LEVEL,)) is not Answer.REFUSED:
            return None
        account = str(mapping(pod.get("spec")).get("serviceAccountName") or "default")
        usable = self._admitter.usable.by(user, account, self.namespace)
        told = []
        for item in usable:
            reason = constraints.refusal(item.body, pod, self.annotations)
            if not reason:
                return None
            told.append((item, reason))
        if not told:
            return Admission(Answer.REFUSED, None, (), "no SecurityContextConstraints may be used here")
        least = told[-1]
        names = ", ".join(item.key.name for item, _ in told)
        return Admission(Answer.REFUSED, least[0].key, (), f"no constraints of {names} let it in: {least[1]}")
