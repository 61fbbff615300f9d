"""The queues of a pool: what is deployed and what the scheduler's model is given are the same."""

from __future__ import annotations

from builders import ClusterBuilder, cluster, run

from tenantry.compile.passes.kai import NODE_POOL_LABEL, kai
from tenantry.compile.queue_tree import pool_queues
from tenantry.model.queue import UNLIMITED


def two_pools() -> ClusterBuilder:
    return (
        cluster()
        .pool("training")
        .pool("serving", mig={"3g.71gb": 1, "1g.18gb": 4})
        .tenant("vision", pool="training", guaranteed=8, limit=12)
        .tenant("speech", pool="serving", slices={"3g.71gb": (2, 4)}, department="labs")
        .tenant("robots", pool="training", guaranteed=4, department="labs")
    )


def test_the_model_has_the_queues_that_are_compiled_number_by_number() -> None:
    builder = two_pools()
    compiled = {body["metadata"]["name"]: body for body in run(kai, builder).kind("Queue")}
    modelled = {
        item.queue.name: item for pool in ("serving", "training") for item in pool_queues(builder.build(), pool)
    }
    assert modelled.keys() == compiled.keys()
    for name, item in modelled.items():
        body = compiled[name]
        assert body["metadata"]["labels"][NODE_POOL_LABEL] == item.share.pool
        assert body["spec"].get("parentQueue", "") == item.queue.parent
        assert body["spec"]["priority"] == item.queue.priority
        for resource, numbers in body["spec"]["resources"].items():
            entitled = getattr(item.queue, resource)
            assert numbers == {
                "quota": entitled.quota,
                "limit": entitled.limit,
                "overQuotaWeight": entitled.weight,
            }, (name, resource)


def test_departments_come_before_their_tenants_and_take_no_jobs() -> None:
    items = pool_queues(two_pools().build(), "training")
    assert [(item.queue.name, item.tenant) for item in items] == [
        ("labs-training-dept", ""),
        ("research-training-dept", ""),
        ("robots-training", "robots"),
        ("vision-training", "vision"),
    ]
    assert items[0].queue.gpu.limit == UNLIMITED
    # 4 guaranteed to robots, the only tenant of the department in the pool
    assert items[0].queue.gpu.quota == 4
    assert items[2].queue.parent == items[0].queue.name
