"""Writes small traces and reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tenantry.io.traces import Trace, TraceOptions, open_trace
from tenantry.model.trace import TraceJob

Read = tuple[list[TraceJob], Trace]


def read(path: Path, *, form: str | None = None, **options: Any) -> Read:
    trace = open_trace(path, format=form, options=TraceOptions(**options))
    return list(trace), trace


def read_text(folder: Path, text: str | bytes, *, form: str | None = None, **options: Any) -> Read:
    path = folder / "trace"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, form=form, **options)


def met(trace: Trace) -> dict[str, int]:
    """How often each rule was met."""
    return dict(trace.counts.by_rule)


def lines(trace: Trace) -> list[tuple[str, int]]:
    """Rules and lines of the problems, in order."""
    return [(problem.rule, problem.location.line) for problem in trace.problems]
