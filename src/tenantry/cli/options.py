"""Options that mean the same in every command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tenantry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

F = TypeVar("F", bound="Callable[..., Any]")

environment_option = click.option(
    "-e",
    "--environment",
    default="",
    metavar="NAME",
    help="Overlay to apply: a folder below SPEC/environments.",
)


class PlaceType(click.ParamType[Path]):
    """A file or folder. An empty text is refused: it would mean the working folder where a variable is unset."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Refuse what names nothing."""
        text = str(value)
        if not text or "\0" in text:
            self.fail("it is empty; is a variable unset?" if not text else "a path has no NUL character", param, ctx)
        return Path(text)


def spec_argument(function: F) -> F:
    """Add the SPEC argument: a folder of documents or one file."""
    return click.argument("spec", type=PlaceType(), metavar="SPEC")(function)


@dataclass(frozen=True)
class Output:
    """A format and where it goes; ``file`` is None for standard output."""

    format: str
    file: Path | None


class OutputType(click.ParamType[Output]):
    """``FORMAT`` or ``FORMAT=FILE``."""

    name = "output"

    def __init__(self, formats: Sequence[str]) -> None:
        self.formats = tuple(formats)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Output:
        """Split the text and check the format."""
        if isinstance(value, Output):
            return value
        name, _, file = str(value).partition("=")
        if name not in self.formats:
            self.fail(f"{name!r} is not one of {', '.join(self.formats)}", param, ctx)
        return Output(name, Path(file) if file else None)


def output_option(*formats: str) -> Callable[[F], F]:
    """Add ``--output``, which may be given several times as long as one at most goes to standard output."""

    def check(ctx: click.Context, param: click.Parameter, value: tuple[Output, ...]) -> tuple[Output, ...]:
        del ctx
        if sum(item.file is None for item in value) > 1:
            raise click.BadParameter("only one format can go to standard output; write FORMAT=FILE", param=param)
        return value or (Output(formats[0], None),)

    return click.option(
        "-o",
        "--output",
        "outputs",
        type=OutputType(formats),
        multiple=True,
        callback=check,
        metavar="FORMAT[=FILE]",
        help=f"{', '.join(formats)}; may be repeated, with files.",
    )


def emit(outputs: Sequence[Output], render: Callable[[str], str]) -> None:
    """Write each output: ``render`` turns a format into text.

    Raises:
        InputError: if a file cannot be written.
    """
    for output in outputs:
        text = render(output.format)
        if output.file is None:
            click.echo(text, nl=not text.endswith("\n"))
            continue
        try:
            output.file.parent.mkdir(parents=True, exist_ok=True)
            output.file.write_text(text if text.endswith("\n") else text + "\n", "utf-8")
        except OSError as error:
            raise InputError(f"{output.file} cannot be written: {error.strerror or error}") from error
