"""C1: whether a tenant can receive requests meant for a host of another.

Sources: Kubernetes Ingress documentation (rules without host, default backend); OpenShift ``Route`` (oldest claim wins,
``wildcardPolicy``, generated hosts ``<route>-<namespace>.<domain>``) and ``IngressController.spec.routeAdmission``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Missing, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.attempts import PROBE, Attempts, plural
from tenantry.safe.hosts import GATEWAY, GATEWAY_ROUTES, Claimed, claimed_hosts, covers
from tenantry.safe.other_hosts import is_served, other_claims
from tenantry.safe.queueing import Candidates
from tenantry.safe.reading import annotations_of, items, text, texts
from tenantry.safe.ruling import Outcome, Ruling
from tenantry.safe.shapes import representatives
from tenantry.safe.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

C1 = Ruling("C1", "host names of another tenant", Effect.READ, Impact.S1)

FIX = "admit only host names of the namespace's own domain, without wildcards (ingresses, routes, gateways)"
FRESH_HOST = "probe-of-a-host-nobody-uses.example.com"
_BACKEND = {"service": {"name": PROBE, "port": {"number": 80}}}


def collisions(view: View) -> Iterable[Claim]:
    """Decide C1: each host name has one tenant, and admission keeps it so."""
    rule = _Collisions(view)
    for tenant in view.sources:
        yield from rule.tally(tenant).claims(C1, view, tenant.name, rule.reason)


class _Collisions:
    def __init__(self, view: View) -> None:
        self.view = view
        self.attempts = Attempts(view)
        self.deployed = view.strength is Strength.DEPLOYED
        self.reason = "admission lets it publish under its own host names only, and no name of another is claimed by it"
        self.claimed = list(claimed_hosts(view.snapshot))
        self.pairs = self._existing()
        self.owners = self._owners()
        self.candidates = Candidates(view, {host: min(tenants) for host, tenants in self.owners.items()})
        definitions = view.snapshot.of("apiextensions.k8s.io", "CustomResourceDefinition")
        crds = {text(item.body, "spec", "group") for item in definitions}
        used = view.snapshot.of(GATEWAY, "Gateway", "GatewayClass", *GATEWAY_ROUTES)
        self.gateways = GATEWAY in crds or bool(used) or _named_in_roles(view)

    def _owners(self) -> dict[str, set[str]]:
        """Tenants per host: those whose objects claim it and those whose namespaces were granted it."""
        owners: dict[str, set[str]] = {}
        known = self.view.tenancy.by_name
        for item in self.claimed:
            owner = self.view.tenancy.owner(item.manifest.key.namespace)
            if owner in known and "*" not in item.host:
                owners.setdefault(item.host, set()).add(str(owner))
        for tenant in self.view.tenants:
            for namespace in tenant.namespaces:
                home = self.view.snapshot.get("", "Namespace", namespace)
                for key, value in annotations_of(home.body if home else None).items():
                    if key.rpartition("/")[2] == "hosts":
                        for host in filter(None, (part.strip() for part in value.split(","))):
                            owners.setdefault(host.lower(), set()).add(tenant.name)
        return owners

    def _existing(self) -> dict[str, dict[str, Outcome]]:
        """Return, for each tenant, those whose hosts one of its objects claims too."""
        known = self.view.tenancy.by_name
        by_host: dict[str, list[tuple[str, Claimed]]] = defaultdict(list)
        for item in self.claimed:
            owner = self.view.tenancy.owner(item.manifest.key.namespace)
            if owner in known:
                by_host[item.host].append((str(owner), item))
        found: dict[str, dict[str, Outcome]] = defaultdict(dict)
        for host, entries in by_host.items():
            labels = host.split(".")
            above = ["*", *(f"*.{'.'.join(labels[index:])}" for index in range(1, len(labels)))]
            for wider in dict.fromkeys([host, *above]):
                for source, mine in by_host.get(wider, ()) if covers(wider, host) else ():
                    for target, theirs in entries:
                        if source != target and target not in found[source]:
                            found[source][target] = self._pair(source, target, mine, theirs)
        return found

    @staticmethod
    def _pair(source: str, target: str, mine: Claimed, theirs: Claimed) -> Outcome:
        steps = (
            Step(f"claims {mine.host}", mine.manifest.key, mine.pointer),
            Step(f"publishes {theirs.host}", theirs.manifest.key, theirs.pointer),
        )
        summary = f"{mine.manifest.key} of {source} claims {mine.host}, which takes in {theirs.host} of {target}"
        return Outcome.broken(Witness(steps, summary), f"give {mine.manifest.key} a host of its own")

    def tally(self, tenant: TenantIdentity) -> Tally:
        tally = Tally(found=dict(self.pairs.get(tenant.name, {})))
        if self.deployed:
            return tally
        self._generated(tenant, tally)
        for namespace in representatives(self.view, tenant):
            for host in [FRESH_HOST, *self.candidates.of(tenant.name, namespace)]:
                others = self.owners.get(host, set()) - {tenant.name}
                own = host in self.owners and not others
                if host == Candidates.FRESH or own or (others and others <= set(tally.found)):
                    continue
                self._claims(tenant.name, namespace, host, sorted(others), tally)
                self._elsewhere(tenant.name, namespace, host, sorted(others), tally)
                if tally.broken:
                    return tally
            self._catch_all(tenant.name, namespace, tally)
        return tally

    def _claims(self, tenant: str, namespace: str, host: str, others: list[str], tally: Tally) -> None:
        """Try every kind of object that claims a host, alone and as a wildcard."""
        shown = host if others else next((name for name, of in self.owners.items() if of - {tenant}), host)
        wildcard = f"*.{shown.partition('.')[2]}"
        for body in (*self._bodies(host), *self._bodies(wildcard, wildcard=True)):
            # The host of a route may be admitted by its name, so that it has to be known.
            route = body["kind"] == "Route"
            attempt = self.attempts.create(tenant, namespace, body, exact=route, named=route)
            if attempt is None or attempt.admission.refused or not self._host_settable(tenant, namespace, body):
                continue
            kind = body["kind"]
            of = f" of {', '.join(others)}" if others else ""
            name = host if body in self._bodies(host) else wildcard
            summary = f"{tenant} may publish {name}{of} by a {kind} in {namespace}"
            for other in others or [""]:
                tally.add(attempt.outcome(summary, FIX), other)
            return

    def _bodies(self, host: str, *, wildcard: bool = False) -> list[Body]:
        ingress = _ingress({"rules": [{"host": host, "http": {"paths": [_path()]}}]})
        bodies = [ingress]
        if self.view.distribution_openshift:
            route: Body = {"host": host}
            if wildcard:
                route = {"host": f"www{host[1:]}", "wildcardPolicy": "Subdomain"}
            bodies.append(_route(route))
            if not wildcard:
                bodies.append(_route({"subdomain": host.partition(".")[0]}))
        if self.gateways:
            bodies.extend(_http_route([host], kind) for kind in GATEWAY_ROUTES)
            listener = {"name": "http", "port": 80, "protocol": "HTTP", "hostname": host}
            bodies.append(_gateway([listener]))
        return bodies

    def _elsewhere(self, tenant: str, namespace: str, host: str, others: list[str], tally: Tally) -> None:
        """Try kinds of other ingress controllers and meshes, which count only where there are such kinds."""
        for group, body in other_claims(host):
            attempt = self.attempts.create(tenant, namespace, body)
            if attempt is None or attempt.admission.refused:
                continue
            if self.view.snapshot.live and not is_served(self.view.snapshot, group):
                continue
            if not attempt.admission.admitted or is_served(self.view.snapshot, group):
                summary = f"{tenant} may publish {host} by a {body['kind']} in {namespace}"
                for other in others or [""]:
                    tally.add(attempt.outcome(summary, FIX), other)
            else:
                how = f"add its definition to the objects, or take the right to write {plural(body)} from {tenant}"
                tally.add(Outcome.open(Missing(f"whether {plural(body)}.{group} are served", how)))

    def _host_settable(self, tenant: str, namespace: str, body: Body) -> bool:
        """Whether the API server takes the host: on routes it needs a right of its own."""
        if body["kind"] != "Route" or "host" not in body["spec"]:
            return True
        right = self.attempts.right(tenant, "create", "route.openshift.io", "routes/custom-host", namespace)
        return right is not None

    def _catch_all(self, tenant: str, namespace: str, tally: Tally) -> None:
        """Try objects without a host, which take what nobody else claims."""
        bodies = [
            _ingress({"rules": [{"http": {"paths": [_path()]}}]}),
            _ingress({"defaultBackend": _BACKEND}),
        ]
        if self.gateways:
            bodies += [_http_route([]), _gateway([{"name": "http", "port": 80, "protocol": "HTTP"}])]
        attempt = self.attempts.first(tenant, namespace, bodies, exact=True)
        if attempt is not None and not attempt.admission.refused:
            summary = (
                f"a {attempt.body['kind']} of {tenant} in {namespace} without a host takes requests for every host"
            )
            tally.add(attempt.outcome(summary, "refuse ingresses and routes without a host"))

    def _generated(self, tenant: TenantIdentity, tally: Tally) -> None:
        """Find namespaces whose generated route hosts can be those of another tenant's namespace.

        Route ``a`` of namespace ``b-c`` and route ``a-b`` of namespace ``c`` get the same host; the older wins.
        """
        if not self.view.distribution_openshift:
            return
        owners = self.view.tenancy.owners
        for namespace in tenant.namespaces:
            for other, prefix in _suffixes(namespace, owners):
                target = owners[other]
                if target == tenant.name or target not in self.view.tenancy.by_name:
                    continue
                longer, shorter = (namespace, other) if len(namespace) > len(other) else (other, namespace)
                name = PROBE if namespace == longer else f"{PROBE}-{prefix}"
                route, ends_so = _route({}, name), namespace != longer
                attempt = self.attempts.create(tenant.name, namespace, route, exact=True, named=ends_so)
                if attempt is None or attempt.admission.refused:
                    continue
                summary = f"a route of {namespace} without a host can get the host of a route of {other} of {target}"
                step = Step(f"{longer} ends in -{shorter}", missing="nothing keeps generated hosts of the two apart")
                fix = f"rename namespace {longer} or {shorter}, or refuse routes without a host of their own"
                tally.add(attempt.outcome(summary, fix, (step,)), target)
            self._named_alike(tenant, namespace, tally)

    def _named_alike(self, tenant: TenantIdentity, namespace: str, tally: Tally) -> None:
        """Find hosts of others that a route of a namespace gets by its name, having none of its own."""
        ending = f"-{namespace}"
        for host, owners in self.owners.items():
            label = host.partition(".")[0]
            others = sorted(owners - {tenant.name})
            if not others or not label.endswith(ending) or label == ending:
                continue
            route = _route({}, label.removesuffix(ending))
            attempt = self.attempts.create(tenant.name, namespace, route, exact=True, named=True)
            if attempt is None or attempt.admission.refused:
                continue
            summary = f"a route of {namespace} without a host, named {label.removesuffix(ending)}, can get {host}"
            step = Step("the host is made of names", missing=f"nothing keeps {host} apart from hosts of {namespace}")
            fix = f"take another host than {host}, or refuse routes without a host of their own"
            for other in others:
                tally.add(attempt.outcome(f"{summary} of {other}", fix, (step,)), other)


def _named_in_roles(view: View) -> bool:
    """Whether a role that was written for this cluster lets somebody create routes of the Gateway API."""
    for role in view.given.of("rbac.authorization.k8s.io", "ClusterRole", "Role"):
        for rule in items(role.body, "rules"):
            if GATEWAY in texts(rule, "apiGroups") and {"create", "*"} & set(texts(rule, "verbs")):
                return True
    return False


def _suffixes(namespace: str, owners: object) -> Iterator[tuple[str, str]]:
    """Yield namespaces that end in, or are the end of, this one's name after a hyphen, with what stands before it."""
    known = dict(owners) if isinstance(owners, dict) else {}
    parts = namespace.split("-")
    for count in range(1, len(parts)):
        shorter = "-".join(parts[count:])
        if shorter in known:
            yield shorter, "-".join(parts[:count])
    for other in known:
        if other.endswith(f"-{namespace}"):
            yield other, other.removesuffix(f"-{namespace}")


def _path() -> dict[str, object]:
    return {"path": "/", "pathType": "Prefix", "backend": _BACKEND}


def _ingress(spec: dict[str, object]) -> Body:
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": PROBE}, "spec": spec}


def _route(spec: Body, name: str = PROBE) -> Body:
    return {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {"name": name},
        "spec": {"to": {"kind": "Service", "name": PROBE}, **spec},
    }


def _http_route(hosts: list[str], kind: str = "HTTPRoute") -> Body:
    backend = [{"backendRefs": [{"name": PROBE, "port": 80}]}]
    return {
        "apiVersion": f"{GATEWAY}/v1",
        "kind": kind,
        "metadata": {"name": PROBE},
        "spec": {"parentRefs": [{"name": "gateway"}], "hostnames": hosts, "rules": backend},
    }


def _gateway(listeners: list[dict[str, object]]) -> Body:
    spec = {"gatewayClassName": "gateway", "listeners": listeners}
    return {"apiVersion": f"{GATEWAY}/v1", "kind": "Gateway", "metadata": {"name": PROBE}, "spec": spec}
