"""Names of time zones, so that a misspelt one is found without the time zone database of the machine."""

from __future__ import annotations

from functools import cache

from tenantry.catalog.files import text


@cache
def time_zones() -> frozenset[str]:
    """Return the names of the IANA time zone database, former names included."""
    return frozenset(line for line in text("time_zones.txt").splitlines() if line and not line.startswith("#"))
