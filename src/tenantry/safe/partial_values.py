"""Values of which only a part is known, and what can be said of them.

A value is plain data, or :class:`Fields` or :class:`Items` that may hold more than is known, or one of the others here.
Truth values and errors are combined as CEL does: what decides alone wins over an error on the other side.

Source: cel-spec ``doc/langdef.md`` (errors and logical operators); cel-go ``cel/library.go`` (optional values).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


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


@dataclass(frozen=True, slots=True)
class Unlike(Anything):
    """A value of which only is known that it does not say what another one says.

    Attributes:
        lacks: what it does not say.
    """

    error: bool = False
    lacks: Any = None


ANYTHING = Anything()
EITHER = Anything(error=False, other=False)
"""True or false."""
ERROR = Anything(true=False, false=False, other=False)
_TRUE = Anything(false=False, error=False, other=False)
_FALSE = Anything(true=False, error=False, other=False)
_OTHER = Anything(true=False, false=False, error=False)


def lift(value: Any) -> Any:
    """Return plain data as values of this module, all of it known."""
    if type(value) is str:
        return value
    if isinstance(value, Mapping):
        return Fields({str(key): lift(item) for key, item in value.items()}, more=False)
    if isinstance(value, list | tuple):
        return Items(tuple(map(lift, value)), more=False)
    return value


def possible(value: Any) -> Anything:
    """Return what may come of a value."""
    if isinstance(value, Anything):
        return value
    if value is True:
        return _TRUE
    return _FALSE if value is False else _OTHER


def settled(value: Anything) -> Any:
    """Return the plain value of an outcome of which only one thing can come."""
    if value.other:
        return value
    ways = (value.true, value.false, value.error)
    return {(True, False, False): True, (False, True, False): False}.get(ways, value)


# --- logic ------------------------------------------------------------------------------------------------------------


def both(left: Any, right: Any) -> Any:
    """Return ``left && right``: false wins over an error, whichever side it is on."""
    one, other = possible(left), possible(right)
    if left is False or right is False:
        return False
    broken = one.error or one.other or other.error or other.other
    # What is not a truth value is an error here.
    return settled(Anything(one.true and other.true, one.false or other.false, broken, other=False))


def one_of(left: Any, right: Any) -> Any:
    """Return ``left || right``: true wins over an error, whichever side it is on."""
    one, other = possible(left), possible(right)
    if left is True or right is True:
        return True
    broken = one.error or one.other or other.error or other.other
    return settled(Anything(one.true or other.true, one.false and other.false, broken, other=False))


def negated(value: Any) -> Any:
    """Return ``!value``."""
    found = possible(value)
    return settled(Anything(found.false, found.true, found.error or found.other, other=False))


def same(left: Any, right: Any) -> bool | None:
    """Whether two values are equal; None when that is not known."""
    if isinstance(left, Optional) and isinstance(right, Optional):
        return _same_optional(left, right)
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Unlike) and says(other, one.lacks):
            return False
    if isinstance(left, Anything | Optional) or isinstance(right, Anything | Optional):
        return None
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Other | AtLeast):
            return _same_as_some(one, other)
    if isinstance(left, Fields) and isinstance(right, Fields):
        return _same_fields(left, right)
    if isinstance(left, Items) and isinstance(right, Items):
        if left.more or right.more:
            return None
        if len(left.known) != len(right.known):
            return False
        return all_of(same(one, other) for one, other in zip(left.known, right.known, strict=True))
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    if isinstance(left, Fields | Items) or isinstance(right, Fields | Items):
        return False
    return bool(left == right)


def says(value: Any, part: Any) -> bool:
    """Whether a value says for certain all that another one says."""
    if isinstance(value, Fields) and isinstance(part, Fields):
        return all(key in value.known and says(value.known[key], item) for key, item in part.known.items())
    if isinstance(value, Items) and isinstance(part, Items):
        whole = part.more or same(value, part) is True
        return whole and all(any(says(item, one) for item in value.known) for one in part.known)
    return not isinstance(part, Fields | Items) and same(value, part) is True


def implies(value: Any, part: Any) -> bool:
    """Whether all data that a value stands for is data that another one stands for; False where that is not known."""
    if isinstance(part, Fields):
        return (
            isinstance(value, Fields)
            and all(key in value.known and implies(value.known[key], item) for key, item in part.known.items())
            and all(value.has(key) is False for key in part.absent)
            and (part.more or (not value.more and value.known.keys() <= part.known.keys()))
        )
    if isinstance(part, Items):
        if not isinstance(value, Items) or not part.more:
            return same(value, part) is True
        left = list(value.known)
        for item in part.known:
            place = next((place for place, other in enumerate(left) if implies(other, item)), None)
            if place is None:
                return False
            del left[place]
        return True
    return same(value, part) is True


def _same_as_some(one: Other | AtLeast, other: Any) -> bool | None:
    """Whether a text or number of which little is known equals a value."""
    if isinstance(one, Other):
        if isinstance(other, Other):
            return None
        return None if isinstance(other, str) and other not in one.than else False
    if isinstance(other, AtLeast):
        return None
    number = isinstance(other, int | float) and not isinstance(other, bool)
    return None if number and other >= one.number else False


def _same_optional(left: Optional, right: Optional) -> bool | None:
    if left.present is None or right.present is None:
        return None
    if not left.present or not right.present:
        return left.present is right.present
    return same(left.value, right.value)


def _same_fields(left: Fields, right: Fields) -> bool | None:
    found: list[bool | None] = []
    for key in {*left.known, *right.known}:
        has = (left.has(key), right.has(key))
        if False in has:
            return False
        found.append(None if None in has else same(left.known[key], right.known[key]))
    if left.more or right.more:
        found.append(None)
    return all_of(found)


def all_of(answers: Iterable[bool | None]) -> bool | None:
    """Whether all answers are yes; None when that is not known."""
    found = list(answers)
    if False in found:
        return False
    return None if None in found else True


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Whether some answer is yes; None when that is not known."""
    found = list(answers)
    if True in found:
        return True
    return None if None in found else False


def truth(answer: bool | None, *values: Any) -> Any:
    """Return a truth value; what is unknown may also be the error that one of the operands is."""
    broken = any(isinstance(value, Anything) and value.error for value in values)
    if answer is not None and not broken:
        return answer
    return Anything(answer is not False, answer is not True, error=broken, other=False)


NOT_PLAIN: Any = object()
"""Stands for data of which not all is known."""


def plain(value: Any) -> Any:
    """Return a value as plain data; ``NOT_PLAIN`` when not all of it is known."""
    if isinstance(value, Fields):
        entries = {key: plain(item) for key, item in value.known.items()}
        return NOT_PLAIN if value.more or any(item is NOT_PLAIN for item in entries.values()) else entries
    if isinstance(value, Items):
        listed = [plain(item) for item in value.known]
        return NOT_PLAIN if value.more or any(item is NOT_PLAIN for item in listed) else listed
    return NOT_PLAIN if isinstance(value, Anything | Optional | Other | AtLeast) else value
