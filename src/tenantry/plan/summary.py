"""The line that says it all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tenantry.plan.effect import Action, Area, Level
from tenantry.plan.rule import listed, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.plan.effect import Effect, Step

_VERBS = {
    Action.REBOOT: ("reboots", "reboot"),
    Action.DRAIN: ("drains", "drain"),
    Action.DRIVER_RELOAD: ("reloads its GPU driver", "reload their GPU driver"),
    Action.NIC_DRIVER_RELOAD: ("drains for its network driver", "drain for their network driver"),
    Action.GPU_RESET: ("partitions its GPUs anew", "partition their GPUs anew"),
}


def duration(minutes: int) -> str:
    """Write minutes for people: ``45 min``, ``4 h``, ``2 h 30 min``."""
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(round(minutes / 5) * 5, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def summary(effects: Sequence[Effect], order: Sequence[Step], *, objects: int, causes: int, verified: bool) -> str:
    """Return what the change does in one line: nodes, tenants, isolation."""
    if not objects and not causes:
        return "no differences"
    said = [*_tenants(effects), *_removed(effects)]
    told = [*_nodes(order), *said]
    if not order and not said:
        told += _others(effects)
    parts = [*told, _isolation(effects, verified=verified)]
    unknown = sum(effect.area is Area.UNKNOWN for effect in effects)
    if unknown:
        parts.append(f"{plural(unknown, 'difference')} of unknown effect")
    return "; ".join(parts)


def _nodes(order: Sequence[Step]) -> list[str]:
    found = []
    for action in Action:
        there = [step for step in order if step.action.action is action]
        if not there:
            continue
        nodes = sum(step.action.nodes for step in there)
        at_once = max(step.action.at_once for step in there)
        minutes = max(step.start + step.minutes for step in there) - min(step.start for step in there)
        pace = "" if nodes == 1 else " one after another" if at_once == 1 else f", {at_once} at a time"
        if nodes > 1 and at_once >= nodes:
            pace = " all at once"
        verb = _VERBS[action][nodes != 1]
        found.append(f"{plural(nodes, 'node')} {verb}{pace}, about {duration(minutes)}")
    return found or ["no node is disturbed"]


def _tenants(effects: Sequence[Effect]) -> list[str]:
    found = []
    gained: dict[str, list[Effect]] = {"loses": [], "gains": []}
    for effect in effects:
        if effect.rule == "EFFECT-GUARANTEE":
            numbers = dict(effect.numbers)
            gained["loses" if numbers["after"] < numbers["before"] else "gains"].append(effect)
    for verb, there in gained.items():
        names = list(dict.fromkeys(effect.tenants[0] for effect in there))
        if not names:
            continue
        if len(names) == 1:
            said = []
            for effect in there:
                numbers = dict(effect.numbers)
                unit = effect.message.rpartition(str(numbers["after"]))[2].strip()
                said.append(f"{abs(numbers['after'] - numbers['before'])} guaranteed {unit}")
            found.append(f"{names[0]} {verb} {listed(said)}")
        else:
            found.append(f"{plural(len(names), 'tenant')} {'lose' if verb == 'loses' else 'gain'} guarantees")
    return found


def _removed(effects: Sequence[Effect]) -> list[str]:
    found = []
    gone = [effect.tenants[0] for effect in effects if effect.rule == "EFFECT-TENANT-REMOVED"]
    if gone:
        found.append(f"{listed(gone)} {'is' if len(gone) == 1 else 'are'} removed")
    came = [effect.tenants[0] for effect in effects if effect.rule == "EFFECT-TENANT-ADDED"]
    if came:
        found.append(f"{listed(came)} {'is' if len(came) == 1 else 'are'} added")
    spaces = [effect for effect in effects if effect.rule == "EFFECT-NAMESPACE-REMOVED" and effect.tenants]
    kept = [effect for effect in spaces if not set(effect.tenants) & set(gone)]
    if kept:
        found.append(f"{plural(len(kept), 'namespace')} deleted with everything in it")
    names = [effect for effect in effects if effect.rule == "EFFECT-RESOURCE-NAME" and effect.level is Level.DISRUPTIVE]
    if names:
        found.append(
            f"{listed([effect.subject for effect in names])} disappears"
            if len(names) == 1
            else f"{plural(len(names), 'resource name')} disappear"
        )
    return found


def _others(effects: Sequence[Effect]) -> list[str]:
    """Say what a change does that takes nothing from anybody: the first effect, and how many more there are."""
    noticed = [item for item in effects if item.level > Level.NOTE]
    if not noticed:
        return []
    first = min(noticed, key=lambda item: item.sort_key())
    clause = re.split(r"[;:(]", first.message)[0].strip()
    more = f" and {plural(len(noticed) - 1, 'more effect')}" if len(noticed) > 1 else ""
    return [f"{first.subject}: {clause}{more}"]


def _isolation(effects: Sequence[Effect], *, verified: bool) -> str:
    if not verified:
        return "isolation not compared"
    there = [effect for effect in effects if effect.rule == "EFFECT-ISOLATION"]
    broken = sum(effect.level is Level.UNSAFE for effect in there)
    weaker = sum(effect.level is Level.DISRUPTIVE for effect in there)
    better = len(there) - broken - weaker
    parts = [f"isolation breaks in {plural(broken, 'place')}"] if broken else []
    if weaker:
        parts.append(f"isolation is no longer known in {plural(weaker, 'place')}")
    if better:
        parts.append(f"isolation gets better in {plural(better, 'place')}")
    return ", ".join(parts) or "isolation unchanged"
