"""What an admission guard is, how it becomes a ValidatingAdmissionPolicy with its binding, and shared CEL fragments.

A guard counts as evidence only because of how it is rendered: ``failurePolicy: Fail``, a binding with ``Deny``, a
selector on a namespace label that no tenant can write, and no match condition that the requester controls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.compile.build import manifest
from tenantry.model.cluster import TENANT_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.model.manifest import Body

API_VERSION = "admissionregistration.k8s.io/v1"
WRITES = ("CREATE", "UPDATE")
ALL_CHANGES = ("CREATE", "UPDATE", "DELETE")

CONTAINERS = (
    "object.spec.containers + object.spec.?initContainers.orValue([]) + object.spec.?ephemeralContainers.orValue([])"
)
ANNOTATIONS = "object.metadata.?annotations.orValue({})"
LABELS = "object.metadata.?labels.orValue({})"


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests a guard looks at.

    Attributes:
        group: API group, empty for the core group.
        versions: API versions; requests in other versions are converted to these.
        resources: plural names, subresources as ``pods/ephemeralcontainers``.
        operations: of ``CREATE``, ``UPDATE`` and ``DELETE``.
    """

    group: str
    versions: tuple[str, ...]
    resources: tuple[str, ...]
    operations: tuple[str, ...] = WRITES


PODS = Rule("", ("v1",), ("pods", "pods/ephemeralcontainers"))
"""Every way to make or change a pod: controllers create pods, so templates need no rule of their own."""


@dataclass(frozen=True, slots=True)
class Validation:
    """A condition that must hold, and what the requester reads when it does not.

    Attributes:
        expression: CEL, true when the request is fine.
        message: sentence without line breaks.
        message_expression: CEL for a message that names what is allowed; ``message`` is used when it fails.
    """

    expression: str
    message: str
    message_expression: str = ""


@dataclass(frozen=True, slots=True)
class Guard:
    """One admission guard.

    Attributes:
        name: name without the ``tenantry-`` prefix.
        channels: ways from one tenant to another that it closes, for people.
        rules: requests it looks at.
        validations: conditions, all of which must hold.
        variables: named CEL expressions in the order in which they use each other.
        same: CEL paths below ``object``; an update that changes none of them is let through, so that narrowing a
            grant does not keep controllers from finishing what already runs. Empty when every request is checked.
        everywhere: whether it also looks at namespaces that belong to no tenant.
    """

    name: str
    channels: str
    rules: tuple[Rule, ...]
    validations: tuple[Validation, ...]
    variables: tuple[tuple[str, str], ...] = ()
    same: tuple[str, ...] = ()
    everywhere: bool = False

    @property
    def policy_name(self) -> str:
        """Name of the ValidatingAdmissionPolicy and of its binding."""
        return f"tenantry-{self.name}"

    def all_variables(self) -> tuple[tuple[str, str], ...]:
        """Variables with ``unchanged`` in front where updates may be let through."""
        if not self.same:
            return self.variables
        compared = " && ".join(f"object{path} == oldObject{path}" for path in self.same)
        return (("unchanged", f"request.operation == 'UPDATE' && {compared}"), *self.variables)

    def conditions(self) -> tuple[Validation, ...]:
        """Validations as they are evaluated, ``unchanged`` included."""
        if not self.same:
            return self.validations
        return tuple(
            Validation(f"variables.unchanged || ({item.expression})", item.message, item.message_expression)
            for item in self.validations
        )

    def manifests(self) -> tuple[Body, Body]:
        """Render the ValidatingAdmissionPolicy and its binding."""
        constraints: dict[str, object] = {"matchPolicy": "Equivalent"}
        if not self.everywhere:
            constraints["namespaceSelector"] = {"matchExpressions": [{"key": TENANT_LABEL, "operator": "Exists"}]}
        constraints["resourceRules"] = [_rule(rule, everywhere=self.everywhere) for rule in self.rules]
        variables = [{"name": name, "expression": expression} for name, expression in self.all_variables()]
        policy = manifest(
            API_VERSION,
            "ValidatingAdmissionPolicy",
            self.policy_name,
            annotations={"tenantry.dev/closes": self.channels},
            spec={
                "failurePolicy": "Fail",
                "matchConstraints": constraints,
                **({"variables": variables} if variables else {}),
                "validations": [_validation(item) for item in self.conditions()],
            },
        )
        binding = manifest(
            API_VERSION,
            "ValidatingAdmissionPolicyBinding",
            self.policy_name,
            wave=1,
            spec={"policyName": self.policy_name, "validationActions": ["Deny"]},
        )
        return policy, binding


def _rule(rule: Rule, *, everywhere: bool) -> dict[str, object]:
    # A namespace selector takes every object that lies in no namespace: without a scope a rule for all resources would
    # keep labels off nodes.
    return {
        "apiGroups": [rule.group],
        "apiVersions": list(rule.versions),
        "operations": list(rule.operations),
        "resources": list(rule.resources),
        **({} if everywhere else {"scope": "Namespaced"}),
    }


def _validation(item: Validation) -> dict[str, object]:
    body: dict[str, object] = {"expression": item.expression, "message": item.message, "reason": "Forbidden"}
    if item.message_expression:
        body["messageExpression"] = item.message_expression
    return body


def text(value: str) -> str:
    """Write a string as a CEL literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def texts(values: Iterable[str]) -> str:
    """Write strings as a CEL list, in the order given."""
    return f"[{', '.join(text(value) for value in values)}]"


def one_of_prefixes(subject: str, prefixes: Sequence[str]) -> str:
    """CEL: whether a string starts with one of some prefixes."""
    return f"{texts(prefixes)}.exists(p, {subject}.startsWith(p))"
