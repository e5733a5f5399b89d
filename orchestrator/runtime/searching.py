"""Matching with patterns that a model wrote, without letting them take the machine.

`re` holds the interpreter while it backtracks, so one bad pattern would stop all workers;
`regex` lets others go on and ends when its time is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import regex

from orchestrator.runtime.gates import ToolRefusedError

SEARCH_SECONDS = 5.0
"""Time for one search: a pattern may backtrack without end."""

PATTERN_LIMIT = 1000
"""Characters of a pattern."""

LINE_LIMIT = 300
"""Characters of a line that are shown."""

# A pattern that calls itself takes a gigabyte in a second, before its time is over.
_RECURSION = regex.compile(r"(?<!\\)\(\?(?:R|P>|&|[+-]?\d)")


def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """Return a pattern ready to match.

    Raises:
        ToolRefusedError: it is not a regular expression, or may not be used.
    """
    if len(pattern) > PATTERN_LIMIT:
        raise ToolRefusedError(
            f"the pattern has {len(pattern)} characters; {PATTERN_LIMIT} are allowed",
            "search for less at a time",
        )
    if _RECURSION.search(pattern):
        raise ToolRefusedError("the pattern calls itself", "write it without (?R) and its like")
    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise ToolRefusedError(
            f"the pattern is not a regular expression: {error or type(error).__name__}",
            "mend it; put a backslash before characters that stand for themselves",
        ) from None


def matching_lines(
    pattern: regex.Pattern[str], text: str, path: str, end: float
) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file that match: their number, from 1, and their beginning.

    Args:
        path: the file, for the refusal.
        end: when the time of the search is over, on the monotonic clock.

    Raises:
        ToolRefusedError: it is over.
    """
    try:
        for number, line in enumerate(text.splitlines(), start=1):
            rest = end - monotonic()
            if rest <= 0:
                raise TimeoutError
            if pattern.search(line, timeout=rest, concurrent=True):  # other threads go on
                yield number, line[:LINE_LIMIT]
    except (TimeoutError, MemoryError):
        raise ToolRefusedError(
            f"the search took too long (more than {SEARCH_SECONDS:.0f} s) and was ended in {path}",
            "use a simpler pattern, without a repetition inside a repetition, or a narrower glob",
        ) from None
