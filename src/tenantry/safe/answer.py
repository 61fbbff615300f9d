"""Who asks the API server, and what admission answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenantry.model.claim import Missing
    from tenantry.model.manifest import Body, ManifestKey
    from tenantry.model.problem import DocPath


class Answer(StrEnum):
    """What admission says about an object."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks the API server: a user name with its groups, as ``request.userInfo`` has them."""

    username: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether an object would be let in.

    Attributes:
        answer: what is known.
        by: the object that refuses it, or that nobody can look into; None when admitted.
        pointer: the place in ``by`` that decides.
        reason: why, in one line.
        missing: what would decide an unknown answer.
        body: the object that was let in, where labels were added to it to slip past a selector.
        user: who would ask.
    """

    answer: Answer
    by: ManifestKey | None = None
    pointer: DocPath = ()
    reason: str = ""
    missing: tuple[Missing, ...] = ()
    body: Body | None = None
    user: Requester | None = None

    @property
    def admitted(self) -> bool:
        """Whether it is known to be let in."""
        return self.answer is Answer.ADMITTED

    @property
    def refused(self) -> bool:
        """Whether it is known to be refused."""
        return self.answer is Answer.REFUSED
