from __future__ import annotations

import pytest

from tenantry.model.profile_table import CPU, Measurement, ProfileTable, Setting, Statistic
from tenantry.model.spec.platform import SharingMode


def on(profile: str, throughput: float, batch: int = 1, processes: int = 1, neighbours: int = 0) -> Measurement:
    mode = SharingMode.MIG if profile else SharingMode.TIME_SLICING if neighbours else SharingMode.WHOLE
    return Measurement(Setting("h200-sxm", mode, profile, neighbours, "ranker", batch, processes), throughput)


def test_the_best_of_each_slice_is_the_fastest_alone_and_then_the_smallest() -> None:
    rows = [on("1g.18gb", 50), on("1g.18gb", 60, 8), on("1g.18gb", 60, 4, 2), on("1g.18gb", 60, 4), on("", 300)]
    table = ProfileTable([*rows, on("", 900, neighbours=3)])
    best = table.best("h200-sxm", "ranker")
    assert {name: (row.throughput, row.setting.batch, row.setting.processes) for name, row in best.items()} == {
        "1g.18gb": (60, 4, 1),
        "whole": (300, 1, 1),
    }


def test_speeds_are_compared_at_equal_batch_and_processes_only() -> None:
    table = ProfileTable(
        [on("", 100), on("", 400, 8), on("3g.71gb", 90), on("3g.71gb", 200, 8), on("3g.71gb", 500, 16)]
    )
    # 90 / 100 with batch 1, 200 / 400 with batch 8; batch 16 was not measured on the whole GPU.
    assert table.like_for_like("h200-sxm", "ranker", "whole") == {"3g.71gb": (0.5, 0.9)}
    assert table.like_for_like("h200-sxm", "ranker", "7g.141gb") == {}


def test_a_setting_cannot_be_there_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        ProfileTable([on("", 100), on("", 200)])


def test_merging_keeps_the_first_and_forgets_failures_that_ran_elsewhere() -> None:
    mine = ProfileTable([on("", 100)], [on("1g.18gb", 1).setting])
    both = mine.merged(ProfileTable([on("", 200), on("1g.18gb", 30)]))
    assert {row.setting.slice: row.throughput for row in both} == {"1g.18gb": 30, "whole": 100}
    assert both.failed == ()


@pytest.mark.parametrize(
    ("known", "percent", "expected"),
    [
        ({"p50": 1, "p95": 2, "p99": 3}, 95, ("p95", 2)),
        ({"p50": 1, "p95": 2, "p99": 3}, 90, ("p95", 2)),
        ({"p50": 1, "p95": 2}, 99, ("p95", 2)),
        ({"mean": 4, "p50": 1}, 99, ("p50", 1)),
        ({"mean": 4}, 99, ("mean", 4)),
        ({}, 99, None),
    ],
    ids=["that one", "the next higher", "none so high", "any percentile before the mean", "the mean", "nothing"],
)
def test_the_latency_for_a_percentile_is_the_one_that_says_most(
    known: dict[str, float], percent: float, expected: tuple[str, float] | None
) -> None:
    latencies = tuple((Statistic(name), value) for name, value in known.items())
    setting = Setting("h200-sxm", SharingMode.WHOLE, "", 0, "ranker", 1, 1)
    assert Measurement(setting, 10, latencies).latency_for(percent) == expected


def test_rows_without_a_gpu_are_no_evidence() -> None:
    setting = Setting(CPU, SharingMode.WHOLE, "", 0, "ranker", 1, 1)
    table = ProfileTable([Measurement(setting, 10), on("", 100)], [Setting(CPU, SharingMode.MPS, "", 3, "a", 1, 1)])
    assert len(table) == 2
    assert [row.setting.gpu for row in table.evidence()] == ["h200-sxm"]
    assert table.evidence().failed == ()


def test_selecting_takes_all_conditions_together() -> None:
    table = ProfileTable([on("", 100), on("", 50, neighbours=3), on("1g.18gb", 20)])
    assert len(table.select(gpu="h200-sxm", workload="ranker")) == 3
    assert [row.throughput for row in table.select(alone=False)] == [50]
    assert [row.throughput for row in table.select(profile="1g.18gb", mode=SharingMode.MIG)] == [20]
    assert len(table.select(profile="1g.18gb", mode=SharingMode.WHOLE)) == 0
