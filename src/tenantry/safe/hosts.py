"""Host names that objects claim: ingresses, routes of OpenShift, routes and listeners of the Gateway API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.problem import DocPath
from tenantry.safe.reading import annotations_of, at, items, text, texts

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.snapshot import Snapshot

GATEWAY = "gateway.networking.k8s.io"
GATEWAY_ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute")


_OTHERS: tuple[tuple[str, str, DocPath], ...] = (
    ("networking.istio.io", "VirtualService", ("spec", "hosts")),
    ("projectcontour.io", "HTTPProxy", ("spec", "virtualhost", "fqdn")),
    ("k8s.nginx.org", "VirtualServer", ("spec", "host")),
    ("getambassador.io", "Mapping", ("spec", "hostname")),
    ("getambassador.io", "Host", ("spec", "hostname")),
    ("serving.knative.dev", "DomainMapping", ("metadata", "name")),
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A host name an object claims.

    Attributes:
        host: the name in lower case; ``*.`` in front for a wildcard, ``*`` for every name.
        manifest: the object.
        pointer: where.
    """

    host: str
    manifest: Manifest
    pointer: DocPath


def claimed_hosts(snapshot: Snapshot) -> Iterator[Claimed]:
    """Yield every host name that is claimed, in the order of the objects."""
    for manifest in snapshot.of("networking.k8s.io", "Ingress"):
        for index, rule in enumerate(items(manifest.body, "spec", "rules")):
            yield Claimed(text(rule, "host").lower() or "*", manifest, ("spec", "rules", index, "host"))
        if isinstance(at(manifest.body, "spec", "defaultBackend"), dict):
            yield Claimed("*", manifest, ("spec", "defaultBackend"))
        alias = annotations_of(manifest.body).get("nginx.ingress.kubernetes.io/server-alias", "")
        for name in filter(None, (part.strip() for part in alias.split(","))):
            path = ("metadata", "annotations", "nginx.ingress.kubernetes.io/server-alias")
            yield Claimed(name.lower(), manifest, path)
    for manifest in snapshot.of("route.openshift.io", "Route"):
        host = text(manifest.body, "spec", "host").lower()
        if host:
            wildcard = text(manifest.body, "spec", "wildcardPolicy") == "Subdomain"
            name = f"*.{host.partition('.')[2]}" if wildcard else host
            yield Claimed(name, manifest, ("spec", "host"))
    for manifest in snapshot.of(GATEWAY, *GATEWAY_ROUTES):
        for index, host in enumerate(texts(manifest.body, "spec", "hostnames")):
            yield Claimed(host.lower(), manifest, ("spec", "hostnames", index))
    yield from _of_others(snapshot)
    for manifest in snapshot.of(GATEWAY, "Gateway"):
        for index, listener in enumerate(items(manifest.body, "spec", "listeners")):
            host = text(listener, "hostname").lower()
            yield Claimed(host or "*", manifest, ("spec", "listeners", index, "hostname"))


def _of_others(snapshot: Snapshot) -> Iterator[Claimed]:
    for group, kind, where in _OTHERS:
        for manifest in snapshot.of(group, kind):
            found = at(manifest.body, *where)
            for host in found if isinstance(found, list) else [found]:
                if isinstance(host, str) and host:
                    yield Claimed(host.lower(), manifest, where)


def covers(left: str, right: str) -> bool:
    """Whether a claimed name takes requests for another: equal, or a wildcard over it."""
    if left in {right, "*"}:
        return True
    return left.startswith("*.") and right.endswith(left[1:])
