"""Evaluates CEL where only a part of an object is known: what comes out whatever the rest is.

A value is plain data, or :class:`Fields` or :class:`Items` that may hold more than is known, or :class:`Anything`,
which says what can come of it. A refusal that comes out this way holds for every object with that part: it is a proof,
where a single object that was refused is only an example. Of what is not understood here anything may come.

Source: cel-spec ``doc/langdef.md`` (errors and logical operators); cel-go ``cel/library.go`` (optional values).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenantry.safe import cel
from tenantry.safe.cel_tree import Call, Const, Ident, ListOf, Loop, MapOf, Node, Select, tree_of

MOST_STEPS = 20_000
"""Nodes looked at before giving up on an expression."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A map of which some is known.

    Attributes:
        known: entries it has for certain.
        absent: keys it has not.
        more: whether it may have keys that are neither.
    """

    known: Mapping[str, Any]
    absent: frozenset[str] = frozenset()
    more: bool = True

    def has(self, key: object) -> bool | None:
        """Whether it has a key; None when that is not known."""
        if key in self.known:
            return True
        return None if self.more and key not in self.absent else False


@dataclass(frozen=True, slots=True)
class Items:
    """A list that has some items for certain, in no order that is known; ``more`` whether it may have others."""

    known: tuple[Any, ...]
    more: bool = True


@dataclass(frozen=True, slots=True)
class Optional:
    """An optional value; ``present`` is None when it is not known whether there is one."""

    value: Any
    present: bool | None


@dataclass(frozen=True, slots=True)
class Other:
    """A text of which only is known what it is not."""

    than: frozenset[str]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A number of which only is known what it is at least."""

    number: int


@dataclass(frozen=True, slots=True)
class Anything:
    """A value that is not known.

    Attributes:
        true: whether it may be true.
        false: whether it may be false.
        error: whether it may be an error.
        other: whether it may be something else.
    """

    true: bool = True
    false: bool = True
    error: bool = True
    other: bool = True


ANYTHING = Anything()
EITHER = Anything(error=False, other=False)
"""True or false."""
ERROR = Anything(true=False, false=False, other=False)


class _GivenUpError(Exception):
    """The expression is too long to look through."""


@dataclass
class _Scope:
    names: Mapping[str, Any]
    steps: list[int] = field(default_factory=lambda: [MOST_STEPS])

    def with_names(self, **names: Any) -> _Scope:
        return _Scope({**self.names, **names}, self.steps)


def lift(value: Any) -> Any:
    """Return plain data as values of this module, all of it known."""
    if isinstance(value, Mapping):
        return Fields({str(key): lift(item) for key, item in value.items()}, more=False)
    if isinstance(value, list | tuple):
        return Items(tuple(map(lift, value)), more=False)
    return value


def outcome(expression: object, names: Mapping[str, Any]) -> Anything:
    """Return what can come of an expression, given values of the variables."""
    node = tree_of(expression) if isinstance(expression, str) else None
    if node is None:
        return ANYTHING
    try:
        return _possible(_value(node, _Scope(names)))
    except (_GivenUpError, RecursionError):
        return ANYTHING


def value_of(expression: object, names: Mapping[str, Any]) -> Any:
    """Return the value of an expression as far as it is known."""
    node = tree_of(expression) if isinstance(expression, str) else None
    if node is None:
        return ANYTHING
    try:
        return _value(node, _Scope(names))
    except (_GivenUpError, RecursionError):
        return ANYTHING


def _possible(value: Any) -> Anything:
    if isinstance(value, Anything):
        return value
    if value is True:
        return Anything(false=False, error=False, other=False)
    if value is False:
        return Anything(true=False, error=False, other=False)
    return Anything(true=False, false=False, error=False)


def _settled(value: Anything) -> Any:
    """Return the plain value of an outcome of which only one thing can come."""
    if value.other:
        return value
    ways = (value.true, value.false, value.error)
    return {(True, False, False): True, (False, True, False): False}.get(ways, value)


def _value(node: Node, scope: _Scope) -> Any:
    scope.steps[0] -= 1
    if scope.steps[0] < 0:
        raise _GivenUpError
    if isinstance(node, Const):
        return node.value
    if isinstance(node, Ident):
        return scope.names.get(node.name, ANYTHING)
    if isinstance(node, Select):
        return _select(_value(node.operand, scope), node.field, test=node.test)
    if isinstance(node, ListOf):
        return _list(node, scope)
    if isinstance(node, MapOf):
        return _map(node, scope)
    if isinstance(node, Loop):
        return _loop(node, scope)
    return _call(node, scope)


# --- fields -----------------------------------------------------------------------------------------------------------


def _select(operand: Any, name: str, *, test: bool = False) -> Any:
    if isinstance(operand, Optional):
        # A field of an optional value is optional itself.
        found = _optional_at(operand, name)
        if not test:
            return found
        present = found.present if isinstance(found, Optional) else None
        return EITHER if present is None else present
    if isinstance(operand, Anything):
        return ANYTHING if operand.other else ERROR
    if not isinstance(operand, Fields):
        return ERROR
    has = operand.has(name)
    if test:
        return EITHER if has is None else has
    if has is None:
        return ANYTHING
    return operand.known[name] if has else ERROR


def _optional_at(operand: Any, key: Any) -> Any:
    """Return what ``operand[?key]`` gives; of an optional operand, what is in it."""
    if isinstance(operand, Optional):
        if operand.present is False:
            return operand
        found = _optional_at(operand.value, key)
        if operand.present is None and isinstance(found, Optional):
            return Optional(found.value, None if found.present is not False else False)
        return found
    if isinstance(operand, Fields) and isinstance(key, str):
        has = operand.has(key)
        return Optional(operand.known[key] if has else ANYTHING, has)
    # Of a list, of what is no map, and of null it differs between evaluators whether that is an error.
    return ANYTHING


def _index(operand: Any, key: Any) -> Any:
    if isinstance(operand, Optional):
        return _optional_at(operand, key)
    if isinstance(operand, Fields) and isinstance(key, str):
        return _select(operand, key)
    if isinstance(operand, Items) and not operand.more and isinstance(key, int) and not isinstance(key, bool):
        return operand.known[key] if 0 <= key < len(operand.known) else ERROR
    return ANYTHING


# --- literals ---------------------------------------------------------------------------------------------------------


def _list(node: ListOf, scope: _Scope) -> Any:
    items, more = [], False
    for place, item in enumerate(node.items):
        found = _value(item, scope)
        if place in node.optional:
            if not isinstance(found, Optional) or found.present is None:
                more = True
                continue
            if found.present is False:
                continue
            found = found.value
        if isinstance(found, Anything) and found.error:
            return ANYTHING
        items.append(found)
    return Items(tuple(items), more)


def _map(node: MapOf, scope: _Scope) -> Any:
    entries: dict[str, Any] = {}
    for key, item, optional in node.entries:
        name, found = _value(key, scope), _value(item, scope)
        if optional or not isinstance(name, str) or (isinstance(found, Anything) and found.error):
            return ANYTHING
        entries[name] = found
    return Fields(entries, more=False)


# --- comprehensions ---------------------------------------------------------------------------------------------------

_ALL, _EXISTS = "_&&_", "_||_"


def _loop(node: Loop, scope: _Scope) -> Any:
    over = _value(node.over, scope)
    start = _value(node.start, scope)
    if isinstance(over, Anything):
        # An error of what is gone through is the error of the whole.
        return ANYTHING if over.other else ERROR
    if isinstance(over, Optional) or not isinstance(over, Fields | Items):
        return ERROR
    items = _gone_through(over)
    if over.more:
        return _open_loop(node, scope, items, start)
    if node.second:
        return ANYTHING
    accumulator = start
    for item in items:
        inner = scope.with_names(**{node.item: item, node.accumulator: accumulator})
        goes_on = _value(node.condition, inner)
        if goes_on is False:
            break
        if goes_on is not True and not _folds(node):
            return ANYTHING
        accumulator = _value(node.step, inner)
    return _value(node.result, scope.with_names(**{node.accumulator: accumulator}))


def _gone_through(over: Fields | Items) -> tuple[Any, ...]:
    return tuple(over.known) if isinstance(over, Fields) else over.known


def _folds(node: Loop) -> bool:
    """Whether it is ``all`` or ``exists``, in which the order and an early end change nothing."""
    step = node.step
    return (
        isinstance(step, Call)
        and step.function in {_ALL, _EXISTS}
        and len(step.arguments) == 2
        and step.arguments[0] == Ident(node.accumulator)
        and node.result == Ident(node.accumulator)
    )


def _open_loop(node: Loop, scope: _Scope, items: Iterable[Any], start: Any) -> Any:
    """Go through what is known of a list or map that may hold more: one item may decide ``all`` and ``exists``."""
    if not _folds(node) or node.second or not isinstance(node.step, Call):
        return ANYTHING
    joined = _and if node.step.function == _ALL else _or
    found = joined(start, ANYTHING)
    for item in items:
        found = joined(found, _value(node.step.arguments[1], scope.with_names(**{node.item: item})))
    return found


# --- operators --------------------------------------------------------------------------------------------------------


def _and(left: Any, right: Any) -> Any:
    """Return ``left && right``: false wins over an error, whichever side it is on."""
    one, other = _possible(left), _possible(right)
    if left is False or right is False:
        return False
    broken = one.error or one.other or other.error or other.other
    # What is not a truth value is an error here.
    return _settled(Anything(one.true and other.true, one.false or other.false, broken, other=False))


def _or(left: Any, right: Any) -> Any:
    one, other = _possible(left), _possible(right)
    if left is True or right is True:
        return True
    broken = one.error or one.other or other.error or other.other
    return _settled(Anything(one.true or other.true, one.false and other.false, broken, other=False))


def _not(value: Any) -> Any:
    found = _possible(value)
    return _settled(Anything(found.false, found.true, found.error or found.other, other=False))


def _same(left: Any, right: Any) -> bool | None:
    """Whether two values are equal; None when that is not known."""
    if isinstance(left, Anything | Optional) or isinstance(right, Anything | Optional):
        return None
    if isinstance(left, Other) or isinstance(right, Other):
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Other) and not isinstance(other, Other):
                return None if isinstance(other, str) and other not in one.than else False
        return None
    for one, other in ((left, right), (right, left)):
        if isinstance(one, AtLeast):
            small = isinstance(other, int | float) and not isinstance(other, bool) and other < one.number
            return False if small or not isinstance(other, int | float | AtLeast) else None
    if isinstance(left, Fields) and isinstance(right, Fields):
        return _same_fields(left, right)
    if isinstance(left, Items) and isinstance(right, Items):
        if left.more or right.more:
            return None
        if len(left.known) != len(right.known):
            return False
        return _all_of(_same(one, other) for one, other in zip(left.known, right.known, strict=True))
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    if isinstance(left, Fields | Items) or isinstance(right, Fields | Items):
        return False
    return bool(left == right)


def _same_fields(left: Fields, right: Fields) -> bool | None:
    found: list[bool | None] = []
    for key in {*left.known, *right.known}:
        has = (left.has(key), right.has(key))
        if False in has:
            return False
        found.append(None if None in has else _same(left.known[key], right.known[key]))
    if left.more or right.more:
        found.append(None)
    return _all_of(found)


def _all_of(answers: Iterable[bool | None]) -> bool | None:
    found = list(answers)
    if False in found:
        return False
    return None if None in found else True


def _any_of(answers: Iterable[bool | None]) -> bool | None:
    found = list(answers)
    if True in found:
        return True
    return None if None in found else False


def _either(answer: bool | None, *values: Any) -> Any:
    """Return a truth value; what is unknown may also be the error that one of the operands is."""
    if answer is not None:
        return answer
    broken = any(isinstance(value, Anything) and value.error for value in values)
    return Anything(error=broken, other=False)


def _equal(left: Any, right: Any) -> Any:
    for value in (left, right):
        if isinstance(value, Anything) and value == ERROR:
            return ERROR
    return _either(_same(left, right), left, right)


def _in(item: Any, over: Any) -> Any:
    if isinstance(item, Anything) and item == ERROR:
        return ERROR
    if isinstance(over, Fields):
        has = over.has(item) if isinstance(item, str) else None
        return _either(has, item)
    if isinstance(over, Items):
        found = _any_of(_same(item, known) for known in over.known)
        return _either(None if over.more and found is False else found, item)
    return ANYTHING if isinstance(over, Anything) and over.other else ERROR


# --- calls ------------------------------------------------------------------------------------------------------------


def _call(node: Call, scope: _Scope) -> Any:
    if node.function == "_?_:_":
        return _choice(node, scope)
    values = [_value(argument, scope) for argument in node.arguments]
    known = _OPERATORS.get((node.function, len(values)))
    if known is not None:
        return known(*values)
    if any(isinstance(value, Anything) and value == ERROR for value in values):
        return ERROR
    plain = [_plain(value) for value in values]
    if any(value is _NONE for value in plain):
        return ANYTHING
    return _evaluated(node.function, plain)


def _choice(node: Call, scope: _Scope) -> Any:
    condition, left, right = node.arguments
    asked = _possible(_value(condition, scope))
    if asked.other:
        return ANYTHING
    found: list[Any] = []
    if asked.true:
        found.append(_value(left, scope))
    if asked.false:
        found.append(_value(right, scope))
    if asked.error:
        found.append(ERROR)
    if len(found) == 1 or all(item == found[0] and type(item) is type(found[0]) for item in found):
        return found[0]
    if any(isinstance(item, Optional) for item in found) and not asked.error:
        return _joined(found)
    ways = [_possible(item) for item in found]
    return _settled(
        Anything(
            any(way.true for way in ways),
            any(way.false for way in ways),
            any(way.error for way in ways),
            any(way.other for way in ways),
        )
    )


def _joined(found: list[Any]) -> Any:
    """Return an optional value that is one of several."""
    if not all(isinstance(item, Optional) for item in found):
        return ANYTHING
    values = [item.value for item in found if item.present is not False]
    same = all(item == values[0] for item in values)
    return Optional(values[0] if values and same else ANYTHING, None)


def _or_value(value: Any, default: Any) -> Any:
    if not isinstance(value, Optional):
        return ANYTHING
    if value.present is not None:
        return value.value if value.present else default
    if _same(value.value, default):
        return default
    ways = (_possible(value.value), _possible(default))
    return Anything(*(any(getattr(way, name) for way in ways) for name in ("true", "false", "error", "other")))


def _has_value(value: Any) -> Any:
    if not isinstance(value, Optional):
        return ANYTHING
    return EITHER if value.present is None else value.present


def _held(value: Any) -> Any:
    if not isinstance(value, Optional) or value.present is None:
        return ANYTHING
    return value.value if value.present else ERROR


def _of(value: Any) -> Any:
    return value if isinstance(value, Anything) and value.error else Optional(value, True)


def _not_strictly_false(value: Any) -> Any:
    found = _possible(value)
    if not found.false:
        return True
    return EITHER if found.true or found.error or found.other else False


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, Items) and isinstance(right, Items):
        return Items((*left.known, *right.known), left.more or right.more)
    for one, other in ((left, right), (right, left)):
        # What is added to a list is a list: the API server takes nothing else there.
        if isinstance(one, Items) and isinstance(other, Anything) and other.other:
            return Items(one.known, more=True)
    return ANYTHING if _plain(left) is _NONE or _plain(right) is _NONE else _evaluated("_+_", [left, right])


def _size(value: Any) -> Any:
    if isinstance(value, Fields | Items):
        return AtLeast(len(value.known)) if value.more else len(value.known)
    return len(value) if isinstance(value, str) else ANYTHING


def _less(left: Any, right: Any) -> Any:
    """Return ``left < right`` where one of them is a number of which only the least is known."""
    if isinstance(left, AtLeast) and isinstance(right, int | float) and right <= left.number:
        return False
    if isinstance(right, AtLeast) and isinstance(left, int | float) and left < right.number:
        return True
    if _plain(left) is _NONE or _plain(right) is _NONE:
        return ANYTHING
    return _evaluated("_<_", [left, right])


_OPERATORS: dict[tuple[str, int], Callable[..., Any]] = {
    ("_&&_", 2): _and,
    ("_||_", 2): _or,
    ("!_", 1): _not,
    ("_==_", 2): _equal,
    ("_!=_", 2): lambda left, right: _not(_equal(left, right)),
    ("@in", 2): _in,
    ("_[_]", 2): _index,
    ("_[?_]", 2): _optional_at,
    ("_?._", 2): _optional_at,
    ("@not_strictly_false", 1): _not_strictly_false,
    ("orValue", 2): _or_value,
    ("hasValue", 1): _has_value,
    ("value", 1): _held,
    ("optional.of", 1): _of,
    ("optional.none", 0): lambda: Optional(ANYTHING, False),
    ("_+_", 2): _add,
    ("size", 1): _size,
    ("_<_", 2): _less,
    ("_>_", 2): lambda left, right: _less(right, left),
    ("_<=_", 2): lambda left, right: _not(_less(right, left)),
    ("_>=_", 2): lambda left, right: _not(_less(left, right)),
    ("dyn", 1): lambda value: value,
}

_INFIX = {
    "_+_": "+",
    "_-_": "-",
    "_*_": "*",
    "_/_": "/",
    "_%_": "%",
    "_<_": "<",
    "_<=_": "<=",
    "_>_": ">",
    "_>=_": ">=",
}

_NONE: Any = object()


def _plain(value: Any) -> Any:
    """Return a value as plain data; ``_NONE`` when not all of it is known."""
    if isinstance(value, Fields):
        entries = {key: _plain(item) for key, item in value.known.items()}
        return _NONE if value.more or any(item is _NONE for item in entries.values()) else entries
    if isinstance(value, Items):
        listed = [_plain(item) for item in value.known]
        return _NONE if value.more or any(item is _NONE for item in listed) else listed
    return _NONE if isinstance(value, Anything | Optional | Other | AtLeast) else value


def _evaluated(function: str, arguments: list[Any]) -> Any:
    """Ask the evaluator itself for a function of values that are all known."""
    names = [f"params[{place}]" for place in range(len(arguments))]
    if function in _INFIX and len(names) == 2:
        expression = f"{names[0]} {_INFIX[function]} {names[1]}"
    elif function.replace(".", "").isidentifier() and names:
        # A function has one of two forms; the one that does not exist cannot be compiled.
        expression = f"{names[0]}.{function}({', '.join(names[1:])})"
        if cel.serialized(expression) is None:
            expression = f"{function}({', '.join(names)})"
    else:
        return ANYTHING
    found = cel.evaluate(expression, {"params": [_plain(item) for item in arguments]})
    return ANYTHING if found.error else lift(found.value)
