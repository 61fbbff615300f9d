"""What the model of the KAI scheduler decides is what the scheduler itself decides, on random clusters.

The scheduler takes some orders from hash maps. Where it decides now this way and now that, the model has to be one of
them; it takes its own shuffled orders for the same.
"""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from e2e_moments import contended, wide
from e2e_support import Tally
from kai_moments import Chooser, Made, Seeded
from kai_moments import make as small

from tenantry.fair.kai.configure import configured
from tenantry.fair.kai.cycle import outcome, run_cycle
from tenantry.fair.kai.rules import DEFAULTS, VERSIONS, Settings
from tenantry.fair.kai.session import Session
from tenantry.io.scheduler_snapshot import read_snapshot
from tenantry.model.job import PodStatus
from tenantry.model.moment import Moment
from testbed.errors import MissingToolError
from testbed.scheduler import Outcome, Place, Scheduler
from testbed.served import Served

pytestmark = pytest.mark.e2e

VERSION = os.environ.get("TENANTRY_KAI_VERSION", DEFAULTS.version)
"""Version of the checkout, as the model counts them."""
CLUSTERS = int(os.environ.get("TENANTRY_KAI_CLUSTERS", "200"))
"""Clusters of each kind."""
BLOCK = 20
TIMES, AGAIN = 2, 12
"""Cycles of the scheduler per cluster, and as often again where it does not agree at once."""
ORDERS = 32

Picture = tuple[dict[str, tuple[str, str, tuple[str, ...]]], list[tuple[str, ...]]]
KINDS: dict[str, Callable[[Chooser], Made]] = {"small": small, "wide": wide, "contended": contended}


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Scheduler]:
    try:
        started = Scheduler(TIMES)
    except MissingToolError as error:
        pytest.skip(str(error))
    with started:
        yield started


def picture(pods: dict[str, Place], known: frozenset[str]) -> Picture:
    """Where pods stand, and who shares a GPU with whom; names of new shared GPUs say nothing."""
    places = {}
    sharing: dict[tuple[str, str], list[str]] = {}
    for uid, place in sorted(pods.items()):
        waits = place.status == "Pending"
        groups = () if waits else tuple(sorted(group if group in known else "new" for group in place.groups))
        places[uid] = (place.status, "" if waits else place.node, groups)
        if place.status not in {"Pending", "Releasing"}:
            for group in set(place.groups) - known:
                sharing.setdefault((place.node, group), []).append(uid)
    return places, sorted(map(tuple, sharing.values()))


def decided(moment: Moment, settings: Settings, known: frozenset[str], order: int = 0) -> Picture:
    """Run a cycle of the model."""
    _, session = run_cycle(moment, replace(settings, order_seed=order))
    tasks = (task for job in session.jobs.values() for task in job.tasks.values())
    return picture({task.uid: Place(PodStatus(task.status).word, task.node, task.groups) for task in tasks}, known)


def due(moment: Moment, settings: Settings) -> dict[str, tuple[float, float, float]]:
    """CPUs, GB of memory and GPUs that queues are due by the model."""
    queues = outcome(Session(moment, settings)).queues
    return {queue.name: (queue.fair[0] / 1e3, queue.fair[1] / 1e9, queue.fair[2]) for queue in queues}


@pytest.mark.parametrize("block", range(-(-CLUSTERS // BLOCK)))
@pytest.mark.parametrize("kind", KINDS)
def test_the_model_decides_as_the_scheduler_does(
    scheduler: Scheduler, tally: Tally, tmp_path: Path, kind: str, block: int
) -> None:
    wrong = []
    for seed in range(block * BLOCK, min(CLUSTERS, (block + 1) * BLOCK)):
        made, path = KINDS[kind](Seeded(seed)), tmp_path / f"{seed}.zip"
        agreed = agrees(scheduler, made, path, pods_with_class=bool(seed % 2))
        if agreed is None:
            tally.count("cycles of the KAI scheduler", f"{kind} clusters it scatters on", agreed=True)
        elif not tally.count("cycles of the KAI scheduler", f"{kind} clusters", agreed=agreed):
            wrong.append(seed)
    assert wrong == []


def agrees(scheduler: Scheduler, made: Made, path: Path, *, pods_with_class: bool) -> bool | None:
    """Whether the model decides what the scheduler does, or does at times.

    None where that cannot be told: the scheduler decides otherwise nearly every time, and the model nothing of that.
    """
    now = int(time.time())
    served = Served(made.moment, made.settings, now, priorities_of_pods=pods_with_class)
    snapshot = served.snapshot()
    if not VERSIONS[VERSION].sees_succeeded:
        # An API server does not hand out pods that are not asked for; the fake does.
        raw = snapshot["rawObjects"]
        raw["pods"] = [pod for pod in raw["pods"] if pod["status"]["phase"] != "Succeeded"]
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("snapshot.json", json.dumps(snapshot))
    read = read_snapshot([path], at_time=now)
    assert read.problems == ()
    pool = read.pool(read.pools[0])
    model, notes = configured(pool.config, VERSION)
    assert notes == ()
    # What was used lately lies in a data base, which a snapshot does not hold.
    usage = {queue.name: queue.usage for queue in made.moment.queues}
    moment = replace(pool.moment, queues=tuple(replace(queue, usage=usage[queue.name]) for queue in pool.moment.queues))
    known = frozenset(group for job in made.moment.jobs for pod in job.pods for group in pod.groups)
    ours = decided(moment, model.settings, known)
    outcomes = scheduler.cycles(snapshot)
    assert due(moment, model.settings) == {queue: pytest.approx(fair) for queue, fair in outcomes[0].fair.items()}
    theirs = pictures(outcomes, known)
    if all(each == ours for each in theirs):
        return True
    for _ in range(AGAIN):
        theirs += pictures(scheduler.cycles(snapshot), known)
    orders = (decided(moment, model.settings, known, order) for order in range(1, ORDERS))
    if ours in theirs or any(each in theirs for each in orders):
        return True
    different = [each for position, each in enumerate(theirs) if each not in theirs[:position]]
    return None if 2 * len(different) > len(theirs) else False


def pictures(outcomes: list[Outcome], known: frozenset[str]) -> list[Picture]:
    return [picture(dict(outcome.pods), known) for outcome in outcomes]
