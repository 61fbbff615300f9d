"""Changes and deletions of what is there, subresources, and namespaces: let in and refused as Tenantry says."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest
from attempts import (
    Body,
    Change,
    Deviation,
    Place,
    altered,
    annotated,
    both,
    drop,
    homes,
    labelled,
    named,
    outsiders,
    powerful,
    put,
)
from attempts_objects import object_deviations, reserved
from attempts_pods import CONTEXT, pod, pod_deviations
from e2e_support import Platform, Tally
from guards_support import UNKNOWN, Attempt, Judge, compare, prepared

from tenantry.compile.guards import grants
from tenantry.compile.guards.namespaces import PROTECTED_PREFIXES, RESERVED_NAMES
from tenantry.compile.guards.queues import KUEUE_QUEUE
from tenantry.model.cluster import TENANT_LABEL
from tenantry.safe.pod_security import ENFORCE
from testbed.api import User
from testbed.control_plane import Cluster
from testbed.policies import settle

pytestmark = pytest.mark.e2e

SEED = 61
PLATFORM_NAMES = ("dell-production", "kubernetes")
OLD_PODS = 30
"""Pods at the edge of guards that were there before the guards came."""
WITH_CONTROLLERS = ("apps/v1", "batch/v1")
CHANGES_EACH = 6
"""Further changes of each object that is there."""


@pytest.fixture(scope="module", params=PLATFORM_NAMES)
def inhabited(request: pytest.FixtureRequest, deliver: Callable[[str], Platform]) -> Inhabited:
    """Each platform in turn, with objects that guards would not let in, made while guards did nothing."""
    platform = deliver(request.param)
    judge = prepared(request.param, platform)
    place, known = homes(judge, platform.resolved)[0]
    with_objects = Inhabited(platform, judge, place, known)
    with_objects.settle_in()
    return with_objects


class Inhabited:
    """A platform with objects in a tenant's namespace.

    Attributes:
        platform: the platform.
        judge: what predicts its answers.
        place: the namespace.
        known: members of its tenant.
        there: the objects as the server returns them, with the deviations that may be made to each.
    """

    def __init__(self, platform: Platform, judge: Judge, place: Place, known: list[User]) -> None:
        self.platform = platform
        self.judge = judge
        self.place = place
        self.known = known
        self.there: list[tuple[Body, list[Deviation]]] = []

    def everybody(self) -> list[User]:
        """Return all that ask."""
        return [*self.known, *outsiders(self.place, self.platform.resolved)]

    def settle_in(self) -> None:
        """Make the objects while guards only warn and Pod Security looks away."""
        cluster, draw = self.platform.cluster, random.Random(SEED)
        bindings = [
            item.body for item, _ in self.platform.synced.applied if item.key.kind == "ValidatingAdmissionPolicyBinding"
        ]
        home: Body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.place.namespace}}
        for body in bindings:
            cluster.api.patch(body, {"spec": {"validationActions": ["Audit"]}}).expect()
        settle(cluster)
        cluster.api.patch(home, {"metadata": {"labels": {ENFORCE: "privileged"}}}).expect()
        # What the guards look at is taken from a cache that may lag a little.
        bad = altered(pod(self.place, "trial"), Deviation("", "", put("spec", "hostPID", value=True)))
        cluster.until("the level", lambda: cluster.api.create(bad, dry_run=True).ok)
        self.there = list(self._made(cluster, draw))
        cluster.api.patch(home, {"metadata": {"labels": {ENFORCE: "restricted"}}}).expect()
        for body in bindings:
            cluster.api.patch(body, {"spec": {"validationActions": ["Deny"]}}).expect()
        settle(cluster)
        cluster.until("the level", lambda: not cluster.api.create(bad, dry_run=True).ok)
        # Controllers have seen the objects by now and written their status.
        self.there = [(self._again(body), deviations) for body, deviations in self.there]

    def _again(self, body: Body) -> Body:
        meta = body["metadata"]
        found = self.platform.cluster.api.get(body["apiVersion"], body["kind"], meta["name"], meta["namespace"])
        assert found is not None
        if body["apiVersion"] in WITH_CONTROLLERS:
            # They go on writing; without a version an update is about whatever is there.
            del found["metadata"]["resourceVersion"]
        return found

    def _made(self, cluster: Cluster, draw: random.Random) -> Iterator[tuple[Body, list[Deviation]]]:
        deviations = pod_deviations(self.place)
        plain = next(item for item in deviations if item.what == "as it is")
        for number, item in enumerate([plain, *draw.sample(deviations, OLD_PODS)]):
            answer = cluster.api.create(altered(pod(self.place, f"old-{number}"), item))
            if answer.ok:
                yield answer.body, deviations
        by_kind: dict[str, list[tuple[Body, Deviation]]] = {}
        for body, deviation in object_deviations(self.place):
            by_kind.setdefault(body["kind"], []).append((body, deviation))
        for kind, pairs in sorted(by_kind.items()):
            body = pairs[0][0]
            edge = draw.choice([item for _, item in pairs if item.what != UNKNOWN])
            for name, made in (("plain", body), ("edge", altered(body, edge))):
                named_so = {**made, "metadata": {**made["metadata"], "name": f"{name}-{kind.lower()}"}}
                answer = cluster.api.create(named_so)
                if answer.ok:
                    yield answer.body, [item for _, item in pairs]


def test_changes_are_let_in_and_refused_as_predicted(inhabited: Inhabited, tally: Tally) -> None:
    attempts = list(changes(inhabited))
    compare(inhabited.platform, inhabited.judge, attempts, tally)


def changes(inhabited: Inhabited) -> Iterator[Attempt]:
    """Every object left as it is, labelled, and changed in some of the ways objects of its kind are."""
    draw = random.Random(SEED + 1)
    place, everybody = inhabited.place, inhabited.everybody()
    for old, deviations in inhabited.there:
        pods = old["kind"] == "Pod"
        possible = _possible(deviations, old) if pods else deviations
        chosen = [*common(place), *draw.sample(possible, min(CHANGES_EACH, len(possible)))]
        if pods:
            chosen += list(pod_changes())
        for item in chosen:
            body = altered(old, item)
            row = "changes of pods" if pods else f"changes of {old['kind']}"
            for user in (powerful(inhabited.known[0]), draw.choice(everybody)):
                yield Attempt(row, item.what, place.namespace, body, user, "UPDATE", old)


def _possible(deviations: list[Deviation], old: Body) -> list[Deviation]:
    """Return those that leave the spec of a pod as it is, which may hardly be changed."""
    return [item for item in deviations if altered(old, item)["spec"] == old["spec"]]


def common(place: Place) -> list[Deviation]:
    """Changes of any object."""
    return [
        Deviation("", "nothing changed", lambda body: None),
        Deviation("", "a label", labelled("note", "1")),
        Deviation("", "an annotation", annotated("note", "1")),
        Deviation("", "another's queue", labelled(KUEUE_QUEUE, place.foreign[grants.QUEUES])),
        Deviation("", "no labels", drop("metadata", "labels")),
        Deviation("", "no annotations", drop("metadata", "annotations")),
    ]


def pod_changes() -> Iterator[Deviation]:
    """What may be changed of a pod's spec."""

    def tolerate(key: str) -> Change:
        def change(body: Body) -> None:
            body["spec"].setdefault("tolerations", []).append({"key": key, "operator": "Exists"})

        return change

    yield from named(
        "",
        {
            "another image": put("spec", "containers", 0, "image", value="registry.example.com/other:2"),
            "a deadline": put("spec", "activeDeadlineSeconds", value=600),
            "one more toleration": tolerate("node.kubernetes.io/unschedulable"),
            "one more harmless toleration": tolerate("nvidia.com/gpu"),
        },
    )


def test_deletions_are_let_in_and_refused_as_predicted(inhabited: Inhabited, tally: Tally) -> None:
    kinds = {body["kind"] for body in reserved(inhabited.place)} | {"Pod", "Service", "ConfigMap"}
    some = [old for old, _ in inhabited.there if old["kind"] in kinds]
    attempts = [
        Attempt("deletions", old["kind"], inhabited.place.namespace, old, user, "DELETE")
        for old in some
        for user in inhabited.everybody()
        if old["kind"] != "Pod" or old["metadata"]["name"] == "old-0"
    ]
    compare(inhabited.platform, inhabited.judge, attempts, tally)


def test_parts_of_pods_are_let_in_and_refused_as_predicted(inhabited: Inhabited, tally: Tally) -> None:
    compare(inhabited.platform, inhabited.judge, list(parts(inhabited)), tally)


def parts(inhabited: Inhabited) -> Iterator[Attempt]:
    """Ephemeral containers, evictions, bindings, status and size."""
    draw = random.Random(SEED + 2)
    place = inhabited.place
    old = inhabited.there[0][0]
    debug = {"name": "debug", "image": "registry.example.com/debug:1", "securityContext": CONTEXT}
    inside = [item for item in pod_deviations(place) if altered(pod(place), item)["metadata"] == pod(place)["metadata"]]
    for item in inside:
        # What a deviation does to the only container of a pod it does here to an ephemeral one.
        like = altered({"metadata": {}, "spec": {"containers": [deepcopy(debug)]}}, item)["spec"]["containers"][0]
        if like == debug or "ports" in like or "resources" in like:
            continue
        body = altered(old, Deviation("", "", put("spec", "ephemeralContainers", value=[like])))
        for user in (inhabited.known[0], powerful(draw.choice(inhabited.known))):
            yield Attempt(
                "ephemeral containers", item.what, place.namespace, body, user, "UPDATE", old, "ephemeralcontainers"
            )
    name = {"name": old["metadata"]["name"], "namespace": place.namespace}
    eviction: Body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": name}
    target = {"apiVersion": "v1", "kind": "Node", "name": "node-01"}
    binding: Body = {"apiVersion": "v1", "kind": "Binding", "metadata": name, "target": target}
    for user in inhabited.everybody():
        yield Attempt("evictions", "of a pod", place.namespace, eviction, user, sub="eviction")
        yield Attempt("bindings", "of a pod", place.namespace, binding, user, sub="binding")
        for sub, change in (
            ("status", annotated("k8s.ovn.org/pod-networks", "{}")),
            ("status", both(labelled(KUEUE_QUEUE, "x"), put("status", "phase", value="Running"))),
            ("resize", put("spec", "containers", 0, "resources", "requests", "cpu", value="200m")),
        ):
            body = altered(old, Deviation("", "", change))
            yield Attempt(f"pods/{sub}", "changed", place.namespace, body, user, "UPDATE", old, sub)


# --- namespaces -------------------------------------------------------------------------------------------------------


def test_namespaces_are_made_and_changed_as_predicted(inhabited: Inhabited, tally: Tally) -> None:
    compare(inhabited.platform, inhabited.judge, list(namespace_attempts(inhabited)), tally)


def namespace_attempts(inhabited: Inhabited) -> Iterator[Attempt]:
    """New namespaces, changes of a tenant's and of others, deletions, all with labels that something looks at."""
    draw = random.Random(SEED + 3)
    api, everybody = inhabited.platform.cluster.api, inhabited.everybody()
    deviations = list(named("namespaces", namespace_changes()))
    for name in ("fresh", "kube-fresh", "openshift-fresh", "kubes"):
        body: Body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for item in deviations:
            for user in draw.sample(everybody, 3):
                yield Attempt("namespaces", f"{name}: {item.what}", "", altered(body, item), user)
    for name in (inhabited.place.namespace, inhabited.place.other, "kube-public", RESERVED_NAMES[0]):
        old = api.get("v1", "Namespace", name)
        assert old is not None
        for item in deviations:
            for sub in ("", "", "status", "finalize"):
                user = draw.choice(everybody)
                what = f"{name}: {item.what}"
                yield Attempt("namespaces", what, "", altered(old, item), user, "UPDATE", old, sub)
        for user in everybody:
            yield Attempt("namespaces", name, "", old, user, "DELETE")


def namespace_changes() -> dict[str, Change]:
    """Labels and annotations that guards, Pod Security and others look at."""
    changes: dict[str, Change] = {"nothing": lambda body: None}
    for key in (TENANT_LABEL, ENFORCE, "openshift.io/run-level", "team", *map(_example, PROTECTED_PREFIXES)):
        changes[f"label {key}"] = labelled(key, "baseline" if key == ENFORCE else "x")
        changes[f"no label {key}"] = drop("metadata", "labels", key)
        changes[f"annotation {key}"] = annotated(key, "x")
    for key in (grants.POOLS, grants.QUEUES, grants.HOSTS):
        changes[f"annotation {key}"] = annotated(key, "x,y")
        changes[f"no annotation {key}"] = drop("metadata", "annotations", key)
    changes["no labels"] = drop("metadata", "labels")
    changes["no annotations"] = drop("metadata", "annotations")
    changes["label and annotation"] = both(labelled("team", "x"), annotated("team", "y"))
    return changes


def _example(prefix: str) -> str:
    return f"{prefix}x" if prefix.endswith("/") else prefix
