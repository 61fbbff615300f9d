"""The accessors of unchecked values under the names the rules of this engine use."""

from tenantry.model.reading import (
    amount,
    annotations_of,
    at,
    copied,
    from_json,
    items,
    mapping,
    number,
    positive,
    text,
    texts,
    walk,
)
from tenantry.model.reading import labels as labels_of
from tenantry.model.reading import string_map as strings

__all__ = [
    "amount",
    "annotations_of",
    "at",
    "copied",
    "from_json",
    "items",
    "labels_of",
    "mapping",
    "number",
    "positive",
    "strings",
    "text",
    "texts",
    "walk",
]
