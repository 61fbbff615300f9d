"""The command line: options, rendering, exit codes. One module per command, imported when it is called.

Commands only call :mod:`tenantry.app`. Data goes to standard output, progress and errors to standard error.
"""

from tenantry.cli.main import main

__all__ = ["main"]
