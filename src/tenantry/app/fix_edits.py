"""Fixes as edits of files: what stands in them instead of the objects that change, and new files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.io.manifests import extent
from tenantry.io.yaml_write import dump
from tenantry.model.change import Op, changed

if TYPE_CHECKING:
    from tenantry.model.change import Fix
    from tenantry.model.manifest import ManifestKey
    from tenantry.model.snapshot import Snapshot

NEW_FILES = "tenantry-fixes"
"""Folder of the files with objects that a fix makes."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One document of a file that is replaced, or a new file.

    Attributes:
        file: path of the file.
        first: first line that is replaced, from 1; 0 for a new file.
        last: last line that is replaced.
        text: what stands there instead; empty when the object is deleted. Comments inside the document are not kept.
    """

    file: str
    first: int
    last: int
    text: str


def edits(fix: Fix, snapshot: Snapshot) -> tuple[Edit, ...]:
    """Return the edits that make a fix, one per object; nothing when one of the objects cannot be edited in place.

    Args:
        fix: the changes.
        snapshot: the objects as they were read from files.
    """
    after = changed(snapshot, fix.changes)
    if after is None:
        return ()
    found: dict[ManifestKey, Edit] = {}
    made = {item.key for item in fix.changes if item.op is Op.CREATE}
    for key in dict.fromkeys(item.key for item in fix.changes):
        now = after.get(key.group, key.kind, key.name, key.namespace)
        text = dump(now.body) if now is not None else ""
        if key in made:
            parts = [NEW_FILES, *([key.namespace] if key.namespace else []), f"{key.kind.lower()}-{key.name}.yaml"]
            found[key] = Edit("/".join(parts), 0, 0, text)
            continue
        before = snapshot.get(key.group, key.kind, key.name, key.namespace)
        lines = extent(before) if before is not None else None
        if before is None or lines is None:
            return ()
        found[key] = Edit(before.location.file, *lines, text)
    return tuple(found.values())
