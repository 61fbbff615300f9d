"""Rights of tenants with what they can give themselves, and admission as it is for somebody with these rights.

The two depend on each other: who may bind roles at home may come to change labels of its namespace, and with them what
admission refuses there, other bindings among it. So both are worked out again until nothing more is gained.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tenantry.model.tenancy import PLATFORM
from tenantry.safe.admission import GuardBook
from tenantry.safe.answer import Answer
from tenantry.safe.envelope import Admitter, Inhabitants
from tenantry.safe.escalation import Gained, gained_at_home
from tenantry.safe.identity import Rights
from tenantry.safe.labels import LabelRights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.manifest import ManifestKey
    from tenantry.safe.view import View

_PLURALS = {"ConfigMap": "configmaps", "Secret": "secrets"}


class Standing:
    """What tenants may do, and what admission says to it.

    Attributes:
        gained: what each tenant can give itself within its own namespaces, as far as it is known so far.
        labels: who may change labels of namespaces.
        admitter: what admission lets in.
    """

    def __init__(self, view: View, gained: Mapping[str, tuple[Gained, ...]]) -> None:
        self._view = view
        self.gained = gained
        self._rights: dict[str, Rights] = {}
        self._inhabitants: dict[str, Inhabitants] = {}
        self.labels = LabelRights(view, self)
        self.admitter = Admitter(
            view.snapshot,
            GuardBook(view.snapshot, self._controls),
            view.book,
            openshift=view.distribution_openshift,
            inhabitants=self._inhabitants_of,
            changes=self._changes_label,
            annotates=self._changes_annotations,
        )

    def rights(self, tenant: str) -> Rights:
        """Return the rights of a tenant, gained ones included."""
        if tenant not in self._rights:
            base = self._view.base_rights(tenant)
            held = [item.held for item in self.gained.get(tenant, ()) if item.admission.admitted]
            self._rights[tenant] = Rights(self._view.book, base.identities, held) if held else base
        return self._rights[tenant]

    def _owner(self, namespace: str) -> str | None:
        """Return the tenant that owns a namespace, or None."""
        owner = self._view.tenancy.owner(namespace)
        return owner if owner in self._view.tenancy.by_name else None

    def _inhabitants_of(self, namespace: str) -> Inhabitants:
        owner = self._owner(namespace)
        if owner is None:
            return Inhabitants((), Rights(self._view.book, ()))
        key = f"{owner}/{namespace}"
        if key not in self._inhabitants:
            who = [
                identity.requester
                for identity in self._view.identities(owner)
                if identity.namespace in {"", namespace} and identity.user != "system:anonymous"
            ]
            self._inhabitants[key] = Inhabitants(tuple(who), self.rights(owner))
        return self._inhabitants[key]

    def _changes_label(self, namespace: str, label: str) -> Answer:
        """Say whether the tenant of a namespace can change one of its labels; any of them for the empty name."""
        owner = self._view.tenancy.owner(namespace)
        if owner is None or owner == PLATFORM:
            return Answer.REFUSED
        change = self.labels.change_of(owner, namespace, label) if label else self.labels.change(owner, namespace)
        return Answer.REFUSED if change is None else change.admission.answer

    def _changes_annotations(self, namespace: str) -> bool:
        owner = self._view.tenancy.owner(namespace)
        return owner is not None and owner != PLATFORM and self.labels.annotates(owner, namespace) is not None

    def _controls(self, key: ManifestKey) -> bool:
        """Whether the tenant that owns the namespace of an object may write it."""
        owner = self._owner(key.namespace)
        if owner is None:
            return False
        resource = _PLURALS.get(key.kind, f"{key.kind.lower()}s")
        find = partial(self.rights(owner).find, group=key.group, resource=resource, namespace=key.namespace)
        return any(find(verb, name=key.name) for verb in ("create", "update", "patch", "delete"))


def settled(view: View) -> Standing:
    """Return what tenants may do once nothing more is gained."""
    standing = Standing(view, {})
    while True:
        gained = {tenant.name: gained_at_home(view, tenant.name, standing.admitter) for tenant in view.tenants}
        if _admitted(gained) == _admitted(standing.gained):
            standing.gained = gained
            return standing
        standing = Standing(view, gained)


def _admitted(gained: Mapping[str, tuple[Gained, ...]]) -> int:
    return sum(item.admission.admitted for items in gained.values() for item in items)
