"""The smallest change of network policies that closes a way between two tenants, found by trying it.

Changes are tried on the side of the tenant that is reached, as nothing on the other side binds an adversary. What is
returned was evaluated once more and leaves no way between the two.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tenantry.model.manifest import ManifestKey
from tenantry.safe.network.rules import Direction, NetworkRules, PodPeer, Rule, Tier
from tenantry.safe.network.walk import Opening

if TYPE_CHECKING:
    from tenantry.safe.network.reach import PodNetwork, Way

MOST_CHANGES: Final = 4
"""Changes that are still called small."""


def repair(network: PodNetwork, pair: tuple[str, str], way: Way) -> str:
    """Return the changes after which nothing passes from one tenant to another; empty when none were found.

    Args:
        network: the network as it is.
        pair: source and target tenant.
        way: a way between them.
    """
    policies = network.policies
    said: list[str] = []
    seen: Way | None = way
    for _ in range(MOST_CHANGES):
        if seen is None or seen.passage is None:
            return ""
        change = _change(policies, seen)
        if change is None:
            return ""
        policies, words = change
        said.append(words)
        seen = network.between(pair, policies)
        if seen is None:
            return "; ".join(said)
    return ""


def _change(policies: tuple[NetworkRules, ...], way: Way) -> tuple[tuple[NetworkRules, ...], str] | None:
    """Return the network policies with the change that closes one way, and the change in words."""
    assert way.passage is not None, "only ways that were found are repaired"
    via, unit = way.passage.ingress, way.passage.target.unit
    if isinstance(via, Opening) or unit.host_network:
        return None
    if isinstance(via, Rule):
        changed = tuple(_without(policy, via) if policy.key == via.policy else policy for policy in policies)
        place = "/".join(map(str, via.pointer))
        return changed, f"remove {place} of {via.policy}, or narrow it to namespaces of the tenant itself"
    key = ManifestKey("networking.k8s.io/v1", "NetworkPolicy", unit.namespace, "default-deny")
    if any(policy.key == key for policy in policies):
        key = key._replace(name="tenantry-default-deny")
    closed = NetworkRules(key, Tier.NAMESPACE, 0, PodPeer(namespace=unit.namespace), frozenset({Direction.INGRESS}))
    words = (
        f"add NetworkPolicy {key.name} to namespace {unit.namespace}: podSelector {{}}, policyTypes [Ingress], no rules"
    )
    return (*policies, closed), words


def _without(policy: NetworkRules, rule: Rule) -> NetworkRules:
    rules = tuple(item for item in policy.ingress if item.pointer != rule.pointer)
    return replace(policy, ingress=rules)
