"""Lists that are maps: no two items may have the same keys. JSON Schema cannot say that, so it is checked here.

The places of such lists are collected once per schema into a graph, so that checking visits only the branches that lead
to one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenantry.model.problem import DocPath
from tenantry.schema import rules
from tenantry.schema.close import KEY_DEFAULTS, KEYS, Schema
from tenantry.schema.issue import SchemaIssue


@dataclass(slots=True, eq=False)
class Branch:
    """A place in a schema below which lists are maps.

    Attributes:
        fields: branches by property name.
        values: branch of all other properties.
        items: branch of a list's items.
        keys: keys of the list here; empty if it is not a map.
        defaults: values of keys that an item may leave out.
        asked: fields that the schema itself asks of an item.
    """

    fields: dict[str, Branch] = field(default_factory=dict)
    values: Branch | None = None
    items: Branch | None = None
    keys: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()

    @property
    def leads_nowhere(self) -> bool:
        """Whether nothing below needs a check."""
        return not (self.fields or self.values or self.items or self.keys)


class BranchBuilder:
    """Collects the list maps of a closed schema.

    Args:
        schema: result of :class:`~tenantry.schema.close.Closer`.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._definitions: dict[str, Schema] = schema.get("$defs", {})
        self._needed = _definitions_with_keys(self._definitions)
        self._built: dict[str, Branch] = {}

    def build(self) -> Branch | None:
        """Return the root branch, or None if no list is a map."""
        return self._branch(self._schema)

    def _branch(self, schema: object) -> Branch | None:
        if not isinstance(schema, dict):
            return None
        reference = schema.get("$ref")
        if reference is not None:
            return self._definition(reference.removeprefix("#/$defs/"))
        branch = Branch()
        self._fill(branch, schema)
        return None if branch.leads_nowhere else branch

    def _definition(self, name: str) -> Branch | None:
        """Build a definition once; the branch is registered before it is filled because definitions may recur."""
        if name not in self._needed:
            return None
        if name not in self._built:
            self._built[name] = Branch()
            self._fill(self._built[name], self._definitions[name])
        return self._built[name]

    def _fill(self, branch: Branch, schema: Schema) -> None:
        for name, value in schema.get("properties", {}).items():
            below = self._branch(value)
            if below is not None:
                branch.fields[name] = below
        branch.values = self._branch(schema.get("additionalProperties"))
        branch.items = self._branch(schema.get("items"))
        branch.keys = tuple(schema.get(KEYS, ()))
        items = schema.get("items")
        if isinstance(items, dict) and "$ref" in items:
            items = self._definitions.get(items["$ref"].removeprefix("#/$defs/"))
        branch.asked = frozenset(items.get("required", ()) if isinstance(items, dict) else ())
        branch.defaults = schema.get(KEY_DEFAULTS, {})


def _definitions_with_keys(definitions: Mapping[str, Schema]) -> set[str]:
    """Return the definitions that hold a list map, themselves or in what they refer to."""
    needed, refers = set(), {}
    for name, schema in definitions.items():
        refers[name] = set(_strings(schema, "$ref"))
        if next(_strings(schema, KEYS), None) is not None:
            needed.add(name)
    while True:
        more = {name for name, targets in refers.items() if targets & needed} - needed
        if not more:
            return needed
        needed |= more


def _strings(node: object, keyword: str) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == keyword:
                yield str(value).removeprefix("#/$defs/")
            else:
                yield from _strings(value, keyword)
    elif isinstance(node, list):
        for value in node:
            yield from _strings(value, keyword)


def duplicates(branch: Branch, value: object, path: DocPath = ()) -> Iterator[SchemaIssue]:
    """Report every item whose keys an earlier item of the same list has.

    Args:
        branch: where ``value`` stands in the schema.
        value: the object, or a part of it; parts of another type than the schema's are passed over.
        path: path of ``value``.
    """
    if isinstance(value, dict):
        for name, below in value.items():
            next_branch = branch.fields.get(name, branch.values)
            if next_branch is not None:
                yield from duplicates(next_branch, below, (*path, name))
    elif isinstance(value, list):
        if branch.keys:
            yield from _repeated(branch, value, path)
        if branch.items is not None:
            for index, item in enumerate(value):
                yield from duplicates(branch.items, item, (*path, index))


def _repeated(branch: Branch, items: list[Any], path: DocPath) -> Iterator[SchemaIssue]:
    seen: dict[tuple[str, ...], int] = {}
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            continue
        if not any(key in item or key in branch.defaults for key in branch.keys):
            # Where the schema asks for a key, its lack is said by that.
            if not branch.asked.intersection(branch.keys):
                yield _keyless(branch.keys, (*path, index))
            continue
        values = tuple(repr(item.get(key, branch.defaults.get(key))) for key in branch.keys)
        if values not in seen:
            seen[values] = index
            continue
        shown = ", ".join(f"{key}={value.strip(chr(39))}" for key, value in zip(branch.keys, values, strict=True))
        yield SchemaIssue(
            rules.DUPLICATE_KEY,
            (*path, index),
            f"item {index} has the same {' and '.join(branch.keys)} as item {seen[values]} ({shown}): "
            "server-side apply refuses lists with two items of one key, and other clients keep only one",
            expected=f"items that differ in {' or '.join(branch.keys)}",
            found=shown,
            fix=f"remove one of the two items or change its {branch.keys[-1]}",
        )


def _keyless(keys: tuple[str, ...], path: DocPath) -> SchemaIssue:
    wanted = " or ".join(keys)
    return SchemaIssue(
        rules.REQUIRED,
        path,
        f"the item has no {wanted}, by which it is told from the others: server-side apply refuses the object",
        expected=wanted,
        fix=f"add '{keys[0]}'",
    )
