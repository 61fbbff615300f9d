"""Reader of schemas for kinds whose CustomResourceDefinition their operator installs but does not publish."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from tenantry.catalog.files import Table, text

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILES = ("schemas/nv-ipam.json",)


@dataclass(frozen=True, slots=True, eq=False)
class ExtraSchema:
    """The schema of one kind.

    Attributes:
        group: API group.
        version: API version.
        kind: kind.
        namespaced: whether objects live in a namespace.
        schema: structural schema as in ``openAPIV3Schema`` of a CustomResourceDefinition, without references.
        source: where the fields come from.
    """

    group: str
    version: str
    kind: str
    namespaced: bool
    schema: Mapping[str, Any]
    source: str


@cache
def extra_schemas() -> tuple[ExtraSchema, ...]:
    """Schemas written by hand, ordered by group, kind and version."""
    found = []
    for name in _FILES:
        document: Table = json.loads(text(name))
        for kind in document["kinds"]:
            schema = _expand(kind["schema"], document["definitions"])
            found.append(
                ExtraSchema(
                    kind["group"], kind["version"], kind["kind"], kind["namespaced"], schema, document["source"]
                )
            )
    return tuple(sorted(found, key=lambda item: (item.group, item.kind, item.version)))


def _expand(node: Any, definitions: Table) -> Any:
    """Put definitions in the place of references to them: structural schemas may not refer."""
    if isinstance(node, list):
        return [_expand(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _expand(definitions[node["$ref"]], definitions)
    return {key: _expand(value, definitions) for key, value in node.items()}
