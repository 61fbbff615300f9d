"""What would change a decision: for each fact, the smallest change that leads to another recommendation.

Each change that is stated was tried: the decision was made again with it. It is applied to the facts that the decision
reads, with the number that is printed, so that what a reader does with it has the same effect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tenantry.efficient.advise.decide import Decision, decide
from tenantry.efficient.advise.facts import GIB, MIB, WHOLE, Speed, Verdict
from tenantry.efficient.advise.option import REPLICATED, options, usable
from tenantry.efficient.advise.rules import first_objection, gib, objections, older
from tenantry.efficient.advise.score import per_copy, per_gpu
from tenantry.model.spec import Trust

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.efficient.advise.facts import PoolFacts, WorkFacts
    from tenantry.efficient.advise.option import Option

DIGITS = 4
"""Significant digits of a speed that is printed."""
SMALLEST = 1e-9
"""Scores below are slips, and no break-even point is looked for among them."""
COPIES = 8
"""Copies whose memory is tried as a threshold; no GPU has more slices."""
BURSTS = 16
"""Ratios of peak to mean that are tried, whole numbers from 1 on."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one fact that changes the recommendation.

    Attributes:
        field: the fact: a field of the Workload document (``spec.gpuMemory``), or one of the pool (``pool.sharers``).
        value: its new value: for speeds a map that is merged; None where a field is left out.
        text: the change in words.
        decision: what is decided then.
    """

    field: str
    value: Any
    text: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class _Trial:
    field: str
    value: Any
    text: str
    work: WorkFacts
    pool: PoolFacts


def changes(work: WorkFacts, pool: PoolFacts, decision: Decision) -> tuple[Change, ...]:
    """Return the changes that lead to another recommendation, in a fixed order of facts."""
    found: list[Change] = []
    for ladder in _OF_REFUSED if decision.verdict is Verdict.REFUSED else _LADDERS:
        for trials in ladder(work, pool, decision):
            for trial in trials:
                after = decide(trial.work, trial.pool)
                if after.identity != decision.identity:
                    found.append(Change(trial.field, trial.value, trial.text, after))
                    break
    return tuple(found)


# Ladders: each yields trials of one fact in one direction, the smallest change first -------------------------------


def _speeds(work: WorkFacts, pool: PoolFacts, decision: Decision) -> Iterator[Iterator[_Trial]]:
    """Speeds at which a rival would win, and at which the leader would lose."""
    if work.interactive or decision.leader is None or decision.score.low < SMALLEST:
        return
    best = decision.score.low
    runner_up = 0.0
    for option in options(work, pool):
        if option.key == decision.leader.key:
            continue
        objection = first_objection(work, pool, option)
        if objection is not None and not (objection[0].id == "ADVISE-LATENCY" and objection[1].missing):
            continue
        runner_up = max(runner_up, per_gpu(work, pool, option).low)
        yield _faster(work, pool, option, best)
    leader = decision.leader
    if runner_up > SMALLEST and (leader.key in work.speeds):
        yield _slower(work, pool, leader, runner_up)


def _faster(work: WorkFacts, pool: PoolFacts, option: Option, best: float) -> Iterator[_Trial]:
    needed = _above(best / option.copies)
    others = {key: speed for key, speed in work.speeds.items() if key != option.key}
    if needed > per_copy(replace(work, speeds=others), pool, option).high:
        return  # a slice would have to be faster than one that holds it
    yield _speed_trial(work, pool, option, needed, "at least")


def _slower(work: WorkFacts, pool: PoolFacts, leader: Option, runner_up: float) -> Iterator[_Trial]:
    needed = _below(runner_up / leader.copies)
    if needed > 0:
        yield _speed_trial(work, pool, leader, needed, "at most")


def _speed_trial(work: WorkFacts, pool: PoolFacts, option: Option, value: float, how: str) -> _Trial:
    added = {option.key: value}
    of_whole = ""
    if not work.speeds and option.key != WHOLE:
        added[WHOLE] = 1.0
        of_whole = " of the whole GPU's"
    elif WHOLE in work.speeds and option.key != WHOLE:
        of_whole = f", {value / work.speeds[WHOLE].value:.3g} of the whole GPU's"
    speeds = {**work.speeds, **{key: Speed(number) for key, number in added.items()}}
    text = f"speed of {option.label} {how} {value:g}{of_whole}"
    return _Trial("spec.speed", added, text, replace(work, speeds=speeds), pool)


def _above(value: float) -> float:
    """Round up to a few digits, strictly above."""
    step = 10.0 ** (math.floor(math.log10(value)) - DIGITS + 1)
    return float(f"{(math.floor(value / step + 1e-9) + 1) * step:.{DIGITS}g}")


def _below(value: float) -> float:
    """Round down to a few digits, strictly below."""
    step = 10.0 ** (math.floor(math.log10(value)) - DIGITS + 1)
    return float(f"{(math.ceil(value / step - 1e-9) - 1) * step:.{DIGITS}g}")


def _memory(work: WorkFacts, pool: PoolFacts, decision: Decision) -> Iterator[Iterator[_Trial]]:
    counts = set(range(1, COPIES + 1)) if _shared(work, pool) else {1, 2}
    if work.burstiness is not None and len(counts) > 2:
        # Where as many copies fit as take turns, MPS and time-slicing change places.
        counts |= {max(1, int(work.burstiness)), int(work.burstiness) + 1}
    limits = {pool.memory // count for count in counts}
    for option in options(work, pool):
        if option.copies:
            limits.update(usable(pool, option))
    whole = sorted({_step(limit) for limit in limits if limit >= MIB})

    def trial(amount: int, how: str, told: int) -> _Trial:
        return _Trial(
            "spec.gpuMemory", quantity(amount), f"gpuMemory {how} {quantity(told)}", replace(work, memory=amount), pool
        )

    yield (trial(limit, "at most", limit) for limit in reversed(whole) if limit < work.memory)
    if decision.verdict is not Verdict.REFUSED:
        yield (trial(limit + MIB, "more than", limit) for limit in whole if limit >= work.memory)


def _shared(work: WorkFacts, pool: PoolFacts) -> bool:
    """Whether copies may share a GPU as far as rules go that read neither memory nor burstiness."""
    return any(
        option.mode in REPLICATED
        and not any(rule.id in _FIRM and not said.missing for rule, said in objections(work, pool, option))
        for option in options(work, pool)
    )


def _step(amount: int) -> int:
    """Round down to what :func:`quantity` can write."""
    return amount // MIB * MIB


def quantity(amount: int) -> str:
    """Write whole MiB as a quantity: ``16Gi`` or ``71168Mi``."""
    return f"{gib(amount)}Gi" if amount % (GIB // 4) == 0 else f"{amount // MIB}Mi"


def _trust(work: WorkFacts, pool: PoolFacts, decision: Decision) -> Iterator[Iterator[_Trial]]:
    del decision
    for value in Trust:
        if value is not work.trust:
            yield iter((_Trial("spec.trust", value.value, f"trust: {value.value}", replace(work, trust=value), pool),))


def _bursts(work: WorkFacts, pool: PoolFacts, decision: Decision) -> Iterator[Iterator[_Trial]]:
    del decision
    current = work.burstiness
    if not _shared(work, pool):
        return

    def trial(value: int, how: str) -> _Trial:
        return _Trial(
            "spec.burstiness", float(value), f"burstiness {how} {value}", replace(work, burstiness=float(value)), pool
        )

    if current is None:
        yield (trial(value, "known to be") for value in range(1, BURSTS + 1))
        return
    yield (trial(value, "at least") for value in range(int(current) + 1, BURSTS + 1))
    yield (trial(value, "at most") for value in range(min(BURSTS, math.ceil(current) - 1), 0, -1))


def _needs(work: WorkFacts, pool: PoolFacts, decision: Decision) -> Iterator[Iterator[_Trial]]:
    """Needs that could be dropped, and the pattern, which refuses nothing."""
    if work.latency is not None:
        yield iter((_Trial("spec.latency", None, "no latency goal", replace(work, latency=None), pool),))
    if work.nvlink:
        yield iter((_Trial("spec.nvlink", False, "no need of NVLink", replace(work, nvlink=False), pool),))
    if work.gpus > 1:
        yield iter((_Trial("spec.gpus", 1, "one GPU for a pod", replace(work, gpus=1), pool),))
    if work.fabric:
        yield iter((_Trial("spec.rdma", None, "no virtual functions", replace(work, fabric=""), pool),))
    for pattern in ("training", "inference", "interactive", "batch"):
        if pattern != work.pattern and decision.verdict is not Verdict.REFUSED:
            yield iter((_Trial("spec.pattern", pattern, f"pattern: {pattern}", replace(work, pattern=pattern), pool),))


def _surroundings(work: WorkFacts, pool: PoolFacts, decision: Decision) -> Iterator[Iterator[_Trial]]:
    """Facts of the pool and the platform."""
    del decision
    own = [name for name in pool.sharers if name in work.tenants]
    if len(pool.sharers) > 1 and own:
        alone = replace(pool, sharers=(own[0],))
        yield iter((_Trial("pool.sharers", (own[0],), f"a pool of {own[0]}'s own", work, alone),))
    if pool.mig_elsewhere:
        free = replace(pool, mig_elsewhere=())
        yield iter((_Trial("pool.mig_elsewhere", (), "no other pool partitioned with MIG", work, free),))
    if pool.mps_elsewhere:
        free = replace(pool, mps_elsewhere=())
        yield iter((_Trial("pool.mps_elsewhere", (), "no other pool shared by MPS", work, free),))
    if pool.coherent:
        free = replace(pool, coherent="")
        yield iter((_Trial("pool.coherent", "", "a driver that allows MIG on this GPU", work, free),))
    least = pool.gpu.minimum_driver
    if pool.driver and least and older(pool.driver, least):
        newer = replace(pool, driver=least)
        yield iter((_Trial("pool.driver", least, f"driver {least}", work, newer),))
    if pool.nvlink is None:
        joined = replace(pool, nvlink=True)
        yield iter((_Trial("pool.nvlink", True, "servers known to have NVLink", work, joined),))


_LADDERS = (_speeds, _memory, _trust, _bursts, _needs, _surroundings)
"""Facts that are changed, in the order in which changes are listed."""
_OF_REFUSED = (_memory, _needs, _surroundings)
"""Those that may help where no way of sharing is left; less trust never does, and speeds and bursts refuse nothing."""
_FIRM = frozenset(
    {
        "ADVISE-QUOTA", "ADVISE-SERVER", "ADVISE-TRUST", "ADVISE-TENANTS", "ADVISE-ONE-REPLICA", "ADVISE-NVLINK",
        "ADVISE-MPS-WITH-MIG",
    }
)  # fmt: skip
"""Rules that read neither memory nor burstiness."""


def reported(decision: Decision) -> str:
    """Say in a few words what a decision comes to."""
    if decision.verdict is Verdict.REFUSED:
        return "cannot run"
    lead = decision.leader.label if decision.leader else "nothing known"
    if decision.verdict is Verdict.ALLOWED:
        return lead
    return f"undecided, {lead} so far"
