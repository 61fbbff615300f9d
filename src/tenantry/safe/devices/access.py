"""Who may get a device: which tenants admission, quota and taints let request an extended resource on which nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from tenantry.model.claim import Missing, Step
from tenantry.model.selector import parse_selector
from tenantry.model.tenancy import Strength
from tenantry.safe.devices.probes import Prober, together, with_limit, with_tolerations
from tenantry.safe.devices.reading import requested, units
from tenantry.safe.quotas import quotas_of
from tenantry.safe.reading import at, mapping, strings, text
from tenantry.safe.refusals import about_kind
from tenantry.safe.ruling import lacking
from tenantry.safe.shapes import neutral, shapes_of
from tenantry.safe.twins import twins_of
from tenantry.safe.view import Answer

if TYPE_CHECKING:
    from tenantry.model.manifest import Body, Manifest
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.devices.nodes import Taint
    from tenantry.safe.view import Admission, PodTemplate, View

_CHANGES = ("update", "patch", "delete", "deletecollection")


@dataclass(frozen=True, slots=True)
class Use:
    """Whether a tenant can get a device.

    Attributes:
        answer: admitted when it can, refused when it cannot.
        pod: the pod that gets it, when it can.
        steps: what allows it, or denies it.
        reason: why not, in a few words.
        missing: what would decide an unknown answer.
    """

    answer: Answer
    pod: Body | None = None
    steps: tuple[Step, ...] = ()
    reason: str = ""
    missing: tuple[Missing, ...] = ()

    @property
    def possible(self) -> bool:
        """Whether it is not ruled out."""
        return self.answer is not Answer.REFUSED


class Users(Mapping[str, Use]):
    """Whether each tenant can get a device; how is worked out only where it is asked for.

    Args:
        access: who answers.
        resource: the device.
        taints: those of the nodes that offer it.
    """

    def __init__(self, access: Access, resource: str, taints: tuple[Taint, ...]) -> None:
        self._access = access
        self._resource = resource
        self._taints = taints

    def __getitem__(self, tenant: str) -> Use:
        return self._access.use(self._access.view.tenancy.by_name[tenant], self._resource, self._taints)

    def __iter__(self) -> Iterator[str]:
        return iter(self._access.view.tenancy.by_name)

    def __len__(self) -> int:
        return len(self._access.view.tenants)

    def answer(self, tenant: str) -> Answer:
        """Return whether a tenant can get it, by any of those it could change places with."""
        return self[twins_of(self._access.view).first[tenant]].answer

    def can(self, tenant: str) -> bool:
        """Whether it is not ruled out that a tenant gets it."""
        return self.answer(tenant) is not Answer.REFUSED

    @cached_property
    def able(self) -> tuple[str, ...]:
        """The tenants for which it is not ruled out, by name."""
        return tuple(filter(self.can, self))

    @cached_property
    def reason(self) -> str:
        """Who can get it, for a reason."""
        able = sorted(self.able)
        return f"only {able[0]} can" if len(able) == 1 else f"{len(able)} tenants can" if able else "no tenant can"


@dataclass
class Access:
    """Answers who may get a device, each question once."""

    view: View
    prober: Prober
    _known: dict[tuple[str, str, tuple[Taint, ...]], Use] = field(default_factory=dict)
    _users: dict[tuple[str, tuple[Taint, ...]], Users] = field(default_factory=dict)
    _pods: dict[str, tuple[PodTemplate, ...]] = field(default_factory=dict)
    _asking: dict[str, dict[str, list[PodTemplate]]] = field(default_factory=dict)
    _refused: dict[tuple[str, str], Admission] = field(default_factory=dict)

    def pods(self, tenant: str) -> tuple[PodTemplate, ...]:
        """Return the pods and pod templates of a tenant."""
        if tenant not in self._pods:
            self._pods[tenant] = self.view.tenant_pods(tenant)
        return self._pods[tenant]

    def asking(self, tenant: str) -> Mapping[str, list[PodTemplate]]:
        """Return the pods of a tenant that ask for extended resources, by resource."""
        if tenant not in self._asking:
            found: dict[str, list[PodTemplate]] = {}
            for template in self.pods(tenant):
                for name in requested(template.body):
                    found.setdefault(name, []).append(template)
            self._asking[tenant] = found
        return self._asking[tenant]

    def users(self, resource: str, taints: Iterable[Taint] = ()) -> Users:
        """Return for every tenant whether it can get a resource from nodes with these taints."""
        key = (resource, tuple(sorted(taints)))
        if key not in self._users:
            self._users[key] = Users(self, *key)
        return self._users[key]

    def use(self, tenant: TenantIdentity, resource: str, taints: tuple[Taint, ...] = ()) -> Use:
        """Return whether one tenant can get a resource from nodes with these taints."""
        key = (tenant.name, resource, taints)
        if key not in self._known:
            self._known[key] = self._decide(tenant, resource, taints)
        return self._known[key]

    def _decide(self, tenant: TenantIdentity, resource: str, taints: tuple[Taint, ...]) -> Use:
        for template in self.asking(tenant.name).get(resource, ()):
            if all(taint.tolerated(template.body) for taint in taints):
                found = Step(f"asks for {resource}", template.owner.key, template.pointer)
                return Use(Answer.ADMITTED, template.body, (found,))
        if self.view.strength is Strength.DEPLOYED:
            return Use(Answer.REFUSED, reason="no pod deployed asks for it")
        refused = Use(Answer.REFUSED, reason="it has no namespaces")
        undecided: Use | None = None
        for namespace in tenant.namespaces:
            use = self._within(tenant.name, namespace, resource, taints)
            if use.answer is Answer.ADMITTED:
                return use
            if use.answer is Answer.UNKNOWN:
                undecided = undecided or use
            refused = use
        return undecided or refused

    def _within(self, tenant: str, namespace: str, resource: str, taints: tuple[Taint, ...]) -> Use:
        quota = forbidding_quota(self.view, tenant, namespace, resource)
        if quota is not None:
            path = quota_path(quota)
            denied = Step("quota of 0", quota.key, (*path, f"requests.{resource}"))
            return Use(Answer.REFUSED, steps=(denied,), reason=f"{quota.key} grants none")
        # What a policy refuses in one namespace it refuses in every other of its shape.
        asked = neutral(repr((resource, taints)), tenant, namespace)
        key = (shapes_of(self.view).of(namespace), asked)
        known = self._refused.get(key)
        if known is not None:
            return _refused(known, namespace)
        change = together(with_limit(resource), with_tolerations(taint.toleration() for taint in taints))
        step = lacking(f"admission lets the pod into {namespace}", f"nothing keeps {tenant} from asking for it")
        pod = self.prober.lets_in(namespace, change)
        if pod is not None:
            return Use(Answer.ADMITTED, pod, (step,))
        trial = self.prober.trial(namespace, [change], queued=True)
        if trial.answer is Answer.ADMITTED:
            return Use(Answer.ADMITTED, trial.pod, (step,))
        if trial.answer is Answer.REFUSED:
            if trial.admission.by is not None and trial.admission.by.kind == "ValidatingAdmissionPolicy":
                self._refused[key] = trial.admission
            return _refused(trial.admission, namespace)
        return Use(Answer.UNKNOWN, trial.pod, _denied(trial.admission), missing=trial.missing)


def _denied(said: Admission) -> tuple[Step, ...]:
    return (Step("refused", said.by, said.pointer),) if said.by else ()


def _refused(said: Admission, namespace: str) -> Use:
    by = str(said.by) if said.by else "admission"
    return Use(Answer.REFUSED, steps=_denied(said), reason=f"{by} refuses such a pod in {namespace}")


def quota_path(quota: Manifest) -> tuple[str, ...]:
    """Return where a quota holds its amounts."""
    return ("spec", "quota", "hard") if quota.key.kind == "ClusterResourceQuota" else ("spec", "hard")


def forbidding_quota(view: View, tenant: str, namespace: str, resource: str) -> Manifest | None:
    """Return a quota that grants none of a resource in a namespace and that the tenant cannot change, or None.

    Quotas with scopes hold for some pods only, and scopes that count devices do not exist, so they are passed over.
    """
    for quota in _quotas(view, namespace):
        hard = mapping(quota.body, *quota_path(quota))
        if units(hard.get(f"requests.{resource}")) != 0 or _changeable(view, tenant, quota):
            continue
        if not _shed(view, tenant, namespace, quota):
            return quota
    return None


def _shed(view: View, tenant: str, namespace: str, quota: Manifest) -> bool:
    """Whether a tenant can take a namespace out of what a quota of the cluster selects."""
    if quota.key.namespace or view.strength is Strength.DEPLOYED:
        return False
    written = at(quota.body, "spec", "selector", "labels")
    keys = {item.key for item in parse_selector(written or {}).requirements}
    noted = bool(strings(quota.body, "spec", "selector", "annotations"))
    kept = view.keeps_labels(tenant, [namespace], sorted(keys))
    return not kept or (noted and view.labels.annotates(tenant, namespace) is not None)


def granted(view: View, namespace: str, resource: str) -> float | None:
    """Return the most units of a resource that quotas let a namespace have; None when none limits it."""
    found = [
        limit
        for quota in _quotas(view, namespace)
        if (limit := units(mapping(quota.body, *quota_path(quota)).get(f"requests.{resource}"))) is not None
    ]
    return min(found) if found else None


def _quotas(view: View, namespace: str) -> tuple[Manifest, ...]:
    return _by_namespace(view).get(namespace, ())


@lru_cache(maxsize=2)
def _by_namespace(view: View) -> Mapping[str, tuple[Manifest, ...]]:
    """Return the quotas that count everything in a namespace, by namespace."""
    found: dict[str, list[Manifest]] = {}
    for quota in view.snapshot.of("", "ResourceQuota"):
        spec = mapping(quota.body, "spec")
        if not spec.get("scopes") and not spec.get("scopeSelector"):
            found.setdefault(quota.key.namespace, []).append(quota)
    selected = quotas_of(view.snapshot).selected
    for quota in view.snapshot.of("quota.openshift.io", "ClusterResourceQuota"):
        for name in selected[quota.key.name]:
            found.setdefault(name, []).append(quota)
    return {name: tuple(quotas) for name, quotas in found.items()}


def _changeable(view: View, tenant: str, quota: Manifest) -> bool:
    if view.strength is Strength.DEPLOYED:
        return False
    group, kind = "", "resourcequotas"
    if quota.key.kind == "ClusterResourceQuota":
        group, kind = "quota.openshift.io", "clusterresourcequotas"
    namespace = quota.key.namespace
    for verb in _CHANGES:
        if view.may(tenant, verb, group, kind, namespace, quota.key.name) is None:
            continue
        operation = "DELETE" if verb.startswith("delete") else "UPDATE"
        if (
            not namespace
            or not view.envelope(namespace)
            .admits(quota.body, operation=operation, about=about_kind(quota.body, operation=operation))
            .refused
        ):
            return True
    return False


def namespace_of(pod: Body | None) -> str:
    """Return the namespace of a pod."""
    return text(pod, "metadata", "namespace")


@lru_cache(maxsize=2)
def access_of(view: View) -> Access:
    """Return who may get devices in a view; channels of one view share the answers."""
    return Access(view, Prober(view))
