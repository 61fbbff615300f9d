"""Operators and functions of CEL on values of which only a part is known.

Source: cel-spec ``doc/langdef.md``; cel-go ``cel/library.go`` and ``ext``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tenantry.safe import cel
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
    truth,
)

# --- fields -----------------------------------------------------------------------------------------------------------


def select(operand: Any, name: str, *, test: bool = False) -> Any:
    """Return a field of a value, or with ``test`` whether it has the field."""
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
        return select(operand, key)
    if isinstance(operand, Items) and not operand.more and isinstance(key, int) and not isinstance(key, bool):
        return operand.known[key] if 0 <= key < len(operand.known) else ERROR
    return ANYTHING


# --- comparisons ------------------------------------------------------------------------------------------------------


def _equal(left: Any, right: Any) -> Any:
    if type(left) is str and type(right) is str:
        return left == right
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


# --- functions --------------------------------------------------------------------------------------------------------


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
    return ANYTHING if plain(left) is NOT_PLAIN or plain(right) is NOT_PLAIN else evaluated("_+_", [left, right])


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
    return evaluated("_<_", [left, right])


OPERATORS: dict[tuple[str, int], Callable[..., Any]] = {
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
"""What operators and functions give, by name and number of arguments, where not all of these need be known."""

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


def evaluated(function: str, arguments: list[Any]) -> Any:
    """Ask the evaluator itself for a function of values that are all known."""
    if all(type(item) in {str, int, bool, float} for item in arguments):
        return _evaluated_once(function, *arguments)
    return _asked(function, [plain(item) for item in arguments])


@lru_cache(maxsize=65536, typed=True)
def _evaluated_once(function: str, *arguments: str | float) -> Any:
    return _asked(function, list(arguments))


def _asked(function: str, arguments: list[Any]) -> Any:
    expression = _expression(function, len(arguments))
    if expression is None:
        return ANYTHING
    found = cel.evaluate(expression, {"params": arguments})
    return ANYTHING if found.error else lift(found.value)


@lru_cache(maxsize=1024)
def _expression(function: str, count: int) -> str | None:
    """Return an expression that calls a function with the items of ``params``; None for one without a written form."""
    names = [f"params[{place}]" for place in range(count)]
    if function in _INFIX and count == 2:
        return f"{names[0]} {_INFIX[function]} {names[1]}"
    if function.replace(".", "").isidentifier() and names:
        # A function has one of two forms; the one that does not exist cannot be compiled.
        expression = f"{names[0]}.{function}({', '.join(names[1:])})"
        return expression if cel.serialized(expression) is not None else f"{function}({', '.join(names)})"
    return None
