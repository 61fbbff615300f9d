"""What is published about the load of GPU clusters: the statistics that synthetic traces are calibrated to.

Sources: **[A]** the summary of five clusters published with the Acme trace (InternLM/AcmeTrace,
``data/cluster_summary.csv``; job outcomes, means and medians of GPU jobs); **[P]** the Philly trace as one table
(quantiles, sizes and tenants computed from its rows); **[O]** Alibaba's cluster-trace-gpu-v2023, default pod list
(likewise). What no source tells is said to be assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tenantry.model.trace import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantMix:
    """One tenant's part in the load.

    Attributes:
        name: the tenant.
        jobs: its part of the jobs, in any unit that all tenants share.
        gpu_time: its part of the GPU-time, likewise.
        several: share of its jobs that ask for more than one GPU, 0 to 1; None for that of the profile.
        users: people in it; the k-th submits in proportion to 1/k.
        priorities: value, whether it may be evicted, and share of the jobs.
    """

    name: str
    jobs: float
    gpu_time: float
    several: float | None = None
    users: int = 8
    priorities: tuple[tuple[int, bool, float], ...] = ((50, True, 0.9), (100, False, 0.1))


@dataclass(frozen=True, slots=True)
class SizeClass:
    """Jobs of one size.

    Attributes:
        gpus: milli-GPUs of the job; 0 for one that needs only CPUs.
        share: of all jobs.
        stretch: how much more often than the smallest its jobs are long ones.
    """

    gpus: int
    share: float
    stretch: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The load of one cluster.

    Attributes:
        name: what users call it.
        durations: quantiles of the duration: share of the jobs and seconds, from 0 to 1.
        sizes: jobs by size; shares add up to 1.
        tenants: its tenants.
        outcomes: share of the jobs and share of the GPU-time that ended so.
        amplitude: how far submissions per hour swing around their mean in a day, 0 to 1.
        peak: hour of the day with most submissions.
        weekend: submissions on a day of the weekend to those on a working day.
        cores_per_gpu: millicores a job asks for with each GPU; 0 when unknown.
        cores: millicores of a job without GPUs.
    """

    name: str
    durations: tuple[tuple[float, float], ...]
    sizes: tuple[SizeClass, ...]
    tenants: tuple[TenantMix, ...]
    outcomes: tuple[tuple[Outcome, float, float], ...]
    amplitude: float
    peak: float
    weekend: float
    cores_per_gpu: int = 0
    cores: int = 0


def _tenants(rows: tuple[tuple[float, float, float | None], ...]) -> tuple[TenantMix, ...]:
    return tuple(
        TenantMix(name=f"tenant-{number:02d}", jobs=jobs, gpu_time=time, several=several)
        for number, (jobs, time, several) in enumerate(rows, start=1)
    )


PHILLY: Final = Profile(
    name="philly",
    # [P] Median 1,144 s, 90 % below 11,265 s, 99 % below 2.95 days, the longest 53.6 days.
    durations=(
        *((0.0, 1.0), (0.1, 60.0), (0.25, 180.0), (0.5, 1_144.0), (0.75, 2_700.0), (0.9, 11_265.0), (0.95, 33_000.0)),
        *((0.98, 138_000.0), (0.99, 254_880.0), (0.995, 450_000.0), (0.999, 1_400_000.0), (1.0, 4_632_000.0)),
    ),
    # [P] 93.2 % of one GPU; stretched so that jobs of eight GPUs have 48.4 % of the GPU-time.
    sizes=(
        SizeClass(1_000, 0.932),
        SizeClass(2_000, 0.021, 1.7),
        SizeClass(4_000, 0.0252, 3.3),
        SizeClass(8_000, 0.0194, 8.7),
        SizeClass(16_000, 0.0018, 8.0),
        SizeClass(32_000, 0.0006, 3.0),
    ),
    # [P] Percent of jobs, percent of GPU-time, share of jobs with several GPUs, of the eleven larger virtual clusters.
    tenants=_tenants(
        (
            *((50.1, 9.9, 0.01), (16.0, 2.0, 0.10), (14.0, 8.3, 0.08), (11.0, 12.9, 0.02), (1.8, 3.7, 0.18)),
            *(
                (1.8, 9.0, 0.22),
                (1.7, 1.1, 0.0),
                (1.8, 26.2, 0.65),
                (0.9, 18.5, 0.76),
                (0.5, 7.5, 0.85),
                (0.4, 0.9, 0.42),
            ),
        )
    ),
    # [A] 60.4 % completed, 9.0 % cancelled, 30.5 % failed; of the GPU-time 32.1, 29.4 and 38.6 %.
    outcomes=(
        (Outcome.COMPLETED, 0.604, 0.321),
        (Outcome.CANCELLED, 0.09, 0.294),
        (Outcome.FAILED, 0.305, 0.386),
    ),
    # [P] First harmonic of the hours of submission; a weekend day has 6,137 jobs for 10,442 on a working day.
    amplitude=0.31,
    peak=5.0,
    weekend=0.59,
)

# Assumed, after the shape of Philly's: two tenants have three fifths of the jobs, others most of the GPU-time.
_UNEVEN: Final = (
    *((40.0, 10.0, None), (20.0, 5.0, None), (15.0, 15.0, None), (10.0, 15.0, None), (6.0, 10.0, None)),
    *((4.0, 10.0, None), (3.0, 20.0, None), (2.0, 15.0, None)),
)

HELIOS: Final = Profile(
    name="helios",
    # [A] Median 206 s, mean 6,652 s, the longest 50 days; the quantiles between are assumed.
    durations=(
        *((0.0, 1.0), (0.1, 8.0), (0.25, 40.0), (0.5, 206.0), (0.75, 1_300.0), (0.9, 6_800.0), (0.95, 17_500.0)),
        *((0.98, 55_000.0), (0.99, 98_000.0), (0.995, 168_000.0), (0.999, 530_000.0), (1.0, 4_320_000.0)),
    ),
    # [A] Mean 3.7 GPUs, median 1, most 2,048; the shares are assumed.
    sizes=(
        SizeClass(1_000, 0.7125),
        SizeClass(2_000, 0.09, 1.3),
        SizeClass(4_000, 0.09, 1.5),
        SizeClass(8_000, 0.072, 2.0),
        SizeClass(16_000, 0.017, 2.0),
        SizeClass(32_000, 0.009, 2.0),
        SizeClass(64_000, 0.006, 2.0),
        SizeClass(128_000, 0.002, 2.0),
        SizeClass(256_000, 0.001),
        SizeClass(512_000, 0.0004),
        SizeClass(2_048_000, 0.0001),
    ),
    tenants=_tenants(_UNEVEN),
    # [A] 62.4 % completed, 22.1 % cancelled, 15.5 % failed; of the GPU-time 51.3, 39.4 and 9.3 %.
    outcomes=(
        (Outcome.COMPLETED, 0.624, 0.513),
        (Outcome.CANCELLED, 0.221, 0.394),
        (Outcome.FAILED, 0.155, 0.093),
    ),
    amplitude=0.3,
    peak=15.0,
    weekend=0.6,
)

SEREN: Final = Profile(
    name="seren",
    # [A] Median 122 s, mean 1,414 s, the longest 14 days; the quantiles between are assumed.
    durations=(
        *((0.0, 1.0), (0.1, 10.0), (0.25, 35.0), (0.5, 122.0), (0.75, 380.0), (0.9, 1_380.0), (0.95, 3_300.0)),
        *((0.98, 10_300.0), (0.99, 19_000.0), (0.995, 33_000.0), (0.999, 95_000.0), (1.0, 1_209_604.0)),
    ),
    # [A] Mean 5.7 GPUs, median 1, most 1,024; the shares are assumed.
    sizes=(
        SizeClass(1_000, 0.6991),
        SizeClass(2_000, 0.06),
        SizeClass(4_000, 0.05, 1.5),
        SizeClass(8_000, 0.138, 2.0),
        SizeClass(16_000, 0.0204, 2.0),
        SizeClass(32_000, 0.0155, 2.0),
        SizeClass(64_000, 0.0085, 2.0),
        SizeClass(128_000, 0.005, 2.0),
        SizeClass(256_000, 0.0022, 2.0),
        SizeClass(512_000, 0.001, 2.0),
        SizeClass(1_024_000, 0.0003, 2.0),
    ),
    tenants=_tenants(_UNEVEN),
    # [A] 49.7 % completed, 7.5 % cancelled, 42.9 % failed; of the GPU-time 21.2, 66.4 and 12.4 %.
    outcomes=(
        (Outcome.COMPLETED, 0.497, 0.212),
        (Outcome.CANCELLED, 0.075, 0.664),
        (Outcome.FAILED, 0.429, 0.124),
    ),
    amplitude=0.3,
    peak=15.0,
    weekend=0.6,
)

OPENB: Final = Profile(
    name="openb",
    # [O] Median 540 s, 90 % below 6,573 s, the longest 145 days.
    durations=(
        *((0.0, 1.0), (0.1, 80.0), (0.25, 167.0), (0.5, 540.0), (0.75, 1_974.0), (0.9, 6_573.0), (0.95, 16_425.0)),
        *((0.98, 40_752.0), (0.99, 99_719.0), (0.995, 742_962.0), (0.999, 8_772_762.0), (1.0, 12_537_496.0)),
    ),
    # [O] 13.3 % without GPU, 37.8 % with part of one, 48.0 % with one, 0.9 % with more.
    sizes=(
        SizeClass(0, 0.1335),
        SizeClass(160, 0.02),
        SizeClass(230, 0.03),
        SizeClass(320, 0.0427),
        SizeClass(470, 0.1081),
        SizeClass(650, 0.0403),
        SizeClass(810, 0.1365),
        SizeClass(1_000, 0.4797),
        SizeClass(2_000, 0.002),
        SizeClass(4_000, 0.0018),
        SizeClass(8_000, 0.0054),
    ),
    # The trace has no tenants: assumed.
    tenants=_tenants(_UNEVEN),
    # [O] 192 succeeded and 1,870 failed of the 7,255 that ran; the others were running and count as cancelled here.
    outcomes=(
        (Outcome.COMPLETED, 0.03, 0.03),
        (Outcome.CANCELLED, 0.71, 0.71),
        (Outcome.FAILED, 0.26, 0.26),
    ),
    # [O] First harmonic of the hours of creation, as if the unknown day began at midnight.
    amplitude=0.46,
    peak=23.0,
    weekend=1.0,
    # [O] 10.9 cores with each GPU, 17.6 where there is none.
    cores_per_gpu=10_900,
    cores=17_600,
)

PROFILES: Final = (PHILLY, HELIOS, SEREN, OPENB)
"""Every profile."""
