"""Rules between documents: each bad spec is caught at its place, and its smallest repair is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from builders import ClusterBuilder, cluster

from tenantry.compile.checks import check
from tenantry.compile.checks.delivery import cron_fault
from tenantry.compile.resolve import resolve
from tenantry.model.problem import dotted

if TYPE_CHECKING:
    from tenantry.model.problem import SpecProblem


def problems(builder: ClusterBuilder) -> list[SpecProblem]:
    resolved, found = resolve(builder.spec())
    return [*found, *check(resolved)]


def training(**fields: object) -> ClusterBuilder:
    """Two servers of eight whole H200: 16 GPUs."""
    return cluster().pool("training", nodes=2, **fields)  # type: ignore[arg-type]


def fabric(**fields: object) -> ClusterBuilder:
    return training().fabric("roce", **fields)  # type: ignore[arg-type]


GENERIC = {"server": "generic", "gpu": {"model": "h100-sxm-80", "count": 8}}
RAIL = {"name": "rail0", "pci": "0000:1a:00.0"}

CASES: dict[str, tuple[ClusterBuilder, str, str, str, ClusterBuilder]] = {
    # name: (bad, rule, path, part of the message or hint, repaired)
    "unknown server model": (
        cluster().pool("training", server="dell-xe9680-h20"),
        "SPEC-UNKNOWN-SERVER", "spec.nodePools[0].server", "dell-xe9680-h200",
        cluster().pool("training", server="dell-xe9680-h200"),
    ),
    "unknown GPU of a generic server": (
        cluster().pool("a", server="generic", gpu={"model": "h200sxm", "count": 8}),
        "SPEC-UNKNOWN-GPU", "spec.nodePools[0].gpu.model", "h200-sxm",
        cluster().pool("a", server="generic", gpu={"model": "h200-sxm", "count": 8}),
    ),
    "generic server without GPUs": (
        cluster().pool("a", server="generic"),
        "SPEC-GENERIC-GPU", "spec.nodePools[0].gpu", "model, count",
        cluster().pool("a", **GENERIC),  # type: ignore[arg-type]
    ),
    "GPUs given for a server of the catalog": (
        cluster().pool("a", gpu={"model": "h200-sxm", "count": 8}),
        "SPEC-GENERIC-GPU", "spec.nodePools[0].gpu", "only for generic",
        cluster().pool("a"),
    ),
    "unknown pool in a quota": (
        training().tenant("vision", pool="trainnig", guaranteed=8),
        "SPEC-UNKNOWN-POOL", "spec.quotas[0].pool", "training",
        training().tenant("vision", pool="training", guaranteed=8),
    ),
    "unknown NIC": (
        fabric(nic="connectx7"), "SPEC-UNKNOWN-NIC", "spec.fabrics[0].nic", "connectx-7", fabric(nic="connectx-7"),
    ),
    "unknown operator pinned": (
        training().operator("gpu-operater", "26.7.0"),
        "SPEC-UNKNOWN-OPERATOR", "spec.operators.gpu-operater", "gpu-operator",
        training().operator("gpu-operator", "26.7.0"),
    ),
    "unknown priority tier": (
        training().tenant("vision", priorities=["prodution"]),
        "SPEC-UNKNOWN-TIER", "spec.priorities[0]", "production",
        training().tenant("vision", priorities=["production"]),
    ),
    "unknown tenant in the contract": (
        training().tenant("vision").tenant("search").document("Contract", "c", {"exceptions": [
            {"name": "x", "from": {"tenant": "visoin"}, "to": {"tenant": "search"}, "ports": ["TCP/443"],
             "reason": "needed", "expires": "2030-01-01"}]}),
        "SPEC-UNKNOWN-TENANT", "spec.exceptions[0].from.tenant", "vision",
        training().tenant("vision").tenant("search").document("Contract", "c", {"exceptions": [
            {"name": "x", "from": {"tenant": "vision"}, "to": {"tenant": "search"}, "ports": ["TCP/443"],
             "reason": "needed", "expires": "2030-01-01"}]}),
    ),
    "namespace claimed by two tenants": (
        training().tenant("search", namespaces=["shared"]).tenant("vision", namespaces=["shared"]),
        "SPEC-NAMESPACE-CLAIMED", "spec.namespaces[0].name", "tenant search",
        training().tenant("search", namespaces=["search"]).tenant("vision", namespaces=["shared"]),
    ),
    "namespace of the cluster": (
        training().tenant("vision", namespaces=["openshift-monitoring"]),
        "SPEC-NAMESPACE-RESERVED", "spec.namespaces[0].name", "belongs to the cluster",
        training().tenant("vision", namespaces=["vision-monitoring"]),
    ),
    "host in two pools": (
        cluster().pool("a", hosts=["n1"]).pool("b", hosts=["n1"]),
        "SPEC-HOST-TWICE", "spec.nodePools[1].hosts[0]", "node pool a",
        cluster().pool("a", hosts=["n1"]).pool("b", hosts=["n2"]),
    ),
    "count that contradicts the hosts": (
        cluster().pool("a", hosts=["n1", "n2"], count=3),
        "SPEC-POOL-SIZE", "spec.nodePools[0].count", "names 2 hosts",
        cluster().pool("a", hosts=["n1", "n2"], count=2),
    ),
    "MIG layout with two large and a small instance": (
        # 3g needs 4 memory slices, so two of them fill all 8 although one compute slice is left
        cluster().pool("serving", mig={"3g.71gb": 2, "1g.18gb": 1}),
        "SPEC-MIG-FIT", "spec.nodePools[0].sharing.layouts[0].profiles", "9 memory and 7 compute slices",
        cluster().pool("serving", mig={"3g.71gb": 1, "1g.18gb": 3}),
    ),
    "MIG profile of another GPU": (
        cluster().pool("serving", mig={"3g.40gb": 2}),
        "SPEC-UNKNOWN-PROFILE", "spec.nodePools[0].sharing.layouts[0].profiles.3g.40gb", "H200",
        cluster().pool("serving", mig={"3g.71gb": 2}),
    ),
    "MIG on a GPU that cannot": (
        cluster().pool("dev", server="dell-r760xa-l40s", mig={"1g.6gb": 1}),
        "SPEC-MIG-CAPABLE", "spec.nodePools[0].sharing.mode", "cannot be partitioned",
        cluster().pool("dev", server="dell-r760xa-l40s"),
    ),
    "GPU in two layouts": (
        cluster().pool("serving", mig=[([0, 1], {"7g.141gb": 1}), ([1], {"3g.71gb": 2})]),
        "SPEC-MIG-GPU-INDEX", "spec.nodePools[0].sharing.layouts[1].gpus[0]", "layout 1 already",
        cluster().pool("serving", mig=[([0, 1], {"7g.141gb": 1}), ([2], {"3g.71gb": 2})]),
    ),
    "GPU index beyond the server": (
        cluster().pool("serving", mig=[([8], {"3g.71gb": 2})]),
        "SPEC-MIG-GPU-INDEX", "spec.nodePools[0].sharing.layouts[0].gpus[0]", "0 to 7",
        cluster().pool("serving", mig=[([7], {"3g.71gb": 2})]),
    ),
    "time-slicing without replicas": (
        training(sharing={"mode": "time-slicing"}),
        "SPEC-SHARING-FIELDS", "spec.nodePools[0].sharing", "no replicas",
        training(sharing={"mode": "time-slicing", "replicas": 2}),
    ),
    "MPS beside MIG": (
        cluster().pool("serving", mig={"3g.71gb": 2}).pool("dev", mps=4),
        "SPEC-MPS-WITH-MIG", "spec.nodePools[1].sharing.mode", "refuses MPS",
        cluster().pool("serving", mig={"3g.71gb": 2}).pool("dev", time_slicing=4),
    ),
    "time-sliced pool open to two tenants": (
        cluster().pool("dev", time_slicing=4).tenant("a", pool="dev", guaranteed=1)
        .tenant("b", pool="dev", guaranteed=1),
        "SPEC-SHARED-POOL", "spec.quotas[0]", "tenant a uses it already",
        cluster().pool("dev", time_slicing=4).tenant("a", pool="dev", guaranteed=1).tenant("b"),
    ),
    "MPS pool open to a tenant that only borrows": (
        cluster().pool("dev", mps=4).tenant("a", pool="dev", guaranteed=1).tenant("b", pool="dev", limit=1),
        "SPEC-SHARED-POOL", "spec.quotas[0]", "tenant a uses it already",
        cluster().pool("dev", mps=4).tenant("a", pool="dev", guaranteed=1).tenant("b", pool="dev"),
    ),
    "hostile tenant in a pool with another": (
        training().tenant("a", pool="training", guaranteed=4)
        .tenant("b", pool="training", guaranteed=4, trust="hostile"),
        "SPEC-HOSTILE-POOL", "spec.quotas[0]", "but a may use node pool training too",
        training().tenant("a").tenant("b", pool="training", guaranteed=4, trust="hostile"),
    ),
    "hostile tenant in a pool that is not dedicated": (
        cluster().pool("training", dedicated=False).tenant("b", pool="training", guaranteed=4, trust="hostile"),
        "SPEC-HOSTILE-POOL", "spec.quotas[0]", "training is not dedicated",
        cluster().pool("training").tenant("b", pool="training", guaranteed=4, trust="hostile"),
    ),
    "guarantees above the pool": (
        training().tenant("a", pool="training", guaranteed=10).tenant("b", pool="training", guaranteed=7),
        "SPEC-QUOTA-CAPACITY", "spec.quotas[0]", "10 are promised",  # 10 + 7 > 2 x 8
        training().tenant("a", pool="training", guaranteed=10).tenant("b", pool="training", guaranteed=6),
    ),
    "limit above the pool": (
        training().tenant("a", pool="training", guaranteed=8, limit=17),
        "SPEC-QUOTA-CAPACITY", "spec.quotas[0].limit", "16 x nvidia.com/gpu (2 nodes of 8)",
        training().tenant("a", pool="training", guaranteed=8, limit=16),
    ),
    "slices above the pool": (
        # 2 nodes x 8 GPUs x 2 instances = 32
        cluster().pool("serving", mig={"3g.71gb": 2}).tenant("a", pool="serving", slices={"3g.71gb": (33, 33)}),
        "SPEC-QUOTA-CAPACITY", "spec.quotas[0].slices.3g.71gb", "32 x nvidia.com/mig-3g.71gb",
        cluster().pool("serving", mig={"3g.71gb": 2}).tenant("a", pool="serving", slices={"3g.71gb": (32, 32)}),
    ),
    "limit below the guarantee": (
        training().tenant("a", pool="training", guaranteed=8, limit=4),
        "SPEC-QUOTA-LIMIT", "spec.quotas[0].limit", "(8)",
        training().tenant("a", pool="training", guaranteed=8, limit=8),
    ),
    "GPUs counted in a partitioned pool": (
        cluster().pool("serving", mig={"3g.71gb": 2}).tenant("a", pool="serving", guaranteed=4),
        "SPEC-QUOTA-UNIT", "spec.quotas[0].guaranteed", "3g.71gb",
        cluster().pool("serving", mig={"3g.71gb": 2}).tenant("a", pool="serving", slices={"3g.71gb": (4, 4)}),
    ),
    "slices asked of a whole pool": (
        training().tenant("a", pool="training", slices={"3g.71gb": (1, 1)}),
        "SPEC-QUOTA-UNIT", "spec.quotas[0].slices.3g.71gb", "none is declared",
        training().tenant("a", pool="training", guaranteed=1),
    ),
    "VLAN used twice": (
        fabric().tenant("a", fabrics={"roce": 101}).tenant("b", fabrics={"roce": 101}),
        "SPEC-VLAN-TWICE", "spec.network.fabrics[0].vlan", "tenant a already",
        fabric().tenant("a", fabrics={"roce": 101}).tenant("b", fabrics={"roce": 102}),
    ),
    "VLAN used twice, on another fabric": (
        fabric()
        .fabric("other", subnet="10.30.0.0/16", resourceName="other", rails=[{"name": "r", "pci": "0000:9c:00.0"}])
        .tenant("a", fabrics={"roce": 101})
        .tenant("b", fabrics={"other": 101}),
        "SPEC-VLAN-TWICE",
        "spec.network.fabrics[0].vlan",
        "on fabric roce belongs to tenant a already",
        fabric()
        .fabric("other", subnet="10.30.0.0/16", resourceName="other", rails=[{"name": "r", "pci": "0000:9c:00.0"}])
        .tenant("a", fabrics={"roce": 101, "other": 101})
        .tenant("b", fabrics={"other": 102}),
    ),
    "P_Key used twice, once as a limited member": (
        # 0x0010 and 0x8010 differ in the membership bit only: one partition
        fabric(infiniband=True).tenant("a", fabrics={"roce": "0x8010"}).tenant("b", fabrics={"roce": "0x0010"}),
        "SPEC-PKEY-TWICE", "spec.network.fabrics[0].pKey", "tenant a already",
        fabric(infiniband=True).tenant("a", fabrics={"roce": "0x8010"}).tenant("b", fabrics={"roce": "0x8011"}),
    ),
    "default partition": (
        fabric(infiniband=True, pKeys=None).tenant("a", fabrics={"roce": "0xffff"}),
        "SPEC-FABRIC-RANGE", "spec.network.fabrics[0].pKey", "outside",
        fabric(infiniband=True, pKeys=None).tenant("a", fabrics={"roce": "0x8001"}),
    ),
    "VLAN outside the range": (
        fabric().tenant("a", fabrics={"roce": 200}),
        "SPEC-FABRIC-RANGE", "spec.network.fabrics[0].vlan", "outside",
        fabric().tenant("a", fabrics={"roce": 199}),
    ),
    "no VLAN at all": (
        fabric().tenant("a", network={"fabrics": [{"name": "roce"}]}),
        "SPEC-FABRIC-ISOLATION", "spec.network.fabrics[0]", "nothing separates",
        fabric().tenant("a", fabrics={"roce": 101}),
    ),
    "VLAN on InfiniBand": (
        fabric(infiniband=True).tenant("a", network={"fabrics": [{"name": "roce", "vlan": 101, "pKey": "0x8010"}]}),
        "SPEC-FABRIC-ISOLATION", "spec.network.fabrics[0].vlan", "infiniband",
        fabric(infiniband=True).tenant("a", fabrics={"roce": "0x8010"}),
    ),
    "too many functions on InfiniBand": (
        fabric(infiniband=True, vfsPerRail=17),
        "SPEC-FABRIC-VFS", "spec.fabrics[0].vfsPerRail", "at most 16",
        fabric(infiniband=True, vfsPerRail=16),
    ),
    "jumbo frames on InfiniBand": (
        fabric(infiniband=True, mtu=9000), "SPEC-FABRIC-MTU", "spec.fabrics[0].mtu", "4092",
        fabric(infiniband=True, mtu=4092),
    ),
    "rails without an address": (
        fabric(rails=[]), "SPEC-FABRIC-RAILS", "spec.fabrics[0]", "any port", fabric(rails=[RAIL]),
    ),
    "port in two fabrics": (
        fabric(rails=[RAIL]).fabric("storage", subnet="10.30.0.0/16", resourceName="storage", rails=[RAIL]),
        "SPEC-FABRIC-RAILS", "spec.fabrics[1].rails[0]", "belongs to fabric roce",
        fabric(rails=[RAIL]).fabric("storage", subnet="10.30.0.0/16", resourceName="storage",
                                    rails=[{"name": "r", "pci": "0000:3c:00.0"}]),
    ),
    "fabric prefix too small": (
        # 2 nodes x 8 addresses + 2 = 18 > 16
        fabric(subnet="10.0.0.0/28", rails=[RAIL]), "SPEC-FABRIC-ADDRESSES", "spec.fabrics[0].subnet", "blocks of 8",
        fabric(subnet="10.0.0.0/27", rails=[RAIL]),
    ),
    "shared RDMA mode with two tenants": (
        fabric(rdmaMode="shared").tenant("a", fabrics={"roce": 101}).tenant("b", fabrics={"roce": 102}),
        "SPEC-FABRIC-RDMA-MODE", "spec.fabrics[0].rdmaMode", "a, b",
        fabric(rdmaMode="shared").tenant("a", fabrics={"roce": 101}),
    ),
    "fewer functions than GPUs": (
        # 1 rail x 7 functions < 8 GPUs x 1
        fabric(vfsPerRail=7, rails=[RAIL]).document(
            "Workload", "w", {"gpuMemory": "80Gi", "rdma": {"fabric": "roce", "vfsPerGpu": 1}}),
        "SPEC-VF-COUNT", "spec.rdma.vfsPerGpu", "7 virtual functions",
        fabric(vfsPerRail=8, rails=[RAIL]).document(
            "Workload", "w", {"gpuMemory": "80Gi", "rdma": {"fabric": "roce", "vfsPerGpu": 1}}),
    ),
    "GPU Operator that leaks RDMA devices": (
        fabric().operator("gpu-operator", "26.3.1"),
        "SPEC-VERSION-BAD", "spec.operators.gpu-operator.version", "26.3.3",
        training().operator("gpu-operator", "26.3.1"),  # without a fabric there is nothing to leak
    ),
    "vulnerable GPU Operator": (
        training().operator("gpu-operator", "24.9.0"),
        "SPEC-VERSION-FLOOR", "spec.operators.gpu-operator.version", "25.3.2 or later",
        training().operator("gpu-operator", "25.3.2"),
    ),
    "GPU Operator that hangs on CRI-O": (
        cluster().openshift().operator("gpu-operator", "25.10.0"),
        "SPEC-VERSION-BAD", "spec.operators.gpu-operator.version", "25.10.1",
        cluster().kubernetes().operator("gpu-operator", "25.10.0"),
    ),
    "Kubernetes without admission guards": (
        cluster().kubernetes("1.29"), "SPEC-KUBERNETES-VERSION", "spec.version", "1.30", cluster().kubernetes("1.30"),
    ),
    "egress to a prefix with host bits": (
        training().tenant("a", network={"egress": [{"to": ["10.0.0.1/24"]}]}),
        "SPEC-PREFIX", "spec.network.egress[0].to[0]", "host bits",
        training().tenant("a", network={"egress": [{"to": ["10.0.0.0/24"]}]}),
    ),
    "falling range of ports": (
        training().tenant("a", network={"egress": [{"to": ["10.0.0.0/24"], "ports": ["TCP/90-80"]}]}),
        "SPEC-PORT", "spec.network.egress[0].ports[0]", "rising",
        training().tenant("a", network={"egress": [{"to": ["10.0.0.0/24"], "ports": ["TCP/80-90"]}]}),
    ),
    "Run:ai without its control plane": (
        training().scheduler("runai"), "SPEC-RUNAI", "spec.scheduler", "controlPlaneUrl and clusterId",
        training().scheduler("runai", controlPlaneUrl="https://runai.example.com", clusterId="c1"),
    ),
    "two tiers of one value": (
        training().platform(priorityTiers=[{"name": "a", "value": 5}, {"name": "b", "value": 5}]),
        "SPEC-PRIORITY-VALUE", "spec.priorityTiers[0].value", "a, b",
        training().platform(priorityTiers=[{"name": "a", "value": 5}, {"name": "b", "value": 6}]),
    ),
    "fabrics whose rails would share an address pool": (
        # roce-a + b and roce + a-b are both roce-a-b
        fabric(rails=[{"name": "a-b", "pci": "0000:1a:00.0"}]).fabric(
            "roce-a", subnet="10.30.0.0/16", resourceName="store", rails=[{"name": "b", "pci": "0000:3c:00.0"}]),
        "SPEC-NAME-CLASH", "spec.fabrics[1].name", "roce-a-b",
        fabric(rails=[{"name": "ab", "pci": "0000:1a:00.0"}]).fabric(
            "roce-a", subnet="10.30.0.0/16", resourceName="store", rails=[{"name": "b", "pci": "0000:3c:00.0"}]),
    ),
    "a rail and a pool that join like another rail and pool": (
        cluster().pool("x").pool("b-x").fabric("roce", pools=["x", "b-x"], rails=[
            {"name": "a", "pci": "0000:1a:00.0"}, {"name": "a-b", "pci": "0000:3c:00.0"}]),
        "SPEC-NAME-CLASH", "spec.fabrics[0].name", "rail a-b, node pool x",
        cluster().pool("x").pool("b-x").fabric("roce", pools=["x", "b-x"], rails=[
            {"name": "a", "pci": "0000:1a:00.0"}, {"name": "c", "pci": "0000:3c:00.0"}]),
    ),
    "resources of rails that another fabric has as a whole": (
        # roce advertises store_rail0 for its rail
        fabric(resourceName="store", resourcePerRail=True, rails=[RAIL]).fabric(
            "storage", subnet="10.30.0.0/16", resourceName="store_rail0", rails=[{"name": "r", "pci": "0000:3c:00.0"}]),
        "SPEC-FABRIC-RESOURCE", "spec.fabrics[1].resourceName", "store_rail0",
        fabric(resourceName="store", resourcePerRail=True, rails=[RAIL]).fabric(
            "storage", subnet="10.30.0.0/16", resourceName="store", rails=[{"name": "r", "pci": "0000:3c:00.0"}]),
    ),
    "namespace of an operator that is not installed by OLM": (
        training().tenant("vision", namespaces=["grafana-operator"]),
        "SPEC-NAMESPACE-RESERVED", "spec.namespaces[0].name", "belongs to the cluster",
        training().tenant("vision", namespaces=["vision-grafana"]),
    ),
    "priority class that KAI brings": (
        training().platform(priorityTiers=[{"name": "inference", "value": 5}]),
        "SPEC-PRIORITY-NAME", "spec.priorityTiers[0].name", "KAI",
        training().scheduler("kueue").platform(priorityTiers=[{"name": "inference", "value": 5}]),
    ),
    "priority class of Kubernetes": (
        training().platform(priorityTiers=[{"name": "system-node-critical", "value": 5}]),
        "SPEC-PRIORITY-NAME", "spec.priorityTiers[0].name", "Kubernetes",
        training().platform(priorityTiers=[{"name": "node-critical", "value": 5}]),
    ),
    "group with two roles": (
        training().tenant("a", access=[{"group": "ml", "role": "edit"}, {"group": "ml", "role": "view"}]),
        "SPEC-DUPLICATE-NAME", "spec.access[1].group", "ml",
        training().tenant("a", access=[{"group": "ml", "role": "edit"}, {"group": "ops", "role": "view"}]),
    ),
    "group that is every user": (
        training().tenant("a", access=[{"group": "system:authenticated", "role": "view"}]),
        "SPEC-GROUP", "spec.access[0].group", "far beyond",
        training().tenant("a", access=[{"group": "authenticated", "role": "view"}]),
    ),
    "administrators that are every user": (
        training().gitops(adminGroups=["ops", "system:authenticated"]),
        "SPEC-GROUP", "spec.gitops.adminGroups[1]", "far beyond",
        training().gitops(adminGroups=["ops"]),
    ),
    "storage class twice": (
        training().tenant("a", storage=[{"class": "nfs", "capacity": "1Ti"}, {"class": "nfs", "capacity": "2Ti"}]),
        "SPEC-DUPLICATE-NAME", "spec.storage[1].class", "nfs",
        training().tenant("a", storage=[{"class": "nfs", "capacity": "1Ti"}, {"class": "nfs-fast", "capacity": "2Ti"}]),
    ),
    "label that is none": (
        cluster().pool("training", labels={"rack number": "r1"}),
        "SPEC-LABEL", "spec.nodePools[0].labels.rack number", "not a label key",
        cluster().pool("training", labels={"example.com/rack_number": "r1"}),
    ),
    "label value that is none": (
        cluster().pool("training", named=False, selector={"rack": "r 1"}),
        "SPEC-LABEL", "spec.nodePools[0].selector.rack", "not a label value",
        cluster().pool("training", named=False, selector={"rack": ""}),
    ),
    "label that the tree sets": (
        cluster().pool("training", labels={"nvidia.com/mig.config": "all-disabled"}),
        "SPEC-LABEL", "spec.nodePools[0].labels.nvidia.com/mig.config", "set by",
        cluster().pool("training", labels={"node-role.kubernetes.io/gpu": ""}),
    ),
    "pod label in the contract that is none": (
        training().tenant("vision").tenant("search").document("Contract", "c", {"exceptions": [
            {"name": "x", "from": {"tenant": "vision"}, "to": {"tenant": "search", "pods": {"app": "-"}},
             "ports": ["TCP/443"], "reason": "needed", "expires": "2030-01-01"}]}),
        "SPEC-LABEL", "spec.exceptions[0].to.pods.app", "not a label value",
        training().tenant("vision").tenant("search").document("Contract", "c", {"exceptions": [
            {"name": "x", "from": {"tenant": "vision"}, "to": {"tenant": "search", "pods": {"app": "a"}},
             "ports": ["TCP/443"], "reason": "needed", "expires": "2030-01-01"}]}),
    ),
    "host below that of another tenant": (
        training().tenant("a", network={"hosts": ["shop.example.com"]})
        .tenant("b", network={"hosts": ["api.shop.example.com"]}),
        "SPEC-HOST-CLAIMED", "spec.network.hosts[0]", "tenant a",
        training().tenant("a", network={"hosts": ["shop.example.com"]})
        .tenant("b", network={"hosts": ["workshop.example.com"]}),
    ),
    "host below the domain of another tenant": (
        training().platform(ingressDomain="apps.example.com").tenant("a")
        .tenant("b", network={"hosts": ["x.a.apps.example.com"]}),
        "SPEC-HOST-CLAIMED", "spec.network.hosts[0]", "a.apps.example.com",
        training().platform(ingressDomain="apps.example.com").tenant("a")
        .tenant("b", network={"hosts": ["x.b.apps.example.com"]}),
    ),
    "host above the domain of the platform": (
        training().platform(ingressDomain="apps.example.com").tenant("a", network={"hosts": ["example.com"]}),
        "SPEC-HOST-CLAIMED", "spec.network.hosts[0]", "every tenant",
        training().platform(ingressDomain="apps.example.com").tenant("a", network={"hosts": ["a.example.com"]}),
    ),
    "hour that does not exist": (
        training().gitops(changeWindows=[{"schedule": "0 24 * * *", "duration": "1h"}]),
        "SPEC-CRON", "spec.gitops.changeWindows[0].schedule", "no hour (0 to 23)",
        training().gitops(changeWindows=[{"schedule": "0 23 * * *", "duration": "1h"}]),
    ),
    "Sunday as 7": (
        training().gitops(changeWindows=[{"schedule": "0 22 * * 7", "duration": "1h"}]),
        "SPEC-CRON", "spec.gitops.changeWindows[0].schedule", "no day of the week",
        training().gitops(changeWindows=[{"schedule": "0 22 * * 0", "duration": "1h"}]),
    ),
    "window of no length": (
        training().gitops(changeWindows=[{"schedule": "0 22 * * 0", "duration": "0h0m"}]),
        "SPEC-CRON", "spec.gitops.changeWindows[0].duration", "ends when it begins",
        training().gitops(changeWindows=[{"schedule": "0 22 * * 0", "duration": "0h30m"}]),
    ),
    "time zone misspelt": (
        training().gitops(changeWindows=[{"schedule": "0 22 * * 0", "duration": "1h", "timeZone": "Europe/Amsterdm"}]),
        "SPEC-TIME-ZONE", "spec.gitops.changeWindows[0].timeZone", "Europe/Amsterdam",
        training().gitops(changeWindows=[{"schedule": "0 22 * * 0", "duration": "1h", "timeZone": "Europe/Amsterdam"}]),
    ),
    "platform named like an Application of the tree": (
        cluster("gpu-operator"), "SPEC-NAME-CLASH", "metadata.name", "root Application", cluster("gpu-platform"),
    ),
    "field of another scheduler": (
        training().scheduler("kueue", reclaimMinRuntime="15m"),
        "SPEC-UNUSED", "spec.scheduler.reclaimMinRuntime", "means nothing to kueue",
        training().scheduler("kai", reclaimMinRuntime="15m"),
    ),
    "operator pinned that is not installed": (
        training().scheduler("kai").operator("kueue", "0.19.2"),
        "SPEC-UNUSED", "spec.operators.kueue", "no effect",
        training().kubernetes().scheduler("kueue").operator("kueue", "0.19.2"),
    ),
    "driver pinned as an operator": (
        training().operator("nvidia-driver", "595.91.07"),
        "SPEC-UNUSED", "spec.operators.nvidia-driver", "driver.version",
        training().driver(version="595.91.07"),
    ),
    "channel without OLM": (
        training().kubernetes().operator("gpu-operator", channel="stable"),
        "SPEC-UNUSED", "spec.operators.gpu-operator.channel", "OLM",
        training().operator("gpu-operator", channel="stable"),
    ),
    "OpenShift AI without OpenShift": (
        training().kubernetes().platform(openshiftAI={"components": ["kserve"]}),
        "SPEC-UNUSED", "spec.openshiftAI", "not on kubernetes",
        training().kubernetes().platform(openshiftAI={"enabled": False}),
    ),
    "P_Keys on Ethernet": (
        fabric(pKeys={"first": "0x8010", "last": "0x8020"}),
        "SPEC-UNUSED", "spec.fabrics[0].pKeys", "no pKeys",
        fabric(),
    ),
    "DMA-BUF with the proprietary module": (
        fabric().driver(kernelModule="proprietary"),
        "SPEC-GPUDIRECT", "spec.driver.kernelModule", "DMA-BUF",
        fabric().driver(kernelModule="proprietary", gpudirect="peermem"),
    ),
    "fact that expires before it was checked": (
        training().document("Facts", "f", {"facts": [
            {"id": "cni", "value": "x", "evidence": "seen", "signedBy": "ops", "date": "2026-02-01",
             "expires": "2026-01-31"}]}),
        "SPEC-DATES", "spec.facts[0].expires", "2026-02-01",
        training().document("Facts", "f", {"facts": [
            {"id": "cni", "value": "x", "evidence": "seen", "signedBy": "ops", "date": "2026-02-01",
             "expires": "2026-02-01"}]}),
    ),
    "unknown OpenShift version": (
        cluster().openshift("4.99"), "SPEC-DISTRIBUTION", "spec.version", "4.20", cluster().openshift("4.20"),
    ),
    "unknown fact": (
        training().document("Facts", "f", {"facts": [
            {"id": "cnii", "value": "ovn-kubernetes", "evidence": "seen", "signedBy": "ops", "date": "2026-01-01"}]}),
        "SPEC-UNKNOWN-FACT", "spec.facts[0].id", "cni",
        training().document("Facts", "f", {"facts": [
            {"id": "cni", "value": "ovn-kubernetes", "evidence": "seen", "signedBy": "ops", "date": "2026-01-01"}]}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_bad_spec_is_caught_at_its_place(name: str) -> None:
    bad, rule, path, hint, _ = CASES[name]

    found = [item for item in problems(bad) if item.rule == rule and dotted(item.path) == path]

    assert found, [(item.rule, dotted(item.path), item.message) for item in problems(bad)]
    said = " ".join((found[0].message, found[0].expected, found[0].nearest or ""))
    assert hint in said


@pytest.mark.parametrize("name", CASES)
def test_repaired_spec_is_not_accused(name: str) -> None:
    _, rule, _, _, repaired = CASES[name]

    assert [item.message for item in problems(repaired) if item.rule == rule] == []


def test_every_problem_of_a_spec_is_reported_at_once() -> None:
    builder = (
        cluster()
        .pool("training", server="no-such-server")
        .pool("serving", mig={"3g.71gb": 3})
        .fabric("roce", pools=["training", "nowhere"], nic="token-ring")
        .tenant("a", pool="servng", guaranteed=1, priorities=["vip"])
        .tenant("b", namespaces=["a"])
    )

    assert {item.rule for item in problems(builder)} == {
        "SPEC-UNKNOWN-SERVER",
        "SPEC-MIG-FIT",
        "SPEC-UNKNOWN-NIC",
        "SPEC-UNKNOWN-POOL",
        "SPEC-UNKNOWN-TIER",
        "SPEC-NAMESPACE-CLAIMED",
    }


@pytest.mark.parametrize(
    ("schedule", "fault"),
    [
        ("0 22 * * 1-4", ""),
        ("*/15 0-6,20-23 1 JAN,jul MON-FRI", ""),
        ("0 0 ? * 0/2", ""),
        ("60 0 * * *", "'60' is no minute"),
        ("0 0 0 * *", "'0' is no day of the month"),
        ("0 0 * 13 *", "'13' is no month"),
        ("0 0 * * FRI-MON", "'FRI-MON' is no day of the week"),
        ("0 0 * * 5-2", "'5-2' is no day of the week"),
        ("*/0 0 * * *", "'*/0' is no minute"),
        ("0, 0 * * *", "'' is no minute"),
        ("-1 0 * * *", "'-1' is no minute"),
        ("daily at 8 oclock pm", "'daily' is no minute"),
        ("0 0 * *", "4 fields"),
    ],
)
def test_cron_expressions_are_those_argo_cd_reads(schedule: str, fault: str) -> None:
    found = cron_fault(schedule)

    assert found.startswith(fault)
    assert bool(found) == bool(fault)


def test_a_misspelt_profile_of_a_layout_is_one_problem_not_one_per_tenant() -> None:
    builder = cluster().pool("serving", mig={"3g.17gb": 2}).tenant("a", pool="serving", slices={"3g.71gb": (1, 1)})

    assert [(item.rule, item.nearest) for item in problems(builder)] == [("SPEC-UNKNOWN-PROFILE", "3g.71gb")]


def test_a_prefix_with_host_bits_names_the_prefix_that_was_meant() -> None:
    (found,) = problems(training().tenant("a", network={"egress": [{"to": ["10.40.0.5/24"]}]}))

    assert found.nearest == "10.40.0.0/24"
