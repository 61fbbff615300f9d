"""Jobs as columns."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantry.model import job_table
from tenantry.model.job_table import JobTable
from tenantry.model.trace import Outcome, TraceJob

U32 = st.integers(0, 2**32 - 1)
# Letters of one to four bytes, half of a surrogate pair, and what separates columns elsewhere.
WORDS = st.text(st.sampled_from('ab"\n,é日\U0001f600\udcff'), max_size=6)


@st.composite
def jobs(draw: st.DrawFn) -> TraceJob:
    submit = draw(st.integers(0, 2**31))
    return TraceJob(
        name=draw(WORDS),
        tenant=draw(WORDS),
        submit=submit,
        duration=draw(U32),
        pods=draw(U32),
        gpus=draw(U32),
        cpus=draw(U32),
        memory=draw(U32),
        gpu=draw(st.sampled_from(["", "A100", "V100M16|V100M32"])),
        priority=draw(st.none() | st.integers(-(2**31), 2**31 - 1)),
        preemptible=draw(st.none() | st.booleans()),
        outcome=draw(st.sampled_from(Outcome)),
        started=draw(st.none() | st.integers(submit, 2**32 - 1)),
        user=draw(WORDS),
    )


def order(job: TraceJob) -> tuple[int, str]:
    return job.submit, job.name


@settings(deadline=None)
@given(st.lists(jobs(), max_size=30, unique_by=order))
def test_every_job_comes_back_as_it_was_in_order_of_submission_and_name(given_jobs: list[TraceJob]) -> None:
    table = JobTable.build(given_jobs)
    assert list(table) == sorted(given_jobs, key=order)
    assert len(table) == len(given_jobs)


@settings(deadline=None)
@given(st.lists(jobs(), max_size=12, unique_by=order), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(given_jobs: list[TraceJob], source: random.Random) -> None:
    shuffled = given_jobs.copy()
    source.shuffle(shuffled)
    one, other = JobTable.build(given_jobs), JobTable.build(shuffled)
    assert list(one) == list(other)
    assert (one.tenants, one.users, one.models) == (other.tenants, other.users, other.models)
    assert one.tenant == other.tenant


def test_columns_and_lookup_agree() -> None:
    table = JobTable.build(
        [
            TraceJob("b", "red", 7, 10, started=9, priority=-5, preemptible=False, user="eve"),
            TraceJob("a", "blue", 7, 20, pods=2, gpus=500),
        ]
    )
    assert [table.name(0), table.name(1)] == ["a", "b"]
    assert list(table.submit) == [7, 7]
    assert [table.tenants[index] for index in table.tenant] == ["blue", "red"]
    assert [table.users[index] for index in table.user] == ["", "eve"]
    assert [table.waited(0), table.waited(1)] == [None, 2]
    assert [table.priority(0), table.priority(1)] == [None, -5]
    assert [table.preemptible(0), table.preemptible(1)] == [None, False]
    assert table[-1] == table[1]
    for outside in (2, -3):
        with pytest.raises(IndexError):
            table[outside]


def test_many_rows_are_sorted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_table, "_BUCKET", 16)
    source = random.Random(1)
    # A third of the jobs share one second, so that parts are uneven and names decide.
    given_jobs = [
        TraceJob(f"j{number:04d}", "t", 50 if number % 3 == 0 else source.randrange(100), 1) for number in range(1000)
    ]
    source.shuffle(given_jobs)
    assert list(JobTable.build(given_jobs)) == sorted(given_jobs, key=order)


def test_an_empty_table_is_a_table() -> None:
    table = JobTable.build([])
    assert (len(table), list(table), table.tenants, table.nbytes) == (0, [], (), 0)


def test_a_job_takes_51_bytes_and_its_name() -> None:
    table = JobTable.build(TraceJob(f"job-{number:08d}", "t", number, 1) for number in range(100))
    # Nine columns of 4 bytes (submit, duration, pods, gpus, cpus, memory, tenant, user, wait), priority 4, model 2,
    # flags 1, place of the name 8; the name has 12 bytes and its end one.
    assert table.nbytes == 100 * (9 * 4 + 4 + 2 + 1 + 8 + 12 + 1)


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(TraceJob("a", "t", -1, 1), id="submitted before the first"),
        pytest.param(TraceJob("a", "t", 0, 2**32), id="a duration beyond 32 bits"),
        pytest.param(TraceJob("a", "t", 5, 1, started=4), id="started before it was submitted"),
        pytest.param(TraceJob("a", "t", 0, 1, priority=2**31), id="a priority beyond 32 bits"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(job: TraceJob) -> None:
    with pytest.raises(ValueError, match="job 'a' does not fit"):
        JobTable.build([job])
