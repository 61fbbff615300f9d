"""Tenants that could change places without a trace, so that deciding about one of them is enough.

Let two tenants exchange their names in every object. If the objects are the same afterwards, so is every verdict but
for the exchange: rules know tenants by what objects say of them, not by how they are called. What is proved of one
tenant as the source is proved of its twin, and a fact that is missing for one is missing for the other.

Names count where something compares them with more than themselves: texts of policies, patterns, prefixes the API keeps
for itself, names that are a part of others. Twins do not differ in that. A tenant of which it is not sure is nobody's
twin.
"""

from __future__ import annotations

import re
from collections import defaultdict
from hashlib import blake2b
from itertools import permutations
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tenantry.safe.comparisons import KEPT, work_out_askers
from tenantry.safe.patterns import Patterns, is_plainly, patterns_in
from tenantry.safe.shapes import policy_bodies, relation, shapes_of
from tenantry.safe.shared import once
from tenantry.safe.words import PLACE, WORD, Words, names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.shapes import Shapes
    from tenantry.safe.view import View

# Fields that hold sets in every kind: the order of their entries says nothing.
_SETS = frozenset({"destinations", "sourceNamespaces", "subjects", "from", "to", "values"})

# Fields whose values are compared with their like only. VLANs are written in other ways, too (``vlanId``, the ``tag``
# of an OVS network, the trunk of several): one that any of these could mean is not exchanged.
_VLAN = re.compile(r"\b(vlan)(\W{1,8})([1-9]\d*)\b")
_UID = re.compile(r"\b(uid)(\W{1,8})([A-Za-z0-9-]+)")
_ANY_VLAN = re.compile(r"(?:vlan\D{1,40}|\btag\W{1,8})(\d+)", re.IGNORECASE)

# Names that the API or a distribution treats in a way of its own.
_KEPT = (KEPT, "kube-", "openshift-", "default")


class Twins:
    """Classes of tenants that could change places.

    Args:
        view: the objects and who owns what; not kept.

    Attributes:
        classes: every tenant, by class; classes and their members in the order of the tenants.
        first: the first tenant of its class, by the name of each tenant.
        others: the other tenants of its class, by the name of each first one.
    """

    def __init__(self, view: View) -> None:
        self._words = Words(view.tenants)
        contents = _Contents(view, self._words)
        odd = _odd(view, all_names=contents.patterns_of_people or work_out_askers(policy_bodies(view)))
        single = {*odd, *contents.spoiled, *self._words.owners(repr(view.declared))}
        found: dict[object, list[TenantIdentity]] = defaultdict(list)
        for tenant in view.tenants:
            found[tenant.name if tenant.name in single else contents.digest(tenant)].append(tenant)
        # How names compare is asked of those only whose objects are alike.
        words = {word for tenant in view.tenants for word in self._words.made_of(tenant.name)}
        compare = _Compared(shapes_of(view), Patterns(contents.patterns, words))
        classes: dict[object, list[TenantIdentity]] = defaultdict(list)
        for key, members in found.items():
            for tenant in members:
                told = self._told(tenant, compare) if len(members) > 1 else ""
                classes[key, told].append(tenant)
        self.classes = tuple(map(tuple, classes.values()))
        self.others = {first.name: [twin.name for twin in rest] for first, *rest in self.classes}
        self.first = {tenant.name: members[0].name for members in self.classes for tenant in members}

    def named_in(self, thing: object) -> bool:
        """Whether something that is written mentions any tenant by one of its names."""
        return bool(self._words.owners(repr(thing)))

    def _told(self, tenant: TenantIdentity, compare: _Compared) -> str:
        """Return how the names of a tenant, and words made of them, compare with each other and with other texts."""
        names = names_of(tenant)
        own = [relation(one, other) for one, other in permutations(names, 2)]
        words = {*names, *self._words.made_of(tenant.name)}
        marks = sorted((self._words.token(word), *compare.marks(word)) for word in words)
        return _digest((repr(own), repr(marks)))


class _Compared(NamedTuple):
    """What names are compared with: texts of policies, and patterns in objects."""

    shapes: Shapes
    patterns: Patterns

    def marks(self, word: str) -> tuple[str, str]:
        return self.shapes.mark(word), self.patterns.mark(word)


MANY = 20
"""Tenants from which on it takes longer to decide each than to find out who could change places."""


@once
def twins_of(view: View) -> Twins:
    """Return the twins of a view; channels share them."""
    return Twins(view)


def _digest(parts: Iterable[str]) -> str:
    """Return one text for a sequence of texts."""
    found = blake2b(digest_size=16)
    for part in parts:
        written = part.encode()
        found.update(b"%d:" % len(written))
        found.update(written)
    return found.hexdigest()


class _Contents:
    """What objects say of each tenant, without its names.

    Attributes:
        spoiled: tenants that objects set in relation to others in a way that may not be even.
        patterns: what may be patterns, without those made of names of tenants.
        patterns_of_people: whether a pattern is made of the name of a group or user.
    """

    def __init__(self, view: View, words: Words) -> None:
        self._words = words
        self.spoiled: set[str] = set()
        self.patterns: set[str] = set()
        self.patterns_of_people = False
        self._spaces = min((len(tenant.namespaces) for tenant in view.tenants), default=0)
        self._said: dict[str, list[str]] = defaultdict(list)
        self._vlans: dict[str, set[str]] = defaultdict(set)
        self._uids: dict[str, set[str]] = defaultdict(set)
        self._trunks = False
        # What was found in a text, which many objects share.
        self._identifiers: dict[str, list[tuple[dict[str, set[str]], str]]] = {}
        self._digests: dict[str, str] = {}
        self._looked_at: set[str] = set()
        looked_at: set[str] = set()
        for manifest in view.given:
            key = manifest.key
            owner = view.tenancy.owner(key.namespace) or ""
            guess = owner if owner in view.tenancy.by_name else next(iter(words.owners(key.name)), "")
            said, owners = words.said(_written(manifest.body), guess)
            self._note_identifiers(said, owners)
            # Texts of policies are compared with names as they are.
            if key.group != "admissionregistration.k8s.io" and said not in looked_at:
                looked_at.add(said)
                self._note_patterns(said)
            if len(owners) == 1:
                self._said[next(iter(owners))].append(said)
            elif owners:
                self._read_together(manifest.body, f"{key.kind}/{key.namespace}/{key.name}")

    def digest(self, tenant: TenantIdentity) -> str:
        """Return one text for all that objects say of a tenant; equal for tenants of whom they say the same."""
        numbers: dict[str, str] = {}
        said = sorted(self._digest_of(text, tenant.name, numbers) for text in self._said[tenant.name])
        shape = len(tenant.namespaces), len(tenant.groups), len(tenant.users)
        names = map(self._words.token, names_of(tenant))
        return _digest((repr((*shape, *names)), *said))

    def _digest_of(self, said: str, owner: str, numbers: dict[str, str]) -> str:
        """Return one text for what is said, with a number in place of each identifier that one tenant has alone."""
        if said not in self._digests:
            if any(name in said for name in ("vlan", "uid")):
                return _digest([self._without_identifiers(said, owner, numbers)])
            self._digests[said] = _digest([said])
        return self._digests[said]

    def _note_identifiers(self, said: str, owners: set[str]) -> None:
        if said not in self._identifiers:
            self._trunks = self._trunks or "runk" in said
            in_vlans = any(name in said for name in ("vlan", "Vlan", "VLAN", "tag'", 'tag"'))
            vlans = {match[1] for match in _ANY_VLAN.finditer(said)} if in_vlans else ()
            uids = {match[3] for match in _UID.finditer(said)} if "uid" in said else ()
            found = [*((self._vlans, number) for number in vlans), *((self._uids, uid) for uid in uids)]
            self._identifiers[said] = found
        for held, identifier in self._identifiers[said]:
            held[identifier] |= owners or {""}

    def _note_patterns(self, said: str) -> None:
        for pattern in patterns_in(said, self._looked_at):
            places = [int(place) for place in PLACE.findall(pattern)]
            if not places:
                self.patterns.add(pattern)
            elif max(places) > self._spaces and is_plainly(pattern):
                self.patterns_of_people = True

    def _without_identifiers(self, said: str, owner: str, numbers: dict[str, str]) -> str:
        """Return a text with a number in place of each identifier that only one tenant's objects hold."""

        def numbered(match: re.Match[str]) -> str:
            held = self._vlans if match[1] == "vlan" else self._uids
            if held[match[3]] != {owner} or (match[1] == "vlan" and self._trunks):
                return match[0]
            number = numbers.setdefault(f"{match[1]} {match[3]}", f"\2{len(numbers)}\2")
            return f"{match[1]}{match[2]}{number}"

        for name, pattern in (("vlan", _VLAN), ("uid", _UID)):
            said = pattern.sub(numbered, said) if name in said else said
        return said

    def _read_together(self, node: Any, place: str, *, is_set: bool = False) -> None:
        """Take apart something that mentions several tenants, down to parts that mention one."""
        said, owners = self._words.anonymous(_written(node))
        if len(owners) == 1:
            self._said[next(iter(owners))].append(f"{place}: {said}")
        elif isinstance(node, dict):
            for key, value in node.items():
                name, keyed = self._words.anonymous(str(key))
                inside = self._words.owners(_written(value)) | keyed
                if keyed and len(inside) > 1:
                    self.spoiled |= inside
                elif keyed:
                    said = self._words.anonymous(_written(value))[0]
                    self._said[next(iter(keyed))].append(f"{place}/{name}: {said}")
                elif inside:
                    self._read_together(value, f"{place}/{key}", is_set=key in _SETS)
        elif isinstance(node, list):
            for index, value in enumerate(node):
                one = is_set and len(self._words.owners(_written(value))) == 1
                self._read_together(value, f"{place}/{'*' if one else index}")
        else:
            self.spoiled |= owners


def _written(value: Any) -> str:
    """Return plain data as one text; what JSON cannot say, such as keys that are no texts, as Python writes it."""
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        return repr(value)


# --- names that count -------------------------------------------------------------------------------------------------


def _odd(view: View, *, all_names: bool) -> set[str]:
    """Return tenants whose names mean more than who they are."""
    kept = {
        tenant.name
        for tenant in view.tenants
        if any(name.startswith(_KEPT) or not WORD.fullmatch(name) for name in names_of(tenant))
    }
    return kept | _nested(view.tenants, all_names=all_names)


def _nested(tenants: Sequence[TenantIdentity], *, all_names: bool) -> set[str]:
    """Return tenants that have a name which is a part of another tenant's, or the other way round."""
    names = {
        tenant.name: {*(names_of(tenant) if all_names else (tenant.name, *tenant.namespaces))} for tenant in tenants
    }
    together = "\n".join("\n".join(own) for own in names.values())
    found: set[str] = set()
    for own in names.values():
        for name in own:
            if together.count(name) != sum(other.count(name) for other in own):
                found |= {other for other, theirs in names.items() if any(name in it for it in theirs)}
    return found
