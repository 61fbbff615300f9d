"""Spreads work over processes."""

from __future__ import annotations

import copyreg
import gc
import os
import pickle
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from tenantry.errors import TenantryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection

Common = TypeVar("Common")
Task = TypeVar("Task")
Result = TypeVar("Result")

_common: Any = None


def _view_of(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


# Views of mappings, which nobody may change, go to other processes as what they are.
copyreg.pickle(MappingProxyType, lambda view: (_view_of, (dict(view),)))


def cores() -> int:
    """Return how many cores this process may use, 1 at least."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def spread(
    function: Callable[[Common, Task], Result],
    common: Common,
    tasks: Sequence[Task],
    *,
    workers: int,
    done: Callable[[int], None] | None = None,
) -> list[Result]:
    """Call a function for each task.

    Args:
        function: what to call; found by its module and name in each process.
        common: its first argument for all tasks; sent to each process once.
        tasks: its second argument.
        workers: how many processes at most; with one, or for one task, everything happens in this process.
        done: told how many tasks are done each time one is.

    Returns:
        The results in the order of the tasks, whatever the number of processes.

    Raises:
        TenantryError: if a process ends before its work does.
    """
    workers = min(workers, len(tasks))
    if workers <= 1:
        results = []
        for task in tasks:
            results.append(function(common, task))
            if done is not None:
                done(len(results))
        return results
    with _handed_over(common) as place:
        # Fresh processes: a copy of one that has threads may wait for ever for what they held.
        pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (place,))
        try:
            futures = [pool.submit(_call, function, task) for task in tasks]
            for number, future in enumerate(as_completed(futures), 1):
                future.result()  # what went wrong in one ends all
                if done is not None:
                    done(number)
            return [future.result() for future in futures]
        except BrokenProcessPool as error:
            said = f"one of {workers} worker processes ended before its work did"
            raise TenantryError(f"{said}; if memory ran out, fewer of them need less") from error
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def beside(
    function: Callable[[Common, Task], Result], common: Common, task: Task, *, workers: int
) -> Iterator[Callable[[], Result] | None]:
    """Call a function once, in a process of its own, while this one goes on; it ends with the context at the latest.

    Args:
        function: what to call; found by its module and name in the process.
        common: its first argument.
        task: its second argument.
        workers: how many processes may work, this one included.

    Yields:
        What waits for the result; None where there is one core only, and nothing is called.

    Raises:
        TenantryError: on waiting, if the process ended before its work did.
    """
    if workers <= 1:
        yield None
        return
    with _handed_over((function, common, task)) as place:
        context = get_context("spawn")
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_answer, args=(there, place), daemon=True)
        process.start()
        there.close()
        try:
            yield lambda: _received(here)
        finally:
            process.terminate()
            process.join()
            here.close()


@contextmanager
def _handed_over(what: object) -> Iterator[Path]:
    """Write what fresh processes are to have to a file: a pipe to one that ends before it reads would never empty."""
    with TemporaryDirectory(prefix="tenantry-") as folder:
        place = Path(folder, "work")
        place.write_bytes(pickle.dumps(what, pickle.HIGHEST_PROTOCOL))
        yield place


def _taken_over(place: Path) -> Any:
    return pickle.loads(place.read_bytes())


def _received(pipe: Connection) -> Any:
    try:
        done, found = pipe.recv()
    except EOFError as error:
        raise TenantryError("a worker process ended before its work did; memory may have run out") from error
    if not done:
        raise found
    return found


def _answer(pipe: Connection, place: Path) -> None:
    """Do the work of a process and send what came of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # the process ends with its work
    try:
        function, common, task = _taken_over(place)
        pipe.send((True, function(common, task)))
    except Exception as error:
        pipe.send((False, error))


def _begin(place: Path) -> None:
    """Prepare a process: keep what all tasks share, and leave interrupts to the process that waits."""
    global _common  # noqa: PLW0603 - a process has one pool
    _common = _taken_over(place)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _call(function: Callable[[Any, Any], Any], task: Any) -> Any:
    return function(_common, task)
