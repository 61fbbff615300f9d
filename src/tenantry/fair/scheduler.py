"""What every modelled scheduler offers: one cycle from a moment to its decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tenantry.model.moment import Moment
    from tenantry.model.schedule import Cycle


class Scheduler(Protocol):
    """A batch scheduler as a pure function of what it sees."""

    @property
    def name(self) -> str:
        """Name and version, as outputs show them."""

    @property
    def period(self) -> int:
        """Seconds between two cycles."""

    def cycle(self, moment: Moment) -> Cycle:
        """Decide once. The same moment gives the same decisions, in the same order."""

    def wakes(self, moment: Moment) -> int | None:
        """Second after ``moment.now`` at which time alone may change what is decided, or None when it never does."""

    def shuffled(self, seed: int) -> Scheduler:
        """Return the same scheduler with what it leaves open (the order of hash maps) decided another way."""
