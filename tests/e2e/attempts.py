"""Where attempts are made and who makes them, and how a plain object is changed into one at the edge of a guard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from guards_support import ANYTHING_GROUP, Judge

from tenantry.compile.guards import grants
from tenantry.model.cluster import TENANT_LABEL
from tenantry.model.cluster import Cluster as Resolved
from tenantry.model.spec import SchedulerType
from tenantry.safe.reading import annotations_of, labels_of
from testbed.api import User

Body = dict[str, Any]
Path = tuple[str | int, ...]
Change = Callable[[Body], None]


@dataclass(frozen=True)
class Place:
    """A tenant's namespace with what it was granted.

    Attributes:
        namespace: its name.
        tenant: who owns it.
        granted: values per grant annotation.
        foreign: per grant annotation a value that this namespace was not granted; others were where there are others.
        other: a namespace of another tenant.
        scheduler: of the platform.
        openshift: whether the platform is OpenShift.
        gpu: a resource name that stands for GPUs.
    """

    namespace: str
    tenant: str
    granted: Mapping[str, tuple[str, ...]]
    foreign: Mapping[str, str]
    other: str
    scheduler: SchedulerType
    openshift: bool
    gpu: str

    def own(self, annotation: str, default: str = "none-granted") -> str:
        """Return the first value that was granted."""
        return next(iter(self.granted[annotation]), default)


GRANTS = (
    grants.POOLS,
    grants.QUEUES,
    grants.PRIORITIES,
    grants.HOSTS,
    grants.NETWORKS,
    grants.STORAGE_CLASSES,
)


def places(judge: Judge, resolved: Resolved) -> list[Place]:
    """Return every namespace of every tenant."""
    homes = {
        item.key.name: item.body
        for item in judge.subject.snapshot.of("", "Namespace")
        if TENANT_LABEL in labels_of(item.body)
    }
    granted = {
        name: {key: tuple(filter(None, annotations_of(body).get(key, "").split(","))) for key in GRANTS}
        for name, body in homes.items()
    }
    owner = {name: labels_of(body)[TENANT_LABEL] for name, body in homes.items()}
    found = []
    for name in sorted(homes):
        foreign = {}
        for key in GRANTS:
            others = sorted({value for home in granted.values() for value in home[key]} - set(granted[name][key]))
            foreign[key] = others[0] if others else {grants.HOSTS: "other.example.org"}.get(key, "someone-elses")
        if foreign[grants.PRIORITIES] == "someone-elses":
            foreign[grants.PRIORITIES] = "system-cluster-critical"
        gpu = next(item.name for pool in resolved.pools for item in pool.gpu_resources)
        other = next(home for home in sorted(homes) if owner[home] != owner[name])
        scheduler = resolved.spec.platform.spec.scheduler.type
        found.append(Place(name, owner[name], granted[name], foreign, other, scheduler, resolved.openshift, gpu))
    return found


# --- who asks ---------------------------------------------------------------------------------------------------------


MANY_TENANTS = 4


def members(resolved: Resolved) -> Iterator[tuple[str, str, User]]:
    """Yield tenant, role and a user for every group that a tenant names."""
    for tenant in resolved.tenants:
        for entry in tenant.spec.spec.access:
            user = User(f"{tenant.name}-{entry.role.value}", (entry.group, "system:authenticated"))
            yield tenant.name, entry.role.value, user


def homes(judge: Judge, resolved: Resolved) -> list[tuple[Place, list[User]]]:
    """Return a namespace of one tenant, of two where there are many, with the tenant's members.

    One with networks of its own comes first.
    """
    found: dict[str, Place] = {}
    for place in sorted(places(judge, resolved), key=lambda item: not item.granted[grants.NETWORKS]):
        found.setdefault(place.tenant, place)
    chosen = list(found.values())
    chosen = [chosen[0], chosen[-1]] if len(chosen) >= MANY_TENANTS else chosen[:1]
    return [(place, [user for tenant, _, user in members(resolved) if tenant == place.tenant]) for place in chosen]


def powerful(user: User) -> User:
    """Return the same user with the right to do anything."""
    return User(user.name, (*user.groups, ANYTHING_GROUP))


def outsiders(place: Place, resolved: Resolved) -> list[User]:
    """Return those that guards tell apart: accounts of the tenant, of others and of the platform; administrators."""
    admins = resolved.spec.platform.spec.gitops.admin_groups
    accounts = [
        (place.namespace, "default"),
        (place.other, "default"),
        ("kube-system", "job-controller"),
        ("kube-system", "replicaset-controller"),
        ("kube-systems", "fake"),
        (resolved.argocd_namespace, "argocd-application-controller"),
        ("kueue-system", "kueue-controller-manager"),
        ("openshift-ovn-kubernetes", "ovn-kubernetes-node"),
        ("openshiftish", "fake"),
        (f"{place.namespace}x", "near"),
    ]
    users = [User.service_account(*account) for account in accounts]
    users += [User(name) for name in ("system:kube-controller-manager", "system:apiserver", "system:kube-scheduler")]
    users += [User("root", (group, "system:authenticated")) for group in (*admins, "system:cluster-admins")]
    users.append(User("stranger"))
    return [*map(powerful, users), User("root", ("system:masters", "system:authenticated"))]


# --- changes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Deviation:
    """A way in which an object differs from a plain one.

    Attributes:
        row: guard or check at whose edge it is.
        what: in words.
        change: what is done to a copy.
    """

    row: str
    what: str
    change: Change


def altered(body: Body, *deviations: Deviation) -> Body:
    """Return an object with changes made to it."""
    made = deepcopy(body)
    for deviation in deviations:
        deviation.change(made)
    return made


def put(*path: str | int, value: Any) -> Change:
    """Return a change that sets a value; a list on the way gets as many empty entries as are needed."""

    def change(body: Body) -> None:
        place: Any = body
        for step, following in pairwise(path):
            empty: Any = [] if isinstance(following, int) else {}
            if isinstance(step, int):
                while len(place) <= step:
                    place.append({} if not isinstance(following, int) else [])
            elif place.get(step) is None:
                place[step] = empty
            place = place[step]
        last = path[-1]
        if isinstance(last, int):
            place.extend([None] * (last + 1 - len(place)))
        place[last] = deepcopy(value)

    return change


def drop(*path: str | int) -> Change:
    """Return a change that takes a value away, where it is."""

    def change(body: Body) -> None:
        place: Any = body
        for step in path[:-1]:
            if isinstance(place, dict) and step not in place:
                return
            place = place[step]
        place.pop(path[-1], None)

    return change


def add(*path: str | int, value: Any) -> Change:
    """Return a change that appends to a list, which is made where there is none."""

    def change(body: Body) -> None:
        place: Any = body
        for step in path[:-1]:
            place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
        place.setdefault(path[-1], []).append(deepcopy(value))

    return change


def both(*changes: Change) -> Change:
    """Return several changes as one."""

    def change(body: Body) -> None:
        for item in changes:
            item(body)

    return change


def annotated(key: str, value: str) -> Change:
    """Return a change that sets an annotation."""
    return put("metadata", "annotations", key, value=value)


def labelled(key: str, value: str) -> Change:
    """Return a change that sets a label."""
    return put("metadata", "labels", key, value=value)


def named(row: str, changes: Mapping[str, Change]) -> Iterable[Deviation]:
    """Yield deviations of one row."""
    return (Deviation(row, what, change) for what, change in changes.items())
