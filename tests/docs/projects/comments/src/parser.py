"""From text to the tree."""

from src.nodes import Setting


def parse(text: str) -> list[Setting]:
    """Return the settings of a text."""
    settings = []
    for line in text.splitlines():
        name, mark, value = line.partition("=")
        if mark and not line.startswith("#"):
            settings.append(Setting(name.strip(), value.strip()))
    return settings
