"""Ways through Argo CD: projects that reach too far, Applications written in its namespaces, and who writes to Git."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Missing, Step, Witness
from tenantry.safe.answer import Requester
from tenantry.safe.channels.channel import Channel
from tenantry.safe.delivery import EVERYONE, GROUP, Delivery, Project, glob
from tenantry.safe.implicit import BUILT_IN
from tenantry.safe.partial_values import Fields, Other
from tenantry.safe.powers import MAKE, WRITE
from tenantry.safe.rbac import RBAC, service_account_groups, service_account_user
from tenantry.safe.refusals import About, about_kind
from tenantry.safe.ruling import Outcome, Ruling, pairwise, worst
from tenantry.safe.samples import sample
from tenantry.safe.writing import asked, likeliest, writings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

D1 = Ruling("D1", "Argo CD projects that reach beyond a tenant", Effect.EXEC, Impact.S0)
D2 = Ruling("D2", "Applications written where they may name any project", Effect.EXEC, Impact.S0)
D3 = Ruling("D3", "writing to the repository the platform is made of", Effect.EXEC, Impact.S0)

WRITE_ACCESS = "gitops.write-access"
LABEL = "tenantry.dev/tenant"

# What Argo CD must not apply for a tenant in the tenant's own namespace, since Argo CD itself may do everything: it
# would undo a guard, or give rights no member has.
RESERVED: tuple[tuple[str, str, str], ...] = (
    (RBAC, "RoleBinding", "rolebindings"),
    (RBAC, "Role", "roles"),
    ("", "ResourceQuota", "resourcequotas"),
    ("", "LimitRange", "limitranges"),
    ("networking.k8s.io", "NetworkPolicy", "networkpolicies"),
    ("k8s.cni.cncf.io", "NetworkAttachmentDefinition", "network-attachment-definitions"),
)


# --- D1 -----------------------------------------------------------------------------------------------------------


def projects(view: View) -> Iterator[Claim]:
    """Let no Argo CD project a tenant can use reach namespaces of others, the platform or cluster-scoped kinds.

    In its own namespaces a project must not deploy what undoes guards either, unless admission refuses it.
    """
    delivery = Delivery(view.snapshot)
    usable = Usable(delivery)
    for tenant in view.sources:
        found: dict[str, list[Outcome]] = {}
        candidates = usable.candidates(view, tenant)
        used = [(item, how) for item in candidates if (how := _use(view, delivery, tenant, item)) is not None]
        for project, how in used:
            for target, outcome in _reaches(view, delivery, tenant, (project, how)):
                found.setdefault(target, []).append(outcome)
        outcomes = {target: worst(items) for target, items in found.items()}
        everybody = outcomes.pop("", None)
        if everybody is not None:
            yield everybody.claim(D1, tenant.name)
            continue
        if not delivery.rules_known and not outcomes:
            names_used = {project.manifest.key for project, _ in used}
            rest = [
                (item, reached)
                for item, reached in zip(delivery.projects, delivery.reached, strict=True)
                if item.manifest.key not in names_used
            ]
            if any(item.sources and not _own(item, reached, tenant) for item, reached in rest):
                yield D1.unknown(tenant.name, [_RULES_UNKNOWN])
                continue
        names = ", ".join(project.name for project, _ in used) or "none"
        reason = (
            f"projects it can use ({names}) deploy into its own namespaces only" if used else "it can use no project"
        )
        yield from pairwise(D1, view, tenant.name, outcomes, reason)


class Usable:
    """Finds the projects a tenant may have a way to use, so that not every tenant is held against every project."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._named: dict[str, list[int]] = {}
        self._by_group: dict[str, list[int]] = {}
        self._by_label: dict[str, list[int]] = {}
        self._open: list[int] = []
        for place, project in enumerate(delivery.projects):
            self._named.setdefault(project.name, []).append(place)
            for _, group, _ in project.role_groups():
                self._by_group.setdefault(group, []).append(place)
            label = dict(project.manifest.body.get("metadata", {}).get("labels") or {}).get(LABEL)
            if isinstance(label, str):
                self._by_label.setdefault(label, []).append(place)
            if project.source_namespaces:
                self._open.append(place)
        self._deployed: dict[str, set[str]] = {}
        for item in delivery.applications:
            project_name, namespace = _deployment(item.body)
            if isinstance(namespace, str) and isinstance(project_name, str):
                self._deployed.setdefault(namespace, set()).add(project_name)

    def candidates(self, view: View, tenant: TenantIdentity) -> list[Project]:
        """Return every project the tenant can use and few others, in the order of projects."""
        everything = range(len(self._delivery.projects))
        places: set[int] = {*self._open, *self._by_label.get(tenant.name, ())}
        for line in self._delivery.may((*tenant.groups, *tenant.users, EVERYONE), "applications", "create"):
            name = line.object.partition("/")[0]
            plain = not self._delivery.by_expressions and not any(sign in name for sign in "*?[")
            places.update(self._named.get(name, ()) if plain else everything)
        for group in tenant.groups:
            places.update(self._by_group.get(group, ()))
        for namespace in tenant.namespaces:
            for name in self._deployed.get(namespace, ()):
                places.update(self._named.get(name, ()))
        if _written_anywhere(view, self._delivery, tenant) is not None:
            places.update(everything)
        return [self._delivery.projects[place] for place in sorted(places)]


_RULES_UNKNOWN = Missing(
    "what Argo CD lets whom do",
    "add the ConfigMap argocd-rbac-cm, or the ArgoCD with its spec.rbac, to the objects",
)


def _use(view: View, delivery: Delivery, tenant: TenantIdentity, project: Project) -> Step | None:
    """Return how a tenant can use a project, or None when it cannot."""
    key = project.manifest.key
    if not project.sources:
        return None
    for line in delivery.may((*tenant.groups, *tenant.users, EVERYONE), "applications", "create"):
        if delivery.names(project.name, line):
            return Step(f"members may create applications in project {project.name}", line.by, line.pointer)
    for index, group, policies in project.role_groups():
        if group in tenant.groups and any(_lets_use(policy) for policy in policies):
            return Step(f"group {group} acts in project {project.name}", key, ("spec", "roles", index, "groups"))
    written = _written(view, delivery, tenant, project)
    if written is not None:
        return written
    if dict(project.manifest.body.get("metadata", {}).get("labels") or {}).get(LABEL) == tenant.name:
        return Step(f"project {project.name} is the tenant's", key, ("metadata", "labels", LABEL))
    for item in delivery.applications:
        if _deploys_for(item.body, project.name, tenant):
            return Step(f"an application of project {project.name} deploys for {tenant.name}", item.key, ("spec",))
    return None


def _written(view: View, delivery: Delivery, tenant: TenantIdentity, project: Project) -> Step | None:
    """Return where a tenant may write Applications that name a project, or None."""
    anywhere = _written_anywhere(view, delivery, tenant)
    if anywhere is not None:
        return anywhere
    for pattern in project.source_namespaces:
        for namespace in tenant.namespaces:
            if glob(namespace, pattern) and any(
                view.may(tenant.name, verb, GROUP, "applications", namespace) for verb in MAKE
            ):
                key = project.manifest.key
                return Step(f"Applications may be written in {namespace}", key, ("spec", "sourceNamespaces"))
    return None


def _written_anywhere(view: View, delivery: Delivery, tenant: TenantIdentity) -> Step | None:
    """Return where a tenant may write Applications that name whatever project, or None."""
    for namespace in delivery.namespaces:
        for verb in MAKE:
            right = view.may(tenant.name, verb, GROUP, "applications", namespace)
            if right is not None and namespace not in tenant.namespaces:
                last = right.steps[-1]
                return Step(f"may {verb} applications in {namespace}, of any project", last.by, last.pointer)
    return None


def _lets_use(policy: str) -> bool:
    cells = [cell.strip() for cell in policy.split(",")]
    return len(cells) >= 5 and cells[-1] != "deny" and glob("applications", cells[2]) and cells[3] != "get"


def _deploys_for(body: dict[str, object], project: str, tenant: TenantIdentity) -> bool:
    name, namespace = _deployment(body)
    return name == project and namespace in tenant.namespaces and project != "default"


def _deployment(body: dict[str, object]) -> tuple[object, object]:
    """Return the project of an application and the namespace it deploys into."""
    spec = body.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    if body.get("kind") == "ApplicationSet":
        template = spec.get("template")
        spec = template.get("spec") if isinstance(template, dict) else {}
        spec = spec if isinstance(spec, dict) else {}
    destination = spec.get("destination")
    namespace = destination.get("namespace") if isinstance(destination, dict) else None
    return spec.get("project"), namespace


def _reaches(
    view: View, delivery: Delivery, tenant: TenantIdentity, use: tuple[Project, Step]
) -> Iterator[tuple[str, Outcome]]:
    project, how = use
    key = project.manifest.key
    for index, group, kind in project.cluster_kinds():
        step = Step(
            f"it may deploy {kind} of group {group or 'core'}", key, ("spec", "clusterResourceWhitelist", index)
        )
        yield "", _broken(tenant, project, (how, step), f"cluster-scoped {kind}", "empty clusterResourceWhitelist")
    foreign = project.reached(view.snapshot.namespaces).difference(tenant.namespaces)
    for namespace in view.snapshot.namespaces if foreign else ():
        entry = project.admits(namespace) if namespace in foreign else None
        if entry is None:
            continue
        owner = view.tenancy.owner(namespace)
        target = owner if owner is not None and owner in view.tenancy.by_name else ""
        step = Step(f"it may deploy into {namespace}", key, ("spec", "destinations", entry.index, "namespace"))
        fix = f"name its own namespaces in spec.destinations[{entry.index}]"
        yield target, _broken(tenant, project, (how, step), f"objects of namespace {namespace}", fix, into=namespace)
    yield from (("", item) for item in _own_namespaces(view, delivery, tenant, use))


def _one(pattern: str, usual: str) -> str:
    """Return something a pattern of a project takes in: itself, or what is usual where it holds a star."""
    return usual if "*" in pattern or not pattern else pattern


def _destination(project: Project, into: str) -> Body:
    """Return where an Application deploys to: a namespace of the first cluster that a project names, or its first."""
    place = next((item for item in project.destinations if not item.namespace.startswith("!")), None)
    namespace = into or _one(place.namespace if place else "", "default")
    if place is not None and place.name and not place.server:
        return {"name": _one(place.name, "in-cluster"), "namespace": namespace}
    return {"server": _one(place.server if place else "", "https://kubernetes.default.svc"), "namespace": namespace}


def _broken(
    tenant: TenantIdentity, project: Project, steps: tuple[Step, ...], what: str, fix: str, *, into: str = ""
) -> Outcome:
    manifest = {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "probe", "namespace": project.manifest.key.namespace},
        "spec": {
            "project": project.name,
            "source": {"repoURL": _one(project.sources[0], "https://git.example.com/probe.git"), "path": "."},
            "destination": _destination(project, into),
        },
    }
    summary = f"{tenant.name} may have Argo CD deploy {what} through project {project.name}"
    if project.manifest.location == BUILT_IN:
        key = project.manifest.key
        made = Step("Argo CD makes an open project", missing=f"no AppProject {key.name} is given in {key.namespace}")
        fix = f"add {key} with empty sourceRepos, destinations and clusterResourceWhitelist, so that none is made"
        return Outcome.broken(Witness((*steps[:-1], made, *steps[-1:]), summary, (("manifest", manifest),)), fix)
    return Outcome.broken(Witness(steps, summary, (("manifest", manifest),)), f"{fix} of {project.manifest.key}")


def _own_namespaces(
    view: View, delivery: Delivery, tenant: TenantIdentity, use: tuple[Project, Step]
) -> Iterator[Outcome]:
    """Yield what the project may deploy in the tenant's own namespaces that undoes guards and nothing refuses."""
    project, how = use
    for group, kind, plural in RESERVED:
        if not project.deploys(group, kind):
            continue
        for namespace in tenant.namespaces:
            if project.admits(namespace) is None:
                continue
            body = sample(group, plural, namespace)
            for (where, name), operation in product(delivery.controllers, ("CREATE", "UPDATE")):
                user = Requester(service_account_user(where, name), service_account_groups(where))
                said = asked(view.envelope(namespace), body, operation, user)
                key = project.manifest.key
                if said.admitted:
                    step = Step(f"it may deploy {kind}", key, missing=f"{key} does not deny {kind}")
                    summary = f"{tenant.name} may have Argo CD apply a {kind} in {namespace} that no member may write"
                    witness = Witness((how, step), summary, (("manifest", body),))
                    yield Outcome.broken(witness, f"add {kind} to namespaceResourceBlacklist of {key}")
                    break
                if not said.refused:
                    yield Outcome.open(*said.missing)
                    break


# --- D2 -----------------------------------------------------------------------------------------------------------


# Rights of Argo CD's own that act on others, and whether a project narrows them: what writes and removes applications,
# what runs commands in or reads logs of their pods, what changes whom Argo CD trusts.
_POWERS = (
    *(("applications", action, True) for action in ("create", "update", "delete", "override")),
    *(("applicationsets", action, True) for action in ("create", "update", "delete")),
    ("exec", "create", True),
    ("logs", "get", True),
    *(("projects", action, False) for action in ("create", "update", "delete")),
    *(("clusters", action, False) for action in ("create", "update", "delete")),
    ("accounts", "update", False),
)


def applications(view: View) -> Iterator[Claim]:
    """Let no tenant write Applications or projects in a namespace of Argo CD, nor by Argo CD's own roles."""
    delivery = Delivery(view.snapshot)
    for tenant in view.sources:
        yield _applications(view, delivery, tenant).claim(D2, tenant.name)


def _applications(view: View, delivery: Delivery, tenant: TenantIdentity) -> Outcome:
    unknown: list[Missing] = list(view.unknown_roles(tenant.name))
    projects_there = zip(delivery.projects, delivery.reached, strict=True)
    owned = {item.name for item, reached in projects_there if _own(item, reached, tenant)}
    namespaces = [name for name in delivery.namespaces if name not in tenant.namespaces] or ["argocd"]
    for namespace in namespaces:
        for resource in ("applications", "applicationsets", "appprojects"):
            body = sample(GROUP, resource, namespace)
            rights = view.reach(tenant.name).rights
            about = partial(_of_another_project, owned, resource)
            ways = writings(rights, view.envelope(namespace), body, (GROUP, resource), WRITE, about=about)
            way = likeliest(ways)
            if way is not None and way.admission.admitted:
                verb = way.right.verb
                step = Step(f"{verb} {resource} in {namespace}, of any project")
                summary = f"{tenant.name} may write {resource} in {namespace}, and so deploy with Argo CD's rights"
                fix = f"take the right to {verb} {resource} in {namespace} away"
                return Outcome.broken(Witness((*way.right.steps, step), summary, (("manifest", body),)), fix)
            if way is not None:
                unknown.extend(way.admission.missing)
    for kind, action, of_project in _POWERS:
        for line in delivery.may((*tenant.groups, *tenant.users, EVERYONE), kind, action):
            if of_project and line.object.partition("/")[0] in owned:
                continue
            step = Step(f"{line.subject} may {action} {kind} {line.object}", line.by, line.pointer)
            summary = f"{tenant.name} may {action} {kind} {line.object} in Argo CD"
            return Outcome.broken(Witness((step,), summary), f"name one project in the line of {line.by}")
    if not delivery.rules_known:
        unknown.append(_RULES_UNKNOWN)
    if unknown:
        return Outcome.open(*dict.fromkeys(unknown))
    return Outcome.safe("it has no right to write applications or projects where Argo CD trusts them")


def _of_another_project(owned: Iterable[str], resource: str, body: Body, operation: str) -> About:
    """Ask about any object of a kind; of Applications about those of a project that is not the tenant's own."""
    about = about_kind(body, operation=operation)
    if resource != "applications":
        return about
    spec = Fields({"project": Other(frozenset(owned))})
    return About(Fields({**about.known.known, "spec": spec}), about.old)


def _own(project: Project, reached: frozenset[str], tenant: TenantIdentity) -> bool:
    """Whether a project reaches namespaces of the tenant only; what it may deploy there is another channel's."""
    return reached.issubset(tenant.namespaces) and not any(True for _ in project.cluster_kinds())


# --- D3 -----------------------------------------------------------------------------------------------------------


def repositories(view: View) -> Iterator[Claim]:
    """Let only the platform's people change the repository from which the platform is deployed; a fact says who may."""
    delivery = Delivery(view.snapshot)
    signed = view.signed(WRITE_ACCESS)
    first = next(iter(delivery.applications), None)
    for tenant in view.sources:
        if not delivery.present:
            yield D3.proved(tenant.name, "nothing is deployed from Git by Argo CD")
        elif signed:
            yield D3.proved(tenant.name, f"fact {WRITE_ACCESS} is signed: {view.declared.fact(WRITE_ACCESS)}")
        elif signed is False:
            key = first.key if first is not None else delivery.projects[0].manifest.key if delivery.projects else None
            step = Step("Argo CD applies what is merged", key, ("spec",), "" if key else "an Argo CD is set up")
            merged = Step("everyone may merge", missing=f"fact {WRITE_ACCESS} says {view.declared.fact(WRITE_ACCESS)}")
            witness = Witness((merged, step), f"{tenant.name} may change what the platform is deployed from")
            yield D3.violated(tenant.name, witness, "protect the branch: reviews by the platform team")
        else:
            yield D3.unknown(tenant.name, [view.missing(WRITE_ACCESS)])


CHANNELS: tuple[Channel, ...] = tuple(
    Channel(ruling.id, ruling.title, ruling.effect, ruling.impact, decide)
    for ruling, decide in ((D1, projects), (D2, applications), (D3, repositories))
)
