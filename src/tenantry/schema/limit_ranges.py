"""What the API server checks in Go of a LimitRange: that its amounts fit together.

Source: kubernetes/kubernetes, pkg/apis/core/validation/validation.go, ``ValidateLimitRange``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tenantry.model.manifest import Body
from tenantry.model.problem import DocPath
from tenantry.model.quantity import Quantity, parse_quantity
from tenantry.schema import formats, rules
from tenantry.schema.issue import SchemaIssue

_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_STANDARD = frozenset({"cpu", "ephemeral-storage", "memory", "storage"})
_FIELDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_ORDER = (
    ("min", "max"),
    ("min", "defaultRequest"),
    ("min", "default"),
    ("defaultRequest", "default"),
    ("defaultRequest", "max"),
    ("default", "max"),
)
"""Pairs of which the first may not be above the second."""


def limit_range_issues(body: Body) -> Iterator[SchemaIssue]:
    """Check a LimitRange beyond its schema. Parts of the wrong type are left to the schema."""
    spec = body.get("spec")
    items = spec.get("limits") if isinstance(spec, dict) else None
    seen: set[str] = set()
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            path = ("spec", "limits", index)
            yield from _type_issues(item.get("type"), seen, (*path, "type"))
            yield from _item_issues(item, path)


def _type_issues(kind: object, seen: set[str], path: DocPath) -> Iterator[SchemaIssue]:
    if not isinstance(kind, str) or not kind:
        return
    if kind in seen:
        yield _refused(rules.DUPLICATE_KEY, path, f"there are limits of type {kind} already", kind, "put them together")
    if kind not in _TYPES and not ("/" in kind and formats.CHECKS["kubernetes-qualified"](kind)):
        text = f"the type is none of {', '.join(_TYPES)}, nor a name with a domain"
        yield _refused(rules.ENUM, path, text, kind, f"write one of {', '.join(_TYPES)}")
    seen.add(kind)


def _item_issues(item: Body, path: DocPath) -> Iterator[SchemaIssue]:
    kind = item.get("type")
    amounts = {field: _amounts(item.get(field)) for field in _FIELDS}
    for field in _FIELDS:
        names = item.get(field)
        for name in names if isinstance(names, dict) else ():
            yield from _name_issues(str(name), (*path, field, str(name)))
    if kind == "Pod":
        for field in ("default", "defaultRequest"):
            if item.get(field):
                text = "pods have no default, only their containers do"
                yield _refused(rules.COMBINATION, (*path, field), text, "", f"remove '{field}'")
    if kind == "PersistentVolumeClaim" and not ("storage" in amounts["max"] or "storage" in amounts["min"]):
        text = "limits of claims need a largest or smallest 'storage'"
        yield _refused(rules.REQUIRED, (*path, "max"), text, "", "add max.storage")
    for low, high in _ORDER:
        for name in sorted(amounts[low].keys() & amounts[high].keys()):
            least, most = amounts[low][name], amounts[high][name]
            if least > most:
                text = f"{low} of {name} is {least}, above {high}, which is {most}"
                yield _refused(rules.QUANTITY, (*path, low, name), text, str(least), f"write at most {most}")


def _name_issues(name: str, path: DocPath) -> Iterator[SchemaIssue]:
    is_named = name in _STANDARD or name.startswith("hugepages-")
    if not is_named and not ("/" in name and formats.CHECKS["kubernetes-qualified"](name)):
        text = f"'{name}' is neither a standard name nor one with a domain"
        yield SchemaIssue(rules.QUANTITY, path, f"{text}: the API server refuses the object", found=name, at_key=True)


def _refused(rule: str, path: DocPath, text: str, found: str, fix: str) -> SchemaIssue:
    return SchemaIssue(rule, path, f"{text}: the API server refuses the object", found=found, fix=fix)


def _amounts(value: object) -> Mapping[str, Quantity]:
    found: dict[str, Quantity] = {}
    items: Mapping[Any, Any] = value if isinstance(value, dict) else {}
    for name, amount in items.items():
        if isinstance(amount, str | int | float):
            try:
                found[str(name)] = parse_quantity(amount)
            except ValueError:
                continue
    return found
