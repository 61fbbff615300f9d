"""Versions of NVIDIA software against the catalog of vulnerabilities.

A version that floats or is not written is unknown, never safe; a vulnerability without a published fixed version is
unknown for every version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.catalog.software import cves, cves_known_as_of, operators
from tenantry.model.claim import Missing, Step, Witness
from tenantry.model.software import VersionNumber
from tenantry.safe.gpu.stack import OPERATOR
from tenantry.safe.reading import at
from tenantry.safe.ruling import Outcome, worst

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.software import Cve
    from tenantry.safe.gpu.ground import Ground
    from tenantry.safe.gpu.stack import Release

TOOLKIT = "container-toolkit"
REVIEWED = "gpu.vulnerabilities-reviewed"
_SEVERITY = {"critical": 0, "high": 1, "medium": 2}


def version_outcome(ground: Ground) -> Outcome:
    """Return whether a known vulnerability of the installed versions lets a container reach its node."""
    releases = ground.stack.releases
    if not releases:
        how = "add the ClusterPolicy, Subscription or Application that installs the GPU Operator, with a version"
        return Outcome.open(Missing("version of the GPU Operator and its container toolkit", how))
    found = [outcome for release in releases for outcome in _of_release(ground, release, releases)]
    return worst(found) if found else Outcome.safe(f"no vulnerability is known of its versions ({cves_known_as_of()})")


def _of_release(ground: Ground, release: Release, releases: tuple[Release, ...]) -> Iterator[Outcome]:
    pinned_toolkit = any(item.component == TOOLKIT and item.exact for item in releases)
    if not release.version:
        if release.component == OPERATOR and pinned_toolkit:
            return
        yield Outcome.open(Missing(f"version of {release.component}", _pin(release)))
        return
    for cve in sorted(cves(), key=lambda item: _SEVERITY.get(item.severity, len(_SEVERITY))):
        affected = _affects(cve, release, pinned_toolkit=pinned_toolkit)
        if affected is False or (affected and _does_not_matter(cve, ground)):
            continue
        if affected is None:
            yield from _unpublished(ground, cve, release)
        elif release.exact:
            yield Outcome.broken(_witness(cve, release), _upgrade(cve, release))
        else:
            yield Outcome.open(Missing(f"patch version of {release.component} {release.version}", _pin(release)))
    yield from _device_leak(ground, release)


def _affects(cve: Cve, release: Release, *, pinned_toolkit: bool) -> bool | None:
    if release.component == cve.component:
        return cve.affects(release.version)
    if release.component != OPERATOR:
        return False
    if pinned_toolkit:
        # What the operator would install is replaced by the version the ClusterPolicy names.
        return False
    parts = operators()[OPERATOR].parts(release.version)
    part = parts.get(cve.component) if release.exact else None
    return cve.affects(part) if part else cve.affects_operator(release.version)


def _does_not_matter(cve: Cve, ground: Ground) -> bool:
    return "CDI" in cve.unless and ground.stack.cdi() is True


def _unpublished(ground: Ground, cve: Cve, release: Release) -> Iterator[Outcome]:
    if ground.view.signed(REVIEWED) is True:
        return
    missing = ground.view.missing(REVIEWED)
    how = missing.how or "review it"
    where = f"{cve.id} ({cve.summary}) has no published fixed version; {release.component} {release.version}"
    yield Outcome.open(Missing(REVIEWED, f"{where}: {how}"))


def _device_leak(ground: Ground, release: Release) -> Iterator[Outcome]:
    """Yield the fault of operators that hand every RDMA device of a node to every container with a GPU."""
    if release.component != OPERATOR or not release.exact:
        return
    rdma = [
        item
        for item in ground.snapshot.of("sriovnetwork.openshift.io", "SriovNetworkNodePolicy")
        if at(item.body, "spec", "isRdma") is True
    ]
    if not rdma:
        return
    for fault in operators()[OPERATOR].faults(release.version):
        if fault.when == "rdma":
            steps = (_written(release), Step("RDMA devices", rdma[0].key, ("spec", "isRdma")))
            detail = (("version", release.version), ("fixed", fault.fixed or ""))
            witness = Witness(steps, f"{release.component} {release.version}: {fault.reason}", detail)
            yield Outcome.broken(witness, f"install {fault.fixed or 'another version'}")


def _witness(cve: Cve, release: Release) -> Witness:
    detail = (
        ("cve", cve.id),
        ("component", release.component),
        ("version", release.version),
        ("fixed", _fixed_in(cve, release)),
    )
    summary = f"{cve.id} in {release.component} {release.version}: {cve.summary}"
    return Witness((_written(release),), summary, detail)


def _written(release: Release) -> Step:
    step = release.step
    return Step(f"{release.component} {release.version}", step.by, step.pointer, step.missing)


def _upgrade(cve: Cve, release: Release) -> str:
    name = "GPU Operator" if release.component == OPERATOR else release.component
    return f"install {name} {_fixed_in(cve, release)} or later"


def _fixed_in(cve: Cve, release: Release) -> str:
    """Return the version in which all that is known of a component is repaired."""
    if release.component == OPERATOR:
        found = max((item.operator_fixed for item in cves() if item.operator_fixed), key=VersionNumber, default="")
        return found or cve.operator_fixed
    return max((item.fixed for item in cves() if item.component == TOOLKIT and item.fixed), key=VersionNumber)


def _pin(release: Release) -> str:
    return f"write an exact version at {release.step.by or 'the object that installs it'} ({_pointer(release)})"


def _pointer(release: Release) -> str:
    return "/".join(str(part) for part in release.step.pointer)
