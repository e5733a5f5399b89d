"""The tree of a program in a small language of settings."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """One line `name = value`, and the comment before it."""

    name: str
    value: str
    comment: str = ""
