"""C1 to C4: what tenants share towards clients and operators: host names, proxies, metrics, logs.

Sources: ingress-nginx ConfigMap documentation (``allow-snippet-annotations``, off from v1.9;
``allow-cross-namespace-resources``) and CVE-2021-25742; Prometheus Operator API (``ignoreNamespaceSelectors``,
``arbitraryFSAccessThroughSMs``); OpenShift monitoring (``prometheuses/api``) and Loki Operator tenancy modes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.attempts import PROBE, Attempts
from tenantry.safe.channels.channel import Channel
from tenantry.safe.channels.hostnames import C1, collisions
from tenantry.safe.channels.metrics import C3, metrics
from tenantry.safe.offers import helm_values
from tenantry.safe.reading import at, items, strings, text
from tenantry.safe.ruling import Outcome, Ruling, worst
from tenantry.safe.shapes import representatives
from tenantry.safe.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body, Manifest
    from tenantry.model.problem import DocPath
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

C2 = Ruling("C2", "shared ingress proxy", Effect.READ, Impact.S0)
C4 = Ruling("C4", "logs of another tenant", Effect.READ, Impact.S1)

INGRESS_FACT = "ingress.annotations-harmless"
LOGS_FACT = "logs.tenancy"

NGINX = "nginx.ingress.kubernetes.io"
NGINX_CLASS = "k8s.io/ingress-nginx"
# Controllers that put no text of annotations into their configuration.
HARMLESS_CLASSES = frozenset(
    {"openshift.io/ingress-to-route", "ingress.k8s.aws/alb", "k8s.io/gce", "eks.amazonaws.com/alb"}
)
FIRST_WITHOUT_SNIPPETS = (1, 9)
_VERSION = re.compile(r":v?(\d+)\.(\d+)")


# --- C2 --------------------------------------------------------------------------------------------------------------


def proxies(view: View) -> Iterable[Claim]:
    """Decide C2: no annotation of a tenant's ingress reaches into the proxy or a secret of another namespace."""
    attempts = Attempts(view)
    proxy = _Proxy(view)
    for tenant in view.sources:
        tally = Tally()
        if view.strength is Strength.DEPLOYED:
            _annotated(view, proxy, tenant, tally)
        else:
            for outcome in _proxy_outcomes(view, attempts, proxy, tenant):
                tally.add(outcome)
        for owner, outcome in _secret_grants(view, tenant):
            tally.add(outcome, owner)
        reason = "no annotation of its ingresses puts text into a shared proxy or names a secret of another namespace"
        yield from tally.claims(C2, view, tenant.name, reason)


class _Proxy:
    """What the ingress controllers of a cluster make of annotations."""

    def __init__(self, view: View) -> None:
        self.classes = {
            text(item.body, "spec", "controller") for item in view.snapshot.of("networking.k8s.io", "IngressClass")
        }
        self.settings = self._settings(view)
        self.image, self.version = self._image(view)
        self.nginx = NGINX_CLASS in self.classes or self.image is not None or bool(self.settings)
        self.others = self.classes - HARMLESS_CLASSES - {NGINX_CLASS, ""}
        self.openshift = view.distribution_openshift
        self.seen = bool(self.classes) or self.nginx or self.openshift or view.snapshot.live

    @staticmethod
    def _settings(view: View) -> dict[str, tuple[str, Manifest, DocPath]]:
        found: dict[str, tuple[str, Manifest, DocPath]] = {}
        for manifest in view.snapshot.of("", "ConfigMap"):
            if "ingress-nginx" in manifest.key.name or "ingress-nginx" in manifest.key.namespace:
                for key, value in strings(manifest.body, "data").items():
                    found.setdefault(key, (value, manifest, ("data", key)))
        for manifest, path, values in helm_values(view.snapshot, "ingress-nginx"):
            config = at(values, "controller", "config")
            for key, value in config.items() if isinstance(config, dict) else ():
                found.setdefault(str(key), (str(value).lower(), manifest, (*path, "controller", "config", str(key))))
            allowed = at(values, "controller", "allowSnippetAnnotations")
            if isinstance(allowed, bool):
                where = (*path, "controller", "allowSnippetAnnotations")
                found["allow-snippet-annotations"] = (str(allowed).lower(), manifest, where)
        return found

    @staticmethod
    def _image(view: View) -> tuple[Manifest | None, tuple[int, int] | None]:
        for manifest in view.snapshot.of("apps", "Deployment", "DaemonSet"):
            for container in items(manifest.body, "spec", "template", "spec", "containers"):
                image = text(container, "image")
                if "ingress-nginx/controller" in image:
                    found = _VERSION.search(image)
                    return manifest, (int(found.group(1)), int(found.group(2))) if found else None
        return None, None

    def allows(self, setting: str) -> tuple[bool | None, Step]:
        """Return whether ingress-nginx is set to allow something, None when that depends on what is not known."""
        if setting in self.settings:
            value, manifest, pointer = self.settings[setting]
            return value.strip('"').lower() == "true", Step(f"{setting}: {value}", manifest.key, pointer)
        if setting == "allow-snippet-annotations" and self.version is not None:
            key = self.image.key if self.image else None
            step = Step(f"{setting} has the default of this version", key, (), "" if key else "default")
            return self.version < FIRST_WITHOUT_SNIPPETS, step
        return None, Step("not set", missing=f"no object sets {setting}")


_TRIES = (
    ("allow-snippet-annotations", f"{NGINX}/configuration-snippet", "return 200;", "puts text into the shared proxy"),
    ("allow-snippet-annotations", f"{NGINX}/server-snippet", "return 200;", "puts text into the shared proxy"),
    (
        "allow-cross-namespace-resources",
        f"{NGINX}/auth-tls-secret",
        "other/secret",
        "reads a secret of another namespace",
    ),
    ("allow-cross-namespace-resources", f"{NGINX}/auth-secret", "other/secret", "reads a secret of another namespace"),
)


def _ingress(namespace: str, view: View, annotations: dict[str, str]) -> Body:
    host = "www.example.com"
    home = view.snapshot.get("", "Namespace", namespace)
    for key, value in strings(home.body if home else None, "metadata", "annotations").items():
        if key.rpartition("/")[2] == "hosts" and value:
            host = value.split(",")[0].strip()
    backend = {"service": {"name": PROBE, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": PROBE, "annotations": annotations},
        "spec": {"rules": [{"host": host, "http": {"paths": [path]}}]},
    }


def _proxy_outcomes(view: View, attempts: Attempts, proxy: _Proxy, tenant: TenantIdentity) -> Iterator[Outcome]:
    harmless = (proxy.openshift or bool(proxy.classes)) and not proxy.nginx and not proxy.others
    if harmless or view.signed(INGRESS_FACT) is True:
        return
    for namespace in representatives(view, tenant):
        for setting, key, value, what in _TRIES:
            allowed, step = proxy.allows(setting)
            if proxy.nginx and not proxy.others and allowed is False:
                continue
            attempt = attempts.create(tenant.name, namespace, _ingress(namespace, view, {key: value}))
            if attempt is None or attempt.admission.refused:
                continue
            if not attempt.admission.admitted or (proxy.nginx and allowed):
                summary = f"an Ingress of {tenant.name} in {namespace} {what} by annotation {key}"
                yield attempt.outcome(summary, f"set {setting} to false, or refuse annotation {key}", (step,))
            elif proxy.nginx or proxy.others or not proxy.seen:
                yield Outcome.open(view.missing(INGRESS_FACT))


def _annotated(view: View, proxy: _Proxy, tenant: TenantIdentity, tally: Tally) -> None:
    for manifest in view.snapshot.of("networking.k8s.io", "Ingress"):
        if manifest.key.namespace not in tenant.namespaces or not proxy.nginx:
            continue
        for key, value in strings(manifest.body, "metadata", "annotations").items():
            snippet = key.startswith(f"{NGINX}/") and key.endswith("-snippet")
            foreign = key.startswith(f"{NGINX}/") and key.endswith("-secret") and "/" in value
            setting = "allow-snippet-annotations" if snippet else "allow-cross-namespace-resources"
            outside = foreign and value.partition("/")[0] != manifest.key.namespace
            if not (snippet or outside) or proxy.allows(setting)[0] is False:
                continue
            step = Step("reaches into the proxy", manifest.key, ("metadata", "annotations", key))
            summary = f"{manifest.key} of {tenant.name} reaches into the shared proxy by annotation {key}"
            tally.add(Outcome.broken(Witness((step,), summary), f"remove annotation {key} from {manifest.key}"))


def _secret_grants(view: View, tenant: TenantIdentity) -> Iterator[tuple[str, Outcome]]:
    """Yield tenants whose secrets a gateway of this one may read by a grant."""
    for grant in view.snapshot.of("gateway.networking.k8s.io", "ReferenceGrant"):
        owner = view.tenancy.owner(grant.key.namespace)
        to = {text(entry, "kind") for entry in items(grant.body, "spec", "to")}
        if owner not in view.tenancy.by_name or owner == tenant.name or "Secret" not in to:
            continue
        for index, entry in enumerate(items(grant.body, "spec", "from")):
            if text(entry, "namespace") in tenant.namespaces:
                step = Step("lets gateways of the namespace read secrets", grant.key, ("spec", "from", index))
                summary = f"{grant.key} lets {tenant.name} serve with secrets of {owner}"
                yield str(owner), Outcome.broken(Witness((step,), summary), f"remove {grant.key}")


# --- C4 --------------------------------------------------------------------------------------------------------------

LOKI = "loki.grafana.com"
_ENFORCING_MODES = frozenset({"openshift-logging", "openshift-network"})


def logs(view: View) -> Iterable[Claim]:
    """Decide C4: the log store shows a tenant its own namespaces only."""
    attempts = Attempts(view)
    stacks = view.snapshot.of(LOKI, "LokiStack")
    for tenant in view.sources:
        yield worst(_logs(view, attempts, stacks, tenant)).claim(C4, tenant.name)


def _logs(view: View, attempts: Attempts, stacks: list[Manifest], tenant: TenantIdentity) -> Iterator[Outcome]:
    if view.strength is not Strength.DEPLOYED or stacks:
        for stored in ("application", "infrastructure", "audit") if stacks else ():
            right = attempts.right(tenant.name, "get", LOKI, stored, name="logs")
            if right is not None:
                witness = Witness(right.steps, f"{tenant.name} may read {stored} logs of every namespace")
                yield Outcome.broken(witness, f"take the right to get {stored} of {LOKI} from {tenant.name}")
    signed = view.signed(LOGS_FACT)
    if signed:
        yield Outcome.safe(f"fact {LOGS_FACT}: the log store shows a tenant its own namespaces only")
    elif signed is False:
        step = Step("no tenancy", missing=f"fact {LOGS_FACT} says the log store shows all namespaces")
        witness = Witness((step,), f"{tenant.name} reads logs of other tenants in the log store")
        yield Outcome.broken(witness, "let the log store check who may see which namespace")
    elif stacks and all(text(item.body, "spec", "tenants", "mode") in _ENFORCING_MODES for item in stacks):
        yield Outcome.safe(f"{stacks[0].key} asks the API server who may read the logs of a namespace")
    else:
        yield Outcome.open(view.missing(LOGS_FACT))


def _channel(ruling: Ruling, decide: Callable[[View], Iterable[Claim]]) -> Channel:
    return Channel(ruling.id, ruling.title, ruling.effect, ruling.impact, decide)


CHANNELS: tuple[Channel, ...] = (
    _channel(C1, collisions),
    _channel(C2, proxies),
    _channel(C3, metrics),
    _channel(C4, logs),
)
"""Channels towards clients and operators, in the order of their ids."""
