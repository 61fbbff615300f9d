"""The JSON Schema of spec documents, for editors and other tools."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from tenantry.model.spec import API_VERSION, AnyDocument, Sweep

SCHEMA_FILE = "tenantry.schema.json"
"""File name the examples' editor modeline refers to."""

AnyFile = Annotated[AnyDocument | Sweep, Field(discriminator="kind")]
"""What a file may hold that is written for Tenantry."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) that every document of a spec, and a sweep beside it, must satisfy."""
    body: dict[str, Any] = TypeAdapter(AnyFile).json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://{API_VERSION}/spec.schema.json",
        "title": "Tenantry spec document",
        **body,
    }
