"""Admission guards, Pod Security and RBAC together: the server lets in and refuses what Tenantry says it does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import pytest
from attempts import altered, homes, outsiders, powerful
from attempts_objects import object_deviations
from attempts_pods import pod, pod_deviations
from e2e_fixtures import PLATFORMS
from e2e_support import Platform, Tally
from guards_support import Attempt, Judge, all_asked, compare, prepared

from tenantry.model.cluster import Cluster as Resolved
from tenantry.safe.partial_values import lift, says
from tenantry.safe.refusals import about_change
from tenantry.safe.samples import sample
from testbed.api import User
from testbed.policies import policy, settle

pytestmark = pytest.mark.e2e

SEED = 60
PAIRS = 100
"""Pairs of deviations that are tried in each namespace."""

OTHERS = 3
"""Other deviations that are put beside each that is refused for all."""


@pytest.fixture(scope="module", params=PLATFORMS)
def ready(request: pytest.FixtureRequest, deliver: Callable[[str], Platform]) -> tuple[Platform, Judge]:
    """Each platform in turn, with what predicts its answers."""
    platform = deliver(request.param)
    return platform, prepared(request.param, platform)


def test_pods_are_let_in_and_refused_as_predicted(ready: tuple[Platform, Judge], tally: Tally) -> None:
    platform, judge = ready
    compare(platform, judge, list(pod_attempts(judge, platform.resolved)), tally)


def pod_attempts(judge: Judge, resolved: Resolved) -> Iterator[Attempt]:
    """Every deviation once, by a writer and by somebody else, in some namespace; pairs by somebody who may all."""
    draw = random.Random(SEED)
    for place, known in homes(judge, resolved):
        others = [*known, *outsiders(place, resolved)]
        deviations = pod_deviations(place)
        for item in deviations:
            body = altered(pod(place), item)
            yield Attempt(item.row, item.what, place.namespace, body, known[0])
            yield Attempt(item.row, item.what, place.namespace, body, draw.choice(others))
        pairs = list(combinations(deviations, 2))
        for one, other in draw.sample(pairs, PAIRS):
            what = f"{one.what} and {other.what}"
            yield Attempt("pairs", what, place.namespace, altered(pod(place), one, other), powerful(known[0]))


def test_what_is_refused_whatever_else_a_pod_says_is_refused(ready: tuple[Platform, Judge], tally: Tally) -> None:
    platform, judge = ready
    attempts = list(refused_for_all(judge, platform.resolved))
    wrong = []
    for attempt, theirs in zip(attempts, all_asked(platform.cluster, attempts), strict=True):
        refused = theirs.kind in {"guard", "Pod Security", "not valid", "limit"}
        if not tally.count("guards", "refused whatever else a pod says", agreed=refused):
            wrong.append(f"{attempt}: {theirs}")
    assert len(attempts) > PAIRS
    assert not wrong, "\n".join(wrong)


def refused_for_all(judge: Judge, resolved: Resolved) -> Iterator[Attempt]:
    """Pods with a part that is said to be refused whatever else they say, and with some other part."""
    draw = random.Random(SEED + 2)
    for place, known in homes(judge, resolved):
        envelope, plain = judge.view.envelope(place.namespace), pod(place)
        deviations = pod_deviations(place)
        parts = {}
        for number, item in enumerate(deviations):
            about = about_change(plain, altered(plain, item))
            if envelope.admits(altered(plain, item), about=about).refused:
                parts[number] = about.known
        own = User.service_account(place.namespace, "default")
        users = [*known, own, User.service_account("kube-system", "job-controller")]
        for number, known_part in parts.items():
            for other in draw.sample(deviations, OTHERS):
                body = altered(plain, other, deviations[number])
                # The other part may have taken away what this is about.
                if says(lift(body), known_part):
                    what = f"{deviations[number].what} and {other.what}"
                    yield Attempt("for all", what, place.namespace, body, powerful(draw.choice(users)))


def test_other_objects_are_let_in_and_refused_as_predicted(ready: tuple[Platform, Judge], tally: Tally) -> None:
    platform, judge = ready
    compare(platform, judge, list(object_attempts(judge, platform.resolved)), tally)


def object_attempts(judge: Judge, resolved: Resolved) -> Iterator[Attempt]:
    """As with pods; objects of reserved kinds by everybody."""
    draw = random.Random(SEED + 1)
    for place, known in homes(judge, resolved):
        others = [*known, *outsiders(place, resolved)]
        for plain, item in object_deviations(place):
            body = altered(plain, item)
            whoever = others if item.row in {"reserved-kinds", "endpoints"} else [draw.choice(others)]
            for user in (powerful(known[0]), known[-1], *whoever):
                yield Attempt(item.row, item.what, place.namespace, body, user)


def test_no_guard_is_asked_about_admission_itself(ready: tuple[Platform, Judge], tally: Tally) -> None:
    platform, judge = ready
    refuses = policy("refuses-all", resources=["*"], operations=["CREATE"], names=["probe"])
    for body in refuses:
        platform.cluster.api.create(body).expect()
    settle(platform.cluster)
    judge = judge.changed(refuses)
    root = User("root", ("system:masters", "system:authenticated"))
    attempts = [Attempt("admission itself", body["kind"], "", body, root) for body in probes()]
    compare(platform, judge, attempts, tally)
    for body in refuses:
        platform.cluster.api.delete(body).expect()


def probes() -> Iterator[dict[str, Any]]:
    """Objects outside namespaces."""
    for plural, group in KINDS_OUTSIDE:
        yield sample(group, plural)


KINDS_OUTSIDE = (
    ("mutatingwebhookconfigurations", "admissionregistration.k8s.io"),
    ("validatingwebhookconfigurations", "admissionregistration.k8s.io"),
    ("validatingadmissionpolicies", "admissionregistration.k8s.io"),
    ("validatingadmissionpolicybindings", "admissionregistration.k8s.io"),
    ("customresourcedefinitions", "apiextensions.k8s.io"),
    ("nodes", ""),
    ("clusterroles", "rbac.authorization.k8s.io"),
    ("persistentvolumes", ""),
    ("storageclasses", "storage.k8s.io"),
    ("priorityclasses", "scheduling.k8s.io"),
    ("runtimeclasses", "node.k8s.io"),
    ("namespaces", ""),
)
