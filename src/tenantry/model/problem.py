"""Problems in a spec, as values: where, what was expected, what was found, and the nearest valid name."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

DocPath = tuple[str | int, ...]
"""Path inside a document from its root, for example ``("spec", "nodePools", 0, "server")``."""


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file. Line and column are 1-based; 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Subject:
    """A document of the spec, named as its author knows it."""

    kind: str
    name: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.name) if part) or "document"


@dataclass(frozen=True, slots=True)
class SpecProblem:
    """One thing wrong with the spec.

    Attributes:
        subject: the document concerned.
        path: path inside that document.
        message: one sentence naming the thing that is wrong.
        expected: what would have been accepted, in words; empty when the message says it all.
        found: what stands there, as the user wrote it; empty for something missing.
        nearest: the closest valid name, or None.
        location: file, line and column; filled in by the reader that knows the files.
        rule: stable identifier of the rule, for example ``SPEC-MIG-FIT``.
    """

    subject: Subject
    path: DocPath
    message: str
    expected: str = ""
    found: str = ""
    nearest: str | None = None
    location: Location = field(default_factory=lambda: Location("<spec>"))
    rule: str = "SPEC-SCHEMA"


def dotted(path: DocPath) -> str:
    """Write a path as people read it: ``spec.nodePools[0].server``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else step)
    return text


def nearest_name(found: str, valid: Iterable[str]) -> str | None:
    """Return the valid name closest to ``found``, or None when nothing is close."""
    names = sorted(valid)
    folded = {name.casefold(): name for name in reversed(names)}
    close = get_close_matches(found.casefold(), list(folded), n=1, cutoff=0.55)
    return folded[close[0]] if close else None


def did_you_mean(found: str, valid: Iterable[str]) -> str:
    """Return the end of a message that proposes the valid name closest to ``found``, empty when nothing is close."""
    near = nearest_name(found, valid)
    return f"; did you mean {near!r}?" if near else ""
