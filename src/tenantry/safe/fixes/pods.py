"""Proposals about what pods a tenant may run: Pod Security, and guards that refuse what a channel needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tenantry.model.change import Change, Op
from tenantry.model.manifest import ManifestKey
from tenantry.safe.fixes.guards import ANNOTATIONS, CONTAINERS, LABELS, guard, literal, quoted
from tenantry.safe.fixes.objects import details_of, given, steps_of
from tenantry.safe.pod_security import ENFORCE
from tenantry.safe.queueing import KAI_SCHEDULER
from tenantry.safe.reading import at, items, labels_of, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body
    from tenantry.safe.fixes.steps import Proposal
    from tenantry.safe.view import View

_VOLUMES: Final = "object.spec.?volumes.orValue([])"
_NETWORKS: Final = "k8s.v1.cni.cncf.io/networks"

REFUSED: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "N2": (("!object.spec.?hostNetwork.orValue(false)", "pods on the host network are refused"),),
    "N7": (
        (f"{ANNOTATIONS}.all(k, k != 'k8s.ovn.org/open-default-ports')", "ports of the default network stay closed"),
    ),
    "X2": (
        (
            f"{ANNOTATIONS}.all(k, !k.startsWith('v1.multus-cni.io/'))",
            "the default network of a pod cannot be replaced",
        ),
        (
            f"{ANNOTATIONS}.all(k, !k.startsWith('v1.multus-cni.io/')) && {ANNOTATIONS}.all(k, k != '{_NETWORKS}' || "
            f"!object.metadata.annotations[k].matches('[/\"]'))",
            "pods name networks of their own namespace only",
        ),
    ),
    "X4": (
        (
            f"{CONTAINERS}.all(c, c.?securityContext.?capabilities.?add.orValue([]).all(a, "
            "!(a in ['NET_ADMIN', 'NET_RAW', 'ALL'])))",
            "NET_ADMIN and NET_RAW are refused",
        ),
    ),
    "X12": (
        (
            f"{CONTAINERS}.all(c, c.?env.orValue([]).all(e, e.name != 'NVIDIA_IMEX_CHANNELS') && "
            "c.?volumeMounts.orValue([]).all(m, !m.mountPath.contains('imex')))",
            "IMEX channels are given by claims only",
        ),
    ),
    "G1": (("object.spec.?runtimeClassName.orValue('') == ''", "runtime classes are refused"),),
    "G2": ((f"{ANNOTATIONS}.all(k, !k.startsWith('nvidia.cdi.k8s.io/'))", "GPUs are asked for by limits only"),),
    "G3": ((f"{_VOLUMES}.all(v, !has(v.hostPath))", "folders of the host are refused"),),
    "G7": (
        (
            f"{ANNOTATIONS}.all(k, !(k in ['gpu-fraction', 'gpu-memory', 'gpu-fraction-num-devices']))",
            "fractions of GPUs are refused",
        ),
        (
            f"{ANNOTATIONS}.all(k, !(k in ['gpu-fraction', 'gpu-memory'])) && {LABELS}.all(k, !k.startsWith('runai/'))",
            "fractions of GPUs are refused",
        ),
    ),
    "P2": ((f"{_VOLUMES}.all(v, !has(v.nfs) && !has(v.csi))", "shares are mounted by claims only"),),
    "P4": ((f"{CONTAINERS}.all(c, c.?imagePullPolicy.orValue('') == 'Always')", "imagePullPolicy has to be Always"),),
    "Q5": (("object.spec.?nodeName.orValue('') == ''", "pods do not name their node"),),
    "R1": (("object.spec.?terminationGracePeriodSeconds.orValue(30) <= 3600", "pods end within an hour"),),
}
"""What a guard of pods refuses, per channel: CEL that is true for what is let in, and what who is refused reads."""

LEVELS: Final[dict[str, tuple[str, ...]]] = {
    "H1": ("baseline", "restricted"),
    "N2": ("baseline",),
    "G3": ("baseline",),
    "G1": ("restricted",),
    "X4": ("restricted",),
    "X12": ("restricted",),
    "P2": ("restricted",),
}
"""Pod Security profiles that refuse it, the weakest first."""


def of_pods(view: View, claim: Claim) -> Iterator[Proposal]:
    """Yield Pod Security profiles and guards for the namespaces of the tenant that acts."""
    namespaces = view.tenancy.by_name[claim.source].namespaces
    for level in LEVELS.get(claim.channel, ()):
        yield _enforced(view, namespaces, level)
    for number, (expression, message) in enumerate(REFUSED.get(claim.channel, ()), 1):
        yield guard(_name(claim, number), namespaces, expression, message)
    if claim.channel == "H1":
        yield from _taken_out(view, claim)
    if claim.channel == "Q2":
        yield from _class(claim, namespaces)
    elif claim.channel == "Q8":
        yield from _tolerations(view, claim, namespaces)
    elif claim.channel == "Q5":
        yield from _scheduler(claim, namespaces)
    elif claim.channel == "Q3":
        yield from _queue_labels(view, claim, namespaces)


def _name(claim: Claim, number: int, word: str = "pods") -> str:
    more = f"-{number}" if number > 1 else ""
    return f"tenantry-{claim.channel.lower()}-{word}-{claim.source}{more}"


def _enforced(view: View, namespaces: tuple[str, ...], level: str) -> Proposal:
    pointer = ("metadata", "labels", ENFORCE)
    changes = []
    for name in namespaces:
        key = ManifestKey("v1", "Namespace", "", name)
        if view.given.get("", "Namespace", name) is not None:
            changes.append(Change(Op.SET, key, pointer, level))
        else:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {ENFORCE: level}}}
            changes.append(Change(Op.CREATE, key, (), body))
    return tuple(changes)


def _detail(claim: Claim, *names: str) -> Any:
    details = details_of(claim)
    return next((details[name] for name in names if name in details), None)


_HOST: Final = ("hostPID", "hostIPC", "hostNetwork")


def _taken_out(view: View, claim: Claim) -> Iterator[Proposal]:
    """Take out of a deployed pod what Pod Security baseline refuses."""
    for step in steps_of(claim):
        manifest = given(view, step)
        spec = mapping(at(manifest.body, *step.pointer)) if manifest is not None else {}
        if manifest is None or "containers" not in spec:
            continue
        gone: list[tuple[str | int, ...]] = [(name,) for name in _HOST if spec.get(name)]
        for part in ("containers", "initContainers"):
            for index, container in enumerate(items(spec, part)):
                context = mapping(at(container, "securityContext"))
                wrong = [name for name in ("privileged", "capabilities", "procMount") if context.get(name)]
                gone += [(part, index, "securityContext", name) for name in wrong]
        host = [index for index, volume in enumerate(items(spec, "volumes")) if "hostPath" in mapping(volume)]
        changes = [Change(Op.REMOVE, manifest.key, (*step.pointer, *path)) for path in gone]
        # A volume stays under its name, so that what mounts it still does.
        for index in host:
            place = (*step.pointer, "volumes", index)
            changes += [
                Change(Op.REMOVE, manifest.key, (*place, "hostPath")),
                Change(Op.SET, manifest.key, (*place, "emptyDir"), {}),
            ]
        if changes:
            yield tuple(changes)


def _class(claim: Claim, namespaces: tuple[str, ...]) -> Iterator[Proposal]:
    """Yield guards of priority classes: without the built-in ones, then without any."""
    if text(_detail(claim, "manifest"), "spec", "priorityClassName"):
        named = "object.spec.?priorityClassName.orValue('')"
        yield guard(
            _name(claim, 1), namespaces, f"!{named}.startsWith('system-')", "priority classes of the system are refused"
        )
        yield guard(_name(claim, 2), namespaces, f"{named} == ''", "priority classes are refused")


def _scheduler(claim: Claim, namespaces: tuple[str, ...]) -> Iterator[Proposal]:
    """Yield a guard that lets pods with devices of the witness through only with the scheduler of the queues."""
    devices = sorted(
        {
            str(name)
            for container in items(_detail(claim, "manifest"), "spec", "containers")
            for name in mapping(at(container, "resources", "limits"))
            if "/" in str(name)
        }
    )
    if devices:
        without = " && ".join(f"!({quoted(name)} in c.?resources.?limits.orValue({{}}))" for name in devices)
        scheduled = f"object.spec.?schedulerName.orValue('') == {quoted(KAI_SCHEDULER)}"
        expression = f"{scheduled} || {CONTAINERS}.all(c, {without})"
        message = "pods with GPUs go through the scheduler of the queues"
        yield guard(_name(claim, 1, "scheduler"), namespaces, expression, message)


def _tolerations(view: View, claim: Claim, namespaces: tuple[str, ...]) -> Iterator[Proposal]:
    """Yield a guard that lets in the tolerations pods of the tenant have today, and no pod that names its node."""
    used = {
        (text(item, "key"), text(item, "operator") or "Equal", text(item, "value"))
        for template in view.tenant_pods(claim.source)
        for item in items(template.body, "spec", "tolerations")
        if text(item, "key")
    }
    others = {text(item, "key") for node in view.snapshot.of("", "Node") for item in items(node.body, "spec", "taints")}
    fine = [
        f"(t.?key.orValue('') == {quoted(key)} && t.?operator.orValue('Equal') == {quoted(how)} && "
        f"t.?value.orValue('') == {quoted(value)})"
        for key, how, value in sorted(used)
        if how == "Equal" or key not in others
    ]
    listed = "object.spec.?tolerations.orValue([])"
    same = f"{listed}.all(t, {' || '.join(fine)})" if fine else f"{listed}.size() == 0"
    unnamed = "object.spec.?nodeName.orValue('') == ''"
    yield guard(_name(claim, 1), namespaces, unnamed, "pods do not name their node")
    yield guard(_name(claim, 2), namespaces, same, "tolerations are refused but for those in use")
    both = f"{unnamed} && {same}"
    yield guard(_name(claim, 3), namespaces, both, "node names and tolerations are refused but for those in use")


def _queue_labels(view: View, claim: Claim, namespaces: tuple[str, ...]) -> Iterator[Proposal]:
    """Yield guards that pin the queue label to the queues pods of the tenant name today."""
    body: Body = _detail(claim, "manifest", "pod") or {}
    for label in sorted(labels_of(body)):
        if not label.endswith("/queue") and "queue" not in label:
            continue
        used = {labels_of(item.body).get(label, "") for item in view.tenant_pods(claim.source)}
        for name in namespaces:
            home = view.given.get("", "Namespace", name)
            notes = mapping(at(home.body if home else None, "metadata", "annotations"))
            used |= {str(value) for key, value in notes.items() if "queue" in str(key)}
        allowed = literal(used | {""})
        expression = f"object.metadata.?labels[?{quoted(label)}].orValue('') in {allowed}"
        message = f"label {label} names queues of the tenant only"
        pods = guard(_name(claim, 1), namespaces, expression, message)
        owners = guard(
            _name(claim, 1, "owners"),
            namespaces,
            expression,
            message,
            group="*",
            resources=("*",),
        )
        yield pods
        yield (*pods, *owners)
        yield owners
