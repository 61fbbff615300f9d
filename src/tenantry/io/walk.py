"""Finds files below folders: sorted, following symbolic links without looping, skipping what is hidden."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.io.yaml_read import os_reason

if TYPE_CHECKING:
    from collections.abc import Callable


def shown(path: Path | str) -> str:
    """Return a path for people: bytes that are not UTF-8 become escapes, so that it can be printed."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class WalkProblem:
    """A file or folder that could not be followed.

    Attributes:
        path: the place, as reached from the folder the user named.
        reason: what is wrong with it, without the path.
        loop: whether it is a symbolic link to a folder around it.
    """

    path: Path
    reason: str
    loop: bool = False


@dataclass(slots=True)
class Walk:
    """Files found so far. A file or folder reached on two ways counts once, on the first.

    Attributes:
        wanted: whether a file of this name is looked for.
        enter: whether a folder is looked into; hidden ones never are.
        files: the files, in the order found.
        problems: what could not be followed.
    """

    wanted: Callable[[str], bool]
    enter: Callable[[Path], bool] = field(default=lambda _: True)
    files: list[Path] = field(default_factory=list)
    problems: list[WalkProblem] = field(default_factory=list)
    _seen: set[tuple[int, int]] = field(default_factory=set)
    _known: set[Path] = field(default_factory=set)

    def add_file(self, path: Path) -> None:
        """Take one file whatever its name."""
        if self._new(path):
            self.files.append(path)

    def add_folder(self, folder: Path) -> None:
        """Take every wanted file below a folder, entries of each folder sorted by name."""
        self._folder(folder, frozenset())

    def _folder(self, folder: Path, around: frozenset[tuple[int, int]]) -> None:
        try:
            status = folder.stat()
            here = (status.st_dev, status.st_ino)
            if here in around:
                reason = "is a symbolic link to a folder that contains it; it is not followed"
                self.problems.append(WalkProblem(folder, reason, loop=True))
                return
            if here in self._seen:
                return
            self._seen.add(here)
            entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
        except OSError as error:
            self.problems.append(WalkProblem(folder, f"cannot be read: {os_reason(error)}"))
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if self.enter(entry):
                    self._folder(entry, around | {here})
            elif self.wanted(entry.name) or _loops(entry):
                self.add_file(entry)

    def _new(self, path: Path) -> bool:
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            loop = _loops(path)
            reason = os_reason(error) if isinstance(error, OSError) and not loop else "its symbolic links form a loop"
            self.problems.append(WalkProblem(path, f"cannot be read: {reason}", loop))
            return False
        if real in self._known:
            return False
        self._known.add(real)
        return True


def _loops(path: Path) -> bool:
    """Whether a path is a symbolic link that leads back to itself."""
    if not path.is_symlink():
        return False
    try:
        path.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False
