"""The run itself: order, robustness against any shape, fragments as evidence, the document of rules."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import lint_network_bases as net
import lint_platform_bases as platform
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lint_support import manifests, of, parse, run
from test_lint_rules import CASES

from tenantry.lint import RULES, LintContext, LintIssue, lint, rules_markdown
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location

ROOT = Path(__file__).parents[2]

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 300)
    | st.floats(allow_nan=False, width=16)
    | st.text('a-/{}[]":,0#\n', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc/-", max_size=4), inner, max_size=3),
    max_leaves=6,
)


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in children:
        found += _paths(item, (*path, key))
    return found


def _replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


@settings(max_examples=150, deadline=None)
@given(case=st.sampled_from(CASES), data=st.data())
def test_any_value_in_any_place_is_survived(case: Any, data: st.DataObject) -> None:
    found = manifests(case.bad)
    position = data.draw(st.integers(0, len(found) - 1))
    body = found[position].body
    path = data.draw(st.sampled_from(_paths(body)))
    broken = Manifest(_replaced(body, path, data.draw(junk)), Location("broken.yaml", 1, 1))
    lint([*found[:position], broken, *found[position + 1 :]], LintContext(parse_yaml=parse, complete=True))


@settings(max_examples=50, deadline=None)
@given(
    kind=st.sampled_from(sorted({(m.key.api_version, m.key.kind) for case in CASES for m in manifests(case.bad)})),
    spec=junk,
    data=junk,
)
def test_any_spec_of_any_kind_is_survived(kind: tuple[str, str], spec: Any, data: Any) -> None:
    body = {"apiVersion": kind[0], "kind": kind[1], "metadata": {"name": "x"}, "spec": spec, "data": data}
    lint([Manifest(body, Location("x.yaml"))], LintContext(parse_yaml=parse))


def _texts(issues: list[LintIssue]) -> list[tuple[object, ...]]:
    return [(issue.rule, issue.manifest.key, issue.path, issue.inner, issue.message) for issue in issues]


def test_running_twice_gives_the_same() -> None:
    text = net.both(*(case.bad for case in CASES if "# file" not in case.bad))
    first, second = run(text), run(text)
    assert _texts(first) == _texts(second)
    assert first == sorted(first, key=LintIssue.sort_key)
    assert len(first) > len(RULES) / 2


def test_the_order_of_objects_does_not_change_which_rules_fire() -> None:
    text = net.both(*(case.good for case in CASES if "# file" not in case.good))
    found = manifests(text)
    context = LintContext(parse_yaml=parse)
    expected = {issue.rule for issue in lint(found, context)}
    shuffled = list(found)
    random.Random(7).shuffle(shuffled)
    assert {issue.rule for issue in lint(shuffled, context)} == expected


def test_a_patch_is_evidence_though_it_is_not_judged() -> None:
    mistyped = net.NETWORK.replace("resourceName: rail0", "resourceName: rail1")
    found = manifests(net.both(net.POLICY, mistyped, net.OTHER.replace("resourceName: other", "resourceName: rail1")))
    rule = "LINT-SRIOV-NETWORK-RESOURCE"
    assert of(lint(found[:2], LintContext(parse_yaml=parse)), rule)
    assert not of(lint(found, LintContext(parse_yaml=parse, partial=frozenset(found[2:]))), rule)


def test_only_the_rules_asked_for_run() -> None:
    chosen = [rule for rule in RULES if rule.id == "LINT-SRIOV-VFS"]
    found = manifests(net.POLICY.replace("numVfs: 8", "numVfs: 0").replace("netdevice", "vfio-pci"))
    assert [issue.rule for issue in lint(found, LintContext(parse_yaml=parse), chosen)] == ["LINT-SRIOV-VFS"]


def test_nothing_is_said_about_nothing() -> None:
    assert lint([], LintContext(parse_yaml=parse, complete=True)) == []


def test_pods_are_found_in_workloads_of_other_operators() -> None:
    job = f"""
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {{name: train, namespace: team-a}}
spec:
  pytorchReplicaSpecs:
    Worker:
      replicas: 2
      template:
        spec:
          containers:
          - name: pytorch
            resources: {{limits: {{openshift.io/rial0: 1}}}}
---
{net.POLICY}
"""
    (issue,) = of(run(job), "LINT-RES-CLOSURE")
    assert issue.path[:5] == ("spec", "pytorchReplicaSpecs", "Worker", "template", "spec")


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_pods_are_found_in_templates(kind: str) -> None:
    workload = f"""
apiVersion: apps/v1
kind: {kind}
metadata: {{name: serve, namespace: team-a}}
spec:
  template:
    metadata: {{annotations: {{gpu-fraction: "2"}}}}
    spec: {{containers: [{{name: main}}]}}
"""
    (issue,) = of(run(workload), "LINT-KAI-FRACTION")
    assert issue.path == ("spec", "template", "metadata", "annotations", "gpu-fraction")


def test_values_of_a_chart_count_as_the_cluster_policy() -> None:
    chart = net.helm("gpu-operator", "{mig: {strategy: single}, migManager: {config: {name: layouts}}}")
    issues = run(net.both(chart, platform.LAYOUTS, platform.NODES))
    assert [issue.manifest.key.kind for issue in of(issues, "LINT-GPU-STRATEGY")] == ["Application"]


def test_values_of_a_chart_as_text_and_parameters_count_too() -> None:
    chart = net.helm("network-operator", "{}").replace(
        "{valuesObject: {}}",
        '{values: "sriovNetworkOperator: {enabled: true}", '
        "parameters: [{name: sriov-network-operator.operator.resourcePrefix, value: fabric.example.com}]}",
    )
    policy = net.POLICY.replace("openshift-sriov-network-operator", "nno")
    (issue,) = of(run(net.both(chart, policy, net.POD)), "LINT-SRIOV-PREFIX")
    assert "fabric.example.com/rail0" in issue.message


def test_the_document_of_rules_is_current() -> None:
    written = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    hint = "python -c 'from tenantry.lint import rules_markdown; print(rules_markdown(), end=\"\")' > docs/rules.md"
    assert written == rules_markdown(), f"docs/rules.md is out of date; write it anew with: {hint}"


def test_the_document_names_every_rule_once() -> None:
    text = rules_markdown()
    for rule in RULES:
        assert text.count(f"### {rule.id}\n") == 1
        assert rule.why in text
