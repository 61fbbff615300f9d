"""XID codes worth an alert, and what to do about each.

Source: NVIDIA, "XID Errors" (deploy/xid-errors); the meaning of 63, 64, 94 and 95 on Ampere and later.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Xid:
    """One code.

    Attributes:
        code: the number.
        meaning: what the driver reports by it.
        action: what to do.
        fatal: whether the GPU cannot be used until something is done.
    """

    code: int
    meaning: str
    action: str
    fatal: bool


XIDS: tuple[Xid, ...] = (
    Xid(48, "uncorrectable memory error", "drain the node and reset the GPU; replace it when it comes back", True),
    Xid(63, "a memory row is marked for remapping", "reset the GPU at the next maintenance", False),
    Xid(64, "a memory row could not be remapped", "drain the node and replace the GPU", True),
    Xid(74, "NVLink error", "drain the node, reset all GPUs of the board; check seating when it comes back", True),
    Xid(79, "the GPU has fallen off the bus", "drain and power-cycle the node; check power and risers", True),
    Xid(94, "contained memory error: one process was ended", "reset the GPU when its pods are done", False),
    Xid(95, "uncontained memory error: all processes of the GPU are suspect", "drain the node and reset the GPU", True),
    Xid(119, "no answer from the GPU system processor", "drain the node and reset the GPU; update the driver", True),
    Xid(120, "error in the GPU system processor", "drain the node and reset the GPU; update the driver", True),
)
"""Codes in numeric order."""


def any_of(series: str, *, fatal: bool) -> str:
    """Return PromQL that keeps the samples of ``series`` whose value is one of the codes."""
    return " or ".join(f"{series} == {item.code}" for item in XIDS if item.fatal is fatal)
