"""Turn structural schemas into JSON Schema that refuses what the API server refuses.

The server drops or refuses unknown fields, applies defaults before it validates, and reads OpenAPI v3 keywords; JSON
Schema does none of that by itself.
Source: apiextensions-apiserver, pkg/apiserver/schema/{pruning,defaulting,objectmeta}.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tenantry.schema import formats, rules

Schema = dict[str, Any]

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
RULE = "x-tenantry-rule"
"""Keyword that says which rule a violation below it belongs to; JSON Schema ignores it."""
PRESERVE = "x-kubernetes-preserve-unknown-fields"
KEYS = "x-kubernetes-list-map-keys"
KEY_DEFAULTS = "x-tenantry-key-defaults"
DEFAULTED = "x-tenantry-defaulted"
"""Keyword that says that the field has a default, which the server also puts in the place of a null."""

_COPIED = (
    *("enum", "pattern", "minLength", "maxLength", "multipleOf"),
    *("minItems", "maxItems", "minProperties", "maxProperties"),
)
_NOT_IN_PATCHES = ("minItems", "minProperties", "minLength")
_LOGIC = ("allOf", "anyOf", "oneOf")
_ANYTHING_OF_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]

_QUALIFIED = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
)
_QUALIFIED_LENGTHS = r"^([^/]{1,253}/)?[^/]{1,63}$"
LABEL_KEY: Schema = {RULE: rules.LABEL, "pattern": _QUALIFIED, "allOf": [{"pattern": _QUALIFIED_LENGTHS}]}
# The server lowers the case of annotation keys before it checks them.
ANNOTATION_KEY: Schema = {
    RULE: rules.LABEL,
    "pattern": _QUALIFIED.replace("[a-z0-9]", "[A-Za-z0-9]").replace("[-a-z0-9]", "[-A-Za-z0-9]"),
    "allOf": [{"pattern": _QUALIFIED_LENGTHS}],
}
LABEL_VALUE: Schema = {
    RULE: rules.LABEL,
    "type": "string",
    "pattern": "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
    "maxLength": 63,
}
LABELS: Schema = {"type": "object", "propertyNames": LABEL_KEY, "additionalProperties": LABEL_VALUE}
ANNOTATIONS: Schema = {
    "type": "object",
    "propertyNames": ANNOTATION_KEY,
    "additionalProperties": {RULE: rules.LABEL, "type": "string"},
}

_CONFIG_KEY: Schema = {"format": f"{formats.PREFIX}kubernetes-config-key", "minLength": 1}
_TEXTS: Schema = {"type": "object", "propertyNames": _CONFIG_KEY, "additionalProperties": {"type": "string"}}
_BYTES: Schema = {
    **_TEXTS,
    "additionalProperties": {"type": "string", "format": f"{formats.PREFIX}byte"},
}

# Fields of Kubernetes' own definitions that hold maps whose keys have a form.
_MAP_FIELDS = {
    OBJECT_META: {"labels": LABELS, "annotations": ANNOTATIONS},
    "io.k8s.api.core.v1.ConfigMap": {"data": _TEXTS, "binaryData": _BYTES},
    "io.k8s.api.core.v1.Secret": {"data": _BYTES, "stringData": _TEXTS},
    "io.k8s.api.core.v1.ServiceSpec": {"selector": LABELS},
    "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector": {"matchLabels": LABELS},
    "io.k8s.api.core.v1.PodSpec": {"nodeSelector": LABELS},
}


class Closer:
    """Closes schemas; one per way of checking.

    Args:
        definitions: Kubernetes' own definitions, for ``metadata`` and native kinds; may be empty.
        key_defaults: value of a list-map key that native objects may leave out.
        partial: for patches: nothing is required, and directives such as ``$patch`` are allowed.
        prune: whether unknown fields are refused; a CRD may keep them.
    """

    def __init__(
        self,
        definitions: Mapping[str, Schema],
        key_defaults: Mapping[str, str] | None = None,
        *,
        partial: bool = False,
        prune: bool = True,
    ) -> None:
        self._definitions = definitions
        self._key_defaults = dict(key_defaults or {})
        self._partial = partial
        self._prune = prune

    def custom(self, schema: Schema, *, status_ignored: bool = False) -> Schema:
        """Close the schema of a custom resource version.

        Args:
            schema: ``openAPIV3Schema``.
            status_ignored: the version has the status subresource, so ``status`` is dropped on create and only its
                field names are checked.
        """
        closed = self._node({**schema, "type": "object"})
        given = schema.get("properties", {})
        if status_ignored and "status" in given:
            closed["properties"]["status"] = self._bare(given["status"])
            closed["required"] = [name for name in closed.get("required", ()) if name != "status"]
        self._embed(closed, given)
        return self._with_definitions(closed)

    def native(self, name: str) -> Schema:
        """Close a native kind, given the name of its definition."""
        return self._with_definitions({"$ref": f"#/$defs/{name}"})

    def _node(self, schema: Schema) -> Schema:
        out: Schema = {}
        self._values(schema, out)
        if "default" in schema:
            out[DEFAULTED] = True
        properties = schema.get("properties")
        if properties is not None:
            out["properties"] = {name: self._node(value) for name, value in properties.items()}
        if isinstance(schema.get("items"), dict):
            out["items"] = self._node(schema["items"])
        self._lists(schema, out)
        self._close(schema, out)
        if schema.get("x-kubernetes-embedded-resource"):
            self._embed(out, properties or {})
            if not self._partial:
                out["required"] = sorted({*out.get("required", ()), "apiVersion", "kind"})
        if "$ref" in schema:
            out["$ref"] = f"#/$defs/{schema['$ref']}"
        return out

    def _values(self, schema: Schema, out: Schema) -> None:
        """Copy everything that constrains a value, in JSON Schema's words."""
        self._type(schema, out)
        for keyword in _COPIED:
            if keyword in schema and not (self._partial and keyword in _NOT_IN_PATCHES):
                out[keyword] = schema[keyword]
        if schema.get("nullable") and "enum" in out:
            out["enum"] = [*out["enum"], None]
        _bounds(schema, out)
        if self._partial:
            return
        required = [name for name in schema.get("required", ()) if not _has_default(schema, name)]
        if required:
            out["required"] = required
        for keyword in _LOGIC:
            branches = schema.get(keyword)
            if branches and not (schema.get("x-kubernetes-int-or-string") and branches == _ANYTHING_OF_INT_OR_STRING):
                out[keyword] = [_logic(branch) for branch in branches]
        if "not" in schema:
            out["not"] = _logic(schema["not"])

    @staticmethod
    def _type(schema: Schema, out: Schema) -> None:
        kind = schema.get("type")
        if schema.get("x-kubernetes-int-or-string"):
            out["type"] = ["integer", "string"]
        elif kind:
            out["type"] = kind
        if schema.get("nullable") and "type" in out:
            out["type"] = [*(out["type"] if isinstance(out["type"], list) else [out["type"]]), "null"]

    def _lists(self, schema: Schema, out: Schema) -> None:
        if schema.get("x-kubernetes-list-type") == "set":
            out["uniqueItems"] = True
        keys = schema.get(KEYS)
        if keys:
            out[KEYS] = list(keys)
            fields = schema.get("items", {}).get("properties", {})
            defaults = {key: fields[key]["default"] for key in keys if "default" in fields.get(key, {})}
            if "$ref" in schema.get("items", {}):
                defaults = {key: self._key_defaults[key] for key in keys if key in self._key_defaults}
                if schema["items"]["$ref"].endswith(".LocalObjectReference"):
                    defaults["name"] = ""
            out[KEY_DEFAULTS] = defaults

    def _close(self, schema: Schema, out: Schema) -> None:
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            out["additionalProperties"] = self._node(extra)
        elif extra is True or schema.get(PRESERVE) or not self._prune:
            return
        # An object for which nothing is listed keeps nothing: pruning empties it.
        elif extra is False or schema.get("type") == "object" or "properties" in schema:
            out["additionalProperties"] = False
            out.setdefault("properties", {})  # without it the validator does not name the unknown field
            if self._partial:
                out["patternProperties"] = {r"^\$": True}

    def _bare(self, schema: Schema) -> Schema:
        """Keep only field names: what a client may write into a part that the server then ignores."""
        out: Schema = {}
        if "properties" in schema:
            out["properties"] = {name: self._bare(value) for name, value in schema["properties"].items()}
        if isinstance(schema.get("items"), dict):
            out["items"] = self._bare(schema["items"])
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            out["additionalProperties"] = self._bare(extra)
        elif "properties" in schema and not extra and not schema.get(PRESERVE):
            out["additionalProperties"] = False
        return out

    def _embed(self, out: Schema, given: Schema) -> None:
        """Add what every object has: apiVersion, kind and metadata, the latter also as the CRD restricts it."""
        properties = out.setdefault("properties", {})
        properties["apiVersion"] = {"type": "string"}
        properties["kind"] = {"type": "string"}
        metadata: Schema = (
            {"$ref": f"#/$defs/{OBJECT_META}"} if OBJECT_META in self._definitions else {"type": "object"}
        )
        restricted = _logic(given.get("metadata", {}))
        restricted.pop("type", None)
        if restricted and not self._partial:
            metadata["allOf"] = [restricted]
        properties["metadata"] = metadata

    def _with_definitions(self, schema: Schema) -> Schema:
        """Add the definitions the schema refers to, directly or not."""
        found: dict[str, Schema] = {}
        waiting = [schema]
        while waiting:
            for name in sorted(_references(waiting.pop())):
                if name not in found:
                    found[name] = self._definition(name)
                    waiting.append(found[name])
        return {**schema, "$defs": found} if found else schema

    def _definition(self, name: str) -> Schema:
        definition = self._definitions.get(name, {})
        if "properties" not in definition and "additionalProperties" not in definition:
            definition = {**definition, PRESERVE: True}  # native objects are not pruned: these hold anything
        closed = self._node(definition)
        for field, schema in _MAP_FIELDS.get(name, {}).items():
            if field in closed.get("properties", {}):
                closed["properties"][field] = copy.deepcopy(schema)
        return closed


def _has_default(schema: Schema, name: str) -> bool:
    return "default" in schema.get("properties", {}).get(name, {})


def _bounds(schema: Schema, out: Schema) -> None:
    """Translate bounds: OpenAPI says ``exclusiveMinimum: true`` where JSON Schema repeats the number."""
    for end, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if end in schema:
            out[exclusive if schema.get(exclusive) is True else end] = schema[end]
    form = schema.get("format")
    if form in formats.INTEGER_BOUNDS and schema.get("type", "integer") == "integer":
        low, high = formats.INTEGER_BOUNDS[form]
        out["minimum"] = max(low, out.get("minimum", low))
        out["maximum"] = min(high, out.get("maximum", high))
    elif schema.get("type") == "integer" or schema.get("x-kubernetes-int-or-string"):
        # What does not fit is read as a floating-point number, which is none of these.
        low, high = formats.INTEGER_BOUNDS["int64"]
        out["minimum"] = max(low, out.get("minimum", low))
        out["maximum"] = min(high, out.get("maximum", high))
    elif form in formats.CHECKS:
        out["format"] = formats.PREFIX + form


def _logic(schema: Schema) -> Schema:
    """Translate a value validation (a branch of ``anyOf`` and the like); such branches never close an object."""
    out: Schema = {keyword: schema[keyword] for keyword in (*_COPIED, "type", "required") if keyword in schema}
    _bounds(schema, out)
    for keyword in _LOGIC:
        if keyword in schema:
            out[keyword] = [_logic(branch) for branch in schema[keyword]]
    if "not" in schema:
        out["not"] = _logic(schema["not"])
    if "properties" in schema:
        out["properties"] = {name: _logic(value) for name, value in schema["properties"].items()}
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            out[keyword] = _logic(schema[keyword])
    return out


def _references(schema: object) -> set[str]:
    found: set[str] = set()
    waiting: list[object] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str):
                found.add(reference.removeprefix("#/$defs/"))
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return found
