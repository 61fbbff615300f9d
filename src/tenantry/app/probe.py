"""Measure work here, or render the Jobs that measure it on a node pool."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from tenantry.app.spec import load
from tenantry.compile.probe_job import MOST_BYTES, PROGRAM, ProbeJobs, probe_jobs
from tenantry.errors import InputError
from tenantry.exec import probe
from tenantry.io.walk import shown
from tenantry.io.yaml_read import os_reason
from tenantry.io.yaml_write import dump_all
from tenantry.model.problem import nearest_name
from tenantry.model.spec import SharingMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tenantry.model.cluster import Cluster, Pool

_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\.py")
ALONE, ONE, THREE = 0, 1, 3
"""Neighbours that are tried where the spec does not say how many there will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeQuestion:
    """What is measured on a cluster.

    Attributes:
        spec: the spec.
        environment: overlay of the spec.
        pool: node pool.
        tenant: tenant whose namespace and queue are used; empty for neither.
        namespace: namespace of the Jobs; the tenant's first when empty.
        image: image with Python and PyTorch or CuPy.
        workload: built-in workload, ``module:function``, or a command after ``$``.
        name: name of the workload in the table; the workload itself when empty.
        module: Python file with the function; None without one.
        batches: batch sizes.
        processes: numbers of processes that are measured together.
        neighbours: numbers of copies beside them; empty for those that the pool's sharing suggests.
        seconds: how long each setting is measured.
        memory: memory of a pod, as a quantity.
    """

    spec: Path
    pool: str
    image: str
    environment: str = ""
    tenant: str = ""
    namespace: str = ""
    workload: str = "matmul"
    name: str = ""
    module: Path | None = None
    batches: Sequence[int] = (1,)
    processes: Sequence[int] = (1,)
    neighbours: Sequence[int] = ()
    seconds: int = 20
    memory: str = "16Gi"


def run_here(arguments: Sequence[str]) -> int:
    """Measure on this machine; returns 0 when all was measured and 1 with a message when something is wrong."""
    return probe.main(arguments)


def probe_manifests(question: ProbeQuestion) -> str:
    """Return the manifests that measure a workload on a node pool, as YAML.

    Raises:
        SpecError: with every problem of the spec.
        InputError: if pool, tenant or module cannot be used.
    """
    cluster = load(question.spec, question.environment).cluster
    pool = cluster.pool(_known("node pool", question.pool, [pool.name for pool in cluster.pools]))
    if not pool.gpu_resources:
        raise InputError(f"pool {pool.name} offers no GPUs")
    namespace = question.namespace or _namespace(cluster, pool, question.tenant)
    if question.namespace and question.tenant:
        owned = _tenant_namespaces(cluster, question.tenant)
        if question.namespace not in owned:
            message = f"{question.namespace!r} is no namespace of tenant {question.tenant}"
            raise InputError(f"{message}; expected one of {', '.join(owned)}")
    jobs = ProbeJobs(
        cluster=cluster,
        pool=pool,
        namespace=namespace,
        tenant=question.tenant,
        image=question.image,
        files=_files(question),
        arguments=_arguments(question, pool),
        memory=question.memory,
    )
    return dump_all(probe_jobs(jobs))


def _known(what: str, name: str, names: Sequence[str]) -> str:
    if name in names:
        return name
    near = nearest_name(name, names)
    hint = f"; did you mean {near!r}?" if near else ""
    raise InputError(f"there is no {what} named {name!r}; expected one of {', '.join(names) or 'none'}{hint}")


def _tenant_namespaces(cluster: Cluster, name: str) -> tuple[str, ...]:
    _known("tenant", name, [tenant.name for tenant in cluster.tenants])
    return next(tenant.namespaces for tenant in cluster.tenants if tenant.name == name)


def _namespace(cluster: Cluster, pool: Pool, name: str) -> str:
    if not name:
        raise InputError("say with a tenant or a namespace where the Jobs run")
    namespaces = _tenant_namespaces(cluster, name)
    tenant = next(tenant for tenant in cluster.tenants if tenant.name == name)
    if pool.name not in tenant.pools:
        message = f"tenant {name} has no quota in pool {pool.name}, so its Jobs would never start"
        raise InputError(f"{message}; it has one in {', '.join(tenant.pools) or 'none'}")
    return namespaces[0]


def _files(question: ProbeQuestion) -> dict[str, str]:
    texts = {PROGRAM: files("tenantry.exec").joinpath(PROGRAM).read_text(encoding="utf-8")}
    if question.module is not None:
        name = question.module.name
        if _MODULE.fullmatch(name) is None or name == PROGRAM:
            raise InputError(
                f"{shown(question.module)}: expected a Python file whose name can be imported, not {PROGRAM}"
            )
        try:
            texts[name] = question.module.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{shown(question.module)} cannot be read: {os_reason(error)}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{shown(question.module)} is not UTF-8 text: {error.reason}") from error
    size = sum(len(text.encode()) for text in texts.values())
    if size > MOST_BYTES:
        raise InputError(f"the files have {size:,} bytes and a ConfigMap holds {MOST_BYTES:,}")
    return texts


def _arguments(question: ProbeQuestion, pool: Pool) -> list[str]:
    neighbours = question.neighbours or suggested_neighbours(pool)
    arguments = ["--workload", question.workload]
    if question.name:
        arguments += ["--name", question.name]
    arguments += ["--batch", _commas(question.batches), "--processes", _commas(question.processes)]
    return [*arguments, "--neighbours", _commas(neighbours), "--seconds", str(question.seconds)]


def suggested_neighbours(pool: Pool) -> tuple[int, ...]:
    """Neighbours worth trying: none, one, and as many as the sharing of the pool allows."""
    replicas = pool.spec.sharing.replicas
    shared = pool.mode in {SharingMode.TIME_SLICING, SharingMode.MPS} and replicas is not None
    most = replicas - 1 if shared and replicas is not None else THREE
    return tuple(sorted({ALONE, ONE, most}))


def _commas(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))
