"""Node Feature Discovery: what the workers look for, and which labels follow from it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantry.lint.advertised import helm_sources
from tenantry.lint.index import Index, hint
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.lint.rules.embedded import MELLANOX, SRIOV
from tenantry.model.finding import Severity
from tenantry.model.problem import nearest_name
from tenantry.model.reading import at, mapping, string_map, text, texts

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath

NFD = "nfd.openshift.io"
ETHERNET, INFINIBAND = "0200", "0207"

_TOP = frozenset({"core", "sources"})
_CORE = frozenset(
    {
        *("labelWhiteList", "noPublish", "noOwnerRefs", "sleepInterval", "featureSources", "labelSources", "sources"),
        *("klog", "serverNameOverride"),
    }
)
_SOURCES = frozenset(
    {"cpu", "custom", "fake", "kernel", "local", "memory", "network", "pci", "storage", "system", "usb"}
)
_PCI = frozenset({"deviceClassWhitelist", "deviceLabelFields"})
_FIELDS = frozenset({"class", "vendor", "device", "subsystem_vendor", "subsystem_device"})


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker configuration: the object, the path of its text (or of the values), and what it says."""

    manifest: Manifest
    path: DocPath
    value: Mapping[str, Any]
    error: str
    embedded: bool

    def hit(self, inner: DocPath, message: str, fix: str, severity: Severity | None = None) -> Hit:
        """Report a place inside the configuration."""
        if self.embedded:
            return Hit(self.manifest, self.path, message, fix, severity, inner)
        return Hit(self.manifest, (*self.path, *inner), message, fix, severity)

    @property
    def classes(self) -> list[str] | None:
        """PCI classes the worker labels, None when it keeps its default."""
        return (
            texts(self.value, "sources", "pci", "deviceClassWhitelist") if self._has("deviceClassWhitelist") else None
        )

    @property
    def fields(self) -> list[str] | None:
        """Fields a PCI label is made of, None when the worker keeps its default."""
        return texts(self.value, "sources", "pci", "deviceLabelFields") if self._has("deviceLabelFields") else None

    def _has(self, name: str) -> bool:
        return at(self.value, "sources", "pci", name) is not None

    def covers(self, device_class: str) -> bool:
        """Whether devices of a class are labelled; an entry covers every class it is the beginning of."""
        return self.classes is None or any(entry and device_class.startswith(entry) for entry in self.classes)


def workers(index: Index) -> list[Worker]:
    """Return the worker configurations: of the operator's object, of the upstream ConfigMap, of chart values."""
    return index.shared("nfd-workers", lambda found: list(_workers(found)))


def _workers(index: Index) -> Iterator[Worker]:
    for manifest in index.of(NFD, "NodeFeatureDiscovery"):
        source = at(manifest.body, "spec", "workerConfig", "configData")
        if isinstance(source, str) and index.yaml(source).known:
            yield _worker(index, manifest, ("spec", "workerConfig", "configData"), source)
    for manifest in index.of("", "ConfigMap"):
        source = string_map(manifest.body, "data").get("nfd-worker.conf")
        if source is not None and index.yaml(source).known:
            yield _worker(index, manifest, ("data", "nfd-worker.conf"), source)
    for manifest, chart, values in helm_sources(index):
        if chart in {"gpu-operator", "network-operator", "node-feature-discovery"}:
            inner = values if chart == "node-feature-discovery" else mapping(values, "node-feature-discovery")
            config = mapping(inner, "worker", "config")
            if config:
                yield Worker(manifest, ("spec",), config, "", embedded=False)


def _worker(index: Index, manifest: Manifest, path: DocPath, source: str) -> Worker:
    parsed = index.yaml(source)
    value = parsed.value if isinstance(parsed.value, dict) else {}
    return Worker(manifest, path, value, parsed.error, embedded=True)


def _rdma(index: Index, near: Manifest) -> bool:
    """Whether the deployment of an object has a network stack that needs the labels of NVIDIA adapters."""
    return bool(
        index.beside(near, MELLANOX, "NicClusterPolicy", "NicNodePolicy")
        or index.beside(near, SRIOV, "SriovNetworkNodePolicy")
    )


@rule(
    "LINT-NFD-CONFIG",
    Severity.ERROR,
    "A worker configuration cannot be read",
    why="The worker keeps its defaults or stops; labels that operators select nodes by do not appear.",
    source="node-feature-discovery, docs/reference/worker-configuration-reference.md",
    fragments=True,
)
def _worker_readable(index: Index) -> Iterator[Hit]:
    for worker in workers(index):
        if worker.error:
            yield worker.hit((), f"the text is not YAML: {worker.error}", "Correct the text.")
        for name in worker.fields or ():
            if name not in _FIELDS:
                inner = ("sources", "pci", "deviceLabelFields")
                message = f"{name!r} is no field of a PCI device{hint(nearest_name(name, _FIELDS) or '')}"
                yield worker.hit(inner, message, "Write vendor.")
        for name in worker.classes or ():
            if not re.fullmatch(r"[0-9a-f]{2}(?:[0-9a-f]{2}){0,2}", name):
                inner = ("sources", "pci", "deviceClassWhitelist")
                yield worker.hit(inner, f"{name!r} is no PCI class", 'Write four digits in quotes, "0207".')


@rule(
    "LINT-NFD-KEY",
    Severity.WARNING,
    "A worker configuration has a key the worker does not know",
    why="The text has no schema; unknown keys are passed over.",
    source="node-feature-discovery, docs/reference/worker-configuration-reference.md",
    fragments=True,
)
def _worker_keys(index: Index) -> Iterator[Hit]:
    for worker in workers(index):
        for where, known in (((), _TOP), (("core",), _CORE), (("sources",), _SOURCES), (("sources", "pci"), _PCI)):
            for name in mapping(worker.value, *where):
                if name not in known:
                    close = nearest_name(str(name), known)
                    message = f"the worker passes over {name!r}{hint(close or '')}"
                    yield worker.hit((*where, str(name)), message, "Correct or remove the key.")


@rule(
    "LINT-NFD-CLASSES",
    Severity.WARNING,
    "The worker does not look for InfiniBand or Ethernet adapters",
    why="An adapter in InfiniBand mode has PCI class 0207. A node whose adapters are all of a class that is not "
    "listed never gets pci-15b3.present, and the whole network stack stays unscheduled without an error.",
    source="node-feature-discovery, PCI source; network-operator, node affinity of its DaemonSets",
)
def _worker_classes(index: Index) -> Iterator[Hit]:
    for worker in workers(index):
        missing = [name for name in (ETHERNET, INFINIBAND) if not worker.covers(name)]
        inner = ("sources", "pci", "deviceClassWhitelist")
        if missing:
            labels_nics = worker.covers(ETHERNET) or worker.covers(INFINIBAND)
            needed = _rdma(index, worker.manifest)
            severity = Severity.ERROR if needed else None if labels_nics else Severity.INFO
            message = f"class {' and '.join(missing)} is not looked for; such adapters get no label"
            yield worker.hit(inner, message, f"Add {' and '.join(missing)}, or 02.", severity)


@rule(
    "LINT-NFD-LABEL-FIELDS",
    Severity.WARNING,
    "PCI labels do not have the form the network operator selects on",
    why="Only deviceLabelFields: [vendor] gives pci-15b3.present. Other fields give names such as "
    "pci-0200_15b3.present: enough for the GPU operator, not for the network operator.",
    source="NVIDIA gpu-operator, controllers/state_manager.go; network-operator, node affinity of its DaemonSets",
)
def _worker_fields(index: Index) -> Iterator[Hit]:
    for worker in workers(index):
        if worker.error or worker.fields == ["vendor"]:
            continue
        needed = _rdma(index, worker.manifest)
        written = "not set" if worker.fields is None else str(worker.fields)
        message = f"deviceLabelFields is {written}; pci-15b3.present needs [vendor]"
        severity = Severity.ERROR if needed else Severity.INFO
        yield worker.hit(("sources", "pci", "deviceLabelFields"), message, "Write [vendor].", severity)


_PCI_LABEL = re.compile(
    r"feature\.node\.kubernetes\.io/pci-(?:(?P<class>[0-9a-f]{4})_)?(?P<vendor>[0-9a-f]{4})\.present"
)


@rule(
    "LINT-NFD-LABEL-CLOSURE",
    Severity.WARNING,
    "A node selector names a PCI label that the worker does not make",
    why="No node has the label, so nothing is scheduled.",
    source="node-feature-discovery, docs/usage/features.md (PCI labels)",
)
def _label_closure(index: Index) -> Iterator[Hit]:
    found = [worker for worker in workers(index) if not worker.error]
    for manifest, path in _selectors(index):
        for name in mapping(manifest.body, *path):
            match = _PCI_LABEL.fullmatch(str(name))
            near = [worker for worker in found if index.scope(worker.manifest) == index.scope(manifest)]
            if match is None or not near:
                continue
            plain = match["class"] is None
            if all((worker.fields == ["vendor"]) is not plain for worker in near):
                message = f"{name} is not made with these deviceLabelFields"
                yield Hit(manifest, (*path, str(name)), message, "Write deviceLabelFields: [vendor] for the worker.")


def _selectors(index: Index) -> Iterator[tuple[Manifest, DocPath]]:
    for manifest in index.of(SRIOV, "SriovNetworkNodePolicy"):
        yield manifest, ("spec", "nodeSelector")
    for manifest in index.of(SRIOV, "SriovNetworkPoolConfig"):
        yield manifest, ("spec", "nodeSelector", "matchLabels")
    for manifest in index.of(SRIOV, "SriovOperatorConfig"):
        yield manifest, ("spec", "configDaemonNodeSelector")
    for manifest in index.of("nvidia.com", "NVIDIADriver"):
        yield manifest, ("spec", "nodeSelector")
    for pod in index.pods:
        yield pod.manifest, (*pod.path, "nodeSelector")


@rule(
    "LINT-NFD-TWICE",
    Severity.WARNING,
    "Node Feature Discovery is installed twice",
    why="Two masters overwrite each other's labels. One chart has to leave it to the other.",
    source="NVIDIA network operator documentation, deployment with the GPU operator (nfd.enabled)",
)
def _installed_twice(index: Index) -> Iterator[Hit]:
    found: dict[int, Manifest] = {}
    for manifest, chart, values in helm_sources(index):
        brings = chart == "node-feature-discovery" or (
            chart in {"gpu-operator", "network-operator"} and at(values, "nfd", "enabled") is not False
        )
        if brings:
            first = found.setdefault(index.scope(manifest), manifest)
            if first is not manifest:
                message = f"{first.key} installs Node Feature Discovery too"
                yield Hit(manifest, ("spec",), message, "Set nfd.enabled: false in all charts but one.")


@rule(
    "LINT-NFD-RULE-NAMESPACE",
    Severity.INFO,
    "A NodeFeatureRule names no namespace on OpenShift",
    why="The kind is cluster-scoped upstream and namespaced with the OpenShift operator: there the rule lands in "
    "the destination namespace of whoever applies it, which the operator may not watch.",
    source="cluster-nfd-operator, config/crd/bases/nfd.openshift.io_nodefeaturerules.yaml",
)
def _rule_namespace(index: Index) -> Iterator[Hit]:
    for manifest in [*index.of("nfd.k8s-sigs.io", "NodeFeatureRule"), *index.of(NFD, "NodeFeatureRule")]:
        openshift = manifest.key.group == NFD or index.beside(manifest, NFD, "NodeFeatureDiscovery")
        if openshift and not text(manifest.body, "metadata", "namespace"):
            yield Hit(
                manifest, ("metadata",), "the rule needs a namespace on OpenShift", "Add the operator's namespace."
            )


RULES: tuple[Rule, ...] = (
    _worker_readable,
    _worker_keys,
    _worker_classes,
    _worker_fields,
    _label_closure,
    _installed_twice,
    _rule_namespace,
)
