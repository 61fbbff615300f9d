"""Situations whose answer is published: the advice is that of the vendor's or the operator's own guidance."""

from __future__ import annotations

from typing import Any

import pytest
from advise_cases import identity_after, nowhere, question

from tenantry.efficient.advise import Advice, advise
from tenantry.efficient.advise.facts import Verdict

APART = {"apart": {"mode": "mig", "layouts": [{"profiles": {"3g.71gb": 2}}]}}

# Each: what is asked, what is recommended ("?x": undecided, x is the best of what is known; "-": nothing), what one GPU
# then does, and the options that must be refused with the rule that does it.
Situation = tuple[dict[str, Any], str, float, dict[str, str]]

SITUATIONS: dict[str, Situation] = {
    "notebooks that idle share by time-slicing (Google GKE, GPU sharing strategies: bursty and interactive)": (
        # L40S: 44.99 GiB / 8 = 5 sessions; MPS holds as many and holds each back.
        {"work": {"pattern": "interactive", "gpuMemory": "8Gi"}, "gpu": "l40s"},
        "time-slicing", 5, {"MIG": "ADVISE-MIG-GPU"},
    ),
    "notebooks of several teams get slices (NVIDIA GPU Operator: time-slicing isolates neither memory nor faults)": (
        # 1g.18gb has 16 GiB: 7 sessions.
        {"work": {"pattern": "interactive", "gpuMemory": "8Gi"}, "tenants": 3},
        "1g.18gb", 7, {"time-slicing": "ADVISE-TENANTS", "MPS": "ADVISE-TENANTS"},
    ),
    "small models of one team that leave the GPU idle run by MPS (NVIDIA MPS documentation, when to use MPS)": (
        # 4 copies x 0.55 = 2.2; L40S has no MIG, and steady work gains nothing by turns.
        {"work": {"pattern": "batch", "gpuMemory": "11Gi", "speed": {"whole": 1, "mps-4": 0.55}}, "gpu": "l40s"},
        "mps", 2.2, {"MIG": "ADVISE-MIG-GPU"},
    ),
    "two tenants that do not trust each other get slices (NVIDIA MIG user guide: isolated instances)": (
        # 7 x 0.16 = 1.12 against 1; the slices between are bounded by what was measured around them.
        {
            "work": {"pattern": "inference", "gpuMemory": "12Gi",
                     "speed": {"whole": 1, "3g.71gb": 0.5, "2g.35gb": 0.33, "1g.35gb": 0.2, "1g.18gb": 0.16}},
            "tenants": 2,
        },
        "1g.18gb", 1.12, {"time-slicing": "ADVISE-TENANTS", "MPS": "ADVISE-TENANTS"},
    ),
    "two tenants on a GPU without MIG take whole GPUs (NVIDIA MIG user guide, supported GPUs; GPU Operator)": (
        {"work": {"pattern": "inference", "gpuMemory": "12Gi"}, "gpu": "l40s", "tenants": 2},
        "whole", 1, {"MIG": "ADVISE-MIG-GPU", "time-slicing": "ADVISE-TENANTS", "MPS": "ADVISE-TENANTS"},
    ),
    "training of a 70B model takes whole GPUs (NVIDIA MIG user guide: no NVLink, no P2P)": (
        {"work": {"pattern": "training", "gpuMemory": "130Gi", "gpus": 8, "pods": 4, "nvlink": True}},
        "whole", 1, {"7g.141gb": "ADVISE-HALF", "MPS": "ADVISE-MEMORY", "time-slicing": "ADVISE-MEMORY"},
    ),
    "a cluster of workers that talk over NVLink takes whole GPUs (RAPIDS deployment guide, MIG)": (
        {"work": {"pattern": "batch", "gpuMemory": "10Gi", "gpus": 4, "nvlink": True}},
        "whole", 1, {"1g.18gb": "ADVISE-NVLINK", "MPS": "ADVISE-ONE-REPLICA", "time-slicing": "ADVISE-ONE-REPLICA"},
    ),
    "a pod with two GPUs gets no two replicas (NVIDIA k8s-device-plugin: failRequestsGreaterThanOne)": (
        {"work": {"pattern": "batch", "gpuMemory": "5Gi", "gpus": 2}, "gpu": "l40s"},
        "whole", 1, {"MPS": "ADVISE-ONE-REPLICA", "time-slicing": "ADVISE-ONE-REPLICA"},
    ),
    "bursty inference with a tight tail gets slices (Google GKE: time-sharing is not for low latency)": (
        # 2 x 0.7 = 1.4: the highest rates that hold the goal.
        {"work": {"pattern": "inference", "gpuMemory": "60Gi", "burstiness": 4,
                  "latency": {"percentile": 99, "milliseconds": 40}, "speed": {"whole": 100, "3g.71gb": 70}},
         "tenants": 2},
        "3g.71gb", 140, {"time-slicing": "ADVISE-TENANTS"},
    ),
    "a tail goal alone refuses time-slicing (NVIDIA vGPU, choosing a mode: strict latency on a busy GPU)": (
        {"work": {"pattern": "inference", "gpuMemory": "10Gi", "latency": {"milliseconds": 40}}, "gpu": "l40s"},
        "?whole", 1, {"time-slicing": "ADVISE-LATENCY", "MIG": "ADVISE-MIG-GPU"},
    ),
    "molecular dynamics runs nearly as fast on half an A100 (NJIT, MIG performance tests: 115.5 of 118.6 ns/day)": (
        # 2 x 115.507 = 231.014; 30 GiB exclude 1g and 2g.
        {"work": {"pattern": "batch", "gpuMemory": "30Gi", "speed": {"whole": 118.59, "3g.40gb": 115.507}},
         "gpu": "a100-80", "tenants": 2},
        "3g.40gb", 231.014, {"2g.20gb": "ADVISE-MEMORY", "1g.20gb": "ADVISE-MEMORY"},
    ),
    "molecular dynamics in little memory does most on the smallest slice (NJIT, MIG performance tests)": (
        # 7 x 43.28 = 302.96, 3 x 81.205 = 243.6, 2 x 115.507 = 231; 4 x 1g.20gb has at most the 2g.20gb's speed each.
        {"work": {"pattern": "batch", "gpuMemory": "8Gi",
                  "speed": {"whole": 118.59, "3g.40gb": 115.507, "2g.20gb": 81.205, "1g.20gb": 44, "1g.10gb": 43.28}},
         "gpu": "a100-80", "tenants": 2},
        "1g.10gb", 302.96, {"MPS": "ADVISE-TENANTS"},
    ),
    "training of small models does most on 1g (MISO, SoCC 2022: median relative speeds on A100)": (
        # 7 x 0.309 = 2.163; the paper's own table gives 2.16.
        {"work": {"pattern": "training", "gpuMemory": "4Gi",
                  "speed": {"whole": 1, "4g.20gb": 0.746, "3g.20gb": 0.668, "2g.10gb": 0.516, "1g.10gb": 0.32,
                            "1g.5gb": 0.309}},
         "gpu": "a100-40", "tenants": 2},
        "1g.5gb", 2.163, {},
    ),
    "inference with batches gains little by slices (ParvaGPU, SC 2024: geometric means on A100)": (
        # 7 x 0.149 = 1.043, 2 x 0.508 = 1.016, 3 x 0.297 = 0.891.
        {"work": {"pattern": "inference", "gpuMemory": "6Gi",
                  "speed": {"whole": 1, "4g.40gb": 0.612, "3g.40gb": 0.508, "2g.20gb": 0.297, "1g.20gb": 0.2,
                            "1g.10gb": 0.149}},
         "gpu": "a100-80", "tenants": 2},
        "1g.10gb", 1.043, {},
    ),
    "slices serve more than turns under load (NVIDIA, MIG and time-slicing measured: 1.00 and 0.76 requests/s)": (
        # One of two copies: 0.50 on 3g, 0.38 by turns.
        {"work": {"pattern": "inference", "gpuMemory": "30Gi",
                  "speed": {"whole": 0.9, "3g.40gb": 0.5, "time-slicing-2": 0.38, "mps-2": 0.4}}, "gpu": "a100-80"},
        "3g.40gb", 1.0, {},
    ),
    "more than half of the memory takes the GPU (NVIDIA MIG user guide: placements of instances)": (
        {"work": {"pattern": "inference", "gpuMemory": "80Gi"}},
        "whole", 1, {"7g.141gb": "ADVISE-HALF", "3g.71gb": "ADVISE-MEMORY", "time-slicing": "ADVISE-MEMORY"},
    ),
    "GH200 with driver 580 has no MIG (NVIDIA GPU Operator, known issues: coherent driver-managed memory)": (
        {"work": {"pattern": "inference", "gpuMemory": "10Gi"}, "gpu": "gh200-96", "tenants": 2,
         "driver": {"version": "580.95.05"}},
        "whole", 1, {"1g.12gb": "ADVISE-MIG-GRACE"},
    ),
    "an old driver cannot partition a B200 (NVIDIA MIG user guide: 570.133.20)": (
        {"work": {"pattern": "inference", "gpuMemory": "10Gi"}, "gpu": "b200", "tenants": 2,
         "driver": {"version": "570.124.06"}},
        "whole", 1, {"1g.23gb": "ADVISE-MIG-DRIVER"},
    ),
    "MPS is refused beside MIG on a platform (NVIDIA k8s-device-plugin)": (
        {"work": {"pattern": "interactive", "gpuMemory": "8Gi"}, "gpu": "l40s", "others": APART},
        "time-slicing", 5, {"MPS": "ADVISE-MPS-WITH-MIG"},
    ),
    "work that must be alone takes the GPU (the spec: trust nobody)": (
        {"work": {"pattern": "interactive", "gpuMemory": "8Gi", "trust": "nobody"}},
        "whole", 1, {"1g.18gb": "ADVISE-TRUST", "4g.71gb": "ADVISE-TRUST", "time-slicing": "ADVISE-TRUST"},
    ),
    "a service whose peak is four times its mean takes turns (Google GKE: bursty workloads with idle periods)": (
        # 4 of 5 copies keep one GPU busy; MPS was measured to be worse: 5 x 0.3 = 1.5.
        {"work": {"pattern": "inference", "gpuMemory": "8Gi", "burstiness": 4, "speed": {"whole": 1, "mps-5": 0.3}},
         "gpu": "l40s"},
        "time-slicing", 4, {},
    ),
    "without measurements nothing is decided between slices": (
        {"work": {"pattern": "inference", "gpuMemory": "12Gi"}, "tenants": 2},
        "?whole", 1, {"MPS": "ADVISE-TENANTS"},
    ),
    "a slice that was measured leads, and one that was not stays in the running": (
        # 2 x 0.95 = 1.9; 1g.18gb may do up to 7 x 0.95.
        {"work": {"pattern": "batch", "gpuMemory": "12Gi", "speed": {"whole": 1, "3g.71gb": 0.95}}, "tenants": 2},
        "?3g.71gb", 1.9, {},
    ),
    "a slice of everything brings nothing over the whole GPU": (
        {"work": {"pattern": "batch", "gpuMemory": "70Gi", "speed": {"whole": 1, "7g.141gb": 1}}, "tenants": 2},
        "whole", 1, {"3g.71gb": "ADVISE-MEMORY"},
    ),
    "what was measured on a slice is the least that a larger one does": (
        # 1g.18gb is too small and was measured at 0.4: 1g.35gb does at least 4 x 0.4, 2g.35gb at least 3 x 0.4.
        {"work": {"pattern": "batch", "gpuMemory": "20Gi", "speed": {"whole": 1, "1g.18gb": 0.4}}, "tenants": 2},
        "?1g.35gb", 1.6, {"1g.18gb": "ADVISE-MEMORY"},
    ),
    "more memory than a GPU has cannot run": (
        {"work": {"pattern": "training", "gpuMemory": "150Gi"}},
        "-", 0, {"whole GPU": "ADVISE-MEMORY"},
    ),
}  # fmt: skip


def answer(asked: dict[str, Any]) -> Advice:
    return advise(question(**asked), nowhere)


@pytest.mark.parametrize("name", SITUATIONS)
def test_advice_is_what_is_published(name: str) -> None:
    asked, recommended, score, refused = SITUATIONS[name]
    found = answer(asked)
    signs = {Verdict.ALLOWED: "", Verdict.UNKNOWN: "?", Verdict.REFUSED: "-"}
    leader = found.decision.leader
    assert signs[found.decision.verdict] + (leader.kind if leader else "") == recommended, found.decision
    assert found.decision.score.low == pytest.approx(score)
    by_label = {cell.option.label.partition(" x")[0]: cell for cell in found.cells}
    for label, rule in refused.items():
        assert (by_label[label].verdict, by_label[label].rule) == (Verdict.REFUSED, rule)


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_would_change_it_does(name: str) -> None:
    asked = SITUATIONS[name][0]
    found = answer(asked)
    for change in found.changes:
        after = identity_after(asked, change)
        assert after == change.decision.identity, change.text
        assert after != found.decision.identity, change.text


def test_every_situation_can_be_changed() -> None:
    for asked, *_ in SITUATIONS.values():
        assert answer(asked).changes
