"""Helpers of the catalog tests: the raw data files and what every entry must have."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

import tenantry.catalog

DATA = Path(tenantry.catalog.__file__).parent / "data"
SHARED = Path(os.environ.get("TENANTRY_SHARED") or Path(__file__).parents[2] / ".." / "shared")
CERTAINTIES = {"certain", "high", "medium"}


def raw(name: str) -> dict[str, Any]:
    """Return a data file as written, with keys a reader would pass over."""
    return tomllib.loads((DATA / name).read_text(encoding="utf-8"))


def check_keys(name: str, entry: Mapping[str, Any], required: Collection[str], optional: Collection[str] = ()) -> None:
    """A missing field fails, and so does a misspelt one, which a reader would take for absent."""
    assert set(required) <= set(entry), f"{name} lacks {sorted(set(required) - set(entry))}"
    assert set(entry) <= {*required, *optional}, f"{name} has unknown {sorted(set(entry) - {*required, *optional})}"


def check_evidence(name: str, entry: Mapping[str, Any]) -> None:
    """Every entry says where it comes from and how well it is known; what is not well known says what to confirm."""
    assert entry["source"].strip(), name
    assert entry["certainty"] in CERTAINTIES, name
    assert entry["certainty"] != "medium" or entry.get("note"), f"{name}: say what to confirm"


def shared(folder: str) -> Path:
    """Return a folder of the data root, or skip the test where it is absent."""
    path = SHARED / folder
    if not path.is_dir():
        pytest.skip(f"no {folder} below {SHARED}; set TENANTRY_SHARED")
    return path
