"""Network policies of secondary networks, which are often written and seldom in effect.

Sources: multi-networkpolicy-iptables ``pkg/server/options.go`` (plugins default to macvlan); OpenShift documentation,
multi-network policy (useMultiNetworkPolicy; macvlan, ipvlan, SR-IOV with kernel drivers, OVN-Kubernetes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.claim import Missing, Step, Witness
from tenantry.safe.fabric.attachments import CNI, Attachment, Medium
from tenantry.safe.reading import at, items, strings, text
from tenantry.safe.ruling import Outcome, lacking, worst

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.safe.fabric.adapters import Fabrics

POLICY_FOR = "k8s.v1.cni.cncf.io/policy-for"
_BY_DEFAULT = frozenset({"macvlan"})
_ON_OPENSHIFT = frozenset({"macvlan", "ipvlan", "sriov", "bond", "ovn-k8s-cni-overlay"})


def policy_outcomes(fabrics: Fabrics, source: str) -> dict[str, Outcome]:
    """Return for every tenant that shares a network with this one whether its policies there have effect."""
    found: dict[str, list[Outcome]] = {}
    for policy in fabrics.view.snapshot.of(CNI, "MultiNetworkPolicy"):
        target = fabrics.view.tenancy.owner(policy.key.namespace)
        if target is None or target == source or target not in fabrics.owned:
            continue
        for protected in _protected(fabrics, policy):
            joined = next((mine for mine in fabrics.owned[source] if _one_network(mine, protected)), None)
            if joined is not None:
                found.setdefault(target, []).append(_effective(fabrics, policy, protected, joined))
    return {target: worst(values) for target, values in found.items()}


def _protected(fabrics: Fabrics, policy: Manifest) -> list[Attachment]:
    """Return the networks a policy is for."""
    listed = strings(policy.body, "metadata", "annotations").get(POLICY_FOR, "")
    wanted = set()
    for part in listed.split(","):
        space, _, name = part.strip().rpartition("/")
        wanted.add((space or policy.key.namespace, name))
    return [item for item in fabrics.attachments if (item.namespace, item.name) in wanted]


def _one_network(mine: Attachment, theirs: Attachment) -> bool:
    if mine.medium is Medium.INFINIBAND or theirs.medium is Medium.INFINIBAND:
        return mine.medium is theirs.medium and mine.partition == theirs.partition
    return mine.medium is theirs.medium and mine.below == theirs.below and mine.vlan == theirs.vlan


def _effective(fabrics: Fabrics, policy: Manifest, protected: Attachment, joined: Attachment) -> Outcome:
    adapter = fabrics.adapters.get(protected.below)
    if protected.medium is Medium.INFINIBAND or (adapter is not None and (adapter.rdma or adapter.userspace)):
        by = (adapter.rdma or adapter.userspace) if adapter else None
        step = Step("RDMA goes past the kernel", by.key if by else protected.key, ("spec",))
        return _idle(policy, protected, joined, step)
    on, step = _switched_on(fabrics)
    if on is None:
        how = (
            "add the Network of the operator with useMultiNetworkPolicy, or the DaemonSet multi-networkpolicy-iptables"
        )
        return Outcome.open(Missing("what enforces MultiNetworkPolicies", how))
    if not on:
        return _idle(policy, protected, joined, step)
    kinds, listed = _plugins(fabrics)
    if protected.plugin not in kinds:
        return _idle(policy, protected, joined, listed or lacking("plugin not listed", f"{protected.plugin} is not"))
    return Outcome.safe("the policies of the network it shares are enforced for traffic through the kernel")


def _idle(policy: Manifest, protected: Attachment, joined: Attachment, step: Step) -> Outcome:
    steps = (
        Step("written to protect the network", policy.key, ("metadata", "annotations", POLICY_FOR)),
        step,
        Step("the same network", joined.key, joined.pointer),
    )
    witness = Witness(steps, f"{policy.key} has no effect on {protected.title}, which {joined.title} shares")
    return Outcome.broken(witness, "give the tenants networks of their own; do not rely on the policy")


def _switched_on(fabrics: Fabrics) -> tuple[bool | None, Step]:
    for manifest in fabrics.view.snapshot.of("operator.openshift.io", "Network"):
        on = at(manifest.body, "spec", "useMultiNetworkPolicy") is True
        return on, Step(f"useMultiNetworkPolicy is {str(on).lower()}", manifest.key, ("spec", "useMultiNetworkPolicy"))
    if _daemon(fabrics) is not None:
        return True, Step("enforced", None, (), "")
    if fabrics.view.snapshot.live:
        return False, lacking("nothing enforces it", "no DaemonSet multi-networkpolicy-iptables runs")
    return None, lacking("nothing is known to enforce it", "no DaemonSet multi-networkpolicy-iptables")


def _daemon(fabrics: Fabrics) -> Manifest | None:
    for manifest in fabrics.view.snapshot.of("apps", "DaemonSet"):
        for container in items(manifest.body, "spec", "template", "spec", "containers"):
            if "multi-networkpolicy" in text(container, "image") or "multi-networkpolicy" in text(container, "name"):
                return manifest
    return None


def _plugins(fabrics: Fabrics) -> tuple[frozenset[str], Step | None]:
    """Return the plugins whose interfaces policies act on, and where that is written."""
    daemon = _daemon(fabrics)
    if daemon is None:
        return (_ON_OPENSHIFT if fabrics.view.distribution_openshift else _BY_DEFAULT), None
    for index, container in enumerate(items(daemon.body, "spec", "template", "spec", "containers")):
        for word in (*items(container, "command"), *items(container, "args")):
            name, _, value = str(word).partition("=")
            if name == "--network-plugins" and value:
                step = Step(str(word), daemon.key, ("spec", "template", "spec", "containers", index, "args"))
                return frozenset(part.strip() for part in value.split(",")), step
    return _BY_DEFAULT, Step("plugins default to macvlan", daemon.key, ("spec", "template", "spec", "containers"))
