"""Looks for fixes by trying: every proposal is applied to the objects, and the rule is asked again.

Nothing is believed of a proposal. What is returned was applied in memory, and either nothing of the channel is left
between the same tenants, or only what is said to be left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from tenantry.model.change import Change, Fix, changed
from tenantry.model.finding import Verdict
from tenantry.safe.fixes.recipes import proposed
from tenantry.safe.fixes.steps import Proposal, from_steps
from tenantry.safe.reading import at
from tenantry.safe.verify import pairs_of, verify
from tenantry.safe.view import View

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantry.model.claim import Claim, Step
    from tenantry.safe.channels.channel import Channel

MOST_CHAINED: Final = 6
"""Holes of one channel that one fix closes, one after the other."""
MOST_PROPOSALS: Final = 16
"""Proposals that are tried per hole."""
EFFORT: Final = 60_000
"""Objects looked at again in all; a trial looks at every object, so that large clusters get few trials.

Measured: the 94 objects and 70 violations of examples/leaky-cluster need 13 000, which takes 2 seconds.
"""
_GOOD: Final = {Verdict.PROVED: 0, Verdict.VIOLATED: 1, Verdict.UNKNOWN: 2}


@dataclass(frozen=True, slots=True)
class _Trial:
    """What is left between the tenants of a claim after changes."""

    changes: Proposal
    leaves: Verdict
    claims: tuple[Claim, ...]
    view: View


class _Before(NamedTuple):
    """Holes of a channel in the objects as they are, and the pairs of tenants they are between."""

    holes: frozenset[tuple[object, ...]]
    pairs: frozenset[tuple[str, str]]


@dataclass
class Fixer:
    """Finds fixes for claims about one view.

    Attributes:
        view: the objects as they are.
        channels: the channels by their ids.
        effort: objects it may still look at.
    """

    view: View
    channels: Mapping[str, Channel]
    effort: int = EFFORT
    _tried: dict[tuple[str, tuple[str, ...]], tuple[View, tuple[Claim, ...]] | None] = field(default_factory=dict)
    _violated: dict[str, _Before] = field(default_factory=dict)

    def fix(self, claim: Claim) -> Fix | None:
        """Return the smallest fix that was found for a violation; None when no proposal closes it.

        One that leaves nothing comes first, then one after which only facts are missing, then one after which another
        hole of the channel shows between the same tenants.
        """
        channel = self.channels.get(claim.channel)
        if channel is None or claim.witness is None or self.effort < len(self.view.snapshot):
            return None
        first: _Trial | None = None
        changes: Proposal = ()
        hole = claim
        seen = {_hole(self.view, claim)}
        for _ in range(MOST_CHAINED):
            trial = self._step(channel, (claim, hole), changes, seen)
            if trial is None:
                break
            changes = trial.changes
            first = first or trial
            if trial.leaves is not Verdict.VIOLATED:
                return Fix(trial.changes, trial.leaves, _rest(trial))
            hole = next(item for item in trial.claims if item.verdict is Verdict.VIOLATED)
            seen.add(_hole(trial.view, hole))
        return Fix(first.changes, first.leaves, _rest(first)) if first is not None else None

    def _step(
        self, channel: Channel, about: tuple[Claim, Claim], before: Proposal, seen: set[tuple[object, ...]]
    ) -> _Trial | None:
        """Return the best trial that closes a hole, opens none that was closed before and none of other tenants."""
        claim, hole = about
        found: _Trial | None = None
        tried = self._after(channel, before)
        if tried is None:
            return None
        for proposal in _some(proposed(tried[0], hole), from_steps(tried[0], hole)):
            after = self._after(channel, (*before, *proposal))
            if after is None:
                continue
            left = self._left(channel, claim, after)
            violated = {_hole(after[0], item) for item in left if item.verdict is Verdict.VIOLATED}
            if violated & seen or self._newly_violated(channel, after[1]):
                continue
            leaves = _worst(left)
            trial = _Trial((*before, *proposal), leaves, left, after[0])
            if leaves is Verdict.PROVED:
                return trial
            if found is None or _GOOD[leaves] < _GOOD[found.leaves]:
                found = trial
        return found

    def _left(self, channel: Channel, claim: Claim, after: tuple[View, tuple[Claim, ...]]) -> tuple[Claim, ...]:
        """Return what is claimed of the tenants of a claim afterwards.

        Other holes between the same tenants that were there before are findings with fixes of their own.
        """
        view, claims = after
        own = _hole(self.view, claim)
        known = self._before(channel).holes
        return tuple(
            item
            for item in claims
            if _meets(item, claim)
            and (item.verdict is not Verdict.VIOLATED or (hole := _hole(view, item)) == own or hole not in known)
        )

    def _newly_violated(self, channel: Channel, claims: tuple[Claim, ...]) -> bool:
        """Whether a tenant can now act on one it could not act on before."""
        before = self._before(channel).pairs
        return any(
            pair not in before
            for item in claims
            if item.verdict is Verdict.VIOLATED
            for pair in pairs_of(item, self._names)
        )

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(tenant.name for tenant in self.view.tenants)

    def _before(self, channel: Channel) -> _Before:
        if channel.id not in self._violated:
            claims = [item for item in verify(self.view, [channel]) if item.verdict is Verdict.VIOLATED]
            holes = frozenset(_hole(self.view, item) for item in claims)
            pairs = frozenset(pair for item in claims for pair in pairs_of(item, self._names))
            self._violated[channel.id] = _Before(holes, pairs)
        return self._violated[channel.id]

    def _after(self, channel: Channel, changes: Proposal) -> tuple[View, tuple[Claim, ...]] | None:
        key = (channel.id, tuple(repr(item) for item in changes))
        if key not in self._tried:
            self._tried[key] = self._asked(channel, changes)
        return self._tried[key]

    def _asked(self, channel: Channel, changes: Sequence[Change]) -> tuple[View, tuple[Claim, ...]] | None:
        if not changes:
            return self.view, ()
        if self.effort < len(self.view.snapshot):
            return None
        snapshot = changed(self.view.given, changes)
        if snapshot is None:
            return None
        self.effort -= len(self.view.snapshot)
        view = View(snapshot, self.view.tenancy, self.view.declared, self.view.strength)
        return view, verify(view, [channel])


def _some(*sources: Iterable[Proposal]) -> Iterator[Proposal]:
    """Yield some proposals, the first first, each once."""
    seen: set[str] = set()
    for source in sources:
        for proposal in source:
            if len(seen) >= MOST_PROPOSALS:
                return
            if repr(proposal) not in seen:
                seen.add(repr(proposal))
                yield proposal


def _meets(item: Claim, claim: Claim) -> bool:
    """Whether a claim is about tenants another one is about."""
    alike = item.target == claim.target or "" in {item.target, claim.target}
    return item.source == claim.source and item.target != claim.source and alike


def _hole(view: View, claim: Claim) -> tuple[object, ...]:
    """Return what tells one hole from another: whom it is about, and what its path rests on.

    Words are left out, as they name values, and a hole that stays open with another value is the same one. Items of
    lists count by what they hold, as their places move.
    """
    steps = claim.witness.steps if claim.witness else ()
    return (claim.source, claim.target, *((step.by, _place(view, step), step.missing) for step in steps))


def _place(view: View, step: Step) -> str:
    if step.by is not None and step.pointer and isinstance(step.pointer[-1], int):
        manifest = view.snapshot.get(step.by.group, step.by.kind, step.by.name, step.by.namespace)
        return repr(at(manifest.body if manifest else None, *step.pointer))
    return repr(step.pointer)


def _worst(claims: Iterable[Claim]) -> Verdict:
    verdicts = {item.verdict for item in claims}
    for verdict in (Verdict.VIOLATED, Verdict.UNKNOWN, Verdict.PROVED):
        if verdict in verdicts:
            return verdict
    return Verdict.PROVED


def _rest(trial: _Trial) -> str:
    for item in trial.claims:
        if item.verdict is trial.leaves is Verdict.VIOLATED and item.witness is not None:
            return item.witness.summary
        if item.verdict is trial.leaves is Verdict.UNKNOWN:
            return "; ".join(entry.fact or entry.how for entry in item.missing)
    return ""
