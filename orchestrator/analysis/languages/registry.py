"""Which languages there are."""

from __future__ import annotations

from orchestrator.analysis.languages.base import Language
from orchestrator.analysis.languages.python import Python
from orchestrator.analysis.languages.typescript import TypeScript
from orchestrator.errors import UsageError, nearest


def languages(choice: str = "auto") -> tuple[Language, ...]:
    """Return the languages meant by a name; ``auto``: all of them.

    Raises:
        UsageError: there is no such language.
    """
    known: tuple[Language, ...] = (Python(), TypeScript())
    if choice == "auto":
        return known
    chosen = tuple(language for language in known if language.name == choice)
    if not chosen:
        names = [*(language.name for language in known), "auto"]
        close = nearest(choice, names)
        raise UsageError(
            f"there is no language {choice!r}",
            "--language",
            f"known: {', '.join(names)}",
            f"write {close!r}" if close else "choose one of them",
        )
    return chosen
