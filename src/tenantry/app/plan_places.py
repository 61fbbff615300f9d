"""Which two specs a plan compares, as the user names them: two folders, or revisions of a Git repository."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.app.spec import load
from tenantry.errors import InputError, SpecError
from tenantry.git import Repository, files_at, parse_range
from tenantry.io.spec_folder import ENVIRONMENTS, SUFFIXES
from tenantry.io.walk import shown

if TYPE_CHECKING:
    from tenantry.app.spec import CheckedSpec
    from tenantry.git import Commit

WORK_TREE = "work tree"


@dataclass(frozen=True)
class Place:
    """Where a side is read from.

    Attributes:
        label: what people call it.
        folder: folder or file of the spec; that of the work tree for a revision.
        repository: repository in which its paths are named; None for a folder that is named as it is.
        commit: revision it is read at; None for files as they are.
    """

    label: str
    folder: Path
    repository: Repository | None = None
    commit: Commit | None = None

    @property
    def path(self) -> str:
        """Path of the spec as messages name it."""
        if self.repository is None:
            return shown(self.folder)
        return self.repository.path_of(self.folder) or "."

    @property
    def where(self) -> str:
        """Where that is, behind the word spec."""
        if self.commit is not None:
            return f"at {self.commit}"
        return f"in the {WORK_TREE}" if self.repository is not None else f"in {shown(self.folder)}"


def compared(first: str, second: str = "") -> tuple[Place, Place, tuple[str, ...]]:
    """Say what is compared.

    Args:
        first: a folder, a revision, or two as ``A..B`` or ``A...B``. What exists as a file or folder is one.
        second: the other folder, or the spec of revisions; the current folder when empty.

    Returns:
        The old side, the new side, and what is worth knowing about them, sentences.

    Raises:
        InputError: if there is no such folder or revision, or nothing to compare.
        GitError: if git cannot be used.
    """
    if os.path.lexists(first):
        if not second:
            raise InputError(f"{first} is one side only; name the other: tenantry plan OLD {first}, or HEAD {first}")
        return Place(first, Path(first)), Place(second, Path(second)), ()
    spec = Path(second or ".")
    try:
        repository = Repository.around(spec)
    except InputError as error:
        raise InputError(f"{first} is neither a file nor a folder, and no revision: {error}") from error
    spec = repository.root / repository.path_of(spec)
    asked = parse_range(first)
    if asked is None:
        old = repository.commit(first)
        return Place(str(old), spec, repository, old), Place(WORK_TREE, spec, repository), ()
    old, new = repository.commit(asked.old), repository.commit(asked.new)
    fork = repository.fork(old, new) if asked.forked or not repository.shallow else old
    if fork is None and asked.forked:
        raise InputError(
            f"{old} and {new} have unrelated histories and so no fork; to compare the two, write {old.name}..{new.name}"
        )
    notes = () if fork else (f"{old} and {new} have unrelated histories",)
    if asked.forked and fork is not None:
        old = fork
    return Place(str(old), spec, repository, old), Place(str(new), spec, repository, new), notes


def read_place(place: Place, environment: str, *, required: bool = False) -> CheckedSpec | None:
    """Read a side; None when a revision has no such spec, or no such environment of it, unless that is ``required``.

    Raises:
        SpecError: with every problem, named by their paths in the repository.
        InputError: if it cannot be read.
    """
    with ExitStack() as stack:
        root, folder = Path(), place.folder
        if place.repository is not None:
            root = place.repository.root
            if place.commit is not None:
                path = place.repository.path_of(place.folder)
                laid = files_at(place.repository, place.commit, path, lambda name: name.endswith(SUFFIXES))
                root, folder = stack.enter_context(laid)
            if not required and (
                not folder.exists() or (environment and folder.is_dir() and not _has(folder, environment))
            ):
                return None
        try:
            return load(folder, environment, named=lambda path: _named(path, root) if place.repository else shown(path))
        except SpecError as error:
            raise SpecError(error.problems, place.where) from error


def _has(folder: Path, environment: str) -> bool:
    return (folder / ENVIRONMENTS / environment).is_dir()


def _named(path: Path, root: Path) -> str:
    return shown(path.relative_to(root)) if path.is_relative_to(root) else shown(path)


__all__ = ["WORK_TREE", "Place", "compared", "read_place"]
