"""OpenShift's SecurityContextConstraints: which of them let a pod in, after the defaults they would fill in.

Source: OpenShift, apiserver-library-go ``pkg/securitycontextconstraints/{sccadmission,sccmatching}``, openshift/api
``security/v1``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tenantry.safe.admission import items, mapping
from tenantry.safe.pods import containers_of
from tenantry.safe.rbac import texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tenantry.model.manifest import Body

GROUP = "security.openshift.io"
KIND = "SecurityContextConstraints"
RESOURCE = "securitycontextconstraints"
RUN_LEVEL = "openshift.io/run-level"
_UID_RANGE = "openshift.io/sa.scc.uid-range"
_MCS = "openshift.io/sa.scc.mcs"

# Names of volume types that differ from the field of the pod.
_VOLUME_TYPES = {"cephfs": "cephFS", "storageos": "storageOS", "vsphereVolume": "vsphere"}
_SECCOMP = {"RuntimeDefault": "runtime/default", "Unconfined": "unconfined"}


def refusal(constraints: Body, pod: Body, annotations: Mapping[str, str]) -> str:
    """Return why constraints refuse a pod; empty when they let it in.

    Args:
        constraints: the SecurityContextConstraints.
        pod: the pod as submitted.
        annotations: annotations of its namespace, which hold its user and label ranges.
    """
    for told in _problems(constraints, pod, annotations):
        if told:
            return told
    return ""


def _problems(scc: Body, pod: Body, annotations: Mapping[str, str]) -> Iterator[str]:
    spec = mapping(pod.get("spec"))
    yield _host_namespaces(scc, spec)
    yield _volumes(scc, spec)
    yield _sysctls(scc, mapping(spec.get("securityContext")))
    if scc.get("userNamespaceLevel") == "RequirePodLevel" and spec.get("hostUsers") is not False:
        yield "hostUsers must be false"
    of_pod = mapping(spec.get("securityContext"))
    yield _context(scc, of_pod, annotations)
    for _, container in containers_of(pod):
        context = mapping(container.get("securityContext"))
        yield _context(scc, context, annotations)
        yield _container(scc, container, context)
        yield _non_root(scc, context, of_pod)


def _host_namespaces(scc: Body, spec: Body) -> str:
    pairs = (("hostNetwork", "allowHostNetwork"), ("hostPID", "allowHostPID"), ("hostIPC", "allowHostIPC"))
    wrong = [field for field, allowed in pairs if spec.get(field) is True and scc.get(allowed) is not True]
    return f"host namespaces: {', '.join(wrong)}" if wrong else ""


def _volumes(scc: Body, spec: Body) -> str:
    listed = scc.get("volumes")
    allowed = set(texts(listed)) if isinstance(listed, list) else {"*"}
    if scc.get("allowHostDirVolumePlugin") is True:
        allowed.add("hostPath")
    elif "*" in allowed:
        allowed = {"* but hostPath"}
    for volume in items(spec.get("volumes")):
        kinds = {_VOLUME_TYPES.get(key, key) for key in volume if key != "name"} or {"emptyDir"}
        free = "*" in allowed or ("* but hostPath" in allowed and "hostPath" not in kinds)
        if not free and not kinds <= allowed:
            return f"volumes: {', '.join(sorted(kinds - allowed))}"
    return ""


def _sysctls(scc: Body, context: Body) -> str:
    forbidden = texts(scc.get("forbiddenSysctls"))
    for entry in items(context.get("sysctls")):
        name = str(entry.get("name"))
        if any(_pattern(pattern, name) for pattern in forbidden):
            return f"sysctl {name}"
    return ""


def _pattern(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _container(scc: Body, container: Body, context: Body) -> str:
    if context.get("privileged") is True and scc.get("allowPrivilegedContainer") is not True:
        return "privileged"
    if context.get("allowPrivilegeEscalation") is True and scc.get("allowPrivilegeEscalation", True) is not True:
        return "allowPrivilegeEscalation"
    allowed = {*texts(scc.get("allowedCapabilities")), *texts(scc.get("defaultAddCapabilities"))}
    added = {name.removeprefix("CAP_") for name in texts(mapping(context.get("capabilities")).get("add"))}
    if "*" not in allowed and added - allowed:
        return f"capabilities: {', '.join(sorted(added - allowed))}"
    ports = [port.get("hostPort") for port in items(container.get("ports"))]
    if any(port not in {None, 0} for port in ports if not isinstance(port, (dict, list))):
        return "" if scc.get("allowHostPorts") is True else "hostPort"
    if scc.get("readOnlyRootFilesystem") is True and context.get("readOnlyRootFilesystem") is False:
        return "readOnlyRootFilesystem"
    return ""


def _context(scc: Body, context: Body, annotations: Mapping[str, str]) -> str:
    return _user(scc, context, annotations) or _selinux(scc, context, annotations) or _seccomp(scc, context)


def _user(scc: Body, context: Body, annotations: Mapping[str, str]) -> str:
    user = context.get("runAsUser")
    if not isinstance(user, int) or isinstance(user, bool):
        return ""
    strategy = mapping(scc.get("runAsUser"))
    kind = strategy.get("type")
    if kind == "RunAsAny":
        return ""
    if user == 0 and kind == "MustRunAsNonRoot":
        return "runAsUser=0"
    if kind == "MustRunAs":
        return "" if user == strategy.get("uid") else "runAsUser"
    if kind == "MustRunAsRange":
        first, last = _range(strategy, annotations)
        return "" if first <= user <= last else "runAsUser"
    return ""


def _range(strategy: Body, annotations: Mapping[str, str]) -> tuple[int, int]:
    """Return the users allowed; every one but root where the namespace has not been given its range yet."""
    first, last = strategy.get("uidRangeMin"), strategy.get("uidRangeMax")
    if isinstance(first, int) and isinstance(last, int):
        return first, last
    if match := re.fullmatch(r"(\d+)/(\d+)", annotations.get(_UID_RANGE, "")):
        return int(match[1]), int(match[1]) + int(match[2]) - 1
    if match := re.fullmatch(r"(\d+)-(\d+)", annotations.get(_UID_RANGE, "")):
        return int(match[1]), int(match[2])
    return 1, 2**31 - 1


def _non_root(scc: Body, context: Body, of_pod: Body) -> str:
    if mapping(scc.get("runAsUser")).get("type") not in {"MustRunAsNonRoot", "MustRunAsRange"}:
        return ""
    asked = context.get("runAsNonRoot", of_pod.get("runAsNonRoot"))
    user = context.get("runAsUser", of_pod.get("runAsUser"))
    return "runAsNonRoot=false" if asked is False and user == 0 else ""


def _selinux(scc: Body, context: Body, annotations: Mapping[str, str]) -> str:
    options = mapping(context.get("seLinuxOptions"))
    strategy = mapping(scc.get("seLinuxContext"))
    if not options or strategy.get("type") == "RunAsAny":
        return ""
    allowed = {"level": annotations.get(_MCS, ""), **mapping(strategy.get("seLinuxOptions"))}
    wrong = sorted(key for key, value in options.items() if value and value != allowed.get(key))
    return f"seLinuxOptions: {', '.join(map(str, wrong))}" if wrong else ""


def _seccomp(scc: Body, context: Body) -> str:
    profile = mapping(context.get("seccompProfile"))
    kind = profile.get("type")
    if kind is None:
        return ""
    named = (
        f"localhost/{profile.get('localhostProfile')}" if kind == "Localhost" else _SECCOMP.get(str(kind), str(kind))
    )
    allowed = texts(scc.get("seccompProfiles"))
    return "" if "*" in allowed or named in allowed else f"seccompProfile {kind}"
