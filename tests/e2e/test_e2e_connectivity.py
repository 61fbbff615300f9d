"""What ``tenantry connectivity`` lists is what netpol-analyzer lists itself, for random manifests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from e2e_networks import Networks
from e2e_support import Tally

from tenantry.app.connectivity import list_folder
from tenantry.cli.render.connectivity import text

pytestmark = pytest.mark.e2e

ANALYZER = "TENANTRY_NETPOL_ANALYZER"
"""Variable that names the program: ``netpolicy``, built from github.com/np-guard/netpol-analyzer."""
BLOCKS, BLOCK = 10, 40


@pytest.fixture(scope="module")
def analyzer() -> str:
    named = os.environ.get(ANALYZER)
    if not named:
        pytest.skip(f"netpol-analyzer is not at hand: set {ANALYZER} to its program (`go build ./cmd/netpolicy`)")
    program = shutil.which(named)
    assert program is not None, f"{ANALYZER} is {named}, which is no program"
    return program


def connections(listing: str) -> list[str]:
    return sorted(line.strip() for line in listing.splitlines() if "=>" in line)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_listings_are_the_same(analyzer: str, tally: Tally, tmp_path: Path, block: int) -> None:
    wrong = {}
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        folder = tmp_path / str(seed)
        folder.mkdir()
        documents = map(json.dumps, Networks(seed).make())
        (folder / "all.yaml").write_text("\n---\n".join(documents), "utf-8")
        said = subprocess.run(
            [analyzer, "list", "--dirpath", str(folder), "-q"], capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, said.stderr
        ours, theirs = connections(text(list_folder([folder]))), connections(said.stdout)
        if not tally.count("listings of netpol-analyzer", "random manifests", agreed=ours == theirs):
            wrong[seed] = sorted(set(ours) ^ set(theirs))
    assert wrong == {}
