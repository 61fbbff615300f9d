"""The Operator Lifecycle Manager: operator groups, channels, approval, pins."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tenantry.lint.index import Index
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.model.finding import Severity
from tenantry.model.reading import at, mapping, text, texts

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.software import OlmPackage

OLM = "operators.coreos.com"

# Operators whose upgrade reloads a driver or drains nodes.
_DISRUPTIVE = frozenset({"gpu-operator-certified", "nvidia-network-operator", "sriov-network-operator"})

# OpenShift makes the OperatorGroup of this namespace itself.
_GLOBAL = "openshift-operators"


def subscriptions(index: Index) -> list[Manifest]:
    """Return the Subscriptions."""
    return index.of(OLM, "Subscription")


def _package(manifest: Manifest) -> str:
    return text(manifest.body, "spec", "name")


def _known(index: Index, package: str) -> OlmPackage | None:
    for operator in index.context.operators.values():
        if operator.olm is not None and operator.olm.package == package:
            return operator.olm
    return None


@rule(
    "LINT-OLM-TWO-GROUPS",
    Severity.ERROR,
    "A namespace has two OperatorGroups",
    why="The ClusterServiceVersion fails with TooManyOperatorGroups; nothing in the namespace is installed or "
    "upgraded.",
    source="operator-lifecycle-manager, doc/design/operatorgroups.md",
)
def _two_groups(index: Index) -> Iterator[Hit]:
    for group in index.together(index.of(OLM, "OperatorGroup")):
        seen: dict[str, Manifest] = {}
        for manifest in group:
            if manifest.key.namespace:
                first = seen.setdefault(manifest.key.namespace, manifest)
                if first.key.name != manifest.key.name:
                    message = f"{manifest.key.namespace} already has OperatorGroup {first.key.name}"
                    yield Hit(manifest, ("metadata", "name"), message, "Keep one.")


@rule(
    "LINT-OLM-NO-GROUP",
    Severity.WARNING,
    "A Subscription has no OperatorGroup beside it",
    why="Without one the operator is never installed: the InstallPlan waits for ever.",
    source="operator-lifecycle-manager, doc/design/operatorgroups.md",
)
def _group_missing(index: Index) -> Iterator[Hit]:
    homes: dict[int, set[str]] = defaultdict(set)
    for manifest in index.of(OLM, "OperatorGroup"):
        homes[index.scope(manifest)].add(manifest.key.namespace)
    for manifest in subscriptions(index):
        namespace, known = manifest.key.namespace, homes[index.scope(manifest)]
        # A set without any group leaves them to somebody else; a group without namespace fits everywhere.
        if namespace in {"", _GLOBAL} or namespace in known or "" in known or not (known or index.complete):
            continue
        severity = Severity.ERROR if index.complete else None
        message = f"the namespace {namespace} has no OperatorGroup"
        yield Hit(manifest, ("metadata", "namespace"), message, "Add one.", severity)


@rule(
    "LINT-OLM-INSTALL-MODE",
    Severity.ERROR,
    "An OperatorGroup asks for an install mode the operator does not have",
    why="The ClusterServiceVersion fails with UnsupportedOperatorGroup.",
    source="the operators' bundles (spec.installModes)",
)
def _install_mode(index: Index) -> Iterator[Hit]:
    for manifest in subscriptions(index):
        known = _known(index, _package(manifest))
        groups = [
            group
            for group in index.beside(manifest, OLM, "OperatorGroup")
            if group.key.namespace and group.key.namespace == manifest.key.namespace and group not in index.partial
        ]
        for group in groups if known else ():
            targets = texts(group.body, "spec", "targetNamespaces")
            selector = at(group.body, "spec", "selector")
            path = ("spec", "targetNamespaces")
            if known and known.install_mode == "OwnNamespace" and not targets and not selector:
                message = f"{_package(manifest)} cannot watch all namespaces"
                yield Hit(group, path, message, f"Write targetNamespaces: [{manifest.key.namespace}].")
            elif known and known.install_mode == "AllNamespaces" and targets:
                message = f"{_package(manifest)} has to watch all namespaces"
                yield Hit(group, path, message, "Remove targetNamespaces.")


@rule(
    "LINT-OLM-CHANNEL",
    Severity.WARNING,
    "A Subscription names no channel",
    why="The catalog's default channel is taken, and another one when the catalog changes its mind.",
    source="operator-lifecycle-manager, Subscription (spec.channel)",
)
def _channel_missing(index: Index) -> Iterator[Hit]:
    for manifest in subscriptions(index):
        if not text(manifest.body, "spec", "channel"):
            message = f"{_package(manifest)} follows the catalog's default channel"
            yield Hit(manifest, ("spec", "channel"), message, "Add channel.")


@rule(
    "LINT-OLM-AUTOMATIC",
    Severity.WARNING,
    "An operator that reloads drivers upgrades itself",
    why="A new version in the channel can roll the driver of every GPU node, or drain it, without anybody's approval.",
    source="operator-lifecycle-manager, Subscription (installPlanApproval); NVIDIA GPU Operator, upgrades",
)
def _automatic_approval(index: Index) -> Iterator[Hit]:
    for manifest in subscriptions(index):
        approval = text(manifest.body, "spec", "installPlanApproval") or "Automatic"
        if _package(manifest) in _DISRUPTIVE and approval == "Automatic":
            message = f"upgrades of {_package(manifest)} need no approval"
            fix = "Write installPlanApproval: Manual and pin startingCSV."
            yield Hit(manifest, ("spec", "installPlanApproval"), message, fix)


@rule(
    "LINT-OLM-STARTING-CSV",
    Severity.ERROR,
    "The startingCSV does not belong to the package or the channel",
    why="OLM finds no such version in the channel and installs nothing (ResolutionFailed).",
    source="operator-lifecycle-manager, Subscription (spec.startingCSV)",
)
def _starting_csv(index: Index) -> Iterator[Hit]:
    for manifest in subscriptions(index):
        csv, known = text(manifest.body, "spec", "startingCSV"), _known(index, _package(manifest))
        path = ("spec", "startingCSV")
        if not csv:
            continue
        prefix = known.csv.partition("{version}")[0] if known else ""
        if prefix and not csv.startswith(prefix):
            yield Hit(manifest, path, f"{csv} is no version of {_package(manifest)}", f"Write {prefix}<version>.")
            continue
        channel = re.fullmatch(r"v?([0-9]+\.[0-9]+)", text(manifest.body, "spec", "channel"))
        pinned = re.search(r"\.v([0-9]+\.[0-9]+)(?:\.|$)", csv)
        if channel and pinned and channel[1] != pinned[1] and known and "{minor}" in known.channel:
            message = f"{csv} is not in channel {channel[0]}"
            yield Hit(manifest, path, message, f"Write channel: v{pinned[1]}.")


@rule(
    "LINT-OLM-MANUAL",
    Severity.INFO,
    "Manual approval without a pinned version",
    why="The first InstallPlan, and the version it installs, depend on the day of the first sync.",
    source="operator-lifecycle-manager, Subscription (installPlanApproval, startingCSV)",
)
def _manual_unpinned(index: Index) -> Iterator[Hit]:
    for manifest in subscriptions(index):
        spec = mapping(manifest.body, "spec")
        if spec.get("installPlanApproval") == "Manual" and not spec.get("startingCSV"):
            message = "no startingCSV says which version is meant"
            yield Hit(manifest, ("spec", "startingCSV"), message, "Add startingCSV.")


@rule(
    "LINT-OLM-NAMESPACE",
    Severity.INFO,
    "An operator is installed outside its usual namespace",
    why="Documentation, monitoring labels and operands expect the usual one.",
    source="the operators' installation guides",
)
def _unusual_namespace(index: Index) -> Iterator[Hit]:
    for manifest in subscriptions(index):
        known = _known(index, _package(manifest))
        if known and manifest.key.namespace not in {"", known.namespace, _GLOBAL}:
            message = f"{_package(manifest)} usually runs in {known.namespace}"
            yield Hit(manifest, ("metadata", "namespace"), message, f"Write namespace: {known.namespace}.")


RULES: tuple[Rule, ...] = (
    _two_groups,
    _group_missing,
    _install_mode,
    _channel_missing,
    _automatic_approval,
    _starting_csv,
    _manual_unpinned,
    _unusual_namespace,
)
