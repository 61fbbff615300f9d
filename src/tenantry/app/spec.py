"""Load a spec, resolve it against the catalog and check it as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.compile.checks import check
from tenantry.compile.resolve import resolve
from tenantry.errors import SpecError
from tenantry.io.spec_folder import load_spec
from tenantry.io.walk import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from tenantry.io.spec_folder import Layer, Named
    from tenantry.io.spec_places import LoadedSpec
    from tenantry.model.cluster import Cluster
    from tenantry.model.problem import SpecProblem
    from tenantry.model.spec import Spec


@dataclass(frozen=True)
class CheckedSpec:
    """A spec without problems.

    Attributes:
        spec: the documents of the chosen environment.
        cluster: the same, joined with the catalog.
        loaded: the same, with the place of everything in the files.
        tolerated: problems that the caller can live with, each at its place.
    """

    spec: Spec
    cluster: Cluster
    loaded: LoadedSpec
    tolerated: tuple[SpecProblem, ...] = ()


def load(
    folder: Path,
    environment: str = "",
    layers: Sequence[Layer] = (),
    tolerated: Callable[[SpecProblem], bool] = lambda _: False,
    *,
    named: Named = shown,
) -> CheckedSpec:
    """Read a spec and prove that nothing is wrong with it.

    Args:
        folder: folder of YAML documents, or one file.
        environment: overlay below ``environments/``; empty for none.
        layers: what is laid over both, in that order.
        tolerated: tells the problems that the caller can live with, as it is about to solve them.
        named: gives the name of a file or folder in messages and places.

    Raises:
        SpecError: with every problem, each at its file, line and column.
        InputError: if the folder cannot be read at all.
    """
    loaded = load_spec(folder, environment, layers, named=named)
    cluster, problems = resolve(loaded.spec)
    problems += check(cluster)
    lasting = [problem for problem in problems if not tolerated(problem)]
    if lasting:
        raise SpecError(_located(loaded, lasting))
    return CheckedSpec(loaded.spec, cluster, loaded, tuple(_located(loaded, problems)))


def _located(loaded: LoadedSpec, problems: Iterable[SpecProblem]) -> list[SpecProblem]:
    found = [replace(problem, location=loaded.locate(problem.subject, problem.path)) for problem in problems]
    unique = dict.fromkeys(found)
    return sorted(unique, key=lambda problem: (problem.location, problem.rule, str(problem.path)))
