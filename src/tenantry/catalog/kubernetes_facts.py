"""Puts into Kubernetes' definitions what its API server checks in Go and does not publish.

Source: ``data/kubernetes_api.toml``, which names where each fact comes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Schema = dict[str, Any]

PREFIX = "io.k8s."
"""Common beginning of the names of definitions, left out in the facts."""

FORM = "kubernetes-"
"""Put before the form of a text where a definition's ``format`` names it."""

_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_SMALLEST = {"string": "minLength", "array": "minItems"}


def add_facts(definitions: dict[str, Schema], facts: Schema) -> None:
    """Add every fact to the definitions, which are changed; facts of definitions that are not there are passed over.

    Args:
        definitions: schema per name.
        facts: content of ``kubernetes_api.toml``.
    """
    _add_values(definitions, facts)
    for name, schema in definitions.items():
        _add_needs(name.removeprefix(PREFIX), schema, facts)
    _add_relations(definitions, facts)


def _add_values(definitions: Mapping[str, Schema], facts: Schema) -> None:
    """Say which values single fields take."""
    for schema, values in _fields(definitions, facts["enums"]):
        schema.get("items", schema)["enum"] = values
    for name, fields in facts["defaulted"].items():
        for schema, _ in _fields(definitions, {name: dict.fromkeys(fields)}):
            schema["enum"] = [*schema["enum"], ""]
    for schema, limits in _fields(definitions, facts["bounds"]):
        schema.update(limits)
    if _INT_OR_STRING in definitions:
        definitions[_INT_OR_STRING].update(minimum=-(2**31), maximum=2**31 - 1)
    for schema, form in _fields(definitions, facts["forms"]):
        if "items" in schema and form != "label-value":
            schema["items"]["minLength"] = 1  # an empty text in a list is there; in a field it is the same as none
        schema.get("items", schema)["format"] = FORM + form


def _add_relations(definitions: Mapping[str, Schema], facts: Schema) -> None:
    """Say what fields ask of each other."""
    for word, alternatives in _ALTERNATIVES.items():
        for name, fields in facts[word].items():
            schema = definitions.get(PREFIX + name, {})
            known = [field for field in fields if field in schema.get("properties", {})]
            if known:
                schema.setdefault("allOf", []).append(alternatives(schema, known))
    for name, rules in facts["logic"].items():
        if PREFIX + name in definitions:
            definitions[PREFIX + name].setdefault("allOf", []).extend(rules)


def _fields(definitions: Mapping[str, Schema], facts: Mapping[str, Schema]) -> Iterator[tuple[Schema, Any]]:
    """Yield the schema of every field a table of facts names, with the fact."""
    for name, told in facts.items():
        properties = definitions.get(PREFIX + name, {}).get("properties", {})
        yield from ((properties[field], fact) for field, fact in told.items() if field in properties)


def _add_needs(name: str, schema: Schema, facts: Schema) -> None:
    """Ask required texts and lists to hold something: in Go an empty one is the same as none."""
    properties = schema.get("properties", {})
    needed = [field for field in facts["needed"].get(name, ()) if field in properties]
    if needed:
        schema["required"] = sorted({*schema.get("required", ()), *needed})
    free = set(facts["may_be_empty"].get(name, ()))
    if free.intersection(schema.get("required", ())):
        schema["required"] = [field for field in schema["required"] if field not in free]
    if name.endswith("List"):
        return
    for field in schema.get("required", ()):
        smallest = _SMALLEST.get(properties.get(field, {}).get("type"))
        if smallest:
            properties[field].setdefault(smallest, 1)


def _exactly_one(schema: Schema, fields: list[str]) -> Schema:
    return {"oneOf": [_is_set(schema, field) for field in fields]}


def _at_most_one(schema: Schema, fields: list[str]) -> Schema:
    one = [_is_set(schema, field) for field in fields]
    return {"oneOf": [*one, {"not": {"anyOf": one}}]}


def _at_least_one(schema: Schema, fields: list[str]) -> Schema:
    return {"anyOf": [_is_set(schema, field) for field in fields]}


_ALTERNATIVES: dict[str, Callable[[Schema, list[str]], Schema]] = {
    "exactly_one": _exactly_one,
    "at_most_one": _at_most_one,
    "at_least_one": _at_least_one,
}


def _is_set(schema: Schema, field: str) -> Schema:
    """Say that a field is there; an empty text or list is the same as none."""
    smallest = _SMALLEST.get(schema["properties"][field].get("type"))
    return {"required": [field], **({"properties": {field: {smallest: 1}}} if smallest else {})}
