"""The testbed itself: it starts, several at once, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed import binaries, sandbox
from testbed.api import User
from testbed.control_plane import Cluster
from testbed.errors import TestbedError

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]

OWNER = """
import json, sys, time
from testbed.control_plane import Cluster
cluster = Cluster()
print(json.dumps({"folder": str(cluster.sandbox.folder), "pids": cluster.sandbox.pids()}), flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ended(pids: list[int], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


class TestCluster:
    def test_serves_the_pinned_version_with_the_controllers_at_work(self, cluster: Cluster) -> None:
        version = cluster.api.request("GET", "/version").expect()["gitVersion"]
        assert version == binaries.versions()["kube-apiserver"]
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
        cluster.api.create(made).expect()
        cluster.until("its account", lambda: cluster.api.get("v1", "ServiceAccount", "default", "team") is not None)
        cluster.api.delete(made).expect()
        cluster.until("its end", lambda: cluster.api.get("v1", "Namespace", "team") is None)

    def test_knows_callers_by_certificate_by_token_and_in_the_place_of_others(self, cluster: Cluster) -> None:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        with cluster.as_user("ada", "vision") as ada:
            said = ada.create(review).expect()["status"]["userInfo"]
        assert (said["username"], "vision" in said["groups"]) == ("ada", True)
        with cluster.with_token(cluster.api.token("default", "default")) as pod:
            said = pod.create(review).expect()["status"]["userInfo"]
        account = User.service_account("default", "default")
        assert (said["username"], set(account.groups) <= set(said["groups"])) == (account.name, True)
        said = cluster.api.create(review, user=account).expect()["status"]["userInfo"]
        assert (said["username"], set(said["groups"])) == (account.name, set(account.groups))

    def test_two_run_at_the_same_time_and_share_nothing(self, tools: binaries.Binaries) -> None:
        with Cluster() as one, Cluster() as other:
            one.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "only-here"}}).expect()
            assert other.api.get("v1", "Namespace", "only-here") is None
            folders = [one.sandbox.folder, other.sandbox.folder]
            pids = [*one.sandbox.pids().values(), *other.sandbox.pids().values()]
        assert not any(folder.exists() for folder in folders)
        assert not any(alive(pid) for pid in pids)

    def test_a_busy_port_is_named(self, tools: binaries.Binaries) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(TestbedError, match=f"port {port} of 127.0.0.1 cannot be used: Address already in use"):
                Cluster(port=port)

    def test_a_server_that_ends_is_named_with_its_last_words(self, cluster: Cluster) -> None:
        os.kill(cluster.sandbox.pids()["etcd"], signal.SIGKILL)
        with pytest.raises(TestbedError, match="etcd ended with -9"):
            cluster.until("anything", lambda: False, seconds=10)


class TestKilled:
    @pytest.mark.parametrize("after_s", [0.2, 1.0, 2.5], ids=lambda seconds: f"{seconds}s after its start")
    def test_a_start_that_is_killed_leaves_nothing_after_the_next(
        self, tools: binaries.Binaries, after_s: float
    ) -> None:
        before = set(sandbox._root().glob("cluster-*"))
        with subprocess.Popen([sys.executable, "-c", OWNER], cwd=ROOT, stdout=subprocess.DEVNULL) as owner:
            time.sleep(after_s)
            owner.kill()
        self.is_clean(before, [])

    def test_an_owner_that_is_killed_leaves_nothing_after_the_next_start(self, tools: binaries.Binaries) -> None:
        before = set(sandbox._root().glob("cluster-*"))
        with subprocess.Popen([sys.executable, "-c", OWNER], cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
            assert owner.stdout is not None
            told = json.loads(owner.stdout.readline())
            owner.kill()
        assert Path(told["folder"]).exists()
        self.is_clean(before, list(told["pids"].values()))
        assert not Path(told["folder"]).exists()

    def test_processes_whose_owner_is_gone_are_ended_by_the_next_start(self, tmp_path: Path) -> None:
        # As where the system has no signal at the death of a parent.
        folder = sandbox._root() / "cluster-left"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "owner.json").write_text(json.dumps({"pid": 1, "started": "-1"}), "utf-8")
        environment = {**os.environ, sandbox.MARK: str(folder)}
        with subprocess.Popen(["sleep", "600"], env=environment) as left:
            assert folder in sandbox.sweep()
            assert left.wait(10) == -signal.SIGKILL
        assert not folder.exists()

    @staticmethod
    def is_clean(before: set[Path], pids: list[int]) -> None:
        assert ended(pids)
        sandbox.sweep()
        # Those of tests that run at the same time come and go; none of the dead may be there.
        left = [folder for folder in set(sandbox._root().glob("cluster-*")) - before if not sandbox._owned(folder)]
        assert left == []
