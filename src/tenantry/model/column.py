"""Columns of tables that are written to files."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, TypeAlias

Cell: TypeAlias = str | int | None
"""What stands in a row; None where nothing is known."""


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    WHOLE = "whole"


class Column(NamedTuple):
    """A column.

    Attributes:
        name: name, its unit included.
        kind: what it holds.
        meaning: what it says.
    """

    name: str
    kind: Kind
    meaning: str
