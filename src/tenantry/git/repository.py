"""A repository on this machine: where it is, what revisions mean, what they have in common."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tenantry.errors import GitError, InputError
from tenantry.git.command import git
from tenantry.model.problem import did_you_mean

HEAD = "HEAD"
_SHORT = 7
_DEEPEN = (
    "this clone is shallow, so older commits are missing: run git fetch --unshallow, or check out with fetch-depth 0"
)
_STEPS = re.compile(r"([~^][0-9]*|\^\{[a-z]*\}|@\{[^}]*\})+$")


class Range(NamedTuple):
    """Two revisions as they are written.

    Attributes:
        old: the first; ``HEAD`` when none is written.
        new: the second, likewise.
        forked: whether the old side is what both have in common, as ``...`` means.
    """

    old: str
    new: str
    forked: bool


def parse_range(text: str) -> Range | None:
    """Read ``A..B`` or ``A...B``; None for a text that is neither, such as a path with ``..`` in it."""
    if text.startswith(("./", "../", "/")) or text == ".." or ".." not in text:
        return None
    dots = "..." if "..." in text else ".."
    old, _, new = text.partition(dots)
    return None if ".." in new else Range(old or HEAD, new or HEAD, dots == "...")


class Commit(NamedTuple):
    """A commit, and how the user named it.

    Attributes:
        name: what the user wrote.
        hash: the whole hash.
    """

    name: str
    hash: str

    def __str__(self) -> str:
        short = self.hash[:_SHORT]
        return short if self.hash.startswith(self.name) else f"{self.name} ({short})"


@dataclass(frozen=True)
class Repository:
    """A repository with a work tree.

    Attributes:
        root: folder of the work tree.
        shallow: whether its history is cut off.
    """

    root: Path
    shallow: bool

    @classmethod
    def around(cls, place: Path) -> Repository:
        """Return the repository that holds a file or folder, which need not exist any more.

        Raises:
            InputError: if it lies in no repository, or in one without a work tree.
            GitError: if git cannot be used.
        """
        folder = _existing(place)
        answer = git(folder, "rev-parse", "--show-toplevel", "--is-shallow-repository", check=False)
        if answer.code:
            if "not a git repository" in answer.err:
                raise InputError(f"{place} is in no Git repository, so it has no revisions; name two folders instead")
            if "work tree" in answer.err:
                raise InputError(f"{place} is in a bare Git repository; run this in a clone with a work tree")
            raise GitError(f"{place}: Git cannot use the repository: {answer.err.splitlines()[0]}")
        root, shallow = answer.text.rsplit("\n", 1)
        return cls(Path(root), shallow == "true")

    def path_of(self, place: Path) -> str:
        """Return the path of a file or folder inside the repository, ``/`` between names; empty for all of it.

        Raises:
            InputError: if it lies outside.
        """
        real = Path(os.path.abspath(place))  # noqa: PTH100 - a link is a thing of its own in a repository
        # The folder is resolved, as Git does with the root; the name itself may be a link that differs per revision.
        for candidate in (real.parent.resolve() / real.name, real.resolve()):
            if candidate == self.root:
                return ""
            if self.root in candidate.parents:
                return candidate.relative_to(self.root).as_posix()
        raise InputError(f"{place} lies outside the repository {self.root}")

    def commit(self, revision: str) -> Commit:
        """Return the commit a revision means.

        Raises:
            InputError: if there is none, with the nearest name, or the reason why it may be missing.
        """
        if revision.startswith("-") or "\0" in revision:
            raise InputError(f"{revision!r} is no revision")
        answer = git(self.root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", check=False)
        if not answer.code and answer.text:
            return Commit(revision, answer.text)
        if answer.err:
            raise InputError(f"{revision!r} means no commit of {self.root}: {answer.err.splitlines()[0]}")
        if not self.has_commits():
            raise InputError(f"{self.root} has no commit yet, so there is no revision {revision!r}")
        bare = _STEPS.sub("", revision)
        hint = did_you_mean(bare, self.names()) if bare not in self.names() else ""
        reason = f"; {_DEEPEN}" if self.shallow else hint
        raise InputError(f"{self.root} has no revision {revision!r}{reason}")

    def has_commits(self) -> bool:
        """Whether anything was committed on the branch that is checked out."""
        return not git(self.root, "rev-parse", "--verify", "--quiet", HEAD, check=False).code

    def names(self) -> list[str]:
        """Return the names of branches and tags, and ``HEAD``."""
        said = git(self.root, "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes", "refs/tags")
        return [HEAD, *said.text.splitlines()]

    def differs(self, old: Commit, new: Commit, path: str) -> bool:
        """Whether a file or folder differs between two commits."""
        return bool(git(self.root, "diff", "--quiet", old.hash, new.hash, "--", path or ".", check=False).code)

    def fork(self, old: Commit, new: Commit) -> Commit | None:
        """Return the newest commit that both have in their history, None when there is none.

        Raises:
            InputError: if the clone is too shallow to know.
        """
        answer = git(self.root, "merge-base", old.hash, new.hash, check=False)
        if not answer.code and answer.text:
            return Commit(f"fork of {old.name} and {new.name}", answer.text.splitlines()[0])
        if answer.err:
            raise GitError(f"git merge-base failed in {self.root}: {answer.err}")
        if self.shallow:
            raise InputError(f"{old.name} and {new.name} have no common commit here; {_DEEPEN}")
        return None


def _existing(place: Path) -> Path:
    """Return the folder to look for a repository from: the deepest that exists, never through a link at the end."""
    folder = Path(os.path.abspath(place))  # noqa: PTH100 - resolve() would follow the last link
    if folder.is_symlink() or not folder.is_dir():
        folder = folder.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder
