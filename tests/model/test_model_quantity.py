"""Kubernetes quantities."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.model.quantity import NANO, Quantity, QuantityFormat, is_quantity, parse_quantity

# text, amount, canonical form as Quantity.String() writes it
TEXTS = [
    ("0", Fraction(0), "0"),
    ("4", Fraction(4), "4"),
    ("1000", Fraction(1000), "1k"),
    ("100000", Fraction(100_000), "100k"),
    ("1.5", Fraction(3, 2), "1500m"),
    (".5", Fraction(1, 2), "500m"),
    ("5.", Fraction(5), "5"),
    ("500m", Fraction(1, 2), "500m"),
    ("1000m", Fraction(1), "1"),
    ("-2", Fraction(-2), "-2"),
    ("+2", Fraction(2), "2"),
    ("007", Fraction(7), "7"),
    ("1Ki", Fraction(1024), "1Ki"),
    ("1024Mi", Fraction(2**30), "1Gi"),
    ("1.5Gi", Fraction(3 * 2**29), "1536Mi"),
    ("0.5Ki", Fraction(512), "512"),  # below 1024 the decimal suffixes are used
    ("0.1Ki", Fraction(1024, 10), "102400m"),  # 102.4 has a fraction, so no binary suffix
    ("1E", Fraction(10**18), "1E"),
    ("1e3", Fraction(1000), "1e3"),
    ("1E3", Fraction(1000), "1e3"),
    ("12e-3", Fraction(12, 1000), "12e-3"),
    ("1n", Fraction(1, NANO), "1n"),
    ("0.1n", Fraction(1, NANO), "1n"),  # finer than nano is rounded up
    ("-0.1n", Fraction(-1, NANO), "-1n"),
    ("1e99", Fraction(10**99), "1e99"),
    ("8Ei", Fraction(2**63 - 1), "9223372036854775807"),  # binary amounts are capped, others are not
    ("10E", Fraction(10**19), "10E"),
    (" 1Gi ", Fraction(2**30), "1Gi"),
    ("9e9999999999", Fraction(10**400), "10e399"),  # beyond all bounds
    ("1e-9999999999", Fraction(1, NANO), "1e-9"),
    ("0e9999999999", Fraction(0), "0"),
]


@pytest.mark.parametrize(("text", "amount", "canonical"), TEXTS)
def test_a_quantity_is_read_exactly_and_written_canonically(text: str, amount: Fraction, canonical: str) -> None:
    quantity = parse_quantity(text)
    assert quantity.value == amount
    assert str(quantity) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a",
        "1 Gi",
        "1GiB",
        "1K",
        "1ki",
        "1.2.3",
        "1e",
        "1e+",
        "+",
        ".",
        "-.",
        "--1",
        "1Kib",
        "0x10",
        "1_000",
        "٣",
        "1" * 2000,
    ],
)
def test_other_text_is_no_quantity(text: str) -> None:
    assert not is_quantity(text)
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)


@pytest.mark.parametrize(("number", "canonical"), [(2, "2"), (0.5, "500m"), (1e-7, "100e-9"), (1e22, "10e21")])
def test_yaml_numbers_are_quantities(number: float, canonical: str) -> None:
    assert str(parse_quantity(number)) == canonical


def test_a_boolean_is_no_quantity_though_python_counts_it_as_a_number() -> None:
    assert not is_quantity(True)


def test_order_and_equality_are_of_the_amount() -> None:
    assert parse_quantity("1024Mi") == parse_quantity("1Gi")
    assert hash(parse_quantity("1024Mi")) == hash(parse_quantity("1Gi"))
    assert parse_quantity("1G") < parse_quantity("1Gi")
    assert sorted(map(parse_quantity, ["1", "500m", "2k"])) == [parse_quantity(text) for text in ("500m", "1", "2k")]


@pytest.mark.parametrize(
    ("text", "units", "milli"), [("1500m", 2, 1500), ("-1500m", -2, -1500), ("1u", 1, 1), ("3", 3, 3000)]
)
def test_rounding_goes_away_from_zero(text: str, units: int, milli: int) -> None:
    quantity = parse_quantity(text)
    assert (quantity.units(), quantity.milli()) == (units, milli)


def test_arithmetic_is_exact_and_keeps_the_format_of_the_left() -> None:
    # 1Gi + 1Gi - 512Mi = 1.5Gi = 1536Mi
    total = parse_quantity("1Gi") * 2 - parse_quantity("512Mi")
    assert str(total) == "1536Mi"
    assert not parse_quantity("500m").is_whole
    assert (parse_quantity("500m") + parse_quantity("500m")).is_whole


amounts = st.integers(-(10**27), 10**27)


@given(amounts, st.sampled_from(QuantityFormat))
def test_the_canonical_form_is_read_back_as_the_same_amount(nanos: int, form: QuantityFormat) -> None:
    quantity = Quantity(nanos, form)
    again = parse_quantity(str(quantity))
    assert again == quantity
    assert str(again) == str(quantity) or form is QuantityFormat.BINARY  # small binary amounts are written in decimal


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6),
    st.sampled_from("num kMG"),
)
def test_reading_agrees_with_decimal_arithmetic(number: Decimal, suffix: str) -> None:
    powers = {"n": -9, "u": -6, "m": -3, " ": 0, "k": 3, "M": 6, "G": 9}
    with localcontext() as context:
        context.prec = 60
        exact = number.scaleb(powers[suffix])
        nanos = (abs(exact) * NANO).to_integral_value(rounding="ROUND_CEILING")
    expected = -int(nanos) if exact < 0 else int(nanos)
    assert parse_quantity(f"{number:f}{suffix.strip()}").nanos == expected


@given(st.text(alphabet="0123456789.+-eEinumkKMGTP", max_size=12))
def test_whatever_is_taken_has_a_stable_canonical_form(text: str) -> None:
    if is_quantity(text):
        canonical = str(parse_quantity(text))
        assert parse_quantity(canonical) == parse_quantity(text)
        assert str(parse_quantity(canonical)) == canonical
