"""Metrics beside a spec: from files to advice in every format, and files that are none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tenantry.app.advise import AdviceReport, advise_spec
from tenantry.app.examples import example
from tenantry.cli.main import run
from tenantry.cli.render.advice import RENDERERS
from tenantry.errors import InputError

FACTORY = example("dell-ai-factory-h200")
SLICE = {"modelName": "NVIDIA H200", "GPU_I_PROFILE": "1g.18gb", "GPU_I_ID": "7", "UUID": "GPU-1", "Hostname": "gpu-9"}


def metrics(folder: Path, memory: int, pod: str = "ranking-7c9d8f6b5-x2x4z", namespace: str = "search-serve") -> Path:
    """Write four hours of a pod of a slice: busy 10 % of the time, 40 % in each fourth part of an hour and a third."""
    labels = {**SLICE, "pod": pod, "namespace": namespace}
    busy = [0.4 if minute // 20 % 4 == 0 else 0.1 for minute in range(240)]
    rows: dict[str, list[float]] = {
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE": busy,
        "DCGM_FI_PROF_DRAM_ACTIVE": [0.7 * value for value in busy],
        "DCGM_FI_DEV_FB_USED": [memory - minute % 7 for minute in range(240)],
    }
    result = [
        {"metric": labels | {"__name__": name}, "values": [[60 * at, f"{value}"] for at, value in enumerate(values)]}
        for name, values in rows.items()
    ]
    file = folder / f"{pod}.json"
    file.write_text(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}), "utf-8")
    return file


def advised(*files: Path, **options: Any) -> AdviceReport:
    return advise_spec(FACTORY, "production", metrics=files, **options)


def findings(report: AdviceReport) -> list[str]:
    return [item.rule for item in report.findings if item.rule.startswith("ADVISE-MEMORY")]


def test_more_memory_than_the_spec_states_is_a_finding_at_its_line(tmp_path: Path) -> None:
    report = advised(metrics(tmp_path, 17_000), workloads=["ranking"])
    (item,) = report.advice
    cell = next(cell for cell in item.cells if cell.option.key == "1g.18gb")
    assert cell.rule == "ADVISE-MEMORY"  # 16.6 GiB into 16
    assert findings(report) == ["ADVISE-MEMORY-LOW"]
    (found,) = [item for item in report.findings if item.rule == "ADVISE-MEMORY-LOW"]
    line = Path(found.location.file).read_text("utf-8").splitlines()[found.location.line - 1]
    assert "gpuMemory: 12Gi" in line
    assert found.message == "gpuMemory is 12 GiB and 16.6 GiB were in use; the larger counts"
    assert found.fix.startswith("gpuMemory: 17Gi;")


def test_less_memory_changes_nothing_that_is_decided(tmp_path: Path) -> None:
    with_it, without = advised(metrics(tmp_path, 7_500)), advised()
    assert [item.decision for item in with_it.advice] == [item.decision for item in without.advice]
    assert findings(with_it) == []  # what is refused is refused for other reasons than memory


def test_much_less_memory_than_stated_is_a_note_that_says_what_would_fit(tmp_path: Path) -> None:
    folder = tmp_path / "spec"
    shutil.copytree(FACTORY, folder)
    file = folder / "base" / "workloads.yaml"
    file.write_text(file.read_text("utf-8").replace("gpuMemory: 12Gi", "gpuMemory: 60Gi"), "utf-8")
    report = advise_spec(folder, "production", metrics=[metrics(tmp_path, 7_500)], workloads=["ranking"])
    (found,) = [item for item in report.findings if item.rule == "ADVISE-MEMORY-HIGH"]
    assert "gpuMemory is 60 GiB and at most 7.32 GiB were in use" in found.message
    assert "2g.35gb, 1g.35gb, 1g.18gb would fit" in found.message
    (item,) = report.advice
    assert {cell.option.key: cell.rule for cell in item.cells}["1g.18gb"] == "ADVISE-MEMORY"  # the spec counts


def test_pods_of_nobody_are_listed_in_every_format(tmp_path: Path) -> None:
    strays = (metrics(tmp_path, 10, "tokenizer-0"), metrics(tmp_path, 10, "prober-0", "kube-system"))
    report = advised(metrics(tmp_path, 7_500), *strays)
    assert report.strangers == (
        "kube-system/prober-0: its namespace belongs to no tenant",
        "search-serve/tokenizer-0: no Workload of this tenant has such a name",
    )
    for form, write in RENDERERS.items():
        text = write(report, False)
        for pod in ("kube-system/prober-0", "search-serve/tokenizer-0"):
            assert pod in text, form


def test_every_format_says_the_same_of_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    report = advised(metrics(tmp_path, 17_000), workloads=["ranking"])
    (item,) = report.advice
    for form, write in RENDERERS.items():
        text = write(report, False)
        for fact in item.work.evidence:
            assert fact.value in text, (form, fact)
        assert "commented out in the exporter" in text, form
    body = json.loads(RENDERERS["json"](report, False))["advice"][0]["metrics"]
    assert body["memoryInUseBytes"] == 17_000 * 2**20
    # Busy 0.4 in 60 and 0.1 in 180 of 240 minutes: mean 0.175, p95 0.4.
    assert [fact["value"] for fact in body["evidence"]][1:3] == [
        "17.5 % of the time, 40 % at the 95th percentile; weighted by slices 2.5 % of a GPU",
        "peak (p95) 2.28 times the mean activity",
    ]


def test_a_beginning_of_names_may_be_given(tmp_path: Path) -> None:
    file = metrics(tmp_path, 17_000, "ranker-0")
    assert advised(file).strangers
    told = advised(file, pods=["ranking=ranker"])
    assert not told.strangers
    assert findings(told) == ["ADVISE-MEMORY-LOW"]


def test_pods_that_share_a_gpu_are_said_not_to_be_attributed(tmp_path: Path) -> None:
    report = advised(metrics(tmp_path, 17_000, "notebooks-0", "sandbox"), workloads=["notebooks"])
    assert not report.strangers
    (item,) = report.advice
    assert item.work.used is None
    assert "use by sandbox/notebooks-0" in item.work.unseen[0].fact


@pytest.mark.parametrize(
    ("pods", "metric", "message"),
    [
        pytest.param(["rankign=x"], True, "no Workload named 'rankign'; did you mean 'ranking'", id="misspelt"),
        pytest.param(["ranking"], True, "expected WORKLOAD=PREFIX; found 'ranking'", id="no beginning"),
        pytest.param(["ranking=x"], False, "there are no --metrics", id="no metrics"),
    ],
)
def test_a_beginning_that_cannot_be_used_is_refused(
    tmp_path: Path, pods: list[str], metric: bool, message: str
) -> None:
    files = (metrics(tmp_path, 10),) if metric else ()
    with pytest.raises(InputError, match=message):
        advised(*files, pods=pods)


@pytest.mark.parametrize("content", ["", "DCGM_FI_DEV_FB_USED forty\n", '{"status": "error"}', "[]"])
def test_files_that_are_no_metrics_are_bad_input(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "odd.txt"
    file.write_text(content, "utf-8")
    assert run(["advise", str(FACTORY), "-e", "production", "--metrics", str(file)]) == 4
    assert "odd.txt" in capsys.readouterr().err
