"""Guards that are weakened or taken away: what the server lets in then, Tenantry says it lets in, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass

import pytest
from attempts import Body, Deviation, Place, altered, homes, powerful
from attempts_objects import object_deviations
from attempts_pods import pod, pod_deviations
from e2e_support import Platform, Tally
from guards_support import Attempt, Judge, compare, prepared, resource_of

from tenantry.model.cluster import TENANT_LABEL
from tenantry.model.snapshot import Snapshot
from testbed.api import JSON_PATCH, User
from testbed.control_plane import Cluster
from testbed.policies import settle

pytestmark = pytest.mark.e2e

EACH = 4
"""Attempts that a guard refuses, and as many that it lets in, tried with each of its weakened forms."""

POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"


@dataclass(frozen=True)
class Weakened:
    """A way in which a guard is weakened.

    Attributes:
        what: in words.
        policy: change of the policy's spec.
        binding: change of the binding's spec.
        gone: whether the binding is taken away.
    """

    what: str
    policy: Callable[[Body], None] = lambda spec: None
    binding: Callable[[Body], None] = lambda spec: None
    gone: bool = False


def _selects(spec: Body) -> None:
    spec["matchConstraints"]["namespaceSelector"] = {"matchLabels": {"never": "there"}}


def _for_one_object(spec: Body) -> None:
    spec["matchConstraints"]["objectSelector"] = {"matchLabels": {"app": "guarded"}}


def _other_operation(spec: Body) -> None:
    for rule in spec["matchConstraints"]["resourceRules"]:
        rule["operations"] = ["DELETE"]


def _for_others(spec: Body) -> None:
    spec["matchConditions"] = [{"name": "only-others", "expression": "request.userInfo.username != 'root'"}]


def _for_members(spec: Body) -> None:
    spec["matchConditions"] = [{"name": "broken", "expression": "object.spec.nothing.of.it == 'x'"}]


def _excludes(spec: Body) -> None:
    spec["matchConstraints"]["excludeResourceRules"] = [
        {
            "apiGroups": ["*"],
            "apiVersions": ["*"],
            "operations": ["*"],
            "resources": ["*"],
            "resourceNames": ["probe"],
        }
    ]


def _no_validation(spec: Body) -> None:
    spec["validations"] = [{"expression": "true"}]


def _ignores(spec: Body) -> None:
    spec["failurePolicy"] = "Ignore"
    spec["validations"] = [{"expression": "object.spec.nothing.of.it == 'x'"}]


def _fails(spec: Body) -> None:
    spec["failurePolicy"] = "Fail"
    spec["validations"] = [{"expression": "object.spec.nothing.of.it == 'x'"}]


def _elsewhere(spec: Body) -> None:
    spec["matchResources"] = {
        "namespaceSelector": {"matchExpressions": [{"key": TENANT_LABEL, "operator": "DoesNotExist"}]}
    }


def _bound_here(spec: Body) -> None:
    spec["matchResources"] = {"namespaceSelector": {"matchExpressions": [{"key": TENANT_LABEL, "operator": "Exists"}]}}


def _warns(spec: Body) -> None:
    spec["validationActions"] = ["Warn", "Audit"]


WAYS = (
    Weakened("as it is"),
    Weakened("without binding", gone=True),
    Weakened("a binding that warns", binding=_warns),
    Weakened("a binding for other namespaces", binding=_elsewhere),
    Weakened("a binding for tenants", binding=_bound_here),
    Weakened("a selector of other namespaces", policy=_selects),
    Weakened("a selector of objects", policy=_for_one_object),
    Weakened("deletions only", policy=_other_operation),
    Weakened("a condition that leaves one user out", policy=_for_others),
    Weakened("a condition that fails", policy=_for_members),
    Weakened("names that are excluded", policy=_excludes),
    Weakened("nothing to validate", policy=_no_validation),
    Weakened("an error that is ignored", policy=_ignores),
    Weakened("an error that refuses", policy=_fails),
)


@pytest.fixture(scope="module")
def standing(deliver: Callable[[str], Platform]) -> tuple[Platform, Judge, Place]:
    """One platform as it was compiled."""
    platform = deliver("kubernetes")
    judge = prepared("kubernetes", platform, telling=False)
    return platform, judge, homes(judge, platform.resolved)[0][0]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.what.replace(" ", "-"))
def test_a_guard_that_is_weakened_lets_in_what_is_said(
    standing: tuple[Platform, Judge, Place], way: Weakened, tally: Tally
) -> None:
    platform, judge, place = standing
    attempts = list(edges(judge, platform.cluster, place))
    # All guards at once: each attempt is at the edge of one of them.
    weakened, gone = applied(judge.subject.snapshot, way)
    try:
        change(platform.cluster, weakened, gone)
        compare(
            platform, judge.changed(weakened, gone), [labelled(item, way) for item in attempts], tally, telling=False
        )
    finally:
        change(platform.cluster, [item.body for item in judge.subject.snapshot.of(GROUP, POLICY, BINDING)], [])


GROUP = "admissionregistration.k8s.io"


def labelled(attempt: Attempt, way: Weakened) -> Attempt:
    """Return an attempt that is counted with what was done to guards."""
    what = f"{attempt.row}: {attempt.what}"
    return Attempt(f"guards with {way.what}", what, attempt.namespace, attempt.body, attempt.user)


def edges(judge: Judge, cluster: Cluster, place: Place) -> Iterator[Attempt]:
    """Some attempts that each guard refuses and some that it lets in."""
    root = powerful(User("root"))
    bodies = [(altered(pod(place), item), item) for item in pod_deviations(place)]
    bodies += [(altered(plain, item), item) for plain, item in object_deviations(place)]
    chosen: dict[tuple[str, str], list[Attempt]] = {}
    for body, item in bodies:
        attempt = Attempt(item.row, item.what, place.namespace, body, root)
        said = judge.predict(attempt, resource_of(cluster, attempt))
        for guard in said.guards or {item.row}:
            found = chosen.setdefault((guard, said.kind), [])
            if len(found) < EACH:
                found.append(attempt)
    for found in chosen.values():
        yield from found
    # Objects with the label that a selector of objects looks for.
    label = Deviation("", "", lambda body: body["metadata"].setdefault("labels", {}).update(app="guarded"))
    for found in chosen.values():
        one = found[0]
        yield Attempt(one.row, f"{one.what}, labelled", one.namespace, altered(one.body, label), one.user)


def applied(snapshot: Snapshot, way: Weakened) -> tuple[list[Body], list[Body]]:
    """Return the guards as they become, and the bindings that are taken away."""
    changed, gone = [], []
    for item in snapshot.of(GROUP, POLICY, BINDING):
        body = deepcopy(item.body)
        if item.key.kind == BINDING and way.gone:
            gone.append(body)
            continue
        (way.policy if item.key.kind == POLICY else way.binding)(body["spec"])
        changed.append(body)
    return changed, gone


def change(cluster: Cluster, bodies: list[Body], gone: list[Body]) -> None:
    """Give guards their form and wait until it counts."""
    for body in gone:
        cluster.api.delete(body).expect()
    for body in bodies:
        there = cluster.api.get(body["apiVersion"], body["kind"], body["metadata"]["name"])
        if there is None:
            cluster.api.create(body).expect()
        else:
            # A patch, since a controller writes the status of policies meanwhile.
            whole = [{"op": "replace", "path": "/spec", "value": body["spec"]}]
            cluster.api.patch(body, whole, content_type=JSON_PATCH).expect()
    settle(cluster)
