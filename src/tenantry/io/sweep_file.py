"""Reads a sweep: one document that says what is varied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tenantry.errors import InputError, SpecError
from tenantry.io.spec_places import Source
from tenantry.io.spec_values import Setting, Values
from tenantry.io.spec_words import complaints
from tenantry.io.walk import shown
from tenantry.io.yaml_marks import MarkedDocument, load_with_marks
from tenantry.io.yaml_read import read_file
from tenantry.model.problem import DocPath, SpecProblem, Subject
from tenantry.model.spec import Sweep

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KIND = "Sweep"


@dataclass(frozen=True)
class LoadedSweep:
    """A sweep and where its parts are written.

    Attributes:
        sweep: the document.
        path: its file.
    """

    sweep: Sweep
    path: Path
    _source: Source
    _marked: MarkedDocument

    def values(self, chosen: Mapping[str, int]) -> Values:
        """Return one value of each path, by its position, as a layer of a spec."""
        axes = self.sweep.spec.values
        settings = (Setting(path, axes[path][index], ("spec", "values", path, index)) for path, index in chosen.items())
        return Values(self._source, tuple(settings))

    def problem(self, path: DocPath, message: str, *, expected: str = "", nearest: str | None = None) -> SpecProblem:
        """Return a problem at a place of the sweep."""
        return SpecProblem(
            Subject(KIND, self.sweep.name),
            path,
            message,
            expected=expected,
            found=self._marked.written(path),
            nearest=nearest,
            location=self._marked.locate(path),
            rule="SPEC-SWEEP",
        )


def load_sweep(path: Path) -> LoadedSweep:
    """Read a sweep.

    Raises:
        InputError: if the file cannot be read or does not hold exactly one document.
        SpecError: with everything that is wrong in it, each at its place.
    """
    file = shown(path)
    try:
        text = read_file(path)
    except InputError as error:
        raise InputError(f"{file} {error}") from error
    documents = [item for item in load_with_marks(text, file) if item.document.value is not None]
    if len(documents) != 1 or not isinstance(documents[0].document.value, dict):
        raise InputError(f"{file}: expected one document of kind {KIND}; found {len(documents)} documents")
    marked = documents[0]
    body: dict[str, Any] = marked.document.value
    try:
        sweep = Sweep.model_validate(body, by_alias=True, by_name=False)
    except ValidationError as error:
        raise SpecError(
            [
                SpecProblem(
                    Subject(KIND, ""),
                    item.path,
                    item.message,
                    expected=item.expected,
                    found="" if item.missing else marked.written(item.path),
                    nearest=item.nearest,
                    location=marked.locate(item.path, key=item.at_key or item.missing),
                    rule="SPEC-SCHEMA",
                )
                for item in complaints(Sweep, body, error)
            ]
        ) from error
    source = Source(text, file, marked.document.index, marked.document.line, body)
    loaded = LoadedSweep(sweep, path, source, marked)
    problems = [
        loaded.problem(where, "it stands twice in this list", expected="each once")
        for where in _repeated(body["spec"] if isinstance(body.get("spec"), dict) else {})
    ]
    if problems:
        raise SpecError(problems)
    return loaded


def _repeated(spec: Mapping[str, Any]) -> list[DocPath]:
    """Return the places of items that stood in their list before."""
    values = spec.get("values") or {}
    lists: list[tuple[DocPath, Any]] = [(("spec", name), items) for name, items in spec.items() if name != "values"]
    lists += [(("spec", "values", path), items) for path, items in values.items()]
    return [
        (*path, index)
        for path, items in lists
        if isinstance(items, list)
        for index, item in enumerate(items)
        if any(type(other) is type(item) and other == item for other in items[:index])
    ]
