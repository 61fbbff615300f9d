"""Rules between documents, and between a document and the catalog.

One module per subject. A rule is a function from the resolved cluster to spec problems, listed in a visible tuple;
rules tolerate whatever could not be resolved, since that has been reported already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.checks import (
    access,
    clashes,
    delivery,
    fabrics,
    labels,
    names,
    network,
    quotas,
    references,
    sharing,
    unused,
    versions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.model.cluster import Cluster
    from tenantry.model.problem import SpecProblem

CHECKS: tuple[Callable[[Cluster], Iterable[SpecProblem]], ...] = (
    *names.CHECKS,
    *clashes.CHECKS,
    *references.CHECKS,
    *sharing.CHECKS,
    *quotas.CHECKS,
    *fabrics.CHECKS,
    *network.CHECKS,
    *versions.CHECKS,
    *labels.CHECKS,
    *access.CHECKS,
    *delivery.CHECKS,
    *unused.CHECKS,
)


def check(cluster: Cluster) -> list[SpecProblem]:
    """Run every rule and return all problems, in the order of the rules."""
    return [problem for rule in CHECKS for problem in rule(cluster)]
