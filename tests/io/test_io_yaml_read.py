"""Reading YAML as the API server does."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tenantry.errors import YamlError
from tenantry.io.yaml_marks import load_with_marks
from tenantry.io.yaml_read import Limits, load_documents
from tenantry.model.problem import Location

CONFORMANCE = Path(os.environ.get("TENANTRY_SHARED", Path(__file__).parents[2] / "../shared")) / "conformance" / "yaml"


def read(text: str | bytes) -> Any:
    (document,) = load_documents(text)
    return document.value


def test_every_recorded_scalar_is_read_as_the_server_read_it() -> None:
    path = CONFORMANCE / "plain_scalars.json"
    if not path.exists():
        pytest.skip(f"no conformance data at {path}")
    wrong = []
    for case in json.loads(path.read_text()):
        for text, step in ((f"a: {case['scalar']}\n", "a"), (f"- {case['scalar']}\n", 0)):
            try:
                accepted, value = True, read(text)[step]
            except YamlError:
                accepted, value = False, None
            if (accepted, value, type(value)) != (case["accepted"], case["value"], type(case["value"])):
                wrong.append((case, accepted, value))
    assert not wrong


# Each line was read by sigs.k8s.io/yaml v1.6 (YAMLToJSONStrict).
@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("08", 8, id="a leading zero without octal digits is a float"),
        pytest.param("0o17", 15, id="octal of YAML 1.2"),
        pytest.param("-0x1F", -31, id="signed hexadecimal"),
        pytest.param("0b-1", -1, id="a sign behind the binary prefix"),
        pytest.param("-0b-1", "-0b-1", id="two signs are text"),
        pytest.param("0x_1F", 31, id="underscores vanish from integers"),
        pytest.param(".1_0", 0.1, id="an underscore between digits behind a dot"),
        pytest.param(".1__0", ".1__0", id="two underscores behind a dot are text"),
        pytest.param("._1", "._1", id="an underscore right behind a dot is text"),
        pytest.param("+.5_5", 0.55, id="underscores vanish from signed floats"),
        pytest.param(".1e400", ".1e400", id="too large for a double is text"),
        pytest.param("1e21", 1e21, id="a large float stays a float"),
        pytest.param("18446744073709551616", 18446744073709551616.0, id="beyond 64 bits is a float"),
        pytest.param("-9223372036854775808", -(2**63), id="the smallest integer is exact"),
        pytest.param("9223372036854775807", 2**63 - 1, id="the largest integer is exact"),
        pytest.param("NaN", "NaN", id="a bare word is text"),
        pytest.param("Infinity", "Infinity", id="another bare word is text"),
        pytest.param("oN", "oN", id="odd capitals make no boolean"),
        pytest.param('!!int "5"', 5, id="a tag on quoted text"),
        pytest.param("!!float 1", 1, id="an integer where a float is asked"),
        pytest.param("!!str", "", id="an empty text by tag"),
        pytest.param("! 5", "5", id="the tag that means no guessing"),
        pytest.param("!!timestamp 2020-01-01", "2020-01-01", id="a date stays text"),
    ],
)
def test_a_scalar_means_what_it_means_to_the_server(text: str, value: Any) -> None:
    found = read(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("80", "80"),
        ("010", "8"),
        ("on", "true"),
        ("No", "false"),
        ("1.50", "1.5"),
        ("1e3", "1000"),
        ("1e6", "1e+06"),
        ("64E8", "6.4e+09"),
        ("16777217.0", "1.6777216e+07"),
        ("123456789.5", "1.2345679e+08"),
        ("1e-5", "1e-05"),
        ("1e300", ".inf"),
        ("'1'", "1"),
        ("!!binary aGk=", "hi"),
        ("'<<'", "<<"),
        ("=", "="),
    ],
)
def test_a_key_becomes_the_text_the_server_makes_of_it(key: str, text: str) -> None:
    assert read(f"{key}: x") == {text: "x"}


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        pytest.param("a: 1\nb:\n  c: 1\n  c: 2\n", 4, 3, "'c' stands twice", id="duplicate key"),
        pytest.param('1: a\n"1": b\n', 2, 1, "'1' stands twice", id="keys that are the same in JSON"),
        pytest.param("a: &x 1\n", 1, 4, "anchor &x", id="anchor on a scalar"),
        pytest.param("a: &x {}\n", 1, 4, "anchor &x", id="anchor on a map"),
        pytest.param("&x a: 1\n", 1, 1, "anchor &x", id="anchor on a key"),
        pytest.param("&x [1]\n", 1, 1, "anchor &x", id="anchor on the root"),
        pytest.param("a: 1\nb: *x\n", 2, 4, "alias *x", id="alias"),
        pytest.param("*x\n", 1, 1, "alias *x", id="alias as the document"),
        pytest.param("a:\n  <<: {b: 1}\n", 2, 3, "merge keys", id="merge key"),
        pytest.param("a: !custom 1\n", 1, 4, "tag !custom", id="custom tag on a scalar"),
        pytest.param("a: !Ref {b: 1}\n", 1, 4, "tag !Ref", id="custom tag on a map"),
        pytest.param("a: !!set {b}\n", 1, 4, "tag !!set", id="a tag without a JSON form"),
        pytest.param("a: !!int x\n", 1, 4, "!!int", id="a tag that does not suit"),
        pytest.param("a: !!binary '*'\n", 1, 4, "base64", id="binary that is none"),
        pytest.param("a: .nan\n", 1, 4, "no JSON value", id="not a number"),
        pytest.param("~: 1\n", 1, 1, "null", id="null key"),
        pytest.param("18446744073709551615: 1\n", 1, 1, "64 bits", id="key beyond 64 bits"),
        pytest.param("? [a]\n: 1\n", 1, 3, "cannot be a key", id="list as a key"),
        pytest.param("a: {{ .Values.x }}\n", 1, 5, "template", id="template"),
        pytest.param("a:\n\tb: 1\n", 2, 1, "tab", id="tab"),
        pytest.param("a: b: c\n", 1, 5, "quotes", id="colon inside text"),
        pytest.param("a: @x\n", 1, 4, "quotes", id="reserved sign"),
        pytest.param("a: [1\n", 2, 1, "','", id="open list"),
        pytest.param("a: \x07\n", 1, 4, "control characters", id="control character"),
        pytest.param('{"a": 1,\n "a": 2}', 2, 2, "'a' stands twice", id="duplicate key in JSON"),
        pytest.param("a: 1\n---\nb: [\n---\n", 4, 1, "", id="error in a later document"),
    ],
)
def test_what_is_refused_is_named_with_its_place(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(YamlError) as caught:
        load_documents(text, "f.yaml")
    error = caught.value
    assert (error.file, error.line, error.column) == ("f.yaml", line, column)
    assert words in error.reason


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"a: b\0c", "binary", id="zero byte"),
        pytest.param(b"\x7fELF\x02\x01\x01\0\0", "binary", id="program"),
        pytest.param("a: 1".encode("utf-16"), "UTF-16", id="UTF-16"),
        pytest.param(b"a: 1\nb: \xe9\n", "f.yaml:2:4: the file is not UTF-8", id="Latin-1"),
    ],
)
def test_bytes_that_are_no_text_are_named_as_such(data: bytes, words: str) -> None:
    with pytest.raises(YamlError, match=words):
        load_documents(data, "f.yaml")


def test_a_text_beyond_the_size_names_both_sizes() -> None:
    with pytest.raises(YamlError, match=r"the file has 3\.0 MiB; at most 2 MiB"):
        load_documents(b"#" * 3 * 2**20, limits=Limits(max_bytes=2 * 2**20))
    assert load_documents(b"#" * 2 * 2**20, limits=Limits(max_bytes=2 * 2**20)) == []


@pytest.mark.parametrize("opening", ["[", '{"a":', "- ", "? "])
def test_depth_is_capped_before_memory_or_stack_run_out(opening: str) -> None:
    with pytest.raises(YamlError):
        load_documents(opening * 20_000)


@pytest.mark.parametrize(("brackets", "accepted"), [(5, True), (6, False)])
def test_the_depth_counts_maps_and_lists_inside_each_other(brackets: int, accepted: bool) -> None:
    # {"a": ...} around the lists is one level more.
    for text in ("[" * brackets + "]" * brackets, '{"a":' + "[" * (brackets - 1) + "]" * (brackets - 1) + "}"):
        if accepted:
            load_documents(text, limits=Limits(max_depth=5))
        else:
            with pytest.raises(YamlError, match="nested deeper than 5"):
                load_documents(text, limits=Limits(max_depth=5))


def test_an_expansion_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a0: &a0 [x,x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1},*a{i - 1}]\n" for i in range(1, 64))
    with pytest.raises(YamlError, match="anchor &a0"):
        load_documents(bomb)


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("# only a comment\n", [], id="comment only"),
        pytest.param("---\n", [(None, 2)], id="an empty document"),
        pytest.param("a: 1\n---\n---\n# c\nb: 2\n", [({"a": 1}, 1), (None, 3), ({"b": 2}, 5)], id="three documents"),
        pytest.param("a: 1\r\n---\r\nb: |\r\n  x\r\n  y\r\n", [({"a": 1}, 1), ({"b": "x\ny\n"}, 3)], id="CRLF"),
        pytest.param("\ufeffa: 1\n", [({"a": 1}, 1)], id="byte order mark"),
        pytest.param('\n\n {"a": [1.0, 1e3, "\\ud83d\\ude00"]}', [({"a": [1, 1000, "😀"]}, 3)], id="JSON"),
        pytest.param("{a: b}", [({"a": "b"}, 1)], id="a flow map that is not JSON"),
        pytest.param("%YAML 1.1\n---\na: 1\n...\n", [({"a": 1}, 3)], id="directive and end mark"),
    ],
)
def test_documents_come_with_their_lines(text: str, documents: list[tuple[Any, int]]) -> None:
    found = load_documents(text)
    assert [(document.value, document.line) for document in found] == documents
    assert [document.index for document in found] == list(range(len(documents)))


def test_json_follows_json_where_yaml_differs() -> None:
    long_key = "k" * 2000
    assert read(json.dumps({long_key: "a\u2028b"}, ensure_ascii=False)) == {long_key: "a\u2028b"}


MARKED = """\
# comment
a:
  - b: "x y"  # comment
    é: |
      text
  - [1, {z: 3}]
---
last: 1.50
"""


def test_marks_give_the_place_of_keys_and_values() -> None:
    first, second = load_with_marks(MARKED, "f.yaml")
    assert first.document.value == {"a": [{"b": "x y", "é": "text\n"}, [1, {"z": 3}]]}
    assert first.locate(("a", 0, "b")) == Location("f.yaml", 3, 8)
    assert first.locate(("a", 0, "b"), key=True) == Location("f.yaml", 3, 5)
    assert first.locate(("a", 0, "é"), key=True) == Location("f.yaml", 4, 5)
    assert first.locate(("a", 1, 1, "z")) == Location("f.yaml", 6, 13)
    assert second.locate(("last",)) == Location("f.yaml", 8, 7)
    assert second.locate(()) == Location("f.yaml", 8, 1)


def test_a_missing_thing_is_placed_at_the_closest_thing_around_it() -> None:
    (first, _) = load_with_marks(MARKED, "f.yaml")
    assert first.locate(("a", 0, "missing", "deeper")) == Location("f.yaml", 3, 5)
    assert first.locate(("a", 7)) == Location("f.yaml", 2, 1)
    assert first.locate(("nothing",)) == Location("f.yaml", 2, 1)


def test_marks_keep_scalars_as_written() -> None:
    first, second = load_with_marks(MARKED)
    assert first.written(("a", 0, "b")) == '"x y"'
    assert second.written(("last",)) == "1.50"
    assert first.written(("a",)) == ""


def test_marks_cover_every_path_of_the_value() -> None:
    def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return [path] + [found for step, child in items for found in paths(child, (*path, step))]

    text = "on: {1: [a, [], {}, {b: {}}]}\nc:\n- - d\n  - e: \n- f\n---\n- x\n---\ny\n"
    for marked in load_with_marks(text):
        assert set(marked.values) == set(paths(marked.document.value))
        assert set(marked.keys) == set(paths(marked.document.value)) - {()}


def test_json_that_is_not_yaml_has_at_least_the_place_of_the_document() -> None:
    (marked,) = load_with_marks('\n{"a": "\\ud83d\\ude00", "b": 1}', "f.json")
    assert marked.document.value == {"a": "😀", "b": 1}
    assert marked.locate(("b",)).line == 2
