"""Reads tables in Parquet with DuckDB, which is optional."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tenantry.errors import InputError, MissingExtra
from tenantry.io.walk import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

_FETCHED: Final = 8192


class ParquetRows:
    """Rows of a Parquet file as texts; missing values are empty.

    Attributes:
        header: names of the columns.
        line: number of the row given last, from 1.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, header: tuple[str, ...], file: str) -> None:
        self.header, self.line = header, 0
        self._connection, self._file = connection, file

    def __iter__(self) -> Iterator[list[str]]:
        import duckdb

        while True:
            try:
                rows = self._connection.fetchmany(_FETCHED)
            except duckdb.Error as error:
                raise InputError(f"{self._file} cannot be read as Parquet: {error}") from error
            if not rows:
                return
            for row in rows:
                self.line += 1
                yield [value or "" for value in row]


@contextmanager
def parquet_rows(path: Path) -> Iterator[ParquetRows]:
    """Open a Parquet file.

    Raises:
        MissingExtra: if DuckDB is not installed.
        InputError: if the file cannot be read.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra("analytics", f"reading {shown(path)}, a Parquet file,") from error
    with duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "512MB"}) as connection:
        # Only this file may be read: what it holds must not make DuckDB reach for others, or for extensions.
        try:
            header = connection.execute("SELECT * FROM read_parquet(?) LIMIT 0", [str(path)]).description
            names = tuple(str(column[0]) for column in header or ())
            texts = ", ".join(f"CAST({_quoted(name)} AS VARCHAR)" for name in names)
            connection.execute(f"SELECT {texts} FROM read_parquet(?)", [str(path)])
        except duckdb.Error as error:
            raise InputError(f"{shown(path)} cannot be read as Parquet: {error}") from error
        yield ParquetRows(connection, names, shown(path))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
