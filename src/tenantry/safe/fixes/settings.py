"""Proposals about objects of the platform: a field of them that closes a channel when it is set."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from tenantry.model.change import Change, Op
from tenantry.model.manifest import ManifestKey
from tenantry.model.tenancy import Strength
from tenantry.safe.kueue_manager import kueue_manager
from tenantry.safe.queueing import KAI_SCHEDULER
from tenantry.safe.reading import amount, at, from_json, items, labels_of, mapping, number, text, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body, Manifest
    from tenantry.safe.fixes.steps import Proposal
    from tenantry.safe.view import View

_ACCEPT: Final = "ACCEPT_NVIDIA_VISIBLE_DEVICES_ENVVAR_WHEN_UNPRIVILEGED"
_NGINX: Final = {"allow-snippet-annotations": "false", "allow-cross-namespace-resources": "false"}


def of_settings(view: View, claim: Claim) -> Iterator[Proposal]:
    """Yield fields to set in the objects a witness goes through, and in those a channel rests on."""
    rule = _RULES.get(claim.channel)
    if rule is not None:
        yield from rule(view, claim)


def _on_path(view: View, claim: Claim, *kinds: str) -> list[Manifest]:
    found: dict[ManifestKey, Manifest] = {}
    for step in claim.witness.steps if claim.witness else ():
        if step.by is not None and step.by.kind in kinds:
            manifest = view.given.get(step.by.group, step.by.kind, step.by.name, step.by.namespace)
            if manifest is not None:
                found[manifest.key] = manifest
    return list(found.values())


def _set(manifest: Manifest, value: Any, *pointer: str | int, note: str = "") -> Change:
    return Change(Op.SET, manifest.key, pointer, value, note)


# --- network ---------------------------------------------------------------------------------------------------------


def _default_deny(view: View, claim: Claim) -> Iterator[Proposal]:
    """Refuse what comes in: in the namespace that is reached, or in all of its tenant."""
    details = dict(claim.witness.details) if claim.witness else {}
    reached = text(details.get("target"), "namespace")
    removed = tuple(
        Change(Op.REMOVE, step.by, step.pointer)
        for step in (claim.witness.steps if claim.witness else ())
        if step.by is not None and step.by.kind == "NetworkPolicy" and step.by.namespace == reached and step.pointer
    )
    if removed:
        yield removed[-1:]
    if reached:
        yield (_closed(view, reached),)


def _closed(view: View, namespace: str) -> Change:
    return _policy(view, namespace, "default-deny", {"podSelector": {}, "policyTypes": ["Ingress"]})


def _policy(view: View, namespace: str, name: str, spec: dict[str, Any]) -> Change:
    if view.given.get("networking.k8s.io", "NetworkPolicy", name, namespace) is not None:
        name = f"tenantry-{name}"
    key = ManifestKey("networking.k8s.io/v1", "NetworkPolicy", namespace, name)
    metadata = {"name": name, "namespace": namespace}
    body = {"apiVersion": key.api_version, "kind": key.kind, "metadata": metadata, "spec": spec}
    return Change(Op.CREATE, key, (), body)


def _exporter(view: View, claim: Claim) -> Iterator[Proposal]:
    """Take the rule away that lets a tenant in, or let in what comes from namespaces of the platform only."""
    for step in reversed(claim.witness.steps if claim.witness else ()):
        if step.by is not None and step.by.kind == "NetworkPolicy" and step.pointer:
            yield (Change(Op.REMOVE, step.by, step.pointer),)
    words = claim.witness.summary.split() if claim.witness else []
    owned = {name for tenant in view.tenants for name in tenant.namespaces}
    for namespace in view.given.namespaces:
        if namespace in words and namespace not in owned:
            yield (_platform_only(view, namespace),)


def _platform_only(view: View, namespace: str) -> Change:
    """Return the change that lets pods of a namespace be reached from namespaces of the platform only."""
    trusted = sorted({namespace, *(view.tenancy.platform & set(view.given.namespaces))})
    entry = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": trusted}
    spec = {
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"namespaceSelector": {"matchExpressions": [entry]}}]}],
    }
    return _policy(view, namespace, "from-platform", spec)


def _services(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in _on_path(view, claim, "Service"):
        yield (_set(manifest, "ClusterIP", "spec", "type"),)


# --- fabric ----------------------------------------------------------------------------------------------------------


def _free_vlan(view: View) -> int:
    """Return the lowest VLAN from 100 that no object of SR-IOV uses."""
    used = {number(at(item.body, "spec", "vlan")) for item in view.given.of("sriovnetwork.openshift.io", "SriovNetwork")}
    for item in view.given.of("k8s.cni.cncf.io", "NetworkAttachmentDefinition"):
        config = from_json(text(item.body, "spec", "config"))
        used |= {number(mapping(config).get(name)) for name in ("vlan", "vlanID", "vlanId")}
    return next(value for value in range(100, 4095) if value not in used)


_CHOSEN: Final = "the VLAN is to be chosen, and set on the switches"


def _vlan(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in reversed(_on_path(view, claim, "SriovNetwork")):
        yield (_set(manifest, _free_vlan(view), "spec", "vlan", note=_CHOSEN),)
    for manifest in reversed(_on_path(view, claim, "NetworkAttachmentDefinition")):
        yield from _configured(view, manifest)
    for manifest in reversed(_on_path(view, claim, "MacvlanNetwork", "IPoIBNetwork", "HostDeviceNetwork")):
        uplink = text(manifest.body, "spec", "master").partition(".")[0]
        if uplink:
            yield (_set(manifest, f"{uplink}.{_free_vlan(view)}", "spec", "master", note=_CHOSEN),)


def _configured(view: View, manifest: Manifest) -> Iterator[Proposal]:
    config = from_json(text(manifest.body, "spec", "config"))
    if not isinstance(config, dict):
        return
    if "pkey" in config or text(config, "type") == "ib-sriov":
        used = set()
        for item in view.given.of("k8s.cni.cncf.io", "NetworkAttachmentDefinition"):
            used |= {word for word in text(item.body, "spec", "config").replace('"', " ").split() if "0x" in word}
        free = next(f"0x{value:04x}" for value in range(0x8010, 0xFFFF) if _member(value) not in {_partition(item) for item in used})
        config = {**config, "pkey": free}
        note = "the P_Key is to be chosen, and set in the subnet manager"
        yield (_set(manifest, json.dumps(config), "spec", "config", note=note),)
        return
    name = next((item for item in ("vlanID", "vlan", "vlanId") if item in config), "vlan")
    yield (_set(manifest, json.dumps({**config, name: _free_vlan(view)}), "spec", "config", note=_CHOSEN),)


def _member(value: int) -> int:
    return value & 0x7FFF


def _partition(word: str) -> int:
    try:
        return _member(int(word, 16))
    except ValueError:
        return -1


def _functions(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in _on_path(view, claim, "SriovNetwork"):
        if text(manifest.body, "spec", "trust") == "on":
            yield (_set(manifest, "off", "spec", "trust"),)
        if text(manifest.body, "spec", "spoofChk") == "off":
            yield (_set(manifest, "on", "spec", "spoofChk"),)
        if not number(at(manifest.body, "spec", "vlan")):
            yield (_set(manifest, _free_vlan(view), "spec", "vlan", note=_CHOSEN),)
    yield from _kernel(view, claim)


def _kernel(view: View, claim: Claim) -> Iterator[Proposal]:
    named = _on_path(view, claim, "SriovNetworkNodePolicy")
    for manifest in named or view.given.of("sriovnetwork.openshift.io", "SriovNetworkNodePolicy"):
        if text(manifest.body, "spec", "deviceType") == "vfio-pci":
            yield (_set(manifest, "netdevice", "spec", "deviceType"),)
        if at(manifest.body, "spec", "isRdma") is True:
            yield (_set(manifest, False, "spec", "isRdma"),)


def _rates(view: View, claim: Claim) -> Iterator[Proposal]:
    note = "the rate is to be chosen, in Mbit/s"
    found = _on_path(view, claim, "SriovNetwork", "SriovIBNetwork")
    for manifest in found:
        if not number(at(manifest.body, "spec", "maxTxRate")):
            yield (_set(manifest, 10000, "spec", "maxTxRate", note=note),)
    for manifest in found:
        if not number(at(manifest.body, "spec", "minTxRate")):
            yield (_set(manifest, 1000, "spec", "minTxRate", note=note),)


def _exclusive(view: View, claim: Claim) -> Iterator[Proposal]:
    """Have RDMA devices of the nodes of a policy seen in one network namespace only."""
    for manifest in _on_path(view, claim, "SriovNetworkPoolConfig"):
        yield (_set(manifest, "exclusive", "spec", "rdmaMode"),)
    for manifest in _on_path(view, claim, "SriovNetworkNodePolicy"):
        nodes = mapping(at(manifest.body, "spec", "nodeSelector"))
        name = f"{manifest.key.name}-rdma-exclusive"
        key = ManifestKey(manifest.key.api_version, "SriovNetworkPoolConfig", manifest.key.namespace, name)
        body = {
            "apiVersion": key.api_version,
            "kind": key.kind,
            "metadata": {"name": name, "namespace": key.namespace},
            "spec": {"nodeSelector": {"matchLabels": dict(nodes)}, "rdmaMode": "exclusive"},
        }
        yield (Change(Op.CREATE, key, (), body),)


def _multi_policies(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in view.given.of("operator.openshift.io", "Network"):
        yield (_set(manifest, True, "spec", "useMultiNetworkPolicy"),)
    yield from _kernel(view, claim)


# --- GPUs ------------------------------------------------------------------------------------------------------------


def _toolkit(view: View, claim: Claim) -> Iterator[Proposal]:
    del claim
    for manifest in view.given.of("nvidia.com", "ClusterPolicy"):
        env = items(manifest.body, "spec", "toolkit", "env")
        there = [index for index, item in enumerate(env) if text(item, "name") == _ACCEPT]
        if there:
            yield (_set(manifest, "false", "spec", "toolkit", "env", there[0], "value"),)
        else:
            entry = {"name": _ACCEPT, "value": "false"}
            yield (Change(Op.ADD, manifest.key, ("spec", "toolkit", "env"), entry),)


def _injected(view: View, claim: Claim) -> Iterator[Proposal]:
    del claim
    for manifest in view.given.of("nvidia.com", "ClusterPolicy"):
        if at(manifest.body, "spec", "cdi", "nriPluginEnabled") is True:
            yield (_set(manifest, False, "spec", "cdi", "nriPluginEnabled"),)


def _version(view: View, claim: Claim) -> Iterator[Proposal]:
    """Name the version that repairs it, or leave the version to the operator, whose own is not older."""
    details = dict(claim.witness.details) if claim.witness else {}
    old, new = str(details.get("version") or ""), str(details.get("fixed") or "")
    for step in claim.witness.steps if claim.witness else ():
        manifest = step.by and view.given.get(step.by.group, step.by.kind, step.by.name, step.by.namespace)
        if manifest is None:
            continue
        written = at(manifest.body, *step.pointer)
        if isinstance(written, str) and old and new and old in written:
            note = "check that this build is published"
            changes = [_set(manifest, written.replace(old, new), *step.pointer, note=note)]
            channel = text(manifest.body, "spec", "channel")
            short = ".".join(old.split(".")[:2])
            if channel.endswith(short):
                wanted = channel.removesuffix(short) + ".".join(new.split(".")[:2])
                changes.append(_set(manifest, wanted, "spec", "channel"))
            yield tuple(changes)
        elif step.pointer[-1:] == ("version",):
            yield (Change(Op.REMOVE, manifest.key, step.pointer),)


def _admin_access(view: View, claim: Claim) -> Iterator[Proposal]:
    """Take the label away, and from the tenant the right to set it again."""
    label = "resource.kubernetes.io/admin-access"
    changes: dict[tuple[object, ...], Change] = {}
    for name in view.tenancy.by_name[claim.source].namespaces:
        home = view.given.get("", "Namespace", name)
        if home is not None and label in labels_of(home.body):
            changes[home.key,] = Change(Op.REMOVE, home.key, ("metadata", "labels", label))
        change = view.labels.change_of(claim.source, name, label)
        for step in change.right.steps if change is not None else ():
            if step.by is not None and step.pointer[:1] == ("subjects",) and "Binding" in step.by.kind:
                changes[step.by, step.pointer] = Change(Op.REMOVE, step.by, step.pointer)
    if changes:
        yield tuple(changes.values())


# --- queues ----------------------------------------------------------------------------------------------------------


def _classes(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in _on_path(view, claim, "PriorityClass"):
        yield (_set(manifest, "Never", "preemptionPolicy"),)


def _entry(view: View, claim: Claim) -> Iterator[Proposal]:
    """Let a ClusterQueue take work of one tenant only: of the one in its name, else of the one that suffers."""
    for manifest in _on_path(view, claim, "ClusterQueue"):
        pair = [name for name in (claim.target, claim.source) if name]
        owner = next((name for name in pair if name in manifest.key.name), pair[0])
        spaces = list(view.tenancy.by_name[owner].namespaces)
        entry = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": spaces}
        yield (_set(manifest, {"matchExpressions": [entry]}, "spec", "namespaceSelector"),)


def _preemption(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in _on_path(view, claim, "ClusterQueue"):
        if at(manifest.body, "spec", "preemption", "borrowWithinCohort") is not None:
            yield (_set(manifest, "Never", "spec", "preemption", "borrowWithinCohort", "policy"),)
        yield (_set(manifest, "Never", "spec", "preemption", "withinClusterQueue"),)
    yield from _entry(view, claim)
    yield from _promised(view, claim)
    for manifest in _on_path(view, claim, "Queue"):
        for kind in ("cpu", "memory"):
            if number(at(manifest.body, "spec", "resources", kind, "quota")) != -1:
                yield (_set(manifest, -1, "spec", "resources", kind, "quota"),)


def _managed(view: View, claim: Claim) -> Iterator[Proposal]:
    """Have Kueue hold back work without a queue name, pods too; or give a pod the scheduler of the queues."""
    manager = kueue_manager(view)
    if manager is not None:
        manifest = manager.manifest
        written = at(manifest.body, *manager.pointer)
        if isinstance(written, str):
            yield (_set(manifest, _holding(written), *manager.pointer),)
        elif isinstance(written, dict):
            frameworks = texts(written, "integrations", "frameworks")
            yield (
                _set(manifest, "None", *manager.pointer, "workloadManagement", "labelPolicy"),
                _set(manifest, _with_pods(frameworks, "Pod"), *manager.pointer, "integrations", "frameworks"),
            )
    steps = claim.witness.steps if claim.witness else ()
    if view.strength is Strength.DEPLOYED and len(steps) == 1 and steps[0].by is not None:
        yield (Change(Op.SET, steps[0].by, (*steps[0].pointer, "schedulerName"), KAI_SCHEDULER),)


def _promised(view: View, claim: Claim) -> Iterator[Proposal]:
    """Promise no more than there is: shares in proportion; or guarantee a department what its tenants are."""
    details = dict(claim.witness.details) if claim.witness else {}
    note = "the share is to be chosen"
    if "below" in details:
        for manifest in _on_path(view, claim, "Queue")[:1]:
            yield (_set(manifest, details["below"], "spec", "resources", "gpu", "quota", note=note),)
    if "capacity" not in details or not details["promised"]:
        return
    changes = []
    for manifest in _on_path(view, claim, "ClusterQueue"):
        for pointer, nominal in _nominal(manifest.body, details["flavor"], details["resource"]):
            value = int(nominal * details["capacity"] / details["promised"])
            changes.append(_set(manifest, value, *pointer, note=note))
    if changes:
        yield tuple(changes)


def _nominal(body: Body, flavor: str, resource: str) -> Iterator[tuple[tuple[str | int, ...], float]]:
    """Yield where a ClusterQueue promises a resource of a flavor, and how much."""
    for group, entry in enumerate(items(body, "spec", "resourceGroups")):
        for number_of, offered in enumerate(items(entry, "flavors")):
            if text(offered, "name") != flavor:
                continue
            for index, item in enumerate(items(offered, "resources")):
                nominal = amount(at(item, "nominalQuota"))
                if text(item, "name") == resource and nominal is not None:
                    path = ("spec", "resourceGroups", group, "flavors", number_of, "resources", index, "nominalQuota")
                    yield path, float(nominal.value)


def _with_pods(frameworks: list[str], pod: str) -> list[str]:
    return frameworks if pod in frameworks else [*frameworks, pod]


def _holding(written: str) -> str:
    """Return a configuration of Kueue that holds jobs and pods without a queue name."""
    config = from_json(written)
    if isinstance(config, dict):
        frameworks = _with_pods(texts(config, "integrations", "frameworks") or ["batch/job"], "pod")
        integrations = {**mapping(config.get("integrations")), "frameworks": frameworks}
        return json.dumps({**config, "manageJobsWithoutQueueName": True, "integrations": integrations})
    lines = [line for line in written.splitlines() if not line.strip().startswith("manageJobsWithoutQueueName")]
    listed = next((index for index, line in enumerate(lines) if line.strip() == "frameworks:"), None)
    if listed is None:
        lines += ["integrations:", "  frameworks:", "  - batch/job", "  - pod"]
    elif not any(line.strip().strip("- \"'") == "pod" for line in lines[listed:]):
        following = lines[listed + 1] if listed + 1 < len(lines) else ""
        indent = following[: len(following) - len(following.lstrip())] if "-" in following else "  "
        lines.insert(listed + 1, f"{indent}- pod")
    return "\n".join([*lines, "manageJobsWithoutQueueName: true", ""])


def _tainted(view: View, claim: Claim) -> Iterator[Proposal]:
    """Taint the nodes labelled for the tenant that suffers, by that label."""
    for node in _on_path(view, claim, "Node"):
        for label, value in sorted(labels_of(node.body).items()):
            if value == claim.target and value:
                alike = [item for item in view.given.of("", "Node") if labels_of(item.body).get(label) == value]
                taint = {"key": label, "value": value, "effect": "NoSchedule"}
                yield tuple(Change(Op.ADD, item.key, ("spec", "taints"), taint) for item in alike)


# --- storage, delivery, clients, noise -------------------------------------------------------------------------------


def _reserved(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in _on_path(view, claim, "PersistentVolume"):
        note = "the claim the volume is for"
        reference = {"namespace": "kube-system", "name": manifest.key.name}
        yield (_set(manifest, reference, "spec", "claimRef", note=note),)
    for manifest in _on_path(view, claim, "PersistentVolumeClaim"):
        if at(manifest.body, "spec", "volumeName") is not None:
            yield (Change(Op.REMOVE, manifest.key, ("spec", "volumeName")),)


_PLACE: Final = "the place is to be chosen, and the data moved there"
_SHARES: Final = frozenset({"share", "source", "path", "subDir", "volumePath", "shareName", "bucket"})


def _folders(view: View, claim: Claim) -> Iterator[Proposal]:
    """Give a volume a place of its own, or have a class of folders name the namespace and the claim."""
    for manifest in _on_path(view, claim, "PersistentVolume")[:1]:
        for pointer in (("spec", "nfs", "path"), ("spec", "csi", "volumeHandle")):
            place = at(manifest.body, *pointer)
            if isinstance(place, str):
                yield (_set(manifest, f"{place.rstrip('/')}-of-{claim.source}", *pointer, note=_PLACE),)
        lun = number(at(manifest.body, "spec", "iscsi", "lun"))
        if lun is not None:
            yield (_set(manifest, int(lun) + 100, "spec", "iscsi", "lun", note=_PLACE),)
        shares = mapping(at(manifest.body, "spec", "csi", "volumeAttributes"))
        named = sorted(name for name in shares if str(name) in _SHARES and isinstance(shares[name], str))
        yield tuple(
            _set(
                manifest,
                f"{shares[name]}-of-{claim.source}",
                *("spec", "csi", "volumeAttributes", name),
                note=_PLACE,
            )
            for name in named
        )
    name = "${pvc.metadata.namespace}/${pvc.metadata.name}"
    for manifest in _on_path(view, claim, "StorageClass"):
        for parameter in ("subDir", "pathPattern"):
            if at(manifest.body, "parameters", parameter) is not None:
                yield (_set(manifest, name, "parameters", parameter),)
        yield (_set(manifest, name, "parameters", "subDir"),)


def _pulls(view: View, claim: Claim) -> Iterator[Proposal]:
    del claim
    for manifest in view.given.of("machineconfiguration.openshift.io", "KubeletConfig"):
        policy = ("spec", "kubeletConfig", "imagePullCredentialsVerificationPolicy")
        yield (_set(manifest, "AlwaysVerify", *policy),)


def _lines(view: View, claim: Claim) -> Iterator[Proposal]:
    """Take the line of Argo CD's own roles away on which a path rests."""
    for step in claim.witness.steps if claim.witness else ():
        manifest = step.by and view.given.get(step.by.group, step.by.kind, step.by.name, step.by.namespace)
        written = at(manifest.body, *step.pointer) if manifest else None
        if manifest is None or not isinstance(written, str):
            continue
        words = step.edge.split()
        tenant = view.tenancy.by_name[claim.source]
        who = {words[0], *tenant.groups, *tenant.users}
        lines = written.splitlines()
        gone = [line for line in lines if _grants(line, who)]
        if gone:
            kept = "\n".join(line for line in lines if line not in gone)
            yield (_set(manifest, kept + "\n", *step.pointer),)


def _grants(line: str, who: set[str]) -> bool:
    """Whether a line of Argo CD's rules lets somebody do more than look, or puts somebody into a role."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) == 3 and cells[0] == "g":
        return cells[1] in who
    return len(cells) >= 6 and cells[0] == "p" and cells[1] in who and cells[5] == "allow" and cells[3] != "get"


def _own_host(view: View, claim: Claim) -> Iterator[Proposal]:
    """Give an object of the tenant that acts a host of its own."""
    for step in claim.witness.steps[:1] if claim.witness else ():
        manifest = step.by and view.given.get(step.by.group, step.by.kind, step.by.name, step.by.namespace)
        if manifest is None or not step.pointer:
            continue
        host = at(manifest.body, *step.pointer)
        if isinstance(host, str) and host:
            own = _set(
                manifest, f"{claim.source}-{host.removeprefix('*.')}", *step.pointer, note="the host is to be chosen"
            )
            wild = at(manifest.body, "spec", "wildcardPolicy") is not None
            yield (own, Change(Op.REMOVE, manifest.key, ("spec", "wildcardPolicy"))) if wild else (own,)


def _project(view: View, claim: Claim) -> Iterator[Proposal]:
    """Confine a project of Argo CD to the namespaces of the tenant, or close it."""
    spaces = view.tenancy.by_name[claim.source].namespaces
    steps = claim.witness.steps if claim.witness else ()
    for step in steps:
        if step.by is None or step.by.kind != "AppProject":
            continue
        given = view.given.get(step.by.group, "AppProject", step.by.name, step.by.namespace)
        if given is None:
            metadata = {"name": step.by.name, "namespace": step.by.namespace}
            spec: dict[str, Any] = {"sourceRepos": [], "destinations": [], "clusterResourceWhitelist": []}
            body = {"apiVersion": step.by.api_version, "kind": "AppProject", "metadata": metadata, "spec": spec}
            yield (Change(Op.CREATE, step.by, (), body),)
            return
        shut = _set(given, [], "spec", "clusterResourceWhitelist")
        server = "https://kubernetes.default.svc"
        own = [{"server": server, "namespace": name} for name in spaces]
        confined = _set(given, own, "spec", "destinations")
        kind = step.edge.rpartition(" ")[2]
        denied = Change(Op.ADD, given.key, ("spec", "namespaceResourceBlacklist"), {"group": "*", "kind": kind})
        yield from ((shut,), (confined,), (shut, confined))
        if step.edge.startswith("it may deploy ") and kind[:1].isupper():
            yield (denied,)


def _annotations_of_proxy(view: View, claim: Claim) -> Iterator[Proposal]:
    found = _on_path(view, claim, "ConfigMap")
    for manifest in found or [item for item in view.given.of("", "ConfigMap") if "nginx" in item.key.name]:
        yield tuple(_set(manifest, value, "data", name) for name, value in _NGINX.items())


def _prometheus(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in view.given.of("monitoring.coreos.com", "Prometheus"):
        yield (
            _set(manifest, True, "spec", "ignoreNamespaceSelectors"),
            _set(manifest, {"deny": True}, "spec", "arbitraryFSAccessThroughSMs"),
        )
    for manifest in _on_path(view, claim, "ServiceMonitor", "PodMonitor"):
        yield (_set(manifest, {"matchNames": [manifest.key.namespace]}, "spec", "namespaceSelector"),)
    for manifest in _on_path(view, claim, "Prometheus"):
        yield (_platform_only(view, manifest.key.namespace),)
    yield from _exporter(view, claim)


def _processes(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in _on_path(view, claim, "KubeletConfig"):
        note = "the number of processes is to be chosen"
        yield (_set(manifest, 4096, "spec", "kubeletConfig", "podPidsLimit", note=note),)
    for step in claim.witness.steps if claim.witness else ():
        if step.by is None or "containers" not in map(str, step.pointer):
            continue
        for name in ("memory", "ephemeral-storage"):
            yield (
                Change(
                    Op.SET, step.by, (*step.pointer, "resources", "limits", name), "1Gi", "the amount is to be chosen"
                ),
            )


def _own_quota(view: View, claim: Claim) -> Iterator[Proposal]:
    """Have a quota over several namespaces bound those of the tenant that acts only."""
    spaces = list(view.tenancy.by_name[claim.source].namespaces)
    entry = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": spaces}
    for manifest in _on_path(view, claim, "ClusterResourceQuota"):
        yield (_set(manifest, {"labels": {"matchExpressions": [entry]}}, "spec", "selector"),)


_RULES: Final[dict[str, "Callable[[View, Claim], Iterator[Proposal]]"]] = {
    "N1": _default_deny,
    "N7": _services,
    "X3": _vlan,
    "X4": _functions,
    "X5": _rates,
    "X6": _multi_policies,
    "X7": _exclusive,
    "X9": _vlan,
    "X11": _kernel,
    "G1": _toolkit,
    "G2": _injected,
    "G9": _version,
    "G11": _admin_access,
    "G12": _exporter,
    "Q1": _own_quota,
    "Q2": _classes,
    "Q3": _entry,
    "Q4": _preemption,
    "Q5": _managed,
    "Q8": _tainted,
    "P1": _reserved,
    "P2": _folders,
    "P4": _pulls,
    "D1": lambda view, claim: chain(_project(view, claim), _lines(view, claim)),
    "D2": _lines,
    "C1": _own_host,
    "C2": _annotations_of_proxy,
    "C3": _prometheus,
    "R1": _processes,
}
