"""Label selectors: evaluation on concrete labels, and whether labels can be chosen that satisfy them.

``None`` means the field is absent; what that means depends on the field, so callers decide. An empty selector matches
everything. ``NotIn`` and ``DoesNotExist`` hold where the key is absent.

Source: Kubernetes apimachinery, ``pkg/labels/selector.go`` and ``pkg/apis/meta/v1/helpers.go``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OPERATORS = frozenset({"In", "NotIn", "Exists", "DoesNotExist"})

# Source: apimachinery, pkg/util/validation (IsQualifiedName, IsValidLabelValue).
_NAME = "[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_PART = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_KEY = re.compile(rf"(?:(?=[^/]{{1,253}}/){_PART}(?:\.{_PART})*/)?{_NAME}", re.ASCII)
_VALUE = re.compile(f"(?:{_NAME})?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Requirement:
    """One requirement on one key; ``values`` are sorted and only used by ``In`` and ``NotIn``."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy the requirement."""
        value = labels.get(self.key)
        if self.operator == "In":
            return value is not None and value in self.values
        if self.operator == "NotIn":
            return value is None or value not in self.values
        return (value is not None) is (self.operator == "Exists")

    def __str__(self) -> str:
        if self.operator in {"Exists", "DoesNotExist"}:
            return self.key if self.operator == "Exists" else f"!{self.key}"
        if self.operator == "In" and len(self.values) == 1:
            return f"{self.key}={self.values[0]}"
        return f"{self.key} {'in' if self.operator == 'In' else 'notin'} ({', '.join(self.values)})"


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that must all hold, sorted and without repetition, so that equal selectors are equal values."""

    requirements: tuple[Requirement, ...] = ()

    @property
    def everything(self) -> bool:
        """Whether it matches all labels."""
        return not self.requirements

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy every requirement."""
        return all(requirement.holds(labels) for requirement in self.requirements)

    @property
    def keys(self) -> frozenset[str]:
        """Keys it looks at."""
        return frozenset(requirement.key for requirement in self.requirements)

    def example(self, fixed: Mapping[str, str] | None = None) -> dict[str, str] | None:
        """Return the least labels that satisfy the selector, or None when no labels can.

        Args:
            fixed: labels that cannot be chosen; keys not in it are free. Only the keys it holds are pinned.
        """
        return satisfy([self], fixed)

    def __str__(self) -> str:
        return ", ".join(str(requirement) for requirement in self.requirements) or "everything"


def satisfy(selectors: Iterable[Selector], fixed: Mapping[str, str] | None = None) -> dict[str, str] | None:
    """Return the least labels that satisfy all selectors at once, or None when none do.

    The answer is exact: requirements on different keys are independent, so each key is decided by itself. A key that
    must exist without a value named gets the first of ``x``, ``x1``, ``x2``, ... that is not excluded.

    Args:
        selectors: selectors to satisfy together.
        fixed: labels that are given and cannot be changed.
    """
    pinned = dict(fixed or {})
    by_key: dict[str, list[Requirement]] = {}
    for selector in selectors:
        for requirement in selector.requirements:
            by_key.setdefault(requirement.key, []).append(requirement)
    chosen = dict(pinned)
    for key, wanted in sorted(by_key.items()):
        if key in pinned:
            if not all(requirement.holds(pinned) for requirement in wanted):
                return None
            continue
        value = _choose(wanted)
        if value is False:
            return None
        if isinstance(value, str):
            chosen[key] = value
    return chosen


def _choose(wanted: list[Requirement]) -> str | bool:
    """Return a value for one free key, True when the key is best left out, False when nothing satisfies."""
    if all(requirement.holds({}) for requirement in wanted):
        return True
    key = wanted[0].key
    excluded = {value for item in wanted if item.operator == "NotIn" for value in item.values}
    named = sorted({value for item in wanted if item.operator == "In" for value in item.values})
    fresh = (name for number in range(len(excluded) + 1) for name in [f"x{number or ''}"] if name not in excluded)
    for value in (*named, next(fresh)):
        if all(requirement.holds({key: value}) for requirement in wanted):
            return value
    return False


def parse_selector(body: object) -> Selector:
    """Read a ``metav1.LabelSelector``.

    Raises:
        ValueError: if it is not one; names the part that is wrong.
    """
    if not isinstance(body, dict):
        raise ValueError("a label selector is a map with matchLabels and matchExpressions")
    unknown = sorted(set(body) - {"matchLabels", "matchExpressions"})
    if unknown:
        raise ValueError(f"a label selector has matchLabels and matchExpressions, not {', '.join(map(str, unknown))}")
    labels, expressions = body.get("matchLabels") or {}, body.get("matchExpressions") or []
    if not isinstance(labels, dict) or not isinstance(expressions, list):
        raise ValueError("matchLabels is a map and matchExpressions a list")
    found = [_requirement(str(key), "In", (str(value),)) for key, value in labels.items()]
    found.extend(_expression(entry) for entry in expressions)
    return Selector(tuple(sorted(set(found))))


def _expression(entry: Any) -> Requirement:
    operator = entry.get("operator") if isinstance(entry, dict) else None
    if (
        not isinstance(entry, dict)
        or not isinstance(operator, str)
        or operator not in OPERATORS
        or not isinstance(entry.get("key"), str)
    ):
        raise ValueError(f"an expression has key and operator (one of {', '.join(sorted(OPERATORS))})")
    values = entry.get("values") or []
    if not isinstance(values, list):
        raise ValueError("values is a list")
    if (operator in {"In", "NotIn"}) is not bool(values):
        raise ValueError(f"operator {operator} {'needs' if not values else 'takes no'} values")
    return _requirement(entry["key"], str(operator), tuple(sorted({str(value) for value in values})))


@lru_cache(maxsize=4096)
def _requirement(key: str, operator: str, values: tuple[str, ...]) -> Requirement:
    """Make a requirement of names that labels can have: one on others is never stored."""
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"'{key}' is no key of a label")
    for value in values:
        if _VALUE.fullmatch(value) is None:
            raise ValueError(f"'{value}' is no value of a label")
    return Requirement(key, operator, values)


def equality_selector(labels: Mapping[str, str]) -> Selector:
    """Return the selector of a plain map of labels, as Services and node selectors write it."""
    return Selector(tuple(sorted(Requirement(key, "In", (value,)) for key, value in labels.items())))
