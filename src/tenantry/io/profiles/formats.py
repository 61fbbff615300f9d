"""The formats that are read, in the order in which they are looked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tenantry.errors import InputError
from tenantry.io.profiles import miso, own, parvagpu
from tenantry.io.profiles.cells import find_gpu, header_of, quoted
from tenantry.io.profiles.reading import Collector, ProfileReading, Unusable
from tenantry.io.walk import Walk, shown
from tenantry.io.yaml_read import os_reason
from tenantry.model.problem import Location, nearest_name

MOST_PROBLEMS: Final = 20
"""Problems that are spelled out when a table has no row that can be used."""


@dataclass(frozen=True, slots=True)
class ProfileFormat:
    """A format of profile tables.

    Attributes:
        name: what users call it.
        title: what it is.
        columns: the columns it is known by.
        read: reads a file, given the GPU that was measured or an empty text.
    """

    name: str
    title: str
    columns: frozenset[str]
    read: Callable[[Path, Collector, str], None]


FORMATS: Final[tuple[ProfileFormat, ...]] = (
    ProfileFormat("parvagpu", "ParvaGPU, a file per model", parvagpu.COLUMNS, parvagpu.read),
    ProfileFormat("miso", "MISO, training on slices", miso.COLUMNS, miso.read),
    ProfileFormat("own", "what tenantry probe writes", frozenset(own.NEEDED), own.read),
)
"""Every format; the first whose columns are all in the header reads a file."""


def read_profiles(path: Path, *, gpu: str = "") -> ProfileReading:
    """Read a profile table: one file, or every ``.csv`` file below a folder. Each file may have another format.

    Args:
        path: file or folder.
        gpu: GPU of the catalog that was measured, where a format does not say or the published one is not meant.

    Raises:
        InputError: if it cannot be read, is of no known format, or has no row that can be used; names the reasons.
    """
    if gpu:
        _check_gpu(gpu)
    collector = Collector()
    known = 0
    for file in _files(path):
        found = _format_of(header_of(file))
        if found is not None:
            known += 1
            found.read(file, collector, gpu)
        elif path.is_dir():
            collector.note("PROFILE-PASSED-OVER", Location(shown(file), 1), "the file is no profile table; passed over")
        else:
            raise InputError(f"{shown(file)}:1: no profile table{_hint(header_of(file))}")
    if not known:
        raise InputError(f"{shown(path)} holds no profile table; expected a .csv file{_expected()}")
    reading = collector.finish()
    if not reading.table.measurements:
        raise InputError(_no_rows(path, reading))
    return reading


def _check_gpu(gpu: str) -> None:
    try:
        find_gpu(gpu)
    except Unusable as problem:
        hint = f"; did you mean {problem.nearest!r}?" if problem.nearest else ""
        message = f"there is no GPU {problem.found} in the catalog; expected one of it{hint}"
        raise InputError(message) from problem


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        next(path.iterdir(), None)
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {os_reason(error)}") from error
    walk = Walk(lambda name: name.lower().endswith(".csv"))
    walk.add_folder(path)
    if walk.problems:
        raise InputError("\n".join(f"{shown(each.path)} {each.reason}" for each in walk.problems))
    return walk.files


def _format_of(header: tuple[str, ...]) -> ProfileFormat | None:
    return next((each for each in FORMATS if each.columns <= set(header)), None)


def _hint(header: tuple[str, ...]) -> str:
    """Say what was found and expected, and which column seems to be misspelled."""
    found = quoted(", ".join(header))
    near = ""
    close = max(FORMATS, key=lambda each: len(each.columns & set(header)))
    if close.columns & set(header):
        missing = sorted(close.columns - set(header))
        likely = nearest_name(missing[0], [name for name in header if name not in close.columns])
        near = f"; it is {close.name} but for {', '.join(missing)}"
        near += f": is {likely!r} meant to be {missing[0]!r}?" if likely else ""
    return f"; found {found}{near}; expected{_expected()}"


def _expected() -> str:
    return "".join(f"\n  {each.name}: {', '.join(sorted(each.columns))}" for each in FORMATS)


def _no_rows(path: Path, reading: ProfileReading) -> str:
    lines = [str(problem) for problem in reading.problems]
    if len(lines) > MOST_PROBLEMS:
        lines[MOST_PROBLEMS:] = [f"and {len(lines) - MOST_PROBLEMS} more problems"]
    return "\n".join([f"{shown(path)} has no measurement that can be used", *lines])
