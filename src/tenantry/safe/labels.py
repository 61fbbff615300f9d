"""Who may change labels and annotations of namespaces.

Pod Security and every selector of namespaces rest on labels, and many guards on annotations too. Tried are the keys
somebody looks at: those Kubernetes and OpenShift give a meaning, those selectors and guards name, those that are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tenantry.model.reading import string_map
from tenantry.model.selector import parse_selector
from tenantry.safe.admission import mapping
from tenantry.safe.evasion import is_label
from tenantry.safe.partial_values import Fields, lift
from tenantry.safe.pod_security import ENFORCE, PRIVILEGED
from tenantry.safe.reading import annotations_of, labels_of, walk
from tenantry.safe.refusals import About, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.manifest import Body
    from tenantry.model.selector import Requirement
    from tenantry.model.snapshot import Snapshot
    from tenantry.safe.answer import Admission
    from tenantry.safe.identity import Right
    from tenantry.safe.standing import Standing
    from tenantry.safe.view import View

# Labels by which a namespace leaves a guard or takes on an identity, with a value that does so.
CRITICAL = (
    (ENFORCE, PRIVILEGED),
    ("openshift.io/run-level", "0"),
    ("policy-group.network.openshift.io/ingress", ""),
    ("policy-group.network.openshift.io/host-network", ""),
    ("network.openshift.io/policy-group", "ingress"),
    ("k8s.ovn.org/primary-user-defined-network", ""),
    ("resource.kubernetes.io/admin-access", "true"),
    ("resource.k8s.io/admin-access", "true"),
)

# Annotations from which the API server or a plug-in of it takes what pods may be or where they run.
_NOTES = (
    "openshift.io/sa.scc.uid-range",
    "openshift.io/sa.scc.mcs",
    "openshift.io/node-selector",
    "scheduler.alpha.kubernetes.io/node-selector",
    "scheduler.alpha.kubernetes.io/tolerationsWhitelist",
)

MOST_VALUES = 6
"""Values of one label that are tried."""

_RESOURCES = (("namespaces", ""), ("namespaces/status", "status"), ("namespaces/finalize", "finalize"))
_VERBS = ("update", "patch")
# Kinds of which there are very many and which select no namespaces.
_WITHOUT_SELECTORS = frozenset({"Pod", "Secret", "ConfigMap", "RoleBinding", "Role", "ServiceAccount", "ResourceQuota"})
_NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A change of a namespace that a tenant has a right to and admission does not refuse for certain.

    Attributes:
        namespace: the namespace.
        key: the label or annotation.
        value: what it becomes; None when it is removed.
        right: the right used.
        admission: admitted, or unknown.
        body: the namespace as it would be submitted.
    """

    namespace: str
    key: str
    value: str | None
    right: Right
    admission: Admission
    body: Body


class LabelRights:
    """Answers who may change which namespace, each question asked once."""

    def __init__(self, view: View, standing: Standing) -> None:
        """Take objects from a view, and rights and admission from what is known of them."""
        self._view = view
        self._standing = standing
        self._any: dict[str, bool] = {}
        self._changes: dict[tuple[str, str], LabelChange | None] = {}
        self._notes: dict[tuple[str, str], LabelChange | None] = {}
        self._keys: dict[tuple[str, str, str], LabelChange | None] = {}

    def change(self, tenant: str, namespace: str) -> LabelChange | None:
        """Return the first change of labels of a namespace that is let in, else the first that may be, else None."""
        if not self._has_any_right(tenant):
            return None
        key = (tenant, namespace)
        if key not in self._changes:
            self._changes[key] = self._change(tenant, namespace)
        return self._changes[key]

    def change_of(self, tenant: str, namespace: str, label: str) -> LabelChange | None:
        """Return a change of one label of a namespace that is let in, else one that may be, else None."""
        if label == _NAME or not self._has_any_right(tenant):
            return None
        key = (tenant, namespace, label)
        if key not in self._keys:
            now = labels_of(self._home(namespace)).get(label)
            values: list[str | None] = [value for name, value in CRITICAL if name == label]
            values += [value for name, listed in self._selected if name == label for value in listed[:MOST_VALUES]]
            values += [None, "probe"] if now is None else [None, f"{now[:60]}-x"]
            wanted = [(label, value) for value in dict.fromkeys(values) if value != now]
            self._keys[key] = self._first(tenant, namespace, wanted)
        return self._keys[key]

    def annotates(self, tenant: str, namespace: str) -> LabelChange | None:
        """Return the first change of annotations of a namespace that is let in, else that may be, else None."""
        if not self._has_any_right(tenant):
            return None
        key = (tenant, namespace)
        if key not in self._notes:
            present = sorted(annotations_of(self._home(namespace)))
            keys = dict.fromkeys((*_NOTES, *present, *self._looked_up))
            self._notes[key] = self._first(tenant, namespace, [(item, "probe") for item in keys], "annotations")
        return self._notes[key]

    def settable(self, tenant: str, namespace: str, label: str, value: str = "x") -> LabelChange | None:
        """Return how a tenant can give a namespace a label, or None when it cannot."""
        if not self._has_any_right(tenant):
            return None
        return self._first(tenant, namespace, [(label, value)])

    def removable(self, tenant: str, namespace: str, label: str) -> LabelChange | None:
        """Return how a tenant can take a label from a namespace, or None when it cannot."""
        if not self._has_any_right(tenant):
            return None
        return self._first(tenant, namespace, [(label, None)])

    def _has_any_right(self, tenant: str) -> bool:
        if tenant not in self._any:
            rights = self._standing.rights(tenant)
            self._any[tenant] = any(
                rights.find(verb, "", resource, "") is not None for resource, _ in _RESOURCES for verb in _VERBS
            )
        return self._any[tenant]

    def _change(self, tenant: str, namespace: str) -> LabelChange | None:
        present = labels_of(self._home(namespace))
        changes: list[tuple[str, str | None]] = [*CRITICAL]
        for key, value in sorted(present.items()):
            changes.extend(((key, None), (key, f"{value[:60]}-x")))
        for key, values in self._selected:
            changes.extend((key, value) for value in values[:MOST_VALUES])
        wanted = [(key, value) for key, value in dict.fromkeys(changes) if key != _NAME and present.get(key) != value]
        return self._first(tenant, namespace, wanted)

    @cached_property
    def _selected(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Keys of labels of namespaces that selectors look at, each with values that make a difference to them."""
        found: dict[str, dict[str, None]] = {}
        for requirement in _requirements(self._view.snapshot):
            found.setdefault(requirement.key, {}).update(dict.fromkeys((*requirement.values, "probe")))
        for key in self._looked_up:
            found.setdefault(key, {}).update({"probe": None})
        return tuple((key, tuple(values)) for key, values in sorted(found.items()))

    @cached_property
    def _looked_up(self) -> tuple[str, ...]:
        """Words by which guards that look at the namespace look something up."""
        guards = (guard for guard in self._standing.admitter.guards.guards if guard.reads_namespace)
        return tuple(sorted({word for guard in guards for word, by in words_of(guard) if by and is_label(word)}))

    def _home(self, namespace: str) -> Body:
        manifest = self._view.snapshot.get("", "Namespace", namespace)
        return manifest.body if manifest else _bare(namespace)

    def _first(
        self, tenant: str, namespace: str, changes: list[tuple[str, str | None]], place: str = "labels"
    ) -> LabelChange | None:
        unknown: LabelChange | None = None
        for resource, subresource in _RESOURCES:
            for right in self._rights(tenant, resource, namespace):
                for key, value in changes:
                    found = self._try(namespace, (place, key, value), right, subresource)
                    if found is not None and found.admission.admitted:
                        return found
                    unknown = unknown or found
        return unknown

    def _rights(self, tenant: str, resource: str, namespace: str) -> Iterator[Right]:
        rights = self._standing.rights(tenant)
        seen = set()
        for verb in _VERBS:
            for right in rights.every(verb, "", resource, namespace, namespace):
                if right.requester not in seen:
                    seen.add(right.requester)
                    yield right

    def _try(
        self, namespace: str, change: tuple[str, str, str | None], right: Right, subresource: str
    ) -> LabelChange | None:
        place, key, value = change
        old = self._home(namespace)
        metadata = mapping(old.get("metadata"))
        entries = {name: item for name, item in string_map(metadata, place).items() if name != key}
        if value is not None:
            entries[key] = value
        body = {**old, "metadata": {**metadata, place: entries}}
        known = Fields({} if value is None else {key: value}, absent=frozenset({key} if value is None else ()))
        about = About(_namespace(namespace, Fields({place: known})), lift(old))
        admission = self._standing.admitter.envelope("").admits(
            body, operation="UPDATE", user=right.requester, old=old, subresource=subresource, about=about
        )
        return None if admission.refused else LabelChange(namespace, key, value, right, admission, body)


def _namespace(name: str, metadata: Fields) -> Fields:
    named = Fields({**metadata.known, "name": name})
    return Fields({"apiVersion": "v1", "kind": "Namespace", "metadata": named})


def _requirements(snapshot: Snapshot) -> Iterator[Requirement]:
    """Yield what selectors of namespaces ask for, in objects of any kind.

    They stand under fields whose names end in ``namespaceSelector``, under ``namespaces`` of network policies of the
    whole cluster, and under ``selector/labels`` of quotas of the whole cluster.
    """
    for manifest in snapshot:
        if manifest.key.kind in _WITHOUT_SELECTORS:
            continue
        for path, value in walk(manifest.body):
            last = str(path[-1]).lower() if path else ""
            quota = manifest.key.kind == "ClusterResourceQuota" and path[-2:] == ("selector", "labels")
            if isinstance(value, dict) and (last.endswith("namespaceselector") or last == "namespaces" or quota):
                try:
                    yield from parse_selector(value).requirements
                except ValueError:
                    continue


def _bare(namespace: str) -> Body:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {_NAME: namespace}}}
