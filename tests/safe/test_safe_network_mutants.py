"""Every plausible misreading of network policies is noticed by a truth table.

Each mutant replaces one named function or constant of the product by a wrong one. A mutant that no table notices means
that a table is missing. The first ones are the semantic mutants against which the corpus of netpol-analyzer was
measured; two of them that corpus does not notice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from network_tables import TABLES

from tenantry.model.selector import Requirement, Selector
from tenantry.safe.network import addresses, evaluate, listing, policies, policy_ports, services, topology, workloads
from tenantry.safe.network.evaluate import Evaluator, Pod, SecondaryEvaluator, Share
from tenantry.safe.network.ports import ALL, NONE, ConnectionSet
from tenantry.safe.network.rules import Action, Direction, NetworkRules, PodPeer, PortRange, Rule, Tier
from tenantry.safe.network.topology import POD_NETWORK, Topology

if TYPE_CHECKING:
    from collections.abc import Iterator

Patch = pytest.MonkeyPatch
Mutant = Callable[[Patch], None]
MUTANTS: dict[str, Mutant] = {}


def mutant(function: Mutant) -> Mutant:
    """Enter a mutant under the name of its function, in words."""
    MUTANTS[function.__name__.replace("_", " ")] = function
    return function


def every_policy(patch: Patch, change: Callable[[NetworkRules], NetworkRules]) -> None:
    """Read every network policy as another one."""
    original = policies.read_policies

    def read(*arguments: Any, **options: Any) -> policies.NetworkPolicies:
        found = original(*arguments, **options)
        return replace(found, policies=tuple(change(item) for item in found.policies))

    patch.setattr(listing, "read_policies", read)


def every_rule(patch: Patch, change: Callable[[Rule], Rule]) -> None:
    """Read every rule as another one."""

    def changed(policy: NetworkRules) -> NetworkRules:
        return replace(policy, ingress=tuple(map(change, policy.ingress)), egress=tuple(map(change, policy.egress)))

    every_policy(patch, changed)


def every_namespace_port(patch: Patch, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Read every port of a network policy of a namespace as another one."""
    original = policy_ports.namespace_port
    patch.setattr(policies, "namespace_port", lambda fields, item, at: original(fields, change(item), at))


def requirement(patch: Patch, operator: str, holds: Callable[[Requirement, Any], bool]) -> None:
    """Let one operator of selectors hold elsewhere."""
    original = Requirement.holds

    def changed(self: Requirement, labels: Any) -> bool:
        return holds(self, labels) if self.operator == operator else original(self, labels)

    patch.setattr(Requirement, "holds", changed)


# --- selectors


@mutant
def namespace_and_pod_selector_are_or(patch: Patch) -> None:
    def matches(self: PodPeer, namespace: str, namespace_labels: Any, labels: Any) -> bool:
        if self.namespace:
            return namespace == self.namespace and self.pods.matches(labels)
        narrow = [
            part for part, on in ((self.namespaces, namespace_labels), (self.pods, labels)) if not part.everything
        ]
        on = {id(self.namespaces): namespace_labels, id(self.pods): labels}
        return not narrow or any(part.matches(on[id(part)]) for part in narrow)

    patch.setattr(PodPeer, "matches", matches)


@mutant
def absent_namespace_selector_means_any_namespace(patch: Patch) -> None:
    original = Evaluator.matches_peer

    def matches(self: Evaluator, rule: Rule, peer: Any, other: Pod) -> bool:
        return original(self, rule, replace(peer, namespace="") if isinstance(peer, PodPeer) else peer, other)

    patch.setattr(Evaluator, "matches_peer", matches)


@mutant
def pods_of_all_namespaces_are_selected(patch: Patch) -> None:
    original = Evaluator.__init__

    class Everywhere(dict[str, list[NetworkRules]]):
        def get(self, key: str, default: Any = None) -> Any:
            del key, default
            return [policy for found in self.values() for policy in found]

    def made(self: Evaluator, given: Any) -> None:
        original(self, given)
        self.by_namespace = Everywhere(self.by_namespace)

    patch.setattr(Evaluator, "__init__", made)
    patch.setattr(Evaluator, "selects", lambda _self, policy, pod: policy.subject.pods.matches(pod.labels))


@mutant
def not_in_needs_the_key(patch: Patch) -> None:
    requirement(patch, "NotIn", lambda self, labels: self.key in labels and labels[self.key] not in self.values)


@mutant
def exists_holds_anywhere(patch: Patch) -> None:
    requirement(patch, "Exists", lambda _self, _labels: True)


@mutant
def does_not_exist_holds_anywhere(patch: Patch) -> None:
    requirement(patch, "DoesNotExist", lambda _self, _labels: True)


@mutant
def in_looks_at_the_first_value_only(patch: Patch) -> None:
    requirement(patch, "In", lambda self, labels: labels.get(self.key) == self.values[-1])


@mutant
def one_requirement_is_enough(patch: Patch) -> None:
    def matches(self: Selector, labels: Any) -> bool:
        return not self.requirements or any(item.holds(labels) for item in self.requirements)

    patch.setattr(Selector, "matches", matches)


@mutant
def namespaces_lack_the_label_with_their_name(patch: Patch) -> None:
    patch.setattr(workloads, "NAME_LABEL", "name")


# --- network policies of a namespace


@mutant
def without_types_only_incoming_is_isolated(patch: Patch) -> None:
    original = policies._isolated
    patch.setattr(policies, "_isolated", lambda types, *, egress: original(types, egress=bool(egress and types)))


@mutant
def without_types_both_directions_are_isolated(patch: Patch) -> None:
    original = policies._isolated
    patch.setattr(policies, "_isolated", lambda types, *, egress: original(types, egress=egress or not types))


@mutant
def listed_types_are_added_to_the_rules_there_are(patch: Patch) -> None:
    def changed(policy: NetworkRules) -> NetworkRules:
        present = {direction for direction in Direction if policy.rules(direction)}
        return replace(policy, directions=policy.directions | present)

    every_policy(patch, changed)


@mutant
def the_last_network_policy_wins(patch: Patch) -> None:
    original = Evaluator._select

    def select(self: Evaluator, captured: Pod, direction: Direction) -> Any:
        found = original(self, captured, direction)
        return replace(found, namespaced=tuple(item for item in found.namespaced if item.policy == found.isolating[-1]))

    patch.setattr(Evaluator, "_select", select)


@mutant
def a_rule_without_peers_means_pods_only(patch: Patch) -> None:
    every_rule(patch, lambda rule: replace(rule, peers=(PodPeer(),)) if rule.peers is None else rule)


@mutant
def a_rule_without_peers_means_nobody(patch: Patch) -> None:
    every_rule(patch, lambda rule: replace(rule, peers=()) if rule.peers is None else rule)


@mutant
def a_rule_without_ports_means_none(patch: Patch) -> None:
    every_rule(patch, lambda rule: replace(rule, ports=()) if rule.ports is None else rule)


@mutant
def a_rule_without_ports_means_tcp(patch: Patch) -> None:
    whole = (PortRange("TCP", 1, 65535),)
    every_rule(patch, lambda rule: replace(rule, ports=whole) if rule.ports is None else rule)


@mutant
def an_empty_namespace_selector_means_the_outside_too(patch: Patch) -> None:
    def changed(rule: Rule) -> Rule:
        return replace(rule, peers=None) if PodPeer(pointer=(*rule.pointer, "from", 0)) in (rule.peers or ()) else rule

    every_rule(patch, changed)


@mutant
def exceptions_of_a_range_are_ignored(patch: Patch) -> None:
    patch.setattr(addresses.AddressSet, "__sub__", lambda self, _other: self)


@mutant
def ranges_mean_pods(patch: Patch) -> None:
    original = Evaluator.matches_peer
    patch.setattr(
        Evaluator,
        "matches_peer",
        lambda self, rule, peer, other: not isinstance(peer, PodPeer) or original(self, rule, peer, other),
    )


@mutant
def selectors_mean_the_outside(patch: Patch) -> None:
    original = Evaluator.matches

    def matches(self: Evaluator, rule: Rule, other: Any) -> bool:
        open_to_all = any(isinstance(peer, PodPeer) and peer.pods.everything for peer in rule.peers or ())
        return (open_to_all and not isinstance(other, Pod)) or original(self, rule, other)

    patch.setattr(Evaluator, "matches", matches)


# --- ports


@mutant
def end_port_is_ignored(patch: Patch) -> None:
    every_namespace_port(patch, lambda item: {key: value for key, value in item.items() if key != "endPort"})


@mutant
def end_port_is_excluded(patch: Patch) -> None:
    every_namespace_port(patch, lambda item: {**item, "endPort": item["endPort"] - 1} if "endPort" in item else item)


@mutant
def an_absent_port_means_none(patch: Patch) -> None:
    original = policy_ports.namespace_port
    patch.setattr(
        policies, "namespace_port", lambda fields, item, at: original(fields, item, at) if item.get("port") else None
    )


@mutant
def an_absent_protocol_means_all(patch: Patch) -> None:
    every_rule(
        patch,
        lambda rule: replace(
            rule,
            ports=rule.ports
            and tuple(
                PortRange(protocol, port.first, port.last)
                for port in rule.ports
                if isinstance(port, PortRange)
                for protocol in (("SCTP", "TCP", "UDP") if port.protocol == "TCP" else (port.protocol,))
            ),
        ),
    )


@mutant
def named_ports_ignore_the_protocol(patch: Patch) -> None:
    original = evaluate.named_connections
    patch.setattr(evaluate, "named_connections", lambda port, ports: original(replace(port, protocol=None), ports))


@mutant
def named_ports_of_admin_rules_are_tcp(patch: Patch) -> None:
    original = evaluate.named_connections
    patch.setattr(
        evaluate,
        "named_connections",
        lambda port, ports: original(replace(port, protocol=port.protocol or "TCP"), ports),
    )


@mutant
def named_ports_mean_any_port(patch: Patch) -> None:
    patch.setattr(evaluate, "named_connections", lambda _port, _ports: ALL)


@mutant
def named_ports_are_those_of_the_selected_pod(patch: Patch) -> None:
    original = Evaluator.shares
    captured_pods: list[Pod] = []

    def shares(self: Evaluator, captured: Pod, other: Any, direction: Direction) -> Iterator[Share]:
        captured_pods.append(captured)
        yield from original(self, captured, other, direction)

    patch.setattr(Evaluator, "shares", shares)
    patch.setattr(
        Evaluator,
        "resolve",
        lambda _self, _rule, port, _target: evaluate.named_connections(port, captured_pods[-1].ports),
    )


# --- tiers


@mutant
def priorities_are_reversed(patch: Patch) -> None:
    every_policy(patch, lambda policy: replace(policy, priority=-policy.priority))


@mutant
def priorities_are_ignored(patch: Patch) -> None:
    every_policy(patch, lambda policy: replace(policy, priority=0))


@mutant
def rules_are_read_from_the_end(patch: Patch) -> None:
    every_policy(patch, lambda policy: replace(policy, ingress=policy.ingress[::-1], egress=policy.egress[::-1]))


@mutant
def pass_allows(patch: Patch) -> None:
    every_rule(
        patch,
        lambda rule: (
            replace(rule, action=Action.ALLOW) if rule.action is Action.PASS and rule.tier is Tier.ADMIN else rule
        ),
    )


@mutant
def pass_goes_on_in_the_same_tier(patch: Patch) -> None:
    every_rule(patch, lambda rule: replace(rule, peers=()) if rule.action is Action.PASS else rule)


@mutant
def pass_in_the_baseline_tier_denies(patch: Patch) -> None:
    every_rule(
        patch,
        lambda rule: (
            replace(rule, action=Action.DENY) if rule.action is Action.PASS and rule.tier is Tier.BASELINE else rule
        ),
    )


@mutant
def deny_does_not_shadow_the_namespace(patch: Patch) -> None:
    every_rule(
        patch,
        lambda rule: (
            replace(rule, action=Action.PASS) if rule.action is Action.DENY and rule.tier is Tier.ADMIN else rule
        ),
    )


@mutant
def allow_does_not_shadow_the_namespace(patch: Patch) -> None:
    every_rule(
        patch,
        lambda rule: (
            replace(rule, action=Action.PASS) if rule.action is Action.ALLOW and rule.tier is Tier.ADMIN else rule
        ),
    )


@mutant
def the_baseline_is_asked_despite_network_policies(patch: Patch) -> None:
    original = Evaluator._namespace_shares

    def shares(self: Evaluator, selected: Any, other: Any, target: Any, rest: ConnectionSet) -> Iterator[Share]:
        denied = NONE
        for share in self._baseline_shares(selected, other, target, rest):
            denied = denied if share.allowed else denied | share.connections
        for share in original(self, selected, other, target, rest - denied):
            yield share

    patch.setattr(Evaluator, "_namespace_shares", shares)


@mutant
def the_baseline_is_never_asked(patch: Patch) -> None:
    patch.setattr(Evaluator, "_baseline_shares", lambda _self, _selected, _other, _target, rest: [Share(rest, True)])


@mutant
def admin_network_policies_isolate(patch: Patch) -> None:
    original = Evaluator._baseline_shares

    def shares(self: Evaluator, selected: Any, other: Any, target: Any, rest: ConnectionSet) -> Iterator[Share]:
        if selected.admin:
            yield Share(rest, allowed=False)
        else:
            yield from original(self, selected, other, target, rest)

    patch.setattr(Evaluator, "_baseline_shares", shares)


@mutant
def the_baseline_isolates(patch: Patch) -> None:
    original = Evaluator._baseline_shares

    def shares(self: Evaluator, selected: Any, other: Any, target: Any, rest: ConnectionSet) -> Iterator[Share]:
        for share in original(self, selected, other, target, rest):
            yield replace(share, allowed=share.allowed and (share.rule is not None or not selected.baseline))

    patch.setattr(Evaluator, "_baseline_shares", shares)


@mutant
def subjects_ignore_the_pod_selector(patch: Patch) -> None:
    every_policy(
        patch,
        lambda policy: (
            policy
            if policy.tier is Tier.NAMESPACE
            else replace(policy, subject=replace(policy.subject, pods=Selector()))
        ),
    )


@mutant
def subjects_ignore_the_namespace_selector(patch: Patch) -> None:
    every_policy(patch, lambda policy: replace(policy, subject=replace(policy.subject, namespaces=Selector())))


@mutant
def unknown_peers_fail_open(patch: Patch) -> None:
    every_rule(
        patch, lambda rule: replace(rule, peers=() if rule.action is Action.DENY else None) if rule.unknown else rule
    )


@mutant
def outgoing_connections_are_not_looked_at(patch: Patch) -> None:
    original = Evaluator.direction_allowed
    patch.setattr(
        Evaluator,
        "direction_allowed",
        lambda self, captured, other, way: ALL if way is Direction.EGRESS else original(self, captured, other, way),
    )


@mutant
def incoming_connections_are_not_looked_at(patch: Patch) -> None:
    original = Evaluator.direction_allowed
    patch.setattr(
        Evaluator,
        "direction_allowed",
        lambda self, captured, other, way: ALL if way is Direction.INGRESS else original(self, captured, other, way),
    )


@mutant
def either_end_is_enough(patch: Patch) -> None:
    def allowed(self: Evaluator, source: Any, target: Any) -> ConnectionSet:
        found = self.direction_allowed(source, target, Direction.EGRESS) if isinstance(source, Pod) else NONE
        return found | (self.direction_allowed(target, source, Direction.INGRESS) if isinstance(target, Pod) else NONE)

    patch.setattr(Evaluator, "allowed", allowed)


# --- workloads and networks


@mutant
def owners_are_ignored(patch: Patch) -> None:
    patch.setattr(workloads, "_owner", lambda _fields, _metadata: None)


@mutant
def nodes_own_pods(patch: Patch) -> None:
    patch.setattr(
        workloads,
        "_owner",
        lambda _fields, metadata: next(
            ((item["name"], item["kind"]) for item in metadata.get("ownerReferences", [])), None
        ),
    )


@mutant
def ingress_ignores_network_policies(patch: Patch) -> None:
    original = Evaluator.allowed

    def allowed(self: Evaluator, source: Any, target: Any) -> ConnectionSet:
        if isinstance(source, Pod) and source.name == listing.INGRESS_CONTROLLER:
            return ALL
        return original(self, source, target)

    patch.setattr(Evaluator, "allowed", allowed)


@mutant
def ingress_reaches_every_port_of_a_service(patch: Patch) -> None:
    original = services._targets
    patch.setattr(services, "_targets", lambda ports, _wanted, **options: original(ports, None, **options))


@mutant
def ingress_reaches_ports_nobody_declares(patch: Patch) -> None:
    patch.setattr(services, "_listens", lambda _pod, _number: True)


@mutant
def services_select_in_every_namespace(patch: Patch) -> None:
    original = services.read_ingress

    def read(bodies: Any, found: Any) -> Any:
        return original(bodies, [replace(item, namespace="a") if item.namespace == "b" else item for item in found])

    patch.setattr(listing, "read_ingress", read)
    patch.setattr(workloads.Workload, "__str__", lambda self: f"{self.pod.namespace}/{self.name}[{self.kind}]")


@mutant
def user_defined_networks_do_not_isolate(patch: Patch) -> None:
    patch.setattr(Topology, "primary_of", lambda _self, _namespace: POD_NETWORK)


@mutant
def user_defined_networks_are_one_network(patch: Patch) -> None:
    original = Topology.primary_of
    patch.setattr(
        Topology,
        "primary_of",
        lambda self, namespace: (
            found if (found := original(self, namespace)) == POD_NETWORK else replace(found, name="all")
        ),
    )


@mutant
def user_defined_networks_need_no_label(patch: Patch) -> None:
    patch.setattr(topology, "UDN_LABEL", workloads.NAME_LABEL)


@mutant
def secondary_user_defined_networks_isolate(patch: Patch) -> None:
    patch.setattr(topology, "_primary", lambda _fields, _spec, _at, _found: True)


@mutant
def cluster_networks_select_every_namespace(patch: Patch) -> None:
    original = topology._cluster_wide

    def read(fields: Any, body: Any, found: Any, into: Any) -> None:
        original(fields, {**body, "spec": {**body["spec"], "namespaceSelector": {}}}, found, into)

    patch.setattr(topology, "_cluster_wide", read)


@mutant
def namespaces_of_attachment_definitions_are_ignored(patch: Patch) -> None:
    patch.setattr(Topology, "exists", lambda self, name, _namespace: name in self.attachable)


@mutant
def multi_network_policies_are_ignored(patch: Patch) -> None:
    patch.setattr(Topology, "applying", lambda _self, _policies, _network: [])


@mutant
def multi_network_policies_apply_to_every_network(patch: Patch) -> None:
    patch.setattr(Topology, "applying", lambda _self, policies, _network: list(policies))


@mutant
def network_policies_apply_to_secondary_networks(patch: Patch) -> None:
    original = listing._Scene.of

    def of(bodies: Any, *, several_networks: bool) -> Any:
        found = original(bodies, several_networks=several_networks)
        primary = [policy for group in found.evaluator.by_namespace.values() for policy in group]
        found.multi = [*found.multi, *(replace(item, networks=("a/blue",)) for item in primary)]
        return found

    patch.setattr(listing._Scene, "of", of)


@mutant
def virtual_machines_are_known_by_labels(patch: Patch) -> None:
    original = SecondaryEvaluator.matches_peer
    patch.setattr(
        SecondaryEvaluator,
        "matches_peer",
        lambda self, rule, peer, other: original(self, rule, peer, replace(other, machine=False)),
    )


@mutant
def addresses_on_secondary_networks_are_ignored(patch: Patch) -> None:
    patch.setattr(SecondaryEvaluator, "matches_peer", Evaluator.matches_peer)


def noticed() -> list[str]:
    """Return the tables that do not hold. A mutant that raises is no misreading but a mistake in this file."""
    return [case.name for case in TABLES if case.wrong()]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_table_notices_the_mutant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](monkeypatch)
    assert noticed(), f"no table notices that {name}"


def test_tables_hold_without_a_mutant() -> None:
    assert noticed() == []
