"""Runs the git command: without a shell, with its answer as bytes and its errors translated."""

from __future__ import annotations

import os
import re
import subprocess
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tenantry.errors import GitError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OLDEST = (2, 25)
"""Oldest version that is accepted: of January 2020, the first with everything that is used."""
_OF_ANOTHER = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""Variables a hook is started with; they would lead into another repository than the one that is named."""
_READING = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_LITERAL_PATHSPECS": "1"}
"""Messages that can be told apart, no lock on the index to refresh it, and ``*`` in a name is a ``*``."""


class Answer(NamedTuple):
    """What a call of git gave.

    Attributes:
        code: its exit code.
        out: its standard output.
        err: its standard error, without ``fatal:`` and ``error:`` in front.
    """

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Standard output as text, without the end of the last line; bytes that are not UTF-8 survive a way back."""
        return self.out.decode("utf-8", "surrogateescape").rstrip("\n")


def git(
    folder: Path, *arguments: str, data: bytes = b"", check: bool = True, extra: Mapping[str, str] | None = None
) -> Answer:
    """Run git in a folder.

    Args:
        folder: folder to run in.
        arguments: arguments, none of which a shell sees.
        data: standard input.
        check: whether an exit code other than 0 is an error.
        extra: further variables; when None, those for reading.

    Raises:
        GitError: if git is missing or too old, cannot be started, or failed while ``check`` is set.
    """
    version()
    answer = _start(("-C", os.fspath(folder), *arguments), data, _READING if extra is None else extra)
    if check and answer.code:
        raise GitError(f"git {arguments[0]} failed in {folder}: {answer.err or f'exit code {answer.code}'}")
    return answer


def _start(arguments: tuple[str, ...], data: bytes, extra: Mapping[str, str]) -> Answer:
    around = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER}
    try:
        done = subprocess.run(
            ["git", "--no-pager", *arguments], input=data, capture_output=True, check=False, env={**around, **extra}
        )
    except FileNotFoundError as error:
        raise GitError("the command git is not there; install Git, or compare two folders instead") from error
    except (OSError, ValueError) as error:
        raise GitError(f"the command git cannot be started: {error}") from error
    said = done.stderr.decode("utf-8", "replace").strip()
    return Answer(done.returncode, done.stdout, re.sub(r"^(fatal|error): ", "", said, flags=re.MULTILINE))


@lru_cache(maxsize=1)
def version() -> tuple[int, ...]:
    """Return the version of git.

    Raises:
        GitError: if git is missing or too old.
    """
    said = _start(("--version",), b"", _READING).text
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None:
        raise GitError(f"the command git does not say its version: {said!r}")
    numbers = tuple(map(int, found.groups()))
    if numbers < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise GitError(f"git {'.'.join(map(str, numbers))} is too old; {needed} or later is needed")
    return numbers
