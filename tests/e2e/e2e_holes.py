"""How a tenant uses a hole of each channel: with credentials of its own, and nothing but what the witness names."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tenantry.model.claim import Claim
from tenantry.model.quantity import parse_quantity
from tenantry.safe.pods import plain_pod
from testbed.api import Answer, Api
from testbed.control_plane import Cluster
from testbed.errors import TestbedError

Body = dict[str, Any]

ENOUGH = 600
"""Objects that count as any number; quotas of compiled trees allow 500 of a kind."""

NEEDS: dict[str, str] = {
    "N1": "packets between pods need a CNI",
    "X3": "one network below needs adapters and a switch",
    "X4": "what a function may send needs an adapter",
    "G9": "taking over a node needs the toolkit and its runtime",
    "G12": "reading metrics of GPUs needs a CNI and an exporter",
    "Q4": "taking back within a cohort needs the operator of Kueue",
    "C3": "reading metrics needs the monitoring stack",
}
"""Channels whose use cannot be shown here, with what it needs."""

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"

ARGO = "what Argo CD's own accounts may do needs its API server"
"""Of D1 and D2, where the witness is a line of Argo CD's own rules."""


@dataclass
class Attacker:
    """A tenant that tries.

    Attributes:
        cluster: where; only looked at with its administrator, never written to.
        api: the tenant's own connection.
        home: its namespace.
        target: namespace of another tenant.
        names: namespaces of the witness by what they are here.
        told: the refusals it met, in order.
        patience: seconds it waits for something to come about.
        given: objects of the example with the holes, by kind, namespace and name.
    """

    cluster: Cluster
    api: Api
    home: str
    target: str
    names: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    patience: float = 30
    given: dict[tuple[str, str, str], Body] = field(default_factory=dict)

    def create(self, body: Body) -> Answer:
        """Create an object of a witness at home, as the tenant; a name of its own is chosen."""
        body = self.placed(body)
        answer = self.api.create(body, strict=False)
        if answer.reason == "AlreadyExists":
            answer = self.api.apply(body, strict=False)
        return self.noted(answer)

    def noted(self, answer: Answer) -> Answer:
        """Keep what a refusal said."""
        if not answer.ok:
            self.told.append(f"{answer.status} {answer.message}")
        return answer

    def placed(self, body: Body) -> Body:
        """Return an object with its namespace as it is called here."""
        body = deepcopy(body)
        namespace = body["metadata"].get("namespace", "")
        if namespace:
            body["metadata"]["namespace"] = self.names.get(namespace, namespace)
        return body

    def label(self, namespace: str, labels: dict[str, str]) -> bool:
        """Label a namespace; whether the label is there afterwards."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        self.noted(self.api.patch(body, {"metadata": {"labels": labels}}))
        now = self.cluster.api.get("v1", "Namespace", namespace) or {}
        return labels.items() <= (now.get("metadata", {}).get("labels") or {}).items()

    def runs(self, pod: Body) -> bool:
        """Create a pod and wait until it runs; a namespace that stands in the way is opened first if it can be."""
        answer = self.create(pod)
        if not answer.ok and "PodSecurity" in answer.message:
            self.label(self.home, {"pod-security.kubernetes.io/enforce": "privileged"})
            answer = self.create(pod)
        return answer.ok and self.running(answer.body)

    def running(self, pod: Body) -> bool:
        """Whether a pod comes to run."""
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        return self.seen(lambda: self._phase(name, namespace) == "Running")

    def _phase(self, name: str, namespace: str) -> str:
        return str(((self.cluster.api.get("v1", "Pod", name, namespace) or {}).get("status") or {}).get("phase", ""))

    def seen(self, done: Callable[[], bool]) -> bool:
        """Whether something comes about."""
        try:
            self.cluster.until("it", done, seconds=self.patience)
        except TestbedError:
            return False
        return True


def details(claim: Claim) -> dict[str, Any]:
    """Return the objects of a witness by name."""
    return dict(claim.witness.details) if claim.witness else {}


def unshown(claim: Claim) -> str:
    """Return why the use of a claim cannot be shown here; nothing where it can."""
    if (
        claim.channel in {"D1", "D2"}
        and claim.witness
        and any(step.by is not None and step.by.name == "argocd-rbac-cm" for step in claim.witness.steps)
    ):
        return ARGO
    return NEEDS.get(claim.channel, "")


MECHANISMS: dict[str, str] = {
    "ValidatingAdmissionPolicy": "by an admission policy",
    "violates PodSecurity": "by Pod Security",
    "exceeded quota": "by a quota",
    "usage per Container": "by a limit range",
    "is bounded": "by a limit range",
    '" cannot ': "by missing rights",
}
"""What stands in the way, by words of its refusal. An attempt that fails in another way shows nothing."""


def mechanism(told: list[str]) -> str:
    """Return what refused an attempt, by its first refusal; nothing where any refusal is of no known kind."""
    found = [next((name for words, name in MECHANISMS.items() if words in text), "") for text in told]
    return found[0] if found and all(found) else ""


ABSENT: dict[str, str] = {
    "X8": "no node offers a device that pods share: the pod waits for ever",
}
"""Channels whose attempt no guard refuses in the guarded example, and why it still leads nowhere."""


# --- ways to use a hole -----------------------------------------------------------------------------------------------


def _pod(attacker: Attacker, claim: Claim) -> bool:
    """Run the pod of the witness, with everything in it that matters still there."""
    found = details(claim)
    pod = named(found.get("pod") or found["manifest"], f"{claim.channel.lower()}-{claim.source}")
    if "nodeName" in pod["spec"]:
        # Which node does not matter to the witness.
        pod["spec"]["nodeName"] = attacker.cluster.api.list("v1", "Node")[0]["metadata"]["name"]
    if not attacker.runs(pod):
        return False
    now = attacker.cluster.api.get("v1", "Pod", pod["metadata"]["name"], attacker.placed(pod)["metadata"]["namespace"])
    wanted, kept = pod["metadata"].get("annotations") or {}, now or {"metadata": {}, "spec": {}}
    return wanted.items() <= (kept["metadata"].get("annotations") or {}).items() and all(
        kept["spec"].get(key) == pod["spec"][key] for key in ("hostNetwork", "runtimeClassName") if key in pod["spec"]
    )


def _both(attacker: Attacker, claim: Claim) -> bool:
    """Run the pod of the witness where the other tenant's runs too: on one node, with the same device."""
    found = details(claim)
    mine = named(found["pod"], f"{claim.channel.lower()}-{claim.source}")
    other = named(found["other pod"], f"{claim.channel.lower()}-other-of-{claim.source}")
    for node in found.get("nodes", ())[:1]:
        mine["spec"]["nodeSelector"] = other["spec"]["nodeSelector"] = {"kubernetes.io/hostname": node}
    # The other tenant runs its pod by itself; the administrator stands in for it.
    attacker.noted(attacker.cluster.api.create(attacker.placed(other)))
    return attacker.runs(mine) and attacker.running(attacker.placed(other))


def _object(attacker: Attacker, claim: Claim) -> bool:
    """Write the object of the witness."""
    body = details(claim).get("manifest")
    if body is None:
        return _own(attacker, claim)
    return attacker.create(body).ok


def _own(attacker: Attacker, claim: Claim) -> bool:
    """Write anew the object of its own that the witness begins with."""
    assert claim.witness is not None
    key = next(step.by for step in claim.witness.steps if step.by is not None)
    body = deepcopy(attacker.given[key.kind, key.namespace, key.name])
    body["metadata"] = {"name": f"again-{key.name}", "namespace": key.namespace}
    return attacker.create(body).ok


def _relabel(attacker: Attacker, claim: Claim) -> bool:
    """Set the labels of the witness on the namespace it names, or one that opens its own."""
    body = details(claim).get("manifest") or {}
    labels = (body.get("metadata") or {}).get("labels") or {"pod-security.kubernetes.io/warn": "privileged"}
    name = (body.get("metadata") or {}).get("name", "")
    where = attacker.names.get(name, name) if name else attacker.home
    return attacker.label(where, {key: str(labels[key]) for key in labels if not key.startswith("kubernetes.io/")})


def _secrets(attacker: Attacker, claim: Claim) -> bool:
    """Read a secret of somebody else; what is in it comes out."""
    namespace = attacker.target if claim.channel == "A3" else attacker.names.get("gpu-operator", "gpu-operator")
    path = f"/api/v1/namespaces/{namespace}/secrets"
    answer = attacker.noted(attacker.api.request("GET", path))
    return answer.ok and any(item.get("data") for item in answer.body["items"])


def _read_namespace(attacker: Attacker, _claim: Claim) -> bool:
    return attacker.noted(attacker.api.request("GET", f"/api/v1/namespaces/{attacker.target}")).ok


def _starve(attacker: Attacker, claim: Claim) -> bool:
    """Ask for all CPU of every node; a pod of the other tenant then waits."""
    base = details(claim)["manifest"]
    nodes = attacker.cluster.api.list("v1", "Node")
    made = []
    for node in nodes:
        pod = named(base, f"all-of-{node['metadata']['name']}-{claim.source}")
        free = _free(attacker.cluster, node)
        pod["spec"]["containers"][0]["resources"] = {part: {"cpu": f"{free}m"} for part in ("requests", "limits")}
        pod["spec"]["nodeSelector"] = {"kubernetes.io/hostname": node["metadata"]["name"]}
        made.append(pod)
    try:
        # More than all nodes have: what is bounded at all refuses that.
        without_bound = named(base, f"more-than-all-{claim.source}")
        without_bound["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100k"}, "limits": {"cpu": "100k"}}
        if not attacker.create(without_bound).ok:
            return False
        attacker.cluster.api.delete(attacker.placed(without_bound))
        if not all(attacker.runs(pod) for pod in made):
            return False
        waiting = _small(attacker.target, f"waits-for-{claim.source}")
        attacker.cluster.api.create(waiting).expect()
        return attacker.seen(lambda: _unschedulable(attacker.cluster, waiting))
    finally:
        for pod in (*made, _small(attacker.target, f"waits-for-{claim.source}")):
            attacker.cluster.api.delete(attacker.placed(pod))


def _preempt(attacker: Attacker, claim: Claim) -> bool:
    """Let the other tenant fill a node, and take its place by a priority class."""
    pod = named(details(claim)["manifest"], f"preempts-{claim.source}")
    node = attacker.cluster.api.list("v1", "Node")[0]
    victim = _small(attacker.target, f"victim-of-{claim.source}")
    place = {"kubernetes.io/hostname": node["metadata"]["name"]}
    victim["spec"]["nodeSelector"] = pod["spec"]["nodeSelector"] = place
    free = f"{_free(attacker.cluster, node)}m"
    victim["spec"]["containers"][0]["resources"] = {"requests": {"cpu": free}, "limits": {"cpu": free}}
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}
    created = attacker.cluster.api.create(victim)
    try:
        ran = created.ok and attacker.running(created.body)
        taken = attacker.create(pod).ok
        return ran and taken and attacker.seen(lambda: _gone(attacker.cluster, victim))
    finally:
        for body in (victim, pod):
            attacker.cluster.api.delete(attacker.placed(body))


def _gone(cluster: Cluster, pod: Body) -> bool:
    return cluster.api.get("v1", "Pod", pod["metadata"]["name"], pod["metadata"]["namespace"]) is None


def _queue(attacker: Attacker, claim: Claim) -> bool:
    """Hand in work to the queue of the witness: the label is all it takes."""
    assert claim.witness is not None
    queue = next(step.by.name for step in claim.witness.steps if step.by and step.by.kind == "LocalQueue")
    label = attacker.names.get(QUEUE_LABEL, QUEUE_LABEL)
    queue = attacker.names.get(f"queue of {attacker.target}", queue)
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"enters-{claim.source}",
            "namespace": attacker.home,
            "labels": {label: queue},
        },
        "spec": {"suspend": True, "template": {"spec": _small("", "")["spec"] | {"restartPolicy": "Never"}}},
    }
    return attacker.create(job).ok


def _flood(attacker: Attacker, claim: Claim) -> bool:
    """Create objects until one is refused, or there are more than anybody needs."""
    body = details(claim)["manifest"]
    made = []
    try:
        for index in range(ENOUGH):
            made.append(named(body, f"flood-{index}"))
            if not attacker.create(made[-1]).ok:
                return False
        return True
    finally:
        for item in made:
            attacker.cluster.api.delete(attacker.placed(item))


def _place(attacker: Attacker, claim: Claim) -> bool:
    """Run a pod on the node that is set aside for the other tenant."""
    assert claim.witness is not None
    node = next(step.by.name for step in claim.witness.steps if step.by and step.by.kind == "Node")
    pod = _small(attacker.home, f"on-{node}")
    pod["spec"]["nodeSelector"] = {"kubernetes.io/hostname": attacker.names.get(node, node)}
    pod["spec"]["tolerations"] = [{"operator": "Exists"}]
    return attacker.runs(pod)


def _volume(attacker: Attacker, claim: Claim) -> bool:
    """Claim the volume of the witness, and wait until it is bound."""
    assert claim.witness is not None
    body = details(claim).get("manifest")
    if body is not None and body["kind"] == "Pod":
        return _pod(attacker, claim)
    if body is None:
        volume = next(step.by.name for step in claim.witness.steps if step.by and step.by.kind == "PersistentVolume")
        spec = (attacker.cluster.api.get("v1", "PersistentVolume", volume) or {}).get("spec") or {}
        body = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": (spec.get("claimRef") or {}).get("name", "scratch"), "namespace": claim.source},
            "spec": {
                "storageClassName": spec.get("storageClassName", "scratch"),
                "volumeName": volume,
                "accessModes": ["ReadWriteMany"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
    volumes = attacker.cluster.api.list("v1", "PersistentVolume")
    answer = attacker.create(body)
    if not answer.ok:
        return False
    name = answer.body["metadata"]["name"]

    def bound() -> bool:
        found = attacker.cluster.api.get("v1", "PersistentVolumeClaim", name, attacker.home) or {}
        return bool((found.get("status") or {}).get("phase") == "Bound")

    try:
        return attacker.seen(bound)
    finally:
        _let_go(attacker, answer.body, volumes)


def _let_go(attacker: Attacker, claim: Body, before: list[Body]) -> None:
    """Take a claim off its volume, so that the next claim finds all volumes as this one did."""
    api = attacker.cluster.api
    api.patch(claim, {"metadata": {"finalizers": None}})
    api.delete(claim)
    for found in before:
        volume = {"apiVersion": "v1", "kind": "PersistentVolume", **found}
        reserved = volume["spec"].get("claimRef")
        api.patch(volume, {"spec": {"claimRef": None}}).expect()
        if reserved:
            kept = {key: reserved[key] for key in ("namespace", "name")}
            api.patch(volume, {"spec": {"claimRef": kept}}).expect()


def _device_claim(attacker: Attacker, claim: Claim) -> bool:
    """Claim devices that others use; the label that opens a namespace for it is set first."""
    body = details(claim)["claim"]
    answer = attacker.create(body)
    if not answer.ok:
        attacker.label(attacker.home, {"resource.kubernetes.io/admin-access": "true"})
        answer = attacker.create(body)
    return answer.ok


def _limitless(attacker: Attacker, claim: Claim) -> bool:
    """Run the pod of the witness, and nothing bounds its memory."""
    pod = named(details(claim)["manifest"], f"limitless-{claim.source}")
    answer = attacker.create(pod)
    if not answer.ok:
        return False
    bounds = [
        (item.get("resources") or {}).get("limits", {}).get("memory") for item in answer.body["spec"]["containers"]
    ]
    if all(bounds):
        attacker.told.append(f"memory is bounded: {', '.join(map(str, bounds))}")
        return False
    return attacker.running(answer.body)


EXPLOITS: dict[str, Callable[[Attacker, Claim], bool]] = {
    **dict.fromkeys(("N2", "X2", "G1", "G2", "G3", "H1", "Q5"), _pod),
    **dict.fromkeys(("X8", "G4"), _both),
    **dict.fromkeys(("C1", "D1", "D2"), _object),
    **dict.fromkeys(("H2", "A4"), _relabel),
    **dict.fromkeys(("A3", "G10"), _secrets),
    **dict.fromkeys(("P1", "P2"), _volume),
    "A8": _read_namespace,
    "G11": _device_claim,
    "Q1": _starve,
    "Q2": _preempt,
    "Q3": _queue,
    "Q7": _flood,
    "Q8": _place,
    "R1": _limitless,
}
"""How a hole of each channel is used."""


# --- small things -----------------------------------------------------------------------------------------------------


def named(body: Body, name: str) -> Body:
    """Return an object under another name."""
    found = deepcopy(body)
    found["metadata"]["name"] = name
    return found


def _small(namespace: str, name: str) -> Body:
    found = plain_pod(namespace, name)
    found["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}
    return found


def _free(cluster: Cluster, node: Body) -> int:
    """Return millicores of a node that nobody has asked for."""
    taken = sum(
        parse_quantity((container.get("resources") or {}).get("requests", {}).get("cpu", "0")).milli()
        for pod in cluster.api.list("v1", "Pod")
        if pod["spec"].get("nodeName") == node["metadata"]["name"]
        for container in pod["spec"]["containers"]
    )
    return parse_quantity(node["status"]["allocatable"]["cpu"]).milli() - taken


def _unschedulable(cluster: Cluster, pod: Body) -> bool:
    now = cluster.api.get("v1", "Pod", pod["metadata"]["name"], pod["metadata"]["namespace"]) or {}
    conditions = (now.get("status") or {}).get("conditions") or ()
    return any(item.get("reason") == "Unschedulable" for item in conditions)
