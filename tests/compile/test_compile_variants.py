"""Every platform of the table of variants compiles into a tree that is whole: valid, unique, and without loose ends."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from variants import VARIANTS

from tenantry.app.compile import render
from tenantry.app.lint import parse_one, schema_set
from tenantry.compile.checks import check
from tenantry.compile.checks.names import RESERVED_NAMESPACE
from tenantry.compile.compiler import Compilation, compile_cluster
from tenantry.compile.resolve import resolve
from tenantry.io.manifests import read_manifests
from tenantry.lint import LintContext, lint
from tenantry.model.cluster import TENANT_LABEL
from tenantry.model.finding import Severity
from tenantry.model.manifest import Manifest, key_of
from tenantry.model.problem import Location

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantry.model.manifest import Body
    from tenantry.schema import SchemaSet

# Made by OpenShift, by its operators, or by a person following a note of the tree.
EXISTING_NAMESPACES = {
    "openshift-config-managed",
    "openshift-gitops",
    "openshift-monitoring",
    "redhat-ods-applications",
    "argocd",
    "runai",
}
EXISTING_ROLES = {"cluster-admin", "cluster-monitoring-view", "self-provisioner"}
EXISTING_ACCOUNTS = {
    ("openshift-monitoring", "prometheus-k8s"),
    ("openshift-gitops", "openshift-gitops-argocd-application-controller"),
    ("gitops", "openshift-gitops-argocd-application-controller"),
}
EXISTING_CONFIG = {("tenantry-monitoring", "openshift-service-ca.crt")}
EXISTING_CLASSES = {"system-node-critical", "system-cluster-critical"}

# What the tree cannot mend and says in a note: the node image brings the container toolkit.
ACCEPTED = {
    "AKS with the provider's driver": {"LINT-GPU-OPEN-ACCESS"},
}


@cache
def compiled(name: str) -> Compilation:
    cluster, problems = resolve(VARIANTS[name].spec())
    problems += check(cluster)
    assert [(item.rule, item.path, item.message) for item in problems] == []
    return compile_cluster(cluster)


def bodies(name: str) -> list[Body]:
    return [piece.body for piece in compiled(name).pieces]


def identity(body: Body) -> tuple[str, str, str]:
    return body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]


def maps(value: Any) -> Iterator[dict[str, Any]]:
    """Every map inside a value."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from maps(item)


@pytest.fixture(scope="module")
def definitions(shared: Path) -> tuple[Manifest, ...]:
    return read_manifests([shared / "crds"]).manifests


@pytest.fixture(scope="module")
def schemas(definitions: tuple[Manifest, ...]) -> dict[str, SchemaSet]:
    minors = {compiled(name).cluster.kubernetes_minor for name in VARIANTS}
    return {minor: schema_set(definitions, minor) for minor in sorted(minors)}


each = pytest.mark.parametrize("name", VARIANTS)


@each
def test_every_object_satisfies_its_schema(name: str, schemas: dict[str, SchemaSet]) -> None:
    known = schemas[compiled(name).cluster.kubernetes_minor]
    manifests = [Manifest(piece.body, Location(piece.file)) for piece in compiled(name).pieces]

    assert [str(item.key) for item in manifests if not known.knows(item.key.api_version, item.key.kind)] == []
    assert [(str(item.key), issue.message) for item in manifests for issue in known.check(item)] == []


@each
def test_no_two_objects_are_the_same(name: str) -> None:
    keys = [key_of(body) for body in bodies(name)]

    assert sorted(str(key) for key in set(keys) if keys.count(key) > 1) == []


@each
def test_objects_fit_together(name: str) -> None:
    manifests = [Manifest(piece.body, Location(piece.file)) for piece in compiled(name).pieces]

    issues = lint(manifests, LintContext(parse_yaml=parse_one, complete=True))

    loud = {(issue.rule, str(issue.manifest.key), issue.message) for issue in issues if issue.severity > Severity.INFO}
    assert {item for item in loud if item[0] not in ACCEPTED.get(name, set())} == set()
    assert ACCEPTED.get(name, set()) == {item[0] for item in loud}


@each
def test_every_namespace_is_made_or_is_known_to_exist(name: str) -> None:
    made = {body["metadata"]["name"] for body in bodies(name) if body["kind"] == "Namespace"}
    used = {body["metadata"].get("namespace", "") for body in bodies(name)} - {""}
    used |= {chart.namespace for chart in compiled(name).charts}
    settings = compiled(name).cluster.spec.platform.spec.gitops
    by_hand = set() if compiled(name).cluster.openshift else {settings.namespace or "argocd"}

    assert used - made - EXISTING_NAMESPACES - by_hand == set()


@each
def test_no_tenant_may_take_a_namespace_of_the_platform(name: str) -> None:
    cluster = compiled(name).cluster
    own = {namespace for tenant in cluster.tenants for namespace in tenant.namespaces}
    used = {body["metadata"].get("namespace", "") for body in bodies(name)} - {""}
    used |= {body["metadata"]["name"] for body in bodies(name) if body["kind"] == "Namespace"}
    used |= {chart.namespace for chart in compiled(name).charts}

    open_to_all = {item for item in used - own - {cluster.argocd_namespace} if not RESERVED_NAMESPACE.match(item)}
    assert open_to_all == set()


@each
def test_references_inside_the_tree_resolve(name: str) -> None:
    there = {identity(body) for body in bodies(name)}
    missing = set()
    for body in bodies(name):
        namespace = body["metadata"].get("namespace", "")
        for kind, where, wanted in references(body, namespace):
            if (kind, where, wanted) not in there:
                missing.add((kind, where, wanted))
    missing -= {("ConfigMap", *item) for item in EXISTING_CONFIG}
    missing -= {("ServiceAccount", *item) for item in EXISTING_ACCOUNTS}
    missing -= {("ClusterRole", "", item) for item in EXISTING_ROLES}
    missing -= {("PriorityClass", "", item) for item in EXISTING_CLASSES}

    assert missing == set()


def references(body: Body, namespace: str) -> Iterator[tuple[str, str, str]]:
    """Yield kind, namespace and name of what an object names."""
    if body["kind"] in {"RoleBinding", "ClusterRoleBinding"}:
        role = body["roleRef"]
        yield role["kind"], namespace if role["kind"] == "Role" else "", role["name"]
        for subject in body["subjects"]:
            if subject["kind"] == "ServiceAccount":
                yield "ServiceAccount", subject["namespace"], subject["name"]
    for value in maps(body):
        for key in ("configMap", "configMapRef", "configMapKeyRef"):
            if isinstance(value.get(key), dict) and "name" in value[key]:
                yield "ConfigMap", namespace, value[key]["name"]
        if isinstance(value.get("serviceAccountName"), str):
            yield "ServiceAccount", namespace, value["serviceAccountName"]
        if isinstance(value.get("priorityClassName"), str):
            yield "PriorityClass", "", value["priorityClassName"]
    yield from queue_references(body)


def queue_references(body: Body) -> Iterator[tuple[str, str, str]]:
    """Yield what guards and queues name."""
    if body["kind"] == "ValidatingAdmissionPolicyBinding":
        yield "ValidatingAdmissionPolicy", "", body["spec"]["policyName"]
    if body["kind"] == "LocalQueue":
        yield "ClusterQueue", "", body["spec"]["clusterQueue"]
    if body["kind"] == "ClusterQueue":
        yield "Cohort", "", body["spec"]["cohortName"]
        for group in body["spec"]["resourceGroups"]:
            for flavor in group["flavors"]:
                yield "ResourceFlavor", "", flavor["name"]
    if body["kind"] in {"Queue", "Cohort"}:
        parent = body["spec"].get("parentQueue") or body["spec"].get("parentName")
        if parent:
            yield body["kind"], "", parent


@each
def test_projects_cover_the_objects_and_only_these(name: str) -> None:
    components = {item.name: item for item in compiled(name).components}
    projects = {body["metadata"]["name"]: body["spec"] for body in bodies(name) if body["kind"] == "AppProject"}
    for piece in compiled(name).pieces:
        component = components[piece.component]
        if component.name in {"bootstrap", "apps"}:
            continue
        project = projects[component.project]
        namespace = piece.body["metadata"].get("namespace")
        if namespace:
            assert namespace in {item["namespace"] for item in project["destinations"]}, identity(piece.body)
        else:
            group = piece.body["apiVersion"].rpartition("/")[0]
            allowed = [(item["group"], item["kind"]) for item in project["clusterResourceWhitelist"]]
            assert (group, piece.body["kind"]) in allowed, identity(piece.body)
    assert all("*" not in item["namespace"] for spec in projects.values() for item in spec["destinations"])


@each
def test_every_folder_is_delivered_by_one_application(name: str) -> None:
    root = compiled(name).cluster.spec.platform.spec.gitops.path
    delivered = [
        body["spec"]["source"]["path"]
        for body in bodies(name)
        if body["kind"] == "Application" and "path" in body["spec"]["source"]
    ]
    folders = {item.folder for item in compiled(name).components if item.name != "bootstrap"}

    assert sorted(delivered) == sorted("/".join(filter(None, (root, folder))) for folder in folders)


@each
def test_every_tenant_namespace_is_bounded_and_closed(name: str) -> None:
    cluster = compiled(name).cluster
    everything = {f"requests.{resource}" for resource in (*cluster.resources, "nvidia.com/gpu")}
    owners = {namespace: tenant.name for tenant in cluster.tenants for namespace in tenant.namespaces}
    for namespace, owner in owners.items():
        here = [body for body in bodies(name) if body["metadata"].get("namespace") == namespace]
        hard = {key for body in here if body["kind"] == "ResourceQuota" for key in body["spec"]["hard"]}
        assert everything <= hard, (namespace, everything - hard)
        denied = [body for body in here if body["kind"] == "NetworkPolicy" and body["spec"]["podSelector"] == {}]
        assert any(not body["spec"].get("ingress") and not body["spec"].get("egress") for body in denied), namespace
        (made,) = [
            body for body in bodies(name) if body["kind"] == "Namespace" and body["metadata"]["name"] == namespace
        ]
        assert made["metadata"]["labels"][TENANT_LABEL] == owner


@each
def test_waves_follow_what_needs_what(name: str) -> None:
    """Definitions come before their objects, and namespaces before what lies in them, inside each Application too."""
    waves = {item.name: item.wave for item in compiled(name).components}
    placed: dict[str, tuple[int, int]] = {}
    for piece in compiled(name).pieces:
        if piece.body["kind"] == "Namespace":
            placed[piece.body["metadata"]["name"]] = (waves[piece.component], wave(piece.body))
    late = [
        identity(piece.body)
        for piece in compiled(name).pieces
        if (namespace := piece.body["metadata"].get("namespace")) in placed
        and piece.component != "bootstrap"
        and (waves[piece.component], wave(piece.body)) < placed[namespace]
    ]
    assert late == []


def wave(body: Body) -> int:
    return int(body["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", "0"))


@each
def test_compiling_again_gives_the_same_bytes(name: str) -> None:
    again, problems = resolve(VARIANTS[name].spec())

    assert problems == []
    assert render(compile_cluster(again)) == render(compiled(name))


@pytest.mark.parametrize("name", ["RoCE", "a tenant with every field", "Kueue on OpenShift with MIG and a fabric"])
def test_an_ordinary_parser_reads_the_same_objects(name: str) -> None:
    """PyYAML stands for every other reader: what is written is what was meant."""
    files = render(compiled(name))
    for path, wanted in compiled(name).files().items():
        assert list(yaml.load_all(files[path], yaml.CSafeLoader)) == wanted, path
