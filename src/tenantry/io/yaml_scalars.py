"""Scalars of the Kubernetes dialect of YAML: what a word without quotes means to the API server.

The server reads YAML with go.yaml.in/yaml/v2 behind sigs.k8s.io/yaml, which turns the document into JSON. That is
neither YAML 1.1 nor 1.2: ``no`` is false and ``010`` is 8 (1.1), ``0o777`` is 511 (1.2), ``1:30`` and dates stay text,
and so does a number too large for a double.

Source: go.yaml.in/yaml v2.4 resolve.go (``resolve``), sigs.k8s.io/yaml v1.6 yaml.go (``convertToJSONableObject``).
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from decimal import Decimal
from functools import lru_cache
from typing import Final

Scalar = str | int | float | bool | None

TAG = "tag:yaml.org,2002:"

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_FINITE: Final = frozenset(
    (".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF")
)
_NUMBER_START: Final = frozenset("+-.0123456789")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# strconv.ParseFloat, which reads what starts with a dot, lets single underscores pass between digits.
_DOT_FLOAT: Final = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
_INTEGER: Final = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]([0-7]+)|0([0-7]+)|(0|[1-9][0-9]*))", re.ASCII
)
# What is left after the prefix goes through ParseInt, which takes a sign of its own.
_SIGNED_BINARY: Final = re.compile(r"0b([-+][01]{1,63})")
_TIMESTAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2})?)?"
)
_BASES: Final = (16, 2, 8, 8, 10)
# Digits beyond which no integer fits 64 bits; Python refuses to parse far longer ones.
_MAX_INTEGER_TEXT: Final = 80
_CACHED_LENGTH: Final = 48


class NotJson(ValueError):  # noqa: N818 - reads as what it says
    """A scalar has no JSON value, so the API server refuses the document. ``str()`` says why."""


def resolve_plain(text: str) -> Scalar:
    """Return the value of a scalar written without quotes and without a tag.

    Raises:
        NotJson: for infinities and not-a-number, which JSON lacks.
    """
    if len(text) <= _CACHED_LENGTH:
        return _resolve_cached(text)
    return _resolve(text)


def resolve_tagged(tag: str, text: str) -> Scalar:
    """Return the value of a scalar with an explicit tag, as the server decodes it.

    Raises:
        NotJson: if the tag is not one of YAML's own or does not suit the text.
    """
    name = tag.removeprefix(TAG) if tag.startswith(TAG) else ""
    if tag == "!" or name == "str":
        return text
    if name == "timestamp" and _TIMESTAMP.fullmatch(text):
        return text
    if name == "binary":
        try:
            return base64.b64decode(text.replace("\n", ""), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError) as error:
            raise NotJson("the value of !!binary is not base64") from error
    if name not in ("int", "float", "bool", "null", "timestamp"):
        raise NotJson(f"the tag {_short(tag)} is not allowed")
    value = _resolve(text)
    kind = "null" if value is None else type(value).__name__
    if kind == name or (name == "float" and kind == "int"):
        return value
    raise NotJson(f"{text!r} is not a value of !!{name}")


def key_text(value: Scalar) -> str:
    """Return the JSON key the server makes of a mapping key; numbers and booleans become text.

    Raises:
        NotJson: for a null key or an integer beyond 64 bits, which the server refuses.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return str(value)
        raise NotJson("a number too large for 64 bits cannot be a key; quote it")
    if value is None:
        raise NotJson("a key is empty or null; quote it if the text is meant")
    return _single_precision(value)


def plain_key(text: str) -> str:
    """Return the JSON key the server makes of a mapping key written without quotes and without a tag.

    Raises:
        NotJson: if the server refuses the key.
    """
    value = resolve_plain(text)
    if type(value) is str:
        return value
    if type(value) is int:
        digits = text.replace("_", "")
        if not _INTEGER.fullmatch(digits) and not _SIGNED_BINARY.fullmatch(digits):
            # Still a float to go-yaml when it becomes a key: 1e6 is "1e+06" there, not "1000000".
            value = float(digits)
    return key_text(value)


def json_integer(value: int) -> int:
    """Return an integer as the server keeps it: exact within 64 bits, else the nearest double's shortest digits."""
    if -(2**63) <= value < 2**63:
        return value
    return int(Decimal(repr(float(value))))


def json_float(value: float) -> int | float:
    """Return a number as the server keeps it: whole numbers that a double holds exactly are integers.

    Go writes the double 1000 as ``1000``, which the server then reads as an integer.
    """
    if value.is_integer() and -(2**53) <= value <= 2**53:
        return int(value)
    return value


def _resolve(text: str) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_START:
        return text
    if text in _NOT_FINITE:
        raise NotJson(f"{text} has no JSON value; quote it if the text is meant")
    if text[0] == ".":
        return _to_float(text) if _DOT_FLOAT.fullmatch(text) else text
    return _number(text)


_resolve_cached = lru_cache(maxsize=32768)(_resolve)


def _number(text: str) -> Scalar:
    digits = text.replace("_", "")
    if len(digits) <= _MAX_INTEGER_TEXT and (match := _INTEGER.fullmatch(digits)):
        value = next(int(part, base) for part, base in zip(match.groups()[1:], _BASES, strict=True) if part)
        value = -value if match[1] == "-" else value
        # ParseUint takes no sign, so only numbers without one reach 64 unsigned bits.
        if -(2**63) <= value < (2**63 if match[1] else 2**64):
            return json_integer(value)
    if signed := _SIGNED_BINARY.fullmatch(digits):
        return int(signed[1], 2)
    if not _FLOAT.fullmatch(digits):
        return text
    number = _to_float(digits)
    return text if isinstance(number, str) else number


def _to_float(text: str) -> int | float | str:
    value = float(text)
    return text if math.isinf(value) else json_float(value)


def _short(tag: str) -> str:
    return f"!!{tag.removeprefix(TAG)}" if tag.startswith(TAG) else tag


def _single_precision(value: float) -> str:
    """Write a float key as Go's ``FormatFloat(value, 'g', -1, 32)``: the shortest digits of the 32-bit number."""
    single: float = struct.unpack("f", struct.pack("f", value))[0]
    if math.isinf(single):
        return ".inf" if single > 0 else "-.inf"
    shortest = next(
        text
        for digits in range(9)
        if struct.unpack("f", struct.pack("f", float(text := f"{single:.{digits}e}")))[0] == single
    )
    mantissa, _, exponent = shortest.partition("e")
    # strconv's %g with the shortest digits takes an exponent below -4 and from 6 on.
    if -4 <= int(exponent) < 6:
        return f"{Decimal(shortest):f}"
    return f"{mantissa}e{int(exponent):+03d}"
