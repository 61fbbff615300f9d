"""Whose turn it is in a search can be told without the whole line, and is told alike."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
from kai_build import NOW, QUIET, cluster, job, node, play, queue
from kai_moments import Seeded, make

from tenantry.fair.kai import session as sessions
from tenantry.fair.kai.line import Line
from tenantry.fair.kai.rules import DEFAULTS
from tenantry.fair.kai.session import Session
from tenantry.fair.kai.turns import turns
from tenantry.fair.kai.walk import Walk
from tenantry.model.queue import FREE, Entitled

if TYPE_CHECKING:
    from tenantry.fair.kai.state import Job
    from tenantry.model.moment import Moment


class WholeLine(Line):
    """A line that never takes the short way."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.decided = False


def crowded(seed: int, leaves_below: int = 6, count: int = 60) -> Moment:
    """A small cluster with many more jobs than room, over two to four levels of queues.

    CPU decides as often as GPUs do, so that of two jobs each may ask for more of something.
    """
    chance = random.Random(seed)
    queues = [queue(name, chance.choice((2, 4, 8)), weight=chance.choice((1, 2))) for name in "de"]
    leaves = [
        queue(f"q{number}", chance.choice((0, 1, 2)), parent=chance.choice("de")) for number in range(leaves_below)
    ]
    leaves += [queue(f"r{number}", 1, parent="q0") for number in range(2)] if chance.random() < 0.5 else []
    leaves += [queue(f"s{number}", 1, parent="q1") for number in range(2)] if chance.random() < 0.5 else []
    leaves += [queue(f"u{number}", 0, parent="s0") for number in range(2)] if chance.random() < 0.5 else []
    leaves = [item for item in leaves if item.parent != "s0" or any(other.name == "s0" for other in leaves)]
    parents = {item.parent for item in leaves}
    names = [item.name for item in leaves if item.name not in parents]
    jobs = []
    for number in range(count):
        on = chance.choice(("n1", "n2")) if number < 6 else ""
        jobs.append(
            job(
                f"j{number:03d}",
                chance.choice(names),
                chance.choice((1, 1, 2)) if number < 6 else chance.choice((0.5, 1, 1, 2, 4)),
                pods=1 if number < 6 else chance.choice((1, 1, 2)),
                on=on,
                priority=chance.choice((50, 50, 60)),
                created=NOW - chance.choice((10, 20, 30)),
                pod={"cpu": chance.choice((1.0, 4.0, 20.0))},
            )
        )
    nodes = [node(name, 6, cpu=24.0, gpu_memory=16_000) for name in ("n1", "n2")]
    return cluster(nodes, [*queues, *leaves], jobs)


@pytest.mark.parametrize("block", [0, *(pytest.param(block, marks=pytest.mark.slow) for block in range(1, 20))])
def test_the_short_way_decides_as_the_whole_line_does(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [make(Seeded(seed)) for seed in range(block * 80, block * 80 + 80)]
    cases = [(item.moment, item.settings) for item in made]
    cases += [(crowded(seed), replace(DEFAULTS, signatures=False)) for seed in range(block * 6, block * 6 + 6)]
    short = [msgspec.json.encode(play(moment, settings).cycle) for moment, settings in cases]
    monkeypatch.setattr(sessions, "Line", WholeLine)
    assert [msgspec.json.encode(play(moment, settings).cycle) for moment, settings in cases] == short


@pytest.mark.parametrize("seed", range(150))
def test_turns_come_in_the_order_of_the_walk_over_all_who_wait(seed: int) -> None:
    """Also when the first of them are given something, which moves their queues back."""
    chance = random.Random(seed)
    session = Session(crowded(seed, 2 + seed % 4, 60 if seed % 2 else 240), QUIET)
    waiting = [item for item in session.jobs.values() if item.pending]
    concerned = {item.uid: item for item in chance.sample(waiting, chance.choice((2, 3, 5, 9, 20)))}
    assert session.line.decided

    charged: list[Job] = []
    orders = []
    for source in (turns(session, concerned), Walk(session).fill(waiting)):
        order = []
        for item in source:
            if item.uid in concerned:
                order.append(item.uid)
                charged.append(item)
                session.queues[item.queue].charge(0.0, 0.0, 1.0, lasting=False)
        orders.append(order)
        while charged:
            session.queues[charged.pop().queue].charge(0.0, 0.0, -1.0, lasting=False)
    assert orders[0] == orders[1]


def test_shares_that_order_no_three_queues_in_a_line_take_the_long_way() -> None:
    """One queue may hold more CPU, the other more GPUs: age decides between them, shares between each and a third."""
    cpu = replace(FREE, quota=4.0, limit=4.0)
    queues = [
        replace(queue("a", 1, limit=1), cpu=cpu),
        replace(queue("b", 2, limit=2), cpu=Entitled(2.0, 2.0, 1)),
    ]
    assert not Session(cluster([node("n1")], queues, []), QUIET).line.decided
    assert Session(cluster([node("n1")], queues[:1], []), QUIET).line.decided
    assert not Session(cluster([node("n1")], queues[:1], []), replace(QUIET, order_seed=3)).line.decided


def test_the_line_follows_pods_that_come_and_go() -> None:
    session = Session(cluster([node("n1")], [queue("a")], [job("x", "a"), job("y", "a", on="n1")]), QUIET)
    assert [item.uid for item in session.line.jobs_of("a")] == ["x"]
    running = session.jobs["y"]
    running.set_status(running.tasks["y-0"], 1)
    assert [item.uid for item in session.line.jobs_of("a")] == ["x", "y"]
    running.set_status(running.tasks["y-0"], 64)
    assert [item.uid for item in session.line.jobs_of("a")] == ["x"]
