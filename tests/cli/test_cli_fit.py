"""``tenantry fit``, and its findings in lint, compile and the demonstration."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from tenantry.app.examples import example, example_names
from tenantry.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[..., tuple[int, str]]

PLATFORM = """apiVersion: tenantry.dev/v1alpha1
kind: Platform
metadata: {name: lab}
spec:
  distribution: openshift
  version: "4.20"
  gitops: {repository: https://git.example.com/lab.git}
  nodePools:
    - {name: training, server: dell-xe9680-h200, count: 2}
"""
TENANTS = """apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {name: language}
spec:
  department: research
  namespaces: [{name: language}]
  quotas:
    - {pool: training, guaranteed: 12, limit: 16}
---
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {name: vision}
spec:
  department: research
  namespaces: [{name: vision}]
  quotas:
    - {pool: training, guaranteed: 4, limit: 16}
---
apiVersion: tenantry.dev/v1alpha1
kind: Workload
metadata: {name: tuning}
spec: {tenants: [language], gpus: 6, gpuMemory: 80Gi}
---
apiVersion: tenantry.dev/v1alpha1
kind: Workload
metadata: {name: detection}
spec: {tenants: [vision], gpus: 4, gpuMemory: 80Gi}
"""
WAIVER = """---
apiVersion: tenantry.dev/v1alpha1
kind: Waiver
metadata: {name: fragments}
spec: {rule: FIT-GUARANTEE, subject: "Node pool *", reason: a third server is ordered, expires: 2027-01-31}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """Two servers of eight; pods of six and of four do not share them, although 12 + 4 = 16."""
    folder = tmp_path / "spec"
    folder.mkdir()
    (folder / "platform.yaml").write_text(PLATFORM)
    (folder / "tenants.yaml").write_text(TENANTS)
    return folder


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the command line: exit code and standard output."""

    def run_it(*arguments: object) -> tuple[int, str]:
        code = run([str(item) for item in arguments])
        return code, capsys.readouterr().out

    return run_it


def test_text_says_what_cannot_run_where_and_what_would_help(spec: Path, call: Call) -> None:
    code, out = call("fit", spec)

    assert code == 2
    flat = " ".join(out.split())
    assert re.search(r"tenants\.yaml:17:7: error: the 2 nodes of training cannot hold all guarantees", flat)
    assert "their sum fits (16 of 16 x nvidia.com/gpu), their pods do not" in flat
    assert "Cannot run: 1 pod x 4 nvidia.com/gpu in training, for tenant vision" in flat
    # With 3 vision could run no pod of four by right, so that change is not proposed. With 11 language runs 6 + 5 x 1.
    assert "fix: lower the guarantee of tenant language in training from 12 to 11" in flat
    assert "or: add 1 node to training" in flat
    assert flat.endswith("2 guarantees, 0 in pools that hold all of theirs at the same time; 1 error")


def test_lines_are_no_longer_than_a_terminal(spec: Path, call: Call) -> None:
    for arguments in ((spec,), (spec, "--minus-nodes", "1"), (example("dell-ai-factory-h200"), "--minus-nodes", "1")):
        _, out = call("fit", *arguments)
        # A path is never broken.
        assert all(len(line) <= 100 for line in out.splitlines() if str(spec) not in line and "/examples/" not in line)


def test_json_carries_the_job_its_pod_and_the_tables(spec: Path, call: Call) -> None:
    _, out = call("fit", spec, "--minus-nodes", "training=1", "-o", "json")
    body: dict[str, Any] = json.loads(out)

    assert body["formatVersion"] == "1.0"
    assert body["minusNodes"] == {"anywhere": 0, "pools": {"training": 1}}
    (pool,) = body["pools"]
    assert (pool["capacity"], pool["guaranteed"], pool["headroom"], pool["held"], pool["mayLose"]) == (
        16, 16, 0, "VIOLATED", None,
    )  # fmt: skip
    assert pool["lost"] == {"nodes": 1, "capacity": 8, "headroom": -8, "held": "VIOLATED"}
    (finding,) = [item for item in body["findings"] if item["rule"] == "FIT-GUARANTEE"]
    assert finding["job"]["pod"]["spec"]["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "4"}
    assert finding["job"]["pod"]["metadata"]["namespace"] == "vision"
    work = {item["workload"]: (item["jobsWithinGuarantee"], item["jobsWithinLimit"]) for item in body["workloads"]}
    # A server takes one pod of six, and two pods of four.
    assert work == {"tuning": (2, 2), "detection": (1, 4)}


def test_markdown_and_html_hold_the_same(spec: Path, tmp_path: Path, call: Call) -> None:
    page = tmp_path / "fit.html"
    code, out = call("fit", spec, "-o", "md", "-o", f"html={page}")

    html = page.read_text()
    assert code == 2
    for text in (out, html):
        assert "FIT-GUARANTEE" in text
        assert "lower the guarantee of tenant language" in text.lower()
    assert "src=" not in html
    assert "http://" not in html.replace("http://www.w3.org", "")


def test_the_same_spec_gives_the_same_bytes(spec: Path, call: Call) -> None:
    for form in ("text", "json", "md", "html"):
        assert call("fit", spec, "-o", form) == call("fit", spec, "-o", form)


def test_the_threshold_decides_the_exit_code(call: Call) -> None:
    factory = example("dell-ai-factory-h200")  # one note: pre-training borrows

    assert call("fit", factory)[0] == 0
    assert call("fit", factory, "--threshold", "info")[0] == 2
    assert call("fit", factory, "--minus-nodes", "1")[0] == 2
    assert call("fit", factory, "--minus-nodes", "1", "--threshold", "error")[0] == 0


def test_no_node_lost_is_the_plain_answer(spec: Path, call: Call) -> None:
    assert call("fit", spec, "--minus-nodes", "0") == call("fit", spec)
    assert call("fit", spec, "--minus-nodes", "training=0") == call("fit", spec)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trainnig=1", "did you mean 'training'"),
        ("-1", "expected N or POOL=N"),
        ("training=", "expected N or POOL=N"),
        ("training=one", "expected N or POOL=N"),
        ("99999999", "expected N or POOL=N"),
        ("", "expected N or POOL=N"),
    ],
)
def test_nodes_that_make_no_sense_are_bad_input(
    text: str, said: str, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fit", str(spec), f"--minus-nodes={text}"]) == 4
    assert said in capsys.readouterr().err


def test_more_nodes_lost_than_there_are_leave_nothing(spec: Path, call: Call) -> None:
    _, out = call("fit", spec, "--minus-nodes", "1000", "-o", "json")

    assert json.loads(out)["pools"][0]["lost"] == {"nodes": 2, "capacity": 0, "headroom": -16, "held": "VIOLATED"}


def test_a_spec_with_problems_is_bad_input(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (spec / "platform.yaml").write_text(PLATFORM.replace("dell-xe9680-h200", "dell-xe9680"))

    assert run(["fit", str(spec)]) == 4
    assert "SPEC-UNKNOWN-SERVER" in capsys.readouterr().err


# Waivers -------------------------------------------------------------------------------------------------------------


def test_a_waiver_accepts_a_finding_until_it_expires(spec: Path, call: Call) -> None:
    (spec / "tenants.yaml").write_text(TENANTS + WAIVER)

    code, out = call("fit", spec, "--today", "2027-01-31")
    assert code == 0
    assert "waived: the 2 nodes of training" in " ".join(out.split())
    assert "waived until 2027-01-31: a third server is ordered" in out

    code, out = call("fit", spec, "--today", "2027-02-01")
    assert code == 2
    assert "but the waiver expired on 2027-01-31" in out


def test_lint_leaves_out_what_is_waived_and_says_so(spec: Path, call: Call) -> None:
    (spec / "tenants.yaml").write_text(TENANTS + WAIVER.replace("2027-01-31", "2999-01-31"))

    code, out = call("lint", spec)

    assert code == 0
    assert "[FIT-GUARANTEE]" not in out
    assert "note: FIT-GUARANTEE Node pool training is waived until 2999-01-31: a third server is ordered" in out


# Lint, compile, demo -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "json", "md", "sarif", "junit", "html"])
def test_lint_shows_findings_of_a_spec_in_every_format(form: str, spec: Path, call: Call) -> None:
    code, out = call("lint", spec, "-o", form)

    assert code == 2
    assert "FIT-GUARANTEE" in out
    if form == "json":
        (finding,) = json.loads(out)["findings"]
        assert (finding["line"], finding["column"]) == (17, 7)
        assert finding["source"]
        assert "Lower the guarantee of tenant language" in finding["fix"]
    elif form == "sarif":
        (result,) = json.loads(out)["runs"][0]["results"]
        assert result["level"] == "error"
        assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 17, "startColumn": 7}
    elif form == "junit":
        assert ElementTree.fromstring(out).find(".//failure") is not None


def test_lint_finds_the_spec_below_a_folder_and_applies_an_environment(tmp_path: Path, call: Call) -> None:
    base, staging = tmp_path / "lab" / "base", tmp_path / "lab" / "environments" / "staging"
    base.mkdir(parents=True)
    staging.mkdir(parents=True)
    (base / "all.yaml").write_text(PLATFORM + "---\n" + TENANTS)
    (staging / "platform.yaml").write_text(PLATFORM.replace("count: 2", "count: 3").replace('  version: "4.20"\n', ""))

    assert call("lint", tmp_path)[0] == 2
    assert call("lint", tmp_path / "lab")[0] == 2
    assert call("lint", tmp_path / "lab", "-e", "staging")[0] == 0


def test_lint_reports_what_the_compiler_refuses_with_its_place(spec: Path, call: Call) -> None:
    (spec / "tenants.yaml").write_text(
        TENANTS.replace("pool: training, guaranteed: 4", "pool: trainnig, guaranteed: 4")
    )

    code, out = call("lint", spec)

    assert code == 2
    assert "tenants.yaml:17:14: error: there is no node pool named 'trainnig'" in out
    assert "[SPEC-UNKNOWN-POOL]" in out


def test_an_environment_without_a_spec_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")

    assert run(["lint", str(tmp_path), "-e", "staging"]) == 4
    assert "belongs to a spec" in capsys.readouterr().err


def test_manifests_without_a_spec_are_linted_as_before(tmp_path: Path, call: Call) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")

    assert call("lint", tmp_path)[0] == 0


def test_compile_points_to_what_does_not_fit(spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compile", str(spec), "--out", str(tmp_path / "tree")]) == 0
    assert f"(FIT-GUARANTEE): tenantry fit {spec}" in capsys.readouterr().err

    assert run(["compile", str(example("eks-gpu")), "--out", str(tmp_path / "other")]) == 0
    assert "FIT-" not in capsys.readouterr().err


@pytest.mark.parametrize("name", example_names())
def test_examples_promise_what_they_can_hold(name: str, call: Call) -> None:
    folder = example(name)
    environments = ["", *(entry.name for entry in sorted((folder / "environments").glob("*")))]

    for environment in environments:
        code, out = call("fit", folder, "-e", environment, "-o", "json")
        body = json.loads(out)
        assert code == 0, out
        assert body["counts"]["errors"] == body["counts"]["warnings"] == 0
        assert body["counts"]["guaranteesHeld"] == body["counts"]["guarantees"] > 0


def test_the_demonstration_says_how_many_guarantees_hold(tmp_path: Path, call: Call) -> None:
    _, out = call("demo", "--out", tmp_path)

    assert "fit: ai-factory: 3 node pools; 8 guarantees, all can be held at the same time; 1 note" in out
