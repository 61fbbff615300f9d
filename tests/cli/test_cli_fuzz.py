"""Whatever stands in a spec, the command line answers with a whole tree or with problems, never with a bug."""

from __future__ import annotations

import io
import shutil
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenantry.app.examples import example, example_names
from tenantry.cli.main import run
from tenantry.io.yaml_read import load_documents
from tenantry.io.yaml_write import dump_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Place = tuple[str | int, ...]


def base_files(name: str) -> dict[str, list[Any]]:
    """Documents of an example per file, without its environments."""
    folder = example(name)
    root = folder / "base" if (folder / "base").is_dir() else folder
    return {
        str(path.relative_to(root)): [item.value for item in load_documents(path.read_text("utf-8"), path.name)]
        for path in sorted(root.rglob("*.yaml"))
    }


EXAMPLES: Mapping[str, dict[str, list[Any]]] = {name: base_files(name) for name in example_names()}


def places(value: Any, path: Place = ()) -> Iterator[Place]:
    """Every place in nested maps and lists, the value itself excluded."""
    children = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for step, child in children:
        yield (*path, step)
        yield from places(child, (*path, step))


KNOWN = {
    str(step) for files in EXAMPLES.values() for docs in files.values() for doc in docs for step in sum(places(doc), ())
}
ODD = {
    "training", "vision", "roce", "kai", "kueue", "runai", "mig", "mps", "whole", "generic", "3g.71gb", "openshift",
    "eks", "infiniband", "0x8010", "10.0.0.0/8", "fd00::/8", "0.0.0.0/0", "1.34", "4.20", "26.3.1", "delete",
    "$patch", "8h", "0 0 * * *", "system:masters", "default", "-", "..", "a/b", "x" * 70, "å", "\u202e", "{{ x }}",
    "$(id)", "a\nb", "'", '"', "%s", "{0}",
}  # fmt: skip
WORDS = sorted(KNOWN | ODD)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.integers(0, 200),
    st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=12), st.sampled_from(WORDS),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=6,
)


# Values that a field of that name may have somewhere, so that changes get past the schema and reach the compiler.
OPTIONS: dict[str, list[Any]] = {
    "distribution": ["openshift", "kubernetes", "eks", "gke", "aks"],
    "version": ["4.18", "4.20", "1.30", "1.34", "26.3.3"],
    "type": ["kai", "kueue", "ethernet", "infiniband"],
    "mode": ["whole", "mig", "time-slicing", "mps"],
    "model": ["h200-sxm", "l4", "a30", "b200", "gb200"],
    "server": ["generic", "dell-xe9680-h200", "dell-r760xa-l40s"],
    "nic": ["connectx-6", "connectx-7", "bluefield-3"],
    "gpudirect": ["off", "peermem", "dma-buf"],
    "managedBy": ["operator", "host"],
    "subnet": ["10.1.0.0/16", "10.1.0.0/30", "fd00::/64", "10.1.0.1/24"],
}
for _files in EXAMPLES.values():
    for _documents in _files.values():
        for _document in _documents:
            for _place in places(_document):
                _value: Any = _document
                for _step in _place:
                    _value = _value[_step]
                OPTIONS.setdefault(str(_place[-1]), []).append(_value)
EVERYTHING = [value for values in OPTIONS.values() for value in values]


def likely(draw: st.DrawFn, key: str, value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw(st.integers(0, 200))
    if isinstance(value, list) and value:
        index = draw(st.integers(0, len(value) - 1))
        return value[:index] + value[index + 1 :] if draw(st.booleans()) else value[: index + 1]
    return deepcopy(draw(st.sampled_from(OPTIONS.get(key, [value]))))


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, list[Any]]:
    """An example with up to four places deleted, replaced, renamed, copied or added to."""
    files = deepcopy(EXAMPLES[draw(st.sampled_from(sorted(EXAMPLES)))])
    gentle = draw(st.booleans())
    for _ in range(draw(st.integers(1, 4))):
        documents = files[draw(st.sampled_from(sorted(files)))]
        document = draw(st.sampled_from(documents))
        found = list(places(document))
        if found:
            change(draw, document, draw(st.sampled_from(found)), gentle=gentle)
    return files


def change(draw: st.DrawFn, document: Any, path: Place, *, gentle: bool) -> None:
    """Change one place of a document; gently, so that it mostly stays valid by itself, or not."""
    parent = document
    for step in path[:-1]:
        parent = parent[step]
    last: Any = path[-1]
    how = "likely" if gentle else draw(st.sampled_from(["delete", "replace", "rename", "copy", "add"]))
    if how == "likely":
        parent[last] = likely(draw, str(last), parent[last])
    elif how == "delete":
        del parent[last]
    elif how == "replace":
        parent[last] = draw(VALUES)
    elif how == "copy":
        parent[last] = deepcopy(draw(st.sampled_from(EVERYTHING)))
    elif isinstance(parent, dict):
        parent[draw(st.sampled_from(WORDS))] = parent.pop(last) if how == "rename" else draw(VALUES)
    else:
        parent.append(deepcopy(parent[last]) if how == "rename" else draw(VALUES))


def call(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments)
    return code, out.getvalue(), err.getvalue()


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(files=mutated())
def test_a_mutated_example_compiles_or_is_refused_whole(files: dict[str, list[Any]]) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        for name, documents in files.items():
            (folder / "spec" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "spec" / name).write_text(dump_all(documents), "utf-8")
        code, _, errors = call("compile", str(folder / "spec"), "--out", str(folder / "tree"))

        assert "this is a bug" not in errors, errors
        assert code in {0, 4}, errors
        assert (folder / "tree").exists() == (code == 0)
        if code == 4:
            assert "error: " in errors
            assert not list(folder.glob(".*")), "nothing is left beside the target"
        else:
            assert call("compile", str(folder / "spec"), "--out", str(folder / "tree"), "--check")[0] == 0
    finally:
        shutil.rmtree(folder)


@settings(max_examples=60, deadline=None)
@given(
    path=st.lists(st.sampled_from([*WORDS, ".", "[0]", "[-1]", '["', '"]', "[", "]", "'", "pools", "tenants"])).map(
        "".join
    )
)
def test_any_path_is_answered_or_refused(path: str) -> None:
    code, _, errors = call("get", str(example("eks-gpu")), "--", path)

    assert "this is a bug" not in errors, (path, errors)
    assert code in {0, 4}
