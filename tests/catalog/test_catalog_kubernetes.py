"""The bundle of Kubernetes' own schemas."""

from __future__ import annotations

import pytest

from tenantry.catalog.files import read
from tenantry.catalog.kubernetes import bundled_minors, kubernetes_schemas, nearest_minor


def test_minors_from_129_on_are_bundled_without_gaps() -> None:
    numbers = [int(minor.removeprefix("1.")) for minor in bundled_minors()]
    assert numbers == list(range(29, max(numbers) + 1))
    assert max(numbers) >= 37


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ("1.32", "1.32"),
        ("v1.32", "1.32"),
        ("1.32.4", "1.32"),
        ("1.20", "1.29"),
        ("1.99", bundled_minors()[-1]),
        ("", bundled_minors()[-1]),
    ],
)
def test_the_nearest_minor_is_taken(asked: str, taken: str) -> None:
    assert nearest_minor(asked) == taken
    assert kubernetes_schemas(asked).minor == taken


@pytest.mark.parametrize("asked", ["4.18", "latest", "1", "1.x"])
def test_what_is_no_kubernetes_version_is_refused(asked: str) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes version"):
        kubernetes_schemas(asked)


def test_a_minor_is_read_once() -> None:
    assert kubernetes_schemas("1.31") is kubernetes_schemas("1.31")


@pytest.mark.parametrize("minor", bundled_minors())
def test_every_reference_leads_somewhere_and_list_maps_are_known_in_old_minors_too(minor: str) -> None:
    schemas = kubernetes_schemas(minor)
    waiting: list[object] = list(schemas.definitions.values())
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            reference = node.get("$ref")
            assert not isinstance(reference, str) or reference in schemas.definitions
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    container = schemas.definitions["io.k8s.api.core.v1.Container"]["properties"]
    assert container["env"]["x-kubernetes-list-map-keys"] == ["name"]
    assert container["ports"]["x-kubernetes-list-map-keys"] == ["containerPort", "protocol"]
    assert schemas.definitions["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"][
        "x-kubernetes-list-map-keys"
    ] == ["name"]


def test_kinds_have_versions_and_scopes() -> None:
    schemas = kubernetes_schemas("1.32")
    assert schemas.kinds["apps", "v1", "Deployment"] == "io.k8s.api.apps.v1.Deployment"
    assert ("", "Namespace") in schemas.cluster_scoped
    assert ("", "Pod") not in schemas.cluster_scoped
    assert ("batch", "v1beta1", "CronJob") not in schemas.kinds
    assert "apps" in schemas.groups
    # lists and options have no ObjectMeta and cannot stand in a manifest
    assert ("apps", "v1", "DeploymentList") not in schemas.kinds


def test_every_fact_names_a_kind_or_field_of_the_newest_minor() -> None:
    facts, schemas = read("kubernetes_api.toml"), kubernetes_schemas("")
    known = {(group, kind) for group, _, kind in schemas.kinds}
    assert schemas.cluster_scoped <= known
    assert set(facts["names"]) <= {kind for _, kind in known}
    for section in ("enums", "bounds"):
        for name, fields in facts[section].items():
            assert set(fields) <= set(schemas.definitions[f"io.k8s.{name}"]["properties"]), name
