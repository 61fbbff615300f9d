"""CEL for admission: expressions are compiled once and evaluated on plain objects; without the package nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

VARIABLES = ("object", "oldObject", "namespaceObject", "request", "variables", "params")

INSTALL = "install tenantry[cel]"

# Errors the API server would meet too; any other could come from a difference between evaluators.
_GENUINE = (
    "not_found",
    "key not found",
    "no such key",
    "index error",
    "out of range",
    "divide by zero",
    "modulus by zero",
    # What is refused here as an address, quantity, number or place in a text is refused there too.
    "does not appear to be an ip",
    "is not a quantity",
    "cannot convert string to int",
    "<string>.",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an expression gives.

    Attributes:
        value: its value; None when it gives none.
        error: what went wrong; empty when nothing did.
        genuine: whether the API server would meet the same error.
    """

    value: Any = None
    error: str = ""
    genuine: bool = True


@cache
def available() -> bool:
    """Whether expressions can be evaluated."""
    try:
        import cel_expr_python  # type: ignore[import-untyped] # noqa: F401
    except ImportError:
        return False
    return True


def evaluate(expression: object, data: dict[str, Any]) -> Outcome:
    """Evaluate an expression.

    Args:
        expression: CEL text; anything else gives an error.
        data: value per variable of ``VARIABLES``.
    """
    if not isinstance(expression, str):
        return Outcome(error="the expression is not text", genuine=False)
    if not available():
        return Outcome(error=INSTALL, genuine=False)
    program, problem = _compiled(expression)
    if problem:
        return Outcome(error=problem, genuine=False)
    try:
        result = program.eval(data=data)
        if result.type().name() != "ERROR":
            return Outcome(result.plain_value())
        told = str(result.value())
    except (RuntimeError, ValueError, TypeError, OverflowError, RecursionError) as error:
        told = str(error)
        return Outcome(error=told.partition("\n")[0], genuine=False)
    return Outcome(error=told.partition("\n")[0], genuine=any(sign in told.lower() for sign in _GENUINE))


def serialized(expression: str) -> bytes | None:
    """Return an expression in the form ``cel.expr.CheckedExpr`` is written in; None when it cannot be compiled."""
    if not available():
        return None
    program, problem = _compiled(expression)
    if problem:
        return None
    try:
        return bytes(program.serialize())
    except (RuntimeError, ValueError, TypeError):
        return None


@lru_cache(maxsize=16384)
def _compiled(expression: str) -> tuple[Any, str]:
    try:
        return _environment().compile(expression), ""
    except (RuntimeError, ValueError, TypeError) as error:
        return None, str(error).partition("\n")[0]


@cache
def _environment() -> Any:
    from cel_expr_python import cel
    from cel_expr_python.ext import (  # type: ignore[import-untyped]
        ext_bindings,
        ext_encoders,
        ext_math,
        ext_optional,
        ext_strings,
    )

    from tenantry.model.cel_functions import library

    return cel.NewEnv(
        variables=dict.fromkeys(VARIABLES, cel.Type.DYN),
        extensions=[
            ext_strings.ExtStrings(),
            ext_math.ExtMath(),
            ext_optional.ExtOptional(),
            ext_encoders.ExtEncoders(),
            ext_bindings.ExtBindings(),
            library(),
        ],
    )
