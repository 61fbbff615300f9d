"""Sound variants of delivery, queues and guards, each beside a defect it resembles.

The rule named must say nothing about them.
"""

from __future__ import annotations

import lint_network_bases as net
import lint_platform_bases as platform
from lint_network_bases import both

GPU_ONLY = platform.CLUSTER_POLICY.replace("config: {name: sharing, default: plain}", "config: {}").replace(
    'config: {name: layouts, default: ""}', "config: {}"
)
CLUSTER_QUOTA = """
apiVersion: quota.openshift.io/v1
kind: ClusterResourceQuota
metadata: {name: a}
spec: {selector: {}, quota: {hard: {requests.openshift.io/rail0: 1}}}
"""
QUIET: tuple[tuple[str, str, str], ...] = (
    ("LINT-ARGO-OPTION", "template", platform.APPSET + "      syncPolicy: {syncOptions: ['{{.option}}']}\n"),
    (
        "LINT-ARGO-APP",
        "source by hydrator",
        platform.APP.replace(
            "  source: {repoURL: https://git.example.com/fleet.git, path: platform/gpu, targetRevision: main}\n",
            "  sourceHydrator: {drySource: {}}\n",
        ),
    ),
    ("LINT-ARGO-APP", "values from another repository", platform.APP.replace("path: platform/gpu", "ref: values")),
    (
        "LINT-ARGO-RETRY",
        "synced by hand",
        platform.APP.replace("    automated: {prune: true}\n    retry: {limit: 5}\n", ""),
    ),
    (
        "LINT-ARGO-RETRY",
        "automation switched off",
        platform.APP.replace("{prune: true}\n    retry: {limit: 5}", "{prune: true, enabled: false}"),
    ),
    (
        "LINT-ARGO-PRUNE",
        "nothing pruned",
        both(
            "\n# file: apps/gpu.yaml" + platform.APP.replace("prune: true", "prune: false"),
            "\n# file: platform/gpu/policy.yaml" + platform.CLUSTER_POLICY,
        ),
    ),
    ("LINT-ARGO-TENANT-PROJECT", "its own namespaces", platform.PROJECT),
    ("LINT-ARGO-PROJECT-MISSING", "project from a parameter", both(platform.PROJECT, platform.APPSET)),
    (
        "LINT-ARGO-PROJECT-MISSING",
        "the built-in project",
        both(platform.PROJECT, platform.APP.replace("project: platform", "project: default")),
    ),
    (
        "LINT-ARGO-MISSINGKEY",
        "the older templates",
        platform.APPSET.replace("  goTemplate: true\n  goTemplateOptions: [missingkey=error]\n", ""),
    ),
    ("LINT-ARGO-ROLLING", "all at once", platform.APPSET + "      syncPolicy: {automated: {}, retry: {limit: 2}}\n"),
    (
        "LINT-ARGO-CUSTOMIZATION",
        "actions return other things",
        platform.ARGO_CM.replace("health.argoproj.io_Application", "actions.argoproj.io_Application").replace(
            "return hs", "x = 1"
        ),
    ),
    (
        "LINT-ARGO-CUSTOMIZATION",
        "old form without health",
        platform.ARGO_CM.replace("resource.customizations.health.argoproj.io_Application", "resource.customizations")
        .replace("    hs = {}\n", "    apps/Deployment: {ignoreDifferences: x}\n")
        .replace('    hs.status = "Progressing"\n    return hs\n', ""),
    ),
    (
        "LINT-ARGO-APP-HEALTH",
        "Applications of one wave",
        both(platform.APP, platform.ARGO_CM.replace("argoproj.io_Application", "nvidia.com_ClusterPolicy")),
    ),
    ("LINT-DCGM-CSV", "comment and empty line", platform.CSV.replace("    # field", "\n    ## field")),
    (
        "LINT-DCGM-FIELD",
        "a field of its own",
        platform.CSV.replace("DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_SOME_OTHER_FIELD"),
    ),
    (
        "LINT-DCGM-FIELD",
        "a known field that resembles another",
        platform.CSV.replace("DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL"),
    ),
    (
        "LINT-DCGM-ALERT",
        "the map that is named counts",
        both(
            platform.CLUSTER_POLICY.replace("dcgmExporter: {}", "dcgmExporter: {config: {name: metrics}}"),
            platform.CSV,
            platform.CSV.replace("name: metrics", "name: unused").replace(
                "DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_FB_FREE"
            ),
            platform.ALERT,
        ),
    ),
    (
        "LINT-MON-HOSTNAME",
        "a label of something else",
        platform.ALERT.replace("(hostname) (DCGM_FI_DEV_GPU_TEMP)", "(Hostname) (up)"),
    ),
    (
        "LINT-MON-NEEDS",
        "nothing known about the operator",
        platform.ALERT.replace("DCGM_FI_DEV_GPU_TEMP", "gpu_operator_node_driver_ready"),
    ),
    (
        "LINT-MON-TWICE",
        "another service",
        both(
            platform.CLUSTER_POLICY.replace("dcgmExporter: {}", "dcgmExporter: {serviceMonitor: {enabled: true}}"),
            platform.MONITOR.replace("nvidia-dcgm-exporter", "gpu-operator"),
        ),
    ),
    (
        "LINT-QUOTA-KEY",
        "counts and storage classes",
        platform.QUOTA.replace("requests.nvidia.com/gpu", "count/jobs.batch").replace(
            "requests.nvidia.com/mig-1g.18gb", "gold.storageclass.storage.k8s.io/requests.storage"
        ),
    ),
    ("LINT-QUOTA-KEY", "memory pages", platform.QUOTA.replace("requests.nvidia.com/gpu", "hugepages-2Mi")),
    (
        "LINT-QUOTA-AMOUNT",
        "memory in gibibytes",
        platform.QUOTA.replace('requests.nvidia.com/gpu: "8"', "requests.memory: 1.5Gi"),
    ),
    (
        "LINT-QUOTA-SCOPE",
        "scope by priority",
        platform.QUOTA
        + "  scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [low]}]}\n",
    ),
    ("LINT-POD-LIMITS", "limit alone", platform.POD.replace(", requests: {nvidia.com/gpu: 1}", "")),
    (
        "LINT-POD-LIMITS",
        "text and number are equal",
        platform.POD.replace("requests: {nvidia.com/gpu: 1}", 'requests: {nvidia.com/gpu: "1"}'),
    ),
    (
        "LINT-QUOTA-CLOSURE",
        "quota of no devices and no tenant",
        both(
            GPU_ONLY,
            platform.QUOTA.replace('{requests.nvidia.com/gpu: "8", requests.nvidia.com/mig-1g.18gb: "4"}', "{pods: 5}"),
        ),
    ),
    (
        "LINT-QUOTA-CLOSURE",
        "bounded for all namespaces together",
        both(
            net.POLICY,
            platform.QUOTA,
            CLUSTER_QUOTA,
        ),
    ),
    (
        "LINT-QUOTA-CLOSURE",
        "prefix that everybody writes",
        both(
            net.POLICY.replace("openshift-sriov-network-operator", "nno"),
            platform.QUOTA.replace("requests.nvidia.com/gpu", "requests.nvidia.com/rail0"),
        ),
    ),
    (
        "LINT-RES-CLOSURE",
        "shared RDMA device",
        both(net.SHARED_PLUGIN, platform.POD.replace("nvidia.com/gpu", "rdma/shared-a")),
    ),
    (
        "LINT-RES-CLOSURE",
        "device of another vendor",
        both(net.POLICY, net.SHARED_PLUGIN, platform.POD.replace("nvidia.com/gpu", "example.com/fpga")),
    ),
    (
        "LINT-RES-CLOSURE",
        "NVIDIA device that is no VF",
        both(
            net.helm("network-operator", "{sriovNetworkOperator: {enabled: true}}"),
            net.POLICY,
            platform.POD.replace("nvidia.com/gpu", "nvidia.com/GH100_H100L_94GB"),
        ),
    ),
    (
        "LINT-RES-CLOSURE",
        "shared GPU of a configuration",
        both(
            platform.CLUSTER_POLICY,
            platform.LAYOUTS,
            platform.SHARING,
            platform.POD.replace("nvidia.com/gpu", "nvidia.com/gpu.shared"),
        ),
    ),
    (
        "LINT-KUEUE-COHORT-FIELD",
        "the field of its version",
        platform.CLUSTER_QUEUE.replace("v1beta2", "v1beta1").replace("cohortName", "cohort"),
    ),
    (
        "LINT-KUEUE-BORROW",
        "with a cohort of v1beta1",
        platform.CLUSTER_QUEUE.replace("v1beta2", "v1beta1").replace("cohortName", "cohort"),
    ),
    ("LINT-KUEUE-COHORT-CYCLE", "a chain", both(platform.cohort("a", "b"), platform.cohort("b", "root"))),
    ("LINT-KUEUE-COHORT-CYCLE", "below a cycle but not on it", platform.cohort("leaf", "leaf-parent")),
    (
        "LINT-KUEUE-MANAGER",
        "integration of another group",
        platform.MANAGER.replace("kubeflow.org/pytorchjob", "example.com/widget"),
    ),
    (
        "LINT-KUEUE-UNCOVERED",
        "excluded by prefix",
        both(
            platform.MANAGER + "    resources: {excludeResourcePrefixes: [openshift.io]}\n",
            net.POLICY,
            platform.CLUSTER_QUEUE,
            platform.LOCAL_QUEUE,
            platform.POD.replace(
                "namespace: team-a}", "namespace: team-a, labels: {kueue.x-k8s.io/queue-name: h200}}"
            ).replace("nvidia.com/gpu", "openshift.io/rail0"),
        ),
    ),
    (
        "LINT-KUEUE-LOCAL-MISSING",
        "namespace whose queues are elsewhere",
        both(
            platform.LOCAL_QUEUE,
            platform.POD.replace("namespace: team-a}", "namespace: team-z, labels: {kueue.x-k8s.io/queue-name: h20}}"),
        ),
    ),
    ("LINT-KUEUE-UNMANAGED", "upstream Kueue", both(net.NAMESPACES, platform.LOCAL_QUEUE)),
    ("LINT-KUEUE-UNMANAGED", "namespace declared elsewhere", both(platform.KUEUE, platform.LOCAL_QUEUE)),
    (
        "LINT-KUEUE-SELECTOR",
        "selected by name",
        both(
            net.NAMESPACES,
            platform.CLUSTER_QUEUE.replace("tenantry.dev/tenant: a", "kubernetes.io/metadata.name: team-a"),
            platform.LOCAL_QUEUE,
        ),
    ),
    ("LINT-KAI-BELOW-QUOTA", "unlimited", platform.queue("vision")),
    (
        "LINT-KAI-SUM",
        "parent without a bound",
        both(platform.queue("research", quota=-1), platform.queue("a", "research", quota=30)),
    ),
    ("LINT-KAI-SHARD", "two shards of their own", both(platform.SHARD, platform.SHARD.replace("h200", "l40s"))),
    ("LINT-KAI-POD-QUEUE", "a pod of no queue", both(platform.queue("a"), platform.queue("b", "a"), platform.POD)),
    (
        "LINT-KAI-SCHEDULER",
        "the operator of the job sets it",
        platform.KAI_POD.replace("  schedulerName: kai-scheduler\n", "")
        .replace("apiVersion: v1", "apiVersion: serving.kserve.io/v1beta1")
        .replace("kind: Pod", "kind: InferenceService"),
    ),
    ("LINT-KAI-FRACTION", "a whole GPU as a share", platform.FRACTION.replace("0.5", "1")),
    (
        "LINT-SEC-GPU-BYPASS",
        "a GPU was asked for",
        both(net.NAMESPACES, platform.POD.replace("spec:\n", "spec:\n  runtimeClassName: nvidia\n")),
    ),
    (
        "LINT-SEC-GPU-BYPASS",
        "claimed devices",
        both(
            net.NAMESPACES,
            platform.CPU_POD.replace("spec:\n", "spec:\n  runtimeClassName: nvidia\n  resourceClaims: [{name: gpu}]\n"),
        ),
    ),
    (
        "LINT-SEC-GPU-BYPASS",
        "part of a GPU by KAI",
        both(net.NAMESPACES, platform.FRACTION.replace("spec:\n", "spec:\n  runtimeClassName: nvidia\n")),
    ),
    (
        "LINT-SEC-HOST",
        "platform pod without devices",
        platform.CPU_POD.replace("spec:\n", "spec:\n  hostNetwork: true\n"),
    ),
    (
        "LINT-SEC-FENCE",
        "reading is harmless",
        both(net.NAMESPACES, platform.ROLE.replace("[get, create]", "[get, list]")),
    ),
    ("LINT-SEC-FENCE", "a role of the platform", platform.ROLE),
    ("LINT-SEC-FENCE", "quota of another group", both(net.NAMESPACES, platform.ROLE.replace('[""]', "[apps]"))),
    ("LINT-SEC-EVERYBODY", "everybody may look", platform.BINDING.replace("name: edit", "name: view")),
    ("LINT-SEC-GUARD", "bindings are elsewhere", platform.GUARD.split("---")[0]),
    ("LINT-SEC-UNUSED-NAMESPACE", "no tenant in the set", platform.QUOTA),
    ("LINT-RHOAI-KUEUE-REMOVED", "nothing of Kueue there", platform.DSC.replace("Unmanaged", "Removed")),
    (
        "LINT-RHOAI-SCHEDULING",
        "nodes by selector",
        platform.PROFILE.replace(
            "{type: Queue, kueue: {localQueueName: h200}}", "{type: Node, node: {nodeSelector: {pool: a}}}"
        ),
    ),
    ("LINT-RHOAI-COUNTS", "no upper bound", platform.PROFILE.replace(", maxCount: 8", "")),
    ("LINT-RHOAI-IDENTIFIER", "CPU is no extended resource", platform.PROFILE),
)
