"""Times one whole cycle of the KAI model: 4,000 waiting jobs on 500 nodes of 8 GPUs, in several states of the cluster.

    python benchmarks/cycle.py [--waiting 4000] [--nodes 500] [--seed 1 ...] [--state NAME ...] [--itself] [--json FILE]

Each state is timed as a whole, from the moment to its decisions and reasons, in seconds of CPU, in plain Python.
Against it stand cycles with a quarter of the nodes and jobs: a cycle that grows as the cluster does takes four times
as long. Sizes and priorities of jobs are drawn from a seed; a full cluster is one that these jobs filled before, by
cycles of the same model, so that it looks as one does that has run for a while. What a cycle takes depends on how many
jobs search for victims in vain, which differs much from seed to seed; so ten seeds are measured, and the worst of each
state is held against its budget.

With ``--itself`` the KAI scheduler is timed on the same cluster, too (``testbed/README.md`` says what that needs). It
takes minutes at 500 nodes; ``--nodes 50 --waiting 400 --seed 1`` tells enough.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import time
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantry.fair.kai.cycle import run_cycle
from tenantry.fair.kai.rules import DEFAULTS
from tenantry.model.job import Job, Pod, PodStatus, gpu_fraction, whole_gpus
from tenantry.model.moment import Moment, Node
from tenantry.model.queue import FREE, UNLIMITED, Entitled, Queue
from tenantry.model.schedule import Act

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))  # the testbed is beside, and not installed
DEPARTMENTS, TEAMS = 4, 5
NOW = 1_000_000
SIZES = ((1, 1),) * 12 + ((2, 1),) * 3 + ((4, 1),) * 2 + ((8, 1),) * 2 + ((8, 2), (8, 4), (8, 8), (1, 4))
"""GPUs per pod and pods of a job, as often as they come up (profiles of published traces, roughly)."""


def queues(gpus: int) -> tuple[Queue, ...]:
    """Four departments of five teams each that are entitled to the whole cluster."""
    teams = DEPARTMENTS * TEAMS
    found = []
    for number in range(DEPARTMENTS):
        found.append(Queue(f"d{number}", "", Entitled(gpus / DEPARTMENTS, UNLIMITED, 1), FREE, FREE))
        for team in range(TEAMS):
            share = Entitled(gpus // teams, UNLIMITED, 1 + team % 3)
            found.append(Queue(f"t{number}{team}", f"d{number}", share, FREE, FREE))
    return tuple(found)


def nodes(count: int) -> tuple[Node, ...]:
    """Nodes of eight GPUs that count CPU and memory too."""
    return tuple(Node(f"n{number:04d}", 8.0, 192_000.0, 2e12, gpu_memory=143_771) for number in range(count))


def job(chance: random.Random, name: str, queue: str, created: int) -> Job:
    """A job of a drawn size."""
    gpus, count = chance.choice(SIZES)
    request = gpu_fraction(0.5) if chance.random() < 0.05 else whole_gpus(gpus)
    template = Pod(name, gpu=request, cpu=8000.0 * gpus, memory=1e11 * gpus, created=created)
    pods = tuple(replace(template, name=f"{name}-{number}") for number in range(count))
    return Job(name, queue, pods, priority=chance.choice((50, 50, 50, 75, 100)), created=created)


def jobs(chance: random.Random, prefix: str, count: int, teams: Sequence[str]) -> list[Job]:
    """Jobs of drawn sizes and teams, one submitted after the other."""
    return [
        job(chance, f"{prefix}{number:05d}", chance.choice(teams), NOW - 2 * count + number) for number in range(count)
    ]


def settled(moment: Moment) -> Moment:
    """The moment after a cycle whose pods run, without the jobs that still wait."""
    cycle, _ = run_cycle(moment, replace(DEFAULTS, actions=("allocate",)))
    placed = {item.pod: item for item in cycle.decisions if item.act is Act.BIND}
    running = []
    for each in moment.jobs:
        if all(pod.name in placed for pod in each.pods):
            pods = tuple(
                replace(pod, status=PodStatus.RUNNING, node=placed[pod.name].node, groups=placed[pod.name].groups)
                for pod in each.pods
            )
            running.append(replace(each, pods=pods, started=NOW - 5000))
    return replace(moment, jobs=tuple(running))


def state(name: str, node_count: int, waiting: int, seed: int) -> Moment:
    """A cluster in one of the states of :data:`STATES`."""
    chance = random.Random(seed)
    moment = Moment(NOW, queues(8 * node_count), (), nodes(node_count))
    teams = [queue.name for queue in moment.queues if queue.parent]
    if name == "equal":
        pods = [(f"j{number:05d}", chance.choice(teams)) for number in range(waiting)]
        equal = (Job(uid, team, (Pod(f"{uid}-0", gpu=whole_gpus(1)),), created=NOW - 9) for uid, team in pods)
        return replace(moment, jobs=tuple(equal))
    if name != "empty":
        before = jobs(chance, "r", waiting, teams if name == "full" else teams[: len(teams) // 2])
        moment = settled(replace(moment, jobs=tuple(before)))
    return replace(moment, jobs=(*moment.jobs, *jobs(chance, "j", waiting, teams)))


SEEDS = tuple(range(1, 11))
STATES = ("equal", "empty", "full", "borrowed")
"""Empty with equal jobs of one GPU, empty with mixed ones, full of all jobs, and full of half the teams' jobs."""


def timed(moment: Moment) -> dict[str, Any]:
    """Time a cycle, and count what it did."""
    begin = time.process_time()
    cycle, _ = run_cycle(moment, DEFAULTS)
    seconds = time.process_time() - begin
    acts = Counter(item.act.value for item in cycle.decisions)
    return {
        "running": sum(any(pod.node for pod in each.pods) for each in moment.jobs),
        "waiting": sum(not any(pod.node for pod in each.pods) for each in moment.jobs),
        "bound": acts["bind"], "evicted": acts["evict"], "reasons": sum(map(len, cycle.held.values())),
        "cycle_s": round(seconds, 3),
    }  # fmt: skip


def timed_itself(moment: Moment) -> float:
    """Time the scheduler itself, in seconds that pass; what it takes to read the cluster is left out."""
    from testbed.scheduler import Scheduler
    from testbed.served import Served

    with Scheduler() as scheduler:
        outcome = scheduler.cycles(Served(moment, DEFAULTS, int(time.time())).snapshot())[0]
    return round(sum(outcome.seconds.values()), 3)


def measure(name: str, node_count: int, waiting: int, seed: int, *, itself: bool = False) -> dict[str, Any]:
    """Time a state and its quarter."""
    moment = state(name, node_count, waiting, seed)
    row = {"seed": seed, "state": name, "nodes": node_count, **timed(moment)}
    if itself:
        row["scheduler_s"] = timed_itself(moment)
        row["times_as_fast"] = round(row["scheduler_s"] / row["cycle_s"], 1)
    quarter = timed(state(name, node_count // 4, waiting // 4, seed))
    return {**row, "quarter_s": quarter["cycle_s"], "times_a_quarter": round(row["cycle_s"] / quarter["cycle_s"], 1)}


def main() -> None:
    """Measure, print, compare with the budget, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=4000)
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--seed", type=int, nargs="+", default=SEEDS, help="each seed is measured in every state")
    parser.add_argument("--state", nargs="+", choices=STATES, default=STATES)
    parser.add_argument("--itself", action="store_true", help="time the KAI scheduler beside it")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    budget = tomllib.loads((HERE / "budgets.toml").read_text("utf-8"))["cycle"]
    rows = []
    for seed, name in itertools.product(options.seed, options.state):
        rows.append(row := measure(name, options.nodes, options.waiting, seed, itself=options.itself))
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    for name in options.state:
        worst = max((row for row in rows if row["state"] == name), key=lambda row: row["cycle_s"])
        most = budget[f"{name}_s"]
        within = "within" if worst["cycle_s"] <= most else "OVER"
        print(f"worst {name}: {worst['cycle_s']} s with seed {worst['seed']}, {within} {most} s")
    aim = budget["aim_s"]
    print(f"within the aim of {aim} s: {sum(row['cycle_s'] <= aim for row in rows)} of {len(rows)}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
