"""What a witness itself proposes: to take away or to turn the value a step of it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tenantry.model.change import Change, Op
from tenantry.safe.reading import at, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.claim import Claim, Step
    from tenantry.model.manifest import Manifest
    from tenantry.safe.view import View

Proposal = tuple[Change, ...]
"""Changes that are tried together."""

_BINDINGS: Final = frozenset({"RoleBinding", "ClusterRoleBinding"})
_USUAL: Final = frozenset({"admin", "edit", "view"})
"""Roles a tenant needs to work at home; taking them away closes every hole and is no fix."""

_GRANTS: Final = frozenset(
    {
        *("ReferenceGrant", "VolumeSnapshotContent", "ClusterNetworkConnect", "Endpoints", "EndpointSlice"),
        *("EgressIP", "FlowSchema", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
    }
)
"""Kinds that do nothing but let somebody in, so that an object of them can be deleted as a whole."""

_TURNED: Final[dict[Any, Any]] = {"on": "off", "off": "on", "Any": "Never", "LowerPriority": "Never"}
_TAKEN: Final = frozenset(
    {
        *("externalIPs", "hostNetwork", "hostPID", "hostIPC", "privileged", "sourceNamespaces", "tolerations"),
        *("adminAccess", "enabled", "namespaceSelector", "subdomain", "aggregationRule", "dataSourceRef"),
    }
)
"""Fields an object can do without."""


def from_steps(view: View, claim: Claim) -> Iterator[Proposal]:
    """Yield what can be taken away or turned on the path of a witness, from its end to its start; subjects first."""
    steps = claim.witness.steps if claim.witness else ()
    seen: set[tuple[object, ...]] = set()
    backwards = [step for step in reversed(steps) if step.by is not None]
    bound = [step for step in backwards if step.by is not None and step.by.kind in _BINDINGS]
    for step in (*bound, *(item for item in backwards if item not in bound)):
        if step.by is None:
            continue
        key = step.by
        manifest = view.given.get(key.group, key.kind, key.name, key.namespace)
        if manifest is None or (key, step.pointer) in seen:
            continue
        seen.add((key, step.pointer))
        yield from _of_step(view, claim, step, manifest)


def _of_step(view: View, claim: Claim, step: Step, manifest: Manifest) -> Iterator[Proposal]:
    key, pointer = manifest.key, step.pointer
    if key.kind in _BINDINGS:
        at_home = key.namespace in view.tenancy.by_name[claim.source].namespaces
        usual = text(manifest.body, "roleRef", "name") in _USUAL
        if len(pointer) > 1 and pointer[0] == "subjects" and not (at_home and usual):
            yield (Change(Op.REMOVE, key, pointer),)
        return
    if not pointer:
        if key.kind in _GRANTS:
            yield (Change(Op.DELETE, key),)
        return
    if pointer == ("spec",):
        # Steps about a pod point at its spec; what they say is often a label beside it.
        for label in _labels_on(("metadata", "labels"), at(manifest.body, "metadata", "labels"), step):
            yield (Change(Op.REMOVE, key, label),)
    value = at(manifest.body, *pointer)
    if isinstance(value, bool):
        yield (Change(Op.SET, key, pointer, not value),)
    if isinstance(value, str) and value in _TURNED:
        yield (Change(Op.SET, key, pointer, _TURNED[value]),)
    for label in _labels_on(pointer, value, step):
        yield (Change(Op.REMOVE, key, label),)
    if value is not None and (isinstance(pointer[-1], int) or pointer[-1] in _TAKEN):
        yield (Change(Op.REMOVE, key, pointer),)
    if key.kind in _GRANTS:
        yield (Change(Op.DELETE, key),)


def _labels_on(pointer: tuple[str | int, ...], value: Any, step: Step) -> Iterator[tuple[str | int, ...]]:
    """Yield labels and annotations a step is about: the one it points at, or those of the words it says."""
    if len(pointer) == 3 and pointer[0] == "metadata" and pointer[1] in {"labels", "annotations"}:
        yield pointer
    elif pointer[-1] in {"labels", "annotations"}:
        for name, said in sorted(mapping(value).items()):
            if name in step.edge or (said and str(said) in step.edge.split()):
                yield (*pointer, name)
