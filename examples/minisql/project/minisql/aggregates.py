"""Aggregate functions: they are fed the values of a group, one by one."""

from __future__ import annotations

from abc import ABC, abstractmethod

from minisql.types import Value


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
        raise NotImplementedError

    def add(self, value: Value) -> None:
        """Count `value` unless it is NULL."""
        raise NotImplementedError

    def result(self) -> Value:
        """Return the count; 0 for an empty group."""
        raise NotImplementedError


class Sum(Aggregate):
    """``sum(x)``: integers give an integer, any real a real; NULL for no values."""

    def __init__(self) -> None:
        raise NotImplementedError

    def add(self, value: Value) -> None:
        """Add a number.

        Raises:
            SqlTypeError: ``cannot add text`` and the like.
        """
        raise NotImplementedError

    def result(self) -> Value:
        """Return the sum, NULL when there was no value."""
        raise NotImplementedError


class Average(Aggregate):
    """``avg(x)``: the mean as a real; NULL for no values."""

    def __init__(self) -> None:
        raise NotImplementedError

    def add(self, value: Value) -> None:
        """Take a number into the mean; the error is that of `Sum`."""
        raise NotImplementedError

    def result(self) -> Value:
        """Return the mean, NULL when there was no value."""
        raise NotImplementedError


class Minimum(Aggregate):
    """``min(x)``: the least value by `types.compare`; NULL for no values."""

    def __init__(self) -> None:
        raise NotImplementedError

    def add(self, value: Value) -> None:
        """Keep `value` if it is less than all before it."""
        raise NotImplementedError

    def result(self) -> Value:
        """Return the least value, NULL when there was none."""
        raise NotImplementedError


class Maximum(Aggregate):
    """``max(x)``: the greatest value by `types.compare`; NULL for no values."""

    def __init__(self) -> None:
        raise NotImplementedError

    def add(self, value: Value) -> None:
        """Keep `value` if it is greater than all before it."""
        raise NotImplementedError

    def result(self) -> Value:
        """Return the greatest value, NULL when there was none."""
        raise NotImplementedError


class Distinct(Aggregate):
    """Passes each different value on once, to another aggregate."""

    def __init__(self, inner: Aggregate) -> None:
        raise NotImplementedError

    def add(self, value: Value) -> None:
        """Pass `value` on unless an equal one (by `types.sort_key`) was passed on before."""
        raise NotImplementedError

    def result(self) -> Value:
        """Return what the other aggregate returns."""
        raise NotImplementedError


def create(name: str, distinct: bool = False) -> Aggregate:
    """Return a fresh aggregate.

    Args:
        name: its name in the registry, lower case.
        distinct: whether equal values count once.

    Raises:
        SqlNameError: the registry knows no aggregate of that name.
    """
    raise NotImplementedError
