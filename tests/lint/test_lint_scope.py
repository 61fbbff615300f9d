"""Which files are taken for one deployment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.lint.scope import scopes
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location


def thing(file: str, name: str, kind: str = "Thing") -> Manifest:
    return Manifest({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}, Location(file, 1, 1))


def together(*things: Manifest, partial: frozenset[Manifest] = frozenset(), complete: bool = False) -> list[set[str]]:
    found: dict[int, set[str]] = {}
    for file, number in scopes(things, partial=partial, complete=complete).items():
        found.setdefault(number, set()).add(file)
    return sorted(found.values(), key=sorted)


@pytest.mark.parametrize(
    ("case", "things", "expected"),
    [
        ("no repeats", [thing("a/x", "1"), thing("b/y", "2")], [{"a/x", "b/y"}]),
        (
            "one cluster per folder",
            [thing("a/x", "1"), thing("a/y", "2"), thing("b/x", "1")],
            [{"a/x", "a/y"}, {"b/x"}],
        ),
        (
            "base beside two overlays",
            [thing("base/x", "0"), thing("envs/dev/x", "1"), thing("envs/prod/x", "1"), thing("envs/prod/y", "2")],
            [{"base/x"}, {"envs/dev/x"}, {"envs/prod/x", "envs/prod/y"}],
        ),
        (
            "alternatives in one folder",
            [thing("a/x", "1"), thing("a/y", "1"), thing("a/z", "2")],
            [{"a/x"}, {"a/y"}, {"a/z"}],
        ),
        (
            "alternatives beside a folder",
            [thing("a/x", "1"), thing("a/y", "1"), thing("a/b/z", "2"), thing("a/b/w", "3")],
            [{"a/b/w", "a/b/z"}, {"a/x"}, {"a/y"}],
        ),
        (
            "samples",
            [thing("p/samples/x", "1"), thing("p/samples/y", "2"), thing("p/z", "3")],
            [{"p/samples/x"}, {"p/samples/y"}, {"p/z"}],
        ),
        (
            "the folder asked for is called samples",
            [thing("samples/x", "1"), thing("samples/y", "2")],
            [{"samples/x"}, {"samples/y"}],
        ),
        (
            "the user's own folder is called examples",
            [thing("/examples/p/x", "1"), thing("/examples/p/y", "2")],
            [{"/examples/p/x", "/examples/p/y"}],
        ),
        (
            "a namespace on top of each file",
            [thing("a/x", "n", "Namespace"), thing("a/y", "n", "Namespace")],
            [{"a/x", "a/y"}],
        ),
        ("objects without a name", [thing("a/x", ""), thing("a/y", "")], [{"a/x", "a/y"}]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_files_of_one_deployment(case: str, things: list[Manifest], expected: list[set[str]]) -> None:
    assert together(*things) == sorted(expected, key=sorted), case


def test_a_patch_repeats_nothing() -> None:
    base, patch = thing("base/x", "1"), thing("overlay/x", "1")
    assert together(base, patch, partial=frozenset({patch})) == [{"base/x", "overlay/x"}]


def test_a_complete_set_is_one_deployment() -> None:
    assert together(thing("a/x", "1"), thing("b/x", "1"), complete=True) == [{"a/x", "b/x"}]


names = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map("/".join)


@given(st.lists(st.tuples(names, st.sampled_from("123")), max_size=12))
def test_no_deployment_defines_an_object_in_two_files(drawn: list[tuple[str, str]]) -> None:
    things = [thing(f"{folder}/{position % 4}.yaml", name) for position, (folder, name) in enumerate(drawn)]
    numbers = scopes(things, partial=frozenset(), complete=False)
    assert set(numbers) == {item.location.file for item in things}
    seen: dict[tuple[int, str], str] = {}
    for item in things:
        key = numbers[item.location.file], item.key.name
        assert seen.setdefault(key, item.location.file) == item.location.file
