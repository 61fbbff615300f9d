"""GPUs and fabrics of the Dell example: proved with facts, open where one is missing, and each guard counts."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.app.spec import load
from tenantry.compile.compiler import compile_cluster
from tenantry.model.finding import Verdict
from tenantry.model.manifest import Manifest, key_of
from tenantry.model.problem import Location
from tenantry.model.snapshot import Snapshot
from tenantry.model.tenancy import Declared, SignedFact, Strength, Tenancy, TenantIdentity
from tenantry.safe.channels import fabric, gpu
from tenantry.safe.verify import verify
from tenantry.safe.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tenantry.model.claim import Claim

pytest.importorskip("cel_expr_python", reason="CEL is not installed")

Body = dict[str, Any]
CHANNELS = (*fabric.CHANNELS, *gpu.CHANNELS)
FACTS: dict[str, str | bool] = {
    "cni": "ovn-kubernetes",
    "cni.enforces-network-policies": True,
    "fabric.switch-partitioning": "vlan",
    "gpu.memory-scrubbing": "reset-between-tenants",
    "gpu.vulnerabilities-reviewed": True,
    "multus.namespace-isolation": True,
    "nodes.whole-server-per-tenant": True,
    "pcie.acs": "redirect-off",
}


@pytest.fixture(scope="module")
def example(request: pytest.FixtureRequest) -> Path:
    return request.config.rootpath / "examples" / "dell-ai-factory-h200" / "base"


@lru_cache(maxsize=1)
def compiled(folder: Path) -> tuple[tuple[Body, ...], Tenancy]:
    cluster = load(folder).cluster
    bodies = tuple(piece.body for piece in compile_cluster(cluster).pieces)
    tenants = tuple(
        TenantIdentity(
            tenant.name,
            tuple(sorted(tenant.namespaces)),
            tuple(sorted(entry.group for entry in tenant.spec.spec.access)),
        )
        for tenant in cluster.tenants
    )
    owned = {name for tenant in tenants for name in tenant.namespaces}
    homes = {str(body["metadata"].get("namespace", "")) for body in bodies} | {
        str(body["metadata"]["name"]) for body in bodies if body["kind"] == "Namespace"
    }
    return bodies, Tenancy(tenants, frozenset(homes - owned - {""}))


def asked(
    folder: Path,
    ids: Iterable[str] = (),
    facts: dict[str, str | bool] | None = None,
    change: Callable[[Body], Body | None] = lambda body: body,
    strength: Strength = Strength.ADVERSARIAL,
) -> list[Claim]:
    bodies, tenancy = compiled(folder)
    changed = [found for body in bodies if (found := change(body)) is not None]
    snapshot = Snapshot([Manifest(body, Location("tree", 1, 1)) for body in changed])
    signed = {
        name: SignedFact(name, value, "seen", "somebody") for name, value in (FACTS if facts is None else facts).items()
    }
    wanted = set(ids) or {channel.id for channel in CHANNELS}
    view = View(snapshot, tenancy, Declared(facts=signed), strength)
    return list(verify(view, [channel for channel in CHANNELS if channel.id in wanted]))


@pytest.mark.parametrize("strength", list(Strength))
def test_everything_is_proved_with_the_facts_signed(example: Path, strength: Strength) -> None:
    wrong = [claim for claim in asked(example, strength=strength) if claim.verdict is not Verdict.PROVED]
    assert wrong == []


def test_without_facts_exactly_these_are_open(example: Path) -> None:
    found = asked(example, facts={})
    assert Verdict.VIOLATED not in {claim.verdict for claim in found}
    missing = {(claim.channel, item.fact) for claim in found for item in claim.missing}
    assert missing == {
        ("G12", "cni"),
        ("G12", "cni.enforces-network-policies"),
        ("G8", "gpu.memory-scrubbing"),
        ("G9", "gpu.vulnerabilities-reviewed"),
        ("X11", "nodes.whole-server-per-tenant"),
        ("X11", "pcie.acs"),
        ("X11", "pcie.iommu"),
        ("X12", "nvlink.partitioning"),
        ("X3", "fabric.switch-partitioning"),
        ("X5", "fabric.traffic-classes"),
    }


def without(kind: str, name: str) -> Callable[[Body], Body | None]:
    return lambda body: None if (body["kind"], body["metadata"]["name"]) == (kind, name) else body


def spec_of(kind: str, name: str, **fields: Any) -> Callable[[Body], Body]:
    def change(body: Body) -> Body:
        if (body["kind"], body["metadata"]["name"]) != (kind, name):
            return body
        return {**body, "spec": {**body["spec"], **fields}}

    return change


def no_quota_of(resource: str) -> Callable[[Body], Body]:
    """Take a resource out of every quota, as if it had been forgotten."""

    def change(body: Body) -> Body:
        if "ResourceQuota" not in body["kind"]:
            return body
        spec = dict(body["spec"])
        held = spec.get("hard") or spec["quota"]["hard"]
        hard = {key: value for key, value in held.items() if key != f"requests.{resource}"}
        return {**body, "spec": {"hard": hard} if "hard" in spec else {**spec, "quota": {"hard": hard}}}

    return change


def both(*changes: Callable[[Body], Body | None]) -> Callable[[Body], Body | None]:
    def change(body: Body) -> Body | None:
        found: Body | None = body
        for item in changes:
            found = item(found) if found is not None else None
        return found

    return change


DEVICES = without("ValidatingAdmissionPolicy", "tenantry-devices")
POOLS = without("ValidatingAdmissionPolicy", "tenantry-pools")
GUARDS = [
    ("the guard of networks", "X2", without("ValidatingAdmissionPolicy", "tenantry-networks"), "a pod of"),
    ("its binding", "X2", without("ValidatingAdmissionPolicyBinding", "tenantry-networks"), "a pod of"),
    ("trust off", "X4", spec_of("SriovNetwork", "vision-roce-rail0", trust="on"), "trusted"),
    ("spoofChk on", "X4", spec_of("SriovNetwork", "vision-roce-rail0", spoofChk="off"), "addresses of others"),
    ("a VLAN of its own", "X3", spec_of("SriovNetwork", "vision-roce-rail3", vlan=102), "VLAN 102"),
    (
        "the guard of devices, with the toolkit's own",
        "G1",
        both(DEVICES, spec_of("ClusterPolicy", "gpu-cluster-policy", toolkit={"enabled": True})),
        "runtime class",
    ),
    (
        "the guard of devices, with the NRI plugin on",
        "G2",
        both(DEVICES, spec_of("ClusterPolicy", "gpu-cluster-policy", cdi={"enabled": True, "nriPluginEnabled": True})),
        "annotation",
    ),
    (
        "quotas of shared GPUs and the guard of pools",
        "G4",
        both(no_quota_of("nvidia.com/gpu.shared"), POOLS),
        "same GPU",
    ),
    (
        "the version of the operator",
        "G9",
        spec_of(
            "Subscription",
            "gpu-operator-certified",
            startingCSV="gpu-operator-certified.v25.3.1",
        ),
        "CVE-2025-23266",
    ),
    ("the policy of the exporter", "G12", without("NetworkPolicy", "tenantry-metrics"), "port 9400"),
]


@pytest.mark.parametrize(
    ("channel", "change", "summary"), [case[1:] for case in GUARDS], ids=[f"{case[1]} {case[0]}" for case in GUARDS]
)
def test_what_a_guard_closed_is_open_without_it(
    example: Path, channel: str, change: Callable[[Body], Body | None], summary: str
) -> None:
    found = [claim for claim in asked(example, [channel], change=change) if claim.verdict is Verdict.VIOLATED]
    assert found
    assert all(claim.witness is not None for claim in found)
    assert any(claim.witness is not None and summary in claim.witness.summary for claim in found)


def test_one_guard_of_two_is_enough_for_shared_gpus(example: Path) -> None:
    for change in (no_quota_of("nvidia.com/gpu.shared"), POOLS):
        found = asked(example, ["G4"], change=change)
        assert {claim.verdict for claim in found} == {Verdict.PROVED}


def test_channels_of_imex_open_without_the_guard_of_devices(example: Path) -> None:
    found = asked(example, ["X12"], change=DEVICES)
    assert {item.fact for claim in found for item in claim.missing} == {"label nvidia.com/gpu.clique of nodes"}


def test_rdma_devices_need_their_pool(example: Path) -> None:
    facts = {name: value for name, value in FACTS.items() if name != "nodes.whole-server-per-tenant"}
    bodies, _ = compiled(example)
    pools = [key_of(body).name for body in bodies if body["kind"] == "SriovNetworkPoolConfig"]
    found = asked(example, ["X7"], facts, without("SriovNetworkPoolConfig", pools[0]))
    assert {item.fact for claim in found for item in claim.missing} == {"rdma.namespace-mode"}
