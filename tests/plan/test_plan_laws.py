"""Laws of plans: nothing differs from itself, every difference is accounted for, order does not matter."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tenantry.app.plan import PlanQuestion, plan_folders
from tenantry.plan import Area

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICK = PlanQuestion(verify=False)
SPECS = (("dell-ai-factory-h200", "production"), ("eks-gpu", ""), ("vanilla-kubernetes", ""))


@pytest.mark.parametrize(("name", "environment"), SPECS)
def test_a_spec_does_nothing_to_itself(name: str, environment: str) -> None:
    plan = plan_folders(EXAMPLES / name, EXAMPLES / name, environment, QUICK)
    assert (plan.summary, plan.effects, plan.objects, plan.causes) == ("no differences", (), (), ())


@pytest.mark.parametrize(("name", "environment"), SPECS)
def test_another_order_of_documents_does_nothing(name: str, environment: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(EXAMPLES / name, other)
    for file in sorted(other.rglob("tenants.yaml")):
        parts = file.read_text("utf-8").split("\n---\n")
        file.write_text("\n---\n".join(reversed(parts)), "utf-8")
    for number, file in enumerate(sorted((other / "base" / "tenants").glob("*.yaml"), reverse=True)):
        file.rename(file.with_name(f"{number}.yaml"))
    plan = plan_folders(EXAMPLES / name, other, environment, QUICK)
    assert plan.effects == ()


def test_every_pair_of_examples_is_accounted_for() -> None:
    for name, environment in SPECS:
        for other, overlay in SPECS:
            if environment != overlay:
                continue
            plan = plan_folders(EXAMPLES / name, EXAMPLES / other, environment, QUICK)
            assert [effect.message for effect in plan.of(Area.UNKNOWN)] == []
