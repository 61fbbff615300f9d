"""Small builders that passes share: the object envelope, sync annotations, content hashes."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.manifest import Body

WAVE = "argocd.argoproj.io/sync-wave"
SYNC_OPTIONS = "argocd.argoproj.io/sync-options"

# Deleting these resets devices or takes data along, so a person has to confirm it in Argo CD.
GUARD_DELETE = "Prune=confirm,Delete=confirm"


def manifest(
    api_version: str,
    kind: str,
    name: str,
    *,
    namespace: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    wave: int = 0,
    sync_options: str = "",
    **fields: Any,
) -> Body:
    """Build one manifest: envelope first, then ``fields`` in the order given.

    Args:
        api_version: for example ``apps/v1``.
        kind: for example ``Deployment``.
        name: object name.
        namespace: empty for cluster-scoped objects.
        labels: labels; none written when empty.
        annotations: annotations; none written when empty.
        wave: sync wave inside the Application; 0 writes no annotation.
        sync_options: comma-separated Argo CD sync options for this object.
        fields: the rest of the object, usually ``spec``; ``None`` values are left out.
    """
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    notes = dict(annotations or {})
    if wave:
        notes[WAVE] = str(wave)
    if sync_options:
        notes[SYNC_OPTIONS] = sync_options
    if notes:
        metadata["annotations"] = notes
    body: Body = {"apiVersion": api_version, "kind": kind, "metadata": metadata}
    body.update((key, value) for key, value in fields.items() if value is not None)
    return body


def content_hash(content: object, length: int = 8) -> str:
    """Return the first ``length`` hexadecimal digits of the SHA-256 of a value in canonical JSON.

    Used in names of objects whose content operators do not watch: another content is another name.
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def compact_json(content: object) -> str:
    """Write a value as JSON for fields that hold JSON in a string; keys sorted, one space after colons and commas."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False)
