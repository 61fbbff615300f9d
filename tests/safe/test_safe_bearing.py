"""Which channels a difference has a bearing on, and that it has none on the verdicts of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from made_platforms import platform, snapshot_of
from other_values import with_others
from safe_clusters import ADMISSION, Body, obj

from tenantry.app.spec import load
from tenantry.app.tenancy import spec_tenancy
from tenantry.compile.compiler import compile_cluster
from tenantry.model.tenancy import Declared, Strength, Tenancy
from tenantry.safe.bearing import ROWS, Difference, bearing
from tenantry.safe.verify import open_claims, verdicts, verify
from tenantry.safe.view import View

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("cel_expr_python", reason="CEL is not installed")

GPUS = "spec/hard/requests.nvidia.com/gpu"


def quota(before: object, after: object, pointer: str = GPUS) -> Difference:
    return Difference("", "ResourceQuota", pointer, before, after)


def queue(field: str, before: object, after: object) -> Difference:
    return Difference("scheduling.run.ai", "Queue", f"spec/{field}", before, after)


def covers(before: Body | None, after: Body | None) -> Difference:
    groups = [
        [{"coveredResources": ["cpu"], "flavors": [{"name": "a", "resources": [entry]}]}] if entry else None
        for entry in (before, after)
    ]
    return Difference("kueue.x-k8s.io", "ClusterQueue", "spec/resourceGroups", *groups)


@pytest.mark.parametrize(
    ("difference", "channels"),
    [
        (quota("8", "6"), set()),
        (quota("8", 6), set()),
        (quota("1Gi", "1Ti", "spec/hard/requests.memory"), set()),
        (queue("resources/gpu/limit", 8, -1), set()),
        (queue("resources/gpu/overQuotaWeight", 1, 3), set()),
        (queue("resources/gpu/quota", 8, 6), {"Q4"}),
        (covers({"nominalQuota": 8, "borrowingLimit": 4}, {"nominalQuota": 8, "lendingLimit": 0}), set()),
        (covers({"nominalQuota": 8}, {"nominalQuota": 6, "borrowingLimit": 4}), {"Q4"}),
        (Difference("monitoring.coreos.com", "PrometheusRule", "spec/groups/a/rules", [], [{}]), set()),
    ],
)
def test_amounts_have_a_bearing_on_what_reads_them(difference: Difference, channels: set[str]) -> None:
    assert bearing([difference], []) == frozenset(channels)


@pytest.mark.parametrize(
    "difference",
    [
        quota("8", "0"),
        quota("0", "8"),
        quota("8", None),
        quota("8", "many"),
        quota(None, None, ""),
        quota(["BestEffort"], ["NotBestEffort"], "spec/scopes"),
        quota({"pods": "1"}, {"pods": "2"}, "spec/hard"),
        queue("resources/gpu/quota", 8, 0),
        queue("resources/gpu/quota", 8, -1),
        queue("parentQueue", "red", "blue"),
        covers({"nominalQuota": 8}, {"nominalQuota": 0}),
        covers({"nominalQuota": 8, "name": "cpu"}, {"nominalQuota": 8, "name": "memory"}),
        covers({"nominalQuota": 8}, None),
        Difference("scheduling.run.ai", "Queue", "metadata/labels/tenant", "red", "blue"),
        Difference("monitoring.coreos.com", "PrometheusRule", "", None, None),
        Difference("monitoring.coreos.com", "PrometheusRule", "spec/template/spec/containers", [], [{}]),
        Difference("monitoring.coreos.com", "PrometheusRule", "spec/a", [], [{"spec": {"containers": [{}]}}]),
        Difference("example.com", "ResourceQuota", GPUS, "8", "6"),
        Difference("", "ConfigMap", "data/a", "1", "2"),
    ],
)
def test_anything_else_may_change_every_verdict(difference: Difference) -> None:
    assert bearing([quota("8", "6"), difference], []) is None


def test_amounts_of_virtual_functions_count_where_a_network_states_a_rate() -> None:
    network = obj("SriovNetwork", "red", "red", "sriovnetwork.openshift.io/v1", spec={"maxTxRate": 1000})
    other = obj("SriovNetwork", "red", "red", "sriovnetwork.openshift.io/v1", spec={"vlan": 7})
    config = '{"type": "sriov", "max_tx_rate": 1000}'
    defined = obj("NetworkAttachmentDefinition", "red", "red", "k8s.cni.cncf.io/v1", spec={"config": config})
    assert bearing([quota("8", "6")], [other]) == frozenset()
    assert bearing([quota("8", "6")], [other, network]) == frozenset({"X5"})
    assert bearing([quota("8", "6")], [defined]) == frozenset({"X5"})


# --- what policies read -----------------------------------------------------------------------------------------------


def policy(expression: str, resources: str = "resourcequotas", group: str = "", **spec: Any) -> Body:
    rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": ["*"], "resources": [resources]}
    checks = [{"expression": expression}]
    body = {"matchConstraints": {"resourceRules": [rule]}, "validations": checks, **spec}
    return obj("ValidatingAdmissionPolicy", "p", api=ADMISSION, spec=body)


@pytest.mark.parametrize(
    ("expression", "reads"),
    [
        ("object.metadata.name != 'quota'", False),
        ("object.spec.scopes.all(s, s != 'BestEffort')", False),
        ("has(object.spec.hard)", True),
        ("object.spec.hard['pods'] == '1'", True),
        ("object.?spec.?hard[?'pods'].orValue('1') == '1'", True),
        ("object == oldObject", True),
        ("object.spec == oldObject.spec", True),
        ("object.spec[request.name] == '1'", True),
        ("object.metadata[object.spec.hard['pods']] == '1'", True),
        ("[object].exists(o, o.spec.hard['pods'] == '1')", True),
        ("dyn(oldObject).spec.hard['pods'] == '1'", True),
        ("request.object.spec.hard['pods'] == '1'", True),
        ("request.userInfo.username == 'ada'", False),
        ("params.spec.hard['pods'] == '1'", False),
        ("object.spec.hard[", True),
    ],
)
def test_a_field_that_a_policy_can_read_may_change_every_verdict(expression: str, *, reads: bool) -> None:
    found = bearing([quota("8", "6")], [policy(expression)])
    assert found == (None if reads else frozenset())


@pytest.mark.parametrize(
    ("resources", "group", "asked"),
    [
        ("resourcequotas", "", True),
        ("*", "", True),
        ("*", "*", True),
        ("*/*", "*", True),
        ("resourcequotas/status", "", True),
        ("pods", "", False),
        ("resourcequotas", "example.com", False),
    ],
)
def test_a_policy_reads_what_it_looks_at(resources: str, group: str, *, asked: bool) -> None:
    found = bearing([quota("8", "6")], [policy("object.spec.hard['pods'] == '1'", resources, group)])
    assert found == (None if asked else frozenset())


def test_a_policy_reads_its_parameters() -> None:
    reads, other = "params.spec.hard['pods'] == '1'", "params.metadata.name == 'a'"
    kind = {"apiVersion": "v1", "kind": "ResourceQuota"}
    assert bearing([quota("8", "6")], [policy(reads, "pods", paramKind=kind)]) is None
    assert bearing([quota("8", "6")], [policy(other, "pods", paramKind=kind)]) == frozenset()
    assert bearing([quota("8", "6")], [policy(reads, "pods", paramKind={**kind, "kind": "ConfigMap"})]) == frozenset()


def test_conditions_of_webhooks_and_variables_are_read_too() -> None:
    rule = {"apiGroups": [""], "apiVersions": ["*"], "operations": ["*"], "resources": ["resourcequotas"]}
    reads = [{"name": "a", "expression": "object.spec.hard['pods'] == '1'"}]
    hook = {"name": "a.example.com", "rules": [rule], "matchConditions": reads}
    webhook = obj("ValidatingWebhookConfiguration", "w", api=ADMISSION, webhooks=[hook])
    assert bearing([quota("8", "6")], [webhook]) is None
    assert bearing([quota("8", "6")], [policy("variables.a", variables=reads)]) is None


# --- held against all verdicts ----------------------------------------------------------------------------------------

EXAMPLES = ("dell-ai-factory-h200", "eks-gpu", "vanilla-kubernetes")


def compiled(root: Path, name: str) -> tuple[list[Body], Tenancy]:
    """Return the objects of an example, and who owns them."""
    folder = root / "examples" / name
    made = compile_cluster(load(folder, "production" if (folder / "environments").is_dir() else "").cluster)
    bodies = [body for found in made.files().values() for body in found]
    return bodies, spec_tenancy(made.cluster.spec, snapshot_of(bodies))


@pytest.fixture(scope="module", params=(*EXAMPLES, "made-up"))
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Body], Tenancy]:
    root = request.config.rootpath
    if request.param == "made-up":
        return platform(root, tmp_path_factory.mktemp("spec"), 4, 2, even=True)
    return compiled(root, request.param)


def test_other_amounts_change_no_verdict_of_other_channels(world: tuple[list[Body], Tenancy]) -> None:
    bodies, tenancy = world

    def found(objects: list[Body], strength: Strength) -> dict[str, dict[tuple[str, str], Any]]:
        claims = verify(View(snapshot_of(objects), tenancy, Declared(), strength))
        names = [tenant.name for tenant in tenancy.tenants]
        return {
            channel: verdicts([claim for claim in claims if claim.channel == channel], names)
            for channel in {claim.channel for claim in claims}
        }

    tried = 0
    for strength in (Strength.ADVERSARIAL, Strength.DEPLOYED):
        before = found(bodies, strength)
        for others, channels in with_others(bodies):
            tried += 1
            after = found(others, strength)
            assert {name: said for name, said in after.items() if name not in channels} == {
                name: said for name, said in before.items() if name not in channels
            }
    assert tried >= 6


def test_every_row_is_about_something_that_is_compiled(request: pytest.FixtureRequest) -> None:
    there = {body["kind"] for name in EXAMPLES for body in compiled(request.config.rootpath, name)[0]}
    assert {row.kind for row in ROWS} <= there


def test_channels_that_are_asked_alone_claim_what_they_claim_among_all(world: tuple[list[Body], Tenancy]) -> None:
    bodies, tenancy = world
    everything = open_claims(View(snapshot_of(bodies), tenancy, Declared()))
    some = frozenset({"Q4", "X5", "G8"})
    alone = open_claims(View(snapshot_of(bodies), tenancy, Declared()), some)
    assert alone == tuple(item for item in everything if item.ground.channel in some)
