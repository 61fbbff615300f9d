"""No channel is silently absent, and the page that lists them is current."""

from __future__ import annotations

from pathlib import Path

from tenantry.safe.catalogue import FAMILIES, channels_markdown
from tenantry.safe.channels import CHANNELS
from tenantry.safe.questions import VIOLATED_WHEN

ROOT = Path(__file__).parents[2]

NUMBERS = {"N": 8, "X": 12, "G": 12, "H": 4, "A": 8, "Q": 8, "P": 4, "D": 3, "C": 4, "R": 2}
"""How many channels each family has."""


def test_every_channel_has_one_rule_in_the_order_of_families() -> None:
    wanted = [f"{letter}{number}" for letter, last in NUMBERS.items() for number in range(1, last + 1)]

    assert [channel.id for channel in CHANNELS] == wanted


def test_families_have_names() -> None:
    assert list(FAMILIES) == list(NUMBERS)


def test_every_channel_says_when_it_is_violated() -> None:
    assert list(VIOLATED_WHEN) == [channel.id for channel in CHANNELS]


def test_the_page_of_channels_is_what_the_rules_say() -> None:
    """`make docs` renews it."""
    assert (ROOT / "docs/channels.md").read_text("utf-8") == channels_markdown()
