"""Where the columns of a chart over months lie, above and below zero; the template draws them.

Plain geometry, as in `reports/charts.py`: numbers in, coordinates out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 420
TOP, HEIGHT, BELOW = 16, 120, 20
SHARE = 0.62
"""Of the room of a column, what it fills."""
WIDEST = 44.0
CHARACTER = 5.8
"""Room for a character of a value."""
UNDER = 14
"""Room for a value below its column."""


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
    is_last: bool


@dataclass(frozen=True, slots=True)
class ColumnChart:
    """Amounts over time."""

    columns: Sequence[Column]
    zero: float
    column: float
    """How wide a column is."""
    width: int = WIDTH
    height: int = TOP + HEIGHT + BELOW


def fit(values: Sequence[str]) -> bool:
    """Whether values have room side by side."""
    return max(map(len, values), default=0) * CHARACTER * len(values) <= WIDTH


def column_chart(values: Sequence[tuple[str, float | None, str]]) -> ColumnChart:
    """A column for each of (label, value, value as text); the last one is marked."""
    known = [value for _, value, _ in values if value is not None]
    most, least = max([0.0, *known]), min([0.0, *known])
    scale = (HEIGHT - (UNDER if least < 0 else 0)) / ((most - least) or 1.0)
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
                is_last=number == len(values) - 1,
            )
        )
    return ColumnChart(columns, round(zero, 1), round(width, 1))
