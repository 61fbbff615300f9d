"""Names that different owners would share once they are joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.names import name_clashes
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


CHECKS = (joined_names,)
