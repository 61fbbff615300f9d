"""A real control plane for each test or module, and the counts of what was compared with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_support import Platform, Tally, Transcript

from tenantry.app.compile import compile_spec, write
from tenantry.app.spec import load
from testbed import binaries
from testbed.control_plane import Cluster
from testbed.definitions import definitions_in
from testbed.delivery import sync
from testbed.errors import MissingToolError
from testbed.gpu_nodes import register
from testbed.policies import settle

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"

PLATFORMS = {
    "dell-production": ("dell-ai-factory-h200", "production"),
    "dell-staging": ("dell-ai-factory-h200", "staging"),
    "eks": ("eks-gpu", ""),
    "kubernetes": ("vanilla-kubernetes", ""),
}
"""Every example that is a spec, in every environment."""


# --- clusters ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def tools() -> binaries.Binaries:
    """Return the binaries; tests that need them are skipped where there are none."""
    try:
        return binaries.find()
    except MissingToolError as error:
        pytest.skip(str(error))


@pytest.fixture
def cluster(tools: binaries.Binaries) -> Iterator[Cluster]:
    """Give a test an empty cluster of its own."""
    with Cluster() as started:
        yield started


@pytest.fixture(scope="module")
def module_cluster(tools: binaries.Binaries) -> Iterator[Cluster]:
    """Give the tests of a module one cluster, empty at first."""
    with Cluster() as started:
        yield started


@pytest.fixture(scope="module")
def deliver(
    tools: binaries.Binaries, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Platform]]:
    """Return a function that gives the cluster of a platform; one at a time runs, the last one asked for."""
    running: dict[str, Platform] = {}

    def of(name: str) -> Platform:
        if name not in running:
            for other in running.values():
                other.cluster.close()
            running.clear()
            running[name] = _delivered(name, shared, tmp_path_factory.mktemp(name) / "tree")
        return running[name]

    yield of
    for platform in running.values():
        platform.cluster.close()


def _delivered(name: str, shared: Path, tree: Path) -> Platform:
    example, environment = PLATFORMS[name]
    folder = EXAMPLES / example
    write(compile_spec(folder, environment), tree)
    resolved = load(folder, environment).cluster
    cluster = Cluster(definitions_in(shared / "crds"))
    try:
        register(cluster, resolved)
        synced = sync(cluster, tree)
        settle(cluster)
    except BaseException:
        cluster.close()
        raise
    return Platform(cluster, resolved, tree, synced)


# --- transcripts ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def transcript(request: pytest.FixtureRequest) -> Iterator[Transcript]:
    """Collect answers of the server; with ``--record`` they are kept for the tests that have no server."""
    told = Transcript(request.node.path.stem.removeprefix("test_e2e_"))
    yield told
    if request.config.getoption("record", default=False):
        told.write(HERE.parent / "transcripts")


# --- counts -----------------------------------------------------------------------------------------------------------


_tally = Tally()


@pytest.fixture(scope="session")
def tally() -> Tally:
    """Return the counts of this run."""
    return _tally


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="renew tests/transcripts with what the server answers")
    parser.addoption("--counts", type=Path, metavar="FILE", help="write the counts of comparisons to FILE")


def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["counts"] = json.dumps(_tally.rows)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a worker of pytest-xdist counted."""
    _tally.add(json.loads(getattr(node, "workeroutput", {}).get("counts", "{}")))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the counts as a table, and write them where asked."""
    if not _tally.rows:
        return
    terminalreporter.section("compared with the real servers")
    for table, rows in sorted(_tally.rows.items()):
        terminalreporter.write_line(f"{table}{'tried':>{52 - len(table)}}{'agreed':>8}")
        for row, (tried, agreed) in sorted(rows.items()):
            mark = "" if tried == agreed else "  !"
            terminalreporter.write_line(f"  {row:<42}{tried:>8}{agreed:>8}{mark}")
    target: Path | None = config.getoption("counts", None)
    if target is not None:
        tables = {
            table: {row: {"tried": cell[0], "agreed": cell[1]} for row, cell in sorted(rows.items())}
            for table, rows in sorted(_tally.rows.items())
        }
        body = {"formatVersion": "1.0", "versions": binaries.versions(), "tables": tables}
        target.write_text(json.dumps(body, indent=2) + "\n", "utf-8")
