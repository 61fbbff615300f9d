"""A rule: one plain function over the ground, with the identity and the reason that people read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.finding import Severity, Verdict
from tenantry.model.problem import DocPath, Subject

if TYPE_CHECKING:
    from tenantry.efficient.fit.changes import Change
    from tenantry.efficient.fit.jobs import Job
    from tenantry.efficient.fit.work import Ground


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a rule does not hold.

    Attributes:
        subject: what is concerned, in words; with the rule it identifies the finding.
        document: the document concerned.
        path: path inside it.
        message: what is wrong and what follows from it.
        job: a job that cannot run for it; None where it is not about one.
        changes: what may resolve it, the nearest first; each is tried before it is proposed.
        severity: overrides the rule's.
        verdict: UNKNOWN when a fact is missing, which ``message`` names.
        hint: what to do, in words, where no change of the spec is proposed.
    """

    subject: str
    document: Subject
    path: DocPath
    message: str
    job: Job | None = None
    changes: tuple[Change, ...] = ()
    severity: Severity | None = None
    verdict: Verdict = Verdict.VIOLATED
    hint: str = ""


Check = Callable[["Ground"], Iterable[Hit]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A check with its identity.

    Attributes:
        id: stable identifier, ``FIT-<WHAT>``.
        severity: severity of a hit that names none.
        title: one line: what is wrong when the rule fires.
        question: what is decided, exactly.
        why: what happens on the cluster.
        source: document or code path of the software concerned.
        check: the function.
    """

    id: str
    severity: Severity
    title: str
    question: str
    why: str
    source: str
    check: Check


def rule(
    id: str,  # noqa: A002 - rules are identified, the word is theirs
    severity: Severity,
    title: str,
    *,
    question: str,
    why: str,
    source: str,
) -> Callable[[Check], Rule]:
    """Turn a check into a rule. The arguments are the attributes of :class:`Rule`."""
    return lambda check: Rule(id, severity, title, question, why, source, check)
