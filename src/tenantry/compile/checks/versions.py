"""Versions known to be broken or vulnerable, and what the platform's Kubernetes can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry import catalog
from tenantry.compile.problems import at
from tenantry.model.software import VersionNumber
from tenantry.model.spec import SharingMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.cluster import Cluster
    from tenantry.model.problem import DocPath, SpecProblem
    from tenantry.model.software import BadVersion, Operator
    from tenantry.model.spec import Document

MINIMUM_KUBERNETES = "1.30"
"""ValidatingAdmissionPolicy, which the guards are made of, is generally available from here on."""


def kubernetes(cluster: Cluster) -> Iterable[SpecProblem]:
    """The cluster is new enough for the admission guards."""
    if VersionNumber(cluster.kubernetes_minor) < VersionNumber(MINIMUM_KUBERNETES):
        yield at(
            cluster.spec.platform,
            ("spec", "version"),
            f"admission guards need Kubernetes {MINIMUM_KUBERNETES}; {cluster.distribution.value} "
            f"{cluster.spec.platform.spec.version} runs {cluster.kubernetes_minor}",
            expected="Kubernetes 1.30 or later (OpenShift 4.17 or later)",
            found=cluster.spec.platform.spec.version,
            rule="SPEC-KUBERNETES-VERSION",
        )


def conditions(cluster: Cluster) -> frozenset[str]:
    """Return the conditions of :class:`~tenantry.model.software.BadVersion` that hold for this platform."""
    holds = {"always"}
    if cluster.spec.platform.spec.fabrics:
        holds.add("rdma")
    if cluster.openshift:
        holds.add("openshift")
    grouped = [pool for pool in cluster.pools if pool.mode is SharingMode.MIG]
    if any(not group.profiles for pool in grouped for group in pool.groups):
        holds.add("mixed-mig")
    if any(pool.gpu.id.startswith(("gb", "gh")) for pool in grouped):
        holds.add("grace-mig")
    return frozenset(holds)


def _pins(cluster: Cluster) -> Iterator[tuple[Operator, str, DocPath]]:
    for name, chosen in cluster.operators.items():
        pinned = name in cluster.spec.platform.spec.operators
        path: DocPath = ("spec", "operators", name, "version") if pinned else ("spec", "operators")
        yield chosen.operator, chosen.version, path
    driver = catalog.operators().get("nvidia-driver")
    if driver is None or cluster.spec.platform.spec.driver.managed_by == "host":
        return
    for index, pool in enumerate(cluster.spec.platform.spec.node_pools):
        if pool.driver is not None:
            yield driver, pool.driver.version, ("spec", "nodePools", index, "driver", "version")
    for version in sorted({pool.driver for pool in cluster.pools if pool.spec.driver is None}):
        yield driver, version, ("spec", "driver", "version")


def known_bad(cluster: Cluster) -> Iterable[SpecProblem]:
    """No version is one that is known to break a platform like this one, or to let a tenant out."""
    holds = conditions(cluster)
    for operator, version, path in _pins(cluster):
        try:
            number = VersionNumber(version)
        except ValueError as error:
            yield at(cluster.spec.platform, path, str(error), expected="a version such as 26.7.0", found=version,
                     rule="SPEC-VERSION")  # fmt: skip
            continue
        for bad in operator.bad:
            if bad.when in holds and bad.covers(version):
                yield _bad(cluster.spec.platform, path, operator, version, bad)
        if operator.floor and number < VersionNumber(operator.floor):
            yield at(
                cluster.spec.platform,
                path,
                f"{operator.title} {version} is vulnerable: {operator.floor_reason}",
                expected=f"{operator.floor} or later",
                found=version,
                rule="SPEC-VERSION-FLOOR",
            )


def _bad(document: Document, path: DocPath, operator: Operator, version: str, bad: BadVersion) -> SpecProblem:
    return at(
        document,
        path,
        f"{operator.title} {version} is known to be broken: {bad.reason}",
        expected=_outside(bad),
        found=version,
        rule="SPEC-VERSION-BAD",
    )


def _outside(bad: BadVersion) -> str:
    if bad.fixed:
        return f"{bad.fixed} or later"
    return f"a version outside {bad.first} to {bad.last}" if bad.last else f"a version below {bad.first}"


def driver_for_mig(cluster: Cluster) -> Iterable[SpecProblem]:
    """Partitioned GPUs have a driver that can partition them."""
    if cluster.spec.platform.spec.driver.managed_by == "host":
        return
    for index, spec in enumerate(cluster.spec.platform.spec.node_pools):
        pool = next((item for item in cluster.pools if item.spec is spec), None)
        if pool is None or pool.mode is not SharingMode.MIG or not pool.gpu.minimum_driver:
            continue
        if VersionNumber(pool.driver) < VersionNumber(pool.gpu.minimum_driver):
            own = spec.driver is not None
            yield at(
                cluster.spec.platform,
                ("spec", "nodePools", index, "driver", "version") if own else ("spec", "driver", "version"),
                f"MIG on {pool.gpu.title} (node pool {pool.name}) needs driver {pool.gpu.minimum_driver}",
                expected=f"{pool.gpu.minimum_driver} or later",
                found=pool.driver,
                rule="SPEC-DRIVER-MIG",
            )


CHECKS = (kubernetes, known_bad, driver_for_mig)
