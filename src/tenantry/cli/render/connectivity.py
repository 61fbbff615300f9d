"""Allowed connections as text, JSON, CSV and Markdown.

The text is that of netpol-analyzer's ``list`` command, line by line.

Source: np-guard netpol-analyzer, ``pkg/netpol/connlist/conns_formatter_txt.go``.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from tenantry.safe.network.topology import NetworkKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tenantry.app.connectivity import ConnectivityReport
    from tenantry.safe.network.listing import Row

FORMAT_VERSION = "1.0"
_SECTIONS = (
    (NetworkKind.UDN, "primary UDN"),
    (NetworkKind.CUDN, "primary CUDN"),
    (NetworkKind.NAD, "secondary NAD"),
)
_HEADER = "Permitted connectivity analyzed in"


def text(report: ConnectivityReport) -> str:
    """Write one line for each pair, by network."""
    return "\n".join(_lines(report))


def _lines(report: ConnectivityReport) -> Iterator[str]:
    rows = report.listing.rows
    on_pods = [row for row in rows if row.network.kind is NetworkKind.POD]
    others = len(on_pods) < len(rows)
    if report.connection:
        yield f"Permitted connections on {report.connection}:"
    if others and (on_pods or not report.connection):
        yield f"{_HEADER} Pod network:"
    if others and not on_pods and not report.connection:
        if report.listing.on_pod_network:
            yield "All connections are not allowed for the workloads in the pod-network"
        else:
            yield "all input workloads are configured with (C)UDN as their primary network interface"
    yield from _pairs(report, on_pods)
    for kind, title in _SECTIONS:
        for name in sorted({row.network.name for row in rows if row.network.kind is kind}):
            yield ""
            yield f"{_HEADER} {title} {name}:"
            yield from _pairs(report, (row for row in rows if row.network.kind is kind and row.network.name == name))
    if report.several_networks and report.listing.networks and not report.connection:
        yield from _mapping(report)


def _pairs(report: ConnectivityReport, rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        pair = f"{row.source} => {row.target}"
        yield pair if report.connection else f"{pair} : {row.connections}"


def _mapping(report: ConnectivityReport) -> Iterator[str]:
    yield ""
    yield "Workload-to-Networks Mapping:"
    for workload, (primary, secondary) in sorted(report.listing.networks.items()):
        yield f"{workload}: "
        yield f"\tPrimary Network: {primary}"
        if secondary:
            yield f"\tSecondary Networks: {','.join(f'{name}[{NetworkKind.NAD.value}]' for name in secondary)}"


def as_json(report: ConnectivityReport) -> str:
    """Write pairs for machines, with ports as numbers."""
    body: dict[str, Any] = {
        "formatVersion": FORMAT_VERSION,
        "focusConnection": report.connection or None,
        "connections": [
            {
                "source": row.source,
                "target": row.target,
                "connections": str(row.connections),
                "ports": {
                    protocol: [list(interval) for interval in row.connections.ports(protocol)]
                    for protocol in ("SCTP", "TCP", "UDP")
                    if row.connections.ports(protocol)
                },
                "network": str(row.network),
            }
            for row in report.listing.rows
        ],
        "notes": list(dict.fromkeys(report.listing.notes)),
    }
    if report.several_networks:
        body["workloads"] = [
            {"workload": workload, "primaryNetwork": str(primary), "secondaryNetworks": list(secondary)}
            for workload, (primary, secondary) in sorted(report.listing.networks.items())
        ]
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def as_csv(report: ConnectivityReport) -> str:
    """Write pairs for spreadsheets: ``src,dst,conn``, and ``network`` where several are looked at."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_columns(report))
    writer.writerows(_cells(report))
    return buffer.getvalue()


def as_markdown(report: ConnectivityReport) -> str:
    """Write pairs as a table."""
    columns = _columns(report)
    lines = [f"| {' | '.join(columns)} |", f"|{'|'.join('-----' for _ in columns)}|"]
    lines.extend(f"| {' | '.join(cells)} |" for cells in _cells(report))
    return "\n".join(lines) + "\n"


def _columns(report: ConnectivityReport) -> list[str]:
    return ["src", "dst", *([] if report.connection else ["conn"]), *(["network"] if report.several_networks else [])]


def _cells(report: ConnectivityReport) -> Iterator[list[str]]:
    for row in report.listing.rows:
        cells = [row.source, row.target]
        if not report.connection:
            cells.append(str(row.connections))
        if report.several_networks:
            cells.append(row.network.name)
        yield cells


RENDERERS: Mapping[str, Callable[[ConnectivityReport], str]] = {
    "text": text,
    "json": as_json,
    "csv": as_csv,
    "md": as_markdown,
}
"""Writer of each output format."""
