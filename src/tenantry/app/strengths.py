"""What is found at every strength: what is open today, what a tenant could do, what others could let it do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.app.verification import StrengthColumn
from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Strength
from tenantry.safe.verify import RANK, pairs_of, verify_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.app.verify import Question
    from tenantry.model.claim import Claim
    from tenantry.safe.channels.channel import Channel
    from tenantry.safe.view import View


def columns(
    view: View, channels: Sequence[Channel], claims: Sequence[Claim], question: Question
) -> tuple[StrengthColumn, ...]:
    """Return what is found at every strength, the weakest first.

    Args:
        view: the objects at the strength that was asked for.
        channels: channels that ran.
        claims: what they claimed at that strength; proofs may be left out.
        question: what was asked; its tenant counts.
    """
    return tuple(
        _column(
            view,
            strength,
            channels,
            claims if strength is view.strength else verify_once(view.at(strength), channels),
            question,
        )
        for strength in (Strength.DEPLOYED, Strength.ADVERSARIAL, Strength.CARELESS)
    )


def _column(
    view: View, strength: Strength, channels: Sequence[Channel], claims: Iterable[Claim], question: Question
) -> StrengthColumn:
    names = [tenant.name for tenant in view.tenants]
    of_channel = {channel.id: Verdict.PROVED for channel in channels}
    of_pair: dict[tuple[str, str], Verdict] = {}
    for claim in claims:
        concerned = [pair for pair in pairs_of(claim, names) if not question.tenant or question.tenant in pair]
        for pair in concerned:
            of_pair[pair] = _worse(of_pair.get(pair, Verdict.PROVED), claim.verdict)
        if concerned:
            of_channel[claim.channel] = _worse(of_channel[claim.channel], claim.verdict)
    found = list(of_pair.values())
    others = len(names) - 1
    pairs = 2 * others if question.tenant else len(names) * others
    return StrengthColumn(strength, of_channel, found.count(Verdict.VIOLATED), found.count(Verdict.UNKNOWN), pairs)


def _worse(one: Verdict, other: Verdict) -> Verdict:
    return min(one, other, key=lambda verdict: RANK[verdict])
