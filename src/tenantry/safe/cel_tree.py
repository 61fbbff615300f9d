"""The syntax tree of a CEL expression, macros expanded, as the evaluator's own parser makes it.

The package that evaluates shows its tree only in the serialised form of ``cel.expr.CheckedExpr``, so this reads the few
messages of it in the wire format of Protocol Buffers. What cannot be read gives no tree, and nothing is concluded then.

Source: cel-spec ``proto/cel/expr/{checked,syntax}.proto``; Protocol Buffers documentation, "Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from tenantry.safe import cel


@dataclass(frozen=True, slots=True)
class Const:
    """A literal."""

    value: bool | int | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class Ident:
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """A field of an operand, or whether it has the field (``has``)."""

    operand: Node
    field: str
    test: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator; a target it is called on comes first among the arguments."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list literal; ``optional`` holds the places of elements written with a question mark."""

    items: tuple[Node, ...]
    optional: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map literal: keys, values, and whether an entry is written with a question mark."""

    entries: tuple[tuple[Node, Node, bool], ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """A comprehension: ``accumulator`` starts as ``start`` and becomes ``step`` for each item while ``condition``."""

    item: str
    second: str
    over: Node
    accumulator: str
    start: Node
    condition: Node
    step: Node
    result: Node


Node = Const | Ident | Select | Call | ListOf | MapOf | Loop


FIELDS: Final = frozenset({"_[_]", "_[?_]", "_?._"})
"""Calls that take a field or an item out of their first argument, as a selection does."""


@lru_cache(maxsize=4096)
def tree_of(expression: str) -> Node | None:
    """Return the tree of an expression; None when it has none that can be read."""
    written = cel.serialized(expression)
    if written is None:
        return None
    try:
        # An Any around the CheckedExpr, whose field 4 is the expression.
        return _expression(_only(_only(written, 2), 4))
    except (ValueError, IndexError, UnicodeDecodeError, struct.error, RecursionError):
        return None


@lru_cache(maxsize=4096)
def misread(expression: str) -> bool:
    """Whether an expression has a form that the evaluator of the package gets wrong.

    After a macro that ended early (``all``, ``exists``) it takes a wrong value for a variable that is bound afterwards
    (``cel.bind``, ``optMap``, ``optFlatMap``): ``[1, 2, 3].all(i, i != 1) || cel.bind(j, 3, j == 3)`` gives false.
    """
    node = tree_of(expression)
    loops = [part for part in walk(node) if isinstance(part, Loop)] if node is not None else []
    return len(loops) > 1 and any(loop.over == ListOf(()) for loop in loops)


def literals(node: Node) -> Iterator[str]:
    """Yield every text written in an expression, in the order of the tree."""
    for part in walk(node):
        if isinstance(part, Const) and isinstance(part.value, str):
            yield part.value


def walk(node: Node) -> Iterator[Node]:
    """Yield a tree node by node, parents first."""
    waiting: list[Node] = [node]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(reversed(below(part)))


def below(node: Node) -> tuple[Node, ...]:
    """Return the parts a node is made of, one level down."""
    if isinstance(node, Select):
        return (node.operand,)
    if isinstance(node, Call):
        return node.arguments
    if isinstance(node, ListOf):
        return node.items
    if isinstance(node, MapOf):
        return tuple(part for key, value, _ in node.entries for part in (key, value))
    if isinstance(node, Loop):
        return (node.over, node.start, node.condition, node.step, node.result)
    return ()


# --- messages ---------------------------------------------------------------------------------------------------------


def _expression(data: bytes) -> Node:
    for number, value in _fields(data):
        reader = _READERS.get(number)
        if reader is not None:
            return reader(value)
    raise ValueError("an expression of no kind")


def _constant(data: bytes) -> Node:
    for number, value in _fields(data):
        if number == 1:
            return Const(None)
        if number == 2:
            return Const(bool(value))
        if number == 3:
            return Const(value - 2**64 if value >= 2**63 else value)
        if number == 4:
            return Const(value)
        if number == 5:
            return Const(struct.unpack("<d", value)[0])
        if number in {6, 7}:
            return Const(value.decode() if number == 6 else value)
    # Values that equal the default of their type are written all the same, as they are members of a oneof.
    raise ValueError("a literal of no kind")


def _identifier(data: bytes) -> Node:
    return Ident(_text(data, 1))


def _selection(data: bytes) -> Node:
    test = any(number == 3 and value for number, value in _fields(data))
    return Select(_expression(_only(data, 1)), _text(data, 2), test)


def _call(data: bytes) -> Node:
    targets = [_expression(value) for number, value in _fields(data) if number == 1]
    arguments = [_expression(value) for number, value in _fields(data) if number == 3]
    return Call(_text(data, 2), (*targets, *arguments))


def _list(data: bytes) -> Node:
    items = tuple(_expression(value) for number, value in _fields(data) if number == 1)
    optional: set[int] = set()
    for number, value in _fields(data):
        if number == 2:
            optional.update(_numbers(value) if isinstance(value, bytes) else (value,))
    return ListOf(items, frozenset(optional))


def _struct(data: bytes) -> Node:
    entries = []
    for number, value in _fields(data):
        if number == 2:
            optional = any(part == 5 and flag for part, flag in _fields(value))
            entries.append((_expression(_only(value, 3)), _expression(_only(value, 4)), optional))
    return MapOf(tuple(entries))


def _comprehension(data: bytes) -> Node:
    over, start, condition, step, result = (_expression(_only(data, number)) for number in (2, 4, 5, 6, 7))
    return Loop(_text(data, 1), _text(data, 8), over, _text(data, 3), start, condition, step, result)


_READERS = {
    3: _constant,
    4: _identifier,
    5: _selection,
    6: _call,
    7: _list,
    8: _struct,
    9: _comprehension,
}


# --- wire format ------------------------------------------------------------------------------------------------------


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a message: numbers as integers, everything with a length as bytes, doubles as eight bytes."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield tag >> 3, value
        elif kind in {1, 5}:
            length = 8 if kind == 1 else 4
            yield tag >> 3, data[place : place + length]
            place += length
        elif kind == 2:
            length, place = _varint(data, place)
            if place + length > len(data):
                raise ValueError("a field that is longer than its message")
            yield tag >> 3, data[place : place + length]
            place += length
        else:
            raise ValueError("a group")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte = data[place]
        found |= (byte & 0x7F) << shift
        place += 1
        shift += 7
        if not byte & 0x80:
            return found, place


def _numbers(data: bytes) -> Iterator[int]:
    place = 0
    while place < len(data):
        value, place = _varint(data, place)
        yield value


def _only(data: bytes, wanted: int) -> bytes:
    for number, value in _fields(data):
        if number == wanted and isinstance(value, bytes):
            return value
    raise ValueError(f"no field {wanted}")


def _text(data: bytes, wanted: int) -> str:
    for number, value in _fields(data):
        if number == wanted and isinstance(value, bytes):
            return value.decode()
    return ""
