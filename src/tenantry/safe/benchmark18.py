"""The eighteen checks of the multi-tenancy benchmarks, decided from objects instead of tried on a cluster.

Source: kubernetes-sigs/multi-tenancy, ``benchmarks/kubectl-mtb/test/benchmarks``. Two checks carry the id
``MTB-PL1-BC-HI-1`` there; the second, about NodePort Services, is ``MTB-PL1-BC-HI-2`` here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tenantry.catalog.rbac import default_objects
from tenantry.model.finding import Verdict
from tenantry.model.reading import EMPTY
from tenantry.safe.admission import mapping, plural_of
from tenantry.safe.channels.host import runs_pods
from tenantry.safe.pods import plain_pod
from tenantry.safe.powers import POWERS, RBAC, WRITE
from tenantry.safe.quotas import quotas_of
from tenantry.safe.rbac import CLUSTER_SCOPED
from tenantry.safe.samples import sample
from tenantry.safe.twins import MANY, twins_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tenantry.model.manifest import Body, Manifest
    from tenantry.safe.answer import Admission
    from tenantry.safe.view import View


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the benchmarks for one tenant.

    Attributes:
        id: id as the benchmarks have it.
        title: title as the benchmarks have it.
        verdict: ``PROVED`` when it passes, ``VIOLATED`` when it does not, else ``UNKNOWN``.
        reason: why, in one line.
    """

    id: str
    title: str
    verdict: Verdict
    reason: str


# An answer of a check: whether it passes (None when that is not known), and why.
_Answer = tuple[bool | None, str]


def benchmarks(view: View, names: Sequence[str]) -> dict[str, tuple[Check, ...]]:
    """Return the checks of some tenants; what names nobody is decided once for all that could change places."""
    if len(names) < MANY:
        return {name: benchmark(view, name) for name in names}
    twins = twins_of(view)
    found: dict[str, tuple[Check, ...]] = {}
    first: dict[str, tuple[Check, ...]] = {}
    for name in names:
        known = first.get(twins.first[name], ())
        found[name] = benchmark(view, name, {item.id: item for item in known if not twins.named_in(item.reason)})
        first.setdefault(twins.first[name], found[name])
    return found


def benchmark(view: View, tenant: str, known: Mapping[str, Check] = EMPTY) -> tuple[Check, ...]:
    """Return the eighteen checks of a tenant in the order of the benchmarks.

    Args:
        view: the objects.
        tenant: its name.
        known: checks whose outcome is known, by id.
    """
    missing = view.unknown_roles(tenant)
    found = []
    for check_id, title, decide in _CHECKS:
        if check_id in known:
            found.append(known[check_id])
            continue
        passes, reason = decide(view, tenant)
        if passes and missing and decide not in _SELF_SERVICE:
            passes, reason = None, missing[0].how
        verdict = Verdict.UNKNOWN if passes is None else Verdict.PROVED if passes else Verdict.VIOLATED
        found.append(Check(check_id, title, verdict, reason))
    return tuple(found)


def passed(checks: tuple[Check, ...]) -> int:
    """Return how many of the checks pass."""
    return sum(check.verdict is Verdict.PROVED for check in checks)


def _namespaces(view: View, tenant: str) -> tuple[str, ...]:
    return view.tenancy.by_name[tenant].namespaces


# --- decided by rights --------------------------------------------------------------------------------------------


def _cluster_objects(view: View, tenant: str) -> _Answer:
    """Reading and updating are asked, as the benchmarks do; what a cluster lets everybody read does not count."""
    for group, resource in sorted(CLUSTER_SCOPED):
        for verb in ("get", "update"):
            for right in view.reach(tenant).rights.every(verb, group, resource, ""):
                bound = next(
                    (step.by for step in right.steps if step.by and step.by.kind == "ClusterRoleBinding"), None
                )
                if bound is not None and bound.name not in _default_bindings():
                    return False, f"{right.principal} may {verb} {resource}"
    return True, "it may neither read nor update objects outside namespaces, but for what everybody may read"


@cache
def _default_bindings() -> frozenset[str]:
    bodies = default_objects(openshift=True)
    return frozenset(body["metadata"]["name"] for body in bodies if body["kind"] == "ClusterRoleBinding")


def _shared_objects(view: View, tenant: str) -> _Answer:
    """Objects the platform put into its namespaces must not be the tenant's to delete."""
    for namespace in _namespaces(view, tenant):
        for manifest in view.given.within(namespace):
            if not _of_the_platform(manifest):
                continue
            resource = plural_of(manifest.key.kind)
            right = view.may(tenant, "delete", manifest.key.group, resource, namespace, manifest.key.name)
            if right is None:
                continue
            said = view.envelope(namespace).admits(manifest.body, operation="DELETE", user=right.requester)
            if not said.refused:
                return (False if said.admitted else None), f"it may delete {manifest.key}"
    return True, "it may delete none of the guards the platform put into its namespaces"


_GUARDS = frozenset({"ResourceQuota", "LimitRange", "NetworkPolicy", "RoleBinding", "Role"})


def _of_the_platform(manifest: Manifest) -> bool:
    """Whether an object is one by which the platform confines a tenant."""
    return manifest.key.kind in _GUARDS


def _quota_rights(view: View, tenant: str) -> _Answer:
    for namespace in _namespaces(view, tenant):
        for verb in WRITE:
            right = view.may(tenant, verb, "", "resourcequotas", namespace)
            if right is not None:
                said = view.envelope(namespace).admits(sample("", "resourcequotas", namespace), user=right.requester)
                if not said.refused:
                    return (
                        False if said.admitted else None
                    ), f"{right.principal} may {verb} resourcequotas in {namespace}"
    return True, "it has no right to change quotas that admission would let it use"


def _other_tenants(view: View, tenant: str) -> _Answer:
    for held in view.reach(tenant).rights.all():
        scope = held.grant.namespace
        target = view.targets.of(tenant, scope, held.grant.to)
        if target is None or (scope and not target) or held.grant.binding.name in _default_bindings():
            continue
        for rule in held.grant.rules:
            kinds = sorted(name for name in rule.resources if not _outside(rule.groups, name))
            if kinds and rule.verbs & {"get", "list", "update", "patch", "*"} and not rule.urls:
                where = f"in namespace {scope}" if scope else "in every namespace"
                return False, f"{held.principal} may {', '.join(sorted(rule.verbs))} {', '.join(kinds[:3])} {where}"
    return True, "it may neither read nor update objects in namespaces of others"


def _outside(groups: frozenset[str], resource: str) -> bool:
    """Whether a kind lies outside namespaces, or is a review that reads nothing."""
    kind = resource.partition("/")[0]
    known = {(power.group, name) for power in POWERS if power.cluster for name in power.resources} | CLUSTER_SCOPED
    return "*" not in groups and all((group, kind) in known or group.startswith("auth") for group in groups)


def _self_service(group: str, resource: str) -> Callable[[View, str], _Answer]:
    def decide(view: View, tenant: str) -> _Answer:
        for namespace in _namespaces(view, tenant):
            right = view.may(tenant, "create", group, resource, namespace)
            if right is None:
                return False, f"nobody of it may create {resource} in {namespace}"
            said = view.envelope(namespace).admits(sample(group, resource, namespace), user=right.requester)
            if not said.admitted:
                return (False if said.refused else None), f"{said.by} refuses {resource} in {namespace}"
        return True, f"it may create {resource} in its namespaces"

    return decide


# --- decided by quotas --------------------------------------------------------------------------------------------


def _bounded(wanted: tuple[tuple[str, ...], ...]) -> Callable[[View, str], _Answer]:
    def decide(view: View, tenant: str) -> _Answer:
        book = quotas_of(view.snapshot)
        for namespace in _namespaces(view, tenant):
            for names in wanted:
                if book.bound(namespace, *names) is None:
                    return False, f"no quota bounds {names[0]} in {namespace}"
        return True, "quotas bound all of them in its namespaces"

    return decide


def _countable(name: str) -> tuple[str, ...]:
    return (name, f"count/{name}")


_RESOURCES = (
    ("requests.cpu", "cpu", "limits.cpu"),
    ("requests.memory", "memory", "limits.memory"),
    ("requests.ephemeral-storage", "ephemeral-storage", "limits.ephemeral-storage"),
)
_OBJECTS = tuple(
    _countable(name)
    for name in (
        *("pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps"),
        *("persistentvolumeclaims", "services.nodeports", "services.loadbalancers"),
    )
)


# --- decided by admission -----------------------------------------------------------------------------------------


def _pod(change: Callable[[Body, Body], None], what: str) -> Callable[[View, str], _Answer]:
    """Return a check that a pod is refused; ``change`` is given its spec and its container."""

    def decide(view: View, tenant: str) -> _Answer:
        for namespace in _namespaces(view, tenant):
            if runs_pods(view, tenant, namespace) is None:
                continue
            pod = plain_pod(namespace)
            change(pod["spec"], pod["spec"]["containers"][0])
            said = view.envelope(namespace).admits(pod)
            if not said.refused:
                return _let_in(said, f"{what} in {namespace}")
        return True, f"admission refuses {what}"

    return decide


def _let_in(said: Admission, what: str) -> _Answer:
    return (False, f"admission lets in {what}") if said.admitted else (None, f"{said.by}: {said.reason}")


def _privileged(spec: Body, container: Body) -> None:
    del spec
    container["securityContext"] = {"privileged": True}


def _root(spec: Body, container: Body) -> None:
    del container
    spec["securityContext"]["runAsNonRoot"] = False


def _capability(spec: Body, container: Body) -> None:
    del spec
    container["securityContext"]["capabilities"] = {"add": ["SYS_TIME"], "drop": ["ALL"]}


def _escalation(spec: Body, container: Body) -> None:
    del spec
    container["securityContext"]["allowPrivilegeEscalation"] = True


def _host_path(spec: Body, container: Body) -> None:
    spec["volumes"] = [{"name": "host", "hostPath": {"path": "/tmp"}}]
    container["volumeMounts"] = [{"name": "host", "mountPath": "/host"}]


def _host_network(spec: Body, container: Body) -> None:
    spec["hostNetwork"] = True
    container["ports"] = [{"containerPort": 8086, "hostPort": 8086}]


def _host_pid(spec: Body, container: Body) -> None:
    del container
    spec["hostPID"] = True


def _host_ipc(spec: Body, container: Body) -> None:
    del container
    spec["hostIPC"] = True


def _pull(spec: Body, container: Body) -> None:
    del spec
    container["imagePullPolicy"] = "IfNotPresent"


def _node_ports(view: View, tenant: str) -> _Answer:
    for namespace in _namespaces(view, tenant):
        quota = _zero(view, namespace, ("services.nodeports", "count/services"))
        if quota or view.may(tenant, "create", "", "services", namespace) is None:
            continue
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "probe", "namespace": namespace},
            "spec": {"type": "NodePort", "selector": {"app": "probe"}, "ports": [{"port": 80}]},
        }
        said = view.envelope(namespace).admits(body)
        if not said.refused:
            return _let_in(said, f"NodePort Services in {namespace}")
    return True, "NodePort Services are refused"


def _zero(view: View, namespace: str, keys: tuple[str, ...]) -> bool:
    """Whether a quota allows none of something."""
    hard = (
        mapping(mapping(item.body.get("spec")).get("hard"))
        for item in view.snapshot.within(namespace)
        if item.key.kind == "ResourceQuota"
    )
    return any(str(entry.get(key)) == "0" for entry in hard for key in keys)


def _always_pull(view: View, tenant: str) -> _Answer:
    if view.signed("images.private-pull"):
        return True, "fact images.private-pull is signed"
    return _pod(_pull, "pods with imagePullPolicy IfNotPresent")(view, tenant)


_role_bindings = _self_service(RBAC, "rolebindings")
_network_policies = _self_service("networking.k8s.io", "networkpolicies")
_SELF_SERVICE = (_role_bindings, _network_policies)

_CHECKS: tuple[tuple[str, str, Callable[[View, str], _Answer]], ...] = (
    ("MTB-PL1-CC-CPI-1", "Block access to cluster resources", _cluster_objects),
    ("MTB-PL1-BC-CPI-2", "Block access to multitenant resources", _shared_objects),
    ("MTB-PL1-BC-CPI-3", "Block add capabilities", _pod(_capability, "pods that add capabilities")),
    ("MTB-PL1-BC-CPI-4", "Require run as non-root user", _pod(_root, "pods that run as root")),
    ("MTB-PL1-BC-CPI-5", "Block privileged containers", _pod(_privileged, "privileged pods")),
    ("MTB-PL1-BC-CPI-6", "Block privilege escalation", _pod(_escalation, "pods that may escalate privileges")),
    ("MTB-PL1-BC-HI-1", "Block use of host path volumes", _pod(_host_path, "pods with host paths")),
    ("MTB-PL1-BC-HI-2", "Block use of NodePort services", _node_ports),
    ("MTB-PL1-BC-HI-3", "Block use of host networking and ports", _pod(_host_network, "pods on the host network")),
    ("MTB-PL1-BC-HI-4", "Block use of host PID", _pod(_host_pid, "pods with the host's processes")),
    ("MTB-PL1-BC-HI-5", "Block use of host IPC", _pod(_host_ipc, "pods with the host's shared memory")),
    ("MTB-PL1-CC-TI-1", "Block modification of resource quotas", _quota_rights),
    ("MTB-PL1-CC-TI-2", "Block access to other tenant resources", _other_tenants),
    ("MTB-PL1-CC-FNS-1", "Configure namespace resource quotas", _bounded(_RESOURCES)),
    ("MTB-PL1-CC-FNS-2", "Configure namespace object limits", _bounded(_OBJECTS)),
    ("MTB-PL1-CC-DI-1", "Require always imagePullPolicy", _always_pull),
    ("MTB-PL2-BC-OPS-3", "Create Role Bindings", _role_bindings),
    ("MTB-PL2-BC-OPS-4", "Create Network Policies", _network_policies),
)


def failing(checks: tuple[Check, ...]) -> Iterator[Check]:
    """Yield the checks that do not pass."""
    return (check for check in checks if check.verdict is not Verdict.PROVED)
