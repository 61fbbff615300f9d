"""``tenantry sweep``: runs, going on, parts, merging, and the Job that does it on a cluster."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenantry.app.examples import example
from tenantry.cli.main import run

SPEC = example("dell-ai-factory-h200")
SWEEP = """\
apiVersion: tenantry.dev/v1alpha1
kind: Sweep
metadata: {name: protection}
spec:
  pools: [training]
  scenarios: [base, smaller.yaml]
  values:
    platform/scheduler/reclaimMinRuntime: [0s, 15m]
"""
SMALLER = """\
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {name: vision}
spec: {quotas: [{pool: training, guaranteed: 8, limit: 32}]}
"""
JOBS = "name,tenant,submit,duration,pods,gpus\npretrain,language,0,7200,6,8\ndetect,vision,100,3600,2,8\n"


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return arguments of a small sweep; the working folder has its files."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(SPEC, "factory")
    Path("sweep.yaml").write_text(SWEEP)
    Path("smaller.yaml").write_text(SMALLER)
    Path("jobs.csv").write_text(JOBS)
    return ["sweep", "factory", "sweep.yaml", "--trace", "jobs.csv", "--workers", "1"]


def results(folder: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(folder, "results.jsonl").read_text().splitlines()]


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.splitlines()[0]


def test_every_combination_is_a_row_with_its_measures(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*given, "--out", "out"]) == 0
    assert said(capsys) == "4 runs: 4 done now; all are in out/results.jsonl"
    axis = "platform/scheduler/reclaimMinRuntime"
    waits = {(row["scenario"], row[axis]): row["tenants"]["vision"]["waitP95Seconds"] for row in results("out")}
    # evicted at once or after 900 s, and 30 s to leave; with a quota of 8 a job of 16 reclaims nothing and waits for
    # the end at 7,200 s
    assert waits == {
        ("base", "0s"): 30,
        ("base", "15m"): 830,
        ("smaller.yaml", "0s"): 7100,
        ("smaller.yaml", "15m"): 7100,
    }


def test_a_sweep_goes_on_where_it_stopped_and_does_again_what_changed(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*given, "--out", "out"]) == 0
    whole = results("out")
    Path("out/runs/000002.json").unlink()
    Path("out/runs/000003.json").write_text("{half")
    capsys.readouterr()
    assert run([*given, "--out", "out"]) == 0
    assert said(capsys).startswith("4 runs: 2 done now, 2 were there;")
    assert results("out") == whole
    Path("smaller.yaml").write_text(SMALLER.replace("guaranteed: 8", "guaranteed: 4"))
    assert run([*given, "--out", "out"]) == 0
    assert said(capsys).startswith("4 runs: 2 done now, 2 were there;")


def test_parts_and_processes_give_what_the_whole_gives(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*given, "--out", "whole"]) == 0
    for part in ("0/3", "2/3"):
        assert run([*given, "--out", "parts", "--shard", part]) == 0
    capsys.readouterr()
    assert run([*given, "--out", "parts", "--merge"]) == 4
    assert "parts: 1 of 4 runs are missing (1); run the sweep again" in capsys.readouterr().err
    assert run([*given, "--out", "parts", "--shard", "1/3"]) == 0
    assert said(capsys) == "4 runs: 1 done now; merge them with --merge once all parts are done"
    assert run([*given, "--out", "parts", "--merge"]) == 0
    assert Path("parts/results.jsonl").read_bytes() == Path("whole/results.jsonl").read_bytes()
    assert run([*given[:-1], "2", "--out", "processes"]) == 0
    assert Path("processes/results.jsonl").read_bytes() == Path("whole/results.jsonl").read_bytes()


def test_a_combination_that_no_spec_may_have_is_said_and_the_others_run(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    # each alone fits 48 GPUs: 24 + 8 + 16, but 32 + 8 + 16 do not
    axes = "{tenants/vision/quotas/training/guaranteed: [8, 16], tenants/language/quotas/training/guaranteed: [24, 32]}"
    Path("sweep.yaml").write_text(SWEEP.split("  scenarios", maxsplit=1)[0] + f"  values: {axes}\n")
    assert run([*given, "--out", "out"]) == 0
    refused = [row for row in results("out") if "refused" in row]
    assert [list(row.values())[2:4] for row in refused] == [[16, 32]]
    assert "SPEC-QUOTA-CAPACITY" in refused[0]["refused"]
    assert "not run: tenants/vision/quotas/training/guaranteed 16" in capsys.readouterr().out


def test_seeds_are_averaged_over_and_loads_are_an_axis(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("sweep.yaml").write_text(SWEEP.split("  scenarios", maxsplit=1)[0] + "  loads: [0.3, 0.6]\n  seeds: [1, 2]\n")
    arguments = [*given[:3], "--days", "0.01", "--out", "out", "--workers", "1"]
    assert run([*arguments, "-o", "md"]) == 0
    out = capsys.readouterr().out
    assert "- seeds: 1, 2 (means)" in out
    rows = results("out")
    assert [(row["load"], row["seed"]) for row in rows] == [(0.3, 1), (0.3, 2), (0.6, 1), (0.6, 2)]
    mean = sum(row["allocationBusy"] for row in rows[:2]) / 2
    assert f"| 0.3 | {100 * mean:.1f} % |" in out


def test_merged_runs_can_be_had_as_parquet(given: list[str]) -> None:
    duckdb = pytest.importorskip("duckdb")
    assert run([*given, "--out", "out", "--parquet", "runs.parquet", "-o", "json=out.json"]) == 0
    query = "select run, scenario, tenants.vision.waitP95Seconds from 'runs.parquet' order by run"
    assert duckdb.sql(query).fetchall() == [(0, "base", 30), (1, "base", 830), (2, "smaller.yaml", 7100),
                                            (3, "smaller.yaml", 7100)]  # fmt: skip
    assert len(json.loads(Path("out.json").read_text())["results"]) == 4


CLUSTER = ["--kubernetes", "--image", "registry.example.com/tenantry:1", "--namespace", "sweeps", "--claim", "results"]


def test_the_job_does_the_same_runs(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*given[:-2], *CLUSTER, "--pods", "3", "--until", "3h", "-e", "production"]) == 0
    inputs, job = yaml.safe_load_all(capsys.readouterr().out)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (job["spec"]["completionMode"], job["spec"]["completions"]) == ("Indexed", 3)
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    # what the kubelet does: files from the keys of the ConfigMap, and the index in the arguments
    (volume,) = [item["configMap"] for item in pod["volumes"] if "configMap" in item]
    assert volume["name"] == inputs["metadata"]["name"]
    content = {key: text.encode() for key, text in inputs.get("data", {}).items()}
    content |= {key: base64.b64decode(text) for key, text in inputs.get("binaryData", {}).items()}
    for item in volume["items"]:
        path = Path("pod", item["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content[item["key"]])
    command = [part.replace("/sweep/results", "../volume") for part in container["command"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir("pod")
        for index in range(3):
            arguments = [part.replace("$(JOB_COMPLETION_INDEX)", str(index)) for part in command]
            assert arguments[0] == "tenantry"
            assert run(arguments[1:]) == 0
    assert run([*given, "--out", "volume", "--merge"]) == 0
    assert run([*given, "--out", "here", "--until", "3h", "-e", "production"]) == 0
    assert Path("volume/results.jsonl").read_bytes() == Path("here/results.jsonl").read_bytes()


def test_a_large_trace_may_lie_in_the_claim(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("jobs.csv").write_text(JOBS + "".join(f"job-{n},vision,{n},60,1,1\n" for n in range(60_000)))
    assert run([*given[:-2], *CLUSTER]) == 4
    assert "the largest is jobs.csv; put a trace into the volume" in capsys.readouterr().err
    assert run([*given[:-2], *CLUSTER, "--trace-in-claim", "traces/jobs.csv"]) == 0
    _, job = yaml.safe_load_all(capsys.readouterr().out)
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[command.index("--trace") + 1] == "/sweep/traces/jobs.csv"


REFUSED = [
    ("a path that leads nowhere", "values: {tenants/visoin/description: [a]}", "did you mean 'vision'?"),
    ("an item that is not there", "values: {tenants/vision/quotas/trainnig/limit: [1]}", "did you mean 'training'?"),
    ("a value that no spec may have", "values: {tenants/vision/quotas/training/limit: [-4]}", "sweep.yaml:6:"),
    ("an unknown field", "sedes: [1]", "did you mean 'seeds'?"),
    ("a pool that divides nothing", "pools: [development]", "node pool development cannot be simulated"),
    ("an unknown scenario", "scenarios: [base, none.yaml]", "none.yaml: no such file"),
    ("a value that stands twice", "policies: [fifo, fifo]", "it stands twice in this list"),
    ("seeds with a trace", "seeds: [1, 2]", "a trace has a load and an order of its own"),
    ("a load of nothing", "loads: [0]", "sweep.yaml:6:"),
]


@pytest.mark.parametrize(("field", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_is_refused(given: list[str], field: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("sweep.yaml").write_text(SWEEP.split("  pools", maxsplit=1)[0] + f"  # what is wrong\n  {field}\n")
    assert run([*given, "--out", "out"]) == 4
    assert message in " ".join(capsys.readouterr().err.split())
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say with --out where the runs go"),
        (["--out", "factory"], "factory is not empty and holds no sweep"),
        (["--out", "out", "--shard", "4/4"], "'4/4' is no part"),
        (["--out", "out", "--shard", "0/4", "--parquet", "a.parquet"], "a part of the runs is not merged"),
        (["--kubernetes", "--image", "a"], "--kubernetes needs --namespace, --claim"),
        (["--kubernetes", "--namespace", "Team A"], "'Team A' is not a name of a namespace"),
        (["--out", "none", "--merge"], "holds no sweep"),
    ],
    ids=[
        "no folder",
        "another folder",
        "a part there is not",
        "a part as a table",
        "no place",
        "no namespace",
        "nothing to merge",
    ],
)
def test_usage_is_explained(
    given: list[str], arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*given, *arguments]) == 4
    assert message in " ".join(capsys.readouterr().err.split())
