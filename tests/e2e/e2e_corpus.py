"""The corpus of spoiled objects: for every kind a few objects, and of each kind of change a few drawn by chance."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import quote

from e2e_bases import BASES
from e2e_mutations import Mutant, Schema, Schemas, additions, mutants
from variants import VARIANTS

from tenantry.compile.compiler import compile_cluster
from tenantry.compile.resolve import resolve
from tenantry.io.manifests import read_manifests
from testbed.api import APPLY, Answer
from testbed.control_plane import Cluster

Body = dict[str, Any]
Gvk = tuple[str, str]

META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
NAMESPACE = "team"
TRY = {"dryRun": "All", "fieldValidation": "Strict"}
NAMING = {(), ("metadata",), ("metadata", "name"), ("metadata", "generateName")}
PER_KIND = 2
"""How many objects of a kind are spoiled: those that say most."""


def published(cluster: Cluster, definitions: Iterable[Body]) -> Schemas:
    """Return the schemas that the server tells of, and those of definitions as they were given."""
    named: dict[str, Schema] = {}
    for path in cluster.api.request("GET", "/openapi/v3").expect()["paths"]:
        if (
            path == "api/v1"
            or (path.startswith("apis/") and path.count("/") == 2 and ".k8s.io" in path)
            or (path in {"apis/apps/v1", "apis/batch/v1", "apis/policy/v1", "apis/autoscaling/v2"})
        ):
            answer = cluster.api.request("GET", f"/openapi/v3/{path}").expect()
            named.update(answer["components"]["schemas"])
    roots: dict[Gvk, Schema] = {}
    for schema in named.values():
        for gvk in schema.get("x-kubernetes-group-version-kind") or ():
            version = f"{gvk['group']}/{gvk['version']}" if gvk["group"] else gvk["version"]
            roots[version, gvk["kind"]] = schema
    for body in definitions:
        for version in body["spec"]["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            fields = {**(schema.get("properties") or {}), "metadata": {"$ref": f"#/components/schemas/{META}"}}
            key = f"{body['spec']['group']}/{version['name']}", body["spec"]["names"]["kind"]
            roots[key] = {**schema, "properties": fields}
    return Schemas(roots, named)


def bases(cluster: Cluster, definitions: Iterable[Body], shared: Path, schemas: Schemas) -> Iterator[Body]:
    """Yield for every kind the objects that say most, and for kinds without any one made from the schema."""
    found: dict[Gvk, dict[str, Body]] = defaultdict(dict)
    for body in (*_compiled(), *_samples(shared), *BASES):
        # There from the start in every namespace, so that it cannot be made.
        if body["metadata"]["name"] == "default" and body["kind"] == "ServiceAccount":
            continue
        kind = cluster.api.kind(body["apiVersion"], body["kind"])
        if kind is not None:
            placed = _placed(body, namespaced=kind.namespaced)
            found[body["apiVersion"], body["kind"]][json.dumps(placed, sort_keys=True)] = placed
    for definition in definitions:
        for version in definition["spec"]["versions"]:
            key = f"{definition['spec']['group']}/{version['name']}", definition["spec"]["names"]["kind"]
            if version["served"] and key not in found:
                body = _made(key, schemas, namespaced=definition["spec"]["scope"] == "Namespaced")
                found[key][json.dumps(body)] = body
    for _, texts in sorted(found.items()):
        yield from (texts[text] for text in sorted(texts, key=lambda text: (-len(text), text))[:PER_KIND])


def corpus(chosen: Sequence[Body], schemas: Schemas, seed: int, number: int) -> list[Mutant]:
    """Return for every kind ``number`` of each kind of change, and the objects themselves.

    Each draw has chance of its own, so that what is drawn of a kind depends on its objects alone.
    """
    by_change: dict[tuple[str, str, str], list[Mutant]] = defaultdict(list)
    result = []
    for body in chosen:
        result.append(Mutant("unchanged", (), body, deepcopy))
        for mutant in (*mutants(body, schemas), *additions(body, schemas, random.Random(seed))):
            by_change[body["apiVersion"], body["kind"], mutant.how].append(mutant)
    for key, found in sorted(by_change.items()):
        result += random.Random(f"{seed} {key}").sample(found, min(number, len(found)))
    return result


def ask(cluster: Cluster, mutant: Mutant) -> Answer:
    """Try an object as Argo CD would, by server-side apply; as others create it where its name is what was changed."""
    body = mutant.body
    name = _meta(body).get("name")
    if mutant.path in NAMING or not name:
        return create(cluster, mutant)
    query = {**TRY, "fieldManager": "argocd-controller", "force": "true"}
    path = f"{_collection(cluster, body)}/{quote(name, safe='')}"
    return cluster.api.request("PATCH", path, body, query=query, content_type=APPLY)


def create(cluster: Cluster, mutant: Mutant) -> Answer:
    """Try an object as clients create it."""
    body = mutant.body
    return cluster.api.request("POST", _collection(cluster, body), body, query=TRY)


def _collection(cluster: Cluster, body: Body) -> str:
    kind = cluster.api.kind(body["apiVersion"], body["kind"])
    assert kind is not None
    space = _meta(body).get("namespace")
    space = space if isinstance(space, str) and space else NAMESPACE
    return "/".join([kind.prefix, *(["namespaces", quote(space, safe="")] if kind.namespaced else []), kind.plural])


def _meta(body: Body) -> Body:
    meta = body.get("metadata")
    return meta if isinstance(meta, dict) else {}


def _compiled() -> Iterator[Body]:
    for builder in VARIANTS.values():
        cluster, problems = resolve(builder.spec())
        assert problems == []
        yield from (piece.body for piece in compile_cluster(cluster).pieces)


def _samples(shared: Path) -> Iterator[Body]:
    return (item.body for item in read_manifests([shared / "samples"]).manifests if item.key.name)


def _placed(body: Body, *, namespaced: bool) -> Body:
    """Put an object into the namespace that is there."""
    result = deepcopy(body)
    result.pop("status", None)
    result["metadata"].pop("namespace", None)
    if namespaced:
        result["metadata"]["namespace"] = NAMESPACE
    return result


def _made(key: Gvk, schemas: Schemas, *, namespaced: bool) -> Body:
    body: Body = {"apiVersion": key[0], "kind": key[1], "metadata": {"name": "train"}}
    schema = schemas.at(body, ())
    for name in schema.get("properties") or ():
        if name in {"spec", *(schema.get("required") or ())} and name not in {*body, "status"}:
            body[name] = schemas.example(schemas.below(schema, name))
    return _placed(body, namespaced=namespaced)
