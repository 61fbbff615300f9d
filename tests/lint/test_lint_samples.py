"""Published samples: exactly their known defects, and nothing false on the clean ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from lint_support import parse, shown

from tenantry.io.manifests import read_manifests
from tenantry.lint import LintContext, LintIssue, lint
from tenantry.model.finding import Severity

# Known defects by file; what belongs to schemas (a missing nodeSelector, an unknown rootFS) is not lint's.
# Looked through by eye: the RDMA pods lock memory and are not privileged; time-slicing-verification shares the host's
# processes, which is remarked (info) because the sample says nothing about whose namespace it is.
KNOWN: dict[str, set[str]] = {
    "network-operator/sriov-network/sriov-network-node-policy-legacy.yaml": {"LINT-SRIOV-VENDOR-ONLY"},
    "network-operator/sriov-network/sriov-network-node-policy-switchdev.yaml": {"LINT-SRIOV-VENDOR-ONLY"},
    "network-operator/sriov-network/infiniband/sriov-ib-network.yaml": {"LINT-EMBED-IPAM"},
}
REMARKS: dict[str, set[str]] = {
    "gpu-operator/time-slicing-config-all.yaml": {"LINT-SHARE-GREEDY"},
    "gpu-operator/time-slicing-config-fine.yaml": {"LINT-SHARE-GREEDY"},
    "gpu-operator/time-slicing-config-sample.yaml": {"LINT-SHARE-GREEDY"},
    "gpu-operator/time-slicing-verification.yaml": {"LINT-SEC-HOST"},
}


def _lint(paths: list[Path]) -> list[LintIssue]:
    found = read_manifests(paths)
    return lint(found.manifests, LintContext(parse_yaml=parse, partial=found.partial))


def _by_file(issues: list[LintIssue], root: Path, *, remarks: bool) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for issue in issues:
        if (issue.severity is Severity.INFO) is remarks:
            file = str(Path(issue.manifest.location.file).relative_to(root))
            found.setdefault(file, set()).add(issue.rule)
    return found


@pytest.fixture(scope="module")
def samples(shared: Path) -> Path:
    return shared / "samples"


@pytest.mark.parametrize(
    "folders",
    [
        ("gpu-operator", "network-operator"),
        ("gpu-operator",),
        ("network-operator",),
        ("network-operator/sriov-network",),
        ("network-operator/crs",),
    ],
    ids=" and ".join,
)
def test_folders_of_samples_have_their_known_defects_only(samples: Path, folders: tuple[str, ...]) -> None:
    issues = _lint([samples / folder for folder in folders])
    expected = {file: rules for file, rules in KNOWN.items() if file.startswith(tuple(f"{name}/" for name in folders))}
    assert _by_file(issues, samples, remarks=False) == expected, shown(issues)


def test_samples_one_by_one_have_their_known_defects_only(samples: Path) -> None:
    files = sorted(
        path for folder in ("gpu-operator", "network-operator") for path in (samples / folder).rglob("*.yaml")
    )
    assert len(files) > 40
    found: dict[str, set[str]] = {}
    remarked: dict[str, set[str]] = {}
    for file in files:
        issues = _lint([file])
        found |= _by_file(issues, samples, remarks=False)
        remarked |= _by_file(issues, samples, remarks=True)
    assert found == KNOWN
    assert remarked == REMARKS


def test_the_trailing_comma_is_named_with_its_place(samples: Path) -> None:
    file = samples / "network-operator/sriov-network/infiniband/sriov-ib-network.yaml"
    (issue,) = _lint([file])
    assert issue.path == ("spec", "ipam")
    # Line 1 opens the object, lines 2 and 3 are its fields, line 4 closes it right after a comma.
    assert issue.message == "ipam is not JSON: a comma stands before a closing bracket (line 4 column 1 of the text)"


def test_a_repaired_sample_is_clean(samples: Path, tmp_path: Path) -> None:
    text = (samples / "network-operator/sriov-network/infiniband/sriov-ib-network.yaml").read_text()
    file = tmp_path / "network.yaml"
    file.write_text(text.replace('"my-pool",', '"my-pool"'))
    assert _lint([file]) == []


def test_a_mutated_sample_is_found(samples: Path, tmp_path: Path) -> None:
    edits = {
        "network-operator/crs/mellanox.com_v1alpha1_nicclusterpolicy_cr.yaml": (
            "name: nic-cluster-policy",
            "name: my-policy",
            "LINT-SINGLE-NAME",
        ),
        "network-operator/crs/mellanox.com_v1alpha1_nicclusterpolicy_cr-ocp-hostdev.yaml": (
            '"hostdev"',
            '"host-dev"',
            "LINT-NIC-CONFIG",
        ),
        "gpu-operator/time-slicing-config-fine.yaml": ("replicas: 2", "replicas: 1", "LINT-SHARE-REPLICAS"),
        # 5 x 1g.10gb and 2 x 2g.20gb need 5 + 4 = 9 of 7 compute slices.
        "gpu-operator/custom-mig-config.yaml": ('"2g.20gb": 1', '"2g.20gb": 2', "LINT-MIG-FIT"),
        "gpu-operator/v1_clusterpolicy.yaml": ("podDeletion", "gpuPodDeletion", "LINT-GPU-POD-DELETION"),
        "gpu-operator/nvd-driver-multiple.yaml": ('"silver"', '"gold"', "LINT-GPU-DRIVER-OVERLAP"),
    }
    for name, (old, new, rule) in edits.items():
        text = (samples / name).read_text()
        assert old in text
        file = tmp_path / Path(name).name
        file.write_text(text.replace(old, new))
        assert rule in {issue.rule for issue in _lint([file])}, name
