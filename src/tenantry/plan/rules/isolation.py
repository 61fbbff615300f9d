"""Which proofs of isolation stop holding, which begin to hold: verification of both sides, compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tenantry.model.finding import Verdict
from tenantry.plan.claims import OpenPairs
from tenantry.plan.effect import Area, Effect, Level, Mark
from tenantry.plan.rule import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.claim import Claim
    from tenantry.plan.rule import Context

_ORDER = (Verdict.PROVED, Verdict.UNKNOWN, Verdict.VIOLATED)


class _Place(NamedTuple):
    channel: str
    source: str
    target: str


def _verdicts(context: Context, rule: Comparison) -> Iterator[Effect]:
    if context.old.claims is None or context.new.claims is None:
        return
    before, after = context.old.open_pairs, context.new.open_pairs
    both = context.old.tenant_names & context.new.tenant_names
    nothing = OpenPairs()
    for channel in sorted({*before, *after}):
        was, now = before.get(channel, nothing), after.get(channel, nothing)
        for source, target in sorted((was.unknown ^ now.unknown) | (was.violated.keys() ^ now.violated.keys())):
            left, right = was.worst(source, target), now.worst(source, target)
            old = left.verdict if left else Verdict.PROVED
            new = right.verdict if right else Verdict.PROVED
            named = {source, target} - {""}
            # A tenant that comes or goes brings and takes its open questions; only a hole is news.
            if old is not new and (named <= both or Verdict.VIOLATED in {old, new}):
                yield _changed(context, rule, _Place(channel, source, target), (left, right), (old, new))


def _changed(
    context: Context,
    rule: Comparison,
    place: _Place,
    claims: tuple[Claim | None, Claim | None],
    verdicts: tuple[Verdict, Verdict],
) -> Effect:
    (was, now), (old, new) = claims, verdicts
    worse = _ORDER.index(new) > _ORDER.index(old)
    claim = now or was
    what = claim.effect.value if claim else ""
    target = f"tenant {place.target}" if place.target else "every other tenant"
    details = []
    said = f"channel {place.channel} ({what}): {old.value} -> {new.value}"
    if now is not None and now.witness is not None:
        said += f": {now.witness.summary}"
        details = [f"{step.edge} by {step.by}" if step.by else step.missing or step.edge for step in now.witness.steps]
    elif now is not None and now.missing:
        said += f"; missing fact: {now.missing[0].fact}"
        details = [now.missing[0].how]
    named = tuple(sorted({place.source, place.target} - {""}))
    return Effect(
        rule=rule.id,
        area=rule.area,
        mark=Mark.DISRUPT if worse else Mark.ADD,
        level=Level.UNSAFE if worse and new is Verdict.VIOLATED else Level.DISRUPTIVE if worse else Level.CHANGE,
        subject=f"tenant {place.source} to {target}",
        message=said,
        source=rule.source,
        causes=context.causes(
            ("Contract/*", "Facts/*", "Tenant/*/spec/network*", "Platform/*/spec/fabrics*", "Tenant/*/spec/trust*"),
            tenants=named,
        )
        or context.causes(("*",), tenants=named),
        tenants=named,
        details=tuple(details),
    )


COMPARISONS = (
    Comparison(
        "EFFECT-ISOLATION",
        "A verdict about a pair of tenants and a channel changes",
        "tenantry verify on both sides, the same day and the same strength",
        Area.ISOLATION,
        ("*",),
        _verdicts,
    ),
)
