"""Channels of GPUs: devices nobody allocated, GPUs shared between tenants, vulnerable versions, telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Missing
from tenantry.model.tenancy import Strength
from tenantry.safe.channels.channel import Channel
from tenantry.safe.gpu.ground import NO_GPUS, Ground, ground_of, outcomes
from tenantry.safe.gpu.requests import (
    admin_outcome,
    annotation_outcome,
    environment_outcome,
    fraction_outcome,
    fraction_scheduler,
    mount_outcome,
)
from tenantry.safe.gpu.shares import (
    possible_sharing,
    reach_pairs,
    reuse_offers,
    shared_offers,
    shared_witness,
    why_alone,
)
from tenantry.safe.gpu.sharing import Mode, Offer
from tenantry.safe.gpu.surroundings import operator_outcome, telemetry_outcome
from tenantry.safe.gpu.versions import version_outcome
from tenantry.safe.ruling import Outcome, Ruling, pairwise, pod_witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.gpu.shares import Shared
    from tenantry.safe.view import View

G1 = Ruling("G1", "GPUs by an environment variable", Effect.READ, Impact.S1)
G2 = Ruling("G2", "GPUs by an annotation", Effect.READ, Impact.S1)
G3 = Ruling("G3", "GPUs by a mount", Effect.READ, Impact.S1)
G4 = Ruling("G4", "time-sliced GPUs shared by tenants", Effect.READ, Impact.S1)
G5 = Ruling("G5", "GPUs shared by tenants through MPS", Effect.DENY, Impact.S2)
G6 = Ruling("G6", "MIG instances shared by tenants", Effect.DENY, Impact.S2)
G7 = Ruling("G7", "fractions of one GPU for several tenants", Effect.READ, Impact.S1)
G8 = Ruling("G8", "what a GPU keeps for its next tenant", Effect.READ, Impact.S1)
G9 = Ruling("G9", "known vulnerabilities of NVIDIA software", Effect.EXEC, Impact.S0)
G10 = Ruling("G10", "namespaces of operators with power over nodes", Effect.EXEC, Impact.S0)
G11 = Ruling("G11", "claims to devices in use", Effect.READ, Impact.S1)
G12 = Ruling("G12", "metrics of every tenant's GPUs", Effect.OBSERVE, Impact.S3)


def _each(ruling: Ruling, decide: Callable[[Ground, TenantIdentity], Outcome]) -> Channel:
    """Return a channel whose claims concern every other tenant alike."""

    def rule(view: View) -> Iterator[Claim]:
        for source, outcome in outcomes(view, decide):
            yield outcome.claim(ruling, source)

    return _channel(ruling, rule)


def _channel(ruling: Ruling, rule: Callable[[View], Iterator[Claim]]) -> Channel:
    return Channel(ruling.id, ruling.title, ruling.effect, ruling.impact, rule)


# --- GPUs shared at the same time -----------------------------------------------------------------------------------

_HAPPENS = {
    Mode.TIME_SLICING: "nothing separates their memory, and a fault of one ends the other",
    Mode.MPS: "a fatal fault of one ends the other, and new clients are refused until all are gone",
    Mode.COMPUTE_INSTANCES: "compute instances of one GPU instance share its memory",
}


def _sharing(ruling: Ruling, modes: set[Mode], *, sliced: bool, nothing: str) -> Channel:
    def concerned(offer: Offer) -> bool:
        return (offer.mode in modes and offer.sliced is sliced) or (sliced and offer.mode is Mode.COMPUTE_INSTANCES)

    def rule(view: View) -> Iterator[Claim]:
        ground = ground_of(view)
        if ground.stack.present is None:
            yield from (ruling.proved(tenant.name, NO_GPUS) for tenant in view.sources)
            return
        found = shared_offers(ground, concerned)
        guesses: dict[str, list[Missing]] = {}
        for name, missing in possible_sharing(ground, modes, sliced=sliced):
            guesses.setdefault(name, []).append(missing)
        unread = [] if ground.stack.known or view.snapshot.live else [ground.absent("how GPUs are shared")]
        for tenant in view.sources:
            yield from _share_claims(
                ruling, view, tenant.name, found, [*guesses.get(tenant.name, []), *unread], nothing=nothing
            )

    return _channel(ruling, rule)


def _share_claims(
    ruling: Ruling, view: View, source: str, found: list[Shared], guesses: list[Missing], *, nothing: str
) -> Iterator[Claim]:
    def broken(target: str, shared: Shared) -> Outcome:
        happens = _HAPPENS.get(shared.offer.mode, "")
        fix = (
            f"give {shared.offer.resource} of {shared.group.title} to one tenant: set requests.{shared.offer.resource} "
            f"to 0 in the quotas of {target}, or partition the GPUs with MIG instead"
        )
        return Outcome.broken(shared_witness(source, target, shared, happens), fix)

    pairs = reach_pairs(source, found, broken)
    if not pairs and guesses:
        yield ruling.unknown(source, guesses)
        return
    yield from pairwise(ruling, view, source, pairs, why_alone(found, nothing))


# --- fractions --------------------------------------------------------------------------------------------------------


def _fractions(view: View) -> Iterator[Claim]:
    ground = ground_of(view)
    scheduler, nothing = fraction_scheduler(ground)
    if scheduler is None or ground.stack.present is None:
        yield from (G7.proved(tenant.name, nothing or NO_GPUS) for tenant in view.sources)
        return
    found = {tenant.name: fraction_outcome(ground, tenant, scheduler) for tenant in view.tenants}
    able = [name for name, outcome in found.items() if not outcome.reason]
    for tenant in view.sources:
        mine = found[tenant.name]
        if mine.reason:
            yield G7.proved(tenant.name, mine.reason)
            continue
        pairs: dict[str, Outcome] = {}
        for target in able:
            theirs = found[target]
            if target == tenant.name:
                continue
            pairs[target] = mine if theirs.witness is not None or mine.missing else theirs
        yield from pairwise(G7, view, tenant.name, pairs, "no other tenant can ask for a fraction of a GPU")


# --- reuse ------------------------------------------------------------------------------------------------------------


def _reuse(view: View) -> Iterator[Claim]:
    ground = ground_of(view)
    signed = view.signed("gpu.memory-scrubbing")
    for tenant in view.sources:
        if ground.stack.present is None:
            yield G8.proved(tenant.name, NO_GPUS)
        elif signed is True:
            yield G8.proved(tenant.name, f"GPU memory is cleared: {view.declared.fact('gpu.memory-scrubbing')}")
        elif ground.stack.confidential():
            yield G8.proved(tenant.name, "GPUs run in confidential computing mode")
        else:
            yield from _reuse_claims(view, ground, tenant.name, known=signed is False)


def _reuse_claims(view: View, ground: Ground, source: str, *, known: bool) -> Iterator[Claim]:
    missing = view.missing("gpu.memory-scrubbing")

    def broken(target: str, shared: Shared) -> Outcome:
        if not known:
            return Outcome.open(missing)
        happens = "a signed fact says that nothing clears GPU memory between them"
        return Outcome.broken(
            shared_witness(source, target, shared, happens),
            "reset or scrub GPUs between tenants, or dedicate node pools",
        )

    found = reuse_offers(ground)
    yield from pairwise(G8, view, source, reach_pairs(source, found, broken), why_alone(found, "no node offers a GPU"))


# --- versions ---------------------------------------------------------------------------------------------------------


def _versions(view: View) -> Iterator[Claim]:
    ground = ground_of(view)
    outcome = version_outcome(ground) if ground.stack.present else Outcome.safe(NO_GPUS)
    for tenant in view.sources:
        if outcome.witness is None or ground.stack.present is None:
            yield outcome.claim(G9, tenant.name)
        else:
            yield _exploitable(ground, tenant, outcome).claim(G9, tenant.name)


def _exploitable(ground: Ground, tenant: TenantIdentity, outcome: Outcome) -> Outcome:
    """Return whether a tenant can run the container that makes use of a vulnerability."""
    if ground.view.strength is Strength.DEPLOYED:
        pods = ground.view.tenant_pods(tenant.name)
        placed = any(
            all(taint.tolerated(template.body) for taint in group.taints)
            for template in pods
            for group in ground.groups or ground.anywhere
        )
        return outcome if placed else Outcome.safe("no pod of its is deployed that may run on a node with GPUs")
    group, reached = ground.reach(tenant)
    if group is None and reached is not None:
        return ground.kept_off(reached)
    if reached is None or outcome.witness is None:
        return outcome
    pod = pod_witness("", reached.pod, ()).details
    witness = outcome.witness
    summary = f"{tenant.name} runs a container of its own on {group.title if group else 'a node'}: {witness.summary}"
    return Outcome.broken(type(witness)(witness.steps, summary, (*witness.details, *pod), witness.assumes), outcome.fix)


CHANNELS: tuple[Channel, ...] = (
    _each(G1, environment_outcome),
    _each(G2, annotation_outcome),
    _each(G3, mount_outcome),
    _sharing(G4, {Mode.TIME_SLICING}, sliced=False, nothing="no node shares a GPU by time-slicing"),
    _sharing(G5, {Mode.MPS}, sliced=False, nothing="no node shares a GPU through MPS"),
    _sharing(
        G6,
        {Mode.TIME_SLICING, Mode.MPS},
        sliced=True,
        nothing="no node shares a MIG instance, by time-slicing or as compute instances",
    ),
    _channel(G7, _fractions),
    _channel(G8, _reuse),
    _channel(G9, _versions),
    _each(G10, operator_outcome),
    _each(G11, admin_outcome),
    _each(G12, telemetry_outcome),
)
"""Channels of GPUs, in the order reports show them."""
