"""A channel: one way in which one tenant could act on another, with the rule that decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.model.claim import Claim, Effect, Impact
    from tenantry.safe.view import View


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel.

    Attributes:
        id: short id such as ``N1``.
        title: what it is, in a few words.
        effect: the worst a tenant could do through it.
        impact: how far that would reach.
        decide: the rule; it yields at least one claim per source of the view and never changes what it is given.
    """

    id: str
    title: str
    effect: Effect
    impact: Impact
    decide: Callable[[View], Iterable[Claim]]
