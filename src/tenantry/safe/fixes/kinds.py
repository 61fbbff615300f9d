"""Proposals about what objects other than pods a tenant may write: guards that refuse what a channel needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenantry.model.manifest import key_of
from tenantry.safe.attempts import plural
from tenantry.safe.fixes.guards import ANNOTATIONS, WRITES, guard, literal
from tenantry.safe.fixes.objects import details_of
from tenantry.safe.hosts import claimed_hosts
from tenantry.safe.reading import labels_of, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body
    from tenantry.safe.fixes.steps import Proposal
    from tenantry.safe.view import View

_DATA_SOURCE: Final = "object.spec.?dataSourceRef.?namespace.orValue(request.namespace) == request.namespace"

REFUSED: Final[dict[tuple[str, str], tuple[tuple[str, str], ...]]] = {
    ("N4", "Service"): (("object.spec.?externalIPs.orValue([]).size() == 0", "external addresses are refused"),),
    ("N7", "Service"): (
        (
            "object.spec.?type.orValue('ClusterIP') == 'ClusterIP' && object.spec.?externalIPs.orValue([]).size() == 0",
            "Services are of type ClusterIP",
        ),
    ),
    ("Q1", "Service"): (("object.spec.?type.orValue('') != 'LoadBalancer'", "load balancers are refused"),),
    ("C1", "Route"): (("!has(object.spec.subdomain)", "routes name no subdomain"),),
    ("C2", "Ingress"): (
        (
            f"{ANNOTATIONS}.all(k, !k.endsWith('-snippet') && !k.endsWith('-secret'))",
            "snippets, and secrets of other namespaces, are refused",
        ),
    ),
    ("C3", "ServiceMonitor"): (
        (
            "!has(object.spec.namespaceSelector) && object.spec.?endpoints.orValue([]).all(e, !has(e.bearerTokenFile))",
            "monitors stay in their namespace and send no files",
        ),
    ),
    ("C3", "PodMonitor"): (("!has(object.spec.namespaceSelector)", "monitors stay in their namespace"),),
    ("P1", "PersistentVolumeClaim"): (
        ("object.spec.?volumeName.orValue('') == ''", "claims name no volume"),
        (
            "object.spec.?volumeName.orValue('') == '' && object.spec.?storageClassName.orValue('') != ''",
            "claims name a class and no volume",
        ),
    ),
    ("P3", "PersistentVolumeClaim"): ((_DATA_SOURCE, "claims copy from their own namespace only"),),
    ("R1", "PodDisruptionBudget"): (
        (
            "has(object.spec.maxUnavailable) && string(object.spec.maxUnavailable) != '0' && "
            "object.spec.?unhealthyPodEvictionPolicy.orValue('') == 'AlwaysAllow'",
            "budgets let pods go, and pods that are not ready",
        ),
    ),
}
"""What a guard of a kind refuses, per channel: CEL that is true for what is let in, and what who is refused reads."""

_HOSTS: Final = {
    "Ingress": "object.spec.?rules.orValue([]).size() > 0 && object.spec.rules.all(r, r.?host.orValue('') in {hosts})",
    "Route": "object.spec.?host.orValue('') in {hosts} && object.spec.?wildcardPolicy.orValue('None') == 'None' && "
    "!has(object.spec.subdomain)",
    "HTTPRoute": "object.spec.?hostnames.orValue([]).size() > 0 && object.spec.hostnames.all(h, h in {hosts})",
}
"""Lets in the hosts of a list only."""


def of_kinds(view: View, claim: Claim) -> Iterator[Proposal]:
    """Yield guards about the object a witness shows somebody write."""
    details = details_of(claim)
    body = next((details[name] for name in ("manifest", "claim", "definition") if mapping(details.get(name))), None)
    if body is None:
        return
    key = key_of(body)
    if key.kind in {"Pod", "Application"} or not key.kind:
        return
    tenant = view.tenancy.by_name[claim.source]
    namespaces = tenant.namespaces
    name = f"tenantry-{claim.channel.lower()}-{plural(body)}-{claim.source}"
    resources = (plural(body),)
    rules = list(REFUSED.get((claim.channel, key.kind), ()))
    if claim.channel == "C1" and key.kind in _HOSTS:
        used = {item.host for item in claimed_hosts(view.given) if item.manifest.key.namespace in namespaces}
        others = {item.host for item in claimed_hosts(view.given) if item.manifest.key.namespace not in namespaces}
        hosts = literal(host for host in used - others if "*" not in host)
        rules.append((_HOSTS[key.kind].format(hosts=hosts), "host names are refused but for those in use"))
    for number, (expression, message) in enumerate(rules, 1):
        more = f"-{number}" if number > 1 else ""
        yield guard(name + more, namespaces, expression, message, group=key.group, resources=resources)
    operation = details.get("operation", "CREATE")
    if operation in {"UPDATE", "DELETE"}:
        changes = ("UPDATE", "DELETE")
        message = f"{resources[0]} are the platform's"
        yield guard(name, namespaces, "false", message, group=key.group, resources=resources, operations=changes)
    if not _has(view, namespaces, body):
        every = (*WRITES, "DELETE") if operation == "DELETE" else WRITES
        message = f"{resources[0]} are refused"
        yield guard(name, namespaces, "false", message, group=key.group, resources=resources, operations=every)


def _has(view: View, namespaces: tuple[str, ...], body: Body) -> bool:
    """Whether a tenant has objects of a kind already, which a guard would keep it from changing."""
    key = key_of(body)
    if key.group == "" and not labels_of(body) and key.kind in {"ConfigMap", "Secret", "Service"}:
        return True
    return any(item.key.namespace in namespaces for item in view.given.of(key.group, key.kind))
