"""Builders of spec problems, so that every rule words them alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.problem import SpecProblem, Subject, nearest_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.problem import DocPath
    from tenantry.model.spec import Document


def subject_of(document: Document) -> Subject:
    """Name a document by kind and name."""
    return Subject(type(document).__name__, document.name)


def at(
    document: Document,
    path: DocPath,
    message: str,
    *,
    expected: str = "",
    found: object = "",
    nearest: str | None = None,
    rule: str,
) -> SpecProblem:
    """Build a problem at a path of a document; the reader adds file, line and column later."""
    return SpecProblem(subject_of(document), path, message, expected, str(found), nearest, rule=rule)


def unknown_name(
    document: Document, path: DocPath, what: str, found: str, valid: Iterable[str], *, rule: str
) -> SpecProblem:
    """Build the problem of a name that nothing carries, listing up to twelve valid ones and the nearest."""
    names = sorted(valid)
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return at(
        document,
        path,
        f"there is no {what} named {found!r}",
        expected=f"one of {shown}" if names else f"a {what}; none is declared",
        found=found,
        nearest=nearest_name(found, names),
        rule=rule,
    )
