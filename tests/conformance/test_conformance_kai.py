"""Every scheduling scenario for the KAI scheduler in the data root ends as its authors expect.

What is compared is what the scheduler's own tests compare (pkg/scheduler/test_utils, integration_tests_utils), and the
sharing of GPUs, which they name but pass over.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kai_scenarios import AFTER, READ, STATES, UNTIL, NotModelled, Play, settings_of

from tenantry.fair.kai.predicates import refuses
from tenantry.fair.kai.rules import ACTIONS
from tenantry.fair.kai.session import Session
from tenantry.model.job import ACTIVE_USED, ALLOCATED
from tenantry.model.schedule import Act, Gate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tenantry.fair.kai.state import Job, Task

ROOT = Path(os.environ.get("TENANTRY_SHARED", Path(__file__).resolve().parents[2] / "../shared"))
LIST = ROOT / "conformance" / "kai" / "cases.json"
CASES: list[dict[str, Any]] = json.loads(LIST.read_text("utf-8")) if LIST.is_file() else []

needs_cases = pytest.mark.skipif(not CASES, reason=f"no cases at {LIST}; set TENANTRY_SHARED")

FULL_CYCLE = "full cycle"
MAXIMA = {
    Act.BIND: "NumberOfCacheBinds",
    Act.EVICT: "NumberOfCacheEvictions",
    Act.PROMISE: "NumberOfPipelineActions",
}
"""What a scenario calls the most that may be done in one round; nothing may be done of what it does not name."""

COMPARED = {
    "Status", "NodeName", "GPUsRequired", "GPUsAccepted", "MilliCpuRequired", "MemoryRequired", "GPUGroups",
    "DontValidateGPUGroup", "ExpectedErrorMessage", "LastStartTimestampOlderThan",
}  # fmt: skip
"""What a scenario may expect of a job or task."""


def title(case: dict[str, Any]) -> str:
    source = case["source"].removeprefix("pkg/scheduler/actions/")
    return f"{source} {case['scenario'].get('Name', '')}".strip()


def refusal(case: dict[str, Any]) -> str | None:
    """Why a scenario is not played."""
    try:
        opened(case)
    except NotModelled as error:
        return str(error)
    return None


def opened(case: dict[str, Any]) -> Play:
    scenario = copy.deepcopy(case["scenario"])
    return Play(scenario, settings_of(scenario, case["action"]))


PLAYED = [case for case in CASES if refusal(case) is None]
REFUSED = [case for case in CASES if refusal(case) is not None]


@needs_cases
@pytest.mark.parametrize("case", PLAYED, ids=map(title, PLAYED))
def test_scenario_ends_as_expected(case: dict[str, Any]) -> None:
    play = opened(case)
    if case["action"] != FULL_CYCLE:
        session = play.run((case["action"],))
        assert [*excess(play), *differences(play.scenario, session, session)] == []
        return
    for _ in range(case.get("RoundsUntilMatch", UNTIL)):
        last = play.run(ACTIONS)
        assert list(excess(play)) == []
        play.settle()
    # Compared on a fresh look at the cluster, before anything is decided again; reasons are those of the last round.
    assert list(differences(play.scenario, Session(play.moment(), play.settings), last)) == []
    for number in range(case.get("RoundsAfterMatch", AFTER)):
        session = play.run(ACTIONS)
        assert [*excess(play), *differences(play.scenario, session, session)] == [], f"round {number + 1} after that"
        play.settle()


@needs_cases
@pytest.mark.parametrize("case", REFUSED, ids=map(title, REFUSED))
def test_scenario_beyond_the_model_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(NotModelled, match=r"^(dynamic resource allocation|inter-pod affinity)$"):
        opened(case)


@needs_cases
def test_nothing_expected_is_passed_over() -> None:
    expectations = [
        expected
        for case in PLAYED
        for key in ("JobExpectedResults", "TaskExpectedResults")
        for expected in (case["scenario"].get(key) or {}).values()
    ]
    nodes = [node for case in PLAYED for node in (case["scenario"].get("ExpectedNodesResources") or {}).values()]
    assert set().union(*expectations) <= COMPARED
    assert set().union(*nodes) <= {"IdleGPUs", "ReleasingGPUs"}


@needs_cases
def test_nearly_all_scenarios_are_played() -> None:
    reasons = Counter(refusal(case) for case in CASES)
    assert reasons == {None: 246, "dynamic resource allocation": 5, "inter-pod affinity": 2}


def test_scenario_with_something_nobody_reads_is_refused() -> None:
    node = {"GPUs": 1, "NumaTopology": {"Zones": []}}
    with pytest.raises(NotModelled, match="node: NumaTopology"):
        Play({"Jobs": [], "Nodes": {"node0": node}, "Queues": []}, settings_of({"Jobs": []}, "allocate"))


@pytest.mark.parametrize("part", ["job", "task", "node", "queue", "department", "scenario"])
def test_every_part_of_a_scenario_is_looked_at(part: str) -> None:
    task: dict[str, Any] = {"State": "Pending"}
    job: dict[str, Any] = {"Name": "job0", "QueueName": "queue0", "Tasks": [task]}
    bodies: dict[str, dict[str, Any]] = {"job": job, "task": task, "node": {}, "queue": {}, "department": {}}
    scenario: dict[str, Any] = {
        "Jobs": [job],
        "Nodes": {"node0": bodies["node"]},
        "Queues": [bodies["queue"]],
        "Departments": [bodies["department"]],
    }
    assert "Surprise" not in READ[part]
    {**bodies, "scenario": scenario}[part]["Surprise"] = 1
    with pytest.raises(NotModelled, match=f"{part}: Surprise"):
        Play(scenario, settings_of({"Jobs": []}, "allocate"))


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ({"PodAffinityTopologyKey": "zone"}, "inter-pod affinity"),
        ({"PodAntiAffinityTopologyKey": "zone"}, "inter-pod affinity"),
        ({"PersistentVolumeClaimNames": ["data"]}, "volumes"),
        ({"ResourceClaimNames": ["gpu"]}, "dynamic resource allocation"),
    ],
)
def test_demand_beyond_the_model_is_refused(task: dict[str, Any], reason: str) -> None:
    job = {"Name": "job0", "QueueName": "queue0", "Tasks": [{"State": "Pending", **task}]}
    with pytest.raises(NotModelled, match=reason):
        Play({"Jobs": [job], "Nodes": {}, "Queues": []}, settings_of({"Jobs": [job]}, "allocate"))


# --- what is compared -------------------------------------------------------------------------------------------------


def excess(play: Play) -> Iterator[str]:
    """What a round does more often than the scenario allows; maxima, as in the original."""
    most = (play.scenario.get("Mocks") or {}).get("CacheRequirements") or {}
    for act, key in MAXIMA.items():
        if play.counts[act.value] > most.get(key, 0):
            yield f"{play.counts[act.value]} times {act.value}, at most {most.get(key, 0)} expected"


def differences(scenario: dict[str, Any], session: Session, last: Session) -> Iterator[str]:
    """What differs from what a scenario expects.

    Args:
        scenario: the scenario.
        session: the cluster to compare.
        last: the session whose reasons count.
    """
    sharing = Sharing()
    for name, expected in (scenario.get("JobExpectedResults") or {}).items():
        job = session.jobs[name]
        yield from _amounts(name, list(job.tasks.values()), expected)
        yield from _started(job, expected, session.now)
        for task in job.tasks.values():
            yield from _place(task, expected)
            yield from sharing.differences(task, expected)
        if "ExpectedErrorMessage" in expected:
            yield from _reason(expected["ExpectedErrorMessage"], last.jobs[name], last)
    by_task = scenario.get("TaskExpectedResults") or {}
    for job in session.jobs.values():
        # Names of no task are passed over, as in the original.
        for task in (task for task in job.tasks.values() if task.uid in by_task):
            expected = by_task[task.uid]
            yield from _place(task, expected)
            yield from _amounts(task.uid, [task], expected)
            yield from _started(job, expected, session.now)
            yield from sharing.differences(task, expected)
    for name, expected in (scenario.get("ExpectedNodesResources") or {}).items():
        gpu = session.axes.index["gpu"]
        found = {"IdleGPUs": session.nodes[name].idle[gpu], "ReleasingGPUs": session.nodes[name].releasing[gpu]}
        for key, amount in found.items():
            if amount != expected.get(key, 0):
                yield f"{name}: {key} {amount}, expected {expected.get(key, 0)}"


def _place(task: Task, expected: Mapping[str, Any]) -> Iterator[str]:
    if task.status != STATES[expected["Status"]]:
        yield f"{task.uid}: {task!r}, expected {expected['Status']}"
    if expected.get("NodeName") and task.node != expected["NodeName"]:
        yield f"{task.uid}: on {task.node}, expected on {expected['NodeName']}"


def _amounts(name: str, tasks: list[Task], expected: Mapping[str, Any]) -> Iterator[str]:
    if sum(task.ask.gpus for task in tasks) != expected.get("GPUsRequired", 0):
        yield f"{name}: asks for other GPUs than {expected.get('GPUsRequired', 0)}"
    found = {
        "GPUsAccepted": sum(task.accepted_gpus for task in tasks),
        "MilliCpuRequired": sum(task.ask.vector[0] for task in tasks),
        "MemoryRequired": sum(task.ask.vector[1] for task in tasks),
    }
    for key, amount in found.items():
        if expected.get(key) and amount != expected[key]:  # 0 says nothing, as in the original
            yield f"{name}: {key} {amount}, expected {expected[key]}"


def _started(job: Job, expected: Mapping[str, Any], now: int) -> Iterator[str]:
    if not STATES[expected["Status"]] & ALLOCATED:
        return
    age = expected.get("LastStartTimestampOlderThan", 0) / 10**9
    if job.started is None or now - job.started < age:
        yield f"{job.uid}: started at {job.started}, expected {age} seconds ago"


class Sharing:
    """Which names of shared GPUs in a scenario stand for which of ours, node by node, both ways."""

    def __init__(self) -> None:
        self.ours: dict[tuple[str, str], str] = {}
        self.theirs: dict[tuple[str, str], str] = {}

    def differences(self, task: Task, expected: Mapping[str, Any]) -> Iterator[str]:
        """What is shared, or kept apart, against the names a scenario gives."""
        groups = expected.get("GPUGroups")
        if not groups or expected.get("DontValidateGPUGroup") or not task.shares_gpu or not task.status & ACTIVE_USED:
            return
        if len(groups) != len(task.groups):
            yield f"{task.uid}: parts of {task.groups}, expected of {groups}"
            return
        for theirs, ours in zip(groups, task.groups, strict=True):
            if self.ours.setdefault((task.node, theirs), ours) != ours:
                yield f"{task.uid}: a part of {ours}, expected of the GPU {theirs} that others share"
            if self.theirs.setdefault((task.node, ours), theirs) != theirs:
                yield f"{task.uid}: shares {ours} with those on another GPU than {theirs}"


TOPOLOGY = re.compile(
    r"topology (?P<topology>\S+), requirement (?P<level>\S+) couldn't be satisfied for job </(?P<job>.*)>"
)
OVER_QUOTA = re.compile(
    r"NonPreemptibleOverQuota, .*?requested (?P<asked>[\d.]+) GPUs, "
    r"but (?P<queue>\S+) quota is (?P<quota>[\d.]+) GPUs, while (?P<lasting>[\d.]+) GPUs"
)


def _reason(message: str, job: Job, session: Session) -> Iterator[str]:
    """A message in words, against the gate and the numbers of the model."""
    held = session.record.held[job.uid]["allocate"]
    if match := TOPOLOGY.search(message):
        found = (held.gate, held.facts["topology"], held.facts["required"], job.uid)
        if found != (Gate.TOPOLOGY, match["topology"], match["level"], match["job"]):
            yield f"{job.uid}: {held}, expected {message}"
        return
    wanted = [
        (match["queue"], float(match["quota"]), float(match["lasting"]), float(match["asked"]))
        for match in OVER_QUOTA.finditer(message)
    ]
    if not wanted or held.gate is not Gate.NO_ROOM or held.facts["refused"] != {Gate.LASTING_OVER_QUOTA: len(wanted)}:
        yield f"{job.uid}: {held}, expected {message}"
    task = session.jobs[job.uid].tasks[held.facts["pod"]]
    answers = [refuses(session, task, job, node) for node in session.nodes.values()]
    numbers = [
        tuple(facts[key] for key in ("queue", "quota", "lasting", "requested")) for _, facts in filter(None, answers)
    ]
    if sorted(numbers) != sorted(wanted):
        yield f"{job.uid}: {numbers}, expected {wanted}"
