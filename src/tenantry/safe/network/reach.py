"""Which tenant reaches which over the pod network, with a concrete connection for each that does.

In two steps. Bounds on sets of classes leave, in a cluster that keeps tenants apart, almost no pair of classes; for the
pairs that are left the walk decides exactly, with labels chosen where an adversary may choose them. A connection that
was found is evaluated once more by other code before it counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from tenantry.model.claim import Missing
from tenantry.model.selector import Selector, equality_selector
from tenantry.model.tenancy import Permission, Strength
from tenantry.safe.network.classes import mask_of, places_of
from tenantry.safe.network.ground import survey
from tenantry.safe.network.policies import read_policies
from tenantry.safe.network.ports import ALL, ConnectionSet, union
from tenantry.safe.network.primary import PrimaryNetworks
from tenantry.safe.network.replay import Connection, Replay, concrete
from tenantry.safe.network.rights import Openings
from tenantry.safe.network.rules import Direction, NetworkRules, PodPeer, Tier
from tenantry.safe.network.sides import MOST_ORDERS, Acting, Bound, Exits, Group, Parts, within
from tenantry.safe.network.symbolic import End, Unit
from tenantry.safe.network.units import Population
from tenantry.safe.network.walk import Opening, Passage, Side, TooManyWaysError, Walker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tenantry.safe.identity import Right
    from tenantry.safe.network.classes import Index
    from tenantry.safe.network.ground import Ground
    from tenantry.safe.view import View

MOST_MISSING: Final = 8
"""Answers that are asked for at once; the others come up when these are given."""

MOST_TRIALS: Final = 40
"""Times that other labels are looked for when admission refuses those found."""

TOO_MANY: Final = Missing(
    "choices of labels", "selectors leave more choices of labels than can be tried: write them with fewer keys"
)


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """How one tenant reaches another.

    Attributes:
        passage: the way found; None when giving up.
        connection: two pods and a port for it, evaluated once more; None when something is missing.
        missing: what would decide whether it is real; empty when it is.
        sides: the network policies it was found under, at its source and at its target.
    """

    passage: Passage | None
    connection: Connection | None = None
    missing: tuple[Missing, ...] = ()
    sides: tuple[Side, ...] = ()

    @property
    def sure(self) -> bool:
        """Whether it is real."""
        return self.connection is not None and not self.missing

    def needing(self, missing: tuple[Missing, ...]) -> Way:
        """Return a way that is not sure with more of what would decide it."""
        return replace(self, missing=tuple(dict.fromkeys((*self.missing, *missing)))[:MOST_MISSING])


class PodNetwork:
    """The pod network of a view at its strength."""

    def __init__(
        self,
        view: View,
        *,
        inert: bool = False,
        policies: tuple[NetworkRules, ...] | None = None,
        only: tuple[str, ...] = (),
    ) -> None:
        """Read network policies and pods.

        Args:
            view: the objects, their owners and the strength.
            inert: whether to leave network policies out, as a network plugin does that does not enforce them.
            policies: network policies to take instead of those among the objects.
            only: tenants to look at; all when empty.
        """
        self.view = view
        self.tenants = tuple(tenant for tenant in view.tenants if not only or tenant.name in only)
        self.ground: Ground = survey(view)
        read = read_policies(view.snapshot if policies is None else ())
        self.problems = read.problems
        self.networks = PrimaryNetworks(view.snapshot)
        self.policies: tuple[NetworkRules, ...] = (
            policies
            if policies is not None
            else tuple(
                policy
                for policy in read.policies
                # A MultiNetworkPolicy acts on secondary networks only.
                if not inert
                and policy.key.kind != "MultiNetworkPolicy"
                and self.ground.effect(policy.key, policy.tier) is not False
            )
        )
        self.openings = Openings(view)
        self.permissions: dict[tuple[str, str], list[Permission]] = {}
        for item in view.declared.permissions:
            self.permissions.setdefault((item.source, item.target), []).append(item)
        self.population = Population(view, self.tenants, self.policies, self.ground.ranges)
        self._exact: dict[tuple[object, ...], Way | None] = {}
        self._ways: dict[tuple[str, ...], dict[tuple[str, str], Way]] = {}

    # --- units -------------------------------------------------------------------------------------------------------

    @cached_property
    def sources(self) -> Index:
        """Units connections start from."""
        return self.population.sources()

    @cached_property
    def targets(self) -> Index:
        """Units connections lead to."""
        return self.population.targets()

    @cached_property
    def leaving(self) -> Acting:
        """Network policies at the sources."""
        return Acting(self.policies, self.sources, Direction.EGRESS)

    @cached_property
    def entering(self) -> Acting:
        """Network policies at the targets."""
        return Acting(self.policies, self.targets, Direction.INGRESS)

    # --- networks ----------------------------------------------------------------------------------------------------

    def network_of(self, namespace: str) -> str:
        """Return the primary network of a namespace; empty for that of the cluster."""
        return self.networks.of(namespace) if self.ground.separates_networks is not False else ""

    def _apart(self, source: Unit, target: Unit) -> bool | Missing:
        """Say whether two units are on networks that do not meet, or what would decide it."""
        if not self.networks.any or self.ground.separates_networks is False:
            return False
        if self.networks.together(self.networks.of(source.namespace), self.networks.of(target.namespace)):
            return False
        if self.view.strength is not Strength.DEPLOYED and self.joins(source.tenant) is not None:
            return False
        if self.networks.contradictory:
            return Missing(
                "primary networks",
                "give every namespace at most one primary network: these objects contradict each other",
            )
        return True if self.ground.separates_networks else self.ground.needs_plugin

    def joins(self, tenant: str) -> Right | None:
        """Return a right by which a tenant joins networks of others to its own."""
        for resource in ("clusteruserdefinednetworks", "clusternetworkconnects"):
            for verb in ("create", "update", "patch"):
                found = self.view.may(tenant, verb, "k8s.ovn.org", resource)
                if found is not None:
                    return found
        return None

    # --- search ------------------------------------------------------------------------------------------------------

    @property
    def ways(self) -> dict[tuple[str, str], Way]:
        """A way per source and target tenant between which there is one, or may be; sure ones where there are any."""
        return self.ways_from(tuple(tenant.name for tenant in self.tenants))

    def ways_from(self, sources: tuple[str, ...]) -> dict[tuple[str, str], Way]:
        """Return those ways that start at some tenants."""
        if sources not in self._ways:
            self._ways[sources] = self._searched(sources)
        return self._ways[sources]

    def _searched(self, sources: tuple[str, ...]) -> dict[tuple[str, str], Way]:
        for _ in range(MOST_TRIALS):
            found = self._found(sources)
            dressed = {pair: self._dressed(way) for pair, way in found.items()}
            if all(way is not None for way in dressed.values()):
                return {pair: way for pair, way in dressed.items() if way is not None}
            for name in ("sources", "leaving"):
                self.__dict__.pop(name, None)
            self._exact.clear()
        return {pair: replace(way, missing=way.missing or (TOO_MANY,)) for pair, way in found.items()}

    def _dressed(self, way: Way) -> Way | None:
        """Return a way from a pod that admission lets in; None when the labels it rests on are not let in."""
        if not way.sure or way.passage is None or way.connection is None:
            return way
        end, connection = way.passage.source, way.connection
        if not end.unit.imagined:
            return way
        wanted = Selector(end.labels.wanted)

        def fits(labels: Mapping[str, str]) -> bool:
            changed = replace(connection, source=replace(connection.source, labels=dict(labels)))
            return wanted.matches(labels) and self._confirmed(changed, *way.sides)

        labels = self.population.pins.dressed(end.unit.namespace, connection.source.labels, fits)
        if labels is None:
            return None
        return replace(way, connection=replace(connection, source=replace(connection.source, labels=dict(labels))))

    def _found(self, names: tuple[str, ...]) -> dict[tuple[str, str], Way]:
        found: dict[tuple[str, str], Way] = {}
        inward, outward = Bound(self.sources, self.ground), Bound(self.targets, self.ground)
        exits = Exits(self._starts(outward, frozenset(names)), self.targets)
        for group in self.entering.groups():
            closed = inward.of(group, Direction.INGRESS)
            opened: Parts | None = None
            for target, members, openers in self._split(group):
                for source in names:
                    way = found.get((source, target))
                    if source == target or (way is not None and way.sure):
                        continue
                    parts = closed
                    if source in openers:
                        if opened is None:
                            opened = inward.of(group, Direction.INGRESS, opened=True)
                        parts = {ALL: self.sources.everything} if self._opens_admin(source) else opened
                    chosen, entering = within(parts, self.sources.tenants.get(source, 0))
                    for leaving, sources, targets in exits.of(source, target) if chosen else ():
                        if (way := found.get((source, target))) is not None and way.sure:
                            break
                        if leaving & entering and chosen & sources and members & targets:
                            self._search((source, target), places_of(chosen & sources), members & targets, found)
        return dict(sorted(found.items()))

    def _opens_admin(self, tenant: str) -> bool:
        return self.view.strength is not Strength.DEPLOYED and self.openings.admin(tenant) is not None

    def _split(self, group: Group) -> Iterator[tuple[str, int, frozenset[str]]]:
        """Divide a group by tenant and by who may open its network policies."""
        if self.view.strength is Strength.DEPLOYED:
            yield from ((tenant, members, frozenset()) for tenant, members in group.tenants)
            return
        names = frozenset(tenant.name for tenant in self.tenants)
        wide = frozenset(name for name in names if self.openings.baseline(name))
        holders = self.openings.holders
        for tenant, members in group.tenants:
            parts: dict[frozenset[str], int] = {}
            for namespace in self.view.tenancy.by_name[tenant].namespaces:
                own = members & self.targets.namespace(namespace)
                if own:
                    held = frozenset(holders.get(namespace, ()))
                    careless = self.view.strength is Strength.CARELESS and tenant in held
                    openers = names if careless else held | wide
                    parts[openers] = parts.get(openers, 0) | own
            yield from ((tenant, part, openers) for openers, part in parts.items())

    def _ingress_opening(self, source: str, unit: Unit) -> Opening | None:
        if self.view.strength is Strength.DEPLOYED:
            return None
        found = self.openings.namespace(source, unit.namespace)
        if found is None and self.view.strength is Strength.CARELESS:
            found = self.openings.namespace(unit.tenant, unit.namespace)
        return found

    def _egress_opening(self, unit: Unit) -> Opening | None:
        if self.view.strength is Strength.DEPLOYED:
            return None
        return self.openings.namespace(unit.tenant, unit.namespace)

    def _starts(self, outward: Bound, names: frozenset[str]) -> dict[str, list[tuple[int, Parts]]]:
        """Return for some tenants the sets of their sources, each with whom network policies may let it reach."""
        found: dict[str, list[tuple[int, Parts]]] = {}
        for group in self.leaving.groups():
            for tenant, members in group.tenants:
                if tenant not in names:
                    continue
                if self._opens_admin(tenant):
                    found.setdefault(tenant, []).append((members, {ALL: self.targets.everything}))
                    continue
                units = [(place, self._egress_opening(self.sources.units[place])) for place in places_of(members)]
                free = mask_of(place for place, opening in units if opening is not None)
                for part, opened in ((free, True), (members & ~free, False)):
                    if part:
                        found.setdefault(tenant, []).append((part, outward.of(group, Direction.EGRESS, opened=opened)))
        return found

    def _search(
        self, pair: tuple[str, str], starts: Iterable[int], ends: int, found: dict[tuple[str, str], Way]
    ) -> None:
        for start in starts:
            for end in places_of(ends):
                if self.targets.units[end].only not in {"", pair[0]}:
                    continue
                way = self._between(start, end)
                if way is None:
                    continue
                known = found.get(pair)
                found[pair] = way if way.sure or known is None else known.needing(way.missing)
                if way.sure:
                    return

    def _between(self, start: int, end: int) -> Way | None:
        """Return the way between two units, sure if there is such a one; None when there is none at all."""
        source, target = self.sources.units[start], self.targets.units[end]
        key = (start, self._trait(end))
        if key not in self._exact:
            self._exact[key] = self._decide(source, target, start, end)
        return self._exact[key]

    def connections(self, start: int, end: int) -> ConnectionSet:
        """Return all that surely passes between two units, in the order of names where the API leaves it open."""
        source, target = self.sources.units[start], self.targets.units[end]
        egress, ingress = self._egress_sides(source, start)[0], self._ingress_sides(source, target, end)[0]
        walker = Walker(self.ground, sure=True)
        return union(
            passage.connections
            for begin, finish, wanted in self._wanted(source, target)
            for passage in walker.passages(begin, finish, egress, ingress, wanted)
        )

    def _trait(self, place: int) -> object:
        """Return what sources can tell a target by, besides the network policies of its own end."""
        unit = self.targets.units[place]
        labels = tuple(sorted((key, value) for key, value in unit.labels.fixed.items() if key in self._outward_keys))
        policies = self.entering.acting(place)
        place_of = (unit.namespace, unit.only, unit.needs, unit.host_network, unit.imagined)
        return (place_of, labels, unit.ports, unit.addresses, policies)

    @cached_property
    def _outward_keys(self) -> frozenset[str]:
        keys = {key for item in self.view.declared.permissions for key, _ in item.target_labels}
        for policy in self.policies:
            for rule in policy.egress:
                for peer in rule.peers or ():
                    if isinstance(peer, PodPeer):
                        keys |= peer.pods.keys
        return frozenset(keys)

    # --- one pair ----------------------------------------------------------------------------------------------------

    def _decide(self, source: Unit, target: Unit, start: int, end: int) -> Way | None:
        apart = self._apart(source, target)
        if apart is True:
            return None
        way = self._policed(source, target, start, end)
        if way is None or apart is False:
            return way
        return Way(way.passage, missing=(*way.missing, apart))

    def _policed(self, source: Unit, target: Unit, start: int, end: int) -> Way | None:
        """Return the way network policies leave between two units."""
        egress = self._egress_sides(source, start)
        ingress = self._ingress_sides(source, target, end)
        if len(egress) > MOST_ORDERS or len(ingress) > MOST_ORDERS:
            return Way(None, missing=(self._undefined(),))
        sure: list[Way | None] = []
        unsure: Way | None = None
        for leaving in egress:
            for entering in ingress:
                if not _agree(leaving, entering):
                    continue
                way = self._one_order(source, target, leaving, entering)
                sure.append(way if way is not None and way.sure else None)
                unsure = unsure or (way if way is not None and not way.sure else None)
        if all(way is not None for way in sure):
            return sure[0]
        some = next((way for way in sure if way is not None), None)
        if some is None:
            return unsure
        return Way(some.passage, missing=(self._undefined(), *(unsure.missing if unsure else ())))

    def _one_order(self, source: Unit, target: Unit, egress: Side, ingress: Side) -> Way | None:
        try:
            refuted = False
            for start, end, wanted in self._wanted(source, target):
                for passage in Walker(self.ground, sure=True).passages(start, end, egress, ingress, wanted):
                    connection = concrete(passage)
                    if connection is not None and self._confirmed(connection, egress, ingress):
                        return Way(passage, connection, sides=(egress, ingress))
                    refuted = True
            for start, end, wanted in self._wanted(source, target):
                walker = Walker(self.ground, sure=False)
                for passage in walker.passages(start, end, egress, ingress, wanted):
                    return Way(passage, missing=passage.needs or (_disagreement(source, target),))
        except TooManyWaysError:
            return Way(None, missing=(TOO_MANY,))
        return Way(None, missing=(_disagreement(source, target),)) if refuted else None

    def _confirmed(self, connection: Connection, egress: Side, ingress: Side) -> bool:
        here, there = self._replay(egress), self._replay(ingress)
        return here.leaves(connection, _tiers(egress)) and there.enters(connection, _tiers(ingress))

    def _replay(self, side: Side) -> Replay:
        """Return an evaluator for the order in which one end is asked."""
        order = tuple(dict.fromkeys(entry.rule.policy for entry in (*side.admin, *side.baseline)))
        plain = tuple(policy.key for policy in self._ordered if policy.key in set(order))
        removed = {policy.key for policy in side.namespaced} if side.opened and side.opened.removes else set()
        if order == plain and not removed:
            return self._plain
        places = {key: place for place, key in enumerate(order)}
        chosen = [
            replace(policy, priority=places[policy.key]) if policy.key in places else policy
            for policy in self.policies
            if policy.key not in removed
        ]
        return Replay(chosen, self.ground)

    @cached_property
    def _plain(self) -> Replay:
        return Replay(self.policies, self.ground)

    @cached_property
    def _ordered(self) -> tuple[NetworkRules, ...]:
        wide = [policy for policy in self.policies if policy.tier is not Tier.NAMESPACE]
        return tuple(sorted(wide, key=lambda policy: (policy.tier, policy.priority, policy.key)))

    def _egress_sides(self, source: Unit, start: int) -> tuple[Side, ...]:
        if self.view.strength is not Strength.DEPLOYED and (opening := self.openings.admin(source.tenant)):
            return _without_admin(self.leaving.sides(start, self._egress_opening(source), opening), opening)
        baseline = self._baseline_opening(source.tenant)
        return self.leaving.sides(start, self._egress_opening(source), baseline)

    def _ingress_sides(self, source: Unit, target: Unit, end: int) -> tuple[Side, ...]:
        if self.view.strength is not Strength.DEPLOYED and (opening := self.openings.admin(source.tenant)):
            opened = self._ingress_opening(source.tenant, target)
            return _without_admin(self.entering.sides(end, opened, opening), opening)
        opened = self._ingress_opening(source.tenant, target)
        return self.entering.sides(end, opened, self._baseline_opening(source.tenant))

    def _baseline_opening(self, tenant: str) -> Opening | None:
        return None if self.view.strength is Strength.DEPLOYED else self.openings.baseline(tenant)

    def _wanted(self, source: Unit, target: Unit) -> Iterator[tuple[End, End, ConnectionSet]]:
        """Yield the connections that no exception permits, by the labels exceptions look at."""
        start = End.of(source)
        items = [
            item
            for item in self.permissions.get((source.tenant, target.tenant), ())
            if (not item.source_namespaces or source.namespace in item.source_namespaces)
            and (not item.target_namespaces or target.namespace in item.target_namespaces)
        ]
        yield from _unpermitted(start, End.of(target), ALL, items)

    def _undefined(self) -> Missing:
        return Missing(
            "order of network policies",
            "give cluster-wide network policies different priorities: the order of equal ones is undefined",
        )


def _unpermitted(
    start: End, end: End, wanted: ConnectionSet, items: Sequence[Permission]
) -> Iterator[tuple[End, End, ConnectionSet]]:
    """Yield what is left of wanted connections between two ends when exceptions are taken away, by labels of both."""
    if not wanted:
        return
    if not items:
        yield start, end, wanted
        return
    first, *others = items
    leaving, entering = _labelled(first.source_labels), _labelled(first.target_labels)
    here, there = start.meet(leaving), end.meet(entering)
    if here is not None and there is not None:
        permitted = union(ConnectionSet.of(*port) for port in first.ports) if first.ports else ALL
        yield from _unpermitted(here, there, wanted - permitted, others)
    for miss in start.miss(leaving) if here is None or first.source_labels else ():
        yield from _unpermitted(miss, end, wanted, others)
    if here is not None:
        for miss in end.miss(entering) if there is None or first.target_labels else ():
            yield from _unpermitted(here, miss, wanted, others)


def _labelled(labels: tuple[tuple[str, str], ...]) -> PodPeer:
    return PodPeer(pods=equality_selector(dict(labels)))


def _agree(one: Side, other: Side) -> bool:
    """Whether network policies that act at both ends are asked in one order: there is only one in a cluster."""
    orders = [
        list(dict.fromkeys(entry.rule.policy for entry in (*side.admin, *side.baseline))) for side in (one, other)
    ]
    both = set(orders[0]) & set(orders[1])
    first, second = ([key for key in order if key in both] for order in orders)
    return first == second


def _without_admin(sides: tuple[Side, ...], opening: Opening) -> tuple[Side, ...]:
    """Return the network policies of an end whose admin tier somebody opens."""
    if opening.removes:
        return (replace(sides[0], admin=(), baseline=()),)
    return (replace(sides[0], exempt=True, opened=opening),)


def _tiers(side: Side) -> tuple[Tier, ...]:
    if side.exempt:
        return tuple(Tier)
    found = (Tier.NAMESPACE,) if side.opened and not side.opened.removes else ()
    return (*found, Tier.BASELINE) if side.baseline_opened else found


def _disagreement(source: Unit, target: Unit) -> Missing:
    how = (
        f"this is a bug in Tenantry: two evaluations of the network policies between namespaces {source.namespace} and "
        f"{target.namespace} disagree"
    )
    return Missing("", how)
