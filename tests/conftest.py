"""Shared fixtures: where other people's data lies, and the examples."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the data root; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("TENANTRY_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"the data root {folder} is absent; set TENANTRY_SHARED")
    return folder
