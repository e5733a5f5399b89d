"""Plays random schedules against the machine: `python tests/simulation/simulate.py --help`.

A schedule is decided by one number. When one breaks a rule, it is made shorter and written as a
program that plays it again.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

if not __package__:  # run as a program
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from simulation.planted import BUGS, named
from simulation.schedule import simulate
from simulation.tracing import program, shorten

CHUNK = 250


@dataclass
class Tally:
    """What some schedules came to.

    Attributes:
        ends: how many runs ended in which way.
        broken: seeds that broke a rule.
    """

    schedules: int = 0
    steps: int = 0
    events: int = 0
    faults: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    broken: list[int] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add another tally to this one."""
        self.schedules += other.schedules
        self.steps += other.steps
        self.events += other.events
        self.faults += other.faults
        self.ends += other.ends
        self.broken += other.broken


def play_some(seeds: range, bug: str) -> Tally:
    """Play the schedules of some seeds, up to the first that breaks a rule."""
    gc.set_threshold(200_000)  # many small objects that do not live long: a quarter faster
    core, tally = named(bug), Tally()
    for seed in seeds:
        result = simulate(seed, core)
        tally.schedules += 1
        tally.steps += len(result.steps)
        tally.events += result.events
        tally.faults += result.faults
        tally.ends[result.status] += 1
        if result.broken:
            tally.broken.append(seed)
            break
    return tally


def tallies(first: int, schedules: int, jobs: int, bug: str) -> Iterator[Tally]:
    """Play schedules, in processes if `jobs` is over 1, and yield what each part came to."""
    end = first + schedules
    parts = [range(n, min(n + CHUNK, end)) for n in range(first, end, CHUNK)]
    if jobs == 1:
        yield from map(play_some, parts, repeat(bug))
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(play_some, parts, repeat(bug))


def trace(seed: int, bug: str) -> str:
    """Return the shortened trace of a seed that breaks a rule, as a program."""
    core = named(bug)
    result = simulate(seed, core)
    if result.broken is None:
        raise ValueError(f"seed {seed} breaks no rule")
    world, steps, broken = shorten(result.world, result.steps, core)
    return program(world, steps, broken, seed, bug)


def main(words: list[str] | None = None) -> int:
    """Run the command; return its exit status: 0 when no rule was broken, else 1."""
    options = _parser().parse_args(words)
    began, total = time.perf_counter(), Tally()
    for tally in tallies(options.seed, options.schedules, options.jobs, options.bug):
        total.add(tally)
        if tally.broken:
            break
    seconds = time.perf_counter() - began
    ends = ", ".join(f"{count} {status}" for status, count in sorted(total.ends.items()))
    print(
        f"{total.schedules} schedules, {total.steps} steps, {total.faults} faults, "
        f"{total.events} events in {seconds:.1f} s "
        f"({total.schedules / seconds:.0f} schedules/s); runs ended: {ends}"
    )
    if not total.broken:
        return 0
    text = trace(total.broken[0], options.bug)
    options.trace.write_text(text)
    print(f"seed {total.broken[0]} breaks a rule; its trace is {options.trace}:\n\n{text}")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--schedules", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first (default: 1)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument(
        "--trace", type=Path, default=Path("trace.py"), help="file for the trace of a failure"
    )
    parser.add_argument(
        "--bug", default="", choices=["", *(bug.name for bug in BUGS)], metavar="NAME",
        help="play against a machine with this planted bug",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
