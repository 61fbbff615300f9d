"""All dashboards: five of the platform and the one that every tenant gets."""

from __future__ import annotations

from tenantry.compile.monitoring.panels import Dashboard, Panel

_COMPUTE = 'resource=~"@compute_resources@"'
_OFFERED = f"(tenantry_pool_device{{{_COMPUTE}}} * on (pool) group_left () count by (pool) (tenantry_node_pool))"

FLEET = Dashboard(
    "tenantry-fleet",
    "GPU fleet",
    (
        Panel("Nodes", "stat", (("count(tenantry_node_pool)", ""),), "Nodes of all pools.", width=4),
        Panel(
            "GPUs that answer",
            "stat",
            (("sum(tenantry:node_gpus:count)", ""),),
            "Fewer than yesterday: look at GPU health, GPUs fall off the bus.",
            width=4,
        ),
        Panel(
            "Devices held",
            "stat",
            ((f"sum(tenantry:tenant_used:devices{{{_COMPUTE}}}) / sum({_OFFERED})", ""),),
            "Held GPUs, slices and replicas as a part of those declared.",
            "percentunit",
            4,
            ("tenants",),
        ),
        Panel(
            "Activity of held GPUs",
            "stat",
            (('avg(tenantry:gpu_activity:ratio{tenant!=""})', ""),),
            "Low while devices are held: see idle GPUs by tenant below.",
            "percentunit",
            4,
        ),
        Panel(
            "Waiting",
            "stat",
            (("sum(tenantry:tenant_waiting:count) or vector(0)", ""),),
            "Pods or workloads that wait. High while devices are free: see queues.",
            width=4,
            needs=("tenants",),
        ),
        Panel(
            "Alerts",
            "stat",
            (('count(ALERTS{alertstate="firing",platform="@platform@",severity!="info"}) or vector(0)', ""),),
            "Firing alerts of this platform, without notes.",
            width=4,
        ),
        Panel(
            "Held and active by pool",
            "timeseries",
            (
                (
                    f"sum by (pool) (tenantry:tenant_used:devices{{{_COMPUTE}}}) "
                    f"/ on (pool) sum by (pool) ({_OFFERED})",
                    "{{pool}} held",
                ),
                ('avg by (pool) (tenantry:gpu_activity:ratio{tenant!=""})', "{{pool}} active"),
            ),
            "The gap between held and active is what could be given to others.",
            "percentunit",
            needs=("tenants",),
        ),
        Panel(
            "Idle GPUs by tenant",
            "timeseries",
            (('count by (tenant) (avg_over_time(tenantry:gpu_activity:ratio{tenant!=""}[30m]) < 0.05)', "{{tenant}}"),),
            "GPUs and slices held and not used for half an hour. Ask the tenant, or lower its guarantee.",
        ),
        Panel(
            "Devices held by tenant",
            "bargauge",
            ((f"sum by (tenant) (tenantry:tenant_used:devices{{{_COMPUTE}}}) > 0", "{{tenant}}"),),
            "GPUs, slices and replicas, counted alike.",
            needs=("tenants",),
        ),
        Panel(
            "Power",
            "timeseries",
            (("sum by (pool) (tenantry:gpu_power:watts)", "{{pool}}"),),
            "Power of the GPUs alone.",
            "watt",
        ),
    ),
)

HEALTH = Dashboard(
    "tenantry-gpu-health",
    "GPU health",
    (
        Panel(
            "XID codes",
            "table",
            (("tenantry:gpu_xid:last > 0", ""),),
            "Last code per GPU; the runbook says what each asks for. A code stays until the exporter restarts.",
        ),
        Panel(
            "Devices offered less than declared",
            "table",
            (
                (
                    'kube_node_status_allocatable{resource=~"@device_resources@"} * on (node) group_left (pool) '
                    "tenantry_node_pool < on (pool, resource) group_left () tenantry_pool_device",
                    "",
                ),
            ),
            "Empty when all is well: nodes that offer fewer GPUs, slices or virtual functions than declared.",
        ),
        Panel(
            "Hottest GPU of each node",
            "timeseries",
            (("max by (node) (tenantry:gpu_temperature:celsius)", "{{node}}"),),
            "One node above the others: its fans or cooling loop.",
            "celsius",
        ),
        Panel(
            "Clock held down",
            "timeseries",
            (
                (
                    "max by (node, kind) (tenantry:gpu_throttled:ratio) > 0.01",
                    "{{node}} {{kind}}",
                ),
            ),
            "Heat is a fault; power is usual under full load.",
            "percentunit",
        ),
        Panel(
            "Uncorrectable memory errors per day",
            "timeseries",
            (("increase(tenantry:gpu_ecc_uncorrectable:total[1d]) > 0", "{{node}} GPU {{gpu}}"),),
            "Anything above zero: results of that time are suspect.",
        ),
        Panel(
            "Rows remapped per week",
            "timeseries",
            (("increase(tenantry:gpu_rows_remapped:total[7d]) > 0", "{{node}} GPU {{gpu}}"),),
            "A GPU that appears again and again is about to fail.",
        ),
        Panel(
            "NVLink errors per hour",
            "timeseries",
            (("increase(tenantry:gpu_nvlink_errors:total[1h]) > 0", "{{node}} GPU {{gpu}} {{kind}}"),),
            "Recoveries interrupt traffic.",
            needs=("nvlink",),
        ),
        Panel(
            "PCIe replays per second",
            "timeseries",
            (("rate(tenantry:gpu_pcie_replays:total[15m]) > 0", "{{node}} GPU {{gpu}}"),),
            "Bad contact or a failing riser.",
        ),
        Panel(
            "MIG state",
            "table",
            (
                (
                    "count by (node, label_nvidia_com_mig_config, label_nvidia_com_mig_config_state) "
                    '(kube_node_labels{label_nvidia_com_mig_config!=""})',
                    "",
                ),
            ),
            "Anything but success.",
            needs=("mig",),
        ),
        Panel(
            "Drivers",
            "table",
            (("count by (pool, DCGM_FI_DRIVER_VERSION) (tenantry:gpu_driver:info)", ""),),
            "One line per pool when no upgrade is under way.",
        ),
    ),
    span="24h",
)

FABRIC = Dashboard(
    "tenantry-fabric",
    "Fabric",
    (
        Panel(
            "Ports that are not active",
            "table",
            (("tenantry:rdma_port:state != 4", ""),),
            "Ports without a cable stay here; a port that was active does not belong here.",
        ),
        Panel(
            "Virtual functions offered",
            "timeseries",
            (
                (
                    'sum by (pool, resource) (kube_node_status_allocatable{resource=~"@vf_resources@"} '
                    "* on (node) group_left (pool) tenantry_node_pool)",
                    "{{pool}} {{resource}}",
                ),
            ),
            "A drop: a node lost its virtual functions.",
        ),
        Panel(
            "Received by node",
            "timeseries",
            (("sum by (node) (rate(tenantry:rdma_received:bytes_total[5m]))", "{{node}}"),),
            "One node far below its peers in the same job: look at its rails.",
            "Bps",
        ),
        Panel(
            "Sent by node",
            "timeseries",
            (("sum by (node) (rate(tenantry:rdma_transmitted:bytes_total[5m]))", "{{node}}"),),
            "Compare with what is received.",
            "Bps",
        ),
        Panel(
            "Link failures per hour",
            "timeseries",
            (("increase(tenantry:rdma_link_downed:total[1h]) > 0", "{{node}} {{device}}"),),
            "Change the cable or transceiver.",
        ),
        Panel(
            "Packets with errors per second",
            "timeseries",
            (("rate(tenantry:rdma_errors:total[5m]) > 0", "{{node}} {{device}}"),),
            "Bad cable, or MTU that differs along the path.",
        ),
    ),
    ("fabric",),
)

QUEUES = Dashboard(
    "tenantry-queues",
    "Queues and fair share",
    (
        Panel(
            "Held",
            "timeseries",
            ((f"sum by (tenant, pool) (tenantry:tenant_used:devices{{{_COMPUTE}}}) > 0", "{{tenant}} {{pool}}"),),
            "Compare with the guarantee at the right.",
        ),
        Panel(
            "Guaranteed",
            "table",
            ((f'tenantry_tenant_quota{{bound="guaranteed",{_COMPUTE}}}', ""),),
            "What each tenant always gets back.",
        ),
        Panel(
            "Waiting",
            "timeseries",
            (("sum by (tenant, pool) (tenantry:tenant_waiting:count) > 0", "{{tenant}} {{pool}}"),),
            "A tenant that waits below its guarantee raises an alert after @starvation@.",
        ),
        Panel(
            "Below guarantee",
            "table",
            (
                (
                    f'(tenantry_tenant_quota{{bound="guaranteed",{_COMPUTE}}} - on (tenant, pool, resource) '
                    "group_left () tenantry:tenant_used:devices) > 0",
                    "",
                ),
            ),
            "Devices that others may borrow now, and that are taken back on demand.",
        ),
        Panel(
            "Fair share less allocated",
            "timeseries",
            (("tenantry:tenant_fair_share:gpus - tenantry:tenant_allocated:gpus", "{{tenant}} {{pool}}"),),
            "Above zero for long while work waits: reclaim finds no victim.",
            needs=("kai",),
        ),
        Panel(
            "Pods evicted per hour",
            "timeseries",
            (
                (
                    "sum by (nodepool, action) (increase(kai_pod_group_evicted_pods_total[1h]))",
                    "{{nodepool}} {{action}}",
                ),
            ),
            "Eviction costs work since the last checkpoint.",
            needs=("kai",),
        ),
        Panel(
            "Wait for admission, 95th percentile",
            "timeseries",
            (
                (
                    "histogram_quantile(0.95, sum by (le, cluster_queue) "
                    "(rate(kueue_admission_wait_time_seconds_bucket[1h])))",
                    "{{cluster_queue}}",
                ),
            ),
            "A queue far above the others: see whether it is below its guarantee.",
            "s",
            needs=("kueue",),
        ),
        Panel(
            "Workloads evicted per hour",
            "timeseries",
            (
                (
                    "sum by (cluster_queue, reason) (increase(kueue_evicted_workloads_total[1h])) > 0",
                    "{{cluster_queue}} {{reason}}",
                ),
            ),
            "Eviction costs work since the last checkpoint.",
            needs=("kueue",),
        ),
    ),
    ("tenants",),
    "24h",
)

QUOTA = Dashboard(
    "tenantry-quota",
    "Use of quotas",
    (
        Panel(
            "Nearest to their limit",
            "bargauge",
            (
                (
                    "topk(20, tenantry:tenant_used:devices / on (tenant, pool, resource) group_left () "
                    'tenantry_tenant_quota{bound="limit"})',
                    "{{tenant}} {{pool}} {{resource}}",
                ),
            ),
            "At 100% further jobs wait even when devices are idle.",
            "percentunit",
        ),
        Panel(
            "Least used guarantees",
            "bargauge",
            (
                (
                    "bottomk(20, avg_over_time(tenantry:tenant_used:devices[1d]) / on (tenant, pool, resource) "
                    'group_left () tenantry_tenant_quota{bound="guaranteed"})',
                    "{{tenant}} {{pool}} {{resource}}",
                ),
            ),
            "Guarantees that are not used for days could be smaller.",
            "percentunit",
        ),
        Panel(
            "Namespaces nearest to their quota",
            "table",
            (
                (
                    'topk(20, max by (namespace, resource) (kube_resourcequota{type="used"} / on (namespace, '
                    'resourcequota, resource) (kube_resourcequota{type="hard"} > 0)) * on (namespace) group_left '
                    "(tenant) tenantry_namespace_tenant)",
                    "",
                ),
            ),
            "CPU, memory, pods and devices; pods are refused at 100%.",
            "percentunit",
            24,
        ),
    ),
    ("tenants",),
    "24h",
)

PLATFORM: tuple[Dashboard, ...] = (FLEET, HEALTH, FABRIC, QUEUES, QUOTA)
"""Dashboards for the platform team."""

TENANT = Dashboard(
    "tenantry-tenant",
    "GPUs of a tenant",
    (
        Panel(
            "Held",
            "stat",
            ((f"sum(tenantry:namespace_used:devices{{@owner@,{_COMPUTE}}}) or vector(0)", ""),),
            "GPUs, slices and replicas that your pods hold.",
            width=6,
        ),
        Panel(
            "Guaranteed",
            "stat",
            ((f'sum(tenantry_tenant_quota{{@owner@,bound="guaranteed",{_COMPUTE}}}) or vector(0)', ""),),
            "What you always get back. Shown for your first namespace.",
            width=6,
        ),
        Panel(
            "Waiting",
            "stat",
            (("sum(tenantry:tenant_waiting:count{@owner@}) or vector(0)", ""),),
            "Pods or workloads that wait. Shown for your first namespace.",
            width=6,
        ),
        Panel(
            "Held and idle",
            "stat",
            (("count(avg_over_time(tenantry:gpu_activity:ratio{@owner@}[30m]) < 0.05) or vector(0)", ""),),
            "GPUs and slices you hold and have not used for half an hour.",
            width=6,
        ),
        Panel(
            "Held by pool",
            "timeseries",
            (
                (
                    "sum by (pool, resource) (tenantry:namespace_used:devices{@owner@})",
                    "{{pool}} {{resource}}",
                ),
            ),
            "Against your limit below.",
        ),
        Panel(
            "Activity",
            "timeseries",
            (
                (
                    "max by (pod, gpu, GPU_I_ID) (tenantry:gpu_activity:ratio{@owner@})",
                    "{{pod}} GPU {{gpu}} {{GPU_I_ID}}",
                ),
            ),
            "Part of the time in which anything runs. Zero for long: end the pod or find what it waits for.",
            "percentunit",
        ),
        Panel(
            "Multiprocessors with work",
            "timeseries",
            (
                (
                    "max by (pod, gpu, GPU_I_ID) (tenantry:gpu_sm_active:ratio{@owner@})",
                    "{{pod}} GPU {{gpu}} {{GPU_I_ID}}",
                ),
            ),
            "Below 50% while active: batches are too small or data arrives too slowly.",
            "percentunit",
            needs=("profiling",),
        ),
        Panel(
            "Memory used",
            "timeseries",
            (
                (
                    "max by (pod, gpu, GPU_I_ID) (tenantry:gpu_memory_used:mib{@owner@})",
                    "{{pod}} GPU {{gpu}} {{GPU_I_ID}}",
                ),
            ),
            "Well below the size of the slice: a smaller one would do.",
            "decmbytes",
        ),
        Panel(
            "Limits",
            "table",
            (('tenantry_tenant_quota{@owner@,bound="limit"}', ""),),
            "Most devices at one time, by pool. Shown for your first namespace.",
        ),
        Panel(
            "Use of namespace quotas",
            "table",
            (
                (
                    'max by (namespace, resource) (kube_resourcequota{@namespaces@,type="used"} / on (namespace, '
                    'resourcequota, resource) (kube_resourcequota{@namespaces@,type="hard"} > 0))',
                    "",
                ),
            ),
            "Pods are refused at 100%.",
            "percentunit",
        ),
    ),
    ("tenants",),
)
"""Dashboard of one tenant; ``@owner@`` and ``@namespaces@`` become label matchers."""
