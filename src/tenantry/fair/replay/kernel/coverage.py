"""Where the fast replay applies, and why not where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.fifo import FifoScheduler
from tenantry.fair.kai.rules import ACTIONS, PLUGINS, Strategy, placement
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.fair.replay.kernel.memory import NONE
from tenantry.model.queue import FREE, UNLIMITED
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from tenantry.fair.kai.rules import Settings
    from tenantry.fair.replay.setup import Setup
    from tenantry.fair.scheduler import Scheduler
    from tenantry.model.job_table import JobTable
    from tenantry.model.queue import Queue

LARGEST_NODE = 64
"""GPUs a node may have: buckets take room by its square."""
MOST_JOBS = 1 << 24
MOST_QUEUES = 1000
"""Tables are made of every pair of queues."""


def not_covered(setup: Setup, table: JobTable, scheduler: Scheduler) -> str | None:
    """Why the fast replay does not apply, or None: what it does not know it leaves to the literal one."""
    if isinstance(scheduler, FifoScheduler):
        settings = scheduler.settings
        if any(queue.gpu != FREE for queue in setup.queues):
            return "queues bound what runs first come, first served"
    elif isinstance(scheduler, KaiScheduler):
        settings = scheduler.settings
        if not _is_usual(settings):
            return "the scheduler has settings beyond the usual ones"
    else:
        return "the scheduler is another one"
    return (
        _odd_settings(settings, setup)
        or _odd_nodes(setup, settings)
        or _odd_queues(setup.queues)
        or _odd_jobs(setup, table)
    )


def _is_usual(settings: Settings) -> bool:
    usual = placement(settings.gpu_strategy, settings.cpu_strategy)
    order = [ACTIONS.index(name) if name in ACTIONS else NONE for name in settings.actions]
    in_order = NONE not in order and order == sorted(set(order)) and order[:1] == [0]
    return in_order and settings.plugins in {PLUGINS, usual.plugins} and not settings.queue_depth


def _odd_settings(settings: Settings, setup: Setup) -> str | None:
    if settings.order_seed:
        return "the order of hash maps is shuffled"
    if settings.restrict_nodes:
        return "only labelled nodes are used"
    if setup.behaviour.usage_window:
        return "shares depend on past usage"
    return None


def _odd_nodes(setup: Setup, settings: Settings) -> str | None:
    sizes = {node.gpus for node in setup.nodes}
    if any(size != int(size) or not 0 <= size <= LARGEST_NODE for size in sizes):
        return f"nodes have parts of GPUs or more than {LARGEST_NODE}"
    if settings.gpu_strategy is Strategy.SPREAD and len(sizes) > 1:
        return "pods spread over nodes of different sizes"
    for node in setup.nodes:
        if node.unready or node.taints or node.extended or node.mig_enabled or node.pods < 2 * node.gpus + 2:
            return "nodes are tainted, unready, partitioned or bound the number of pods"
        if node.gpu_count not in {None, int(node.gpus)}:
            return "a label of a node says another number of GPUs"
    return None


def _odd_queues(queues: tuple[Queue, ...]) -> str | None:
    names = {queue.name: queue.parent for queue in queues}
    if len(names) < len(queues) or len(queues) > MOST_QUEUES or len({queue.created for queue in queues}) > 1:
        return f"queues share a name, differ in age, or are more than {MOST_QUEUES}"
    for queue in queues:
        if queue.cpu != FREE or queue.memory != FREE or any(queue.usage):
            return "queues bound CPU or memory"
        amounts = (queue.gpu.quota, queue.gpu.limit)
        if queue.gpu.weight < 0 or any(amount < 0 and amount != UNLIMITED for amount in amounts):
            return "an entitlement is negative"
        steps, above = 0, queue.parent
        while above and steps <= len(queues):
            if above not in names:
                return "a queue has no parent"
            steps, above = steps + 1, names[above]
        if above:
            return "queues go round"
    return None


def _odd_jobs(setup: Setup, table: JobTable) -> str | None:
    if len(table) >= MOST_JOBS:
        return f"there are {MOST_JOBS} jobs or more"
    if any(gpus % MILLI for gpus in set(table.gpus)):
        return "jobs ask for parts of GPUs"
    if any(node.cpu for node in setup.nodes) and any(table.cpus):
        return "jobs ask for CPU"
    if any(node.memory for node in setup.nodes) and any(table.memory):
        return "jobs ask for memory"
    if len(table.models) > 1:
        return "jobs ask for different GPU models"
    wanted = table.models[0].split("|") if table.models and table.models[0] else []
    if wanted and any(node.labels.get(setup.model_label) not in wanted for node in setup.nodes):
        return "some nodes have other GPUs than jobs ask for"
    leaves = set(setup.leaves)
    if any(queue not in leaves for queue in setup.queue_of.values()):
        return "a tenant has no queue that takes jobs"
    return None
