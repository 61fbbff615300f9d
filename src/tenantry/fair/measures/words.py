"""Times and amounts as people read them."""

from __future__ import annotations

from tenantry.fair.measures.result import GPU_HOUR

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def span(seconds: float) -> str:
    """Write a length of time in its two largest units: ``3 h 12 min``."""
    left = round(seconds)
    for position, (unit, size) in enumerate(_UNITS):
        if left >= size:
            count, rest = divmod(left, size)
            text = f"{count} {unit}"
            if position + 1 < len(_UNITS):
                finer, least = _UNITS[position + 1]
                text += f" {rest // least} {finer}" if rest // least else ""
            return text
    return "0 s"


def hours(amount: int) -> str:
    """Write milli-GPU-seconds as GPU-hours: ``1,234.5 GPU-hours``."""
    value = amount / GPU_HOUR
    return f"{value:,.1f} GPU-hours" if value >= 0.05 or not value else f"{value:.2g} GPU-hours"


def some(count: int, thing: str) -> str:
    """Write how many of a thing there are: ``1 job``, ``1,200 jobs``."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
