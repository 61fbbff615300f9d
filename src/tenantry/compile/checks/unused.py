"""Fields that would be passed over in silence: written for another distribution, scheduler, fabric or driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry import catalog
from tenantry.compile.problems import at
from tenantry.model.spec import FabricType, SchedulerType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster
    from tenantry.model.problem import SpecProblem

SCHEDULER_FIELDS = {
    "reclaim_min_runtime": ("reclaimMinRuntime", SchedulerType.KAI),
    "preempt_min_runtime": ("preemptMinRuntime", SchedulerType.KAI),
    "control_plane_url": ("controlPlaneUrl", SchedulerType.RUNAI),
    "cluster_id": ("clusterId", SchedulerType.RUNAI),
}
"""Fields of the scheduler that mean something to one type only."""


def scheduler(cluster: Cluster) -> Iterable[SpecProblem]:
    """Fields of one scheduler are not written for another."""
    platform = cluster.spec.platform
    chosen = platform.spec.scheduler
    for attribute, (name, owner) in SCHEDULER_FIELDS.items():
        value = getattr(chosen, attribute)
        if value is not None and chosen.type is not owner:
            yield at(
                platform,
                ("spec", "scheduler", name),
                f"{name} means nothing to {chosen.type.value}",
                expected=f"type: {owner.value}, or no {name}",
                found=value,
                rule="SPEC-UNUSED",
            )


def operators(cluster: Cluster) -> Iterable[SpecProblem]:
    """Pins concern operators that this platform installs, and OLM only where there is OLM."""
    platform = cluster.spec.platform
    known = catalog.operators()
    for name, pin in platform.spec.operators.items():
        if name in known and name not in cluster.operators:
            driver = name == "nvidia-driver"
            yield at(
                platform,
                ("spec", "operators", name),
                f"{known[name].title} is not an operator this platform installs, so the pin has no effect",
                expected="driver.version" if driver else f"one of {', '.join(sorted(cluster.operators))}",
                found=name,
                rule="SPEC-UNUSED",
            )
        for field, value in (("channel", pin.channel), ("startingCSV", pin.starting_csv)):
            if value is not None and not cluster.openshift:
                yield at(
                    platform,
                    ("spec", "operators", name, field),
                    f"{field} belongs to OLM, which {cluster.distribution.value} does not have",
                    expected="version",
                    found=value,
                    rule="SPEC-UNUSED",
                )


def openshift_ai(cluster: Cluster) -> Iterable[SpecProblem]:
    """OpenShift AI is asked for on OpenShift."""
    platform = cluster.spec.platform
    wanted = platform.spec.openshift_ai
    if not cluster.openshift and wanted.enabled and "openshift_ai" in platform.spec.model_fields_set:
        yield at(
            platform,
            ("spec", "openshiftAI"),
            f"OpenShift AI runs on OpenShift, not on {cluster.distribution.value}",
            expected="distribution: openshift, or no openshiftAI",
            found="openshiftAI",
            rule="SPEC-UNUSED",
        )


def fabrics(cluster: Cluster) -> Iterable[SpecProblem]:
    """VLANs are set aside on Ethernet, P_Keys on InfiniBand."""
    platform = cluster.spec.platform
    for index, fabric in enumerate(platform.spec.fabrics):
        ethernet = fabric.type is FabricType.ETHERNET
        field, value = ("pKeys", fabric.p_keys) if ethernet else ("vlans", fabric.vlans)
        if value is not None:
            yield at(
                platform,
                ("spec", "fabrics", index, field),
                f"fabric {fabric.name} is {fabric.type.value}, which has no {field}",
                expected="vlans" if ethernet else "pKeys",
                found=field,
                rule="SPEC-UNUSED",
            )


def gpudirect(cluster: Cluster) -> Iterable[SpecProblem]:
    """DMA-BUF is a feature of the open kernel module.

    Source: NVIDIA GPU Operator, GPUDirect RDMA and GPUDirect Storage.
    """
    platform = cluster.spec.platform
    driver = platform.spec.driver
    if platform.spec.fabrics and driver.gpudirect == "dma-buf" and driver.kernel_module == "proprietary":
        yield at(
            platform,
            ("spec", "driver", "kernelModule"),
            "NICs reach GPU memory by DMA-BUF only with the open kernel module",
            expected="open, or gpudirect: peermem",
            found=driver.kernel_module,
            rule="SPEC-GPUDIRECT",
        )


CHECKS = (scheduler, operators, openshift_ai, fabrics, gpudirect)
