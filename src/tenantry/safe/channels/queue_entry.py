"""Q3 and Q5: whose queues a tenant's work can enter, and whether GPUs can be had without entering any.

Sources: KAI scheduler ``pkg/admission`` (nothing binds a queue to a namespace) and ``pkg/podgrouper`` (the label of the
topmost owner comes before that of the pod); Kueue ``ClusterQueue.spec.namespaceSelector``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.attempts import PROBE, Attempts
from tenantry.safe.devices.probes import modest_pod, together, with_limit
from tenantry.safe.devices.reading import requested
from tenantry.safe.kueue_manager import kueue_manager
from tenantry.safe.offers import GPU, read_offers
from tenantry.safe.queueing import (
    KAI_GROUP,
    KAI_LABEL,
    KAI_SCHEDULER,
    KUEUE_GROUP,
    KUEUE_LABEL,
    RUNAI_LABEL,
    RUNAI_SCHEDULER,
    UNKNOWN_SYSTEMS,
    Candidates,
    ClusterQueue,
    Queues,
    granted_owners,
)
from tenantry.safe.quotas import quotas_of
from tenantry.safe.reading import amount, at, labels_of, text
from tenantry.safe.ruling import Outcome, Ruling, pairwise, worst
from tenantry.safe.shapes import representatives
from tenantry.safe.trials import Trials
from tenantry.safe.view import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.devices.probes import Trial
    from tenantry.safe.view import View

Q3 = Ruling("Q3", "queue of another tenant", Effect.STARVE, Impact.S2)
Q5 = Ruling("Q5", "GPUs without a queue", Effect.STARVE, Impact.S2)

OTHER_SYSTEMS_FACT = "scheduler.other-queues-reviewed"
UNLABELLED_FACT = "kueue.manages-unlabelled-work"
GPU_DOMAINS = ("nvidia.com/", "amd.com/", "gpu.intel.com/", "habana.ai/")
PIN = "admit only queues of the namespace, on pods and on the objects that own them (label {label})"


def labelled(labels: dict[str, str], scheduler: str = "") -> Callable[[Body], None]:
    """Return a change of a pod: labels, and the scheduler that reads them."""

    def change(pod: Body) -> None:
        pod["metadata"].setdefault("labels", {}).update(labels)
        if scheduler:
            pod["spec"]["schedulerName"] = scheduler

    return change


def hijack(view: View) -> Iterable[Claim]:
    """Decide Q3: no work of a tenant can stand in a queue of another."""
    rule = _Hijack(view)
    for tenant in view.sources:
        yield from rule.claims(tenant)


class _Hijack:
    def __init__(self, view: View) -> None:
        self.view = view
        self.queues = Queues(view)
        self.attempts = Attempts(view)
        self.prober = Trials(view)
        self.deployed = view.strength is Strength.DEPLOYED
        self.others = [item for group, kind in UNKNOWN_SYSTEMS for item in view.snapshot.of(group, kind)]
        self.names = granted_owners(view, {item.name: item.owner for item in self.queues.kai_leaves})
        self.names |= self.queues.runai_projects
        self.candidates = Candidates(view, self.names)
        self.users = self._kueue_users()
        self.shared = self._shared_queues()

    def claims(self, tenant: TenantIdentity) -> Iterator[Claim]:
        if not self.queues.any and not self.others:
            yield Q3.proved(tenant.name, "no object sets up queues, so there are none to enter")
            return
        general: list[Outcome] = []
        found: dict[str, Outcome] = {}
        if self.deployed:
            self._as_deployed(tenant, found)
        else:
            self._labels(tenant, general, found)
            self._alterable(tenant.name, general)
        self._kueue(tenant, general, found)
        if self.others and self.view.signed(OTHER_SYSTEMS_FACT) is not True:
            general.append(Outcome.open(self.view.missing(OTHER_SYSTEMS_FACT)))
        reason = "admission lets its work into its own queues only, and no selector of another's queue takes it"
        if general:
            yield worst(general).claim(Q3, tenant.name)
        yield from pairwise(Q3, self.view, tenant.name, found, reason) if found or not general else ()

    # --- queues chosen by a label -------------------------------------------------------------------------------------

    def _as_deployed(self, tenant: TenantIdentity, found: dict[str, Outcome]) -> None:
        for template in self.view.tenant_pods(tenant.name):
            for key in (KAI_LABEL, RUNAI_LABEL):
                queue = labels_of(template.body).get(key, "")
                owner = self.names.get(queue, "")
                if owner and owner != tenant.name:
                    step = Step(f"stands in queue {queue}", template.owner.key, template.pointer)
                    summary = f"{template.owner.key} of {tenant.name} stands in queue {queue} of {owner}"
                    found.setdefault(owner, Outcome.broken(Witness((step,), summary), PIN.format(label=key)))

    def _changes(self, queue: str) -> Iterator[tuple[str, Callable[[Body], None]]]:
        if self.queues.kai:
            yield KAI_LABEL, labelled({KAI_LABEL: queue}, KAI_SCHEDULER)
        if self.queues.runai_projects:
            yield RUNAI_LABEL, labelled({RUNAI_LABEL: queue}, RUNAI_SCHEDULER)
            yield "project", labelled({"project": queue}, RUNAI_SCHEDULER)

    def _labels(self, tenant: TenantIdentity, general: list[Outcome], found: dict[str, Outcome]) -> None:
        if not self.names:
            return
        for namespace in representatives(self.view, tenant):
            for queue in self.candidates.of(tenant.name, namespace):
                owner = self.names.get(queue, "")
                if queue in self.names and (owner == tenant.name or (not owner and queue not in self.shared)):
                    continue
                for label, change in self._changes(queue):
                    trial = self.prober.trial(namespace, [change])
                    outcome = self._pod_outcome(tenant.name, namespace, queue, label, trial)
                    if outcome is None:
                        continue
                    if owner:
                        found.setdefault(owner, outcome)
                    else:
                        general.append(outcome)
                        if outcome.witness is not None:
                            return
            general.extend(self._owners(tenant.name, namespace))
            if any(outcome.witness is not None for outcome in general):
                return

    def _foreign(self, tenant: str) -> str:
        """Return a queue of another tenant, or one nobody owns."""
        others = (name for name, owner in sorted(self.names.items()) if owner != tenant)
        return next(others, Candidates.FRESH)

    def _pod_outcome(self, tenant: str, namespace: str, queue: str, label: str, trial: Trial) -> Outcome | None:
        if trial.answer is Answer.REFUSED:
            return None
        if trial.answer is Answer.UNKNOWN:
            return Outcome.open(*trial.missing)
        right = self.attempts.pods(tenant, namespace)
        if right is None:
            return None
        named = queue if queue in self.names else self._foreign(tenant)
        pod = trial.pod
        if named != queue:
            # The name tried stands for all names; the witness is shown with one that exists.
            change = dict(self._changes(named))[label]
            shown = self.prober.trial(namespace, [change])
            pod = shown.pod if shown.answer is Answer.ADMITTED else pod
        steps = [
            *right.steps,
            Step(f"label {label} is let in", missing=f"no guard of {namespace} refuses queue {named}"),
        ]
        if named in self.queues.kai:
            steps.append(Step("queue entered", self.queues.kai[named].manifest.key))
        owner = self.names.get(named, "")
        summary = f"a pod of {tenant} in {namespace} enters queue {named}{f' of {owner}' if owner else ''}"
        return Outcome.broken(Witness(tuple(steps), summary, (("manifest", pod),)), PIN.format(label=label))

    def _owners(self, tenant: str, namespace: str) -> Iterator[Outcome]:
        """Yield what follows from the label on objects that own pods, which KAI reads before that of the pod."""
        if not self.queues.kai:
            return
        foreign = self._foreign(tenant)
        template = modest_pod(namespace)
        labels = {KAI_LABEL: foreign}
        inner = {"metadata": {"labels": {"app": PROBE}}, "spec": {**template["spec"], "restartPolicy": "Never"}}
        meta = {"name": PROBE, "labels": labels}
        bodies: tuple[Body, ...] = (
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": inner}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": dict(meta), "data": {}},
            {
                "apiVersion": "scheduling.run.ai/v2alpha2",
                "kind": "PodGroup",
                "metadata": {"name": PROBE},
                "spec": {"queue": foreign, "minMember": 1},
            },
        )
        for body in bodies:
            attempt = self.attempts.create(tenant, namespace, body)
            if attempt is not None and not attempt.admission.refused:
                step = Step("pods it owns stand in its queue", missing=f"no guard refuses queue {foreign} there")
                summary = f"pods owned by a {body['kind']} of {tenant} in {namespace} enter queue {foreign}"
                yield attempt.outcome(summary, PIN.format(label=KAI_LABEL), (step,))

    def _alterable(self, tenant: str, general: list[Outcome]) -> None:
        kinds = (
            ("kai", KAI_GROUP, "queues"),
            ("cluster_queues", KUEUE_GROUP, "clusterqueues"),
            ("cluster_queues", KUEUE_GROUP, "cohorts"),
        )
        for present, group, resource in kinds:
            right = self.attempts.writes(tenant, group, resource) if getattr(self.queues, present) else None
            if right is not None:
                witness = Witness(right.steps, f"{tenant} may write {resource}, and with them everybody's share")
                general.append(Outcome.broken(witness, f"take the right to write {resource} from {tenant}"))

    def _shared_queues(self) -> set[str]:
        """Queues with a guarantee that nobody owns and several tenants enter: each takes it from the others."""
        if self.deployed:
            return set()
        loose = {q.name for q in self.queues.kai_leaves if not self.names[q.name] and q.quota("gpu") != 0}
        entered: dict[str, set[str]] = {}
        for tenant in self.view.tenants if loose else ():
            for namespace in representatives(self.view, tenant):
                for queue in loose & set(self.candidates.of(tenant.name, namespace)):
                    trials = (self.prober.trial(namespace, [change]) for _, change in self._changes(queue))
                    if any(trial.answer is not Answer.REFUSED for trial in trials):
                        entered.setdefault(queue, set()).add(tenant.name)
        return {queue for queue, tenants in entered.items() if len(tenants) > 1}

    # --- queues chosen by name within the namespace -------------------------------------------------------------------

    def _kueue_users(self) -> dict[str, dict[str, tuple[str, str]]]:
        """Tenants that can use a ClusterQueue through a LocalQueue that exists: namespace and name of one of these."""
        found: dict[str, dict[str, tuple[str, str]]] = {}
        for namespace, local_queues in sorted(self.queues.local_queues.items()):
            owner = self.view.tenancy.owner(namespace)
            home = self.view.snapshot.get("", "Namespace", namespace)
            for local in local_queues:
                queue = self.queues.cluster_queues.get(text(local.body, "spec", "clusterQueue"))
                if queue is None or owner not in self.view.tenancy.by_name:
                    continue
                if queue.takes(home.body if home else None, namespace) or self._relabels(str(owner), queue):
                    found.setdefault(queue.name, {}).setdefault(str(owner), (namespace, local.key.name))
        return found

    def _relabels(self, tenant: str, queue: ClusterQueue) -> bool:
        if self.deployed or queue.selector is None:
            return False
        own = self.view.tenancy.by_name[tenant].namespaces
        return not self.view.keeps_labels(tenant, own, queue.selector.keys)

    def _kueue(self, tenant: TenantIdentity, general: list[Outcome], found: dict[str, Outcome]) -> None:
        for name, queue in sorted(self.queues.cluster_queues.items()):
            users = self.users.get(name, {})
            others = ({queue.owner} | set(users)) - {"", tenant.name}
            mine = users.get(tenant.name)
            if mine is None or not others:
                continue
            local = self.view.snapshot.get(KUEUE_GROUP, "LocalQueue", mine[1], mine[0])
            steps = (
                Step("submits to", local.key if local else None, ("spec", "clusterQueue"), "" if local else mine[1]),
                Step("takes its work", queue.manifest.key, ("spec", "namespaceSelector")),
            )
            for other in sorted(others):
                summary = f"work of {tenant.name} in {mine[0]} enters ClusterQueue {name} of {other}"
                fix = f"let the namespaceSelector of ClusterQueue {name} select namespaces of one tenant"
                found.setdefault(other, Outcome.broken(Witness(steps, summary), fix))
        if not self.deployed:
            for namespace in representatives(self.view, tenant):
                self._own_local_queues(tenant.name, namespace, general, found)

    def _own_local_queues(self, tenant: str, namespace: str, general: list[Outcome], found: dict[str, Outcome]) -> None:
        home = self.view.snapshot.get("", "Namespace", namespace)
        for name, queue in sorted(self.queues.cluster_queues.items()):
            others = ({queue.owner} | set(self.users.get(name, {}))) - {"", tenant}
            takes = queue.takes(home.body if home else None, namespace) or self._relabels(tenant, queue)
            if not others or not takes or others <= set(found):
                continue
            body: Body = {
                "apiVersion": queue.manifest.key.api_version,
                "kind": "LocalQueue",
                "metadata": {"name": PROBE},
                "spec": {"clusterQueue": name},
            }
            attempt = self.attempts.create(tenant, namespace, body)
            if attempt is None:
                return
            if attempt.admission.refused:
                continue
            step = Step("takes its work", queue.manifest.key, ("spec", "namespaceSelector"))
            summary = f"{tenant} may make a LocalQueue in {namespace} that leads into ClusterQueue {name}"
            outcome = attempt.outcome(summary, f"let the namespaceSelector of {name} select its owner only", (step,))
            if outcome.witness is None:
                general.append(outcome)
            for other in sorted(others) if outcome.witness is not None else ():
                found.setdefault(other, outcome)


# --- Q5 --------------------------------------------------------------------------------------------------------------


def bypass(view: View) -> Iterable[Claim]:
    """Decide Q5: where queues divide GPUs, no pod gets one without standing in a queue."""
    rule = _Bypass(view)
    for tenant in view.sources:
        yield rule.outcome(tenant).claim(Q5, tenant.name)


class _Bypass:
    def __init__(self, view: View) -> None:
        self.view = view
        self.queues = Queues(view)
        self.attempts = Attempts(view)
        self.prober = Trials(view)
        self.book = quotas_of(view.snapshot)
        self.manager = kueue_manager(view)
        named = [name for name in read_offers(view).named if name.startswith(GPU_DOMAINS)]
        self.gpus = tuple(sorted(named)) or (GPU,)

    def outcome(self, tenant: TenantIdentity) -> Outcome:
        if not self.queues.any:
            return Outcome.safe("no object sets up queues, so there is none to go around")
        if self.view.strength is Strength.DEPLOYED:
            return self._as_deployed(tenant)
        outcomes: list[Outcome] = []
        for namespace in representatives(self.view, tenant):
            outcomes.extend(self._namespace(tenant.name, namespace))
            if any(item.witness is not None for item in outcomes):
                break
        return worst([*outcomes, Outcome.safe("every pod that asks for a GPU has to stand in a queue of its tenant")])

    def _as_deployed(self, tenant: TenantIdentity) -> Outcome:
        for template in self.view.tenant_pods(tenant.name):
            labels = labels_of(template.body)
            scheduler = text(template.body, "spec", "schedulerName") or "default-scheduler"
            queued = scheduler in {KAI_SCHEDULER, RUNAI_SCHEDULER} or KUEUE_LABEL in {
                *labels,
                *labels_of(template.owner.body),
            }
            namespace = text(template.body, "metadata", "namespace")
            if set(requested(template.body)) & set(self.gpus) and not queued and self._held(namespace) is not True:
                step = Step("asks for GPUs and names no queue", template.owner.key, template.pointer)
                summary = f"{template.owner.key} takes GPUs past the queues"
                return Outcome.broken(Witness((step,), summary), "give it a queue and the scheduler of queues")
        return Outcome.safe("every pod of its that asks for a GPU names a queue")

    def _held(self, namespace: str) -> bool | None:
        """Whether Kueue holds every pod of a namespace until its queue admits it; None when that is not known."""
        if not self.queues.cluster_queues:
            return False
        if self.manager is None:
            return None
        home = self.view.snapshot.get("", "Namespace", namespace)
        return self.manager.holds_all(home.body if home else None, namespace)

    def _granted(self, namespace: str) -> list[str]:
        """Return GPUs a namespace may have at all."""
        found = []
        for name in self.gpus:
            bound = self.book.bound(namespace, f"requests.{name}")
            hard = amount(bound.hard) if bound is not None else None
            if hard is None or hard.nanos > 0:
                found.append(name)
        return found

    def _namespace(self, tenant: str, namespace: str) -> Iterator[Outcome]:
        right = self.attempts.pods(tenant, namespace)
        for name in self._granted(namespace) if right is not None else ():
            yield from self._placed_by_hand(tenant, namespace, name)
            if self.queues.kai or self.queues.runai_projects:
                yield from self._default_scheduler(tenant, namespace, name)
            elif self.queues.cluster_queues:
                yield from self._unlabelled(tenant, namespace, name)
        yield from self._binds(tenant, namespace)

    def _trial(self, tenant: str, namespace: str, trial: Trial, summary: str, fix: str) -> Iterator[Outcome]:
        right = self.attempts.pods(tenant, namespace)
        if trial.answer is Answer.ADMITTED and right is not None:
            let_in = Step("admission lets the pod in", missing=f"no guard of namespace {namespace} refuses it")
            yield Outcome.broken(Witness((*right.steps, let_in), summary, (("manifest", trial.pod),)), fix)
        elif trial.answer is Answer.UNKNOWN:
            yield Outcome.open(*trial.missing)

    def _placed_by_hand(self, tenant: str, namespace: str, name: str) -> Iterator[Outcome]:
        trial = self.prober.trial(namespace, [together(with_limit(name), _on_node)], queued=True)
        summary = f"a pod of {tenant} in {namespace} that names its node takes {name} past every scheduler"
        yield from self._trial(tenant, namespace, trial, summary, "refuse spec.nodeName on pods of tenants")

    def _default_scheduler(self, tenant: str, namespace: str, name: str) -> Iterator[Outcome]:
        changes = [together(_by_default, with_limit(name)), together(_by_default, _in_init_container(name))]
        trial = self.prober.trial(namespace, changes)
        summary = f"a pod of {tenant} in {namespace} takes {name} by the default scheduler, past its queue's share"
        fix = f"refuse pods of tenants that ask for {name} without the scheduler of the queues"
        yield from self._trial(tenant, namespace, trial, summary, fix)

    def _unlabelled(self, tenant: str, namespace: str, name: str) -> Iterator[Outcome]:
        held = self._held(namespace)
        if held:
            return
        trial = self.prober.trial(namespace, [with_limit(name)])
        if trial.answer is not Answer.ADMITTED:
            yield from self._trial(tenant, namespace, trial, "", "")
            return
        if held is None:
            signed = self.view.signed(UNLABELLED_FACT)
            if signed is None:
                yield Outcome.open(self.view.missing(UNLABELLED_FACT))
            if signed is not False:
                return
        summary = f"a pod of {tenant} in {namespace} without a queue name takes {name}: Kueue does not hold it"
        fix = "let Kueue manage work without a queue name (pods too) in namespaces of tenants, or refuse such pods"
        yield from self._trial(tenant, namespace, trial, summary, fix)

    def _binds(self, tenant: str, namespace: str) -> Iterator[Outcome]:
        for resource in ("pods/binding", "bindings"):
            right = self.attempts.right(tenant, "create", "", resource, namespace)
            if right is not None:
                witness = Witness(right.steps, f"{tenant} may bind pods of {namespace} to nodes itself")
                yield Outcome.broken(witness, f"take the right to create {resource} from {tenant}")
        if self.queues.kai:
            body: Body = {
                "apiVersion": "scheduling.run.ai/v1alpha2",
                "kind": "BindRequest",
                "metadata": {"name": PROBE},
                "spec": {"podName": PROBE, "selectedNode": "node"},
            }
            attempt = self.attempts.create(tenant, namespace, body)
            if attempt is not None and not attempt.admission.refused:
                summary = f"{tenant} may have KAI's binder place pods of {namespace} on any node"
                yield attempt.outcome(summary, "take the right to create bindrequests from it")


def _on_node(pod: Body) -> None:
    pod["spec"]["nodeName"] = "probe-node"


def _by_default(pod: Body) -> None:
    pod["spec"]["schedulerName"] = "default-scheduler"


def _in_init_container(name: str) -> Callable[[Body], None]:
    def change(pod: Body) -> None:
        container = {**pod["spec"]["containers"][0], "name": "first"}
        asked = {part: {**(at(container, "resources", part) or {}), name: "1"} for part in ("requests", "limits")}
        pod["spec"]["initContainers"] = [{**container, "resources": asked}]

    return change
