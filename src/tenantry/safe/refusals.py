"""Whether admission refuses every object with some part, whatever else the object says.

One object that is refused proves nothing about others: a guard may let in with another label, name or image what it
refuses without. Here the guards are evaluated on what an object has for certain, with everything else left open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantry.safe.admission import Guard, GuardBook, Request, items
from tenantry.safe.answer import Admission
from tenantry.safe.cel_tree import Call, Const, Node, tree_of, walk
from tenantry.safe.partial import ANYTHING, Anything, Fields, Other, lift, outcome, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenantry.model.selector import Selector

ANY_TEXT = Other(frozenset())

NOBODY_NAMED = "member of "
"""Start of the user name of a member of a group, of whom no name is known."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a request besides what any request of its kind says.

    Attributes:
        body: the new object.
        old: the object before; None for a creation.
        labels: labels the new object has for certain.
        namespace_open: whether the tenant may change labels or annotations of the namespace.
    """

    body: Fields
    old: Fields | None
    labels: Mapping[str, object]
    namespace_open: bool = False


def refuses(book: GuardBook, guard: Guard, request: Request, known: Known) -> bool:
    """Whether a guard refuses every request of which something is known, asked by the user of ``request``."""
    if guard.spec.get("failurePolicy", "Fail") == "Ignore" or guard.excused_names:
        return False
    if not all(_selected(selector, known.labels) for selector in guard.object_selectors):
        return False
    names = _names(request, known)
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


def _names(request: Request, known: Known) -> dict[str, Any]:
    told = request.variables()
    asked = lift(told["request"])
    user = asked.known["userInfo"]
    if request.user.username.startswith(NOBODY_NAMED):
        user = Fields({**user.known, "username": ANY_TEXT}, more=False)
    # Names are the requester's to choose.
    asked = Fields({**asked.known, "name": ANY_TEXT, "options": ANYTHING, "userInfo": user}, more=False)
    space = lift(told["namespaceObject"])
    if known.namespace_open and isinstance(space, Fields):
        metadata = space.known.get("metadata")
        fixed = metadata.known if isinstance(metadata, Fields) else {}
        named = Fields({key: value for key, value in fixed.items() if key == "name"})
        space = Fields({**space.known, "metadata": named})
    return {
        "object": known.body,
        "oldObject": known.old,
        "namespaceObject": space,
        "request": asked,
        "variables": Fields({}, more=False),
        "params": None,
    }


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


def known_pod(namespace: str, labels: Mapping[str, object]) -> Fields:
    """Return what is known of any pod with some labels."""
    return _pod(namespace, Fields(dict(labels)))


def pods_without(namespace: str, key: str, value: object) -> Iterator[Fields]:
    """Yield what is known of any pod that has not some label: it lacks the key, or has another value.

    With :data:`ANY_TEXT` for a value only those that lack the key.
    """
    yield _pod(namespace, Fields({}, absent=frozenset({key})))
    yield _pod(namespace, None)
    if isinstance(value, str):
        yield _pod(namespace, Fields({key: Other(frozenset({value}))}))


def _pod(namespace: str, labels: Fields | None) -> Fields:
    given = {"namespace": namespace, **({} if labels is None else {"labels": labels})}
    metadata = Fields(given, absent=frozenset({"labels"} if labels is None else ()))
    return Fields({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
