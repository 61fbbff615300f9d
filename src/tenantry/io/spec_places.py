"""Where every part of a spec was written: the documents read, and what they were merged into."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tenantry.io.yaml_marks import MarkedDocument, load_with_marks
from tenantry.io.yaml_read import Limits
from tenantry.model.problem import DocPath, Location, Subject

if TYPE_CHECKING:
    from tenantry.io.spec_overlay import Origin
    from tenantry.model.spec import Spec

LIMITS: Final = Limits(max_bytes=4 * 2**20, max_depth=50)
"""A tenant takes about 2 KB, so one file holds some 2,000 of them; documents of a spec are about ten levels deep."""


@dataclass(frozen=True, slots=True)
class Source:
    """A document as it stands in a file."""

    text: bytes
    file: str
    index: int
    line: int
    body: Any


@dataclass(slots=True)
class Merged:
    """A document of the chosen environment."""

    body: dict[str, Any]
    origin: Origin


@dataclass(slots=True)
class LoadedSpec:
    """A spec and the places of everything in it.

    Attributes:
        spec: the documents of the environment.
        folder: the folder it was loaded from, as the user gave it.
    """

    spec: Spec
    folder: str
    _places: Places

    def locate(self, subject: Subject, path: DocPath = ()) -> Location:
        """Return where a part of a document is written: of a missing part, what is around it.

        In a document that an environment patches this may be a file of the base or of the environment. For a subject
        that is no document of the spec the folder is returned.
        """
        return self._places.locate(subject.kind, subject.name, path) or Location(self.folder)

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of the content of every document by its kind and name, sorted.

        Two documents that differ in comments, in the order of fields or in files have the same.
        """
        found = {str(Subject(*key)): _digest(merged.body) for key, merged in self._places.merged.items()}
        return dict(sorted(found.items()))


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(slots=True)
class Places:
    """Sources and merged documents; files are parsed with marks only when a place in them is asked for."""

    sources: list[Source] = field(default_factory=list)
    merged: dict[tuple[str, str], Merged] = field(default_factory=dict)
    _marks: dict[str, list[MarkedDocument]] = field(default_factory=dict)

    def locate(self, kind: str, name: str, path: DocPath, *, key: bool = False) -> Location | None:
        """Return where a part of a document is written, None for a document there is not."""
        document = self.merged.get((kind, name))
        return self.at(document.origin.follow(path), key=key) if document else None

    def at(self, origin: Origin, *, key: bool = False) -> Location:
        """Return the place of an origin, or of its key."""
        return self._marked(origin).locate(origin.path, key=key or origin.missing)

    def written(self, origin: Origin) -> str:
        """Return what stands at an origin, as it is written."""
        return self._marked(origin).written(origin.path)

    def _marked(self, origin: Origin) -> MarkedDocument:
        source = self.sources[origin.source]
        if source.file not in self._marks:
            self._marks[source.file] = load_with_marks(source.text, source.file, limits=LIMITS)
        return self._marks[source.file][source.index]
