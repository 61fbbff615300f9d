"""Label selectors that are none are refused with a reason, whatever their parts are."""

from __future__ import annotations

from typing import Any

import pytest

from tenantry.model.selector import parse_selector


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"matchLabels": ["a"]},
        {"matchLabels": 3.5},
        {"matchExpressions": {"key": "a"}},
        {"matchExpressions": [None]},
        {"matchExpressions": [{"key": "a", "operator": ["In"], "values": ["b"]}]},
        {"matchExpressions": [{"key": "a", "operator": "In", "values": {"b": 1}}]},
        {"matchExpressions": [{"key": "a", "operator": "In", "values": 7}]},
        {"matchExpressions": [{"key": 1, "operator": "Exists"}]},
        {"labels": {}},
    ],
)
def test_a_selector_that_is_none_is_refused(body: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_selector(body)
