"""The plan for services with rates, as text, JSON, Markdown and a page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tenantry import __version__
from tenantry.cli.render.layout import paragraph, table
from tenantry.cli.render.plain import plain
from tenantry.cli.render.rates_page import as_html
from tenantry.cli.render.rates_words import HEADER, JUSTIFY, layout_words, service_cells, verdict
from tenantry.model.partition import counts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenantry.app.rates import RateReport
    from tenantry.model.rate_plan import RateOutcome

FORMAT_VERSION = "1.0"


def text(report: RateReport) -> str:
    """Write the verdict, the slices of each service and the layouts."""
    lines = [line for sentence in verdict(report) for line in paragraph(sentence)]
    lines += ["", *table(HEADER, list(service_cells(report)), justify=JUSTIFY)]
    lines += ["", *(line for words in layout_words(report) for line in paragraph(words, hang="    "))]
    for note in report.notes:
        lines += ["", *paragraph(note, indent="note: ")]
    return "\n".join(lines) + "\n"


def as_markdown(report: RateReport) -> str:
    """Write the same as Markdown."""
    lines = [f"{sentence}  " for sentence in verdict(report)]
    lines += ["", _row(HEADER), "|---|---:|---:|---|---:|---:|---:|---|", *map(_row, service_cells(report))]
    lines += ["", *(f"- {line.strip()}" for line in layout_words(report))]
    if report.notes:
        lines += ["", *(f"- note: {note}" for note in report.notes)]
    return "\n".join(lines) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


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


RENDERERS: Mapping[str, Callable[[RateReport], str]] = {
    "text": text,
    "json": as_json,
    "md": as_markdown,
    "html": as_html,
}
"""Writer of each output format."""
