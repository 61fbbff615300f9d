"""A sweep as an Indexed Job: its inputs packed, and the command line that each pod runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.app.job_source import MadeUp, TraceFile
from tenantry.app.simulation_runs import BASE
from tenantry.app.spec import load
from tenantry.app.sweep import plan_sweep
from tenantry.compile.sweep_job import CLAIM, MOST_BYTES, SweepJob, sweep_job
from tenantry.errors import InputError
from tenantry.io.spec_folder import SUFFIXES
from tenantry.io.walk import Walk, shown
from tenantry.io.yaml_read import os_reason
from tenantry.io.yaml_write import dump_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tenantry.app.sweep import SweepQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where on a cluster a sweep runs.

    Attributes:
        namespace: namespace, which exists.
        image: image with Tenantry installed.
        claim: PersistentVolumeClaim that all pods mount and write to.
        pods: pods at most.
        cpu: CPUs, and so processes, of a pod.
        memory: memory of a pod, as a quantity.
        trace: trace as a path inside the claim, for one that is too large to be packed; empty to pack it.
    """

    namespace: str
    image: str
    claim: str
    pods: int
    cpu: int = 1
    memory: str = "2Gi"
    trace: str = ""


def cluster_manifests(question: SweepQuestion, place: Place) -> str:
    """Return the manifests that run a sweep on a cluster, as YAML.

    Raises:
        SpecError: with every problem of the spec or the sweep.
        InputError: if something cannot be read, or the inputs do not fit into a ConfigMap.
    """
    plan, loaded = plan_sweep(question)
    packed = dict(_inputs(question, loaded.sweep.spec.scenarios, pack_trace=not place.trace))
    folders = [_whole(question.spec)] if question.spec.is_dir() else []
    root = Path(os.path.commonpath([*folders, *(path.parent for path in packed)]))
    files = {path.relative_to(root).as_posix(): content for path, content in packed.items()}
    size = sum(map(len, files.values()))
    if size > MOST_BYTES:
        largest = max(packed, key=lambda path: len(packed[path]))
        raise InputError(
            f"the inputs have {size:,} bytes and a ConfigMap holds {MOST_BYTES:,}; the largest is {largest.name}; put "
            "a trace into the volume and name it with --trace-in-claim"
        )
    job = SweepJob(
        name=loaded.sweep.name,
        namespace=place.namespace,
        image=place.image,
        claim=place.claim,
        shards=min(place.pods, len(plan)),
        openshift=load(question.spec, question.environment).cluster.openshift,
        files=files,
        arguments=list(_arguments(question, root, place.trace)),
        cpu=place.cpu,
        memory=place.memory,
    )
    return dump_all(sweep_job(job))


def _inputs(question: SweepQuestion, scenarios: Sequence[str], *, pack_trace: bool) -> Iterator[tuple[Path, bytes]]:
    paths = [*_found(question.spec, SUFFIXES), question.sweep]
    paths += [question.sweep.parent / name for name in scenarios if name != BASE]
    if question.tenants is not None:
        paths.append(question.tenants)
    if isinstance(question.source, TraceFile) and pack_trace:
        paths += _found(question.source.path, ("",))
    for path in paths:
        try:
            yield _whole(path), path.read_bytes()
        except OSError as error:
            raise InputError(f"{shown(path)} cannot be read: {os_reason(error)}") from error


def _whole(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - a symbolic link keeps the place it is reached by


def _found(path: Path, suffixes: tuple[str, ...]) -> Iterable[Path]:
    if not path.is_dir():
        return [path]
    walk = Walk(lambda name: name.endswith(suffixes))
    walk.add_folder(path)
    return walk.files


def _arguments(question: SweepQuestion, root: Path, trace: str) -> Iterator[str]:
    """Yield the arguments of ``tenantry sweep`` in a pod; files are named from the folder they are packed from."""

    def inside(path: Path) -> str:
        return _whole(path).relative_to(root).as_posix()

    yield inside(question.spec)
    yield inside(question.sweep)
    if question.environment:
        yield from ("--environment", question.environment)
    source = question.source
    if isinstance(source, MadeUp):
        yield from ("--synthetic", str(source.seed), "--load", repr(source.load))
        yield from ("--days", repr(source.days), "--profile", source.profile)
    else:
        yield from ("--trace", f"{CLAIM}/{trace}" if trace else inside(source.path))
        for name, value in (("--format", source.format), ("--tenant-field", source.tenant)):
            if value:
                yield from (name, value)
    if question.tenants is not None:
        yield from ("--tenants", inside(question.tenants))
    for name, value in _behaviour(question).items():
        yield from (f"--{name}", value)


def _behaviour(question: SweepQuestion) -> Mapping[str, str]:
    jobs, tuning = question.behaviour, question.tuning
    seconds = {
        "leaving": jobs.leaving,
        "startup": jobs.startup,
        "period": tuning.period,
        "usage-window": jobs.usage_window,
        "half-life": jobs.half_life,
        **({} if jobs.until is None else {"until": jobs.until}),
    }
    return {
        "checkpoint": "never" if jobs.checkpoint is None else f"{jobs.checkpoint}s",
        **{name: f"{value}s" for name, value in seconds.items()},
        "k-value": repr(tuning.k_value),
    }
