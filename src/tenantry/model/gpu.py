"""GPUs and MIG geometry: profiles, placements, names, and whether a set of slices fits one GPU.

A *memory slice* is the unit of placement. GPUs with 7 compute slices have 8 memory slices; A30 and RTX PRO 6000 have
4 and 4. Two instances never share a memory slice, and compute slices never add up to more than the GPU has.

Source: NVIDIA MIG user guide; go-nvlib ``pkg/nvlib/device/mig_profile.go``; k8s-device-plugin ``internal/rm``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tenantry.model.hardware import Certainty

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

MIG_RESOURCE_PREFIX = "nvidia.com/mig-"
GPU_RESOURCE = "nvidia.com/gpu"
SHARED_GPU_RESOURCE = "nvidia.com/gpu.shared"


@dataclass(frozen=True, slots=True)
class MigProfile:
    """One MIG profile of one GPU.

    Attributes:
        name: profile name, for example ``3g.71gb`` or ``1g.18gb+me``.
        id: profile id of ``nvidia-smi mig -lgip``.
        compute: compute slices.
        memory: memory slices.
        maximum: most instances on one GPU.
        starts: memory slices at which an instance may begin.
        memory_gib: usable memory in GiB as ``nvidia-smi mig -lgip`` prints it, 0 when not measured.
        multiprocessors: streaming multiprocessors, 0 when not measured.
        media: media engines (video decoders) it takes; 0 where they never run out before slices do.
    """

    name: str
    id: int
    compute: int
    memory: int
    maximum: int
    starts: tuple[int, ...]
    memory_gib: float = 0.0
    multiprocessors: int = 0
    media: int = 0

    @property
    def resource(self) -> str:
        """Extended resource under the mixed strategy: ``nvidia.com/mig-1g.18gb.me`` for ``1g.18gb+me``."""
        return MIG_RESOURCE_PREFIX + self.name.replace("+", ".")

    @property
    def suffix(self) -> str:
        """What follows the memory in the name: empty, ``+me``, ``+gfx``, ``+me.all`` or ``-me``."""
        return self.name.partition("gb")[2]

    @property
    def has_extensions(self) -> bool:
        """Whether it carries the media extensions, which a GPU has once (``nvidia-smi mig -lgip`` shows 1 for each)."""
        return self.suffix in {"+me", "+me.all"}

    def mask(self, start: int) -> int:
        """Memory slices it occupies from ``start`` on, as bits."""
        return ((1 << self.memory) - 1) << start


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU model.

    Attributes:
        id: catalog name, for example ``h200-sxm``.
        title: name for people.
        product: value of the node label ``nvidia.com/gpu.product``.
        architecture: ``ampere``, ``ada``, ``hopper`` or ``blackwell``.
        memory_mib: total memory reported by the driver in MiB.
        pci_ids: PCI device ids, four upper-case hexadecimal digits each.
        compute_slices: compute slices, 0 without MIG.
        memory_slices: memory slices, 0 without MIG.
        profiles: MIG profiles in the order of ``nvidia-smi``; empty without MIG.
        minimum_driver: lowest driver that supports MIG on it (without MIG: that runs it), empty when unknown.
        source: where the facts come from.
        certainty: how well they are known.
        note: what to confirm on the node, empty when nothing.
        media_engines: video decoders of the GPU, 0 where they never limit a layout.
        kernel_module: kernel modules the driver has for it: ``open``, ``proprietary`` or ``either``.
        maximum_driver: last driver branch that runs it, such as ``580``; empty when every current one does.
    """

    id: str
    title: str
    product: str
    architecture: str
    memory_mib: int
    pci_ids: tuple[str, ...]
    compute_slices: int
    memory_slices: int
    profiles: tuple[MigProfile, ...]
    minimum_driver: str
    source: str
    certainty: Certainty
    note: str = ""
    media_engines: int = 0
    kernel_module: str = "either"
    maximum_driver: str = ""
    _by_name: dict[str, MigProfile] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {profile.name: profile for profile in self.profiles})

    @property
    def mig_capable(self) -> bool:
        """Whether the GPU can be partitioned."""
        return bool(self.profiles)

    @property
    def memory_gib(self) -> int:
        """Total memory in whole GiB, rounded up as the driver's names do."""
        return math.ceil(self.memory_mib / 1024)

    def profile(self, name: str) -> MigProfile | None:
        """Return the profile of that name, or None."""
        return self._by_name.get(name)


def profile_name(compute: int, memory: int, memory_slices: int, total_mib: int, suffix: str = "") -> str:
    """Compute the name the driver gives a profile, which depends on the total memory it reports.

    GB = floor(n/slices x ceil(total GiB) + 1/2), n being the memory slices of the profile: half rounds up.

    Args:
        compute: compute slices.
        memory: memory slices of the profile.
        memory_slices: memory slices of the GPU.
        total_mib: total memory in MiB as the driver reports it.
        suffix: attribute such as ``+me``.

    Source: go-nvlib ``mig_profile.go`` getMigMemorySizeGB.
    """
    gigabytes = math.floor(memory * math.ceil(total_mib / 1024) / memory_slices + 0.5)
    return f"{compute}g.{gigabytes}gb{suffix}"


@dataclass(frozen=True, slots=True, order=True)
class Placement:
    """One instance on one GPU: ``start`` is its first memory slice."""

    start: int
    profile: str
    size: int


def renamed(gpu: Gpu, total_mib: int) -> Gpu:
    """Return the GPU as a driver shows it that reports another total: same slices, other profile names.

    One silicon has several names: a GB200 reported with 186 GiB has ``1g.23gb``, with 189 GiB ``1g.24gb``.

    Args:
        gpu: a GPU of the catalog.
        total_mib: total memory in MiB, as ``nvidia-smi`` or the label ``nvidia.com/gpu.memory`` shows it.
    """
    profiles = tuple(
        replace(
            profile,
            name=profile_name(profile.compute, profile.memory, gpu.memory_slices, total_mib, profile.suffix),
        )
        for profile in gpu.profiles
    )
    return replace(gpu, memory_mib=total_mib, profiles=profiles)


def place(gpu: Gpu, counts: Mapping[str, int]) -> tuple[Placement, ...] | None:
    """Find a placement of all instances on one GPU, or None when they do not fit.

    The search is exhaustive, so None is a proof. Larger profiles are placed first and lower starts are tried first,
    which makes the answer deterministic.

    Args:
        gpu: a GPU with MIG profiles.
        counts: instances per profile name, not negative.

    Returns:
        The instances by start; empty when none are wanted.

    Raises:
        KeyError: if a profile is not one of the GPU's.
        ValueError: if a count is negative.
    """
    wanted = [(gpu._by_name[name], count) for name, count in counts.items()]
    if any(count < 0 for _, count in wanted):
        raise ValueError(f"counts must not be negative: {dict(counts)}")
    if any(count > profile.maximum for profile, count in wanted):
        return None
    queue = tuple(
        profile
        for profile, count in sorted(wanted, key=lambda pair: (-pair[0].memory, pair[0].name))
        for _ in range(count)
    )
    return _search(queue, 0) if _affordable(gpu, queue) else None


def _affordable(gpu: Gpu, instances: Sequence[MigProfile]) -> bool:
    """Whether everything but memory slices suffices: compute slices, media extensions and media engines."""
    if sum(profile.compute for profile in instances) > gpu.compute_slices:
        return False
    if sum(profile.has_extensions for profile in instances) > 1:
        return False
    return not gpu.media_engines or sum(profile.media for profile in instances) <= gpu.media_engines


def _search(queue: tuple[MigProfile, ...], used: int, floor: int = 0) -> tuple[Placement, ...] | None:
    if not queue:
        return ()
    profile, rest = queue[0], queue[1:]
    for start in profile.starts:
        if start < floor or used & profile.mask(start):
            continue
        # Equal profiles are interchangeable: place them left to right only.
        next_floor = start + 1 if rest and rest[0] is profile else 0
        found = _search(rest, used | profile.mask(start), next_floor)
        if found is not None:
            return tuple(sorted((Placement(start, profile.name, profile.memory), *found)))
    return None


def count_sets(gpu: Gpu, names: Collection[str] | None = None) -> Iterator[dict[str, int]]:
    """Yield every non-empty set of instance counts that fits one GPU, each once.

    Args:
        gpu: a GPU with MIG profiles.
        names: profiles to use; all of the GPU's when omitted.
    """
    profiles = _chosen(gpu, names)

    def extend(index: int, counts: dict[str, int]) -> Iterator[dict[str, int]]:
        if index == len(profiles):
            if counts:
                yield dict(counts)
            return
        profile = profiles[index]
        yield from extend(index + 1, counts)
        for count in range(1, profile.maximum + 1):
            counts[profile.name] = count
            if place(gpu, counts) is None:
                break
            yield from extend(index + 1, counts)
        counts.pop(profile.name, None)

    yield from extend(0, {})


def all_placements(gpu: Gpu, names: Collection[str] | None = None) -> Iterator[tuple[Placement, ...]]:
    """Yield every non-empty set of instances that can exist on one GPU at a time, each once.

    Two sets differ when any instance has another profile or another start. Instances are in order of start; the
    empty GPU is not among them.

    Args:
        gpu: a GPU with MIG profiles.
        names: profiles to use; all of the GPU's when omitted.
    """
    for chosen in _instance_sets(gpu, names):
        yield _as_placements(chosen)


def maximal_placements(gpu: Gpu, names: Collection[str] | None = None) -> Iterator[tuple[Placement, ...]]:
    """Yield the sets of :func:`all_placements` to which no further instance of the chosen profiles can be added."""
    candidates = _candidates(_chosen(gpu, names))
    for chosen in _instance_sets(gpu, names):
        if not any(_joins(gpu, chosen, profile, start) for start, profile in candidates):
            yield _as_placements(chosen)


def _chosen(gpu: Gpu, names: Collection[str] | None) -> tuple[MigProfile, ...]:
    if names is None:
        return gpu.profiles
    for name in names:
        gpu._by_name[name]  # KeyError names a profile the GPU does not have
    return tuple(profile for profile in gpu.profiles if profile.name in names)


_Instances = tuple[tuple[int, MigProfile], ...]


def _candidates(profiles: Sequence[MigProfile]) -> _Instances:
    pairs = [(start, profile) for profile in profiles for start in profile.starts]
    return tuple(sorted(pairs, key=lambda pair: (pair[0], pair[1].name)))


def _joins(gpu: Gpu, chosen: _Instances, profile: MigProfile, start: int) -> bool:
    if any(other.mask(first) & profile.mask(start) for first, other in chosen):
        return False
    if sum(other is profile for _, other in chosen) >= profile.maximum:
        return False
    return _affordable(gpu, [*(other for _, other in chosen), profile])


def _instance_sets(gpu: Gpu, names: Collection[str] | None) -> Iterator[_Instances]:
    candidates = _candidates(_chosen(gpu, names))

    def extend(index: int, chosen: _Instances) -> Iterator[_Instances]:
        for position in range(index, len(candidates)):
            start, profile = candidates[position]
            if _joins(gpu, chosen, profile, start):
                longer = (*chosen, (start, profile))
                yield longer
                yield from extend(position + 1, longer)

    yield from extend(0, ())


def _as_placements(chosen: _Instances) -> tuple[Placement, ...]:
    return tuple(Placement(start, profile.name, profile.memory) for start, profile in chosen)
