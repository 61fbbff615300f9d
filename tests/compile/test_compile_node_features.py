from __future__ import annotations

from typing import Any

import pytest
from builders import cluster, run
from platform_schemas import platform_issues

from tenantry.compile.passes.node_features import node_features
from tenantry.io.yaml_read import load_documents


def worker_config() -> Any:
    body = run(node_features, cluster()).one("NodeFeatureDiscovery")
    (document,) = load_documents(body["spec"]["workerConfig"]["configData"].encode(), "config")
    return document.value


def test_classes_of_nics_in_infiniband_mode_are_seen() -> None:
    classes = worker_config()["sources"]["pci"]["deviceClassWhitelist"]
    assert {"02", "0200", "0207", "03", "0300", "0302"} == set(classes)
    assert all(isinstance(name, str) for name in classes), "a bare 0300 would be a number"


def test_labels_are_named_as_the_network_operator_selects_them() -> None:
    assert worker_config()["sources"]["pci"]["deviceLabelFields"] == ["vendor"]


def test_dedicated_nodes_are_labelled_too() -> None:
    body = run(node_features, cluster()).one("NodeFeatureDiscovery", "nfd-instance", "openshift-nfd")
    tolerations = body["spec"]["operand"]["workerTolerations"]
    assert {"key": "tenantry.dev/pool", "operator": "Exists", "effect": "NoSchedule"} in tolerations


def test_its_removal_waits_for_a_person() -> None:
    annotations = run(node_features, cluster()).one("NodeFeatureDiscovery")["metadata"]["annotations"]
    assert "Prune=confirm" in annotations["argocd.argoproj.io/sync-options"]


def test_the_manifest_is_valid() -> None:
    assert platform_issues(run(node_features, cluster())) == []


@pytest.mark.parametrize("distribution", ["kubernetes", "eks", "gke", "aks"])
def test_elsewhere_the_chart_does_it(distribution: str) -> None:
    assert run(node_features, cluster().on(distribution)).all == []
