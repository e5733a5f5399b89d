"""Aggregate functions: they are fed the values of a group, one by one."""

from __future__ import annotations

from abc import ABC, abstractmethod

from minisql import registry
from minisql.errors import SqlTypeError
from minisql.types import Value, compare, sort_key, typeof


class Aggregate(ABC):
    """One aggregate over one group. It is given all values and passes over NULLs itself."""

    @abstractmethod
    def add(self, value: Value) -> None:
        """Take one value of the group."""

    @abstractmethod
    def result(self) -> Value:
        """Return the aggregate over the values so far."""


class Count(Aggregate):
    """``count(x)``: how many values are not NULL."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, value: Value) -> None:
        """Count `value` unless it is NULL."""
        self._count += value is not None

    def result(self) -> Value:
        """Return the count; 0 for an empty group."""
        return self._count


class Sum(Aggregate):
    """``sum(x)``: integers give an integer, any real a real; NULL for no values."""

    def __init__(self) -> None:
        self._total: int | float | None = None

    def add(self, value: Value) -> None:
        """Add a number.

        Raises:
            SqlTypeError: ``cannot add text`` and the like.
        """
        if value is None:
            return
        if isinstance(value, bool | str):
            raise SqlTypeError(f"cannot add {typeof(value)}")
        self._total = value if self._total is None else self._total + value

    def result(self) -> Value:
        """Return the sum, NULL when there was no value."""
        return self._total


class Average(Aggregate):
    """``avg(x)``: the mean as a real; NULL for no values."""

    def __init__(self) -> None:
        self._sum, self._count = Sum(), Count()

    def add(self, value: Value) -> None:
        """Take a number into the mean; the error is that of `Sum`."""
        self._sum.add(value)
        self._count.add(value)

    def result(self) -> Value:
        """Return the mean, NULL when there was no value."""
        total, count = self._sum.result(), self._count.result()
        if not isinstance(total, int | float) or not isinstance(count, int):
            return None
        return total / count


class Minimum(Aggregate):
    """``min(x)``: the least value by `types.compare`; NULL for no values."""

    def __init__(self) -> None:
        self._best: Value = None

    def add(self, value: Value) -> None:
        """Keep `value` if it is less than all before it."""
        if value is not None and compare(value, self._best) in (None, -1):
            self._best = value

    def result(self) -> Value:
        """Return the least value, NULL when there was none."""
        return self._best


class Maximum(Aggregate):
    """``max(x)``: the greatest value by `types.compare`; NULL for no values."""

    def __init__(self) -> None:
        self._best: Value = None

    def add(self, value: Value) -> None:
        """Keep `value` if it is greater than all before it."""
        if value is not None and compare(value, self._best) in (None, 1):
            self._best = value

    def result(self) -> Value:
        """Return the greatest value, NULL when there was none."""
        return self._best


class Distinct(Aggregate):
    """Passes each different value on once, to another aggregate."""

    def __init__(self, inner: Aggregate) -> None:
        self._inner = inner
        self._seen: set[tuple[int, float | str]] = set()

    def add(self, value: Value) -> None:
        """Pass `value` on unless an equal one (by `types.sort_key`) was passed on before."""
        key = sort_key(value)
        if key not in self._seen:
            self._seen.add(key)
            self._inner.add(value)

    def result(self) -> Value:
        """Return what the other aggregate returns."""
        return self._inner.result()


def create(name: str, distinct: bool = False) -> Aggregate:
    """Return a fresh aggregate.

    Args:
        name: its name in the registry, lower case.
        distinct: whether equal values count once.

    Raises:
        SqlNameError: the registry knows no aggregate of that name.
    """
    inner = registry.aggregate(name)()
    return Distinct(inner) if distinct else inner
