"""Texts without names of tenants: read at once around the names of one of them as they are read word by word."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantry.model.tenancy import TenantIdentity
from tenantry.safe.words import Words

PIECES = st.sampled_from(("a", "b", "ab", "team", "1", "10"))
NAMES = st.lists(PIECES, min_size=1, max_size=3).map("-".join)
BETWEEN = st.sampled_from(("", "-", ".", " ", '"', "/", "x", "0", "\\n", "\\", "é", "_", ":"))


def tenant(name: str, *spaces: str, groups: tuple[str, ...] = ()) -> TenantIdentity:
    return TenantIdentity(name, spaces, groups)


@st.composite
def platforms(draw: st.DrawFn) -> tuple[list[TenantIdentity], list[tuple[str, str]]]:
    """Return some tenants, and texts with the tenant each may be about: the same texts with names of each."""
    count = draw(st.integers(2, 4))
    plain = draw(st.booleans())
    tenants = [
        tenant(f"{'plain' if plain else draw(NAMES)}{number}", *draw(st.lists(NAMES, max_size=2)), f"space{number}")
        for number in range(count)
    ]
    if plain:
        tenants = [
            tenant(item.name, f"home-{item.name}", f"{item.name}-lab", groups=(f"g{item.name}",)) for item in tenants
        ]
    names = [(item.name, *item.namespaces, *item.groups) for item in tenants]
    texts = []
    for _ in range(draw(st.integers(1, 4))):
        parts = draw(st.lists(st.tuples(st.integers(0, 3) | NAMES, BETWEEN), min_size=1, max_size=5))
        for own in draw(st.permutations(names)):
            words = (own[part % len(own)] if isinstance(part, int) else part for part, _ in parts)
            text = "".join(f"{word}{sign}" for word, (_, sign) in zip(words, parts, strict=True))
            texts.append((text, own[0]))
    return tenants, texts


@settings(max_examples=500)
@given(platforms())
def test_a_text_is_read_around_names_as_it_is_word_by_word(
    made: tuple[list[TenantIdentity], list[tuple[str, str]]],
) -> None:
    tenants, texts = made
    at_once, by_word = Words(tenants), Words(tenants)
    assert [at_once.said(*text) for text in texts] == [by_word.anonymous(text) for text, _ in texts]
    for item in tenants:
        assert at_once.made_of(item.name) == by_word.made_of(item.name)
        assert {word: at_once.token(word) for word in at_once.made_of(item.name)} == {
            word: by_word.token(word) for word in by_word.made_of(item.name)
        }


def test_texts_around_other_names_are_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    words = Words([tenant(name, f"{name}-home") for name in ("red", "blue", "green")])
    wanted = "\0010\1 in \0011\1 of \0010\1-queue"
    assert words.said("red in red-home of red-queue", "red") == (wanted, {"red"})
    monkeypatch.setattr(Words, "_without_names", lambda words, read: pytest.fail(f"reads {read}"))
    assert words.said("blue in blue-home of blue-queue", "blue") == (wanted, {"blue"})
    assert words.said("green in green-home of green-queue", "green") == (wanted, {"green"})
    assert words.made_of("blue") == {"blue", "blue-home", "blue-queue"}
    assert words.token("green-queue") == "\0010\1-queue"


@pytest.mark.parametrize(
    ("text", "guess", "said", "owners"),
    [
        # The name of another tenant begins with it, ends with it, or stands beside it.
        ("red-lab", "red", "\0011\1", {"lab", "red"}),
        ("infra-red", "red", "infra-\0010\1", {"red"}),
        ("red and blue", "red", "\0010\1 and \0010\1", {"red", "blue"}),
        # It is a part of a word that is none of its names.
        ("reds", "red", "reds", set()),
        ("9red", "red", "9red", set()),
        # The one that may stand in it does not.
        ("blue", "red", "\0010\1", {"blue"}),
        ("nothing", "", "nothing", set()),
    ],
)
def test_names_beside_others_count_as_they_are_read(text: str, guess: str, said: str, owners: set[str]) -> None:
    words = Words([tenant("red", "home"), tenant("blue"), tenant("lab", "red-lab")])
    assert words.anonymous(text) == (said, owners)
    assert words.said(text, guess) == (said, owners)


@pytest.mark.parametrize(
    ("tenants", "first", "second"),
    [
        # A name ends as another one begins, so that both stand in one text.
        ((tenant("x-y"), tenant("a-b"), tenant("b-c")), ("x-y-c", "x-y"), ("a-b-c", "a-b")),
        ((tenant("x-y"), tenant("b-c"), tenant("a-b")), ("a-x-y", "x-y"), ("a-b-c", "b-c")),
        # A group belongs to two.
        (
            (tenant("x", groups=("gx",)), tenant("a", groups=("g",)), tenant("b", groups=("g",))),
            ("gx", "x"),
            ("g", "a"),
        ),
        # A name of one is a part of a name of another one.
        ((tenant("x"), tenant("a"), tenant("b", "a-space")), ("x-space", "x"), ("a-space", "a")),
        # Names that are no words.
        ((tenant("a", groups=("team a",)), tenant("y", "y-space")), ("team a", "a"), ("y-space", "y")),
    ],
)
def test_names_that_meet_others_are_read_word_by_word(
    tenants: tuple[TenantIdentity, ...], first: tuple[str, str], second: tuple[str, str]
) -> None:
    words = Words(tenants)
    assert words.said(*first) == words.anonymous(first[0])
    assert words.said(*second) == words.anonymous(second[0])
