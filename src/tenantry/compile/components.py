"""The components of a tree: folders, Applications and their order.

Waves follow what needs what: custom resource definitions before their objects, node features before the operators that
select on them, the network driver before virtual functions, everything before the tenants.
"""

from __future__ import annotations

from tenantry.model.tree import Component

COMPONENTS: tuple[Component, ...] = (
    Component("argocd", "Argo CD projects and health checks", "platform/argocd", 0),
    Component("operators", "Operators", "platform/operators", 10),
    Component("admission", "Admission guards and priority classes", "platform/admission", 15),
    Component("node-labels", "Node labels and taints", "platform/node-labels", 20),
    Component("node-tuning", "Kernel and kubelet settings", "platform/node-tuning", 25, disruptive=True),
    Component("node-features", "Node feature discovery", "platform/node-features", 30),
    Component("network-operator", "NVIDIA Network Operator", "platform/network-operator", 40, disruptive=True),
    Component("sriov", "SR-IOV fabrics", "platform/sriov", 45, disruptive=True),
    Component("gpu-operator", "NVIDIA GPU Operator", "platform/gpu-operator", 50, disruptive=True),
    Component("scheduler", "Queues and fair share", "platform/scheduler", 60),
    Component("openshift-ai", "OpenShift AI", "platform/openshift-ai", 65),
    Component("monitoring", "Metrics, alerts and dashboards", "platform/monitoring", 70),
)

TENANT_WAVE = 80


def tenant_component(tenant: str) -> Component:
    """Return the component of one tenant: Application ``tenant-<name>``, folder ``tenants/<name>``."""
    return Component(
        f"tenant-{tenant}", f"Tenant {tenant}", f"tenants/{tenant}", TENANT_WAVE, project="tenants", tenant=tenant
    )
