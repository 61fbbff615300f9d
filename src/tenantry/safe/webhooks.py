"""What admission holds besides what can be looked into: webhooks and the rules of other admission controllers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.model.claim import Missing
from tenantry.safe.admission import GROUP, Guard, Request, items, mapping
from tenantry.safe.answer import Admission, Answer
from tenantry.safe.partial import evaluate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.manifest import Body, Manifest
    from tenantry.model.problem import DocPath
    from tenantry.model.snapshot import Snapshot

KINDS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")


class Opaque:
    """Admission whose code nobody here can see; it is asked only where everything else lets a request in."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._webhooks = tuple(_webhooks(snapshot))
        self._rules = tuple(_foreign_rules(snapshot))

    @property
    def present(self) -> bool:
        """Whether there is any such thing."""
        return bool(self._webhooks or self._rules)

    def could_refuse(self, request: Request) -> Admission | None:
        """Return an unknown answer when something could refuse a request; None when nothing does.

        A webhook that is passed over while it does not answer (``failurePolicy: Ignore``) refuses nothing for certain.
        """
        for manifest, index, guard in self._webhooks:
            if guard.spec.get("failurePolicy", "Fail") != "Fail" or not guard.looks_at(request):
                continue
            if not _conditions_hold(guard, request.variables()):
                continue
            pointer: DocPath = ("webhooks", index)
            return _unknown(manifest, pointer, "a webhook whose code cannot be looked into may refuse it")
        if request.resource == "pods" and not request.group:
            for manifest in self._rules:
                return _unknown(manifest, ("spec",), f"rules of kind {manifest.key.kind} are not evaluated")
        return None


def _unknown(manifest: Manifest, pointer: DocPath, reason: str) -> Admission:
    how = f"write what {manifest.key} refuses as a ValidatingAdmissionPolicy, which can be evaluated"
    missing = Missing(f"what {manifest.key} refuses", how)
    return Admission(Answer.UNKNOWN, manifest.key, pointer, reason, (missing,))


def _webhooks(snapshot: Snapshot) -> Iterator[tuple[Manifest, int, Guard]]:
    for manifest in snapshot.of(GROUP, *KINDS):
        entries = manifest.body.get("webhooks")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict):
                yield manifest, index, _as_guard(manifest, entry)


def _as_guard(manifest: Manifest, entry: Body) -> Guard:
    """Return a webhook in the form of a guard, which matches requests in the same way."""
    constraints = {
        "matchPolicy": entry.get("matchPolicy", "Equivalent"),
        "resourceRules": items(entry.get("rules")),
        **{name: entry[name] for name in ("namespaceSelector", "objectSelector") if entry.get(name) is not None},
    }
    spec = {
        "failurePolicy": entry.get("failurePolicy", "Fail"),
        "matchConstraints": constraints,
        "matchConditions": items(entry.get("matchConditions")),
    }
    body = {**{name: manifest.body.get(name) for name in ("apiVersion", "kind", "metadata")}, "spec": spec}
    return Guard(type(manifest)(body, manifest.location), manifest, uses_user=True, uses_namespace=True)


def _conditions_hold(guard: Guard, variables: dict[str, Any]) -> bool:
    """Whether a webhook is called as far as is known: a condition that cannot be evaluated counts as holding."""
    data = {**variables, "variables": {}, "params": None}
    outcomes = [evaluate(item.get("expression"), data) for item in items(guard.spec.get("matchConditions"))]
    return not any(not outcome.error and outcome.value is not True for outcome in outcomes)


def _foreign_rules(snapshot: Snapshot) -> Iterator[Manifest]:
    """Yield enforced rules of Kyverno and constraints of Gatekeeper."""
    for manifest in snapshot:
        group, kind = manifest.key.group, manifest.key.kind
        if group == "constraints.gatekeeper.sh":
            if mapping(manifest.body.get("spec")).get("enforcementAction", "deny") == "deny":
                yield manifest
        elif group in {"kyverno.io", "policies.kyverno.io"} and kind.endswith("Policy"):
            spec = mapping(manifest.body.get("spec"))
            actions = [spec.get("validationFailureAction"), *texts_of(spec.get("validationActions"))]
            actions.extend(mapping(rule.get("validate")).get("failureAction") for rule in items(spec.get("rules")))
            if any(str(action).lower() in {"enforce", "deny"} for action in actions):
                yield manifest


def texts_of(value: object) -> list[str]:
    """Return the items of a list as text."""
    return [str(item) for item in value] if isinstance(value, list) else []
