"""What is said of selectors, quantities and scalars is what a real API server answered, without a server at hand."""

from __future__ import annotations

import re
from typing import Any

import pytest
from recorded import of, recorded

from tenantry.errors import YamlError
from tenantry.io.yaml_read import load_documents
from tenantry.model.quantity import NANO, Quantity, is_quantity, parse_quantity
from tenantry.model.selector import parse_selector

NO_DIGITS = re.compile(r"[^0-9]*|[^0-9]*[eE][+-]?[0-9]+")
"""The server takes these for zero where it takes them at all; here they are refused on purpose."""


class TestSelectors:
    @pytest.mark.parametrize(("body", "names"), of("selectors", "chosen"), ids=str)
    def test_chosen(self, body: dict[str, Any], names: list[str]) -> None:
        (objects,) = of("selectors", "objects")
        selector = parse_selector(body)
        assert sorted(name for name, labels in objects[0].items() if selector.matches(labels)) == names

    @pytest.mark.parametrize(("body", "taken"), of("selectors", "taken"), ids=str)
    def test_taken(self, body: dict[str, Any], taken: bool) -> None:
        try:
            parse_selector(body)
        except ValueError:
            assert not taken
        else:
            assert taken


class TestQuantities:
    @pytest.mark.parametrize(("text", "written"), of("quantities", "canonical"), ids=repr)
    def test_canonical(self, text: str, written: str) -> None:
        read = parse_quantity(text)
        if abs(read.value) < 10**21:  # beyond, the server leaves out the suffix it lacks
            # Lists of resources are rounded up to thousandths before they are kept.
            assert str(Quantity(read.milli() * (NANO // 1000), read.format)) == written

    @pytest.mark.parametrize(("text", "taken"), of("quantities", "taken"), ids=repr)
    def test_taken(self, text: str, taken: bool) -> None:
        assert is_quantity(text) is (taken and not NO_DIGITS.fullmatch(text))

    @pytest.mark.parametrize(("left", "right", "sign"), of("quantities", "compared"), ids=repr)
    def test_compared(self, left: str, right: str, sign: int) -> None:
        one, other = parse_quantity(left), parse_quantity(right)
        assert (one > other) - (one < other) == sign


class TestScalars:
    @pytest.mark.parametrize(("text", "taken", "value"), recorded("yaml"), ids=repr)
    def test_read(self, text: str, taken: bool, value: Any) -> None:
        try:
            read = load_documents(f"v: {text}\n")[0].value["v"]
        except YamlError:
            # Stricter on purpose: aliases, which the server resolves.
            assert not taken or text.startswith(("&", "*"))
        else:
            assert taken
            assert (type(read), read) == (type(value), value)
