"""Says in plain words what is wrong with a spec document, from what pydantic reports about it."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union

from pydantic import BaseModel, ValidationError

from tenantry.model.problem import DocPath, dotted, nearest_name
from tenantry.model.spec import base

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from tenantry.model.spec.base import SpecModel

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_PORT = "^(TCP|UDP|SCTP)/[0-9]{1,5}(-[0-9]{1,5})?$"
PATTERN_WORDS: Final = {
    f"^{_LABEL}$": "lower-case letters, digits and hyphens, with a letter or digit at both ends",
    rf"^{_LABEL}(\.{_LABEL})*$": "lower-case letters, digits, hyphens and dots, as in a host name",
    r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$": 'a quantity such as "64", 500m or 2Ti',
    r"^v?[0-9]+(\.[0-9]+){0,3}([-+][0-9A-Za-z.+-]+)?$": 'a version such as "26.7.0"',
    base.URL_PATTERN: "a repository address without a user or password, such as https://git.example.com/team/repo.git",
    r"^https?://[^\s/@]+(/[^\s@]*)?$": "an address without a user or password, such as https://runai.example.com",
    r"^[0-9a-fA-F:.]+/[0-9]{1,3}$": "an IP prefix such as 10.20.0.0/16, or 10.20.0.1/32 for one address",
    r"^([0-9]+(h|m|s))+$": "a duration such as 8h or 1h30m",
    r"^[^\s:]([^\x00-\x1f\x7f]*[^\s])?$": "a group name on one line that does not start with a colon",
    _PORT: "a protocol and a port or range of ports, such as TCP/443 or UDP/5000-5010",
    base.EMAIL_PATTERN: "one e-mail address, such as team@example.com",
    r"^[a-z][a-z0-9.-]*$": "lower-case letters, digits, dots and hyphens, with a letter first",
    r"^[A-Z][A-Z0-9]*(-[A-Z0-9]+)+$": "a rule id such as LINT-SRIOV-SELECTOR",
    r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$": 'a PCI address in lower case such as "0000:1a:00.0"',
    r"^[A-Za-z0-9_.-]{1,15}$": "an interface name of at most 15 letters, digits, dots, hyphens and underscores",
    r"^0x[0-9a-fA-F]{1,4}$": 'a P_Key of up to four hexadecimal digits in quotes, such as "0x8010"',
    r"^[A-Za-z0-9_]+$": "letters, digits and underscores",
    r"^\S+ \S+ \S+ \S+ \S+$": 'a cron expression of five fields, such as "0 22 * * 6"',
    base.FOLDER_PATTERN: "a relative path such as clusters/prod",
    base.REVISION_PATTERN: "a branch or tag such as main",
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*$": "letters, digits, hyphens, dots and underscores, with a letter or digit first",
}
"""What the patterns of the spec models ask for. A test holds this complete."""

_TYPES: Final = {
    "int": "a whole number without quotes",
    "float": "a number without quotes",
    "bool": "true or false without quotes",
    "string": "text",
    "list": "a list",
    "dict": "a map",
    "model": "a map",
    "date": "a date such as 2027-06-30",
    "none": "nothing",
}
_LIMITS: Final = {
    "greater_than_equal": ("at least {}", "ge"),
    "greater_than": ("more than {}", "gt"),
    "less_than_equal": ("at most {}", "le"),
    "less_than": ("less than {}", "lt"),
    "string_too_short": ("at least {} characters", "min_length"),
    "string_too_long": ("at most {} characters", "max_length"),
    "too_short": ("at least {} item", "min_length"),
    "too_long": ("at most {} items", "max_length"),
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing wrong with a document, without its place in a file.

    Attributes:
        path: path inside the document; of what is missing, or of the unknown field.
        message: one sentence naming the thing.
        expected: what would have been accepted.
        nearest: the closest valid name, or None.
        missing: whether nothing stands at ``path``.
        at_key: whether the name of the field is wrong rather than its value.
    """

    path: DocPath
    message: str
    expected: str = ""
    nearest: str | None = None
    missing: bool = False
    at_key: bool = False


def complaints(model: type[SpecModel], body: Any, error: ValidationError) -> list[Complaint]:
    """Put what pydantic reports about ``body`` into words, one complaint per place."""
    found: dict[DocPath, Complaint] = {}
    for detail in error.errors(include_url=False):
        complaint = _complaint(model, body, detail)
        known = found.get(complaint.path)
        if known is None:
            found[complaint.path] = complaint
        elif complaint.expected and complaint.expected not in known.expected:
            # The members of a union complain one by one about the same value.
            found[complaint.path] = replace(known, expected=f"{known.expected} or {complaint.expected}")
    # A field that is there under a misspelt name is one mistake, not two.
    misspelt = {(*item.path[:-1], item.nearest) for item in found.values() if item.at_key and item.nearest}
    return [item for item in found.values() if not (item.missing and item.path in misspelt)]


def _complaint(model: type[SpecModel], body: Any, detail: ErrorDetails) -> Complaint:
    kind, context = detail["type"], detail.get("ctx", {})
    path = _path(body, detail["loc"], keep_last=kind == "missing")
    name = dotted(path) or "the document"
    if kind == "missing":
        expected = _description(model, path)
        return Complaint(path, f"{name} is missing", expected, missing=True)
    if kind == "extra_forbidden":
        return _unknown_field(model, body, path)
    if kind in ("enum", "literal_error"):
        allowed = _allowed(model, path)
        nearest = nearest_name(str(detail["input"]), allowed)
        expected = ", ".join(allowed) if allowed else str(context.get("expected", ""))
        prefix = "" if len(allowed) == 1 else "one of "
        return Complaint(path, f"{name} has a value that is not known", prefix + expected, nearest)
    if kind == "string_pattern_mismatch":
        pattern = str(context["pattern"])
        words = PATTERN_WORDS.get(pattern) or _description(model, path) or f"text of the form {pattern}"
        return Complaint(path, f"{name} is not of the form it must have", words)
    if kind.startswith("int") and isinstance(detail["input"], int) and not isinstance(detail["input"], bool):
        return Complaint(path, f"{name} is outside its bounds", "a number that a machine can count to")
    if kind in _LIMITS:
        words, key = _LIMITS[kind]
        limit = context[key]
        plural = "s" if kind == "too_short" and limit != 1 else ""
        return Complaint(path, f"{name} is outside its bounds", words.format(limit) + plural)
    return _wrong_type(model, path, name, detail)


def _wrong_type(model: type[SpecModel], path: DocPath, name: str, detail: ErrorDetails) -> Complaint:
    value = detail["input"]
    wanted = detail["type"].partition("_")[0]
    if value is None and wanted in _TYPES:
        return Complaint(path, f"{name} has no value", _TYPES[wanted] + _inside(model, path))
    if wanted == "string" and isinstance(value, (bool, int, float)):
        what = "true or false" if isinstance(value, bool) else "a number"
        return Complaint(path, f"{name} must be text, YAML reads {what} here", "the value in quotes")
    if wanted in _TYPES:
        words = _TYPES[wanted]
        return Complaint(path, f"{name} must be {words.removesuffix(' without quotes')}", words + _inside(model, path))
    return Complaint(path, f"{name}: {detail['msg'][:1].lower()}{detail['msg'][1:]}")


def _inside(model: type[SpecModel], path: DocPath) -> str:
    """Name the fields of the map that belongs at a path: those it must have, or else all; empty for anything else."""
    wanted = _model_at(model, path)
    if wanted is None:
        return ""
    required = [item.alias or name for name, item in wanted.model_fields.items() if item.is_required()]
    return f" with {', '.join(required or _fields(wanted))}"


def _unknown_field(model: type[SpecModel], body: Any, path: DocPath) -> Complaint:
    parent = path[:-1]
    fields = _fields(_model_at(model, parent))
    present = _value_at(body, parent)
    # A field that is already there cannot be the one that was meant.
    free = [name for name in fields if not isinstance(present, dict) or name not in present]
    unknown = str(path[-1])
    nearest = nearest_name(unknown, free) or nearest_name(unknown.replace("_", ""), free)
    where = dotted(parent) or "the document"
    expected = f"one of {', '.join(sorted(fields))}" if fields else ""
    return Complaint(path, f"{where} has no field {unknown!r}", expected, nearest, at_key=True)


def _path(body: Any, steps: Iterable[str | int], *, keep_last: bool) -> DocPath:
    """Keep of a pydantic location what is a path in the document; it also names members of unions and keys as such."""
    path: list[str | int] = []
    value, remaining = body, list(steps)
    for number, step in enumerate(remaining):
        last = number == len(remaining) - 1
        try:
            value = _below(value, step)
        except (LookupError, TypeError):
            if not (keep_last and last):
                continue
        path.append(step)
    return tuple(path)


def _below(value: Any, step: str | int) -> Any:
    if not isinstance(value, (dict, list)):
        raise LookupError(step)
    container: Any = value
    return container[step]


def _value_at(body: Any, path: DocPath) -> Any:
    for step in path:
        body = body[step]
    return body


def _annotation_at(model: Any, path: DocPath) -> tuple[Any, str]:
    """Return the type and the description of the field at a path; Any and nothing where the models do not reach."""
    annotation, description = model, ""
    for step in path:
        for option in _options(annotation):
            origin, arguments = typing.get_origin(option), typing.get_args(option)
            if isinstance(option, type) and issubclass(option, BaseModel):
                name = next((key for key, item in option.model_fields.items() if (item.alias or key) == step), None)
                if name is not None:
                    field = option.model_fields[name]
                    annotation, description = field.annotation, field.description or ""
                    break
            elif origin is list and isinstance(step, int):
                annotation = arguments[0]
                break
            elif origin is dict and isinstance(step, str):
                annotation = arguments[1]
                break
        else:
            return Any, ""
    return annotation, description


def _options(annotation: Any) -> list[Any]:
    """Return the members of a union, without ``Annotated`` around them."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _options(typing.get_args(annotation)[0])
    if origin is Union or origin is types.UnionType:
        return [option for member in typing.get_args(annotation) for option in _options(member)]
    return [annotation]


def _model_at(model: Any, path: DocPath) -> type[BaseModel] | None:
    options = _options(_annotation_at(model, path)[0])
    return next((item for item in options if isinstance(item, type) and issubclass(item, BaseModel)), None)


def _fields(model: type[BaseModel] | None) -> list[str]:
    return [item.alias or name for name, item in model.model_fields.items()] if model else []


def _allowed(model: Any, path: DocPath) -> list[str]:
    """Return the values an enumeration or a literal allows, in their order."""
    allowed: list[str] = []
    for option in _options(_annotation_at(model, path)[0]):
        if isinstance(option, type) and issubclass(option, Enum):
            allowed.extend(str(member.value) for member in option)
        elif typing.get_origin(option) is Literal:
            allowed.extend(str(value) for value in typing.get_args(option))
    return allowed


def _description(model: Any, path: DocPath) -> str:
    text = _annotation_at(model, path)[1].partition("\n\n")[0]
    words = " ".join(text.replace("``", "").split()).removesuffix(".")
    # It goes on a sentence; abbreviations keep their capitals.
    return words[:1].lower() + words[1:] if words[1:2].islower() or words[1:2] == " " else words
