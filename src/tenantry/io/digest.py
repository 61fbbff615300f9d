"""Digests of files and folders, to see whether something is still what it was."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tenantry.errors import InputError
from tenantry.io.walk import shown
from tenantry.io.yaml_read import os_reason

if TYPE_CHECKING:
    from pathlib import Path


def digest(place: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of all files below a folder.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        if not place.is_dir():
            return _of(place)
        whole = hashlib.sha256()
        for path in sorted(item for item in place.rglob("*") if item.is_file()):
            whole.update(f"{path.relative_to(place).as_posix()}\0{_of(path)}\0".encode("utf-8", "surrogateescape"))
        return whole.hexdigest()
    except OSError as error:
        raise InputError(f"{shown(place)} cannot be read: {os_reason(error)}") from error


def _of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
