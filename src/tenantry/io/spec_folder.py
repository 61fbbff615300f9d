"""Loads a spec from a folder of YAML files, with an overlay per environment, and reports every problem at once.

Either all YAML files below a folder are the spec, or those below ``base`` are, patched by those below
``environments/<name>`` by kind and name (see :mod:`tenantry.io.spec_overlay`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from tenantry.errors import InputError, SpecError, YamlError
from tenantry.io.spec_overlay import PATCH, Origin, merge
from tenantry.io.spec_places import LIMITS, LoadedSpec, Merged, Places, Source
from tenantry.io.spec_values import NoSuchPlace, Values, document_of, set_value
from tenantry.io.spec_words import Complaint, complaints
from tenantry.io.walk import Walk, shown
from tenantry.io.yaml_read import load_documents, os_reason, read_file
from tenantry.model.problem import DocPath, Location, SpecProblem, Subject, did_you_mean, nearest_name
from tenantry.model.spec import API_VERSION, DOCUMENT_KINDS, Contract, Facts, Platform, Spec, Tenant, Waiver, Workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.model.spec import Document

BASE: Final = "base"
ENVIRONMENTS: Final = "environments"
SUFFIXES: Final = (".yaml", ".yml")
_LONGEST_FOUND: Final = 60
_PASSWORD: Final = re.compile(r"//[^/@\s]*@")


Layer = Path | Values
"""What may be laid over a spec: a file of documents, as those of an environment are, or single values."""
Named = Callable[[Path], str]
"""Gives the name that people know a file or folder by."""


def load_spec(folder: Path, environment: str = "", layers: Sequence[Layer] = (), *, named: Named = shown) -> LoadedSpec:
    """Load the spec below a folder.

    Args:
        folder: folder of YAML files, or a single YAML file.
        environment: name of a folder below ``environments``; empty for the base alone.
        layers: what is laid over that, in that order.
        named: gives the name of a file or folder in messages and places.

    Raises:
        InputError: if there is no such folder, environment or layer, or one holds no document.
        SpecError: with every problem of every document, in file and line order.
    """
    loader = _Loader(folder, named)
    base, overlay = _layers(folder, environment, named)
    loader.read(base, overlay)
    for layer in layers:
        if isinstance(layer, Values):
            loader.set_values(layer)
        else:
            loader.lay_over(layer)
    return loader.finish(environment)


def load_parts(paths: Sequence[Path], kinds: Sequence[str]) -> tuple[Document, ...]:
    """Load documents that stand apart from a spec: signed facts or a contract for manifests of any origin.

    Args:
        paths: files and folders.
        kinds: kinds of document that are wanted there; any other is a problem.

    Returns:
        Documents ordered by kind and name.

    Raises:
        InputError: if a path cannot be read.
        SpecError: with every problem of every document, in file and line order.
    """
    for path in paths:
        _check_there(path)
    loader = _Loader(Path())
    loader.read_parts(paths, kinds)
    return loader.finish_parts()


def _check_there(path: Path, named: Named = shown) -> None:
    try:
        path.stat()
    except OSError as error:
        raise InputError(f"{named(path)}: {os_reason(error)}") from error


def _layers(folder: Path, environment: str, named: Named) -> tuple[list[Path], list[Path]]:
    """Return the roots of the base and of the overlay."""
    _check_there(folder, named)
    if not folder.is_dir():
        if environment:
            raise InputError(f"{named(folder)} is a single file, so it has no environment {environment!r}")
        return [folder], []
    base = folder / BASE
    if not environment:
        return [base if base.is_dir() else folder], []
    root = folder / ENVIRONMENTS
    names = [entry.name for entry in _entries(root, named) if entry.is_dir()] if root.is_dir() else []
    if environment not in names:
        hint = did_you_mean(environment, names)
        known = f"there are {', '.join(names)}" if names else f"there is no folder {named(root)}"
        raise InputError(f"{named(folder)} has no environment {environment!r}; {known}{hint}")
    return [base if base.is_dir() else folder], [root / environment]


class _Loader:
    """Collects documents and problems."""

    def __init__(self, folder: Path, named: Named = shown) -> None:
        self.folder, self.named = folder, named
        self.places = Places()
        self.problems: list[SpecProblem] = []
        # A file or document that could not be read may be the one that seems to be missing.
        self.incomplete = False
        self.foreign: set[str] = set()

    def read(self, base: Sequence[Path], overlay: Sequence[Path]) -> None:
        for number in self._sources(base, base_only=True):
            self._take(number, overlay=False)
        if not self.places.sources and not self.incomplete:
            where = self.named(base[0])
            raise InputError(f"{where} holds no spec: no document in any file that ends in {' or '.join(SUFFIXES)}")
        fresh: dict[tuple[str, str], int] = {}
        for number in self._sources(overlay, base_only=False):
            self._take(number, overlay=True, fresh=fresh)
        self._strays(base[0])

    def lay_over(self, path: Path) -> None:
        """Lay the documents of a file over those there are."""
        _check_there(path, self.named)
        before = len(self.problems)
        numbers = self._sources([path], base_only=False)
        if not numbers and len(self.problems) == before:
            raise InputError(f"{self.named(path)} holds no document to lay over the spec")
        fresh: dict[tuple[str, str], int] = {}
        for number in numbers:
            self._take(number, overlay=True, fresh=fresh)

    def set_values(self, values: Values) -> None:
        """Set single values."""
        number = len(self.places.sources)
        self.places.sources.append(values.source)
        for item in values.settings:
            origin = Origin(number, item.written)
            try:
                key, steps = document_of(item.path, self.places.merged)
                set_value(self.places.merged[key], steps, item.value, origin)
            except NoSuchPlace as error:
                self.problems.append(
                    SpecProblem(
                        Subject("", ""),
                        item.written,
                        error.message,
                        expected=error.expected,
                        nearest=error.nearest,
                        location=self.places.at(origin),
                        rule="SPEC-PATH",
                    )
                )

    def read_parts(self, paths: Sequence[Path], kinds: Sequence[str]) -> None:
        for number in self._sources(paths, base_only=False):
            self._take(number, overlay=False)
        for key, merged in self.places.merged.items():
            if key[0] not in kinds:
                message = f"a document of kind {key[0]} has no place here"
                self._problem(key, ("kind",), merged.origin, message, expected=f"kind {' or '.join(kinds)}")

    def finish_parts(self) -> tuple[Document, ...]:
        documents = [self._validate(*key, merged) for key, merged in sorted(self.places.merged.items())]
        self._raise_problems()
        return tuple(item for item in documents if item is not None)

    def finish(self, environment: str) -> LoadedSpec:
        documents: list[Document] = []
        for (kind, name), merged in sorted(self.places.merged.items()):
            document = self._validate(kind, name, merged)
            if document is not None:
                documents.append(document)
        self._check_counts()
        self._raise_problems()
        spec = Spec(
            platform=next(item for item in documents if isinstance(item, Platform)),
            tenants=tuple(item for item in documents if isinstance(item, Tenant)),
            contract=next((item for item in documents if isinstance(item, Contract)), None),
            facts=tuple(item for item in documents if isinstance(item, Facts)),
            workloads=tuple(item for item in documents if isinstance(item, Workload)),
            waivers=tuple(item for item in documents if isinstance(item, Waiver)),
            environment=environment,
        )
        return LoadedSpec(spec, self.named(self.folder), self.places)

    def _raise_problems(self) -> None:
        if self.problems:
            raise SpecError(sorted(self.problems, key=lambda item: (item.location, str(item.path), item.message)))

    # Reading ---------------------------------------------------------------------------------------------------------

    def _sources(self, roots: Iterable[Path], *, base_only: bool) -> list[int]:
        """Read the files below the roots; returns the numbers of their documents."""
        environments = self.folder / ENVIRONMENTS
        walk = Walk(wanted=_wanted, enter=lambda path: not base_only or path != environments)
        for root in roots:
            if root.is_dir():
                walk.add_folder(root)
            else:
                walk.add_file(root)
        for problem in walk.problems:
            self._file_problem(self.named(problem.path), f"{self.named(problem.path)} {problem.reason}")
        first = len(self.places.sources)
        for path in walk.files:
            self._read_file(path)
        return list(range(first, len(self.places.sources)))

    def _read_file(self, path: Path) -> None:
        file = self.named(path)
        try:
            text = read_file(path, LIMITS)
            documents = load_documents(text, file, limits=LIMITS)
        except YamlError as error:
            self._file_problem(file, error.reason, Location(file, error.line, error.column), rule="SPEC-YAML")
        except InputError as error:
            self._file_problem(file, f"{file} {error}")
        else:
            for item in documents:
                if item.value is not None:
                    self.places.sources.append(Source(text, file, item.index, item.line, item.value))

    def _strays(self, base: Path) -> None:
        """Report spec documents that lie beside ``base``, where nothing reads them."""
        if base.name != BASE or base.parent != self.folder:
            return
        for path in _entries(self.folder, self.named):
            if _wanted(path.name) and not path.name.startswith(".") and path.is_file():
                try:
                    used = API_VERSION.encode() in read_file(path, LIMITS)
                except InputError:
                    used = False
                if used:
                    reason = f"{self.named(path)} lies beside the folder {BASE!r} and is not read"
                    expected = f"spec documents in {BASE}/ or {ENVIRONMENTS}/<name>/"
                    self._file_problem(self.named(path), reason, expected=expected)

    # Documents -------------------------------------------------------------------------------------------------------

    def _take(self, number: int, *, overlay: bool, fresh: dict[tuple[str, str], int] | None = None) -> None:
        """Identify one document and add it, or lay it over the one of the same kind and name."""
        source, origin = self.places.sources[number], Origin(number)
        key = self._identify(source, origin, overlay=overlay)
        if key is None:
            self.incomplete = True
            return
        merged = self.places.merged
        layer = fresh if fresh is not None else {}
        known = merged.get(key)
        twice = layer.get(key) if overlay else (known.origin.source if known else None)
        if twice is not None:
            other = self.places.at(Origin(twice, ("metadata", "name")))
            message = f"{key[0]} {key[1]} is given twice; the first is at {other}"
            self._problem(key, ("metadata", "name"), origin, message, found=key[1], rule="SPEC-DUPLICATE")
            return
        layer[key] = number
        if known is None:
            if source.body.get(PATCH) == "delete":
                self._problem(key, (PATCH,), origin, f"the base has no {key[0]} {key[1]} to delete")
            else:
                merged[key] = Merged(source.body, origin)
        elif source.body.get(PATCH) == "delete":
            del merged[key]
        else:

            def report(path: DocPath, message: str) -> None:
                self._problem(key, path, origin, message, rule="SPEC-OVERLAY")

            body, place = merge(known.body, known.origin, source.body, origin, report)
            merged[key] = Merged(body, place)

    def _identify(self, source: Source, origin: Origin, *, overlay: bool) -> tuple[str, str] | None:
        """Return kind and name of a document, or report why it has none."""
        body = source.body
        if not isinstance(body, dict):
            message = "a spec document is a map with apiVersion, kind, metadata and spec"
            found = "a list" if isinstance(body, list) else ""
            self._problem(("", ""), (), origin, message, found=found)
            return None
        kind, version = body.get("kind"), body.get("apiVersion")
        metadata = body.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        subject = (kind if isinstance(kind, str) else "", name if isinstance(name, str) else "")
        before = len(self.problems)
        known = isinstance(kind, str) and kind in DOCUMENT_KINDS
        if isinstance(kind, str) and isinstance(version, str) and nearest_name(version, [API_VERSION]) is None:
            # A file of manifests is one mistake, however many it holds.
            if source.file in self.foreign:
                return None
            self.foreign.add(source.file)
        if version != API_VERSION and not (overlay and "apiVersion" not in body):
            self._wrong(subject, "apiVersion", origin, [API_VERSION])
        if not known and (version == API_VERSION or "apiVersion" not in body or _close(kind)):
            self._wrong(subject, "kind", origin, list(DOCUMENT_KINDS))
        if len(self.problems) > before or not known:
            return None
        if not isinstance(name, str) or not name:
            if overlay:
                self._problem(
                    subject,
                    ("metadata", "name"),
                    origin,
                    "a patch needs metadata.name to say which document it patches",
                )
                return None
            # Validated under a key that no other document has, so that its other problems are reported as well.
            return (str(kind), f"\0{origin.source}")
        return (str(kind), name)

    def _wrong(self, subject: tuple[str, str], field_name: str, origin: Origin, allowed: list[str]) -> None:
        body = self.places.sources[origin.source].body
        value = body.get(field_name)
        expected = ", ".join(allowed) if len(allowed) == 1 else f"one of {', '.join(allowed)}"
        if field_name not in body:
            self._problem(subject, (field_name,), origin, f"{field_name} is missing", expected=expected)
            return
        message = f"{field_name} is not that of a spec document"
        nearest = nearest_name(value, allowed) if isinstance(value, str) else None
        if field_name == "apiVersion" and "kind" in body and nearest is None:
            message += "; other manifests do not belong into the folder of a spec"
        self._problem(subject, (field_name,), origin, message, expected=expected, nearest=nearest)

    def _validate(self, kind: str, name: str, merged: Merged) -> Document | None:
        model = DOCUMENT_KINDS[kind]
        try:
            # By alias only: the Python names of fields are nobody's business.
            return model.model_validate(merged.body, by_alias=True, by_name=False)
        except ValidationError as error:
            subject = (kind, "" if name.startswith("\0") else name)
            for complaint in complaints(model, merged.body, error):
                self._complain(subject, complaint, merged.origin)
            return None

    def _complain(self, subject: tuple[str, str], complaint: Complaint, origin: Origin) -> None:
        place = origin.follow(complaint.path)
        self.problems.append(
            SpecProblem(
                Subject(*subject),
                complaint.path,
                complaint.message,
                expected=complaint.expected,
                found="" if complaint.missing else self._found(place, complaint),
                nearest=complaint.nearest,
                location=self.places.at(place, key=complaint.at_key or complaint.missing),
            )
        )

    def _found(self, place: Origin, complaint: Complaint) -> str:
        if complaint.at_key:
            return _shortened(str(complaint.path[-1]))
        value: Any = self.places.sources[place.source].body
        for step in place.path:
            value = value[step]
        if isinstance(value, (dict, list)):
            what = "a map" if isinstance(value, dict) else "a list"
            return what if value else f"an empty {what[2:]}"
        return _shortened(self.places.written(place))

    def _check_counts(self) -> None:
        for kind, least in (("Platform", 1), ("Contract", 0)):
            keys = [key for key in self.places.merged if key[0] == kind]
            if len(keys) < least and not self.incomplete:
                subject = Subject(kind, "")
                message = f"the spec has no {kind} document; it needs exactly one"
                self.problems.append(
                    SpecProblem(subject, (), message, location=Location(self.named(self.folder)), rule="SPEC-COUNT")
                )
            for key in keys[1:]:
                other = self.places.locate(*keys[0], ("metadata", "name"))
                message = f"a spec has at most one {kind}, this is another; the first is at {other}"
                origin = self.places.merged[key].origin
                self._problem(key, ("metadata", "name"), origin, message, rule="SPEC-COUNT")

    def _problem(
        self,
        subject: tuple[str, str],
        path: DocPath,
        origin: Origin,
        message: str,
        *,
        expected: str = "",
        found: str = "",
        nearest: str | None = None,
        rule: str = "SPEC-SCHEMA",
    ) -> None:
        place = origin.follow(path)
        self.problems.append(
            SpecProblem(
                Subject(subject[0], "" if subject[1].startswith("\0") else subject[1]),
                path,
                message,
                expected=expected,
                found=found or _shortened(self.places.written(place)),
                nearest=nearest,
                location=self.places.at(place),
                rule=rule,
            )
        )

    def _file_problem(
        self, file: str, message: str, location: Location | None = None, *, expected: str = "", rule: str = "SPEC-FILE"
    ) -> None:
        self.incomplete = True
        place = location or Location(file)
        self.problems.append(
            SpecProblem(Subject("File", file), (), message, expected=expected, location=place, rule=rule)
        )


def _shortened(written: str) -> str:
    """Return text as written on one line, shortened, and without the password of an address."""
    text = _PASSWORD.sub("//…@", " ".join(written.split()))
    return text if len(text) <= _LONGEST_FOUND else text[: _LONGEST_FOUND - 1] + "…"


def _entries(folder: Path, named: Named) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{named(folder)} cannot be read: {os_reason(error)}") from error


def _wanted(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _close(kind: Any) -> bool:
    return isinstance(kind, str) and nearest_name(kind, DOCUMENT_KINDS) is not None
