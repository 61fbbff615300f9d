"""Each hard rule: a case it refuses, and the nearest one that it must not accuse."""

from __future__ import annotations

from typing import Any

import pytest
from advise_cases import JOINT, document, question, questions, resolved

from tenantry.efficient.advise import PoolFacts, WorkFacts, decide, gather, options
from tenantry.efficient.advise.changes import changes
from tenantry.efficient.advise.facts import GIB
from tenantry.efficient.advise.gather import work_facts
from tenantry.efficient.advise.option import usable
from tenantry.efficient.advise.rules import RULES, objections
from tenantry.efficient.advise.score import per_gpu
from tenantry.model.spec import SharingMode

MIG_APART = {"apart": {"mode": "mig", "layouts": [{"profiles": {"3g.71gb": 2}}]}}
MPS_APART = {"apart": {"mode": "mps", "replicas": 2}}
Asked = dict[str, Any]

# Rule, option, what it accuses, and what differs in one fact and is not accused.
CASES: dict[str, tuple[str, str, Asked, Asked]] = {
    "a pod larger than a server": (
        "ADVISE-SERVER", "whole", {"work": {"gpus": 9}}, {"work": {"gpus": 8}},
    ),
    "a GPU without MIG": (
        "ADVISE-MIG-GPU", "mig", {"work": {}, "gpu": "l40s"}, {"work": {}, "gpu": "a30"},
    ),
    "a driver that cannot partition": (
        "ADVISE-MIG-DRIVER", "1g.23gb",
        {"work": {}, "gpu": "b200", "driver": {"version": "570.124.06"}},
        {"work": {}, "gpu": "b200", "driver": {"version": "570.133.20"}},
    ),
    "coherent memory on Grace": (
        "ADVISE-MIG-GRACE", "1g.12gb",
        {"work": {}, "gpu": "gh200-96", "driver": {"version": "580.65.06"}},
        {"work": {}, "gpu": "gh200-96", "driver": {"version": "575.57.08"}},
    ),
    "the same driver without Grace": (
        "ADVISE-MIG-GRACE", "1g.12gb",
        {"work": {}, "gpu": "gh200-96", "driver": {"version": "580.65.06"}},
        {"work": {}, "gpu": "h100-96", "driver": {"version": "580.65.06"}},
    ),
    "MPS while another pool uses MIG": (
        "ADVISE-MPS-WITH-MIG", "mps", {"work": {}, "others": MIG_APART}, {"work": {}},
    ),
    "MIG while another pool uses MPS": (
        "ADVISE-MPS-WITH-MIG", "1g.18gb", {"work": {}, "others": MPS_APART}, {"work": {}},
    ),
    "a slice one GiB too small": (
        "ADVISE-MEMORY", "1g.18gb", {"work": {"gpuMemory": "17Gi"}}, {"work": {"gpuMemory": "16Gi"}},
    ),
    "no second copy by MPS": (
        # 143,771 MiB / 2 = 71,885 MiB
        "ADVISE-MEMORY", "mps", {"work": {"gpuMemory": "71886Mi"}}, {"work": {"gpuMemory": "71885Mi"}},
    ),
    "no second copy by turns": (
        "ADVISE-MEMORY", "time-slicing", {"work": {"gpuMemory": "71886Mi"}}, {"work": {"gpuMemory": "71885Mi"}},
    ),
    "a whole slice for more than half": (
        "ADVISE-HALF", "7g.141gb", {"work": {"gpuMemory": "71886Mi"}}, {"work": {"gpuMemory": "71885Mi"}},
    ),
    "a slice beside others for work that trusts nobody": (
        "ADVISE-TRUST", "4g.71gb", {"work": {"trust": "nobody"}}, {"work": {"trust": "own-team"}},
    ),
    "turns of several tenants": (
        "ADVISE-TENANTS", "time-slicing", {"work": {}, "tenants": 2}, {"work": {}, "tenants": 1},
    ),
    "turns of several tenants that trust each other": (
        "ADVISE-TENANTS", "mps", {"work": {"trust": "any-tenant"}, "tenants": 2},
        {"work": {"trust": "any-tenant"}, "tenants": 1},
    ),
    "NVLink between instances": (
        "ADVISE-NVLINK", "1g.18gb", {"work": {"gpus": 2, "nvlink": True}}, {"work": {"gpus": 2}},
    ),
    "NVLink where there is none": (
        "ADVISE-NVLINK", "whole", {"work": {"gpus": 2, "nvlink": True}, "gpu": "l40s"},
        {"work": {"gpus": 2, "nvlink": True}},
    ),
    "two instances in a pod": (
        "ADVISE-ONE-DEVICE", "1g.18gb", {"work": {"gpus": 2}}, {"work": {"gpus": 1}},
    ),
    "two replicas in a pod": (
        "ADVISE-ONE-REPLICA", "mps", {"work": {"gpus": 2}}, {"work": {"gpus": 1}},
    ),
    "a latency goal by turns": (
        "ADVISE-LATENCY", "time-slicing", {"work": {"latency": {"milliseconds": 40}}}, {"work": {}},
    ),
    "a latency goal by turns that was measured": (
        "ADVISE-LATENCY", "time-slicing", {"work": {"latency": {"milliseconds": 40}, "gpuMemory": "70Gi"}},
        {"work": {"latency": {"milliseconds": 40}, "gpuMemory": "70Gi", "speed": {"whole": 9, "time-slicing-2": 4}}},
    ),
}  # fmt: skip


def accused(asked: Asked, rule: str, kind: str) -> bool:
    found = question(**asked)
    cells = [option for option in options(found.work, found.pool) if option.kind == kind]
    hits = [any(item.id == rule for item, _ in objections(found.work, found.pool, option)) for option in cells]
    return any(hits)


@pytest.mark.parametrize("name", CASES)
def test_a_rule_refuses_its_case_and_not_its_neighbour(name: str) -> None:
    rule, kind, bad, good = CASES[name]
    assert accused(bad, rule, kind)
    assert not accused(good, rule, kind)


def test_every_rule_has_a_case() -> None:
    elsewhere = {"ADVISE-QUOTA", "ADVISE-RDMA", "ADVISE-MEASURED"}  # below, and in test_advise_measured.py
    assert {rule for rule, *_ in CASES.values()} | elsewhere == {rule.id for rule in RULES}


def test_a_class_of_a_team_without_quota_cannot_run_there() -> None:
    found = resolved({"class": {"tenants": ["team-0"]}}, {"a": ("l40s", {})})
    (asked,) = questions(found)
    stranger = PoolFacts(**{**vars(asked.pool), "sharers": ("team-9",)})
    rules = {
        rule.id for option in options(asked.work, stranger) for rule, _ in objections(asked.work, stranger, option)
    }
    assert "ADVISE-QUOTA" in rules


RDMA = {"rdma": {"fabric": "roce", "vfsPerGpu": 1}}


def test_virtual_functions_must_do_for_every_copy() -> None:
    # Two rails with 8 virtual functions are 16 a server; 8 GPUs with 2 copies need 16, with 3 copies 24.
    (asked,) = questions(resolved({"class": {**RDMA, "gpuMemory": "70Gi"}}, {"wired": ("h200-sxm", {})}))
    assert not _rdma(asked.work, asked.pool, "time-slicing")
    (asked,) = questions(resolved({"class": {**RDMA, "gpuMemory": "40Gi"}}, {"wired": ("h200-sxm", {})}))
    assert _rdma(asked.work, asked.pool, "time-slicing")


def test_a_pool_off_the_fabric_is_refused_in_every_way() -> None:
    found = resolved({"class": {**RDMA, "gpuMemory": "8Gi"}}, {"apart": ("h200-sxm", {}), "wired": ("h200-sxm", {})})
    apart, wired = questions(found)
    assert _rdma(apart.work, apart.pool, "whole")
    assert not _rdma(wired.work, wired.pool, "whole")


def _rdma(work: WorkFacts, pool: PoolFacts, kind: str) -> bool:
    chosen = [option for option in options(work, pool) if option.kind == kind]
    return any(rule.id == "ADVISE-RDMA" for option in chosen for rule, _ in objections(work, pool, option))


def test_memory_that_was_not_measured_is_unknown_between_what_is_sure_and_what_is_possible() -> None:
    # A100 80 GB: 80 GiB / 8 = 10 GiB nominal, 8.5 GiB certain.
    found = question({"gpuMemory": "9Gi"}, "a100-80")
    (option,) = [item for item in options(found.work, found.pool) if item.kind == "1g.10gb"]
    assert usable(found.pool, option) == (int(8.5 * GIB), 10 * GIB)
    (hit,) = objections(found.work, found.pool, option)
    assert hit[0].id == "ADVISE-MEMORY"
    assert "nvidia-smi" in hit[1].measure


def test_one_measurement_serves_slices_of_the_same_memory() -> None:
    # H100 NVL: 3g.47gb was measured at 46.38 GiB, 4g.47gb was not and has the same memory slices.
    found = question({}, "h100-nvl-94")
    sizes = {option.kind: usable(found.pool, option) for option in found.pool.slices}
    assert sizes["4g.47gb"] == sizes["3g.47gb"]


def test_grace_with_a_driver_of_the_node_image_is_unknown() -> None:
    found = question({}, "gh200-96")
    unknown = PoolFacts(**{**vars(found.pool), "driver": "", "coherent": None})
    (option,) = [item for item in options(found.work, unknown) if item.kind == "1g.12gb"]
    assert [said.missing for _, said in objections(found.work, unknown, option)] == ["driver version"]


def test_a_server_that_the_catalog_does_not_know_leaves_nvlink_open() -> None:
    found = question({"gpus": 2, "nvlink": True}, "a100-80")
    whole = next(item for item in options(found.work, found.pool) if item.mode is SharingMode.WHOLE)
    (hit,) = objections(found.work, found.pool, whole)
    assert hit[1].missing == "whether the server has NVLink"


def test_copies_that_run_now_and_are_more_than_take_turns_count_as_those_that_do() -> None:
    # Eight replicas now; with a peak of three times the mean, three of them keep a GPU busy.
    work = {"pattern": "interactive", "burstiness": 3.5, "gpuMemory": "4Gi"}
    found = question(work, "l40s", sharing={"mode": "time-slicing", "replicas": 8})
    turns = [option for option in options(found.work, found.pool) if option.mode is SharingMode.TIME_SLICING]
    assert {option.copies: per_gpu(found.work, found.pool, option).low for option in turns} == {3: 3, 8: 3}


def test_a_change_of_memory_is_told_to_the_mebibyte() -> None:
    # 46,068 MiB / 2 = 23,034 MiB: one MiB more, and no second copy fits.
    found = question({"pattern": "interactive"}, "l40s")
    (told,) = [
        item for item in changes(found.work, found.pool, decide(found.work, found.pool)) if "emory" in item.field
    ]
    assert (told.value, told.text) == ("23035Mi", "gpuMemory more than 23034Mi")


# Gathering -----------------------------------------------------------------------------------------------------------


def test_a_class_that_names_no_pool_may_run_where_its_team_has_a_quota() -> None:
    found = resolved({"class": {"pools": []}}, {"a": ("l40s", {}), "b": ("h200-sxm", {})})
    assert [asked.pool.name for asked in questions(found)] == ["a", "b"]


def test_whole_speeds_of_two_models_belong_to_the_one_whose_slices_stand_beside_them() -> None:
    work = {"speed": {"whole": 10, "3g.71gb": 8}}
    found = resolved({"class": work}, {"a": ("l40s", {}), "b": ("h200-sxm", {})})
    first, second = questions(found)
    assert (dict(first.work.speeds), set(second.work.speeds)) == ({}, {"whole", "3g.71gb"})


def test_a_speed_that_may_be_of_any_model_is_not_used_and_said_so() -> None:
    found = resolved({"class": {"speed": {"whole": 10}}}, {"a": ("l40s", {}), "b": ("h200-sxm", {})})
    for asked in questions(found):
        assert not asked.work.speeds
        assert asked.notes


def test_a_quantity_below_one_byte_is_still_some_memory() -> None:
    assert work_facts(document("tiny", {"gpuMemory": "1m"}), ()).memory == 1


def test_pools_know_what_their_neighbours_do() -> None:
    (asked,) = gather(resolved({"class": {}}, {JOINT: ("l40s", {})}, others=MIG_APART), {}, {})
    assert asked.pool.mig_elsewhere == ("apart",)
