"""``tenantry advise``: formats, exit codes and messages."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tenantry.app.examples import example
from tenantry.cli.main import run
from tenantry.efficient.advise import RULES, Option, WorkFacts
from tenantry.efficient.advise.measure import speed_missing
from tenantry.efficient.advise.measured import key_of
from tenantry.io.profiles import read_profiles
from tenantry.model.spec import SharingMode

SPEC = """apiVersion: tenantry.dev/v1alpha1
kind: Platform
metadata: {name: lab}
spec:
  distribution: openshift
  version: "4.20"
  gitops: {repository: https://git.example.com/tree.git}
  nodePools:
    - {name: serving, server: dell-xe9680-h200, count: 2, sharing: {mode: mig, layouts: [{profiles: {1g.18gb: 7}}]}}
---
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {name: search}
spec:
  department: d
  namespaces: [{name: search}]
  quotas: [{pool: serving, slices: {1g.18gb: {guaranteed: 1, limit: 7}}}]
---
apiVersion: tenantry.dev/v1alpha1
kind: Workload
metadata: {name: large}
spec: {tenants: [search], pools: [serving], gpuMemory: 60Gi, speed: {whole: 1.0, 3g.71gb: 0.95, time-slicing-2: 0.4}}
"""


@pytest.fixture
def spec(tmp_path: Path) -> str:
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC, "utf-8")
    return str(file)


@pytest.fixture
def factory() -> list[str]:
    return ["advise", str(example("dell-ai-factory-h200")), "-e", "production"]


def output(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert run(arguments) == code
    return capsys.readouterr().out


def body(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> Any:
    return json.loads(output([*arguments, "-o", "json"], capsys, code))


def test_text_has_an_overview_and_reasons_within_100_columns(
    factory: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = output(factory, capsys)
    assert "3 classes of work in 3 places: 2 agree" in text
    for words in ("time-slicing x5", "ADVISE-MEMORY", "would change it:", "missing:", "UNKNOWN: best of what is known"):
        assert words in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_brief_leaves_the_reasons_out(factory: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text = output([*factory, "--brief"], capsys)
    assert "pretraining-70b" in text
    assert "would change it:" not in text


def test_json_says_null_for_what_is_not_known(factory: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = body([*factory, "--workload", "ranking"], capsys)
    assert found["formatVersion"] == "1.0"
    (ranking,) = found["advice"]
    assert (ranking["verdict"], ranking["recommended"], ranking["bestKnown"]) == ("UNKNOWN", None, "whole")
    cells = {cell["option"]: cell for cell in ranking["options"]}
    assert cells["1g.18gb"]["perGpu"] == {"low": 0.0, "high": 7.0, "known": False}
    assert cells["mps-11"]["perGpu"] is None
    assert {item["fact"] for item in ranking["missing"]} >= {"speed on 1g.18gb within 40 ms"}
    assert all(fact["where"] for cell in ranking["options"] for fact in cell["facts"])
    for cell in ranking["options"]:
        assert cell["reasons"]
        assert bool(cell["rule"]) == (cell["verdict"] != "allowed")


def test_an_unbounded_number_is_null(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(spec)
    file.write_text(file.read_text("utf-8").replace("whole: 1.0, ", ""), "utf-8")
    found = body(["advise", spec], capsys, 2)
    assert found["advice"][0]["options"][0]["perGpu"] == {"low": 0.95, "high": None, "known": False}


def test_markdown_has_a_table_for_each_class(factory: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text = output([*factory, "-o", "md"], capsys)
    assert text.count("| option | now | verdict |") == 3
    assert "## ranking in serving" in text


def test_html_is_one_page_that_loads_nothing(factory: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text = output([*factory, "-o", "html"], capsys)

    class Reader(HTMLParser):
        open_tags: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in {"meta", "br"}:
                self.open_tags.append(tag)
            for name, value in attrs:
                assert name != "src"
                assert name != "href" or (value or "").startswith("#")

        def handle_endtag(self, tag: str) -> None:
            assert self.open_tags.pop() == tag

    reader = Reader()
    reader.feed(text)
    assert not reader.open_tags
    assert text.count("<article") == 3


@pytest.mark.parametrize("form", ["text", "json", "md", "html"])
def test_the_same_question_gets_the_same_bytes(
    form: str, factory: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert output([*factory, "-o", form], capsys) == output([*factory, "-o", form], capsys)


def test_a_pool_that_does_it_otherwise_is_a_finding(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    # 2 x 0.95 against a slice of 16 GiB that cannot hold it.
    found = body(["advise", spec], capsys, 2)
    assert [item["rule"] for item in found["findings"]] == ["ADVISE-CANNOT-RUN"]
    assert found["advice"][0]["recommended"] is None or found["advice"][0]["recommended"] == "3g.71gb"


@pytest.mark.parametrize(
    ("threshold", "code"), [pytest.param("info", 2, id="undecided counts"), pytest.param("warning", 0, id="usual")]
)
def test_the_threshold_decides_the_exit_code(
    threshold: str, code: int, factory: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    output([*factory, "--threshold", threshold], capsys, code)


def test_a_misspelt_class_is_bad_input(factory: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*factory, "--workload", "rankign"]) == 4
    assert "did you mean 'ranking'?" in capsys.readouterr().err


def test_a_spec_without_classes_says_so(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(spec)
    file.write_text("---".join(file.read_text("utf-8").split("---")[:2]), "utf-8")
    assert "0 classes of work in 0 places" in output(["advise", spec], capsys)


@pytest.mark.parametrize(
    "option",
    [
        pytest.param(Option(SharingMode.WHOLE, 1), id="the whole GPU"),
        pytest.param(Option(SharingMode.MPS, 4), id="one of four by MPS"),
        pytest.param(Option(SharingMode.TIME_SLICING, 2), id="one of two by turns"),
    ],
)
def test_the_command_that_measures_is_one_and_its_row_is_taken(option: Option, tmp_path: Path) -> None:
    told = speed_missing(WorkFacts("ranking", 1), option).measure
    command = told.partition("tenantry ")[2].partition(";")[0].replace("MODULE:FUNCTION", "small")
    table = tmp_path / "table.csv"
    quick = ["--backend", "cpu", "--batches", "1", "--warmup", "0", "--quiet", "--out", str(table)]
    assert run([*command.split(), *quick]) == 0
    rows = list(read_profiles(table).table)
    assert {row.setting.workload for row in rows} == {"ranking"}
    # Without a GPU nothing is shared by MPS, and the row says so.
    key = option.key.replace("mps", "time-slicing")
    assert key in {key_of(row.setting) for row in rows}
    assert ("--sharing mps" in command) == (option.mode is SharingMode.MPS)


def test_the_page_in_docs_lists_every_rule() -> None:
    page = (Path(__file__).parents[2] / "docs" / "advise.md").read_text("utf-8")
    for rule in RULES:
        assert f"| `{rule.id}` |" in page
