"""ValidatingAdmissionPolicies as the API server applies them: which requests they look at, and what they say.

A policy refuses for certain only if a binding denies, its failure policy is ``Fail`` and its expressions can be
evaluated; anything less is an unknown answer, never a refusal.
Source: Kubernetes, ``staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/{generic,validating,matching}`` and
``pkg/admission/plugin/webhook/predicates``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tenantry.model.claim import Missing
from tenantry.model.manifest import Body, Manifest, ManifestKey, key_of
from tenantry.safe import cel
from tenantry.safe.answer import Admission, Answer, Requester
from tenantry.safe.matching import MatchConstraints, selector_of
from tenantry.safe.partial import evaluate
from tenantry.safe.rbac import texts
from tenantry.safe.reading import labels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.model.problem import DocPath
    from tenantry.model.selector import Selector
    from tenantry.model.snapshot import Snapshot

GROUP = "admissionregistration.k8s.io"

UNGUARDED = frozenset(
    {
        *((GROUP, f"{kind}admissionpolicies") for kind in ("mutating", "validating")),
        *((GROUP, f"{kind}admissionpolicybindings") for kind in ("mutating", "validating")),
        *(("authentication.k8s.io", name) for name in ("selfsubjectreviews", "tokenreviews")),
        *(
            ("authorization.k8s.io", name)
            for name in (
                *("localsubjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"),
                "subjectaccessreviews",
            )
        ),
    }
)
"""Kinds that no admission policy is asked about, so that none can lock everybody out.

Source: Kubernetes, ``staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/generic/plugin.go`` and
``pkg/kubeapiserver/admission/exclusion/resources.go``.
"""

_PLURALS = {
    "Endpoints": "endpoints",
    "NetworkAttachmentDefinition": "network-attachment-definitions",
    "MultiNetworkPolicy": "multi-networkpolicies",
    "SecurityContextConstraints": "securitycontextconstraints",
    "EgressQoS": "egressqoses",
    "NetworkQoS": "networkqoses",
}


def plural_of(kind: str) -> str:
    """Return the plural name of a kind as the API spells it."""
    if kind in _PLURALS:
        return _PLURALS[kind]
    lower = kind.lower()
    if lower.endswith(("s", "x", "ch", "sh")):
        return f"{lower}es"
    if lower.endswith("y") and lower[-2:-1] not in "aeiou":
        return f"{lower[:-1]}ies"
    return f"{lower}s"


@dataclass(frozen=True)
class Request:
    """One request as admission sees it.

    Attributes:
        body: the new object; None for a deletion.
        old: the object before; None for a creation.
        namespace: the Namespace object; None for cluster-scoped objects.
        user: who asks.
        resource: plural name.
        subresource: part of the object concerned; empty for the object itself.
        group: API group.
        version: version of the API group.
        action: ``CONNECT`` where it is that; else the operation follows from the objects.
    """

    body: Body | None
    old: Body | None
    namespace: Body | None
    user: Requester
    resource: str
    subresource: str = ""
    group: str = ""
    version: str = "v1"
    action: str = ""

    @staticmethod
    def of(
        body: Body | None,
        user: Requester,
        *,
        old: Body | None = None,
        namespace: Body | None = None,
        subresource: str = "",
        action: str = "",
    ) -> Request:
        """Make a request about an object from the object itself."""
        key = key_of(body if body is not None else old or {})
        version = key.api_version.rpartition("/")[2] or "v1"
        resource = plural_of(key.kind)
        return Request(body, old, namespace, user, resource, subresource, key.group, version, action)

    @property
    def operation(self) -> str:
        """Operation as rules name it."""
        if self.action:
            return self.action
        if self.body is None:
            return "DELETE"
        return "CREATE" if self.old is None else "UPDATE"

    @property
    def name(self) -> str:
        """Name of the object."""
        return key_of(self.body if self.body is not None else self.old or {}).name

    @property
    def namespace_name(self) -> str:
        """Namespace of the request; a Namespace is in itself."""
        if self.group == "" and self.resource == "namespaces":
            return self.name
        return key_of(self.namespace).name if self.namespace else ""

    def variables(self) -> dict[str, Any]:
        """Return what expressions see, ``params`` and ``variables`` excepted."""
        thing = {"group": self.group, "version": self.version, "resource": self.resource}
        kind = {"group": self.group, "version": self.version, "kind": key_of(self.body or self.old or {}).kind}
        request = {
            **{"uid": "00000000-0000-0000-0000-000000000000", "operation": self.operation, "dryRun": False},
            **{"name": self.name, "namespace": self.namespace_name, "resource": thing, "requestResource": thing},
            **{"kind": kind, "requestKind": kind},
            **{"subResource": self.subresource, "requestSubResource": self.subresource, "options": {}},
            "userInfo": {
                **{"username": self.user.username, "uid": "", "groups": list(self.user.groups), "extra": {}},
            },
        }
        return {
            "object": self.body,
            "oldObject": self.old,
            "namespaceObject": self.namespace,
            "request": request,
        }


@dataclass(frozen=True)
class Guard:
    """One binding of one ValidatingAdmissionPolicy that denies.

    Attributes:
        policy: the ValidatingAdmissionPolicy.
        binding: its binding.
        uses_user: whether its verdict can depend on who asks.
        uses_namespace: whether its verdict can depend on the namespace beyond the selectors.
    """

    policy: Manifest
    binding: Manifest
    uses_user: bool
    uses_namespace: bool

    @property
    def spec(self) -> Body:
        """Spec of the policy."""
        return mapping(self.policy.body.get("spec"))

    @cached_property
    def reads_namespace(self) -> bool:
        """Whether its expressions look at labels or annotations of the namespace."""
        parts = (
            part for name in ("validations", "variables", "matchConditions") for part in items(self.spec.get(name))
        )
        return any("namespaceObject" in str(part.get("expression")) for part in parts)

    @property
    def alike(self) -> bool:
        """Whether it says the same of equal objects whoever asks and wherever."""
        return not self.uses_user and not self.uses_namespace

    @cached_property
    def object_selectors(self) -> tuple[Selector | None, ...]:
        """Selectors of objects that do not match everything; None for one that cannot be read."""
        return _choosing(item.objects for item in self._constraints)

    @cached_property
    def namespace_selectors(self) -> tuple[Selector | None, ...]:
        """Selectors of namespaces that do not match everything; None for one that cannot be read."""
        return _choosing(item.namespaces for item in self._constraints)

    @cached_property
    def excused_names(self) -> tuple[str, ...]:
        """Names of objects it does not look at, sorted; whoever makes an object chooses its name."""
        return tuple(sorted({name for item in self._constraints for rule in item.excluded for name in rule.names}))

    @cached_property
    def goes_by_name(self) -> bool:
        """Whether names of objects decide what it looks at."""
        return any(rule.names for item in self._constraints for rule in (*item.rules, *item.excluded))

    def rests_on_name(self, request: Request) -> bool:
        """Whether it looks at a request only because of the name of the object, which is the requester's to choose."""
        return any(
            all(rule.names for rule in item.rules if rule.matches(request, exact=item.exact))
            for item in self._constraints
            if item.rules
        )

    @cached_property
    def _constraints(self) -> tuple[MatchConstraints, ...]:
        own = MatchConstraints.of(mapping(self.spec.get("matchConstraints")))
        bound = mapping(self.binding.body.get("spec")).get("matchResources")
        return (own, *((MatchConstraints.of(mapping(bound)),) if bound is not None else ()))

    def looks_at(self, request: Request, *, selecting: bool = False) -> bool:
        """Whether policy and binding match a request; match conditions are asked later.

        Args:
            request: the request.
            selecting: whether selectors of objects count as matching.
        """
        policy, *binding = self._constraints
        return policy.cover(request, required=True, selecting=selecting) and all(
            item.cover(request, required=False, selecting=selecting) for item in binding
        )


def _choosing(selectors: Iterable[Selector | None]) -> tuple[Selector | None, ...]:
    return tuple(selector for selector in selectors if selector is None or not selector.everything)


def mapping(value: object) -> Body:
    """Return a map; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Body]:
    """Return the maps of a list; nothing of anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


@dataclass
class GuardBook:
    """All ValidatingAdmissionPolicies that are bound with Deny.

    Attributes:
        snapshot: where parameters are looked up.
        guards: one per binding, ordered by policy and binding.
        controls: whether a tenant may write an object, so that a guard that takes its parameters from it is no guard.
    """

    snapshot: Snapshot
    controls: Callable[[ManifestKey], bool] = field(default=lambda key: False)

    def __post_init__(self) -> None:
        policies = {item.key.name: item for item in self.snapshot.of(GROUP, "ValidatingAdmissionPolicy")}
        found = []
        for binding in self.snapshot.of(GROUP, "ValidatingAdmissionPolicyBinding"):
            spec = mapping(binding.body.get("spec"))
            policy = policies.get(str(spec.get("policyName")))
            if policy is not None and "Deny" in texts(spec.get("validationActions")):
                found.append(_guard(policy, binding))
        self.guards: tuple[Guard, ...] = tuple(found)
        self._by_object = any(guard.object_selectors for guard in found)
        self._by_namespace = any(guard.namespace_selectors for guard in found)
        self._by_name = any(guard.goes_by_name for guard in found)

    def told_apart(self, request: Request) -> tuple[object, ...]:
        """Return a value equal for requests within one namespace that the same guards look at."""
        of_namespace = self._by_namespace and request.group == "" and request.resource == "namespaces"
        labels: tuple[object, ...] = ()
        if self._by_object or of_namespace:
            labels = tuple(
                None if body is None else frozenset(labels_of(body).items()) for body in (request.body, request.old)
            )
        what = (request.operation, request.group, request.version, request.resource, request.subresource)
        return (*what, request.name if self._by_name else "", request.namespace is None, labels)

    def matching(self, request: Request, *, selecting: bool = False) -> tuple[Guard, ...]:
        """Return the guards that look at a request; with ``selecting`` whatever labels of the object they look for."""
        if (request.group, request.resource) in UNGUARDED:
            return ()
        return tuple(guard for guard in self.guards if guard.looks_at(request, selecting=selecting))

    def decide(self, request: Request, guards: Iterable[Guard] | None = None) -> Admission:
        """Say whether the guards let a request in: refused by the first that refuses, else unknown by the first."""
        unknown: Admission | None = None
        for guard in self.matching(request) if guards is None else guards:
            said = self.ask(guard, request)
            if said is not None and said.refused:
                return said
            unknown = unknown or said
        return unknown or Admission(Answer.ADMITTED)

    def ask(self, guard: Guard, request: Request) -> Admission | None:
        """Return what one guard says about a request it looks at; None when it lets it pass."""
        data = {**request.variables(), "variables": {}, "params": None}
        conditions = self._conditions(guard, data)
        if not isinstance(conditions, bool):
            return conditions
        parameters = self.parameters(guard, request)
        if isinstance(parameters, Admission):
            return parameters
        unknown: Admission | None = None
        for parameter in parameters:
            said = _validate(guard, {**data, "params": parameter})
            if said is not None and said.refused:
                return said
            unknown = unknown or said
        return unknown

    def _conditions(self, guard: Guard, data: dict[str, Any]) -> Admission | bool | None:
        """Return True when all match conditions hold, None when the guard is passed over, else what an error says."""
        errors: list[Admission | None] = []
        for index, condition in enumerate(items(guard.spec.get("matchConditions"))):
            outcome = evaluate(condition.get("expression"), data)
            if outcome.error:
                errors.append(_failed(guard, ("spec", "matchConditions", index), outcome))
            elif outcome.value is not True:
                return None
        return errors[0] if errors else True

    def parameters(self, guard: Guard, request: Request) -> list[Body | None] | Admission:
        """Return the parameter objects; an answer where they cannot be told or admission ends with them."""
        kind = mapping(guard.spec.get("paramKind"))
        reference = mapping(guard.binding.body.get("spec")).get("paramRef")
        if not kind or not isinstance(reference, dict):
            return [None]
        pointer: DocPath = ("spec", "paramRef")
        group = str(kind.get("apiVersion", "")).rpartition("/")[0]
        namespace = str(reference.get("namespace") or request.namespace_name)
        selector = selector_of(reference.get("selector")) if "selector" in reference else None
        found = [
            item
            for item in self.snapshot.of(group, str(kind.get("kind")))
            if item.key.namespace in {"", namespace}
            and (
                item.key.name == reference.get("name")
                or (selector is not None and selector.matches(labels_of(item.body)))
            )
        ]
        controlled = next((item for item in found if self.controls(item.key)), None)
        if controlled is not None:
            return _unsure(guard, pointer, f"its parameters are in {controlled.key}, which the tenant may write")
        if found:
            return [item.body for item in found]
        if not self.snapshot.live:
            how = f"add the {kind.get('kind')} that {guard.binding.key} takes its parameters from"
            return _unsure(guard, pointer, "its parameters are not among the objects", how)
        if reference.get("parameterNotFoundAction") == "Deny":
            return Admission(Answer.REFUSED, guard.binding.key, pointer, "its parameters do not exist")
        return []


def _guard(policy: Manifest, binding: Manifest) -> Guard:
    spec = mapping(policy.body.get("spec"))
    parts = (*items(spec.get("validations")), *items(spec.get("variables")), *items(spec.get("matchConditions")))
    text = "\n".join(str(part.get("expression")) for part in parts)
    takes_parameters = bool(mapping(binding.body.get("spec")).get("paramRef"))
    return Guard(
        policy,
        binding,
        uses_user="userInfo" in text or "request ==" in text,
        uses_namespace=takes_parameters
        or any(word in text for word in ("namespaceObject", "request.namespace", "metadata.namespace", "request.name")),
    )


def _validate(guard: Guard, data: dict[str, Any]) -> Admission | None:
    # A variable that fails is left out: only an expression that asks for it fails with it.
    values: dict[str, Any] = {}
    failed: dict[str, cel.Outcome] = {}
    data = {**data, "variables": values}
    for variable in items(guard.spec.get("variables")):
        outcome = evaluate(variable.get("expression"), data)
        name = str(variable.get("name"))
        if outcome.error:
            failed[name] = outcome
        else:
            values[name] = outcome.value
    unknown: Admission | None = None
    for index, item in enumerate(items(guard.spec.get("validations"))):
        outcome = evaluate(item.get("expression"), data)
        pointer: DocPath = ("spec", "validations", index)
        if outcome.error:
            blamed = next((known for name, known in failed.items() if f"variables.{name}" in str(item)), outcome)
            said = _failed(guard, pointer, outcome if blamed.genuine else blamed)
        elif outcome.value is True:
            continue
        else:
            said = _refusal(guard, pointer, str(item.get("message") or item.get("expression")))
        if said is not None and said.refused:
            return said
        unknown = unknown or said
    return unknown


def _refusal(guard: Guard, pointer: DocPath, message: str) -> Admission:
    """Return a refusal; only a failure policy of ``Fail`` makes it certain, as an error lets requests pass else."""
    if guard.spec.get("failurePolicy", "Fail") == "Ignore":
        return _unsure(
            guard,
            ("spec", "failurePolicy"),
            "it refuses, but lets pass what makes its expressions fail",
            "set failurePolicy: Fail",
        )
    return Admission(Answer.REFUSED, guard.policy.key, pointer, message)


def _failed(guard: Guard, pointer: DocPath, outcome: cel.Outcome) -> Admission | None:
    if guard.spec.get("failurePolicy", "Fail") == "Ignore" and outcome.genuine:
        return None
    if outcome.genuine:
        return _refusal(guard, pointer, f"its expression fails: {outcome.error}")
    how = cel.INSTALL if outcome.error == cel.INSTALL else "write the expression so that it can be evaluated here"
    return _unsure(guard, pointer, f"its expression cannot be evaluated: {outcome.error}", how)


def _unsure(guard: Guard, pointer: DocPath, reason: str, how: str = "") -> Admission:
    key = guard.binding.key if pointer[1] == "paramRef" else guard.policy.key
    missing = Missing(f"what {guard.policy.key} refuses", how or reason)
    return Admission(Answer.UNKNOWN, key, pointer, reason, (missing,))
