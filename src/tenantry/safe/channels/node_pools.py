"""Q8: whether pods of a tenant get onto nodes that are set aside for another.

A toleration is free to whoever writes the pod, so a taint keeps nobody out unless admission says who may tolerate it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.attempts import Attempts
from tenantry.safe.devices.nodes import Taint, read_nodes
from tenantry.safe.devices.probes import with_tolerations
from tenantry.safe.queueing import Candidates
from tenantry.safe.reading import annotations_of, items, labels_of, mapping, strings, text
from tenantry.safe.ruling import Outcome, Ruling
from tenantry.safe.shapes import representatives
from tenantry.safe.tally import Tally
from tenantry.safe.trials import Trials
from tenantry.safe.view import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body, Manifest
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.devices.nodes import Node
    from tenantry.safe.devices.probes import Trial
    from tenantry.safe.view import View

Q8 = Ruling("Q8", "nodes of another tenant", Effect.STARVE, Impact.S2)

POOLS_FACT = "nodes.dedicated-pools-listed"
FIX = "admit only tolerations of the namespace's own node pools, and no spec.nodeName"

# Taints of conditions that come and go; they set no node aside.
_CONDITIONS = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", "node.cilium.io/")
_DEVICES = ("nvidia.com/", "amd.com/")

_TEMPLATES = (
    ("machine.openshift.io", "MachineSet", ("spec", "template", "spec")),
    ("cluster.x-k8s.io", "MachineDeployment", ("spec", "template", "spec")),
    ("karpenter.sh", "NodePool", ("spec", "template", "spec")),
)
_OWNER_WORDS = frozenset({"tenant", "team", "project", "owner", "dedicated"})


def crossing(view: View) -> Iterable[Claim]:
    """Decide Q8: admission binds the pods of every tenant to its own node pools."""
    rule = _Crossing(view)
    for tenant in view.sources:
        yield from rule.claims(tenant)


class _Crossing:
    def __init__(self, view: View) -> None:
        self.view = view
        self.attempts = Attempts(view)
        self.prober = Trials(view)
        self.deployed = view.strength is Strength.DEPLOYED
        self.nodes = read_nodes(view.snapshot)
        self.pools = dict(sorted(_taints(view, self.nodes), key=lambda entry: entry[0]))
        self.users = self._users()
        names = {taint.value: "" for taint in self.pools if taint.value}
        self.candidates = Candidates(view, names)

    def claims(self, tenant: TenantIdentity) -> Iterator[Claim]:
        tally = Tally()
        self._labels_only(tenant, tally)
        if self.deployed:
            self._as_deployed(tenant, tally)
        else:
            tally.general.extend(self._writes_nodes(tenant.name))
            for namespace in representatives(self.view, tenant):
                self._tolerations(tenant, namespace, tally)
                self._named_node(tenant, namespace, tally)
                if tally.broken:
                    break
        reason = "admission lets its pods tolerate only taints of its own node pools, and choose no node"
        yield from tally.claims(Q8, self.view, tenant.name, reason)

    def _users(self) -> dict[Taint, set[str]]:
        """Tenants that are meant to use nodes with a taint: named by it, granted it, or with pods that tolerate it."""
        users: dict[Taint, set[str]] = {taint: set() for taint in self.pools}
        for tenant in self.view.tenants:
            words = {tenant.name, *tenant.namespaces}
            for namespace in tenant.namespaces:
                home = self.view.snapshot.get("", "Namespace", namespace)
                body = home.body if home else None
                for value in (*labels_of(body).values(), *annotations_of(body).values()):
                    words.update(part.strip() for part in value.replace("=", ",").split(","))
            for taint in self.pools:
                if taint.value in words:
                    users[taint].add(tenant.name)
            for template in self.view.tenant_pods(tenant.name):
                chosen = strings(template.body, "spec", "nodeSelector")
                for taint in self.pools:
                    if taint.value and chosen.get(taint.key) == taint.value and taint.tolerated(template.body):
                        users[taint].add(tenant.name)
        return users

    def _tolerations(self, tenant: TenantIdentity, namespace: str, tally: Tally) -> None:
        everything = self.prober.trial(namespace, [with_tolerations([{"operator": "Exists"}])])
        foreign = {taint for taint in self.pools if tenant.name not in self.users[taint]}
        if everything.answer is not Answer.REFUSED:
            if not self.pools:
                if everything.answer is Answer.ADMITTED and self.view.signed(POOLS_FACT) is not True:
                    tally.general.append(Outcome.open(self.view.missing(POOLS_FACT)))
                return
            for taint in sorted(foreign):
                self._enters(tenant.name, namespace, taint, everything, tally)
            return
        tried = set(self.candidates.of(tenant.name, namespace))
        first = next(iter(sorted(foreign)), None)
        for taint in sorted(foreign):
            if taint is first or taint.value in tried or not taint.value:
                trial = self.prober.trial(namespace, [with_tolerations([taint.toleration()])])
                self._enters(tenant.name, namespace, taint, trial, tally)

    def _enters(self, tenant: str, namespace: str, taint: Taint, trial: Trial, tally: Tally) -> None:
        if taint.key.startswith(_DEVICES) and not self.users[taint]:
            # Keeps pods without GPUs away from GPU nodes and sets nothing aside for anybody.
            return
        if trial.answer is Answer.REFUSED:
            return
        if trial.answer is Answer.UNKNOWN:
            tally.general.append(Outcome.open(*trial.missing))
            return
        right = self.attempts.pods(tenant, namespace)
        if right is None:
            return
        let_in = Step("admission lets the toleration in", missing=f"no guard of {namespace} refuses it")
        owners = sorted(self.users[taint] - {tenant})
        name = f"{taint.key}={taint.value}" if taint.value else taint.key
        summary = (
            f"a pod of {tenant} in {namespace} tolerates {name} and runs on nodes of {', '.join(owners) or 'others'}"
        )
        witness = Witness((*right.steps, let_in, self.pools[taint]), summary, (("manifest", trial.pod),))
        outcome = Outcome.broken(witness, FIX)
        for owner in owners or [""]:
            tally.add(outcome, owner)

    def _named_node(self, tenant: TenantIdentity, namespace: str, tally: Tally) -> None:
        if not any(tenant.name not in self.users[taint] for taint in self.pools):
            return
        node = next((n.name for n in self.nodes if not n.taints <= self._own(tenant.name)), "node-of-another-pool")

        def change(pod: Body) -> None:
            pod["spec"]["nodeName"] = node

        trial = self.prober.trial(namespace, [change])
        right = self.attempts.pods(tenant.name, namespace)
        if trial.answer is Answer.UNKNOWN:
            tally.general.append(Outcome.open(*trial.missing))
        if trial.answer is not Answer.ADMITTED or right is None:
            return
        let_in = Step("admission lets nodeName in", missing=f"no guard of {namespace} refuses spec.nodeName")
        summary = f"a pod of {tenant.name} in {namespace} names its node, past the scheduler and every NoSchedule taint"
        tally.general.append(Outcome.broken(Witness((*right.steps, let_in), summary, (("manifest", trial.pod),)), FIX))

    def _own(self, tenant: str) -> set[Taint]:
        return {taint for taint in self.pools if tenant in self.users[taint]}

    def _writes_nodes(self, tenant: str) -> Iterator[Outcome]:
        for resource in ("nodes", "nodes/status"):
            right = self.attempts.alters(tenant, "", resource)
            if right is not None:
                witness = Witness(
                    right.steps, f"{tenant} may change {resource}, and with them labels, taints or capacity"
                )
                yield Outcome.broken(witness, f"take the right to write {resource} from {tenant}")

    def _labels_only(self, tenant: TenantIdentity, tally: Tally) -> None:
        """Find nodes labelled for one other tenant that no taint keeps this one's pods from."""
        labelled: dict[str, list[Manifest]] = defaultdict(list)
        for node in self.view.snapshot.of("", "Node"):
            for key, value in sorted(labels_of(node.body).items()):
                other = value in self.view.tenancy.by_name and value != tenant.name
                if other and key.rpartition("/")[2] in _OWNER_WORDS and not items(node.body, "spec", "taints"):
                    labelled[value].append(node)
        confined = all(self._selector(namespace) for namespace in tenant.namespaces)
        kept = not any(self.view.labels.annotates(tenant.name, namespace) for namespace in tenant.namespaces)
        if not labelled or (confined and kept):
            return
        if self.deployed and not self.view.tenant_pods(tenant.name):
            return
        if not self.deployed and not any(self.attempts.pods(tenant.name, name) for name in tenant.namespaces):
            return
        for owner, nodes in labelled.items():
            step = Step(f"is labelled for {owner}", nodes[0].key, ("metadata", "labels"))
            none = Step("keeps nobody away", missing=f"{nodes[0].key} has no taint")
            summary = f"pods of {tenant.name} can be scheduled on {nodes[0].key}, which is labelled for {owner}"
            tally.add(Outcome.broken(Witness((step, none), summary), f"taint the nodes of {owner}"), owner)

    def _selector(self, namespace: str) -> bool:
        """Whether the API server adds a node selector to every pod of a namespace."""
        home = self.view.snapshot.get("", "Namespace", namespace)
        notes = annotations_of(home.body if home else None)
        if self.view.distribution_openshift:
            return bool(notes.get("openshift.io/node-selector"))
        return bool(notes.get("scheduler.alpha.kubernetes.io/node-selector"))

    def _as_deployed(self, tenant: TenantIdentity, tally: Tally) -> None:
        for template in self.view.tenant_pods(tenant.name):
            for taint in self.pools:
                owners = self.users[taint] - {tenant.name}
                if tenant.name in self.users[taint] or not owners or not taint.tolerated(template.body):
                    continue
                step = Step("tolerates", template.owner.key, (*template.pointer, "tolerations"))
                for owner in sorted(owners):
                    summary = f"{template.owner.key} of {tenant.name} tolerates the nodes of {owner}"
                    tally.add(Outcome.broken(Witness((step, self.pools[taint]), summary), FIX), owner)


def _taints(view: View, nodes: Iterable[Node]) -> Iterator[tuple[Taint, Step]]:
    """Yield the taints that set nodes aside, with the object that puts them there."""
    seen: dict[Taint, Step] = {}
    for node in nodes:
        for taint in sorted(node.taints):
            seen.setdefault(taint, node.steps[-1] if node.steps else Step("tainted node", missing=node.name))
    for group, kind, path in _TEMPLATES:
        for manifest in view.snapshot.of(group, kind):
            for entry in items(manifest.body, *path, "taints"):
                _note(seen, entry, Step("taints its nodes", manifest.key, (*path, "taints")))
    for manifest in view.snapshot.of("kueue.x-k8s.io", "ResourceFlavor"):
        for entry in items(manifest.body, "spec", "nodeTaints"):
            _note(seen, entry, Step("taints of the flavor", manifest.key, ("spec", "nodeTaints")))
        # A flavor that adds a toleration shows that its nodes have the taint.
        for entry in items(manifest.body, "spec", "tolerations"):
            if mapping(entry) and text(entry, "operator") != "Exists":
                _note(seen, entry, Step("tolerated by the flavor", manifest.key, ("spec", "tolerations")))
    for taint, step in seen.items():
        if not taint.key.startswith(_CONDITIONS):
            yield taint, step


def _note(seen: dict[Taint, Step], entry: object, step: Step) -> None:
    key, effect = text(entry, "key"), text(entry, "effect") or "NoSchedule"
    if key and effect in {"NoSchedule", "NoExecute"}:
        seen.setdefault(Taint(key, text(entry, "value"), effect), step)
