"""Progress on standard error, only where a person is looking."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def step(text: str) -> Iterator[None]:
    """Show a spinner with ``text`` while the block runs; nothing when standard error is not a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


@contextmanager
def counted(text: str) -> Iterator[Callable[[int, int], None]]:
    """Show a spinner with ``text`` and how many are done of how many; the block is given what to tell it."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console

    with Console(stderr=True).status(text) as status:
        yield lambda done, total: status.update(f"{text}: {done} of {total}")
