"""From text to the tree."""

from src.nodes import Setting


def parse(text: str) -> list[Setting]:
    """Return the settings of a text."""
    settings = []
    comment = ""
    for line in text.splitlines():
        name, mark, value = line.partition("=")
        if line.startswith("#"):
            comment = line.removeprefix("#").strip()
        elif mark:
            settings.append(Setting(name.strip(), value.strip(), comment))
            comment = ""
    return settings
