"""Is the simulator right, and is it fast? Against real runs of examples/minisql.

Run as ``python benchmarks/simulate.py [--quick]``. The real runs take a few minutes: the oracle
takes its time for each turn (``-M latency``), so that durations are the model's and not this
machine's; what is left of the error is that runs of one plan differ. Three questions:

1. Fed with a run's own durations, does it give the run's makespan? (target: within 2 %)
2. Fitted from runs of one decomposition, does it forecast *other* seeds and other numbers of
   workers, and *another* decomposition that it has never seen? Against the baselines work / m and
   max(span, work / m), by the same fitted durations. The other decomposition is minisql's own plan
   with neighbours merged: fewer, longer tasks whose estimates are sums.
3. How long do 1,000 simulated runs of a plan of 100 tasks take? (target: under 30 s)
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from orchestrator.core.task import Task
from orchestrator.lab.durations import Realised
from orchestrator.lab.fitting import Fit, fit_events
from orchestrator.lab.metrics import measure
from orchestrator.lab.runlog import RunLog, read_log
from orchestrator.lab.simulate import Setting, simulate
from orchestrator.runtime.run import run
from orchestrator.spec.plan import Plan, load_plan

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "minisql"
LATENCY = "0.6-2.4"  # seconds per turn
MERGED = (
    ("front", ("tokens", "lexer")),
    ("values", ("types", "functions")),
    ("tree", ("syntax_tree", "parser")),
    ("output", ("formatter", "shell")),
    ("engine", ("executor", "integration")),
)
TARGET = 100, 1000, 30.0  # tasks, runs, seconds


def prepared(plan: Plan, scratch: Path) -> Plan:
    """Return the plan with nothing shared: the files that all tasks edit are there at the start.

    The oracle fills regions of shared files by the ids of the tasks, which differ from one
    decomposition to the other; so both are run without them.
    """
    project = scratch / "project"
    shutil.copytree(EXAMPLE / "project", project)
    for name in ("__init__.py", "registry.py"):
        shutil.copy(EXAMPLE / "solution" / "minisql" / name, project / "minisql" / name)
    tasks = tuple(replace(task, shares=()) for task in plan.tasks)
    return replace(plan, tasks=tasks, workspace=project, path=None)


def merged(plan: Plan, groups: Sequence[tuple[str, Sequence[str]]] = MERGED) -> Plan:
    """Return a plan with groups of tasks made one: another decomposition of the same goal."""
    into = {task: name for name, tasks in groups for task in tasks}
    made: dict[str, Task] = {}
    for task in plan.tasks:
        name = into.get(task.id, task.id)
        needs = tuple(into.get(one, one) for one in task.depends_on)
        old = made.get(name)
        if old is None:
            made[name] = replace(task, id=name, depends_on=_without(needs, name))
            continue
        made[name] = replace(
            old,
            role="integrator",
            depends_on=_without((*old.depends_on, *needs), name),
            writes=_without((*old.writes, *task.writes)),
            tests=_without((*old.tests, *task.tests)),
            estimate=old.estimate + task.estimate,
        )
    return replace(plan, name=f"{plan.name}, merged", tasks=tuple(made.values()), path=None)


def _without(names: Sequence[str], name: str = "") -> tuple[str, ...]:
    return tuple(one for one in dict.fromkeys(names) if one != name)


@dataclass(frozen=True)
class Trial:
    """A real run."""

    plan: Plan
    workers: int
    makespan: float
    log: RunLog


def trial(plan: Plan, workers: int, seed: int, scratch: Path) -> Trial:
    """Run a plan for real."""
    folder = scratch / f"{plan.name}-{workers}-{seed}".replace(" ", "_").replace(",", "")
    # The latency's seed must differ from run to run; the tasks' order must not.
    options = {"latency": LATENCY, "seed": str(seed)}
    result = run(
        plan,
        model=f"oracle:{EXAMPLE / 'solution'}",
        options=options,
        workers=workers,
        into=folder / "out",
        run_dir=folder / "run",
        seed=seed,
        durability="normal",
    )
    if result.status != "succeeded":
        raise SystemExit(f"the run in {result.run_dir} did not succeed: {result.status}")
    return Trial(plan, workers, measure(folder / "run").makespan, read_log(folder / "run"))


def replayed(trials: Sequence[Trial]) -> None:
    """Print the simulator's error when it is fed with the real durations."""
    print("\n1. fed with a run's own durations")
    print(f"{'plan':<17} {'workers':>7} {'real s':>8} {'simulated s':>12} {'error':>7}")
    errors = []
    for one in trials:
        played = Setting.of(one.plan).play(Realised(one.log.events), one.workers)
        errors.append(abs(played.makespan - one.makespan) / one.makespan)
        print(
            f"{one.plan.name:<17} {one.workers:>7} {one.makespan:>8.2f} {played.makespan:>12.2f} "
            f"{errors[-1]:>7.2%}"
        )
    print(f"median {median(errors):.3%}, worst {max(errors):.3%} (target under 2 %)")


def forecast(title: str, learnt: Fit, trials: Sequence[Trial], runs: int) -> None:
    """Print forecasts against real runs that they were not fitted from."""
    curve = learnt.durations.curve
    print(f"\n2. {title}: fitted from {learnt.samples} attempts, new tasks take ", end="")
    print(f"{curve.factor:.2f} x estimate ** {curve.power:.2f}, sigma {curve.sigma:.2f}")
    print(
        f"{'plan':<17} {'workers':>7} {'real s':>8} {'median':>8} {'80 % interval':>16} "
        f"{'error':>7} {'max(span,w/m)':>14} {'work/m':>8}"
    )
    errors: dict[str, list[float]] = {"simulated": [], "max(span, work/m)": [], "work/m": []}
    inside = 0
    for one in trials:
        (found,) = simulate(
            one.plan, workers=[one.workers], runs=runs, durations=learnt.durations
        ).forecasts
        low, high = found.interval(80)
        inside += low <= one.makespan <= high
        guesses = (found.median, found.bounds.lower, found.bounds.work_share)
        off = [guess / one.makespan - 1 for guess in guesses]
        for name, error in zip(errors, off, strict=True):
            errors[name].append(abs(error))
        print(
            f"{one.plan.name:<17} {one.workers:>7} {one.makespan:>8.2f} {found.median:>8.2f} "
            f"{low:>7.2f} – {high:>6.2f} {off[0]:>+7.1%} {off[1]:>+14.1%} {off[2]:>+8.1%}"
        )
    shown = ", ".join(f"{name} {median(values):.1%}" for name, values in errors.items())
    print(f"median absolute error: {shown}; inside the 80 % interval: {inside} of {len(trials)}")


def winners(learnt: Fit, trials: Sequence[Trial], runs: int) -> None:
    """Print how many pairs of (plan, workers) are put in the right order."""
    told = [
        simulate(one.plan, workers=[one.workers], runs=runs, durations=learnt.durations)
        .forecasts[0]
        .median
        for one in trials
    ]
    right = wrong = 0
    for i in range(len(trials)):
        for j in range(i):
            sign = (told[i] - told[j]) * (trials[i].makespan - trials[j].makespan)
            right, wrong = right + (sign > 0), wrong + (sign < 0)
    tau = (right - wrong) / max(right + wrong, 1)
    print(f"pairs whose winner is called right: {right} of {right + wrong}; Kendall tau {tau:.2f}")


def big(tasks: int, seed: int = 1) -> Plan:
    """Return a random plan: up to two dependencies each, files of one's own, one shared file."""
    chance = random.Random(seed)
    made = [
        Task(
            id=f"t{number}",
            role="implementer",
            depends_on=tuple(f"t{n}" for n in sorted(set(_earlier(chance, number)))),
            writes=(f"pkg/m{number}.py",),
            shares=("pkg/__init__.py",),
            estimate=chance.uniform(60, 300),
        )
        for number in range(tasks)
    ]
    return Plan(name=f"{tasks} tasks", tasks=tuple(made))


def crowded(tasks: int, seed: int = 1) -> Plan:
    """Return the same plan with every tenth file held by ten tasks: they wait for it."""
    plan = big(tasks, seed)
    some = [replace(t, writes=(f"pkg/f{n % 10}.py",)) for n, t in enumerate(plan.tasks)]
    return replace(plan, name=f"{tasks} tasks, 10 files", tasks=tuple(some))


def _earlier(chance: random.Random, number: int) -> Iterator[int]:
    for _ in range(min(number, 2)):
        yield chance.randrange(number)


def speed(runs: int) -> None:
    """Print how long simulated runs take."""
    tasks, whole, seconds = TARGET
    print(f"\n3. speed ({runs} runs; the target is {whole:,} runs of {tasks} tasks in {seconds} s)")
    for plan in (big(tasks), crowded(tasks)):
        for workers in (1, 4, 16):
            start, begun = process_time(), perf_counter()
            simulate(plan, workers=[workers], runs=runs)
            used, wall = process_time() - start, perf_counter() - begun
            scaled = used * whole / runs
            print(
                f"{plan.name:<20} {workers:>2} workers: {scaled:6.1f} s of processor time for "
                f"{whole:,} runs ({wall * whole / runs:.1f} s by the clock)"
            )


def real_runs(quick: bool, scratch: Path) -> Mapping[str, list[Trial]]:
    """Run the plans for real: some to learn from, others to be forecast."""
    plan = prepared(load_plan(EXAMPLE / "plan.yaml"), scratch)
    second = merged(plan)
    second.check()
    found: dict[str, list[Trial]] = {"learn": [], "same": [], "other": []}
    wanted = [("learn", plan, 2, 11), ("same", plan, 4, 21), ("other", second, 4, 31)]
    if not quick:
        wanted += [
            ("learn", plan, 4, 12),
            ("same", plan, 1, 22), ("same", plan, 8, 24),
            ("other", second, 1, 32), ("other", second, 2, 33), ("other", second, 8, 34),
        ]  # fmt: skip
    for part, chosen, workers, seed in wanted:
        one = trial(chosen, workers, seed, scratch)
        found[part].append(one)
        print(f"ran {chosen.name} with {workers}: {one.makespan:.1f} s", file=sys.stderr)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three real runs, few simulated ones")
    parser.add_argument("--speed", action="store_true", help="only the speed")
    asked = parser.parse_args()
    runs = 100 if asked.quick else 1000
    if not asked.speed:
        with tempfile.TemporaryDirectory() as folder:
            trials = real_runs(asked.quick, Path(folder))
            replayed([one for part in trials.values() for one in part])
            learnt = fit_events([(one.log.header.tasks, one.log.events) for one in trials["learn"]])
            forecast("the same decomposition, other seeds", learnt, trials["same"], runs)
            forecast("another decomposition", learnt, trials["other"], runs)
            winners(learnt, [*trials["same"], *trials["other"]], runs)
    speed(100 if asked.quick else 300)


if __name__ == "__main__":
    main()
