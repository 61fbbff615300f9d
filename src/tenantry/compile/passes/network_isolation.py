"""Network isolation on the pod network: deny by default, allow what a tenant, the contract and the platform need.

Selectors name namespaces by ``kubernetes.io/metadata.name``, which the API server sets, or by the tenant label, which
no tenant can write. Labels of pods are never relied on to deny.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tenantry.compile.build import manifest
from tenantry.compile.components import tenant_component
from tenantry.model.cluster import DEPARTMENT_LABEL, DOMAIN, TENANT_LABEL
from tenantry.model.spec import Distribution
from tenantry.model.tree import Note, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.cluster import Cluster, ClusterTenant
    from tenantry.model.manifest import Body
    from tenantry.model.spec import ContractException, EgressRule
    from tenantry.model.spec.exceptions import Peer

NETWORKING = "networking.k8s.io/v1"
ADMIN_NETWORKING = "policy.networking.k8s.io/v1alpha1"
NAMESPACE_NAME = "kubernetes.io/metadata.name"

# One priority for all: their subjects are disjoint, so their order never matters, and OVN-Kubernetes has only 100.
ADMIN_PRIORITY = 40
# Source: AdminNetworkPolicy definition, maxItems of ingress; two rules are ours.
MOST_CONTRACT_RULES = 98

# Network plugins whose installation brings AdminNetworkPolicy along; on OpenShift that is always so.
ADMIN_TIER_PLUGINS = frozenset({"ovn-kubernetes"})

# Holds the metadata service of every cloud, which hands out the credentials of the node.
LINK_LOCAL = ("169.254.0.0/16", "fe80::/10")
AWS_METADATA_V6 = "fd00:ec2::254/128"
# Pods and Services of OpenShift unless its installation says otherwise.
OPENSHIFT_PODS = ("10.128.0.0/14",)
OPENSHIFT_SERVICES = ("172.30.0.0/16",)
PRIVATE_RANGES = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")

# Source: Google Cloud documentation, firewall rules of load balancers and health checks.
GKE_LOAD_BALANCERS = ("35.191.0.0/16", "130.211.0.0/22")
GKE_NODE_DNS = "169.254.20.10/32"

INGRESS_NAMESPACES: dict[Distribution, tuple[str, ...]] = {
    # Routers run on the host network on bare metal: OVN-Kubernetes counts such traffic as the second namespace.
    Distribution.OPENSHIFT: ("openshift-host-network", "openshift-ingress"),
    Distribution.KUBERNETES: ("ingress-nginx",),
    Distribution.EKS: ("ingress-nginx",),
    Distribution.GKE: ("ingress-nginx",),
    Distribution.AKS: ("app-routing-system", "ingress-nginx"),
}
# The dashboard's controllers ask workbenches whether they are idle.
OPENSHIFT_AI_NAMESPACE = "redhat-ods-applications"
OPENSHIFT_MONITORING = ("openshift-monitoring", "openshift-user-workload-monitoring")
DCGM_PORT = 9400


def network_isolation(cluster: Cluster) -> Iterable[Piece | Note]:
    """Yield network policies of every tenant, the admin tier where there is one, and what is left open."""
    admin_tier = has_admin_tier(cluster)
    outgoing, incoming = _contract(cluster)
    platform = _platform_rules(cluster)
    for tenant in cluster.tenants:
        component = tenant_component(tenant.name).name
        for body in _tenant(cluster, tenant, platform, outgoing.get(tenant.name, []), incoming.get(tenant.name, [])):
            yield Piece(component, "network", body)
        if admin_tier:
            yield Piece(component, "network", _admin_policy(tenant, incoming.get(tenant.name, [])))
    if admin_tier:
        yield Piece("admission", "network", _baseline())
    yield from _metrics(cluster)
    yield from _notes(cluster, admin_tier=admin_tier)


def has_admin_tier(cluster: Cluster) -> bool:
    """Whether the cluster serves AdminNetworkPolicy: OpenShift, or a network plugin somebody signed for."""
    return cluster.openshift or _fact(cluster, "cni") in ADMIN_TIER_PLUGINS


def monitoring_namespaces(cluster: Cluster) -> tuple[str, ...]:
    """Namespaces that scrape metrics, sorted."""
    if cluster.openshift:
        return OPENSHIFT_MONITORING
    chosen = cluster.operators.get("prometheus")
    helm = chosen.operator.helm if chosen else None
    return (helm.namespace if helm else "monitoring",)


def _fact(cluster: Cluster, name: str) -> object:
    return next(
        (fact.value for document in cluster.spec.facts for fact in document.spec.facts if fact.id == name), None
    )


# --- peers and ports -------------------------------------------------------------------------------------------------


def _namespaces(names: Iterable[str]) -> dict[str, Any]:
    """Select namespaces of the platform by name; one that a tenant owns after all is not among them."""
    return {
        "matchExpressions": [
            {"key": NAMESPACE_NAME, "operator": "In", "values": sorted(names)},
            {"key": TENANT_LABEL, "operator": "DoesNotExist"},
        ]
    }


def _tenant_selector(name: str) -> dict[str, Any]:
    return {"matchLabels": {TENANT_LABEL: name}}


def _peer_namespaces(peer: Peer) -> dict[str, Any]:
    if not peer.namespaces:
        return _tenant_selector(peer.tenant)
    return {
        "matchLabels": {TENANT_LABEL: peer.tenant},
        "matchExpressions": [{"key": NAMESPACE_NAME, "operator": "In", "values": sorted(peer.namespaces)}],
    }


def _peer(peer: Peer) -> dict[str, Any]:
    selected: dict[str, Any] = {"namespaceSelector": _peer_namespaces(peer)}
    if peer.pods:
        selected["podSelector"] = {"matchLabels": dict(sorted(peer.pods.items()))}
    return selected


def _ports(texts: Iterable[str]) -> list[dict[str, Any]]:
    ports = []
    for protocol, first, last in sorted(_port(text) for text in texts):
        port: dict[str, Any] = {"protocol": protocol, "port": first}
        if last != first:
            port["endPort"] = last
        ports.append(port)
    return ports


def _admin_ports(texts: Iterable[str]) -> list[dict[str, Any]]:
    ports: list[dict[str, Any]] = []
    for protocol, first, last in sorted(_port(text) for text in texts):
        if first == last:
            ports.append({"portNumber": {"protocol": protocol, "port": first}})
        else:
            ports.append({"portRange": {"protocol": protocol, "start": first, "end": last}})
    return ports


@lru_cache(maxsize=1024)
def _port(text: str) -> tuple[str, int, int]:
    protocol, _, numbers = text.partition("/")
    first, _, last = numbers.partition("-")
    return protocol, int(first), int(last or first)


# --- per tenant ------------------------------------------------------------------------------------------------------


def _policy(
    tenant: ClusterTenant,
    namespace: str,
    name: str,
    *,
    ingress: list[dict[str, Any]] | None = None,
    egress: list[dict[str, Any]] | None = None,
    pods: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> Body:
    directions = [
        direction for direction, rules in (("Ingress", ingress), ("Egress", egress)) if rules is not None
    ] or ["Ingress", "Egress"]
    spec: dict[str, Any] = {
        "podSelector": {"matchLabels": dict(sorted(pods.items()))} if pods else {},
        "policyTypes": directions,
    }
    if ingress:
        spec["ingress"] = ingress
    if egress:
        spec["egress"] = egress
    return manifest(
        NETWORKING,
        "NetworkPolicy",
        name,
        namespace=namespace,
        labels={TENANT_LABEL: tenant.name, DEPARTMENT_LABEL: tenant.department},
        annotations=annotations,
        spec=spec,
    )


def _tenant(
    cluster: Cluster,
    tenant: ClusterTenant,
    platform: list[dict[str, Any]],
    outgoing: list[ContractException],
    incoming: list[ContractException],
) -> Iterator[Body]:
    own = [{"namespaceSelector": _tenant_selector(tenant.name)}]
    dns = _dns(cluster)
    api_servers = _api_servers(cluster)
    egress = [rule for item in tenant.spec.spec.network.egress if (rule := _egress(cluster, item))]
    for namespace in tenant.namespaces:
        yield _policy(tenant, namespace, "default-deny")
        yield _policy(tenant, namespace, "allow-dns", egress=[dns])
        yield _policy(tenant, namespace, "allow-same-tenant", ingress=[{"from": own}], egress=[{"to": own}])
        yield _policy(tenant, namespace, "allow-platform", ingress=platform)
        if api_servers:
            yield _policy(tenant, namespace, "allow-api-server", egress=[api_servers])
        if egress:
            yield _policy(tenant, namespace, "allow-egress", egress=egress)
        for item in outgoing:
            if namespace in (item.source.namespaces or tenant.namespaces):
                yield _policy(
                    tenant,
                    namespace,
                    f"contract-{item.name}-out",
                    egress=[{"to": [_peer(item.target)], "ports": _ports(item.ports)}],
                    pods=item.source.pods,
                    annotations=_terms(item),
                )
        for item in incoming:
            if namespace in (item.target.namespaces or tenant.namespaces):
                yield _policy(
                    tenant,
                    namespace,
                    f"contract-{item.name}-in",
                    ingress=[{"from": [_peer(item.source)], "ports": _ports(item.ports)}],
                    pods=item.target.pods,
                    annotations=_terms(item),
                )


def _terms(item: ContractException) -> dict[str, str]:
    return {f"{DOMAIN}/reason": item.reason, f"{DOMAIN}/expires": item.expires.isoformat()}


def _contract(cluster: Cluster) -> tuple[dict[str, list[ContractException]], dict[str, list[ContractException]]]:
    """Return the exceptions by tenant that starts them and by tenant they reach, each ordered by name."""
    outgoing: dict[str, list[ContractException]] = {}
    incoming: dict[str, list[ContractException]] = {}
    contract = cluster.spec.contract
    for item in sorted(contract.spec.exceptions, key=lambda entry: entry.name) if contract else ():
        outgoing.setdefault(item.source.tenant, []).append(item)
        incoming.setdefault(item.target.tenant, []).append(item)
    return outgoing, incoming


def _dns(cluster: Cluster) -> dict[str, Any]:
    # Rules see the port of the pod, not that of the Service before it.
    number = 5353 if cluster.openshift else 53
    to: list[dict[str, Any]] = [{"namespaceSelector": _namespaces(["openshift-dns"])}]
    if not cluster.openshift:
        to = [
            {"namespaceSelector": _namespaces(["kube-system"]), "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
        ]
    if cluster.distribution is Distribution.GKE:
        to.append({"ipBlock": {"cidr": GKE_NODE_DNS}})
    return {"to": to, "ports": [{"protocol": protocol, "port": number} for protocol in ("TCP", "UDP")]}


def _api_servers(cluster: Cluster) -> dict[str, Any] | None:
    servers = cluster.spec.platform.spec.network.api_servers
    if servers is None:
        return None
    blocks = [{"cidr": str(ipaddress.ip_network(item))} for item in sorted(servers.addresses, key=_prefix_order)]
    return {"to": [{"ipBlock": block} for block in blocks], "ports": [{"protocol": "TCP", "port": servers.port}]}


def _platform_rules(cluster: Cluster) -> list[dict[str, Any]]:
    """Return who of the platform reaches tenants: monitoring, ingress, the controllers of workbenches."""
    rules = [{"from": [{"namespaceSelector": _namespaces(monitoring_namespaces(cluster))}]}]
    routers: list[dict[str, Any]] = [{"namespaceSelector": _namespaces(INGRESS_NAMESPACES[cluster.distribution])}]
    if cluster.distribution is Distribution.GKE:
        routers.extend({"ipBlock": {"cidr": cidr}} for cidr in GKE_LOAD_BALANCERS)
    rules.append({"from": routers})
    if cluster.openshift and cluster.spec.platform.spec.openshift_ai.enabled:
        rules.append({"from": [{"namespaceSelector": _namespaces([OPENSHIFT_AI_NAMESPACE])}]})
    return rules


# --- egress ----------------------------------------------------------------------------------------------------------


def _egress(cluster: Cluster, rule: EgressRule) -> dict[str, Any] | None:
    blocks = [
        _block(prefix, excluded)
        for prefix in sorted(set(rule.to), key=_prefix_order)
        if (excluded := _excluded(prefix, _own_ranges(cluster))) is not None
    ]
    if not blocks:
        return None
    peers: dict[str, Any] = {"to": [{"ipBlock": block} for block in blocks]}
    return {**peers, "ports": _ports(rule.ports)} if rule.ports else peers


def _block(prefix: str, excluded: tuple[str, ...]) -> dict[str, Any]:
    cidr = str(ipaddress.ip_network(prefix))
    return {"cidr": cidr, "except": list(excluded)} if excluded else {"cidr": cidr}


def _own_ranges(cluster: Cluster) -> tuple[str, ...]:
    """Ranges of pods and Services, empty unless both are known."""
    network = cluster.spec.platform.spec.network
    pods, services = tuple(network.pods), tuple(network.services)
    if cluster.openshift:
        return (*(pods or OPENSHIFT_PODS), *(services or OPENSHIFT_SERVICES))
    return (*pods, *services) if pods and services else ()


@lru_cache(maxsize=4096)
def _prefix_order(prefix: str) -> tuple[int, int, int]:
    network = ipaddress.ip_network(prefix)
    return network.version, int(network.network_address), network.prefixlen


@lru_cache(maxsize=4096)
def _excluded(prefix: str, own: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the parts of a prefix that are not outside the cluster, or None when all of it is not.

    Where the ranges of the cluster are not known, a prefix wide enough to hold a whole private range means the Internet
    and leaves private ranges out; a private prefix written by itself is taken at its word.

    Args:
        prefix: what a tenant asks for.
        own: ranges of pods and Services; empty when they are not known.
    """
    network = ipaddress.ip_network(prefix)
    closed = (*LINK_LOCAL, AWS_METADATA_V6, *own)
    if any(_within(network, ipaddress.ip_network(item)) for item in closed):
        return None
    wide = closed if own else (*closed, *PRIVATE_RANGES)
    inside = [item for item in map(ipaddress.ip_network, wide) if item != network and _within(item, network)]
    outermost = [item for item in inside if not any(item != other and _within(item, other) for other in inside)]
    return tuple(str(item) for item in sorted(outermost, key=lambda item: _prefix_order(str(item))))


def _within(
    inner: ipaddress.IPv4Network | ipaddress.IPv6Network, outer: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> bool:
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


# --- admin tier ------------------------------------------------------------------------------------------------------


def _admin_policy(tenant: ClusterTenant, incoming: list[ContractException]) -> Body:
    """Return the policy that no NetworkPolicy can widen. It only closes: what it passes on, network policies decide.

    An exception of the contract is passed on for every pod of the tenant, as a policy has one subject for all rules.
    Which pods it reaches is decided by the network policies below, exactly and in both directions. So for the ports and
    the source of an exception, and only for these, a network policy that somebody else writes into the tenant's
    namespace could admit the source to other pods; ``tenantry verify`` shows it where there is one.
    """
    rules = [{"name": "same-tenant", "action": "Pass", "from": [{"namespaces": _tenant_selector(tenant.name)}]}]
    rules.extend(_contract_rules(incoming))
    others = {
        "matchExpressions": [
            {"key": TENANT_LABEL, "operator": "Exists"},
            {"key": TENANT_LABEL, "operator": "NotIn", "values": [tenant.name]},
        ]
    }
    rules.append({"name": "other-tenants", "action": "Deny", "from": [{"namespaces": others}]})
    return manifest(
        ADMIN_NETWORKING,
        "AdminNetworkPolicy",
        f"tenantry-{tenant.name}",
        labels={TENANT_LABEL: tenant.name, DEPARTMENT_LABEL: tenant.department},
        spec={
            "priority": ADMIN_PRIORITY,
            "subject": {"namespaces": _tenant_selector(tenant.name)},
            "ingress": rules,
        },
    )


def _contract_rules(incoming: list[ContractException]) -> list[dict[str, Any]]:
    if len(incoming) > MOST_CONTRACT_RULES:
        sources = sorted({item.source.tenant for item in incoming})
        selected = {"matchExpressions": [{"key": TENANT_LABEL, "operator": "In", "values": sources}]}
        return [{"name": "contract", "action": "Pass", "from": [{"namespaces": selected}]}]
    return [
        {
            "name": f"contract-{item.name}",
            "action": "Pass",
            "from": [_admin_peer(item.source)],
            "ports": _admin_ports(item.ports),
        }
        for item in incoming
    ]


def _admin_peer(peer: Peer) -> dict[str, Any]:
    if not peer.pods:
        return {"namespaces": _peer_namespaces(peer)}
    pods = {"matchLabels": dict(sorted(peer.pods.items()))}
    return {"pods": {"namespaceSelector": _peer_namespaces(peer), "podSelector": pods}}


def _baseline() -> Body:
    """Return what holds when the network policies of a tenant are gone: no traffic between namespaces of tenants."""
    tenants = {"matchExpressions": [{"key": TENANT_LABEL, "operator": "Exists"}]}
    return manifest(
        ADMIN_NETWORKING,
        "BaselineAdminNetworkPolicy",
        "default",
        spec={
            "subject": {"namespaces": tenants},
            "ingress": [{"name": "tenants", "action": "Deny", "from": [{"namespaces": tenants}]}],
            "egress": [{"name": "tenants", "action": "Deny", "to": [{"namespaces": tenants}]}],
        },
    )


# --- platform --------------------------------------------------------------------------------------------------------


def _metrics(cluster: Cluster) -> Iterator[Piece]:
    """Yield the policy that keeps tenants from reading every tenant's GPU metrics."""
    chosen = cluster.operators.get("gpu-operator")
    if chosen is None:
        return
    install = chosen.operator.olm if cluster.openshift else chosen.operator.helm
    if install is None:
        return
    spec = {
        "podSelector": {"matchLabels": {"app": "nvidia-dcgm-exporter"}},
        "policyTypes": ["Ingress"],
        "ingress": [
            {
                "from": [{"namespaceSelector": _namespaces(monitoring_namespaces(cluster))}],
                "ports": [{"protocol": "TCP", "port": DCGM_PORT}],
            }
        ],
    }
    body = manifest(NETWORKING, "NetworkPolicy", "tenantry-metrics", namespace=install.namespace, spec=spec)
    yield Piece("gpu-operator", "network", body)


def _notes(cluster: Cluster, *, admin_tier: bool) -> Iterator[Note]:
    if not cluster.openshift and _fact(cluster, "cni.enforces-network-policies") is not True:
        yield Note(
            "NOTE-NETWORK-ENFORCEMENT",
            f"network plugin of {cluster.name}",
            "network policies have no effect unless the network plugin enforces them, which no manifest shows",
            ENFORCEMENT[cluster.distribution] + "; then state the fact cni.enforces-network-policies",
        )
    if not admin_tier:
        yield Note(
            "NOTE-NETWORK-ADMIN-TIER",
            f"network plugin of {cluster.name}",
            "without AdminNetworkPolicy the isolation of tenants rests on network policies in their namespaces, "
            "which their roles cannot write",
            "state the fact cni as ovn-kubernetes where that plugin runs",
        )
    if cluster.tenants and cluster.spec.platform.spec.network.api_servers is None:
        yield Note(
            "NOTE-NETWORK-API-SERVER",
            "egress of tenants",
            "pods of tenants reach DNS and their own tenant only; the API servers have addresses of nodes, which the "
            "spec does not state",
            "name them in spec.network.apiServers of the Platform where pods of tenants call the API (workbenches do)",
        )
    yield from _egress_notes(cluster)


ENFORCEMENT = {
    Distribution.OPENSHIFT: "nothing",
    Distribution.KUBERNETES: "check that a denied connection fails",
    Distribution.EKS: "switch on network policies in the VPC CNI add-on",
    Distribution.GKE: "use Dataplane V2, or switch on network policy enforcement",
    Distribution.AKS: "create the cluster with a network policy engine",
}


def _egress_notes(cluster: Cluster) -> Iterator[Note]:
    guessed: set[str] = set()
    for tenant in cluster.tenants:
        for prefix in sorted({prefix for rule in tenant.spec.spec.network.egress for prefix in rule.to}):
            excluded = _excluded(prefix, _own_ranges(cluster))
            if excluded is None:
                yield Note(
                    "NOTE-EGRESS-CLOSED",
                    f"tenant {tenant.name}",
                    f"egress to {prefix} is left out: it lies in a range of the cluster or of link-local services",
                    "name destinations outside the cluster; use a Contract for other tenants",
                )
            elif set(excluded) & set(PRIVATE_RANGES):
                guessed.add(prefix)
    if guessed:
        yield Note(
            "NOTE-EGRESS-PRIVATE",
            f"egress to {', '.join(sorted(guessed))}",
            "the ranges of pods and Services are not stated, so private ranges are left out of these prefixes",
            "state spec.network.pods and services in the Platform, or list private destinations as prefixes of their "
            "own",
        )
