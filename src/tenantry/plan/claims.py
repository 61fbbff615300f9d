"""What verification leaves open about pairs of tenants, channel by channel, so that two sides can be compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenantry.model.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.claim import Alike, Claim

Pair = tuple[str, str]
"""Source and target; an empty target means every other tenant."""


@dataclass
class OpenPairs:
    """The pairs of one channel that are not proved.

    Attributes:
        violated: what shows it, by pair; the worst impact counts.
        unknown: pairs of which a fact is missing.
    """

    violated: dict[Pair, Claim] = field(default_factory=dict)
    unknown: set[Pair] = field(default_factory=set)
    _missing: list[Alike] = field(default_factory=list)

    @classmethod
    def by_channel(cls, claims: Iterable[Alike]) -> dict[str, OpenPairs]:
        """Return the pairs of each channel of which something is claimed."""
        found: dict[str, OpenPairs] = {}
        for alike in sorted(claims, key=lambda item: (item.ground.impact, repr(item.ground.missing))):
            pairs = found.setdefault(alike.ground.channel, cls())
            if alike.ground.verdict is Verdict.VIOLATED:
                for pair in alike.pairs:
                    pairs.violated.setdefault(pair, alike.ground)
            else:
                pairs.unknown |= alike.pairs
                pairs._missing.append(alike)
        return found

    def worst(self, source: str, target: str) -> Claim | None:
        """Return what is said of a pair, without the pair; None where it is proved."""
        pair = source, target
        return self.violated.get(pair) or next((item.ground for item in self._missing if pair in item.pairs), None)
