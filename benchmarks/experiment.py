"""The flagship experiment: five modes, three decompositions, as coupling between tasks rises.

Run as ``make experiment`` or ``python benchmarks/experiment.py [--repeats N] [--jobs N]
[--out DIR] [--models MODEL,…]``; see ``--help``.

It prepares the ground (`groundwork.py`), runs every trial that is not done yet, each in a process
of its own, and writes ``docs/results.md`` from the figures (`results.py`). Ctrl-C ends it; the
same command goes on. ``--report`` writes the document from the trials that are done.

Without ``--models`` the agents are synthetic: they restore a reference solution, as imperfectly
as a profile says (docs/agents.md), in virtual time. With ``--models anthropic:NAME`` the same
plans go to a real model: what it may cost is said first, and a yes is asked for.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import yaml
from cells import with_anomalies
from groundwork import CODEBASES, JUDGE, WORKERS, Ground, check_ground, prepare
from libraries import cache_folder
from results import Setting, write_results

from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.lab.experiment import Experiment
from orchestrator.lab.experimentfile import read_experiment
from orchestrator.lab.statistics import require
from orchestrator.lab.trial import TrialResult
from orchestrator.lab.trialruns import Advance, conduct
from orchestrator.lab.trialtables import write_manifest, write_tables
from orchestrator.lab.versussolo import beside_solo
from orchestrator.ui.paying import approval
from orchestrator.ui.signals import terminable
from orchestrator.ui.words import duration

MODES = ("shared", "solo", "uncontrolled", "locks", "worktree")
"""The first is the baseline of every comparison."""

LEVELS = {"minisql": (0.5, 1.0), "simpy": (1.0,), "docstring_parser": (0.0,)}
"""Shares of the interfaces that drift; docstring_parser has none that could."""

COMMAND_SECONDS = 20.0
"""What a test run takes in virtual time: the suites take under 2 s, real projects longer."""

_HERE = Path(__file__).parent


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, run what is left, write the document.

    Returns:
        0 when every trial is done; 1 when some are missing or were lost, or when one of mode
        shared had anomalies.
    """
    asked = _reader().parse_args(words)
    try:
        return _go(asked)
    except OrchestratorError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return error.exit_code
    except click.exceptions.Exit as ended:  # nobody wanted to pay
        return ended.exit_code
    except (KeyboardInterrupt, click.exceptions.Abort):
        print("Ended what ran. The same command goes on.", file=sys.stderr)
        return 130


def _go(asked: argparse.Namespace) -> int:
    require()
    if len(asked.models or ()) > 1:
        raise UsageError(
            "the document is about one model", "--models",
            fix="run the command once per model, each with its own --out and --document",
        )  # fmt: skip
    out: Path = asked.out.absolute()
    chosen = [one for one in CODEBASES if not asked.codebase or one.name in asked.codebase]
    grounds = [
        ground
        for codebase in chosen
        for ground in prepare(codebase, asked.levels or LEVELS[codebase.name], out, asked.cache)
    ]
    if not asked.report:
        check_ground(grounds)
    experiment = _experiment(grounds, asked, out)
    experiment.check()
    say(f"{experiment.total} trials of {len(experiment.all_arms())} arms in {out}")
    results = _results(experiment, asked, out)
    write_tables(results, out)
    write_manifest(experiment, results, out)
    setting = Setting(_command(asked), asked.profile, asked.repeats, tuple(grounds))
    write_results(results, setting, experiment, asked.document)
    say(f"Written: {asked.document}")
    return _exit_code(results, experiment.total)


def _exit_code(results: Sequence[TrialResult], total: int) -> int:
    """Return the exit code, and say which trials broke what mode shared promises."""
    broke = with_anomalies(results)
    for one in broke:
        say(f"error: mode shared had {one.figure('anomalies'):g} anomalies in trial {one.name}")
    lost = sum(bool(one.failure) for one in results)
    return 0 if len(results) == total and not lost and not broke else 1


def _results(experiment: Experiment, asked: argparse.Namespace, out: Path) -> list[TrialResult]:
    if asked.report:
        from orchestrator.lab.trial import finished

        found = (
            finished(out / "trials" / one.name, one, experiment.judge)
            for one in experiment.trials()
        )
        return beside_solo([one for one in found if one is not None])
    (out / "trials").mkdir(parents=True, exist_ok=True)
    with terminable():
        return conduct(
            experiment, out, jobs=asked.jobs, retry_lost=asked.retry_lost, listener=_progress,
            approve=approval(experiment, yes=asked.yes),
        )  # fmt: skip


def _experiment(grounds: Sequence[Ground], asked: argparse.Namespace, out: Path) -> Experiment:
    """Write the experiment as a file, so that `compare` can go on with it, and read it."""
    options = dict(option.split("=", 1) for option in asked.option)
    data: dict[str, object] = {
        "experiment": "modes and decompositions",
        "cases": {
            one.case: {order: str(file.relative_to(out)) for order, file in one.plans.items()}
            for one in grounds
        },
        "modes": list(asked.modes or MODES),
        "workers": [WORKERS],
        "repeats": asked.repeats,
        "seed": asked.seed,
        "primary": "success",
        "judge": JUDGE,
    }
    if asked.models:
        data["models"] = asked.models
    else:
        data |= {"time": "virtual", "command_seconds": COMMAND_SECONDS}
        options = {"profile": asked.profile, **options}
    if options:
        data["options"] = options
    file = out / "experiment.yaml"
    file.write_text(yaml.safe_dump(data, sort_keys=False, width=100), encoding="utf-8")
    experiment = read_experiment(file)
    assert experiment is not None  # it says what it is
    return experiment


def _command(asked: argparse.Namespace) -> str:
    """Return the command that runs the same trials again, wherever it is given."""
    words = ["python benchmarks/experiment.py", f"--repeats {asked.repeats}"]
    words += [f"--seed {asked.seed}"] if asked.seed else []
    words += [f"--codebase {name}" for name in asked.codebase or ()]
    words += ["--levels " + ",".join(f"{one:g}" for one in asked.levels)] if asked.levels else []
    words += ["--modes " + ",".join(asked.modes)] if asked.modes else []
    words += ["--models " + ",".join(asked.models)] if asked.models else []
    words += [f"--profile {asked.profile}"] if not asked.models else []
    words += [f"-M {option.partition('=')[0]}=…" if "key" in option.partition("=")[0]
              else f"-M {option}" for option in asked.option]  # fmt: skip
    return " ".join(words)


def _progress(advance: Advance) -> None:
    if advance.last is not None and advance.last.failure:
        say(f"lost: {advance.last.name}: {advance.last.failure}")
    if advance.done % 10 == 0 or advance.done == advance.total:
        left = f"; about {duration(advance.seconds_left)} left" if advance.seconds_left else ""
        say(f"{advance.done} of {advance.total} trials done{left}")


def say(text: str) -> None:
    """Tell the user how far it is."""
    print(text, file=sys.stderr, flush=True)


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _reader() -> argparse.ArgumentParser:
    names = [one.name for one in CODEBASES]
    reader = argparse.ArgumentParser(description="Modes and decompositions, compared.")
    reader.add_argument("--repeats", type=int, default=20, help="seeds per arm and case")
    reader.add_argument("--seed", type=int, default=0, help="the first seed")
    reader.add_argument("--jobs", type=int, default=2, help="trials that run at the same time")
    reader.add_argument("--codebase", action="append", choices=names, help="default: all")
    reader.add_argument(
        "--levels", type=lambda text: [float(word) for word in _listed(text)],
        help="shares of interfaces that drift, for all codebases; default: as in the document",
    )  # fmt: skip
    reader.add_argument("--modes", type=_listed, help=f"default: {','.join(MODES)}")
    reader.add_argument("--profile", default="typical", help="of the synthetic agents")
    reader.add_argument("--models", type=_listed, help="real models instead: anthropic:NAME")
    reader.add_argument("-M", dest="option", action="append", default=[], metavar="KEY=VALUE",
                        help="an option of the model")  # fmt: skip
    reader.add_argument("--yes", action="store_true", help="spend what is estimated, unasked")
    reader.add_argument("--retry-lost", action="store_true", help="run lost trials again")
    reader.add_argument("--report", action="store_true", help="only write the document")
    reader.add_argument("--out", type=Path, default=Path(".orchestrator/experiment"))
    reader.add_argument("--document", type=Path, default=_HERE.parent / "docs" / "results.md")
    reader.add_argument("--cache", type=Path, default=cache_folder(), help="where archives are")
    return reader


if __name__ == "__main__":
    sys.exit(main())
