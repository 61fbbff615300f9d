"""Nodes as the objects describe them: Node objects, lists of partial Nodes held in ConfigMaps, and taints set by Jobs.

Nodes are made by the kubelet, so a tree rarely holds any; what labels and taints them is there nevertheless.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenantry.model.claim import Step
from tenantry.safe.devices.reading import containers, parsed, units
from tenantry.safe.reading import at, items, mapping, strings, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.manifest import Manifest
    from tenantry.model.snapshot import Snapshot

_NOT_FOR_PODS = frozenset({"NoSchedule", "NoExecute"})


@dataclass(frozen=True, slots=True, order=True)
class Taint:
    """A taint that keeps pods away."""

    key: str
    value: str
    effect: str

    def toleration(self) -> dict[str, str]:
        """Return the narrowest toleration of it."""
        return {"key": self.key, "operator": "Equal", "value": self.value, "effect": self.effect}

    def tolerated(self, pod: object) -> bool:
        """Whether a pod tolerates it.

        Source: Kubernetes ``staging/src/k8s.io/component-helpers/scheduling/corev1/helpers.go`` (ToleratesTaint).
        """
        return any(self._matches(entry) for entry in items(pod, "spec", "tolerations"))

    def _matches(self, entry: object) -> bool:
        effect, key = text(entry, "effect"), text(entry, "key")
        exists = text(entry, "operator") == "Exists"
        if effect and effect != self.effect:
            return False
        if not key:
            return exists
        return key == self.key and (exists or text(entry, "value") == self.value)


@dataclass
class Node:
    """What the objects say about one node.

    Attributes:
        name: its name.
        labels: its labels, as far as known.
        taints: taints that keep pods away, sorted.
        offers: extended resources in its status; None when it has none to read.
        steps: where this is said.
    """

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    taints: set[Taint] = field(default_factory=set)
    offers: dict[str, float] | None = None
    steps: list[Step] = field(default_factory=list)

    def add(self, body: object, step: Step) -> None:
        """Take over what an object says."""
        self.labels.update(strings(body, "metadata", "labels"))
        self.taints.update(_taints(items(body, "spec", "taints")))
        status = mapping(body, "status", "allocatable") or mapping(body, "status", "capacity")
        if status:
            found = {name: units(value) or 0.0 for name, value in status.items()}
            self.offers = {name: count for name, count in found.items() if "/" in name and count}
        self.steps.append(step)


def read_nodes(snapshot: Snapshot) -> tuple[Node, ...]:
    """Return the nodes of a snapshot, by name."""
    nodes: dict[str, Node] = {}

    def node(name: str) -> Node:
        return nodes.setdefault(name, Node(name))

    for manifest in snapshot.of("", "Node"):
        node(manifest.key.name).add(manifest.body, Step("node", manifest.key, ("metadata", "labels")))
    for manifest in snapshot.of("", "ConfigMap"):
        for key, body in _held(manifest):
            node(text(body, "metadata", "name")).add(body, Step("labels of nodes", manifest.key, ("data", key)))
    for names, selector, taint, step in _commands(snapshot):
        for name in names:
            node(name)
        for found in nodes.values():
            chosen = found.name in names or (selector and selector.items() <= found.labels.items())
            if chosen:
                found.taints.add(taint)
                found.steps.append(step)
    return tuple(nodes[name] for name in sorted(nodes))


def _held(manifest: Manifest) -> Iterator[tuple[str, Any]]:
    """Yield the Nodes a ConfigMap holds as JSON, with the key they are under."""
    for key, value in sorted(strings(manifest.body, "data").items()):
        if '"Node"' not in value:
            continue
        document = parsed(value)
        for body in items(document, "items") if at(document, "kind") == "List" else [document]:
            if at(body, "kind") == "Node" and at(body, "apiVersion") == "v1" and text(body, "metadata", "name"):
                yield key, body


def _taints(entries: Iterable[object]) -> Iterator[Taint]:
    for entry in entries:
        key, effect = text(entry, "key"), text(entry, "effect")
        if key and effect in _NOT_FOR_PODS:
            yield Taint(key, text(entry, "value"), effect)


def _commands(snapshot: Snapshot) -> Iterator[tuple[list[str], dict[str, str], Taint, Step]]:
    """Yield what ``kubectl taint nodes`` in Jobs and CronJobs does: nodes, or a selector of them, and the taint."""
    for manifest in snapshot.of("batch", "Job", "CronJob"):
        path: tuple[str, ...] = ("spec", "template")
        if manifest.key.kind == "CronJob":
            path = ("spec", "jobTemplate", "spec", "template")
        pod = at(manifest.body, *path)
        for where, container in containers(pod if isinstance(pod, dict) else {}):
            words = [*items(container, "command"), *items(container, "args")]
            if not {"taint"} & set(map(str, words)) or not {"kubectl", "oc"} & set(map(str, words)):
                continue
            names, selector, taints = _arguments([str(word) for word in words])
            for taint in taints:
                yield names, selector, taint, Step("taint set on nodes", manifest.key, (*path, *where))


def _arguments(words: list[str]) -> tuple[list[str], dict[str, str], list[Taint]]:
    names: list[str] = []
    selector: dict[str, str] = {}
    taints: list[Taint] = []
    rest = iter(words[words.index("taint") + 1 :])
    for word in rest:
        if word in {"-l", "--selector"}:
            selector = _selector(next(rest, ""))
        elif word.startswith("--selector="):
            selector = _selector(word.partition("=")[2])
        elif ":" in word and not word.startswith("-"):
            head, _, effect = word.rpartition(":")
            key, _, value = head.partition("=")
            if effect in _NOT_FOR_PODS:
                taints.append(Taint(key, value, effect))
        elif not word.startswith("-") and word not in {"node", "nodes", "no"}:
            names.append(word)
    return names, selector, taints


def _selector(written: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in written.split(",") if "=" in part and "!" not in part)
    return {key.strip(): value.strip().lstrip("=") for key, _, value in pairs}
