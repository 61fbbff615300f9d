"""Pods that break out of their node or look at it: each the plainest pod with one thing added."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from tenantry.safe.pods import IMAGE, plain_pod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.manifest import Body

# Capabilities that reach the kernel, other processes, every file or the network of others.
CAPABILITIES = (
    *("ALL", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "SYS_RAWIO", "DAC_READ_SEARCH", "NET_ADMIN", "NET_RAW", "BPF"),
    *("PERFMON", "SYS_BOOT", "SYS_TIME", "SYSLOG", "MAC_ADMIN", "MAC_OVERRIDE", "CHECKPOINT_RESTORE"),
)
# Files of a node that lead to its root user, its container runtime, tokens of its pods, or its devices.
HOST_PATHS = (
    *("/", "/dev", "/etc", "/etc/kubernetes", "/proc", "/root", "/run/containerd/containerd.sock"),
    *("/run/crio/crio.sock", "/sys", "/usr", "/var/lib/kubelet", "/var/log", "/var/run/docker.sock"),
)
APP_ARMOR = "AppArmor Unconfined"
PROC = "an unmasked /proc"
NOT_ON_OPENSHIFT = frozenset({APP_ARMOR, PROC})
"""What leads nowhere on OpenShift: its nodes use SELinux in place of AppArmor, and the API server (Kubernetes 1.30 and
later, ``pkg/apis/core/validation``) lets /proc be unmasked in a user namespace only."""

POSITIONS = ("containers", "initContainers", "ephemeralContainers")


@dataclass(frozen=True)
class Escape:
    """A pod that should not be let in.

    Attributes:
        primitive: what it uses, in words.
        position: where in the pod the container stands that uses it.
        pod: the pod, in no namespace.
    """

    primitive: str
    position: str
    pod: Body

    @property
    def added_later(self) -> bool:
        """Whether it comes about by adding a container to a pod that runs."""
        return self.position == "ephemeralContainers"


def placed(pod: Body, namespace: str, account: str = "") -> Body:
    """Return a pod in a namespace, as a service account."""
    spec = {**pod["spec"], **({"serviceAccountName": account} if account else {})}
    return {**pod, "metadata": {**pod["metadata"], "namespace": namespace}, "spec": spec}


@cache
def escapes(*, openshift: bool = False) -> tuple[Escape, ...]:
    """Return all of them that lead anywhere on a distribution, worst first."""
    return tuple(item for item in _escapes() if not openshift or item.primitive not in NOT_ON_OPENSHIFT)


def _escapes() -> Iterator[Escape]:
    for position in POSITIONS:
        yield _context("a privileged container", position, privileged=True)
    for field in ("hostPID", "hostIPC", "hostNetwork"):
        yield _pod(field, {field: True})
    for path in HOST_PATHS:
        yield _host_path(path, read_only=False)
        yield _host_path(path, read_only=True)
    for position in POSITIONS:
        for name in CAPABILITIES:
            yield _context(f"capability {name}", position, capabilities={"drop": ["ALL"], "add": [name]})
    for position in POSITIONS:
        yield _context("seccomp Unconfined", position, seccompProfile={"type": "Unconfined"})
        yield _context(APP_ARMOR, position, appArmorProfile={"type": "Unconfined"})
        yield _context(PROC, position, procMount="Unmasked")
        yield _context("SELinux type spc_t", position, seLinuxOptions={"type": "spc_t"})
    yield from _of_the_pod()
    for position in POSITIONS[:2]:
        yield _container("a host port", position, ports=[{"containerPort": 80, "hostPort": 80}])


def _of_the_pod() -> Iterator[Escape]:
    security = plain_pod("")["spec"]["securityContext"]
    yield _pod("seccomp Unconfined", {"securityContext": {**security, "seccompProfile": {"type": "Unconfined"}}})
    yield _pod(APP_ARMOR, {"securityContext": {**security, "appArmorProfile": {"type": "Unconfined"}}})
    yield _pod("SELinux type spc_t", {"securityContext": {**security, "seLinuxOptions": {"type": "spc_t"}}})
    annotated = plain_pod("")
    annotated["metadata"]["annotations"] = {"container.apparmor.security.beta.kubernetes.io/main": "unconfined"}
    yield Escape(APP_ARMOR, "annotations", annotated)


def _pod(primitive: str, spec: dict[str, Any]) -> Escape:
    pod = plain_pod("")
    pod["spec"].update(spec)
    return Escape(primitive, "pod", pod)


def _context(primitive: str, position: str, **context: Any) -> Escape:
    own = deepcopy(plain_pod("")["spec"]["containers"][0]["securityContext"])
    own.update(context)
    if own.get("privileged") or "SYS_ADMIN" in own["capabilities"].get("add", ()):
        # The API server refuses them together.
        del own["allowPrivilegeEscalation"]
    return _container(primitive, position, securityContext=own)


def _container(primitive: str, position: str, **fields: Any) -> Escape:
    pod = plain_pod("")
    main = pod["spec"]["containers"][0]
    if position == "containers":
        main.update(fields)
    else:
        other = {"name": "other", "image": IMAGE, "securityContext": deepcopy(main["securityContext"]), **fields}
        pod["spec"][position] = [other]
    return Escape(primitive, position, pod)


def _host_path(path: str, *, read_only: bool) -> Escape:
    pod = plain_pod("")
    pod["spec"]["volumes"] = [{"name": "host", "hostPath": {"path": path}}]
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "host", "mountPath": "/host", "readOnly": read_only}]
    return Escape(f"hostPath {path}{' (read-only)' if read_only else ''}", "volumes", pod)
