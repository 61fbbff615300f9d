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
        {"matchLabels": {"two words": "a"}},
        {"matchLabels": {"team": "two words"}},
        {"matchLabels": {"a/b/c": "a"}},
        {"matchLabels": {f"{'a' * 254}/b": "a"}},
        {"matchExpressions": [{"key": "", "operator": "Exists"}]},
        {"matchExpressions": [{"key": "k" * 64, "operator": "Exists"}]},
        {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["v" * 64]}]},
    ],
)
def test_a_selector_that_is_none_is_refused(body: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_selector(body)
