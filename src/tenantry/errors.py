"""The exception tree and the exit codes.

Problems in the user's data are values (:class:`~tenantry.model.problem.SpecProblem`,
:class:`~tenantry.model.finding.Finding`), collected and returned together. An exception means the job could not be
done:

    TenantryError                 exit 1
    ├── InputError                exit 4: the call or the data it names cannot be used at all
    │   ├── SpecError             the spec has problems; carries all of them
    │   ├── SnapshotError         a snapshot of a cluster has problems; carries all of them
    │   └── YamlError             text that is not the YAML the Kubernetes API server reads; carries line and column
    ├── TreeError                 exit 1: a tree could not be written; the old one is untouched
    ├── GitError                  exit 1: the git command is missing, too old, or failed; the repository is as before
    └── MissingExtra              exit 1: an optional dependency is needed; names the extra

Library exceptions are translated at the adapter that meets them and chained. All of them can cross processes.
"""

from __future__ import annotations

from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.model.problem import SpecProblem


class ExitCode(IntEnum):
    """What a process tells its caller."""

    CLEAN = 0
    """The job was done and found nothing at or above the threshold."""
    FAILED = 1
    """The tool could not do the job."""
    FINDINGS = 2
    """A finding or difference at or above the threshold."""
    UNSAFE = 3
    """A disruptive change or an unsafe platform."""
    BAD_INPUT = 4
    """The input or the command line cannot be used."""


class TenantryError(Exception):
    """The job could not be done. ``str()`` is the message for people."""

    exit_code = ExitCode.FAILED


class InputError(TenantryError):
    """The input named by the caller cannot be used; nothing was changed."""

    exit_code = ExitCode.BAD_INPUT


class SpecError(InputError):
    """The spec has problems; all of them are carried, none is lost.

    Attributes:
        problems: every problem found, in file and line order.
        where: which of several specs it is, for example ``at main (1a2b3c4)``; empty when there is one only.
    """

    def __init__(self, problems: Sequence[SpecProblem], where: str = "") -> None:
        self.problems, self.where = tuple(problems), where
        count = len(self.problems)
        super().__init__(f"the spec{where and ' ' + where} has {count} problem{'s' if count != 1 else ''}")

    def __reduce__(self) -> tuple[type[SpecError], tuple[object, ...]]:
        return SpecError, (self.problems, self.where)


class SnapshotError(InputError):
    """A snapshot of a cluster has problems; all of them are carried, none is lost.

    Attributes:
        problems: every problem found, in file and line order.
    """

    def __init__(self, problems: Sequence[SpecProblem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(f"the snapshot has {count} problem{'s' if count != 1 else ''}")


class YamlError(InputError):
    """Text is not YAML as the Kubernetes API server reads it.

    Attributes:
        file: path as the user wrote it, or ``<string>``.
        line: 1-based line, 0 if unknown.
        column: 1-based column, 0 if unknown.
        reason: what was wrong, without the position.
    """

    def __init__(self, reason: str, *, file: str = "<string>", line: int = 0, column: int = 0) -> None:
        self.reason, self.file, self.line, self.column = reason, file, line, column
        where = f"{file}:{line}:{column}" if line else file
        super().__init__(f"{where}: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        return partial(YamlError, file=self.file, line=self.line, column=self.column), (self.reason,)


class TreeError(TenantryError):
    """A tree could not be written. The tree that was there before is untouched."""


class GitError(TenantryError):
    """The git command is missing, too old, or failed. The repository is as it was before."""


class MissingExtra(TenantryError):  # noqa: N818 - reads as what it says
    """An optional dependency is needed for what was asked."""

    def __init__(self, extra: str, purpose: str) -> None:
        self.extra, self.purpose = extra, purpose
        super().__init__(f"{purpose} needs the optional dependency group '{extra}': pip install 'tenantry[{extra}]'")

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        return MissingExtra, (self.extra, self.purpose)
