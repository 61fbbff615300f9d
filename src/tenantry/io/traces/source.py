"""Opens the file of a trace, plain or gzipped, and gives its text a block of whole lines at a time."""

from __future__ import annotations

import codecs
import gzip
import io
import stat
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tenantry.errors import InputError
from tenantry.io.walk import shown
from tenantry.io.yaml_read import os_reason
from tenantry.model.problem import Location

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantry.io.traces.problem_log import ProblemLog

Stream = io.BufferedReader | gzip.GzipFile
"""A file, unpacked if need be."""

_BLOCK: Final = 1 << 20
LONGEST_LINE: Final = 1 << 20
"""Longest line that is read, in bytes: a row of a trace has a few hundred."""

_GZIP: Final = b"\x1f\x8b"
PARQUET: Final = b"PAR1"
"""What a Parquet file starts with."""

_OTHERS: Final = (
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "zstd -d"),
    (b"\xfd7zXZ\x00", "compressed with xz", "xz -d"),
    (b"BZh", "compressed with bzip2", "bunzip2"),
    (b"PK\x03\x04", "a zip archive", "unzip"),
)
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_BROKEN: Final = (EOFError, gzip.BadGzipFile, zlib.error)


def head_of(path: Path, size: int = 1 << 16) -> bytes:
    """Return how the content of a file starts, decompressed.

    Raises:
        InputError: if it cannot be read, is empty, or holds what no reader here takes.
    """
    file = shown(path)
    with open_binary(path) as stream:
        try:
            head = stream.read(size)
        except _BROKEN as error:
            raise InputError(f"{file}: the compressed data is damaged ({error})") from error
        except OSError as error:
            raise InputError(f"{file} cannot be read: {os_reason(error)}") from error
    if not head.strip():
        raise InputError(f"{file} is empty; expected a trace")
    for magic, what, tool in _OTHERS:
        if head.startswith(magic):
            raise InputError(f"{file} is {what}; unpack it first, for example with {tool}")
    if head.startswith(_UTF16):
        raise InputError(f"{file} is UTF-16; save it as UTF-8")
    return head


@contextmanager
def open_binary(path: Path) -> Iterator[Stream]:
    """Open a file, through gzip when its content is gzipped whatever its name.

    Raises:
        InputError: if it cannot be opened or is no regular file.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe or a device could wait for ever
            raise InputError(f"{shown(path)} is not a regular file")
        raw = path.open("rb")
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {os_reason(error)}") from error
    with raw:
        if raw.peek(2)[:2] == _GZIP:
            with gzip.open(raw) as unpacked:
                yield unpacked
        else:
            yield raw


class TextBlocks:
    """The text of a file as blocks of whole lines.

    Attributes:
        complete: whether the last line read ended; False once the last block is one that did not.
        dirty: whether bytes were met that are not UTF-8; they become lone surrogates in the text.
    """

    def __init__(self, stream: Stream, file: str, log: ProblemLog) -> None:
        self.complete, self.dirty = True, False
        self._stream, self._file, self._log = stream, file, log
        self._lines = 0

    def __iter__(self) -> Iterator[str]:
        """Yield blocks.

        Raises:
            InputError: if the file cannot be read on, or the log is strict about damaged compressed data.
        """
        first = True
        for data in self._blocks():
            block = data.removeprefix(b"\xef\xbb\xbf") if first else data
            first = False
            self._lines += data.count(b"\n")
            try:
                yield block.decode()
            except UnicodeDecodeError:
                self.dirty = True
                yield block.decode("utf-8", "surrogateescape")

    def parts(self) -> Iterator[str]:
        """Yield the text in parts that need not end with a line, for what has no lines."""
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        first = True
        for piece in self._pieces():
            text = decoder.decode(piece)
            yield text.removeprefix("\ufeff") if first else text
            first = False
        yield decoder.decode(b"", final=True)

    def _blocks(self) -> Iterator[bytes]:
        rest, skipping = b"", False
        for piece in self._pieces():
            data = rest + piece
            if skipping:
                end = data.find(b"\n")
                if end < 0:
                    rest = b""
                    continue
                # What remains of the line is its end, so that later lines keep their numbers.
                data, skipping = data[end:], False
            end = data.rfind(b"\n") + 1
            rest = data[end:]
            if end:
                yield data[:end]
            if len(rest) > LONGEST_LINE:
                self._too_long()
                rest, skipping = b"", True
        if rest:
            self.complete = False
            yield rest

    def _too_long(self) -> None:
        place = Location(self._file, self._lines + 1)
        message = "a line is too long for a row of a trace and is left out"
        self._log.add("TRACE-LINE", place, message, f"at most {LONGEST_LINE:,} bytes")

    def _pieces(self) -> Iterator[bytes]:
        while True:
            try:
                # One read at a time: a longer one would lose what it had when it meets the damage.
                piece = self._stream.read1(_BLOCK)
            except _BROKEN as error:
                message = "the compressed data is damaged from here on; what came before is used"
                self._log.add("TRACE-COMPRESSED", Location(self._file, self._lines + 1), message, found=str(error))
                return
            except OSError as error:
                raise InputError(f"{self._file} cannot be read: {os_reason(error)}") from error
            if not piece:
                return
            yield piece
