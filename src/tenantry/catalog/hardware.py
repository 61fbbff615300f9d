"""Readers of the hardware files: GPUs, servers and NICs."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from tenantry.catalog.files import Table, read
from tenantry.model.gpu import Gpu, MigProfile, profile_name
from tenantry.model.hardware import Certainty, Nic, Server, ServerRail

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def gpus() -> Mapping[str, Gpu]:
    """GPU models by id, in the order of their ids."""
    data = read("gpus.toml")
    return MappingProxyType({name: _gpu(name, data["gpu"][name], data["geometry"]) for name in sorted(data["gpu"])})


@cache
def servers() -> Mapping[str, Server]:
    """Server models by id, in the order of their ids."""
    data = read("servers.toml")["server"]
    return MappingProxyType({name: _server(name, data[name]) for name in sorted(data)})


@cache
def nics() -> Mapping[str, Nic]:
    """Network adapters by id, in the order of their ids."""
    data = read("nics.toml")["nic"]
    return MappingProxyType({name: _nic(name, data[name]) for name in sorted(data)})


def _gpu(name: str, entry: Table, geometries: Table) -> Gpu:
    geometry: Table = geometries[entry["geometry"]] if "geometry" in entry else {}
    measured: Table = entry.get("measured", {})
    slices = geometry.get("memory_slices", 0)
    profiles = tuple(
        _profile(shape, slices, entry["memory_mib"], measured.get(shape["shape"], {}))
        for shape in geometry.get("profile", ())
    )
    return Gpu(
        id=name,
        title=entry["title"],
        product=entry["product"],
        architecture=entry["architecture"],
        memory_mib=entry["memory_mib"],
        pci_ids=tuple(entry["pci_ids"]),
        compute_slices=geometry.get("compute_slices", 0),
        memory_slices=slices,
        profiles=profiles,
        minimum_driver=entry.get("minimum_driver", ""),
        source=entry["source"],
        certainty=Certainty(entry["certainty"]),
        note=entry.get("note", ""),
        media_engines=geometry.get("media_engines", 0),
        kernel_module=entry.get("kernel_module", "either"),
        maximum_driver=entry.get("maximum_driver", ""),
    )


def _profile(shape: Table, memory_slices: int, total_mib: int, measured: Table) -> MigProfile:
    return MigProfile(
        name=profile_name(shape["compute"], shape["memory"], memory_slices, total_mib, shape.get("suffix", "")),
        id=shape["id"],
        compute=shape["compute"],
        memory=shape["memory"],
        maximum=shape["maximum"],
        starts=tuple(shape["starts"]),
        memory_gib=float(measured.get("gib", 0.0)),
        multiprocessors=measured.get("sm", 0),
        media=shape.get("media", 0),
    )


def _server(name: str, entry: Table) -> Server:
    return Server(
        id=name,
        title=entry["title"],
        gpu=entry["gpu"],
        gpus=entry["gpus"],
        nvlink=entry["nvlink"],
        rails=tuple(
            ServerRail(rail["name"], rail.get("pci", ""), rail.get("numa_node")) for rail in entry.get("rails", ())
        ),
        cpu_cores=entry.get("cpu_cores", 0),
        memory_gib=entry.get("memory_gib", 0),
        numa_nodes=entry.get("numa_nodes", 0),
        product_name=entry.get("product_name", ""),
        source=entry["source"],
        certainty=Certainty(entry["certainty"]),
        note=entry.get("note", ""),
    )


def _nic(name: str, entry: Table) -> Nic:
    return Nic(
        id=name,
        title=entry["title"],
        vendor_id=entry["vendor_id"],
        device_id=entry["device_id"],
        max_vfs=entry["max_vfs"],
        max_vfs_infiniband=entry["max_vfs_infiniband"],
        link_types=tuple(entry["link_types"]),
        speed_gbps=entry["speed_gbps"],
        source=entry["source"],
        certainty=Certainty(entry["certainty"]),
        note=entry.get("note", ""),
    )
