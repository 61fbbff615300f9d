"""An explanation for a terminal and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tenantry import __version__
from tenantry.cli.render.fairshare import queue as queue_data
from tenantry.cli.render.findings import plain_finding
from tenantry.cli.render.layout import paragraph, table
from tenantry.cli.render.plain import moment, plain
from tenantry.fair.explain.sentences_gates import REFUSALS
from tenantry.fair.explain.terms import CHANGES, SPARED, STANDINGS, WHO
from tenantry.fair.explain.words import Plain, Words, counted, gpus, listed, number
from tenantry.fair.fairshare import CRUMB
from tenantry.model.duration import duration_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tenantry.app.explain import Advice, ExplainReport, Sentence
    from tenantry.fair.explain.answer import Facts, NodeClass

FORMAT_VERSION = "1.0"
NAMED = 3
"""Jobs and nodes of a row that are named, at most."""
NAMED_WIDTH = 48
"""Characters their names may take: nodes are often called by their full host names, which break lines of a table."""


def text(report: ExplainReport) -> str:
    """Write an explanation: the reason first, the numbers behind it, then what would help."""
    return "\n".join(_lines(report))


def _lines(report: ExplainReport) -> Iterator[str]:
    owner = report.owner.partition(" ")[0]
    kind = f" ({owner})" if owner else ""
    standing = STANDINGS[report.standing]
    when = "" if report.after is None else f", {duration_text(report.after)} after the first submission"
    yield from paragraph(f"{report.title}{kind} {standing} in node pool {report.pool}{when}.")
    for item in report.reasons:
        yield from paragraph(item.text, indent="  ")
    found = report.explanation
    if found is not None:
        yield ""
        yield from _job(report, found.job)
        yield from _queues(report)
        yield from _nodes(report)
        yield from _victims(report)
        yield from _tried(report)
        yield from _advice(report)
    for item in report.caveats:
        yield from paragraph(f"note: {item.text}", hang="      ")
    yield from _order(report)


def _job(report: ExplainReport, job: Facts) -> Iterator[str]:
    words = Words(Plain(), report.now)
    asks = listed([words.amount(name, amount) for name, amount in job.asks.items()])
    total = sum(job.pods.values())
    pods = f"{counted(total, 'pod')} of {asks}" if asks else counted(total, "pod")
    together = f", {job.minimum} at least together" if job.minimum > 1 else ""
    evictable = "preemptible" if job.preemptible else "not preemptible"
    # The first job of a trace is submitted at 0; in a snapshot that means that nobody says.
    when = f"; submitted {words.ago(job.created)} ago" if job.created or report.after is not None else ""
    line = f"job    {pods}{together}; queue {job.queue}, priority {job.priority}, {evictable}{when}"
    yield from paragraph(line, hang="       ")


def _queues(report: ExplainReport) -> Iterator[str]:
    if not report.queues:
        return
    # What jobs hold that may not be preempted only bounds jobs like that.
    fixed = report.explanation is not None and not report.explanation.job.preemptible
    rows = []
    for name, row in report.queues:
        item = row.gpu
        shown = ["-" if value == -1 else number(value) for value in (item.quota, item.limit, item.fair)]
        states = [
            f"{word} {number(value)}"
            for word, value in (("starved", item.starved), ("borrows", item.borrowed), ("lends", item.lent))
            if value > CRUMB
        ]
        lasting = [number(item.lasting)] if fixed else []
        cells = [*shown, number(item.allocated), *lasting, number(item.requested), ", ".join(states)]
        rows.append(["  " * row.depth + name, *cells])
    header = ["queues (GPUs)", "quota", "limit", "fair", "holds", *(["non-preemptible"] if fixed else []), "asks", ""]
    yield ""
    yield from table(header, rows, justify="l" + "r" * (len(header) - 2) + "l")


def _nodes(report: ExplainReport) -> Iterator[str]:
    if not report.nodes:
        return
    words = Words(Plain(), report.now)
    names = [name for name in report.nodes[0].offered if name not in {"cpu", "memory"}] or ["cpu"]
    short = {name for item in report.nodes for name in item.short} & {"cpu", "memory"}
    shown = [*names, *sorted(short)]
    rows = []
    for item in report.nodes:
        idle = "; ".join(_stock(item, name, words) for name in shown)
        rows.append([_some(item.nodes), item.product, idle, str(item.fits), _refusal(item)])
    yield ""
    yield from table(["nodes", "GPU", "idle", "fits", ""], rows, justify="lllrl")


def _stock(item: NodeClass, name: str, words: Words) -> str:
    idle, total = item.idle.get(name, 0.0), item.offered.get(name, 0.0) * len(item.nodes)
    unit = words.amount(name, total)
    amount, _, rest = unit.partition(" ")
    del amount
    scale = 1000.0 if name == "cpu" else 2.0**30 if name == "memory" else 1.0
    most = f", at most {number(item.most.get(name, 0.0) / scale)} on one" if len(item.nodes) > 1 else ""
    return f"{number(idle / scale)} of {number(total / scale)} {rest}{most}"


def _refusal(item: NodeClass) -> str:
    if not item.refused:
        return ""
    if item.refused == "room":
        return f"too little left: {listed([Words.kind(name) for name in item.short])}"
    return REFUSALS.get(item.refused, item.refused) + (f": {item.detail}" if item.detail else "")


def _some(names: tuple[str, ...]) -> str:
    shown = names[:NAMED]
    while len(shown) > 1 and len(", ".join(shown)) > NAMED_WIDTH:
        shown = shown[:-1]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more


def _victims(report: ExplainReport) -> Iterator[str]:
    if not report.victims:
        return
    words = Words(Plain(), report.now)
    rows = []
    for item, jobs in report.victims:
        until = f", first ends {words.when(item.until)}" if item.until is not None else ""
        held = gpus(item.gpus)
        rows.append([item.action, SPARED[item.spared] + until, counted(len(jobs), "job"), held, _some(jobs)])
    yield ""
    yield "who could make way"
    yield from table([""] * 5, rows, justify="lllrl", indent=2)


def _tried(report: ExplainReport) -> Iterator[str]:
    if not report.tried:
        return
    yield ""
    yield "what the scheduler tried"
    size = max(len(action) for action, _ in report.tried) + 2
    said = {item.text for item in report.reasons}
    for action, item in report.tried:
        words = "as said above" if item.text in said else item.text
        yield from paragraph(f"  {action.ljust(size)}{words}", hang=" " * (size + 2))


def _advice(report: ExplainReport) -> Iterator[str]:
    if not (report.advice or report.useless or report.untried):
        return
    yield ""
    if report.advice:
        yield "what would help"
    else:
        yield "nothing that was tried would help" if report.useless else "nothing was tried that would help"
    for who, title in WHO.items():
        items = [item for item in report.advice if item.who == who]
        if items:
            yield f"  {title}"
        for item in items:
            yield from paragraph(f"{item.change.text}: {item.effect.text}", indent="  - ")
    if report.useless:
        words = listed_all([CHANGES[kind] for kind in report.useless])
        yield from paragraph(f"would not help: {words}", indent="  ", hang="  ")
    if report.untried:
        words = listed_all([CHANGES[kind] for kind in report.untried])
        yield from paragraph(f"not tried to the end, --trials allows more: {words}", indent="  ", hang="  ")


def listed_all(names: list[str]) -> str:
    """All names one after the other."""
    return ", ".join(dict.fromkeys(names))


def _order(report: ExplainReport) -> Iterator[str]:
    if report.order is None:
        return
    yield ""
    if not report.order:
        yield "no decision depends on an order that the scheduler leaves open"
        return
    yield "order-sensitive: the scheduler leaves the order open that these depend on"
    for item in report.order:
        outcomes = ", ".join(f"{count}x {outcome}" for outcome, count in item.outcomes)
        yield from paragraph(f"{item.job}: {outcomes}", indent="  ", hang="  ")


# --- JSON -------------------------------------------------------------------------------------------------------------


def as_json(report: ExplainReport) -> str:
    """Write an explanation for machines."""
    found = report.explanation
    body: dict[str, Any] = {
        "formatVersion": FORMAT_VERSION,
        "tool": {"name": "tenantry", "version": __version__},
        "source": report.source,
        "pool": report.pool,
        "scheduler": report.scheduler,
        "simulated": report.after is not None,
        "now": report.now,
        "time": moment(report.now),
        "title": report.title,
        "owner": report.owner or None,
        "job": _job_data(found.job) if found is not None else None,
        "standing": report.standing,
        "settled": report.settled,
        "reasons": [_said(item) for item in report.reasons],
        "tried": [{"action": action, **_said(item)} for action, item in report.tried],
        "queues": [queue_data(name, row) for name, row in report.queues],
        "nodes": [_node_data(item) for item in report.nodes],
        "candidates": [
            {
                "action": item.action,
                "spared": item.spared or None,
                "jobs": list(jobs),
                "gpus": item.gpus,
                "until": item.until,
                "untilTime": moment(item.until),
            }
            for item, jobs in report.victims
        ],
        "advice": [_advice_data(item) for item in report.advice],
        "useless": list(report.useless),
        "untried": list(report.untried),
        "caveats": [_said(item) for item in report.caveats],
        "order": None
        if report.order is None
        else [{"job": item.job, "outcomes": dict(item.outcomes)} for item in report.order],
        "findings": [plain_finding(item) for item in report.findings],
        "notes": list(report.notes),
    }
    return json.dumps(plain(body), indent=2, ensure_ascii=False)


def _said(item: Sentence) -> dict[str, Any]:
    return {"rule": item.rule, "text": item.text, "facts": dict(item.facts)}


def _job_data(job: Facts) -> dict[str, Any]:
    return {
        "podGroup": job.name,
        "namespace": job.namespace,
        "queue": job.queue,
        "priority": job.priority,
        "preemptible": job.preemptible,
        "pods": dict(job.pods),
        "minimum": job.minimum,
        "asks": dict(job.asks),
        "gpusWaitedFor": job.gpus,
        "gpusHeld": job.holds,
        "nodes": list(job.nodes),
        "created": moment(job.created),
        "started": moment(job.started),
        "evicted": moment(job.evicted),
    }


def _node_data(item: NodeClass) -> dict[str, Any]:
    return {
        "nodes": list(item.nodes),
        "product": item.product,
        "offeredEach": dict(item.offered),
        "idle": dict(item.idle),
        "mostIdle": dict(item.most),
        "fits": item.fits,
        "refused": item.refused or None,
        "detail": item.detail,
        "short": list(item.short),
    }


def _advice_data(item: Advice) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "who": item.who,
        "now": item.now,
        "change": _said(item.change),
        "effect": _said(item.effect),
    }


RENDERERS: Mapping[str, Callable[[ExplainReport], str]] = {"text": text, "json": as_json}
