"""Lengths of time as Go writes them in manifests, flags and arguments: ``30s``, ``1h30m``."""

from __future__ import annotations

import re

_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> int | None:
    """Return whole seconds of a length of time, or None when it is none; parts of a second are dropped.

    Source: Go, ``time.ParseDuration``.
    """
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    total, position = 0.0, 0
    while position < len(rest):
        match = _PART.match(rest, position)
        if match is None:
            return None
        total += float(match[1]) * _SECONDS[match[2]]
        position = match.end()
    return sign * int(total) if rest else None


def duration_text(seconds: int) -> str:
    """Write whole seconds as :func:`parse_duration` reads them: ``3h20m``, ``1h5s``, ``0s`` for nothing."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{value}{unit}" for value, unit in ((hours, "h"), (minutes, "m"), (left, "s")) if value]
    return "".join(parts) or "0s"
