"""One closed schema, compiled when it is first used."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema_rs

from tenantry.model.manifest import Body
from tenantry.model.problem import DocPath, dotted
from tenantry.schema import formats, rules
from tenantry.schema.close import Schema
from tenantry.schema.explain import explain_all, is_kept_by_apply, null
from tenantry.schema.issue import SchemaIssue
from tenantry.schema.list_maps import BranchBuilder, duplicates

_FORMATS = {formats.PREFIX + name: check for name, check in formats.CHECKS.items()}
_MAX_NULL_ROUNDS = 8  # removing a null may uncover another below an alternative; deeper than this nobody nests


class CompiledSchema:
    """Checks objects against one closed schema.

    Args:
        schema: result of :class:`~tenantry.schema.close.Closer`.
        patch: the objects are patches, in which a null removes a field.

    Attributes:
        not_evaluated: what of the schema could not be compiled and is therefore not checked, in words.
    """

    def __init__(self, schema: Schema, *, patch: bool = False) -> None:
        self._schema = schema
        self._patch = patch
        self.not_evaluated: list[str] = []
        self._validator = self._compile()
        self._branch = BranchBuilder(schema).build()

    def issues(self, body: Body) -> list[SchemaIssue]:
        """Return everything wrong with an object, in no particular order."""
        found: list[SchemaIssue] = []
        if self._validator is not None:
            try:
                if not self._validator.is_valid(body):
                    found.extend(self._explained(self._validator, body))
            except (ValueError, TypeError, OverflowError, RecursionError) as error:
                return [unreadable(body, str(error))]
        if self._branch is not None:
            found.extend(
                issue for issue in duplicates(self._branch, body) if not (self._patch and issue.rule == rules.REQUIRED)
            )
        return found

    def _explained(self, validator: jsonschema_rs.Draft202012Validator, body: Body) -> Iterator[SchemaIssue]:
        """Explain the errors that remain when fields set to null are dropped, as the server does on create.

        Server-side apply keeps the nulls of custom resources, except where the schema has a default, and refuses them.
        """
        errors = list(validator.iter_errors(body))
        kept: set[DocPath] = set()
        for _ in range(_MAX_NULL_ROUNDS):
            nulls = [error for error in errors if _droppable(body, tuple(error.instance_path))]
            if not nulls:
                break
            kept.update(tuple(error.instance_path) for error in nulls if is_kept_by_apply(error, self._schema))
            body = _without(body, [tuple(error.instance_path) for error in nulls])
            errors = list(validator.iter_errors(body))
        issues = list(explain_all(errors, self._schema))
        yield from issues
        if not self._patch:
            yield from (null(path) for path in kept - {issue.path for issue in issues})

    def _compile(self) -> jsonschema_rs.Draft202012Validator | None:
        try:
            return _validator(self._schema)
        except (ValueError, jsonschema_rs.ReferencingError):
            self._schema = copy.deepcopy(self._schema)
        for path, node in _nodes(self._schema, ()):
            pattern = node.get("pattern")
            if isinstance(pattern, str) and not _compiles({"pattern": pattern}):
                del node["pattern"]
                self.not_evaluated.append(f"the pattern {pattern} at {_readable(path)} cannot be compiled")
        try:
            return _validator(self._schema)
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            reason = str(error).partition("\n")[0]
            self.not_evaluated.append(f"the schema cannot be compiled: {reason}")
            return None


def unreadable(body: object, reason: str) -> SchemaIssue:
    """Say that an object is not what JSON can hold: a key that is no text, or nesting without end."""
    path = _bad_key(body)
    message = f"the key {path[-1]!r} is not text" if path else f"the object cannot be checked: {reason}"
    return SchemaIssue(
        rules.UNREADABLE,
        path[:-1],
        f"{message}; the API server reads JSON, where every key is text" if path else message,
        expected="keys that are text",
        fix="put the key in quotes" if path else "",
    )


def _validator(schema: Schema) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        schema, formats=_FORMATS, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions()
    )


def _compiles(schema: Schema) -> bool:
    try:
        _validator(schema)
    except ValueError:
        return False
    return True


def _nodes(node: object, path: DocPath) -> Iterator[tuple[DocPath, dict[str, Any]]]:
    if isinstance(node, dict):
        yield path, node
        for key, value in list(node.items()):
            yield from _nodes(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _nodes(value, (*path, index))


def _readable(schema_path: DocPath) -> str:
    return dotted(tuple("[]" if step == "items" else step for step in schema_path if step != "properties"))


def _droppable(body: Body, path: DocPath) -> bool:
    """Whether a null stands in a field, where the server drops it; in a list it stays and is an error."""
    return bool(path) and isinstance(path[-1], str) and _at(body, path) is None


def _at(value: Any, path: DocPath) -> Any:
    for step in path:
        value = value[step]
    return value


def _without(body: Body, paths: list[DocPath]) -> Body:
    body = copy.deepcopy(body)
    for path in dict.fromkeys(paths):
        # Objects built in memory may hold one map in two places, which then loses the field in both.
        _at(body, path[:-1]).pop(path[-1], None)
    return body


def _bad_key(value: object) -> tuple[Any, ...]:
    stack: list[tuple[tuple[Any, ...], object]] = [((), value)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, dict):
            for key, below in node.items():
                if not isinstance(key, str):
                    return (*path, key)
                stack.append(((*path, key), below))
        elif isinstance(node, list):
            stack.extend(((*path, index), below) for index, below in enumerate(node))
    return ()
