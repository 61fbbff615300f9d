"""Health checks, run in Lua 5.1 as Argo CD runs them, on the status objects the operators write."""

from __future__ import annotations

from typing import Any

import pytest
from lupa.lua51 import LuaRuntime

from tenantry.compile.health import HEALTH_CHECKS

CHECKS = {(check.group, check.kind): check.lua for check in HEALTH_CHECKS}


def health(group: str, kind: str, status: dict[str, Any] | None) -> str:
    lua = LuaRuntime(unpack_returned_tuples=True)

    def table(value: Any) -> Any:
        if isinstance(value, dict):
            return lua.table_from({key: table(item) for key, item in value.items()})
        if isinstance(value, list):
            return lua.table_from([table(item) for item in value])
        return value

    obj: dict[str, Any] = {"kind": kind, "metadata": {"name": "x"}}
    if status is not None:
        obj["status"] = status
    function = lua.eval("function(obj)\n" + CHECKS[group, kind] + "\nend")
    result = function(table(obj))
    assert isinstance(result["message"], str)
    return str(result["status"])


def condition(name: str, status: str, reason: str = "R", message: str = "m") -> dict[str, str]:
    return {"type": name, "status": status, "reason": reason, "message": message}


def ready(status: str, reason: str = "R") -> dict[str, Any]:
    return {"conditions": [condition("Ready", status, reason)]}


CLUSTER_POLICY = ("nvidia.com", "ClusterPolicy")
TABLE: dict[str, tuple[tuple[str, str], dict[str, Any] | None, str]] = {
    "policy that reconciled": (CLUSTER_POLICY, {"state": "ready", **ready("True", "Reconciled")}, "Healthy"),
    "policy that is Ready because no node has features": (
        CLUSTER_POLICY, {"state": "ready", **ready("True", "NFDLabelsMissing")}, "Degraded"),
    "policy that is Ready because there is no GPU": (
        CLUSTER_POLICY, {"state": "ready", **ready("True", "NoGPUNodes")}, "Degraded"),
    "policy at work": (CLUSTER_POLICY, {"state": "notReady"}, "Progressing"),
    "second policy": (CLUSTER_POLICY, {"state": "ignored"}, "Degraded"),
    "policy that failed": (
        CLUSTER_POLICY,
        {"state": "notReady", "conditions": [condition("Error", "True", "ReconcileFailed")]}, "Degraded"),
    "policy without status": (CLUSTER_POLICY, None, "Progressing"),
    "driver ready": (("nvidia.com", "NVIDIADriver"), {"state": "ready", **ready("True", "Reconciled")}, "Healthy"),
    "network policy named otherwise": (("mellanox.com", "NicClusterPolicy"), {"state": "ignore"}, "Degraded"),
    "network policy ready": (("mellanox.com", "NicClusterPolicy"), {"state": "ready"}, "Healthy"),
    "network policy failed": (("mellanox.com", "NicClusterPolicy"), {"state": "error"}, "Degraded"),
    "functions made": (("sriovnetwork.openshift.io", "SriovNetworkNodeState"), {"syncStatus": "Succeeded"}, "Healthy"),
    "functions in the making": (
        ("sriovnetwork.openshift.io", "SriovNetworkNodeState"), {"syncStatus": "InProgress"}, "Progressing"),
    "functions failed": (
        ("sriovnetwork.openshift.io", "SriovNetworkNodeState"),
        {"syncStatus": "Failed", "lastSyncError": "numVfs"}, "Degraded"),
    "attachment of a missing namespace": (
        ("sriovnetwork.openshift.io", "SriovNetwork"), ready("False", "NamespaceNotFound"), "Degraded"),
    "attachment of an operator without conditions": (("sriovnetwork.openshift.io", "SriovNetwork"), None, "Healthy"),
    "child application healthy": (("argoproj.io", "Application"), {"health": {"status": "Healthy"}}, "Healthy"),
    "child application degraded": (("argoproj.io", "Application"), {"health": {"status": "Degraded"}}, "Degraded"),
    "child application that waits for a hook": (
        ("argoproj.io", "Application"),
        {"health": {"status": "Healthy"}, "operationState": {"phase": "Running"}}, "Progressing"),
    "child application whose sync failed": (
        ("argoproj.io", "Application"),
        {"health": {"status": "Healthy"}, "operationState": {"phase": "Failed", "message": "x"}}, "Degraded"),
    "child application synced": (
        ("argoproj.io", "Application"),
        {"health": {"status": "Healthy"}, "operationState": {"phase": "Succeeded"}}, "Healthy"),
    "child application new": (("argoproj.io", "Application"), None, "Progressing"),
    "install plan to approve": (("operators.coreos.com", "InstallPlan"), {"phase": "RequiresApproval"}, "Suspended"),
    "install plan done": (("operators.coreos.com", "InstallPlan"), {"phase": "Complete"}, "Healthy"),
    "install plan failed": (("operators.coreos.com", "InstallPlan"), {"phase": "Failed"}, "Degraded"),
    "queue active": (
        ("kueue.x-k8s.io", "ClusterQueue"), {"conditions": [condition("Active", "True")]}, "Healthy"),
    "queue without its flavor": (
        ("kueue.x-k8s.io", "ClusterQueue"),
        {"conditions": [condition("Active", "False", "FlavorNotFound")]}, "Degraded"),
    "machines updated": (
        ("machineconfiguration.openshift.io", "MachineConfigPool"),
        {"conditions": [condition("Updated", "True"), condition("Degraded", "False")]}, "Healthy"),
    "machines updating": (
        ("machineconfiguration.openshift.io", "MachineConfigPool"),
        {"conditions": [condition("Updated", "False"), condition("Updating", "True")]}, "Progressing"),
    "machines stuck": (
        ("machineconfiguration.openshift.io", "MachineConfigPool"),
        {"conditions": [condition("Updated", "False"), condition("Degraded", "True")]}, "Degraded"),
    "data science cluster ready": (
        ("datasciencecluster.opendatahub.io", "DataScienceCluster"), ready("True"), "Healthy"),
    "data science cluster with a removed component": (
        ("datasciencecluster.opendatahub.io", "DataScienceCluster"),
        {"conditions": [condition("Ready", "True"), condition("KueueReady", "False", "Removed")]}, "Healthy"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_health_is_what_the_status_says(name: str) -> None:
    (group, kind), status, expected = TABLE[name]

    assert health(group, kind, status) == expected


@pytest.mark.parametrize("key", CHECKS, ids="/".join)
@pytest.mark.parametrize(
    "status", [None, {}, {"conditions": []}, {"conditions": [{"type": "Ready"}]}], ids=["none", "empty", "no", "bare"]
)
def test_health_of_an_unfinished_object_is_an_answer(key: tuple[str, str], status: dict[str, Any] | None) -> None:
    """An operator writes its status bit by bit; a check must never fail half-way."""
    assert health(*key, status) in {"Healthy", "Progressing", "Degraded", "Suspended"}
