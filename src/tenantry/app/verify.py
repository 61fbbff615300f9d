"""Verify that no tenant can act on another: of a spec, compiled in memory, or of manifests of any origin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from tenantry import catalog
from tenantry.app.compile import compile_spec
from tenantry.app.safe_report import build_report
from tenantry.app.tenancy import found_tenancy, spec_tenancy, stated_tenancy
from tenantry.catalog.kubernetes import kubernetes_schemas
from tenantry.errors import InputError
from tenantry.exec.garbage import keeping_all
from tenantry.io.manifests import read_manifests
from tenantry.io.spec_folder import load_parts
from tenantry.io.tenancy_file import load_tenancy
from tenantry.model.claim import Impact
from tenantry.model.finding import Severity
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location, did_you_mean
from tenantry.model.snapshot import Snapshot
from tenantry.model.spec import Contract, Facts, Waiver
from tenantry.model.tenancy import Declared, Permission, SignedFact, Strength
from tenantry.safe.channels import CHANNELS
from tenantry.safe.verify import open_claims, verify_once
from tenantry.safe.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from tenantry.app.verification import VerifyReport
    from tenantry.model.claim import Alike
    from tenantry.model.tenancy import Tenancy
    from tenantry.safe.channels.channel import Channel

DEFAULT_LABEL = "tenantry.dev/tenant"
"""Label of namespaces that names their tenant, unless told otherwise."""

KUBERNETES = "1.34"
"""Kubernetes that says which kinds have a namespace; they have been the same for years."""


@dataclass(frozen=True)
class Subject:
    """What is verified.

    Attributes:
        name: the platform, or the folders of manifests.
        snapshot: the objects.
        tenancy: who owns what.
        contract: wanted exceptions, or None.
        facts: signed statements; of two about one fact the later document counts.
        waivers: accepted findings.
        unread: what could not be read, a line each.
        notes: what was concluded, a sentence each.
        on_disk: whether the places of objects are files that can be read again.
    """

    name: str
    snapshot: Snapshot
    tenancy: Tenancy
    contract: Contract | None = None
    facts: tuple[Facts, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    unread: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    on_disk: bool = False


@dataclass(frozen=True)
class Question:
    """What is asked about it.

    Attributes:
        strength: what the proofs quantify over.
        channels: ids of the channels to decide; all when empty.
        tenant: the only tenant of interest; empty for all.
        threshold: findings of less impact do not change the exit code.
        today: day on which exceptions, facts and waivers must hold; the current one when None.
        every_strength: whether the other strengths are looked at as well, to be compared.
        fixes: whether changes that close violations are looked for, which takes longer than finding them.
    """

    strength: Strength = Strength.ADVERSARIAL
    channels: tuple[str, ...] = ()
    tenant: str = ""
    threshold: Impact = Impact.S3
    today: date | None = None
    every_strength: bool = False
    fixes: bool = True


def spec_subject(folder: Path, environment: str = "", parts: Sequence[Path] = ()) -> Subject:
    """Compile a spec in memory and take from it everything a verification needs.

    Args:
        folder: the spec.
        environment: overlay below ``environments/``; empty for none.
        parts: further files with ``Facts``, ``Contract`` and ``Waiver`` documents; they count before those of the spec.

    Raises:
        SpecError: with every problem of the spec or the files.
        InputError: if something cannot be read.
    """
    compilation = compile_spec(folder, environment).compilation
    manifests = [
        Manifest(body, Location(path), index)
        for path, bodies in compilation.files().items()
        for index, body in enumerate(bodies)
    ]
    snapshot = Snapshot(manifests)
    spec = compilation.cluster.spec
    subject = Subject(
        name=spec.platform.name + (f", environment {environment}" if environment else ""),
        snapshot=snapshot,
        tenancy=spec_tenancy(spec, snapshot),
        contract=spec.contract,
        facts=spec.facts,
        waivers=spec.waivers,
    )
    return _with_parts(subject, parts)


def tree_subject(
    paths: Sequence[Path],
    *,
    spec: Subject | None = None,
    tenancy: Path | None = None,
    label: str = "",
    parts: Sequence[Path] = (),
) -> Subject:
    """Read manifests of any origin and find out who owns what.

    Args:
        paths: folders and files of manifests.
        spec: a spec that says who owns what, with its contract, facts and waivers; None when there is none.
        tenancy: file that says who owns which namespaces, or None.
        label: label of namespaces that names their tenant; the file's or the usual one when empty.
        parts: files with ``Facts``, ``Contract`` and ``Waiver`` documents.

    Raises:
        InputError: if a path cannot be read, or a namespace has no owner.
        SpecError: with every problem of the tenancy file or of the parts.
    """
    stated = load_tenancy(tenancy) if tenancy is not None else stated_tenancy(spec.tenancy if spec else None)
    read = read_manifests(paths)
    unread = [
        f"{item.location}: {item.message}"
        for item in read.findings
        if item.severity >= Severity.WARNING or item.rule == "LINT-HELM-TEMPLATE"
    ]
    unread += [
        f"{item.location}: {item.key} is a kustomize patch; build the overlay and verify the result"
        for item in read.manifests
        if item in read.partial
    ]
    whole = [item for item in read.manifests if item not in read.partial and item.key.name]
    placed = list(_placed(whole))
    unread += [
        f"{item.location}: {item.key} names no namespace; it is taken as one of namespace default"
        for item, before in zip(placed, whole, strict=True)
        if item is not before
    ]
    snapshot = Snapshot(placed)
    unread += [
        f"{item.location}: {item.key} is given again with other content; the last one is looked at"
        for item in snapshot.repeated
        if _differs(item, snapshot)
    ]
    usual = label or stated.tenant_label or DEFAULT_LABEL
    owners, notes = found_tenancy(snapshot, stated, usual)
    name = ", ".join(str(path) for path in paths)
    subject = Subject(name, snapshot, owners, unread=tuple(unread), notes=notes, on_disk=True)
    if spec is not None:
        subject = replace(subject, contract=spec.contract, facts=spec.facts, waivers=spec.waivers)
    return _with_parts(subject, parts)


@keeping_all()
def verify_subject(
    subject: Subject,
    question: Question,
    *,
    channels: Sequence[Channel] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> VerifyReport:
    """Decide the channels and say what follows.

    Args:
        subject: what is verified.
        question: what is asked.
        channels: all channels there are; those of the engine when None.
        progress: told what is being done.

    Raises:
        InputError: if the question names a channel or tenant that does not exist, or the contract or a fact does.
    """
    known = CHANNELS if channels is None else channels
    chosen = _chosen(question.channels, known)
    if question.tenant and question.tenant not in subject.tenancy.by_name:
        raise _unknown("tenant", question.tenant, sorted(subject.tenancy.by_name))
    today = question.today or date.today()
    declared = declare(subject, today)
    view = View(subject.snapshot, subject.tenancy, declared, question.strength)
    claims = verify_once(view, chosen, progress)
    if question.fixes:
        progress("trying fixes")
    return build_report(subject, replace(question, today=today), declared, chosen, claims, known=len(known), view=view)


def open_claims_of(subject: Subject, question: Question, about: frozenset[str] | None = None) -> tuple[Alike, ...]:
    """Return what is not proved about a subject, by channel.

    Args:
        subject: what is verified.
        question: what is asked; strength and day count.
        about: ids of the channels to decide; None for all.

    Raises:
        InputError: if the contract names a tenant that does not exist, or a fact is stated that no rule knows.
    """
    declared = declare(subject, question.today or date.today())
    if about is not None and not about:
        return ()
    return open_claims(View(subject.snapshot, subject.tenancy, declared, question.strength), about)


def declare(subject: Subject, today: date) -> Declared:
    """Return what is declared besides the objects, with what has expired told apart.

    Raises:
        InputError: if the contract names a tenant there is not, or a fact is stated that no rule knows.
    """
    permissions = list(_permissions(subject))
    facts: dict[str, SignedFact] = {}
    known = {item.id: item for item in catalog.fact_definitions()}
    for document in subject.facts:
        for fact in document.spec.facts:
            definition = known.get(fact.id)
            if definition is None:
                raise _unknown("fact", fact.id, sorted(known))
            if not definition.allows(fact.value):
                allowed = ", ".join(str(value).lower() for value in definition.values)
                raise InputError(f"fact {fact.id} cannot be {fact.value!r}; it is one of {allowed}")
            expired = fact.expires is not None and fact.expires < today
            facts[fact.id] = SignedFact(fact.id, fact.value, fact.evidence, fact.signed_by, expired)
    return Declared(
        permissions=tuple(item for item in permissions if item.expires >= today),
        expired=tuple(item for item in permissions if item.expires < today),
        facts=dict(sorted(facts.items())),
    )


def _permissions(subject: Subject) -> Iterable[Permission]:
    if subject.contract is None:
        return
    names = sorted(subject.tenancy.by_name)
    for item in sorted(subject.contract.spec.exceptions, key=lambda entry: entry.name):
        for peer in (item.source, item.target):
            if peer.tenant not in names:
                raise _unknown("tenant", peer.tenant, names, f"exception {item.name} of the contract names")
            owned = subject.tenancy.by_name[peer.tenant].namespaces
            for namespace in peer.namespaces:
                if namespace not in owned:
                    where = f"exception {item.name} of the contract names"
                    raise _unknown(f"namespace of tenant {peer.tenant}", namespace, owned, where)
        yield Permission(
            name=item.name,
            source=item.source.tenant,
            target=item.target.tenant,
            source_namespaces=tuple(sorted(item.source.namespaces)),
            target_namespaces=tuple(sorted(item.target.namespaces)),
            target_labels=tuple(sorted(item.target.pods.items())),
            ports=tuple(sorted(map(_port, item.ports))),
            reason=item.reason,
            expires=item.expires,
            source_labels=tuple(sorted(item.source.pods.items())),
        )


def _port(text: str) -> tuple[str, int, int]:
    protocol, _, ports = text.partition("/")
    first, _, last = ports.partition("-")
    return protocol, int(first), int(last or first)


def _chosen(ids: Sequence[str], channels: Sequence[Channel]) -> list[Channel]:
    by_id = {channel.id.casefold(): channel for channel in channels}
    wanted = {name.casefold().removeprefix("safe-") for name in ids}
    for name in sorted(wanted - by_id.keys()):
        raise _unknown("channel", name.upper(), [channel.id for channel in channels])
    return [channel for channel in channels if not wanted or channel.id.casefold() in wanted]


def _unknown(noun: str, name: str, names: Sequence[str], where: str = "") -> InputError:
    hint = did_you_mean(name, names)
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return InputError(f"{where + ' ' if where else ''}{noun} {name!r}, which there is not; there are {shown}{hint}")


def _with_parts(subject: Subject, parts: Sequence[Path]) -> Subject:
    if not parts:
        return subject
    documents = load_parts(parts, ("Contract", "Facts", "Waiver"))
    contracts = [item for item in documents if isinstance(item, Contract)]
    if len(contracts) > 1:
        raise InputError(f"there are {len(contracts)} contracts; give one")
    return replace(
        subject,
        contract=contracts[0] if contracts else subject.contract,
        facts=(*subject.facts, *(item for item in documents if isinstance(item, Facts))),
        waivers=(*subject.waivers, *(item for item in documents if isinstance(item, Waiver))),
    )


def _placed(manifests: Sequence[Manifest]) -> Iterable[Manifest]:
    """Put objects that name no namespace though their kind has one into ``default``, as ``kubectl apply`` does."""
    namespaced = _namespaced(manifests)
    for item in manifests:
        if item.key.namespace or (item.key.group, item.key.kind) not in namespaced:
            yield item
            continue
        metadata = {**item.body["metadata"], "namespace": "default"}
        yield Manifest({**item.body, "metadata": metadata}, item.location, item.document, item.pointer)


def _namespaced(manifests: Iterable[Manifest]) -> frozenset[tuple[str, str]]:
    schemas = kubernetes_schemas(KUBERNETES)
    found = {(group, kind) for group, _, kind in schemas.kinds} - schemas.cluster_scoped
    found |= {(item.group, item.kind) for item in catalog.extra_schemas() if item.namespaced}
    for item in manifests:
        if item.key.kind == "CustomResourceDefinition":
            spec = item.body.get("spec")
            names = spec.get("names") if isinstance(spec, dict) else None
            if isinstance(spec, dict) and isinstance(names, dict) and spec.get("scope") == "Namespaced":
                found.add((str(spec.get("group")), str(names.get("kind"))))
    return frozenset(found)


def _differs(item: Manifest, snapshot: Snapshot) -> bool:
    key = item.key
    kept = snapshot.get(key.group, key.kind, key.name, key.namespace)
    return kept is not None and kept.body != item.body
