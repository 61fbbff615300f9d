"""Writes tables to CSV and Parquet, a batch at a time, so that any number of rows takes little memory."""

from __future__ import annotations

from contextlib import contextmanager
from glob import escape
from typing import TYPE_CHECKING, Final

from tenantry.errors import InputError, MissingExtra
from tenantry.io.walk import shown
from tenantry.io.yaml_read import os_reason
from tenantry.model.column import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tenantry.model.column import Cell, Column

_TYPES: Final = {Kind.TEXT: "VARCHAR", Kind.WHOLE: "BIGINT"}
_ROW_GROUP: Final = 122_880


def write_csv(path: Path, columns: Sequence[Column], batches: Iterable[Sequence[Sequence[Cell]]]) -> int:
    """Write a CSV file (RFC 4180 with bare line feeds), replacing it whole or not at all.

    Texts are quoted and missing values are not, so that an empty text and no text differ. Half characters of names are
    written as escapes.

    Returns:
        The number of rows.

    Raises:
        InputError: if the file cannot be written.
    """
    with _replaced(path) as unfinished:
        return _write(unfinished, columns, batches)


def write_parquet(path: Path, columns: Sequence[Column], batches: Iterable[Sequence[Sequence[Cell]]]) -> int:
    """Write a Parquet file, replacing it whole or not at all. Rows go through a CSV file beside it that is removed.

    Returns:
        The number of rows.

    Raises:
        MissingExtra: if DuckDB is not installed.
        InputError: if the file cannot be written.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra("analytics", f"writing {shown(path)}, a Parquet file,") from error
    names = "{" + ", ".join(f"{_text(column.name)}: '{_TYPES[column.kind]}'" for column in columns) + "}"
    read = (
        f"read_csv(?, columns={names}, header=true, auto_detect=false, delim=',', quote='\"', escape='\"', "
        "allow_quoted_nulls=false, nullstr='', parallel=false)"
    )
    plain = path.with_name(path.name + ".rows")
    with _replaced(path) as unfinished:
        try:
            count = _write(plain, columns, batches)
            with duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "512MB"}) as connection:
                target = f"{_text(str(unfinished))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP})"
                # DuckDB takes the name for a pattern.
                connection.execute(f"COPY (SELECT * FROM {read}) TO {target}", [escape(str(plain))])
        except duckdb.Error as error:
            raise InputError(f"{shown(path)} cannot be written: {error}") from error
        finally:
            plain.unlink(missing_ok=True)
    return count


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """Give a name to write to, and move what is there to the real name in the end."""
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be written: {os_reason(error)}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _write(path: Path, columns: Sequence[Column], batches: Iterable[Sequence[Sequence[Cell]]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        stream.write(",".join(column.name for column in columns) + "\n")
        for batch in batches:
            stream.write("".join(",".join(map(_cell, row)) + "\n" for row in batch))
            count += len(batch)
    return count


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
