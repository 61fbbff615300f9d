"""Run the approval script as the cluster does, with an ``oc`` that serves prepared answers and records calls."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tenantry.compile.olm import APPROVE_SCRIPT

# Serves answers from files and approves by moving the plan's operators to Succeeded on the next look.
FAKE_OC = """#!/bin/sh
set -eu
folder=$(dirname "$0")
echo "$*" >>"$folder/calls"
case "$1 $2" in
  "get installplans") cat "$folder/plans" ;;
  "get clusterserviceversions") cat "$folder/states" ;;
  "patch installplan")
    [ ! -e "$folder/refuse" ] || { echo "forbidden" >&2; exit 1; }
    if [ -e "$folder/after" ]; then cp "$folder/after" "$folder/states"; : >"$folder/plans"; fi
    ;;
  *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""

GPU = "gpu-operator-certified.v26.7.0"
PLAN = f"install-a {GPU}\n"


@dataclass
class Run:
    code: int
    out: str
    err: str
    calls: list[str]

    @property
    def approved(self) -> list[str]:
        return [call.split()[2] for call in self.calls if call.startswith("patch installplan")]


@pytest.fixture(params=[name for name in ("sh", "dash", "bash") if shutil.which(name)])
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def approve(
    folder: Path, shell: str, *, listed: str, plans: str = "", states: str = "", after: str = "", refuse: bool = False
) -> Run:
    for name, text in (
        ("plans", plans),
        ("states", states),
        ("calls", ""),
        ("csvs", listed),
        ("script", APPROVE_SCRIPT),
    ):
        (folder / name).write_text(text)
    if after:
        (folder / "after").write_text(after)
    if refuse:
        (folder / "refuse").touch()
    fake = folder / "oc"
    fake.write_text(FAKE_OC)
    fake.chmod(0o755)
    environment = {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "NAMESPACE": "nvidia-gpu-operator",
        "APPROVED_LIST": str(folder / "csvs"),
        "TIMEOUT_SECONDS": "0",
        "INTERVAL_SECONDS": "0",
    }
    done = subprocess.run(
        [shell, str(folder / "script")],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr, (folder / "calls").read_text().splitlines())


def test_a_listed_version_is_approved_and_waited_for(tmp_path: Path, shell: str) -> None:
    run = approve(tmp_path, shell, listed=f"{GPU}\n", plans=PLAN, after=f"{GPU} Succeeded\n")
    assert (run.code, run.err) == (0, "")
    assert run.approved == ["install-a"]
    patch = next(call for call in run.calls if call.startswith("patch"))
    assert patch.endswith('-n nvidia-gpu-operator --type merge -p {"spec":{"approved":true}}')


def test_nothing_is_done_when_everything_runs(tmp_path: Path, shell: str) -> None:
    run = approve(tmp_path, shell, listed=f"{GPU}\n", states=f"{GPU} Succeeded\n")
    assert run.code == 0
    assert run.approved == []


def test_a_newer_version_stays_pending_beside_the_one_that_runs(tmp_path: Path, shell: str) -> None:
    newer = "gpu-operator-certified.v26.7.1"
    run = approve(tmp_path, shell, listed=f"{GPU}\n", plans=f"install-b {newer}\n", states=f"{GPU} Succeeded\n")
    assert run.code == 0
    assert run.approved == []
    assert f"install-b stays unapproved; not in the approved list: {newer}" in run.out


def test_a_plan_that_brings_a_stranger_along_is_not_approved(tmp_path: Path, shell: str) -> None:
    run = approve(tmp_path, shell, listed=f"{GPU}\n", plans=f"install-c {GPU} stranger.v1.0.0\n")
    assert run.approved == []
    assert run.code == 1
    assert "stranger.v1.0.0" in run.out


def test_a_plan_of_two_listed_operators_is_approved(tmp_path: Path, shell: str) -> None:
    both = f"{GPU} Succeeded\nother.v1.0.0 Succeeded\n"
    run = approve(tmp_path, shell, listed=f"{GPU}\nother.v1.0.0\n", plans=f"install-d {GPU} other.v1.0.0\n", after=both)
    assert (run.code, run.approved) == (0, ["install-d"])


def test_a_plan_that_names_nothing_is_not_approved(tmp_path: Path, shell: str) -> None:
    run = approve(tmp_path, shell, listed=f"{GPU}\n", plans="install-e \n")
    assert (run.code, run.approved) == (1, [])


def test_of_several_plans_only_the_listed_one_is_approved(tmp_path: Path, shell: str) -> None:
    plans = f"install-old gpu-operator-certified.v26.3.3\ninstall-a {GPU}\ninstall-new gpu-operator-certified.v27.1.0\n"
    run = approve(tmp_path, shell, listed=f"{GPU}\n", plans=plans, after=f"{GPU} Succeeded\n")
    assert run.approved == ["install-a"]


def test_an_operator_that_never_runs_fails_loudly(tmp_path: Path, shell: str) -> None:
    run = approve(tmp_path, shell, listed=f"{GPU}\n", plans=PLAN, after=f"{GPU} Failed\n")
    assert run.code == 1
    assert f"not running in time: {GPU}" in run.err
    assert f"{GPU} Failed" in run.err


def test_one_of_two_running_is_not_enough(tmp_path: Path, shell: str) -> None:
    run = approve(
        tmp_path, shell, listed=f"{GPU}\nother.v1.0.0\n", states=f"{GPU} Succeeded\nother.v1.0.0 Installing\n"
    )
    assert run.code == 1
    assert "not running in time: other.v1.0.0" in run.err


def test_a_refused_approval_fails_the_job(tmp_path: Path, shell: str) -> None:
    run = approve(tmp_path, shell, listed=f"{GPU}\n", plans=PLAN, refuse=True)
    assert run.code != 0
    assert "forbidden" in run.err


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        pytest.param("nfd.4.20.0-202511051234", True, id="build of the release"),
        pytest.param("nfd.v4.20.3-202601010000", True, id="other spelling"),
        pytest.param("nfd.4.21.0-202602020000", False, id="next release"),
        pytest.param("nfd.4.2.0-202602020000", False, id="release that only begins alike"),
        pytest.param("nfdx.4.20.0-1", False, id="another package"),
    ],
)
def test_any_build_of_the_own_release_is_accepted_where_builds_are_stamped(
    tmp_path: Path, shell: str, name: str, accepted: bool
) -> None:
    listed = "nfd.4.20.* nfd.v4.20.*\n"
    run = approve(tmp_path, shell, listed=listed, plans=f"install-f {name}\n", after=f"{name} Succeeded\n")
    assert run.approved == (["install-f"] if accepted else [])
    assert run.code == (0 if accepted else 1)


def test_names_are_never_expanded_to_files(tmp_path: Path, shell: str) -> None:
    (tmp_path / "nfd.4.20.file").touch()
    run = approve(tmp_path, shell, listed="nfd.4.20.*\n", plans="install-g *\n")
    assert run.approved == []
    assert "approved list: *" in run.out


def test_the_last_line_counts_without_a_newline(tmp_path: Path, shell: str) -> None:
    run = approve(tmp_path, shell, listed=GPU, plans=PLAN, after=f"{GPU} Succeeded\n")
    assert (run.code, run.approved) == (0, ["install-a"])


def test_without_a_namespace_nothing_is_touched(tmp_path: Path, shell: str) -> None:
    (tmp_path / "csvs").write_text(f"{GPU}\n")
    (tmp_path / "script").write_text(APPROVE_SCRIPT)
    environment = {"PATH": os.environ["PATH"], "APPROVED_LIST": str(tmp_path / "csvs")}
    done = subprocess.run(
        [shell, str(tmp_path / "script")], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
