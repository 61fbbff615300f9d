"""The same functions, compiled. Needs the optional dependency group ``twin``; without it they run as they stand."""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from tenantry.fair.replay.kernel import (
    actions,
    changes,
    clock,
    judging,
    lists,
    memory,
    order,
    rooms,
    scenarios,
    search,
    shares,
    victims,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MODULES = (rooms, shares, lists, order, victims, search, judging, scenarios, changes, actions, clock)
"""Modules whose functions run on a memory."""


@cache
def compiled_functions() -> dict[str, Callable[..., Any]] | None:
    """Return the functions compiled, by name; None where numba is not installed."""
    try:
        import numba
    except ImportError:
        return None
    space: dict[str, Any] = {}
    for module in (memory, *MODULES):
        space |= vars(module)
    for module in MODULES:
        for name, original in vars(module).items():
            if isinstance(original, FunctionType) and original.__module__ == module.__name__:
                copy = FunctionType(original.__code__, space, name)
                space[name] = numba.njit(_nrt=False)(copy)  # type: ignore[call-overload]
    return space
