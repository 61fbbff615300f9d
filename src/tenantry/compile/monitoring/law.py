"""The law of monitoring: an expression uses only metrics that somebody exports here, or that we record ourselves.

A query on a metric that nobody exports is not an error to Prometheus. It is silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry import catalog
from tenantry.compile.dcgm import collected_metrics
from tenantry.compile.monitoring.maps import MAPS
from tenantry.compile.monitoring.promql import metrics
from tenantry.compile.monitoring.signals import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.compile.monitoring.view import View

EXPORTERS: Mapping[str, tuple[str, ...]] = {
    "gpu-operator": (),
    "kube-state-metrics": (),
    "node": (),
    "prometheus": (),
    "argocd": (),
    "kai": ("kai",),
    "kueue": ("kueue",),
}
"""Exporters of the catalog that every platform has, with the flags they need. DCGM is asked for its own list."""

SATISFIED: Mapping[str, str] = {
    "": "nothing to switch on",
    "metricLabelsAllowlist for nodes": "default on OpenShift; stack.exposed_labels elsewhere",
    "metricLabelsAllowlist for pods": "default on OpenShift; stack.exposed_labels elsewhere",
    "driver.upgradePolicy.autoUpgrade": "on where the GPU Operator installs the driver",
}
"""What metrics may need, and why it is so on a compiled platform. Metrics with other needs may not be used."""

_HISTOGRAM = ("_bucket", "_sum", "_count")


def available(view: View) -> frozenset[str]:
    """Names that expressions may use on a cluster: exported metrics and recorded series."""
    names = {*collected_metrics(view.cluster), *MAPS}
    for _, signals in GROUPS:
        names.update(signal.record for signal in signals if view.has(signal.needs))
    for metric in catalog.metrics():
        needs = EXPORTERS.get(metric.exporter)
        if needs is None or not view.has(needs) or not metric.default or metric.needs not in SATISFIED:
            continue
        if metric.type == "histogram":
            names.update(metric.name + suffix for suffix in _HISTOGRAM)
        else:
            names.add(metric.name)
    return frozenset(names)


def check(expressions: Iterable[tuple[str, str]], allowed: frozenset[str]) -> None:
    """Refuse expressions that use a metric nobody delivers.

    Args:
        expressions: pairs of where an expression stands and the expression.
        allowed: names that may be used.

    Raises:
        ValueError: naming every violation; always a mistake in this package, never in a spec.
    """
    wrong: list[str] = []
    for where, expression in expressions:
        try:
            unknown = sorted(metrics(expression) - allowed)
        except ValueError as error:
            wrong.append(f"{where}: {error}")
            continue
        if unknown:
            wrong.append(f"{where}: no exporter delivers {', '.join(unknown)}")
    if wrong:
        raise ValueError("monitoring uses what is not there:\n" + "\n".join(wrong))
