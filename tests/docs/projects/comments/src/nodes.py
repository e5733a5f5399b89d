"""The tree of a program in a small language of settings."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """One line `name = value`."""

    name: str
    value: str
