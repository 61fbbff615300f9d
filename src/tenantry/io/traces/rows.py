"""Rows of a table with the lines they stand on: from a text with separators, or from Parquet."""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol

from tenantry.errors import InputError
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
    """

    def __init__(self, blocks: TextBlocks, file: str, log: ProblemLog, layout: Layout) -> None:
        self._blocks, self._file, self._log = blocks, file, log
        # Everything between the file and the rows is C: a generator per line would halve the speed.
        lines = chain.from_iterable(io.StringIO(block, newline="") for block in blocks)
        self._reader = _reader(lines, layout)
        self.header: Sequence[str] = layout.header or self._first()

    @property
    def line(self) -> int:
        """1-based line of the row given last."""
        return self._reader.line_num

    def __iter__(self) -> Iterator[Row]:
        reader, width, blocks = self._reader, len(self.header), self._blocks
        row: Row = []
        while True:
            try:
                for row in reader:
                    if len(row) != width:
                        self._odd(row)
                        continue
                    yield self._clean(row) if blocks.dirty else row
                break
            except csv.Error as error:
                message = "a row cannot be read and is left out"
                self._log.add("TRACE-LINE", self._place(), message, found=str(error))
        if not blocks.complete and len(row) == width:
            self._log.add("TRACE-LAST-LINE", self._place(), "the last line has no end, so it may have been cut")

    def _first(self) -> Row:
        try:
            return next(self._reader, [])
        except csv.Error as error:
            raise InputError(f"{self._file}:1: the header cannot be read: {error}") from error

    def _odd(self, row: Row) -> None:
        if not row:  # an empty line
            return
        expected, found = f"{len(self.header)} columns", f"{len(row)}"
        if self._blocks.complete:
            message = "the row has another number of columns than the header and is left out"
            self._log.add("TRACE-COLUMNS", self._place(), message, expected, found)
        else:
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
        return Location(self._file, self._reader.line_num)


_HALVES: Final = range(0xDC80, 0xDD00)


def _escaped(text: str) -> str:
    if text.isascii() or not any(ord(letter) in _HALVES for letter in text):
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _reader(lines: Iterable[str], layout: Layout) -> _csv.Reader:
    if layout.quoted:
        return csv.reader(lines, delimiter=layout.delimiter)
    return csv.reader(lines, delimiter=layout.delimiter, quoting=csv.QUOTE_NONE)
