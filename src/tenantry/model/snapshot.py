"""A set of manifests, indexed; the same whether it came from a spec, a folder, a Git revision or a cluster."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tenantry.model.manifest import Manifest, ManifestKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Snapshot:
    """An immutable set of manifests indexed by kind, namespace and name.

    Objects are ordered by API group, kind, namespace and name, whatever order they came in. Of several manifests with
    one key the last given counts, as the last one applied does; all of them are kept in ``repeated``.
    """

    def __init__(self, manifests: Iterable[Manifest], *, live: bool = False) -> None:
        """Index manifests.

        Args:
            manifests: the objects.
            live: whether they were read from a cluster, so that what is absent does not exist.
        """
        by_key: dict[tuple[str, str, str, str], Manifest] = {}
        repeated: list[Manifest] = []
        for manifest in manifests:
            key = manifest.key
            identity = (key.group, key.kind, key.namespace, key.name)
            if identity in by_key:
                repeated.append(by_key[identity])
            by_key[identity] = manifest
        self.live = live
        self.repeated = tuple(repeated)
        self._by_key = dict(sorted(by_key.items()))
        self._by_kind: dict[tuple[str, str], list[Manifest]] = {}
        self._by_namespace: dict[str, list[Manifest]] = {}
        for (group, kind, namespace, _), manifest in self._by_key.items():
            self._by_kind.setdefault((group, kind), []).append(manifest)
            self._by_namespace.setdefault(namespace, []).append(manifest)

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Manifest]:
        return iter(self._by_key.values())

    def of(self, group: str, *kinds: str) -> list[Manifest]:
        """Return the objects of these kinds of one API group, ordered by kind as given, then namespace and name."""
        return [manifest for kind in kinds for manifest in self._by_kind.get((group, kind), ())]

    def get(self, group: str, kind: str, name: str, namespace: str = "") -> Manifest | None:
        """Return one object, or None."""
        return self._by_key.get((group, kind, namespace, name))

    def within(self, namespace: str) -> list[Manifest]:
        """Return the objects of a namespace; of the cluster scope for the empty name."""
        return list(self._by_namespace.get(namespace, ()))

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """Names of all namespaces that exist or are mentioned, sorted."""
        declared = {manifest.key.name for manifest in self.of("", "Namespace")}
        return tuple(sorted(declared | {name for name in self._by_namespace if name}))

    def plus(self, manifests: Iterable[Manifest]) -> Snapshot:
        """Return a snapshot with further objects; they replace those of the same key."""
        return Snapshot([*self, *manifests], live=self.live)

    def minus(self, keys: Iterable[ManifestKey]) -> Snapshot:
        """Return a snapshot without the objects of these keys, whatever their version."""
        gone = {(key.group, key.kind, key.namespace, key.name) for key in keys}
        return Snapshot((item for identity, item in self._by_key.items() if identity not in gone), live=self.live)
