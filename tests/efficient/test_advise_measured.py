"""What profile tables say about a class of work."""

from __future__ import annotations

from typing import Any

import pytest
from advise_cases import JOINT, cluster, document, questions

from tenantry.efficient.advise import decide, options
from tenantry.efficient.advise.measured import key_of, speeds_of
from tenantry.efficient.advise.rules import objections
from tenantry.model.problem import Location
from tenantry.model.profile_table import Measurement, ProfileTable, Setting, Statistic
from tenantry.model.spec import SharingMode

MODES = {"whole": SharingMode.WHOLE, "mps": SharingMode.MPS, "time-slicing": SharingMode.TIME_SLICING}


def setting(key: str, *, neighbours: int = 0, batch: int = 1, gpu: str = "h200-sxm", name: str = "class") -> Setting:
    mode = MODES.get(key, SharingMode.MIG)
    return Setting(gpu, mode, key if mode is SharingMode.MIG else "", neighbours, name, batch, 1)


def row(key: str, speed: float, *, line: int = 1, p99: float = 0.0, mean: float = 0.0, **fields: Any) -> Measurement:
    told = [(Statistic.MEAN, mean)] if mean else []
    told += [(Statistic.P99, p99)] if p99 else []
    return Measurement(setting(key, **fields), speed, tuple(told), location=Location("t.csv", line))


@pytest.mark.parametrize(
    ("where", "key"),
    [
        pytest.param(setting("whole"), "whole", id="alone on the GPU"),
        pytest.param(setting("3g.71gb"), "3g.71gb", id="alone on a slice"),
        pytest.param(setting("mps", neighbours=3), "mps-4", id="one of four by MPS"),
        pytest.param(setting("time-slicing", neighbours=1), "time-slicing-2", id="one of two by turns"),
        pytest.param(
            Setting("h200-sxm", SharingMode.TIME_SLICING, "3g.71gb", 1, "class", 1, 1), "", id="turns within a slice"
        ),
    ],
)
def test_a_setting_is_an_option(where: Setting, key: str) -> None:
    assert key_of(where) == key


def test_the_fastest_row_of_an_option_counts_with_its_line() -> None:
    table = ProfileTable([row("whole", 10, line=2), row("whole", 30, line=3, batch=8), row("3g.71gb", 20, line=4)])
    speeds, failed = speeds_of(table, [document("class", {})])["class", "h200-sxm"]
    assert {key: (speed.value, speed.where) for key, speed in speeds.items()} == {
        "whole": (30, "t.csv:3"), "3g.71gb": (20, "t.csv:4"),
    }  # fmt: skip
    assert not failed


def test_with_a_goal_only_rows_that_hold_it_count() -> None:
    table = ProfileTable(
        [
            row("whole", 10, p99=0.020), row("whole", 30, batch=8, p99=0.080),
            row("3g.71gb", 9, p99=0.050), row("2g.35gb", 5, mean=0.010),
        ]
    )  # fmt: skip
    work = document("class", {"latency": {"percentile": 99, "milliseconds": 40}})
    speeds, failed = speeds_of(table, [work])["class", "h200-sxm"]
    assert {key: speed.value for key, speed in speeds.items()} == {"whole": 10}
    assert failed == {"3g.71gb": "measured: p99 is 50 ms at best, the goal is 40 ms"}  # a mean says nothing of a p99


def test_a_higher_percentile_than_asked_serves() -> None:
    work = document("class", {"latency": {"percentile": 95, "milliseconds": 40}})
    speeds, _ = speeds_of(ProfileTable([row("whole", 10, p99=0.030)]), [work])["class", "h200-sxm"]
    assert "whole" in speeds


def test_what_did_not_run_is_refused() -> None:
    table = ProfileTable([row("whole", 10)], failed=[setting("1g.18gb")])
    found = cluster({"gpuMemory": "8Gi"}, tenants=2)
    (asked,) = questions(found, speeds_of(table, found.spec.workloads))
    (option,) = [item for item in options(asked.work, asked.pool) if item.kind == "1g.18gb"]
    assert [rule.id for rule, _ in objections(asked.work, asked.pool, option)] == ["ADVISE-MEASURED"]


def test_a_batch_that_did_not_run_beside_one_that_did_refuses_nothing() -> None:
    table = ProfileTable([row("1g.18gb", 10)], failed=[setting("1g.18gb", batch=64)])
    assert speeds_of(table, [document("class", {})])["class", "h200-sxm"][1] == {}


def test_rows_of_other_work_and_other_models_are_not_taken() -> None:
    table = ProfileTable([row("whole", 10, name="other"), row("whole", 10, gpu="l40s")])
    assert list(speeds_of(table, [document("class", {})])) == [("class", "l40s")]


def test_measurements_decide() -> None:
    rows = [row("whole", 100), row("3g.71gb", 95), row("2g.35gb", 40), row("1g.35gb", 20), row("1g.18gb", 15)]
    found = cluster({"gpuMemory": "12Gi"}, tenants=2)
    (asked,) = questions(found, speeds_of(ProfileTable(rows), found.spec.workloads))
    # 2 x 95 = 190 against 3 x 40, 4 x 20, 7 x 15 and 100
    assert decide(asked.work, asked.pool).identity == ("allowed", "3g.71gb")
    assert asked.pool.name == JOINT
