"""Schemas written by hand, and what the catalog costs to import."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import jsonschema_rs
import pytest
import yaml
from catalog_data import shared

from tenantry.catalog import extra_schemas


def closed(schema: Any) -> Any:
    """The schema with unknown fields refused, as an auditor reads it."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        result["additionalProperties"] = False
    return result


def pool(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"subnet": "192.168.0.0/24", "perNodeBlockSize": 8}
    metadata = {"name": "rail0", "namespace": "nvidia-network-operator"}
    return {
        "apiVersion": "nv-ipam.nvidia.com/v1alpha1",
        "kind": "IPPool",
        "metadata": metadata,
        "spec": {key: value for key, value in {**spec, **changes}.items() if value is not None},
    }


def problems(manifest: dict[str, Any]) -> list[str]:
    group, _, version = manifest["apiVersion"].partition("/")
    (found,) = [
        item for item in extra_schemas() if (item.group, item.version, item.kind) == (group, version, manifest["kind"])
    ]
    # ObjectMeta is checked elsewhere; here it may hold anything.
    return [error.message for error in jsonschema_rs.validator_for(closed(found.schema)).iter_errors(manifest)]


TERM = {"matchExpressions": [{"key": "tenantry.dev/pool", "operator": "In", "values": ["train"]}]}


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(pool(), id="least"),
        pytest.param(pool(gateway="192.168.0.1", defaultGateway=True), id="gateway"),
        pytest.param(pool(nodeSelector={"nodeSelectorTerms": [TERM]}), id="node selector"),
        pytest.param(pool(exclusions=[{"startIP": "192.168.0.1", "endIP": "192.168.0.9"}]), id="exclusions"),
        pytest.param(pool(perNodeExclusions=[{"startIndex": 0, "endIndex": 1}]), id="exclusions by index"),
        pytest.param(pool(routes=[{"dst": "10.0.0.0/8"}]), id="routes"),
        pytest.param({**pool(), "status": {"anything": [1]}}, id="status of a cluster"),
        pytest.param(
            {**pool(), "kind": "CIDRPool", "spec": {"cidr": "10.0.0.0/16", "perNodeNetworkPrefix": 24}}, id="CIDR pool"
        ),
    ],
)
def test_address_pools_that_are_right(manifest: dict[str, Any]) -> None:
    assert problems(manifest) == []


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(pool(subnet=None), id="no subnet"),
        pytest.param(pool(perNodeBlockSize=None), id="no block size"),
        pytest.param(pool(perNodeBlockSize="8"), id="block size as text"),
        pytest.param(pool(perNodeblockSize=8), id="misspelt field"),
        pytest.param(pool(nodeSelector={"matchLabels": {"a": "b"}}), id="label selector in place of a node selector"),
        pytest.param(pool(nodeSelector={"nodeSelectorTerms": [{"matchLabels": {"a": "b"}}]}), id="labels in a term"),
        pytest.param(pool(exclusions=[{"startIP": "192.168.0.1"}]), id="half an exclusion"),
        pytest.param({**pool(), "kind": "CIDRPool"}, id="fields of the other kind"),
    ],
)
def test_address_pools_that_are_wrong(manifest: dict[str, Any]) -> None:
    assert problems(manifest)


def test_the_published_sample_is_right() -> None:
    folder = shared("samples/network-operator/crs")
    text = (folder / "nvidia.com_v1alpha1_nv_ipam_ippool_cr.yaml").read_text(encoding="utf-8")
    assert problems(yaml.safe_load(text)) == []


def test_schemas_hold_no_references() -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            assert "$ref" not in node
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    kinds = [(item.group, item.kind, item.version) for item in extra_schemas()]
    assert kinds == sorted(set(kinds))
    for item in extra_schemas():
        assert item.namespaced
        assert item.source
        walk(item.schema)


def test_help_reads_no_catalog() -> None:
    program = """
import sys
from tenantry.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
print(",".join(name for name in sys.modules if name.startswith("tenantry.catalog")) or "none", file=sys.stderr)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert result.stderr.strip() == "none"
    assert "compile" in result.stdout
