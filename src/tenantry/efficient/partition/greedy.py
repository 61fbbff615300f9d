"""The baseline every plan is compared with: largest first, first fit.

Demand is taken by priority, then weight, then size; each slice goes to an instance that is there and free, else to the
first unit around whose used slices it can be made. Unused instances give way. It never looks back, so it strands slices
that a plan would not, but it takes milliseconds and always has an answer.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tenantry.efficient.partition.assign import assign
from tenantry.efficient.partition.program import Assigned
from tenantry.efficient.partition.serving import figures, serve, served_by_pins
from tenantry.efficient.partition.units import NOBODY
from tenantry.model.partition import size_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.efficient.partition.units import Units
    from tenantry.model.partition import ChangeCosts, Counts, PartitionPlan


def greedy(units: Units, costs: ChangeCosts, *, every: bool = False) -> PartitionPlan:
    """Make the better of two plans: one that changes what every demand needs, one that does so for guaranteed demand.

    Args:
        units: what is decided.
        costs: of changes, for the comparison.
        every: whether all demand comes before the cost of changes.
    """
    filling = _Filling(units)
    filling.fill(everything, present=True)
    filling.fill(lambda priority: priority > 0)
    plans = [filling.plan()]
    filling.fill(lambda priority: priority == 0)
    plans.insert(0, filling.plan())
    return min(plans, key=lambda plan: score(units, plan, costs, every=every))


def everything(priority: int) -> bool:
    """Demand of every priority."""
    return priority >= 0


def score(units: Units, plan: PartitionPlan, costs: ChangeCosts, *, every: bool = False) -> tuple[int, ...]:
    """Order of plans, less is better: what is unserved by priority, highest first, then the weighed rest.

    With ``every``, demand of priority 0 comes before the cost of changes, too.
    """
    found = figures(units.pool, plan)
    if every:
        return (*(missing for _, missing in found.unserved), found.cost(costs))
    return (*(missing for priority, missing in found.unserved if priority), found.objective(costs))


class _Unit:
    """A unit as it fills: how much of each profile is used on each of its GPUs."""

    __slots__ = ("number", "tenant", "used")

    def __init__(self, number: int, used: Counts, tenant: str) -> None:
        self.number, self.used, self.tenant = number, used, tenant


class _Filling:
    """Fills units, one demand after another."""

    def __init__(self, units: Units) -> None:
        self.units = units
        self.left = self._wanted()
        self.fits: dict[tuple[int, Counts], int | None] = {}
        self.reached: Counter[tuple[str, str, bool, bool]] = Counter()
        self.slots = [
            _Unit(number, self._pinned(number, unit), self._tenant(number))
            for number, item in enumerate(units.classes)
            for unit in item.units
        ]

    def _pinned(self, number: int, unit: tuple[int, ...]) -> Counts:
        """Return what stays on the GPUs of a unit, the most of each profile."""
        del number
        most: Counter[str] = Counter()
        for position in unit:
            most |= Counter(pin.placement.profile for pin in self.units.pool.gpus[position].pins)
        return tuple(sorted(most.items()))

    def _tenant(self, number: int) -> str:
        owners = {share.tenant for share in self.units.classes[number].shares if share.tenant}
        return owners.pop() if len(owners) == 1 else NOBODY if owners else ""

    def plan(self) -> PartitionPlan:
        """Give out what the units hold by now."""
        units = self.units
        chosen = [[0] * len(item.options) for item in units.classes]
        owners: Counter[Assigned] = Counter()
        for slot in self.slots:
            item = units.classes[slot.number]
            option = self._option(slot.number, slot.used) or 0
            chosen[slot.number][option] += 1
            for share, count in item.shares.items():
                if not share.tenant and slot.tenant not in ("", NOBODY):
                    owners[Assigned(item.options[option], share.spare, slot.tenant)] += count
        gpus = assign(units, chosen, None, owners if units.rules.exclusive else {})
        return serve(units.pool, units.rules, gpus, units.spare_nodes)

    def fill(self, chosen: Callable[[int], bool], *, present: bool = False) -> None:
        """Place what is wanted at chosen priorities; with ``present`` only on instances that are there."""
        units, pool = self.units, self.units.pool
        order = sorted(
            range(len(pool.demands)),
            key=lambda n: (
                -pool.demands[n].priority, -pool.demands[n].weight, -size_of(pool.gpu, pool.demands[n].profile), n
            ),
        )  # fmt: skip
        for number in order:
            demand = pool.demands[number]
            if not chosen(demand.priority):
                continue
            # A slice that once did not fit a unit never will, as units only fill: go on where the last search ended.
            key = (demand.tenant if units.rules.exclusive else "", demand.profile, demand.guaranteed, present)
            while self.left[number] > 0 and self.reached[key] < len(self.slots):
                slot = self.slots[self.reached[key]]
                if not units.rules.exclusive or slot.tenant in ("", demand.tenant):
                    self._place(slot, number, present=present)
                if self.left[number] > 0:
                    self.reached[key] += 1

    def _wanted(self) -> list[int]:
        pool, exclusive = self.units.pool, self.units.rules.exclusive
        done = [0] * len(pool.demands) if exclusive else served_by_pins(pool, self.units.spare_nodes)
        return [demand.count - count for demand, count in zip(pool.demands, done, strict=True)]

    def _place(self, slot: _Unit, number: int, *, present: bool) -> None:
        demand = self.units.pool.demands[number]
        gain = self._gain(slot, guaranteed=demand.guaranteed)
        while gain and self.left[number] > 0:
            more = _with(slot.used, demand.profile)
            option = self._option(slot.number, more)
            if option is None or (present and self.units.classes[slot.number].changed[option]):
                return
            slot.used = more
            self.left[number] -= gain
            if self.units.rules.exclusive:
                slot.tenant = demand.tenant

    def _gain(self, slot: _Unit, *, guaranteed: bool) -> int:
        """Return how many slices one more instance on each GPU of a unit gives."""
        rules, shares = self.units.rules, self.units.classes[slot.number].shares
        gpus = sum(count for share, count in shares.items() if not (guaranteed and share.spare))
        if guaranteed and rules.spares and not self.units.spare_nodes:
            return gpus - rules.spares
        return gpus

    def _option(self, number: int, used: Counts) -> int | None:
        """Return the first option with at least what is used; options that change less come first."""
        key = (number, used)
        if key not in self.fits:
            self.fits[key] = next(
                (option for option, counts in enumerate(self.units.classes[number].options) if _covers(counts, used)),
                None,
            )
        return self.fits[key]


def _covers(counts: Counts, used: Counts) -> bool:
    have = dict(counts)
    return all(have.get(name, 0) >= count for name, count in used)


def _with(used: Counts, profile: str) -> Counts:
    counts = dict(used)
    counts[profile] = counts.get(profile, 0) + 1
    return tuple(sorted(counts.items()))
