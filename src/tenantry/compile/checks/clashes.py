"""Names that different owners would share once they are joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.names import joined, name_clashes
from tenantry.compile.problems import at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster
    from tenantry.model.problem import SpecProblem


def joined_names(cluster: Cluster) -> Iterable[SpecProblem]:
    """No two owners arrive at the same joined name: the second object would replace the first, isolation included."""
    documents = {tenant.name: tenant.spec for tenant in cluster.tenants}
    for clash in name_clashes(cluster):
        yield at(
            documents[clash.tenant],
            ("metadata", "name"),
            f"{' and '.join(clash.owners)} would both own the {clash.kind} {clash.name}",
            expected="names that differ when joined with hyphens; rename one of them",
            found=clash.tenant,
            rule="SPEC-NAME-CLASH",
        )


def fabric_names(cluster: Cluster) -> Iterable[SpecProblem]:
    """Names joined of fabric, rail and node pool are unique: node policies and address pools carry them."""
    owner: dict[str, tuple[str, ...]] = {}
    for index, fabric in enumerate(cluster.spec.platform.spec.fabrics):
        rails = next((item.rails for item in cluster.fabrics if item.spec is fabric), ())
        pairs = [(fabric.name, rail.name) for rail in rails]
        for parts in [*pairs, *((*pair, pool) for pair in pairs for pool in dict.fromkeys(fabric.pools))]:
            name = joined(*parts)
            other = owner.setdefault(name, parts)
            if other != parts:
                yield at(
                    cluster.spec.platform,
                    ("spec", "fabrics", index, "name"),
                    f"{_fabric_words(other)} and {_fabric_words(parts)} would both own the name {name}",
                    expected="names of fabrics, rails and node pools that differ when joined with hyphens",
                    found=fabric.name,
                    rule="SPEC-NAME-CLASH",
                )


def _fabric_words(parts: tuple[str, ...]) -> str:
    return ", ".join(f"{what} {name}" for what, name in zip(("fabric", "rail", "node pool"), parts, strict=False))


CHECKS = (joined_names, fabric_names)
