"""Where the marks of a chart lie; `charts.svg.j2` draws them. Plain geometry: numbers in, coordinates out.

A chart is drawn in units of its view box and scales with the page. Every chart has its numbers as text beside it or in
its description, and nothing is told by colour alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 420
LEFT, RIGHT = 40, 6
TOP, HEIGHT, BELOW = 16, 130, 20
ROW, BAR = 22, 12
TALL = 120
"""Of a chart of columns, above and below zero."""
SHARE = 0.62
"""Of the room of a column, what it fills."""
WIDEST = 44.0
CHARACTER = 5.8
"""Room for a character of a value."""
UNDER = 14
"""Room for a value below its column."""
APART = 13
"""Between two labels, one above the other."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value of a line chart; `y` is None where there is none."""

    x: float
    y: float | None
    label: str
    """Below the axis."""
    value: str
    """At the mark."""
    is_below: bool = False
    """Whether there is more room below the mark than above it."""


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class LineChart:
    """Values over time, against levels."""

    points: Sequence[Point]
    runs: Sequence[str]
    """The points of each unbroken line, as SVG lists them."""
    levels: Sequence[Level]
    width: int = WIDTH
    height: int = TOP + HEIGHT + BELOW
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = TOP + HEIGHT


@dataclass(frozen=True, slots=True)
class Bar:
    """A horizontal bar."""

    y: int
    label: str
    width: float
    value: str
    is_marked: bool


@dataclass(frozen=True, slots=True)
class BarChart:
    """Counts, one bar each."""

    bars: Sequence[Bar]
    height: int
    left: int
    width: int = WIDTH
    bar: int = BAR


def line_chart(values: Sequence[tuple[str, float | None, str]], levels: Sequence[tuple[float, str]]) -> LineChart:
    """A line through values of (label, value, value as text), over levels of (value, label); zero is the bottom.

    A level far above every value is left out, so that the values keep their shape.
    """
    most = max([value for _, value, _ in values if value is not None], default=0.0)
    shown = [(value, label) for value, label in levels if value <= 2.5 * most] or list(levels[:1])
    top = max([most, *(value for value, _ in shown)]) * 1.08 or 1.0
    step = (WIDTH - LEFT - RIGHT) / max(len(values), 1)

    def y(value: float) -> float:
        return round(TOP + HEIGHT * (1 - value / top), 1)

    numbers = [value for _, value, _ in values]
    points = [
        Point(
            round(LEFT + step * (number + 0.5), 1),
            None if value is None else y(value),
            label,
            text,
            is_below=value is not None and _dips(numbers, number) and value > 0.15 * top,
        )
        for number, (label, value, text) in enumerate(values)
    ]
    runs: list[list[str]] = [[]]
    for point in points:
        if point.y is None:
            runs.append([])
        else:
            runs[-1].append(f"{point.x},{point.y}")
    unbroken = [" ".join(run) for run in runs if len(run) > 1]
    return LineChart(points, unbroken, _labelled([Level(y(value), text) for value, text in shown]))


def _labelled(levels: Sequence[Level]) -> list[Level]:
    """The same, without the labels that would lie on another."""
    found: list[Level] = []
    for level in levels:
        is_free = all(abs(level.y - other.y) >= APART for other in found if other.label)
        found.append(level if is_free else Level(level.y, ""))
    return found


def _dips(values: Sequence[float | None], number: int) -> bool:
    """Whether a value lies below what its neighbours come to on average: its lines leave upwards."""
    beside = [
        each for each in (*values[max(number - 1, 0) : number], *values[number + 1 : number + 2]) if each is not None
    ]
    value = values[number]
    return bool(beside) and value is not None and value < sum(beside) / len(beside)


def bar_chart(values: Sequence[tuple[str, int, str, bool]], left: int = 150) -> BarChart:
    """A bar for each of (label, count, count as text, is marked); labels take `left` units of the width."""
    most = max((count for _, count, _, _ in values), default=0) or 1
    room = WIDTH - left - 52
    bars = [
        Bar(ROW * number, label, max(round(room * count / most, 1), 1.0 if count else 0.0), text, is_marked)
        for number, (label, count, text, is_marked) in enumerate(values)
    ]
    return BarChart(bars, ROW * len(bars), left)


@dataclass(frozen=True, slots=True)
class Column:
    """A month; without a value it is a gap."""

    middle: float
    left: float
    top: float
    height: float
    label: str
    value: str
    value_y: float
    is_marked: bool


@dataclass(frozen=True, slots=True)
class ColumnChart:
    """Amounts over time."""

    columns: Sequence[Column]
    zero: float
    column: float
    """How wide a column is."""
    width: int = WIDTH
    height: int = TOP + TALL + BELOW


def fit(values: Sequence[str]) -> bool:
    """Whether values have room side by side."""
    return max(map(len, values), default=0) * CHARACTER * len(values) <= WIDTH


def column_chart(values: Sequence[tuple[str, float | None, str]], *, marks_last: bool = True) -> ColumnChart:
    """A column for each of (label, value, value as text); the last one is marked, unless it is one like the others."""
    known = [value for _, value, _ in values if value is not None]
    most, least = max([0.0, *known]), min([0.0, *known])
    scale = (TALL - (UNDER if least < 0 else 0)) / ((most - least) or 1.0)
    zero = TOP + most * scale
    step = WIDTH / max(len(values), 1)
    width = min(step * SHARE, WIDEST)
    columns = []
    for number, (label, value, text) in enumerate(values):
        middle, tall = step * (number + 0.5), abs(value or 0.0) * scale
        is_below = value is not None and value < 0
        columns.append(
            Column(
                middle=round(middle, 1),
                left=round(middle - width / 2, 1),
                top=round(zero if is_below else zero - tall, 1),
                height=round(max(tall, 1.0 if value else 0.0), 1),
                label=label,
                value=text,
                value_y=round(zero + tall + 12 if is_below else zero - tall - 5, 1),
                is_marked=marks_last and number == len(values) - 1,
            )
        )
    return ColumnChart(columns, round(zero, 1), round(width, 1))
