"""The pods between which connections are looked for: those there are, and those that somebody could make.

At the strength of the objects as they are only deployed pods count. Above it a connection starts from any pod its
tenant could make, with labels of its choice, in namespaces it may relabel as far as its rights go.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from tenantry.model.claim import Step
from tenantry.model.selector import Requirement
from tenantry.model.tenancy import Strength
from tenantry.safe.network.classes import NAMESPACE_NAME, Index, Told, classify, imagined, labels_of
from tenantry.safe.network.pins import Pins
from tenantry.safe.network.symbolic import Labels, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.labels import LabelChange
    from tenantry.safe.network.addresses import AddressSet
    from tenantry.safe.network.rules import NetworkRules
    from tenantry.safe.view import View

_NAMESPACES = ("namespaces", "namespaces/status", "namespaces/finalize")
"""Resources through which labels of a namespace are changed."""


class Population:
    """Pods of some tenants at the strength of a view."""

    def __init__(
        self,
        view: View,
        tenants: Sequence[TenantIdentity],
        policies: Sequence[NetworkRules],
        ranges: tuple[AddressSet, ...],
    ) -> None:
        """Take what pods are made from.

        Args:
            view: the objects, rights and the strength.
            tenants: tenants to look at.
            policies: network policies; what they cannot tell apart is one.
            ranges: addresses of pods; empty when not known.
        """
        self.view = view
        self.tenants = tuple(tenants)
        self.ranges = ranges
        self.pins = Pins(view)
        permissions = view.declared.permissions
        labelled = {key for item in permissions for key, _ in (*item.source_labels, *item.target_labels)}
        self.told = Told.of(policies, labelled)

    @cached_property
    def deployed(self) -> dict[str, list[Unit]]:
        """Classes of the pods there are, per tenant."""
        return {
            tenant.name: classify(
                tenant.name, self.view.tenant_pods(tenant.name), self._spaces(tenant.name), self.told, {}
            )
            for tenant in self.tenants
        }

    def _spaces(self, tenant: str) -> dict[str, Labels]:
        found = {}
        for namespace in self.view.tenancy.by_name[tenant].namespaces:
            manifest = self.view.snapshot.get("", "Namespace", namespace)
            labels = labels_of(manifest.body.get("metadata") or {}) if manifest else {}
            found[namespace] = Labels({**labels, NAMESPACE_NAME: namespace})
        return found

    def sources(self) -> Index:
        """Units connections start from."""
        if self.view.strength is Strength.DEPLOYED:
            return Index([unit for units in self.deployed.values() for unit in units if not unit.host_network])
        found: list[Unit] = []
        for tenant in self.tenants:
            for namespace, space in self._spaces(tenant.name).items():
                unit = imagined(Unit(tenant.name, namespace, space, Labels({})), self.ranges)
                pinned = self.pins.requirements(namespace)
                doubt = self.pins.doubt(namespace)
                unit = replace(unit, labels=replace(unit.labels, wanted=pinned), needs=(doubt,) if doubt else ())
                found.extend((unit, *self._relabelled(unit, tenant.name)))
                if pinned or doubt:
                    # What runs already has its labels, whether or not it would be let in again.
                    running = (item for item in self.deployed[tenant.name] if item.namespace == namespace)
                    found.extend(item for item in running if not item.host_network)
        return Index(found)

    @cached_property
    def _labelling(self) -> frozenset[str]:
        """Tenants with any right to change namespaces, whatever admission says to it."""
        return frozenset(
            tenant.name
            for tenant in self.tenants
            if any(
                self.view.may(tenant.name, verb, "", resource)
                for resource in _NAMESPACES
                for verb in ("update", "patch")
            )
        )

    def _relabelled(self, unit: Unit, tenant: str) -> Iterator[Unit]:
        """Yield a unit as a tenant makes it by labels of its namespace: those it surely sets, and all it may."""
        if tenant not in self._labelling:
            return
        changes = {
            key: change
            for key, values in self.told.spaces
            for change in [self._change(tenant, unit.space, key, values)]
            if change is not None
        }
        sure = {key for key, change in changes.items() if change.admission.admitted}
        for keys in dict.fromkeys((frozenset(sure), frozenset(changes))):
            if not keys:
                continue
            known = {key for key, _ in self.told.spaces} | set(unit.space.fixed)
            fixed = {key: value for key, value in unit.space.fixed.items() if key not in keys}
            absent = tuple(Requirement(key, "DoesNotExist") for key in sorted(known - keys - set(fixed)))
            used = [changes[key] for key in sorted(keys)]
            yield replace(
                unit,
                space=Labels(fixed, free=True, wanted=absent),
                only=tenant,
                steps=(
                    *used[0].right.steps,
                    Step(f"may set labels of namespace {unit.namespace}: {', '.join(sorted(keys))}"),
                ),
                needs=(*unit.needs, *(need for item in used for need in item.admission.missing)),
            )

    def _change(self, tenant: str, space: Labels, key: str, values: Iterable[str]) -> LabelChange | None:
        """Return how a tenant changes a label of a namespace, surely if it can; None when it cannot."""
        if key == NAMESPACE_NAME:
            return None
        namespace, now = space.fixed[NAMESPACE_NAME], space.fixed.get(key)
        doubtful = self.view.labels.removable(tenant, namespace, key) if now is not None else None
        for value in ("x", *values):
            if doubtful is not None and doubtful.admission.admitted:
                return doubtful
            if value != now:
                doubtful = self.view.labels.settable(tenant, namespace, key, value) or doubtful
        return doubtful

    def targets(self) -> Index:
        """Units connections lead to: the pods there are, and any pod where none are known or the victim is careless."""
        if self.view.strength is Strength.DEPLOYED:
            return Index([unit for units in self.deployed.values() for unit in units])
        found = []
        for tenant in self.tenants:
            by_namespace: dict[str, list[Unit]] = {}
            for unit in self.deployed[tenant.name]:
                by_namespace.setdefault(unit.namespace, []).append(unit)
            for namespace, space in self._spaces(tenant.name).items():
                units = by_namespace.get(namespace, [])
                if not units or self.view.strength is Strength.CARELESS:
                    units = [*units, imagined(Unit(tenant.name, namespace, space, Labels({})), self.ranges)]
                found.extend(units)
                for other in sorted(self._labelling - {tenant.name}):
                    found.extend(moved for unit in units for moved in self._relabelled(unit, other))
        return Index(found)
