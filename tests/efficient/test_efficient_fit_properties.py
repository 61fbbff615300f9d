"""Random small specs: verdicts against trying everything, more nodes, lost nodes, and proposed changes."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from fit_support import ClusterBuilder, apply, cluster, holds_naively, rebuild, resolved, workload
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantry.compile.checks import check
from tenantry.compile.resolve import resolve
from tenantry.efficient.fit.engine import fit, judge
from tenantry.efficient.fit.promises import held, spare_nodes
from tenantry.efficient.fit.room import Need
from tenantry.efficient.fit.work import NO_LOSS, Ground, Loss
from tenantry.model.finding import Severity, Verdict

if TYPE_CHECKING:
    from tenantry.model.cluster import Cluster

GPU = "nvidia.com/gpu"
SERVER: dict[str, Any] = {"server": "generic", "gpu": {"model": "h100-sxm-80", "count": 4}}
SHAPE = {"GUARANTEE": "FIT-GUARANTEE", "NEVER": "FIT-WORKLOAD-NEVER"}


@st.composite
def specs(draw: st.DrawFn, most: int = 3) -> ClusterBuilder:
    """One pool of servers with four GPUs, up to three tenants, up to two workloads each."""
    nodes = draw(st.integers(1, most))
    builder = cluster().pool("pool", **SERVER, nodes=nodes, named=draw(st.booleans()))
    left = 4 * nodes
    for name in ("a", "b", "c")[: draw(st.integers(1, 3))]:
        guaranteed = draw(st.integers(0, min(left, 7)))
        left -= guaranteed
        limit = draw(st.integers(guaranteed, 4 * nodes))
        builder = builder.tenant(name, pool="pool", guaranteed=guaranteed, limit=limit)
        for number in range(draw(st.integers(0, 2))):
            document = workload(
                f"{name}-{number}", name, "pool", gpus=draw(st.integers(1, 5)), pods=draw(st.integers(1, 3))
            )
            builder = builder.document("Workload", f"{name}-{number}", document["spec"])
    return builder


def with_nodes(cluster_: Cluster, nodes: int) -> Cluster:
    """Return the same platform with another number of nodes."""
    platform = cluster_.spec.platform
    body = platform.model_dump(mode="json", by_alias=True, exclude_unset=True)
    pool = body["spec"]["nodePools"][0]
    pool.pop("hosts", None)
    pool["count"] = nodes
    spec = type(cluster_.spec)(
        platform=type(platform).model_validate(body),
        tenants=cluster_.spec.tenants,
        workloads=cluster_.spec.workloads,
    )
    answer, problems = resolve(spec)
    assert not problems + check(answer)
    return answer


def held_naively(ground: Ground, nodes: int) -> bool:
    """Try every choice of workloads and every placement of their pods."""
    choices = []
    for tenant in ground.cluster.tenants:
        item = next((one for one in tenant.entitlements if one.guaranteed), None)
        if item is None:
            continue
        own = []
        for document in ground.cluster.spec.workloads:
            spec = document.spec
            each = spec.gpus * spec.pods
            # A job counts where a server has room for one of its pods and all servers for all of them.
            fitting = spec.gpus <= 4 and spec.pods <= ground.offers["pool"].nodes * (4 // spec.gpus)
            if tenant.name in spec.tenants and each <= item.guaranteed and fitting:
                jobs, rest = divmod(item.guaranteed, each)
                own.append([spec.gpus] * spec.pods * jobs + [1] * rest)
        if not own:
            own.append([1] * item.guaranteed)
        choices.append(own)
    room = ground.offers["pool"].room
    for mix in product(*choices):
        pods = sorted((size for sizes in mix for size in sizes), reverse=True)
        if sum(pods) > 4 * nodes:
            return False
        kinds: dict[Need, int] = {}
        for size in pods:
            kinds[Need(GPU, size)] = kinds.get(Need(GPU, size), 0) + 1
        if not holds_naively(room, nodes, kinds):
            return False
    return True


@settings(max_examples=120, deadline=None)
@given(specs(), st.integers(0, 3))
def test_guarantees_are_held_exactly_when_some_placement_holds_them(builder: ClusterBuilder, lost: int) -> None:
    ground = Ground(resolved(builder))
    offer = ground.offers["pool"]
    nodes = max(0, offer.nodes - lost)

    assert (held(ground, offer, nodes).verdict is Verdict.PROVED) is held_naively(ground, nodes)


@settings(max_examples=80, deadline=None)
@given(specs(most=4))
def test_the_nodes_that_may_be_lost_are_the_most_with_which_all_is_held(builder: ClusterBuilder) -> None:
    ground = Ground(resolved(builder))
    offer = ground.offers["pool"]
    answers = [held(ground, offer, offer.nodes - lost).verdict is Verdict.PROVED for lost in range(offer.nodes + 1)]

    assert answers == sorted(answers, reverse=True)
    assert spare_nodes(ground, offer) == (sum(answers) - 1 if answers[0] else None)


@settings(max_examples=80, deadline=None)
@given(specs(), st.integers(1, 3))
def test_more_nodes_never_make_infeasible_what_was_feasible(builder: ClusterBuilder, more: int) -> None:
    few = resolved(builder)
    many = with_nodes(few, few.pools[0].nodes + more)

    def shapes(ground: Ground) -> set[tuple[str, str]]:
        return {(rule.id, hit.subject) for rule, hit in judge(ground) if rule.id in SHAPE.values()}

    assert shapes(Ground(many)) <= shapes(Ground(few))
    for pair in few.spec.workloads:
        tenant = pair.spec.tenants[0]
        before, after = Ground(few), Ground(many)
        (one,) = before.outcomes(pair, before.tenants[tenant]) or (None,)
        (other,) = after.outcomes(pair, after.tenants[tenant]) or (None,)
        if one is not None and other is not None:
            assert one.within_limit <= other.within_limit
            assert one.within_guarantee <= other.within_guarantee


@settings(max_examples=60, deadline=None)
@given(specs())
def test_no_loss_is_the_plain_answer(builder: ClusterBuilder) -> None:
    answer = resolved(builder)

    assert fit(answer, loss=Loss(0, (("pool", 0),))).found == fit(answer, loss=NO_LOSS).found
    assert fit(answer, loss=Loss(0)).tables == fit(answer).tables


@settings(max_examples=60, deadline=None)
@given(specs(), st.integers(0, 2))
def test_every_change_removes_its_finding_and_adds_no_warning(builder: ClusterBuilder, lost: int) -> None:
    loss = Loss(lost)
    answer = fit(resolved(builder), loss=loss, rebuild=rebuild)
    before = {(item.rule.id, item.hit.subject) for item in answer.found}

    for item in answer.found:
        # Only what is about lost nodes has to hold without them.
        lasting = loss if item.rule.id == "FIT-NODE-LOSS" else NO_LOSS
        for change in item.changes:
            spec = apply(builder.spec(), change)
            changed = rebuild(spec) if spec is not None else None
            assert changed is not None, change.words
            after = judge(Ground(changed, loss=lasting))
            assert (item.rule.id, item.hit.subject) not in {(rule.id, hit.subject) for rule, hit in after}
            for rule, hit in after:
                severity = rule.severity if hit.severity is None else hit.severity
                assert severity < Severity.WARNING or (rule.id, hit.subject) in before, change.words


@settings(max_examples=60, deadline=None)
@given(specs())
def test_what_cannot_be_held_or_run_has_a_change(builder: ClusterBuilder) -> None:
    for item in fit(resolved(builder), rebuild=rebuild).found:
        if item.rule.id in SHAPE.values() and item.hit.verdict is Verdict.VIOLATED:
            assert item.changes, item.hit.message


@settings(max_examples=80, deadline=None)
@given(specs())
def test_a_workload_runs_exactly_when_its_pods_can_be_placed_within_the_limit(builder: ClusterBuilder) -> None:
    ground = Ground(resolved(builder))
    for document in ground.cluster.spec.workloads:
        tenant = ground.tenants[document.spec.tenants[0]]
        limit = max((item.limit for item in tenant.entitlements), default=0)
        need = Need(GPU, document.spec.gpus)
        within = document.spec.gpus * document.spec.pods <= limit
        there = holds_naively(ground.offers["pool"].room, ground.offers["pool"].nodes, {need: document.spec.pods})

        assert (ground.runs(document, tenant) is Verdict.PROVED) is (within and there)
