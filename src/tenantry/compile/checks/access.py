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
    owned: list[tuple[str, str]] = []
    if domain:
        owned = [(f"{tenant.name}.{domain}", tenant.name) for tenant in cluster.spec.tenants]
    for tenant in cluster.spec.tenants:
        for index, host in enumerate(tenant.spec.network.hosts):
            path: DocPath = ("spec", "network", "hosts", index)
            if domain and _within(domain, host):
                yield _taken(tenant, path, host, f"{host} holds {domain}, below which every tenant has its hosts")
                continue
            other = next((item for item in owned if item[1] != tenant.name and _meet(host, item[0])), None)
            if other is not None:
                yield _taken(tenant, path, host, _conflict(host, *other))
            owned.append((host, tenant.name))


def _conflict(host: str, other: str, owner: str) -> str:
    if host == other:
        return f"host {host} belongs to tenant {owner} already"
    return f"{host} lies {'below' if _within(host, other) else 'above'} {other}, which belongs to tenant {owner}"


def _within(inner: str, outer: str) -> bool:
    return inner == outer or inner.endswith(f".{outer}")


def _meet(one: str, other: str) -> bool:
    return _within(one, other) or _within(other, one)


def _taken(document: Document, path: DocPath, host: str, message: str) -> SpecProblem:
    expected = "a host that is not, and does not lie above or below, a host of somebody else"
    return at(document, path, message, expected=expected, found=host, rule="SPEC-HOST-CLAIMED")


CHECKS = (groups, hosts)
