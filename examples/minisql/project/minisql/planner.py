"""From a SELECT to a tree of steps, each of which turns rows into rows.

The plan filters as early as it can: a condition on one table is tested while that table is
scanned, an equality between two tables becomes the key of a hash join.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from minisql.plan import (
    Node,
)
from minisql.syntax_tree import (
    Expression,
    Select,
)

#: Gives the column names of a table, or raises SqlNameError.
Catalog: TypeAlias = Callable[[str], Sequence[str]]


def plan_select(select: Select, catalog: Catalog) -> Node:
    """Return the plan of a SELECT.

    From the inside out: scans and joins in the order of FROM, each with the conditions that
    can be tested there; `Group` when there is GROUP BY or an aggregate; a `Filter` for HAVING;
    `Sort`; `Project`; `Distinct`; `Limit`. Steps with nothing to do are left out.

    - All columns in the plan carry the name of their table, except in `Project.names`.
    - WHERE and the ON of inner joins are cut at their ANDs. Each part is tested as early as
      all its columns are there: in a `Filter` right on the scan, in the join (an equality
      between its two sides as keys, the others as its condition), or, when a left join stands
      in between, in a `Filter` above that join. The ON of a left join stays with that join.
    - In ORDER BY an integer is the place of an item of the list, from 1, and a plain name that
      is an alias of the list means that item. So does a plain name in GROUP BY, unless a
      column has that name.
    - After `Group`, keys and aggregates are columns named by `to_sql`, without a table unless
      the key is itself a column.
    - An item without alias is named by its column, or else by `to_sql` as it was written.

    Args:
        select: the query.
        catalog: gives the columns of a table.

    Raises:
        SqlNameError: an unknown or ambiguous column or table, two tables with one alias
            (``duplicate table: T``), a place in ORDER BY that is not there
            (``no item 3 in the list``), a column that is neither grouped by nor inside an
            aggregate (``column X must be in GROUP BY or inside an aggregate``).
        SqlTypeError: an aggregate in WHERE, ON, GROUP BY or inside an aggregate
            (``sum() is not allowed here``), one with other than one argument or with a star
            that is not ``count(*)`` (``wrong number of arguments for sum()``), a star without
            FROM (``* needs a FROM``).
    """
    raise NotImplementedError


def conjuncts(condition: Expression | None) -> list[Expression]:
    """Return the parts of a condition that AND joins, from left to right; none for None."""
    raise NotImplementedError
