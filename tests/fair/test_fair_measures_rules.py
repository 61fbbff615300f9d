"""What is found in replays: each rule fires for what it is about, and not for what only looks like it."""

from __future__ import annotations

import pytest
from stories import Story, job

from tenantry.fair.measures.result import Result
from tenantry.fair.measures.rules import RULES
from tenantry.model.finding import Severity
from tenantry.model.problem import Location


def found(result: Result) -> dict[str, list[str]]:
    """Return what was found, by rule."""
    messages: dict[str, list[str]] = {}
    for each in result.findings:
        messages.setdefault(each.rule, []).append(str(each.message))
    return messages


def greedy(quotas: dict[str, float], waits: int) -> Result:
    """Bob holds all 8 GPUs while ada, who is due 4, waits so long."""
    story = Story(job("bob-0", 0, 100 + waits, 8), job("ada-0", 100, 50, 4), quotas=quotas)
    story.submit(0, "bob-0").start(0, "bob-0").submit(100, "ada-0").finish(100 + waits, "bob-0")
    return story.start(100 + waits, "ada-0").finish(150 + waits, "ada-0").result()


def test_a_queue_below_its_due_for_an_hour_starves() -> None:
    messages = found(greedy({"ada": 0.0, "bob": 0.0}, 3600))
    assert list(messages) == ["FAIR-STARVATION"]
    (message,) = messages["FAIR-STARVATION"]
    # Due 4 GPUs for an hour, held none.
    assert "a job such as ada-0 that fits into what queue ada was due waited for 1 h" in message
    assert "went without 4.0 GPU-hours" in message


def test_a_second_less_than_an_hour_is_reclaiming_as_usual() -> None:
    assert found(greedy({"ada": 0.0, "bob": 0.0}, 3599)) == {}


def test_a_guarantee_that_does_not_hold_is_said_once_and_is_an_error() -> None:
    result = greedy({"ada": 4.0, "bob": 4.0}, 3600)
    assert list(found(result)) == ["FAIR-QUOTA-UNMET"]
    (finding,) = result.findings
    assert finding.severity is Severity.ERROR
    # She asked for 4 GPUs for 3,650 s and held them for 50.
    assert f"held {100 * 50 / 3650:.1f} % of the quota it asked for" in str(finding.message)
    plain = finding.plain("jobs.csv")
    assert (plain.subject, plain.location) == ("queue ada", Location("jobs.csv"))


def test_a_job_too_large_for_what_its_queue_is_due_does_not_starve() -> None:
    story = Story(job("bob-0", 0, 9000, 6), job("ada-0", 0, 50, 8), quotas={"ada": 2.0, "bob": 6.0})
    story.submit(0, "ada-0").submit(0, "bob-0").start(0, "bob-0").finish(9000, "bob-0")
    story.start(9000, "ada-0").finish(9050, "ada-0")
    assert found(story.result()) == {}


def looped(times: int, kept: int = 0) -> Result:
    """Run and evict a job so often, keeping so many seconds of work each time; others are not of its tenant."""
    jobs = [job(f"ada-{number}", 100 * number + 60, 10, 8) for number in range(times)]
    story = Story(job("bob-0", 0, 1000, 8), *jobs, quotas={"ada": 8.0, "bob": 0.0})
    story.submit(0, "bob-0")
    for number in range(times):
        start = 100 * number
        story.start(start, "bob-0").submit(start + 60, f"ada-{number}")
        story.evict(start + 60, "bob-0", f"ada-{number}", lost=60 - kept)
        story.start(start + 60, f"ada-{number}").finish(start + 70, f"ada-{number}")
    return story.start(100 * times, "bob-0").finish(100 * times + 1000, "bob-0").result()


def test_a_job_evicted_three_times_without_work_kept_is_a_loop() -> None:
    messages = found(looped(3))
    assert list(messages) == ["FAIR-EVICTION-LOOP"]
    (message,) = messages["FAIR-EVICTION-LOOP"]
    # 3 · 60 s of 8 GPUs: 0.4 GPU-hours.
    assert "1 job of tenant bob" in message
    assert "0.4 GPU-hours of work were lost. Worst is bob-0 with 3 evictions" in message


def test_two_evictions_or_work_kept_in_between_are_none() -> None:
    assert found(looped(2)) == {}
    assert found(looped(3, kept=1)) == {}


@pytest.mark.parametrize(("rounds", "fires"), [(1, False), (2, True)])
def test_jobs_that_evict_each_other_are_a_loop(rounds: int, fires: bool) -> None:
    story = Story(job("ada-0", 0, 500, 8), job("bob-0", 0, 500, 8), quotas={"ada": 4.0, "bob": 4.0})
    story.submit(0, "ada-0").submit(0, "bob-0").start(0, "ada-0")
    for number in range(rounds):
        now = 100 * number
        story.evict(now + 50, "ada-0", "bob-0").start(now + 50, "bob-0")
        story.evict(now + 100, "bob-0", "ada-0").start(now + 100, "ada-0")
    story.finish(1000, "ada-0").start(1000, "bob-0").finish(1500, "bob-0")
    messages = found(story.result())
    assert list(messages) == (["FAIR-EVICTION-LOOP"] if fires else [])
    if fires:
        assert messages["FAIR-EVICTION-LOOP"] == [
            "1 pair of jobs evicted each other 4 times or more; ada-0 and bob-0 did so 4 times"
        ]


@pytest.mark.parametrize(
    ("wanted", "limits", "reason"),
    [
        (job("ada-0", 0, 10, 9), {}, "has pods that are larger than every node"),
        (job("ada-0", 0, 10, 4, pods=3), {}, "is larger than all nodes"),
        (job("ada-0", 0, 10, 4), {"ada": 3.0}, "is larger than the limit"),
        (job("ada-0", 0, 10, 4, preemptible=False), {}, "may not be evicted and is larger than the quota"),
        (job("ada-0", 0, 10, 4), {}, ""),
    ],
)
def test_jobs_that_can_never_run_are_told_from_those_that_wait(
    wanted: object, limits: dict[str, float], reason: str
) -> None:
    story = Story(wanted, quotas={"ada": 2.0}, limits=limits)  # type: ignore[arg-type]
    result = story.submit(0, "ada-0").result(end=20)
    messages = found(result)
    if not reason:
        assert list(messages) == ["FAIR-UNFINISHED"]
        assert result.cluster.jobs.waiting == 1
        return
    assert list(messages) == ["FAIR-NEVER-RUNS"]
    assert reason in messages["FAIR-NEVER-RUNS"][0]
    assert (result.cluster.jobs.impossible, result.cluster.waits[0].first) == (1, None)


def test_jobs_left_out_are_counted_by_tenant_and_reason() -> None:
    jobs = [job("eve-0", 0, 10, 1), job("eve-1", 0, 10, 1), job("ada-0", 0, 10, 1), job("ada-1", 90, 10, 1)]
    story = Story(*jobs, quotas={"ada": 8.0}, until=50)
    result = story.submit(0, "ada-0").start(0, "ada-0").finish(10, "ada-0").result(end=50)
    assert found(result)["FAIR-LEFT-OUT"] == [
        "2 jobs of tenant eve are in the trace but not in the replay, eve-0 the first: each is of a tenant without a "
        "queue",
        "1 job of tenant ada is in the trace but not in the replay, ada-1 the first: the job was to be submitted after "
        "the replay had ended",
    ]
    assert result.window.cut


def test_a_replay_that_ended_in_a_circle_says_so_first() -> None:
    story = Story(job("ada-0", 0, 10, 1), quotas={"ada": 8.0})
    story.submit(0, "ada-0").start(0, "ada-0").log.stuck = True
    result = story.result(end=5)
    assert [each.rule for each in result.findings] == ["FAIR-STUCK", "FAIR-UNFINISHED"]


@pytest.mark.parametrize(("wait", "fires"), [(1000, True), (59, False)])
def test_a_tenant_that_waits_for_others_would_be_better_off_alone(wait: int, fires: bool) -> None:
    jobs = job("bob-0", 0, wait, 8), job("ada-0", 0, 100, 4)
    shared, apart = (Story(*jobs, quotas={"ada": 4.0, "bob": 4.0}) for _ in range(2))
    shared.submit(0, "ada-0").submit(0, "bob-0").start(0, "bob-0").finish(wait, "bob-0")
    shared.start(wait, "ada-0").finish(wait + 100, "ada-0")
    apart.submit(0, "ada-0").submit(0, "bob-0").start(0, "ada-0").finish(100, "ada-0")
    apart.start(100, "bob-0").finish(100 + wait, "bob-0")
    messages = found(shared.result(apart=apart.log))
    assert list(messages) == (["FAIR-BETTER-APART"] if fires else [])
    if fires:
        # Slowdown 1,100 / 100 here, and 1 apart.
        assert "wait 16 min 40 s on average instead of 0 s" in messages["FAIR-BETTER-APART"][0]
        assert "11.00 times as large" in messages["FAIR-BETTER-APART"][0]


def test_rules_are_listed_worst_first_under_names_of_their_own() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert [rule.severity for rule in RULES] == sorted((rule.severity for rule in RULES), reverse=True)
