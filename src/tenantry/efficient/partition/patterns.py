"""Layouts of one GPU: all that can exist around instances that stay, and the few of them that are worth having.

Every layout around pinned instances can be completed to a maximal one, which has at least as many instances of each
profile. So maximal layouts are enough to serve demand; of those with equal counts the first one stands for all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from tenantry.model.gpu import Placement, all_placements, maximal_placements
from tenantry.model.partition import WHOLE, Counts, Layout, counts_of, whole_gpu

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.model.gpu import Gpu


@dataclass(frozen=True)
class LayoutTable:
    """The layouts of one GPU model that use some of its profiles.

    Attributes:
        gpu: the GPU model.
        profiles: profiles used, sorted; :data:`WHOLE` among them where GPUs may stay whole.
    """

    gpu: Gpu
    profiles: tuple[str, ...]
    _all: tuple[tuple[int, Layout], ...]
    _maximal: tuple[tuple[int, Layout], ...]
    _bits: Mapping[Placement, int]
    _best: dict[Layout, Mapping[Counts, Layout]] = field(default_factory=dict)
    _reachable: dict[Layout, Mapping[Counts, Layout]] = field(default_factory=dict)
    _counted: dict[Counts, list[tuple[int, Layout]]] = field(default_factory=dict)

    def best(self, pinned: Layout = ()) -> Mapping[Counts, Layout]:
        """Layouts that hold the pinned instances and that no other such layout surpasses, by their counts.

        Args:
            pinned: instances that stay, by start.

        Returns:
            Whole layouts, pinned instances included, in a fixed order; none has at least as many instances of every
            profile as another. Empty when the pinned instances cannot exist together.

        Raises:
            KeyError: if a pinned instance is not one of the table's: another profile, or a start it cannot have.
        """
        if pinned not in self._best:
            self._best[pinned] = _undominated(self._around(self._maximal, pinned))
        return self._best[pinned]

    def reachable(self, pinned: Layout = ()) -> Mapping[Counts, Layout]:
        """Every layout that holds the pinned instances, one for each set of counts, in a fixed order.

        Includes the pinned instances alone. Arguments and errors as :meth:`best`.
        """
        if pinned not in self._reachable:
            self._reachable[pinned] = self._around(self._all, pinned)
        return self._reachable[pinned]

    def nearest(self, pinned: Layout, counts: Counts, present: Layout) -> Layout | None:
        """Return a layout with given counts that holds the pinned instances and most of the present ones in place.

        None when there is no such layout; the first of the enumeration among equals. Arguments and errors as
        :meth:`best`.
        """
        whole = whole_gpu(self.gpu)
        if counts == counts_of(whole):
            return whole if pinned in ((), whole) and WHOLE in self.profiles else None
        must, liked = self._mask(pinned), frozenset(present)
        fitting = [layout for bits, layout in self._by_counts().get(counts, ()) if bits & must == must]
        return max(fitting, key=lambda layout: sum(item in liked for item in layout), default=None)

    def _by_counts(self) -> Mapping[Counts, list[tuple[int, Layout]]]:
        if not self._counted:
            for bits, layout in self._all:
                self._counted.setdefault(counts_of(layout), []).append((bits, layout))
        return self._counted

    def _mask(self, pinned: Layout) -> int:
        return _bits(self._bits, pinned)

    def _around(self, layouts: Iterable[tuple[int, Layout]], pinned: Layout) -> dict[Counts, Layout]:
        whole = whole_gpu(self.gpu)
        if pinned == whole:
            return {counts_of(whole): whole}
        wanted = self._mask(pinned)
        found: dict[Counts, Layout] = {}
        for bits, layout in layouts:
            if bits & wanted == wanted:
                found.setdefault(counts_of(layout), layout)
        if not pinned and WHOLE in self.profiles:
            found[counts_of(whole)] = whole
        return found


@lru_cache(maxsize=64)
def layout_table(gpu: Gpu, profiles: tuple[str, ...]) -> LayoutTable:
    """Enumerate the layouts of a GPU.

    Args:
        gpu: a GPU with MIG profiles.
        profiles: profiles to use, :data:`WHOLE` among them where GPUs may stay whole; sorted, each once.

    Raises:
        KeyError: if a profile is not one of the GPU's.
    """
    names = [name for name in profiles if name != WHOLE]
    chosen = [profile for profile in gpu.profiles if profile.name in names]
    for name in names:
        if gpu.profile(name) is None:
            raise KeyError(name)
    bits: dict[Placement, int] = {}
    for profile in chosen:
        for start in profile.starts:
            bits[Placement(start, profile.name, profile.memory)] = 1 << len(bits)
    every = [(0, ()), *((_bits(bits, layout), layout) for layout in all_placements(gpu, names))]
    maximal = [(_bits(bits, layout), layout) for layout in maximal_placements(gpu, names)] or every[:1]
    return LayoutTable(gpu, profiles, tuple(every), tuple(maximal), bits)


def _bits(bits: Mapping[Placement, int], layout: Layout) -> int:
    total = 0
    for placement in layout:
        total |= bits[placement]
    return total


def _undominated(layouts: Mapping[Counts, Layout]) -> dict[Counts, Layout]:
    """Leave out layouts that have no more of any profile than another one."""
    as_dicts = {counts: dict(counts) for counts in layouts}
    return {
        counts: layout
        for counts, layout in layouts.items()
        if not any(
            other != counts and all(more.get(name, 0) >= number for name, number in counts)
            for other, more in as_dicts.items()
        )
    }
