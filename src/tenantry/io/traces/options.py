"""What the reader of a trace may be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tenantry.model.trace import MILLI

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOptions:
    """How a trace is read where it leaves a choice.

    Attributes:
        strict: refuse the trace at the first problem instead of collecting problems and going on.
        max_problems: problems kept as values; all are counted.
        gpus_per_node: GPUs of one node, used where a trace gives only the number of GPUs of a job.
        tenant: which of its columns a format takes for the tenant; empty for the format's own choice.
        priorities: priority by name, for formats that name a priority class or a quality of service.
        assigned_model: take the GPU model a job was given for one it needs.
        unknown_gpus: milli-GPUs of a pod where the trace does not say, as in Kubernetes events alone.
    """

    strict: bool = False
    max_problems: int = 1000
    gpus_per_node: int = 8
    tenant: str = ""
    priorities: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    assigned_model: bool = False
    unknown_gpus: int = MILLI

    def __post_init__(self) -> None:
        if self.gpus_per_node < 1 or self.max_problems < 0 or self.unknown_gpus < 0:
            raise ValueError(f"gpus_per_node must be positive, max_problems and unknown_gpus not negative: {self}")


DEFAULT: Final = TraceOptions()
"""Collect problems, nodes of eight GPUs, each format's own tenant."""
