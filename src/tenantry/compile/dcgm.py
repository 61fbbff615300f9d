"""Metrics that the DCGM exporter collects, and the list it reads them from.

An alert on a metric that is not in the list never fires, so rules and dashboards check themselves against
:func:`collected_metrics`.

Source: NVIDIA dcgm-exporter, ``etc/default-counters.csv``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenantry.model.cluster import Cluster

CSV_KEY = "dcgm-metrics.csv"
"""Key of the ConfigMap the exporter reads (gpu-operator, ``controllers/object_controls.go``)."""


@dataclass(frozen=True, slots=True)
class DcgmField:
    """One line of the list.

    Attributes:
        name: DCGM field, which is also the name of the metric.
        type: ``gauge``, ``counter``, or ``label`` for a value that becomes a label of all other metrics.
        help: what it tells, with its unit; without commas, which separate columns.
        profiling: whether it needs the profiling counters of the GPU, which only one reader may hold at a time.
    """

    name: str
    type: str
    help: str
    profiling: bool = False


FIELDS: tuple[DcgmField, ...] = (
    DcgmField("DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock frequency (in MHz)."),
    DcgmField("DCGM_FI_DEV_MEM_CLOCK", "gauge", "Memory clock frequency (in MHz)."),
    DcgmField("DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature (in C)."),
    DcgmField("DCGM_FI_DEV_MEMORY_TEMP", "gauge", "Memory temperature (in C)."),
    DcgmField("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw (in W)."),
    DcgmField("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "counter", "Energy since the driver was loaded (in mJ)."),
    DcgmField("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "counter", "PCIe packets sent again."),
    DcgmField("DCGM_FI_DEV_GPU_UTIL", "gauge", "Time in which a kernel ran (in %); not reported for MIG instances."),
    DcgmField("DCGM_FI_DEV_MEM_COPY_UTIL", "gauge", "Time in which memory was read or written (in %)."),
    DcgmField("DCGM_FI_DEV_ENC_UTIL", "gauge", "Encoder utilization (in %)."),
    DcgmField("DCGM_FI_DEV_DEC_UTIL", "gauge", "Decoder utilization (in %)."),
    DcgmField("DCGM_FI_DEV_XID_ERRORS", "gauge", "Code of the last XID error; a code and not a count."),
    DcgmField("DCGM_FI_DEV_POWER_VIOLATION", "counter", "Time throttled by the power limit (in ns)."),
    DcgmField("DCGM_FI_DEV_THERMAL_VIOLATION", "counter", "Time throttled by temperature (in ns)."),
    DcgmField("DCGM_FI_DEV_FB_FREE", "gauge", "Framebuffer memory free (in MiB)."),
    DcgmField("DCGM_FI_DEV_FB_USED", "gauge", "Framebuffer memory used (in MiB)."),
    DcgmField("DCGM_FI_DEV_FB_RESERVED", "gauge", "Framebuffer memory reserved (in MiB)."),
    DcgmField("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "counter", "Corrected memory errors since the driver was loaded."),
    DcgmField("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "counter", "Uncorrected memory errors since the driver was loaded."),
    DcgmField("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "counter", "Rows remapped after correctable errors."),
    DcgmField("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "counter", "Rows remapped after uncorrectable errors."),
    DcgmField("DCGM_FI_DEV_ROW_REMAP_FAILURE", "gauge", "Whether remapping of rows has failed."),
    DcgmField("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", "counter", "NVLink bandwidth counter over all links."),
    DcgmField("DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", "counter", "NVLink flow-control CRC errors."),
    DcgmField("DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL", "counter", "NVLink data CRC errors."),
    DcgmField("DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL", "counter", "NVLink packets sent again."),
    DcgmField("DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL", "counter", "NVLink recoveries."),
    DcgmField("DCGM_FI_DRIVER_VERSION", "label", "Driver version."),
    DcgmField("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gauge", "Time in which any engine was active (0 to 1).", True),
    DcgmField("DCGM_FI_PROF_SM_ACTIVE", "gauge", "SMs with at least one warp assigned (0 to 1).", True),
    DcgmField("DCGM_FI_PROF_SM_OCCUPANCY", "gauge", "Warps resident on SMs of the possible ones (0 to 1).", True),
    DcgmField("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "gauge", "Time in which tensor cores were active (0 to 1).", True),
    DcgmField("DCGM_FI_PROF_DRAM_ACTIVE", "gauge", "Time in which memory was transferring (0 to 1).", True),
    DcgmField("DCGM_FI_PROF_PCIE_TX_BYTES", "gauge", "PCIe bytes sent per second.", True),
    DcgmField("DCGM_FI_PROF_PCIE_RX_BYTES", "gauge", "PCIe bytes received per second.", True),
    DcgmField("DCGM_FI_PROF_NVLINK_TX_BYTES", "gauge", "NVLink bytes sent per second.", True),
    DcgmField("DCGM_FI_PROF_NVLINK_RX_BYTES", "gauge", "NVLink bytes received per second.", True),
)
"""Every field that may be collected, in the order of the list."""


def _chosen(cluster: Cluster) -> tuple[DcgmField, ...]:
    profiling = cluster.spec.platform.spec.observability.profiling_metrics
    return tuple(field for field in FIELDS if profiling or not field.profiling)


def collected_metrics(cluster: Cluster) -> tuple[str, ...]:
    """Names of the metrics the exporter of this cluster serves, in the order of the list; labels are not metrics."""
    return tuple(field.name for field in _chosen(cluster) if field.type != "label")


def metrics_csv(cluster: Cluster) -> str:
    """Text of the list: one ``FIELD, type, help`` per line.

    Profiling fields are left out where ``observability.profilingMetrics`` is off, because they take the counters that
    Nsight profilers of tenants need.
    """
    return "".join(f"{field.name}, {field.type}, {field.help}\n" for field in _chosen(cluster))
