from __future__ import annotations

from typing import Any

import pytest
from builders import ClusterBuilder, Outputs, cluster, run
from schema_check import schema_issues

from tenantry.compile.build import GUARD_DELETE, SYNC_OPTIONS
from tenantry.compile.guards.grants import namespace_grants
from tenantry.compile.guards.roles import rights
from tenantry.compile.names import network_names, queue_names
from tenantry.compile.passes.admission import admission
from tenantry.compile.passes.tenants import tenants
from tenantry.model.quantity import parse_quantity
from tenantry.model.spec import AccessRole

DISTRIBUTIONS = ["openshift", "kubernetes", "eks", "gke", "aks"]


def platform(distribution: str = "openshift", **fields: Any) -> ClusterBuilder:
    """Vision has two namespaces and training nodes; speech has slices only."""
    return (
        cluster()
        .on(distribution)
        .platform(ingressDomain="apps.example.com")
        .pool("training")
        .pool("serving", mig={"3g.71gb": 2})
        .fabric("roce", pools=["training"])
        .tenant(
            "vision",
            pool="training",
            guaranteed=4,
            limit=6,
            namespaces=["vision", "vision-batch"],
            fabrics={"roce": 110},
            **fields,
        )
        .tenant("speech", pool="serving", slices={"3g.71gb": (2, 5)})
    )


def hard(made: Outputs, name: str, namespace: str) -> dict[str, str]:
    found: dict[str, str] = made.one("ResourceQuota", name, namespace)["spec"]["hard"]
    return found


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_every_extended_resource_of_the_cluster_is_bounded_in_every_namespace(distribution: str) -> None:
    built = platform(distribution).build()
    made = run(tenants, built)
    wanted = {f"requests.{name}" for name in built.resources}
    assert len(wanted) >= 2  # whole GPUs and slices; with the fabric also VFs
    for namespace in ("vision", "vision-batch", "speech"):
        quota = hard(made, "tenantry-compute", namespace)
        assert wanted <= quota.keys()
        # "limits.nvidia.com/..." and bare names are refused by the API server.
        assert not [name for name in quota if "nvidia.com" in name and not name.startswith("requests.")]


def test_what_was_not_granted_is_zero_and_the_rest_is_the_limit() -> None:
    made = run(tenants, platform())
    vision, speech = hard(made, "tenantry-compute", "vision"), hard(made, "tenantry-compute", "speech")
    assert vision["requests.nvidia.com/gpu"] == "6"
    assert vision["requests.nvidia.com/mig-3g.71gb"] == "0"
    assert speech["requests.nvidia.com/gpu"] == "0"
    assert speech["requests.nvidia.com/mig-3g.71gb"] == "5"


def test_a_second_namespace_gives_no_second_share_on_openshift() -> None:
    made = run(tenants, platform())
    quota = made.one("ClusterResourceQuota", "tenantry-vision")["spec"]
    assert quota["selector"] == {"labels": {"matchLabels": {"tenantry.dev/tenant": "vision"}}}
    assert quota["quota"]["hard"]["requests.nvidia.com/gpu"] == "6"
    assert not [note for note in made.notes if note.id == "NOTE-QUOTA-PER-NAMESPACE"]


def test_elsewhere_it_is_said_that_namespaces_are_bounded_one_by_one() -> None:
    made = run(tenants, platform("eks"))
    assert made.kind("ClusterResourceQuota") == []
    assert "vision" in made.note("NOTE-QUOTA-PER-NAMESPACE").text


@pytest.mark.parametrize(
    "name",
    [
        "services.loadbalancers",
        "services.nodeports",
        "count/resourceclaims.resource.k8s.io",
        "count/resourceclaimtemplates.resource.k8s.io",
    ],
)
def test_ways_around_the_platform_are_closed_by_quota_too(name: str) -> None:
    assert hard(run(tenants, platform()), "tenantry-objects", "speech")[name] == "0"


def test_objects_that_fill_etcd_are_counted() -> None:
    # The nine names of the multi-tenancy benchmark MTB-PL1-CC-FNS-2, over both quotas.
    made = run(tenants, platform())
    names = {*hard(made, "tenantry-compute", "vision"), *hard(made, "tenantry-objects", "vision")}
    benchmark = "pods services replicationcontrollers resourcequotas secrets configmaps persistentvolumeclaims"
    assert {*benchmark.split(), "services.nodeports", "services.loadbalancers"} <= names
    assert len(made.kind("ResourceQuota")) == 3 * 2  # as many per namespace as the quota of quotas allows
    assert hard(made, "tenantry-objects", "vision")["resourcequotas"] == "2"


def test_storage_is_bounded_per_class_and_in_sum() -> None:
    storage = [{"class": "fast", "capacity": "1536Gi", "claims": 5}, {"class": "bulk", "capacity": "2Ti"}]
    quota = hard(run(tenants, platform(storage=storage)), "tenantry-objects", "vision")
    assert quota["fast.storageclass.storage.k8s.io/requests.storage"] == "1536Gi"
    assert quota["fast.storageclass.storage.k8s.io/persistentvolumeclaims"] == "5"
    # 1.5 Ti + 2 Ti = 3.5 Ti = 3584 Gi; 5 + 20 claims (20 is the default).
    assert parse_quantity(quota["requests.storage"]) == parse_quantity("3584Gi")
    assert quota["persistentvolumeclaims"] == "25"


def test_without_storage_there_are_no_claims() -> None:
    quota = hard(run(tenants, platform()), "tenantry-objects", "vision")
    assert (quota["requests.storage"], quota["persistentvolumeclaims"]) == ("0", "0")


# --- namespaces ---


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_every_namespace_is_restricted_and_says_whose_it_is(distribution: str) -> None:
    built = platform(distribution).build()
    for body in run(tenants, built).kind("Namespace"):
        labels = body["metadata"]["labels"]
        for mode in ("enforce", "audit", "warn"):
            assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
            assert labels[f"pod-security.kubernetes.io/{mode}-version"] == f"v{built.kubernetes_minor}"
        assert labels["tenantry.dev/tenant"] in {"vision", "speech"}
        assert labels["tenantry.dev/department"] == "research"
        assert body["metadata"]["annotations"][SYNC_OPTIONS] == GUARD_DELETE
        synced = labels.get("security.openshift.io/scc.podSecurityLabelSync")
        assert synced == ("false" if distribution == "openshift" else None)


def test_a_namespace_carries_what_guards_read() -> None:
    hosts: dict[str, Any] = {"network": {"hosts": ["vision.example.org"], "fabrics": [{"name": "roce", "vlan": 110}]}}
    storage = [{"class": "fast", "capacity": "1Ti"}]
    built = platform(priorities=["production", "batch"], storage=storage, **hosts).build()
    vision = next(tenant for tenant in built.tenants if tenant.name == "vision")
    notes = run(tenants, built).one("Namespace", "vision-batch")["metadata"]["annotations"]
    assert {key: notes[f"tenantry.dev/{key}"] for key in ("pools", "queues", "priorities", "hosts", "networks")} == {
        "pools": "training",
        "queues": "vision-training",
        "priorities": "batch,production",
        "hosts": "vision.apps.example.com,vision.example.org",
        "networks": ",".join(network_names(built, vision, "vision-batch")),
    }
    assert notes["tenantry.dev/storage-classes"] == "fast"
    assert notes["tenantry.dev/networks"]
    assert notes["tenantry.dev/queues"] == ",".join(queue_names(built, vision))


def test_grants_of_a_tenant_with_nothing_are_empty_not_absent() -> None:
    built = cluster().pool("training").tenant("idle", priorities=["batch"]).build()
    grants = namespace_grants(built, built.tenants[0])["idle"]
    assert {key.removeprefix("tenantry.dev/"): value for key, value in grants.items()} == {
        "pools": "",
        "queues": "",
        "priorities": "batch",
        "hosts": "",
        "networks": "",
        "storage-classes": "",
    }


@pytest.mark.parametrize(
    ("scheduler", "label", "namespaces"),
    [
        pytest.param("kueue", "kueue.openshift.io/managed", {"vision", "vision-batch", "speech"}, id="Kueue has all"),
        pytest.param("runai", "runai/queue", {"vision", "speech"}, id="a Run:ai project has one namespace"),
        pytest.param("kai", "runai/queue", set(), id="KAI needs no label"),
    ],
)
def test_namespaces_are_handed_to_the_scheduler(scheduler: str, label: str, namespaces: set[str]) -> None:
    extra = {"controlPlaneUrl": "https://runai.example.com", "clusterId": "c1"} if scheduler == "runai" else {}
    made = run(tenants, platform().scheduler(scheduler, **extra))
    marked = {body["metadata"]["name"] for body in made.kind("Namespace") if label in body["metadata"]["labels"]}
    assert marked == namespaces


# --- access ---


def test_groups_get_the_role_that_was_granted_in_every_namespace() -> None:
    access = [
        {"group": "vision-leads", "role": "admin"},
        {"group": "vision-team", "role": "edit"},
        {"group": "auditors", "role": "view"},
        {"group": "students", "role": "edit"},
    ]
    built = platform(access=access).build()
    made = run(tenants, built)
    roles = {body["metadata"]["name"] for body in run(admission, built).kind("ClusterRole")}
    for namespace in ("vision", "vision-batch"):
        edit = made.one("RoleBinding", "tenantry-tenant-edit", namespace)
        assert [item["name"] for item in edit["subjects"]] == ["students", "vision-team"]
        assert edit["roleRef"]["name"] in roles
        assert made.one("RoleBinding", "tenantry-tenant-admin", namespace)["subjects"][0]["name"] == "vision-leads"
    assert [body for body in made.kind("RoleBinding") if body["metadata"]["namespace"] == "speech"] == []


def test_pods_get_no_token_they_did_not_ask_for() -> None:
    accounts = run(tenants, platform()).kind("ServiceAccount")
    assert {body["metadata"]["namespace"] for body in accounts} == {"vision", "vision-batch", "speech"}
    assert all(body["automountServiceAccountToken"] is False for body in accounts)


# --- limits ---


def test_defaults_never_exceed_what_the_namespace_may_use() -> None:
    compute = {"cpu": "500m", "memory": "1Gi", "ephemeralStorage": "512Mi", "pods": 5}
    made = run(tenants, platform(compute=compute))
    for limits in made.one("LimitRange", "tenantry", "vision")["spec"]["limits"]:
        for name, most in limits["max"].items():
            for key in ("defaultRequest", "default"):
                assert parse_quantity(limits[key][name]) <= parse_quantity(most)
    # Requests below limits: 100m <= 500m, 256Mi <= 1Gi, 512Mi (cut from 1Gi) <= 512Mi.
    limits = made.one("LimitRange", "tenantry", "vision")["spec"]["limits"][0]
    assert limits["defaultRequest"] == {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "512Mi"}


def test_locked_memory_for_rdma_is_noted_where_the_tree_cannot_set_it() -> None:
    elsewhere = run(tenants, platform("kubernetes"))
    assert "vision" in elsewhere.note("NOTE-RDMA-MEMLOCK").text
    assert not [note for note in run(tenants, platform()).notes if note.id == "NOTE-RDMA-MEMLOCK"]


# --- shape ---


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("compile_pass", [tenants, admission])
def test_every_object_is_valid(compile_pass: Any, distribution: str) -> None:
    storage = [{"class": "fast", "capacity": "1Ti"}]
    built = platform(distribution, access=[{"group": "a:b", "role": "admin"}], storage=storage)
    assert schema_issues(run(compile_pass, built)) == []


def test_objects_of_a_tenant_lie_in_its_own_component() -> None:
    for piece in run(tenants, platform()).pieces:
        assert piece.component == f"tenant-{piece.body['metadata']['labels']['tenantry.dev/tenant']}"


def test_a_tenant_does_not_change_the_objects_of_another() -> None:
    def of_vision(made: Outputs) -> list[Any]:
        return [piece for piece in made.pieces if piece.component == "tenant-vision"]

    before = of_vision(run(tenants, platform()))
    assert before
    assert of_vision(run(tenants, platform().tenant("newcomer", pool="training", guaranteed=1))) == before


@pytest.mark.parametrize("distribution", ["openshift", "kubernetes"])
def test_every_kind_a_member_may_create_is_counted(distribution: str) -> None:
    """A kind without a limit would let one tenant fill the store of the API server."""
    builder = cluster().on(distribution).tenant("vision", pool="training", guaranteed=8)
    resolved = builder.build()
    counted = {
        key for body in run(tenants, resolved).kind("ResourceQuota") for key in body["spec"]["hard"]
    }  # fmt: skip

    for right in rights(resolved, AccessRole.ADMIN):
        for name in right.resources:
            if "create" in right.verbs and "/" not in name:
                wanted = f"count/{name}.{right.group}" if right.group else name
                assert wanted in counted or f"count/{name}" in counted, (right.group, name)
