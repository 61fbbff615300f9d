"""Objects and schemas for the tests of the schema engine."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tenantry.catalog.kubernetes import kubernetes_schemas
from tenantry.io.yaml_read import load_documents
from tenantry.model.manifest import Body, Manifest
from tenantry.model.problem import Location
from tenantry.schema import SchemaIssue, SchemaSet

SHARED = Path(os.environ.get("TENANTRY_SHARED", Path(__file__).parents[2] / "../shared"))
MINOR = "1.32"


def documents(path: Path) -> list[Body]:
    return [document.value for document in load_documents(path.read_bytes(), path.name) if document.value]


@cache
def published_crds(*folders: str) -> tuple[Body, ...]:
    """CRDs as their projects publish them; all of them when no folder is named."""
    root = SHARED / "crds"
    if not root.is_dir():
        pytest.skip(f"no published CRDs at {root}")
    files = sorted(path for folder in folders or ("",) for path in (root / folder).rglob("*.yaml"))
    return tuple(crd for path in files for crd in documents(path))


@cache
def native() -> SchemaSet:
    return SchemaSet.build([], kubernetes_schemas(MINOR))


@cache
def published(*folders: str) -> SchemaSet:
    return SchemaSet.build(published_crds(*folders), kubernetes_schemas(MINOR))


def check(schemas: SchemaSet, body: Body, *, partial: bool = False) -> list[SchemaIssue]:
    return schemas.check(Manifest(body, Location("test.yaml", 1)), partial=partial)


def said(issues: list[SchemaIssue]) -> list[tuple[str, tuple[str | int, ...]]]:
    """Rule (without its prefix) and path of each issue."""
    return [(issue.rule.removeprefix("LINT-SCHEMA-"), issue.path) for issue in issues]


def thing(api_version: str, kind: str, name: str = "x", namespace: str = "", **fields: Any) -> Body:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def container(**fields: Any) -> Body:
    return {"name": "main", "image": "registry.example/app:1", **fields}


def pod(*containers: Body, **spec: Any) -> Body:
    return thing("v1", "Pod", spec={"containers": list(containers) or [container()], **spec})


def crd(
    schema: Body,
    *,
    group: str = "example.dev",
    kind: str = "Widget",
    version: str = "v1",
    scope: str = "Namespaced",
    served: bool = True,
    status: bool = False,
) -> Body:
    """A CRD with one version; ``schema`` is the schema of ``spec`` unless it has ``properties.spec`` itself."""
    root = schema if "spec" in schema.get("properties", {}) else {"type": "object", "properties": {"spec": schema}}
    entry = {"name": version, "served": served, "storage": True, "schema": {"openAPIV3Schema": root}}
    if status:
        entry["subresources"] = {"status": {}}
    names = {"kind": kind, "plural": f"{kind.lower()}s"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}"},
        "spec": {"group": group, "names": names, "scope": scope, "versions": [entry]},
    }


def widget(spec: Any, **fields: Any) -> Body:
    return thing("example.dev/v1", "Widget", namespace="team", spec=spec, **fields)


def custom(*schemas: Body, **options: Any) -> SchemaSet:
    return SchemaSet.build([crd(schema, **options) for schema in schemas], kubernetes_schemas(MINOR))


def obj(required: tuple[str, ...] = (), **properties: Body) -> Body:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


TEXT: Body = {"type": "string"}
WHOLE: Body = {"type": "integer"}
INT_OR_TEXT: Body = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
