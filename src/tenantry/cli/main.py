"""The command group, and how every error becomes a message and an exit code."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from tenantry import __version__
from tenantry.errors import ExitCode, SnapshotError, SpecError, TenantryError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: dict[str, str] = {
    "init": "Start a spec from an example",
    "compile": "Compile a spec into the GitOps tree that Argo CD syncs",
    "plan": "Say what a change does to whom, before it merges",
    "promote": "Commit what a spec compiles to into the tree of an environment, with the plan as the message",
    "rollback": "Commit a spec as it was at a revision, with the plan of the way back as the message",
    "lint": "Check manifests of any origin: fields, embedded strings, and how objects fit together",
    "fit": "Decide whether what a spec promises fits its hardware, and what the largest jobs are",
    "verify": "Prove that no tenant can act on another, or show how it can",
    "connectivity": "List who may connect to whom under the network policies of a folder",
    "explain": "Say why a job waits or runs, and what would change it",
    "fairshare": "Show who is due which share of a cluster, and who holds it",
    "simulate": "Replay jobs on the platform of a spec: who runs, who waits, who is evicted",
    "sweep": "Simulate every combination of scenarios, values, loads and seeds on all cores or a cluster",
    "partition": "Plan the MIG layout of every GPU: what is served, what changes, and a proof",
    "pack": "Fill a cluster with a list of pods and see what placement policies give out and strand",
    "advise": "Advise how to share GPUs: whole, MIG, MPS or time-slicing, with reasons and what would change it",
    "probe": "Measure work on a GPU, alone and beside copies, or render the Jobs that do",
    "get": "Print one resolved value of a spec",
    "schema": "Print the JSON Schema of spec documents",
    "demo": "Compile and lint the Dell AI Factory example and draw it",
}
"""Commands and their one-line help, so that ``--help`` imports none of them."""

EXIT_CODES = """\b
Exit codes:
  0  clean
  1  the tool failed
  2  a finding or difference at or above the threshold
  3  disruptive or unsafe
  4  bad input, usage errors included"""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of work."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        del ctx
        command: click.Command = importlib.import_module(f"tenantry.cli.{cmd_name}_command").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when there is none of that name."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            from tenantry.model.problem import nearest_name

            near = nearest_name(name, COMMANDS)
            hint = f" Did you mean '{near}'?" if near else ""
            raise click.UsageError(f"there is no command '{name}'.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="tenantry")
def cli() -> None:
    """Describe a multi-tenant GPU platform in a few files; get the GitOps repository that runs it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with a code of :class:`~tenantry.errors.ExitCode`."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        result: Any = cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except SpecError as error:
        from tenantry.cli.render.problems import print_problems

        print_problems(error.problems, where=error.where)
        return int(error.exit_code)
    except SnapshotError as error:
        from tenantry.cli.render.problems import print_problems

        print_problems(error.problems, "nothing can be said about the cluster")
        return int(error.exit_code)
    except TenantryError as error:
        click.echo(f"error: {error}", err=True)
        return int(error.exit_code)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return int(ExitCode.BAD_INPUT)
    except (BrokenPipeError, SystemExit):
        # The reader went away, as `| head` does; click turns that into an exit of its own.
        _silence()
        return int(ExitCode.CLEAN)
    except UnicodeEncodeError as error:
        text = error.object[error.start : error.end]
        click.echo(f"error: the encoding {error.encoding} has no {text!a}; set PYTHONUTF8=1 to write UTF-8", err=True)
        return int(ExitCode.FAILED)
    except OSError as error:
        # Files are named by the adapters that meet them: what is left is a full disk behind standard output.
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"error: {where}{error.strerror or error}", err=True)
        return int(ExitCode.FAILED)
    except Exception as error:
        if os.environ.get("TENANTRY_DEBUG"):
            raise
        click.echo(
            f"error: this is a bug in Tenantry: {type(error).__name__}: {error}\n"
            "set TENANTRY_DEBUG=1 for the traceback",
            err=True,
        )
        return int(ExitCode.FAILED)
    return int(result) if isinstance(result, int) else int(ExitCode.CLEAN)


def _silence() -> None:
    """Keep Python from complaining at exit about a standard output that nobody reads."""
    if sys.stdout is not None:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
