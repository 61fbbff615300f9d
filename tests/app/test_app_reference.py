from __future__ import annotations

from pathlib import Path

from tenantry.app.reference import spec_markdown

ROOT = Path(__file__).parents[2]


def test_the_reference_page_is_what_the_models_say() -> None:
    """`make docs` renews it."""
    assert (ROOT / "docs/spec.md").read_text("utf-8") == spec_markdown()
