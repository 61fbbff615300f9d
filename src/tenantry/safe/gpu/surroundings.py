"""What surrounds GPUs: the namespaces of the operators that drive them, and what their exporter tells.

Sources: NVIDIA gpu-operator ``controllers/object_controls.go`` (operands are privileged); dcgm-exporter README (plain
HTTP on 9400, labels of all pods).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.claim import Missing, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.gpu.exporter import open_rule
from tenantry.safe.powers import pod_makers
from tenantry.safe.reading import at, text
from tenantry.safe.ruling import Outcome, worst

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.manifest import ManifestKey
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.gpu.ground import Ground
    from tenantry.safe.view import Right

EXPORTER_PORT = 9400
EXPORTER_LABELS = {"app": "nvidia-dcgm-exporter"}

# Rights that give control of pods that run privileged on every node with GPUs, or of what they do there.
_RIGHTS = (
    *((verb, group, resource) for group, resource, verbs in pod_makers() for verb in verbs),
    ("update", "", "pods"),
    ("patch", "", "pods"),
    *((verb, "", f"pods/{name}") for name in ("exec", "attach", "portforward", "proxy") for verb in ("create", "get")),
    ("update", "", "pods/ephemeralcontainers"),
    ("patch", "", "pods/ephemeralcontainers"),
    ("get", "", "secrets"),
    ("list", "", "secrets"),
    ("watch", "", "secrets"),
    ("create", "", "serviceaccounts/token"),
    *((verb, "", "configmaps") for verb in ("create", "update", "patch")),
    *((verb, "rbac.authorization.k8s.io", "rolebindings") for verb in ("create", "update", "patch")),
    *((verb, "operators.coreos.com", "subscriptions") for verb in ("create", "update", "patch")),
    *((verb, "operators.coreos.com", "clusterserviceversions") for verb in ("create", "update", "patch")),
    *((verb, "operators.coreos.com", "installplans") for verb in ("update", "patch")),
)
# Objects of the whole cluster that decide what the operators do.
_CLUSTER = tuple(
    (verb, group, kind)
    for group, kind in (
        ("nvidia.com", "clusterpolicies"),
        ("nvidia.com", "nvidiadrivers"),
        ("mellanox.com", "nicclusterpolicies"),
        ("mellanox.com", "nicnodepolicies"),
    )
    for verb in ("create", "update", "patch", "delete")
)
_SRIOV = "sriovnetwork.openshift.io"
_SRIOV_KINDS = (
    "sriovnetworknodepolicies",
    "sriovnetworkpoolconfigs",
    "sriovoperatorconfigs",
)


def operator_namespaces(ground: Ground) -> Mapping[str, ManifestKey]:
    """Return the namespaces of operators that run privileged pods on nodes with GPUs, each with what says so."""
    found = dict(ground.stack.namespaces)
    packages = {"nvidia-network-operator", "sriov-network-operator", "nfd"}
    for manifest in ground.snapshot.of("operators.coreos.com", "Subscription"):
        if text(manifest.body, "spec", "name") in packages and manifest.key.namespace:
            found.setdefault(manifest.key.namespace, manifest.key)
    for manifest in ground.snapshot.of(_SRIOV, "SriovNetworkNodePolicy"):
        if manifest.key.namespace:
            found.setdefault(manifest.key.namespace, manifest.key)
    return dict(sorted(found.items()))


def operator_outcome(ground: Ground, tenant: TenantIdentity) -> Outcome:
    """Return whether a tenant has a right in an operator's namespace that gives it nodes."""
    view = ground.view
    namespaces = operator_namespaces(ground)
    for namespace in namespaces:
        for verb, group, resource in _RIGHTS:
            right = view.may(tenant.name, verb, group, resource, namespace)
            if right is not None:
                return _right_outcome(tenant, right, f"{namespace}, where privileged pods of an operator run")
        for kind in _SRIOV_KINDS:
            right = view.may(tenant.name, "create", _SRIOV, kind, namespace)
            right = right or view.may(tenant.name, "patch", _SRIOV, kind, namespace)
            if right is not None:
                return _right_outcome(tenant, right, f"{namespace}, which decides what runs on nodes")
    for verb, group, resource in _CLUSTER:
        right = view.may(tenant.name, verb, group, resource)
        if right is not None:
            return _right_outcome(tenant, right, "the cluster, which decides what operators run on nodes")
    roles = view.unknown_roles(tenant.name)
    if roles:
        return Outcome.open(*roles)
    if not namespaces and not view.snapshot.live:
        how = "add the Subscription or Application that installs the GPU Operator to the objects"
        return Outcome.open(Missing("namespace of the GPU Operator", how))
    return Outcome.safe(f"it has no right in {', '.join(namespaces) or 'any operator namespace'}")


def _right_outcome(tenant: TenantIdentity, right: Right, where: str) -> Outcome:
    summary = f"{tenant.name} may {right.verb} {right.resource} in {where}"
    steps = right.steps or (Step(f"may {right.verb} {right.resource}", None, (), "the binding is not among the steps"),)
    return Outcome.broken(Witness(steps, summary), f"remove the right to {right.verb} {right.resource} there")


# --- telemetry --------------------------------------------------------------------------------------------------------


def telemetry_outcome(ground: Ground, tenant: TenantIdentity) -> Outcome:
    """Return whether pods of a tenant can scrape the exporter, which tells namespaces and pods of all tenants."""
    stack = ground.stack
    if stack.known and not stack.flag("dcgmExporter", "enabled", default=True):
        return Outcome.safe("the exporter of GPU metrics is switched off")
    if not stack.namespaces:
        how = "add the Subscription or Application that installs the GPU Operator to the objects"
        return Outcome.open(Missing("namespace of the GPU Operator", how))
    return worst(_scrape(ground, tenant, namespace) for namespace in sorted(stack.namespaces))


def _scrape(ground: Ground, tenant: TenantIdentity, namespace: str) -> Outcome:
    if at(ground.stack.spec, "dcgmExporter", "hostNetwork") is True:
        step = ground.stack.step("the exporter uses the network of the host", "dcgmExporter", "hostNetwork")
        return _scraped(ground, tenant, namespace, (step,), "leave dcgmExporter.hostNetwork out")
    rule = open_rule(ground.view, tenant, namespace, EXPORTER_LABELS, EXPORTER_PORT)
    if isinstance(rule, Outcome):
        return rule
    if not rule:
        return Outcome.safe(f"network policies keep its pods off port {EXPORTER_PORT} in {namespace}")
    fix = (
        f"add a NetworkPolicy in {namespace} that lets only the monitoring namespaces reach port {EXPORTER_PORT} of "
        "pods labelled app=nvidia-dcgm-exporter"
    )
    return _scraped(ground, tenant, namespace, rule, fix)


def _scraped(ground: Ground, tenant: TenantIdentity, namespace: str, steps: tuple[Step, ...], fix: str) -> Outcome:
    if ground.view.strength is Strength.DEPLOYED and not ground.view.tenant_pods(tenant.name):
        return Outcome.safe("it has no pods deployed")
    origin = tenant.namespaces[0] if tenant.namespaces else ""
    summary = f"pods of {tenant.name} read metrics of every tenant's pods on port {EXPORTER_PORT} in {namespace}"
    details = (("from", origin), ("to", namespace), ("labels", dict(EXPORTER_LABELS)), ("port", EXPORTER_PORT))
    return Outcome.broken(Witness(steps, summary, details), fix)
