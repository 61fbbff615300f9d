"""Problems of traces, as values: where, what is wrong, what was expected and found, and what became of the row."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tenantry.model.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.problem import Location


@dataclass(frozen=True, slots=True)
class TraceRule:
    """What a reader of traces watches for.

    Attributes:
        severity: ``ERROR``: the row is left out. ``WARNING``: it is kept, with something doubtful or replaced.
            ``INFO``: nothing is wrong with the row, but whoever uses the trace should know.
        meaning: what it is, and what becomes of the row.
    """

    severity: Severity
    meaning: str


_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

RULES: Final[Mapping[str, TraceRule]] = MappingProxyType(
    {
        "TRACE-COLUMNS": TraceRule(_ERROR, "a row has more or fewer columns than the header"),
        "TRACE-CUT": TraceRule(_ERROR, "the last line ends in the middle of a row"),
        "TRACE-LINE": TraceRule(_ERROR, "a line is too long or its quotes cannot be read"),
        "TRACE-COMPRESSED": TraceRule(_ERROR, "compressed data ends early or is damaged; what came before is used"),
        "TRACE-JSON": TraceRule(_ERROR, "text is not JSON from here on, or a record has another shape"),
        "TRACE-TIME": TraceRule(_ERROR, "the time of submission, or another time, is missing, unreadable or absurd"),
        "TRACE-DURATION": TraceRule(_ERROR, "a duration is zero, negative or unreadable"),
        "TRACE-NEVER-RAN": TraceRule(_ERROR, "a job never started, so nothing tells how long it would have run"),
        "TRACE-UNFINISHED": TraceRule(_ERROR, "a job was still running when the trace was taken"),
        "TRACE-GPUS": TraceRule(_ERROR, "a number of GPUs, pods or nodes is negative, unreadable or not to be known"),
        "TRACE-ABSURD": TraceRule(_ERROR, "a size is beyond any cluster"),
        "TRACE-TENANT": TraceRule(_ERROR, "a row names no tenant"),
        "TRACE-NAME": TraceRule(_ERROR, "a job id is missing or unreadable"),
        "TRACE-DUPLICATE": TraceRule(_ERROR, "a job id was there before; the first row counts"),
        "TRACE-ORPHAN": TraceRule(_WARNING, "a row refers to one that is not there; what that one says is unknown"),
        "TRACE-ENCODING": TraceRule(_WARNING, "bytes that are not UTF-8; they are kept as escapes"),
        "TRACE-VALUE": TraceRule(_WARNING, "a value that is not needed cannot be read and is ignored"),
        "TRACE-ZONES": TraceRule(
            _WARNING, "times with and without an offset from UTC are mixed; those without are UTC"
        ),
        "TRACE-SHAPE": TraceRule(_WARNING, "the number of nodes does not fit the number of GPUs and is ignored"),
        "TRACE-ASSUMED": TraceRule(_WARNING, "a size is not in the trace and is assumed"),
        "TRACE-UNTIMED": TraceRule(_INFO, "a job has no times: it can be packed but not replayed"),
        "TRACE-LAST-LINE": TraceRule(_INFO, "the last line has no end, so it may have been cut; it is kept"),
        "TRACE-UNSORTED": TraceRule(_INFO, "rows are not in order of submission"),
        "TRACE-CPU-ONLY": TraceRule(_INFO, "a job asks for no GPU"),
        "TRACE-MISMATCH": TraceRule(_INFO, "the duration is not the time from start to end, which counts"),
        "TRACE-NO-TENANTS": TraceRule(_INFO, "the trace does not tell tenants apart; all jobs belong to one"),
        "TRACE-STEP": TraceRule(_INFO, "steps inside a job are no submissions and are passed over"),
        "TRACE-PARTS": TraceRule(_INFO, "one submission has unlike parts; each is a job of its own"),
        "TRACE-EVICTED": TraceRule(_INFO, "a job was evicted; what it ran before is not in its duration"),
        "TRACE-NO-JOB": TraceRule(_INFO, "an object belongs to no submission and is passed over"),
        "TRACE-UNCHECKED": TraceRule(_INFO, "there are too many job ids to look for duplicates among all of them"),
    }
)
"""Every rule by its id."""


@dataclass(frozen=True, slots=True)
class TraceProblem:
    """One thing wrong with a trace, or worth knowing about it.

    Attributes:
        rule: one of :data:`RULES`.
        location: file and line.
        message: one sentence naming the thing and what became of it.
        expected: what would have been accepted, in words; empty when the message says it all.
        found: what stands there; empty for something missing.
    """

    rule: str
    location: Location
    message: str
    expected: str = ""
    found: str = ""

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return RULES[self.rule].severity

    def __str__(self) -> str:
        place = f"{self.location.file}:{self.location.line}" if self.location.line else self.location.file
        parts = [f"{place}: {self.message}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.found:
            parts.append(f"found {self.found}")
        return "; ".join(parts) + f" ({self.rule})"
