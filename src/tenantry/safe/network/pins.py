"""Labels of pods that admission does not let a tenant choose.

Only labels that a way between tenants rests on are tried: most clusters have no such way, and then nothing is tried.
A label counts as refused if a pod is let in without it, but neither with it nor changed to have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenantry.model.claim import Missing
from tenantry.model.selector import Requirement
from tenantry.safe.pods import plain_pod
from tenantry.safe.reading import at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.model.manifest import Body
    from tenantry.safe.answer import Admission
    from tenantry.safe.view import View

MOST_VALUES: Final = 3
"""Values of one label no selector names that are tried before the label as a whole counts as refused."""


class Pins:
    """What is known of the labels tenants may give their pods, growing as labels are tried."""

    def __init__(self, view: View) -> None:
        """Take admission from a view."""
        self._view = view
        self._bases: dict[str, Body | None] = {}
        self._refused: dict[str, dict[str, set[str]]] = {}
        self._doubts: dict[str, Missing] = {}

    def requirements(self, namespace: str, named: Mapping[str, frozenset[str]]) -> tuple[Requirement, ...]:
        """Return what the labels of any pod in a namespace satisfy.

        Args:
            namespace: the namespace.
            named: values per key that some selector names.
        """
        found = []
        for key, values in sorted(self._refused.get(namespace, {}).items()):
            if len(values - named.get(key, frozenset())) >= MOST_VALUES and named.get(key, frozenset()) <= values:
                found.append(Requirement(key, "DoesNotExist"))
            else:
                found.append(Requirement(key, "NotIn", tuple(sorted(values))))
        return tuple(found)

    def doubt(self, namespace: str) -> Missing | None:
        """Return what would decide whether labels of pods in a namespace are let in, where trying did not."""
        return self._doubts.get(namespace)

    def learn(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Try labels in a namespace; whether they are refused, so that others must be found."""
        base = self._base(namespace)
        if base is None or not labels or namespace in self._doubts:
            return False
        said = self._try(base, labels)
        if said is None:
            return False
        single = [(key, value) for key, value in sorted(labels.items()) if self._try(base, {key: value}) is not None]
        for key, value in single:
            self._refused.setdefault(namespace, {}).setdefault(key, set()).add(value)
        if not single:
            how = f"show that no other labels of pods in {namespace} get past it: it refuses these only together"
            self._doubts[namespace] = Missing(f"what {said.by or 'admission'} lets in", how)
        return True

    def _base(self, namespace: str) -> Body | None:
        """Return a pod that is let in without labels of its own choice; None when none is found."""
        if namespace not in self._bases:
            envelope = self._view.envelope(namespace)
            owner = self._view.tenancy.owner(namespace) or ""
            pods = [plain_pod(namespace)]
            if owner in self._view.tenancy.by_name:
                pods.extend(
                    {**item.body, "metadata": {"name": "probe", **item.body["metadata"]}}
                    for item in self._view.tenant_pods(owner)[:1]
                    if item.body["metadata"].get("namespace") == namespace
                )
            self._bases[namespace] = next((pod for pod in pods if envelope.admits(pod).admitted), None)
        return self._bases[namespace]

    def _try(self, base: Body, labels: Mapping[str, str]) -> Admission | None:
        """Return the refusal of a pod with further labels; None when there is a way to have them."""
        metadata = base["metadata"]
        changed = {**base, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}}}
        namespace = metadata["namespace"]
        envelope = self._view.envelope(namespace)
        said = envelope.admits(changed)
        if not said.refused and _carries(said, labels):
            return None
        owner = self._view.tenancy.owner(namespace) or ""
        updates = any(self._view.may(owner, verb, "", "pods", namespace) for verb in ("update", "patch"))
        if updates:
            later = envelope.admits(changed, operation="UPDATE", old=base)
            if not later.refused and _carries(later, labels):
                return None
        return said


def _carries(said: Admission, labels: Mapping[str, str]) -> bool:
    """Whether what is let in has the labels, and not others in their place that slip past a selector."""
    return said.body is None or all(at(said.body, "metadata", "labels", key) == value for key, value in labels.items())


def named_values(selectors: Iterable[Iterable[Requirement]]) -> dict[str, frozenset[str]]:
    """Return the values selectors name, per key."""
    found: dict[str, set[str]] = {}
    for requirements in selectors:
        for requirement in requirements:
            found.setdefault(requirement.key, set()).update(requirement.values)
    return {key: frozenset(values) for key, values in found.items()}
