"""What fields of the other objects do: access, network, admission, node features, OpenShift AI, monitoring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.plan.effect import Area, Certainty, Level, Mark
from tenantry.plan.rule import Row
from tenantry.plan.rules.gitops import say

if TYPE_CHECKING:
    from tenantry.plan.rule import Context, Hit

_ANY = ("", "*")
_POOLS = (
    "EFFECT-POOL-ADDED",
    "EFFECT-POOL-REMOVED",
    "EFFECT-NODES-ADDED",
    "EFFECT-NODES-REMOVED",
    "EFFECT-NODE-LABELS",
    "EFFECT-GPU-RESET",
    "EFFECT-SLICES",
    "EFFECT-DEVICE-PLUGIN",
)


def _of(*components: str):  # type: ignore[no-untyped-def]
    return lambda context, hit: hit.component in components


def _removed(context: Context, hit: Hit) -> bool:
    """Whether a component of OpenShift AI is removed, or all of it."""
    del context
    gone = hit.mark is Mark.REMOVE
    return gone or (hit.touched.pointer.endswith("managementState") and hit.touched.after == "Removed")


ROWS = (
    Row(
        "EFFECT-NAMESPACE-LABELS",
        ("Namespace",),
        ("metadata/*",),
        "Labels or annotations of a namespace differ: rules that select by them apply at once",
        "Kubernetes, namespaces",
        Area.TENANTS,
        ("Tenant/*", "Platform/*"),
        say("namespaces", "labels or annotations of namespaces differ"),
        marks=frozenset({Mark.CHANGE}),
    ),
    Row(
        "EFFECT-METADATA",
        ("*",),
        ("metadata/labels/*", "metadata/annotations/*", "metadata/labels", "metadata/annotations"),
        "Labels or annotations differ; nothing acts on them",
        "Kubernetes, object metadata",
        Area.GITOPS,
        ("Platform/*", "Tenant/*"),
        say("tree", "labels or annotations of objects differ"),
        marks=frozenset({Mark.CHANGE}),
        certainty=Certainty.LIKELY,
    ),
    Row(
        "EFFECT-PRIORITY-CLASS",
        ("PriorityClass.*", "WorkloadPriorityClass.*"),
        _ANY,
        "Priority tiers come, go or are described otherwise; pods that run keep the number they got",
        "Kubernetes, PriorityClass: the number is copied into a pod when it is made",
        Area.TENANTS,
        ("Platform/*/spec/priorityTiers*", "Platform/*/spec/scheduler*"),
        say(
            "priority tiers",
            "priority tiers come, go or are described otherwise; pods that run keep their number",
            level=Level.CHANGE,
        ),
    ),
    Row(
        "EFFECT-TENANT-FABRIC",
        ("SriovNetwork.*", "SriovIBNetwork.*", "NetworkAttachmentDefinition.*", "OVSNetwork.*"),
        _ANY,
        "Attachments to a fabric differ: they are read when a pod starts, pods that run keep the old one",
        "SR-IOV CNI: VLAN, trust and spoof check are set at CNI ADD",
        Area.TENANTS,
        ("Tenant/*/spec/network/fabrics*", "Platform/*/spec/fabrics*", "Tenant/*"),
        say(
            "fabrics",
            "attachments to fabrics differ; pods that run keep theirs until they start again",
            level=Level.CHANGE,
        ),
    ),
    Row(
        "EFFECT-FABRIC-ADDRESSES",
        ("IPPool.nv-ipam.nvidia.com",),
        _ANY,
        "Addresses of a fabric are given out of another range to pods that start; pods that run keep theirs",
        "NVIDIA nv-ipam, IPPool",
        Area.NODES,
        ("Platform/*/spec/fabrics*", "Platform/*/spec/nodePools*"),
        say(
            "fabrics",
            "addresses are given out of other ranges; pods that run keep theirs, so old and new ranges live "
            "side by side",
            level=Level.CHANGE,
        ),
        certainty=Certainty.LIKELY,
    ),
    Row(
        "EFFECT-SRIOV-READINESS",
        ("ServiceAccount", "Role.*", "RoleBinding.*", "ClusterRole.*", "ClusterRoleBinding.*", "Job.*"),
        _ANY,
        "The Job that waits for virtual functions differs",
        "the tree's own readiness Job",
        Area.GITOPS,
        ("Platform/*/spec/fabrics*", "Platform/*/spec/nodePools*"),
        say("fabrics", "the Job that waits for virtual functions differs"),
        when=_of("sriov"),
        direction="of component sriov",
    ),
    Row(
        "EFFECT-LABEL-JOB",
        ("ConfigMap", "Job.*", "CronJob.*", "ClusterRole.*", "ClusterRoleBinding.*", "ServiceAccount", "Namespace"),
        _ANY,
        "The Job that labels and taints nodes differs; effects on nodes tell what it sets",
        "the tree's own Job, server-side apply",
        Area.NODES,
        ("Platform/*/spec/nodePools*",),
        say("node labels", "the Job that labels and taints nodes runs with another list"),
        said_by=_POOLS,
        when=_of("node-labels"),
        direction="of component node-labels",
    ),
    Row(
        "EFFECT-NODE-FEATURES",
        ("NodeFeatureDiscovery.*", "NodeFeatureRule.*"),
        _ANY,
        "Feature discovery looks for other devices: workers restart, labels may come and go",
        "Node Feature Discovery, workerConfig",
        Area.NODES,
        ("Platform/*/spec/*",),
        say("node features", "feature discovery restarts with another configuration", level=Level.CHANGE),
    ),
    Row(
        "EFFECT-SCHEDULER",
        ("SchedulingShard.*", "Topology.*", "Kueue.*", "ResourceFlavor.*"),
        _ANY,
        "The scheduler works by other rules: it restarts, jobs that run go on",
        "KAI scheduler, SchedulingShard: one scheduler per shard; Kueue, configuration",
        Area.TENANTS,
        ("Platform/*/spec/scheduler*", "Platform/*/spec/nodePools*", "Platform/*/spec/operators/kai*"),
        say("scheduler", "the scheduler restarts with other rules; jobs that run go on", level=Level.CHANGE),
    ),
    Row(
        "EFFECT-RUNAI",
        ("*",),
        _ANY,
        "Projects, departments and their quotas in Run:ai differ",
        "Run:ai, REST API of projects and departments",
        Area.TENANTS,
        ("Platform/*/spec/scheduler*", "Tenant/*/spec/quotas*"),
        say("scheduler", "projects of Run:ai are set by another list", level=Level.CHANGE),
        when=_of("scheduler"),
        direction="of component scheduler",
    ),
    Row(
        "EFFECT-GUARD",
        ("ValidatingAdmissionPolicy.*", "ValidatingAdmissionPolicyBinding.*"),
        _ANY,
        "Admission guards decide otherwise about requests from now on; objects that are there stay",
        "Kubernetes, ValidatingAdmissionPolicy: evaluated at admission only",
        Area.ISOLATION,
        ("Platform/*", "Tenant/*"),
        say("admission", "admission guards decide by other rules about new requests"),
    ),
    Row(
        "EFFECT-NETWORK",
        (
            "NetworkPolicy.*",
            "AdminNetworkPolicy.*",
            "BaselineAdminNetworkPolicy.*",
            "EgressFirewall.*",
            "CiliumNetworkPolicy.*",
        ),
        _ANY,
        "Network rules apply to open and new connections within seconds",
        "Kubernetes, NetworkPolicy: whether open connections are cut is up to the CNI",
        Area.ISOLATION,
        ("Tenant/*/spec/network*", "Contract/*", "Platform/*/spec/network*", "Platform/*", "Tenant/*"),
        say("network", "connections that are allowed differ", level=Level.CHANGE),
    ),
    Row(
        "EFFECT-ACCESS",
        ("RoleBinding.*", "Role.*", "ClusterRole.*", "ClusterRoleBinding.*", "ServiceAccount", "Group.*"),
        _ANY,
        "What people and accounts may do differs, at once",
        "Kubernetes, RBAC",
        Area.TENANTS,
        ("Tenant/*/spec/access*", "Platform/*/spec/gitops/adminGroups*", "Tenant/*", "Platform/*"),
        say("access", "what people and accounts may do differs", level=Level.CHANGE),
        when=lambda context, hit: hit.component not in {"monitoring", "operators"},
        direction="of other components",
    ),
    Row(
        "EFFECT-PROFILE",
        ("HardwareProfile.*",),
        _ANY,
        "Hardware profiles that people choose in OpenShift AI differ; workloads that run go on",
        "OpenShift AI, HardwareProfile: copied into a workload when it is made",
        Area.DATA,
        ("Platform/*/spec/nodePools*", "Platform/*/spec/openshiftAI*", "Tenant/*"),
        say("OpenShift AI", "hardware profiles come, go or ask for something else", level=Level.CHANGE),
    ),
    Row(
        "EFFECT-OPENSHIFT-AI-REMOVED",
        ("DataScienceCluster.*", "DSCInitialization.*"),
        ("", "spec/components/*"),
        "Components of OpenShift AI are removed: their controllers and pages go, objects people made are left alone",
        "opendatahub-operator, DataScienceCluster managementState Removed",
        Area.DATA,
        ("Platform/*/spec/openshiftAI*", "Platform/*"),
        say(
            "OpenShift AI",
            "components are removed: their controllers and pages go, and workbenches and models are looked after by "
            "nobody",
            level=Level.DISRUPTIVE,
            mark=Mark.DISRUPT,
        ),
        when=_removed,
        direction="removed",
    ),
    Row(
        "EFFECT-OPENSHIFT-AI",
        ("DataScienceCluster.*", "DSCInitialization.*"),
        _ANY,
        "Components of OpenShift AI are installed or removed; their controllers restart",
        "opendatahub-operator, DataScienceCluster managementState",
        Area.DATA,
        ("Platform/*/spec/openshiftAI*", "Platform/*"),
        say(
            "OpenShift AI",
            "components of OpenShift AI are installed, removed or configured otherwise",
            level=Level.CHANGE,
        ),
    ),
    Row(
        "EFFECT-MONITORING",
        ("*",),
        _ANY,
        "Alerts, dashboards and scraping differ; work does not notice",
        "Prometheus Operator and Grafana Operator reload",
        Area.GITOPS,
        ("Platform/*/spec/observability*", "Tenant/*", "Platform/*"),
        say("monitoring", "alerts, dashboards or scraping differ"),
        when=_of("monitoring"),
        direction="of component monitoring",
    ),
    Row(
        "EFFECT-TENANT-MONITORING",
        ("AlertmanagerConfig.*", "PrometheusRule.*", "GrafanaDashboard.*", "GrafanaFolder.*"),
        _ANY,
        "Alerts of a tenant go elsewhere or say something else",
        "Prometheus Operator, AlertmanagerConfig",
        Area.GITOPS,
        ("Tenant/*/spec/contacts*", "Platform/*/spec/observability*", "Tenant/*"),
        say("monitoring", "alerts go elsewhere or say something else"),
    ),
)
