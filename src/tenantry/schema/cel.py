"""Validation rules of custom resources (``x-kubernetes-validations``), evaluated as on create.

Only this module and :mod:`tenantry.schema.cel_library` need the optional package; import it where rules are asked for.
Source: apiextensions-apiserver, pkg/apiserver/schema/cel/{compilation,validation}.go.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]
from cel_expr_python.ext import (  # type: ignore[import-untyped]
    ext_bindings,
    ext_encoders,
    ext_math,
    ext_optional,
    ext_strings,
)

from tenantry.model.finding import Severity, Verdict
from tenantry.model.manifest import Body
from tenantry.model.problem import DocPath, dotted
from tenantry.schema import rules
from tenantry.schema.cel_library import library
from tenantry.schema.issue import SchemaIssue

RULES = "x-kubernetes-validations"

_OVERLOAD = "No matching overloads"
"""Said where times and durations stay text here; the server, which knows their types, has no such failure."""

_OLD_SELF = re.compile(r"\boldSelf\b")
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_RESERVED = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"),
        *("let", "loop", "package", "namespace", "return", "var", "void", "while"),
    }
)


@dataclass(frozen=True, slots=True)
class _Rule:
    text: str
    program: Any
    message: str
    message_program: Any
    field_path: DocPath


@dataclass(slots=True, eq=False)
class _Place:
    """A place in a schema: its rules, and the schemas below it."""

    schema: Body
    rules: list[_Rule] = field(default_factory=list)
    fields: dict[str, _Place] = field(default_factory=dict)
    values: _Place | None = None
    items: _Place | None = None
    leads_to_rules: bool = False


class RuleSet:
    """The rules of one version of a custom resource.

    Args:
        schema: ``openAPIV3Schema`` as published.

    Attributes:
        not_evaluated: rules that could not be compiled, in words.
    """

    def __init__(self, schema: Body) -> None:
        self.not_evaluated: list[str] = []
        self._root = self._place({**schema, "type": "object"}, ())

    def issues(self, body: Body) -> list[SchemaIssue]:
        """Evaluate all rules that apply to an object without schema errors.

        Rules that compare with the old object are not asked on create. A rule that cannot be evaluated is reported with
        verdict ``UNKNOWN``.
        """
        if not self._root.leads_to_rules:
            return []
        return list(self._evaluate(self._root, _defaulted(self._root.schema, body), ()))

    def _place(self, schema: Body, path: DocPath) -> _Place:
        place = _Place(schema)
        for rule in schema.get(RULES) or ():
            compiled = self._rule(rule, path)
            if compiled is not None:
                place.rules.append(compiled)
        for name, below in schema.get("properties", {}).items():
            place.fields[name] = self._place(below, (*path, name))
        if isinstance(schema.get("items"), dict):
            place.items = self._place(schema["items"], (*path, "[]"))
        if isinstance(schema.get("additionalProperties"), dict):
            place.values = self._place(schema["additionalProperties"], (*path, "*"))
        below_here = (*place.fields.values(), *filter(None, (place.items, place.values)))
        place.leads_to_rules = bool(place.rules) or any(below.leads_to_rules for below in below_here)
        return place

    def _rule(self, rule: Body, path: DocPath) -> _Rule | None:
        text = rule.get("rule")
        if not isinstance(text, str):
            return None
        if _OLD_SELF.search(text):
            if not rule.get("optionalOldSelf"):
                return None
            text = _OLD_SELF.sub("optional.none()", text)
        try:
            program = _environment().compile(text)
            told = rule.get("messageExpression")
            message_program = _environment().compile(told) if isinstance(told, str) else None
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            self.not_evaluated.append(f"the rule {text.strip()} at {dotted(path) or 'the root'}: {reason}")
            return None
        field_path = tuple(part for part in re.split(r"[.\[\]']+", rule.get("fieldPath", "")) if part)
        return _Rule(text, program, str(rule.get("message") or "").strip(), message_program, field_path)

    def _evaluate(self, place: _Place, value: Any, path: DocPath) -> Iterator[SchemaIssue]:
        if not place.leads_to_rules or value is None:
            return
        if place.rules:
            bound = {"self": _for_cel(place, value)}
            for rule in place.rules:
                issue = _ask(rule, bound, path)
                if issue is not None:
                    yield issue
        if isinstance(value, dict):
            for name, below in value.items():
                inside = place.fields.get(name, place.values)
                if inside is not None:
                    yield from self._evaluate(inside, below, (*path, name))
        elif isinstance(value, list) and place.items is not None:
            for index, below in enumerate(value):
                yield from self._evaluate(place.items, below, (*path, index))


@cache
def _environment() -> Any:
    return cel.NewEnv(
        variables={"self": cel.Type.DYN},
        extensions=[
            ext_strings.ExtStrings(),
            ext_math.ExtMath(),
            ext_optional.ExtOptional(),
            ext_encoders.ExtEncoders(),
            ext_bindings.ExtBindings(),
            library(),
        ],
    )


def _ask(rule: _Rule, bound: dict[str, Any], path: DocPath) -> SchemaIssue | None:
    verdict = _value(rule.program, bound)
    if verdict is True:
        return None
    shown = " ".join(rule.text.split())
    if isinstance(verdict, str) and _OVERLOAD not in verdict:
        # A rule that fails on a value is a refusal too: the server asks no further.
        return SchemaIssue(
            rules.CEL,
            (*path, *rule.field_path),
            f"{dotted(path) or 'the object'}: the rule {shown} fails ({verdict}): the API server refuses the object",
            expected=shown,
        )
    if verdict is not False:
        return SchemaIssue(
            rules.CEL,
            path,
            f"not evaluated: {shown} gives no verdict ({verdict})",
            Severity.INFO,
            verdict=Verdict.UNKNOWN,
        )
    told = _value(rule.message_program, bound) if rule.message_program is not None else None
    message = told if isinstance(told, str) and told.strip() else rule.message or f"the rule {shown} does not hold"
    return SchemaIssue(
        rules.CEL,
        (*path, *rule.field_path),
        f"{dotted(path) or 'the object'}: {message.strip()}: the API server refuses the object",
        expected=shown,
    )


def _value(program: Any, bound: dict[str, Any]) -> Any:
    """Return what an expression gives; the text of an error if it gives none."""
    try:
        result = program.eval(data=bound)
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        return f"error: {str(error).partition(chr(10))[0]}"
    if result.type() == cel.Type.ERROR:
        return f"error: {result.value()}"
    return result.plain_value()


def _defaulted(schema: Body, value: Any) -> Any:
    """Return a copy with defaults filled in and nulls dropped, as the server does before it asks the rules."""
    if isinstance(value, dict):
        properties, values = schema.get("properties", {}), schema.get("additionalProperties")
        result = {}
        for name, below in value.items():
            inside = properties.get(name, values if isinstance(values, dict) else {})
            if below is not None or inside.get("nullable"):
                result[name] = _defaulted(inside, below)
        for name, inside in properties.items():
            if name not in result and "default" in inside:
                result[name] = _defaulted(inside, copy.deepcopy(inside["default"]))
        return result
    if isinstance(value, list):
        items = schema.get("items")
        return [_defaulted(items if isinstance(items, dict) else {}, item) for item in value]
    return value


def _for_cel(place: _Place, value: Any) -> Any:
    """Convert a value to what rules see: field names escaped, numbers as doubles.

    The evaluator takes no times and durations inside maps; they stay text, and rules that compare them get no verdict.
    """
    if isinstance(value, dict):
        result = {}
        for name, below in value.items():
            if name in place.fields:
                result[_escaped(name)] = _for_cel(place.fields[name], below)
            else:
                result[name] = _for_cel(place.values, below) if place.values else below
        return result
    if isinstance(value, list):
        return [_for_cel(place.items, item) if place.items else item for item in value]
    if place.schema.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _escaped(name: str) -> str:
    """Escape a field name as CEL in Kubernetes spells it: ``my-field`` is ``my__dash__field``."""
    if name in _RESERVED:
        return f"__{name}__"
    if not re.fullmatch(r"[A-Za-z_.\-/][A-Za-z0-9_.\-/]*", name, re.ASCII):
        return name
    return re.sub(r"__|[.\-/]", lambda match: _ESCAPES[match[0]], name)
