"""A small API server for admission: matches requests to compiled policies and evaluates their CEL for real.

It reads manifests only, never the code that made them. An expression that fails counts as a refusal with ``error``, as
``failurePolicy: Fail`` demands; tests insist that no refusal is of that kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

cel = pytest.importorskip("cel_expr_python.cel", reason="CEL is not installed")

Body = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One request as admission sees it.

    Attributes:
        resource: plural name with group and subresource, for example ``apps/deployments`` or ``pods/status``;
            the core group is left out.
        body: the new object, None for a deletion.
        old: the object before, None for a creation.
        namespace: the Namespace object; None for cluster-scoped objects.
        user: who asks.
        groups: groups of the user.
        version: API version of the object.
    """

    resource: str
    body: Body | None
    old: Body | None = None
    namespace: Body | None = None
    user: str = "ada"
    groups: tuple[str, ...] = ("vision-team", "system:authenticated")
    version: str = "v1"

    @property
    def operation(self) -> str:
        if self.body is None:
            return "DELETE"
        return "CREATE" if self.old is None else "UPDATE"

    @property
    def group(self) -> str:
        head, _, rest = self.resource.partition("/")
        return head if rest and ("." in head or head in {"apps", "batch", "policy"}) else ""

    @property
    def plural(self) -> str:
        return self.resource.removeprefix(f"{self.group}/") if self.group else self.resource

    def variables(self) -> dict[str, Any]:
        metadata = (self.body or self.old or {}).get("metadata", {})
        request = {
            "operation": self.operation,
            "name": metadata.get("name", ""),
            "namespace": self.namespace["metadata"]["name"] if self.namespace else "",
            "userInfo": {"username": self.user, "groups": list(self.groups)},
        }
        return {
            "object": self.body,
            "oldObject": self.old,
            "namespaceObject": self.namespace,
            "request": request,
        }


@dataclass(frozen=True, order=True)
class Refusal:
    """Why a request was refused: policy, index of the validation, message, and whether evaluation failed."""

    policy: str
    index: int
    message: str = field(compare=False)
    error: str = field(default="", compare=False)


class AdmissionServer:
    """Policies that are bound with Deny; the others refuse nothing."""

    def __init__(self, bodies: Iterable[Body]) -> None:
        bodies = list(bodies)
        bound = {
            body["spec"]["policyName"]
            for body in bodies
            if body["kind"] == "ValidatingAdmissionPolicyBinding" and "Deny" in body["spec"]["validationActions"]
        }
        self.policies = [
            body for body in bodies if body["kind"] == "ValidatingAdmissionPolicy" and body["metadata"]["name"] in bound
        ]

    def without(self, policy: str, index: int | None = None) -> AdmissionServer:
        """Return the server without a policy, or without one of its validations."""
        server = AdmissionServer([])
        for body in self.policies:
            if body["metadata"]["name"] != policy:
                server.policies.append(body)
            elif index is not None:
                validations = [item for place, item in enumerate(body["spec"]["validations"]) if place != index]
                server.policies.append({**body, "spec": {**body["spec"], "validations": validations}})
        return server

    def refusals(self, request: Request) -> list[Refusal]:
        """Return every validation that refuses the request, ordered by policy and place."""
        found = []
        for body in self.policies:
            if _matches(body["spec"]["matchConstraints"], request):
                found.extend(_evaluate(body, request))
        return sorted(found)


def _matches(constraints: Mapping[str, Any], request: Request) -> bool:
    selector = constraints.get("namespaceSelector")
    if selector is not None and request.namespace is None:
        return False  # no compiled policy with a selector looks at cluster-scoped objects
    if selector is not None and request.namespace is not None:
        labels = request.namespace["metadata"].get("labels", {})
        for term in selector["matchExpressions"]:
            assert term["operator"] == "Exists"
            if term["key"] not in labels:
                return False
    return any(_rule_matches(rule, request) for rule in constraints["resourceRules"])


def _rule_matches(rule: Mapping[str, Any], request: Request) -> bool:
    # "*" stands for every resource but no subresource.
    resources = rule["resources"]
    named = request.plural in resources or ("*" in resources and "/" not in request.plural)
    return (
        named
        and any(group in {"*", request.group} for group in rule["apiGroups"])
        and any(version in {"*", request.version} for version in rule["apiVersions"])
        and request.operation in rule["operations"]
    )


def _evaluate(body: Body, request: Request) -> list[Refusal]:
    assert body["spec"]["failurePolicy"] == "Fail"
    data = request.variables()
    data["variables"] = {}
    name = body["metadata"]["name"]
    for variable in body["spec"].get("variables", []):
        value, error = evaluate(variable["expression"], data)
        if error:
            return [Refusal(name, -1, variable["name"], error)]
        data["variables"][variable["name"]] = value
    found = []
    for index, item in enumerate(body["spec"]["validations"]):
        value, error = evaluate(item["expression"], data)
        if error or value is not True:
            message, broken = item["message"], ""
            if "messageExpression" in item:
                message, broken = evaluate(item["messageExpression"], data)
            found.append(Refusal(name, index, message, error or broken))
    return found


def evaluate(expression: str, data: Mapping[str, Any]) -> tuple[Any, str]:
    """Evaluate CEL; returns the plain value and the error, one of which is empty."""
    result = _compiled(expression).eval(data=dict(data))
    if result.type().name() == "ERROR":
        return None, f"{expression}: {result.plain_value()}"
    return result.plain_value(), ""


@lru_cache(maxsize=4096)
def _compiled(expression: str) -> Any:
    return _environment().compile(expression)


@lru_cache(maxsize=1)
def _environment() -> Any:
    ext_optional = pytest.importorskip("cel_expr_python.ext.ext_optional")
    ext_strings = pytest.importorskip("cel_expr_python.ext.ext_strings")
    names = ("object", "oldObject", "namespaceObject", "request", "variables")
    return cel.NewEnv(
        variables=dict.fromkeys(names, cel.Type.DYN),
        # Kubernetes 1.29 and later: strings in version 2, optional values.
        extensions=[ext_strings.ExtStrings(2), ext_optional.ExtOptional()],
    )
