"""What the rules rely on in the kube-prometheus-stack chart, for platforms that are not OpenShift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.spec import SchedulerType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.cluster import Cluster

ROUTE_MATCHING: Mapping[str, str] = {"type": "None"}
"""Value of ``alertmanagerConfigMatcherStrategy``: routes lie in the platform's namespace and match by tenant.

Only safe while tenants cannot add routes, which the chart's namespace selector sees to.
"""


def exposed_labels(cluster: Cluster) -> list[str]:
    """Return ``metricLabelsAllowlist`` of kube-state-metrics; labels of nodes and pods are metrics only when listed.

    Without it alerts on MIG state, on pools chosen by label and on waiting pods would stay silent. OpenShift lists all
    labels of nodes and pods by itself.

    Source: kube-state-metrics, ``docs/developer/cli-arguments.md``.
    """
    labels = ["nodes=[*]"]
    if cluster.spec.platform.spec.scheduler.type is SchedulerType.KAI:
        labels.append("pods=[kai.scheduler/queue]")
    return labels
