"""Facts about hardware and software: data files under ``data/`` and the typed readers of them.

What lives here: one TOML file per kind of fact, each entry with its source and certainty, and one cached reader per
file. What may not: rules, decisions, or anything read from outside this package. A new GPU, server or operator is a new
entry, never new code; see ``docs/catalog.md``.
"""

from __future__ import annotations

from tenantry.catalog.facts import FactDefinition, fact_definitions
from tenantry.catalog.hardware import gpus, nics, servers
from tenantry.catalog.observability import Metric, metrics
from tenantry.catalog.schemas import ExtraSchema, extra_schemas
from tenantry.catalog.software import (
    Image,
    cves,
    cves_known_as_of,
    images,
    job_image,
    kubernetes_minor,
    openshift_versions,
    operators,
)
from tenantry.catalog.time import time_zones

__all__ = [
    "ExtraSchema",
    "FactDefinition",
    "Image",
    "Metric",
    "cves",
    "cves_known_as_of",
    "extra_schemas",
    "fact_definitions",
    "gpus",
    "images",
    "job_image",
    "kubernetes_minor",
    "metrics",
    "nics",
    "openshift_versions",
    "operators",
    "servers",
    "time_zones",
]
