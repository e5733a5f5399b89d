"""The functions that SQL text can call, by name.

Each entry says where the function lives (``module:attribute``); it is loaded when it is first
called. Several tasks add their own entries, each between its two markers.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from minisql.errors import SqlNameError

if TYPE_CHECKING:
    from minisql.aggregates import Aggregate
    from minisql.types import Value

SCALARS: dict[str, str] = {
    # region: functions
    "abs": "minisql.functions:absolute",
    "coalesce": "minisql.functions:coalesce",
    "length": "minisql.functions:length",
    "lower": "minisql.functions:lower",
    "nullif": "minisql.functions:nullif",
    "replace": "minisql.functions:replace",
    "round": "minisql.functions:rounded",
    "substr": "minisql.functions:substr",
    "trim": "minisql.functions:trim",
    "upper": "minisql.functions:upper",
    # endregion: functions
    #
    #
    # region: types
    "typeof": "minisql.types:typeof",
    # endregion: types
}

AGGREGATES: dict[str, str] = {
    # region: aggregates
    "avg": "minisql.aggregates:Average",
    "count": "minisql.aggregates:Count",
    "max": "minisql.aggregates:Maximum",
    "min": "minisql.aggregates:Minimum",
    "sum": "minisql.aggregates:Sum",
    # endregion: aggregates
}


def scalar(name: str) -> Callable[..., Value]:
    """Return the scalar function called `name` (lower case).

    Raises:
        SqlNameError: there is none.
    """
    function: Callable[..., Value] = _load(name, SCALARS)
    return function


def aggregate(name: str) -> type[Aggregate]:
    """Return the class of the aggregate called `name` (lower case).

    Raises:
        SqlNameError: there is none.
    """
    kind: type[Aggregate] = _load(name, AGGREGATES)
    return kind


def is_aggregate(name: str) -> bool:
    """Whether `name` (lower case) is an aggregate such as ``count``."""
    return name in AGGREGATES


def _load(name: str, table: dict[str, str]) -> Any:
    if name not in table:
        raise SqlNameError(f"no such function: {name}")
    module, attribute = table[name].split(":")
    return getattr(import_module(module), attribute)
