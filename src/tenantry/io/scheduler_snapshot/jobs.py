"""Pod groups as the scheduler reads them: gangs, subgroups, priorities, and what it wrote on them itself.

Source: pkg/scheduler/cache/cluster_info/cluster_info.go, api/podgroup_info (job_info.go, subgroup_info/factory.go),
common/podgroup/preemptible.go and utils/pod_group_utils.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tenantry.errors import InputError
from tenantry.io.scheduler_snapshot.fields import parse_time
from tenantry.io.yaml_read import load_documents
from tenantry.model.job import DEFAULT_JOB_PRIORITY, DEFAULT_SUBGROUP, Job, Subgroup, TopologyConstraint
from tenantry.model.pool_snapshot import JobTitle, SetAside
from tenantry.model.problem import did_you_mean
from tenantry.model.reading import items, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenantry.io.scheduler_snapshot.fields import Fields
    from tenantry.io.scheduler_snapshot.pods import ReadPod
    from tenantry.model.problem import DocPath

STALE: Final = "kai.scheduler/stale-podgroup-timestamp"
STARTED: Final = "kai.scheduler/last-start-timestamp"
EVICTED: Final = "kai.scheduler/last-eviction-timestamp"
OWNER: Final = "kai.scheduler/top-owner-metadata"
PREEMPTIBLE: Final = {"preemptible": True, "non-preemptible": False}
UNSCHEDULABLE: Final = "UnschedulableOnNodePool"


@dataclass(frozen=True, slots=True)
class Priorities:
    """Values of priority classes, and that of jobs that name none."""

    values: Mapping[str, int]
    default: int = DEFAULT_JOB_PRIORITY


def priorities_of(classes: Sequence[Fields]) -> Priorities:
    """Read priority classes."""
    values: dict[str, int] = {}
    default = DEFAULT_JOB_PRIORITY
    for item in classes:
        value = item.integer("value") or 0
        values[item.name] = value
        if item.boolean("globalDefault"):
            default = value
    return Priorities(values, default)


def job_of(
    fields: Fields,
    name: str,
    pods: Sequence[ReadPod],
    priorities: Priorities,
    *,
    known_queue: bool,
    unmodelled: str = "",
) -> Job:
    """Read a pod group.

    Args:
        fields: the pod group.
        name: name of the job in the moment.
        pods: its pods.
        priorities: priority classes.
        known_queue: whether its queue exists; one whose queue does not keeps neither priority nor preemptibility.
        unmodelled: what keeps the model from placing it, besides its pods.
    """
    priority: int = 0
    preemptible: bool | None = False
    if known_queue:
        priority, preemptible = _priority(fields, priorities), _preemptible(fields)
    reasons = [unmodelled, *(item.demands.unmodelled for item in pods if item.demands is not None)]
    return Job(
        name=name,
        queue=fields.text("spec", "queue"),
        pods=tuple(item.pod for item in sorted(pods, key=lambda item: item.pod.name)),
        root=_root(fields, pods),
        namespace=fields.namespace,
        priority=priority,
        preemptible=preemptible,
        created=fields.time("metadata", "creationTimestamp") or 0,
        started=_noted(fields, STARTED),
        evicted=_noted(fields, EVICTED),
        preemption_delay=fields.duration("spec", "preemptionDelay") or 0,
        stale_since=_noted(fields, STALE),
        staleness_grace=fields.duration("spec", "stalenessGracePeriod"),
        unmodelled=next(filter(None, reasons), ""),
    )


def _preemptible(fields: Fields) -> bool | None:
    """Whether it may be evicted; None where its priority decides."""
    written = fields.text("spec", "preemptibility")
    if written and written not in PREEMPTIBLE:
        expected = "preemptible or non-preemptible"
        fields.wrong(("spec", "preemptibility"), "there is no such thing", expected=expected, found=written)
    return PREEMPTIBLE.get(written)


def _priority(fields: Fields, priorities: Priorities) -> int:
    name = fields.text("spec", "priorityClassName")
    if name and name not in priorities.values and priorities.values:
        hint = did_you_mean(name, priorities.values)
        fields.find(
            "SNAP-PRIORITY-CLASS",
            ("spec", "priorityClassName"),
            f"PriorityClass {name} is not in the snapshot; the job counts with priority {priorities.default}{hint}",
        )
    return priorities.values.get(name, priorities.default)


def _noted(fields: Fields, annotation: str) -> int | None:
    written = fields.annotations.get(annotation)
    if not written:
        return None
    seconds = parse_time(written)
    if seconds is None:
        message = f"{annotation} is {written!r}, which is no time; the scheduler passes over it"
        fields.find("SNAP-ANNOTATION", ("metadata", "annotations", annotation), message)
    return seconds


# --- the tree of groups -----------------------------------------------------------------------------------------------


def _root(fields: Fields, pods: Sequence[ReadPod]) -> Subgroup:
    constraint = _constraint(fields, ("spec", "topologyConstraint"))
    entries = fields.items("spec", "subGroups")
    fault = _fault(entries)
    if fault:
        message = f"{fault}; the scheduler takes the job for one without subgroups that needs one pod"
        fields.find("SNAP-SUBGROUP", ("spec", "subGroups"), message)
        return Subgroup("", None, (Subgroup(DEFAULT_SUBGROUP, 1),), leaf=False)
    if not entries:
        least = fields.integer("spec", "minMember", least=0)
        return Subgroup("", None, (Subgroup(DEFAULT_SUBGROUP, 1 if least is None else least),), constraint, leaf=False)
    children = tuple(_children(fields, ""))
    leaves = set(_leaf_names(children))
    for item in pods:
        if (item.pod.subgroup or DEFAULT_SUBGROUP) not in leaves:
            item.fields.find(
                "SNAP-SUBGROUP",
                ("metadata", "labels"),
                f"its job has no subgroup {item.pod.subgroup or DEFAULT_SUBGROUP} that holds pods; "
                "the scheduler passes over the pod",
            )
    return Subgroup("", fields.integer("spec", "minSubGroup", least=0), children, constraint, leaf=False)


def _children(fields: Fields, parent: str) -> Iterator[Subgroup]:
    entries = items(fields.body, "spec", "subGroups")
    for index, entry in enumerate(entries):
        if text(entry, "parent").lower() != parent:
            continue
        path, name = ("spec", "subGroups", index), text(entry, "name")
        constraint = _constraint(fields, (*path, "topologyConstraint"))
        if any(text(other, "parent").lower() == name for other in entries):
            least = fields.integer(*path, "minSubGroup", least=0)
            yield Subgroup(name, least, tuple(_children(fields, name)), constraint, leaf=False)
        else:
            yield Subgroup(name, fields.integer(*path, "minMember", least=0) or 0, (), constraint)


def _fault(entries: Sequence[object]) -> str:
    """What is wrong with the tree of subgroups; empty when nothing is."""
    parents: dict[str, str] = {}
    for entry in entries:
        name = text(entry, "name")
        if not name:
            return "a subgroup has no name"
        if name in parents:
            return f"subgroup {name} is there twice"
        parents[name] = text(entry, "parent").lower()
    for name, parent in parents.items():
        if parent and parent not in parents:
            return f"subgroup {name} names a parent {parent} that is not there"
        seen, above = {name}, parent
        while above:
            if above in seen:
                return f"subgroup {name} is in a cycle"
            seen.add(above)
            above = parents[above]
    return ""


def _leaf_names(groups: Sequence[Subgroup]) -> Iterator[str]:
    for group in groups:
        if group.leaf:
            yield group.name
        else:
            yield from _leaf_names(group.children)


def _constraint(fields: Fields, path: DocPath) -> TopologyConstraint | None:
    topology = fields.text(*path, "topology")
    if not topology:
        return None
    return TopologyConstraint(
        topology, fields.text(*path, "requiredTopologyLevel"), fields.text(*path, "preferredTopologyLevel")
    )


# --- who it is --------------------------------------------------------------------------------------------------------


def title_of(fields: Fields) -> JobTitle:
    """Say how people know the job: by the object its pod group was made for."""
    kind, name = _top_owner(fields)
    if not name:
        owners = fields.items("metadata", "ownerReferences")
        if owners:
            kind, name = text(owners[0], "kind"), text(owners[0], "name")
    return JobTitle(fields.namespace, fields.name, f"{kind} {name}".strip() if name else "", name)


def _top_owner(fields: Fields) -> tuple[str, str]:
    written = fields.annotations.get(OWNER)
    if not written:
        return "", ""
    try:
        documents = load_documents(written)
    except InputError:
        return "", ""
    body = documents[0].value if documents else None
    return text(body, "kind"), text(body, "name")


def set_aside(fields: Fields, pool: str) -> SetAside | None:
    """Why the scheduler does not look at a pod group any more, or None: its backoff is one try, and that failed."""
    if fields.integer("spec", "schedulingBackoff") in {None, -1}:
        return None
    last, last_id = None, -2
    for condition in fields.items("status", "schedulingConditions"):
        written = text(condition, "transitionID")
        number = int(written) if written.isascii() and written.isdigit() else -1
        if last is None or number > last_id:
            last, last_id = condition, number
    if last is None or text(last, "nodePool") != pool:
        return None
    reasons = [text(item, "message") for item in items(last, "reasons")]
    return SetAside(
        fields.text("spec", "queue"),
        "it was tried once, found no place, and is not tried again until somebody changes it (schedulingBackoff 1)",
        " ".join(filter(None, reasons)) or text(last, "message"),
        parse_time(text(last, "lastTransitionTime")),
    )
