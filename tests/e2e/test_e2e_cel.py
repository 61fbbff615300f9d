"""CEL is evaluated as the server does it: on whole objects, and as far as that can be said of objects half known."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cel_generator import Draw, thing
from e2e_support import Tally

from tenantry.safe.partial import evaluate, outcome
from tenantry.safe.partial_values import Anything, Fields, Items, lift
from testbed.control_plane import Cluster
from testbed.definitions import install, stand_in
from testbed.policies import policy, settle

pytestmark = pytest.mark.e2e

SEED = 62
GROUP = "testbed.example.com"
BATCHES = 60
BATCH = 30
"""Expressions in one policy; as many answers as fit into the warnings of one response."""
OBJECTS = 12
ANSWER = re.compile(r"@(\d+)=(true|false|error)")

NOT_KNOWN = {
    "regular expressions that are none": "regular expression",
    "no such function for these types": "overload",
    "values of another type": "container type",
    "addresses of what is no text": "not subscriptable",
    "forms that the second evaluator does not know": "a form that is not evaluated",
}
"""Errors of the evaluator that may come from a difference between evaluators, and so decide nothing."""

ADDED = re.compile(r"\(.* \+ .*\)")
"""What is added to a list is taken for a list (``safe/partial.py``): the fields that guards add up can be nothing else.
Where it is missing or something else the server has an error, which refuses as ``false`` does; so no refusal that is
said to hold for all objects is wrong for it."""

Body = dict[str, Any]


@pytest.fixture(scope="module")
def asked(module_cluster: Cluster) -> Cluster:
    """A cluster with a kind that takes any object."""
    install(module_cluster, [stand_in(GROUP, "v1", "Thing", "things", namespaced=True)])
    return module_cluster


def written(batch: int, expressions: Mapping[int, str]) -> tuple[Body, Body]:
    """Return a policy that warns of what each expression gives; of an error it warns with the plain message."""
    validations = [
        {"expression": "false", "message": f"@{number}=error", "messageExpression": told(number, expression)}
        for number, expression in expressions.items()
    ]
    body, binding = policy(
        f"batch-{batch}",
        resources=["things"],
        operations=["CREATE"],
        names=[f"batch-{batch}"],
        groups=[GROUP],
        validations=validations,
    )
    binding["spec"]["validationActions"] = ["Warn"]
    return body, binding


def told(number: int, expression: str) -> str:
    return f"'@{number}=' + (({expression}) ? 'true' : 'false')"


def taken(cluster: Cluster, batch: int, expressions: dict[int, str]) -> dict[int, str]:
    """Create the policy of a batch without what the server cannot compile; return what is left."""
    left = dict(expressions)
    while left:
        body, binding = written(batch, left)
        said = cluster.api.create(body)
        if said.ok:
            cluster.api.create(binding).expect()
            return left
        places = {int(found) for found in re.findall(r"spec\.validations\[(\d+)\]", said.message)}
        assert places, said.message
        numbers = list(left)
        for place in places:
            del left[numbers[place]]
    return left


def answers(cluster: Cluster, batch: int, spec: Body) -> dict[int, str]:
    meta = {"name": f"batch-{batch}", "namespace": "default"}
    body = {"apiVersion": f"{GROUP}/v1", "kind": "Thing", "metadata": meta, "spec": spec}
    said = cluster.api.create(body, dry_run=True)
    said.expect()
    return {int(found[1]): found[2] for text in said.warnings if (found := ANSWER.search(text))}


def ours(expression: str, body: Body) -> str:
    # As the server is asked: what is no truth value is an error.
    found = evaluate(f"({expression}) ? true : false", names(body))
    if found.error:
        return "error" if found.genuine else f"unknown: {found.error}"
    return {True: "true", False: "false"}.get(found.value, f"unknown: {found.value!r}")


def names(body: Body) -> Body:
    return {"object": body, "oldObject": None, "request": {}, "variables": {}, "params": None, "namespaceObject": None}


def may_be(expression: str, known: Any) -> set[str]:
    """Return what may come of an expression, by what is known of an object."""
    lifted = {name: lift(value) for name, value in names({}).items()} | {"object": known}
    found: Anything = outcome(f"({expression}) ? true : false", lifted)
    if found.other:
        return {"true", "false", "error"}
    flags = {"true": found.true, "false": found.false, "error": found.error}
    return {name for name, possible in flags.items() if possible}


def partly(draw: random.Random, value: Any, *, much: float = 0.3) -> Any:
    """Return a value of which some is not known: entries and items may be missing here that are there."""
    if isinstance(value, dict):
        kept = {key: partly(draw, item, much=much) for key, item in value.items() if draw.random() > much}
        return Fields(kept, more=True) if len(kept) < len(value) or draw.random() < 0.5 else Fields(kept, more=False)
    if isinstance(value, list):
        left = tuple(partly(draw, item, much=much) for item in value if draw.random() > much)
        return Items(left, more=len(left) < len(value) or draw.random() < 0.5)
    return value


@pytest.fixture(scope="module")
def compared(asked: Cluster) -> list[tuple[str, Body, str]]:
    """Expressions, objects, and what the server makes of one on the other."""
    draw = Draw(SEED)
    drawn = dict(enumerate(draw.truth(depth) for _ in range(BATCHES * BATCH // 3) for depth in (1, 2, 3)))
    batches = [
        {number: drawn[number] for number in range(start, start + BATCH)} for start in range(0, len(drawn), BATCH)
    ]
    with ThreadPoolExecutor(8) as pool:
        left = list(pool.map(lambda batch: taken(asked, *batch), enumerate(batches)))
        settle(asked)
        pairs = [(batch, thing(draw.random)) for batch in range(len(batches)) for _ in range(OBJECTS)]
        found = list(pool.map(lambda pair: answers(asked, *pair), pairs))
    results = []
    for (batch, spec), told_of in zip(pairs, found, strict=True):
        for number, expression in left[batch].items():
            results.append((expression, spec, told_of.get(number, "missing")))
    results += [(drawn[number], {}, "not compiled") for number in drawn if number not in left[number // BATCH]]
    return results


def seen(spec: Body) -> Body:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Thing",
        "metadata": {"name": "probe", "namespace": "default"},
        "spec": spec,
    }


def test_expressions_give_what_they_give_on_the_server(compared: list[tuple[str, Body, str]], tally: Tally) -> None:
    wrong = []
    for expression, spec, theirs in compared:
        if theirs == "not compiled":
            # The server refuses such a policy; what is said of it here matters to nobody.
            tally.count("cel", "not compiled by the server", agreed=True)
            continue
        found = ours(expression, seen(spec))
        if found.startswith("unknown"):
            reason = next((reason for reason, sign in NOT_KNOWN.items() if sign in found), "")
            if not tally.count("cel", f"not known here: {reason}", agreed=bool(reason)):
                wrong.append(f"{expression}\n  on {spec}\n  here {found}, there {theirs}")
            continue
        if not tally.count("cel", f"whole objects: {theirs}", agreed=found == theirs):
            wrong.append(f"{expression}\n  on {spec}\n  here {found}, there {theirs}")
    assert not wrong, "\n".join([f"{len(wrong)} of {len(compared)}", *wrong[:200]])


def test_what_is_said_of_objects_half_known_is_never_wrong(compared: list[tuple[str, Body, str]], tally: Tally) -> None:
    draw = random.Random(SEED + 1)
    wrong = []
    for expression, spec, theirs in compared:
        if theirs == "not compiled":
            continue
        for way, known in halves(draw, spec):
            ways = may_be(expression, known)
            row = f"{way}: {'decided' if len(ways) == 1 else 'left open'}"
            if theirs == "error" not in ways and ADDED.search(expression):
                tally.count("cel", "errors of lists that are added, passed over", agreed=True)
                continue
            if not tally.count("cel", row, agreed=theirs in ways):
                wrong.append(f"{expression}\n  on {spec}\n  of which is known {known}\n  here {ways}, there {theirs}")
    assert not wrong, "\n".join([f"{len(wrong)}", *wrong[:100]])


def halves(draw: random.Random, spec: Body) -> Iterator[tuple[str, Any]]:
    yield "all of an object known", lift(seen(spec))
    yield "some of an object known", Fields({"spec": partly(draw, spec)}, more=True)
