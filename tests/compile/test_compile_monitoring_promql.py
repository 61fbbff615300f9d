"""The PromQL reader: which metrics an expression uses, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.compile.monitoring.promql import FUNCTIONS, metrics, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        pytest.param("up", {"up"}, id="a bare metric"),
        pytest.param("a:b:c", {"a:b:c"}, id="colons belong to names of recorded series"),
        pytest.param('up{job="node", instance!~"x.*"}', {"up"}, id="labels and their values are not metrics"),
        pytest.param('up{job="sum(down)"}', {"up"}, id="a query inside a string is text"),
        pytest.param("up{job='it''s'}".replace("''", r"\'"), {"up"}, id="escaped quotes do not end a string"),
        pytest.param("up{job=`\\`}", {"up"}, id="a backslash means nothing between back quotes"),
        pytest.param("sum by (node, gpu) (a)", {"a"}, id="grouping labels before the argument"),
        pytest.param("sum(a) without (node)", {"a"}, id="grouping labels after the argument"),
        pytest.param("SUM BY (node) (a)", {"a"}, id="keywords in capitals"),
        pytest.param("a * on (x) group_left (y, z) b", {"a", "b"}, id="labels of a join"),
        pytest.param("a * on (x) group_left b", {"a", "b"}, id="group_left without parentheses"),
        pytest.param("a / ignoring (x) group_right () b", {"a", "b"}, id="empty parentheses"),
        pytest.param("rate(a[5m])", {"a"}, id="a range"),
        pytest.param("max_over_time(rate(a[1h30m])[1d:5m])", {"a"}, id="a subquery"),
        pytest.param("a offset 5m - a offset -1w", {"a"}, id="offsets"),
        pytest.param("a @ 1609746000 + b @ end()", {"a", "b"}, id="fixed times"),
        pytest.param("a > bool 5e-3 or b == Inf unless c != NaN", {"a", "b", "c"}, id="numbers with names"),
        pytest.param("0x1F + 1.5 + .5 + a", {"a"}, id="numbers without names"),
        pytest.param('label_replace(a, "b", "$1", "c", "(.*)")', {"a"}, id="strings as arguments"),
        pytest.param("vector(1)", set(), id="no metric at all"),
        pytest.param("topk(5, a) # and not b", {"a"}, id="a comment"),
        pytest.param("sum + count{x='1'}", {"sum", "count"}, id="metrics named like aggregations"),
        pytest.param('{__name__="a", x="y"}', {"a"}, id="the name as a label"),
        pytest.param('{"a.b", x="y"}', {"a.b"}, id="the quoted form of a name"),
        pytest.param('{x="y"}', set(), id="a selector without name"),
        pytest.param("a\n  and\n\tb", {"a", "b"}, id="several lines"),
        pytest.param("a atan2 b", {"a", "b"}, id="atan2 is an operator"),
        pytest.param("quantile(0.9, a)", {"a"}, id="an aggregation with a parameter"),
    ],
)
def test_metrics_are_told_from_everything_else(expression: str, names: set[str]) -> None:
    assert metrics(expression) == names


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        pytest.param("", "empty", id="nothing"),
        pytest.param("# only a comment", "empty", id="only a comment"),
        pytest.param("sum(a", "never closed", id="a bracket that is never closed"),
        pytest.param("sum by (x (a)", "never closed", id="grouping labels that are never closed"),
        pytest.param("a)", "closes nothing", id="a bracket too many"),
        pytest.param("a{x='1']", "closes nothing", id="a bracket of the other kind"),
        pytest.param('a{x="y}', "no token", id="a string that does not end"),
        pytest.param("a & b", "no token", id="a character that PromQL does not have"),
        pytest.param("avg_overtime(a[5m])", "unknown function avg_overtime", id="a misspelt function"),
        pytest.param('{__name__=~"a.*"}', "cannot be traced", id="a pattern instead of a name"),
    ],
)
def test_broken_expressions_are_refused(expression: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        metrics(expression)


def test_positions_point_into_the_expression() -> None:
    found = tokens("a + bb")
    assert [(token.text, token.position) for token in found] == [("a", 0), ("+", 2), ("bb", 4)]


def test_every_known_function_is_one_of_prometheus() -> None:
    # The other parser knows the arguments of each function; an unknown one is refused before they are counted.
    unknown = []
    for name in sorted(FUNCTIONS):
        try:
            promql_parser.parse(f"{name}()")
        except ValueError as error:
            if "unknown function" in str(error).lower():
                unknown.append(name)
    assert unknown == []


NAMES = st.from_regex(r"\A[a-z_:][a-z0-9_:]{0,8}\Z").filter(
    lambda name: name not in FUNCTIONS and not promql_keyword(name) and name.strip("_:") != ""
)
TEXTS = st.text(st.sampled_from("ab (){}[],=~#:`$1"), max_size=8)


def promql_keyword(name: str) -> bool:
    try:
        return not isinstance(promql_parser.parse(name), promql_parser.VectorSelector)
    except ValueError:
        return True


@st.composite
def selectors(draw: st.DrawFn) -> str:
    name, matchers = draw(NAMES), draw(st.lists(st.tuples(st.sampled_from(["by", "job", "sum"]), TEXTS), max_size=2))
    inside = ",".join(f'{label}="{value}"' for label, value in matchers)
    return f"{name}{{{inside}}}" if inside else name


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "and", "unless on (a, b)", "* on (a) group_left (b)", "> bool", "or"])
    return st.one_of(
        st.tuples(inner, operators, inner).map(lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})".replace(
            "(1)", "(vector(1))"
        )),
        inner.map(lambda part: f"sum by (a, b) ({part})"),
        inner.map(lambda part: f"max_over_time(({part})[1h:5m])"),
        inner.map(lambda part: f'label_replace({part}, "a", "$1", "b", "(.*)")'),
        inner.map(lambda part: f"count({part}) without (c) # {part.replace(chr(10), ' ')}\n"),
    )  # fmt: skip


def _selected(expression: promql_parser.Expr) -> Iterable[str]:
    """Walk the tree of the other parser."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression.name or ""
    for field in ("lhs", "rhs", "expr", "vector_selector", "args"):
        child = getattr(expression, field, None)
        for item in child if isinstance(child, list) else [child]:
            if item is not None:
                yield from _selected(item)


@given(st.recursive(selectors(), _grow, max_leaves=6))
def test_a_full_parser_finds_the_same_metrics(expression: str) -> None:
    assert metrics(expression) == set(_selected(promql_parser.parse(expression)))


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = metrics(text)
    except ValueError:
        return
    assert all(isinstance(name, str) for name in found)
