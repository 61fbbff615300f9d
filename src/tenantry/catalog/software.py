"""Readers of the software files: operators, drivers, vulnerabilities, job images and Kubernetes versions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from tenantry.catalog.files import Table, read
from tenantry.model.hardware import Certainty
from tenantry.model.software import BadVersion, Cve, HelmChart, OlmPackage, Operator

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Image:
    """An image that jobs of the compiled tree run.

    Attributes:
        id: catalog name, for example ``kubectl``.
        reference: image reference; ``{kubernetes}`` stands for the cluster's Kubernetes version.
        shell: whether it has a shell; without one a command must name a program of the image.
        commands: programs it has.
        source: where the facts come from.
        certainty: how well they are known.
        note: what to confirm, empty when nothing.
    """

    id: str
    reference: str
    shell: bool
    commands: tuple[str, ...]
    source: str
    certainty: Certainty
    note: str = ""

    def at(self, kubernetes: str) -> str:
        """Reference for a cluster of a Kubernetes version such as ``1.33``."""
        return self.reference.replace("{kubernetes}", kubernetes)


@cache
def operators() -> Mapping[str, Operator]:
    """Operators and drivers by id, in the order of their ids."""
    data = read("operators.toml")["operator"]
    return MappingProxyType({name: _operator(name, data[name]) for name in sorted(data)})


@cache
def cves() -> tuple[Cve, ...]:
    """Known vulnerabilities of what operators ship, in the order of their numbers; see :func:`cves_known_as_of`."""
    rows = read("cves.toml")["cve"]
    return tuple(sorted((_cve(row) for row in rows), key=lambda cve: [int(part) for part in cve.id.split("-")[1:]]))


@cache
def cves_known_as_of() -> str:
    """Day up to which :func:`cves` was kept, as ``YYYY-MM-DD``: later ones are unknown, not absent."""
    return str(read("cves.toml")["known_as_of"])


@cache
def images() -> Mapping[str, Image]:
    """Images of jobs by id, in the order of their ids."""
    data = read("images.toml")["image"]
    return MappingProxyType({name: _image(name, data[name]) for name in sorted(data)})


def job_image(distribution: str, kubernetes: str) -> str:
    """Return the image of jobs that call the Kubernetes API: the cluster's own on OpenShift, upstream's elsewhere.

    The upstream image has no shell.

    Args:
        distribution: ``openshift``, ``kubernetes``, ``eks``, ``gke`` or ``aks``.
        kubernetes: Kubernetes version such as ``1.33``.
    """
    return images()["openshift-cli" if distribution == "openshift" else "kubectl"].at(kubernetes)


def kubernetes_minor(distribution: str, version: str) -> str | None:
    """Return the Kubernetes version behind a version of a distribution, such as ``1.33`` for OpenShift 4.20.

    Args:
        distribution: ``openshift``, ``kubernetes``, ``eks``, ``gke`` or ``aks``.
        version: version of the distribution; a patch number and a leading ``v`` are ignored.

    Returns:
        First two numbers of the Kubernetes version, or None when the version is not known or is not one.
    """
    match = re.fullmatch(r"v?([0-9]+\.[0-9]+)(?:[.+-].*)?", version.strip())
    if match is None:
        return None
    if distribution == "openshift":
        found: str | None = _openshift().get(match[1])
        return found
    return match[1] if match[1].startswith("1.") else None


def openshift_versions() -> tuple[str, ...]:
    """Return the OpenShift versions that are known, oldest first."""
    return tuple(_openshift())


@cache
def _openshift() -> Mapping[str, str]:
    return MappingProxyType(read("kubernetes.toml")["openshift"])


def _operator(name: str, entry: Table) -> Operator:
    return Operator(
        id=name,
        title=entry["title"],
        recommended=entry["recommended"],
        known_good=tuple(entry.get("known_good", ())),
        bad=tuple(BadVersion(**bad) for bad in entry.get("bad", ())),
        floor=entry.get("floor", ""),
        floor_reason=entry.get("floor_reason", ""),
        olm=OlmPackage(**entry["olm"]) if "olm" in entry else None,
        helm=HelmChart(**entry["helm"]) if "helm" in entry else None,
        components=MappingProxyType(entry.get("components", {})),
        images=MappingProxyType(entry.get("images", {})),
        source=entry["source"],
        certainty=Certainty(entry["certainty"]),
        note=entry.get("note", ""),
        releases=MappingProxyType({key: MappingProxyType(parts) for key, parts in entry.get("releases", {}).items()}),
        openshift=MappingProxyType(entry.get("openshift", {})),
        minimum=MappingProxyType(entry.get("minimum", {})),
        maximum=MappingProxyType(entry.get("maximum", {})),
    )


def _cve(row: Table) -> Cve:
    return Cve(
        id=row["id"],
        component=row["component"],
        summary=row["summary"],
        fixed=row["fixed"],
        operator_fixed=row["operator_fixed"],
        unless=row.get("unless", ""),
        severity=row["severity"],
        source=row["source"],
        certainty=Certainty(row["certainty"]),
        note=row.get("note", ""),
    )


def _image(name: str, entry: Table) -> Image:
    return Image(
        id=name,
        reference=entry["reference"],
        shell=entry["shell"],
        commands=tuple(entry["commands"]),
        source=entry["source"],
        certainty=Certainty(entry["certainty"]),
        note=entry.get("note", ""),
    )
