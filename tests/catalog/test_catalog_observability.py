"""Metrics and facts."""

from __future__ import annotations

import re

import pytest
from catalog_data import check_keys, raw

from tenantry.catalog import fact_definitions, metrics

UNITS = {
    *("1", "bytes", "bytes_per_second", "celsius", "cores", "gigabytes", "gpus", "mebibytes", "megahertz"),
    *("millijoules", "milliseconds", "nanoseconds", "percent", "ratio", "seconds", "text", "watts"),
}


def test_metrics_are_ordered_and_named_once() -> None:
    names = [metric.name for metric in metrics()]
    assert len(set(names)) == len(names)
    assert [(metric.exporter, metric.name) for metric in metrics()] == sorted(
        (metric.exporter, metric.name) for metric in metrics()
    )


@pytest.mark.parametrize(
    ("name", "exporter", "kind", "unit", "default", "mig"),
    [
        ("DCGM_FI_DEV_GPU_UTIL", "dcgm", "gauge", "percent", True, False),
        ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "dcgm", "gauge", "ratio", True, True),
        ("DCGM_FI_PROF_SM_ACTIVE", "dcgm", "gauge", "ratio", False, True),
        ("DCGM_FI_DEV_XID_ERRORS", "dcgm", "gauge", "1", True, True),
        ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "dcgm", "counter", "1", False, True),
        ("DCGM_FI_DEV_FB_USED", "dcgm", "gauge", "mebibytes", True, True),
        ("DCGM_FI_DEV_FB_TOTAL", "dcgm", "gauge", "mebibytes", False, True),
        ("gpu_operator_nodes_upgrades_failed", "gpu-operator", "gauge", "1", True, True),
        ("gpu_operator_node_driver_ready", "node-status-exporter", "gauge", "1", True, True),
        ("kube_node_status_allocatable", "kube-state-metrics", "gauge", "1", True, True),
        ("kueue_cluster_queue_resource_usage", "kueue", "gauge", "1", False, True),
        ("kai_queue_allocated_gpus", "kai", "gauge", "gpus", True, True),
        ("argocd_app_info", "argocd", "gauge", "1", True, True),
        ("sriov_vf_rx_bytes", "sriov", "counter", "bytes", True, True),
        ("node_infiniband_link_downed_total", "node", "counter", "1", True, True),
    ],
)
def test_metrics(name: str, exporter: str, kind: str, *, unit: str, default: bool, mig: bool) -> None:
    (metric,) = [metric for metric in metrics() if metric.name == name]
    assert (metric.exporter, metric.type, metric.unit, metric.default, metric.mig) == (
        exporter,
        kind,
        unit,
        default,
        mig,
    )


def test_metrics_are_well_formed() -> None:
    for metric in metrics():
        assert re.fullmatch(r"[A-Za-z_:][A-Za-z0-9_:]*", metric.name)
        assert metric.type in {"counter", "gauge", "histogram", "label"}, metric.name
        assert metric.unit in UNITS, metric.name
        assert metric.help
        assert not metric.help.endswith("."), metric.name
        assert (metric.exporter == "dcgm") == (metric.on_mig in {"instance", "gpu", "none"}), metric.name
        assert (metric.exporter == "dcgm") == metric.name.startswith("DCGM_"), metric.name
        assert not metric.profiling or metric.on_mig in {"instance", "none"}


def test_rows_of_the_dcgm_exporter_have_three_columns() -> None:
    for metric in metrics():
        if metric.exporter == "dcgm":
            field, kind, text = metric.csv_row.split(", ", 2)
            assert (field, kind) == (metric.name, metric.type)
            assert "," not in text


def test_metric_entries_have_no_unknown_fields() -> None:
    for name, exporter in raw("metrics.toml")["exporter"].items():
        check_keys(name, exporter, ("source", "metric"), ("needs", "labels"))
        for row in exporter["metric"]:
            check_keys(
                row["name"], row, ("name", "type", "unit", "help"), ("default", "on_mig", "labels", "needs", "source")
            )


def test_facts_are_ordered_and_complete() -> None:
    ids = [fact.id for fact in fact_definitions()]
    assert ids == sorted(ids)
    assert {"cni", "fabric.switch-partitioning", "fabric.subnet-manager", "gpu.memory-scrubbing", "pcie.acs"} <= set(
        ids
    )
    for fact in fact_definitions():
        # The pattern of the spec, so that every definition can be stated.
        assert re.fullmatch(r"[a-z][a-z0-9.-]*", fact.id)
        assert len(fact.values) > 1
        assert set(fact.holds) < set(fact.values), f"{fact.id}: some value must leave isolation unproved"
        assert fact.description.endswith(".")
        assert fact.seen
    for name, entry in raw("facts.toml")["fact"].items():
        check_keys(name, entry, ("description", "seen"), ("values", "boolean", "holds"))
        assert ("values" in entry) != ("boolean" in entry)


@pytest.mark.parametrize(
    ("fact", "value", "allowed", "proves"),
    [
        pytest.param("rdma.namespace-mode", "exclusive", True, True, id="the safe value"),
        pytest.param("rdma.namespace-mode", "shared", True, False, id="an allowed value that proves nothing"),
        pytest.param("rdma.namespace-mode", "Exclusive", False, False, id="another case"),
        pytest.param("rdma.namespace-mode", True, False, False, id="a word is not a yes"),
        pytest.param("node.pids-limit", True, True, True, id="yes"),
        pytest.param("node.pids-limit", False, True, False, id="no"),
        pytest.param("node.pids-limit", "true", False, False, id="a yes is not a word"),
        pytest.param("runtime.nvidia-default", False, True, True, id="no is the safe answer"),
        pytest.param("node.secure-boot", True, True, False, id="a fact that only informs"),
    ],
)
def test_values_of_facts(fact: str, value: str | bool, *, allowed: bool, proves: bool) -> None:
    (definition,) = [item for item in fact_definitions() if item.id == fact]
    assert definition.allows(value) is allowed
    assert definition.proves(value) is proves
