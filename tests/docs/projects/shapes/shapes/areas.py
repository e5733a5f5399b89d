"""Areas."""


def rectangle(width: float, height: float) -> float:
    """Return the area of a rectangle."""
    return width * height


def triangle(base: float, height: float) -> float:
    """Return the area of a triangle."""
    return base * height / 2
