"""Kubernetes quantities, exactly: parsing, comparison and canonical form.

A quantity is a whole number of nanos. Kubernetes rounds finer values away from zero, and caps those with a binary
suffix at 2^63-1; so does this.
Source: kubernetes/apimachinery, pkg/api/resource/{quantity,suffix,scale_int}.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

NANO = 10**9
_LARGEST_BINARY = (2**63 - 1) * NANO

_BINARY = {f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", start=1)}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIX_OF = {power: suffix for suffix, power in _DECIMAL.items()}

# The documented grammar. The server's parser also takes "", "+", "." and suffixes without digits, as zero; nobody means
# those.
_GRAMMAR = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?"
    r"(?:(?P<binary>[KMGTPE]i)|(?P<decimal>[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]+))?",
    re.ASCII,
)

# Beyond these all values count as the least or the largest, so that no huge power is ever computed.
_MOST_DIGITS = 400
_LARGEST: int = NANO * 10**_MOST_DIGITS
_TINY_DIGITS = -40
_LONGEST = 1000  # longer texts are no quantity anyone wrote; int() refuses 4300 digits


class QuantityFormat(StrEnum):
    """Which suffixes the canonical form uses."""

    DECIMAL = "DecimalSI"
    BINARY = "BinarySI"
    EXPONENT = "DecimalExponent"


@dataclass(frozen=True, slots=True, order=True)
class Quantity:
    """An amount of something, as Kubernetes counts it.

    Equality and order are those of the amount: ``1024Mi`` equals ``1Gi``.

    Attributes:
        nanos: the amount in units of 10^-9.
        format: which suffixes the text had; arithmetic keeps the left one.
    """

    nanos: int
    format: QuantityFormat = field(default=QuantityFormat.DECIMAL, compare=False)

    @property
    def value(self) -> Fraction:
        """The exact amount."""
        return Fraction(self.nanos, NANO)

    @property
    def is_whole(self) -> bool:
        """Whether the amount is a whole number, as extended resources must be."""
        return self.nanos % NANO == 0

    def units(self) -> int:
        """Return the amount in whole units, rounded away from zero as ``Quantity.Value()`` does."""
        return _away_from_zero(self.nanos, NANO)

    def milli(self) -> int:
        """Return the amount in thousandths, rounded away from zero as ``Quantity.MilliValue()`` does."""
        return _away_from_zero(self.nanos, NANO // 1000)

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos + other.nanos, self.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos - other.nanos, self.format)

    def __mul__(self, factor: int) -> Quantity:
        return Quantity(self.nanos * factor, self.format)

    def __str__(self) -> str:
        """Write the canonical form: no precision lost, no fraction, the largest exponent possible."""
        if self.format is QuantityFormat.BINARY and self.is_whole and abs(self.nanos) >= 1024 * NANO:
            number, power = self.nanos // NANO, 0
            while number % 1024 == 0 and power < len(_BINARY):
                number, power = number // 1024, power + 1
            return f"{number}{['', *_BINARY][power]}"
        number, exponent = self.nanos, -9
        # Where the server needs a suffix beyond E it writes none (1000E becomes 1); the amount is kept here.
        most = _MOST_DIGITS if self.format is QuantityFormat.EXPONENT else 18
        while number and number % 1000 == 0 and exponent < most:
            number, exponent = number // 1000, exponent + 3
        if not number:
            return "0"
        if self.format is QuantityFormat.EXPONENT:
            return f"{number}e{exponent}" if exponent else str(number)
        return f"{number}{_SUFFIX_OF[exponent]}"


def parse_quantity(text: str | float) -> Quantity:
    """Parse a quantity as it stands in a manifest.

    Args:
        text: ``100m``, ``1.5Gi``, ``1e3`` or a YAML number; blanks around it are left out, as the server does.

    Raises:
        ValueError: if it is no quantity; the message names the text.
    """
    if isinstance(text, bool):
        raise ValueError(f"{str(text).lower()} is not a quantity")
    return _parse(text.strip() if isinstance(text, str) else repr(text))


def is_quantity(text: str | float) -> bool:
    """Whether :func:`parse_quantity` takes the text."""
    try:
        parse_quantity(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=4096)
def _parse(text: str) -> Quantity:
    match = _GRAMMAR.fullmatch(text) if len(text) <= _LONGEST else None
    digits = "" if match is None else match["whole"] + (match["part"] or "")
    if match is None or not digits:
        raise ValueError(f"'{text}' is not a quantity such as 500m, 4, 1.5Gi or 2e3")
    places = len(match["part"] or "")
    form, scale, exponent = QuantityFormat.DECIMAL, 1, 0
    if match["binary"]:
        form, scale = QuantityFormat.BINARY, _BINARY[match["binary"]]
    elif match["exponent"]:
        form, exponent = QuantityFormat.EXPONENT, _bounded(match["exponent"])
    else:
        exponent = _DECIMAL[match["decimal"] or ""]
    nanos = _nanos(digits.lstrip("0"), scale, exponent - places)
    if form is QuantityFormat.BINARY:
        nanos = min(nanos, _LARGEST_BINARY)
    return Quantity(-nanos if match["sign"] == "-" else nanos, form)


def _nanos(digits: str, scale: int, exponent: int) -> int:
    """Return digits x scale x 10^exponent in nanos, rounded up."""
    if not digits:
        return 0
    magnitude = len(digits) + exponent
    if magnitude > _MOST_DIGITS:
        return _LARGEST
    if magnitude < _TINY_DIGITS:
        return 1
    exact = Fraction(int(digits) * scale) * Fraction(10) ** (exponent + 9)
    return -(-exact.numerator // exact.denominator)


def _bounded(exponent: str) -> int:
    """Read an exponent; one that does not fit an int32 is capped, which gives an amount that counts as the largest."""
    sign = -1 if exponent.startswith("-") else 1
    digits = exponent.lstrip("+-").lstrip("0")
    return sign * (int(digits or "0") if len(digits) < 10 else 10**9)


def _away_from_zero(number: int, unit: int) -> int:
    whole = -(-abs(number) // unit)
    return whole if number >= 0 else -whole
