"""Proposals about schedulers: queues, priorities, and whose nodes they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tenantry.model.change import Change, Op
from tenantry.model.tenancy import Strength
from tenantry.safe.fixes.objects import details_of, names, on_path, put, steps_of
from tenantry.safe.kueue_manager import kueue_manager
from tenantry.safe.queueing import KAI_SCHEDULER
from tenantry.safe.reading import amount, at, from_json, items, labels_of, mapping, number, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body
    from tenantry.safe.fixes.objects import Rules
    from tenantry.safe.fixes.steps import Proposal
    from tenantry.safe.view import View


def _classes(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in on_path(view, claim, "PriorityClass"):
        yield (put(manifest, "Never", "preemptionPolicy"),)


def _entry(view: View, claim: Claim) -> Iterator[Proposal]:
    """Let a ClusterQueue take work of one tenant only: of the one in its name, else of the one that suffers."""
    for manifest in on_path(view, claim, "ClusterQueue"):
        pair = [name for name in (claim.target, claim.source) if name]
        owner = next((name for name in pair if name in manifest.key.name), pair[0])
        selector = names(view.tenancy.by_name[owner].namespaces)
        yield (put(manifest, selector, "spec", "namespaceSelector"),)


def _preemption(view: View, claim: Claim) -> Iterator[Proposal]:
    for manifest in on_path(view, claim, "ClusterQueue"):
        if at(manifest.body, "spec", "preemption", "borrowWithinCohort") is not None:
            yield (put(manifest, "Never", "spec", "preemption", "borrowWithinCohort", "policy"),)
        yield (put(manifest, "Never", "spec", "preemption", "withinClusterQueue"),)
    yield from _entry(view, claim)
    yield from _promised(view, claim)
    for manifest in on_path(view, claim, "Queue"):
        for kind in ("cpu", "memory"):
            if number(at(manifest.body, "spec", "resources", kind, "quota")) != -1:
                yield (put(manifest, -1, "spec", "resources", kind, "quota"),)


def _managed(view: View, claim: Claim) -> Iterator[Proposal]:
    """Have Kueue hold back work without a queue name, pods too; or give a pod the scheduler of the queues."""
    manager = kueue_manager(view)
    if manager is not None:
        manifest = manager.manifest
        written = at(manifest.body, *manager.pointer)
        if isinstance(written, str):
            yield (put(manifest, _holding(written), *manager.pointer),)
        elif isinstance(written, dict):
            frameworks = texts(written, "integrations", "frameworks")
            yield (
                put(manifest, "None", *manager.pointer, "workloadManagement", "labelPolicy"),
                put(manifest, _with_pods(frameworks, "Pod"), *manager.pointer, "integrations", "frameworks"),
            )
    steps = steps_of(claim)
    if view.strength is Strength.DEPLOYED and len(steps) == 1 and steps[0].by is not None:
        yield (Change(Op.SET, steps[0].by, (*steps[0].pointer, "schedulerName"), KAI_SCHEDULER),)


def _promised(view: View, claim: Claim) -> Iterator[Proposal]:
    """Promise no more than there is: shares in proportion; or guarantee a department what its tenants are."""
    details = details_of(claim)
    note = "the share is to be chosen"
    if "below" in details:
        for manifest in on_path(view, claim, "Queue")[:1]:
            yield (put(manifest, details["below"], "spec", "resources", "gpu", "quota", note=note),)
    if "capacity" not in details or not details["promised"]:
        return
    changes = []
    for manifest in on_path(view, claim, "ClusterQueue"):
        for pointer, nominal in _nominal(manifest.body, details["flavor"], details["resource"]):
            value = int(nominal * details["capacity"] / details["promised"])
            changes.append(put(manifest, value, *pointer, note=note))
    if changes:
        yield tuple(changes)


def _nominal(body: Body, flavor: str, resource: str) -> Iterator[tuple[tuple[str | int, ...], float]]:
    """Yield where a ClusterQueue promises a resource of a flavor, and how much."""
    for group, entry in enumerate(items(body, "spec", "resourceGroups")):
        for number_of, offered in enumerate(items(entry, "flavors")):
            if text(offered, "name") != flavor:
                continue
            for index, item in enumerate(items(offered, "resources")):
                nominal = amount(at(item, "nominalQuota"))
                if text(item, "name") == resource and nominal is not None:
                    path = ("spec", "resourceGroups", group, "flavors", number_of, "resources", index, "nominalQuota")
                    yield path, float(nominal.value)


def _with_pods(frameworks: list[str], pod: str) -> list[str]:
    return frameworks if pod in frameworks else [*frameworks, pod]


def _holding(written: str) -> str:
    """Return a configuration of Kueue that holds jobs and pods without a queue name."""
    config = from_json(written)
    if isinstance(config, dict):
        frameworks = _with_pods(texts(config, "integrations", "frameworks") or ["batch/job"], "pod")
        integrations = {**mapping(config.get("integrations")), "frameworks": frameworks}
        return json.dumps({**config, "manageJobsWithoutQueueName": True, "integrations": integrations})
    lines = [line for line in written.splitlines() if not line.strip().startswith("manageJobsWithoutQueueName")]
    listed = next((index for index, line in enumerate(lines) if line.strip() == "frameworks:"), None)
    if listed is None:
        lines += ["integrations:", "  frameworks:", "  - batch/job", "  - pod"]
    elif not any(line.strip().strip("- \"'") == "pod" for line in lines[listed:]):
        following = lines[listed + 1] if listed + 1 < len(lines) else ""
        indent = following[: len(following) - len(following.lstrip())] if "-" in following else "  "
        lines.insert(listed + 1, f"{indent}- pod")
    return "\n".join([*lines, "manageJobsWithoutQueueName: true", ""])


def _tainted(view: View, claim: Claim) -> Iterator[Proposal]:
    """Taint the nodes labelled for the tenant that suffers, by that label."""
    for node in on_path(view, claim, "Node"):
        for label, value in sorted(labels_of(node.body).items()):
            if value == claim.target and value:
                alike = [item for item in view.given.of("", "Node") if labels_of(item.body).get(label) == value]
                taint = {"key": label, "value": value, "effect": "NoSchedule"}
                yield tuple(Change(Op.ADD, item.key, ("spec", "taints"), taint) for item in alike)


def _own_quota(view: View, claim: Claim) -> Iterator[Proposal]:
    """Have a quota over several namespaces bound those of the tenant that acts only."""
    selector = names(view.tenancy.by_name[claim.source].namespaces)
    for manifest in on_path(view, claim, "ClusterResourceQuota"):
        yield (put(manifest, {"labels": selector}, "spec", "selector"),)


RULES: Final[Rules] = {
    "Q1": _own_quota,
    "Q2": _classes,
    "Q3": _entry,
    "Q4": _preemption,
    "Q5": _managed,
    "Q8": _tainted,
}
"""What is proposed, per channel."""
