"""Queues of batch schedulers: which systems divide the GPUs, whose queues they are, and what a pod says to enter one.

Sources: KAI scheduler ``pkg/podgrouper`` (queue from a label of the topmost owner, then of the pod) and
``pkg/apis/scheduling/v2``; Kueue ``apis/kueue/v1beta1`` (``namespaceSelector`` absent selects nothing, empty all).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tenantry.model.selector import Selector, parse_selector
from tenantry.safe.reading import annotations_of, at, items, labels_of, number, text
from tenantry.safe.shapes import policy_text, shapes_of

if TYPE_CHECKING:
    from tenantry.model.manifest import Body, Manifest
    from tenantry.safe.view import View

KAI_GROUP = "scheduling.run.ai"
KAI_LABEL = "kai.scheduler/queue"
KAI_SCHEDULER = "kai-scheduler"
RUNAI_LABEL = "runai/queue"
RUNAI_SCHEDULER = "runai-scheduler"
KUEUE_GROUP = "kueue.x-k8s.io"
KUEUE_LABEL = "kueue.x-k8s.io/queue-name"

UNKNOWN_SYSTEMS = (("scheduling.volcano.sh", "Queue"), ("yunikorn.apache.org", "Queue"))

# Last words of label keys by which platforms say whose something is.
_OWNER_WORDS = frozenset({"tenant", "team", "project", "owner"})

UNLIMITED = -1.0


def owner_of(view: View, manifest: Manifest) -> str:
    """Return the tenant a cluster-scoped object belongs to, by label, name or prefix of its name; empty when unclear.

    An annotation of a tenant's namespace that lists the name says who may use it, not whose it is.
    """
    known = view.tenancy.by_name
    for key, value in sorted(labels_of(manifest.body).items()):
        if value in known and key.rpartition("/")[2] in _OWNER_WORDS:
            return value
    name = manifest.key.name
    if name in known:
        return name
    owner = view.tenancy.owner(name)
    if owner in known:
        return str(owner)
    # The longest, so that queues of tenant vision-lab are not those of tenant vision.
    return max((tenant for tenant in known if name.startswith(f"{tenant}-")), key=len, default="")


def granted_owners(view: View, names: dict[str, str]) -> dict[str, str]:
    """Return owners of names, those without one going to the only tenant whose namespaces list the name."""
    lists: dict[str, set[str]] = {}
    for tenant in view.tenants if not all(names.values()) else ():
        for namespace in tenant.namespaces:
            home = view.snapshot.get("", "Namespace", namespace)
            if home is not None:
                for value in (*labels_of(home.body).values(), *annotations_of(home.body).values()):
                    for item in value.split(","):
                        lists.setdefault(item.strip(), set()).add(tenant.name)
    return {name: owner or _only(lists.get(name, set())) for name, owner in names.items()}


def _only(names: set[str]) -> str:
    return next(iter(names)) if len(names) == 1 else ""


@dataclass(frozen=True, slots=True)
class KaiQueue:
    """A queue of KAI.

    Attributes:
        manifest: the object.
        name: its name.
        parent: name of its parent, empty at the top.
        owner: tenant it belongs to; empty when unclear.
        shard: value of the label that ties it to the scheduler of a node pool; empty without.
    """

    manifest: Manifest
    name: str
    parent: str
    owner: str
    shard: str

    def quota(self, kind: str) -> float:
        """Return its guaranteed amount of ``gpu``, ``cpu`` or ``memory``; absent means none, -1 no bound."""
        return number(at(self.manifest.body, "spec", "resources", kind, "quota")) or 0.0


@dataclass(frozen=True, slots=True)
class ClusterQueue:
    """A ClusterQueue of Kueue.

    Attributes:
        manifest: the object.
        name: its name.
        owner: tenant it belongs to; empty when unclear.
        selector: namespaces it takes work from; None when it takes none.
        cohort: cohort it borrows in; empty without.
    """

    manifest: Manifest
    name: str
    owner: str
    selector: Selector | None
    cohort: str

    def takes(self, namespace: Body | None, name: str) -> bool:
        """Whether it takes work from a namespace as it is labelled now."""
        labels = {**labels_of(namespace), "kubernetes.io/metadata.name": name}
        return self.selector is not None and self.selector.matches(labels)


@dataclass
class Queues:
    """The queues of a snapshot.

    Attributes:
        view: the objects and who owns what.
    """

    view: View

    @cached_property
    def kai(self) -> dict[str, KaiQueue]:
        """Queues of KAI by name."""
        found = {}
        for manifest in self.view.snapshot.of(KAI_GROUP, "Queue"):
            key = manifest.key.name
            parent = text(manifest.body, "spec", "parentQueue")
            shard = labels_of(manifest.body).get(self.shard_key, "")
            found[key] = KaiQueue(manifest, key, parent, owner_of(self.view, manifest), shard)
        return found

    @property
    def shard_key(self) -> str:
        """Label that ties queues to the scheduler of a node pool."""
        return "kai.scheduler/node-pool"

    @cached_property
    def kai_leaves(self) -> tuple[KaiQueue, ...]:
        """Queues that take pods: those nobody names as parent."""
        parents = {queue.parent for queue in self.kai.values()}
        return tuple(queue for name, queue in sorted(self.kai.items()) if name not in parents)

    @cached_property
    def cluster_queues(self) -> dict[str, ClusterQueue]:
        """ClusterQueues of Kueue by name."""
        found = {}
        for manifest in self.view.snapshot.of(KUEUE_GROUP, "ClusterQueue"):
            spec = at(manifest.body, "spec")
            cohort = text(spec, "cohortName") or text(spec, "cohort")
            name = manifest.key.name
            found[name] = ClusterQueue(
                manifest, name, owner_of(self.view, manifest), _selector(at(spec, "namespaceSelector")), cohort
            )
        return found

    @cached_property
    def local_queues(self) -> dict[str, list[Manifest]]:
        """LocalQueues of Kueue by namespace."""
        found: dict[str, list[Manifest]] = {}
        for manifest in self.view.snapshot.of(KUEUE_GROUP, "LocalQueue"):
            found.setdefault(manifest.key.namespace, []).append(manifest)
        return found

    @cached_property
    def runai_projects(self) -> dict[str, str]:
        """Projects of Run:ai by name with the tenant whose namespace is tied to it."""
        found = {}
        for manifest in self.view.snapshot.of("", "Namespace"):
            project = labels_of(manifest.body).get(RUNAI_LABEL)
            owner = self.view.tenancy.owner(manifest.key.name)
            if project:
                found[project] = owner if owner in self.view.tenancy.by_name else ""
        return {name: owner or "" for name, owner in found.items()}

    @property
    def any(self) -> bool:
        """Whether some system divides GPUs by queues."""
        return bool(self.kai or self.cluster_queues or self.local_queues or self.runai_projects)

    @cached_property
    def root_of(self) -> dict[str, str]:
        """Topmost cohort of every cohort of Kueue that has a parent; a cycle ends where it closes."""
        parents = {}
        for manifest in self.view.snapshot.of(KUEUE_GROUP, "Cohort"):
            parent = text(manifest.body, "spec", "parentName") or text(manifest.body, "spec", "parent")
            if parent:
                parents[manifest.key.name] = parent
        found = {}
        for start in parents:
            name, seen = start, {start}
            while name in parents and parents[name] not in seen:
                name = parents[name]
                seen.add(name)
            found[start] = name
        return found

    def tree(self, cohort: str) -> str:
        """Return the topmost cohort above a cohort, itself when it has no parent."""
        return self.root_of.get(cohort, cohort)


def _selector(body: object) -> Selector | None:
    if body is None:
        return None
    try:
        return parse_selector(body)
    except (ValueError, TypeError):
        # What cannot be read is taken for one that selects everything.
        return Selector()


def _prefixed(name: str, words: str) -> bool:
    """Whether a text holds, in quotes, a part of a name up to one of its hyphens."""
    parts = name.split("-")
    starts = ("-".join(parts[:count]) + "-" for count in range(1, len(parts)))
    return any(f"{start}{quote}" in words for start in starts for quote in "'\"")


class Candidates:
    """Names worth trying in a namespace, out of many: a guard can only let in names it has some way to know.

    Those are the names in the metadata of the namespace, in the text of policies and of their parameters, and names
    made from that of the namespace or of its owner. A name nobody ever used stands for all the others, and so does the
    first name of another tenant, of those that no text of a policy compares with differently.

    Args:
        view: the objects.
        names: all names with their owners.
    """

    FRESH = "probe-of-a-name-nobody-uses"

    def __init__(self, view: View, names: dict[str, str]) -> None:
        self._view = view
        self._names = dict(sorted(names.items()))
        words = policy_text(view)
        self._marks = {name: shapes_of(view).mark(name) for name in names}
        self._in_policies = [name for name in self._names if name in words or _prefixed(name, words)]

    def of(self, tenant: str, namespace: str) -> list[str]:
        """Return the names to try in a namespace of a tenant, each once, the fresh one first."""
        home = self._view.snapshot.get("", "Namespace", namespace)
        body = home.body if home is not None else None
        words = "\n".join((*labels_of(body).values(), *annotations_of(body).values()))
        found = [self.FRESH, *self._in_policies]
        found += [name for name in self._names if name in words or name.startswith((namespace, tenant))]
        others: dict[str, str] = {}
        for name, owner in self._names.items():
            if owner != tenant:
                others.setdefault(self._marks[name], name)
        return list(dict.fromkeys((*found, *others.values())))


def covered_resources(queue: Manifest) -> list[tuple[str, str, object]]:
    """Return flavor, resource and nominal quota of every entry of a ClusterQueue."""
    found: list[tuple[str, str, object]] = []
    for group in items(queue.body, "spec", "resourceGroups"):
        for flavor in items(group, "flavors"):
            for entry in items(flavor, "resources"):
                found.append((text(flavor, "name"), text(entry, "name"), at(entry, "nominalQuota")))
    return found
