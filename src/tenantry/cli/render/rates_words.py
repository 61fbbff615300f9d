"""Words of a plan for services, which its outputs share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.partition import WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.app.rates import RateReport
    from tenantry.model.rate_plan import OperatingPoint

HEADER = ("service", "work/s", "goal", "slices", "batch", "processes", "carry", "latency of a batch")
JUSTIFY = "lrrlrrrl"


def verdict(report: RateReport) -> Iterator[str]:
    """Say in sentences what there is, what is needed, and what is served."""
    count, gpus = len(report.demand.services), report.available
    yield (f"pool {report.pool}: {many(gpus, 'GPU')} of model {report.gpu.title}; {many(count, 'service')} with a rate")
    needed = report.needed
    proof = "proved: no plan needs fewer" if needed.proved else f"no plan needs fewer than {needed.bound:g}"
    verb = "carries" if needed.objective == 1 else "carry"
    greedy = len(report.baseline.layouts)
    yield f"{many(int(needed.objective), 'GPU')} {verb} everything ({proof}); the greedy plan takes {greedy}"
    if report.within is not None:
        within = report.within
        proof = "proved: no plan serves more" if within.proved else f"at most {within.bound:.3f} can be"
        whole = sum(service.weight for service in report.demand.services)
        yield (
            f"the pool has too few; with its {many(gpus, 'GPU')} {within.objective:.3f} of {whole:g} services are "
            f"served, by weight ({proof})"
        )


def many(number: int, word: str) -> str:
    """Write a number with its noun."""
    return f"{number:,} {word}{'s' if number != 1 else ''}"


def service_cells(report: RateReport) -> Iterator[tuple[str, ...]]:
    """Give a row for each service and kind of slice it runs on."""
    plan = report.chosen.plan
    for number, service in enumerate(report.demand.services):
        used = report.used(number)
        first = (
            service.name,
            f"{service.rate:,.6g}",
            "none" if service.goal_ms is None else f"{service.goal_ms:,g} ms",
        )
        if not used or plan is None:
            yield (*first, "none", "", "", "0", "")
        for point, count in used.items():
            yield (
                *first,
                f"{count} x {profile_words(point.profile)}",
                str(point.batch),
                str(point.processes),
                f"{count * point.throughput:,.1f}",
                _latency(point),
            )
            first = ("", "", "")


def _latency(point: OperatingPoint) -> str:
    return "not measured" if point.latency_s is None else f"{1000 * point.latency_s:,g} ms ({point.statistic})"


def profile_words(profile: str) -> str:
    """How a slice is called."""
    return "whole GPU" if profile == WHOLE else profile


def layout_words(report: RateReport) -> Iterator[str]:
    """Say what lies on which GPUs, those that are alike together, and what is free."""
    for count, kind in report.kinds():
        parts = [f"{profile_words(item.profile)} {service or 'free'}" for item, service in kind]
        yield f"{many(count, 'GPU')}: {', '.join(parts)}"
    free = ", ".join(f"{count} x {profile_words(name)}" for name, count in report.free())
    yield f"free slices: {free or 'none'}"
