"""Plans by rate: how many GPUs of which layouts carry services with rates, or what a number of GPUs can serve.

The program counts: ``n[P]`` GPUs of layout P and ``z[m, s]`` slices of profile s for service m, with the throughput of
the service's operating point there. GPUs and slices of one profile are alike, so which is which is decided afterwards.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.efficient.partition.patterns import layout_table
from tenantry.model.gpu import place
from tenantry.model.partition import WHOLE, Counts, Layout, size_of, whole_gpu
from tenantry.model.program import INFINITY, Program, SolveLimits, SolveStatus
from tenantry.model.rate_plan import TOLERANCE, RateOutcome, RatePlan, Serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenantry.model.gpu import Gpu, Placement
    from tenantry.model.program import Solver
    from tenantry.model.rate_plan import OperatingPoint, RateDemand

TIDYING = 1 / 6
"""Part of the time for choosing, among plans that are equally good, one that takes few slices."""


def fewest_gpus(demand: RateDemand, solve: Solver, limits: SolveLimits) -> RateOutcome:
    """Plan all rates on as few GPUs as can be.

    Args:
        demand: services and where they can run.
        solve: a solver.
        limits: when it may stop.

    Returns:
        The plan with GPUs needed as its objective; the greedy one when time runs out before a better one is found.
    """
    model, baseline = _Model(demand), greedy(demand)
    found = solve(model.program, limits, model.as_start(baseline))
    bound = _rounded_up(found.bound)
    if not found.values or found.objective > len(baseline.layouts):
        gpus = len(baseline.layouts)
        return RateOutcome(baseline, gpus, min(bound, gpus), proved=bound >= gpus)
    gpus = round(found.objective)
    values = _tidied(demand, solve, limits, [1.0] * len(demand.services), gpus) or found.values
    return RateOutcome(model.plan(values), gpus, bound, proved=bound >= gpus)


def most_served(demand: RateDemand, gpus: int, solve: Solver, limits: SolveLimits) -> RateOutcome:
    """Serve as much as can be on a number of GPUs: the sum over services of weight times the part served is maximal.

    Args:
        demand: services and where they can run.
        gpus: GPUs there are.
        solve: a solver.
        limits: when it may stop.

    Returns:
        The plan with that sum as its objective; the bound is the highest sum there could be. No plan when time runs
        out before one is found.
    """
    model = _Model(demand, gpus=gpus)
    found = solve(model.program, limits, None)
    if not found.values:
        return RateOutcome(None, math.nan, -found.bound, proved=False)
    parts = [found.values[column] for column in model.served]
    values = _tidied(demand, solve, limits, parts, gpus) or found.values
    proved = found.status is SolveStatus.OPTIMAL
    return RateOutcome(model.plan(values), -found.objective, max(-found.bound, -found.objective), proved)


def _rounded_up(bound: float) -> float:
    """GPUs are whole, so a bound may be rounded up."""
    return max(0.0, float(math.ceil(bound - TOLERANCE))) if math.isfinite(bound) else 0.0


def _tidied(
    demand: RateDemand, solve: Solver, limits: SolveLimits, parts: Sequence[float], gpus: int
) -> tuple[float, ...] | None:
    """Take the fewest memory slices that serve given parts on a number of GPUs: the rest stays free for others."""
    model = _Model(demand, gpus=gpus, parts=parts)
    shorter = SolveLimits(limits.seconds * TIDYING, limits.relative_gap, limits.threads)
    return solve(model.program, shorter, None).values or None


@dataclass(frozen=True, slots=True)
class _Slot:
    """A variable: slices of one profile for one service."""

    column: int
    service: int
    point: OperatingPoint


class _Model:
    """The program of a demand.

    Without a number of GPUs it minimises GPUs; with one it maximises what is served; with parts to serve as well it
    minimises memory slices taken. The columns of layouts and slots are the same in all three, so plans are read alike.
    """

    def __init__(self, demand: RateDemand, *, gpus: int | None = None, parts: Sequence[float] | None = None) -> None:
        self._demand = demand
        self._layouts = list(layout_table(demand.gpu, demand.profiles).best().items())
        self.program = Program()
        program = self.program
        most = INFINITY if gpus is None else float(gpus)
        self._counts = [program.column(1.0 if gpus is None else 0.0, upper=most) for _ in self._layouts]
        self._slots = [
            _Slot(
                program.column(float(_size(demand.gpu, point.profile)) if parts is not None else 0.0),
                number,
                point,
            )
            for number, points in enumerate(demand.points)
            for point in points
        ]
        maximising = gpus is not None and parts is None
        self.served = (
            [program.column(-service.weight, upper=1.0, integer=False) for service in demand.services]
            if maximising
            else []
        )
        self._rates([1.0] * len(demand.services) if parts is None else parts)
        self._supplies()
        if gpus is not None:
            program.row(dict.fromkeys(self._counts, 1.0), upper=most)

    def _rates(self, parts: Sequence[float]) -> None:
        """Throughput suffices: counted in parts of the rate, so that all rows are of one size."""
        for number, service in enumerate(self._demand.services):
            terms = {
                slot.column: slot.point.throughput / service.rate for slot in self._slots if slot.service == number
            }
            if self.served:
                self.program.row({**terms, self.served[number]: -1.0}, lower=0.0)
            else:
                self.program.row(terms, lower=max(0.0, parts[number] - TOLERANCE / 10))

    def _supplies(self) -> None:
        """No more slices of a profile are taken than the layouts have."""
        for profile in self._demand.profiles:
            terms = {
                column: float(dict(counts)[profile])
                for column, (counts, _) in zip(self._counts, self._layouts, strict=True)
                if profile in dict(counts)
            }
            terms.update({slot.column: -1.0 for slot in self._slots if slot.point.profile == profile})
            self.program.row(terms, lower=0.0)

    def plan(self, values: Sequence[float]) -> RatePlan:
        """Lay out GPUs, the most frequent slices first, and give slices to services in order."""
        layouts: list[Layout] = []
        for column, (_, layout) in zip(self._counts, self._layouts, strict=True):
            layouts += [layout] * round(values[column])
        wanted: dict[str, list[tuple[int, OperatingPoint]]] = defaultdict(list)
        for slot in self._slots:
            wanted[slot.point.profile] += [(slot.service, slot.point)] * round(values[slot.column])
        servings = []
        for number, layout in enumerate(layouts):
            for placement in layout:
                if wanted[placement.profile]:
                    service, point = wanted[placement.profile].pop(0)
                    servings.append(Serving(number, placement, service, point))
        return _without_idle(RatePlan(tuple(layouts), tuple(servings)))

    def as_start(self, plan: RatePlan) -> tuple[float, ...] | None:
        """Return a plan as values of the columns; layouts are completed to ones the program has."""
        values = [0.0] * len(self.program.cost)
        for counts in _needs(plan):
            fitting = next((at for at, (each, _) in enumerate(self._layouts) if _covers(each, counts)), None)
            if fitting is None:
                return None
            values[self._counts[fitting]] += 1
        columns = {(slot.service, slot.point.profile): slot.column for slot in self._slots}
        for serving in plan.servings:
            values[columns[serving.service, serving.point.profile]] += 1
        return tuple(values)


def _needs(plan: RatePlan) -> Iterator[dict[str, int]]:
    needs: list[dict[str, int]] = [defaultdict(int) for _ in plan.layouts]
    for serving in plan.servings:
        needs[serving.gpu][serving.placement.profile] += 1
    yield from needs


def _covers(counts: Counts, needed: Mapping[str, int]) -> bool:
    there = dict(counts)
    return all(there.get(name, 0) >= number for name, number in needed.items())


def _without_idle(plan: RatePlan) -> RatePlan:
    """Leave out GPUs on which nothing is served."""
    busy = sorted({serving.gpu for serving in plan.servings})
    numbers = {old: new for new, old in enumerate(busy)}
    servings = tuple(
        Serving(numbers[each.gpu], each.placement, each.service, each.point)
        for each in sorted(plan.servings, key=lambda each: (each.gpu, each.placement))
    )
    return RatePlan(tuple(plan.layouts[number] for number in busy), servings)


def greedy(demand: RateDemand) -> RatePlan:
    """Plan without a solver, as a careful person would: the baseline.

    Each service takes its slice with the most throughput per memory slice as often as it fills it, and for the rest the
    smallest slice that suffices. Slices then go to GPUs, the largest first, each to the fullest GPU that can take it.
    """
    wanted: list[tuple[OperatingPoint, int]] = []
    for number, (service, points) in enumerate(zip(demand.services, demand.points, strict=True)):
        best = max(points, key=lambda point: (point.throughput / _size(demand.gpu, point.profile), point.profile))
        full = math.floor(service.rate / best.throughput + TOLERANCE)
        wanted += [(best, number)] * full
        rest = service.rate - full * best.throughput
        if rest > TOLERANCE * service.rate:
            enough = [point for point in points if point.throughput >= rest]
            last = min(enough, key=lambda point: (_size(demand.gpu, point.profile), -point.throughput), default=best)
            wanted.append((last, number))
    return _packed(demand.gpu, wanted)


def _packed(gpu: Gpu, wanted: Sequence[tuple[OperatingPoint, int]]) -> RatePlan:
    order = sorted(wanted, key=lambda each: (-_size(gpu, each[0].profile), each[0].profile, each[1]))
    cards: list[list[tuple[OperatingPoint, int]]] = []
    for item in order:
        taken = sorted(range(len(cards)), key=lambda at: (-_fill(gpu, cards[at]), at))
        fitting = next((at for at in taken if _layout(gpu, [*cards[at], item]) is not None), None)
        if fitting is None:
            cards.append([item])
        else:
            cards[fitting].append(item)
    layouts, servings = [], []
    for number, card in enumerate(cards):
        layout = _layout(gpu, card) or ()
        layouts.append(layout)
        rest = list(card)
        for placement in layout:
            at = next(at for at, (point, _) in enumerate(rest) if point.profile == placement.profile)
            point, service = rest.pop(at)
            servings.append(Serving(number, placement, service, point))
    return RatePlan(tuple(layouts), tuple(servings))


def _size(gpu: Gpu, profile: str) -> int:
    """Memory slices of a profile; a GPU without MIG counts as one."""
    return size_of(gpu, profile) or 1


def _fill(gpu: Gpu, card: Sequence[tuple[OperatingPoint, int]]) -> int:
    return sum(_size(gpu, point.profile) for point, _ in card)


def _layout(gpu: Gpu, card: Sequence[tuple[OperatingPoint, int]]) -> tuple[Placement, ...] | None:
    """Place the slices of one GPU; None when they do not fit together."""
    counts: dict[str, int] = defaultdict(int)
    for point, _ in card:
        counts[point.profile] += 1
    if WHOLE in counts:
        return whole_gpu(gpu) if len(card) == 1 else None
    return place(gpu, counts)
