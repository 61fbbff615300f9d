"""Names and namespaces: what the API server asks of ``metadata`` besides its schema."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tenantry.model.finding import Severity
from tenantry.model.manifest import Body
from tenantry.schema import formats, rules
from tenantry.schema.issue import SchemaIssue

_PATH = re.compile(r"(?!\.\.?$)[^/%]+")

# Source: apimachinery, pkg/util/validation/validation.go; pkg/api/validation/path/name.go.
_ENDS = "beginning and ending with a letter or digit"
_FORMS = {
    "": (formats.SUBDOMAIN, 253, f"at most 253 lower-case letters, digits, '-' and '.', each part {_ENDS}"),
    "label": (formats.LABEL, 63, f"at most 63 lower-case letters, digits and '-', {_ENDS}"),
    "service": (formats.SERVICE, 63, "at most 63 lower-case letters, digits and '-', beginning with a letter"),
    "path": (_PATH, 4096, "characters without '/' and '%'"),
}


def identity_issues(body: Body, *, form: str, namespaced: bool | None) -> Iterator[SchemaIssue]:
    """Check name and namespace of an object.

    Args:
        body: the object; a name that is no text is left to the schema.
        form: how names of this kind are checked: empty for a DNS subdomain, ``label``, ``service`` or ``path``.
        namespaced: whether objects of this kind have a namespace; None if that is not known.
    """
    metadata = body.get("metadata")
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, dict):
        return
    yield from _name(metadata, form)
    namespace = metadata.get("namespace")
    if namespaced is False and namespace:
        yield SchemaIssue(
            rules.SCOPE,
            ("metadata", "namespace"),
            f"{body.get('kind')} is outside every namespace, so namespace '{namespace}' has no effect",
            Severity.WARNING,
            found=str(namespace),
            fix="remove metadata.namespace",
        )
    elif isinstance(namespace, str) and namespace and not _fits(namespace, "label"):
        yield _bad_name(namespace, "label", "namespace")


def _name(metadata: Body, form: str) -> Iterator[SchemaIssue]:
    name, prefix = metadata.get("name"), metadata.get("generateName")
    # Five characters are put behind it, and what ends in a dash may do so.
    if isinstance(prefix, str) and prefix and not _fits(f"{prefix[:-1]}a" if prefix.endswith("-") else prefix, form):
        yield _bad_name(prefix, form, "generateName")
    if name is None or name == "":
        if not metadata.get("generateName"):
            yield SchemaIssue(
                rules.NAME,
                ("metadata", "name"),
                "the object has no name: the API server refuses it",
                expected="metadata.name or metadata.generateName",
                fix="add metadata.name",
            )
    elif isinstance(name, str) and not _fits(name, form):
        yield _bad_name(name, form, "name")


def _fits(name: str, form: str) -> bool:
    pattern, longest, _ = _FORMS[form]
    return len(name) <= longest and pattern.fullmatch(name) is not None


def _bad_name(name: str, form: str, field: str) -> SchemaIssue:
    words = _FORMS[form][2]
    return SchemaIssue(
        rules.NAME,
        ("metadata", field),
        f"'{name}' cannot be the {field}, which must be {words}: the API server refuses the object",
        expected=words,
        found=name,
    )
