"""Kubernetes' own schemas: the definitions of each minor, with the checks the API server makes outside its OpenAPI.

The bundle ``data/kubernetes.json.xz`` is made when the package is built; ``data/kubernetes_api.toml`` is written by
hand.
"""

from __future__ import annotations

import lzma
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from tenantry.catalog.files import read
from tenantry.catalog.kubernetes_facts import add_facts
from tenantry.errors import TenantryError

Schema = dict[str, Any]

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

# Groups that were Kubernetes' own and are gone; their kinds live on elsewhere.
RETIRED_GROUPS = frozenset({"extensions"})

_GVK = "x-kubernetes-group-version-kind"


@dataclass(frozen=True, slots=True, eq=False)
class KubernetesSchemas:
    """The definitions of one Kubernetes minor.

    Attributes:
        minor: the minor these definitions belong to, for example ``1.32``.
        definitions: schema per definition name. ``$ref`` holds a bare definition name; objects are closed;
            quantities have ``format: quantity``, other checked texts one that begins with ``kubernetes-``.
        kinds: definition name per (group, version, kind) of objects that a manifest can hold.
        cluster_scoped: (group, kind) of objects outside every namespace.
        names: how ``metadata.name`` is checked, per kind, where it is not a DNS subdomain: ``label``, ``service``,
            ``path``.
        key_defaults: value of a list-map key that may be left out.
        source: where the definitions come from.
    """

    minor: str
    definitions: Mapping[str, Schema]
    kinds: Mapping[tuple[str, str, str], str]
    cluster_scoped: frozenset[tuple[str, str]]
    names: Mapping[str, str]
    key_defaults: Mapping[str, str]
    source: str

    @property
    def groups(self) -> frozenset[str]:
        """API groups whose kinds are all known here, those of the past included."""
        return frozenset(group for group, _, _ in self.kinds) | RETIRED_GROUPS


def bundled_minors() -> tuple[str, ...]:
    """Return the bundled minors, oldest first."""
    return tuple(_bundle().minors)


def nearest_minor(asked: str) -> str:
    """Return the bundled minor closest to the one asked for.

    Args:
        asked: ``1.32``, ``v1.32``, ``1.32.4`` or empty for the newest.

    Raises:
        ValueError: if that is not a Kubernetes version.
    """
    bundled = {_number(minor): minor for minor in bundled_minors()}
    if not asked:
        return bundled[max(bundled)]
    number = _number(asked)
    return bundled[min(bundled, key=lambda known: (abs(known - number), -known))]


@cache
def kubernetes_schemas(minor: str = "") -> KubernetesSchemas:
    """Return the schemas of a Kubernetes minor, or of the nearest one that is bundled.

    Args:
        minor: as for :func:`nearest_minor`; look at ``.minor`` of the result to see which was taken.

    Raises:
        ValueError: if ``minor`` is not a Kubernetes version.
        TenantryError: if the package was installed without its bundle.
    """
    return _load(nearest_minor(minor))


@cache
def _load(minor: str) -> KubernetesSchemas:
    content = _bundle()
    definitions = {name: msgspec.json.decode(content.lines[line]) for name, line in content.minors[minor].items()}
    facts = read("kubernetes_api.toml")
    add_facts(definitions, facts)
    return KubernetesSchemas(
        minor=minor,
        definitions=definitions,
        kinds=_kinds(definitions),
        cluster_scoped=frozenset((group, kind) for group, kinds in facts["cluster_scoped"].items() for kind in kinds),
        names=facts["names"],
        key_defaults=facts["key_defaults"],
        source=content.source,
    )


@dataclass(frozen=True, slots=True)
class _Bundle:
    source: str
    minors: dict[str, dict[str, int]]
    lines: list[bytes]


@cache
def _bundle() -> _Bundle:
    try:
        content = (files(__package__) / "data" / "kubernetes.json.xz").read_bytes()
    except FileNotFoundError as error:
        message = "this installation lacks the bundle of Kubernetes schemas; install the package again"
        raise TenantryError(message) from error
    head, *lines = lzma.decompress(content).splitlines()
    index = msgspec.json.decode(head)
    return _Bundle(index["source"], index["minors"], lines)


def _kinds(definitions: Mapping[str, Schema]) -> dict[tuple[str, str, str], str]:
    """Index the definitions that can stand in a manifest: those with ObjectMeta, unlike options and lists."""
    kinds = {}
    for name, schema in definitions.items():
        if schema.get("properties", {}).get("metadata", {}).get("$ref") == OBJECT_META:
            for gvk in schema.get(_GVK, ()):
                kinds[gvk["group"], gvk["version"], gvk["kind"]] = name
    return kinds


def _number(minor: str) -> int:
    parts = minor.removeprefix("v").split(".")
    if len(parts) < 2 or parts[0] != "1" or not parts[1].isdigit():
        raise ValueError(f"'{minor}' is not a Kubernetes version such as 1.32")
    return int(parts[1])
