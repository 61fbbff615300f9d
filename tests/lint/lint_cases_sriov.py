"""Defects of SR-IOV node policies and of strings, each with its smallest repair."""

from __future__ import annotations

from lint_network_bases import CONFIG, IB_POLICY, NAD, NCP, NETWORK, NODES, OTHER, POD, POLICY, POOL, both
from lint_support import Case, error, info, warning

CASES: tuple[Case, ...] = (
    # strings
    error(
        "LINT-EMBED-IPAM",
        "comma before the closing brace",
        NETWORK + """  ipam: '{"type": "nv-ipam", "poolName": "p",}'\n""",
        (",}", "}"),
        at="spec.ipam",
    ),
    error(
        "LINT-EMBED-IPAM",
        "no type",
        NETWORK + """  ipam: '{"poolName": "p"}'\n""",
        ('{"pool', '{"type": "nv-ipam", "pool'),
        at="spec.ipam",
    ),
    error(
        "LINT-EMBED-IPAM",
        "an array",
        NETWORK + """  ipam: '["nv-ipam"]'\n""",
        ('["nv-ipam"]', '{"type": "nv-ipam"}'),
        at="spec.ipam",
    ),
    error(
        "LINT-EMBED-IPAM",
        "a key twice",
        NETWORK + """  ipam: '{"type": "static", "type": "dhcp"}'\n""",
        (', "type": "dhcp"', ""),
        at="spec.ipam",
    ),
    error(
        "LINT-EMBED-IPAM-FIELDS",
        "whereabouts range that is no network",
        NETWORK + """  ipam: '{"type": "whereabouts", "range": "192.168.3.400/28"}'\n""",
        (".400", ".225"),
        at="spec.ipam -> range",
    ),
    error(
        "LINT-EMBED-IPAM-FIELDS",
        "static address without prefix in an attachment",
        NAD.replace('"pkey": "0x0a01"', '"ipam": {"type": "static", "addresses": [{"address": "10.0.0.5"}]}'),
        ("10.0.0.5", "10.0.0.5/24"),
        at="spec.config -> plugins[0].ipam.addresses[0]",
    ),
    error(
        "LINT-EMBED-CAPABILITIES",
        "switch in words",
        NETWORK + """  capabilities: '{"mac": "yes"}'\n""",
        ('"yes"', "true"),
        at="spec.capabilities",
    ),
    error(
        "LINT-EMBED-METAPLUGINS",
        "an array where objects are pasted",
        NETWORK + """  metaPlugins: '[{"type": "rdma"}]'\n""",
        ("[{", "{"),
        ("}]'", "}'"),
        at="spec.metaPlugins",
    ),
    error(
        "LINT-EMBED-METAPLUGINS",
        "second plugin without type",
        NETWORK + """  metaPlugins: '{"type": "rdma"}, {"mtu": 9000}'\n""",
        ('{"mtu"', '{"type": "tuning", "mtu"'),
        at="spec.metaPlugins -> [1]",
    ),
    error(
        "LINT-EMBED-METAPLUGINS",
        "no comma between plugins",
        NETWORK + """  metaPlugins: '{"type": "rdma"} {"type": "sbr"}'\n""",
        ("} {", "}, {"),
        at="spec.metaPlugins",
    ),
    error(
        "LINT-EMBED-NAD",
        "single quotes",
        NAD.replace(
            """'{"cniVersion": "0.3.1", "name": "ib", "plugins": [{"type": "ib-sriov", "pkey": "0x0a01"}]}'""",
            '''"{'type': 'macvlan'}"''',
        ),
        ('''"{'type': 'macvlan'}"''', """'{"type": "macvlan"}'"""),
        at="spec.config",
    ),
    error(
        "LINT-EMBED-NAD",
        "plugin of the chain without type",
        NAD.replace('"type": "ib-sriov", ', ""),
        ('{"pkey"', '{"type": "ib-sriov", "pkey"'),
        at="spec.config -> plugins[0]",
    ),
    error(
        "LINT-EMBED-NETWORKS",
        "entry that names no network",
        POD.replace("a-rail0}", """'[{"interface": "net1"}]'}"""),
        ('{"interface"', '{"name": "a-rail0", "interface"'),
        at="metadata.annotations.k8s.v1.cni.cncf.io/networks -> [0].name",
    ),
    error(
        "LINT-EMBED-NODES",
        "label that is a number",
        NODES.replace('"a"', "8"),
        ("pool: 8", 'pool: "8"'),
        at="data.nodes.yaml -> [0].metadata.labels.pool",
    ),
    error(
        "LINT-EMBED-NODES",
        "label with a space in JSON",
        NODES.replace(
            """    apiVersion: v1
    kind: Node
    metadata:
      name: gpu-01
      labels: {pool: "a"}
""",
            """    {"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"pool": "big ones"}}},
    {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n2", "labels": {"pool": "a"}}}]}
""",
        ),
        ("big ones", "big-ones"),
        at="data.nodes.yaml -> [0].items[0].metadata.labels.pool",
    ),
    error(
        "LINT-EMBED-SCALAR",
        "device id read as a number",
        POLICY.replace('deviceID: "1021"', "deviceID: 1021"),
        ("deviceID: 1021", 'deviceID: "1021"'),
        at="spec.nicSelector.deviceID",
    ),
    error(
        "LINT-EMBED-SCALAR",
        "spoofChk read as a boolean",
        NETWORK + "  spoofChk: on\n",
        ("spoofChk: on", 'spoofChk: "on"'),
        at="spec.spoofChk",
    ),
    error(
        "LINT-ARGO-WAVE",
        "wave in words",
        POLICY.replace("{name: rail0,", '{name: rail0, annotations: {argocd.argoproj.io/sync-wave: "five"},'),
        ('"five"', '"5"'),
        at="metadata.annotations.argocd.argoproj.io/sync-wave",
    ),
    error(
        "LINT-ARGO-WAVE",
        "wave without quotes",
        POLICY.replace("{name: rail0,", "{name: rail0, annotations: {argocd.argoproj.io/sync-wave: 5},"),
        ("wave: 5", 'wave: "-5"'),
        at="metadata.annotations.argocd.argoproj.io/sync-wave",
    ),
    info(
        "LINT-EMBED-LAST-APPLIED",
        "committed by kubectl get",
        POLICY.replace(
            "{name: rail0,", "{name: rail0, annotations: {kubectl.kubernetes.io/last-applied-configuration: x},"
        ),
        ("kubectl.kubernetes.io/last-applied-configuration", "note"),
        at="metadata.annotations.kubectl.kubernetes.io/last-applied-configuration",
    ),
    # node policies
    warning(
        "LINT-SRIOV-VENDOR-ONLY",
        "every ConnectX of the node",
        POLICY.replace(', deviceID: "1021", pfNames: [ens1f0]', ""),
        ('"15b3"', '"15b3", pfNames: [ens1f0]'),
        at="spec.nicSelector",
    ),
    error(
        "LINT-SRIOV-SELECTOR-EMPTY",
        "nothing named",
        POLICY.replace('{vendor: "15b3", deviceID: "1021", pfNames: [ens1f0]}', "{}"),
        ("nicSelector: {}", "nicSelector: {pfNames: [ens1f0]}"),
        at="spec.nicSelector",
    ),
    error(
        "LINT-SRIOV-RESOURCE-NAME",
        "written with its prefix",
        POLICY.replace("resourceName: rail0", "resourceName: openshift.io/rail0"),
        ("openshift.io/", ""),
        at="spec.resourceName",
    ),
    error(
        "LINT-SRIOV-RESOURCE-NAME",
        "64 characters",
        POLICY.replace("resourceName: rail0", "resourceName: " + "r" * 64),
        ("r" * 64, "r" * 63),
        at="spec.resourceName",
    ),
    error(
        "LINT-SRIOV-IDS",
        "id of a virtual function",
        POLICY.replace('"1021"', '"101e"'),
        ('"101e"', '"101d"'),
        at="spec.nicSelector.deviceID",
    ),
    error(
        "LINT-SRIOV-IDS",
        "upper case",
        POLICY.replace('"15b3"', '"15B3"'),
        ('"15B3"', '"15b3"'),
        at="spec.nicSelector.vendor",
    ),
    error(
        "LINT-SRIOV-IDS",
        "PCI address without domain",
        POLICY.replace("pfNames: [ens1f0]", 'rootDevices: ["18:00.1"]'),
        ('"18:00.1"', '"0000:18:00.1"'),
        at="spec.nicSelector.rootDevices[0]",
    ),
    error(
        "LINT-SRIOV-VFIO-RDMA",
        "RDMA of a VF bound to vfio",
        POLICY.replace("netdevice", "vfio-pci"),
        ("vfio-pci", "netdevice"),
        at="spec.deviceType",
    ),
    warning(
        "LINT-SRIOV-VFIO-MELLANOX",
        "no mlx5 device",
        POLICY.replace("netdevice", "vfio-pci").replace("isRdma: true", "isRdma: false"),
        ("vfio-pci", "netdevice"),
        at="spec.deviceType",
    ),
    error(
        "LINT-SRIOV-VFS", "none", POLICY.replace("numVfs: 8", "numVfs: 0"), ("numVfs: 0", "numVfs: 1"), at="spec.numVfs"
    ),
    error(
        "LINT-SRIOV-VFS",
        "more than the webhook takes",
        POLICY.replace("numVfs: 8", "numVfs: 129"),
        ("numVfs: 129", "numVfs: 128"),
        at="spec.numVfs",
    ),
    warning(
        "LINT-SRIOV-IB-VFS",
        "netlink message too long",
        IB_POLICY.replace("numVfs: 8", "numVfs: 17"),
        ("numVfs: 17", "numVfs: 16"),
        at="spec.numVfs",
    ),
    warning(
        "LINT-SRIOV-IB-MTU", "jumbo frames on InfiniBand", IB_POLICY + "  mtu: 9000\n", ("9000", "4092"), at="spec.mtu"
    ),
    error(
        "LINT-SRIOV-SWITCHDEV-IB",
        "switchdev on InfiniBand",
        IB_POLICY + "  eSwitchMode: switchdev\n",
        ("switchdev\n", "legacy\n"),
        at="spec.eSwitchMode",
    ),
    error(
        "LINT-SRIOV-VF-RANGE",
        "last VF beyond numVfs",
        POLICY.replace("[ens1f0]", '["ens1f0#0-8"]'),
        ("0-8", "0-7"),
        at="spec.nicSelector.pfNames[0]",
    ),
    error(
        "LINT-SRIOV-VF-RANGE",
        "backwards",
        POLICY.replace("[ens1f0]", '["ens1f0#4-2"]'),
        ("4-2", "2-4"),
        at="spec.nicSelector.pfNames[0]",
    ),
    error(
        "LINT-SRIOV-VF-RANGE",
        "one number",
        POLICY.replace("[ens1f0]", '["ens1f0#4"]'),
        ("#4", "#4-4"),
        at="spec.nicSelector.pfNames[0]",
    ),
    error(
        "LINT-SRIOV-VF-OVERLAP",
        "two ranges share VF 4",
        both(POLICY.replace("[ens1f0]", '["ens1f0#0-4"]'), OTHER.replace("[ens1f0]", '["ens1f0#4-7"]')),
        ("#0-4", "#0-3"),
        at="spec.nicSelector.pfNames[0]",
    ),
    warning(
        "LINT-SRIOV-VF-OVERLAP",
        "two policies take all VFs",
        both(POLICY, OTHER),
        (
            "resourceName: other\n  nodeSelector: {pool: a}",
            "resourceName: other\n  nodeSelector: {pool: b}",
        ),
        at="spec.nicSelector.pfNames[0]",
    ),
    warning(
        "LINT-SRIOV-SAME-RESOURCE",
        "lower priority is dropped",
        both(
            POLICY.replace("[ens1f0]", '["ens1f0#0-3"]'),
            POLICY.replace("name: rail0,", "name: more,").replace("[ens1f0]", '["ens1f0#4-7"]'),
        ),
        ("ens1f0#4-7", "ens2f0#4-7"),
        at="spec.nicSelector.pfNames[0]",
    ),
    warning(
        "LINT-SRIOV-VFS-UNEQUAL",
        "the highest number wins",
        both(
            POLICY.replace("[ens1f0]", '["ens1f0#0-3"]'),
            OTHER.replace("[ens1f0]", '["ens1f0#4-7"]').replace("numVfs: 8", "numVfs: 10"),
        ),
        ("numVfs: 10", "numVfs: 8"),
        at="spec.numVfs",
    ),
    warning(
        "LINT-SRIOV-MTU-UNEQUAL",
        "one resource, two MTUs",
        both(
            POLICY + "  mtu: 9000\n",
            POLICY.replace("name: rail0,", "name: more,").replace("ens1f0", "ens2f0") + "  mtu: 1500\n",
        ),
        ("1500", "9000"),
        at="spec.mtu",
    ),
    warning(
        "LINT-SRIOV-DEFAULT-POLICY",
        "skipped by name",
        POLICY.replace("name: rail0,", "name: default,"),
        ("name: default,", "name: rail1,"),
        at="metadata.name",
    ),
    warning(
        "LINT-SRIOV-TOPOLOGY",
        "other socket",
        POLICY + "  excludeTopology: true\n",
        ("excludeTopology: true", "excludeTopology: false"),
        at="spec.excludeTopology",
    ),
    error(
        "LINT-SRIOV-NAMESPACE",
        "beside the wrong operator",
        both(CONFIG, POLICY.replace("openshift-sriov-network-operator", "nvidia-network-operator")),
        ("nvidia-network-operator", "openshift-sriov-network-operator"),
        at="metadata.namespace",
    ),
    warning(
        "LINT-SRIOV-DRAIN-OFF",
        "VFs change under pods",
        CONFIG.replace("disableDrain: false", "disableDrain: true"),
        ("true", "false"),
        at="spec.disableDrain",
    ),
    warning(
        "LINT-SRIOV-SYSTEMD",
        "mode not supported",
        CONFIG.replace("daemon\n", "systemd\n"),
        ("systemd", "daemon"),
        at="spec.configurationMode",
    ),
    warning(
        "LINT-SRIOV-MOFED-WAIT",
        "daemon before driver",
        both(NCP, CONFIG.replace('network.nvidia.com/operator.mofed.wait: "false"', 'role: "gpu"')),
        ('role: "gpu"', 'network.nvidia.com/operator.mofed.wait: "false"'),
        at="spec.configDaemonNodeSelector",
    ),
    error(
        "LINT-SRIOV-POOL-SELECTOR",
        "plain map selects all nodes",
        POOL.replace("{matchLabels: {pool: a}}", "{pool: a}"),
        ("{pool: a}", "{matchLabels: {pool: a}}"),
        at="spec.nodeSelector",
    ),
    error(
        "LINT-SRIOV-POOL-OVERLAP",
        "one selector inside the other",
        both(POOL, POOL.replace("name: gpu", "name: fast").replace("{pool: a}", "{pool: a, rack: r1}")),
        ("{pool: a, rack: r1}", "{pool: b, rack: r1}"),
        at="spec.nodeSelector",
    ),
    error(
        "LINT-SRIOV-POOL-OFFLOAD",
        "offload with selector",
        POOL + "  ovsHardwareOffloadConfig: {name: workers}\n",
        ("  nodeSelector: {matchLabels: {pool: a}}\n", ""),
        at="spec.ovsHardwareOffloadConfig.name",
    ),
)
