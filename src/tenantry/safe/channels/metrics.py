"""C3: whether a tenant sees metrics of another: by rights, by scraping, by asking a Prometheus that answers everybody.

Sources: OpenShift monitoring (``cluster-monitoring-view``, ``prometheuses/api``); Prometheus Operator API reference
(``namespaceSelector`` of monitors; ``ignoreNamespaceSelectors`` and ``arbitraryFSAccessThroughSMs`` of Prometheus).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Step, Witness
from tenantry.model.tenancy import PLATFORM, Strength
from tenantry.safe.attempts import PROBE, Attempts
from tenantry.safe.gpu.exporter import open_rule
from tenantry.safe.reading import at, items, labels_of, mapping, strings, text, texts
from tenantry.safe.ruling import Outcome, Ruling, worst
from tenantry.safe.shapes import representatives
from tenantry.safe.subjects import acts_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body, Manifest
    from tenantry.model.problem import DocPath
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

C3 = Ruling("C3", "metrics of another tenant", Effect.OBSERVE, Impact.S3)

FACT = "monitoring.tenancy"
MONITORING = "monitoring.coreos.com"
VIEW_ROLES = frozenset({"cluster-monitoring-view", "cluster-monitoring-metrics-api"})

# Rights that show metrics of pods everywhere: API group, kind, verb, namespace and name asked about.
RIGHTS = (
    (MONITORING, "prometheuses/api", "get", "openshift-monitoring", "k8s"),
    ("metrics.k8s.io", "pods", "list", "", ""),
    ("", "nodes/metrics", "get", "", ""),
    ("", "nodes/stats", "get", "", ""),
)

_IMAGES = ("/prometheus:", "/prometheus@", "/thanos:", "/thanos@", "/victoria-metrics:", "/vmselect:", "/mimir:")
_PROXIES = ("kube-rbac-proxy", "oauth-proxy", "prom-label-proxy")
PORT = 9090


def metrics(view: View) -> Iterable[Claim]:
    """Decide C3: rights, monitors and the network show a tenant nobody's metrics but its own."""
    attempts = Attempts(view)
    bindings = _view_bindings(view)
    servers = list(_servers(view))
    for tenant in view.sources:
        outcomes = [
            *_by_rights(view, attempts, bindings, tenant),
            *_by_monitors(view, attempts, tenant),
            *_by_asking(view, servers, tenant),
        ]
        reason = (
            "it has no right to metrics of others, its monitors stay in its namespaces, and Prometheus asks who asks"
        )
        yield worst([*outcomes, Outcome.safe(reason)]).claim(C3, tenant.name)


def _view_bindings(view: View) -> list[Manifest]:
    """Return bindings to the roles that open the metrics of the whole cluster."""
    kinds = view.snapshot.of("rbac.authorization.k8s.io", "ClusterRoleBinding", "RoleBinding")
    return [item for item in kinds if text(item.body, "roleRef", "name") in VIEW_ROLES]


def _by_rights(view: View, attempts: Attempts, bindings: list[Manifest], tenant: TenantIdentity) -> Iterator[Outcome]:
    for binding in bindings:
        if binding.key.namespace in tenant.namespaces:
            # Bound in the tenant's own namespace it opens that namespace's metrics.
            continue
        for index, subject in enumerate(items(binding.body, "subjects")):
            if acts_for(subject, tenant):
                role = text(binding.body, "roleRef", "name")
                steps = (
                    Step("names somebody of the tenant", binding.key, ("subjects", index)),
                    Step(f"gives {role}", binding.key, ("roleRef",)),
                )
                summary = f"{text(subject, 'name')} of {tenant.name} may query metrics of every namespace"
                fix = f"remove {text(subject, 'name')} from {binding.key}"
                yield Outcome.broken(Witness(steps, summary), fix)
    for group, resource, verb, namespace, name in RIGHTS:
        right = attempts.right(tenant.name, verb, group, resource, namespace, name=name)
        if right is not None:
            witness = Witness(right.steps, f"{tenant.name} may {verb} {resource}, which shows pods of every tenant")
            yield Outcome.broken(witness, f"take the right to {verb} {resource} from {tenant.name}")


# --- scraping --------------------------------------------------------------------------------------------------------


def _monitors() -> Iterator[tuple[str, Body]]:
    for kind, listed in (("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")):
        base = {"selector": {}, listed: [{"port": "metrics"}]}
        yield "scrapes pods of every namespace", _monitor(kind, {**base, "namespaceSelector": {"any": True}})
        other = {"matchNames": ["probe-namespace-of-another"]}
        yield "scrapes pods of another namespace", _monitor(kind, {**base, "namespaceSelector": other})
        token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
        if kind == "ServiceMonitor":
            sends = {"selector": {}, listed: [{"port": "metrics", "bearerTokenFile": token}]}
            yield "makes Prometheus send its own token", _monitor(kind, sends)


def _monitor(kind: str, spec: Body) -> Body:
    return {"apiVersion": f"{MONITORING}/v1", "kind": kind, "metadata": {"name": PROBE}, "spec": spec}


def _confining(view: View, namespace: str) -> bool | None:
    """Whether every Prometheus confines monitors of a namespace to it; None when no Prometheus is known."""
    home = view.snapshot.get("", "Namespace", namespace)
    if labels_of(home.body if home else None).get("openshift.io/cluster-monitoring") == "true":
        return False
    servers = view.snapshot.of(MONITORING, "Prometheus")
    if not servers:
        return None
    return all(
        at(item.body, "spec", "ignoreNamespaceSelectors") is True
        and at(item.body, "spec", "arbitraryFSAccessThroughSMs", "deny") is True
        for item in servers
    )


def _by_monitors(view: View, attempts: Attempts, tenant: TenantIdentity) -> Iterator[Outcome]:
    for manifest in view.snapshot.of(MONITORING, "ServiceMonitor", "PodMonitor"):
        if manifest.key.namespace in tenant.namespaces and _confining(view, manifest.key.namespace) is not True:
            foreign = _foreign(manifest, tenant)
            if foreign:
                step = Step("selects namespaces of others", manifest.key, ("spec", "namespaceSelector"))
                summary = f"{manifest.key} of {tenant.name} scrapes {foreign}"
                yield Outcome.broken(Witness((step,), summary), f"let {manifest.key} select its own namespace only")
    if view.strength is Strength.DEPLOYED or view.signed(FACT) is True:
        return
    for namespace in representatives(view, tenant):
        confined = _confining(view, namespace)
        if confined:
            continue
        for what, body in _monitors():
            attempt = attempts.create(tenant.name, namespace, body)
            if attempt is None or attempt.admission.refused:
                continue
            if confined is None and attempt.admission.admitted and view.signed(FACT) is None:
                yield Outcome.open(view.missing(FACT))
                continue
            summary = f"a {body['kind']} of {tenant.name} in {namespace} {what}"
            fix = "refuse monitors that select other namespaces or send files, or set ignoreNamespaceSelectors"
            yield attempt.outcome(summary, fix)


def _foreign(monitor: Manifest, tenant: TenantIdentity) -> str:
    """Return what a monitor selects outside its tenant, in words; empty when nothing."""
    if at(monitor.body, "spec", "namespaceSelector", "any") is True:
        return "every namespace"
    names = texts(monitor.body, "spec", "namespaceSelector", "matchNames")
    outside = [name for name in names if name not in tenant.namespaces]
    return f"namespace {outside[0]}" if outside else ""


# --- asking ----------------------------------------------------------------------------------------------------------


def _servers(view: View) -> Iterator[tuple[Manifest, DocPath, dict[str, str] | None]]:
    """Yield servers of metrics of the platform: object, place, labels of its pods or None when it asks who asks."""
    for manifest in view.snapshot.of(MONITORING, "Prometheus"):
        proxied = _proxied(items(manifest.body, "spec", "containers")) or mapping(
            manifest.body, "spec", "web", "tlsConfig"
        )
        if _shared(view, manifest):
            labels = {"app.kubernetes.io/name": "prometheus", "prometheus": manifest.key.name}
            yield manifest, ("spec",), None if proxied else labels
    for manifest in view.snapshot.of("apps", "Deployment", "StatefulSet"):
        containers = items(manifest.body, "spec", "template", "spec", "containers")
        named = [f"/{text(item, 'image')}" for item in containers]
        if not any(part in image for image in named for part in _IMAGES) or not _shared(view, manifest):
            continue
        arguments = [word for item in containers for word in texts(item, "args")]
        asks = _proxied(containers) or any(word.startswith("--web.config.file") for word in arguments)
        labels = strings(manifest.body, "spec", "template", "metadata", "labels")
        yield manifest, ("spec", "template", "spec", "containers"), None if asks else labels


def _shared(view: View, manifest: Manifest) -> bool:
    return view.tenancy.owner(manifest.key.namespace) in {PLATFORM, None}


def _proxied(containers: Iterable[object]) -> bool:
    return any(part in text(item, "image") for item in containers for part in _PROXIES)


def _by_asking(
    view: View, servers: list[tuple[Manifest, DocPath, dict[str, str] | None]], tenant: TenantIdentity
) -> Iterator[Outcome]:
    signed = view.signed(FACT)
    for grafana in view.snapshot.of("grafana.integreatly.org", "Grafana"):
        if text(grafana.body, "spec", "config", "auth.anonymous", "enabled") == "true":
            step = Step("answers without a login", grafana.key, ("spec", "config", "auth.anonymous", "enabled"))
            summary = f"{tenant.name} sees dashboards of every tenant in {grafana.key} without a login"
            yield Outcome.broken(Witness((step,), summary), f"switch auth.anonymous of {grafana.key} off")
    if signed:
        return
    for manifest, pointer, labels in servers:
        if labels is None:
            continue
        way = open_rule(view, tenant, manifest.key.namespace, labels, PORT)
        if isinstance(way, Outcome):
            yield way
        elif way:
            answers = Step("answers everybody", manifest.key, pointer)
            summary = f"pods of {tenant.name} query {manifest.key}, which shows every namespace"
            fix = (
                f"let a network policy in {manifest.key.namespace} refuse tenants, or put a proxy before {manifest.key}"
            )
            yield Outcome.broken(Witness((*way, answers), summary, (("port", PORT),)), fix)
    if signed is False:
        step = Step("no tenancy", missing=f"fact {FACT} says tenants can query every namespace")
        witness = Witness((step,), f"{tenant.name} queries metrics of other tenants")
        yield Outcome.broken(witness, "let queries of tenants pass a proxy that enforces their namespace")
    elif not servers and not view.distribution_openshift and not view.snapshot.live:
        # On OpenShift every query needs a token with rights; elsewhere it depends on what is installed.
        yield Outcome.open(view.missing(FACT))
