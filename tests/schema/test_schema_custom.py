"""Custom resources: what the API server does with structural schemas."""

from __future__ import annotations

from typing import Any

import pytest
from schema_data import INT_OR_TEXT, TEXT, WHOLE, check, crd, custom, obj, published, said, thing, widget

from tenantry.model.finding import Severity
from tenantry.schema import ExtraKind, SchemaSet

SPEC = ("spec",)

REFUSED: list[tuple[str, dict[str, Any], Any, list[tuple[str, tuple[str | int, ...]]]]] = [
    ("unknown field", obj(size=WHOLE), {"sise": 1}, [("UNKNOWN-FIELD", ("spec", "sise"))]),
    (
        "unknown field below a list",
        {"type": "array", "items": obj(a=TEXT)},
        [{"b": 1}],
        [("UNKNOWN-FIELD", ("spec", 0, "b"))],
    ),
    (
        "unknown field below a map",
        {"type": "object", "additionalProperties": obj(a=TEXT)},
        {"k": {"b": 1}},
        [("UNKNOWN-FIELD", ("spec", "k", "b"))],
    ),
    (
        "field in an object that lists none",
        obj(inner={"type": "object"}),
        {"inner": {"a": 1}},
        [("UNKNOWN-FIELD", ("spec", "inner", "a"))],
    ),
    ("text for a number", obj(size=WHOLE), {"size": "8"}, [("TYPE", ("spec", "size"))]),
    ("fraction for a whole number", obj(size=WHOLE), {"size": 1.5}, [("TYPE", ("spec", "size"))]),
    ("number that fits into no whole one", obj(size=WHOLE), {"size": 2**63}, [("RANGE", ("spec", "size"))]),
    ("the same for int-or-string", obj(port=INT_OR_TEXT), {"port": 2**63}, [("RANGE", ("spec", "port"))]),
    ("boolean for text", obj(name=TEXT), {"name": True}, [("TYPE", ("spec", "name"))]),
    ("list for a map", obj(name=TEXT), [], [("TYPE", SPEC)]),
    ("boolean for int-or-string", obj(port=INT_OR_TEXT), {"port": False}, [("TYPE", ("spec", "port"))]),
    ("null in a list stays", {"type": "array", "items": TEXT}, ["a", None], [("TYPE", ("spec", 1))]),
    ("missing field", obj(("name",), name=TEXT), {}, [("REQUIRED", ("spec", "name"))]),
    (
        "a required field that is null is missing",
        obj(("name",), name=TEXT),
        {"name": None},
        [("REQUIRED", ("spec", "name"))],
    ),
    ("not an option", obj(mode={"type": "string", "enum": ["a", "b"]}), {"mode": "c"}, [("ENUM", ("spec", "mode"))]),
    (
        "wrong form",
        obj(name={"type": "string", "pattern": "^[a-z]+$"}),
        {"name": "A1"},
        [("PATTERN", ("spec", "name"))],
    ),
    (
        "a pattern ends at the end, not before a line break",
        obj(name={"type": "string", "pattern": "^a$"}),
        {"name": "a\n"},
        [("PATTERN", ("spec", "name"))],
    ),
    (
        "inline flag in mid-pattern",
        obj(name={"type": "string", "pattern": "^a(?i)bc$"}),
        {"name": "Abc"},
        [("PATTERN", ("spec", "name"))],
    ),
    ("too small", obj(size={"type": "integer", "minimum": 1}), {"size": 0}, [("RANGE", ("spec", "size"))]),
    ("too large", obj(size={"type": "integer", "maximum": 4094}), {"size": 4095}, [("RANGE", ("spec", "size"))]),
    (
        "the bound itself is excluded",
        obj(size={"type": "integer", "minimum": 0, "exclusiveMinimum": True}),
        {"size": 0},
        [("RANGE", ("spec", "size"))],
    ),
    (
        "beyond 32 bits",
        obj(size={"type": "integer", "format": "int32"}),
        {"size": 2**31},
        [("RANGE", ("spec", "size"))],
    ),
    (
        "beyond 64 bits",
        obj(size={"type": "integer", "format": "int64"}),
        {"size": 2**63},
        [("RANGE", ("spec", "size"))],
    ),
    ("empty text", obj(name={"type": "string", "minLength": 1}), {"name": ""}, [("RANGE", ("spec", "name"))]),
    ("too many items", {"type": "array", "items": TEXT, "maxItems": 1}, ["a", "b"], [("RANGE", SPEC)]),
    ("too few fields", {"type": "object", "additionalProperties": TEXT, "minProperties": 1}, {}, [("RANGE", SPEC)]),
    ("not base64", obj(data={"type": "string", "format": "byte"}), {"data": "%%"}, [("PATTERN", ("spec", "data"))]),
    (
        "not an address range",
        obj(net={"type": "string", "format": "cidr"}),
        {"net": "10.0.0.0"},
        [("PATTERN", ("spec", "net"))],
    ),
    (
        "not a duration",
        obj(every={"type": "string", "format": "duration"}),
        {"every": "soon"},
        [("PATTERN", ("spec", "every"))],
    ),
    (
        "twice in a set",
        {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
        ["a", "a"],
        [("DUPLICATE-KEY", SPEC)],
    ),
    (
        "neither of two",
        {**obj(a=TEXT, b=TEXT), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {},
        [("COMBINATION", SPEC)],
    ),
    (
        "both of two",
        {**obj(a=TEXT, b=TEXT), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"a": "", "b": ""},
        [("COMBINATION", SPEC)],
    ),
    (
        "none of several",
        {**obj(a=TEXT, b=TEXT), "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {},
        [("COMBINATION", SPEC)],
    ),
    (
        "excluded together",
        {**obj(a=TEXT, b=TEXT), "not": {"required": ["a", "b"]}},
        {"a": "", "b": ""},
        [("COMBINATION", SPEC)],
    ),
    (
        "several at once",
        obj(("name",), size=WHOLE, name=TEXT),
        {"size": "a", "other": 1},
        [("REQUIRED", ("spec", "name")), ("UNKNOWN-FIELD", ("spec", "other")), ("TYPE", ("spec", "size"))],
    ),
]


@pytest.mark.parametrize(
    ("schema", "spec", "expected"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_the_server_refuses_is_reported_where_it_stands(schema: Any, spec: Any, expected: Any) -> None:
    assert said(check(custom(schema), widget(spec))) == expected


ACCEPTED: list[tuple[str, dict[str, Any], Any]] = [
    ("null in a field that has a default", obj(a={"type": "string", "default": "x"}), {"a": None}),
    ("null where the schema allows it", obj(("name",), name={"type": "string", "nullable": True}), {"name": None}),
    ("null with options", obj(("m",), m={"type": "string", "nullable": True, "enum": ["a"]}), {"m": None}),
    ("a whole number written with a point", obj(size=WHOLE), {"size": 8.0}),
    ("a number for int-or-string", obj(port=INT_OR_TEXT), {"port": 80}),
    ("text for int-or-string", obj(port=INT_OR_TEXT), {"port": "http"}),
    (
        "unknown fields that are kept",
        {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        {"a": {"b": [1]}},
    ),
    (
        "unknown fields beside known ones that are kept",
        {**obj(a=TEXT), "x-kubernetes-preserve-unknown-fields": True},
        {"b": 1},
    ),
    ("a map of anything", {"type": "object", "additionalProperties": True}, {"a": 1}),
    ("a required field that has a default", obj(("a",), a={"type": "string", "default": "x"}), {}),
    ("a format nobody knows", obj(a={"type": "string", "format": "colour-of-the-sky"}), {"a": "?"}),
    ("inline flag in mid-pattern", obj(name={"type": "string", "pattern": "^a(?i)bc$"}), {"name": "aBC"}),
    ("a duration as Go writes it", obj(every={"type": "string", "format": "duration"}), {"every": "1h30m"}),
    ("a time", obj(at={"type": "string", "format": "date-time"}), {"at": "2026-01-31T12:00:00Z"}),
    ("one of two", {**obj(a=TEXT, b=TEXT), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": ""}),
]


@pytest.mark.parametrize(("schema", "spec"), [case[1:] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED])
def test_what_the_server_accepts_is_clean(schema: Any, spec: Any) -> None:
    assert check(custom(schema), widget(spec)) == []


NULLS: list[tuple[str, dict[str, Any], Any, list[Any]]] = [
    (
        "fields",
        obj(name=TEXT, sub=obj(("x",), x=TEXT)),
        {"name": None, "sub": None},
        [("spec", "name"), ("spec", "sub")],
    ),
    (
        "at different depths",
        obj(a=TEXT, sub=obj(b=TEXT)),
        {"a": None, "sub": {"b": None}},
        [("spec", "a"), ("spec", "sub", "b")],
    ),
    (
        "in a map",
        {"type": "object", "additionalProperties": TEXT},
        {"a": "x", "b": None},
        [("spec", "b")],
    ),
]


@pytest.mark.parametrize(("schema", "spec", "places"), [case[1:] for case in NULLS], ids=[case[0] for case in NULLS])
def test_a_null_that_only_server_side_apply_refuses_is_a_warning(schema: Any, spec: Any, places: Any) -> None:
    issues = check(custom(schema), widget(spec))
    assert said(issues) == [("NULL", place) for place in places]
    assert {issue.severity for issue in issues} == {Severity.WARNING}


def test_an_unknown_field_names_the_nearest_and_the_consequence() -> None:
    (issue,) = check(custom(obj(podSelector=TEXT, policy=TEXT)), widget({"podSelectr": "a"}))
    assert issue.message == (
        "unknown field 'podSelectr' (did you mean 'podSelector'?): server-side apply refuses the object, other clients "
        "lose the field without a word"
    )
    assert (issue.nearest, issue.fix, issue.at_key) == ("podSelector", "rename it to 'podSelector'", True)


def test_the_nearest_field_is_not_one_that_is_already_set() -> None:
    (issue,) = check(custom(obj(pfNames=TEXT, pfName2=TEXT)), widget({"pfNames": "a", "pfName": "b"}))
    assert issue.nearest == "pfName2"


def test_a_boolean_that_was_meant_as_text_is_told_how_to_be_written() -> None:
    schema = obj(spoofChk={"type": "string", "enum": ["on", "off"]})
    (issue,) = check(custom(schema), widget({"spoofChk": True}))
    assert said([issue]) == [("TYPE", ("spec", "spoofChk"))]
    assert issue.fix == "put it in quotes: 'on'"


def test_alternatives_are_told_as_one_issue_of_the_branch_that_comes_closest() -> None:
    branches = [{"properties": {"a": {"type": "integer", "minimum": 5}}, "required": ["a", "b"]}, {"required": ["c"]}]
    schema = {**obj(a=WHOLE, b=TEXT, c=TEXT), "anyOf": branches}
    assert said(check(custom(schema), widget({"a": 1}))) == [("REQUIRED", ("spec", "c"))]


# List maps


def listed(keys: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "array",
        "items": obj((), **properties),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": keys,
    }


def test_two_items_with_the_same_key_are_a_duplicate_wherever_the_list_stands() -> None:
    inner = obj(rows=listed(["name"], name=TEXT, cells=listed(["id"], id=WHOLE)))
    schema = {"type": "object", "additionalProperties": inner}
    spec = {"any": {"rows": [{"name": "a"}, {"name": "b", "cells": [{"id": 1}, {"id": 2}, {"id": 1}]}, {"name": "a"}]}}
    assert said(check(custom(schema), widget(spec))) == [
        ("DUPLICATE-KEY", ("spec", "any", "rows", 1, "cells", 2)),
        ("DUPLICATE-KEY", ("spec", "any", "rows", 2)),
    ]


def test_all_keys_together_make_the_key() -> None:
    schemas = custom(listed(["port", "protocol"], port=WHOLE, protocol={"type": "string", "default": "TCP"}))
    tcp_and_udp = [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]
    assert check(schemas, widget(tcp_and_udp)) == []
    # the second protocol is left out, so it is the default, TCP
    assert said(check(schemas, widget([{"port": 53, "protocol": "TCP"}, {"port": 53}]))) == [
        ("DUPLICATE-KEY", ("spec", 1))
    ]


def test_keys_of_different_types_differ() -> None:
    assert check(custom(listed(["port"], port=INT_OR_TEXT)), widget([{"port": 80}, {"port": "80"}])) == []


# The envelope


def test_metadata_of_custom_resources_is_checked_like_any_other() -> None:
    body = widget({}, metadata={"name": "a", "lables": {}})
    assert said(check(custom(obj()), body)) == [("UNKNOWN-FIELD", ("metadata", "lables"))]


def test_a_crd_may_restrict_the_name() -> None:
    root = obj(spec=obj(), metadata=obj(name={"type": "string", "maxLength": 3}))
    assert said(check(custom(root), widget({}, metadata={"name": "four"}))) == [("RANGE", ("metadata", "name"))]


def test_unknown_fields_beside_spec_are_reported() -> None:
    assert said(check(custom(obj()), widget({}, specs={}))) == [("UNKNOWN-FIELD", ("specs",))]


EMBEDDED = {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": obj(a=TEXT)}}


@pytest.mark.parametrize(
    ("embedded", "expected"),
    [
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}}, []),
        ({"kind": "Pod"}, [("REQUIRED", ("spec", "template", "apiVersion"))]),
        (
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"lables": {}}},
            [("UNKNOWN-FIELD", ("spec", "template", "metadata", "lables"))],
        ),
        ({"apiVersion": "v1", "kind": "Pod", "data": 1}, [("UNKNOWN-FIELD", ("spec", "template", "data"))]),
    ],
    ids=["complete", "no apiVersion", "typo in metadata", "field beside spec"],
)
def test_embedded_objects_have_the_envelope_of_objects(embedded: Any, expected: Any) -> None:
    assert said(check(custom(obj(template=EMBEDDED)), widget({"template": embedded}))) == expected


def test_status_is_ignored_on_create_so_only_its_field_names_are_checked() -> None:
    root = obj(spec=obj(), status=obj(("phase",), phase=TEXT, count=WHOLE))
    with_subresource, without = custom(root, status=True), custom(root)
    assert check(with_subresource, widget({}, status={"count": "many"})) == []
    assert said(check(with_subresource, widget({}, status={"cuont": 1}))) == [("UNKNOWN-FIELD", ("status", "cuont"))]
    assert said(check(without, widget({}, status={}))) == [("REQUIRED", ("status", "phase"))]


# Patches


def test_a_patch_needs_nothing_but_what_it_says_must_be_right() -> None:
    schemas = custom(obj(("name", "size"), name=TEXT, size=WHOLE, rows=listed(["id"], id=WHOLE)))
    patch = {"apiVersion": "example.dev/v1", "kind": "Widget", "spec": {"size": "1", "$patch": "replace", "nmae": "x"}}
    assert said(check(schemas, patch, partial=True)) == [
        ("UNKNOWN-FIELD", ("spec", "nmae")),
        ("TYPE", ("spec", "size")),
    ]
    assert check(schemas, {**patch, "spec": {"rows": [{"$patch": "delete", "id": 1}]}}, partial=True) == []


# Several schemas for one kind


def test_an_object_is_accepted_if_one_of_the_schemas_given_for_its_kind_accepts_it() -> None:
    schemas = custom(obj(old=TEXT), obj(new=TEXT))
    assert check(schemas, widget({"old": ""})) == []
    assert check(schemas, widget({"new": ""})) == []


def test_otherwise_the_schema_it_comes_closest_to_judges() -> None:
    schemas = custom(obj(a=TEXT, b=TEXT), obj(a=TEXT, b=TEXT, c=TEXT))
    assert said(check(schemas, widget({"a": "", "c": "", "d": ""}))) == [("UNKNOWN-FIELD", ("spec", "d"))]


def test_copies_that_disagree_on_the_scope_leave_the_namespace_alone() -> None:
    cluster, team = crd(obj(), scope="Cluster"), crd(obj(), scope="Namespaced")
    assert said(check(SchemaSet.build([cluster]), widget({}))) == [("SCOPE", ("metadata", "namespace"))]
    assert check(SchemaSet.build([cluster, team]), widget({})) == []
    assert SchemaSet.build([cluster, team]).namespaced("example.dev/v1", "Widget") is None


# Kinds and versions

KINDS = [
    ("version that does not exist", "example.dev/v2", "Widget", ("VERSION", ("apiVersion",)), "example.dev/v1"),
    ("version that is not served", "example.dev/v1alpha1", "Widget", ("VERSION", ("apiVersion",)), "example.dev/v1"),
    ("slip in the kind", "example.dev/v1", "Wigdet", ("KIND", ("kind",)), "Widget"),
    ("slip in the group", "exmaple.dev/v1", "Widget", ("KIND", ("apiVersion",)), "example.dev/v1"),
    ("slip in a native kind", "apps/v1", "Deploymnt", ("KIND", ("kind",)), "Deployment"),
    ("native kind in the wrong group", "v1", "Deployment", ("KIND", ("apiVersion",)), "apps/v1"),
    ("slip in a native group", "app/v1", "Deployment", ("KIND", ("apiVersion",)), "apps/v1"),
    ("group of the past", "extensions/v1beta1", "Ingress", ("KIND", ("apiVersion",)), "networking.k8s.io/v1"),
    ("version of the past", "batch/v1beta1", "CronJob", ("VERSION", ("apiVersion",)), "batch/v1"),
    ("kind of the past", "policy/v1beta1", "PodSecurityPolicy", ("KIND", ("kind",)), None),
]


@pytest.mark.parametrize(
    ("api_version", "kind", "expected", "meant"), [case[1:] for case in KINDS], ids=[c[0] for c in KINDS]
)
def test_a_kind_that_cannot_exist_is_reported(api_version: str, kind: str, expected: Any, meant: str | None) -> None:
    schemas = custom(obj())
    for extra in crd(obj(), version="v1alpha1", served=False)["spec"]["versions"]:
        both = crd(obj())
        both["spec"]["versions"].append(extra)
        schemas = SchemaSet.build([both], schemas._kubernetes)
    (issue,) = check(schemas, thing(api_version, kind))
    assert said([issue]) == [expected]
    assert issue.nearest == meant
    assert schemas.knows(api_version, kind)


def test_served_versions_are_named_newest_and_most_stable_last() -> None:
    versions = [crd(obj(), version=name) for name in ("v2", "v1beta1", "v10", "v1alpha1", "v2beta2")]
    (issue,) = check(SchemaSet.build(versions), thing("example.dev/v3", "Widget"))
    assert (
        "served: example.dev/v1alpha1, example.dev/v1beta1, example.dev/v2beta2, example.dev/v2, example.dev/v10"
        in issue.message
    )


def test_a_kind_nothing_is_known_of_is_not_judged() -> None:
    schemas = custom(obj())
    assert check(schemas, thing("unheard.of/v1", "Gadget", anything=1)) == []
    assert not schemas.knows("unheard.of/v1", "Gadget")
    # a kind of a CRD group that resembles none of those known there
    assert not schemas.knows("example.dev/v1", "Gadget")


def test_a_kind_may_be_known_without_a_crd() -> None:
    route = ExtraKind("route.openshift.io/v1", "Route", schema=obj(spec=obj(host=TEXT)))
    opaque = ExtraKind("user.openshift.io/v1", "Group", namespaced=False)
    schemas = SchemaSet.build([], extra=[route, opaque])
    assert said(check(schemas, thing("route.openshift.io/v1", "Route", spec={"hots": ""}))) == [
        ("UNKNOWN-FIELD", ("spec", "hots"))
    ]
    assert check(schemas, thing("user.openshift.io/v1", "Group", users=["a"])) == []
    assert said(check(schemas, thing("user.openshift.io/v1", "Group", namespace="a"))) == [
        ("SCOPE", ("metadata", "namespace"))
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("REQUIRED", ("apiVersion",)), ("REQUIRED", ("kind",))]),
        ({"apiVersion": "v1"}, [("REQUIRED", ("kind",))]),
        ({"apiVersion": 1, "kind": "Pod"}, [("TYPE", ("apiVersion",))]),
    ],
    ids=["neither", "no kind", "number as apiVersion"],
)
def test_an_object_that_does_not_say_what_it_is(body: Any, expected: Any) -> None:
    assert said(check(custom(obj()), body)) == expected


# What cannot be checked


def test_a_pattern_that_cannot_be_compiled_is_noted_and_the_rest_still_checked() -> None:
    schemas = custom(obj(a={"type": "string", "pattern": "^(?=x)$"}, b={"type": "string", "pattern": "^b$"}))
    assert check(schemas, widget({"a": "anything"})) == []
    assert said(check(schemas, widget({"b": "c"}))) == [("PATTERN", ("spec", "b"))]
    (note,) = schemas.notes()
    assert note.subject == "example.dev/v1 Widget"
    assert note.text == "the pattern ^(?=x)$ at spec.a cannot be compiled"


def test_a_schema_that_cannot_be_compiled_is_noted() -> None:
    schemas = custom(obj(a={"type": "string", "maxLength": "ten"}))
    assert check(schemas, widget({"a": "b"})) == []
    (note,) = schemas.notes()
    assert note.text.startswith("the schema cannot be compiled")


def test_keys_that_are_no_text_and_endless_nesting_are_reported_not_raised() -> None:
    schemas = custom({"type": "object", "additionalProperties": {"type": "object", "additionalProperties": TEXT}})
    (issue,) = check(schemas, widget({"a": {8: "b"}}))
    assert (issue.rule, issue.path) == ("LINT-SCHEMA-UNREADABLE", ("spec", "a"))
    assert "the key 8 is not text" in issue.message
    deep: dict[str, Any] = {}
    for _ in range(2000):
        deep = {"a": deep}
    assert said(check(schemas, widget(deep))) == [("UNREADABLE", ())]


def test_no_validator_is_made_before_an_object_of_its_kind_is_checked() -> None:
    schemas = published("sriov")
    made = [variant for variants in schemas._variants.values() for variant in variants if variant.compiled]
    before = len(made)
    check(schemas, thing("sriovnetwork.openshift.io/v1", "SriovNetwork", spec={"resourceName": "a"}))
    check(schemas, thing("sriovnetwork.openshift.io/v1", "SriovNetwork", spec={"resourceName": "b"}))
    made = [variant for variants in schemas._variants.values() for variant in variants if variant.compiled]
    assert (before, len(made)) == (0, 1)
