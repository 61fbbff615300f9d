"""What a verification found, in the form every output is made from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from tenantry.errors import ExitCode
from tenantry.model.claim import Impact
from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Strength

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.app.fix_edits import Edit
    from tenantry.model.change import Fix
    from tenantry.model.claim import Claim, Effect
    from tenantry.model.problem import Location
    from tenantry.model.spec import Waiver
    from tenantry.model.tenancy import Permission, SignedFact, Tenancy
    from tenantry.safe.benchmark18 import Check

STRENGTH_WORDS = {
    Strength.DEPLOYED: "as deployed",
    Strength.ADVERSARIAL: "adversarial tenant",
    Strength.CARELESS: "adversarial tenant, careless victim",
}
"""How outputs name the strengths."""

EVERYBODY = "*"
"""Stands for every other tenant in the subject of a finding."""


@dataclass(frozen=True, slots=True)
class SafeFinding:
    """A claim that is no proof, with its name and places.

    Attributes:
        id: stable name such as ``SAFE-N1-3fa91c02``; the same hole has the same name in every run.
        claim: what is claimed.
        title: title of the channel.
        places: file and line per step of the witness, None for a step that is an absence or was not read from a file.
        waiver: the waiver that accepts it, expired or not.
        waived: whether a waiver accepts it today.
        repair: changes of objects that close it, tried on the objects; None when none was found, or none looked for.
        edits: the same as edits of files; empty where the objects were not read from files.
    """

    id: str
    claim: Claim
    title: str
    places: tuple[Location | None, ...] = ()
    waiver: Waiver | None = None
    waived: bool = False
    repair: Fix | None = None
    edits: tuple[Edit, ...] = ()

    @property
    def rule(self) -> str:
        """Rule id such as ``SAFE-N1``."""
        return f"SAFE-{self.claim.channel}"

    @property
    def subject(self) -> str:
        """Who acts on whom: ``vision -> search``, or ``vision -> *`` for every other tenant."""
        return f"{self.claim.source} -> {self.claim.target or EVERYBODY}"

    @property
    def message(self) -> str:
        """One sentence: what can be done, or what is not known."""
        if self.claim.witness is not None:
            return self.claim.witness.summary
        return "; ".join(item.how or f"{item.fact} is not known" for item in self.claim.missing)


@dataclass(frozen=True, slots=True)
class ChannelResult:
    """What one channel came to.

    Attributes:
        id: channel id.
        title: what it is.
        effect: the worst a tenant could do through it.
        impact: how far that would reach.
        verdict: the worst of all claims.
        violated: ordered pairs with a violation.
        unknown: ordered pairs without a violation of which something is not known.
        proved: the other pairs.
        reasons: why pairs are proved, each reason once, sorted; of tenants that differ in names only, of the first.
    """

    id: str
    title: str
    effect: Effect
    impact: Impact
    verdict: Verdict
    violated: int
    unknown: int
    proved: int
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A fact that is missing.

    Attributes:
        fact: its id; empty when no signed fact can supply it.
        how: the cheapest ways to supply it.
        channels: channels that wait for it, in their order.
        findings: findings that wait for it.
        state: what is signed at present and why it does not do; empty when nothing is signed.
        entry: an entry for a ``Facts`` document, ready to paste; empty when no such fact can be signed.
    """

    fact: str
    how: tuple[str, ...]
    channels: tuple[str, ...]
    findings: int
    state: str = ""
    entry: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one tenant can do to another.

    Attributes:
        verdict: the worst verdict.
        impact: the worst impact among findings of that verdict; None when all is proved.
        findings: indices of the findings, in their order.
    """

    verdict: Verdict
    impact: Impact | None
    findings: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StrengthColumn:
    """What is found at one strength, where several are compared.

    Attributes:
        strength: what the proofs quantify over.
        verdicts: the worst verdict per channel, in the order of channels.
        violated: ordered pairs of tenants with a violation.
        unknown: ordered pairs without one of which something is not known.
        pairs: ordered pairs that were looked at.
    """

    strength: Strength
    verdicts: Mapping[str, Verdict]
    violated: int
    unknown: int
    pairs: int


PROVED_CELL = Cell(Verdict.PROVED, None, ())


@dataclass(frozen=True)
class VerifyReport:
    """Everything a verification found.

    Attributes:
        name: the platform, or the folder of manifests.
        strength: what the proofs quantify over.
        tenancy: who owns what.
        channels: one result per channel that ran, in the order of channels.
        known_channels: number of channels there are.
        findings: claims that are no proof, worst first.
        gaps: missing facts, the one that most waits for first.
        permissions: exceptions of the contract that hold.
        expired_permissions: exceptions of the contract that hold no more.
        facts: signed facts, by id.
        waivers: waivers of rules of this command.
        expired_waivers: those that hold no more.
        benchmark: checks of the multi-tenancy benchmarks per tenant; empty when only some channels were asked for.
        unread: what could not be read, a line each; what is in it is not known.
        notes: what was concluded, a sentence each.
        objects: number of objects read.
        tenant: the only tenant looked at; empty for all.
        threshold: findings of less impact do not change the exit code.
        strengths: what is found at every strength, the weakest first; empty when one only was asked for.
    """

    name: str
    strength: Strength
    tenancy: Tenancy
    channels: tuple[ChannelResult, ...]
    known_channels: int
    findings: tuple[SafeFinding, ...]
    gaps: tuple[Gap, ...] = ()
    permissions: tuple[Permission, ...] = ()
    expired_permissions: tuple[Permission, ...] = ()
    facts: tuple[SignedFact, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    expired_waivers: tuple[Waiver, ...] = ()
    benchmark: Mapping[str, tuple[Check, ...]] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    objects: int = 0
    tenant: str = ""
    threshold: Impact = Impact.S3
    strengths: tuple[StrengthColumn, ...] = ()

    @property
    def partial(self) -> bool:
        """Whether some channels or tenants were left out."""
        return bool(self.tenant) or len(self.channels) < self.known_channels

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all tenants, sorted."""
        return tuple(tenant.name for tenant in self.tenancy.tenants)

    def concerns(self, source: str, target: str) -> bool:
        """Whether an ordered pair of tenants was looked at."""
        return source != target and (not self.tenant or self.tenant in {source, target})

    @property
    def pair_count(self) -> int:
        """Number of ordered pairs of tenants that were looked at."""
        others = len(self.names) - 1
        return 2 * others if self.tenant else len(self.names) * others

    @cached_property
    def cells(self) -> Mapping[tuple[str, str], Cell]:
        """Per ordered pair of tenants what one can do to the other; pairs of which all is proved are left out."""
        everybody: dict[str, list[int]] = {}
        one: dict[tuple[str, str], list[int]] = {}
        for index, finding in enumerate(self.findings):
            claim = finding.claim
            if claim.target:
                one.setdefault((claim.source, claim.target), []).append(index)
            else:
                everybody.setdefault(claim.source, []).append(index)
        # Nearly all pairs of a source have the same cell.
        alike = {source: self._cell(tuple(indices)) for source, indices in everybody.items()}
        found: dict[tuple[str, str], Cell] = {}
        for source in self.names:
            for target in (self.tenant,) if self.tenant and source != self.tenant else self.names:
                pair = source, target
                if source == target:
                    continue
                if pair in one:
                    found[pair] = self._cell(tuple(sorted((*everybody.get(source, ()), *one[pair]))))
                elif source in alike:
                    found[pair] = alike[source]
        return found

    def _cell(self, indices: tuple[int, ...]) -> Cell:
        claims = [self.findings[index].claim for index in indices]
        verdict = Verdict.VIOLATED if any(item.verdict is Verdict.VIOLATED for item in claims) else Verdict.UNKNOWN
        return Cell(verdict, min(item.impact for item in claims if item.verdict is verdict), indices)

    def cell(self, source: str, target: str) -> Cell:
        """Return what ``source`` can do to ``target``."""
        return self.cells.get((source, target), PROVED_CELL)

    def blast(self, source: str) -> tuple[int, int]:
        """Return how many tenants ``source`` can act on, and of how many more that is not known."""
        return self._blasts[Verdict.VIOLATED][source], self._blasts[Verdict.UNKNOWN][source]

    @cached_property
    def _blasts(self) -> Mapping[Verdict, Counter[str]]:
        found: dict[Verdict, Counter[str]] = {Verdict.VIOLATED: Counter(), Verdict.UNKNOWN: Counter()}
        for (source, _), cell in self.cells.items():
            found[cell.verdict][source] += 1
        return found

    def count(self, verdict: Verdict) -> int:
        """Number of findings of a verdict."""
        return sum(finding.claim.verdict is verdict for finding in self.findings)

    def pairs(self, verdict: Verdict) -> int:
        """Number of ordered pairs that were looked at whose worst verdict this is."""
        if verdict is Verdict.PROVED:
            return self.pair_count - len(self.cells)
        return sum(cell.verdict is verdict for cell in self.cells.values())

    @property
    def zero(self) -> bool:
        """Whether nothing is violated and nothing unknown in everything there is: the promise."""
        return bool(self.channels) and not (self.findings or self.unread or self.partial)

    def passed(self, tenant: str) -> tuple[int, int]:
        """Return how many checks of the multi-tenancy benchmarks a tenant passes, and of how many."""
        checks = self.benchmark.get(tenant, ())
        return sum(check.verdict is Verdict.PROVED for check in checks), len(checks)

    @property
    def expired(self) -> bool:
        """Whether an exception or a waiver has expired."""
        return bool(self.expired_permissions or self.expired_waivers)

    @property
    def exit_code(self) -> ExitCode:
        """0 when all is proved or waived, 3 with a violation, 2 with something unknown or expired."""
        counted = [item for item in self.findings if not item.waived and item.claim.impact <= self.threshold]
        if any(item.claim.verdict is Verdict.VIOLATED for item in counted):
            return ExitCode.UNSAFE
        return ExitCode.FINDINGS if counted or self.unread or self.expired else ExitCode.CLEAN

    @property
    def headline(self) -> str:
        """The line that says it all; it says blast radius 0 only where that is proved."""
        words = STRENGTH_WORDS[self.strength]
        if self.zero:
            number = len(self.names)
            return f"blast radius 0: none of {number} tenants can act on another ({words})"
        parts = []
        total = self.pair_count
        for verdict, word in ((Verdict.VIOLATED, "violated"), (Verdict.UNKNOWN, "unknown")):
            channels = sum(item.verdict is verdict for item in self.channels)
            pairs = self.pairs(verdict)
            if pairs:
                parts.append(f"{pairs} of {_number(total, 'pair')} {word} ({_number(channels, 'channel')})")
            elif channels:
                parts.append(f"{_number(channels, 'channel')} {word}")
        waived = sum(item.waived for item in self.findings)
        if waived:
            parts.append(f"{waived} of {_number(len(self.findings), 'finding')} waived")
        if self.unread:
            parts.append(f"{_number(len(self.unread), 'input')} not read")
        if not parts:
            return f"proved as far as looked at: {self.looked_at} ({words})"
        partly = f"; looked only at {self.looked_at}" if self.partial else ""
        return f"not proved safe: {', '.join(parts)} ({words}{partly})"

    @property
    def looked_at(self) -> str:
        """What was looked at, in words."""
        if len(self.channels) < self.known_channels:
            chosen = f"channel{'s' if len(self.channels) != 1 else ''} {', '.join(item.id for item in self.channels)}"
        else:
            chosen = f"all {self.known_channels} channels"
        return chosen + (f" of tenant {self.tenant}" if self.tenant else "")


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
