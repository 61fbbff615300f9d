"""Host names: a tenant publishes only under names it was granted, whatever kind of object claims them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.guards.grants import HOSTS, granted
from tenantry.compile.guards.guard import ANNOTATIONS, Guard, Rule, Validation, texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster

DNS_ANNOTATION = "external-dns.alpha.kubernetes.io/hostname"
NGINX = "nginx.ingress.kubernetes.io/"

# Claim further hosts, join the load balancer of others, or put text into a proxy that all tenants share.
SHARING_ANNOTATIONS = (
    f"{NGINX}server-alias",
    "alb.ingress.kubernetes.io/group.name",
)
SNIPPET = "-snippet"
# Values ``namespace/name`` read a secret with the rights of the ingress controller.
SECRET_ANNOTATIONS = (f"{NGINX}auth-secret", f"{NGINX}auth-tls-secret", f"{NGINX}proxy-ssl-secret")

GATEWAY_ROUTES = ("httproutes", "grpcroutes", "tlsroutes")
MESSAGE_EXPRESSION = "'hosts must be one of [' + variables.hosts.join(', ') + '] or lie below one, without wildcard'"


def hosts(cluster: Cluster) -> Iterable[Guard]:
    """Yield a guard per kind of object that claims host names."""
    yield _ingresses()
    if cluster.openshift:
        yield _routes()
    yield _gateway_routes()
    yield _gateways()


def allowed(host: str) -> str:
    """CEL: whether a host is granted or lies below a granted one; wildcards never do."""
    return f"(!{host}.contains('*') && variables.hosts.exists(s, {host} == s || {host}.endsWith('.' + s)))"


def published_names(subject: str) -> str:
    """CEL: whether every name that a DNS controller would publish for an object is granted."""
    annotation = f"{subject}.metadata.?annotations[?'{DNS_ANNOTATION}']"
    return f"{annotation}.optMap(v, v.split(',').all(h, {allowed('h.trim()')})).orValue(true)"


def _dns() -> Validation:
    return Validation(
        published_names("object"), f"the annotation {DNS_ANNOTATION} names a host this namespace may not publish"
    )


def _ingresses() -> Guard:
    own_secret = f"({ANNOTATIONS}[k].split('/').size() == 1 || {ANNOTATIONS}[k].split('/')[0] == request.namespace)"
    return Guard(
        "ingresses",
        "C1, C2: hosts of other tenants, shared proxies",
        (Rule("networking.k8s.io", ("v1",), ("ingresses",)),),
        (
            Validation(
                f"object.spec.?rules.orValue([]).all(r, has(r.host) && {allowed('r.host')}) && "
                f"object.spec.?tls.orValue([]).all(t, t.?hosts.orValue([]).all(h, {allowed('h')}))",
                "every rule needs a host that this namespace may publish",
                MESSAGE_EXPRESSION,
            ),
            Validation(
                "!has(object.spec.defaultBackend)",
                "spec.defaultBackend would receive requests for hosts of others",
            ),
            Validation(
                f"{ANNOTATIONS}.all(k, !(k in {texts(SHARING_ANNOTATIONS)}) && !k.endsWith('{SNIPPET}') && "
                f"(!(k in {texts(SECRET_ANNOTATIONS)}) || {own_secret}))",
                "annotations that reach beyond this namespace are reserved for the platform",
            ),
            _dns(),
        ),
        variables=(("hosts", granted(HOSTS)),),
        same=(".spec", ".metadata.?annotations"),
    )


def _routes() -> Guard:
    # The router's own choice for a route without host: <route>-<namespace>.<domain of the router>.
    own = "object.spec.host.startsWith(object.metadata.name + '-' + request.namespace + '.')"
    return Guard(
        "routes",
        "C1: hosts of other tenants",
        (Rule("route.openshift.io", ("v1",), ("routes",)),),
        (
            Validation(
                f"object.spec.?host.orValue('') == '' || {allowed('object.spec.host')} || "
                f"(!object.spec.host.contains('*') && {own})",
                "spec.host must be left out or be a host that this namespace may publish",
                MESSAGE_EXPRESSION,
            ),
            Validation(
                "object.spec.?wildcardPolicy.orValue('None') == 'None'",
                "spec.wildcardPolicy must be None",
            ),
            Validation(
                "object.spec.?subdomain.orValue('') == ''",
                "spec.subdomain would claim a host outside those of this namespace",
            ),
            _dns(),
        ),
        variables=(("hosts", granted(HOSTS)),),
        same=(".spec", ".metadata.?annotations"),
    )


def _gateway_routes() -> Guard:
    return Guard(
        "gateway-routes",
        "C1, N5: hosts of other tenants, backends in other namespaces",
        (Rule("gateway.networking.k8s.io", ("*",), GATEWAY_ROUTES),),
        (
            Validation(
                "object.spec.?hostnames.orValue([]).size() > 0 && "
                f"object.spec.?hostnames.orValue([]).all(h, {allowed('h')})",
                "spec.hostnames must name hosts that this namespace may publish",
                MESSAGE_EXPRESSION,
            ),
            Validation(
                "object.spec.?rules.orValue([]).all(r, r.?backendRefs.orValue([]).all(b, "
                "b.?namespace.orValue(request.namespace) == request.namespace))",
                "backends must lie in this namespace",
            ),
            _dns(),
        ),
        variables=(("hosts", granted(HOSTS)),),
        same=(".spec", ".metadata.?annotations"),
    )


def _gateways() -> Guard:
    return Guard(
        "gateways",
        "C1, N4: listeners for hosts of other tenants",
        (Rule("gateway.networking.k8s.io", ("*",), ("gateways",)),),
        (
            Validation(
                f"object.spec.?listeners.orValue([]).all(l, has(l.hostname) && {allowed('l.hostname')})",
                "every listener needs a hostname that this namespace may publish",
                MESSAGE_EXPRESSION,
            ),
            _dns(),
        ),
        variables=(("hosts", granted(HOSTS)),),
        same=(".spec", ".metadata.?annotations"),
    )
