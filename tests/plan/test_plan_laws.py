"""Laws of plans: nothing differs from itself, every difference is accounted for, order does not matter."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from plan_changes import GONE, change_of, write

from tenantry.app.plan import PlanQuestion, plan_folders
from tenantry.app.spec import load
from tenantry.compile.compiler import Compilation, compile_cluster
from tenantry.plan import Area, Return, Side, effects_markdown, plan
from tenantry.plan.difference import only_numbers_differ

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICK = PlanQuestion(verify=False)
SPECS = (("dell-ai-factory-h200", "production"), ("eks-gpu", ""), ("vanilla-kubernetes", ""))


@pytest.mark.parametrize(("name", "environment"), SPECS)
def test_a_spec_does_nothing_to_itself(name: str, environment: str) -> None:
    made = plan_folders(EXAMPLES / name, EXAMPLES / name, environment, QUICK)
    assert (made.summary, made.effects, made.objects, made.causes) == ("no differences", (), (), ())


@pytest.mark.parametrize(("name", "environment"), SPECS)
def test_another_order_of_documents_does_nothing(name: str, environment: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(EXAMPLES / name, other)
    for file in sorted(other.rglob("tenants.yaml")):
        parts = file.read_text("utf-8").split("\n---\n")
        file.write_text("\n---\n".join(reversed(parts)), "utf-8")
    for number, file in enumerate(sorted((other / "base" / "tenants").glob("*.yaml"), reverse=True)):
        file.rename(file.with_name(f"{number}.yaml"))
    made = plan_folders(EXAMPLES / name, other, environment, QUICK)
    assert made.effects == ()


def test_every_pair_of_examples_is_accounted_for() -> None:
    for name, environment in SPECS:
        for other, overlay in SPECS:
            if environment != overlay:
                continue
            made = plan_folders(EXAMPLES / name, EXAMPLES / other, environment, QUICK)
            assert [effect.message for effect in made.of(Area.UNKNOWN)] == []


MIRRORED = (
    ("a limit", "dell", {"Tenant/vision spec.quotas[training].limit": 16}),
    ("a weight", "dell", {"Tenant/vision spec.quotas[training].overQuotaWeight": 1}),
    ("a VLAN", "dell", {"Tenant/vision spec.network.fabrics[roce].vlan": 150}),
    ("replicas", "eks", {"Platform spec.nodePools[l4].sharing.replicas": 8}),
    ("a driver", "eks", {"Platform spec.driver.version": "580.126.20"}),
    ("a kubelet setting", "dell", {"Platform spec.nodePools[serving].numaAlignment": "best-effort"}),
)


@pytest.mark.parametrize(("name", "spec", "edits"), MIRRORED)
def test_the_way_back_mirrors_what_can_be_undone(
    name: str, spec: str, edits: dict[str, object], tmp_path: Path
) -> None:
    del name
    old, new = write(spec, tmp_path / "old"), write(spec, tmp_path / "new", edits)
    there, back = plan_folders(old, new, "", QUICK), plan_folders(new, old, "", QUICK)
    assert [item.rule for item in there.effects] == [item.rule for item in back.effects]
    assert [item.subject for item in there.effects] == [item.subject for item in back.effects]
    assert there.minutes == back.minutes
    swapped = {"before": "after", "after": "before"}
    for forward, backward in zip(there.effects, back.effects, strict=True):
        assert {swapped.get(key, key): value for key, value in forward.numbers} == dict(backward.numbers)


def test_what_is_deleted_does_not_come_back(tmp_path: Path) -> None:
    old = write("dell", tmp_path / "old")
    new = write("dell", tmp_path / "new", {"Tenant/vision": GONE})
    there, back = plan_folders(old, new, "", QUICK), plan_folders(new, old, "", QUICK)
    lost = {item.rule for item in there.effects if item.way_back is Return.LOST}
    assert lost == {"EFFECT-TENANT-REMOVED", "EFFECT-NAMESPACE-REMOVED"}
    assert not any(item.way_back is Return.LOST for item in back.effects)
    assert any("lost for good: tenant vision" in note for note in there.notes)


def test_a_lower_mtu_is_not_applied_and_a_higher_one_drains(tmp_path: Path) -> None:
    high = write("dell", tmp_path / "high")
    low = write("dell", tmp_path / "low", {"Platform spec.fabrics[roce].mtu": 1500})
    # NeedToUpdateSriov compares for a higher MTU only, so the way back costs what the way there did not.
    assert plan_folders(high, low, "", QUICK).minutes == 0
    assert plan_folders(low, high, "", QUICK).minutes == 60  # six nodes, one at a time, ten minutes each


def test_a_field_without_a_rule_is_unknown_and_never_none(tmp_path: Path) -> None:
    old = write("eks", tmp_path / "old")
    new = write("eks", tmp_path / "new", {"Platform spec.driver.version": "580.126.20"})
    sides = [Side(str(path), made.cluster, made.components, made.pieces) for path, made in _compiled(old, new)]
    bare = plan(*sides, table=(), comparisons=())
    differing = {(item.key, field.pointer) for item in bare.objects for field in item.fields}
    told = {(item.key, item.pointer) for effect in bare.of(Area.UNKNOWN) for item in effect.touched}
    assert differing
    assert differing <= told
    assert bare.summary.endswith(f"{len(bare.of(Area.UNKNOWN))} differences of unknown effect")


def _compiled(*folders: Path) -> list[tuple[Path, Compilation]]:
    return [(folder, compile_cluster(load(folder).cluster)) for folder in folders]


def test_the_page_of_effects_is_fresh() -> None:
    written = (EXAMPLES.parent / "docs" / "effects.md").read_text("utf-8")
    assert written == effects_markdown(), "docs/effects.md is out of date; write it anew with: make docs"


@pytest.mark.parametrize(
    ("edits", "only"),
    [
        (
            {"Tenant/vision spec.quotas[training].limit": 24, "Tenant/vision spec.department": "other"},
            False,
        ),
        ({"Tenant/vision spec.quotas[training].limit": 24}, True),
        ({"Tenant/vision spec.quotas[training].limit": GONE}, False),
        ({"Tenant/vision spec.department": "other"}, False),
        ({"Tenant/vision": GONE}, False),
        ({}, True),
    ],
)
def test_specs_that_differ_in_numbers_only_are_told(edits: dict[str, object], *, only: bool, tmp_path: Path) -> None:
    old, new = (load(write("dell", tmp_path / name, changes)) for name, changes in (("old", {}), ("new", edits)))
    assert only_numbers_differ(old.spec, new.spec) is only


AMOUNTS = (
    ("dell", {"Tenant/vision spec.quotas[training].limit": 24}, "no proof reads what differs"),
    ("dell", {"Tenant/vision spec.quotas[training].overQuotaWeight": 1}, "no proof reads what differs"),
    ("dell", {"Tenant/vision spec.quotas[training].guaranteed": 8}, "isolation was compared in 1 channel (Q4)"),
    ("plain", {"Tenant/climate spec.quotas[h100].limit": 20}, "isolation was compared in 1 channel (Q4)"),
    ("plain", {"Tenant/climate spec.quotas[h100].overQuotaWeight": 3}, "no proof reads what differs"),
    # A guarantee that goes is no amount.
    ("dell", {"Tenant/vision spec.quotas[training].guaranteed": 0}, ""),
)


@pytest.mark.parametrize(("name", "edits", "noted"), AMOUNTS)
def test_amounts_are_compared_where_they_count_and_nothing_else_changes(
    name: str, edits: dict[str, object], noted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = change_of(name, tmp_path, edits, PlanQuestion())
    monkeypatch.setattr("tenantry.app.plan.bearing", lambda differences, bodies: None)
    whole = change_of(name, tmp_path, edits, PlanQuestion())
    assert quick.verified
    assert quick.effects == whole.effects
    assert quick.summary == whole.summary
    assert noted in "".join(quick.notes)
    assert any("reads what differs" in note for note in quick.notes) is bool(noted)
    assert not any("reads what differs" in note for note in whole.notes)
