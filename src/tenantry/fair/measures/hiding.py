"""What one tenant may see: its own names, and numbers in place of the names of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.measures.named import NamedResult


def hide_others(results: Sequence[NamedResult], tenant: str) -> list[NamedResult]:
    """Return the same results with tenants, queues and jobs of others renamed, alike in all of them.

    Names of the scenarios, schedulers and notes stay as they are.

    Raises:
        ValueError: if no result has the tenant.
    """
    raise NotImplementedError
