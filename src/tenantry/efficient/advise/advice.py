"""The answer for a class of work in a pool: options with reasons, the recommendation, and how the pool stands to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tenantry.efficient.advise.changes import Change, changes
from tenantry.efficient.advise.decide import Decision, decide
from tenantry.efficient.advise.evidence import Lighter, lighter
from tenantry.efficient.advise.facts import WHOLE, Verdict
from tenantry.efficient.advise.measure import Missing, speed_missing
from tenantry.efficient.advise.option import Option, options, resource_of, share
from tenantry.efficient.advise.rules import first_objection, objections
from tenantry.efficient.advise.score import Bounds, per_copy, per_gpu, unit
from tenantry.efficient.advise.words import Fact, caveats, facts, missing_speed, reason
from tenantry.model.spec import SharingMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tenantry.efficient.advise.facts import PoolFacts, WorkFacts
    from tenantry.efficient.advise.gather import Gathered
    from tenantry.efficient.advise.rules import Rule


class Standing(StrEnum):
    """How what a pool does now stands to the recommendation."""

    AGREES = "agrees"
    CHANGE = "would change"
    UNDECIDED = "undecided"
    CANNOT = "cannot run there"


@dataclass(frozen=True, slots=True)
class Cell:
    """A class of work in a pool, with one way of sharing.

    Attributes:
        option: the way of sharing.
        verdict: allowed, refused or unknown.
        rule: id of the rule that decides; empty when it is allowed.
        source: where that rule comes from.
        reasons: the reasons in words: of a refusal every rule's, the first one deciding.
        score: what one GPU does, as bounds; None when it is refused.
        copy: speed of one copy, as bounds; None when it is refused or not what counts.
        share: part of a GPU that one copy takes.
        facts: the facts used, with where each stands.
        missing: what is not known, and how to learn it.
        caveats: what to know before taking it.
        offered: whether the pool offers it now to a tenant of the class.
    """

    option: Option
    verdict: Verdict
    rule: str
    source: str
    reasons: tuple[str, ...]
    score: Bounds | None
    copy: Bounds | None
    share: float
    facts: tuple[Fact, ...]
    missing: tuple[Missing, ...]
    caveats: tuple[str, ...]
    offered: bool


@dataclass(frozen=True)
class Advice:
    """The row of the matrix for a class of work in a pool.

    Attributes:
        gathered: the question.
        decision: the answer.
        unit: what scores count.
        cells: an entry for each option.
        changes: what would change the recommendation.
        standing: how the pool stands to it now.
        standing_reason: that in words.
        lighter: what less memory in the spec would change, as much as metrics saw in use; None when nothing.
    """

    gathered: Gathered
    decision: Decision
    unit: str
    cells: tuple[Cell, ...]
    changes: tuple[Change, ...]
    standing: Standing
    standing_reason: str
    lighter: Lighter | None = None

    @property
    def work(self) -> WorkFacts:
        """Facts of the class."""
        return self.gathered.work

    @property
    def pool(self) -> PoolFacts:
        """Facts of the pool."""
        return self.gathered.pool

    @property
    def leader(self) -> Cell | None:
        """The recommended cell, or the best of what is known."""
        chosen = self.decision.leader
        return next((cell for cell in self.cells if chosen and cell.option.key == chosen.key), None)

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What would have to be known for a decision, each once; empty when it is decided."""
        if self.decision.verdict is not Verdict.UNKNOWN:
            return ()
        keys = {option.key for option in self.decision.rivals}
        needed = [item for cell in self.cells if cell.option.key in keys for item in cell.missing]
        if needed and not self.work.interactive and WHOLE not in self.work.speeds:
            # What slices do is compared with the whole GPU, in one unit.
            needed.insert(0, speed_missing(self.work, Option(SharingMode.WHOLE, 1)))
        return tuple(dict.fromkeys(needed))


def advise(gathered: Gathered, locate: Callable[[str, str], str]) -> Advice:
    """Answer for one class of work in one pool.

    Args:
        gathered: the facts.
        locate: place of a fact in the user's files, by kind of document and field.
    """
    work, pool = gathered.work, gathered.pool
    decision = decide(work, pool)
    offered = offered_to(work, pool)
    cells = tuple(_cell(work, pool, option, offered, locate) for option in options(work, pool))
    standing, said = _standing(work, pool, decision, offered)
    return Advice(
        gathered, decision, unit(work), cells, changes(work, pool, decision), standing, said,
        lighter(work, pool, decision),
    )  # fmt: skip


def offered_to(work: WorkFacts, pool: PoolFacts) -> Mapping[str, Option]:
    """Return by kind what the pool offers now and a tenant of the class has a quota for."""
    held = frozenset().union(*(pool.quotas.get(name, frozenset()) for name in work.tenants)) if work.tenants else None
    return {option.kind: option for option in pool.offered if held is None or resource_of(option) in held}


def _cell(
    work: WorkFacts, pool: PoolFacts, option: Option, offered: Mapping[str, Option], locate: Callable[[str, str], str]
) -> Cell:
    found = objections(work, pool, option)
    score = copy = None
    missing: list[Missing] = [Missing(said.missing, said.measure) for _, said in found if said.missing]
    verdict, rule = Verdict.ALLOWED, None
    reasons: tuple[str, ...] = ()
    if found:
        first: Rule
        first, objection = found[0]
        verdict, rule = objection.verdict, first
        reasons = tuple(dict.fromkeys(said.reason for _, said in found if said.verdict is verdict))
    if verdict is not Verdict.REFUSED:
        score = per_gpu(work, pool, option)
        copy = None if work.interactive else per_copy(work, pool, option)
        missing += missing_speed(work, option, score)
        reasons += (reason(work, pool, option),)
    else:
        missing = []
    return Cell(
        option=option,
        verdict=verdict,
        rule=rule.id if rule else "",
        source=rule.source if rule else "",
        reasons=reasons,
        score=score,
        copy=copy,
        share=share(pool, option),
        facts=facts(work, pool, option, locate),
        missing=tuple(dict.fromkeys(missing)),
        caveats=caveats(work, pool, option) if verdict is not Verdict.REFUSED else (),
        offered=option in offered.values(),
    )


def _standing(
    work: WorkFacts, pool: PoolFacts, decision: Decision, offered: Mapping[str, Option]
) -> tuple[Standing, str]:
    now = " and ".join(option.label for option in offered.values()) or "nothing that its tenants have a quota for"
    if decision.verdict is Verdict.REFUSED:
        first = options(work, pool)[0]
        found = first_objection(work, pool, first)
        return Standing.CANNOT, f"in no way of sharing: {found[1].reason if found else 'nothing fits'}"
    fit = {kind: option for kind, option in offered.items() if not _refused(work, pool, option)}
    if not fit:
        why = "; ".join(
            f"{option.label}: {found[1].reason}"
            for option in offered.values()
            if (found := first_objection(work, pool, option)) is not None
        )
        return Standing.CANNOT, f"the pool offers {now}" + (f" ({why})" if why else "")
    if decision.verdict is Verdict.UNKNOWN or decision.leader is None:
        return Standing.UNDECIDED, f"the pool offers {now}"
    if decision.leader.kind in fit:
        return Standing.AGREES, _agrees(decision.leader, fit[decision.leader.kind])
    best = max((per_gpu(work, pool, option).low for option in fit.values()), default=0.0)
    gain = f", {decision.score.low / best:.3g} times as much" if best > 0 else ""
    return Standing.CHANGE, f"the pool offers {now}; {decision.leader.label} does more per GPU{gain}"


def _refused(work: WorkFacts, pool: PoolFacts, option: Option) -> bool:
    found = first_objection(work, pool, option)
    return found is not None and not found[1].missing


def _agrees(leader: Option, now: Option) -> str:
    if leader.copies == now.copies:
        return f"the pool offers {now.label}"
    return f"the pool offers {now.label}; {leader.copies} copies would fit as far as this class goes"


def clashes(rows: Sequence[Advice]) -> Iterator[str]:
    """Say which recommendations cannot be followed together: a pool is shared in one way, and MPS excludes MIG.

    A pool that is partitioned may leave GPUs whole, so whole GPUs and slices go together.
    """
    chosen: dict[str, dict[SharingMode, list[str]]] = {}
    for row in rows:
        if row.decision.verdict is Verdict.ALLOWED and row.decision.leader is not None:
            modes = chosen.setdefault(row.pool.name, {})
            modes.setdefault(row.decision.leader.mode, []).append(row.work.name)
    for pool, modes in sorted(chosen.items()):
        if len(modes) > 1 and set(modes) != {SharingMode.WHOLE, SharingMode.MIG}:
            said = ", ".join(f"{mode.value} for {_few(names)}" for mode, names in sorted(modes.items()))
            yield f"node pool {pool}: {said}; a pool is shared in one way, so it would have to be split"
    partitioned = sorted(pool for pool, modes in chosen.items() if SharingMode.MIG in modes)
    served = sorted(pool for pool, modes in chosen.items() if SharingMode.MPS in modes)
    if partitioned and served:
        yield (
            f"MIG in {_few(partitioned)} and MPS in {_few(served)} exclude each other on one platform: "
            "the device plugin refuses MPS beside MIG"
        )


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")
