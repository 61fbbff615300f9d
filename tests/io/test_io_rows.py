"""Tables as CSV and Parquet files."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING

import pytest

from tenantry.errors import InputError, MissingExtra
from tenantry.io.rows import write_csv, write_parquet
from tenantry.model.column import Column, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS = (Column("name", Kind.TEXT, "a name"), Column("seconds", Kind.WHOLE, "a time"))
ROWS: list[tuple[str | None, int | None]] = [
    ("plain", 1),
    ('a "quoted", name', 2**40),
    ("two\nlines\r", -1),
    ("", None),
    (None, 0),
    ("\\N", 7),
    ("é日\U0001f600", 8),
]


def batches() -> Iterator[list[tuple[str | None, int | None]]]:
    yield ROWS[:3]
    yield ROWS[3:]


def test_a_csv_file_gives_back_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "new" / "rows.csv"
    assert write_csv(file, COLUMNS, batches()) == len(ROWS)
    with file.open(encoding="utf-8", newline="") as stream:
        read = list(csv.reader(stream))
    assert read[0] == ["name", "seconds"]
    assert read[1:] == [[name or "", "" if number is None else str(number)] for name, number in ROWS]
    assert [entry.name for entry in file.parent.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize("name", ["rows.parquet", "odd [1] *'name?.parquet"])
def test_a_parquet_file_gives_back_what_was_written_with_types_and_missing_values(tmp_path: Path, name: str) -> None:
    duckdb = pytest.importorskip("duckdb")
    file = tmp_path / name
    assert write_parquet(file, COLUMNS, batches()) == len(ROWS)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    file = file.rename(tmp_path / "plain.parquet")
    with duckdb.connect(":memory:") as connection:
        found = connection.execute("SELECT * FROM read_parquet(?)", [str(file)])
        assert [(column[0], str(column[1])) for column in found.description] == [
            ("name", "VARCHAR"),
            ("seconds", "BIGINT"),
        ]
        assert found.fetchall() == ROWS


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    one, other = tmp_path / "one.parquet", tmp_path / "other.parquet"
    write_parquet(one, COLUMNS, batches())
    write_parquet(other, COLUMNS, batches())
    assert one.read_bytes() == other.read_bytes()


def test_half_a_character_becomes_an_escape(tmp_path: Path) -> None:
    write_csv(tmp_path / "rows.csv", COLUMNS, [[("a\udcffb", 1)]])
    assert (tmp_path / "rows.csv").read_text("utf-8").splitlines()[1] == '"a\\udcffb",1'


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("old", "utf-8")

    def broken() -> Iterator[list[tuple[str, int]]]:
        yield [("a", 1)]
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"rows\.csv cannot be written"):
        write_csv(file, COLUMNS, broken())
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.csv"]
    assert file.read_text("utf-8") == "old"


def test_without_duckdb_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingExtra, match=r"rows\.parquet.*analytics"):
        write_parquet(tmp_path / "rows.parquet", COLUMNS, batches())
    assert not list(tmp_path.iterdir())
