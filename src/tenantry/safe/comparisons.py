"""What admission policies do with names beyond asking whether they are the same.

A name that is only looked for, or compared with what is written in a policy, means who somebody is. Where a policy asks
whether it begins with the name of a namespace, say, it matters how the one name is made of the other.
"""

from __future__ import annotations

from enum import Flag, auto
from typing import TYPE_CHECKING, Any, Final

from tenantry.safe.cel_tree import FIELDS, Call, Const, Ident, ListOf, Loop, MapOf, Node, Select, tree_of
from tenantry.safe.reading import items, text, walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KEPT: Final = "system:"
"""What names begin with that only the API gives; texts that begin with it are compared with nobody else's name."""


class Origin(Flag):
    """Where a value of an expression comes from: nothing but literals when empty."""

    ASKER = auto()
    """The user who asks, its groups, and what is made of them."""
    OTHER = auto()
    """Objects, their namespaces and parameters."""
    MADE = auto()
    """A text put together of others."""


_NOWHERE = Origin(0)

# Operators and functions that say whether values are the same, or that take a value out of another.
_SAME: Final = frozenset({
    "_==_", "_!=_", "@in", "_in_", "_&&_", "_||_", "!_", "_?_:_", "_[_]", "_[?_]", "_?._", "size", "orValue", "value",
    "hasValue", "or", "optional.of", "optional.none", "optional.ofNonZeroValue", "@not_strictly_false", "type", "dyn",
})  # fmt: skip
_TRUTHS: Final = frozenset({
    "_==_", "_!=_", "@in", "_in_", "_&&_", "_||_", "!_", "_<_", "_<=_", "_>_", "_>=_", "startsWith", "endsWith",
    "contains", "matches", "hasValue", "size", "@not_strictly_false", "isSorted", "allowed",
})  # fmt: skip
_MAKING: Final = frozenset({"_+_", "format", "join", "replace", "substring", "split", "lowerAscii", "upperAscii"})


def work_out_askers(policies: Iterable[Any]) -> bool:
    """Whether any policy compares who asks with a text that it works out, or may do so.

    Args:
        policies: bodies of admission policies and webhooks.
    """
    return any(_Reader(body).found for body in policies)


def measure_texts(policies: Iterable[Any]) -> bool:
    """Whether any policy asks how long a text is, or may do so.

    Args:
        policies: bodies of admission policies and webhooks.
    """
    return any(_Reader(body).measured for body in policies)


def expressions_of(policy: Any) -> Iterator[str]:
    """Yield every expression of an admission policy or webhook, whatever it is for."""
    for path, value in walk(policy):
        if path and isinstance(value, str) and str(path[-1]).lower().endswith("expression"):
            yield value


class _Reader:
    """Reads the expressions of one policy, variables in their order first."""

    def __init__(self, body: Any) -> None:
        self.found = self.measured = False
        self._variables: dict[str, Origin] = {}
        self._collections: set[str] = set()
        for entry in items(body, "spec", "variables"):
            name, expression = text(entry, "name"), text(entry, "expression")
            self._variables[name] = self._written(expression)
            if self._holds_items(tree_of(expression)):
                self._collections.add(name)
        for expression in expressions_of(body):
            self._written(expression)

    def _written(self, expression: str) -> Origin:
        tree = tree_of(expression) if expression else None
        if tree is not None:
            return self._of(tree, {})
        # What cannot be read may do anything with what it mentions.
        self.found = self.found or "userInfo" in expression or "variables" in expression
        self.measured = self.measured or "size" in expression
        return Origin.OTHER

    def _of(self, node: Node, bound: dict[str, Origin]) -> Origin:
        if isinstance(node, Const):
            return _NOWHERE
        if isinstance(node, Ident):
            return bound.get(node.name, Origin.OTHER)
        if isinstance(node, Select):
            return self._field(node, bound)
        if isinstance(node, Call):
            return self._call(node, bound)
        if isinstance(node, Loop):
            return self._loop(node, bound)
        parts = node.items if isinstance(node, ListOf) else _parts(node)
        return _joined(self._of(part, bound) for part in parts)

    def _field(self, node: Select, bound: dict[str, Origin]) -> Origin:
        if isinstance(node.operand, Ident) and node.operand.name not in bound:
            if node.operand.name == "variables":
                return self._variables.get(node.field, Origin.OTHER)
            if node.operand.name == "request" and node.field == "userInfo":
                return _NOWHERE if node.test else Origin.ASKER
        found = self._of(node.operand, bound)
        return _NOWHERE if node.test else found

    def _loop(self, node: Loop, bound: dict[str, Origin]) -> Origin:
        over = self._of(node.over, bound)
        inside = {**bound, node.item: over, **({node.second: over} if node.second else {})}
        held = self._of(node.start, inside)
        # What is gathered may go into the next round.
        for _ in range(2):
            held |= self._of(node.step, {**inside, node.accumulator: held})
        inside[node.accumulator] = held
        self._of(node.condition, inside)
        return self._of(node.result, inside)

    def _call(self, node: Call, bound: dict[str, Origin]) -> Origin:
        first, last = node.arguments[0] if node.arguments else None, node.arguments[-1] if node.arguments else None
        if node.function in FIELDS and isinstance(first, Ident) and isinstance(last, Const):
            return self._field(Select(first, str(last.value), test=False), bound)
        if node.function == "size" and not self._holds_items(first):
            self.measured = True
        parts = [self._of(part, bound) for part in node.arguments]
        if _kept(node):
            return _NOWHERE
        met = [part for part in parts if part]
        if len(met) > 1 and any(Origin.ASKER in part for part in met):
            even = node.function in _SAME and not any(Origin.MADE in part for part in met)
            self.found = self.found or not even
        if node.function in _TRUTHS:
            return _NOWHERE
        return _joined(parts) | (Origin.MADE if node.function in _MAKING and met else _NOWHERE)

    def _holds_items(self, node: Node | None) -> bool:
        """Whether a value is a list or map for certain, and no text."""
        if isinstance(node, Call):
            return node.function == "split" or (node.function == "orValue" and self._holds_items(node.arguments[-1]))
        if isinstance(node, Loop):
            return isinstance(node.start, ListOf | MapOf) and node.result == Ident(node.accumulator)
        if isinstance(node, Select) and node.operand == Ident("variables"):
            return node.field in self._collections
        return isinstance(node, ListOf | MapOf)


def _parts(node: MapOf) -> tuple[Node, ...]:
    return tuple(part for key, value, _ in node.entries for part in (key, value))


def _joined(parts: Iterable[Origin]) -> Origin:
    found = _NOWHERE
    for part in parts:
        found |= part
    return found


def _kept(node: Call) -> bool:
    """Whether a call puts a text together that begins as names do that the API keeps for itself."""
    first: Node = node
    while isinstance(first, Call) and first.function == "_+_":
        first = first.arguments[0]
    return first is not node and isinstance(first, Const) and str(first.value).startswith(KEPT)
