"""Reads the ports of rules: three ways of writing the same thing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tenantry.safe.network.ports import FIRST_PORT, LAST_PORT, PROTOCOLS
from tenantry.safe.network.rules import Port, PortName, PortRange, Trouble

if TYPE_CHECKING:
    from tenantry.model.problem import DocPath
    from tenantry.safe.network.fields import Fields

_PORT_NAME: Final = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*")
"""An IANA service name: at least one letter, no double hyphen."""


def namespace_port(fields: Fields, item: object, at: DocPath) -> Port | None:
    """Read a port of a NetworkPolicy: ``protocol``, ``port``, ``endPort``."""
    if not isinstance(item, dict):
        fields.problem(at, f"expected protocol, port and endPort, found {item!r}")
        return None
    protocol = _protocol(fields, item, at)
    port, end = item.get("port"), item.get("endPort")
    if protocol is None:
        return None
    if port is None or isinstance(port, str):
        if end is not None:
            fields.problem((*at, "endPort"), "endPort needs a port number to start from")
        if port is None:
            return PortRange(protocol, FIRST_PORT, LAST_PORT)
        return _named(fields, port, (*at, "port"), protocol)
    return _range(
        fields, protocol, (port, (*at, "port")), (port, (*at, "port")) if end is None else (end, (*at, "endPort"))
    )


def admin_port(fields: Fields, item: object, at: DocPath) -> Port | None:
    """Read a port of an AdminNetworkPolicy: one of ``portNumber``, ``portRange`` and ``namedPort``."""
    if not isinstance(item, dict) or len(item) != 1 or not set(item) <= {"portNumber", "portRange", "namedPort"}:
        fields.problem(at, "expected exactly one of portNumber, portRange and namedPort")
        return None
    ((kind, value),) = item.items()
    here = (*at, kind)
    if kind == "namedPort":
        return _named(fields, value, here, None)
    if not isinstance(value, dict):
        fields.problem(here, f"expected a map, found {value!r}")
        return None
    protocol = _protocol(fields, value, here)
    if protocol is None:
        return None
    if kind == "portNumber":
        return _range(fields, protocol, (value.get("port"), (*here, "port")), (value.get("port"), (*here, "port")))
    return _range(fields, protocol, (value.get("start"), (*here, "start")), (value.get("end"), (*here, "end")))


def cluster_port(fields: Fields, item: object, at: DocPath) -> Port | None:
    """Read an entry of ``protocols`` of a ClusterNetworkPolicy."""
    known = {protocol.lower(): protocol for protocol in PROTOCOLS}
    if not isinstance(item, dict) or len(item) != 1 or not set(item) <= {*known, "destinationNamedPort"}:
        fields.problem(at, "expected exactly one of tcp, udp, sctp and destinationNamedPort")
        return None
    ((kind, value),) = item.items()
    here: DocPath = (*at, kind)
    if kind == "destinationNamedPort":
        return _named(fields, value, here, None)
    if value is not None and not isinstance(value, dict):
        fields.problem(here, f"expected destinationPort, found {value!r}")
        return None
    port = (value or {}).get("destinationPort")
    if port is None:
        return PortRange(known[kind], FIRST_PORT, LAST_PORT)
    here = (*here, "destinationPort")
    if not isinstance(port, dict) or len(port) != 1 or not set(port) <= {"number", "range"}:
        fields.problem(here, "expected exactly one of number and range")
        return None
    if "number" in port:
        return _range(fields, known[kind], (port["number"], (*here, "number")), (port["number"], (*here, "number")))
    limits: Any = port["range"] if isinstance(port["range"], dict) else {}
    here = (*here, "range")
    return _range(fields, known[kind], (limits.get("start"), (*here, "start")), (limits.get("end"), (*here, "end")))


def _protocol(fields: Fields, item: dict[str, Any], at: DocPath) -> str | None:
    protocol = item.get("protocol")
    if protocol is None or protocol == "":
        return "TCP"
    if protocol not in PROTOCOLS:
        fields.problem((*at, "protocol"), f"expected one of {', '.join(PROTOCOLS)}, found {protocol!r}")
        return None
    return str(protocol)


def _named(fields: Fields, value: object, at: DocPath, protocol: str | None) -> PortName | None:
    if not isinstance(value, str) or not value:
        fields.problem(at, f"expected a port number or name, found {value!r}")
        return None
    if not _PORT_NAME.fullmatch(value):
        fields.problem(at, f"a port name has lower-case letters, digits and hyphens, found {value!r}", Trouble.REFUSED)
    return PortName(value, protocol)


def _range(
    fields: Fields, protocol: str, first: tuple[object, DocPath], last: tuple[object, DocPath]
) -> PortRange | None:
    low = _port(fields, *first)
    high = low if last == first else _port(fields, *last)
    if low is None or high is None:
        return None
    if high < low:
        fields.problem(last[1], f"the range ends at {high}, before it starts at {low}")
        return None
    return PortRange(protocol, low, high)


def _port(fields: Fields, value: object, at: DocPath) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not FIRST_PORT <= value <= LAST_PORT:
        fields.problem(at, f"expected a port from {FIRST_PORT} to {LAST_PORT}, found {value!r}")
        return None
    return value
