"""What metrics say about a class of work, and how far it counts beside what the spec states.

The spec is never overruled in silence: more memory in use than it states counts, because work that needs it does not
run with less; everything else that it states counts, and what was seen is said beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.efficient.advise.changes import reported
from tenantry.efficient.advise.decide import Decision, decide
from tenantry.efficient.advise.facts import MIB, Evidence
from tenantry.efficient.advise.measure import Missing
from tenantry.efficient.advise.option import options
from tenantry.efficient.advise.pods import WHY_SHARED
from tenantry.efficient.advise.rules import first_objection, gib

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.efficient.advise.facts import PoolFacts, WorkFacts
    from tenantry.efficient.advise.option import Option
    from tenantry.efficient.advise.pods import Watched
    from tenantry.model.activity import Activity, Spread

ENOUGH = 20
"""Samples below which a 95th percentile (nearest rank) is nothing but the largest."""
BUSY, IDLE = 0.8, 0.5
"""SM_ACTIVE from which multiprocessors are well used, and below which they are not (NVIDIA DCGM user guide, profiling
metrics)."""
MOVING, STILL = 0.6, 0.3
"""DRAM_ACTIVE from which work is taken to be bound by memory, and below which it leaves most of it: a judgement,
3/4 and 3/8 of the 0.8 that can be reached in practice (NVIDIA DCGM user guide)."""
_ENABLE = "list it in the exporter's dcgm-metrics.csv (observability.profilingMetrics of a compiled tree)"


@dataclass(frozen=True, slots=True)
class Lighter:
    """What would follow if the spec stated no more memory than was seen in use.

    Attributes:
        memory: bytes seen in use.
        fits: names of ways of sharing that memory alone refuses now, in the order of the matrix.
        decision: what would be decided.
    """

    memory: int
    fits: tuple[str, ...]
    decision: Decision

    def said(self, before: Decision) -> str:
        """Say it in words, beside what is decided now."""
        fits = f"{', '.join(self.fits)} would fit" if self.fits else "no more would fit"
        after = reported(self.decision)
        return f"{fits}, and the advice would {'still be' if after == reported(before) else 'be'} {after}"


def with_evidence(work: WorkFacts, seen: Watched, memory_at: str, burstiness_at: str) -> WorkFacts:
    """Return the facts of a class as they are with what was seen of it.

    Args:
        work: facts as the spec has them.
        seen: what was seen.
        memory_at: where the spec states the memory, file and line.
        burstiness_at: where it states burstiness.
    """
    activity = seen.activities.get(work.name)
    if activity is None:
        return replace(work, unseen=tuple(_unseen(work.name, seen)))
    where = _where(activity)
    said: list[Evidence] = []
    peak = activity.peak_memory_mib
    used = peak * MIB if peak else None
    origins: dict[str, str] = {}
    if used is not None:
        said.append(_memory(work, activity, used, where, memory_at))
        if used > work.memory:
            origins["gpuMemory"] = f"{where}: DCGM_FI_DEV_FB_USED; {memory_at} states {gib(work.memory)} GiB"
    if activity.engine is not None and activity.engine_of_gpu is not None:
        said.append(Evidence("busy", _busy(activity.engine, activity.engine_of_gpu), where, ""))
    bursts = burstiness(activity)
    if bursts is not None:
        said.append(_bursts(work, bursts, where, burstiness_at))
        if work.burstiness is None:
            origins["burstiness"] = f"{where}: DCGM_FI_PROF_GR_ENGINE_ACTIVE, p95 to mean"
    said += _bound(activity, where)
    return replace(
        work,
        memory=max(work.memory, used or 0),
        burstiness=bursts if work.burstiness is None else work.burstiness,
        used=used,
        declared=work.memory,
        origins=origins,
        evidence=tuple(said),
        unseen=tuple(_missing(activity, bursts)),
    )


def burstiness(activity: Activity) -> float | None:
    """Return the 95th percentile of activity to its mean; None when that says nothing.

    Below 20 samples nothing is known of a percentile. Where work is busy less than a twentieth of the time, the
    percentile lies below the mean and is no peak. Peaks shorter than a scrape are not seen, because a sample is a mean
    over time. Weighted by slices, as a part of the whole GPU.
    """
    spread = activity.engine_of_gpu
    if spread is None or spread.samples < ENOUGH or spread.mean <= 0 or spread.p95 < spread.mean:
        return None
    # Rounded down, as it is printed: what is said is what was weighed.
    return max(1.0, int(spread.p95 / spread.mean * 100 + 1e-6) / 100)


def lighter(work: WorkFacts, pool: PoolFacts, decision: Decision) -> Lighter | None:
    """Return what less memory in the spec would change; None when the spec states no more than was seen, or nothing.

    Only what the memory that is stated refuses is listed: nothing else speaks against it.
    """
    if work.used is None or not 0 < work.used < work.memory:
        return None
    light = replace(work, memory=work.used)
    fits = tuple(
        option.label
        for option in options(light, pool)
        if _allowed(light, pool, option) and not _allowed(work, pool, option)
    )
    after = decide(light, pool)
    if not fits and after.identity == decision.identity:
        return None
    return Lighter(work.used, fits, after)


def _allowed(work: WorkFacts, pool: PoolFacts, option: Option) -> bool:
    found = first_objection(work, pool, option)
    return found is None or bool(found[1].missing)


def _where(activity: Activity) -> str:
    files = ", ".join(activity.files[:2])
    more = f" and {len(activity.files) - 2} more" if len(activity.files) > 2 else ""
    pods = f"{activity.pods} pod{'' if activity.pods == 1 else 's'}"
    span = f" over {duration(activity.span)}" if activity.span else ""
    gap = f", up to {duration(activity.gap)} without samples" if activity.gap else ""
    return f"{files}{more} ({pods}{span}{gap})"


def duration(seconds: float) -> str:
    """Write seconds for people: ``26 h``, ``90 min`` or ``45 s``."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _memory(work: WorkFacts, activity: Activity, used: int, where: str, stated: str) -> Evidence:
    value = f"{gib(used)} GiB at most on one GPU or slice"
    if activity.filled:
        value += ", most of what it had: a framework that reserves what it finds may need less"
    if used > work.memory:
        effect = f"counts, since {stated} states less: {gib(work.memory)} GiB"
    else:
        effect = f"{stated} states {gib(work.memory)} GiB, which counts"
    return Evidence("memory in use", value, where, effect)


def _busy(engine: Spread, of_gpu: Spread) -> str:
    text = f"{_percent(engine.mean)} of the time, {_percent(engine.p95)} at the 95th percentile"
    if of_gpu != engine:
        text += f"; weighted by slices {_percent(of_gpu.mean)} of a GPU"
    return text


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def _bursts(work: WorkFacts, bursts: float, where: str, stated: str) -> Evidence:
    effect = "counts, since the spec states none"
    if work.burstiness is not None:
        effect = f"{stated} states {work.burstiness:.4g}, which counts"
    return Evidence("burstiness", f"peak (p95) {bursts:.4g} times the mean activity", where, effect)


def _bound(activity: Activity, where: str) -> Iterator[Evidence]:
    """Yield in words what neighbours would contend for, by what is used at the 95th percentile."""
    compute, moved = activity.multiprocessors, activity.memory_traffic
    figures = " and ".join(
        f"{name} {_percent(spread.p95)}"
        for name, spread in (("SM_ACTIVE", compute), ("DRAM_ACTIVE", moved))
        if spread is not None
    )
    if figures:
        yield Evidence("bound by", f"{_words(compute, moved)} ({figures} at p95)", where, "not weighed")


def _words(compute: Spread | None, moved: Spread | None) -> str:
    full = compute is not None and compute.p95 >= BUSY
    if moved is not None and moved.p95 >= MOVING:
        also = "memory bandwidth and compute" if full else "memory bandwidth"
        return f"{also}: copies by MPS or time-slicing slow each other; MIG divides bandwidth"
    if full:
        return "compute: copies on one GPU take it from each other"
    if compute is not None and moved is not None and compute.p95 < IDLE and moved.p95 < STILL:
        return "neither compute nor memory bandwidth: copies are expected to disturb each other little"
    return "not clear from these figures: measure a copy beside another"


def _missing(activity: Activity, bursts: float | None) -> Iterator[Missing]:
    if activity.peak_memory_mib is None:
        yield Missing("memory in use", "collect DCGM_FI_DEV_FB_USED, which the exporter lists by default")
    if activity.engine is None:
        yield Missing("activity", f"collect DCGM_FI_PROF_GR_ENGINE_ACTIVE: {_ENABLE}; GPU_UTIL is not told under MIG")
    elif bursts is None:
        few = activity.engine.samples < ENOUGH
        why = f"{activity.engine.samples} samples, at least {ENOUGH} are needed" if few else "it is busy too rarely"
        yield Missing(f"burstiness: {why}", "a longer range, or spec.burstiness")
    if activity.multiprocessors is None:
        yield Missing("SM_ACTIVE", f"it is commented out in the exporter's default list: {_ENABLE}")
    if activity.memory_traffic is None:
        yield Missing("DRAM_ACTIVE", f"collect DCGM_FI_PROF_DRAM_ACTIVE: {_ENABLE}")


def _unseen(name: str, seen: Watched) -> Iterator[Missing]:
    pods = seen.shared.get(name, ())
    if pods:
        yield Missing(f"use by {_few(pods)}", WHY_SHARED)
    else:
        yield Missing("pods of the class in the metrics", f"name them {name}-..., label them, or --pods {name}=PREFIX")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
