"""Every rule finds its defect, and is silent once the smallest repair is made."""

from __future__ import annotations

import lint_cases_delivery
import lint_cases_gpu
import lint_cases_networks
import lint_cases_sriov
import lint_cases_tenancy
import pytest
from lint_support import Case, of, run, shown

from tenantry.lint import RULES
from tenantry.model.problem import dotted

CASES: tuple[Case, ...] = (
    *lint_cases_sriov.CASES,
    *lint_cases_networks.CASES,
    *lint_cases_gpu.CASES,
    *lint_cases_delivery.CASES,
    *lint_cases_tenancy.CASES,
)
BY_ID = {rule.id: rule for rule in RULES}


def _id(case: Case) -> str:
    return f"{case.rule}: {case.name}"


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_the_rule_finds_the_defect_where_it_is(case: Case) -> None:
    issues = run(case.bad, complete=case.complete)
    found = [
        f"{dotted(issue.path)} -> {dotted(issue.inner)}" if issue.inner else dotted(issue.path)
        for issue in of(issues, case.rule)
    ]
    assert case.path in found, shown(issues)
    hit = of(issues, case.rule)[found.index(case.path)]
    assert hit.severity is case.severity
    assert hit.message
    assert hit.fix
    assert hit.source == BY_ID[case.rule].source


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_the_rule_is_silent_once_repaired(case: Case) -> None:
    assert not of(run(case.good, complete=case.complete), case.rule)


@pytest.mark.parametrize("case", [case for case in CASES if not BY_ID[case.rule].fragments], ids=_id)
def test_a_rule_that_needs_the_whole_object_says_nothing_about_patches(case: Case) -> None:
    assert not of(run(case.bad, complete=case.complete, partial=True), case.rule)


@pytest.mark.parametrize("rule", [rule.id for rule in RULES if rule.fragments])
def test_a_rule_that_judges_a_value_by_itself_looks_at_patches(rule: str) -> None:
    cases = [case for case in CASES if case.rule == rule]
    assert any(of(run(case.bad, complete=case.complete, partial=True), rule) for case in cases)


def test_every_rule_has_a_case() -> None:
    assert sorted(set(BY_ID) - {case.rule for case in CASES}) == []


def test_every_rule_says_why_and_from_where() -> None:
    assert len(BY_ID) == len(RULES)
    for rule in RULES:
        assert rule.id.startswith("LINT-")
        assert rule.title[0].isupper()
        assert not rule.title.endswith(".")
        assert rule.why.endswith(".")
        assert rule.source
