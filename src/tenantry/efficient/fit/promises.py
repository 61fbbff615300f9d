"""Can all guarantees of a pool be held at the same time, as the pods that tenants say they run?

Each tenant uses all it is guaranteed of a resource for one of its classes of work: as many jobs as fit into the
guarantee, and pods of one unit for what is left over. A tenant without a class of work that fits its guarantee is taken
to run pods of one unit, which is what packs best. Pods of one job may lie on any nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, pairwise, product
from typing import TYPE_CHECKING, NamedTuple

from tenantry.efficient.fit.packing import fits
from tenantry.efficient.fit.room import Need
from tenantry.model.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.efficient.fit.offers import Offer
    from tenantry.efficient.fit.work import Ground
    from tenantry.model.cluster import ClusterTenant

MIXES = 256
"""Ways for tenants to choose among their classes of work that are tried in one pool."""


class Use(NamedTuple):
    """What one tenant does with its guarantee of one resource.

    Attributes:
        tenant: who.
        resource: of what.
        guaranteed: units.
        workload: class of work; empty for pods of one unit.
        pods: pods of one job.
        need: what each pod takes.
    """

    tenant: str
    resource: str
    guaranteed: int
    workload: str
    pods: int
    need: Need

    def kinds(self) -> dict[Need, int]:
        """Pods it runs, by what each needs."""
        each = self.pods * self.need.units
        jobs, rest = divmod(self.guaranteed, each)
        found = {self.need: jobs * self.pods} if jobs else {}
        if rest:
            single = Need(self.resource, 1)
            found[single] = found.get(single, 0) + rest
        return found


@dataclass(frozen=True, slots=True)
class Short:
    """Guarantees that cannot be held together.

    Attributes:
        uses: what every tenant does with the resource concerned; with all, where they only crowd each other together.
        victim: who holds back least to let the others hold theirs.
        possible: units the victim can hold then; None when no tenant alone could make room.
        nodes: nodes that are needed for everything; None when more than twice as many as there are, or undecided.
        others: further resources of the pool that are short, each with its victim and what that can hold.
        instead: who else could hold back, with what it can hold then, the least loss first.
    """

    uses: tuple[Use, ...]
    victim: Use
    possible: int | None
    nodes: int | None
    others: tuple[tuple[Use, int | None], ...] = ()
    instead: tuple[tuple[Use, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """Whether the guarantees of a pool can be held together.

    Attributes:
        verdict: PROVED, VIOLATED, or UNKNOWN with ``missing``.
        short: what cannot be held, when VIOLATED and asked for.
        missing: what is not known, when UNKNOWN.
    """

    verdict: Verdict
    short: Short | None = None
    missing: str = ""


def held(ground: Ground, offer: Offer, nodes: int, *, explain: bool = True) -> Held:
    """Decide whether the guarantees of a pool can be held on so many of its nodes.

    Args:
        ground: the cluster.
        offer: the pool.
        nodes: how many of its nodes are there.
        explain: whether to look for who could make room when they cannot.
    """
    choices = ground.kept(("choices", offer.name), lambda: _choices(ground, offer))
    if not choices:
        return Held(Verdict.PROVED)
    if _by_counting(offer, choices, nodes):
        return Held(Verdict.PROVED)
    missing = ""
    for mix in islice(product(*choices), MIXES):
        answer = _holds(offer, mix, nodes)
        if answer is False:
            return Held(Verdict.VIOLATED, _short(offer, mix, nodes) if explain else None)
        if answer is None:
            missing = f"the search for a placement of all guarantees of {offer.name} was given up"
    number = 1
    for options in choices:
        number *= len(options)
    if number > MIXES:
        missing = missing or f"tenants may choose among their workloads in {number:,} ways, and {MIXES} were tried"
    if not offer.room.numa_known and any(use.need.units > 1 for options in choices for use in options):
        missing = missing or f"which GPUs of {offer.name} lie on which NUMA node"
    return Held(Verdict.UNKNOWN, missing=missing) if missing else Held(Verdict.PROVED)


def spare_nodes(ground: Ground, offer: Offer) -> int | None:
    """Most nodes that may be lost with all guarantees held, whichever they are; None when none need be lost to fail."""
    low, high = -1, offer.nodes
    while low < high:
        middle = (low + high + 1) // 2
        if held(ground, offer, offer.nodes - middle, explain=False).verdict is Verdict.PROVED:
            low = middle
        else:
            high = middle - 1
    return low if low >= 0 else None


def _choices(ground: Ground, offer: Offer) -> list[tuple[Use, ...]]:
    found = []
    for tenant in ground.holders[offer.name]:
        for (pool, resource), reach in ground.reach(tenant).items():
            if pool == offer.name and reach.guaranteed:
                uses = tuple(_uses(ground, offer, tenant, resource, reach.guaranteed))
                found.append(_hardest(offer, uses))
    return found


def _hardest(offer: Offer, uses: tuple[Use, ...]) -> tuple[Use, ...]:
    """Leave out every use that is possible wherever another of the same guarantee is: smaller pods in its place."""
    if offer.room.pods and sum(item.per_node for item in offer.pool.gpu_resources) > offer.room.pods:
        return uses
    kept: list[Use] = []
    for use in sorted(uses, key=lambda item: -item.need.units):
        if not any(_replaces(offer, use, other) for other in kept):
            kept.append(use)
    return tuple(kept)


def _replaces(offer: Offer, small: Use, large: Use) -> bool:
    """Whether the pods of one use fit wherever those of another lie, which have as many units or more each."""
    size, other = small.need.units, large.need.units
    cells = [dict(cell).get(small.resource, 0) for cell in offer.room.cells]
    # What spans NUMA nodes leaves whole parts of each only if these are multiples of the smaller pods.
    if len(cells) > 1 and other > max(cells) and any(cell % size for cell in cells):
        return False
    vfs = dict(large.need.vfs)
    if any(count * (other // size) > vfs.get(fabric, 0) for fabric, count in small.need.vfs):
        return False
    pods = {item: item.guaranteed // (item.pods * item.need.units) * item.pods for item in (small, large)}
    return pods[small] <= pods[large] * (other // size)


def _uses(ground: Ground, offer: Offer, tenant: ClusterTenant, resource: str, guaranteed: int) -> Iterator[Use]:
    known: set[tuple[int, Need]] = set()
    for workload in ground.work_of[tenant.name]:
        for outcome in ground.outcomes(workload, tenant):
            job = outcome.job
            same = job.pool == offer.name and job.need.resource == resource
            if not same or outcome.verdict is Verdict.VIOLATED or job.units > guaranteed:
                continue
            if (job.pods, job.need) not in known:
                known.add((job.pods, job.need))
                yield Use(tenant.name, resource, guaranteed, workload.name, job.pods, job.need)
    if not known:
        yield Use(tenant.name, resource, guaranteed, "", 1, Need(resource, 1))


def _by_counting(offer: Offer, choices: Sequence[Sequence[Use]], nodes: int) -> bool:
    """Whether counting proves that every mix fits.

    Where each size divides the next larger one, and NUMA nodes and nodes as well, pods placed largest first leave no
    gap, whatever their mix: then the sums decide.
    """
    uses = [use for options in choices for use in options]
    names = {use.resource for use in uses}
    if not offer.room.numa_known:
        return False
    if offer.room.pods and sum(offer.room.units(name) for name in names) > offer.room.pods:
        return False
    if any(use.need.vfs for use in uses) and len(names) > 1:
        return False
    vfs = dict(offer.room.vfs)
    for name in names:
        cells = {dict(cell).get(name, 0) for cell in offer.room.cells}
        total = offer.room.units(name)
        if len(cells) > 1:
            return False
        sizes = sorted({*cells, total, *(use.need.units for use in uses if use.resource == name)})
        if any(large % small for small, large in pairwise(sizes)) or sizes[-1] > total:
            return False
        if sum(options[0].guaranteed for options in choices if options[0].resource == name) > total * nodes:
            return False
        if any(count * total > vfs.get(fabric, 0) * use.need.units for use in uses for fabric, count in use.need.vfs):
            return False
    return True


def _holds(offer: Offer, mix: Sequence[Use], nodes: int) -> bool | None:
    """Whether all these uses fit on so many nodes at once."""
    kinds: dict[Need, int] = {}
    for use in mix:
        for need, count in use.kinds().items():
            kinds[need] = kinds.get(need, 0) + count
    return fits(offer.room, nodes, kinds)


def _short(offer: Offer, mix: Sequence[Use], nodes: int) -> Short:
    """Say which guarantees cannot be held: of one resource, if those of it alone do not fit already."""
    names = sorted({use.resource for use in mix})
    groups = [[use for use in mix if use.resource == name] for name in names]
    failing = [group for group in groups if _holds(offer, group, nodes) is False] or [list(mix)]
    ranked = [_victims(offer, group, nodes) for group in failing]
    (victim, possible), *others = [
        found[0] if found else (max(group, key=lambda use: (use.guaranteed, use.tenant, use.resource)), None)
        for group, found in zip(failing, ranked, strict=True)
    ]
    more = _enough(offer, mix, nodes)
    instead = tuple(ranked[0][1:]) if not others else ()
    return Short(tuple(failing[0]), victim, possible, more, tuple(others), instead)


def _enough(offer: Offer, mix: Sequence[Use], nodes: int) -> int | None:
    """Fewest nodes that hold everything, of which these are too few; None when it is more than twice as many."""
    low, high = nodes + 1, 2 * nodes + 2
    if not _holds(offer, mix, high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _holds(offer, mix, middle) else (middle + 1, high)
    return low


def _victims(offer: Offer, uses: Sequence[Use], nodes: int) -> list[tuple[Use, int]]:
    """Return who could give up something so that all others hold theirs, and what it can hold then.

    Who gives up least comes first; of two, the one whose job is smaller.
    """
    found = []
    for index, use in enumerate(uses):
        low, high = -1, use.guaranteed - 1
        while low < high:
            middle = (low + high + 1) // 2
            reduced = [*uses[:index], use._replace(guaranteed=middle), *uses[index + 1 :]]
            if _holds(offer, reduced, nodes):
                low = middle
            else:
                high = middle - 1
        if low >= 0:
            found.append((use, low))
    return sorted(
        found,
        key=lambda item: (
            item[0].guaranteed - item[1], item[0].pods * item[0].need.units, item[0].tenant, item[0].resource,
        ),
    )  # fmt: skip
