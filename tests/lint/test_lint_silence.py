"""What lint must not say: sound sets, alternatives side by side, half a platform, values it cannot know."""

from __future__ import annotations

import lint_network_bases as net
import lint_platform_bases as platform
import pytest
from lint_support import of, run, shown

from tenantry.model.finding import Severity

SOUND_NETWORK = net.both(
    net.NAMESPACES,
    net.SUBSCRIPTION,
    net.CONFIG,
    net.POOL,
    net.POLICY,
    net.IPPOOL,
    net.NETWORK + net.IPAM + net.RDMA,
    net.SECOND.replace("vlan: 100", "vlan: 101") + net.IPAM + net.RDMA,
    net.POD,
)
SOUND_PLATFORM = net.both(
    net.NAMESPACES,
    platform.GROUP,
    platform.GPU_SUBSCRIPTION,
    platform.CLUSTER_POLICY,
    platform.LAYOUTS,
    platform.SHARING,
    platform.NODES,
    platform.CSV.replace("name: metrics", "name: metrics"),
    platform.ALERT,
    platform.DASHBOARD,
    platform.QUOTA.replace(
        'mig-1g.18gb: "4"',
        'mig-1g.18gb: "4", requests.nvidia.com/mig-2g.35gb: 0, requests.nvidia.com/mig-3g.71gb: 0, '
        "requests.nvidia.com/gpu.shared: 0",
    ),
    platform.CLUSTER_QUEUE,
    platform.LOCAL_QUEUE,
    platform.FLAVOR,
    platform.TOPOLOGY,
    platform.DSC,
    platform.PROFILE,
    platform.GUARD,
    platform.queue("research", quota=8),
    platform.queue("vision", "research"),
    platform.SHARD,
    platform.KAI_POD,
)


def _serious(text: str, *, complete: bool = False) -> list[str]:
    return shown([issue for issue in run(text, complete=complete) if issue.severity > Severity.INFO])


def test_a_sound_network_is_clean() -> None:
    assert _serious(SOUND_NETWORK) == []


def test_a_sound_platform_is_clean() -> None:
    assert _serious(SOUND_PLATFORM) == []


@pytest.mark.parametrize("part", range(len(SOUND_PLATFORM.split("\n---\n"))))
def test_any_object_of_a_sound_platform_is_clean_alone(part: int) -> None:
    assert _serious(SOUND_PLATFORM.split("\n---\n")[part]) == []


@pytest.mark.parametrize("part", range(len(SOUND_NETWORK.split("\n---\n"))))
def test_any_object_of_a_sound_network_is_clean_alone(part: int) -> None:
    assert _serious(SOUND_NETWORK.split("\n---\n")[part]) == []


def test_overlays_of_two_clusters_do_not_contradict_each_other() -> None:
    one = "\n# file: clusters/a/policy.yaml" + platform.CLUSTER_POLICY
    two = "\n# file: clusters/b/policy.yaml" + platform.CLUSTER_POLICY
    other = "\n# file: clusters/b/again.yaml" + platform.CLUSTER_POLICY.replace("gpu-cluster-policy", "second")
    assert not of(run(one + two), "LINT-SINGLE-TWO")
    (issue,) = of(run(one + two + other), "LINT-SINGLE-TWO")
    assert issue.manifest.location.file.startswith("clusters/b/")


def test_files_that_define_one_object_twice_are_alternatives() -> None:
    first = "\n# file: parts/one.yaml" + platform.CLUSTER_POLICY
    second = "\n# file: parts/two.yaml" + platform.CLUSTER_POLICY.replace("gpu-cluster-policy", "cluster-policy")
    third = "\n# file: parts/three.yaml" + platform.CLUSTER_POLICY
    assert of(run(first + second), "LINT-SINGLE-TWO")
    assert not of(run(first + second + third), "LINT-SINGLE-TWO")


def test_a_complete_set_is_one_deployment_even_with_repeats() -> None:
    first = "\n# file: a/one.yaml" + platform.CLUSTER_POLICY
    second = "\n# file: b/two.yaml" + platform.CLUSTER_POLICY
    third = "\n# file: c/three.yaml" + platform.CLUSTER_POLICY.replace("gpu-cluster-policy", "cluster-policy")
    assert of(run(first + second + third, complete=True), "LINT-SINGLE-TWO")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (net.NETWORK, "no policy in the set, so nobody knows its resource"),
        (net.NETWORK + net.IPAM, "no pool in the set"),
        (net.POD, "no network in the set"),
        (platform.LOCAL_QUEUE, "no cluster queue in the set"),
        (platform.CLUSTER_QUEUE, "no flavor in the set"),
        (platform.KAI_POD, "no queue in the set"),
        (platform.QUOTA, "nothing in the set advertises a device"),
        (platform.GPU_SUBSCRIPTION, "no operator group in the set"),
        (platform.APP, "no project in the set"),
    ],
)
def test_half_a_platform_is_not_accused(text: str, why: str) -> None:
    assert _serious(text) == [], why


@pytest.mark.parametrize("complete", [False, True])
def test_a_network_alone_is_accused_only_in_a_complete_set(complete: bool) -> None:
    assert bool(of(run(net.NETWORK, complete=complete), "LINT-SRIOV-NETWORK-RESOURCE")) is complete


def test_a_set_with_every_layout_unknown_is_not_accused_of_missing_slices() -> None:
    pod = platform.POD.replace("nvidia.com/gpu", "nvidia.com/mig-1g.18gb")
    policy = platform.CLUSTER_POLICY.replace("name: layouts", 'name: ""')
    assert not of(run(net.both(policy, pod)), "LINT-RES-CLOSURE")


def test_policies_on_other_nodes_may_share_a_name_of_a_function() -> None:
    other = net.OTHER.replace("{pool: a}", "{rack: r2}")
    assert not of(run(net.both(net.POLICY, other)), "LINT-SRIOV-VF-OVERLAP")


def test_tenants_of_one_department_may_not_share_but_one_tenants_namespaces_may() -> None:
    both = net.both(net.NAMESPACES.replace("tenant: b", "tenant: a"), net.NETWORK, net.SECOND)
    assert not of(run(both), "LINT-SRIOV-VLAN-SHARED")


def test_mixed_case_link_types_fit_each_other() -> None:
    policy = net.IB_POLICY.replace("linkType: ib", "linkType: IB")
    assert not of(run(net.both(policy, net.IB_NETWORK)), "LINT-SRIOV-LINKTYPE")


def test_exclusive_mode_by_kernel_argument_counts() -> None:
    machine = (
        "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\nmetadata: {name: rdma}\n"
        "spec: {kernelArguments: [ib_core.netns_mode=0]}\n"
    )
    shared = net.both(net.POLICY, net.POOL.replace("exclusive", "shared"), net.NETWORK + net.RDMA)
    assert of(run(shared), "LINT-SRIOV-RDMA-SHARED")
    assert not of(run(net.both(shared, machine)), "LINT-SRIOV-RDMA-SHARED")


def test_layouts_with_compute_instances_and_disjoint_filters_are_sound() -> None:
    layouts = """
apiVersion: v1
kind: ConfigMap
metadata: {name: layouts, namespace: gpu-operator}
data:
  config.yaml: |
    version: v1
    mig-configs:
      all-balanced:
        - devices: all
          device-filter: ["0x20B210DE", "0x233010DE"]
          mig-enabled: true
          mig-devices: {"1g.10gb": 2, "2g.20gb": 1, "3g.40gb": 1}
        - devices: all
          device-filter: "0x233510DE"
          mig-enabled: true
          mig-devices: {"1g.18gb": 2, "2g.35gb": 1, "3g.71gb": 1}
      split:
        - devices: [0, 1]
          mig-enabled: false
        - devices: [2, 3]
          mig-enabled: true
          mig-devices: {"1c.3g.40gb": 3, "1g.10gb+me": 1}
      empty:
        - devices: all
          mig-enabled: true
          mig-devices: {}
"""
    assert _serious(layouts) == []


def test_a_profile_of_a_gpu_nobody_knows_is_only_warned_of() -> None:
    text = platform.LAYOUTS.replace('          device-filter: "0x233510DE"\n', "").replace("1g.18gb", "1g.99gb")
    (issue,) = of(run(text), "LINT-MIG-PROFILE")
    assert issue.severity is Severity.WARNING


def test_yaml_with_anchors_in_a_config_is_not_called_unreadable() -> None:
    text = platform.SHARING.replace("flags: {migStrategy: mixed}", "flags: &f {migStrategy: mixed}")
    assert not of(run(text), "LINT-SHARE-SCHEMA")


def test_an_unrelated_config_map_is_left_alone() -> None:
    text = """
apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data:
  config.yaml: |
    version: v1
    flags: [a, b]
  table.csv: "a,b"
  dashboard.json: "{{ template }}"
"""
    assert _serious(text) == []


def test_a_chart_that_leaves_node_features_to_the_other_is_fine() -> None:
    charts = net.both(
        net.helm("gpu-operator", "{nfd: {enabled: false}}"),
        net.helm("network-operator", "{nfd: {enabled: false}}"),
        net.helm("node-feature-discovery", "{}"),
    )
    assert not of(run(charts), "LINT-NFD-TWICE")


def test_an_application_elsewhere_does_not_prune_this_object() -> None:
    app = "\n# file: apps/gpu.yaml" + platform.APP
    policy = "\n# file: platform/network/policy.yaml" + platform.CLUSTER_POLICY
    assert not of(run(app + policy), "LINT-ARGO-PRUNE")


def test_options_of_the_application_cover_its_objects() -> None:
    app = "\n# file: apps/gpu.yaml" + platform.APP.replace(
        "[ServerSideApply=true]", "[ServerSideApply=true, SkipDryRunOnMissingResource=true]"
    )
    both = "\n# file: repo/platform/gpu/all.yaml" + net.both(platform.GPU_SUBSCRIPTION, platform.CLUSTER_POLICY)
    assert not of(run(app + both), "LINT-ARGO-DRY-RUN")


def test_a_platform_project_may_write_everywhere_without_an_error() -> None:
    project = platform.PROJECT.replace("tenant-vision", "platform").replace("namespace: vision", 'namespace: "*"')
    (issue,) = of(run(project), "LINT-ARGO-TENANT-PROJECT")
    assert issue.severity is Severity.INFO


def test_thresholds_inside_arithmetic_are_not_judged() -> None:
    alert = platform.ALERT.replace(
        "max by (hostname) (DCGM_FI_DEV_GPU_TEMP) > 85", "DCGM_FI_PROF_GR_ENGINE_ACTIVE * 100 < 5"
    )
    assert not of(run(alert), "LINT-MON-UNIT")


def test_brackets_in_strings_do_not_count() -> None:
    alert = platform.ALERT.replace("DCGM_FI_DEV_GPU_TEMP)", 'DCGM_FI_DEV_GPU_TEMP{pod=~"a(b|c"})')
    assert not of(run(alert), "LINT-MON-RULE")


def test_a_queue_closed_on_purpose_is_remarked_only() -> None:
    closed = platform.queue("cpu-only", quota=0, limit="0").replace(
        "overQuotaWeight: 1}\n    cpu", "overQuotaWeight: 0}\n    cpu"
    )
    (issue,) = of(run(closed), "LINT-KAI-LIMIT")
    assert issue.severity is Severity.INFO


def test_a_quota_of_nothing_on_what_nobody_advertises_is_caution() -> None:
    quota = platform.QUOTA.replace(
        "requests.nvidia.com/gpu:", "requests.openshift.io/rail9: 0, requests.nvidia.com/gpu:"
    )
    assert not of(run(net.both(net.POLICY, quota)), "LINT-RES-CLOSURE")


def test_quotas_of_one_namespace_are_read_together() -> None:
    second = (
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: vfs, namespace: team-a}\n"
        "spec: {hard: {requests.openshift.io/rail0: 1}}\n"
    )
    assert of(run(net.both(net.POLICY, platform.QUOTA)), "LINT-QUOTA-CLOSURE")
    assert not of(run(net.both(net.POLICY, platform.QUOTA, second)), "LINT-QUOTA-CLOSURE")


def test_a_quota_for_priority_classes_is_no_tenant_quota() -> None:
    quota = """
apiVersion: v1
kind: ResourceQuota
metadata: {name: system, namespace: gpu-operator}
spec:
  hard: {pods: 100}
  scopeSelector: {matchExpressions: [{operator: In, scopeName: PriorityClass, values: [system-node-critical]}]}
"""
    assert _serious(net.both(platform.CLUSTER_POLICY, net.POLICY, quota, platform.LAYOUTS, platform.SHARING)) == []
