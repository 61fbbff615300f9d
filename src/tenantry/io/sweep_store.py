"""The folder of a sweep: a file per finished run, so that a sweep that was interrupted, or shared out, goes on.

``sweep.json`` says what the sweep is; ``runs/000042.json`` is the run of that number; ``results.jsonl`` holds all runs,
a line each, once all are there. Every file is written beside its place and moved there whole.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Final

from tenantry.errors import InputError, TreeError
from tenantry.io.walk import shown
from tenantry.io.yaml_read import os_reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

PLAN: Final = "sweep.json"
RUNS: Final = "runs"
RESULTS: Final = "results.jsonl"
FORMAT_VERSION: Final = "1.0"
_UNFINISHED: Final = ".unfinished"


class SweepStore:
    """A folder of runs.

    Attributes:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, plan: Mapping[str, Any]) -> None:
        """Make the folder, or go on in it.

        Args:
            plan: what the sweep is: the same plan gives the same runs.

        Raises:
            InputError: if the folder holds something that is no sweep.
            TreeError: if it cannot be written.
        """
        try:
            present = sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []
            if present and PLAN not in present:
                raise InputError(f"{shown(self.folder)} is not empty and holds no sweep ({PLAN}); name another folder")
            (self.folder / RUNS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TreeError(f"{shown(self.folder)} cannot be written: {os_reason(error)}") from error
        self._write(self.folder / PLAN, _text({"formatVersion": FORMAT_VERSION, **plan}))

    def plan(self) -> dict[str, Any]:
        """Return what the sweep in the folder is.

        Raises:
            InputError: if there is none that this version understands.
        """
        plan = self._read(self.folder / PLAN)
        if plan is None or not str(plan.get("formatVersion", "")).startswith("1."):
            raise InputError(f"{shown(self.folder)} holds no sweep ({PLAN}) that this version understands")
        return plan

    def run(self, number: int) -> dict[str, Any] | None:
        """Return a finished run; None when there is none of that number."""
        return self._read(self._place(number))

    def finish(self, number: int, run: Mapping[str, Any]) -> None:
        """Write a finished run.

        Raises:
            TreeError: if it cannot be written.
        """
        self._write(self._place(number), _text(run))

    def tidy(self, count: int) -> None:
        """Remove runs from a number on, which a longer sweep left, and files that nobody finished.

        Raises:
            TreeError: if they cannot be removed.
        """
        wanted = {self._place(number).name for number in range(count)}
        try:
            for path in sorted((self.folder / RUNS).iterdir()):
                if path.name not in wanted and path.suffix in {".json", _UNFINISHED}:
                    path.unlink()
        except OSError as error:
            raise TreeError(f"{shown(self.folder)} cannot be written: {os_reason(error)}") from error

    def merge(self, rows: Iterable[Mapping[str, Any]]) -> Path:
        """Write all runs as one file, a line each.

        Raises:
            TreeError: if it cannot be written.
        """
        place = self.folder / RESULTS
        self._write(place, "".join(line(row) for row in rows))
        return place

    def missing(self, count: int) -> Iterator[int]:
        """Yield the numbers of runs that are not finished."""
        return (number for number in range(count) if not self._place(number).is_file())

    def _place(self, number: int) -> Path:
        return self.folder / RUNS / f"{number:06d}.json"

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            value = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            return None  # half a file of another origin: the run is done again
        except OSError as error:
            raise InputError(f"{shown(path)} cannot be read: {os_reason(error)}") from error
        return value if isinstance(value, dict) else None

    def _write(self, path: Path, text: str) -> None:
        # Shards write to one folder at the same time, and processes of several pods share their numbers.
        unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
        try:
            with unfinished.open("x", encoding="utf-8", newline="") as stream:
                stream.write(text)
            unfinished.replace(path)
        except OSError as error:
            raise TreeError(f"{shown(path)} cannot be written: {os_reason(error)}") from error
        finally:
            unfinished.unlink(missing_ok=True)


def line(row: Mapping[str, Any]) -> str:
    """Return a row as a line of JSON."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def write_parquet(lines: Path, target: Path) -> None:
    """Turn merged runs into a Parquet file; nested maps become structures.

    Raises:
        MissingExtra: if DuckDB is not installed.
        InputError: if the file cannot be written.
    """
    from tenantry.errors import MissingExtra

    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra("analytics", f"writing {shown(target)}, a Parquet file,") from error
    unfinished = target.with_name(target.name + _UNFINISHED)
    rows = f"read_json({_quoted(lines)}, format = 'newline_delimited', sample_size = -1)"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(":memory:", config={"threads": 1}) as connection:
            connection.execute(f"COPY (SELECT * FROM {rows} ORDER BY run) TO {_quoted(unfinished)} (FORMAT parquet)")
        unfinished.replace(target)
    except (duckdb.Error, OSError) as error:
        raise InputError(f"{shown(target)} cannot be written: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
