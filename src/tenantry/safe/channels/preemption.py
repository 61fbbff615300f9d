"""Q2 and Q4: whether a tenant's pods push out those of another, by priority on a node or within its guaranteed share.

Taking back what was lent is what a guarantee is for and no violation.

Sources: Kubernetes ``pkg/scheduler/framework/preemption``; Kueue ``apis/kueue/v1beta1/clusterqueue_types.go``;
KAI scheduler ``pkg/scheduler/plugins/proportion/reclaimable``: a queue over its quota in one of the resources can lose
all of them, and queues are compared where their branches part.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.attempts import Attempts
from tenantry.safe.queueing import UNLIMITED, Candidates, Queues, covered_resources
from tenantry.safe.quotas import quotas_of
from tenantry.safe.reading import amount, at, labels_of, mapping, number, strings, text
from tenantry.safe.ruling import Outcome, Ruling, pairwise, worst
from tenantry.safe.shapes import representatives
from tenantry.safe.trials import Trials
from tenantry.safe.view import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body, Manifest
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.queueing import ClusterQueue, KaiQueue
    from tenantry.safe.view import View

Q2 = Ruling("Q2", "preemption by priority", Effect.STARVE, Impact.S2)
Q4 = Ruling("Q4", "preemption within another's guarantee", Effect.STARVE, Impact.S2)

LIMITED_FACT = "api-server.priority-classes-limited"
RUNAI_FACT = "runai.projects-reviewed"

# Classes every API server makes at start (Kubernetes pkg/apis/scheduling/types.go), and OpenShift's.
BUILT_IN = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
MOST_CLASSES = 12
"""Priority classes up to which each is tried in each namespace."""

OPENSHIFT_BUILT_IN = {"openshift-user-critical": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class _Class:
    name: str
    value: float
    manifest: Manifest | None

    def step(self) -> Step:
        edge = f"preempts pods of lower priority than {self.value:.0f}"
        if self.manifest is not None:
            return Step(edge, self.manifest.key, ("value",))
        return Step(edge, missing=f"{self.name} exists in every cluster and no object limits it")


def priorities(view: View) -> Iterable[Claim]:
    """Decide Q2: no class a tenant may use preempts pods of other tenants."""
    rule = _Priorities(view)
    for tenant in view.sources:
        yield rule.outcome(tenant).claim(Q2, tenant.name)


class _Priorities:
    def __init__(self, view: View) -> None:
        self.view = view
        self.prober = Trials(view)
        self.attempts = Attempts(view)
        self.book = quotas_of(view.snapshot)
        self.classes = _classes(view)
        self.default = _default_value(view)
        self.limited = view.signed(LIMITED_FACT) is True
        self.candidates = Candidates(view, {item.name: "" for item in self.classes})

    def outcome(self, tenant: TenantIdentity) -> Outcome:
        if self.view.strength is Strength.DEPLOYED:
            return self._as_deployed(tenant)
        outcomes: list[Outcome] = []
        right = self.attempts.writes(tenant.name, "scheduling.k8s.io", "priorityclasses")
        if right is not None:
            witness = Witness(right.steps, f"{tenant.name} may write priority classes and so outrank everybody")
            outcomes.append(Outcome.broken(witness, "take the right to write priorityclasses from it"))
        # Only classes above the priority pods have by themselves can push somebody out.
        preempting = [item for item in self.classes if item.value > self.default]
        for namespace in representatives(self.view, tenant):
            if self.attempts.pods(tenant.name, namespace) is None:
                continue
            tried = self.candidates.of(tenant.name, namespace) if len(preempting) > MOST_CLASSES else None
            for item in preempting:
                # Among very many, the highest stands for every class that no policy and no namespace mentions.
                if tried is None or item is preempting[0] or item.manifest is None or item.name in tried:
                    outcomes.extend(self._usable(tenant.name, namespace, item))
            if any(found.witness is not None for found in outcomes):
                break
        return worst([*outcomes, Outcome.safe("no priority class it may use preempts pods of others")])

    def _usable(self, tenant: str, namespace: str, item: _Class) -> Iterator[Outcome]:
        if self.book.limiting_class(namespace, item.name) is not None:
            return
        if self.limited and item.manifest is None:
            return
        trial = self.prober.trial(namespace, [_with_class(item.name)])
        if trial.answer is Answer.UNKNOWN:
            yield Outcome.open(*trial.missing)
        right = self.attempts.pods(tenant, namespace)
        if trial.answer is not Answer.ADMITTED or right is None:
            return
        let_in = Step("admission lets the pod in", missing=f"no guard of {namespace} refuses class {item.name}")
        witness = Witness(
            (*right.steps, let_in, item.step()),
            f"a pod of {tenant} in {namespace} with class {item.name} preempts pods of other tenants",
            (("manifest", trial.pod),),
            ("the API server limits no priority class to quotas (limitedResources), its default",),
        )
        fix = f"refuse class {item.name} in {namespace} by an admission policy, or give it preemptionPolicy Never"
        yield Outcome.broken(witness, fix)

    def _as_deployed(self, tenant: TenantIdentity) -> Outcome:
        known = {item.name: item for item in self.classes}
        for template in self.view.tenant_pods(tenant.name):
            item = known.get(text(template.body, "spec", "priorityClassName"))
            if item is None:
                continue
            for other in self.view.tenants:
                for victim in self.view.tenant_pods(other.name) if other.name != tenant.name else ():
                    if self._value(victim.body) < item.value:
                        uses = Step(f"runs with class {item.name}", template.owner.key, template.pointer)
                        loses = Step("is preempted", victim.owner.key, victim.pointer)
                        summary = (
                            f"{template.owner.key} of {tenant.name} can preempt {victim.owner.key} of {other.name}"
                        )
                        fix = f"give class {item.name} preemptionPolicy Never"
                        return Outcome.broken(Witness((uses, item.step(), loses), summary), fix)
        return Outcome.safe("no pod of its has a class that preempts pods of others")

    def _value(self, pod: Body) -> float:
        name = text(pod, "spec", "priorityClassName")
        found = self.view.snapshot.get("scheduling.k8s.io", "PriorityClass", name) if name else None
        return number(at(found.body, "value")) or 0.0 if found else self.default


def _with_class(name: str) -> Callable[[Body], None]:
    def change(pod: Body) -> None:
        pod["spec"]["priorityClassName"] = name

    return change


def _classes(view: View) -> list[_Class]:
    """Return the classes that preempt, highest first."""
    found: dict[str, _Class | None] = {}
    for manifest in view.snapshot.of("scheduling.k8s.io", "PriorityClass"):
        never = text(manifest.body, "preemptionPolicy") == "Never"
        value = number(at(manifest.body, "value")) or 0.0
        found[manifest.key.name] = None if never else _Class(manifest.key.name, value, manifest)
    built_in = {**BUILT_IN, **(OPENSHIFT_BUILT_IN if view.distribution_openshift else {})}
    for name, value in built_in.items():
        found.setdefault(name, _Class(name, value, None))
    classes = [item for item in found.values() if item is not None]
    return sorted(classes, key=lambda item: (-item.value, item.name))


def _default_value(view: View) -> float:
    """Return the priority of pods that name no class."""
    classes = view.snapshot.of("scheduling.k8s.io", "PriorityClass")
    return max(
        (number(at(item.body, "value")) or 0.0 for item in classes if at(item.body, "globalDefault") is True),
        default=0.0,
    )


# --- Q4 --------------------------------------------------------------------------------------------------------------


def within_guarantee(view: View) -> Iterable[Claim]:
    """Decide Q4: what a queue is guaranteed is never taken by work of another tenant."""
    rule = _Guarantees(view)
    for tenant in view.sources:
        found = rule.found.get(tenant.name, {})
        if rule.missing is not None:
            yield rule.missing.claim(Q4, tenant.name)
        if found or rule.missing is None:
            yield from pairwise(Q4, view, tenant.name, found, rule.reason)


class _Guarantees:
    def __init__(self, view: View) -> None:
        self.view = view
        self.queues = Queues(view)
        self.found: dict[str, dict[str, Outcome]] = defaultdict(dict)
        self.missing: Outcome | None = None
        self.reason = "its queues take back what others borrowed, and nothing within what others are guaranteed"
        if not self.queues.any:
            self.reason = "no object sets up queues, so none preempts"
        if self.queues.runai_projects and not self.queues.kai and view.signed(RUNAI_FACT) is not True:
            self.missing = Outcome.open(view.missing(RUNAI_FACT))
        self._kueue()
        self._overbooked()
        self._kai()

    def _add(self, source: str, target: str, outcome: Outcome) -> None:
        if source and target and source != target:
            self.found[source].setdefault(target, outcome)

    # --- Kueue --------------------------------------------------------------------------------------------------------

    def _users(self) -> dict[str, set[str]]:
        """Tenants per ClusterQueue: its owner and those with a LocalQueue that leads into it."""
        users: dict[str, set[str]] = {name: {queue.owner} - {""} for name, queue in self.queues.cluster_queues.items()}
        for namespace, local_queues in self.queues.local_queues.items():
            owner = self.view.tenancy.owner(namespace)
            for local in local_queues:
                name = text(local.body, "spec", "clusterQueue")
                if name in users and owner in self.view.tenancy.by_name:
                    users[name].add(str(owner))
        return users

    def _kueue(self) -> None:
        users = self._users()
        by_tree: dict[str, list[ClusterQueue]] = defaultdict(list)
        for name, queue in sorted(self.queues.cluster_queues.items()):
            if queue.cohort:
                by_tree[self.queues.tree(queue.cohort)].append(queue)
            within = text(queue.manifest.body, "spec", "preemption", "withinClusterQueue") or "Never"
            if within != "Never":
                step = Step(
                    "preempts within the queue", queue.manifest.key, ("spec", "preemption", "withinClusterQueue")
                )
                for source in users[name]:
                    for target in users[name] - {source}:
                        summary = f"work of {source} preempts work of {target} in ClusterQueue {name}, which both use"
                        fix = "give each tenant a ClusterQueue of its own"
                        self._add(source, target, Outcome.broken(Witness((step,), summary), fix))
        for tree, queues in sorted(by_tree.items()):
            for queue in queues:
                path = ("spec", "preemption", "borrowWithinCohort", "policy")
                if (text(queue.manifest.body, *path) or "Never") == "Never":
                    continue
                step = Step("preempts while it borrows", queue.manifest.key, path)
                targets = {name for other in queues if other is not queue for name in users[other.name]}
                for source in users[queue.name]:
                    for target in targets - {source}:
                        summary = f"work of {source} that borrows preempts work of {target} in cohort {tree}"
                        fix = f"set spec.preemption.borrowWithinCohort.policy of {queue.name} to Never"
                        self._add(source, target, Outcome.broken(Witness((step,), summary), fix))

    def _overbooked(self) -> None:
        """Find guarantees of one flavor that together exceed its nodes, where these are known."""
        users = self._users()
        promised: dict[tuple[str, str], list[tuple[ClusterQueue, float]]] = defaultdict(list)
        for _, queue in sorted(self.queues.cluster_queues.items()):
            for flavor, resource, nominal in covered_resources(queue.manifest):
                found = amount(nominal)
                if found is not None and found.nanos > 0:
                    promised[flavor, resource].append((queue, float(found.value)))
        for (flavor, resource), entries in sorted(promised.items()):
            capacity = self._capacity(flavor, resource)
            total = sum(value for _, value in entries)
            if capacity is None or total <= capacity:
                continue
            steps = tuple(Step("is promised", queue.manifest.key, ("spec", "resourceGroups")) for queue, _ in entries)
            summary = f"{total:g} {resource} of flavor {flavor} are promised and {capacity:g} exist"
            details = (("flavor", flavor), ("resource", resource), ("promised", total), ("capacity", capacity))
            fix = f"lower nominalQuota of {resource} to {capacity:g} in all"
            outcome = Outcome.broken(Witness(steps, summary, details), fix)
            for left, _ in entries:
                for right, _ in entries:
                    for source in users[left.name] if left is not right else ():
                        for target in users[right.name]:
                            self._add(source, target, outcome)

    def _capacity(self, flavor: str, resource: str) -> float | None:
        """Return how much of a resource the nodes of a flavor have; None when no node of it is known."""
        found = next(
            (f for f in self.view.snapshot.of("kueue.x-k8s.io", "ResourceFlavor") if f.key.name == flavor), None
        )
        wanted = strings(found.body, "spec", "nodeLabels") if found else {}
        amounts = []
        for node in self.view.snapshot.of("", "Node"):
            allocatable = mapping(node.body, "status", "allocatable")
            if allocatable and wanted.items() <= labels_of(node.body).items():
                value = amount(allocatable.get(resource))
                amounts.append(float(value.value) if value else 0.0)
        return sum(amounts) if amounts and found else None

    # --- KAI ----------------------------------------------------------------------------------------------------------

    def _kai(self) -> None:
        leaves = [queue for queue in self.queues.kai_leaves if queue.owner]
        by_shard: dict[str, list[KaiQueue]] = defaultdict(list)
        for queue in leaves:
            by_shard[queue.shard].append(queue)
        children: dict[str, float] = defaultdict(float)
        for queue in self.queues.kai.values():
            quota = queue.quota("gpu")
            children[queue.parent] += float("inf") if quota == UNLIMITED else quota
        paths = {queue.name: self._path(queue) for queue in leaves}
        for queues in by_shard.values():
            for victim in queues:
                if victim.quota("gpu") == 0:
                    continue
                outcome_at = [self._weak(item, victim, children) for item in paths[victim.name]]
                if not any(outcome_at):
                    continue
                for reclaimer in queues:
                    self._pair(reclaimer, victim, paths, outcome_at)

    def _path(self, queue: KaiQueue) -> list[KaiQueue]:
        """Return a queue and its ancestors, topmost first; a cycle ends where it closes."""
        path, name = [queue], queue.parent
        while name in self.queues.kai and self.queues.kai[name] not in path:
            path.append(self.queues.kai[name])
            name = path[-1].parent
        return path[::-1]

    def _weak(self, item: KaiQueue, victim: KaiQueue, children: dict[str, float]) -> Outcome | None:
        """Return why what a leaf is guaranteed is not safe at one of its ancestors or itself, None when it is."""
        gpu = item.quota("gpu")
        if gpu != UNLIMITED and item is not victim and gpu < children[item.name]:
            path: tuple[str, ...] = ("spec", "resources", "gpu", "quota")
            promised = children[item.name]
            step = Step(f"is guaranteed {gpu:g} GPUs", item.manifest.key, path)
            below = Step("is guaranteed GPUs below it", victim.manifest.key, path)
            summary = (
                f"queue {item.name} is guaranteed {gpu:g} GPUs and the queues below it {promised:g}: others reclaim"
            )
            details = () if promised == float("inf") else (("below", promised),)
            fix = f"raise spec.resources.gpu.quota of {item.name}"
            return Outcome.broken(Witness((step, below), summary, details), fix)
        for kind in ("cpu", "memory"):
            if item.quota(kind) == 0 and gpu != 0:
                path = ("spec", "resources", kind, "quota")
                step = Step(f"is guaranteed no {kind}", item.manifest.key, path)
                summary = (
                    f"pods of queue {item.name} are over their {kind} quota of 0 as soon as they run: others reclaim"
                )
                fix = f"set spec.resources.{kind}.quota of {item.name} to -1 or to what its GPUs need"
                return Outcome.broken(Witness((step,), summary), fix)
        return None

    def _pair(
        self, reclaimer: KaiQueue, victim: KaiQueue, paths: dict[str, list[KaiQueue]], outcome_at: list[Outcome | None]
    ) -> None:
        if reclaimer.owner == victim.owner:
            return
        mine, theirs = paths[reclaimer.name], paths[victim.name]
        part = 0
        while part < min(len(mine), len(theirs)) and mine[part] is theirs[part]:
            part += 1
        # Compared where the branches part; what lies below must be backed there as well.
        outcome = outcome_at[part] if part < len(theirs) else None
        if outcome is None or part >= len(mine):
            return
        # A reclaimer without a quota of its own in that resource is over it as well, and reclaims nothing by right.
        by_gpus = outcome.witness is not None and all("gpu" in step.pointer for step in outcome.witness.steps)
        if by_gpus or all(mine[part].quota(kind) != 0 for kind in ("cpu", "memory")):
            self._add(reclaimer.owner, victim.owner, outcome)
