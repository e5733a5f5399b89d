"""What a plate costs."""

from shapes.areas import rectangle


def price(width: float, height: float, per_area: float) -> float:
    """Return the price of a rectangular plate."""
    return rectangle(width, height) * per_area
