"""Readers of the software files: operators, drivers and Kubernetes versions."""

from __future__ import annotations

import re
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from tenantry.catalog.files import Table, read
from tenantry.model.hardware import Certainty
from tenantry.model.software import BadVersion, HelmChart, OlmPackage, Operator

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def operators() -> Mapping[str, Operator]:
    """Operators and drivers by id, in the order of their ids."""
    data = read("operators.toml")["operator"]
    return MappingProxyType({name: _operator(name, data[name]) for name in sorted(data)})


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
        minimum=MappingProxyType(entry.get("minimum", {})),
        maximum=MappingProxyType(entry.get("maximum", {})),
    )
