"""What is decided once for all that are alike is what is decided of each by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from made_platforms import platform, snapshot_of

from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Declared, Strength, TenantIdentity
from tenantry.safe.channels import CHANNELS
from tenantry.safe.devices.probes import Prober
from tenantry.safe.fabric import definitions
from tenantry.safe.shapes import Shapes
from tenantry.safe.verify import open_claims, verify
from tenantry.safe.view import View

if TYPE_CHECKING:
    from tenantry.model.claim import Claim

pytest.importorskip("cel_expr_python", reason="CEL is not installed")


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> View:
    """Five tenants on two pools of whole and two of divided GPUs: three are alike but for names, and two."""
    bodies, tenancy = platform(request.config.rootpath, tmp_path_factory.mktemp("spec"), 5, 4)
    return View(snapshot_of(bodies), tenancy, Declared())


def again(view: View, strength: Strength = Strength.ADVERSARIAL) -> View:
    return View(view.given, view.tenancy, view.declared, strength)


def test_tenants_that_are_alike_are_decided_as_each_by_itself(built: View, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = verify(again(built))
    monkeypatch.setattr(Shapes, "of", lambda self, namespace: namespace)
    assert verify(again(built)) == at_once


@pytest.mark.parametrize("strength", [Strength.DEPLOYED, Strength.ADVERSARIAL])
def test_claims_without_proofs_are_those_of_all_claims_that_prove_nothing(built: View, strength: Strength) -> None:
    everything = verify(again(built, strength))
    view = again(built, strength)
    left = [
        replace(alike.ground, source=source, target=target)
        for alike in open_claims(view)
        for source, target in alike.pairs
    ]
    wanted = [claim for claim in everything if claim.verdict is not Verdict.PROVED]
    assert sorted(map(repr, left)) == sorted(map(repr, wanted))
    # Of ten pairs that share a pool and ten that do not each, some are open and some are spared.
    assert any(claim.target for claim in left) is (strength is Strength.ADVERSARIAL)
    assert view.spared is None
    assert verify(view) == everything


def guard_of(expression: str) -> list[dict[str, Any]]:
    """Return a policy that refuses pods of tenants for what they say."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": expression}]}
    api = "admissionregistration.k8s.io/v1"
    bound = {"policyName": "some", "validationActions": ["Deny"]}
    return [
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "some"}, "spec": spec},
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "some"}, "spec": bound},
    ]


DEFAULT = "object.?metadata.?annotations[?'v1.multus-cni.io/default-network'].orValue('')"


@pytest.mark.parametrize(
    ("more", "open_pairs"),
    [
        ([], 20),
        # One network may not be named, then any but those of one tenant.
        (guard_of(f"{DEFAULT} != 'team-0003/tenant-0003-roce-rail0'"), 20),
        (guard_of(f"{DEFAULT} == '' || {DEFAULT}.startsWith('team-0003/')"), 4),
        (guard_of(f"{DEFAULT} == ''"), 0),
    ],
)
def test_networks_that_admission_cannot_tell_apart_are_decided_as_each_by_itself(
    built: View, more: list[dict[str, Any]], open_pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = [item.body for item in built.given if "tenantry-networks" not in item.key.name]
    tried = 0

    def found() -> tuple[Claim, ...]:
        view = View(snapshot_of([*bodies, *more]), built.tenancy, built.declared)
        return verify(view, [channel for channel in CHANNELS if channel.id == "X2"])

    def counted(prober: Prober, *given: Any, **asked: Any) -> Any:
        nonlocal tried
        tried += 1
        return ask(prober, *given, **asked)

    ask = Prober.worst
    monkeypatch.setattr(Prober, "worst", counted)
    at_once, once = found(), tried
    monkeypatch.setattr(definitions._Known, "pod", lambda *given: None)
    tried = 0
    assert found() == at_once
    broken = {(claim.source, claim.target) for claim in at_once if claim.verdict is Verdict.VIOLATED}
    assert len(broken) == open_pairs
    assert once < tried


def test_networks_of_which_policies_measure_the_names_are_not_taken_for_each_other(built: View) -> None:
    bodies = [item.body for item in built.given if "tenantry-networks" not in item.key.name]
    shorter = json.loads(json.dumps(bodies).replace("0003", "3"))
    tenants = tuple(
        TenantIdentity(
            item.name.replace("0003", "3"),
            *(tuple(name.replace("0003", "3") for name in names) for names in (item.namespaces, item.groups)),
        )
        for item in built.tenancy.tenants
    )
    owners = replace(built.tenancy, tenants=tenants)
    more = guard_of(f"size({DEFAULT}) < 30")
    view = View(snapshot_of([*shorter, *more]), owners, built.declared)
    claims = verify(view, [channel for channel in CHANNELS if channel.id == "X2"])
    broken = {(claim.source, claim.target) for claim in claims if claim.verdict is Verdict.VIOLATED}
    assert {target for _, target in broken} == {"tenant-3"}
    assert len(broken) == 4
