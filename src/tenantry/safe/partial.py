"""Evaluates CEL where only a part of an object is known: what comes out whatever the rest is.

A refusal that comes out this way holds for every object with that part: it is a proof, where a single object that was
refused is only an example. Of what is not understood here anything may come.

Source: cel-spec ``doc/langdef.md``; cel-go ``cel/library.go`` and ``ext``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tenantry.safe import cel
from tenantry.safe.cel_tree import Call, Const, Ident, ListOf, Loop, MapOf, Node, Select, misread, tree_of
from tenantry.safe.partial_operators import OPERATORS, evaluated, select
from tenantry.safe.partial_values import (
    ANYTHING,
    ERROR,
    NOT_PLAIN,
    Anything,
    Fields,
    Items,
    Optional,
    both,
    lift,
    one_of,
    plain,
    possible,
    settled,
)

MOST_STEPS = 20_000
"""Nodes looked at before giving up on an expression."""


class _GivenUpError(Exception):
    """The expression is too long to look through."""


@dataclass(slots=True)
class _Budget:
    steps: int = MOST_STEPS

    def spend(self) -> None:
        """Take a step.

        Raises:
            _GivenUpError: if there is none left.
        """
        self.steps -= 1
        if self.steps < 0:
            raise _GivenUpError


_Names = Mapping[str, Any]
_Program = Callable[[_Names, _Budget], Any]
"""What is left of a part of an expression once its form has been looked at: values of variables in, its value out."""


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
    return possible(value_of(expression, names))


def value_of(expression: object, names: Mapping[str, Any]) -> Any:
    """Return the value of an expression as far as it is known."""
    program = _program_of(expression) if isinstance(expression, str) else None
    if program is None:
        return ANYTHING
    try:
        return program(names, _Budget())
    except (_GivenUpError, RecursionError):
        return ANYTHING


@lru_cache(maxsize=4096)
def _program_of(expression: str) -> _Program | None:
    node = tree_of(expression)
    try:
        return _program(node) if node is not None else None
    except RecursionError:
        return None


def _program(node: Node) -> _Program:
    if isinstance(node, Const):
        value = node.value
        return lambda names, budget: value
    if isinstance(node, Ident):
        name = node.name
        return lambda names, budget: names.get(name, ANYTHING)
    if isinstance(node, Select):
        return _selection(node)
    if isinstance(node, ListOf):
        return _list(node)
    if isinstance(node, MapOf):
        return _map(node)
    if isinstance(node, Loop):
        return _loop(node)
    return _call(node)


# --- fields -----------------------------------------------------------------------------------------------------------


def _selection(node: Select) -> _Program:
    operand, field, test = _program(node.operand), node.field, node.test
    return lambda names, budget: select(operand(names, budget), field, test=test)


# --- literals ---------------------------------------------------------------------------------------------------------


def _list(node: ListOf) -> _Program:
    programs = [(_program(item), place in node.optional) for place, item in enumerate(node.items)]

    def run(names: _Names, budget: _Budget) -> Any:
        items, more = [], False
        for program, optional in programs:
            found = program(names, budget)
            if optional:
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

    return run


def _map(node: MapOf) -> _Program:
    programs = [(_program(key), _program(item), optional) for key, item, optional in node.entries]

    def run(names: _Names, budget: _Budget) -> Any:
        entries: dict[str, Any] = {}
        for key, item, optional in programs:
            name, found = key(names, budget), item(names, budget)
            if optional or not isinstance(name, str) or (isinstance(found, Anything) and found.error):
                return ANYTHING
            entries[name] = found
        return Fields(entries, more=False)

    return run


# --- comprehensions ---------------------------------------------------------------------------------------------------

_ALL, _EXISTS = "_&&_", "_||_"


def _loop(node: Loop) -> _Program:
    over_of, start_of = _program(node.over), _program(node.start)
    closed, opened = _closed_loop(node), _open_loop(node)

    def run(names: _Names, budget: _Budget) -> Any:
        over = over_of(names, budget)
        start = start_of(names, budget)
        if isinstance(over, Anything):
            # An error of what is gone through is the error of the whole.
            return ANYTHING if over.other else ERROR
        if isinstance(over, Optional) or not isinstance(over, Fields | Items):
            return ERROR
        return (opened if over.more else closed)(_gone_through(over), start, names, budget)

    return run


_Way = Callable[[tuple[Any, ...], Any, _Names, _Budget], Any]
"""Goes through items, from what is there before the first."""


def _closed_loop(node: Loop) -> _Way:
    """Go through all there is."""
    item_name, accumulator_name, folds = node.item, node.accumulator, _folds(node)
    condition, step, result = _program(node.condition), _program(node.step), _program(node.result)

    def run(items: tuple[Any, ...], start: Any, names: _Names, budget: _Budget) -> Any:
        if node.second:
            return ANYTHING
        accumulator = start
        inner = dict(names)
        for item in items:
            budget.spend()
            inner[item_name], inner[accumulator_name] = item, accumulator
            goes_on = condition(inner, budget)
            if goes_on is False:
                break
            if goes_on is not True and not folds:
                return ANYTHING
            accumulator = step(inner, budget)
        return result({**names, accumulator_name: accumulator}, budget)

    return run


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


def _open_loop(node: Loop) -> _Way:
    """Go through what is known of a list or map that may hold more: one item may decide ``all`` and ``exists``."""
    if not _folds(node) or node.second or not isinstance(node.step, Call):
        return lambda items, start, names, budget: ANYTHING
    joined = both if node.step.function == _ALL else one_of
    name, asked = node.item, _program(node.step.arguments[1])

    def run(items: tuple[Any, ...], start: Any, names: _Names, budget: _Budget) -> Any:
        found = joined(start, ANYTHING)
        inner = dict(names)
        for item in items:
            budget.spend()
            inner[name] = item
            found = joined(found, asked(inner, budget))
        return found

    return run


# --- calls ------------------------------------------------------------------------------------------------------------


def _call(node: Call) -> _Program:
    function, count = node.function, len(node.arguments)
    programs = [_program(argument) for argument in node.arguments]
    if function == "_?_:_":
        return _choice(*programs)
    if function in _DECIDED_BY and count == 2:
        return _logic(function, *programs)
    known = OPERATORS.get((function, count))
    if known is None:
        return _other_call(function, programs)
    if count == 1:
        (only,) = programs
        return lambda names, budget: known(only(names, budget))
    if count == 2:
        left, right = programs
        return lambda names, budget: known(left(names, budget), right(names, budget))
    return lambda names, budget: known(*[program(names, budget) for program in programs])


_DECIDED_BY = {_ALL: False, _EXISTS: True}
"""What decides ``&&`` and ``||`` whatever the other side is."""


def _logic(function: str, left: _Program, right: _Program) -> _Program:
    decides, joined = _DECIDED_BY[function], both if function == _ALL else one_of

    def run(names: _Names, budget: _Budget) -> Any:
        found = left(names, budget)
        return decides if found is decides else joined(found, right(names, budget))

    return run


def _other_call(function: str, programs: list[_Program]) -> _Program:
    def run(names: _Names, budget: _Budget) -> Any:
        budget.spend()
        values = [program(names, budget) for program in programs]
        if any(isinstance(value, Anything) and value == ERROR for value in values):
            return ERROR
        told = [plain(value) for value in values]
        if any(value is NOT_PLAIN for value in told):
            return ANYTHING
        return evaluated(function, told)

    return run


def _choice(condition: _Program, left: _Program, right: _Program) -> _Program:
    def run(names: _Names, budget: _Budget) -> Any:
        asked = condition(names, budget)
        if asked is True:
            return left(names, budget)
        if asked is False:
            return right(names, budget)
        asked = possible(asked)
        if asked.other:
            return ANYTHING
        found: list[Any] = []
        if asked.true:
            found.append(left(names, budget))
        if asked.false:
            found.append(right(names, budget))
        if asked.error:
            found.append(ERROR)
        return _one_of_these(found, broken=asked.error)

    return run


def _one_of_these(found: list[Any], *, broken: bool) -> Any:
    """Return what is known of a value that is one of several; ``broken`` says whether it may be an error."""
    if len(found) == 1 or all(item == found[0] and type(item) is type(found[0]) for item in found):
        return found[0]
    if any(isinstance(item, Optional) for item in found) and not broken:
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
