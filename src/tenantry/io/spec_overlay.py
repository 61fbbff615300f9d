"""Lays the documents of an environment over those of the base, and remembers where every part came from.

Maps merge key by key; lists whose items all carry one identifying key merge by it; any other list, and any single
value, is replaced. ``null`` removes a key, an item ``{name: x, $patch: delete}`` removes that item.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tenantry.model.problem import DocPath

IDENTIFYING_KEYS: Final = ("name", "pool", "id", "class", "group")
"""Keys that name an item of a list, in the order in which they are tried."""
PATCH: Final = "$patch"

Report = Callable[[DocPath, str], None]
"""Takes a path in the overlay's document and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a part of a merged document was written.

    Attributes:
        source: number of the document it was read from.
        path: path of the part in that document.
        children: origins of the parts below, where these differ; None when everything below is from the same place.
        missing: whether a part below was asked for that the merged document does not have.
    """

    source: int
    path: DocPath = ()
    children: Mapping[str | int, Origin] | None = None
    missing: bool = False

    def child(self, step: str | int) -> Origin:
        """Return the origin of a part right below; of this part itself, marked, when nothing is there."""
        if self.children is None:
            return replace(self, path=(*self.path, step))
        return self.children.get(step, replace(self, children={}, missing=True))

    def follow(self, path: DocPath) -> Origin:
        """Return the origin of the part at a path."""
        found = self
        for step in path:
            found = found.child(step)
        return found


def merge(base: Any, base_origin: Origin, patch: Any, patch_origin: Origin, report: Report) -> tuple[Any, Origin]:
    """Lay ``patch`` over ``base``.

    Args:
        base: a value; not modified.
        base_origin: where it was written.
        patch: what goes over it.
        patch_origin: where that was written.
        report: told of removals that remove nothing and of items named twice.

    Returns:
        The merged value and where its parts were written.
    """
    if isinstance(base, dict) and isinstance(patch, dict):
        return _merge_maps(base, base_origin, patch, patch_origin, report)
    if isinstance(base, list) and isinstance(patch, list) and base and patch:
        key = _identifying_key([*base, *patch])
        if key:
            return _merge_lists(base, base_origin, patch, patch_origin, report, key=key)
    return patch, patch_origin


def _merge_maps(
    base: dict[str, Any], base_origin: Origin, patch: dict[str, Any], patch_origin: Origin, report: Report
) -> tuple[dict[str, Any], Origin]:
    merged = dict(base)
    origins: dict[str | int, Origin] = {key: base_origin.child(key) for key in base}
    for key, value in patch.items():
        if value is None:
            if key not in base:
                report((*patch_origin.path, key), f"null removes {key!r} here, but the base has no such field")
            merged.pop(key, None)
            origins.pop(key, None)
        elif key in base:
            merged[key], origins[key] = merge(base[key], origins[key], value, patch_origin.child(key), report)
        else:
            merged[key], origins[key] = value, patch_origin.child(key)
    return merged, replace(base_origin, children=origins)


def _merge_lists(
    base: list[Any], base_origin: Origin, patch: list[Any], patch_origin: Origin, report: Report, *, key: str
) -> tuple[list[Any], Origin]:
    merged = list(base)
    origins = [base_origin.child(index) for index in range(len(base))]
    seen = set()
    for index, item in enumerate(patch):
        origin = patch_origin.child(index)
        name = item[key]
        if name in seen:
            report(origin.path, f"the item with {key} {name!r} stands twice in this list")
            continue
        seen.add(name)
        place = next((place for place, other in enumerate(merged) if other[key] == name), None)
        if item.get(PATCH) == "delete":
            if place is None:
                report(origin.path, f"the base has no item with {key} {name!r} to delete")
            else:
                del merged[place], origins[place]
        elif place is None:
            merged.append(item)
            origins.append(origin)
        else:
            merged[place], origins[place] = merge(merged[place], origins[place], item, origin, report)
    return merged, replace(base_origin, children=dict(enumerate(origins)))


def _identifying_key(items: list[Any]) -> str:
    """Return the first key by which every item of the lists is named, empty when there is none."""
    if not all(isinstance(item, dict) for item in items):
        return ""
    return next((key for key in IDENTIFYING_KEYS if all(isinstance(item.get(key), str) for item in items)), "")
