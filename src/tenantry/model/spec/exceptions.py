"""``Contract``, ``Facts`` and ``Waiver``: what is wanted, what is signed for, and what is accepted for a while."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tenantry.model.spec.base import Day, Document, Name, SpecModel

PortText = Annotated[str, Field(pattern=r"^(TCP|UDP|SCTP)/[0-9]{1,5}(-[0-9]{1,5})?$")]


class Peer(SpecModel):
    """One side of an exception."""

    tenant: Name
    """Tenant."""
    namespaces: list[Name] = []
    """Namespaces of that tenant; all when empty."""
    pods: dict[str, str] = {}
    """Labels of the pods; all pods when empty."""


class ContractException(SpecModel):
    """A connection or right between two tenants that is wanted."""

    name: Name
    """Identifies the exception."""
    source: Peer = Field(alias="from")
    """Who may start it."""
    target: Peer = Field(alias="to")
    """Whom it reaches."""
    ports: Annotated[list[PortText], Field(min_length=1)]
    """Ports such as ``TCP/8443``."""
    reason: Annotated[str, Field(min_length=3)]
    """Why it is wanted."""
    expires: Day
    """Last day on which it holds."""


class ContractSpec(SpecModel):
    """The exceptions to isolation."""

    exceptions: list[ContractException] = []
    """Connections between tenants; everything not listed is forbidden."""


class Contract(Document):
    """The exceptions to isolation that are wanted; a spec has at most one."""

    kind: Literal["Contract"]
    """Always ``Contract``."""
    spec: ContractSpec
    """The exceptions."""


class Fact(SpecModel):
    """Something no manifest shows and a person signs for."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9.-]*$")]
    """What is stated, for example ``cni`` or ``fabric.switch-partitioning``."""
    value: str | bool
    """What is so."""
    evidence: Annotated[str, Field(min_length=3)]
    """Where it can be seen: a ticket, a configuration, a command and its output."""
    signed_by: Annotated[str, Field(min_length=2)]
    """Person who stands for it."""
    date: Day
    """Day it was checked."""
    expires: Day | None = None
    """Day after which it must be checked again."""


class FactsSpec(SpecModel):
    """Signed statements."""

    facts: list[Fact]
    """Each with its evidence."""


class Facts(Document):
    """What no manifest can show."""

    kind: Literal["Facts"]
    """Always ``Facts``."""
    spec: FactsSpec
    """Signed statements."""


class WaiverSpec(SpecModel):
    """A finding that is accepted for a while."""

    rule: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]*(-[A-Z0-9]+)+$")]
    """Rule id, for example ``LINT-SRIOV-SELECTOR``."""
    subject: Annotated[str, Field(min_length=1)]
    """Object concerned, as printed in the finding; ``*`` stands for any run of characters."""
    reason: Annotated[str, Field(min_length=3)]
    """Why it is accepted."""
    approved_by: str = ""
    """Who accepted it."""
    expires: Day
    """Last day on which it is accepted."""


class Waiver(Document):
    """One accepted finding."""

    kind: Literal["Waiver"]
    """Always ``Waiver``."""
    spec: WaiverSpec
    """Rule, subject, reason and expiry."""
