"""Sets of connections and addresses behave as the sets they stand for."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.safe.network.addresses import ALL_IPV4, AddressSet, classes, join, parse_cidr, text
from tenantry.safe.network.ports import (
    ALL,
    LAST_PORT,
    NONE,
    PROTOCOLS,
    ConnectionSet,
    Intervals,
    intersect,
    merge,
    subtract,
    union,
)

interval = st.tuples(st.integers(1, 40), st.integers(1, 40)).map(lambda pair: (min(pair), max(pair)))
intervals = st.lists(interval, max_size=6).map(merge)
connections = st.builds(ConnectionSet, intervals, intervals, intervals) | st.sampled_from([ALL, NONE])


def members(found: Intervals) -> set[int]:
    return {number for first, last in found for number in range(first, min(last, 60) + 1)}


def elements(found: ConnectionSet) -> set[tuple[str, int]]:
    return {(protocol, number) for protocol in PROTOCOLS for number in members(found.ports(protocol))}


@given(st.lists(interval, max_size=8))
def test_normal_form_keeps_members_and_leaves_gaps(given_intervals: list[tuple[int, int]]) -> None:
    found = merge(given_intervals)
    assert members(found) == {number for first, last in given_intervals for number in range(first, last + 1)}
    assert all(before[1] + 1 < after[0] for before, after in pairwise(found))


@given(intervals, intervals)
def test_intervals_intersect_and_subtract_as_sets_do(one: Intervals, other: Intervals) -> None:
    assert members(intersect(one, other)) == members(one) & members(other)
    assert members(subtract(one, other)) == members(one) - members(other)
    assert merge(subtract(one, other)) == subtract(one, other)
    assert merge(intersect(one, other)) == intersect(one, other)


@given(connections, connections)
def test_operators_are_those_of_sets(one: ConnectionSet, other: ConnectionSet) -> None:
    assert elements(one | other) == elements(one) | elements(other)
    assert elements(one & other) == elements(one) & elements(other)
    assert elements(one - other) == elements(one) - elements(other)
    assert (one <= other) == (not one - other)
    assert bool(one) == bool(elements(one))


@given(connections, connections, connections)
def test_laws_of_sets_hold(one: ConnectionSet, two: ConnectionSet, three: ConnectionSet) -> None:
    assert one | two == two | one
    assert one & (two | three) == one & two | one & three
    assert one - (two | three) == (one - two) & (one - three)
    assert (one - two) | (one & two) == one
    assert ALL - (ALL - one) == one
    assert union([one, two, three]) == one | two | three


@given(connections, st.sampled_from(PROTOCOLS), st.integers(1, 41))
def test_membership_is_that_of_the_intervals(found: ConnectionSet, protocol: str, number: int) -> None:
    assert found.contains(protocol, number) == ((protocol, number) in elements(found))


@given(connections)
def test_an_example_is_in_the_set(found: ConnectionSet) -> None:
    example = found.example()
    assert (example is None) == (not found)
    assert example is None or found.contains(*example)


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (ALL, "All Connections"),
        (NONE, "No Connections"),
        (
            ConnectionSet.of("UDP", 53) | ConnectionSet.of("TCP", 80, 82) | ConnectionSet.of("TCP", 7),
            "TCP 7,80-82,UDP 53",
        ),
        (ConnectionSet.of("SCTP"), "SCTP 1-65535"),
        (ConnectionSet.of("TCP", 1), "TCP 1"),
        (ConnectionSet.of("TCP", 1, LAST_PORT), "TCP 1-65535"),
        (ConnectionSet.of_ports("TCP", [(5, 6), (7, 9), (11, 11)]), "TCP 5-9,11"),
        (ALL - ConnectionSet.of("TCP", 80), "SCTP 1-65535,TCP 1-79,81-65535,UDP 1-65535"),
    ],
)
def test_connections_are_shown_by_protocol_and_range(found: ConnectionSet, shown: str) -> None:
    assert str(found) == shown


@pytest.mark.parametrize(("protocol", "first", "last"), [("ICMP", 1, 2), ("TCP", 0, 5), ("TCP", 9, 65536)])
def test_what_is_no_port_is_refused(protocol: str, first: int, last: int) -> None:
    with pytest.raises(ValueError, match=r"protocol|ports"):
        ConnectionSet.of(protocol, first, last)


@pytest.mark.parametrize(
    ("cidr", "shown"),
    [
        ("10.0.0.0/8", "10.0.0.0-10.255.255.255"),
        ("10.1.2.3/8", "10.0.0.0-10.255.255.255"),
        ("9.9.9.9/32", "9.9.9.9-9.9.9.9"),
        ("0.0.0.0/0", "0.0.0.0-255.255.255.255"),
        ("fd00::/127", "fd00::-fd00::1"),
    ],
)
def test_address_ranges_are_read_and_shown(cidr: str, shown: str) -> None:
    found = parse_cidr(cidr)
    assert text(found.intervals[0], found.version) == shown


@pytest.mark.parametrize(
    "value", ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/255.0.0.0", "", "x/8", None, 5, "::/129"]
)
def test_what_is_no_address_range_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="an address range such as"):
        parse_cidr(value)


def test_addresses_of_another_version_are_never_inside() -> None:
    assert ip_address("10.0.0.1") in parse_cidr("10.0.0.0/24")
    assert ip_address("10.0.1.0") not in parse_cidr("10.0.0.0/24")
    assert ip_address("::1") not in ALL_IPV4
    assert not parse_cidr("::/0") <= ALL_IPV4
    assert parse_cidr("10.0.0.0/8") - parse_cidr("::/0") == parse_cidr("10.0.0.0/8")


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6))
def test_classes_are_what_the_sets_tell_apart(ends: list[tuple[int, int]]) -> None:
    whole = AddressSet(4, ((0, 30),))
    sets = [AddressSet(4, merge([(min(pair), max(pair))])) for pair in ends]
    found = classes(sets, whole)
    seen: dict[tuple[bool, ...], AddressSet] = {}
    for number in range(31):
        mine = [part for part in found if any(first <= number <= last for first, last in part.intervals)]
        assert len(mine) == 1
        membership = tuple(any(first <= number <= last for first, last in item.intervals) for item in sets)
        assert seen.setdefault(membership, mine[0]) == mine[0]
    assert len(seen) == len(found), "no two classes are alike"
    assert join(found) == whole
