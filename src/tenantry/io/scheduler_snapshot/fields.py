"""Reads fields of manifests; what is not what it should be becomes a problem at its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tenantry.io.manifests import locate
from tenantry.model.duration import parse_duration
from tenantry.model.finding import Finding, Severity
from tenantry.model.problem import SpecProblem, Subject, dotted
from tenantry.model.quantity import Quantity
from tenantry.model.reading import amount, annotations_of, at, items, labels, mapping

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath

LARGEST: Final = 1e24
"""Numbers beyond this are not read, so that no sum of them overflows; int64 ends at 9e18."""
_LONGEST: Final = 60


@dataclass(slots=True)
class Log:
    """What is wrong with the objects.

    Attributes:
        problems: what cannot be read; nothing can be said while there are any.
        findings: what the scheduler reads in its own way, and what is worth knowing.
    """

    problems: list[SpecProblem] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def problem(
        self, manifest: Manifest, path: DocPath, message: str, *, expected: str = "", found: Any = None
    ) -> None:
        """Note something that cannot be read."""
        self.problems.append(
            SpecProblem(
                Subject(manifest.key.kind, _name(manifest)),
                path,
                message,
                expected=expected,
                found="" if found is None else _shown(found),
                location=locate(manifest, path),
                rule="SNAP-FIELD",
            )
        )

    def find(
        self, rule: str, manifest: Manifest, path: DocPath, message: str, *, severity: Severity = Severity.WARNING
    ) -> None:
        """Note something worth knowing."""
        place = locate(manifest, path, key=True)
        self.findings.append(Finding(rule, severity, str(manifest.key), message, place, path=dotted(path)))


class Fields:
    """The fields of one manifest."""

    __slots__ = ("_log", "annotations", "body", "labels", "manifest")

    def __init__(self, manifest: Manifest, log: Log) -> None:
        self.manifest, self.body, self._log = manifest, manifest.body, log
        self.labels, self.annotations = labels(manifest.body), annotations_of(manifest.body)

    @property
    def name(self) -> str:
        """Name of the object."""
        return self.manifest.key.name

    @property
    def namespace(self) -> str:
        """Namespace of the object; ``default`` for one that should have one and names none."""
        return self.manifest.key.namespace or "default"

    def wrong(self, path: DocPath, message: str, *, expected: str = "", found: Any = None) -> None:
        """Note that a field cannot be read."""
        self._log.problem(self.manifest, path, message, expected=expected, found=found)

    def find(self, rule: str, path: DocPath, message: str, *, severity: Severity = Severity.WARNING) -> None:
        """Note something worth knowing about a field."""
        self._log.find(rule, self.manifest, path, message, severity=severity)

    def has(self, *path: str | int) -> bool:
        """Whether a field is there and not null."""
        return at(self.body, *path) is not None

    def items(self, *path: str | int) -> list[Any]:
        """Return the elements of a list; none when it is missing."""
        found = at(self.body, *path)
        if found is not None and not isinstance(found, list):
            self.wrong(path, "this is no list", expected="a list", found=found)
        return items(self.body, *path)

    def text(self, *path: str | int) -> str:
        """Return a text; empty when it is missing."""
        found = at(self.body, *path)
        if found is None or isinstance(found, str):
            return found or ""
        self.wrong(path, "this is no text", expected="a text", found=found)
        return ""

    def number(self, *path: str | int) -> float | None:
        """Return a number; None when it is missing."""
        found = at(self.body, *path)
        if found is None:
            return None
        if isinstance(found, int | float) and not isinstance(found, bool):
            if abs(found) <= LARGEST:
                return float(found)
            expected = f"a number of at most {LARGEST:g}"
            self.wrong(path, "this is more than sums can be made of", expected=expected, found=found)
            return None
        self.wrong(path, "this is no number", expected="a number", found=found)
        return None

    def integer(self, *path: str | int, least: int | None = None) -> int | None:
        """Return a whole number; None when it is missing."""
        found = at(self.body, *path)
        if found is None:
            return None
        whole = isinstance(found, int) and not isinstance(found, bool)
        if whole and (least is None or found >= least):
            return int(found)
        expected = "a whole number" + (f" of at least {least}" if least is not None else "")
        self.wrong(
            path, "this is no such number" if whole else "this is no whole number", expected=expected, found=found
        )
        return None

    def boolean(self, *path: str | int) -> bool | None:
        """Return a truth value; None when it is missing."""
        found = at(self.body, *path)
        if found is None or isinstance(found, bool):
            return found
        self.wrong(path, "this is neither true nor false", expected="true or false", found=found)
        return None

    def time(self, *path: str | int) -> int | None:
        """Return a point in time in seconds since 1970; None when it is missing."""
        found = at(self.body, *path)
        if found is None:
            return None
        seconds = parse_time(found)
        if seconds is None:
            self.wrong(path, "this is no time", expected="a time such as 2026-01-31T12:00:00Z", found=found)
        return seconds

    def duration(self, *path: str | int) -> int | None:
        """Return a length of time in whole seconds; None when it is missing."""
        found = at(self.body, *path)
        if found is None:
            return None
        seconds = parse_duration(found) if isinstance(found, str) else None
        if seconds is None:
            self.wrong(path, "this is no length of time", expected="one such as 30s, 5m or 1h30m", found=found)
        return seconds

    def quantities(self, *path: str | int) -> dict[str, Quantity]:
        """Return amounts by resource."""
        found: dict[str, Quantity] = {}
        for name, written in mapping(self.body, *path).items():
            value = amount(written)
            if value is None:
                self.wrong(
                    (*path, str(name)), "this is no quantity", expected="one such as 8, 500m or 64Gi", found=written
                )
            elif isinstance(name, str):
                found[name] = value
        return found


def parse_time(value: object) -> int | None:
    """Return seconds since 1970 of a time as Kubernetes writes it, or None when it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _name(manifest: Manifest) -> str:
    key = manifest.key
    return f"{key.namespace}/{key.name}" if key.namespace else key.name


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
