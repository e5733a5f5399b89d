"""minisql: a small SQL engine in memory.

The public names are loaded when they are first asked for, so that a module which is still a
stub disturbs nobody else. Each task adds its own names between its two markers.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

EXPORTS: dict[str, str] = {
    # region: tokens
    "Token": "minisql.tokens",
    "TokenKind": "minisql.tokens",
    # endregion: tokens
    #
    #
    # region: types
    "ColumnDef": "minisql.types",
    "Result": "minisql.types",
    "SqlType": "minisql.types",
    # endregion: types
    #
    #
    # region: syntax_tree
    "Scope": "minisql.scope",
    "to_sql": "minisql.syntax_tree",
    # endregion: syntax_tree
    #
    #
    # region: lexer
    "split_statements": "minisql.lexer",
    "tokenize": "minisql.lexer",
    # endregion: lexer
    #
    #
    # region: parser
    "parse": "minisql.parser",
    "parse_expression": "minisql.parser",
    # endregion: parser
    #
    #
    # region: functions
    "like": "minisql.functions",
    # endregion: functions
    #
    #
    # region: aggregates
    "Aggregate": "minisql.aggregates",
    # endregion: aggregates
    #
    #
    # region: storage
    "Database": "minisql.storage",
    "Table": "minisql.storage",
    # endregion: storage
    #
    #
    # region: expressions
    "evaluate": "minisql.expressions",
    # endregion: expressions
    #
    #
    # region: planner
    "explain": "minisql.plan",
    "plan_select": "minisql.planner",
    # endregion: planner
    #
    #
    # region: executor
    "execute": "minisql.executor",
    "run": "minisql.executor",
    # endregion: executor
    #
    #
    # region: formatter
    "format_result": "minisql.formatter",
    # endregion: formatter
    #
    #
    # region: shell
    "Shell": "minisql.shell",
    # endregion: shell
    #
    #
    # region: integration
    "Engine": "minisql.engine",
    # endregion: integration
}


def __getattr__(name: str) -> Any:
    if name not in EXPORTS:
        raise AttributeError(f"module 'minisql' has no attribute {name!r}")
    return getattr(import_module(EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(EXPORTS)
