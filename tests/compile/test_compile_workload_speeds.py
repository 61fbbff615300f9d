"""What was measured is a part of a GPU that the class of work may run on."""

from __future__ import annotations

from typing import Any

import pytest
from builders import ClusterBuilder, cluster

from tenantry.compile.checks.references import workloads
from tenantry.model.problem import SpecProblem
from tenantry.model.spec import SharingMode, replicas_of


def problems(speed: dict[str, float], **fields: Any) -> list[SpecProblem]:
    builder: ClusterBuilder = cluster().pool("training").pool("dev", "dell-r760xa-l40s")
    return list(
        workloads(builder.document("Workload", "class", {"gpuMemory": "8Gi", "speed": speed, **fields}).build())
    )


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        pytest.param("3g.17gb", "3g.71gb", id="digits swapped"),
        pytest.param("3g.40gb", "3g.71gb", id="a profile of another GPU"),
        pytest.param("msp-4", "mps-4", id="a way of sharing misspelt"),
        pytest.param("time-slicing-1", "time-slicing-2", id="one copy is not shared"),
        pytest.param("mps-129", "mps-2", id="more copies than a pool may have"),
        pytest.param("Whole", "whole", id="upper case"),
        pytest.param("xyz", None, id="nothing like it"),
    ],
)
def test_a_key_that_is_no_part_of_a_gpu_is_a_problem_with_the_nearest_name(key: str, nearest: str | None) -> None:
    (found,) = problems({key: 1.0})
    assert (found.rule, found.path, found.nearest) == ("SPEC-UNKNOWN-PROFILE", ("spec", "speed", key), nearest)
    assert "H200" in found.message


def test_a_profile_of_a_pool_that_the_class_may_not_use_is_a_problem() -> None:
    (found,) = problems({"3g.71gb": 1.0}, pools=["dev"])
    assert "L40S" in found.message
    assert "whole, mps-N or time-slicing-N" in found.expected


@pytest.mark.parametrize("key", ["whole", "1g.18gb", "mps-2", "time-slicing-128"])
def test_parts_of_a_gpu_are_accepted(key: str) -> None:
    assert problems({key: 1.0}) == []


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("mps-4", (SharingMode.MPS, 4)),
        ("time-slicing-12", (SharingMode.TIME_SLICING, 12)),
        ("mps-1", None),
        ("mps-04", None),
        ("mps-٤", None),
        ("whole", None),
        ("mps-4 ", None),
    ],
)
def test_keys_of_replicas_are_read_exactly(key: str, expected: tuple[SharingMode, int] | None) -> None:
    assert replicas_of(key) == expected
