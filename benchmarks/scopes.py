"""How fast scopes are compared, against interegular and against asking every live claim.

Run as ``python benchmarks/scopes.py``. Prints microseconds; every figure is the best of several
rounds, because noise only ever adds. Caches of answers are emptied before each round.

Three prices of one comparison are given: with both globs compiled (what a run pays, since globs
recur), with nothing compiled (the first time ever), and interegular on the same pair, its
automata built or not. Both sides get the same language: interegular's regular expressions are
translated from the glob and confined to canonical paths.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import interegular

from orchestrator.core.automata import compiled
from orchestrator.core.matcher import matcher
from orchestrator.core.scope import Scope, overlaps
from orchestrator.core.scopeindex import ScopeIndex
from orchestrator.core.witnesses import shortest

PAIRS = (
    ("src/a.py", "src/a.py"),
    ("src/a.py", "tests/**"),
    ("src/core/*.py", "src/**"),
    ("src/core/*.py", "src/core/scope.py"),
    ("src/**/*.py", "src/core/test_*"),
    ("src/**/*.py", "**/test_*.py"),
    ("tests/**/test_*.py", "**/*_util.py"),
    ("**/*.py", "**/*.md"),
    ("src/{api,core}/*.py", "src/[a-d]*/models.py"),
    ("packages/*/src/**", "packages/web/**/index.{ts,tsx}"),
)
SEGMENT = r"([^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+)"
CLAIMS = (10, 100, 1_000, 10_000)


def best(action: Callable[[], object], prepare: Callable[[], object], rounds: int = 30) -> float:
    """Return the shortest time of several rounds, in microseconds."""
    times = []
    for _ in range(rounds):
        prepare()
        start = perf_counter()
        action()
        times.append(perf_counter() - start)
    return min(times) * 1e6


def forget_answers() -> None:
    """Forget what was decided, keep what was compiled."""
    shortest.cache_clear()


def forget_all() -> None:
    """Forget compiled globs too."""
    shortest.cache_clear()
    compiled.cache_clear()
    matcher.cache_clear()


def regex_of(glob: str) -> str:
    """Return the regular expression of a glob, for the syntax that `PAIRS` use."""
    if not set(glob) & set("*?[{"):
        return f"{re.escape(glob)}(/{SEGMENT})*"
    text = glob.replace(".", r"\.").replace("{", "(").replace("}", ")").replace(",", "|")
    text = re.sub(r"(?<!\*)\*(?!\*)", "[^/]*", text)
    return text.replace("**/", f"({SEGMENT}/)*").replace("/**", f"(/{SEGMENT})*")


@lru_cache(maxsize=1)
def canonical_paths() -> Any:
    """Return interegular's automaton of all canonical paths."""
    return interegular.parse_pattern(f"{SEGMENT}(/{SEGMENT})*").to_fsm()


def built(glob: str) -> Any:
    """Return interegular's automaton of a glob."""
    return (interegular.parse_pattern(regex_of(glob)).to_fsm() & canonical_paths()).reduce()


def prices(a: str, b: str) -> tuple[float, float, float, float]:
    """Return the four prices of a pair: ours and interegular's, each warm and the first time."""
    left, right = built(a), built(b)
    if overlaps(a, b) == (left & right).empty():
        raise SystemExit(f"the two disagree on {a} and {b}")
    return (
        best(lambda: overlaps(a, b), forget_answers),
        best(lambda: overlaps(a, b), forget_all),
        best(lambda: (left & right).empty(), forget_answers, 10),
        best(lambda: (built(a) & built(b)).empty(), forget_answers, 3),
    )


def compare_pairs() -> None:
    """Print the price of one comparison, pair by pair."""
    print(f"{'one pair of globs, microseconds':44}{'ours':>21}{'interegular':>21}")
    print(f"{'':44}{'compiled  first time':>21}{'compiled  first time':>21}{'ratio':>9}")
    rows = []
    for a, b in PAIRS:
        row = prices(a, b)
        rows.append((*row, row[2] / row[0]))
        print_row(f"{a}  {b}", rows[-1])
    print_row("median of each column", [median(column) for column in zip(*rows, strict=True)])
    print_row("largest of each column", [max(column) for column in zip(*rows, strict=True)])


def print_row(name: str, row: Sequence[float]) -> None:
    """Print one line of the table of pairs."""
    ours, first, theirs, theirs_first, ratio = row
    print(f"{name[:43]:44}{ours:9.1f}{first:12.1f}{theirs:9.0f}{theirs_first:12.0f}{ratio:8.1f}x")


def claims(number: int) -> list[tuple[str, Scope]]:
    """Return live claims as tasks make them: a file with its test, a folder, a pattern."""
    made = []
    for n in range(number):
        package = f"src/pkg{n // 10}"
        globs = (
            [f"{package}/mod{n}.py", f"tests/pkg{n // 10}/test_mod{n}.py"],
            [f"{package}/sub{n}/**"],
            [f"{package}/part{n}_*.py", f"!{package}/part{n}_old.py"],
        )[n % 3]
        made.append((f"task-{n}", Scope(globs)))
    return made


NEW_CLAIMS = (
    ("one file", ("src/pkg0/mod0.py",)),
    ("one folder", ("src/pkg0/sub1",)),
    ("one package", ("src/pkg0/*.py", "tests/pkg0/**")),
    ("every test", ("tests/**/test_*.py",)),
)


def compare_index() -> None:
    """Print the price of finding the live claims that overlap a new one."""
    print("\nlive claims that overlap a new one, microseconds")
    print(f"{'new claim':14}{'live':>8}{'found':>8}{'index':>12}{'linear':>12}{'ratio':>10}")
    for number in CLAIMS:
        live = claims(number)
        index = ScopeIndex()
        for key, scope in live:
            index.add(key, scope)
        for name, globs in NEW_CLAIMS:
            print(f"{name:14}{number:8,}{ask(index, live, Scope(globs))}")


def ask(index: ScopeIndex, live: Sequence[tuple[str, Scope]], new: Scope) -> str:
    """Return the line of one new claim: how many it overlaps, and what it costs to find them."""

    def linear() -> list[str]:
        return [key for key, scope in live if scope.overlaps(new)]

    found = index.overlapping(new)
    if found != linear():
        raise SystemExit("the index and the linear scan disagree")
    ours = best(lambda: index.overlapping(new), forget_answers, 10)
    scan = best(linear, forget_answers, 3)
    return f"{len(found):8,}{ours:12.1f}{scan:12.1f}{scan / ours:9.1f}x"


def price_of_matching() -> None:
    """Print the price of matching one path."""
    scope = Scope(["src/**/*.py", "tests/**", "!**/conftest.py"])
    path = "src/orchestrator/core/scope.py"
    times = 10_000
    taken = best(lambda: [scope.matches(path) for _ in range(times)], lambda: None, 5)
    print(
        f"\nScope.matches, three entries, {len(path)} characters: {taken / times:.2f} microseconds"
    )


if __name__ == "__main__":
    compare_pairs()
    compare_index()
    price_of_matching()
