"""Storage: claims of granted classes, bound by the cluster, and no inline volumes of arbitrary drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.guards.grants import STORAGE_CLASSES, granted
from tenantry.compile.guards.guard import PODS, Guard, Rule, Validation, texts
from tenantry.compile.guards.requesters import controllers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster

# Drivers whose inline volumes hold credentials of the pod itself. Pod Security lets any inline CSI volume pass.
INLINE_DRIVERS = ("csi.cert-manager.io", "csi.spiffe.io", "secrets-store.csi.k8s.io")


def volumes(cluster: Cluster) -> Iterable[Guard]:
    """Yield the guards of claims and of volumes written into pods."""
    del cluster
    yield Guard(
        "storage-claims",
        "P1, P3, Q1: volumes that others left behind, sources in other namespaces, classes nobody granted",
        (Rule("", ("v1",), ("persistentvolumeclaims",)),),
        (
            Validation(
                "!has(object.spec.storageClassName) || object.spec.storageClassName in variables.classes",
                "the storage class is not one this namespace may use",
                "'storageClassName may be one of [' + variables.classes.join(', ') + ']'",
            ),
            # The binder fills it in later, as a controller.
            Validation(
                f"object.spec.?volumeName.orValue('') == '' || {controllers()}",
                "volumes are bound by the cluster: spec.volumeName must be left out",
            ),
            Validation(
                "object.spec.?selector.orValue({}).size() == 0",
                "spec.selector would pick volumes that exist already",
            ),
            Validation(
                "object.spec.?dataSourceRef.?namespace.orValue(request.namespace) in ['', request.namespace]",
                "spec.dataSourceRef must lie in this namespace",
            ),
        ),
        variables=(("classes", granted(STORAGE_CLASSES)),),
        same=(".spec.?storageClassName", ".spec.?volumeName", ".spec.?selector", ".spec.?dataSourceRef"),
    )
    yield Guard(
        "inline-volumes",
        "P2: shares of others mounted by a volume that no claim and no quota knows",
        (PODS,),
        (
            Validation(
                "object.spec.?volumes.orValue([]).all(v, "
                f"v.?csi.?driver.optMap(d, d in {texts(INLINE_DRIVERS)}).orValue(true))",
                "inline CSI volumes of this driver are not allowed: use a PersistentVolumeClaim",
            ),
        ),
        same=(".spec.?volumes",),
    )
