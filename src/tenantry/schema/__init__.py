"""The schema engine: whether the API server would accept a manifest, looking at nothing but that manifest.

What lives here: closing CRD schemas, compiling them, and saying in plain words what is wrong with an object. What may
not: files, YAML, other manifests. CRDs come as dicts, Kubernetes' own schemas as a value from the catalog.
"""

from __future__ import annotations

from tenantry.schema.issue import SchemaIssue
from tenantry.schema.schema_set import ExtraKind, SchemaNote, SchemaSet

__all__ = ["ExtraKind", "SchemaIssue", "SchemaNote", "SchemaSet"]
