"""What comes of an expression on a part of an object holds for every object with that part."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantry.safe.cel_tree import literals, tree_of
from tenantry.safe.partial import evaluate, outcome, value_of
from tenantry.safe.partial_values import ANYTHING, Anything, Fields, Items, Other, lift

pytest.importorskip("cel_expr_python", reason="CEL is not installed")

KEYS, VALUES = ("a", "b", "c"), ("x", "y", "a")
TRUE, FALSE, ERROR = (
    Anything(false=False, error=False, other=False),
    Anything(true=False, error=False, other=False),
    Anything(true=False, false=False, other=False),
)


def pod(labels: Any) -> Fields:
    return Fields({"metadata": Fields({"labels": labels})})


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("object.metadata.labels['a'] == 'x'", TRUE, id="a label that is known"),
        pytest.param("!('a' in object.metadata.labels)", FALSE, id="a key that is there"),
        pytest.param("object.metadata.?labels[?'a'].orValue('') in ['y', 'z']", FALSE, id="a value in no list"),
        pytest.param("object.metadata.labels.all(k, k != 'a')", FALSE, id="one refutes all"),
        pytest.param("object.metadata.labels.exists(k, k == 'a')", TRUE, id="one is enough"),
        pytest.param("object.metadata.labels['gone'] == 'x'", ERROR, id="a key that is not there"),
        pytest.param("has(object.metadata.labels.gone)", FALSE, id="a field that is not there"),
        pytest.param(
            "object.spec.priority > 3 || 'a' in object.metadata.labels", TRUE, id="true wins over what may fail"
        ),
        pytest.param("object.spec.priority > 3 && !('a' in object.metadata.labels)", FALSE, id="false wins as well"),
        pytest.param("'b' in object.metadata.labels ? false : false", FALSE, id="two ways to one end"),
        pytest.param("object.metadata.labels['other'] == 'x'", FALSE, id="another value than that"),
        pytest.param("object.metadata.?labels[?'a'].optMap(v, v == 'y').orValue(true)", FALSE, id="a mapped optional"),
        pytest.param("cel.bind(l, object.metadata.labels, l['a'] + 'y') == 'xy'", TRUE, id="a bound variable"),
        pytest.param("object.metadata.labels['a'].startsWith('z')", FALSE, id="a function of what is known"),
    ],
)
def test_what_follows_from_a_part_is_concluded(expression: str, expected: Anything) -> None:
    labels = Fields({"a": "x", "other": Other(frozenset({"x"}))}, absent=frozenset({"gone"}))
    assert outcome(expression, {"object": pod(labels)}) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "object.metadata.labels['b'] == 'x'",
        "size(object.metadata.labels) == 2",
        "object.metadata.labels.exists_one(k, k == 'a')",
        "object.metadata.labels.map(k, k).join('') == 'a'",
        "object.metadata.labels == {'a': 'x', 'other': 'y'}",
        "object.metadata.labels['other'] == 'y'",
        "object.spec.containers.all(c, c.image == 'q')",
        "nonsense(",
        "unknown.field",
    ],
)
def test_what_does_not_follow_may_come_out_either_way(expression: str) -> None:
    labels = Fields({"a": "x", "other": Other(frozenset({"x"}))})
    found = outcome(expression, {"object": pod(labels)})
    assert found.true
    assert found.false


def test_an_expression_that_is_no_text_says_nothing() -> None:
    assert outcome(None, {}) == outcome(7, {}) == ANYTHING


def test_lists_that_may_hold_more_decide_only_by_what_they_hold() -> None:
    volumes = Items((Fields({"hostPath": lift({"path": "/"})}),))
    names = {"object": Fields({"spec": Fields({"volumes": volumes})})}
    assert not outcome("object.spec.volumes.all(v, !has(v.hostPath))", names).true
    assert outcome("object.spec.volumes.all(v, has(v.hostPath))", names).true
    assert outcome("object.spec.volumes.exists(v, has(v.emptyDir))", names).false


def test_the_texts_of_an_expression_are_read_from_its_tree() -> None:
    node = tree_of("object.metadata.?labels[?'app'].orValue('') in ['x', \"y\"] && has(object.spec.nodeName)")
    assert node is not None
    assert [text for text in literals(node) if text not in {"labels", ""}] == ["app", "x", "y"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("[1, 2, 3].all(i, i != 1) || cel.bind(j, 3, j == 3)", True),
        ("[1, 2, 3].exists(i, i == 1) && cel.bind(j, 3, j != 3)", False),
        ("[1, 2, 3].all(i, i != 1) ? false : {'k': 'x'}[?'k'].optMap(v, v == 'x').orValue(false)", True),
        ("cel.bind(j, 3, j == 3) && [1, 2, 3].all(i, i != 4)", True),
    ],
)
def test_a_variable_bound_after_a_macro_that_ended_early_has_its_value(expression: str, value: bool) -> None:
    assert evaluate(expression, {}).value is value


def test_an_expression_that_fails_fails_as_in_the_api_server() -> None:
    failed = evaluate("[1, 2, 3].all(i, i != 1) || cel.bind(j, object.gone, j == 3)", {"object": {}})
    assert failed.error
    assert failed.genuine


# --- against the evaluator itself -------------------------------------------------------------------------------------

LABELS = "object.metadata.labels"
_key, _value = st.sampled_from(KEYS), st.sampled_from(VALUES)
ATOMS = st.one_of(
    st.builds(lambda k: f"'{k}' in {LABELS}", _key),
    st.builds(lambda k, v: f"{LABELS}['{k}'] == '{v}'", _key, _value),
    st.builds(lambda k, v: f"{LABELS}['{k}'] != '{v}'", _key, _value),
    st.builds(lambda k, v: f"{LABELS}[?'{k}'].orValue('') == '{v}'", _key, _value),
    st.builds(lambda k, v: f"object.?metadata.?labels[?'{k}'].orValue('x') in ['{v}', 'y']", _key, _value),
    st.builds(lambda k, v: f"{LABELS}[?'{k}'].optMap(q, q == '{v}').orValue(true)", _key, _value),
    st.builds(lambda k: f"{LABELS}[?'{k}'].hasValue()", _key),
    st.builds(lambda k: f"has({LABELS}.{k})", _key),
    st.builds(lambda k: f"{LABELS}.all(q, q != '{k}')", _key),
    st.builds(lambda k, v: f"{LABELS}.exists(q, q == '{k}' && {LABELS}[q] == '{v}')", _key, _value),
    st.builds(lambda k: f"{LABELS}[?'{k}'].orValue('').startsWith('x')", _key),
    st.builds(lambda n: f"size({LABELS}) > {n}", st.integers(0, 3)),
    st.builds(lambda k: f"{LABELS} == {{'{k}': 'x'}}", _key),
    st.builds(lambda k: f"variables.same || '{k}' in {LABELS}", _key),
    st.builds(lambda k, v: f"'{v}' in {LABELS}.map(q, {LABELS}[q])", _key, _value),
    st.builds(lambda k, n: f"{LABELS}.filter(q, q == '{k}').size() == {n}", _key, st.integers(0, 1)),
)
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds(lambda a, b: f"({a} && {b})", inner, inner),
        st.builds(lambda a, b: f"({a} || {b})", inner, inner),
        st.builds(lambda a: f"!({a})", inner),
        st.builds(lambda a, b, c: f"({a} ? {b} : {c})", inner, inner, inner),
    ),
    max_leaves=5,
)


@given(
    EXPRESSIONS,
    st.dictionaries(_key, _value, max_size=2),
    st.dictionaries(_key, _value, max_size=3),
    st.sampled_from(["same == true", "object.metadata.labels['a'] == 'x'", "true"]),
)
@settings(max_examples=400, deadline=None)
def test_whatever_completes_a_part_comes_out_as_was_said(
    expression: str, part: dict[str, str], rest: dict[str, str], same: str
) -> None:
    whole = {**rest, **part}
    told = evaluate(same, {"object": {"metadata": {"labels": whole}}})
    variables = {} if told.error else {"same": told.value}
    real = evaluate(expression, {"object": {"metadata": {"labels": whole}}, "variables": variables})
    names: dict[str, Any] = {"object": pod(Fields(part))}
    said = outcome(expression, {**names, "variables": Fields({"same": value_of(same, names)}, more=False)})
    assert said.error if real.error else getattr(said, str(real.value).lower()), (real, said)


@given(EXPRESSIONS, st.dictionaries(_key, _value, max_size=3))
@settings(max_examples=200, deadline=None)
def test_with_everything_known_one_thing_comes_out_where_the_order_of_a_map_is_not_asked_for(
    expression: str, labels: dict[str, str]
) -> None:
    told = evaluate(expression, {"object": {"metadata": {"labels": labels}}, "variables": {"same": True}})
    names: dict[str, Any] = {"object": lift({"metadata": {"labels": labels}}), "variables": lift({"same": True})}
    said = outcome(expression, names)
    assert said.error if told.error else getattr(said, str(told.value).lower()), (told, said)
    if not told.error:
        assert (said.true, said.false) == (told.value is True, told.value is False)
