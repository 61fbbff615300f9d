"""Host names, proxies, metrics and logs: each hole is found with its witness and closed by what closes it."""

from __future__ import annotations

from typing import Any

import pytest
from holes import BY_ID, Case, Hole, cases_checked, holes_checked
from safe_clusters import OPENSHIFT, Body, bind, cluster_role, decide, guard, obj, rule, view
from share_objects import EDITORS, cluster_right, labelled_space, nobody, right, space

from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Strength
from tenantry.safe.hosts import covers

pytest.importorskip("cel_expr_python", reason="CEL is not installed")


MAKER = right("pods", "create", "pods")


PROXY = obj("HTTPProxy", "web", "a", "projectcontour.io/v1", spec={"virtualhost": {"fqdn": "www.example.com"}})


def definition(group: str) -> Body:
    return obj("CustomResourceDefinition", f"things.{group}", api="apiextensions.k8s.io/v1", spec={"group": group})


def no_kind(plural: str, group: str) -> list[Body]:
    return guard("no-kind", "false", groups=[group], resources=[plural])


def nothing(name: str) -> Body:
    return obj("Role", name, "a", api="rbac.authorization.k8s.io/v1", rules=[])


def ingress(namespace: str, host: str, annotations: Body | None = None) -> Body:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    metadata = {"annotations": annotations or {}}
    return obj("Ingress", "web", namespace, "networking.k8s.io/v1", metadata=metadata, spec={"rules": [rule]})


def route(namespace: str, host: str, **spec: Any) -> Body:
    body = {"host": host, "to": {"kind": "Service", "name": "web"}, **spec}
    return obj("Route", "web", namespace, "route.openshift.io/v1", spec=body)


OWN = "namespaceObject.metadata.name + '.example.com'"
OWN_INGRESSES = guard(
    "own-ingresses",
    f"object.spec.?rules.orValue([]).size() > 0 && object.spec.rules.all(r, r.?host.orValue('') == {OWN})",
    groups=["networking.k8s.io"],
    resources=["ingresses"],
)
OWN_ROUTES = guard(
    "own-routes",
    f"object.spec.?host.orValue('') == {OWN} && object.spec.?wildcardPolicy.orValue('None') == 'None'",
    groups=["route.openshift.io"],
    resources=["routes"],
)
OWN_GATEWAYS = guard(
    "own-gateways",
    f"object.spec.?hostnames.orValue([]).size() > 0 && object.spec.hostnames.all(h, h == {OWN})",
    groups=["gateway.networking.k8s.io"],
    resources=["httproutes"],
)
ROUTES = right("routes", "create", "routes", "route.openshift.io")
CUSTOM = right("custom", "create", "routes/custom-host", "route.openshift.io")
INGRESSES = right("ingresses", "create", "ingresses", "networking.k8s.io")
NO_SUBDOMAIN = guard("no-subdomain", "!has(object.spec.subdomain)", groups=["route.openshift.io"], resources=["routes"])

HOSTS = [
    Hole(
        "any host by an ingress",
        "C1",
        [INGRESSES, ingress("b", "shop.example.com")],
        [OWN_INGRESSES],
        "may publish probe-of-a-host-nobody-uses.example.com by a Ingress in a",
    ),
    Hole(
        "a host of another by a guard that lists it",
        "C1",
        [
            INGRESSES,
            ingress("b", "b.example.com"),
            guard(
                "listed",
                "object.spec.?rules.orValue([]).size() > 0 && "
                "object.spec.rules.all(r, r.?host.orValue('') in ['a.example.com', 'b.example.com'])",
                groups=["networking.k8s.io"],
                resources=["ingresses"],
            ),
        ],
        [OWN_INGRESSES],
        "may publish b.example.com of b by a Ingress",
    ),
    Hole(
        "ingresses without a host",
        "C1",
        [
            INGRESSES,
            guard(
                "hosts",
                f"object.spec.?rules.orValue([]).all(r, !has(r.host) || r.host == {OWN})",
                groups=["networking.k8s.io"],
                resources=["ingresses"],
            ),
        ],
        [OWN_INGRESSES],
        "without a host takes requests for every host",
    ),
    Hole("any host by a route", "C1", [OPENSHIFT, ROUTES, CUSTOM], [OWN_ROUTES], "by a Route in a", "Role routes"),
    Hole(
        "subdomains by a route",
        "C1",
        [OPENSHIFT, ROUTES],
        [NO_SUBDOMAIN],
        "by a Route in a",
    ),
    Hole(
        "any host by a route of the Gateway API",
        "C1",
        [right("gw", "create", "httproutes", "gateway.networking.k8s.io")],
        [OWN_GATEWAYS],
        "by a HTTPRoute in a",
    ),
    Hole(
        "any host by a kind of a mesh",
        "C1",
        [MAKER, right("mesh", "create", "virtualservices", "networking.istio.io"), definition("networking.istio.io")],
        [no_kind("virtualservices", "networking.istio.io")],
        "by a VirtualService in a",
        "Role mesh",
    ),
    Hole(
        "any host by a kind of another ingress controller",
        "C1",
        [MAKER, right("proxies", "update", "httpproxies", "projectcontour.io"), PROXY],
        [nothing("proxies")],
        "by a HTTPProxy in a",
        "Role proxies",
    ),
    Hole(
        "a host of another made of the names of a route and its namespace",
        "C1",
        [OPENSHIFT, ROUTES, NO_SUBDOMAIN, route("b", "shop-a.example.com")],
        [route("b", "shop-c.example.com")],
        "named shop, can get shop-a.example.com of b",
    ),
    Hole(
        "one host claimed by both",
        "C1",
        [ingress("a", "shop.example.com"), ingress("b", "shop.example.com")],
        [ingress("a", "other.example.com")],
        "takes in shop.example.com of b",
        "Ingress web",
        strength=Strength.DEPLOYED,
    ),
    Hole(
        "a wildcard over another's host",
        "C1",
        [OPENSHIFT, route("a", "www.example.com", wildcardPolicy="Subdomain"), route("b", "shop.example.com")],
        [route("a", "www.example.com")],
        "takes in shop.example.com of b",
        "Route web",
        strength=Strength.DEPLOYED,
    ),
]


def nginx(version: str = "v1.12.1", **settings: str) -> list[Body]:
    container = {"name": "controller", "image": f"registry.example.com/ingress-nginx/controller:{version}"}
    keys = {"allow-cross-namespace-resources": "false"} | {
        key.replace("_", "-"): value for key, value in settings.items()
    }
    return [
        obj("Deployment", "nginx", "ops", "apps/v1", spec={"template": {"spec": {"containers": [container]}}}),
        obj("ConfigMap", "ingress-nginx-controller", "ops", data=keys),
    ]


SNIPPETS = "nginx.ingress.kubernetes.io/configuration-snippet"
NO_ANNOTATIONS = guard(
    "no-annotations",
    "object.metadata.?annotations.orValue({}).all(k, !k.endsWith('-snippet') && !k.endsWith('-secret'))",
    groups=["networking.k8s.io"],
    resources=["ingresses"],
)
PROXIES = [
    Hole(
        "snippets",
        "C2",
        [INGRESSES, nginx(allow_snippet_annotations="true")],
        [nginx(allow_snippet_annotations="false")[1]],
        "puts text into the shared proxy",
        "ConfigMap ingress-nginx-controller",
    ),
    Hole(
        "snippets, refused by a guard",
        "C2",
        [INGRESSES, nginx(allow_snippet_annotations="true")],
        [NO_ANNOTATIONS],
        "shared proxy",
    ),
    Hole(
        "snippets by the default of an old version",
        "C2",
        [INGRESSES, nginx("v1.8.4")],
        [nginx("v1.9.0")[0]],
        "shared proxy",
    ),
    Hole(
        "secrets of other namespaces",
        "C2",
        [INGRESSES, nginx(allow_cross_namespace_resources="true")],
        [NO_ANNOTATIONS],
        "reads a secret of another namespace",
    ),
    Hole(
        "a deployed snippet",
        "C2",
        [nginx(allow_snippet_annotations="true"), ingress("a", "a.example.com", {SNIPPETS: "return 200;"})],
        [ingress("a", "a.example.com")],
        "reaches into the shared proxy",
        "Ingress web",
        strength=Strength.DEPLOYED,
    ),
    Hole(
        "a grant to read secrets",
        "C2",
        [
            nginx(),
            obj(
                "ReferenceGrant",
                "secrets",
                "b",
                "gateway.networking.k8s.io/v1beta1",
                spec={"from": [{"kind": "Gateway", "namespace": "a"}], "to": [{"group": "", "kind": "Secret"}]},
            ),
        ],
        [
            obj(
                "ReferenceGrant",
                "secrets",
                "b",
                "gateway.networking.k8s.io/v1beta1",
                spec={"from": [{"kind": "Gateway", "namespace": "b"}], "to": [{"group": "", "kind": "Secret"}]},
            )
        ],
        "serve with secrets of b",
        "ReferenceGrant secrets",
    ),
]

MONITORS = right("monitors", "create", "servicemonitors podmonitors", "monitoring.coreos.com")
OWN_MONITORS = guard(
    "own-monitors",
    "!has(object.spec.namespaceSelector) && object.spec.?endpoints.orValue([]).all(e, !has(e.bearerTokenFile))",
    groups=["monitoring.coreos.com"],
    resources=["servicemonitors", "podmonitors"],
)


def prometheus(**spec: Any) -> Body:
    return obj("Prometheus", "k8s", "ops", "monitoring.coreos.com/v1", spec=spec)


def monitor(**spec: Any) -> Body:
    return obj("ServiceMonitor", "mine", "a", "monitoring.coreos.com/v1", spec={"selector": {}, **spec})


CONFINED = {"ignoreNamespaceSelectors": True, "arbitraryFSAccessThroughSMs": {"deny": True}}
CLOSED = obj(
    "NetworkPolicy",
    "closed",
    "ops",
    "networking.k8s.io/v1",
    spec={"podSelector": {}, "policyTypes": ["Ingress"], "ingress": []},
)
CNI = {"cni": "ovn-kubernetes", "cni.enforces-network-policies": True}

METRICS = [
    Hole(
        "the view of cluster monitoring",
        "C3",
        [OPENSHIFT, bind("view", "ClusterRole/cluster-monitoring-view", "group:a")],
        [bind("view", "ClusterRole/cluster-monitoring-view", "group:other")],
        "may query metrics of every namespace",
        "ClusterRoleBinding view",
    ),
    Hole(
        "a right to metrics of nodes",
        "C3",
        [OPENSHIFT, cluster_right("m", "get", "nodes/metrics")],
        [nobody("m")],
        "may get nodes/metrics",
        "ClusterRole m",
    ),
    Hole(
        "monitors of other namespaces",
        "C3",
        [OPENSHIFT, MONITORS, prometheus(web={"tlsConfig": {"cert": {}}})],
        [OWN_MONITORS],
        "scrapes pods of every namespace",
    ),
    Hole(
        "monitors of other namespaces, ignored by Prometheus",
        "C3",
        [OPENSHIFT, MONITORS, prometheus(web={"tlsConfig": {"cert": {}}})],
        [prometheus(web={"tlsConfig": {"cert": {}}}, **CONFINED)],
        "scrapes pods of every namespace",
    ),
    Hole(
        "monitors in a namespace that cluster monitoring trusts",
        "C3",
        [OPENSHIFT, MONITORS, labelled_space("a", {"openshift.io/cluster-monitoring": "true"})],
        [OWN_MONITORS],
        "scrapes pods of every namespace",
    ),
    Hole(
        "a deployed monitor of everything",
        "C3",
        [OPENSHIFT, monitor(namespaceSelector={"any": True})],
        [monitor(namespaceSelector={"matchNames": ["a"]})],
        "scrapes every namespace",
        "ServiceMonitor mine",
        strength=Strength.DEPLOYED,
    ),
    Hole(
        "a Prometheus that answers everybody",
        "C3",
        [prometheus(**CONFINED)],
        [CLOSED],
        "query Prometheus ops/k8s",
        "Prometheus k8s",
        CNI,
    ),
    Hole(
        "a Prometheus without a proxy",
        "C3",
        [prometheus(**CONFINED)],
        [prometheus(containers=[{"name": "proxy", "image": "registry.example.com/kube-rbac-proxy:v0.18"}], **CONFINED)],
        "query Prometheus ops/k8s",
        facts=CNI,
    ),
    Hole(
        "dashboards without a login",
        "C3",
        [
            OPENSHIFT,
            obj(
                "Grafana",
                "g",
                "ops",
                "grafana.integreatly.org/v1beta1",
                spec={"config": {"auth.anonymous": {"enabled": "true"}}},
            ),
        ],
        [obj("Grafana", "g", "ops", "grafana.integreatly.org/v1beta1", spec={"config": {}})],
        "without a login",
        "Grafana g",
    ),
]


def stack(mode: str) -> Body:
    return obj("LokiStack", "logs", "ops", "loki.grafana.com/v1", spec={"tenants": {"mode": mode}})


LOGS = [
    Hole(
        "a right to the logs of all",
        "C4",
        [stack("openshift-logging"), cluster_right("l", "get", "application", "loki.grafana.com")],
        [nobody("l")],
        "may read application logs of every namespace",
        "ClusterRole l",
    ),
]

HOLES = [*HOSTS, *PROXIES, *METRICS, *LOGS]

TestHoles = holes_checked(HOLES)


VIEWER = cluster_role("cluster-monitoring-view", rule("get", "namespaces"))
CASES = [
    Case("nothing may be published", "C1", [ingress("b", "b.example.com")]),
    Case("a tenant's own two ingresses", "C1", [ingress("a", "x.example.com"), route("a", "x.example.com")]),
    Case("a route needs a right of its own for a host", "C1", [OPENSHIFT, ROUTES, NO_SUBDOMAIN]),
    Case(
        "kinds of the Gateway API that nobody installed", "C1", [MAKER, right("all", "create", "things", "example.com")]
    ),
    Case(
        "a kind of a mesh that nobody shows is served",
        "C1",
        [MAKER, right("mesh", "create", "virtualservices", "networking.istio.io")],
        "whether virtualservices.networking.istio.io are served",
    ),
    Case("a proxy nobody shows", "C2", [INGRESSES], "ingress.annotations-harmless"),
    Case("a proxy without annotations", "C2", [OPENSHIFT, INGRESSES]),
    Case(
        "another controller",
        "C2",
        [INGRESSES, obj("IngressClass", "x", api="networking.k8s.io/v1", spec={"controller": "example.com/proxy"})],
        "ingress.annotations-harmless",
    ),
    Case("a snippet nobody reads", "C2", [OPENSHIFT, ingress("a", "a", {SNIPPETS: "x"})], strength=Strength.DEPLOYED),
    Case("metrics of a platform nobody shows", "C3", [EDITORS], "monitoring.tenancy"),
    Case("monitors and a Prometheus nobody shows", "C3", [OPENSHIFT, MONITORS], "monitoring.tenancy"),
    Case(
        "metrics of one's own namespace",
        "C3",
        [OPENSHIFT, VIEWER, bind("v", "ClusterRole/cluster-monitoring-view", "group:a", namespace="a")],
    ),
    Case("logs nobody shows", "C4", [], "logs.tenancy"),
    Case("a log store that asks the API server", "C4", [stack("openshift-logging")]),
    Case("a log store that asks nobody", "C4", [stack("static")], "logs.tenancy"),
]


TestCases = cases_checked(CASES)


@pytest.mark.parametrize("fact", ["logs.tenancy", "monitoring.tenancy"])
def test_a_fact_signed_against_the_tenants_is_a_violation(fact: str) -> None:
    channel = BY_ID["C4" if fact.startswith("logs") else "C3"]
    assert decide(channel, view(facts={fact: False}))[""].verdict is Verdict.VIOLATED


def test_generated_hosts_of_two_namespaces_can_be_one() -> None:
    # Route web of namespace x-b and route web-x of namespace b both get web-x-b.<domain>.
    owned = {"a": ["x-b"], "b": ["b"], "c": ["c"]}
    may = right("routes", "create", "routes", "route.openshift.io")
    rights = [{**body, "metadata": {**body["metadata"], "namespace": "x-b"}} for body in may]
    found = decide(BY_ID["C1"], view(OPENSHIFT, rights, NO_SUBDOMAIN, tenants=owned))
    assert found["b"].verdict is Verdict.VIOLATED
    assert found["c"].verdict is Verdict.PROVED
    named = guard("named", "has(object.spec.host)", groups=["route.openshift.io"], resources=["routes"])
    closed = decide(BY_ID["C1"], view(OPENSHIFT, rights, NO_SUBDOMAIN, named, tenants=owned))
    assert closed[""].verdict is Verdict.PROVED


def test_hosts_granted_to_a_tenant_are_its_own() -> None:
    granted = [
        space("a", annotations={"tenantry.dev/hosts": "a.example.com"}),
        space("b", annotations={"tenantry.dev/hosts": "b.example.com"}),
    ]
    listed = guard(
        "granted",
        "object.spec.?rules.orValue([]).size() > 0 && object.spec.rules.all(r, r.?host.orValue('') in "
        "namespaceObject.metadata.annotations['tenantry.dev/hosts'].split(','))",
        groups=["networking.k8s.io"],
        resources=["ingresses"],
    )
    assert decide(BY_ID["C1"], view(INGRESSES, granted, listed))[""].verdict is Verdict.PROVED
    wrong = [space("a", annotations={"tenantry.dev/hosts": "a.example.com,b.example.com"}), granted[1]]
    assert decide(BY_ID["C1"], view(INGRESSES, wrong, listed))["b"].verdict is Verdict.VIOLATED
    taken = [
        space("a", annotations={"tenantry.dev/hosts": "a.example.com,b.example.com"}),
        ingress("b", "b.example.com"),
    ]
    assert decide(BY_ID["C1"], view(INGRESSES, taken, listed))["b"].verdict is Verdict.VIOLATED


@pytest.mark.parametrize(
    ("left", "other", "expected"),
    [
        ("a.example.com", "a.example.com", True),
        ("*", "a.example.com", True),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "aexample.com", False),
        ("a.example.com", "*.example.com", False),
    ],
)
def test_names_cover_names(left: str, other: str, expected: bool) -> None:
    assert covers(left, other) is expected
