"""Jobs of a trace go to the pool they demand, else to one their tenant is entitled to; what is left out is counted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.fair.replay.setup import Setup
from tenantry.fair.routing import ANYBODY, Aside, Change, Note, PoolOffer, Router, is_model
from tenantry.model.moment import Node
from tenantry.model.queue import FREE, Entitled, Queue
from tenantry.model.trace import TraceJob

H200 = ("h200-sxm", "NVIDIA H200 SXM5 141 GB", "NVIDIA-H200")
L40S = ("l40s", "NVIDIA L40S 48 GB", "NVIDIA-L40S")


def offer(name: str, titles: tuple[str, ...], entitled: dict[str, tuple[float, float]], **fields: Any) -> PoolOffer:
    leaves = tuple(Queue(f"{tenant}-{name}", "all", Entitled(*numbers, 1)) for tenant, numbers in entitled.items())
    setup = Setup(
        fields.pop("nodes", (Node(f"{name}-0", 8.0), Node(f"{name}-1", 8.0))),
        (Queue("all", gpu=FREE), *leaves),
        {tenant: f"{tenant}-{name}" for tenant in entitled},
        instances=fields.pop("instances", {}),
    )
    return PoolOffer(name, titles, setup, entitled=entitled, **fields)


TRAINING = offer("training", H200, {"vision": (8, 16), "speech": (0, 4)})
SERVING = offer(
    "serving",
    H200,
    {"vision": (6, 12)},
    nodes=(Node("s", extended=(("nvidia.com/mig-1g.18gb", 7.0), ("nvidia.com/mig-3g.71gb", 2.0))),),
    instances={1000: "nvidia.com/mig-1g.18gb", 3000: "nvidia.com/mig-3g.71gb"},
    slices=7,
    sizes={"vision": (1000, 3000)},
)
OLD = offer("old", L40S, {"vision": (2, 2), "speech": (4, 4)})
SHARED = offer("shared", L40S, {"students": (8, 8)}, refused="shared")
EVERYBODY = {name: name for name in ("vision", "speech", "students")}


def router(*, only: str = "", tenants: dict[str, str] | None = None) -> Router:
    return Router(
        (TRAINING, SERVING, OLD, SHARED),
        tenants=EVERYBODY if tenants is None else tenants,
        priorities={"vision": (50, 75, 125), "speech": (50,), "students": (75,)},
        only=only,
    )


def sent(job: TraceJob, **fields: Any) -> tuple[str, TraceJob] | Note:
    chosen = router(**fields)
    placed = chosen.route(job)
    if placed is None:
        aside = [note for note in chosen.notes if isinstance(note.kind, Aside)]
        assert len(aside) == 1
        return aside[0]
    return chosen.offers[placed[0]].name, placed[1]


def job(tenant: str = "vision", gpus: int = 1000, pods: int = 1, **fields: Any) -> TraceJob:
    return TraceJob("job-1", tenant, 0, fields.pop("duration", 60), pods, gpus, **fields)


@pytest.mark.parametrize(
    ("asked", "pool"),
    [
        (job(gpus=8000), "training"),
        (job(gpus=428), "serving"),  # parts of a GPU go where slices are handed out
        (job("speech", gpus=1000), "old"),  # quota 4 there, 0 in training
        (job("speech", gpus=1000, gpu="NVIDIA-H200"), "training"),
        (job(gpus=1000, gpu="L40S"), "old"),
        (job(gpus=1000, gpu="A100|L40S"), "old"),
        (job(gpus=428, gpu="serving"), "serving"),  # by name of the pool
        (job(gpus=1000, pods=12), "training"),  # old has room for 2 only, by quota it came second anyway
    ],
)
def test_the_pool(asked: TraceJob, pool: str) -> None:
    found = sent(asked)
    assert found[0] == pool
    assert isinstance(found[1], TraceJob)
    assert found[1].gpu == ""


@pytest.mark.parametrize(
    ("asked", "kind", "about"),
    [
        (job("robots"), Aside.UNKNOWN_TENANT, "robots"),
        (job(gpus=0), Aside.NO_GPU, ""),
        (job(duration=0), Aside.NO_DURATION, ""),
        (job(gpus=1500), Aside.ODD_SIZE, ""),
        (job("students"), Aside.REFUSED_POOL, "students"),
        (job("students", gpu="H200"), Aside.NO_QUEUE, "students"),
        (job(gpus=8000, pods=3), Aside.NEVER_STARTS, "vision"),
        (job("speech", gpus=8000), Aside.NEVER_STARTS, "speech"),
    ],
)
def test_what_is_left_out(asked: TraceJob, kind: Aside, about: str) -> None:
    found = sent(asked)
    assert isinstance(found, Note)
    assert (found.kind, found.about) == (kind, about)


def test_one_pool_takes_every_job_that_does_not_demand_another() -> None:
    assert sent(job("speech"), only="training")[0] == "training"
    assert sent(job(gpus=428), only="training")[0] == "training"
    found = sent(job(gpu="L40S"), only="training")
    assert isinstance(found, Note)
    assert found.kind is Aside.OTHER_POOL


def test_a_model_that_no_pool_has_is_no_demand_and_is_counted() -> None:
    chosen = router()
    placed = chosen.route(job(gpu="V100M32"))
    assert placed is not None
    assert chosen.offers[placed[0]].name == "training"
    assert [(note, noted.count) for note, noted in chosen.notes.items()] == [(Note(Change.MODEL, detail="V100M32"), 1)]


@pytest.mark.parametrize(("part", "slices"), [(142, 1000), (285, 3000), (428, 3000), (300, 3000)])
def test_a_part_of_a_gpu_becomes_the_smallest_instance_that_is_as_much(part: int, slices: int) -> None:
    # 7 compute slices: 142 of 1000 is 1g, 285 is 2g, which there is not, 428 is 3g
    found = sent(job(gpus=part, gpu="serving"))
    assert isinstance(found[1], TraceJob)
    assert (found[0], found[1].gpus) == ("serving", slices)


def test_more_than_any_instance_is_left_out() -> None:
    found = sent(job(gpus=571, gpu="serving"))  # 4g
    assert isinstance(found, Note)
    assert found.kind is Aside.NO_INSTANCE


@pytest.mark.parametrize(("asked", "given"), [(50, 50), (100, 75), (200, 125), (10, 50), (None, None)])
def test_a_priority_becomes_a_class_the_tenant_may_use(asked: int | None, given: int | None) -> None:
    chosen = router()
    placed = chosen.route(job(priority=asked))
    assert placed is not None
    assert placed[1].priority == given
    changed = [note for note in chosen.notes if note.kind is Change.PRIORITY]
    assert bool(changed) is (asked != given)


def test_a_table_renames_tenants_and_may_name_one_for_all_others() -> None:
    found = sent(job("vc-7"), tenants={"vc-7": "vision"})
    assert isinstance(found[1], TraceJob)
    assert found[1].tenant == "vision"
    assert sent(job("vc-8"), tenants={"vc-7": "vision", ANYBODY: "speech"})[1].tenant == "speech"  # type: ignore[union-attr]
    assert isinstance(sent(job("vc-8"), tenants={"vc-7": "vision"}), Note)


@given(
    st.lists(
        st.builds(
            job,
            tenant=st.sampled_from(["vision", "speech", "students", "robots"]),
            gpus=st.sampled_from([0, 142, 428, 1000, 1500, 2000, 8000, 16000]),
            pods=st.integers(0, 20),
            duration=st.sampled_from([0, 60]),
            gpu=st.sampled_from(["", "H200", "L40S", "V100", "serving", "H200|V100"]),
            priority=st.sampled_from([None, 0, 50, 100, 150]),
            preemptible=st.sampled_from([None, True, False]),
        ),
        max_size=30,
    ),
    st.sampled_from(["", "training", "serving", "old"]),
)
def test_every_job_is_sent_or_counted_and_the_gpu_time_adds_up(jobs: list[TraceJob], only: str) -> None:
    chosen = router(only=only)
    placed = [chosen.route(item) for item in jobs]
    aside = {note: noted for note, noted in chosen.notes.items() if isinstance(note.kind, Aside)}
    assert sum(noted.count for noted in aside.values()) == placed.count(None)
    assert sum(noted.gpu_time for noted in aside.values()) == sum(
        item.demand * item.duration for item, found in zip(jobs, placed, strict=True) if found is None
    )
    assert sum(chosen.seen.values()) == len(jobs)
    for item in placed:
        if item is not None:
            pool = chosen.offers[item[0]]
            assert not pool.refused
            assert item[1].tenant in pool.entitled
            assert not pool.setup.instances or item[1].gpus in pool.setup.instances


def test_models_are_known_by_any_part_of_their_titles() -> None:
    assert is_model("H200", H200)
    assert is_model("nvidia_h200", H200)
    assert is_model("NVIDIA-H200-SXM5-141GB", (*H200, "141gb"))
    assert is_model("A100-80GB", ("a100-80", "NVIDIA A100 SXM4 80 GB", "NVIDIA-A100-SXM4-80GB"))
    assert not is_model("H2", H200)
    assert not is_model("A100-40GB", ("a100-80", "NVIDIA-A100-SXM4-80GB"))
    assert not is_model("nvidia", H200)
    assert not is_model("", H200)
