"""Options of a model, as given on the command line: ``-M KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import UsageError


def model_options(pairs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return options that were given as ``key=value``.

    Raises:
        UsageError: one is not of that form, or is given twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals or key in found:
            what = "is given twice" if key in found else "is not of the form key=value"
            raise UsageError(f"option {key!r} {what}", "-M", fix="say for example -M mistakes=0.3")
        found[key] = value
    return tuple(found.items())
