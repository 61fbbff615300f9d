"""The scheduler that is built from a checkout: what stays of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tenantry.fair.kai.rules import VERSIONS
from testbed import scheduler


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a checkout, and a cache of its own; what compiles writes an empty program."""
    source = tmp_path / "kai"
    (source / "pkg" / "scheduler" / "framework").mkdir(parents=True)
    monkeypatch.setenv(scheduler.SOURCE, str(source))
    monkeypatch.setattr(scheduler, "cache_root", lambda: tmp_path / "cache")

    def made(checkout: Path, place: Path) -> None:
        del checkout
        place.touch(mode=0o755)

    monkeypatch.setattr(scheduler, "_compile", made)
    return source


def test_programs_that_were_used_last_stay(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del checkout
    places = []
    for state in range(scheduler.KEPT + 2):
        monkeypatch.setattr(scheduler, "_commit", lambda folder, state=state: b"%d" % state)
        place = scheduler.build()
        os.utime(place, (state, state))
        places.append(place)
    assert [place.exists() for place in places] == [False, False, *[True] * scheduler.KEPT]
    # What is used again is the last one.
    monkeypatch.setattr(scheduler, "_commit", lambda folder: b"2")
    assert scheduler.build() == places[2]
    monkeypatch.setattr(scheduler, "_commit", lambda folder: b"new")
    new = scheduler.build()
    assert [place.exists() for place in (*places, new)] == [False, False, True, False, True, True, True, True]


def test_each_version_that_is_modelled_has_room() -> None:
    assert len(VERSIONS) < scheduler.KEPT
