"""Whether pods of a tenant reach one port of a platform's pods, judged by the network policies on the platform's side.

A tenant's own network policies are no evidence here, whoever may change them. What a rule may allow counts as allowed;
what it may deny does not count.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tenantry.model.claim import Step
from tenantry.model.selector import Selector, parse_selector
from tenantry.safe.network.ground import survey
from tenantry.safe.reading import at, items, mapping, strings, text
from tenantry.safe.ruling import Outcome, lacking

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tenantry.model.manifest import Manifest
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

_NAME_LABEL = "kubernetes.io/metadata.name"
_ADMIN = "policy.networking.k8s.io"


def open_rule(
    view: View, tenant: TenantIdentity, namespace: str, labels: Mapping[str, str], port: int
) -> Outcome | tuple[Step, ...]:
    """Return what lets pods of a tenant reach a TCP port, nothing when network policies refuse it.

    Args:
        view: the objects.
        tenant: whose pods ask; their labels are free.
        namespace: namespace of the pods asked.
        labels: labels of the pods asked.
        port: TCP port.

    Returns:
        Steps of the way, an empty tuple when there is none, or an outcome that is open when a fact is missing.
    """
    ground = survey(view)
    if ground.inert:
        return (lacking(f"TCP {port} is open", ground.inert),)
    selecting = [
        item for item in view.snapshot.of("networking.k8s.io", "NetworkPolicy") if _selects(item, namespace, labels)
    ]
    found = [way for origin in tenant.namespaces for way in _ways(view, origin, namespace, selecting, port)]
    if found:
        return found[0]
    return Outcome.open(*ground.unproved) if ground.unproved else ()


def _ways(view: View, origin: str, namespace: str, selecting: list[Manifest], port: int) -> Iterator[tuple[Step, ...]]:
    home = _labels(view, origin)
    decided = _admin(view, home, namespace)
    if decided is not None:
        allowed, step = decided
        if allowed:
            yield (step,)
        return
    if not selecting:
        yield (lacking(f"TCP {port} is open", f"no network policy selects the pods in {namespace}"),)
        return
    for policy in selecting:
        for index, rule in enumerate(items(policy.body, "spec", "ingress")):
            if _allows(rule, origin, home, namespace, port):
                yield (Step(f"ingress from {origin} allowed", policy.key, ("spec", "ingress", index)),)


def _labels(view: View, namespace: str) -> dict[str, str]:
    home = view.snapshot.get("", "Namespace", namespace)
    return {**strings(home.body if home else None, "metadata", "labels"), _NAME_LABEL: namespace}


def _selector(value: object) -> Selector | None:
    """Return a selector, or None when it cannot be read."""
    try:
        return parse_selector(value)
    except ValueError:
        return None


def _selects(policy: Manifest, namespace: str, labels: Mapping[str, str]) -> bool:
    if policy.key.namespace != namespace:
        return False
    kinds = items(policy.body, "spec", "policyTypes") or ["Ingress"]
    selector = _selector(at(policy.body, "spec", "podSelector") or {})
    return "Ingress" in kinds and selector is not None and selector.matches(labels)


def _allows(rule: object, origin: str, home: Mapping[str, str], namespace: str, port: int) -> bool:
    ports = items(rule, "ports")
    if ports and not any(_holds(entry, port) for entry in ports):
        return False
    peers = items(rule, "from")
    return not peers or any(_matches(peer, origin, home, namespace) for peer in peers)


def _holds(entry: object, port: int) -> bool:
    if text(entry, "protocol") not in {"", "TCP"}:
        return False
    number, last = at(entry, "port"), at(entry, "endPort")
    if isinstance(number, int) and not isinstance(number, bool):
        return number <= port <= (last if isinstance(last, int) else number)
    # A named port may be any port of the pods.
    return True


def _matches(peer: object, origin: str, home: Mapping[str, str], namespace: str) -> bool:
    if at(peer, "ipBlock") is not None:
        # Addresses of pods are not known here, so a range may hold them.
        return True
    pods = at(peer, "podSelector")
    if pods is not None:
        selector = _selector(pods)
        if selector is not None and selector.example() is None:
            return False
    wanted = at(peer, "namespaceSelector")
    if wanted is None:
        return origin == namespace
    selector = _selector(wanted)
    return selector is None or selector.matches(home)


def _admin(view: View, home: Mapping[str, str], namespace: str) -> tuple[bool, Step] | None:
    """Return what admin network policies decide, or None when they leave it to others.

    Only rules about whole namespaces count as denials: pods of a tenant choose their labels.
    """
    for policy, index, rule in _admin_rules(view, namespace):
        verdict = _admin_verdict(rule, home)
        if verdict == "Pass":
            return None
        if verdict:
            step = Step(f"{verdict} by an admin network policy", policy.key, ("spec", "ingress", index))
            return verdict in {"Allow", "Accept"}, step
    return None


@lru_cache(maxsize=32)
def _admin_rules(view: View, namespace: str) -> tuple[tuple[Manifest, int, object], ...]:
    """Return the rules of admin network policies about what comes into a namespace, in the order they are asked."""
    target = _labels(view, namespace)
    found: list[tuple[Any, Manifest]] = []
    for policy in view.snapshot.of(_ADMIN, "AdminNetworkPolicy", "ClusterNetworkPolicy"):
        tier = text(policy.body, "spec", "tier")
        if tier in {"", "Admin"}:
            found.append((at(policy.body, "spec", "priority") or 0, policy))
    return tuple(
        (policy, index, rule)
        for _, policy in sorted(found, key=lambda item: (item[0], item[1].key))
        for index, rule in enumerate(items(policy.body, "spec", "ingress"))
        if _concerns(policy, rule, target)
    )


def _concerns(policy: Manifest, rule: object, target: Mapping[str, str]) -> bool:
    subject = mapping(policy.body, "spec", "subject")
    sure = text(rule, "action") == "Deny"
    chosen = _selector(subject["namespaces"]) if "namespaces" in subject else None
    if "pods" in subject:
        chosen = None if sure else _selector(at(subject, "pods", "namespaceSelector"))
        if sure:
            return False
    if chosen is None or not chosen.matches(target):
        return False
    return not (sure and (items(rule, "ports") or items(rule, "protocols")))


def _admin_verdict(rule: object, home: Mapping[str, str]) -> str:
    action = text(rule, "action")
    sure = action == "Deny"
    for peer in items(rule, "from"):
        whole = at(peer, "namespaces")
        part = at(peer, "pods", "namespaceSelector")
        selector = _selector(whole if whole is not None else part) if (whole is not None or part is not None) else None
        if selector is not None and selector.matches(home) and (whole is not None or not sure):
            return action
    return ""
