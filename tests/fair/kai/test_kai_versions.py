"""What versions of the scheduler decide differently: one small moment per rule that changed."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import pytest
from kai_build import NOW, Played, cluster, job, memory, node, play, queue

from tenantry.fair.kai import rules
from tenantry.fair.kai.rules import VERSIONS, Rules
from tenantry.model.job import Job, Placement, Pod, PodStatus, whole_gpus
from tenantry.model.schedule import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.model.moment import Moment

LASTING: dict[str, Any] = {"priority": 100}
STALE = {"gang-0", "gang-1"}


@dataclass(frozen=True)
class Change:
    """A rule that changed.

    Attributes:
        since: first version with it.
        moment: a moment in which it decides.
        settings: settings in which it does.
        look: what to compare.
        old: what is found without the rule.
        new: what is found with it.
    """

    since: str
    moment: Moment
    settings: dict[str, Any]
    look: Callable[[Played], Any]
    old: Any
    new: Any
    others: dict[str, Any] = field(default_factory=dict)


def lost(played: Played) -> set[str]:
    return played.lost


def portfolio() -> Change:
    """Only n1 will do for the job that waits, and the least important job is on n2.

    Over several nodes, the emptier n2 comes first and n1 in addition to it: two pods of the job on n2 are lost for
    nothing, since only one pod of a job finds its place again. Node by node, n1 alone is enough.
    """
    only_n1 = {"placement": Placement(selector=(("zone", "z1"),))}
    jobs = [
        job("low", "a", on="n2 n2 n2", needs=1, priority=30),
        job("mid", "a", 4, on="n1", priority=40),
        job("high", "a", 1, priority=60, pod=only_n1),
    ]
    moment = cluster([node("n1", 4, labels={"zone": "z1"}), node("n2", 3)], [queue("a", 9)], jobs)
    return Change("0.16", moment, {"actions": ("preempt",)}, lost, {"low-1", "low-2", "mid-0"}, {"mid-0"})


def remembers_failures() -> Change:
    """Nobody can be helped: both generators come to the same victims, which are simulated once or twice.

    The version with one generator simulates them once, having nothing to remember.
    """
    jobs = [job(f"b{number}", "b", on="n1", created=number) for number in range(2)]
    moment = cluster([node("n1", 2)], [queue("a", 2), queue("b", 2)], [*jobs, job("x", "a")])

    def scenarios(played: Played) -> int:
        count: int = played.held("x", "reclaim").facts["scenarios"]
        return count

    return Change("0.17", moment, {"actions": ("reclaim",)}, scenarios, 4, 2, {"0.15": 2})


def forgets_rejected_nodes() -> Change:
    """x needs a GPU and 700 CPU: n1 and n2 have both, when emptied; n3 has a GPU only, n4 too little CPU.

    The CPU pod of w (350) has room only on n1, beside v (600), when x takes n2. A node that has a victim is looked at,
    but n1 has none then. It stays in sight only where an earlier scenario, in which v was to leave it for nothing, was
    rejected; the final search meets that scenario before the last victim.
    """
    gpu = whole_gpus(1)

    def running(name: str, created: int, *pods: tuple[str, int, float]) -> Job:
        members = [
            Pod(f"{name}-{number}", PodStatus.RUNNING, place, whole_gpus(gpus), cpu=cpu)
            for number, (place, gpus, cpu) in enumerate(pods)
        ]
        return Job(name, "a", tuple(members), created=created)

    jobs = [
        running("v", 5, ("n1", 1, 600.0)),
        running("w", 4, ("n2", 1, 0.0), ("n2", 0, 350.0)),
        running("u", 3, ("n4", 1, 0.0)),
        Job("x", "a", (Pod("x-0", gpu=gpu, cpu=700.0),), created=1),
    ]
    nodes = [node(name, 1, cpu=cpu) for name, cpu in (("n1", 1000.0), ("n2", 900.0), ("n3", 0.0), ("n4", 100.0))]
    moment = cluster(nodes, [queue("a", 9)], jobs)

    def place(played: Played) -> str | None:
        return played.promised.get("x-0")

    # The version before looks over several nodes only, and never comes to that scenario.
    return Change("0.17", moment, {"actions": ("consolidation",)}, place, "n2", None, {"0.15": None})


def filters_victims() -> Change:
    """b is above its limit and may lose; c is at its share and may not, but its jobs are the first victims looked at.

    Every scenario that contains c is unfair, since only one pod of its job finds its place again.
    """
    queues = [queue("a", 0, priority=120), queue("b", 0, limit=1, priority=110), queue("c", 0, priority=90)]
    jobs = [
        *(job(f"b{number}", "b", on="n1", created=number) for number in range(2)),
        job("c", "c", on="n1 n1 n1", needs=1),
        job("x", "a"),
    ]
    moment = cluster([node("n1", 5)], queues, jobs)
    return Change("0.16", moment, {"actions": ("reclaim",)}, lost, set(), {"b1-0"})


def knows_smallest_gpu() -> Change:
    """5000 MiB are a third of a GPU of 15000, or 50 GPUs of 100."""
    moment = cluster([node("n1", 1, gpu_memory=15_000)], [queue("a", 9)], [job("x", "a", memory(5000))])

    def requested(played: Played) -> float:
        return played.cycle.queues[0].requested[2]

    return Change("0.16", moment, {"actions": ()}, requested, 50, 5000 / 15_000)


def limits_count_memory() -> Change:
    """Half a GPU above a limit of 0.3 is refused at once, or else by every node."""
    moment = cluster([node("n1", 1, gpu_memory=16_000)], [queue("a", limit=0.3)], [job("x", "a", memory(8000))])

    def gate(played: Played) -> Gate:
        return played.held("x").gate

    return Change("0.16", moment, {"actions": ("allocate",)}, gate, Gate.NO_ROOM, Gate.OVER_LIMIT)


def honours_delay() -> Change:
    waits = job("high", "a", priority=60, created=NOW, preemption_delay=60)
    moment = cluster([node("n1", 1)], [queue("a", 9)], [job("low", "a", on="n1"), waits])
    return Change("0.17", moment, {"actions": ("preempt",)}, lost, {"low-0"}, set())


def stale(**more: Any) -> Moment:
    """A gang of three of which two run."""
    return cluster(
        [node("n1", 8)], [queue("a", 9)], [job("gang", "a", on="n1 n1", pods=3, stale_since=NOW - 90, **more)]
    )


def own_grace() -> Change:
    settings = {"actions": ("stalegangeviction",), "staleness_grace": 60}
    return Change("0.17", stale(staleness_grace=600), settings, lost, STALE, set())


def sees_succeeded() -> Change:
    """Releases from 0.16.2 to 0.17.0 do not watch pods that have succeeded; later ones do again."""
    short = stale()
    gang = short.jobs[0]
    done = Pod("gang-2", PodStatus.SUCCEEDED, "n1", whole_gpus(1))
    moment = replace(short, jobs=(replace(gang, pods=(*gang.pods[:2], done)),))
    settings = {"actions": ("stalegangeviction",), "staleness_grace": 60}
    return Change("0.17", moment, settings, lost, STALE, set(), {"0.15": set(), "0.17.0": STALE})


def allows_no_minimum() -> Change:
    """A job that needs no pod has one above its minimum, which may go though the job is protected."""
    jobs = [job("low", "a", on="n1", needs=0, started=NOW), job("high", "a", priority=60)]
    moment = cluster([node("n1", 1)], [queue("a", 9, preempt_min_runtime=600)], jobs)
    return Change("0.17", moment, {"actions": ("preempt",)}, lost, set(), {"low-0"}, {"0.17.0": set()})


CHANGES = {
    "portfolio": portfolio(),
    "remembers_failures": remembers_failures(),
    "forgets_rejected_nodes": forgets_rejected_nodes(),
    "filters_victims": filters_victims(),
    "knows_smallest_gpu": knows_smallest_gpu(),
    "limits_count_memory": limits_count_memory(),
    "honours_delay": honours_delay(),
    "own_grace": own_grace(),
    "sees_succeeded": sees_succeeded(),
    "allows_no_minimum": allows_no_minimum(),
}


def test_every_rule_that_changed_has_a_moment_in_which_it_decides() -> None:
    assert list(CHANGES) == [field.name for field in fields(Rules)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", CHANGES)
def test_versions_decide_as_they_did(name: str, version: str) -> None:
    change = CHANGES[name]
    expected = change.others.get(version, change.new if version >= change.since else change.old)
    assert change.look(play(change.moment, version=version, **change.settings)) == expected


@pytest.mark.parametrize("name", CHANGES)
def test_one_rule_alone_makes_the_difference(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest version with one of its rules turned off decides as an old one did."""
    change = CHANGES[name]
    monkeypatch.setitem(rules.VERSIONS, "without", replace(VERSIONS["0.17"], **{name: False}))
    assert change.look(play(change.moment, version="without", **change.settings)) == change.old


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(KeyError, match=r"0\.14"):
        play(cluster([node("n1")], [queue("a")], []), version="0.14")


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(KeyError, match="defragment"):
        play(cluster([node("n1")], [queue("a")], []), actions=("defragment",))
