"""What a rule is: a row of the table of object fields, or a comparison of the two clusters; and what rules see."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from tenantry.plan.effect import Area, Certainty, Mark, Touched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tenantry.model.cluster import ClusterTenant, Pool
    from tenantry.model.manifest import Body, ManifestKey
    from tenantry.plan.difference import SpecChange
    from tenantry.plan.effect import Cause, Effect, ObjectChange
    from tenantry.plan.side import Side


class Hit(NamedTuple):
    """A difference that a row takes.

    Attributes:
        component: Application of the object.
        mark: what happened to the object.
        touched: the object and its field.
        old: the object before; None for nothing.
        new: the object now; None for nothing.
    """

    component: str
    mark: Mark
    touched: Touched
    old: Body | None
    new: Body | None

    @property
    def key(self) -> ManifestKey:
        """The object."""
        return self.touched.key

    @property
    def body(self) -> Body:
        """The object as it is now, or was when it is gone."""
        return self.new if self.new is not None else self.old or {}


@dataclass(frozen=True)
class Context:
    """What rules see.

    Attributes:
        old: the side before.
        new: the side after.
        objects: differences of objects.
        spec: differences of the spec.
    """

    old: Side
    new: Side
    objects: tuple[ObjectChange, ...]
    spec: tuple[SpecChange, ...]
    _known: dict[str, frozenset[int]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def old_pools(self) -> dict[str, Pool]:
        """Pools before, by name."""
        return {pool.name: pool for pool in self.old.cluster.pools}

    @cached_property
    def new_pools(self) -> dict[str, Pool]:
        """Pools now, by name."""
        return {pool.name: pool for pool in self.new.cluster.pools}

    @cached_property
    def old_tenants(self) -> dict[str, ClusterTenant]:
        """Tenants before, by name."""
        return {tenant.name: tenant for tenant in self.old.cluster.tenants}

    @cached_property
    def new_tenants(self) -> dict[str, ClusterTenant]:
        """Tenants now, by name."""
        return {tenant.name: tenant for tenant in self.new.cluster.tenants}

    def staying(self, pool: str) -> int:
        """Nodes of a pool that are there before and after; work can only be disturbed on these."""
        was, now = self.old_pools.get(pool), self.new_pools.get(pool)
        if was is None or now is None:
            return 0
        if was.spec.hosts and now.spec.hosts:
            return len(set(was.spec.hosts) & set(now.spec.hosts))
        return min(was.nodes, now.nodes)

    def entitled(self, pools: Iterable[str]) -> tuple[str, ...]:
        """Tenants with an entitlement in one of the pools, before or after."""
        wanted = set(pools)
        both = (*self.old.cluster.tenants, *self.new.cluster.tenants)
        return tuple(sorted({tenant.name for tenant in both if wanted & set(tenant.pools)}))

    def causes(self, patterns: Sequence[str], *, tenants: Iterable[str] = ()) -> tuple[Cause, ...]:
        """Return the changed fields of the spec that match the first pattern that any matches.

        Args:
            patterns: ``Kind/name/spec/...`` with ``*`` for anything; ``|`` stands between those that count alike.
            tenants: tenants whose documents count; all when empty.
        """
        chosen = set(tenants)
        near = sorted({place for name in ("", *chosen) for place in self._places.get(name, ())}) if chosen else None
        for pattern in patterns:
            alike = [self._matching(one) for one in pattern.split("|")]
            places = sorted(frozenset().union(*alike)) if near is None else near
            found = tuple(self.spec[place].cause for place in places if any(place in some for some in alike))
            if found:
                return found
        return ()

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        """Places of changed fields by tenant; those of other documents by the empty name."""
        found: dict[str, list[int]] = {}
        for place, item in enumerate(self.spec):
            found.setdefault(item.tenant, []).append(place)
        return found

    @cached_property
    def _documents(self) -> dict[str, list[int]]:
        """Places of changed fields by ``Kind/name``."""
        found: dict[str, list[int]] = {}
        for place, item in enumerate(self.spec):
            found.setdefault("/".join(item.path.split("/", 2)[:2]), []).append(place)
        return found

    def _matching(self, pattern: str) -> frozenset[int]:
        """Return the places of the changed fields that a pattern matches."""
        if pattern not in self._known:
            document = "/".join(pattern.split("/", 2)[:2])
            plain = "/" in document and not any(sign in document for sign in "*?[")
            places = self._documents.get(document, ()) if plain else range(len(self.spec))
            self._known[pattern] = frozenset(place for place in places if fnmatchcase(self.spec[place].path, pattern))
        return self._known[pattern]


@dataclass(frozen=True)
class Row:
    """A row of the table: which difference of which object does what.

    Attributes:
        id: stable identifier such as ``EFFECT-DRIVER-RELOAD``.
        kinds: ``Kind.group`` patterns; ``Kind`` alone for the core group.
        paths: patterns of field paths, ``/`` between steps; ``""`` stands for the whole object that is made or gone.
        title: what happens, for the table.
        source: where that is said.
        area: what it is about.
        causes: patterns of spec fields behind it.
        effect: makes effects of the differences it takes; None when ``said_by`` tells it already.
        said_by: rules whose effects tell what these differences do.
        marks: which of made, changed and gone it takes.
        when: takes only differences for which this holds; None for all.
        direction: the same in words, for the table.
        certainty: how well it is known.
    """

    id: str
    kinds: tuple[str, ...]
    paths: tuple[str, ...]
    title: str
    source: str
    area: Area
    causes: tuple[str, ...] = ()
    effect: Callable[[Context, Row, Sequence[Hit]], Iterable[Effect]] | None = None
    said_by: tuple[str, ...] = ()
    marks: frozenset[Mark] = field(default=frozenset({Mark.ADD, Mark.CHANGE, Mark.REMOVE}))
    when: Callable[[Context, Hit], bool] | None = None
    direction: str = ""
    certainty: Certainty = Certainty.CERTAIN

    def is_about(self, kind: str) -> bool:
        """Whether this row is about objects of a kind."""
        return any(fnmatchcase(kind, pattern) for pattern in self.kinds)

    def takes(self, context: Context, hit: Hit) -> bool:
        """Whether this row is about a difference of an object of one of its kinds."""
        return (
            hit.mark in self.marks
            and any(path == hit.touched.pointer or fnmatchcase(hit.touched.pointer, path) for path in self.paths)
            and (self.when is None or self.when(context, hit))
        )


@dataclass(frozen=True)
class Comparison:
    """A rule that compares the clusters themselves.

    Attributes:
        id: stable identifier.
        title: what it says.
        source: where it comes from.
        area: what it is about.
        causes: patterns of spec fields behind it.
        compare: yields effects.
    """

    id: str
    title: str
    source: str
    area: Area
    causes: tuple[str, ...]
    compare: Callable[[Context, Comparison], Iterable[Effect]]


def kind_of(key: ManifestKey) -> str:
    """Return ``Kind.group``, or ``Kind`` of the core group."""
    return f"{key.kind}.{key.group}" if key.group else key.kind


def plural(number: int, noun: str) -> str:
    """Number and noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], most: int = 4) -> str:
    """Return names for a sentence, the first few and how many more."""
    shown = list(names[:most])
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 2 else shown)
