"""The words of a cell: its reason in plain numbers, the facts used, what is missing, and what to beware of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.efficient.advise.facts import WHOLE
from tenantry.efficient.advise.measure import Missing, speed_missing
from tenantry.efficient.advise.option import REPLICATED, share, usable
from tenantry.efficient.advise.rules import gib
from tenantry.efficient.advise.score import BY_TURNS, Bounds, per_copy, per_gpu
from tenantry.model.spec import SharingMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.efficient.advise.facts import PoolFacts, WorkFacts
    from tenantry.efficient.advise.option import Option


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that was used.

    Attributes:
        name: what it is about.
        value: what it says.
        where: file and line, or the source of the catalog.
    """

    name: str
    value: str
    where: str


def number(value: float) -> str:
    """Write a number for people: four digits, no point where none is needed."""
    return f"{value:.4g}" if math.isfinite(value) else "any number"


def bounds(value: Bounds) -> str:
    """Write bounds for people: a number, or what is known of it."""
    if value.known:
        return number(value.low)
    if math.isinf(value.high):
        return f"at least {number(value.low)}" if value.low else "not known"
    return f"{number(value.low)} to {number(value.high)}" if value.low else f"at most {number(value.high)}"


def reason(work: WorkFacts, pool: PoolFacts, option: Option) -> str:
    """Say how the score comes about."""
    if work.interactive:
        return _sessions(work, pool, option)
    if option.mode is SharingMode.TIME_SLICING and option.key not in work.speeds:
        return _turns(work, pool, option)
    each, total = per_copy(work, pool, option), per_gpu(work, pool, option)
    if option.mode is SharingMode.WHOLE:
        return "one copy has the whole GPU" + ("" if each.known else ", whose speed was not measured")
    measured = option.key in work.speeds
    part = f"{option.copies} x {bounds(each)}" if option.copies > 1 else bounds(each)
    text = f"{part} = {bounds(total)} per GPU" if option.copies > 1 else f"{part} per GPU"
    whole = per_copy(work, pool, _whole_like(option))
    if measured and whole.known and whole.low > 0:
        relative = each.low / whole.low
        text += f"; {relative:.3g} of the whole GPU's speed on {share(pool, option):.3g} of a GPU"
    elif not measured and work.latency is None:
        text += ", not measured"
    return text


def _whole_like(option: Option) -> Option:
    return type(option)(SharingMode.WHOLE, 1)


def _sessions(work: WorkFacts, pool: PoolFacts, option: Option) -> str:
    held = number(per_gpu(work, pool, option).low)
    if option.mode is SharingMode.WHOLE:
        return "one session holds the GPU, idle or not"
    if option.mode is SharingMode.MIG:
        return f"{held} sessions, each with its slice, idle or not"
    if option.mode is SharingMode.MPS:
        return f"{held} sessions, each with 1/{option.copies} of memory and of threads even when others idle"
    if work.burstiness is not None:
        burst = f"a peak of {number(work.burstiness)} times the mean"
        return f"{held} sessions: their memory fits, and with {burst} they take turns"
    return f"{held} sessions: {option.copies} x {gib(work.memory)} GiB fit, and whoever is awake has the whole GPU"


def _turns(work: WorkFacts, pool: PoolFacts, option: Option) -> str:
    total = per_gpu(work, pool, option)
    if work.burstiness is not None:
        return (
            f"copies take turns: peak {number(work.burstiness)} times the mean, so that {int(work.burstiness)} of "
            f"{option.copies} keep a GPU busy: {bounds(total)} per GPU"
        )
    if work.pattern in BY_TURNS:
        return f"copies take turns; pattern {work.pattern} keeps a GPU busy, so {bounds(total)} per GPU"
    return f"copies take turns; how many are idle at a time is not known: {bounds(total)} per GPU"


def missing_speed(work: WorkFacts, option: Option, score: Bounds) -> list[Missing]:
    """Return the measurement that would turn bounds into a number."""
    if score.known or work.interactive:
        return []
    if option.mode is SharingMode.TIME_SLICING and work.burstiness is None and work.pattern not in BY_TURNS:
        return [Missing("burstiness: peak to mean", f"spec.burstiness of Workload {work.name}")]
    if option.mode is SharingMode.TIME_SLICING and work.burstiness is not None:
        return [speed_missing(work, _whole_like(option))]
    return [speed_missing(work, option)]


def facts(work: WorkFacts, pool: PoolFacts, option: Option, locate: Callable[[str, str], str]) -> tuple[Fact, ...]:
    """Return the facts that a cell rests on, with where each stands."""
    return tuple(_facts(work, pool, option, locate))


def _facts(work: WorkFacts, pool: PoolFacts, option: Option, locate: Callable[[str, str], str]) -> Iterator[Fact]:
    def own(field: str, value: str) -> Fact:
        return Fact(field, value, locate("Workload", f"spec.{field}"))

    yield own("gpuMemory", f"{gib(work.memory)} GiB")
    sure, possible = usable(pool, option)
    certain = gib(sure) if sure == possible else f"{gib(sure)} to {gib(possible)}"
    if option.copies:
        yield Fact(f"memory of {option.label}", f"{certain} GiB", f"catalog: {pool.gpu.source}")
    yield own("pattern", work.pattern)
    if option.mode is not SharingMode.WHOLE:
        yield own("trust", work.trust.value)
    if option.mode in REPLICATED:
        yield Fact("tenants of the pool", ", ".join(pool.sharers) or "none", locate("NodePool", pool.name))
    if work.gpus > 1:
        yield own("gpus", str(work.gpus))
    if work.nvlink:
        yield own("nvlink", "true")
    if work.latency:
        yield own("latency", f"p{work.latency[0]:g} within {work.latency[1]:g} ms")
    if work.burstiness is not None and option.mode is SharingMode.TIME_SLICING:
        yield own("burstiness", number(work.burstiness))
    if option.profile is not None and pool.driver:
        yield Fact("driver", pool.driver, locate("NodePool", pool.name))
    for key in dict.fromkeys((option.key, WHOLE)):
        speed = work.speeds.get(key)
        if speed is not None:
            yield Fact(f"speed of {key}", f"{number(speed.value)} per second", speed.where)


def caveats(work: WorkFacts, pool: PoolFacts, option: Option) -> tuple[str, ...]:
    """Say what to know before taking an option that is allowed."""
    return tuple(_caveats(work, pool, option))


def _caveats(work: WorkFacts, pool: PoolFacts, option: Option) -> Iterator[str]:
    # Sources: NVIDIA GPU Operator, GPU sharing and MPS pages; NVIDIA MPS documentation; mig-parted; MIG user guide.
    if option.mode in REPLICATED:
        yield "use of a GPU is not attributed to pods (DCGM exporter)"
    if option.mode is SharingMode.TIME_SLICING:
        yield "a copy that takes more memory, or faults, ends its neighbours"
        if work.interactive and work.burstiness is None:
            yield "how often sessions compute at the same time is not known: spec.burstiness"
    if option.mode is SharingMode.MPS:
        yield "a fatal fault of one copy ends all of them"
    if option.mode is SharingMode.MIG:
        yield "another layout needs an idle GPU: its node is drained"
        if not pool.driver and pool.gpu.minimum_driver:
            yield f"the node image brings the driver; MIG needs {pool.gpu.minimum_driver}"
        if option.profile is not None and option.copies == 1 and option.profile.memory < pool.gpu.memory_slices:
            yield "one per GPU; the rest of the GPU is left to other slices and not counted here"
