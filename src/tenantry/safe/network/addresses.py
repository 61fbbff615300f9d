"""Sets of IP addresses as intervals of integers, and the classes into which a number of them divide all addresses."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TYPE_CHECKING, Final

from tenantry.safe.network.ports import Intervals, merge, subtract

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CIDR: Final = re.compile(r"[0-9A-Fa-f:.]+/\d{1,3}")


@dataclass(frozen=True, slots=True)
class AddressSet:
    """Addresses of one IP version.

    Attributes:
        version: 4 or 6.
        intervals: the addresses as integers, inclusive, ascending, disjoint and not touching.
    """

    version: int
    intervals: Intervals

    def __contains__(self, address: IPv4Address | IPv6Address) -> bool:
        return address.version == self.version and self._holds(int(address))

    def __sub__(self, other: AddressSet) -> AddressSet:
        if other.version != self.version:
            return self
        return AddressSet(self.version, subtract(self.intervals, other.intervals))

    def __le__(self, other: AddressSet) -> bool:
        if self.version != other.version:
            return False
        # Most sets that are compared differ in their first address already.
        return all(other._holds(first) for first, _ in self.intervals[:1]) and not subtract(
            self.intervals, other.intervals
        )

    def _holds(self, number: int) -> bool:
        index = bisect_right(self.intervals, number, key=lambda interval: interval[0]) - 1
        return index >= 0 and number <= self.intervals[index][1]

    def __bool__(self) -> bool:
        return bool(self.intervals)


ALL_IPV4: Final = AddressSet(4, ((0, 2**32 - 1),))
ALL_IPV6: Final = AddressSet(6, ((0, 2**128 - 1),))


def parse_cidr(text: object) -> AddressSet:
    """Read an address range such as ``10.0.0.0/8`` or ``fd00::/8``; bits beyond the prefix are ignored.

    Raises:
        ValueError: if it is not one; names what stands there.
    """
    try:
        if not isinstance(text, str) or not _CIDR.fullmatch(text):
            raise ValueError
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"an address range such as 10.0.0.0/8 is expected, found {text!r}") from None
    return AddressSet(network.version, ((int(network.network_address), int(network.broadcast_address)),))


def classes(sets: Iterable[AddressSet], whole: AddressSet = ALL_IPV4) -> list[AddressSet]:
    """Divide all addresses into the classes that no set tells apart, ordered by their first address.

    Args:
        sets: sets of addresses; those of another version are ignored.
        whole: the addresses to divide.
    """
    chosen = [item for item in dict.fromkeys(sets) if item.version == whole.version]
    events: dict[int, int] = {}
    for index, item in enumerate(chosen):
        for first, last in item.intervals:
            events[first] = events.get(first, 0) ^ (1 << index)
            events[last + 1] = events.get(last + 1, 0) ^ (1 << index)
    found: dict[int, list[tuple[int, int]]] = {}
    inside = 0  # one bit for each set
    first, end = whole.intervals[0][0], whole.intervals[-1][1]
    for point in sorted({first, *events}):
        if point > first:
            found.setdefault(inside, []).append((first, point - 1))
            first = point
        inside ^= events.get(point, 0)
    if first <= end:
        found.setdefault(inside, []).append((first, end))
    return sorted(
        (AddressSet(whole.version, merge(parts)) for parts in found.values()), key=lambda item: item.intervals
    )


def text(interval: tuple[int, int], version: int = 4) -> str:
    """Write an interval as its first and last address: ``10.0.0.0-10.255.255.255``."""
    kind = IPv4Address if version == 4 else IPv6Address
    return f"{kind(interval[0])}-{kind(interval[1])}"


def join(sets: Sequence[AddressSet], version: int = 4) -> AddressSet:
    """Return the union of sets of one version."""
    return AddressSet(
        version, merge(interval for item in sets if item.version == version for interval in item.intervals)
    )
