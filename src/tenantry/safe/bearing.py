"""Which channels a difference between two sets of objects has a bearing on, so that only these are decided again.

Most changes of a platform are amounts: a limit, a guarantee, a weight. Rules ask whether a quota bounds something and
whether it grants any of it; how much it grants counts in few places. Each row of the table names a field, and the
channels whose rules read more of it than that. What no row names may change every verdict.

Expressions of admission policies may read anything, so no row holds for a field that one of them can read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from tenantry.safe.admission import plural_of
from tenantry.safe.cel_tree import FIELDS, Call, Const, Ident, Node, Select, below, tree_of
from tenantry.safe.comparisons import expressions_of
from tenantry.safe.matching import RequestRule
from tenantry.safe.queueing import KAI_GROUP, KUEUE_GROUP
from tenantry.safe.quotas import CLUSTER_QUOTA
from tenantry.safe.reading import at, copied, items, number, positive, text, walk
from tenantry.safe.shapes import POLICIES

Body = Mapping[str, Any]


class Difference(NamedTuple):
    """A field of an object that differs.

    Attributes:
        group: API group of the object.
        kind: its kind.
        pointer: path of the field, steps joined by ``/``; empty where the object comes or goes.
        before: what stood there; None for nothing.
        after: what stands there now; None for nothing.
    """

    group: str
    kind: str
    pointer: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Row:
    """A field of which rules read little.

    Attributes:
        group: API group of the objects.
        kind: their kind.
        pattern: the field, ``*`` for names.
        alike: whether all rules but those of ``channels`` take the two values for the same.
        why: what rules read of it.
        channels: those whose rules read more.
        matters: whether they do among these objects; always when None.
    """

    group: str
    kind: str
    pattern: str
    alike: Callable[[Difference], bool]
    why: str
    channels: frozenset[str] = frozenset()
    matters: Callable[[Iterable[Body]], bool] | None = None

    @property
    def steps(self) -> tuple[str | None, ...]:
        """Steps of the pattern; None for a name."""
        return tuple(None if step == "*" else step for step in self.pattern.split("/"))

    def is_about(self, difference: Difference) -> bool:
        """Whether a difference is one of this field."""
        of_kind = (self.group, self.kind) == (difference.group, difference.kind)
        return of_kind and fnmatchcase(difference.pointer, self.pattern)


_SOME = "some"
_RATES = ("maxTxRate", "max_tx_rate")
_NETWORKS = frozenset({
    "HostDeviceNetwork", "NetworkAttachmentDefinition", "OVSNetwork", "SriovIBNetwork", "SriovNetwork",
})  # fmt: skip


def _both_granted(difference: Difference) -> bool:
    """Whether both are amounts above zero."""
    return positive(difference.before) and positive(difference.after)


def _both_given(difference: Difference) -> bool:
    """Whether both are numbers above zero, so that none stands for having no bound."""
    return all((number(item) or 0.0) > 0 for item in (difference.before, difference.after))


def _without_pods(difference: Difference) -> bool:
    """Whether neither is a part of what pods are made from, which is looked for in objects of any kind."""
    steps = (step for value in (difference.before, difference.after) for path, _ in walk(value) for step in path)
    return "containers" not in {*difference.pointer.split("/"), *steps}


def _same_guarantees(difference: Difference) -> bool:
    """Whether two lists of what a ClusterQueue covers differ in nothing but what it may borrow and lend."""
    return _covered(difference.before, guarantees=True) == _covered(difference.after, guarantees=True)


def _same_coverage(difference: Difference) -> bool:
    """Whether they differ in amounts only, each above zero on both sides or on none."""
    return _covered(difference.before, guarantees=False) == _covered(difference.after, guarantees=False)


def _covered(groups: object, *, guarantees: bool) -> object:
    """Return what a ClusterQueue covers, without limits; of what it guarantees the amounts, or that there are some."""
    if not isinstance(groups, list):
        return groups
    covered = copied(groups)
    for entry in (
        entry for group in covered for flavor in items(group, "flavors") for entry in items(flavor, "resources")
    ):
        if isinstance(entry, dict):
            for name in ("borrowingLimit", "lendingLimit"):
                entry.pop(name, None)
            if not guarantees and positive(entry.get("nominalQuota")):
                entry["nominalQuota"] = _SOME
    return covered


def _rates_are_set(bodies: Iterable[Body]) -> bool:
    """Whether any network bounds what its virtual functions send: how many fill a port counts there only."""
    return any(
        str(path[-1]) in _RATES or (isinstance(value, str) and any(name in value for name in _RATES))
        for body in bodies
        if body.get("kind") in _NETWORKS
        for path, value in walk(body)
        if path
    )


_AMOUNT = "quotas are asked whether they bound something, and whether they grant any of it"
_SHARE = "what a queue may use beyond its guarantee, and how it is shared, takes nothing that is guaranteed"

ROWS: Final[tuple[Row, ...]] = (
    Row("", "ResourceQuota", "spec/hard/*", _both_granted, _AMOUNT, frozenset({"X5"}), _rates_are_set),
    Row(
        "quota.openshift.io",
        CLUSTER_QUOTA,
        "spec/quota/hard/*",
        _both_granted,
        _AMOUNT,
        frozenset({"X5"}),
        _rates_are_set,
    ),
    Row(
        KAI_GROUP,
        "Queue",
        "spec/resources/*/quota",
        _both_given,
        "a queue is asked whether it is guaranteed anything; amounts are summed up for its parents",
        frozenset({"Q4"}),
    ),
    Row(KAI_GROUP, "Queue", "spec/resources/*/limit", _without_pods, _SHARE),
    Row(KAI_GROUP, "Queue", "spec/resources/*/overQuotaWeight", _without_pods, _SHARE),
    Row(KAI_GROUP, "Queue", "spec/priority", _without_pods, _SHARE),
    Row(KUEUE_GROUP, "ClusterQueue", "spec/resourceGroups", _same_guarantees, _SHARE),
    Row(
        KUEUE_GROUP,
        "ClusterQueue",
        "spec/resourceGroups",
        _same_coverage,
        "amounts that are guaranteed are summed up for the nodes of a flavor",
        frozenset({"Q4"}),
    ),
    Row(KUEUE_GROUP, "ClusterQueue", "spec/fairSharing/weight", _without_pods, _SHARE),
    Row(
        "monitoring.coreos.com",
        "PrometheusRule",
        "spec/*",
        _without_pods,
        "alerts are made of metrics, and show them to nobody",
    ),
    Row(
        "grafana.integreatly.org",
        "GrafanaDashboard",
        "spec/*",
        _without_pods,
        "whether Grafana shows anything to those who may not see it is a matter of its data sources",
    ),
    Row(
        "infrastructure.opendatahub.io",
        "HardwareProfile",
        "spec/*",
        _without_pods,
        "profiles fill in what a pod asks for, and admission decides about the pod",
    ),
)
"""Fields in the order in which they are tried; the first that takes a difference counts."""


def bearing(
    differences: Iterable[Difference], bodies: Sequence[Body], rows: Sequence[Row] = ROWS
) -> frozenset[str] | None:
    """Return the channels on which differences have a bearing; None where any verdict may change.

    Args:
        differences: every field that differs.
        bodies: the objects, of either side; only fields that rows name differ where anything is returned.
        rows: what is known of fields.
    """
    taken: dict[Row, None] = {}
    for difference in differences:
        row = next((row for row in rows if row.is_about(difference) and row.alike(difference)), None)
        if row is None:
            return None
        taken[row] = None
    if taken and any(_can_be_read(row, policy) for policy in _policies(bodies) for row in taken):
        return None
    return frozenset().union(*(row.channels for row in taken if row.matters is None or row.matters(bodies)))


# --- what policies read -----------------------------------------------------------------------------------------------

Chain = tuple[str | None, ...]
"""A variable and the steps from it to what is read; None for a step that is worked out."""

_OBJECTS = frozenset({"object", "oldObject"})


def _policies(bodies: Iterable[Body]) -> Iterator[Body]:
    for body in bodies:
        if body.get("kind") in POLICIES and text(body, "apiVersion").startswith("admissionregistration.k8s.io/"):
            yield body


def _can_be_read(row: Row, policy: Body) -> bool:
    """Whether an expression of a policy or webhook can read a field of a row."""
    meets = any(rule.is_about(row.group, plural_of(row.kind)) for rule in _rules(policy))
    is_parameter = text(policy, "spec", "paramKind", "kind") == row.kind
    if not meets and not is_parameter:
        return False
    shown = {*(_OBJECTS if meets else ()), *(("params",) if is_parameter else ())}
    trees = [tree_of(expression) for expression in expressions_of(policy)]
    # What cannot be read may read anything.
    return any(
        tree is None or any(variable in shown and _meet(tuple(steps), row.steps) for variable, *steps in _chains(tree))
        for tree in trees
    )


def _rules(policy: Body) -> Iterator[RequestRule]:
    """Yield the rules that say what a policy, or each webhook of a configuration, looks at."""
    lists = [
        at(policy, "spec", "matchConstraints", "resourceRules"),
        *(at(it, "rules") for it in items(policy, "webhooks")),
    ]
    yield from (RequestRule.of(rule) for rules in lists for rule in items(rules) if isinstance(rule, dict))


def _chains(node: Node) -> Iterator[Chain]:
    """Yield the longest chains of fields below variables in an expression."""
    waiting = [node]
    while waiting:
        part = waiting.pop()
        root, chain, worked_out = _chain(part)
        if root == "request" and chain and chain[0] in _OBJECTS:
            yield chain
        elif root:
            yield (root, *chain)
        waiting.extend(worked_out if root else below(part))


def _chain(node: Node) -> tuple[str, Chain, list[Node]]:
    """Return the variable a chain of fields starts at, its steps, and what works steps out; no name for no chain."""
    steps: list[str | None] = []
    worked_out: list[Node] = []
    while not isinstance(node, Ident):
        if isinstance(node, Select):
            steps.append(node.field)
            node = node.operand
        elif isinstance(node, Call) and node.function in FIELDS and len(node.arguments) == 2:
            node, step = node.arguments
            steps.append(step.value if isinstance(step, Const) and isinstance(step.value, str) else None)
            worked_out.append(step)
        else:
            return "", (), []
    return node.name, tuple(reversed(steps)), worked_out


def _meet(left: Chain, right: Chain) -> bool:
    """Whether one of two chains can lead to, or through, what the other one does."""
    return all(one is None or other is None or one == other for one, other in zip(left, right, strict=False))
