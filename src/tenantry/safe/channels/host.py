"""Ways to the node and through it to everybody: escapes, the labels and constraints that prevent them, the kernel."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Missing, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.answer import Answer
from tenantry.safe.channels.channel import Channel
from tenantry.safe.escapes import Escape, escapes, placed
from tenantry.safe.pod_security import BASELINE, ENFORCE, ENFORCE_VERSION, LATEST, Level, enforced, refusal
from tenantry.safe.pods import plain_pod
from tenantry.safe.powers import pod_makers
from tenantry.safe.refusals import about_change
from tenantry.safe.ruling import Outcome, Ruling, worst

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Manifest
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.answer import Admission
    from tenantry.safe.envelope import Envelope
    from tenantry.safe.identity import Right
    from tenantry.safe.labels import LabelChange
    from tenantry.safe.view import View

H1 = Ruling("H1", "escape from a container to its node", Effect.EXEC, Impact.S0)
H2 = Ruling("H2", "Pod Security labels a tenant can change", Effect.EXEC, Impact.S0)
H3 = Ruling("H3", "broader security context constraints through a service account", Effect.EXEC, Impact.S0)
H4 = Ruling("H4", "one kernel for the containers of several tenants", Effect.EXEC, Impact.S0)

KERNEL = "node.kernel-sharing-accepted"


def runs_pods(view: View, tenant: str, namespace: str) -> Right | None:
    """Return a right by which a tenant brings pods into being in a namespace, or None."""
    rights = (
        view.may(tenant, verb, group, resource, namespace) for group, resource, verbs in pod_makers() for verb in verbs
    )
    return next((right for right in rights if right is not None), None)


def debugs_pods(view: View, tenant: str, namespace: str) -> Right | None:
    """Return a right to add a container to a pod that runs, or None."""
    for verb in ("patch", "update"):
        right = view.may(tenant, verb, "", "pods/ephemeralcontainers", namespace)
        if right is not None:
            return right
    return None


# --- H1 -----------------------------------------------------------------------------------------------------------


def escape(view: View) -> Iterator[Claim]:
    """Let no namespace of a tenant admit a pod with a host primitive.

    Such are: privileged containers, host namespaces, host paths and ports, capabilities, profiles switched off. Every
    one is tried in every place of a pod, against Pod Security, security context constraints and admission policies.
    """
    settled: dict[Hashable, set[int]] = {}
    for tenant in view.sources:
        if view.strength is Strength.DEPLOYED:
            yield _deployed(view, tenant).claim(H1, tenant.name)
            continue
        outcomes = _until_broken(_namespace(view, tenant, name, settled) for name in tenant.namespaces)
        unknown = view.unknown_roles(tenant.name)
        if unknown and not any(item.witness for item in outcomes):
            outcomes.append(Outcome.open(*unknown))
        yield worst(outcomes or [Outcome.safe("it has no namespace")]).claim(H1, tenant.name)


def _deployed(view: View, tenant: TenantIdentity) -> Outcome:
    for template in view.tenant_pods(tenant.name):
        told = refusal(Level(BASELINE, LATEST), template.body)
        if told:
            step = Step(f"the pod uses {told}", template.owner.key, template.pointer)
            summary = f"{template.owner.key} of {tenant.name} can reach its node: {told}"
            details = (("manifest", template.body),)
            fix = f"take it out of {template.owner.key}: Pod Security baseline would refuse it"
            return Outcome.broken(Witness((step,), summary, details), fix)
    return Outcome.safe("no pod that is deployed uses a host primitive")


def _until_broken(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return outcomes up to the first that shows a way: one is enough."""
    found = []
    for outcome in outcomes:
        found.append(outcome)
        if outcome.witness is not None:
            break
    return found


def _namespace(view: View, tenant: TenantIdentity, namespace: str, settled: dict[Hashable, set[int]]) -> Outcome:
    runs = runs_pods(view, tenant.name, namespace)
    debugs = debugs_pods(view, tenant.name, namespace)
    if runs is None and debugs is None:
        return Outcome.safe(f"{tenant.name} has no right to run pods")
    envelope = view.envelope(namespace)
    left = remaining(envelope.level, openshift=view.distribution_openshift)
    if not left:
        count = len(escapes(openshift=view.distribution_openshift))
        return Outcome.safe(f"Pod Security {envelope.level.name} on its namespaces refuses every one of {count} pods")
    accounts = ("", *broader(view, namespace))
    tried = [item for item in left if (debugs if item.added_later else runs) is not None]
    unknown: list[Missing] = []
    refused: Admission | None = None
    for account in accounts:
        known = settled.setdefault((envelope.alike(account), view.distribution_openshift), set())
        for item in tried:
            if id(item) in known:
                continue
            said = attempt(envelope, item, namespace, account)
            if envelope.settles(said):
                known.add(id(item))
            if said.admitted:
                right = debugs if item.added_later else runs
                return _let_in(view, tenant, envelope, (item, said), right)
            unknown.extend(said.missing)
            refused = said if said.refused else refused
    if unknown:
        return Outcome.open(*dict.fromkeys(unknown))
    by = f"{refused.by} and others refuse" if refused is not None and refused.by else "admission refuses"
    return Outcome.safe(f"{by} every one of {len(tried)} pods that Pod Security lets into {namespace}")


@cache
def remaining(level: Level, *, openshift: bool = False) -> tuple[Escape, ...]:
    """Return the escapes a Pod Security level lets in."""
    return tuple(item for item in escapes(openshift=openshift) if not refusal(level, item.pod))


def attempt(envelope: Envelope, item: Escape, namespace: str, account: str = "") -> Admission:
    """Try a pod, as a whole or by adding a container to a plain one."""
    pod = placed(item.pod, namespace, account)
    if item.added_later:
        before = placed(plain_pod(namespace), namespace, account)
        about = about_change(before, pod, before)
        return envelope.admits(pod, operation="UPDATE", old=before, subresource="ephemeralcontainers", about=about)
    return envelope.admits(pod, about=about_change(placed(plain_pod(namespace), namespace, account), pod))


def _let_in(
    view: View, tenant: TenantIdentity, envelope: Envelope, found: tuple[Escape, Admission], right: Right | None
) -> Outcome:
    item, said = found
    namespace = envelope.namespace
    changes = _needed(view, tenant.name, envelope, item)
    steps = list(right.steps) if right is not None else []
    for change in changes:
        steps.extend((*change.right.steps, _label_step(change)))
    steps.extend(_open_door(view, envelope, item))
    user = f" as {said.user.username}" if said.user else ""
    summary = (
        f"{tenant.name} may run a pod with {item.primitive} in {namespace}{user}, and so reach the node and all on it"
    )
    manifest = said.body or placed(item.pod, namespace)
    details = (("manifest", manifest), ("primitive", item.primitive), ("position", item.position))
    return Outcome.broken(Witness(tuple(steps), summary, details), _fix(namespace, bool(changes)))


def _needed(view: View, tenant: str, envelope: Envelope, item: Escape) -> list[LabelChange]:
    """Return the changes of labels by which a pod gets past the level of the namespace and guards that select it."""
    keys: list[str] = []
    if refusal(_own_level(envelope), item.pod):
        keys += [ENFORCE, ENFORCE_VERSION]
    elif envelope.fixed((ENFORCE,)) is Answer.REFUSED or not envelope.labels.get(ENFORCE):
        lifted = envelope.lifted(placed(item.pod, envelope.namespace))
        keys += [one.key for guard in lifted for pick in guard.namespace_selectors if pick for one in pick.requirements]
    found = (view.labels.change_of(tenant, envelope.namespace, key) for key in dict.fromkeys(keys))
    return [change for change in found if change is not None and change.admission.admitted][:1]


def _own_level(envelope: Envelope) -> Level:
    return enforced(envelope.labels)


def _label_step(change: LabelChange) -> Step:
    what = f"remove label {change.key}" if change.value is None else f"set label {change.key}={change.value}"
    key = change.right.steps[-1].by
    return Step(f"{what} of namespace {change.namespace}", key, change.right.steps[-1].pointer)


def _open_door(view: View, envelope: Envelope, item: Escape) -> Iterator[Step]:
    """Yield why nothing refuses the pod: the level of the namespace, constraints, the policies there are not."""
    key = envelope.manifest.key if envelope.manifest else None
    level = _own_level(envelope)
    if ENFORCE in envelope.labels and key is not None:
        yield Step(f"Pod Security {level.name} lets it in", key, ("metadata", "labels", ENFORCE))
    else:
        yield Step("Pod Security does not apply", missing=f"namespace {envelope.namespace} has no label {ENFORCE}")
    if view.distribution_openshift:
        yield Step("security context constraints that may be used here let it in")
    yield Step(
        "no admission policy refuses it",
        missing=f"no ValidatingAdmissionPolicy refuses {item.primitive} in namespace {envelope.namespace}",
    )


def _fix(namespace: str, relabelled: bool) -> str:
    """Return the smallest fix, which is checked: ``baseline`` refuses every pod tried."""
    assert all(refusal(Level(BASELINE, LATEST), item.pod) for item in escapes())
    label = f"label namespace {namespace} {ENFORCE}=restricted (baseline is enough to refuse all of them)"
    return f"{label}, and take away the right to change labels of namespaces" if relabelled else label


# --- H2 -----------------------------------------------------------------------------------------------------------


def security_labels(view: View) -> Iterator[Claim]:
    """Let no tenant change labels of a namespace, on which Pod Security, guards and network rules rest."""
    for tenant in view.sources:
        yield _labels(view, tenant).claim(H2, tenant.name)


def _labels(view: View, tenant: TenantIdentity) -> Outcome:
    namespaces = (*tenant.namespaces, *(name for name in view.snapshot.namespaces if name not in tenant.namespaces))
    unknown: LabelChange | None = None
    for namespace in namespaces:
        change = view.labels.change(tenant.name, namespace)
        if change is not None and change.admission.admitted:
            steps = (*change.right.steps, _label_step(change))
            summary = f"{tenant.name} may {steps[-1].edge}"
            witness = Witness(steps, summary, (("manifest", change.body),))
            binding = next(
                (item.by for item in change.right.steps if item.by and item.by.kind.endswith("Binding")), None
            )
            fix = f"take {binding} away, or freeze labels of namespaces by a ValidatingAdmissionPolicy"
            return Outcome.broken(witness, fix)
        unknown = unknown or change
    if unknown is not None:
        return Outcome.open(*unknown.admission.missing)
    missing = view.unknown_roles(tenant.name)
    if missing:
        return Outcome.open(*missing)
    if view.may(tenant.name, "update", "", "namespaces") or view.may(tenant.name, "patch", "", "namespaces"):
        return Outcome.safe("admission refuses every change of labels it has a right to ask for")
    return Outcome.safe("it has no right to update or patch namespaces")


# --- H3 -----------------------------------------------------------------------------------------------------------


def broader(view: View, namespace: str) -> dict[str, tuple[Manifest, ...]]:
    """Return per service account the constraints it may use that not everybody may."""
    if not view.distribution_openshift:
        return {}
    envelope = view.envelope(namespace)
    common = {item.key.name for item in envelope.usable_by("")}
    found = {}
    for account in view.accounts.of(namespace):
        more = tuple(item for item in envelope.usable_by(account) if item.key.name not in common)
        if more:
            found[account] = more
    return found


def constraints_of_accounts(view: View) -> Iterator[Claim]:
    """Let no service account a tenant can give a pod use constraints that let it reach the node."""
    for tenant in view.sources:
        if not view.distribution_openshift:
            yield H3.proved(tenant.name, "there are no security context constraints outside OpenShift")
            continue
        outcomes = [_accounts(view, tenant, name) for name in tenant.namespaces]
        if missing := view.unknown_roles(tenant.name):
            outcomes.append(Outcome.open(*missing))
        yield worst(outcomes or [Outcome.safe("it has no namespace")]).claim(H3, tenant.name)


def _accounts(view: View, tenant: TenantIdentity, namespace: str) -> Outcome:
    right = runs_pods(view, tenant.name, namespace)
    if right is None:
        return Outcome.safe(f"{tenant.name} has no right to run pods")
    unknown: list[Missing] = []
    envelope = view.envelope(namespace)
    for account, more in broader(view, namespace).items():
        for item in escapes(openshift=True):
            if item.added_later:
                continue
            said = attempt(envelope, item, namespace, account)
            if said.admitted:
                return _through(view, envelope, (account, more[0]), item, right)
            unknown.extend(said.missing)
    if unknown:
        return Outcome.open(*dict.fromkeys(unknown))
    return Outcome.safe("no service account of its namespaces may use constraints that let in a host primitive")


def _through(view: View, envelope: Envelope, account: tuple[str, Manifest], item: Escape, right: Right) -> Outcome:
    name, constraints = account
    namespace = envelope.namespace
    owner = view.tenancy.owner(namespace)
    use = view.admitter.usable.use_of(constraints.key.name, name, namespace)
    used = Step(f"service account {name} may use {constraints.key.name}", *(use or (constraints.key, ("users",))))
    steps = (*right.steps, Step(f"the pod runs as service account {name}"), used)
    summary = f"{owner} may run a pod with {item.primitive} in {namespace} as service account {name}"
    manifest = placed(item.pod, namespace, name)
    fix = f"take the right to use {constraints.key.name} from service account {namespace}/{name}"
    return Outcome.broken(Witness(steps, summary, (("manifest", manifest),)), fix)


# --- H4 -----------------------------------------------------------------------------------------------------------


def shared_kernel(view: View) -> Iterator[Claim]:
    """Take one kernel under containers of several tenants for a residual risk that somebody accepts.

    No object shows whether a kernel has a hole; only virtual machines or nodes of one's own end the sharing.
    """
    signed = view.signed(KERNEL)
    for tenant in view.sources:
        if len(view.tenants) < 2:
            yield H4.proved(tenant.name, "there is no other tenant")
        elif signed:
            yield H4.proved(tenant.name, f"fact {KERNEL} is signed: the risk is accepted")
        elif signed is False:
            step = Step("containers of several tenants share kernels", missing="nobody accepts the risk of it")
            witness = Witness((step,), f"{tenant.name} shares kernels, which was signed as not accepted")
            yield H4.violated(tenant.name, witness, "run tenants in virtual machines (kata) or on nodes of their own")
        else:
            yield H4.unknown(tenant.name, [view.missing(KERNEL)])


CHANNELS: tuple[Channel, ...] = (
    Channel(H1.id, H1.title, H1.effect, H1.impact, escape),
    Channel(H2.id, H2.title, H2.effect, H2.impact, security_labels),
    Channel(H3.id, H3.title, H3.effect, H3.impact, constraints_of_accounts),
    Channel(H4.id, H4.title, H4.effect, H4.impact, shared_kernel),
)
