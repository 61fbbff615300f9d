"""Strings that hold JSON or YAML: parsed once, with the reason when they cannot be read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tenantry.errors import InputError, YamlError

ParseYaml = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a string holds.

    Attributes:
        value: the parsed value; None when it cannot be read.
        error: why it cannot be read, empty when it can.
        known: whether anything can be said about it; False for YAML the reader refuses to expand.
    """

    value: Any
    error: str = ""
    known: bool = True


class _UnreadableError(Exception):
    """The text is JSON to Python but not to the programs that read it."""


def parse_json(text: str) -> Parsed:
    """Parse JSON as Go programs do: no duplicate keys, no NaN, no trailing comma; the reason names the likely slip."""
    try:
        return Parsed(json.loads(text, object_pairs_hook=_unique, parse_constant=_constant))
    except _UnreadableError as error:
        return Parsed(None, str(error))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        return Parsed(None, f"{_slip(text) or error.msg} ({place} of the text)")
    except (RecursionError, ValueError) as error:
        return Parsed(None, f"cannot be read: {type(error).__name__}")


def parse_chain(text: str) -> Parsed:
    """Parse the objects of a ``metaPlugins`` text: they are pasted, comma-separated, into a JSON array."""
    parsed = parse_json(f"[{text}]")
    if parsed.error and not parse_json(text).error:
        return Parsed(parse_json(text).value)
    return parsed


def parse_yaml_text(text: str, parse: ParseYaml) -> Parsed:
    """Parse YAML with the caller's reader."""
    try:
        return Parsed(parse(text))
    except YamlError as error:
        if type(error) is not YamlError:
            return Parsed(None, known=False)
        place = f" (line {error.line} column {error.column} of the text)" if error.line else ""
        return Parsed(None, f"{error.reason}{place}")
    except InputError as error:
        return Parsed(None, str(error))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _UnreadableError(f"the key {key!r} stands twice in one object")
        found[key] = value
    return found


def _constant(name: str) -> Any:
    raise _UnreadableError(f"{name} is not JSON")


def _slip(text: str) -> str:
    """Name the slip whose repair makes the text readable, or return an empty string."""
    without_trailing = re.sub(r",(\s*[}\]])", r"\1", text)
    if without_trailing != text and _readable(without_trailing):
        return "a comma stands before a closing bracket"
    if "'" in text and _readable(text.replace("'", '"')):
        return "strings are quoted with ' instead of \""
    without_comments = re.sub(r"(?m)^\s*(//|#).*$", "", text)
    if without_comments != text and _readable(without_comments):
        return "JSON has no comments"
    return ""


def _readable(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
