"""Sound variants of GPUs and operators, each beside a defect it resembles.

The rule named must say nothing about them.
"""

from __future__ import annotations

import lint_network_bases as net
import lint_platform_bases as platform
from lint_network_bases import both

GPU_ONLY = platform.CLUSTER_POLICY.replace("config: {name: sharing, default: plain}", "config: {}").replace(
    'config: {name: layouts, default: ""}', "config: {}"
)
QUIET: tuple[tuple[str, str, str], ...] = (
    (
        "LINT-GPU-IMAGE",
        "image by full path",
        platform.CLUSTER_POLICY.replace("toolkit: {", "toolkit: {image: registry.example.com/toolkit:v1, "),
    ),
    (
        "LINT-GPU-MIG-DEFAULT",
        "the one default that acts",
        platform.CLUSTER_POLICY.replace('default: ""', "default: all-disabled"),
    ),
    (
        "LINT-GPU-PARALLEL",
        "upgrades are off",
        platform.CLUSTER_POLICY.replace(
            "autoUpgrade: true, maxParallelUpgrades: 1", "autoUpgrade: false, maxParallelUpgrades: 0"
        ),
    ),
    (
        "LINT-GPU-DRIVER-OVERLAP",
        "default takes the rest",
        both(
            platform.DRIVER,
            platform.DRIVER.replace("name: gold}", "name: rest}")
            .replace("default: false", "default: true")
            .replace("  nodeSelector: {tier: gold}\n", ""),
        ),
    ),
    (
        "LINT-GPU-REFERENCE",
        "map the operator ships",
        both(
            platform.CLUSTER_POLICY.replace("name: layouts", "name: default-mig-parted-config"),
            platform.LAYOUTS,
            platform.SHARING,
        ),
    ),
    (
        "LINT-GPU-NODE-KEY",
        "layout the operator ships",
        both(
            GPU_ONLY,
            platform.LAYOUTS,
            platform.NODES.replace("config: serving", "config: all-1g.18gb").replace(
                ", nvidia.com/device-plugin.config: sliced", ""
            ),
        ),
    ),
    (
        "LINT-GPU-STRATEGY",
        "uniform layout under single",
        both(
            platform.CLUSTER_POLICY.replace("strategy: mixed", "strategy: single"),
            platform.LAYOUTS.replace('{"1g.18gb": 2, "2g.35gb": 1, "3g.71gb": 1}', '{"1g.18gb": 7}'),
            platform.NODES,
        ),
    ),
    (
        "LINT-GPU-STRATEGY",
        "layout nobody chooses",
        both(platform.CLUSTER_POLICY.replace("strategy: mixed", "strategy: single"), platform.LAYOUTS),
    ),
    (
        "LINT-GPU-PEERMEM",
        "driver of the host",
        both(
            platform.CLUSTER_POLICY + "    rdma: {enabled: true, useHostMofed: true}\n",
            net.NCP.replace("  ofedDriver", "  nvIpam"),
        ),
    ),
    ("LINT-GPU-PEERMEM", "nothing known about the network", platform.CLUSTER_POLICY + "    rdma: {enabled: true}\n"),
    (
        "LINT-GPU-PEERMEM",
        "proprietary module with peermem",
        both(
            platform.CLUSTER_POLICY.replace("kernelModuleType: open", "kernelModuleType: proprietary")
            + "    rdma: {enabled: true}\n",
            net.NCP,
            net.POLICY,
        ),
    ),
    ("LINT-GPU-ACCESS", "CDI hands out devices", platform.CLUSTER_POLICY),
    (
        "LINT-GPU-OPEN-ACCESS",
        "one tenant",
        both(net.NAMESPACES.replace("tenant: b", "tenant: a"), GPU_ONLY.replace('"false"', '"true"')),
    ),
    (
        "LINT-GPU-VERSION",
        "leak without RDMA",
        platform.GPU_SUBSCRIPTION.replace("26.7", "26.3").replace("26.3.0", "26.3.1"),
    ),
    ("LINT-GPU-VERSION", "stuck pods without CRI-O", net.helm("gpu-operator", "{}").replace("26.4.1", "v25.10.0")),
    ("LINT-GPU-HOST-USERS", "no GPU", platform.CPU_POD.replace("spec:\n", "spec:\n  hostUsers: false\n")),
    (
        "LINT-MIG-KEY",
        "a second map beside the one that is read",
        platform.LAYOUTS
        + "  old.yaml: |\n    version: v1\n    mig-configs: {a: [{devices: all, mig-enabled: false}]}\n",
    ),
    (
        "LINT-MIG-SCHEMA",
        "no instances wanted",
        platform.LAYOUTS.replace('{"1g.18gb": 2, "2g.35gb": 1, "3g.71gb": 1}', "{}"),
    ),
    (
        "LINT-MIG-OVERLAP",
        "the same setting twice",
        platform.LAYOUTS.replace(
            "        - devices: all\n          mig-enabled: false",
            "        - {devices: [0], mig-enabled: false}\n        - {devices: [0, 1], mig-enabled: false}",
        ),
    ),
    ("LINT-SHARE-BOTH", "one of them", platform.SHARING),
    (
        "LINT-SHARE-STRATEGY",
        "map of another policy",
        both(
            platform.CLUSTER_POLICY.replace("name: sharing", "name: other"),
            platform.SHARING.replace("migStrategy: mixed", "migStrategy: none"),
        ),
    ),
    ("LINT-SHARE-REFERENCE", "map that is elsewhere", platform.CLUSTER_POLICY),
    (
        "LINT-SINGLE-TWO",
        "deployments kept apart by instance",
        both(net.NFD, net.NFD.replace("name: nfd,", "name: kata,").replace("spec:\n", "spec:\n  instance: kata\n")),
    ),
    (
        "LINT-OLM-TWO-GROUPS",
        "two namespaces",
        both(platform.GROUP, platform.GROUP.replace("nvidia-gpu-operator", "openshift-nfd")),
    ),
    (
        "LINT-OLM-NO-GROUP",
        "namespace that has one of its own",
        both(
            platform.GROUP,
            platform.GPU_SUBSCRIPTION.replace("namespace: nvidia-gpu-operator", "namespace: openshift-operators"),
        ),
    ),
    (
        "LINT-OLM-INSTALL-MODE",
        "namespaces by selector",
        both(
            platform.GPU_SUBSCRIPTION,
            platform.GROUP.replace(
                "{targetNamespaces: [nvidia-gpu-operator]}", "{selector: {matchLabels: {gpu: own}}}"
            ),
        ),
    ),
    (
        "LINT-OLM-AUTOMATIC",
        "operator that drains nothing",
        platform.GPU_SUBSCRIPTION.replace("gpu-operator-certified", "nfd").replace("Manual", "Automatic"),
    ),
    (
        "LINT-OLM-STARTING-CSV",
        "channel without a version",
        platform.GPU_SUBSCRIPTION.replace("channel: v26.7", "channel: stable"),
    ),
    (
        "LINT-OLM-STARTING-CSV",
        "package nobody knows",
        platform.GPU_SUBSCRIPTION.replace("name: gpu-operator-certified\n  source", "name: other\n  source"),
    ),
)
