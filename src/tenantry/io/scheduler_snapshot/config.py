"""How scheduler instances are set up: a shard, the configuration its operator makes of it, or what an instance served.

Source: pkg/apis/kai/v1/schedulingshard_types.go, pkg/operator/operands/scheduler, pkg/scheduler/conf and
cmd/scheduler/app/options/options.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tenantry.errors import InputError
from tenantry.io.yaml_read import load_documents
from tenantry.model.pool_snapshot import SchedulerConfig
from tenantry.model.reading import at, items, mapping, string_map, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.io.scheduler_snapshot.fields import Fields

SCHEDULER: Final = "kai-scheduler"
FILE: Final = "config.yaml"

_PLUGINS: Final = {
    "predicates": 1900,
    "proportion": 1800,
    "priority": 1700,
    "nodeavailability": 1600,
    "resourcetype": 1500,
    "podaffinity": 1400,
    "elastic": 1300,
    "kubeflow": 1200,
    "ray": 1100,
    "subgrouporder": 1000,
    "taskorder": 900,
    "nominatednode": 800,
    "dynamicresources": 700,
    "minruntime": 600,
    "topology": 500,
    "snapshot": 400,
    "sg-nodelocalgreedy": 360,
    "sg-multinodegang": 350,
    "gpupack": 300,
    "gpuspread": 300,
    "nodeplacement": 200,
    "gpusharingorder": 100,
}
"""Plugins that are on unless told otherwise, with their rank."""

_ACTIONS: Final = {"allocate": 500, "consolidation": 400, "reclaim": 300, "preempt": 200, "stalegangeviction": 100}
"""Actions that are on unless told otherwise; those of larger rank run first."""

_SPREAD: Final = "spread"
_PARAMETERS: Final = {
    "schedulerName": "scheduler-name",
    "restrictSchedulingNodes": "restrict-node-scheduling",
    "maxNumberConsolidationPreemptees": "max-consolidation-preemptees",
    "scheduleCSIStorage": "schedule-csi-storage",
    "useSchedulingSignatures": "use-scheduling-signatures",
    "fullHierarchyFairness": "full-hierarchy-fairness",
    "allowConsolidatingReclaim": "allow-consolidating-reclaim",
    "globalDefaultStalenessGracePeriod": "default-staleness-grace-period",
    "schedulePeriod": "schedule-period",
    "stuckInReleasingThreshold": "stuck-in-releasing-threshold",
}
"""Options of the command line by the names an instance serves them under."""
_TRUTHS: Final = frozenset((
    "restrictSchedulingNodes", "scheduleCSIStorage", "useSchedulingSignatures", "fullHierarchyFairness",
    "allowConsolidatingReclaim",
))  # fmt: skip
_LENGTHS: Final = frozenset({"globalDefaultStalenessGracePeriod", "schedulePeriod", "stuckInReleasingThreshold"})


def shard_config(shard: Fields) -> SchedulerConfig:
    """Return what the operator makes of a shard."""
    placement = mapping(shard.body, "spec", "placementStrategy")
    gpu, cpu = (str(placement.get(name) or "binpack") for name in ("gpu", "cpu"))
    plugins = _ranked(_PLUGINS, mapping(shard.body, "spec", "plugins"), {"gpupack": gpu != _SPREAD,
        "gpusharingorder": gpu != _SPREAD, "gpuspread": gpu == _SPREAD})  # fmt: skip
    arguments: dict[str, dict[str, str]] = {"nodeplacement": {"gpu": gpu, "cpu": cpu}}
    value = shard.number("spec", "kValue")
    if value is not None:
        arguments["proportion"] = {"kValue": f"{value:g}"}
    runtimes = string_map(shard.body, "spec", "minRuntime")
    names = {"preemptMinRuntime": "defaultPreemptMinRuntime", "reclaimMinRuntime": "defaultReclaimMinRuntime"}
    arguments["minruntime"] = {names[key]: written for key, written in runtimes.items() if key in names}
    for name, override in mapping(shard.body, "spec", "plugins").items():
        if isinstance(at(override, "arguments"), dict):
            arguments[name] = string_map(override, "arguments")
    spread = _SPREAD in {gpu, cpu}
    return SchedulerConfig(
        actions=tuple(_ranked(_ACTIONS, mapping(shard.body, "spec", "actions"), {"consolidation": not spread})),
        plugins={name: arguments.get(name, {}) for name in plugins},
        queue_depth=_numbers(mapping(shard.body, "spec", "queueDepthPerAction")),
        flags=string_map(shard.body, "spec", "args"),
        weighs_usage=shard.has("spec", "usageDBConfig"),
    )


def _ranked(ranks: Mapping[str, int], overrides: Mapping[Any, Any], on: Mapping[str, bool]) -> list[str]:
    """Names that are on, those of larger rank first."""
    chosen: dict[str, int] = {}
    for name in {*ranks, *map(str, overrides)}:
        override = overrides.get(name)
        enabled, rank = at(override, "enabled"), at(override, "priority")
        if enabled if isinstance(enabled, bool) else on.get(name, True):
            chosen[name] = rank if isinstance(rank, int) else ranks.get(name, 0)
    return sorted(chosen, key=lambda name: (-chosen[name], name))


def file_config(config: object, flags: Mapping[str, str]) -> SchedulerConfig:
    """Return what the configuration of an instance says."""
    actions = tuple(name.strip() for name in text(config, "actions").split(",") if name.strip())
    plugins = {
        text(plugin, "name"): string_map(plugin, "arguments")
        for tier in items(config, "tiers")
        for plugin in items(tier, "plugins")
    }
    return SchedulerConfig(
        actions=actions or None,
        plugins=plugins or None,
        queue_depth=_numbers(mapping(config, "queueDepthPerAction")),
        flags=flags,
        weighs_usage=at(config, "usageDBConfig") is not None,
    )


def map_config(config_map: Fields, flags: Mapping[str, str]) -> SchedulerConfig | None:
    """Return what a ConfigMap of an instance says; None when it holds no configuration that can be read."""
    written = text(config_map.body, "data", FILE)
    try:
        documents = load_documents(written)
    except InputError as error:
        config_map.wrong(("data", FILE), f"the scheduler's configuration cannot be read: {error}")
        return None
    body = documents[0].value if documents else None
    return file_config(body, flags) if isinstance(body, dict) else None


def served_config(served: Mapping[Any, Any]) -> SchedulerConfig:
    """Return how the instance that served a snapshot is set up. What is false or 0 is left out there."""
    parameters = mapping(dict(served), "schedulerParams")
    flags = {}
    for name, flag in _PARAMETERS.items():
        value = parameters.get(name)
        if name in _TRUTHS:
            flags[flag] = "true" if value is True else "false"
        elif name in _LENGTHS:
            flags[flag] = f"{value if isinstance(value, int) else 0}ns"
        elif value is not None:
            flags[flag] = str(value)
        elif name == "maxNumberConsolidationPreemptees":
            flags[flag] = "0"
    return file_config(served.get("config"), flags)


def partition(served: Mapping[Any, Any]) -> tuple[str, str]:
    """Label by which a serving instance picks its objects, and the value; both empty when it takes all."""
    parameters = mapping(dict(served), "schedulerParams", "partitionParams")
    return text(parameters, "NodePoolLabelKey"), text(parameters, "NodePoolLabelValue")


def _numbers(found: Mapping[Any, Any]) -> dict[str, int]:
    return {str(name): value for name, value in found.items() if isinstance(value, int) and not isinstance(value, bool)}
