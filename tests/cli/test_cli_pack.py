"""``tenantry pack``: formats, exit codes and messages."""

from __future__ import annotations

import csv
import io
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tenantry.app.pack import MOST_PODS, Subject, Task, pack_lists, plan, run_task
from tenantry.cli.main import run
from tenantry.fair.packing.policies import NAMES, Ties
from tenantry.io.packing_lists import read_nodes, read_pods

NODES = "sn,cpu_milli,memory_mib,gpu,model\n" + "".join(
    f"{model.lower()}{index},{cpus},262144,{gpus},{model}\n"
    for model, gpus, cpus in (("H100", 8, 96_000), ("L40S", 4, 32_000))
    for index in range(3)
)
KINDS = [
    (4_000, 1, 1000, ""),
    (2_000, 1, 300, ""),
    (2_000, 1, 500, "L40S"),
    (24_000, 4, 1000, "H100"),
    (6_000, 0, 0, ""),
]
PODS = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n" + "".join(
    f"pod-{index:02},{cpus},4096,{devices},{share},{model}\n"
    for index, (cpus, devices, share, model) in enumerate(KINDS * 6)
)


@pytest.fixture
def lists(tmp_path: Path) -> list[str]:
    (tmp_path / "nodes.csv").write_text(NODES)
    (tmp_path / "pods.csv").write_text(PODS)
    return [str(tmp_path / "nodes.csv"), str(tmp_path / "pods.csv")]


def body(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    assert run(["pack", *arguments, "-o", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_text_has_a_table_for_each_question(lists: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pack", *lists, "--ties", "all", "--workers", "1"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    # six pods each of 1, 0.3, 0.5, 4 and no GPUs
    assert lines[0] == "6 nodes with 36 GPUs; 30 pods ask for 34.8 GPUs, 96.7 % of them"
    assert lines[1] == "pods arrive until they ask for 130 %; means over 3 seeds, 42 to 44"
    titles = [line for before, line in pairwise(lines) if not before]
    assert [title.partition(":")[0] for title in titles] == [
        "GPUs given out, %, by GPUs asked for, %",
        "GPUs not given out, by GPUs asked for, %",
        "fragments",
        "at 130 %",
        "at 130 %",
        "at 130 %",
    ]
    assert [line.split()[:2] for line in lines[5:9]] == [
        ["Random", "random"], ["DotProd", "fixed"], ["DotProd", "name"], ["DotProd", "random"],
    ]  # fmt: skip
    assert err == ""


def test_json_holds_every_figure(lists: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = body([*lists, "--policy", "fgd", "--policy", "BestFit", "--seeds", "2", "--load", "80"], capsys)
    assert found["formatVersion"]
    assert found["cluster"] == {"nodes": 6, "gpus": 36, "models": {"H100": 24, "L40S": 12}}
    assert found["workload"] == {"pods": 30, "gpus": 34.8, "loadPercent": 80}
    assert found["seeds"] == [42, 43]
    assert [(result["policy"], result["ties"]) for result in found["results"]] == [
        ("FGD", "fixed"),
        ("BestFit", "fixed"),
    ]
    result = found["results"][0]
    assert [level["arrivedPercent"] for level in result["levels"]] == [50, 70, 80]
    assert [item["missing"] for item in result["podsFailed"]] == ["GPU model", "GPUs", "CPU", "memory"]
    last = result["levels"][-1]
    assert last["unallocatedGpus"] == pytest.approx(36 * (1 - last["allocatedPercent"] / 100), abs=1e-3)
    assert sum(model["levels"][-1]["unallocatedGpus"] for model in result["models"]) == pytest.approx(
        last["unallocatedGpus"], abs=1e-3
    )
    assert [item["seed"] for item in result["seeds"]] == [42, 43]
    assert found["tieSensitivity"] == []


def test_all_rules_for_ties_are_compared(lists: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = body([*lists, "--policy", "Random", "--policy", "GpuPacking", "--ties", "all"], capsys)
    assert [(result["policy"], result["ties"]) for result in found["results"]] == [
        ("Random", "random"), ("GpuPacking", "fixed"), ("GpuPacking", "name"), ("GpuPacking", "random"),
    ]  # fmt: skip
    (item,) = found["tieSensitivity"]
    values = item["allocatedPercent"].values()
    assert item["policy"] == "GpuPacking"
    assert item["spreadPoints"] == pytest.approx(max(values) - min(values), abs=1e-3)


def test_csv_has_a_line_for_each_model_and_load(lists: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pack", *lists, "--policy", "FGD", "--load", "70", "-o", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["model"], row["arrived_percent"]) for row in rows] == [
        (model, load) for model in ("", "H100", "L40S") for load in ("50", "70")
    ]
    assert [bool(row["allocated_deviation"]) for row in rows] == [True, True, False, False, False, False]


def test_markdown_holds_the_tables_of_the_text(lists: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pack", *lists, "--policy", "FGD", "--seeds", "1", "-o", "md"]) == 0
    out = capsys.readouterr().out
    assert "means over one seed, 42" in out
    assert "| policy | ties | 50 | 70 | 80 | 90 | 95 | 100 | 110 | 120 | 130 |\n|---|---|---:|" in out
    assert "| policy | ties | H100 (24) | L40S (12) |" in out


def test_results_do_not_depend_on_the_number_of_processes(
    lists: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenantry.app.pack.WORTH_SPREADING", 0)
    few = ["--policy", "Random", "--policy", "FGD", "--seeds", "2"]
    assert body([*lists, *few, "--workers", "1"], capsys) == body([*lists, *few, "--workers", "2"], capsys)


def test_results_do_not_depend_on_compiling(lists: list[str]) -> None:
    nodes, pods = read_nodes(Path(lists[0])), read_pods(Path(lists[1]))
    for policy in NAMES:
        task = Task(policy, 42, Ties.FIXED)
        assert run_task(Subject(nodes, pods, 130, compiled=True), task) == run_task(
            Subject(nodes, pods, 130, compiled=False), task
        )


def test_the_order_of_the_lists_does_not_matter(lists: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    first = body([*lists, "--seeds", "1"], capsys)
    for name in lists:
        head, *lines = Path(name).read_text().splitlines()
        Path(name).write_text("\n".join([head, *reversed(lines)]))
    assert body([*lists, "--seeds", "1"], capsys) == first


def test_progress_is_told_as_runs_are_done(lists: list[str]) -> None:
    told: list[tuple[int, int]] = []
    pack_lists(Path(lists[0]), Path(lists[1]), policies=["FGD"], workers=1, done=lambda *count: told.append(count))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_every_run_is_planned_once() -> None:
    tasks = plan(["FGD", "Random", "FGD"], [1, 2], [Ties.NAME, Ties.FIXED, Ties.NAME])
    assert tasks == [
        *(Task("FGD", seed, rule) for rule in (Ties.NAME, Ties.FIXED) for seed in (1, 2)),
        *(Task("Random", seed, Ties.RANDOM) for seed in (1, 2)),
    ]


def test_small_work_does_not_wait_for_a_compiler(lists: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def note(subject: Subject, task: Task) -> Any:
        seen.append(subject.compiled)
        return run_task(subject._replace(compiled=False), task)

    monkeypatch.setattr("tenantry.app.pack.run_task", note)
    pack_lists(Path(lists[0]), Path(lists[1]), policies=["FGD"], seeds=1, workers=1)
    # 36 GPUs * 130 % of 34.8 GPUs in 30 pods are 40 pods, for each of 6 nodes
    monkeypatch.setattr("tenantry.app.pack.WORTH_COMPILING", 6 * 40 - 1)
    pack_lists(Path(lists[0]), Path(lists[1]), policies=["FGD"], seeds=1, workers=1)
    monkeypatch.setattr("tenantry.app.pack.WORTH_COMPILING", 6 * 40)
    pack_lists(Path(lists[0]), Path(lists[1]), policies=["FGD"], seeds=1, workers=1)
    assert seen == [False, True, False]


@pytest.mark.parametrize(
    ("nodes", "pods", "message"),
    [
        ("", PODS, "nodes.csv:1: expected the columns sn, cpu_milli"),
        (NODES, "name\n", "pods.csv:1: expected the columns name, cpu_milli"),
        ("sn,cpu_milli,memory_mib,gpu,model\na,1,1,0,\n", PODS, "expected nodes with GPUs; none of 1 has one"),
        (NODES, "name,cpu_milli,memory_mib,num_gpu,gpu_milli\na,1,1,0,0\n", "pods that ask for GPUs; none of 1 does"),
    ],
)
def test_lists_that_cannot_be_used_are_bad_input(
    nodes: str, pods: str, message: str, lists: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(lists[0]).write_text(nodes)
    Path(lists[1]).write_text(pods)
    assert run(["pack", *lists]) == 4
    out, err = capsys.readouterr()
    assert (out, err.startswith("error: ")) == ("", True)
    assert message in err


def test_a_list_that_never_fills_the_cluster_is_bad_input(lists: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(lists[0]).write_text(
        "sn,cpu_milli,memory_mib,gpu,model\n" + "".join(f"n{i},1,1,1000,G\n" for i in range(1000))
    )
    Path(lists[1]).write_text("name,cpu_milli,memory_mib,num_gpu,gpu_milli\na,1,1,1,1\n")
    assert run(["pack", *lists]) == 4
    # a million GPUs by pods of a thousandth
    assert (
        f"about 1,300,000,000 such pods would ask for 130 % of 1,000,000 GPUs; expected at most {MOST_PODS:,} pods"
        in (capsys.readouterr().err)
    )


@pytest.mark.parametrize(
    "options",
    [["--policy", "Worst"], ["--ties", "never"], ["--load", "0"], ["--seeds", "0"], ["--workers", "0"], ["-o", "yaml"]],
    ids=" ".join,
)
def test_options_that_cannot_be_used_are_usage_errors(options: list[str], lists: list[str]) -> None:
    assert run(["pack", *lists, *options]) == 4
