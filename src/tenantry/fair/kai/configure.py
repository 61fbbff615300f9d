"""Turns the configuration of a scheduler instance into the settings of the model, and says what the model leaves out.

Source: cmd/scheduler/app/options/options.go and the plugins' arguments (plugins/proportion, minruntime, nodeplacement).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tenantry.fair.kai.rules import ACTIONS, DEFAULTS, PLUGINS, Settings, Strategy
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.model.duration import parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.pool_snapshot import SchedulerConfig

HARMLESS = frozenset({
    "kubeflow", "ray", "taskorder", "subgrouporder", "snapshot", "sg-nodelocalgreedy", "sg-multinodegang",
    "dynamicresources", "podaffinity", "gpuspread", "reflectjoborder",
})  # fmt: skip
"""Plugins that decide nothing here: they are built into the model, or only matter to jobs it does not place."""


class Notes(list[str]):
    """What of a configuration the model does not follow, sentences."""


def configured(config: SchedulerConfig, version: str = DEFAULTS.version) -> tuple[KaiScheduler, tuple[str, ...]]:
    """Return the scheduler a configuration makes.

    Args:
        config: the configuration.
        version: version whose rules apply.

    Returns:
        The scheduler, and what of the configuration the model does not follow.
    """
    notes = Notes()
    settings = replace(DEFAULTS, version=version)
    settings = _with_flags(settings, config.flags, notes)
    if config.actions is not None:
        unknown = [name for name in config.actions if name not in ACTIONS]
        notes += [f"the scheduler runs an action {name}, which is not modelled" for name in unknown]
        settings = replace(settings, actions=tuple(name for name in config.actions if name in ACTIONS))
    settings = replace(settings, queue_depth=tuple(sorted(config.queue_depth.items())))
    if config.plugins is not None:
        settings = _with_plugins(settings, config.plugins, notes)
    if config.weighs_usage:
        notes.append("the scheduler weighs past usage (time-based fair share), which a snapshot does not hold")
    period = parse_duration(config.flags.get("schedule-period", ""))
    return KaiScheduler(settings, max(1, period) if period is not None else 1), tuple(notes)


def _with_flags(settings: Settings, flags: Mapping[str, str], notes: Notes) -> Settings:
    if _true(flags, "schedule-csi-storage", default=False):
        notes.append("the scheduler weighs room in storage (schedule-csi-storage), which is not modelled")
    grace = parse_duration(flags.get("default-staleness-grace-period", ""))
    victims = flags.get("max-consolidation-preemptees", "")
    return replace(
        settings,
        restrict_nodes=_true(flags, "restrict-node-scheduling", default=settings.restrict_nodes),
        signatures=_true(flags, "use-scheduling-signatures", default=settings.signatures),
        consolidating_reclaim=_true(flags, "allow-consolidating-reclaim", default=settings.consolidating_reclaim),
        staleness_grace=settings.staleness_grace if grace is None else grace,
        consolidation_victims=int(victims) if _is_whole(victims) else settings.consolidation_victims,
    )


def _with_plugins(settings: Settings, plugins: Mapping[str, Mapping[str, str]], notes: Notes) -> Settings:
    known = frozenset(plugins) & (PLUGINS | {"gpuspread"})
    for name in sorted(set(plugins) - PLUGINS - HARMLESS):
        notes.append(f"the scheduler uses the plugin {name}, which is not modelled")
    placement, runtime = plugins.get("nodeplacement", {}), plugins.get("minruntime", {})
    proportion = plugins.get("proportion", {})
    return replace(
        settings,
        plugins=known,
        gpu_strategy=_strategy(placement.get("gpu", "")),
        cpu_strategy=_strategy(placement.get("cpu", "")),
        # Lengths below 0 count as 0, and so does what cannot be read.
        reclaim_min_runtime=max(0, parse_duration(runtime.get("defaultReclaimMinRuntime", "")) or 0),
        preempt_min_runtime=max(0, parse_duration(runtime.get("defaultPreemptMinRuntime", "")) or 0),
        reclaim_by_queue=runtime.get("reclaimResolveMethod", "") == "queue",
        k_value=max(0.0, _number(proportion.get("kValue", ""), settings.k_value)),
        # The misspelling is the scheduler's; the name its documentation uses has no effect.
        saturation_multiplier=max(1.0, _number(proportion.get("relcaimerSaturationMultiplier", ""), 1.0)),
    )


def _strategy(written: str) -> Strategy:
    return Strategy.SPREAD if written == Strategy.SPREAD.value else Strategy.BINPACK


def _true(flags: Mapping[str, str], name: str, *, default: bool) -> bool:
    written = flags.get(name, "").lower()
    return written in {"true", "t", "1"} if written in {"true", "t", "1", "false", "f", "0"} else default


def _is_whole(written: str) -> bool:
    return written.removeprefix("-").isdecimal()


def _number(written: str, default: float) -> float:
    try:
        return float(written)
    except ValueError:
        return default
