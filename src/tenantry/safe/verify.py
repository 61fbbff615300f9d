"""Runs every channel over one view and puts the claims in order.

Nothing is believed that a rule does not back: a violation without a witness, a proof without a reason and a pair that a
rule passes over in silence all become UNKNOWN, so that a gap in the verifier can never read as safety. A stronger proof
holds whatever a weaker one does: what is found with the objects as they are is found at every strength.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from tenantry.model.claim import Alike, Claim, Missing
from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Strength
from tenantry.safe.channels import ABOUT_WHAT_MAY_BE, CHANNELS, WHATEVER_THE_RIGHTS
from tenantry.safe.channels.extensions import unknown_makers
from tenantry.safe.twins import MANY, twins_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tenantry.safe.channels.channel import Channel
    from tenantry.safe.twins import Twins
    from tenantry.safe.view import View

RANK = {Verdict.VIOLATED: 0, Verdict.UNKNOWN: 1, Verdict.PROVED: 2}
"""Verdicts, worst first."""


def verify(
    view: View, channels: Sequence[Channel] | None = None, progress: Callable[[str], None] = lambda text: None
) -> tuple[Claim, ...]:
    """Return what every channel claims, for every ordered pair of tenants.

    Args:
        view: the objects, their owners and the strength of the proof.
        channels: rules to run; all when None.
        progress: told the title of each channel before it runs.

    Returns:
        Claims in the order of the channels, then of source and target, worst verdict first; each claim once.
    """
    return _verified(view, CHANNELS if channels is None else channels, progress)


def verify_once(
    view: View, channels: Sequence[Channel] | None = None, progress: Callable[[str], None] = lambda text: None
) -> tuple[Claim, ...]:
    """Return what :func:`verify` does but for proofs about tenants that could change places with one before them.

    What is not proved is claimed of everybody. Of few tenants each is decided.

    Args:
        view: the objects, their owners and the strength of the proof.
        channels: rules to run; all when None.
        progress: told the title of each channel before it runs.
    """
    chosen = CHANNELS if channels is None else channels
    few = len(view.tenants) < MANY
    if few or view.strength is Strength.CARELESS or _unknown_rights(view):
        return verify(view, chosen, progress)
    twins = twins_of(view)
    claims: list[Claim] = []
    try:
        for channel in chosen:
            progress(channel.title)
            claims.extend(_in_order(_of_classes(channel, view, twins)))
    finally:
        view.sources = view.tenants
    return tuple(claims)


def _of_classes(channel: Channel, view: View, twins: Twins) -> Iterator[Claim]:
    """Yield what one channel claims of the first of each class, and what it does not prove of the others."""
    others = twins.others
    view.sources = tuple(tenant for tenant in view.tenants if tenant.name in others)
    claims = _at_least_as_deployed(channel, view)
    yield from claims
    not_proved = [claim for claim in claims if claim.verdict is not Verdict.PROVED]
    found = _Gathered(not_proved)
    anew = {twin for source, rest in others.items() if _names_somebody(found, source, twins) for twin in rest}
    for claim in not_proved:
        for twin in others[claim.source]:
            if twin not in anew:
                target = claim.source if claim.target == twin else claim.target
                yield replace(claim, source=twin, target=target)
    if anew:
        view.sources = tuple(tenant for tenant in view.tenants if tenant.name in anew)
        yield from _at_least_as_deployed(channel, view)


def _names_somebody(found: _Gathered, source: str, twins: Twins) -> bool:
    """Whether what is said of a source names a tenant.

    The objects of twins are the same, but which of several is shown may hang on their order.
    """
    return any(map(twins.named_in, found.grounds(source)))


def open_claims(view: View, about: frozenset[str] | None = None) -> tuple[Alike, ...]:
    """Return what every channel claims and does not prove, in the order of channels.

    Of many tenants nearly every pair is proved, so a channel that speaks of pairs makes no claim of each that is; that
    it spoke of all of them is written down. Of tenants that could change places one is decided for all. Where rights of
    a tenant are not known, proofs are looked at, too, and every tenant is decided.

    Args:
        view: the objects, their owners and the strength of the proof.
        about: ids of the channels to ask; None for all.
    """
    channels = [channel for channel in CHANNELS if about is None or channel.id in about]
    certain = not (view.strength is Strength.CARELESS or _unknown_rights(view))
    view.spared = set() if certain else None
    try:
        # Finding the twins takes longer than what few channels decide.
        twins = twins_of(view) if certain and about is None else None
        return tuple(
            found
            for channel in channels
            for found in (_of_all(channel, view, twins) if twins else _Gathered(_not_proved(channel, view))).alike()
        )
    finally:
        view.spared = None
        view.sources = view.tenants


def _of_all(channel: Channel, view: View, twins: Twins) -> _Gathered:
    """Return what one channel does not prove, of each tenant."""
    others = twins.others
    view.sources = tuple(tenant for tenant in view.tenants if tenant.name in others)
    found = _Gathered(_not_proved(channel, view))
    anew: set[str] = set()
    for source, rest in others.items():
        if _names_somebody(found, source, twins):
            anew.update(rest)
        else:
            found.repeat(source, rest)
    if anew:
        view.sources = tuple(tenant for tenant in view.tenants if tenant.name in anew)
        found.add(_not_proved(channel, view))
    return found


class _Gathered:
    """Claims of one channel, by what they say."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self._places: dict[tuple[object, ...], int] = {}
        self._alike: list[tuple[Claim, set[tuple[str, str]]]] = []
        # Targets by source and the place of what is said.
        self._targets: dict[str, dict[int, list[str]]] = {}
        self.add(claims)

    def add(self, claims: Iterable[Claim]) -> None:
        """Take up claims."""
        for claim in claims:
            witness = repr(claim.witness) if claim.witness else ""
            said = (claim.verdict, claim.effect, claim.impact, claim.missing, claim.reason, claim.fix, witness)
            place = self._places.setdefault(said, len(self._alike))
            if place == len(self._alike):
                self._alike.append((claim.ground, set()))
            self._alike[place][1].add((claim.source, claim.target))
            self._targets.setdefault(claim.source, {}).setdefault(place, []).append(claim.target)

    def grounds(self, source: str) -> Iterator[Claim]:
        """Yield what is said of a source."""
        return (self._alike[place][0] for place in self._targets.get(source, ()))

    def repeat(self, source: str, twins: Iterable[str]) -> None:
        """Say of twins of a source what it says after the two have changed places."""
        for place, targets in self._targets.get(source, {}).items():
            pairs = self._alike[place][1]
            for twin in twins:
                pairs.update((twin, source if target == twin else target) for target in targets)

    def alike(self) -> Iterator[Alike]:
        """Yield all claims, what they say in a fixed order."""
        for ground, pairs in sorted(self._alike, key=lambda item: _order(item[0])):
            yield Alike(ground, frozenset(pairs))


def _not_proved(channel: Channel, view: View) -> Iterator[Claim]:
    return (claim for claim in _at_least_as_deployed(channel, view) if claim.verdict is not Verdict.PROVED)


def _verified(
    view: View, channels: Sequence[Channel], progress: Callable[[str], None] = lambda text: None
) -> tuple[Claim, ...]:
    claims: list[Claim] = []
    for channel in channels:
        progress(channel.title)
        claims.extend(_in_order(_at_least_as_deployed(channel, view)))
    return tuple(claims)


def _in_order(claims: Iterable[Claim]) -> Iterator[Claim]:
    """Yield the claims of one channel in order, each once."""
    ordered = sorted(claims, key=_order)
    return (claim for index, claim in enumerate(ordered) if not index or claim != ordered[index - 1])


def _at_least_as_deployed(channel: Channel, view: View) -> list[Claim]:
    """Return what a channel claims, with what it claims of the objects as they are where that is worse."""
    claims = list(_decided(channel, view))
    if view.strength is Strength.DEPLOYED or channel.id not in ABOUT_WHAT_MAY_BE:
        return claims
    weaker = list(_decided(channel, view.at(Strength.DEPLOYED)))
    names = [tenant.name for tenant in view.tenants]
    if len(names) > 1 and not any(claim.target for claim in (*claims, *weaker)):
        return _worse_alike(claims, weaker)
    here, there = verdicts(claims, names), verdicts(weaker, names)
    # A pair that is not spoken of was spared as one that is proved.
    worse = [
        claim
        for claim in weaker
        if any(
            there[pair] is claim.verdict and RANK[claim.verdict] < RANK[here.get(pair, Verdict.PROVED)]
            for pair in pairs_of(claim, names)
        )
    ]
    refuted = {pair for claim in worse for pair in pairs_of(claim, names)}
    kept = [
        claim
        for claim in claims
        if claim.verdict is not Verdict.PROVED or not refuted.issuperset(pairs_of(claim, names))
    ]
    return [*kept, *worse]


def _worse_alike(claims: list[Claim], weaker: list[Claim]) -> list[Claim]:
    """Join claims that concern every other tenant alike: what is worse of a source counts."""
    here, there = (_worst_by_source(found) for found in (claims, weaker))
    worse = [
        claim
        for claim in weaker
        if there[claim.source] is claim.verdict and RANK[claim.verdict] < RANK[here.get(claim.source, Verdict.PROVED)]
    ]
    refuted = {claim.source for claim in worse}
    return [
        *(claim for claim in claims if claim.verdict is not Verdict.PROVED or claim.source not in refuted),
        *worse,
    ]


def _worst_by_source(claims: list[Claim]) -> dict[str, Verdict]:
    found: dict[str, Verdict] = {}
    for claim in claims:
        known = found.get(claim.source)
        if known is None or RANK[claim.verdict] < RANK[known]:
            found[claim.source] = claim.verdict
    return found


def pairs_of(claim: Claim, names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the ordered pairs of tenants a claim is about."""
    if claim.target:
        return [(claim.source, claim.target)]
    return [(claim.source, name) for name in names if name != claim.source]


def verdicts(claims: Iterable[Claim], names: Sequence[str]) -> dict[tuple[str, str], Verdict]:
    """Return the worst verdict about each ordered pair of tenants."""
    found: dict[tuple[str, str], Verdict] = {}
    for claim in claims:
        for pair in pairs_of(claim, names):
            known = found.get(pair)
            if known is None or RANK[claim.verdict] < RANK[known]:
                found[pair] = claim.verdict
    return found


def _decided(channel: Channel, view: View) -> Iterator[Claim]:
    names = [tenant.name for tenant in view.tenants]
    try:
        claims = [_backed(claim) for claim in channel.decide(view)]
    # Rules meet objects nobody foresaw. One rule that fails must not hide what the others found, nor count as a proof.
    except Exception as error:
        how = f"this is a bug in Tenantry: rule {channel.id} failed on these objects: {type(error).__name__}: {error}"
        yield from (_unknown(channel, tenant.name, "", how) for tenant in view.sources)
        return
    spared = view.spared or ()
    asked = [tenant.name for tenant in view.sources if (channel.id, tenant.name) not in spared]
    claims.extend(_silent(channel, asked, claims, names))
    yield from claims if channel.id in WHATEVER_THE_RIGHTS else _as_far_as_rights_are_known(view, claims)


def _as_far_as_rights_are_known(view: View, claims: Iterable[Claim]) -> Iterator[Claim]:
    """Yield claims; a proof about a tenant whose rights are not known is none.

    With careless victims that holds for the rights of every other tenant, too.
    """
    unknown = _unknown_rights(view)
    for claim in claims:
        missing = unknown.get(claim.source, ())
        if view.strength is Strength.CARELESS:
            others = [claim.target] if claim.target else [name for name in unknown if name != claim.source]
            missing = tuple(dict.fromkeys((*missing, *(entry for name in others for entry in unknown.get(name, ())))))
        if claim.verdict is Verdict.PROVED and missing:
            yield replace(claim, verdict=Verdict.UNKNOWN, missing=missing, reason="")
        else:
            yield claim


@lru_cache(maxsize=4)
def _unknown_rights(view: View) -> dict[str, tuple[Missing, ...]]:
    """Return what is missing to know the rights of tenants, for those of which something is."""
    if view.strength is Strength.DEPLOYED:
        return {}
    asked = ((item.name, (*view.unknown_roles(item.name), *unknown_makers(view, item))) for item in view.tenants)
    return {name: missing for name, missing in asked if missing}


def _backed(claim: Claim) -> Claim:
    """Return a claim as it is when it carries what its verdict needs, else as UNKNOWN."""
    if claim.verdict is Verdict.PROVED and claim.reason:
        return claim
    if claim.verdict is Verdict.VIOLATED and claim.witness is not None and claim.witness.steps:
        return claim
    if claim.verdict is Verdict.UNKNOWN and claim.missing:
        return claim
    needed = {Verdict.PROVED: "a reason", Verdict.VIOLATED: "a witness", Verdict.UNKNOWN: "the fact that is missing"}
    how = f"this is a bug in Tenantry: rule {claim.channel} claims {claim.verdict} without {needed[claim.verdict]}"
    return replace(claim, verdict=Verdict.UNKNOWN, witness=None, missing=(Missing("", how),))


def _silent(channel: Channel, sources: Sequence[str], claims: Iterable[Claim], names: Sequence[str]) -> Iterator[Claim]:
    """Yield a claim for every pair of a source with a tenant that a rule says nothing about."""
    spoken: dict[str, set[str]] = {}
    for claim in claims:
        spoken.setdefault(claim.source, set()).add(claim.target)
    how = f"this is a bug in Tenantry: rule {channel.id} says nothing about this pair"
    for source in sources:
        targets = spoken.get(source, set())
        if "" in targets:
            continue
        if not targets:
            yield _unknown(channel, source, "", how)
            continue
        yield from (_unknown(channel, source, name, how) for name in names if name not in targets and name != source)


def _unknown(channel: Channel, source: str, target: str, how: str) -> Claim:
    missing = (Missing("", how),)
    return Claim(channel.id, source, target, Verdict.UNKNOWN, channel.effect, channel.impact, missing=missing)


def _order(claim: Claim) -> tuple[str, str, int, int, str, str, str]:
    """Order of claims of one channel: source, target, verdict, impact, then what backs it."""
    witness = repr(claim.witness) if claim.witness else ""
    return (
        claim.source,
        claim.target,
        RANK[claim.verdict],
        claim.impact,
        claim.effect.value,
        f"{claim.reason}{claim.missing}",
        witness,
    )
