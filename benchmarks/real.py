"""Decompositions of code that nobody here wrote, judged by its own tests.

Run as ``python benchmarks/real.py [--library NAME]… [--strategy NAME]… [--quick]``.

For each library: its source archive is fetched with pip; its tests are run as they came
(*upstream*); the bodies of its functions are taken out; each strategy cuts the work into a plan;
four workers carry it out at once in mode shared, the offline model ``oracle`` restoring for each
task the files that the task may write; then the library's own tests judge the result. A plan is
good if they end as green as upstream and no write was refused. Columns: *width*, the most tasks
that wait for one another in no way; *errors*, *warn*: findings of lint; *refused*: writes whose
refusal reached the agent; *merged*: writes to a file of which others had changed another region,
merged without asking the agent; *waits*: for files; *critical*: longest path with the realised
times, and *ratio* makespan over it; *speed-up*: work over makespan.

Archives and results are kept in ``--cache`` and never belong into version control.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from libraries import LIBRARIES, Library, cache_folder, fetch, judge, unpack
from marking import mark_regions
from stripping import strip

from orchestrator import measure, run
from orchestrator.analysis.codegraph import build
from orchestrator.analysis.decompose import STRATEGIES, Options, decompose
from orchestrator.analysis.lint import lint
from orchestrator.analysis.parallelism import parallelism_of
from orchestrator.core.states import TaskState
from orchestrator.spec.plan import check_plan

WORKERS = 4
OFFLINE = tuple(name for name in STRATEGIES if name != "model")
QUICK = ("modules", "hard", "interfaces")


@dataclass(slots=True)
class Row:
    """One library under one strategy."""

    strategy: str
    tasks: int
    width: int
    errors: int
    warnings: int
    refused: int
    merged: int
    waits: int
    makespan: float
    critical: float
    work: float
    status: str
    passed: int
    wrong: int
    failed: list[str] = field(default_factory=list)


def attempt(library: Library, strategy: str, ground: Path, latency: str, seed: int) -> Row:
    """Cut, run and judge one library under one strategy.

    Args:
        ground: holds ``original`` and ``stripped``.
        latency: of the oracle, seconds per turn.
    """
    place = ground / strategy
    place.mkdir()
    stripped, original = place / "stripped", place / "reference"
    shutil.copytree(ground / "stripped", stripped)
    shutil.copytree(ground / "original", original)
    graph = build(stripped)
    made = decompose(graph, strategy, Options(workers=WORKERS, seed=seed))
    found = [*check_plan(made.plan), *lint(made.plan, graph)]
    mark_regions(made.pieces, stripped, original)
    result = run(
        made.plan, model=f"oracle:{original}", options={"latency": latency}, workers=WORKERS,
        mode="shared", seed=seed, into=place / "out", run_dir=place / "run",
    )  # fmt: skip
    metrics = measure(result.run_dir)
    verdict = judge(place / "out", library)
    weights = Counter(finding.severity for finding in found)
    failed = [
        f"{name}: {task.reason}"
        for name, task in result.tasks.items()
        if task.state is not TaskState.SUCCEEDED
    ]
    return Row(
        strategy, len(made.plan.tasks), parallelism_of(made.plan.tasks).width, weights["error"],
        weights["warning"], metrics.conflicts + metrics.refused_scope, metrics.rebased,
        len(metrics.waits), metrics.makespan, metrics.critical_path, metrics.work, result.status,
        verdict.passed, verdict.wrong, failed,
    )  # fmt: skip


def compare(library: Library, strategies: Sequence[str], asked: argparse.Namespace) -> bool:
    """Print the table of one library; return whether every strategy but random was good."""
    with tempfile.TemporaryDirectory(prefix="bench-real-") as scratch:
        ground = Path(asked.keep) / library.name if asked.keep else Path(scratch)
        ground.mkdir(parents=True, exist_ok=True)
        original = unpack(fetch(library, asked.cache), library, ground)
        upstream = judge(original, library)
        shutil.copytree(original, ground / "stripped")
        bodies = strip(ground / "stripped", library.folder, library.name)
        stripped = judge(ground / "stripped", library)
        print(
            f"\n{library.name} {library.version}: {bodies} bodies taken out; tests passed: "
            f"{upstream.passed} upstream ({upstream.wrong} failed), {stripped.passed} stripped",
            flush=True,
        )
        print(_HEAD, flush=True)
        good = True
        for strategy in strategies:
            row = attempt(library, strategy, ground, asked.latency, asked.seed)
            fine = row.passed == upstream.passed and row.wrong <= upstream.wrong
            good &= strategy == "random" or (fine and not row.refused and not row.errors)
            for line in _lines(row, upstream.passed, fine):
                print(line, flush=True)
        return good


_HEAD = (
    f"{'strategy':<14} {'tasks':>5} {'width':>5} {'errors':>6} {'warn':>4} {'refused':>7} "
    f"{'merged':>6} {'waits':>5} {'makespan':>8} {'critical':>8} {'ratio':>5} {'speed-up':>8} "
    f"{'passed':>11}"
)


def _lines(row: Row, upstream: int, fine: bool) -> Iterator[str]:
    yield (
        f"{row.strategy:<14} {row.tasks:>5} {row.width:>5} {row.errors:>6} {row.warnings:>4} "
        f"{row.refused:>7} {row.merged:>6} {row.waits:>5} {row.makespan:>7.1f}s "
        f"{row.critical:>7.1f}s {row.makespan / max(row.critical, 1e-9):>5.2f} "
        f"{row.work / max(row.makespan, 1e-9):>8.2f} {f'{row.passed}/{upstream}':>11}"
        f"{'' if fine and row.status == 'succeeded' else '  ' + row.status}"
    )
    for why in row.failed:
        yield f"    {why}"[:160]


def main() -> int:
    """Read the command line, print a table per library."""
    names = [library.name for library in LIBRARIES]
    reader = argparse.ArgumentParser(description="Decompositions of real libraries.")
    reader.add_argument("--library", action="append", choices=names, help="default: all")
    reader.add_argument("--strategy", action="append", choices=OFFLINE, help="default: all")
    reader.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    reader.add_argument("--latency", default="0.1-0.4", help="seconds per turn of the oracle")
    reader.add_argument("--seed", type=int, default=1)
    reader.add_argument(
        "--cache", type=Path, default=cache_folder(), help="where archives are kept"
    )
    reader.add_argument(
        "--keep", type=Path, help="directory for plans, runs and trees; must not exist"
    )
    asked = reader.parse_args()
    chosen = asked.strategy or (QUICK if asked.quick else OFFLINE)
    good = True
    for library in LIBRARIES:
        if not asked.library or library.name in asked.library:
            good &= compare(library, chosen, asked)
    print("\nEvery strategy but random is as green as upstream, with no refused write."
          if good else "\nNot every strategy met the target.")  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
