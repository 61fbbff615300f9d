"""Reads samples from a Prometheus exposition text, or from the JSON of a Prometheus query.

Three forms are told apart by the first letter: the answer of the HTTP API (``{"status": ..., "data": ...}``), the bare
result that ``promtool query -o json`` prints (a list of series), and text.

Source: Prometheus text format 0.0.4 and HTTP API ``/api/v1/query`` and ``/api/v1/query_range``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tenantry.errors import InputError
from tenantry.io.walk import shown
from tenantry.io.yaml_read import os_reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SAMPLE: Final = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+(-?\d+))?\s*")
_LABEL: Final = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPES: Final = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series.

    Attributes:
        name: name of the metric; empty where a query applied a function, which drops it.
        labels: its labels.
        time: seconds since 1970; None in a text without times.
        value: the value; may be no number (NaN) or infinite.
        place: file and line, or file and path in the JSON.
    """

    name: str
    labels: Mapping[str, str]
    time: float | None
    value: float
    place: str


def read_metrics(path: Path) -> Iterator[Sample]:
    """Read a file, in its order.

    Raises:
        InputError: if it cannot be read or is none of the forms; with line, or path in the JSON.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {os_reason(error)}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{shown(path)} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    first = text.lstrip()[:1]
    yield from _from_json(text, shown(path)) if first in {"{", "["} else _from_text(text, shown(path))


def _from_text(text: str, file: str) -> Iterator[Sample]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _SAMPLE.fullmatch(line)
        value = None if match is None else _number(match[3])
        labels = None if match is None else _labels(match[2] or "")
        if match is None or value is None or labels is None:
            raise InputError(f'{file}:{number}: expected name{{label="value",...}} number; found {line[:80]!r}')
        yield Sample(match[1], labels, int(match[4]) / 1000 if match[4] else None, value, f"{file}:{number}")


def _labels(text: str) -> dict[str, str] | None:
    """Take labels apart; None when they cannot be."""
    labels: dict[str, str] = {}
    at = 0
    while at < len(text.rstrip()):
        match = _LABEL.match(text, at)
        if match is None:
            return None
        labels[match[1]] = re.sub(r"\\[n\"\\]", lambda found: _ESCAPES[found[0]], match[2])
        at = match.end()
    return labels


def _from_json(text: str, file: str) -> Iterator[Sample]:
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{file}:{error.lineno} is not JSON: {error}") from error
    except RecursionError as error:
        raise InputError(f"{file} is not JSON that can be read: it is nested too deep") from error
    if isinstance(body, dict) and body.get("status") == "error":
        raise InputError(f"{file}: Prometheus answered with an error: {body.get('error', 'without a reason')}")
    at = "the whole"
    try:
        for index, series in enumerate(body if isinstance(body, list) else body["data"]["result"]):
            at = f"result[{index}]"
            labels = {str(name): str(value) for name, value in series["metric"].items()}
            for time, value in series.get("values") or [series["value"]]:
                yield Sample(labels.get("__name__", ""), labels, float(time), _measured(value), f"{file}: {at}")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        expected = "expected the answer of a Prometheus query, of type matrix or vector"
        raise InputError(f"{file}: {at}: {expected}; {type(error).__name__}: {error}") from error


def _measured(value: Any) -> float:
    number = _number(value)
    if number is None:
        raise ValueError(f"{value!r} is no number")
    return number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
