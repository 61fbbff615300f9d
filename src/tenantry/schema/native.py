"""What the API server checks in Go for its own kinds, as far as it concerns GPUs, quotas and pods.

Source: kubernetes/kubernetes, pkg/apis/core/validation/validation.go, pkg/apis/apps/validation/validation.go,
pkg/apis/core/helper/helpers.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tenantry.model.manifest import Body
from tenantry.model.problem import DocPath, nearest_name
from tenantry.model.quantity import Quantity, parse_quantity
from tenantry.schema import rules
from tenantry.schema.issue import SchemaIssue
from tenantry.schema.limit_ranges import limit_range_issues

_POD_SPEC: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): ("spec",),
    ("", "PodTemplate"): ("template", "spec"),
    ("", "ReplicationController"): ("spec", "template", "spec"),
    ("apps", "DaemonSet"): ("spec", "template", "spec"),
    ("apps", "Deployment"): ("spec", "template", "spec"),
    ("apps", "ReplicaSet"): ("spec", "template", "spec"),
    ("apps", "StatefulSet"): ("spec", "template", "spec"),
    ("batch", "Job"): ("spec", "template", "spec"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template", "spec"),
}
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")

_CONTAINER_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
_COMPUTE = ("cpu", "memory", "storage", "ephemeral-storage")
_COUNTED = (
    *("pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps"),
    *("persistentvolumeclaims", "services.nodeports", "services.loadbalancers"),
)
_QUOTA_KEYS = frozenset(
    {*_COUNTED, "cpu", "memory", "ephemeral-storage", "storage"}
    | {f"requests.{name}" for name in _COMPUTE}
    | {f"limits.{name}" for name in _COMPUTE if name != "storage"}
)
_QUOTA_SUFFIXES = (
    ".storageclass.storage.k8s.io/requests.storage",
    ".storageclass.storage.k8s.io/persistentvolumeclaims",
    ".volumeattributesclass.storage.k8s.io/requests.storage",
    ".volumeattributesclass.storage.k8s.io/persistentvolumeclaims",
    ".deviceclass.resource.k8s.io/devices",
)
_POD_SECURITY = "pod-security.kubernetes.io/"
_MODES = ("audit", "enforce", "warn")
_LEVELS = ("baseline", "privileged", "restricted")
_POD_SECURITY_VERSION = re.compile(r"latest|v1\.(0|[1-9][0-9]*)", re.ASCII)
_HUGE_PAGES = ("hugepages-", "requests.hugepages-")


def native_issues(group: str, kind: str, body: Body) -> Iterator[SchemaIssue]:
    """Check a native object beyond its schema. Parts of the wrong type are left to the schema."""
    path = _POD_SPEC.get((group, kind))
    if path is not None:
        pod = _inside(body, path)
        if isinstance(pod, dict):
            claims = _inside(body, ("spec", "volumeClaimTemplates")) if kind == "StatefulSet" else None
            names = [_inside(claim, ("metadata", "name")) for claim in _maps(claims)]
            names += [volume.get("name") for volume in _maps(pod.get("volumes"))]
            yield from _pod_issues(pod, {name for name in names if isinstance(name, str)}, path)
        if group == "apps":
            yield from _selector_issues(body)
    elif (group, kind) == ("", "ResourceQuota"):
        yield from _quota_issues(body)
    elif (group, kind) == ("", "LimitRange"):
        yield from limit_range_issues(body)
    elif (group, kind) in {("", "PersistentVolumeClaim"), ("", "PersistentVolume")}:
        yield from _storage_issues(body)
    elif (group, kind) == ("", "Namespace"):
        yield from _pod_security_issues(body)
    elif (group, kind) == ("", "Service"):
        yield from _port_issues(body)
    elif (group, kind) == ("", "Node"):
        yield from _taint_issues(body)
    elif (group, kind) == ("apiextensions.k8s.io", "CustomResourceDefinition"):
        yield from _crd_name_issues(body)


def _pod_issues(pod: Body, volumes: set[str], path: DocPath) -> Iterator[SchemaIssue]:
    for field in _CONTAINERS:
        containers = pod.get(field)
        for index, container in enumerate(containers if isinstance(containers, list) else ()):
            if isinstance(container, dict):
                here = (*path, field, index)
                yield from _mount_issues(container, volumes, here)
                yield from _resource_issues(container.get("resources"), (*here, "resources"))


def _mount_issues(container: Body, volumes: set[str], path: DocPath) -> Iterator[SchemaIssue]:
    mounts = container.get("volumeMounts")
    for index, mount in enumerate(mounts if isinstance(mounts, list) else ()):
        name = mount.get("name") if isinstance(mount, dict) else None
        if isinstance(name, str) and name not in volumes:
            yield SchemaIssue(
                rules.REFERENCE,
                (*path, "volumeMounts", index, "name"),
                f"there is no volume '{name}' in the pod: the API server refuses the object",
                expected="the name of a volume of the pod",
                found=name,
                fix=f"add a volume '{name}' or mount another",
            )


def _resource_issues(resources: object, path: DocPath) -> Iterator[SchemaIssue]:
    if not isinstance(resources, dict):
        return
    amounts = {field: _amounts(resources.get(field)) for field in ("requests", "limits")}
    for field, named in amounts.items():
        for name, amount in named.items():
            yield from _amount_issues(name, amount, (*path, field, name))
    requests, limits = amounts["requests"], amounts["limits"]
    for name, amount in requests.items():
        limit = limits.get(name)
        here = (*path, "requests", name)
        if _is_extended(name):
            if limit is None:
                text = f"{name} is requested without a limit of the same amount"
                yield _quantity_issue(here, text, str(amount), f"set limits.{name} to {amount}")
            elif limit != amount:
                text = f"{name} is requested {amount} times but limited to {limit}; both must be equal"
                yield _quantity_issue(here, text, str(amount), f"set requests.{name} to {limit}")
        elif limit is not None and amount > limit:
            text = f"the request of {amount} {name} is above the limit of {limit}"
            yield _quantity_issue(here, text, str(amount), f"request at most {limit}")


def _amount_issues(name: str, amount: Quantity, path: DocPath) -> Iterator[SchemaIssue]:
    if amount.nanos < 0:
        yield _quantity_issue(path, f"{name} is negative", str(amount), "write zero or more")
    if _is_extended(name):
        if not amount.is_whole:
            yield _quantity_issue(path, f"{name} is counted in whole devices, but is {amount}", str(amount), "")
    elif "/" not in name and name not in _CONTAINER_RESOURCES and not name.startswith("hugepages-"):
        text = f"containers have no '{name}'; devices are named with their domain, such as nvidia.com/gpu"
        yield SchemaIssue(rules.QUANTITY, path, f"{text}: the API server refuses the object", found=name, at_key=True)


def _quantity_issue(path: DocPath, text: str, found: str, fix: str) -> SchemaIssue:
    return SchemaIssue(rules.QUANTITY, path, f"{text}: the API server refuses the object", found=found, fix=fix)


def _selector_issues(body: Body) -> Iterator[SchemaIssue]:
    wanted = _inside(body, ("spec", "selector", "matchLabels"))
    labels = _inside(body, ("spec", "template", "metadata", "labels"))
    labels = labels if isinstance(labels, dict) else {}
    for key, value in wanted.items() if isinstance(wanted, dict) else ():
        if labels.get(key) != value:
            yield SchemaIssue(
                rules.REFERENCE,
                ("spec", "selector", "matchLabels", key),
                f"the selector asks for {key}={value}, which the pod template lacks: the API server refuses the object",
                expected=f"spec.template.metadata.labels with {key}={value}",
                found=str(labels.get(key, "")),
                fix=f"add the label {key}: {value} to the pod template",
            )


def _quota_issues(body: Body) -> Iterator[SchemaIssue]:
    for name, amount in _amounts(_inside(body, ("spec", "hard"))).items():
        path = ("spec", "hard", name)
        if amount.nanos < 0:
            yield _quantity_issue(path, f"{name} is negative", str(amount), "write zero or more")
        if _is_counted(name) and not amount.is_whole:
            yield _quantity_issue(path, f"{name} is counted in whole objects, but is {amount}", str(amount), "")
        if _limits_something(name):
            continue
        bare = name.removeprefix("limits.").removeprefix("requests.")
        if "/" in name:
            meant = f"requests.{bare}"
            text = f"'{name}' limits nothing: a quota counts devices only under the name '{meant}'"
        else:
            meant = ""
            text = f"'{name}' is nothing a quota counts: the API server refuses the object"
        yield SchemaIssue(
            rules.QUOTA_KEY,
            path,
            text,
            expected=meant,
            found=name,
            nearest=meant or None,
            fix=f"rename it to '{meant}'" if meant else f"remove '{name}'",
            at_key=True,
        )


def _is_counted(name: str) -> bool:
    """Whether a quota takes whole numbers only. Source: pkg/apis/core/helper/helpers.go, IsIntegerResourceName."""
    return name in _COUNTED or (_is_extended(name) and not name.startswith("requests."))


def _limits_something(name: str) -> bool:
    return (
        name in _QUOTA_KEYS
        or name.startswith((*_HUGE_PAGES, "count/"))
        or name.endswith(_QUOTA_SUFFIXES)
        or (name.startswith("requests.") and _is_extended(name.removeprefix("requests.")))
    )


def _pod_security_issues(body: Body) -> Iterator[SchemaIssue]:
    """Check the labels that Pod Security reads; its admission plugin refuses what it cannot read.

    Source: k8s.io/pod-security-admission, api/helpers.go.
    """
    labels = _inside(body, ("metadata", "labels"))
    for key, value in labels.items() if isinstance(labels, dict) else ():
        mode = str(key).removeprefix(_POD_SECURITY)
        if mode == key or not isinstance(value, str):
            continue
        if mode in _MODES and value not in _LEVELS:
            expected = f"one of {', '.join(_LEVELS)}"
        elif (
            mode.removesuffix("-version") in _MODES
            and mode not in _MODES
            and not _POD_SECURITY_VERSION.fullmatch(value)
        ):
            expected = "'latest' or a version such as v1.34"
        else:
            continue
        yield SchemaIssue(
            rules.ENUM,
            ("metadata", "labels", key),
            f"'{value}' is no value of {key}, which must be {expected}: the API server refuses the object",
            expected=expected,
            found=value,
            nearest=nearest_name(value, _LEVELS),
        )


def _storage_issues(body: Body) -> Iterator[SchemaIssue]:
    for path in (("spec", "resources", "requests"), ("spec", "capacity")):
        amount = _amounts(_inside(body, path)).get("storage")
        if amount is not None and amount.nanos <= 0:
            yield _quantity_issue((*path, "storage"), "there must be some storage", str(amount), "write more than zero")


def _port_issues(body: Body) -> Iterator[SchemaIssue]:
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return
    ports = spec.get("ports") or []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield SchemaIssue(
            rules.REQUIRED,
            ("spec", "ports"),
            "the service has no port although it has an address of its own: the API server refuses the object",
            expected="a port, type ExternalName or clusterIP None",
            fix="add a port",
        )
    for index, port in enumerate(ports if isinstance(ports, list) and len(ports) > 1 else ()):
        if isinstance(port, dict) and not port.get("name"):
            yield SchemaIssue(
                rules.REQUIRED,
                ("spec", "ports", index, "name"),
                "a service with several ports needs a name for each: the API server refuses the object",
                expected="name",
                fix="add 'name'",
            )


def _taint_issues(body: Body) -> Iterator[SchemaIssue]:
    """Find taints of one key and effect, which a node holds once; the list is no map for those who apply it."""
    taints = _inside(body, ("spec", "taints"))
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints if isinstance(taints, list) else ()):
        if isinstance(taint, dict):
            key = str(taint.get("key")), str(taint.get("effect"))
            if key in seen:
                yield SchemaIssue(
                    rules.DUPLICATE_KEY,
                    ("spec", "taints", index),
                    f"the node has the taint {key[0]} with effect {key[1]} twice: the API server refuses the object",
                    expected="taints that differ in key or effect",
                    found=f"{key[0]}:{key[1]}",
                    fix="remove one of the two",
                )
            seen.add(key)


def _crd_name_issues(body: Body) -> Iterator[SchemaIssue]:
    plural, group = _inside(body, ("spec", "names", "plural")), _inside(body, ("spec", "group"))
    name = _inside(body, ("metadata", "name"))
    if all(isinstance(part, str) for part in (plural, group, name)) and name != f"{plural}.{group}":
        yield SchemaIssue(
            rules.NAME,
            ("metadata", "name"),
            f"the name must be '{plural}.{group}', plural and group, but is '{name}': the API server refuses it",
            expected=f"{plural}.{group}",
            found=str(name),
            fix=f"rename it to '{plural}.{group}'",
        )


def _is_extended(name: str) -> bool:
    """Whether a name is that of a device counted by a device plugin: with a domain, and not Kubernetes' own."""
    return "/" in name and "kubernetes.io/" not in name


def _amounts(value: object) -> dict[str, Quantity]:
    """Read a map of quantities, passing over what cannot be read: the schema reports it."""
    found = {}
    for name, amount in value.items() if isinstance(value, dict) else ():
        if isinstance(name, str) and isinstance(amount, str | int | float):
            try:
                found[name] = parse_quantity(amount)
            except ValueError:
                continue
    return found


def _maps(value: object) -> Iterator[Body]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _inside(body: object, path: tuple[str, ...]) -> Any:
    for step in path:
        if not isinstance(body, dict):
            return None
        body = body.get(step)
    return body
