"""Where things stand in YAML: the location of every key and value, for problems and findings.

Marks cost several times what reading costs, so they are made on demand, one text at a time.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from yaml.events import (
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from tenantry.errors import YamlError
from tenantry.io.yaml_read import DEFAULT, Limits, YamlDocument, decode, events, key_of, load_documents
from tenantry.model.problem import DocPath, Location

if TYPE_CHECKING:
    from collections.abc import Callable

    from yaml._yaml import Mark


@dataclass(frozen=True, slots=True)
class MarkedDocument:
    """A document with the place of every key and value.

    Attributes:
        document: the document.
        keys: place of the key (or of the list item) at a path.
        values: place of the value at a path; the root is the empty path.
    """

    document: YamlDocument
    keys: dict[DocPath, Location] = field(default_factory=dict)
    values: dict[DocPath, Location] = field(default_factory=dict)
    _written: dict[DocPath, str] = field(default_factory=dict)

    def locate(self, path: DocPath, *, key: bool = False) -> Location:
        """Return the place of the value at ``path`` (of its key with ``key``), or of the closest thing around it."""
        for length in range(len(path), 0, -1):
            part = path[:length]
            # What holds a missing thing is found by its own name, not by its first line.
            places = self.keys if key or length < len(path) else self.values
            if part in places:
                return places[part]
        return self.values[()]

    def written(self, path: DocPath) -> str:
        """Return the scalar at ``path`` as it is written, quotes included; empty when there is none."""
        return self._written.get(path, "")


def load_with_marks(text: bytes | str, file: str = "<string>", *, limits: Limits = DEFAULT) -> list[MarkedDocument]:
    """Read all documents of a text with the place of everything in them.

    Raises:
        YamlError: as :func:`tenantry.io.yaml_read.load_documents`.
    """
    source = decode(text, file, limits)
    documents = load_documents(source, file, limits=limits)
    marked = [MarkedDocument(document) for document in documents]
    for item in marked:
        item.values[()] = Location(file, item.document.line, 1)
    # JSON that the YAML parser does not read: only what was marked before that point has a place.
    with suppress(YamlError):
        _Marker(source, file).mark(events(source, file), marked)
    return marked


class _Marker:
    """Walks the events of a text that is known to be readable."""

    def __init__(self, source: str, file: str) -> None:
        self.source = source
        self.file = file

    def mark(self, next_event: Callable[[], Any], documents: list[MarkedDocument]) -> None:
        for document in documents:
            while type(next_event()) in (StreamStartEvent, DocumentEndEvent):
                continue
            self._document(next_event, document)

    def _document(self, next_event: Callable[[], Any], document: MarkedDocument) -> None:
        path: list[str | int] = []
        # Per open collection: the next index of a list, or None for a map.
        counts: list[int | None] = []
        expects_key = False
        while True:
            event = next_event()
            kind = type(event)
            if kind is StreamEndEvent:
                return
            if kind is MappingEndEvent or kind is SequenceEndEvent:
                counts.pop()
            elif expects_key:
                path.append(key_of(event))
                document.keys[tuple(path)] = self._place(event.start_mark)
                expects_key = False
                continue
            else:
                self._value(event, path, counts, document)
                if kind is MappingStartEvent or kind is SequenceStartEvent:
                    counts.append(0 if kind is SequenceStartEvent else None)
                    expects_key = kind is MappingStartEvent
                    continue
            if not counts:
                return
            path.pop()
            expects_key = counts[-1] is None

    def _value(self, event: Any, path: list[str | int], counts: list[int | None], document: MarkedDocument) -> None:
        place = self._place(event.start_mark)
        if counts and (index := counts[-1]) is not None:
            path.append(index)
            counts[-1] = index + 1
            document.keys[tuple(path)] = place
        here = tuple(path)
        document.values[here] = place
        if type(event) is ScalarEvent:
            document._written[here] = self._text_of(event)

    def _text_of(self, event: Any) -> str:
        start: int = event.start_mark.index
        end: int = event.end_mark.index
        return self.source[start:end]

    def _place(self, mark: Mark) -> Location:
        return Location(self.file, mark.line + 1, mark.column + 1)
