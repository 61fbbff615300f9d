"""What a partition plan is turned into: a patch of the spec, or a MIG configuration with the nodes that get it.

A node pool of a spec has one list of layouts for all its nodes, so only a uniform plan can be a patch. A plan per node
is a configuration with one entry for each kind of node; names follow those that are compiled, a hash of the layout, so
that the same layout has the same name.

Source: NVIDIA mig-parted ``api/spec/v1/spec.go``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.app.spec import load
from tenantry.compile.build import content_hash
from tenantry.compile.gpu_sharing import MIG_CONFIG_LABEL, MIG_DISABLED
from tenantry.efficient.partition.losses import describe
from tenantry.errors import InputError, SpecError
from tenantry.io.yaml_write import dump
from tenantry.model.partition import WHOLE, counts_of
from tenantry.model.spec.base import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tenantry.app.partition_report import NodeGroup, PartitionReport, PoolReport
    from tenantry.model.partition import Counts
    from tenantry.model.problem import SpecProblem


MOST_NODES, MOST_BY_HAND = 8, 12
"""Nodes and GPUs that steps name."""


def runs(layouts: Sequence[Counts], indices: Sequence[int]) -> list[tuple[Counts, tuple[int, ...]]]:
    """Group the GPUs of a node by layout, in the order of their first index."""
    found: dict[Counts, list[int]] = {}
    for index, counts in zip(indices, layouts, strict=True):
        found.setdefault(counts, []).append(index)
    return [(counts, tuple(gpus)) for counts, gpus in found.items()]


def spec_patch(report: PartitionReport) -> str:
    """Write the plan as a document that is laid over the platform: a file below ``environments/<name>/``.

    Raises:
        InputError: if nodes of a pool get different layouts, which no pool of a spec can have.
    """
    if not report.rules.uniform:
        raise InputError(
            "a node pool has one list of layouts for all its nodes, so a plan per node is no patch of the spec; "
            "leave out --per-node, or write its MIG configuration with --mig-config FILE"
        )
    pools = [{"name": item.pool.name, "sharing": _sharing(item)} for item in report.pools]
    body = {
        "apiVersion": API_VERSION,
        "kind": "Platform",
        "metadata": {"name": report.name},
        "spec": {"nodePools": pools},
    }
    return f"# MIG layouts as planned by tenantry partition; lies over the Platform of the base.\n{dump(body)}"


def _sharing(pool: PoolReport) -> dict[str, Any]:
    # GPUs that no layout names stay whole; one without any instance cannot be written and is left whole as well.
    layouts = []
    grouped = runs(pool.groups[0].layouts, pool.indices)
    for counts, gpus in grouped:
        if counts and counts != ((WHOLE, 1),):
            item: dict[str, Any] = {} if len(grouped) == 1 else {"gpus": list(gpus)}
            layouts.append({**item, "profiles": dict(counts)})
    return {"mode": "mig", "layouts": layouts} if layouts else {"mode": "whole", "layouts": []}


def patch_problems(spec: Path, environment: str, patch: Path) -> tuple[SpecProblem, ...]:
    """Say what is wrong with a spec once a patch is laid over it: quotas that its layouts no longer hold."""
    try:
        load(spec, environment, layers=[patch])
    except SpecError as error:
        return error.problems
    return ()


def configuration_name(pool: PoolReport, group: NodeGroup) -> str:
    """Name of the entry of the MIG configuration that nodes of a group get: the value of their label."""
    grouped = runs(group.layouts, pool.indices)
    if [counts for counts, _ in grouped] == [((WHOLE, 1),)]:
        return MIG_DISABLED
    content = [[_devices(gpus, pool), {} if counts == ((WHOLE, 1),) else dict(counts)] for counts, gpus in grouped]
    return f"{pool.pool.name}-{content_hash(content)}"


def _devices(gpus: tuple[int, ...], pool: PoolReport) -> str:
    return "all" if len(gpus) == len(pool.indices) else f"[{', '.join(str(index) for index in gpus)}]"


def mig_configuration(report: PartitionReport) -> str:
    """Write the MIG configuration of the plan, each entry with the nodes that are to be labelled with its name."""
    lines = ["version: v1", "mig-configs:", f"  {MIG_DISABLED}:", "    - devices: all", "      mig-enabled: false"]
    for pool in report.pools:
        for group in pool.groups:
            name = configuration_name(pool, group)
            lines.append(f"  # {MIG_CONFIG_LABEL}={name} on {', '.join(group.nodes)}")
            if name != MIG_DISABLED:
                lines.append(f"  {name}:")
                for counts, gpus in runs(group.layouts, pool.indices):
                    lines.extend(_entry(counts, _devices(gpus, pool)))
    return "\n".join(lines) + "\n"


def _entry(counts: Counts, devices: str) -> Iterator[str]:
    whole = counts == ((WHOLE, 1),)
    yield f"    - devices: {devices}"
    yield f"      mig-enabled: {'false' if whole else 'true'}"
    if whole:
        return
    if not counts:
        yield "      mig-devices: {}"
        return
    yield "      mig-devices:"
    for profile, count in counts:
        yield f'        "{profile}": {count}'


def steps(pool: PoolReport) -> list[str]:
    """Say what has to be done on the nodes that change, a sentence each."""
    by_hand = set(pool.by_hand)
    found = []
    for group in pool.groups:
        nodes = [node for node in group.changed if node not in by_hand]
        if nodes:
            text = ", ".join(
                f"GPU {_numbers(gpus)}: {describe(counts)}" for counts, gpus in runs(group.layouts, pool.indices)
            )
            found.append(f"{MIG_CONFIG_LABEL}={configuration_name(pool, group)} on {_names(nodes)}: {text}.")
    if found:
        found = [
            "Drain one node after another: pods that hold its GPUs must be gone before the MIG manager resets them, "
            "and it evicts none of them itself.",
            *found,
            "Wait for nvidia.com/mig.config.state=success and the new slices in the node's allocatable, uncordon.",
        ]
    manual = list(_by_hand(pool, by_hand))
    left = len(manual) - MOST_BY_HAND
    rest = [f"{left:,} more GPUs by hand; the JSON output has all."] if left > 0 else []
    return [*found, *manual[:MOST_BY_HAND], *rest]


def _names(nodes: Sequence[str]) -> str:
    more = f" and {len(nodes) - MOST_NODES:,} more nodes" if len(nodes) > MOST_NODES else ""
    return ", ".join(nodes[:MOST_NODES]) + more


def _by_hand(pool: PoolReport, nodes: set[str]) -> Iterator[str]:
    """Say which instances to destroy and to create where instances stay."""
    for before, after in zip(pool.pool.gpus, pool.plan.plan.gpus, strict=True):
        gone = [item for item in before.layout if item not in after.layout]
        new = [item for item in after.layout if item not in before.layout]
        if before.node in nodes and (gone or new):
            parts = [f"destroy {describe(counts_of(tuple(gone)))}"] if gone else []
            parts += [f"create {', '.join(f'{item.profile} at {item.start}' for item in new)}"] if new else []
            text = "; ".join(parts)
            yield f"By hand on {before.node}, GPU {before.index}: {text}."


def _numbers(gpus: tuple[int, ...]) -> str:
    if len(gpus) > 2 and gpus == tuple(range(gpus[0], gpus[-1] + 1)):
        return f"{gpus[0]} to {gpus[-1]}"
    return " and ".join(filter(None, [", ".join(str(gpu) for gpu in gpus[:-1]), str(gpus[-1])]))
