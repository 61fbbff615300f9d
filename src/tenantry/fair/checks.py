"""What is wrong with a cluster before anything is replayed on it.

A spec cannot say most of this; whoever builds queues and nodes by other means can. Schedulers answer it by ignoring
queues or by never placing a job, which would look like a result.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.fair.kai.asks import mig_size
from tenantry.model.queue import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tenantry.fair.replay.setup import Behaviour, Setup
    from tenantry.model.moment import Node
    from tenantry.model.queue import Entitled, Queue

MOST = 1e15
"""Largest amount that is believed: a petabyte of memory, or as many millicores."""


@dataclass(frozen=True, slots=True)
class SetupProblem:
    """One thing wrong with a cluster.

    Attributes:
        rule: stable identifier, for example ``FAIR-QUEUE-CYCLE``.
        subject: the queue, node or tenant, named with its kind.
        message: one sentence naming the thing that is wrong.
        expected: what would have been accepted, in words.
        found: what is there.
    """

    rule: str
    subject: str
    message: str
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        parts = [f"{self.subject}: {self.message}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.found:
            parts.append(f"found {self.found}")
        return f"{'; '.join(parts)} ({self.rule})"


def check_setup(setup: Setup) -> list[SetupProblem]:
    """Return everything that is wrong with a cluster, queues first, each in the order of names."""
    return [
        *check_queues(setup.queues),
        *_check_nodes(setup.nodes),
        *_check_tenants(setup),
        *_check_behaviour(setup.behaviour),
    ]


def check_queues(queues: Sequence[Queue]) -> list[SetupProblem]:
    """Return everything that is wrong with a queue tree, in the order of names."""
    problems = list(_repeated("queue", (queue.name for queue in queues), "FAIR-QUEUE-TWICE"))
    parents = {queue.name: queue.parent for queue in queues}
    for queue in sorted(queues, key=lambda item: item.name):
        subject = f"queue {queue.name}"
        if not queue.name:
            problems.append(SetupProblem("FAIR-QUEUE-NAME", "queue", "a queue has no name", "a name"))
        if queue.parent and queue.parent not in parents:
            message = f"its parent {queue.parent} is no queue, so the scheduler leaves it out with all below it"
            problems.append(SetupProblem("FAIR-QUEUE-PARENT", subject, message, "the name of a queue", queue.parent))
        cycle = _cycle(parents, queue.name)
        if cycle and min(cycle) == queue.name:
            message = "it is its own ancestor"
            problems.append(
                SetupProblem("FAIR-QUEUE-CYCLE", subject, message, "a tree", " > ".join([*cycle, cycle[0]]))
            )
        for resource in ("gpu", "cpu", "memory"):
            problems.extend(_check_entitled(subject, resource, getattr(queue, resource)))
        for name in ("reclaim_min_runtime", "preempt_min_runtime"):
            value = getattr(queue, name)
            if value is not None and value < 0:
                words = name.replace("_", " ")
                problems.append(
                    SetupProblem("FAIR-QUEUE-RUNTIME", subject, f"its {words} is negative", "0 s or more", f"{value} s")
                )
    return problems


def _check_entitled(subject: str, resource: str, entitled: Entitled) -> Iterator[SetupProblem]:
    for word in ("quota", "limit"):
        value = getattr(entitled, word)
        if not _believable(value) and value != UNLIMITED:
            message = f"its {word} of {resource} is no amount"
            yield SetupProblem(
                "FAIR-QUEUE-AMOUNT", subject, message, f"0 to {MOST:g}, or -1 for no bound", f"{value:g}"
            )
    if not _believable(entitled.weight):
        message = f"its over-quota weight of {resource} is no weight"
        yield SetupProblem("FAIR-QUEUE-WEIGHT", subject, message, f"0 to {MOST:g}", f"{entitled.weight:g}")
    bounded = UNLIMITED not in {entitled.quota, entitled.limit}
    if bounded and _believable(entitled.quota) and _believable(entitled.limit) and entitled.limit < entitled.quota:
        message = f"its limit of {resource} is below its quota, so it can never have what it is guaranteed"
        yield SetupProblem("FAIR-QUEUE-LIMIT", subject, message, f"at least {entitled.quota:g}", f"{entitled.limit:g}")


def _believable(value: float) -> bool:
    return math.isfinite(value) and 0 <= value <= MOST


def _cycle(parents: dict[str, str], name: str) -> list[str]:
    """Return the queues of the circle a queue is in, itself first; empty when it is in none."""
    path = [name]
    while (parent := parents.get(path[-1], "")) and parent not in path:
        path.append(parent)
    return path if parent == name else []


def _check_nodes(nodes: Sequence[Node]) -> Iterator[SetupProblem]:
    yield from _repeated("node", (node.name for node in nodes), "FAIR-NODE-TWICE")
    for node in sorted(nodes, key=lambda item: item.name):
        amounts = {"gpus": node.gpus, "cpu": node.cpu, "memory": node.memory, "pods": node.pods, **dict(node.extended)}
        for name, value in amounts.items():
            if not _believable(value):
                message = f"it offers no amount of {name}"
                yield SetupProblem("FAIR-NODE-AMOUNT", f"node {node.name}", message, f"0 to {MOST:g}", f"{value:g}")


def _check_tenants(setup: Setup) -> Iterator[SetupProblem]:
    leaves = set(setup.leaves)
    for tenant, queue in sorted(setup.queue_of.items()):
        if queue not in leaves:
            known = queue in {item.name for item in setup.queues}
            message = f"its queue {queue} {'has queues below it and takes no jobs' if known else 'does not exist'}"
            yield SetupProblem("FAIR-TENANT-QUEUE", f"tenant {tenant}", message, "a queue without children", queue)
    for gpus, resource in sorted(setup.instances.items()):
        size = mig_size(resource)
        if size is None or size[0] * 1000 != gpus:
            message = "it does not count as many GPUs as jobs ask for with it"
            yield SetupProblem("FAIR-INSTANCE", resource, message, "1000 per compute slice", f"{gpus}")


def _check_behaviour(behaviour: Behaviour) -> Iterator[SetupProblem]:
    for name in ("leaving", "checkpoint", "startup", "usage_window", "half_life", "until"):
        value = getattr(behaviour, name)
        if value is not None and value < 0:
            words = name.replace("_", " ")
            yield SetupProblem("FAIR-BEHAVIOUR", "behaviour", f"{words} is negative", "0 s or more", f"{value} s")


def _repeated(kind: str, names: Iterable[str], rule: str) -> Iterator[SetupProblem]:
    for name, count in sorted(Counter(names).items()):
        if count > 1:
            yield SetupProblem(rule, f"{kind} {name}", f"there are {count} of this name", "each name once")
