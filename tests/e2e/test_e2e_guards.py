"""Admission guards, Pod Security and RBAC together: the server lets in and refuses what Tenantry says it does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import combinations

import pytest
from attempts import altered, members, outsiders, places, powerful
from attempts_objects import object_deviations
from attempts_pods import pod, pod_deviations
from e2e_fixtures import PLATFORMS
from e2e_support import Platform, Tally
from guards_support import Attempt, Judge, Verdict, all_asked, prepared, resource_of

from tenantry.model.cluster import Cluster as Resolved

pytestmark = pytest.mark.e2e

SEED = 60
PAIRS = 250
"""Pairs of deviations that are tried on each platform."""

BEFORE_GUARDS = {"not valid", "limit"}
"""What the server looks at before any guard: such a refusal says nothing of guards."""

BEHIND_GUARDS = {"quota"}
"""What the server asks after all guards: such a refusal means that they let the request in."""


@pytest.fixture(scope="module", params=PLATFORMS)
def ready(request: pytest.FixtureRequest, deliver: Callable[[str], Platform]) -> tuple[Platform, Judge]:
    """Each platform in turn, with what predicts its answers."""
    platform = deliver(request.param)
    return platform, prepared(request.param, platform)


def test_pods_are_let_in_and_refused_as_predicted(ready: tuple[Platform, Judge], tally: Tally) -> None:
    platform, judge = ready
    compare(platform, judge, list(pod_attempts(judge, platform.resolved)), tally)


def pod_attempts(judge: Judge, resolved: Resolved) -> Iterator[Attempt]:
    """Every deviation by the first writer of each namespace; by others, and pairs of them, as many as time allows."""
    draw = random.Random(SEED)
    homes = places(judge, resolved)
    for place in homes:
        known = [user for tenant, _, user in members(resolved) if tenant == place.tenant]
        others = [*known, *outsiders(place, resolved)]
        deviations = pod_deviations(place)
        for item in deviations:
            body = altered(pod(place), item)
            yield Attempt(item.row, item.what, place.namespace, body, known[0])
            yield Attempt(item.row, item.what, place.namespace, body, draw.choice(others))
        pairs = list(combinations(deviations, 2))
        for one, other in draw.sample(pairs, PAIRS // len(homes)):
            what = f"{one.what} and {other.what}"
            yield Attempt("pairs", what, place.namespace, altered(pod(place), one, other), powerful(known[0]))


def test_other_objects_are_let_in_and_refused_as_predicted(ready: tuple[Platform, Judge], tally: Tally) -> None:
    platform, judge = ready
    compare(platform, judge, list(object_attempts(judge, platform.resolved)), tally)


def object_attempts(judge: Judge, resolved: Resolved) -> Iterator[Attempt]:
    """As with pods; objects of reserved kinds by everybody."""
    draw = random.Random(SEED + 1)
    for place in places(judge, resolved):
        known = [user for tenant, _, user in members(resolved) if tenant == place.tenant]
        others = [*known, *outsiders(place, resolved)]
        for plain, item in object_deviations(place):
            body = altered(plain, item)
            whoever = others if item.row in {"reserved-kinds", "endpoints"} else [draw.choice(others)]
            for user in (powerful(known[0]), known[-1], *whoever):
                yield Attempt(item.row, item.what, place.namespace, body, user)


def compare(platform: Platform, judge: Judge, attempts: list[Attempt], tally: Tally) -> None:
    """Hold predictions against answers."""
    answers = all_asked(platform.cluster, attempts)
    wrong = []
    for attempt, theirs in zip(attempts, answers, strict=True):
        ours = judge.predict(attempt, resource_of(platform.cluster, attempt.body))
        if not counted(tally, attempt, ours, theirs):
            wrong.append(f"{attempt}\n  here {ours}\n  there {theirs}")
    assert not wrong, "\n".join([f"{len(wrong)} of {len(attempts)}", *wrong])


def counted(tally: Tally, attempt: Attempt, ours: Verdict, theirs: Verdict) -> bool:
    """Count one comparison; whether it agrees."""
    row = f"{attempt.row}: {attempt.operation.lower()}"
    if theirs.kind in BEFORE_GUARDS:
        return tally.count("guards", f"{theirs.kind} before guards are asked", agreed=ours.kind != "no right")
    if ours.kind == "unknown":
        return tally.count("guards", "not known here", agreed=True)
    kind = "let in" if theirs.kind in BEHIND_GUARDS else theirs.kind
    return tally.count("guards", row, agreed=(ours.kind, ours.guards) == (kind, theirs.guards))
