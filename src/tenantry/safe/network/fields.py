"""Reads fields of untrusted objects: the wrong type is a problem, never an exception."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tenantry.model.selector import Selector, parse_selector
from tenantry.safe.network.addresses import AddressSet, parse_cidr
from tenantry.safe.network.rules import EVERYTHING, RuleProblem, Trouble

if TYPE_CHECKING:
    from tenantry.model.manifest import ManifestKey
    from tenantry.model.problem import DocPath

_NAME: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY: Final = re.compile(rf"(?:[a-z0-9](?:[-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_NAME}")
_SELECTOR: Final = ("matchLabels", "matchExpressions")
_VALUE: Final = re.compile(rf"(?:{_NAME})?")


@dataclass(slots=True)
class Fields:
    """Collects the problems of one object while its fields are read."""

    key: ManifestKey
    problems: list[RuleProblem] = field(default_factory=list)

    def problem(self, at: DocPath, message: str, trouble: Trouble = Trouble.UNREADABLE) -> None:
        """Note a problem at a place."""
        self.problems.append(RuleProblem(self.key, at, message, trouble))

    def map_at(self, body: dict[str, Any], path: tuple[str, ...], base: DocPath = ()) -> dict[str, Any]:
        """Return the map at a path; empty when it is absent, null or, with a problem, something else."""
        value: Any = body
        for depth, step in enumerate(path, 1):
            value = value.get(step)
            if value is None:
                return {}
            if not isinstance(value, dict):
                self.problem((*base, *path[:depth]), f"expected a map, found {value!r}")
                return {}
        return dict(value)

    def list_at(self, value: object, at: DocPath) -> list[Any]:
        """Return a list; empty when it is absent, null or, with a problem, something else."""
        if value is None or isinstance(value, list):
            return value or []
        self.problem(at, f"expected a list, found {value!r}")
        return []

    def filled(self, value: object, at: DocPath) -> list[Any]:
        """Return a list that must have entries."""
        found = self.list_at(value, at)
        if not found and isinstance(value, list | None):
            self.problem(at, "expected at least one entry")
        return found

    def selector(self, value: object, at: DocPath, *, absent_is_everything: bool = False) -> Selector:
        """Read a label selector; one that cannot be read is a problem and stands for everything."""
        if value is None:
            if not absent_is_everything:
                self.problem(at, "expected a label selector; {} selects everything")
            return EVERYTHING
        if isinstance(value, dict):
            unknown = sorted(str(key) for key in value if key not in _SELECTOR)
            if unknown:
                message = f"a label selector has matchLabels and matchExpressions, not {', '.join(unknown)}"
                self.problem(at, message, Trouble.REFUSED)
            value = {key: part for key, part in value.items() if key in _SELECTOR}
        try:
            _check_selector(value)
            return parse_selector(value)
        except ValueError as error:
            self.problem(at, str(error))
            return EVERYTHING

    def cidr(self, value: object, at: DocPath) -> AddressSet | None:
        """Read an address range, None when it is none."""
        try:
            return parse_cidr(value)
        except ValueError as error:
            self.problem(at, str(error))
            return None


def _check_selector(value: object) -> None:
    """Check types and the syntax of keys and values, which decide whether the API server takes a selector.

    Raises:
        ValueError: if it would not.
    """
    if not isinstance(value, dict):
        raise ValueError(f"expected a label selector, found {value!r}")
    labels = value.get("matchLabels")
    if labels is not None and not isinstance(labels, dict):
        raise ValueError(f"matchLabels must be a map, found {labels!r}")
    pairs = [(key, [item]) for key, item in (labels or {}).items()]
    expressions = value.get("matchExpressions")
    if expressions is not None and not isinstance(expressions, list):
        raise ValueError(f"matchExpressions must be a list, found {expressions!r}")
    for entry in expressions or []:
        values = entry.get("values") if isinstance(entry, dict) else None
        if values is not None and not isinstance(values, list):
            raise ValueError(f"values must be a list, found {values!r}")
        pairs.append((entry.get("key") if isinstance(entry, dict) else None, values or []))
        if isinstance(entry, dict) and not isinstance(entry.get("operator"), str):
            raise ValueError(f"an expression needs an operator, found {entry.get('operator')!r}")
    for key, items in pairs:
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise ValueError(f"a label key is expected, found {key!r}")
        for item in items:
            if not isinstance(item, str) or not _VALUE.fullmatch(item):
                raise ValueError(f"a label value is expected for {key}, found {item!r}")
