"""How much of a GPU a slice of MIG is."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from tenantry.catalog.hardware import gpus
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROFILE: Final = re.compile(r"(?:mig-)?(\d)g\.(\d+)gb(?:[.+-][a-z.+]*)?", re.ASCII)
# All GPUs with MIG have seven compute slices but a few small ones, which the catalog knows.
_USUAL: Final = 7


@lru_cache(maxsize=256)
def mig_share(profile: str) -> int | None:
    """Return the milli-GPUs of a MIG profile by its part of the compute: 428 for ``3g.71gb``, 1000 for ``7g.141gb``.

    Rounded down, so that the slices of one GPU are never more than it.

    Args:
        profile: ``3g.71gb``, ``1g.18gb+me``, or as extended resources spell it, ``mig-1g.18gb.me``.

    Returns:
        None when it is no profile.
    """
    match = _PROFILE.fullmatch(profile.lower())
    if match is None or not 1 <= int(match[1]) <= _USUAL:
        return None
    slices = _slices().get(f"{match[1]}g.{match[2]}gb", _USUAL)
    return int(match[1]) * MILLI // slices


@cache
def _slices() -> Mapping[str, int]:
    """Compute slices of the GPU that has a profile, where all GPUs of the catalog that have one agree."""
    found: dict[str, set[int]] = {}
    for gpu in gpus().values():
        for profile in gpu.profiles:
            found.setdefault(profile.name.partition("+")[0], set()).add(gpu.compute_slices)
    return {name: min(counts) for name, counts in found.items() if len(counts) == 1}
