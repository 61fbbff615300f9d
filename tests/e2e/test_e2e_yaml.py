"""YAML is read and written as the server reads it: every scalar has the same type and value on both sides."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from typing import Any

import pytest
from e2e_support import Tally, Transcript

from tenantry.errors import YamlError
from tenantry.io.yaml_read import load_documents
from tenantry.io.yaml_write import dump
from testbed.api import Answer
from testbed.control_plane import Cluster
from testbed.definitions import install, stand_in

pytestmark = pytest.mark.e2e

SEED = 22
RECORDED = 20
"""Every how many cases one is kept; those listed are kept all."""
GROUP = "testbed.example.com"

SCALARS = [
    *(
        "y",
        "n",
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
        "True",
        "FALSE",
        "tRUE",
        "Yes",
        "NO",
        "null",
        "Null",
        "~",
        "",
    ),
    *(
        "1",
        "-1",
        "+1",
        "01",
        "0o17",
        "0x1F",
        "0b101",
        "1_000",
        "1e3",
        "1e-3",
        "1E3",
        "1.5e3",
        "1234e56",
        ".5",
        "5.",
        "-.5",
    ),
    *(
        ".inf",
        "-.inf",
        ".nan",
        ".NaN",
        "inf",
        "nan",
        "1:30",
        "12:30:45",
        "190:20:30",
        "2001-12-14",
        "2001-12-14t21:59:43Z",
    ),
    *(
        "0",
        "-0",
        "+0",
        "00",
        "0.0",
        "-0.0",
        "1.0",
        "1.10",
        "9007199254740993",
        "18446744073709551615",
        "1e400",
        "0x",
        "0o8",
    ),
    *(
        "a",
        "a b",
        "a:b",
        "a #b",
        "'1'",
        '"1"',
        "'it''s'",
        '"\\u00e9\\n"',
        "!!str 1",
        "!!int '1'",
        "!!float 1",
        "=",
        "<<",
    ),
    *("-", "--", "---a", "?a", ":a", "a:", "@a", "`a", "%a", "&a b", "*a", "[1, no]", "{a: no}", "[]", "{}", "|", ">"),
    *(
        "0777",
        "0o0",
        "08",
        "1e",
        "e1",
        "1.e1",
        "+.5",
        "-1_0",
        "0_1",
        "1.5_0",
        "0xg",
        "NULL",
        "nUll",
        "TRUE",
        "ON",
        "oFF",
    ),
]


def scalars(draw: random.Random, number: int) -> Iterator[str]:
    """Text that looks like a number, a date, a truth or a word, or nearly so."""
    alphabets = [
        "0123456789",
        "0123456789.eE+-_",
        "01234567:.-T",
        "yYnNoOfFtTrRuUeEsSlLaA~",
        string.ascii_letters + "-./",
        "0xob17_",
    ]
    for _ in range(number):
        yield "".join(draw.choices(draw.choice(alphabets), k=draw.randint(1, 6)))


def texts(draw: random.Random, number: int) -> Iterator[str]:
    alphabet = (
        string.printable.replace("\x0b", "").replace("\x0c", "").replace("\r", "") + "äß漢😀\u2028\u00a0\ufeff\x85"
    )
    yield from (item for item in SCALARS)
    for _ in range(number):
        yield "".join(draw.choices(alphabet, k=draw.randint(0, 12)))


@pytest.fixture(scope="module")
def thing(module_cluster: Cluster) -> Cluster:
    """A cluster with a kind that takes any object."""
    install(module_cluster, [stand_in(GROUP, "v1", "Thing", "things", namespaced=True)])
    return module_cluster


def document(values: list[str]) -> str:
    head = f"apiVersion: {GROUP}/v1\nkind: Thing\nmetadata:\n  name: probe\nspec:\n"
    return head + "".join(f"  v{number}: {value}\n" for number, value in enumerate(values))


def asked(cluster: Cluster, text: str) -> Answer:
    path = f"/apis/{GROUP}/v1/namespaces/default/things"
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    return cluster.api.request("POST", path, text.encode(), query=query, content_type="application/yaml")


def theirs(cluster: Cluster, values: list[str]) -> list[tuple[bool, Any]]:
    """What the server reads for each; many at once, and one by one where one of them is refused."""
    answer = asked(cluster, document(values))
    if answer.ok:
        spec = answer.body.get("spec") or {}
        return [(True, spec.get(f"v{number}")) for number in range(len(values))]
    if len(values) == 1:
        return [(False, answer.message)]
    half = len(values) // 2
    return theirs(cluster, values[:half]) + theirs(cluster, values[half:])


def ours(value: str) -> tuple[bool, Any]:
    try:
        return True, load_documents(document([value]))[0].value["spec"].get("v0")
    except YamlError as error:
        return False, str(error)


def same(one: Any, other: Any) -> bool:
    """Whether both are one value: of JSON, so a whole float is a float on one side and perhaps not on the other."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    return type(one) is type(other) and one == other


def test_scalars_are_read_as_the_server_reads_them(thing: Cluster, tally: Tally, transcript: Transcript) -> None:
    values = list(dict.fromkeys([*SCALARS, *scalars(random.Random(SEED), 4000)]))
    wrong = []
    for start in range(0, len(values), 100):
        chunk = values[start : start + 100]
        for number, (value, (taken, read)) in enumerate(zip(chunk, theirs(thing, chunk), strict=True)):
            if value in SCALARS or number % RECORDED == 0:
                transcript.add(value, taken, read if taken else None)
            taken_here, read_here = ours(value)
            if taken and not taken_here and value.startswith(("&", "*")):
                # Stricter on purpose: what two readers may take differently is refused, anchors and aliases here.
                tally.count("yaml", "anchors refused here only", agreed=True)
                continue
            agreed = taken is taken_here and (not taken or same(read, read_here))
            if not tally.count("yaml", "scalars read", agreed=agreed):
                wrong.append((value, (taken, read), (taken_here, read_here)))
    assert wrong == []


def test_what_is_written_here_is_read_back_by_the_server(thing: Cluster, tally: Tally) -> None:
    draw = random.Random(SEED + 1)
    values = list(texts(draw, 3000))
    wrong = []
    for start in range(0, len(values), 100):
        chunk = {f"v{number}": value for number, value in enumerate(values[start : start + 100])}
        body = {
            "apiVersion": f"{GROUP}/v1",
            "kind": "Thing",
            "metadata": {"name": "probe"},
            "spec": {"texts": chunk, "keys": {value: number for number, value in enumerate(chunk.values()) if value}},
        }
        spec = asked(thing, dump(body)).expect()["spec"]
        for name, value in chunk.items():
            agreed = spec["texts"].get(name) == value and (not value or value in spec["keys"])
            if not tally.count("yaml", "texts written", agreed=agreed):
                wrong.append((value, spec["texts"].get(name)))
    assert wrong == []
