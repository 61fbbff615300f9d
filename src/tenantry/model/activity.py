"""How busy workloads kept the GPUs or slices they had, as monitoring saw it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Spread:
    """Samples of a ratio from 0 to 1.

    Attributes:
        samples: how many.
        mean: their mean.
        p95: the value that 95 % of them do not surpass (nearest rank).
    """

    samples: int
    mean: float
    p95: float


def spread(values: Sequence[float]) -> Spread | None:
    """Sum up samples; None when there are none."""
    if not values:
        return None
    ranked = sorted(values)
    return Spread(len(ranked), math.fsum(ranked) / len(ranked), ranked[math.ceil(0.95 * len(ranked)) - 1])


@dataclass(frozen=True, slots=True)
class Activity:
    """What monitoring saw of one workload. None means that it was not collected, never that it was zero.

    Attributes:
        namespace: namespace of its pods.
        workload: its name.
        pods: pods seen.
        engine: part of the time any kernel was resident on what the workload had, its slice or its GPU. One thread is
            enough to show 1.
        engine_of_gpu: the same as a part of the whole GPU: under MIG weighted by compute slices.
        multiprocessors: part of the multiprocessors with a warp, averaged over time (``SM_ACTIVE``).
        memory_traffic: part of the time memory was moved (``DRAM_ACTIVE``); about 0.8 is the practical peak.
        peak_memory_mib: most GPU memory in use on one GPU or slice, in MiB.
    """

    namespace: str
    workload: str
    pods: int
    engine: Spread | None = None
    engine_of_gpu: Spread | None = None
    multiprocessors: Spread | None = None
    memory_traffic: Spread | None = None
    peak_memory_mib: int | None = None
