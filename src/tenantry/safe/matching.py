"""Which requests admission policies, their bindings and webhooks look at: operations, kinds, names and selectors.

Source: Kubernetes, ``staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/matching`` and
``pkg/admission/plugin/webhook/predicates``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.selector import Selector, parse_selector
from tenantry.safe.rbac import texts
from tenantry.safe.reading import items, labels_of

if TYPE_CHECKING:
    from tenantry.model.manifest import Body
    from tenantry.safe.admission import Request


@dataclass(frozen=True, slots=True)
class RequestRule:
    """One rule about requests, with its lists as sets; ``resources`` are pairs of a kind and what lies below it."""

    operations: frozenset[str]
    groups: frozenset[str]
    versions: frozenset[str]
    names: frozenset[str]
    resources: tuple[tuple[str, str], ...]
    scope: str

    @staticmethod
    def of(body: Body) -> RequestRule:
        """Read a rule as it is written."""
        lists = (
            frozenset(texts(body.get(name))) for name in ("operations", "apiGroups", "apiVersions", "resourceNames")
        )
        operations, groups, versions, names = lists
        parts = (text.partition("/") for text in texts(body.get("resources")))
        resources = tuple((resource, below) for resource, _, below in parts)
        return RequestRule(operations, groups, versions, names, resources, str(body.get("scope", "*")))

    def is_about(self, group: str, resource: str) -> bool:
        """Whether requests about objects of a kind can be meant."""
        return not self.groups.isdisjoint({group, "*"}) and any(name in {resource, "*"} for name, _ in self.resources)

    def matches(self, request: Request, *, exact: bool) -> bool:
        """Whether a request is meant.

        With ``matchPolicy: Equivalent`` a request in another version is converted to one the rule names.
        """
        if request.operation not in self.operations and "*" not in self.operations:
            return False
        if request.group not in self.groups and "*" not in self.groups:
            return False
        wanted = (
            (resource in {"*", request.resource} and below in {"*", request.subresource})
            for resource, below in self.resources
        )
        if not any(wanted):
            return False
        if exact and request.version not in self.versions and "*" not in self.versions:
            return False
        if self.names and request.name not in self.names:
            return False
        return self.scope == "*" or (self.scope == "Namespaced") is (request.namespace is not None)


@dataclass(frozen=True, slots=True)
class MatchConstraints:
    """Which requests a policy, a binding or a webhook looks at; a selector that cannot be read is None."""

    namespaces: Selector | None
    objects: Selector | None
    rules: tuple[RequestRule, ...]
    excluded: tuple[RequestRule, ...]
    exact: bool

    @staticmethod
    def of(body: Body) -> MatchConstraints:
        """Read what a policy, a binding or a webhook is written to look at."""
        return MatchConstraints(
            selector_of(body.get("namespaceSelector")),
            selector_of(body.get("objectSelector")),
            _rules(body, "resourceRules"),
            _rules(body, "excludeResourceRules"),
            body.get("matchPolicy") == "Exact",
        )

    def cover(self, request: Request, *, required: bool, selecting: bool = False) -> bool:
        """Whether a request is meant; where rules are not required their absence means every request.

        A selector that cannot be read matches nothing, as such an object is never stored.
        """
        if (self.rules or required) and not any(rule.matches(request, exact=self.exact) for rule in self.rules):
            return False
        if any(rule.matches(request, exact=self.exact) for rule in self.excluded):
            return False
        return _namespace_matches(self.namespaces, request) and (selecting or _object_matches(self.objects, request))


def selector_of(body: object) -> Selector | None:
    """Return a selector, the one of everything where none is given; None when it cannot be read."""
    try:
        return parse_selector(body) if body is not None else Selector()
    except (ValueError, TypeError, AttributeError):
        return None


def _namespace_matches(selector: Selector | None, request: Request) -> bool:
    if selector is None:
        return False
    about_namespace = request.group == "" and request.resource == "namespaces"
    if about_namespace and request.operation in {"CREATE", "UPDATE"} and not request.subresource:
        return selector.matches(labels_of(request.body or {}))
    if about_namespace:
        return selector.matches(labels_of(request.old or request.body or {}))
    if request.namespace is None:
        return True
    return selector.matches(labels_of(request.namespace))


def _object_matches(selector: Selector | None, request: Request) -> bool:
    if selector is None:
        return False
    if selector.everything:
        return True
    return any(body is not None and selector.matches(labels_of(body)) for body in (request.body, request.old))


def _rules(body: Body, name: str) -> tuple[RequestRule, ...]:
    return tuple(RequestRule.of(rule) for rule in items(body, name) if isinstance(rule, dict))
