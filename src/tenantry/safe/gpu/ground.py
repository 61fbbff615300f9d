"""What the channels of GPUs look at, worked out once per view."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from tenantry.model.claim import Missing, Step, Witness
from tenantry.model.tenancy import Strength, TenantIdentity
from tenantry.safe.devices.access import Access, access_of
from tenantry.safe.devices.probes import Prober, admitted, together, with_tolerations
from tenantry.safe.gpu.sharing import Group, gpu_groups
from tenantry.safe.gpu.stack import Stack, read_stack
from tenantry.safe.ruling import Outcome, lacking, pod_witness
from tenantry.safe.view import Answer, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.model.manifest import Body
    from tenantry.safe.devices.probes import Trial

NODES = Missing(
    "labels and taints of nodes", "add the nodes to the objects: kubectl get nodes -o yaml, or name the hosts of pools"
)
NO_GPUS = "no object installs NVIDIA software or asks for NVIDIA devices"


@dataclass(frozen=True, slots=True)
class Trick:
    """A way to get at a GPU that nobody allocated.

    Attributes:
        changes: what is done to a pod, in several forms.
        shows: whether a deployed pod does it; returns the place in the pod, None when it does not.
        summary: what it gives, as the end of a sentence that starts with the tenant.
        steps: what makes it work, after the pod is let in.
        fix: the smallest change that prevents it.
        refused: what a refusal means, as the end of a sentence that starts with what refuses.
        assumes: facts taken for granted.
        queued: whether such pods go through queues.
    """

    changes: tuple[Callable[[Body], None], ...]
    shows: Callable[[Body], tuple[str | int, ...] | None]
    summary: str
    steps: tuple[Step, ...]
    fix: str
    refused: str
    assumes: tuple[str, ...] = ()
    queued: bool = False


class Ground:
    """Analyses the channels of GPUs share."""

    def __init__(self, view: View) -> None:
        self.snapshot = view.snapshot
        self.access: Access = access_of(view)
        self.prober: Prober = self.access.prober
        self._reach: dict[str, tuple[Group | None, Trial | None]] = {}
        self.view = view

    @cached_property
    def stack(self) -> Stack:
        """The NVIDIA software."""
        return read_stack(self.view)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Nodes with GPUs."""
        return gpu_groups(self.view, self.stack)

    @property
    def anywhere(self) -> tuple[Group, ...]:
        """Nodes of which nothing is known, which take every pod."""
        return (Group((), (), (), {}),)

    def fact(self, fact_id: str) -> bool | None:
        """Return the value of a signed yes-or-no fact."""
        found = self.view.declared.fact(fact_id)
        return found if isinstance(found, bool) else None

    def reach(self, tenant: TenantIdentity) -> tuple[Group | None, Trial | None]:
        """Return nodes with GPUs that pods of a tenant can land on, and the trial that says so or does not.

        Both are None where no node is known: then nothing keeps pods away from GPUs.
        """
        if tenant.name not in self._reach:
            self._reach[tenant.name] = self._find_reach(tenant)
        return self._reach[tenant.name]

    def _find_reach(self, tenant: TenantIdentity) -> tuple[Group | None, Trial | None]:
        first: Trial | None = None
        for group in self.groups:
            change = with_tolerations(taint.toleration() for taint in group.taints)
            trial = self.prober.worst(tenant, [change])
            if trial is not None and trial.answer is not Answer.REFUSED:
                return group, trial
            first = first or trial
        return None, first

    def kept_off(self, reached: Trial) -> Outcome:
        """Return what follows where no node with GPUs takes pods of a tenant: nothing, unless all nodes are known."""
        if self.view.snapshot.live:
            return Outcome.safe(f"{reached.by} keeps its pods off every node with GPUs")
        return Outcome.open(NODES)

    def outcome(self, tenant: TenantIdentity, trick: Trick) -> Outcome:
        """Return whether a tenant can do a trick: with a pod it has, or with one it could submit."""
        for template in self.access.pods(tenant.name):
            place = trick.shows(template.body)
            if place is not None:
                step = Step("a pod does so", template.owner.key, (*template.pointer, *place[1:]))
                return Outcome.broken(self._witness(tenant, trick, template.body, step), trick.fix)
        if self.view.strength is Strength.DEPLOYED:
            return Outcome.safe("no pod deployed does so")
        trial = admitted(self.prober.worst(tenant, trick.changes, queued=trick.queued), trick.refused)
        if isinstance(trial, Outcome):
            return trial
        group, reached = self.reach(tenant)
        if group is None and reached is not None:
            return self.kept_off(reached)
        if reached is not None and reached.answer is Answer.UNKNOWN:
            return Outcome.open(*reached.missing)
        pod = self._placed(trick, trial, group)
        step = lacking("admission lets the pod in", f"no admission policy refuses {trick.refused}")
        return Outcome.broken(self._witness(tenant, trick, pod, step), trick.fix)

    def _placed(self, trick: Trick, trial: Trial, group: Group | None) -> Body:
        """Return the pod with tolerations for nodes with GPUs where admission lets in that too."""
        if group is None or not group.taints:
            return trial.pod
        namespace = trial.pod["metadata"]["namespace"]
        tolerant = with_tolerations(taint.toleration() for taint in group.taints)
        changes = [together(change, tolerant) for change in trick.changes]
        placed = self.prober.trial(namespace, changes, queued=trick.queued)
        return placed.pod if placed.answer is Answer.ADMITTED else trial.pod

    @staticmethod
    def _witness(tenant: TenantIdentity, trick: Trick, pod: Body, step: Step) -> Witness:
        return pod_witness(f"{tenant.name} {trick.summary}", pod, (step, *trick.steps), *trick.assumes)

    def absent(self, what: str) -> Missing:
        """Return what is missing where the operator's settings are not among the objects."""
        return Missing(what, "add the ClusterPolicy of the GPU Operator to the objects")


@lru_cache(maxsize=2)
def ground_of(view: View) -> Ground:
    """Return the analyses of a view; channels of one view share them."""
    return Ground(view)


def outcomes(view: View, decide: Callable[[Ground, TenantIdentity], Outcome]) -> Iterable[tuple[str, Outcome]]:
    """Yield the outcome of every tenant; all are safe where there are no GPUs."""
    ground = ground_of(view)
    for tenant in view.sources:
        yield tenant.name, (decide(ground, tenant) if ground.stack.present else Outcome.safe(NO_GPUS))
