"""The partition plan as a program: how many units of each class get which layout.

Columns: for each class and option, the number of units that get it; for each profile (and tenant, where GPUs belong to
one), priority and worth, the slices that are served; where GPUs belong to tenants, the number of free GPUs each tenant
gets of each layout; and where nodes have a price, the number of nodes of each kind that change.

Priorities are met one after another: what one reaches is held while the next is maximised. Demand of priority 0 is
weighed against the cost of changes. Deciding *how many* instead of *which* keeps the program small, and the price of
changes is exact: within a node that is drained any GPU may change.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from tenantry.efficient.partition.serving import owned_pins, served_by_pins, worth
from tenantry.efficient.partition.units import NOBODY
from tenantry.model.partition import ChangeCosts, Counts
from tenantry.model.program import Program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.efficient.partition.units import Units


class Served(NamedTuple):
    """Demand that counts alike.

    Attributes:
        tenant: whose, where GPUs belong to tenants; empty otherwise.
        profile: MIG profile.
        priority: its priority.
        worth: of one slice.
    """

    tenant: str
    profile: str
    priority: int
    worth: int


class Assigned(NamedTuple):
    """Free GPUs of one layout that one tenant gets."""

    counts: Counts
    spare: bool
    tenant: str


class NodeKind(NamedTuple):
    """Nodes with as many GPUs of each class, or (where nodes are alike) with the same layouts now.

    Attributes:
        nodes: their names, in order.
        gpus: how many GPUs of each class each of them has, by number of the class.
    """

    nodes: tuple[str, ...]
    gpus: tuple[tuple[int, int], ...]


@dataclass
class Formulation:
    """A program and what its columns mean.

    Attributes:
        units: what it is about.
        program: rows and columns without a cost.
        chosen: column of each class and option.
        served: column of demand that counts alike, and how much of it there is beyond what running instances serve.
        assigned: column of free GPUs given to tenants.
        drained: column of each kind of node.
        unserved: worth of what nothing but the columns ``served`` can serve, by priority.
    """

    units: Units
    program: Program = field(default_factory=Program)
    chosen: dict[tuple[int, int], int] = field(default_factory=dict)
    served: dict[Served, tuple[int, int]] = field(default_factory=dict)
    assigned: dict[Assigned, int] = field(default_factory=dict)
    drained: list[tuple[int, NodeKind]] = field(default_factory=list)
    unserved: dict[int, int] = field(default_factory=dict)

    def hold(self, priority: int, unserved: int) -> None:
        """Keep what is not served at a priority at or below a worth."""
        terms = {column: float(key.worth) for key, (column, _) in self.served.items() if key.priority == priority}
        if terms:
            self.program.row(terms, lower=self.unserved[priority] - unserved)

    def costing(self, priority: int | None, costs: ChangeCosts | None) -> tuple[Program, int]:
        """Return the program with a cost, and what to add to its objective.

        Args:
            priority: whose unserved worth counts; None for nobody's.
            costs: of changes; None where they do not count.
        """
        cost = [0.0] * len(self.program.cost)
        for key, (column, _) in self.served.items():
            if key.priority == priority:
                cost[column] = -float(key.worth)
        if costs is not None:
            for (number, option), column in self.chosen.items():
                cost[column] = float(costs.gpu * self.units.classes[number].changed[option])
            for column, kind in self.drained:
                cost[column] = float(costs.node * (len(kind.nodes) if self.units.rules.uniform else 1))
        return replace(self.program, cost=cost), self.unserved.get(priority, 0) if priority is not None else 0


def formulate(units: Units, *, keep: bool = False, nodes: bool = True) -> Formulation:
    """Write the program.

    Args:
        units: what is decided.
        keep: whether every unit keeps what it has, so that only tenants are assigned.
        nodes: whether nodes that change are counted.
    """
    form = Formulation(units)
    for number, item in enumerate(units.classes):
        count = len(item.units)
        options = [o for o, changed in enumerate(item.changed) if not keep or not changed]
        for option in options:
            form.chosen[number, option] = form.program.column(upper=count)
        form.program.row({form.chosen[number, option]: 1.0 for option in options}, count, count)
    _demands(form)
    if units.rules.exclusive:
        _own_rows(form)
    else:
        _shared_rows(form)
    if nodes and not keep:
        _node_rows(form)
    return form


def _demands(form: Formulation) -> None:
    pool, exclusive = form.units.pool, form.units.rules.exclusive
    done = [0] * len(pool.demands) if exclusive else served_by_pins(pool, form.units.spare_nodes)
    wanted: Counter[Served] = Counter()
    for number, demand in enumerate(pool.demands):
        key = Served(demand.tenant if exclusive else "", demand.profile, demand.priority, worth(pool, number))
        wanted[key] += demand.count - done[number]
        form.unserved.setdefault(demand.priority, 0)
    for key in sorted(wanted):
        if wanted[key]:
            # What whole layouts serve at most is whole by itself. Where all GPUs serve all, a proof takes a tenth of
            # the time when nothing asks for that; where GPUs belong to tenants, it takes up to three times as long.
            column = form.program.column(upper=wanted[key], integer=exclusive)
            form.served[key] = (column, wanted[key])
            form.unserved[key.priority] += wanted[key] * key.worth


def _shared_rows(form: Formulation) -> None:
    """Give out no more slices of a profile than there are, nor more guaranteed ones than survive."""
    units, rules, pool = form.units, form.units.rules, form.units.pool
    owned_all = _by_profile(owned_pins(pool))
    owned_safe = _by_profile(owned_pins(pool, set(pool.nodes) - set(units.spare_nodes)))
    done = served_by_pins(pool, units.spare_nodes)
    loss = rules.spares and not units.spare_nodes
    survive = (len(pool.nodes) - rules.spares) / len(pool.nodes) if loss else 1.0
    for profile in sorted({key.profile for key in form.served}):
        everyone = {column: 1.0 for key, (column, _) in form.served.items() if key.profile == profile}
        first = {column: 1.0 for key, (column, _) in form.served.items() if key.profile == profile and key.priority > 0}
        supply, safe = {}, {}
        for (number, option), column in form.chosen.items():
            item = units.classes[number]
            count = dict(item.options[option]).get(profile, 0)
            if count:
                total = sum(item.shares.values())
                supply[column] = -float(count * total)
                kept = sum(gpus for share, gpus in item.shares.items() if not share.spare)
                safe[column] = -float(round(count * kept * survive))
        form.program.row({**everyone, **supply}, upper=-float(owned_all[profile]))
        if first and loss:
            used = sum(
                count
                for count, demand in zip(done, pool.demands, strict=True)
                if demand.profile == profile and demand.guaranteed
            )
            form.program.row({**first, **safe}, upper=-float(used))
        elif first and units.spare_nodes:
            form.program.row({**first, **safe}, upper=-float(owned_safe[profile]))


def _by_profile(owned: Counter[tuple[str, str]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for (_, profile), count in owned.items():
        found[profile] += count
    return found


def _own_rows(form: Formulation) -> None:
    """Give each tenant slices of its own GPUs only."""
    units = form.units
    free: dict[tuple[Counts, bool], dict[int, float]] = {}
    own: dict[tuple[str, bool], list[tuple[int, int, Counts]]] = {}
    for (number, option), column in form.chosen.items():
        item = units.classes[number]
        for share, gpus in item.shares.items():
            counts = item.options[option]
            if not share.tenant:
                terms = free.setdefault((counts, share.spare), {})
                terms[column] = terms.get(column, 0.0) + gpus
            elif share.tenant != NOBODY:
                own.setdefault((share.tenant, share.spare), []).append((column, gpus, counts))
    tenants = sorted({key.tenant for key in form.served})
    wanted = {tenant: {key.profile for key in form.served if key.tenant == tenant} for tenant in tenants}
    for (counts, spare), terms in sorted(free.items()):
        # A tenant takes no GPU of which it wants nothing.
        takers = [tenant for tenant in tenants if wanted[tenant] & {name for name, _ in counts}]
        columns = {tenant: form.program.column() for tenant in takers}
        form.assigned.update({Assigned(counts, spare, tenant): column for tenant, column in columns.items()})
        if columns:
            form.program.row({**dict.fromkeys(columns.values(), 1.0), **{c: -v for c, v in terms.items()}}, upper=0.0)
    fixed = _fixed_supply(form)
    for tenant in tenants:
        for profile in sorted(wanted[tenant]):
            _own_row(form, tenant, profile, own, fixed)


def _own_row(
    form: Formulation,
    tenant: str,
    profile: str,
    own: dict[tuple[str, bool], list[tuple[int, int, Counts]]],
    fixed: dict[bool, Counter[tuple[str, str]]],
) -> None:
    supply: dict[bool, dict[int, float]] = {True: {}, False: {}}
    for assigned, column in form.assigned.items():
        count = dict(assigned.counts).get(profile, 0) if assigned.tenant == tenant else 0
        if count:
            supply[assigned.spare][column] = -float(count)
    for spare in (False, True):
        for column, gpus, counts in own.get((tenant, spare), ()):
            count = dict(counts).get(profile, 0)
            if count:
                supply[spare][column] = supply[spare].get(column, 0.0) - count * gpus
    mine = {key: column for key, (column, _) in form.served.items() if (key.tenant, key.profile) == (tenant, profile)}
    limits = {spare: float(fixed[spare][tenant, profile]) for spare in (False, True)}
    form.program.row(
        {**dict.fromkeys(mine.values(), 1.0), **_added(supply[False], supply[True])}, upper=sum(limits.values())
    )
    first = {column: 1.0 for key, column in mine.items() if key.priority > 0}
    if first and form.units.spare_nodes:
        form.program.row({**first, **supply[False]}, upper=limits[False])


def _added(one: dict[int, float], other: dict[int, float]) -> dict[int, float]:
    found = dict(one)
    for column, value in other.items():
        found[column] = found.get(column, 0.0) + value
    return found


def _fixed_supply(form: Formulation) -> dict[bool, Counter[tuple[str, str]]]:
    """Count instances on GPUs that are nobody's: each serves its own tenant."""
    units = form.units
    found: dict[bool, Counter[tuple[str, str]]] = {True: Counter(), False: Counter()}
    for gpu in units.pool.gpus:
        owners = {pin.tenant for pin in gpu.pins}
        if len(owners) > 1 or "" in owners:
            found[gpu.node in units.spare_nodes].update((pin.tenant, pin.placement.profile) for pin in gpu.pins)
    return found


def node_kinds(units: Units) -> list[NodeKind]:
    """Group the nodes of a pool that are interchangeable, in the order of their first node."""
    by_node: dict[str, list[int]] = {}
    for position, gpu in enumerate(units.pool.gpus):
        by_node.setdefault(gpu.node, []).append(position)
    grouped: dict[tuple[object, ...], list[str]] = {}
    for node, positions in by_node.items():
        if units.rules.uniform:
            key: tuple[object, ...] = tuple((units.class_of[i], units.present[i]) for i in positions)
        else:
            key = tuple(sorted(units.class_of[i] for i in positions))
        grouped.setdefault(key, []).append(node)
    return [
        NodeKind(tuple(nodes), tuple(sorted(Counter(units.class_of[i] for i in by_node[nodes[0]]).items())))
        for nodes in grouped.values()
    ]


def _node_rows(form: Formulation) -> None:
    """Count a node as drained when a GPU of it changes."""
    units, program = form.units, form.program
    kinds = node_kinds(units)
    uniform = units.rules.uniform
    form.drained = [(program.column(upper=1 if uniform else len(kind.nodes)), kind) for kind in kinds]
    if uniform:
        _uniform_node_rows(form)
        return
    room: dict[int, dict[int, float]] = {}
    for column, kind in form.drained:
        for number, gpus in kind.gpus:
            room.setdefault(number, {})[column] = -float(gpus)
    for number, item in enumerate(units.classes):
        changes = {form.chosen[number, o]: 1.0 for o, changed in enumerate(item.changed) if changed}
        if changes:
            program.row({**changes, **room[number]}, upper=0.0)


def _uniform_node_rows(form: Formulation) -> None:
    units = form.units
    node_of: dict[tuple[int, str], int] = {}
    for number, item in enumerate(units.classes):
        for position in item.units[0]:
            node_of[number, units.pool.gpus[position].node] = position
    for column, kind in form.drained:
        for number, item in enumerate(units.classes):
            present = units.present[node_of[number, kind.nodes[0]]]
            changes = {form.chosen[number, o]: 1.0 for o, counts in enumerate(item.options) if counts != present}
            if changes:
                form.program.row({**changes, column: -float(len(item.units))}, upper=0.0)


def chosen_counts(form: Formulation, values: Sequence[float]) -> list[list[int]]:
    """Return how many units of each class get each option."""
    return [
        [round(values[form.chosen[number, o]]) if (number, o) in form.chosen else 0 for o in range(len(item.options))]
        for number, item in enumerate(form.units.classes)
    ]


def drained_counts(form: Formulation, values: Sequence[float]) -> dict[str, int] | None:
    """Return how many nodes of each kind may change, by the first node of the kind; None when nodes are not counted."""
    if not form.drained:
        return None
    return {kind.nodes[0]: round(values[column]) for column, kind in form.drained}


def assigned_counts(form: Formulation, values: Sequence[float]) -> dict[Assigned, int]:
    """Return how many free GPUs of each layout each tenant gets."""
    return {key: round(values[column]) for key, column in form.assigned.items() if round(values[column])}
