"""Hard rules: what a way of sharing cannot do, whatever the numbers say.

A rule is a function from a class of work, a pool and an option to an objection, or None. An objection refuses, or says
which fact is missing. All of them are in ``RULES``, in the order in which people ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tenantry.efficient.advise.facts import GIB, Verdict
from tenantry.efficient.advise.measure import speed_missing
from tenantry.efficient.advise.option import REPLICATED, usable
from tenantry.efficient.advise.score import per_copy
from tenantry.model.software import VersionNumber
from tenantry.model.spec import SharingMode, Trust

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.efficient.advise.facts import PoolFacts, WorkFacts
    from tenantry.efficient.advise.option import Option

GUIDE = "NVIDIA MIG user guide"
MIG = frozenset({SharingMode.MIG})
SHARED = frozenset(SharingMode) - {SharingMode.WHOLE}
COPIES = frozenset(REPLICATED)


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an option cannot be taken, or not yet.

    Attributes:
        reason: one sentence.
        missing: the fact that would decide; empty when the option is refused.
        measure: how to learn it: a command or a field to fill.
    """

    reason: str
    missing: str = ""
    measure: str = ""

    @property
    def verdict(self) -> Verdict:
        """Refused, or unknown when a fact is missing."""
        return Verdict.UNKNOWN if self.missing else Verdict.REFUSED


@dataclass(frozen=True, slots=True)
class Rule:
    """A hard rule.

    Attributes:
        id: stable identifier.
        title: what it is about, for lists.
        check: the rule.
        source: where it comes from.
        modes: ways of sharing that it speaks about.
    """

    id: str
    title: str
    check: Callable[[WorkFacts, PoolFacts, Option], Objection | None]
    source: str
    modes: frozenset[SharingMode] = frozenset(SharingMode)


def gib(amount: int) -> str:
    """Write bytes in GiB, with up to two digits after the point."""
    if amount < GIB:
        return f"{amount / GIB:.3g}"
    return f"{amount / GIB:.2f}".rstrip("0").rstrip(".")


@lru_cache(maxsize=256)
def older(version: str, least: str) -> bool:
    """Whether a version lies below another."""
    return VersionNumber(version) < VersionNumber(least)


def _quota(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    del option
    if not work.tenants or not set(work.tenants).isdisjoint(pool.sharers):
        return None
    if len(work.tenants) == 1:
        return Objection(f"tenant {work.tenants[0]} has no quota in node pool {pool.name}")
    return Objection(f"none of its {len(work.tenants)} tenants has a quota in node pool {pool.name}")


def _server(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    del option
    if work.gpus <= pool.gpus_per_node:
        return None
    return Objection(f"a pod asks for {work.gpus} GPUs and a server has {pool.gpus_per_node}")


def _memory(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    if option.mode is SharingMode.MIG and option.profile is None:
        return None
    sure, possible = usable(pool, option)
    if work.memory <= sure:
        return None
    need = gib(work.memory)
    if work.memory > possible:
        if option.mode is SharingMode.MPS:
            return Objection(f"{need} GiB each: MPS gives one of {option.copies} copies {gib(sure)} GiB")
        if option.mode is SharingMode.TIME_SLICING:
            total = gib(work.memory * option.copies)
            return Objection(
                f"{option.copies} x {need} = {total} GiB must fit into {gib(pool.memory)}, nothing limits a copy"
            )
        return Objection(f"it needs {need} GiB and has {gib(possible)}")
    return Objection(
        f"it needs {need} GiB; usable are between {gib(sure)} and {gib(possible)}, the catalog has no measurement",
        missing=f"usable memory of {option.label} on {pool.gpu.title}",
        measure="nvidia-smi mig -lgip on a node of the pool, then gpuMemory or the catalog",
    )


def _half(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    if option.profile is None or option.profile.memory < pool.gpu.memory_slices or work.memory * 2 <= pool.memory:
        return None
    return Objection(f"more than half of {gib(pool.memory)} GiB: no second copy fits beside it, so MIG only costs")


def _trust(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    if option.mode is SharingMode.WHOLE or work.trust is not Trust.NOBODY:
        return None
    if option.profile is not None and option.profile.memory == pool.gpu.memory_slices:
        return None
    return Objection("trust is nobody: nothing else may run on the same GPU")


def _tenants(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    if option.mode not in REPLICATED or len(pool.sharers) < 2:
        return None
    what = "neither memory nor faults" if option.mode is SharingMode.TIME_SLICING else "no faults"
    whose = "trust is any-tenant, theirs is not known" if work.trust is Trust.ANY_TENANT else "trust is own-team"
    return Objection(f"{len(pool.sharers)} tenants use the pool and it isolates {what} between them; {whose}")


def _nvlink(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    if not work.nvlink or work.gpus < 2:
        return None
    if option.mode is SharingMode.MIG:
        return Objection("GPUs of a pod must be joined by NVLink, which MIG instances cannot use")
    if pool.nvlink is False:
        return Objection("GPUs of a pod must be joined by NVLink, which servers of this pool do not have")
    if pool.nvlink is None:
        return Objection(
            "GPUs of a pod must be joined by NVLink; the catalog does not know this server",
            missing="whether the server has NVLink",
            measure="nvidia-smi topo -m on a node of the pool (NV entries), then a server in the catalog",
        )
    return None


def _one_device(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    del pool
    if option.mode is not SharingMode.MIG or work.gpus < 2:
        return None
    return Objection(f"a pod asks for {work.gpus}: a process sees one MIG device and reaches no other")


def _one_replica(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    del pool
    if option.mode not in REPLICATED or work.gpus < 2:
        return None
    return Objection(f"a pod asks for {work.gpus}: it gets one replica (failRequestsGreaterThanOne)")


def _rdma(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    if not work.fabric:
        return None
    there = pool.vfs.get(work.fabric)
    if there is None:
        return Objection(f"node pool {pool.name} is not wired to fabric {work.fabric}")
    needed = work.vfs * max(1, option.copies) * pool.gpus_per_node
    if needed <= there:
        return None
    return Objection(f"{needed} virtual functions for all copies of a server; fabric {work.fabric} has {there}")


def _latency(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    if work.latency is None or option.mode is SharingMode.WHOLE or option.key in work.speeds:
        return None
    percent, limit = work.latency
    goal = f"p{percent:g} within {limit:g} ms"
    if option.mode is SharingMode.TIME_SLICING:
        return Objection(f"{goal}: requests wait while other copies have their turn, and no setting bounds that")
    if option.mode is SharingMode.MIG:
        if option.profile is None or per_copy(work, pool, option).low > 0:
            return None  # a slice within it holds the goal
        why = "not measured on it"
    else:
        why = "copies meet in memory bandwidth and cache, which nothing divides"
    missing = speed_missing(work, option)
    return Objection(f"{goal}: {why}", missing=missing.fact, measure=missing.measure)


def _failed(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    del pool
    said = work.failed.get(option.key)
    return Objection(said) if said else None


def _capable(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    del work
    if option.mode is not SharingMode.MIG or option.profile is not None:
        return None
    return Objection(f"{pool.gpu.title} has no MIG")


def _driver(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    del work
    if option.profile is None or not pool.driver or not pool.gpu.minimum_driver:
        return None
    if not older(pool.driver, pool.gpu.minimum_driver):
        return None
    return Objection(f"MIG on this GPU needs driver {pool.gpu.minimum_driver}; the pool has {pool.driver}")


def _coherent(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    del work
    if option.profile is None or pool.coherent == "":
        return None
    if pool.coherent is None:
        return Objection(
            "some drivers exclude MIG on Grace systems, and the node image brings the driver",
            missing="driver version",
            measure="nvidia-smi on a node of the pool, then driver.version of the node pool",
        )
    return Objection(f"driver {pool.driver}: {pool.coherent}")


def _mps_with_mig(work: WorkFacts, pool: PoolFacts, option: Option) -> Objection | None:
    del work
    if option.mode is SharingMode.MPS and pool.mig_elsewhere:
        return Objection(f"node pool {pool.mig_elsewhere[0]} uses MIG: the device plugin refuses MPS beside it")
    if option.mode is SharingMode.MIG and pool.mps_elsewhere:
        return Objection(f"node pool {pool.mps_elsewhere[0]} uses MPS: the device plugin refuses it beside MIG")
    return None


RULES: tuple[Rule, ...] = (
    Rule("ADVISE-QUOTA", "a tenant of the class has a quota in the pool", _quota, "the spec: Tenant.spec.quotas"),
    Rule("ADVISE-SERVER", "a pod fits one server", _server, "Kubernetes: a pod runs on one node"),
    Rule(
        "ADVISE-MIG-GPU", "the GPU can be partitioned", _capable,
        f"{GUIDE}, supported GPUs; catalog: GPUs without profiles", MIG,
    ),
    Rule("ADVISE-MIG-DRIVER", "the driver can partition it", _driver, f"{GUIDE}, minimum driver; catalog", MIG),
    Rule(
        "ADVISE-MIG-GRACE", "coherent memory on Grace excludes MIG", _coherent,
        "NVIDIA GPU Operator release notes, known issues; catalog: nvidia-driver", MIG,
    ),
    Rule(
        "ADVISE-MPS-WITH-MIG", "MPS and MIG exclude each other on a platform", _mps_with_mig,
        "k8s-device-plugin, cmd/nvidia-device-plugin/main.go; SPEC-MPS-WITH-MIG", SHARED,
    ),
    Rule(
        "ADVISE-MEMORY", "the memory of one copy suffices", _memory,
        "nvidia-smi mig -lgip (catalog); MPS divides by replicas; time-slicing has no limit, so all copies must fit",
    ),
    Rule("ADVISE-HALF", "more than half of the memory takes a whole GPU", _half, f"{GUIDE}, placements", MIG),
    Rule("ADVISE-TRUST", "who may run on the same GPU", _trust, "the spec: Workload.spec.trust", SHARED),
    Rule(
        "ADVISE-TENANTS", "tenants that share a GPU are isolated by hardware", _tenants,
        "NVIDIA GPU Operator, time-slicing; NVIDIA MPS documentation, error containment; SPEC-SHARED-POOL",
        COPIES,
    ),
    Rule("ADVISE-NVLINK", "GPUs of a pod are joined by NVLink", _nvlink, f"{GUIDE}: no NVLink and no P2P in MIG mode"),
    Rule("ADVISE-ONE-DEVICE", "one MIG device for a process", _one_device, f"{GUIDE}, CUDA device enumeration", MIG),
    Rule(
        "ADVISE-ONE-REPLICA", "one replica for a pod", _one_replica,
        "k8s-device-plugin, api/config/v1: failRequestsGreaterThanOne", COPIES,
    ),
    Rule("ADVISE-RDMA", "virtual functions for every copy", _rdma, "the spec: fabrics and Workload.spec.rdma"),
    Rule(
        "ADVISE-LATENCY", "a latency goal needs what bounds waiting", _latency,
        "Google GKE, GPU sharing strategies; NVIDIA GPU Operator: time slices cannot be configured per copy",
        SHARED,
    ),
    Rule("ADVISE-MEASURED", "it was measured and cannot do it", _failed, "measurements"),
)  # fmt: skip
"""Every hard rule. Refusals are listed in this order; one refusal is enough."""

_ABOUT = {mode: tuple(rule for rule in RULES if mode in rule.modes) for mode in SharingMode}


def first_objection(work: WorkFacts, pool: PoolFacts, option: Option) -> tuple[Rule, Objection] | None:
    """Return what decides about an option: the first refusal, else the first missing fact, else None."""
    unknown = None
    for rule in _ABOUT[option.mode]:
        objection = rule.check(work, pool, option)
        if objection is None:
            continue
        if not objection.missing:
            return rule, objection
        unknown = unknown or (rule, objection)
    return unknown


def objections(work: WorkFacts, pool: PoolFacts, option: Option) -> list[tuple[Rule, Objection]]:
    """Return everything that speaks against an option, refusals first."""
    found = [(rule, said) for rule in _ABOUT[option.mode] if (said := rule.check(work, pool, option)) is not None]
    return sorted(found, key=lambda pair: bool(pair[1].missing))
