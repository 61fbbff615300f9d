"""Drains: nobody keeps a node from being emptied for an upgrade that all tenants wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.guards.guard import PODS, Guard, Rule, Validation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster

# Time for a checkpoint; the drain of a node waits at most this long for one pod.
LONGEST_GRACE_SECONDS = 3600


def drains(cluster: Cluster) -> Iterable[Guard]:
    """Yield the guards of disruption budgets and of pods' grace periods."""
    del cluster
    yield Guard(
        "disruption-budgets",
        "R1: nodes that cannot be drained",
        (Rule("policy", ("v1",), ("poddisruptionbudgets",)),),
        (
            # Percentages of maxUnavailable round up, so anything but zero lets one pod go.
            Validation(
                "has(object.spec.maxUnavailable) && !string(object.spec.maxUnavailable).matches('^0+%?$')",
                "use spec.maxUnavailable of at least 1 (or 1%), so that nodes can be drained",
            ),
            # Otherwise one pod that never becomes ready uses up the budget for good.
            Validation(
                "object.spec.?unhealthyPodEvictionPolicy.orValue('IfHealthyBudget') == 'AlwaysAllow'",
                "set spec.unhealthyPodEvictionPolicy to AlwaysAllow, so that failing pods do not block drains",
            ),
        ),
        same=(".spec",),
    )
    yield Guard(
        "grace-periods",
        "R1: pods that outlast every drain",
        (PODS,),
        (
            Validation(
                f"object.spec.?terminationGracePeriodSeconds.orValue(30) <= {LONGEST_GRACE_SECONDS}",
                f"spec.terminationGracePeriodSeconds must be at most {LONGEST_GRACE_SECONDS}",
            ),
        ),
        same=(".spec.?terminationGracePeriodSeconds",),
    )
