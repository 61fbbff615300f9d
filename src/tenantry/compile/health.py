"""Health checks in Lua for kinds that Argo CD does not know.

A kind without a health check counts as healthy the moment it exists, so waves would order nothing. Each check is a
function body in Lua 5.1 that returns ``{status, message}``; Argo CD offers the object as ``obj``. Kinds whose objects
carry no status (queues, flavors, SR-IOV node network policies, IP pools) are left out: there is nothing to read.

Sources: NVIDIA gpu-operator ``internal/conditions``, network-operator ``api/v1alpha1``, sriov-network-operator
``api/v1``, Kueue ``apis``, opendatahub-operator, machine-config-operator; Argo CD ``docs/operator-manual/health.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

_CONDITIONS = """
local function condition(name)
  if obj.status ~= nil and obj.status.conditions ~= nil then
    for _, c in ipairs(obj.status.conditions) do
      if c.type == name then return c end
    end
  end
  return nil
end
local function text(c)
  if c == nil then return "" end
  return (c.reason or "") .. ": " .. (c.message or "")
end
"""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """The health of one kind.

    Attributes:
        group: API group.
        kind: kind.
        lua: Lua 5.1 source returning a table with ``status`` and ``message``.
    """

    group: str
    kind: str
    lua: str


def _state(ready: str, failed: str, reasons: str = "") -> str:
    """Health from ``status.state``; ``reasons`` are reasons of Ready that mean nothing was done."""
    guard = ""
    if reasons:
        guard = f"""
  local ready = condition("Ready")
  if ready ~= nil and string.find("{reasons}", "|" .. (ready.reason or "") .. "|", 1, true) then
    return {{status = "Degraded", message = text(ready)}}
  end"""
    return f"""{_CONDITIONS}
local state = obj.status ~= nil and obj.status.state or nil
if state == "{ready}" then{guard}
  return {{status = "Healthy", message = "ready"}}
end
if state ~= nil and string.find("{failed}", "|" .. state .. "|", 1, true) then
  return {{status = "Degraded", message = state .. " " .. text(condition("Error") or condition("Ready"))}}
end
local failure = condition("Error")
if failure ~= nil and failure.status == "True" then
  return {{status = "Degraded", message = text(failure)}}
end
return {{status = "Progressing", message = "state is " .. (state or "not reported yet")}}
"""


def _condition(good: str, *, bad: str = "", absent: str = "Progressing", negative: str = "Progressing") -> str:
    """Health from conditions: ``good`` True is healthy, ``bad`` True is degraded, else ``negative``."""
    worse = ""
    if bad:
        worse = f"""
for name in string.gmatch("{bad}", "[^|]+") do
  local c = condition(name)
  if c ~= nil and c.status == "True" then
    return {{status = "Degraded", message = name .. " " .. text(c)}}
  end
end"""
    return f"""{_CONDITIONS}{worse}
local good = condition("{good}")
if good == nil then
  return {{status = "{absent}", message = "{good} is not reported yet"}}
end
if good.status == "True" then
  return {{status = "Healthy", message = text(good)}}
end
if good.status == "False" then
  return {{status = "{negative}", message = text(good)}}
end
return {{status = "Progressing", message = text(good)}}
"""


# Health alone forgets hooks: a sync that still waits for a Job, or has failed, is not a wave that is done.
_APPLICATION = """
local operation = obj.status ~= nil and obj.status.operationState or nil
if operation ~= nil and (operation.phase == "Failed" or operation.phase == "Error") then
  return {status = "Degraded", message = "sync failed: " .. (operation.message or "")}
end
if operation ~= nil and operation.phase == "Running" then
  return {status = "Progressing", message = operation.message or "syncing"}
end
if obj.status ~= nil and obj.status.health ~= nil and obj.status.health.status ~= nil then
  return {status = obj.status.health.status, message = obj.status.health.message or ""}
end
return {status = "Progressing", message = "health is not reported yet"}
"""

_INSTALL_PLAN = """
local phase = obj.status ~= nil and obj.status.phase or ""
if phase == "Complete" then return {status = "Healthy", message = phase} end
if phase == "Failed" then return {status = "Degraded", message = phase} end
if phase == "RequiresApproval" then return {status = "Suspended", message = "waits for approval"} end
return {status = "Progressing", message = phase}
"""

_NODE_STATE = """
local state = obj.status ~= nil and obj.status.syncStatus or ""
if state == "Succeeded" then return {status = "Healthy", message = state} end
if state == "Failed" then return {status = "Degraded", message = obj.status.lastSyncError or state} end
return {status = "Progressing", message = state}
"""

HEALTH_CHECKS: tuple[HealthCheck, ...] = (
    HealthCheck("argoproj.io", "Application", _APPLICATION),
    HealthCheck("operators.coreos.com", "InstallPlan", _INSTALL_PLAN),
    # A policy without GPU nodes or without node features reports Ready=True although nothing runs.
    HealthCheck("nvidia.com", "ClusterPolicy", _state("ready", "|ignored|", "|NFDLabelsMissing|NoGPUNodes|")),
    HealthCheck("nvidia.com", "NVIDIADriver", _state("ready", "|ignored|", "|ConflictingNodeSelector|")),
    HealthCheck("mellanox.com", "NicClusterPolicy", _state("ready", "|error|ignore|")),
    HealthCheck("mellanox.com", "NicNodePolicy", _state("ready", "|error|ignore|")),
    HealthCheck("sriovnetwork.openshift.io", "SriovNetworkNodeState", _NODE_STATE),
    HealthCheck(
        "sriovnetwork.openshift.io", "SriovNetwork", _condition("Ready", absent="Healthy", negative="Degraded")
    ),
    HealthCheck(
        "sriovnetwork.openshift.io", "SriovIBNetwork", _condition("Ready", absent="Healthy", negative="Degraded")
    ),
    HealthCheck(
        "sriovnetwork.openshift.io", "SriovOperatorConfig", _condition("Ready", absent="Healthy", negative="Degraded")
    ),
    HealthCheck("nfd.openshift.io", "NodeFeatureDiscovery", _condition("Available", bad="Degraded")),
    HealthCheck("machineconfiguration.openshift.io", "MachineConfigPool", _condition("Updated", bad="Degraded")),
    HealthCheck("machineconfiguration.openshift.io", "KubeletConfig", _condition("Success", bad="Failure")),
    HealthCheck("dscinitialization.opendatahub.io", "DSCInitialization", _condition("Available", bad="Degraded")),
    HealthCheck("datasciencecluster.opendatahub.io", "DataScienceCluster", _condition("Ready")),
    HealthCheck("kueue.openshift.io", "Kueue", _condition("Available", bad="Degraded")),
    HealthCheck("kueue.x-k8s.io", "ClusterQueue", _condition("Active", negative="Degraded")),
    HealthCheck("kueue.x-k8s.io", "LocalQueue", _condition("Active", negative="Degraded")),
    HealthCheck("kai.scheduler", "Config", _condition("Available", bad="Degraded", absent="Progressing")),
    HealthCheck("kai.scheduler", "SchedulingShard", _condition("Available", bad="Degraded", absent="Healthy")),
    HealthCheck("policy.networking.k8s.io", "AdminNetworkPolicy", _condition("Ready", absent="Healthy")),
)
