"""Stores in which definitions are installed already, kept in the user's cache, so that a cluster is ready sooner.

The server takes half a second of work for each definition that is new to it, and next to none for one it finds.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from testbed import binaries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Body = dict[str, Any]

KEPT = 4
"""How many are kept; one holds about 70 MB."""


def template(definitions: Sequence[Body], make: Callable[[Path], None]) -> Path:
    """Return the store that holds definitions, made by ``make`` into an empty folder if it is not there yet."""
    root = binaries.cache_root() / "stores"
    root.mkdir(parents=True, exist_ok=True)
    place = root / _digest(definitions)
    with binaries.alone(root / "make.lock"):
        if not place.is_dir():
            made = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=root))
            try:
                make(made)
                made.rename(place)
            finally:
                shutil.rmtree(made, ignore_errors=True)
            _keep_few(root)
        # Those used last are kept.
        place.touch()
        return place


def _digest(definitions: Sequence[Body]) -> str:
    told = [binaries.versions(), sorted(definitions, key=lambda body: str(body["metadata"]["name"]))]
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]


def _keep_few(root: Path) -> None:
    stores = sorted((path for path in root.iterdir() if path.is_dir()), key=lambda path: -path.stat().st_mtime)
    for path in stores[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)
