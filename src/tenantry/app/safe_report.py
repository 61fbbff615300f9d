"""Turns claims into the report of a verification: findings with names and places, pairs, and what is missing."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from tenantry import catalog
from tenantry.app.fix_edits import edits
from tenantry.app.strengths import columns
from tenantry.app.tenancy import matches
from tenantry.app.verification import ChannelResult, Gap, SafeFinding, VerifyReport
from tenantry.io.manifests import locate
from tenantry.io.yaml_write import dump
from tenantry.model.finding import Verdict
from tenantry.safe.benchmark18 import benchmarks
from tenantry.safe.fixes.search import Fixer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tenantry.app.fix_edits import Edit
    from tenantry.app.verify import Question, Subject
    from tenantry.model.claim import Claim, Step
    from tenantry.model.problem import Location
    from tenantry.model.snapshot import Snapshot
    from tenantry.model.spec import Waiver
    from tenantry.model.tenancy import Declared
    from tenantry.safe.benchmark18 import Check
    from tenantry.safe.channels.channel import Channel
    from tenantry.safe.view import View

WORST = (Verdict.VIOLATED, Verdict.UNKNOWN, Verdict.PROVED)
"""Verdicts in the order of findings."""


def build_report(
    subject: Subject,
    question: Question,
    declared: Declared,
    channels: Sequence[Channel],
    claims: Sequence[Claim],
    *,
    known: int,
    view: View,
) -> VerifyReport:
    """Put everything together.

    Args:
        subject: what was verified.
        question: what was asked; its day is set.
        declared: exceptions and facts as they stand on that day.
        channels: channels that ran.
        claims: what they claim; proofs of one tenant of those that are alike will do.
        known: number of channels there are.
        view: what the channels looked at.
    """
    concerned = [claim for claim in claims if _concerns(claim, question.tenant)]
    waivers = [item for item in subject.waivers if item.spec.rule.startswith("SAFE-")]
    today = question.today
    findings = _findings(concerned, channels, waivers, question)
    findings = _placed(findings, view.snapshot, on_disk=subject.on_disk)
    if question.fixes:
        findings = _repaired(findings, view, channels, on_disk=subject.on_disk)
    return VerifyReport(
        name=subject.name,
        strength=question.strength,
        tenancy=subject.tenancy,
        channels=tuple(_results(channels, concerned, subject, question.tenant)),
        known_channels=known,
        findings=tuple(findings),
        gaps=_gaps(findings, declared, question),
        permissions=declared.permissions,
        expired_permissions=declared.expired,
        facts=tuple(declared.facts.values()),
        waivers=tuple(item for item in waivers if today is None or item.spec.expires >= today),
        expired_waivers=tuple(item for item in waivers if today is not None and item.spec.expires < today),
        benchmark=_benchmark(view, question),
        unread=subject.unread,
        notes=subject.notes,
        objects=len(subject.snapshot),
        tenant=question.tenant,
        threshold=question.threshold,
        strengths=columns(view, channels, claims, question) if question.every_strength else (),
    )


def _benchmark(view: View, question: Question) -> dict[str, tuple[Check, ...]]:
    if question.channels:
        return {}
    return benchmarks(view, [tenant.name for tenant in view.tenants if question.tenant in {"", tenant.name}])


def _concerns(claim: Claim, tenant: str) -> bool:
    return not tenant or claim.source == tenant or claim.target in {tenant, ""}


# Findings ------------------------------------------------------------------------------------------------------------


def _findings(
    claims: Iterable[Claim], channels: Sequence[Channel], waivers: Sequence[Waiver], question: Question
) -> list[SafeFinding]:
    titles = {channel.id: channel.title for channel in channels}
    position = {channel.id: index for index, channel in enumerate(channels)}
    used: set[str] = set()
    found = []
    for claim in claims:
        if claim.verdict is Verdict.PROVED:
            continue
        finding = SafeFinding(_name(claim, used), claim, titles.get(claim.channel, claim.channel))
        found.append(_waived(finding, waivers, question))
    return sorted(
        found,
        key=lambda item: (
            WORST.index(item.claim.verdict),
            item.claim.impact,
            position.get(item.claim.channel, 0),
            item.claim.source,
            item.claim.target,
            item.id,
        ),
    )


def _name(claim: Claim, used: set[str]) -> str:
    """Return a name that stays the same as long as the hole does, whatever else changes."""
    if claim.witness is not None:
        backing = [f"{_key(step)}/{'/'.join(map(str, step.pointer))}" for step in claim.witness.steps]
    else:
        backing = sorted(item.fact or item.how for item in claim.missing)
    parts = [claim.channel, claim.verdict.value, claim.source, claim.target, *backing]
    name = f"SAFE-{claim.channel}-{_hash(parts)}"
    if name in used:
        # Two ways through the same objects differ in what they say only: pods, ports, the manifest.
        name = f"SAFE-{claim.channel}-{_hash([*parts, repr(claim)])}"
    used.add(name)
    return name


def _key(step: Step) -> str:
    if step.by is None:
        return step.missing
    return f"{step.by.group}/{step.by.kind}/{step.by.namespace}/{step.by.name}"


def _hash(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _waived(finding: SafeFinding, waivers: Sequence[Waiver], question: Question) -> SafeFinding:
    """Attach the waiver that accepts a finding: one that holds before one that has expired."""
    fitting = [
        item for item in waivers if item.spec.rule == finding.rule and matches(finding.subject, item.spec.subject)
    ]
    if not fitting:
        return finding
    latest = max(fitting, key=lambda item: (item.spec.expires, item.name))
    holds = question.today is None or latest.spec.expires >= question.today
    return replace(finding, waiver=latest, waived=holds)


def _placed(findings: Sequence[SafeFinding], snapshot: Snapshot, *, on_disk: bool) -> list[SafeFinding]:
    """Find the place of every step; each file is read again once, whatever the number of places in it."""
    steps = {step for finding in findings if finding.claim.witness for step in finding.claim.witness.steps}
    found = {}
    for step in steps:
        key = step.by
        manifest = key and snapshot.get(key.group, key.kind, key.name, key.namespace)
        # What every cluster has is in no file; its place is written in angle brackets.
        if manifest and manifest.location.file and not manifest.location.file.startswith("<"):
            found[step] = manifest
    places: dict[Step, Location] = {}
    for step, manifest in sorted(found.items(), key=lambda item: (item[1].location, item[1].document, str(item[0]))):
        places[step] = locate(manifest, step.pointer) if on_disk else manifest.location
    return [
        replace(item, places=tuple(places.get(step) for step in item.claim.witness.steps))
        if item.claim.witness
        else item
        for item in findings
    ]


def _repaired(
    findings: Iterable[SafeFinding], view: View, channels: Sequence[Channel], *, on_disk: bool
) -> list[SafeFinding]:
    """Look for a fix for every violation, the worst first, as far as the effort for it goes."""
    fixer = Fixer(view, {channel.id: channel for channel in channels})
    # One change may close many holes.
    made: dict[str, tuple[Edit, ...]] = {}
    found = []
    for item in findings:
        fix = fixer.fix(item.claim) if item.claim.verdict is Verdict.VIOLATED else None
        changes = repr(fix.changes) if fix is not None and on_disk else ""
        if fix is not None and changes and changes not in made:
            made[changes] = edits(fix, view.given)
        found.append(replace(item, repair=fix, edits=made.get(changes, ())))
    return found


# Channels ------------------------------------------------------------------------------------------------------------


def _results(
    channels: Sequence[Channel], claims: Iterable[Claim], subject: Subject, tenant: str
) -> Iterable[ChannelResult]:
    others = len(subject.tenancy.tenants) - 1
    total = 2 * others if tenant else (others + 1) * others
    grouped: dict[str, list[Claim]] = {}
    for claim in claims:
        grouped.setdefault(claim.channel, []).append(claim)
    for channel in channels:
        own = grouped.get(channel.id, [])
        found = {verdict: _Pairs(own, verdict, tenant) for verdict in (Verdict.VIOLATED, Verdict.UNKNOWN)}
        violated = found[Verdict.VIOLATED].count(others)
        unknown = found[Verdict.UNKNOWN].count(others, found[Verdict.VIOLATED])
        verdicts = {claim.verdict for claim in own}
        yield ChannelResult(
            id=channel.id,
            title=channel.title,
            effect=channel.effect,
            impact=channel.impact,
            verdict=next((verdict for verdict in WORST if verdict in verdicts), Verdict.PROVED),
            violated=violated,
            unknown=unknown,
            proved=total - violated - unknown,
            reasons=tuple(sorted({claim.reason for claim in own if claim.verdict is Verdict.PROVED})),
        )


class _Pairs:
    """Pairs of which a channel claims something, many of them by their source.

    Args:
        claims: what it claims.
        verdict: the verdict that counts.
        tenant: the only tenant of interest; empty for all.
    """

    def __init__(self, claims: Iterable[Claim], verdict: Verdict, tenant: str) -> None:
        counted = [claim for claim in claims if claim.verdict is verdict]
        self._tenant = tenant
        self._sources = {claim.source for claim in counted if not claim.target}
        pairs = {(claim.source, claim.target) for claim in counted if claim.target}
        self._pairs = {pair for pair in pairs if pair[0] not in self._sources and (not tenant or tenant in pair)}

    def count(self, others: int, but: _Pairs | None = None) -> int:
        """Return how many pairs these are, without some others.

        Args:
            others: how many other tenants each has.
            but: pairs that do not count.
        """
        if but is None:
            return len(self._pairs) + sum(self._width(source, others) for source in self._sources)
        found = sum(pair not in but._pairs and pair[0] not in but._sources for pair in self._pairs)
        left = self._sources - but._sources
        return found + sum(self._width(source, others) for source in left) - sum(pair[0] in left for pair in but._pairs)

    def _width(self, source: str, others: int) -> int:
        return 1 if self._tenant and source != self._tenant else others


# Missing facts -------------------------------------------------------------------------------------------------------


def _gaps(findings: Iterable[SafeFinding], declared: Declared, question: Question) -> tuple[Gap, ...]:
    waiting: dict[str, dict[str, SafeFinding]] = {}
    ways: dict[str, dict[str, None]] = {}
    for finding in findings:
        for item in finding.claim.missing if finding.claim.verdict is Verdict.UNKNOWN else ():
            key = item.fact or item.how
            waiting.setdefault(key, {})[finding.id] = finding
            if item.how:
                ways.setdefault(key, {})[item.how] = None
    definitions = {item.id: item for item in catalog.fact_definitions()}
    gaps = [
        Gap(
            fact=key if key in definitions else "",
            how=tuple(ways.get(key, {})) or (key,),
            channels=tuple(dict.fromkeys(item.claim.channel for item in found.values())),
            findings=len(found),
            state=_state(key, declared),
            entry=_entry(definitions[key], question) if key in definitions else "",
        )
        for key, found in waiting.items()
    ]
    return tuple(sorted(gaps, key=lambda gap: (-gap.findings, gap.fact or "~", gap.how)))


def _state(fact: str, declared: Declared) -> str:
    signed = declared.facts.get(fact)
    if signed is None:
        return ""
    value = str(signed.value).lower() if isinstance(signed.value, bool) else signed.value
    if signed.expired:
        return f"signed as {value} by {signed.signed_by}, which has expired"
    return f"signed as {value} by {signed.signed_by}, which proves nothing"


def _entry(definition: catalog.FactDefinition, question: Question) -> str:
    """Write an entry for a ``Facts`` document; the value is what must hold, for a person to confirm."""
    value = (definition.holds or definition.values)[0]
    body = [
        {
            "id": definition.id,
            "value": value,
            "evidence": definition.seen,
            "signedBy": "NAME",
            "date": question.today.isoformat() if question.today else "DATE",
        }
    ]
    return dump(body).replace(f'"{body[0]["date"]}"', str(body[0]["date"]))


def by_id(report: VerifyReport) -> Mapping[str, SafeFinding]:
    """Return the findings by their names."""
    return {finding.id: finding for finding in report.findings}
