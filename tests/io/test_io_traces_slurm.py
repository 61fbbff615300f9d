"""Slurm's accounting."""

from __future__ import annotations

from pathlib import Path

import pytest
from trace_files import lines, met, read_text

from tenantry.errors import InputError
from tenantry.io.traces.slurm_fields import elapsed, tracked
from tenantry.model.trace import Outcome, TraceJob

HEADER = "JobID|User|Account|Partition|QOS|Submit|Start|End|Elapsed|State|NNodes|ReqTRES|AllocTRES\n"


def row(job: str = "100", **fields: str) -> str:
    columns = {
        "JobID": job,
        "User": "ann",
        "Account": "vision",
        "Partition": "gpu",
        "QOS": "normal",
        "Submit": "2024-05-01T10:00:00",
        "Start": "2024-05-01T10:01:00",
        "End": "2024-05-01T11:01:00",
        "Elapsed": "01:00:00",
        "State": "COMPLETED",
        "NNodes": "1",
        "ReqTRES": "billing=8,cpu=8,gres/gpu=1,mem=64G,node=1",
        "AllocTRES": "billing=8,cpu=8,gres/gpu=1,mem=64G,node=1",
    }
    return "|".join((columns | fields).values()) + "\n"


def test_a_job_has_what_it_held(tmp_path: Path) -> None:
    held = "billing=256,cpu=256,gres/gpu:h100=16,gres/gpu=16,mem=2000G,node=2"
    text = HEADER + row(
        NNodes="2", AllocTRES=held, ReqTRES="cpu=256,gres/gpu=16", State="TIMEOUT", Elapsed="1-02:03:04"
    )
    jobs, trace = read_text(tmp_path, text)
    assert trace.format == "slurm"
    # 1 day, 2 h, 3 min and 4 s; 2000 GiB on two nodes; the model was given, not asked for.
    expected = TraceJob(
        "100", "vision", 0, 93_784, 2, 8000, 128_000, 1_024_000, outcome=Outcome.FAILED, started=60, user="ann"
    )
    assert jobs == [expected]
    assert read_text(tmp_path, text, assigned_model=True)[0][0].gpu == "h100"


def test_a_model_that_was_asked_for_is_needed(tmp_path: Path) -> None:
    jobs, _ = read_text(tmp_path, HEADER + row(ReqTRES="cpu=8,gres/gpu:a100=1"))
    assert jobs[0].gpu == "a100"


def test_steps_are_passed_over_and_arrays_and_components_are_jobs(tmp_path: Path) -> None:
    names = ["7", "7.batch", "7.extern", "7.0", "8_1", "8_1.batch", "8_[2-5]", "9+0", "9+1", "9+1.0"]
    pending = {"State": "PENDING", "Start": "Unknown", "End": "Unknown", "Elapsed": "00:00:00", "AllocTRES": ""}
    text = HEADER + "".join(row(name, **(pending if "[" in name else {})) for name in names)
    jobs, trace = read_text(tmp_path, text)
    assert [job.name for job in jobs] == ["7", "8_1", "9+0", "9+1"]
    assert met(trace) == {"TRACE-STEP": 5, "TRACE-NEVER-RAN": 1, "TRACE-PARTS": 2}


IN_THE_QUEUE = {"State": "CANCELLED by 1000", "Start": "None", "Elapsed": "00:00:00"}


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        pytest.param({"State": "RUNNING", "End": "Unknown"}, "TRACE-UNFINISHED", id="still running"),
        pytest.param(
            {"State": "CANCELLED by 1000", "Start": "None", "Elapsed": "00:00:00"},
            "TRACE-NEVER-RAN",
            id="cancelled in the queue",
        ),
        pytest.param({"State": "CANCELLED by 1000", "Elapsed": "00:00:00"}, "TRACE-DURATION", id="ended at once"),
        pytest.param({"Submit": "Unknown"}, "TRACE-TIME", id="no submission"),
        pytest.param({"Submit": "10:00:00"}, "TRACE-TIME", id="relative times"),
        pytest.param({"Elapsed": "an hour"}, "TRACE-DURATION", id="elapsed in words"),
        pytest.param({"Account": ""}, "TRACE-TENANT", id="no account"),
        pytest.param({"ReqTRES": "cpu=1", "AllocTRES": "cpu=1,gres/shard=4"}, "TRACE-GPUS", id="shares"),
        pytest.param({"ReqTRES": "", "AllocTRES": "gres/gpu=many"}, "TRACE-GPUS", id="GPUs in words"),
    ],
)
def test_a_record_that_cannot_be_a_job_is_left_out(tmp_path: Path, fields: dict[str, str], rule: str) -> None:
    jobs, trace = read_text(tmp_path, HEADER + row("1", **fields) + row("2"))
    assert [job.name for job in jobs] == ["2"]
    assert lines(trace) == [(rule, 2)]


def test_states_tell_how_a_job_ended(tmp_path: Path) -> None:
    states = {
        "COMPLETED": Outcome.COMPLETED,
        "CANCELLED by 1000": Outcome.CANCELLED,
        "CANCELLED+": Outcome.CANCELLED,
        "OUT_OF_MEMORY": Outcome.FAILED,
        "NODE_FAIL": Outcome.FAILED,
        "PREEMPTED": Outcome.FAILED,
        "SPECIAL_EXIT": Outcome.UNKNOWN,
    }
    text = HEADER + "".join(row(str(number), State=state) for number, state in enumerate(states))
    jobs, _ = read_text(tmp_path, text, priorities={"normal": 50})
    assert [job.outcome for job in jobs] == list(states.values())
    assert [job.preemptible for job in jobs] == [None, None, None, None, None, True, None]
    assert {job.priority for job in jobs} == {50}


def test_the_tenant_may_be_another_column(tmp_path: Path) -> None:
    for tenant, expected in {"user": "ann", "partition": "gpu", "qos": "normal"}.items():
        assert read_text(tmp_path, HEADER + row(), tenant=tenant)[0][0].tenant == expected


def test_few_columns_suffice_and_a_delimiter_may_end_the_line(tmp_path: Path) -> None:
    header = "JobIDRaw|Account|Submit|Start|ElapsedRaw|State|ReqTRES|\n"
    text = header + "5|nlp|2024-05-01T10:00:00|2024-05-01T10:00:00|9|COMPLETED|gres/gpu=4|\n"
    jobs, trace = read_text(tmp_path, text)
    assert jobs == [TraceJob("5", "nlp", 0, 9, 1, 4000, outcome=Outcome.COMPLETED, started=0)]
    assert trace.format == "slurm"


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="trace:1: there is no column account; columns separated by"):
        read_text(tmp_path, "JobID|Submit|State|Start|Elapsed\n")
    with pytest.raises(InputError, match="there is no column AllocTRES or ReqTRES"):
        read_text(tmp_path, "JobID|Submit|State|Start|Elapsed|Account\n")


@pytest.mark.parametrize(
    ("text", "gpus", "models"),
    [
        pytest.param("gres/gpu=4", 4000, "", id="only the sum"),
        pytest.param("gres/gpu:a100=2,gres/gpu:h100=1", 3000, "a100|h100", id="only models"),
        pytest.param("gres/gpu=4,gres/gpu:a100=4", 4000, "a100", id="both, counted once"),
        pytest.param("gres/gpu=4,gres/gpu:a100=2", 4000, "a100", id="some without a model"),
        # Three sevenths of the compute each, rounded down: 428 and 428.
        pytest.param("gres/gpu=2,gres/gpu:3g.40gb=2", 856, "", id="slices"),
        pytest.param("gres/gpu=3,gres/gpu:1g.10gb=1,gres/gpu:h100=2", 2142, "h100", id="slices and whole ones"),
        pytest.param("cpu=4", 0, "", id="none"),
    ],
)
def test_gpus_are_counted_once(text: str, gpus: int, models: str) -> None:
    assert (tracked(text).gpus, tracked(text).models) == (gpus, models)


def test_memory_has_units_of_1024() -> None:
    sizes = {"mem=1G": 1024, "mem=500M": 500, "mem=2T": 2 * 1024**2, "mem=1.5G": 1536, "mem=4096K": 4, "mem=1000": 1000}
    assert {text: tracked(text).memory for text in sizes} == sizes


def test_an_amount_of_memory_that_cannot_be_read_is_ignored(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, HEADER + row(AllocTRES="cpu=8,mem=lots,gres/gpu=1"))
    assert [(job.memory, job.cpus, job.gpus) for job in jobs] == [(0, 8000, 1000)]
    assert [(problem.rule, problem.found) for problem in trace.problems] == [("TRACE-VALUE", "mem=lots")]


def test_elapsed_time_has_days() -> None:
    assert elapsed("00:01:30") == 90
    assert elapsed("2-00:00:01") == 172_801
    assert elapsed("59:59.123") == 3599
    assert elapsed("172801") == 172_801
