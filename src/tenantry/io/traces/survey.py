"""The first pass over a table: when the first job was submitted, and which job ids may stand there twice.

Times count from the first submission, which may be in the last row; and a set of ten million ids would take a
gigabyte. A Bloom filter finds the few ids that may be doubled, and the second pass looks only at those, exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenantry.io.traces.problem_log import Unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tenantry.io.traces.rows import Row

# 32 MiB of bits: of ten million ids 1.9 % are suspected wrongly, which costs memory and no error.
_MOST_BITS: Final = 1 << 28
_FEWEST_BITS: Final = 1 << 16
# Bits for each byte of the table: a row has ten bytes or more, and with 40 bits for each id few share one.
_BITS_PER_BYTE: Final = 4
_MOST_SUSPECTS: Final = 400_000
# Length of a time without offset or fractions: of two such, the smaller text is the earlier time.
_PLAIN: Final = 19


class Doubles:
    """Finds ids that are there more than once.

    Attributes:
        all_checked: whether every id was looked at; there is a limit to the suspects remembered.
        suspects: ids that may be there more than once; True once the second pass has met them.
    """

    def __init__(self, size: int) -> None:
        self.all_checked = True
        self.suspects: dict[str, bool] = {}
        self._mask = min(_MOST_BITS, max(_FEWEST_BITS, 1 << (size * _BITS_PER_BYTE).bit_length())) - 1

    def watch(self, rows: Iterable[Row], identity: Callable[[Row], str]) -> Iterator[Row]:
        """Look at the ids of all rows in the first pass, and hand the rows on."""
        bits, mask, suspects = bytearray((self._mask + 1) // 8), self._mask, self.suspects
        for row in rows:
            name = identity(row)
            slot = hash(name) & mask
            bit = 1 << (slot & 7)
            slot >>= 3
            if not bits[slot] & bit:
                bits[slot] |= bit
            elif len(suspects) < _MOST_SUSPECTS:
                suspects[name] = False
            else:
                self.all_checked = False
            yield row

    def repeated(self, name: str) -> bool:
        """Whether the second pass meets one of the suspects again."""
        seen = self.suspects[name]
        self.suspects[name] = True
        return seen


def first_of(rows: Iterable[Row], submitted: Callable[[Row], int], column: int | None) -> int | None:
    """Return the smallest time of submission, None when no row has one.

    Args:
        rows: the rows.
        submitted: reads the time of submission of a row, or raises :class:`Unusable`.
        column: where it reads only this column, and that with a :class:`~tenantry.io.traces.values.Clock`.
    """
    first: int | None = None
    lowest = ""
    for row in rows:
        if lowest and column is not None:
            text = row[column]
            # Most times can be told to be later without reading them.
            if len(text) == _PLAIN and text >= lowest and text[10] == lowest[10]:
                continue
        try:
            time = submitted(row)
        except Unusable:
            continue
        if first is None or time < first:
            first = time
            text = row[column] if column is not None else ""
            lowest = text if len(text) == _PLAIN and text[4] == "-" else ""
    return first
