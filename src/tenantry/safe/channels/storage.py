"""P1 to P4: volumes left behind, shared exports, snapshots across namespaces, images in the cache of a node.

Sources: Kubernetes ``pkg/controller/volume/persistentvolume`` (a volume without claimRef binds any claim of its class),
documentation of Pod Security (inline CSI volumes pass ``restricted``), KEP-3294 (volumes from other namespaces).
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.attempts import PROBE, Attempts
from tenantry.safe.channels.channel import Channel
from tenantry.safe.channels.images import P4, cached_images
from tenantry.safe.quotas import QuotaBook, quotas_of
from tenantry.safe.reading import annotations_of, at, items, labels_of, mapping, positive, text, texts
from tenantry.safe.ruling import Outcome, Ruling
from tenantry.safe.shapes import representatives
from tenantry.safe.tally import Tally
from tenantry.safe.trials import Trials
from tenantry.safe.view import Answer
from tenantry.safe.volumes import Place, place_of, shared_by_class, volume_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body, Manifest
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

P1 = Ruling("P1", "volume of another tenant", Effect.READ, Impact.S1)
P2 = Ruling("P2", "shared exports and paths", Effect.READ, Impact.S1)
P3 = Ruling("P3", "snapshots and clones across namespaces", Effect.READ, Impact.S1)

VOLUMES_FACT = "storage.volumes-prebound"
EXPORTS_FACT = "storage.exports-separate"
INLINE_FACT = "storage.inline-drivers-harmless"

SNAPSHOTS = "snapshot.storage.k8s.io"
# Drivers of shared file systems that mount inline volumes of a server the pod names (their CSIDriver objects).
INLINE_SHARES = ("nfs.csi.k8s.io", "smb.csi.k8s.io", "file.csi.azure.com")


def _claim(**spec: object) -> Body:
    base = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": PROBE},
        "spec": {**base, **spec},
    }


class _Classes:
    """Storage classes a tenant's claims may name, as far as objects show."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.known = {item.key.name: item for item in view.snapshot.of("storage.k8s.io", "StorageClass")}
        self.volumes = view.snapshot.of("", "PersistentVolume")

    @cached_property
    def book(self) -> QuotaBook:
        """Quotas of all namespaces."""
        return quotas_of(self.view.snapshot)

    @cached_property
    def granted(self) -> dict[str, set[str]]:
        """Tenants per class by what namespaces are granted in so many words; claims alone set nothing aside."""
        users: dict[str, set[str]] = {}
        for tenant in self.view.tenants:
            for name in self.grants(tenant) or ():
                users.setdefault(name, set()).add(tenant.name)
        return dict(sorted(users.items()))

    def grants(self, tenant: TenantIdentity) -> set[str] | None:
        """Return classes the namespaces of a tenant are granted; None where nothing is said about classes."""
        found: set[str] | None = None
        for namespace in tenant.namespaces:
            home = self.view.snapshot.get("", "Namespace", namespace)
            for key, value in annotations_of(home.body if home else None).items():
                if key.rpartition("/")[2] == "storage-classes":
                    found = (found or set()) | {part.strip() for part in value.split(",") if part.strip()}
        return found

    def named(self, tenant: TenantIdentity) -> set[str]:
        """Return classes that a tenant's namespaces are granted or its claims name."""
        found = set(self.grants(tenant) or ())
        for namespace in tenant.namespaces:
            for manifest in self.view.snapshot.within(namespace):
                if manifest.key.kind == "PersistentVolumeClaim":
                    found.update({text(manifest.body, "spec", "storageClassName")} - {""})
        return found

    def unseen(self, tenant: TenantIdentity) -> bool:
        """Whether the tenant may use storage that no object describes."""
        if self.view.snapshot.live:
            return False
        return not self.known or bool(self.named(tenant) - set(self.known))

    def claims(self, attempts: Attempts, tenant: TenantIdentity) -> bool:
        """Whether the tenant can claim storage at all."""
        makers = (("", "persistentvolumeclaims"), ("apps", "statefulsets"))
        return any(
            attempts.right(tenant.name, "create", group, resource, namespace)
            for namespace in tenant.namespaces
            for group, resource in makers
        )


# --- P1 --------------------------------------------------------------------------------------------------------------


def rebinding(view: View) -> Iterable[Claim]:
    """Decide P1: no claim of a tenant binds a volume that holds data of another."""
    attempts, classes = Attempts(view), _Classes(view)
    loose = [item for item in classes.volumes if not mapping(item.body, "spec", "claimRef")]
    for tenant in view.sources:
        tally = Tally()
        if view.strength is Strength.DEPLOYED:
            _bound_elsewhere(view, classes, tenant, tally)
        else:
            tally.general.extend(_writes_volumes(attempts, tenant.name))
            _claimable(view, attempts, loose, tenant, tally)
            unseen = classes.unseen(tenant) and classes.claims(attempts, tenant)
            if unseen and view.signed(VOLUMES_FACT) is not True:
                tally.general.append(Outcome.open(view.missing(VOLUMES_FACT)))
        yield from tally.claims(P1, view, tenant.name, "every volume is bound to the claim it was made for")


def _writes_volumes(attempts: Attempts, tenant: str) -> Iterator[Outcome]:
    right = attempts.writes(tenant, "", "persistentvolumes")
    if right is not None:
        summary = f"{tenant} may write PersistentVolumes, and so mount any export, path or handle"
        yield Outcome.broken(Witness(right.steps, summary), f"take the right to write persistentvolumes from {tenant}")


def _bound_elsewhere(view: View, classes: _Classes, tenant: TenantIdentity, tally: Tally) -> None:
    """Find claims of a tenant that name a volume which is marked as another's."""
    volumes = {item.key.name: item for item in classes.volumes}
    for manifest in view.snapshot.of("", "PersistentVolumeClaim"):
        if manifest.key.namespace not in tenant.namespaces:
            continue
        volume = volumes.get(text(manifest.body, "spec", "volumeName"))
        owner = volume_owner(view, volume) if volume else ""
        if volume and owner not in {"", tenant.name}:
            steps = (Step("names the volume", manifest.key, ("spec", "volumeName")), Step("holds data", volume.key))
            summary = f"{manifest.key} binds {volume.key} of {owner}"
            tally.add(Outcome.broken(Witness(steps, summary), f"remove {manifest.key}"), owner)


def _claimable(
    view: View,
    attempts: Attempts,
    loose: list[Manifest],
    tenant: TenantIdentity,
    tally: Tally,
) -> None:
    for volume in loose:
        owner = volume_owner(view, volume)
        if owner == tenant.name:
            continue
        attempt = None
        for namespace in representatives(view, tenant):
            attempt = attempts.first(tenant.name, namespace, _claims_for(volume))
            if attempt is not None and not attempt.admission.refused:
                break
        if attempt is None or attempt.admission.refused:
            continue
        step = Step("is bound to nobody's claim", volume.key, ("spec",))
        summary = f"a claim of {tenant.name} in {attempt.namespace} binds {volume.key}{f' of {owner}' if owner else ''}"
        outcome = attempt.outcome(summary, f"set spec.claimRef of {volume.key} to the claim it is for", (step,))
        tally.add(outcome, owner)


def _claims_for(volume: Manifest) -> Iterator[Body]:
    """Yield claims that a volume satisfies: by its class and size alone, by a selector, by its name."""
    spec = mapping(volume.body, "spec")
    fitting: dict[str, object] = {
        "accessModes": texts(spec, "accessModes") or ["ReadWriteOnce"],
        "resources": {"requests": {"storage": at(spec, "capacity", "storage") or "1Gi"}},
        "storageClassName": text(spec, "storageClassName"),
    }
    if text(spec, "volumeMode") == "Block":
        fitting["volumeMode"] = "Block"
    yield _claim(**fitting)
    if labels_of(volume.body):
        yield _claim(**fitting, selector={"matchLabels": labels_of(volume.body)})
    yield _claim(**fitting, volumeName=volume.key.name)


# --- P2 --------------------------------------------------------------------------------------------------------------


def sharing(view: View) -> Iterable[Claim]:
    """Decide P2: no two tenants' volumes lie in one place, and no pod mounts a share by itself."""
    attempts, classes, prober = Attempts(view), _Classes(view), Trials(view)
    pairs = _overlapping(view, classes)
    for tenant in view.sources:
        tally = Tally(found=dict(pairs.get(tenant.name, {})))
        if view.strength is not Strength.DEPLOYED:
            tally.general.extend(_writes_volumes(attempts, tenant.name))
            tally.general.extend(_inline(view, attempts, prober, tenant))
            tally.general.extend(_shared_classes(classes, attempts, tenant))
            _classes_of_others(view, classes, attempts, tenant, tally)
        unseen = classes.unseen(tenant) and (
            bool(classes.named(tenant)) if view.strength is Strength.DEPLOYED else classes.claims(attempts, tenant)
        )
        if unseen and view.signed(EXPORTS_FACT) is not True:
            tally.general.append(Outcome.open(view.missing(EXPORTS_FACT)))
        reason = "its volumes lie apart from those of others, and its pods mount shares through claims only"
        yield from tally.claims(P2, view, tenant.name, reason)


def _overlapping(view: View, classes: _Classes) -> dict[str, dict[str, Outcome]]:
    """Return, for each tenant, those whose volumes lie in the same place as one of its own."""
    by_system: dict[str, list[tuple[Manifest, str, Place, tuple[str, ...]]]] = defaultdict(list)
    for volume in classes.volumes:
        placed = place_of(volume)
        owner = volume_owner(view, volume)
        if placed is not None and owner:
            by_system[placed[0].system].append((volume, owner, placed[0], placed[1]))
    found: dict[str, dict[str, Outcome]] = defaultdict(dict)
    for entries in by_system.values():
        # Sorted by path, a folder comes right before all that lies in it.
        entries.sort(key=lambda entry: ([part for part in entry[2].path.split("/") if part], entry[0].key.name))
        open_folders: list[tuple[Manifest, str, Place, tuple[str, ...]]] = []
        for entry in entries:
            open_folders = [other for other in open_folders if other[2].overlaps(entry[2])]
            for other in open_folders:
                if other[1] != entry[1]:
                    _note_pair(found, other, entry)
            open_folders.append(entry)
    return found


def _note_pair(
    found: dict[str, dict[str, Outcome]],
    left: tuple[Manifest, str, Place, tuple[str, ...]],
    right: tuple[Manifest, str, Place, tuple[str, ...]],
) -> None:
    for (mine, source, place, pointer), (theirs, target, _, other) in ((left, right), (right, left)):
        steps = (Step("mounts", mine.key, pointer), Step("mounts the same place", theirs.key, other))
        summary = f"{mine.key} of {source} and {theirs.key} of {target} lie in one place of {place.system}"
        outcome = Outcome.broken(Witness(steps, summary), f"move {mine.key} to an export of its own")
        found[source].setdefault(target, outcome)


def _shared_classes(classes: _Classes, attempts: Attempts, tenant: TenantIdentity) -> Iterator[Outcome]:
    for name, storage_class in sorted(classes.known.items()):
        shared = shared_by_class(storage_class)
        if shared is None:
            continue
        for namespace in representatives(classes.view, tenant):
            attempt = attempts.create(tenant.name, namespace, _claim(storageClassName=name))
            if attempt is not None and not attempt.admission.refused:
                parameter, why = shared
                step = Step(why, storage_class.key, ("parameters", parameter))
                summary = f"a claim of {tenant.name} with class {name} gets a folder that others get too: {why}"
                fix = f"name the namespace and the claim, or the volume, in parameters.{parameter} of class {name}"
                yield attempt.outcome(summary, fix, (step,))
                break


def _classes_of_others(view: View, classes: _Classes, attempts: Attempts, tenant: TenantIdentity, tally: Tally) -> None:
    """Find classes granted to others only, which claims of this one may name all the same."""
    granted = classes.grants(tenant)
    for name, owners in classes.granted.items():
        if granted is None or name in granted or owners <= set(tally.found):
            continue
        for namespace in representatives(view, tenant):
            bound = classes.book.bound(namespace, f"{name}.storageclass.storage.k8s.io/persistentvolumeclaims")
            if bound is not None and not positive(bound.hard):
                continue
            attempt = attempts.create(tenant.name, namespace, _claim(storageClassName=name))
            if attempt is not None and not attempt.admission.refused:
                summary = (
                    f"a claim of {tenant.name} in {namespace} takes storage of class {name}, which it was not granted"
                )
                fix = f"refuse class {name} in namespaces of {tenant.name}, or give it a quota of 0 there"
                for owner in sorted(owners):
                    tally.add(attempt.outcome(summary, fix), owner)
                break


def _inline(view: View, attempts: Attempts, prober: Trials, tenant: TenantIdentity) -> Iterator[Outcome]:
    """Yield what pods mount by themselves: NFS, which every node knows, and drivers that take volumes of pods."""
    server, path = _an_export(view, tenant.name)
    known = {item.key.name: item for item in view.snapshot.of("storage.k8s.io", "CSIDriver")}
    for namespace in representatives(view, tenant):
        right = attempts.pods(tenant.name, namespace)
        if right is None:
            continue
        sources: list[tuple[str, dict[str, object]]] = [("nfs", {"nfs": {"server": server, "path": path}})]
        drivers = [
            name for name in sorted(known) if "Ephemeral" in texts(known[name].body, "spec", "volumeLifecycleModes")
        ]
        for driver in drivers if known else INLINE_SHARES:
            attributes = {"server": server, "share": path, "source": f"//{server}{path}"}
            sources.append((driver, {"csi": {"driver": driver, "volumeAttributes": attributes}}))
        for name, source in sources:
            trial = prober.trial(namespace, [_with_volume(source)])
            if trial.answer is Answer.UNKNOWN:
                yield Outcome.open(*trial.missing)
            if trial.answer is not Answer.ADMITTED:
                continue
            if name != "nfs" and name not in known:
                if view.signed(INLINE_FACT) is not True:
                    yield Outcome.open(view.missing(INLINE_FACT))
                continue
            if name != "nfs" and name not in INLINE_SHARES and view.signed(INLINE_FACT) is True:
                continue
            if name != "nfs" and name not in INLINE_SHARES:
                yield Outcome.open(view.missing(INLINE_FACT))
                continue
            let_in = Step("admission lets the volume in", missing=f"no guard of {namespace} refuses {name} volumes")
            summary = f"a pod of {tenant.name} in {namespace} mounts {server}:{path} by itself through {name}"
            witness = Witness((*right.steps, let_in), summary, (("manifest", trial.pod),))
            fix = f"refuse {name} volumes written into pods of tenants"
            yield Outcome.broken(witness, fix)
            return


def _an_export(view: View, tenant: str) -> tuple[str, str]:
    """Return an NFS export of another tenant, or a made-up one."""
    for volume in view.snapshot.of("", "PersistentVolume"):
        if "nfs" in mapping(volume.body, "spec") and volume_owner(view, volume) != tenant:
            return text(volume.body, "spec", "nfs", "server"), text(volume.body, "spec", "nfs", "path")
    return "nfs.example.com", "/export"


def _with_volume(source: dict[str, object]) -> Callable[[Body], None]:
    def change(pod: Body) -> None:
        pod["spec"].setdefault("volumes", []).append({"name": "share", **source})
        pod["spec"]["containers"][0].setdefault("volumeMounts", []).append({"name": "share", "mountPath": "/share"})

    return change


# --- P3 --------------------------------------------------------------------------------------------------------------


def snapshots(view: View) -> Iterable[Claim]:
    """Decide P3: no snapshot content, clone or grant hands data of one tenant to another."""
    attempts = Attempts(view)
    grants = list(_grants(view))
    contents = list(_contents(view))
    for tenant in view.sources:
        tally = Tally()
        for source, owner, outcome in contents:
            if source == tenant.name:
                tally.add(outcome, owner)
        if view.strength is not Strength.DEPLOYED:
            right = attempts.writes(tenant.name, SNAPSHOTS, "volumesnapshotcontents")
            if right is not None:
                summary = f"{tenant.name} may write VolumeSnapshotContents, and so restore any snapshot by its handle"
                fix = f"take the right to write volumesnapshotcontents from {tenant.name}"
                tally.general.append(Outcome.broken(Witness(right.steps, summary), fix))
        for namespace, owner, grant, pointer in grants:
            if namespace in tenant.namespaces and owner != tenant.name:
                _granted(view, attempts, tenant, (namespace, owner, grant, pointer), tally)
        if view.strength is Strength.CARELESS:
            _would_grant(view, attempts, tenant, tally)
        reason = "snapshots and clones stay in their namespace, and no grant leads out of another's"
        yield from tally.claims(P3, view, tenant.name, reason)


def _contents(view: View) -> Iterator[tuple[str, str, Outcome]]:
    """Yield contents that hand a volume of one tenant to a snapshot of another."""
    handles = {
        text(item.body, "spec", "csi", "volumeHandle"): item for item in view.snapshot.of("", "PersistentVolume")
    }
    known = view.tenancy.by_name
    for content in view.snapshot.of(SNAPSHOTS, "VolumeSnapshotContent"):
        source = view.tenancy.owner(text(content.body, "spec", "volumeSnapshotRef", "namespace"))
        volume = handles.get(text(content.body, "spec", "source", "volumeHandle") or "-")
        owner = volume_owner(view, volume) if volume else ""
        if volume and source in known and owner and owner != source:
            steps = (
                Step("belongs to a snapshot", content.key, ("spec", "volumeSnapshotRef")),
                Step("was taken of", content.key, ("spec", "source", "volumeHandle")),
                Step("holds data", volume.key),
            )
            summary = f"{content.key} hands data of {volume.key} of {owner} to {source}"
            yield str(source), owner, Outcome.broken(Witness(steps, summary), f"delete {content.key}")


def _grants(view: View) -> Iterator[tuple[str, str, Manifest, tuple[str | int, ...]]]:
    """Yield grants by which claims of a namespace may be filled from another: namespace, owner of the data, grant."""
    for grant in view.snapshot.of("gateway.networking.k8s.io", "ReferenceGrant"):
        owner = view.tenancy.owner(grant.key.namespace)
        to = {(text(entry, "group"), text(entry, "kind")) for entry in items(grant.body, "spec", "to")}
        if owner not in view.tenancy.by_name or not to & {(SNAPSHOTS, "VolumeSnapshot"), ("", "PersistentVolumeClaim")}:
            continue
        for index, entry in enumerate(items(grant.body, "spec", "from")):
            if text(entry, "kind") == "PersistentVolumeClaim":
                yield text(entry, "namespace"), str(owner), grant, ("spec", "from", index)


def _foreign_claim(namespace: str) -> Body:
    source = {"apiGroup": SNAPSHOTS, "kind": "VolumeSnapshot", "name": PROBE, "namespace": namespace}
    return _claim(dataSourceRef=source)


def _granted(
    view: View,
    attempts: Attempts,
    tenant: TenantIdentity,
    grant: tuple[str, str, Manifest, tuple[str | int, ...]],
    tally: Tally,
) -> None:
    namespace, owner, manifest, pointer = grant
    step = Step("lets claims of the namespace in", manifest.key, pointer)
    summary = f"{manifest.key} lets claims of {namespace} copy data of {owner}"
    fix = f"remove {manifest.key}"
    assumes = ("the API server has the feature CrossNamespaceVolumeDataSource",)
    if view.strength is Strength.DEPLOYED:
        for claim in view.snapshot.within(namespace):
            copied = text(claim.body, "spec", "dataSourceRef", "namespace")
            if claim.key.kind == "PersistentVolumeClaim" and copied == manifest.key.namespace:
                copies = Step("is filled from there", claim.key, ("spec", "dataSourceRef", "namespace"))
                tally.add(Outcome.broken(Witness((step, copies), summary, (), assumes), fix), owner)
                return
        return
    attempt = attempts.create(tenant.name, namespace, _foreign_claim(manifest.key.namespace))
    if attempt is None or attempt.admission.refused:
        return
    tally.add(attempt.outcome(summary, fix, (step,), assumes), owner)


def _would_grant(view: View, attempts: Attempts, tenant: TenantIdentity, tally: Tally) -> None:
    """Find tenants that may themselves let this one in."""
    lets_copy = None
    for namespace in representatives(view, tenant):
        lets_copy = attempts.create(tenant.name, namespace, _foreign_claim("other"))
        if lets_copy is not None and not lets_copy.admission.refused:
            break
    if lets_copy is None or lets_copy.admission.refused:
        return
    for other in view.tenants:
        for namespace in other.namespaces if other.name != tenant.name else ():
            body: Body = {
                "apiVersion": "gateway.networking.k8s.io/v1beta1",
                "kind": "ReferenceGrant",
                "metadata": {"name": PROBE},
                "spec": {
                    "from": [{"group": "", "kind": "PersistentVolumeClaim", "namespace": lets_copy.namespace}],
                    "to": [{"group": SNAPSHOTS, "kind": "VolumeSnapshot"}],
                },
            }
            attempt = attempts.create(other.name, namespace, body)
            if attempt is not None and not attempt.admission.refused:
                summary = f"{other.name} may let claims of {tenant.name} copy its data by a ReferenceGrant"
                fix = f"take the right to create referencegrants from {other.name}"
                tally.add(attempt.outcome(summary, fix), other.name)
                break


CHANNELS: tuple[Channel, ...] = tuple(
    Channel(ruling.id, ruling.title, ruling.effect, ruling.impact, decide)
    for ruling, decide in ((P1, rebinding), (P2, sharing), (P3, snapshots), (P4, cached_images))
)
"""Channels of storage, in the order of their ids."""
