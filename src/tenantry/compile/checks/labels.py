"""Labels that users write: of the form Kubernetes requires, and not those that the tree or an operator sets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tenantry.compile.problems import at
from tenantry.model.cluster import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.model.cluster import Cluster
    from tenantry.model.problem import DocPath, SpecProblem
    from tenantry.model.spec import Document

# Source: Kubernetes, apimachinery/pkg/util/validation: qualified names and label values.
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

OWNED_PREFIXES = (DOMAIN, "nvidia.com", "kai.scheduler", "kubernetes.io", "feature.node.kubernetes.io")
"""Prefixes of node labels that the tree, the operators it installs or the kubelet set."""


def labels(cluster: Cluster) -> Iterable[SpecProblem]:
    """Labels of pools, selectors and pods named in exceptions are labels."""
    platform = cluster.spec.platform
    for index, pool in enumerate(platform.spec.node_pools):
        path: DocPath = ("spec", "nodePools", index)
        yield from _labels(platform, (*path, "labels"), pool.labels)
        yield from _labels(platform, (*path, "selector"), pool.selector)
        for key in pool.labels:
            if key.partition("/")[0] in OWNED_PREFIXES and "/" in key:
                yield at(
                    platform,
                    (*path, "labels", key),
                    f"labels that begin with {key.partition('/')[0]}/ are set by the tree, an operator or the kubelet",
                    expected="a label with a prefix of your own, such as example.com/rack",
                    found=key,
                    rule="SPEC-LABEL",
                )
    contract = cluster.spec.contract
    for index, item in enumerate(contract.spec.exceptions if contract else ()):
        if contract is not None:
            yield from _labels(contract, ("spec", "exceptions", index, "from", "pods"), item.source.pods)
            yield from _labels(contract, ("spec", "exceptions", index, "to", "pods"), item.target.pods)


def _labels(document: Document, path: DocPath, written: Mapping[str, str]) -> Iterable[SpecProblem]:
    for key, value in written.items():
        prefix, slash, name = key.rpartition("/")
        if not _NAME.fullmatch(name) or (slash and not _PREFIX.fullmatch(prefix)):
            yield at(
                document,
                (*path, key),
                f"{key!r} is not a label key",
                expected="up to 63 letters, digits, hyphens, dots and underscores, perhaps after a domain and a slash",
                found=key,
                rule="SPEC-LABEL",
            )
        if value and not _NAME.fullmatch(value):
            yield at(
                document,
                (*path, key),
                f"{value!r} is not a label value",
                expected="up to 63 letters, digits, hyphens, dots and underscores, a letter or digit at both ends",
                found=value,
                rule="SPEC-LABEL",
            )


CHECKS = (labels,)
