"""Small pictures in SVG: values over time as steps, with axes. No scripts; a picture may be stretched to its place."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 400
"""Units a chart is wide; it is drawn about as many pixels wide, so that its text stays readable."""
LEFT, RIGHT, TOP = 44, 6, 8
_HALF_WORD = 18
"""Units half a time takes when it is written."""

_STEPS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 2 * 86_400,
    3 * 86_400, 7 * 86_400, 14 * 86_400, 28 * 86_400, 56 * 86_400, 84 * 86_400, 182 * 86_400,
)  # fmt: skip
_YEAR = 364 * 86_400
"""Whole weeks, so that weekdays lie alike."""
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Frame(NamedTuple):
    """Where values are drawn: a rectangle of time and amount.

    Attributes:
        start: second at the left edge.
        end: second at the right edge; later than ``start``.
        most: amount at the upper edge; positive.
        top: units from the upper edge of the picture.
        height: units.
    """

    start: int
    end: int
    most: float
    top: float
    height: float

    def x(self, second: float) -> float:
        """Return where a second is."""
        return LEFT + (second - self.start) / (self.end - self.start) * (WIDTH - LEFT - RIGHT)

    def y(self, amount: float) -> float:
        """Return where an amount is."""
        return self.top + self.height * (1 - min(max(amount, 0.0), self.most) / self.most)


def line(frame: Frame, edges: Sequence[int], values: Sequence[float], kind: str) -> str:
    """Draw values as steps."""
    return f'<path class="{kind}" d="M{_steps(frame, edges, values)}"/>'


def area(frame: Frame, edges: Sequence[int], values: Sequence[float], kind: str) -> str:
    """Draw values as a filled area of steps."""
    base = _short(frame.y(0))
    left, right = _short(frame.x(edges[0])), _short(frame.x(edges[-1]))
    return f'<path class="{kind}" d="M{left} {base}L{_steps(frame, edges, values)}H{right}V{base}Z"/>'


def _steps(frame: Frame, edges: Sequence[int], values: Sequence[float]) -> str:
    """Return the steps from left to right; values that look alike in a row are one step."""
    parts: list[str] = []
    last = ""
    for edge, value in zip(edges, values, strict=False):
        level = _short(frame.y(value))
        if not parts:
            parts.append(f"{_short(frame.x(edge))} {level}")
        elif level != last:
            parts.append(f"H{_short(frame.x(edge))}V{level}")
        last = level
    return "".join(parts) + f"H{_short(frame.x(edges[-1]))}"


def level(frame: Frame, amount: float, kind: str) -> str:
    """Draw a level line over the whole width."""
    height = _short(frame.y(amount))
    return f'<path class="{kind}" d="M{LEFT} {height}H{WIDTH - RIGHT}"/>'


def amounts(frame: Frame, shown: Sequence[float], unit: str = "") -> str:
    """Write amounts at the left edge."""
    return "".join(
        f"<text class=dimtext x={LEFT - 5} y={_short(frame.y(amount) + 4)} text-anchor=end>{amount:,g}{unit}</text>"
        for amount in shown
    )


def times(frame: Frame, bottom: float) -> str:
    """Draw lines through the frames above ``bottom`` at round times, and write these below."""
    parts = []
    for second in ticks(frame.start, frame.end):
        x = _short(frame.x(second))
        parts.append(
            f'<path class=grid d="M{x} {TOP}V{_short(bottom)}"/><text class=dimtext x={x} y={_short(bottom + 14)} '
            f"text-anchor={_anchor(frame.x(second))}>{clock(second)}</text>"
        )
    return "".join(parts)


def _anchor(x: float) -> str:
    """Keep words below a place within the picture."""
    return "start" if x < LEFT + _HALF_WORD else "end" if x > WIDTH - RIGHT - _HALF_WORD else "middle"


def ticks(start: int, end: int, most: int = 6) -> range:
    """Return round times between two seconds, so many at most."""
    length = end - start
    step = next((step for step in _STEPS if length // step < most), _YEAR * -(-length // (_YEAR * most)))
    return range(-(-start // step) * step, end + 1, step)


def clock(second: int) -> str:
    """Write a round time in its largest whole unit: ``2 d``, ``36 h``, ``90 min``."""
    unit, word = next(((unit, word) for unit, word in _UNITS if second % unit == 0), _UNITS[-1])
    return f"{second // unit:,} {word}" if second else "0"


def picture(body: str, height: float, said: str) -> str:
    """Put drawn parts into a picture; ``said`` is read to those who cannot see it."""
    return f'<svg class=chart viewBox="0 0 {WIDTH} {_short(height)}" role=img aria-label="{escape(said)}">{body}</svg>'


def round_up(value: float) -> float:
    """Return the next amount with one or two digits that is worth writing at an axis."""
    if value <= 0:
        return 1.0
    scale = 1.0
    while scale * 10 <= value:
        scale *= 10
    while scale > value:
        scale /= 10
    return next(
        scale * step for step in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if scale * step >= value * (1 - 1e-12)
    )


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
