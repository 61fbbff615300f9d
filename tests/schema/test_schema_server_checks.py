"""What the API server checks in Go of its own kinds is checked here too."""

from __future__ import annotations

from typing import Any

import pytest
from schema_data import check, native, said
from server_cases import REFUSED, TAKEN


@pytest.mark.parametrize(("body", "expected"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_the_server_refuses_is_reported_where_it_stands(body: Any, expected: Any) -> None:
    assert said(check(native(), body)) == expected


@pytest.mark.parametrize("body", [case[1] for case in TAKEN], ids=[case[0] for case in TAKEN])
def test_what_the_server_takes_is_clean(body: Any) -> None:
    assert check(native(), body) == []
