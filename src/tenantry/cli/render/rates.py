"""The plan for services with rates, as text, JSON and Markdown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tenantry import __version__
from tenantry.cli.render.layout import paragraph, table
from tenantry.cli.render.plain import plain
from tenantry.model.partition import WHOLE, counts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tenantry.app.rates import RateReport
    from tenantry.model.rate_plan import OperatingPoint, RateOutcome

FORMAT_VERSION = "1.0"
HEADER = ("service", "work/s", "goal", "slices", "batch", "processes", "carry", "latency of a batch")


def text(report: RateReport) -> str:
    """Write the verdict, the slices of each service and the layouts."""
    lines = [line for sentence in _verdict(report) for line in paragraph(sentence)]
    lines += ["", *table(HEADER, list(_services(report)), justify="lrrlrrrl")]
    lines += ["", *_layout_lines(report)]
    for note in report.notes:
        lines += ["", *paragraph(note, indent="note: ")]
    return "\n".join(lines) + "\n"


def as_markdown(report: RateReport) -> str:
    """Write the same as Markdown."""
    lines = [f"{sentence}  " for sentence in _verdict(report)]
    lines += ["", _row(HEADER), "|---|---:|---:|---|---:|---:|---:|---|", *map(_row, _services(report))]
    lines += ["", *(f"- {line.strip()}" for line in _layout_lines(report))]
    if report.notes:
        lines += ["", *(f"- note: {note}" for note in report.notes)]
    return "\n".join(lines) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _verdict(report: RateReport) -> Iterator[str]:
    count, gpus = len(report.demand.services), report.available
    yield (
        f"pool {report.pool}: {_many(gpus, 'GPU')} of model {report.gpu.title}; {_many(count, 'service')} with a rate"
    )
    needed = report.needed
    proof = "proved: no plan needs fewer" if needed.proved else f"no plan needs fewer than {needed.bound:g}"
    verb = "carries" if needed.objective == 1 else "carry"
    greedy = len(report.baseline.layouts)
    yield f"{_many(int(needed.objective), 'GPU')} {verb} everything ({proof}); the greedy plan takes {greedy}"
    if report.within is not None:
        within = report.within
        proof = "proved: no plan serves more" if within.proved else f"at most {within.bound:.3f} can be"
        whole = sum(service.weight for service in report.demand.services)
        yield (
            f"the pool has too few; with its {_many(gpus, 'GPU')} {within.objective:.3f} of {whole:g} services are "
            f"served, by weight ({proof})"
        )


def _many(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' if number != 1 else ''}"


def _services(report: RateReport) -> Iterator[tuple[str, ...]]:
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
                f"{count} x {_name(point.profile)}",
                str(point.batch),
                str(point.processes),
                f"{count * point.throughput:,.1f}",
                _latency(point),
            )
            first = ("", "", "")


def _latency(point: OperatingPoint) -> str:
    return "not measured" if point.latency_s is None else f"{1000 * point.latency_s:,g} ms ({point.statistic})"


def _name(profile: str) -> str:
    return "whole GPU" if profile == WHOLE else profile


def _layout_lines(report: RateReport) -> Iterator[str]:
    plan = report.chosen.plan
    if plan is None:
        return
    services = report.demand.services
    for number, layout in enumerate(plan.layouts):
        by_place = {each.placement: services[each.service].name for each in plan.servings if each.gpu == number}
        parts = [f"{_name(item.profile)} {by_place.get(item, 'free')}" for item in layout]
        yield f"GPU {number}: {', '.join(parts)}"
    free = ", ".join(f"{count} x {_name(name)}" for name, count in report.free())
    yield f"free slices: {free or 'none'}"


def as_json(report: RateReport) -> str:
    """Write everything, for programs."""
    plan = report.chosen.plan
    body: dict[str, Any] = {
        "formatVersion": FORMAT_VERSION,
        "tool": {"name": "tenantry", "version": __version__},
        "pool": report.pool,
        "gpu": report.gpu.id,
        "gpusAvailable": report.available,
        "suffices": report.suffices,
        "gpusNeeded": _outcome(report.needed),
        "served": None if report.within is None else _outcome(report.within),
        "greedyGpus": len(report.baseline.layouts),
        "rules": {"latencyPart": report.rules.latency_part, "processes": report.rules.processes},
        "services": [_service(report, number) for number in range(len(report.demand.services))],
        "gpus": []
        if plan is None
        else [
            {
                "gpu": number,
                "profiles": dict(counts_of(layout)),
                "slices": [
                    {
                        "profile": item.profile,
                        "start": item.start,
                        "service": next(
                            (
                                report.demand.services[each.service].name
                                for each in plan.servings
                                if (each.gpu, each.placement) == (number, item)
                            ),
                            None,
                        ),
                    }
                    for item in layout
                ],
            }
            for number, layout in enumerate(plan.layouts)
        ],
        "free": dict(report.free()),
        "notes": list(report.notes),
    }
    return json.dumps(plain(body), indent=2, ensure_ascii=False) + "\n"


def _outcome(outcome: RateOutcome) -> dict[str, Any]:
    return {
        "objective": outcome.objective,
        "bound": outcome.bound,
        "gap": outcome.gap,
        "proved": outcome.proved,
    }


def _service(report: RateReport, number: int) -> dict[str, Any]:
    service = report.demand.services[number]
    used = report.used(number)
    carried = sum(count * point.throughput for point, count in used.items())
    return {
        "service": service.name,
        "tenant": report.tenants[number] or None,
        "workload": service.workload,
        "ratePerSecond": service.rate,
        "latencyGoalMilliseconds": service.goal_ms,
        "carriesPerSecond": carried,
        "servedPart": min(1.0, carried / service.rate),
        "slices": [
            {
                "profile": point.profile,
                "count": count,
                "batchSize": point.batch,
                "processes": point.processes,
                "throughputPerSecond": point.throughput,
                "latencySeconds": point.latency_s,
                "latencyStatistic": point.statistic or None,
            }
            for point, count in used.items()
        ],
    }


RENDERERS: Mapping[str, Callable[[RateReport], str]] = {"text": text, "json": as_json, "md": as_markdown}
"""Writer of each output format."""
