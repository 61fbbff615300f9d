"""Findings: what a rule says about an object, with the place, the reason and the smallest fix."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from tenantry.model.problem import Location


class Severity(IntEnum):
    """How bad a finding is; larger is worse."""

    INFO = 0
    WARNING = 1
    ERROR = 2

    @property
    def word(self) -> str:
        """Lower-case name, as outputs spell it."""
        return self.name.lower()


class Verdict(StrEnum):
    """What is known. Zero is never printed for unknown."""

    PROVED = "PROVED"
    VIOLATED = "VIOLATED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement of one rule about one object.

    Attributes:
        rule: stable identifier such as ``LINT-SRIOV-PREFIX``.
        severity: how bad it is.
        subject: the object, ``Kind namespace/name`` or a file.
        message: one sentence: what is wrong and what follows from it.
        location: file, line and column of the offending field.
        path: JSON pointer or dotted path inside the object; empty for the whole object.
        fix: the smallest change that resolves it; empty when unknown.
        verdict: ``VIOLATED`` for a defect, ``UNKNOWN`` when a fact is missing.
        source: where the rule comes from: a document or code path of the software concerned.
    """

    rule: str
    severity: Severity
    subject: str
    message: str
    location: Location
    path: str = ""
    fix: str = ""
    verdict: Verdict = Verdict.VIOLATED
    source: str = ""

    def sort_key(self) -> tuple[str, int, int, str, str, str]:
        """Order of findings everywhere: file, line, column, rule, path, message."""
        return (self.location.file, self.location.line, self.location.column, self.rule, self.path, self.message)
