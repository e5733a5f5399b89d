"""How fast the code graph is made, against grimp's import graph of the same package.

Run as ``python benchmarks/codegraph.py [PACKAGE…]``. Prints seconds, best of several rounds, and
ratios measured in the same run. grimp reads imports only, in Rust; the code graph also reads
symbols, calls, types, strengths and stubs, so a ratio says what that costs.

The last line times 300 modules of the first package, the size that is promised under 3 s.
It is judged by processor time, which is what one thread needs on an idle machine; the wall time is
printed beside it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import grimp

from orchestrator.analysis.codegraph import build

PACKAGES = ("networkx", "rich", "hypothesis", "click")
TARGET = 300, 3.0  # modules, seconds


def best(
    action: Callable[[], object], clock: Callable[[], float] = perf_counter, rounds: int = 3
) -> float:
    """Return the shortest time of several rounds, in seconds."""
    times = []
    for _ in range(rounds):
        start = clock()
        action()
        times.append(clock() - start)
    return min(times)


def part(folder: Path, modules: int, into: Path) -> Path:
    """Copy a package's first `modules` files, tests left out first, and return the copy."""
    files = sorted(folder.rglob("*.py"), key=lambda path: ("tests" in path.parts, path))
    made = into / folder.name
    for file in files[:modules]:
        place = made / file.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    return made


def compare(name: str, scratch: Path) -> None:
    """Print one package's times."""
    (where,) = import_module(name).__path__
    folder = Path(where)
    theirs = best(lambda: grimp.build_graph(name, cache_dir=None))
    ours = best(lambda: build(folder))
    cache = scratch / f"{name}-cache"
    graph = build(folder, cache=cache)
    again = best(lambda: build(folder, cache=cache))
    print(
        f"{name:12} {len(graph.modules):5} modules  grimp {theirs:6.3f} s  "
        f"first {ours:6.3f} s ({ours / theirs:5.1f} x)  "
        f"again {again:6.3f} s ({again / theirs:5.1f} x, {ours / again:4.1f} times faster)"
    )


def main() -> None:
    """Print all packages, then the promised size."""
    names = sys.argv[1:] or list(PACKAGES)
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        for name in names:
            compare(name, scratch)
        modules, seconds = TARGET
        (where,) = import_module(names[0]).__path__
        folder = part(Path(where), modules, scratch)
        size = sum(file.stat().st_size for file in folder.rglob("*.py"))
        count = len(list(folder.rglob("*.py")))
        taken, wall = best(lambda: build(folder), process_time), best(lambda: build(folder))
        word = "kept" if taken < seconds else "MISSED"
        print(
            f"{count} modules of {names[0]} ({size / 1e6:.1f} MB): {taken:.2f} s of processor, "
            f"{wall:.2f} s of wall; "
            f"{modules} modules under {seconds:.0f} s: {word}"
        )


if __name__ == "__main__":
    main()
