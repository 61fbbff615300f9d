"""Servers and network adapters."""

from __future__ import annotations

import re

import pytest
from catalog_data import check_evidence, check_keys, raw

from tenantry.catalog import gpus, nics, servers

RAILS = tuple(f"rail{number}" for number in range(8))


@pytest.mark.parametrize(
    ("server", "gpu", "count", "nvlink", "rails"),
    [
        ("dell-xe9680-h200", "h200-sxm", 8, True, RAILS),
        ("dell-xe9680-h100", "h100-sxm-80", 8, True, RAILS),
        ("dell-xe9680l-b200", "b200", 8, True, RAILS),
        ("dell-xe9680l-h200", "h200-sxm", 8, True, RAILS),
        ("dell-xe8640-h100", "h100-sxm-80", 4, True, RAILS[:4]),
        ("dell-r760xa-l40s", "l40s", 4, False, ()),
        ("generic", "", 0, False, ()),
    ],
)
def test_servers(server: str, gpu: str, count: int, *, nvlink: bool, rails: tuple[str, ...]) -> None:
    found = servers()[server]
    assert (found.gpu, found.gpus, found.nvlink) == (gpu, count, nvlink)
    assert tuple(rail.name for rail in found.rails) == rails


def test_servers_name_gpus_of_the_catalog() -> None:
    for server in servers().values():
        assert (server.gpu in gpus() and server.gpus > 0) or server.id == "generic"
        assert len({rail.name for rail in server.rails}) == len(server.rails)


def test_pci_addresses_are_left_open_or_well_formed() -> None:
    for server in servers().values():
        for rail in server.rails:
            assert rail.pci == "" or re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", rail.pci)
            assert rail.numa_node is None or 0 <= rail.numa_node < server.numa_nodes


@pytest.mark.parametrize(
    ("nic", "device", "speed"),
    [
        ("connectx-6", "101b", 200),
        ("connectx-6-dx", "101d", 100),
        ("connectx-6-lx", "101f", 25),
        ("connectx-7", "1021", 400),
        ("connectx-8", "1023", 800),
        ("bluefield-2", "a2d6", 200),
        ("bluefield-3", "a2dc", 400),
    ],
)
def test_nics(nic: str, device: str, speed: int) -> None:
    found = nics()[nic]
    assert (found.vendor_id, found.device_id, found.speed_gbps) == ("15b3", device, speed)
    # 128 is what the SR-IOV operator accepts for this vendor, 16 what a netlink message describes on InfiniBand.
    assert found.max_vfs == 128
    assert found.max_vfs_infiniband == (16 if "infiniband" in found.link_types else 0)


def test_entries_are_complete_and_say_where_they_come_from() -> None:
    for name, entry in raw("servers.toml")["server"].items():
        check_keys(
            name,
            entry,
            ("title", "gpu", "gpus", "nvlink", "source", "certainty"),
            ("rails", "cpu_cores", "memory_gib", "numa_nodes", "product_name", "note"),
        )
        check_evidence(name, entry)
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        for rail in entry.get("rails", ()):
            check_keys(name, rail, ("name",), ("pci", "numa_node"))
    for name, entry in raw("nics.toml")["nic"].items():
        check_keys(
            name,
            entry,
            (
                *("title", "vendor_id", "device_id", "max_vfs", "max_vfs_infiniband"),
                *("link_types", "speed_gbps", "source", "certainty"),
            ),
            ("note",),
        )
        check_evidence(name, entry)
        assert set(entry["link_types"]) <= {"ethernet", "infiniband"}
        assert re.fullmatch(r"[0-9a-f]{4}", entry["device_id"])


def test_readers_are_cached_ordered_and_read_only() -> None:
    for reader in (gpus, servers, nics):
        assert reader() is reader()
        assert list(reader()) == sorted(reader())
        assert all(name == entry.id for name, entry in reader().items())
        with pytest.raises(TypeError):
            reader()["x"] = None  # type: ignore[index]
