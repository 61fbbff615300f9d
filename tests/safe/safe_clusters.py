"""Small clusters for tests of rights and admission: tenants a and b, each with a namespace and group of its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.model.finding import Verdict
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.model.snapshot import Snapshot
from tenantry.model.tenancy import Declared, SignedFact, Strength, Tenancy, TenantIdentity
from tenantry.safe.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.model.claim import Claim, Step
    from tenantry.safe.channels.channel import Channel

Body = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
ADMISSION = "admissionregistration.k8s.io/v1"
ENFORCE = "pod-security.kubernetes.io/enforce"


def obj(kind: str, name: str, namespace: str = "", api: str = "v1", **fields: Any) -> Body:
    metadata: Body = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    metadata.update(fields.pop("metadata", {}))
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}


def space(name: str, level: str = "restricted", **labels: str) -> Body:
    return obj("Namespace", name, metadata={"labels": {**({ENFORCE: level} if level else {}), **labels}})


def rule(verbs: str, resources: str, group: str = "", names: str = "") -> Body:
    found: Body = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    return {**found, "resourceNames": names.split()} if names else found


def cluster_role(name: str, *rules: Body, labels: Mapping[str, str] | None = None, picks: Any = None) -> Body:
    body = obj("ClusterRole", name, api=f"{RBAC}/v1", rules=list(rules), metadata={"labels": dict(labels or {})})
    if picks is not None:
        body["aggregationRule"] = {"clusterRoleSelectors": picks}
    return body


def role(name: str, namespace: str, *rules: Body) -> Body:
    return obj("Role", name, namespace, f"{RBAC}/v1", rules=list(rules))


def bind(name: str, target: str, *subjects: str, namespace: str = "") -> Body:
    """Bind subjects such as ``group:a``, ``user:ada`` or ``sa:a/builder`` to ``ClusterRole/x`` or ``Role/x``."""
    kind, _, role_name = target.partition("/")
    found = []
    for text in subjects:
        what, _, who = text.partition(":")
        if what == "sa":
            home, _, account = who.partition("/")
            found.append({"kind": "ServiceAccount", "namespace": home, "name": account})
        else:
            found.append({"kind": what.capitalize(), "apiGroup": RBAC, "name": who})
    kind_of = "RoleBinding" if namespace else "ClusterRoleBinding"
    reference = {"apiGroup": RBAC, "kind": kind, "name": role_name}
    return obj(kind_of, name, namespace, f"{RBAC}/v1", roleRef=reference, subjects=found)


def guard(
    name: str,
    expression: str,
    *,
    resources: Iterable[str] = ("pods",),
    groups: Iterable[str] = ("",),
    operations: Iterable[str] = ("CREATE", "UPDATE"),
    constraints: Body | None = None,
    binding: Body | None = None,
    **spec: Any,
) -> list[Body]:
    """Return a ValidatingAdmissionPolicy with its binding; ``spec`` replaces fields of the policy's spec."""
    resource_rule = {
        "apiGroups": list(groups),
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": list(resources),
    }
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [resource_rule], **(constraints or {})},
        "validations": [{"expression": expression, "message": f"{name} refuses"}],
        **spec,
    }
    bound = {"policyName": name, "validationActions": ["Deny"], **(binding or {})}
    return [
        obj("ValidatingAdmissionPolicy", name, api=ADMISSION, spec=policy),
        obj("ValidatingAdmissionPolicyBinding", name, api=ADMISSION, spec=bound),
    ]


EDIT = bind("a-edit", "ClusterRole/edit", "group:a", namespace="a")
"""What most tests give tenant a: Kubernetes' own role edit in its namespace."""

OPENSHIFT = obj("Infrastructure", "cluster", api="config.openshift.io/v1")
"""An object only OpenShift has."""


def snapshot(*bodies: Body | list[Body], live: bool = False) -> Snapshot:
    flat = [item for body in bodies for item in (body if isinstance(body, list) else [body])]
    return Snapshot((Manifest(body, Location("test.yaml", index + 1)) for index, body in enumerate(flat)), live=live)


def tenancy(tenants: Mapping[str, Iterable[str]] | None = None, platform: Iterable[str] = ("ops",)) -> Tenancy:
    owned = tenants or {"a": ["a"], "b": ["b"]}
    found = (TenantIdentity(name, tuple(sorted(spaces)), (name,)) for name, spaces in sorted(owned.items()))
    return Tenancy(tuple(found), frozenset({"default", "kube-system", "kube-public", "kube-node-lease", *platform}))


def view(
    *bodies: Body | list[Body],
    tenants: Mapping[str, Iterable[str]] | None = None,
    platform: Iterable[str] = ("ops",),
    facts: Mapping[str, str | bool] | None = None,
    strength: Strength = Strength.ADVERSARIAL,
    live: bool = False,
) -> View:
    signed = {name: SignedFact(name, value, "seen", "ada") for name, value in (facts or {}).items()}
    spaces = {space for owned in (tenants or {"a": ["a"], "b": ["b"]}).values() for space in owned}
    given = snapshot(*bodies, live=live)
    missing = [space(name) for name in sorted(spaces) if given.get("", "Namespace", name) is None]
    owners = tenancy(tenants, platform)
    return View(snapshot(*missing, *bodies, live=live), owners, Declared(facts=signed), strength)


def decide(channel: Channel, seen: View, source: str = "a") -> dict[str, Claim]:
    """Return the claims of one tenant by target, checked to carry what their verdict needs."""
    found = {}
    for claim in channel.decide(seen):
        assert claim.channel == channel.id
        well_formed(claim)
        if claim.source == source:
            found[claim.target] = claim
    return found


def well_formed(claim: Claim) -> None:
    """A claim carries what its verdict needs, and none of it says that a rule failed."""
    if claim.verdict is Verdict.VIOLATED:
        assert claim.witness is not None
        assert claim.witness.steps
        assert claim.fix
        assert all(step.by is not None or step.missing or step.edge for step in claim.witness.steps)
    elif claim.verdict is Verdict.UNKNOWN:
        assert claim.missing
        assert all(item.how for item in claim.missing)
        assert not any("bug in Tenantry" in item.how for item in claim.missing)
    else:
        assert claim.reason


def verdict(channel: Channel, seen: View, source: str = "a", target: str = "b") -> Verdict:
    """Return what is claimed about one pair."""
    found = decide(channel, seen, source)
    return (found.get(target) or found[""]).verdict


def objects_on_path(claim: Claim) -> list[str]:
    """Return the objects a witness goes through."""
    assert claim.witness is not None
    return [str(step.by) for step in claim.witness.steps if step.by is not None]


def resolve(seen: View, claim: Claim) -> list[Any]:
    """Follow every pointer of a witness into its object; fails when one leads nowhere."""
    assert claim.witness is not None
    return resolve_steps(seen, claim.witness.steps)


def resolve_steps(seen: View, steps: Iterable[Step]) -> list[Any]:
    found = []
    for step in steps:
        if step.by is None:
            continue
        manifest = seen.snapshot.get(step.by.group, step.by.kind, step.by.name, step.by.namespace)
        assert manifest is not None, step
        value: Any = manifest.body
        for part in step.pointer:
            value = value[part]
        found.append(value)
    return found
