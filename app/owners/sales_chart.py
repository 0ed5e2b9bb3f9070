"""Bars of the sales page, in the units of their picture, which is stretched to the width that there is."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.owners.sales import Sales

# What one bar has of its place's width, and the heights of the picture and of the smallest bar that is seen.
THICK = 0.7
HEIGHT = 150.0
LEAST = 1.5


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class SalesChart:
    """For each piece of time a bar upwards of what came in, and one downwards of what went back; none for nothing."""

    count: int
    # Where both begin.
    base: float
    gross: list[Bar]
    refunded: list[Bar]

    @classmethod
    def of(cls, rows: Sequence[Sales]) -> "SalesChart":
        """At least one of the rows has something to show."""
        up = max(sales.gross.amount for sales in rows)
        down = max(sales.refunded.amount for sales in rows)
        scale = HEIGHT / (up + down)
        base = up * scale
        gross, refunded = [], []
        for number, sales in enumerate(rows):
            x = number + (1 - THICK) / 2
            if sales.gross.amount:
                height = max(sales.gross.amount * scale, LEAST)
                gross.append(Bar(x, base - height, THICK, height))
            if sales.refunded.amount:
                refunded.append(Bar(x, base, THICK, max(sales.refunded.amount * scale, LEAST)))
        return cls(len(rows), base, gross, refunded)
