"""Short words of an explanation for people: where a job stands, what spares a job, what was tried, who can do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenantry.fair.explain.answer import Standing, Who
from tenantry.fair.inspection import Spared

if TYPE_CHECKING:
    from collections.abc import Mapping

STANDINGS: Final[Mapping[str, str]] = {
    Standing.RUNS: "runs",
    Standing.GROWS: "runs and waits for more pods",
    Standing.STARTS: "starts",
    Standing.PROMISED: "is promised its place",
    Standing.WAITS: "waits",
    Standing.LOSES: "loses its place",
    Standing.MOVES: "is moved",
    Standing.LEAVES: "is leaving",
    Standing.NOT_MODELLED: "waits for something that is not modelled",
    Standing.ENDED: "has nothing that runs or waits",
    "set-aside": "is not looked at",
}
"""Where a job stands."""

SPARED: Final[Mapping[str, str]] = {
    "": "may be evicted",
    Spared.SAME_QUEUE: "same queue",
    Spared.OTHER_QUEUE: "another queue",
    Spared.HOLDS_NOTHING: "holds nothing",
    Spared.NOT_PREEMPTIBLE: "not preemptible",
    Spared.PRIORITY: "no lower priority",
    Spared.WITHIN_SHARE: "within what its queue is due",
    Spared.PROTECTED: "protected by minimum run time",
}
"""What spares running jobs."""

WHO: Final[Mapping[str, str]] = {
    Who.NOBODY: "waiting",
    Who.OWNER: "for the owner of the job",
    Who.PLATFORM: "for those who run the platform",
}
"""Who can bring a change about, in the order changes are shown."""

CHANGES: Final[Mapping[str, str]] = {
    "next-cycle": "waiting for the next cycle",
    "time": "the end of a protection or delay",
    "preemptible": "the other preemptibility",
    "fewer-pods": "fewer pods",
    "smaller-pods": "smaller pods",
    "demands": "fewer demands on nodes",
    "elsewhere": "another node pool",
    "priority": "a higher priority",
    "limit": "higher limits",
    "quota": "higher quotas",
    "weight": "a higher weight",
    "queue-priority": "a higher priority of the queue",
    "ready-nodes": "nodes that are not ready",
    "more-nodes": "more nodes",
    "ends": "the end of running jobs",
    "takers": "who could take its place",
}
"""Sorts of changes that are tried."""
