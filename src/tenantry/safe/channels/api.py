"""Ways through the API server: roles, pods, credentials, cluster-wide objects, webhooks, aggregation, operators."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Missing, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.channels.channel import Channel
from tenantry.safe.channels.common_roles import A6, A8, aggregation, everybody
from tenantry.safe.channels.extensions import A5, A7, operators, webhooks
from tenantry.safe.powers import MAKE, RBAC
from tenantry.safe.ruling import Outcome, Ruling
from tenantry.safe.samples import sample
from tenantry.safe.writing import likeliest, writings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.safe.crossing import Crossing
    from tenantry.safe.view import View

A1 = Ruling("A1", "roles beyond its own: escalate, bind, impersonate", Effect.EXEC, Impact.S0)
A2 = Ruling("A2", "pods of others: exec, attach, port forwarding, proxies, removal", Effect.EXEC, Impact.S0)
A3 = Ruling("A3", "credentials of others: secrets, tokens, pods run as their service accounts", Effect.EXEC, Impact.S0)
A4 = Ruling("A4", "writes outside namespaces", Effect.EXEC, Impact.S0)


def _rights_that_lead_out(ruling: Ruling, view: View) -> Iterator[Claim]:
    for tenant in view.sources:
        crossings = view.reach(tenant.name).by_channel(ruling.id)
        unknown_roles = view.unknown_roles(tenant.name)
        found = _by_target(ruling, view, tenant.name, crossings)
        if view.strength is Strength.CARELESS and ruling is A1:
            found = {**_let_in_by_others(view, tenant.name), **found}
        everybody = found.pop("", None)
        if everybody is not None and everybody.witness is not None:
            yield _claim(ruling, tenant.name, "", everybody, crossings)
            continue
        missing = [*unknown_roles, *(everybody.missing if everybody is not None else ())]
        if missing and not any(item.witness for item in found.values()):
            yield ruling.unknown(tenant.name, [*missing, *(entry for item in found.values() for entry in item.missing)])
            continue
        yield from _pairs(ruling, view, tenant.name, found, missing)


def _pairs(
    ruling: Ruling, view: View, source: str, found: dict[str, Outcome], missing: list[Missing]
) -> Iterator[Claim]:
    crossings = view.reach(source).by_channel(ruling.id)
    reason = _reason(view, source, crossings)
    if not found:
        yield ruling.proved(source, reason)
        return
    for tenant in view.tenants:
        if tenant.name == source:
            continue
        outcome = found.get(tenant.name)
        if outcome is not None:
            yield _claim(ruling, source, tenant.name, outcome, crossings)
        elif missing:
            yield ruling.unknown(source, missing, tenant.name)
        else:
            yield ruling.proved(source, reason, tenant.name)


def _claim(ruling: Ruling, source: str, target: str, outcome: Outcome, crossings: Iterable[Crossing]) -> Claim:
    """Return the claim with the effect and impact of the crossing behind it."""
    claim = outcome.claim(ruling, source, target)
    first = next((item for item in crossings if item.target == target and not item.admission.refused), None)
    return claim if first is None else replace(claim, effect=first.effect, impact=first.impact)


def _by_target(ruling: Ruling, view: View, source: str, crossings: tuple[Crossing, ...]) -> dict[str, Outcome]:
    """Return what is known per target; crossings come worst first, so the first one of a target counts."""
    found: dict[str, Outcome] = {}
    fix = ""
    for crossing in crossings:
        if crossing.target in found or crossing.admission.refused:
            continue
        if crossing.admission.admitted:
            fix = fix or _fix(ruling, view, source)
            found[crossing.target] = Outcome.broken(_witness(source, crossing), fix)
        else:
            found[crossing.target] = Outcome.open(*crossing.admission.missing)
    return found


def _witness(source: str, crossing: Crossing) -> Witness:
    where = f" in namespace {crossing.namespace}" if crossing.namespace else ""
    whom = f" of {crossing.target}" if crossing.target else ""
    steps = crossing.steps
    details: list[tuple[str, object]] = []
    if crossing.manifest is not None:
        details.append(("manifest", crossing.manifest))
        steps = (*steps, Step("admission lets it in", missing="no admission policy refuses it"))
    return Witness(steps, f"{source} may {crossing.does}{where}{whom}", tuple(details))


def _fix(ruling: Ruling, view: View, source: str) -> str:
    bindings = view.reach(source).bindings_to_remove(ruling.id)
    if not bindings:
        return "take away the roles on the path"
    return f"take {source}'s subject out of {', '.join(str(item) for item in bindings)}, or the rule out of its role"


def _reason(view: View, source: str, crossings: tuple[Crossing, ...]) -> str:
    refused = sorted({f"{item.admission.by}" for item in crossings if item.admission.refused and item.admission.by})
    count = len(view.identities(source))
    if refused:
        return f"admission refuses what {count} identities have rights to: {', '.join(refused)}"
    return f"no right of its {count} identities leads out of its namespaces this way"


def _let_in_by_others(view: View, source: str) -> dict[str, Outcome]:
    """Return tenants whose own members may bind anybody into their namespaces by mistake."""
    found = {}
    for tenant in view.tenants:
        if tenant.name != source:
            outcome = _binds_strangers(view, tenant.name, tenant.namespaces)
            if outcome is not None:
                found[tenant.name] = outcome
    return found


def _binds_strangers(view: View, owner: str, namespaces: tuple[str, ...]) -> Outcome | None:
    for namespace in namespaces:
        body = sample(RBAC, "rolebindings", namespace)
        kind = (RBAC, "rolebindings")
        way = likeliest(writings(view.reach(owner).rights, view.envelope(namespace), body, kind, MAKE))
        if way is not None and way.admission.admitted:
            summary = f"{owner} itself may bind anybody to what it may do in {namespace}"
            steps = (*way.right.steps, Step(f"{way.right.verb} a RoleBinding for strangers in {namespace}"))
            fix = f"take the right to write role bindings in {namespace} away, or refuse strangers by admission"
            return Outcome.broken(Witness(steps, summary, (("manifest", body),)), fix)
        if way is not None and not way.admission.refused:
            return Outcome.open(*way.admission.missing)
    return None


def roles(view: View) -> Iterator[Claim]:
    """Let no identity of a tenant gain rights beyond its namespaces by escalate, bind or impersonate.

    With careless tenants, no other tenant may bind strangers into its namespaces either.
    """
    return _rights_that_lead_out(A1, view)


def pods(view: View) -> Iterator[Claim]:
    """Let no identity of a tenant run commands in, connect to, or remove pods of others."""
    return _rights_that_lead_out(A2, view)


def credentials(view: View) -> Iterator[Claim]:
    """Let no identity of a tenant read secrets, make tokens or run pods as service accounts of others."""
    return _rights_that_lead_out(A3, view)


def cluster_writes(view: View) -> Iterator[Claim]:
    """Let no identity of a tenant write objects outside namespaces that act on everybody."""
    return _rights_that_lead_out(A4, view)


CHANNELS: tuple[Channel, ...] = tuple(
    Channel(ruling.id, ruling.title, ruling.effect, ruling.impact, decide)
    for ruling, decide in (
        (A1, roles),
        (A2, pods),
        (A3, credentials),
        (A4, cluster_writes),
        (A5, webhooks),
        (A6, aggregation),
        (A7, operators),
        (A8, everybody),
    )
)
