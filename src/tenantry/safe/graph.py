"""What a tenant can come to be and do: the fixpoint over identities, bindings, roles and namespaces.

A tenant starts with its identities. Within its own namespaces it may give itself more (bind, escalate); every right
that leads out of them is a crossing. What a crossing leads to may lead further; the shortest path is kept.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Step
from tenantry.model.manifest import ManifestKey
from tenantry.safe.answer import Admission, Answer
from tenantry.safe.crossing import Crossing
from tenantry.safe.escalation import Gained, escalations
from tenantry.safe.identity import Held, Identity, Rights, service_account
from tenantry.safe.implicit import OPENSHIFT_GROUPS
from tenantry.safe.others import others_of
from tenantry.safe.powers import OPERATIONS, RELABEL, Gain, Match, powers_of
from tenantry.safe.rbac import NAMESPACE_NAMED, Rule
from tenantry.safe.refusals import about_kind
from tenantry.safe.samples import sample
from tenantry.safe.writing import before

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.manifest import Body
    from tenantry.safe.labels import LabelChange
    from tenantry.safe.view import View

EVERYBODY = ""
"""Target that stands for every other tenant alike."""

MOST_BINDINGS = 20
"""Bindings a fix names at most."""

_ADMITTED = Admission(Answer.ADMITTED)


class Reach:
    """What one tenant can come to be and do.

    Args:
        view: objects, rights and admission.
        tenant: name of the tenant.
    """

    def __init__(self, view: View, tenant: str) -> None:
        self.view = view
        self.tenant = tenant

    @cached_property
    def gained(self) -> tuple[Gained, ...]:
        """Grants it can give itself within its own namespaces."""
        return self.view.standing.gained[self.tenant]

    @cached_property
    def rights(self) -> Rights:
        """Its rights, gained ones included."""
        return self.view.standing.rights(self.tenant)

    @cached_property
    def crossings(self) -> tuple[Crossing, ...]:
        """Every right that leads out of it, shortest path first, then by channel, kind, target and namespace."""
        return self._crossings(self.rights)

    def bindings_to_remove(self, channel: str) -> tuple[ManifestKey, ...]:
        """Return bindings without which no right of a channel leads out any more, re-verified; empty when none do."""
        gone: set[ManifestKey] = set()
        while len(gone) < MOST_BINDINGS:
            rights = Rights(self.view.book, self.rights.identities, without=frozenset(gone))
            left = [item for item in self._crossings(rights) if item.channel == channel and not item.admission.refused]
            more = {step.by for item in left for step in item.steps if step.by and step.by.kind.endswith("RoleBinding")}
            if not left:
                return tuple(sorted(gone))
            if more <= gone:
                return ()
            gone |= more
        return ()

    def _crossings(self, rights: Rights) -> tuple[Crossing, ...]:
        found: dict[tuple[str, str, str, str], Crossing] = {}
        for crossing in (*self._powers(rights, self.tenant), *escalations(self.view, self.tenant, rights)):
            key = (crossing.channel, crossing.kind, crossing.target, crossing.namespace)
            if key not in found or _rank(crossing) < _rank(found[key]):
                found[key] = crossing
        return tuple(
            sorted(found.values(), key=lambda item: (_rank(item), item.channel, item.impact, item.kind, item.namespace))
        )

    def by_channel(self, channel: str) -> tuple[Crossing, ...]:
        """Return the crossings of one channel, with what lies behind them for tenants not reached at once."""
        return tuple(item for item in (*self.crossings, *self.beyond) if item.channel == channel)

    @cached_property
    def beyond(self) -> tuple[Crossing, ...]:
        """Crossings from what was reached to tenants nothing leads to directly, each by the channel it starts with."""
        direct = [item for item in self.crossings if item.admission.admitted]
        if any(item.gain is Gain.CLUSTER or (item.target == EVERYBODY and not item.namespace) for item in direct):
            return ()
        reached = {item.target for item in direct}
        seen: set[str] = set()
        found: list[Crossing] = []
        waiting = deque(direct)
        while waiting:
            first = waiting.popleft()
            for crossing in self._onward(first, seen):
                if crossing.target not in reached | {self.tenant}:
                    reached.add(crossing.target)
                    found.append(crossing)
                waiting.append(crossing)
        return tuple(found)

    def _onward(self, crossing: Crossing, seen: set[str]) -> Iterator[Crossing]:
        """Yield where the identities behind a crossing lead; each namespace is entered once."""
        if crossing.gain is not Gain.NAMESPACE or not crossing.namespace or crossing.namespace in seen:
            return
        seen.add(crossing.namespace)
        inside = [
            service_account(crossing.namespace, name, crossing.steps)
            for name in self.view.accounts.of(crossing.namespace)
        ]
        owner = self.view.tenancy.owner(crossing.namespace) or ""
        rights = Rights(self.view.book, inside)
        for onward in (*self._powers(rights, owner), *escalations(self.view, owner, rights)):
            if onward.admission.admitted and onward.target != self.tenant:
                yield replace(onward, channel=crossing.channel, kind=f"{crossing.kind}, then {onward.kind}")

    def _powers(self, rights: Rights, home: str) -> Iterator[Crossing]:
        for held in rights.all():
            scope = held.grant.namespace
            target = self.view.targets.of(home, scope, held.grant.to)
            if target is None:
                continue
            for rule in held.grant.rules:
                for match in powers_of(rule):
                    if scope and match.power.cluster and not _named_namespace(match, rule, scope):
                        continue
                    # A star means the groups a cluster serves.
                    if match.power.group not in rule.groups and not self._served(match.power.group):
                        continue
                    yield self._crossing(held, rule, match, target)
                for group, match in others_of(rule, inside=bool(scope), platform=bool(scope) and not target):
                    if group in rule.groups or self._served(group):
                        yield self._crossing(held, rule, match, target, group)

    def _served(self, group: str) -> bool:
        return self.view.distribution_openshift or group not in OPENSHIFT_GROUPS

    def _crossing(self, held: Held, rule: Rule, match: Match, target: str, group: str | None = None) -> Crossing:
        power, scope = match.power, held.grant.namespace
        group = power.group if group is None else group
        where = f"in namespace {scope}" if scope else "in every namespace"
        names = f" named {', '.join(sorted(rule.names))}" if rule.names else ""
        body = sample(group, match.resource, scope or self._somewhere(power.cluster)) if power.asks else None
        verb, admission = match.verb, _ADMITTED
        if body is not None:
            verb, admission = self._admission(body, match, held.identity, rule)
        if power.id == RELABEL:
            admission, body = self._relabelling(scope)
        words = f"{verb} {match.resource}{names}" + ("" if power.cluster else f" {where}")
        step = Step(words, rule.role, rule.pointer)
        platform = not target and bool(scope)
        impact = Impact.S0 if platform and power.effect in {Effect.EXEC, Effect.READ, Effect.WRITE} else power.impact
        return Crossing(
            power.channel,
            power.id,
            target,
            scope,
            (*held.steps(), step),
            power.does,
            power.effect,
            impact,
            power.gain,
            admission,
            body,
        )

    def _relabelling(self, scope: str) -> tuple[Admission, Body | None]:
        """Say whether admission lets the tenant change a namespace that is not its own, and what it would submit."""
        own = self.view.tenancy.by_name.get(self.tenant)
        foreign = (name for name in self.view.snapshot.namespaces if own is None or name not in own.namespaces)
        doubtful: LabelChange | None = None
        for namespace in [scope] if scope else foreign:
            for ask in (self.view.labels.change, self.view.labels.annotates):
                change = ask(self.tenant, namespace)
                if change is not None and change.admission.admitted:
                    return change.admission, change.body
                doubtful = doubtful or change
        if doubtful is not None:
            return doubtful.admission, doubtful.body
        return Admission(Answer.REFUSED, reason="admission refuses every change of namespaces that matters"), None

    def _somewhere(self, cluster: bool) -> str:
        """Return a namespace of somebody else, to try what holds in all of them."""
        if cluster:
            return ""
        others = [item for item in self.view.tenants if item.name != self.tenant and item.namespaces]
        return others[0].namespaces[0] if others else "kube-system"

    def _admission(self, body: dict[str, object], match: Match, who: Identity, rule: Rule) -> tuple[str, Admission]:
        """Return what admission says to writing an object, by the verb it lets in if there is one."""
        metadata = body.get("metadata")
        if rule.names and isinstance(metadata, dict):
            metadata["name"] = min(rule.names)
        namespace = metadata.get("namespace", "") if isinstance(metadata, dict) else ""
        resource, _, subresource = match.resource.partition("/")
        tried = []
        for verb in match.verbs:
            operation = OPERATIONS[verb]
            said = self.view.envelope(namespace).admits(
                body,
                operation=operation,
                user=who.requester,
                old=before(body) if operation == "UPDATE" else None,
                subresource=subresource,
                resource=resource,
                about=about_kind(body, operation=operation, named=len(rule.names) == 1),
            )
            tried.append((verb, unless_failed(said)))
        return min(tried, key=lambda item: (item[1].refused, not item[1].admitted))


def unless_failed(said: Admission) -> Admission:
    """Return an answer as it is, unless it is a refusal only because a made-up object lacks what a guard looks for."""
    if said.refused and said.reason.startswith("its expression fails"):
        return replace(said, answer=Answer.UNKNOWN)
    return said


def _named_namespace(match: Match, rule: Rule, scope: str) -> bool:
    """Whether a right on a namespace itself holds through a binding inside it; none can be made that way."""
    kind = (match.power.group, match.resource.partition("/")[0])
    verb = match.verb if match.verb not in {"create", "deletecollection"} else "delete"
    return kind in NAMESPACE_NAMED and rule.allows(verb, match.power.group, match.resource, scope)


def _rank(crossing: Crossing) -> tuple[int, int]:
    answers = {Answer.ADMITTED: 0, Answer.UNKNOWN: 1, Answer.REFUSED: 2}
    return (answers[crossing.admission.answer], len(crossing.steps))


class Targets:
    """Whom a scope concerns."""

    def __init__(self, view: View) -> None:
        self._owners = dict(view.tenancy.owners)
        self._people = {
            tenant.name: {*(f"group:{name}" for name in tenant.groups), *(f"user:{name}" for name in tenant.users)}
            for tenant in view.tenants
        }

    def of(self, home: str, scope: str, subject: str) -> str | None:
        """Return the tenant a grant in a scope reaches; empty for all; None when it stays at home.

        A subject that also acts for the owner of the namespace was let in by that owner.
        """
        if not scope:
            return EVERYBODY
        owner = self._owners.get(scope)
        if owner == home:
            return None
        if owner is None or owner not in self._people:
            return EVERYBODY
        return None if subject in self._people[owner] else owner
