"""Read the packaged data files. The only place that knows where they are."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

Table = dict[str, Any]
"""One table of a data file, as ``tomllib`` gives it."""


def text(name: str) -> str:
    """Return the data file ``data/<name>`` as text.

    Args:
        name: path below the data folder, for example ``gpus.toml``.
    """
    return files(__package__).joinpath("data", name).read_text(encoding="utf-8")


def read(name: str) -> Table:
    """Return the TOML file ``data/<name>`` as tables."""
    return tomllib.loads(text(name))
