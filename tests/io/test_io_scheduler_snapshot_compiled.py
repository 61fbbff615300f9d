"""The queues that are compiled for KAI are read back with the numbers they were compiled from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantry.app.cluster_view import ClusterView, snapshot_view
from tenantry.app.compile import compile_spec
from tenantry.app.examples import example
from tenantry.compile.compiler import Compilation
from tenantry.compile.names import department_queue, tenant_queue
from tenantry.compile.queue_shares import department_shares, tenant_shares
from tenantry.fair.fairshare import fairshare
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.io.yaml_write import dump_all


@pytest.fixture(scope="module")
def compiled() -> Compilation:
    return compile_spec(example("dell-ai-factory-h200")).compilation


@pytest.fixture(scope="module")
def view(compiled: Compilation, tmp_path_factory: pytest.TempPathFactory) -> ClusterView:
    """The compiled queues and schedulers, and a node in every pool."""
    bodies = [body for bodies in compiled.files().values() for body in bodies]
    found = [body for body in bodies if body.get("kind") in {"Queue", "SchedulingShard"}]
    nodes = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": f"{pool.name}-1", "labels": {"kai.scheduler/node-pool": pool.name}},
            "status": {"allocatable": {"cpu": "64", "memory": "512Gi", "nvidia.com/gpu": "8", "pods": "110"}},
        }
        for pool in compiled.cluster.pools
    ]
    folder: Path = tmp_path_factory.mktemp("compiled")
    (folder / "cluster.yaml").write_text(dump_all([*found, *nodes]))
    return snapshot_view([folder])


def test_every_pool_is_there(view: ClusterView, compiled: Compilation) -> None:
    assert set(view.pools) == {pool.name for pool in compiled.cluster.pools}
    assert view.findings == ()


def test_tenants_and_departments_have_their_numbers(view: ClusterView, compiled: Compilation) -> None:
    cluster = compiled.cluster
    expected = {}
    for tenant in cluster.tenants:
        for share in tenant_shares(cluster, tenant):
            name = tenant_queue(tenant.name, share.pool)
            parent = department_queue(tenant.department, share.pool)
            expected[share.pool, name] = (parent, share.quota, share.limit, share.weight, tenant.name)
    for department in cluster.departments:
        for share in department_shares(cluster, department):
            name = department_queue(department, share.pool)
            expected[share.pool, name] = ("", share.quota, -1, share.weight, department)
    found = {
        (pool, queue.name): (
            queue.parent,
            queue.gpu.quota,
            queue.gpu.limit,
            queue.gpu.weight,
            item.snapshot.tenants[queue.name],
        )
        for pool, item in view.pools.items()
        for queue in item.snapshot.moment.queues
    }
    assert found == expected
    assert len(found) > 5


def test_schedulers_are_set_up_as_the_spec_says(view: ClusterView, compiled: Compilation) -> None:
    spec = compiled.cluster.spec.platform.spec.scheduler
    for pool in view.pools.values():
        assert isinstance(pool.scheduler, KaiScheduler)
        assert pool.scheduler.settings.gpu_strategy.value == spec.placement
        assert pool.notes == ()


def test_nobody_is_due_anything_while_nobody_asks(view: ClusterView) -> None:
    for pool in view.pools.values():
        rows = fairshare(pool.snapshot.moment, pool.scheduler).rows
        assert {row.gpu.fair for row in rows} == {0}
        assert not any(row.starves for row in rows)
