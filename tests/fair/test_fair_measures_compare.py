"""Replays side by side: what a difference is, and when there is none to speak of."""

from __future__ import annotations

from stories import Story, job

from tenantry.fair.measures import NamedResult, compare, hide_others
from tenantry.fair.measures.result import CLUSTER, TENANT


def replayed(start: int, end: int = 0) -> NamedResult:
    """Ada's job starts so late, and runs 100 s unless the replay ends before."""
    story = Story(job("ada-0", 0, 100, 4), quotas={"ada": 4.0, "bob": 4.0}, until=end or None)
    story.submit(0, "ada-0")
    if end:
        return NamedResult("cut", story.result(end=end))
    return NamedResult(f"from {start}", story.start(start, "ada-0").finish(start + 100, "ada-0").result())


def test_differences_are_to_the_first_replay() -> None:
    rows = {(row.kind, row.subject, row.measure): row for row in compare([replayed(30), replayed(0), replayed(80)])}
    wait = rows[TENANT, "ada", "waitMeanSeconds"]
    assert wait.values == (30, 0, 80)
    assert wait.differences == (0, -30, 50)


def test_nothing_is_said_of_a_difference_that_may_have_either_sign() -> None:
    # Cut off at 50 s: she waited 50 s at least, which may become 20 or 200 more than 30 s.
    rows = {(row.kind, row.measure): row for row in compare([replayed(30), replayed(0, end=50)])}
    wait = rows[CLUSTER, "waitMeanSeconds"]
    assert (wait.values, wait.at_least, wait.differences) == ((30, 50), (False, True), (0, None))
    rows = {(row.kind, row.measure): row for row in compare([replayed(0, end=50), replayed(30)])}
    assert rows[CLUSTER, "waitMeanSeconds"].differences == (None, None)


def test_a_tenant_that_is_not_in_a_replay_has_no_value_there() -> None:
    story = Story(job("bob-0", 0, 100, 4), quotas={"ada": 4.0, "bob": 4.0})
    other = NamedResult("other", story.submit(0, "bob-0").start(7, "bob-0").finish(107, "bob-0").result())
    rows = {(row.kind, row.subject, row.measure): row for row in compare([replayed(30), other])}
    assert rows[TENANT, "ada", "waitP50Seconds"].values == (30, None)
    assert rows[TENANT, "bob", "waitP50Seconds"].values == (None, 7)
    assert rows[TENANT, "bob", "waitP50Seconds"].differences == (None, None)


def test_numbers_of_hidden_tenants_are_alike_in_all_replays_and_follow_size_not_names() -> None:
    quotas = {"ada": 4.0, "bob": 2.0, "cy": 2.0}
    first = Story(job("ada-0", 0, 10, 1), job("bob-0", 0, 10, 1), job("cy-0", 0, 10, 2), quotas=quotas)
    for name in ("ada-0", "bob-0", "cy-0"):
        first.submit(0, name)
    for name in ("ada-0", "bob-0", "cy-0"):
        first.start(0, name)
    for name in ("ada-0", "bob-0", "cy-0"):
        first.finish(10, name)
    second = Story(job("bob-0", 0, 10, 1), quotas=quotas).submit(0, "bob-0").start(0, "bob-0").finish(10, "bob-0")
    hidden = hide_others([NamedResult("a", first.result()), NamedResult("b", second.result())], "ada")
    # cy held twice as much as bob.
    held = {each.name: each.shares.held for each in hidden[0].result.tenants if each.shares is not None}
    assert held == {"ada": 10_000, "other-tenant-1": 20_000, "other-tenant-2": 10_000}
    assert [each.name for each in hidden[1].result.tenants] == ["other-tenant-2"]
