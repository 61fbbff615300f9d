"""Ways past the allocation of devices, and the guards of tenant namespaces.

Whether tenants are isolated is proved elsewhere; these rules name single settings that open a hole by themselves. Pods
outside tenant namespaces are judged mildly: the platform's own workloads need such settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tenantry.lint.index import Index, built_in_namespace
from tenantry.lint.pods import PodSpec
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.model.finding import Severity
from tenantry.model.reading import at, items, labels, text, texts

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath

RBAC = "rbac.authorization.k8s.io"
ENFORCE = "pod-security.kubernetes.io/enforce"

_CLASSES = frozenset({"nvidia", "nvidia-cdi", "nvidia-legacy"})
_CDI_PREFIXES = ("nvidia.cdi.k8s.io/", "cdi.k8s.io/")
_HARMLESS = frozenset({"void", "none", ""})

# Kinds that hold a tenant in: whoever may write them lets itself out.
_FENCES: Mapping[str, frozenset[str]] = {
    "": frozenset({"resourcequotas", "limitranges", "namespaces"}),
    "networking.k8s.io": frozenset({"networkpolicies"}),
    "k8s.cni.cncf.io": frozenset({"network-attachment-definitions"}),
    "kueue.x-k8s.io": frozenset({"localqueues", "clusterqueues", "resourceflavors"}),
    "scheduling.run.ai": frozenset({"queues"}),
    "sriovnetwork.openshift.io": frozenset({"sriovnetworks", "sriovibnetworks", "sriovnetworknodepolicies"}),
}
_WRITES = frozenset({"*", "create", "update", "patch", "delete", "deletecollection"})


def _severity(index: Index, pod: PodSpec) -> Severity | None:
    """Return how bad a hole is by where the pod runs: an error at a tenant, a remark on the platform."""
    if index.tenant(pod.namespace):
        return Severity.ERROR
    return Severity.INFO


@rule(
    "LINT-SEC-GPU-BYPASS",
    Severity.ERROR,
    "A container takes GPUs without asking for them",
    why="With NVIDIA_VISIBLE_DEVICES, the nvidia runtime class or a CDI annotation and no GPU in its resources, a "
    "container sees GPUs past quota and scheduler, those of other tenants included.",
    source="NVIDIA k8s-device-plugin, README; NVIDIA GPU Operator documentation, CDI",
)
def _gpu_bypass(index: Index) -> Iterator[Hit]:
    for pod in index.pods:
        severity = _severity(index, pod)
        for name in pod.annotations:
            if name.startswith(_CDI_PREFIXES):
                message = f"the annotation {name} names devices past the scheduler"
                yield Hit(pod.manifest, (*pod.annotations_path, name), message, "Remove it.", severity)
        if pod.uses_gpu or "gpu-fraction" in pod.annotations or "gpu-memory" in pod.annotations:
            continue
        runtime = text(dict(pod.spec), "runtimeClassName")
        if runtime in _CLASSES:
            message = f"runtime class {runtime} without a GPU in the resources"
            yield Hit(pod.manifest, (*pod.path, "runtimeClassName"), message, "Ask for nvidia.com/gpu.", severity)
        for container in pod.containers:
            for position, entry in enumerate(items(container.body, "env")):
                value = text(entry, "value")
                if text(entry, "name") == "NVIDIA_VISIBLE_DEVICES" and value not in _HARMLESS:
                    path = (*container.path, "env", position)
                    message = f"NVIDIA_VISIBLE_DEVICES is {value} without a GPU in the resources"
                    yield Hit(pod.manifest, path, message, "Ask for nvidia.com/gpu instead.", severity)


@rule(
    "LINT-SEC-HOST",
    Severity.ERROR,
    "A pod shares the host",
    why="A privileged container, the host's processes or network, or a path of the host let a tenant see and change "
    "every device and every other pod of the node.",
    source="Kubernetes, Pod Security Standards (baseline)",
)
def _host_access(index: Index) -> Iterator[Hit]:
    for pod in index.pods:
        severity = _severity(index, pod)
        # Outside tenant namespaces only pods that use devices are worth a remark.
        if severity is Severity.INFO and not pod.resources:
            continue
        for path, message in _host_parts(pod):
            yield Hit(pod.manifest, path, message, "Remove it; RDMA needs IPC_LOCK only.", severity)


def _host_parts(pod: PodSpec) -> Iterator[tuple[DocPath, str]]:
    for name in ("hostPID", "hostNetwork", "hostIPC"):
        if pod.spec.get(name) is True:
            yield (*pod.path, name), f"{name} is true"
    for container in pod.containers:
        if container.privileged:
            yield (*container.path, "securityContext", "privileged"), "the container is privileged"
        risky = container.capabilities & {"SYS_ADMIN", "NET_ADMIN", "SYS_RAWIO", "SYS_PTRACE", "ALL"}
        if risky:
            path = (*container.path, "securityContext", "capabilities", "add")
            yield path, f"the container has {', '.join(sorted(risky))}"
    for position, volume in enumerate(items(pod.spec, "volumes")):
        if isinstance(at(volume, "hostPath"), dict):
            yield (*pod.path, "volumes", position, "hostPath"), f"{text(volume, 'hostPath', 'path')} of the host"


@rule(
    "LINT-SEC-POD-SECURITY",
    Severity.WARNING,
    "A tenant's namespace does not enforce Pod Security",
    why="Privileged containers are honoured by the GPU toolkit whatever it is told; only admission keeps tenants "
    "from running them.",
    source="Kubernetes, Pod Security Admission; NVIDIA container toolkit, internal/config/image",
)
def _pod_security(index: Index) -> Iterator[Hit]:
    for name in sorted(index.tenant_namespaces):
        manifest = index.namespaces[name]
        level = labels(manifest.body).get(ENFORCE, "")
        path = ("metadata", "labels")
        if level == "privileged":
            message = "Pod Security enforces nothing (privileged)"
            yield Hit(manifest, (*path, ENFORCE), message, "Write restricted or baseline.", Severity.ERROR)
        elif not level:
            yield Hit(manifest, path, f"{ENFORCE} is not set", f"Add {ENFORCE}: restricted.")


@rule(
    "LINT-SEC-NO-NETWORK-POLICY",
    Severity.WARNING,
    "A tenant's namespace has no network policy",
    why="Without one every pod of the cluster reaches every pod of the tenant.",
    source="Kubernetes, Network Policies: default policies",
)
def _no_network_policy(index: Index) -> Iterator[Hit]:
    wide = index.of("policy.networking.k8s.io", *_CLUSTER_WIDE)
    if not index.complete or wide:
        return
    covered = {manifest.key.namespace for manifest in index.of("networking.k8s.io", "NetworkPolicy")}
    for name in sorted(index.tenant_namespaces - covered):
        message = f"{name} has no NetworkPolicy"
        yield Hit(index.namespaces[name], ("metadata", "name"), message, "Add a default-deny policy.")


_CLUSTER_WIDE = ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy")


@rule(
    "LINT-SEC-FENCE",
    Severity.WARNING,
    "A tenant may change what holds it in",
    why="Whoever may write quotas, network policies, network attachments or queues in its own namespace takes "
    "devices and reaches networks it was not given.",
    source="Kubernetes, RBAC good practices",
)
def _fence(index: Index) -> Iterator[Hit]:
    for role in index.of(RBAC, "Role"):
        if not index.tenant(role.key.namespace):
            continue
        for position, entry in enumerate(items(role.body, "rules")):
            opened = _opened(entry)
            if opened:
                message = f"the role lets {index.tenant(role.key.namespace)} write {', '.join(opened)}"
                yield Hit(role, ("rules", position), message, "Leave these kinds out.")
    for binding in index.of(RBAC, "RoleBinding"):
        name = text(binding.body, "roleRef", "name")
        if index.tenant(binding.key.namespace) and name in {"admin", "cluster-admin"} and _people(binding):
            message = f"{name} lets {index.tenant(binding.key.namespace)} bind roles and write network policies"
            yield Hit(binding, ("roleRef", "name"), message, "Bind a role without those kinds.")


def _opened(entry: object) -> list[str]:
    if not _WRITES & set(texts(entry, "verbs")):
        return []
    groups, kinds = set(texts(entry, "apiGroups")), set(texts(entry, "resources"))
    found = {
        kind
        for group, fenced in _FENCES.items()
        if group in groups or "*" in groups
        for kind in fenced
        if kind in kinds or "*" in kinds
    }
    return sorted(found)


def _people(binding: Manifest) -> bool:
    return any(text(subject, "kind") in {"User", "Group"} for subject in items(binding.body, "subjects"))


@rule(
    "LINT-SEC-EVERYBODY",
    Severity.ERROR,
    "Everybody is bound to a powerful role",
    why="system:authenticated and system:unauthenticated are every account, of every tenant.",
    source="Kubernetes, RBAC good practices: privileged groups",
    fragments=True,
)
def _everybody(index: Index) -> Iterator[Hit]:
    for binding in index.of(RBAC, "ClusterRoleBinding"):
        role = text(binding.body, "roleRef", "name")
        for position, subject in enumerate(items(binding.body, "subjects")):
            name = text(subject, "name")
            if role in {"cluster-admin", "admin", "edit"} and name in _EVERYBODY:
                yield Hit(binding, ("subjects", position), f"{role} is bound to {name}", "Name a group.")


_EVERYBODY = frozenset({"system:authenticated", "system:unauthenticated", "system:serviceaccounts"})


@rule(
    "LINT-SEC-GUARD",
    Severity.WARNING,
    "An admission policy does not stop what it forbids",
    why="A ValidatingAdmissionPolicy acts only through a binding whose actions include Deny; with failurePolicy "
    "Ignore an error in an expression lets everything pass.",
    source="Kubernetes, Validating Admission Policy",
)
def _guard(index: Index) -> Iterator[Hit]:
    group = "admissionregistration.k8s.io"
    bound = {
        text(binding.body, "spec", "policyName") for binding in index.of(group, "ValidatingAdmissionPolicyBinding")
    }
    for manifest in index.of(group, "ValidatingAdmissionPolicy"):
        if text(manifest.body, "spec", "failurePolicy") == "Ignore":
            path = ("spec", "failurePolicy")
            yield Hit(manifest, path, "errors let everything pass", "Write failurePolicy: Fail.")
        if bound and manifest.key.name and manifest.key.name not in bound:
            message = f"no binding names {manifest.key.name}, so it does nothing"
            yield Hit(manifest, ("metadata", "name"), message, "Add a ValidatingAdmissionPolicyBinding.")
    for binding in index.of(group, "ValidatingAdmissionPolicyBinding"):
        actions = texts(binding.body, "spec", "validationActions")
        if actions and "Deny" not in actions:
            path = ("spec", "validationActions")
            yield Hit(binding, path, f"the actions are {', '.join(actions)}: nothing is denied", "Add Deny.")


@rule(
    "LINT-SEC-UNUSED-NAMESPACE",
    Severity.WARNING,
    "A guard of a tenant stands in a namespace that is not declared",
    why="A quota or network policy in a mistyped namespace protects nothing.",
    source="Kubernetes, Namespaces",
)
def _misplaced_guard(index: Index) -> Iterator[Hit]:
    known = index.namespaces
    if not index.tenant_namespaces:
        return
    for manifest in [
        *index.of("", "ResourceQuota", "LimitRange"),
        *index.of("networking.k8s.io", "NetworkPolicy"),
        *index.of("kueue.x-k8s.io", "LocalQueue"),
    ]:
        namespace = manifest.key.namespace
        if namespace and not built_in_namespace(namespace):
            verdict = index.dangling(namespace, known)
            if verdict:
                severity, nearest = verdict
                message = f"the namespace {namespace} is not declared" + (
                    f"; did you mean {nearest}?" if nearest else ""
                )
                fix = "Correct the namespace, or declare it."
                severity = severity if nearest or index.complete else Severity.INFO
                yield Hit(manifest, ("metadata", "namespace"), message, fix, severity)


RULES: tuple[Rule, ...] = (
    _gpu_bypass,
    _host_access,
    _pod_security,
    _no_network_policy,
    _fence,
    _everybody,
    _guard,
    _misplaced_guard,
)
