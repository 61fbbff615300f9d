"""Whatever is asked, every format can be written, and none shows a number that is not known."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from advise_cases import cases, nowhere, question
from hypothesis import given, settings

from tenantry.app.advise import AdviceReport
from tenantry.cli.render.advice import RENDERERS
from tenantry.efficient.advise import advise
from tenantry.efficient.advise.facts import Verdict

Case = tuple[dict[str, Any], str, dict[str, Any]]


def report(case: Case) -> AdviceReport:
    work, gpu, surroundings = case
    return AdviceReport("lab", "", (advise(question(work, gpu, **surroundings), nowhere),), ())


@settings(max_examples=60, deadline=None)
@given(cases())
def test_text_fits_and_no_format_writes_infinity(case: Case) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "100")
        found = report(case)
        texts = {form: write(found, False) for form, write in RENDERERS.items()}
    assert max(len(line) for line in texts["text"].splitlines()) <= 100
    for text in texts.values():
        assert not re.search(r"\b(inf|nan|Infinity|NaN)\b", text)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_json_recommends_only_what_is_decided_and_says_what_is_missing_otherwise(case: Case) -> None:
    found = report(case)
    (item,) = json.loads(RENDERERS["json"](found, False))["advice"]
    decision = found.advice[0].decision
    assert (item["recommended"] is not None) == (decision.verdict is Verdict.ALLOWED)
    assert bool(item["rivals"]) == (decision.verdict is Verdict.UNKNOWN)
    if decision.verdict is Verdict.UNKNOWN:
        assert item["missing"], "undecided, and nothing is said to be missing"
    for cell in item["options"]:
        assert (cell["perGpu"] is None) == (cell["verdict"] == "refused")
        assert bool(cell["missing"]) or cell["verdict"] != "unknown"
