"""What was found about one tenant: against everybody alike, and against some."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenantry.safe.ruling import Outcome, Ruling, pairwise, worst

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.claim import Claim
    from tenantry.safe.view import View


@dataclass
class Tally:
    """Outcomes of one source, collected while its namespaces are looked at.

    Attributes:
        general: what concerns every other tenant.
        found: what concerns one other tenant, the first outcome of each.
    """

    general: list[Outcome] = field(default_factory=list)
    found: dict[str, Outcome] = field(default_factory=dict)

    @property
    def broken(self) -> bool:
        """Whether a violation against everybody was found, so that looking on adds nothing."""
        return any(outcome.witness is not None for outcome in self.general)

    def add(self, outcome: Outcome, target: str = "") -> None:
        """Note an outcome; what is not a violation concerns everybody."""
        if target and outcome.witness is not None:
            self.found.setdefault(target, outcome)
        else:
            self.general.append(outcome)

    def claims(self, ruling: Ruling, view: View, source: str, reason: str) -> Iterator[Claim]:
        """Yield the claims of the source, with the reason why nothing else happens."""
        general = worst(self.general) if self.general else None
        if general is not None and not general.reason:
            yield general.claim(ruling, source)
        if self.found or general is None or general.reason:
            yield from pairwise(ruling, view, source, self.found, reason)
