"""Reads what is wanted of node pools and what their GPUs hold: a YAML map, or what ``nvidia-smi mig -lgi`` prints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tenantry.errors import InputError, SpecError
from tenantry.io.spec_words import complaints
from tenantry.io.walk import shown
from tenantry.io.yaml_marks import MarkedDocument, load_with_marks
from tenantry.io.yaml_read import decode, read_file
from tenantry.model.gpu import Placement
from tenantry.model.problem import DocPath, Location, SpecProblem, Subject
from tenantry.model.spec.partition_file import PartitionFile

if TYPE_CHECKING:
    from pathlib import Path

# A row of nvidia-smi mig -lgi: GPU, name, profile id, instance id, start:size. Frames and headings are no rows.
_ROW = re.compile(r"\|\s*(\d+)\s+MIG\s+(\S+)\s+(\d+)\s+(\d+)\s+(\d+):(\d+)\s*\|?\s*", re.ASCII)
_NONE = re.compile(r"No (?:MIG-enabled devices|GPU instances) found", re.ASCII)


@dataclass(frozen=True)
class LoadedPartitionFile:
    """A demand file and where its parts are written.

    Attributes:
        content: what it says.
        file: its name as the user wrote it.
    """

    content: PartitionFile
    file: str
    _marked: MarkedDocument

    def problem(
        self, path: DocPath, message: str, *, rule: str, expected: str = "", nearest: str | None = None,
        at_key: bool = False,
    ) -> SpecProblem:  # fmt: skip
        """Return a problem at a place of the file."""
        return SpecProblem(
            Subject("File", self.file),
            path,
            message,
            expected=expected,
            found=str(path[-1]) if at_key else self._marked.written(path),
            nearest=nearest,
            location=self._marked.locate(path, key=at_key),
            rule=rule,
        )


def load_partition_file(path: Path) -> LoadedPartitionFile:
    """Read a demand file: one YAML map.

    Raises:
        InputError: if it cannot be read or is no map.
        SpecError: with everything that is wrong in it, each at its place.
    """
    file = shown(path)
    documents = load_with_marks(_bytes(path), file)
    if len(documents) != 1 or not isinstance(documents[0].document.value, dict):
        raise InputError(f"{file} must be one YAML map with pools")
    marked = documents[0]
    body = marked.document.value
    try:
        content = PartitionFile.model_validate(body, by_alias=True, by_name=False)
    except ValidationError as error:
        raise SpecError(
            [
                SpecProblem(
                    Subject("File", file),
                    item.path,
                    item.message,
                    expected=item.expected,
                    found="" if item.missing else marked.written(item.path),
                    nearest=item.nearest,
                    location=marked.locate(item.path, key=item.at_key or item.missing) if item.path else Location(file),
                    rule="PARTITION-SCHEMA",
                )
                for item in complaints(PartitionFile, body, error)
            ]
        ) from error
    return LoadedPartitionFile(content, file, marked)


@dataclass(frozen=True)
class ListedInstances:
    """What ``nvidia-smi mig -lgi`` listed on one node.

    Attributes:
        file: its name as the user wrote it.
        gpus: instances by GPU index, each with its line; GPUs without any are not listed.
    """

    file: str
    gpus: dict[int, tuple[tuple[Placement, int], ...]]


def load_listed_instances(path: Path) -> ListedInstances:
    """Read what ``nvidia-smi mig -lgi`` printed.

    Raises:
        InputError: if it cannot be read or is no such output.
    """
    file = shown(path)
    text = decode(_bytes(path), file)
    found: dict[int, list[tuple[Placement, int]]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _ROW.fullmatch(line.strip())
        if match:
            placement = Placement(int(match[5]), match[2], int(match[6]))
            found.setdefault(int(match[1]), []).append((placement, number))
    if not found and not _NONE.search(text):
        raise InputError(
            f"{file} is not what nvidia-smi mig -lgi prints: expected rows such as | 0 MIG 1g.18gb 19 7 4:1 |"
        )
    return ListedInstances(file, {gpu: tuple(sorted(items)) for gpu, items in sorted(found.items())})


def _bytes(path: Path) -> bytes:
    try:
        return read_file(path)
    except InputError as error:
        raise InputError(f"{shown(path)}: {error}") from error
