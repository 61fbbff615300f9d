"""Plans by rate: few GPUs, proved, and never less than what was asked for."""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rate_builders import A30, A100, RULES, demand, ladder, row

from tenantry.catalog import gpus
from tenantry.efficient.partition.operating_points import NoPoint, operating_points
from tenantry.efficient.partition.rate_validate import rate_faults, rates_missed
from tenantry.efficient.partition.rates import fewest_gpus, greedy, most_served
from tenantry.io.profiles import read_profiles
from tenantry.model.gpu import count_sets
from tenantry.model.partition import WHOLE
from tenantry.model.profile_table import CPU, Measurement, ProfileTable, Setting, Statistic
from tenantry.model.program import Program, Solution, SolveLimits, SolveStatus
from tenantry.model.rate_plan import RatePlan, Service
from tenantry.model.spec.platform import SharingMode
from tenantry.solve.highs import solve

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.model.rate_plan import RateDemand

LIMITS = SolveLimits(seconds=30, threads=1)
SPEEDS = {"1g.6gb": 10.0, "2g.12gb": 25.0, "4g.24gb": 40.0}


def service(rate: float, workload: str = "a", **more: float | None) -> Service:
    return replace(Service(f"{workload}-service", workload, rate), **more)  # type: ignore[arg-type]


def slices(plan: RatePlan) -> list[str]:
    return sorted(serving.placement.profile for serving in plan.servings)


class TestFewestGpus:
    def test_slices_are_combined_so_that_one_gpu_suffices(self) -> None:
        table = ProfileTable([*ladder("a", SPEEDS), *ladder("b", SPEEDS)])
        wanted = demand(table, [service(24), service(18, "b")])
        found = fewest_gpus(wanted, solve, LIMITS)
        # a takes 2g (25 of 24), b two 1g (20 of 18): four slices of four.
        assert (found.objective, found.bound, found.proved) == (1, 1, True)
        assert found.plan is not None
        assert slices(found.plan) == ["1g.6gb", "1g.6gb", "2g.12gb"]
        assert found.plan.throughput(1) == 20

    def test_of_equally_good_plans_the_one_with_fewest_memory_slices_is_taken(self) -> None:
        wanted = demand(ProfileTable(ladder("a", SPEEDS)), [service(9)])
        found = fewest_gpus(wanted, solve, LIMITS)
        assert found.plan is not None
        assert slices(found.plan) == ["1g.6gb"]
        # The rest of the GPU is free for others.
        assert len(found.plan.layouts[0]) > 1

    def test_a_rate_met_exactly_needs_no_further_slice(self) -> None:
        wanted = demand(ProfileTable(ladder("a", {"1g.6gb": 0.1})), [service(0.4)])
        assert fewest_gpus(wanted, solve, LIMITS).objective == 1  # 4 x 0.1, which is not 0.4 in floating point

    def test_gpus_without_mig_are_used_whole(self) -> None:
        l40s = gpus()["l40s"]
        table = ProfileTable([row("a", "", 100, gpu=l40s)])
        found = fewest_gpus(demand(table, [service(250)], l40s), solve, LIMITS)
        assert found.plan is not None
        assert (found.objective, slices(found.plan)) == (3, [WHOLE] * 3)
        assert rate_faults(l40s, [service(250)], table, RULES, found.plan) == ()

    def test_a_whole_gpu_is_taken_where_it_is_faster_than_its_largest_slice(self) -> None:
        table = ProfileTable([*ladder("a", SPEEDS), row("a", "", 60)])
        found = fewest_gpus(demand(table, [service(55)]), solve, LIMITS)
        assert found.plan is not None
        assert slices(found.plan) == [WHOLE]

    def test_when_time_runs_out_the_greedy_plan_is_returned_without_a_proof(self) -> None:
        def tired(program: Program, limits: SolveLimits, start: tuple[float, ...] | None = None) -> Solution:
            return Solution(SolveStatus.NOTHING, bound=0.3)

        wanted = demand(ProfileTable(ladder("a", SPEEDS)), [service(100)])
        found = fewest_gpus(wanted, tired, LIMITS)
        assert found.plan == greedy(wanted)
        assert (found.bound, found.proved) == (1, False)
        assert most_served(wanted, 1, tired, LIMITS).plan is None

    def test_the_greedy_plan_is_a_start_the_solver_can_use(self) -> None:
        table = ProfileTable([*ladder("a", SPEEDS), *ladder("b", SPEEDS)])
        wanted = demand(table, [service(47), service(31, "b")])
        given: list[tuple[float, ...] | None] = []

        def watched(program: Program, limits: SolveLimits, start: tuple[float, ...] | None = None) -> Solution:
            given.append(start)
            return solve(program, limits, start)

        fewest_gpus(wanted, watched, LIMITS)
        assert given[0] is not None
        assert sum(given[0][: len(given[0]) - 6]) == len(greedy(wanted).layouts)  # 2 services x 3 slices are the rest


class TestMostServed:
    def test_too_few_gpus_serve_the_most_that_can_be(self) -> None:
        table = ProfileTable([*ladder("a", {"4g.24gb": 40}), *ladder("b", {"4g.24gb": 10})])
        wanted = demand(table, [service(80), service(10, "b")])
        found = most_served(wanted, 1, solve, LIMITS)
        assert found.plan is not None
        # The one GPU serves half of a, or all of b.
        assert found.proved
        assert found.objective == pytest.approx(1.0)
        assert [serving.service for serving in found.plan.servings] == [1]

    def test_weights_decide_who_is_served(self) -> None:
        table = ProfileTable([*ladder("a", {"4g.24gb": 40}), *ladder("b", {"4g.24gb": 10})])
        wanted = demand(table, [service(80, weight=3), service(10, "b")])
        found = most_served(wanted, 1, solve, LIMITS)
        assert found.plan is not None
        assert found.objective == pytest.approx(1.5)  # half of a, times 3
        assert [serving.service for serving in found.plan.servings] == [0]

    def test_no_gpus_serve_nothing(self) -> None:
        found = most_served(demand(ProfileTable(ladder("a", SPEEDS)), [service(9)]), 0, solve, LIMITS)
        assert found.plan == RatePlan((), ())
        assert found.objective == 0


class TestOperatingPoints:
    def test_the_fastest_setting_within_the_budget_is_taken_on_each_slice(self) -> None:
        table = ProfileTable(
            [
                row("a", "1g.6gb", 50, batch=8, latency_ms=44),
                row("a", "1g.6gb", 90, batch=32, latency_ms=45),
                row("a", "2g.12gb", 80, batch=8, latency_ms=20, processes=5),
                row("a", "2g.12gb", 95, batch=8, latency_ms=20, processes=6),
            ]
        )
        found = operating_points(table, A30, service(1, goal_ms=100), RULES)
        assert isinstance(found, tuple)
        # 45 ms is not below 0.45 x 100 ms, and 6 processes are more than 5.
        assert [(point.profile, point.batch, point.processes) for point in found] == [
            ("1g.6gb", 8, 1),
            ("2g.12gb", 8, 5),
        ]

    def test_the_percentile_of_the_goal_is_compared_where_it_was_measured(self) -> None:
        setting = row("a", "1g.6gb", 50).setting
        latencies = ((Statistic.MEAN, 0.02), (Statistic.P50, 0.02), (Statistic.P99, 0.05))
        table = ProfileTable([Measurement(setting, 50, latencies)])
        assert isinstance(operating_points(table, A30, service(1, goal_ms=100, percentile=50), RULES), tuple)
        assert isinstance(operating_points(table, A30, service(1, goal_ms=100, percentile=99), RULES), NoPoint)

    def test_without_a_goal_no_latency_is_needed(self) -> None:
        table = ProfileTable([row("a", "1g.6gb", 50, latency_ms=None)])
        assert isinstance(operating_points(table, A30, service(1), RULES), tuple)

    def test_memory_that_is_known_has_to_fit_the_slice(self) -> None:
        table = ProfileTable([row("a", "1g.6gb", 50, memory_mib=4000), row("a", "2g.12gb", 60, memory_mib=4000)])
        found = operating_points(table, A30, service(1, memory_mib=8000), RULES)
        assert isinstance(found, tuple)
        assert [point.profile for point in found] == ["2g.12gb"]

    def test_each_process_needs_its_memory(self) -> None:
        table = ProfileTable([row("a", "2g.12gb", 50), row("a", "2g.12gb", 60, processes=2)])
        found = operating_points(table, A30, service(1, memory_mib=8000), RULES)
        assert isinstance(found, tuple)
        # Two processes of 8,000 MiB do not fit into 12 GB.
        assert [point.processes for point in found] == [1]

    @pytest.mark.parametrize(
        ("rows", "wanted", "about", "message", "found"),
        [
            ([row("ranker", "1g.6gb", 9)], service(1, "rankr"), "workload", "has no measurement of 'rankr'", "rankr"),
            ([row("a", "1g.10gb", 9, gpu=A100)], service(1), "workload", "on another GPU model", "a100-80"),
            (
                [Measurement(Setting(CPU, SharingMode.WHOLE, "", 0, "a", 1, 1), 9), row("b", "1g.6gb", 9)],
                service(1), "workload", "was measured without a GPU", "cpu",
            ),
            ([row("a", "1g.6gb", 9, processes=6)], service(1), "workload", "in no setting that a plan can use", "none"),
            (
                [row("a", "1g.6gb", 9, latency_ms=50), row("a", "2g.12gb", 9, latency_ms=46.5, batch=4)],
                service(1, goal_ms=100), "latency", "keeps the latency goal in no setting",
                "46.5 ms (mean) at best, on 2g.12gb with batch 4",
            ),
            ([row("a", "1g.6gb", 9, latency_ms=None)], service(1, goal_ms=9), "latency", "no latency of", "no latency"),
            ([row("a", "1g.6gb", 9)], service(1, memory_mib=7000), "memory", "fits no slice", "1g.6gb"),
        ],
        ids=["misspelled", "other GPU", "no GPU", "too many processes", "too slow", "latency unknown", "too large"],
    )  # fmt: skip
    def test_a_service_that_can_run_nowhere_is_told_why(
        self, rows: list[Measurement], wanted: Service, about: str, message: str, found: str
    ) -> None:
        answer = operating_points(ProfileTable(rows), A30, wanted, RULES)
        assert isinstance(answer, NoPoint)
        assert message in answer.message
        assert (answer.about, answer.found) == (about, found)

    def test_a_misspelled_workload_is_told_the_nearest(self) -> None:
        answer = operating_points(ProfileTable([row("ranker", "1g.6gb", 9)]), A30, service(1, "rankr"), RULES)
        assert isinstance(answer, NoPoint)
        assert answer.nearest == "ranker"


class TestValidator:
    TABLE = ProfileTable(ladder("a", SPEEDS))
    SERVICES = (service(24, goal_ms=100),)

    def plan(self) -> RatePlan:
        found = fewest_gpus(demand(self.TABLE, self.SERVICES), solve, LIMITS).plan
        assert found is not None
        return found

    def faults(self, plan: RatePlan, table: ProfileTable | None = None) -> str:
        return "; ".join(rate_faults(A30, self.SERVICES, table or self.TABLE, RULES, plan))

    def test_a_good_plan_has_no_faults(self) -> None:
        assert self.faults(self.plan()) == ""
        assert rates_missed(self.SERVICES, self.plan()) == ()

    def test_every_promise_that_is_broken_is_named(self) -> None:
        plan = self.plan()
        (serving,) = plan.servings
        point = serving.point
        slow = ProfileTable([row("a", "2g.12gb", 25, latency_ms=45)])
        assert "too long for a goal of 100 ms" in self.faults(plan, slow)
        assert "carries 20/s there, not 25" in self.faults(plan, ProfileTable(ladder("a", {"2g.12gb": 20})))
        assert "was not measured there with batch 1" in self.faults(plan, ProfileTable(ladder("b", SPEEDS)))
        unmeasured = ProfileTable([row("a", "2g.12gb", 25, latency_ms=None)])
        assert "no latency of a was measured" in self.faults(plan, unmeasured)
        assert "given away 2 times" in self.faults(replace(plan, servings=(serving, serving)))
        assert "there is no such slice" in self.faults(replace(plan, servings=(replace(serving, gpu=7),)))
        assert "there is no such service" in self.faults(replace(plan, servings=(replace(serving, service=1),)))
        other = replace(serving, point=replace(point, profile="1g.6gb"))
        assert "is to run on 1g.6gb" in self.faults(replace(plan, servings=(other,)))
        many = ProfileTable([row("a", "2g.12gb", 25, processes=6)])
        crowded = replace(serving, point=replace(point, processes=6))
        assert "6 processes are more than 5" in self.faults(replace(plan, servings=(crowded,)), many)
        large = (replace(self.SERVICES[0], memory_mib=13_000),)
        assert "need more than the 12,288 MiB" in "; ".join(rate_faults(A30, large, self.TABLE, RULES, plan))
        shifted = tuple(replace(item, start=item.start + 1) for item in plan.layouts[0])
        assert "cannot begin at memory slice" in self.faults(replace(plan, layouts=(shifted,)))

    def test_a_rate_that_is_missed_is_named(self) -> None:
        assert rates_missed((service(26),), self.plan()) == ("a-service needs 26/s and is given 25",)


def published(shared: Path, number: str) -> tuple[ProfileTable, list[Service]]:
    folder = shared / "profiles" / "parvagpu"
    with (folder / "service_levels.csv").open() as file:
        services = [
            Service(each["model"], each["model"], float(each["request_rate_per_s"]), float(each["latency_slo_ms"]))
            for each in csv.DictReader(file)
            if each["set"] == number
        ]
    return read_profiles(folder).table, services


@pytest.mark.parametrize("number", ["1", "2", "3"])
def test_published_services_need_no_more_gpus_than_were_published(shared: Path, number: str) -> None:
    table, services = published(shared, number)
    with (shared / "profiles" / "parvagpu" / f"published_deployment_set{number}.csv").open() as file:
        gpus_published = len({(each["Num instance"], each["Num GPU"]) for each in csv.DictReader(file)})
    wanted = demand(table, services, A100)
    found = fewest_gpus(wanted, solve, LIMITS)
    assert found.proved
    assert found.objective == found.bound <= gpus_published
    assert found.plan is not None
    assert rate_faults(A100, services, table, RULES, found.plan) == ()
    assert rates_missed(services, found.plan) == ()
    assert found.objective <= len(greedy(wanted).layouts)


def relaxed(wanted: RateDemand) -> float:
    """GPUs needed where parts of GPUs and of slices could be had: a bound that no plan gets below."""
    programs: list[Program] = []

    def watched(program: Program, limits: SolveLimits, start: tuple[float, ...] | None = None) -> Solution:
        programs.append(program)
        return solve(program, limits, start)

    fewest_gpus(wanted, watched, LIMITS)
    programs[0].integer = [False] * len(programs[0].integer)
    return solve(programs[0], LIMITS).objective


@pytest.mark.parametrize(("number", "bound"), [("1", 0.83), ("2", 1.70), ("3", 3.55)])
def test_relaxed_programs_of_published_services_have_the_known_bounds(shared: Path, number: str, bound: float) -> None:
    table, services = published(shared, number)
    # Bounds that another solver gave for the same formulation.
    assert relaxed(demand(table, services, A100)) == pytest.approx(bound, abs=0.005)


def feasible(wanted: RateDemand, number: int) -> bool:
    """Whether any layouts of so many GPUs carry all rates, by trying everything."""
    sets = [tuple(sorted(counts.items())) for counts in count_sets(A30, list(SPEEDS))]
    for chosen in combinations_with_replacement(sets, number):
        supply = dict.fromkeys(SPEEDS, 0)
        for counts in chosen:
            for name, count in counts:
                supply[name] += count
        if serves(wanted, supply, 0, wanted.services[0].rate):
            return True
    return False


def serves(wanted: RateDemand, supply: dict[str, int], at: int, missing: float) -> bool:
    if missing <= 1e-6 * wanted.services[at].rate:
        return at + 1 == len(wanted.services) or serves(wanted, supply, at + 1, wanted.services[at + 1].rate)
    for point in wanted.points[at]:
        if supply[point.profile]:
            supply[point.profile] -= 1
            done = serves(wanted, supply, at, missing - point.throughput)
            supply[point.profile] += 1
            if done:
                return True
    return False


@st.composite
def demands(draw: st.DrawFn, services: int = 2, most: int = 60) -> tuple[ProfileTable, list[Service]]:
    rows: list[Measurement] = []
    wanted = []
    for number in range(draw(st.integers(1, services))):
        name = f"w{number}"
        measured = draw(st.lists(st.sampled_from(sorted(SPEEDS)), min_size=1, unique=True))
        rows += [row(name, profile, draw(st.integers(5, 50))) for profile in measured]
        wanted.append(Service(name, name, draw(st.integers(1, most))))
    return ProfileTable(rows), wanted


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(demands())
def test_no_plan_that_trying_everything_finds_needs_fewer_gpus(case: tuple[ProfileTable, list[Service]]) -> None:
    table, services = case
    wanted = demand(table, services)
    found = fewest_gpus(wanted, solve, LIMITS)
    assert found.proved
    gpus_needed = int(found.objective)
    # Trying everything takes too long for many GPUs.
    for number in range(1, min(gpus_needed, 3)):
        assert not feasible(wanted, number)
    if gpus_needed <= 2:
        assert feasible(wanted, gpus_needed)


@settings(max_examples=40, deadline=None)
@given(demands(services=5, most=400), st.integers(1, 300))
def test_plans_keep_their_promises_and_more_demand_never_needs_fewer_gpus(
    case: tuple[ProfileTable, list[Service]], more: int
) -> None:
    table, services = case
    wanted = demand(table, services)
    found = fewest_gpus(wanted, solve, LIMITS)
    assert found.plan is not None
    assert rate_faults(A30, services, table, RULES, found.plan) == ()
    assert rates_missed(services, found.plan) == ()
    assert len(found.plan.layouts) == found.objective
    baseline = greedy(wanted)
    assert rate_faults(A30, services, table, RULES, baseline) == ()
    assert rates_missed(services, baseline) == ()
    assert relaxed(wanted) - 1e-6 <= found.bound <= found.objective <= len(baseline.layouts)
    harder = [replace(services[0], rate=services[0].rate + more), *services[1:]]
    assert fewest_gpus(demand(table, harder), solve, LIMITS).objective >= found.objective


@settings(max_examples=40, deadline=None)
@given(demands(services=4, most=400), st.integers(0, 6))
def test_what_some_gpus_serve_is_valid_and_grows_with_them(
    case: tuple[ProfileTable, list[Service]], number: int
) -> None:
    table, services = case
    wanted = demand(table, services)
    found = most_served(wanted, number, solve, LIMITS)
    assert found.plan is not None
    assert len(found.plan.layouts) <= number
    assert rate_faults(A30, services, table, RULES, found.plan) == ()
    served = sum(min(1.0, found.plan.throughput(at) / each.rate) for at, each in enumerate(services))
    assert served == pytest.approx(found.objective, abs=1e-4)
    assert most_served(wanted, number + 1, solve, LIMITS).objective >= found.objective - 1e-5
    if fewest_gpus(wanted, solve, LIMITS).objective <= number:
        assert found.objective == pytest.approx(len(services), abs=1e-4)
