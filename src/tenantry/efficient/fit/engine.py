"""Run every rule, and try what rules propose.

A change counts when the changed spec is valid, the finding is gone, and no other warning or error has come. Notes may:
a job that never ran and now runs on borrowed units is an improvement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.efficient.fit.changes import apply
from tenantry.efficient.fit.rules import RULES
from tenantry.efficient.fit.tables import Tables, tables
from tenantry.efficient.fit.work import NO_LOSS, Ground, Loss
from tenantry.model.finding import Severity

if TYPE_CHECKING:
    from tenantry.efficient.fit.changes import Change
    from tenantry.efficient.fit.rule import Hit, Rule
    from tenantry.model.cluster import Cluster
    from tenantry.model.spec import Spec

TRIES = 40
"""Changes that are tried in one run; each decides the whole spec again."""

LOSS_RULE = "FIT-NODE-LOSS"
"""The one rule that is about lost nodes."""

PROPOSED = 2
"""Changes that a finding proposes at most."""

Rebuild = Callable[["Spec"], "Cluster | None"]
"""Resolves and checks a changed spec; None when it has problems."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule found.

    Attributes:
        rule: the rule.
        hit: what it says.
        changes: changes that resolve it, tried, the nearest first.
    """

    rule: Rule
    hit: Hit
    changes: tuple[Change, ...] = ()

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.rule.severity if self.hit.severity is None else self.hit.severity


@dataclass(frozen=True, slots=True)
class FitResult:
    """What is decided about a spec.

    Attributes:
        found: findings in the order of the rules.
        tables: pools, tenants and classes of work.
        loss: nodes that were taken to be lost.
    """

    found: tuple[Found, ...]
    tables: Tables
    loss: Loss


def fit(
    cluster: Cluster, *, loss: Loss = NO_LOSS, rebuild: Rebuild | None = None, rules: Sequence[Rule] = RULES
) -> FitResult:
    """Decide whether what a spec promises fits its hardware.

    Args:
        cluster: the resolved spec, without problems.
        loss: nodes to do without.
        rebuild: resolves a changed spec, so that changes can be tried; without it none is proposed.
        rules: the rules to run.
    """
    ground = Ground(cluster, loss=loss)
    hits = judge(ground, rules)
    known = {_key(item, hit) for item, hit in hits}
    found, left = [], TRIES
    for item, hit in hits:
        accepted: list[Change] = []
        for change in {change.words: change for change in hit.changes}.values():
            if not left or len(accepted) == PROPOSED:
                break
            if change.kind and change.kind in {one.kind for one in accepted}:
                continue
            left -= 1
            # Other findings do not hang on lost nodes, and their changes need not make room for a loss.
            lost = loss if item.id == LOSS_RULE else NO_LOSS
            if rebuild is not None and resolves(
                cluster, change, _key(item, hit), known, loss=lost, rebuild=rebuild, rules=rules
            ):
                accepted.append(change)
        found.append(Found(item, hit, tuple(accepted)))
    return FitResult(tuple(found), tables(ground), loss)


def judge(ground: Ground, rules: Sequence[Rule] = RULES) -> list[tuple[Rule, Hit]]:
    """Run rules on a ground; hits in the order of the rules."""
    return [(item, hit) for item in rules for hit in item.check(ground)]


_Key = tuple[str, str]


def _key(rule: Rule, hit: Hit) -> _Key:
    return rule.id, hit.subject


def resolves(
    cluster: Cluster,
    change: Change,
    key: _Key,
    known: set[_Key],
    *,
    loss: Loss,
    rebuild: Rebuild,
    rules: Sequence[Rule] = RULES,
) -> bool:
    """Whether a change makes a valid spec, removes a finding and adds no other."""
    spec = apply(cluster.spec, change)
    changed = rebuild(spec) if spec is not None else None
    if changed is None:
        return False
    after = judge(Ground(changed, loss=loss), rules)
    if key in {_key(item, hit) for item, hit in after}:
        return False
    return all(_key(item, hit) in known for item, hit in after if Found(item, hit).severity >= Severity.WARNING)
