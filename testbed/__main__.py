"""``python -m testbed build`` builds the binaries; ``python -m testbed up [SPEC]`` runs a cluster until interrupted."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import click

from tenantry.app.compile import compile_spec, write
from tenantry.app.spec import load
from tenantry.errors import SpecError, TenantryError
from testbed import binaries, sandbox
from testbed.control_plane import Cluster
from testbed.definitions import definitions_in
from testbed.delivery import sync
from testbed.errors import TestbedError
from testbed.gpu_nodes import register
from testbed.policies import settle


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run a real Kubernetes control plane on loopback."""


@main.command()
def build() -> None:
    """Build etcd, the Kubernetes servers and kwok from the modules that are pinned, once."""
    begun = time.monotonic()
    found = binaries.build()
    size = sum(file.stat().st_size for file in found.folder.iterdir() if file.is_file())
    pins = ", ".join(f"{name} {version}" for name, version in binaries.versions().items())
    where = f"built from {pins}" if found.built else f"taken from {binaries.ASSETS}"
    click.echo(f"{found.folder}: {size >> 20} MiB, {where} ({time.monotonic() - begun:.0f} s)")


@main.command()
@click.argument("spec", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-e", "--environment", default="", help="Overlay to apply: a folder below SPEC/environments.")
@click.option("--crds", type=click.Path(exists=True, path_type=Path), help="Folder of definitions to install first.")
@click.option("--port", default=0, help="Port of the API server on 127.0.0.1; by default a free one.")
def up(spec: Path | None, environment: str, crds: Path | None, port: int) -> None:
    """Start a cluster, put the tree and the nodes of SPEC into it, and run until interrupted."""
    signal.signal(signal.SIGTERM, _stop)
    begun = time.monotonic()
    with Cluster(definitions_in(crds) if crds else (), port=port) as cluster:
        if spec:
            _deliver(cluster, spec, environment)
        memory = cluster.sandbox.memory_bytes() >> 20
        click.echo(f"ready after {time.monotonic() - begun:.1f} s with {memory} MiB: {cluster.url}")
        click.echo(f"export KUBECONFIG={cluster.kubeconfig()}")
        click.echo("interrupt to remove it", err=True)
        while True:
            time.sleep(1)
            cluster.sandbox.check()


@main.command()
def sweep() -> None:
    """Remove what clusters left behind whose owner is gone. Every start does this too."""
    gone = sandbox.sweep()
    click.echo(f"removed {len(gone)} folder{'s' if len(gone) != 1 else ''}")


def _deliver(cluster: Cluster, spec: Path, environment: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        write(compile_spec(spec, environment), tree)
        done = sync(cluster, tree)
    settle(cluster)
    names = register(cluster, load(spec, environment).cluster)
    cluster.run_pods()
    cluster.schedule()
    click.echo(f"{len(done.applied)} objects applied, {len(done.refused)} refused, {len(names)} nodes")
    for item, answer in done.refused:
        click.echo(f"  {item.key}: {answer.message}")


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(os.EX_OK)
    except click.ClickException as error:
        error.show()
        sys.exit(4)
    except SpecError as error:
        click.echo(f"error: {error}; tenantry lint {sys.argv[-1]} shows all of them, the first is", err=True)
        first = error.problems[0]
        click.echo(f"  {first.location}: {first.message}", err=True)
        sys.exit(error.exit_code)
    except (TestbedError, TenantryError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
