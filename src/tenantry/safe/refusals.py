"""Whether admission refuses every object with some part, whatever else the object says.

One object that is refused proves nothing about others: a guard may let in with another label, name or image what it
refuses without. Here the guards are evaluated on what an object has for certain, with everything else left open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from tenantry.model.claim import Missing
from tenantry.safe.admission import Guard, GuardBook, Request, items, mapping
from tenantry.safe.answer import Admission, Answer
from tenantry.safe.cel_tree import Call, Const, Node, tree_of, walk
from tenantry.safe.partial import outcome, value_of
from tenantry.safe.partial_values import ANYTHING, Anything, Fields, Items, Other, implies, lift
from tenantry.safe.received import unsaid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tenantry.model.manifest import Body
    from tenantry.model.selector import Selector

ANY_TEXT = Other(frozenset())


@dataclass(frozen=True, slots=True)
class About:
    """What is known of an object, besides what the request for it says.

    Attributes:
        known: the new object; of a deletion, what is deleted.
        old: the object before; None for a creation.
    """

    known: Fields
    old: Fields | None = None

    @property
    def name(self) -> str | None:
        """Name of the object; None when it may have any."""
        metadata = self.known.known.get("metadata")
        name = metadata.known.get("name") if isinstance(metadata, Fields) else None
        return name if isinstance(name, str) else None

    def holds_of(self, body: Body) -> bool:
        """Whether an object says for certain all that is known."""
        return implies(lift(body), self.known)

    @property
    def labels(self) -> Mapping[str, object]:
        """Labels the object has for certain."""
        metadata = self.known.known.get("metadata")
        labels = metadata.known.get("labels") if isinstance(metadata, Fields) else None
        return labels.known if isinstance(labels, Fields) else {}


class Proof(IntEnum):
    """How it is known that all objects with some part are refused; none at all is false."""

    NONE = 0
    SHOWN = 1
    """Of some who ask, by what is said to one such object."""
    PART = 2
    """By the part alone, whatever else an object says and whoever asks."""


def refuses(book: GuardBook, guard: Guard, request: Request, about: About, told: Callable[[], dict[str, Any]]) -> bool:
    """Whether a guard refuses every request about an object of which something is known.

    Args:
        book: where parameters are looked up.
        guard: the guard, which looks at such requests.
        request: one of them; who asks, where and for what are taken from it.
        about: what is known of the object.
        told: gives what expressions see of the request, see :func:`seen`; the same for every guard.
    """
    if guard.spec.get("failurePolicy", "Fail") == "Ignore" or guard.excused_names:
        return False
    if guard.rests_on_name(request) and (request.operation == "CREATE" or about.name is None):
        return False
    if not all(_selected(selector, about.labels) for selector in guard.object_selectors):
        return False
    names = told()
    if not all(_only_true(outcome(item.get("expression"), names)) for item in items(guard.spec.get("matchConditions"))):
        return False
    parameters = book.parameters(guard, request)
    if isinstance(parameters, Admission):
        return False
    return any(_validated(guard, {**names, "params": lift(item)}) for item in parameters)


def _selected(selector: Selector | None, labels: Mapping[str, object]) -> bool:
    """Whether a selector matches whatever further labels there are."""
    if selector is None:
        return False
    known = {key: value for key, value in labels.items() if isinstance(value, str)}
    return all(
        item.holds(known) if item.key in known else item.key in labels and item.operator == "Exists"
        for item in selector.requirements
    )


def _validated(guard: Guard, names: dict[str, Any]) -> bool:
    """Whether some validation cannot come out true."""
    values: dict[str, Any] = {}
    names = {**names, "variables": Fields(values, more=False)}
    for variable in items(guard.spec.get("variables")):
        values[str(variable.get("name"))] = value_of(variable.get("expression"), names)
    results = (outcome(item.get("expression"), names) for item in items(guard.spec.get("validations")))
    return any(not result.true and not result.other for result in results)


def _only_true(result: Anything) -> bool:
    return result.true and not (result.false or result.error or result.other)


def seen(request: Request, about: About, space: Any, namespace_open: bool) -> dict[str, Any]:
    """Return what expressions see of requests about an object of which something is known, all else left open.

    Args:
        request: one of the requests.
        about: what is known of the object.
        space: the namespace, all of it known.
        namespace_open: whether the tenant may change labels or annotations of the namespace.
    """
    asked = lift(request.variables()["request"])
    # Names are the requester's to choose.
    asked = Fields({**asked.known, "name": ANY_TEXT, "options": ANYTHING}, more=False)
    if namespace_open and isinstance(space, Fields):
        metadata = space.known.get("metadata")
        fixed = metadata.known if isinstance(metadata, Fields) else {}
        named = Fields({key: value for key, value in fixed.items() if key == "name"})
        space = Fields({**space.known, "metadata": named})
    return {
        "object": None if request.operation == "DELETE" else about.known,
        "oldObject": about.known if request.operation == "DELETE" else about.old,
        "namespaceObject": space,
        "request": asked,
        "variables": Fields({}, more=False),
        "params": None,
    }


# --- what is left of a refusal ----------------------------------------------------------------------------------------


def by_itself(said: Admission) -> bool:
    """Whether something refuses an object that looks at nothing but what is wrong with it."""
    return said.refused and (said.by is None or said.by.kind in {"Namespace", "SecurityContextConstraints"})


def by_its_namespace(said: Admission, namespace: str) -> Admission:
    """Return what is left of a refusal that rests on a namespace the tenant may change."""
    reason = f"{said.reason}; it looks at namespace {namespace}, which the tenant may change"
    how = "freeze what it looks at by an admission policy, or take the right to change namespaces away"
    return replace(said, answer=Answer.UNKNOWN, reason=reason, missing=(Missing(f"what {said.by} refuses", how),))


def unless_more_is_said(said: Admission) -> Admission:
    """Return what is left of a refusal of one object where others like it may be let in."""
    reason = f"{said.reason}; it may let in one that says something else too"
    how = f"write {said.by} such that it looks at nothing but what it refuses"
    return replace(said, answer=Answer.UNKNOWN, reason=reason, missing=(Missing(f"what {said.by} refuses", how),))


# --- what guards look at ----------------------------------------------------------------------------------------------

_LOOKS = frozenset({"_[_]", "_[?_]", "_?._"})


def words_of(guard: Guard) -> Iterator[tuple[str, bool]]:
    """Yield the texts in the expressions of a guard, each with whether something is looked up by it."""
    for expression in _expressions(guard):
        node = tree_of(expression)
        if node is None:
            continue
        for part in walk(node):
            if isinstance(part, Call):
                yield from _words(part)
            elif isinstance(part, Const) and isinstance(part.value, str):
                yield part.value, False


def _words(call: Call) -> Iterator[tuple[str, bool]]:
    place = {"@in": 0}.get(call.function, 1 if call.function in _LOOKS else -1)
    if 0 <= place < len(call.arguments):
        key: Node = call.arguments[place]
        if isinstance(key, Const) and isinstance(key.value, str):
            yield key.value, True


def _expressions(guard: Guard) -> Iterable[str]:
    for part in ("matchConditions", "variables", "validations"):
        for item in items(guard.spec.get(part)):
            if isinstance(item.get("expression"), str):
                yield item["expression"]


# --- what an object is about ------------------------------------------------------------------------------------------

_MISSING: Any = object()

# Fields that mean something by what they leave out: a toleration without a key tolerates everything.
_MEANT_WHOLE = {"tolerations": frozenset({"key", "operator", "value", "effect"})}


def about_kind(body: Body, *, operation: str = "CREATE", named: bool = False) -> About:
    """Ask about any object of a kind in a namespace; with ``named`` about the one of its name."""
    kept = {"namespace", "name"} if named else {"namespace"}
    metadata = Fields({key: value for key, value in mapping(body.get("metadata")).items() if key in kept})
    known = Fields({"apiVersion": body.get("apiVersion"), "kind": body.get("kind"), "metadata": metadata})
    return About(known, known if operation == "UPDATE" else None)


def about_body(body: Body, *, exact: bool = False, named: bool = False) -> About:
    """Ask about any object that says what this one says, under whatever name, and whatever else it says.

    Args:
        body: the object.
        exact: whether it means something by what its spec leaves out; then only metadata is left open.
        named: whether it means something by its name; then that is known, too.
    """
    body = unsaid(body)
    metadata = Fields({key: opened(value) for key, value in mapping(body.get("metadata")).items() if key != "name"})
    if named:
        metadata = Fields({**metadata.known, "name": mapping(body.get("metadata")).get("name")})
    if exact:
        fixed = {key: lift(value) for key, value in body.items() if key != "metadata"}
        return About(Fields({**fixed, "metadata": metadata}, more=False))
    return About(Fields({**{key: opened(value, key) for key, value in body.items()}, "metadata": metadata}))


def about_change(base: Body, body: Body, old: Body | None = None) -> About:
    """Ask about any object with what was added to a plain one, whatever else it says.

    Args:
        base: the plain object.
        body: the object with what was added.
        old: the object before, for an update of which everything is known.
    """
    added = _added(base, unsaid(body))
    known = {"apiVersion": body.get("apiVersion"), "kind": body.get("kind")}
    before = lift(old) if old is not None else None
    return About(Fields({**known, **(added.known if isinstance(added, Fields) else {})}), before)


def _added(base: Any, value: Any) -> Any:
    """Return what a value has that a base has not; ``_MISSING`` when there is nothing."""
    if isinstance(base, dict) and isinstance(value, dict):
        found = {
            key: item
            for key, below in value.items()
            for item in [
                opened(below, key)
                if key in _MEANT_WHOLE and below != base.get(key)
                else _added(base.get(key, _MISSING), below)
            ]
            if item is not _MISSING
        }
        return Fields(found) if found else _MISSING
    if isinstance(base, list) and isinstance(value, list):
        pairs = zip_longest(base[: len(value)], value, fillvalue=_MISSING)
        items_added = tuple(item for item in (_added(one, other) for one, other in pairs) if item is not _MISSING)
        return Items(items_added) if items_added else _MISSING
    if base is not _MISSING and base == value and type(base) is type(value):
        return _MISSING
    return opened(value)


def opened(value: Any, key: str = "") -> Any:
    """Return data of which is known what it says, and which may say more."""
    if isinstance(value, dict):
        whole = _MEANT_WHOLE.get(key, frozenset()) - value.keys()
        return Fields({name: opened(item, name) for name, item in value.items()}, absent=whole)
    if isinstance(value, list):
        # An empty list says that there is nothing.
        return Items(tuple(opened(item, key) for item in value), more=bool(value))
    return value


def about_labels(namespace: str, labels: Mapping[str, object]) -> About:
    """Ask about any pod with some labels."""
    return About(_pod(namespace, Fields(dict(labels))))


def about_relabelling(namespace: str, labels: Mapping[str, object]) -> Iterator[About]:
    """Ask about any change by which a pod comes to have labels: before, it lacked one of them or had another value.

    Of a label with :data:`ANY_TEXT` for a value it lacked the key.
    """
    new = _pod(namespace, Fields(dict(labels)))
    for key, value in labels.items():
        yield About(new, _pod(namespace, Fields({}, absent=frozenset({key}))))
        yield About(new, _pod(namespace, None))
        if isinstance(value, str):
            yield About(new, _pod(namespace, Fields({key: Other(frozenset({value}))})))


def _pod(namespace: str, labels: Fields | None) -> Fields:
    given = {"namespace": namespace, **({} if labels is None else {"labels": labels})}
    metadata = Fields(given, absent=frozenset({"labels"} if labels is None else ()))
    return Fields({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
