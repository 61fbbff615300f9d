"""Trials of pods that are remembered: what is refused in one namespace is refused in every other of its shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenantry.safe.devices.probes import Prober, Trial
from tenantry.safe.shapes import neutral, shapes_of
from tenantry.safe.view import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.model.manifest import Body


@dataclass
class Trials(Prober):
    """Submits pods as its base does, but none twice that was refused in a namespace of the same shape."""

    _refused: dict[tuple[str, str], Trial] = field(default_factory=dict)

    def trial(self, namespace: str, changes: Iterable[Callable[[Body], None]], *, queued: bool = False) -> Trial:
        """Say what admission makes of the base pod of a namespace with one of several changes.

        Args:
            namespace: where it is submitted.
            changes: ways to change the pod that have the same effect; one that is let in is enough.
            queued: whether every queue of the namespace is tried too, as pods with GPUs may need one.

        Returns:
            The trial; one that was refused may be that of another namespace of the same shape.
        """
        tried = list(changes)
        owner = self.view.tenancy.owner(namespace) or ""
        asked = neutral(repr([_effect(change) for change in tried]), owner, namespace)
        key = (shapes_of(self.view).of(namespace), f"{asked}{queued}")
        known = self._refused.get(key)
        if known is not None:
            return known
        found = super().trial(namespace, tried, queued=queued)
        if found.answer is Answer.REFUSED:
            self._refused[key] = found
        return found


def _effect(change: Callable[[Body], None]) -> Body:
    """Return what a change makes of the plainest pod."""
    pod: Body = {"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "probe"}]}}
    change(pod)
    return pod
