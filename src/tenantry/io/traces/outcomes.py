"""How schedulers say that a job ended."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from tenantry.model.trace import Outcome

SLURM: Final = MappingProxyType(
    {
        "COMPLETED": Outcome.COMPLETED,
        "CANCELLED": Outcome.CANCELLED,
        "REVOKED": Outcome.CANCELLED,
        "FAILED": Outcome.FAILED,
        "TIMEOUT": Outcome.FAILED,
        "NODE_FAIL": Outcome.FAILED,
        "BOOT_FAIL": Outcome.FAILED,
        "DEADLINE": Outcome.FAILED,
        "OUT_OF_MEMORY": Outcome.FAILED,
        "PREEMPTED": Outcome.FAILED,
    }
)
"""States of Slurm that end a job. TIMEOUT and NODE_FAIL count as failures, as in the studies of Helios and Acme.

Source: Slurm, ``sacct`` manual page, "job state codes".
"""
