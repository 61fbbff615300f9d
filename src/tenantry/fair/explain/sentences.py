"""Every sentence an explanation can say, by its rule.

A sentence is made of facts: numbers, and names that are written as :class:`~tenantry.fair.explain.words.Words` says.
:data:`NAMES` says which facts hold names of what, so that other outputs can treat them alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tenantry.fair.explain.sentences_changes import CHANGES
from tenantry.fair.explain.sentences_gates import GATES
from tenantry.fair.explain.sentences_standing import STANDINGS
from tenantry.fair.explain.words import Words

Sentence = Callable[[Mapping[str, Any], Words], str]

SENTENCES: Final[Mapping[str, Sentence]] = {**GATES, **STANDINGS, **CHANGES}
"""Sentence of every rule."""

QUEUE, JOB, POD, PLACE = "queue", "job", "pod", "place"

NAMES: Final[Mapping[str, str]] = {
    "queue": QUEUE,
    "sibling": QUEUE,
    "reclaimer": QUEUE,
    "victimQueue": QUEUE,
    "causeQueue": QUEUE,
    "otherQueue": QUEUE,
    "jobs": JOB,
    "job": JOB,
    "victim": JOB,
    "other": JOB,
    "cause": JOB,
    "back": JOB,
    "delayed": JOB,
    "moved": JOB,
    "pod": POD,
    "taint": PLACE,
}
"""Facts that hold names, and of what."""


def sentence(rule: str, facts: Mapping[str, Any], words: Words) -> str:
    """Write one sentence.

    Raises:
        KeyError: if there is no such rule, or a fact is missing.
    """
    return SENTENCES[rule](facts, words)


def named_facts(facts: Mapping[str, Any], words: Words) -> dict[str, Any]:
    """Return facts with every name in them written as the words say."""
    return {key: _named(key, value, words) for key, value in facts.items()}


def _named(key: str, value: Any, words: Words) -> Any:
    if isinstance(value, Mapping):
        return {inner: _named(inner, item, words) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_named(key, item, words) for item in value]
    kind = NAMES.get(key)
    if kind is None or not isinstance(value, str):
        return value
    naming = words.naming
    return {QUEUE: naming.queue, JOB: naming.job, POD: naming.pod, PLACE: naming.place}[kind](value)
