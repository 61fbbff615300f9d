"""The finer points of single rules: which evidence counts, and which does not."""

from __future__ import annotations

import lint_network_bases as net
import lint_platform_bases as platform
import pytest
from lint_network_bases import both
from lint_support import Doc, of, run, shown

PEERMEM = platform.CLUSTER_POLICY + "    rdma: {enabled: false}\n"
SR_IOV_CHART = net.helm("sriov-network-operator-chart", "{operator: {resourcePrefix: fabric.example.com}}")
FREE_POLICY = net.POLICY.replace("openshift-sriov-network-operator", "nno")
WILD_ROLE = platform.ROLE.replace("[pods, resourcequotas]", '["*"]')
ADMIN = Doc("""
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: tenants}
spec: {priority: 1}
""")
CLUSTER_QUOTA = Doc("""
apiVersion: quota.openshift.io/v1
kind: ClusterResourceQuota
metadata: {name: all}
spec: {selector: {}, quota: {hard: {pods: 5}}}
""")
OPERATORS = both(platform.GPU_SUBSCRIPTION, platform.CLUSTER_POLICY)
ROOM = platform.queue("vision").replace("limit: -1, overQuotaWeight: 1}\n    cpu", "limit: 4}\n    cpu")
IN_QUEUE = platform.POD.replace("namespace: team-a}", "namespace: team-a, labels: {kueue.x-k8s.io/queue-name: h200}}")
BARE = platform.CLUSTER_POLICY.replace("{config: {name: sharing, default: plain}}", "{}").replace(
    '{config: {name: layouts, default: ""}}', "{}"
)
SHARED_POD = platform.POD.replace("nvidia.com/gpu", "nvidia.com/gpu.shared")

FIRES: tuple[tuple[str, str, str], ...] = (
    ("LINT-SRIOV-PREFIX", "prefix of the upstream chart's values", both(SR_IOV_CHART, FREE_POLICY, net.POD)),
    (
        "LINT-SRIOV-PREFIX",
        "default of the upstream chart",
        both(
            net.helm("sriov-network-operator-chart", "{}"), FREE_POLICY, net.POD.replace("openshift.io", "nvidia.com")
        ),
    ),
    ("LINT-SRIOV-EXCLUSIVE-SHARED-PLUGIN", "shared plugin of some nodes", both(net.POOL, net.SHARED_PLUGIN)),
    (
        "LINT-SRIOV-RDMA-OMITTED",
        "an InfiniBand network",
        both(net.IB_POLICY.replace("  isRdma: true\n", ""), net.IB_NETWORK),
    ),
    (
        "LINT-SRIOV-VFS",
        "limit of the catalog's adapter without a vendor",
        net.POLICY.replace("numVfs: 8", "numVfs: 200").replace('"1021"', '"9999"'),
    ),
    ("LINT-NIC-IMAGE", "component two levels down", net.NCP + "  secondaryNetwork: {multus: {image: multus}}\n"),
    (
        "LINT-RHOAI-KUEUE-REMOVED",
        "only local queues",
        both(platform.DSC.replace("Unmanaged", "Removed"), platform.LOCAL_QUEUE),
    ),
    (
        "LINT-RHOAI-COUNTS",
        "default below the least",
        platform.PROFILE.replace("minCount: 1, defaultCount: 2", "minCount: 3, defaultCount: 2"),
    ),
    ("LINT-SEC-FENCE", "every kind by a star", both(net.NAMESPACES, WILD_ROLE)),
    (
        "LINT-SHARE-SCHEMA",
        "text that is no YAML",
        platform.SHARING.replace("{migStrategy: mixed}", "{migStrategy: mixed"),
    ),
    ("LINT-MIG-SCHEMA", "text that is no YAML", platform.LAYOUTS.replace('"3g.71gb": 1}', '"3g.71gb": 1')),
    (
        "LINT-ARGO-DRY-RUN",
        "Application above the folder, without a path that matches",
        both(
            "\n# file: fleet/apps.yaml" + platform.APP.replace("platform/gpu", "elsewhere"),
            "\n# file: fleet/gpu/all.yaml" + OPERATORS,
        ),
    ),
    (
        "LINT-ARGO-APP",
        "chart without a version",
        platform.APP.replace("path: platform/gpu, targetRevision: main", "chart: x"),
    ),
    (
        "LINT-ARGO-CUSTOMIZATION",
        "old form with Lua that returns nothing",
        platform.ARGO_CM.replace("resource.customizations.health.argoproj.io_Application", "resource.customizations")
        .replace("    hs = {}\n", "    a/B:\n      health.lua: hs = {}\n")
        .replace('    hs.status = "Progressing"\n    return hs\n', ""),
    ),
    (
        "LINT-QUOTA-CLOSURE",
        "shared GPUs of a key that nodes choose",
        both(
            platform.CLUSTER_POLICY,
            platform.LAYOUTS,
            platform.SHARING,
            platform.NODES.replace("nvidia.com/mig.config: serving, ", ""),
            platform.QUOTA,
        ),
    ),
    (
        "LINT-RES-CLOSURE",
        "shared GPU that no configuration makes",
        both(
            platform.CLUSTER_POLICY,
            platform.SHARING.replace("renameByDefault: true", "renameByDefault: false"),
            SHARED_POD,
        ),
    ),
)

SILENT: tuple[tuple[str, str, str], ...] = (
    ("LINT-GPU-PEERMEM", "peermem is off", both(PEERMEM, net.NCP.replace("  ofedDriver", "  nvIpam"))),
    (
        "LINT-GPU-IMAGE",
        "nothing written: the API server fills it in",
        platform.DRIVER.replace('  repository: nvcr.io/nvidia\n  image: driver\n  version: "595.91.07"\n', ""),
    ),
    ("LINT-KAI-BELOW-QUOTA", "no quota at all", ROOM.replace("quota: 4, limit: 4", "limit: 4")),
    (
        "LINT-DCGM-FIELD",
        "a field of another family",
        platform.CSV.replace("DCGM_FI_DEV_GPU_TEMP", "DCP_FI_DEV_GPU_TEMP"),
    ),
    (
        "LINT-OLM-INSTALL-MODE",
        "group of another namespace",
        both(
            platform.GPU_SUBSCRIPTION,
            platform.GROUP.replace("name: gpu, namespace: nvidia-gpu-operator", "name: all, namespace: x").replace(
                "{targetNamespaces: [nvidia-gpu-operator]}", "{}"
            ),
        ),
    ),
    (
        "LINT-OLM-INSTALL-MODE",
        "package nobody knows",
        both(
            platform.GPU_SUBSCRIPTION.replace("name: gpu-operator-certified\n  source", "name: other\n  source"),
            platform.GROUP.replace("{targetNamespaces: [nvidia-gpu-operator]}", "{}"),
        ),
    ),
    (
        "LINT-SHARE-REFERENCE",
        "no default",
        both(platform.CLUSTER_POLICY.replace("default: plain", 'default: ""'), platform.SHARING),
    ),
    (
        "LINT-ARGO-PRUNE",
        "pruning written, automation off",
        both(
            "\n# file: apps/gpu.yaml" + platform.APP.replace("{prune: true}", "{prune: true, enabled: false}"),
            "\n# file: platform/gpu/policy.yaml" + platform.CLUSTER_POLICY,
        ),
    ),
    (
        "LINT-ARGO-DRY-RUN",
        "folder that no Application is above",
        both(
            "\n# file: apps/gpu.yaml" + platform.APP.replace("platform/gpu", "elsewhere"),
            "\n# file: notes/all.yaml" + OPERATORS,
        ),
    ),
    (
        "LINT-ARGO-DRY-RUN",
        "synced by two Applications",
        both(
            "\n# file: apps/gpu.yaml" + platform.APP,
            "\n# file: apps/ops.yaml"
            + platform.APP.replace("name: gpu,", "name: ops,").replace("platform/gpu", "platform/ops"),
            "\n# file: platform/ops/sub.yaml" + platform.GPU_SUBSCRIPTION,
            "\n# file: platform/gpu/policy.yaml" + platform.CLUSTER_POLICY,
        ),
    ),
    (
        "LINT-ARGO-DRY-RUN",
        "option for the whole folder",
        both(
            "\n# file: apps/gpu.yaml" + platform.APP,
            "\n# file: platform/gpu/kustomization.yaml\n"
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
            "commonAnnotations: {argocd.argoproj.io/sync-options: SkipDryRunOnMissingResource=true}\n",
            "\n# file: platform/gpu/all.yaml" + OPERATORS,
        ),
    ),
    (
        "LINT-ARGO-APP",
        "chart with a version",
        platform.APP.replace("path: platform/gpu, targetRevision: main", "chart: x, targetRevision: 1.0.0"),
    ),
    (
        "LINT-KUEUE-COHORT-CYCLE",
        "above a cycle but not on it",
        platform.cohort("a", "b") + "---" + platform.cohort("b", "c") + "---" + platform.cohort("c", "root"),
    ),
    (
        "LINT-SRIOV-NETWORK-RESOURCE",
        "prefixed: that is the other finding",
        both(net.POLICY, net.NETWORK.replace("resourceName: rail0", "resourceName: openshift.io/rail0")),
    ),
    ("LINT-SRIOV-EXCLUSIVE-SHARED-PLUGIN", "no shared plugin", both(net.POOL, net.NCP)),
    (
        "LINT-SRIOV-RDMA-OMITTED",
        "an Ethernet network without rdma",
        both(net.POLICY.replace("  isRdma: true\n", ""), net.NETWORK),
    ),
    (
        "LINT-SRIOV-MTU-UNEQUAL",
        "one leaves it alone",
        both(net.POLICY + "  mtu: 9000\n", net.POLICY.replace("name: rail0,", "name: b,").replace("ens1f0", "ens2f0")),
    ),
    ("LINT-RES-CLOSURE", "shared GPU without any configuration in the set", both(platform.CLUSTER_POLICY, SHARED_POD)),
    (
        "LINT-RES-CLOSURE",
        "Kubernetes' own resource",
        both(net.POLICY, platform.POD.replace("nvidia.com/gpu", "scheduling.kubernetes.io/foo")),
    ),
    (
        "LINT-NFD-LABEL-FIELDS",
        "unreadable text is the other finding",
        both(net.NCP, net.NFD.replace("[vendor]", "[vendor")),
    ),
    (
        "LINT-SHARE-SCHEMA",
        "a file of another program",
        platform.SHARING.replace(
            "    version: v1\n    flags: {migStrategy: mixed}", "    settings: {migStrategy: mixed}"
        ),
    ),
    (
        "LINT-MIG-PROFILE",
        "a GPU whose total differs by driver",
        platform.LAYOUTS.replace("0x233510DE", "0x294110DE").replace(
            '{"1g.18gb": 2, "2g.35gb": 1, "3g.71gb": 1}', '{"3g.95gb": 2}'
        ),
    ),
    ("LINT-KUEUE-UNCOVERED", "a covered device", both(platform.CLUSTER_QUEUE, platform.LOCAL_QUEUE, IN_QUEUE)),
)


def _ids(table: tuple[tuple[str, str, str], ...]) -> list[str]:
    return [f"{rule}: {name}" for rule, name, _ in table]


@pytest.mark.parametrize(("rule", "name", "text"), FIRES, ids=_ids(FIRES))
def test_the_rule_fires(rule: str, name: str, text: str) -> None:
    issues = run(text)
    assert of(issues, rule), (name, shown(issues))


@pytest.mark.parametrize(("rule", "name", "text"), SILENT, ids=_ids(SILENT))
def test_the_rule_is_silent(rule: str, name: str, text: str) -> None:
    assert of(run(text), rule) == [], (name, shown(of(run(text), rule)))


@pytest.mark.parametrize(
    ("rule", "text", "cure"),
    [
        ("LINT-SEC-NO-NETWORK-POLICY", net.NAMESPACES, ADMIN),
        ("LINT-QUOTA-NONE", net.NAMESPACES, CLUSTER_QUOTA),
        ("LINT-KUEUE-LOCAL-MISSING", IN_QUEUE, platform.LOCAL_QUEUE),
        ("LINT-RES-CLOSURE", both(BARE, SHARED_POD), platform.SHARING),
    ],
)
def test_a_complete_set_must_hold_what_is_referred_to(rule: str, text: str, cure: str) -> None:
    assert not of(run(text), rule)
    assert of(run(text, complete=True), rule)
    assert not of(run(both(text, cure), complete=True), rule)


def test_an_unknown_resource_may_be_turned_into_a_covered_one_by_the_manager() -> None:
    pod = IN_QUEUE.replace("nvidia.com/gpu", "example.com/part")
    (issue,) = of(run(both(platform.CLUSTER_QUEUE, platform.LOCAL_QUEUE, pod)), "LINT-KUEUE-UNCOVERED")
    assert issue.severity.word == "info"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("""'{"type": "nv-ipam",}'""", "a comma stands before a closing bracket"),
        ('''"{'type': 'nv-ipam'}"''', "quoted with ' instead of \""),
        ('"{\\n// pool\\n\\"type\\": \\"nv-ipam\\"}"', "JSON has no comments"),
        ("""'{"a": 1, "a": 2}'""", "stands twice"),
        ("""'{"a": NaN}'""", "NaN is not JSON"),
        ("'{'", "line 1 column 2"),
    ],
)
def test_an_unreadable_text_is_explained(text: str, words: str) -> None:
    (issue,) = of(run(net.NETWORK + f"  ipam: {text}\n"), "LINT-EMBED-IPAM")
    assert words in issue.message


@pytest.mark.parametrize(
    ("rule", "text", "words"),
    [
        (
            "LINT-KAI-SHARD",
            both(platform.queue("a", shard="l40s"), platform.queue("b", "a")),
            "in shard h200, its parent in l40s",
        ),
        ("LINT-RES-PROFILE", platform.QUOTA.replace("mig-1g.18gb", "mig-1g.19gb"), "did you mean 'nvidia.com/mig-1g.1"),
        (
            "LINT-MIG-SCHEMA",
            platform.LAYOUTS.replace("mig-enabled: true", "mig-enable: true"),
            "did you mean 'mig-enabled'?",
        ),
        (
            "LINT-GPU-IMAGE",
            platform.DRIVER.replace("  repository: nvcr.io/nvidia\n  image: driver\n", ""),
            "nvcr.io/nvidia/driver, the default",
        ),
        (
            "LINT-KUEUE-MANAGER",
            platform.MANAGER.replace("kubeflow.org/pytorchjob", "kubeflow.org/pytorch-job"),
            "'kubeflow.org/pytorchjob'",
        ),
        (
            "LINT-GPU-VERSION",
            platform.CLUSTER_POLICY.replace("toolkit: {", "toolkit: {version: 1.16.1, "),
            "CVE-2024-0132",
        ),
    ],
)
def test_messages_name_what_was_meant(rule: str, text: str, words: str) -> None:
    assert any(words in issue.message for issue in of(run(text), rule)), shown(of(run(text), rule))
