"""Facts about hardware and software: data files under ``data/`` and the typed readers of them.

What lives here: one TOML file per kind of fact, each entry with its source and certainty, and one cached reader per
file. What may not: rules, decisions, or anything read from outside this package. A new GPU, server or operator is a new
entry, never new code.
"""

from __future__ import annotations

from tenantry.catalog.hardware import gpus, nics, servers
from tenantry.catalog.software import kubernetes_minor, operators

__all__ = ["gpus", "kubernetes_minor", "nics", "operators", "servers"]
