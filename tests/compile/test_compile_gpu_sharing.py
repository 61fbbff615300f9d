from __future__ import annotations

from typing import Any

import pytest
from builders import ClusterBuilder, cluster
from hypothesis import given
from hypothesis import strategies as st

from tenantry.compile.gpu_sharing import (
    mig_config,
    mig_config_map,
    mig_config_name,
    plugin_config_key,
    plugin_config_map,
    plugin_configs,
)
from tenantry.io.yaml_read import load_documents

SERVING = [([0, 1, 2, 3], {"3g.71gb": 2}), ([4, 5], {"1g.18gb": 7})]


def parsed(text: str) -> Any:
    (document,) = load_documents(text.encode(), "config.yaml")
    return document.value


def serving(layout: Any = SERVING, **fields: Any) -> ClusterBuilder:
    return cluster().pool("training").pool("serving", mig=layout, **fields)


def test_each_gpu_of_a_node_is_named_once_and_the_rest_stay_whole() -> None:
    resolved = serving().build()
    entries = parsed(mig_config(resolved))["mig-configs"][mig_config_name(resolved.pool("serving"))]
    assert entries == [
        {"devices": [0, 1, 2, 3], "mig-enabled": True, "mig-devices": {"3g.71gb": 2}},
        {"devices": [4, 5], "mig-enabled": True, "mig-devices": {"1g.18gb": 7}},
        {"devices": [6, 7], "mig-enabled": False},
    ]


def test_one_layout_for_all_gpus_names_them_all() -> None:
    resolved = serving({"3g.71gb": 2, "1g.18gb": 1}).build()
    entries = parsed(mig_config(resolved))["mig-configs"][mig_config_name(resolved.pool("serving"))]
    assert entries == [{"devices": "all", "mig-enabled": True, "mig-devices": {"1g.18gb": 1, "3g.71gb": 2}}]


def test_turning_mig_off_stays_possible() -> None:
    config = parsed(mig_config(serving().build()))
    assert config["version"] == "v1"
    assert config["mig-configs"]["all-disabled"] == [{"devices": "all", "mig-enabled": False}]


def test_only_fields_that_mig_parted_knows_are_written() -> None:
    # mig-parted refuses unknown fields (api/spec/v1/spec.go).
    for entries in parsed(mig_config(serving().build()))["mig-configs"].values():
        for entry in entries:
            assert set(entry) <= {"devices", "mig-enabled", "mig-devices"}
            assert ("mig-devices" in entry) == entry["mig-enabled"]


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        pytest.param(serving(), True, id="nothing changed"),
        pytest.param(serving(nodes=5), True, id="more nodes of the same layout"),
        pytest.param(serving().pool("dev", mig={"1g.18gb": 7}), True, id="another pool is partitioned too"),
        pytest.param(serving(list(reversed(SERVING))), True, id="layouts written in another order"),
        pytest.param(serving([([0, 1, 2], {"3g.71gb": 2}), SERVING[1]]), False, id="one GPU less"),
        pytest.param(serving([([0, 1, 2, 3], {"3g.71gb": 1}), SERVING[1]]), False, id="another count"),
        pytest.param(serving({"7g.141gb": 1}), False, id="another layout"),
    ],
)
def test_a_configuration_is_renamed_exactly_when_the_layout_of_its_pool_changes(
    changed: ClusterBuilder, same: bool
) -> None:
    before = mig_config_name(serving().build().pool("serving"))
    assert (mig_config_name(changed.build().pool("serving")) == before) is same


def test_the_config_map_is_renamed_when_any_layout_changes() -> None:
    names = [mig_config_map(builder.build()) for builder in (serving(), serving({"7g.141gb": 1}), serving(nodes=9))]
    assert names[0] != names[1]
    assert names[0] == names[2]


def test_whole_gpus_are_told_to_be_whole_where_they_could_be_split() -> None:
    resolved = cluster().pool("training").pool("dev", "dell-r760xa-l40s").build()
    assert mig_config_name(resolved.pool("training")) == "all-disabled"
    assert mig_config_name(resolved.pool("dev")) == ""


def test_without_partitioned_pools_there_is_no_configuration() -> None:
    resolved = cluster().pool("training").build()
    assert (mig_config(resolved), mig_config_map(resolved)) == ("", "")


@pytest.mark.parametrize(
    ("builder", "section", "key"),
    [
        pytest.param(cluster().pool("dev", time_slicing=4), "timeSlicing", "dev-time-slicing-4", id="time-slicing"),
        pytest.param(cluster().pool("dev", mps=4), "mps", "dev-mps-4", id="MPS"),
    ],
)
def test_replicas_are_renamed_and_asked_for_one_by_one(builder: ClusterBuilder, section: str, key: str) -> None:
    resolved = builder.build()
    assert plugin_config_key(resolved.pools[0]) == key
    assert parsed(plugin_configs(resolved)[key]) == {
        "version": "v1",
        "sharing": {
            section: {
                "renameByDefault": True,
                "failRequestsGreaterThanOne": True,
                "resources": [{"name": "nvidia.com/gpu", "replicas": 4}],
            }
        },
    }


def test_nodes_without_a_label_share_nothing() -> None:
    assert parsed(plugin_configs(cluster().pool("dev", time_slicing=4).build())["default"]) == {"version": "v1"}


def test_a_pool_called_default_does_not_share_every_other_node() -> None:
    resolved = cluster().pool("default", time_slicing=4).build()
    assert plugin_config_key(resolved.pools[0]) != "default"
    assert parsed(plugin_configs(resolved)["default"]) == {"version": "v1"}


def test_without_shared_pools_there_is_no_device_plugin_configuration() -> None:
    resolved = serving().build()
    assert (plugin_configs(resolved), plugin_config_map(resolved)) == ({}, "")


def test_the_device_plugin_sees_another_number_of_replicas() -> None:
    four, eight = (cluster().pool("dev", time_slicing=count).build() for count in (4, 8))
    assert plugin_config_map(four) != plugin_config_map(eight)
    assert plugin_config_key(four.pools[0]) != plugin_config_key(eight.pools[0])


@given(st.sets(st.integers(0, 7), min_size=1, max_size=8), st.integers(1, 7))
def test_any_subset_of_gpus_is_covered_once(gpus: set[int], count: int) -> None:
    resolved = serving([(sorted(gpus), {"1g.18gb": count})]).build()
    entries = parsed(mig_config(resolved))["mig-configs"][mig_config_name(resolved.pool("serving"))]
    named = [gpu for entry in entries for gpu in (range(8) if entry["devices"] == "all" else entry["devices"])]
    assert sorted(named) == list(range(8))
    split = [entry for entry in entries if entry["mig-enabled"]]
    assert [entry["mig-devices"] for entry in split] == [{"1g.18gb": count}]
