"""Reads JSON record by record: elements of an array, items of a Kubernetes List, or one value after another.

Whole files of some gigabytes need no more memory than one record and a few blocks.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_RECORD: Final = 16 << 20
"""Longest record in characters."""

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()


class Record(NamedTuple):
    """One record and the 1-based line on which it begins."""

    line: int
    value: Any


class BrokenJson(Exception):  # noqa: N818 - reads as what it says, and never leaves this package
    """The text is not JSON from here on."""

    def __init__(self, line: int, reason: str) -> None:
        self.line, self.reason = line, reason
        super().__init__(line, reason)


def records(blocks: Iterator[str]) -> Iterator[Record]:
    """Yield the records of a text.

    Args:
        blocks: the text in parts.

    Raises:
        BrokenJson: where the text stops being JSON; all records before that were given.
    """
    stream = _Stream(blocks)
    while following := stream.next():
        line = stream.line
        if following == "[":
            yield from stream.elements()
        elif following == "{":
            rest: dict[str, Any] = {}
            yield from stream.members(rest)
            if not stream.had_items:
                yield Record(line, rest)
        else:
            yield Record(line, stream.value())


class _Stream:
    """A text with the place reached in it."""

    def __init__(self, blocks: Iterator[str]) -> None:
        self._blocks = blocks
        self._text, self._at = "", 0
        self._line, self._counted = 1, 0
        self.had_items = False

    @property
    def line(self) -> int:
        """1-based line of the place reached."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def next(self) -> str:
        """Skip blanks and return the character that follows, empty at the end of the text."""
        while True:
            match = _BLANK.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(1):
                return ""

    def value(self) -> Any:
        """Read one value.

        Raises:
            BrokenJson: if there is none, it is nested too deeply, or too long.
        """
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # Whether the text is wrong or merely not read to its end is known once there is no more.
                if self._more(len(self._text) - self._at):
                    continue
                self._at = min(error.pos, len(self._text))
                raise self.broken(error.msg) from error
            except (ValueError, RecursionError) as error:
                raise self.broken("nested too deeply" if isinstance(error, RecursionError) else str(error)) from error
            if end == len(self._text) and self._more(1):
                continue  # a number may go on
            self._at = end
            return value

    def elements(self, default: dict[str, Any] | None = None) -> Iterator[Record]:
        """Yield the elements of the array that begins here; missing fields are taken from ``default``."""
        self._take("[")
        if self.next() == "]":
            self._take("]")
            return
        while True:
            self.next()
            line, value = self.line, self.value()
            yield Record(line, {**default, **value} if default and isinstance(value, dict) else value)
            if self.next() == "]":
                self._take("]")
                return
            self._take(",")

    def members(self, rest: dict[str, Any]) -> Iterator[Record]:
        """Yield the items of the object that begins here, and put its other members into ``rest``."""
        self.had_items = False
        self._take("{")
        while self.next() != "}":
            if self.next() != '"':
                raise self.broken("expected a name in double quotes")
            name = self.value()
            self.next()
            self._take(":")
            if name == "items" and self.next() == "[":
                self.had_items = True
                yield from self.elements(_kind_of_items(rest))
            else:
                self.next()
                rest[name] = self.value()
            if self.next() != "}":
                self._take(",")
        self._take("}")

    def broken(self, reason: str) -> BrokenJson:
        """Return the error that something is wrong here."""
        return BrokenJson(self.line, reason)

    def _take(self, wanted: str) -> None:
        found = self.next()
        if found != wanted:
            raise self.broken(f"expected {wanted!r}, found {found!r}" if found else f"the text ends before {wanted!r}")
        self._at += 1

    def _more(self, wanted: int) -> bool:
        """Read on by at least ``wanted`` characters where there are so many, dropping what was read before."""
        if len(self._text) - self._at > LONGEST_RECORD:
            return False
        parts, length = [self._text[self._at :]], 0
        self._line, self._counted = self.line, 0
        for block in self._blocks:
            parts.append(block)
            length += len(block)
            if length >= wanted:
                break
        self._text, self._at = "".join(parts), 0
        return length > 0


def _kind_of_items(members: dict[str, Any]) -> dict[str, Any]:
    """Return what the API server leaves out of the items of a typed list such as ``PodList``."""
    kind = members.get("kind")
    if not isinstance(kind, str) or not kind.endswith("List") or kind == "List":
        return {}
    return {"apiVersion": members.get("apiVersion"), "kind": kind.removesuffix("List")}
