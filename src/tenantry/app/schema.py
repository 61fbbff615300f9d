"""The JSON Schema of spec documents, for editors and other tools."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from tenantry.model.spec import API_VERSION, AnyDocument

SCHEMA_FILE = "tenantry.schema.json"
"""File name the examples' editor modeline refers to."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) that every document of a spec must satisfy."""
    body: dict[str, Any] = TypeAdapter(AnyDocument).json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://{API_VERSION}/spec.schema.json",
        "title": "Tenantry spec document",
        **body,
    }
