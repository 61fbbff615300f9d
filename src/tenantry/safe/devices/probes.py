"""Pods a tenant could submit: the plainest one admission lets in, and what it says once something is added to it.

A refusal proves something only where the same pod without the addition is let in: otherwise it may have been refused
for a reason that a better made pod would not meet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING

from tenantry.model.claim import Missing
from tenantry.safe.becoming import dropped, never_becomes, whole
from tenantry.safe.partial_values import Fields, implies
from tenantry.safe.pods import plain_pod
from tenantry.safe.powers import CHANGE
from tenantry.safe.reading import at, copied, strings, text
from tenantry.safe.refusals import Proof, about_change, by_itself, unless_more_is_said
from tenantry.safe.ruling import Outcome, admission_missing
from tenantry.safe.shapes import neutral, shapes_of
from tenantry.safe.view import Admission, Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tenantry.model.manifest import Body
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

NAME = "probe"
MOST_QUEUES = 16
"""Queues tried per namespace; those named in annotations of the namespace come first."""
MOST_DEPLOYED = 4
"""Deployed pods of a namespace tried as a base."""


def modest_pod(namespace: str) -> Body:
    """Return a pod that the strictest Pod Security level lets in and that asks for little."""
    pod = plain_pod(namespace)
    little = {"cpu": "100m", "memory": "64Mi"}
    container = {
        **pod["spec"]["containers"][0],
        "name": NAME,
        "imagePullPolicy": "Always",
        "resources": {"requests": little, "limits": dict(little)},
    }
    return {**pod, "spec": {**pod["spec"], "automountServiceAccountToken": False, "containers": [container]}}


@dataclass(frozen=True, slots=True)
class Trial:
    """What admission says to the best of several pods.

    Attributes:
        answer: admitted if one is, refused if all are and the pod without the addition is admitted, else unknown.
        pod: the pod it was said to.
        admission: what was said.
        missing: what would decide an unknown answer.
    """

    answer: Answer
    pod: Body
    admission: Admission
    missing: tuple[Missing, ...] = ()

    @property
    def by(self) -> str:
        """What refuses the pod, for a reason."""
        return str(self.admission.by) if self.admission.by else "admission"


def admitted(trial: Trial | None, what: str) -> Trial | Outcome:
    """Return a trial of which a pod was let in, else what follows.

    Args:
        trial: what was tried; None where the tenant has no namespaces.
        what: what admission refuses, in words.
    """
    if trial is None:
        return Outcome.safe("it has no namespaces")
    if trial.answer is Answer.REFUSED:
        return Outcome.safe(f"{trial.by} refuses {what}")
    return Outcome.open(*trial.missing) if trial.answer is Answer.UNKNOWN else trial


@dataclass
class Prober:
    """Submits pods to the envelopes of a view; remembers the base pod of every namespace."""

    view: View
    _bases: dict[str, tuple[Body, Admission]] = field(default_factory=dict)
    _dresses: dict[str, list[Callable[[Body], None]]] = field(default_factory=dict)
    _never: dict[str, list[tuple[str, Fields]]] = field(default_factory=dict)
    _undecided: set[tuple[str, str]] = field(default_factory=set)
    _let_in: set[tuple[str, str]] = field(default_factory=set)

    def base(self, namespace: str) -> tuple[Body, Admission]:
        """Return the plainest pod that is let in, or the first one tried with what admission says to it."""
        if namespace not in self._bases:
            self._bases[namespace] = self._find_base(namespace)
        return self._bases[namespace]

    def _find_base(self, namespace: str) -> tuple[Body, Admission]:
        envelope = self.view.envelope(namespace)
        first: tuple[Body, Admission] | None = None
        for pod in self._candidates(namespace):
            admission = envelope.admits(pod)
            if admission.admitted:
                return pod, admission
            first = first or (pod, admission)
        assert first is not None, "there is always the plain pod"
        return first

    def _candidates(self, namespace: str) -> Iterator[Body]:
        yield modest_pod(namespace)
        for dress in self.dresses(namespace)[1:]:
            pod = modest_pod(namespace)
            dress(pod)
            yield pod
        owner = self.view.tenancy.owner(namespace)
        deployed = self.view.tenant_pods(owner) if owner and owner in self.view.tenancy.by_name else ()
        own = [item.body for item in deployed if text(item.body, "metadata", "namespace") == namespace]
        yield from [pod for pod in own if isinstance(at(pod, "spec", "containers", 0), dict)][:MOST_DEPLOYED]

    def dresses(self, namespace: str) -> list[Callable[[Body], None]]:
        """Return ways to hand a pod to a scheduler and a queue; the first does nothing."""
        if namespace not in self._dresses:
            self._dresses[namespace] = list(_dresses(self.view, namespace))
        return self._dresses[namespace]

    def lets_in(self, namespace: str, change: Callable[[Body], None]) -> Body | None:
        """Return a pod with a change, in some queue, if a namespace of the same shape let in the same; None else."""
        base, _ = self.base(namespace)
        for dress in self.dresses(namespace):
            pod = copied(base)
            dress(pod)
            change(pod)
            alike = self._alike(namespace, base, pod)
            if alike in self._let_in:
                return pod
            if alike not in self._undecided:
                return None
        return None

    def trial(self, namespace: str, changes: Iterable[Callable[[Body], None]], *, queued: bool = False) -> Trial:
        """Say what admission makes of the base pod of a namespace with one of several changes.

        Args:
            namespace: where it is submitted.
            changes: ways to change the pod that have the same effect; one that is let in is enough.
            queued: whether every queue of the namespace is tried too, as pods with GPUs may need one.
        """
        envelope = self.view.envelope(namespace)
        base, control = self.base(namespace)
        undecided: tuple[Body, Admission | None] | None = None
        refused: Trial | None = None
        for change in changes:
            plain = copied(base)
            change(plain)
            known = about_change(base, plain).known
            settled = self._settled(namespace, known)
            for dress in self.dresses(namespace) if queued else self.dresses(namespace)[:1]:
                if settled and refused:
                    # A queue takes nothing away from what is refused.
                    break
                pod = copied(base)
                dress(pod)
                change(pod)
                if settled and (said := envelope.first_said(pod)).refused:
                    refused = Trial(Answer.REFUSED, pod, said)
                    continue
                alike = self._alike(namespace, base, pod)
                if alike in self._undecided:
                    undecided = undecided or (pod, None)
                    continue
                admission = self._said(namespace, base, pod)
                if admission.admitted:
                    if admission.body is None or admission.body == pod:
                        self._let_in.add(alike)
                    return Trial(Answer.ADMITTED, admission.body or pod, admission)
                if admission.refused:
                    refused = refused or Trial(Answer.REFUSED, pod, admission)
                    settled = self._settled(namespace, known)
                else:
                    undecided = undecided or (pod, admission)
                    self._undecided.add(alike)
        if undecided is not None:
            pod, known_of_it = undecided
            said = known_of_it or self._said(namespace, base, pod)
            if said.admitted:
                return Trial(Answer.ADMITTED, said.body or pod, said)
            if not said.refused:
                return Trial(Answer.UNKNOWN, pod, said, admission_missing(said, namespace))
            refused = refused or Trial(Answer.REFUSED, pod, said)
        return self._refusal(namespace, refused, control)

    def _refusal(self, namespace: str, refused: Trial | None, control: Admission) -> Trial:
        """Return a refusal for what it is worth, given what is said to the pod without the addition."""
        assert refused is not None, "a trial needs a change"
        if control.admitted:
            return refused
        if not control.refused:
            return Trial(Answer.UNKNOWN, refused.pod, control, admission_missing(control, namespace))
        asked = f"no pod was found that admission lets into {namespace}: {control.by or 'it'} says {control.reason}"
        missing = (Missing(f"a pod of namespace {namespace}", f"{asked}; add one that runs there to the objects"),)
        return Trial(Answer.UNKNOWN, refused.pod, control, missing)

    def _alike(self, namespace: str, base: Body, pod: Body) -> tuple[str, str]:
        """Return a value equal for pods in namespaces of one shape that are the same but for their names."""
        owner = self.view.tenancy.owner(namespace) or ""
        return shapes_of(self.view).of(namespace), neutral(repr((base, pod)), owner, namespace)

    def _said(self, namespace: str, base: Body, pod: Body) -> Admission:
        """Return what admission says to a pod, made so or changed to be so later."""
        envelope = self.view.envelope(namespace)
        # A pod without what the change is about would be another one.
        said = envelope.admits(pod, keeping=partial(keeps, pod), about=partial(about_change, base, pod))
        return self._later(namespace, base, pod, said) if said.refused and not by_itself(said) else said

    def _later(self, namespace: str, base: Body, pod: Body, refused: Admission) -> Admission:
        """Say whether a pod that may not be made comes about by a change of one that may."""
        owner = self.view.tenancy.owner(namespace) or ""
        if not any(self.view.may(owner, verb, "", "pods", namespace) for verb in CHANGE):
            return refused
        envelope = self.view.envelope(namespace)
        never = whole(envelope, pod, about_change(base, pod).known)
        proof = never_becomes(envelope, pod, never)
        if proof:
            if never.proof is proof is Proof.PART:
                written = neutral(repr(never.known), owner, namespace)
                self._never.setdefault(shapes_of(self.view).of(namespace), []).append((written, never.known))
            return refused
        for path in never.added:
            before = dropped(pod, path)
            if envelope.admits(before).admitted and envelope.admits(pod, operation="UPDATE", old=before).admitted:
                return Admission(Answer.ADMITTED, body=pod)
        return unless_more_is_said(refused)

    def _settled(self, namespace: str, known: Fields) -> bool:
        """Whether it was proved, here or in a namespace of the same shape, that no pod with some parts can be."""
        owner = self.view.tenancy.owner(namespace) or ""
        return any(
            implies(known, never) and written == neutral(repr(never), owner, namespace)
            for written, never in self._never.get(shapes_of(self.view).of(namespace), ())
        )

    def worst(
        self, tenant: TenantIdentity, changes: Iterable[Callable[[Body], None]], *, queued: bool = False
    ) -> Trial | None:
        """Return the trial of a tenant's namespace that says most: admitted, then unknown, then refused."""
        found: Trial | None = None
        rank = {Answer.ADMITTED: 0, Answer.UNKNOWN: 1, Answer.REFUSED: 2}
        tried = list(changes)
        for namespace in tenant.namespaces:
            trial = self.trial(namespace, tried, queued=queued)
            if found is None or rank[trial.answer] < rank[found.answer]:
                found = trial
            if trial.answer is Answer.ADMITTED:
                break
        return found


def keeps(wanted: Body, made: Body) -> bool:
    """Whether a pod that was made to slip past a guard still has the labels and annotations it is about."""
    for place in ("labels", "annotations"):
        if not strings(wanted, "metadata", place).items() <= strings(made, "metadata", place).items():
            return False
    return True


def _dresses(view: View, namespace: str) -> Iterator[Callable[[Body], None]]:
    yield lambda pod: None
    for queue in _names(view, namespace, "scheduling.run.ai", "Queue"):
        yield _labelled("kai.scheduler/queue", queue, "kai-scheduler")
    if view.snapshot.of("run.ai", "Project") or view.snapshot.of("run.ai", "RunaiConfig"):
        yield _labelled("runai/queue", view.tenancy.owner(namespace) or namespace, "runai-scheduler")
    for local in view.snapshot.of("kueue.x-k8s.io", "LocalQueue"):
        if local.key.namespace == namespace:
            yield _labelled("kueue.x-k8s.io/queue-name", local.key.name, "")


def _names(view: View, namespace: str, group: str, kind: str) -> list[str]:
    """Return queues, those first that the namespace or its owner is mentioned with."""
    names = _sorted_names(view, group, kind)
    home = view.snapshot.get("", "Namespace", namespace)
    granted = {part.strip() for value in _annotations(home).values() for part in value.split(",")}
    owner = view.tenancy.owner(namespace) or namespace
    first = [name for name in names if name in granted]
    own = [name for name in names if (owner in name or namespace in name) and name not in granted]
    known = {*first, *own}
    others = islice((name for name in names if name not in known), max(0, MOST_QUEUES - len(known)))
    return [*first, *own, *others][:MOST_QUEUES]


@lru_cache(maxsize=8)
def _sorted_names(view: View, group: str, kind: str) -> list[str]:
    return sorted(item.key.name for item in view.snapshot.of(group, kind))


def _annotations(home: object) -> dict[str, str]:
    return strings(getattr(home, "body", None), "metadata", "annotations")


def _labelled(key: str, value: str, scheduler: str) -> Callable[[Body], None]:
    def dress(pod: Body) -> None:
        pod["metadata"].setdefault("labels", {})[key] = value
        if scheduler:
            pod["spec"]["schedulerName"] = scheduler

    return dress


# --- changes ---------------------------------------------------------------------------------------------------------


def with_annotation(key: str, value: str) -> Callable[[Body], None]:
    """Add an annotation."""

    def change(pod: Body) -> None:
        pod["metadata"].setdefault("annotations", {})[key] = value

    return change


def with_limit(resource: str, count: int = 1) -> Callable[[Body], None]:
    """Ask for devices in the first container."""

    def change(pod: Body) -> None:
        found = pod["spec"]["containers"][0].setdefault("resources", {})
        for part in ("requests", "limits"):
            found.setdefault(part, {})[resource] = str(count)

    return change


def with_variable(name: str, value: str) -> Callable[[Body], None]:
    """Set an environment variable in the first container."""

    def change(pod: Body) -> None:
        pod["spec"]["containers"][0].setdefault("env", []).append({"name": name, "value": value})

    return change


def with_runtime_class(name: str) -> Callable[[Body], None]:
    """Choose a runtime class."""

    def change(pod: Body) -> None:
        pod["spec"]["runtimeClassName"] = name

    return change


def with_capability(name: str) -> Callable[[Body], None]:
    """Add a capability to the first container."""

    def change(pod: Body) -> None:
        security = pod["spec"]["containers"][0].setdefault("securityContext", {})
        security.setdefault("capabilities", {}).setdefault("add", []).append(name)

    return change


def with_host_path(path: str, mount: str, *, kind: str = "") -> Callable[[Body], None]:
    """Mount a path of the host into the first container."""

    def change(pod: Body) -> None:
        source = {"path": path, **({"type": kind} if kind else {})}
        pod["spec"].setdefault("volumes", []).append({"name": "device", "hostPath": source})
        mounts = pod["spec"]["containers"][0].setdefault("volumeMounts", [])
        mounts.append({"name": "device", "mountPath": mount})

    return change


def with_privileges() -> Callable[[Body], None]:
    """Make the first container privileged."""

    def change(pod: Body) -> None:
        pod["spec"]["containers"][0]["securityContext"] = {"privileged": True}

    return change


def with_tolerations(tolerations: Iterable[dict[str, str]]) -> Callable[[Body], None]:
    """Tolerate taints."""
    wanted = list(tolerations)

    def change(pod: Body) -> None:
        if wanted:
            pod["spec"]["tolerations"] = [*pod["spec"].get("tolerations", []), *copied(wanted)]

    return change


def together(*changes: Callable[[Body], None]) -> Callable[[Body], None]:
    """Apply several changes in turn."""

    def change(pod: Body) -> None:
        for item in changes:
            item(pod)

    return change
