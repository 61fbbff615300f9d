"""What reading a profile table gives, and what readers collect on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.catalog import gpus
from tenantry.model.finding import Severity
from tenantry.model.problem import Location
from tenantry.model.profile_problem import FALL, ProfileProblem
from tenantry.model.profile_table import CPU, ProfileTable

if TYPE_CHECKING:
    from tenantry.model.profile_table import Measurement, Setting


@dataclass(frozen=True, slots=True)
class ProfileReading:
    """A table and what is wrong with it.

    Attributes:
        table: the rows that can be used.
        problems: everything else that was met, in the order of files and lines.
    """

    table: ProfileTable
    problems: tuple[ProfileProblem, ...]

    @property
    def errors(self) -> tuple[ProfileProblem, ...]:
        """Problems for which a row was left out."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    def counts(self) -> dict[str, int]:
        """Problems by rule, sorted."""
        return dict(sorted(Counter(problem.rule for problem in self.problems).items()))


class Unusable(Exception):  # noqa: N818 - reads as what it says, and never leaves this package
    """A row cannot become a measurement."""

    def __init__(
        self, rule: str, message: str, expected: str = "", found: str = "", nearest: str | None = None
    ) -> None:
        self.rule, self.message, self.expected, self.found, self.nearest = rule, message, expected, found, nearest
        super().__init__(rule, message, expected, found, nearest)


class Collector:
    """Measurements and problems of all files that are read together."""

    def __init__(self) -> None:
        self._rows: dict[Setting, Measurement] = {}
        self._failed: dict[Setting, Location] = {}
        self._problems: list[ProfileProblem] = []
        self.rows = 0

    def add(self, row: Measurement) -> None:
        """Take a measurement; a setting that is there already is a problem."""
        self.rows += 1
        before = self._rows.get(row.setting)
        first = before.location if before else self._failed.get(row.setting)
        if first is not None:
            self._twice(row.location, row.setting, first)
        else:
            self._rows[row.setting] = row

    def add_failed(self, setting: Setting, place: Location) -> None:
        """Take a setting that did not run."""
        self.rows += 1
        before = self._rows.get(setting)
        first = before.location if before else self._failed.get(setting)
        if first is not None:
            self._twice(place, setting, first)
        else:
            self._failed[setting] = place

    def refuse(self, place: Location, problem: Unusable) -> None:
        """Leave a row out."""
        self.rows += 1
        message = f"{problem.message}; the row is left out"
        self.note(problem.rule, place, message, expected=problem.expected, found=problem.found, nearest=problem.nearest)

    def note(
        self,
        rule: str,
        place: Location,
        message: str,
        *,
        expected: str = "",
        found: str = "",
        nearest: str | None = None,
    ) -> None:
        """Keep a problem."""
        self._problems.append(ProfileProblem(rule, place, message, expected, found, nearest))

    def finish(self) -> ProfileReading:
        """Look at all rows together and return them."""
        self._falls()
        self._gaps()
        self._not_run()
        order = sorted(self._problems, key=lambda each: (each.location, each.rule, each.message))
        return ProfileReading(ProfileTable(self._rows.values(), self._failed), tuple(order))

    def _twice(self, place: Location, setting: Setting, first: Location) -> None:
        message = f"{setting} is on line {first.line} of {first.file} already; the row is left out"
        self.note("PROFILE-DUPLICATE", place, message)

    def _falls(self) -> None:
        """Remark on a larger slice that is slower than a smaller one, which measurements of real work rarely show."""
        ladders: dict[Setting, list[Measurement]] = defaultdict(list)
        for setting, row in self._rows.items():
            if setting.profile and setting.gpu in gpus():
                ladders[replace(setting, profile="")].append(row)
        for rows in ladders.values():
            rows.sort(key=_size)
            for position, row in enumerate(rows):
                smaller = [other for other in rows[:position] if _size(other)[0] < _size(row)[0]]
                fastest = max(smaller, key=lambda other: other.throughput, default=None)
                if fastest is not None and row.throughput < fastest.throughput * (1 - FALL):
                    behind = 100 * (1 - row.throughput / fastest.throughput)
                    message = f"{row.setting} is {behind:.0f} % slower than on {fastest.setting.profile}"
                    found = f"{row.throughput:g}/s after {fastest.throughput:g}/s"
                    self.note(
                        "PROFILE-FALLS", row.location, message, expected="a larger slice to be no slower", found=found
                    )

    def _gaps(self) -> None:
        """Remark on slices of a GPU that some workloads of the table have and others lack."""
        slices: dict[str, set[str]] = defaultdict(set)
        seen: dict[tuple[str, str], dict[str, Location]] = defaultdict(dict)
        for setting, row in self._rows.items():
            if setting.gpu != CPU and setting.alone:
                slices[setting.gpu].add(setting.slice)
                seen[setting.gpu, setting.workload].setdefault(setting.slice, row.location)
        tried = {(setting.gpu, setting.workload, setting.slice) for setting in self._failed}
        for (gpu, workload), found in sorted(seen.items()):
            for name in sorted(slices[gpu] - found.keys()):
                what = "ran in no setting" if (gpu, workload, name) in tried else "was not measured"
                message = f"{workload} {what} on {name} of {gpu}"
                self.note("PROFILE-GAP", Location(min(found.values()).file), message)

    def _not_run(self) -> None:
        """Say once per file and workload how many settings did not run; a line for each would hide all else."""
        groups: dict[tuple[str, str], list[Location]] = defaultdict(list)
        for setting, place in self._failed.items():
            groups[place.file, setting.workload].append(place)
        for (_, workload), places in groups.items():
            number = f"{len(places)} settings" if len(places) > 1 else "one setting"
            message = f"{number} of {workload} did not run, this is the first"
            self.note("PROFILE-NOT-RUN", min(places), message)


def _size(row: Measurement) -> tuple[int, int]:
    profile = gpus()[row.setting.gpu].profile(row.setting.profile)
    return (profile.compute, profile.memory) if profile else (0, 0)
