"""``tenantry probe``: what it measures here, and what it renders for a cluster."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenantry.cli.main import run
from tenantry.io.profiles import read_profiles

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "dell-ai-factory-h200")
RENDER = ["probe", "render", EXAMPLE, "-e", "production", "--image", "registry.example.com/torch:1"]


def rendered(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[Any]:
    assert run([*RENDER, *arguments]) == 0
    return list(yaml.safe_load_all(capsys.readouterr().out))


def test_without_a_gpu_it_says_that_it_needs_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert run(["probe", "run", "--workload", "copy"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "no GPU can be measured here" in said.err


def test_a_table_is_written_that_the_reader_takes(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    options = ["--backend", "cpu", "--batches", "3", "--neighbours", "0", "--quiet", "--out", str(table)]
    assert run(["probe", "run", *options]) == 0
    assert [row.setting.workload for row in read_profiles(table).table] == ["matmul"]


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["--bogus"], 4), (["--batch", "x"], 4)])
def test_usage_errors_of_the_program_are_those_of_the_command(arguments: list[str], code: int) -> None:
    assert run(["probe", "run", *arguments]) == code


def test_jobs_of_a_tenant_are_rendered_with_the_program_itself(capsys: pytest.CaptureFixture[str]) -> None:
    config_map, *jobs = rendered(capsys, "--pool", "serving", "--tenant", "search", "--batch", "1,8")
    assert config_map["data"] == {"probe.py": files("tenantry.exec").joinpath("probe.py").read_text("utf-8")}
    assert [job["metadata"]["name"] for job in jobs] == ["probe-serving-mig-1g-18gb", "probe-serving-mig-3g-71gb"]
    assert {job["metadata"]["namespace"] for job in jobs} == {"search-serve"}
    command = jobs[0]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[command.index("--batch") + 1] == "1,8"


def test_neighbours_are_as_many_as_the_pool_allows(capsys: pytest.CaptureFixture[str]) -> None:
    (_, job) = rendered(capsys, "--pool", "development", "--namespace", "probes")
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    # Four containers share a GPU of this pool: three besides the measured one.
    assert command[command.index("--neighbours") + 1] == "0,1,3"
    (_, job) = rendered(capsys, "--pool", "development", "--namespace", "probes", "--neighbours", "0,2")
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[command.index("--neighbours") + 1] == "0,2"


def test_a_module_of_the_users_travels_along(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def serve(batch): return lambda: None\n")
    module = str(tmp_path / "mine.py")
    arguments = ["--pool", "training", "--namespace", "probes", "--workload", "mine:serve", "--module", module]
    config_map, job = rendered(capsys, *arguments)
    assert config_map["data"]["mine.py"] == "def serve(batch): return lambda: None\n"
    assert "mine:serve" in job["spec"]["template"]["spec"]["containers"][0]["command"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pool", "servin", "--namespace", "n"], "did you mean 'serving'?"),
        (["--pool", "serving"], "say with a tenant or a namespace where the Jobs run"),
        (["--pool", "serving", "--tenant", "serch"], "did you mean 'search'?"),
        (["--pool", "training", "--tenant", "sandbox"], "tenant sandbox has no quota in pool training"),
        (["--pool", "serving", "--tenant", "search", "--namespace", "vision"], "is no namespace of tenant search"),
        (["--pool", "serving", "--namespace", "n", "--module", "absent.py"], "absent.py cannot be read"),
        (
            ["--pool", "serving", "--namespace", "n", "--module", "no-name.py"],
            "a Python file whose name can be imported",
        ),
        (["--pool", "serving", "--namespace", "n", "--module", "probe.py"], "not probe.py"),
        (["--pool", "serving", "--namespace", "N"], "expected a name of a namespace; found 'N'"),
        (["--pool", "serving", "--namespace", "n", "--batch", "0"], "expected whole numbers from 1 on"),
        (["--pool", "serving", "--namespace", "n", "--pod-memory", "lots"], "expected an amount of memory"),
    ],
)
def test_what_cannot_be_rendered_is_refused_with_a_reason(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run([*RENDER, *arguments]) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
