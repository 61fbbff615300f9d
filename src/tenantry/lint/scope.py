"""Which manifests are meant for the same cluster.

A repository often holds alternatives side by side: overlays per cluster, folders of samples. Two objects contradict
each other only when both are applied. A folder is taken as one deployment unless it defines one object in two files;
then its files and sub-folders are judged apart, by the same test. In folders called samples or examples every file
stands for itself. Everything is one deployment when the caller says that the set is complete.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set

from tenantry.model.manifest import Manifest, ManifestKey

Parts = tuple[str, ...]

_COLLECTIONS = frozenset({"sample", "samples", "example", "examples", "testdata"})


def scopes(manifests: Sequence[Manifest], *, partial: Set[Manifest], complete: bool) -> dict[str, int]:
    """Return the number of the deployment each file belongs to.

    Args:
        manifests: all manifests.
        partial: patches; they repeat the key of what they patch and are no second definition.
        complete: whether everything is one deployment.
    """
    keys: dict[str, set[ManifestKey]] = defaultdict(set)
    for manifest in manifests:
        found = keys[manifest.location.file]
        # A Namespace is often repeated on top of each file, and an object without a name defines nothing twice.
        if manifest not in partial and manifest.key.kind != "Namespace" and manifest.key.name:
            found.add(manifest.key)
    if complete:
        return dict.fromkeys(sorted(keys), 0)
    answer: dict[str, int] = {}
    files = {tuple(file.split("/")): file for file in keys}
    above = _common(files)
    # What the user's own folders above are called says nothing; the folder that was asked for does.
    alone = {parts for parts in files if _COLLECTIONS & set(parts[max(above - 1, 0) : -1])}
    groups = [[files[parts]] for parts in sorted(alone)]
    groups += _split({parts: file for parts, file in files.items() if parts not in alone}, keys, 0)
    for number, group in enumerate(groups):
        answer.update(dict.fromkeys(group, number))
    return answer


def _common(files: Iterable[Parts]) -> int:
    """Return how many folders all files have in common."""
    folders = [parts[:-1] for parts in files]
    first, last = min(folders, default=()), max(folders, default=())
    return next(
        (depth for depth, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]),
        min(len(first), len(last)),
    )


def _split(files: dict[Parts, str], keys: dict[str, set[ManifestKey]], depth: int) -> list[list[str]]:
    names = sorted(files.values())
    if len(names) <= 1 or not _repeats(keys[name] for name in names):
        return [names] if names else []
    here = {parts: file for parts, file in files.items() if len(parts) == depth + 1}
    groups: list[list[str]] = []
    if _repeats(keys[name] for name in here.values()):
        groups.extend([name] for name in sorted(here.values()))
    elif here:
        groups.append(sorted(here.values()))
    below: dict[str, dict[Parts, str]] = defaultdict(dict)
    for parts, file in files.items():
        if len(parts) > depth + 1:
            below[parts[depth]][parts] = file
    for folder in sorted(below):
        groups.extend(_split(below[folder], keys, depth + 1))
    return groups


def _repeats(sets: Iterable[set[ManifestKey]]) -> bool:
    seen: set[ManifestKey] = set()
    for found in sets:
        if not seen.isdisjoint(found):
            return True
        seen |= found
    return False
