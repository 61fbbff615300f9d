"""``tenantry partition``: what it answers on the example, its files, its formats and its messages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tenantry.app.examples import example
from tenantry.app.spec import load
from tenantry.cli.main import run
from tenantry.io.yaml_read import load_documents

pytest.importorskip("highspy")

SPEC = str(example("dell-ai-factory-h200"))
DEMAND = str(example("dell-ai-factory-h200") / "partition" / "demand.yml")
NODE = "gpu-07.ai-factory.example.com"


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run(["partition", SPEC, *arguments, "-o", "json"]) == code
    body: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert body["formatVersion"] == "1.0"
    return body


def demand(folder: Path, text: str) -> str:
    path = folder / "demand.yml"
    path.write_text(text)
    return str(path)


def test_the_example_is_at_its_best_and_what_more_could_be_served_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    pool = answer(capsys, "-e", "production")["pools"][0]
    # Wanted beyond guarantees: 8 x 3g of 4 and 42 x 1g; the 21 spare 1g are given out, so 32 + 21 = 53 are not.
    assert pool["plan"]["unserved"] == {"1": 0, "0": 53}
    assert (pool["status"], pool["plan"]["changedGpus"], pool["greedy"]["objective"]) == ("optimal", 0, 53)
    # 3g + 4 x 1g uses all 8 memory slices of a GPU where 7 x 1g uses 7: 8 GPUs give 8 more.
    assert pool["most"]["unserved"]["0"] == 45
    # 7 x 1g leaves one memory slice on each of 8 GPUs, 2 x 3g one compute slice on each of the others.
    losses = pool["losses"]["now"]
    assert (losses["memorySlicesInNoInstance"], losses["computeSlicesInNoInstance"]) == (8, 8)


def test_the_demand_of_the_example_changes_one_node(capsys: pytest.CaptureFixture[str]) -> None:
    body = answer(capsys, "--demand", DEMAND, "--per-node")
    pool = body["pools"][0]
    assert (pool["plan"]["changedNodes"], pool["plan"]["unserved"]) == (1, {"1": 0, "0": 0})
    kept = next(gpu for gpu in pool["gpus"] if gpu["node"] == NODE and gpu["index"] == 0)
    assert kept["pinned"] == [[4, "3g.71gb"]]
    assert [4, "3g.71gb", 4] in kept["after"]
    assert not any(gpu["changes"] for gpu in pool["gpus"] if gpu["node"] == NODE)
    assert [item["rule"] for item in body["findings"]] == ["PARTITION-PRESENT"]


def test_a_uniform_plan_is_a_patch_that_lies_over_the_spec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    patch, config = tmp_path / "patch.yaml", tmp_path / "mig.yaml"
    body = answer(capsys, "--demand", DEMAND, "--patch", str(patch), "--mig-config", str(config))
    pool = load(Path(SPEC), "production", layers=[patch]).cluster.pool("serving")
    planned = {
        tuple(sorted(item["instances"].items())): tuple(item["indices"])
        for item in body["pools"][0]["configurations"][0]["gpus"]
    }
    assert {group.profiles: group.indices for group in pool.groups} == planned
    assert config.read_text() == body["migConfiguration"]


def test_names_of_configurations_are_those_that_are_compiled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tenantry.compile.gpu_sharing import mig_config, mig_config_name

    patch = tmp_path / "patch.yaml"
    body = answer(capsys, "--demand", DEMAND, "--patch", str(patch))
    cluster = load(Path(SPEC), layers=[patch]).cluster
    assert body["pools"][0]["configurations"][0]["name"] == mig_config_name(cluster.pool("serving"))
    compiled, planned = (
        load_documents(text)[0].value["mig-configs"] for text in (mig_config(cluster), body["migConfiguration"])
    )
    assert compiled == planned


def test_a_plan_per_node_is_no_patch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["partition", SPEC, "--per-node", "--patch", str(tmp_path / "patch.yaml")]) == 4
    assert "no patch of the spec" in capsys.readouterr().err
    assert not (tmp_path / "patch.yaml").exists()


def test_guarantees_that_no_layout_holds_are_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 16 GPUs hold 32 x 3g: 33 never fit, and 30 beside 40 x 1g do not.
    file = demand(tmp_path, "pools: {serving: {demand: [{profile: 3g.71gb, count: 33, priority: 1}]}}")
    body = answer(capsys, "--demand", file, code=2)
    assert {item["rule"] for item in body["findings"]} == {
        "PARTITION-GUARANTEE", "PARTITION-NEVER", "PARTITION-PRESENT",
    }  # fmt: skip
    assert body["pools"][0]["demand"][0]["servedPlanned"] == 32
    assert next(item for item in body["findings"] if item["rule"] == "PARTITION-GUARANTEE")["verdict"] == "VIOLATED"


def test_without_a_solver_nothing_is_proved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = demand(tmp_path, "pools: {serving: {demand: [{profile: 3g.71gb, count: 33, priority: 1}]}}")
    body = answer(capsys, "--demand", file, "--greedy", code=2)
    assert (body["pools"][0]["status"], len(body["notes"])) == ("greedy", 1)
    assert next(item for item in body["findings"] if item["rule"] == "PARTITION-GUARANTEE")["verdict"] == "UNKNOWN"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pools: {servin: {}}", "there is no node pool 'servin' with mode mig"),
        ("pools: {training: {}}", "there is no node pool 'training' with mode mig"),
        ("pools: {serving: {demand: [{profile: 3g.40gb, count: 1}]}}", "has no MIG profile '3g.40gb'"),
        ("pools: {serving: {demand: [{profile: 1g.18gb, count: 1, tenant: visio}]}}", "there is no tenant 'visio'"),
        ("pools: {serving: {nodes: {gpu-99: []}}}", "has no node gpu-99"),
        (f"pools: {{serving: {{nodes: {{{NODE}: [{{gpu: 8}}]}}}}}}", "is none of 8, numbered from 0"),
        (f"pools: {{serving: {{nodes: {{{NODE}: [{{gpu: 1}}, {{gpu: 1}}]}}}}}}", "stands twice"),
        (
            f"pools: {{serving: {{nodes: {{{NODE}: [{{gpu: 1, instances: [{{profile: 3g.71gb, start: 2, pinned: true}}]"
            "}]}}}",
            "although it is pinned: 3g.71gb cannot begin at memory slice 2, only at 0, 4",
        ),
        (
            f"pools: {{serving: {{nodes: {{{NODE}: [{{gpu: 1, instances: [{{profile: 4g.71gb, start: 0}}, "
            "{profile: 2g.35gb, start: 2}]}]}}}",
            "overlap on memory slice 2",
        ),
    ],
    ids=[
        "pool",
        "pool that is not partitioned",
        "profile",
        "tenant",
        "node",
        "GPU",
        "GPU twice",
        "wrong start",
        "overlap",
    ],
)
def test_mistakes_in_a_demand_file_are_named_with_their_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    assert run(["partition", SPEC, "--demand", demand(tmp_path, text)]) == 4
    said = " ".join(capsys.readouterr().err.split())
    assert message in said
    assert re.search(r"demand\.yml:1:\d+", said)


def test_listings_of_nodes_are_the_present_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listing = tmp_path / "lgi"
    listing.write_text("|   2  MIG 4g.71gb   5   1   0:4  |\n")
    pool = answer(capsys, "--per-node", "--present", f"{NODE}={listing}", "--pinned")["pools"][0]
    gpus = {gpu["index"]: gpu for gpu in pool["gpus"] if gpu["node"] == NODE}
    assert gpus[2]["before"] == [[0, "4g.71gb", 4]]
    assert [0, "4g.71gb", 4] in gpus[2]["after"]
    assert gpus[3]["before"] == []
    listing.write_text("|   2  MIG 4g.40gb   5   1   0:4  |\n")
    assert run(["partition", SPEC, "--present", f"{NODE}={listing}"]) == 4
    assert "GPU 2 of gpu-07.ai-factory.example.com: NVIDIA H200 SXM5 141 GB has no profile 4g.40gb" in " ".join(
        capsys.readouterr().err.split()
    )


def test_quotas_that_the_layouts_do_not_serve_are_what_a_plan_is_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Compiling refuses this spec: one layout of 7 x 1g for quotas of 2g.
    folder = tmp_path / "spec"
    folder.mkdir()
    for path in [*Path(SPEC, "base").glob("*.yaml"), *Path(SPEC, "base", "tenants").glob("vision.yaml")]:
        (folder / path.name).write_text(
            path.read_text().replace("1g.18gb: {guaranteed: 14", "2g.35gb: {guaranteed: 14")
        )
    for name in ("contract.yaml", "workloads.yaml"):
        (folder / name).unlink()
    assert run(["partition", str(folder), "-o", "json"]) == 0
    body = json.loads(capsys.readouterr().out)
    row = next(item for item in body["pools"][0]["demand"] if item["priority"] == 1)
    assert (row["profile"], row["servedNow"], row["servedPlanned"]) == ("2g.35gb", 0, 14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pool", "servin"], "did you mean 'serving'?"),
        (["--pool", "training"], "there is no node pool 'training' with mode mig"),
        (["--spares", "2"], "has 2 nodes; 2 of them cannot be spare"),
        (["--pinned"], "--pinned is about the instances of --present"),
        (["--present", "x"], "expected NODE=FILE"),
        (["--demand", "none.yaml"], "none.yaml"),
        (["--time-limit", "0"], "0.1"),
    ],
)
def test_calls_that_cannot_be_answered(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["partition", SPEC, *arguments]) == 4
    assert message in " ".join(capsys.readouterr().err.split())


def test_pools_with_different_gpus_are_planned_each_with_its_own_profiles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overlay = tmp_path / "spec"
    overlay.mkdir()
    platform = Path(SPEC, "base", "platform.yaml").read_text()
    extra = (
        "    - name: small\n      server: generic\n      gpu: {model: a30, count: 4}\n      count: 3\n"
        "      sharing: {mode: mig, layouts: [{profiles: {4g.24gb: 1}}]}\n  fabrics:\n"
    )
    (overlay / "platform.yaml").write_text(platform.replace("  fabrics:\n", extra, 1))
    file = demand(
        tmp_path,
        "pools:\n  serving: {demand: [{profile: 7g.141gb, count: 2, priority: 1}]}\n"
        "  small: {demand: [{profile: 2g.12gb, count: 7, priority: 1}, {profile: gpu, count: 1}]}\n",
    )
    assert run(["partition", str(overlay), "--demand", file, "-o", "json", "--per-node"]) == 0
    pools = {item["pool"]: item for item in json.loads(capsys.readouterr().out)["pools"]}
    assert [item["gpu"] for item in pools.values()] == ["h200-sxm", "a30"]
    # Two H200 for 7g; 7 x 2g need four A30, one node's. A whole A30 is worth 4 and would cost 1 + 8 on another node.
    assert pools["serving"]["plan"]["changedGpus"] == 2
    assert (pools["small"]["plan"]["changedGpus"], pools["small"]["plan"]["changedNodes"]) == (4, 1)
    assert {gpu["node"] for gpu in pools["small"]["gpus"]} == {"small-1", "small-2", "small-3"}


def test_a_platform_without_mig_has_nothing_to_partition(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["partition", str(example("eks-gpu"))]) == 4
    assert "no node pool of cloud-burst has sharing.mode mig" in capsys.readouterr().err


def test_text_fits_the_terminal_and_all_formats_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, report = tmp_path / "plan.html", tmp_path / "plan.md"
    assert run(["partition", SPEC, "--demand", DEMAND, "-o", "text", "-o", f"html={page}", "-o", f"md={report}"]) == 0
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "optimal, proved; all guaranteed slices are served" in text
    assert "By hand on" in text
    html = page.read_text()
    assert html.count("<svg") == 4  # kinds of GPUs: two that stay, one that changes, one with an instance that stays
    assert "http" not in html.replace("http-equiv", "")
    assert "## Node pool serving" in report.read_text()


def test_the_same_question_gets_the_same_bytes(tmp_path: Path) -> None:
    pages = [tmp_path / name for name in ("one.html", "two.html")]
    for path in pages:
        assert run(["partition", SPEC, "--demand", DEMAND, "--per-node", "-o", f"html={path}"]) == 0
    assert pages[0].read_bytes() == pages[1].read_bytes()
