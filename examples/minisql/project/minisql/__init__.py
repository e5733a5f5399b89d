"""minisql: a small SQL engine in memory.

The public names are loaded when they are first asked for, so that a module which is still a
stub disturbs nobody else. Each task adds its own names between its two markers.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

EXPORTS: dict[str, str] = {
    # region: tokens
    # endregion: tokens
    #
    #
    # region: types
    # endregion: types
    #
    #
    # region: syntax_tree
    # endregion: syntax_tree
    #
    #
    # region: lexer
    # endregion: lexer
    #
    #
    # region: parser
    # endregion: parser
    #
    #
    # region: functions
    # endregion: functions
    #
    #
    # region: aggregates
    # endregion: aggregates
    #
    #
    # region: storage
    # endregion: storage
    #
    #
    # region: expressions
    # endregion: expressions
    #
    #
    # region: planner
    # endregion: planner
    #
    #
    # region: executor
    # endregion: executor
    #
    #
    # region: formatter
    # endregion: formatter
    #
    #
    # region: shell
    # endregion: shell
    #
    #
    # region: integration
    # endregion: integration
}


def __getattr__(name: str) -> Any:
    if name not in EXPORTS:
        raise AttributeError(f"module 'minisql' has no attribute {name!r}")
    return getattr(import_module(EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(EXPORTS)
