"""Storage and images: each way to another tenant's data is found with its witness and closed by what closes it."""

from __future__ import annotations

from typing import Any

import pytest
from holes import BY_ID, Case, Hole, cases_checked, holes_checked
from safe_clusters import RBAC, Body, bind, decide, guard, obj, view
from share_objects import EDITORS, cluster_right, nobody, quota, right, space

from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Strength
from tenantry.safe.volumes import Place

pytest.importorskip("cel_expr_python", reason="CEL is not installed")

SEPARATE = {"storage.exports-separate": True}
PREBOUND = {"storage.volumes-prebound": True}


def volume(name: str, claim: str = "", labels: Body | None = None, **source: Any) -> Body:
    """A PersistentVolume, bound to a claim ``namespace/name`` where given."""
    spec: Body = {
        "capacity": {"storage": "10Gi"},
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "static",
        "persistentVolumeReclaimPolicy": "Retain",
        **source,
    }
    if claim:
        namespace, _, bound = claim.partition("/")
        spec["claimRef"] = {"namespace": namespace, "name": bound}
    return obj("PersistentVolume", name, metadata={"labels": labels or {}}, spec=spec)


def nfs(path: str, server: str = "filer") -> Body:
    return {"nfs": {"server": server, "path": path}}


def csi(handle: str, **attributes: str) -> Body:
    return {"csi": {"driver": "csi.example.com", "volumeHandle": handle, "volumeAttributes": attributes}}


def storage_class(name: str = "shared", **parameters: str) -> Body:
    return obj("StorageClass", name, api="storage.k8s.io/v1", provisioner="nfs.csi.k8s.io", parameters=parameters)


def lun(number: int, **mounting: Any) -> Body:
    return {"iscsi": {"targetPortal": "filer", "iqn": "iqn.2001-04.com.example:disks", "lun": number, **mounting}}


NO_INLINE = guard(
    "no-inline-shares",
    "object.spec.?volumes.orValue([]).all(v, !has(v.nfs) && !has(v.csi))",
)
OPEN = [space("a", level=""), space("b", level="")]
NO_STATIC = guard(
    "no-static",
    "object.spec.?storageClassName.orValue('') != 'static' && object.spec.?volumeName.orValue('') == ''",
    resources=["persistentvolumeclaims"],
)
B_DATA = volume("old-data", labels={"tenant": "b"}, **nfs("/b"))

REBINDING = [
    Hole(
        "a volume of another bound to no claim",
        "P1",
        [EDITORS, storage_class("static"), B_DATA],
        [volume("old-data", "b/data", labels={"tenant": "b"}, **nfs("/b"))],
        "binds PersistentVolume old-data of b",
        "PersistentVolume old-data",
    ),
    Hole(
        "a volume of another, refused by a guard",
        "P1",
        [EDITORS, storage_class("static"), B_DATA],
        [NO_STATIC],
        "binds PersistentVolume old-data of b",
        stays=True,
    ),
    Hole(
        "volumes of the tenant's own making",
        "P1",
        [EDITORS, storage_class("static"), cluster_right("pv", "create", "persistentvolumes")],
        [nobody("pv")],
        "may write PersistentVolumes",
        "ClusterRole pv",
    ),
    Hole(
        "a deployed claim that names another's volume",
        "P1",
        [B_DATA, obj("PersistentVolumeClaim", "mine", "a", spec={"volumeName": "old-data"})],
        [obj("PersistentVolumeClaim", "mine", "a", spec={})],
        "binds PersistentVolume old-data of b",
        "PersistentVolumeClaim mine",
        strength=Strength.DEPLOYED,
    ),
]

SHARING = [
    Hole(
        "two volumes of one export",
        "P2",
        [storage_class(), volume("x", "a/x", **nfs("/data")), volume("y", "b/y", **nfs("/data/"))],
        [volume("y", "b/y", **nfs("/other"))],
        "lie in one place of nfs filer",
        "PersistentVolume x",
    ),
    Hole(
        "a volume inside the folder of another's",
        "P2",
        [storage_class(), volume("x", "a/x", **nfs("/data")), volume("y", "b/y", **nfs("/data/b"))],
        [volume("x", "a/x", **nfs("/data/a"))],
        "lie in one place",
    ),
    Hole(
        "one disk that two tenants mount in different ways",
        "P2",
        [storage_class(), volume("x", "a/x", **lun(1)), volume("y", "b/y", **lun(1, readOnly=True))],
        [volume("y", "b/y", **lun(2, readOnly=True))],
        "iscsi",
        "PersistentVolume x",
    ),
    Hole(
        "one handle of a driver for two tenants",
        "P2",
        [storage_class(), volume("x", "a/x", **csi("v1")), volume("y", "b/y", **csi("v1"))],
        [volume("y", "b/y", **csi("v2"))],
        "volume v1",
    ),
    Hole(
        "one share of a driver under two handles",
        "P2",
        [
            storage_class(),
            volume("x", "a/x", **csi("v1", server="filer", share="/s")),
            volume("y", "b/y", **csi("v2", server="filer", share="/s")),
        ],
        [volume("y", "b/y", **csi("v2", server="filer", share="/t"))],
        "lie in one place of csi csi.example.com filer",
    ),
    Hole(
        "inline NFS volumes",
        "P2",
        [EDITORS, OPEN, storage_class(), volume("y", "b/y", **nfs("/b"))],
        [NO_INLINE],
        "mounts filer:/b by itself through nfs",
        stays=True,
    ),
    Hole(
        "inline volumes of a driver of shares",
        "P2",
        [
            EDITORS,
            storage_class(),
            obj("CSIDriver", "nfs.csi.k8s.io", api="storage.k8s.io/v1", spec={"volumeLifecycleModes": ["Ephemeral"]}),
        ],
        [NO_INLINE],
        "through nfs.csi.k8s.io",
        stays=True,
    ),
    *[
        Hole(
            f"a class that gives folders out twice: {folder}",
            "P2",
            [EDITORS, NO_INLINE, storage_class(subDir=folder)],
            [storage_class(subDir="${pvc.metadata.namespace}/${pvc.metadata.name}")],
            reason,
            "StorageClass shared",
        )
        for folder, reason in (
            ("all", "every claim gets the same folder"),
            ("${pvc.metadata.name}", "claims of one name in two namespaces"),
            ("${.PVC.annotations.nfs.io/storage-path}", "the claim says by an annotation"),
        )
    ],
    Hole(
        "a class granted to others only",
        "P2",
        [
            EDITORS,
            NO_INLINE,
            storage_class("fast"),
            storage_class("slow"),
            space("a", annotations={"tenantry.dev/storage-classes": "slow"}),
            space("b", annotations={"tenantry.dev/storage-classes": "fast"}),
        ],
        [quota("a", **{"fast.storageclass.storage.k8s.io/persistentvolumeclaims": "0"})],
        "takes storage of class fast, which it was not granted",
    ),
]


def content(namespace: str) -> Body:
    spec = {"source": {"volumeHandle": "v1"}, "volumeSnapshotRef": {"namespace": namespace, "name": "s"}}
    return obj("VolumeSnapshotContent", "content", api="snapshot.storage.k8s.io/v1", spec=spec)


def grant(kind: str = "VolumeSnapshot", group: str = "snapshot.storage.k8s.io", source: str = "a") -> Body:
    spec = {
        "from": [{"group": "", "kind": "PersistentVolumeClaim", "namespace": source}],
        "to": [{"group": group, "kind": kind}],
    }
    return obj("ReferenceGrant", "grant", "b", "gateway.networking.k8s.io/v1beta1", spec=spec)


def copy_of(namespace: str) -> Body:
    source = {"apiGroup": "", "kind": "PersistentVolumeClaim", "name": "data", "namespace": namespace}
    return obj("PersistentVolumeClaim", "copy", "a", spec={"dataSourceRef": source})


OWN_SOURCES = guard(
    "own-sources",
    "object.spec.?dataSourceRef.?namespace.orValue(request.namespace) == request.namespace",
    resources=["persistentvolumeclaims"],
)

SNAPSHOTS = [
    Hole(
        "a grant to copy snapshots",
        "P3",
        [EDITORS, grant()],
        [grant(source="c")],
        "lets claims of a copy data of b",
        "ReferenceGrant grant",
    ),
    Hole(
        "a grant to copy snapshots, refused by a guard",
        "P3",
        [EDITORS, grant()],
        [OWN_SOURCES],
        "copy data of b",
        stays=True,
    ),
    Hole(
        "a grant as deployed",
        "P3",
        [grant("PersistentVolumeClaim", ""), copy_of("b")],
        [grant("Secret", "")],
        "copy data of b",
        "PersistentVolumeClaim copy",
        strength=Strength.DEPLOYED,
    ),
    Hole(
        "a snapshot of another's volume",
        "P3",
        [volume("y", "b/y", **csi("v1")), content("a")],
        [content("b")],
        "hands data of PersistentVolume y of b to a",
        "VolumeSnapshotContent content",
    ),
    Hole(
        "snapshot contents the tenant may write",
        "P3",
        [cluster_right("vsc", "create", "volumesnapshotcontents", "snapshot.storage.k8s.io")],
        [nobody("vsc")],
        "may write VolumeSnapshotContents",
        "ClusterRole vsc",
    ),
    Hole(
        "a tenant that may let others in",
        "P3",
        [
            EDITORS,
            obj(
                "Role",
                "grants",
                "b",
                f"{RBAC}/v1",
                rules=[
                    {"verbs": ["create"], "apiGroups": ["gateway.networking.k8s.io"], "resources": ["referencegrants"]}
                ],
            ),
            bind("grants", "Role/grants", "group:b", namespace="b"),
        ],
        [bind("grants", "Role/grants", "group:other", namespace="b")],
        "b may let claims of a copy its data",
        "Role grants",
        strength=Strength.CARELESS,
    ),
]

ALWAYS = guard("always-pull", "object.spec.containers.all(c, c.?imagePullPolicy.orValue('') == 'Always')")


def kubelet(policy: str, selector: Body | None = None) -> Body:
    spec: Body = {"kubeletConfig": {"imagePullCredentialsVerificationPolicy": policy}}
    if selector:
        spec["machineConfigPoolSelector"] = selector
    return obj("KubeletConfig", "pulls", api="machineconfiguration.openshift.io/v1", spec=spec)


IMAGES = [
    Hole(
        "cached images are run unchecked",
        "P4",
        [EDITORS],
        [ALWAYS],
        "runs a private image of another from a node's cache",
        facts={"images.private-pull": False},
        stays=True,
    ),
    Hole(
        "cached images, checked by every kubelet",
        "P4",
        [EDITORS],
        [kubelet("AlwaysVerify")],
        "runs a private image",
        facts={"images.private-pull": False},
    ),
    Hole(
        "the registry of the cluster opened to everybody",
        "P4",
        [bind("pull", "ClusterRole/system:image-puller", "group:system:authenticated", namespace="b")],
        [bind("pull", "ClusterRole/system:image-puller", "sa:b/default", namespace="b")],
        "lets a pull images of b",
        "RoleBinding pull",
        {"images.private-pull": True},
    ),
]

HOLES = [*REBINDING, *SHARING, *SNAPSHOTS, *IMAGES]

TestHoles = holes_checked(HOLES)


GRANTED = space("a", annotations={"tenantry.dev/storage-classes": "fast"})

CASES = [
    Case("no storage is described", "P1", [EDITORS], "storage.volumes-prebound"),
    Case(
        "a class that is granted and not described",
        "P1",
        [EDITORS, GRANTED, storage_class()],
        "storage.volumes-prebound",
    ),
    Case("a whole cluster shows its storage", "P1", [EDITORS], live=True),
    Case("nothing may be claimed", "P1", [right("pods", "create", "pods")]),
    Case("one's own volume", "P1", [EDITORS, storage_class(), volume("mine", labels={"team": "a"}, **nfs("/a"))]),
    Case("no storage is described", "P2", [EDITORS, NO_INLINE], "storage.exports-separate"),
    Case("drivers nobody shows", "P2", [EDITORS, storage_class()], "storage.inline-drivers-harmless"),
    Case(
        "shares of one tenant",
        "P2",
        [storage_class(), volume("x", "a/x", **nfs("/d")), volume("y", "a/y", **nfs("/d"))],
    ),
    Case(
        "equal paths of two servers",
        "P2",
        [storage_class(), volume("x", "a/x", **nfs("/d")), volume("y", "b/y", **nfs("/d", "other"))],
    ),
    Case(
        "folders that only look alike",
        "P2",
        [storage_class(), volume("x", "a/x", **nfs("/data")), volume("y", "b/y", **nfs("/data2"))],
    ),
    Case("folders named by the volume", "P2", [EDITORS, NO_INLINE, storage_class(subDir="${pv.metadata.name}")]),
    Case(
        "a granted class nobody describes",
        "P2",
        [EDITORS, NO_INLINE, GRANTED, storage_class()],
        "storage.exports-separate",
    ),
    Case("a grant within the tenant", "P3", [EDITORS, grant(source="b")]),
    Case("a snapshot of a volume nobody knows", "P3", [content("a")]),
    Case("nobody says whether pulls are checked", "P4", [EDITORS], "images.private-pull"),
    Case("kubelets of some nodes check", "P4", [EDITORS, kubelet("AlwaysVerify", {"x": "y"})], "images.private-pull"),
    Case("pods that exist pull with their own secrets", "P4", [EDITORS], strength=Strength.DEPLOYED),
]


TestCases = cases_checked(CASES)


def test_shared_exports_concern_the_tenants_that_share_them() -> None:
    volumes = [volume(name, f"{name}/data", **nfs(path)) for name, path in (("a", "/x"), ("b", "/x/y"), ("c", "/z"))]
    seen = view(storage_class(), volumes, tenants={name: [name] for name in "abc"})
    found = decide(BY_ID["P2"], seen)
    assert {name: claim.verdict for name, claim in found.items()} == {"b": Verdict.VIOLATED, "c": Verdict.PROVED}


@pytest.mark.parametrize(
    ("left", "right_", "expected"),
    [
        ("/a", "/a", True),
        ("/a/", "//a/.", True),
        ("/", "/a/b", True),
        ("/a/b", "/a", True),
        ("/a", "/ab", False),
        ("/a/b", "/a/c", False),
    ],
)
def test_places_overlap_by_whole_folders(left: str, right_: str, expected: bool) -> None:
    assert Place("nfs filer", left).overlaps(Place("nfs filer", right_)) is expected
    assert not Place("nfs filer", left).overlaps(Place("nfs other", right_))
