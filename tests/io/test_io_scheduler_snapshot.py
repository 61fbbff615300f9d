"""Snapshots of clusters, read as the scheduler reads them: phases, requests, gangs, queues, nodes, configuration."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenantry.errors import InputError
from tenantry.io.scheduler_snapshot import ClusterSnapshot, read_snapshot
from tenantry.model.job import (
    Job,
    NodeTerm,
    Pod,
    PodStatus,
    Subgroup,
    Toleration,
    TopologyConstraint,
    gpu_fraction,
    gpu_memory,
    mig_instances,
    whole_gpus,
)
from tenantry.model.moment import Node
from tenantry.model.pool_snapshot import Eviction, PoolSnapshot
from tenantry.model.queue import Entitled
from tenantry.model.selector import Requirement

FOLDER = Path(__file__).parent / "snapshots" / "shared-gpus"
NOW = 1_768_046_398  # 2026-01-10T11:59:58Z, the last heartbeat of a node
GIB = 2.0**30


@pytest.fixture(scope="module")
def pool() -> PoolSnapshot:
    return read_snapshot([FOLDER]).pool("default")


def job(pool: PoolSnapshot, name: str) -> Job:
    return next(item for item in pool.moment.jobs if item.name == name)


def pod(pool: PoolSnapshot, name: str) -> Pod:
    pods = [item for job in pool.moment.jobs for item in job.pods]
    return next(item for item in [*pods, *pool.moment.foreign, *pool.moment.unqueued] if item.name.endswith(f"/{name}"))


def node(pool: PoolSnapshot, name: str) -> Node:
    return next(item for item in pool.moment.nodes if item.name == name)


def test_the_newest_time_in_a_snapshot_is_its_now(pool: PoolSnapshot) -> None:
    assert pool.moment.now == NOW
    assert read_snapshot([FOLDER], at_time=NOW + 5).pool("default").moment.now == NOW + 5


@pytest.mark.parametrize(
    ("name", "status", "where"),
    [
        pytest.param("notebook", PodStatus.RUNNING, "a100-1", id="it runs"),
        pytest.param("embed", PodStatus.BINDING, "a100-1", id="a bind request names its node"),
        pytest.param("train-head", PodStatus.GATED, "", id="scheduling gates hold it"),
        pytest.param("train-left-0", PodStatus.PENDING, "", id="it waits"),
        pytest.param("train-left-1", PodStatus.RELEASING, "h200-mig-1", id="it was deleted 28 s ago"),
        pytest.param(
            "train-right-0", PodStatus.STUCK, "h200-mig-1", id="it was deleted an hour ago and is still there"
        ),
    ],
)
def test_where_a_pod_stands(pool: PoolSnapshot, name: str, status: PodStatus, where: str) -> None:
    assert (pod(pool, name).status, pod(pool, name).node) == (status, where)


def test_gpus_are_asked_for_in_every_way(pool: PoolSnapshot) -> None:
    assert pod(pool, "notebook").gpu == gpu_fraction(0.5)
    assert pod(pool, "notebook").groups == ("6f1c2a",)
    assert pod(pool, "embed").gpu == gpu_memory(20_000, devices=2)
    assert pod(pool, "embed").groups == ("6f1c2a", "9b0d1e")
    assert pod(pool, "train-left-0").gpu == mig_instances({"nvidia.com/mig-1g.18gb": 2})
    assert pod(pool, "train-left-0").extended == (("rdma/hca", 1.0),)


def test_init_containers_sidecars_and_overhead_count_as_the_kubelet_counts_them(pool: PoolSnapshot) -> None:
    head = pod(pool, "train-head")
    # max(2 + 0.25 of the sidecar, 4 before it, 1 + 0.25 beside it) + 0.1 of overhead
    assert head.cpu == 4100
    # max(2 GiB, 1 GiB, 3 GiB)
    assert head.memory == 3 * GIB


def test_what_a_pod_demands_of_its_node(pool: PoolSnapshot) -> None:
    placement = pod(pool, "train-left-0").placement
    assert placement.selector == (("topology.example.com/rack", "r2"),)
    assert placement.tolerations == (Toleration("dedicated", "Exists"),)
    assert placement.terms == (
        NodeTerm((Requirement("nvidia.com/gpu.count", "Gt", ("1",)),), (("NotIn", ("h200-2",)),)),
    )
    assert placement.nominated == "h200-mig-1"
    assert pod(pool, "train-head").placement.host_ports == (("TCP", "0.0.0.0", 8080),)


def test_order_among_pods(pool: PoolSnapshot) -> None:
    head, left = pod(pool, "train-head"), pod(pool, "train-left-0")
    assert (head.head, head.leader, head.order) == (True, False, 5)
    assert (left.head, left.leader, left.order) == (False, True, None)


def test_pods_that_belong_to_no_job_occupy_their_nodes(pool: PoolSnapshot) -> None:
    assert [item.name for item in pool.moment.foreign] == ["monitoring/exporter"]
    reserving, stray = pool.moment.unqueued
    # The pods that share the GPU book it, not the one that reserves it.
    assert (reserving.name, reserving.gpu) == ("kai-resource-reservation/gpu-reservation-a100-1-x7k2p", whole_gpus(0))
    assert (stray.name, stray.gpu) == ("lab/stray", whole_gpus(1))


def test_a_flat_gang_and_its_defaults(pool: PoolSnapshot) -> None:
    assert job(pool, "pg-embed").root == Subgroup("", None, (Subgroup("default", 1),), leaf=False)
    # The class marked as default decides where none is named; below 100 it is preemptible.
    assert (job(pool, "pg-embed").priority, job(pool, "pg-embed").may_be_evicted) == (60, True)
    # The field counts before the priority of 125.
    assert (job(pool, "pg-notebook").priority, job(pool, "pg-notebook").may_be_evicted) == (125, True)


def test_a_tree_of_subgroups(pool: PoolSnapshot) -> None:
    near = TopologyConstraint("racks", preferred="kubernetes.io/hostname")
    work = Subgroup("work", 1, (Subgroup("left", 2, (), near), Subgroup("right", 0)), leaf=False)
    root = Subgroup("", None, (Subgroup("head", 1), work), TopologyConstraint("racks", "rack"), leaf=False)
    assert job(pool, "pg-train").root == root
    assert pool.moment.topologies[0].aliases == (("rack", "topology.example.com/rack"),)


def test_what_the_scheduler_wrote_on_a_job(pool: PoolSnapshot) -> None:
    train = job(pool, "pg-train")
    assert job(pool, "pg-notebook").started == 1_768_032_005  # 08:00:05
    assert train.evicted == NOW - 29 * 60 - 58  # 11:30:00
    assert train.stale_since == NOW - 58  # 11:59:00
    assert (train.preemption_delay, train.staleness_grace) == (90, -1)


def test_the_last_eviction_an_event_tells_of(pool: PoolSnapshot) -> None:
    assert pool.evictions == {"pg-train": Eviction(NOW - 29 * 60 - 58, "reclaim", "pg-embed")}


def test_how_people_know_a_job(pool: PoolSnapshot) -> None:
    assert pool.titles["pg-notebook"].owner == "Pod notebook"
    assert pool.titles["pg-train"].owner_name == ""


def test_queues_count_memory_in_bytes_and_what_is_missing_as_nothing(pool: PoolSnapshot) -> None:
    lab, notebooks, _ = pool.moment.queues
    assert lab.memory == Entitled(100e9, 200e9, 2)  # MB are 10^6 bytes
    assert lab.gpu == Entitled(-1, -1, 1)
    assert (lab.priority, lab.preempt_min_runtime, lab.parent) == (200, 600, "")
    assert notebooks.gpu == Entitled(1.5, 2.5, 0.5)
    assert notebooks.cpu == Entitled(0, 0, 0)
    assert notebooks.memory == Entitled(-1, -1, 0)
    assert (notebooks.priority, notebooks.reclaim_min_runtime, notebooks.parent) == (100, 5400, "lab")
    assert pool.tenants == {"notebooks": "Notebooks"}


def test_nodes_offer_what_is_allocatable(pool: PoolSnapshot) -> None:
    a100, mig = node(pool, "a100-1"), node(pool, "h200-mig-1")
    assert (a100.gpus, a100.gpu_count, a100.gpu_memory) == (3, 4, 81_920)  # 85899345920 bytes are 80 GiB
    assert dict(a100.extended) == {"ephemeral-storage": 9e11, "rdma/hca": 8}
    assert dict(mig.extended) == {"nvidia.com/mig-1g.18gb": 7, "nvidia.com/mig-3g.71gb": 2}
    assert (mig.mig_enabled, mig.mig_strategy, mig.gpus) == (True, "mixed", 0)
    assert [(taint.key, taint.value, taint.effect) for taint in mig.taints] == [("dedicated", "slices", "NoSchedule")]


def test_why_a_node_takes_nothing(pool: PoolSnapshot) -> None:
    assert node(pool, "h200-2").unready == ("cordoned", "disk-pressure", "not-ready")
    assert node(pool, "a100-1").unready == ()


def test_a_shard_is_set_up_as_its_operator_sets_it_up(pool: PoolSnapshot) -> None:
    config = pool.config
    # Spreading turns consolidation off, and replaces one plugin by another.
    assert config.actions == ("allocate", "reclaim", "preempt", "stalegangeviction")
    assert config.plugins is not None
    assert {"gpuspread", "numa"} <= set(config.plugins)
    assert not {"gpupack", "gpusharingorder", "elastic"} & set(config.plugins)
    assert config.plugins["nodeplacement"] == {"gpu": "spread", "cpu": "binpack"}
    assert config.plugins["minruntime"] == {"defaultPreemptMinRuntime": "5m"}
    assert config.plugins["proportion"] == {"kValue": "0.5"}
    assert config.queue_depth == {"reclaim": 20}
    assert config.flags["default-staleness-grace-period"] == "2m"


# --- pools ------------------------------------------------------------------------------------------------------------


def labelled(kind: str, name: str, pool: str, **body: Any) -> dict[str, Any]:
    version = {"Node": "v1", "SchedulingShard": "kai.scheduler/v1"}.get(kind, "scheduling.run.ai/v2")
    metadata = {"name": name, **({"labels": {"kai.scheduler/node-pool": pool}} if pool else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}


@pytest.fixture
def snapshot(tmp_path: Path) -> Callable[..., ClusterSnapshot]:
    def read(*objects: dict[str, Any], **options: Any) -> ClusterSnapshot:
        path = tmp_path / "objects.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
        return read_snapshot([path], **options)

    return read


RESOURCES = {"resources": {name: {"quota": -1, "limit": -1, "overQuotaWeight": 1} for name in ("gpu", "cpu", "memory")}}


@pytest.mark.parametrize(
    ("change", "alike"),
    [
        pytest.param(
            {"containers": [{"resources": {"requests": {"nvidia.com/gpu": "2"}}}]}, True, id="it asks for more"
        ),
        pytest.param(
            {"tolerations": [{"key": "gpu", "tolerationSeconds": 9}]}, True, id="it is put up with for longer"
        ),
        pytest.param({"tolerations": [{"key": "gpu", "effect": "NoSchedule"}]}, False, id="it tolerates less"),
        pytest.param({"priorityClassName": "high"}, False, id="it has a priority of its own"),
        pytest.param({"priority": 5}, False, id="the API server gave it a priority"),
        pytest.param({"nodeSelector": {"zone": "a"}}, False, id="it demands a label"),
        pytest.param({"affinity": {"podAffinity": {}}}, False, id="it has an affinity"),
        pytest.param({"topologySpreadConstraints": [{"maxSkew": 1}]}, False, id="it is spread"),
        pytest.param({"containers": [{"ports": [{"hostPort": 80}]}]}, False, id="it takes a port of its node"),
    ],
)
def test_what_is_compared_of_pods(
    snapshot: Callable[..., ClusterSnapshot], change: dict[str, Any], *, alike: bool
) -> None:
    spec = {"tolerations": [{"key": "gpu"}], "containers": [{"resources": {"requests": {"nvidia.com/gpu": "1"}}}]}
    ours, group = {"annotations": {"pod-group-name": "group"}}, labelled("PodGroup", "group", "")
    pods = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **ours}, "spec": {**spec, **more}}
        for name, more in (("plain", {}), ("changed", change))
    ]
    found = snapshot(labelled("Node", "n1", ""), labelled("Queue", "team", ""), group, *pods).pool("default")
    assert (pod(found, "plain").likeness == pod(found, "changed").likeness) is alike


def test_of_pods_that_have_ended_only_those_that_succeeded_are_known(snapshot: Callable[..., ClusterSnapshot]) -> None:
    ours = {"annotations": {"pod-group-name": "group"}, "labels": {"kai.scheduler/subgroup-name": "workers"}}
    spec = {"priority": 5, "containers": [{"resources": {"requests": {"nvidia.com/gpu": "1", "cpu": "2"}}}]}
    pods = [
        {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": phase.lower(), **ours}, "spec": spec,
            "status": {"phase": phase},
        }
        for phase in ("Succeeded", "Failed", "Pending")
    ]  # fmt: skip
    group = labelled("PodGroup", "group", "")
    found = snapshot(labelled("Node", "n1", ""), labelled("Queue", "team", ""), group, *pods).pool("default")
    waits, succeeded = job(found, "group").pods
    assert waits.name == "default/pending"
    assert succeeded == Pod("default/succeeded", PodStatus.SUCCEEDED, subgroup="workers", likeness="")


def test_a_pool_holds_what_its_label_names_and_the_default_pool_the_rest(
    snapshot: Callable[..., ClusterSnapshot],
) -> None:
    read = snapshot(
        labelled("Node", "n1", "training"),
        labelled("Node", "n2", ""),
        labelled("Queue", "q1", "training", spec=RESOURCES),
        labelled("Queue", "q2", "", spec=RESOURCES),
    )
    assert read.pools == ("default", "training")
    assert [item.name for item in read.pool("training").moment.nodes] == ["n1"]
    assert [item.name for item in read.pool("default").moment.queues] == ["q2"]
    with pytest.raises(InputError, match=r"there is no node pool 'trainin'; .* did you mean 'training'"):
        read.pool("trainin")


def test_the_label_of_pools_comes_from_the_option_or_the_operator(snapshot: Callable[..., ClusterSnapshot]) -> None:
    own = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {"pool": "a"}}}
    queue = labelled("Queue", "q", "", spec=RESOURCES)
    config = {
        "apiVersion": "kai.scheduler/v1",
        "kind": "Config",
        "metadata": {"name": "kai-config"},
        "spec": {"global": {"nodePoolLabelKey": "pool"}},
    }
    assert snapshot(own, queue, pool_label="pool").pools == ("a", "default")
    assert snapshot(own, queue, config).pools == ("a", "default")


def test_one_level_of_fairness_puts_all_queues_below_one(snapshot: Callable[..., ClusterSnapshot]) -> None:
    child = labelled("Queue", "child", "", spec={**RESOURCES, "parentQueue": "top"})
    shard = labelled("SchedulingShard", "default", "", spec={"args": {"full-hierarchy-fairness": "false"}})
    read = snapshot(labelled("Node", "n", ""), labelled("Queue", "top", "", spec=RESOURCES), child, shard)
    queues = read.pool("default").moment.queues
    assert [(item.name, item.parent) for item in queues] == [("default", ""), ("child", "default")]


def test_the_configuration_the_operator_wrote_counts_before_the_shard(
    snapshot: Callable[..., ClusterSnapshot],
) -> None:
    text = 'actions: "allocate, reclaim"\ntiers:\n- plugins: [{name: proportion}, {name: predicates}]\n'
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kai-scheduler-default", "namespace": "kai-scheduler"},
        "data": {"config.yaml": text},
    }
    shard = labelled("SchedulingShard", "default", "", spec={"args": {"schedule-period": "3s"}})
    read = snapshot(labelled("Node", "n", ""), labelled("Queue", "q", "", spec=RESOURCES), shard, config)
    found = read.pool("default").config
    assert found.actions == ("allocate", "reclaim")
    assert set(found.plugins or ()) == {"proportion", "predicates"}
    assert found.flags == {"schedule-period": "3s"}


# --- what a scheduler serves ------------------------------------------------------------------------------------------

SERVED: dict[str, Any] = {
    "config": {
        "actions": "allocate, consolidation, reclaim",
        "tiers": [{"plugins": [{"name": "proportion", "arguments": {"kValue": "0.5"}}]}],
        "queueDepthPerAction": {"allocate": 10},
    },
    "schedulerParams": {
        "schedulerName": "kai-scheduler",
        "partitionParams": {"NodePoolLabelKey": "kai.scheduler/node-pool", "NodePoolLabelValue": "training"},
        "maxNumberConsolidationPreemptees": 16,
        "fullHierarchyFairness": True,
        "globalDefaultStalenessGracePeriod": 90_000_000_000,
    },
    "rawObjects": {
        "nodes": [{"metadata": {"name": "n1"}, "status": {"allocatable": {"nvidia.com/gpu": "8", "pods": "10"}}}],
        "queues": [{"metadata": {"name": "q"}, "spec": RESOURCES}],
        "podGroups": [{"metadata": {"name": "pg", "namespace": "a"}, "spec": {"queue": "q"}}],
        "pods": [
            {
                "metadata": {"name": "p", "namespace": "a", "annotations": {"pod-group-name": "pg"}},
                "spec": {"schedulerName": "kai-scheduler", "containers": [{"name": "c"}]},
                "status": {"phase": "Pending"},
            }
        ],
        "bindRequests": None,
    },
}


def zipped(tmp_path: Path, body: Any, name: str = "snapshot.json") -> Path:
    path = tmp_path / "snapshot.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, json.dumps(body))
    return path


def test_a_zip_holds_one_pool_and_how_its_scheduler_is_set_up(tmp_path: Path) -> None:
    read = read_snapshot([zipped(tmp_path, SERVED)])
    assert read.pools == ("training",)
    pool = read.pool("training")
    assert [item.name for item in pool.moment.nodes] == ["n1"]
    assert [(item.name, len(item.pods)) for item in pool.moment.jobs] == [("pg", 1)]
    assert pool.config.actions == ("allocate", "consolidation", "reclaim")
    # What is false is left out of what is served, so what is missing is false.
    assert pool.config.flags["use-scheduling-signatures"] == "false"
    assert pool.config.flags["default-staleness-grace-period"] == "90000000000ns"


def test_the_file_inside_a_zip_is_read_by_itself_too(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps(SERVED))
    assert read_snapshot([path]).pools == ("training",)


def test_a_zip_without_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.zip"
    path.write_bytes(b"PK\x05\x06" + bytes(18))
    with pytest.raises(InputError, match=r"holds no snapshot\.json"):
        read_snapshot([path])


def test_a_zip_that_was_cut_off_or_damaged_is_refused_as_one(tmp_path: Path) -> None:
    whole = zipped(tmp_path, SERVED).read_bytes()
    for length in (0, 1, 30, len(whole) // 2, len(whole) - 1):
        path = tmp_path / "cut.zip"
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.zip cannot be read as a zip: it is cut off or damaged"):
            read_snapshot([path])
    # Whatever it is called.
    path = tmp_path / "cut"
    path.write_bytes(whole[:100])
    with pytest.raises(InputError, match="it is cut off or damaged"):
        read_snapshot([path])
    middle = len(whole) // 3
    path.write_bytes(whole[:middle] + bytes(8) + whole[middle + 8 :])
    with pytest.raises(InputError, match="cannot be read as a zip"):
        read_snapshot([path])


def test_a_zip_without_objects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no rawObjects"):
        read_snapshot([zipped(tmp_path, {"config": {}})])
    with pytest.raises(InputError, match=r"holds no snapshot\.json"):
        read_snapshot([zipped(tmp_path, SERVED, "other.json")])


def test_two_schedulers_are_two_clusters(tmp_path: Path) -> None:
    first = zipped(tmp_path, SERVED)
    second = tmp_path / "other.json"
    second.write_text(json.dumps(SERVED))
    with pytest.raises(InputError, match="cluster of its own"):
        read_snapshot([first, second])


def test_an_empty_folder_says_what_a_snapshot_is(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"there is no Node; a snapshot is what this prints:\n  kubectl get nodes,pods"
    ):
        read_snapshot([tmp_path])
