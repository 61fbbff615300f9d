"""The pod network of the Dell example: proved with its facts, and every layer of its guards carries weight."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import pytest

from tenantry.app.spec import load
from tenantry.compile.compiler import compile_cluster
from tenantry.model.finding import Verdict
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.model.snapshot import Snapshot
from tenantry.model.tenancy import Declared, Permission, SignedFact, Strength, Tenancy, TenantIdentity
from tenantry.safe.channels.network import CHANNELS
from tenantry.safe.verify import verify
from tenantry.safe.view import View

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenantry.model.claim import Claim

pytest.importorskip("cel_expr_python", reason="CEL is not installed")

TENANTS = ("assistant", "language", "sandbox", "search", "vision")
PAIRS = {(one, other) for one in TENANTS for other in TENANTS if one != other}
POLICIES = ("NetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy")


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest) -> Path:
    return request.config.rootpath / "examples" / "dell-ai-factory-h200" / "base"


@lru_cache(maxsize=1)
def example(folder: Path) -> tuple[Snapshot, Tenancy, Declared]:
    cluster = load(folder).cluster
    snapshot = Snapshot([Manifest(piece.body, Location("tree")) for piece in compile_cluster(cluster).pieces])
    tenants = tuple(
        TenantIdentity(
            tenant.name,
            tuple(sorted(tenant.namespaces)),
            tuple(sorted(entry.group for entry in tenant.spec.spec.access)),
        )
        for tenant in cluster.tenants
    )
    owned = {name for tenant in tenants for name in tenant.namespaces}
    facts = {
        fact.id: SignedFact(fact.id, fact.value, fact.evidence, fact.signed_by)
        for document in cluster.spec.facts
        for fact in document.spec.facts
    }
    contract = cluster.spec.contract
    assert contract is not None
    permissions = tuple(
        Permission(
            item.name,
            item.source.tenant,
            item.target.tenant,
            tuple(item.source.namespaces),
            tuple(item.target.namespaces),
            tuple(sorted(item.target.pods.items())),
            tuple(_port(text) for text in item.ports),
            item.reason,
            item.expires,
            tuple(sorted(item.source.pods.items())),
        )
        for item in contract.spec.exceptions
    )
    return snapshot, Tenancy(tenants, frozenset(set(snapshot.namespaces) - owned)), Declared(permissions, (), facts)


def _port(text: str) -> tuple[str, int, int]:
    protocol, _, numbers = text.partition("/")
    first, _, last = numbers.partition("-")
    return protocol, int(first), int(last or first)


def claims(
    folder: Path,
    *,
    without: Callable[[Manifest], bool] = lambda manifest: False,
    unsigned: str = "",
    contract: bool = True,
    strength: Strength = Strength.ADVERSARIAL,
    channels: tuple[str, ...] = ("N1",),
) -> list[Claim]:
    snapshot, tenancy, declared = example(folder)
    kept = snapshot.minus(item.key for item in snapshot if item.key.kind in POLICIES and without(item))
    facts = {name: fact for name, fact in declared.facts.items() if name != unsigned}
    view = View(kept, tenancy, Declared(declared.permissions if contract else (), (), facts), strength)
    return list(verify(view, [item for item in CHANNELS if item.id in channels]))


def violated(found: list[Claim]) -> set[tuple[str, str]]:
    """Return the pairs between which there is a way."""
    return {
        pair for item in found if item.verdict is Verdict.VIOLATED for pair in PAIRS if _about(item, pair)
    }  # fmt: skip


def _about(item: Claim, pair: tuple[str, str]) -> bool:
    return item.source == pair[0] and item.target in {"", pair[1]}


@pytest.mark.parametrize("strength", list(Strength))
def test_nothing_of_the_network_is_left_open(folder: Path, strength: Strength) -> None:
    everything = tuple(f"N{number}" for number in range(1, 9))
    found = claims(folder, strength=strength, channels=everything)
    assert {item.channel for item in found} == set(everything)
    assert [(item.channel, item.source, item.missing) for item in found if item.verdict is not Verdict.PROVED] == []


@pytest.mark.parametrize("fact", ["cni", "cni.enforces-network-policies"])
def test_each_fact_about_the_plugin_is_needed(folder: Path, fact: str) -> None:
    found = claims(folder, unsigned=fact)
    assert {item.verdict for item in found} == {Verdict.UNKNOWN}
    assert {missing.fact for item in found for missing in item.missing} == {fact}


def test_without_its_contract_exactly_the_exception_is_found(folder: Path) -> None:
    found = claims(folder, contract=False)
    assert violated(found) == {("assistant", "search")}
    witness = next(item.witness for item in found if item.verdict is Verdict.VIOLATED)
    assert witness is not None
    details = dict(witness.details)
    assert details["target"]["namespace"] == "search-serve"
    assert details["target"]["labels"] == {"app": "ranking-api"}
    assert (details["protocol"], details["port"]) == ("TCP", 8443)


def test_without_any_network_policy_everybody_reaches_everybody(folder: Path) -> None:
    assert violated(claims(folder, without=lambda item: True)) == PAIRS


@pytest.mark.parametrize("kind", ["NetworkPolicy", "BaselineAdminNetworkPolicy"])
def test_one_layer_alone_keeps_all_tenants_apart(folder: Path, kind: str) -> None:
    assert violated(claims(folder, without=lambda item: item.key.kind != kind)) == set()


@pytest.mark.parametrize("tenant", TENANTS)
def test_the_admin_network_policy_of_a_tenant_carries_weight(folder: Path, tenant: str) -> None:
    def only_admin(item: Manifest) -> bool:
        return item.key.kind != "AdminNetworkPolicy"

    # It passes the ports of an exception on, for the network policies of the target to narrow to the pods meant.
    passed = {("assistant", "search")}
    assert violated(claims(folder, without=only_admin)) == passed
    name = f"tenantry-{tenant}"
    found = violated(claims(folder, without=lambda item: only_admin(item) or item.key.name == name))
    assert found == passed | {pair for pair in PAIRS if pair[1] == tenant}


@pytest.mark.parametrize("tenant", TENANTS)
def test_network_policies_of_a_tenant_and_its_admin_network_policy_stand_in_for_each_other(
    folder: Path, tenant: str
) -> None:
    _, tenancy, _ = example(folder)
    own = set(tenancy.by_name[tenant].namespaces)
    into = {pair for pair in PAIRS if pair[1] == tenant}

    def others(item: Manifest) -> bool:
        """Whether it protects at the other ends, or everywhere."""
        return item.key.kind == "BaselineAdminNetworkPolicy" or (
            item.key.kind == "NetworkPolicy" and item.key.namespace not in own
        )

    def left(*kinds: str) -> set[tuple[str, str]]:
        found = claims(folder, without=lambda item: others(item) or (_mine(item) and item.key.kind in kinds))
        return violated(found) & into

    def _mine(item: Manifest) -> bool:
        return item.key.namespace in own or item.key.name == f"tenantry-{tenant}"

    assert left() == set()
    assert left("AdminNetworkPolicy") == set()
    assert left("NetworkPolicy") <= {("assistant", "search")}
    assert left("NetworkPolicy", "AdminNetworkPolicy") == into
