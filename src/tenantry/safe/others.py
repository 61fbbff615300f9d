"""Objects in namespaces of others that no power names; whoever changes or sees them reaches beyond itself as well."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact
from tenantry.safe.powers import POWERS, RBAC, READ, WRITE, Gain, Match, Power, one_per_operation
from tenantry.safe.rbac import CLUSTER_SCOPED, cluster_scoped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.safe.rbac import Rule

# Kinds inside namespaces, of those Kubernetes and OpenShift bring along; custom ones have a channel of their own.
_INSIDE: dict[str, frozenset[str]] = {
    "": frozenset(
        (
            *("pods", "services", "endpoints", "configmaps", "secrets", "serviceaccounts", "persistentvolumeclaims"),
            *("events", "limitranges", "resourcequotas", "replicationcontrollers", "podtemplates"),
        )
    ),
    "apps": frozenset(("deployments", "statefulsets", "daemonsets", "replicasets", "controllerrevisions")),
    "batch": frozenset(("jobs", "cronjobs")),
    "autoscaling": frozenset(("horizontalpodautoscalers",)),
    "networking.k8s.io": frozenset(("networkpolicies", "ingresses")),
    "discovery.k8s.io": frozenset(("endpointslices",)),
    "policy": frozenset(("poddisruptionbudgets",)),
    "coordination.k8s.io": frozenset(("leases",)),
    RBAC: frozenset(("roles", "rolebindings")),
    "resource.k8s.io": frozenset(("resourceclaims", "resourceclaimtemplates")),
    "gateway.networking.k8s.io": frozenset(("gateways", "httproutes", "grpcroutes", "tlsroutes", "referencegrants")),
    "route.openshift.io": frozenset(("routes",)),
    "image.openshift.io": frozenset(("imagestreams", "imagestreamtags")),
}

# What somebody may write in a namespace of the platform has channels of its own for these, or acts on nobody.
_ELSEWHERE = frozenset(
    {"argoproj.io", "authorization.k8s.io", "authorization.openshift.io", "sriovnetwork.openshift.io"}
)

_AROUND = frozenset(
    (power.group, resource.partition("/")[0]) for power in POWERS if power.cluster for resource in power.resources
)

# Groups all of whose kinds lie outside namespaces.
_OUTSIDE = frozenset(
    {group for group, _ in CLUSTER_SCOPED}
    - {*_INSIDE, "kueue.x-k8s.io", "k8s.ovn.org", "nvidia.com", "snapshot.storage.k8s.io"}
)

# Subresources whose use powers name.
_CONNECTS = frozenset(
    resource.partition("/")[2]
    for power in POWERS
    if not power.cluster
    for resource in power.resources
    if "/" in resource
)

# What powers name, with the subresources whose other verbs do nothing.
_NAMED = frozenset(
    (power.group, resource, verb)
    for power in POWERS
    if not power.cluster
    for resource in power.resources
    for verb in ({*READ, *WRITE} if "/" in resource else power.verbs)
)

OTHERS = (
    Power(
        "objects-written", "A3", "*", (), WRITE, Effect.WRITE, Impact.S1, Gain.NOTHING, "write its objects", asks=True
    ),
    Power("objects-read", "A3", "*", (), READ, Effect.OBSERVE, Impact.S3, Gain.NOTHING, "read its objects"),
)
"""Powers over objects that no power names: changing them, seeing them."""


def others_of(rule: Rule, *, inside: bool, platform: bool) -> tuple[tuple[str, Match], ...]:
    """Return what a rule lets somebody do to objects that no power names, with the API group.

    Args:
        rule: the rule.
        inside: whether it holds in one namespace; else only kinds known to lie inside namespaces count.
        platform: whether that namespace is the platform's, from which everybody may read.
    """
    return _others_of(rule.verbs, rule.groups, rule.resources, bool(rule.names), (inside, platform, bool(rule.urls)))


@lru_cache(maxsize=65536)
def _others_of(
    verbs: frozenset[str],
    groups: frozenset[str],
    resources: frozenset[str],
    named: bool,
    where: tuple[bool, bool, bool],
) -> tuple[tuple[str, Match], ...]:
    inside, platform, urls = where
    found: list[tuple[str, Match]] = []
    for power in OTHERS if not urls else ():
        if platform and power.verbs is READ:
            continue
        nameless = {"deletecollection"} if named else set()
        allowed = [verb for verb in power.verbs if verb not in nameless and (verb in verbs or "*" in verbs)]
        for group, resource in _kinds(groups, resources, inside=inside) if allowed else ():
            left = [verb for verb in allowed if (group, resource, verb) not in _NAMED]
            if left and not (platform and group in _ELSEWHERE):
                found.append((group, Match(power, resource, one_per_operation(left) if power.asks else (left[0],))))
                break
    return tuple(found)


def _kinds(groups: frozenset[str], resources: frozenset[str], *, inside: bool) -> Iterator[tuple[str, str]]:
    """Yield kinds inside namespaces that a rule is about: those known, in one namespace those it names as well."""
    for resource in sorted(resources):
        known = False
        for group in sorted(_INSIDE) if "*" in groups else sorted(groups):
            kinds = _INSIDE.get(group, frozenset())
            listed = sorted(kinds) if resource == "*" else [resource] if resource in kinds else []
            known = known or bool(listed)
            yield from ((group, kind) for kind in listed)
            if not listed and inside and "*" not in groups and _may_lie_inside(group, resource):
                yield group, resource
        if not known and inside and "*" in groups and _may_lie_inside("*", resource):
            yield "", resource


def _may_lie_inside(group: str, resource: str) -> bool:
    base, _, below = resource.partition("/")
    if base == "*":
        return group not in _OUTSIDE and below not in _CONNECTS
    if group == "*":
        return base not in {name for _, name in CLUSTER_SCOPED}
    return not cluster_scoped(group, resource) and (group, base) not in _AROUND
