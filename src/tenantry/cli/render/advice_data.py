"""Advice for machines, and the figures that all formats share."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from tenantry import __version__
from tenantry.cli.render.findings import plain_finding
from tenantry.efficient.advise import Standing
from tenantry.efficient.advise.changes import reported
from tenantry.efficient.advise.facts import Verdict

if TYPE_CHECKING:
    from tenantry.app.advise import AdviceReport
    from tenantry.efficient.advise import Advice, Cell
    from tenantry.efficient.advise.changes import Change
    from tenantry.efficient.advise.score import Bounds

FORMAT_VERSION = "1.0"
UNITS = {"GPUs": "x whole", "sessions": "sessions", "work/s": "work/s"}
"""What a score counts, as people read it."""


def headline(report: AdviceReport) -> str:
    """Return the one line that says it all."""
    counts = [
        f"{report.count(Standing.AGREES)} agree with what the pool does",
        f"{report.count(Standing.CHANGE)} would change it",
        f"{report.count(Standing.UNDECIDED)} undecided",
        f"{report.count(Standing.CANNOT)} cannot run there",
    ]
    classes = len({item.work.name for item in report.advice})
    where = f"{len(report.advice)} place{'' if len(report.advice) == 1 else 's'}"
    return f"{classes} class{'' if classes == 1 else 'es'} of work in {where}: {', '.join(counts)}"


def now(item: Advice) -> str:
    """Say how the pool is shared now."""
    return " and ".join(option.label for option in item.pool.offered)


def verdict_line(item: Advice) -> str:
    """Say what is recommended."""
    if item.decision.verdict is Verdict.REFUSED:
        return "no way of sharing"
    return reported(item.decision)


def as_json(report: AdviceReport) -> str:
    """Write everything; what is not known is null."""
    body = {
        "formatVersion": FORMAT_VERSION,
        "tool": {"name": "tenantry", "version": __version__},
        "platform": report.name,
        "environment": report.environment,
        "counts": {standing.name.lower(): report.count(standing) for standing in Standing},
        "advice": [_advice(item) for item in report.advice],
        "notes": list(report.notes),
        "profileProblems": [str(problem) for problem in report.problems],
        "findings": [plain_finding(item) for item in report.findings],
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def _advice(item: Advice) -> dict[str, Any]:
    leader = item.decision.leader
    return {
        "workload": item.work.name,
        "pool": item.pool.name,
        "gpu": item.pool.gpu.id,
        "verdict": _verdict(item.decision.verdict),
        "recommended": leader.key if leader and item.decision.verdict is Verdict.ALLOWED else None,
        "bestKnown": leader.key if leader else None,
        "unit": item.unit,
        "perGpu": _bounds(item.decision.score) if leader else None,
        "rivals": [option.key for option in item.decision.rivals],
        "now": {
            "mode": item.pool.mode.value,
            "offered": [option.key for option in item.pool.offered],
            "standing": item.standing.name.lower(),
            "reason": item.standing_reason,
        },
        "options": [_cell(cell) for cell in item.cells],
        "missing": [{"fact": missing.fact, "measure": missing.measure} for missing in item.missing],
        "changes": [_change(change) for change in item.changes],
    }


def _verdict(verdict: Verdict) -> str:
    return {Verdict.ALLOWED: "decided", Verdict.UNKNOWN: "UNKNOWN", Verdict.REFUSED: "refused"}[verdict]


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "option": cell.option.key,
        "mode": cell.option.mode.value,
        "profile": cell.option.profile.name if cell.option.profile else None,
        "copies": cell.option.copies or None,
        "shareOfGpu": _number(cell.share),
        "offered": cell.offered,
        "verdict": cell.verdict.value,
        "rule": cell.rule or None,
        "source": cell.source or None,
        "reasons": list(cell.reasons),
        "perCopy": _bounds(cell.copy) if cell.copy else None,
        "perGpu": _bounds(cell.score) if cell.score else None,
        "facts": [{"fact": fact.name, "value": fact.value, "where": fact.where} for fact in cell.facts],
        "missing": [{"fact": missing.fact, "measure": missing.measure} for missing in cell.missing],
        "caveats": list(cell.caveats),
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "field": change.field,
        "value": change.value,
        "text": change.text,
        "verdict": _verdict(change.decision.verdict),
        "leads": change.decision.leader.key if change.decision.leader else None,
    }


def _bounds(value: Bounds) -> dict[str, Any]:
    """Bounds of a number; ``known`` says that both are the number itself, null that nothing bounds it."""
    return {"low": _number(value.low), "high": _number(value.high), "known": value.known}


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
