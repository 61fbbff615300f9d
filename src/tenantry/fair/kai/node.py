"""Nodes during a cycle: what is idle, what is being released, and which GPUs are shared by whom.

Source: pkg/scheduler/api/node_info (node_info.go, gpu_sharing_node_info.go).
"""

from __future__ import annotations

import math
import re
from operator import add
from typing import TYPE_CHECKING

from tenantry.fair.kai.asks import DEFAULT_GPU_MEMORY, GPU, PODS, Ask, Axes, fits
from tenantry.fair.kai.state import IS_USED, RELEASING
from tenantry.model.job import GpuKind, PodStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.fair.kai.state import Task
    from tenantry.model.moment import Node as ModelNode

PIPELINED = int(PodStatus.PIPELINED)
RELEASED = {RELEASING: 1.0, PIPELINED: -1.0}
"""How often what a pod takes is booked as being released, by its status; a promise takes from that."""
UNKNOWN = -1
"""Kind of a node that was not looked at since a pod came or went."""
NOWHERE = -1
"""Stands for a position that does not exist."""
WHOLE = ""
"""Stands for a GPU nobody shares yet, among the GPUs a part may be taken of."""

_NUMBER = re.compile(r"^[+-]?\d+$")


class Held:
    """A pod as its node knows it: with the status and the GPUs it had when it was last told.

    ``booked`` are the positions and amounts it takes of what the node counts. Shared GPUs are counted one by one; what
    the node does not offer is not counted at all.
    """

    __slots__ = ("accepted", "ask", "booked", "groups", "shares_gpu", "status", "task")

    def __init__(self, task: Task, booked: Sequence[tuple[int, float]]) -> None:
        self.task, self.ask, self.accepted = task, task.ask, task.accepted
        self.status, self.groups, self.shares_gpu = task.status, task.groups, task.shares_gpu
        self.booked = booked


class Node:
    """A node during a cycle.

    Attributes:
        name: name.
        model: as the moment has it.
        axes: positions in vectors.
        offered: what it offers in all.
        idle: what nobody holds.
        releasing: what is held by pods on their way out and promised to nobody.
        used: what is held or promised.
        gpu_memory: MiB of each GPU.
        synced: whether a label says how much memory its GPUs have.
        gpu_count: GPUs it counts itself to have.
        shared: MiB in use or promised per shared GPU.
        leaving: MiB on their way out per shared GPU.
        holding: MiB held per shared GPU.
        held: pods on it.
        ready: whether pods may be placed on it.
        plain: whether it is ready, has no taint and offers no MIG instances.
        mig: whether it offers MIG instances.
        strategy: its MIG strategy; ``none`` without MIG.
        legacy: pods that ask for MIG by annotation.
        version: changes whenever a pod comes or goes.
        kind: what :meth:`find_kind` found, :data:`UNKNOWN` once a pod came or went.
    """

    __slots__ = (
        "_booked", "_fixed", "_sums",
        "axes", "gpu_count", "gpu_memory", "held", "holding", "idle", "kind", "leaving", "legacy", "marked", "mig",
        "model", "name", "offered", "plain", "ready", "releasing", "shared", "strategy", "synced", "used", "version",
    )  # fmt: skip

    def __init__(self, model: ModelNode, axes: Axes) -> None:
        self.model, self.name, self.axes = model, model.name, axes
        offered = [0.0] * axes.size
        offered[:4] = [model.cpu, model.memory, model.gpus, model.pods]
        for name, amount in model.extended:
            offered[axes.index[name]] = amount
        self.offered, self.idle = offered, list(offered)
        self.releasing, self.used = [0.0] * axes.size, [0.0] * axes.size
        self.synced = model.gpu_memory is not None
        # Rounded down so that two parts never come to the same bytes by different ways (getNodeGpuMemory).
        memory = model.gpu_memory if model.gpu_memory is not None else DEFAULT_GPU_MEMORY
        self.gpu_memory = memory - memory % 100 if self.synced else memory
        self.gpu_count = model.gpu_count if model.gpu_count is not None else int(model.gpus)
        self.shared: dict[str, int] = {}
        self.leaving: dict[str, int] = {}
        self.holding: dict[str, int] = {}
        self.marked: set[str] = set()
        self.held: dict[str, Held] = {}
        self.ready = not model.unready
        self.mig = model.mig_enabled
        if self.mig is None:
            self.mig = any(offered[position] > 0 for name, position in axes.index.items() if "nvidia.com/mig-" in name)
        self.strategy = model.mig_strategy if self.mig and model.mig_strategy in {"mixed", "single"} else "none"
        self.plain = self.ready and not self.mig and not model.taints
        self.legacy: set[str] = set()
        self._booked: dict[tuple[float, ...], list[tuple[int, float]]] = {}
        fixed = (tuple(offered), self.gpu_count, self.gpu_memory, self.mig)
        self._fixed = axes.models.setdefault(fixed, len(axes.models))
        self.version = 0
        self.kind = UNKNOWN
        self._sums = (-1, False, 0.0)

    # --- pods come and go -------------------------------------------------------------------------------------------

    def add(self, task: Task) -> None:
        """Take a pod in, as its status says."""
        self._charge(task)
        accepted = task.accepted
        booked = self._booked.get(accepted) if not task.shares_gpu else None
        if booked is None:
            shared, offered = GPU if task.shares_gpu else NOWHERE, self.offered
            booked = [
                (position, amount)
                for position, amount in enumerate(accepted)
                if amount and offered[position] and position != shared
            ]
            if not task.shares_gpu:
                self._booked[accepted] = booked
        held = Held(task, booked)
        self.held[task.uid] = held
        if task.ask.legacy:
            self.legacy.add(task.uid)
        self._book(held, 1.0)
        if held.shares_gpu:
            for group in held.groups:
                self._take_part(held, group)
        self.version += 1
        self.kind = UNKNOWN

    def remove(self, uid: str) -> None:
        """Let a pod go, as it stood when it was last told."""
        held = self.held.pop(uid)
        self._book(held, -1.0)
        if held.shares_gpu:
            for group in held.groups:
                self._give_part(held, group)
        self.version += 1
        self.kind = UNKNOWN

    def withdraw(self, uid: str) -> None:
        """Let a pod go whose step is taken back, and forget the GPUs that only it had begun to share.

        Nobody can name those any more. A search that left them behind would make every later look at the node longer.
        """
        groups = self.held[uid].groups
        self.remove(uid)
        for group in groups:
            if not (self.shared.get(group) or self.holding.get(group) or self.leaving.get(group)):
                for known in (self.shared, self.holding, self.leaving):
                    known.pop(group, None)

    def update(self, task: Task) -> None:
        """Take note that a pod has changed."""
        held = self.held[task.uid]
        if held.task is not task or held.accepted is not task.ask.vector or not task.status & IS_USED:
            self.remove(task.uid)
            self.add(task)
            return
        # A pod of whole GPUs takes the same whatever its status is; only where it is booked changes.
        before, after = held.status, task.status
        taken = (before != PIPELINED) - (after != PIPELINED)
        left = RELEASED.get(after, 0.0) - RELEASED.get(before, 0.0)
        idle, releasing = self.idle, self.releasing
        for position, amount in held.booked:
            if taken:
                idle[position] += amount * taken
            releasing[position] += amount * left
        held.status, held.groups = after, task.groups
        self.version += 1
        self.kind = UNKNOWN

    def move_part(self, task: Task) -> None:
        """Take a pod in again with other shared GPUs, while what it holds already is still on its way out.

        A search that takes this back and the eviction before it leaves the old part booked until the next cycle: the
        pod is no longer found on its node and is added anew (a quirk, statement.go ``unevict``).
        """
        self.held.pop(task.uid, None)
        self.add(task)

    def _charge(self, task: Task) -> None:
        """Settle what a pod is charged with here (setAcceptedResources)."""
        if not task.status & IS_USED:
            return
        ask = task.ask
        if ask.kind is not GpuKind.MIG and not ask.shared:
            task.shares_gpu, task.accepted_gpus, task.accepted = False, ask.gpus, ask.vector
            return
        vector = list(ask.vector)
        if ask.kind is GpuKind.MIG:
            task.shares_gpu, task.accepted_gpus = False, ask.quota
            vector[GPU] = 0.0
        else:
            part = self.portion(ask)
            hundredths = part * 100
            whole = math.floor(hundredths)
            task.accepted_gpus = (whole + (1 if hundredths - whole >= 0.5 else 0)) * ask.devices / 100
            task.shares_gpu = True
            vector[GPU] = task.accepted_gpus
        task.accepted = tuple(vector)

    def _book(self, held: Held, sign: float) -> None:
        status, used, idle, releasing = held.status, self.used, self.idle, self.releasing
        for position, accepted in held.booked:
            amount = accepted * sign
            used[position] += amount
            if status == RELEASING:
                releasing[position] += amount
                idle[position] -= amount
            elif status == PIPELINED:
                releasing[position] -= amount
            else:
                idle[position] -= amount

    def _take_part(self, held: Held, group: str) -> None:
        memory = self.part_memory(held.ask)
        shared, leaving, holding = self.shared, self.leaving, self.holding
        shared[group] = shared.get(group, 0) + memory
        if held.status == RELEASING:
            leaving[group] = leaving.get(group, 0) + memory
            holding[group] = holding.get(group, 0) + memory
            if shared[group] == leaving[group]:
                if group not in self.marked:
                    self.releasing[GPU] += 1
                    self.marked.add(group)
                if self.gpu_count < int(self.idle[GPU]) + self._used_gpus():
                    self.idle[GPU] -= 1
        elif held.status == PIPELINED:
            leaving[group] = leaving.get(group, 0) - memory
            if shared[group] - memory == leaving[group] + memory:
                self.releasing[GPU] -= 1
        else:
            holding[group] = holding.get(group, 0) + memory
            if shared[group] <= memory and self.gpu_count < int(self.idle[GPU]) + self._used_gpus():
                self.idle[GPU] -= 1
            if group in self.marked:
                self.releasing[GPU] -= 1
                self.marked.discard(group)

    def _give_part(self, held: Held, group: str) -> None:
        memory = self.part_memory(held.ask)
        shared, leaving, holding = self.shared, self.leaving, self.holding
        shared[group] = shared.get(group, 0) - memory
        if held.status == RELEASING:
            leaving[group] = leaving.get(group, 0) - memory
            holding[group] = holding.get(group, 0) - memory
            if shared[group] <= 0:
                self._regain()
                if group in self.marked:
                    self.releasing[GPU] -= 1
                    self.marked.discard(group)
        elif held.status == PIPELINED:
            leaving[group] = leaving.get(group, 0) + memory
            before_all_left = shared[group] + memory == leaving[group] - memory
            if before_all_left or (shared[group] == 0 and leaving[group] == 0):
                self.releasing[GPU] += 1
        else:
            holding[group] = holding.get(group, 0) - memory
            if shared[group] <= 0:
                self._regain()
            if self._all_leaving(group) and group not in self.marked:
                self.releasing[GPU] += 1
                self.marked.add(group)

    def _regain(self) -> None:
        if self.gpu_count >= int(self.idle[GPU]) + self._used_gpus():
            self.idle[GPU] += 1

    def _used_gpus(self) -> int:
        return int(self.used[GPU]) + sum(1 for memory in self.shared.values() if memory > 0)

    def _all_leaving(self, group: str) -> bool:
        memory = self.shared.get(group, 0)
        return memory != 0 and group in self.leaving and self.leaving[group] == memory

    # --- parts of GPUs ----------------------------------------------------------------------------------------------

    def part_memory(self, ask: Ask) -> int:
        """MiB a pod takes of each of its GPUs here."""
        return ask.memory if ask.memory > 0 else int(ask.portion * self.gpu_memory)

    def fraction(self, memory: int) -> float:
        """Part of a GPU that so many MiB are, rounded up to a hundredth."""
        return math.ceil(memory / self.gpu_memory * 100) / 100

    def portion(self, ask: Ask) -> float:
        """Part of each GPU a pod takes here."""
        return self.fraction(ask.memory) if ask.memory > 0 else ask.portion

    def fits_group(self, ask: Ask, group: str) -> bool:
        """Whether a part fits on a shared GPU, counting what is on its way out."""
        holding, leaving = self.holding.get(group, 0), self.leaving.get(group, 0)
        return (
            self.shared.get(group, 0) != 0
            and self.gpu_memory - holding + leaving - self.part_memory(ask) >= 0
            and holding != leaving
        )

    def fits_any_group(self, ask: Ask) -> bool:
        """Whether a part fits on any shared GPU, counting what is on its way out."""
        holding, leaving, room = self.holding, self.leaving, self.gpu_memory - self.part_memory(ask)
        for group, memory in self.shared.items():
            if memory:
                held, gone = holding.get(group, 0), leaving.get(group, 0)
                if held != gone and room - held + gone >= 0:
                    return True
        return False

    def fits_group_now(self, ask: Ask, group: str) -> bool:
        """Whether a part fits on a shared GPU beside all who still hold a part of it."""
        return group in self.holding and self.gpu_memory - self.holding[group] - self.part_memory(ask) >= 0

    def sharable(self, ask: Ask) -> Iterator[str]:
        """Yield the GPUs a part may be taken of: shared ones it fits on, then :data:`WHOLE` per GPU nobody shares."""
        for group in self.shared:
            if self.fits_group(ask, group):
                yield group
        if self.idle[GPU] > 0 or self.releasing[GPU] > 0:
            for _ in range(int(self.idle[GPU]) + int(self.releasing[GPU])):
                yield WHOLE

    # --- whether a pod fits -----------------------------------------------------------------------------------------

    def fits_now(self, ask: Ask) -> bool:
        """Whether a pod fits on what is idle."""
        return self._fits(ask, self.idle)

    def fits_later(self, ask: Ask) -> bool:
        """Whether a pod fits on what is idle or being released."""
        return self._fits(ask, self.free())

    def free(self) -> list[float]:
        """What is idle or being released."""
        return list(map(add, self.idle, self.releasing))

    def _fits(self, ask: Ask, room: list[float]) -> bool:
        if not ask.shared:
            return fits(ask.vector, room)
        for position, amount in enumerate(ask.vector):
            if amount > room[position] and position != GPU:
                return False
        part = self.portion(ask)
        if part > 1 and part != int(part):
            return False
        missing = ask.devices - math.floor(room[GPU])
        if missing <= 0:
            return True
        if missing > ask.devices:
            # More than there are were given away (a quirk), and of shared ones no more count than are asked for.
            return False
        for group in self.shared:
            if self.fits_group(ask, group):
                missing -= 1
                if missing <= 0:
                    return True
        return False

    def charge_for(self, ask: Ask) -> tuple[float, float, float]:
        """CPU, memory and GPUs a pod would be charged with here (GetRequiredInitQuota)."""
        gpus = ask.quota if ask.mig else ask.devices * self.fraction(self.part_memory(ask))
        return (ask.vector[0], ask.vector[1], gpus)

    def find_kind(self) -> int:
        """Number that nodes have in common on which the same pods fit, as little or as much of them being free."""
        leaving, holding = self.leaving, self.holding
        parts: list[tuple[int, int, int]] = []
        if self.shared:
            parts = sorted((memory, leaving.get(name, 0), holding.get(name, 0)) for name, memory in self.shared.items())
        kinds = self.axes.kinds
        key = (tuple(self.idle), tuple(self.releasing), tuple(parts), self._fixed)
        self.kind = kinds.setdefault(key, len(kinds))
        return self.kind

    @property
    def cpu_only(self) -> bool:
        """Whether it has no GPU of any kind."""
        return not self.mig and self.offered[GPU] <= 0

    @property
    def free_pods(self) -> float:
        """Pods it may still take."""
        return self.idle[PODS] + self.releasing[PODS]

    # --- sums the search looks at ------------------------------------------------------------------------------------

    def idle_gpus(self) -> tuple[float, int]:
        """GPUs and MiB that are idle, free parts of shared GPUs included."""
        parts, memory = 0.0, 0
        for holding in self.holding.values():
            if holding > 0:
                parts += 1 - self.fraction(holding)
                memory += self.gpu_memory - holding
        whole = self.axes.total_gpus(self.idle)
        return parts + whole, memory + int(whole) * self.gpu_memory

    def releasing_gpus(self) -> tuple[float, int]:
        """GPUs and MiB on their way out, parts of shared GPUs included."""
        parts, memory = 0.0, 0
        for group, leaving in self.leaving.items():
            if leaving > 0 and not self._all_leaving(group):
                parts += self.fraction(leaving)
                memory += leaving
        whole = self.axes.total_gpus(self.releasing)
        return parts + whole, memory + int(whole) * self.gpu_memory

    def free_gpus(self) -> float:
        """GPUs that are idle or on their way out."""
        return self._sums[2] if self._sums[0] == self.version else self._summed()[2]

    def any_free(self) -> bool:
        """Whether any part of a GPU is idle or on its way out."""
        return self._sums[1] if self._sums[0] == self.version else self._summed()[1]

    def _summed(self) -> tuple[int, bool, float]:
        """The last two, kept until a pod comes or goes."""
        if self._sums[0] != self.version:
            idle, releasing = self.idle_gpus()[0], self.releasing_gpus()[0]
            self._sums = (self.version, idle > 0 or releasing > 0, idle + releasing)
        return self._sums

    def free_parts(self) -> float:
        """Sum of the free parts of shared GPUs."""
        total = 0.0
        for group, memory in self.shared.items():
            if memory > 0:
                room = self.gpu_memory - self.holding.get(group, 0) + self.leaving.get(group, 0)
                if room > 0:
                    total += room / self.gpu_memory
        return total

    def used_portion(self, group: str) -> float | None:
        """Part of a shared GPU in use, or None where the GPUs are too small to be real."""
        if self.gpu_memory < DEFAULT_GPU_MEMORY:
            return None
        return self.shared.get(group, 0) / self.gpu_memory


def is_new_group(group: str) -> bool:
    """Whether a shared GPU will need a reservation pod: its name is no number (plugins/predicates/predicates.go)."""
    return _NUMBER.match(group) is None
