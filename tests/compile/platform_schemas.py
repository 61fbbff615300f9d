"""Check manifests about operators and GPUs against all CRDs of the data root, with unknown fields refused."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from schema_check import ROOT

from tenantry.catalog.kubernetes import kubernetes_schemas
from tenantry.io.yaml_read import load_documents
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.schema import SchemaSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.manifest import Body

FOLDERS = ("nfd/nfd.openshift.io_nodefeaturediscoveries", "nvidia/", "olm/operators.coreos.com_operatorgroups",
           "olm/operators.coreos.com_subscriptions", "openshift/")  # fmt: skip


@cache
def schemas(openshift_ai: str = "3.0") -> SchemaSet:
    """Schemas of the operators; those of OpenShift AI from one release only, because they differ by release."""
    folders = (*FOLDERS, f"rhoai/rhoai-{openshift_ai}-")
    paths = [path for folder in folders for path in sorted((ROOT / "crds").glob(f"{folder}*.yaml"))]
    if not paths:
        pytest.skip(f"no CustomResourceDefinitions below {ROOT}; set TENANTRY_SHARED")
    crds = [item.value for path in paths for item in load_documents(path.read_bytes(), path.name) if item.value]
    return SchemaSet.build(crds, kubernetes_schemas("1.33"))


def platform_issues(bodies: Iterable[Body], openshift_ai: str = "3.0") -> list[str]:
    """Everything wrong with the manifests, one line each; kinds without schema count as wrong."""
    known = schemas(openshift_ai)
    found = []
    for body in bodies:
        where = f"{body['kind']} {body['metadata']['name']}"
        if not known.knows(body["apiVersion"], body["kind"]):
            found.append(f"{where}: no schema of {body['apiVersion']}")
        found.extend(f"{where}: {issue}" for issue in known.check(Manifest(body, Location("<test>"))))
    return found
