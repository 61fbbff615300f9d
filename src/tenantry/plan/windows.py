"""Change windows on a calendar: when the next one opens, and for how long none is open.

Minutes count from a Monday at midnight in the zone of the windows; changes to and from summer time are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from tenantry.model.duration import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.model.spec.platform import ChangeWindow

MONDAY = date(2024, 1, 1)
DAYS = 366 + 31
"""Days that are looked at: a leap year and a month behind it, so that every date is followed by another window."""
_DAY = 24 * 60
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEK = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True)
class Windows:
    """When something may begin.

    Attributes:
        spans: opening and closing minute of every time in which a window is open, in order, none touching another.
    """

    spans: tuple[tuple[int, int], ...]

    def begin(self, minute: int) -> int:
        """Return the first minute, from one on, at which a window is open; the minute itself behind the calendar."""
        for start, end in self.spans:
            if end > minute:
                return max(start, minute)
        return minute

    @property
    def longest_closed(self) -> int:
        """Minutes for which no window is open at most, between two that are."""
        return max((after[0] - before[1] for before, after in zip(self.spans, self.spans[1:], strict=False)), default=0)


def windows_of(windows: Sequence[ChangeWindow]) -> Windows | None:
    """Return the calendar of windows; None without any, or where they are in several time zones."""
    if len({window.time_zone for window in windows}) != 1:
        return None
    spans = sorted(span for window in windows for span in _spans(window))
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return Windows(tuple(merged)) if merged else None


def _spans(window: ChangeWindow) -> Iterator[tuple[int, int]]:
    """Yield when a window opens and closes.

    A day counts if both its date and its day of the week fit, or one of them where both are restricted.

    Source: github.com/robfig/cron v3, spec.go, dayMatches.
    """
    minute, hour, day, month, weekday = window.schedule.lower().split()
    minutes, hours = _numbers(minute, 0, 59), _numbers(hour, 0, 23)
    days, months, week = _numbers(day, 1, 31), _numbers(month, 1, 12, _MONTHS), _numbers(weekday, 0, 6, _WEEK)
    either = day[0] not in "*?" and weekday[0] not in "*?"
    length = (parse_duration(window.duration) or 0) // 60
    for number in range(DAYS):
        today = MONDAY + timedelta(number)
        fits = (today.day in days, today.isoweekday() % 7 in week)
        if today.month in months and (any(fits) if either else all(fits)):
            for start in (number * _DAY + at * 60 + past for at in hours for past in minutes):
                yield start, start + length


def _numbers(text: str, low: int, high: int, names: Sequence[str] = ()) -> list[int]:
    """Return the numbers a field of a cron expression stands for, in order; the compiler has checked it."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        if first in {"*", "?"}:
            start, end = low, high
        else:
            start = _number(first, low, names)
            end = _number(last, low, names) if dash else (high if step else start)
        found.update(range(start, end + 1, int(step or 1)))
    return sorted(found)


def _number(text: str, low: int, names: Sequence[str]) -> int:
    return names.index(text) + low if text in names else int(text)
