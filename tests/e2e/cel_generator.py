"""Expressions and objects for them, drawn at random: what guards use, and what goes wrong in between."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

TEXTS = ("", "a", "b", "all", "nvidia.com/gpu", "10.0.0.1", "10.0.0.0/8", "1Gi", "500m", "x-a", "A b", "::1", "a,b")
NAMES = ("a", "b", "name", "value", "nvidia.com/gpu")
NUMBERS = (0, 1, 2, -1, 30, 3600)


class Later:
    """An expression that is drawn when it is written down."""

    def __init__(self, draw: Callable[[int, Sequence[str]], str], depth: int, names: Sequence[str]) -> None:
        self._draw = draw
        self._depth = depth
        self._names = names

    def __str__(self) -> str:
        return self._draw(self._depth, self._names)


class Draw:
    """Draws typed expressions over ``object.spec`` of :func:`thing`."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def one(self, items: Sequence[str | Callable[[], str]]) -> str:
        """Return one of some texts; one that is made is made only when it is chosen."""
        chosen = self.random.choice(items)
        return chosen if isinstance(chosen, str) else chosen()

    # --- texts and numbers ---

    def text(self, depth: int, names: Sequence[str] = ()) -> str:
        """An expression that gives a text, if it gives anything."""
        leaves: list[str | Callable[[], str]] = [
            quoted(self.one(TEXTS)),
            "object.spec.s",
            "object.spec.?t.orValue('none')",
            "object.spec.t",
            *names,
        ]
        leaves += [
            f"object.spec.m[{quoted(self.one(NAMES))}]",
            f"object.spec.?m[?{quoted(self.one(NAMES))}].orValue('')",
        ]
        if depth <= 0:
            return self.one(leaves)
        inner, other = Later(self.text, depth - 1, names), Later(self.text, depth - 1, names)
        return self.one(
            [
                *leaves,
                lambda: f"({inner} + {other})",
                lambda: f"{inner}.lowerAscii()",
                lambda: f"{inner}.upperAscii()",
                lambda: f"{inner}.trim()",
                lambda: f"{inner}.replace({other}, 'r')",
                lambda: f"{inner}.substring({self.number(0)})",
                lambda: f"{inner}.split({quoted(self.one((',', '/', 'a')))})[{self.one(('0', '1'))}]",
                lambda: f"object.spec.l.join({quoted(self.one(('', ',', '-')))})",
                lambda: f"({self.truth(depth - 1, names)} ? {inner} : {other})",
                lambda: f"string({self.number(depth - 1)})",
                lambda: f"object.spec.items[{self.one(('0', '1', '5'))}].name",
                lambda: f"{inner}.charAt({self.one(('0', '1', '9'))})",
                lambda: f"dyn({inner})",
                lambda: f"object.spec.?o.?p.?q.orValue({other})",
                lambda: f"object.spec[?'t'].optMap(v, v + {other}).orValue({inner})",
                lambda: f"optional.of({inner}).or(optional.none()).orValue({other})",
                lambda: f"optional.none().orValue({inner})",
                lambda: f"{inner}.find('[a-z]+')",
            ]
        )

    def number(self, depth: int, names: Sequence[str] = ()) -> str:
        """An expression that gives a whole number."""
        leaves: list[str | Callable[[], str]] = [
            str(self.random.choice(NUMBERS)),
            "object.spec.n",
            "object.spec.?k.orValue(7)",
            "object.spec.k",
        ]
        if depth <= 0:
            return self.one(leaves)
        inner, other = Later(self.number, depth - 1, names), Later(self.number, depth - 1, names)
        return self.one(
            [
                *leaves,
                lambda: f"({inner} + {other})",
                lambda: f"({inner} - {other})",
                lambda: f"({inner} * {other})",
                lambda: f"({inner} / {other})",
                lambda: f"({inner} % {other})",
                lambda: f"size({self.items(depth - 1)})",
                lambda: f"{self.items(depth - 1)}.size()",
                lambda: f"{self.text(depth - 1, names)}.size()",
                lambda: f"size({self.text(depth - 1, names)})",
                lambda: f"{self.text(depth - 1, names)}.indexOf({self.text(0, names)})",
                lambda: f"int({self.text(0, names)})",
                lambda: f"quantity({self.text(0, names)}).compareTo(quantity({self.text(0, names)}))",
                lambda: f"object.spec.q.map(x, x * {other}).sum()",
                lambda: f"object.spec.q[{self.one(('0', '2', '-1'))}]",
                lambda: f"({self.truth(depth - 1, names)} ? {inner} : {other})",
                "object.spec.m.size()",
                lambda: f"{self.items(depth - 1)}.filter(x, {self.truth(0, ['x'])}).size()",
                lambda: f"object.spec.l.indexOf({self.text(0, names)})",
            ]
        )

    def items(self, depth: int) -> str:
        """An expression that gives a list of texts."""
        leaves: list[str | Callable[[], str]] = [
            "object.spec.l",
            "object.spec.?u.orValue([])",
            "object.spec.u",
            f"[{quoted(self.one(TEXTS))}, 'b']",
        ]
        if depth <= 0:
            return self.one(leaves)
        return self.one(
            [
                *leaves,
                lambda: f"({self.items(depth - 1)} + {self.items(depth - 1)})",
                "object.spec.items.map(i, i.name)",
                "object.spec.items.map(i, i.?value.orValue('v'))",
                lambda: f"{self.items(depth - 1)}.filter(x, {self.truth(depth - 1, ['x'])})",
                lambda: f"{self.text(depth - 1)}.split(',')",
                lambda: f"[?object.spec.?t, {self.text(0)}]",
                "object.spec.items.filter(i, has(i.value)).map(i, i.value)",
                lambda: f"{self.text(0)}.findAll('[a-z]')",
            ]
        )

    # --- truths ---

    def truth(self, depth: int, names: Sequence[str] = ()) -> str:
        """An expression that gives true or false."""
        if depth <= 0:
            return self._leaf(names)
        one, other = Later(self.truth, depth - 1, names), Later(self.truth, depth - 1, names)
        text, number = Later(self.text, depth - 1, names), Later(self.number, depth - 1, names)
        return self.one(
            [
                self._leaf(names),
                lambda: f"!({one})",
                lambda: f"({one} && {other})",
                lambda: f"({one} || {other})",
                lambda: f"({one} && {other})",
                lambda: f"({one} || {other})",
                lambda: f"({one} ? {other} : {self.truth(depth - 1, names)})",
                lambda: f"{text} == {self.text(depth - 1, names)}",
                lambda: f"{text} != {self.text(depth - 1, names)}",
                lambda: f"{number} {self.one(('<', '<=', '>', '>=', '==', '!='))} {self.number(depth - 1, names)}",
                lambda: f"{text} in {self.items(depth - 1)}",
                lambda: f"{text}.{self.one(('startsWith', 'endsWith', 'contains'))}({self.text(0, names)})",
                lambda: f"{text}.matches({quoted(self.one(('^a', '^[a-z]*$', 'a|b', '[', '^$', '(?i)A')))})",
                lambda: (
                    f"{self.items(depth - 1)}.{self.one(('all', 'exists', 'exists_one'))}"
                    f"(x, {self.truth(depth - 1, ['x'])})"
                ),
                lambda: (
                    f"object.spec.items.{self.one(('all', 'exists'))}(i, {self._item()} {self.one(('&&', '||'))} {one})"
                ),
                lambda: (
                    f"object.spec.m.{self.one(('all', 'exists'))}"
                    f"(k, {self.truth(depth - 1, ['k', 'object.spec.m[k]'])})"
                ),
                lambda: f"{self.items(depth - 1)} == {self.items(depth - 1)}",
                lambda: f"sets.contains({self.items(depth - 1)}, {self.items(0)})",
                lambda: f"sets.intersects({self.items(depth - 1)}, {self.items(0)})",
                lambda: f"{self.items(depth - 1)}.isSorted()",
                lambda: f"cel.bind(b, {text}, b == {self.text(0, ['b'])})",
                lambda: f"object.spec.?t.optMap(v, {self.truth(depth - 1, ['v'])}).orValue({other})",
                lambda: f"object.spec.?o.?p.hasValue() == ({one})",
            ]
        )

    def _item(self) -> str:
        return self.one(
            [
                "has(i.value)",
                "i.name == 'a'",
                "i.value == 'all'",
                "i.?value.orValue('') in ['', 'void']",
                "!has(i.value) || i.value.startsWith('a')",
                "i.name.startsWith(i.value)",
            ]
        )

    def _leaf(self, names: Sequence[str]) -> str:
        text = self.one(names) if names and self.random.random() < 0.7 else self.text(0)
        return self.one(
            [
                "true",
                "false",
                "object.spec.b",
                "object.spec.c",
                "object.spec.?c.orValue(false)",
                "has(object.spec.t)",
                "has(object.spec.o.p)",
                "has(object.spec.o.p.q)",
                "has(object.spec.m.a)",
                "'a' in object.spec.m",
                lambda: f"{quoted(self.one(NAMES))} in object.spec.m",
                lambda: f"{text} == {quoted(self.one(TEXTS))}",
                lambda: f"{text} in ['a', 'b', 'all']",
                lambda: f"{text}.startsWith('a')",
                lambda: f"isQuantity({text})",
                lambda: f"quantity({text}).isGreaterThan(quantity('1'))",
                lambda: f"isIP({text})",
                lambda: f"ip({text}).family() == 4",
                lambda: f"isCIDR({text})",
                lambda: f"cidr('10.0.0.0/8').containsIP({text})",
                lambda: f"isURL({text})",
                "object.spec.n > 1",
                "object.spec.z == null",
                "object.spec.f < 2.0",
                "object.spec.o == {'p': {'q': 'a'}}",
                "object.spec.missing.deeper == 'x'",
                "dyn(object.spec.n) == dyn('1')",
                "type(object.spec.n) == int",
                "object.spec.l[0] == 'a'",
                "object.spec.?l[?0].orValue('') == 'a'",
                "object.spec.items[0].?value.hasValue()",
                "has(object.spec.items) && object.spec.items.size() > 1",
            ]
        )


def quoted(text: str) -> str:
    """Return a text as CEL writes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def thing(draw: random.Random) -> dict[str, Any]:
    """Return the spec of an object that has most of what expressions look at, each in one of its forms."""
    spec: dict[str, Any] = {
        "s": draw.choice(TEXTS),
        "n": draw.choice(NUMBERS),
        "b": draw.choice([True, False]),
        "f": draw.choice([0.5, 2.5, 1.0]),
        "l": [draw.choice(TEXTS) for _ in range(draw.randint(0, 3))],
        "q": [draw.choice(NUMBERS) for _ in range(draw.randint(0, 3))],
        "m": {name: draw.choice(TEXTS) for name in NAMES if draw.random() < 0.5},
        "items": [item(draw) for _ in range(draw.randint(0, 3))],
        "o": draw.choice([{}, {"p": {}}, {"p": {"q": draw.choice(TEXTS)}}]),
    }
    for name, value in (("t", draw.choice(TEXTS)), ("k", draw.choice(NUMBERS)), ("c", True), ("u", ["a"])):
        if draw.random() < 0.5:
            spec[name] = value
    if draw.random() < 0.15:
        # A field of another type than expressions take it for.
        spec[draw.choice(["s", "n", "b", "l", "t"])] = draw.choice([1, "x", [], {}, True])
    return spec


def item(draw: random.Random) -> dict[str, Any]:
    """Return an entry of a list of maps."""
    found = {"name": draw.choice(TEXTS)}
    return {**found, "value": draw.choice(TEXTS)} if draw.random() < 0.6 else found
