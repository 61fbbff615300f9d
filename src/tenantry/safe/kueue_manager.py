"""What Kueue is told to manage: work without a queue name, kinds of work, namespaces.

The configuration of upstream Kueue is a text; as JSON it is read whole, as YAML it is searched for what decides.

Source: Kueue ``apis/config/v1beta1/configuration_types.go``; Red Hat build of Kueue, ``kueue.openshift.io/v1``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantry.model.selector import Selector, parse_selector
from tenantry.safe.offers import helm_values
from tenantry.safe.reading import at, from_json, labels_of, strings, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath
    from tenantry.safe.view import View

_MANAGED = "kueue.openshift.io/managed"
_ALL = re.compile(r"manageJobsWithoutQueueName[\"']?\s*:\s*[\"']?(true|false)")
_LISTED = re.compile(r"^\s*-\s*[\"']?([A-Za-z0-9./-]+)[\"']?\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class KueueManager:
    """How Kueue is set up.

    Attributes:
        manifest: the object that says so.
        pointer: where in it.
        everything: whether work without a queue name is held as well.
        pods: whether plain pods are held.
        selector: namespaces whose work it holds; None when that cannot be read.
    """

    manifest: Manifest
    pointer: DocPath
    everything: bool
    pods: bool
    selector: Selector | None

    def holds_all(self, namespace: Any, name: str) -> bool | None:
        """Whether every pod of a namespace waits for a queue; None when that cannot be read."""
        if not (self.everything and self.pods):
            return False
        if self.selector is None:
            return None
        return self.selector.matches({**labels_of(namespace), "kubernetes.io/metadata.name": name})


def kueue_manager(view: View) -> KueueManager | None:
    """Return how Kueue is set up, None when no object says."""
    for manifest in view.snapshot.of("kueue.openshift.io", "Kueue"):
        config = at(manifest.body, "spec", "config")
        everything = text(config, "workloadManagement", "labelPolicy") == "None"
        frameworks = {name.lower() for name in texts(config, "integrations", "frameworks")}
        selector = parse_selector({"matchLabels": {_MANAGED: "true"}})
        return KueueManager(manifest, ("spec", "config"), everything, "pod" in frameworks, selector)
    for manifest, pointer, written in _configurations(view):
        return _read(manifest, pointer, written)
    return None


def _configurations(view: View) -> Iterator[tuple[Manifest, DocPath, str]]:
    for manifest, path, values in helm_values(view.snapshot, "kueue"):
        written = text(values, "managerConfig", "controllerManagerConfigYaml")
        if written:
            yield manifest, (*path, "managerConfig", "controllerManagerConfigYaml"), written
    for manifest in view.snapshot.of("", "ConfigMap"):
        for key, written in sorted(strings(manifest.body, "data").items()):
            if "config.kueue.x-k8s.io" in written:
                yield manifest, ("data", key), written


def _read(manifest: Manifest, pointer: DocPath, written: str) -> KueueManager:
    config = from_json(written)
    if isinstance(config, dict):
        everything = at(config, "manageJobsWithoutQueueName") is True
        frameworks = set(texts(config, "integrations", "frameworks"))
        return KueueManager(manifest, pointer, everything, "pod" in frameworks, _namespaces(config))
    found = _ALL.search(written)
    everything = found is not None and found.group(1) == "true"
    # Lines that are comments set nothing.
    lines = "\n".join(line for line in written.splitlines() if not line.lstrip().startswith("#"))
    selector = None if "managedJobsNamespaceSelector" in lines else Selector()
    return KueueManager(manifest, pointer, everything, "pod" in _LISTED.findall(lines), selector)


def _namespaces(config: Any) -> Selector | None:
    body = at(config, "managedJobsNamespaceSelector")
    try:
        return parse_selector({} if body is None else body)
    except (ValueError, TypeError):
        return None
