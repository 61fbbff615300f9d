"""Who is due what: rows of the queue tree, what is borrowed, lent and missing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from moment_builders import moment, node, queue, running, waiting
from moment_strategies import moments

from tenantry.fair.fairshare import FairShare, Row, fairshare
from tenantry.fair.kai.configure import configured
from tenantry.fair.kai.rules import DEFAULTS, PLUGINS, Strategy
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.model.moment import Moment
from tenantry.model.pool_snapshot import SchedulerConfig


def rows(state: Moment) -> dict[str, Row]:
    return {row.queue: row for row in fairshare(state, KaiScheduler()).rows}


def test_parents_come_before_children_and_siblings_by_name() -> None:
    queues = [
        queue("z", 1),
        queue("b", 1, parent="z"),
        queue("a", 1, parent="z"),
        queue("c", 1, parent="a"),
        queue("y"),
    ]
    found = fairshare(moment(queues, [node("n1")], []), KaiScheduler()).rows
    assert [(row.queue, row.depth, row.leaf) for row in found] == [
        ("y", 0, True),
        ("z", 0, False),
        ("a", 1, False),
        ("c", 2, True),
        ("b", 1, True),
    ]


def test_what_is_borrowed_is_lent_by_others() -> None:
    # a holds 6 of its 4; b holds 1 of its 4 and waits for 2 more; 1 GPU is idle.
    queues = [queue("a", 4), queue("b", 4)]
    jobs = [running("r", "a", 6, "n1"), running("s", "b", 1, "n1"), waiting("w", "b", 2)]
    found = rows(moment(queues, [node("n1")], jobs))
    a, b = found["a"].gpu, found["b"].gpu
    assert (a.quota, a.allocated, a.borrowed, a.unused, a.lent, a.starved) == (4, 6, 2, 0, 0, 0)
    # Of its unused 3 GPUs one is idle: 2 are lent.
    assert (b.quota, b.allocated, b.borrowed, b.unused, b.lent) == (4, 1, 0, 3, 2)
    # It is due the 3 it holds and asks for, and misses 2 of them.
    assert (b.deserved, b.fair, b.requested, b.starved) == (3, 3, 3, 2)


def test_what_is_idle_is_not_lent() -> None:
    found = rows(moment([queue("a", 4), queue("b", 4)], [node("n1", 16)], [running("r", "a", 6, "n1")]))
    assert found["a"].gpu.borrowed == 2
    assert found["b"].gpu.lent == 0


def test_what_is_lent_is_spread_over_those_who_lend() -> None:
    # 3 + 1 are unused, nothing is idle: 8 - 4 = 4 are lent.
    queues = [queue("a", 4), queue("b", 3), queue("c", 1)]
    found = rows(moment(queues, [node("n1")], [running("r", "a", 8, "n1")]))
    assert (found["b"].gpu.lent, found["c"].gpu.lent) == (3, 1)


def test_what_is_promised_twice_is_not_lent() -> None:
    # 8 GPUs are promised twice; a holds 1 beyond its quota, so that b lends 1 of its unused 8, not 8.
    found = rows(moment([queue("a", 7), queue("b", 8)], [node("n1")], [running("r", "a", 8, "n1")]))
    assert (found["a"].gpu.borrowed, found["b"].gpu.unused, found["b"].gpu.lent) == (1, 8, 1)


def test_departments_lend_what_their_teams_lend() -> None:
    queues = [
        queue("west", 4),
        queue("a", 4, parent="west"),
        queue("east", 4),
        queue("b", 4, parent="east"),
    ]
    found = rows(moment(queues, [node("n1")], [running("r", "a", 8, "n1")]))
    assert (found["west"].gpu.borrowed, found["a"].gpu.borrowed) == (4, 4)
    assert (found["east"].gpu.lent, found["b"].gpu.lent) == (4, 4)


def test_an_unlimited_quota_is_neither_borrowed_from_nor_lent() -> None:
    found = rows(moment([queue("a", -1)], [node("n1")], [running("r", "a", 4, "n1")]))["a"].gpu
    assert (found.borrowed, found.unused, found.lent, found.deserved) == (0, 0, 0, 4)


def test_a_limit_bounds_what_is_missing() -> None:
    found = rows(moment([queue("a", 8, limit=4)], [node("n1")], [waiting("w", "a", 6)]))["a"].gpu
    assert (found.requested, found.deserved, found.starved) == (6, 4, 4)


def test_cpu_and_memory_are_divided_too() -> None:
    found = fairshare(moment([queue("a", 8)], [node("n1")], [running("r", "a", 4, "n1")]), KaiScheduler())
    assert (found.rows[0].cpu.allocated, found.rows[0].memory.allocated) == (1000, 2**30)
    assert found.total == {"cpu": 100_000, "memory": 2**40, "gpu": 8}
    assert found.idle["gpu"] == 4
    assert found.rows[0].of("cpu") is found.rows[0].cpu


def test_the_way_up_from_a_queue() -> None:
    queues = [queue("top", 8), queue("a", 4, parent="top")]
    found: FairShare = fairshare(moment(queues, [node("n1")], []), KaiScheduler())
    assert [row.queue for row in found.path("a")] == ["top", "a"]
    assert found.path("nowhere") == ()


@settings(deadline=None)
@given(moments())
def test_laws_of_any_cluster(state: Moment) -> None:
    found = fairshare(state, KaiScheduler())
    by_name = {row.queue: row for row in found.rows}
    for row in found.rows:
        item = row.gpu
        assert item.borrowed == 0 or item.unused == 0
        assert 0 <= item.lent <= item.unused + 1e-9
        assert item.starved >= 0
        assert item.starved == 0 or item.requested > item.allocated
        assert item.deserved <= item.requested
        children = [child.gpu for child in found.rows if child.parent == row.queue]
        if children:
            assert sum(child.allocated for child in children) == pytest.approx(item.allocated)
            assert sum(child.requested for child in children) == pytest.approx(item.requested)
        assert not row.parent or by_name[row.parent].depth == row.depth - 1
    lent = sum(row.gpu.lent for row in found.rows if row.depth == 0)
    unused = sum(row.gpu.unused for row in found.rows if row.depth == 0)
    borrowed = sum(
        row.gpu.allocated if row.gpu.quota == -1 else row.gpu.borrowed for row in found.rows if not row.depth
    )
    assert lent == pytest.approx(min(borrowed, max(0.0, unused - found.idle["gpu"])))


# --- how a scheduler is set up ----------------------------------------------------------------------------------------


def test_a_scheduler_that_says_nothing_has_its_defaults() -> None:
    assert configured(SchedulerConfig()) == (KaiScheduler(DEFAULTS), ())


def test_options_of_the_command_line() -> None:
    flags = {
        "restrict-node-scheduling": "true",
        "use-scheduling-signatures": "false",
        "allow-consolidating-reclaim": "0",
        "max-consolidation-preemptees": "-1",
        "default-staleness-grace-period": "-1s",
        "schedule-period": "5s",
    }
    scheduler, notes = configured(SchedulerConfig(flags=flags))
    found = scheduler.settings
    assert (found.restrict_nodes, found.signatures, found.consolidating_reclaim) == (True, False, False)
    assert (found.consolidation_victims, found.staleness_grace, scheduler.period) == (-1, -1, 5)
    assert notes == ()


def test_options_that_cannot_be_read_keep_their_defaults() -> None:
    flags = {"use-scheduling-signatures": "maybe", "max-consolidation-preemptees": "many", "schedule-period": "soon"}
    assert configured(SchedulerConfig(flags=flags))[0] == KaiScheduler(DEFAULTS)


def test_arguments_of_plugins() -> None:
    plugins = {
        **{name: {} for name in PLUGINS},
        "nodeplacement": {"gpu": "spread", "cpu": "binpack"},
        "minruntime": {
            "defaultReclaimMinRuntime": "1h",
            "defaultPreemptMinRuntime": "-5m",
            "reclaimResolveMethod": "queue",
        },
        "proportion": {"kValue": "-1", "relcaimerSaturationMultiplier": "0.5", "reclaimerUtilizationMultiplier": "3"},
    }
    found = configured(SchedulerConfig(plugins=plugins))[0].settings
    assert (found.gpu_strategy, found.cpu_strategy) == (Strategy.SPREAD, Strategy.BINPACK)
    assert (found.reclaim_min_runtime, found.preempt_min_runtime, found.reclaim_by_queue) == (3600, 0, True)
    assert (found.k_value, found.saturation_multiplier) == (0, 1)


def test_what_is_not_modelled_is_said() -> None:
    config = SchedulerConfig(
        actions=("allocate", "defragment"),
        plugins={"proportion": {}, "numa": {}, "snapshot": {}},
        flags={"schedule-csi-storage": "true"},
        weighs_usage=True,
    )
    scheduler, notes = configured(config)
    assert scheduler.settings.actions == ("allocate",)
    assert scheduler.settings.plugins == {"proportion"}
    assert len(notes) == 4
    assert all("not modelled" in note or "does not hold" in note for note in notes)


def test_a_version_brings_its_rules() -> None:
    assert configured(SchedulerConfig(), "0.15")[0].name == "KAI 0.15"
