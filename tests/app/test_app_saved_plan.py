"""Saved plans: what is read again is what was saved, for every kind of effect there is."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from tenantry.app.examples import examples_folder
from tenantry.app.plan import PlanQuestion, plan_compared
from tenantry.app.plan_format import as_data, plan_of
from tenantry.app.plan_places import compared
from tenantry.errors import InputError

PAIRS = (
    ("eks-gpu", "vanilla-kubernetes", ""),
    ("vanilla-kubernetes", "dell-ai-factory-h200", ""),
    ("dell-ai-factory-h200", "eks-gpu", ""),
    ("dell-ai-factory-h200", "dell-ai-factory-h200", "production"),
)


@pytest.mark.parametrize(("old", "new", "environment"), PAIRS)
def test_what_is_read_is_what_was_saved(old: str, new: str, environment: str) -> None:
    folder = examples_folder()
    sides = compared(str(folder / old), str(folder / new))
    plan = plan_compared(sides, environment, PlanQuestion(today=date(2026, 6, 1)))
    text = json.dumps(as_data(plan)).encode()
    assert plan_of(text, "plan.json") == plan
    assert plan.inputs.day == "2026-06-01"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "is no saved plan"),
        ("[]", "expected what tenantry plan --out wrote"),
        ('{"formatVersion": "1.1"}', "expected what tenantry plan --out wrote"),
        ('{"formatVersion": "2.0", "effects": []}', "is a plan of format 2.0, and this version reads 1."),
        ('{"formatVersion": "1.0", "effects": []}', "is a plan of format 1.0"),
        ('{"formatVersion": "1.1", "effects": [{}], "inputs": {}}', "missing required field"),
        ("\ud83d".encode("utf-8", "surrogatepass").decode("utf-8", "replace"), "is no saved plan"),
    ],
)
def test_what_is_no_plan_is_refused(text: str, expected: str) -> None:
    with pytest.raises(InputError, match=r"^plan\.json") as caught:
        plan_of(text.encode(), "plan.json")
    assert expected in str(caught.value)


def test_a_wrong_value_is_named_with_its_place() -> None:
    folder = examples_folder()
    sides = compared(str(folder / "eks-gpu"), str(folder / "vanilla-kubernetes"))
    data = as_data(plan_compared(sides, "", PlanQuestion(verify=False)))
    data["effects"][0]["level"] = "dreadful"
    with pytest.raises(InputError, match="DREADFUL"):
        plan_of(json.dumps(data).encode(), "plan.json")
    data["effects"][0]["mark"] = 7
    with pytest.raises(InputError, match=r"\$\.effects\[0\]\.mark"):
        plan_of(json.dumps(data).encode(), "plan.json")


def test_nothing_of_the_machine_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").symlink_to(examples_folder() / "eks-gpu")
    (tmp_path / "b").symlink_to(examples_folder() / "vanilla-kubernetes")
    monkeypatch.chdir(tmp_path)
    text = json.dumps(as_data(plan_compared(compared("a", "b"), "", PlanQuestion(verify=False))))
    assert str(tmp_path) not in text
    assert str(examples_folder()) not in text
