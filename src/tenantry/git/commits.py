"""Makes a commit so that nothing is half done: in a work tree of its own, which goes again, then one step forward.

Hooks and signing are the user's own and see a whole work tree. Nothing is pushed. Whatever fails, branch, index and
work tree are as they were; at worst an object that nothing refers to is left, which Git collects.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.errors import GitError, InputError
from tenantry.git.command import git
from tenantry.git.repository import HEAD, Commit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenantry.git.repository import Repository

_WRITING: Mapping[str, str] = {"GIT_LITERAL_PATHSPECS": "1", "GIT_EDITOR": "true"}
"""No editor opens; the language of messages is the user's, as hooks speak to people."""
_UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")
_SHOWN = 5


def branch_of(repository: Repository) -> str:
    """Return the branch that is checked out; empty when none is."""
    return git(repository.root, "symbolic-ref", "--quiet", "--short", HEAD, check=False).text


def ready(repository: Repository, paths: Sequence[str], branch: str = "") -> None:
    """Refuse to begin where a commit could not be made, or would mix with something else.

    Args:
        repository: the repository.
        paths: files and folders that will change.
        branch: new branch to commit on; the one that is checked out when empty.

    Raises:
        InputError: naming what is in the way.
    """
    if not repository.has_commits():
        raise InputError(f"{repository.root} has no commit yet; make the first one yourself")
    for name in _UNDER_WAY:
        place = repository.root / git(repository.root, "rev-parse", "--git-path", name).text
        if place.exists():
            what = name.partition("_")[0].partition("-")[0].lower()
            raise InputError(f"a {what} is under way in {repository.root}; finish or abort it first")
    if branch:
        _check_new(repository, branch)
    elif not branch_of(repository):
        raise InputError(
            f"no branch is checked out in {repository.root}; check one out, or name a new one with --branch"
        )
    dirty = changed(repository, paths)
    if dirty:
        shown = ", ".join(dirty[:_SHOWN]) + (f" and {len(dirty) - _SHOWN} more" if len(dirty) > _SHOWN else "")
        raise InputError(f"there are changes that are not committed: {shown}; commit or stash them first")
    answer = git(repository.root, "var", "GIT_COMMITTER_IDENT", check=False)
    if answer.code:
        raise InputError(
            "Git does not know who commits; set it: git config user.name NAME and git config user.email ADDRESS"
        )


def changed(repository: Repository, paths: Sequence[str]) -> list[str]:
    """Return the files below some paths that differ from the commit that is checked out, untracked ones too."""
    answer = git(
        repository.root, "status", "--porcelain", "--no-renames", "--untracked-files=all", "-z", "--",
        *(path or "." for path in paths),
    )  # fmt: skip
    return sorted(line[3:] for line in answer.text.split("\0") if line)


def _check_new(repository: Repository, branch: str) -> None:
    if git(repository.root, "check-ref-format", "--branch", branch, check=False).code or branch.startswith("-"):
        raise InputError(f"{branch!r} cannot be the name of a branch")
    if not git(repository.root, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", check=False).code:
        raise InputError(f"there is a branch {branch} already; name a new one")


def commit(
    repository: Repository, paths: Sequence[str], fill: Callable[[Path], None], message: str, branch: str = ""
) -> Commit | None:
    """Make a commit on top of the one that is checked out.

    Args:
        repository: a repository that is :func:`ready`.
        paths: files and folders that ``fill`` may change; nothing else is committed.
        fill: writes the files below a folder that stands for the root of the repository.
        message: the message.
        branch: new branch that gets the commit, while the one that is checked out stays; empty to move that one.

    Returns:
        The commit, None when nothing differs.

    Raises:
        GitError: if Git or one of its hooks refuses; with what they said.
    """
    base = repository.commit(HEAD)
    with tempfile.TemporaryDirectory(prefix="tenantry-") as name:
        place = Path(name).resolve() / "tree"
        git(repository.root, "worktree", "add", "--quiet", "--detach", str(place), base.hash, extra=_WRITING)
        try:
            fill(place)
            git(place, "add", "--all", "--", *(path or "." for path in paths), extra=_WRITING)
            if not git(place, "diff", "--cached", "--quiet", check=False).code:
                return None
            answer = git(
                place, "commit", "--quiet", "--cleanup=whitespace", "--file=-",
                data=message.encode("utf-8", "replace"), check=False, extra=_WRITING,
            )  # fmt: skip
            if answer.code:
                raise GitError(
                    f"git commit refused; nothing was changed: {answer.err or answer.text or 'it says nothing'}"
                )
            made = git(place, "rev-parse", HEAD).text
        finally:
            git(repository.root, "worktree", "remove", "--force", str(place), check=False, extra=_WRITING)
            git(repository.root, "worktree", "prune", check=False, extra=_WRITING)
    if branch:
        git(repository.root, "branch", "--no-track", branch, made, extra=_WRITING)
        return Commit(branch, made)
    answer = git(repository.root, "merge", "--ff-only", "--quiet", made, check=False, extra=_WRITING)
    if answer.code:
        raise GitError(f"the branch cannot move forward; nothing was changed: {answer.err or answer.text}")
    return Commit(branch_of(repository), made)


def restore(work_tree: Path, revision: Commit, path: str) -> None:
    """Make a file or folder of a work tree what it was at a revision, and stage that.

    Raises:
        GitError: if the revision does not have it.
    """
    git(work_tree, "rm", "-r", "--quiet", "--ignore-unmatch", "--", path or ".", extra=_WRITING)
    git(work_tree, "checkout", "--quiet", revision.hash, "--", path or ".", extra=_WRITING)


def trailers(repository: Repository, path: str, key: str) -> tuple[Commit | None, str]:
    """Return the newest commit that changed a path, and what one of its trailers says; empty when it has none."""
    form = f"--format=%H%n%(trailers:key={key},valueonly)"
    answer = git(repository.root, "log", "-1", "--first-parent", "-m", form, "--no-patch", HEAD, "--", path or ".")
    lines = answer.text.splitlines()
    if not lines:
        return None, ""
    return Commit(lines[0][:7], lines[0]), next((line.strip() for line in lines[1:] if line.strip()), "")
