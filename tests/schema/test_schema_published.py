"""CRDs and samples as their projects publish them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schema_data import SHARED, check, documents, published, published_crds, said, thing

from tenantry.errors import YamlError
from tenantry.model.manifest import Body
from tenantry.schema import SchemaSet
from tenantry.schema.close import KEYS, PRESERVE

# Published with these defects; everything else in the samples is accepted.
# clusterpolicy: a field whose value is commented out is null, which server-side apply refuses.
# gpucluster: hostPaths.rootFS is not in the CRD; IB policy: the required nodeSelector is missing.
KNOWN_DEFECTS = {
    "gpu-operator/v1_clusterpolicy.yaml": [("NULL", ("spec", "validator", "plugin"))],
    "gpu-operator/nvidia_v1alpha1_gpucluster.yaml": [("UNKNOWN-FIELD", ("spec", "hostPaths", "rootFS"))],
    "network-operator/sriov-network/infiniband/sriov-network-node-policy.yaml": [
        ("REQUIRED", ("spec", "nodeSelector"))
    ],
}


def samples() -> list[tuple[str, Body]]:
    root = SHARED / "samples"
    if not root.is_dir():
        pytest.skip(f"no samples at {root}")
    found = []
    for path in sorted(root.rglob("*.y*ml")):
        try:
            bodies = documents(path)
        except YamlError:
            continue
        objects = [
            item for body in bodies for item in (body.get("items", [body]) if body.get("kind") == "List" else [body])
        ]
        found += [(str(path.relative_to(root)), item) for item in objects if "kind" in item and "apiVersion" in item]
    return found


def test_samples_show_their_known_defects_and_nothing_else() -> None:
    schemas = published()
    found: dict[str, Any] = {}
    for name, body in samples():
        issues = said(check(schemas, body))
        if issues:
            found.setdefault(name, []).extend(issues)
    assert found == KNOWN_DEFECTS


def test_every_published_schema_compiles_whole_and_as_a_patch() -> None:
    schemas = published()
    kinds = []
    for crd in published_crds():
        for version in crd["spec"]["versions"]:
            if version["served"]:
                api_version = f"{crd['spec']['group']}/{version['name']}"
                kinds.append((api_version, crd["spec"]["names"]["kind"]))
    for api_version, kind in kinds:
        body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "tpyo": 1}
        for partial in (False, True):
            assert ("UNKNOWN-FIELD", ("tpyo",)) in said(check(schemas, body, partial=partial)), (api_version, kind)
    assert len(kinds) > 80
    assert schemas.notes() == ()


def test_a_version_that_a_later_release_adds_is_known_once_either_release_is_given() -> None:
    folder = SHARED / "crds" / "rhoai"
    if not folder.is_dir():
        pytest.skip(f"no published CRDs at {folder}")
    old = SchemaSet.build([crd for path in sorted(folder.glob("rhoai-2.25-*")) for crd in documents(path)])
    body = thing("datasciencecluster.opendatahub.io/v2", "DataScienceCluster", spec={})
    assert said(check(old, body)) == [("VERSION", ("apiVersion",))]
    assert check(published("rhoai"), body) == []


def test_copies_of_a_crd_with_another_scope_do_not_forbid_a_namespace() -> None:
    # upstream makes NodeFeatureRule cluster-wide, the OpenShift operator's copy keeps it in namespaces
    schemas = published("nfd")
    rule = {"name": "a", "labels": {"a.example/b": "c"}, "matchFeatures": []}
    body = thing("nfd.k8s-sigs.io/v1alpha1", "NodeFeatureRule", namespace="nfd", spec={"rules": [rule]})
    assert check(schemas, body) == []
    assert schemas.namespaced("nfd.k8s-sigs.io/v1alpha1", "NodeFeatureRule") is None


# Laws over published schemas


def closed_places(schema: Body, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Paths of objects that list their fields and keep no others; 0 stands for an item, 'any' for a key of a map."""
    found = []
    kept = schema.get(PRESERVE) or "additionalProperties" in schema
    if "properties" in schema and not kept:
        found.append(path)
    for name, below in schema.get("properties", {}).items():
        found += closed_places(below, (*path, name))
    if isinstance(schema.get("items"), dict):
        found += closed_places(schema["items"], (*path, 0))
    if isinstance(schema.get("additionalProperties"), dict):
        found += closed_places(schema["additionalProperties"], (*path, "any"))
    return found


def places() -> list[tuple[str, str, tuple[str | int, ...]]]:
    found = []
    for crd in published_crds("sriov", "kueue", "nvidia", "mellanox"):
        for version in crd["spec"]["versions"]:
            schema = version["schema"]["openAPIV3Schema"]["properties"].get("spec", {})
            kind = (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"])
            if version["served"]:
                found += [(*kind, ("spec", *path)) for path in closed_places(schema)]
    return found


def holding(path: tuple[str | int, ...], value: Any) -> Any:
    """Build the smallest thing that has ``value`` at ``path``."""
    for step in reversed(path):
        value = [value] if isinstance(step, int) else {step: value}
    return value


@settings(max_examples=150, deadline=None)
@given(data=st.data(), name=st.from_regex(r"zz[a-z]{3,8}", fullmatch=True))
def test_an_unknown_field_anywhere_in_a_closed_object_is_reported(data: st.DataObject, name: str) -> None:
    known = places()
    api_version, kind, path = known[data.draw(st.integers(0, len(known) - 1))]
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, **holding(path, {name: 1})}
    schemas = published("sriov", "kueue", "nvidia", "mellanox")
    assert ("UNKNOWN-FIELD", (*path, name)) in said(check(schemas, body))
    assert said(check(schemas, body, partial=True)) == [("UNKNOWN-FIELD", (*path, name))]


def list_maps(schema: Body, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], list[str]]]:
    found = [(path, schema[KEYS])] if schema.get(KEYS) else []
    for name, below in schema.get("properties", {}).items():
        found += list_maps(below, (*path, name))
    if isinstance(schema.get("items"), dict):
        found += list_maps(schema["items"], (*path, 0))
    if isinstance(schema.get("additionalProperties"), dict):
        found += list_maps(schema["additionalProperties"], (*path, "any"))
    return found


def test_duplicates_are_found_in_every_list_map_of_published_crds() -> None:
    schemas = published()
    checked = 0
    for crd in published_crds():
        for version in crd["spec"]["versions"]:
            if not version["served"]:
                continue
            for path, keys in list_maps(version["schema"]["openAPIV3Schema"]):
                if path[0] == "status":
                    continue
                item = dict.fromkeys(keys, "x")
                kind = {"apiVersion": f"{crd['spec']['group']}/{version['name']}", "kind": crd["spec"]["names"]["kind"]}
                body = {**kind, "metadata": {"name": "x"}, **holding(path, [item, item])}
                assert ("DUPLICATE-KEY", (*path, 1)) in said(check(schemas, body)), (kind, path)
                checked += 1
    assert checked > 50
