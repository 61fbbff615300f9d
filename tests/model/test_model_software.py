"""Versions, packages and known faults."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.model.hardware import Certainty
from tenantry.model.software import BadVersion, Cve, HelmChart, OlmPackage, Operator, VersionNumber, minor

RELEASED = st.lists(st.integers(0, 2000), min_size=1, max_size=4)


def operator(**changes: object) -> Operator:
    fields: dict[str, object] = {
        "id": "gpu-operator",
        "title": "GPU Operator",
        "recommended": "26.7.0",
        "known_good": ("26.7.0",),
        "bad": (),
        "floor": "",
        "floor_reason": "",
        "olm": None,
        "helm": None,
        "components": {"driver": "595.91.07"},
        "images": {},
        "source": "test",
    }
    return Operator(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        pytest.param("26.3.2", "26.3.3", id="patch"),
        pytest.param("25.10.0", "26.3.0", id="year before month"),
        pytest.param("25.3.9", "25.10.0", id="numbers are not text"),
        pytest.param("570.158.01", "570.172.08", id="drivers"),
        pytest.param("1.0-rc1", "1.0", id="pre-release before its release"),
        pytest.param("1.0", "1.0.1-rc1", id="release before a later pre-release"),
        pytest.param("v26.3.0", "26.3.1", id="leading v is ignored"),
    ],
)
def test_version_order(lower: str, higher: str) -> None:
    assert VersionNumber(lower) < VersionNumber(higher)
    assert not VersionNumber(higher) < VersionNumber(lower)
    assert VersionNumber(lower) != VersionNumber(higher)


@pytest.mark.parametrize(
    ("one", "same"),
    [("26.7", "26.7.0"), ("v1.20.0", "1.20.0"), ("1.2.3+build5", "1.2.3"), ("4.6.0-4.8.3", "4.6.0-distroless")],
)
def test_versions_that_are_the_same(one: str, same: str) -> None:
    assert VersionNumber(one) == VersionNumber(same)
    assert hash(VersionNumber(one)) == hash(VersionNumber(same))


@pytest.mark.parametrize("text", ["", "latest", "v", "1.", "1..2", ".1", "1.2.x", "stable-3.4", "1 2"])
def test_text_that_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        VersionNumber(text)


@given(RELEASED, RELEASED)
def test_released_versions_compare_like_padded_numbers(one: list[int], other: list[int]) -> None:
    width = max(len(one), len(other))
    padded = [tuple(parts + [0] * (width - len(parts))) for parts in (one, other)]
    first, second = (VersionNumber(".".join(map(str, parts))) for parts in (one, other))
    assert (first < second) == (padded[0] < padded[1])
    assert (first == second) == (padded[0] == padded[1])
    assert (first <= second) == (padded[0] <= padded[1])


@pytest.mark.parametrize(
    ("version", "expected"), [("v26.7.0", "26.7"), ("1.20.0-rc1", "1.20"), ("4.20", "4.20"), ("5", "5")]
)
def test_minor_is_the_first_two_numbers(version: str, expected: str) -> None:
    assert minor(version) == expected


@pytest.mark.parametrize(
    ("version", "covered"),
    [("26.2.9", False), ("26.3.0", True), ("26.3.1", True), ("26.3.2", True), ("26.3.3", False), ("v26.3.2", True)],
)
def test_a_broken_range_includes_both_ends(version: str, *, covered: bool) -> None:
    assert BadVersion("26.3.0", "26.3.2", "rdma", "leak", "26.3.3", "test").covers(version) is covered


def test_a_broken_range_without_end_covers_everything_later() -> None:
    bad = BadVersion("580.65.06", "", "grace-mig", "no MIG", "", "test")
    assert bad.covers("999.1")
    assert bad.covers("580.65.06")
    assert not bad.covers("575.57.08")


def test_olm_names_follow_the_version() -> None:
    package = OlmPackage(
        "gpu-operator-certified", "v{minor}", "certified-operators", "ns", "OwnNamespace", "x.v{version}"
    )
    assert (package.channel_for("26.7.0"), package.csv_for("v26.7.0")) == ("v26.7", "x.v26.7.0")
    unversioned = OlmPackage("nfd", "stable", "redhat-operators", "ns", "OwnNamespace", "", follows_cluster=True)
    assert (unversioned.channel_for("4.20"), unversioned.csv_for("4.20")) == ("stable", "")


@pytest.mark.parametrize(
    ("pattern", "version", "chart"),
    [("v{version}", "26.7.0", "v26.7.0"), ("v{version}", "v26.7.0", "v26.7.0"), ("{version}", "v0.19.2", "0.19.2")],
)
def test_chart_versions_follow_the_operator(pattern: str, version: str, chart: str) -> None:
    assert HelmChart("c", "r", "n", pattern).version_for(version) == chart


def package(**changes: object) -> OlmPackage:
    fields = {
        "package": "p",
        "channel": "c",
        "source": "s",
        "namespace": "n",
        "install_mode": "OwnNamespace",
        "csv": "",
    }
    return OlmPackage(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("olm", "on_olm", "expected"),
    [
        pytest.param(None, True, "26.7.0", id="no package"),
        pytest.param(package(), True, "26.7.0", id="package numbered like the operator"),
        pytest.param(package(recommended="1.3.0"), True, "1.3.0", id="package numbered apart"),
        pytest.param(package(recommended="1.3.0"), False, "26.7.0", id="chart beside a package numbered apart"),
        pytest.param(package(follows_cluster=True), True, "4.20.3", id="package released with OpenShift"),
        pytest.param(
            package(follows_cluster=True), False, "26.7.0", id="chart beside a package released with OpenShift"
        ),
    ],
)
def test_recommended_version_depends_on_how_it_is_installed(
    olm: OlmPackage | None, *, on_olm: bool, expected: str
) -> None:
    assert operator(olm=olm).version_on(olm=on_olm, cluster_version="4.20.3") == expected


def test_parts_of_a_version() -> None:
    subject = operator(releases={"25.10.1": {"driver": "580.105.08"}})
    assert subject.parts("26.7.0") == {"driver": "595.91.07"}
    assert subject.parts("v26.7") == {"driver": "595.91.07"}
    assert subject.parts("25.10.1") == {"driver": "580.105.08"}
    assert subject.parts("24.9.0") == {}


@pytest.mark.parametrize(
    ("version", "openshift", "expected"),
    [
        ("26.7.0", "4.18", True),
        ("26.7.0", "4.20.11", True),
        ("26.7.0", "4.22", True),
        ("26.7.0", "4.17", False),
        ("26.7.0", "4.23", False),
        ("25.3.0", "4.18", None),
    ],
)
def test_openshift_versions_an_operator_is_published_for(
    version: str, openshift: str, *, expected: bool | None
) -> None:
    assert operator(openshift={"26.7.0": "4.18-4.22"}).runs_on_openshift(version, openshift) is expected


def test_faults_of_a_version() -> None:
    first = BadVersion("26.3.0", "26.3.2", "rdma", "leak", "26.3.3", "test")
    second = BadVersion("26.3.2", "26.3.2", "always", "crash", "26.3.3", "test")
    subject = operator(bad=(first, second))
    assert subject.faults("26.3.1") == (first,)
    assert subject.faults("26.3.2") == (first, second)
    assert subject.faults("26.3.3") == ()


def test_a_vulnerability_without_a_known_fix_is_unknown_and_not_absent() -> None:
    fixed = Cve("CVE-2025-23266", "container-toolkit", "s", "1.17.8", "25.3.2", "", "critical", "t", Certainty.HIGH)
    assert (fixed.affects("1.17.7"), fixed.affects("1.17.8")) == (True, False)
    assert (fixed.affects_operator("25.3.1"), fixed.affects_operator("25.3.2")) == (True, False)
    open_ended = Cve("CVE-2026-24260", "container-toolkit", "s", "", "", "", "high", "t", Certainty.MEDIUM)
    assert open_ended.affects("99.0") is None
    assert open_ended.affects_operator("99.0") is None
