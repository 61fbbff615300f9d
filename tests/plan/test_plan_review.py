"""A repository with ten commits, as a reviewer meets it: each is one change, and the first line of its plan says it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tenantry.app.plan import PlanQuestion, plan_compared
from tenantry.app.plan_places import compared
from tenantry.plan import Area, Level

if TYPE_CHECKING:
    from conftest import GitFolder

    New = Callable[[str], GitFolder]

PLATFORM, VISION, SEARCH = "spec/base/platform.yaml", "spec/base/tenants/vision.yaml", "spec/base/tenants/search.yaml"
ROBOTICS = """apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {name: robotics}
spec:
  department: research
  namespaces: [{name: robotics}]
  access: [{group: robotics, role: edit}]
  quotas: [{pool: training, guaranteed: 0, limit: 8}]
  priorities: [batch]
"""
EXCEPTION = """    - name: sandbox-uses-search
      from: {tenant: sandbox, namespaces: [sandbox]}
      to: {tenant: search, namespaces: [search-serve], pods: {app: ranking-api}}
      ports: [TCP/8443]
      reason: Notebooks try the ranking
      expires: 2027-06-30
"""


class Change(NamedTuple):
    """A commit.

    Attributes:
        subject: its message.
        make: makes the change.
        summary: first line of the plan, without the platform and without isolation.
        worst: level of the worst effect.
    """

    subject: str
    make: Callable[[GitFolder], object]
    summary: str
    worst: Level


def edit(file: str, before: str, after: str) -> Callable[[GitFolder], object]:
    return lambda made: made.edit(file, before, after)


CHANGES = (
    Change(
        "onboard robotics",
        lambda made: made.write("spec/base/tenants/robotics.yaml", ROBOTICS),
        "no node is disturbed; robotics is added",
        Level.CHANGE,
    ),
    Change(
        "less for vision",
        edit(VISION, "guaranteed: 16, limit: 32", "guaranteed: 8, limit: 32"),
        "no node is disturbed; vision loses 8 guaranteed GPUs",
        Level.DISRUPTIVE,
    ),
    # 2 + 2 + 6 nodes one at a time, 15 min each.
    Change(
        "another driver",
        edit(PLATFORM, "  driver:\n", "  driver:\n    version: 580.126.20\n"),
        "10 nodes reload their GPU driver one after another, about 2 h 30 min",
        Level.DISRUPTIVE,
    ),
    # Four GPUs of each of two nodes, all at once.
    Change(
        "another layout",
        edit(PLATFORM, "profiles: {1g.18gb: 7}", "profiles: {1g.18gb: 6}"),
        "2 nodes partition their GPUs anew all at once, about 5 min",
        Level.DISRUPTIVE,
    ),
    Change(
        "an exception of the network",
        lambda made: made.write("spec/base/contract.yaml", made.read("spec/base/contract.yaml") + EXCEPTION),
        "no node is disturbed; tenant sandbox: may connect to tenant search and 2 more effects",
        Level.CHANGE,
    ),
    Change(
        "a seventh server",
        edit(
            PLATFORM,
            "        - gpu-06.ai-factory.example.com\n",
            "        - gpu-06.ai-factory.example.com\n        - gpu-09.ai-factory.example.com\n",
        ),
        "no node is disturbed; node pool training: 1 node added",
        Level.CHANGE,
    ),
    Change(
        "robotics leaves",
        lambda made: made.git("rm", "--quiet", "spec/base/tenants/robotics.yaml"),
        "no node is disturbed; robotics is removed",
        Level.DISRUPTIVE,
    ),
    Change(
        "spread instead of pack",
        edit(PLATFORM, "placement: binpack", "placement: spread"),
        "no node is disturbed; scheduler: the scheduler restarts with other rules and 1 more effect",
        Level.CHANGE,
    ),
    # An older channel: OLM never downgrades.
    Change(
        "another channel",
        edit(PLATFORM, "  driver:\n", "  operators:\n    gpu-operator: {channel: v26.3}\n  driver:\n"),
        "no node is disturbed; operator gpu-operator-certified: channel v26.7 -> v26.3",
        Level.CHANGE,
    ),
    # Eleven nodes by now.
    Change(
        "back to the old driver",
        lambda made: made.git("revert", "--no-commit", "HEAD~6"),
        "11 nodes reload their GPU driver one after another, about 2 h 45 min",
        Level.DISRUPTIVE,
    ),
)


@pytest.fixture
def history(new_repository: New, monkeypatch: pytest.MonkeyPatch) -> GitFolder:
    return build(new_repository("r"), monkeypatch)


def build(made: GitFolder, monkeypatch: pytest.MonkeyPatch) -> GitFolder:
    made.example("dell-ai-factory-h200", "spec")
    made.commit("the platform")
    for change in CHANGES:
        change.make(made)
        made.commit(change.subject)
    monkeypatch.chdir(made.folder)
    return made


def test_the_first_line_says_what_every_commit_does(history: GitFolder) -> None:
    told = []
    for number, change in enumerate(CHANGES):
        back = len(CHANGES) - number
        asked = compared(f"HEAD~{back}..HEAD~{back - 1}", "spec")
        plan = plan_compared(asked, "production", PlanQuestion(verify=False))
        told.append((change.subject, plan.summary.removesuffix("; isolation not compared"), plan.worst))
        assert plan.of(Area.UNKNOWN) == (), change.subject
        files = {cause.location.file for cause in plan.causes}
        # Every cause is a place in the repository that the commit changed.
        changed = set(history.git("diff", "--name-only", f"HEAD~{back}", f"HEAD~{back - 1}").splitlines())
        assert files <= changed, change.subject
    assert told == [(change.subject, change.summary, change.worst) for change in CHANGES]


def test_all_of_it_in_one_range_is_what_is_left_of_it(history: GitFolder) -> None:
    del history
    plan = plan_compared(compared(f"HEAD~{len(CHANGES)}...HEAD", "spec"), "production", PlanQuestion(verify=False))
    # The driver was changed and changed back, a tenant came and went.
    assert not plan.summary.startswith("10 nodes")
    assert "robotics" not in plan.summary


def test_an_exception_shows_in_the_network_and_breaks_no_isolation(history: GitFolder) -> None:
    del history
    asked = compared("HEAD~6..HEAD~5", "spec")
    plan = plan_compared(asked, "production", PlanQuestion(today=date(2026, 6, 1)))
    assert plan.summary.endswith("isolation unchanged")
    (effect,) = [item for item in plan.effects if item.rule == "EFFECT-NETWORK" and "search" in item.tenants]
    assert [cause.document for cause in effect.causes] == ["Contract exceptions"]
