"""Make a plan of two sides: find differences, let every rule say what they do, and account for each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tenantry.plan.difference import object_changes, spec_changes
from tenantry.plan.effect import Area, Certainty, Effect, Level, Mark, Plan, Touched
from tenantry.plan.live import with_live
from tenantry.plan.rollout import applications, revert, shortfalls, steps, window_notes
from tenantry.plan.rule import Context, Hit, Row, kind_of, listed, plural
from tenantry.plan.rules import COMPARISONS, TABLE
from tenantry.plan.summary import summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tenantry.plan.effect import ObjectChange
    from tenantry.plan.live import Live
    from tenantry.plan.rule import Comparison
    from tenantry.plan.side import Side


def plan(
    old: Side,
    new: Side,
    *,
    notes: Sequence[str] = (),
    there: Live | None = None,
    table: Sequence[Row] = TABLE,
    comparisons: Sequence[Comparison] = COMPARISONS,
    objects: tuple[ObjectChange, ...] | None = None,
) -> Plan:
    """Say what going from one side to the other does.

    Args:
        old: what is there.
        new: what is to be.
        notes: what the caller left out, a sentence each.
        there: what a cluster held, or None when nobody looked.
        table: rows for fields of objects, in the order in which they are tried.
        comparisons: rules that compare the clusters.
        objects: how the objects differ, where the caller knows; else worked out.

    Returns:
        A plan in which every difference of an object is behind some effect, if only one that is not known.
    """
    differing = object_changes(old, new) if objects is None else objects
    context = Context(old, new, differing, spec_changes(old, new))
    effects = [effect for rule in comparisons for effect in rule.compare(context, rule)]
    effects += _by_table(context, table, effects)
    order = steps(context, effects)
    effects += shortfalls(context, order, effects)
    if there is not None:
        effects = with_live(context, effects, there)
    effects.sort(key=Effect.sort_key)
    verified = old.claims is not None and new.claims is not None
    causes = tuple(sorted((item.cause for item in context.spec), key=lambda item: (item.document, item.field)))
    applied = applications(context)
    said = [*notes, *window_notes(context, applied)]
    if causes and not context.objects:
        said.append("the tree is the same on both sides: nothing that is deployed differs")
    if effects:
        said += _open_questions(old, new)
        said.append(revert(effects))
    return Plan(
        name=new.cluster.name,
        environment=new.cluster.spec.environment,
        before=old.label,
        after=new.label,
        effects=tuple(effects),
        steps=order,
        applications=applied,
        objects=context.objects,
        causes=causes,
        summary=summary(effects, order, objects=len(context.objects), causes=len(causes), verified=verified),
        verified=verified,
        notes=tuple(said),
    )


def _open_questions(old: Side, new: Side) -> Iterator[str]:
    """Say how much of isolation no comparison decides, as it is unknown before and after."""
    before, after = old.open_pairs, new.open_pairs
    channels = {name for name in before.keys() & after.keys() if before[name].unknown & after[name].unknown}
    if channels:
        ordered = sorted(channels, key=lambda name: (name[:1], int(name[1:]) if name[1:].isdecimal() else 0, name))
        yield (
            f"isolation is unknown before and after in {plural(len(channels), 'channel')} ({listed(ordered, 5)}): "
            "tenantry verify names what is missing"
        )


def _by_table(context: Context, table: Sequence[Row], said: Iterable[Effect]) -> list[Effect]:
    """Give every difference to the first row that takes it; what nobody tells is an unknown effect."""
    taken: dict[int, list[Hit]] = {}
    strays: list[Hit] = []
    about: dict[str, list[int]] = {}
    for hit in hits(context):
        kind = kind_of(hit.key)
        if kind not in about:
            about[kind] = [number for number, row in enumerate(table) if row.is_about(kind)]
        position = next((number for number in about[kind] if table[number].takes(context, hit)), None)
        if position is None:
            strays.append(hit)
        else:
            taken.setdefault(position, []).append(hit)
    found: list[Effect] = []
    for position, there in sorted(taken.items()):
        row = table[position]
        if row.effect is not None:
            found += row.effect(context, row, there)
    known = {effect.rule for effect in (*said, *found)}
    told = {(touched.key, touched.pointer) for effect in found for touched in effect.touched}
    for position, there in taken.items():
        if not known & set(table[position].said_by):
            strays += [hit for hit in there if (hit.key, hit.touched.pointer) not in told]
    return _merged(found) + _unknown(context, strays)


def _merged(effects: Sequence[Effect]) -> list[Effect]:
    """Make one effect of those that several rows tell alike."""
    found: dict[tuple[str, str, str], Effect] = {}
    for effect in effects:
        key = (effect.rule, effect.subject, effect.message)
        if key in found:
            touched = (*found[key].touched, *effect.touched)
            ordered = tuple(sorted(touched, key=lambda item: (item.key, item.pointer)))
            found[key] = replace(found[key], touched=ordered)
        else:
            found[key] = effect
    return list(found.values())


def hits(context: Context) -> list[Hit]:
    """Return every difference of every object, one per field."""
    found = []
    for change in context.objects:
        identity = (change.key.group, change.key.kind, change.key.namespace, change.key.name)
        old, new = context.old.objects.get(identity), context.new.objects.get(identity)
        for touched in change.fields or (Touched(change.key),):
            found.append(Hit(change.component, change.mark, touched, old[2] if old else None, new[2] if new else None))
    return found


def _unknown(context: Context, strays: Sequence[Hit]) -> list[Effect]:
    by_kind: dict[tuple[str, str], list[Hit]] = {}
    for hit in strays:
        by_kind.setdefault((kind_of(hit.key), hit.touched.pointer), []).append(hit)
    return [
        Effect(
            rule="EFFECT-UNKNOWN",
            area=Area.UNKNOWN,
            mark=Mark.CHANGE,
            level=Level.CHANGE,
            subject=kind,
            message=f"no rule says what {pointer or 'the object as a whole'} does, of "
            f"{listed(sorted({str(hit.key) for hit in there}), 3)}",
            certainty=Certainty.UNKNOWN,
            source="no rule",
            causes=context.causes(("*",))[:5],
            touched=tuple(sorted((hit.touched for hit in there), key=lambda item: (item.key, item.pointer))),
        )
        for (kind, pointer), there in sorted(by_kind.items())
    ]
