"""All proposals of a channel, the smallest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenantry.safe.fixes import fabric, gpu, network, queues, services
from tenantry.safe.fixes.amounts import of_amounts
from tenantry.safe.fixes.kinds import of_kinds
from tenantry.safe.fixes.pods import of_pods

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.claim import Claim
    from tenantry.safe.fixes.objects import Rules
    from tenantry.safe.fixes.steps import Proposal
    from tenantry.safe.view import View

RULES: Final[Rules] = {**network.RULES, **fabric.RULES, **gpu.RULES, **queues.RULES, **services.RULES}
"""What is proposed about objects of the platform, per channel."""


def proposed(view: View, claim: Claim) -> Iterator[Proposal]:
    """Yield what could close a violation: a field to set, then a guard of pods, an amount, a guard of others."""
    rule = RULES.get(claim.channel)
    if rule is not None:
        yield from rule(view, claim)
    yield from of_pods(view, claim)
    yield from of_amounts(view, claim)
    yield from of_kinds(view, claim)
