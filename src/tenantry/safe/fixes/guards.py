"""Admission guards that a fix proposes: policy and binding, for the namespaces of one tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.change import Change, Op
from tenantry.model.manifest import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.model.manifest import Body

_API = "admissionregistration.k8s.io/v1"
WRITES = ("CREATE", "UPDATE")
CONTAINERS = (
    "(object.spec.containers + object.spec.?initContainers.orValue([]) + object.spec.?ephemeralContainers.orValue([]))"
)
ANNOTATIONS = "object.metadata.?annotations.orValue({})"
LABELS = "object.metadata.?labels.orValue({})"
PODS = ("pods", "pods/ephemeralcontainers")


def literal(values: Iterable[str]) -> str:
    """Write texts as a CEL list, sorted."""
    return "[" + ", ".join(quoted(item) for item in sorted(set(values))) + "]"


def quoted(value: str) -> str:
    """Write a text as a CEL string."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def guard(
    name: str,
    namespaces: Iterable[str],
    expression: str,
    message: str,
    *,
    group: str = "",
    resources: Sequence[str] = PODS,
    operations: Sequence[str] = WRITES,
) -> tuple[Change, Change]:
    """Return the changes that make a guard.

    Args:
        name: name of the policy and of its binding.
        namespaces: where it holds; they are told by the label the API server gives them.
        expression: CEL that is true for what is let in.
        message: what whoever is refused reads.
        group: API group of what it looks at.
        resources: plural names of what it looks at.
        operations: operations it looks at.
    """
    names = sorted(namespaces)
    where = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": names}
    rule = {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": list(resources),
    }
    policy: Body = {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"namespaceSelector": {"matchExpressions": [where]}, "resourceRules": [rule]},
            "validations": [{"expression": expression, "message": message}],
        },
    }
    binding: Body = {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    return Change(Op.CREATE, key_of(policy), (), policy), Change(Op.CREATE, key_of(binding), (), binding)
