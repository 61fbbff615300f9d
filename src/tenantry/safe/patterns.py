"""Patterns in objects that could match names: those of Argo CD, of routers, of queries, whatever reads them.

What a pattern means depends on who reads it, so each is taken as a shell pattern and as a regular expression. Two names
that every pattern matches alike in both ways are alike for all that is written in patterns.
"""

from __future__ import annotations

import re
from fnmatch import translate
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SIGN = re.compile(r"[*?^$+]|\[[^\]'\"\s{]+\]|\\[dwsDWS]|\{[0-9]")
_BREAK = re.compile(r"\\+(?:[nrt]\0|(?=[\"']))")
_LISTED = re.compile(r"[,;|=]")

# Letters a match needs, whoever reads the pattern: none of a group or set, nor one before a sign that leaves it out.
_NEEDED = re.compile(r"[A-Za-z0-9_/-]+(?=[A-Za-z0-9_/-][*?{]|[^*?{A-Za-z0-9_/-]|$)")
_CHOICE = re.compile(r"\[[^\]]*\]|\(.*\)|\\.")


def is_plainly(written: str) -> bool:
    """Whether a text is a pattern for other reasons than a point, which stands in most names of domains and files."""
    return bool(_SIGN.search(written))


def patterns_in(written: str, known: set[str]) -> Iterator[str]:
    """Yield the parts of a representation that may be patterns: whole words, and the entries of lists in one word.

    Args:
        written: a representation in which a zero character stands behind every escape.
        known: words that were looked at before and are passed over; those of this one are added.
    """
    if "\\" in written:
        written = _BREAK.sub("\n", written).replace("\0", "").replace("\\\\", "\\")
    words = set(written.replace('"', " ").replace("'", " ").split()) - known
    known |= words
    for word in words:
        yield from filter(_may_be, (word, *_LISTED.split(word)) if _LISTED.search(word) else (word,))


def _may_be(word: str) -> bool:
    # Numbers and addresses have points as well, and no letters.
    return is_plainly(word) or ("." in word and any(map(str.isalpha, word)))


class Patterns:
    """Compares names with patterns.

    Args:
        written: the patterns.
        words: all names that will be asked about; patterns that match none of them are passed over.
    """

    def __init__(self, written: Iterable[str], words: Iterable[str]) -> None:
        self._written = sorted(set(written))
        self._words = "\n".join(words)

    @cached_property
    def _compiled(self) -> list[re.Pattern[str]]:
        found = []
        for item in self._written:
            if "(?" in item or all(part in self._words for part in _NEEDED.findall(_CHOICE.sub("^", item))):
                found.append(re.compile(translate(item)))
                try:
                    found.append(re.compile(item))
                except re.error:
                    continue
        return found

    def mark(self, name: str) -> str:
        """Return which patterns match a name; equal for names that none tells apart."""
        return "".join(map(_how, self._compiled, repeat(name)))


def _how(pattern: re.Pattern[str], name: str) -> str:
    """Return a letter for whether a pattern matches a name, its beginning, something in it, or nothing."""
    if not pattern.search(name):
        return "."
    return "=" if pattern.fullmatch(name) else "<" if pattern.match(name) else "~"
