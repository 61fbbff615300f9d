"""Read PromQL far enough to know which metrics an expression uses and that it is not obviously broken.

This is a tokenizer with a little context, not a parser: it tells metric names from functions, aggregations, keywords,
label names, durations and numbers, and refuses unbalanced brackets, unknown functions and unfinished strings.

Source: prometheus, ``promql/parser/lex.go`` and ``promql/parser/functions.go``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

AGGREGATIONS = frozenset((
    "avg", "bottomk", "count", "count_values", "group", "limit_ratio", "limitk", "max", "min", "quantile", "stddev",
    "stdvar", "sum", "topk",
))  # fmt: skip
GROUPING = frozenset(("by", "group_left", "group_right", "ignoring", "on", "without"))
OPERATORS = frozenset(("and", "atan2", "bool", "offset", "or", "unless"))
NUMBERS = frozenset(("inf", "nan"))
FUNCTIONS = frozenset((
    "abs", "absent", "absent_over_time", "acos", "acosh", "asin", "asinh", "atan", "atanh", "avg_over_time", "ceil",
    "changes", "clamp", "clamp_max", "clamp_min", "cos", "cosh", "count_over_time", "day_of_month", "day_of_week",
    "day_of_year", "days_in_month", "deg", "delta", "deriv", "double_exponential_smoothing", "exp", "floor",
    "histogram_avg", "histogram_count", "histogram_fraction", "histogram_quantile", "histogram_stddev",
    "histogram_stdvar", "histogram_sum", "hour", "idelta", "increase", "irate", "label_join", "label_replace",
    "last_over_time", "ln", "log10", "log2", "mad_over_time", "max_over_time", "min_over_time", "minute", "month",
    "pi", "predict_linear", "present_over_time", "quantile_over_time", "rad", "rate", "resets", "round", "scalar",
    "sgn", "sin", "sinh", "sort", "sort_by_label", "sort_by_label_desc", "sort_desc", "sqrt", "stddev_over_time",
    "stdvar_over_time", "sum_over_time", "tan", "tanh", "time", "timestamp", "vector", "year",
))  # fmt: skip

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|\#[^\n]*)
    | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`]*`)
    | (?P<duration>(?:[0-9]+(?:ms|[smhdwy]))+(?![A-Za-z0-9_]))
    | (?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<name>[A-Za-z_:][A-Za-z0-9_:]*)
    | (?P<op>=~|!~|!=|==|>=|<=|[-+*/%^=<>@,:])
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    """,
    re.VERBOSE,
)
_PAIRS = {")": "(", "]": "[", "}": "{"}


class Token(NamedTuple):
    """One token: its kind (a group name of the pattern), its text and where it starts."""

    kind: str
    text: str
    position: int


def tokens(expression: str) -> list[Token]:
    """Split an expression into tokens without white space and comments.

    Raises:
        ValueError: at a character that starts no token, such as an unfinished string.
    """
    found: list[Token] = []
    position = 0
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        if match is None:
            raise ValueError(f"PromQL: no token at {position}: {expression[position : position + 20]!r}")
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token(kind, match[0], position))
        position = match.end()
    return found


def metrics(expression: str) -> frozenset[str]:
    """Return the names of the metrics an expression selects.

    Raises:
        ValueError: if brackets do not balance, a function is unknown, or a metric is chosen by a pattern on
            ``__name__``, which nobody can trace.
    """
    stream = tokens(expression)
    _check_brackets(stream)
    names: set[str] = set()
    index = 0
    while index < len(stream):
        token = stream[index]
        if token.text == "{":
            end = _end_of(stream, index)
            names.update(_named_in_matchers(stream[index + 1 : end]))
            index = end
        elif token.text == "[":
            index = _end_of(stream, index)
        elif token.kind == "name":
            index = _name(stream, index, names)
        index += 1
    if not stream:
        raise ValueError("PromQL: the expression is empty")
    return frozenset(names)


def _name(stream: list[Token], index: int, names: set[str]) -> int:
    """Classify the name at ``index``; return the index of the last token that belongs to it."""
    token, following = stream[index], stream[index + 1].text if index + 1 < len(stream) else ""
    word = token.text.lower()
    if word in GROUPING:
        # Label names in parentheses follow; group_left and group_right may stand alone.
        return _end_of(stream, index + 1) if following == "(" else index
    if word in OPERATORS or (word in NUMBERS and following not in {"{", "["}):
        return index
    if word in {"start", "end"} and index and stream[index - 1].text == "@":
        return index
    if word in AGGREGATIONS and (following == "(" or following.lower() in {"by", "without"}):
        return index
    if following == "(":
        if token.text not in FUNCTIONS:
            raise ValueError(f"PromQL: unknown function {token.text} at {token.position}")
        return index
    names.add(token.text)
    return index


def _named_in_matchers(inside: list[Token]) -> set[str]:
    names: set[str] = set()
    for index, token in enumerate(inside):
        following = inside[index + 1].text if index + 1 < len(inside) else ""
        if token.text == "__name__":
            if following != "=" or index + 2 >= len(inside):
                raise ValueError(f"PromQL: a pattern on __name__ cannot be traced, at {token.position}")
            names.add(inside[index + 2].text[1:-1])
        elif token.kind == "string" and following in {"", ","} and (index == 0 or inside[index - 1].text == ","):
            names.add(token.text[1:-1])  # {"name"}: the quoted form of a metric name
    return names


def _end_of(stream: list[Token], start: int) -> int:
    """Return the index of the bracket that closes the one at ``start``."""
    depth = 0
    for index in range(start, len(stream)):
        if stream[index].kind == "open":
            depth += 1
        elif stream[index].kind == "close":
            depth -= 1
            if not depth:
                return index
    raise ValueError(f"PromQL: bracket at {stream[start].position} is never closed")


def _check_brackets(stream: list[Token]) -> None:
    waiting: list[Token] = []
    for token in stream:
        if token.kind == "open":
            waiting.append(token)
        elif token.kind == "close" and (not waiting or waiting.pop().text != _PAIRS[token.text]):
            raise ValueError(f"PromQL: {token.text} at {token.position} closes nothing")
    if waiting:
        raise ValueError(f"PromQL: bracket at {waiting[-1].position} is never closed")
