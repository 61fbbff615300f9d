"""Plan the partition of a node pool for services with rates and latency goals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tenantry.app.partition_input import solvable
from tenantry.app.spec import load
from tenantry.efficient.partition.operating_points import NoPoint, operating_points
from tenantry.efficient.partition.rate_validate import rate_faults, rates_missed
from tenantry.efficient.partition.rates import fewest_gpus, greedy, most_served
from tenantry.errors import InputError, SpecError, TenantryError
from tenantry.io.profiles import read_profiles
from tenantry.io.service_demand import load_services
from tenantry.io.yaml_write import dump
from tenantry.model.partition import WHOLE as UNPARTITIONED
from tenantry.model.problem import nearest_name
from tenantry.model.profile_table import WHOLE, Measurement, ProfileTable, Setting
from tenantry.model.program import SolveLimits
from tenantry.model.quantity import parse_quantity
from tenantry.model.rate_plan import RateDemand, RateOutcome, RateRules, Service
from tenantry.model.spec.platform import SharingMode
from tenantry.solve.highs import solve

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.io.profiles import ProfileReading
    from tenantry.io.service_demand import LoadedServices
    from tenantry.model.cluster import Cluster, Pool
    from tenantry.model.gpu import Gpu, Placement
    from tenantry.model.partition import Counts
    from tenantry.model.problem import DocPath, SpecProblem
    from tenantry.model.rate_plan import OperatingPoint, RatePlan
    from tenantry.model.spec import Workload
    from tenantry.model.spec.service_demand import ServiceWish

_FIELDS = {"workload": "workload", "latency": "latency", "memory": "gpuMemory"}


@dataclass(frozen=True, slots=True)
class RateReport:
    """What a pool needs for its services.

    Attributes:
        pool: name of the node pool.
        gpu: its GPU model.
        available: GPUs of the pool.
        demand: services and where they can run.
        tenants: tenant of each service, empty where none is named.
        needed: the plan for all rates, on as few GPUs as can be.
        within: the plan for the GPUs there are, where they are too few; None otherwise.
        baseline: the greedy plan for all rates.
        rules: which settings were used.
        notes: what should be known about the sources, a sentence each.
    """

    pool: str
    gpu: Gpu
    available: int
    demand: RateDemand
    tenants: tuple[str, ...]
    needed: RateOutcome
    within: RateOutcome | None
    baseline: RatePlan
    rules: RateRules
    notes: tuple[str, ...]

    @property
    def chosen(self) -> RateOutcome:
        """The plan that the pool can carry out."""
        return self.within or self.needed

    @property
    def suffices(self) -> bool:
        """Whether the pool has GPUs for everything."""
        return self.within is None

    def free(self) -> Counts:
        """Slices of the chosen plan that serve nothing, by profile."""
        plan = self.chosen.plan
        if plan is None:
            return ()
        there = Counter(item.profile for layout in plan.layouts for item in layout)
        there.subtract(serving.placement.profile for serving in plan.servings)
        return tuple(sorted((name, count) for name, count in there.items() if count))

    def kinds(self) -> list[tuple[int, tuple[tuple[Placement, str], ...]]]:
        """GPUs of the chosen plan that are alike: how many, and each slice with the service on it, empty when free.

        The most frequent first, then in the order of the plan.
        """
        plan = self.chosen.plan
        if plan is None:
            return []
        names = {(each.gpu, each.placement): self.demand.services[each.service].name for each in plan.servings}
        found = Counter(
            tuple((item, names.get((number, item), "")) for item in layout)
            for number, layout in enumerate(plan.layouts)
        )
        return sorted(((count, kind) for kind, count in found.items()), key=lambda pair: -pair[0])

    def used(self, service: int) -> dict[OperatingPoint, int]:
        """Slices of the chosen plan that serve a service, largest throughput first."""
        plan = self.chosen.plan
        found = Counter(each.point for each in plan.servings if each.service == service) if plan else Counter()
        return {point: found[point] for point in sorted(found, key=lambda point: (-point.throughput, point.profile))}


def plan_rates(
    spec: Path,
    demand: Path,
    *,
    environment: str = "",
    profiles: Path | None = None,
    pool: str = "",
    rules: RateRules | None = None,
    seconds: float = 60.0,
) -> RateReport:
    """Plan a pool.

    Args:
        spec: the spec.
        demand: file that names the services.
        environment: overlay of the spec.
        profiles: profile table; without one the speeds of the spec's ``Workload`` documents are all there is.
        pool: node pool, where the demand does not name it.
        rules: which settings of the table may be used.
        seconds: time for the solver.

    Raises:
        SpecError: with everything that is wrong in the spec or the demand.
        InputError: if something cannot be read.
        TenantryError: if no plan was found in time.
    """
    checked = load(spec, environment, tolerated=solvable)
    loaded = load_services(demand)
    chosen = _pool(checked.cluster, loaded, pool)
    rules = rules or RateRules()
    reading = read_profiles(profiles) if profiles is not None else None
    table = reading.table if reading is not None else ProfileTable()
    workloads = {document.name: document for document in checked.spec.workloads}
    notes = [] if reading is None else _reading_notes(reading)
    services: list[Service] = []
    for wish in loaded.demand.services:
        name = wish.workload or wish.name
        document = workloads.get(name)
        stated = () if document is None or _measured(table, name) else _stated(document, chosen.gpu)
        if stated:
            table = table.merged(ProfileTable(stated))
            notes.append(
                f"speeds of {name} come from its Workload document; the spec has no latency to check a goal by"
            )
        services.append(_service(wish, document, checks_latency=not stated))
    if not len(table):
        names = ", ".join(dict.fromkeys(service.workload for service in services))
        raise InputError(
            f"{loaded.file}: nothing says how fast {names} run; expected a profile table (--profiles), or speeds in a "
            "Workload document"
        )
    ready = _demand(chosen.gpu, services, table, rules, loaded)
    sources = _Sources(table, rules, tuple(wish.tenant or "" for wish in loaded.demand.services))
    return _planned(chosen, ready, sources, seconds, tuple(dict.fromkeys(notes)))


class _Sources(NamedTuple):
    """What a plan is checked against, and whose its services are."""

    table: ProfileTable
    rules: RateRules
    tenants: tuple[str, ...]


def slices_wanted(report: RateReport) -> str:
    """Return the slices that serve as a demand file of ``tenantry partition``, which lays them out on nodes.

    All of them are guaranteed: with one less a rate is not carried.
    """
    plan = report.chosen.plan
    wanted = Counter(
        (report.tenants[each.service], each.placement.profile) for each in (() if plan is None else plan.servings)
    )
    demand = [
        {"profile": profile, "count": count, "priority": 1, **({"tenant": tenant} if tenant else {})}
        for (tenant, profile), count in sorted(wanted.items())
    ]
    return dump({"pools": {report.pool: {"demand": demand}}})


def _planned(pool: Pool, demand: RateDemand, sources: _Sources, seconds: float, notes: tuple[str, ...]) -> RateReport:
    limits = SolveLimits(seconds)
    available = pool.gpus_per_node * pool.nodes
    needed = fewest_gpus(demand, solve, limits)
    within = most_served(demand, available, solve, limits) if needed.objective > available else None
    if within is not None and within.plan is None:
        raise TenantryError(f"no plan for {available} GPUs was found in {seconds:g} s; give the solver more time")
    baseline = greedy(demand)
    plans = [needed.plan, baseline, None if within is None else within.plan]
    faults = [
        fault
        for plan in plans
        if plan is not None
        for fault in rate_faults(pool.gpu, demand.services, sources.table, sources.rules, plan)
    ]
    faults += [] if needed.plan is None else rates_missed(demand.services, needed.plan)
    if faults:
        raise TenantryError(f"the plan does not keep what it promises, which is a bug in Tenantry: {faults[0]}")
    return RateReport(
        pool=pool.name,
        gpu=pool.gpu,
        available=available,
        demand=demand,
        tenants=sources.tenants,
        needed=needed,
        within=within,
        baseline=baseline,
        rules=sources.rules,
        notes=notes,
    )


def _pool(cluster: Cluster, loaded: LoadedServices, name: str) -> Pool:
    """Return the pool that is meant.

    Raises:
        SpecError: if the demand names none that there is, or a tenant that there is not.
        InputError: if the call names none that there is, or nothing says which is meant.
    """
    named = loaded.demand.pool
    names = [pool.name for pool in cluster.pools]
    problems: list[SpecProblem] = []
    if not name and named is not None and named not in names:
        message, expected = f"there is no node pool named {named!r}", f"one of {', '.join(names)}"
        near = nearest_name(named, names)
        problems.append(loaded.problem(("pool",), message, expected=expected, nearest=near, rule="SPEC-UNKNOWN-POOL"))
    tenants = [tenant.name for tenant in cluster.tenants]
    for number, wish in enumerate(loaded.demand.services):
        if wish.tenant is not None and wish.tenant not in tenants:
            message, expected = f"there is no tenant named {wish.tenant!r}", f"one of {', '.join(tenants)}"
            path: DocPath = ("services", number, "tenant")
            problems.append(
                loaded.problem(path, message, expected=expected, nearest=nearest_name(wish.tenant, tenants))
            )
    if problems:
        raise SpecError(problems)
    wanted = name or named or ""
    if not wanted:
        fitting = [pool.name for pool in cluster.pools if pool.gpu.mig_capable and pool.mode is SharingMode.MIG]
        if len(fitting) != 1:
            raise InputError(f"{loaded.file} names no pool; expected pool to be one of {', '.join(names)}")
        wanted = fitting[0]
    if wanted not in names:
        near = nearest_name(wanted, names)
        hint = f"; did you mean {near!r}?" if near else ""
        raise InputError(f"there is no node pool named {wanted!r}; expected one of {', '.join(names)}{hint}")
    return cluster.pool(wanted)


def _measured(table: ProfileTable, workload: str) -> bool:
    return len(table.select(workload=workload)) > 0


def _stated(document: Workload, gpu: Gpu) -> tuple[Measurement, ...]:
    """Return the speeds of a ``Workload`` document on the slices of a GPU as measurements without latency."""
    rows = []
    for name, speed in sorted(document.spec.speed.items()):
        whole = name in {WHOLE, UNPARTITIONED}
        if whole or gpu.profile(name) is not None:
            mode = SharingMode.WHOLE if whole else SharingMode.MIG
            setting = Setting(gpu.id, mode, "" if whole else name, 0, document.name, 1, 1)
            rows.append(Measurement(setting, speed, source=f"Workload {document.name}"))
    return tuple(rows)


def _service(wish: ServiceWish, document: Workload | None, *, checks_latency: bool) -> Service:
    goal = wish.latency or (document.spec.latency if document is not None else None)
    memory = wish.gpu_memory or (document.spec.gpu_memory if document is not None else None)
    return Service(
        name=wish.name,
        workload=wish.workload or wish.name,
        rate=wish.rate,
        goal_ms=goal.milliseconds if goal is not None and checks_latency else None,
        percentile=goal.percentile if goal is not None else 99.0,
        weight=wish.weight,
        memory_mib=-(-parse_quantity(memory).units() // 2**20) if memory is not None else 0,
    )


def _demand(
    gpu: Gpu, services: list[Service], table: ProfileTable, rules: RateRules, loaded: LoadedServices
) -> RateDemand:
    """Find where every service can run.

    Raises:
        SpecError: with each service that can run nowhere, and why.
    """
    points, problems = [], []
    for number, service in enumerate(services):
        found = operating_points(table, gpu, service, rules)
        if isinstance(found, NoPoint):
            field: DocPath = ("services", number, _FIELDS[found.about])
            problems.append(
                loaded.problem(field, found.message, expected=found.expected, found=found.found, nearest=found.nearest)
            )
        else:
            points.append(found)
    if problems:
        raise SpecError(problems)
    return RateDemand(gpu, tuple(services), tuple(points))


def _reading_notes(reading: ProfileReading) -> list[str]:
    """Say what of a profile table was left out or assumed: the first of each kind, and how many there are."""
    counts = reading.counts()
    notes = []
    for rule, count in counts.items():
        if rule in {"PROFILE-PASSED-OVER", "PROFILE-NOT-RUN"}:
            continue
        first = next(str(problem) for problem in reading.problems if problem.rule == rule)
        notes.append(first if count == 1 else f"{first}; and {count - 1} more like it")
    return notes
