"""Synthetic traces, held to what is published about real ones.

Sources: [A] the summary of five clusters published with the Acme trace; [P] the Philly trace as one table; [O]
Alibaba's cluster-trace-gpu-v2023, default pod list. Tolerances are a few times the spread between seeds.
"""

from __future__ import annotations

import csv
import itertools
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tenantry.fair.profiles import PROFILES, TenantMix
from tenantry.fair.synthetic import synthetic
from tenantry.model.job_table import JobTable
from tenantry.model.trace import Outcome, TraceJob

DAY = 86_400


@cache
def jobs_of(profile: str) -> tuple[TraceJob, ...]:
    """Some hundred thousand jobs: as many as a cluster of its size submits in weeks."""
    sizes = {"philly": (2816, 0.16, 120), "helios": (6416, 0.8, 14), "seren": (2288, 0.8, 14), "openb": (6212, 0.1, 90)}
    capacity, load, days = sizes[profile]
    return tuple(synthetic(7, capacity_gpus=capacity, load=load, days=days, profile=profile))


def quantile(jobs: Sequence[TraceJob], rank: float) -> int:
    durations = sorted(job.duration for job in jobs)
    return durations[int(rank * len(durations))]


def part(jobs: Sequence[TraceJob], chosen: Callable[[TraceJob], bool]) -> tuple[float, float]:
    """Share of the jobs and of the GPU-time."""
    work = sum(job.demand * job.duration for job in jobs)
    some = [job for job in jobs if chosen(job)]
    return len(some) / len(jobs), sum(job.demand * job.duration for job in some) / work


@pytest.mark.parametrize(
    ("profile", "rank", "seconds"),
    [
        pytest.param("philly", 0.5, 1_144, id="[P] Philly median"),
        pytest.param("philly", 0.9, 11_265, id="[P] Philly p90"),
        pytest.param("philly", 0.99, 2.95 * DAY, id="[P] Philly p99"),
        pytest.param("helios", 0.5, 206, id="[A] Helios median"),
        pytest.param("seren", 0.5, 122, id="[A] Seren median"),
        pytest.param("openb", 0.5, 540, id="[O] openb median"),
        pytest.param("openb", 0.9, 6_573, id="[O] openb p90"),
    ],
)
def test_durations_have_the_published_quantiles_within_5_percent(profile: str, rank: float, seconds: float) -> None:
    assert quantile(jobs_of(profile), rank) == pytest.approx(seconds, rel=0.05)


@pytest.mark.parametrize(
    ("profile", "seconds", "gpus", "longest"),
    [
        # [A] means of GPU jobs: run time, GPUs; the longest run time.
        pytest.param("helios", 6_652, 3.72, 4_320_009, id="Helios"),
        pytest.param("seren", 1_414, 5.68, 1_209_604, id="Seren"),
    ],
)
def test_means_are_the_published_ones_within_10_percent(
    profile: str, seconds: float, gpus: float, longest: int
) -> None:
    jobs = jobs_of(profile)
    assert sum(job.duration for job in jobs) / len(jobs) == pytest.approx(seconds, rel=0.1)
    assert sum(job.demand for job in jobs) / len(jobs) == pytest.approx(gpus * 1000, rel=0.1)
    assert max(job.duration for job in jobs) <= longest


def test_most_jobs_of_philly_have_one_gpu_and_jobs_of_eight_half_the_gpu_time() -> None:
    jobs = jobs_of("philly")
    # [P] 93.2 % of the jobs, within half a point.
    assert part(jobs, lambda job: job.demand == 1000)[0] == pytest.approx(0.932, abs=0.005)
    # [P] 48.4 % of the GPU-time, within 4 points.
    assert part(jobs, lambda job: job.demand == 8000)[1] == pytest.approx(0.484, abs=0.04)
    # [P] 978,078 GPU-hours in 82,247 jobs are 11.9 each; sizes and durations are tied by one number only: within 15 %.
    mean = sum(job.demand * job.duration for job in jobs) / len(jobs) / 3_600_000
    assert mean == pytest.approx(978_078 / 82_247, rel=0.15)


def test_tenants_of_philly_are_as_uneven_as_published() -> None:
    jobs = jobs_of("philly")
    # [P] One has 50.1 % of the jobs and 9.9 % of the GPU-time, another 1.8 % and 26.2 %: within a tenth of each.
    for tenant, by_jobs, by_time in (("tenant-01", 0.501, 0.099), ("tenant-08", 0.018, 0.262)):
        found = part(jobs, lambda job, tenant=tenant: job.tenant == tenant)  # type: ignore[misc]
        assert found == pytest.approx((by_jobs, by_time), rel=0.1)
    # [P] Three tenants have 60 to 85 % of their jobs on several GPUs.
    several = {tenant for tenant in {job.tenant for job in jobs} if _several(jobs, tenant) >= 0.6}
    assert several == {"tenant-08", "tenant-09", "tenant-10"}


def _several(jobs: Sequence[TraceJob], tenant: str) -> float:
    own = [job for job in jobs if job.tenant == tenant]
    return sum(job.demand > 1000 for job in own) / len(own)


@pytest.mark.parametrize(
    ("profile", "by_jobs", "by_time"),
    [
        # [A] completed, cancelled, failed.
        pytest.param("philly", (0.604, 0.09, 0.305), (0.321, 0.294, 0.386), id="Philly"),
        pytest.param("helios", (0.624, 0.221, 0.155), (0.513, 0.394, 0.093), id="Helios"),
        pytest.param("seren", (0.497, 0.075, 0.429), (0.212, 0.664, 0.124), id="Seren"),
    ],
)
def test_outcomes_are_the_published_ones(profile: str, by_jobs: tuple[float, ...], by_time: tuple[float, ...]) -> None:
    outcomes = (Outcome.COMPLETED, Outcome.CANCELLED, Outcome.FAILED)
    found = [part(jobs_of(profile), lambda job, it=outcome: job.outcome is it) for outcome in outcomes]  # type: ignore[misc]
    # Within a point of the jobs and 6 points of the GPU-time, which few jobs decide.
    assert [jobs for jobs, _ in found] == [pytest.approx(share, abs=0.01) for share in by_jobs]
    assert [time for _, time in found] == [pytest.approx(share, abs=0.06) for share in by_time]


def test_openb_jobs_share_gpus_or_need_none() -> None:
    jobs = jobs_of("openb")
    # [O] 48.0 % one GPU, 37.8 % part of one, 13.3 % none, 0.9 % several: within half a point.
    kinds = Counter(map(_kind, jobs))
    for kind, share in {"one": 0.48, "part": 0.378, "none": 0.133, "several": 0.009}.items():
        assert kinds[kind] / len(jobs) == pytest.approx(share, abs=0.005)
    # [O] 10.9 cores with each GPU; 14.0 with those of jobs without.
    gpus = sum(job.demand for job in jobs)
    assert sum(job.cpus * job.pods for job in jobs if job.gpus) / gpus == pytest.approx(10.9, rel=0.01)
    assert sum(job.cpus * job.pods for job in jobs) / gpus == pytest.approx(14.0, rel=0.05)


def _kind(job: TraceJob) -> str:
    if not job.gpus:
        return "none"
    return "part" if job.gpus < 1000 else "one" if job.gpus == 1000 else "several"


def test_submissions_follow_the_hours_and_days_of_philly() -> None:
    jobs = jobs_of("philly")
    days = Counter(job.submit // DAY % 7 for job in jobs)
    working, weekend = sum(days[day] for day in range(5)) / 5, (days[5] + days[6]) / 2
    # [P] 6,137 jobs on a day of the weekend, 10,442 on a working day. 120 days end with a Monday: within a tenth.
    assert weekend / working == pytest.approx(6_137 / 10_442, rel=0.1)
    hours = Counter(job.submit // 3600 % 24 for job in jobs)
    # [P] First harmonic of the hours: 31 % around the mean.
    assert max(hours.values()) / min(hours.values()) == pytest.approx(1.31 / 0.69, rel=0.15)


def test_philly_is_what_the_trace_itself_says(shared: Path) -> None:
    """The part of the trace at hand: 64,483 of 82,247 jobs, so that tolerances are wider than of the whole."""
    with (shared / "traces/philly/jobs.csv").open() as stream:
        rows = [(float(row["duration"]), int(row["num_gpus"])) for row in csv.DictReader(stream)]
    real = sorted(duration for duration, _ in rows)
    jobs = jobs_of("philly")
    for rank in (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995):
        assert quantile(jobs, rank) == pytest.approx(real[int(rank * len(real))], rel=0.15)
    work = sum(duration * gpus for duration, gpus in rows)
    for size in (1, 8):
        expected = sum(duration * gpus for duration, gpus in rows if gpus == size) / work
        assert part(jobs, lambda job, size=size: job.demand == size * 1000)[1] == pytest.approx(expected, abs=0.08)  # type: ignore[misc]


@pytest.mark.parametrize("profile", [each.name for each in PROFILES])
@pytest.mark.parametrize(("capacity", "load", "days"), [(64, 0.5, 2), (800, 1.3, 7.25), (5000, 0.05, 1)])
def test_the_load_is_met_within_1_percent_however_short_the_trace(
    profile: str, capacity: int, load: float, days: float
) -> None:
    for seed in range(3):
        jobs = list(synthetic(seed, capacity_gpus=capacity, load=load, days=days, profile=profile))
        offered = sum(job.demand * job.duration for job in jobs) / (capacity * 1000 * days * DAY)
        assert offered == pytest.approx(load, rel=0.01)
        assert max(job.submit for job in jobs) < days * DAY
        assert max(job.demand for job in jobs) <= capacity * 1000


def test_jobs_come_in_order_from_zero_with_names_of_their_own() -> None:
    jobs = list(synthetic(3, capacity_gpus=100, load=1.0, days=3))
    assert jobs[0].submit == 0
    assert all(one.submit <= other.submit for one, other in itertools.pairwise(jobs))
    assert list(JobTable.build(jobs)) == jobs
    assert len({job.name for job in jobs}) == len(jobs)
    assert all(job.duration > 0 and job.started is None for job in jobs)


def test_a_seed_gives_one_trace_in_every_process() -> None:
    def first(seed: int) -> list[TraceJob]:
        return list(itertools.islice(synthetic(seed, capacity_gpus=500, load=0.9, days=2), 500))

    assert first(1) == first(1)
    assert first(1) != first(2)
    code = (
        "from itertools import islice; from tenantry.fair.synthetic import synthetic;"
        "print(list(islice(synthetic(1, capacity_gpus=500, load=0.9, days=2), 500)))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == repr(first(1))


def test_jobs_of_several_nodes_are_pods_of_whole_nodes() -> None:
    jobs = list(synthetic(5, capacity_gpus=2000, load=1.0, days=10, gpus_per_node=4))
    assert {(job.pods, job.gpus) for job in jobs} == {
        (1, 1000), (1, 2000), (1, 4000), (2, 4000), (4, 4000), (8, 4000)
    }  # fmt: skip


def test_tenants_may_be_chosen_with_their_parts_priorities_and_people() -> None:
    tenants = [
        TenantMix(name="train", jobs=1, gpu_time=8, several=0.9, users=2, priorities=((50, True, 1.0),)),
        TenantMix(name="serve", jobs=3, gpu_time=2, several=0.0, priorities=((125, False, 3), (75, True, 1))),
    ]
    jobs = list(synthetic(1, capacity_gpus=2000, load=1.0, days=60, tenants=tenants))
    # A quarter of the jobs, and four fifths of the GPU-time.
    assert part(jobs, lambda job: job.tenant == "train") == pytest.approx((0.25, 0.8), abs=0.03)
    assert _several(jobs, "train") == pytest.approx(0.9, abs=0.02)
    assert _several(jobs, "serve") == 0
    assert {(job.priority, job.preemptible) for job in jobs if job.tenant == "train"} == {(50, True)}
    served = Counter((job.priority, job.preemptible) for job in jobs if job.tenant == "serve")
    assert served[125, False] / served[75, True] == pytest.approx(3, rel=0.1)
    people = Counter(job.user for job in jobs if job.tenant == "train")
    # The second submits half as often as the first.
    assert people["train-u1"] / people["train-u2"] == pytest.approx(2, rel=0.15)
    # The durations of all jobs together stay the published ones: [P] median 1,144 s.
    assert quantile(jobs, 0.5) == pytest.approx(1_144, rel=0.1)


def mix(name: str = "a", jobs: float = 1, gpu_time: float = 1, **more: Any) -> TenantMix:
    return TenantMix(name=name, jobs=jobs, gpu_time=gpu_time, **more)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"profile": "borg"}, "no profile 'borg'; expected one of philly", id="an unknown profile"),
        pytest.param({"load": 0}, "must be positive", id="no load"),
        pytest.param({"days": float("nan")}, "must be positive", id="no days"),
        pytest.param({"capacity_gpus": 0}, "must be positive", id="no cluster"),
        pytest.param({"gpus_per_node": 0}, "must be positive", id="no nodes"),
        pytest.param({"tenants": [mix(jobs=0)]}, "needs a name, jobs", id="no jobs"),
        pytest.param({"tenants": [mix(), mix()]}, "different names", id="a doubled name"),
        pytest.param({"tenants": [mix(several=2)]}, "from 0 to 1", id="more than all jobs"),
        pytest.param({"tenants": [mix(priorities=())]}, "priorities", id="no priority"),
        pytest.param(
            {"tenants": [mix("many", 999, 1, several=1.0), mix("few", 1, 999, several=0.0)]},
            r"tenant few cannot have 99\.9% of the GPU-time",
            id="a part that cannot be",
        ),
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_once(change: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"capacity_gpus": 100, "load": 1.0, "days": 1.0, **change}
    with pytest.raises(ValueError, match=message):
        synthetic(1, **arguments)  # type: ignore[arg-type]
