"""The reference of spec documents, written from the models themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from tenantry.model.spec import DOCUMENT_KINDS, Sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.model.spec import Document

HEAD = """# The spec

A spec is a folder of YAML files, read in any order; each document has `apiVersion: tenantry.dev/v1alpha1`, a `kind` and
a `metadata.name`. Exactly one `Platform` is needed. With the folders `base/` and `environments/<name>/`, documents of
an environment patch those of `base` by kind and name: maps merge, lists of named items merge item by item (an item with
`$patch: delete` is removed), other lists replace, `null` removes a field.

This page is written from the models by `make docs`; `tenantry schema` prints the same as JSON Schema for editors.
"""


def spec_markdown() -> str:
    """Return the reference page: a section per document kind, a table per object, with defaults and meanings."""
    parts = [HEAD]
    kinds: dict[str, type[Document]] = {**DOCUMENT_KINDS, "Sweep": Sweep}
    for kind, model in kinds.items():
        schema = TypeAdapter(model).json_schema(by_alias=True)
        definitions: Mapping[str, Any] = schema.get("$defs", {})
        doc = (model.__doc__ or "").strip()
        parts.append(f"## {kind}\n\n{doc}\n")
        spec = _resolve(schema["properties"]["spec"], definitions)
        parts.extend(_tables("spec", spec, definitions))
    return "\n".join(parts)


def _resolve(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    return schema


def _tables(path: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterable[str]:
    required = set(schema.get("required", ()))
    rows = [f"### `{path}`\n", "| field | type | default | meaning |", "|---|---|---|---|"]
    below: list[tuple[str, Mapping[str, Any]]] = []
    for name, field in schema.get("properties", {}).items():
        words, inner, suffix = _type(field, definitions)
        default = "**required**" if name in required else _default(field)
        said = field.get("description") or _resolve(field, definitions).get("description", "")
        meaning = " ".join(said.split()).replace("``", "`")
        rows.append(f"| `{name}` | {words} | {default} | {meaning} |")
        if inner is not None:
            below.append((f"{path}.{name}{suffix}", inner))
    yield "\n".join(rows) + "\n"
    for deeper, inner in below:
        yield from _tables(deeper, inner, definitions)


def _type(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None, str]:
    """Return the type in words, the object below it if any, and what to append to the path to reach it."""
    if "anyOf" in field:
        options = [item for item in field["anyOf"] if item.get("type") != "null"]
        if len(options) == 1:
            return _type(options[0], definitions)
        return " or ".join(_type(item, definitions)[0] for item in options), None, ""
    schema = _resolve(field, definitions)
    if "enum" in schema:
        return ", ".join(f"`{item}`" for item in schema["enum"]), None, ""
    if "const" in schema:
        return f"`{schema['const']}`", None, ""
    kind = schema.get("type")
    if kind == "array":
        words, inner, suffix = _type(schema["items"], definitions)
        return f"list of {words}", inner, "[]" + suffix
    if kind == "object" and "properties" in schema:
        return "map", schema, ""
    if kind == "object":
        words, inner, suffix = _type(schema.get("additionalProperties") or {}, definitions)
        return f"map of {words}", inner, ".*" + suffix
    return (
        {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}.get(
            str(kind), "any"
        ),
        None,
        "",
    )


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    if value is None or value in ([], {}, ""):
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if len(text) <= 40 else "see below" if isinstance(value, dict) else "a usual set"
