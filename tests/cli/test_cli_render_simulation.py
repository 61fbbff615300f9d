"""How measured replays look: numbers of a replay small enough to reckon by hand, side by side and by themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tenantry.cli.render.drawing import Frame, area, clock, line, round_up, ticks
from tenantry.cli.render.simulation import RENDERERS, markdown, text
from tenantry.cli.render.simulation_words import Side, brief, difference, number
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.measures import NamedResult, PoolResults, Report, hide_others_in, study
from tenantry.fair.measures.kind import Unit
from tenantry.fair.measures.reference import measures_markdown
from tenantry.fair.replay.driver import replay
from tenantry.fair.replay.policies import fair_share, static_partition
from tenantry.fair.replay.setup import Behaviour, Setup
from tenantry.model.finding import Finding, Severity
from tenantry.model.job_table import JobTable
from tenantry.model.moment import Node
from tenantry.model.problem import Location
from tenantry.model.queue import UNLIMITED, Entitled, Queue
from tenantry.model.trace import TraceJob

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def replays() -> tuple[NamedResult, NamedResult]:
    """Two nodes of 4 GPUs, two tenants with 4 each. Bob borrows ada's until she wants them back at 100.

    Shared: bob-0 and bob-1 run from 0. At 100 bob-1 is evicted for ada-0, loses the 100 s it worked, leaves until 110;
    ada-0 runs from 110 to 210, and bob-1 again from then to 1,210. Apart: bob-1 waits for bob-0 until 1,000.
    """
    nodes = tuple(Node(f"n{number}", gpus=4.0, gpu_memory=80_000) for number in range(2))
    queues = tuple(Queue(name, gpu=Entitled(4.0, UNLIMITED, 1.0)) for name in ("ada", "bob"))
    setup = Setup(nodes, queues, {"ada": "ada", "bob": "bob"}, Behaviour(leaving=10, checkpoint=None))
    table = JobTable.build(
        [
            TraceJob("bob-0", "bob", 0, 1000, 1, 4000),
            TraceJob("bob-1", "bob", 0, 1000, 1, 4000),
            TraceJob("ada-0", "ada", 100, 100, 1, 4000),
        ]
    )
    policies = [policy(setup, KaiScheduler()) for policy in (fair_share, static_partition)]
    shared, apart = (replay(policy.setup, table, policy.scheduler) for policy in policies)
    return (
        study("shared", shared, table, setup, isolated=apart, scheduler="KAI", buckets=11),
        study("apart", apart, table, setup, isolated=apart, scheduler="KAI", buckets=11),
    )


@pytest.fixture
def alone(replays: tuple[NamedResult, NamedResult]) -> Report:
    return Report("lab", "3 jobs", (PoolResults("", replays[:1]),))


@pytest.fixture
def both(replays: tuple[NamedResult, NamedResult]) -> Report:
    return Report("lab", "3 jobs", (PoolResults("h200", replays),), ("a note",))


def row(report: str, head: str) -> list[str]:
    """Return the cells of the first row of any table that begins so."""
    found = next(each for each in report.splitlines() if each.startswith(f"| {head} |"))
    return [cell.strip() for cell in found.strip("|").split("|")][1:]


def test_one_replay_shows_what_every_tenant_got(alone: Report) -> None:
    shown = markdown(alone)
    head = row(shown, "")
    tenants = {name: dict(zip(row(shown.partition("**Tenants**")[2], ""), row(shown, name), strict=True))
               for name in ("ada", "bob")}  # fmt: skip
    assert head == ["shared"]
    # ada asked for her 4 GPUs from 100 to 210 and held them from 110 on.
    assert tenants["ada"]["quota met"] == f"{100 * 100 / 110:.1f} %"
    assert tenants["ada"]["wait p50"] == "10 s"
    assert tenants["ada"]["evicted"] == "0"
    assert tenants["bob"]["quota met"] == "100.0 %"
    assert tenants["bob"]["evicted"] == "1"
    assert tenants["bob"]["lost GPU-h"] == "0.1"  # 4 GPUs for 100 s: 0.11
    # Held beyond his 4: 4 GPUs for 100 s, and from 210 to 1,000.
    assert tenants["bob"]["borr. GPU-h"] == "1.0"  # 4 · 890 / 3,600 = 0.99


def test_replays_side_by_side_show_differences_to_the_first(both: Report) -> None:
    shown = markdown(both)
    assert shown.startswith("## lab\n\n3 jobs\n\n- a note\n\n### Node pool h200\n")
    assert row(shown, "jobs finished") == ["3", "3 (=)"]
    # Mean wait: 10 s of ada-0 over three jobs, and 1,000 s of bob-1 over three.
    assert row(shown, "wait, p95") == ["10 s", "16.7 min (+16.5 min)"]
    assert row(shown, "evictions") == ["1", "0 (-1)"]
    assert row(shown, "lost work (GPU-h)") == ["0.1", "0.0 (-0.1)"]


def test_a_page_marks_what_is_better_and_worse_than_the_first(both: Report) -> None:
    page = RENDERERS["html"](both)
    assert "<td class=n>16.7 min <span class=worse>+16.5 min</span></td>" in page
    assert "<td class=n>0.0 <span class=better>-0.1</span></td>" in page
    # How many jobs were evicted is neither.
    assert "<td class=n>0 <span class=same>-1</span></td>" in page


def test_a_page_says_in_words_what_its_pictures_show(both: Report) -> None:
    page = RENDERERS["html"](both)
    # bob: 8 GPUs · 100 s + 4 · 110 + 8 · 790 + 4 · 210 over 1,210 s, which is 8,400 / 1,210 GPUs.
    assert "queue bob in shared: held 6.9 GPUs on average" in page
    assert "ran 18.3 min, did not run 110 s" in page  # 100 s and 1,000 s; 110 s
    assert "1 min 40 s after submission: evicted by reclaim for ada-0 of ada, 1 min 40 s of work lost" in page


def test_json_names_who_evicted_whom(alone: Report) -> None:
    (pool,) = json.loads(RENDERERS["json"](alone))["pools"]
    (found,) = pool["replays"]
    job = next(each for each in found["jobs"] if each["job"] == "bob-1")
    assert job["segments"] == [
        {"state": "runs", "startSeconds": 0, "endSeconds": 100},
        {"state": "leaves", "startSeconds": 100, "endSeconds": 110, "action": "reclaim", "lostSeconds": 100,
         "evictedForJob": "ada-0", "evictedForTenant": "ada"},
        {"state": "waits", "startSeconds": 110, "endSeconds": 210},
        {"state": "runs", "startSeconds": 210, "endSeconds": 1210},
    ]  # fmt: skip
    assert pool["comparison"] == []
    assert found["cluster"]["measures"]["workLostGpuHours"] == round(400 / 3600, 6)


def test_json_has_series_on_one_line_each(alone: Report) -> None:
    shown = RENDERERS["json"](alone)
    edges = json.loads(shown)["pools"][0]["replays"][0]["timeline"]["edgesSeconds"]
    assert f'"edgesSeconds": {edges},' in shown


def test_json_compares_only_what_differs(both: Report) -> None:
    (pool,) = json.loads(RENDERERS["json"](both))["pools"]
    rows = {(each["kind"], each["subject"], each["measure"]): each for each in pool["comparison"]}
    assert rows["cluster", "", "evictionsSuffered"]["differences"] == [0, -1]
    assert ("cluster", "", "jobsFinished") not in rows


def test_findings_of_the_trace_come_first_and_are_hidden_from_one_tenant(both: Report) -> None:
    found = Finding(
        "TRACE-GPUS", Severity.WARNING, "trace", "3 jobs of bob ask for half a GPU", Location("jobs.csv", 4)
    )
    report = replace(both, findings=(found,))
    for form, render in RENDERERS.items():
        shown = render(report)
        assert shown.index("jobs of bob ask") < shown.index("allocation until last"), form
        hidden = render(hide_others_in(report, "ada"))
        assert "bob" not in hidden, form
        assert "other-tenant-1" in hidden, form
        assert "may name other tenants" in hidden, form
    with pytest.raises(ValueError, match="no tenant 'eve'"):
        hide_others_in(report, "eve")


def test_names_that_look_like_markup_stay_names(alone: Report) -> None:
    evil = "<b>|x\x1b[2J"
    (pool,) = alone.pools
    (named,) = pool.results
    tenants = tuple(replace(each, name=evil) for each in named.result.tenants)
    result = replace(named.result, tenants=tenants)
    report = replace(alone, title=evil, pools=(PoolResults(evil, (replace(named, name=evil, result=result),)),))
    assert "\x1b" not in text(report)
    assert "<b>|x" not in RENDERERS["html"](report)
    assert "&lt;b&gt;|x?[2J" in RENDERERS["html"](report)
    assert row(markdown(report), "&lt;b&gt;\\|x?[2J")
    assert "\x1b" not in RENDERERS["json"](report)


def test_the_reference_page_is_up_to_date() -> None:
    written = (ROOT / "docs/measures.md").read_text("utf-8")
    assert written == measures_markdown(), "docs/measures.md is out of date; write it anew with: make docs"


# Words and drawing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "value", "bound", "words"),
    [
        (Unit.PART, 0.98765, False, "98.8 %"),
        (Unit.SECONDS, 119.0, True, "≥ 119 s"),
        (Unit.SECONDS, 7199.0, False, "120.0 min"),
        (Unit.SECONDS, 86_400.0, False, "24.0 h"),
        (Unit.SECONDS, 864_000.0, False, "10.0 d"),
        (Unit.GPU_HOURS, 12_345.6, False, "12,346"),
        (Unit.GPU_HOURS, 0.01, False, "<0.1"),
        (Unit.GPU_HOURS, 0.0, False, "0.0"),
        (Unit.TIMES, 1234.5, False, "1,234"),
        (Unit.COUNT, None, True, "-"),
    ],
)
def test_numbers_carry_their_unit(unit: Unit, value: float | None, bound: bool, words: str) -> None:
    assert number(unit, value, bound=bound) == words


@pytest.mark.parametrize(
    ("unit", "value", "words"),
    [
        (Unit.PART, 0.0004, "="),
        (Unit.PART, -0.012, "-1.2"),
        (Unit.SECONDS, 30.0, "+30 s"),
        (Unit.SECONDS, -90.0, "-90 s"),
        (Unit.GPU_HOURS, 0.01, "="),
        (Unit.COUNT, 0.0, "="),
        (Unit.COUNT, None, ""),
    ],
)
def test_differences_carry_their_sign(unit: Unit, value: float | None, words: str) -> None:
    assert difference(unit, value) == words


def test_a_value_and_its_difference_read_as_one() -> None:
    assert str(Side("3", "+1", "worse")) == "3 (+1)"
    assert brief(-200) == "-3.3 min"


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        (0, 4 * 86_400, ["0", "1 d", "2 d", "3 d", "4 d"]),
        (50, 350, ["1 min", "2 min", "3 min", "4 min", "5 min"]),
        (0, 36 * 3600, ["0", "12 h", "1 d", "36 h"]),
        (0, 1, ["0", "1 s"]),
    ],
)
def test_axes_have_round_times(start: int, end: int, shown: list[str]) -> None:
    assert [clock(second) for second in ticks(start, end)] == shown


@pytest.mark.parametrize("days", [1, 3, 10, 45, 400, 5000])
def test_axes_never_have_more_times_than_there_is_room_for(days: int) -> None:
    assert 2 <= len(ticks(7, 7 + days * 86_400)) <= 6


@pytest.mark.parametrize(
    ("value", "upper"), [(0.0, 1.0), (0.3, 0.3), (1.0, 1.0), (7.2, 8.0), (10.0, 10.0), (110.0, 120.0), (901.0, 1000.0)]
)
def test_axes_end_at_round_amounts(value: float, upper: float) -> None:
    assert round_up(value) == pytest.approx(upper)


def test_steps_that_look_alike_are_drawn_as_one() -> None:
    # 350 units for 350 s from 44 on, 100 units for 10 GPUs from 8 on: 5 GPUs lie at 58, and 10 at 8.
    frame = Frame(0, 350, 10.0, 8, 100)
    assert line(frame, (0, 100, 200, 350), (5.0, 5.0, 10.0), "due") == '<path class="due" d="M44 58H244V8H394"/>'
    assert (
        area(frame, (0, 100, 350), (0.0, 20.0), "held") == '<path class="held" d="M44 108L44 108H144V8H394H394V108Z"/>'
    )
