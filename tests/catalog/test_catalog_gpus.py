"""GPU models: what the data files say, and whether real hardware agrees."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from catalog_data import check_evidence, check_keys, raw, shared

from tenantry.catalog import gpus
from tenantry.model.gpu import MigProfile, all_placements, count_sets, maximal_placements, place, profile_name, renamed
from tenantry.model.software import VersionNumber

# GB of a profile = floor(total GiB * memory slices / 8 + 1/2); a row is total GiB, then eighth, quarter, half, whole.
SEVEN_SLICE = {
    "a100-40": (40, 5, 10, 20, 40),  # 5, 10, 20
    "a100-pcie-40": (40, 5, 10, 20, 40),
    "a100-80": (80, 10, 20, 40, 80),  # 10, 20, 40
    "a100-pcie-80": (80, 10, 20, 40, 80),
    "h100-sxm-80": (80, 10, 20, 40, 80),
    "h100-pcie-80": (80, 10, 20, 40, 80),
    "h100-nvl-94": (94, 12, 24, 47, 94),  # 11.75 -> 12, 23.5 -> 24, 47
    "h100-96": (96, 12, 24, 48, 96),  # 12, 24, 48
    "pg506-96": (96, 12, 24, 48, 96),
    "gh200-96": (96, 12, 24, 48, 96),
    "h20-96": (96, 12, 24, 48, 96),
    "h200-sxm": (141, 18, 35, 71, 141),  # 17.625 -> 18, 35.25 -> 35, 70.5 -> 71
    "h200-nvl": (141, 18, 35, 71, 141),
    "gh200-144": (144, 18, 36, 72, 144),  # 18, 36, 72
    "b200": (180, 23, 45, 90, 180),  # 22.5 -> 23, 45, 90
    "gb200": (186, 23, 47, 93, 186),  # 23.25 -> 23, 46.5 -> 47, 93
    "gb200-189": (189, 24, 47, 95, 189),  # 23.625 -> 24, 47.25 -> 47, 94.5 -> 95
    "b300": (269, 34, 67, 135, 269),  # 33.625 -> 34, 67.25 -> 67, 134.5 -> 135
    "gb300": (278, 35, 70, 139, 278),  # 34.75 -> 35, 69.5 -> 70, 139
}

FOUR_SLICE = {
    # 24 / 4 = 6, 24 / 2 = 12
    "a30": ("1g.6gb", "1g.6gb+me", "2g.12gb", "2g.12gb+me", "4g.24gb"),
    # 96 / 4 = 24, 96 / 2 = 48
    "rtx-pro-6000": (
        "1g.24gb",
        "1g.24gb+me",
        "1g.24gb+gfx",
        "1g.24gb+me.all",
        "1g.24gb-me",
        "2g.48gb",
        "2g.48gb+gfx",
        "2g.48gb+me.all",
        "2g.48gb-me",
        "4g.96gb",
        "4g.96gb+gfx",
    ),
}

WITHOUT_MIG = ("a10", "a40", "l4", "l40s", "rtx-6000-ada", "t4", "v100-pcie-32", "v100-sxm-16", "v100-sxm-32")


def named(gpu: str, name: str) -> MigProfile:
    profile = gpus()[gpu].profile(name)
    assert profile is not None
    return profile


def test_every_gpu_is_expected_in_one_of_the_tables() -> None:
    assert list(gpus()) == sorted({*SEVEN_SLICE, *FOUR_SLICE, *WITHOUT_MIG})


@pytest.mark.parametrize("gpu", SEVEN_SLICE)
def test_names_of_seven_slice_gpus(gpu: str) -> None:
    total, eighth, quarter, half, whole = SEVEN_SLICE[gpu]
    assert gpus()[gpu].memory_gib == total
    assert [profile.name for profile in gpus()[gpu].profiles] == [
        f"1g.{eighth}gb",
        f"1g.{eighth}gb+me",
        f"1g.{quarter}gb",
        f"2g.{quarter}gb",
        f"3g.{half}gb",
        f"4g.{half}gb",
        f"7g.{whole}gb",
    ]


@pytest.mark.parametrize("gpu", FOUR_SLICE)
def test_names_of_four_slice_gpus(gpu: str) -> None:
    assert tuple(profile.name for profile in gpus()[gpu].profiles) == FOUR_SLICE[gpu]


@pytest.mark.parametrize("gpu", WITHOUT_MIG)
def test_gpus_that_cannot_be_partitioned(gpu: str) -> None:
    assert not gpus()[gpu].mig_capable
    assert (gpus()[gpu].compute_slices, gpus()[gpu].memory_slices) == (0, 0)


@pytest.mark.parametrize("gpu", SEVEN_SLICE)
def test_shapes_of_seven_slice_gpus(gpu: str) -> None:
    # id of nvidia-smi, compute slices, memory slices, most instances, starts
    assert [(one.id, one.compute, one.memory, one.maximum, one.starts) for one in gpus()[gpu].profiles] == [
        (19, 1, 1, 7, (0, 1, 2, 3, 4, 5, 6)),
        (20, 1, 1, 1, (0, 1, 2, 3, 4, 5, 6)),
        (15, 1, 2, 4, (0, 2, 4, 6)),
        (14, 2, 2, 3, (0, 2, 4)),
        (9, 3, 4, 2, (0, 4)),
        (5, 4, 4, 1, (0,)),
        (0, 7, 8, 1, (0,)),
    ]


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        ("a30", {14: 4, 21: 1, 5: 2, 6: 1, 0: 1}),
        ("rtx-pro-6000", {14: 4, 21: 1, 47: 4, 65: 1, 67: 4, 5: 2, 35: 2, 64: 1, 66: 2, 0: 1, 32: 1}),
    ],
)
def test_ids_and_counts_of_four_slice_gpus(gpu: str, expected: dict[int, int]) -> None:
    assert {profile.id: profile.maximum for profile in gpus()[gpu].profiles} == expected


@pytest.mark.parametrize("gpu", [name for name, entry in gpus().items() if entry.mig_capable])
def test_each_profile_alone_fits_as_often_as_stated_and_no_more(gpu: str) -> None:
    subject = gpus()[gpu]
    for profile in subject.profiles:
        assert all(0 <= start <= subject.memory_slices - profile.memory for start in profile.starts), profile.name
        assert list(profile.starts) == sorted(set(profile.starts))
        found = place(subject, {profile.name: profile.maximum})
        assert found is not None, profile.name
        # The statement is tight unless an attribute, not room, limits it.
        if not profile.has_extensions:
            room = min(len(profile.starts), subject.compute_slices // profile.compute)
            assert profile.maximum == room, profile.name


@pytest.mark.parametrize("gpu", [*SEVEN_SLICE, "a30"])
def test_number_of_layouts_from_the_catalog_alone(gpu: str) -> None:
    subject = gpus()[gpu]
    plain = [one.name for one in subject.profiles if not one.suffix and (one.compute, one.memory) != (1, 2)]
    expected = (25, 5, 9) if gpu == "a30" else (297, 19, 37)
    assert tuple(
        sum(1 for _ in count(subject, plain)) for count in (all_placements, maximal_placements, count_sets)
    ) == (expected)
    if gpu != "a30":
        double = [one.name for one in subject.profiles if not one.suffix]
        counted = tuple(
            sum(1 for _ in count(subject, double)) for count in (all_placements, maximal_placements, count_sets)
        )
        assert counted == (722, 78, 77)


@pytest.mark.parametrize(
    ("gpu", "profile", "gib", "multiprocessors"),
    [
        ("a100-40", "1g.5gb", 4.75, 14),
        ("h100-nvl-94", "1g.24gb", 21.62, 26),
        ("h100-nvl-94", "3g.47gb", 46.38, 60),
        ("h200-sxm", "1g.18gb", 16.0, 16),
        ("h200-sxm", "1g.35gb", 32.25, 26),
        ("h200-sxm", "2g.35gb", 32.25, 32),
        ("h200-sxm", "3g.71gb", 69.5, 60),
        ("h200-sxm", "7g.141gb", 139.8, 132),
        ("rtx-pro-6000", "4g.96gb", 95.0, 188),
    ],
)
def test_measured_memory_and_multiprocessors(gpu: str, profile: str, gib: float, multiprocessors: int) -> None:
    assert (named(gpu, profile).memory_gib, named(gpu, profile).multiprocessors) == (gib, multiprocessors)


def test_measured_memory_is_below_the_share_of_the_total() -> None:
    for gpu in gpus().values():
        for profile in gpu.profiles:
            share = gpu.memory_mib / 1024 * profile.memory / gpu.memory_slices
            assert profile.memory_gib < share, f"{gpu.id} {profile.name}"
            assert profile.memory_gib == 0 or profile.memory_gib > 0.85 * share, f"{gpu.id} {profile.name}"


def test_media_engines_keep_apart_what_needs_them_all() -> None:
    subject = gpus()["rtx-pro-6000"]
    assert place(subject, {"1g.24gb+me.all": 1, "1g.24gb": 1}) is None
    assert place(subject, {"1g.24gb+me.all": 1, "1g.24gb-me": 3}) is not None


def test_both_names_of_gb200_come_from_the_total() -> None:
    older, newer = gpus()["gb200-189"], gpus()["gb200"]
    assert [one.name for one in renamed(newer, older.memory_mib).profiles] == [one.name for one in older.profiles]


def test_entries_are_complete_and_say_where_they_come_from() -> None:
    data = raw("gpus.toml")
    assert set(data) == {"geometry", "gpu"}
    required = ("title", "product", "architecture", "memory_mib", "pci_ids", "source", "certainty")
    optional = ("geometry", "minimum_driver", "maximum_driver", "kernel_module", "note", "measured")
    for name, entry in data["gpu"].items():
        check_keys(name, entry, required, optional)
        check_evidence(name, entry)
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert entry["architecture"] in {"ampere", "ada", "blackwell", "hopper", "turing", "volta"}, name
        assert entry.get("kernel_module", "either") in {"either", "open", "proprietary"}, name
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", entry["product"]), "a node label value"
        assert all(re.fullmatch(r"[0-9A-F]{4}", pci) for pci in entry["pci_ids"]), name
        assert entry["pci_ids"], name
        for key in ("minimum_driver", "maximum_driver"):
            assert key not in entry or VersionNumber(entry[key]) > VersionNumber("300"), name
        shapes = (
            {one["shape"] for one in data["geometry"][entry["geometry"]]["profile"]} if "geometry" in entry else set()
        )
        assert set(entry.get("measured", {})) <= shapes, f"{name} measures a shape it does not have"
        for shape, measured in entry.get("measured", {}).items():
            check_keys(f"{name} {shape}", measured, (), ("gib", "sm"))


def test_geometries_are_complete() -> None:
    geometries = raw("gpus.toml")["geometry"]
    used = {entry["geometry"] for entry in raw("gpus.toml")["gpu"].values() if "geometry" in entry}
    assert set(geometries) == used
    for name, geometry in geometries.items():
        check_keys(name, geometry, ("compute_slices", "memory_slices", "profile"), ("media_engines",))
        shapes = [shape["shape"] for shape in geometry["profile"]]
        ids = [shape["id"] for shape in geometry["profile"]]
        assert len(set(shapes)) == len(shapes)
        assert len(set(ids)) == len(ids)
        for shape in geometry["profile"]:
            check_keys(name, shape, ("shape", "id", "compute", "memory", "maximum", "starts"), ("suffix", "media"))


def test_a_pci_id_belongs_to_one_piece_of_silicon() -> None:
    owners: dict[str, set[str]] = {}
    for gpu in gpus().values():
        for pci in gpu.pci_ids:
            owners.setdefault(pci, set()).add(gpu.product)
    assert {pci: names for pci, names in owners.items() if len(names) > 1} == {}


def test_nvidia_smi_of_real_gpus_agrees() -> None:
    seen = set()
    for path in sorted(shared("samples/nvidia-smi").glob("*.xml")):
        first = ElementTree.parse(path).getroot().find("gpu")
        assert first is not None
        product = (first.findtext("product_name") or "").replace(" ", "-")
        device = (first.findtext("pci/pci_device_id") or "")[:4].upper()
        total = int((first.findtext("fb_memory_usage/total") or "").removesuffix(" MiB"))
        matching = [gpu for gpu in gpus().values() if device in gpu.pci_ids and gpu.memory_mib == total]
        assert [gpu.product for gpu in matching] == [product], path.name
        assert matching[0].mig_capable == (first.findtext("mig_mode/current_mig") != "N/A"), path.name
        seen.add(matching[0].id)
    assert seen >= {"a100-40", "b200", "gb200", "gb300", "h100-sxm-80", "l40s", "t4"}


def test_node_labels_of_real_gpus_agree() -> None:
    partitioned = 0
    for path in sorted(shared("samples/node-labels").glob("*.json")):
        labels = json.loads(path.read_text(encoding="utf-8"))
        (gpu,) = [entry for entry in gpus().values() if entry.product == labels["nvidia.com/gpu.product"]]
        assert str(gpu.memory_mib) == labels["nvidia.com/gpu.memory"]
        assert gpu.architecture == labels["nvidia.com/gpu.family"]
        for key, value in labels.items():
            match = re.fullmatch(r"nvidia\.com/mig-(.+)\.memory", key)
            if match is None:
                continue
            partitioned += 1
            profile = gpu.profile(match[1])
            assert profile is not None, key
            prefix = f"nvidia.com/mig-{match[1]}"
            assert profile.memory_gib == pytest.approx(int(value) / 1024, abs=0.01)
            assert profile.multiprocessors == int(labels[f"{prefix}.multiprocessors"])
            assert profile.compute == int(labels[f"{prefix}.slices.gi"])
    assert partitioned


def test_names_are_not_written_in_the_data_file() -> None:
    for gpu in gpus().values():
        for profile in gpu.profiles:
            assert profile.name == profile_name(
                profile.compute, profile.memory, gpu.memory_slices, gpu.memory_mib, profile.suffix
            )
