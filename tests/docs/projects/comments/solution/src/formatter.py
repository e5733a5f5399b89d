"""From the tree to text."""

from collections.abc import Iterable

from src.nodes import Setting


def write(settings: Iterable[Setting]) -> str:
    """Return the settings as text."""
    lines = []
    for setting in settings:
        lines += [f"# {setting.comment}"] if setting.comment else []
        lines.append(f"{setting.name} = {setting.value}")
    return "".join(f"{line}\n" for line in lines)
