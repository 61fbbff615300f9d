"""The project's own format, read and written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trace_files import lines, met, read, read_text

from tenantry.errors import InputError
from tenantry.io.traces import open_trace, write_csv
from tenantry.model.trace import Outcome, TraceJob

# What separates columns and lines, letters of one to four bytes, and what other readers take for no value.
LETTERS = st.sampled_from('ab",\r\n |;é日\U0001f600\0\x85\u2028')
TEXTS = st.text(LETTERS, max_size=6)


@st.composite
def jobs(draw: st.DrawFn) -> TraceJob:
    submit = draw(st.integers(0, 10**9))
    return TraceJob(
        name=draw(st.text(LETTERS, min_size=1, max_size=6)),
        tenant=draw(st.text(LETTERS, min_size=1, max_size=6)),
        submit=submit,
        duration=draw(st.integers(1, 10**8)),
        pods=draw(st.integers(1, 10**6)),
        gpus=draw(st.integers(0, 10**9)),
        cpus=draw(st.integers(0, 10**9)),
        memory=draw(st.integers(0, 2**32 - 1)),
        gpu=draw(TEXTS),
        priority=draw(st.none() | st.integers(-(2**31), 2**31 - 1)),
        preemptible=draw(st.none() | st.booleans()),
        outcome=draw(st.sampled_from(Outcome)),
        started=draw(st.none() | st.integers(submit, submit + 10**9)),
        user=draw(TEXTS),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(given_jobs=st.lists(jobs(), max_size=8, unique_by=lambda job: job.name))
def test_what_is_written_is_read_back(tmp_path: Path, given_jobs: list[TraceJob]) -> None:
    path = tmp_path / "jobs.csv"
    first = TraceJob("the first", "t", 0, 1)  # times count from it
    assert write_csv([first, *given_jobs], path) == 1 + len(given_jobs)
    back, trace = read(path, strict=True)
    assert back == [first, *given_jobs]
    assert trace.format == "csv"


def test_three_columns_suffice(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, "tenant,submit,duration\nred,5,10\nblue,7.9,10.1\n")
    assert jobs == [TraceJob("job-00000002", "red", 0, 10), TraceJob("job-00000003", "blue", 2, 11)]
    assert (trace.format, trace.origin, trace.problems) == ("csv", None, ())


def test_columns_may_stand_in_any_order_and_case_and_others_are_passed_over(tmp_path: Path) -> None:
    text = "Duration , note,GPUS,Tenant,submit\n10,x,0.25,red,2024-05-01\n10,x,,red,2024-05-01T00:01Z\n"
    jobs, trace = read_text(tmp_path, text)
    assert [(job.tenant, job.gpus, job.submit) for job in jobs] == [("red", 250, 0), ("red", 1000, 60)]
    # 2024-05-01 is 19,844 days after 1970.
    assert trace.origin == 19_844 * 86_400


def test_gpus_are_of_the_job_without_pods_and_of_a_pod_with_them(tmp_path: Path) -> None:
    without, _ = read_text(tmp_path, "tenant,submit,duration,gpus\nt,0,1,16\nt,0,1,0.5\n", gpus_per_node=4)
    assert [(job.pods, job.gpus) for job in without] == [(4, 4000), (1, 500)]
    with_pods, _ = read_text(tmp_path, "tenant,submit,duration,gpus,pods\nt,0,1,16,2\nt,0,1,0.5,3\nt,0,1,1,\n")
    assert [(job.pods, job.gpus) for job in with_pods] == [(2, 16_000), (3, 500), (1, 1000)]


def test_times_with_and_without_offset_may_be_mixed_and_are_reported(tmp_path: Path) -> None:
    times = ["2024-05-01T10:00:00+02:00", "2024-05-01T08:00:30", "2024-05-01 03:30:10-04:30"]
    text = "tenant,submit,duration\n" + "".join(f"t,{time},5\n" for time in times)
    jobs, trace = read_text(tmp_path, text)
    assert [job.submit for job in jobs] == [0, 30, 10]
    assert met(trace) == {"TRACE-UNSORTED": 1, "TRACE-ZONES": 1}


def test_seconds_and_points_in_time_cannot_be_mixed(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, "tenant,submit,duration\nt,,5\nt,12,5\nt,2024-05-01,5\nt,14,5\n")
    assert [job.submit for job in jobs] == [0, 2]
    assert lines(trace) == [("TRACE-TIME", 2), ("TRACE-TIME", 4)]


def test_values_that_are_not_needed_are_ignored_when_they_make_no_sense(tmp_path: Path) -> None:
    text = (
        "tenant,submit,duration,cpus,memory,priority,preemptible,outcome\n"
        "t,0,1,many,lots,high,perhaps,somehow\n"
        "t,0,1,1.5,10,-3,true,failed\n"
        "t,0,1,nan,,,,\n"
    )
    jobs, trace = read_text(tmp_path, text)
    plain = TraceJob("job-00000002", "t", 0, 1)
    assert jobs[0] == plain
    assert jobs[1] == TraceJob("job-00000003", "t", 0, 1, 1, 1000, 1500, 10, "", -3, True, Outcome.FAILED)
    assert jobs[2] == TraceJob("job-00000004", "t", 0, 1)
    assert lines(trace) == [("TRACE-VALUE", 2)] * 5
    assert [(problem.expected, problem.found) for problem in trace.problems[2:]] == [
        ("a whole number of 32 bits", "high"),
        ("true or false", "perhaps"),
        ("completed or failed or cancelled or unknown", "somehow"),
    ]


def test_a_job_without_a_name_is_named_by_its_line_however_many_there_are(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, "name,tenant,submit,duration\n,t,0,1\n,t,0,1\nx,t,0,1\n")
    assert [job.name for job in jobs] == ["job-00000002", "job-00000003", "x"]
    assert trace.problems == ()


def test_a_trace_is_read_again_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("tenant,submit,duration\nt,0,1\nt,0,0\nt,1,1\n")
    trace = open_trace(path)
    assert trace.counts.rows == 0
    assert next(iter(trace)).submit == 0
    assert (trace.counts.rows, trace.counts.jobs) == (1, 1)
    assert len(list(trace)) == len(list(trace)) == 2
    assert (trace.counts.rows, trace.counts.jobs, trace.counts.left_out) == (3, 2, 1)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("as it was")
    with pytest.raises(InputError, match=r"t\.csv cannot be written: .*surrogates"):
        write_csv([TraceJob("a", "t", 0, 1), TraceJob("\udcff", "t", 0, 1)], path)
    assert path.read_text() == "as it was"
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.csv"]
    with pytest.raises(InputError, match="cannot be written: no such file"):
        write_csv([], tmp_path / "gone" / "t.csv")


def test_what_is_written_is_plain(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_csv([TraceJob('a "b"', "t,u", 1, 2, 3, 1500, 250, 4, "A100", 5, True, Outcome.COMPLETED, 6, "eve")], path)
    assert path.read_text() == (
        "name,tenant,submit,duration,pods,gpus,cpus,memory,gpu,priority,preemptible,outcome,started,user\n"
        '"a ""b""","t,u",1,2,3,1.5,0.25,4,A100,5,true,completed,6,eve\n'
    )
