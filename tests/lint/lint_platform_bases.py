"""Sound manifests of GPUs, delivery, queues and guards, from which cases are made by small edits."""

from __future__ import annotations

from lint_support import Doc

CLUSTER_POLICY = Doc("""
apiVersion: nvidia.com/v1
kind: ClusterPolicy
metadata: {name: gpu-cluster-policy}
spec:
  daemonsets: {}
  dcgm: {}
  dcgmExporter: {}
  devicePlugin: {config: {name: sharing, default: plain}}
  gfd: {}
  migManager: {config: {name: layouts, default: ""}}
  mig: {strategy: mixed}
  nodeStatusExporter: {enabled: false}
  operator: {}
  toolkit: {env: [{name: ACCEPT_NVIDIA_VISIBLE_DEVICES_ENVVAR_WHEN_UNPRIVILEGED, value: "false"}]}
  driver:
    repository: nvcr.io/nvidia
    image: driver
    version: "595.91.07"
    kernelModuleType: open
    upgradePolicy: {autoUpgrade: true, maxParallelUpgrades: 1, drain: {enable: false}}
""")
DRIVER = Doc("""
apiVersion: nvidia.com/v1alpha1
kind: NVIDIADriver
metadata: {name: gold}
spec:
  default: false
  driverType: gpu
  repository: nvcr.io/nvidia
  image: driver
  version: "595.91.07"
  nodeSelector: {tier: gold}
""")
LAYOUTS = Doc("""
apiVersion: v1
kind: ConfigMap
metadata: {name: layouts, namespace: nvidia-gpu-operator}
data:
  config.yaml: |
    version: v1
    mig-configs:
      all-disabled:
        - devices: all
          mig-enabled: false
      serving:
        - devices: all
          device-filter: "0x233510DE"
          mig-enabled: true
          mig-devices: {"1g.18gb": 2, "2g.35gb": 1, "3g.71gb": 1}
""")
SHARING = Doc("""
apiVersion: v1
kind: ConfigMap
metadata: {name: sharing, namespace: nvidia-gpu-operator}
data:
  plain: |
    version: v1
    flags: {migStrategy: mixed}
  sliced: |
    version: v1
    sharing:
      timeSlicing:
        renameByDefault: true
        failRequestsGreaterThanOne: true
        resources:
          - name: nvidia.com/gpu
            replicas: 4
""")
MPS = Doc("""
apiVersion: v1
kind: ConfigMap
metadata: {name: sharing, namespace: nvidia-gpu-operator}
data:
  mps: |
    version: v1
    flags: {migStrategy: none}
    sharing: {mps: {resources: [{name: nvidia.com/gpu, replicas: 4}]}}
""")
NODES = Doc("""
apiVersion: v1
kind: ConfigMap
metadata: {name: nodes, namespace: tools}
data:
  nodes.yaml: |
    apiVersion: v1
    kind: Node
    metadata: {name: gpu-01, labels: {nvidia.com/mig.config: serving, nvidia.com/device-plugin.config: sliced}}
""")
CSV = Doc("""
apiVersion: v1
kind: ConfigMap
metadata: {name: metrics, namespace: nvidia-gpu-operator}
data:
  dcgm-metrics.csv: |
    # field, type, help
    DCGM_FI_DEV_GPU_TEMP, gauge, GPU temperature (in C).
    DCGM_FI_PROF_GR_ENGINE_ACTIVE, gauge, Ratio of time the graphics engine is active.
    DCGM_FI_DEV_XID_ERRORS, gauge, Value of the last XID error.
""")
ALERT = Doc("""
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: gpu, namespace: nvidia-gpu-operator}
spec:
  groups:
  - name: gpu
    rules:
    - alert: Hot
      expr: max by (hostname) (DCGM_FI_DEV_GPU_TEMP) > 85
""")
DASHBOARD = Doc("""
apiVersion: grafana.integreatly.org/v1beta1
kind: GrafanaDashboard
metadata: {name: gpu, namespace: grafana}
spec:
  instanceSelector: {matchLabels: {a: b}}
  json: '{"title": "GPU", "panels": [{"targets": [{"expr": "DCGM_FI_DEV_GPU_TEMP"}]}]}'
""")
MONITOR = Doc("""
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: dcgm, namespace: nvidia-gpu-operator}
spec: {selector: {matchLabels: {app: nvidia-dcgm-exporter}}, endpoints: [{port: gpu-metrics}]}
""")
GPU_SUBSCRIPTION = Doc("""
apiVersion: operators.coreos.com/v1alpha1
kind: Subscription
metadata: {name: gpu-operator-certified, namespace: nvidia-gpu-operator}
spec:
  name: gpu-operator-certified
  source: certified-operators
  sourceNamespace: openshift-marketplace
  channel: v26.7
  installPlanApproval: Manual
  startingCSV: gpu-operator-certified.v26.7.0
""")
GROUP = Doc("""
apiVersion: operators.coreos.com/v1
kind: OperatorGroup
metadata: {name: gpu, namespace: nvidia-gpu-operator}
spec: {targetNamespaces: [nvidia-gpu-operator]}
""")
APP = Doc("""
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: gpu, namespace: openshift-gitops}
spec:
  project: platform
  destination: {server: https://kubernetes.default.svc}
  source: {repoURL: https://git.example.com/fleet.git, path: platform/gpu, targetRevision: main}
  syncPolicy:
    automated: {prune: true}
    retry: {limit: 5}
    syncOptions: [ServerSideApply=true]
""")
PROJECT = Doc("""
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: tenant-vision, namespace: openshift-gitops}
spec:
  sourceRepos: [https://git.example.com/vision.git]
  destinations: [{server: https://kubernetes.default.svc, namespace: vision}]
""")
APPSET = Doc("""
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: tenants, namespace: openshift-gitops}
spec:
  goTemplate: true
  goTemplateOptions: [missingkey=error]
  generators: [{list: {elements: [{name: vision}]}}]
  template:
    metadata: {name: '{{.name}}'}
    spec:
      project: '{{.name}}'
      destination: {server: https://kubernetes.default.svc, namespace: '{{.name}}'}
      source: {repoURL: https://git.example.com/fleet.git, path: 'tenants/{{.name}}', targetRevision: main}
""")
ARGO_CM = Doc("""
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-cm, namespace: argocd}
data:
  resource.customizations.health.argoproj.io_Application: |
    hs = {}
    hs.status = "Progressing"
    return hs
""")
QUOTA = Doc("""
apiVersion: v1
kind: ResourceQuota
metadata: {name: devices, namespace: team-a}
spec:
  hard: {requests.nvidia.com/gpu: "8", requests.nvidia.com/mig-1g.18gb: "4"}
""")
POD = Doc("""
apiVersion: v1
kind: Pod
metadata: {name: train, namespace: team-a}
spec:
  containers:
  - name: main
    resources: {limits: {nvidia.com/gpu: 1}, requests: {nvidia.com/gpu: 1}}
""")
CPU_POD = POD.replace("{limits: {nvidia.com/gpu: 1}, requests: {nvidia.com/gpu: 1}}", "{limits: {cpu: 1}}")
CLUSTER_QUEUE = Doc("""
apiVersion: kueue.x-k8s.io/v1beta2
kind: ClusterQueue
metadata: {name: team-a}
spec:
  cohortName: research
  namespaceSelector: {matchLabels: {tenantry.dev/tenant: a}}
  resourceGroups:
  - coveredResources: [cpu, nvidia.com/gpu]
    flavors:
    - name: h200
      resources: [{name: cpu, nominalQuota: 64}, {name: nvidia.com/gpu, nominalQuota: 8, borrowingLimit: 8}]
""")
LOCAL_QUEUE = Doc("""
apiVersion: kueue.x-k8s.io/v1beta2
kind: LocalQueue
metadata: {name: h200, namespace: team-a}
spec: {clusterQueue: team-a}
""")
FLAVOR = Doc("""
apiVersion: kueue.x-k8s.io/v1beta2
kind: ResourceFlavor
metadata: {name: h200}
spec: {nodeLabels: {pool: h200}, topologyName: racks}
""")
TOPOLOGY = Doc("""
apiVersion: kueue.x-k8s.io/v1beta2
kind: Topology
metadata: {name: racks}
spec: {levels: [{nodeLabel: rack}]}
""")
KUEUE = Doc("""
apiVersion: kueue.openshift.io/v1
kind: Kueue
metadata: {name: cluster}
spec: {config: {integrations: {frameworks: [BatchJob]}}}
""")
MANAGER = Doc("""
apiVersion: v1
kind: ConfigMap
metadata: {name: kueue-manager-config, namespace: kueue-system}
data:
  controller_manager_config.yaml: |
    apiVersion: config.kueue.x-k8s.io/v1beta2
    kind: Configuration
    manageJobsWithoutQueueName: true
    integrations: {frameworks: [batch/job, kubeflow.org/pytorchjob]}
""")


def cohort(name: str, parent: str) -> Doc:
    return Doc(f"""
apiVersion: kueue.x-k8s.io/v1beta2
kind: Cohort
metadata: {{name: {name}}}
spec: {{parentName: {parent}}}
""")


def default_deny(namespace: str) -> Doc:
    return Doc(f"""
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: deny, namespace: {namespace}}}
spec: {{podSelector: {{}}}}
""")


def queue(name: str, parent: str = "", *, quota: int = 4, limit: str = "-1", shard: str = "h200") -> Doc:
    amounts = f"{{quota: {quota}, limit: {limit}, overQuotaWeight: 1}}"
    return Doc(f"""
apiVersion: scheduling.run.ai/v2
kind: Queue
metadata: {{name: {name}, labels: {{kai.scheduler/node-pool: {shard}}}}}
spec:
  parentQueue: "{parent}"
  resources:
    gpu: {amounts}
    cpu: {{quota: -1, limit: -1, overQuotaWeight: 1}}
    memory: {{quota: -1, limit: -1, overQuotaWeight: 1}}
""")


SHARD = Doc("""
apiVersion: kai.scheduler/v1
kind: SchedulingShard
metadata: {name: h200}
spec: {partitionLabelValue: h200}
""")
KAI_POD = POD.replace("namespace: team-a}", "namespace: team-a, labels: {kai.scheduler/queue: vision}}").replace(
    "spec:\n", "spec:\n  schedulerName: kai-scheduler\n"
)
FRACTION = CPU_POD.replace("namespace: team-a}", 'namespace: team-a, annotations: {gpu-fraction: "0.5"}}')
ROLE = Doc("""
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: dev, namespace: team-a}
rules: [{apiGroups: [""], resources: [pods, resourcequotas], verbs: [get, create]}]
""")
BINDING = Doc("""
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: everyone}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: Group, name: system:authenticated}]
""")
GUARD = Doc("""
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: devices}
spec: {failurePolicy: Fail, validations: [{expression: "true"}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: devices}
spec: {policyName: devices, validationActions: [Deny]}
""")
DSC = Doc("""
apiVersion: datasciencecluster.opendatahub.io/v2
kind: DataScienceCluster
metadata: {name: default-dsc}
spec: {components: {kueue: {managementState: Unmanaged}}}
""")
PROFILE = Doc("""
apiVersion: infrastructure.opendatahub.io/v1
kind: HardwareProfile
metadata: {name: h200, namespace: redhat-ods-applications}
spec:
  identifiers:
  - {displayName: CPU, identifier: cpu, minCount: 1, defaultCount: 2, maxCount: 8, resourceType: CPU}
  - {displayName: GPU, identifier: nvidia.com/gpu, minCount: 1, defaultCount: 1, maxCount: 8, resourceType: Accelerator}
  scheduling: {type: Queue, kueue: {localQueueName: h200}}
""")
LIMIT = "spec.containers[0].resources.limits"
