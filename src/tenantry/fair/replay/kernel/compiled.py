"""The same functions, compiled. Needs the optional dependency group ``twin``; without it they run as they stand.

Every function but the smallest is compiled by itself and called by its symbol. Numba on its own compiles all that a
function calls into it once more, which takes five times as long for a call tree as deep as this one.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

from tenantry.fair.replay.kernel import (
    actions,
    bounds,
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
    from array import array
    from collections.abc import Callable

MODULES = (rooms, shares, lists, order, victims, bounds, search, judging, scenarios, changes, actions, clock)
"""Modules whose functions run on a memory."""
INLINED = 200
"""Bytes of code of a function up to which it is compiled into those that call it."""


@cache
def compiled_advance() -> Callable[[array[int], array[float], int], int] | None:
    """Return :func:`~.clock.advance` compiled, for a memory of arrays; None where numba is not installed.

    Compiling happens at the first call and takes some 15 seconds. The result is kept on disk, for the sources as they
    are, beside them or where ``NUMBA_CACHE_DIR`` says; where neither can be written each process compiles again.
    """
    try:
        numba: Any = import_module("numba")
    except ImportError:
        return None
    kept_before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_cache_folder())
    try:
        compiled = _Compiler(numba).compile("advance")
    finally:
        numba.config.CACHE_DIR = kept_before
    call, (numbers, fractions, _) = compiled.ctypes, compiled.ctypes.argtypes

    def advance(m: array[int], f: array[float], pause: int) -> int:
        own, other = ctypes.cast(m.buffer_info()[0], numbers), ctypes.cast(f.buffer_info()[0], fractions)
        ended: int = call(own, other, pause)
        return ended

    return advance


def _cache_folder() -> Path:
    """Return the folder for what is compiled from these sources: no other sources have the same."""
    digest = hashlib.sha256()
    for module in (memory, *MODULES):
        digest.update(Path(str(module.__file__)).read_bytes())
    given = os.environ.get("NUMBA_CACHE_DIR")
    return Path(given or Path(__file__).parent / "__pycache__") / "tenantry-replay" / digest.hexdigest()[:16]


class _Compiler:
    """Compiles functions after those they call."""

    def __init__(self, numba: Any) -> None:
        self.numba = numba
        self.binding: Any = import_module("llvmlite.binding")
        self.space: dict[str, Any] = {}
        self.functions: dict[str, FunctionType] = {}
        for module in (memory, *MODULES):
            self.space |= vars(module)
        for module in MODULES:
            for name, item in vars(module).items():
                if isinstance(item, FunctionType) and item.__module__ == module.__name__:
                    self.functions[name] = item
        self.done: set[str] = set()

    def compile(self, name: str) -> Any:
        """Compile a function and all it calls; return it, called by its address."""
        numba, types = self.numba, self.numba.types
        self.done.add(name)
        original = self.functions[name]
        for called in original.__code__.co_names:
            if called in self.functions and called not in self.done:
                self.compile(called)
        copy = FunctionType(original.__code__, self.space, name)
        hints = {
            "Ints": types.CPointer(types.int64), "Floats": types.CPointer(types.float64), "float": types.float64,
            "int": types.int64, "bool": types.int64, "None": types.void,
        }  # fmt: skip
        given = original.__annotations__
        returned = hints.get(given["return"])
        if returned is None or len(original.__code__.co_code) <= INLINED:
            self.space[name] = numba.njit(_nrt=False, error_model="numpy")(copy)
            return None
        signature = returned(*(hints[hint] for argument, hint in given.items() if argument != "return"))
        try:
            compiled = numba.cfunc(signature, cache=True, _nrt=False, error_model="numpy")(copy)
        except RuntimeError:  # there is no folder to keep it in
            compiled = numba.cfunc(signature, _nrt=False, error_model="numpy")(copy)
        symbol = f"tenantry_replay_{name}"
        self.binding.add_symbol(symbol, compiled.address)
        self.space[name] = types.ExternalFunction(symbol, signature)
        return compiled
