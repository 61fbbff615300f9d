"""The examples that ship with Tenantry, and starting a spec from one of them."""

from __future__ import annotations

import json
from pathlib import Path

from tenantry.app.schema import SCHEMA_FILE, json_schema
from tenantry.errors import InputError
from tenantry.model.problem import did_you_mean

DEFAULT_EXAMPLE = "dell-ai-factory-h200"


def examples_folder() -> Path:
    """Return the folder that holds the examples: inside the installed package, or of the source checkout."""
    packaged = Path(__file__).parent.parent / "examples"
    checkout = Path(__file__).parents[3] / "examples"
    for folder in (packaged, checkout):
        if folder.is_dir():
            return folder
    raise InputError("this installation has no examples")


def example_names() -> list[str]:
    """Return the names of the examples that are specs, sorted; others hold manifests to look at."""
    return sorted(path.name for path in examples_folder().iterdir() if _is_spec(path))


def _is_spec(folder: Path) -> bool:
    return any((place / "platform.yaml").is_file() for place in (folder, folder / "base"))


def example(name: str) -> Path:
    """Return the folder of one example.

    Raises:
        InputError: if there is none of that name.
    """
    names = example_names()
    if name not in names:
        hint = did_you_mean(name, names)
        raise InputError(f"there is no example named {name!r}; there are {', '.join(names)}{hint}")
    return examples_folder() / name


def initialise(target: Path, name: str = DEFAULT_EXAMPLE) -> list[Path]:
    """Copy an example and the JSON Schema its modelines refer to into a new or empty folder.

    Returns:
        The files written, sorted.

    Raises:
        InputError: if the target is not empty, is a file, or cannot be written.
    """
    source = example(name)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} exists and is not an empty folder; name a new one")
    files = {path.relative_to(source): path.read_text("utf-8") for path in sorted(source.rglob("*")) if path.is_file()}
    files = {path: text.replace("examples/" + name, target.name or ".") for path, text in files.items()}
    files[Path(SCHEMA_FILE)] = json.dumps(json_schema(), indent=2) + "\n"
    written = []
    try:
        for path, text in sorted(files.items()):
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8")
            written.append(place)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror or error}") from error
    return written
