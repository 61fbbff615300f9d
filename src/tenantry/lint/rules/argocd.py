"""Argo CD: Applications, projects, sync options, health checks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tenantry.lint.applications import (
    ARGO,
    SYNC_OPTIONS,
    WAVE,
    Application,
    applications,
    coverage,
    folder,
    object_options,
)
from tenantry.lint.index import Index, hint
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.model.finding import Severity
from tenantry.model.problem import nearest_name
from tenantry.model.reading import annotations_of, at, items, labels, mapping, string_map, text, texts

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath

SKIP_DRY_RUN = "SkipDryRunOnMissingResource=true"

# Which package brings the definition of the kinds of an API group.
_PROVIDERS: Mapping[str, tuple[str, ...]] = {
    "nvidia.com": ("gpu-operator-certified",),
    "mellanox.com": ("nvidia-network-operator",),
    "sriovnetwork.openshift.io": ("sriov-network-operator",),
    "nfd.openshift.io": ("nfd",),
    "datasciencecluster.opendatahub.io": ("rhods-operator", "opendatahub-operator"),
    "dscinitialization.opendatahub.io": ("rhods-operator", "opendatahub-operator"),
    "kueue.openshift.io": ("kueue-operator",),
    "grafana.integreatly.org": ("grafana-operator",),
}

# Deleting these resets VFs or drivers under running pods.
_GUARDED: tuple[tuple[str, str], ...] = (
    ("nvidia.com", "ClusterPolicy"),
    ("nvidia.com", "NVIDIADriver"),
    ("mellanox.com", "NicClusterPolicy"),
    ("sriovnetwork.openshift.io", "SriovNetworkNodePolicy"),
)

_OPTIONS = frozenset(
    {
        *("ApplyOutOfSyncOnly", "ClientSideApplyMigration", "CreateNamespace", "Delete", "FailOnSharedResource"),
        *("Force", "Prune", "PruneLast", "PrunePropagationPolicy", "Replace", "RespectIgnoreDifferences"),
        *("ServerSideApply", "SkipDryRunOnMissingResource", "Validate"),
    }
)

_CUSTOM = re.compile(
    r"resource\.customizations\.(?:health|actions|ignoreDifferences|ignoreResourceUpdates|useOpenLibs|knownTypeFields)"
    r"\.(?P<target>.+)"
)


@rule(
    "LINT-ARGO-DRY-RUN",
    Severity.WARNING,
    "An object is synced together with the operator that defines its kind",
    why="Until the operator has installed the definition, Argo CD's dry run fails and the whole sync with it.",
    source="Argo CD, docs/user-guide/sync-options.md (SkipDryRunOnMissingResource)",
)
def _dry_run(index: Index) -> Iterator[Hit]:
    if not applications(index):
        return
    places: dict[str, list[Manifest]] = {}
    for subscription in index.of("operators.coreos.com", "Subscription"):
        places.setdefault(text(subscription.body, "spec", "name"), []).append(subscription)
    commons = {
        folder(manifest)
        for manifest in index.of("kustomize.config.k8s.io", "Kustomization")
        if SKIP_DRY_RUN in text(manifest.body, "commonAnnotations", SYNC_OPTIONS)
    }
    for group, packages in _PROVIDERS.items():
        for manifest in index.group(group):
            if SKIP_DRY_RUN in object_options(manifest) or folder(manifest) in commons:
                continue
            for subscription in (found for package in packages for found in places.get(package, ())):
                if _one_sync(index, manifest, subscription):
                    message = f"the kind is defined by {text(subscription.body, 'spec', 'name')}, synced with it"
                    path = ("metadata", "annotations", SYNC_OPTIONS)
                    yield Hit(manifest, path, message, f"Annotate it with {SKIP_DRY_RUN}.")
                    break


def _one_sync(index: Index, manifest: Manifest, subscription: Manifest) -> bool:
    """Whether one Application syncs both; without a match by path, whether both stand in one folder below one."""
    mine, theirs = coverage(index).of(manifest), coverage(index).of(subscription)
    if not mine and not theirs:
        here = folder(manifest)
        above = any(_inside(here, folder(found.manifest)) for found in applications(index))
        return here == folder(subscription) and above
    shared = [found for found in mine if any(other.manifest is found.manifest for other in theirs)]
    return any(SKIP_DRY_RUN not in found.options for found in shared)


@rule(
    "LINT-ARGO-WAVE-ORDER",
    Severity.WARNING,
    "An object comes in an earlier wave than the operator that defines its kind",
    why="The sync of the earlier wave cannot succeed before the later one has begun.",
    source="Argo CD, docs/user-guide/sync-waves.md",
)
def _wave_order(index: Index) -> Iterator[Hit]:
    for subscription in index.of("operators.coreos.com", "Subscription"):
        for group, packages in _PROVIDERS.items():
            if text(subscription.body, "spec", "name") not in packages:
                continue
            for manifest in index.group(group):
                mine, theirs = _wave(manifest), _wave(subscription)
                if mine < theirs and coverage(index).of(manifest) and _one_app(index, manifest, subscription):
                    message = f"wave {mine} is before wave {theirs} of {subscription.key}"
                    yield Hit(manifest, ("metadata", "annotations", WAVE), message, f"Write a wave above {theirs}.")


def _inside(path: str, parent: str) -> bool:
    return not parent or path == parent or path.startswith(f"{parent}/")


def _one_app(index: Index, first: Manifest, second: Manifest) -> bool:
    theirs = {id(found.manifest) for found in coverage(index).of(second)}
    return any(id(found.manifest) in theirs for found in coverage(index).of(first))


def _wave(manifest: Manifest) -> int:
    try:
        return int(annotations_of(manifest.body).get(WAVE, "0"))
    except ValueError:
        return 0


@rule(
    "LINT-ARGO-PRUNE",
    Severity.WARNING,
    "An object whose deletion takes devices away is pruned without asking",
    why="A moved file or a wrong path deletes the object; drivers or VFs are then removed under running pods.",
    source="Argo CD, docs/user-guide/sync-options.md (Prune=false, Prune=confirm)",
)
def _prune_guard(index: Index) -> Iterator[Hit]:
    for group, kind in _GUARDED:
        for manifest in index.of(group, kind):
            options = object_options(manifest)
            guarded = options & {"Prune=false", "Prune=confirm"}
            pruning = [found for found in coverage(index).of(manifest) if found.prunes]
            if pruning and not guarded:
                message = f"{pruning[0].manifest.key} prunes by itself, and nothing guards this object"
                path = ("metadata", "annotations", SYNC_OPTIONS)
                yield Hit(manifest, path, message, "Annotate it with Prune=confirm,Delete=confirm.")


@rule(
    "LINT-ARGO-OPTION",
    Severity.WARNING,
    "A sync option that Argo CD does not know",
    why="Unknown options are passed over: what was meant does not happen.",
    source="Argo CD, docs/user-guide/sync-options.md",
    fragments=True,
)
def _sync_option(index: Index) -> Iterator[Hit]:
    for application in applications(index):
        for position, option in enumerate(texts(application.spec, "syncPolicy", "syncOptions")):
            path = (*application.path, "syncPolicy", "syncOptions", position)
            yield from _option(application.manifest, path, option)
    for manifest in index.manifests:
        metadata = manifest.body.get("metadata")
        if isinstance(metadata, dict) and "annotations" in metadata:
            written = text(metadata, "annotations", SYNC_OPTIONS)
            for option in written.split(",") if written else ():
                yield from _option(manifest, ("metadata", "annotations", SYNC_OPTIONS), option.strip())


def _option(manifest: Manifest, path: DocPath, option: str) -> Iterator[Hit]:
    name, equals, _ = option.partition("=")
    if "{{" in option:
        return
    if name not in _OPTIONS:
        message = f"{option!r} is no sync option{hint(nearest_name(name, _OPTIONS) or '')}"
        yield Hit(manifest, path, message, "Correct the name.")
    elif not equals:
        yield Hit(manifest, path, f"{option!r} has no value", f"Write {name}=true.")


@rule(
    "LINT-ARGO-APP",
    Severity.ERROR,
    "An Application lacks what it needs to sync",
    why="Argo CD shows InvalidSpecError and syncs nothing; the schema does not require a source.",
    source="Argo CD, util/argo/argo.go (ValidatePermissions); manifests/crds/application-crd.yaml",
)
def _application_complete(index: Index) -> Iterator[Hit]:
    for application in applications(index):
        if application.template and items(application.manifest.body, "spec", "generators") == []:
            path: DocPath = ("spec", "generators")
            yield Hit(application.manifest, path, "no generator, so no Application", "Add a generator.")
        for path, message, fix in _application_faults(application):
            yield Hit(application.manifest, path, message, fix)


def _application_faults(application: Application) -> Iterator[tuple[DocPath, str, str]]:
    spec, path = application.spec, application.path
    if not text(spec, "project"):
        yield (*path, "project"), "no project is named", "Name a project other than default."
    destination = mapping(spec, "destination")
    if not destination.get("server") and not destination.get("name"):
        yield (*path, "destination"), "the destination names no cluster", "Add server or name."
    elif destination.get("server") and destination.get("name"):
        yield (*path, "destination"), "the destination names server and name; only one is allowed", "Remove one."
    found = list(application.sources)
    if not found and "sourceHydrator" not in spec:
        yield path, "there is no source", "Add source or sources."
    for where, source in found:
        if not text(source, "repoURL"):
            yield (*where, "repoURL"), "a source names no repository", "Add repoURL."
        if not any(source.get(key) for key in ("path", "chart", "ref")):
            yield where, "a source names neither path nor chart", "Add path, chart or ref."
        elif source.get("chart") and not text(source, "targetRevision"):
            yield (*where, "targetRevision"), "a chart needs a version", "Add targetRevision."


@rule(
    "LINT-ARGO-REVISION",
    Severity.INFO,
    "A Git source names no revision",
    why="HEAD of the default branch is synced, whichever that is.",
    source="Argo CD, docs/user-guide/tracking_strategies.md",
)
def _revision(index: Index) -> Iterator[Hit]:
    for application in applications(index):
        for where, source in application.sources:
            if source.get("path") and not text(source, "targetRevision"):
                message = "no targetRevision: HEAD is followed"
                yield Hit(application.manifest, (*where, "targetRevision"), message, "Name a branch or tag.")


@rule(
    "LINT-ARGO-RETRY",
    Severity.WARNING,
    "A failed automatic sync is not tried again",
    why="Argo CD tries a commit once. A sync that comes before a webhook, a label or a definition is ready stays "
    "failed until the next commit.",
    source="Argo CD, docs/user-guide/auto_sync.md",
)
def _retry(index: Index) -> Iterator[Hit]:
    for application in applications(index):
        policy = mapping(application.spec, "syncPolicy")
        if application.automated and not isinstance(policy.get("retry"), dict):
            heals = at(policy, "automated", "selfHeal") is True
            message = "there is no retry" + ("; self-heal tries again, without growing pauses" if heals else "")
            path = (*application.path, "syncPolicy", "retry")
            yield Hit(application.manifest, path, message, "Add retry.limit.", Severity.INFO if heals else None)


@rule(
    "LINT-ARGO-TENANT-PROJECT",
    Severity.ERROR,
    "A tenant's project lets it deploy anywhere",
    why="With * a tenant writes into the namespaces of others, or changes the cluster, with Argo CD's own rights.",
    source="Argo CD, docs/operator-manual/project.yaml and docs/user-guide/projects.md",
)
def _tenant_project(index: Index) -> Iterator[Hit]:
    for project in index.of(ARGO, "AppProject"):
        name = project.key.name
        if name == "default" or not name:
            continue
        tenant = _tenant_of_project(index, project)
        severity = None if tenant else Severity.INFO
        for path, message in _open_parts(project):
            fix = "List what the project needs." if tenant else "Narrow it if people outside the platform team use it."
            yield Hit(project, path, message, fix, severity)


def _tenant_of_project(index: Index, project: Manifest) -> bool:
    """Whether a project is a tenant's: by its labels, its name, or because it is named like a tenant of the set."""
    name, marks = project.key.name, labels(project.body)
    if any(re.search(r"(?:^|/)(?:tenant|team)(?:-name)?$", key) for key in marks):
        return True
    tenants = {index.tenant(namespace) for namespace in index.tenant_namespaces}
    return re.search(r"(?:^|-)(?:tenants?|teams?)(?:-|$)", name) is not None or name in tenants


def _open_parts(project: Manifest) -> Iterator[tuple[DocPath, str]]:
    spec = mapping(project.body, "spec")
    for position, entry in enumerate(items(spec, "destinations")):
        if text(entry, "namespace") == "*":
            yield ("spec", "destinations", position, "namespace"), "every namespace is a destination"
    if "*" in texts(spec, "sourceRepos"):
        yield ("spec", "sourceRepos"), "every repository is a source"
    for position, entry in enumerate(items(spec, "clusterResourceWhitelist")):
        if text(entry, "kind") == "*":
            yield ("spec", "clusterResourceWhitelist", position), "every cluster-scoped kind may be written"


@rule(
    "LINT-ARGO-DEFAULT-PROJECT",
    Severity.WARNING,
    "The default project is open",
    why="Argo CD creates the project default with * for sources and destinations; whoever may create an Application "
    "in it may deploy anything anywhere.",
    source="Argo CD, docs/user-guide/projects.md (the default project)",
)
def _default_project(index: Index) -> Iterator[Hit]:
    for project in index.of(ARGO, "AppProject"):
        if project.key.name == "default":
            for path, message in _open_parts(project):
                yield Hit(project, path, f"the default project: {message}", "Write empty lists.")
    closed = any(project.key.name == "default" for project in index.of(ARGO, "AppProject"))
    for application in applications(index):
        if text(application.spec, "project") == "default":
            message = "the Application uses the project default" + ("" if closed else ", which the set does not close")
            path = (*application.path, "project")
            yield Hit(application.manifest, path, message, "Use a project of its own.", Severity.INFO)


@rule(
    "LINT-ARGO-PROJECT-MISSING",
    Severity.WARNING,
    "An Application names a project that does not exist",
    why="Argo CD refuses the Application: it references a project which does not exist.",
    source="Argo CD, docs/user-guide/projects.md",
)
def _project_missing(index: Index) -> Iterator[Hit]:
    known = {project.key.name for project in index.of(ARGO, "AppProject")}
    for application in applications(index):
        name = text(application.spec, "project")
        verdict = index.dangling(name, known) if name and name != "default" and "{{" not in name else None
        if verdict and known:
            severity, nearest = verdict
            message = f"no AppProject {name} is in the set{hint(nearest)}"
            yield Hit(application.manifest, (*application.path, "project"), message, "Add it.", severity)


@rule(
    "LINT-ARGO-MISSINGKEY",
    Severity.WARNING,
    "A template prints <no value> for a missing key",
    why="Without missingkey=error a mistyped parameter becomes text in names and paths, and Applications are made "
    "from it.",
    source="Argo CD, docs/operator-manual/applicationset/GoTemplate.md",
)
def _missing_key(index: Index) -> Iterator[Hit]:
    for manifest in index.of(ARGO, "ApplicationSet"):
        spec = mapping(manifest.body, "spec")
        if spec.get("goTemplate") is True and "missingkey=error" not in texts(spec, "goTemplateOptions"):
            message = "missing keys become <no value>"
            yield Hit(manifest, ("spec", "goTemplateOptions"), message, 'Write ["missingkey=error"].')


@rule(
    "LINT-ARGO-ROLLING",
    Severity.WARNING,
    "Progressive syncs switch automatic sync off",
    why="With the strategy RollingSync the controller turns automated off in the Applications it makes; self-heal "
    "and pruning do not happen.",
    source="Argo CD, docs/operator-manual/applicationset/Progressive-Syncs.md",
)
def _rolling(index: Index) -> Iterator[Hit]:
    for application in applications(index):
        strategy = text(application.manifest.body, "spec", "strategy", "type")
        if application.template and strategy == "RollingSync" and application.automated:
            path = (*application.path, "syncPolicy", "automated")
            yield Hit(application.manifest, path, "RollingSync turns automated off", "Remove one of the two.")


@rule(
    "LINT-ARGO-CUSTOMIZATION",
    Severity.ERROR,
    "A health check or other customisation cannot be read",
    why="Argo CD passes over a key it does not know and fails the assessment of every object of the kind when the "
    "Lua returns nothing.",
    source="Argo CD, docs/operator-manual/health.md and argocd-cm.yaml",
    fragments=True,
)
def _customization(index: Index) -> Iterator[Hit]:
    for manifest in index.of("", "ConfigMap"):
        if manifest.key.name != "argocd-cm":
            continue
        for key, source in string_map(manifest.body, "data").items():
            for message, fix in _customization_faults(index, key, source):
                yield Hit(manifest, ("data", key), message, fix)
    for manifest in index.of(ARGO, "ArgoCD"):
        for position, check in enumerate(items(manifest.body, "spec", "resourceHealthChecks")):
            if not _lua_returns(text(check, "check")):
                path = ("spec", "resourceHealthChecks", position, "check")
                yield Hit(manifest, path, "the Lua returns no health status", "End it with return hs.")


def _customization_faults(index: Index, key: str, source: str) -> Iterator[tuple[str, str]]:
    if key == "resource.customizations":
        parsed = index.yaml(source)
        if parsed.error or not isinstance(parsed.value, dict):
            yield f"the text is not a YAML map: {parsed.error}", "Correct the text."
        for kind, entry in mapping(parsed.value).items():
            lua = text(entry, "health.lua")
            if lua and not _lua_returns(lua):
                yield f"the health check of {kind} returns nothing", "End it with return hs."
    elif key.startswith("resource.customizations."):
        match = _CUSTOM.fullmatch(key)
        if match is None:
            yield f"{key} is no customisation", "Write resource.customizations.health.<group>_<kind>."
        elif "/" in match["target"]:
            yield "group and kind are joined by '_', not '/'", f"Write {key.replace('/', '_')}."
        elif ".health." in key and not _lua_returns(source):
            yield "the Lua returns no health status", "End it with return hs."


def _lua_returns(lua: str) -> bool:
    return re.search(r"(?m)\breturn\b", lua) is not None


@rule(
    "LINT-ARGO-APP-HEALTH",
    Severity.WARNING,
    "Applications are ordered by waves, but their health is not assessed",
    why="Since Argo CD 1.8 an Application counts as healthy at once, so the next wave of an app of apps does not wait.",
    source="Argo CD, docs/operator-manual/health.md (Argo CD App)",
)
def _application_health(index: Index) -> Iterator[Hit]:
    waves = {_wave(manifest) for manifest in index.of(ARGO, "Application")}
    if len(waves) < 2:
        return
    for manifest in index.of("", "ConfigMap"):
        if manifest.key.name == "argocd-cm":
            data = string_map(manifest.body, "data")
            assessed = "resource.customizations.health.argoproj.io_Application" in data
            if not assessed and "argoproj.io/Application" not in data.get("resource.customizations", ""):
                yield Hit(
                    manifest, ("data",), "waves of Applications do not wait", "Add the health check of Application."
                )
    for manifest in index.of(ARGO, "ArgoCD"):
        checks = items(manifest.body, "spec", "resourceHealthChecks")
        if not any(text(check, "kind") == "Application" for check in checks):
            path = ("spec", "resourceHealthChecks")
            yield Hit(manifest, path, "waves of Applications do not wait", "Add the health check of Application.")


RULES: tuple[Rule, ...] = (
    _dry_run,
    _wave_order,
    _prune_guard,
    _sync_option,
    _application_complete,
    _revision,
    _retry,
    _tenant_project,
    _default_project,
    _project_missing,
    _missing_key,
    _rolling,
    _customization,
    _application_health,
)
