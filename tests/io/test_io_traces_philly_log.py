"""Philly as published: a JSON array of jobs with attempts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trace_files import lines, met, read_text

from tenantry.errors import InputError
from tenantry.model.trace import Outcome, TraceJob


def attempt(start: str | None, end: str | None, *gpus: int) -> dict[str, Any]:
    detail = [{"ip": f"m{server}", "gpus": [f"gpu{n}" for n in range(count)]} for server, count in enumerate(gpus)]
    return {"start_time": start, "end_time": end, "detail": detail}


def job(name: str, *attempts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "status": "Pass",
        "vc": "red",
        "jobid": name,
        "attempts": list(attempts),
        "submitted_time": "2018-01-01 00:00:00",
        "user": "ann",
        **fields,
    }


def at(minute: int) -> str:
    return f"2018-01-01 {minute // 60:02d}:{minute % 60:02d}:00"


def read_log(folder: Path, *jobs: Any, indent: int | None = None, **options: Any) -> Any:
    return read_text(folder, json.dumps(list(jobs), indent=indent), **options)


def test_attempts_add_up_and_the_first_tells_the_shape(tmp_path: Path) -> None:
    jobs, trace = read_log(
        tmp_path,
        job("a", attempt(at(1), at(11), 8, 8), attempt(at(20), at(25), 8), status="Killed"),
        job("b", attempt(at(2), at(3), 5, 3), status="Failed", submitted_time=at(1), vc="blue"),
    )
    assert trace.format == "philly-log"
    assert jobs == [
        # 10 and 5 minutes; the 9 minutes between are waiting.
        TraceJob("a", "red", 0, 900, 2, 8000, outcome=Outcome.CANCELLED, started=60, user="ann"),
        # 5 and 3 GPUs on two servers are no pods alike: 8 on one.
        TraceJob("b", "blue", 60, 60, 1, 8000, outcome=Outcome.FAILED, started=120, user="ann"),
    ]
    assert trace.origin == 1_514_764_800
    assert trace.problems == ()
    assert [each.tenant for each in read_log(tmp_path, job("a", attempt(at(1), at(2), 1)), tenant="user")[0]] == ["ann"]


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        pytest.param(job("x"), "TRACE-NEVER-RAN", id="no attempts"),
        pytest.param(job("x", attempt(at(1), None, 1)), "TRACE-UNFINISHED", id="still running"),
        pytest.param(job("x", attempt(at(1), "None", 1)), "TRACE-UNFINISHED", id="still running, in words"),
        pytest.param(job("x", attempt(at(1), at(2))), "TRACE-GPUS", id="no GPUs"),
        pytest.param(job("x", attempt(at(1), at(1), 1)), "TRACE-DURATION", id="no time"),
        pytest.param(job("", attempt(at(1), at(2), 1)), "TRACE-NAME", id="no id"),
        pytest.param(job("x", attempt(at(1), at(2), 1), vc=""), "TRACE-TENANT", id="no virtual cluster"),
        pytest.param(job("x", attempt(at(1), at(2), 1), submitted_time=None), "TRACE-TIME", id="no submission"),
        pytest.param(job("good", attempt(at(1), at(2), 1)), "TRACE-DUPLICATE", id="a doubled id"),
        pytest.param("a job", "TRACE-JSON", id="a text"),
    ],
)
def test_a_job_that_cannot_be_read_is_left_out_with_its_line(tmp_path: Path, entry: Any, rule: str) -> None:
    good = job("good", attempt(at(1), at(2), 1))
    jobs, trace = read_log(tmp_path, good, entry, job("last", attempt(at(1), at(2), 1)), indent=0)
    assert [each.name for each in jobs] == ["good", "last"]
    first, *rest = trace.problems
    assert (first.rule, rest) == (rule, [])
    # Indented by nothing, each value of the first job stands on a line: [ { status vc jobid ... } and then the next.
    assert first.location.line == json.dumps([good], indent=0).count("\n") + 1


def test_an_attempt_without_times_is_ignored_when_others_have_them(tmp_path: Path) -> None:
    jobs, trace = read_log(tmp_path, job("a", attempt(None, None, 2), attempt(at(5), at(6), 2)))
    assert [(each.started, each.duration, each.gpus) for each in jobs] == [(300, 60, 2000)]
    assert met(trace) == {"TRACE-VALUE": 1}


def test_text_that_stops_being_json_keeps_the_jobs_before(tmp_path: Path) -> None:
    text = json.dumps([job("a", attempt(at(1), at(2), 1)), job("b", attempt(at(1), at(2), 1))], indent=1)
    cut = text[: text.index('"b"')]
    jobs, trace = read_text(tmp_path, cut)
    assert [each.name for each in jobs] == ["a"]
    assert lines(trace) == [("TRACE-JSON", cut.count("\n") + 1)]
    with pytest.raises(InputError, match="TRACE-JSON"):
        read_text(tmp_path, cut, strict=True)


def test_many_jobs_are_read_in_parts(tmp_path: Path) -> None:
    # Some 3 MB: records lie across the ends of blocks.
    jobs, trace = read_log(tmp_path, *(job(f"j{number}", attempt(at(1), at(2), 1)) for number in range(12_000)))
    assert [each.name for each in jobs] == [f"j{number}" for number in range(12_000)]
    assert trace.problems == ()
