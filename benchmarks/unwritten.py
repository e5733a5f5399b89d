"""A plugin of pytest: a test that meets code which is not written yet says nothing.

In an experiment every task runs the same tests in every decomposition, also in those where the
code around it is written later. What fails only because a stub raises `NotImplementedError` is
skipped; what fails in any other way fails. The judge, who comes last, runs without the plugin.
It is copied into the workspace and loaded with ``-p unwritten``.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a failure into a skip when a stub is behind it."""
    report = yield
    if report.failed and call.excinfo is not None and is_unwritten(call.excinfo.value):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, "meets code that is not written yet")
    return report


def is_unwritten(error: BaseException) -> bool:
    """Whether an error, or what it came from, is that of a function without a body."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        if isinstance(one, NotImplementedError):
            return True
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
    return False
