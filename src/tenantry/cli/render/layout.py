"""Paragraphs and tables for a terminal, as wide as it is."""

from __future__ import annotations

import io
import shutil
import textwrap
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Justify = Literal["left", "right"]

UNKNOWN_WIDTH = 100
"""Columns where no terminal says how many it has."""
NARROWEST, WIDEST = 70, 140


_fixed: ContextVar[int] = ContextVar("columns", default=0)


@contextmanager
def columns(number: int) -> Iterator[None]:
    """Write for so many columns inside the block, whatever the terminal has."""
    token = _fixed.set(number)
    try:
        yield
    finally:
        _fixed.reset(token)


def width() -> int:
    """Columns to write for; the variable ``COLUMNS`` counts before the terminal."""
    if _fixed.get():
        return _fixed.get()
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((UNKNOWN_WIDTH, 24)).columns))


def printable(text: str) -> str:
    """Return text without characters that could make a terminal lie."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


def paragraph(text: str, *, indent: str = "", hang: str = "") -> list[str]:
    """Wrap a text; further lines begin below the text behind ``indent``, then with ``hang``."""
    return textwrap.wrap(
        printable(text),
        width(),
        initial_indent=indent,
        subsequent_indent=" " * len(indent) + hang,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, justify: str = "", indent: int = 0) -> list[str]:
    """Lay out a table.

    Args:
        header: names of the columns.
        rows: cells as text.
        justify: a letter per column, ``l`` or ``r``; left where there is none.
        indent: columns to leave free on the left.
    """
    from rich.console import Console
    from rich.table import Table

    grid = Table(
        show_header=any(header), box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False, header_style=""
    )
    for position, name in enumerate(header):
        side: Justify = "right" if justify[position : position + 1] == "r" else "left"
        longest = max((len(row[position]) for row in rows), default=0)
        # Names in front stay whole as long as they leave room for the rest; remarks at the end are wrapped.
        whole = side == "right" or (position == 0 and longest <= width() // 2)
        grid.add_column(name, justify=side, overflow="fold", no_wrap=whole)
    for row in rows:
        grid.add_row(*(printable(cell) for cell in row))
    buffer = io.StringIO()
    console = Console(
        file=buffer, width=width() - indent, color_system=None, markup=False, highlight=False, emoji=False
    )
    console.print(grid)
    return [f"{' ' * indent}{line}".rstrip() for line in buffer.getvalue().splitlines()]
