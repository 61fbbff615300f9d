"""The compiler: an ordered tuple of passes over the resolved cluster, then the tree they make together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.compile.components import COMPONENTS, tenant_component
from tenantry.compile.passes import (
    admission,
    argocd,
    fabric_attachments,
    gpu_operator,
    kai,
    kueue,
    monitoring,
    network_isolation,
    network_operator,
    node_features,
    node_labels,
    node_tuning,
    openshift_ai,
    operators,
    readme,
    runai,
    sriov,
    sriov_readiness,
    tenants,
)
from tenantry.model.cluster import COMPONENT_LABEL
from tenantry.model.tree import Chart, Note, Piece, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.model.cluster import Cluster
    from tenantry.model.manifest import Body
    from tenantry.model.tree import Component, Output

PASSES: tuple[Callable[[Cluster], Iterable[Output]], ...] = (
    operators.operators,
    node_labels.node_labels,
    node_tuning.node_tuning,
    node_features.node_features,
    network_operator.network_operator,
    sriov.sriov,
    sriov_readiness.sriov_readiness,
    gpu_operator.gpu_operator,
    openshift_ai.openshift_ai,
    kai.kai,
    runai.runai,
    kueue.kueue,
    admission.admission,
    tenants.tenants,
    network_isolation.network_isolation,
    fabric_attachments.fabric_attachments,
    monitoring.monitoring,
)
"""Passes that see only the cluster."""

FINISHING: tuple[Callable[[Compilation], Iterable[Output]], ...] = (argocd.argocd, readme.readme)
"""Passes that see what the others made: what delivers the tree, and what describes it."""

MANAGED_BY = {"app.kubernetes.io/managed-by": "tenantry"}


@dataclass(frozen=True)
class Compilation:
    """Everything the passes made.

    Attributes:
        cluster: the resolved cluster.
        components: components that hold something, in the order of their waves.
        pieces: manifests, in the order of the passes.
        charts: Helm charts.
        notes: what a person must know, sorted.
        texts: files that are not manifests.
    """

    cluster: Cluster
    components: tuple[Component, ...]
    pieces: tuple[Piece, ...]
    charts: tuple[Chart, ...] = ()
    notes: tuple[Note, ...] = ()
    texts: tuple[Text, ...] = ()

    def files(self) -> dict[str, list[Body]]:
        """Group the manifests by their path in the tree, sorted by path."""
        folders = {component.name: component.folder for component in self.components}
        grouped: dict[str, list[Body]] = {}
        for piece in self.pieces:
            grouped.setdefault(f"{folders[piece.component]}/{piece.file}.yaml", []).append(piece.body)
        return dict(sorted(grouped.items()))


def compile_cluster(cluster: Cluster) -> Compilation:
    """Run all passes over a cluster that has no problems."""
    made = _Made(cluster)
    for step in PASSES:
        made.add(step(cluster))
    for finish in FINISHING:
        made.add(finish(made.compilation()))
    return made.compilation()


class _Made:
    """What passes have made so far."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._pieces: list[Piece] = []
        self._charts: list[Chart] = []
        self._notes: set[Note] = set()
        self._texts: list[Text] = []

    def add(self, outputs: Iterable[Output]) -> None:
        """Take up what a pass yields."""
        for output in outputs:
            if isinstance(output, Piece):
                self._pieces.append(_labelled(output))
            elif isinstance(output, Chart):
                self._charts.append(output)
            elif isinstance(output, Note):
                self._notes.add(output)
            else:
                self._texts.append(output)

    def compilation(self) -> Compilation:
        """Return it in order, with the components it belongs to."""
        used = {piece.component for piece in self._pieces} | {chart.component for chart in self._charts}
        tenants = (tenant_component(tenant.name) for tenant in self._cluster.tenants)
        components = tuple(item for item in (*COMPONENTS, *argocd.COMPONENTS, *tenants) if item.name in used)
        missing = used - {component.name for component in components}
        if missing:
            raise ValueError(f"passes used components that are not declared: {', '.join(sorted(missing))}")
        return Compilation(
            self._cluster,
            tuple(sorted(components, key=lambda component: (component.wave, component.name))),
            tuple(self._pieces),
            tuple(sorted(self._charts, key=lambda chart: (chart.component, chart.release))),
            tuple(sorted(self._notes)),
            tuple(sorted(self._texts, key=lambda text: text.path)),
        )


def _labelled(piece: Piece) -> Piece:
    metadata = piece.body["metadata"]
    labels = metadata.get("labels") or {}
    if COMPONENT_LABEL in labels:
        return piece
    marked = {**labels, COMPONENT_LABEL: piece.component, **MANAGED_BY}
    # Bodies may be shared between pieces, so the metadata is copied, never changed.
    ordered = {"name": metadata["name"]}
    if "namespace" in metadata:
        ordered["namespace"] = metadata["namespace"]
    ordered["labels"] = marked
    ordered.update((key, value) for key, value in metadata.items() if key not in ordered)
    return Piece(piece.component, piece.file, {**piece.body, "metadata": ordered})
