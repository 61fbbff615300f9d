"""R1 and R2: how much work of a tenant can slow or stop what others run on the same node or fabric.

Sources: Kubernetes documentation ("Limit Ranges", "Process ID Limits And Reservations", "Disruptions"); OpenShift
documentation, "Configuring PID limits" (4,096 processes per pod by default from 4.11 on).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.attempts import PROBE, Attempts
from tenantry.safe.channels.channel import Channel
from tenantry.safe.devices.access import Access
from tenantry.safe.devices.nodes import Node, read_nodes
from tenantry.safe.devices.reading import containers
from tenantry.safe.offers import SHARED_SUFFIX, read_offers
from tenantry.safe.quotas import quotas_of
from tenantry.safe.reading import at, items, mapping, number, positive, text
from tenantry.safe.ruling import Outcome, Ruling, worst
from tenantry.safe.shapes import representatives
from tenantry.safe.tally import Tally
from tenantry.safe.trials import Trials
from tenantry.safe.view import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body, Manifest
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

R1 = Ruling("R1", "noise on shared nodes", Effect.DENY, Impact.S2)
R2 = Ruling("R2", "noise on shared GPUs and fabrics", Effect.STARVE, Impact.S2)

PIDS_FACT = "node.pids-limit"
POWER_FACT = "gpu.power-capping"
CLASSES_FACT = "fabric.traffic-classes"
WHOLE_NODE_FACT = "nvlink.partitioning"
WHOLE_NODE = "whole-node"

LIMITED = ("memory", "ephemeral-storage")
"""What a container without a limit can use up on its node; processors are shared by request."""

LONGEST_GRACE_SECONDS = 86_400
"""A pod that may outlast a drain by more than a day keeps its node from ever being upgraded in a change window."""

GPU_WORDS = ("nvidia.com/", "amd.com/", "gpu.intel.com/", "habana.ai/")


# --- R1 --------------------------------------------------------------------------------------------------------------


def node_noise(view: View) -> Iterable[Claim]:
    """Decide R1: pods of a tenant are bounded on the node, and do not keep it from being drained."""
    rule = _NodeNoise(view)
    for tenant in view.sources:
        reason = "every pod of its is bounded in memory, scratch space and processes, and lets its node be drained"
        outcomes = [*rule.outcomes(tenant), Outcome.safe(reason)]
        yield worst(outcomes).claim(R1, tenant.name)


class _NodeNoise:
    def __init__(self, view: View) -> None:
        self.view = view
        self.attempts = Attempts(view)
        self.prober = Trials(view)
        self.book = quotas_of(view.snapshot)
        self.deployed = view.strength is Strength.DEPLOYED
        self.ranges: dict[str, list[Manifest]] = {}
        for manifest in view.snapshot.of("", "LimitRange"):
            self.ranges.setdefault(manifest.key.namespace, []).append(manifest)
        self.forced: dict[tuple[str, str], bool] = {}
        self.pids = self._pids()
        self.hugepages = self._hugepages()

    def outcomes(self, tenant: TenantIdentity) -> Iterator[Outcome]:
        if self.deployed:
            yield from self._as_deployed(tenant)
            return
        any_pods = False
        for namespace in representatives(self.view, tenant):
            if self.attempts.pods(tenant.name, namespace) is None:
                continue
            any_pods = True
            found = [
                *self._unlimited(tenant.name, namespace),
                *self._alterable(tenant.name, namespace),
                *self._undrainable(tenant.name, namespace),
            ]
            yield from found
            if any(item.witness is not None for item in found):
                return
        if any_pods:
            yield from self.pids

    # --- limits -------------------------------------------------------------------------------------------------------

    def _forced(self, namespace: str, name: str) -> bool:
        """Whether every container of a namespace has a limit: given by default, at most, or demanded by a quota."""
        key = (namespace, name)
        if key not in self.forced:
            self.forced[key] = self._demands(namespace, name)
        return self.forced[key]

    def _demands(self, namespace: str, name: str) -> bool:
        if self.book.bound(namespace, f"limits.{name}") is not None:
            return True
        for manifest in self.ranges.get(namespace, ()):
            for entry in items(manifest.body, "spec", "limits"):
                given = (at(entry, part, name) for part in ("default", "max"))
                if text(entry, "type") == "Container" and any(positive(value) for value in given):
                    return True
        return False

    def _unlimited(self, tenant: str, namespace: str) -> Iterator[Outcome]:
        lacking = [name for name in LIMITED if not self._forced(namespace, name)]
        lacking += [name for name in self.hugepages if self._page_bound(namespace, name) is None]
        if not lacking:
            return
        trial = self.prober.trial(namespace, [_without_limits])
        right = self.attempts.pods(tenant, namespace)
        if trial.answer is Answer.UNKNOWN:
            yield Outcome.open(*trial.missing)
        if trial.answer is not Answer.ADMITTED or right is None:
            return
        none = Step("no limit", missing=f"no LimitRange or quota of {namespace} limits {lacking[0]} of a container")
        summary = f"a pod of {tenant} in {namespace} may use up {', '.join(lacking)} of its node"
        witness = Witness((*right.steps, none), summary, (("manifest", trial.pod), ("unlimited", tuple(lacking))))
        keys = ", ".join(name if name.startswith("hugepages-") else f"limits.{name}" for name in lacking)
        yield Outcome.broken(witness, f"add {keys} to a ResourceQuota of {namespace}, or defaults to a LimitRange")

    def _page_bound(self, namespace: str, name: str) -> object:
        return self.book.bound(namespace, name, f"requests.{name}", f"limits.{name}")

    def _hugepages(self) -> list[str]:
        found: set[str] = set()
        for node in self.view.snapshot.of("", "Node"):
            for name, value in mapping(node.body, "status", "allocatable").items():
                if str(name).startswith("hugepages-") and positive(value):
                    found.add(str(name))
        return sorted(found)

    def _alterable(self, tenant: str, namespace: str) -> Iterator[Outcome]:
        demanded = all(self.book.bound(namespace, f"limits.{name}") is not None for name in LIMITED)
        for manifest in self.ranges.get(namespace, ()) if not demanded else ():
            attempt = self.attempts.change(tenant, namespace, manifest.body)
            if attempt is not None and not attempt.admission.refused:
                summary = f"{tenant} may change or delete {manifest.key}, which limits its pods"
                yield attempt.outcome(summary, "take the right to write limitranges from it")

    def _as_deployed(self, tenant: TenantIdentity) -> Iterator[Outcome]:
        for template in self.view.tenant_pods(tenant.name):
            namespace = text(template.body, "metadata", "namespace")
            for path, container in containers(template.body):
                for name in LIMITED:
                    if at(container, "resources", "limits", name) is None and not self._forced(namespace, name):
                        step = Step(f"has no limit of {name}", template.owner.key, (*template.pointer, *path[1:]))
                        summary = f"{template.owner.key} of {tenant.name} may use up {name} of its node"
                        yield Outcome.broken(Witness((step,), summary), f"limit {name} of its containers")
                        return

    # --- processes ----------------------------------------------------------------------------------------------------

    def _pids(self) -> list[Outcome]:
        """What is known of the number of processes a pod may start."""
        signed = self.view.signed(PIDS_FACT)
        for manifest in self.view.snapshot.of("machineconfiguration.openshift.io", "KubeletConfig"):
            limit = number(at(manifest.body, "spec", "kubeletConfig", "podPidsLimit"))
            if limit is not None and limit <= 0:
                pointer = ("spec", "kubeletConfig", "podPidsLimit")
                step = Step("lifts the limit of processes", manifest.key, pointer)
                witness = Witness((step,), f"{manifest.key} lets a pod start processes until its node has none left")
                return [Outcome.broken(witness, f"set podPidsLimit of {manifest.key} above 0")]
        if signed is False:
            step = Step("no limit", missing=f"fact {PIDS_FACT} says nodes do not limit processes of a pod")
            witness = Witness((step,), "a pod may start processes until its node has none left")
            return [Outcome.broken(witness, "set podPidsLimit in the configuration of the kubelets")]
        if signed or self.view.distribution_openshift:
            return []
        return [Outcome.open(self.view.missing(PIDS_FACT))]

    # --- drains -------------------------------------------------------------------------------------------------------

    def _undrainable(self, tenant: str, namespace: str) -> Iterator[Outcome]:
        for body in _budgets():
            attempt = self.attempts.create(tenant, namespace, body, exact=True)
            if attempt is not None and not attempt.admission.refused:
                summary = (
                    f"a PodDisruptionBudget of {tenant} in {namespace} keeps nodes from being drained for upgrades"
                )
                fix = "refuse budgets of tenants that let no pod go or protect pods that are not ready"
                yield attempt.outcome(summary, fix)
                return
        trial = self.prober.trial(namespace, [_long_grace])
        right = self.attempts.pods(tenant, namespace)
        if trial.answer is Answer.ADMITTED and right is not None:
            none = Step("no bound", missing=f"no guard of {namespace} bounds terminationGracePeriodSeconds")
            summary = f"a pod of {tenant} in {namespace} outlasts every drain of its node"
            witness = Witness((*right.steps, none), summary, (("manifest", trial.pod),))
            yield Outcome.broken(
                witness, "refuse terminationGracePeriodSeconds of more than an hour on pods of tenants"
            )
        elif trial.answer is Answer.UNKNOWN:
            yield Outcome.open(*trial.missing)


def _without_limits(pod: Body) -> None:
    for container in pod["spec"]["containers"]:
        container["resources"] = {"requests": {"cpu": "10m"}}


def _long_grace(pod: Body) -> None:
    pod["spec"]["terminationGracePeriodSeconds"] = LONGEST_GRACE_SECONDS


def _budgets() -> Iterator[Body]:
    """Yield budgets that block: none may go, all must stay, and pods that never get ready count for ever."""
    for spec in (
        {"maxUnavailable": 0, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
        {"minAvailable": "100%", "unhealthyPodEvictionPolicy": "AlwaysAllow"},
        {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "IfHealthyBudget"},
    ):
        yield {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": PROBE},
            "spec": {**spec, "selector": {"matchLabels": {"app": PROBE}}},
        }


# --- R2 --------------------------------------------------------------------------------------------------------------


def device_noise(view: View) -> Iterable[Claim]:
    """Decide R2: GPUs and adapters of one node given to several tenants do not slow each other down."""
    offers = sorted(read_offers(view).named)
    gpus = tuple(name for name in offers if name.startswith(GPU_WORDS))
    access = Access(view, Trials(view))
    whole = view.declared.fact(WHOLE_NODE_FACT) == WHOLE_NODE
    attempts = Attempts(view)
    makers = {tenant.name for tenant in view.tenants if _runs_pods(view, attempts, tenant)}
    users = {name: makers & {*access.users(name).able} for name in offers}
    taken = {name: who for name, who in users.items() if len(who) > 1 and not _one_tenant_per_node(view, name)}
    known: dict[tuple[str, ...], Outcome] = {}
    for tenant in view.sources:
        tally = Tally()
        own = [name for name, who in taken.items() if tenant.name in who]
        met = set[str]().union(*(taken[name] for name in own))
        for other in view.tenants:
            shared = tuple(name for name in own if other.name in taken[name]) if other.name in met else ()
            if other.name != tenant.name and shared:
                if shared not in known:
                    known[shared] = _shared(view, shared, gpus, whole=whole)
                outcome = known[shared]
                if not outcome.reason:
                    tally.found[other.name] = outcome
        if tally.found and len(tally.found) == len(view.tenants) - 1:
            outcomes = list(tally.found.values())
            if all(item == outcomes[0] for item in outcomes):
                yield outcomes[0].claim(R2, tenant.name)
                continue
        reason = "no node gives parts of its GPUs or adapters to it and to another, or what they share is bounded"
        yield from tally.claims(R2, view, tenant.name, reason)


def _runs_pods(view: View, attempts: Attempts, tenant: TenantIdentity) -> bool:
    """Whether a tenant has pods, or a right to make some."""
    return bool(view.tenant_pods(tenant.name)) or any(attempts.pods(tenant.name, name) for name in tenant.namespaces)


def _one_tenant_per_node(view: View, name: str) -> bool:
    """Whether every node that is seen to offer a device gives it away as one."""
    nodes: list[Node] = [node for node in read_nodes(view.snapshot) if node.offers is not None]
    offering = [node for node in nodes if node.offers and node.offers.get(name)]
    return bool(offering) and view.snapshot.live and all((node.offers or {}).get(name) == 1 for node in offering)


def _shared(view: View, shared: tuple[str, ...], gpus: tuple[str, ...], *, whole: bool) -> Outcome:
    needed = []
    devices = [name for name in shared if name in gpus]
    ports = [name for name in shared if name not in gpus]
    if whole:
        # Slices and replicas of one GPU are made to be given to several.
        devices = [name for name in devices if "/mig-" in name or name.endswith(SHARED_SUFFIX)]
    if devices:
        needed.append((POWER_FACT, devices[0], "cap power and clocks of GPUs on nodes that tenants share"))
    if ports:
        needed.append((CLASSES_FACT, ports[0], "set traffic classes and congestion control on the fabric"))
    for fact, name, fix in needed:
        if view.signed(fact) is False:
            step = Step(f"tenants share nodes that offer {name}", missing=f"fact {fact} says nothing bounds them")
            summary = f"load on {name} of a node slows that of others on it"
            return Outcome.broken(Witness((step,), summary, (("resource", name),)), fix)
    missing = [view.missing(fact) for fact, _, _ in needed if view.signed(fact) is None]
    return Outcome.open(*missing) if missing else Outcome.safe("what they share is bounded")


def _channel(ruling: Ruling, decide: Callable[[View], Iterable[Claim]]) -> Channel:
    return Channel(ruling.id, ruling.title, ruling.effect, ruling.impact, decide)


CHANNELS: tuple[Channel, ...] = (_channel(R1, node_noise), _channel(R2, device_noise))
"""Channels of noise, in the order of their ids."""
