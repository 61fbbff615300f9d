"""Validation rules of custom resources."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from schema_data import INT_OR_TEXT, TEXT, WHOLE, check, crd, obj, published_crds, said, thing, widget
from test_schema_published import samples

from tenantry.catalog.kubernetes import kubernetes_schemas
from tenantry.errors import MissingExtra
from tenantry.model.finding import Severity, Verdict
from tenantry.schema import SchemaIssue, SchemaSet

pytest.importorskip("cel_expr_python", reason="the optional group 'cel' is not installed")


def ruled(schema: dict[str, Any], rule: str, **more: str) -> dict[str, Any]:
    return {**schema, "x-kubernetes-validations": [{"rule": rule, **more}]}


def judge(schema: dict[str, Any], spec: Any) -> list[SchemaIssue]:
    return check(SchemaSet.build([crd(schema)], cel=True), widget(spec))


# rule, schema it stands on, a value it holds for, one it does not hold for
CASES: list[tuple[str, str, dict[str, Any], Any, Any]] = [
    (
        "comparison of two fields",
        "self.min <= self.max",
        obj(min=WHOLE, max=WHOLE),
        {"min": 1, "max": 1},
        {"min": 2, "max": 1},
    ),
    ("presence", "has(self.a) != has(self.b)", obj(a=TEXT, b=TEXT), {"a": ""}, {"a": "", "b": ""}),
    (
        "null counts as the default",
        "self.a == 'x'",
        obj(a={"type": "string", "default": "x"}),
        {"a": None},
        {"a": "y"},
    ),
    ("default counts as present", "self.a == 'x'", obj(a={"type": "string", "default": "x"}), {}, {"a": "y"}),
    ("list", "self.all(x, x.startsWith('a'))", {"type": "array", "items": TEXT}, ["ab"], ["ab", "b"]),
    (
        "escaped field",
        "self.my__dash__field == self.__namespace__",
        obj((), **{"my-field": TEXT, "namespace": TEXT}),
        {"my-field": "a", "namespace": "a"},
        {"my-field": "a", "namespace": "b"},
    ),
    (
        "keys of a map are not escaped",
        "'my-key' in self",
        {"type": "object", "additionalProperties": TEXT},
        {"my-key": ""},
        {"a": ""},
    ),
    ("optional field", "self.?a.orValue('x') == 'x'", obj(a=TEXT), {}, {"a": "y"}),
    (
        "type of int-or-string",
        "type(self.a) == int ? self.a > 0 : self.a.endsWith('%')",
        obj(a=INT_OR_TEXT),
        {"a": "5%"},
        {"a": 0},
    ),
    ("number is a double", "self.a / 2.0 == 1.0", obj(a={"type": "number"}), {"a": 2}, {"a": 3}),
    ("duration written as text", "duration(self) > duration('1m')", TEXT, "1h", "1s"),
    (
        "time written as text",
        "timestamp(self) < timestamp('2026-01-01T00:00:00Z')",
        TEXT,
        "2025-01-01T00:00:00Z",
        "2026-06-01T00:00:00Z",
    ),
    ("pattern", "self.matches('^[a-z]+$')", TEXT, "abc", "aBc"),
    ("address", "isIP(self) && ip(self).family() == 4", TEXT, "10.0.0.1", "fd00::1"),
    ("address mapped into another family", "isIP(self)", TEXT, "::1", "::ffff:1.2.3.4"),
    ("range", "cidr(self).prefixLength() >= 24", TEXT, "10.0.0.0/24", "10.0.0.0/16"),
    ("range in another", "cidr('10.0.0.0/8').containsCIDR(cidr(self))", TEXT, "10.1.0.0/16", "11.0.0.0/16"),
    ("address in a range", "cidr(self).containsIP('10.0.0.7')", TEXT, "10.0.0.0/24", "10.0.1.0/24"),
    ("masked range", "cidr(self).masked() == cidr(self)", TEXT, "10.0.0.0/24", "10.0.0.1/24"),
    (
        "URL",
        "isURL(self) && url(self).getScheme() == 'https' && url(self).getPort() == ''",
        TEXT,
        "https://a.example/b",
        "http://a.example",
    ),
    (
        "host name of a URL",
        "url(self).getHostname() == 'a.example'",
        TEXT,
        "https://a.example:8443/",
        "https://b.example/",
    ),
    ("quantity", "quantity(self).compareTo(quantity('1Gi')) >= 0", TEXT, "1024Mi", "1G"),
    ("quantity that is none", "isQuantity(self)", TEXT, "1500m", "1 Gi"),
    ("sum of quantities", "quantity(self).add(quantity('1Gi')).isGreaterThan(quantity('2Gi'))", TEXT, "1.5Gi", "1Gi"),
    ("named format", "!format.qualifiedName().validate(self).hasValue()", TEXT, "example.com/a", "a b"),
    ("sorted list", "self.isSorted() && self.sum() == 6", {"type": "array", "items": WHOLE}, [1, 2, 3], [3, 2, 1]),
    ("position in a list", "self.indexOf('b') == 1", {"type": "array", "items": TEXT}, ["a", "b"], ["b", "a"]),
    ("sets", "sets.contains(['a', 'b'], self)", {"type": "array", "items": TEXT}, ["a"], ["a", "c"]),
    ("part of a text", "self.find('[0-9]+') == '12'", TEXT, "a12b", "a1b"),
]


@pytest.mark.parametrize(
    ("rule", "schema", "good", "bad"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_rule_holds_or_is_reported_where_it_stands(rule: str, schema: dict[str, Any], good: Any, bad: Any) -> None:
    nested = obj(inner=ruled(schema, rule, message="must be right"))
    assert judge(nested, {"inner": good}) == []
    (issue,) = judge(nested, {"inner": bad})
    assert said([issue]) == [("CEL", ("spec", "inner"))]
    assert issue.message == "spec.inner: must be right: the API server refuses the object"
    assert (issue.severity, issue.verdict) == (Severity.ERROR, Verdict.VIOLATED)


def test_a_rule_is_asked_about_an_object_without_its_nulls() -> None:
    schema = ruled(obj(a=TEXT, b=TEXT), "has(self.a)", message="a is needed")
    assert said(judge(schema, {"a": None, "b": "x"})) == [("CEL", ("spec",)), ("NULL", ("spec", "a"))]


def test_rules_apply_to_items_and_values_and_at_the_root() -> None:
    item = ruled(obj(a=WHOLE), "self.a > 0")
    lists = {"type": "array", "items": {"type": "object", "additionalProperties": item}}
    assert said(judge(lists, [{"x": {"a": 1}}, {"y": {"a": 0}}])) == [("CEL", ("spec", 1, "y"))]
    root = ruled(obj(spec=obj(a=TEXT)), "self.metadata.name == 'only'")
    assert said(judge(root, {})) == [("CEL", ())]


def test_the_message_may_be_computed_and_the_field_named() -> None:
    schema = ruled(obj(a=WHOLE), "self.a > 0", messageExpression="'a is ' + string(self.a)", fieldPath=".a")
    (issue,) = judge(schema, {"a": -1})
    assert "a is -1" in issue.message
    assert issue.path == ("spec", "a")


def test_rules_about_the_old_object_are_not_asked_on_create() -> None:
    assert judge(ruled(obj(a=TEXT), "self.a == oldSelf.a"), {"a": "x"}) == []
    optional = {"rule": "oldSelf.hasValue() || self.a == 'x'", "optionalOldSelf": True}
    schema = {**obj(a=TEXT), "x-kubernetes-validations": [optional]}
    assert judge(schema, {"a": "x"}) == []
    assert said(judge(schema, {"a": "y"})) == [("CEL", ("spec",))]


def test_rules_are_asked_only_of_objects_without_schema_errors_and_never_of_patches() -> None:
    schemas = SchemaSet.build([crd(ruled(obj(a=WHOLE), "self.a > 0"))], cel=True)
    assert said(check(schemas, widget({"a": "0"}))) == [("TYPE", ("spec", "a"))]
    assert check(schemas, widget({"a": 0}), partial=True) == []


def test_a_rule_that_cannot_be_compiled_is_noted_and_not_passed_over_in_silence() -> None:
    schemas = SchemaSet.build([crd(ruled(obj(a=TEXT), "unheard(self.a)"))], cel=True)
    assert check(schemas, widget({"a": "x"})) == []
    (note,) = schemas.notes()
    assert note.subject == "example.dev/v1 Widget"
    assert note.text.startswith("the rule unheard(self.a) at spec:")


def test_a_rule_that_gives_no_verdict_is_unknown_and_neither_held_nor_broken() -> None:
    a_time = {"type": "string", "format": "date-time"}
    rule = "self.a < timestamp('2026-01-01T00:00:00Z')"
    (issue,) = judge(ruled(obj(a=a_time), rule), {"a": "2025-01-01T00:00:00Z"})
    assert (issue.verdict, issue.severity) == (Verdict.UNKNOWN, Severity.INFO)
    assert issue.message.startswith(f"not evaluated: {rule}")


def test_a_rule_that_fails_on_a_value_is_broken() -> None:
    (issue,) = judge(ruled(obj(a=TEXT), "self.a == 'x'"), {})
    assert said([issue]) == [("CEL", ("spec",))]
    assert (issue.verdict, issue.severity) == (Verdict.VIOLATED, Severity.ERROR)
    assert issue.message.startswith("spec: the rule self.a == 'x' fails (error: ")


def test_rules_are_asked_only_when_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    definition = crd(ruled(obj(a=TEXT), "self.a == 'x'"))
    assert check(SchemaSet.build([definition]), widget({"a": "y"})) == []
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    monkeypatch.setattr("tenantry.schema.schema_set.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"tenantry\[cel\]"):
        SchemaSet.build([definition], cel=True)


def test_every_published_rule_compiles_and_samples_break_none() -> None:
    schemas = SchemaSet.build(published_crds(), kubernetes_schemas("1.32"), cel=True)
    for definition in published_crds():
        for version in definition["spec"]["versions"]:
            if version["served"]:
                api_version = f"{definition['spec']['group']}/{version['name']}"
                check(schemas, thing(api_version, definition["spec"]["names"]["kind"], spec={}))
    assert schemas.notes() == ()
    assert [issue for _, body in samples() for issue in check(schemas, body) if issue.rule == "LINT-SCHEMA-CEL"] == []


def test_published_rules_catch_what_the_schema_cannot_say() -> None:
    schemas = SchemaSet.build(published_crds("kueue"), kubernetes_schemas("1.32"), cel=True)
    flavors = [{"name": "a", "resources": [{"name": "memory", "nominalQuota": 1}]}]
    groups = [{"coveredResources": ["cpu"], "flavors": flavors}]
    body = thing(
        "kueue.x-k8s.io/v1beta1",
        "ClusterQueue",
        spec={
            "resourceGroups": groups,
            "preemption": {"reclaimWithinCohort": "Never", "borrowWithinCohort": {"policy": "LowerPriority"}},
        },
    )
    issues = check(schemas, body)
    assert said(issues) == [("CEL", ("spec", "preemption"))]
    assert "reclaimWithinCohort=Never and borrowWithinCohort.Policy!=Never" in issues[0].message
