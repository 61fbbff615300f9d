"""Random numbers: the sequence that Go's ``math/rand`` gives for a seed.

The published runs were drawn with it. With the same sequence the same seed means the same order of pods and of nodes,
so that a run can be held against the published one figure by figure, not only on average. It is also the same on every
version of Python.

Each number is the sum, modulo 2**64, of those 607 and 273 places before it. The sequence of a seed begins with numbers
mixed from a small congruential generator and from a fixed state, the one this generator reaches from seed 1 after
7.8 * 10**12 steps. A step is linear, so that state need not be written down: so many steps are a power of x modulo the
characteristic polynomial x**607 - x**334 - 1.

Source: Go, ``math/rand/rng.go``, ``gen_cooked.go`` and ``rand.go``; Mitchell and Reeds' additive lagged Fibonacci
generator.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableSequence, Sequence

Item = TypeVar("Item")

_LENGTH, _LAG = 607, 273
_BITS = 2**64 - 1
_WARM_UP = 7_800_000_000_000
"""Steps from seed 1 to the fixed state."""
_ZERO_SEED = 89482311
"""What seed 0 stands for."""


class Draws:
    """Random choices that are the same for the same seed.

    Args:
        seed: any whole number; taken modulo 2**31 - 1.
    """

    def __init__(self, seed: int) -> None:
        small = _congruential(seed % (2**31 - 1) or _ZERO_SEED)
        self._state = [_mixed(small, 20) ^ fixed for fixed in _fixed_state()]
        self._lag, self._place = 0, _LENGTH - _LAG

    def _next(self) -> int:
        """Return the next number, 63 bits of it."""
        state = self._state
        self._lag = (self._lag or _LENGTH) - 1
        self._place = (self._place or _LENGTH) - 1
        state[self._place] = number = (state[self._place] + state[self._lag]) & _BITS
        return number & (2**63 - 1)

    def skip(self, count: int) -> None:
        """Pass over numbers that something else draws."""
        for _ in range(count):
            self._next()

    def below(self, end: int) -> int:
        """Return a whole number from 0 to ``end`` - 1, each as likely; ``end`` is below 2**31."""
        # Numbers above the last multiple of ``end`` would favour the small ones.
        last = 2**31 - 2**31 % end
        while (number := self._next() >> 32) >= last:
            pass
        return number % end

    def shuffle(self, items: MutableSequence[Item]) -> None:
        """Put items into a random order, each order as likely."""
        for last in range(len(items) - 1, 0, -1):
            end = last + 1
            product = (self._next() >> 31) * end
            # The same care with a multiplication for a division, which is rarely needed then.
            while product % 2**32 < 2**32 % end:
                product = (self._next() >> 31) * end
            other = product >> 32
            items[last], items[other] = items[other], items[last]

    def order(self, count: int) -> list[int]:
        """Return the numbers from 0 to ``count`` - 1 in a random order, each order as likely."""
        numbers = [0] * count
        for index in range(count):
            other = self.below(index + 1)
            numbers[index], numbers[other] = numbers[other], index
        return numbers

    def numbers(self, count: int) -> list[int]:
        """Return whole numbers below 2**31."""
        return [self._next() >> 32 for _ in range(count)]


def _congruential(number: int) -> Iterator[int]:
    """Yield the numbers that states are mixed from: 48271 times the one before, modulo 2**31 - 1."""
    for _ in range(20):
        number = number * 48271 % (2**31 - 1)
    while True:
        number = number * 48271 % (2**31 - 1)
        yield number


def _mixed(small: Iterator[int], shift: int) -> int:
    return ((next(small) << 2 * shift) ^ (next(small) << shift) ^ next(small)) & _BITS


@cache
def _fixed_state() -> tuple[int, ...]:
    """Return the state after the warm-up from seed 1, by place."""
    small = _congruential(1)
    start = [_mixed(small, 10) for _ in range(_LENGTH)]
    # Numbers in the order in which they are drawn: a place is overwritten by the next number, from high to low.
    drawn = [start[(_LENGTH - _LAG - 1 - step) % _LENGTH] for step in range(_LENGTH)]
    for _ in range(_LENGTH):
        drawn.append((drawn[-_LENGTH] + drawn[-_LAG]) & _BITS)
    power = _power_of_x(_WARM_UP)
    state = [0] * _LENGTH
    for offset in range(_LENGTH):
        number = sum(factor * drawn[place + offset] for place, factor in enumerate(power)) & _BITS
        state[(_LENGTH - _LAG - 1 - (_WARM_UP - _LENGTH + offset)) % _LENGTH] = number
    return tuple(state)


def _power_of_x(exponent: int) -> list[int]:
    """Return x**exponent modulo the characteristic polynomial, its factors from that of 1 on."""
    power = [1] + [0] * (_LENGTH - 1)
    for bit in f"{exponent:b}":
        power = _reduced(_square(power))
        if bit == "1":
            power = _reduced([0, *power])
    return power


def _square(factors: Sequence[int]) -> list[int]:
    """Square a polynomial by squaring one large number with room between its factors."""
    room = 18  # bytes: 607 products of 128 bits add up to less than 144
    whole = int.from_bytes(b"".join(factor.to_bytes(room, "little") for factor in factors), "little") ** 2
    text = whole.to_bytes(room * 2 * len(factors), "little")
    return [
        int.from_bytes(text[start : start + room], "little") & _BITS
        for start in range(0, room * (2 * len(factors) - 1), room)
    ]


def _reduced(factors: list[int]) -> list[int]:
    """Replace x**607 by x**334 + 1 until no higher power is left."""
    for place in range(len(factors) - 1, _LENGTH - 1, -1):
        factor = factors[place]
        factors[place - _LAG] = (factors[place - _LAG] + factor) & _BITS
        factors[place - _LENGTH] = (factors[place - _LENGTH] + factor) & _BITS
    return factors[:_LENGTH]
