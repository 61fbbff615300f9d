"""Manifests: plain dicts with the key that names them and the place they came from.

Typed Kubernetes models are not used: they drop unknown fields without a word, and an auditor must not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tenantry.model.problem import Location

Body = dict[str, Any]
"""A Kubernetes object as a plain dict, exactly as written."""


class ManifestKey(NamedTuple):
    """What identifies an object in a cluster. ``namespace`` is empty for cluster-scoped objects."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """One object and where it was read.

    Attributes:
        body: the object; never modified after reading.
        location: file and the line at which the document starts.
        document: 0-based index of the YAML document inside its file.
        pointer: path inside the document, non-empty for items of a List.
    """

    body: Body
    location: Location
    document: int = 0
    pointer: tuple[str | int, ...] = ()
    key: ManifestKey = field(init=False, repr=False)
    """API version, kind, namespace and name; missing parts are empty strings."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", key_of(self.body))


def key_of(body: Body) -> ManifestKey:
    """Return the identity of an object; parts that are missing or not strings become empty strings."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    return ManifestKey(
        _text(body.get("apiVersion")),
        _text(body.get("kind")),
        _text(metadata.get("namespace")),
        _text(metadata.get("name")),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
