"""Check manifests that passes yield against the CRDs of the data root, with unknown fields refused."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tenantry.catalog.kubernetes import kubernetes_schemas
from tenantry.catalog.schemas import extra_schemas
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.schema import ExtraKind, SchemaSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.manifest import Body

ROOT = Path(os.environ.get("TENANTRY_SHARED") or Path(__file__).parents[2] / ".." / "shared")
FOLDERS = (
    "kai/*queues.yaml",
    "kai/*shards.yaml",
    "kueue/*.yaml",
    "mellanox/*.yaml",
    "netpol/*.yaml",
    "openshift/*clusterresourcequotas*.yaml",
    "sriov/*.yaml",
)


@cache
def schemas() -> SchemaSet:
    """All schemas these tests need; skips where the data is absent."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / "crds").glob(folder))]
    if not paths:
        pytest.skip(f"no CustomResourceDefinitions below {ROOT}; set TENANTRY_SHARED")
    crds = [crd for path in paths for crd in yaml.load_all(path.read_bytes(), yaml.CSafeLoader) if crd]
    extra = [
        ExtraKind(f"{item.group}/{item.version}", item.kind, item.namespaced, dict(item.schema))
        for item in extra_schemas()
    ]
    return SchemaSet.build(crds, kubernetes_schemas("1.33"), extra)


def schema_issues(bodies: Iterable[Body]) -> list[str]:
    """Everything wrong with the manifests, one line each; unknown kinds count as wrong."""
    known = schemas()
    found = []
    for body in bodies:
        where = f"{body['kind']} {body['metadata']['name']}"
        if not known.knows(body["apiVersion"], body["kind"]):
            found.append(f"{where}: no schema of {body['apiVersion']}")
        found.extend(f"{where}: {issue}" for issue in known.check(Manifest(body, Location("<test>"))))
    return found
