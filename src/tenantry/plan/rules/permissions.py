"""What tenants and administrators are allowed: exceptions, traffic to the outside, host names, the groups that rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.plan.effect import Area, Effect, Level, Mark
from tenantry.plan.rule import Comparison, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.spec import Tenant
    from tenantry.model.spec.exceptions import ContractException, Peer
    from tenantry.plan.rule import Context
    from tenantry.plan.side import Side


def _exceptions(context: Context, rule: Comparison) -> Iterator[Effect]:
    """Connections between tenants that are allowed in spite of isolation."""
    was, now = _contract(context.old), _contract(context.new)
    for name in sorted({*was, *now}):
        before, after = was.get(name), now.get(name)
        if before == after:
            continue
        there = after or before
        if there is None:
            continue
        tenants = tuple(sorted({there.source.tenant, there.target.tenant}))
        lost = after is None or bool(before and not set(before.ports) <= set(after.ports))
        if after is None:
            said = f"may no longer connect to {_peer(there.target)} on {listed(there.ports)}; what uses it fails"
        else:
            word = "may connect" if before is None else "may now connect"
            said = f"{word} to {_peer(after.target)} on {listed(after.ports)} until {after.expires}: {after.reason}"
            if before is not None and lost:
                said += f"; no longer on {listed([port for port in before.ports if port not in after.ports])}"
        yield Effect(
            rule.id,
            rule.area,
            Mark.DISRUPT if lost else Mark.ADD if before is None else Mark.CHANGE,
            Level.DISRUPTIVE if lost else Level.CHANGE,
            _peer(there.source),
            f"{said} (exception {name})",
            source=rule.source,
            causes=context.causes((f"Contract/*/spec/exceptions/{name}*", "Contract/*")),
            tenants=tenants,
        )


def _contract(side: Side) -> dict[str, ContractException]:
    contract = None if side.absent else side.cluster.spec.contract
    return {item.name: item for item in contract.spec.exceptions} if contract is not None else {}


def _peer(peer: Peer) -> str:
    pods = ",".join(f"{key}={value}" for key, value in sorted(peer.pods.items()))
    where = "/".join(filter(None, (",".join(peer.namespaces), pods)))
    return f"tenant {peer.tenant}" + (f" ({where})" if where and where != peer.tenant else "")


def _egress(context: Context, rule: Comparison) -> Iterator[Effect]:
    """Traffic to the outside that tenants may start."""
    for name in sorted(context.old.tenant_names & context.new.tenant_names):
        was, now = (_destinations(side[name].spec) for side in (context.old_tenants, context.new_tenants))
        for sign, places in ((Mark.DISRUPT, sorted(was - now)), (Mark.ADD, sorted(now - was))):
            if places:
                lost = sign is Mark.DISRUPT
                said = "may no longer connect to" if lost else "may connect to"
                yield Effect(
                    rule.id,
                    rule.area,
                    sign,
                    Level.DISRUPTIVE if lost else Level.CHANGE,
                    f"tenant {name}",
                    f"{said} {listed(places)}" + ("; what uses it fails" if lost else ""),
                    source=rule.source,
                    causes=context.causes((f"Tenant/{name}/spec/network/egress*",)),
                    tenants=(name,),
                )


def _destinations(tenant: Tenant) -> set[str]:
    return {
        f"{prefix} {port}"
        for item in tenant.spec.network.egress
        for prefix in item.to
        for port in item.ports or ["any port"]
    }


def _hosts(context: Context, rule: Comparison) -> Iterator[Effect]:
    """Host names under which tenants may publish."""
    before, after = _published(context.old), _published(context.new)
    for name in sorted(before.keys() & after.keys()):
        was, now = before[name], after[name]
        gained, lost = sorted(now - was), sorted(was - now)
        if not gained and not lost:
            continue
        said = [f"may publish under {listed(gained)}"] if gained else []
        if lost:
            said.append(f"no longer under {listed(lost)}: what is published there stays until it is changed")
        yield Effect(
            rule.id,
            rule.area,
            Mark.CHANGE if lost else Mark.ADD,
            Level.CHANGE,
            f"tenant {name}",
            "; ".join(said),
            source=rule.source,
            causes=context.causes((f"Tenant/{name}/spec/network/hosts*", "Platform/*/spec/ingressDomain")),
            tenants=(name,),
        )


def _published(side: Side) -> dict[str, set[str]]:
    """Return the host names under which each tenant may publish."""
    domain = side.cluster.spec.platform.spec.ingress_domain
    return {
        tenant.name: {*tenant.spec.spec.network.hosts, *([f"{tenant.name}.{domain}"] if domain else [])}
        for tenant in side.cluster.tenants
    }


def _administrators(context: Context, rule: Comparison) -> Iterator[Effect]:
    """Groups that rule the platform."""
    was, now = (set(side.cluster.spec.platform.spec.gitops.admin_groups) for side in (context.old, context.new))
    if was == now:
        return
    gained, lost = sorted(now - was), sorted(was - now)
    said = [f"{listed(gained)} may do everything through Argo CD and is not held by guards"] if gained else []
    said += [f"{listed(lost)} may no longer, and is held by guards"] if lost else []
    yield Effect(
        rule.id,
        rule.area,
        Mark.CHANGE,
        Level.CHANGE,
        "administrators",
        "; ".join(said),
        source=rule.source,
        causes=context.causes(("Platform/*/spec/gitops/adminGroups*",)),
    )


COMPARISONS = (
    Comparison(
        "EFFECT-EXCEPTION",
        "A connection between tenants is allowed or no longer allowed",
        "Kubernetes, NetworkPolicy: what is not allowed is dropped, for new connections at once",
        Area.ISOLATION,
        ("Contract/*",),
        _exceptions,
    ),
    Comparison(
        "EFFECT-EGRESS",
        "A tenant may reach more or less outside the cluster",
        "Kubernetes, NetworkPolicy: what is not allowed is dropped, for new connections at once",
        Area.TENANTS,
        ("Tenant/*/spec/network/egress*",),
        _egress,
    ),
    Comparison(
        "EFFECT-HOSTS",
        "The host names under which a tenant may publish change",
        "admission guards of the tree; Kubernetes, ValidatingAdmissionPolicy: evaluated at admission only",
        Area.TENANTS,
        ("Tenant/*/spec/network/hosts*",),
        _hosts,
    ),
    Comparison(
        "EFFECT-ADMINISTRATORS",
        "Other groups rule the platform",
        "Argo CD, RBAC; admission guards of the tree except these groups",
        Area.GITOPS,
        ("Platform/*/spec/gitops/adminGroups*",),
        _administrators,
    ),
)
