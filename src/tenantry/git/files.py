"""Files of a revision, laid out in a temporary folder: the work tree and the index are never touched."""

from __future__ import annotations

import posixpath
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from tenantry.errors import GitError, InputError
from tenantry.git.command import git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tenantry.git.repository import Commit, Repository

LARGEST = 64 * 2**20
"""Bytes of the largest file that is read from a revision."""
_LINK, _MODULE = "120000", "160000"
_POINTER = b"version https://git-lfs.github.com/spec/"
_MOST_LINKS = 64


class _Entry(NamedTuple):
    mode: str
    hash: str
    size: int
    path: str


@contextmanager
def files_at(
    repository: Repository, commit: Commit, path: str, wanted: Callable[[str], bool]
) -> Iterator[tuple[Path, Path]]:
    """Lay out the files of a revision for as long as the block runs.

    Symbolic links are laid out as links, with what they lead to; hidden files and folders are left out.

    Args:
        repository: the repository.
        commit: the revision.
        path: file or folder inside the repository; empty for all of it.
        wanted: whether a file of this name is needed.

    Yields:
        The temporary folder that stands for the root of the repository, and where ``path`` lies in it. Nothing lies
        there when the revision has no such file or folder.

    Raises:
        InputError: if something that is needed is not in the repository itself: a submodule, a file kept by Git LFS,
            or what a link leads to outside.
        GitError: if git fails.
    """
    with tempfile.TemporaryDirectory(prefix="tenantry-") as name:
        root = Path(name).resolve()
        _Layout(repository, commit, root, wanted).lay(path)
        yield root, root / path


class _Layout:
    """Writes files of a revision below a folder."""

    def __init__(self, repository: Repository, commit: Commit, root: Path, wanted: Callable[[str], bool]) -> None:
        self.repository, self.commit, self.root, self.wanted = repository, commit, root, wanted
        self.seen: set[str] = set()
        self.links: list[tuple[_Entry, Path]] = []

    def lay(self, path: str) -> None:
        waiting = [path]
        while waiting:
            place = waiting.pop()
            there = [item for item in self._listed(place) if item.path not in self.seen]
            self.seen.update(item.path for item in there)
            contents = self._contents([item.hash for item in there])
            for entry, content in zip(there, contents, strict=True):
                if entry.mode == _LINK:
                    waiting.append(self._link(entry, content))
                else:
                    self._write(entry, content)
        for entry, link in self.links:
            # Links through links may lead elsewhere than their text says.
            if self.root not in (link.resolve(), *link.resolve().parents):
                self._leads_out(entry, str(link.readlink()))

    def _listed(self, path: str) -> list[_Entry]:
        """List what is needed at a path or below it; a link on the way to it counts as well."""
        steps = path.split("/") if path else []
        for number in range(1, len(steps)):
            above = "/".join(steps[:number])
            for entry in self._tree(above, recursive=False):
                if entry.path == above and entry.mode == _LINK:
                    return [entry]
        found = []
        for entry in self._tree(path, recursive=True):
            names = posixpath.relpath(entry.path, path or ".").split("/")
            if entry.path != path and any(name.startswith(".") for name in names):
                continue
            if entry.mode == _MODULE:
                raise InputError(f"{entry.path} at {self.commit} is a submodule: its files are in another repository")
            if entry.mode == _LINK or entry.path == path or self.wanted(names[-1]):
                if entry.size > LARGEST:
                    raise InputError(
                        f"{entry.path} at {self.commit} has {entry.size} bytes; at most {LARGEST} are read"
                    )
                found.append(entry)
        return found

    def _tree(self, path: str, *, recursive: bool) -> list[_Entry]:
        options = ["-r"] if recursive else []
        answer = git(
            self.repository.root, "ls-tree", *options, "-z", "-l", "--full-tree", self.commit.hash,
            *(["--", path] if path else []),
        )  # fmt: skip
        found = []
        for line in answer.text.split("\0"):
            if line:
                head, _, name = line.partition("\t")
                mode, _, object_hash, size = head.split()
                found.append(_Entry(mode, object_hash, int(size) if size.isdigit() else 0, name))
        return found

    def _contents(self, hashes: Sequence[str]) -> list[bytes]:
        """Return the contents of files by one call of git."""
        if not hashes:
            return []
        out = git(
            self.repository.root, "cat-file", "--batch", data="".join(f"{item}\n" for item in hashes).encode()
        ).out
        found, start = [], 0
        for wanted in hashes:
            end = out.find(b"\n", start)
            head = out[start:end].split()
            if end < 0 or len(head) != 3 or head[0] != wanted.encode():
                raise GitError(f"an object of {self.commit} is missing in {self.repository.root}: {wanted}")
            size = int(head[2])
            found.append(out[end + 1 : end + 1 + size])
            start = end + 1 + size + 1
        return found

    def _link(self, entry: _Entry, content: bytes) -> str:
        """Write a link and return the path it leads to."""
        target = content.decode("utf-8", "surrogateescape")
        leads = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), target))
        if target.startswith("/") or leads == ".." or leads.startswith("../"):
            self._leads_out(entry, target)
        place = self._place(entry)
        place.symlink_to(target)
        self.links.append((entry, place))
        if len(self.links) > _MOST_LINKS:
            raise InputError(f"{entry.path} at {self.commit} is one of more than {_MOST_LINKS} symbolic links")
        return "" if leads == "." else leads

    def _leads_out(self, entry: _Entry, target: str) -> NoReturn:
        raise InputError(
            f"{entry.path} at {self.commit} is a symbolic link to {target}, which leads out of the repository"
        )

    def _write(self, entry: _Entry, content: bytes) -> None:
        if content.startswith(_POINTER):
            raise InputError(
                f"{entry.path} at {self.commit} is kept by Git LFS, and the repository has a pointer to it only; "
                "keep specs in Git itself"
            )
        self._place(entry).write_bytes(content)

    def _place(self, entry: _Entry) -> Path:
        steps = entry.path.split("/")
        if any(step in ("", ".", "..") for step in steps):
            raise InputError(f"{entry.path!r} at {self.commit} is no path that can be laid out")
        place = self.root.joinpath(*steps)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place
