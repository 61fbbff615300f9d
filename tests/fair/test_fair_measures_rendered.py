"""Every random replay can be shown: pages are well formed, JSON has what was measured, and hidden names stay hidden."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from replayed import TENANTS, Replayed, replays

from tenantry.cli.render.simulation import RENDERERS, text
from tenantry.fair.measures import PoolResults, Report, hide_others_in, study
from tenantry.fair.measures.catalogue import MEASURES
from tenantry.fair.measures.result import CLUSTER, QUEUE, TENANT

if TYPE_CHECKING:
    from tenantry.fair.measures.result import Measured, Result

SHOWN = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
VOID = {"meta", "br", "path", "rect"}
"""Elements without content: those of HTML, and those of SVG that pictures close themselves."""


class Nesting(HTMLParser):
    """Reads a page and fails where elements are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "xlink:href"}]
        if tag not in VOID:
            self.open.append(tag)
        elif tag == "rect":
            self.open.append(tag)  # has a title inside

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def report_of(made: Replayed) -> Report:
    one = study("as it is", made.log, made.table, made.setup, isolated=made.apart, buckets=5)
    other = study("apart", made.apart, made.table, made.setup, isolated=made.apart, buckets=5)
    return Report("lab", "made-up jobs", (PoolResults("h200", (one, other)), PoolResults("l40s", (other,))))


def nested(page: str) -> Nesting:
    reader = Nesting()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


@SHOWN
@given(replays())
def test_pages_are_well_formed_and_load_nothing(made: Replayed) -> None:
    page = RENDERERS["html"](report_of(made))
    reader = nested(page)
    assert not reader.links
    assert "script" not in reader.seen
    assert not re.search(r"\bnan\b|\binf\b|url\(|@import", page.partition("<h2>How it is reckoned")[0])


@SHOWN
@given(replays())
def test_text_fits_its_width_unless_a_number_does_not(made: Replayed) -> None:
    report = report_of(made)
    for width in (60, 100):
        assert max(map(len, text(report, width).splitlines())) <= width
    assert "None" not in text(report)


@SHOWN
@given(replays())
def test_tables_in_markdown_have_as_many_cells_in_every_row(made: Replayed) -> None:
    for block in RENDERERS["md"](report_of(made)).split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) <= 1


@SHOWN
@given(replays())
def test_json_has_every_measure_of_every_subject(made: Replayed) -> None:
    report = report_of(made)
    body = json.loads(RENDERERS["json"](report), parse_constant=lambda word: (_ for _ in ()).throw(ValueError(word)))
    for pool, shown in zip(report.pools, body["pools"], strict=True):
        for named, replayed in zip(pool.results, shown["replays"], strict=True):
            result = named.result
            _check(replayed["cluster"], result.cluster, result, CLUSTER)
            for subject, found in zip(result.tenants, replayed["tenants"], strict=True):
                assert (found["name"], found["queue"]) == (subject.name, subject.parent or None)
                _check(found, subject, result, TENANT)
            for subject, found in zip(result.queues, replayed["queues"], strict=True):
                assert (found["name"], found["parent"]) == (subject.name, subject.parent or None)
                _check(found, subject, result, QUEUE)
            for booking in replayed["gpuHours"].values():
                parts = [value for key, value in booking.items() if isinstance(value, float) and key != "capacity"]
                total = sum(parts) + sum(booking["usefulByOutcome"].values())
                assert abs(total - booking["capacity"]) < 1e-4
            for line in replayed["timeline"]["queues"]:
                assert len(line["heldGpus"]["mean"]) == len(replayed["timeline"]["edgesSeconds"]) - 1


def _check(found: dict[str, Any], subject: Measured, result: Result, kind: str) -> None:
    known = {each.key: each.value(subject, result) for each in MEASURES if kind in each.kinds}
    assert found["measures"].keys() == known.keys()
    for key, value in known.items():
        assert found["measures"][key] is None if value is None else abs(found["measures"][key] - value) <= 1e-6


@SHOWN
@given(replays())
def test_one_tenants_view_names_nobody_else(made: Replayed) -> None:
    report = report_of(made)
    names = {each.name for pool in report.pools for named in pool.results for each in named.result.tenants}
    own = min(names, default="")
    if not own:
        return
    hidden = hide_others_in(report, own)
    mine = {made.table.name(job) for job in range(len(made.table)) if made.table.tenants[made.table.tenant[job]] == own}
    others = {made.table.name(job) for job in range(len(made.table))} - mine
    path = set(_path(made, own))
    strangers = ({*TENANTS, "nobody", *(queue.name for queue in made.setup.queues)} - {own}) - path
    for form, render in RENDERERS.items():
        shown = set(re.findall(r"[\w-]+", render(hidden))) - set(re.findall(r"[\w-]+", render(Report("", "", ()))))
        assert not shown & others, form
        assert not (shown & strangers), form


def _path(made: Replayed, tenant: str) -> list[str]:
    parents = {queue.name: queue.parent for queue in made.setup.queues}
    path = [made.setup.queue_of.get(tenant, "")]
    while parents.get(path[-1]):
        path.append(parents[path[-1]])
    return path
