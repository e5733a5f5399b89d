"""From the tree to text."""

from collections.abc import Iterable

from src.nodes import Setting


def write(settings: Iterable[Setting]) -> str:
    """Return the settings as text."""
    return "".join(f"{setting.name} = {setting.value}\n" for setting in settings)
