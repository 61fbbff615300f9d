"""The decision: which option is certainly best, or which ones are still in the running.

An option is best when even the least it may do is no less than the most that any other may do. So nothing is decided by
a number that nobody knows, and a measurement that cannot change anything is not asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.efficient.advise.facts import Verdict
from tenantry.efficient.advise.option import options
from tenantry.efficient.advise.rules import first_objection
from tenantry.efficient.advise.score import NONE, Bounds, per_gpu
from tenantry.model.spec import SharingMode

if TYPE_CHECKING:
    from tenantry.efficient.advise.facts import PoolFacts, WorkFacts
    from tenantry.efficient.advise.option import Option

STEADY_ORDER = (SharingMode.WHOLE, SharingMode.MIG, SharingMode.MPS, SharingMode.TIME_SLICING)
"""Of equally good ways the simplest, then the one that isolates most."""
INTERACTIVE_ORDER = (SharingMode.WHOLE, SharingMode.MIG, SharingMode.TIME_SLICING, SharingMode.MPS)
"""Time-slicing before MPS: whoever is awake has the whole GPU, and MPS would hold each to its part."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a class of work in a pool.

    Attributes:
        verdict: ``allowed``: decided; ``unknown``: a fact is missing; ``refused``: no option is left.
        leader: the best of what is known; None when nothing is left or nothing is known.
        score: what one GPU does then.
        rivals: options that may be better, by how much they may do.
    """

    verdict: Verdict
    leader: Option | None
    score: Bounds
    rivals: tuple[Option, ...] = ()

    @property
    def identity(self) -> tuple[str, str]:
        """What a recommendation is: decided or not, and for which kind; a number of copies is a detail."""
        return self.verdict.value, self.leader.kind if self.leader else ""


def preference(work: WorkFacts, option: Option) -> tuple[int, int, str]:
    """Return the order among equally good options; lower is better. Of slices the larger, of replicas the fewer."""
    order = INTERACTIVE_ORDER if work.interactive else STEADY_ORDER
    size = -option.profile.memory * 8 - option.profile.compute if option.profile else option.copies
    return order.index(option.mode), size, option.key


def decide(work: WorkFacts, pool: PoolFacts) -> Decision:
    """Choose among all options of a class of work in a pool."""
    open_options: list[tuple[Option, Bounds, bool]] = []
    for option in options(work, pool):
        found = first_objection(work, pool, option)
        if found is None:
            open_options.append((option, per_gpu(work, pool, option), True))
        elif found[1].missing:
            open_options.append((option, Bounds(0.0, per_gpu(work, pool, option).high), False))
    if not open_options:
        return Decision(Verdict.REFUSED, None, NONE)
    sure = [(option, bounds) for option, bounds, allowed in open_options if allowed]
    leader, score = None, NONE
    if sure:
        leader, score = min(sure, key=lambda pair: (-pair[1].low, preference(work, pair[0])))
    better = [(option, bounds) for option, bounds, _ in open_options if bounds.high > score.low]
    rivals = [pair for pair in better if pair[0] is not leader]
    rivals.sort(key=lambda pair: (-pair[1].high, preference(work, pair[0])))
    verdict = Verdict.ALLOWED if leader and not rivals else Verdict.UNKNOWN
    return Decision(verdict, leader, score, tuple(option for option, _ in rivals))
