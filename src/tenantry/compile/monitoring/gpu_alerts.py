"""Alerts on the health, presence, partitioning and drivers of GPUs."""

from __future__ import annotations

from tenantry.compile.monitoring.alert import Alert
from tenantry.compile.monitoring.xid import any_of

_WHERE = "GPU {{ $labels.gpu }} ({{ $labels.UUID }}) of node {{ $labels.node }}, pool {{ $labels.pool }}"
_HOLDERS = (
    " Devices held on the node: {{ range query (printf \"sum by (tenant) (tenantry:node_used:devices{node='%s'})\" "
    "$labels.node) }}{{ .Labels.tenant }} {{ .Value }}, {{ end }}then nobody else."
)
_POOL = "* on (node) group_left (pool) tenantry_node_pool"
_POD_ON_NODE = "kubectl get pods --all-namespaces --field-selector spec.nodeName=NODE"
_SMI = "kubectl -n GPU_OPERATOR_NAMESPACE exec DRIVER_POD_OF_NODE -- nvidia-smi"

HEALTH: tuple[Alert, ...] = (
    Alert(
        "GpuFatalXid",
        "critical",
        "1m",
        any_of("tenantry:gpu_xid:last", fatal=True),
        "XID {{ $value }} on {{ $labels.node }} GPU {{ $labels.gpu }}",
        f"{_WHERE} reported XID {{{{ $value }}}}, after which it cannot be trusted.{_HOLDERS}",
        "The driver reported an error after which the GPU needs a reset or replacement. The value is the code; "
        "the table at the end of this file says what each code asks for. The metric holds the last code until the "
        "exporter restarts, so the alert stays until the GPU was dealt with.",
        (f"{_SMI} -q -d ECC,ROW_REMAPPER", "kubectl cordon NODE", _POD_ON_NODE),
        "Pods on this GPU fail or compute wrong results. They restart elsewhere once the node is drained.",
    ),
    Alert(
        "GpuXidReported",
        "warning",
        "0s",
        f"{any_of('tenantry:gpu_xid:last', fatal=False)} or (changes(tenantry:gpu_xid:last[15m]) > 0 "
        f"unless ({any_of('tenantry:gpu_xid:last', fatal=True)}))",
        "XID on {{ $labels.node }} GPU {{ $labels.gpu }}",
        f"{_WHERE} reported an XID that is not fatal.",
        "Codes 13, 31 and 43 come from the application (a bad memory access); 63 and 94 ask for a reset at the next "
        "maintenance. The expression sees a new code, not a repetition of the same one: the metric is the last code.",
        ("kubectl debug node/NODE -it --image=registry.k8s.io/e2e-test-images/busybox:1.29-4 -- dmesg", _POD_ON_NODE),
        "One process was ended. If it repeats with the same image, the fault is in the application.",
    ),
    Alert(
        "GpuUncorrectableMemoryErrors",
        "critical",
        "0s",
        "increase(tenantry:gpu_ecc_uncorrectable:total[1h]) > 0",
        "Uncorrectable memory errors on {{ $labels.node }} GPU {{ $labels.gpu }}",
        f"{_WHERE} had uncorrectable memory errors within the last hour.{_HOLDERS}",
        "Memory returned wrong data that error correction could not repair.",
        (f"{_SMI} -q -d ECC,ROW_REMAPPER", "kubectl cordon NODE"),
        "Results computed on this GPU within the last hour are suspect.",
    ),
    Alert(
        "GpuRowRemapFailed",
        "critical",
        "0s",
        "tenantry:gpu_row_remap_failed:flag > 0",
        "Row remapping failed on {{ $labels.node }} GPU {{ $labels.gpu }}",
        f"{_WHERE} has no spare rows left where it needs them.",
        "The GPU must be replaced: the vendor accepts this flag as a reason.",
        (f"{_SMI} -q -d ROW_REMAPPER", "kubectl cordon NODE"),
        "Pods are moved to other nodes.",
    ),
    Alert(
        "GpuRowsRemapped",
        "warning",
        "0s",
        "increase(tenantry:gpu_rows_remapped:total[1d]) > 0",
        "Memory rows remapped on {{ $labels.node }} GPU {{ $labels.gpu }}",
        f"{_WHERE} remapped rows after uncorrectable errors within a day.",
        "A spare row took over. The remapping takes effect at the next reset; several in a week foretell failure.",
        (f"{_SMI} -q -d ROW_REMAPPER",),
        "None, as long as it does not repeat.",
    ),
    Alert(
        "GpuThermalThrottling",
        "warning",
        "15m",
        'tenantry:gpu_throttled:ratio{kind="thermal"} > 0.05',
        "{{ $labels.node }} GPU {{ $labels.gpu }} is too hot",
        f"{_WHERE} held its clock down because of heat in {{{{ $value | humanizePercentage }}}} of the time.",
        "Cooling does not keep up: fans, air flow, liquid loop or inlet temperature.",
        (f"{_SMI} -q -d TEMPERATURE,PERFORMANCE",),
        "Work runs slower; distributed training runs at the pace of its slowest GPU.",
    ),
    Alert(
        "GpuPowerThrottling",
        "info",
        "1h",
        'tenantry:gpu_throttled:ratio{kind="power"} > 0.5',
        "{{ $labels.node }} GPU {{ $labels.gpu }} is held back by its power limit",
        f"{_WHERE} held its clock down because of power in {{{{ $value | humanizePercentage }}}} of the time.",
        "Usual under full load. Worth a look when one GPU of a node differs from its neighbours.",
        (f"{_SMI} -q -d POWER,PERFORMANCE",),
        "Work runs somewhat slower.",
    ),
    Alert(
        "GpuNvlinkErrors",
        "warning",
        "5m",
        'increase(tenantry:gpu_nvlink_errors:total{kind="recovery"}[1h]) > 0 '
        'or increase(tenantry:gpu_nvlink_errors:total{kind!="recovery"}[1h]) > 100',
        "NVLink errors on {{ $labels.node }} GPU {{ $labels.gpu }}",
        f"{_WHERE} had {{{{ $value | humanize }}}} NVLink errors ({{{{ $labels.kind }}}}) within an hour.",
        "A link loses packets. Recoveries interrupt traffic; replays and checksum errors slow it down.",
        (f"{_SMI} nvlink -e", f"{_SMI} topo -m"),
        "Collective operations between GPUs of the node become slow or hang.",
        needs=("nvlink",),
    ),
    Alert(
        "GpuPcieReplays",
        "warning",
        "15m",
        "rate(tenantry:gpu_pcie_replays:total[15m]) > 0.1",
        "PCIe packets are sent again on {{ $labels.node }} GPU {{ $labels.gpu }}",
        f"{_WHERE} sends {{{{ $value | humanize }}}} PCIe packets again per second.",
        "Bad contact or a failing riser, cable or switch.",
        (f"{_SMI} -q -d PCIE", "kubectl cordon NODE"),
        "Slower copies between host and GPU, and between GPU and NIC.",
    ),
)
"""Health of single GPUs."""

PRESENCE: tuple[Alert, ...] = (
    Alert(
        "GpuMissing",
        "critical",
        "5m",
        "tenantry:node_gpus:count < on (pool) group_left () tenantry_pool_node",
        "{{ $labels.node }} has only {{ $value }} GPUs",
        "Node {{ $labels.node }} of pool {{ $labels.pool }} shows {{ $value }} GPUs, fewer than the pool declares."
        + _HOLDERS,
        "A GPU has fallen off the bus, was taken out, or its driver does not start.",
        (_SMI, "kubectl debug node/NODE -it --image=registry.k8s.io/e2e-test-images/busybox:1.29-4 -- dmesg"),
        "Pods on the missing GPU fail; fewer GPUs are left for everyone in the pool.",
    ),
    Alert(
        "GpuUnallocatable",
        "critical",
        "10m",
        'kube_node_status_capacity{resource=~"@compute_resources@"} '
        '> on (node, resource) kube_node_status_allocatable{resource=~"@compute_resources@"}',
        "{{ $labels.node }} cannot hand out all of its {{ $labels.resource }}",
        "Node {{ $labels.node }} counts {{ $value }} {{ $labels.resource }} but offers fewer to pods.",
        "The device plugin took devices out of service because they failed its health check.",
        ("kubectl describe node NODE", "kubectl -n GPU_OPERATOR_NAMESPACE logs DEVICE_PLUGIN_POD_OF_NODE"),
        "Pods that would fit wait.",
    ),
    Alert(
        "GpuDevicesNotAdvertised",
        "warning",
        "15m",
        "(tenantry_pool_device * on (pool) group_left () count by (pool) (tenantry_node_pool)) "
        '> on (pool, resource) (sum by (pool, resource) (kube_node_status_capacity{resource=~"@compute_resources@"} '
        "* on (node) group_left (pool) tenantry_node_pool) or on (pool, resource) "
        'tenantry_pool_device{resource=~"@compute_resources@"} * 0)',
        "Pool {{ $labels.pool }} advertises fewer {{ $labels.resource }} than declared",
        "The nodes of pool {{ $labels.pool }} should offer {{ $value }} {{ $labels.resource }} together, and do not.",
        "Quotas count on devices that are not there: a node is missing, another sharing configuration is in force, or "
        "the resource goes by another name.",
        (
            "kubectl get nodes -l tenantry.dev/pool=POOL -o json | jq '.items[] | {name: .metadata.name, "
            "capacity: .status.capacity}'",
            "kubectl get nodes -L nvidia.com/device-plugin.config,nvidia.com/mig.config,nvidia.com/mig.config.state",
        ),
        "Guaranteed devices may not be available although nobody uses them.",
    ),
    Alert(
        "DcgmExporterAbsent",
        "warning",
        "15m",
        "tenantry_node_pool unless on (node) tenantry:gpu:present",
        "No GPU metrics from {{ $labels.node }}",
        "Node {{ $labels.node }} of pool {{ $labels.pool }} delivers no GPU metrics, so no other GPU alert sees it.",
        "The exporter does not run, is not scraped, or names the node differently.",
        (
            "kubectl -n GPU_OPERATOR_NAMESPACE get pods -l app=nvidia-dcgm-exporter -o wide",
            "kubectl -n GPU_OPERATOR_NAMESPACE get servicemonitor nvidia-dcgm-exporter -o yaml",
        ),
        "None directly; idle time on the node is not seen.",
    ),
    Alert(
        "NodeCordonedTooLong",
        "warning",
        "12h",
        "(kube_node_spec_unschedulable == 1) * on (node) group_left (pool) tenantry_node_pool",
        "{{ $labels.node }} has been cordoned for 12 hours",
        "Node {{ $labels.node }} of pool {{ $labels.pool }} has taken no new pods for 12 hours.",
        "A drain by the driver upgrade, the MIG manager or the SR-IOV operator did not end, or somebody forgot to "
        "uncordon.",
        (
            "kubectl describe node NODE",
            "kubectl get node NODE -L nvidia.com/gpu-driver-upgrade-state,nvidia.com/mig.config.state",
        ),
        "Fewer GPUs in the pool.",
    ),
    Alert(
        "NodeLabelsNotExposed",
        "warning",
        "30m",
        'absent(kube_node_labels{label_nvidia_com_gpu_present="true"})',
        "Node labels are not exposed as metrics",
        "kube_node_labels carries no NVIDIA labels: alerts on MIG state and pools chosen by label cannot fire.",
        "kube-state-metrics runs without --metric-labels-allowlist=nodes=[*], or no node has a GPU.",
        ("kubectl get pods --all-namespaces -l app.kubernetes.io/name=kube-state-metrics -o yaml | grep allowlist",),
        "None.",
    ),
)
"""Whether the declared GPUs are there, offered and watched."""

MIG: tuple[Alert, ...] = (
    Alert(
        "MigConfigFailed",
        "critical",
        "5m",
        f'kube_node_labels{{label_nvidia_com_mig_config_state="failed"}} {_POOL}',
        "MIG partitioning failed on {{ $labels.node }}",
        "The MIG manager could not apply configuration {{ $labels.label_nvidia_com_mig_config }} on node "
        "{{ $labels.node }}, pool {{ $labels.pool }}.",
        "A process still holds a GPU, the layout does not fit, or the driver refused it. Old slices stay.",
        (
            "kubectl -n GPU_OPERATOR_NAMESPACE logs MIG_MANAGER_POD_OF_NODE",
            _POD_ON_NODE,
        ),
        "Slices of the declared profiles are missing; pods that ask for them wait.",
        needs=("mig",),
    ),
    Alert(
        "MigConfigUnfinished",
        "warning",
        "30m",
        f'kube_node_labels{{label_nvidia_com_mig_config_state=~"pending|rebooting"}} {_POOL}',
        "MIG partitioning does not end on {{ $labels.node }}",
        "Node {{ $labels.node }} of pool {{ $labels.pool }} has been in state "
        "{{ $labels.label_nvidia_com_mig_config_state }} for 30 minutes.",
        "The MIG manager waits for GPU clients to stop, or for a reboot.",
        ("kubectl -n GPU_OPERATOR_NAMESPACE logs MIG_MANAGER_POD_OF_NODE", _POD_ON_NODE),
        "The node offers no GPUs until it ends.",
        needs=("mig",),
    ),
    Alert(
        "MigSlicesMissing",
        "warning",
        "15m",
        'kube_node_status_allocatable{resource=~"@slice_resources@"} * on (node) group_left (pool) tenantry_node_pool '
        "< on (pool, resource) group_left () tenantry_pool_device",
        "{{ $labels.node }} offers only {{ $value }} {{ $labels.resource }}",
        "Node {{ $labels.node }} of pool {{ $labels.pool }} offers {{ $value }} {{ $labels.resource }}, fewer than its "
        "layout has. The label nvidia.com/mig.config.state may well say success.",
        "Success means that slices were made, not that the device plugin found them.",
        (
            "kubectl get node NODE -o json | jq .status.allocatable",
            f"{_SMI} mig -lgi",
            "kubectl -n GPU_OPERATOR_NAMESPACE delete pod DEVICE_PLUGIN_POD_OF_NODE",
        ),
        "Guaranteed slices may not be available although nobody uses them.",
        needs=("mig",),
    ),
)
"""MIG partitioning."""

DRIVER: tuple[Alert, ...] = (
    Alert(
        "GpuDriverNotPinned",
        "warning",
        "2h",
        "tenantry:gpu_driver:info unless on (pool, DCGM_FI_DRIVER_VERSION) tenantry_pool_driver",
        "{{ $labels.node }} runs driver {{ $labels.DCGM_FI_DRIVER_VERSION }}",
        "Node {{ $labels.node }} of pool {{ $labels.pool }} runs driver {{ $labels.DCGM_FI_DRIVER_VERSION }}, which is "
        "not the one pinned for the pool.",
        "An upgrade did not reach the node, or a driver came with the node image.",
        (
            "kubectl get node NODE -L nvidia.com/cuda.driver-version.full,nvidia.com/gpu-driver-upgrade-state",
            "kubectl -n GPU_OPERATOR_NAMESPACE get pods -l app.kubernetes.io/component=nvidia-driver -o wide",
        ),
        "Images may find another CUDA level than tested.",
        needs=("pinned-driver",),
    ),
    Alert(
        "GpuDriverSkew",
        "warning",
        "4h",
        "count by (pool) (count by (pool, DCGM_FI_DRIVER_VERSION) (tenantry:gpu_driver:info)) > 1",
        "Pool {{ $labels.pool }} runs {{ $value }} driver versions",
        "Nodes of pool {{ $labels.pool }} run {{ $value }} different drivers.",
        "An upgrade is under way, stopped half-way, or was done by hand.",
        ("kubectl get nodes -L nvidia.com/cuda.driver-version.full,nvidia.com/gpu-driver-upgrade-state",),
        "Distributed jobs may fail when their ranks meet different drivers.",
    ),
    Alert(
        "GpuDriverUpgradeFailed",
        "warning",
        "10m",
        "gpu_operator_nodes_upgrades_failed > 0",
        "Driver upgrade failed on {{ $value }} nodes",
        "The driver upgrade of the GPU Operator failed on {{ $value }} nodes; they stay cordoned.",
        "The driver pod did not become ready, or pods could not be evicted in time.",
        ("kubectl get nodes -l nvidia.com/gpu-driver-upgrade-state=upgrade-failed", "kubectl describe node NODE"),
        "Fewer GPUs until the nodes are back.",
        # On OpenShift the operator ships GPUOperatorDriverAutoUpgradeFailures.
        needs=("plain", "pinned-driver"),
    ),
    Alert(
        "GpuOperatorNotReady",
        "warning",
        "1h",
        "gpu_operator_reconciliation_status != 1",
        "The GPU Operator has not been ready for an hour",
        "Reconciliation status is {{ $value }}: 0 operands not ready, -1 no ClusterPolicy, -2 error in the operator.",
        "One of the operands does not become ready, often on a single node.",
        ("kubectl get clusterpolicies -o yaml", "kubectl -n GPU_OPERATOR_NAMESPACE get pods -o wide"),
        "New nodes get no driver; changes of sharing do not take effect.",
        # On OpenShift the operator ships GPUOperatorReconciliationFailed.
        needs=("plain",),
    ),
)
"""Drivers and the GPU Operator."""
