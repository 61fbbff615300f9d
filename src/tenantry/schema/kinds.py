"""Which kinds exist, in which versions, and whether an unknown one is a slip of the pen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tenantry.model.finding import Severity
from tenantry.model.problem import nearest_name
from tenantry.schema import rules
from tenantry.schema.issue import SchemaIssue

_LONGEST_SLIP = 2
_SHORT_NAME = 7  # up to here one letter is a slip and two make another word
_SHORTEST_NAME = 3


@dataclass(slots=True)
class KindIndex:
    """All kinds known.

    Attributes:
        served: versions served, per (group, kind).
        unserved: versions that exist without being served, per (group, kind).
        complete: groups whose kinds are all known, so that any other kind in them is an error.
        retired: complete groups that are not served any more.
    """

    served: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    unserved: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    complete: frozenset[str] = frozenset()

    def add(self, group: str, version: str, kind: str, *, served: bool = True) -> None:
        """Add one version of a kind."""
        (self.served if served else self.unserved).setdefault((group, kind), set()).add(version)

    def problem(self, api_version: str, kind: str) -> SchemaIssue | None:
        """Say what is wrong with an apiVersion and kind that no schema was found for.

        Returns:
            None if nothing is known that says it does not exist.
        """
        group, _, version = api_version.rpartition("/")
        if (group, kind) in self.served:
            return self._version(group, version, kind)
        if (group, kind) in self.unserved:
            return _issue(
                rules.VERSION, ("apiVersion",), f"{kind} is not served in any version of {group}", api_version
            )
        in_group = {name for known, name in self.served if known == group}
        slip = _slip(kind, in_group)
        if slip:
            hint = f"there is no kind '{kind}' in {_group(group)} (did you mean '{slip}'?)"
            return _issue(rules.KIND, ("kind",), hint, kind, slip)
        elsewhere = sorted(known for known, name in self.served if name == kind)
        if group in self.complete:
            return self._not_in_group(group, kind, in_group, elsewhere)
        near = _slip(group, elsewhere)
        if near:
            meant = self._api_versions(near, kind)[-1]
            text = f"there is no group '{group}' with a kind {kind} (did you mean '{meant}'?)"
            return _issue(rules.KIND, ("apiVersion",), text, api_version, meant)
        return None

    def _version(self, group: str, version: str, kind: str) -> SchemaIssue:
        versions = self._api_versions(group, kind)
        exists = version in self.unserved.get((group, kind), ())
        why = "exists but is not served" if exists else "does not exist"
        wrong = f"{group}/{version}" if group else version
        text = f"{kind} in version {wrong} {why}; served: {', '.join(versions)}"
        return _issue(rules.VERSION, ("apiVersion",), text, wrong, versions[-1])

    def _not_in_group(self, group: str, kind: str, in_group: set[str], elsewhere: list[str]) -> SchemaIssue:
        if elsewhere:
            meant = self._api_versions(elsewhere[0], kind)[-1]
            text = f"there is no kind '{kind}' in {_group(group)}; it is in {meant}"
            return _issue(rules.KIND, ("apiVersion",), text, group, meant)
        nearest = nearest_name(kind, in_group)
        hint = f" (did you mean '{nearest}'?)" if nearest else ""
        return _issue(rules.KIND, ("kind",), f"there is no kind '{kind}' in {_group(group)}{hint}", kind, nearest)

    def _api_versions(self, group: str, kind: str) -> list[str]:
        """Return the served apiVersions of a kind, the most stable and newest last."""
        versions = sorted(self.served[group, kind], key=_stability)
        return [f"{group}/{version}" if group else version for version in versions]


def _issue(rule: str, path: tuple[str], text: str, found: str, nearest: str | None = None) -> SchemaIssue:
    return SchemaIssue(
        rule,
        path,
        f"{text}: the API server refuses the object",
        Severity.ERROR,
        found=found,
        nearest=nearest,
        fix=f"write '{nearest}'" if nearest else "",
    )


def _group(group: str) -> str:
    return f"group '{group}'" if group else "the core group"


def _stability(version: str) -> tuple[int, list[int]]:
    """Order versions as Kubernetes does: alpha, beta, stable, each by number."""
    level = 0 if "alpha" in version else 1 if "beta" in version else 2
    numbers = "".join(letter if letter.isdigit() else " " for letter in version)
    return level, [int(number) for number in numbers.split()]


def _slip(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that differs by one or two letters, if there is one."""
    if len(word) < _SHORTEST_NAME:
        return None
    longest = 1 if len(word) <= _SHORT_NAME else _LONGEST_SLIP
    near = [
        (_distance(word.casefold(), name.casefold()), name) for name in known if abs(len(name) - len(word)) <= longest
    ]
    return min((entry for entry in near if entry[0] <= longest), default=(0, None))[1]


def _distance(one: str, other: str) -> int:
    """Return the edit distance, a swap of neighbours counting as one edit."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        last, before, row = before, row, [i]
        for j, against in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def served_versions(crd_spec: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the versions of a CRD's spec; those of the retired v1beta1 form are brought into today's."""
    versions = crd_spec.get("versions")
    found = [version for version in versions if isinstance(version, dict)] if isinstance(versions, list) else []
    if not found and isinstance(crd_spec.get("version"), str):
        found = [{"name": crd_spec["version"], "served": True}]
    shared = {}
    if isinstance(crd_spec.get("validation"), dict):
        shared["schema"] = crd_spec["validation"]
    if isinstance(crd_spec.get("subresources"), dict):
        shared["subresources"] = crd_spec["subresources"]
    return [{**shared, **version} for version in found]
