"""Changes of a spec: values at paths of documents, written as their authors write them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from tenantry.model.spec import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.model.problem import DocPath
    from tenantry.model.spec import Spec

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True)
class Edit:
    """One value of one document.

    Attributes:
        kind: kind of the document.
        name: its name.
        path: path inside it; maps on the way that are missing are made, and a list may get one more item.
        value: what stands there afterwards.
    """

    kind: str
    name: str
    path: DocPath
    value: Any


@dataclass(frozen=True, slots=True)
class Change:
    """What is changed, together.

    Attributes:
        words: the change in words, an imperative sentence without a full stop.
        edits: the values.
        kind: of changes of one kind the first that works is enough; of no kind, each is its own.
    """

    words: str
    edits: tuple[Edit, ...]
    kind: str = ""


def apply(spec: Spec, change: Change) -> Spec | None:
    """Return the spec with a change made, or None when a document would no longer be valid."""
    named: dict[tuple[str, str], list[Edit]] = {}
    for edit in change.edits:
        named.setdefault((edit.kind, edit.name), []).append(edit)
    try:
        return replace(
            spec,
            platform=_edited(spec.platform, named.get(("Platform", spec.platform.name), ())),
            tenants=_all(spec.tenants, "Tenant", named),
            workloads=_all(spec.workloads, "Workload", named),
        )
    except (ValidationError, LookupError, TypeError):
        return None


def _all(documents: Sequence[Any], kind: str, named: dict[tuple[str, str], list[Edit]]) -> tuple[Any, ...]:
    return tuple(_edited(item, named.get((kind, item.name), ())) for item in documents)


def _edited(document: D, edits: Iterable[Edit]) -> D:
    chosen = list(edits)
    if not chosen:
        return document
    body = document.model_dump(mode="json", by_alias=True, exclude_unset=True)
    for edit in chosen:
        _set(body, edit.path, deepcopy(edit.value))
    return type(document).model_validate(body)


def _set(body: Any, path: DocPath, value: Any) -> None:
    here = body
    for step in path[:-1]:
        here = here.setdefault(step, {}) if isinstance(step, str) else here[step]
    last = path[-1]
    if isinstance(last, int) and last == len(here):
        here.append(value)
    else:
        here[last] = value
