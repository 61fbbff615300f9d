"""Reading pods that nobody checked: containers, variables and the devices asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tenantry.model.reading import from_json as parsed
from tenantry.model.reading import items, mapping
from tenantry.model.reading import quantity as units
from tenantry.safe.pods import containers_of as containers

if TYPE_CHECKING:
    from tenantry.model.manifest import Body

__all__ = ["containers", "environment", "parsed", "requested", "units"]


def requested(pod: Body) -> dict[str, float]:
    """Return the extended resources a pod asks for with their greatest amount in one container."""
    found: dict[str, float] = {}
    for _, container in containers(pod):
        for part in ("requests", "limits"):
            for name, value in mapping(container, "resources", part).items():
                count = units(value)
                if "/" in name and count:
                    found[name] = max(found.get(name, 0.0), count)
    return found


def environment(pod: Body) -> Iterator[tuple[tuple[str | int, ...], Mapping[Any, Any]]]:
    """Yield every entry of ``env`` of every container with its path."""
    for path, container in containers(pod):
        for index, entry in enumerate(items(container, "env")):
            if isinstance(entry, dict):
                yield (*path, "env", index), entry
