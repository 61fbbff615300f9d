"""Channels of secondary networks, RDMA and the links between devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact
from tenantry.safe.channels.channel import Channel
from tenantry.safe.fabric.adapters import Fabrics, fabrics_of
from tenantry.safe.fabric.definitions import attaching_outcomes, writing_outcome
from tenantry.safe.fabric.ethernet import bandwidth_outcomes, network_outcome, privilege_outcome
from tenantry.safe.fabric.peers import channel_outcome, nvlink_outcomes, peer_outcomes
from tenantry.safe.fabric.policies import policy_outcomes
from tenantry.safe.fabric.rdma import (
    management_outcome,
    namespace_outcomes,
    partition_outcome,
    shared_outcomes,
    shared_reason,
)
from tenantry.safe.gpu.ground import ground_of
from tenantry.safe.ruling import Outcome, Ruling, pairwise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tenantry.model.claim import Claim
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

X1 = Ruling("X1", "writing secondary networks", Effect.EXEC, Impact.S0)
X2 = Ruling("X2", "attaching to a network of another tenant", Effect.READ, Impact.S1)
X3 = Ruling("X3", "one network below two secondary networks", Effect.READ, Impact.S1)
X4 = Ruling("X4", "privileges of virtual functions", Effect.READ, Impact.S1)
X5 = Ruling("X5", "bandwidth of virtual functions", Effect.STARVE, Impact.S2)
X6 = Ruling("X6", "network policies without effect on secondary networks", Effect.READ, Impact.S1)
X7 = Ruling("X7", "RDMA devices seen from other network namespaces", Effect.READ, Impact.S1)
X8 = Ruling("X8", "one RDMA device for several tenants", Effect.READ, Impact.S1)
X9 = Ruling("X9", "InfiniBand partitions", Effect.READ, Impact.S1)
X10 = Ruling("X10", "management of the InfiniBand subnet", Effect.WRITE, Impact.S0)
X11 = Ruling("X11", "transfers between PCIe devices", Effect.WRITE, Impact.S0)
X12 = Ruling("X12", "NVLink and IMEX", Effect.READ, Impact.S1)


def _each(ruling: Ruling, decide: Callable[[View, TenantIdentity], Outcome]) -> Channel:
    """Return a channel whose claims concern every other tenant alike."""

    def rule(view: View) -> Iterator[Claim]:
        for tenant in view.sources:
            yield decide(view, tenant).claim(ruling, tenant.name)

    return Channel(ruling.id, ruling.title, ruling.effect, ruling.impact, rule)


def _pairs(
    ruling: Ruling, decide: Callable[[Fabrics, TenantIdentity], Mapping[str, Outcome]], reason: Callable[[Fabrics], str]
) -> Channel:
    """Return a channel whose claims differ by target.

    Args:
        ruling: the channel.
        decide: outcome per target concerned.
        reason: why all other targets are safe.
    """

    def rule(view: View) -> Iterator[Claim]:
        fabrics = fabrics_of(view)
        for tenant in view.sources:
            found = decide(fabrics, tenant)
            first = next(iter(found.values()), None)
            alike = _all(view, found) and all(outcome is first or outcome == first for outcome in found.values())
            if first is not None and alike:
                yield first.claim(ruling, tenant.name)
                continue
            yield from pairwise(ruling, view, tenant.name, found, reason(fabrics))

    return Channel(ruling.id, ruling.title, ruling.effect, ruling.impact, rule)


def _all(view: View, found: Mapping[str, Outcome]) -> bool:
    return len(found) == len(view.tenants) - 1


def _by_pair(decide: Callable[[Fabrics, str, str], Outcome]) -> Callable[[Fabrics, TenantIdentity], dict[str, Outcome]]:
    def outcomes(fabrics: Fabrics, source: TenantIdentity) -> dict[str, Outcome]:
        others = (tenant.name for tenant in fabrics.view.tenants if tenant.name != source.name)
        return {target: decide(fabrics, source.name, target) for target in others}

    return outcomes


def _links(fabrics: Fabrics, tenant: TenantIdentity) -> Mapping[str, Outcome]:
    """Return what NVLink and IMEX do; whoever gets channels concerns every other tenant."""
    ground = ground_of(fabrics.view)
    if ground.stack.present is not None:
        channels = channel_outcome(ground, tenant)
        if not channels.reason:
            return {other.name: channels for other in fabrics.view.tenants if other.name != tenant.name}
    return nvlink_outcomes(fabrics, tenant.name)


CHANNELS: tuple[Channel, ...] = (
    _each(X1, writing_outcome),
    _pairs(X2, attaching_outcomes, lambda fabrics: "no network of another tenant or of all is there to attach to"),
    _pairs(X3, _by_pair(network_outcome), lambda fabrics: "no other tenant has a secondary network"),
    _each(X4, lambda view, tenant: privilege_outcome(fabrics_of(view), tenant)),
    _pairs(X5, bandwidth_outcomes, lambda fabrics: "no other tenant has virtual functions of the same adapters"),
    _pairs(
        X6,
        lambda fabrics, tenant: policy_outcomes(fabrics, tenant.name),
        lambda fabrics: "no other tenant relies on network policies in a secondary network it shares",
    ),
    _pairs(
        X7,
        lambda fabrics, tenant: namespace_outcomes(fabrics, tenant.name),
        lambda fabrics: "no other tenant can get an RDMA device on the same nodes",
    ),
    _pairs(X8, lambda fabrics, tenant: shared_outcomes(fabrics, tenant.name), shared_reason),
    _pairs(X9, _by_pair(partition_outcome), lambda fabrics: "no other tenant has an InfiniBand network"),
    _each(X10, lambda view, tenant: management_outcome(fabrics_of(view), tenant.name)),
    _pairs(
        X11,
        lambda fabrics, tenant: peer_outcomes(fabrics, tenant.name),
        lambda fabrics: "no other tenant gets undivided GPUs or virtual functions of the same servers",
    ),
    _pairs(
        X12,
        _links,
        lambda fabrics: "no other tenant gets undivided GPUs of the same servers, and no IMEX channel can be asked for",
    ),
)
"""Channels of secondary networks, in the order reports show them."""
