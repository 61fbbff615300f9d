"""Change windows: when the next opens, how long none does, and what that does to a roll-out."""

from __future__ import annotations

from pathlib import Path

import pytest
from plan_changes import write

from tenantry.app.plan import PlanQuestion, plan_folders
from tenantry.model.spec.platform import ChangeWindow
from tenantry.plan.windows import windows_of

HOUR = 60
DAY = 24 * HOUR


def window(schedule: str, duration: str = "8h", zone: str = "UTC") -> ChangeWindow:
    return ChangeWindow(schedule=schedule, duration=duration, timeZone=zone)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("schedule", "duration", "first", "closed"),
    [
        # Monday to Thursday at 20 for 8 h: closed from Friday 4:00 to Monday 20:00, 3 days and 16 h.
        ("0 20 * * 1-4", "8h", 20 * HOUR, 3 * DAY + 16 * HOUR),
        ("0 20 * * MON-THU", "8h", 20 * HOUR, 3 * DAY + 16 * HOUR),
        ("30 2 * * *", "1h", 2 * HOUR + 30, 23 * HOUR),
        ("0 */6 * * *", "1h", 0, 5 * HOUR),
        ("0 0 * * 0", "24h", 6 * DAY, 6 * DAY),  # 1 January 2024 is a Monday
        ("0 0 1,15 * *", "2h", 0, 17 * DAY - 2 * HOUR),  # from the 15th to the 1st of a month of 31 days: 17 days
        # Both restricted: the 1st of a month, or any Sunday.
        ("0 0 1 * 0", "1h", 0, 7 * DAY - HOUR),
        ("0 0 31 12 *", "1h", 365 * DAY, 0),
    ],
)
def test_windows_open_when_their_schedule_says(schedule: str, duration: str, first: int, closed: int) -> None:
    found = windows_of([window(schedule, duration)])
    assert found is not None
    assert found.spans[0][0] == first
    assert found.longest_closed == closed


def test_windows_that_touch_are_one_and_zones_do_not_mix() -> None:
    found = windows_of([window("0 20 * * *", "4h"), window("0 0 * * *", "4h")])
    assert found is not None
    assert found.spans[0] == (0, 4 * HOUR)
    assert found.spans[1] == (20 * HOUR, 28 * HOUR)
    assert found.begin(5 * HOUR) == 20 * HOUR
    assert found.begin(21 * HOUR) == 21 * HOUR
    assert windows_of([window("0 20 * * *"), window("0 20 * * *", zone="Europe/Amsterdam")]) is None
    assert windows_of([]) is None


def test_a_wave_that_misses_its_window_waits_for_the_next(tmp_path: Path) -> None:
    hours = [{"schedule": "0 20 * * *", "duration": "30m"}]
    gitops = {"Platform spec.gitops.changeWindows": hours}
    # MTU drains 6 nodes for 10 min each in wave 45; then the driver of wave 50, whose window has closed by then.
    edits = {"Platform spec.fabrics[roce].mtu": 9000, "Platform spec.driver.version": "580.126.20"}
    low = {"Platform spec.fabrics[roce].mtu": 1500}
    old, new = write("dell", tmp_path / "old", {**gitops, **low}), write("dell", tmp_path / "new", {**gitops, **edits})
    made = plan_folders(old, new, "", PlanQuestion(verify=False, fit=False))
    starts = {(step.component, step.action.pool): step.start for step in made.steps}
    assert starts["sriov", "training"] == 0
    assert starts["gpu-operator", "development"] == DAY
    assert any("closed for up to 23 h at a stretch" in note for note in made.notes)
    open_all_day = {"Platform spec.gitops.changeWindows": [{"schedule": "0 20 * * *", "duration": "8h"}]}
    old, new = (
        write("dell", tmp_path / "c", {**open_all_day, **low}),
        write("dell", tmp_path / "d", {**open_all_day, **edits}),
    )
    made = plan_folders(old, new, "", PlanQuestion(verify=False, fit=False))
    assert {step.component: step.start for step in reversed(made.steps)} == {"sriov": 0, "gpu-operator": 60}
