"""Demand files and listings of instances: what they say, and where they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.errors import InputError, SpecError, TenantryError
from tenantry.io.partition_file import load_listed_instances, load_partition_file
from tenantry.model.gpu import Placement

LISTING = """\
+-------------------------------------------------------+
| GPU instances:                                        |
| GPU   Name             Profile  Instance   Placement  |
|                          ID       ID       Start:Size |
|=======================================================|
|   0  MIG 1g.18gb+me      20        9          6:1     |
+-------------------------------------------------------+
|   0  MIG 3g.71gb          9        2          0:4     |
+-------------------------------------------------------+
|   3  MIG 7g.141gb         0        0          0:8     |
+-------------------------------------------------------+
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "file"
    path.write_text(text)
    return path


def test_a_listing_gives_instances_by_gpu_and_start(tmp_path: Path) -> None:
    found = load_listed_instances(written(tmp_path, LISTING))
    assert found.gpus == {
        0: ((Placement(0, "3g.71gb", 4), 8), (Placement(6, "1g.18gb+me", 1), 6)),
        3: ((Placement(0, "7g.141gb", 8), 10),),
    }


def test_a_node_without_instances_is_a_listing_too(tmp_path: Path) -> None:
    assert load_listed_instances(written(tmp_path, "No GPU instances found: Not Found\n")).gpus == {}


@pytest.mark.parametrize("text", ["", "hello", "| 0 MIG 1g.18gb 19 7 |", "\0"], ids=["empty", "words", "cut", "nul"])
def test_anything_else_is_no_listing(tmp_path: Path, text: str) -> None:
    with pytest.raises(TenantryError):
        load_listed_instances(written(tmp_path, text))


@given(st.text(alphabet="| 0123456789MIGg.b:+\n", max_size=80))
def test_a_listing_is_read_or_refused_whatever_it_holds(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = written(tmp_path_factory.mktemp("listing"), text)
    try:
        load_listed_instances(path)
    except InputError:
        return


def test_a_demand_file_is_read(tmp_path: Path) -> None:
    text = (
        "pools:\n  serving:\n    demand: [{profile: 1g.18gb, count: 4, tenant: vision, priority: 1, weight: 2}]\n"
        "costs: {node: 0}\n"
    )
    content = load_partition_file(written(tmp_path, text)).content
    item = (content.pools["serving"].demand or [])[0]
    assert (item.profile, item.count, item.tenant, item.priority, item.weight) == ("1g.18gb", 4, "vision", 1, 2)
    assert (content.costs.gpu, content.costs.node, content.minutes.drain) == (1, 0, 15)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("pools: {serving: {demnad: []}}", (1, 19), "has no field 'demnad'"),
        ("pools: {serving: {demand: [{profile: 1g.18gb}]}}", (1, 28), "count is missing"),
        ("pools:\n  serving:\n    demand:\n    - {profile: 1g.18gb, count: -1}", (4, 33), "outside its bounds"),
        (
            "pools:\n  serving:\n    demand:\n    - {profile: 1g.18gb, count: 1, weight: 0}",
            (4, 44),
            "outside its bounds",
        ),
        ("pools: {serving: {nodes: {n1: [{gpu: 0, instances: [{profile: a, start: 9}]}]}}}", (1, 73), "outside"),
    ],
    ids=["unknown field", "missing count", "negative", "weight of nothing", "no such memory slice"],
)
def test_mistakes_have_a_place(tmp_path: Path, text: str, place: tuple[int, int], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_partition_file(written(tmp_path, text))
    problem = caught.value.problems[0]
    assert message in problem.message
    assert (problem.location.line, problem.location.column) == place


@pytest.mark.parametrize("text", ["", "[]", "a: 1\n---\nb: 2\n", "- x"], ids=["empty", "list", "two", "items"])
def test_what_is_no_map_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="must be one YAML map"):
        load_partition_file(written(tmp_path, text))
