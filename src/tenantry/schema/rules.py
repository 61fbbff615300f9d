"""The rules of the schema engine: identifiers and what each says."""

from __future__ import annotations

UNKNOWN_FIELD = "LINT-SCHEMA-UNKNOWN-FIELD"
TYPE = "LINT-SCHEMA-TYPE"
REQUIRED = "LINT-SCHEMA-REQUIRED"
ENUM = "LINT-SCHEMA-ENUM"
PATTERN = "LINT-SCHEMA-PATTERN"
RANGE = "LINT-SCHEMA-RANGE"
COMBINATION = "LINT-SCHEMA-COMBINATION"
DUPLICATE_KEY = "LINT-SCHEMA-DUPLICATE-KEY"
VERSION = "LINT-SCHEMA-VERSION"
KIND = "LINT-SCHEMA-KIND"
SCOPE = "LINT-SCHEMA-SCOPE"
NAME = "LINT-SCHEMA-NAME"
LABEL = "LINT-SCHEMA-LABEL"
QUANTITY = "LINT-SCHEMA-QUANTITY"
QUOTA_KEY = "LINT-SCHEMA-QUOTA-KEY"
REFERENCE = "LINT-SCHEMA-REFERENCE"
CEL = "LINT-SCHEMA-CEL"
NULL = "LINT-SCHEMA-NULL"
UNREADABLE = "LINT-SCHEMA-UNREADABLE"

RULES: dict[str, str] = {
    UNKNOWN_FIELD: "A field is not part of the kind's schema: server-side apply refuses it, other clients lose it.",
    TYPE: "A value has another type than the schema says.",
    REQUIRED: "A required field is missing.",
    ENUM: "A value is not one of those allowed.",
    PATTERN: "A text does not have the form the schema asks for.",
    RANGE: "A number, length or count is outside its bounds.",
    COMBINATION: "Fields are set together that exclude each other, or none of several alternatives holds.",
    DUPLICATE_KEY: "Two items of a list have the same key.",
    VERSION: "The kind exists, but not in this version of its group, or that version is not served.",
    KIND: "The kind does not exist in a group whose kinds are all known.",
    SCOPE: "A namespace is set on an object outside every namespace.",
    NAME: "The object has no name, or one the API server does not take.",
    LABEL: "The key or value of a label, annotation or selector is not valid.",
    QUANTITY: "A quantity cannot be read, is negative, or breaks the rules for that kind of amount.",
    QUOTA_KEY: "A ResourceQuota names something in a way that limits nothing.",
    REFERENCE: "An object refers to a part of itself that it does not have.",
    CEL: "A validation rule of the kind (x-kubernetes-validations) does not hold.",
    NULL: "A field is null: clients that create the object drop it, server-side apply refuses the object.",
    UNREADABLE: "The object cannot be checked because it is not what JSON can hold.",
}
