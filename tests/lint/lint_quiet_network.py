"""Sound variants of networks, each beside a defect it resembles: the rule named must say nothing about them."""

from __future__ import annotations

import lint_network_bases as net
import lint_platform_bases as platform
from lint_network_bases import both

HOSTDEV = '"selectors": {"vendors": ["15b3"], "pfNames": ["ens9f0"]}'

QUIET: tuple[tuple[str, str, str], ...] = (
    ("LINT-EMBED-IPAM", "empty text", net.NETWORK + '  ipam: ""\n'),
    ("LINT-EMBED-IPAM", "an empty object: no addresses are wanted", net.NETWORK + "  ipam: '{}'\n"),
    (
        "LINT-EMBED-IPAM-FIELDS",
        "whereabouts with a span",
        net.NETWORK + """  ipam: '{"type": "whereabouts", "range": "10.0.0.5-10.0.0.9/24"}'\n""",
    ),
    (
        "LINT-EMBED-IPAM-FIELDS",
        "whereabouts with several ranges",
        net.NETWORK + """  ipam: '{"type": "whereabouts", "ipRanges": [{"range": "10.0.0.0/24"}]}'\n""",
    ),
    (
        "LINT-EMBED-IPAM-FIELDS",
        "two pools of nv-ipam",
        net.NETWORK + """  ipam: '{"type": "nv-ipam", "poolName": "a,b", "poolType": "cidrpool"}'\n""",
    ),
    ("LINT-EMBED-NETWORKS", "plain names", net.POD.replace("a-rail0}", '"a-rail0, team-a/b-rail0@net2"}')),
    ("LINT-EMBED-NODES", "value taken back by server-side apply", net.NODES.replace('"a"', "null")),
    (
        "LINT-EMBED-NODES",
        "a text that only talks about nodes",
        net.NODES.replace("    kind: Node\n", "    kind: NodePool\n").replace('"a"', "8"),
    ),
    (
        "LINT-SRIOV-VENDOR-ONLY",
        "chosen by network id",
        net.POLICY.replace('deviceID: "1021", pfNames: [ens1f0]', 'netFilter: "aws/NetworkID:x"'),
    ),
    (
        "LINT-SRIOV-VENDOR-ONLY",
        "chosen by PCI address",
        net.POLICY.replace('deviceID: "1021", pfNames: [ens1f0]', 'rootDevices: ["0000:18:00.0"]'),
    ),
    (
        "LINT-SRIOV-VFIO-RDMA",
        "vfio for virtual machines",
        net.POLICY.replace("netdevice", "vfio-pci").replace("isRdma: true", "isRdma: false"),
    ),
    (
        "LINT-SRIOV-VFIO-MELLANOX",
        "vfio on another vendor",
        net.POLICY.replace("netdevice", "vfio-pci").replace("isRdma: true", "isRdma: false").replace("15b3", "8086"),
    ),
    (
        "LINT-SRIOV-VFS",
        "another vendor has more",
        net.POLICY.replace("15b3", "8086").replace("1021", "1592").replace("numVfs: 8", "numVfs: 256"),
    ),
    ("LINT-SRIOV-IB-VFS", "many VFs on Ethernet", net.POLICY.replace("numVfs: 8", "numVfs: 64")),
    ("LINT-SRIOV-IB-MTU", "jumbo frames on Ethernet", net.POLICY + "  mtu: 9000\n"),
    ("LINT-SRIOV-SWITCHDEV-IB", "switchdev on Ethernet", net.POLICY + "  eSwitchMode: switchdev\n"),
    (
        "LINT-SRIOV-VFS-UNEQUAL",
        "another function",
        both(net.POLICY, net.OTHER.replace("ens1f0", "ens2f0").replace("numVfs: 8", "numVfs: 4")),
    ),
    ("LINT-SRIOV-MTU-UNEQUAL", "another resource", both(net.POLICY + "  mtu: 9000\n", net.OTHER + "  mtu: 1500\n")),
    (
        "LINT-SRIOV-TOPOLOGY",
        "no RDMA to align",
        net.POLICY.replace("isRdma: true", "isRdma: false") + "  excludeTopology: true\n",
    ),
    (
        "LINT-SRIOV-MOFED-WAIT",
        "driver on the host",
        both(
            net.NCP.replace("  ofedDriver", "  nvIpam"),
            net.CONFIG.replace('network.nvidia.com/operator.mofed.wait: "false"', ""),
        ),
    ),
    (
        "LINT-SRIOV-POOL-OVERLAP",
        "expressions are not compared",
        both(
            net.POOL,
            net.POOL.replace("name: gpu", "name: b").replace(
                "{matchLabels: {pool: a}}", "{matchExpressions: [{key: pool, operator: In, values: [b]}]}"
            ),
        ),
    ),
    ("LINT-SRIOV-NETWORK-RESOURCE", "resource of a policy", both(net.POLICY, net.NETWORK)),
    (
        "LINT-SRIOV-NETNS",
        "namespace of the platform",
        both(net.NAMESPACES, net.NETWORK.replace("networkNamespace: team-a", "networkNamespace: openshift-monitoring")),
    ),
    (
        "LINT-SRIOV-NETNS-OUTSIDE",
        "its own namespace",
        both(net.CONFIG, net.NETWORK.replace("namespace: openshift-sriov-network-operator", "namespace: team-a")),
    ),
    (
        "LINT-SRIOV-VLAN-SHARED",
        "two rails of one tenant",
        both(net.NAMESPACES, net.NETWORK, net.NETWORK.replace("a-rail0", "a-rail1")),
    ),
    (
        "LINT-SRIOV-VLAN-SHARED",
        "untagged on two adapters",
        both(net.NETWORK, net.SECOND.replace("resourceName: rail0", "resourceName: rail1")).replace(
            "  vlan: 100\n", ""
        ),
    ),
    ("LINT-SRIOV-RATE", "no upper bound", net.NETWORK + "  minTxRate: 200\n  maxTxRate: 0\n"),
    (
        "LINT-SRIOV-RDMA-SHARED",
        "no rdma plugin",
        both(net.POLICY, net.POOL.replace("exclusive", "shared"), net.NETWORK),
    ),
    (
        "LINT-SRIOV-RDMA-SHARED",
        "some nodes are exclusive",
        both(
            net.POLICY,
            net.POOL,
            net.POOL.replace("name: gpu", "name: b").replace("exclusive", "shared").replace("pool: a", "pool: b"),
            net.NETWORK + net.RDMA,
        ),
    ),
    (
        "LINT-SRIOV-RDMA-PLUGIN",
        "storage network without RDMA",
        both(net.POLICY.replace("isRdma: true", "isRdma: false"), net.POOL, net.NETWORK),
    ),
    (
        "LINT-SRIOV-RDMA-OMITTED",
        "pod without GPU and RDMA",
        both(
            net.POLICY.replace("  isRdma: true\n", ""),
            net.POD.replace("    securityContext: {capabilities: {add: [IPC_LOCK]}}\n", ""),
        ),
    ),
    (
        "LINT-SRIOV-RDMA-OMITTED",
        "vfio is the other finding",
        both(net.POLICY.replace("  isRdma: true\n", "").replace("netdevice", "vfio-pci"), net.NETWORK + net.RDMA),
    ),
    ("LINT-SRIOV-IB-PKEY", "no tenant's namespace", net.NAD.replace(', "pkey": "0x0a01"', "")),
    (
        "LINT-SRIOV-IB-PKEY-SHARED",
        "two rails of one tenant",
        both(net.NAMESPACES, net.NAD, net.NAD.replace("name: ib,", "name: ib2,")),
    ),
    (
        "LINT-SRIOV-IB-PKEY-SHARED",
        "templates without namespace",
        both(
            net.NAD.replace(", namespace: team-a", ""),
            net.NAD.replace("name: ib, namespace: team-a", "name: ib2, namespace: team-b"),
        ),
    ),
    (
        "LINT-IPAM-BLOCK",
        "one VF per address",
        both(net.POLICY.replace("numVfs: 8", "numVfs: 16"), net.NETWORK + net.IPAM, net.IPPOOL),
    ),
    (
        "LINT-IPAM-BLOCK",
        "two tenants on one resource draw once",
        both(net.POLICY.replace("numVfs: 8", "numVfs: 16"), net.NETWORK + net.IPAM, net.SECOND + net.IPAM, net.IPPOOL),
    ),
    (
        "LINT-SRIOV-VF-DEMAND",
        "functions nobody named",
        both(net.POLICY.replace(", pfNames: [ens1f0]", ""), net.POD.replace("rail0: 1}", "rail0: 16}")),
    ),
    (
        "LINT-SRIOV-VF-DEMAND",
        "two policies of one resource",
        both(
            net.POLICY,
            net.POLICY.replace("name: rail0,", "name: b,").replace("ens1f0", "ens2f0"),
            net.POD.replace("rail0: 1}", "rail0: 16}"),
        ),
    ),
    (
        "LINT-SRIOV-PREFIX",
        "a device of another vendor's domain",
        both(net.SUBSCRIPTION, net.POLICY, net.POD.replace("openshift.io", "example.com")),
    ),
    (
        "LINT-SRIOV-PREFIX",
        "a GPU beside the VFs",
        both(net.SUBSCRIPTION, net.POLICY, net.POD.replace("{openshift", "{nvidia.com/gpu: 1, openshift")),
    ),
    (
        "LINT-SRIOV-PREFIX",
        "CPU named like the resource",
        both(net.SUBSCRIPTION, net.POLICY, platform.QUOTA.replace("requests.nvidia.com/gpu", "rail0")),
    ),
    (
        "LINT-SRIOV-PREFIX",
        "two operators: nobody knows which",
        both(
            net.SUBSCRIPTION,
            net.helm("network-operator", "{sriovNetworkOperator: {enabled: true}}"),
            net.POLICY,
            net.POD.replace("openshift.io", "nvidia.com"),
        ),
    ),
    (
        "LINT-SRIOV-PREFIX",
        "chart that leaves SR-IOV to others",
        both(
            net.helm("network-operator", "{sriovNetworkOperator: {enabled: false}}"),
            net.POLICY.replace("openshift-sriov-network-operator", "nno"),
            net.POD,
        ),
    ),
    ("LINT-NET-UNKNOWN", "network made where the pod looks", both(net.NETWORK, net.POD)),
    ("LINT-NET-UNKNOWN", "attachment written by hand", both(net.NAD, net.POD.replace(": a-rail0", ": ib"))),
    (
        "LINT-NET-UNKNOWN",
        "pod whose namespace is given elsewhere",
        both(net.NETWORK.replace("team-a", "team-b"), net.POD.replace("  namespace: team-a\n", "")),
    ),
    (
        "LINT-NET-IPC-LOCK",
        "privileged",
        both(net.POLICY, net.POD.replace("{capabilities: {add: [IPC_LOCK]}}", "{privileged: true}")),
    ),
    (
        "LINT-NET-IPC-LOCK",
        "VFs without RDMA",
        both(
            net.POLICY.replace("isRdma: true", "isRdma: false"),
            net.POD.replace("{capabilities: {add: [IPC_LOCK]}}", "{}"),
        ),
    ),
    ("LINT-NIC-CONFIG", "hyphen in a name of the shared plugin", net.SHARED_PLUGIN),
    (
        "LINT-NIC-CONFIG",
        "several selectors in a list",
        net.SRIOV_PLUGIN.replace(
            HOSTDEV.split(": ", 1)[1], '[{"vendors": ["15b3"], "isRdma": true}, {"vendors": ["8086"]}]'
        ),
    ),
    (
        "LINT-NIC-CONFIG-KEY",
        "interval of the shared plugin",
        net.SHARED_PLUGIN.replace('{"configList"', '{"periodicUpdateInterval": 300, "configList"'),
    ),
    ("LINT-NIC-TWO-PLUGINS", "other functions", both(net.SRIOV_PLUGIN, net.POLICY)),
    (
        "LINT-NIC-TWO-PLUGINS",
        "another vendor",
        both(net.SRIOV_PLUGIN.replace('"15b3"', '"8086"').replace('"ens9f0"', '"ens1f0"'), net.POLICY),
    ),
    (
        "LINT-NIC-TWO-PLUGINS",
        "one card by address",
        both(net.SRIOV_PLUGIN.replace('"pfNames": ["ens9f0"]', '"pciAddresses": ["0000:03:02.0"]'), net.POLICY),
    ),
    (
        "LINT-NIC-NODE-OVERLAP",
        "two sets of nodes",
        both(
            *(
                net.NCP.replace("NicClusterPolicy", "NicNodePolicy")
                .replace("nic-cluster-policy", rack)
                .replace("spec:", f"spec:\n  nodeSelector: {{rack: {rack}}}")
                for rack in ("r1", "r2")
            )
        ),
    ),
    (
        "LINT-NIC-MULTUS",
        "no OpenShift",
        net.NCP + "  secondaryNetwork: {multus: {image: i, repository: r, version: v}}\n",
    ),
    (
        "LINT-NIC-IMAGE",
        "global fills in",
        net.NCP.replace(", repository: nvcr.io/nvidia/mellanox, version: doca3.1.0", "").replace(
            "spec:\n", "spec:\n  global: {repository: r, version: v}\n"
        ),
    ),
    ("LINT-NIC-CONFIGURATION", "RoCE on Ethernet", net.TEMPLATE),
    (
        "LINT-NIC-TEMPLATE-VFS",
        "another adapter",
        both(net.TEMPLATE, net.POLICY.replace("1021", "1023").replace("numVfs: 8", "numVfs: 16")),
    ),
    ("LINT-NFD-CLASSES", "the whole class 02", net.NFD.replace('"0200", "0207"', '"02"')),
    (
        "LINT-NFD-LABEL-CLOSURE",
        "vendor labels",
        both(net.NFD, net.POLICY.replace("{pool: a}", '{feature.node.kubernetes.io/pci-15b3.present: "true"}')),
    ),
    (
        "LINT-NFD-RULE-NAMESPACE",
        "upstream",
        "apiVersion: nfd.k8s-sigs.io/v1alpha1\nkind: NodeFeatureRule\nmetadata: {name: r}\nspec: {rules: []}\n",
    ),
)
