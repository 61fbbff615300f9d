"""List who may connect to whom in a folder of manifests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.errors import InputError
from tenantry.io.manifests import read_manifests
from tenantry.model.finding import Severity
from tenantry.safe.network.listing import Focus, Listing, list_connectivity
from tenantry.safe.network.ports import LAST_PORT, PROTOCOLS, ConnectionSet
from tenantry.safe.network.rules import Direction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ConnectivityReport:
    """What may connect.

    Attributes:
        listing: the rows and what was passed over.
        several_networks: whether user-defined and secondary networks were looked at.
        connection: the one connection asked for; empty for all.
        files: number of files read.
    """

    listing: Listing
    several_networks: bool
    connection: str
    files: int


def list_folder(
    paths: Sequence[Path],
    *,
    workloads: Sequence[str] = (),
    peers: Sequence[str] = (),
    direction: str = "",
    connection: str = "",
    several_networks: bool = False,
) -> ConnectivityReport:
    """List who may connect to whom.

    Args:
        paths: files and folders with manifests.
        workloads: names, or ``namespace/name``, one of which an end must have.
        peers: names the other end must have; only used beside ``workloads``.
        direction: ``ingress`` or ``egress``, as seen from ``workloads``; empty for both.
        connection: protocol and port such as ``tcp-80``, which must be allowed; empty for any.
        several_networks: whether user-defined and secondary networks and virtual machines count.

    Raises:
        InputError: if a path or option cannot be used, a file is no YAML, or the objects contradict each other.
    """
    wanted = parse_connection(connection) if connection else None
    read = read_manifests(paths)
    broken = [item for item in read.findings if item.rule in {"LINT-YAML", "LINT-UNREADABLE", "LINT-SYMLINK-LOOP"}]
    if broken:
        raise InputError("\n".join(f"{item.location}: {item.message}" for item in broken))
    focus = Focus(
        workloads=tuple(workloads),
        peers=tuple(peers),
        direction=Direction(direction.capitalize()) if direction else None,
        connection=wanted,
    )
    manifests = [item for item in read.manifests if item not in read.partial]
    listing = list_connectivity(manifests, focus, several_networks=several_networks)
    if listing.problems:
        raise InputError("\n".join(listing.problems))
    listing.notes[:0] = [
        f"{item.location}: {item.message}" for item in read.findings if item.severity >= Severity.WARNING
    ]
    return ConnectivityReport(listing, several_networks, str(wanted) if wanted else "", read.files_read)


def parse_connection(value: str) -> ConnectionSet:
    """Read a connection such as ``tcp-80``.

    Raises:
        InputError: if it is none.
    """
    protocol, _, port = value.partition("-")
    if protocol.upper() not in PROTOCOLS or not port.isascii() or not port.isdigit() or not 0 < int(port) <= LAST_PORT:
        raise InputError(f"a connection is a protocol (tcp, udp, sctp) and a port, such as tcp-80; found {value!r}")
    return ConnectionSet.of(protocol.upper(), int(port))
