"""Pods and what makes them: containers, templates inside other objects, and a pod that is let in anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.safe.admission import items, mapping
from tenantry.safe.reading import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.manifest import Body, Manifest
    from tenantry.model.problem import DocPath

CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")

IMAGE = "registry.example.com/attacker:1"


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """A pod, or what a controller makes pods from.

    Attributes:
        owner: the object that holds it.
        pointer: where in that object the pod's spec is.
        body: a pod with its metadata, namespace included, and spec.
    """

    owner: Manifest
    pointer: DocPath
    body: Body


def containers_of(pod: Body) -> Iterator[tuple[DocPath, Body]]:
    """Yield every container of a pod with its path: ordinary, init and ephemeral ones."""
    spec = mapping(pod.get("spec"))
    for name in CONTAINER_LISTS:
        entries = spec.get(name)
        for index, container in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(container, dict):
                yield ("spec", name, index), container


def plain_pod(namespace: str, name: str = "probe") -> Body:
    """Return a pod that the strictest Pod Security level and OpenShift's default constraints let in."""
    context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "main", "image": IMAGE, "securityContext": context}],
        },
    }


def addresses_of(pod: Body) -> frozenset[str]:
    """Return the addresses a pod has been given; none in a template."""
    status = mapping(pod.get("status"))
    named = [text(item, "ip") for item in items(status.get("podIPs"))]
    return frozenset(filter(None, (*named, text(status, "podIP"))))


_DEPTH = 12


def templates_of(manifest: Manifest) -> Iterator[PodTemplate]:
    """Yield the pod templates in an object of any kind: maps with ``containers`` below a ``spec``."""
    body = manifest.body
    if body.get("kind") == "Pod":
        yield PodTemplate(manifest, ("spec",), body)
        return
    if body.get("kind") in {"CustomResourceDefinition", "ConfigMap", "Secret"}:
        return
    for pointer, template in _nested(body.get("spec"), ("spec",), _DEPTH):
        metadata = {**mapping(template.get("metadata")), "namespace": manifest.key.namespace}
        metadata.setdefault("name", manifest.key.name)
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        yield PodTemplate(manifest, (*pointer, "spec"), pod)


def _nested(value: object, pointer: DocPath, depth: int) -> Iterator[tuple[DocPath, Body]]:
    if depth == 0:
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nested(item, (*pointer, index), depth - 1)
    if not isinstance(value, dict):
        return
    if items(mapping(value.get("spec")).get("containers")):
        yield pointer, value
        return
    for key, below in value.items():
        if isinstance(below, (dict, list)):
            yield from _nested(below, (*pointer, str(key)), depth - 1)
