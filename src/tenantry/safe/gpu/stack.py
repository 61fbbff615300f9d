"""The NVIDIA software of a cluster as the objects configure it: operator, container toolkit, runtime and versions.

Sources: NVIDIA gpu-operator ``api/nvidia/v1/clusterpolicy_types.go`` and ``controllers/object_controls.go``; NVIDIA
container toolkit ``api/config/v1/config.go``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantry.catalog.software import operators
from tenantry.model.claim import Step
from tenantry.model.software import VersionNumber
from tenantry.safe.devices.reading import parsed, requested
from tenantry.safe.reading import at, items, mapping, strings, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.manifest import Manifest, ManifestKey
    from tenantry.model.problem import DocPath
    from tenantry.model.snapshot import Snapshot
    from tenantry.safe.view import View

OPERATOR = "gpu-operator"
PREFIX = "nvidia.com/"
RUNTIME_CLASS = "nvidia"
_ENV_REQUESTS = "ACCEPT_NVIDIA_VISIBLE_DEVICES_ENVVAR_WHEN_UNPRIVILEGED"
_MOUNT_REQUESTS = "ACCEPT_NVIDIA_VISIBLE_DEVICES_AS_VOLUME_MOUNTS"
_SET_AS_DEFAULT = "NVIDIA_RUNTIME_SET_AS_DEFAULT"
CDI_BY_DEFAULT = VersionNumber("25.10")
"""First operator that gives containers their GPUs by CDI unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A yes or no with the place that says so; ``value`` is None when nothing does."""

    value: bool | None
    step: Step | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """A version of the operator or one of its parts.

    Attributes:
        component: ``gpu-operator``, or a part such as ``container-toolkit``.
        version: the version; the lowest possible one when ``exact`` is not set. Empty when nothing is known.
        exact: whether it is pinned.
        step: where it is written.
    """

    component: str
    version: str
    exact: bool
    step: Step


@dataclass(frozen=True, slots=True)
class Stack:
    """What the objects say about NVIDIA software.

    Attributes:
        present: something that shows the cluster has NVIDIA GPUs; None when nothing does.
        spec: settings of the operator, empty when unknown.
        key: object that holds them; None when no object does.
        base: path of the settings inside it.
        releases: versions, in the order of their objects.
        namespaces: namespaces the operator works in, with the object that says so.
    """

    present: Step | None
    spec: Mapping[str, Any]
    key: ManifestKey | None
    base: DocPath
    releases: tuple[Release, ...]
    namespaces: Mapping[str, ManifestKey]

    @property
    def known(self) -> bool:
        """Whether the settings of the operator are among the objects."""
        return self.key is not None

    def step(self, edge: str, *path: str | int) -> Step:
        """Return a step at a place of the settings, or the nearest one above it that is written."""
        if self.key is None:
            return Step(edge, None, (), "no ClusterPolicy is among the objects")
        while path and at(self.spec, *path) is None:
            path = path[:-1]
        return Step(edge, self.key, (*self.base, *path))

    def flag(self, *path: str, default: bool) -> bool:
        """Return a boolean setting."""
        found = at(self.spec, *path)
        return found if isinstance(found, bool) else default

    def toolkit_variable(self, name: str) -> tuple[str, int] | None:
        """Return the value and place of a variable of the container toolkit."""
        for index, entry in enumerate(items(self.spec, "toolkit", "env")):
            if text(entry, "name") == name:
                return text(entry, "value").strip().lower(), index
        return None

    def accepts_environment(self) -> Setting:
        """Whether variables of unprivileged containers attach GPUs; the toolkit's default is yes."""
        return self._toolkit(_ENV_REQUESTS, default=True)

    def accepts_mounts(self) -> Setting:
        """Whether mounts below ``/var/run/nvidia-container-devices`` attach GPUs; the toolkit's default is no."""
        return self._toolkit(_MOUNT_REQUESTS, default=False)

    def _toolkit(self, name: str, *, default: bool) -> Setting:
        if not self.known or not self.flag("toolkit", "enabled", default=True):
            return Setting(None)
        found = self.toolkit_variable(name)
        if found is None:
            return Setting(default, self.step(f"{name} is not set, so it is {str(default).lower()}", "toolkit"))
        value, index = found
        return Setting(value in {"true", "1", "t"}, self.step(f"{name}={value}", "toolkit", "env", index, "value"))

    def cdi(self) -> bool | None:
        """Whether containers get GPUs by CDI; None when it cannot be told."""
        if not self.known:
            return None
        found = at(self.spec, "cdi", "enabled")
        if isinstance(found, bool):
            return found
        versions = [item.version for item in self.releases if item.component == OPERATOR and item.version]
        if not versions:
            return None
        return all(VersionNumber(version) >= CDI_BY_DEFAULT for version in versions) or None

    def default_runtime(self) -> Setting:
        """Whether every container runs with the NVIDIA runtime.

        Without CDI the operator makes it the default; with CDI it does not, unless a variable says so.
        """
        if not self.known or not self.flag("toolkit", "enabled", default=True):
            return Setting(None)
        found = self.toolkit_variable(_SET_AS_DEFAULT)
        if found is not None:
            value, index = found
            step = self.step(f"{_SET_AS_DEFAULT}={value}", "toolkit", "env", index, "value")
            return Setting(value in {"true", "1", "t"}, step)
        cdi = self.cdi()
        if cdi is None:
            return Setting(None)
        return Setting(not cdi, self.step("CDI is " + ("on" if cdi else "off"), "cdi", "enabled"))

    def injects_by_annotation(self) -> Setting:
        """Whether the toolkit's NRI plugin attaches GPUs that annotations name; off unless set."""
        if not self.known:
            return Setting(None)
        on = self.flag("cdi", "nriPluginEnabled", default=False)
        return Setting(on, self.step(f"nriPluginEnabled is {str(on).lower()}", "cdi", "nriPluginEnabled"))

    def confidential(self) -> bool:
        """Whether GPUs run in confidential computing mode, which clears memory between users."""
        manager = mapping(self.spec, "ccManager")
        return manager.get("enabled") is True and manager.get("defaultMode") == "on"


def read_stack(view: View) -> Stack:
    """Return what the objects of a view say about NVIDIA software."""
    snapshot = view.snapshot
    spec, key, base = _settings(snapshot)
    present = Step("NVIDIA GPU Operator", key, base) if key else _evidence(view)
    releases = tuple(_releases(snapshot, spec, key, base))
    return Stack(present, spec, key, base, releases, dict(_namespaces(snapshot)))


def charts(snapshot: Snapshot, name: str) -> Iterator[tuple[Manifest, DocPath, Any]]:
    """Yield Argo CD sources of a Helm chart: the object, the path of the source and the source."""
    for manifest in snapshot.of("argoproj.io", "Application", "ApplicationSet"):
        base: DocPath = ("spec",) if manifest.key.kind == "Application" else ("spec", "template", "spec")
        spec = at(manifest.body, *base)
        found: list[tuple[DocPath, Any]] = [((*base, "source"), at(spec, "source"))]
        found += [((*base, "sources", index), source) for index, source in enumerate(items(spec, "sources"))]
        for path, source in found:
            if text(source, "chart").rpartition("/")[2] == name:
                yield manifest, path, source


def chart_values(source: object) -> Mapping[str, Any] | None:
    """Return the values of a Helm source, or None when they are written in a way that cannot be read here."""
    written = text(source, "helm", "values")
    values = parsed(written) if written.strip() else {}
    if not isinstance(values, dict) or items(source, "helm", "valueFiles") or items(source, "helm", "parameters"):
        return None
    return {**values, **mapping(source, "helm", "valuesObject")}


def _settings(snapshot: Snapshot) -> tuple[Mapping[str, Any], ManifestKey | None, DocPath]:
    for manifest in snapshot.of("nvidia.com", "ClusterPolicy"):
        return mapping(manifest.body, "spec"), manifest.key, ("spec",)
    for manifest, path, source in charts(snapshot, OPERATOR):
        values = chart_values(source)
        if values is not None and at(values, "clusterPolicy", "deployCR") is not False:
            return values, manifest.key, (*path, "helm", "valuesObject")
    return {}, None, ()


def _evidence(view: View) -> Step | None:
    """Return something that shows NVIDIA GPUs although the operator's settings are not among the objects."""
    for manifest in view.snapshot.of("node.k8s.io", "RuntimeClass"):
        if RUNTIME_CLASS in text(manifest.body, "handler"):
            return Step("NVIDIA runtime class", manifest.key, ("handler",))
    for manifest in view.snapshot.of("", "Node"):
        offered = {**mapping(manifest.body, "status", "capacity"), **strings(manifest.body, "metadata", "labels")}
        if any(str(name).startswith(PREFIX) for name in offered):
            return Step("node with NVIDIA GPUs", manifest.key, ())
    for manifest in view.snapshot.of("", "ResourceQuota"):
        for name, value in mapping(manifest.body, "spec", "hard").items():
            if str(name).startswith(f"requests.{PREFIX}") and str(value) != "0":
                return Step("quota of NVIDIA GPUs", manifest.key, ("spec", "hard", str(name)))
    for tenant in view.tenants:
        for template in view.tenant_pods(tenant.name):
            if any(name.startswith(PREFIX) for name in requested(template.body)):
                return Step("pod with NVIDIA GPUs", template.owner.key, template.pointer)
    return None


# --- versions ---------------------------------------------------------------------------------------------------------

_CSV = re.compile(r"(?:^|[.-])v?([0-9]+(?:\.[0-9]+)+)$")
_CHANNEL = re.compile(r"v?([0-9]+\.[0-9]+)")
_EXACT = re.compile(r"v?[0-9]+(?:\.[0-9]+){1,3}(?:-[A-Za-z0-9.-]+)?")
# Images of the operator and of what it runs with power over nodes.
_OPERANDS = ("gpu-operator", "container-toolkit", "k8s-device-plugin", "dcgm-exporter", "k8s-mig-manager")
_IMAGES = {"gpu-operator": OPERATOR, "container-toolkit": "container-toolkit"}


def _releases(snapshot: Snapshot, spec: Mapping[str, Any], key: ManifestKey | None, base: DocPath) -> Iterator[Release]:
    toolkit = mapping(spec, "toolkit")
    if key is not None and text(toolkit, "version") and toolkit.get("enabled") is not False:
        yield _release("container-toolkit", text(toolkit, "version"), Step("", key, (*base, "toolkit", "version")))
    yield from _subscribed(snapshot)
    for manifest, path, source in charts(snapshot, OPERATOR):
        step = Step("chart version", manifest.key, (*path, "targetRevision"))
        yield _release(OPERATOR, text(source, "targetRevision"), step)
    for manifest in snapshot.of("apps", "Deployment", "DaemonSet"):
        for index, container in enumerate(items(manifest.body, "spec", "template", "spec", "containers")):
            image = text(container, "image").partition("@")[0]
            name, _, tag = image.rpartition("/")[2].partition(":")
            if name in _IMAGES:
                step = Step("image", manifest.key, ("spec", "template", "spec", "containers", index, "image"))
                yield _release(_IMAGES[name], tag, step)


def _subscribed(snapshot: Snapshot) -> Iterator[Release]:
    package = operators()[OPERATOR].olm
    names = {package.package if package else "", "gpu-operator-certified"}
    for manifest in snapshot.of("operators.coreos.com", "ClusterServiceVersion"):
        if manifest.key.name.partition(".")[0] in names:
            yield _release(
                OPERATOR, text(manifest.body, "spec", "version"), Step("", manifest.key, ("spec", "version"))
            )
    for manifest in snapshot.of("operators.coreos.com", "Subscription"):
        if text(manifest.body, "spec", "name") not in names:
            continue
        match = _CSV.search(text(manifest.body, "spec", "startingCSV"))
        if match:
            # A subscription only moves forward from where it starts.
            yield Release(OPERATOR, match[1], True, Step("starting version", manifest.key, ("spec", "startingCSV")))
            continue
        channel = _CHANNEL.fullmatch(text(manifest.body, "spec", "channel"))
        step = Step("channel", manifest.key, ("spec", "channel"))
        yield Release(OPERATOR, channel[1] if channel else "", False, step)


def _release(component: str, version: str, step: Step) -> Release:
    exact = _EXACT.fullmatch(version.strip()) is not None
    return Release(component, version.strip() if exact else "", exact, step)


def _namespaces(snapshot: Snapshot) -> Iterator[tuple[str, ManifestKey]]:
    for manifest in snapshot.of("operators.coreos.com", "Subscription"):
        if text(manifest.body, "spec", "name") in {"gpu-operator-certified", OPERATOR} and manifest.key.namespace:
            yield manifest.key.namespace, manifest.key
    for manifest, path, _ in charts(snapshot, OPERATOR):
        namespace = text(at(manifest.body, *_parent(path)), "destination", "namespace")
        if namespace:
            yield namespace, manifest.key
    for manifest in snapshot.of("apps", "Deployment", "DaemonSet"):
        images = (
            text(container, "image") for container in items(manifest.body, "spec", "template", "spec", "containers")
        )
        if any(f"/{part}" in image for image in images for part in _OPERANDS):
            yield manifest.key.namespace, manifest.key
    for name in ("gpu-operator", "nvidia-gpu-operator"):
        home = snapshot.get("", "Namespace", name)
        if home is not None:
            yield name, home.key


def _parent(path: DocPath) -> DocPath:
    return path[:-2] if path[-2:-1] == ("sources",) else path[:-1]
