"""Texts without the names of tenants in them, so that what is said of one can be compared with what is said of others.

Most objects of a platform exist once for each tenant and differ in names only. What one of them says is read word by
word; for the others it is enough to see that it is the same text around the names of another tenant. That holds for
tenants whose names neither contain nor overlap those of others: no name of a third one could begin in one of theirs.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.model.tenancy import TenantIdentity

WORD = re.compile(r"([A-Za-z0-9._:@/-]+)")

PLACE = re.compile("\1([0-9]+)\1")
"""A name of a tenant in a text without names: its place among those of the tenant."""

_JOINTS = re.compile(r"([._:@/-])")

# Escapes of a representation, whose letter would otherwise stand before a word as if it were a part of it.
_ESCAPE = re.compile(r"\\(?:x..|u....|U........|[a-z])")

# A name that is a part of a word without a joint between.
_GROWN = re.compile("[A-Za-z0-9]\1[0-9]+\1|\1[0-9]+\1[A-Za-z0-9\1]")


def names_of(tenant: TenantIdentity) -> tuple[str, ...]:
    """Return all names of a tenant."""
    return (tenant.name, *tenant.namespaces, *tenant.groups, *tenant.users)


class Words:
    """Finds words that are made of names of tenants, and says texts without these names.

    Args:
        tenants: all tenants.
    """

    def __init__(self, tenants: Sequence[TenantIdentity]) -> None:
        self._names = {tenant.name: names_of(tenant) for tenant in tenants}
        self._holders: dict[str, dict[str, int]] = defaultdict(dict)
        for tenant, names in self._names.items():
            for place, name in enumerate(names):
                self._holders[name].setdefault(tenant, place)
        self._tokens: dict[str, str] = {}
        self._owners: dict[str, frozenset[str]] = {}
        self._made_of: dict[str, set[str]] = defaultdict(set)
        # By the text around the names of a tenant what it says; empty where it must be read word by word.
        self._known: dict[str, str] = {}
        # By what is said, words made of names: with places for these, and as tokens; and such words by tenant.
        self._words_in: dict[str, frozenset[tuple[str, str]]] = {}
        self._alike: dict[str, set[tuple[str, str]]] = defaultdict(set)
        apart = _apart(self._names)
        self._apart = {
            tenant: [(name, f"\1{names.index(name)}\1") for name in sorted({*names}, key=len, reverse=True)]
            for tenant, names in self._names.items()
            if tenant in apart
        }

    def token(self, word: str) -> str:
        """Return a word with each name in it as its place among those of its tenant; others stay as they are."""
        if word not in self._tokens:
            self._read(word)
        return self._tokens[word]

    def owners(self, written: str) -> set[str]:
        """Return the tenants that a text mentions."""
        return self.anonymous(written)[1]

    def made_of(self, tenant: str) -> set[str]:
        """Return the words met so far that are made of names of a tenant."""
        names = self._names[tenant]
        for word, token in self._alike.pop(tenant, ()):
            whole = PLACE.sub(lambda match: names[int(match[1])], word)
            self._tokens[whole] = token
            self._owners[whole] = frozenset({tenant})
            self._made_of[tenant].add(whole)
        return self._made_of[tenant]

    def anonymous(self, written: str) -> tuple[str, set[str]]:
        """Return a text without names of tenants, and the tenants that it mentions."""
        return self._without_names(_with_breaks(written))

    def said(self, written: str, guess: str) -> tuple[str, set[str]]:
        """Return the same as :meth:`anonymous`; sooner where it is known of the names of another tenant.

        Args:
            written: the text.
            guess: the tenant whose names may stand in it; empty for none.
        """
        read = around = _with_breaks(written)
        names = self._apart.get(guess)
        if names is None:
            return self._without_names(read)
        for name, place in names:
            around = around.replace(name, place)
        if around not in self._known:
            text, owners = self._without_names(read)
            self._known[around] = text if owners == {guess} and not _GROWN.search(around) else ""
            return text, owners
        text = self._known[around]
        if not text:
            return self._without_names(read)
        if text not in self._words_in:
            self._words_in[text] = self._placed(around, guess)
        self._alike[guess] |= self._words_in[text]
        return text, {guess}

    def _without_names(self, read: str) -> tuple[str, set[str]]:
        parts = WORD.split(read)
        tokens, owners = self._tokens, self._owners
        found: set[str] = set()
        for word in set(parts[1::2]):
            if word not in tokens:
                self._read(word)
            if word in owners:
                found |= owners[word]
        if found:
            parts[1::2] = map(tokens.__getitem__, parts[1::2])
        return "".join(parts), found

    def _placed(self, around: str, tenant: str) -> frozenset[tuple[str, str]]:
        """Return the words of a text that are made of names, with places for names, and the same as tokens."""
        names = self._names[tenant]
        words = {word for word in _PLACED.findall(around) if "\1" in word}
        whole = ((word, PLACE.sub(lambda match: names[int(match[1])], word)) for word in words)
        return frozenset((word, self.token(read)) for word, read in whole)

    def _read(self, word: str) -> None:
        pieces = _JOINTS.split(word)
        starts = range(0, len(pieces), 2)
        # The longest first, as a name may begin with another one.
        inside = [
            (start, end, name)
            for start in starts
            for end in range(len(pieces), start, -2)
            if (name := "".join(pieces[start:end])) in self._holders
        ]
        kept: list[str] = []
        done = 0
        for start, end, name in inside:
            if start >= done:
                kept += (*pieces[done:start], f"\1{min(self._holders[name].values())}\1")
                done = end
        self._tokens[word] = "".join((*kept, *pieces[done:]))
        if inside:
            # Every name counts here, also one that begins inside another.
            self._owners[word] = frozenset(owner for _, _, name in inside for owner in self._holders[name])
            for owner in self._owners[word]:
                self._made_of[owner].add(word)


# A word in which places may stand for names.
_PLACED = re.compile("(?:[A-Za-z0-9._:@/-]|\1[0-9]+\1)+")


def _with_breaks(written: str) -> str:
    return _ESCAPE.sub("\\g<0>\0", written) if "\\" in written else written


def _apart(names: dict[str, tuple[str, ...]]) -> set[str]:
    """Return tenants none of whose names contains, is a part of, overlaps or is one of another tenant's."""
    holders: dict[str, set[str]] = defaultdict(set)
    parts: dict[str, set[str]] = defaultdict(set)
    starts: dict[str, set[str]] = defaultdict(set)
    ends: dict[str, set[str]] = defaultdict(set)
    odd: set[str] = set()
    for tenant, own in names.items():
        for name in own:
            holders[name].add(tenant)
            pieces = _JOINTS.split(name)
            if not WORD.fullmatch(name):
                odd.add(tenant)
            for start, end in _runs(len(pieces)):
                run = "".join(pieces[start:end])
                parts[run].add(tenant)
                if not start:
                    starts[run].add(tenant)
                if end == len(pieces):
                    ends[run].add(tenant)
    for name, there in holders.items():
        if len(there) > 1:
            odd |= there
        if parts[name] - there:
            odd |= there | parts[name]
    for run in starts.keys() & ends.keys():
        odd |= starts[run] | ends[run]
    return set(names) - odd


def _runs(length: int) -> Iterator[tuple[int, int]]:
    """Yield the places of all parts of a name between joints but for the whole."""
    for start in range(0, length, 2):
        for end in range(start + 1, length + 1, 2):
            if end - start < length:
                yield start, end
