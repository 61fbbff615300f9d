"""Reader of the metrics that alerts and dashboards may use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tenantry.catalog.files import Table, read


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of one exporter.

    Attributes:
        name: name in Prometheus; for ``dcgm`` also the field in its CSV file.
        exporter: who exports it, for example ``dcgm`` or ``kube-state-metrics``.
        type: ``gauge``, ``counter``, ``histogram``, or ``label`` for a DCGM field that becomes a label.
        unit: unit of the value: ``ratio`` (0 to 1), ``percent``, ``mebibytes``, ``1`` for a count, ...
        help: what it says, in one sentence.
        default: whether the exporter has it without being told to.
        on_mig: with MIG, whether the value is of the slice (``instance``), of the whole GPU (``gpu``), or missing
            (``none``); empty for metrics that are not about a GPU.
        labels: labels that queries rely on, besides those of the scrape.
        needs: what must be switched on for it, empty when nothing.
        source: where it is defined.
    """

    name: str
    exporter: str
    type: str
    unit: str
    help: str
    default: bool
    on_mig: str
    labels: tuple[str, ...]
    needs: str
    source: str

    @property
    def mig(self) -> bool:
        """Whether it is there for GPUs in MIG mode."""
        return self.on_mig != "none"

    @property
    def profiling(self) -> bool:
        """Whether it comes from the profiling unit of the GPU, which a Nsight profiler needs for itself."""
        return self.name.startswith("DCGM_FI_PROF_")

    @property
    def csv_row(self) -> str:
        """Row of the DCGM exporter's CSV file: field, Prometheus type, help without commas."""
        return f"{self.name}, {self.type}, {self.help.replace(',', ';')}"


@cache
def metrics() -> tuple[Metric, ...]:
    """Known metrics, ordered by exporter and name."""
    found = [
        _metric(exporter, entry, row)
        for exporter, entry in read("metrics.toml")["exporter"].items()
        for row in entry["metric"]
    ]
    return tuple(sorted(found, key=lambda metric: (metric.exporter, metric.name)))


def _metric(exporter: str, entry: Table, row: Table) -> Metric:
    shared: Table = {"labels": (), "needs": "", **entry}
    own: Table = {**shared, "default": True, "on_mig": "", **row}
    return Metric(
        name=own["name"],
        exporter=exporter,
        type=own["type"],
        unit=own["unit"],
        help=own["help"],
        default=own["default"],
        on_mig=own["on_mig"],
        labels=tuple(own["labels"]),
        needs=own["needs"],
        source=own["source"],
    )
