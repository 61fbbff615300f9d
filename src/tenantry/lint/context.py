"""What lint knows besides the manifests themselves."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenantry import catalog
from tenantry.lint.strings import ParseYaml

if TYPE_CHECKING:
    from tenantry.catalog import Metric
    from tenantry.model.gpu import Gpu
    from tenantry.model.hardware import Nic
    from tenantry.model.manifest import Manifest
    from tenantry.model.software import Cve, Operator


@dataclass(frozen=True, slots=True)
class LintContext:
    """What lint knows besides the manifests.

    Attributes:
        parse_yaml: reads YAML held in a string; raises :class:`~tenantry.errors.YamlError`.
        partial: manifests that are kustomize patches. They count as evidence (a name they give exists), but only
            rules that judge a value by itself report on them.
        complete: whether the manifests are everything the cluster gets. Then a reference to nothing is an error;
            otherwise it is reported only when objects of the kind referred to are in the set, and more mildly.
        gpus: GPU models.
        nics: network adapters.
        operators: operators and drivers with the versions known to be broken.
        metrics: metrics that exporters have.
        cves: vulnerabilities of the parts of operators.
    """

    parse_yaml: ParseYaml
    partial: Set[Manifest] = frozenset()
    complete: bool = False
    gpus: Mapping[str, Gpu] = field(default_factory=catalog.gpus)
    nics: Mapping[str, Nic] = field(default_factory=catalog.nics)
    operators: Mapping[str, Operator] = field(default_factory=catalog.operators)
    metrics: tuple[Metric, ...] = field(default_factory=catalog.metrics)
    cves: tuple[Cve, ...] = field(default_factory=lambda: tuple(catalog.cves()))
