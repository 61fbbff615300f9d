"""Who may do what under which host name: groups that mean somebody, and hosts that belong to one tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.problems import at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster
    from tenantry.model.problem import DocPath, SpecProblem
    from tenantry.model.spec import Document


def groups(cluster: Cluster) -> Iterable[SpecProblem]:
    """Groups are those of the identity provider: Kubernetes' own mean every user, or every administrator."""
    platform = cluster.spec.platform
    for index, name in enumerate(platform.spec.gitops.admin_groups):
        yield from _group(platform, ("spec", "gitops", "adminGroups", index), name)
    for tenant in cluster.spec.tenants:
        for index, grant in enumerate(tenant.spec.access):
            yield from _group(tenant, ("spec", "access", index, "group"), grant.group)


def _group(document: Document, path: DocPath, name: str) -> Iterable[SpecProblem]:
    if name.startswith("system:"):
        yield at(
            document,
            path,
            f"{name} is a group of Kubernetes itself and would reach far beyond one team",
            expected="a group of the identity provider",
            found=name,
            rule="SPEC-GROUP",
        )


def hosts(cluster: Cluster) -> Iterable[SpecProblem]:
    """A host, with everything below it, belongs to one tenant and never holds the domain of the platform."""
    domain = cluster.spec.platform.spec.ingress_domain
    owned = _Owned()
    for tenant in cluster.spec.tenants if domain else ():
        owned.add(f"{tenant.name}.{domain}", tenant.name)
    for tenant in cluster.spec.tenants:
        for index, host in enumerate(tenant.spec.network.hosts):
            path: DocPath = ("spec", "network", "hosts", index)
            if domain and _within(domain, host):
                yield _taken(tenant, path, host, f"{host} holds {domain}, below which every tenant has its hosts")
                continue
            other = owned.met_by(host, tenant.name)
            if other is not None:
                yield _taken(tenant, path, host, _conflict(host, *other))
            owned.add(host, tenant.name)


class _Owned:
    """Hosts with their owners, to be asked which of them a further host meets; the time does not grow with them."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[str, str]] = {}
        self._below: dict[str, dict[str, str]] = {}

    def add(self, host: str, owner: str) -> None:
        self._exact.setdefault(host, {}).setdefault(owner, host)
        for name in _upwards(host):
            self._below.setdefault(name, {}).setdefault(owner, host)

    def met_by(self, host: str, owner: str) -> tuple[str, str] | None:
        """Return a host of another owner, and that owner, at, above or below a host."""
        found = [self._below.get(host, {}), *(self._exact.get(name, {}) for name in _upwards(host))]
        return next(((name, who) for entry in found for who, name in entry.items() if who != owner), None)


def _upwards(host: str) -> list[str]:
    """Return a host and the domains above it."""
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def _conflict(host: str, other: str, owner: str) -> str:
    if host == other:
        return f"host {host} belongs to tenant {owner} already"
    return f"{host} lies {'below' if _within(host, other) else 'above'} {other}, which belongs to tenant {owner}"


def _within(inner: str, outer: str) -> bool:
    return inner == outer or inner.endswith(f".{outer}")


def _taken(document: Document, path: DocPath, host: str, message: str) -> SpecProblem:
    expected = "a host that is not, and does not lie above or below, a host of somebody else"
    return at(document, path, message, expected=expected, found=host, rule="SPEC-HOST-CLAIMED")


CHECKS = (groups, hosts)
