"""Reads manifests of any origin: ours, a published sample, a whole repository.

What is no manifest is told apart from what is a broken one: Helm values and charts, kustomizations, JSON patches and
other configuration are passed over with a note at most, since a repository of manifests holds them rightfully.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tenantry.errors import InputError, YamlError
from tenantry.io.kustomize import FILE_NAMES, References, is_kustomization
from tenantry.io.tree import INVENTORY, is_inventory
from tenantry.io.walk import Walk, shown
from tenantry.io.yaml_marks import MarkedDocument, load_with_marks
from tenantry.io.yaml_read import DEFAULT, DialectError, Limits, YamlDocument, load_documents, read_file
from tenantry.model.finding import Finding, Severity, Verdict
from tenantry.model.manifest import Manifest
from tenantry.model.problem import DocPath, Location

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES: Final = (".yaml", ".yml", ".json")
"""Endings of files that are read in folders; a file named by the user is read whatever its ending."""

_CHART: Final = frozenset(("Chart.yaml", "Chart.lock", "requirements.yaml"))
_PATCH_OPERATIONS: Final = frozenset(("add", "remove", "replace", "move", "copy", "test"))
_PATCH_NAME: Final = re.compile(r"(^|[-_.])patch([-_.]|$)")
# A line that begins with an action of a Go or Jinja template, or has one for an unquoted value. Actions that begin with
# a dollar sign are those of alerts, where an unquoted one is a mistake.
_TEMPLATE: Final = re.compile(rb"^\s*(?:-\s+)?(?:[\w./-]+:\s+)?\{\{-?\s*[A-Za-z.\"/(]", re.MULTILINE)


@dataclass(frozen=True)
class ManifestSet:
    """What was read.

    Attributes:
        manifests: in the order of the paths given, folders by name, documents by position; items of Lists one by one.
        findings: what could not be read or is no manifest, in the order of :meth:`Finding.sort_key`.
        partial: those of ``manifests`` that are kustomize patches, by identity: ``manifest in partial``.
        files_read: number of files read.
    """

    manifests: tuple[Manifest, ...]
    findings: tuple[Finding, ...]
    partial: frozenset[Manifest]
    files_read: int


def read_manifests(paths: Sequence[Path], *, limits: Limits = DEFAULT) -> ManifestSet:
    """Read every manifest in the files and folders given.

    Folders are read recursively in order of name, without hidden entries and without the ``templates`` of Helm charts.
    Symbolic links are followed, each file once.

    Args:
        paths: files and folders; findings name files relative to them as given.
        limits: what is read at most of one file.

    Raises:
        InputError: if a path does not exist; names all that do not.
    """
    missing = [str(path) for path in paths if not path.exists() and not path.is_symlink()]
    if missing:
        raise InputError(f"{', '.join(missing)}: no such file or folder")
    reader = _Reader(limits=limits)
    walk = Walk(wanted=_wanted, enter=reader.enter)
    for path in paths:
        if path.is_dir():
            if reader.enter(path.absolute(), named=path):
                walk.add_folder(path)
        else:
            walk.add_file(path)
    for problem in walk.problems:
        rule = "LINT-SYMLINK-LOOP" if problem.loop else "LINT-UNREADABLE"
        reader.find(rule, Severity.ERROR, Location(shown(problem.path)), f"{shown(problem.path)} {problem.reason}")
    files = [_File.read(path, reader) for path in walk.files]
    for item in (*files, *_around(paths, reader)):
        item.references(reader.named)
    for item in files:
        reader.take(item)
    return ManifestSet(
        manifests=tuple(reader.manifests),
        findings=tuple(sorted(reader.findings, key=Finding.sort_key)),
        partial=frozenset(reader.partial),
        files_read=sum(item.documents is not None for item in files),
    )


def locate(manifest: Manifest, path: DocPath = (), *, key: bool = False) -> Location:
    """Return the place of a field of a manifest, or of the closest field around it that exists.

    The file is read again, with marks; the last few files are kept. Where that is no longer possible the place at which
    the manifest was read is returned.

    Args:
        manifest: as read by :func:`read_manifests`.
        path: path inside the object.
        key: the place of the field's name rather than of its value.
    """
    whole = (*manifest.pointer, *path)
    if not whole:
        return manifest.location
    try:
        file = Path(manifest.location.file)
        documents = _marked(str(file), file.stat().st_mtime_ns)
        return documents[manifest.document].locate(whole, key=key)
    except (OSError, InputError, IndexError):
        return manifest.location


def extent(manifest: Manifest) -> tuple[int, int] | None:
    """Return the first and the last line of the document a manifest is, counted from 1.

    None where it is an item of a List, or its file can no longer be read.
    """
    if manifest.pointer or not manifest.location.line:
        return None
    try:
        lines = read_file(Path(manifest.location.file)).decode("utf-8").splitlines()
    except (OSError, InputError, UnicodeDecodeError):
        return None
    first = manifest.location.line
    # At the start of a line these end a document, even inside block scalars.
    following = (number for number, line in enumerate(lines[first:], first) if line.startswith(("---", "...")))
    return first, next(following, len(lines))


@lru_cache(maxsize=4)
def _marked(file: str, _changed: int) -> list[MarkedDocument]:
    return load_with_marks(read_file(Path(file)), file)


def _wanted(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) or name in FILE_NAMES


@dataclass(slots=True)
class _File:
    """A file with its documents; None when they could not be read."""

    path: Path
    documents: list[YamlDocument] | None

    @classmethod
    def read(cls, path: Path, reader: _Reader) -> _File:
        data = b""
        try:
            data = read_file(path, reader.limits)
            return cls(path, load_documents(data, shown(path), limits=reader.limits))
        except YamlError as error:
            template = _TEMPLATE.search(data) is not None
            reader.unreadable(path, error, looks_like_manifest=b"apiVersion" in data, template=template)
        except InputError as error:
            reader.find("LINT-UNREADABLE", Severity.ERROR, Location(shown(path)), f"{shown(path)} {error}")
        return cls(path, None)

    def references(self, named: References) -> None:
        """Note which files the kustomizations in this one name."""
        for document in self.documents or ():
            if self.path.name in FILE_NAMES or is_kustomization(document.value):
                named.add(self.path.parent, document.value)


def _around(paths: Sequence[Path], reader: _Reader) -> Iterator[_File]:
    """Read the kustomizations beside and above single files, which may say that these are patches."""
    folders = {folder: None for path in paths if path.is_file() for folder in (path.parent, path.parent.parent)}
    silent = _Reader()
    for folder in folders:
        for name in sorted(FILE_NAMES):
            if (folder / name).is_file():
                yield _File.read(folder / name, silent)


@dataclass(slots=True)
class _Reader:
    """Sorts documents into manifests, patches and the rest."""

    manifests: list[Manifest] = field(default_factory=list)
    partial: list[Manifest] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    named: References = field(default_factory=References)
    limits: Limits = DEFAULT

    def find(
        self, rule: str, severity: Severity, location: Location, message: str, *, path: str = "", fix: str = ""
    ) -> None:
        subject = location.file
        self.findings.append(Finding(rule, severity, subject, message, location, path=path, fix=fix))

    def enter(self, folder: Path, named: Path | None = None) -> bool:
        """Whether to look into a folder: not into Helm templates, which are YAML only once rendered."""
        if folder.name != "templates" or not (folder.parent / "Chart.yaml").is_file():
            return True
        place = shown(named or folder)
        message = f"{place} holds Helm templates, which are no YAML before they are rendered; it is skipped"
        fix = "render the chart with helm template and check the result"
        self.find("LINT-HELM-TEMPLATE", Severity.INFO, Location(place), message, fix=fix)
        return False

    def unreadable(self, path: Path, error: YamlError, *, looks_like_manifest: bool, template: bool) -> None:
        """Report text that cannot be read; configuration of other tools may be beyond this reader."""
        place = Location(shown(path), error.line, error.column)
        if template:
            message = "a template, which is no YAML before it is rendered; skipped"
            self.find("LINT-TEMPLATE", Severity.INFO, place, message, fix="render it and check the result")
            return
        other = not looks_like_manifest and (isinstance(error, DialectError) or path.suffix.lower() == ".json")
        if other and error.line:
            self.find("LINT-SKIPPED", Severity.INFO, place, f"no manifest and skipped: {error.reason}")
        elif isinstance(error, DialectError):
            message = f"the file is not checked: {error.reason}"
            verdict = Verdict.UNKNOWN
            self.findings.append(Finding("LINT-YAML", Severity.WARNING, place.file, message, place, verdict=verdict))
        else:
            self.find("LINT-YAML", Severity.ERROR, place, f"not readable as YAML: {error.reason}")

    def take(self, file: _File) -> None:
        """Take the documents of one file."""
        if file.documents is None or file.path.name in FILE_NAMES or file.path.name in _CHART:
            return
        if file.path.name == INVENTORY and all(is_inventory(document.value) for document in file.documents):
            return
        real = str(file.path.resolve())
        if real in self.named.data:
            return
        patch = real in self.named.patches or _called_patch(file.path)
        beside = any(_is_object(document.value) for document in file.documents)
        for document in file.documents:
            location = Location(shown(file.path), document.line, 1)
            self._document(document, location, patch=patch, beside=beside)

    def _document(self, document: YamlDocument, location: Location, *, patch: bool, beside: bool) -> None:
        body = document.value
        if body is None or is_kustomization(body) or (isinstance(body, list) and (patch or _is_json_patch(body))):
            return
        if isinstance(body, dict) and _is_list(body):
            self._items(body, document, location, (), patch=patch)
        elif _is_object(body):
            self._add(Manifest(body, location, document.index), patch=patch)
        elif patch and isinstance(body, dict):
            # kustomize takes the identity of such a patch from its target.
            return
        elif isinstance(body, dict):
            self._no_manifest(body, location)
        else:
            self._no_object(body, location, broken=beside or not isinstance(body, list) or any(map(_named, body)))

    def _items(
        self, body: dict[str, Any], document: YamlDocument, location: Location, pointer: DocPath, *, patch: bool
    ) -> None:
        kind = body["kind"].removesuffix("List")
        for index, entry in enumerate(body["items"]):
            here = (*pointer, "items", index)
            item = entry
            if kind and isinstance(entry, dict) and "kind" not in entry and "apiVersion" not in entry:
                # The API server leaves both out of the items of typed lists.
                item = {"apiVersion": body["apiVersion"], "kind": kind, **entry}
            if isinstance(item, dict) and _is_list(item):
                self._items(item, document, location, here, patch=patch)
                continue
            manifest = Manifest(item if isinstance(item, dict) else {}, location, document.index, here)
            if _is_object(item):
                self._add(manifest, patch=patch)
            elif isinstance(item, dict):
                self._incomplete(item, locate(manifest), here)
            else:
                self._no_object(item, locate(manifest), broken=True, pointer=here)

    def _add(self, manifest: Manifest, *, patch: bool) -> None:
        self.manifests.append(manifest)
        # "$patch" is a directive of strategic merge patches and a field of nothing.
        if patch or "$patch" in manifest.body:
            self.partial.append(manifest)

    def _no_manifest(self, body: dict[str, Any], location: Location) -> None:
        """Judge a map that lacks an API version or a kind."""
        parts = sum(isinstance(body.get(part), dict) for part in ("metadata", "spec", "data"))
        # Two of these make an object that was meant; one alone does not: values files have a field "kind" or "spec" for
        # reasons of their own.
        if parts + ("apiVersion" in body) + ("kind" in body) >= 2:
            self._incomplete(body, location, ())
        else:
            message = "no manifest (it has no apiVersion and kind); skipped"
            self.find("LINT-SKIPPED", Severity.INFO, location, message)

    def _incomplete(self, body: dict[str, Any], location: Location, pointer: DocPath) -> None:
        lacking = [part for part in ("apiVersion", "kind") if part not in body]
        if lacking:
            message = f"the manifest has no {' and no '.join(lacking)}, so no cluster accepts it"
            fix = f"add {' and '.join(lacking)}"
        else:
            wrong = next(part for part in ("apiVersion", "kind") if not _is_text(body[part]))
            message = f"{wrong} must be text that is not empty, found {body[wrong]!r}"
            fix = f"set {wrong}"
        self.find("LINT-NOT-MANIFEST", Severity.ERROR, location, message, path=_pointer(pointer), fix=fix)

    def _no_object(self, value: Any, location: Location, *, broken: bool, pointer: DocPath = ()) -> None:
        what = "a list" if isinstance(value, list) else "a single value"
        if broken:
            message = f"a manifest is a map with apiVersion and kind, this is {what}"
            fix = "put the items into a map with kind: List, or separate them by ---" if isinstance(value, list) else ""
            self.find("LINT-NOT-OBJECT", Severity.ERROR, location, message, path=_pointer(pointer), fix=fix)
        else:
            self.find("LINT-SKIPPED", Severity.INFO, location, f"no manifest (it is {what}); skipped")


def _called_patch(path: Path) -> bool:
    """Whether a file is called a patch: kustomizations keep patches that they do not use at the moment."""
    return path.parent.name == "patches" or _PATCH_NAME.search(path.stem) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _named(body: Any) -> bool:
    """Whether something has at least one half of what names a type."""
    return isinstance(body, dict) and ("apiVersion" in body or "kind" in body)


def _is_object(body: Any) -> bool:
    return isinstance(body, dict) and _is_text(body.get("apiVersion")) and _is_text(body.get("kind"))


def _is_list(body: dict[str, Any]) -> bool:
    return _is_object(body) and body["kind"].endswith("List") and isinstance(body.get("items"), list)


def _is_json_patch(body: list[Any]) -> bool:
    """Whether a list holds operations of RFC 6902."""
    return bool(body) and all(
        isinstance(item, dict) and item.get("op") in _PATCH_OPERATIONS and isinstance(item.get("path"), str)
        for item in body
    )


def _pointer(path: DocPath) -> str:
    return "".join(f"/{step}" for step in path)
