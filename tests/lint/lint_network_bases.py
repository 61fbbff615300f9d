"""Sound manifests of networks and nodes, from which cases are made by small edits."""

from __future__ import annotations

from lint_support import Doc

POLICY = Doc("""
apiVersion: sriovnetwork.openshift.io/v1
kind: SriovNetworkNodePolicy
metadata: {name: rail0, namespace: openshift-sriov-network-operator}
spec:
  resourceName: rail0
  nodeSelector: {pool: a}
  numVfs: 8
  isRdma: true
  deviceType: netdevice
  nicSelector: {vendor: "15b3", deviceID: "1021", pfNames: [ens1f0]}
""")
OTHER = POLICY.replace("name: rail0,", "name: other,").replace("resourceName: rail0", "resourceName: other")
IB_POLICY = POLICY + "  linkType: ib\n"
NETWORK = Doc("""
apiVersion: sriovnetwork.openshift.io/v1
kind: SriovNetwork
metadata: {name: a-rail0, namespace: openshift-sriov-network-operator}
spec:
  resourceName: rail0
  networkNamespace: team-a
  vlan: 100
""")
IB_NETWORK = NETWORK.replace("kind: SriovNetwork", "kind: SriovIBNetwork").replace("  vlan: 100\n", "")
SECOND = NETWORK.replace("a-rail0", "b-rail0").replace("team-a", "team-b")
CONFIG = Doc("""
apiVersion: sriovnetwork.openshift.io/v1
kind: SriovOperatorConfig
metadata: {name: default, namespace: openshift-sriov-network-operator}
spec:
  disableDrain: false
  configurationMode: daemon
  configDaemonNodeSelector: {network.nvidia.com/operator.mofed.wait: "false"}
""")
POOL = Doc("""
apiVersion: sriovnetwork.openshift.io/v1
kind: SriovNetworkPoolConfig
metadata: {name: gpu, namespace: openshift-sriov-network-operator}
spec:
  rdmaMode: exclusive
  nodeSelector: {matchLabels: {pool: a}}
""")
NAMESPACES = Doc("""
apiVersion: v1
kind: Namespace
metadata: {name: team-a, labels: {tenantry.dev/tenant: a, pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Namespace
metadata: {name: team-b, labels: {tenantry.dev/tenant: b, pod-security.kubernetes.io/enforce: restricted}}
""")
NAD = Doc("""
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: ib, namespace: team-a}
spec:
  config: '{"cniVersion": "0.3.1", "name": "ib", "plugins": [{"type": "ib-sriov", "pkey": "0x0a01"}]}'
""")
POD = Doc("""
apiVersion: v1
kind: Pod
metadata:
  name: train
  namespace: team-a
  annotations: {k8s.v1.cni.cncf.io/networks: a-rail0}
spec:
  containers:
  - name: main
    securityContext: {capabilities: {add: [IPC_LOCK]}}
    resources: {limits: {openshift.io/rail0: 1}}
""")
NCP = Doc("""
apiVersion: mellanox.com/v1alpha1
kind: NicClusterPolicy
metadata: {name: nic-cluster-policy}
spec:
  ofedDriver: {image: doca-driver, repository: nvcr.io/nvidia/mellanox, version: doca3.1.0}
""")
SHARED_PLUGIN = Doc("""
apiVersion: mellanox.com/v1alpha1
kind: NicClusterPolicy
metadata: {name: nic-cluster-policy}
spec:
  rdmaSharedDevicePlugin:
    image: plugin
    repository: nvcr.io/nvidia/mellanox
    version: v1
    config: '{"configList": [{"resourceName": "shared-a", "rdmaHcaMax": 63, "selectors": {"vendors": ["15b3"]}}]}'
""")
SRIOV_PLUGIN = Doc("""
apiVersion: mellanox.com/v1alpha1
kind: NicClusterPolicy
metadata: {name: nic-cluster-policy}
spec:
  sriovDevicePlugin:
    image: plugin
    repository: nvcr.io/nvidia/mellanox
    version: v1
    config: |
      {"resourceList": [{"resourcePrefix": "nvidia.com", "resourceName": "hostdev",
                         "selectors": {"vendors": ["15b3"], "pfNames": ["ens9f0"]}}]}
""")
IB_KUBERNETES = Doc("""
  ibKubernetes:
    image: i
    repository: r
    version: v
    pKeyGUIDPoolRangeStart: "02:00:00:00:00:00:00:00"
    pKeyGUIDPoolRangeEnd: "02:FF:FF:FF:FF:FF:FF:FF"
""")
HOST_DEVICE = Doc("""
apiVersion: mellanox.com/v1alpha1
kind: HostDeviceNetwork
metadata: {name: hostdev}
spec: {networkNamespace: default, resourceName: hostdev, ipam: '{"type": "nv-ipam", "poolName": "rail0"}'}
""")
IPPOOL = Doc("""
apiVersion: nv-ipam.nvidia.com/v1alpha1
kind: IPPool
metadata: {name: rail0, namespace: nvidia-network-operator}
spec: {subnet: 192.168.0.0/24, perNodeBlockSize: 16, gateway: 192.168.0.1}
""")
IPAM = Doc("""  ipam: '{"type": "nv-ipam", "poolName": "rail0"}'\n""")
RDMA = Doc("""  metaPlugins: '{"type": "rdma"}'\n""")
NFD = Doc("""
apiVersion: nfd.openshift.io/v1
kind: NodeFeatureDiscovery
metadata: {name: nfd, namespace: openshift-nfd}
spec:
  workerConfig:
    configData: |
      core: {sleepInterval: 60s}
      sources:
        pci:
          deviceClassWhitelist: ["0200", "0207", "0300", "0302"]
          deviceLabelFields: [vendor]
""")
NODES = Doc("""
apiVersion: v1
kind: ConfigMap
metadata: {name: nodes, namespace: tools}
data:
  nodes.yaml: |
    apiVersion: v1
    kind: Node
    metadata:
      name: gpu-01
      labels: {pool: "a"}
""")
TEMPLATE = Doc("""
apiVersion: configuration.net.nvidia.com/v1alpha1
kind: NicConfigurationTemplate
metadata: {name: cx7, namespace: nvidia-network-operator}
spec:
  nicSelector: {nicType: "1021"}
  template:
    numVfs: 8
    linkType: Ethernet
    pciPerformanceOptimized: {enabled: true}
    roceOptimized: {enabled: true}
    gpuDirectOptimized: {enabled: true, env: Baremetal}
""")
SUBSCRIPTION = Doc("""
apiVersion: operators.coreos.com/v1alpha1
kind: Subscription
metadata: {name: sriov-network-operator, namespace: openshift-sriov-network-operator}
spec:
  name: sriov-network-operator
  channel: stable
  source: redhat-operators
  sourceNamespace: openshift-marketplace
  installPlanApproval: Manual
""")


def helm(chart: str, values: str) -> Doc:
    return Doc(f"""
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: {chart}, namespace: argocd}}
spec:
  project: platform
  destination: {{server: https://kubernetes.default.svc, namespace: {chart}}}
  source:
    repoURL: https://charts.example.com
    chart: {chart}
    targetRevision: 26.4.1
    helm: {{valuesObject: {values}}}
""")


def both(*parts: str) -> Doc:
    return Doc("\n---\n".join(parts))
