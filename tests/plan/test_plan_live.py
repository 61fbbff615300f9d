"""What a change meets: pods on nodes that drain, what is in namespaces that go, what is in use of what is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from plan_changes import GONE, write

from tenantry.app.plan import PlanQuestion, plan_folders
from tenantry.cli.main import run
from tenantry.errors import InputError, SnapshotError
from tenantry.plan import Plan

POOLS = {"gpu-01": "training", "gpu-02": "training", "gpu-07": "serving", "dev-01": "development"}


def node(name: str) -> dict[str, Any]:
    labels = {"tenantry.dev/pool": POOLS[name]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def pod(namespace: str, name: str, on: str, owner: str = "Job train", phase: str = "Running", **asked: int) -> Any:
    kind, _, controller = owner.partition(" ")
    owners = [{"kind": kind, "name": controller, "controller": True}] if owner else []
    resources = {f"nvidia.com/{key.replace('_', '-').replace('0D', '.')}": str(number) for key, number in asked.items()}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "ownerReferences": owners, "labels": {"app": name}},
        "spec": {"nodeName": on, "containers": [{"resources": {"limits": {"cpu": "1", **resources}}}]},
        "status": {"phase": phase},
    }


def claim(namespace: str, name: str) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}


def budget(namespace: str, app: str, allowed: int) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"namespace": namespace, "name": f"keep-{app}"},
        "spec": {"selector": {"matchLabels": {"app": app}}},
        "status": {"disruptionsAllowed": allowed},
    }


CLUSTER = (
    *map(node, POOLS),
    pod("vision-train", "a-0", "gpu-01", gpu=8),
    pod("vision-train", "a-1", "gpu-02", gpu=8),
    pod("language", "b", "gpu-01", owner="", gpu=2),
    pod("language", "done", "gpu-01", phase="Succeeded", gpu=4),
    pod("monitoring", "exporter", "gpu-01", owner="DaemonSet dcgm", gpu=1),
    pod("monitoring", "web", "gpu-01", owner="ReplicaSet web"),
    claim("vision-train", "data"),
    claim("vision-train", "more"),
    budget("monitoring", "web", 0),
    budget("vision-train", "a-0", 1),
)


def snapshot(folder: Path, *objects: Any) -> Path:
    place = folder / "cluster.json"
    place.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}), "utf-8")
    return place


def planned(folder: Path, edits: dict[str, Any], *objects: Any) -> Plan:
    old, new = write("dell", folder / "old"), write("dell", folder / "new", edits)
    question = PlanQuestion(verify=False, fit=False, snapshot=snapshot(folder, *(objects or CLUSTER)))
    return plan_folders(old, new, "", question)


def details(plan: Plan, rule: str, pool: str = "training") -> list[tuple[str, ...]]:
    return [effect.details for effect in plan.effects if effect.rule == rule and pool in (*effect.pools, "")]


def test_a_driver_reload_names_the_pods_that_hold_gpus(tmp_path: Path) -> None:
    made = planned(tmp_path, {"Platform spec.driver.version": "580.126.20"})
    (found,) = details(made, "EFFECT-DRIVER-RELOAD")
    assert found == (
        "now: the snapshot has 2 nodes of this pool",
        "on them now: language 1 pod (2 nvidia.com/gpu; b), vision 2 pods (16 nvidia.com/gpu; train)",
        "without a controller, so that the drain stops at it: language/b",
    )
    (short,) = details(made, "EFFECT-ROLLOUT-SHORTFALL")
    # 6 nodes of 8 GPUs, one out at a time: 40 are left, of which 8 + 8 + 2 are in use.
    assert short == ("in use now: 18 nvidia.com/gpu",)
    (other,) = details(made, "EFFECT-DRIVER-RELOAD", "development")
    assert "on them now: no pod" in other


def test_a_drain_names_every_pod_and_what_holds_it_up(tmp_path: Path) -> None:
    made = planned(tmp_path, {"Platform spec.fabrics[roce].vfsPerRail": 6})
    (found,) = details(made, "EFFECT-VF-RESET")
    assert any("others 1 pod (web)" in line for line in found)
    assert "PodDisruptionBudget monitoring/keep-web allows no disruption: the drain waits for it" in found
    assert not any("keep-a-0" in line or "dcgm" in line for line in found)


def test_a_tenant_that_goes_takes_what_is_there(tmp_path: Path) -> None:
    made = planned(tmp_path, {"Tenant/vision": GONE})
    (tenant,) = details(made, "EFFECT-TENANT-REMOVED")
    assert tenant == ("now: vision 2 pods (16 nvidia.com/gpu; train)",)
    spaces = [effect.details for effect in made.effects if effect.rule == "EFFECT-NAMESPACE-REMOVED"]
    assert ("in vision-train now: 2 pods, 2 volume claims",) in spaces


def test_what_is_taken_is_held_against_what_is_in_use(tmp_path: Path) -> None:
    made = planned(tmp_path, {"Tenant/vision spec.quotas[training].guaranteed": 8})
    assert details(made, "EFFECT-GUARANTEE") == [("in use now: 16 nvidia.com/gpu, 8 more than is left",)]
    made = planned(tmp_path / "more", {"Tenant/vision spec.quotas[training].limit": 40})
    assert details(made, "EFFECT-LIMIT") == [()]


def test_a_name_that_disappears_names_who_asks_for_it(tmp_path: Path) -> None:
    edits = {
        "Platform spec.nodePools[development].sharing": {"mode": "whole"},
        "Tenant/sandbox spec.quotas[development].guaranteed": 4,
        "Tenant/sandbox spec.quotas[development].limit": 8,
    }
    asking = pod("sandbox", "s", "dev-01", owner="StatefulSet nb", gpu0Dshared=2)
    made = planned(tmp_path, edits, *CLUSTER, asking)
    found = [effect.details for effect in made.effects if effect.subject == "nvidia.com/gpu.shared"]
    assert found == [("asking for it now: sandbox 1 pod (2 nvidia.com/gpu.shared; nb)",)]


def test_a_snapshot_never_adds_or_takes_an_effect(tmp_path: Path) -> None:
    edits = {"Platform spec.driver.version": "580.126.20", "Tenant/vision": GONE}
    old, new = write("dell", tmp_path / "a"), write("dell", tmp_path / "b", edits)
    bare = plan_folders(old, new, "", PlanQuestion(verify=False, fit=False))
    made = planned(tmp_path, edits)
    assert [item.message for item in made.effects] == [item.message for item in bare.effects]
    assert made.summary == bare.summary


def test_what_is_no_snapshot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no Node; a snapshot is what this prints"):
        planned(tmp_path, {"Tenant/vision": GONE}, claim("a", "b"))
    (tmp_path / "x").mkdir()
    with pytest.raises(InputError, match="no such file"):
        plan_folders(tmp_path / "old", tmp_path / "new", "", PlanQuestion(verify=False, snapshot=tmp_path / "gone"))
    (tmp_path / "x" / "bad.yaml").write_text("a: [", "utf-8")
    with pytest.raises(SnapshotError):
        plan_folders(tmp_path / "old", tmp_path / "new", "", PlanQuestion(verify=False, snapshot=tmp_path / "x"))


def test_odd_objects_of_a_cluster_are_read_for_what_they_say(tmp_path: Path) -> None:
    odd = pod("vision-train", "odd", "gpu-01", gpu=1)
    odd["metadata"].update(labels=None, ownerReferences=None, annotations=None)
    odd["spec"]["containers"] = [{"resources": None}, {"resources": {"requests": {"nvidia.com/gpu": "many"}}}, {}]
    share = pod("vision-train", "share", "gpu-02", owner="")
    share["metadata"]["annotations"] = {"gpu-fraction": "0.5"}
    loose = budget("vision-train", "x", 0)
    loose["spec"] = {}
    made = planned(tmp_path, {"Platform spec.driver.version": "580.126.20"}, *map(node, POOLS), odd, share, loose)
    (found,) = details(made, "EFFECT-DRIVER-RELOAD")
    assert "on them now: vision 1 pod (share)" in found


def test_the_command_shows_it_and_a_saved_plan_remembers_the_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write("dell", tmp_path / "old")
    write("dell", tmp_path / "new", {"Platform spec.driver.version": "580.126.20"})
    place = snapshot(tmp_path, *CLUSTER)
    words = ["plan", "old", "new", "--no-verify", "--snapshot", "cluster.json", "--out", "plan.json", "-o", "md"]
    assert run(words) == 3
    # A cell of the comment has the lines behind each other.
    assert "<br>on them now: language 1 pod (2 nvidia.com/gpu; b), vision 2 pods" in capsys.readouterr().out
    assert run(["plan", "show", "plan.json", "--check"]) == 3
    place.write_text(place.read_text("utf-8").replace("Running", "Pending"), "utf-8")
    capsys.readouterr()
    assert run(["plan", "show", "plan.json"]) == 4
    assert "the snapshot cluster.json was changed" in capsys.readouterr().err
