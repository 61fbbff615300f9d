"""Quantities are read, compared and written as the server does."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from e2e_support import Tally, Transcript

from tenantry.model.quantity import NANO, Quantity, is_quantity, parse_quantity
from testbed.control_plane import Cluster
from testbed.policies import policy

pytestmark = pytest.mark.e2e

SEED = 21
RECORDED = 10
"""Every how many cases one is kept; edges are kept all."""
SUFFIXES = [
    "",
    "",
    "n",
    "u",
    "m",
    "k",
    "M",
    "G",
    "T",
    "P",
    "E",
    "Ki",
    "Mi",
    "Gi",
    "Ti",
    "Pi",
    "Ei",
    "e3",
    "E3",
    "e-3",
    "e0",
]
EDGES = [
    *("0", "-0", "+0", "00", "0.0", ".5", "5.", "1.5", "-1.5", "+1", "1e3", "1E3", "1e-9", "1e-10", "1e18", "1e30"),
    *("9223372036854775807", "9223372036854775808", "8Ei", "7.999Ei", "9Ei", "1000E", "0.1n", "1.1n", "999999999n"),
    *("1024", "1024Ki", "1000Ki", "1.5Gi", "0.5Ki", "1500m", "0.001", "0.0001", "1000m", "1000000u", "12e6", "1e6"),
]
NONSENSE = [
    *(
        "",
        " ",
        "1 ",
        " 1",
        "1 Gi",
        "Gi",
        "m",
        "1K",
        "1ki",
        "1gi",
        "1GB",
        "1Gib",
        "1e",
        "1e+",
        "e3",
        "--1",
        "+-1",
        "1,5",
    ),
    *("0x10", "1_000", "NaN", "Inf", "1.2.3", "1mm", "1e3Gi", "1Gie3", "ten", "1e1.5", ".", "-", "+", "-.", "٣", "1i"),
]
LENIENT = re.compile(r"[+-]?\.?([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?")
"""What the server's parser takes for zero though its grammar does not allow it; here it is refused on purpose."""

SUFFIX_BEYOND = 10**21
"""From here on the server may need a suffix beyond E, and writes none: 1000E comes back as 1."""


def quantities(draw: random.Random, number: int) -> Iterator[str]:
    for _ in range(number):
        whole = str(draw.randrange(10 ** draw.randint(1, 19)))
        part = "." + str(draw.randrange(10 ** draw.randint(1, 12))) if draw.random() < 0.4 else ""
        yield draw.choice(["", "", "", "-", "+"]) + whole + part + draw.choice(SUFFIXES)


def junk(draw: random.Random, number: int) -> Iterator[str]:
    for _ in range(number):
        yield "".join(draw.choices("0123456789.+-eEmkKMGiTnu ", k=draw.randint(1, 7)))


def chunks(values: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def limits(values: list[str]) -> dict[str, Any]:
    """An object that holds quantities of any kind: the largest per container of names nobody else uses."""
    most = {f"example.com/r{number}": value for number, value in enumerate(values)}
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "probe", "namespace": "default"},
        "spec": {"limits": [{"type": "Container", "max": most}]},
    }


def stored(value: str) -> str:
    """The canonical form of what the server keeps in a list of resources, which it rounds up to thousandths.

    Source: Kubernetes, ``pkg/apis/core/v1/defaults.go``, ``SetDefaults_ResourceList``.
    """
    read = parse_quantity(value)
    return str(Quantity(read.milli() * (NANO // 1000), read.format))


def test_quantities_are_written_as_the_server_writes_them(
    module_cluster: Cluster, tally: Tally, transcript: Transcript
) -> None:
    values = [*EDGES, *quantities(random.Random(SEED), 3000)]
    wrong = []
    for chunk in chunks(values, 150):
        # Amounts below zero are no limits: LimitRange takes them all the same, it compares only with each other.
        spec = module_cluster.api.create(limits(chunk), dry_run=True).expect()["spec"]["limits"][0]
        for number, value in enumerate(chunk):
            theirs, ours = spec["max"][f"example.com/r{number}"], stored(value)
            if theirs == value != ours:
                # The server gives a text back as it came where nothing made it count with the amount.
                tally.count("quantities", "given back as they came", agreed=True)
            elif ours != theirs and abs(parse_quantity(value).value) >= SUFFIX_BEYOND and not theirs.endswith("E"):
                tally.count("quantities", "beyond the suffixes", agreed=ours[-1] == "E")
            elif not tally.count("quantities", "canonical form", agreed=ours == theirs):
                wrong.append((value, ours, theirs))
            if theirs != value and (value in EDGES or number % RECORDED == 0):
                transcript.add("canonical", value, theirs)
    assert wrong == []


def test_what_is_no_quantity_is_refused_on_both_sides(
    module_cluster: Cluster, tally: Tally, transcript: Transcript
) -> None:
    wrong = []
    for value in [*NONSENSE, *junk(random.Random(SEED + 1), 800)]:
        theirs = module_cluster.api.create(limits([value]), dry_run=True).ok
        agreed = is_quantity(value) is theirs
        if value in NONSENSE:
            transcript.add("taken", value, theirs)
        if theirs and LENIENT.fullmatch(value.strip()):
            tally.count("quantities", "refused here only", agreed=not is_quantity(value))
        elif not tally.count("quantities", "taken or refused", agreed=agreed):
            wrong.append((value, theirs))
    assert wrong == []


def test_quantities_compare_as_the_server_compares_them(
    module_cluster: Cluster, tally: Tally, transcript: Transcript
) -> None:
    draw = random.Random(SEED + 2)
    values = [*EDGES, *quantities(draw, 300)]
    # Neighbours in size and the same amount in another form are where comparisons go wrong.
    values += [str(parse_quantity(value)) for value in values[::2]]
    pairs = [(draw.choice(values), draw.choice(values)) for _ in range(1200)]
    pairs += [(value, str(parse_quantity(value))) for value in values]
    compare(module_cluster)
    wrong = []
    for chunk in chunks(pairs, 40):
        data = {"pairs": ";".join(f"{left} {right}" for left, right in chunk)}
        probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "compared", "namespace": "default"}}
        said = module_cluster.api.create({**probe, "data": data}, dry_run=True).message
        found = [int(word) for word in said.rpartition("compared:")[2].split(",")]
        for number, ((left, right), theirs) in enumerate(zip(chunk, found, strict=True)):
            if number % RECORDED == 0:
                transcript.add("compared", left, right, theirs)
            one, other = parse_quantity(left), parse_quantity(right)
            ours = (one > other) - (one < other)
            if not tally.count("quantities", "comparison", agreed=ours == theirs):
                wrong.append((left, right, ours, theirs))
    assert wrong == []


def compare(cluster: Cluster) -> None:
    """Let the server answer comparisons in the message of a policy that always refuses."""
    pairs = (
        "object.data.pairs.split(';').map(p, string(quantity(p.split(' ')[0]).compareTo(quantity(p.split(' ')[1]))))"
    )
    told = {"expression": "false", "messageExpression": f"'compared:' + {pairs}.join(',')"}
    made = policy(
        "compare", resources=["configmaps"], operations=["CREATE"], names=["compared"], groups=[""], validations=[told]
    )
    for body in made:
        cluster.api.create(body).expect()
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "compared", "namespace": "default"}}
    body = {**probe, "data": {"pairs": "1 2"}}
    cluster.until("the policy", lambda: "compared:-1" in cluster.api.create(body, dry_run=True).message)
