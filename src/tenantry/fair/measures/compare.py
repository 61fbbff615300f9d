"""Several measured replays side by side, with differences to the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.measures.named import NamedResult


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure of one subject in several replays.

    Attributes:
        measure: key of the measure.
        kind: kind of the subject.
        subject: its name; empty for the cluster.
        values: value per replay, in the unit of the measure; None where it is not known.
        differences: value less the one in the first replay; None where either is not known.
    """

    measure: str
    kind: str
    subject: str
    values: tuple[float | None, ...]
    differences: tuple[float | None, ...]


def compare(results: Sequence[NamedResult]) -> tuple[Compared, ...]:
    """Return every measure of every subject in every replay: the cluster first, then tenants, then queues."""
    raise NotImplementedError
