"""The demonstration: compile the Dell AI Factory example, lint the result, and decide whether its promises fit."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.app.compile import CompiledTree, compile_spec, write
from tenantry.app.examples import DEFAULT_EXAMPLE, example
from tenantry.app.fit import FitReport, fit_spec
from tenantry.app.lint import LintReport, lint_paths

if TYPE_CHECKING:
    from collections.abc import Callable

ENVIRONMENT = "production"


@dataclass(frozen=True)
class Demo:
    """What the demonstration made.

    Attributes:
        tree: the compiled tree.
        target: where it was written.
        report: what lint says about it.
        fit: whether what the spec promises fits its hardware.
        crds: folder of CustomResourceDefinitions used, or None.
    """

    tree: CompiledTree
    target: Path
    report: LintReport
    fit: FitReport
    crds: Path | None


def find_crds() -> Path | None:
    """Return the folder ``crds`` of the data root (``TENANTRY_SHARED``, default ``../shared``), if it is there."""
    folder = Path(os.environ.get("TENANTRY_SHARED", "../shared")) / "crds"
    return folder if folder.is_dir() else None


def demo(target: Path, progress: Callable[[str], None]) -> Demo:
    """Compile the example into ``target/tree``, lint it and decide whether its promises fit.

    Args:
        target: folder to work in; made when missing.
        progress: told what is being done.
    """
    spec = example(DEFAULT_EXAMPLE)
    progress(f"compiling {DEFAULT_EXAMPLE}, environment {ENVIRONMENT}")
    tree = compile_spec(spec, ENVIRONMENT)
    folder = target / "tree"
    folder.parent.mkdir(parents=True, exist_ok=True)
    write(tree, folder)
    crds = find_crds()
    progress("linting the tree")
    minor = tree.compilation.cluster.kubernetes_minor
    report = lint_paths([folder], crds=[crds] if crds else [], kubernetes=minor, complete=True)
    progress("deciding what fits")
    return Demo(tree, folder, report, fit_spec(spec, ENVIRONMENT), crds)
