"""Proposals about the GPU Operator: how GPUs are asked for, and versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenantry.model.change import Change, Op
from tenantry.safe.fixes.objects import details_of, given, put, steps_of
from tenantry.safe.reading import at, items, labels_of, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.claim import Claim
    from tenantry.safe.fixes.objects import Rules
    from tenantry.safe.fixes.steps import Proposal
    from tenantry.safe.view import View

_ACCEPT: Final = "ACCEPT_NVIDIA_VISIBLE_DEVICES_ENVVAR_WHEN_UNPRIVILEGED"


def _toolkit(view: View, claim: Claim) -> Iterator[Proposal]:
    del claim
    for manifest in view.given.of("nvidia.com", "ClusterPolicy"):
        env = items(manifest.body, "spec", "toolkit", "env")
        there = [index for index, item in enumerate(env) if text(item, "name") == _ACCEPT]
        if there:
            yield (put(manifest, "false", "spec", "toolkit", "env", there[0], "value"),)
        else:
            entry = {"name": _ACCEPT, "value": "false"}
            yield (Change(Op.ADD, manifest.key, ("spec", "toolkit", "env"), entry),)


def _injected(view: View, claim: Claim) -> Iterator[Proposal]:
    del claim
    for manifest in view.given.of("nvidia.com", "ClusterPolicy"):
        if at(manifest.body, "spec", "cdi", "nriPluginEnabled") is True:
            yield (put(manifest, False, "spec", "cdi", "nriPluginEnabled"),)


def _version(view: View, claim: Claim) -> Iterator[Proposal]:
    """Name the version that repairs it, or leave the version to the operator, whose own is not older."""
    details = details_of(claim)
    old, new = str(details.get("version") or ""), str(details.get("fixed") or "")
    for step in steps_of(claim):
        manifest = given(view, step)
        if manifest is None:
            continue
        written = at(manifest.body, *step.pointer)
        if isinstance(written, str) and old and new and old in written:
            note = "check that this build is published"
            changes = [put(manifest, written.replace(old, new), *step.pointer, note=note)]
            channel = text(manifest.body, "spec", "channel")
            short = ".".join(old.split(".")[:2])
            if channel.endswith(short):
                wanted = channel.removesuffix(short) + ".".join(new.split(".")[:2])
                changes.append(put(manifest, wanted, "spec", "channel"))
            yield tuple(changes)
        elif step.pointer[-1:] == ("version",):
            yield (Change(Op.REMOVE, manifest.key, step.pointer),)


def _admin_access(view: View, claim: Claim) -> Iterator[Proposal]:
    """Take the label away, and from the tenant the right to set it again."""
    label = "resource.kubernetes.io/admin-access"
    changes: dict[tuple[object, ...], Change] = {}
    for name in view.tenancy.by_name[claim.source].namespaces:
        home = view.given.get("", "Namespace", name)
        if home is not None and label in labels_of(home.body):
            changes[home.key,] = Change(Op.REMOVE, home.key, ("metadata", "labels", label))
        change = view.labels.change_of(claim.source, name, label)
        for step in change.right.steps if change is not None else ():
            if step.by is not None and step.pointer[:1] == ("subjects",) and "Binding" in step.by.kind:
                changes[step.by, step.pointer] = Change(Op.REMOVE, step.by, step.pointer)
    if changes:
        yield tuple(changes.values())


RULES: Final[Rules] = {
    "G1": _toolkit,
    "G2": _injected,
    "G9": _version,
    "G11": _admin_access,
}
"""What is proposed, per channel."""
