"""``tenantry partition`` for services: exit codes, files, and what goes with what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tenantry.cli.main import run

PLATFORM = """\
apiVersion: tenantry.dev/v1alpha1
kind: Platform
metadata: {name: lab}
spec:
  distribution: kubernetes
  version: "1.34"
  gitops: {repository: "https://git.example.com/platform/tree.git"}
  nodePools:
    - name: serving
      server: generic
      gpu: {model: a30, count: 1}
      hosts: [gpu-1, gpu-2]
      sharing: {mode: mig, layouts: [{profiles: {1g.6gb: 4}}]}
"""
TABLE = """\
gpu,sharing,profile,workload,batch_size,throughput_per_s,latency_p99_s
a30,mig,1g.6gb,ranker,4,10,0.020
a30,mig,2g.12gb,ranker,8,25,0.030
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The arguments that plan one service which one GPU carries."""
    (tmp_path / "platform.yaml").write_text(PLATFORM)
    (tmp_path / "table.csv").write_text(TABLE)
    return services(tmp_path, 24)


def services(folder: Path, rate: float) -> list[str]:
    demand = folder / "services.txt"
    demand.write_text(f"services: [{{name: ranker, rate: {rate}, latency: {{milliseconds: 100}}}}]\n")
    return [
        "partition", str(folder / "platform.yaml"), "--demand", str(demand), "--profiles", str(folder / "table.csv")
    ]  # fmt: skip


def test_what_fits_is_clean_and_what_does_not_is_a_finding(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(files) == 0
    assert "1 GPU carries everything (proved: no plan needs fewer)" in capsys.readouterr().out
    assert run(services(tmp_path, 200)) == 2
    assert "the pool has too few" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["text", "json", "md", "html"])
def test_every_output_is_the_same_in_every_run(files: list[str], capsys: pytest.CaptureFixture[str], form: str) -> None:
    outputs = []
    for _ in range(2):
        assert run([*files, "-o", form]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert "2g.12gb" in outputs[0]
    if form == "html":
        assert 'src="' not in outputs[0]
        assert "http" not in outputs[0]


def test_the_slices_are_a_demand_that_is_laid_out_on_nodes(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slices = tmp_path / "slices.yaml"
    assert run([*files, "--slices", str(slices)]) == 0
    capsys.readouterr()
    assert run(["partition", files[1], "--demand", str(slices), "-o", "json"]) == 0
    (pool,) = json.loads(capsys.readouterr().out)["pools"]
    assert pool["plan"]["unserved"] == {"1": 0}
    # All GPUs had four small slices.
    assert pool["plan"]["changedGpus"] > 0


def test_rules_of_settings_are_options(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    # 20 ms is not below a fifth of 100 ms.
    assert run([*files, "--latency-part", "0.2"]) == 4
    assert "20 ms (p99) at best, on 1g.6gb with batch 4" in capsys.readouterr().err
    # 30 ms is not below 0.3 of it, so only the small slice is left: three of them.
    assert run([*files, "--latency-part", "0.3", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["services"][0]["slices"][0]["count"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--patch", "x.yaml"], "--patch is about slices; write those of the services with --slices"),
        (["--greedy"], "--greedy is about slices"),
        (["--pool", "a", "--pool", "b"], "services are planned on one node pool"),
        (["--pool", "servin"], "did you mean 'serving'?"),
        (["--latency-part", "0"], "--latency-part"),
    ],
)
def test_options_that_do_not_go_with_services_are_refused(
    files: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run([*files, *arguments]) == 4
    assert message in capsys.readouterr().err


def test_options_about_services_need_services(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*files[:2], *files[4:]]) == 4
    assert "--profiles is about services; --demand names no file with services" in capsys.readouterr().err
