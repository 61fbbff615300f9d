"""All alerts, by concern. Each concern becomes one PrometheusRule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.monitoring import gpu_alerts, platform_alerts, tenant_alerts

if TYPE_CHECKING:
    from tenantry.compile.monitoring.alert import Alert
    from tenantry.compile.monitoring.view import View

CONCERNS: tuple[tuple[str, str, tuple[Alert, ...]], ...] = (
    ("gpu-health", "GPU health", gpu_alerts.HEALTH),
    ("gpu-presence", "GPU presence", gpu_alerts.PRESENCE),
    ("mig", "MIG", gpu_alerts.MIG),
    ("driver", "Drivers", gpu_alerts.DRIVER),
    ("sharing", "Noisy neighbours", tenant_alerts.SHARING),
    ("efficiency", "Idle GPUs", tenant_alerts.EFFICIENCY),
    ("fairness", "Waiting and starvation", tenant_alerts.FAIRNESS),
    ("quota", "Quotas", tenant_alerts.QUOTA),
    ("fabric", "Fabric", platform_alerts.FABRIC),
    ("gitops", "GitOps", platform_alerts.GITOPS),
)
"""Name, title and alerts of each concern, in the order of the runbook."""


def active(view: View) -> list[tuple[str, str, list[Alert]]]:
    """Return the concerns with the alerts that apply to a cluster; concerns without any are left out."""
    chosen = [(name, title, [item for item in items if view.has(item.needs)]) for name, title, items in CONCERNS]
    return [concern for concern in chosen if concern[2]]
