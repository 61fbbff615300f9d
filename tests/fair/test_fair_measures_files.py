"""Rows for files: they say what the log says, and what was measured can be reckoned from them again."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from replayed import Replayed, replays
from stories import Story, job

from tenantry.fair.measures import Disguise, study
from tenantry.fair.measures.events import EVENT_COLUMNS, EVENTS, JOB_COLUMNS, event_batches, job_batches
from tenantry.fair.measures.result import GPU_HOUR
from tenantry.io.rows import write_parquet

WRITTEN = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@WRITTEN
@given(replays())
def test_there_is_a_row_for_every_event_in_the_order_of_the_log(made: Replayed) -> None:
    rows = list(chain.from_iterable(event_batches(made.log, made.table, made.setup)))
    assert all(len(row) == len(EVENT_COLUMNS) for row in rows)
    assert [(row[0], row[1], row[2]) for row in rows] == [
        (each.time, EVENTS[each.happening], made.table.name(each.job)) for each in made.log
    ]


@WRITTEN
@given(replays())
def test_there_is_a_row_for_every_job_with_what_became_of_it(made: Replayed) -> None:
    result = study("it", made.log, made.table, made.setup).result
    names = [column.name for column in JOB_COLUMNS]
    rows = [
        dict(zip(names, row, strict=True)) for row in chain.from_iterable(job_batches(made.log, made.table, made.setup))
    ]
    assert [row["job"] for row in rows] == [made.table.name(number) for number in range(len(made.table))]
    states, jobs = Counter(row["state"] for row in rows), result.cluster.jobs
    assert states == Counter(
        {
            "finished": jobs.finished, "unfinished": jobs.unfinished, "waiting": jobs.waiting,
            "impossible": jobs.impossible, "left-out": len(rows) - jobs.submitted,
        }
    ) + Counter()  # fmt: skip
    lost = sum(int(row["lostSeconds"]) * int(row["milliGpus"] or 0) for row in rows if row["lostSeconds"])
    assert lost == result.cluster.evictions.lost


@WRITTEN
@given(replays())
def test_one_tenants_files_name_nobody_else(made: Replayed) -> None:
    named = study("it", made.log, made.table, made.setup)
    if not named.result.tenants:
        return
    own = named.result.tenants[0].name
    disguise = Disguise([named], own)
    mine = {
        made.table.name(each) for each in range(len(made.table)) if made.table.tenants[made.table.tenant[each]] == own
    }
    events = list(chain.from_iterable(event_batches(made.log, made.table, made.setup, disguise=disguise)))
    jobs = list(chain.from_iterable(job_batches(made.log, made.table, made.setup, disguise=disguise)))
    for row in events:
        assert row[2] in mine if row[3] == own else str(row[2]).startswith("other-job-")
        assert row[7] is None or row[7] in mine or str(row[7]).startswith("other-job-")
        assert row[8] in {None, own} or str(row[8]).startswith("other-tenant-")
    for row in jobs:
        assert (row[0] in mine) == (row[1] == own)
        assert row[1] == own or str(row[1]).startswith("other-tenant-")


def test_measures_can_be_reckoned_again_from_a_parquet_file(tmp_path: Path) -> None:
    story = Story(job("bob-0", 0, 1000, 8), job("ada-0", 100, 50, 4), quotas={"ada": 4.0, "bob": 4.0})
    story.submit(0, "bob-0").start(0, "bob-0").submit(100, "ada-0").evict(130, "bob-0", "ada-0", lost=130)
    story.start(130, "ada-0").finish(180, "ada-0").start(180, "bob-0").finish(1180, "bob-0")
    result = story.result()
    path = tmp_path / "events.parquet"
    assert write_parquet(path, EVENT_COLUMNS, event_batches(story.log, story.table, story.setup)) == len(story.log)
    with duckdb.connect(":memory:") as base:
        query = """
            select e.causeTenant, count(*), sum(l.lostSeconds * e.milliGpus)
            from read_parquet($path) e join read_parquet($path) l using (job, timeSeconds)
            where e.event = 'evicted' and l.event = 'work-lost' and e.action = 'reclaim' group by 1
        """
        assert base.execute(query, {"path": str(path)}).fetchall() == [("ada", 1, 130 * 8000)]
        waits = """
            select a.tenant, b.timeSeconds - a.timeSeconds
            from read_parquet($path) a join read_parquet($path) b using (job)
            where a.event = 'submitted' and b.event = 'runs' order by all limit 2
        """
        assert base.execute(waits, {"path": str(path)}).fetchall() == [("ada", 30), ("bob", 0)]
    (ada,) = (each for each in result.tenants if each.name == "ada")
    assert ada.evictions.cost_others / GPU_HOUR == pytest.approx(130 * 8 / 3600)
    assert ada.waits[0].first is not None
    assert ada.waits[0].first.p50 == 30
