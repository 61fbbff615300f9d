"""Proposals about what tenants share beside nodes: storage, Argo CD, proxies, monitoring, kubelets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tenantry.model.change import Change, Op
from tenantry.safe.fixes.network import exporter
from tenantry.safe.fixes.objects import given, on_path, platform_only, put, steps_of
from tenantry.safe.reading import at, mapping, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.claim import Claim
    from tenantry.safe.fixes.objects import Rules
    from tenantry.safe.fixes.steps import Proposal
    from tenantry.safe.view import View

_NGINX: Final = {"allow-snippet-annotations": "false", "allow-cross-namespace-resources": "false"}


def _reserved(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in on_path(view, claim, "PersistentVolume"):
        note = "the claim the volume is for"
        reference = {"namespace": "kube-system", "name": manifest.key.name}
        yield (put(manifest, reference, "spec", "claimRef", note=note),)
    for manifest in on_path(view, claim, "PersistentVolumeClaim"):
        if at(manifest.body, "spec", "volumeName") is not None:
            yield (Change(Op.REMOVE, manifest.key, ("spec", "volumeName")),)


_PLACE: Final = "the place is to be chosen, and the data moved there"
_SHARES: Final = frozenset({"share", "source", "path", "subDir", "volumePath", "shareName", "bucket"})


def _folders(view: View, claim: Claim) -> Iterator[Proposal]:
    """Give a volume a place of its own, or have a class of folders name the namespace and the claim."""
    for manifest in on_path(view, claim, "PersistentVolume")[:1]:
        for pointer in (("spec", "nfs", "path"), ("spec", "csi", "volumeHandle")):
            place = at(manifest.body, *pointer)
            if isinstance(place, str):
                yield (put(manifest, f"{place.rstrip('/')}-of-{claim.source}", *pointer, note=_PLACE),)
        lun = number(at(manifest.body, "spec", "iscsi", "lun"))
        if lun is not None:
            yield (put(manifest, int(lun) + 100, "spec", "iscsi", "lun", note=_PLACE),)
        shares = mapping(at(manifest.body, "spec", "csi", "volumeAttributes"))
        named = sorted(name for name in shares if str(name) in _SHARES and isinstance(shares[name], str))
        yield tuple(
            put(
                manifest,
                f"{shares[name]}-of-{claim.source}",
                *("spec", "csi", "volumeAttributes", name),
                note=_PLACE,
            )
            for name in named
        )
    name = "${pvc.metadata.namespace}/${pvc.metadata.name}"
    for manifest in on_path(view, claim, "StorageClass"):
        for parameter in ("subDir", "pathPattern"):
            if at(manifest.body, "parameters", parameter) is not None:
                yield (put(manifest, name, "parameters", parameter),)
        yield (put(manifest, name, "parameters", "subDir"),)


def _pulls(view: View, claim: Claim) -> Iterator[Proposal]:
    del claim
    for manifest in view.given.of("machineconfiguration.openshift.io", "KubeletConfig"):
        policy = ("spec", "kubeletConfig", "imagePullCredentialsVerificationPolicy")
        yield (put(manifest, "AlwaysVerify", *policy),)


def _lines(view: View, claim: Claim) -> Iterator[Proposal]:
    """Take the line of Argo CD's own roles away on which a path rests."""
    for step in steps_of(claim):
        manifest = given(view, step)
        written = at(manifest.body, *step.pointer) if manifest else None
        if manifest is None or not isinstance(written, str):
            continue
        if step.pointer[-1] in {"policy.default", "defaultPolicy"}:
            yield (Change(Op.REMOVE, manifest.key, step.pointer),)
            continue
        words = step.edge.split()
        tenant = view.tenancy.by_name[claim.source]
        who = {words[0], *tenant.groups, *tenant.users}
        lines = written.splitlines()
        gone = [line for line in lines if _grants(line, who)]
        if gone:
            kept = "\n".join(line for line in lines if line not in gone)
            yield (put(manifest, kept + "\n", *step.pointer),)


def _grants(line: str, who: set[str]) -> bool:
    """Whether a line of Argo CD's rules lets somebody do more than look, or puts somebody into a role."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) == 3 and cells[0] == "g":
        return cells[1] in who
    return len(cells) >= 6 and cells[0] == "p" and cells[1] in who and cells[5] == "allow" and cells[3] != "get"


def _own_host(view: View, claim: Claim) -> Iterator[Proposal]:
    """Give an object of the tenant that acts a host of its own."""
    for step in claim.witness.steps[:1] if claim.witness else ():
        manifest = given(view, step)
        if manifest is None or not step.pointer:
            continue
        host = at(manifest.body, *step.pointer)
        if isinstance(host, str) and host:
            own = put(
                manifest, f"{claim.source}-{host.removeprefix('*.')}", *step.pointer, note="the host is to be chosen"
            )
            wild = at(manifest.body, "spec", "wildcardPolicy") is not None
            yield (own, Change(Op.REMOVE, manifest.key, ("spec", "wildcardPolicy"))) if wild else (own,)


def _project(view: View, claim: Claim) -> Iterator[Proposal]:
    """Confine a project of Argo CD to the namespaces of the tenant, or close it."""
    spaces = view.tenancy.by_name[claim.source].namespaces
    steps = steps_of(claim)
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
        shut = put(given, [], "spec", "clusterResourceWhitelist")
        server = "https://kubernetes.default.svc"
        own = [{"server": server, "namespace": name} for name in spaces]
        confined = put(given, own, "spec", "destinations")
        kind = step.edge.rpartition(" ")[2]
        denied = Change(Op.ADD, given.key, ("spec", "namespaceResourceBlacklist"), {"group": "*", "kind": kind})
        yield from ((shut,), (confined,), (shut, confined))
        if step.edge.startswith("it may deploy ") and kind[:1].isupper():
            yield (denied,)


def _annotations_of_proxy(view: View, claim: Claim) -> Iterator[Proposal]:
    found = on_path(view, claim, "ConfigMap")
    for manifest in found or [item for item in view.given.of("", "ConfigMap") if "nginx" in item.key.name]:
        yield tuple(put(manifest, value, "data", name) for name, value in _NGINX.items())


def _prometheus(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in view.given.of("monitoring.coreos.com", "Prometheus"):
        yield (
            put(manifest, True, "spec", "ignoreNamespaceSelectors"),
            put(manifest, {"deny": True}, "spec", "arbitraryFSAccessThroughSMs"),
        )
    for manifest in on_path(view, claim, "ServiceMonitor", "PodMonitor"):
        yield (put(manifest, {"matchNames": [manifest.key.namespace]}, "spec", "namespaceSelector"),)
    for manifest in on_path(view, claim, "Prometheus"):
        yield (platform_only(view, manifest.key.namespace),)
    yield from exporter(view, claim)


def _processes(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in on_path(view, claim, "KubeletConfig"):
        note = "the number of processes is to be chosen"
        yield (put(manifest, 4096, "spec", "kubeletConfig", "podPidsLimit", note=note),)
    for step in steps_of(claim):
        if step.by is None or "containers" not in map(str, step.pointer):
            continue
        for name in ("memory", "ephemeral-storage"):
            yield (
                Change(
                    Op.SET, step.by, (*step.pointer, "resources", "limits", name), "1Gi", "the amount is to be chosen"
                ),
            )


def _delivery(view: View, claim: Claim) -> Iterator[Proposal]:
    yield from _project(view, claim)
    yield from _lines(view, claim)


RULES: Final[Rules] = {
    "P1": _reserved,
    "P2": _folders,
    "P4": _pulls,
    "D1": _delivery,
    "D2": _lines,
    "C1": _own_host,
    "C2": _annotations_of_proxy,
    "C3": _prometheus,
    "R1": _processes,
}
"""What is proposed, per channel."""
