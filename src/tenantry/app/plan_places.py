"""Which two specs a plan compares, as the user names them: two folders, or revisions of a Git repository."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tenantry.app.spec import load
from tenantry.errors import InputError, SpecError
from tenantry.git import Repository, files_at, parse_range
from tenantry.io.spec_folder import ENVIRONMENTS, SUFFIXES
from tenantry.io.walk import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.app.spec import CheckedSpec
    from tenantry.git import Commit
    from tenantry.io.spec_folder import Named

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


class Compared(NamedTuple):
    """Two sides to compare.

    Attributes:
        old: the side before.
        new: the side after.
        asked: what the user named first: a folder, a revision, or two.
        notes: what is worth knowing about the sides, sentences.
    """

    old: Place
    new: Place
    asked: str
    notes: tuple[str, ...] = ()


def compared(first: str, second: str = "") -> Compared:
    """Say what is compared.

    Args:
        first: a folder, a revision, or two as ``A..B`` or ``A...B``. What exists as a file or folder is one.
        second: the other folder, or the spec of revisions; the current folder when empty.

    Raises:
        InputError: if there is no such folder or revision, or nothing to compare.
        GitError: if git cannot be used.
    """
    if os.path.lexists(first):
        if not second:
            raise InputError(f"{first} is one side only; name the other: tenantry plan OLD {first}, or HEAD {first}")
        return Compared(Place(first, Path(first)), Place(second, Path(second)), first)
    spec = Path(second or ".")
    try:
        repository = Repository.around(spec)
    except InputError as error:
        raise InputError(f"{first} is neither a file nor a folder, and no revision: {error}") from error
    return revisions(repository, first, repository.path_of(spec))


def revisions(repository: Repository, asked: str, path: str) -> Compared:
    """Say what is compared of a repository.

    Args:
        repository: the repository.
        asked: a revision, or two as ``A..B`` or ``A...B``.
        path: path of the spec inside it.

    Raises:
        InputError: if a revision means nothing, or two have no fork that is needed.
        GitError: if git cannot be used.
    """
    spec = repository.root / path
    both = parse_range(asked)
    if both is None:
        old = repository.commit(asked)
        return Compared(Place(str(old), spec, repository, old), Place(WORK_TREE, spec, repository), asked)
    old, new = repository.commit(both.old), repository.commit(both.new)
    fork = repository.fork(old, new) if both.forked or not repository.shallow else old
    if fork is None and both.forked:
        raise InputError(
            f"{old} and {new} have unrelated histories and so no fork; to compare the two, write {old.name}..{new.name}"
        )
    notes = () if fork else (f"{old} and {new} have unrelated histories",)
    if both.forked and fork is not None:
        old = fork
    sides = Place(str(old), spec, repository, old), Place(str(new), spec, repository, new)
    return Compared(*sides, asked, notes)


@contextmanager
def opened(place: Place) -> Iterator[tuple[Path, Named]]:
    """Make a side a folder for as long as the block runs.

    Yields:
        The folder or file of the spec, which may not exist, and what names paths below it for people.
    """
    if place.repository is None:
        yield place.folder, shown
        return
    root = place.repository.root
    if place.commit is None:
        yield place.folder, lambda path: _named(path, root)
        return
    path = place.repository.path_of(place.folder)
    with files_at(place.repository, place.commit, path, lambda name: name.endswith(SUFFIXES)) as (laid, folder):
        yield folder, lambda path: _named(path, laid)


def read_place(place: Place, environment: str, *, required: bool = False) -> CheckedSpec | None:
    """Read a side; None when a revision has no such spec, or no such environment of it, unless that is ``required``.

    Raises:
        SpecError: with every problem, named by their paths in the repository.
        InputError: if it cannot be read.
    """
    with opened(place) as (folder, named):
        if place.repository is not None and not required and not has_spec(folder, environment):
            return None
        try:
            return load(folder, environment, named=named)
        except SpecError as error:
            raise SpecError(error.problems, place.where) from error


def has_spec(folder: Path, environment: str) -> bool:
    """Whether there is a spec at a place, and the environment of it."""
    return folder.exists() and (
        not environment or not folder.is_dir() or (folder / ENVIRONMENTS / environment).is_dir()
    )


def _named(path: Path, root: Path) -> str:
    return shown(path.relative_to(root)) if path.is_relative_to(root) else shown(path)


__all__ = ["WORK_TREE", "Compared", "Place", "compared", "has_spec", "opened", "read_place", "revisions"]
