"""Say validation errors in plain words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from jsonschema_rs import ValidationError, ValidationErrorKind

from tenantry.model.finding import Severity
from tenantry.model.problem import DocPath, dotted, nearest_name
from tenantry.schema import formats, rules
from tenantry.schema.close import DEFAULTED, RULE, Schema
from tenantry.schema.issue import SchemaIssue

PRUNED = "server-side apply refuses the object, other clients lose the field without a word"
_TYPE_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a map",
    "array": "a list",
    "null": "nothing",
}
_LONGEST_SHOWN = 60

_BOUNDS = {
    "pattern": (rules.PATTERN, "text that matches {}"),
    "minimum": (rules.RANGE, "at least {}"),
    "maximum": (rules.RANGE, "at most {}"),
    "exclusiveMinimum": (rules.RANGE, "more than {}"),
    "exclusiveMaximum": (rules.RANGE, "less than {}"),
    "multipleOf": (rules.RANGE, "a multiple of {}"),
    "minLength": (rules.RANGE, "text of at least {} characters"),
    "maxLength": (rules.RANGE, "text of at most {} characters"),
    "minItems": (rules.RANGE, "a list of {} items or more"),
    "maxItems": (rules.RANGE, "a list of {} items or fewer"),
    "minProperties": (rules.RANGE, "a map of {} fields or more"),
    "maxProperties": (rules.RANGE, "a map of {} fields or fewer"),
}

Kind = ValidationErrorKind


def explain_all(errors: Sequence[ValidationError], schema: Schema) -> Iterator[SchemaIssue]:
    """Turn all errors of one object into issues.

    A value of the wrong type is not also reported for not being one of the values allowed; the type says it better,
    and the values allowed tell what was meant: ``on`` without quotes is a boolean.
    """
    enums = {tuple(error.instance_path): error.kind.options for error in errors if isinstance(error.kind, Kind.Enum)}
    types = {tuple(error.instance_path) for error in errors if isinstance(error.kind, Kind.Type)}
    for error in errors:
        path = tuple(error.instance_path)
        if path not in types or path not in enums:
            yield from explain(error, schema)
        elif isinstance(error.kind, Kind.Type):
            issue = _wrong_type(path, error.instance, error.kind.types)
            meant = _meant(error.instance, enums[path])
            expected = f"one of {choices(enums[path])}"
            fix = f"put it in quotes: '{meant}'" if meant else f"write {expected}"
            yield replace(issue, expected=expected, nearest=meant, fix=fix)


def _meant(value: object, options: list[Any]) -> str | None:
    """Return the option whose text, unquoted, YAML reads as this value."""
    if isinstance(value, bool):
        texts = ("on", "yes", "true", "y") if value else ("off", "no", "false", "n")
        return next((option for option in options if str(option).casefold() in texts), None)
    return next((option for option in options if str(option) == shown(value)), None)


def explain(error: ValidationError, schema: Schema) -> Iterator[SchemaIssue]:
    """Turn one error of the validator into issues.

    Args:
        error: as ``iter_errors`` gives it.
        schema: the schema that was compiled, to look up names and rules in.
    """
    path: DocPath = tuple(error.instance_path)
    kind = error.kind
    if isinstance(kind, Kind.AdditionalProperties):
        yield from _unknown(error, schema, path, kind.unexpected)
    elif isinstance(kind, Kind.AnyOf | Kind.OneOfNotValid):
        yield from _alternatives(error, schema, path, kind.context)
    elif isinstance(kind, Kind.PropertyNames):
        yield _key(error, path, kind.error)
    else:
        yield _single(error, schema, path)


def is_kept_by_apply(error: ValidationError, schema: Schema) -> bool:
    """Whether server-side apply keeps the null that an error is about: in custom resources, where nothing replaces it.

    Kubernetes' own kinds are read into typed objects, in which a null is an absent value.
    """
    return "$defs" not in error.schema_path and DEFAULTED not in _parent(schema, error)


def null(path: DocPath) -> SchemaIssue:
    """Say that a field is null where server-side apply keeps that."""
    return SchemaIssue(
        rules.NULL,
        path,
        f"{_field(path)} is null: clients that create the object drop the field, server-side apply refuses the object",
        Severity.WARNING,
        expected="a value, or no field",
        found="null",
        fix=f"remove '{path[-1]}' or give it a value",
    )


def shown(value: object) -> str:
    """Write a value as JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def choices(values: list[Any]) -> str:
    """List values in the order given; the first dozen when there are many."""
    texts = [str(value) for value in values if value not in {None, ""}]
    return ", ".join(texts) if len(texts) <= 12 else f"{', '.join(texts[:12])} and {len(texts) - 12} more"


def _unknown(error: ValidationError, schema: Schema, path: DocPath, names: list[str]) -> Iterator[SchemaIssue]:
    valid = _parent(schema, error).get("properties", {})
    present = set(error.instance) if isinstance(error.instance, dict) else set()
    for name in sorted(names):
        nearest = nearest_name(name, set(valid) - present)
        nearest = nearest or nearest_name(name, valid)
        hint = f" (did you mean '{nearest}'?)" if nearest else ""
        yield SchemaIssue(
            rules.UNKNOWN_FIELD,
            (*path, name),
            f"unknown field '{name}'{hint}: {PRUNED}",
            expected=f"one of {choices(sorted(valid))}" if valid else "no fields at all",
            found=name,
            nearest=nearest,
            fix=f"rename it to '{nearest}'" if nearest else f"remove '{name}'",
            at_key=True,
        )


def _key(error: ValidationError, path: DocPath, inner: ValidationError) -> SchemaIssue:
    key = inner.instance
    if isinstance(inner.kind, Kind.Format) or not key:
        form = inner.kind.format.removeprefix(formats.PREFIX) if isinstance(inner.kind, Kind.Format) else ""
        meaning = formats.MEANING.get(form, "text that is not empty")
        return SchemaIssue(
            rules.PATTERN,
            (*path, str(key)),
            f"the key {shown(key)} must be {meaning}: the API server refuses the object",
            expected=meaning,
            found=str(key),
            at_key=True,
        )
    return SchemaIssue(
        rules.LABEL,
        (*path, str(key)),
        f"'{key}' is not a valid key: an optional DNS name and a slash, then at most 63 letters, digits, '-', '_' or "
        "'.', beginning and ending with a letter or digit",
        found=str(key),
        at_key=True,
    )


def _alternatives(
    error: ValidationError, schema: Schema, path: DocPath, branches: list[list[ValidationError]]
) -> Iterator[SchemaIssue]:
    """Flatten alternatives: all miss a field, or the branch that comes closest speaks for them."""
    if all(len(branch) == 1 and isinstance(branch[0].kind, Kind.Required) for branch in branches):
        names = [branch[0].kind.property for branch in branches if isinstance(branch[0].kind, Kind.Required)]
        word = "exactly one" if isinstance(error.kind, Kind.OneOfNotValid) else "at least one"
        yield SchemaIssue(
            rules.COMBINATION,
            path,
            f"{word} of {choices(names)} must be set{_where(path)}",
            expected=f"{word} of {choices(names)}",
            fix=f"set {names[0]}" if len(names) == 1 else f"set one of {choices(names)}",
        )
        return
    types = {name for branch in branches for inner in branch for name in _types(inner, path)}
    if len(types) == len([inner for branch in branches for inner in branch]):
        yield _wrong_type(path, error.instance, sorted(types))
        return
    closest = min(branches, key=lambda branch: (_same_place(branch, path), _not_meant(branch), len(branch)))
    for inner in closest:
        yield from explain(inner, schema)


def _same_place(branch: list[ValidationError], path: DocPath) -> bool:
    """Whether a branch fails on the type of the value itself, so that it was not the one meant."""
    return any(isinstance(inner.kind, Kind.Type) and tuple(inner.instance_path) == path for inner in branch)


def _not_meant(branch: list[ValidationError]) -> int:
    """Count the fields that say of a branch that another one was meant, as an operator does."""
    return sum(isinstance(inner.kind, Kind.Enum | Kind.Not) for inner in branch)


def _types(error: ValidationError, path: DocPath) -> list[str]:
    return error.kind.types if isinstance(error.kind, Kind.Type) and tuple(error.instance_path) == path else []


def _wrong_type(path: DocPath, value: object, types: list[str]) -> SchemaIssue:
    wanted = " or ".join(_TYPE_WORDS[name] for name in types if name != "null" or types == ["null"])
    fix = ""
    if types == ["string"] and isinstance(value, int | float):
        fix = f"put it in quotes: '{shown(value)}'"
    elif isinstance(value, str) and types == ["integer"] and value.lstrip("-").isdigit():
        fix = f"remove the quotes: {value}"
    found = "null" if value is None else f"{_type_of(value)} {shown(value)}"
    return SchemaIssue(
        rules.TYPE,
        path,
        f"{_field(path)} must be {wanted}, but is {found}: the API server refuses the object",
        expected=wanted,
        found=found,
        fix=fix,
    )


def _single(error: ValidationError, schema: Schema, path: DocPath) -> SchemaIssue:
    kind, value = error.kind, error.instance
    rule = _rule(schema, error)
    match kind:
        case Kind.Type(types) if rule is None:
            return _wrong_type(path, value, types)
        case Kind.Required(property=name):
            return SchemaIssue(
                rules.REQUIRED,
                (*path, name),
                f"required field '{name}' is missing{_where(path)}: the API server refuses the object",
                expected=name,
                fix=f"add '{name}'",
            )
        case Kind.Enum(options):
            valid = [str(option) for option in options if isinstance(option, str)]
            nearest = nearest_name(value, valid) if isinstance(value, str) and valid else None
            hint = f" (did you mean '{nearest}'?)" if nearest else ""
            return SchemaIssue(
                rules.ENUM,
                path,
                f"{_field(path)} is {shown(value)}{hint}, but must be one of {choices(options)}",
                expected=f"one of {choices(options)}",
                found=shown(value),
                nearest=nearest,
                fix=f"write {nearest}" if nearest else "",
            )
        case Kind.Format(format=name):
            return _format(path, value, name.removeprefix(formats.PREFIX))
        case Kind.UniqueItems():
            return SchemaIssue(
                rules.DUPLICATE_KEY,
                path,
                f"{_field(path)} is a set, but names a value twice: the API server refuses the object",
                found=shown(value),
                fix="remove the value that is repeated",
            )
    if rule == rules.LABEL:
        return _label_value(path, value)
    return _bound_or_form(kind, path, value)


def _label_value(path: DocPath, value: object) -> SchemaIssue:
    if not isinstance(value, str):
        issue = _wrong_type(path, value, ["string"])
        return SchemaIssue(rules.LABEL, path, issue.message, expected=issue.expected, found=issue.found, fix=issue.fix)
    return SchemaIssue(
        rules.LABEL,
        path,
        f"{shown(value)} is not a valid label value: at most 63 letters, digits, '-', '_' or '.', beginning and ending "
        "with a letter or digit",
        found=value,
    )


def _format(path: DocPath, value: object, name: str) -> SchemaIssue:
    meaning = formats.MEANING.get(name, f"of the form {name}")
    rule = rules.QUANTITY if name == "quantity" else rules.PATTERN
    return SchemaIssue(
        rule, path, f"{_field(path)} is {shown(value)}, but must be {meaning}", expected=meaning, found=shown(value)
    )


def _bound_or_form(kind: ValidationErrorKind, path: DocPath, value: object) -> SchemaIssue:
    rule, template = _BOUNDS.get(kind.name, (rules.COMBINATION, f"something else: '{kind.name}' does not hold"))
    if isinstance(kind, Kind.OneOfMultipleValid):
        expected = "only one of several alternatives that exclude each other"
    elif isinstance(kind, Kind.Not):
        expected = _exclusion(kind.schema)
    elif kind.name == "minLength" and kind.value == 1:
        expected = "text that is not empty"
    else:
        expected = template.format(kind.value)
    return SchemaIssue(
        rule,
        path,
        f"{_field(path)} is {shown(value)}, but must be {expected}: the API server refuses the object",
        expected=expected,
        found=shown(value),
    )


def _exclusion(excluded: object) -> str:
    if isinstance(excluded, dict) and set(excluded) == {"required"}:
        return f"without {' and '.join(map(str, excluded['required']))} together"
    return f"anything but {shown(excluded)}"


def _parent(schema: Schema, error: ValidationError) -> Schema:
    """Return the schema node that holds the keyword which failed."""
    nodes = list(_along(schema, error))
    node = nodes[-2] if len(nodes) > 1 else schema
    return node if isinstance(node, dict) else {}


def _rule(schema: Schema, error: ValidationError) -> str | None:
    """Return the rule that the schema names for this place, if any."""
    found = None
    for node in _along(schema, error):
        if isinstance(node, dict):
            found = node.get(RULE, found)
    return found


def _along(schema: Schema, error: ValidationError) -> Iterator[Any]:
    """Walk from the root of the schema to the keyword which failed."""
    node: Any = schema
    yield node
    for step in error.schema_path:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return
        yield node


def _field(path: DocPath) -> str:
    return dotted(path) or "the object"


def _where(path: DocPath) -> str:
    return f" in {dotted(path)}" if path else ""


def _type_of(value: object) -> str:
    if isinstance(value, bool):
        return "the boolean"
    if isinstance(value, int | float):
        return "the number"
    if isinstance(value, str):
        return "the text"
    return "the list" if isinstance(value, list) else "the map"
