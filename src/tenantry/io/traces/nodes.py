"""Reads lists of nodes, and how many nodes each tenant has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenantry.errors import InputError
from tenantry.io.traces.problem_log import ProblemLog, Unusable, printable
from tenantry.io.traces.rows import Layout, open_rows
from tenantry.io.traces.table import folded
from tenantry.io.traces.values import count, is_missing, mebibytes, milli
from tenantry.io.walk import shown
from tenantry.model.trace import MILLI, TraceNode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantry.io.traces.rows import Row

_QUOTAS: Final = ("vc", "node num")
_OPENB: Final = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
_OWN: Final = ("name", "gpus")
_EXPECTED: Final = (
    "openb: sn, cpu_milli, memory_mib, gpu, model",
    "Philly: vc, node num",
    "the simple form: name, gpus, and if known gpu, cpus, memory",
)


def read_nodes(path: Path, *, gpus_per_node: int = 8) -> list[TraceNode]:
    """Read the nodes of a cluster.

    Three tables are known: openb's node list (``sn,cpu_milli,memory_mib,gpu,model``), the nodes of Philly's virtual
    clusters (``vc,node num``), whose nodes are named ``vc-0000``, and a simple one (``name,gpus`` and if known
    ``gpu,cpus,memory``: the model, cores with decimals, MiB).

    Args:
        path: the file, plain or gzipped.
        gpus_per_node: GPUs of one node, where the table does not say.

    Raises:
        InputError: if it cannot be read, is none of these, or a row is wrong; names the line.
    """
    header = _header(path)
    if set(_QUOTAS) <= header.keys():
        quotas = read_quotas(path)
        return [
            TraceNode(f"{tenant}-{number:04d}", gpus_per_node) for tenant in quotas for number in range(quotas[tenant])
        ]
    if set(_OPENB) <= header.keys():
        name, gpus, model, cpus, memory = (
            header[column] for column in ("sn", "gpu", "model", "cpu_milli", "memory_mib")
        )
        unit = MILLI
    elif set(_OWN) <= header.keys():
        name, gpus = header["name"], header["gpus"]
        model, cpus, memory = (header.get(column, -1) for column in ("gpu", "cpus", "memory"))
        unit = 1
    else:
        raise _unknown(path, header)
    nodes: dict[str, TraceNode] = {}
    for place, row in _rows(path):
        try:
            node = TraceNode(
                row[name],
                _whole(row[gpus]),
                row[model] if model >= 0 else "",
                milli(row[cpus], unit=unit) if cpus >= 0 and not is_missing(row[cpus]) else 0,
                mebibytes(row[memory]) if memory >= 0 and not is_missing(row[memory]) else 0,
            )
        except Unusable as problem:
            raise InputError(
                f"{place}: {problem.message}; expected {problem.expected}; found {problem.found}"
            ) from problem
        if not node.name or node.name in nodes:
            raise InputError(f"{place}: the node has no name of its own; found {printable(node.name)}")
        nodes[node.name] = node
    return list(nodes.values())


def read_quotas(path: Path) -> dict[str, int]:
    """Read how many nodes each tenant has, from Philly's ``vc,node num``; in the order of the file.

    Raises:
        InputError: if it cannot be read, is no such table, or a row is wrong; names the line.
    """
    header = _header(path)
    if not set(_QUOTAS) <= header.keys():
        raise _unknown(path, header)
    tenant, number = header["vc"], header["node num"]
    quotas: dict[str, int] = {}
    for place, row in _rows(path):
        if not row[tenant] or row[tenant] in quotas:
            raise InputError(f"{place}: the virtual cluster has no name of its own; found {printable(row[tenant])}")
        try:
            quotas[row[tenant]] = _whole(row[number])
        except Unusable as problem:
            raise InputError(
                f"{place}: {problem.message}; expected {problem.expected}; found {problem.found}"
            ) from problem
    return quotas


def _whole(text: str) -> int:
    return 0 if text in {"0", "0.0"} else count(text)


def _header(path: Path) -> dict[str, int]:
    with open_rows(path, _log(), Layout()) as rows:
        return {folded(name): index for index, name in enumerate(rows.header)}


def _rows(path: Path) -> Iterator[tuple[str, Row]]:
    with open_rows(path, _log(), Layout()) as rows:
        for row in rows:
            yield f"{shown(path)}:{rows.line}", row


def _log() -> ProblemLog:
    """A list of nodes is small and wholly used, so nothing of it is left out."""
    return ProblemLog(limit=0, strict=True)


def _unknown(path: Path, header: dict[str, int]) -> InputError:
    expected = "".join(f"\n  {each}" for each in _EXPECTED)
    return InputError(
        f"{shown(path)}:1: no list of nodes; found {printable(', '.join(header))}; expected one of{expected}"
    )
