"""Take a generated guard away and the proof of the Dell example falls; where a second guard holds, take both away."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tenantry.app.examples import example
from tenantry.app.verify import Question, Subject, spec_subject, verify_subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.model.manifest import ManifestKey

TODAY = date(2026, 11, 23)

POLICIES = {
    # What falls without the admission guard of this name.
    "devices": ("X12",),
    "disruption-budgets": ("R1",),
    "grace-periods": ("R1",),
    "ingresses": ("C1",),
    "inline-volumes": ("P2",),
    "networks": ("X2",),
    "podmonitors": ("C3",),
    "pools": ("Q5", "Q8"),
    "queue-labels": ("Q3",),
    "queues": ("Q2", "Q5"),
    "routes": ("C1",),
    "servicemonitors": ("C3",),
    "services": ("N4",),
    "storage-claims": ("P2",),
}
SECOND = {
    # Guards that do not hold alone, and what holds besides them.
    "device-environment": "the container toolkit ignores the variable in unprivileged containers",
    "endpoints": "the roles of tenants cannot write endpoints",
    "gateway-routes": "the roles of tenants on OpenShift cannot write routes of gateways",
    "gateways": "the roles of tenants on OpenShift cannot write gateways",
    "namespaces": "the roles of tenants cannot write namespaces",
    "reserved-kinds": "the roles of tenants cannot write any of these kinds",
}


@cache
def dell() -> Subject:
    return spec_subject(example("dell-ai-factory-h200"), "production")


def fallen(gone: Callable[[ManifestKey], bool], *channels: str) -> set[str]:
    """Channels with a finding once some objects are gone; something must go."""
    subject = dell()
    keys = [manifest.key for manifest in subject.snapshot if gone(manifest.key)]
    assert keys
    weaker = replace(subject, snapshot=subject.snapshot.minus(keys))
    report = verify_subject(weaker, Question(channels=channels, today=TODAY, fixes=False))
    return {finding.claim.channel for finding in report.findings}


def policy(name: str) -> Callable[[ManifestKey], bool]:
    return lambda key: key.kind == "ValidatingAdmissionPolicy" and key.name == f"tenantry-{name}"


def test_the_example_is_proved() -> None:
    report = verify_subject(dell(), Question(today=TODAY, fixes=False))

    assert report.headline.startswith("blast radius 0"), report.headline
    assert [finding.id for finding in report.findings] == []


def test_every_admission_guard_is_accounted_for() -> None:
    names = {
        manifest.key.name.removeprefix("tenantry-")
        for manifest in dell().snapshot.of("admissionregistration.k8s.io", "ValidatingAdmissionPolicy")
    }

    assert names == {*POLICIES, *SECOND}


@pytest.mark.parametrize("name", POLICIES)
def test_the_proof_falls_without_an_admission_guard(name: str) -> None:
    assert fallen(policy(name), *POLICIES[name]) == set(POLICIES[name])


@pytest.mark.parametrize("name", ["devices", "pools"])
def test_a_guard_that_is_not_bound_is_none(name: str) -> None:
    def binding(key: ManifestKey) -> bool:
        return key.kind == "ValidatingAdmissionPolicyBinding" and key.name == f"tenantry-{name}"

    assert fallen(binding, *POLICIES[name]) == set(POLICIES[name])


@pytest.mark.parametrize(
    ("kind", "name", "channels"),
    [
        ("ResourceQuota", "tenantry-compute", ("Q1", "Q7")),
        ("ResourceQuota", "tenantry-objects", ("Q7",)),
        ("NetworkPolicy", "tenantry-metrics", ("G12",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_proof_falls_without_an_object_that_bounds(kind: str, name: str, channels: tuple[str, ...]) -> None:
    assert fallen(lambda key: (key.kind, key.name) == (kind, name), *channels) == set(channels)


def test_one_layer_of_network_isolation_holds_and_none_does_not() -> None:
    def layer(*kinds: str) -> Callable[[ManifestKey], bool]:
        return lambda key: key.kind in kinds and key.namespace in {"", "vision-train"}

    admin = ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy")
    assert fallen(layer("NetworkPolicy"), "N1") == set()
    assert fallen(layer(*admin), "N1") == set()
    assert fallen(layer("NetworkPolicy", *admin), "N1") == {"N1"}
