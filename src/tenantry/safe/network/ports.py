"""Sets of connections: destination ports per protocol, as sorted disjoint intervals.

No API of network policies looks at source ports, so a connection is a protocol and a destination port.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
"""Protocols that network policies know, in the order in which they are listed."""

FIRST_PORT: Final = 1
LAST_PORT: Final = 65535

Intervals = tuple[tuple[int, int], ...]
"""Inclusive intervals, ascending, neither overlapping nor touching."""

WHOLE: Final[Intervals] = ((FIRST_PORT, LAST_PORT),)


def merge(intervals: Iterable[tuple[int, int]]) -> Intervals:
    """Return the union of inclusive intervals in normal form; those whose end is before their start are empty."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(item for item in intervals if item[0] <= item[1]):
        if found and first <= found[-1][1] + 1:
            if last > found[-1][1]:
                found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return tuple(found)


def intersect(one: Intervals, other: Intervals) -> Intervals:
    """Return what two normal forms have in common."""
    found: list[tuple[int, int]] = []
    left = right = 0
    while left < len(one) and right < len(other):
        first = max(one[left][0], other[right][0])
        last = min(one[left][1], other[right][1])
        if first <= last:
            found.append((first, last))
        if one[left][1] < other[right][1]:
            left += 1
        else:
            right += 1
    return tuple(found)


def subtract(one: Intervals, other: Intervals) -> Intervals:
    """Return what is in the first normal form and not in the second."""
    found: list[tuple[int, int]] = []
    start = 0
    for first, last in one:
        while start < len(other) and other[start][1] < first:
            start += 1
        cursor, index = first, start
        while index < len(other) and other[index][0] <= last:
            if other[index][0] > cursor:
                found.append((cursor, other[index][0] - 1))
            cursor = max(cursor, other[index][1] + 1)
            index += 1
        if cursor <= last:
            found.append((cursor, last))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class ConnectionSet:
    """An immutable set of connections; equal sets are equal values. Supports ``|``, ``&``, ``-``, ``<=`` and truth.

    Attributes:
        sctp: destination ports of SCTP.
        tcp: destination ports of TCP.
        udp: destination ports of UDP.
    """

    sctp: Intervals = ()
    tcp: Intervals = ()
    udp: Intervals = ()

    @classmethod
    def of(cls, protocol: str, first: int | None = None, last: int | None = None) -> ConnectionSet:
        """Return ports of one protocol: one port, an inclusive interval, or all when no port is given.

        Raises:
            ValueError: if the protocol is not one of :data:`PROTOCOLS` or a port is out of range.
        """
        if first is None:
            return cls.of_ports(protocol, WHOLE)
        return cls.of_ports(protocol, [(first, first if last is None else last)])

    @classmethod
    def of_ports(cls, protocol: str, intervals: Iterable[tuple[int, int]]) -> ConnectionSet:
        """Return inclusive intervals of ports of one protocol.

        Raises:
            ValueError: if the protocol is not one of :data:`PROTOCOLS` or a port is out of range.
        """
        if protocol not in PROTOCOLS:
            raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)}, found {protocol!r}")
        found = merge(intervals)
        if found and (found[0][0] < FIRST_PORT or found[-1][1] > LAST_PORT):
            raise ValueError(f"ports are {FIRST_PORT} to {LAST_PORT}")
        return cls(**{protocol.lower(): found})

    def ports(self, protocol: str) -> Intervals:
        """Return the destination ports of one protocol."""
        found: Intervals = getattr(self, protocol.lower())
        return found

    def __or__(self, other: ConnectionSet) -> ConnectionSet:
        if self is other or not other or self is ALL:
            return self
        if not self or other is ALL:
            return other
        return ConnectionSet(
            merge(self.sctp + other.sctp), merge(self.tcp + other.tcp), merge(self.udp + other.udp)
        )._shared()

    def __and__(self, other: ConnectionSet) -> ConnectionSet:
        if self is other or other is ALL:
            return self
        if self is ALL:
            return other
        return ConnectionSet(
            intersect(self.sctp, other.sctp), intersect(self.tcp, other.tcp), intersect(self.udp, other.udp)
        )._shared()

    def __sub__(self, other: ConnectionSet) -> ConnectionSet:
        if self is other or other is ALL:
            return NONE
        if not other:
            return self
        return ConnectionSet(
            subtract(self.sctp, other.sctp), subtract(self.tcp, other.tcp), subtract(self.udp, other.udp)
        )._shared()

    def __le__(self, other: ConnectionSet) -> bool:
        return not self - other

    def __bool__(self) -> bool:
        return bool(self.sctp or self.tcp or self.udp)

    def _shared(self) -> ConnectionSet:
        """Return the one object that stands for everything or nothing, which the operations know at once."""
        if self == ALL:
            return ALL
        return self if self else NONE

    def contains(self, protocol: str, port: int) -> bool:
        """Whether one connection is in the set."""
        return any(first <= port <= last for first, last in self.ports(protocol))

    def example(self) -> tuple[str, int] | None:
        """Return a protocol and port in the set, TCP preferred and the lowest port; None when it is empty."""
        for protocol in ("TCP", "UDP", "SCTP"):
            if self.ports(protocol):
                return protocol, self.ports(protocol)[0][0]
        return None

    def __str__(self) -> str:
        if self == ALL:
            return "All Connections"
        parts = []
        for protocol in PROTOCOLS:
            intervals = self.ports(protocol)
            if intervals:
                parts.append(
                    f"{protocol} {','.join(str(low) if low == high else f'{low}-{high}' for low, high in intervals)}"
                )
        return ",".join(parts) or "No Connections"


NONE: Final = ConnectionSet()
"""No connection."""

ALL: Final = ConnectionSet(WHOLE, WHOLE, WHOLE)
"""Every connection."""


def union(sets: Iterable[ConnectionSet]) -> ConnectionSet:
    """Return the union of many sets."""
    found = NONE
    for item in sets:
        found = found | item
        if found is ALL:
            break
    return found
