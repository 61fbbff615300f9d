"""How a tenant dresses an object so that a guard passes it over: with labels, annotations, names and images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tenantry.safe.admission import items, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tenantry.model.manifest import Body
    from tenantry.model.problem import DocPath
    from tenantry.model.selector import Selector
    from tenantry.safe.admission import Guard

_LITERAL = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_FREE = re.compile(r"metadata\b|\bimage\b|serviceAccountName")
_VARIABLE = re.compile(r"variables\.(\w+)")
_NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_LABEL = re.compile(rf"([A-Za-z0-9.-]+/)?{_NAME}")

MOST_WORDS = 10
"""Words tried; every word is tried as a label with every other as its value."""

LONGEST = 253
"""Characters of the longest word tried; nothing that is compared with a free field has more."""

_NEAR = 90
"""How far from a free field, in characters, a word is taken to be compared with it."""


def is_label(word: str) -> bool:
    """Whether a word can be the key of a label."""
    return _LABEL.fullmatch(word) is not None


def is_value(word: str) -> bool:
    """Whether a word can be the value of a label, the empty one apart."""
    return re.fullmatch(_NAME, word) is not None


def slipping(labels: Mapping[str, str], selectors: tuple[Selector | None, ...]) -> dict[str, str]:
    """Return labels changed as little as possible so that not all selectors match."""
    found = dict(labels)
    if any(selector is None or not selector.matches(found) for selector in selectors):
        return found
    for selector in selectors:
        for requirement in selector.requirements if selector else ():
            changed = dict(found)
            if requirement.operator in {"In", "Exists"}:
                changed.pop(requirement.key, None)
            else:
                changed[requirement.key] = requirement.values[0] if requirement.values else "x"
            if not requirement.holds(changed):
                return changed
    return found


def labelled(body: Body, labels: Mapping[str, str]) -> Body:
    """Return an object with other labels."""
    return {**body, "metadata": {**mapping(body.get("metadata")), "labels": dict(labels)}}


def temptations(guard: Guard, pointer: DocPath, body: Body) -> Iterator[Body]:
    """Yield variants of an object that use the words an expression compares free fields with.

    Args:
        guard: the guard that refuses the object.
        pointer: the validation that refuses it.
        body: the object.
    """
    words = _words(_text(guard, pointer))
    metadata = mapping(body.get("metadata"))
    yield from ({**body, "metadata": {**metadata, "name": name}} for name in guard.excused_names)
    for word in words:
        if is_label(word):
            for value in dict.fromkeys(("true", *(other for other in words if is_value(other)))):
                for place in ("labels", "annotations"):
                    held = {**mapping(metadata.get(place)), word: value}
                    yield {**body, "metadata": {**metadata, place: held}}
            yield {**body, "metadata": {**metadata, "name": word}}
        yield from _images(body, word)


def _words(text: str) -> list[str]:
    """Return the words that stand close to free fields, in the order of the text."""
    fields = [field.end() for field in _FREE.finditer(text)]
    found = (
        literal[1] or literal[2]
        for literal in _LITERAL.finditer(text)
        if any(-_NEAR // 2 < literal.start() - field < _NEAR for field in fields)
    )
    return [word for word in dict.fromkeys(found) if word and len(word) <= LONGEST][:MOST_WORDS]


def _images(body: Body, word: str) -> Iterator[Body]:
    spec = mapping(body.get("spec"))
    if not items(spec.get("containers")):
        return
    for image in (word, f"{word.rstrip('*')}x"):
        changed = {
            name: [{**item, "image": image} for item in items(spec.get(name))]
            for name in ("containers", "initContainers", "ephemeralContainers")
            if name in spec
        }
        yield {**body, "spec": {**spec, **changed}}


def _text(guard: Guard, pointer: DocPath) -> str:
    """Return match conditions and the refusing expression with the variables it uses.

    Variables that compare with the object before are left out: they concern updates that change nothing.
    """
    variables = {str(item.get("name")): str(item.get("expression")) for item in items(guard.spec.get("variables"))}
    parts = [str(item.get("expression")) for item in items(guard.spec.get("matchConditions"))]
    validations = items(guard.spec.get("validations"))
    if pointer[:2] == ("spec", "validations") and isinstance(pointer[2], int) and pointer[2] < len(validations):
        parts.append(str(validations[pointer[2]].get("expression")))
    waiting, seen = [*parts], set[str]()
    while waiting:
        for name in _VARIABLE.findall(waiting.pop()):
            expression = variables.get(name, "")
            if name not in seen and "oldObject" not in expression:
                seen.add(name)
                parts.append(expression)
                waiting.append(expression)
    return "\n".join(parts)
