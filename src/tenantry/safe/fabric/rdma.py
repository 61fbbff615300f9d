"""RDMA devices and InfiniBand: what one tenant's verbs reach of another's, which no network policy can act on.

Sources: rdma-cni README (namespace awareness); k8s-rdma-shared-dev-plugin README; ib-kubernetes README (P_Keys by UFM);
SR-IOV network operator ``api/v1/sriovibnetwork_types.go`` (no P_Key); NVIDIA network operator documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.claim import Missing, Step, Witness
from tenantry.safe.fabric.attachments import Medium
from tenantry.safe.fabric.ethernet import WHOLE_SERVERS
from tenantry.safe.reading import at, items, text
from tenantry.safe.ruling import Outcome, lacking, worst
from tenantry.safe.view import Answer

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.safe.devices.access import Users
    from tenantry.safe.fabric.adapters import Adapter, Fabrics, SharedDevice
    from tenantry.safe.fabric.attachments import Attachment

MODE = "rdma.namespace-mode"
LIMITED = "fabric.default-partition-limited"
MANAGER = "fabric.subnet-manager"
KEYS = "fabric.management-keys"

# --- X7: network namespaces of RDMA devices -------------------------------------------------------------------------


def namespace_outcomes(fabrics: Fabrics, source: str) -> dict[str, Outcome]:
    """Return for every tenant with RDMA devices on the same nodes whether this one sees them."""
    found: dict[str, list[Outcome]] = {}
    for adapter in fabrics.adapters.values():
        policies = [policy for policy in adapter.policies if at(policy.body, "spec", "isRdma") is True]
        closed = [_closed(fabrics, policy) for policy in policies]
        whoever = worst(item for item in closed if item is not None) if None not in closed else None
        for target, users in fabrics.together(adapter, source).items() if policies else ():
            outcome = whoever or worst(
                known or _seen(fabrics, adapter, policy, (source, target), users)
                for policy, known in zip(policies, closed, strict=True)
            )
            found.setdefault(target, []).append(outcome)
    return {target: worst(values) for target, values in found.items()}


def _closed(fabrics: Fabrics, policy: Manifest) -> Outcome | None:
    """Return what is known of the devices of a policy whoever has them; None where it differs."""
    view = fabrics.view
    mode, _ = fabrics.rdma_mode(policy)
    if mode == "exclusive":
        return Outcome.safe("RDMA devices belong to one network namespace each: rdmaMode is exclusive")
    if view.signed(WHOLE_SERVERS) is True:
        return Outcome.safe("servers run pods of one tenant at a time")
    signed = view.declared.fact(MODE)
    if not mode and signed == "exclusive":
        return Outcome.safe("RDMA devices belong to one network namespace each: signed")
    if not mode and signed is None:
        return Outcome.open(view.missing(MODE))
    return None


def _seen(fabrics: Fabrics, adapter: Adapter, policy: Manifest, pair: tuple[str, str], users: Users) -> Outcome:
    _, step = fabrics.rdma_mode(policy)
    signed = fabrics.view.declared.fact(MODE)
    shown = step or lacking("RDMA devices show in every network namespace", f"{MODE} is signed as {signed}")
    steps = (Step("RDMA devices", policy.key, ("spec", "isRdma")), shown)
    summary = f"pods of {pair[0]} see the RDMA devices of {pair[1]} made as {adapter.name} on the same node"
    fix = f"set rdmaMode: exclusive in a SriovNetworkPoolConfig for the nodes of {policy.key}"
    return possible(pair, users, Outcome.broken(_with_pods(Witness(steps, summary), pair, users), fix))


def possible(pair: tuple[str, str], users: Users, outcome: Outcome) -> Outcome:
    """Return an outcome that needs both tenants to get a device, left open where that is not known of one."""
    undecided = [users[name] for name in pair if users.answer(name) is Answer.UNKNOWN]
    return Outcome.open(*(item for use in undecided for item in use.missing)) if undecided else outcome


def _with_pods(witness: Witness, pair: tuple[str, str], users: Users) -> Witness:
    mine, theirs = users[pair[0]], users[pair[1]]
    steps = (
        *witness.steps,
        *(Step(f"{pair[0]}: {item.edge}", item.by, item.pointer, item.missing) for item in mine.steps),
        *(Step(f"{pair[1]}: {item.edge}", item.by, item.pointer, item.missing) for item in theirs.steps),
    )
    return Witness(steps, witness.summary, (("pod", mine.pod), ("other pod", theirs.pod)), witness.assumes)


# --- X8: the shared device plugin -----------------------------------------------------------------------------------


def shared_outcomes(fabrics: Fabrics, source: str) -> dict[str, Outcome]:
    """Return for every tenant that can get the same shared RDMA device what is known about it."""
    devices, unread = fabrics.shared_devices
    found: dict[str, list[Outcome]] = {}
    for manifest in unread:
        how = "write the configuration of the RDMA shared device plugin as JSON that can be read"
        for tenant in fabrics.view.tenants:
            if tenant.name != source:
                found.setdefault(tenant.name, []).append(Outcome.open(Missing(f"configuration in {manifest.key}", how)))
    for device in devices:
        if device.pods == 1:
            continue
        users = fabrics.access.users(device.resource)
        for target in users.able if users.can(source) else ():
            if target != source:
                found.setdefault(target, []).append(_shared(device, (source, target), users))
    return {target: worst(values) for target, values in found.items()}


def _shared(device: SharedDevice, pair: tuple[str, str], users: Users) -> Outcome:
    summary = f"pods of {pair[0]} and {pair[1]} get the character devices of one adapter as {device.resource}"
    fix = f"give {device.resource} to one tenant by quota, or replace it by VFs"
    broken = Outcome.broken(_with_pods(Witness((device.step,), summary), pair, users), fix)
    return possible(pair, users, broken)


def shared_reason(fabrics: Fabrics) -> str:
    """Return why no shared device joins two tenants."""
    devices, _ = fabrics.shared_devices
    if not devices:
        return "no RDMA shared device plugin is configured"
    return f"no other tenant can get {', '.join(sorted({item.resource for item in devices}))}"


# --- X9: partitions -------------------------------------------------------------------------------------------------


def infiniband(fabrics: Fabrics, tenant: str) -> tuple[Attachment, ...]:
    """Return the InfiniBand networks of a tenant; a VF network over InfiniBand links counts too."""
    return tuple(
        item
        for item in fabrics.owned[tenant]
        if item.medium is Medium.INFINIBAND or (item.medium is Medium.VF and fabrics.over_infiniband(item.below))
    )


def partition_outcome(fabrics: Fabrics, source: str, target: str) -> Outcome:
    """Return whether two tenants are members of one InfiniBand partition."""
    mine = infiniband(fabrics, source)
    theirs = infiniband(fabrics, target) if mine else ()
    if not mine or not theirs:
        return _NO_INFINIBAND
    for one in mine:
        for other in theirs:
            if one.partition is not None and one.partition == other.partition:
                return Outcome.broken(_one_partition(one, other), f"give {other.key} a P_Key no other tenant has")
    bare = next((item for item in (*mine, *theirs) if item.partition is None), None)
    view = fabrics.view
    limited = view.signed(LIMITED)
    if limited is True and view.signed(MANAGER) is True:
        if bare is not None:
            return Outcome.safe("nodes are limited members of the default partition, which joins no two of them")
        return Outcome.safe("they have different P_Keys and nodes are limited members of the default partition")
    if limited is False:
        return Outcome.broken(*_default_partition(fabrics, mine[0], theirs[0], bare))
    missing = [view.missing(name) for name in (LIMITED, MANAGER) if view.signed(name) is not True]
    manager = programming(fabrics)
    if bare is None and manager is None:
        how = "configure ibKubernetes in the NicClusterPolicy with a ufmSecret, or show its DaemonSet"
        missing.append(Missing("what programs P_Keys into the fabric", how))
    return Outcome.open(*missing)


_NO_INFINIBAND = Outcome.safe("one of the two has no InfiniBand network")


def _one_partition(one: Attachment, other: Attachment) -> Witness:
    steps = (
        Step(f"P_Key {one.pkey}", one.key, one.pointer),
        Step(f"P_Key {other.pkey}, the same partition", other.key, other.pointer),
    )
    return Witness(steps, f"{one.title} and {other.title} are one partition", (("pkey", one.pkey),))


def _default_partition(
    fabrics: Fabrics, one: Attachment, other: Attachment, bare: Attachment | None
) -> tuple[Witness, str]:
    chosen = bare or one
    edge = "no P_Key is set" if bare else f"P_Key {one.pkey}, beside the default partition"
    steps = (
        Step(edge, chosen.key, chosen.pointer),
        Step("a network of the other tenant", (other if chosen is not other else one).key, ()),
        lacking("the default partition joins them", f"{LIMITED} is signed as false"),
    )
    summary = f"{one.title} and {other.title} meet in the default partition 0x7fff"
    return Witness(steps, summary), "make nodes limited members of the default partition in the subnet manager"


def programming(fabrics: Fabrics) -> Step | None:
    """Return what programs P_Keys of definitions into the fabric: ib-kubernetes with UFM."""
    for manifest in fabrics.view.snapshot.of("mellanox.com", "NicClusterPolicy"):
        if text(manifest.body, "spec", "ibKubernetes", "ufmSecret"):
            return Step("ib-kubernetes with UFM", manifest.key, ("spec", "ibKubernetes"))
    for manifest in fabrics.view.snapshot.of("apps", "DaemonSet", "Deployment"):
        for index, container in enumerate(items(manifest.body, "spec", "template", "spec", "containers")):
            for entry in items(container, "env"):
                if text(entry, "name") == "DAEMON_SM_PLUGIN" and text(entry, "value") == "ufm":
                    path = ("spec", "template", "spec", "containers", index, "env")
                    return Step("ib-kubernetes with UFM", manifest.key, path)
    return None


# --- X10: management ------------------------------------------------------------------------------------------------


def management_outcome(fabrics: Fabrics, source: str) -> Outcome:
    """Return whether a tenant could act as subnet manager of an InfiniBand network others use."""
    mine = infiniband(fabrics, source)
    if not mine:
        return Outcome.safe("it has no InfiniBand network")
    if not any(infiniband(fabrics, tenant.name) for tenant in fabrics.view.tenants if tenant.name != source):
        return Outcome.safe("no other tenant has an InfiniBand network")
    view = fabrics.view
    signed = view.signed(KEYS)
    if signed is True:
        return Outcome.safe("M_Key and SA_Key are set, so no host can act as subnet manager")
    if signed is None:
        return Outcome.open(view.missing(KEYS))
    steps = (
        Step("a pod gets an InfiniBand device", mine[0].key, ()),
        lacking("anyone may manage the subnet", f"{KEYS} is signed as false"),
    )
    witness = Witness(steps, f"pods of {source} on {mine[0].title} act as subnet manager")
    return Outcome.broken(witness, "set M_Key and SA_Key in the subnet manager")
