"""The examples are verified: sound ones up to what a person signs for, and the leaky one hole by hole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantry.app.examples import example, example_names, examples_folder
from tenantry.app.verification import VerifyReport
from tenantry.app.verify import Question, spec_subject, tree_subject, verify_subject
from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Strength

LEAKY = examples_folder() / "leaky-cluster"

HOLES = [
    ("N1", "blue", "red", "nothing selects the pods of red", ""),
    ("N1", "red", "blue", "an empty namespaceSelector", "NetworkPolicy blue/from-our-namespaces"),
    ("N2", "red", "", "pods of red on the host network", ""),
    ("X3", "red", "", "both tenants untagged on one fabric", "SriovNetwork sriov-network-operator/blue-rail0"),
    ("X4", "red", "", "trusted virtual functions", "SriovNetwork sriov-network-operator/red-rail0"),
    ("X8", "red", "", "one RDMA device for all", "ConfigMap sriov-network-operator/rdma-devices"),
    ("G1", "red", "", "the NVIDIA runtime takes a variable", "ClusterPolicy cluster-policy"),
    ("G2", "red", "", "the NRI plug-in takes an annotation", "ClusterPolicy cluster-policy"),
    ("G4", "red", "blue", "time-sliced nodes for everybody", "Node gpu-01"),
    ("G9", "red", "", "a toolkit with known escapes", "ClusterPolicy cluster-policy"),
    ("H1", "red", "", "no Pod Security on red", "RoleBinding red/red-team"),
    ("H2", "blue", "", "blue labels its namespace", "ClusterRoleBinding blue-namespace-labels"),
    ("A3", "red", "", "red reads every secret", "ClusterRole pull-secret-reader"),
    ("A8", "red", "", "rights for everybody who can log in", "ClusterRoleBinding everybody-sees-metrics"),
    ("Q1", "red", "", "no quota", "RoleBinding red/red-team"),
    ("Q2", "red", "", "a priority for whoever names it", ""),
    ("Q3", "red", "blue", "a queue that takes everybody's work", "ClusterQueue blue"),
    ("Q4", "red", "blue", "preemption while borrowing", "ClusterQueue red"),
    ("Q7", "red", "", "any number of objects", "RoleBinding red/red-team"),
    ("Q8", "red", "blue", "nodes of blue without a taint", "Node gpu-02"),
    ("P1", "red", "", "a volume kept for the next who asks", "PersistentVolume old-models"),
    ("P2", "red", "blue", "one export for two", "PersistentVolume blue-scratch"),
    ("D1", "blue", "", "the default project", "AppProject argocd/default"),
    ("D2", "red", "", "red writes applications", "RoleBinding argocd/red-applications"),
    ("C1", "red", "blue", "one host name for two", "Ingress blue-serve/ranking"),
    ("C3", "red", "", "metrics for everybody who can log in", ""),
    ("R1", "red", "", "no limits", "RoleBinding red/red-team"),
]


@pytest.fixture(scope="module")
def leaky() -> VerifyReport:
    return verify_subject(tree_subject([LEAKY / "manifests"], tenancy=LEAKY / "tenancy.yaml"), Question())


@pytest.mark.parametrize(
    ("channel", "source", "target", "key"),
    [pytest.param(*hole[:3], hole[4], id=f"{hole[0]} {hole[1]}: {hole[3]}") for hole in HOLES],
)
def test_every_hole_of_the_leaky_cluster_is_shown_with_its_path(
    channel: str, source: str, target: str, key: str, leaky: VerifyReport
) -> None:
    claims = [item.claim for item in leaky.findings if item.claim.channel == channel and item.claim.source == source]
    found = [claim for claim in claims if claim.verdict is Verdict.VIOLATED and claim.target in {target, ""}]

    assert found
    assert all(claim.fix for claim in found)
    steps = [step for claim in found if claim.witness for step in claim.witness.steps]
    assert not key or key in {str(step.by) for step in steps}


def test_the_readme_of_the_leaky_cluster_names_every_hole() -> None:
    readme = (LEAKY / "README.md").read_text("utf-8")

    assert [channel for channel, *_ in HOLES if channel not in readme.replace(",", " ").replace(".", " ").split()] == []


@pytest.mark.parametrize("name", example_names())
@pytest.mark.parametrize("strength", Strength)
def test_no_rule_fails_on_an_example(name: str, strength: Strength) -> None:
    report = verify_subject(spec_subject(example(name)), Question(strength=strength, fixes=False))

    assert [item.message for item in report.findings if "bug in Tenantry" in item.message] == []


@pytest.mark.parametrize("name", example_names())
def test_signing_what_is_listed_leaves_nothing_unknown(name: str, tmp_path: Path) -> None:
    before = verify_subject(spec_subject(example(name)), Question(fixes=False))
    assert [gap.how for gap in before.gaps if not gap.entry] == []
    entries = "".join(f"    {line}\n" for gap in before.gaps for line in gap.entry.splitlines())
    head = "apiVersion: tenantry.dev/v1alpha1\nkind: Facts\nmetadata: {name: signed}\nspec:\n  facts:\n"
    (tmp_path / "facts.yaml").write_text(head + entries if entries else "")

    after = verify_subject(spec_subject(example(name), parts=[tmp_path / "facts.yaml"]), Question(fixes=False))

    assert [(item.rule, item.message) for item in after.findings if item.claim.verdict is Verdict.UNKNOWN] == []
