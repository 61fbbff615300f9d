from __future__ import annotations

from typing import Any

import pytest
from builders import ClusterBuilder, cluster, run
from hypothesis import given
from hypothesis import strategies as st
from schema_check import schema_issues

from tenantry.compile.build import WAVE
from tenantry.compile.names import queue_names
from tenantry.compile.passes.kai import NODE_POOL_LABEL, UNIT_ANNOTATION, kai
from tenantry.compile.queue_shares import department_shares, tenant_shares

FREE = {"quota": -1, "limit": -1, "overQuotaWeight": 1}


def two_teams() -> ClusterBuilder:
    return (
        cluster()
        .pool("training")
        .tenant("vision", pool="training", guaranteed=8, limit=12)
        .tenant("speech", pool="training", guaranteed=4)
    )


def gpu(builder: ClusterBuilder, queue: str) -> Any:
    return run(kai, builder).one("Queue", queue)["spec"]["resources"]["gpu"]


@pytest.mark.parametrize("other", ["kueue", "runai"])
def test_another_scheduler_needs_no_queues_of_kai(other: str) -> None:
    fields = {"controlPlaneUrl": "https://runai.example.com", "clusterId": "c"} if other == "runai" else {}
    assert run(kai, two_teams().scheduler(other, **fields)).all == []


def test_every_pool_has_a_scheduler_of_its_own() -> None:
    shards = run(kai, two_teams().pool("serving")).kind("SchedulingShard")
    assert {body["metadata"]["name"]: body["spec"] for body in shards} == {
        name: {"partitionLabelValue": name, "placementStrategy": {"gpu": "binpack", "cpu": "binpack"}}
        for name in ("serving", "training")
    }


def test_placement_and_minimal_runtimes_are_settings_of_the_shard() -> None:
    builder = two_teams().scheduler("kai", placement="spread", reclaimMinRuntime="30m")
    spec = run(kai, builder).one("SchedulingShard", "training")["spec"]
    assert spec["placementStrategy"] == {"gpu": "spread", "cpu": "spread"}
    assert spec["minRuntime"] == {"reclaimMinRuntime": "30m"}
    both = two_teams().scheduler("kai", reclaimMinRuntime="1h30m", preemptMinRuntime="5m")
    assert run(kai, both).one("SchedulingShard")["spec"]["minRuntime"] == {
        "preemptMinRuntime": "5m",
        "reclaimMinRuntime": "1h30m",
    }


def test_a_tenant_has_a_leaf_below_its_department_in_each_pool() -> None:
    body = run(kai, two_teams()).one("Queue", "vision-training")
    assert body["metadata"]["labels"] == {
        "kai.scheduler/node-pool": "training",
        "tenantry.dev/tenant": "vision",
        "tenantry.dev/department": "research",
    }
    assert body["metadata"]["annotations"][UNIT_ANNOTATION] == "GPUs"
    assert body["spec"] == {
        "displayName": "vision",
        "priority": 100,
        "parentQueue": "research-training-dept",
        "resources": {"gpu": {"quota": 8, "limit": 12, "overQuotaWeight": 1}, "cpu": FREE, "memory": FREE},
    }


def test_a_limit_is_always_written_because_a_missing_one_allows_nothing() -> None:
    for body in run(kai, two_teams()).kind("Queue"):
        for kind, numbers in body["spec"]["resources"].items():
            assert set(numbers) == {"quota", "limit", "overQuotaWeight"}, kind
    assert gpu(two_teams(), "speech-training") == {"quota": 4, "limit": 4, "overQuotaWeight": 1}


def test_a_department_is_guaranteed_what_its_tenants_are_together() -> None:
    builder = two_teams().tenant("robots", pool="training", guaranteed=4, department="lab")
    assert gpu(builder, "research-training-dept") == {"quota": 12, "limit": -1, "overQuotaWeight": 1}  # 8 + 4
    assert gpu(builder, "lab-training-dept") == {"quota": 4, "limit": -1, "overQuotaWeight": 1}
    parents = {body["spec"].get("parentQueue") for body in run(kai, builder).kind("Queue")}
    assert parents == {None, "research-training-dept", "lab-training-dept"}


def test_weight_zero_never_borrows_whatever_its_limit() -> None:
    builder = cluster().pool("training").tenant("vision").quota("training", guaranteed=4, limit=12, weight=0)
    assert gpu(builder, "vision-training") == {"quota": 4, "limit": 4, "overQuotaWeight": 0}


def test_slices_count_their_compute_slices() -> None:
    builder = (
        cluster()
        .pool("serving", mig={"3g.71gb": 1, "1g.18gb": 4})
        .tenant("vision", pool="serving", slices={"3g.71gb": (2, 4), "1g.18gb": (3, 5)})
    )
    body = run(kai, builder).one("Queue", "vision-serving")
    # guaranteed 2 x 3g + 3 x 1g = 9, limit 4 x 3g + 5 x 1g = 17
    assert body["spec"]["resources"]["gpu"] == {"quota": 9, "limit": 17, "overQuotaWeight": 1}
    assert body["metadata"]["annotations"][UNIT_ANNOTATION] == "compute slices of MIG instances"


def test_replicas_of_shared_gpus_count_one_and_the_reader_learns_that_kai_does_not_count_them() -> None:
    builder = cluster().pool("dev", time_slicing=4).tenant("vision", pool="dev", guaranteed=6, limit=10)
    assert gpu(builder, "vision-dev") == {"quota": 6, "limit": 10, "overQuotaWeight": 1}
    note = run(kai, builder).note("NOTE-KAI-SHARED")
    assert note.subject == "node pool dev"
    assert "ResourceQuota" in note.text
    assert not [item for item in run(kai, two_teams()).notes if item.id == "NOTE-KAI-SHARED"]


def test_whole_gpus_beside_slices_are_pointed_out_since_kai_cannot_use_them() -> None:
    mixed = cluster().pool("serving", mig=[([0, 1], {"3g.71gb": 2})])
    assert run(kai, mixed).note("NOTE-KAI-MIXED-NODE").subject == "node pool serving"
    full = cluster().pool("serving", mig={"3g.71gb": 2})
    assert run(kai, full).notes == []


def test_pods_are_told_to_carry_the_label_of_the_pool_too() -> None:
    assert NODE_POOL_LABEL in run(kai, two_teams()).note("NOTE-KAI-PODS").action


def test_parents_exist_before_their_children() -> None:
    waves = {
        body["metadata"]["name"]: int(body["metadata"]["annotations"].get(WAVE, "0")) for body in run(kai, two_teams())
    }
    assert waves["training"] < waves["research-training-dept"] < waves["vision-training"] == waves["speech-training"]


def test_a_change_of_one_tenant_touches_its_own_file_and_its_departments() -> None:
    def files(builder: ClusterBuilder) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for piece in run(kai, builder).pieces:
            found.setdefault(piece.file, []).append(piece.body)
        return found

    more = (
        cluster()
        .pool("training")
        .tenant("vision", pool="training", guaranteed=6, limit=12)
        .tenant("speech", pool="training", guaranteed=4)
    )
    before, after = files(two_teams()), files(more)
    assert {name for name in before if before[name] != after[name]} == {"tenant-vision", "department-research"}


def test_leaf_queues_are_exactly_the_queues_told_to_admission() -> None:
    resolved = two_teams().pool("serving", mig={"3g.71gb": 2}).quota("serving", slices={"3g.71gb": (1, 2)}).build()
    leaves = {body["metadata"]["name"] for body in run(kai, resolved).kind("Queue") if "parentQueue" in body["spec"]}
    assert leaves == {name for tenant in resolved.tenants for name in queue_names(resolved, tenant)}
    speech = resolved.tenants[0]
    assert speech.name == "speech"
    assert queue_names(resolved, speech) == ("speech-serving", "speech-training")


@given(
    st.lists(
        st.tuples(st.sampled_from(["x", "y"]), st.integers(0, 8), st.integers(0, 8), st.integers(0, 3)),
        min_size=1,
        max_size=5,
    )
)
def test_department_guarantees_are_sums_and_limits_never_fall_below_guarantees(
    teams: list[tuple[str, int, int, int]],
) -> None:
    builder = cluster().pool("training", nodes=10)
    for number, (department, low, more, weight) in enumerate(teams):
        builder.tenant(f"t{number}", department=department)
        builder.quota("training", guaranteed=low, limit=low + more, weight=weight)
    resolved = builder.build()
    for tenant in resolved.tenants:
        for share in tenant_shares(resolved, tenant):
            assert 0 <= share.quota <= share.limit
            assert share.weight or share.quota == share.limit
    for department in resolved.departments:
        total = sum(share.quota for share in department_shares(resolved, department))
        assert total == sum(low for name, low, more, _ in teams if name == department)


def test_queues_and_shards_pass_their_schemas() -> None:
    builder = (
        two_teams()
        .scheduler("kai", reclaimMinRuntime="30m", preemptMinRuntime="1h30m")
        .pool("serving", mig={"3g.71gb": 2})
        .pool("dev", time_slicing=4)
        .tenant("robots", pool="serving", slices={"3g.71gb": (2, 4)}, department="lab")
        .quota("dev", guaranteed=4)
    )
    bodies = list(run(kai, builder))
    # 3 shards, department queues research-training, lab-serving, lab-dev, and 4 tenant queues
    assert len(bodies) == 3 + 3 + 4
    assert schema_issues(bodies) == []
