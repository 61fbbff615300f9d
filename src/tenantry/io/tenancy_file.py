"""Reads the file that says who owns which namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from tenantry.errors import InputError, SpecError
from tenantry.io.spec_words import complaints
from tenantry.io.walk import shown
from tenantry.io.yaml_marks import load_with_marks
from tenantry.io.yaml_read import read_file
from tenantry.model.problem import Location, SpecProblem, Subject
from tenantry.model.spec.tenancy_file import TenancyFile

if TYPE_CHECKING:
    from pathlib import Path


def load_tenancy(path: Path) -> TenancyFile:
    """Read a tenancy file: one YAML map.

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
        raise InputError(f"{file} must be one YAML map with tenants and platform")
    marked = documents[0]
    body = marked.document.value
    try:
        return TenancyFile.model_validate(body, by_alias=True, by_name=False)
    except ValidationError as error:
        raise SpecError(
            [
                SpecProblem(
                    Subject("File", file),
                    item.path,
                    item.message,
                    expected=item.expected,
                    nearest=item.nearest,
                    location=marked.locate(item.path, key=item.at_key or item.missing) if item.path else Location(file),
                )
                for item in complaints(TenancyFile, body, error)
            ]
        ) from error
