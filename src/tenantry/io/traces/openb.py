"""Alibaba's 2023 trace of shared GPUs, "openb": pod lists of one cluster over five months.

Times are seconds from an unknown day. It names no tenants; the quality of service may stand in. A pod asks for whole
GPUs (``num_gpu``, ``gpu_milli`` 1000) or for part of one. Lists made for packing alone have five columns and no times.
Source: github.com/alibaba/clusterdata, cluster-trace-gpu-v2023, README.
"""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tenantry.io.traces.problem_log import Unusable
from tenantry.io.traces.table import ONE_TENANT, Plan, Reading, Table, chosen_tenant, read_table
from tenantry.io.traces.values import count, is_missing, mebibytes, milli, relative
from tenantry.model.trace import MILLI, Outcome, TraceJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.io.traces.rows import Row

COLUMNS: Final = frozenset(("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"))
NEEDS: Final = (
    "a header with name, cpu_milli, memory_mib, num_gpu and gpu_milli, and for replay with creation_time, "
    "scheduled_time and deletion_time"
)
TENANTS: Final = ("none", "qos")

_OUTCOMES: Final = MappingProxyType({"Succeeded": Outcome.COMPLETED, "Failed": Outcome.FAILED})


def read(reading: Reading) -> Iterator[TraceJob]:
    """Yield the pods, each a job of its own; those without times have a duration of 0."""
    return read_table(reading, _bind, NEEDS)


def _bind(table: Table) -> Plan:
    name, cpus, memory = table.column("name"), table.column("cpu_milli"), table.column("memory_mib")
    number, share = table.column("num_gpu"), table.column("gpu_milli")
    models, phase, qos = table.optional("gpu_spec"), table.optional("pod_phase"), table.optional("qos")
    tenant = table.column("qos") if chosen_tenant(table.reading, TENANTS) == "qos" else None
    priorities = table.reading.options.priorities
    submitted, ran = _times(table)
    cores, mib = table.ignoring(partial(milli, unit=MILLI), 0), table.ignoring(mebibytes, 0)
    if tenant is None:
        table.remark("TRACE-NO-TENANTS", "the trace does not tell tenants apart; the quality of service may stand in")

    def build(row: Row, origin: int) -> TraceJob:
        if not row[name]:
            raise Unusable("TRACE-NAME", "the pod has no name")
        if tenant is not None and not row[tenant]:
            raise Unusable("TRACE-TENANT", "the pod has no quality of service")
        submit, started, lasted = ran(row)
        return TraceJob(
            row[name],
            ONE_TENANT if tenant is None else row[tenant],
            submit - origin,
            lasted,
            1,
            _gpus(row[number], row[share]),
            cores(row[cpus]),
            mib(row[memory]),
            row[models] if models is not None else "",
            priorities.get(row[qos]) if qos is not None else None,
            outcome=_OUTCOMES.get(row[phase], Outcome.UNKNOWN) if phase is not None else Outcome.UNKNOWN,
            started=None if started is None else started - origin,
        )

    return Plan(submitted, build, itemgetter(name))


def _gpus(number: str, share: str) -> int:
    """Return the milli-GPUs of a pod.

    Raises:
        Unusable: if it asks for part of several GPUs.
    """
    if number in {"0", "0.0"}:
        return 0
    devices, each = count(number), milli(share, unit=MILLI)
    if each > MILLI or (devices > 1 and each != MILLI):
        expected = "up to 1000 of one GPU, or 1000 of each of several"
        raise Unusable("TRACE-GPUS", "the share of the GPUs makes no sense", expected, f"{share} of {number}")
    return devices * each


def _times(table: Table) -> tuple[Callable[[Row], int], Callable[[Row], tuple[int, int | None, int]]]:
    """Return what reads the submission of a pod, and what reads submission, start and duration."""
    created, deleted = table.optional("creation_time"), table.optional("deletion_time")
    scheduled = table.optional("scheduled_time")
    if created is None or deleted is None or scheduled is None:
        table.reading.timed = False
        table.remark("TRACE-UNTIMED", "the list has no times: its pods can be packed but not replayed")
        return (lambda _: 0), (lambda _: (0, None, 0))

    def ran(row: Row) -> tuple[int, int | None, int]:
        submit = relative(row[created])
        if is_missing(row[scheduled]) or is_missing(row[deleted]):
            what = "was never scheduled" if is_missing(row[scheduled]) else "has no end"
            table.warn("TRACE-UNTIMED", f"the pod {what}: it can be packed but not replayed")
            return submit, None, 0
        started, ended = relative(row[scheduled]), relative(row[deleted])
        if ended <= started:
            what = f"ended {started - ended} s before it started" if ended < started else "ran for no whole second"
            table.warn("TRACE-UNTIMED", f"the pod {what}: it can be packed but not replayed")
            return submit, started, 0
        return submit, started, ended - started

    return (lambda row: relative(row[created])), ran
