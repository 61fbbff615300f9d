"""The channels: every way in which one tenant could act on another, one module per family.

What lives here: a tuple ``CHANNELS`` per module and all of them in one tuple, in the order reports show them. What may
not: shared analyses (they belong beside :mod:`tenantry.safe.view`) and wording of outputs.
"""

from __future__ import annotations

from tenantry.safe.channels import (
    api,
    clients,
    delivery,
    fabric,
    gpu,
    host,
    network,
    noise,
    queues,
    storage,
)
from tenantry.safe.channels.channel import Channel

CHANNELS: tuple[Channel, ...] = (
    *network.CHANNELS,
    *fabric.CHANNELS,
    *gpu.CHANNELS,
    *host.CHANNELS,
    *api.CHANNELS,
    *queues.CHANNELS,
    *storage.CHANNELS,
    *delivery.CHANNELS,
    *clients.CHANNELS,
    *noise.CHANNELS,
)
"""Every channel, in the order reports show them."""

ABOUT_WHAT_MAY_BE: frozenset[str] = frozenset(
    {"X4", "G9", "G11", "H1", "Q1", "Q2", "Q3", "Q5", "Q8", "P1", "P2", "P3", "P4", "C2", "R1"}
)
"""Channels whose rule at stronger strengths asks only what could be submitted; what is deployed is asked for beside."""

WHATEVER_THE_RIGHTS: frozenset[str] = frozenset({"H4"})
"""Channels that are decided by facts alone, so that what a tenant may do is no matter."""
