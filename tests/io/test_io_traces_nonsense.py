"""Whatever a file holds: a trace, problems with their places, or an InputError."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tenantry.errors import InputError
from tenantry.io.traces import FORMATS, TraceOptions, open_trace, read_nodes, read_quotas
from tenantry.model.job_table import JobTable
from tenantry.model.reading import walk
from tenantry.model.trace_problem import RULES

ONE_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)

HEADERS = {
    "openb": (
        "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time"
    ),
    "philly": "timestamp,duration,num_gpus,gpu_time,cluster",
    "helios": "job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,queue",
    "acme": (
        "job_id,user,node_num,gpu_num,cpu_num,mem_per_pod_GB,type,state,submit_time,start_time,end_time,duration,queue"
    ),
    "pai": "job_name,task_name,inst_num,status,start_time,end_time,plan_cpu,plan_mem,plan_gpu,gpu_type",
    "slurm": "JobID|User|Account|QOS|Submit|Start|Elapsed|State|NNodes|ReqTRES|AllocTRES",
    "csv": "name,tenant,submit,duration,pods,gpus,cpus,memory,gpu,priority,preemptible,outcome,started,user",
}

ROWS = {
    "openb": "a,1000,1024,1,500,A100,LS,Succeeded,5,9,6",
    "philly": "2024-01-01 00:00:05,66.0,1,66.0,red",
    "helios": "7,ann,red,16,8,2,COMPLETED,2024-01-01 00:00:05,2024-01-01 00:00:06,2024-01-01 00:00:09,3,1",
    "acme": "7,ann,2,16,8,10,Other,FAILED,2024-01-01 00:00:05+08:00,2024-01-01 00:00:06+08:00,2024-01-01 00:00:09Z,3,1",
    "pai": "j,worker,2.0,Terminated,5.0,9.0,600.0,1.5,50.0,T4",
    "slurm": "7|ann|red|normal|2024-01-01T00:00:05|2024-01-01T00:00:06|00:00:03|COMPLETED|2|cpu=8|gres/gpu=16,mem=8G",
    "csv": "a,red,5,3,2,0.5,1.5,10,A100,50,true,completed,6,ann",
}

# Values that are nearly right, numbers at the edges, and what stands for nothing.
CELLS = st.sampled_from(
    [
        *("", "0", "1", "8", "12", "1.0", "0.5", "-1", "1e3", "1e99", "nan", "inf", "None", "Unknown", "²", "١", "1_0"),
        *("9" * 30, "4000000000", "4000000001", "2024-01-01", "2024-01-01 00:00:00", "2024-01-01T00:00:00+09:00"),
        *("2024-02-30 00:00:00", "0000-00-00 00:00:00", "9999-12-31 23:59:59", "2024-01-01 00:00:60", "1970-01-01"),
        *("COMPLETED", "RUNNING", "CANCELLED by 5", "Terminated", "LS", "true", "A100", "123_4", "123.batch"),
        *("1-00:00:00", "gres/gpu=8", "gres/gpu:a100=2,mem=1P", "gres/gpu=1e99", "mem=", "cpu=-1"),
        *('"', "\udcff", "\0", "\r", "é" * 9),
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, bytes]:
    """A format and a table of it, in whose rows some values are nonsense."""
    form = draw(st.sampled_from(sorted(HEADERS)))
    delimiter = "|" if form == "slurm" else ","
    lines = [HEADERS[form]]
    for _ in range(draw(st.integers(0, 6))):
        row = ROWS[form].split(delimiter)
        row[0] = draw(st.sampled_from([row[0], row[0], f"{len(lines)}"])) if form != "philly" else row[0]
        for column, cell in draw(st.dictionaries(st.integers(0, len(row) - 1), CELLS, max_size=3)).items():
            row[column] = cell
        lines.append(delimiter.join(row))
    return form, "\n".join([*lines, ""]).encode("utf-8", "surrogateescape")


def consume(path: Path, form: str | None, *, strict: bool = False, tenant: str = "") -> None:
    """Read whatever it is; what comes out must be a trace."""
    try:
        trace = open_trace(path, format=form, options=TraceOptions(strict=strict, max_problems=5, tenant=tenant))
        jobs = list(trace)
    except InputError as error:
        str(error).encode()
        return
    names = [job.name for job in jobs]
    assert len(set(names)) == len(names)
    for job in jobs:
        assert job.submit >= 0
        assert job.pods >= 1
        assert job.gpus >= 0
        assert job.tenant
        assert job.name
        assert job.duration > 0 or (trace.format == "openb" and job.duration == 0)
        assert job.started is None or job.started >= job.submit
        job.name.encode()
    assert len(JobTable.build(jobs)) == len(jobs)
    assert trace.counts.jobs == len(jobs)
    assert len(trace.problems) <= 5
    for problem in trace.problems:
        assert problem.rule in RULES
        str(problem).encode()


@ONE_FILE
@given(st.binary(max_size=200), st.sampled_from([None, *(known.name for known in FORMATS)]), st.booleans())
@example(b"\x1f\x8b\x08\x00", None, False)
@example(b'{"items": [', "kubernetes", False)
@example(b"[" * 100_000, "philly-log", False)
@example(b"9" * 5000, "philly-log", False)
@example(b"a: [", "kubernetes", False)
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, form: str | None, strict: bool) -> None:
    path = tmp_path / "trace"
    path.write_bytes(content)
    consume(path, form, strict=strict)


@ONE_FILE
@given(tables())
def test_rows_of_nonsense_become_jobs_or_problems(tmp_path: Path, table: tuple[str, bytes]) -> None:
    path = tmp_path / "trace"
    path.write_bytes(table[1])
    assert open_trace(path).format == table[0]
    consume(path, None)
    consume(path, None, strict=True)


@pytest.mark.parametrize("form", sorted(ROWS))
def test_the_rows_that_nonsense_is_put_into_are_jobs(tmp_path: Path, form: str) -> None:
    path = tmp_path / "trace"
    path.write_text(f"{HEADERS[form]}\n{ROWS[form]}\n")
    assert len(list(open_trace(path))) == 1


TIMES = st.sampled_from([*(f"2024-01-01T00:{minute}0:00Z" for minute in range(4)), "yesterday", "", None])
WORDS = st.sampled_from(["", "a", "8", "0.5", "-1", "\ud800", "Pod", "Job", "Failed", "Running", "Scheduled", "Evict"])
SCALARS = st.none() | st.booleans() | st.integers(-2, 2**40) | WORDS | TIMES
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def mutants(draw: st.DrawFn, sound: str) -> Any:
    """A JSON text with some of its values replaced or left out."""
    root = [json.loads(sound)]
    for _ in range(draw(st.integers(0, 4))):
        holders = [
            (holder, key)
            for _, holder in walk(root)
            if isinstance(holder, dict | list)
            for key in (holder if isinstance(holder, dict) else range(len(holder)))
        ]
        holder, key = draw(st.sampled_from(holders))
        if holder is not root and draw(st.booleans()):
            del holder[key]
        else:
            holder[key] = draw(VALUES)
    return root[0]


def log_entry(name: str) -> dict[str, Any]:
    detail = [{"ip": "m1", "gpus": ["gpu0", "gpu1"]}]
    attempts = [
        {"start_time": "2024-01-01 00:00:10", "end_time": "2024-01-01 00:00:20", "detail": detail},
        {"start_time": "2024-01-01 00:00:30", "end_time": "2024-01-01 00:00:40", "detail": detail},
    ]
    submitted = "2024-01-01 00:00:00"
    return {"jobid": name, "vc": "v", "user": "u", "status": "Pass", "submitted_time": submitted, "attempts": attempts}


def cluster_objects() -> list[dict[str, Any]]:
    """A pod group with two pods that ended, a pod of a job, a pod of which only events tell, and what explains them."""

    def metadata(name: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "namespace": "n", "creationTimestamp": "2024-01-01T00:00:00Z", **more}

    def pod(name: str, resources: dict[str, Any], **more: Any) -> dict[str, Any]:
        ended = {"state": {"terminated": {"finishedAt": "2024-01-01T00:20:00Z"}}}
        placed = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2024-01-01T00:10:00Z"}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata(name, **more),
            "spec": {"containers": [{"resources": {"limits": resources}}], "priority": 5},
            "status": {"phase": "Succeeded", "conditions": [placed], "containerStatuses": [ended]},
        }

    def event(kind: str, name: str, reason: str, minute: int) -> dict[str, Any]:
        about = {"kind": kind, "namespace": "n", "name": name}
        when = f"2024-01-01T00:{minute}:00Z"
        return {"apiVersion": "v1", "kind": "Event", "involvedObject": about, "reason": reason, "eventTime": when}

    shared = {"pod-group-name": "g", "gpu-memory": "1000", "gpu-fraction-num-devices": "2"}
    owner = [{"kind": "Job", "name": "j", "controller": True}]
    spec = {"queue": "q", "priorityClassName": "c", "minMember": 2}
    group = {"apiVersion": "scheduling.run.ai/v2alpha2", "kind": "PodGroup", "metadata": metadata("g"), "spec": spec}
    return [
        group,
        pod("a", {"nvidia.com/mig-1g.10gb": 1}, annotations={"pod-group-name": "g"}),
        pod("b", {"cpu": "1", "memory": "1Gi"}, annotations=shared),
        pod("c", {"nvidia.com/gpu": "1"}, ownerReferences=owner, labels={"kai.scheduler/queue": "q"}),
        {"apiVersion": "v1", "kind": "Node", "metadata": metadata("m", labels={"nvidia.com/gpu.memory": "81559"})},
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": metadata("c"), "value": 75},
        event("PodGroup", "g", "Evict", 5),
        event("Pod", "d", "Scheduled", 10),
        event("Pod", "d", "Killing", 20),
    ]


LOG = json.dumps([log_entry("a"), log_entry("b")])
OBJECTS = json.dumps({"apiVersion": "v1", "kind": "List", "items": cluster_objects()})


@ONE_FILE
@given(mutants(LOG))
def test_logs_of_nonsense_become_jobs_or_problems(tmp_path: Path, log: Any) -> None:
    path = tmp_path / "trace"
    path.write_text(json.dumps(log))
    consume(path, "philly-log")
    consume(path, "philly-log", strict=True)


@ONE_FILE
@given(mutants(OBJECTS), st.sampled_from(["queue", "namespace", "user"]))
def test_objects_of_nonsense_become_jobs_or_problems(tmp_path: Path, objects: Any, tenant: str) -> None:
    path = tmp_path / "trace"
    path.write_text(json.dumps(objects))
    consume(path, "kubernetes", tenant=tenant)
    consume(path, "kubernetes", strict=True)


def test_the_json_that_nonsense_is_put_into_holds_jobs(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    for text, names in ((LOG, ["a", "b"]), (OBJECTS, ["n/g", "n/g/2", "n/j", "n/d"])):
        path.write_text(text)
        assert sorted(job.name for job in open_trace(path)) == sorted(names)


@ONE_FILE
@given(st.sampled_from(["vc,node num", "sn,cpu_milli,memory_mib,gpu,model", "name,gpus"]), st.lists(CELLS, max_size=5))
def test_lists_of_nodes_are_read_or_refused(tmp_path: Path, header: str, cells: list[str]) -> None:
    path = tmp_path / "nodes.csv"
    path.write_bytes((header + "\n" + ",".join(cells) + "\n").encode("utf-8", "surrogateescape"))
    for reader in (read_nodes, read_quotas):
        try:
            reader(path)
        except InputError as error:
            str(error).encode()


@pytest.mark.parametrize("seed", range(3))
def test_a_doubled_id_counts_once_in_any_order(tmp_path: Path, seed: int) -> None:
    import random

    source = random.Random(seed)
    names = [f"n{source.randrange(500)}" for _ in range(1000)]
    path = tmp_path / "trace"
    path.write_text("name,tenant,submit,duration\n" + "".join(f"{name},t,0,{n + 1}\n" for n, name in enumerate(names)))
    first = {name: number + 1 for number, name in reversed(list(enumerate(names)))}
    assert {job.name: job.duration for job in open_trace(path)} == first
