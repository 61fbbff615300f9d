"""N4 to N6 and N8: Services, endpoints, egress and services shared by all.

Sources: CVE-2020-8554 (kubernetes issue 97076), CVE-2021-25740 (kubernetes issue 103675); OVN-Kubernetes EgressFirewall
and EgressIP; OpenShift DNS operator; CoreDNS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tenantry.model.claim import Effect, Impact, Missing, Step, Witness
from tenantry.model.selector import Selector, parse_selector
from tenantry.model.tenancy import Strength
from tenantry.safe.attempts import PROBE, Attempts, most
from tenantry.safe.channels.channel import Channel
from tenantry.safe.reading import at, items, labels_of, text
from tenantry.safe.refusals import about_body, about_change
from tenantry.safe.ruling import Outcome, Ruling, pairwise, worst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body, Manifest
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

N4 = Ruling("N4", "Services that take over addresses of others", Effect.READ, Impact.S1)
N5 = Ruling("N5", "proxies of the platform led to pods of others", Effect.WRITE, Impact.S1)
N6 = Ruling("N6", "egress firewalls and addresses", Effect.OBSERVE, Impact.S3)
N8 = Ruling("N8", "configuration of DNS and other shared services", Effect.READ, Impact.S1)

EXTERNAL_IPS_DENIED: Final = "api-server.external-ips-denied"
ENDPOINTS_WITHHELD: Final = "api-server.endpoints-withheld"

ADDRESS: Final = "203.0.113.10"
"""An address of the documentation range; it stands for one another tenant talks to."""
POD_ADDRESS: Final = "198.51.100.10"

SHARED_CONFIGURATION: Final = (
    ("", "configmaps", "kube-system", "coredns"),
    ("", "configmaps", "kube-system", "coredns-custom"),
    ("", "configmaps", "kube-system", "kube-dns"),
    ("", "configmaps", "kube-system", "node-local-dns"),
    ("", "configmaps", "openshift-dns", "dns-default"),
    ("", "services", "kube-system", "kube-dns"),
    ("", "services", "openshift-dns", "dns-default"),
    ("apps", "deployments", "kube-system", "coredns"),
    ("apps", "daemonsets", "openshift-dns", "dns-default"),
    ("operator.openshift.io", "dnses", "", "default"),
    ("config.openshift.io", "dnses", "", "cluster"),
    ("", "configmaps", "istio-system", "istio"),
    ("networking.istio.io", "envoyfilters", "istio-system", ""),
    ("maistra.io", "servicemeshcontrolplanes", "istio-system", ""),
)
"""Objects that decide how names resolve and meshes route for everybody: group, plural, namespace and name."""


@dataclass
class _Trials:
    """Rights and admission of one view."""

    view: View
    attempts: Attempts = field(init=False)

    def __post_init__(self) -> None:
        self.attempts = Attempts(self.view)

    @property
    def deployed(self) -> bool:
        """Whether only what is there counts."""
        return self.view.strength is Strength.DEPLOYED

    def roles(self, tenant: TenantIdentity) -> Iterator[Outcome]:
        """Yield what is missing where roles a tenant is bound to are not among the objects."""
        missing = () if self.deployed else self.view.unknown_roles(tenant.name)
        if missing:
            yield Outcome.open(*missing)

    def written(self, tenant: TenantIdentity, body: Body, said: _Said, *, deleted: bool = False) -> Iterator[Outcome]:
        """Yield what follows if a tenant submits an object in each of its namespaces, new or in place of another.

        With ``deleted`` the same follows if it takes away one of this name.
        """
        for namespace in () if self.deployed else tenant.namespaces:
            made = self.attempts.create(tenant.name, namespace, body)
            gone = self.attempts.delete(tenant.name, namespace, body) if deleted else None
            attempt = most([item for item in (made, gone) if item is not None])
            if attempt is not None:
                summary = said.summary.format(tenant=tenant.name, namespace=namespace)
                yield attempt.outcome(summary, said.fix.format(namespace=namespace), (said.then,))


@dataclass(frozen=True, slots=True)
class _Said:
    """What is said of an attempt that succeeds."""

    summary: str
    fix: str
    then: Step


# --- N4 --------------------------------------------------------------------------------------------------------------


def service_hijack(view: View) -> Iterable[Claim]:
    """Decide N4: no Service of a tenant takes traffic to an address that others use.

    A Service with ``externalIPs`` receives what any pod of the cluster sends there, and so does one whose load balancer
    status names an address.
    """
    trials = _Trials(view)
    for tenant in view.sources:
        outcomes = [*_hijacking(view, tenant), *trials.roles(tenant)]
        outcomes.extend(_external(view, trials, tenant))
        outcomes.extend(_status(view, trials, tenant))
        proof = Outcome.safe("no Service it has or may write names addresses of others")
        yield worst([*outcomes, proof]).claim(N4, tenant.name)


def _hijacking(view: View, tenant: TenantIdentity) -> Iterator[Outcome]:
    for service in _own(view, tenant, ("", "Service")):
        if items(service.body, "spec", "externalIPs"):
            takes = Step("takes traffic to external addresses", service.key, ("spec", "externalIPs"))
            addresses = ", ".join(map(str, items(service.body, "spec", "externalIPs")))
            summary = f"{service.key} takes the traffic of every tenant to {addresses}"
            yield Outcome.broken(Witness((takes,), summary), f"remove spec.externalIPs from {service.key}")


def _own(view: View, tenant: TenantIdentity, *kinds: tuple[str, str]) -> Iterator[Manifest]:
    """Yield the objects of some kinds, given by group and kind, in the namespaces of a tenant."""
    for namespace in tenant.namespaces:
        for manifest in view.snapshot.within(namespace):
            if (manifest.key.group, manifest.key.kind) in kinds:
                yield manifest


def _service(spec: Body) -> Body:
    ports = [{"port": 443, "targetPort": 8443}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": PROBE},
        "spec": {"type": "ClusterIP", "selector": {"app": PROBE}, "ports": ports, **spec},
    }


def _external(view: View, trials: _Trials, tenant: TenantIdentity) -> Iterator[Outcome]:
    if view.signed(EXTERNAL_IPS_DENIED) is True:
        yield Outcome.safe("the API server refuses external addresses of Services, as somebody signed")
        return
    said = _Said(
        f"a Service of {{tenant}} in {{namespace}} takes the traffic of every tenant to {ADDRESS}",
        "refuse spec.externalIPs in {namespace} by an admission policy, or switch on DenyServiceExternalIPs",
        Step(f"every node sends traffic to {ADDRESS} to the Service"),
    )
    for outcome in trials.written(tenant, _service({"externalIPs": [ADDRESS]}), said):
        # No manifest shows the flags of the API server, which may refuse what every object here lets pass.
        if outcome.witness is not None and view.signed(EXTERNAL_IPS_DENIED) is None:
            yield Outcome.open(view.missing(EXTERNAL_IPS_DENIED))
        else:
            yield outcome


def _status(view: View, trials: _Trials, tenant: TenantIdentity) -> Iterator[Outcome]:
    for namespace in () if trials.deployed else tenant.namespaces:
        for verb in ("update", "patch"):
            right = trials.attempts.right(tenant.name, verb, "", "services/status", namespace)
            if right is None:
                continue
            body = _service({"type": "LoadBalancer"})
            body["metadata"]["namespace"] = namespace
            changed = {**body, "status": {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}}
            said = view.envelope(namespace).admits(
                changed, operation="UPDATE", old=body, subresource="status", about=about_change(body, changed, body)
            )
            if said.refused:
                continue
            if not said.admitted:
                yield Outcome.open(*said.missing)
                continue
            takes = Step(
                f"names {ADDRESS} as the address of its load balancer", missing="no admission guard refuses it"
            )
            summary = f"a Service of {tenant.name} in {namespace} takes the traffic of every tenant to {ADDRESS}"
            witness = Witness((*right.steps, takes), summary, (("manifest", changed),))
            yield Outcome.broken(witness, f"take {verb} of services/status in {namespace} from {tenant.name}")
            break


# --- N5 --------------------------------------------------------------------------------------------------------------


def confused_deputy(view: View) -> Iterable[Claim]:
    """Decide N5: no tenant writes endpoints by which a proxy of the platform connects it to pods of others."""
    trials = _Trials(view)
    for tenant in view.sources:
        outcomes = [*_foreign_endpoints(view, tenant), *trials.roles(tenant)]
        written = [outcome for body, said in _endpoints() for outcome in trials.written(tenant, body, said)]
        outcomes.extend(_through(view, outcome) for outcome in written)
        if not written and not trials.deployed:
            outcomes.extend(_withheld(view, tenant))
        proof = Outcome.safe("it may write no endpoints, and it has none that name pods of others")
        yield worst([*outcomes, proof]).claim(N5, tenant.name)


def _endpoints() -> Iterator[tuple[Body, _Said]]:
    said = _Said(
        f"endpoints {{tenant}} writes in {{namespace}} lead a proxy of the platform to {POD_ADDRESS}, a pod of another",
        "refuse endpoints that no controller of the cluster writes, in {namespace}, by an admission policy",
        Step("a router or load balancer connects to the address as the platform, which network policies let in"),
    )
    ports = [{"port": 8443, "protocol": "TCP", "name": "main"}]
    slice_of = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": PROBE, "labels": {"kubernetes.io/service-name": PROBE}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [POD_ADDRESS]}],
        "ports": ports,
    }
    yield slice_of, said
    subsets = [{"addresses": [{"ip": POD_ADDRESS}], "ports": ports}]
    yield {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": PROBE}, "subsets": subsets}, said


def _through(view: View, outcome: Outcome) -> Outcome:
    """Return what is left of an outcome if it is not known whether any proxy is shared."""
    if outcome.witness is None or view.distribution_openshift or _proxies(view):
        return outcome
    how = "add the ingress controller or the gateway to the objects, or refuse endpoints in the tenant's namespaces"
    return Outcome.open(Missing("a proxy shared by tenants", how))


def _proxies(view: View) -> bool:
    return bool(
        view.snapshot.of("networking.k8s.io", "IngressClass", "Ingress")
        or view.snapshot.of("gateway.networking.k8s.io", "GatewayClass", "Gateway")
    )


def _withheld(view: View, tenant: TenantIdentity) -> Iterator[Outcome]:
    """Yield what is missing where a tenant has the built-in role that held the right in clusters made before 1.22."""
    if view.snapshot.live or view.given.get("rbac.authorization.k8s.io", "ClusterRole", "system:aggregate-to-edit"):
        return
    if view.declared.fact(ENDPOINTS_WITHHELD) is True:
        return
    own = set(tenant.namespaces)
    for binding in view.snapshot.of("rbac.authorization.k8s.io", "RoleBinding", "ClusterRoleBinding"):
        if text(binding.body, "roleRef", "name") not in {"edit", "admin"} or binding.key.namespace not in own:
            continue
        refused = all(
            view.envelope(binding.key.namespace).admits(placed, about=about_body(placed)).refused
            for body, _ in _endpoints()
            for placed in [{**body, "metadata": {**body["metadata"], "namespace": binding.key.namespace}}]
        )
        if not refused:
            yield Outcome.open(view.missing(ENDPOINTS_WITHHELD))


def _foreign_endpoints(view: View, tenant: TenantIdentity) -> Iterator[Outcome]:
    # Whoever claims to be a controller by a label is not believed: controllers name pods of the own namespace only.
    for manifest in _own(view, tenant, ("discovery.k8s.io", "EndpointSlice"), ("", "Endpoints")):
        for address in _named(manifest.body):
            owner, pod = view.pod_addresses.get(address, (tenant.name, manifest.key))
            if owner != tenant.name:
                leads = Step(f"names {address}", manifest.key, ("endpoints",))
                summary = f"{manifest.key} of {tenant.name} leads to {pod} of {owner}"
                yield Outcome.broken(
                    Witness((leads, Step("is the address of", pod)), summary), f"remove {manifest.key}"
                )


def _named(body: Body) -> Iterator[str]:
    for endpoint in items(body, "endpoints"):
        yield from (item for item in items(endpoint, "addresses") if isinstance(item, str) and item)
    for subset in items(body, "subsets"):
        yield from (text(item, "ip") for item in items(subset, "addresses") if text(item, "ip"))


# --- N6 --------------------------------------------------------------------------------------------------------------


def egress_identity(view: View) -> Iterable[Claim]:
    """Decide N6: no tenant changes its egress firewall or leaves the cluster with the address of another."""
    trials = _Trials(view)
    body = {
        "apiVersion": "k8s.ovn.org/v1",
        "kind": "EgressFirewall",
        "metadata": {"name": "default"},
        "spec": {"egress": [{"type": "Allow", "to": {"cidrSelector": "0.0.0.0/0"}}]},
    }
    said = _Said(
        "{tenant} lifts the egress firewall of {namespace}",
        "take the right to write egressfirewalls in {namespace} from it",
        Step("traffic leaves the cluster to addresses the platform has closed"),
    )
    addressed = _addressed(view)
    for tenant in view.sources:
        written = [*trials.written(tenant, body, said, deleted=True), *trials.roles(tenant)]
        alone = worst([*written, Outcome.safe("")])
        found = dict(reversed(list(_shared_address(addressed, tenant))))
        if alone.witness is not None or alone.missing:
            yield alone.claim(N6, tenant.name)
            if not found:
                continue
        proof = "it may not write egress firewalls, and no EgressIP is shared with another tenant"
        yield from pairwise(N6, view, tenant.name, found, proof)


def _addressed(view: View) -> list[tuple[Manifest, dict[str, str]]]:
    """Return every EgressIP with a namespace of each tenant it is for."""
    spaces = {
        namespace: {"kubernetes.io/metadata.name": namespace, **(labels_of(manifest.body) if manifest else {})}
        for tenant in view.tenants
        for namespace in tenant.namespaces
        for manifest in [view.snapshot.get("", "Namespace", namespace)]
    }
    found = []
    for item in view.snapshot.of("k8s.ovn.org", "EgressIP"):
        selector = _selector(at(item.body, "spec", "namespaceSelector"))
        chosen = {
            tenant.name: namespace
            for tenant in view.tenants
            for namespace in reversed(tenant.namespaces)
            if selector.matches(spaces[namespace])
        }
        found.append((item, chosen))
    return found


def _shared_address(
    addressed: list[tuple[Manifest, dict[str, str]]], tenant: TenantIdentity
) -> Iterator[tuple[str, Outcome]]:
    for item, chosen in addressed:
        for other, theirs in chosen.items() if tenant.name in chosen else ():
            if other != tenant.name:
                shares = Step("gives both one address", item.key, ("spec", "namespaceSelector"))
                ours = f"{chosen[tenant.name]} of {tenant.name}"
                summary = f"{ours} and {theirs} of {other} leave the cluster by {item.key}"
                fix = f"give {tenant.name} an EgressIP of its own"
                yield other, Outcome.broken(Witness((shares,), summary), fix)


def _selector(body: Any) -> Selector:
    """Read a selector; one that cannot be read is taken to match everything."""
    try:
        return parse_selector(body)
    except (ValueError, TypeError, AttributeError):
        return Selector()


# --- N8 --------------------------------------------------------------------------------------------------------------


def shared_services(view: View) -> Iterable[Claim]:
    """Decide N8: no tenant writes what decides how names resolve, or how a mesh routes, for everybody.

    The shared services themselves lie in namespaces of the platform; a tenant that offers one to others needs an
    exception in the contract, which N1 looks at.
    """
    trials = _Trials(view)
    for tenant in view.sources:
        outcomes = list(trials.roles(tenant))
        for group, plural, namespace, name in () if trials.deployed else SHARED_CONFIGURATION:
            right = trials.attempts.writes(tenant.name, group, plural, namespace, name)
            if right is None or namespace in tenant.namespaces:
                continue
            what = f"{plural} {f'{namespace}/' if namespace else ''}{name or '*'}"
            changes = Step(f"changes {what}", missing="nothing keeps it from writing this object")
            summary = f"{tenant.name} may write {what}, on which every tenant depends"
            fix = f"take the right to write {plural}{f' in {namespace}' if namespace else ''} from {tenant.name}"
            outcomes.append(Outcome.broken(Witness((*right.steps, changes), summary), fix))
        proof = Outcome.safe("it may write nothing that shared services are configured by")
        yield worst([*outcomes, proof]).claim(N8, tenant.name)


def _channel(ruling: Ruling, decide: Callable[[View], Iterable[Claim]]) -> Channel:
    return Channel(ruling.id, ruling.title, ruling.effect, ruling.impact, decide)


SERVICE_CHANNELS: Final = (
    _channel(N4, service_hijack),
    _channel(N5, confused_deputy),
    _channel(N6, egress_identity),
    _channel(N8, shared_services),
)
"""Channels of Services, endpoints, egress and shared services."""
