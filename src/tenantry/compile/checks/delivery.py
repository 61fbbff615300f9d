"""Delivery: change windows that Argo CD understands, and a name for the tree that none of its Applications has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tenantry import catalog
from tenantry.compile.components import COMPONENTS
from tenantry.compile.problems import at
from tenantry.model.problem import nearest_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster
    from tenantry.model.problem import DocPath, SpecProblem

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
CRON_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)
"""Fields of a cron expression: name, lowest and highest number, names for numbers from the lowest.

Sunday is 0 and never 7. Source: github.com/robfig/cron v3, spec.go and parser.go, which Argo CD reads windows with.
"""
_DURATION_PART = re.compile(r"(\d+)([hms])")


def cron_fault(schedule: str) -> str:
    """Say what is wrong with a cron expression; empty when it is one."""
    fields = schedule.split()
    if len(fields) != len(CRON_FIELDS):
        return f"{len(fields)} fields instead of {len(CRON_FIELDS)}"
    for text, (name, low, high, names) in zip(fields, CRON_FIELDS, strict=True):
        for part in text.split(","):
            if not _cron_part(part, low, high, names):
                words = f" or {names[0].upper()} to {names[-1].upper()}" if names else ""
                return f"{part!r} is no {name} ({low} to {high}{words})"
    return ""


def _cron_part(part: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    span, slash, step = part.partition("/")
    if slash and not (step.isascii() and step.isdigit() and int(step) > 0):
        return False
    if span in {"*", "?"}:
        return True
    first, dash, last = span.partition("-")
    numbers = [_cron_number(text, low, names) for text in ([first, last] if dash else [first])]
    return all(number is not None and low <= number <= high for number in numbers) and (
        not dash or (numbers[0] or 0) <= (numbers[1] or 0)
    )


def _cron_number(text: str, low: int, names: tuple[str, ...]) -> int | None:
    if text.lower() in names:
        return names.index(text.lower()) + low
    return int(text) if text.isascii() and text.isdigit() else None


def change_windows(cluster: Cluster) -> Iterable[SpecProblem]:
    """Windows have a schedule, a length and a time zone that exist; Argo CD refuses the whole project otherwise."""
    platform = cluster.spec.platform
    for index, window in enumerate(platform.spec.gitops.change_windows):
        path: DocPath = ("spec", "gitops", "changeWindows", index)
        fault = cron_fault(window.schedule)
        if fault:
            yield at(
                platform,
                (*path, "schedule"),
                f"the schedule is no cron expression: {fault}",
                expected='minute, hour, day of the month, month and day of the week, such as "0 22 * * 1-4"',
                found=window.schedule,
                rule="SPEC-CRON",
            )
        if not any(int(number) for number, _ in _DURATION_PART.findall(window.duration)):
            yield at(
                platform,
                (*path, "duration"),
                "the window ends when it begins",
                expected="a duration such as 8h",
                found=window.duration,
                rule="SPEC-CRON",
            )
        if window.time_zone not in catalog.time_zones():
            yield at(
                platform,
                (*path, "timeZone"),
                f"there is no time zone named {window.time_zone!r}",
                expected="a name of the IANA time zone database, such as Europe/Amsterdam",
                found=window.time_zone,
                nearest=nearest_name(window.time_zone, catalog.time_zones()),
                rule="SPEC-TIME-ZONE",
            )


def platform_name(cluster: Cluster) -> Iterable[SpecProblem]:
    """The Application of the whole tree is named after the platform, those in it after their components."""
    name = cluster.name
    if name in {item.name for item in COMPONENTS} or name.startswith(("tenant-", "chart-")):
        yield at(
            cluster.spec.platform,
            ("metadata", "name"),
            f"the root Application and one inside the tree would both be named {name}",
            expected="a name of the platform's own, not beginning with tenant- or chart-",
            found=name,
            rule="SPEC-NAME-CLASH",
        )


CHECKS = (change_windows, platform_name)
