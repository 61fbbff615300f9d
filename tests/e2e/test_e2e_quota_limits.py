"""Quotas of compiled trees bound what tenants really make: every namespace up to each limit and beyond it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass

import pytest
from e2e_pods import amount, counts, row_of
from e2e_support import Platform, Tally

from tenantry.app.tenancy import spec_tenancy
from tenantry.io.manifests import read_manifests
from tenantry.model.snapshot import Snapshot
from tenantry.model.tenancy import Declared
from tenantry.safe.devices.probes import with_limit
from tenantry.safe.quotas import QuotaBook
from tenantry.safe.trials import Trials
from tenantry.safe.view import View
from testbed.api import Body, User
from testbed.control_plane import Cluster
from testbed.errors import TestbedError

pytestmark = pytest.mark.e2e

WORKERS = 8


class TestTenants:
    """Pods and claims really made by tenants in every namespace of compiled trees, up to each limit and beyond it."""

    @pytest.mark.parametrize("name", ["kubernetes", "eks", "dell-production"])
    def test_pods_are_let_in_up_to_the_limit(self, deliver: Callable[[str], Platform], tally: Tally, name: str) -> None:
        platform = deliver(name)
        snapshot = Snapshot(read_manifests([platform.tree]).manifests)
        view = View(snapshot, spec_tenancy(platform.resolved.spec, snapshot), Declared())
        spaces = [(tenant.name, space) for tenant in view.tenants for space in tenant.namespaces]
        filler = Filler(platform.cluster, view, QuotaBook(view.snapshot), Trials(view))
        # What admission says is worked out once, by one thread.
        pods = {space: list(filler.prepared(tenant, space)) for tenant, space in spaces}
        with ThreadPoolExecutor(WORKERS) as pool:
            found = list(pool.map(lambda case: filler.filled(case[0], case[1], pods[case[1]]), spaces))
        wrong = []
        for (_, space), outcomes in zip(spaces, found, strict=True):
            for row, agreed, told in outcomes:
                if not tally.count(f"quotas of {name}", row, agreed=agreed):
                    wrong.append((space, row, told))
        assert not wrong
        for key in filler.beyond_the_sum():
            # Nothing here enforces these: each namespace has a quota of its own besides, which holds.
            tally.count(f"quotas of {name}", "beyond a ClusterResourceQuota (OpenShift's, listed)", agreed=bool(key))


Outcome = tuple[str, bool, str]
"""Row of the count, whether the server did as predicted, and what it said."""


@dataclass(frozen=True)
class Filler:
    """Fills namespaces as their tenants."""

    cluster: Cluster
    view: View
    book: QuotaBook
    trials: Trials

    def prepared(self, tenant: str, space: str) -> Iterator[tuple[str, int, Body | None]]:
        """Yield each device of the quotas of a namespace with its limit, and a pod that admission lets ask for one."""
        for key, bound in self.book.keys(space):
            device = key.removeprefix("requests.")
            if "/" in device and key.startswith("requests.") and not bound.cluster and "storageclass" not in device:
                yield device, amount(key, str(bound.hard)), self._let_in(tenant, space, device)

    def _let_in(self, tenant: str, space: str, device: str) -> Body | None:
        """Return a pod with a device that admission lets the tenant itself create; None where it lets in none."""
        base, _ = self.trials.base(space)
        right = self.view.may(tenant, "create", "", "pods", space)
        for dress in self.trials.dresses(space):
            pod = deepcopy(base)
            dress(pod)
            with_limit(device)(pod)
            if right and self.view.envelope(space).admits(pod, user=right.requester).admitted:
                return pod
        return None

    def filled(self, tenant: str, space: str, devices: list[tuple[str, int, Body | None]]) -> list[Outcome]:
        """Use up everything in a namespace, one thing after the other, and return how each attempt came out."""
        who = self._who(tenant, space)
        found: list[Outcome] = []
        asked = [(device, most, pod) for device, most, pod in devices if pod is not None]
        for device, _, _ in (case for case in devices if case[2] is None):
            answer = self.cluster.api.create(asking(self.trials.base(space)[0], space, "none", device, 1), user=who)
            found.append(("devices that guards let no pod ask for", not answer.ok, device))
        there: list[Body] = []
        for number, case in enumerate(asked):
            found += self._devices(who, space, case, f"fill-{number}", there)
        for body in there:
            answer = self.cluster.api.delete(body, user=who)
            found.append(("deletion by the tenant", answer.ok, answer.message))
        for device, _, _ in asked:
            found.append(self._told(space, f"requests.{device}", 0, "given back by deletion"))
        for number, (device, most, pod) in enumerate(asked):
            if most:
                found.append(self._again(who, asking(pod, space, f"again-{number}", device, most), row_of(device)))
        found += self._processors(who, space)
        found += self._claims(who, space)
        return found

    def beyond_the_sum(self) -> Iterator[str]:
        """Yield keys of cluster quotas that the namespaces they select use more of together."""
        for quota in self.view.snapshot.of("quota.openshift.io", "ClusterResourceQuota"):
            spaces = self.book.selected.get(quota.key.name, ())
            for key, hard in quota.body["spec"]["quota"]["hard"].items():
                plain = [(space, bound) for space in spaces for name, bound in self.book.keys(space) if name == key]
                own = [(space, bound.quota.key.name) for space, bound in plain if not bound.cluster]
                if sum(counts(self.cluster, space, name)[key] for space, name in own) > amount(key, str(hard)):
                    yield key

    def _again(self, who: User, body: Body, what: str) -> Outcome:
        """Take all of a device once more: the controller may count again before it has seen every deletion."""
        told = [""]

        def taken() -> bool:
            answer = self.cluster.api.create(body, user=who)
            told[0] = answer.message
            return answer.ok

        try:
            self.cluster.until("the device", taken)
        except TestbedError:
            return f"{what} once given back", False, told[0]
        return f"{what} once given back", True, ""

    def _who(self, tenant: str, space: str) -> User:
        right = self.view.may(tenant, "create", "", "pods", space)
        assert right is not None, f"{tenant} may create no pods in {space}"
        return User(right.requester.username, right.requester.groups)

    def _devices(
        self, who: User, space: str, case: tuple[str, int, Body], name: str, there: list[Body]
    ) -> Iterator[Outcome]:
        device, most, pod = case
        left = most
        while left:
            size = min(left, max(1, -(-most // 3)))
            there.append(asking(pod, space, f"{name}-{left}", device, size))
            yield self._try(who, there[-1], f"{row_of(device)} within")
            left -= size
        yield self._try(who, asking(pod, space, f"{name}-more", device, 1), f"{row_of(device)} beyond", refused=True)
        yield self._told(space, f"requests.{device}", most, "counted")

    def _processors(self, who: User, space: str) -> Iterator[Outcome]:
        """Take all CPU in two pods; the defaults of the LimitRange fill what they do not say."""
        bound = self.book.bound(space, "requests.cpu")
        base, admission = self.trials.base(space)
        if bound is None or not admission.admitted:
            return
        most = amount("cpu", str(bound.hard))
        key = "requests.cpu"
        before = counts(self.cluster, space, bound.quota.key.name)[key]
        for index, size in enumerate((most // 2, most - most // 2 - before)):
            pod = _asking_cpu(base, space, f"cpu-{index}", size)
            yield self._try(who, pod, "cpu within")
        yield self._try(who, _asking_cpu(base, space, "cpu-more", 1), "cpu beyond", refused=True)
        yield self._told(space, key, most, "counted")

    def _claims(self, who: User, space: str) -> Iterator[Outcome]:
        """Take all storage of a class in two claims, and one byte more."""
        for key, bound in self.book.keys(space):
            name, mark, _ = key.partition(".storageclass.storage.k8s.io/requests.storage")
            if not mark or bound.cluster:
                continue
            most = amount(key, str(bound.hard))
            for index, size in enumerate((most // 2, most - most // 2)):
                yield self._try(who, _claim(space, f"{name}-{index}", name, size), "storage within")
            yield self._try(who, _claim(space, f"{name}-more", name, 1), "storage beyond", refused=True)
            yield self._told(space, key, most, "counted")

    def _try(self, who: User, body: Body, row: str, *, refused: bool = False) -> Outcome:
        answer = self.cluster.api.create(body, user=who)
        if refused:
            return row, "exceeded quota" in answer.message, f"{answer.status} {answer.message}"
        return row, answer.ok, f"{answer.message} {body}"

    def _told(self, space: str, key: str, wanted: int, row: str) -> Outcome:
        """Compare what is counted in the end: deletion is counted by the controller, a little later."""
        quota = next(bound.quota.key.name for name, bound in self.book.keys(space) if name == key and not bound.cluster)
        try:
            self.cluster.until("the count", lambda: counts(self.cluster, space, quota)[key] == wanted)
        except TestbedError:
            return row, False, f"{key}: {counts(self.cluster, space, quota)[key]} instead of {wanted}"
        return row, True, ""


def asking(pod: Body, space: str, name: str, device: str, number: int) -> Body:
    """Return a pod that asks for a number of devices."""
    found = deepcopy(pod)
    found["metadata"] |= {"name": name, "namespace": space}
    with_limit(device, number)(found)
    return found


def _asking_cpu(pod: Body, space: str, name: str, milli: int) -> Body:
    found = asking(pod, space, name, "cpu", 1)
    for part in found["spec"]["containers"][0]["resources"].values():
        part["cpu"] = f"{milli}m"
    return found


def _claim(space: str, name: str, storage_class: str, size: int) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": space},
        "spec": {
            "storageClassName": storage_class,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": str(size)}},
        },
    }
