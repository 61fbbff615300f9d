"""What a plan was made from: enough to find it again and to see whether it is still the same."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SideInput:
    """One side.

    Attributes:
        commit: hash of the commit it was read at; empty for files as they were.
        documents: kind and name of every document and the SHA-256 of its content in the environment, sorted. Comments
            and the order of fields and files do not count. Empty where there was no spec.
    """

    commit: str = ""
    documents: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FileInput:
    """A file or folder beside the specs.

    Attributes:
        role: what it is: ``trace`` or ``snapshot``.
        path: where it was, as the user gave it.
        digest: SHA-256 of its content; of a folder, of the names and contents of all files in it.
    """

    role: str
    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything a plan was made from.

    Attributes:
        tool: version of Tenantry.
        asked: what was compared, as the user named it: a folder, a revision, or two as ``A..B``.
        spec: the other folder, or the spec of revisions as a path of the repository.
        repository: whether ``asked`` names revisions.
        day: day for which isolation was compared, ``YYYY-MM-DD``; empty when it was not.
        old: the side before.
        new: the side after.
        files: what was read beside the specs.
    """

    tool: str = ""
    asked: str = ""
    spec: str = ""
    repository: bool = False
    day: str = ""
    old: SideInput = field(default_factory=SideInput)
    new: SideInput = field(default_factory=SideInput)
    files: tuple[FileInput, ...] = ()
