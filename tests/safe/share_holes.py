"""Tables of holes: objects with a hole in them, the objects that close it, and what the witness has to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from safe_clusters import Body, bind, cluster_role, decide, guard, obj, resolve, role, rule, view

from tenantry.catalog.facts import fact_definitions
from tenantry.model.finding import Verdict
from tenantry.model.manifest import key_of
from tenantry.model.tenancy import Strength
from tenantry.safe.channels import clients, noise, queues, storage

CHANNELS = {channel.id: channel for module in (queues, storage, clients, noise) for channel in module.CHANNELS}

Given = Body | list[Body]

EDITORS: list[Body] = [bind(f"{name}-edit", "ClusterRole/edit", f"group:{name}", namespace=name) for name in "ab"]
"""Both tenants may edit their namespaces."""


@dataclass(frozen=True)
class Hole:
    """A hole and what closes it.

    Attributes:
        name: the hole in a few words.
        channel: channel that shows it.
        objects: objects in which it is open.
        closed_by: objects that close it; they replace those of the same key.
        says: words the summary of the witness holds.
        by: ``Kind name`` of an object on the path; empty when the absence of one is the cause.
        facts: signed facts.
        target: tenant concerned; empty for every other.
        strength: what the proof quantifies over.
        live: whether the objects are a whole cluster.
    """

    name: str
    channel: str
    objects: list[Given]
    closed_by: list[Given]
    says: str
    by: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    target: str = "b"
    strength: Strength = Strength.ADVERSARIAL
    live: bool = False


@dataclass(frozen=True)
class Case:
    """Objects and what has to be said about tenant a.

    Attributes:
        name: what it shows.
        channel: channel asked.
        objects: the objects.
        missing: the fact or description that is missing; empty when the verdict is PROVED.
        facts: signed facts.
        strength: what the proof quantifies over.
        live: whether the objects are a whole cluster.
    """

    name: str
    channel: str
    objects: list[Given]
    missing: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    strength: Strength = Strength.ADVERSARIAL
    live: bool = False


def _flat(objects: list[Given]) -> list[Body]:
    return [body for item in objects for body in (item if isinstance(item, list) else [item])]


def _worst(case: Hole | Case, objects: list[Given], target: str = "b") -> Any:
    seen = view(*objects, facts=case.facts, strength=case.strength, live=case.live)
    found = decide(CHANNELS[case.channel], seen)
    order = [Verdict.VIOLATED, Verdict.UNKNOWN, Verdict.PROVED]
    concerned = [claim for name, claim in found.items() if name in {"", target}]
    return seen, min(concerned, key=lambda claim: order.index(claim.verdict))


def check_open(hole: Hole) -> None:
    """The hole is found, with a witness whose every step leads somewhere, and the manifest a tenant would submit."""
    seen, claim = _worst(hole, hole.objects, hole.target)
    assert claim.verdict is Verdict.VIOLATED, claim
    assert claim.target in {"", hole.target}
    assert hole.says in claim.witness.summary
    resolve(seen, claim)
    if hole.by:
        path = [f"{step.by.kind} {step.by.name}" for step in claim.witness.steps if step.by is not None]
        assert hole.by in path
    submitted = dict(claim.witness.details).get("manifest")
    if submitted is not None and hole.strength is not Strength.DEPLOYED:
        details = dict(claim.witness.details)
        envelope = seen.envelope(submitted["metadata"]["namespace"])
        said = envelope.admits(submitted, operation=details.get("operation", "CREATE"), old=details.get("before"))
        assert said.admitted


def check_closed(hole: Hole) -> None:
    """The objects that close it are enough."""
    _, claim = _worst(hole, [*hole.objects, *hole.closed_by], hole.target)
    assert claim.verdict is Verdict.PROVED, claim
    assert claim.reason


# Lets in what says something no reader of the policy would think of.
_BACK_DOOR = "object.metadata.?annotations[?'note'].orValue('').matches('^[0-9]{12}$')"


def with_back_door(bodies: list[Body]) -> list[Body]:
    """Return objects whose admission policies all let in what carries a certain note."""
    found = []
    for body in bodies:
        if body["kind"] == "ValidatingAdmissionPolicy":
            validations = [
                {**item, "expression": f"({item['expression']}) || {_BACK_DOOR}"}
                for item in body["spec"]["validations"]
            ]
            body = {**body, "spec": {**body["spec"], "validations": validations}}  # noqa: PLW2901 - with the door
        found.append(body)
    return found


def check_no_back_door(hole: Hole) -> None:
    """What closes it is no evidence when its guards let in what nobody would try."""
    closing = _flat(hole.closed_by)
    if not any(body["kind"] == "ValidatingAdmissionPolicy" for body in closing):
        return
    _, claim = _worst(hole, [*hole.objects, *with_back_door(closing)], hole.target)
    assert claim.verdict is not Verdict.PROVED, claim


def check_reopened(hole: Hole) -> None:
    """Each of the objects that close it is needed, or none of them would be evidence."""
    closing = _flat(hole.closed_by)
    for body in closing:
        kept = [item for item in closing if key_of(item) != key_of(body)]
        _, claim = _worst(hole, [*hole.objects, *kept], hole.target)
        assert claim.verdict is Verdict.VIOLATED, (key_of(body), claim)


def check_case(case: Case) -> None:
    """The verdict is PROVED, or UNKNOWN for the one fact that is missing, which decides it when signed."""
    _, claim = _worst(case, case.objects)
    if not case.missing:
        assert claim.verdict is Verdict.PROVED, claim
        return
    assert claim.verdict is Verdict.UNKNOWN, claim
    assert case.missing in {item.fact for item in claim.missing}
    if case.missing not in {item.id for item in fact_definitions()}:
        return
    signed = Case(case.name, case.channel, case.objects, "", {**case.facts, case.missing: True}, case.strength)
    _, claim = _worst(signed, signed.objects)
    assert claim.verdict is Verdict.PROVED, claim


def node(name: str = "gpu-1", labels: Any = None, taints: Any = None, **allocatable: str) -> Body:
    """A node; ``gpu`` stands for ``nvidia.com/gpu``."""
    amounts = {"cpu": "64", "memory": "512Gi", **allocatable}
    if "gpu" in amounts:
        amounts["nvidia.com/gpu"] = amounts.pop("gpu")
    spec = {"taints": taints} if taints else {}
    return obj("Node", name, metadata={"labels": labels or {}}, spec=spec, status={"allocatable": amounts})


def pod(name: str, namespace: str, labels: Body | None = None, limits: Body | None = None, **spec: Any) -> Body:
    """A pod as somebody deployed it."""
    container: Body = {"name": "main", "image": "registry.example.com/main:1"}
    if limits:
        container["resources"] = {"limits": limits, "requests": limits}
    body = {"containers": [container], **spec}
    return obj("Pod", name, namespace, metadata={"labels": labels or {}}, spec=body)


def quota(namespace: str = "a", name: str = "quota", scopes: Any = None, **hard: Any) -> Body:
    """A quota, narrowed to a list of scopes where given; ``gpu`` stands for ``requests.nvidia.com/gpu``."""
    keys = {"requests.nvidia.com/gpu" if key == "gpu" else key: value for key, value in hard.items()}
    spec: Body = {"hard": keys, **({"scopes": scopes} if scopes else {})}
    return obj("ResourceQuota", name, namespace, spec=spec)


def right(name: str, verbs: str, resources: str, group: str = "") -> list[Body]:
    """A right of tenant a in its namespace."""
    return [role(name, "a", rule(verbs, resources, group)), bind(name, f"Role/{name}", "group:a", namespace="a")]


def cluster_right(name: str, verbs: str, resources: str, group: str = "") -> list[Body]:
    """A right of tenant a in the whole cluster."""
    return [cluster_role(name, rule(verbs, resources, group)), bind(name, f"ClusterRole/{name}", "group:a")]


def nobody(name: str) -> Body:
    """The binding of a right with tenant a taken out."""
    return bind(name, f"ClusterRole/{name}", "group:other")


def config_map(name: str, **data: str) -> Body:
    return obj("ConfigMap", name, "ops", data={key.replace("_", "."): value for key, value in data.items()})


def gpu_policy(**spec: Any) -> Body:
    return obj("ClusterPolicy", "gpu", api="nvidia.com/v1", spec=spec)


def kai(name: str, gpu: float = 8, parent: str = "", cpu: float = -1, shard: str = "") -> Body:
    """A queue of KAI."""
    free = {"quota": -1, "limit": -1, "overQuotaWeight": 1}
    shares = {"gpu": {**free, "quota": gpu}, "cpu": {**free, "quota": cpu}, "memory": free}
    spec = {"resources": shares, **({"parentQueue": parent} if parent else {})}
    labels = {"kai.scheduler/node-pool": shard} if shard else {}
    return obj("Queue", name, api="scheduling.run.ai/v2", metadata={"labels": labels}, spec=spec)


def space(name: str, level: str = "restricted", annotations: Any = None, **labels: str) -> Body:
    """A namespace with a level of Pod Security, none when empty."""
    given = {**({"pod-security.kubernetes.io/enforce": level} if level else {}), **labels}
    return obj("Namespace", name, metadata={"labels": given, "annotations": annotations or {}})


def labelled_space(name: str, labels: Body) -> Body:
    """A namespace with labels of any key."""
    return obj("Namespace", name, metadata={"labels": labels})


NO_NODE_NAME = guard("no-node-name", "object.spec.?nodeName.orValue('') == ''")
