"""Measured replays for machines."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tenantry import __version__
from tenantry.cli.render.findings import plain_finding
from tenantry.fair.measures.catalogue import MEASURES
from tenantry.fair.measures.compare import compare
from tenantry.fair.measures.result import CLUSTER, TENANT, gpu_hours

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.fair.measures.gantt import Gantt
    from tenantry.fair.measures.named import NamedResult, PoolResults, Report
    from tenantry.fair.measures.result import Booking, Cause, Measured, Result, Spread
    from tenantry.fair.measures.timeline import Series, Timeline
    from tenantry.fair.measures.told import FairFinding

FORMAT_VERSION = "1.0"
_NUMBERS = re.compile(r"\[\n[-+0-9.e,\s]+\]")


def as_json(report: Report) -> str:
    """Write everything but single jobs for machines.

    Units are in the names of fields: GPUs, GPU-hours, seconds from the first submission; parts are 0 to 1. A number
    that is not known is null, never 0; ``lowerBounds`` names measures that jobs still waiting or running may raise.
    """
    body = {
        "formatVersion": FORMAT_VERSION,
        "tool": {"name": "tenantry", "version": __version__},
        "title": report.title,
        "lead": report.lead,
        "notes": list(report.notes),
        "findings": [plain_finding(item) for item in report.findings],
        "measures": [
            {
                "key": each.key,
                "title": each.title,
                "unit": each.unit.value,
                "better": each.better.value,
                "of": list(each.kinds),
                "formula": each.text.formula,
            }
            for each in MEASURES
        ],
        "pools": [_pool(pool) for pool in report.pools],
    }
    # Series on one line each: a third of the size, and no text can hold the line feeds that are sought here.
    return _NUMBERS.sub(_on_one_line, json.dumps(body, indent=2, ensure_ascii=False)) + "\n"


def _on_one_line(match: re.Match[str]) -> str:
    return " ".join(match[0].split()).replace("[ ", "[").replace(" ]", "]")


def _pool(pool: PoolResults) -> dict[str, Any]:
    return {
        "pool": pool.pool,
        "replays": [_replay(named) for named in pool.results],
        "comparison": _comparison(pool.results) if len(pool.results) > 1 else [],
    }


def _comparison(results: Sequence[NamedResult]) -> list[dict[str, Any]]:
    """Write what differs from the first replay; a row without any difference or unknown says nothing."""
    return [
        {
            "kind": row.kind,
            "subject": row.subject,
            "measure": row.measure,
            "values": [_number(value) for value in row.values],
            "lowerBounds": list(row.at_least),
            "differences": [_number(value) for value in row.differences],
        }
        for row in compare(results)
        if any(value is not None for value in row.values) and any(change != 0 for change in row.differences)
    ]


def _replay(named: NamedResult) -> dict[str, Any]:
    result = named.result
    window, fairness = result.window, result.fairness
    return {
        "name": named.name,
        "scheduler": named.scheduler,
        "note": named.note,
        "window": {
            "startSeconds": window.start,
            "lastSubmitSeconds": window.last_submit,
            "endSeconds": window.end,
            "gpus": _gpus(window.capacity),
            "cutOff": window.cut,
            "stuck": window.stuck,
            "cycles": window.cycles,
        },
        "cluster": _subject(result.cluster, result),
        "fairness": {
            "countedQueues": fairness.counted,
            "worstQueue": fairness.worst_queue or None,
            "withoutBacklog": list(fairness.without_backlog),
            "nothingDue": list(fairness.nothing_due),
        },
        "gpuHours": {"untilLastSubmission": _booking(result.busy), "untilEnd": _booking(result.whole)},
        "tenants": [_subject(each, result) for each in result.tenants],
        "queues": [_subject(each, result) for each in result.queues],
        "leftOut": _causes(result.left_out),
        "neverRuns": _causes(result.never),
        "findings": [_finding(each) for each in result.findings],
        "timeline": None if named.timeline is None else _timeline(named.timeline),
        "jobs": [_gantt(each) for each in named.gantts],
    }


# Subjects ------------------------------------------------------------------------------------------------------------


def _subject(subject: Measured, result: Result) -> dict[str, Any]:
    known = [each for each in MEASURES if subject.kind in each.kinds]
    evictions, apart, shares = subject.evictions, subject.apart, subject.shares
    body: dict[str, Any] = {}
    if subject.kind != CLUSTER:
        body = {"name": subject.name, "queue" if subject.kind == TENANT else "parent": subject.parent or None}
        if subject.kind != TENANT:
            body |= {"level": subject.level, "takesJobs": subject.leaf, "tenants": list(subject.tenants)}
        body["quotaGpus"] = None if shares is None else _gpus(shares.quota)
    return body | {
        "measures": {each.key: _number(each.value(subject, result)) for each in known},
        "lowerBounds": [each.key for each in known if each.at_least(subject)],
        "waits": [
            {"gpus": each.size, "firstSeconds": _spread(each.first), "totalSeconds": _spread(each.total)}
            for each in subject.waits
        ],
        "slowdown": _spread(subject.slowdown),
        "evictionsByAction": {"suffered": dict(evictions.suffered), "caused": dict(evictions.caused)},
        "worstFinishTimeFairness": None
        if apart is None or apart.worst is None
        else {"job": apart.worst_job, "tenant": apart.worst_tenant, "value": _number(apart.worst)},
    }


def _spread(spread: Spread | None) -> dict[str, Any] | None:
    if spread is None:
        return None
    return {
        "jobs": spread.count,
        "stillGrowing": spread.open,
        **{name: _number(getattr(spread, name)) for name in ("mean", "p50", "p95", "p99", "largest")},
        "lowerBounds": list(spread.at_least),
    }


def _booking(booking: Booking) -> dict[str, Any]:
    parts = {
        "capacity": booking.capacity,
        "startup": booking.startup,
        "lost": booking.lost,
        "incomplete": booking.incomplete,
        "leaving": booking.leaving,
        "freeUnwanted": booking.unwanted,
        "freeTooSmall": booking.too_small,
        "freeBlocked": booking.blocked,
    }
    return {
        "startSeconds": booking.start,
        "endSeconds": booking.end,
        **{name: _hours(amount) for name, amount in parts.items()},
        "usefulByOutcome": {str(outcome): _hours(amount) for outcome, amount in booking.useful.items()},
    }


def _causes(causes: Iterable[Cause]) -> list[dict[str, Any]]:
    return [
        {"tenant": each.tenant, "reason": each.reason, "jobs": each.count, "firstJob": each.first} for each in causes
    ]


def _finding(finding: FairFinding) -> dict[str, Any]:
    subject = finding.subject
    return {
        "rule": finding.rule,
        "severity": finding.severity.word,
        "subject": None if subject is None else {"kind": subject.kind, "name": subject.name},
        "message": str(finding.message),
        "fix": finding.fix,
    }


# Over time -----------------------------------------------------------------------------------------------------------


def _timeline(timeline: Timeline) -> dict[str, Any]:
    return {
        "edgesSeconds": list(timeline.edges),
        "gpus": _gpus(timeline.capacity),
        "allocatedGpus": _series(timeline.allocated),
        "waitingGpus": _series(timeline.waiting),
        "queues": [
            {
                "name": each.name,
                "parent": each.parent or None,
                "quotaGpus": _gpus(each.quota),
                "heldGpus": _series(each.held),
                "dueGpus": _series(each.due),
                "waitingGpus": _series(each.waiting),
                "waitingJobs": _series(each.length, 1),
            }
            for each in timeline.queues
        ],
    }


def _series(series: Series, unit: int = 1000) -> dict[str, Any]:
    return {
        "mean": [_number(value / unit, 3) for value in series.mean],
        "least": [value / unit if unit > 1 else value for value in series.least],
        "most": [value / unit if unit > 1 else value for value in series.most],
    }


def _gantt(gantt: Gantt) -> dict[str, Any]:
    return {
        "job": gantt.job,
        "tenant": gantt.tenant,
        "queue": gantt.queue,
        "gpus": _gpus(gantt.gpus),
        "workSeconds": gantt.work,
        "finished": gantt.finished,
        "why": gantt.why,
        "segments": [
            {
                "state": each.state,
                "startSeconds": each.start,
                "endSeconds": each.end,
                **({"action": each.action, "lostSeconds": each.lost} if each.action else {}),
                **({"evictedForJob": each.by, "evictedForTenant": each.by_tenant} if each.by else {}),
            }
            for each in gantt.segments
        ],
    }


def _number(value: float | None, digits: int = 6) -> float | None:
    """Round what nobody can tell from noise of floating point away."""
    return None if value is None else round(value, digits)


def _hours(amount: int) -> float:
    return round(gpu_hours(amount), 6)


def _gpus(amount: int) -> float:
    return amount / 1000
