"""Labels of pods that admission does not let a tenant choose.

Only labels that a way between tenants rests on are tried: most clusters have no such way, and then nothing is tried.
A label counts as refused only where guards refuse every pod that has it, whatever else the pod says; one pod that is
refused shows nothing, as the same label may be let in together with another. Whether it is, is searched for with the
labels the guards themselves speak of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product
from typing import TYPE_CHECKING, Final

from tenantry.model.claim import Missing
from tenantry.model.selector import Requirement
from tenantry.safe.evasion import is_label, is_value
from tenantry.safe.pods import plain_pod
from tenantry.safe.reading import at, strings
from tenantry.safe.refusals import ANY_TEXT, about_labels, about_relabelling, words_of

if TYPE_CHECKING:
    from tenantry.model.manifest import Body
    from tenantry.safe.envelope import Envelope
    from tenantry.safe.view import View

MOST_PODS: Final = 200
"""Pods tried for one set of labels before giving up."""
MOST_KEYS: Final = 8
"""Keys of further labels that are tried."""
MOST_VALUES: Final = 12
"""Values tried per key."""
MOST_ADDED: Final = 3
"""Further labels that are tried together."""

Labels = Mapping[str, str]
Fits = Callable[[Labels], bool]

_UPDATED: Final = ("pods", "pods/status")
"""Resources through which labels of a pod that runs are changed."""


@dataclass(slots=True)
class _Refused:
    """What is refused in one namespace: values per key, keys with any value."""

    values: dict[str, set[str]] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)


class Pins:
    """What is known of the labels tenants may give their pods, growing as labels are tried."""

    def __init__(self, view: View) -> None:
        """Take admission from a view."""
        self._view = view
        self._bases: dict[str, Body] = {}
        self._refused: dict[str, _Refused] = {}
        self._doubts: dict[str, Missing] = {}

    def requirements(self, namespace: str) -> tuple[Requirement, ...]:
        """Return what the labels of any pod that could be made in a namespace satisfy."""
        known = self._refused.get(namespace, _Refused())
        found = [Requirement(key, "DoesNotExist") for key in sorted(known.keys)]
        found += [
            Requirement(key, "NotIn", tuple(sorted(values)))
            for key, values in sorted(known.values.items())
            if key not in known.keys
        ]
        return tuple(found)

    def doubt(self, namespace: str) -> Missing | None:
        """Return what would decide whether labels of pods in a namespace are let in, where trying did not."""
        return self._doubts.get(namespace)

    def dressed(self, namespace: str, labels: Labels, fits: Fits) -> Labels | None:
        """Return labels of a pod that admission lets in, those asked for among them, or None when none are found.

        With None something new is known: a label that is refused, or what would decide.

        Args:
            namespace: where the pod would be.
            labels: labels it must have.
            fits: whether a pod with these labels serves the purpose; further labels may be in its way.
        """
        if namespace in self._doubts:
            return labels
        envelope = self._view.envelope(namespace)
        if not labels and not any("labels" in repr(guard.spec) for guard in envelope.pod_guards()):
            return labels
        found = self._search(envelope, labels, fits)
        if found is not None:
            return found
        single = [(key, value) for key, value in sorted(labels.items()) if self._never(envelope, {key: value})]
        known = self._refused.setdefault(namespace, _Refused())
        for key, value in single:
            if self._never(envelope, {key: ANY_TEXT}):
                known.keys.add(key)
            known.values.setdefault(key, set()).add(value)
        if not single:
            said = ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "no label"
            by = ", ".join(sorted({str(guard.policy.key) for guard in envelope.pod_guards()})) or "admission"
            how = (
                f"show whether a pod with {said} gets into {namespace}: none was found that does, and {by} may let one "
                "in that says something else too; a policy that refuses the label by itself decides it"
            )
            self._doubts[namespace] = Missing(f"what {by} lets into {namespace}", how)
        return None

    # --- pods that are let in ---------------------------------------------------------------------------------------

    def _search(self, envelope: Envelope, labels: Labels, fits: Fits) -> Labels | None:
        """Look for a pod that is let in, with further labels that the guards speak of where it takes them."""
        base = self._base(envelope)
        own = strings(base, "metadata", "labels")
        for start in ({**own, **labels}, dict(labels)):
            if fits(start) and self._admitted(envelope, base, start):
                return start
        looked_up, others = _words(envelope)
        values = [word for word in dict.fromkeys((*others, "true", "x")) if is_value(word)][:MOST_VALUES]
        rounds = (
            (looked_up, values, MOST_ADDED),
            ((*looked_up, *others), [*values, *filter(is_value, looked_up)], 1),
        )
        for keys, chosen, most in rounds:
            free = [key for key in dict.fromkeys(keys) if is_label(key) and key not in labels][:MOST_KEYS]
            for more in islice(self._extended(envelope, dict(labels), (free, chosen), most), MOST_PODS):
                if fits(more) and self._admitted(envelope, base, more):
                    return more
        return None

    def _extended(
        self, envelope: Envelope, labels: dict[str, str], words: tuple[list[str], list[str]], most: int
    ) -> Iterator[dict[str, str]]:
        """Yield labels with up to so many more; those are not added to with which every pod is refused.

        Args:
            envelope: what admission lets in.
            labels: the labels.
            words: keys of further labels, and their values.
            most: number of further labels.
        """
        keys, values = words
        front = [labels]
        for _ in range(most):
            further: list[dict[str, str]] = []
            for start in front:
                later = keys[keys.index(next(reversed(start))) + 1 :] if len(start) > len(labels) else keys
                for key, value in product(later, values):
                    more = {**start, key: value}
                    if not self._never(envelope, more):
                        further.append(more)
                        yield more
            front = further

    def _base(self, envelope: Envelope) -> Body:
        """Return a pod that is let in without labels of its own choice; the plainest one when none is found."""
        namespace = envelope.namespace
        if namespace not in self._bases:
            owner = self._view.tenancy.owner(namespace) or ""
            pods = [plain_pod(namespace)]
            if owner in self._view.tenancy.by_name:
                pods.extend(
                    {**item.body, "metadata": {"name": "probe", **item.body["metadata"]}}
                    for item in self._view.tenant_pods(owner)[:1]
                    if at(item.body, "metadata", "namespace") == namespace
                )
            self._bases[namespace] = next((pod for pod in pods if envelope.admits(pod).admitted), pods[0])
        return self._bases[namespace]

    def _admitted(self, envelope: Envelope, base: Body, labels: Labels) -> bool:
        """Whether a pod with exactly these labels comes about: by being made, or by a change of one there is."""
        changed = {**base, "metadata": {**base["metadata"], "labels": dict(labels)}}

        def keeping(body: Body) -> bool:
            return strings(body, "metadata", "labels") == dict(labels)

        if envelope.admits(changed, keeping=keeping).admitted:
            return True
        for resource in self._changed_by(envelope.namespace):
            below = resource.partition("/")[2]
            if envelope.admits(changed, operation="UPDATE", old=base, subresource=below, resource="pods").admitted:
                return True
        return False

    def _changed_by(self, namespace: str) -> list[str]:
        """Return the resources by which the owner of a namespace may change labels of pods."""
        owner = self._view.tenancy.owner(namespace) or ""
        return [
            resource
            for resource in _UPDATED
            if any(self._view.may(owner, verb, "", resource, namespace) for verb in ("update", "patch"))
        ]

    # --- labels that no pod has -------------------------------------------------------------------------------------

    def _never(self, envelope: Envelope, labels: Mapping[str, object]) -> bool:
        """Whether no pod with some labels is let in, whatever else it says and however it gets them."""
        namespace = envelope.namespace
        if not envelope.refuses_every(about_labels(namespace, labels)):
            return False
        return all(
            envelope.refuses_every(about, resource.partition("/")[2])
            for resource in self._changed_by(namespace)
            for about in about_relabelling(namespace, labels)
        )


def _words(envelope: Envelope) -> tuple[list[str], list[str]]:
    """Return the words by which guards of pods look something up, and their other words, in the order of their text."""
    words = [item for guard in envelope.pod_guards() for item in words_of(guard)]
    looked_up = list(dict.fromkeys(word for word, by in words if by))
    return looked_up, [word for word in dict.fromkeys(word for word, _ in words) if word not in looked_up]
