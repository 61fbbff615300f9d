"""The list of channels as a document."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tenantry.model.claim import Impact
from tenantry.safe.channels import CHANNELS
from tenantry.safe.questions import VIOLATED_WHEN

if TYPE_CHECKING:
    from tenantry.safe.channels.channel import Channel

FAMILIES = {
    "N": "Pod network and services",
    "X": "Secondary networks and RDMA",
    "G": "GPUs",
    "H": "Host",
    "A": "API and identities",
    "Q": "Quotas, queues and scheduling",
    "P": "Storage and images",
    "D": "Delivery",
    "C": "Shared services",
    "R": "Noise",
}
"""Families of channels by the letter of their ids, in the order reports show them."""

IMPACTS = {
    Impact.S0: "the node or the cluster",
    Impact.S1: "another tenant's data or processes",
    Impact.S2: "another tenant's availability or guaranteed share",
    Impact.S3: "another tenant's metadata",
}

_HEAD = """# Channels

Every way in which `tenantry verify` asks whether one tenant can act on another. Each is decided for every ordered pair
of tenants: `PROVED` with the reason, `VIOLATED` with the path, or `UNKNOWN` with the fact that is missing. Findings are
named `SAFE-` and the id of the channel, as are the rules that waivers name. Under each channel stands when it is
violated.

The impact says how far a channel reaches:"""


def channels_markdown() -> str:
    """Write the list of channels, by family, each with when it is violated."""
    impacts = ";\n".join(f"**{impact.name}** {words}" for impact, words in IMPACTS.items())
    parts = [f"{_HEAD}\n{impacts}.\n"]
    for letter, channels in groupby(CHANNELS, key=lambda channel: channel.id[0]):
        parts.append(f"## {FAMILIES.get(letter, letter)}\n")
        parts.extend(_section(channel) for channel in channels)
    parts.append(_facts())
    return "\n".join(parts)


def _section(channel: Channel) -> str:
    when = VIOLATED_WHEN.get(channel.id, "")
    return f"### {channel.id}\n\n**{channel.impact.name}** {channel.effect.value} · {channel.title}\n\n{when}\n"


def _facts() -> str:
    """Write the facts a person may sign for."""
    from tenantry.catalog.facts import fact_definitions

    rows = []
    for fact in fact_definitions():
        holds = ", ".join(f"`{_word(value)}`" for value in fact.holds) or "informs only"
        rows.append(f"| `{fact.id}` | {fact.description} | {holds} | {fact.seen} |")
    head = "## Facts\n\nWhat no manifest shows; a `Facts` document states it, and somebody signs for it.\n"
    table = "\n".join(["| fact | meaning | proves isolation when | seen by |", "|---|---|---|---|", *rows])
    return f"{head}\n{table}\n"


def _word(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else value
