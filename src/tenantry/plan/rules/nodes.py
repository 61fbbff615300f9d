"""What happens on nodes when fields of operators' objects change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tenantry.plan.effect import Action, Area, Certainty, Effect, Level, Mark, Return
from tenantry.plan.rule import Comparison, Row, plural
from tenantry.plan.rules.acting import act

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.cluster import Pool
    from tenantry.plan.rule import Context, Hit

_MADE, _CHANGED, _GONE = Mark.ADD, Mark.CHANGE, Mark.REMOVE
_DRIVER = (
    "Platform/*/spec/driver/*|Platform/*/spec/nodePools/*/driver*",
    "Platform/*/spec/operators/gpu-operator*",
    "Platform/*/spec/fabrics*",
    "Platform/*/spec/nodePools*",
    "Platform/*/spec/distribution|Platform/*/spec/version",
)
_FABRIC = ("Platform/*/spec/fabrics*",)
_TUNING = ("Platform/*/spec/nodePools/*/numaAlignment", "Platform/*/spec/fabrics*", "Platform/*/spec/nodePools/*")
_OFED = ("Platform/*/spec/operators/network-operator*", "Platform/*/spec/driver/*", "Platform/*/spec/fabrics*")
_POOLS = ("EFFECT-POOL-ADDED", "EFFECT-POOL-REMOVED", "EFFECT-NODES-ADDED", "EFFECT-NODES-REMOVED")


def _rises(context: Context, hit: Hit) -> bool:
    del context
    before, after = hit.touched.before, hit.touched.after
    return isinstance(before, int) and isinstance(after, int) and after > before


def _falls(context: Context, hit: Hit) -> bool:
    del context
    before, after = hit.touched.before, hit.touched.after
    return isinstance(before, int) and isinstance(after, int) and after < before


_REBOOT = "drained and rebooted, as kernel, kubelet or machine config pool change"


def _owner(context: Context, hit: Hit) -> bool:
    """Whether the driver was the operator's and is the node image's now, or the other way round."""
    del context
    was, now = ((body or {}).get("spec", {}).get("driver", {}).get("enabled") for body in (hit.old, hit.new))
    return was is not None and now is not None and was != now


_ACTS: tuple[Row, ...] = (
    Row(
        "EFFECT-DRIVER-OWNER",
        ("ClusterPolicy.nvidia.com",),
        ("spec/driver/*",),
        "The operator begins or ceases to install the driver; its pods come or go on all nodes at once",
        "NVIDIA GPU Operator, ClusterPolicy driver.enabled: the DaemonSet is made or deleted",
        Area.NODES,
        _DRIVER,
        act(
            Action.DRIVER_RELOAD,
            "the operator begins or ceases to install the GPU driver; pods that hold a GPU stop, and node images must "
            "have the driver where the operator's goes",
            together=True,
        ),
        when=_owner,
        direction="with spec/driver/enabled",
        marks=frozenset({_CHANGED}),
        certainty=Certainty.LIKELY,
    ),
    Row(
        "EFFECT-DRIVER-PACE",
        ("ClusterPolicy.nvidia.com", "NVIDIADriver.nvidia.com"),
        ("spec/driver/upgradePolicy*", "spec/upgradePolicy*"),
        "Upgrades of the GPU driver go at another pace; no driver is loaded anew for it",
        "NVIDIA GPU Operator, api/nvidia/v1/clusterpolicy_types.go, DriverUpgradePolicySpec",
        Area.NODES,
        _DRIVER,
        act(Action.LABEL, "later driver upgrades go at another pace; nothing happens now"),
        marks=frozenset({_CHANGED}),
    ),
    Row(
        "EFFECT-DRIVER-RELOAD",
        ("ClusterPolicy.nvidia.com",),
        ("spec/driver/*",),
        "The GPU driver is loaded anew node by node: cordon, pods with a GPU are deleted, driver, validation, uncordon",
        "NVIDIA GPU Operator, gpu-driver-upgrades: the upgrade controller with autoUpgrade; ClusterPolicy driver.*",
        Area.NODES,
        _DRIVER,
        act(
            Action.DRIVER_RELOAD,
            "cordoned, every pod with a GPU is deleted (one without a controller stops the upgrade), the GPU driver is "
            "loaded anew",
        ),
    ),
    Row(
        "EFFECT-DRIVER-RELOAD",
        ("NVIDIADriver.nvidia.com",),
        ("spec/*", ""),
        "The GPU driver of the nodes that the object selects is loaded anew, as with the ClusterPolicy",
        "NVIDIA GPU Operator, NVIDIADriver; gpu-driver-upgrades",
        Area.NODES,
        _DRIVER,
        act(
            Action.DRIVER_RELOAD,
            "cordoned, every pod with a GPU is deleted (one without a controller stops the upgrade), the GPU driver is "
            "loaded anew",
        ),
        said_by=("EFFECT-DRIVER-RELOAD",),
    ),
    Row(
        "EFFECT-TOOLKIT",
        ("ClusterPolicy.nvidia.com",),
        ("spec/toolkit*", "spec/cdi*"),
        "The container toolkit restarts and configures the container runtime; running containers go on",
        "NVIDIA GPU Operator, ClusterPolicy toolkit.*; DaemonSet with RollingUpdate",
        Area.NODES,
        ("Platform/*/spec/operators/gpu-operator*", "Platform/*/spec/driver/managedBy", "Platform/*/spec/version"),
        act(
            Action.RESTART,
            "the container toolkit restarts; containers that run keep what they have, new ones get the new setting",
        ),
        certainty=Certainty.LIKELY,
    ),
    Row(
        "EFFECT-DEVICE-PLUGIN",
        ("ClusterPolicy.nvidia.com",),
        ("spec/devicePlugin*", "spec/mig/strategy", "spec/gfd*"),
        "Device plugin and feature discovery restart; nodes offer no GPU to new pods for moments, running pods go on",
        "NVIDIA GPU Operator, controllers/object_controls.go: configuration and MIG_STRATEGY are part of the pods",
        Area.NODES,
        (
            "Platform/*/spec/nodePools/*/sharing*",
            "Platform/*/spec/operators/gpu-operator*",
            "Platform/*/spec/nodePools*",
        ),
        act(Action.RESTART, "the device plugin restarts; pods that run go on"),
    ),
    Row(
        "EFFECT-MIG-MANAGER",
        ("ClusterPolicy.nvidia.com",),
        ("spec/migManager*",),
        "The MIG manager restarts with other layouts; GPUs are reset only where the layout of their node differs",
        "NVIDIA mig-parted, deployments/container/reconfigure-mig.sh: acts when mig.config or its state differs",
        Area.NODES,
        (
            "Platform/*/spec/nodePools/*/sharing*",
            "Platform/*/spec/operators/gpu-operator*",
            "Platform/*/spec/nodePools*",
        ),
        act(Action.RESTART, "the MIG manager restarts; GPUs whose layout is as before are left alone"),
    ),
    Row(
        "EFFECT-EXPORTER",
        ("ClusterPolicy.nvidia.com",),
        ("spec/dcgm*", "spec/nodeStatusExporter*"),
        "Exporters restart; metrics have a gap of a scrape or two",
        "NVIDIA GPU Operator, ClusterPolicy dcgmExporter.*",
        Area.NODES,
        ("Platform/*/spec/observability*", "Platform/*/spec/operators/gpu-operator*"),
        act(Action.RESTART, "the metrics exporter restarts; metrics have a short gap"),
    ),
    Row(
        "EFFECT-GPU-OPERANDS",
        ("ClusterPolicy.nvidia.com",),
        ("spec/*", ""),
        "Operands of the GPU Operator restart one node after another; running pods go on",
        "NVIDIA GPU Operator, daemonsets.updateStrategy RollingUpdate, rollingUpdate.maxUnavailable 1",
        Area.NODES,
        ("Platform/*/spec/operators/gpu-operator*", "Platform/*/spec/*"),
        act(Action.RESTART, "operands of the GPU Operator restart one after another"),
        certainty=Certainty.LIKELY,
    ),
    Row(
        "EFFECT-MTU-LOWER",
        ("SriovNetworkNodePolicy.sriovnetwork.openshift.io",),
        ("spec/mtu",),
        "A lower MTU is not applied: the operator never lowers one",
        "SR-IOV Network Operator, api/v1/helper.go, NeedToUpdateSriov",
        Area.NODES,
        ("Platform/*/spec/fabrics/*/mtu",),
        act(
            Action.LABEL,
            "the MTU of virtual functions stays as it is: the operator never lowers one; it falls when the "
            "functions are made again, after a reboot for example",
            level=Level.CHANGE,
        ),
        when=_falls,
        direction="falls",
        marks=frozenset({_CHANGED}),
    ),
    Row(
        "EFFECT-FIRMWARE",
        ("SriovNetworkNodePolicy.sriovnetwork.openshift.io",),
        ("spec/linkType", "spec/eSwitchMode"),
        "Firmware of the NIC is configured anew: drain and reboot",
        "SR-IOV Network Operator, pkg/plugins/mellanox: LINK_TYPE and SRIOV_EN need a reboot",
        Area.NODES,
        _FABRIC,
        act(Action.REBOOT, "drained and rebooted, as firmware of the NIC is configured anew"),
        marks=frozenset({_CHANGED}),
    ),
    Row(
        "EFFECT-VF-MORE",
        ("SriovNetworkNodePolicy.sriovnetwork.openshift.io",),
        ("spec/numVfs",),
        "More virtual functions: drained and made anew; rebooted as well where the firmware allows fewer",
        "SR-IOV Network Operator, api/v1/helper.go NeedToUpdateSriov; pkg/plugins/mellanox: NUM_OF_VFS needs a reboot",
        Area.NODES,
        ("Platform/*/spec/fabrics/*/vfsPerRail",),
        act(
            Action.DRAIN,
            "drained, virtual functions are made anew; a reboot as well where the firmware of the NIC "
            "allows fewer functions",
        ),
        when=_rises,
        direction="rises",
        marks=frozenset({_CHANGED}),
    ),
    Row(
        "EFFECT-VF-OWNER",
        ("SriovNetworkNodePolicy.sriovnetwork.openshift.io",),
        ("spec/externallyManaged",),
        "Virtual functions are made by the node or by the operator from now on; those that are there stay",
        "SR-IOV Network Operator, api/v1/helper.go NeedToUpdateSriov: not among what is compared; externallyManaged is "
        "never reset",
        Area.NODES,
        ("Platform/*/spec/fabrics/*/externallyManaged",),
        act(
            Action.LABEL,
            "nothing is drained: virtual functions stay as they are; after the next reboot whoever is named now must "
            "make them, and the operator only checks that enough are there where they are managed outside",
            level=Level.CHANGE,
        ),
        certainty=Certainty.LIKELY,
        marks=frozenset({_CHANGED}),
    ),
    Row(
        "EFFECT-VF-PRIORITY",
        ("SriovNetworkNodePolicy.sriovnetwork.openshift.io",),
        ("spec/priority", "spec/excludeTopology", "spec/resourceName", "spec/isRdma", "spec/needVhostNet"),
        "The SR-IOV device plugin restarts with another list; virtual functions are left alone",
        "SR-IOV Network Operator, pkg/plugins/generic: compares MTU, eSwitch, number and drivers of functions only",
        Area.NODES,
        _FABRIC,
        act(Action.RESTART, "the SR-IOV device plugin restarts; virtual functions are left alone"),
        certainty=Certainty.LIKELY,
        marks=frozenset({_CHANGED}),
    ),
    Row(
        "EFFECT-VF-RESET",
        ("SriovNetworkNodePolicy.sriovnetwork.openshift.io",),
        ("spec/*", ""),
        "Nodes are drained and virtual functions are made anew",
        "SR-IOV Network Operator, api/v1/helper.go NeedToUpdateSriov; nodes are drained before they are configured",
        Area.NODES,
        (*_FABRIC, "Platform/*/spec/nodePools*"),
        act(Action.DRAIN, "drained, virtual functions are made anew"),
    ),
    Row(
        "EFFECT-RDMA-MODE",
        ("SriovNetworkPoolConfig.sriovnetwork.openshift.io",),
        ("spec/rdmaMode",),
        "The RDMA namespace mode is a kernel module option: nodes reboot",
        "SR-IOV Network Operator, SriovNetworkPoolConfig rdmaMode: ib_core.netns_mode, applied by a reboot",
        Area.NODES,
        ("Platform/*/spec/fabrics/*/rdmaMode",),
        act(Action.REBOOT, "drained and rebooted, as the RDMA namespace mode is an option of a kernel module"),
        marks=frozenset({_CHANGED}),
    ),
    Row(
        "EFFECT-NODE-GROUP",
        ("SriovNetworkPoolConfig.sriovnetwork.openshift.io",),
        ("spec/*", ""),
        "The group of nodes that are configured together differs; nothing is drained for it",
        "SR-IOV Network Operator, SriovNetworkPoolConfig maxUnavailable and nodeSelector",
        Area.NODES,
        (*_FABRIC, "Platform/*/spec/nodePools*"),
        act(Action.LABEL, "grouped otherwise for later changes of virtual functions; nothing happens now"),
        certainty=Certainty.LIKELY,
    ),
    Row(
        "EFFECT-SRIOV-DAEMON",
        ("SriovOperatorConfig.sriovnetwork.openshift.io",),
        ("spec/*", ""),
        "Daemons of the SR-IOV operator restart",
        "SR-IOV Network Operator, controllers/sriovoperatorconfig_controller.go",
        Area.NODES,
        (*_FABRIC, "Platform/*/spec/operators/sriov*", "Platform/*/spec/nodePools*"),
        act(Action.RESTART, "daemons of the SR-IOV operator restart"),
        said_by=("EFFECT-FABRIC",),
        certainty=Certainty.LIKELY,
    ),
    Row(
        "EFFECT-REBOOT",
        (
            "MachineConfig.machineconfiguration.openshift.io",
            "KubeletConfig.machineconfiguration.openshift.io",
        ),
        ("spec/*", ""),
        "The machine config operator renders a new configuration: nodes are drained and rebooted one after another",
        "OpenShift, machine configuration: a rendered MachineConfig is applied by drain and reboot",
        Area.NODES,
        _TUNING,
        act(Action.REBOOT, _REBOOT),
    ),
    Row(
        "EFFECT-REBOOT",
        ("MachineConfigPool.machineconfiguration.openshift.io",),
        ("spec/nodeSelector*", "spec/machineConfigSelector*", ""),
        "Nodes change their machine config pool: they are drained and rebooted one after another",
        "OpenShift, machine configuration: nodes take the rendered configuration of their pool by drain and reboot",
        Area.NODES,
        _TUNING,
        act(Action.REBOOT, _REBOOT),
    ),
    Row(
        "EFFECT-REBOOT-PACE",
        ("MachineConfigPool.machineconfiguration.openshift.io",),
        ("spec/*", "metadata/labels/*"),
        "Later machine configurations go at another pace",
        "OpenShift, MachineConfigPool maxUnavailable and paused",
        Area.NODES,
        _TUNING,
        act(Action.LABEL, "later machine configurations go at another pace; nothing happens now"),
    ),
    Row(
        "EFFECT-NIC-DRIVER",
        ("NicClusterPolicy.mellanox.com",),
        ("spec/ofedDriver", "spec/ofedDriver/*"),
        "The network driver is loaded anew: nodes are drained one after another",
        "NVIDIA Network Operator, ofedDriver.upgradePolicy: autoUpgrade, drain.enable, maxParallelUpgrades",
        Area.NODES,
        _OFED,
        act(Action.NIC_DRIVER_RELOAD, "drained, the network driver is loaded anew"),
    ),
    Row(
        "EFFECT-NIC-DAEMONS",
        ("NicClusterPolicy.mellanox.com",),
        ("spec/nodeAffinity*", "spec/tolerations*", "spec/nvIpam*", "spec/secondaryNetwork*", "spec/ibKubernetes*"),
        "Daemons of the Network Operator restart, start on new nodes and leave others",
        "NVIDIA Network Operator, NicClusterPolicy",
        Area.NODES,
        (*_OFED, "Platform/*/spec/nodePools*"),
        act(Action.RESTART, "daemons of the Network Operator restart; the driver that is loaded stays"),
        certainty=Certainty.LIKELY,
    ),
    Row(
        "EFFECT-NIC-DRIVER",
        ("NicClusterPolicy.mellanox.com",),
        ("spec/*", ""),
        "The network driver is installed or removed: nodes are drained one after another",
        "NVIDIA Network Operator, NicClusterPolicy",
        Area.NODES,
        (*_OFED, "Platform/*/spec/nodePools*"),
        act(Action.NIC_DRIVER_RELOAD, "drained, the network driver is installed or removed"),
        said_by=("EFFECT-FABRIC",),
    ),
)

ROWS = tuple(
    replace(row, said_by=(*row.said_by, *(name for name in _POOLS if name not in row.said_by))) for row in _ACTS
)
"""What acts only on nodes that come or go is told by the effects on pools."""


def _moved(context: Context, rule: Comparison) -> Iterator[Effect]:
    """Pools and nodes that come and go."""
    for name in sorted(context.old.pool_names | context.new.pool_names):
        was, now = context.old_pools.get(name), context.new_pools.get(name)
        if was is None and now is not None:
            said = (
                f"node pool added: {plural(now.nodes, 'node')} with {plural(now.gpus_per_node, 'GPU')} each are "
                "labelled and configured before tenants can use them"
            )
            yield _pool(context, rule, "EFFECT-POOL-ADDED", now, (Mark.ADD, now.nodes, said))
        elif now is None and was is not None:
            said = f"node pool removed: {plural(was.nodes, 'node')} leave; {_STAYS}"
            yield _pool(context, rule, "EFFECT-POOL-REMOVED", was, (Mark.DISRUPT, was.nodes, said))
        elif was is not None and now is not None:
            came, left = _came_and_left(was, now)
            if came:
                said = f"{plural(came, 'node')} added; labelled and configured before tenants can use them"
                yield _pool(context, rule, "EFFECT-NODES-ADDED", now, (Mark.ADD, came, said))
            if left:
                said = f"{plural(left, 'node')} leave the pool; {_STAYS}"
                yield _pool(context, rule, "EFFECT-NODES-REMOVED", was, (Mark.DISRUPT, left, said))


_STAYS = "labels and taints stay until a person takes them off, and pods that run there are not evicted by the tree"


def _came_and_left(was: Pool, now: Pool) -> tuple[int, int]:
    if was.spec.hosts and now.spec.hosts:
        before, after = set(was.spec.hosts), set(now.spec.hosts)
        return len(after - before), len(before - after)
    return max(0, now.nodes - was.nodes), max(0, was.nodes - now.nodes)


def _pool(context: Context, rule: Comparison, identifier: str, pool: Pool, told: tuple[Mark, int, str]) -> Effect:
    mark, nodes, said = told
    gone = mark is Mark.DISRUPT
    return Effect(
        rule=identifier,
        area=rule.area,
        mark=mark,
        level=Level.DISRUPTIVE if gone else Level.CHANGE,
        subject=f"node pool {pool.name}",
        message=said,
        source=rule.source,
        causes=context.causes(
            (f"Platform/*/spec/nodePools/{pool.name}/hosts", f"Platform/*/spec/nodePools/{pool.name}/count")
        )
        or context.causes((f"Platform/*/spec/nodePools/{pool.name}", "Platform/*/spec/nodePools")),
        numbers=(("nodes", nodes), ("GPUs", nodes * pool.gpus_per_node)),
        tenants=context.entitled([pool.name]),
        pools=(pool.name,),
        way_back=Return.RESTORED,
    )


def _labels(context: Context, rule: Comparison) -> Iterator[Effect]:
    """Labels and taints of nodes that stay."""
    for name in sorted(context.old.pool_names & context.new.pool_names):
        was, now = context.old_pools[name].spec, context.new_pools[name].spec
        said = []
        if was.labels != now.labels:
            keys = sorted(key for key in {*was.labels, *now.labels} if was.labels.get(key) != now.labels.get(key))
            said.append(f"labels {', '.join(keys)} change")
        if was.selector != now.selector:
            said.append("the labels that select the nodes change; nodes without them leave the pool")
        if was.dedicated != now.dedicated:
            said.append(
                "a NoSchedule taint is set: pods without its toleration start elsewhere, those that run stay"
                if now.dedicated
                else "the taint is set no more: anybody's pods may start there once a person takes off the one there is"
            )
        if said:
            yield Effect(
                rule=rule.id,
                area=rule.area,
                mark=Mark.CHANGE,
                level=Level.CHANGE,
                subject=f"node pool {name}",
                message=f"{plural(context.staying(name), 'node')}: {'; '.join(said)}",
                source=rule.source,
                causes=context.causes(
                    tuple(f"Platform/*/spec/nodePools/{name}/{part}*" for part in ("labels", "selector", "dedicated"))
                ),
                numbers=(("nodes", context.staying(name)),),
                tenants=context.entitled([name]),
                pools=(name,),
            )


COMPARISONS = (
    Comparison(
        "EFFECT-NODES",
        "Node pools and nodes come and go",
        "the tree labels and taints nodes; it never removes a label it set, nor drains a node that leaves",
        Area.NODES,
        ("Platform/*/spec/nodePools*",),
        _moved,
    ),
    Comparison(
        "EFFECT-NODE-LABELS",
        "Labels and taints of nodes change",
        "Kubernetes, taints and tolerations: NoSchedule does not evict pods that run",
        Area.NODES,
        ("Platform/*/spec/nodePools/*/labels*",),
        _labels,
    ),
)
