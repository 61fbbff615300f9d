"""No rule confuses a sound manifest with the defect it resembles."""

from __future__ import annotations

import pytest
from lint_quiet_gpu import QUIET as GPU
from lint_quiet_network import QUIET as NETWORK
from lint_quiet_tenancy import QUIET as TENANCY
from lint_support import of, run, shown

from tenantry.lint import RULES

QUIET = (*NETWORK, *GPU, *TENANCY)
KNOWN = {rule.id for rule in RULES}


@pytest.mark.parametrize(("rule", "name", "text"), QUIET, ids=[f"{rule}: {name}" for rule, name, _ in QUIET])
def test_the_rule_is_silent(rule: str, name: str, text: str) -> None:
    assert rule in KNOWN
    assert of(run(text), rule) == [], shown(of(run(text), rule))


def test_the_variants_are_objects() -> None:
    for rule, name, text in QUIET:
        assert run(text) is not None, (rule, name)
