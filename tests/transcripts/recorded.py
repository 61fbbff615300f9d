"""Answers that a real API server gave, kept by ``pytest -m e2e tests/e2e --record``."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def recorded(subject: str) -> tuple[tuple[Any, ...], ...]:
    """Return the cases of one subject."""
    body = json.loads((Path(__file__).parent / f"{subject}.json").read_text("utf-8"))
    return tuple(tuple(case) for case in body["cases"])


def of(subject: str, kind: str) -> list[tuple[Any, ...]]:
    """Return the cases of one kind, without its name."""
    return [case[1:] for case in recorded(subject) if case[0] == kind]
