"""Explain one job of a cluster: why it waits or runs, and what would change it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tenantry.app.job_search import find_job
from tenantry.app.naming import Masked, naming
from tenantry.fair.explain import Elsewhere, Explanation, Known, Standing, explain, order_sensitive
from tenantry.fair.explain.answer import Said
from tenantry.fair.explain.sentences import named_facts, sentence
from tenantry.fair.explain.words import Words
from tenantry.model.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tenantry.app.cluster_view import ClusterView, PoolView
    from tenantry.fair.explain.answer import Change, NodeClass, Remedy, VictimClass
    from tenantry.fair.explain.words import Naming
    from tenantry.fair.fairshare import Row
    from tenantry.model.pool_snapshot import SetAside

SET_ASIDE = "set-aside"
"""Standing of a job the scheduler does not look at."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing said.

    Attributes:
        rule: what it is said by.
        text: the sentence.
        facts: the numbers and names it is made of.
    """

    rule: str
    text: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Advice:
    """A change that gives the job its places.

    Attributes:
        kind: the sort of change, a word.
        who: who can bring it about: ``nobody``, ``owner`` or ``platform``.
        change: what is changed.
        effect: what comes of it.
        now: whether the job starts at once.
    """

    kind: str
    who: str
    change: Sentence
    effect: Sentence
    now: bool


@dataclass(frozen=True, slots=True)
class Order:
    """A job whose fate depends on an order the scheduler leaves open, with how often each outcome came out."""

    job: str
    outcomes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class ExplainReport:
    """An explanation with all names as they may be shown.

    Attributes:
        source: where the cluster comes from.
        pool: node pool of the job.
        scheduler: name and version of its scheduler.
        now: second of the moment.
        title: name of the job for people.
        owner: object the job was made for; empty when nothing says.
        explanation: the numbers; names in it are raw and must not be shown.
        standing: where the job stands, a word.
        reasons: why, the dominant one first.
        tried: what each action of the cycle came to.
        queues: queues from the top down to the job's own, by name and amounts.
        nodes: how the nodes look to its waiting pods.
        victims: which running jobs could make way.
        advice: changes that give it its places.
        useless: sorts of changes that were tried and do not.
        untried: sorts of changes that were not tried to the end.
        caveats: what is taken for granted.
        order: jobs whose fate depends on order; None when it was not asked for.
        findings: what is worth knowing about what was read.
        notes: what is otherwise than it is deployed, and what of the scheduler's configuration is not followed.
        after: seconds from the first submission to the moment, where it is simulated; None for a snapshot.
    """

    source: str
    pool: str
    scheduler: str
    now: int
    title: str
    owner: str
    explanation: Explanation | None
    standing: str
    reasons: tuple[Sentence, ...]
    tried: tuple[tuple[str, Sentence], ...] = ()
    queues: tuple[tuple[str, Row], ...] = ()
    nodes: tuple[NodeClass, ...] = ()
    victims: tuple[tuple[VictimClass, tuple[str, ...]], ...] = ()
    advice: tuple[Advice, ...] = ()
    useless: tuple[str, ...] = ()
    untried: tuple[str, ...] = ()
    caveats: tuple[Sentence, ...] = ()
    order: tuple[Order, ...] | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    after: int | None = None

    @property
    def settled(self) -> bool:
        """Whether the job has what it asks for and keeps it."""
        return self.standing != SET_ASIDE and Standing(self.standing).settled


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        job: the job: its pod group, the object that was made for, or one of its pods, with or without namespace.
        pool: its node pool; looked for when empty.
        tenant: tenant whose eyes the answer is for; empty when everything may be seen.
        check_order: whether to look at what depends on an order the scheduler leaves open.
        trials: trials that may be run; as many as the size of the cluster allows when None.
    """

    job: str
    pool: str = ""
    tenant: str = ""
    check_order: bool = False
    trials: int | None = None


def explain_job(cluster: Callable[[], ClusterView], question: Question) -> ExplainReport:
    """Explain one job.

    Args:
        cluster: gives the cluster: a snapshot of a real one, or a simulated one at some moment.
        question: what is asked.

    Raises:
        InputError: if there is no such job, pool or tenant, or several jobs are meant.
        SnapshotError: if the cluster cannot be read.
    """
    view = cluster()
    names = naming(view, question.tenant)
    pool, name = find_job(view, question.job, names, pool=question.pool, tenant=question.tenant)
    title = pool.snapshot.titles.get(name)
    words = Words(names, pool.snapshot.moment.now)
    shown = names.job(name)
    masked = isinstance(names, Masked)
    base = ExplainReport(
        source=view.name,
        pool=pool.snapshot.pool,
        scheduler=pool.scheduler.name,
        now=pool.snapshot.moment.now,
        after=view.after,
        title=shown,
        owner=title.owner if title is not None else "",
        explanation=None,
        standing=SET_ASIDE,
        reasons=(),
        # Findings and notes speak of anybody's objects in their own words.
        findings=() if masked else view.findings,
        notes=pool.notes if masked else (*view.notes, *pool.notes),
    )
    aside = pool.snapshot.set_aside.get(name)
    if aside is not None:
        return _with(base, reasons=(_say(_aside(aside, masked=masked), words),))
    known = Known(
        ends=pool.snapshot.ends,
        ends_by=pool.snapshot.ends_by,
        evictions=pool.snapshot.evictions,
        elsewhere=tuple(_elsewhere(view, pool, name)),
        trials=question.trials,
    )
    found = explain(pool.snapshot.moment, pool.scheduler, name, known)
    report = _report(base, found, words, pool)
    if question.check_order:
        changes = order_sensitive(pool.snapshot.moment, pool.scheduler)
        report = _with(report, order=tuple(_order(item, names) for item in changes))
    return report


def _with(report: ExplainReport, **changes: Any) -> ExplainReport:
    return replace(report, **changes)


def _report(base: ExplainReport, found: Explanation, words: Words, pool: PoolView) -> ExplainReport:
    naming = words.naming
    assumed = [Said("assumed", {"what": item}) for item in pool.snapshot.assumed.get(found.job.name, ())]
    return _with(
        base,
        explanation=found,
        standing=found.standing.value,
        reasons=tuple(_say(item, words) for item in found.reason),
        tried=tuple((action, _say(item, words)) for action, item in found.tried),
        queues=tuple((naming.queue(row.queue), row) for row in found.queues),
        nodes=tuple(_node_class(item, naming) for item in found.nodes),
        victims=tuple((item, tuple(map(naming.job, item.jobs))) for item in found.victims),
        advice=tuple(_advice(item, words) for item in found.remedies),
        useless=found.useless,
        untried=found.untried,
        caveats=tuple(_say(item, words) for item in (*assumed, *found.caveats)),
    )


def _say(said: Said, words: Words) -> Sentence:
    return Sentence(said.rule, sentence(said.rule, said.facts, words), named_facts(said.facts, words))


def _advice(remedy: Remedy, words: Words) -> Advice:
    lost = [{"job": item.job, "queue": item.queue, "pods": item.pods, "gpus": item.gpus} for item in remedy.losses]
    facts = {"now": remedy.now, "losses": lost, "moved": list(remedy.moved), "delayed": list(remedy.delayed)}
    effect = _say(Said("effect", facts), words)
    return Advice(remedy.kind, remedy.who.value, _say(remedy.said, words), effect, remedy.now)


def _node_class(item: NodeClass, naming: Naming) -> NodeClass:
    return replace(item, detail=naming.place(item.detail))


def _order(change: Change, naming: Naming) -> Order:
    return Order(naming.job(change.job), change.outcomes)


def _aside(item: SetAside, *, masked: bool) -> Said:
    # What the scheduler recorded may name queues of others.
    return Said("set-aside", {"reason": item.reason, "said": "" if masked else item.said, "since": item.since})


def _elsewhere(view: ClusterView, pool: PoolView, name: str) -> Iterator[Elsewhere]:
    """Other pools in which the job's tenant has a queue that takes jobs."""
    queue = next(job.queue for job in pool.snapshot.moment.jobs if job.name == name)
    tenant = pool.snapshot.tenants.get(queue)
    if tenant is None:
        return
    for other in view.pools.values():
        moment = other.snapshot.moment
        parents = {item.parent for item in moment.queues}
        names: Sequence[str] = sorted(item.name for item in moment.queues if item.name not in parents)
        found = [item for item in names if other.snapshot.tenants.get(item) == tenant]
        if other is not pool and found:
            yield Elsewhere(other.snapshot.pool, moment, other.scheduler, found[0])
