"""Kinds of ingress controllers and meshes that claim host names, beside those of Kubernetes and OpenShift.

Sources: Istio ``VirtualService`` and ``Gateway``; Contour ``HTTPProxy``; Traefik ``IngressRoute``; NGINX Ingress
Controller ``VirtualServer``; Apache APISIX ``ApisixRoute``; Emissary ``Mapping`` and ``Host``; Knative
``DomainMapping``; Kong's and Gloo's gateways read the kinds of Kubernetes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tenantry.model.manifest import Body
    from tenantry.model.snapshot import Snapshot

NAME = "probe"


def _rule(host: str) -> dict[str, Any]:
    services = [{"name": NAME, "port": 80}]
    return {"routes": [{"kind": "Rule", "match": f"Host(`{host}`)", "services": services}]}


def _listener(host: str) -> dict[str, Any]:
    port = {"number": 80, "name": "http", "protocol": "HTTP"}
    return {"selector": {"istio": "ingressgateway"}, "servers": [{"port": port, "hosts": [host]}]}


_KINDS: Final[tuple[tuple[str, str, str, Callable[[str], dict[str, Any]]], ...]] = (
    ("networking.istio.io/v1", "VirtualService", "virtualservices", lambda host: {"hosts": [host], "gateways": ["x"]}),
    ("networking.istio.io/v1", "Gateway", "gateways", _listener),
    ("projectcontour.io/v1", "HTTPProxy", "httpproxies", lambda host: {"virtualhost": {"fqdn": host}}),
    ("traefik.io/v1alpha1", "IngressRoute", "ingressroutes", _rule),
    ("traefik.containo.us/v1alpha1", "IngressRoute", "ingressroutes", _rule),
    ("k8s.nginx.org/v1", "VirtualServer", "virtualservers", lambda host: {"host": host}),
    ("apisix.apache.org/v2", "ApisixRoute", "apisixroutes", lambda host: {"http": [{"match": {"hosts": [host]}}]}),
    ("getambassador.io/v3alpha1", "Mapping", "mappings", lambda host: {"hostname": host, "prefix": "/"}),
    ("getambassador.io/v3alpha1", "Host", "hosts", lambda host: {"hostname": host}),
    ("serving.knative.dev/v1beta1", "DomainMapping", "domainmappings", lambda host: {"ref": {"name": NAME}}),
)

PLURALS: Final = {kind: plural for _, kind, plural, _ in _KINDS}
"""Plural name per kind."""


def other_claims(host: str) -> Iterator[tuple[str, Body]]:
    """Yield an object of every kind that claims a host, with its API group."""
    for version, kind, _, spec in _KINDS:
        name = host if kind == "DomainMapping" else NAME
        yield (
            version.partition("/")[0],
            {
                "apiVersion": version,
                "kind": kind,
                "metadata": {"name": name},
                "spec": spec(host),
            },
        )


def is_served(snapshot: Snapshot, group: str) -> bool:
    """Whether objects show that the kinds of a group exist: by a definition, or by one of them."""
    definitions = snapshot.of("apiextensions.k8s.io", "CustomResourceDefinition")
    return any(str(item.key.name).endswith(f".{group}") for item in definitions) or any(
        item.key.group == group for item in snapshot
    )
