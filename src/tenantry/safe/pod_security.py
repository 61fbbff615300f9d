"""Pod Security Standards, each check as of the version a namespace asks for.

Source: Kubernetes, ``staging/src/k8s.io/pod-security-admission/{api,policy}``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tenantry.safe.admission import items, mapping
from tenantry.safe.pods import containers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tenantry.model.manifest import Body

ENFORCE = "pod-security.kubernetes.io/enforce"
ENFORCE_VERSION = "pod-security.kubernetes.io/enforce-version"

PRIVILEGED, BASELINE, RESTRICTED = "privileged", "baseline", "restricted"

LATEST = (1, 9999)
Version = tuple[int, int]

_CAPABILITIES = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
        *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    }
)
_SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
_SYSCTLS: tuple[tuple[Version, frozenset[str]], ...] = (
    (
        (1, 0),
        frozenset(
            {
                "kernel.shm_rmid_forced",
                "net.ipv4.ip_local_port_range",
                "net.ipv4.tcp_syncookies",
                "net.ipv4.ping_group_range",
                "net.ipv4.ip_unprivileged_port_start",
            }
        ),
    ),
    ((1, 27), frozenset({"net.ipv4.ip_local_reserved_ports"})),
    (
        (1, 29),
        frozenset(
            {
                "net.ipv4.tcp_keepalive_time",
                "net.ipv4.tcp_fin_timeout",
                "net.ipv4.tcp_keepalive_intvl",
                "net.ipv4.tcp_keepalive_probes",
            }
        ),
    ),
    ((1, 32), frozenset({"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"})),
)
_VOLUMES = frozenset(
    {
        *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected"),
        "secret",
    }
)
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


class Level(NamedTuple):
    """What a namespace enforces."""

    name: str
    version: Version


def enforced(labels: Mapping[str, str]) -> Level:
    """Return what labels of a namespace enforce; a value that is no level counts as ``restricted``, as there."""
    name = labels.get(ENFORCE, PRIVILEGED)
    if name not in {PRIVILEGED, BASELINE, RESTRICTED}:
        return Level(RESTRICTED, LATEST)
    match = re.fullmatch(r"v(\d+)\.(\d+)", labels.get(ENFORCE_VERSION, "latest"))
    return Level(name, (int(match[1]), int(match[2])) if match else LATEST)


def refusal(level: Level, pod: Body) -> str:
    """Return why a pod is refused at a level, the name of the check first; empty when it is let in."""
    if level.name == BASELINE and _asks_nothing(pod):
        return ""
    for check in _checks(level):
        told = check(pod, level.version)
        if told:
            return told
    return ""


def looks_again(pod: Body, old: Body) -> bool:
    """Whether a change of a pod is looked at: only other images and further containers are.

    Whatever else changes is let pass, also where the pod itself would be refused.
    """
    return any(_images(pod, name) != _images(old, name) for name in ("containers", "initContainers")) or not (
        _images(pod, "ephemeralContainers").items() <= _images(old, "ephemeralContainers").items()
    )


def _images(pod: Body, name: str) -> dict[str, object]:
    return {str(item.get("name")): item.get("image") for item in items(_spec(pod).get(name))}


# What the checks of ``baseline`` look at. Most pods have nothing of it, which is seen at once.
_OF_THE_POD = ("hostNetwork", "hostPID", "hostIPC", "securityContext", "volumes")
_OF_A_CONTAINER = ("securityContext", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe")


def _asks_nothing(pod: Body) -> bool:
    """Whether a pod has no field that ``baseline`` looks at."""
    spec = _spec(pod)
    if any(spec.get(name) for name in _OF_THE_POD) or mapping(pod.get("metadata")).get("annotations"):
        return False
    for _, container in containers_of(pod):
        if any(container.get(name) for name in _OF_A_CONTAINER):
            return False
        if any(port.get("hostPort") for port in items(container.get("ports"))):
            return False
    return True


def _checks(level: Level) -> tuple[Callable[[Body, Version], str], ...]:
    if level.name == PRIVILEGED:
        return ()
    return (*_BASELINE, *(_RESTRICTED if level.name == RESTRICTED else ()))


def _spec(pod: Body) -> Body:
    return mapping(pod.get("spec"))


def _context(container: Body) -> Body:
    return mapping(container.get("securityContext"))


def _contexts(pod: Body) -> Iterator[Body]:
    """Yield the security context of the pod and those of its containers."""
    yield mapping(_spec(pod).get("securityContext"))
    for _, container in containers_of(pod):
        yield _context(container)


def _windows(pod: Body, version: Version) -> bool:
    return version >= (1, 25) and mapping(_spec(pod).get("os")).get("name") == "windows"


def _user_namespace(pod: Body, version: Version) -> bool:
    return version >= (1, 35) and _spec(pod).get("hostUsers") is False


def _host_namespaces(pod: Body, version: Version) -> str:
    del version
    used = [name for name in ("hostNetwork", "hostPID", "hostIPC") if _spec(pod).get(name) is True]
    return f"host namespaces: {', '.join(used)}" if used else ""


def _privileged(pod: Body, version: Version) -> str:
    del version
    return "privileged" if any(_context(item).get("privileged") is True for _, item in containers_of(pod)) else ""


def _added(container: Body) -> list[str]:
    added = mapping(_context(container).get("capabilities")).get("add")
    return [str(item) for item in added] if isinstance(added, list) else []


def _baseline_capabilities(pod: Body, version: Version) -> str:
    del version
    wrong = sorted({name for _, item in containers_of(pod) for name in _added(item)} - _CAPABILITIES)
    return f"non-default capabilities: {', '.join(wrong)}" if wrong else ""


def _host_path(pod: Body, version: Version) -> str:
    del version
    return "hostPath volumes" if any("hostPath" in item for item in items(_spec(pod).get("volumes"))) else ""


def _host_ports(pod: Body, version: Version) -> str:
    del version
    ports = (port.get("hostPort") for _, item in containers_of(pod) for port in items(item.get("ports")))
    return "hostPort" if any(port not in {None, 0} for port in ports if not isinstance(port, (dict, list))) else ""


def _app_armor(pod: Body, version: Version) -> str:
    del version
    annotations = mapping(mapping(pod.get("metadata")).get("annotations"))
    values = [str(value) for key, value in annotations.items() if str(key).startswith(_APPARMOR)]
    wrong = [value for value in values if value not in {"", "runtime/default"} and not value.startswith("localhost/")]
    for context in _contexts(pod):
        kind = mapping(context.get("appArmorProfile")).get("type")
        if kind not in {None, "RuntimeDefault", "Localhost"}:
            wrong.append(str(kind))
    return f"forbidden AppArmor profiles: {', '.join(sorted(wrong))}" if wrong else ""


def _selinux(pod: Body, version: Version) -> str:
    types = _SELINUX_TYPES | ({"container_engine_t"} if version >= (1, 31) else set())
    for context in _contexts(pod):
        options = mapping(context.get("seLinuxOptions"))
        if str(options.get("type") or "") not in types or options.get("user") or options.get("role"):
            return "seLinuxOptions"
    return ""


def _proc_mount(pod: Body, version: Version) -> str:
    return "" if _user_namespace(pod, version) else _any_proc_mount(pod, version)


def _any_proc_mount(pod: Body, version: Version) -> str:
    del version
    mounts = {str(_context(item).get("procMount") or "Default") for _, item in containers_of(pod)}
    return "procMount" if mounts - {"Default"} else ""


def _seccomp_of(context: Body) -> object:
    return mapping(context.get("seccompProfile")).get("type")


def _baseline_seccomp(pod: Body, version: Version) -> str:
    if version < (1, 19):
        annotations = mapping(mapping(pod.get("metadata")).get("annotations"))
        keys = ("seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/")
        values = [str(value) for key, value in annotations.items() if str(key).startswith(keys)]
        return "seccompProfile" if "unconfined" in values else ""
    return "seccompProfile" if any(_seccomp_of(item) == "Unconfined" for item in _contexts(pod)) else ""


def _sysctls(pod: Body, version: Version) -> str:
    allowed = {name for since, names in _SYSCTLS if version >= since for name in names}
    used = {str(item.get("name")) for item in items(mapping(_spec(pod).get("securityContext")).get("sysctls"))}
    wrong = sorted(used - allowed)
    return f"forbidden sysctls: {', '.join(wrong)}" if wrong else ""


def _host_process(pod: Body, version: Version) -> str:
    del version
    used = any(mapping(item.get("windowsOptions")).get("hostProcess") is True for item in _contexts(pod))
    return "hostProcess" if used else ""


def _probe_hosts(pod: Body, version: Version) -> str:
    if version < (1, 34):
        return ""
    for _, item in containers_of(pod):
        lifecycle = mapping(item.get("lifecycle"))
        probes = [item.get(name) for name in ("livenessProbe", "readinessProbe", "startupProbe")]
        for handler in (*probes, lifecycle.get("postStart"), lifecycle.get("preStop")):
            for form in ("httpGet", "tcpSocket"):
                if mapping(mapping(handler).get(form)).get("host"):
                    return "probe or lifecycle host"
    return ""


def _restricted_volumes(pod: Body, version: Version) -> str:
    del version
    wrong = [str(item.get("name")) for item in items(_spec(pod).get("volumes")) if not _VOLUMES & item.keys()]
    return f"restricted volume types: {', '.join(sorted(wrong))}" if wrong else ""


def _privilege_escalation(pod: Body, version: Version) -> str:
    if version < (1, 8) or _windows(pod, version):
        return ""
    open_ = any(_context(item).get("allowPrivilegeEscalation") is not False for _, item in containers_of(pod))
    return "allowPrivilegeEscalation != false" if open_ else ""


def _non_root(pod: Body, version: Version) -> str:
    if _user_namespace(pod, version):
        return ""
    of_pod = mapping(_spec(pod).get("securityContext")).get("runAsNonRoot")
    for _, item in containers_of(pod):
        own = _context(item).get("runAsNonRoot")
        if own is False or (own is None and of_pod is not True):
            return "runAsNonRoot != true"
    return "runAsNonRoot != true" if of_pod is False else ""


def _root_user(pod: Body, version: Version) -> str:
    if version < (1, 23) or _user_namespace(pod, version):
        return ""
    return "runAsUser=0" if any(_is_zero(context.get("runAsUser")) for context in _contexts(pod)) else ""


def _is_zero(value: object) -> bool:
    return value == 0 and not isinstance(value, bool)


def _restricted_seccomp(pod: Body, version: Version) -> str:
    if version < (1, 19) or _windows(pod, version):
        return ""
    good = {"RuntimeDefault", "Localhost"}
    of_pod = _seccomp_of(mapping(_spec(pod).get("securityContext")))
    if of_pod is not None and of_pod not in good:
        return "seccompProfile"
    for _, item in containers_of(pod):
        own = _seccomp_of(_context(item))
        if (own is None and of_pod is None) or (own is not None and own not in good):
            return "seccompProfile"
    return ""


def _restricted_capabilities(pod: Body, version: Version) -> str:
    if version < (1, 22) or _windows(pod, version):
        return ""
    for _, item in containers_of(pod):
        dropped = mapping(_context(item).get("capabilities")).get("drop")
        if not isinstance(dropped, list) or "ALL" not in dropped or set(_added(item)) - {"NET_BIND_SERVICE"}:
            return "unrestricted capabilities"
    return ""


_BASELINE = (
    _app_armor,
    _baseline_capabilities,
    _host_namespaces,
    _host_path,
    _host_ports,
    _privileged,
    _proc_mount,
    _selinux,
    _baseline_seccomp,
    _sysctls,
    _host_process,
    _probe_hosts,
)
# Only the checks that `restricted` adds; where it overrides one of baseline it is the stricter.
_RESTRICTED = (
    _any_proc_mount,
    _privilege_escalation,
    _restricted_capabilities,
    _restricted_volumes,
    _non_root,
    _root_user,
    _restricted_seccomp,
)
