"""Quotas, priorities, queues, the API server's attention, node pools: what a tenant could take from others' share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.attempts import Attempts
from tenantry.safe.channels.channel import Channel
from tenantry.safe.channels.node_pools import Q8, crossing
from tenantry.safe.channels.preemption import Q2, Q4, priorities, within_guarantee
from tenantry.safe.channels.queue_entry import Q3, Q5, bypass, hijack
from tenantry.safe.channels.quotas import Q1, Q7, floods, quotas
from tenantry.safe.reading import items, text
from tenantry.safe.ruling import Outcome, Ruling, worst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Manifest
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

Q6 = Ruling("Q6", "the API server's attention", Effect.DENY, Impact.S2)

FAIRNESS_FACT = "api-server.priority-and-fairness"
FLOW_GROUP = "flowcontrol.apiserver.k8s.io"

# Levels that keep the cluster itself alive (Kubernetes pkg/apis/flowcontrol/bootstrap/default.go).
_RESERVED_LEVELS = frozenset({"exempt", "leader-election", "node-high", "system", "workload-high"})
_BUILT_IN_SCHEMAS = frozenset(
    {
        "catch-all",
        "endpoint-controller",
        "exempt",
        "global-default",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-system-service-accounts",
        "probes",
        "service-accounts",
        "system-leader-election",
        "system-node-high",
        "system-nodes",
        "workload-leader-election",
    }
)
_EVERYBODY = frozenset({"system:authenticated", "system:serviceaccounts", "system:unauthenticated", "*"})


def fairness(view: View) -> Iterable[Claim]:
    """Decide Q6: requests of a tenant wait in levels that are shared fairly, never in those of the cluster itself."""
    attempts = Attempts(view)
    schemas = [item for item in view.snapshot.of(FLOW_GROUP, "FlowSchema") if _reserved(view, item)]
    for tenant in view.sources:
        yield worst(_fairness(view, attempts, schemas, tenant)).claim(Q6, tenant.name)


def _reserved(view: View, schema: Manifest) -> bool:
    """Whether a flow schema leads to a level without fair queues, or to one that keeps the cluster alive."""
    name = text(schema.body, "spec", "priorityLevelConfiguration", "name")
    level = view.snapshot.get(FLOW_GROUP, "PriorityLevelConfiguration", name)
    if level is not None and text(level.body, "spec", "type") == "Exempt":
        return True
    return name in _RESERVED_LEVELS


def _fairness(view: View, attempts: Attempts, schemas: list[Manifest], tenant: TenantIdentity) -> Iterator[Outcome]:
    for schema in schemas:
        where = next(_subjects(schema, tenant), None)
        if where is not None and schema.key.name not in _BUILT_IN_SCHEMAS:
            level = text(schema.body, "spec", "priorityLevelConfiguration", "name")
            steps = (
                Step("matches requests of the tenant", schema.key, where),
                Step(f"gives them level {level}", schema.key, ("spec", "priorityLevelConfiguration", "name")),
            )
            summary = f"requests of {tenant.name} are served by level {level}, ahead of everybody's"
            yield Outcome.broken(Witness(steps, summary), f"take the subjects of tenants out of {schema.key}")
    if view.strength is not Strength.DEPLOYED:
        for resource in ("flowschemas", "prioritylevelconfigurations"):
            right = attempts.writes(tenant.name, FLOW_GROUP, resource)
            if right is not None:
                witness = Witness(right.steps, f"{tenant.name} may write {resource} and exempt itself from waiting")
                yield Outcome.broken(witness, f"take the right to write {resource} from it")
    signed = view.signed(FAIRNESS_FACT)
    if signed is False:
        step = Step("no fair queues", missing=f"fact {FAIRNESS_FACT} says requests are not shared fairly")
        summary = f"requests of {tenant.name} can crowd out those of everybody else"
        yield Outcome.broken(Witness((step,), summary), "switch API priority and fairness on")
    if signed is None:
        yield Outcome.open(view.missing(FAIRNESS_FACT))
    yield Outcome.safe("its requests wait in fair queues of their own, in levels the cluster itself does not use")


def _subjects(schema: Manifest, tenant: TenantIdentity) -> Iterator[tuple[str | int, ...]]:
    """Yield the places at which a flow schema names somebody who acts for a tenant."""
    for index, rule in enumerate(items(schema.body, "spec", "rules")):
        for position, subject in enumerate(items(rule, "subjects")):
            if _names(subject, tenant):
                yield ("spec", "rules", index, "subjects", position)


def _names(subject: object, tenant: TenantIdentity) -> bool:
    """Whether a subject of a flow schema is, or holds, somebody who acts for a tenant."""
    kind = text(subject, "kind")
    if kind == "Group":
        group = text(subject, "group", "name")
        accounts = {f"system:serviceaccounts:{name}" for name in tenant.namespaces}
        return group in _EVERYBODY or group in tenant.groups or group in accounts
    if kind == "User":
        user = text(subject, "user", "name")
        return user == "*" or user in tenant.users or _account(user, tenant)
    return kind == "ServiceAccount" and text(subject, "serviceAccount", "namespace") in tenant.namespaces


def _account(user: str, tenant: TenantIdentity) -> bool:
    return any(user.startswith(f"system:serviceaccount:{name}:") for name in tenant.namespaces)


def _channel(ruling: Ruling, decide: Callable[[View], Iterable[Claim]]) -> Channel:
    return Channel(ruling.id, ruling.title, ruling.effect, ruling.impact, decide)


CHANNELS: tuple[Channel, ...] = (
    _channel(Q1, quotas),
    _channel(Q2, priorities),
    _channel(Q3, hijack),
    _channel(Q4, within_guarantee),
    _channel(Q5, bypass),
    _channel(Q6, fairness),
    _channel(Q7, floods),
    _channel(Q8, crossing),
)
"""Channels of shares, in the order of their ids."""
