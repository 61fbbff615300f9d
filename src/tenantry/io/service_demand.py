"""Reads the file that names services with their rates and latency goals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tenantry.errors import InputError, SpecError
from tenantry.io.spec_words import complaints
from tenantry.io.walk import shown
from tenantry.io.yaml_marks import MarkedDocument, load_with_marks
from tenantry.io.yaml_read import read_file
from tenantry.model.problem import DocPath, Location, SpecProblem, Subject
from tenantry.model.spec.service_demand import ServiceDemand

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class LoadedServices:
    """Services and where they are written.

    Attributes:
        demand: the file as written.
        file: its path for people.
    """

    demand: ServiceDemand
    file: str
    _marked: MarkedDocument

    def problem(
        self,
        path: DocPath,
        message: str,
        *,
        expected: str = "",
        found: str | None = None,
        nearest: str | None = None,
        rule: str = "SPEC-SERVICE",
    ) -> SpecProblem:
        """Return a problem at a place of the file; what is written there was found unless told otherwise."""
        number = path[1] if len(path) > 1 and path[0] == "services" else None
        name = self.demand.services[number].name if isinstance(number, int) else ""
        return SpecProblem(
            Subject("Service", name) if name else Subject("File", self.file),
            path,
            message,
            expected=expected,
            found=self._marked.written(path) if found is None else found,
            nearest=nearest,
            location=self._marked.locate(path),
            rule=rule,
        )


def load_services(path: Path) -> LoadedServices:
    """Read services: one YAML map.

    Raises:
        InputError: if it cannot be read or is no map.
        SpecError: with everything that is wrong in it, each at its place.
    """
    file = shown(path)
    try:
        text = read_file(path)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    documents = load_with_marks(text, file)
    if len(documents) != 1 or not isinstance(documents[0].document.value, dict):
        raise InputError(f"{file} must be one YAML map with services")
    marked = documents[0]
    body = marked.document.value
    try:
        demand = ServiceDemand.model_validate(body, by_alias=True, by_name=False)
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
                )
                for item in complaints(ServiceDemand, body, error)
            ]
        ) from error
    loaded = LoadedServices(demand, file, marked)
    names = [service.name for service in demand.services]
    twice = [number for number, name in enumerate(names) if name in names[:number]]
    if twice:
        message = "a service of this name is there already"
        raise SpecError([loaded.problem(("services", number, "name"), message) for number in twice])
    return loaded


def names_services(path: Path) -> bool:
    """Whether a file is about services; also False where it cannot be read, which its reader will say."""
    try:
        documents = load_with_marks(read_file(path), shown(path))
    except InputError:
        return False
    return any(isinstance(item.document.value, dict) and "services" in item.document.value for item in documents)
