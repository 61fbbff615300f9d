"""All proposals of a channel, the smallest first."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from tenantry.safe.fixes.amounts import of_amounts
from tenantry.safe.fixes.kinds import of_kinds
from tenantry.safe.fixes.pods import of_pods
from tenantry.safe.fixes.settings import of_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.claim import Claim
    from tenantry.safe.fixes.steps import Proposal
    from tenantry.safe.view import View


def proposed(view: View, claim: Claim) -> Iterator[Proposal]:
    """Yield what could close a violation: a field to set first, then a guard of pods, an amount, a guard of others."""
    return chain(of_settings(view, claim), of_pods(view, claim), of_amounts(view, claim), of_kinds(view, claim))
