"""What every queue is due at each moment: the fair shares of the queue tree, renewed only where they may have changed.

A queue is due the smaller of its fair share and what it asks for; while nobody waits, all it asks for. Fair shares are
those of :func:`tenantry.fair.kai.division.divide` over demand, without past usage, whatever the replay was scheduled
by. A queue that asks for a whole GPU more than its fair share gets the same however much more it asks for, and so do
its siblings; most changes under load are of that kind and need no division.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.fair.measures.siblings import Siblings
from tenantry.fair.measures.tree import ROOT
from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.fair.measures.tree import Tree

# More than the unit by which a division may exceed what it would give otherwise, and any rounding of thousandths.
_BEYOND = MILLI + 1


class Dues:
    """Fair shares that follow demand.

    Attributes:
        due: milli-GPUs every queue is due.
    """

    def __init__(self, tree: Tree, demand: list[int]) -> None:
        """Begin with nobody asking.

        Args:
            tree: the queues.
            demand: milli-GPUs every queue asks for; changed by the caller between calls.
        """
        count = len(tree.names)
        self.due = [0] * count
        self._tree, self._demand = tree, demand
        self._fair = [0] * count
        self._divided: list[int] = [-1] * count
        self._place = [tree.children[parent].index(position) for position, parent in enumerate(tree.parents)]
        self._pending: set[int] = set(range(count))
        self._scarce = False
        self._groups = [ROOT, *(position for position in range(count) if not tree.is_leaf(position))]
        self._asked_of = {group: [0.0] * len(tree.children.get(group, ())) for group in self._groups}
        self._siblings = {
            group: Siblings([tree.queues[child] for child in tree.children.get(group, ())]) for group in self._groups
        }
        self._exact = [0.0] * count
        self._totals = dict.fromkeys(self._groups, -1.0)

    def settle(self, asked: Iterable[int], *, scarce: bool) -> list[int]:
        """Renew what is due after demand changed; return queues that are due something else now.

        Args:
            asked: queues whose demand changed since the last call.
            scarce: whether somebody waits.
        """
        self._pending.update(asked)
        if not scarce:
            moved = self._all_asked() if self._scarce else self._asked(asked)
            self._scarce = False
            return moved
        looked = self._divide() if self._pending else []
        candidates: Iterable[int] = (*asked, *looked) if self._scarce else range(len(self.due))
        self._scarce = True
        return self._within_fair(candidates)

    def _all_asked(self) -> list[int]:
        moved = [position for position, due in enumerate(self.due) if due != self._demand[position]]
        self.due[:] = self._demand
        return moved

    def _asked(self, asked: Iterable[int]) -> list[int]:
        moved = []
        for position in asked:
            if self.due[position] != self._demand[position]:
                self.due[position] = self._demand[position]
                moved.append(position)
        return moved

    def _within_fair(self, candidates: Iterable[int]) -> list[int]:
        due, demand, fair, moved = self.due, self._demand, self._fair, []
        for position in candidates:
            amount = min(fair[position], demand[position])
            if amount != due[position]:
                due[position] = amount
                moved.append(position)
        return moved

    def _requestable(self, position: int) -> int:
        limit, demand = self._tree.limit[position], self._demand[position]
        return demand if limit is None or demand < limit else limit

    def _divide(self) -> list[int]:
        """Divide again where that may change anything, from the top down; return queues whose fair share moved."""
        dirty = set()
        for position in self._pending:
            now, then, enough = self._requestable(position), self._divided[position], self._fair[position] + _BEYOND
            if now == then:
                continue
            group = self._tree.parents[position]
            self._divided[position] = now
            self._asked_of[group][self._place[position]] = now / MILLI
            if now < enough or then < enough:
                dirty.add(group)
        self._pending.clear()
        moved: list[int] = []
        for group in self._groups if dirty else ():
            if group in dirty:
                moved += self._share_out(group)
                dirty.update(
                    position
                    for position in self._tree.children.get(group, ())
                    if position in self._totals and self._fair_of(position) != self._totals[position]
                )
        return moved

    def _share_out(self, group: int) -> list[int]:
        """Divide among siblings; return those whose fair share moved."""
        self._totals[group] = total = self._fair_of(group)
        moved, limits, known = [], self._tree.limit, self._exact
        shares = self._siblings[group].divide(total, self._asked_of[group])
        for position, exact in zip(self._tree.children.get(group, ()), shares, strict=True):
            if exact == known[position]:
                continue
            known[position] = exact
            fair, limit = round(exact * MILLI), limits[position]
            if limit is not None and fair > limit:
                fair = limit
            if fair != self._fair[position]:
                self._fair[position] = fair
                moved.append(position)
        return moved

    def _fair_of(self, group: int) -> float:
        return self._tree.capacity / MILLI if group == ROOT else self._exact[group]
