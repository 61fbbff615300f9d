"""Kubernetes' CEL functions with the string formats the API server knows."""

from __future__ import annotations

from typing import Any

from tenantry.model.cel_functions import library as functions
from tenantry.schema.formats import CHECKS

FORMATS = ("uri", "uuid", "byte", "date", "datetime")


def library() -> Any:
    """Return all functions as one extension of an environment."""
    return functions({name: CHECKS[name] for name in FORMATS})
