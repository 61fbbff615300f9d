"""Operators, drivers, vulnerabilities, job images and Kubernetes versions."""

from __future__ import annotations

import re
from datetime import date

import pytest
from catalog_data import check_evidence, check_keys, raw

from tenantry.catalog import cves, cves_known_as_of, gpus, images, job_image, kubernetes_minor, operators
from tenantry.model.software import VersionNumber

CONDITIONS = {"always", "rdma", "openshift", "mixed-mig", "grace-mig"}


@pytest.mark.parametrize(
    ("distribution", "version", "expected"),
    [
        ("openshift", "4.17", "1.30"),
        ("openshift", "4.18", "1.31"),
        ("openshift", "4.19", "1.32"),
        ("openshift", "4.20", "1.33"),
        ("openshift", "4.20.11", "1.33"),
        ("openshift", "4.21", "1.34"),
        ("openshift", "4.2", None),
        ("openshift", "4.99", None),
        ("openshift", "1.33", None),
        ("kubernetes", "1.33", "1.33"),
        ("kubernetes", "v1.33.4", "1.33"),
        ("eks", "1.31", "1.31"),
        ("gke", "1.33.5-gke.1080000", "1.33"),
        ("aks", "1.32", "1.32"),
        ("kubernetes", "4.20", None),
        ("kubernetes", "1", None),
        ("kubernetes", "1.33beta", None),
        ("kubernetes", "latest", None),
        ("kubernetes", "", None),
    ],
)
def test_kubernetes_version_of_a_distribution(distribution: str, version: str, expected: str | None) -> None:
    assert kubernetes_minor(distribution, version) == expected


@pytest.mark.parametrize(
    ("name", "channel", "csv", "namespace"),
    [
        ("gpu-operator", "v26.7", "gpu-operator-certified.v26.7.0", "nvidia-gpu-operator"),
        ("network-operator", "v26.4", "nvidia-network-operator.v26.4.1", "nvidia-network-operator"),
        ("kueue", "stable-v1.3", "kueue-operator.v1.3.0", "openshift-kueue-operator"),
        ("openshift-ai", "stable-3.4", "rhods-operator.3.4.0", "redhat-ods-operator"),
        ("sriov-network-operator", "stable", "", "openshift-sriov-network-operator"),
        ("node-feature-discovery", "stable", "", "openshift-nfd"),
        ("openshift-gitops", "gitops-1.20", "openshift-gitops-operator.v1.20.0", "openshift-gitops-operator"),
    ],
)
def test_what_olm_installs(name: str, channel: str, csv: str, namespace: str) -> None:
    operator = operators()[name]
    version = operator.version_on(olm=True, cluster_version="4.20")
    assert operator.olm is not None
    assert (operator.olm.channel_for(version), operator.olm.csv_for(version)) == (channel, csv)
    assert operator.olm.namespace == namespace


@pytest.mark.parametrize(
    ("name", "chart", "repository", "version"),
    [
        ("gpu-operator", "gpu-operator", "https://helm.ngc.nvidia.com/nvidia", "v26.7.0"),
        ("network-operator", "network-operator", "https://helm.ngc.nvidia.com/nvidia", "26.4.1"),
        ("kueue", "kueue", "registry.k8s.io/kueue/charts", "0.19.2"),
        ("kai-scheduler", "kai-scheduler", "ghcr.io/kai-scheduler/kai-scheduler", "v0.17.0"),
        ("node-feature-discovery", "node-feature-discovery", "registry.k8s.io/nfd/charts", "0.19.0"),
    ],
)
def test_what_helm_installs(name: str, chart: str, repository: str, version: str) -> None:
    helm = operators()[name].helm
    assert helm is not None
    assert (helm.chart, helm.repository) == (chart, repository)
    assert helm.version_for(operators()[name].recommended) == version


def test_oci_repositories_have_no_scheme_and_others_have_one() -> None:
    # Argo CD takes an OCI Helm repository without oci://.
    for operator in operators().values():
        if operator.helm is not None:
            assert operator.helm.oci != operator.helm.repository.startswith("https://"), operator.id
            assert "oci://" not in operator.helm.repository


@pytest.mark.parametrize(
    ("name", "version", "conditions"),
    [
        ("gpu-operator", "26.3.1", {"rdma"}),
        ("gpu-operator", "26.3.3", set()),
        ("gpu-operator", "25.10.0", {"openshift"}),
        ("gpu-operator", "25.10.1", set()),
        ("nvidia-driver", "570.124.06", {"mixed-mig"}),
        ("nvidia-driver", "570.158.01", {"mixed-mig"}),
        ("nvidia-driver", "570.172.08", set()),
        ("nvidia-driver", "580.65.06", {"grace-mig"}),
    ],
)
def test_versions_known_to_be_broken(name: str, version: str, conditions: set[str]) -> None:
    assert {bad.when for bad in operators()[name].faults(version)} == conditions


def test_recommended_and_known_good_versions_are_not_broken() -> None:
    for operator in operators().values():
        assert operator.recommended in operator.known_good, operator.id
        for version in operator.known_good:
            # Only an open-ended fault, which no version escapes yet, may cover a good one.
            assert all(not bad.last for bad in operator.faults(version)), f"{operator.id} {version}"
            assert not operator.floor or VersionNumber(version) >= VersionNumber(operator.floor)


def test_fault_ranges_are_ordered_and_their_fix_lies_behind_them() -> None:
    for operator in operators().values():
        for bad in operator.bad:
            assert bad.when in CONDITIONS
            if bad.last:
                assert VersionNumber(bad.first) <= VersionNumber(bad.last)
            if bad.fixed:
                assert not bad.covers(bad.fixed)
                assert VersionNumber(bad.fixed) > VersionNumber(bad.last)


def test_floor_of_the_gpu_operator_is_the_newest_fix() -> None:
    known = [cve for cve in cves() if cve.operator_fixed]
    operator = operators()["gpu-operator"]
    assert VersionNumber(operator.floor) == max(VersionNumber(cve.operator_fixed) for cve in known)
    for version in (operator.recommended, *operator.known_good, operator.floor):
        toolkit = operator.parts(version)["container-toolkit"]
        assert not any(cve.affects(toolkit) for cve in known), f"{version} ships toolkit {toolkit}"


def test_vulnerabilities() -> None:
    by_id = {cve.id: cve for cve in cves()}
    assert list(by_id) == sorted(by_id, key=lambda name: [int(part) for part in name.split("-")[1:]])
    table = {
        "CVE-2024-0132": ("1.16.2", "24.6.2"),
        "CVE-2024-0133": ("1.16.2", "24.6.2"),
        "CVE-2024-0134": ("1.17.0", "24.9.0"),
        "CVE-2024-0135": ("1.17.3", "24.9.1"),
        "CVE-2024-0136": ("1.17.3", "24.9.1"),
        "CVE-2024-0137": ("1.17.3", "24.9.1"),
        "CVE-2025-23359": ("1.17.4", "24.9.2"),
        "CVE-2025-23266": ("1.17.8", "25.3.2"),
        "CVE-2025-23267": ("1.17.8", "25.3.2"),
        "CVE-2026-24260": ("", ""),
    }
    assert {name: (cve.fixed, cve.operator_fixed) for name, cve in by_id.items()} == table
    assert date.fromisoformat(cves_known_as_of()).year >= 2026
    for cve in cves():
        assert cve.severity in {"critical", "high", "medium"}
        assert cve.component in operators()["gpu-operator"].components


def test_driver_of_each_gpu_operator() -> None:
    operator = operators()["gpu-operator"]
    assert operator.parts("26.7.0")["driver"] == operators()["nvidia-driver"].recommended == "595.91.07"
    assert operator.parts("25.10.1")["driver"] == "580.105.08"
    assert operator.runs_on_openshift("26.7.0", "4.17") is False
    assert operator.runs_on_openshift("26.3.3", "4.17") is True


def test_driver_minima_name_architectures_or_gpus() -> None:
    driver = operators()["nvidia-driver"]
    architectures = {gpu.architecture for gpu in gpus().values()}
    assert set(driver.minimum) <= architectures | set(gpus())
    assert set(driver.minimum) >= architectures
    assert set(driver.maximum) <= architectures
    for gpu in gpus().values():
        if gpu.minimum_driver:
            general = VersionNumber(driver.minimum[gpu.architecture])
            assert VersionNumber(gpu.minimum_driver) >= general, gpu.id
        assert gpu.maximum_driver == driver.maximum.get(gpu.architecture, "")


def test_entries_are_complete_and_say_where_they_come_from() -> None:
    optional = (
        *("floor", "floor_reason", "olm", "helm", "bad", "components", "images", "note"),
        *("releases", "openshift", "minimum", "maximum"),
    )
    for name, entry in raw("operators.toml")["operator"].items():
        check_keys(name, entry, ("title", "recommended", "known_good", "source", "certainty"), optional)
        check_evidence(name, entry)
        assert ("floor" in entry) == ("floor_reason" in entry)
        versions = [entry["recommended"], *entry["known_good"], *entry.get("releases", {}), *entry.get("openshift", {})]
        assert all(VersionNumber(version) for version in versions)
        assert entry["recommended"] not in entry.get("releases", {}), f"{name}: components already describe it"
        if "olm" in entry:
            assert entry["olm"]["install_mode"] in {"OwnNamespace", "AllNamespaces"}
            assert entry["olm"].get("follows_cluster", False) == (entry["olm"]["csv"] == "")
        for parts in entry.get("releases", {}).values():
            assert set(parts) <= set(entry["components"]), name
        assert name == "nvidia-driver" or "olm" in entry or "helm" in entry


def test_images_of_operands_have_no_tag_and_belong_to_a_part() -> None:
    for operator in operators().values():
        for role, image in operator.images.items():
            assert ":" not in image, f"{operator.id} {role}: the version comes from its parts"
            assert role in operator.components or operator.id == "nvidia-driver"


def test_images_of_jobs() -> None:
    assert job_image("openshift", "1.33") == "image-registry.openshift-image-registry.svc:5000/openshift/cli:latest"
    assert job_image("eks", "1.33") == "registry.k8s.io/kubectl:v1.33.0"
    for name, entry in raw("images.toml")["image"].items():
        check_keys(name, entry, ("reference", "shell", "commands", "source", "certainty"), ("note",))
        check_evidence(name, entry)
        assert "kubectl" in images()[name].commands
        assert re.search(r":[A-Za-z0-9_.-]+$", images()[name].at("1.33"))


def test_openshift_versions_follow_each_other() -> None:
    pairs = [tuple(int(x.split(".")[1]) for x in pair) for pair in raw("kubernetes.toml")["openshift"].items()]
    # One Kubernetes minor per OpenShift minor: 4.14 holds 1.27.
    assert {kubernetes - openshift for openshift, kubernetes in pairs} == {13}
