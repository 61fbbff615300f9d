"""``tenantry explain`` and ``tenantry fairshare``: what is printed, formats, exit codes and messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tenantry.app.examples import examples_folder
from tenantry.cli.main import run

SNAPSHOT = str(examples_folder() / "waiting-job" / "snapshot")

WAITS = """\
search-train/reranker (PyTorchJob) waits in node pool training.
  Its pod needs 6 GPUs on one node: at most 2 are idle on one node, 4 in all.
  2 running jobs may be evicted for it; 1 way of doing so came into question and
  left it without a place: vision-train/detector would get its place back first.

job    1 pod of 6 GPUs, 48 CPUs and 384 GiB of memory; queue search-training,
       priority 50, preemptible; submitted 28 min 41 s ago

queues (GPUs)           quota  limit  fair  holds  asks
research-training-dept     16      -    16     12    18  starved 4
  search-training           6      8     6      0     6  starved 6, lends 2

nodes         GPU          idle                      fits
gpu-1, gpu-2  NVIDIA-H200  4 of 16 GPUs, at most 2      0  too little left: GPUs
                           on one

who could make way
  reclaim  may be evicted   2 jobs  6 GPUs  vision-train/detector,
                                            language-train/eval
  reclaim  not preemptible  1 job   6 GPUs  language-train/pretrain

what the scheduler tried
  allocate       No node has room for its pod.
  consolidation  Moving running jobs together would not do: 4 GPUs are idle in
                 all, and it asks for 6.
  reclaim        as said above
  preempt        No running job may be evicted for it.

what would help
  waiting
  - wait until language-train/pretrain (6 GPUs) ends: it starts at once
  - wait until vision-train/detector (4 GPUs) ends: it starts at once
  for the owner of the job
  - ask for 4 GPUs per pod instead of 6 GPUs: it is promised its place;
    language-train/eval is moved
  for those who run the platform
  - add 1 node like gpu-1 (8 GPUs each): it starts at once
  would not help: the other preemptibility, higher limits, higher quotas, a
    higher weight, a higher priority of the queue
"""
SHARES = """\
node pool training: 16 GPUs, 4 GPUs idle (KAI 0.17, 2026-03-10 09:59:41 UTC)
queue                   quota  limit  weight  fair  holds  asks
research-training-dept     16      -       1    16     12    18  starved 4
  language-training         6     12       2     6      8     8  borrows 2
  search-training           6      8       1     6      0     6  starved 6,
                                                                 lends 2
  vision-training           4      8       1     4      4     4

- is unlimited; fair: its fair share; holds: allocated; asks: held and waited
for
"""


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_a_job_that_waits_is_explained_from_its_reason_to_what_would_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "reranker", "--snapshot", SNAPSHOT]) == 2
    out, err = capsys.readouterr()
    assert out == WAITS
    assert err == ""


@pytest.mark.parametrize("columns", ["70", "80", "120", "300"])
def test_no_line_is_wider_than_the_terminal(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for arguments in (["explain", "reranker", "--check-order"], ["explain", "eval"], ["fairshare"]):
        run([*arguments, "--snapshot", SNAPSHOT])
        assert max(map(len, capsys.readouterr().out.splitlines())) <= int(columns)


def test_a_job_that_runs_says_who_could_take_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "language-train/eval", "--snapshot", SNAPSHOT]) == 0
    out = capsys.readouterr().out
    assert "Queue language-training holds 8 GPUs, 2 more than its quota: that part is\n  borrowed." in out
    assert "A job of its size waiting in queue search-training would have it evicted if\n  nothing is idle." in out


def test_shares_are_a_table_per_pool(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fairshare", "--snapshot", SNAPSHOT]) == 2  # search-training is starved
    assert capsys.readouterr().out == SHARES


def test_other_resources_are_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    run(["fairshare", "--snapshot", SNAPSHOT, "--resource", "cpu", "--resource", "memory"])
    out = capsys.readouterr().out
    assert "node pool training: 383 CPUs, 287 idle" in out
    assert "GiB of memory" in out


def test_a_tenant_sees_its_own_names_only(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["explain", "reranker", "--check-order"], ["fairshare"]):
        for form in ("text", "json"):
            run([*arguments, "--snapshot", SNAPSHOT, "--as-tenant", "search", "-o", form])
            out, err = capsys.readouterr()
            for name in ("language", "vision", "pretrain", "detector", "eval"):
                assert name not in out.lower().replace("evaluat", "")
                assert name not in err
            assert "other-" in out
            assert "search" in out


def test_another_tenants_job_does_not_exist_for_a_tenant(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "detector", "--snapshot", SNAPSHOT, "--as-tenant", "search"]) == 4
    err = capsys.readouterr().err
    assert "there is no job 'detector' of search; there are search-train/reranker" in err
    assert "vision" not in err


def test_json_holds_rules_facts_and_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "reranker", "--snapshot", SNAPSHOT, "-o", "json"]) == 2
    body = json.loads(capsys.readouterr().out)
    assert body["formatVersion"] == "1.0"
    assert (body["pool"], body["time"], body["standing"], body["settled"]) == (
        "training",
        "2026-03-10T09:59:41Z",
        "waits",
        False,
    )
    assert [item["rule"] for item in body["reasons"]] == ["room", "no-place-after-eviction"]
    assert body["reasons"][0]["facts"]["asked"] == 6
    assert [(item["kind"], item["who"], item["now"]) for item in body["advice"]] == [
        ("smaller-pods", "owner", False),
        ("more-nodes", "platform", True),
        ("ends", "nobody", True),
        ("ends", "nobody", True),
    ]
    assert body["queues"][1]["gpu"]["starved"] == 6
    assert body["order"] is None

    assert run(["fairshare", "--snapshot", SNAPSHOT, "-o", "json"]) == 2
    body = json.loads(capsys.readouterr().out)
    queues = {item["name"]: item for item in body["pools"][0]["queues"]}
    assert body["starving"] is True
    assert queues["language-training"]["gpu"]["borrowed"] == 2
    assert queues["language-training"]["parent"] == "research-training-dept"
    assert queues["research-training-dept"]["gpu"]["limit"] == -1


def test_the_same_snapshot_gives_the_same_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for _ in range(2):
        run(["explain", "reranker", "--snapshot", SNAPSHOT, "-o", "json"])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_formats_go_to_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out" / "report.json"
    assert run(["explain", "reranker", "--snapshot", SNAPSHOT, "-o", f"json={file}", "-o", "text"]) == 2
    assert json.loads(file.read_text())["standing"] == "waits"
    assert capsys.readouterr().out == WAITS


def test_what_depends_on_order_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    run(["explain", "reranker", "--snapshot", SNAPSHOT, "--check-order"])
    assert capsys.readouterr().out.endswith("\nno decision depends on an order that the scheduler leaves open\n")


def test_another_moment_may_be_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    run(["explain", "reranker", "--snapshot", SNAPSHOT, "--at", "2026-03-10T11:31:00Z"])
    assert "submitted 2 h ago" in capsys.readouterr().out


def test_trials_can_be_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    run(["explain", "reranker", "--snapshot", SNAPSHOT, "--trials", "0"])
    out = capsys.readouterr().out
    assert "what would help" not in out
    assert "nothing was tried that would help\n  not tried to the end, --trials allows more: the other" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["explain", "reranker"], "a snapshot of one with --snapshot PATH", id="no cluster"),
        pytest.param(["explain", "rerankr", "--snapshot", SNAPSHOT], "did you mean 'reranker'?", id="no such job"),
        pytest.param(
            ["explain", "reranker", "--snapshot", SNAPSHOT, "--pool", "serving"],
            "there is no node pool 'serving'; there are training",
            id="no such pool",
        ),
        pytest.param(["fairshare", "--snapshot", "/nowhere"], "/nowhere: no such file or folder", id="no such folder"),
        pytest.param(
            ["fairshare", "--snapshot", SNAPSHOT, "--as-tenant", "nobody"],
            "no queue of the cluster belongs to 'nobody'",
            id="no such tenant",
        ),
        pytest.param(
            ["fairshare", "--snapshot", SNAPSHOT, "--at", "noon"],
            "'noon' is no moment of a snapshot; expected one in UTC",
            id="no time",
        ),
    ],
)
def test_what_cannot_be_answered_is_said(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 4
    assert message in capsys.readouterr().err


QUEUES = """\
apiVersion: scheduling.run.ai/v2
kind: Queue
metadata: {name: a}
spec: {parentQueue: b, resources: {gpu: {quota: 4, limit: -3, overQuotaWeight: 1}}}
---
apiVersion: scheduling.run.ai/v2
kind: Queue
metadata: {name: b}
spec: {parentQueue: a, resources: {gpu: {quota: 4, limit: -1, overQuotaWeight: 1}}}
---
apiVersion: v1
kind: Node
metadata: {name: n}
status: {allocatable: {nvidia.com/gpu: "8", pods: "10"}}
"""
LIKELY = """\
apiVersion: scheduling.run.ai/v2
kind: Queue
metadata: {name: top}
spec: {resources: {gpu: {quota: 4, limit: 2, overQuotaWeight: 1}, cpu: {limit: -1}, memory: {limit: -1}}}
---
apiVersion: scheduling.run.ai/v2
kind: Queue
metadata: {name: low}
spec: {parentQueue: top, resources: {gpu: {quota: 8, limit: -1}, cpu: {limit: -1}, memory: {limit: -1}}}
---
apiVersion: scheduling.run.ai/v2alpha2
kind: PodGroup
metadata: {name: pg, namespace: ns}
spec: {minMember: 2, queue: low}
---
apiVersion: v1
kind: Pod
metadata: {name: p0, namespace: ns, annotations: {pod-group-name: pg}}
spec: {schedulerName: kai-scheduler, containers: [{name: c, resources: {limits: {nvidia.com/gpu: "8"}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: p1, namespace: ns, annotations: {pod-group-name: pg}}
spec: {schedulerName: kai-scheduler, containers: [{name: c, resources: {limits: {nvidia.com/gpu: "8"}}}]}
---
apiVersion: v1
kind: Node
metadata: {name: n}
status: {allocatable: {nvidia.com/gpu: "8", pods: "10"}}
"""


def test_problems_of_a_snapshot_come_together_with_their_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cluster.yaml").write_text(QUEUES)
    assert run(["fairshare", "--snapshot", str(tmp_path)]) == 4
    err = capsys.readouterr().err
    assert f"error: {tmp_path}/cluster.yaml:4:21: Queue a: spec.parentQueue\n" in err
    assert "    the queue is its own ancestor: a -> b -> a\n" in err
    assert f"error: {tmp_path}/cluster.yaml:4:59: Queue a: spec.resources.gpu.limit\n" in err
    assert "    expected -1 for unlimited, or 0 and more; found '-3'\n" in err
    assert err.endswith("3 problems; nothing can be said about the cluster\n")


@pytest.mark.parametrize("arguments", [["fairshare"], ["explain", "pg"]])
def test_absurd_quotas_break_no_line(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 2^63 - 1 is what people write who mean "all".
    (tmp_path / "cluster.yaml").write_text(
        LIKELY.replace("quota: 8, limit: -1", "quota: 9223372036854775807, limit: 1e+24")
    )
    assert run([*arguments, "--snapshot", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert "9.22e+18  1e+24" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "the queues below have 9.22337e+18 of gpu, this one 4" in err


def test_a_zip_that_was_cut_off_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "snapshot.zip"
    path.write_bytes(b"PK\x03\x04 and no more")
    assert run(["explain", "pg", "--snapshot", str(path)]) == 4
    assert capsys.readouterr().err == (
        f"error: {path} cannot be read as a zip: it is cut off or damaged; "
        "fetch /get-snapshot again, or give manifests\n"
    )


def test_findings_come_with_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cluster.yaml").write_text(LIKELY)
    assert run(["explain", "pg", "--snapshot", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "limit 2 of gpu is below quota 4" in err
    assert "the queues below have 8 of gpu, this one 4" in err
    assert "the pods that must start together ask for 16 GPUs, and all nodes of pool default have 8 GPUs" in err
    run(["explain", "pg", "--snapshot", str(tmp_path), "-o", "json"])
    rules = {item["rule"] for item in json.loads(capsys.readouterr().out)["findings"]}
    assert {"LINT-KAI-BELOW-QUOTA", "LINT-KAI-SUM", "SNAP-TOO-LARGE"} <= rules


def test_a_long_list_of_findings_is_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    groups = "".join(
        f"---\napiVersion: scheduling.run.ai/v2alpha2\nkind: PodGroup\n"
        f"metadata: {{name: pg-{number}, namespace: ns}}\nspec: {{queue: gone}}\n"
        for number in range(20)
    )
    (tmp_path / "cluster.yaml").write_text(LIKELY + groups)
    run(["fairshare", "--snapshot", str(tmp_path)])
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 13
    assert err[-1].startswith("note: 11 more findings")
    assert all(": error: " in line for line in err[:12])
