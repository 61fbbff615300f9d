"""Reads the values of a trace: times, durations, amounts. Common texts are remembered: traces repeat themselves."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

from tenantry.io.traces.problem_log import Unusable, printable
from tenantry.model.trace import MILLI

LATEST: Final = 4_000_000_000
"""Largest relative time in seconds, 126 years: fits 32 bits, with room for a wait."""

LONGEST_RUN: Final = 10 * 365 * 86_400
"""Longest duration in seconds that is believed: ten years."""

MOST_GPUS: Final = 1_000_000
"""Most GPUs, pods or nodes of one job that are believed."""

_MISSING: Final = frozenset(("", "unknown", "none", "null", "nan", "nat", "n/a", "na", "-"))
_MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?) ?(?:UTC|Z|z|([+-]\d\d):?(\d\d)?)?)?", re.ASCII
)
_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,18}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,2})?", re.ASCII)
# Earlier times are counters that were reset, later ones are typing errors: GPU clusters are younger than 2000.
_FIRST: Final = 946_684_800
_LAST: Final = 4_102_444_800
# Enough for every second of a day in a few time zones.
_REMEMBERED: Final = 200_000


def is_missing(text: str) -> bool:
    """Whether a text stands for no value, in the ways schedulers and data frames write that."""
    return text.strip().lower() in _MISSING


class Clock:
    """Reads points in time as seconds since the Unix epoch.

    ``2017-10-09 07:01:55``, with ``T`` or a blank, with or without an offset from UTC. Times without one are UTC.
    Fractions of a second are cut off.

    Attributes:
        naive: whether a time without an offset was met.
        zoned: whether a time with one was met.
    """

    def __init__(self) -> None:
        self.naive = self.zoned = False
        self._days: dict[str, int] = {}
        self._times: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """Read one time.

        Raises:
            Unusable: if it is missing, not a time, before 2000 or after 2100.
        """
        try:
            return self._days[text[:10]] + self._times[text[10:]]
        except KeyError:
            return self._read(text)

    @property
    def used(self) -> bool:
        """Whether any time was read."""
        return bool(self._days)

    def maybe(self, text: str) -> int | None:
        """Read a time that may be missing."""
        return None if text.strip().lower() in _MISSING else self(text)

    def _read(self, text: str) -> int:
        match = _MOMENT.fullmatch(text)
        if match is None:
            if is_missing(text):
                raise Unusable("TRACE-TIME", "a time is missing", _TIME)
            raise Unusable("TRACE-TIME", "a time cannot be read", _TIME, printable(text))
        try:
            day = int(datetime.fromisoformat(match[1]).replace(tzinfo=UTC).timestamp())
            time = _clock_time(match)
        except ValueError as error:
            raise Unusable("TRACE-TIME", "there is no such time", _TIME, printable(text)) from error
        if not _FIRST <= day + time < _LAST:
            raise Unusable("TRACE-TIME", "a time is absurd", "a time from 2000 to 2099", printable(text))
        if match[2]:
            zoned = text[-1] in "Zz" or text.endswith("UTC") or match[3] is not None
            self.zoned, self.naive = self.zoned or zoned, self.naive or not zoned
        if len(self._times) < _REMEMBERED:
            self._days[text[:10]] = day
            self._times[text[10:]] = time
        return day + time


_TIME: Final = "a time such as 2024-05-31 23:59:59 or 2024-05-31T23:59:59+02:00"


def _clock_time(match: re.Match[str]) -> int:
    """Return seconds after midnight UTC of the day named.

    Raises:
        ValueError: if there is no such time of day.
    """
    if not match[2]:
        return 0
    hours, minutes, *rest = match[2].replace(",", ".").split(":")
    seconds = int(float(rest[0])) if rest else 0
    if int(hours) > 23 or int(minutes) > 59 or seconds > 60:
        raise ValueError(match[2])
    time = int(hours) * 3600 + int(minutes) * 60 + seconds
    if not match[3]:
        return time
    offset = int(match[3][1:]) * 3600 + int(match[4] or "0") * 60
    if offset > 86_400:
        raise ValueError(match[3])
    return time + offset if match[3].startswith("-") else time - offset


def relative(text: str) -> int:
    """Read seconds counted from any zero; fractions are cut off.

    Raises:
        Unusable: if it is missing, no number, negative or beyond :data:`LATEST`.
    """
    if text.isdecimal() and len(text) < 10:
        return int(text)
    expected = f"seconds from 0 to {LATEST:,}"
    if is_missing(text):
        raise Unusable("TRACE-TIME", "a time is missing", expected)
    number = _decimal(text)
    if number is None or not 0 <= number <= LATEST:
        raise Unusable("TRACE-TIME", "a time cannot be read", expected, printable(text))
    return int(number.to_integral_value(ROUND_FLOOR))


def duration(text: str) -> int:
    """Read a duration in seconds; fractions are rounded up, so that what ran never counts as nothing.

    Raises:
        Unusable: if it is missing, no number, not positive or beyond :data:`LONGEST_RUN`.
    """
    # Durations are either whole, or floats of data frames that end in .0.
    plain = text[:-2] if text[-2:] == ".0" else text
    if plain.isdecimal() and len(plain) < 9:
        seconds = int(plain)
        if seconds:
            return seconds if seconds <= LONGEST_RUN else checked_duration(seconds)
    number = _decimal(text)
    if number is None:
        message = "the duration is missing" if is_missing(text) else "the duration cannot be read"
        raise Unusable("TRACE-DURATION", message, _DURATION, printable(text))
    return checked_duration(int(number.to_integral_value(ROUND_CEILING)))


def checked_duration(seconds: int) -> int:
    """Return a duration that is believed.

    Raises:
        Unusable: if it is not positive or beyond :data:`LONGEST_RUN`.
    """
    if seconds <= 0:
        message = "the duration is zero" if not seconds else "the duration is negative"
        raise Unusable("TRACE-DURATION", message, _DURATION, str(seconds))
    if seconds > LONGEST_RUN:
        raise Unusable("TRACE-ABSURD", "the duration is absurd", "at most ten years", f"{seconds} s")
    return seconds


_DURATION: Final = "seconds above zero"


@lru_cache(maxsize=4096)
def milli(text: str, *, unit: int = 1) -> int:
    """Read an amount in thousandths, for example ``0.5`` as 500; finer ones are rounded.

    Args:
        text: a decimal number.
        unit: how many of what the text counts make one: 100 for percent.

    Raises:
        Unusable: if it is no number, negative or beyond :data:`MOST_GPUS`.
    """
    number = _decimal(text)
    if number is None or number < 0:
        raise Unusable("TRACE-GPUS", "a number cannot be read", "a number that is not negative", printable(text))
    if number > MOST_GPUS * unit:
        raise Unusable("TRACE-ABSURD", "a size is absurd", f"at most {MOST_GPUS:,}", printable(text))
    return round(number * MILLI / unit)


@lru_cache(maxsize=4096)
def count(text: str) -> int:
    """Read a whole number above zero, of pods or nodes; ``2.0`` is 2.

    Raises:
        Unusable: if it is none, or beyond :data:`MOST_GPUS`.
    """
    number = _decimal(text)
    if number is None or number < 1 or number != number.to_integral_value():
        raise Unusable("TRACE-GPUS", "a number cannot be read", "a whole number above zero", printable(text))
    if number > MOST_GPUS:
        raise Unusable("TRACE-ABSURD", "a size is absurd", f"at most {MOST_GPUS:,}", printable(text))
    return int(number)


@lru_cache(maxsize=4096)
def mebibytes(text: str, *, unit: int = 1) -> int:
    """Read an amount of memory in MiB, rounded up.

    Args:
        text: a decimal number.
        unit: MiB that one of it stands for.

    Raises:
        Unusable: if it is no number, negative, or more than fits 32 bits.
    """
    number = _decimal(text)
    if number is None or not 0 <= number * unit < 2**32:
        raise Unusable("TRACE-VALUE", "an amount of memory cannot be read", "a number not negative", printable(text))
    return int((number * unit).to_integral_value(ROUND_CEILING))


def _decimal(text: str) -> Decimal | None:
    """Read a plain decimal number; None for anything else, infinities and underscores included."""
    if _NUMBER.fullmatch(text) is None:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
