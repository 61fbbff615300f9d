"""Metrics as evidence for advice: reads them, attributes them to classes of work, and says what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.efficient.advise.pods import Watched, watched
from tenantry.efficient.advise.rules import gib
from tenantry.errors import InputError
from tenantry.model.finding import Finding, Severity
from tenantry.model.problem import Subject, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tenantry.efficient.advise import Advice
    from tenantry.model.cluster import Cluster
    from tenantry.model.problem import DocPath, Location

SOURCE = "docs/advise.md"


def watch(cluster: Cluster, paths: Sequence[Path], pods: Sequence[str] = ()) -> tuple[Watched | None, tuple[str, ...]]:
    """Read metrics and attribute them; return what was seen, and what was passed over as a sentence each.

    Args:
        cluster: the resolved cluster.
        paths: files of metrics; nothing is seen when there are none.
        pods: how names of pods begin, ``WORKLOAD=PREFIX`` each.

    Raises:
        InputError: if a file cannot be read, or a class of work is not there.
    """
    prefixes = [_pair(text, {item.name for item in cluster.spec.workloads}) for text in pods]
    if not paths:
        if pods:
            raise InputError("--pods says which pods of --metrics belong to a class of work; there are no --metrics")
        return None, ()
    from tenantry.io.dcgm import read_devices

    reading = read_devices(paths)
    return watched(cluster, reading.devices, prefixes), reading.notes


def _pair(text: str, names: set[str]) -> tuple[str, str]:
    name, equals, prefix = text.partition("=")
    if not (name and equals and prefix):
        raise InputError(f"--pods: expected WORKLOAD=PREFIX; found {text!r}")
    if name not in names:
        raise InputError(f"--pods: there is no Workload named '{name}'{did_you_mean(name, names)}")
    return name, prefix


def memory_findings(rows: Sequence[Advice], locate: Callable[[Subject, DocPath], Location]) -> Iterator[Finding]:
    """Compare the memory that the spec states with what was seen in use, once for each class of work."""
    told: set[tuple[str, str]] = set()
    for row in rows:
        work, light = row.work, row.lighter
        where = locate(Subject("Workload", work.name), ("spec", "gpuMemory"))
        subject = f"Workload {work.name}"
        if work.used is not None and work.used > work.declared and (work.name, "") not in told:
            told.add((work.name, ""))
            yield Finding(
                "ADVISE-MEMORY-LOW", Severity.WARNING, subject,
                f"gpuMemory is {gib(work.declared)} GiB and {gib(work.used)} GiB were in use; the larger counts", where,
                path="spec.gpuMemory", source=SOURCE,
                fix=f"gpuMemory: {-(-work.used // 2**30)}Gi; or limit what its framework reserves and measure again",
            )  # fmt: skip
        elif light is not None:
            yield Finding(
                "ADVISE-MEMORY-HIGH", Severity.INFO, subject,
                f"node pool {row.pool.name}: gpuMemory is {gib(work.memory)} GiB and at most {gib(light.memory)} GiB "
                f"were in use; with so much {light.said(row.decision)}", where,
                path="spec.gpuMemory", source=SOURCE,
                fix="less gpuMemory, if what was seen is all that it needs",
            )  # fmt: skip
