"""Recording rules: raw exporter metrics become signals that carry node, pool, namespace and tenant.

Alerts and panels use signals only, so that three differences between clusters are handled once: the node label of the
DCGM exporter is ``Hostname`` up to 4.8.2 and ``hostname`` after it; without ``honorLabels`` a pod's namespace arrives
as ``exported_namespace``; and neither pool nor tenant is known to any exporter.

Source: dcgm-exporter, ``internal/pkg/rendermetrics/render_metrics.go``; Prometheus, ``honor_labels``.
"""

from __future__ import annotations

from dataclasses import dataclass

HOLDER = "node, gpu, UUID, modelName, GPU_I_ID, GPU_I_PROFILE, namespace, pod"
"""Labels of a signal that belongs to whoever holds the GPU or slice."""

DEVICE = "node, gpu, UUID, modelName"
"""Labels of a signal that belongs to the GPU: its history must not break when the pod on it changes."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A recorded series.

    Attributes:
        record: its name.
        expression: PromQL with placeholders.
        help: what it tells, with its unit.
        needs: flags of the view it needs.
    """

    record: str
    expression: str
    help: str
    needs: tuple[str, ...] = ()


def _node(metric: str) -> str:
    return f'label_replace(label_replace({metric}, "node", "$1", "Hostname", "(.+)"), "node", "$1", "hostname", "(.+)")'


def _named(metric: str) -> str:
    """Give a DCGM metric the labels node, namespace and pod, whichever way it was scraped."""
    inner = f'label_replace({_node(metric)}, "pod", "$1", "exported_pod", "(.+)")'
    return f'label_replace({inner}, "namespace", "$1", "exported_namespace", "(.+)")'


# Nodes without a declared pool and namespaces without a tenant keep their series: the right side of each join is
# completed with whatever is present, because a join that drops rows makes alerts silent.
_POOL = "* on (node) group_left (pool) (tenantry_node_pool or on (node) group by (node) (tenantry:gpu:present))"
_TENANT = (
    "* on (namespace) group_left (tenant, department) "
    "(tenantry_namespace_tenant or on (namespace) group by (namespace) (tenantry:gpu:present))"
)


def _held(record: str, metric: str, text: str, *needs: str) -> Signal:
    return Signal(record, f"max by ({HOLDER}) ({_named(metric)}) {_POOL} {_TENANT}", text, needs)


def _device(record: str, metric: str, text: str, *needs: str, extra: str = "") -> Signal:
    return Signal(record, f"max by ({DEVICE}{extra}) ({_node(metric)}) {_POOL}", text, needs)


def _kinds(**metrics: str) -> str:
    """Join metrics into one vector, told apart by the label ``kind``; one that a GPU lacks does not hide the others."""
    return " or ".join(f'label_replace({name}, "kind", "{kind}", "", "")' for kind, name in metrics.items())


GPU_SIGNALS: tuple[Signal, ...] = (
    Signal("tenantry:gpu:present", f"group by ({HOLDER}) ({_named('DCGM_FI_DEV_FB_USED')})", "GPUs and slices seen"),
    _held(
        "tenantry:gpu_activity:ratio",
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
        "part of the time in which anything runs on the GPU or slice, 0 to 1",
        "profiling",
    ),
    _held(
        "tenantry:gpu_activity:ratio",
        "DCGM_FI_DEV_GPU_UTIL / 100",
        "part of the time in which anything runs on the GPU, 0 to 1; not known for MIG slices",
        "utilisation",
    ),
    _held(
        "tenantry:gpu_sm_active:ratio",
        "DCGM_FI_PROF_SM_ACTIVE",
        "part of the multiprocessors with work, 0 to 1",
        "profiling",
    ),
    _held(
        "tenantry:gpu_tensor_active:ratio",
        "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
        "part of the time in which tensor cores work, 0 to 1",
        "profiling",
    ),
    _held(
        "tenantry:gpu_memory_used:ratio",
        "DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE)",
        "used part of the framebuffer, 0 to 1",
    ),
    _held("tenantry:gpu_memory_used:mib", "DCGM_FI_DEV_FB_USED", "used framebuffer in MiB"),
    _device("tenantry:gpu_temperature:celsius", "DCGM_FI_DEV_GPU_TEMP", "temperature in °C"),
    _device("tenantry:gpu_power:watts", "DCGM_FI_DEV_POWER_USAGE", "power in W"),
    _device("tenantry:gpu_xid:last", "DCGM_FI_DEV_XID_ERRORS", "code of the last XID error, 0 for none; not a count"),
    _device(
        "tenantry:gpu_ecc_uncorrectable:total",
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
        "uncorrectable memory errors since the driver was loaded",
    ),
    _device(
        "tenantry:gpu_row_remap_failed:flag", "DCGM_FI_DEV_ROW_REMAP_FAILURE", "1 when a row could not be remapped"
    ),
    _device(
        "tenantry:gpu_rows_remapped:total",
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
        "rows remapped after uncorrectable errors",
    ),
    _device(
        "tenantry:gpu_throttled:ratio",
        _kinds(
            thermal="rate(DCGM_FI_DEV_THERMAL_VIOLATION[10m]) / 1e9",
            power="rate(DCGM_FI_DEV_POWER_VIOLATION[10m]) / 1e9",
        ),
        "part of the time in which the clock was held down, by kind",
        extra=", kind",
    ),
    _device(
        "tenantry:gpu_nvlink_errors:total",
        _kinds(
            crc_flit="DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",
            crc_data="DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL",
            replay="DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL",
            recovery="DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL",
        ),
        "NVLink errors of all links of the GPU, by kind",
        "nvlink",
        extra=", kind",
    ),
    _device("tenantry:gpu_pcie_replays:total", "DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "PCIe packets sent again"),
    Signal(
        "tenantry:gpu_driver:info",
        f"group by (node, DCGM_FI_DRIVER_VERSION) ({_node('DCGM_FI_DEV_GPU_TEMP')}) {_POOL}",
        "driver version of each node",
    ),
    Signal(
        "tenantry:node_gpus:count",
        "count by (node, pool) (count by (node, pool, UUID) (tenantry:gpu_temperature:celsius))",
        "GPUs that answer on each node",
    ),
)
"""Signals of the GPUs, in the order of evaluation: the first is read by all others."""

_SCHEDULED_FOR = (
    '* on (namespace, pod) group_left () max by (namespace, pod) (kube_pod_status_phase{phase=~"Pending|Running"} == 1)'
)
_WAITING_PODS = '((kube_pod_status_phase{phase="Pending"} == 1) unless on (namespace, pod) kube_pod_info{node!=""})'

USE_SIGNALS: tuple[Signal, ...] = (
    Signal(
        "tenantry:node_used:devices",
        "sum by (node, pool, namespace, tenant, department, resource) ("
        'kube_pod_container_resource_requests{resource=~"@device_resources@"} '
        f"{_SCHEDULED_FOR} "
        "* on (node) group_left (pool) tenantry_node_pool "
        "* on (namespace) group_left (tenant, department) tenantry_namespace_tenant)",
        "devices requested by pods of tenants that have a node",
    ),
    Signal(
        "tenantry:namespace_used:devices",
        "sum by (namespace, tenant, department, pool, resource) (tenantry:node_used:devices)",
        "devices held by each namespace",
        ("tenants",),
    ),
    Signal(
        "tenantry:tenant_used:devices",
        "sum by (tenant, department, pool, resource) "
        '(tenantry:namespace_used:devices or tenantry_tenant_quota{bound="limit"} * 0) '
        "* on (tenant) group_left (namespace) tenantry_tenant_home",
        "devices held by each tenant, 0 included; namespace is the tenant's first",
        ("tenants",),
    ),
    Signal(
        "tenantry:tenant_waiting:count",
        "count by (tenant, department, pool) ("
        f"{_WAITING_PODS} * on (namespace, pod) group_left (queue) "
        'label_replace(kube_pod_labels{label_kai_scheduler_queue!=""}, "queue", "$1", "label_kai_scheduler_queue", '
        '"(.*)") '
        "* on (queue) group_left (tenant, department, pool) "
        "group by (queue, tenant, department, pool) (tenantry_tenant_quota)) "
        "* on (tenant) group_left (namespace) tenantry_tenant_home",
        "pods that wait for a node, by queue",
        ("tenants", "kai"),
    ),
    Signal(
        "tenantry:tenant_waiting:count",
        "sum by (tenant, department, pool) (label_replace(max by (cluster_queue, status) (kueue_pending_workloads), "
        '"queue", "$1", "cluster_queue", "(.*)") '
        "* on (queue) group_left (tenant, department, pool) "
        "group by (queue, tenant, department, pool) (tenantry_tenant_quota)) "
        "* on (tenant) group_left (namespace) tenantry_tenant_home",
        "workloads that wait for admission, by ClusterQueue; Kueue counts what waits for quota as inadmissible, too",
        ("tenants", "kueue"),
    ),
    Signal(
        "tenantry:tenant_waiting:count",
        "count by (tenant, department) ("
        f"({_WAITING_PODS} and on (namespace, pod) "
        'kube_pod_container_resource_requests{resource=~"@compute_resources@"}) '
        "* on (namespace) group_left (tenant, department) tenantry_namespace_tenant) "
        "* on (tenant) group_left (namespace) tenantry_tenant_home",
        "pods that ask for GPUs and wait for a node, over all pools",
        ("tenants", "runai"),
    ),
    Signal(
        "tenantry:tenant_fair_share:gpus",
        'max by (tenant, department, pool, namespace) (label_replace(kai_queue_fair_share_gpu, "queue", "$1", '
        '"queue_name", "(.*)") * on (queue) group_left (tenant, department, pool, namespace) '
        "group by (queue, tenant, department, pool, namespace) (tenantry_tenant_quota))",
        "GPUs the scheduler currently grants each tenant",
        ("tenants", "kai"),
    ),
    Signal(
        "tenantry:tenant_allocated:gpus",
        'max by (tenant, department, pool, namespace) (label_replace(kai_queue_allocated_gpus, "queue", "$1", '
        '"queue_name", "(.*)") * on (queue) group_left (tenant, department, pool, namespace) '
        "group by (queue, tenant, department, pool, namespace) (tenantry_tenant_quota))",
        "GPUs the scheduler has allocated to each tenant",
        ("tenants", "kai"),
    ),
)
"""Signals of use and waiting."""

_PORT = (
    'label_replace(max by (instance, device, port) (%s) * on (instance) group_left (nodename) node_uname_info, "node", '
    '"$1", "nodename", "(.+)") * on (node) group_left (pool) tenantry_node_pool{pool=~"@rdma_pools@"}'
)

FABRIC_SIGNALS: tuple[Signal, ...] = (
    Signal(
        "tenantry:rdma_port:state",
        _PORT % "node_infiniband_state_id",
        "state of each RDMA port of wired nodes; 4 is active",
        ("fabric",),
    ),
    Signal(
        "tenantry:rdma_link_downed:total",
        _PORT % "node_infiniband_link_downed_total",
        "times the link of a port went down",
        ("fabric",),
    ),
    Signal(
        "tenantry:rdma_errors:total",
        _PORT % "node_infiniband_port_errors_received_total",
        "packets received with errors",
        ("fabric",),
    ),
    Signal(
        "tenantry:rdma_received:bytes_total",
        _PORT % "node_infiniband_port_data_received_bytes_total",
        "bytes received by each port",
        ("fabric",),
    ),
    Signal(
        "tenantry:rdma_transmitted:bytes_total",
        _PORT % "node_infiniband_port_data_transmitted_bytes_total",
        "bytes sent by each port",
        ("fabric",),
    ),
)
"""Signals of the RDMA ports, from the node exporter."""

GROUPS: tuple[tuple[str, tuple[Signal, ...]], ...] = (
    ("gpu", GPU_SIGNALS),
    ("use", USE_SIGNALS),
    ("fabric", FABRIC_SIGNALS),
)
"""Groups of signals; a group is evaluated in order, groups side by side."""
