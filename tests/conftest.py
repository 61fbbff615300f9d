"""Shared fixtures: where other people's data lies, and the examples."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

# No test fails for being slow. Where nobody looks at a failure as it happens, the same examples are tried in every run.
settings.register_profile("default", deadline=None)
settings.load_profile("default")
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the data root; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("TENANTRY_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"the data root {folder} is absent; set TENANTRY_SHARED")
    return folder
