"""Traces of one job per row: Philly, Helios, Acme, openb and PAI, on rows made for these tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from trace_files import lines, met, read, read_text

from tenantry.errors import InputError
from tenantry.model.trace import Outcome, TraceJob

PHILLY = "timestamp,duration,num_gpus,gpu_time,cluster\n"
HELIOS = "job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,queue\n"
SEREN = "job_id,user,node_num,gpu_num,cpu_num,type,state,submit_time,start_time,end_time,duration,queue,gpu_time\n"
KALOS = (
    "job_id,user,node_num,gpu_num,cpu_num,mem_per_pod_GB,shared_mem_per_pod,type,state,submit_time,start_time,end_time,"
    "fail_time,stop_time,duration,queue,gpu_time\n"
)
OPENB = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n"
)


def test_philly_rows_become_jobs_named_by_their_line_and_counted_from_the_first_submission(tmp_path: Path) -> None:
    text = PHILLY + "2018-01-01 00:01:40,66.0,1,66.0,blue\n2018-01-01 00:00:00,0.2,20,4.0,red\n"
    jobs, trace = read_text(tmp_path, text)
    assert jobs == [
        TraceJob("philly-00000002", "blue", 100, 66, 1, 1000),
        # 20 GPUs on nodes of 8: the largest size that divides them is 5. A fifth of a second counts as one.
        TraceJob("philly-00000003", "red", 0, 1, 4, 5000),
    ]
    assert trace.format == "philly"
    assert trace.origin == 1_514_764_800
    assert lines(trace) == [("TRACE-UNSORTED", 3)]
    assert (trace.counts.rows, trace.counts.jobs, trace.counts.left_out) == (2, 2, 0)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        pytest.param("2018-01-01 00:00:00,0,1,0,t", "TRACE-DURATION", id="no duration"),
        pytest.param("2018-01-01 00:00:00,-5.0,1,0,t", "TRACE-DURATION", id="a negative duration"),
        pytest.param("2018-01-01 00:00:00,soon,1,0,t", "TRACE-DURATION", id="a duration in words"),
        pytest.param("2018-01-01 00:00:00,,1,0,t", "TRACE-DURATION", id="a missing duration"),
        pytest.param("2018-01-01 00:00:00,nan,1,0,t", "TRACE-DURATION", id="a duration that is no number"),
        pytest.param("2018-01-01 00:00:00,99999999999,1,0,t", "TRACE-ABSURD", id="thousands of years"),
        pytest.param(",5,1,0,t", "TRACE-TIME", id="a missing time"),
        pytest.param("2018-02-30 00:00:00,5,1,0,t", "TRACE-TIME", id="a day that is not"),
        pytest.param("2018-01-01 25:00:00,5,1,0,t", "TRACE-TIME", id="an hour that is not"),
        pytest.param("1970-01-01 00:00:00,5,1,0,t", "TRACE-TIME", id="the beginning of Unix"),
        pytest.param("01/02/2018,5,1,0,t", "TRACE-TIME", id="a date of another kind"),
        pytest.param("2018-01-01 00:00:00,5,-1,0,t", "TRACE-GPUS", id="negative GPUs"),
        pytest.param("2018-01-01 00:00:00,5,few,0,t", "TRACE-GPUS", id="GPUs in words"),
        pytest.param("2018-01-01 00:00:00,5,8.5,0,t", "TRACE-GPUS", id="half a GPU beyond a node"),
        pytest.param("2018-01-01 00:00:00,5,99999999,0,t", "TRACE-ABSURD", id="a hundred million GPUs"),
        pytest.param("2018-01-01 00:00:00,5,1,0,", "TRACE-TENANT", id="no virtual cluster"),
        pytest.param("2018-01-01 00:00:00,5,1,0", "TRACE-COLUMNS", id="a column too few"),
        pytest.param("2018-01-01 00:00:00,5,1,0,t,x", "TRACE-COLUMNS", id="a column too many"),
    ],
)
def test_a_row_that_cannot_be_a_job_is_left_out_with_its_line(tmp_path: Path, row: str, rule: str) -> None:
    good = "2018-01-01 00:00:09,5,1,5,t\n"
    jobs, trace = read_text(tmp_path, PHILLY + good + row + "\n" + good)
    assert [job.name for job in jobs] == ["philly-00000002", "philly-00000004"]
    assert lines(trace)[0] == (rule, 3)
    assert trace.counts.left_out == 1
    with pytest.raises(InputError, match=f"trace:3: .*{rule}"):
        read_text(tmp_path, PHILLY + good + row + "\n" + good, strict=True)


def test_a_submission_that_is_left_out_still_starts_the_clock(tmp_path: Path) -> None:
    text = PHILLY + "2018-01-01 00:00:00,0,1,0,t\n2018-01-01 00:00:07,5,1,5,t\n"
    jobs, trace = read_text(tmp_path, text)
    assert [job.submit for job in jobs] == [7]
    assert trace.origin == 1_514_764_800


def test_a_job_without_gpus_is_kept_and_remarked_on(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, PHILLY + "2018-01-01 00:00:00,5,0,0,t\n" * 2)
    assert [job.gpus for job in jobs] == [0, 0]
    assert met(trace) == {"TRACE-CPU-ONLY": 2}
    assert len(trace.problems) == 1


def test_helios_rows_have_outcome_user_and_a_pod_on_each_node(tmp_path: Path) -> None:
    text = (
        HELIOS
        + "7,ann,vcA,16,64,2,COMPLETED,2020-06-01 10:00:00,2020-06-01 10:00:30,2020-06-01 11:00:30,3600,30\n"
        + "8,bob,vcB,2,5,1,NODE_FAIL,2020-06-01 10:00:10,2020-06-01 10:00:10,2020-06-01 10:00:20,10,0\n"
        + "9,bob,vcB,12,0,8,CANCELLED,2020-06-01 10:00:11,2020-06-01 10:00:12,2020-06-01 10:00:22,10,1\n"
        + "10,bob,vcB,1,1,1,CANCELLED,2020-06-01 10:00:12,,,,\n"
    )
    jobs, trace = read_text(tmp_path, text)
    assert jobs == [
        # 64 cores on 2 nodes.
        TraceJob("7", "vcA", 0, 3600, 2, 8000, 32_000, outcome=Outcome.COMPLETED, started=30, user="ann"),
        TraceJob("8", "vcB", 10, 10, 1, 2000, 5_000, outcome=Outcome.FAILED, started=10, user="bob"),
        # 12 GPUs are 1.5 on each of 8 nodes, which is as good as any even split.
        TraceJob("9", "vcB", 11, 10, 8, 1500, 0, outcome=Outcome.CANCELLED, started=12, user="bob"),
    ]
    assert lines(trace) == [("TRACE-NEVER-RAN", 5)]
    by_user, _ = read_text(tmp_path, text, tenant="user")
    assert [(job.tenant, job.user) for job in by_user] == [("ann", "ann"), ("bob", "bob"), ("bob", "bob")]


def test_a_number_of_nodes_that_cannot_be_is_reported_and_ignored(tmp_path: Path) -> None:
    row = "7,ann,vcA,{},0,{},COMPLETED,2020-06-01 10:00:00,2020-06-01 10:00:00,2020-06-01 10:00:05,5,0\n"
    jobs, trace = read_text(tmp_path, HELIOS + row.format(64, 1))
    # 64 GPUs do not fit one node of 8: 8 pods of 8.
    assert [(job.pods, job.gpus) for job in jobs] == [(8, 8000)]
    assert lines(trace) == [("TRACE-SHAPE", 2)]
    jobs, trace = read_text(tmp_path, HELIOS + row.format(64, 1), gpus_per_node=72)
    assert [(job.pods, job.gpus) for job in jobs] == [(1, 64_000)]
    assert trace.problems == ()


def test_acme_counts_from_start_to_end_and_reads_offsets_and_memory(tmp_path: Path) -> None:
    text = (
        KALOS
        + "dlc1,ann,2,16,240,1000,10.0,Pretrain,COMPLETED,2023-05-01 08:00:00+08:00,2023-05-01 00:00:20+00:00,"
        + "2023-05-01 00:01:00+00:00,,,60,20.0,960.0\n"
        + "dlc2,bob,1,0,8,20,0,Other,CANCELLED,2023-05-01 00:00:30+00:00,2023-05-01 00:00:40+00:00,"
        + "2023-05-01 00:01:00+00:00,,2023-05-01 00:01:00+00:00,20,10.0,0.0\n"
    )
    jobs, trace = read_text(tmp_path, text)
    assert trace.format == "acme"
    assert jobs == [
        # 1000 GiB are 1,024,000 MiB. The duration of 60 s counts the 20 s in the queue.
        TraceJob("dlc1", "ann", 0, 40, 2, 8000, 120_000, 1_024_000, "", None, None, Outcome.COMPLETED, 20, "ann"),
        TraceJob("dlc2", "bob", 30, 20, 1, 0, 8_000, 20_480, "", None, None, Outcome.CANCELLED, 40, "bob"),
    ]
    assert met(trace) == {"TRACE-MISMATCH": 1, "TRACE-CPU-ONLY": 1}
    by_type, _ = read_text(tmp_path, text, tenant="type")
    assert [job.tenant for job in by_type] == ["Pretrain", "Other"]


def test_acme_without_memory_is_the_seren_form(tmp_path: Path) -> None:
    times = ",".join(f"2023-03-01 00:00:{second:02d}+08:00" for second in (0, 10, 30))
    row = f"1,ann,1,8,128,Other,FAILED,{times},20,10,160.0\n"
    jobs, trace = read_text(tmp_path, SEREN + row)
    assert [(trace.format, job.memory, job.cpus, job.outcome) for job in jobs] == [("acme", 0, 128_000, Outcome.FAILED)]
    # Midnight in China is 16:00 of the day before.
    assert trace.origin == 1_677_628_800 - 8 * 3600


def test_a_doubled_job_id_counts_once(tmp_path: Path) -> None:
    row = "{},ann,vcA,1,1,1,COMPLETED,2020-06-01 10:00:00,2020-06-01 10:00:00,2020-06-01 10:00:0{},{},0\n"
    jobs, trace = read_text(tmp_path, HELIOS + row.format(7, 5, 5) + row.format(8, 6, 6) + row.format(7, 9, 9))
    assert [(job.name, job.duration) for job in jobs] == [("7", 5), ("8", 6)]
    assert lines(trace) == [("TRACE-DUPLICATE", 4)]


def test_a_start_before_the_submission_is_ignored(tmp_path: Path) -> None:
    row = "7,ann,vcA,1,1,1,COMPLETED,2020-06-01 10:00:10,2020-06-01 10:00:00,2020-06-01 10:00:30,30,0\n"
    jobs, trace = read_text(tmp_path, HELIOS + row)
    assert [(job.started, job.duration) for job in jobs] == [(None, 30)]
    assert lines(trace) == [("TRACE-VALUE", 2)]


def test_openb_pods_ask_for_whole_gpus_or_part_of_one(tmp_path: Path) -> None:
    text = (
        OPENB
        + "a,4000,1024,8,1000,,LS,Succeeded,100,200,110\n"
        + "b,500,99,1,220,V100M16|V100M32,BE,Failed,90,150,95\n"
        + "c,500,99,2,500,,BE,Failed,90,150,95\n"
        + "d,500,99,1,1000,,BE,Pending,90,150,\n"
        + "e,500,99,1,1000,,BE,Running,90,95,95\n"
    )
    jobs, trace = read_text(tmp_path, text)
    assert jobs == [
        TraceJob("a", "all", 10, 90, 1, 8000, 4000, 1024, outcome=Outcome.COMPLETED, started=20),
        TraceJob("b", "all", 0, 55, 1, 220, 500, 99, "V100M16|V100M32", outcome=Outcome.FAILED, started=5),
        TraceJob("d", "all", 0, 0, 1, 1000, 500, 99),
        TraceJob("e", "all", 0, 0, 1, 1000, 500, 99, started=5),
    ]
    assert lines(trace) == [
        ("TRACE-NO-TENANTS", 1),
        ("TRACE-UNSORTED", 3),
        ("TRACE-GPUS", 4),
        ("TRACE-UNTIMED", 5),
        ("TRACE-UNTIMED", 6),
    ]


PAI_TASKS = (
    "j1,worker,4.0,Terminated,1050.0,1650.0,600.0,29.296875,50.0,V100\n"
    "j1,ps,1.0,Terminated,1040.0,1650.0,400.0,4.0,,MISC\n"
    "j2,tensorflow,1.0,Running,1100.0,,100.0,1.0,100.0,T4\n"
    "j3,pytorch,2.0,Failed,1200.0,1300.0,100.0,1.0,800.0,P100\n"
    "j4,pytorch,1.0,Waiting,,,100.0,1.0,100.0,P100\n"
)
PAI_JOBS = "j1,i1,ann,Terminated,1000.0,1650.0\nj2,i2,bob,Running,1100.0,\nj4,i4,bob,Waiting,0.0,\n"


def pai(folder: Path, *, jobs: bool = True) -> Path:
    (folder / "pai_task_table.csv").write_text(PAI_TASKS)
    if jobs:
        (folder / "pai_job_table.csv").write_text(PAI_JOBS)
    return folder


def test_pai_tasks_are_joined_with_their_jobs(tmp_path: Path) -> None:
    folder = pai(tmp_path)
    jobs, trace = read(folder)
    assert (trace.format, trace.origin) == ("pai", None)
    assert jobs == [
        # 600 % of a core are 6000 millicores, 29.296875 GiB 30,000 MiB, 50 % of a GPU 500 milli-GPUs.
        TraceJob("j1/worker", "ann", 0, 600, 4, 500, 6000, 30_000, outcome=Outcome.COMPLETED, started=50, user="ann"),
        TraceJob("j1/ps", "ann", 0, 610, 1, 0, 4000, 4096, outcome=Outcome.COMPLETED, started=40, user="ann"),
        # Not in the job table: launched 200 s after the first submission, by nobody known.
        TraceJob("j3/pytorch", "all", 200, 100, 2, 8000, 1000, 1024, outcome=Outcome.FAILED, started=200),
    ]
    assert lines(trace) == [
        ("TRACE-TIME", 3),
        ("TRACE-CPU-ONLY", 2),
        ("TRACE-UNFINISHED", 3),
        ("TRACE-ORPHAN", 4),
        ("TRACE-ORPHAN", 5),
        ("TRACE-NEVER-RAN", 5),
    ]
    for path in (folder / "pai_task_table.csv", folder / "pai_job_table.csv"):
        assert read(path)[0] == jobs
    with_models, _ = read(folder, assigned_model=True)
    assert [job.gpu for job in with_models] == ["V100", "MISC", "P100"]


def test_pai_tasks_alone_have_no_tenants(tmp_path: Path) -> None:
    jobs, trace = read(pai(tmp_path, jobs=False) / "pai_task_table.csv")
    # The first was launched at 1040.
    assert [(job.name, job.tenant, job.submit, job.started) for job in jobs] == [
        ("j1/worker", "all", 10, 10),
        ("j1/ps", "all", 0, 0),
        ("j3/pytorch", "all", 160, 160),
    ]
    assert "TRACE-NO-TENANTS" in met(trace)


def test_pai_tables_may_have_their_header(tmp_path: Path) -> None:
    folder = pai(tmp_path)
    expected, _ = read(folder)
    header = "job_name,task_name,inst_num,status,start_time,end_time,plan_cpu,plan_mem,plan_gpu,gpu_type\n"
    (folder / "pai_task_table.csv").write_text(header + PAI_TASKS)
    (folder / "pai_job_table.csv").write_text("job_name,inst_id,user,status,start_time,end_time\n" + PAI_JOBS)
    assert read(folder)[0] == expected


def test_a_column_that_cannot_stand_for_the_tenant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'user' cannot stand for the tenant; expected one of cluster"):
        read_text(tmp_path, PHILLY, tenant="user")


def test_a_table_without_jobs_is_a_trace_without_jobs(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, PHILLY)
    assert (jobs, trace.problems, trace.origin) == ([], (), None)
