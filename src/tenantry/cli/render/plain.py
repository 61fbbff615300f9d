"""Parts of JSON outputs about clusters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenantry.fair.explain.words import EPOCH_FROM

if TYPE_CHECKING:
    from tenantry.fair.fairshare import Amounts

DIGITS = 6
"""Digits after the point: parts of GPUs leave crumbs in sums."""


def plain(value: Any) -> Any:
    """Return a value that JSON can hold: whole numbers without a point, none that are infinite."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        rounded = round(value, DIGITS)
        return int(rounded) if rounded.is_integer() else rounded
    return value


def moment(second: int | None) -> str | None:
    """A point in time as text, if it counts from 1970."""
    if second is None or second < EPOCH_FROM:
        return None
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def amounts(item: Amounts) -> dict[str, Any]:
    """One resource of one queue."""
    return {
        "quota": item.quota,
        "limit": item.limit,
        "weight": item.weight,
        "deserved": item.deserved,
        "fairShare": item.fair,
        "allocated": item.allocated,
        "allocatedNonPreemptible": item.lasting,
        "requested": item.requested,
        "borrowed": item.borrowed,
        "unused": item.unused,
        "lent": item.lent,
        "starved": item.starved,
    }
