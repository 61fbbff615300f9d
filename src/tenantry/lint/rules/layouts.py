"""MIG layouts (mig-parted): the fields inside, and whether a layout fits a GPU."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from tenantry.lint.index import Index, hint
from tenantry.lint.mig import Text, candidates, entry_profiles, filters, layouts, mig_texts, profile_names
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.model.finding import Severity
from tenantry.model.gpu import Gpu, place
from tenantry.model.problem import DocPath, nearest_name
from tenantry.model.reading import at, items, mapping

_ENTRY_KEYS = frozenset({"devices", "device-filter", "mig-enabled", "mig-devices"})

# "1c.3g.40gb": compute instances inside a GPU instance; the part behind is the profile that is placed.
_COMPUTE = re.compile(r"^[1-7]c\.")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


def _entries(found: Text) -> Iterator[tuple[str, int, Any]]:
    """Yield the entries of every layout with the layout's name and their position."""
    for name, entries in layouts(found.value).items():
        for position, entry in enumerate(entries if isinstance(entries, list) else []):
            yield str(name), position, entry


@rule(
    "LINT-MIG-SCHEMA",
    Severity.ERROR,
    "A MIG configuration does not have the form mig-parted reads",
    why="mig-parted refuses the whole file, unknown fields included; the node's mig.config.state becomes failed.",
    source="NVIDIA mig-parted, api/spec/v1/spec.go",
    fragments=True,
)
def _mig_schema(index: Index) -> Iterator[Hit]:
    for found in mig_texts(index):
        if found.error:
            yield found.hit((), f"the text is not YAML: {found.error}", "Correct the text.")
            continue
        for inner, message in _mig_faults(found.value):
            yield found.hit(inner, message, "Write the entry as mig-parted reads it.")


def _mig_faults(value: Mapping[str, Any]) -> Iterator[tuple[DocPath, str]]:
    if value.get("version") != "v1":
        yield ("version",), f"version is {value.get('version')!r}, not v1"
    for key in value:
        if key not in {"version", "mig-configs"}:
            yield (str(key),), f"mig-parted does not know the field {key!r}"
    if not isinstance(value.get("mig-configs"), dict) or not value["mig-configs"]:
        yield ("mig-configs",), "there is no named layout"
    for name, entries in layouts(value).items():
        where: DocPath = ("mig-configs", str(name))
        if not isinstance(entries, list) or not entries:
            yield where, f"the layout {name} is no list of entries"
            continue
        for position, entry in enumerate(entries):
            for inner, message in _entry_faults(entry):
                yield (*where, position, *inner), message


def _entry_faults(entry: object) -> Iterator[tuple[DocPath, str]]:
    if not isinstance(entry, dict):
        yield (), "an entry is no mapping"
        return
    for key in entry:
        if key not in _ENTRY_KEYS:
            close = nearest_name(str(key), _ENTRY_KEYS)
            yield (str(key),), f"mig-parted does not know the field {key!r}{hint(close or '')}"
    yield from _device_faults(entry)
    enabled, instances = entry.get("mig-enabled"), entry.get("mig-devices")
    if not isinstance(enabled, bool):
        yield ("mig-enabled",), "mig-enabled is missing or neither true nor false"
    elif enabled and not isinstance(instances, dict):
        yield ("mig-devices",), "mig-enabled is true, so mig-devices must be a map (it may be empty)"
    elif not enabled and instances:
        yield ("mig-devices",), "mig-enabled is false, so there can be no mig-devices"
    counts = mapping(entry, "mig-devices")
    for profile, count in counts.items():
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            yield ("mig-devices", str(profile)), f"the count of {profile} is {count!r}, not a whole number"
    if counts and all(count == 0 for count in counts.values()):
        yield ("mig-devices",), "every count is 0"


def _device_faults(entry: Mapping[str, Any]) -> Iterator[tuple[DocPath, str]]:
    devices = entry.get("devices")
    if isinstance(devices, list):
        if any(not isinstance(item, int) or isinstance(item, bool) or item < 0 for item in devices):
            yield ("devices",), "devices is a list of GPU numbers, or the word all"
        elif len(set(devices)) != len(devices):
            yield ("devices",), "devices names a GPU twice"
    elif devices != "all":
        yield ("devices",), "devices is missing" if devices is None else f"devices is {devices!r}, not all or a list"
    written = entry.get("device-filter")
    if written is not None and not isinstance(written, str | list):
        yield ("device-filter",), "device-filter is a text or a list of texts"


@rule(
    "LINT-MIG-KEY",
    Severity.ERROR,
    "A MIG configuration stands under a key the MIG manager does not read",
    why="The MIG manager reads the key config.yaml of the ConfigMap and no other.",
    source="NVIDIA gpu-operator, assets/state-mig-manager; mig-parted, deployments/container",
)
def _mig_key(index: Index) -> Iterator[Hit]:
    for found in mig_texts(index):
        others = mapping(found.manifest.body, "data") if found.manifest.key.kind == "ConfigMap" else {}
        if found.key != "config.yaml" and "config.yaml" not in others and layouts(found.value):
            yield found.hit((), f"the key is {found.key}; the MIG manager reads config.yaml", "Rename the key.")


@rule(
    "LINT-MIG-NAME",
    Severity.ERROR,
    "The name of a layout cannot be a label value",
    why="Nodes choose a layout by the label nvidia.com/mig.config, so its name must be a label value.",
    source="NVIDIA mig-parted, README; Kubernetes, labels: syntax",
    fragments=True,
)
def _mig_name(index: Index) -> Iterator[Hit]:
    for found in mig_texts(index):
        for name in layouts(found.value):
            if not _LABEL_VALUE.fullmatch(str(name)):
                message = f"{name!r} cannot be the value of nvidia.com/mig.config"
                yield found.hit(("mig-configs", str(name)), message, "Use letters, digits, '-', '_' and '.'.")


@rule(
    "LINT-MIG-PROFILE",
    Severity.ERROR,
    "A layout names a profile that the GPU does not have",
    why="The profile's name depends on the total memory of the GPU; mig-parted accepts the file and fails when it "
    "is applied.",
    source="NVIDIA MIG user guide, supported profiles; go-nvlib, pkg/nvlib/device/mig_profile.go",
    fragments=True,
)
def _mig_profile(index: Index) -> Iterator[Hit]:
    known = profile_names(index.context.gpus)
    for found in mig_texts(index):
        for name, position, entry in _entries(found):
            chosen = candidates(index.context.gpus, entry)
            limited = bool(filters(entry)) and bool(chosen)
            valid = {profile.name for gpu in chosen for profile in gpu.profiles} if limited else known
            for profile in entry_profiles(entry):
                plain = _COMPUTE.sub("", profile)
                if plain in valid or (limited and _alias(chosen, plain)):
                    continue
                who = " or ".join(sorted(gpu.title for gpu in chosen)) if limited else "any known GPU"
                message = f"{profile} is no profile of {who}{hint(nearest_name(profile, valid) or '')}"
                inner: DocPath = ("mig-configs", name, position, "mig-devices", profile)
                severity = None if limited or not _plausible(profile) else Severity.WARNING
                yield found.hit(inner, message, "Name a profile of the GPU (nvidia-smi mig -lgip).", severity)


def _plausible(profile: str) -> bool:
    """Whether a name has the form of a profile, so that a GPU unknown here might have it."""
    return re.fullmatch(r"(?:[1-7]c\.)?[1-7]g\.[0-9]+gb(?:[+-][a-z.]+)*", profile) is not None


def _alias(gpus: list[Gpu], profile: str) -> bool:
    """Whether a profile is one of a GPU whose total memory is not known for certain, under a slightly other name."""
    match = re.fullmatch(r"([1-7])g\.([0-9]+)gb(\+[a-z.]+)?", profile)
    if match is None:
        return False
    for gpu in gpus:
        for known in gpu.profiles:
            other = re.fullmatch(r"([1-7])g\.([0-9]+)gb(.*)", known.name)
            if other and other[1] == match[1] and other[3] == (match[3] or ""):
                near = abs(int(other[2]) - int(match[2])) <= max(2, int(other[2]) // 50)  # 186 and 189 are both GB200
                if near and gpu.certainty != "certain":
                    return True
    return False


@rule(
    "LINT-MIG-FIT",
    Severity.ERROR,
    "A layout does not fit the GPU",
    why="Instances take whole memory slices at fixed places and seven compute slices in all; mig-parted checks only "
    "the form, fails when it applies the layout, and the node stays without GPUs.",
    source="NVIDIA MIG user guide, MIG device placement; mig-parted, pkg/mig/config",
    fragments=True,
)
def _mig_fit(index: Index) -> Iterator[Hit]:
    for found in mig_texts(index):
        for name, position, entry in _entries(found):
            counts = entry_profiles(entry)
            able = [
                gpu
                for gpu in candidates(index.context.gpus, entry)
                if counts and all(gpu.profile(profile) is not None for profile in counts)
            ]
            if able and all(place(gpu, counts) is None for gpu in able):
                layout = " + ".join(f"{count} x {profile}" for profile, count in sorted(counts.items()))
                message = f"{layout} does not fit one {' or '.join(sorted(gpu.title for gpu in able))}"
                inner: DocPath = ("mig-configs", name, position, "mig-devices")
                yield found.hit(inner, message, "Remove instances until the layout fits.")


@rule(
    "LINT-MIG-FILTER",
    Severity.WARNING,
    "A device filter matches no GPU with MIG",
    why="The entry applies to no device, and the layout is reported as applied although nothing happened.",
    source="NVIDIA mig-parted, api/spec/v1 (device-filter is 0x<device>10DE)",
    fragments=True,
)
def _mig_filter(index: Index) -> Iterator[Hit]:
    plain = {number: gpu for gpu in index.context.gpus.values() for number in gpu.pci_ids}
    for found in mig_texts(index):
        for name, position, entry in _entries(found):
            inner: DocPath = ("mig-configs", name, position, "device-filter")
            for number in filters(entry):
                if not re.fullmatch(r"[0-9A-F]{4}", number):
                    message = f"{number!r} is no PCI id of an NVIDIA device"
                    yield found.hit(inner, message, "Write it as 0x233510DE.", Severity.ERROR)
                elif number in plain and not plain[number].mig_capable:
                    yield found.hit(inner, f"{plain[number].title} has no MIG", "Remove it from the filter.")


@rule(
    "LINT-MIG-OVERLAP",
    Severity.WARNING,
    "Two entries of a layout set the same device",
    why="Entries are applied in order: the later one wins, and the check whether the layout is in place never passes.",
    source="NVIDIA mig-parted, pkg/mig/state and cmd/nvidia-mig-parted/assert",
    fragments=True,
)
def _mig_overlap(index: Index) -> Iterator[Hit]:
    for found in mig_texts(index):
        for name, entries in layouts(found.value).items():
            numbered = list(enumerate(entries)) if isinstance(entries, list) else []
            for (first, mine), (second, theirs) in combinations(numbered, 2):
                if not _same_setting(mine, theirs) and _same_device(mine, theirs):
                    message = f"entry {second + 1} of {name} sets devices that entry {first + 1} sets too"
                    yield found.hit(("mig-configs", str(name), second, "devices"), message, "List each GPU once.")


def _same_setting(first: object, second: object) -> bool:
    keys = ("mig-enabled", "mig-devices")
    return all(at(first, key) == at(second, key) for key in keys)


def _same_device(first: object, second: object) -> bool:
    mine, theirs = set(filters(first)), set(filters(second))
    if mine and theirs and not mine & theirs:
        return False
    here, there = at(first, "devices"), at(second, "devices")
    if here == "all" or there == "all":
        return here is not None and there is not None
    return bool(
        {item for item in items(first, "devices") if isinstance(item, int)}
        & {item for item in items(second, "devices") if isinstance(item, int)}
    )


RULES: tuple[Rule, ...] = (
    _mig_schema,
    _mig_key,
    _mig_name,
    _mig_profile,
    _mig_fit,
    _mig_filter,
    _mig_overlap,
)
