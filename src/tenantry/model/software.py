"""Operators, their packages and versions, as the catalog describes them; and version comparison."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering


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


@dataclass(frozen=True, slots=True)
class OlmPackage:
    """How the Operator Lifecycle Manager installs an operator.

    Attributes:
        package: package name in the catalog source.
        channel: default channel; ``{minor}`` stands for the first two numbers of the version.
        source: CatalogSource, for example ``redhat-operators``.
        namespace: namespace the operator runs in.
        install_mode: ``OwnNamespace`` or ``AllNamespaces``.
        csv: name of the ClusterServiceVersion; ``{version}`` stands for the version.
        cluster_monitoring: whether the namespace is scraped by the platform's Prometheus.
    """

    package: str
    channel: str
    source: str
    namespace: str
    install_mode: str
    csv: str
    cluster_monitoring: bool = False


@dataclass(frozen=True, slots=True)
class HelmChart:
    """How Helm installs an operator.

    Attributes:
        chart: chart name; for OCI repositories the last path element.
        repository: repository address as Argo CD expects it (OCI repositories without scheme).
        namespace: namespace the release runs in.
        version: chart version; ``{version}`` stands for the operator's version.
        oci: whether the repository is an OCI registry.
    """

    chart: str
    repository: str
    namespace: str
    version: str
    oci: bool = False


@dataclass(frozen=True, slots=True)
class BadVersion:
    """A range of versions known to be broken.

    Attributes:
        first: lowest broken version.
        last: highest broken version.
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
        return VersionNumber(self.first) <= VersionNumber(version) <= VersionNumber(self.last)


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
    components: dict[str, str]
    images: dict[str, str]
    source: str
