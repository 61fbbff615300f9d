"""The same functions, compiled. Needs the optional dependency group ``twin``; without it they run as they stand."""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from tenantry.fair.replay.kernel import actions, clock, lists, numbers, order, rooms, scenarios, search, shares

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.fair.replay.kernel.records import State

MODULES = (rooms, shares, lists, order, search, scenarios, actions, clock)
"""Modules whose functions run on a state."""


@cache
def compiled_functions() -> dict[str, Callable[..., Any]] | None:
    """Return the functions compiled, by name; None where numba is not installed."""
    try:
        import numba
    except ImportError:
        return None
    space: dict[str, Any] = {}
    for module in (numbers, *MODULES):
        space |= vars(module)
    for module in MODULES:
        for name, original in vars(module).items():
            if isinstance(original, FunctionType) and original.__module__ == module.__name__:
                copy = FunctionType(original.__code__, space, name)
                space[name] = numba.njit(_nrt=False)(copy)  # type: ignore[call-overload]
    return space


def as_arrays(state: State) -> State:
    """Return a state with arrays for lists."""
    import numpy as np

    def record(lists: Any) -> Any:
        return type(lists)(
            *(np.array(value, np.float64 if value and isinstance(value[0], float) else np.int64) for value in lists)
        )

    return state._replace(
        now=np.array(state.now, np.int64),
        **{name: record(getattr(state, name)) for name in state._fields if name not in {"config", "now"}},
    )
