"""Rights many hold alike: what aggregation adds to common roles, and what everybody is given."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from tenantry.catalog.rbac import default_objects
from tenantry.model.claim import Effect, Impact, Missing, Step, Witness
from tenantry.safe.admission import mapping
from tenantry.safe.answer import Admission, Answer
from tenantry.safe.channels.host import remaining
from tenantry.safe.envelope import ADMITTED
from tenantry.safe.powers import MAKE, OPERATIONS, RBAC, WRITE, one_per_operation
from tenantry.safe.rbac import EVERYBODY, Rule
from tenantry.safe.reading import labels_of
from tenantry.safe.ruling import Outcome, Ruling, pairwise
from tenantry.safe.samples import sample
from tenantry.safe.writing import asked, likeliest, writings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.claim import Claim
    from tenantry.safe.identity import Held
    from tenantry.safe.rbac import Grant
    from tenantry.safe.view import View

A6 = Ruling("A6", "rights that aggregation adds to common roles", Effect.EXEC, Impact.S0)
A8 = Ruling("A8", "rights of everybody: authenticated, anonymous, all service accounts", Effect.READ, Impact.S1)

# What no common role should hold in a namespace of a tenant, with what it undoes.
_DANGEROUS: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    (RBAC, "roles", ("escalate",), "write any right into its roles"),
    (RBAC, "clusterroles", ("bind",), "bind itself to any role"),
    ("security.openshift.io", "securitycontextconstraints", ("use",), "run privileged pods"),
    ("k8s.cni.cncf.io", "network-attachment-definitions", MAKE, "attach to any network of the node"),
    ("", "resourcequotas", WRITE, "change its quota"),
    ("", "limitranges", WRITE, "change its limits"),
    ("kueue.x-k8s.io", "localqueues", MAKE, "enter queues of others"),
    ("", "nodes", MAKE, "change nodes"),
)


def aggregation(view: View) -> Iterator[Claim]:
    """Let aggregation add no dangerous right to a role that tenants hold, and no tenant write aggregated roles."""
    known = {str(mapping(item.get("metadata")).get("name")) for item in default_objects(openshift=True)}
    for tenant in view.sources:
        yield _aggregated(view, tenant.name, known).claim(A6, tenant.name)


def _aggregated(view: View, tenant: str, known: set[str]) -> Outcome:
    body = sample(RBAC, "clusterroles")
    way = likeliest(writings(view.reach(tenant).rights, view.envelope(""), body, (RBAC, "clusterroles"), MAKE))
    if way is not None and way.admission.admitted:
        steps = (*way.right.steps, Step(f"{way.right.verb} a ClusterRole with an aggregation label"))
        summary = f"{tenant} may write ClusterRoles that are added to the roles of everybody"
        return Outcome.broken(Witness(steps, summary), "take the right to write cluster roles away")
    unknown: list[Missing] = list(view.unknown_roles(tenant))
    if way is not None:
        unknown.extend(way.admission.missing)
    own = next(iter(view.tenancy.by_name[tenant].namespaces), "")
    for held in view.reach(tenant).rights.all():
        for rule in held.grant.rules:
            if rule.role.name in known or rule.role.name == held.grant.role[2] or held.grant.role[0] != "ClusterRole":
                continue
            danger = _danger(rule, inside=bool(held.grant.namespace))
            if danger is None:
                continue
            said = _lets(view, danger, (held, rule), held.grant.namespace or own)
            if said.admitted:
                role = view.snapshot.get(RBAC, "ClusterRole", rule.role.name)
                label = next((key for key in labels_of(role.body) if "aggregate-to" in key), "") if role else ""
                words = f"ClusterRole {rule.role.name} is added to {held.grant.role[2]}"
                step = Step(words, rule.role, ("metadata", "labels", label))
                summary = f"{tenant} may {danger[3]}, which aggregation added to {held.grant.role[2]}"
                fix = f"take the aggregation label {label} off {rule.role}"
                return Outcome.broken(Witness((*held.steps(rule), step), summary), fix)
            unknown.extend(said.missing)
    if unknown:
        return Outcome.open(*dict.fromkeys(unknown))
    return Outcome.safe("no right that aggregation adds to its roles undoes a guard")


Danger = tuple[str, str, tuple[str, ...], str]


@cache
def _danger(rule: Rule, *, inside: bool) -> Danger | None:
    for entry in _DANGEROUS:
        group, resource, verbs, _ = entry
        if inside and (group, resource) == ("", "nodes"):
            continue
        if any(rule.allows(verb, group, resource) for verb in verbs) and not _harmless_use(rule, entry):
            return entry
    return None


def _harmless_use(rule: Rule, entry: Danger) -> bool:
    """Whether a rule only lets constraints be used that everybody may use."""
    return entry[2] == ("use",) and bool(rule.names) and all(name.startswith("restricted-v") for name in rule.names)


def _lets(view: View, danger: Danger, by: tuple[Held, Rule], namespace: str) -> Admission:
    """Say whether admission stands in the way of using a dangerous right."""
    group, resource, verbs, _ = danger
    held, rule = by
    envelope = view.envelope(namespace)
    if "use" in verbs:
        open_door = bool(remaining(envelope.level))
        key = envelope.manifest.key if envelope.manifest else None
        return ADMITTED if open_door else Admission(Answer.REFUSED, key, reason="Pod Security refuses such pods")
    written = {"escalate": "roles", "bind": "rolebindings"}.get(verbs[0], resource)
    body = sample(group, written, namespace if written != "nodes" else "")
    # Rights about rights are used by whatever right to write there is.
    about_rights = verbs[0] not in OPERATIONS
    used = MAKE if about_rights else tuple(verb for verb in verbs if rule.allows(verb, group, resource))
    ways = [asked(envelope, body, OPERATIONS[verb], held.identity.requester) for verb in one_per_operation(used)]
    return min(ways, key=lambda said: (said.refused, not said.admitted))


_REVIEWS = frozenset({"authorization.k8s.io", "authentication.k8s.io", "authorization.openshift.io"})
_READS = frozenset({"get", "list", "watch"})
_SENSITIVE = (
    "secrets",
    "pods/log",
    "pods/exec",
    "pods/attach",
    "pods/portforward",
    "pods/proxy",
    "nodes/proxy",
    "services/proxy",
)


_EVERYBODY = (*(f"group:{group}" for group in sorted(EVERYBODY)), "user:system:anonymous")
"""Subjects that mean everybody, or everybody of a kind."""


def _said(subject: str) -> str:
    kind, _, name = subject.partition(":")
    return f"{kind} {name}"


def everybody(view: View) -> Iterator[Claim]:
    """Let no binding give rights to everybody beyond those every cluster gives."""
    found, unknown = _given_to_everybody(view)
    for tenant in view.sources:
        own = {target: outcome for target, outcome in found.items() if target != tenant.name}
        if "" in own:
            yield own[""].claim(A8, tenant.name)
        elif unknown:
            yield A8.unknown(tenant.name, unknown)
        else:
            reason = "no binding gives authenticated or anonymous users or all service accounts more than the defaults"
            yield from pairwise(A8, view, tenant.name, own, reason)


def _given_to_everybody(view: View) -> tuple[dict[str, Outcome], list[Missing]]:
    defaults = _default_rules()
    found: dict[str, Outcome] = {}
    for group in _EVERYBODY:
        for grant in view.book.grants.get(group, ()):
            rule = next((item for item in grant.rules if not _harmless(item, grant, view, defaults)), None)
            if rule is None:
                continue
            owner = view.tenancy.owner(grant.namespace) if grant.namespace else ""
            target = owner if owner is not None and owner in view.tenancy.by_name else ""
            words = f"{_said(group)} is bound to {grant.role[0]} {grant.role[2]}"
            binding = Step(words, grant.binding, ("subjects", grant.subject))
            step = Step("everybody has the right", rule.role, rule.pointer)
            where = f"in namespace {grant.namespace}" if grant.namespace else "in the whole cluster"
            words = f"{', '.join(sorted(rule.verbs))} {', '.join(sorted(rule.resources or rule.urls))}"
            witness = Witness((binding, step), f"everybody in {_said(group)} may {words} {where}")
            fix = f"take {_said(group)} out of {grant.binding}"
            found.setdefault(target, Outcome.broken(witness, fix))
    missing = [
        Missing(
            f"what {entry.role[0]} {entry.role[2]} allows",
            f"add it to the manifests; {entry.binding} gives it to {_said(group)}",
        )
        for group in _EVERYBODY
        for entry in view.book.dangling.get(group, ())
        if not view.snapshot.live
    ]
    return found, missing


def _default_rules() -> set[tuple[object, ...]]:
    rules: set[tuple[object, ...]] = set()
    bodies = default_objects(openshift=True)
    by_name = {body["metadata"]["name"]: body for body in bodies if body["kind"] == "ClusterRole"}
    for binding in bodies:
        subjects = {item["name"] for item in binding.get("subjects", ())}
        if binding["kind"] != "ClusterRoleBinding" or not subjects & EVERYBODY:
            continue
        role = by_name[binding["roleRef"]["name"]]
        selectors = mapping(role.get("aggregationRule")).get("clusterRoleSelectors", ())
        keys = {next(iter(entry["matchLabels"])) for entry in selectors}
        parts = [role, *(item for item in by_name.values() if keys & set(item["metadata"]["labels"]))]
        for part in parts:
            rules.update(_content(rule) for rule in part["rules"])
    return rules


def _content(rule: dict[str, list[str]]) -> tuple[object, ...]:
    names = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
    return tuple(frozenset(rule.get(name, ())) for name in names)


def _harmless(rule: Rule, grant: Grant, view: View, defaults: set[tuple[object, ...]]) -> bool:
    """Whether a rule gives everybody nothing that matters between tenants.

    That is: what every cluster gives anyway (rights to make projects excepted, which :data:`A4` decides); reviews of
    one's own rights; paths that are read; and reading what the platform publishes in a namespace of its own.
    """
    content = (rule.verbs, rule.groups, rule.resources, rule.names, rule.urls)
    if content in defaults or (rule.groups and rule.groups <= _REVIEWS):
        return True
    if rule.urls:
        return rule.verbs <= {"get", "head"}
    if not rule.verbs <= _READS or any(rule.allows(verb, "", name) for verb in rule.verbs for name in _SENSITIVE):
        return False
    return bool(grant.namespace) and view.tenancy.owner(grant.namespace) not in view.tenancy.by_name
