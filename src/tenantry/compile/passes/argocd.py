"""What Argo CD needs to deliver the tree: projects, Applications, health checks, access.

Every component becomes one Application in ``apps/``; the root Application in ``bootstrap/`` delivers ``apps/`` in
waves, which only wait for each other because Application itself has a health check.

Source: Argo CD 3.x, ``docs/user-guide/sync-waves.md``, ``docs/operator-manual/{health,project,rbac}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.build import GUARD_DELETE, manifest
from tenantry.compile.components import COMPONENTS as PLATFORM_COMPONENTS
from tenantry.compile.health import HEALTH_CHECKS
from tenantry.model.cluster import TENANT_LABEL
from tenantry.model.manifest import key_of
from tenantry.model.spec import AccessRole
from tenantry.model.tree import Component, Note, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.compile.compiler import Compilation
    from tenantry.model.cluster import Cluster, ClusterTenant
    from tenantry.model.manifest import Body
    from tenantry.model.tree import Chart

COMPONENTS: tuple[Component, ...] = (
    Component("bootstrap", "Root application", "bootstrap", -20),
    Component("apps", "Applications", "apps", -10),
)
"""Components that are not Applications themselves: the root is applied once by hand and delivers ``apps``."""

SERVER = "https://kubernetes.default.svc"
DEFAULT_INSTANCE = "openshift-gitops"
"""Namespace in which OpenShift GitOps makes an instance by itself."""
GITOPS_OPERATOR = "openshift-gitops"

# Operators and charts bring kinds of their own; a chart's Application may create these besides what is compiled.
CHART_KINDS: tuple[tuple[str, str], ...] = (
    ("", "Namespace"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("kai.scheduler", "Config"),
    ("kai.scheduler", "SchedulingShard"),
    ("nfd.k8s-sigs.io", "NodeFeatureRule"),
    ("node.k8s.io", "RuntimeClass"),
    ("nvidia.com", "ClusterPolicy"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("scheduling.run.ai", "Queue"),
)

# What a tenant must not bring itself: each of these would widen its own rights, quota or networks.
TENANT_FORBIDDEN_KINDS: tuple[tuple[str, str], ...] = (
    ("", "Endpoints"),
    ("", "LimitRange"),
    ("", "ResourceQuota"),
    ("argoproj.io", "AppProject"),
    ("argoproj.io", "Application"),
    ("argoproj.io", "ApplicationSet"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("gateway.networking.k8s.io", "ReferenceGrant"),
    ("infrastructure.opendatahub.io", "HardwareProfile"),
    ("k8s.cni.cncf.io", "MultiNetworkPolicy"),
    ("k8s.cni.cncf.io", "NetworkAttachmentDefinition"),
    ("k8s.ovn.org", "EgressFirewall"),
    ("k8s.ovn.org", "EgressQoS"),
    ("k8s.ovn.org", "EgressService"),
    ("k8s.ovn.org", "NetworkQoS"),
    ("k8s.ovn.org", "UserDefinedNetwork"),
    ("kueue.x-k8s.io", "LocalQueue"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("operators.coreos.com", "OperatorGroup"),
    ("operators.coreos.com", "Subscription"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("resource.k8s.io", "ResourceClaim"),
    ("resource.k8s.io", "ResourceClaimTemplate"),
    ("scheduling.run.ai", "BindRequest"),
    ("scheduling.run.ai", "PodGroup"),
    ("sriovnetwork.openshift.io", "*"),
)

RETRY: dict[str, Any] = {"limit": 10, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "5m"}}
SYNC_OPTIONS = [
    # Objects above the size of a last-applied annotation, and fields that operators own besides us.
    "ServerSideApply=true",
    # Custom resources whose definition arrives with an operator in an earlier wave.
    "SkipDryRunOnMissingResource=true",
    "RespectIgnoreDifferences=true",
    # Two Applications that name one object are a mistake, not a race.
    "FailOnSharedResource=true",
    "PruneLast=true",
]


def argocd(draft: Compilation) -> Iterable[Piece | Note]:
    """Yield projects, Applications, health checks and access."""
    cluster = draft.cluster
    scopes = _scopes(draft)
    yield Piece("argocd", "projects", _locked_default(cluster))
    yield Piece("argocd", "projects", _platform_project(draft, scopes))
    yield Piece("argocd", "projects", _tenants_project(draft, scopes))
    yield from (Piece("argocd", "settings", body) for body in _settings(cluster))
    yield Piece("bootstrap", "root", _root(cluster))
    yield from (Piece("bootstrap", GITOPS_OPERATOR, body) for body in _operator(cluster))
    with_objects = {piece.component for piece in draft.pieces}
    for component in draft.components:
        if component.name not in {"bootstrap", "apps", "argocd"}:
            yield from _component_application(draft, component, with_objects)
    argocd_component = next(item for item in PLATFORM_COMPONENTS if item.name == "argocd")
    yield Piece("apps", "00-argocd", _application(cluster, argocd_component))
    for tenant in cluster.tenants:
        yield Piece(f"tenant-{tenant.name}", "project", _tenant_project(cluster, tenant))
        if tenant.spec.spec.repositories:
            yield Piece(f"tenant-{tenant.name}", "project", _tenant_applications(cluster, tenant))
    if not cluster.spec.platform.spec.gitops.change_windows:
        yield Note(
            "NOTE-CHANGE-WINDOWS",
            "GitOps",
            "no change windows are declared, so applications that drain or reboot nodes sync at any time",
            "add spec.gitops.changeWindows to the Platform to confine them",
        )


def _component_application(draft: Compilation, component: Component, with_objects: set[str]) -> Iterable[Piece]:
    cluster = draft.cluster
    prefix = f"{component.wave:02d}-{component.name}"
    if component.name in with_objects:
        yield Piece("apps", prefix, _application(cluster, component))
    for chart in draft.charts:
        if chart.component == component.name:
            yield Piece(
                "apps", f"{component.wave:02d}-chart-{chart.release}", _chart_application(cluster, component, chart)
            )


def _application(cluster: Cluster, component: Component) -> Body:
    gitops = cluster.spec.platform.spec.gitops
    folder = "/".join(part for part in (gitops.path, component.folder) if part)
    source = {
        "repoURL": gitops.repository,
        "targetRevision": gitops.revision,
        "path": folder,
        "directory": {"recurse": True},
    }
    return _wrap(cluster, component, component.name, source, cluster.argocd_namespace)


def _chart_application(cluster: Cluster, component: Component, chart: Chart) -> Body:
    source = {
        "repoURL": chart.repository,
        "chart": chart.chart,
        "targetRevision": chart.version,
        "helm": {"releaseName": chart.release, "valuesObject": chart.values},
    }
    return _wrap(cluster, component, f"chart-{chart.release}", source, chart.namespace)


def _wrap(cluster: Cluster, component: Component, name: str, source: dict[str, Any], namespace: str) -> Body:
    # Namespaces hold their tenants' data: an Application that is deleted leaves its objects for a person to remove.
    spec = {
        "project": component.project,
        "source": source,
        "destination": {"server": SERVER, "namespace": namespace},
        "syncPolicy": {
            "automated": {"prune": True, "selfHeal": True, "allowEmpty": False},
            "syncOptions": SYNC_OPTIONS,
            "retry": RETRY,
        },
    }
    labels = {"tenantry.dev/disruptive": "true"} if component.disruptive else {}
    if component.tenant:
        labels[TENANT_LABEL] = component.tenant
    return manifest(
        "argoproj.io/v1alpha1",
        "Application",
        name,
        namespace=cluster.argocd_namespace,
        labels=labels,
        annotations={"argocd.argoproj.io/compare-options": "ServerSideDiff=true"},
        wave=component.wave,
        sync_options="Prune=confirm" if component.disruptive or component.tenant else "",
        spec=spec,
    )


def _root(cluster: Cluster) -> Body:
    gitops = cluster.spec.platform.spec.gitops
    source = {
        "repoURL": gitops.repository,
        "targetRevision": gitops.revision,
        "path": "/".join(part for part in (gitops.path, "apps") if part),
        "directory": {"recurse": True},
    }
    root = Component("root", "Root", "apps", 0)
    return _wrap(cluster, root, cluster.name, source, cluster.argocd_namespace)


def _operator(cluster: Cluster) -> Iterable[Body]:
    """Yield what installs Argo CD itself on OpenShift; applied once by hand, and not by Argo CD.

    It is not part of the tree that Argo CD syncs: a cluster may have it already, and a second OperatorGroup in its
    namespace would stop it.
    """
    chosen = cluster.operators.get(GITOPS_OPERATOR)
    package = chosen.operator.olm if chosen else None
    if chosen is None or package is None or not cluster.openshift:
        return
    namespace = package.namespace
    yield manifest("v1", "Namespace", namespace)
    if cluster.argocd_namespace != DEFAULT_INSTANCE:
        yield manifest("v1", "Namespace", cluster.argocd_namespace)
    yield manifest("operators.coreos.com/v1", "OperatorGroup", package.package, namespace=namespace, spec={})
    subscription = {
        "name": package.package,
        "source": package.source,
        "sourceNamespace": "openshift-marketplace",
        "channel": chosen.channel,
        "startingCSV": chosen.csv or None,
        "installPlanApproval": "Manual",
        "config": _instance_namespace(cluster),
    }
    yield manifest(
        "operators.coreos.com/v1alpha1",
        "Subscription",
        package.package,
        namespace=namespace,
        spec={key: value for key, value in subscription.items() if value is not None},
    )


def _instance_namespace(cluster: Cluster) -> dict[str, Any] | None:
    """Return what lets an instance outside the default namespace manage the whole cluster, and no other one run.

    Source: OpenShift GitOps operator, documented environment variables.
    """
    if cluster.argocd_namespace == DEFAULT_INSTANCE:
        return None
    env = {"ARGOCD_CLUSTER_CONFIG_NAMESPACES": cluster.argocd_namespace, "DISABLE_DEFAULT_ARGOCD_INSTANCE": "true"}
    return {"env": [{"name": name, "value": value} for name, value in env.items()]}


class _Scopes:
    """Kinds and namespaces that the compiled objects of each project need, and nothing else."""

    def __init__(self) -> None:
        self.cluster_kinds: dict[str, set[tuple[str, str]]] = {"platform": set(), "tenants": set()}
        self.namespaces: dict[str, set[str]] = {"platform": set(), "tenants": set()}


def _scopes(draft: Compilation) -> _Scopes:
    scopes = _Scopes()
    projects = {component.name: component.project for component in draft.components}
    for piece in draft.pieces:
        key = key_of(piece.body)
        project = projects[piece.component]
        if key.namespace:
            scopes.namespaces[project].add(key.namespace)
        else:
            scopes.cluster_kinds[project].add((key.group, key.kind))
    argocd_namespace = draft.cluster.argocd_namespace
    scopes.namespaces["platform"].update({argocd_namespace, *(chart.namespace for chart in draft.charts)})
    scopes.namespaces["tenants"].add(argocd_namespace)  # the tenants' own projects live there
    if draft.charts:
        scopes.cluster_kinds["platform"].update(CHART_KINDS)
        # Charts of monitoring stacks and schedulers grant themselves a view of kube-system.
        scopes.namespaces["platform"].add("kube-system")
    return scopes


def _kinds(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"group": group, "kind": kind} for group, kind in sorted(pairs)]


def _project(
    cluster: Cluster,
    name: str,
    description: str,
    spec: dict[str, Any],
    *,
    wave: int = 0,
    tenant: ClusterTenant | None = None,
) -> Body:
    return manifest(
        "argoproj.io/v1alpha1",
        "AppProject",
        name,
        namespace=cluster.argocd_namespace,
        labels={TENANT_LABEL: tenant.name} if tenant else None,
        wave=wave,
        sync_options=GUARD_DELETE,
        spec={"description": description, **spec},
    )


def _locked_default(cluster: Cluster) -> Body:
    return _project(
        cluster,
        "default",
        "Locked: Argo CD creates this project open to every repository and namespace",
        {
            "sourceRepos": [],
            "sourceNamespaces": [],
            "destinations": [],
            "clusterResourceWhitelist": [],
            "namespaceResourceBlacklist": [{"group": "*", "kind": "*"}],
        },
    )


def _destinations(namespaces: Iterable[str]) -> list[dict[str, str]]:
    return [{"server": SERVER, "namespace": namespace} for namespace in sorted(namespaces)]


def _platform_project(draft: Compilation, scopes: _Scopes) -> Body:
    cluster = draft.cluster
    gitops = cluster.spec.platform.spec.gitops
    spec: dict[str, Any] = {
        "sourceRepos": sorted({gitops.repository, *(chart.repository for chart in draft.charts)}),
        "destinations": _destinations(scopes.namespaces["platform"]),
        "clusterResourceWhitelist": _kinds(scopes.cluster_kinds["platform"]),
        "namespaceResourceWhitelist": [{"group": "*", "kind": "*"}],
        "orphanedResources": {"warn": False},
    }
    disruptive = _disruptive(draft)
    if gitops.change_windows and disruptive:
        spec["syncWindows"] = [
            {
                "kind": "allow",
                "schedule": window.schedule,
                "duration": window.duration,
                "timeZone": window.time_zone,
                "applications": disruptive,
                "manualSync": True,
                "syncOverrun": True,
            }
            for window in gitops.change_windows
        ]
    return _project(cluster, "platform", "The platform itself; administrators only", spec)


def _disruptive(draft: Compilation) -> list[str]:
    """Names of the Applications that may drain or reboot nodes, those of charts included."""
    names = {component.name for component in draft.components if component.disruptive}
    names.update(f"chart-{chart.release}" for chart in draft.charts if chart.component in set(names))
    return sorted(names)


def _tenants_project(draft: Compilation, scopes: _Scopes) -> Body:
    cluster = draft.cluster
    return _project(
        cluster,
        "tenants",
        "What the platform sets up for each tenant: namespaces, quotas, access, networks, queues",
        {
            "sourceRepos": [cluster.spec.platform.spec.gitops.repository],
            "destinations": _destinations(scopes.namespaces["tenants"]),
            "clusterResourceWhitelist": _kinds(scopes.cluster_kinds["tenants"]),
            "namespaceResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    )


def _tenant_project(cluster: Cluster, tenant: ClusterTenant) -> Body:
    """Return the closed project a tenant deploys from: its repositories, its namespaces, nothing of the cluster."""
    name = f"tenant-{tenant.name}"
    grants = tenant.spec.spec.access
    # A project that names a group twice in one role is refused as a whole.
    may_sync = sorted({grant.group for grant in grants if grant.role is not AccessRole.VIEW})
    may_look = sorted({grant.group for grant in grants if grant.role is AccessRole.VIEW} - set(may_sync))
    roles = []
    if may_sync:
        actions = ("get", "sync", "action/apps/Deployment/restart")
        rules = [f"p, proj:{name}:deployer, applications, {action}, {name}/*, allow" for action in actions]
        roles.append({"name": "deployer", "description": "May sync", "groups": may_sync, "policies": rules})
    if may_look:
        rules = [f"p, proj:{name}:viewer, applications, get, {name}/*, allow"]
        roles.append({"name": "viewer", "description": "May look", "groups": may_look, "policies": rules})
    spec: dict[str, Any] = {
        "sourceRepos": sorted(tenant.spec.spec.repositories),
        "sourceNamespaces": [],
        "destinations": _destinations(tenant.namespaces),
        "clusterResourceWhitelist": [],
        "namespaceResourceBlacklist": _kinds(TENANT_FORBIDDEN_KINDS),
        "permitOnlyProjectScopedClusters": False,
    }
    if roles:
        spec["roles"] = roles
    return _project(cluster, name, f"Applications of tenant {tenant.name}", spec, wave=5, tenant=tenant)


def _tenant_applications(cluster: Cluster, tenant: ClusterTenant) -> Body:
    """Return the set that deploys, from each repository of the tenant, the folders named after its namespaces."""
    folders = [{"path": namespace} for namespace in sorted(tenant.namespaces)]
    generators = [
        {"git": {"repoURL": repository, "revision": "HEAD", "directories": folders, "values": {"repo": repository}}}
        for repository in sorted(tenant.spec.spec.repositories)
    ]
    template = {
        "metadata": {
            "name": f"{tenant.name}-{{{{.path.basename}}}}-{{{{.values.repo | sha256sum | trunc 6}}}}",
            "labels": {TENANT_LABEL: tenant.name},
        },
        "spec": {
            "project": f"tenant-{tenant.name}",
            "source": {"repoURL": "{{.values.repo}}", "targetRevision": "HEAD", "path": "{{.path.path}}"},
            "destination": {"server": SERVER, "namespace": "{{.path.basename}}"},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True, "allowEmpty": False},
                "syncOptions": ["ServerSideApply=true", "FailOnSharedResource=true"],
                "retry": RETRY,
            },
        },
    }
    return manifest(
        "argoproj.io/v1alpha1",
        "ApplicationSet",
        f"tenant-{tenant.name}",
        namespace=cluster.argocd_namespace,
        labels={TENANT_LABEL: tenant.name},
        wave=6,
        sync_options="Prune=confirm",
        spec={
            "goTemplate": True,
            "goTemplateOptions": ["missingkey=error"],
            "generators": generators,
            # Deleting the set must not delete what a team runs.
            "syncPolicy": {"preserveResourcesOnDeletion": True},
            "template": template,
        },
    )


def _access_rules(cluster: Cluster) -> str:
    groups = set(cluster.spec.platform.spec.gitops.admin_groups)
    return "".join(f"g, {_csv_field(group)}, role:admin\n" for group in sorted(groups))


def _csv_field(text: str) -> str:
    """Quote a name for a line of access rules, which Argo CD reads as CSV: names of directories hold commas."""
    return '"' + text.replace('"', '""') + '"' if set(text) & {",", '"'} else text


def _settings(cluster: Cluster) -> Iterable[Body]:
    if cluster.openshift:
        checks = [{"group": item.group, "kind": item.kind, "check": item.lua} for item in HEALTH_CHECKS]
        yield manifest(
            "argoproj.io/v1beta1",
            "ArgoCD",
            "openshift-gitops",
            namespace=cluster.argocd_namespace,
            sync_options=GUARD_DELETE,
            spec={
                "resourceTrackingMethod": "annotation",
                "rbac": {"defaultPolicy": "", "policy": _access_rules(cluster), "scopes": "[groups]"},
                "resourceHealthChecks": checks,
            },
        )
        yield manifest(
            "rbac.authorization.k8s.io/v1",
            "ClusterRoleBinding",
            "tenantry-argocd",
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            subjects=[
                {
                    "kind": "ServiceAccount",
                    "name": "openshift-gitops-argocd-application-controller",
                    "namespace": cluster.argocd_namespace,
                }
            ],
        )
        return
    part_of = {"app.kubernetes.io/part-of": "argocd"}
    data = {"application.resourceTrackingMethod": "annotation"}
    for item in HEALTH_CHECKS:
        data[f"resource.customizations.health.{item.group}_{item.kind}"] = item.lua
    yield manifest(
        "v1", "ConfigMap", "argocd-cm", namespace=cluster.argocd_namespace, labels=part_of,
        sync_options=GUARD_DELETE, data=data,
    )  # fmt: skip
    yield manifest(
        "v1", "ConfigMap", "argocd-rbac-cm", namespace=cluster.argocd_namespace, labels=part_of,
        sync_options=GUARD_DELETE,
        data={"policy.csv": _access_rules(cluster), "policy.default": "", "scopes": "[groups]"},
    )  # fmt: skip
