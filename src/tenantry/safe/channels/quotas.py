"""Q1 and Q7: whether every namespace of a tenant is bounded, in what it may use and in how many objects it may hold.

A ResourceQuota bounds only what it names, so each extended resource that a node offers needs a key in each namespace.
Source: Kubernetes documentation, "Resource Quotas" (only ``requests.<name>`` is a key of an extended resource).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Missing, Step, Witness
from tenantry.model.selector import parse_selector
from tenantry.model.tenancy import Strength
from tenantry.safe.attempts import PROBE, Attempts
from tenantry.safe.devices.probes import with_limit
from tenantry.safe.devices.reading import requested
from tenantry.safe.flood import Countable, countables, quota_keys
from tenantry.safe.offers import read_offers
from tenantry.safe.quotas import QuotaBook, quotas_of
from tenantry.safe.reading import at, text
from tenantry.safe.ruling import Outcome, Ruling, admission_missing, worst
from tenantry.safe.trials import Trials
from tenantry.safe.view import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body, Manifest
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.identity import Right
    from tenantry.safe.offers import Offers
    from tenantry.safe.view import View

Q1 = Ruling("Q1", "quota missing or alterable", Effect.STARVE, Impact.S2)
Q7 = Ruling("Q7", "flood of objects", Effect.DENY, Impact.S2)

# A limit is never below the request, so a bound on either bounds what is requested.
POD_KEYS = {
    "cpu": ("requests.cpu", "cpu", "limits.cpu"),
    "memory": ("requests.memory", "memory", "limits.memory"),
    "ephemeral-storage": ("requests.ephemeral-storage", "ephemeral-storage", "limits.ephemeral-storage"),
    "pods": ("pods", "count/pods"),
}
STORAGE_KEYS = ("requests.storage",)
CLAIM_KEYS = ("persistentvolumeclaims", "count/persistentvolumeclaims")
BALANCER_KEYS = ("services.loadbalancers",)

BALANCER: Body = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": PROBE},
    "spec": {"type": "LoadBalancer", "selector": {"app": PROBE}, "ports": [{"port": 80}]},
}
CLAIM: Body = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": PROBE},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def quotas(view: View) -> Iterable[Claim]:
    """Decide Q1: every namespace is bounded in all it could take from others, and no tenant can lift the bound."""
    rule = _Quotas(view)
    for tenant in view.sources:
        yield from rule.claims(tenant)


@dataclass(frozen=True, slots=True)
class _Gap:
    """Something unbounded in a namespace: the key that is missing, and what shows that it can be used."""

    namespace: str
    key: str
    outcome: Outcome


class _Quotas:
    def __init__(self, view: View) -> None:
        self.view = view
        self.book = quotas_of(view.snapshot)
        self.offers: Offers = read_offers(view)
        self.attempts = Attempts(view)
        self.prober = Trials(view)
        self.deployed = view.strength is Strength.DEPLOYED

    def claims(self, tenant: TenantIdentity) -> Iterator[Claim]:
        gaps = [gap for name in tenant.namespaces for gap in self._gaps(tenant.name, name)]
        outcomes = [gap.outcome for gap in gaps]
        if not self.deployed:
            outcomes += self._alterable(tenant)
            outcomes += self._new_namespaces(tenant.name)
        if self.offers.missing and not self.deployed:
            outcomes.append(Outcome.open(*self.offers.missing))
        found = worst([*outcomes, Outcome.safe(self._reason(tenant))])
        if found.witness is not None and gaps:
            found = self._with_keys(found, gaps)
        yield found.claim(Q1, tenant.name)
        if found.witness is None:
            yield from self._shared(tenant)

    def _reason(self, tenant: TenantIdentity) -> str:
        if self.deployed:
            return "what its pods, claims and services use is bounded by quotas, or they use nothing of the kind"
        count = len(self.offers.named)
        return (
            f"quotas bound pods, storage, load balancers and {count} extended resources in each of its "
            f"{len(tenant.namespaces)} namespaces, and it cannot change them"
        )

    @staticmethod
    def _with_keys(found: Outcome, gaps: list[_Gap]) -> Outcome:
        """Return an outcome whose witness lists every key that is missing, by namespace."""
        missing: dict[str, list[str]] = {}
        for gap in gaps:
            if gap.outcome.witness is not None:
                missing.setdefault(gap.namespace, []).append(gap.key)
        if not missing or found.witness is None:
            return found
        listed = tuple((name, tuple(sorted(set(keys)))) for name, keys in sorted(missing.items()))
        witness = Witness(
            found.witness.steps,
            found.witness.summary,
            (*found.witness.details, ("unbounded", listed)),
            found.witness.assumes,
        )
        first, keys = listed[0]
        more = f" (and in {len(listed) - 1} more namespaces)" if len(listed) > 1 else ""
        return Outcome.broken(witness, f"add to a ResourceQuota of namespace {first}{more}: {', '.join(keys)}")

    # --- what is not bounded ------------------------------------------------------------------------------------------

    def _gaps(self, tenant: str, namespace: str) -> Iterator[_Gap]:
        for name, keys in POD_KEYS.items():
            if not self._bounded(tenant, namespace, *keys):
                yield from self._pods(tenant, namespace, name, keys[0])
        for name, step in sorted(self.offers.named.items()):
            key = f"requests.{name}"
            if not self._bounded(tenant, namespace, key):
                yield from self._device(tenant, namespace, name, step)
        if not (self._bounded(tenant, namespace, *CLAIM_KEYS) and self._bounded(tenant, namespace, *STORAGE_KEYS)):
            yield from self._object(tenant, namespace, CLAIM, self._storage_key(tenant, namespace))
        if not self._bounded(tenant, namespace, *BALANCER_KEYS):
            yield from self._object(tenant, namespace, BALANCER, BALANCER_KEYS[0])

    def _storage_key(self, tenant: str, namespace: str) -> str:
        return CLAIM_KEYS[0] if not self._bounded(tenant, namespace, *CLAIM_KEYS) else STORAGE_KEYS[0]

    def _bounded(self, tenant: str, namespace: str, *keys: str) -> bool:
        """Whether a quota bounds one of some keys; a cluster quota holds only where labels cannot be shed."""
        found = self.book.bounds(namespace, *keys)
        if not found:
            return False
        if self.deployed or any(not bound.cluster for bound in found):
            return True
        return any(
            self.view.keeps_labels(tenant, [namespace], _selector_keys(bound.quota))
            and (not bound.by_annotations or self.view.labels.annotates(tenant, namespace) is None)
            for bound in found
        )

    def _pods(self, tenant: str, namespace: str, name: str, key: str) -> Iterator[_Gap]:
        if self.deployed:
            for template in self.view.tenant_pods(tenant):
                if text(template.body, "metadata", "namespace") == namespace:
                    step = Step("pods without a bound", template.owner.key, template.pointer)
                    yield _Gap(namespace, key, self._unbounded(namespace, key, (step,), template.body))
                    return
            return
        right = self.attempts.pods(tenant, namespace)
        if right is None:
            return
        pod, admission = self.prober.base(namespace)
        if admission.admitted:
            yield _Gap(namespace, key, self._unbounded(namespace, key, right.steps, pod, name))
        elif not admission.refused:
            yield _Gap(namespace, key, Outcome.open(*admission_missing(admission, namespace)))
        else:
            yield _Gap(namespace, key, self._unbounded(namespace, key, right.steps, pod, name))

    def _device(self, tenant: str, namespace: str, name: str, offered: Step) -> Iterator[_Gap]:
        key = f"requests.{name}"
        if self.deployed:
            for template in self.view.tenant_pods(tenant):
                if text(template.body, "metadata", "namespace") == namespace and name in requested(template.body):
                    steps = (offered, Step(f"asks for {name}", template.owner.key, template.pointer))
                    yield _Gap(namespace, key, self._unbounded(namespace, key, steps, template.body))
                    return
            return
        right = self.attempts.pods(tenant, namespace)
        if right is None:
            return
        trial = self.prober.trial(namespace, [with_limit(name)], queued=True)
        if trial.answer is Answer.ADMITTED:
            yield _Gap(namespace, key, self._unbounded(namespace, key, (offered, *right.steps), trial.pod, name))
        elif trial.answer is Answer.UNKNOWN:
            yield _Gap(namespace, key, Outcome.open(*trial.missing))

    def _object(self, tenant: str, namespace: str, body: Body, key: str) -> Iterator[_Gap]:
        kind = body["kind"]
        if self.deployed:
            for manifest in self.view.snapshot.within(namespace):
                balancer = kind != "Service" or text(manifest.body, "spec", "type") == "LoadBalancer"
                if (manifest.key.group, manifest.key.kind) == ("", kind) and balancer:
                    step = Step(f"{kind} without a bound", manifest.key)
                    yield _Gap(namespace, key, self._unbounded(namespace, key, (step,), manifest.body))
                    return
            return
        attempt = self.attempts.create(tenant, namespace, body)
        if attempt is None or attempt.admission.refused:
            return
        step = Step("no quota", missing=f"no quota of namespace {namespace} bounds {key}")
        summary = f"{tenant} may create any number of {kind} objects in {namespace}: nothing bounds {key}"
        yield _Gap(namespace, key, attempt.outcome(summary, f"add {key} to a ResourceQuota of {namespace}", (step,)))

    @staticmethod
    def _unbounded(namespace: str, key: str, steps: Iterable[Step], pod: Body, name: str = "") -> Outcome:
        none = Step("no quota", missing=f"no quota of namespace {namespace} bounds {key}")
        summary = f"pods of {namespace} may take any amount of {name or key}, so that others find none left"
        witness = Witness((*steps, none), summary, (("manifest", pod),))
        return Outcome.broken(witness, f"add {key} to a ResourceQuota of namespace {namespace}")

    # --- bounds that do not hold --------------------------------------------------------------------------------------

    def _alterable(self, tenant: TenantIdentity) -> Iterator[Outcome]:
        quotas_of: dict[str, list[Body]] = {name: [] for name in tenant.namespaces}
        for quota in self.view.snapshot.of("", "ResourceQuota"):
            if quota.key.namespace in quotas_of:
                quotas_of[quota.key.namespace].append(quota.body)
        for namespace, bodies in quotas_of.items():
            for body in bodies:
                attempt = self.attempts.change(tenant.name, namespace, body)
                if attempt is not None and not attempt.admission.refused:
                    name = body["metadata"]["name"]
                    yield attempt.outcome(
                        f"{tenant.name} may change or delete ResourceQuota {namespace}/{name}, which bounds it",
                        "take the right to write resourcequotas from its roles, or refuse it by an admission policy",
                    )
        for name, namespaces in sorted(self.book.selected.items()):
            if set(namespaces) & set(tenant.namespaces):
                right = self.attempts.alters(tenant.name, "quota.openshift.io", "clusterresourcequotas", "", name)
                if right is not None:
                    witness = Witness(right.steps, f"{tenant.name} may change ClusterResourceQuota {name}")
                    yield Outcome.broken(witness, "take the right to write clusterresourcequotas from its roles")

    def _new_namespaces(self, tenant: str) -> Iterator[Outcome]:
        for group, resource in (("", "namespaces"), ("project.openshift.io", "projectrequests")):
            right = self.attempts.right(tenant, "create", group, resource)
            if right is not None:
                none = Step("new namespaces hold no quota", missing="no quota exists before a namespace does")
                summary = f"{tenant} may create namespaces, and no quota bounds what runs in a new one"
                witness = Witness((*right.steps, none), summary, (("creates", resource),))
                yield Outcome.broken(witness, f"take the right to create {resource} from it")

    def _shared(self, tenant: TenantIdentity) -> Iterator[Claim]:
        """Yield a violation per tenant that a cluster quota bounds together with this one."""
        for quota in self.view.snapshot.of("quota.openshift.io", "ClusterResourceQuota"):
            namespaces = self.book.selected.get(quota.key.name, ())
            owners = {self.view.tenancy.owner(name) or "" for name in namespaces}
            if tenant.name not in owners:
                continue
            for other in sorted(name for name in owners if name in self.view.tenancy.by_name and name != tenant.name):
                step = Step("one quota for namespaces of both", quota.key, ("spec", "selector"))
                summary = f"{tenant.name} can use up {quota.key}, which also bounds {other}"
                witness = Witness((step,), summary, (("namespaces", tuple(namespaces)),))
                yield Q1.violated(tenant.name, witness, "give each tenant a ClusterResourceQuota of its own", other)


def _selector_keys(quota: Manifest) -> frozenset[str]:
    """Return the labels by which a cluster quota picks namespaces."""
    written = at(quota.body, "spec", "selector", "labels")
    return parse_selector(written).keys if isinstance(written, dict) else frozenset()


# --- Q7 --------------------------------------------------------------------------------------------------------------


def floods(view: View) -> Iterable[Claim]:
    """Decide Q7: whatever kind a tenant may create, a quota bounds how many objects of it a namespace may hold."""
    if view.strength is Strength.DEPLOYED:
        for tenant in view.sources:
            yield Q7.proved(tenant.name, "the objects that exist are finite; only new ones can flood the API server")
        return
    book, attempts = quotas_of(view.snapshot), Attempts(view)
    kinds = countables(view.given)
    for tenant in view.sources:
        yield _flood(view, book, attempts, kinds, tenant).claim(Q7, tenant.name)


def _flood(
    view: View, book: QuotaBook, attempts: Attempts, kinds: tuple[Countable, ...], tenant: TenantIdentity
) -> Outcome:
    outcomes: list[Outcome] = []
    for namespace in tenant.namespaces:
        lacking = [kind for kind in kinds if book.bound(namespace, *quota_keys(kind)) is None]
        loose = [kind for kind in lacking if _any_number(attempts, tenant.name, namespace, kind)]
        for kind in loose:
            found = _unlimited(attempts, tenant.name, namespace, kind, loose)
            if found is not None:
                outcomes.append(found)
                if found.witness is not None:
                    return found
        if not view.snapshot.live and _any_kind(view, tenant.name, namespace):
            how = f"name the kinds in the roles {tenant.name} is bound to in {namespace}, instead of a star"
            outcomes.append(Outcome.open(Missing("which kinds the API server stores", how)))
    reason = f"quotas bound how many objects of each kind it may create in its {len(tenant.namespaces)} namespaces"
    return worst([*outcomes, Outcome.safe(reason)])


def _any_number(attempts: Attempts, tenant: str, namespace: str, kind: Countable) -> Right | None:
    """Return a right to create objects of a kind under any name; of names a rule lists there are only so many."""
    right = attempts.right(tenant, "create", kind.group, kind.plural, namespace)
    return None if right is None or right.names else right


def _any_kind(view: View, tenant: str, namespace: str) -> bool:
    """Whether a tenant may create objects of kinds that no role names, in API groups that are not all known."""
    rights = view.reach(tenant).rights
    return any(
        {"create", "*"} & rule.verbs
        and not rule.names
        and ("*" in rule.groups or ("*" in rule.resources and _custom(rule.groups)))
        for scope in ("", namespace)
        for held in rights.in_scope(scope)
        for rule in held.grant.rules
    )


def _custom(groups: Iterable[str]) -> bool:
    return any("." in group and not group.endswith(".k8s.io") for group in groups)


def _unlimited(
    attempts: Attempts, tenant: str, namespace: str, kind: Countable, loose: list[Countable]
) -> Outcome | None:
    key = quota_keys(kind)[0]
    right = _any_number(attempts, tenant, namespace, kind)
    if right is None:
        return None
    keys = ", ".join(quota_keys(item)[0] for item in loose)
    fix = f"add to a ResourceQuota of namespace {namespace}: {keys}"
    none = Step("no quota", missing=f"no quota of namespace {namespace} bounds {key}")
    summary = f"{tenant} may create any number of {kind.plural} in {namespace} and fill the API server's store"
    listed = ("unbounded", ((namespace, tuple(sorted(quota_keys(item)[0] for item in loose))),))
    if kind.kind:
        attempt = attempts.create(tenant, namespace, kind.body())
        if attempt is None or attempt.admission.refused:
            return None
        found = attempt.outcome(summary, fix, (none,))
        if found.witness is None:
            return found
        return replace(found, witness=replace(found.witness, details=(*found.witness.details, listed)))
    return Outcome.broken(Witness((*right.steps, none), summary, (("kind", kind.plural), listed)), fix)
