"""A plan as a comment: found again by its marker, never longer than the limit, never cut open."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tenantry.cli.render.plan_markdown import markdown, marker
from tenantry.model.manifest import ManifestKey
from tenantry.model.problem import Location
from tenantry.plan import Area, Cause, Effect, Level, Mark, Plan
from tenantry.plan.effect import Application, ObjectChange, Touched
from tenantry.plan.inputs import Inputs

INPUTS = Inputs(spec="clusters/ai", repository=True)


def effect(area: Area, number: int, level: Level = Level.CHANGE, length: int = 40) -> Effect:
    cause = Cause("Tenant a", "spec.x", 1, "y" * length, Location("clusters/ai/tenants.yaml", number + 1, 1))
    return Effect("EFFECT-X", area, Mark.CHANGE, level, f"tenant {number:04}", "m" * length, causes=(cause,))


def change(number: int) -> ObjectChange:
    key = ManifestKey("v1", "ConfigMap", "a", f"c{number}")
    return ObjectChange(key, "apps", Mark.CHANGE, (Touched(key, "data/x", "```", "~~~"),))


def plan(**more: Any) -> Plan:
    return Plan("ai-factory", "production", "main", "HEAD", summary="no node is disturbed", inputs=INPUTS, **more)


def tables(text: str) -> list[int]:
    """Return the rows of each table, as a Markdown parser sees them."""
    found, inside = [], False
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "tbody_open":
            found.append(0)
        inside = token.type == "tbody_open" or (inside and token.type != "tbody_close")
        if inside and token.type == "tr_open":
            found[-1] += 1
    return found


def test_the_marker_is_that_of_the_spec_and_environment_and_stands_first() -> None:
    expected = "<!-- tenantry-plan spec=clusters/ai environment=production -->"
    assert marker("clusters/ai", "production") == markdown(plan()).splitlines()[0] == expected
    # No two hyphens in a row and no angle bracket: either would end the comment of HTML.
    assert marker("a --> b/ü", "") == "<!-- tenantry-plan spec=a%20%2D%2D%3E%20b/%C3%BC environment= -->"


def test_a_comment_that_fits_is_whole() -> None:
    text = markdown(plan(effects=tuple(effect(Area.TENANTS, n) for n in range(3)), objects=(change(1),)))
    assert tables(text) == [3 + 0]
    assert "Left out" not in text
    assert "<details><summary>1 object of the tree differ" in text


def test_what_is_worth_least_goes_first() -> None:
    made = plan(
        effects=(
            *(effect(Area.TENANTS, n, length=200) for n in range(20)),
            *(effect(Area.ISOLATION, n, Level.UNSAFE, length=200) for n in range(8)),
            *(effect(Area.GITOPS, n, Level.NOTE) for n in range(50)),
        ),
        applications=(Application("gpu-operator", 50, 0, 1, 0, "syncs in a change window only"),),
        objects=tuple(change(n) for n in range(200)),
        notes=("isolation was compared",),
    )
    whole = markdown(made, limit=1_000_000)
    assert tables(whole) == [20, 8]
    cut = markdown(made, limit=8_000, full="https://ci.example.com/7")
    # 8 rows of isolation are kept, and as many rows of tenants as fit behind them.
    kept = tables(cut)
    assert kept[1] == 8
    assert 0 < kept[0] < 20
    assert "200 objects of the tree differ" in cut.partition("Left out")[2]
    assert f"{20 - kept[0]} of 20 in tenants" in cut
    assert "The whole plan: https://ci.example.com/7" in cut
    assert "- isolation was compared" in cut


@given(
    st.lists(st.sampled_from(list(Area)), max_size=60),
    st.integers(0, 60),
    st.integers(2_000, 30_000),
    st.integers(1, 3_000),
)
def test_no_comment_is_too_long_or_cut_open(areas: list[Area], objects: int, limit: int, length: int) -> None:
    levels = list(Level)
    effects = tuple(effect(area, n, levels[n % 4], length) for n, area in enumerate(areas))
    made = plan(effects=tuple(sorted(effects, key=Effect.sort_key)), objects=tuple(change(n) for n in range(objects)))
    text = markdown(made, limit=limit)
    assert len(text.encode()) <= limit
    assert text.count("<details>") == text.count("</details>")
    assert text.count("\n```") % 2 == 0
    shown = sum(tables(text))
    told = len([item for item in made.effects if item.level > Level.NOTE])
    assert shown == told or "Left out, as the comment would be too long" in text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("@everyone", "`spec.x: unset -> @everyone`"),
        ("a|b", "`spec.x: unset -> a\\|b`"),
        ("`rm`", "`` spec.x: unset -> `rm` ``"),
        ("[a](http://b)", "`spec.x: unset -> [a](http://b)`"),
        ("<img src=x>", "`spec.x: unset -> <img src=x>`"),
        ("two\nlines", "`spec.x: unset -> two lines`"),
    ],
)
def test_nothing_that_people_wrote_acts(value: str, expected: str) -> None:
    cause = Cause("Tenant a", "spec.x", None, value, Location("t.yaml", 1, 1))
    made = Effect("EFFECT-X", Area.TENANTS, Mark.CHANGE, Level.CHANGE, "tenant @a", "<b>|@b", causes=(cause,))
    text = markdown(plan(effects=(made,)))
    assert expected in text
    assert tables(text) == [1]
    assert "tenant @<!-- -->a" in text
    assert "&lt;b>\\|@<!-- -->b" in text
