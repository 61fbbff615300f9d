"""Every rule: a bad case, its repaired twin, and a case it must not accuse; and what becomes of proposed changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fit_support import GENERIC, ClusterBuilder, apply, cluster, decided, found, rebuild, resolved, workload

from tenantry.efficient.fit.engine import judge
from tenantry.efficient.fit.jobs import pod_shape
from tenantry.efficient.fit.reference import fit_markdown
from tenantry.efficient.fit.rules import RULES
from tenantry.efficient.fit.work import NO_LOSS, Ground, Loss
from tenantry.model.finding import Severity, Verdict

RAILS = [{"name": f"rail{number}", "pci": f"0000:{26 + number:02x}:00.0"} for number in range(8)]


def training(nodes: int = 2, **fields: Any) -> ClusterBuilder:
    """Servers of eight whole H200."""
    return cluster().pool("training", nodes=nodes, **fields)


def work(builder: ClusterBuilder, name: str, tenant: str, pool: str = "training", **fields: Any) -> ClusterBuilder:
    document = workload(name, tenant, pool, **fields)
    return builder.document(document["kind"], name, document["spec"])


def two(first: int, second: int, *, pods: tuple[int, int] = (0, 0), nodes: int = 2, **fields: Any) -> ClusterBuilder:
    """Two tenants on one pool, each with a workload of so many GPUs for each pod."""
    builder = training(nodes).tenant("a", pool="training", guaranteed=first, limit=8 * nodes, **fields)
    builder = builder.tenant("b", pool="training", guaranteed=second, limit=8 * nodes)
    for name, size in zip("ab", pods, strict=True):
        if size:
            builder = work(builder, f"work-{name}", name, gpus=size)
    return builder


def mig(layouts: Any, **tenant: Any) -> ClusterBuilder:
    return cluster().pool("serving", nodes=1, mig=layouts).tenant("a", pool="serving", **tenant)


def shared(replicas: int, guaranteed: int, **fields: Any) -> ClusterBuilder:
    builder = cluster().pool("dev", "dell-r760xa-l40s", nodes=1, time_slicing=replicas)
    return builder.tenant("a", pool="dev", guaranteed=guaranteed, compute={"cpu": "999", "memory": "9Ti", **fields})


def attached(alignment: str, vfs: int = 8, **fabric: Any) -> ClusterBuilder:
    builder = training(1, numaAlignment=alignment).fabric(rails=RAILS, vfsPerRail=vfs, **fabric)
    return builder.tenant("a", pool="training", guaranteed=8, fabrics={"roce": 100})


def selected(first: dict[str, str], second: dict[str, str], **first_fields: Any) -> ClusterBuilder:
    builder = cluster().kubernetes()
    builder = builder.pool("one", **GENERIC, nodes=1, named=False, selector=first, **first_fields)
    builder = builder.pool("two", **GENERIC, nodes=1, named=False, selector=second)
    return builder.tenant("a", pool="one", guaranteed=8).tenant("b", pool="two", guaranteed=8)


MIXED = {"pool": "serving", "guaranteed": 4, "slices": {"3g.71gb": {"guaranteed": 8}}}

Case = tuple[ClusterBuilder, ClusterBuilder, ClusterBuilder]

CASES: dict[str, tuple[str, ClusterBuilder, ClusterBuilder, ClusterBuilder]] = {
    # name: (rule, bad, repaired, must not be accused)
    "pods of 6 and 4 fragment two servers although 12 + 4 = 16": (
        "FIT-GUARANTEE", two(12, 4, pods=(6, 4)), two(12, 4, pods=(6, 2)), two(8, 8, pods=(8, 4)),
    ),
    # 56 slices with a virtual function each, on 8 rails with 4 of them.
    "slices outnumber the virtual functions their pods need": (
        "FIT-GUARANTEE",
        work(mig({"1g.18gb": 7}, slices={"1g.18gb": (56, 56)}, fabrics={"roce": 100})
             .fabric(pools=["serving"], rails=RAILS, vfsPerRail=4),
             "infer", "a", "serving", rdma={"fabric": "roce", "vfsPerGpu": 1}),
        work(mig({"1g.18gb": 7}, slices={"1g.18gb": (56, 56)}, fabrics={"roce": 100})
             .fabric(pools=["serving"], rails=RAILS, vfsPerRail=7),
             "infer", "a", "serving", rdma={"fabric": "roce", "vfsPerGpu": 1}),
        work(mig({"1g.18gb": 7}, slices={"1g.18gb": (32, 56)}, fabrics={"roce": 100})
             .fabric(pools=["serving"], rails=RAILS, vfsPerRail=4),
             "infer", "a", "serving", rdma={"fabric": "roce", "vfsPerGpu": 1}),
    ),
    # Pods of 4 fill two servers; 5 pods of 3 and one of 1 do not fit, since a server takes two of 3.
    "one of two workloads does not divide the servers": (
        "FIT-GUARANTEE",
        work(work(training().tenant("a", pool="training", guaranteed=16), "four", "a", gpus=4), "three", "a", gpus=3),
        work(work(training().tenant("a", pool="training", guaranteed=16), "four", "a", gpus=4), "two", "a", gpus=2),
        work(work(training(3).tenant("a", pool="training", guaranteed=16), "four", "a", gpus=4), "three", "a", gpus=3),
    ),
    # With single-numa-node pods of 3 leave one GPU of each NUMA node: 4 pods and 4 x 1, not 5 pods.
    "pods of 3 leave a GPU in every NUMA node": (
        "FIT-GUARANTEE",
        work(training(2, numaAlignment="single-numa-node").tenant("a", pool="training", guaranteed=15, limit=16),
             "three", "a", gpus=3),
        work(training(2, numaAlignment="single-numa-node").tenant("a", pool="training", guaranteed=12, limit=16),
             "three", "a", gpus=3),
        work(training(2, numaAlignment="single-numa-node").tenant("a", pool="training", guaranteed=16),
             "four", "a", gpus=4),
    ),
    "a pod larger than a server": (
        "FIT-WORKLOAD-NEVER",
        work(training().tenant("a", pool="training", guaranteed=16), "wide", "a", gpus=9),
        work(training().tenant("a", pool="training", guaranteed=16), "wide", "a", gpus=8),
        work(training().tenant("a", pool="training", guaranteed=16), "wide", "a", gpus=8, pods=2),
    ),
    "five GPUs in each of four pods: one pod fits a server of eight": (
        "FIT-WORKLOAD-NEVER",
        work(training(3).tenant("a", pool="training", guaranteed=24), "gang", "a", gpus=5, pods=4),
        work(training(4).tenant("a", pool="training", guaranteed=32), "gang", "a", gpus=5, pods=4),
        work(training(3).tenant("a", pool="training", guaranteed=24), "gang", "a", gpus=4, pods=6),
    ),
    "more than the limit": (
        "FIT-WORKLOAD-NEVER",
        work(training().tenant("a", pool="training", guaranteed=4, limit=8), "gang", "a", gpus=4, pods=3),
        work(training().tenant("a", pool="training", guaranteed=4, limit=12), "gang", "a", gpus=4, pods=3),
        work(training().tenant("a", pool="training", guaranteed=0, limit=16), "gang", "a", gpus=8, pods=2),
    ),
    "memory of no slice suffices: 3g.71gb has 69.5 GiB": (
        "FIT-WORKLOAD-NEVER",
        work(mig({"3g.71gb": 2}, slices={"3g.71gb": (16, 16)}), "large", "a", "serving", gpuMemory="70Gi"),
        work(mig({"3g.71gb": 2}, slices={"3g.71gb": (16, 16)}), "large", "a", "serving", gpuMemory="69Gi"),
        work(mig({"3g.71gb": 1, "1g.18gb": 3}, slices={"3g.71gb": (8, 8), "1g.18gb": (24, 24)}), "x", "a", "serving",
             gpuMemory="20Gi"),
    ),
    "instances are not joined by NVLink": (
        "FIT-WORKLOAD-NEVER",
        work(mig({"3g.71gb": 2}, slices={"3g.71gb": (16, 16)}), "joined", "a", "serving", gpus=2, nvlink=True),
        work(mig({"3g.71gb": 2}, slices={"3g.71gb": (16, 16)}), "joined", "a", "serving", gpus=2),
        work(training().tenant("a", pool="training", guaranteed=16), "joined", "a", gpus=2, nvlink=True),
    ),
    "two replicas in one pod are refused by the device plugin": (
        "FIT-WORKLOAD-NEVER",
        work(shared(4, 16), "pair", "a", "dev", gpus=2), work(shared(4, 16), "pair", "a", "dev"),
        work(shared(4, 16), "pair", "a", "dev", pods=2),
    ),
    "a tenant without the fabric its workload needs": (
        "FIT-WORKLOAD-NEVER",
        work(training().fabric(rails=RAILS).tenant("a", pool="training", guaranteed=16), "rdma", "a",
             rdma={"fabric": "roce"}),
        work(training().fabric(rails=RAILS).tenant("a", pool="training", guaranteed=16, fabrics={"roce": 100}), "rdma",
             "a", rdma={"fabric": "roce"}),
        work(training().fabric(rails=RAILS).tenant("a", pool="training", guaranteed=16), "plain", "a"),
    ),
    "more pods than a namespace may have": (
        "FIT-WORKLOAD-NEVER",
        work(training().tenant("a", pool="training", guaranteed=16, compute={"pods": 15}), "many", "a", pods=16),
        work(training().tenant("a", pool="training", guaranteed=16, compute={"pods": 16}), "many", "a", pods=16),
        work(training().tenant("a", pool="training", guaranteed=16, compute={"pods": 15}), "many", "a", pods=15),
    ),
    "no quota in the pool of the workload": (
        "FIT-WORKLOAD-NEVER",
        work(training().pool("other", nodes=1).tenant("a", pool="training", guaranteed=16), "there", "a", "other"),
        work(training().pool("other", nodes=1).tenant("a", pool="other", guaranteed=8), "there", "a", "other"),
        work(training().pool("other", nodes=1).tenant("a", pool="training", guaranteed=16), "here", "a"),
    ),
    "a whole-server pod with one function for each GPU under restricted": (
        "FIT-WORKLOAD-NEVER",
        work(attached("restricted"), "train", "a", gpus=8, rdma={"fabric": "roce"}),
        work(attached("best-effort"), "train", "a", gpus=8, rdma={"fabric": "roce"}),
        work(attached("restricted", vfs=1), "train", "a", gpus=8, rdma={"fabric": "roce"}),
    ),
    "a gang larger than the guarantee borrows": (
        "FIT-WORKLOAD-BORROWS",
        work(training().tenant("a", pool="training", guaranteed=8, limit=16), "gang", "a", gpus=8, pods=2),
        work(training().tenant("a", pool="training", guaranteed=16), "gang", "a", gpus=8, pods=2),
        work(training().tenant("a", pool="training", guaranteed=8, limit=16), "one", "a", gpus=8),
    ),
    "4 + 4 + 4 guaranteed, and pods of eight": (
        "FIT-GUARANTEE-POD",
        work(training().tenant("a", pool="training", guaranteed=4, limit=16), "eight", "a", gpus=8),
        work(training().tenant("a", pool="training", guaranteed=8, limit=16), "eight", "a", gpus=8),
        work(work(training().tenant("a", pool="training", guaranteed=4, limit=16), "eight", "a", gpus=8), "four", "a",
             gpus=4),
    ),
    # An L40S has 44.99 GiB as the driver counts: five of 10 GiB need 50.
    "replicas whose memory does not fit one GPU": (
        "FIT-SHARED-MEMORY",
        work(shared(8, 32), "notebook", "a", "dev", gpuMemory="10Gi"),
        work(shared(4, 16), "notebook", "a", "dev", gpuMemory="10Gi"),
        work(shared(8, 32), "notebook", "a", "dev", gpuMemory="5Gi"),
    ),
    "weight 0 never borrows": (
        "FIT-LIMIT-UNREACHED",
        training().tenant("a").quota("training", guaranteed=8, limit=16, weight=0),
        training().tenant("a").quota("training", guaranteed=8, limit=16, weight=1),
        training().tenant("a").quota("training", guaranteed=16, weight=0),
    ),
    "tiers of 100 and above stay within the guarantee": (
        "FIT-LIMIT-UNREACHED",
        training().tenant("a", pool="training", guaranteed=8, limit=16, priorities=["production"]),
        training().tenant("a", pool="training", guaranteed=8, limit=16, priorities=["production", "batch"]),
        training().scheduler("kueue").tenant("a", pool="training", guaranteed=8, limit=16, priorities=["production"]),
    ),
    "limits below the capacity keep GPUs idle": (
        "FIT-CAPACITY-UNUSED",
        training().tenant("a", pool="training", guaranteed=8, limit=12),
        training().tenant("a", pool="training", guaranteed=8, limit=16),
        training().tenant("a", pool="training", limit=8).tenant("b", pool="training", limit=8),
    ),
    "fewer pods than guaranteed slices": (
        "FIT-COMPUTE-PODS",
        mig({"1g.18gb": 7}, slices={"1g.18gb": (56, 56)}, compute={"pods": 50}),
        mig({"1g.18gb": 7}, slices={"1g.18gb": (56, 56)}, compute={"pods": 56}),
        mig({"1g.18gb": 7}, slices={"1g.18gb": (56, 56)}, compute={"pods": 28}, namespaces=["a", "a-more"]),
    ),
    "40 CPUs carry 40 containers with the usual limit, not 56": (
        "FIT-COMPUTE",
        mig({"1g.18gb": 7}, slices={"1g.18gb": (56, 56)}, compute={"cpu": "40"}),
        mig({"1g.18gb": 7}, slices={"1g.18gb": (56, 56)}, compute={"cpu": "56"}),
        training().tenant("a", pool="training", guaranteed=16, compute={"cpu": "2", "memory": "4Gi"}),
    ),
    "attached to a fabric without a quota in its pools": (
        "FIT-FABRIC-UNUSED",
        training().pool("other", nodes=1).fabric(rails=RAILS).tenant("a", pool="other", guaranteed=8,
                                                                      fabrics={"roce": 100}),
        training().pool("other", nodes=1).fabric(rails=RAILS).tenant("a", pool="other", guaranteed=8),
        training().fabric(rails=RAILS).tenant("a", pool="training", limit=8, fabrics={"roce": 100}),
    ),
    "two pools select the same node group": (
        "FIT-NODES-TWICE", selected({"group": "gpu"}, {"group": "gpu"}), selected({"group": "gpu"}, {"group": "more"}),
        selected({"group": "gpu", "zone": "a"}, {"group": "gpu", "zone": "b"}),
    ),
    "the labels of one pool satisfy the selector of another": (
        "FIT-NODES-TWICE",
        selected({"group": "gpu"}, {"team": "vision"}, labels={"team": "vision"}),
        selected({"group": "gpu"}, {"group": "more"}, labels={"team": "vision"}),
        selected({"group": "gpu"}, {"group": "other", "team": "vision"}, labels={"team": "vision"}),
    ),
    "whole GPUs beside instances are never given by KAI": (
        "FIT-MIXED-NODE",
        cluster().pool("serving", nodes=1, mig=[([0, 1, 2, 3], {"3g.71gb": 2})])
        .tenant("a", quotas=[MIXED]),
        cluster().pool("serving", nodes=1, mig={"3g.71gb": 2}).tenant("a", pool="serving", slices={"3g.71gb": (8, 16)}),
        cluster().scheduler("kueue").pool("serving", nodes=1, mig=[([0, 1, 2, 3], {"3g.71gb": 2})])
        .tenant("a", quotas=[MIXED]),
    ),
    # 4 GPUs of 64 replicas are 256, and a node of OpenShift takes 250 pods.
    "more replicas than pods": (
        "FIT-PODS-PER-NODE", shared(64, 256, pods=300), shared(62, 248, pods=300),
        cluster().eks().pool("dev", "dell-r760xa-l40s", nodes=1, time_slicing=64)
        .tenant("a", pool="dev", guaranteed=256, compute={"cpu": "999", "memory": "9Ti", "pods": 300}),
    ),
    "restricted refuses five GPUs with five of 64 functions": (
        "FIT-NUMA", attached("restricted"), attached("restricted", vfs=1), attached("single-numa-node"),
    ),
}  # fmt: skip

BY_RULE = {rule for rule, *_ in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_a_rule_fires_on_the_bad_case_only(name: str) -> None:
    rule, bad, repaired, innocent = CASES[name]

    assert rule in found(bad)
    assert rule not in found(repaired)
    assert rule not in found(innocent)


def test_every_rule_has_a_case() -> None:
    assert BY_RULE | {"FIT-NODE-LOSS"} == {rule.id for rule in RULES}


@pytest.mark.parametrize("name", CASES)
def test_a_finding_names_a_job_and_every_change_it_proposes_resolves_it(name: str) -> None:
    rule, bad, _, _ = CASES[name]
    answer = decided(bad)
    before = {(item.rule.id, item.hit.subject) for item in answer.found}

    mine = [item for item in answer.found if item.rule.id == rule]
    for item in mine:
        if item.hit.job is not None:
            shape = pod_shape(resolved(bad), item.hit.job)
            assert shape["spec"]["containers"][0]["resources"]["limits"][item.hit.job.need.resource]
        for change in item.changes:
            spec = apply(bad.spec(), change)
            changed = rebuild(spec) if spec is not None else None
            assert changed is not None, change.words
            after = judge(Ground(changed))
            assert (rule, item.hit.subject) not in {(one.id, hit.subject) for one, hit in after}, change.words
            worse = {
                (one.id, hit.subject)
                for one, hit in after
                if (one.severity if hit.severity is None else hit.severity) >= Severity.WARNING
            }
            assert worse <= before, change.words


WITHOUT_CHANGE = {
    # What a person has to decide: nothing smaller than another design resolves them.
    "memory of no slice suffices: 3g.71gb has 69.5 GiB",
    "instances are not joined by NVLink",
}


@pytest.mark.parametrize("name", [name for name in CASES if name not in WITHOUT_CHANGE])
def test_every_bad_case_has_a_change_that_was_tried(name: str) -> None:
    rule, bad, _, _ = CASES[name]

    assert all(item.changes for item in decided(bad).found if item.rule.id == rule)


# Nodes that are lost -------------------------------------------------------------------------------------------------


def test_without_nodes_lost_nothing_is_lost() -> None:
    builder = two(8, 8, pods=(8, 8))

    assert decided(builder, Loss(0)) == decided(builder, NO_LOSS)
    assert found(builder) == set()


def test_a_lost_node_breaks_guarantees_that_fill_the_pool() -> None:
    assert found(two(8, 8), Loss(1)) == {"FIT-NODE-LOSS"}
    assert found(two(8, 8), Loss(0, (("training", 1),))) == {"FIT-NODE-LOSS"}
    # One of three servers is spare.
    assert found(two(8, 8, nodes=3), Loss(1)) == set()
    assert found(two(8, 8, nodes=3), Loss(2)) == {"FIT-NODE-LOSS"}
    # A node anywhere besides one of training: two of training in the worst case.
    assert found(two(8, 8, nodes=3), Loss(1, (("training", 1),))) == {"FIT-NODE-LOSS"}


def test_a_workload_survives_as_long_as_one_of_its_pools_keeps_enough_nodes() -> None:
    def builder() -> ClusterBuilder:
        made = training(2).pool("more", nodes=2).tenant("a", pool="training", limit=16).quota("more", limit=16)
        return made.document("Workload", "gang", {"tenants": ["a"], "gpuMemory": "8Gi", "gpus": 8, "pods": 2})

    # Either pool loses its gang of two servers with one node; both only with two.
    assert "FIT-NODE-LOSS" not in found(builder(), Loss(1))
    assert "FIT-NODE-LOSS" in found(builder(), Loss(2))
    assert "FIT-NODE-LOSS" in found(builder(), Loss(1, (("more", 1),)))
    assert "FIT-NODE-LOSS" not in found(builder(), Loss(0, (("more", 2),)))


def test_changes_for_lost_nodes_hold_with_the_nodes_lost() -> None:
    loss = Loss(1)
    (item,) = decided(two(8, 8, pods=(8, 8)), loss).found

    assert [change.words for change in item.changes] == [
        "lower the guarantee of tenant a in training from 8 to 0 x nvidia.com/gpu",
        "add 1 node to training",
    ]
    for change in item.changes:
        spec = apply(two(8, 8, pods=(8, 8)).spec(), change)
        changed = rebuild(spec) if spec is not None else None
        assert changed is not None
        assert "FIT-NODE-LOSS" not in {rule.id for rule, _ in judge(Ground(changed, loss=loss))}


# What is not known ---------------------------------------------------------------------------------------------------


def test_numa_nodes_of_a_generic_server_are_a_missing_fact() -> None:
    builder = cluster().pool("training", **GENERIC, nodes=1, numaAlignment="single-numa-node")
    builder = work(builder.tenant("a", pool="training", guaranteed=8), "two", "a", gpus=2)

    hits = [hit for rule, hit in judge(Ground(resolved(builder))) if rule.id == "FIT-WORKLOAD-NEVER"]

    assert [hit.verdict for hit in hits] == [Verdict.UNKNOWN]
    assert "NUMA nodes of the server" in hits[0].message


def test_memory_of_an_instance_that_was_not_measured_is_unknown_near_its_share_only() -> None:
    def runs(memory: str) -> Verdict:
        builder = cluster().pool("serving", **GENERIC, nodes=1, mig={"4g.40gb": 1})
        builder = builder.tenant("a", pool="serving", slices={"4g.40gb": (8, 8)})
        ground = Ground(resolved(work(builder, "model", "a", "serving", gpuMemory=memory)))
        return ground.runs(ground.cluster.spec.workloads[0], ground.tenants["a"])

    # Its share is half of 79.6 GiB: 39.8; nine tenths of that are 35.8.
    assert runs("35Gi") is Verdict.PROVED
    assert runs("38Gi") is Verdict.UNKNOWN
    assert runs("40Gi") is Verdict.VIOLATED


def test_whether_a_node_group_is_in_two_pools_is_unknown_when_selectors_name_other_labels() -> None:
    hits = judge(Ground(resolved(selected({"group": "gpu"}, {"zone": "a"}))))

    assert [(rule.id, hit.verdict) for rule, hit in hits] == [("FIT-NODES-TWICE", Verdict.UNKNOWN)]


# Tables --------------------------------------------------------------------------------------------------------------


def test_largest_jobs_respect_limits_nodes_alignment_and_functions() -> None:
    rows = {row.tenant: row for row in decided(attached("restricted")).tables.tenants}

    # With a function for each GPU, pods of half a server: 2 of 4.
    assert (rows["a"].within_limit.pod, rows["a"].within_limit.fabric_pod) == (8, 4)
    assert (rows["a"].within_limit.gang, rows["a"].within_limit.units) == (2, 8)


def test_the_largest_gang_has_the_pods_of_the_workload_that_gets_most() -> None:
    builder = training(2).tenant("a", pool="training", guaranteed=8, limit=16)
    (row,) = decided(work(work(builder, "five", "a", gpus=5), "four", "a", gpus=4)).tables.tenants

    # Two pods of five take 10 GPUs, four of four take 16; within 8 guaranteed it is one of five or two of four.
    assert (row.within_limit.workload, row.within_limit.gang, row.within_limit.units) == ("four", 4, 16)
    assert (row.within_guarantee.workload, row.within_guarantee.gang) == ("four", 2)


def test_jobs_at_once_count_what_the_tenant_holds_alone() -> None:
    builder = work(training(3).tenant("a", pool="training", guaranteed=12, limit=24), "five", "a", gpus=5)
    (row,) = decided(builder).tables.work

    # 12 // 5 = 2 within the guarantee; within the limit 24 // 5 = 4, but a server takes one pod of 5.
    assert (row.outcome.within_guarantee, row.outcome.within_limit) == (2, 3)


def test_a_pool_says_how_many_nodes_it_may_lose() -> None:
    (row,) = decided(two(8, 4, pods=(8, 4), nodes=4)).tables.pools

    # A server for the pod of 8 and one for that of 4: two of four are spare.
    assert (row.capacity, row.guaranteed, row.headroom, row.spare) == (32, 12, 20, 2)


def test_ten_tenants_with_small_pods_besides_are_decided() -> None:
    # 2^10 choices of workloads; pods of one are possible wherever pods of three are, so one choice is left.
    builder = training(5)
    for number in range(10):
        name = f"t{number}"
        builder = builder.tenant(name, pool="training", guaranteed=3, limit=40)
        builder = work(work(builder, f"three-{name}", name, gpus=3), f"one-{name}", name)

    assert "FIT-GUARANTEE" not in found(builder)
    # Two pods of three on each server: ten need five.
    assert decided(builder).tables.pools[0].spare == 0


def test_where_no_number_helps_a_hint_names_pools_that_would_do() -> None:
    builder = training(1).pool("serving", nodes=1, mig={"3g.71gb": 2})
    builder = builder.tenant("a", pool="serving", slices={"3g.71gb": (16, 16)}).tenant("b", pool="training", limit=8)
    (item,) = [
        one for one in decided(work(builder, "large", "a", "serving", gpuMemory="100Gi")).found if one.changes == ()
    ]

    assert item.hit.hint == "run large on GPUs or slices with 100Gi, such as training (gpu)"


def test_a_workload_without_pools_of_a_tenant_without_quotas_asks_for_one() -> None:
    builder = training(1).tenant("a").tenant("b", pool="training", limit=8)
    document = {"tenants": ["a"], "gpuMemory": "8Gi", "gpus": 4}
    (item,) = decided(builder.document("Workload", "any", document)).found

    assert [change.words for change in item.changes][:1] == ["give tenant a a limit of 4 x nvidia.com/gpu in training"]


def test_the_page_of_rules_has_them_all() -> None:
    page = fit_markdown()

    assert all(f"## {rule.id}\n" in page and rule.source in page for rule in RULES)
    written = (Path(__file__).parents[2] / "docs" / "fit-rules.md").read_text("utf-8")
    assert written == page, "docs/fit-rules.md is out of date; write it anew with: make docs"
