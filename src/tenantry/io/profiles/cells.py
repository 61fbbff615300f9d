"""Reads comma-separated values with a header, and the values in them."""

from __future__ import annotations

import csv
import math
import re
from typing import TYPE_CHECKING, Final

from tenantry.catalog import gpus
from tenantry.errors import InputError
from tenantry.io.profiles.reading import Unusable
from tenantry.io.walk import shown
from tenantry.io.yaml_read import os_reason
from tenantry.model.problem import Location, nearest_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tenantry.io.profiles.reading import Collector
    from tenantry.model.gpu import Gpu

MOST: Final = 1e12
"""Work per second, seconds or items beyond which a number is a slip."""
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST: Final = 80


class Row:
    """The cells of a line by column."""

    def __init__(self, cells: dict[str, str], place: Location) -> None:
        self._cells, self.place = cells, place

    def text(self, column: str) -> str:
        """What stands in a column, without blanks around it; empty where the table has no such column."""
        return self._cells.get(column, "").strip()

    def number(self, column: str) -> float:
        """Read a number that is not negative.

        Raises:
            Unusable: if it is missing, none, negative, not finite or beyond :data:`MOST`.
        """
        text = self.text(column)
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not 0 <= value <= MOST:
            raise Unusable("PROFILE-VALUE", f"{column} cannot be used", "a number from 0 on", quoted(text))
        return value

    def optional(self, column: str) -> float | None:
        """Read a number above zero that may be missing.

        Raises:
            Unusable: if it is there and cannot be used.
        """
        return self.positive(column) if self.text(column) else None

    def positive(self, column: str) -> float:
        """Read a number above zero.

        Raises:
            Unusable: if it is none.
        """
        value = self.number(column)
        if not value:
            raise Unusable("PROFILE-VALUE", f"{column} cannot be used", "a number above 0", quoted(self.text(column)))
        return value

    def whole(self, column: str, least: int, default: int | None = None) -> int:
        """Read a whole number.

        Args:
            column: name of the column.
            least: lowest that is accepted.
            default: what an empty cell means; None when it means nothing.

        Raises:
            Unusable: if it is none.
        """
        text = self.text(column)
        if not text and default is not None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= least):
            expected = f"a whole number from {least} on"
            raise Unusable("PROFILE-VALUE", f"{column} cannot be used", expected, quoted(text))
        return int(text)


def quoted(text: str) -> str:
    """What was found, for people: on one line, of limited length."""
    if not text:
        return "nothing"
    return ascii(text[:_LONGEST]) + ("…" if len(text) > _LONGEST else "")


def header_of(path: Path) -> tuple[str, ...]:
    """Return the names of the columns; empty for an empty file.

    Raises:
        InputError: if the file cannot be read or is no text.
    """
    for _, cells in _lines(path):
        return tuple(name.strip() for name in cells)
    return ()


def rows_of(path: Path, collector: Collector) -> Iterator[Row]:
    """Yield the rows below the header; those of another width are problems.

    Raises:
        InputError: if the file cannot be read or is no text.
    """
    head: Sequence[str] = ()
    for number, (line, cells) in enumerate(_lines(path)):
        place = Location(shown(path), line)
        if not number:
            head = [name.strip() for name in cells]
            twice = next((name for name in head if head.count(name) > 1), None)
            if twice:
                raise InputError(
                    f"{shown(path)}:1: expected the column {twice} once; found it {head.count(twice)} times"
                )
        elif len(cells) != len(head):
            problem = Unusable(
                "PROFILE-COLUMNS",
                "the row has another number of cells than the header",
                f"{len(head)}",
                f"{len(cells)}",
            )
            collector.refuse(place, problem)
        else:
            yield Row(dict(zip(head, cells, strict=True)), place)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each line that is not empty."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                if any(cells):
                    yield reader.line_num, cells
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {os_reason(error)}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{shown(path)} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except csv.Error as error:
        raise InputError(f"{shown(path)}:{reader.line_num}: expected comma-separated values; {error}") from error


def find_gpu(text: str, profile: str = "") -> Gpu:
    """Return the GPU of the catalog that a text names: by its id, or as the driver or the node label names a card.

    Args:
        text: id or name of the card.
        profile: MIG profile seen on it, which tells cards of one name apart.

    Raises:
        Unusable: if there is none.
    """
    known = gpus()
    if text in known:
        return known[text]
    # The driver says "NVIDIA A100-SXM4-80GB MIG 1g.10gb", the label of the node NVIDIA-A100-SXM4-80GB.
    product = text.partition(" MIG ")[0].replace(" ", "-")
    named = [gpu for gpu in known.values() if gpu.product == product]
    if named:
        return next((gpu for gpu in named if gpu.profile(profile)), named[0])
    begun = next((name for name in sorted(known, reverse=True) if text and name.startswith(text.lower())), None)
    near = begun or nearest_name(text, known) or nearest_name(product, {gpu.product for gpu in known.values()})
    raise Unusable("PROFILE-GPU", "the GPU model is not known", "a GPU of the catalog", quoted(text), near)


def check_profile(gpu: Gpu, name: str) -> str:
    """Return the name of a MIG profile that the GPU has.

    Raises:
        Unusable: if it has none of that name.
    """
    if gpu.profile(name) is None:
        names = [profile.name for profile in gpu.profiles]
        expected = f"one of {', '.join(names)}" if names else "no slice: it has no MIG"
        near = nearest_name(name, names)
        raise Unusable("PROFILE-SLICE", f"{gpu.id} has no such slice", expected, quoted(name), near)
    return name
