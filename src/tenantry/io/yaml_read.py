"""Reads YAML as the Kubernetes API server does, on the events of PyYAML's C parser.

What the server reads but no manifest needs, and what makes two readers disagree, is refused with its position:
duplicate keys, anchors and aliases (which also rules out expansion bombs), merge keys, tags other than YAML's own, and
documents beyond a size or a depth. Text in JSON is read as JSON, as kubectl does.
"""

from __future__ import annotations

import errno
import json
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from tenantry.errors import InputError, YamlError
from tenantry.io.yaml_scalars import (
    TAG,
    NotJson,
    json_float,
    json_integer,
    key_text,
    plain_key,
    resolve_plain,
    resolve_tagged,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from yaml.error import Mark


class DialectError(YamlError):
    """Text is YAML, and the server may even read it, but it uses what this reader refuses."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is read at most.

    Attributes:
        max_bytes: size of one text in bytes of UTF-8.
        max_depth: maps and lists inside each other.
    """

    max_bytes: int = 16 * 2**20
    max_depth: int = 200


DEFAULT: Final = Limits()
"""Limits for manifests: the largest published CRD bundles stay below 8 MiB, the deepest schema below 60 levels."""


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """One document of a text.

    Attributes:
        value: maps, lists, text, numbers, booleans and None; None for an empty document.
        line: 1-based line of the first thing in the document.
        index: 0-based position among the documents of the text.
    """

    value: Any
    line: int
    index: int


def load_documents(text: bytes | str, file: str = "<string>", *, limits: Limits = DEFAULT) -> list[YamlDocument]:
    """Read all documents of a text.

    Args:
        text: YAML or JSON; bytes are UTF-8, a byte order mark at the start is skipped.
        file: name for messages.
        limits: what is read at most.

    Raises:
        YamlError: if the server would not read it, or it holds what this reader refuses; with line and column.
    """
    source = decode(text, file, limits)
    quick = _load_json(source, limits)
    if quick is not None:
        return [quick]
    return _Builder(source, file, limits).build(events(source, file))


def read_file(path: Path, limits: Limits = DEFAULT) -> bytes:
    """Read a file that holds YAML.

    Raises:
        YamlError: if it is larger than ``limits`` allow; it is not read then.
        InputError: if it cannot be read; the message does not repeat the path.
    """
    try:
        status = path.stat()
        # Opening a pipe or a device could wait for ever.
        if not stat.S_ISREG(status.st_mode):
            raise InputError("is not a regular file")
        _check_size(status.st_size, str(path), limits)
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {os_reason(error)}") from error


def os_reason(error: OSError) -> str:
    """Return what the operating system says, for people."""
    if error.errno == errno.ELOOP:
        return "its symbolic links form a loop"
    return (error.strerror or str(error)).lower()


def decode(text: bytes | str, file: str = "<string>", limits: Limits = DEFAULT) -> str:
    """Return the text to parse, or say why it is none.

    Raises:
        YamlError: if it is too large, binary or not UTF-8.
    """
    if isinstance(text, bytes):
        _check_size(len(text), file, limits)
        text = _decode_bytes(text, file)
    else:
        try:
            _check_size(len(text.encode()), file, limits)
        except UnicodeEncodeError as error:
            raise YamlError(f"the text holds half a surrogate pair at character {error.start}", file=file) from error
    return text.removeprefix("\ufeff")


def _check_size(size: int, file: str, limits: Limits) -> None:
    if size > limits.max_bytes:
        reason = f"the file has {size / 2**20:.1f} MiB; at most {limits.max_bytes / 2**20:.0f} MiB are read"
        raise YamlError(reason, file=file)


def _decode_bytes(text: bytes, file: str) -> str:
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise YamlError("the file is UTF-16; save it as UTF-8", file=file)
    zero = text.find(0)
    if zero >= 0:
        raise YamlError(f"the file is binary, not YAML (zero byte at offset {zero})", file=file)
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _position(text, error.start)
        reason = f"the file is not UTF-8 text (byte 0x{text[error.start]:02x} at offset {error.start})"
        raise YamlError(reason, file=file, line=line, column=column) from error


def events(source: str, file: str) -> Callable[[], Any]:
    """Return a function that gives the parser's next event, with its errors translated.

    Raises:
        YamlError: when the returned function meets text that is not YAML.
    """
    parser = CParser(source.encode())
    get_event = parser.get_event

    def next_event() -> Any:
        try:
            return get_event()
        except yaml.MarkedYAMLError as error:
            raise _syntax_error(error, source, file) from error
        except yaml.reader.ReaderError as error:
            raise _reader_error(error, source, file) from error

    return next_event


def key_of(event: Any) -> str:
    """Return the JSON key the server makes of a scalar event.

    Raises:
        NotJson: if the server refuses the key.
    """
    text: str = event.value
    if event.tag is not None:
        return key_text(resolve_tagged(event.tag, text))
    return plain_key(text) if event.implicit[0] else text


class _Builder:
    """Builds values from events. One loop and an explicit stack, so that depth costs no recursion."""

    def __init__(self, source: str, file: str, limits: Limits) -> None:
        self.source = source
        self.file = file
        self.max_depth = limits.max_depth

    def build(self, next_event: Callable[[], Any]) -> list[YamlDocument]:
        documents: list[YamlDocument] = []
        while True:
            event = next_event()
            kind = type(event)
            if kind is StreamEndEvent:
                return documents
            if kind is StreamStartEvent or kind is DocumentEndEvent:
                continue
            # The document's own start event: the next one is its root, however empty.
            root = next_event()
            value = self._root(root, next_event)
            documents.append(YamlDocument(value, root.start_mark.line + 1, len(documents)))

    def _root(self, root: Any, next_event: Callable[[], Any]) -> Any:
        kind = type(root)
        if kind is ScalarEvent:
            return self._scalar(root)
        if kind is MappingStartEvent or kind is SequenceStartEvent:
            self._check(root)
            return self._collection({} if kind is MappingStartEvent else [], next_event)
        raise self._refusal(root)

    def _collection(self, container: Any, next_event: Callable[[], Any]) -> Any:  # noqa: PLR0912 - one hot loop
        """Fill a map or list and all below it; ``key`` is the pending key of the map being filled."""
        root, key = container, None
        stack: list[Any] = []
        is_map = type(container) is dict
        while True:
            event = next_event()
            kind = type(event)
            if kind is ScalarEvent:
                if is_map and key is None:
                    key = self._key(event, container)
                    continue
                value = self._scalar(event)
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                if not stack:
                    return root
                container = stack.pop()
                is_map = type(container) is dict
                continue
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                if is_map and key is None:
                    reason = "a map or list cannot be a key"
                    raise self._error(reason + _hint(reason, event.start_mark, self.source), event.start_mark)
                self._check(event)
                if len(stack) + 2 > self.max_depth:
                    raise self._error(f"nested deeper than {self.max_depth} levels", event.start_mark)
                value = {} if kind is MappingStartEvent else []
                if is_map:
                    container[key] = value
                else:
                    container.append(value)
                stack.append(container)
                container, key, is_map = value, None, kind is MappingStartEvent
                continue
            else:
                raise self._refusal(event)
            if is_map:
                container[key] = value
                key = None
            else:
                container.append(value)

    def _scalar(self, event: Any) -> Any:
        if event.anchor is not None:
            raise self._refusal(event)
        try:
            if event.tag is not None:
                self._check_custom(event)
                return resolve_tagged(event.tag, event.value)
            return resolve_plain(event.value) if event.implicit[0] else event.value
        except NotJson as error:
            raise self._error(str(error), event.start_mark) from error

    def _key(self, event: Any, container: dict[str, Any]) -> str:
        if event.anchor is not None:
            raise self._refusal(event)
        try:
            key = key_of(event)
        except NotJson as error:
            raise self._error(str(error), event.start_mark) from error
        if key == "<<" and event.implicit[0]:
            raise self._refused("merge keys (<<) are not allowed; write the fields out", event.start_mark)
        if key in container:
            raise self._error(f"the key {key!r} stands twice in this map", event.start_mark)
        return key

    def _check(self, event: Any) -> None:
        """Refuse an anchor or a tag on a map or list."""
        if event.anchor is not None:
            raise self._refusal(event)
        if event.tag is not None and event.tag not in ("!", TAG + "map", TAG + "seq"):
            tag = event.tag.replace(TAG, "!!")
            raise self._refused(f"the tag {tag} is not allowed", event.start_mark)

    def _refusal(self, event: Any) -> YamlError:
        sign = f"alias *{event.anchor}" if type(event) is AliasEvent else f"anchor &{event.anchor}"
        return self._refused(f"anchors and aliases are not allowed ({sign}); write the value out", event.start_mark)

    def _check_custom(self, event: Any) -> None:
        if event.tag != "!" and not event.tag.startswith(TAG):
            raise self._refused(f"the tag {event.tag} is not allowed", event.start_mark)

    def _refused(self, reason: str, mark: Mark) -> DialectError:
        return DialectError(reason, file=self.file, line=mark.line + 1, column=mark.column + 1)

    def _error(self, reason: str, mark: Mark) -> YamlError:
        return YamlError(reason, file=self.file, line=mark.line + 1, column=mark.column + 1)


def _load_json(source: str, limits: Limits) -> YamlDocument | None:
    """Read a text that starts with a brace as JSON, or return None for the YAML parser to judge and to place errors.

    JSON is not quite a subset of YAML: surrogate pairs in escapes, long keys and raw U+2028 differ.
    """
    body = source.lstrip(" \t\r\n")
    if not body.startswith("{"):
        return None
    try:
        value = json.loads(
            body,
            object_pairs_hook=_unique,
            parse_int=lambda digits: json_integer(int(digits)),
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
        # A lone surrogate escape has no UTF-8 form.
        if "\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError, OverflowError):
        return None
    if _deeper_than(value, limits.max_depth):
        return None
    skipped = source[: len(source) - len(body)]
    return YamlDocument(value, skipped.count("\n") + 1, 0)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result


def _finite(digits: str) -> int | float:
    value = json_float(float(digits))
    if value in (float("inf"), float("-inf")):
        raise ValueError("out of range")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        children = (child for item in level for child in (item.values() if isinstance(item, dict) else item))
        level = [child for child in children if isinstance(child, (dict, list))]
        if not level:
            return False
    return True


def _syntax_error(error: yaml.MarkedYAMLError, source: str, file: str) -> YamlError:
    mark = error.problem_mark or error.context_mark
    reason = (error.problem or "not YAML").strip()
    if error.context:
        start = error.context_mark
        where = f" that begins at line {start.line + 1}" if start and mark and start.line != mark.line else ""
        reason = f"{reason} ({error.context.strip()}{where})"
    if mark is None:
        return YamlError(reason, file=file)
    return YamlError(reason + _hint(reason, mark, source), file=file, line=mark.line + 1, column=mark.column + 1)


def _hint(reason: str, mark: Mark, source: str) -> str:
    """Return what most often causes a syntax error at this place."""
    lines = source.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: mark.column + 1]:
        return "; a tab stands here, indent with spaces"
    if "{{" in line:
        return "; this looks like a template, not YAML"
    if "mapping values are not allowed" in reason:
        return '; text that holds ": " needs quotes, and a nested map starts on a line of its own'
    if line[mark.column : mark.column + 1] in ("@", "`", "%"):
        return "; text that starts with this character needs quotes"
    return ""


def _reader_error(error: yaml.reader.ReaderError, source: str, file: str) -> YamlError:
    line, column = _position(source.encode(), error.position)
    code = error.character if isinstance(error.character, int) else 0
    return YamlError(f"{error.reason} (U+{code:04X})", file=file, line=line, column=column)


def _position(text: bytes, offset: int) -> tuple[int, int]:
    """Return line and column, both from 1, of a byte."""
    start = text.rfind(b"\n", 0, offset) + 1
    return text.count(b"\n", 0, offset) + 1, len(text[start:offset].decode("utf-8", "replace")) + 1
