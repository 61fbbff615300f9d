"""What all documents share: strict models, the envelope, and the string types with their patterns."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

API_VERSION = "tenantry.dev/v1alpha1"

# RFC 1123 label, as Kubernetes requires of namespaces and of most names; no path separators, so that a name can
# become a file or folder name without escaping the tree.
LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

# In an address of HTTP a user name is a token as often as not; SSH needs one.
URL_PATTERN = (
    r"^(https?|oci|git)://[^\s/@]+(/[^\s@]*)?$|^ssh://([^\s/@:]+@)?[^\s/@]+/[^\s@]*$|^[^\s/@:]+@[^\s:@/]+:[^\s]+$"
)
EMAIL_PATTERN = r"^[^@\s,;:<>()\[\]]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"

# No part is "." or "..", which would lead elsewhere.
FOLDER_PATTERN = r"^(\.?[A-Za-z0-9_-][A-Za-z0-9_.-]*(/\.?[A-Za-z0-9_-][A-Za-z0-9_.-]*)*)?$"
REVISION_PATTERN = r"^[^\s~^:?*\[\\\x00-\x1f]+$"

Name = Annotated[str, Field(pattern=LABEL_PATTERN, max_length=63)]
"""Lower-case letters, digits and hyphens; at most 63 characters (an RFC 1123 label)."""

ShortName = Annotated[str, Field(pattern=LABEL_PATTERN, max_length=40)]
"""Like ``Name`` with at most 40 characters: it is joined with others into names of 63."""

Host = Annotated[
    str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253)
]
"""A Kubernetes node name (RFC 1123 subdomain)."""

Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
"""A whole number of things, zero allowed."""

Positive = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
"""A whole number of things, at least one."""

Flag = Annotated[bool, Field(strict=True)]
"""true or false."""

QuantityText = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$")]
"""A Kubernetes quantity such as ``500m``, ``64`` (quoted) or ``2Ti``."""

Version = Annotated[str, Field(pattern=r"^v?[0-9]+(\.[0-9]+){0,3}([-+][0-9A-Za-z.+-]+)?$")]
"""A version such as ``26.7.0``; quoted, since YAML would read 4.20 as the number 4.2."""

Url = Annotated[str, Field(pattern=URL_PATTERN)]
"""A repository address without credentials; the user name of SSH is none."""

WebUrl = Annotated[str, Field(pattern=r"^https?://[^\s/@]+(/[^\s@]*)?$")]
"""An address of a web service without credentials."""

GroupText = Annotated[str, Field(pattern=r"^[^\s:]([^\x00-\x1f\x7f]*[^\s])?$", max_length=253)]
"""A group of the identity provider as it appears in tokens: one line of text."""


def _date_only(value: Any) -> Any:
    # Pydantic would also take a number of seconds, and a time of day.
    if isinstance(value, date) or (isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value)):
        return value
    raise PydanticCustomError("date_type", "a date is needed")


Day = Annotated[date, BeforeValidator(_date_only)]
"""A day such as ``2027-06-30``."""

PrefixText = Annotated[str, Field(pattern=r"^[0-9a-fA-F:.]+/[0-9]{1,3}$")]
"""An IP prefix such as ``10.20.0.0/16``."""

DurationText = Annotated[str, Field(pattern=r"^([0-9]+(h|m|s))+$")]
"""A duration such as ``8h`` or ``1h30m``."""


class SpecModel(BaseModel):
    """Base of everything a user writes: unknown fields are refused, values are immutable, names are camelCase."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        # Field errors name what the user wrote, so values are not repeated by pydantic.
        hide_input_in_errors=True,
    )


class Metadata(SpecModel):
    """Name and free annotations of a document."""

    name: Name
    """Identifies the document among those of its kind."""
    annotations: dict[str, str] = {}
    """Free notes; not compiled into manifests."""


class Document(SpecModel):
    """The envelope: API version, kind and metadata."""

    api_version: Literal["tenantry.dev/v1alpha1"]
    """Always ``tenantry.dev/v1alpha1``."""
    metadata: Metadata
    """Name and annotations."""

    @property
    def name(self) -> str:
        """Name of the document."""
        return self.metadata.name
