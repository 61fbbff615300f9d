"""Writes YAML that every reader understands alike, the Kubernetes API server above all.

Text stands without quotes only if it starts with a letter, ``_`` or ``/``, holds nothing but the characters of a safe
allow-list and is no word that any reader takes for a boolean, null or number; all other text is quoted as JSON. Text of
several lines becomes a literal block where that keeps every character. Keys keep the order given, list items stand at
the indentation of their parent, and nothing is folded, so the same value gives the same bytes.
"""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# No '#': it starts a comment after a space. Colons are checked below.
_PLAIN: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./:=+@(), ;%<>-]*")
_RESERVED: Final = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"))

# Not printable to a YAML parser, a line break to some, or invisible (zero-width and bidirectional controls, which can
# make a reviewed line read differently from what is stored).
_HIDDEN: Final = "\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff"
_ESCAPED: Final = re.compile(f"[{_HIDDEN}]")
_NOT_LITERAL: Final = re.compile(f"[\\x00-\\x09\\x0b-\\x1f{_HIDDEN}]| (?:\n|$)")
# Parsers take at most 1,024 characters for a key on the line of its value.
_LONGEST_KEY: Final = 1000
_CACHED_LENGTH: Final = 256
# Keeps both the recursion here and the reader's own limit out of reach.
_DEEPEST: Final = 200


def dump(value: Any) -> str:
    """Write one document, ending in a newline.

    Args:
        value: maps with text keys, lists, tuples, text, integers, finite floats, booleans and None.

    Raises:
        ValueError: if a float is not finite, text holds half a surrogate pair or the nesting is deeper than 200 levels.
        TypeError: if a key is not text or a value is of another type.
    """
    parts: list[str] = []
    if isinstance(value, dict) and value:
        _write_map(value, "\n", parts)
        parts[0] = parts[0][1:]
    elif isinstance(value, (list, tuple)) and value:
        _write_list(value, "\n", parts)
        parts[0] = parts[0][1:]
    else:
        parts.append(_scalar(value, "\n  "))
    parts.append("\n")
    return "".join(parts)


def dump_all(values: Iterable[Any]) -> str:
    """Write documents one after the other with a line ``---`` between them; nothing for no documents."""
    return "---\n".join(dump(value) for value in values)


def _write_map(value: dict[str, Any], indent: str, parts: list[str]) -> None:
    """Append the lines of a map that is not empty; ``indent`` is a newline and the spaces before each key."""
    deeper = indent + "  "
    for key, item in value.items():
        if type(key) is str and len(key) <= _CACHED_LENGTH:
            parts.append(indent + _line_cached(key) + ":")
        else:
            parts.append(indent + _key(key, indent))
        kind = type(item)
        if kind is str:
            parts.append(
                " " + (_line_cached(item) if len(item) <= _CACHED_LENGTH and "\n" not in item else _text(item, deeper))
            )
        elif kind is dict and item:
            _check_depth(deeper)
            _write_map(item, deeper, parts)
        elif kind is list and item:
            _check_depth(deeper)
            _write_list(item, indent, parts)
        else:
            _write_other(item, deeper, indent, parts)


def _write_list(value: list[Any] | tuple[Any, ...], indent: str, parts: list[str]) -> None:
    """Append the lines of a list that is not empty; ``indent`` is a newline and the spaces before each dash."""
    deeper = indent + "  "
    for item in value:
        if type(item) is str:
            parts.append(indent + "- " + _text(item, deeper))
        elif isinstance(item, (dict, list, tuple)) and item:
            _check_depth(deeper)
            start = len(parts)
            if isinstance(item, dict):
                _write_map(item, deeper, parts)
            else:
                _write_list(item, deeper, parts)
            # The first line of the item moves up behind the dash.
            parts[start] = indent + "- " + parts[start][len(deeper) :]
        else:
            parts.append(indent + "- " + _scalar(item, deeper))


def _write_other(item: Any, deeper: str, indent: str, parts: list[str]) -> None:
    """Append the value of a key that is none of the common types."""
    if isinstance(item, dict) and item:
        _check_depth(deeper)
        _write_map(item, deeper, parts)
    elif isinstance(item, (list, tuple)) and item:
        _check_depth(deeper)
        _write_list(item, indent, parts)
    else:
        parts.append(" " + _scalar(item, deeper))


def _check_depth(indent: str) -> None:
    if len(indent) > 2 * _DEEPEST:
        raise ValueError(f"the value is nested deeper than {_DEEPEST} levels")


def _scalar(value: Any, indent: str) -> str:
    if isinstance(value, str):
        return _text(str.__str__(value), indent)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, (list, tuple)):
        return "[]"
    raise TypeError(f"YAML holds maps, lists, text, numbers, booleans and null, not {type(value).__name__}")


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} has no JSON value")
    text = repr(float(value))
    # YAML 1.1 readers take 1e-07 for text; with a dot in it every reader sees a number.
    return text if "." in text or "e" not in text else text.replace("e", ".0e")


def _key(key: Any, indent: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key must be text, not {type(key).__name__}: {key!r}")
    text = _line(str.__str__(key))
    return f"{text}:" if len(text) <= _LONGEST_KEY else f"? {text}{indent}:"


def _text(text: str, indent: str) -> str:
    if "\n" not in text:
        return _line_cached(text) if len(text) <= _CACHED_LENGTH else _line(text)
    return _literal(text, indent) if _fits_literal(text) else _line(text)


def _line(text: str) -> str:
    """Write text on one line: bare where that is safe, else quoted."""
    if (
        _PLAIN.fullmatch(text)
        and text[-1] not in " :"
        and ": " not in text
        and (len(text) > 8 or text.casefold() not in _RESERVED)
    ):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    quoted = _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError(f"the text holds half a surrogate pair: {text[:40]!a}")
    return quoted


_line_cached = lru_cache(maxsize=65536)(_line)


def _fits_literal(text: str) -> bool:
    """Whether a literal block keeps every character of a text of several lines."""
    return (
        text[0] not in " \n"
        and not _NOT_LITERAL.search(text)
        and (text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text))
    )


def _literal(text: str, indent: str) -> str:
    body = text.rstrip("\n")
    trailing = len(text) - len(body)
    chomping = "-" if not trailing else "" if trailing == 1 else "+"
    lines = "".join(indent + line if line else "\n" for line in body.split("\n"))
    # With '+' every line end counts; the caller ends the last line.
    return f"|{chomping}{lines}" + "\n" * max(0, trailing - 1)
