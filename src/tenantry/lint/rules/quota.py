"""Quotas, and the extended resources that pods and quotas name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tenantry.lint.advertised import NVIDIA_PREFIX, UPSTREAM_PREFIX, plugin_resources, vf_prefixes, vf_resources
from tenantry.lint.index import Index, hint, slip
from tenantry.lint.mig import (
    MIG_CONFIG,
    PLUGIN_CONFIG,
    chosen,
    entry_profiles,
    layouts,
    mig_texts,
    plugin_texts,
    profile_names,
    settings,
)
from tenantry.lint.pods import is_extended, is_gpu
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.lint.rules.attachments import vf_references
from tenantry.model.finding import Severity
from tenantry.model.gpu import GPU_RESOURCE, MIG_RESOURCE_PREFIX, SHARED_GPU_RESOURCE
from tenantry.model.problem import nearest_name
from tenantry.model.reading import at, items, mapping, quantity, text, texts

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath

_COUNTED = re.compile(r"count/.+|.+\.storageclass\.storage\.k8s\.io/.+|.+\.deviceclass\.resource\.k8s\.io/.+")
_NO_GPU_SCOPES = frozenset({"Terminating", "NotTerminating", "BestEffort", "NotBestEffort"})


def quotas(index: Index) -> Iterator[tuple[Manifest, DocPath]]:
    """Yield quotas with the path of their list of limits."""
    for manifest in index.of("", "ResourceQuota"):
        yield manifest, ("spec", "hard")
    for manifest in index.of("quota.openshift.io", "ClusterResourceQuota"):
        yield manifest, ("spec", "quota", "hard")


@rule(
    "LINT-QUOTA-KEY",
    Severity.ERROR,
    "A quota limits an extended resource under a name the API server refuses",
    why="Extended resources cannot be overcommitted, so only requests.<name> is a quota key; with any other the "
    "quota is refused and the tenant has none.",
    source="Kubernetes, Resource Quotas: quota for extended resources",
    fragments=True,
)
def _quota_key(index: Index) -> Iterator[Hit]:
    for manifest, path in quotas(index):
        for name in mapping(manifest.body, *path):
            plain = str(name)
            if "/" not in plain or plain.startswith("requests.") or _COUNTED.fullmatch(plain):
                continue
            bare = plain.removeprefix("limits.")
            if is_extended(bare):
                yield Hit(manifest, (*path, plain), f"{plain} is no quota key", f"Write requests.{bare}.")


@rule(
    "LINT-QUOTA-AMOUNT",
    Severity.ERROR,
    "A quota on an extended resource is no whole number",
    why="Devices are counted; the API server refuses fractions.",
    source="Kubernetes, extended resources",
    fragments=True,
)
def _quota_amount(index: Index) -> Iterator[Hit]:
    for manifest, path in quotas(index):
        for name, amount in mapping(manifest.body, *path).items():
            if not is_extended(str(name).removeprefix("requests.")) or _COUNTED.fullmatch(str(name)):
                continue
            value = quantity(amount)
            if value is None or value != int(value) or value < 0:
                message = f"{name} is {amount!r}, not a whole number of devices"
                yield Hit(manifest, (*path, str(name)), message, "Write a whole number.")


@rule(
    "LINT-QUOTA-SCOPE",
    Severity.ERROR,
    "A quota with a scope that does not count devices",
    why="Quotas for terminating or best-effort pods count CPU, memory and pods only; the API server refuses the "
    "object.",
    source="Kubernetes, Resource Quotas: quota scopes",
)
def _quota_scope(index: Index) -> Iterator[Hit]:
    for manifest, path in quotas(index):
        holder = mapping(manifest.body, *path[:-1])
        scopes = set(texts(holder, "scopes")) & _NO_GPU_SCOPES
        scopes |= {
            text(entry, "scopeName")
            for entry in items(holder, "scopeSelector", "matchExpressions")
            if text(entry, "scopeName") in _NO_GPU_SCOPES
        }
        for name in mapping(manifest.body, *path):
            if scopes and is_extended(str(name).removeprefix("requests.")):
                message = f"the scope {min(scopes)} does not count {name}"
                yield Hit(manifest, (*path, str(name)), message, "Move the key to a quota without scope.")


@rule(
    "LINT-POD-LIMITS",
    Severity.ERROR,
    "A container asks for an extended resource in a way the API server refuses",
    why="Limit and request of an extended resource are equal whole numbers, and a request needs a limit.",
    source="Kubernetes, assign extended resources to a container",
    fragments=True,
)
def _pod_limits(index: Index) -> Iterator[Hit]:
    for pod in index.pods:
        for container in pod.containers:
            limits = mapping(container.body, "resources", "limits")
            requests = mapping(container.body, "resources", "requests")
            for name, path in container.extended.items():
                message = _limits_fault(limits.get(name), requests.get(name))
                if message and not (pod.manifest in index.partial and name not in limits):
                    yield Hit(pod.manifest, path, f"{name}: {message}", "Write one whole number for both.")


def _limits_fault(limit: object, request: object) -> str:
    if limit is None:
        return "requested without a limit"
    most, least = quantity(limit), None if request is None else quantity(request)
    if most is None or most != int(most) or most < 0:
        return f"the limit is {limit!r}, not a whole number"
    if request is not None and least != most:
        return f"the request is {request!r} and the limit {limit!r}"
    return ""


def advertised_gpus(index: Index, scope: int) -> frozenset[str]:
    """Return the GPU resources that one deployment certainly advertises.

    MIG profiles count when a node of the set chooses their layout under the mixed strategy; shared GPUs when a
    configuration with renameByDefault is the default or is chosen by a node; whole GPUs whenever the operator is there.
    """
    found: set[str] = set()
    near = [policy for policy in settings(index) if index.scope(policy.manifest) == scope]
    if not near:
        return frozenset()
    found.add(GPU_RESOURCE)
    strategies = {policy.strategy for policy in near}
    picked = set(chosen(index, MIG_CONFIG))
    named = {text(policy.values, "migManager", "config", "name") for policy in near}
    if "mixed" in strategies:
        for holder in mig_texts(index):
            if holder.manifest.key.name in named:
                for name, entries in layouts(holder.value).items():
                    for entry in _list(entries) if name in picked else ():
                        found |= {_resource_of(profile) for profile in entry_profiles(entry)}
        found |= {_resource_of(name) for layout in picked for name in _static_profiles(index, layout)}
    defaults = {text(policy.values, "devicePlugin", "config", "default") for policy in near}
    holders = {text(policy.values, "devicePlugin", "config", "name") for policy in near}
    for holder in plugin_texts(index):
        used = holder.key in defaults or holder.key in chosen(index, PLUGIN_CONFIG)
        if used and (holder.manifest.key.name in holders or holder.manifest.key.kind != "ConfigMap"):
            found |= _shared_names(holder.value)
    return frozenset(found)


def _resource_of(profile: str) -> str:
    return MIG_RESOURCE_PREFIX + profile.replace("+", ".")


def _static_profiles(index: Index, layout: str) -> list[str]:
    """Return the profile of a layout the operator ships: ``all-1g.18gb`` and its like."""
    known = {name.replace("+", "."): name for name in profile_names(index.context.gpus)}
    own = {str(name) for holder in mig_texts(index) for name in layouts(holder.value)}
    return [known[layout[4:]]] if layout.startswith("all-") and layout[4:] in known and layout not in own else []


def _shared_names(value: Mapping[str, object]) -> set[str]:
    found = set()
    for kind in ("mps", "timeSlicing"):
        section = at(value, "sharing", kind)
        if isinstance(section, dict):
            suffix = ".shared" if section.get("renameByDefault") is True else ""
            found |= {text(entry, "name") + suffix for entry in items(section, "resources") if text(entry, "name")}
            break  # mps wins
    return found


def advertised(index: Index, scope: int) -> frozenset[str]:
    """Return every GPU, MIG, VF and shared RDMA resource one deployment advertises, by full name."""
    return index.shared(f"advertised-{scope}", lambda found: _advertised(found, scope))


def _advertised(index: Index, scope: int) -> frozenset[str]:
    prefixes = list(vf_prefixes(index)) or [UPSTREAM_PREFIX]
    known = index.shared("named", lambda found: {name for _, _, name in vf_references(found)})
    found = set(advertised_gpus(index, scope))
    for name, resource in vf_resources(index).items():
        if any(index.scope(policy) == scope for policy in resource.policies):
            spelled = {full.removeprefix("requests.").rpartition("/")[0] for full in known if full.endswith(f"/{name}")}
            # Nothing says which prefix is right when the installer is not in the set: take the one everybody writes.
            prefix = prefixes[0] if vf_prefixes(index) or len(spelled) != 1 else spelled.pop()
            found.add(f"{prefix}/{name}")
    return frozenset(found | {name for name, by in plugin_resources(index).items() if index.scope(by) == scope})


@rule(
    "LINT-QUOTA-CLOSURE",
    Severity.WARNING,
    "A tenant's quota leaves out a device the cluster advertises",
    why="A resource that a quota does not name is unlimited: a quota on nvidia.com/gpu does not bound MIG slices, "
    "shared GPUs or VFs.",
    source="Kubernetes, Resource Quotas: quota for extended resources",
)
def _quota_closure(index: Index) -> Iterator[Hit]:
    listed: dict[tuple[int, str], set[str]] = defaultdict(set)
    holders: dict[tuple[int, str], Manifest] = {}
    wide: dict[int, set[str]] = defaultdict(set)
    for manifest, path in quotas(index):
        names = {str(name).removeprefix("requests.") for name in mapping(manifest.body, *path)}
        scope = index.scope(manifest)
        if manifest.key.kind == "ClusterResourceQuota":
            wide[scope] |= names
            continue
        place = scope, manifest.key.namespace
        listed[place] |= names
        devices = any(is_gpu(name) or name.rpartition("/")[2] in vf_resources(index) for name in names)
        scoped = at(manifest.body, "spec", "scopes") or at(manifest.body, "spec", "scopeSelector")
        if not scoped and (devices or index.tenant(manifest.key.namespace)) and manifest not in index.partial:
            holders.setdefault(place, manifest)
    offers = {scope: advertised(index, scope) for scope in {scope for scope, _ in holders}}
    for (scope, namespace), manifest in holders.items():
        missing = sorted(offers[scope] - listed[scope, namespace] - wide[scope])
        if missing:
            message = f"the quota does not bound {', '.join(missing)}"
            fix = f"Add {', '.join(f'requests.{name}' for name in missing)}, 0 where not granted."
            yield Hit(manifest, ("spec", "hard"), message, fix, Severity.ERROR if index.complete else None)


@rule(
    "LINT-QUOTA-NONE",
    Severity.WARNING,
    "A tenant's namespace has no quota",
    why="Without a quota the namespace may take every device of the cluster.",
    source="Kubernetes, Resource Quotas",
)
def _quota_none(index: Index) -> Iterator[Hit]:
    if not index.complete or index.of("quota.openshift.io", "ClusterResourceQuota"):
        return
    limited = {manifest.key.namespace for manifest in index.of("", "ResourceQuota")}
    for name in sorted(index.tenant_namespaces - limited):
        manifest = index.namespaces[name]
        yield Hit(manifest, ("metadata", "name"), f"{name} has no ResourceQuota", "Add one.")


@rule(
    "LINT-RES-PROFILE",
    Severity.WARNING,
    "A MIG resource that no known GPU advertises",
    why="Names follow the profile: nvidia.com/mig- and the profile with '+' as '.'. Pods that ask for another name "
    "stay Pending, and a quota on it bounds nothing.",
    source="NVIDIA k8s-device-plugin, internal/rm/rm.go; go-nvlib, mig_profile.go",
    fragments=True,
)
def _mig_resource(index: Index) -> Iterator[Hit]:
    known = {_resource_of(name) for name in profile_names(index.context.gpus)}
    for manifest, path, name in vf_references(index):
        plain = name.removeprefix("requests.")
        if plain.startswith(MIG_RESOURCE_PREFIX) and plain not in known:
            nearest = nearest_name(plain, known) or ""
            yield Hit(manifest, path, f"no known GPU advertises {plain}{hint(nearest)}", "Correct the name.")


@rule(
    "LINT-RES-CLOSURE",
    Severity.WARNING,
    "A device is asked for that nothing in the set advertises",
    why="Pods stay Pending; a quota, a queue or a hardware profile on the name has no effect.",
    source="Kubernetes, extended resources",
)
def _resource_closure(index: Index) -> Iterator[Hit]:
    offers: dict[int, frozenset[str]] = {}
    known = vf_prefixes(index)
    for manifest, path, name in vf_references(index):
        plain = name.removeprefix("requests.")
        # A quota of 0 on what nobody advertises yet is caution, not a mistake.
        if not is_extended(plain) or _COUNTED.fullmatch(plain) or quantity(at(manifest.body, *path)) == 0:
            continue
        scope = index.scope(manifest)
        if scope not in offers:
            offers[scope] = advertised(index, scope)
        verdict = _unoffered(index, plain, offers[scope], known)
        if verdict:
            nearest = index.nearest(plain, offers[scope])
            message = f"nothing in the set advertises {plain}{hint(nearest)}"
            yield Hit(manifest, path, message, "Correct the name, or add what advertises it.", verdict)


def _unoffered(index: Index, plain: str, offers: frozenset[str], prefixes: Mapping[str, Manifest]) -> Severity | None:
    """Judge a resource that is asked for; None when it is advertised or nobody can tell."""
    domain, _, short = plain.rpartition("/")
    if plain in offers or short in vf_resources(index):
        return None  # a VF under another prefix is the prefix rule's business
    if is_gpu(plain):
        return Severity.WARNING if _never_parted(index, plain, offers) else None
    likely = domain in prefixes or (not prefixes and domain == UPSTREAM_PREFIX)
    if likely and vf_resources(index) and (domain != NVIDIA_PREFIX or slip(plain, offers)):
        return Severity.ERROR if index.complete else Severity.WARNING
    if domain == "rdma" and any(name.startswith("rdma/") for name in plugin_resources(index)):
        return None if plain in plugin_resources(index) else Severity.WARNING
    return None


def _never_parted(index: Index, plain: str, offers: frozenset[str]) -> bool:
    """Whether no configuration of the set makes a MIG or shared resource, though one is in charge of it.

    Nodes may choose any layout by labels that are set elsewhere, so every layout of the set counts as possible; layouts
    that the operator ships count when the set does not replace them.
    """
    if GPU_RESOURCE not in offers:
        return False
    slices, shared = index.shared("possible-parts", _possible)
    if plain.startswith(MIG_RESOURCE_PREFIX):
        return slices is not None and plain not in slices
    return plain == SHARED_GPU_RESOURCE and plain not in shared and (bool(plugin_texts(index)) or index.complete)


def _possible(index: Index) -> tuple[frozenset[str] | None, frozenset[str]]:
    """Return the MIG resources of all layouts, None when the operator's own are used, and the shared resources."""
    named = {text(found.values, "migManager", "config", "name") for found in settings(index)}
    own = [found for found in mig_texts(index) if found.manifest.key.name in named]
    entries = [entry for found in own for listed in layouts(found.value).values() for entry in _list(listed)]
    slices = frozenset(_resource_of(profile) for entry in entries for profile in entry_profiles(entry))
    shared = frozenset(name for found in plugin_texts(index) for name in _shared_names(found.value))
    return (slices if own else None), shared


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


RULES: tuple[Rule, ...] = (
    _quota_key,
    _quota_amount,
    _quota_scope,
    _pod_limits,
    _quota_closure,
    _quota_none,
    _mig_resource,
    _resource_closure,
)
