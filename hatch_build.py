"""Build hook: make the bundle of Kubernetes' own schemas that the wheel carries.

The schemas come from the package ``kubernetes-validate``, which holds the OpenAPI definitions of every Kubernetes
minor as JSON (118 MB). Descriptions are dropped, definitions that several minors share are kept once, and the rest is
compressed to a fraction of a megabyte. The package is needed to build, never to run.

The bundle is text, one JSON value per line: first the index
``{"source": ..., "minors": {minor: {definition name: line}}}`` with 0-based line numbers counted after the index, then
the definitions. Same input, same bytes.
"""

from __future__ import annotations

import json
import lzma
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLE = Path("src/tenantry/catalog/data/kubernetes.json.xz")
PACKAGE = "kubernetes-validate"
OLDEST_MINOR = 29  # oldest minor of an OpenShift release with extended support (4.16)

KEPT = (
    "type",
    "format",
    "required",
    "enum",
    "x-kubernetes-group-version-kind",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
)

# The package closes objects that list their properties. These list none because anything may stand in them; every other
# object without properties is an empty struct.
OPEN = (
    "io.k8s.apimachinery.pkg.runtime.RawExtension",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
)
REPLACED = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"x-kubernetes-int-or-string": True},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["number", "string"], "format": "quantity"},
}


class SchemaBundleHook(BuildHookInterface):
    """Write the bundle before a wheel or an editable install is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the bundle, unless the source package is absent and a bundle is there already.

        Args:
            version: ``standard`` or ``editable``; both need the bundle.
            build_data: unused; the file is picked up as an artifact.
        """
        target = Path(self.root) / BUNDLE
        if find_spec("kubernetes_validate") is None and target.is_file():
            return
        write_bundle(target)


def write_bundle(target: Path) -> None:
    """Write the bundle to ``target``; a file with the same content is left untouched."""
    content = bundle()
    if not target.is_file() or target.read_bytes() != content:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def bundle() -> bytes:
    """Read all minors and return the compressed bundle."""
    minors = {name: _simplified(definitions) for name, definitions in _definitions().items()}
    newest = list(minors.values())[-1]
    lines: dict[str, int] = {}
    index: dict[str, dict[str, int]] = {}
    for minor, definitions in minors.items():
        index[minor] = {}
        for name, schema in sorted(definitions.items()):
            _inherit(schema, newest.get(name, {}))
            text = _json(schema)
            index[minor][name] = lines.setdefault(text, len(lines))
    head = _json({"source": f"{PACKAGE} {metadata.version(PACKAGE)}", "minors": index})
    text = "\n".join([head, *lines]) + "\n"
    return lzma.compress(text.encode(), format=lzma.FORMAT_XZ, preset=6)


def _definitions() -> dict[str, dict[str, Any]]:
    spec = find_spec("kubernetes_validate")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"building Tenantry needs the package {PACKAGE}")
    root = Path(next(iter(spec.submodule_search_locations))) / "kubernetes-json-schema"
    found = {}
    for folder in root.glob("v1.*.0-local-strict"):
        minor = int(folder.name.split(".")[1])
        if minor >= OLDEST_MINOR:
            found[minor] = json.loads((folder / "_definitions.json").read_text())["$defs"]
    return {f"1.{minor}": found[minor] for minor in sorted(found)}


def _simplified(definitions: dict[str, Any]) -> dict[str, Any]:
    result = {name: REPLACED.get(name) or _schema(schema) for name, schema in definitions.items()}
    for name, schema in result.items():
        if schema.get("type") == "object" and "properties" not in schema and name not in OPEN:
            schema.setdefault("additionalProperties", False)
    return result


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return {"$ref": schema["$ref"].rpartition("/")[2]}
    kept = {key: schema[key] for key in KEPT if key in schema}
    # The package allows null everywhere; whether null may stand somewhere is decided by whether the field is required.
    if isinstance(kept.get("type"), list):
        kept["type"] = next(name for name in kept["type"] if name != "null")
    if "properties" in schema:
        kept["properties"] = {name: _schema(value) for name, value in schema["properties"].items()}
    if "items" in schema:
        kept["items"] = _schema(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = _schema(schema["additionalProperties"])
    elif "properties" in schema:
        kept["additionalProperties"] = False
    return kept


def _inherit(schema: dict[str, Any], newest: dict[str, Any]) -> None:
    """Take from the newest minor what older ones treated alike but published wrongly or not at all.

    Older minors publish no list types, and call fields required whose empty value their server accepts, such as
    ``serviceName`` of a StatefulSet and ``podSelector`` of a NetworkPolicy.
    """
    fields = schema.get("properties", {})
    if newest:
        required = [name for name in newest.get("required", ()) if name in fields]
        schema.pop("required", None)
        schema.update({"required": required} if required else {})
    for name, field in fields.items():
        for key in ("x-kubernetes-list-type", "x-kubernetes-list-map-keys"):
            value = newest.get("properties", {}).get(name, {}).get(key)
            if value is not None and field.get("type") == "array":
                field.setdefault(key, value)


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
