"""Operators, their packages and versions, as the catalog describes them; and version comparison."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import total_ordering
from typing import TYPE_CHECKING

from tenantry.model.hardware import Certainty

if TYPE_CHECKING:
    from collections.abc import Mapping


@total_ordering
class VersionNumber:
    """A dotted version compared number by number; a leading ``v`` and build metadata are ignored.

    A pre-release (``1.0-rc1``) sorts before its release; other suffixes are ignored.
    """

    __slots__ = ("parts", "pre", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        match = re.fullmatch(r"v?([0-9]+(?:\.[0-9]+)*)(?:[-+].*)?", text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a version such as 26.7.0")
        parts = [int(part) for part in match[1].split(".")]
        while len(parts) > 1 and parts[-1] == 0:
            parts.pop()
        self.parts = tuple(parts)
        self.pre = bool(re.search(r"-(alpha|beta|rc|dev|pre)", text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VersionNumber) and (self.parts, self.pre) == (other.parts, other.pre)

    def __lt__(self, other: VersionNumber) -> bool:
        return (self.parts, not self.pre) < (other.parts, not other.pre)

    def __hash__(self) -> int:
        return hash((self.parts, self.pre))

    def __repr__(self) -> str:
        return f"VersionNumber({self.text!r})"


def minor(version: str) -> str:
    """Return the first two numbers of a version: ``26.7`` for ``v26.7.0``."""
    return ".".join(version.removeprefix("v").split("-")[0].split(".")[:2])


@dataclass(frozen=True, slots=True)
class OlmPackage:
    """How the Operator Lifecycle Manager installs an operator.

    Attributes:
        package: package name in the catalog source.
        channel: default channel; ``{minor}`` stands for the first two numbers of the version.
        source: CatalogSource, for example ``redhat-operators``.
        namespace: namespace the operator runs in.
        install_mode: ``OwnNamespace`` or ``AllNamespaces``.
        csv: name of the ClusterServiceVersion; ``{version}`` stands for the version. Empty when the name carries a
            build stamp that no version predicts: such a CSV can only be pinned by writing its full name.
        cluster_monitoring: whether the namespace is scraped by the platform's Prometheus.
        recommended: version on OLM when it is numbered apart from the upstream project (Red Hat build of Kueue 1.3
            is not Kueue 1.3); empty when it is the operator's.
        follows_cluster: whether the version is the one of OpenShift itself (NFD and SR-IOV are released with it).
    """

    package: str
    channel: str
    source: str
    namespace: str
    install_mode: str
    csv: str
    cluster_monitoring: bool = False
    recommended: str = ""
    follows_cluster: bool = False

    def channel_for(self, version: str) -> str:
        """Channel that offers ``version``."""
        return self.channel.replace("{minor}", minor(version)) if version else self.channel

    def csv_for(self, version: str) -> str:
        """Name of the ClusterServiceVersion of ``version``; empty when it cannot be predicted."""
        return self.csv.replace("{version}", version.removeprefix("v")) if version else ""


@dataclass(frozen=True, slots=True)
class HelmChart:
    """How Helm installs an operator.

    Attributes:
        chart: chart name; for OCI repositories the last path element.
        repository: repository address as Argo CD expects it (OCI repositories without scheme).
        namespace: namespace the release runs in.
        version: chart version; ``{version}`` stands for the operator's version.
        oci: whether the repository is an OCI registry.
        recommended: chart version when charts are numbered apart from the operator; empty when it follows ``version``.
    """

    chart: str
    repository: str
    namespace: str
    version: str
    oci: bool = False
    recommended: str = ""

    def version_for(self, version: str) -> str:
        """Chart version that installs ``version`` of the operator."""
        return self.version.replace("{version}", version.removeprefix("v"))


@dataclass(frozen=True, slots=True)
class BadVersion:
    """A range of versions known to be broken.

    Attributes:
        first: lowest broken version.
        last: highest broken version; empty when every later one is.
        when: condition under which it matters: ``always``, ``rdma``, ``openshift``, ``mixed-mig`` or ``grace-mig``.
        reason: what goes wrong.
        fixed: lowest version without the fault; empty when unknown.
        source: where this is stated.
    """

    first: str
    last: str
    when: str
    reason: str
    fixed: str
    source: str

    def covers(self, version: str) -> bool:
        """Whether ``version`` lies in the range, both ends included."""
        number = VersionNumber(version)
        return VersionNumber(self.first) <= number and (not self.last or number <= VersionNumber(self.last))


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator or driver with its versions.

    Attributes:
        id: catalog name, for example ``gpu-operator``.
        title: name for people.
        recommended: version used when the spec pins none.
        known_good: versions seen to work together with the other recommended ones.
        bad: versions known to be broken.
        floor: lowest version without a known vulnerability; empty when there is none.
        floor_reason: vulnerability that sets the floor.
        olm: OLM package, or None.
        helm: Helm chart, or None.
        components: versions of the parts it ships, for example ``driver`` or ``container-toolkit``.
        images: image references by role.
        source: where the facts come from.
        certainty: how well they are known.
        note: what to confirm, empty when nothing.
        releases: versions of the parts per other version of the operator, as far as known; the newest first.
        openshift: OpenShift versions a version is published for, such as ``4.18-4.22``, as far as known.
        minimum: lowest version per GPU architecture or catalog GPU (driver only).
        maximum: last release branch per GPU architecture (driver only).
    """

    id: str
    title: str
    recommended: str
    known_good: tuple[str, ...]
    bad: tuple[BadVersion, ...]
    floor: str
    floor_reason: str
    olm: OlmPackage | None
    helm: HelmChart | None
    components: Mapping[str, str]
    images: Mapping[str, str]
    source: str
    certainty: Certainty = Certainty.HIGH
    note: str = ""
    releases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    openshift: Mapping[str, str] = field(default_factory=dict)
    minimum: Mapping[str, str] = field(default_factory=dict)
    maximum: Mapping[str, str] = field(default_factory=dict)

    def version_on(self, *, olm: bool, cluster_version: str) -> str:
        """Return the version to install when the spec pins none.

        Args:
            olm: whether the Operator Lifecycle Manager installs it.
            cluster_version: version of the distribution, used where the operator is released with OpenShift.
        """
        if olm and self.olm is not None:
            return cluster_version if self.olm.follows_cluster else self.olm.recommended or self.recommended
        return self.recommended

    def parts(self, version: str) -> Mapping[str, str]:
        """Versions of the parts shipped with ``version``; empty where they are not known."""
        wanted = VersionNumber(version)
        if self.recommended and wanted == VersionNumber(self.recommended):
            return self.components
        return next((parts for release, parts in self.releases.items() if VersionNumber(release) == wanted), {})

    def runs_on_openshift(self, version: str, openshift: str) -> bool | None:
        """Whether ``version`` is published for an OpenShift version; None where that is not known."""
        wanted = VersionNumber(version)
        for release, span in self.openshift.items():
            if VersionNumber(release) == wanted:
                first, _, last = span.partition("-")
                return VersionNumber(first) <= VersionNumber(minor(openshift)) <= VersionNumber(last)
        return None

    def faults(self, version: str) -> tuple[BadVersion, ...]:
        """Known faults of ``version``, in the order of the catalog."""
        return tuple(bad for bad in self.bad if bad.covers(version))


@dataclass(frozen=True, slots=True)
class Cve:
    """A vulnerability that lets a container reach its node or another tenant.

    Attributes:
        id: CVE number.
        component: part that has it, as named in the components of an operator.
        summary: what an attacker gains.
        fixed: lowest version of the component without it; empty when none is known.
        operator_fixed: lowest GPU Operator that ships a fixed component; empty when none is known.
        unless: condition under which it does not matter, in words; empty when it always does.
        severity: ``critical``, ``high`` or ``medium``.
        source: where this is stated.
        certainty: how well it is known.
        note: what to confirm, empty when nothing.
    """

    id: str
    component: str
    summary: str
    fixed: str
    operator_fixed: str
    unless: str
    severity: str
    source: str
    certainty: Certainty
    note: str = ""

    def affects(self, version: str) -> bool | None:
        """Whether a version of the component has it; None when the fixed version is not known."""
        return VersionNumber(version) < VersionNumber(self.fixed) if self.fixed else None

    def affects_operator(self, version: str) -> bool | None:
        """Whether a GPU Operator version ships it; None when the fixed version is not known."""
        return VersionNumber(version) < VersionNumber(self.operator_fixed) if self.operator_fixed else None
