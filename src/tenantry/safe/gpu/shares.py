"""GPUs that pods of several tenants run on, at the same time or one after the other.

Sources: NVIDIA k8s-device-plugin README (time-slicing and MPS); NVIDIA Multi-Process Service documentation; NVIDIA
Multi-Instance GPU user guide (compute instances); CUDA runtime API, ``cudaMalloc``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tenantry.model.claim import Missing, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.devices.nodes import read_nodes
from tenantry.safe.devices.reading import units
from tenantry.safe.gpu.ground import NODES
from tenantry.safe.gpu.sharing import GPU, Group, Mode, Offer, divides_instances, unchosen
from tenantry.safe.gpu.stack import PREFIX
from tenantry.safe.reading import mapping, strings, text
from tenantry.safe.ruling import Outcome
from tenantry.safe.view import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantry.safe.devices.access import Users
    from tenantry.safe.gpu.ground import Ground


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
    users: Users


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


def reach_pairs(source: str, found: Sequence[Shared], broken: Callable[[str, Shared], Outcome]) -> dict[str, Outcome]:
    """Return an outcome for every target that can get the same shared resource as the source."""
    outcomes: dict[str, Outcome] = {}
    for shared in found:
        users = shared.users
        if not users.can(source):
            continue
        for target in users.able:
            if target == source:
                continue
            known = outcomes.get(target)
            if known is not None and known.witness is not None:
                continue
            if users.answer(source) is users.answer(target) is Answer.ADMITTED:
                outcomes[target] = broken(target, shared)
            else:
                missing = (*users[source].missing, *users[target].missing)
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


def why_alone(found: Sequence[Shared], nothing: str) -> str:
    """Return why no two tenants share: there is nothing to share, or who can get what there is."""
    if not found:
        return nothing
    said = sorted({f"{item.offer.resource} of {item.group.title}: {item.users.reason} get it" for item in found})
    return "; ".join(said)


def possible_sharing(ground: Ground, modes: set[Mode], *, sliced: bool | None) -> Iterator[tuple[str, Missing]]:
    """Yield tenants that could meet on nodes that are not known, should those choose a configuration that shares."""
    if ground.view.snapshot.live or ground.view.strength is Strength.DEPLOYED:
        return
    known = any(offer.mode is Mode.COMPUTE_INSTANCES for group in ground.groups for offer in group.offers)
    if sliced and not known and divides_instances(ground.view, ground.stack):
        yield from ((tenant.name, NODES) for tenant in ground.view.tenants)
    chosen = {(offer.step.by, offer.step.pointer) for group in groups_with_default(ground) for offer in group.offers}
    for item, step in unchosen(ground.view, ground.stack):
        part = item.resource.startswith("nvidia.com/mig-")
        if item.mode not in modes or (step.by, step.pointer) in chosen or (sliced is not None and part is not sliced):
            continue
        able = ground.access.users(item.resource).able
        if len(able) > 1:
            yield from ((name, NODES) for name in able)


@lru_cache(maxsize=2)
def reuse_offers(ground: Ground) -> tuple[Shared, ...]:
    """Return every GPU resource with the tenants that can get it, also where no node is known."""
    return tuple(_reuse_offers(ground))


def _reuse_offers(ground: Ground) -> list[Shared]:
    found = shared_offers(ground, lambda offer: True)
    step = unnamed_pool(ground) if found else ground.stack.present
    if step is None:
        return found
    names = sorted({*_granted(ground), *([] if found else [GPU])})
    offers = tuple(Offer(name, Mode.MIG if _part(name) else Mode.WHOLE, _part(name), step) for name in names)
    group = Group((), (), offers, {})
    return [*found, *(Shared(group, offer, ground.access.users(offer.resource)) for offer in offers)]


def _part(resource: str) -> bool:
    return resource.startswith("nvidia.com/mig-")


def _granted(ground: Ground) -> Iterator[str]:
    """Yield the GPU resources that quotas grant or pods ask for."""
    for quota in ground.snapshot.of("", "ResourceQuota"):
        for key, value in mapping(quota.body, "spec", "hard").items():
            name = str(key).removeprefix("requests.")
            if name != key and name.startswith(PREFIX) and units(value):
                yield name
    for tenant in ground.view.tenants:
        yield from (name for name in ground.access.asking(tenant.name) if name.startswith(PREFIX))


def unnamed_pool(ground: Ground) -> Step | None:
    """Return an object that speaks of nodes none of which is known, or None; a live cluster has no such nodes."""
    if ground.view.snapshot.live:
        return None
    known = [node.labels for node in read_nodes(ground.snapshot)]
    for flavor in ground.snapshot.of("kueue.x-k8s.io", "ResourceFlavor"):
        wanted = strings(flavor.body, "spec", "nodeLabels")
        if wanted and not any(wanted.items() <= labels.items() for labels in known):
            return Step("nodes that no object names", flavor.key, ("spec", "nodeLabels"))
    for shard in ground.snapshot.of("kai.scheduler", "SchedulingShard"):
        value = text(shard.body, "spec", "partitionLabelValue")
        if value and not any(value in labels.values() for labels in known):
            return Step("nodes that no object names", shard.key, ("spec", "partitionLabelValue"))
    return None
