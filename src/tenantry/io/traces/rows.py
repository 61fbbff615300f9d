"""Rows of a table with the lines they stand on: from a text with separators, or from Parquet."""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol

from tenantry.io.traces.parquet import parquet_rows
from tenantry.io.traces.problem_log import printable
from tenantry.io.traces.source import PARQUET, TextBlocks, head_of, open_binary
from tenantry.io.walk import shown
from tenantry.model.problem import Location

if TYPE_CHECKING:
    import _csv
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tenantry.io.traces.problem_log import ProblemLog

Row = list[str]


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows are written.

    Attributes:
        delimiter: what stands between two columns.
        quoted: whether a column in double quotes may hold delimiters and line ends.
        header: names of the columns of a file that does not start with them; empty for one that does.
    """

    delimiter: str = ","
    quoted: bool = True
    header: tuple[str, ...] = ()


class Rows(Protocol):
    """Rows that have as many columns as the header."""

    @property
    def header(self) -> Sequence[str]:
        """Names of the columns as they stand in the file."""

    @property
    def line(self) -> int:
        """1-based line of the row given last; for Parquet the number of the row."""

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows; those that have another number of columns are problems."""


@contextmanager
def open_rows(path: Path, log: ProblemLog, layout: Layout) -> Iterator[Rows]:
    """Open a table.

    Raises:
        InputError: if it cannot be read.
        MissingExtra: for Parquet, if DuckDB is not installed.
    """
    if head_of(path, len(PARQUET)) == PARQUET:
        with parquet_rows(path) as rows:
            yield rows
    else:
        with open_binary(path) as stream:
            yield TextRows(TextBlocks(stream, shown(path), log), shown(path), log, layout)


def first_row(line: str, layout: Layout) -> Row:
    """Take one line apart; empty when it cannot be."""
    try:
        return next(_reader([line], layout), [])
    except csv.Error:
        return []


class TextRows:
    """Rows of a text.

    Attributes:
        header: names of the columns.
        line: 1-based line of the row given last.
    """

    def __init__(self, blocks: TextBlocks, file: str, log: ProblemLog, layout: Layout) -> None:
        self._state, self._file, self._log, self._layout = blocks, file, log, layout
        self._blocks = iter(blocks)
        self._block = next(self._blocks, "")
        self.header: Sequence[str] = layout.header
        self.line = 0
        self._cut = False
        if not self.header:
            first, end, self._block = self._block.partition("\n")
            self.header = first_row(first.rstrip("\r"), layout)
            self.line = 1 if end else 0

    def __iter__(self) -> Iterator[Row]:
        """Yield rows: by splitting lines, which is twice as fast as the csv module, as long as nothing is quoted."""
        width, delimiter, state = len(self.header), self._layout.delimiter, self._state
        block: str | None = self._block
        while block is not None:
            plain = block.replace("\r\n", "\n") if "\r" in block else block
            if "\r" in plain or (self._layout.quoted and '"' in plain):
                yield from self._quoted(block)
                break
            lines = plain.split("\n")
            if not lines[-1]:
                lines.pop()
            for line in lines:
                self.line += 1
                row = line.split(delimiter)
                if len(row) != width:
                    self._odd(row)
                else:
                    yield self._clean(row) if state.dirty else row
            block = next(self._blocks, None)
        if not self._state.complete and not self._cut:
            self._log.add("TRACE-LAST-LINE", self._place(), "the last line has no end, so it may have been cut")

    def _quoted(self, block: str) -> Iterator[Row]:
        """Yield rows in which columns may be quoted, from this block on."""
        lines = chain.from_iterable(io.StringIO(part, newline="") for part in chain([block], self._blocks))
        reader, before, width, state = _reader(lines, self._layout), self.line, len(self.header), self._state
        while True:
            try:
                for row in reader:
                    self.line = before + reader.line_num
                    if len(row) != width:
                        self._odd(row)
                    else:
                        yield self._clean(row) if state.dirty else row
                return
            except csv.Error as error:
                self.line = before + reader.line_num
                message = "a row cannot be read and is left out"
                self._log.add("TRACE-LINE", self._place(), message, found=str(error))

    def _odd(self, row: Row) -> None:
        """Report a row with another number of columns, unless it is an empty line."""
        if row in ([], [""]):
            return
        expected, found = f"{len(self.header)} columns", f"{len(row)}"
        if self._state.complete:
            message = "the row has another number of columns than the header and is left out"
            self._log.add("TRACE-COLUMNS", self._place(), message, expected, found)
        else:
            self._cut = True
            message = "the last line ends in the middle of a row and is left out"
            self._log.add("TRACE-CUT", self._place(), message, expected, found)

    def _clean(self, row: Row) -> Row:
        """Turn half characters, which stand for bytes that are not UTF-8, into escapes."""
        cleaned = [_escaped(text) for text in row]
        if cleaned != row:
            found = next(printable(new) for old, new in zip(row, cleaned, strict=True) if old != new)
            message = "the row holds bytes that are not UTF-8; they are kept as escapes"
            self._log.add("TRACE-ENCODING", self._place(), message, "UTF-8 text", found)
        return cleaned

    def _place(self) -> Location:
        return Location(self._file, self.line)


_HALVES: Final = range(0xDC80, 0xDD00)


def _escaped(text: str) -> str:
    if text.isascii() or not any(ord(letter) in _HALVES for letter in text):
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _reader(lines: Iterable[str], layout: Layout) -> _csv.Reader:
    if layout.quoted:
        return csv.reader(lines, delimiter=layout.delimiter)
    return csv.reader(lines, delimiter=layout.delimiter, quoting=csv.QUOTE_NONE)
