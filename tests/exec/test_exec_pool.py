"""Work spread over processes gives what it gives in one."""

from __future__ import annotations

import os
import subprocess
import sys
from types import MappingProxyType

import pytest

from tenantry.errors import TenantryError
from tenantry.exec.pool import beside, cores, spread


def times(factor: int, number: int) -> tuple[int, int]:
    return factor * number, os.getpid()


def refuse(reason: str, number: int) -> int:
    if number == 2:
        raise TenantryError(reason)
    return number


def sum_of(more: int, numbers: MappingProxyType[str, int]) -> tuple[int, int]:
    return more + sum(numbers.values()), os.getpid()


def vanish(code: int, number: int) -> int:
    os._exit(code + number)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks(workers: int) -> None:
    told: list[int] = []
    results = spread(times, 3, [5, 1, 4], workers=workers, done=told.append)
    assert [value for value, _ in results] == [15, 3, 12]
    assert told == [1, 2, 3]
    assert (os.getpid() in {process for _, process in results}) == (workers == 1)


def test_nothing_to_do_starts_nothing() -> None:
    assert spread(times, 3, [], workers=8) == []
    assert spread(times, 3, [7], workers=8) == [(21, os.getpid())]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_goes_wrong_in_a_process_goes_wrong_here(workers: int) -> None:
    with pytest.raises(TenantryError, match=r"^no twos$"):
        spread(refuse, "no twos", [1, 2, 3], workers=workers)


def test_a_process_that_ends_early_is_named() -> None:
    with pytest.raises(TenantryError, match="one of 2 worker processes ended before its work did"):
        spread(vanish, 1, [1, 2], workers=2)


def test_work_beside_gives_its_result_when_it_is_waited_for() -> None:
    with beside(sum_of, 3, MappingProxyType({"a": 1, "b": 2}), workers=2) as result:
        assert result is not None
        value, process = result()
    assert value == 6
    assert process != os.getpid()


def test_on_one_core_nothing_is_done_beside() -> None:
    with beside(times, 3, 5, workers=1) as result:
        assert result is None


def test_what_goes_wrong_beside_goes_wrong_where_it_is_waited_for() -> None:
    with beside(refuse, "no twos", 2, workers=2) as result:
        assert result is not None
        with pytest.raises(TenantryError, match=r"^no twos$"):
            result()


def test_a_process_beside_that_ends_early_is_told() -> None:
    with beside(vanish, 1, 2, workers=2) as result:
        assert result is not None
        with pytest.raises(TenantryError, match="ended before its work did"):
            result()


ALONE = """
from tenantry.exec.pool import beside, spread
with beside(print, "x" * 1_000_000, 1, workers=2) as result:
    try:
        result()
    except Exception as error:
        print(error)
try:
    spread(print, "x" * 1_000_000, [1, 2], workers=2)
except Exception as error:
    print(error)
"""


def test_processes_that_never_begin_are_told() -> None:
    """A script that is read from standard input cannot be imported by another process."""
    done = subprocess.run([sys.executable], input=ALONE, capture_output=True, text=True, timeout=60, check=True)
    assert [line.split(";")[0] for line in done.stdout.splitlines()] == [
        "a worker process ended before its work did",
        "one of 2 worker processes ended before its work did",
    ]


def test_work_beside_ends_with_what_it_is_beside() -> None:
    with pytest.raises(ValueError, match="here"), beside(times, 3, 5, workers=2):
        raise ValueError("here")


def test_there_is_at_least_one_core() -> None:
    assert cores() >= 1
