"""Lengths of time as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.model.duration import duration_text, parse_duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (60, "1m"), (3605, "1h5s"), (12_000, "3h20m"), (432_000, "120h")]
)
def test_a_length_of_time_is_written_in_its_units(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text


@given(st.integers(0, 10**9))
def test_what_is_written_is_read_again(seconds: int) -> None:
    assert parse_duration(duration_text(seconds)) == seconds
