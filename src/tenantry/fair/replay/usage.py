"""What queues used lately, for time-based fair share: sampled, decayed, and over a sliding window.

Source: KAI scheduler, pkg/scheduler/cache/usagedb/prometheus/prometheus.go; both the usage of a queue and the capacity
it is divided by are sums of samples, a sample counting half after every half-life.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from tenantry.fair.replay.setup import USAGE_RESOLUTION
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from tenantry.fair.replay.setup import Setup
    from tenantry.model.queue import Queue


class Usage:
    """Samples of the GPUs that every queue holds, one per :data:`USAGE_RESOLUTION` seconds."""

    def __init__(self, setup: Setup) -> None:
        behaviour = setup.behaviour
        self._samples = max(1, behaviour.usage_window // USAGE_RESOLUTION)
        self._decay = 0.5 ** (USAGE_RESOLUTION / behaviour.half_life) if behaviour.half_life else 1.0
        self._capacity = setup.capacity / MILLI
        self._parent = {queue.name: queue.parent for queue in setup.queues}
        self._held = dict.fromkeys(self._parent, 0.0)
        self._sums = dict.fromkeys(self._parent, 0.0)
        self._whole = 0.0
        self._history: deque[dict[str, float]] = deque()
        self._sampled = -1

    def hold(self, queue: str, gpus: float) -> None:
        """Note that a queue and those above it hold so many GPUs more."""
        while queue in self._held:
            self._held[queue] += gpus
            queue = self._parent[queue]

    def advance(self, now: int) -> None:
        """Take the samples that are due until a second."""
        while (self._sampled + 1) * USAGE_RESOLUTION <= now:
            self._sampled += 1
            self._sample()

    def next_look(self, now: int) -> int:
        """Second at which the scheduler looks at usage again."""
        return (now // USAGE_RESOLUTION + 1) * USAGE_RESOLUTION

    def applied(self, queues: tuple[Queue, ...]) -> tuple[Queue, ...]:
        """Return the queues with their usage, as a share of the cluster."""
        whole = self._whole * self._capacity
        return tuple(
            replace(queue, usage=(self._sums[queue.name] / whole if whole else 0.0, 0.0, 0.0)) for queue in queues
        )

    def _sample(self) -> None:
        oldest = self._history.popleft() if len(self._history) == self._samples else {}
        out = self._decay**self._samples
        for name, held in self._held.items():
            self._sums[name] = self._sums[name] * self._decay + held - oldest.get(name, 0.0) * out
        self._whole = self._whole * self._decay + 1.0 - (out if oldest else 0.0)
        self._history.append(dict(self._held))
