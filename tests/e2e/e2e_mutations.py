"""Ways to spoil an object, and to add to it, generated from the object and its schema and from nothing else.

Nothing here knows what is allowed: what comes of a change is for the server to say.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]
Schema = Mapping[str, Any]
Path = tuple[str | int, ...]

REFERENCE = "#/components/schemas/"

TEXTS = ("", "Not Valid!", "UPPER", "-dash-", "a..b", "under_score", "ünï", "a/b", "a" * 64, "a" * 300, "0", "a.b")
NUMBERS = (-1, 0, 1, 65536, 2**31, 2**63, -(2**31) - 1, 1.5)
QUANTITIES = ("1x", "-1", "1.5", "0.0001", "1Zi", "1e3", "1E", "1 Gi", "+2", "1000m")
KEYS = ("Bad Key!", "a/b/c", "UPPER.com/x", "", "/x", "x/", "a" * 64, "a_b", "example.com/ok", "-a", "requests.cpu")
OTHER_TYPES: Mapping[type, tuple[Any, ...]] = {
    str: (5, True, {}, [], 1.5),
    int: ("5", 1.5, True, [], {}),
    float: ("5", True, []),
    bool: ("true", 1, "yes", []),
    dict: ("text", [], 5),
    list: ({}, "text", 5, [[]]),
}


Change = Callable[[Body], Body]


@dataclass(frozen=True)
class Mutant:
    """A changed object.

    Attributes:
        how: the kind of change.
        path: where.
        base: the object before.
        change: what makes the changed one.
    """

    how: str
    path: Path
    base: Body
    change: Change

    @property
    def body(self) -> Body:
        """The changed object, made anew: most changes are never asked about."""
        return self.change(self.base)


class Schemas:
    """Schemas as the server reads them, followed from an object's root along the object.

    Args:
        roots: schema by ``(apiVersion, kind)``.
        named: what references refer to.
    """

    def __init__(self, roots: Mapping[tuple[str, str], Schema], named: Mapping[str, Schema]) -> None:
        self._roots = roots
        self._named = named

    def at(self, body: Body, path: Path) -> Schema:
        """Return the schema of a place; empty where there is none."""
        schema = self.resolved(self._roots.get((body["apiVersion"], body["kind"]), {}))
        for step in path:
            schema = self.below(schema, step)
        return schema

    def below(self, schema: Schema, step: str | int) -> Schema:
        """Return the schema of a field or an item."""
        if isinstance(step, int):
            return self.resolved(schema.get("items") or {})
        found = (schema.get("properties") or {}).get(step)
        extra = schema.get("additionalProperties")
        return self.resolved(found if found is not None else extra if isinstance(extra, dict) else {})

    def resolved(self, schema: Schema) -> Schema:
        """Follow references."""
        while True:
            parts: list[Schema] = list(schema.get("allOf") or ())
            reference = schema.get("$ref") or (parts[0].get("$ref") if len(parts) == 1 else None)
            if reference is None:
                return schema
            schema = self._named.get(reference.removeprefix(REFERENCE), {})

    def example(self, schema: Schema, depth: int = 0) -> Any:
        """Return a small value that the schema allows as far as its types and enums go."""
        schema = self.resolved(schema)
        if schema.get("enum"):
            return schema["enum"][0]
        if "default" in schema and schema["default"] != {}:
            return deepcopy(schema["default"])
        kind = schema.get("type")
        if kind == "object" or "properties" in schema:
            fields = schema.get("properties") or {}
            wanted = [name for name in schema.get("required") or () if name in fields and depth < 8]
            return {name: self.example(fields[name], depth + 1) for name in wanted}
        if kind == "array":
            number = schema.get("minItems", 1) if depth < 8 else 0
            return [self.example(schema.get("items") or {}, depth + 1) for _ in range(min(number, 2))]
        if kind in {"integer", "number"} or schema.get("x-kubernetes-int-or-string"):
            return max(1, schema.get("minimum", 1))
        if kind == "boolean":
            return True
        return _text(schema) if kind == "string" else {}


def _text(schema: Schema) -> str:
    known = {"date-time": "2031-01-31T12:00:00Z", "byte": "YQ==", "duration": "1h", "ipv4": "192.0.2.1"}
    text = known.get(schema.get("format", ""), "a")
    return text.ljust(schema.get("minLength", 0), "a")


def mutants(body: Body, schemas: Schemas) -> Iterator[Mutant]:
    """Yield every change of an object, by place and kind of change."""
    for path, value in places(body):
        if path not in {(), ("apiVersion",), ("kind",)}:
            for how, changed in _changes(path, value, schemas.at(body, path)):
                yield Mutant(how, path, body, changed)


def places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every place of an object with what stands there."""
    yield path, value
    if isinstance(value, dict):
        for key, below in value.items():
            yield from places(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from places(below, (*path, index))


def _changes(path: Path, value: Any, schema: Schema) -> Iterator[tuple[str, Change]]:
    """Yield the changes of one place."""
    for other in OTHER_TYPES.get(type(value), ()):
        yield "wrong type", _put(path, other)
    yield "null", _put(path, None)
    yield "left out", _drop(path)
    yield from _bounds(path, schema)
    if isinstance(value, dict | list):
        yield from _changes_below(path, value)
    elif isinstance(value, bool):
        yield "other truth", _put(path, not value)
    elif isinstance(value, int | float):
        yield from (("other number", _put(path, number)) for number in NUMBERS)
    elif isinstance(value, str):
        yield from (("other text", _put(path, text)) for text in TEXTS)
        yield from (("other quantity", _put(path, text)) for text in QUANTITIES)


def _changes_below(path: Path, value: Body | list[Any]) -> Iterator[tuple[str, Change]]:
    yield "emptied", _put(path, type(value)())
    if isinstance(value, dict):
        yield "unknown field", _put((*path, "unknownField"), "x")
        for key in KEYS if value else ():
            yield "other key", _rename((*path, next(iter(value))), key)
        return
    yield "null item", _put((*path, len(value)), None)
    if value:
        yield "item repeated", _put((*path, len(value)), deepcopy(value[0]))
        for key, below in value[0].items() if isinstance(value[0], dict) else ():
            if isinstance(below, str):
                changed = {**deepcopy(value[0]), key: f"{below}x"}
                yield "item nearly repeated", _put((*path, len(value)), changed)


def _bounds(path: Path, schema: Schema) -> Iterator[tuple[str, Change]]:
    """Break what the schema says of a value."""
    for value in schema.get("enum") or ():
        if isinstance(value, str):
            yield "enum", _put(path, value)
            yield "enum broken", _put(path, value.swapcase() or "Bogus")
    if "minimum" in schema:
        yield "minimum broken", _put(path, schema["minimum"] - 1)
    if "maximum" in schema:
        yield "maximum broken", _put(path, schema["maximum"] + 1)
    if "maxLength" in schema:
        yield "length broken", _put(path, "a" * (schema["maxLength"] + 1))
    if "maxItems" in schema and schema["maxItems"] <= 200:
        yield "items broken", _multiply(path, schema["maxItems"] + 1)
    if "pattern" in schema:
        for text in ("", " ", "a b", "#", "1"):
            yield "pattern broken", _put(path, text)


NOT_WRITTEN = {
    "metadata": frozenset(
        {
            *("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"),
            *("deletionTimestamp", "deletionGracePeriodSeconds"),
        }
    ),
    "": frozenset({"status"}),
}
"""What only the server and controllers write, by where it stands: nothing of it is in a manifest."""


def additions(body: Body, schemas: Schemas, draw: random.Random) -> Iterator[Mutant]:
    """Yield the object with each field that its schema has and the object has not, alone and in pairs."""
    for path, value in places(body):
        if not isinstance(value, dict) or path[:1] == ("status",):
            continue
        schema = schemas.at(body, path)
        left = NOT_WRITTEN.get(str(path[-1]) if path else "", frozenset()) | set(value)
        absent = [name for name in schema.get("properties") or () if name not in left]
        for name in absent:
            example = schemas.example(schemas.below(schema, name))
            yield Mutant("field added", (*path, name), body, _put((*path, name), example))
            for other in OTHER_TYPES.get(type(example), ())[:2]:
                yield Mutant("field of wrong type added", (*path, name), body, _put((*path, name), other))
            for how, changed in _bounds((*path, name), schemas.below(schema, name)):
                yield Mutant(how, (*path, name), body, changed)
            for text in draw.sample(TEXTS, 2) if isinstance(example, str) else ():
                yield Mutant("text added", (*path, name), body, _put((*path, name), text))
            for number in draw.sample(NUMBERS, 2) if type(example) is int else ():
                yield Mutant("number added", (*path, name), body, _put((*path, name), number))
        for name in absent:
            pair = draw.choice(absent)
            both = {one: schemas.example(schemas.below(schema, one)) for one in (name, pair)}
            if pair != name:
                yield Mutant("two fields added", (*path, name), body, _merge(path, both))


# --- changes ----------------------------------------------------------------------------------------------------------


def _put(path: Path, value: Any) -> Change:
    def change(body: Body) -> Body:
        result = deepcopy(body)
        holder = _at(result, path[:-1])
        if isinstance(holder, list) and path[-1] == len(holder):
            holder.append(deepcopy(value))
        else:
            holder[path[-1]] = deepcopy(value)
        return result

    return change


def _drop(path: Path) -> Change:
    def change(body: Body) -> Body:
        result = deepcopy(body)
        del _at(result, path[:-1])[path[-1]]
        return result

    return change


def _rename(path: Path, key: str) -> Change:
    def change(body: Body) -> Body:
        result = deepcopy(body)
        holder = _at(result, path[:-1])
        holder[key] = holder.pop(path[-1])
        return result

    return change


def _multiply(path: Path, number: int) -> Change:
    def change(body: Body) -> Body:
        result = deepcopy(body)
        holder = _at(result, path[:-1])
        items = holder.get(path[-1]) if isinstance(holder, dict) else None
        first = items[0] if isinstance(items, list) and items else "a"
        holder[path[-1]] = [
            {**deepcopy(first), "name": f"a{count}"} if isinstance(first, dict) else f"{first}{count}"
            for count in range(number)
        ]
        return result

    return change


def _merge(path: Path, values: Mapping[str, Any]) -> Change:
    def change(body: Body) -> Body:
        result = deepcopy(body)
        _at(result, path).update(deepcopy(dict(values)))
        return result

    return change


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value
