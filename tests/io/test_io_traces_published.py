"""Traces that others published, as they are in the data root."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from trace_files import met, read

from tenantry.io.traces import read_nodes, read_quotas
from tenantry.model.job_table import JobTable
from tenantry.model.trace import Outcome


def test_philly_has_64483_jobs_of_13_virtual_clusters_nearly_all_of_one_gpu(shared: Path) -> None:
    jobs, trace = read(shared / "traces/philly/jobs.csv")
    assert (trace.format, len(jobs), trace.timed) == ("philly", 64_483, True)
    assert len({job.tenant for job in jobs}) == 13
    # Rows follow no order; nothing else is wrong.
    assert set(met(trace)) == {"TRACE-UNSORTED"}
    sizes = Counter(job.demand // 1000 for job in jobs)
    # 60,522 of 64,483 are 93.9 %.
    assert sizes == {1: 60_522, 2: 1_217, 4: 1_461, 8: 1_136, 12: 7, 16: 106, 24: 4, 32: 30}
    shapes = Counter((job.pods, job.gpus) for job in jobs if job.demand > 8000)
    assert shapes == {(2, 6000): 7, (2, 8000): 106, (3, 8000): 4, (4, 8000): 30}
    # The column gpu_time adds up to 2,788,521,197 GPU-seconds, 774,589 GPU-hours.
    assert sum(job.demand * job.duration for job in jobs) == 2_788_521_197_000
    # 2017-09-04 10:30:41 as if it were UTC: 17,413 days and 37,841 s after 1970.
    assert trace.origin == 17_413 * 86_400 + 37_841
    assert min(job.submit for job in jobs) == 0


def test_philly_sorted_into_a_table_is_the_same_trace(shared: Path) -> None:
    jobs, _ = read(shared / "traces/philly/jobs.csv")
    table = JobTable.build(jobs)
    assert list(table) == sorted(jobs, key=lambda job: (job.submit, job.name))
    # 2017-11-14 23:56:00 less 2017-09-04 10:30:41.
    assert table.submit[len(table) - 1] == 71 * 86_400 + 13 * 3600 + 25 * 60 + 19


def test_philly_quotas_are_352_nodes_of_11_virtual_clusters(shared: Path) -> None:
    quotas = read_quotas(shared / "traces/philly/vc_nodes.csv")
    assert list(quotas.values()) == [64, 32, 16, 64, 64, 16, 32, 16, 8, 8, 32]
    nodes = read_nodes(shared / "traces/philly/vc_nodes.csv")
    assert len(nodes) == 352
    assert sum(node.gpus for node in nodes) == 2816
    assert (nodes[0].name, nodes[-1].name) == ("6214e9-0000", "0e4a51-0031")


def test_openb_has_8152_pods_with_the_published_mix(shared: Path) -> None:
    jobs, trace = read(shared / "traces/openb/pods_default.csv")
    assert (trace.format, len(jobs), trace.origin) == ("openb", 8_152, None)
    whole = sum(job.gpus == 1000 for job in jobs)
    part = sum(0 < job.gpus < 1000 for job in jobs)
    none = sum(job.gpus == 0 for job in jobs)
    # 48.0 %, 37.8 % and 13.3 %; 75 pods of several GPUs are the rest.
    assert (whole, part, none, len(jobs) - whole - part - none) == (3_911, 3_078, 1_088, 75)
    assert Counter(job.gpus for job in jobs if job.gpus > 1000) == {8000: 44, 4000: 15, 2000: 16}
    # 6,086.8 GPUs, 98.0 % of the 6,212 of the cluster.
    assert sum(job.demand for job in jobs) == 6_086_800
    assert Counter(job.outcome for job in jobs) == {
        Outcome.UNKNOWN: 5_193 + 897,
        Outcome.FAILED: 1_870,
        Outcome.COMPLETED: 192,
    }
    # The pending pods were never scheduled and have no duration.
    assert met(trace) == {"TRACE-NO-TENANTS": 1, "TRACE-CPU-ONLY": 1_088, "TRACE-UNTIMED": 897}
    assert sum(job.duration == 0 for job in jobs) == 897
    assert {job.tenant for job in jobs} == {"all"}


def test_openb_takes_the_quality_of_service_for_the_tenant(shared: Path) -> None:
    jobs, _ = read(shared / "traces/openb/pods_default.csv", tenant="qos", priorities={"LS": 100, "BE": 10})
    assert Counter(job.tenant for job in jobs) == {"LS": 4_647, "BE": 3_398, "Burstable": 100, "Guaranteed": 7}
    assert Counter(job.priority for job in jobs) == {100: 4_647, 10: 3_398, None: 107}


def test_openb_lists_without_times_can_be_packed_and_not_replayed(shared: Path) -> None:
    jobs, trace = read(shared / "traces/openb/pods_multigpu20.csv")
    assert (len(jobs), trace.timed) == (8_324, False)
    assert all(job.duration == 0 and job.submit == 0 for job in jobs)


@pytest.mark.parametrize(("name", "pods"), [("pods_cpu050", 7_439), ("pods_gpushare40", 8_152)])
def test_every_openb_list_is_read_whole(shared: Path, name: str, pods: int) -> None:
    jobs, trace = read(shared / f"traces/openb/{name}.csv")
    assert len(jobs) == pods
    assert trace.counts.left_out == 0


def test_openb_has_1213_nodes_with_6212_gpus(shared: Path) -> None:
    nodes = read_nodes(shared / "traces/openb/nodes.csv")
    gpus: Counter[str] = Counter()
    for node in nodes:
        gpus[node.gpu] += node.gpus
    assert len(nodes) == 1_213
    assert gpus == {"G2": 4392, "T4": 842, "G3": 312, "P100": 265, "V100M32": 204, "V100M16": 195, "A10": 2}
    assert sum(node.cpus for node in nodes) == 107_018_000
