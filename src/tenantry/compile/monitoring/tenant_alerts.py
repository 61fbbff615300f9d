"""Alerts on what tenants do to each other, wait for, hold without use, and have left."""

from __future__ import annotations

from tenantry.compile.monitoring.alert import TENANT, Alert

_SHARERS = (
    ' Tenants with pods on the node: {{ range query (printf "sum by (tenant) '
    "(tenantry:node_used:devices{node='%s'})\" "
    "$labels.node) }}{{ .Labels.tenant }} {{ .Value }}, {{ end }}then nobody else."
)
_SHARED_GPU = "GPU {{ $labels.gpu }} of node {{ $labels.node }}, pool {{ $labels.pool }}"
_HOLDER = "Pod {{ $labels.namespace }}/{{ $labels.pod }} of tenant {{ $labels.tenant }}"
_PENDING = "kubectl -n NAMESPACE get pods --field-selector status.phase=Pending"

SHARING: tuple[Alert, ...] = (
    Alert(
        "NoisyNeighbourMemory",
        "warning",
        "10m",
        'max by (node, gpu, UUID, pool) (tenantry:gpu_memory_used:ratio{pool=~"@shared_pools@"}) > 0.95',
        "Shared GPU {{ $labels.gpu }} of {{ $labels.node }} is out of memory",
        f"{_SHARED_GPU}, is shared and its memory is {{{{ $value | humanizePercentage }}}} full.{_SHARERS}",
        "Time-slicing and MPS do not divide memory: one pod that takes most of it makes the next allocation of every "
        "neighbour fail. The exporter cannot say which pod holds the memory; nvidia-smi on the node lists processes.",
        (
            "kubectl -n GPU_OPERATOR_NAMESPACE exec DRIVER_POD_OF_NODE -- nvidia-smi",
            "kubectl get pods --all-namespaces --field-selector spec.nodeName=NODE",
        ),
        "Neighbours on the GPU see out-of-memory errors they did not cause. A MIG slice would not.",
        needs=("shared",),
    ),
    Alert(
        "NoisyNeighbourCompute",
        "info",
        "30m",
        'max by (node, gpu, UUID, pool) (tenantry:gpu_activity:ratio{pool=~"@shared_pools@"}) > 0.95 and on (node) '
        "count by (node) (count by (node, tenant) (tenantry:node_used:devices)) > 1",
        "Shared GPU {{ $labels.gpu }} of {{ $labels.node }} is saturated",
        f"{_SHARED_GPU}, is shared by several tenants and was busy all the time for 30 minutes.{_SHARERS}",
        "Someone runs a long job where short interactive work was meant to run.",
        ("kubectl get pods --all-namespaces --field-selector spec.nodeName=NODE",),
        "Notebooks on the GPU answer slowly.",
        needs=("shared", "tenants"),
    ),
    Alert(
        "GpuMemoryNearlyFull",
        "info",
        "15m",
        'tenantry:gpu_memory_used:ratio{tenant!="",pool!~"@shared_pools@"} > 0.95',
        "GPU memory of {{ $labels.namespace }}/{{ $labels.pod }} is nearly full",
        f"{_HOLDER} uses {{{{ $value | humanizePercentage }}}} of the memory of its GPU or slice.",
        "Usual for inference servers that reserve all memory at start; otherwise the next larger batch will fail.",
        ("kubectl -n NAMESPACE logs POD",),
        "The pod may soon fail with an out-of-memory error; no neighbour is affected.",
        audience=TENANT,
        needs=("tenants",),
    ),
)
"""What one pod does to its neighbours."""

EFFICIENCY: tuple[Alert, ...] = (
    Alert(
        "GpuIdle",
        "warning",
        "@idle@",
        "max by (node, gpu, UUID, GPU_I_ID, GPU_I_PROFILE, namespace, pod, pool, tenant, department) "
        '(avg_over_time(tenantry:gpu_activity:ratio{tenant!=""}[5m])) < 0.05',
        "{{ $labels.namespace }}/{{ $labels.pod }} holds an idle GPU",
        f"{_HOLDER} holds GPU {{{{ $labels.gpu }}}} {{{{ $labels.GPU_I_PROFILE }}}} of node {{{{ $labels.node }}}} "
        "(pool {{ $labels.pool }}) and has used it less than 5% of the time for @idle@.",
        "The GPU is allocated but nothing runs on it: a notebook left open, a job that waits for data, a server "
        "without "
        "requests.",
        ("kubectl -n NAMESPACE logs POD", "kubectl -n NAMESPACE top pod POD"),
        "The GPU counts against the tenant's quota and others wait for it.",
        audience=TENANT,
        needs=("tenants",),
    ),
)
"""Devices held without use."""

_BELOW = (
    'tenantry_tenant_quota{bound="guaranteed",resource=~"@compute_resources@"} '
    "> on (tenant, pool, resource) group_left () tenantry:tenant_used:devices"
)
_BELOW_EVERYWHERE = (
    'sum by (tenant, department, namespace, resource) (tenantry_tenant_quota{bound="guaranteed",'
    'resource=~"@compute_resources@"}) > on (tenant, resource) group_left () '
    "sum by (tenant, resource) (tenantry:tenant_used:devices)"
)


def _starved(scheduler: str, expression: str, *commands: str) -> Alert:
    return Alert(
        "TenantStarved",
        "warning",
        "@starvation@",
        expression,
        "Tenant {{ $labels.tenant }} waits below its guarantee",
        "Tenant {{ $labels.tenant }} (department {{ $labels.department }}) is guaranteed {{ $value }} "
        "{{ $labels.resource }} {{ with $labels.pool }}in pool {{ . }}{{ end }}, holds fewer, and has had work waiting "
        "for @starvation@.",
        "Someone else holds what this tenant is entitled to and it is not given back, or the devices are not there. "
        "Look for jobs that are never preempted, for fragmentation (enough devices, but not on one node), and for "
        "cordoned nodes.",
        commands,
        "Their jobs wait although they are within their guarantee.",
        needs=("tenants", scheduler),
    )


FAIRNESS: tuple[Alert, ...] = (
    _starved(
        "kai",
        f"({_BELOW}) and on (tenant, pool) tenantry:tenant_waiting:count > 0",
        _PENDING,
        "kubectl get queues.scheduling.run.ai -o wide",
        "kubectl -n NAMESPACE get podgroups.scheduling.run.ai -o yaml",
    ),
    _starved(
        "kueue",
        f"({_BELOW}) and on (tenant, pool) tenantry:tenant_waiting:count > 0",
        "kubectl get clusterqueues -o wide",
        "kubectl -n NAMESPACE get workloads",
        "kubectl -n NAMESPACE describe workload WORKLOAD",
    ),
    _starved(
        "runai",
        f"({_BELOW_EVERYWHERE}) and on (tenant) tenantry:tenant_waiting:count > 0",
        _PENDING,
        "kubectl -n NAMESPACE describe pod POD",
    ),
    Alert(
        "TenantBelowFairShare",
        "info",
        "@starvation@",
        "(tenantry:tenant_fair_share:gpus - tenantry:tenant_allocated:gpus >= 1) "
        "and on (tenant, pool) tenantry:tenant_waiting:count > 0",
        "Tenant {{ $labels.tenant }} is below its fair share of pool {{ $labels.pool }}",
        "The scheduler grants tenant {{ $labels.tenant }} {{ $value }} GPUs more of pool {{ $labels.pool }} than it "
        "holds, and it has had work waiting for @starvation@.",
        "Reclaim does not find victims: the others run jobs that may not be preempted, or no single node has room.",
        (_PENDING, "kubectl get queues.scheduling.run.ai -o yaml"),
        "They get their guarantee, but not their part of what is idle.",
        needs=("tenants", "kai"),
    ),
    Alert(
        "TenantWaitsLong",
        "info",
        "@starvation@",
        "tenantry:tenant_waiting:count > 0",
        "Tenant {{ $labels.tenant }} has work waiting",
        "{{ $value }} pods or workloads of tenant {{ $labels.tenant }} "
        "{{ with $labels.pool }}wait in pool {{ . }}{{ end }}; some work has been waiting for @starvation@.",
        "Within the rules: the tenant uses its guarantee and others use theirs. Also what a job looks like that can "
        "never run because it asks for more than the limit.",
        (_PENDING, "kubectl -n NAMESPACE describe pod POD"),
        "Their work waits for its turn.",
        audience=TENANT,
        needs=("tenants",),
    ),
)
"""Waiting."""

QUOTA: tuple[Alert, ...] = (
    Alert(
        "TenantNearLimit",
        "info",
        "15m",
        "tenantry:tenant_used:devices / on (tenant, pool, resource) group_left () "
        'tenantry_tenant_quota{bound="limit"} >= @quota_ratio@',
        "Tenant {{ $labels.tenant }} is near its limit in pool {{ $labels.pool }}",
        "Tenant {{ $labels.tenant }} uses {{ $value | humanizePercentage }} of its limit of {{ $labels.resource }} in "
        "pool {{ $labels.pool }} (warning at @quota_percent@%).",
        "Further jobs of the tenant will wait even when devices are idle.",
        ("kubectl -n NAMESPACE get resourcequota -o yaml",),
        "New jobs wait until others end. A higher limit is a change of the tenant's document.",
        audience=TENANT,
        needs=("tenants",),
    ),
    Alert(
        "NamespaceNearQuota",
        "info",
        "15m",
        'max by (namespace, resource) (kube_resourcequota{type="used",resource=~"@quota_resources@"} '
        '/ on (namespace, resourcequota, resource) (kube_resourcequota{type="hard",resource=~"@quota_resources@"} > '
        "0)) "
        "* on (namespace) group_left (tenant, department) tenantry_namespace_tenant >= @quota_ratio@",
        "Namespace {{ $labels.namespace }} is near its quota of {{ $labels.resource }}",
        "Namespace {{ $labels.namespace }} of tenant {{ $labels.tenant }} uses {{ $value | humanizePercentage }} of "
        "its "
        "quota of {{ $labels.resource }} (warning at @quota_percent@%).",
        "Further pods of the namespace will be refused at creation, which looks like a job that never starts.",
        ("kubectl -n NAMESPACE describe resourcequota", "kubectl -n NAMESPACE get events"),
        "New pods are refused with an event that names the quota.",
        audience=TENANT,
        needs=("tenants",),
    ),
)
"""What is left of quotas."""
