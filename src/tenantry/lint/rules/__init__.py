"""The rules, one module per surface, in one visible tuple.

What lives here: plain functions from the index to hits, each with its identity, reason and source. What may not: state,
and judging one object against its schema.
"""

from __future__ import annotations

from tenantry.lint.rule import Rule
from tenantry.lint.rules import (
    argocd,
    attachments,
    drivers,
    embedded,
    gpu,
    infiniband,
    kai,
    kueue,
    layouts,
    mellanox,
    monitoring,
    networks,
    nfd,
    olm,
    quota,
    rhoai,
    security,
    sharing,
    singletons,
    sriov,
    sriov_pools,
)

RULES: tuple[Rule, ...] = (
    *embedded.RULES,
    *sriov.RULES,
    *sriov_pools.RULES,
    *networks.RULES,
    *infiniband.RULES,
    *attachments.RULES,
    *mellanox.RULES,
    *nfd.RULES,
    *gpu.RULES,
    *drivers.RULES,
    *layouts.RULES,
    *sharing.RULES,
    *singletons.RULES,
    *olm.RULES,
    *argocd.RULES,
    *monitoring.RULES,
    *quota.RULES,
    *kueue.RULES,
    *kai.RULES,
    *security.RULES,
    *rhoai.RULES,
)
