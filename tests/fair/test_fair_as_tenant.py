"""Asking about a job of a cluster from anywhere: finding it, other pools, and what a tenant may see."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from moment_builders import NOW, moment, node, queue, running, waiting
from moment_strategies import moments

from tenantry.app.cluster_view import ClusterView, PoolView
from tenantry.app.explain import ExplainReport, Question, explain_job
from tenantry.app.fairshare import share_out_cluster
from tenantry.app.naming import Masked, naming
from tenantry.cli.render.explain import RENDERERS as EXPLAIN
from tenantry.cli.render.fairshare import RENDERERS as FAIRSHARE
from tenantry.errors import InputError
from tenantry.fair.kai.scheduler import KaiScheduler
from tenantry.model.finding import Finding, Severity
from tenantry.model.job import Job
from tenantry.model.moment import Moment, Taint
from tenantry.model.pool_snapshot import JobTitle, PoolSnapshot, SetAside
from tenantry.model.problem import Location

CANARY = "zz9"
"""Stands in every name that must not be seen."""


def view(*pools: PoolSnapshot) -> ClusterView:
    found = {pool.pool: PoolView(pool, KaiScheduler()) for pool in pools}
    secret = Finding(
        "SNAP-X", Severity.WARNING, f"Queue {CANARY}", f"queue {CANARY} is odd", Location(f"{CANARY}.yaml")
    )
    return ClusterView("snapshot", found, (secret,))


def pool(state: Moment, name: str = "training", **changes: object) -> PoolSnapshot:
    titles = {job.name: JobTitle(job.namespace, job.name, f"PyTorchJob {job.name}", job.name) for job in state.jobs}
    return replace(PoolSnapshot(name, state, titles=titles), **changes)  # type: ignore[arg-type]


def shared(state: Moment, own: str = "red") -> ClusterView:
    """The cluster with every name but those of one queue, of what is above it and of its jobs made secret."""
    parents = {item.name: item.parent for item in state.queues}
    seen = {own, parents[own]}

    def secret(name: str) -> str:
        return name if name in seen else f"{CANARY}-{name}"

    def hidden(job: Job) -> Job:
        if job.queue == own:
            return job
        pods = tuple(replace(pod, name=f"{CANARY}-{pod.name}") for pod in job.pods)
        return replace(job, name=f"{CANARY}-{job.name}", queue=secret(job.queue), namespace=f"{CANARY}-ns", pods=pods)

    queues = tuple(replace(item, name=secret(item.name), parent=secret(item.parent)) for item in state.queues)
    queues = tuple(replace(item, parent=item.parent if item.parent != f"{CANARY}-" else "") for item in queues)
    nodes = tuple(
        replace(item, taints=(Taint(f"{CANARY}-dedicated"),)) if item.unready else item for item in state.nodes
    )
    renamed = replace(state, queues=queues, jobs=tuple(map(hidden, state.jobs)), nodes=nodes)
    owners = {item.name: item.name for item in queues}
    aside = {f"{CANARY}-aside": SetAside(f"{CANARY}-blue", "it was tried once", f"{CANARY} is over its limit")}
    found = pool(renamed, tenants=owners, set_aside=aside)
    titles = {**found.titles, f"{CANARY}-aside": JobTitle(f"{CANARY}-ns", f"{CANARY}-aside")}
    return view(replace(found, titles=titles))


@settings(deadline=None, max_examples=40)
@given(moments())
def test_no_name_of_another_tenant_is_ever_seen(state: Moment) -> None:
    found = shared(state)
    shares = share_out_cluster(lambda: found, tenant="red")
    for form in FAIRSHARE.values():
        assert CANARY not in form(shares, ("gpu", "cpu"))
    for job in state.jobs:
        if job.queue != "red":
            continue
        report = explain_job(lambda: found, Question(job.name, tenant="red", check_order=True))
        for write in EXPLAIN.values():
            assert CANARY not in write(report)
    with pytest.raises(InputError) as error:
        explain_job(lambda: found, Question("nothing", tenant="red"))
    assert CANARY not in str(error.value)


@settings(deadline=None, max_examples=20)
@given(moments())
def test_numbers_stay_the_same_for_a_tenant(state: Moment) -> None:
    found = shared(state)
    for job in [item for item in state.jobs if item.queue == "red"]:
        mine = explain_job(lambda: found, Question(job.name, tenant="red"))
        all_of_it = explain_job(lambda: found, Question(job.name))
        assert _numbers(mine) == _numbers(all_of_it)


def _numbers(report: ExplainReport) -> object:
    body = json.loads(EXPLAIN["json"](report))

    def numbers(value: object) -> object:
        if isinstance(value, dict):
            return {key: numbers(item) for key, item in value.items()}
        if isinstance(value, list):
            return [numbers(item) for item in value]
        return value if isinstance(value, int | float) else None

    return numbers({key: value for key, value in body.items() if key != "findings"})


def test_neutral_names_are_numbers_by_age() -> None:
    queues = [queue("mine", 4, created=3), queue("young", 4, created=9), queue("old", 4, created=1)]
    jobs = [waiting("late", "young", 1, age=5), waiting("early", "old", 1, age=500), waiting("own", "mine", 1)]
    names = naming(view(pool(moment(queues, [node("n1")], jobs))), "mine")
    assert [names.queue(name) for name in ("mine", "old", "young", "unknown")] == [
        "mine", "other-queue-1", "other-queue-2", "another queue",
    ]  # fmt: skip
    assert [names.job(name) for name in ("own", "early", "late", "unknown")] == [
        "work/own", "other-job-1", "other-job-2", "another job",
    ]  # fmt: skip
    assert (names.pod("own-0"), names.pod("early-0"), names.place("dedicated=old")) == ("own-0", "another pod", "")


def test_a_neutral_name_that_exists_is_left_out() -> None:
    queues = [queue("mine", 4), queue("other-queue-1", 4, parent="mine"), queue("x", 4)]
    names = naming(view(pool(moment(queues, [node("n1")], []))), "mine")
    assert names.queue("x") == "other-queue-2"


def test_a_tenant_owns_what_is_below_its_queues_and_sees_what_is_above() -> None:
    queues = [
        queue("dept", 8),
        queue("team", 4, parent="dept"),
        queue("project", 2, parent="team"),
        queue("rivals", 4, parent="dept"),
    ]
    names = naming(view(pool(moment(queues, [node("n1")], []), tenants={"team": "vision"})), "vision")
    assert isinstance(names, Masked)
    assert names.own == {"team", "project"}
    assert names.queues == {"dept", "team", "project"}


def test_an_unknown_tenant_is_not_told_who_else_there_is() -> None:
    found = view(pool(moment([queue(CANARY, 4)], [node("n1")], [])))
    with pytest.raises(InputError, match="no queue of the cluster belongs to 'x'") as error:
        naming(found, "x")
    assert CANARY not in str(error.value)


# --- which job is meant -----------------------------------------------------------------------------------------------


def cluster() -> ClusterView:
    queues, nodes = [queue("a", 8), queue("b", 0)], [node("n1")]
    jobs = [running("pg-one", "a", 4, "n1", namespace="red"), waiting("pg-two", "a", 8, namespace="blue")]
    state = moment(queues, nodes, jobs)
    titles = {
        "pg-one": JobTitle("red", "pg-one", "PyTorchJob train", "train"),
        "pg-two": JobTitle("blue", "pg-two", "Job train", "train"),
    }
    other = moment([queue("a2", 8)], [node("m1")], [])
    return view(
        replace(pool(state, tenants={"a": "vision", "b": "search"}), titles=titles),
        pool(other, "serving", tenants={"a2": "vision"}),
    )


@pytest.mark.parametrize("name", ["pg-two", "blue/pg-two", "blue/train", "pg-two-0"])
def test_a_job_is_found_by_any_of_its_names(name: str) -> None:
    report = explain_job(cluster, Question(name))
    assert (report.title, report.owner, report.pool) == ("blue/train", "Job train", "training")


def test_a_name_that_fits_several_jobs_is_refused() -> None:
    with pytest.raises(InputError, match="'train' may mean several jobs: blue/pg-two, red/pg-one"):
        explain_job(cluster, Question("train"))


def test_a_job_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"there is no job 'trein'; there are blue/train, red/train; did you mean"):
        explain_job(cluster, Question("trein"))
    with pytest.raises(InputError, match="there is no job 'pg-two' in node pool serving; there are none"):
        explain_job(cluster, Question("pg-two", pool="serving"))
    with pytest.raises(InputError, match="there is no node pool 'servin'"):
        explain_job(cluster, Question("pg-two", pool="servin"))


def test_the_queue_its_tenant_has_in_another_pool_is_tried() -> None:
    report = explain_job(cluster, Question("pg-two"))
    (advice,) = [item for item in report.advice if item.kind == "elsewhere"]
    assert advice.change.text == "submit it to node pool serving, queue a2"
    assert advice.effect.text == "it starts at once"


def test_a_job_that_was_set_aside_is_explained_by_what_was_recorded() -> None:
    aside = SetAside("a", "it was tried once", "queue b is over its limit", NOW - 60)
    found = pool(moment([queue("a", 8)], [node("n1")], []), set_aside={"pg": aside})
    found = replace(found, titles={"pg": JobTitle("ns", "pg")}, tenants={"a": "vision"})
    report = explain_job(lambda: view(found), Question("pg"))
    assert (report.standing, report.settled) == ("set-aside", False)
    assert "it recorded 1 min ago: queue b is over its limit" in report.reasons[0].text
    mine = explain_job(lambda: view(found), Question("pg", tenant="vision"))
    assert "queue b" not in mine.reasons[0].text
    assert EXPLAIN["text"](mine)
