"""The ways to give a GPU to a class of work: the columns of the matrix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenantry.efficient.advise.facts import GIB, MIB, WHOLE
from tenantry.model.gpu import GPU_RESOURCE, SHARED_GPU_RESOURCE
from tenantry.model.spec import SharingMode, replicas_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.efficient.advise.facts import PoolFacts, WorkFacts
    from tenantry.model.gpu import Gpu, MigProfile

MOST_REPLICAS = {SharingMode.MPS: 48, SharingMode.TIME_SLICING: 128}
"""Most copies on one GPU. MPS: clients of one device (NVIDIA MPS documentation, 48 from Volta on, more on some newer
GPUs). Time-slicing: what a spec may say."""
REPLICATED = (SharingMode.MPS, SharingMode.TIME_SLICING)
SURELY_USABLE = 0.85
"""Part of its nominal memory that a slice certainly leaves to work. The least that the catalog holds is 0.91 (H200
``1g``: 16.0 of 17.55 GiB, read off ``nvidia-smi mig -lgip``); the rest is distance."""


@dataclass(frozen=True, slots=True)
class Option:
    """A way of sharing.

    Attributes:
        mode: whole, MIG, MPS or time-slicing.
        copies: pods on one GPU when it is shared so by one class of work; 0 where the GPU cannot be partitioned.
        profile: MIG profile; None for other modes, and where the GPU cannot be partitioned.
        memory: bytes of a slice that work may certainly use, and that it may possibly use; see :func:`usable`.
        kind: name without the number of copies: what a recommendation is about.
        key: name among measured speeds: ``whole``, ``3g.71gb``, ``mps-4`` or ``time-slicing-4``.
    """

    mode: SharingMode
    copies: int
    profile: MigProfile | None = None
    memory: tuple[int, int] = (0, 0)
    kind: str = field(init=False, repr=False, compare=False)
    key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kind = self.profile.name if self.profile else str(self.mode)
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "key", f"{kind}-{self.copies}" if self.mode in REPLICATED else kind)

    @property
    def label(self) -> str:
        """Name for people."""
        if self.mode in REPLICATED:
            return f"{'MPS' if self.mode is SharingMode.MPS else 'time-slicing'} x{self.copies}"
        return "whole GPU" if self.mode is SharingMode.WHOLE else self.profile.name if self.profile else "MIG"


def slice_options(gpu: Gpu, wanted: frozenset[str] = frozenset()) -> tuple[Option, ...]:
    """Return an option for each MIG profile, larger ones first.

    Profiles with attributes for media or graphics have the same compute and memory as the plain one, so they are left
    out unless they are wanted. Without profiles, one option stands for MIG as such.

    Args:
        gpu: GPU model.
        wanted: names of profiles with attributes to keep.
    """
    chosen = [item for item in gpu.profiles if not item.suffix or item.name in wanted]
    chosen.sort(key=lambda item: (-item.memory, -item.compute, item.name))
    return tuple(slice_option(gpu, item) for item in chosen) or (Option(SharingMode.MIG, 0),)


def slice_option(gpu: Gpu, profile: MigProfile) -> Option:
    """Return the option of a MIG profile, with what work may use of its memory."""
    # Instances with as many memory slices have the same memory, so one measurement serves them all.
    alike = (item.memory_gib for item in gpu.profiles if item.memory == profile.memory and item.memory_gib)
    measured = profile.memory_gib or next(alike, 0.0)
    nominal = gpu.memory_mib * MIB * profile.memory // gpu.memory_slices
    memory = (int(nominal * SURELY_USABLE) // MIB * MIB, nominal)
    if measured:
        memory = (int(measured * GIB),) * 2
    return Option(SharingMode.MIG, profile.maximum, profile, memory)


def options(work: WorkFacts, pool: PoolFacts) -> list[Option]:
    """Return the columns of the matrix for a class of work in a pool: whole, slices, MPS, time-slicing."""
    found = [Option(SharingMode.WHOLE, 1), *pool.slices]
    for mode in REPLICATED:
        found += (Option(mode, count) for count in sorted(_replicas(work, pool, mode)))
    return found


def _replicas(work: WorkFacts, pool: PoolFacts, mode: SharingMode) -> Iterator[int]:
    """Yield how many copies are worth a look, each once: as many as fit, those that run now, those measured."""
    most = min(pool.memory // work.memory, MOST_REPLICAS[mode])
    if mode is SharingMode.TIME_SLICING and work.burstiness is not None:
        most = min(most, int(work.burstiness))
    counts = {max(2, most)}
    if pool.mode is mode and pool.replicas:
        counts.add(pool.replicas)
    for key in (*work.speeds, *work.failed):
        of = replicas_of(key)
        if of is not None and of[0] is mode:
            counts.add(of[1])
    yield from counts


def usable(pool: PoolFacts, option: Option) -> tuple[int, int]:
    """Return the bytes that one copy may use: what is certain, and what is possible.

    Both are equal for whole GPUs, for replicas, and for slices that the catalog has measured. MPS divides memory
    evenly; time-slicing limits nothing, so that the sum of all copies must fit, which is the same number.

    Source: k8s-device-plugin (``CUDA_MPS_PINNED_DEVICE_MEM_LIMIT`` by replicas); NVIDIA GPU Operator, time-slicing.
    """
    if option.profile is not None:
        return option.memory
    each = pool.memory // max(1, option.copies)
    return each, each


def resource_of(option: Option) -> str:
    """Return the extended resource that a pod asks for."""
    if option.profile is not None:
        return option.profile.resource
    return SHARED_GPU_RESOURCE if option.mode in REPLICATED else GPU_RESOURCE


def share(pool: PoolFacts, option: Option) -> float:
    """Return the part of a GPU that one copy takes away from others: of compute or memory, whichever is more."""
    profile = option.profile
    if profile is None:
        return 1 / max(1, option.copies)
    return max(profile.compute / pool.gpu.compute_slices, profile.memory / pool.gpu.memory_slices)


def is_whole(option: Option) -> bool:
    """Whether it is a whole GPU that is not partitioned."""
    return option.key == WHOLE
