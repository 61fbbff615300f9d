"""The same loop, compiled. Needs the optional dependency group ``twin``; without it the loop runs as it stands."""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

from tenantry.fair.packing import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.fair.packing.records import Layout

Record = TypeVar("Record", bound=tuple[Any, ...])


@cache
def functions() -> dict[str, Callable[..., Any]] | None:
    """Return the functions of the kernel compiled, by name; None where numba is not installed.

    Compiling happens at the first call and takes seconds. The result is kept on disk beside the kernel, or where
    ``NUMBA_CACHE_DIR`` says, and where neither can be written it is compiled again by each process.
    """
    try:
        import numba
    except ImportError:
        return None
    # Copies that find each other instead of the originals, which stay as they are for running uncompiled. Nothing is
    # allocated or returned by the loop, so counting references to its arrays would be for nothing: without it a run
    # takes less than half the time.
    space = dict(vars(kernel))
    for name, original in vars(kernel).items():
        if isinstance(original, FunctionType) and original.__module__ == kernel.__name__:
            copy = FunctionType(original.__code__, space, name)
            try:
                space[name] = numba.njit(cache=True, _nrt=False)(copy)  # type: ignore[call-overload]
            except RuntimeError:  # there is no folder to keep it in
                space[name] = numba.njit(_nrt=False)(copy)  # type: ignore[call-overload]
    return space


def as_arrays(layout: Layout) -> Layout:
    """Return a layout with arrays for lists."""
    import numpy as np

    def record(lists: Record, **types: Any) -> Record:
        fields = lists._fields  # type: ignore[attr-defined]
        values = (np.array(value, types.get(name, np.int64)) for name, value in zip(fields, lists, strict=True))
        return type(lists)(*values)

    return layout._replace(
        nodes=record(layout.nodes, fragment=np.float64),
        specs=record(layout.specs),
        typical=record(layout.typical, frequency=np.float64),
        arrivals=record(layout.arrivals),
        # Scores fit a byte, and the loop spends most of its time reading them.
        work=record(layout.work, score=np.int8),
        placed=record(layout.placed, fragment=np.float64),
    )
