"""Whether tenants share an Ethernet network below their secondary networks, and what their VFs may do there.

Sources: SR-IOV network operator ``api/v1/sriovnetwork_types.go``; sriov-cni README (spoofchk, trust, rates); Linux
``ip-link`` (VF VLAN 0 leaves tagging to the VF).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.catalog.hardware import nics
from tenantry.model.claim import Missing, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.devices.access import granted
from tenantry.safe.devices.probes import with_capability
from tenantry.safe.fabric.attachments import CNI, Medium
from tenantry.safe.reading import at, text
from tenantry.safe.ruling import Outcome, lacking, worst
from tenantry.safe.view import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.manifest import Manifest
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.fabric.adapters import Adapter, Fabrics
    from tenantry.safe.fabric.attachments import Attachment
    from tenantry.safe.view import View

PARTITIONING = "fabric.switch-partitioning"
SEPARATE = "fabric.networks-separate"
TRAFFIC = "fabric.traffic-classes"
WHOLE_SERVERS = "nodes.whole-server-per-tenant"

# --- X3: the same network -------------------------------------------------------------------------------------------


def network_outcome(fabrics: Fabrics, source: str, target: str) -> Outcome:
    """Return whether a network of one tenant is a network of another below the objects."""
    mine, theirs = _distinct(fabrics, source), _distinct(fabrics, target)
    if not mine or not theirs:
        return _NO_ETHERNET
    if fabrics.view.strength is not Strength.CARELESS and len(mine) == len(theirs) == 1:
        # Nearly every pair.
        return worst(_compared(fabrics, mine[0], theirs[0]))
    careless = _careless(fabrics, source, target)
    found = [outcome for one in mine for other in theirs for outcome in _compared(fabrics, one, other)]
    return worst([*found, *careless])


_NO_ETHERNET = Outcome.safe("one of the two has no secondary network on Ethernet")


def _distinct(fabrics: Fabrics, tenant: str) -> list[Attachment]:
    """Return the networks of a tenant on Ethernet, one for each that nothing below the objects tells apart."""
    known = fabrics.distinct.get(tenant)
    if known is None:
        known = fabrics.distinct[tenant] = _distinct_of(fabrics, tenant)
    return known


def _distinct_of(fabrics: Fabrics, tenant: str) -> list[Attachment]:
    found: dict[tuple[object, ...], Attachment] = {}
    for item in fabrics.owned[tenant]:
        if item.medium is not Medium.INFINIBAND:
            known = item.medium is not Medium.UNKNOWN and item.vlan is not None
            found.setdefault((item.medium, item.below, item.vlan) if known else (item.namespace, item.name), item)
    return list(found.values())


def _compared(fabrics: Fabrics, one: Attachment, other: Attachment) -> Iterator[Outcome]:
    unread = next((item for item in (one, other) if item.medium is Medium.UNKNOWN or item.vlan is None), None)
    if unread is not None:
        how = "write the configuration of the network into the object, as JSON with a known type of plugin"
        yield Outcome.open(Missing(f"what carries network {unread.namespace}/{unread.name}", how))
        return
    same = one.medium is other.medium and one.below == other.below
    if same and one.vlan == other.vlan:
        yield Outcome.broken(_met(one, other), _separate(one, other))
        return
    if not (one.medium.wired and other.medium.wired):
        yield Outcome.safe("bridges and overlays of different names are apart")
        return
    if one.vlan == other.vlan and fabrics.view.signed(SEPARATE) is not True:
        yield Outcome.open(fabrics.view.missing(SEPARATE))
        return
    yield _partitioned(fabrics, one, other)


def _partitioned(fabrics: Fabrics, one: Attachment, other: Attachment) -> Outcome:
    if fabrics.apart is None:
        fabrics.apart = _apart(fabrics.view)
    if fabrics.apart.reason or fabrics.apart.missing:
        return fabrics.apart
    steps = (
        _place("network", one),
        _place("network of the other tenant", other),
        lacking("switches carry every VLAN to every port", f"{PARTITIONING} is signed as none"),
    )
    witness = Witness(steps, f"{one.title} and {other.title} meet: switches do not keep VLANs apart")
    return Outcome.broken(witness, "configure the switch ports with the VLANs of the tenants")


def _apart(view: View) -> Outcome:
    """Return what is known of networks with different VLANs; empty where switches are known not to keep them apart."""
    signed = view.signed(PARTITIONING)
    if signed is True:
        how = view.declared.fact(PARTITIONING)
        return Outcome.safe(f"their networks have different VLANs, which the switches keep apart ({how})")
    return Outcome.open(view.missing(PARTITIONING)) if signed is None else Outcome()


def _place(edge: str, attachment: Attachment) -> Step:
    return Step(edge, attachment.key, attachment.pointer)


def _met(one: Attachment, other: Attachment) -> Witness:
    vlan = f"VLAN {one.vlan}" if one.vlan else "no VLAN"
    steps = (_place(f"{vlan} on {one.medium} {one.below}", one), _place("the same for the other tenant", other))
    details = (("network", f"{one.medium} {one.below}"), ("vlan", one.vlan))
    return Witness(steps, f"{one.title} and {other.title} are one network; no network policy acts on it", details)


def _separate(one: Attachment, other: Attachment) -> str:
    if one.medium in {Medium.OVERLAY, Medium.BRIDGE}:
        return f"give {other.key} a network of its own"
    return f"give {other.key} a VLAN that no other tenant has on {one.medium} {one.below}"


def _careless(fabrics: Fabrics, source: str, target: str) -> Iterator[Outcome]:
    """Yield what the other tenant could do to itself: join a network by a definition it writes."""
    view = fabrics.view
    if view.strength is not Strength.CARELESS:
        return
    for namespace in view.tenancy.by_name[target].namespaces:
        right = view.may(target, "create", CNI, "network-attachment-definitions", namespace)
        if right is not None:
            one = fabrics.owned[source][0]
            steps = (*right.steps, _place("the network it joins", one))
            fix = f"remove the right to create network-attachment-definitions from {target}"
            yield Outcome.broken(Witness(steps, f"{target} joins {one.title} by a network it writes itself"), fix)
            return


# --- X4: privileges of VFs ------------------------------------------------------------------------------------------


def privilege_outcome(fabrics: Fabrics, tenant: TenantIdentity) -> Outcome:
    """Return whether VFs of a tenant may change their address, listen to others or choose their VLAN."""
    own = [item for item in fabrics.owned[tenant.name] if item.medium is Medium.VF]
    if not own:
        return Outcome.safe("it has no network of VFs")
    if not any(
        item.medium is Medium.VF for name, found in fabrics.owned.items() if name != tenant.name for item in found
    ):
        return Outcome.safe("no other tenant has a network of VFs")
    return worst(outcome for item in own for outcome in _privileges(fabrics, tenant, item))


def _privileges(fabrics: Fabrics, tenant: TenantIdentity, item: Attachment) -> Iterator[Outcome]:
    settings, base = item.settings, ("spec",) if item.key.kind != "NetworkAttachmentDefinition" else ("spec", "config")
    trust = _switch(settings.get("trust"))
    spoof = _switch(settings.get("spoofChk", settings.get("spoofchk")))
    place = base if base[-1] == "config" else (*base, "trust")
    if trust is True:
        summary = f"VFs of {item.title} are trusted: they change their address and listen to traffic of others"
        yield Outcome.broken(Witness((Step("trust is on", item.key, place),), summary), f"set trust off in {item.key}")
    place = base if base[-1] == "config" else (*base, "spoofChk")
    if spoof is False:
        summary = f"VFs of {item.title} are not checked: they send with addresses of others"
        witness = Witness((Step("spoofChk is off", item.key, place),), summary)
        yield Outcome.broken(witness, f"set spoofChk on in {item.key}")
    elif spoof is None:
        yield Outcome.open(Missing(f"spoofChk of {item.key}", 'write spoofChk: "on"; left out, the driver decides'))
    if item.vlan == 0:
        yield from _untagged(fabrics, tenant, item)
    if item.vlan is None:
        yield Outcome.open(Missing(f"VLAN of {item.key}", "write the VLAN as a number"))
    if trust is not True and spoof is True and item.vlan:
        yield Outcome.safe("its VFs are checked, not trusted and bound to a VLAN")


def _switch(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"on": True, "off": False}.get(str(value).lower())


def _untagged(fabrics: Fabrics, tenant: TenantIdentity, item: Attachment) -> Iterator[Outcome]:
    """Yield what a VF without a VLAN lets a pod do that may configure interfaces or drives the VF itself."""
    fix = f"set a VLAN in {item.key}"
    summary = f"a pod of {tenant.name} on {item.title} tags its traffic with the VLAN of any tenant"
    place = Step("no VLAN is set, so the VF tags for itself", item.key, item.pointer)
    adapter = fabrics.adapters.get(item.below)
    userspace = adapter.userspace if adapter else None
    if userspace is not None:
        driven = Step("the pod drives the VF", userspace.key, ("spec", "deviceType"))
        yield Outcome.broken(Witness((place, driven), summary), fix)
        return
    view = fabrics.view
    if view.strength is Strength.DEPLOYED:
        yield _deployed_capability(fabrics, tenant, place, summary, fix)
        return
    changes = [with_capability("NET_ADMIN"), with_capability("NET_RAW")]
    trial = fabrics.access.prober.worst(tenant, changes)
    if trial is None or trial.answer is Answer.REFUSED:
        why = f"{trial.by} refuses the capability to configure interfaces" if trial else "it has no namespaces"
        yield Outcome.safe(f"its VFs carry no VLAN, but {why}")
    elif trial.answer is Answer.UNKNOWN:
        yield Outcome.open(*trial.missing)
    else:
        step = lacking("admission lets the pod in", "nothing refuses NET_ADMIN or NET_RAW")
        yield Outcome.broken(Witness((place, step), summary, (("pod", trial.pod),)), fix)


def _deployed_capability(fabrics: Fabrics, tenant: TenantIdentity, place: Step, summary: str, fix: str) -> Outcome:
    for template in fabrics.view.tenant_pods(tenant.name):
        for name in ("containers", "initContainers"):
            for container in at(template.body, "spec", name) or []:
                added = at(container, "securityContext", "capabilities", "add") or []
                if {"NET_ADMIN", "NET_RAW", "ALL"} & {str(item) for item in added}:
                    step = Step("a pod may configure interfaces", template.owner.key, template.pointer)
                    return Outcome.broken(Witness((place, step), summary), fix)
    return Outcome.safe("no pod deployed may configure interfaces")


# --- X5: bandwidth --------------------------------------------------------------------------------------------------


def bandwidth_outcomes(fabrics: Fabrics, tenant: TenantIdentity) -> dict[str, Outcome]:
    """Return for every tenant with VFs of the same adapters whether this one can take all their bandwidth."""
    found: dict[str, list[Outcome]] = {}
    for item in fabrics.owned[tenant.name]:
        if item.medium not in {Medium.VF, Medium.INFINIBAND}:
            continue
        adapter = fabrics.adapters.get(item.below)
        closed = _unlimited(fabrics, item, adapter)
        for target in fabrics.together(adapter, tenant.name) if adapter else fabrics.owned:
            theirs = fabrics.first_on(item.below).get(target)
            if target == tenant.name or theirs is None:
                continue
            found.setdefault(target, []).append(_bandwidth(item, theirs, closed))
    return {target: worst(values) for target, values in found.items()}


def _unlimited(fabrics: Fabrics, mine: Attachment, adapter: Adapter | None) -> Outcome | None:
    """Return what is known of VFs beside others that have no rate of their own; None where they fill the port."""
    view = fabrics.view
    most = _rate(mine, "maxTxRate", "max_tx_rate")
    if most and adapter is not None and _fits(fabrics, mine, most, adapter):
        return Outcome.safe("its VFs together cannot fill a port")
    if view.signed(WHOLE_SERVERS) is True:
        return Outcome.safe("servers run pods of one tenant at a time")
    signed = view.signed(TRAFFIC)
    if signed is True:
        return Outcome.safe("a signed fact says that congestion of one tenant does not stop another's traffic")
    return Outcome.open(view.missing(TRAFFIC)) if signed is None else None


def _bandwidth(mine: Attachment, theirs: Attachment, closed: Outcome | None) -> Outcome:
    if _rate(theirs, "minTxRate", "min_tx_rate"):
        return Outcome.safe("VFs of the other tenant have a rate of their own")
    if closed is not None:
        return closed
    steps = (
        Step("no limit of what VFs send", mine.key, ("spec",)),
        Step("no rate kept for the other tenant", theirs.key, ("spec",)),
        lacking("nothing divides the port", f"{TRAFFIC} is signed as false"),
    )
    summary = f"VFs of {mine.title} fill the port that {theirs.title} uses"
    return Outcome.broken(Witness(steps, summary), f"set maxTxRate in {mine.key} and minTxRate in {theirs.key}")


def _rate(item: Attachment, *names: str) -> int:
    found = next((item.settings[name] for name in names if name in item.settings), 0)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def _fits(fabrics: Fabrics, mine: Attachment, most: int, adapter: Adapter) -> bool:
    """Whether all VFs a tenant can have on one port send less than the port can, in Mbit/s."""
    devices = {text(policy.body, "spec", "nicSelector", "deviceID") for policy in adapter.policies}
    speeds = [nic.speed_gbps * 1000 for nic in nics().values() if nic.device_id in devices]
    functions = max((_count(policy) for policy in adapter.policies), default=0)
    names = fabrics.full_names(adapter.name)
    quota = [granted(fabrics.view, mine.namespace, name) for name in names]
    held = min([functions, *(int(limit) for limit in quota if limit is not None)])
    return bool(speeds) and most * held < min(speeds)


def _count(policy: Manifest) -> int:
    found = at(policy.body, "spec", "numVfs")
    return found if isinstance(found, int) and not isinstance(found, bool) else 0
