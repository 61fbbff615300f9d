"""GPUs that pods of several tenants run on, at the same time or one after the other.

Sources: NVIDIA k8s-device-plugin README (time-slicing and MPS); NVIDIA Multi-Process Service documentation; NVIDIA
Multi-Instance GPU user guide (compute instances); CUDA runtime API, ``cudaMalloc``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.claim import Missing, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.devices.access import users_reason
from tenantry.safe.devices.ruling import Outcome
from tenantry.safe.gpu.sharing import GPU, Group, Mode, Offer, unchosen
from tenantry.safe.view import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenantry.safe.devices.access import Use
    from tenantry.safe.gpu.ground import Ground

NODE_LABELS = Missing(
    "labels and taints of nodes", "add the nodes to the objects: kubectl get nodes -o yaml, or name the hosts of pools"
)


@dataclass(frozen=True)
class Shared:
    """A resource several pods get the same GPU through, and who can get it.

    Attributes:
        group: the nodes.
        offer: the resource.
        users: whether each tenant can get it.
    """

    group: Group
    offer: Offer
    users: Mapping[str, Use]


def shared_offers(ground: Ground, wanted: Callable[[Offer], bool]) -> list[Shared]:
    """Return what groups of nodes offer and a rule is about, with the tenants that can get it."""
    return [
        Shared(group, offer, ground.access.users(offer.resource, group.taints))
        for group in groups_with_default(ground)
        for offer in group.offers
        if wanted(offer)
    ]


def groups_with_default(ground: Ground) -> tuple[Group, ...]:
    """Return the nodes; where none is known, one group of nodes that choose nothing themselves."""
    if ground.groups or not ground.stack.known or ground.view.snapshot.live:
        return ground.groups
    key = ground.stack.spec.get("devicePlugin", {})
    default = key.get("config", {}).get("default") if isinstance(key, dict) else None
    offers = tuple(
        Offer(item.resource, item.mode, item.resource.startswith("nvidia.com/mig-"), step)
        for item, step in unchosen(ground.view, ground.stack)
        if default and step.pointer[-1:] == (default,)
    )
    return (Group((), (), offers, {}),) if offers else ()


def reach_pairs(source: str, found: list[Shared], broken: Callable[[str, Shared], Outcome]) -> dict[str, Outcome]:
    """Return an outcome for every target that can get the same shared resource as the source."""
    outcomes: dict[str, Outcome] = {}
    for shared in found:
        mine = shared.users[source]
        if not mine.possible:
            continue
        for target, use in shared.users.items():
            if target == source or not use.possible:
                continue
            known = outcomes.get(target)
            if known is not None and known.witness is not None:
                continue
            if mine.answer is Answer.ADMITTED and use.answer is Answer.ADMITTED:
                outcomes[target] = broken(target, shared)
            else:
                missing = (*mine.missing, *use.missing)
                outcomes[target] = Outcome.open(*(known.missing if known else ()), *missing)
    return outcomes


def shared_witness(source: str, target: str, shared: Shared, happens: str) -> Witness:
    """Return the witness that pods of two tenants get the same GPU."""
    mine, theirs = shared.users[source], shared.users[target]
    name = shared.offer.resource
    steps = (
        shared.offer.step,
        *(Step(f"{source}: {item.edge}", item.by, item.pointer, item.missing) for item in mine.steps),
        *(Step(f"{target}: {item.edge}", item.by, item.pointer, item.missing) for item in theirs.steps),
    )
    where = shared.group.title
    assumes = () if shared.group.nodes else ("nodes carry no label that chooses another configuration, and no taint",)
    details = (("pod", mine.pod), ("other pod", theirs.pod), ("resource", name), ("nodes", list(shared.group.nodes)))
    return Witness(steps, f"{source} and {target} get the same GPU of {where} as {name}: {happens}", details, assumes)


def why_alone(found: list[Shared], nothing: str) -> str:
    """Return why no two tenants share: there is nothing to share, or who can get what there is."""
    if not found:
        return nothing
    said = sorted({f"{item.offer.resource} of {item.group.title}: {users_reason(item.users)} get it" for item in found})
    return "; ".join(said)


def possible_sharing(ground: Ground, modes: set[Mode], *, sliced: bool | None) -> Iterator[tuple[str, Missing]]:
    """Yield tenants that could meet on nodes that are not known, should those choose a configuration that shares."""
    if ground.view.snapshot.live or ground.view.strength is Strength.DEPLOYED:
        return
    offered = {offer.resource for group in groups_with_default(ground) for offer in group.offers}
    for item, _ in unchosen(ground.view, ground.stack):
        part = item.resource.startswith("nvidia.com/mig-")
        if item.mode not in modes or item.resource in offered or (sliced is not None and part is not sliced):
            continue
        able = [name for name, use in ground.access.users(item.resource).items() if use.possible]
        if len(able) > 1:
            yield from ((name, NODE_LABELS) for name in able)


def reuse_offers(ground: Ground) -> list[Shared]:
    """Return every GPU resource with the tenants that can get it, also where no node is known."""
    groups = groups_with_default(ground)
    if groups:
        return shared_offers(ground, lambda offer: True)
    step = ground.stack.present or Step("GPUs", None, (), "no object describes the nodes")
    group = Group((), (), (Offer(GPU, Mode.WHOLE, False, step),), {})
    return [Shared(group, group.offers[0], ground.access.users(GPU))]
