"""Problems of profile tables, as values: where, what is wrong, and what became of the row."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tenantry.model.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.model.problem import Location


@dataclass(frozen=True, slots=True)
class ProfileRule:
    """What a reader of profile tables watches for.

    Attributes:
        severity: ``ERROR``: the row is left out. ``WARNING``: it is kept, with something doubtful.
            ``INFO``: nothing is wrong, but whoever uses the table should know.
        meaning: what it is, and what becomes of the row.
    """

    severity: Severity
    meaning: str


_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

RULES: Final[Mapping[str, ProfileRule]] = MappingProxyType(
    {
        "PROFILE-COLUMNS": ProfileRule(_ERROR, "a row has more or fewer cells than the header"),
        "PROFILE-GPU": ProfileRule(_ERROR, "a GPU model is missing or not in the catalog"),
        "PROFILE-SLICE": ProfileRule(_ERROR, "a slice is none of the GPU's MIG profiles"),
        "PROFILE-SHARING": ProfileRule(
            _ERROR, "the way of sharing, the slice and the neighbours contradict each other"
        ),
        "PROFILE-NAME": ProfileRule(_ERROR, "a row names no workload"),
        "PROFILE-VALUE": ProfileRule(
            _ERROR, "a number is missing, unreadable, negative, not finite or beyond any measurement"
        ),
        "PROFILE-ORDER": ProfileRule(_ERROR, "percentiles of latency contradict each other: a higher one is lower"),
        "PROFILE-DUPLICATE": ProfileRule(_ERROR, "the same setting was there before; the first row counts"),
        "PROFILE-FALLS": ProfileRule(
            _WARNING, "a larger slice has a throughput more than 5 % below that of a smaller one; both rows are kept"
        ),
        "PROFILE-NOT-RUN": ProfileRule(
            _INFO, "throughput and latency are both zero: the setting did not run; that is kept, and no zero is"
        ),
        "PROFILE-GAP": ProfileRule(_INFO, "a workload lacks measurements on a slice that others have"),
        "PROFILE-ASSUMED": ProfileRule(
            _INFO, "the format does not say which GPU was measured; the published one is taken"
        ),
        "PROFILE-PASSED-OVER": ProfileRule(_INFO, "a file of the folder is no profile table and is passed over"),
        "PROFILE-NO-GPU": ProfileRule(_INFO, "a row was measured without a GPU; it is no evidence about GPUs"),
    }
)
"""Every rule by its id."""

FALL: Final = 0.05
"""Part by which a larger slice may fall behind before it is remarked on. Launch-bound work with small batches is as
fast on every slice, and repeated measurements of it differ by a few percent."""


@dataclass(frozen=True, slots=True)
class ProfileProblem:
    """One thing wrong with a profile table, or worth knowing about it.

    Attributes:
        rule: one of :data:`RULES`.
        location: file and line.
        message: one sentence naming the thing and what became of it.
        expected: what would have been accepted, in words; empty when the message says it all.
        found: what stands there; empty for something missing.
        nearest: the closest valid name, or None.
    """

    rule: str
    location: Location
    message: str
    expected: str = ""
    found: str = ""
    nearest: str | None = None

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return RULES[self.rule].severity

    def __str__(self) -> str:
        place = f"{self.location.file}:{self.location.line}" if self.location.line else self.location.file
        parts = [f"{place}: {self.message}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.found:
            parts.append(f"found {self.found}")
        if self.nearest:
            parts.append(f"did you mean {self.nearest!r}?")
        return "; ".join(parts) + f" ({self.rule})"
