"""Several measured replays side by side, with differences to the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.fair.measures.catalogue import MEASURES
from tenantry.fair.measures.result import CLUSTER, QUEUE, TENANT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantry.fair.measures.kind import Measure
    from tenantry.fair.measures.named import NamedResult
    from tenantry.fair.measures.result import Measured


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure of one subject in several replays.

    Attributes:
        measure: key of the measure.
        kind: kind of the subject.
        subject: its name; empty for the cluster.
        values: value per replay, in the unit of the measure; None where it is not known.
        at_least: per replay, whether the value is a lower bound.
        differences: value less the one in the first replay; None where either is not known or a lower bound, as then
            even the sign may be wrong.
    """

    measure: str
    kind: str
    subject: str
    values: tuple[float | None, ...]
    at_least: tuple[bool, ...]
    differences: tuple[float | None, ...]


def compare(results: Sequence[NamedResult]) -> tuple[Compared, ...]:
    """Return every measure of every subject in every replay.

    The cluster first, then tenants, then queues, each in the order of the first replay that has it; measures in the
    order of :data:`~tenantry.fair.measures.catalogue.MEASURES`. A subject that is not in a replay has no value there.
    """
    rows = []
    for kind in (CLUSTER, TENANT, QUEUE):
        by_name = [{subject.name: subject for subject in subjects(each, kind)} for each in results]
        for name in dict.fromkeys(name for known in by_name for name in known):
            rows += [_compared(measure, kind, name, results, by_name) for measure in MEASURES if kind in measure.kinds]
    return tuple(rows)


def subjects(named: NamedResult, kind: str) -> tuple[Measured, ...]:
    """Return all subjects of a kind."""
    result = named.result
    return {CLUSTER: (result.cluster,), TENANT: result.tenants, QUEUE: result.queues}[kind]


def _compared(
    measure: Measure,
    kind: str,
    name: str,
    results: Sequence[NamedResult],
    by_name: Sequence[Mapping[str, Measured]],
) -> Compared:
    values, bounds = [], []
    for each, known in zip(results, by_name, strict=True):
        subject = known.get(name)
        values.append(None if subject is None else measure.value(subject, each.result))
        bounds.append(subject is not None and measure.at_least(subject))
    first = None if bounds[0] else values[0]
    differences = tuple(
        None if value is None or first is None or bound else value - first
        for value, bound in zip(values, bounds, strict=True)
    )
    return Compared(measure.key, kind, name, tuple(values), tuple(bounds), differences)
