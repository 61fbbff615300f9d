"""Read the packaged data files. The only place that knows where they are."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

Table = dict[str, Any]
"""One table of a data file, as ``tomllib`` gives it."""


def read(name: str) -> Table:
    """Return the data file ``data/<name>``.

    Args:
        name: path below the data folder, for example ``gpus.toml``.
    """
    return tomllib.loads(files(__package__).joinpath("data", name).read_text(encoding="utf-8"))
