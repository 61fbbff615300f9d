"""Evaluates CEL where only a part of an object is known: what comes out whatever the rest is.

A refusal that comes out this way holds for every object with that part: it is a proof, where a single object that was
refused is only an example. Of what is not understood here anything may come.

Source: cel-spec ``doc/langdef.md``; cel-go ``cel/library.go`` and ``ext``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenantry.safe import cel
from tenantry.safe.cel_tree import Call, Const, Ident, ListOf, Loop, MapOf, Node, Select, misread, tree_of
from tenantry.safe.partial_values import (
    ANYTHING,
    EITHER,
    ERROR,
    NOT_PLAIN,
    Anything,
    AtLeast,
    Fields,
    Items,
    Optional,
    any_of,
    both,
    lift,
    negated,
    one_of,
    plain,
    possible,
    same,
    settled,
    truth,
)

MOST_STEPS = 20_000
"""Nodes looked at before giving up on an expression."""


class _GivenUpError(Exception):
    """The expression is too long to look through."""


@dataclass
class _Scope:
    names: Mapping[str, Any]
    steps: list[int] = field(default_factory=lambda: [MOST_STEPS])

    def with_names(self, **names: Any) -> _Scope:
        return _Scope({**self.names, **names}, self.steps)


def evaluate(expression: object, data: Mapping[str, Any]) -> cel.Outcome:
    """Evaluate an expression on plain data; what the evaluator of the package gets wrong is evaluated here."""
    if not (isinstance(expression, str) and misread(expression)):
        return cel.evaluate(expression, dict(data))
    found = value_of(expression, {name: lift(value) for name, value in data.items()})
    if isinstance(found, Anything) and found == ERROR:
        return cel.Outcome(error="no such key")
    told = plain(found)
    if told is NOT_PLAIN:
        return cel.Outcome(error="a form that is not evaluated", genuine=False)
    return cel.Outcome(told)


def outcome(expression: object, names: Mapping[str, Any]) -> Anything:
    """Return what can come of an expression, given values of the variables."""
    node = tree_of(expression) if isinstance(expression, str) else None
    if node is None:
        return ANYTHING
    try:
        return possible(_value(node, _Scope(names)))
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
    if isinstance(operand, Anything) and operand == ERROR:
        return ERROR
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
    joined = both if node.step.function == _ALL else one_of
    found = joined(start, ANYTHING)
    for item in items:
        found = joined(found, _value(node.step.arguments[1], scope.with_names(**{node.item: item})))
    return found


# --- operators --------------------------------------------------------------------------------------------------------


def _equal(left: Any, right: Any) -> Any:
    for value in (left, right):
        if isinstance(value, Anything) and value == ERROR:
            return ERROR
    return truth(same(left, right), left, right)


def _in(item: Any, over: Any) -> Any:
    if isinstance(item, Anything) and item == ERROR:
        return ERROR
    if isinstance(over, Fields):
        has = over.has(item) if isinstance(item, str) else None
        return truth(has, item)
    if isinstance(over, Items):
        found = any_of(same(item, known) for known in over.known)
        return truth(None if over.more and found is False else found, item)
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
    told = [plain(value) for value in values]
    if any(value is NOT_PLAIN for value in told):
        return ANYTHING
    return _evaluated(node.function, told)


def _choice(node: Call, scope: _Scope) -> Any:
    condition, left, right = node.arguments
    asked = possible(_value(condition, scope))
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
    ways = [possible(item) for item in found]
    return settled(
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
    if same(value.value, default):
        return default
    ways = (possible(value.value), possible(default))
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
    found = possible(value)
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
    return ANYTHING if plain(left) is NOT_PLAIN or plain(right) is NOT_PLAIN else _evaluated("_+_", [left, right])


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
    if plain(left) is NOT_PLAIN or plain(right) is NOT_PLAIN:
        return ANYTHING
    return _evaluated("_<_", [left, right])


_OPERATORS: dict[tuple[str, int], Callable[..., Any]] = {
    ("_&&_", 2): both,
    ("_||_", 2): one_of,
    ("!_", 1): negated,
    ("_==_", 2): _equal,
    ("_!=_", 2): lambda left, right: negated(_equal(left, right)),
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
    ("_<=_", 2): lambda left, right: negated(_less(right, left)),
    ("_>=_", 2): lambda left, right: negated(_less(left, right)),
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
    found = cel.evaluate(expression, {"params": [plain(item) for item in arguments]})
    return ANYTHING if found.error else lift(found.value)
