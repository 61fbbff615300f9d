"""Walks the tiers of network policies at both ends of a connection and yields every way in which they let it pass.

A rule whose condition is not decided yet divides the walk: once with the labels chosen such that it matches, once such
that it does not. What no knowledge decides is taken in one of two ways: a *sure* walk yields only what passes whatever
the answer is, the other one everything that may pass, with what would decide it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.model.claim import Missing
from tenantry.safe.network.ports import ALL, PROTOCOLS, ConnectionSet, union
from tenantry.safe.network.rules import (
    Action,
    AddressPeer,
    Direction,
    DomainPeer,
    NetworkRules,
    NodePeer,
    Peer,
    PodPeer,
    PortName,
    Rule,
    Tier,
)
from tenantry.safe.network.symbolic import ANY_ADDRESS, End

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.model.claim import Step
    from tenantry.safe.network.evaluate import ContainerPort
    from tenantry.safe.network.ground import Ground


class TooManyWaysError(Exception):
    """The labels can be chosen in more ways than can be tried."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A right with which somebody makes the network policies of one end allow everything.

    Attributes:
        steps: how.
        needs: what would decide whether it can.
        removes: whether network policies can only be removed, so that what lies below them decides.
    """

    steps: tuple[Step, ...]
    needs: tuple[Missing, ...] = ()
    removes: bool = False


@dataclass(frozen=True, slots=True)
class AdminRule:
    """A rule of a cluster-wide network policy with the pods it is for."""

    subject: PodPeer
    rule: Rule


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """The network policies at one end, in one direction.

    Attributes:
        direction: ``INGRESS`` at the target, ``EGRESS`` at the source.
        admin: rules of the admin tier in the order they are asked.
        namespaced: network policies of the namespace that isolate in this direction.
        baseline: rules of the baseline tier in order.
        exempt: whether network policies do not act on this end at all.
        opened: how somebody may open the namespace tier; None when nobody may.
        baseline_opened: the same for the baseline tier.
    """

    direction: Direction
    admin: tuple[AdminRule, ...] = ()
    namespaced: tuple[NetworkRules, ...] = ()
    baseline: tuple[AdminRule, ...] = ()
    exempt: bool = False
    opened: Opening | None = None
    baseline_opened: Opening | None = None


Via = Rule | Opening | None
"""What lets a connection pass at one end; None when nothing forbids it."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A connection as far as one end has decided it.

    Attributes:
        here: the end whose network policies are asked.
        there: the other end.
        rest: connections meant.
        needs: what would decide the answers taken for granted.
    """

    here: End
    there: End
    rest: ConnectionSet
    needs: tuple[Missing, ...] = ()

    def left(self, connections: ConnectionSet) -> State:
        """Return the same with other connections."""
        return replace(self, rest=connections)

    def needing(self, missing: Missing | None) -> State:
        """Return the same, taking one more answer for granted."""
        if missing is None or missing in self.needs:
            return self
        return replace(self, needs=(*self.needs, missing))


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """A way from one end to the other."""

    source: End
    target: End
    connections: ConnectionSet
    ingress: Via
    egress: Via
    needs: tuple[Missing, ...]


class Walker:
    """Finds ways from a source to a target."""

    def __init__(self, ground: Ground, *, sure: bool, budget: int = 20_000) -> None:
        """Take what is known of the network plugin.

        Args:
            ground: the network plugin.
            sure: whether to yield only what passes whatever the answers to open questions are.
            budget: rules to look at before giving up.
        """
        self.ground = ground
        self.sure = sure
        self.budget = budget

    def passages(
        self, source: End, target: End, egress: Side, ingress: Side, wanted: ConnectionSet
    ) -> Iterator[Passage]:
        """Yield the ways in which wanted connections pass both ends."""
        needs = tuple(dict.fromkeys((*source.unit.needs, *target.unit.needs)))
        if needs and self.sure:
            return
        for found, entered in self._direction(ingress, State(target, source, wanted, needs)):
            onward = State(found.there, found.here, found.rest, found.needs)
            for last, left in self._direction(egress, onward):
                yield Passage(last.here, last.there, last.rest, entered, left, last.needs)

    def _direction(self, side: Side, state: State) -> Iterator[tuple[State, Via]]:
        if side.exempt and not (side.opened and side.opened.needs):
            yield state, side.opened
            return
        if side.exempt:
            yield from self._opened(side.opened, state)
        yield from self._ordered(side, Tier.ADMIN, 0, state)

    def _ordered(self, side: Side, tier: Tier, start: int, state: State) -> Iterator[tuple[State, Via]]:
        """Walk the rules of the admin or the baseline tier; what they leave goes on to the next."""
        last = tier is Tier.BASELINE
        rules = side.baseline if last else side.admin
        for place in range(start, len(rules)):
            entry = rules[place]
            met = self._meet(side, entry, state)
            if met is None:
                continue
            yield from self._taken(side, entry.rule, met, last=last)
            fixed = self._fixed(entry.rule, side, state) & state.rest
            if entry.rule.action is Action.ALLOW or (last and entry.rule.action is Action.PASS):
                # Where only some labels are allowed, whatever is allowed further down to them passes all the same.
                state = state.left(state.rest - fixed) if met.settled else state
            elif not fixed:
                continue
            elif met.settled or (met.doubt and self.sure):
                state = state.left(state.rest - fixed)
            elif met.vague:
                state = state.needing(met.doubt)
            else:
                yield from self._divided(side, tier, place, state, met)
                return
            if not state.rest:
                return
        if last:
            yield state, None
        else:
            yield from self._lower(side, state)

    def _taken(self, side: Side, rule: Rule, met: _Met, *, last: bool) -> Iterator[tuple[State, Via]]:
        """Yield what a rule that does not deny lets through."""
        if rule.action is Action.DENY:
            return
        for hit in met.hits:
            for chosen, part in self._connections(side, rule, hit):
                if not part:
                    continue
                if rule.action is Action.PASS and not last:
                    yield from self._lower(side, chosen.left(part))
                else:
                    yield chosen.left(part), rule

    def _divided(self, side: Side, tier: Tier, place: int, state: State, met: _Met) -> Iterator[tuple[State, Via]]:
        """Go on once with the choices for which a rule matches and once with those for which it does not."""
        rules = side.baseline if tier is Tier.BASELINE else side.admin
        rest = state.rest - self._fixed(rules[place].rule, side, state)
        for hit in met.hits if rest else ():
            yield from self._ordered(side, tier, place + 1, hit.left(rest))
        for miss in self._missed(rules[place], state.needing(met.doubt)):
            yield from self._ordered(side, tier, place + 1, miss)

    def _lower(self, side: Side, state: State) -> Iterator[tuple[State, Via]]:
        opened = None if side.exempt else side.opened
        if opened and opened.removes and not (opened.needs and self.sure):
            for found, via in self._baseline(side, self._needing(opened, state)):
                yield found, via or opened
        elif opened:
            yield from self._opened(opened, state)
            if not opened.needs:
                return
        yield from self._namespaced(side, state)
        subjects = [policy.subject for policy in side.namespaced]
        # Without this look ahead every choice of labels that no network policy selects would be refused one by one.
        if subjects and next(self._baseline(side, state), None) is None:
            return
        for here in state.here.miss_all(subjects):
            self._spend()
            yield from self._baseline(side, state if here is state.here else replace(state, here=here))

    def _namespaced(self, side: Side, state: State) -> Iterator[tuple[State, Via]]:
        """Yield what rules of the namespace tier let through; they only allow, so they are looked at one by one."""
        for policy in side.namespaced:
            here = state.here.meet(policy.subject)
            if here is None:
                continue
            chosen = state if here is state.here else replace(state, here=here)
            for rule in policy.rules(side.direction):
                self._spend()
                for hit, missing in self._others(rule, chosen):
                    if missing is not None and self.sure:
                        continue
                    for found, part in self._connections(side, rule, hit.needing(missing)):
                        if part:
                            yield found.left(part), rule

    def _baseline(self, side: Side, state: State) -> Iterator[tuple[State, Via]]:
        if side.baseline_opened:
            yield from self._opened(side.baseline_opened, state)
            if not side.baseline_opened.needs:
                return
        if not side.baseline:
            yield state, None
        else:
            yield from self._ordered(side, Tier.BASELINE, 0, state)

    def _opened(self, opening: Opening | None, state: State) -> Iterator[tuple[State, Via]]:
        if opening is not None and not (opening.needs and self.sure):
            yield self._needing(opening, state), opening

    def _needing(self, opening: Opening, state: State) -> State:
        for missing in opening.needs:
            state = state.needing(missing)
        return state

    # --- one rule ----------------------------------------------------------------------------------------------------

    def _meet(self, side: Side, entry: AdminRule, state: State) -> _Met | None:
        """Say in which ways a cluster-wide rule matches; None when it cannot."""
        self._spend()
        rule = entry.rule
        here = state.here.meet(entry.subject)
        if here is None:
            return None
        chosen = state if here is state.here else replace(state, here=here)
        effect = self.ground.effect(rule.policy, rule.tier)
        vague = _unread(rule) if rule.unknown else effect if isinstance(effect, Missing) else None
        found = [(hit, vague or missing) for hit, missing in self._others(rule, chosen)]
        if not found:
            return None
        doubt = next((missing for _, missing in found if missing is not None), None)
        certain = [hit for hit, missing in found if missing is None]
        settled = any(hit is state for hit in certain)
        if not self.sure and rule.action is not Action.DENY:
            hits = tuple(hit.needing(missing) for hit, missing in found)
        else:
            hits = tuple(certain)
        return _Met(hits, None if settled else doubt, settled=settled, vague=vague is not None)

    def _missed(self, entry: AdminRule, state: State) -> Iterator[State]:
        """Yield the ways in which a cluster-wide rule does not match."""
        for here in state.here.miss(entry.subject):
            yield state if here is state.here else replace(state, here=here)
        here_met = state.here.meet(entry.subject)
        if here_met is None or entry.rule.peers is None:
            return
        chosen = state if here_met is state.here else replace(state, here=here_met)
        yield from self._miss_peers(entry.rule.peers, 0, chosen)

    def _miss_peers(self, peers: Sequence[Peer], start: int, state: State) -> Iterator[State]:
        if start == len(peers):
            yield state
            return
        for there, missing in self._miss_peer(peers[start], state.there):
            self._spend()
            if missing is None or not self.sure:
                chosen = state if there is state.there else replace(state, there=there)
                yield from self._miss_peers(peers, start + 1, chosen.needing(missing))

    def _miss_peer(self, peer: Peer, there: End) -> Iterator[tuple[End, Missing | None]]:
        if isinstance(peer, PodPeer) and not there.unit.host_network:
            yield from ((end, None) for end in there.miss(peer))
        elif isinstance(peer, AddressPeer) and self.ground.blocks_match_pods and not there.unit.host_network:
            end = there.outside(peer.addresses)
            if end is not None:
                guessed = end is not there and there.unit.addresses is ANY_ADDRESS
                yield end, self.ground.needs_ranges if guessed else None
        else:
            yield there, None

    def _others(self, rule: Rule, state: State) -> Iterator[tuple[State, Missing | None]]:
        """Yield the ways in which a rule means the other end, each with what would decide it."""
        if rule.unknown:
            yield state, _unread(rule)
            return
        if rule.peers is None:
            yield state, None
            return
        for peer in rule.peers:
            there, missing = self._meet_peer(rule, peer, state.there)
            if there is not None:
                yield (state if there is state.there else replace(state, there=there)), missing

    def _meet_peer(self, rule: Rule, peer: Peer, there: End) -> tuple[End | None, Missing | None]:
        if isinstance(peer, PodPeer):
            # Pods on the host network have addresses of nodes, which selectors never mean.
            return (None if there.unit.host_network else there.meet(peer)), None
        if isinstance(peer, DomainPeer):
            return there, _doubt(rule, "a domain name")
        if there.unit.host_network:
            return there, _doubt(rule, "nodes" if isinstance(peer, NodePeer) else "addresses")
        if isinstance(peer, NodePeer) or self.ground.blocks_match_pods is False:
            return None, None
        end = there.inside(peer.addresses)
        if end is None:
            return None, None
        # Some pod has an address in a range that holds some of all pods' addresses; where those are not known, only a
        # range that holds every address of a version is sure to.
        whole = any(item in ANY_ADDRESS for item in end.addresses)
        guessed = end is not there and there.unit.addresses is ANY_ADDRESS and not whole
        return end, self.ground.needs_ranges if guessed or self.ground.blocks_match_pods is None else None

    # --- ports -------------------------------------------------------------------------------------------------------

    def _fixed(self, rule: Rule, side: Side, state: State) -> ConnectionSet:
        """Return the connections a rule is about whatever an imagined pod declares."""
        if rule.ports is None:
            return ALL
        target = state.here if side.direction is Direction.INGRESS else state.there
        return union(
            named(port, target.unit.ports)
            if isinstance(port, PortName)
            else ConnectionSet.of(port.protocol, port.first, port.last)
            for port in rule.ports
        )

    def _connections(self, side: Side, rule: Rule, state: State) -> Iterator[tuple[State, ConnectionSet]]:
        """Yield the connections a rule lets through, with the ports an imagined pod must declare for that."""
        yield state, self._fixed(rule, side, state) & state.rest
        target = state.here if side.direction is Direction.INGRESS else state.there
        for port in rule.ports or ():
            if not isinstance(port, PortName):
                continue
            protocols = (port.protocol,) if port.protocol else PROTOCOLS
            if target.unit.imagined:
                for protocol in protocols:
                    end = target.declaring(port.name, protocol)
                    inward = side.direction is Direction.INGRESS
                    chosen = replace(state, here=end) if inward else replace(state, there=end)
                    yield chosen, ConnectionSet.of(protocol) & state.rest
            elif not self.sure and not named(port, target.unit.ports):
                yield state.needing(_undeclared(port, target)), union(map(ConnectionSet.of, protocols)) & state.rest

    def _spend(self) -> None:
        self.budget -= 1
        if self.budget < 0:
            raise TooManyWaysError


@dataclass(frozen=True, slots=True, eq=False)
class _Met:
    """How a cluster-wide rule matches.

    Attributes:
        hits: the ways in which it does; in a walk that is not sure also those that are in doubt.
        doubt: what would decide whether it does; None when that is clear.
        settled: whether it matches whatever is chosen.
        vague: whether the rule as a whole is in doubt.
    """

    hits: tuple[State, ...]
    doubt: Missing | None
    settled: bool
    vague: bool


def named(port: PortName, declared: Sequence[ContainerPort]) -> ConnectionSet:
    """Return what a port name means where these ports are declared."""
    return union(
        ConnectionSet.of(item.protocol, item.number)
        for item in declared
        if item.name == port.name and port.protocol in (None, item.protocol)
    )


def _undeclared(port: PortName, target: End) -> Missing:
    return Missing(
        f"what port {port.name} means",
        f"write the port {port.name} as a number: pods of {target.unit.namespace} may come to declare it",
    )


def _doubt(rule: Rule, what: str) -> Missing:
    return Missing(
        f"what {rule.policy} means",
        f"a rule of {rule.policy} names {what}, which may or may not mean pods: write it with selectors",
    )


def _unread(rule: Rule) -> Missing:
    return Missing(
        f"what {rule.policy} means",
        f"a peer of {rule.policy} has fields that are not known: write it with fields of the API",
    )
