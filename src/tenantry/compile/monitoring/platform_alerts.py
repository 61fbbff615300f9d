"""Alerts on the fabric and on GitOps."""

from __future__ import annotations

from tenantry.compile.monitoring.alert import Alert

_PORT = "Port {{ $labels.port }} of {{ $labels.device }} on node {{ $labels.node }}, pool {{ $labels.pool }}"

FABRIC: tuple[Alert, ...] = (
    Alert(
        "VirtualFunctionsMissing",
        "critical",
        "15m",
        'kube_node_status_allocatable{resource=~"@vf_resources@"} * on (node) group_left (pool) tenantry_node_pool '
        "< on (pool, resource) group_left () tenantry_pool_device",
        "{{ $labels.node }} offers only {{ $value }} {{ $labels.resource }}",
        "Node {{ $labels.node }} of pool {{ $labels.pool }} offers {{ $value }} virtual functions as "
        "{{ $labels.resource }}, fewer than its rails have.",
        "A physical function lost its virtual functions (reboot, firmware, driver reload), a rail was not found, or "
        "the "
        "device plugin has not noticed.",
        (
            "kubectl --namespace SRIOV_NAMESPACE get sriovnetworknodestates NODE -o yaml",
            "kubectl --namespace SRIOV_NAMESPACE get pods -o wide",
        ),
        "Pods that ask for a virtual function per rail do not fit the node any more.",
        needs=("fabric",),
    ),
    Alert(
        "VirtualFunctionsNotAdvertised",
        "critical",
        "15m",
        'tenantry_node_pool{pool=~"@rdma_pools@"} unless on (node) '
        'kube_node_status_capacity{resource=~"@vf_resources@"} > 0',
        "{{ $labels.node }} offers no virtual functions",
        "Node {{ $labels.node }} of pool {{ $labels.pool }} is wired to a fabric and offers no virtual functions at "
        "all.",
        "The SR-IOV operator does not manage the node: a label is missing, the network driver is not ready, or its "
        "configuration failed.",
        (
            "kubectl --namespace SRIOV_NAMESPACE get sriovnetworknodestates NODE -o yaml",
            "kubectl get node NODE -o json | jq .metadata.labels",
        ),
        "Distributed training cannot be placed on the node.",
        needs=("fabric",),
    ),
    Alert(
        "RdmaPortDown",
        "critical",
        "5m",
        "tenantry:rdma_port:state != 4 and on (node, device, port) max_over_time(tenantry:rdma_port:state[1d]) == 4",
        "RDMA port {{ $labels.device }} of {{ $labels.node }} is down",
        f"{_PORT}, was active within the last day and is now in state {{{{ $value }}}}.",
        "Cable, transceiver, switch port or subnet manager. Ports that were never active do not raise this alert.",
        ("kubectl debug node/NODE -it --image=IMAGE_WITH_RDMA_TOOLS -- rdma link", "# on the node: ibstat"),
        "Collective operations fall back to fewer rails or to TCP, several times slower, or fail.",
        needs=("fabric",),
    ),
    Alert(
        "RdmaLinkFlapping",
        "warning",
        "0s",
        "increase(tenantry:rdma_link_downed:total[1h]) > 1",
        "RDMA link {{ $labels.device }} of {{ $labels.node }} is flapping",
        f"{_PORT}, went down {{{{ $value | humanize }}}} times within an hour.",
        "Bad cable or transceiver.",
        ("# on the node: ethtool INTERFACE; mlxlink -d DEVICE",),
        "Training stalls for seconds and may time out.",
        needs=("fabric",),
    ),
    Alert(
        "RdmaReceiveErrors",
        "warning",
        "15m",
        "rate(tenantry:rdma_errors:total[15m]) > 1",
        "RDMA port {{ $labels.device }} of {{ $labels.node }} receives errors",
        f"{_PORT}, receives {{{{ $value | humanize }}}} packets with errors per second.",
        "Bad cable or transceiver, or MTU that differs along the path.",
        ("# on the node: ethtool -S INTERFACE | grep -i err",),
        "Lower bandwidth.",
        needs=("fabric",),
    ),
)
"""Virtual functions and RDMA ports."""

GITOPS: tuple[Alert, ...] = (
    Alert(
        "ArgoAppOutOfSync",
        "warning",
        "30m",
        'argocd_app_info{sync_status="OutOfSync"} == 1',
        "Application {{ $labels.name }} is out of sync",
        "Application {{ $labels.name }} of project {{ $labels.project }} has differed from Git for 30 minutes.",
        "A sync fails, a sync window is closed, or somebody changes the cluster by hand faster than it is healed.",
        ("kubectl --namespace ARGOCD_NAMESPACE describe application NAME",),
        "A change they were promised has not arrived.",
    ),
    Alert(
        "ArgoAppDegraded",
        "warning",
        "15m",
        'argocd_app_info{health_status=~"Degraded|Missing"} == 1',
        "Application {{ $labels.name }} is {{ $labels.health_status }}",
        "Application {{ $labels.name }} of project {{ $labels.project }} has been {{ $labels.health_status }} for 15 "
        "minutes.",
        "Objects exist as Git says but do not work, or cannot be made. Later waves wait for this one.",
        ("kubectl --namespace ARGOCD_NAMESPACE get application NAME -o yaml",),
        "What the Application sets up may not work.",
    ),
    Alert(
        "ArgoAppUnknown",
        "warning",
        "30m",
        'argocd_app_info{sync_status="Unknown"} == 1',
        "Argo CD cannot compare application {{ $labels.name }}",
        "Argo CD has not been able to compare application {{ $labels.name }} of project {{ $labels.project }} with Git "
        "for 30 minutes.",
        "The repository cannot be reached, or a manifest in it cannot be read.",
        ("kubectl --namespace ARGOCD_NAMESPACE describe application NAME",),
        "Changes do not arrive.",
    ),
)
"""Argo CD."""
