"""Installs custom resource definitions, and stand-ins for kinds whose definition nobody has at hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tenantry.io.manifests import read_manifests
from testbed.errors import TestbedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from testbed.control_plane import Cluster

Body = dict[str, Any]

KIND = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
WORKERS = 8


def definitions_in(folder: Path) -> list[Body]:
    """Read the definitions below a folder; of several with one name the last counts, in the order of paths.

    Conversion by webhooks is left out: no webhook runs here, and each version is stored as it is written.
    """
    found: dict[str, Body] = {}
    for item in sorted(read_manifests([folder]).manifests, key=lambda item: (item.location.file, item.document)):
        if (item.key.api_version, item.key.kind) == KIND:
            body = deepcopy(item.body)
            body["spec"].pop("conversion", None)
            body.pop("status", None)
            found[item.key.name] = body
    return [found[name] for name in sorted(found)]


def install(cluster: Cluster, bodies: Sequence[Body]) -> None:
    """Create definitions and wait until the server serves them all.

    Raises:
        TestbedError: with every definition the server refused.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(pool.map(cluster.api.create, bodies))
    refused = [
        f"{body['metadata']['name']}: {answer.message}"
        for body, answer in zip(bodies, answers, strict=True)
        if not answer.ok and answer.reason != "AlreadyExists"
    ]
    if refused:
        raise TestbedError("definitions were refused:\n" + "\n".join(f"  {line}" for line in refused))
    wanted = {body["metadata"]["name"] for body in bodies}
    cluster.until(f"{len(wanted)} definitions", lambda: wanted <= _established(cluster), seconds=60)
    cluster.until("discovery of them", lambda: served(cluster, bodies), seconds=60)


def served(cluster: Cluster, bodies: Sequence[Body]) -> bool:
    """Whether the server tells of the kinds of all these definitions."""
    wanted = {
        (f"{body['spec']['group']}/{version['name']}", body["spec"]["names"]["kind"])
        for body in bodies
        for version in body["spec"]["versions"]
        if version["served"]
    }
    return not wanted or wanted <= set(cluster.api.kinds(fresh=True))


def stand_in(group: str, version: str, kind: str, plural: str, *, namespaced: bool) -> Body:
    """Return a definition that takes any object of a kind."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    name = f"{plural}.{group}"
    return {
        "apiVersion": KIND[0],
        "kind": KIND[1],
        "metadata": {
            "name": name,
            # Groups of the project itself are guarded against definitions nobody approved.
            "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in for tests"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced" if namespaced else "Cluster",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": anything},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


def _established(cluster: Cluster) -> set[str]:
    return {item["metadata"]["name"] for item in cluster.api.list(*KIND) if _is_established(item)}


def _is_established(body: Body) -> bool:
    conditions: Iterable[Body] = (body.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)
