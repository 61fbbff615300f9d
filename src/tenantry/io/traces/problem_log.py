"""Collects what is wrong with a trace: everything is counted, a limited number is kept."""

from __future__ import annotations

from collections import Counter
from typing import Final

from tenantry.errors import InputError
from tenantry.model.finding import Severity
from tenantry.model.problem import Location
from tenantry.model.trace_problem import RULES, TraceProblem

_LONGEST: Final = 120


class Unusable(Exception):  # noqa: N818 - reads as what it says, and never leaves this package
    """A row cannot become a job."""

    def __init__(self, rule: str, message: str, expected: str = "", found: str = "") -> None:
        self.rule, self.message, self.expected, self.found = rule, message, expected, found
        super().__init__(rule, message, expected, found)


class ProblemLog:
    """What is wrong with one file or folder.

    Attributes:
        problems: the first ``limit`` problems, in the order found.
        counts: how often each rule was met, also beyond the limit.
    """

    def __init__(self, *, limit: int, strict: bool) -> None:
        self.problems: list[TraceProblem] = []
        self.counts: Counter[str] = Counter()
        self._limit, self._strict = limit, strict

    def add(self, rule: str, place: Location, message: str, expected: str = "", found: str = "") -> None:
        """Note a problem.

        Raises:
            InputError: if the reader is strict and the rule is more than a remark.
        """
        self.counts[rule] += 1
        if len(self.problems) < self._limit or self._strict:
            problem = TraceProblem(rule, place, whole_text(message), expected, whole_text(found))
            if self._strict and RULES[rule].severity > Severity.INFO:
                raise InputError(str(problem))
            if len(self.problems) < self._limit:
                self.problems.append(problem)

    def remark(self, rule: str, place: Location, message: str) -> None:
        """Note what may hold for many rows: all are counted, the first is kept."""
        if rule in self.counts:
            self.counts[rule] += 1
        else:
            self.add(rule, place, message)


class SilentLog(ProblemLog):
    """Forgets everything; for a first pass over what is read again."""

    def __init__(self) -> None:
        super().__init__(limit=0, strict=False)

    def add(self, rule: str, place: Location, message: str, expected: str = "", found: str = "") -> None:
        """Do nothing."""


def printable(text: object) -> str:
    """Return what was found for people: one line, of limited length, without half characters."""
    shown = text if isinstance(text, str) else repr(text)
    shown = shown[: _LONGEST + 1].encode("utf-8", "backslashreplace").decode()
    shown = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in shown)
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"


def whole_text(text: str) -> str:
    """Return a text that can be written as UTF-8: halves of surrogate pairs, which JSON can hold, become escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
