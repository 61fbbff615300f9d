"""What a reader of a simulation should know before believing it: rows and jobs left out, runs that hang on chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.app.routed import routing_findings
from tenantry.model.finding import Finding, Severity
from tenantry.model.problem import Location

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.app.job_source import Jobs
    from tenantry.app.simulate import Simulation
    from tenantry.app.simulation_runs import Case, Run
    from tenantry.fair.order import OrderDifference

STUCK = "jobs only kept evicting each other, so the replay was ended: 10,000 evictions without a submission or an end"


def findings(simulation: Simulation) -> Iterator[Finding]:
    """Yield findings: of the trace, then case by case, then run by run."""
    place = Location(simulation.jobs.file)
    yield from trace_findings(simulation.jobs)
    base = simulation.cases[0]
    yield from routing_findings(base.jobs, place)
    for case in simulation.cases[1:]:
        yield from _case_findings(case, base, place)
    for run in simulation.runs:
        yield from _run_findings(run, place)


def trace_findings(jobs: Jobs) -> Iterator[Finding]:
    """Yield what is wrong with a trace, the first of each rule with the number of those like it."""
    for problem in jobs.problems:
        count = (jobs.counts or {}).get(problem.rule, 1)
        message = problem.message if count == 1 else f"{problem.message} (and {count - 1:,} more like it)"
        parts = [message]
        if problem.expected:
            parts.append(f"expected {problem.expected}")
        if problem.found:
            parts.append(f"found {problem.found}")
        yield Finding(problem.rule, problem.severity, "trace", "; ".join(parts), problem.location)


def _case_findings(case: Case, base: Case, place: Location) -> Iterator[Finding]:
    if case.same:
        message = f"{case.same}, so its results are those of the spec as it is"
        yield Finding("SIM-SCENARIO-SAME", Severity.WARNING, f"scenario {case.name}", message, place)
    elif case.jobs.notes != base.jobs.notes:
        yield from routing_findings(case.jobs, place, case.name)


def _run_findings(run: Run, place: Location) -> Iterator[Finding]:
    subject = f"node pool {run.pool}, {run.policy}, {run.case}"
    if run.log.stuck:
        yield Finding("SIM-STUCK", Severity.ERROR, subject, STUCK, place)
    for seed, difference in run.orders.items():
        message = f"under order {seed} of what the scheduler leaves open, {_said(difference)}"
        yield Finding("SIM-ORDER", Severity.INFO, subject, message, place)


def _said(difference: OrderDifference) -> str:
    if difference.same:
        return "every job starts and is evicted as before"
    return (
        f"{difference.started_otherwise:,} jobs first start at another second, at most {difference.largest_shift:,} s "
        f"away; {difference.evicted_otherwise:,} jobs are evicted more or less often, {difference.evictions:+,} "
        f"evictions in all; the last job ends {difference.end:+,} s later"
    )
