"""Sentences that remember what they name, so that names can be replaced before anybody reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tenantry.model.finding import Finding, Severity, Verdict
from tenantry.model.problem import Location


class Ref(NamedTuple):
    """Something a sentence names.

    Attributes:
        kind: ``tenant``, ``queue`` or ``job``.
        name: its name.
        tenant: whose job it is; empty otherwise.
    """

    kind: str
    name: str
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence with names.

    Attributes:
        template: the sentence; ``{0}`` stands for the first name.
        refs: the names.
    """

    template: str
    refs: tuple[Ref, ...] = ()

    def __str__(self) -> str:
        return self.template.format(*(ref.name for ref in self.refs))

    def renamed(self, rename: Callable[[Ref], Ref]) -> Told:
        """Return the sentence with other names."""
        return Told(self.template, tuple(map(rename, self.refs)))


@dataclass(frozen=True, slots=True)
class FairFinding:
    """What a rule found in a replay.

    Attributes:
        rule: stable identifier such as ``FAIR-STARVATION``.
        severity: how bad it is.
        subject: whom it concerns; None for the whole replay.
        message: what happened and what follows from it.
        fix: the smallest change that may help; empty when unknown.
        weight: how much of it there is, for the order of findings of one rule; larger is worse.
    """

    rule: str
    severity: Severity
    subject: Ref | None
    message: Told
    fix: str = ""
    weight: int = 0

    def sort_key(self) -> tuple[int, str, int, str, str]:
        """Order of findings: severity, rule, weight, subject, message."""
        name = f"{self.subject.kind} {self.subject.name}" if self.subject is not None else ""
        return (-int(self.severity), self.rule, -self.weight, name, str(self.message))

    def plain(self, source: str) -> Finding:
        """Return it as every engine's findings are; ``source`` says what was replayed."""
        name = f"{self.subject.kind} {self.subject.name}" if self.subject is not None else source
        place = Location(source)
        return Finding(self.rule, self.severity, name, str(self.message), place, "", self.fix, Verdict.VIOLATED)
