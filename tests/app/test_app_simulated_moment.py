"""What the scheduler sees at a second of a replay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tenantry.app.examples import example
from tenantry.app.job_source import TraceFile
from tenantry.app.simulate import Question
from tenantry.app.simulated_moment import Evicted, simulated_pools
from tenantry.errors import InputError
from tenantry.fair.replay.setup import Behaviour
from tenantry.model.job import PodStatus

# language borrows all 48 GPUs; vision asks for the 16 it is guaranteed. A running job is protected for 15 minutes, so
# that is reclaimed at 900; pods take 30 s to leave
JOBS = """\
name,tenant,submit,duration,pods,gpus
pretrain,language,0,7200,6,8
detect,vision,100,3600,2,8
"""
RECLAIMED = {"pretrain": Evicted(900, "reclaim", "detect")}


@pytest.fixture
def question(tmp_path: Path) -> Question:
    (tmp_path / "jobs.csv").write_text(JOBS)
    spec = example("dell-ai-factory-h200")
    return Question(spec=spec, source=TraceFile(tmp_path / "jobs.csv"), pool="training")


@pytest.mark.parametrize(
    ("at", "statuses", "ends", "evictions"),
    [
        (50, {"pretrain": PodStatus.RUNNING}, {"pretrain": 7200}, {}),
        (500, {"pretrain": PodStatus.RUNNING, "detect": PodStatus.PENDING}, {"pretrain": 7200}, {}),
        (915, {"pretrain": PodStatus.RELEASING, "detect": PodStatus.PENDING}, {}, RECLAIMED),
        # 930 + 3,600
        (1000, {"pretrain": PodStatus.PENDING, "detect": PodStatus.RUNNING}, {"detect": 4530}, RECLAIMED),
        # 4,530 + 7,200, as no checkpoint was reached
        (5000, {"pretrain": PodStatus.RUNNING}, {"pretrain": 11_730}, RECLAIMED),
    ],
    ids=["before", "waiting", "leaving", "after", "again"],
)
def test_the_scheduler_sees_the_jobs_of_a_second(
    question: Question, at: int, statuses: dict[str, PodStatus], ends: dict[str, int], evictions: dict[str, Evicted]
) -> None:
    (pool,) = simulated_pools(question, at)
    assert pool.moment.now == at
    assert {job.name: job.pods[0].status for job in pool.moment.jobs} == statuses
    assert (pool.ends, pool.evictions) == (ends, evictions)
    assert pool.owners == {name: {"pretrain": "language", "detect": "vision"}[name] for name in statuses}
    assert pool.tenants["vision-training"] == "vision"
    assert len(pool.moment.nodes) == 6


def test_the_scheduler_decides_on_a_moment_as_it_did_in_the_replay(question: Question) -> None:
    (pool,) = simulated_pools(question, 899)
    cycle = pool.scheduler.cycle(replace(pool.moment, now=900))
    assert {(decision.act.name, decision.job, decision.action) for decision in cycle.decisions} >= {
        ("EVICT", "pretrain", "reclaim")
    }
    assert not pool.scheduler.cycle(pool.moment).decisions


def test_start_up_counts_towards_the_end(question: Question) -> None:
    (pool,) = simulated_pools(replace(question, behaviour=Behaviour(startup=60)), 50)
    assert pool.ends == {"pretrain": 7260}


def test_past_usage_goes_on_counting_while_nothing_happens(question: Question, tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text("name,tenant,submit,duration,pods,gpus\npretrain,language,0,600,6,8\n")
    (pool,) = simulated_pools(replace(question, behaviour=Behaviour(usage_window=3600)), 3000)
    (queue,) = (queue for queue in pool.moment.queues if queue.name == "language-training")
    # All GPUs were held in the samples at 60, 120, ... 600, ten of the 51 that were taken until then.
    assert queue.usage[0] == pytest.approx(10 / 51)


def test_scenarios_lie_over_the_spec(question: Question, tmp_path: Path) -> None:
    soon = tmp_path / "soon.yaml"
    text = "apiVersion: tenantry.dev/v1alpha1\nkind: Platform\nmetadata: {name: ai-factory}\nspec: "
    soon.write_text(text + "{scheduler: {reclaimMinRuntime: 0s}}\n")
    (pool,) = simulated_pools(replace(question, scenarios=[soon]), 200)
    assert pool.evictions == {"pretrain": Evicted(100, "reclaim", "detect")}


def test_every_pool_with_jobs_is_there(question: Question, tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text(
        JOBS.replace("gpus", "gpus,gpu").replace(",8\n", ",8,\n") + "ask,search,5,90,1,0.4,serving\n"
    )
    pools = simulated_pools(replace(question, pool=""), 60)
    assert [pool.pool for pool in pools] == ["serving", "training"]
    assert pools[0].ends == {"ask": 95}


def test_a_moment_needs_a_pool_with_jobs(question: Question) -> None:
    with pytest.raises(InputError, match=r"no job.*goes to|none of 2 jobs can be replayed"):
        simulated_pools(replace(question, pool="serving"), 10)
    with pytest.raises(InputError, match=r"there is no node pool 'trainnig'.*did you mean 'training'"):
        simulated_pools(replace(question, pool="trainnig"), 10)
