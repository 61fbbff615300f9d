"""What the operating system offers for writing whole: exchange of two names, a lock on a folder, a flush to disk.

Each has a plain answer where the system lacks it, so that callers need not know the system.
"""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
# What kernels and file systems answer that cannot exchange names: no such call, no such flag, not here.
_UNSUPPORTED: Final = frozenset((errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM))


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step. False where the system cannot; nothing has changed then.

    Raises:
        OSError: if it can but this exchange failed.

    Source: Linux renameat2(2), RENAME_EXCHANGE; since 3.15.
    """
    library = _libc()
    if library is None or not hasattr(library, "renameat2"):
        return False
    if library.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(one))


def flush(folder: Path) -> None:
    """Ask for everything written to the file system of ``folder`` to reach the disk; best effort.

    One syncfs(2) instead of one fsync(2) per file: thousands of them would take seconds. Where it is missing, only a
    loss of power right after the write can lose content, which the inventory then shows.
    """
    library = _libc()
    if library is None or not hasattr(library, "syncfs"):
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            library.syncfs(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder, so that two runs writing the same tree take turns; none where the system lacks locks."""
    descriptor = -1
    with suppress(ImportError, OSError):
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        # Closing gives the lock back, and so does the end of the process, however it ends.
        if descriptor >= 0:
            os.close(descriptor)


@lru_cache(maxsize=1)
def _libc() -> Any:
    try:
        return ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):
        return None
