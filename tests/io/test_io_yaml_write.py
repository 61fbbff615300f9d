"""Writing YAML that every reader understands alike."""

from __future__ import annotations

import json
import math
import os
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantry.io.yaml_read import load_documents
from tenantry.io.yaml_write import dump, dump_all

CONFORMANCE = Path(os.environ.get("TENANTRY_SHARED", Path(__file__).parents[2] / "../shared")) / "conformance" / "yaml"

# Characters that YAML gives a meaning to come up often; any other may come up too.
TEXTS = st.text(
    alphabet=st.sampled_from("ynoNYeE01.:-_ #\n\t\r\"'{}[],&*!|>%@`~?=<\\/x\x85\u2028\ufeff\x7f\x1f\u200b\u202eé😀"),
    max_size=12,
) | st.text(max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=15
)


class TextLoader(yaml.CBaseLoader):
    """Reads every scalar as text, so that only quoting and escapes matter."""


def read(text: str) -> Any:
    (document,) = load_documents(text)
    return document.value


@given(VALUES)
@settings(max_examples=400, deadline=None)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert read(dump(value)) == value


@given(st.lists(VALUES, max_size=4))
@settings(max_examples=100, deadline=None)
def test_documents_are_written_one_after_the_other(values: list[Any]) -> None:
    assert [document.value for document in load_documents(dump_all(values))] == values


@given(st.recursive(TEXTS, lambda inner: st.lists(inner, min_size=1, max_size=4), max_leaves=8))
@settings(max_examples=200, deadline=None)
def test_another_parser_reads_the_same_text(value: Any) -> None:
    assert yaml.load(dump(value), Loader=TextLoader) == value


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_writing_what_was_read_gives_the_same_bytes(value: Any) -> None:
    text = dump(value)
    assert dump(value) == text
    assert dump(read(text)) == dump(read(dump(read(text))))


def recorded() -> list[str]:
    path = CONFORMANCE / "strings.json"
    if not path.exists():
        pytest.skip(f"no conformance data at {path}")
    strings: list[str] = json.loads(path.read_text())
    return strings


def test_every_recorded_string_survives_as_value_key_and_item() -> None:
    for text in recorded():
        for value in (text, {"a": text}, {text: 1}, [text], [[text]], {"a": {"b": [text, {text: text}]}}):
            written = dump(value)
            assert read(written) == value
            # PyYAML's own rules differ from the server's; what is quoted well enough is the same for both.
            assert yaml.load(written, Loader=yaml.CSafeLoader) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(
            {"a": {"b": 1}, "c": [1, {"d": 2, "e": [3]}]}, "a:\n  b: 1\nc:\n- 1\n- d: 2\n  e:\n  - 3\n", id="nested"
        ),
        pytest.param([[1, [2]], {}, [], ()], "- - 1\n  - - 2\n- {}\n- []\n- []\n", id="lists of lists and empties"),
        pytest.param({"z": None, "a": True, "b": False}, "z: null\na: true\nb: false\n", id="order is kept"),
        pytest.param(
            {"a": 1e-07, "b": 1e16, "c": 0.5, "d": 2.0}, "a: 1.0e-07\nb: 1.0e+16\nc: 0.5\nd: 2.0\n", id="floats"
        ),
        pytest.param("x", "x\n", id="a scalar document"),
        pytest.param({}, "{}\n", id="an empty document"),
        pytest.param({"image": "quay.io/a/b:v1.2"}, "image: quay.io/a/b:v1.2\n", id="a colon inside a word"),
        pytest.param({"d": "Work that waits, if (needed)"}, "d: Work that waits, if (needed)\n", id="a sentence"),
        pytest.param({"d": "a: b"}, 'd: "a: b"\n', id="a colon before a space"),
        pytest.param({"d": "a:"}, 'd: "a:"\n', id="a colon at the end"),
        pytest.param({"d": "a #b"}, 'd: "a #b"\n', id="a comment sign"),
        pytest.param({"d": "a "}, 'd: "a "\n', id="a space at the end"),
        pytest.param({"y": "No"}, '"y": "No"\n', id="words that are booleans"),
        pytest.param({"lr": "1e-3"}, 'lr: "1e-3"\n', id="text that looks like a number"),
        pytest.param(
            {"a": "\x7f\x85\u2028\ufeff\u202e"}, 'a: "\\u007f\\u0085\\u2028\\ufeff\\u202e"\n', id="hidden characters"
        ),
        pytest.param({"a": "é😀"}, 'a: "é😀"\n', id="other scripts stay readable"),
    ],
)
def test_the_written_form(value: Any, text: str) -> None:
    assert dump(value) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("#!/bin/sh\nset -e\n\n  x\n", "a: |\n  #!/bin/sh\n  set -e\n\n    x\n", id="a script"),
        pytest.param("a\nb", "a: |-\n  a\n  b\n", id="no line end at the end"),
        pytest.param("a\n\n\n", "a: |+\n  a\n\n\n", id="several line ends at the end"),
        pytest.param("x\n---\ny\n", "a: |\n  x\n  ---\n  y\n", id="a document mark inside"),
        pytest.param(" a\nb\n", 'a: " a\\nb\\n"\n', id="a space at the start"),
        pytest.param("\na\n", 'a: "\\na\\n"\n', id="an empty first line"),
        pytest.param("a \nb\n", 'a: "a \\nb\\n"\n', id="a space before a line end"),
        pytest.param("a\nb ", 'a: "a\\nb "\n', id="a space at the very end"),
        pytest.param("a\n\tb\n", 'a: "a\\n\\tb\\n"\n', id="a tab"),
        pytest.param("a\r\nb\n", 'a: "a\\r\\nb\\n"\n', id="carriage returns"),
        pytest.param("a\u2028\nb", 'a: "a\\u2028\\nb"\n', id="another line separator"),
        pytest.param("\n", 'a: "\\n"\n', id="only a line end"),
    ],
)
def test_text_of_several_lines_is_a_block_where_that_keeps_every_character(text: str, written: str) -> None:
    assert dump({"a": text}) == written
    assert read(written) == {"a": text}


def test_long_keys_are_written_so_that_parsers_take_them() -> None:
    value = {"k" * 2000: {"a": [1]}, "l" * 1001: "x", "m" * 1500 + "\n": [{"n" * 1200: []}]}
    assert read(dump(value)) == value
    assert yaml.load(dump(value), Loader=yaml.CSafeLoader) == value


class Mode(StrEnum):
    WHOLE = "whole"


def test_subtypes_of_the_plain_types_are_written_as_these() -> None:
    assert dump({Mode.WHOLE: Mode.WHOLE, "b": (Mode.WHOLE,)}) == "whole: whole\nb:\n- whole\n"


@pytest.mark.parametrize(
    ("value", "error"),
    [
        pytest.param({"a": math.nan}, ValueError, id="not a number"),
        pytest.param([math.inf], ValueError, id="infinity"),
        pytest.param({"a": "\ud800"}, ValueError, id="half a pair"),
        pytest.param({"a": "x\n\ud800"}, ValueError, id="half a pair in several lines"),
        pytest.param({1: "a"}, TypeError, id="a number as key"),
        pytest.param({"a": {1, 2}}, TypeError, id="a set"),
        pytest.param({"a": b"x"}, TypeError, id="bytes"),
    ],
)
def test_what_has_no_json_form_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        dump(value)


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}], ids=["lists", "maps"])
def test_nesting_without_end_is_refused_before_the_stack_runs_out(wrap: Any) -> None:
    value: Any = 1
    for _ in range(250):
        value = wrap(value)
    with pytest.raises(ValueError, match="nested deeper"):
        dump(value)
