"""The order of a roll-out: Applications in the order of their waves, what they do on nodes, and what waits for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.plan.effect import Action, Application, Area, Effect, Level, Mark, Return, Step
from tenantry.plan.rule import listed, plural
from tenantry.plan.rules.data import pruning
from tenantry.plan.rules.partitions import layout_by_gpu
from tenantry.plan.rules.tenants import unit_of
from tenantry.plan.summary import duration
from tenantry.plan.windows import windows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tenantry.model.cluster import PoolResource
    from tenantry.plan.effect import NodeAction
    from tenantry.plan.rule import Context


IN_A_WINDOW = "syncs in a change window only"


def steps(context: Context, effects: Iterable[Effect]) -> tuple[Step, ...]:
    """Put what happens on nodes in order: one Application after another, its pools beside each other.

    Within one Application and pool only the longest action counts: a drain for two reasons is one drain. The next wave
    begins when the one before is healthy (Argo CD, sync waves), so times add up from wave to wave. What may begin in a
    change window only waits for one; the first begins as the first window of a week opens.
    """
    windows = windows_of(context.new.cluster.spec.platform.spec.gitops.change_windows)
    held_back = {item.name for side in (context.old, context.new) for item in side.components if item.disruptive}
    chosen: dict[tuple[int, str, str], NodeAction] = {}
    for effect in effects:
        done = effect.action
        if done is None or not done.action.disruptive:
            continue
        key = (context.new.wave.get(done.component, context.old.wave.get(done.component, 0)), done.component, done.pool)
        if key not in chosen or done.total_minutes > chosen[key].total_minutes:
            chosen[key] = done
    found: list[Step] = []
    start, wave, longest = 0, None, 0
    for key in sorted(chosen):
        if key[0] != wave:
            start, wave, longest = start + longest, key[0], 0
        done = chosen[key]
        opened = start
        if windows is not None and done.component in held_back:
            opened = windows.begin(windows.spans[0][0] + start) - windows.spans[0][0]
        # Upgrades of one driver are counted over all pools, so these go one after another.
        shared = [
            item for item in found if item.wave == wave and done.held_back_by and item.component == done.component
        ]
        begin = max((item.start + item.minutes for item in shared), default=opened)
        found.append(Step(key[0], done.component, begin, done.total_minutes, done))
        longest = max(longest, begin - start + done.total_minutes)
    return tuple(found)


def applications(context: Context) -> tuple[Application, ...]:
    """Return the Applications whose folder differs, in the order of their waves."""
    counts: dict[str, dict[Mark, int]] = {}
    waits: dict[str, list[str]] = {}
    for change in context.objects:
        counts.setdefault(change.component, {}).setdefault(change.mark, 0)
        counts[change.component][change.mark] += 1
        if change.mark is Mark.REMOVE:
            identity = (change.key.group, change.key.kind, change.key.namespace, change.key.name)
            if pruning(context.old.objects[identity][2]) == "Prune=confirm":
                waits.setdefault(change.component, []).append(str(change.key))
    components = {item.name: item for item in (*context.old.components, *context.new.components)}
    windows = context.new.cluster.spec.platform.spec.gitops.change_windows
    found = []
    for name, marks in counts.items():
        said = []
        if components[name].disruptive and windows:
            said.append(IN_A_WINDOW)
        if name in waits:
            said.append(f"a person confirms the deletion of {listed(waits[name], 2)}")
        if name == "bootstrap":
            said.append("a person applies it")
        found.append(
            Application(
                name,
                components[name].wave,
                marks.get(Mark.ADD, 0),
                marks.get(Mark.CHANGE, 0),
                marks.get(Mark.REMOVE, 0),
                "; ".join(said),
            )
        )
    return tuple(sorted(found, key=lambda item: (item.wave, item.name)))


def shortfalls(context: Context, order: Sequence[Step], effects: Sequence[Effect]) -> Iterator[Effect]:
    """Yield the guarantees that cannot be held while nodes are out."""
    for step in order:
        done = step.action
        pool = context.new_pools[done.pool]
        for resource in pool.gpu_resources:
            promised = {
                tenant.name: sum(
                    item.guaranteed
                    for item in tenant.entitlements
                    if item.pool == pool.name and item.resource == resource.name
                )
                for tenant in context.new.cluster.tenants
            }
            capacity = pool.nodes * resource.per_node
            total, left = sum(promised.values()), capacity - done.at_once * _lost(context, done, resource)
            if left >= total or not total or capacity < total:
                continue
            holders = tuple(sorted(name for name, number in promised.items() if number))
            unit = unit_of(context, pool.name, resource.name)
            yield Effect(
                "EFFECT-ROLLOUT-SHORTFALL",
                Area.TENANTS,
                Mark.DISRUPT,
                Level.DISRUPTIVE,
                f"node pool {pool.name}",
                f"during {done.action.value} {left} of {capacity} {unit} are left while {total} are guaranteed to "
                f"{listed(holders)}: up to {total - left} of them cannot be held for about {duration(step.minutes)}",
                source="nodes that are out at a time, against the guarantees of the pool",
                causes=next(item.causes for item in effects if item.action == done),
                numbers=(("left", left), ("guaranteed", total)),
                tenants=holders,
                pools=(pool.name,),
                way_back=Return.AGAIN,
            )


def _lost(context: Context, done: NodeAction, resource: PoolResource) -> int:
    """Return units of a resource that a node does not have while it is acted on.

    Of GPUs that are partitioned anew only those whose layout differs are lost, as nothing holds or resets the others.
    """
    if done.action is not Action.GPU_RESET:
        return resource.per_node
    before, after = (layout_by_gpu(pools[done.pool]) for pools in (context.old_pools, context.new_pools))
    changed = [index for index in after if before.get(index, ()) != after[index]]
    if resource.profile:
        return sum(dict(after[index]).get(resource.profile, 0) for index in changed)
    return sum(not after[index] for index in changed)


def window_notes(context: Context, applied: Iterable[Application]) -> Iterator[str]:
    """Say when the windows are that something waits for."""
    gitops = context.new.cluster.spec.platform.spec.gitops
    if any(IN_A_WINDOW in item.waits for item in applied):
        said = [f"{item.schedule} for {item.duration} ({item.time_zone})" for item in gitops.change_windows]
        windows = windows_of(gitops.change_windows)
        closed = f", closed for up to {windows.longest_closed // 60} h at a stretch" if windows is not None else ""
        yield f"change windows: {listed(said)}{closed}; what has begun goes on when a window closes"


def pending_person(applied: Iterable[Application]) -> list[str]:
    """Return what waits for a person, for the summary."""
    return [f"{item.name}: {item.waits}" for item in applied if "person" in item.waits]


def revert(effects: Sequence[Effect]) -> str:
    """Say what ``git revert`` restores, in one sentence."""
    again = [item for item in effects if item.way_back is Return.AGAIN]
    lost = [item for item in effects if item.way_back is Return.LOST]
    said = "git revert restores the state before"
    if again:
        actions = sorted({item.action.action.value for item in again if item.action})
        said += (
            f"; {plural(len(again), 'effect')} happen again on the way back"
            if len(again) > 1
            else ("; one effect happens again on the way back")
        )
        said += f" ({', '.join(actions)})" if actions else ""
    if lost:
        said += f"; not what is lost for good: {listed(sorted({item.subject for item in lost}))}"
    return said
