"""Reads the two lists that packing needs: nodes and pods, as comma-separated values in the columns of the openb trace.

Columns are found by name and may come in any order; others are passed over. A list with mistakes gives none of its
rows: all mistakes are reported together, each with file and line.

Source of the columns: cluster-trace-gpu-v2023 of Alibaba, ``openb_node_list`` and ``openb_pod_list``.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, TypeVar

from tenantry.errors import InputError
from tenantry.model.packing import PackingPod
from tenantry.model.problem import nearest_name
from tenantry.model.trace import MILLI, TraceNode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

NODE_COLUMNS = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
POD_COLUMNS = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
SPEC_COLUMN = "gpu_spec"
"""GPU models a pod may run on, joined by ``|``; the column may be absent."""

MOST_AMOUNT = 10**12
"""Millicores or MiB of one node or pod; larger ones are slips, and sums of them would not stay exact."""
MOST_GPUS = 1024
"""GPUs of one node or pod."""
MOST_MISTAKES = 20
"""Mistakes that are spelled out."""

Item = TypeVar("Item", TraceNode, PackingPod)


class _Row:
    """The cells of a line by column; mistakes are collected."""

    def __init__(self, cells: dict[str, str]) -> None:
        self._cells = cells
        self.mistakes: list[str] = []

    def text(self, column: str) -> str:
        return self._cells.get(column, "").strip()

    def name(self, column: str) -> str:
        text = self.text(column)
        if not text:
            self.mistakes.append(f"{column}: expected a name; found nothing")
        return text

    def number(self, column: str, least: int, most: int) -> int:
        text = self.text(column)
        if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most:
            return int(text)
        found = repr(text) if text else "nothing"
        self.mistakes.append(f"{column}: expected a whole number from {least:,} to {most:,}; found {found}")
        return least


def read_nodes(path: Path) -> list[TraceNode]:
    """Read nodes: name, millicores, MiB, whole GPUs and GPU model of each.

    Raises:
        InputError: if the file cannot be read or has mistakes; names all of them.
    """
    return _read(path, NODE_COLUMNS, _node)


def read_pods(path: Path) -> list[PackingPod]:
    """Read pods: name, millicores, MiB, how many GPUs, milli-GPUs of each, and GPU models where the column exists.

    Raises:
        InputError: if the file cannot be read or has mistakes; names all of them.
    """
    return _read(path, POD_COLUMNS, _pod)


def _node(row: _Row) -> TraceNode:
    model = row.text("model")
    if "|" in model:
        row.mistakes.append(f"model: expected one GPU model; found {model!r}")
    return TraceNode(
        name=row.name("sn"),
        gpus=row.number("gpu", 0, MOST_GPUS),
        gpu=model,
        cpus=row.number("cpu_milli", 0, MOST_AMOUNT),
        memory=row.number("memory_mib", 0, MOST_AMOUNT),
    )


def _pod(row: _Row) -> PackingPod:
    devices = row.number("num_gpu", 0, MOST_GPUS)
    models = [model.strip() for model in row.text(SPEC_COLUMN).split("|")]
    return PackingPod(
        name=row.name("name"),
        devices=devices,
        share=row.number("gpu_milli", 1, MILLI) if devices else row.number("gpu_milli", 0, 0),
        cpus=row.number("cpu_milli", 0, MOST_AMOUNT),
        memory=row.number("memory_mib", 0, MOST_AMOUNT),
        # Without GPUs their model is nothing to ask for.
        gpu="|".join(model for model in models if model) if devices else "",
    )


def _read(path: Path, columns: Sequence[str], item: Callable[[_Row], Item]) -> list[Item]:
    items: list[Item] = []
    mistakes: list[str] = []
    lines: dict[str, int] = {}
    for line, cells in _rows(path, columns):
        row = _Row(cells)
        made = item(row)
        if made.name in lines:
            row.mistakes.append(f"{columns[0]}: {made.name!r} is on line {lines[made.name]} already")
        elif made.name:
            lines[made.name] = line
        mistakes += [f"{path}:{line}: {mistake}" for mistake in row.mistakes]
        items.append(made)
    if mistakes:
        if len(mistakes) > MOST_MISTAKES:
            mistakes[MOST_MISTAKES:] = [f"and {len(mistakes) - MOST_MISTAKES} more mistakes"]
        raise InputError("\n".join(mistakes))
    if not items:
        raise InputError(f"{path}: expected at least one line below the column names; found none")
    return items


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and cells of each line that is not empty.

    Raises:
        InputError: if the file cannot be read or is no such list.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            head = [name.strip() for name in next(reader, [])]
            _check_head(path, head, columns)
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(head):
                    raise InputError(f"{path}:{reader.line_num}: expected {len(head)} cells; found {len(cells)}")
                yield reader.line_num, dict(zip(head, cells, strict=True))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: expected comma-separated values; {error}") from error


def _check_head(path: Path, head: Sequence[str], columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in head]
    if missing:
        near = nearest_name(missing[0], head)
        hint = f"; is {near!r} meant to be {missing[0]!r}?" if near and near not in columns else ""
        found = ", ".join(name for name in head if name) or "nothing"
        raise InputError(f"{path}:1: expected the columns {', '.join(columns)}; found {found[:200]}{hint}")
    twice = next((name for name in (*columns, SPEC_COLUMN) if head.count(name) > 1), None)
    if twice:
        raise InputError(f"{path}:1: expected the column {twice} once; found it {head.count(twice)} times")
