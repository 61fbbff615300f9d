"""Random clusters: few nodes, a queue tree, running jobs that fit where they are, and jobs that wait."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from moment_builders import CORE, DAY, GIB, NOW, node, queue

from tenantry.model.job import Job, Pod, PodStatus, gang, gpu_fraction, whole_gpus
from tenantry.model.moment import Moment, Node
from tenantry.model.queue import Queue

QUEUES = ("red", "green", "blue")


@st.composite
def moments(draw: st.DrawFn) -> Moment:
    """A cluster in which at least one job waits."""
    nodes = [node(f"n{number}", draw(st.integers(1, 8))) for number in range(1, draw(st.integers(1, 3)) + 1)]
    if draw(st.integers(0, 4)) == 0:
        nodes[0] = replace(nodes[0], unready=("cordoned",))
    queues = _queues(draw)
    jobs = [*_running(draw, nodes), *_waiting(draw)]
    return Moment(NOW, tuple(queues), tuple(jobs), tuple(nodes))


def _queues(draw: st.DrawFn) -> list[Queue]:
    below = draw(st.booleans())
    found = [
        queue(
            name,
            draw(st.integers(0, 6)),
            limit=draw(st.sampled_from([-1, -1, 4, 8])),
            weight=draw(st.integers(0, 3)),
            parent="top" if below else "",
            priority=draw(st.sampled_from([100, 100, 200])),
            created=number,
            reclaim_min_runtime=draw(st.sampled_from([None, None, 600])),
        )
        for number, name in enumerate(QUEUES)
    ]
    return [queue("top", draw(st.integers(0, 20))), *found] if below else found


def _running(draw: st.DrawFn, nodes: list[Node]) -> list[Job]:
    left = {item.name: int(item.gpus) for item in nodes}
    jobs = []
    for number in range(draw(st.integers(0, 5))):
        size = draw(st.integers(1, 4))
        places = [name for name, free in left.items() if free >= size][: draw(st.integers(1, 2))]
        if not places:
            continue
        for name in places:
            left[name] -= size
        started = NOW - draw(st.sampled_from([60, 300, DAY]))
        pods = tuple(
            Pod(f"r{number}-{index}", PodStatus.RUNNING, name, whole_gpus(size), CORE, GIB, created=started)
            for index, name in enumerate(places)
        )
        minimum = draw(st.integers(1, len(pods)))
        priority = draw(st.sampled_from([50, 50, 75, 100]))
        jobs.append(
            Job(
                f"r{number}",
                draw(st.sampled_from(QUEUES)),
                pods,
                gang(minimum),
                "work",
                priority,
                created=started,
                started=started,
            )
        )
    return jobs


def _waiting(draw: st.DrawFn) -> list[Job]:
    jobs = []
    for number in range(draw(st.integers(1, 4))):
        count = draw(st.integers(1, 3))
        gpu = draw(st.sampled_from([whole_gpus(1), whole_gpus(2), whole_gpus(4), whole_gpus(8), gpu_fraction(0.5)]))
        created = NOW - 60 * number
        pods = tuple(
            Pod(f"w{number}-{index}", gpu=gpu, cpu=CORE, memory=GIB, created=created) for index in range(count)
        )
        jobs.append(
            Job(
                f"w{number}",
                draw(st.sampled_from([*QUEUES, *QUEUES, "nowhere"])),
                pods,
                gang(draw(st.integers(1, count))),
                "work",
                draw(st.sampled_from([50, 50, 75, 100])),
                created=created,
                preemption_delay=draw(st.sampled_from([0, 0, 0, 900])),
            )
        )
    return jobs
