"""Advice on a spec: places of facts, findings, recommendations that exclude each other, and profile tables."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tenantry.app.advise import AdviceReport, advise_spec
from tenantry.app.examples import example
from tenantry.efficient.advise import Standing
from tenantry.efficient.advise.facts import Verdict
from tenantry.errors import InputError, SpecError
from tenantry.io.yaml_write import dump
from tenantry.model.finding import Severity

ENVELOPE = {"apiVersion": "tenantry.dev/v1alpha1"}
SLICES = {"mode": "mig", "layouts": [{"profiles": {"1g.18gb": 7}}]}


Works = dict[str, dict[str, Any]]


def write(folder: Path, works: Works, *, pools: Works | None = None, tenants: int = 1) -> Path:
    described = [
        {"name": name, "server": "generic", "gpu": {"model": fields.get("gpu", "h200-sxm"), "count": 8}, "count": 2,
         "sharing": fields.get("sharing", {"mode": "whole"})}
        for name, fields in (pools or {"serving": {"sharing": SLICES}}).items()
    ]  # fmt: skip
    platform = {
        "distribution": "openshift", "version": "4.20",
        "gitops": {"repository": "https://git.example.com/tree.git"}, "nodePools": described,
    }  # fmt: skip
    documents = [{**ENVELOPE, "kind": "Platform", "metadata": {"name": "lab"}, "spec": platform}]
    for index in range(tenants):
        quotas = [
            {"pool": pool["name"], "slices": {"1g.18gb": {"guaranteed": 1, "limit": 2}}}
            if pool["sharing"]["mode"] == "mig"
            else {"pool": pool["name"], "guaranteed": 1, "limit": 2}
            for pool in described
        ]
        spec = {"department": "d", "namespaces": [{"name": f"team-{index}"}], "quotas": quotas}
        documents.append({**ENVELOPE, "kind": "Tenant", "metadata": {"name": f"team-{index}"}, "spec": spec})
    for name, work in works.items():
        spec = {"tenants": ["team-0"], "gpuMemory": "8Gi", **work}
        documents.append({**ENVELOPE, "kind": "Workload", "metadata": {"name": name}, "spec": spec})
    file = folder / "spec.yaml"
    file.write_text("---\n".join(dump(item) for item in documents), "utf-8")
    return file


def rules(report: AdviceReport) -> list[str]:
    return [finding.rule for finding in report.findings]


def test_the_example_is_advised_as_it_stands() -> None:
    report = advise_spec(example("dell-ai-factory-h200"), "production")
    said = {item.work.name: (item.decision.identity, item.standing) for item in report.advice}
    assert said == {
        "notebooks": (("allowed", "time-slicing"), Standing.AGREES),
        "pretraining-70b": (("allowed", "whole"), Standing.AGREES),
        "ranking": (("unknown", "whole"), Standing.UNDECIDED),
    }


def test_facts_stand_at_their_line(tmp_path: Path) -> None:
    file = write(tmp_path, {"class": {"speed": {"whole": 10.0, "1g.18gb": 3.0}}})
    (item,) = advise_spec(file).advice
    lines = file.read_text("utf-8").splitlines()
    for cell in item.cells:
        for fact in cell.facts:
            if fact.name in {"gpuMemory", "speed of 1g.18gb", "speed of whole"}:
                line = lines[int(fact.where.rpartition(":")[2]) - 1]
                assert fact.name.removeprefix("speed of ") in line


@pytest.mark.parametrize(
    ("work", "standing", "rule"),
    [
        pytest.param({"speed": {"whole": 1.0, "1g.18gb": 0.9}}, Standing.AGREES, None, id="the smallest slice"),
        pytest.param({"gpuMemory": "90Gi"}, Standing.CANNOT, "ADVISE-CANNOT-RUN", id="more than the slices have"),
        pytest.param({"gpuMemory": "200Gi"}, Standing.CANNOT, "ADVISE-CANNOT-RUN", id="more than the GPU has"),
        pytest.param({}, Standing.UNDECIDED, "ADVISE-UNKNOWN", id="nothing measured"),
        pytest.param(
            # 1 against 7 x 0.1; every slice between is bounded by 0.12 and does at most 4 x 0.12.
            {"speed": {"whole": 1.0, "4g.71gb": 0.12, "1g.18gb": 0.1}}, Standing.CHANGE, "ADVISE-OTHER-SHARING",
            id="slices that are too slow",
        ),
    ],
)  # fmt: skip
def test_how_a_pool_stands_to_the_advice(tmp_path: Path, work: Any, standing: Standing, rule: str | None) -> None:
    report = advise_spec(write(tmp_path, {"class": work}, tenants=2))
    assert [item.standing for item in report.advice] == [standing]
    assert rules(report) == ([rule] if rule else [])
    severities = {"ADVISE-CANNOT-RUN": Severity.ERROR, "ADVISE-UNKNOWN": Severity.INFO}
    for finding in report.findings:
        assert finding.severity is severities.get(finding.rule, Severity.WARNING)


def test_a_class_that_names_no_pool_needs_one_that_can_run_it(tmp_path: Path) -> None:
    pools: Works = {"large": {}, "small": {"gpu": "a30"}}
    report = advise_spec(write(tmp_path, {"class": {"gpuMemory": "80Gi"}}, pools=pools))
    assert [(item.pool.name, item.standing) for item in report.advice] == [
        ("large", Standing.AGREES),
        ("small", Standing.CANNOT),
    ]
    assert [finding.severity for finding in report.findings] == [Severity.INFO]
    named = advise_spec(write(tmp_path, {"class": {"gpuMemory": "80Gi", "pools": ["small"]}}, pools=pools))
    assert [finding.severity for finding in named.findings] == [Severity.ERROR]


def test_a_slice_without_a_quota_is_not_offered(tmp_path: Path) -> None:
    pools = {"serving": {"sharing": {"mode": "mig", "layouts": [{"profiles": {"1g.18gb": 1, "3g.71gb": 1}}]}}}
    report = advise_spec(write(tmp_path, {"class": {"gpuMemory": "60Gi"}}, pools=pools))
    assert [item.standing for item in report.advice] == [Standing.CANNOT]


def test_speed_that_falls_with_a_larger_slice_is_remarked_once(tmp_path: Path) -> None:
    pools: Works = {"one": {}, "two": {}}
    speed = {"whole": 10.0, "3g.71gb": 5.0, "1g.18gb": 6.0}
    report = advise_spec(write(tmp_path, {"class": {"speed": speed}}, pools=pools))
    found = [item for item in report.findings if item.rule == "ADVISE-SPEED-FALLS"]
    assert [item.path for item in found] == ["spec.speed.3g.71gb"]
    assert "5, slower than its part 1g.18gb at 6" in found[0].message


def test_speed_that_falls_within_what_measurements_scatter_is_not_remarked(tmp_path: Path) -> None:
    report = advise_spec(write(tmp_path, {"class": {"speed": {"whole": 9.6, "3g.71gb": 10.0}}}))
    assert "ADVISE-SPEED-FALLS" not in rules(report)


def test_ways_of_sharing_that_exclude_each_other_are_said(tmp_path: Path) -> None:
    works = {
        "notebooks": {"pattern": "interactive", "pools": ["dev"]},
        "large": {"gpuMemory": "30Gi", "pools": ["dev"]},
    }
    report = advise_spec(write(tmp_path, works, pools={"dev": {"gpu": "l40s"}}))
    assert report.notes == (
        "node pool dev: time-slicing for notebooks, whole for large; "
        "a pool is shared in one way, so it would have to be split",
    )


def test_mps_in_one_pool_and_slices_in_another_are_said_to_exclude_each_other(tmp_path: Path) -> None:
    works = {
        "small": {"pools": ["dev"], "speed": {"whole": 1.0, "mps-5": 0.5}},
        "half": {"gpuMemory": "60Gi", "pools": ["big"], "speed": {"whole": 1.0, "3g.71gb": 0.9, "mps-2": 0.4}},
    }
    report = advise_spec(write(tmp_path, works, pools={"dev": {"gpu": "l40s"}, "big": {}}))
    assert [item.decision.leader.kind for item in report.advice if item.decision.leader] == ["3g.71gb", "mps"]
    assert any("exclude each other on one platform" in note for note in report.notes)


def test_a_class_that_no_team_with_a_quota_runs_is_noted(tmp_path: Path) -> None:
    file = write(tmp_path, {"class": {}})
    text = file.read_text("utf-8").replace("name: class", "name: stray").replace("- team-0\n", "- team-1\n")
    lonely = write(tmp_path, {"class": {}}, tenants=1)
    assert lonely == file
    (tmp_path / "more.yaml").write_text(
        dump(
            {**ENVELOPE, "kind": "Tenant", "metadata": {"name": "team-1"},
             "spec": {"department": "d", "namespaces": [{"name": "team-1"}]}}
        ),
        "utf-8",
    )  # fmt: skip
    file.write_text(text, "utf-8")
    report = advise_spec(tmp_path)
    assert not report.advice
    assert report.notes == ("Workload stray: none of its tenants has a quota in any pool",)


# Profile tables ------------------------------------------------------------------------------------------------------

TABLE = """gpu,sharing,profile,neighbours,workload,throughput_per_s,latency_p99_s
h200-sxm,whole,,,class,100,0.010
h200-sxm,mig,3g.71gb,,class,95,0.020
h200-sxm,mig,2g.35gb,,class,40,0.030
h200-sxm,mig,1g.35gb,,class,20,0.030
h200-sxm,mig,1g.18gb,,class,15,0.030
h200-sxm,mig,1g.18gb,,stranger,15,0.030
"""


def test_profile_tables_decide_and_count_before_the_spec(tmp_path: Path) -> None:
    table = tmp_path / "measured.csv"
    table.write_text(TABLE, "utf-8")
    file = write(tmp_path, {"class": {"speed": {"1g.18gb": 90.0}}}, tenants=2)
    report = advise_spec(file, profiles=[table])
    (item,) = report.advice
    # 2 x 95 = 190; 7 x 15 = 105 by the table, 7 x 90 by the spec
    assert item.decision.identity == ("allowed", "3g.71gb")
    assert item.decision.score.low == 190
    assert report.notes == ("measured, but no Workload of the spec: stranger",)
    where = {fact.where.rpartition("/")[2] for cell in item.cells for fact in cell.facts if "3g" in fact.name}
    assert "measured.csv:3" in where


def test_of_two_tables_the_first_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(TABLE, "utf-8")
    second.write_text(TABLE.replace("class,95", "class,10"), "utf-8")
    file = write(tmp_path, {"class": {}}, tenants=2)
    (item,) = advise_spec(file, profiles=[first, second]).advice
    assert item.decision.score.low == 190


def test_published_profiles_give_the_best_homogeneous_layout(shared: Path, tmp_path: Path) -> None:
    """The oracle multiplies what the files say: processes times throughput of one, times slices on a GPU."""
    folder = shared / "profiles" / "parvagpu"
    if not folder.is_dir():
        pytest.skip(f"no profiles in {folder}")
    copies = {"1": 7, "2": 3, "3": 2, "4": 1, "7": 1}
    most: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for file in sorted(folder.glob("*.csv")):
        with file.open(encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            if "Mig instance" not in (reader.fieldnames or ()):
                continue
            for row in reader:
                speed = float(row["Throughput"]) * int(row["Workload Number"])
                most[file.stem][row["Mig instance"]] = max(most[file.stem][row["Mig instance"]], speed)
    assert most
    spec = write(
        tmp_path, {name: {"gpuMemory": "1Gi", "pools": ["serving"]} for name in most}, tenants=2,
        pools={"serving": {"gpu": "a100-80"}},
    )  # fmt: skip
    report = advise_spec(spec, profiles=[folder])
    for item in report.advice:
        best = max(copies[part] * speed for part, speed in most[item.work.name].items())
        assert item.decision.verdict is not Verdict.REFUSED
        assert item.decision.score.low == pytest.approx(best)


# Bad input -----------------------------------------------------------------------------------------------------------


def test_a_class_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    said = "there is no Workload named 'clas'; expected one of class; did you mean 'class'"
    with pytest.raises(InputError, match=said):
        advise_spec(write(tmp_path, {"class": {}}), workloads=["clas"])


def test_a_part_that_no_pool_has_is_a_problem_of_the_spec(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        advise_spec(write(tmp_path, {"class": {"speed": {"3g.17gb": 1.0}}}))
    (problem,) = caught.value.problems
    assert (problem.rule, problem.nearest) == ("SPEC-UNKNOWN-PROFILE", "3g.71gb")
    assert problem.location.line > 1


@pytest.mark.parametrize("value", [0, -1, ".nan", ".inf", "1e13"])
def test_a_speed_that_is_no_speed_is_a_problem_of_the_spec(tmp_path: Path, value: object) -> None:
    file = write(tmp_path, {"class": {"speed": {"whole": 77}}})
    file.write_text(file.read_text("utf-8").replace("whole: 77", f"whole: {value}"), "utf-8")
    with pytest.raises(SpecError):
        advise_spec(file)


@pytest.mark.parametrize("value", ["1e12", "1e-300", "5e-324"])
def test_odd_speeds_are_weighed_all_the_same(tmp_path: Path, value: str) -> None:
    file = write(tmp_path, {"class": {"speed": {"whole": 77, "3g.71gb": 3.5}}}, tenants=2)
    file.write_text(file.read_text("utf-8").replace("whole: 77", f"whole: {value}"), "utf-8")
    (item,) = advise_spec(file).advice
    assert item.decision.leader is not None


def test_a_table_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        advise_spec(write(tmp_path, {"class": {}}), profiles=[tmp_path / "nowhere.csv"])
