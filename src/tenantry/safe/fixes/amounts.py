"""Proposals about amounts: keys of resource quotas, and devices that one of two tenants goes without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tenantry.model.change import Change, Op
from tenantry.model.manifest import ManifestKey
from tenantry.safe.fixes.objects import details_of
from tenantry.safe.reading import at, items, mapping, positive, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.safe.fixes.steps import Proposal
    from tenantry.safe.view import View

_NOTE: Final = "the amount is to be chosen"
_QUOTA: Final = "tenantry-quota"
SHARED: Final = frozenset({"G4", "G5", "G6", "G8", "X7", "X8", "X12", "R2", "X11", "X5", "G7"})
"""Channels by which two tenants that get one device act on each other."""


def of_amounts(view: View, claim: Claim) -> Iterator[Proposal]:
    """Yield quotas with the keys a witness says are missing, and quotas of zero for shared devices."""
    details = details_of(claim)
    unbounded = [(namespace, dict.fromkeys(keys)) for namespace, keys in details.get("unbounded", ())]
    if unbounded:
        yield tuple(change for namespace, hard in unbounded for change in _bounded(view, namespace, hard))
    if "unlimited" in details:
        namespaces = view.tenancy.by_name[claim.source].namespaces
        names = [str(name) for name in details["unlimited"]]
        keys = [name if name.startswith("hugepages-") else f"limits.{name}" for name in names]
        hard = {f"requests.{key}": "0" if key.startswith("hugepages-") else None for key in keys}
        hard = {key.replace("requests.limits.", "limits."): amount for key, amount in hard.items()}
        yield tuple(change for name in namespaces for change in _bounded(view, name, hard))
    if claim.channel in SHARED:
        yield from _withheld(view, claim, details)


def _withheld(view: View, claim: Claim, details: dict[str, Any]) -> Iterator[Proposal]:
    names = set(_devices(details))
    tenants = [claim.target] if claim.target else []
    # Of two that are alike the last by name goes without, whoever acts: one fix for both directions.
    by_name = sorted({claim.source, *tenants}, reverse=True)
    pair = sorted(by_name, key=lambda name: _entitled(view, name, names))
    for resource in sorted(names):
        for tenant in pair:
            spaces = view.tenancy.by_name[tenant].namespaces
            yield tuple(
                change for space in spaces for change in _bounded(view, space, {f"requests.{resource}": "0"}, note="")
            )


def _entitled(view: View, tenant: str, resources: Iterable[str]) -> bool:
    """Whether a tenant was granted one of some devices, or has pods that ask for one."""
    wanted = set(resources)
    for space in view.tenancy.by_name[tenant].namespaces:
        for quota in view.given.within(space):
            if quota.key.kind == "ResourceQuota":
                hard = mapping(at(quota.body, "spec", "hard"))
                if any(positive(hard.get(f"requests.{name}")) for name in wanted):
                    return True
    return any(
        wanted & set(map(str, mapping(at(container, "resources", "limits"))))
        for template in view.tenant_pods(tenant)
        for container in items(template.body, "spec", "containers")
    )


def _devices(details: dict[str, Any]) -> Iterator[str]:
    if isinstance(details.get("resource"), str):
        yield details["resource"]
    for name in ("pod", "other pod", "manifest"):
        for container in items(details.get(name), "spec", "containers"):
            for resource in mapping(at(container, "resources", "limits")):
                if "/" in str(resource):
                    yield str(resource)


def _start(key: str) -> str:
    """Return an amount to start from: small, and for a person to choose."""
    return "10Gi" if any(word in key for word in ("memory", "storage")) and "storageclass" not in key else "10"


def _bounded(view: View, namespace: str, hard: dict[str, str | None], note: str = _NOTE) -> Proposal:
    """Return the changes that bound some keys in a namespace: in a quota without scopes, or in one of its own."""
    amounts = {key: value if value is not None else _start(key) for key, value in sorted(hard.items())}
    quotas = [
        item
        for item in view.given.within(namespace)
        if item.key.kind == "ResourceQuota"
        and not _scoped(item.body)
        and isinstance(at(item.body, "spec", "hard"), dict)
    ]
    if quotas:
        key = quotas[0].key
        return tuple(Change(Op.SET, key, ("spec", "hard", name), value, note) for name, value in amounts.items())
    key = ManifestKey("v1", "ResourceQuota", namespace, _QUOTA)
    metadata = {"name": _QUOTA, "namespace": namespace}
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": amounts}}
    return (Change(Op.CREATE, key, (), body, note),)


def _scoped(body: dict[str, Any]) -> bool:
    return bool(at(body, "spec", "scopes") or at(body, "spec", "scopeSelector")) or not text(body, "kind")
