"""Analyses that views of the same objects have in common, at whatever strength they are looked at."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.safe.view import View

Analysis = TypeVar("Analysis")


def once(make: Callable[[View], Analysis]) -> Callable[[View], Analysis]:
    """Return a function that makes something of the objects of a view once; what it makes must not keep the view."""
    known: WeakKeyDictionary[object, Analysis] = WeakKeyDictionary()

    @wraps(make)
    def of(view: View) -> Analysis:
        # Views of the same objects share what admission knows.
        if view.admitter not in known:
            known[view.admitter] = make(view)
        return known[view.admitter]

    return of
